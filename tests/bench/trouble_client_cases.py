"""Hostile clients, and other clients beside them."""

import contextlib
import socket
import threading
import time

from bench.trouble_case import beside, figures_of
from harness import mailboxes
from harness.proxymap_client import FOLD_FIX_LOCK, RETRY, lookup_request

_STALLED = 1000
_LONG = 100_000_000  # bytes


def _connected(scene):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(scene.socket())
    return connection


@contextlib.contextmanager
def _half_requests(scene, table, clients):
    half = lookup_request(table, "nobody@example.com")[:30]
    with contextlib.ExitStack() as stack:
        for _ in range(clients):
            connection = stack.enter_context(socket.socket(socket.AF_UNIX))
            connection.setblocking(False)
            try:
                connection.connect(scene.socket())
                connection.send(half)
            except OSError:
                pass  # the listen queue is full
        yield


@contextlib.contextmanager
def _sending(scene, message):
    """A client that sends this message again and again while the body runs."""
    stopping = threading.Event()
    connections = []

    def send():
        while not stopping.is_set():
            try:
                with _connected(scene) as connection:
                    connections.append(connection)
                    while not stopping.is_set():
                        connection.sendall(message)
            except OSError:
                time.sleep(0.01)  # the server has disconnected it

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        with contextlib.suppress(OSError):
            connections[-1].shutdown(socket.SHUT_RDWR)  # unblocks the thread
        thread.join()


def hostile_clients(scene):
    """clients send half a request, 100 MB, or read no replies; 10 clients beside them"""
    table = scene.table(scene.postgres("max-connections=300"))
    scene.serve()
    request = lookup_request(table, mailboxes.KEY)
    troubles = {
        "without them": contextlib.nullcontext(),
        "beside 1 half request": _half_requests(scene, table, 1),
        f"beside {_STALLED} half requests": _half_requests(scene, table, _STALLED),
        "beside 100 MB": _sending(scene, lookup_request(table, "x" * _LONG)),
        "beside one that never reads": _sending(scene, request * 1000),
    }
    figures = {}
    for name, trouble in troubles.items():
        with trouble:
            figures |= beside(scene.measure(table), name)
            figures[f"memory {name}, MiB"] = scene.memory_mib()
    return figures


def invalid_key(scene):
    """20 keys/s that are not UTF-8, for PostgreSQL; one client, 500 lookups/s beside"""
    table = scene.table(scene.postgres())
    scene.serve()
    hostile = scene.client(table, 20, b"\xff\xc0" + mailboxes.KEY.encode(), FOLD_FIX_LOCK)
    try:
        with scene.client(table, flags=FOLD_FIX_LOCK) as client:
            time.sleep(5)
    finally:
        hostile.finish()
    told_to_wait = sum(getattr(reply, "status", RETRY) == RETRY for reply in hostile.others)
    return figures_of(client) | {"of the invalid keys, failed": told_to_wait}


CASES = (hostile_clients, invalid_key)
