/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Replay: what the target had set on its own socket is set on the one that takes its place. */

#include <stdint.h>

#include "socket-info.h"

/* The values that a socket had at one moment */
struct socket_options;

/* Reads all options of the table that this socket knows. NULL if there is no memory. free() it. */
struct socket_options *socket_options_read(int fd, const struct socket_info *info);

/* Sets on to_fd what from_fd has set otherwise than a fresh socket of its kind; every other option gets the
 * value of known (what to_fd had before anybody changed it; NULL: stays as it is). An option that cannot be
 * set is left out. The socket filter (SO_ATTACH_FILTER) is carried over in the same way. untouched: to_fd
 * has the values of known, and need not be looked at. Returns the number of options that had to be left out.
 */
unsigned socket_options_replay(int from_fd, const struct socket_info *from_info, int to_fd,
                               const struct socket_options *known, bool untouched);

/* Gives a socket the values of known again. */
void socket_options_restore(int fd, const struct socket_options *known);
