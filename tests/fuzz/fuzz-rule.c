/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A rule's canonical form is a rule, the same one; what is none is refused with a place and a reason. */

#include "fuzz.h"
#include "rule-parse.h"
#include "rule-print.h"

static void check(int (*parse)(const char *, struct rule *, struct rule_error *), const char *text) {
        struct rule_error error = {};
        struct rule rule, again;
        char *printed;

        if (parse(text, &rule, &error) < 0) {
                HOLDS(error.column >= 1 && error.column <= strlen(text) + 1);
                HOLDS(error.message[0] != '\0' && memchr(error.message, '\0', sizeof(error.message)));
                return;
        }
        HOLDS(rule.n_steps > 0 && rule.match.first_port <= rule.match.last_port);
        HOLDS(rule_parse(rule.text, &again, &error) == 0);
        HOLDS(rule_print(&again, &printed) == 0 && strcmp(printed, rule.text) == 0);
        HOLDS(again.n_steps == rule.n_steps && again.match.kind == rule.match.kind &&
              again.match.protocol == rule.match.protocol &&
              again.match.prefix_length == rule.match.prefix_length);
        if (rule.match.kind != MATCH_EVERYTHING && rule.match.kind != MATCH_UNIX_PATH)
                HOLDS(again.match.first_port == rule.match.first_port &&
                      again.match.last_port == rule.match.last_port);
        for (size_t i = 0; i < rule.n_steps; i++)
                HOLDS(again.steps[i].kind == rule.steps[i].kind &&
                      again.steps[i].error == rule.steps[i].error &&
                      again.steps[i].number == rule.steps[i].number &&
                      (rule.steps[i].address.family == AF_UNSPEC ||
                       address_equal(&again.steps[i].address, &rule.steps[i].address)));
        free(printed);
        rule_free(&again);
        rule_free(&rule);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct input input = {data, size};
        _cleanup_free_ char *text = take_text(&input, '\0');

        check(rule_parse, text);
        check(rule_parse_action, text);
        return 0;
}
