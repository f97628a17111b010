/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* UTF-8, as systemd wants it of every setting. Pure: no system calls here. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No surrogates, no noncharacters, nothing above U+10FFFF. */
bool unicode_is_valid(uint32_t character);

/* Valid characters only, none in an overlong form. */
bool utf8_is_valid(const char *text);

/* Writes a character of at most 21 bits. Returns the number of bytes, at most 4; 0 for larger ones. */
size_t utf8_encode(char *to, uint32_t character);
