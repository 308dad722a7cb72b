"""A proxy that tampers with whole messages between a client and its database server."""

import asyncio
import dataclasses
import random
import threading

from .dialogues import DIALOGUES
from .ports import reserve_port


@dataclasses.dataclass(frozen=True)
class Misdeed:
    """What the proxy does with some of the units that pass. A unit is one message or one whole answer.

    swallow  the unit does not arrive
    repeat   the unit arrives twice in a row
    late     the unit arrives after the next one, or much later if no other follows
    replay   the unit before it arrives in its place
    garble   of units that arrive together, the next one replaces it

    `what` is a kind of message as in dialogues.py, or "answer" for all messages of an answer.
    `of_client` selects the messages that the client sends.
    """

    act: str
    what: str
    of_client: bool = False
    share: float = 0.03

    def __str__(self):
        return f"{self.act} {self.what} of the {'client' if self.of_client else 'server'}"


@dataclasses.dataclass(frozen=True)
class _Unit:
    kind: str
    data: bytes


class MiddleMan:
    """Listens on its own loopback port in its own thread. `done` counts the misdeeds."""

    LATE = 0.1  # seconds

    def __init__(self, kind, target_port, seed=0):
        self.port = reserve_port()
        self.misdeed = None  # may be set from any thread
        self.done = 0
        self.choice = random.Random(seed)
        self.dialogue = DIALOGUES[kind]
        self.target_port = target_port
        self._server = None
        self._links = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._run(self._listen())

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    async def _listen(self):
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, backlog=256)

    async def _accept(self, reader, writer):
        try:
            others = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            writer.close()
            return
        dialogue = self.dialogue()
        self._links.add(writer)
        try:
            await asyncio.gather(_Side(self, dialogue, True).pump(reader, others[1]),
                                 _Side(self, dialogue, False).pump(others[0], writer))
        except OSError:
            pass  # one side has closed
        finally:
            self._links.discard(writer)
            writer.close()
            others[1].close()

    def drop(self):
        """Ends all connections. May be called from any thread."""
        self._run(self._drop())

    async def _drop(self):
        for writer in list(self._links):
            writer.transport.abort()

    def close(self):
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self):
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Side:
    """One direction of one connection."""

    def __init__(self, man, dialogue, of_client):
        self._man = man
        self._of_client = of_client
        self._split = dialogue.from_client if of_client else dialogue.from_server
        self._begins = dialogue.BEGINS
        self._answer = None  # the messages of the current, incomplete answer
        self._held = None  # a unit that is held back
        self._before = None  # the previous unit of the kind that the misdeed names

    async def pump(self, reader, writer):
        while data := await reader.read(65536):
            said = b"".join(self._pass_on(self._units(self._split(data))))
            if said:
                writer.write(said)
                await writer.drain()
            if self._held is not None:
                asyncio.get_running_loop().call_later(self._man.LATE, self._release, writer, self._held)
        writer.close()

    def _release(self, writer, unit):
        if self._held is unit:
            self._held = None
            writer.write(unit.data)

    def _units(self, messages):
        """Single messages, or whole answers if the misdeed is about answers."""
        misdeed = self._man.misdeed
        whole = misdeed is not None and misdeed.what == "answer" and not self._of_client
        units = []
        for message in messages:
            if self._answer is None and whole and message.kind and self._begins in (None, message.kind):
                self._answer = []
            if self._answer is None:
                units.append(_Unit(message.kind, message.data))
                continue
            self._answer.append(message.data)
            if message.ends_answer:
                units.append(_Unit("answer", b"".join(self._answer)))
                self._answer = None
        return units

    def _pass_on(self, units):
        for at, unit in enumerate(units):
            misdeed = self._man.misdeed
            concerned = misdeed is not None and misdeed.of_client == self._of_client and unit.kind == misdeed.what
            before, self._before = self._before, unit if concerned else self._before
            said = [unit.data]
            if concerned and self._held is None and self._man.choice.random() < misdeed.share:
                said = self._wrong(misdeed.act, unit, before, units[at + 1:])
            elif self._held is not None:
                said.append(self._held.data)
                self._held = None
            yield from said

    def _wrong(self, act, unit, before, following):
        if act == "replay" and before is None:
            return [unit.data]
        if act == "garble":
            same = [one for one in following if one.kind == unit.kind]
            if not same:
                return [unit.data]
            self._man.done += 1
            return [same[0].data]
        self._man.done += 1
        if act == "late":
            self._held = unit
            return []
        return {"swallow": [], "repeat": [unit.data] * 2, "replay": [before.data if before else b""]}[act]
