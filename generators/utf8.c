/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "utf8.h"

/* The bytes of the sequence that begins with this one, 0 if none does; and the bits of it that count */
static unsigned sequence_length(unsigned char first, uint32_t *ret_bits) {
        if (first < 0x80) {
                *ret_bits = first;
                return 1;
        }
        for (unsigned length = 2; length <= 4; length++) {
                unsigned mark =
                        0xffU << (7 - length) & 0xff; /* 110xxxxx, 1110xxxx, 11110xxx with one more */

                if ((first & mark) == (mark << 1 & 0xff)) {
                        *ret_bits = first & ~mark & 0xff;
                        return length;
                }
        }
        return 0;
}

bool unicode_is_valid(uint32_t character) {
        return character < 0x110000 && (character & 0xfffff800) != 0xd800 &&
               (character < 0xfdd0 || character > 0xfdef) && (character & 0xfffe) != 0xfffe;
}

bool utf8_is_valid(const char *text) {
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

        for (const unsigned char *at = (const unsigned char *) text; *at != '\0';) {
                uint32_t character;
                unsigned length = sequence_length(*at, &character);

                if (length == 0)
                        return false;
                for (unsigned i = 1; i < length; i++) {
                        if ((at[i] & 0xc0) != 0x80)
                                return false;
                        character = character << 6 | (at[i] & 0x3f);
                }
                if (character < least[length] || !unicode_is_valid(character))
                        return false;
                at += length;
        }
        return true;
}

size_t utf8_encode(char *to, uint32_t character) {
        static const uint32_t limits[] = {0x80, 0x800, 0x10000, 0x200000};
        static const unsigned char marks[] = {0x00, 0xc0, 0xe0, 0xf0};

        for (size_t n = 0; n < 4; n++)
                if (character < limits[n]) {
                        for (size_t i = n; i > 0; i--) {
                                to[i] = (char) (0x80 | (character & 0x3f));
                                character >>= 6;
                        }
                        to[0] = (char) (marks[n] | character);
                        return n + 1;
                }
        return 0;
}
