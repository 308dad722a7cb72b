"""A forwarder between a client and a server. It can silence some connections."""

import asyncio
import threading

from .ports import reserve_port


class Forwarder:
    """Listens on its own loopback port in its own thread. Its methods may be called from any thread."""

    def __init__(self, target_port):
        self.port = reserve_port()
        self._target_port = target_port
        self._of = 0  # every so many connections one is silent; 0: none is
        self._links = {}  # by number of the connection: the event that lets it continue
        self._accepted = 0
        self._server = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._run(self._listen())

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def silence(self, one_of=1):
        """Silences one connection in `one_of`, old and new, until heal()."""
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
            pass  # one side has closed
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
