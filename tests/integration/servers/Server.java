// SPDX-License-Identifier: LGPL-2.1-or-later

import java.net.ServerSocket;
import java.net.Socket;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.net.InetSocketAddress;

/** Answers each connection with "served ADDRESS": Server PORT [nio] */
class Server {
    public static void main(String[] arguments) throws Exception {
        int port = Integer.parseInt(arguments[0]);
        if (arguments.length > 1) {
            ServerSocketChannel channel = ServerSocketChannel.open().bind(new InetSocketAddress(port));
            while (true)
                try (SocketChannel connection = channel.accept()) {
                    answer(connection.socket());
                }
        }
        ServerSocket server = new ServerSocket(port);
        while (true)
            try (Socket connection = server.accept()) {
                answer(connection);
            }
    }

    static void answer(Socket connection) throws Exception {
        connection.getOutputStream().write(("served " + connection.getInetAddress().getHostAddress() + "\n").getBytes());
    }
}
