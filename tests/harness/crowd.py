"""Many clients in one thread. Each has one request under way at a time."""

import asyncio
import threading
import time

from . import proxymap_client


class Crowd:
    """Clients that ask without a pause until finish().

    `question(client, turn)` returns a key and its value; None means that the key is not in the table.
    `right` counts the expected answers, `retries` the RETRY replies; `wrong` holds all other replies.
    `longest` is the longest time until any reply, in seconds.
    """

    def __init__(self, path, table, question, clients=100):
        self._path = path
        self._table = table
        self._question = question
        self._clients = clients
        self._stopping = False
        self.right = 0
        self.retries = 0
        self.wrong = []
        self.longest = 0.0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.finish()

    def finish(self):
        self._stopping = True
        self._thread.join()

    async def _run(self):
        await asyncio.gather(*(self._ask_on(client) for client in range(self._clients)))

    async def _ask_on(self, client):
        reader, writer = await asyncio.open_unix_connection(self._path)
        try:
            await self._message(reader)  # the greeting
            turn = 0
            while not self._stopping:
                key, value = self._question(client, turn)
                begun = time.monotonic()
                writer.write(proxymap_client.lookup_request(self._table, key))
                self._judge(key, value, proxymap_client.Reply(await self._message(reader)))
                self.longest = max(self.longest, time.monotonic() - begun)
                turn += 1
        except (OSError, asyncio.IncompleteReadError) as error:
            self.wrong.append((client, repr(error)))
        finally:
            writer.close()

    @staticmethod
    async def _message(reader):
        message = b""
        while not proxymap_client.message_end(message):
            message += await reader.readuntil(b"\0")
        return message

    def _judge(self, key, value, reply):
        expected = (proxymap_client.OK, value) if value is not None else (proxymap_client.NOKEY, b"")
        if (reply.status, reply.value) == expected:
            self.right += 1
        elif reply.status == proxymap_client.RETRY:
            self.retries += 1
        else:
            self.wrong.append((key, reply))
