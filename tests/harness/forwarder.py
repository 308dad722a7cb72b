"""Stands between a client and a server, and lets some connections stand still."""

import asyncio
import threading

from .ports import reserve_port


class Forwarder:
    """Listens on a loopback port of its own, in a thread of its own; its methods may be called from any thread."""

    def __init__(self, target_port):
        self.port = reserve_port()
        self._target_port = target_port
        self._of = 0  # of so many connections one is silent; 0: of all none
        self._links = {}  # the event that lets a connection go on, by its number
        self._accepted = 0
        self._server = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._run(self._listen())

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def silence(self, one_of=1):
        """One of so many connections, old and new, passes nothing on until heal()."""
        self._run(self._change(one_of))

    def heal(self):
        self._run(self._change(0))

    def close(self):
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self):
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, backlog=256)

    async def _change(self, one_of):
        self._of = one_of
        for number, event in self._links.items():
            self._set(number, event)

    def _set(self, number, event):
        if self._of and number % self._of == 0:
            event.clear()
        else:
            event.set()

    async def _accept(self, reader, writer):
        number, event = self._accepted, asyncio.Event()
        self._accepted += 1
        self._links[number] = event
        self._set(number, event)
        try:
            server = await asyncio.open_connection("127.0.0.1", self._target_port)
            await asyncio.gather(self._pump(reader, server[1], event), self._pump(server[0], writer, event))
        except OSError:
            pass  # one side is gone
        finally:
            del self._links[number]
            writer.close()

    @staticmethod
    async def _pump(reader, writer, may_pass):
        while data := await reader.read(65536):
            await may_pass.wait()
            writer.write(data)
            await writer.drain()
        await may_pass.wait()
        writer.close()

    async def _end(self):
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
