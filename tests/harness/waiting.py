"""Waiting with a deadline."""

import time


class TimedOut(AssertionError):
    """What was waited for did not happen in time."""


def wait_until(condition, what, timeout=10.0, interval=0.02):
    """Calls condition() until it returns something true, and returns that; TimedOut after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() >= deadline:
            raise TimedOut(f"not within {timeout:g} s: {what}")
        time.sleep(interval)


def stays_true(condition, what, seconds, interval=0.05):
    """Fails as soon as condition() is false within the next `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not condition():
            raise AssertionError(f"no longer true: {what}")
        time.sleep(interval)
