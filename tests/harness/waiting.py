"""Waiting with a deadline."""

import time


class TimedOut(AssertionError):
    """The condition did not become true in time."""


def wait_until(condition, what, timeout=10.0, interval=0.02):
    """Calls condition() until its result is true, and returns it. Raises TimedOut after `timeout` s."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() >= deadline:
            raise TimedOut(f"not within {timeout:g} s: {what}")
        time.sleep(interval)


def stays_true(condition, what, seconds, interval=0.05):
    """Fails if condition() is false at any time in the next `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not condition():
            raise AssertionError(f"no longer true: {what}")
        time.sleep(interval)
