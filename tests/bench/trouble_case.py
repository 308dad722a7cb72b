"""What the cases share.

Each case takes a scene, says in its documentation what happens, and returns figures by their labels; times
are in seconds unless named.
"""

import time

from harness.waiting import TimedOut, wait_until

AWAY = 2.7
PATIENCE = 70.0  # the stock server does not ask a database for a minute after it has failed


def figures_of(client, back=None):
    figures = {"lookups": len(client.lookups), "failed": client.failed, "longest wait": client.longest}
    if back is not None:
        figures["first answer after the return"] = client.first_right_after(back)
    return figures


def through(client, trouble, heal):
    """The client asks for a second before and after; `trouble` is over after heal(). Returns what it noticed."""
    with client:
        time.sleep(1)
        trouble()
        heal()
        back = time.monotonic()
        try:
            wait_until(lambda: client.first_right_after(back) is not None, "an answer", PATIENCE, 0.1)
        except TimedOut:
            pass
        time.sleep(1)
    return figures_of(client, back)


def beside(result, what):
    """Of a load: its latencies, and how many of its lookups failed."""
    return {f"p50 {what}, ms": result["p50_us"] / 1000, f"p99 {what}, ms": result["p99_us"] / 1000,
            f"longest wait {what}, ms": result["max_us"] / 1000, f"failed {what}": failed_of(result)}


def failed_of(result):
    return result["retry"] + result["closed"]
