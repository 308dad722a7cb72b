"""A client that asks for the same key at a steady pace and records the answers."""

import threading
import time

from . import proxymap_client
from .proxymap_client import PostfixLikeClient


class PacedClient:
    """Asks until finish(), one lookup after the other, at most `per_second` of them. OK with `value` is
    right.

    `lookups` has a tuple for each lookup: start, end, and whether it was right. Times are time.monotonic().
    """

    def __init__(self, path, table, key, value, per_second=500, timeout=30.0, flags=proxymap_client.DAEMON):
        self.lookups = []
        self.others = []  # all replies and errors that are not right
        self._ask = lambda client: client.lookup(table, key, flags)
        self._value = value
        self._pause = 1.0 / per_second
        self._stopping = threading.Event()
        self._path = path
        self._timeout = timeout
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        client = PostfixLikeClient(self._path, timeout=self._timeout)
        due = time.monotonic()
        while not self._stopping.is_set():
            begun = time.monotonic()
            try:
                reply = self._ask(client)
                right = (reply.status, reply.value) == (proxymap_client.OK, self._value)
            except OSError as error:
                client.close()
                reply, right = error, False
            self.lookups.append((begun, time.monotonic(), right))
            if not right:
                self.others.append(reply)
            # A long wait for an answer is not followed by a burst of lookups.
            due = max(due + self._pause, time.monotonic() - self._pause)
            time.sleep(max(0.0, due - time.monotonic()))
        client.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.finish()

    def finish(self):
        self._stopping.set()
        self._thread.join()

    @property
    def failed(self):
        return sum(not right for _, _, right in self.lookups)

    @property
    def longest(self):
        """The longest wait for an answer of any kind, in seconds."""
        return max(done - begun for begun, done, _ in self.lookups)

    def first_right_after(self, moment):
        """Seconds from `moment` to the first right answer after it; None if there was none."""
        return next((done - moment for _, done, right in list(self.lookups) if right and done >= moment), None)

    def percentile(self, share):
        took = sorted(done - begun for begun, done, _ in self.lookups)
        return took[min(len(took) - 1, int(share * len(took)))]
