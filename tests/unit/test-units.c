/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The generator's reader: lines, words, names, commands. What systemd makes of the same is compared in
 * tests/integration/test_generator_corpus.py. */

#include "unit.h"

#include "exec-command.h"
#include "listen.h"
#include "specifiers.h"
#include "unit-name.h"
#include "unit-reader.h"
#include "utf8.h"
#include "word.h"

static void names_have_their_kind(void **state) {
        static const struct {
                const char *name;
                enum unit_name_kind kind;
        } cases[] = {
                {"a.service", UNIT_NAME_PLAIN},        {"a-b_c:d.e\\x2d.service", UNIT_NAME_PLAIN},
                {"a@.service", UNIT_NAME_TEMPLATE},    {"a@b.service", UNIT_NAME_INSTANCE},
                {"a@b@c.service", UNIT_NAME_INSTANCE}, {"@b.service", UNIT_NAME_INVALID},
                {".service", UNIT_NAME_INVALID},       {"a.socket", UNIT_NAME_INVALID},
                {"a b.service", UNIT_NAME_INVALID},    {"a/b.service", UNIT_NAME_INVALID},
                {"service", UNIT_NAME_INVALID},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_int_equal(unit_name_kind(cases[i].name, ".service"), cases[i].kind);
}

static void names_are_taken_apart(void **state) {
        char name[UNIT_NAME_MAX + 1];

        (void) state;
        unit_name_template("a-b@c-d.service", name);
        assert_string_equal(name, "a-b@.service");
        unit_name_instance("a-b@c@d.service", name);
        assert_string_equal(name, "c@d");
        unit_name_instance("a.service", name);
        assert_string_equal(name, "");
        unit_name_prefix("a.b.service", name);
        assert_string_equal(name, "a.b");
        assert_true(unit_name_change_suffix("a@b.service", ".socket", name));
        assert_string_equal(name, "a@b.socket");
}

static void prefixes_become_shorter_dash_by_dash(void **state) {
        static const struct {
                const char *name, *shorter;
        } cases[] = {
                {"a-b-c.service", "a-b-.service"},
                {"a-b-.service", "a-.service"},
                {"a-.service", NULL},
                {"a.service", NULL},
                {"-a.service", NULL},
                {"a-b@i.service", "a-@i.service"},
                {"a-b@.service", "a-.service"},
                {"a--.service", "a-.service"},
        };
        char name[UNIT_NAME_MAX + 1];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                bool shorter = unit_name_chop(cases[i].name, name);

                assert_int_equal(shorter, cases[i].shorter != NULL);
                if (shorter)
                        assert_string_equal(name, cases[i].shorter);
        }
}

static void words_are_split_and_decoded_as_by_systemd(void **state) {
        static const struct {
                const char *line;
                const char *words[6]; /* the last before NULL is followed by the end; "!" by an error */
        } cases[] = {
                {"a  b\tc ", {"a", "b", "c"}},
                {"'a b' \"c d\" e\"f g\"h", {"a b", "c d", "ef gh"}},
                {"'' \"\"", {"", ""}},
                {"\\x41\\101\\u00e4\\U0001F600\\s\\t", {"AA\xc3\xa4\xf0\x9f\x98\x80 \t"}},
                {"\\q \\x4 \\400 \\x00 \\u0000", {"\\q", "\\x4", "\\400", "\\x00", "\\u0000"}},
                {"a\\ b", {"a\\ b"}},
                {"\"a\\\"b\" 'c\\'d'", {"a\"b", "c'd"}},
                {"end\\", {"end\\"}},
                {"\"open", {"!"}},
                {"a 'open\\", {"a", "!"}},
                {"\\;", {"\\;"}},
                {"", {NULL}},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *at = cases[i].line;

                for (size_t j = 0;; j++) {
                        const char *wanted = cases[i].words[j], *text;
                        size_t length;
                        char *word;
                        int r = word_take(&at, &word, &text, &length);

                        if (!wanted) {
                                assert_int_equal(r, 0);
                                break;
                        }
                        if (strcmp(wanted, "!") == 0) {
                                assert_int_equal(r, -EINVAL);
                                break;
                        }
                        assert_int_equal(r, 1);
                        assert_string_equal(word, wanted);
                        free(word);
                }
        }
}

