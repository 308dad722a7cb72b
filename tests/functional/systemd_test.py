#!/usr/bin/env python3
"""proxyd as a systemd service: units, passed sockets, notifications. Needs no Postfix."""

import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from harness import scenario
from harness.proxymap_client import Connection
from harness.stand_alone import StandAlone
from harness.waiting import wait_until

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_EXPOSURE = "20"  # tenths


class ServiceManager:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, path):
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path)

    def next(self, timeout=10.0):
        """The assignments of the next message as a dictionary; None if no message comes in time."""
        self._socket.settimeout(timeout)
        try:
            return dict(line.split("=", 1) for line in self._socket.recv(4096).decode().splitlines())
        except TimeoutError:
            return None

    def next_with(self, name):
        """The next message that contains `name`. Messages before it are dropped."""
        return wait_until(lambda: (message := self.next()) and name in message and message, f"{name} is said")

    def forget(self):
        while self.next(0.01) is not None:
            pass

    def close(self):
        self._socket.close()


@contextlib.contextmanager
def held_thread(thread):
    """Stops one thread of a process for the body."""
    attach, detach, any_thread = 16, 17, 0x40000000  # ptrace(2), waitpid(2)
    library = ctypes.CDLL(None, use_errno=True)
    if library.ptrace(attach, thread, None, None) != 0:
        raise OSError(ctypes.get_errno(), f"ptrace of {thread}")
    os.waitpid(thread, any_thread)
    try:
        yield
    finally:
        library.ptrace(detach, thread, None, None)


class SystemdTest(scenario.Scenario):
    @classmethod
    def set_up_servers(cls):
        cls.units = cls.workspace.directory("units")
        shutil.copy(f"{_ROOT}/packaging/systemd/proxyd.socket", cls.units)
        with open(f"{_ROOT}/packaging/systemd/proxyd.service.in", encoding="utf-8") as file:
            text = file.read().replace("@PROXYD_UNIT_SBINDIR@", os.path.dirname(scenario.tested().binary))
        cls.service = f"{cls.units}/proxyd.service"
        with open(cls.service, "w", encoding="utf-8") as file:
            file.write(text)

    def daemon(self, options=""):
        return StandAlone(self.workspace, scenario.tested().binary, self.id().rpartition(".")[2], options)

    def notified_daemon(self, environment=None):
        daemon = self.daemon()
        manager = ServiceManager(f"{daemon.directory}/notify")
        self.addCleanup(manager.close)
        daemon.start({"NOTIFY_SOCKET": manager.path, **(environment or {})})
        return daemon, manager

    def ask(self, daemon):
        with Connection(daemon.socket) as connection:
            self.assertEqual(connection.lookup(daemon.table, daemon.KEY).value, daemon.VALUE)

    # Units

    def analyze(self, *arguments):
        if shutil.which("systemd-analyze") is None:
            self.skipTest("no systemd-analyze")
        return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False, timeout=60)

    def test_units_are_understood(self):
        done = self.analyze("verify", "--man=no", self.service, f"{self.units}/proxyd.socket")
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_the_service_is_confined(self):
        done = self.analyze("security", "--offline=true", f"--threshold={_EXPOSURE}", self.service)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    # A passed socket

    def test_the_socket_of_the_service_manager_is_served(self):
        if shutil.which("systemd-socket-activate") is None:
            self.skipTest("no systemd-socket-activate")
        daemon = self.daemon()
        daemon.start(before=["systemd-socket-activate", f"--listen={daemon.socket}"])
        daemon.wait_for_socket()
        self.ask(daemon)
        self.assertNotIn("listening on", daemon.log())
        self.assertEqual(daemon.stop(), 0)
        self.assertTrue(os.path.exists(daemon.socket), "the socket belongs to the service manager")

    # Notifications

    def test_ready_reload_stop(self):
        daemon, manager = self.notified_daemon()
        self.assertEqual(manager.next(), {"READY": "1", "STATUS": "1 table allowed"})
        self.ask(daemon)  # the daemon answers once it has sent READY
        before = time.monotonic_ns() // 1000
        daemon.write_options(f"allowed_tables = {daemon.table} sqlite:/another.cf\n")
        daemon.reload()
        message = manager.next()
        self.assertEqual(message.pop("RELOADING"), "1")
        self.assertTrue(before <= int(message.pop("MONOTONIC_USEC")) <= time.monotonic_ns() // 1000)
        self.assertEqual(message, {})
        self.assertEqual(manager.next(), {"READY": "1", "STATUS": "2 tables allowed"})
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(manager.next()["STOPPING"], "1")

    def test_a_reload_that_fails_ends_too(self):
        daemon, manager = self.notified_daemon()
        manager.next_with("READY")
        daemon.write_options("pool_size = many\n")
        daemon.reload()
        manager.next_with("RELOADING")
        self.assertEqual(manager.next(), {"READY": "1", "STATUS": "1 table allowed"})
        self.ask(daemon)

    def test_keepalives(self):
        _, manager = self.notified_daemon({"WATCHDOG_USEC": "200000"})
        for _ in range(3):
            manager.next_with("WATCHDOG")

    def test_no_keepalives_unasked(self):
        _, manager = self.notified_daemon()
        manager.next_with("READY")
        self.assertIsNone(manager.next(1.0))

    def test_a_stuck_loop_falls_silent(self):
        """ptrace stops the loop's thread and no other."""
        daemon, manager = self.notified_daemon({"WATCHDOG_USEC": "200000"})
        manager.next_with("WATCHDOG")
        with held_thread(daemon.process.pid):
            manager.forget()
            self.assertIsNone(manager.next(1.0))
        manager.next_with("WATCHDOG")


if __name__ == "__main__":
    scenario.main()
