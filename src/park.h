/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Parking: a bind succeeds on a socket that receives nothing. For one half of a program that binds IPv4 and
 * IPv6 apart, where there is only one passed socket: a dual-stack one goes to the IPv6 half, an IPv4 one to
 * the half that came first. */

#include "address.h"
#include "socket-info.h"

/* Makes a socket of this kind, bound to the address the target asked for in a network namespace of its own
 * in which nothing else lives. Returns the descriptor, or a negative errno where no such namespace can be
 * had. */
/* A socket that is bound to nothing in a network without an interface. The caller's; or a negative errno. */
int make_outside_socket(int domain, int type, int protocol);

int make_parked_socket(const struct socket_info *info, const struct address *address);

/* The way without a namespace: binds the target's own socket to an address of the documentation range
 * (RFC 5737) with a filter that drops everything. Returns 0 or a negative errno. */
int park_in_place(int fd, const struct address *address);
