"""Clients that ask without a pause, and the answers that they got."""

import threading
import time

from . import proxymap_client
from .proxymap_client import PostfixLikeClient
from .waiting import wait_until


class LookupStream:
    """Clients that ask without a pause until finish(). All wrong answers are kept.

    The right answer is the key, or value(key) if `value` is given.
    """

    def __init__(self, path, table, clients, value=lambda key: key):
        self._table = table
        self._value = value
        self._stopping = threading.Event()
        self.clients = [PostfixLikeClient(path) for _ in range(clients)]
        self.answered = 0
        self.wrong = []
        self.longest = 0.0
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(clients)]
        for thread in self._threads:
            thread.start()

    def _run(self, number):
        client = self.clients[number]
        turn = 0
        try:
            while not self._stopping.is_set():
                key = f"client-{number}-{turn}"
                started = time.monotonic()
                reply = client.lookup(self._table, key)
                elapsed = time.monotonic() - started
                with self._lock:
                    self.answered += 1
                    self.longest = max(self.longest, elapsed)
                    if (reply.status, reply.value) != (proxymap_client.OK, self._value(key).encode()):
                        self.wrong.append((key, reply))
                turn += 1
                time.sleep(0.001)
        except Exception as error:  # pylint: disable=broad-except
            with self._lock:
                self.wrong.append((number, repr(error)))
        finally:
            client.close()

    def wait_for_progress(self, lookups=50):
        """Returns when `lookups` more lookups have been answered."""
        goal = self.answered + lookups
        wait_until(lambda: self.answered >= goal or self.wrong, f"{lookups} more lookups answered", 30.0)

    def finish(self):
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        return sum(client.repeats for client in self.clients)
