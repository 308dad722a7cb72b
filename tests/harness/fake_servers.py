"""Servers that misbehave."""

import socket
import threading

from .ports import reserve_port


class SilentServer:
    """Accepts connections on a loopback port and never says a word."""

    def __init__(self):
        self._connections = []
        self.port = reserve_port()
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self.port))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            self._connections.append(connection)
            self.serve(connection)

    def serve(self, connection):
        """Called in the listener's thread for each connection."""

    def close(self):
        # shutdown() wakes the thread; close() alone would leave it waiting.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            connection.close()


def _message(kind, body=b""):
    return kind + (len(body) + 4).to_bytes(4, "big") + body


class DyingPostgres(SilentServer):
    """Speaks PostgreSQL's protocol up to the first query; answers that with an error and is gone before the sync."""

    def serve(self, connection):
        threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    @staticmethod
    def _converse(connection):
        with connection:
            while True:
                length = int.from_bytes(connection.recv(4), "big")
                body = connection.recv(length - 4)
                if body[:4] != (80877103).to_bytes(4, "big") and body[:4] != (80877104).to_bytes(4, "big"):
                    break
                connection.sendall(b"N")  # no TLS, no GSSAPI
            ready = _message(b"Z", b"I")
            connection.sendall(_message(b"R", bytes(4)) + _message(b"S", b"standard_conforming_strings\0on\0") + ready)
            connection.recv(65536)  # the sync that shows that the connection works
            connection.sendall(ready)
            connection.recv(65536)
            connection.sendall(_message(b"E", b"SERROR\0C22001\0Mtoo long\0\0"))