static char *written(const char *word, unsigned expanded) {
        char *text;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        word_write(out, word, expanded);
        fclose(out);
        return text;
}

static void words_that_are_written_are_read_again(void **state) {
        static const char *const words[] = {"plain",        "",         ";",      "a b", "\"'\\",
                                            "\t\n\x01\x7f", "\xc3\xa4", "--x=y|z"};

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(words); i++) {
                char *text = written(words[i], 0), *word;
                const char *at = text, *part;
                size_t length;

                assert_int_equal(word_take(&at, &word, &part, &length), 1);
                assert_string_equal(word, words[i]);
                assert_string_equal(at, "");
                free(word);
                free(text);
        }
}

static void what_the_manager_expands_is_doubled(void **state) {
        char *text = written("$a%b", WORD_DOLLAR_EXPANDED | WORD_PERCENT_EXPANDED);

        (void) state;
        assert_string_equal(text, "$$a%%b");
        free(text);
}

/* "SECTION.KEY=VALUE@LINE;" for each assignment, "!" where reading ends */
static void read_all(const char *text, size_t length, char *buffer, size_t size) {
        struct unit_reader reader;
        struct assignment assignment;
        size_t used = 0;
        int r;

        unit_reader_init(&reader, text, length);
        buffer[0] = '\0';
        while ((r = unit_reader_next(&reader, &assignment)) > 0)
                used += (size_t) snprintf(buffer + used, size - used, "%s.%s=%s@%u;", assignment.section,
                                          assignment.key, assignment.value, assignment.line);
        if (r < 0)
                (void) snprintf(buffer + used, size - used, "!");
        unit_reader_done(&reader);
}

static void lines_are_read_as_by_systemd(void **state) {
        static const struct {
                const char *text, *expected;
        } cases[] = {
                {"[A]\nb=c\n", "A.b=c@2;"},
                {"[A]\n b = c d \n", "A.b=c d@2;"},
                {"a=b\n[A]\nnothing\n=x\nc=\n", "A.c=@5;"},
                {"[A]\na=b \\\n# comment\n; comment\n c\\\n\\\nd\n", "A.a=b   c  d@7;"},
                {"[A]\na=b\\\\\nc=d\n", "A.a=b\\\\@2;A.c=d@3;"},
                {"[A]\na=b\\ \nc=d\n", "A.a=b\\@2;A.c=d@3;"},
                {"[A]\na=b \\", "A.a=b@2;"},
                {"[A]\na=b \\\nc=d\n", "A.a=b  c=d@3;"},
                {"\xef\xbb\xbf[A]\na=b\n", "A.a=b@2;"},
                {"[A]\r\na=b\r\nc=d\re=f\n\rg=h", "A.a=b@2;A.c=d@3;A.e=f@4;A.g=h@5;"},
                {"[A ]\na=b\n", "A .a=b@2;"},
                {"[A] # x\na=b\n", "!"},
                {"[A]\na=\xff\nb=c\n", "!"},
                {"[A]\n# \xff\na=b\n", "A.a=b@3;"},
                {"[A\"]\na=b\n", "!"},
                {"[A]\na=b=c\n[B]\na=d", "A.a=b=c@2;B.a=d@4;"},
        };
        static const char with_nul[] = "[A]\0a=b\0\0c=d\n\0e=f";
        char buffer[512];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                read_all(cases[i].text, strlen(cases[i].text), buffer, sizeof(buffer));
                assert_string_equal(buffer, cases[i].expected);
        }
        read_all(with_nul, sizeof(with_nul) - 1, buffer, sizeof(buffer));
        assert_string_equal(buffer, "A.a=b@2;A.c=d@4;A.e=f@5;");
}

