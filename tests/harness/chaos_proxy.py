"""A TCP proxy in front of a database server that misbehaves as long as it is told to."""

import asyncio
import dataclasses
import random
import socket
import struct
import threading

from .ports import reserve_port


@dataclasses.dataclass(frozen=True)
class Fault:
    """The kind of fault that a proxy inflicts on its connections, old and new, until heal().

    delay      all bytes arrive `amount` seconds late
    drip       bytes arrive one by one, `amount` seconds apart
    stall      bytes arrive when the fault ends
    blackhole  bytes never arrive
    drop       all connections are reset once; new connections work
    cut        a connection is closed after `amount` more bytes from the server, at any place in a message
    reset      the same, with a TCP reset instead of a close
    garbage    after `amount` more bytes from the server, garbage is inserted between two messages
    refuse     all connections are reset, and new ones are refused

    When the fault ends, the proxy resets the connections that have lost or garbled bytes.
    """

    kind: str
    amount: float = 0


class PostgresFrames:
    """Finds the ends of messages in the bytes that a PostgreSQL server sends."""

    KIND = "pgsql"

    def __init__(self):
        self._held = b""  # the start of a message, too short to hold its length
        self._left = 0  # bytes that are still missing of the current message
        self._started = False

    def ends(self, data):
        """The offsets in `data` at which a message ends."""
        found = []
        position = 0
        while position < len(data):
            if self._left:
                step = min(self._left, len(data) - position)
                self._left -= step
            else:
                step = 1
                self._held += data[position:position + 1]
                length = self._length(self._held)
                if length is None:
                    position += 1
                    continue
                self._left = length - len(self._held)
                self._held = b""
            position += step
            if not self._left:
                found.append(position)
        return found

    def _length(self, head):
        """The length in bytes of the message that begins with `head`; None if `head` is too short to tell."""
        if not self._started and head == b"N":
            return 1  # no TLS
        self._started = True
        return 1 + int.from_bytes(head[1:5], "big") if len(head) == 5 else None

    @staticmethod
    def garbage(choice):
        noise = choice.randbytes(choice.randrange(1, 200))
        return choice.choice((
            bytes(64),
            b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
            b"D\0\0\0\x02" + noise,  # shorter than its length field says
            b"\xff" + (len(noise) + 4).to_bytes(4, "big") + noise,  # complete, but of an unknown type
        ))


class MysqlFrames(PostgresFrames):
    """The same for a MySQL or MariaDB server."""

    KIND = "mysql"

    def _length(self, head):
        return 4 + int.from_bytes(head[:3], "little") if len(head) == 4 else None

    @staticmethod
    def garbage(choice):
        # The client library ignores sequence numbers: it could take a complete packet of noise for a row.
        return choice.choice((
            # The first bytes read as a packet length of 5 MB. The rest of that packet never comes.
            b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
            b"\xff\xff\xff\xff" + choice.randbytes(choice.randrange(1, 200)),
            b"\x03\0\0\x01\xfc\xff\xff",  # shorter than its first field says
        ))


_FRAMES = {frames.KIND: frames for frames in (PostgresFrames, MysqlFrames)}


