// SPDX-License-Identifier: LGPL-2.1-or-later

// Answers each connection with "served ADDRESS": server PORT. Listens as Go programs do, on one socket for both families.
package main

import (
	"fmt"
	"net"
	"os"
)

func main() {
	listener, err := net.Listen("tcp", ":"+os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			os.Exit(2)
		}
		fmt.Fprintf(connection, "served %s\n", connection.RemoteAddr().(*net.TCPAddr).IP)
		connection.Close()
	}
}