/* The command as it stands behind /helper with the option -o, or what is wrong with it */
static void wrap(const char *line, char *buffer, size_t size) {
        static const char *const options[] = {"-o", NULL};
        const char *message = NULL;
        size_t used = 0;
        int r = 0;

        buffer[0] = '\0';
        for (;;) {
                struct exec_command command;
                char *text;
                size_t length;
                FILE *out;

                r = exec_command_take(&line, &command, &message);
                if (r <= 0)
                        break;
                out = open_memstream(&text, &length);
                exec_command_write(out, &command, "/helper", options, true);
                fclose(out);
                used += (size_t) snprintf(buffer + used, size - used, "%s%s", used > 0 ? "\n" : "", text);
                free(text);
                exec_command_free(&command);
        }
        if (r < 0)
                (void) snprintf(buffer + used, size - used, "! %s", message);
}

static void commands_stay_behind_the_helper(void **state) {
        static const struct {
                const char *line, *expected;
        } cases[] = {
                {"/bin/a b 'c'", "/helper -o -- /bin/a b 'c'"},
                {"-/bin/a", "-/helper -o -- /bin/a"},
                {":-!!/bin/a", ":-!!/helper -o -- /bin/a"},
                {"@/bin/a zero one", "/helper -o --argv0=zero -- /bin/a one"},
                {"@/bin/a \"z o\" one", "/helper -o --argv0=\"z o\" -- /bin/a one"},
                {"@/bin/a $Z", "/helper -o --argv0=${Z} -- /bin/a"},
                {":@/bin/a $Z", ":/helper -o --argv0=$Z -- /bin/a"},
                {"\"-/bin/a b\" c", "-/helper -o -- \"/bin/a b\" c"},
                {"\\x2d/bin/a", "-/helper -o -- /bin/a"},
                {"-\"/bin/a b\"", "-/helper -o -- \"/bin/a b\""},
                {"/b$n/a", "/helper -o -- /b$$n/a"},
                {":/b$n/a", ":/helper -o -- /b$n/a"},
                {"/bin/a ; ; /bin/b \\; \";\"", "/helper -o -- /bin/a\n/helper -o -- /bin/b \\; \";\""},
                {"/bin/a end\\", "/helper -o -- /bin/a end\\\\"},
                {"/bin/a \\  ; -relative/x", "/helper -o -- /bin/a \\ \"\""},
                {"@/bin/a zero\\", "/helper -o --argv0=zero\\\\ -- /bin/a"},
                {"name x", "/helper -o -- name x"},
                {"-; x", "-/helper -o -- \";\" x"},
                {"/b$\\xff\\xc3\\xa4", "/helper -o -- \"/b$$\\xff\\xc3\\xa4\""},
                {"\"-/b\\xff\"", "-/helper -o -- \"/b\\xff\""},
                {"%t/x", "/helper -o -- %t/x"},
                {"/bin/a ; -relative/x ; /bin/b", "/helper -o -- /bin/a"},
                {"-/bin/a \"open", ""},
                {"\"open", ""},
                {"relative/x", "! the program is neither a name nor an absolute path"},
                {"/bin/a \"open", "! the quotes are unbalanced"},
                {"/bin/", "! the program's path is a directory's"},
                {"@/bin/a", "! behind \"@\" there is no argv[0]"},
                {"@/bin/a ; /bin/b", "! behind \"@\" there is no argv[0]"},
                {"/bin/\\x22", "! the program's path has special characters"},
                {"++/bin/a", "! the program is neither a name nor an absolute path"},
        };
        char buffer[512];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                wrap(cases[i].line, buffer, sizeof(buffer));
                assert_string_equal(buffer, cases[i].expected);
        }
}