class ChaosProxy:
    """Listens on its own loopback port in its own thread. Every method may be called from any thread.

    `accepted` counts all connections; `most` is the highest number that the client held at the same time.
    """

    def __init__(self, kind, target_port, seed=0):
        self.port = reserve_port()
        self.accepted = 0
        self.most = 0
        self.fault = None
        self.healed = None  # set when the current fault ends
        self.choice = random.Random(seed)
        self.new_frames = _FRAMES[kind]
        self.target_port = target_port
        self._links = set()
        self._server = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._run(self._listen())

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def inflict(self, fault):
        """Begins a fault, which replaces the current one."""
        self._run(self._change(fault))

    def heal(self):
        self._run(self._change(None))

    def close(self):
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self):
        self.healed = asyncio.Event()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, backlog=256)

    async def _accept(self, reader, writer):
        link = _Link(self, reader, writer)
        self._links.add(link)
        self.accepted += 1
        self.most = max(self.most, sum(one.held_by_client() for one in self._links))
        try:
            await link.run()
        finally:
            self._links.discard(link)

    async def _change(self, fault):
        ended, self.fault = self.healed, fault
        self.healed = asyncio.Event()
        ended.set()
        for link in list(self._links):
            link.fault_changed(fault)
        if fault is not None and fault.kind == "refuse":
            if self._server is not None:
                self._server.close()
                self._server = None
        elif self._server is None:
            await self._listen()

    async def _end(self):
        if self._server is not None:
            self._server.close()
        for link in list(self._links):
            link.reset()
        # Cancelled tasks let each link's coroutine end.
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Link:
    """One connection from a client, and the connection to the server behind it."""

    def __init__(self, proxy, reader, writer):
        self._proxy = proxy
        self._client = (reader, writer)
        self._server = None
        self._frames = proxy.new_frames()
        self._said = 0  # bytes from the server since the fault began
        self._swallowed = False
        self._spoilt = False

    def held_by_client(self):
        """Whether the client has not closed the connection. The kernel knows before the proxy reads it."""
        handle = self._client[1].get_extra_info("socket")
        try:
            state = handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        except OSError:
            return False
        # /usr/include/netinet/tcp.h: ESTABLISHED, and FIN_WAIT1 and FIN_WAIT2, in which only the proxy has
        # closed.
        return state in (1, 4, 5)

    def fault_changed(self, fault):
        self._said = 0
        if self._swallowed or self._spoilt or (fault is not None and fault.kind in ("drop", "refuse")):
            self.reset()

    def reset(self):
        for _, writer in filter(None, (self._client, self._server)):
            handle = writer.get_extra_info("socket")
            if handle is not None and handle.fileno() >= 0:
                handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    def _close(self):
        for _, writer in filter(None, (self._client, self._server)):
            writer.close()

    async def run(self):
        try:
            self._server = await asyncio.open_connection("127.0.0.1", self._proxy.target_port)
            await asyncio.gather(self._pump(self._client[0], self._server[1], self._from_client),
                                 self._pump(self._server[0], self._client[1], self._from_server))
        except OSError:
            pass  # one side has closed
        finally:
            self._close()

    async def _pump(self, reader, writer, take):
        while data := await reader.read(65536):
            await take(writer, data)
        self._close()

    async def _from_client(self, writer, data):
        await self._pass_on(writer, data)

    async def _from_server(self, writer, data):
        ends = self._frames.ends(data)
        fault = self._proxy.fault
        before, self._said = self._said, self._said + len(data)
        if fault is not None and fault.kind in ("cut", "reset") and self._said > fault.amount:
            writer.write(data[:max(0, int(fault.amount) - before)])
            await writer.drain()
            if fault.kind == "cut":
                self._close()
            else:
                self.reset()
            return
        if fault is not None and fault.kind == "garbage" and self._said > fault.amount and ends and not self._spoilt:
            self._spoilt = True
            at = self._proxy.choice.choice(ends)
            data = data[:at] + self._frames.garbage(self._proxy.choice) + data[at:]
        await self._pass_on(writer, data)

    async def _pass_on(self, writer, data):
        fault = self._proxy.fault
        kind = fault.kind if fault is not None else None
        if kind == "blackhole" or self._swallowed:
            self._swallowed = True
            return
        if kind == "stall":
            await self._proxy.healed.wait()
        elif kind == "delay":
            await asyncio.sleep(fault.amount)
        elif kind == "drip":
            for position in range(len(data)):
                if self._proxy.fault is not fault:
                    data = data[position:]
                    break
                writer.write(data[position:position + 1])
                await writer.drain()
                await asyncio.sleep(fault.amount)
            else:
                return
        writer.write(data)
        await writer.drain()
