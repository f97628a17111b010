/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "text.h"

static void text_is_what_was_printed(void **state) {
        struct text text;
        char *result;

        (void) state;
        assert_int_equal(text_open(&text), 0);
        assert_int_equal(text_close(&text, &result), 0);
        assert_string_equal(result, "");
        free(result);

        assert_int_equal(text_open(&text), 0);
        for (int i = 0; i < 100000; i++)
                fprintf(text.out, "%d,", i % 10);
        assert_int_equal(text_close(&text, &result), 0);
        assert_int_equal(strlen(result), 200000);
        assert_memory_equal(result + 199980, "0,1,2,3,4,5,6,7,8,9,", 20);
        free(result);
}

static unsigned fails_in; /* the realloc() that fails, counted down to 1 */

void *__real_realloc(void *pointer, size_t size);
void *__wrap_realloc(void *pointer, size_t size);

/* In the place of text.c's, see meson.build */
void *__wrap_realloc(void *pointer, size_t size) {
        return fails_in > 0 && --fails_in == 0 ? NULL : __real_realloc(pointer, size);
}

/* open_memstream(3) would lose some of it, and say that all is well. */
static void text_that_finds_no_memory_is_an_error(void **state) {
        (void) state;
        for (unsigned i = 1; i <= 3; i++) {
                struct text text;
                char *result = NULL;

                assert_int_equal(text_open(&text), 0);
                fails_in = i;
                for (int j = 0; j < 100000; j++)
                        fprintf(text.out, "%d,", j % 10);
                assert_int_equal(fails_in, 0);
                assert_int_equal(text_close(&text, &result), -ENOMEM);
                assert_null(result);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(text_is_what_was_printed),
                cmocka_unit_test(text_that_finds_no_memory_is_an_error),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
