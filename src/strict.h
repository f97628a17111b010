/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The rules as a fence (--strict): which addresses they give. Pure: no system calls here.
 *
 * A socket has one address or, as a dual-stack one on [::], two: every one of them has to be given, IPv4 by
 * a rule for IPv4. An address is given if a bind of it would be allowed as asked, or if it is what a
 * redirecting step makes of another one. */

#include "decide.h"

/* Whether no socket of this family has an IP or vsock address, whatever becomes of it. */
bool strict_is_local(int domain);

/* Whether we can tell which address a socket of this family has. Of other families, such as SMC, which a TCP
 * socket can be made (TCP_ULP, Linux 5.17), nothing is bound and nothing listens. */
bool strict_knows_family(int domain);

/* Makes a decision a refusal (EACCES) where it would let the socket have an IP or vsock address that is not
 * given. Adoption gives the passed socket's address, whatever that is. */
void strict_confine(const struct policy *policy, const struct bind_request *request,
                    struct decision *decision);

/* Whether a socket of this kind may have this address, however it came by it. A rule for port 0 gives every
 * port that the kernel chooses (chosen), and we cannot tell which it chose. */
bool strict_gives(const struct policy *policy, const struct bind_request *socket, bool chosen);

/* Whether a socket of this kind may have this address only as long as it takes no IPv4. Until it is bound,
 * another thread may change IPV6_V6ONLY. Chosen as above. */
bool strict_needs_v6only(const struct policy *policy, const struct socket_kind *kind,
                         const struct address *address, bool chosen);

/* Whether a rule, or --auto, gives this passed socket to the target. */
bool strict_gives_passed(const struct policy *policy, const struct passed_socket *passed);

/* Whether some rule names this protocol (IPPROTO_SCTP...), or vsock. */
bool strict_names_protocol(const struct policy *policy, int protocol);
bool strict_names_vsock(const struct policy *policy);
