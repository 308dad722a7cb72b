"""The common part of the cases.

Each case takes a scene and returns figures by label. Its docstring says what happens; the output shows it.
Times are in seconds unless the label names another unit.
"""

import time

from harness.waiting import TimedOut, wait_until

AWAY = 2.7
# The stock server does not ask a database for a minute after it has failed.
PATIENCE = 70.0


def figures_of(client, back=None):
    figures = {"lookups": len(client.lookups), "failed": client.failed, "longest wait": client.longest}
    if back is not None:
        figures["first answer after the return"] = client.first_right_after(back)
    return figures


def through(client, trouble, heal):
    """The client asks for a second before `trouble`, and after heal(). Returns what the client noticed."""
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
    """Figures from a load's report: its latencies, and the number of failed lookups."""
    return {f"p50 {what}, ms": result["p50_us"] / 1000, f"p99 {what}, ms": result["p99_us"] / 1000,
            f"longest wait {what}, ms": result["max_us"] / 1000, f"failed {what}": failed_of(result)}


def failed_of(result):
    return result["retry"] + result["closed"]
