# SPDX-License-Identifier: LGPL-2.1-or-later
"""Answers each connection with "served ADDRESS": server.py PORT"""
import socketserver
import sys


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(f"served {self.client_address[0]}\n".encode())


socketserver.TCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("0.0.0.0", int(sys.argv[1])), Handler).serve_forever()
