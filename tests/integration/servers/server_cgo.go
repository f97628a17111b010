// SPDX-License-Identifier: LGPL-2.1-or-later
package main

// Makes the program one with cgo, that is with libc and its threads.

// #include <stdlib.h>
import "C"

func init() { C.free(C.malloc(1)) }
