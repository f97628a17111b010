/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

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
        if (!to_journal || stderr_leads_to_journal || sd_journal_print(priority, "%s", text) < 0)
                print_line(priority, "%s", text);
        errno = saved;
}

void log_decision(int priority, const struct log_entry *entry) {
        const char *rule = entry->rule ? entry->rule : "none";
        char name[17];
        int r = -1;

        if (!log_wants(priority))
                return;
        (void) thread_name(entry->tid, name);
        if (to_journal)
                r = sd_journal_send("MESSAGE=%s[%d]: %s: %s (rule: %s)", name, entry->tid, entry->requested,
                                    entry->result, rule, "PRIORITY=%i", priority, "MESSAGE_ID=%s",
                                    entry->message_id, "OBJECT_PID=%d", entry->tid,
                                    "FORCE_BIND_REQUESTED=%s", entry->requested, "FORCE_BIND_RULE=%s", rule,
                                    "FORCE_BIND_RESULT=%s", entry->result, NULL);
        if (r < 0)
                print_line(priority, "%s[%d]: %s: %s (rule: %s)", name, entry->tid, entry->requested,
                           entry->result, rule);
}
