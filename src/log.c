/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "journal.h"
#include "target.h"

static int max_level = LOG_WARNING;
static bool to_journal, to_stderr = true;
static bool stderr_leads_to_journal;
static bool may_wait = true;
static unsigned n_lost; /* messages, since the last one that was written */

void log_set_level(int level) {
        max_level = level;
}

bool log_wants(int priority) {
        return priority <= max_level;
}

/* "$JOURNAL_STREAM ... the device and inode of the journal" (systemd.exec(5)) */
static bool stderr_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        uint64_t device, inode;
        struct stat st;

        return stream && sscanf(stream, "%" SCNu64 ":%" SCNu64, &device, &inode) == 2 &&
               fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_open(void) {
        stderr_leads_to_journal = to_journal = stderr_is_journal();
}

void log_release_stderr(void) {
        _cleanup_close_ int null = -1;
        struct stat st;

        if (to_journal || fstat(STDERR_FILENO, &st) < 0 || (!S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode)))
                return;
        null = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null >= 0)
                (void) dup2(null, STDERR_FILENO);
        to_stderr = false;
        to_journal = true;
}

void log_never_wait(void) {
        may_wait = false;
}

#define ENTRY_FIELDS_MAX 8

/* Room for the closing words of a line */
#define LINE_END_MAX 80

/* Writes one line at once; a pipe that is ready takes PIPE_BUF bytes (pipe(7)). */
PRINTF(2, 3) static void print_line(int priority, const char *format, ...) {
        struct pollfd stderr_fd = {.fd = STDERR_FILENO, .events = POLLOUT};
        char line[PIPE_BUF];
        size_t used;
        va_list arguments;

        if (!to_stderr)
                return;
        if (!may_wait && poll(&stderr_fd, 1, 0) == 0) {
                n_lost++;
                return;
        }
        /* The journal takes the priority off again (sd-daemon(3), SyslogLevelPrefix=). */
        if (stderr_leads_to_journal)
                (void) snprintf(line, sizeof(line), "<%d>force-bind: ", priority);
        else
                (void) snprintf(line, sizeof(line), "force-bind: ");
        used = strlen(line);
        va_start(arguments, format);
        (void) vsnprintf(line + used, sizeof(line) - used - LINE_END_MAX, format, arguments);
        va_end(arguments);
        used = strlen(line);
        if (n_lost > 0)
                (void) snprintf(line + used, sizeof(line) - used, " (%u messages before this were lost)\n",
                                n_lost);
        else
                (void) snprintf(line + used, sizeof(line) - used, "\n");
        if (write(STDERR_FILENO, line, strlen(line)) >= 0)
                n_lost = 0;
}

/* Sends an entry with what every one has, and these fields. */
static int send_to_journal(int priority, const struct journal_field *fields, size_t n) {
        const char level[] = {(char) ('0' + priority), '\0'};
        struct journal_field all[ENTRY_FIELDS_MAX] = {{"PRIORITY", level},
                                                      {"SYSLOG_IDENTIFIER", "force-bind"}};

        assert(n + 2 <= ELEMENTSOF(all));
        memcpy(all + 2, fields, n * sizeof(*fields));
        return journal_send(all, n + 2, may_wait);
}

void log_message(int priority, const char *format, ...) {
        int saved = errno;
        char text[2048];
        va_list arguments;

        if (!log_wants(priority))
                return;
        va_start(arguments, format);
        (void) vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);

        /* By its stream, the journal knows which unit a message is of even when the sender has ended; the
         * fields of the native protocol would add nothing here. */
        if (!to_journal || stderr_leads_to_journal ||
            send_to_journal(priority, &(struct journal_field){"MESSAGE", text}, 1) < 0)
                print_line(priority, "%s", text);
        errno = saved;
}

void log_decision(int priority, const struct log_entry *entry) {
        const char *rule = entry->rule ? entry->rule : "none";
        char name[17], tid[16], text[2048];
        int r = -1;

        if (!log_wants(priority))
                return;
        (void) snprintf(text, sizeof(text), "%s[%d]: %s: %s (rule: %s)", thread_name(entry->tid, name),
                        entry->tid, entry->requested, entry->result, rule);
        (void) snprintf(tid, sizeof(tid), "%d", entry->tid);
        if (to_journal) {
                const struct journal_field fields[] = {
                        {"MESSAGE", text},         {"MESSAGE_ID", entry->message_id},
                        {"OBJECT_PID", tid},       {"FORCE_BIND_REQUESTED", entry->requested},
                        {"FORCE_BIND_RULE", rule}, {"FORCE_BIND_RESULT", entry->result},
                };

                r = send_to_journal(priority, fields, ELEMENTSOF(fields));
        }
        if (r < 0)
                print_line(priority, "%s", text);
}
