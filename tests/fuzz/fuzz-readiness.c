/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any order of binds and listens: READY=1 is sent exactly when STATUS= waits for nothing more, and the
 * status fits. */

#include "policy.h"
#include "readiness.h"

static void check(const struct readiness *readiness) {
        char status[READINESS_STATUS_MAX];
        bool waits;

        readiness_status(readiness, status);
        HOLDS(memchr(status, '\0', sizeof(status)) && !strchr(status, '\n'));
        HOLDS(readiness->n_bound <= READINESS_BOUND_MAX);
        if ((readiness->mode != READY_BIND && readiness->mode != READY_LISTEN) ||
            readiness->policy->n_passed == 0)
                return;
        waits = strstr(status, "; waiting for ") != NULL;
        HOLDS(readiness_complete(readiness) == !waits);
}

static void listen_on(struct readiness *readiness, uint64_t cookie) {
        struct bound_socket *bound = readiness_find_bound(readiness, cookie);

        readiness_listened(readiness, cookie);
        HOLDS(!bound || bound->listened);
}

static void happen(struct readiness *readiness, struct input *input, struct policy *policy) {
        struct bind_request request = take_request(input);
        uint64_t cookie = take_byte(input);
        struct decision decision;

        decide(policy, &request, 0, &decision);
        switch (decision.verdict) {
        case VERDICT_ADOPT:
                readiness_adopted(readiness, decision.rule, decision.passed, &request.address);
                break;
        case VERDICT_PARK:
                readiness_parked(readiness, &request.address, decision.passed);
                break;
        case VERDICT_BIND:
        case VERDICT_BIND_AS_ASKED:
                if (decision.rule)
                        readiness_bound(readiness, decision.rule, &request.kind, &request.address, cookie);
                break;
        case VERDICT_CONTINUE:
                readiness_bound_by_itself(readiness, &request.kind, &request.address);
                break;
        case VERDICT_FAIL:
                break;
        }
        if (cookie & 1)
                listen_on(readiness, decision.passed ? decision.passed->cookie : cookie);
        (void) readiness_parked_in_vain(readiness);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct input input = {data, size};
        struct fuzz_policy policy;
        struct readiness readiness;
        bool met[RULES_MAX] = {};

        take_policy(&input, &policy);
        readiness_init(&readiness, (enum ready_mode)(take_byte(&input) % (READY_LISTEN + 1)), &policy.policy,
                       met);
        check(&readiness);
        while (input.left > 0) {
                happen(&readiness, &input, &policy.policy);
                check(&readiness);
        }
        free_policy(&policy);
        return 0;
}
