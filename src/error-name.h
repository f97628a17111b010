/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Names and numbers of errors, errno(3). Pure. */

#include <stddef.h>

/* The errno of this name ("EACCES") or number (1 to 4095); 0 if it is none. */
int error_from_name(const char *text, size_t length);
