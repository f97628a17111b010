/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "answer-private.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "notification.h"

void answer_unlink(struct answerer *answerer, const struct target *target, const struct call *call) {
        const struct passed_socket *passed = NULL;
        char path[PATH_MAX], address[ADDRESS_STRING_MAX], result[ADDRESS_STRING_MAX + 300];

        if ((call->kind == CALL_UNLINK || (call->number & AT_REMOVEDIR) == 0) &&
            target_read_string(target, call->pointer, path, sizeof(path)) >= 0)
                passed = find_passed_path(answerer, target, call->fd, path);

        if (!passed) {
                (void) listener_continue(target->listener, target->id);
                return;
        }
        (void) listener_answer(target->listener, target->id, 0);
        (void) snprintf(result, sizeof(result), "not done, it belongs to passed socket %s, %s", passed->name,
                        address_format(&passed->address, address));
        log_decision(LOG_INFO, &(struct log_entry){
                                       .message_id = MESSAGE_GUARDED,
                                       .tid = target->tid,
                                       .requested = "unlink()",
                                       .result = result,
                               });
}
