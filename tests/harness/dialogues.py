"""Finds where messages and answers begin and end in the bytes of a database server and its client."""

import dataclasses
from collections import deque


@dataclasses.dataclass(frozen=True)
class Message:
    """One message as it was sent. `kind` is a word or a letter; it is "" before the client is logged in."""

    kind: str
    data: bytes
    ends_answer: bool = False


class PostgresDialogue:
    """`kind` is a letter of PostgreSQL's protocol, version 3. TLS is not supported.

    The answer to a query begins with BindComplete. It does not include the ReadyForQuery of the sync after
    it.
    """

    BEGINS = "2"

    def __init__(self):
        self._client = b""
        self._server = b""
        self._let_in = False  # the client's start-up message has passed
        self._ready = False  # the server's first ReadyForQuery has passed

    def from_client(self, data):
        self._client += data
        messages = []
        while len(self._client) >= 8 or (self._let_in and len(self._client) >= 5):
            head = 1 if self._let_in else 0
            size = head + int.from_bytes(self._client[head:head + 4], "big")
            if len(self._client) < size:
                break
            kind = self._client[:1].decode("latin-1") if self._ready else ""
            message, self._client = self._client[:size], self._client[size:]
            # The codes 1234,5679 and 1234,5680 ask for encryption.
            self._let_in = self._let_in or message[4:6] != b"\x04\xd2"
            messages.append(Message(kind, message))
        return messages

    def from_server(self, data):
        self._server += data
        messages = []
        while self._server:
            size = 1 if not self._let_in else 1 + int.from_bytes(self._server[1:5], "big")
            if self._let_in and (len(self._server) < 5 or len(self._server) < size):
                break
            message, self._server = self._server[:size], self._server[size:]
            kind = message[:1].decode("latin-1")
            messages.append(Message(kind if self._ready else "", message, kind in "CEI"))
            self._ready = self._ready or (self._let_in and kind == "Z")
        return messages


class MysqlDialogue:
    """`kind` is "query", "prepare", "execute" or "command" for the client, and "ok", "error", "count",
    "column", "end" or "row" for the server. TLS and compression are not supported.
    """

    BEGINS = None  # any kind begins an answer

    _COMMANDS = {0x03: "query", 0x16: "prepare", 0x17: "execute"}
    _WITHOUT_ANSWER = (0x01, 0x18, 0x19)  # quit, long data, close of a statement
    _MORE_RESULTS = 0x08
    _NO_END_OF_COLUMNS = 1 << 24

    def __init__(self):
        self._client = b""
        self._server = b""
        self._let_in = False
        self._capabilities = None
        self._asked = deque()
        # The kinds of packets that must come before the rows do, or before the answer ends.
        self._awaited = deque()
        self._rows = False

    @staticmethod
    def _packets(buffer):
        packets = []
        while len(buffer) >= 4 and len(buffer) >= (size := 4 + int.from_bytes(buffer[:3], "little")):
            packets.append(buffer[:size])
            buffer = buffer[size:]
        return packets, buffer

    def from_client(self, data):
        packets, self._client = self._packets(self._client + data)
        return [self._of_client(packet) for packet in packets]

    def _of_client(self, packet):
        if self._capabilities is None:
            self._capabilities = int.from_bytes(packet[4:8], "little")
        if not self._let_in:
            return Message("", packet)
        command = packet[4]
        if command not in self._WITHOUT_ANSWER:
            self._asked.append(command)
        return Message(self._COMMANDS.get(command, "command"), packet)

    def from_server(self, data):
        packets, self._server = self._packets(self._server + data)
        return [self._of_server(packet) for packet in packets]

    def _of_server(self, packet):
        body = packet[4:]
        if not self._let_in:
            self._let_in = self._capabilities is not None and body[:1] == b"\0"
            return Message("", packet)
        if self._awaited:
            kind = self._awaited.popleft()
            return Message(kind, packet, self._end_if(not self._awaited and not self._rows))
        if body[:1] == b"\xff":
            self._rows = False
            return Message("error", packet, self._end_if(True))
        if self._rows:
            if body[:1] == b"\xfe" and len(body) < 9:
                self._rows = False
                return Message("end", packet, self._end_if(not body[3] & self._MORE_RESULTS))
            return Message("row", packet)
        if body[:1] == b"\0":
            if self._asked and self._asked[0] == 0x16:
                columns, parameters = (int.from_bytes(body[at:at + 2], "little") for at in (5, 7))
                for count in (parameters, columns):
                    self._await_columns(count)
            return Message("ok", packet, self._end_if(not self._awaited))
        self._await_columns(body[0])
        self._rows = True
        return Message("count", packet)

    def _await_columns(self, count):
        self._awaited.extend(["column"] * count)
        if count and not self._capabilities & self._NO_END_OF_COLUMNS:
            self._awaited.append("end")

    def _end_if(self, ends):
        if ends and self._asked:
            self._asked.popleft()
        return ends


DIALOGUES = {"pgsql": PostgresDialogue, "mysql": MysqlDialogue}
