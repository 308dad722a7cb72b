"""Servers that misbehave."""

import random
import socket
import threading

from .ports import reserve_port


class SilentServer:
    """Accepts connections on a loopback port and never sends a byte."""

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
        # shutdown() wakes the thread; close() alone would leave it blocked.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            connection.close()


class RefusingMysql(SilentServer):
    """A MySQL server that greets with an error, whose text may be any bytes."""

    def __init__(self, text):
        self._text = text
        super().__init__()

    def serve(self, connection):
        error = b"\xff" + (1130).to_bytes(2, "little") + self._text
        connection.sendall(len(error).to_bytes(3, "little") + b"\0" + error)


class SilentSocketmap(SilentServer):
    """A socketmap server that reads requests and never replies."""

    @property
    def table(self):
        return f"socketmap:inet:127.0.0.1:{self.port}:name"


class _DyingServer(SilentServer):
    """Serves each connection in a thread of its own, and closes it in the middle."""

    def serve(self, connection):
        threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection):
        with connection:
            try:
                self.talk(connection)
            except OSError:
                pass  # the client closed first

    def talk(self, connection):
        raise NotImplementedError


class DyingPostgres(_DyingServer):
    """Speaks PostgreSQL's protocol up to the first query. Sends an error and closes before the sync."""

    def talk(self, connection):
        while True:
            length = int.from_bytes(connection.recv(4), "big")
            body = connection.recv(length - 4)
            if body[:4] != (80877103).to_bytes(4, "big") and body[:4] != (80877104).to_bytes(4, "big"):
                break
            connection.sendall(b"N")  # no TLS, no GSSAPI
        ready = self._message(b"Z", b"I")
        connection.sendall(self._message(b"R", bytes(4)) + self._message(b"S", b"standard_conforming_strings\0on\0") +
                           ready)
        connection.recv(65536)  # the sync of the connection check
        connection.sendall(ready)
        connection.recv(65536)
        connection.sendall(self._message(b"E", b"SERROR\0C22001\0Mtoo long\0\0"))

    @staticmethod
    def _message(kind, body=b""):
        return kind + (len(body) + 4).to_bytes(4, "big") + body


class DyingMysql(_DyingServer):
    """Speaks MySQL's protocol up to the first SELECT. Sends one row and closes in the middle."""

    _GREETING = (b"\x0a5.5.5-10.11.0-MariaDB\0" + bytes(4) + b"saltsalt\0"
                 b"\x09\xa2\x2d\x02\0\x0a\0\x15" + bytes(10) + b"saltsaltsalt\0mysql_native_password\0")
    _OK = b"\0\0\0\x02\0\0\0"
    _COLUMN = b"\x03def\0\0\0\x01v\0\x0c\x2d\0\xff\0\0\0\xfd" + bytes(5)
    _END_OF_COLUMNS = b"\xfe\0\0\x02\0"

    def talk(self, connection):
        connection.sendall(self._packet(0, self._GREETING))
        connection.recv(65536)
        connection.sendall(self._packet(2, self._OK))
        while not (heard := connection.recv(65536))[4:].startswith(b"\x03SELECT"):
            if not heard:
                return
            connection.sendall(self._packet(1, self._OK))
        answer = (b"\x01", self._COLUMN, self._END_OF_COLUMNS, b"\x04half")
        connection.sendall(b"".join(self._packet(number, body) for number, body in enumerate(answer, 1)))

    @staticmethod
    def _packet(number, body):
        return len(body).to_bytes(3, "little") + bytes([number]) + body


class FakeNameServer:
    """A name server that resolves every name to 127.0.0.1, until it hangs.

    It listens on its own loopback address and needs root. Only a command that `before` precedes uses it.
    """

    def __init__(self, workspace):
        self.hangs = False
        address = "127." + ".".join(str(random.SystemRandom().randint(1, 254)) for _ in range(3))
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 53))
        resolv_conf = f"{workspace.path}/resolv.conf"
        with open(resolv_conf, "w", encoding="ascii") as file:
            file.write(f"nameserver {address}\n")
        self.before = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"',
                       resolv_conf]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        workspace.on_close(self.close)

    def _serve(self):
        while True:
            request, client = self._socket.recvfrom(4096)
            if not request:
                return
            if not self.hangs:
                self._socket.sendto(self._answer(request), client)

    @staticmethod
    def _answer(request):
        end = request.index(b"\0", 12) + 5  # the end of the question: a name, its type and class
        ask_ipv4 = request[end - 4:end - 2] == b"\0\1"
        # The name of the question, as a pointer to offset 12; type A, class IN, TTL 0.
        record = b"\xc0\x0c\0\1\0\1" + bytes(4) + b"\0\4" + socket.inet_aton("127.0.0.1")
        counts = b"\0\1" + (b"\0\1" if ask_ipv4 else b"\0\0") + bytes(4)
        return request[:2] + b"\x81\x80" + counts + request[12:end] + (record if ask_ipv4 else b"")

    def close(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()
