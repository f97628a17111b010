/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bind-call.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "notification.h"
#include "wake.h"

struct rename_call {
        struct answerer *answerer;
        const struct target *target;
        const struct call *call;
        char old_path[PATH_MAX], new_path[PATH_MAX];
};

static bool is_bound_to(const struct target *target, int fd, const struct file_id *file) {
        char path[ADDRESS_UNIX_MAX + 1] = {};
        struct address address;

        if (socket_address_read(fd, AF_UNIX, &address) < 0 || !address_is_unix_path(&address))
                return false;
        memcpy(path, address.unix_name, address.unix_length);
        return unix_path_is(target, AT_FDCWD, path, file);
}

/* The target's descriptor of the socket that it has bound to this file, and a copy. -1: it has none. */
static int find_bound_to(const struct target *target, const struct file_id *file, int *ret_copy) {
        int directory_fd = target_open_proc(target, "fd", O_RDONLY | O_DIRECTORY), found = -1;
        DIR *directory = directory_fd < 0 ? NULL : fdopendir(directory_fd);
        const struct dirent *entry;
        char link[16];

        if (!directory) {
                close_fd(&directory_fd);
                return -1;
        }
        while (found < 0 && (entry = readdir(directory))) {
                ssize_t n = readlinkat(directory_fd, entry->d_name, link, sizeof(link));
                int number = (int) strtol(entry->d_name, NULL, 10);
                _cleanup_close_ int copy = -1;
                struct socket_info info;

                if (n < (ssize_t) strlen("socket:") || memcmp(link, "socket:", strlen("socket:")) != 0)
                        continue;
                copy = target_get_fd(target, number);
                if (copy < 0 || socket_info_read(copy, &info) < 0 || info.kind.domain != AF_UNIX ||
                    !is_bound_to(target, copy, file))
                        continue;
                found = number;
                *ret_copy = take_fd(&copy);
        }
        (void) closedir(directory);
        return found;
}

/* Returns 0 if that was done and answered; an errno to answer with; 1 to let the kernel rename. */
static int replace_by_passed(const struct rename_call *rename_call, const struct passed_socket *passed) {
        const struct target *target = rename_call->target;
        const struct call *call = rename_call->call;
        struct call bind = {.kind = CALL_BIND};
        struct bind_call bind_call = {
                .answerer = rename_call->answerer, .target = target, .call = &bind, .fd = -1};
        struct decision decision;
        struct file_id file;
        bool listened;
        int r = 1;

        if (unix_path_identify(target, call->fd, rename_call->old_path, &file) < 0)
                return 1;
        bind.fd = find_bound_to(target, &file, &bind_call.fd);
        if (bind.fd >= 0 && socket_info_read(bind_call.fd, &bind_call.info) >= 0 &&
            gives_renamed(&bind_call, call->new_fd, rename_call->new_path, passed, &decision) &&
            unlink_as_target(target, call->fd, rename_call->old_path) >= 0) {
                listened = socket_is_listening(bind_call.fd);
                r = adopt(&bind_call, &decision);
                if (r >= 0 && listened) {
                        readiness_listened(rename_call->answerer->readiness, passed->cookie);
                        restart_waiting_threads(target, bind.fd);
                }
        }
        close_fd(&bind_call.fd);
        return r;
}

/* A rule has given the passed socket to the bind of the old path already, and there is no such file. */
static bool has_it_already(const struct rename_call *rename_call, const struct passed_socket *passed) {
        char bound_path[ADDRESS_UNIX_MAX + 1] = {}, bound[UNIX_PATH_MAX], old[UNIX_PATH_MAX];
        const struct target *target = rename_call->target;

        if (!passed->used || !address_is_unix_path(&passed->used_for))
                return false;
        memcpy(bound_path, passed->used_for.unix_name, passed->used_for.unix_length);
        return unix_path_absolute(target, AT_FDCWD, bound_path, bound) >= 0 &&
               unix_path_absolute(target, rename_call->call->fd, rename_call->old_path, old) >= 0 &&
               strcmp(bound, old) == 0;
}

static void log_rename(const struct rename_call *rename_call, const struct passed_socket *passed,
                       const char *how) {
        char address[ADDRESS_STRING_MAX], result[ADDRESS_STRING_MAX + 300];

        (void) snprintf(result, sizeof(result), "%s, the path belongs to passed socket %s, %s", how,
                        passed->name, address_format(&passed->address, address));
        log_decision(LOG_INFO, &(struct log_entry){
                                       .message_id = MESSAGE_GUARDED,
                                       .tid = rename_call->target->tid,
                                       .requested = "rename()",
                                       .result = result,
                               });
}

/* A program that replaces its socket without a gap binds another path, and renames that. What stood there
 * would be lost: the passed socket. The program's own becomes the passed one. Nor is the path moved away. To
 * exchange two files, and to leave a whiteout, is what not every file system can do, so programs know what
 * to do then (EINVAL, renameat2(2)). */
void answer_rename(struct answerer *answerer, const struct target *target, const struct call *call) {
        struct rename_call rename_call = {answerer, target, call, "", ""};
        const struct passed_socket *at_new = NULL, *at_old = NULL;
        int r = 1;

        if (target_read_string(target, call->pointer, rename_call.old_path, PATH_MAX) >= 0 &&
            target_read_string(target, call->new_pointer, rename_call.new_path, PATH_MAX) >= 0) {
                at_new = find_passed_path(answerer, target, call->new_fd, rename_call.new_path);
                at_old = find_passed_path(answerer, target, call->fd, rename_call.old_path);
        }
        if ((at_old || at_new) && (call->number & (RENAME_EXCHANGE | RENAME_WHITEOUT)) != 0) {
                log_rename(&rename_call, at_old ? at_old : at_new, "refused with EINVAL");
                r = -EINVAL;
        } else if (at_old || (at_new && has_it_already(&rename_call, at_new))) {
                log_rename(&rename_call, at_old ? at_old : at_new, "not done");
                r = 0;
        } else if (at_new && (call->number & RENAME_NOREPLACE) == 0) {
                r = replace_by_passed(&rename_call, at_new);
                if (r == 0)
                        return;
        }
        if (r == 1)
                (void) listener_continue(target->listener, target->id);
        else
                (void) listener_answer(target->listener, target->id, r);
}
