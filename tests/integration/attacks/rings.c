/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* io_uring has bind and listen of its own since Linux 6.11, which no seccomp filter sees. */

#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { OPERATION_BIND = 56, OPERATION_LISTEN = 57 }; /* newer than Debian 12's headers */

/* Where with-ring puts the ring and its parameters for the program that it executes */
enum { RING_NUMBER = 20, PARAMETERS_NUMBER = 21 };

static void *map(int fd, size_t size, off_t offset) {
        void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);

        if (memory == MAP_FAILED)
                missing("the ring");
        return memory;
}

/* Submits one operation, waits for it, and returns its result. */
static int submit(int ring, const struct io_uring_params *parameters, const struct io_uring_sqe *operation) {
        char *queue = map(ring, parameters->sq_off.array + parameters->sq_entries * sizeof(uint32_t),
                          IORING_OFF_SQ_RING);
        char *completions =
                map(ring, parameters->cq_off.cqes + parameters->cq_entries * sizeof(struct io_uring_cqe),
                    IORING_OFF_CQ_RING);
        struct io_uring_sqe *entries = map(ring, parameters->sq_entries * sizeof(*entries), IORING_OFF_SQES);
        _Atomic uint32_t *tail = (_Atomic uint32_t *) (queue + parameters->sq_off.tail);
        _Atomic uint32_t *head = (_Atomic uint32_t *) (completions + parameters->cq_off.head);
        uint32_t mask = *(uint32_t *) (queue + parameters->sq_off.ring_mask), index = *tail & mask;
        struct io_uring_cqe *results = (struct io_uring_cqe *) (completions + parameters->cq_off.cqes);
        int r;

        entries[index] = *operation;
        ((uint32_t *) (queue + parameters->sq_off.array))[index] = index;
        *tail += 1;
        if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
                return -errno;
        r = results[*head & *(uint32_t *) (completions + parameters->cq_off.ring_mask)].res;
        *head += 1;
        return r;
}

static void grab_by_ring(int ring, const struct io_uring_params *parameters) {
        struct sockaddr_in in = loopback(FORBIDDEN_PORT);
        struct io_uring_sqe operation = {
                .opcode = OPERATION_BIND, .fd = tcp(), .addr = (uintptr_t) &in, .addr2 = sizeof(in)};
        int r = submit(ring, parameters, &operation);

        if (r == -EINVAL) {
                errno = EINVAL;
                missing("bind of io_uring");
        }
        operation = (struct io_uring_sqe){.opcode = OPERATION_LISTEN, .fd = operation.fd, .len = 8};
        (void) submit(ring, parameters, &operation);
}

static int set_up(struct io_uring_params *parameters) {
        int ring = (int) syscall(SYS_io_uring_setup, 8, parameters);

        if (ring < 0)
                missing("io_uring");
        return ring;
}

static void ring(void) {
        struct io_uring_params parameters = {0};
        int fd = set_up(&parameters);

        grab_by_ring(fd, &parameters);
}

/* with-ring COMMAND...: runs it with a ring that has been set up before */
static void with_ring(void) {
        struct io_uring_params parameters = {0};
        int fd = set_up(&parameters), file = memfd_create("parameters", 0);

        (void) write(file, &parameters, sizeof(parameters));
        (void) dup2(fd, RING_NUMBER);
        (void) dup2(file, PARAMETERS_NUMBER);
        (void) execv(arguments[0], arguments);
}

static void inherited_ring(void) {
        struct io_uring_params parameters;

        if (pread(PARAMETERS_NUMBER, &parameters, sizeof(parameters), 0) != sizeof(parameters)) {
                perror("the inherited ring"); /* closed, if all is well */
                return;
        }
        grab_by_ring(RING_NUMBER, &parameters);
}

const struct attack ring_attacks[] = {
        {"ring", ring},
        {"with-ring", with_ring},
        {"inherited-ring", inherited_ring},
        {0},
};