static void listen_is_read_strictly(void **state) {
        static const struct {
                const char *text, *address; /* NULL: wrong */
                bool datagram, only_ipv6, dual_stack;
        } cases[] = {
                {"80", "80", false, false, true},
                {"tcp:65535", "65535", false, false, true},
                {"udp:53", "53", true, false, true},
                {"tcp:1.2.3.4:80", "1.2.3.4:80", false, false, false},
                {"udp:[::]:53", "[::]:53", true, true, false},
                {"[::1]:80", "[::1]:80", false, false, false},
                {"unix:/run/x", "/run/x", false, false, false},
                {"/run/x", "/run/x", false, false, false},
                {"unix:@x", "@x", false, false, false},
                {"vsock:2:80", "vsock:2:80", false, false, false},
                {"vsock::80", "vsock::80", false, false, false},
                {"tcp:0", NULL, false, false, false},
                {"tcp:65536", NULL, false, false, false},
                {"tcp:080", NULL, false, false, false},
                {"tcp:", NULL, false, false, false},
                {"", NULL, false, false, false},
                {"1.2.3:80", NULL, false, false, false},
                {"[::1]", NULL, false, false, false},
                {"unix:x", NULL, false, false, false},
                {"unix:/", NULL, false, false, false},
                {"vsock:2", NULL, false, false, false},
                {"sctp:80", NULL, false, false, false},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct listen_address address;
                const char *message = listen_parse(cases[i].text, cases[i].text, &address);

                assert_int_equal(message == NULL, cases[i].address != NULL);
                if (message)
                        continue;
                assert_string_equal(address.address, cases[i].address);
                assert_int_equal(address.datagram, cases[i].datagram);
                assert_int_equal(address.only_ipv6, cases[i].only_ipv6);
                assert_int_equal(address.dual_stack, cases[i].dual_stack);
        }
}

static void specifiers_of_the_name_are_expanded(void **state) {
        static const struct {
                const char *text, *unit, *expected;
                bool certain;
        } cases[] = {
                {"%p %i %n %N %%", "a-b@c.service", "a-b c a-b@c.service a-b@c %", true},
                {"%I %P %j %J", "a-b@c-d\\x2de.service", "c/d-e a/b b b", true},
                {":%i", "a@.service", ":1", false},
                {"%t/x", "a.service", "1/x", false},
                {"100%", "a.service", "100%", true},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                bool certain;
                char *text = specifiers_try(cases[i].text, cases[i].unit, &certain);

                assert_string_equal(text, cases[i].expected);
                assert_int_equal(certain, cases[i].certain);
                free(text);
        }
}

static void utf8_is_checked_strictly(void **state) {
        static const struct {
                const char *text;
                bool valid;
        } cases[] = {
                {"", true},
                {"a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", true},
                {"\xff", false},
                {"\xc3", false},
                {"\xc0\x80", false},
                {"\xe0\x80\x80", false},
                {"\xed\xa0\x80", false},
                {"\xf4\x90\x80\x80", false},
                {"\xef\xbf\xbf", false},
                {"\x80", false},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_int_equal(utf8_is_valid(cases[i].text), cases[i].valid);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(names_have_their_kind),
                cmocka_unit_test(names_are_taken_apart),
                cmocka_unit_test(prefixes_become_shorter_dash_by_dash),
                cmocka_unit_test(words_are_split_and_decoded_as_by_systemd),
                cmocka_unit_test(words_that_are_written_are_read_again),
                cmocka_unit_test(what_the_manager_expands_is_doubled),
                cmocka_unit_test(lines_are_read_as_by_systemd),
                cmocka_unit_test(commands_stay_behind_the_helper),
                cmocka_unit_test(listen_is_read_strictly),
                cmocka_unit_test(specifiers_of_the_name_are_expanded),
                cmocka_unit_test(utf8_is_checked_strictly),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
