"""Loopback TCP ports that two test programs running side by side never share."""

import fcntl
import os
import random
import socket

_LOCK_DIRECTORY = "/tmp/proxyd-test-ports"
# The range is below the kernel's usual range for outgoing connections, so that no client socket takes a port
# between the check and the server's bind().
_FIRST, _LAST = 20000, 32000
_held = []


def reserve_port():
    """A free port of 127.0.0.1. A lock on a file reserves it until this process ends."""
    os.makedirs(_LOCK_DIRECTORY, mode=0o777, exist_ok=True)
    for _ in range(500):
        port = random.SystemRandom().randint(_FIRST, _LAST)
        lock = os.open(f"{_LOCK_DIRECTORY}/{port}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except OSError:
            os.close(lock)
            continue
        _held.append(lock)
        return port
    raise RuntimeError("no free loopback port found")
