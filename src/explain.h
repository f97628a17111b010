/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What --explain prints: the rules in canonical form, the passed sockets, and which meets which. */

#include "decide.h"

void explain(const struct policy *policy);
