"""A raw client of the proxymap protocol. It sends and returns the bytes as they are.

A message is a list of names and values. Each is a string that ends with a NUL byte, and one more NUL byte
ends the message. Tests write the broken bar for NUL: "status¦0¦flags¦16¦¦".
"""

import select
import socket
import struct
import time

GREETING = b"protocol\0proxymap_protocol\0\0"

# Status values of a reply.
OK, NOKEY, RETRY, BAD, DENY, CONFIG = range(6)

# Flag words as Postfix programs send them.
FIXED = 16
PATTERN = 32
FOLD_FIX_LOCK = 16448  # a client with SMTPUTF8 switched off
UTF8_REQUEST = 524288
DAEMON = 524352  # a daemon of Postfix up to 3.10 with SMTPUTF8 switched on
DAEMON_INSTANCE = 540736  # a daemon of Postfix 3.11, in its open request
DAEMON_LOOKUP = 1589328  # the same daemon, in its lookups
IMPLEMENTATION_FLAGS = 262192  # the flags that the server decides on


class Closed(ConnectionError):
    """The server closed the connection instead of replying. `received` holds the bytes that came before."""

    def __init__(self, received=b""):
        super().__init__(f"connection closed after {received!r}")
        self.received = received


def to_bytes(value):
    if isinstance(value, bytes):
        return value
    return str(value).encode("utf-8", "surrogateescape")


def wire(text):
    """The bytes of a message that is written with ¦ for NUL. Bytes pass through unchanged."""
    return text if isinstance(text, bytes) else to_bytes(text).replace("¦".encode(), b"\0")


def shown(message):
    """The readable form of a message."""
    return message.decode("utf-8", "backslashreplace").replace("\0", "¦")


def encode(*attributes):
    """A message from (name, value) pairs."""
    return b"".join(to_bytes(name) + b"\0" + to_bytes(value) + b"\0" for name, value in attributes) + b"\0"


def open_request(table, flags=0, layout="flags"):
    return encode(("request", "open"), ("table", table),
                  ("instance_flags" if layout == "instance_flags" else "flags", flags))


def lookup_request(table, key, flags=FOLD_FIX_LOCK, instance_flags=None):
    """A lookup request: with instance_flags in the layout of Postfix 3.11, else in the older one."""
    attributes = [("request", "lookup"), ("table", table)]
    if instance_flags is not None:
        attributes.append(("instance_flags", instance_flags))
    return encode(*attributes, ("flags", flags), ("key", key))


def message_end(buffer):
    """The end offset of the first message in the buffer; 0 if the message is incomplete."""
    position = 0
    while True:
        name_end = buffer.find(b"\0", position)
        if name_end < 0:
            return 0
        if name_end == position:
            return name_end + 1
        value_end = buffer.find(b"\0", name_end + 1)
        if value_end < 0:
            return 0
        position = value_end + 1


class Reply:
    """One reply: its bytes and its attributes."""

    def __init__(self, raw):
        self.raw = raw
        parts = raw[:-1].split(b"\0")[:-1]
        self.attributes = list(zip(parts[0::2], parts[1::2]))
        values = dict(self.attributes)
        self.status = int(values[b"status"]) if b"status" in values else None
        self.flags = int(values[b"flags"]) if b"flags" in values else None
        self.value = values.get(b"value")

    def __repr__(self):
        return shown(self.raw)


class Connection:
    """One connection to a proxymap socket. No call waits longer than `timeout` seconds."""

    def __init__(self, path, greeting=True, timeout=20.0):
        self.timeout = timeout
        self._buffer = bytearray()
        self._eof = False
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # A blocking connect, as Postfix does it, waits while the listen queue is full; one with Python's timeout
            # would fail at once.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", int(timeout), 0))
            self.socket.connect(path)
            self.socket.settimeout(timeout)
            if greeting:
                received = self.receive_message()
                if received != GREETING:
                    raise AssertionError(f"no greeting but {received!r}")
        except BaseException:
            self.socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, message):
        self.socket.sendall(wire(message))

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def _receive(self, timeout):
        self.socket.settimeout(max(timeout, 0.001))
        try:
            chunk = self.socket.recv(1 << 18)
        except ConnectionResetError:
            chunk = b""
        if not chunk:
            self._eof = True
        self._buffer += chunk

    def receive_message(self, timeout=None):
        """Returns one message. Raises Closed at end of file, TimeoutError if it is not complete in time."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            end = message_end(self._buffer)
            if end:
                message = bytes(self._buffer[:end])
                del self._buffer[:end]
                return message
            if self._eof:
                raise Closed(bytes(self._buffer))
            self._receive(deadline - time.monotonic())
            if time.monotonic() > deadline and not message_end(self._buffer) and not self._eof:
                raise TimeoutError(f"no complete message; so far {bytes(self._buffer)!r}")

    def receive(self, timeout=None):
        return Reply(self.receive_message(timeout))

    def ask(self, message, timeout=None):
        """Sends a request; returns its reply."""
        self.send(message)
        return self.receive(timeout)

    def open(self, table, flags=0, layout="flags"):
        return self.ask(open_request(table, flags, layout))

    def lookup(self, table, key, flags=FOLD_FIX_LOCK, instance_flags=None, timeout=None):
        return self.ask(lookup_request(table, key, flags, instance_flags), timeout)

    def readable(self, timeout=0.0):
        """True if bytes or the end of file can be read."""
        return bool(self._buffer) or bool(select.select([self.socket], [], [], timeout)[0])

    def closed_within(self, seconds):
        """True if the server closes within that time. Bytes that come before are dropped."""
        deadline = time.monotonic() + seconds
        while not self._eof:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return False
            try:
                self._receive(remaining)
            except TimeoutError:
                return False
        return True


class PostfixLikeClient:
    """Asks as Postfix's own client does: one request at a time, on one connection, until the server closes
    it.

    Before a request, the client silently replaces a connection that has become readable. When a request fails
    on a connection, the client waits a second, connects again and repeats the request; `repeats` counts
    these.
    """

    def __init__(self, path, timeout=60.0, greeting=True):
        self._path = path
        self._timeout = timeout
        self._greeting = greeting
        self._connection = None
        self.connects = 0
        self.repeats = 0

    def lookup(self, table, key, flags=DAEMON):
        request = lookup_request(table, key, flags)
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                if self._connection is not None and self._connection.readable():
                    self.close()
                if self._connection is None:
                    self._connection = Connection(self._path, self._greeting, self._timeout)
                    self.connects += 1
                return self._connection.ask(request, deadline - time.monotonic())
            except (ConnectionError, FileNotFoundError):
                self.close()
                self.repeats += 1
                if time.monotonic() > deadline:
                    raise
                time.sleep(1.0)

    def close(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None
