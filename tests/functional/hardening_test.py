#!/usr/bin/env python3
"""Hardening of proxyd: dropped rights, no memory dumps, system call filter, links not followed."""

import os
import re
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from functional import mail_database
from harness import processes, scenario
from harness.postfix import Postfix
from harness.proxymap_client import Connection
from harness.stand_alone import StandAlone
from harness.tables import TableFiles
from harness.waiting import wait_until

_NOBODY = 65534
_CAP_DAC_OVERRIDE = 1 << 1


def _status(pid):
    """/proc/PID/status as a dictionary."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return dict(re.findall(r"^(\w+):\s*(.*)$", file.read(), re.MULTILINE))


def _capabilities(pid):
    status = _status(pid)
    return [int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")]


class _Hardened(scenario.Scenario):
    def assert_hardened(self, pid):
        status = _status(pid)
        self.assertEqual(status["NoNewPrivs"], "1")
        self.assertEqual(status["Seccomp"], "2")
        self.assertEqual(status["Umask"], "0077")
        with open(f"/proc/{pid}/limits", encoding="ascii") as file:
            self.assertRegex(file.read(), r"Max core file size +0 +0 ")

    @staticmethod
    def can_read_memory(pid, uid, gid):
        """Whether a process of this user can read the memory of the process `pid`."""
        return subprocess.run(["cat", f"/proc/{pid}/environ"], user=uid, group=gid, extra_groups=[], check=False,
                              capture_output=True).returncode == 0


class UnderPostfixTest(_Hardened):
    @classmethod
    def set_up_servers(cls):
        sqlite = mail_database.create_sqlite(f"{cls.workspace.path}/mail.db")
        cls.tables = TableFiles(cls.workspace.directory("tables"), {"sqlite": {"dbpath": sqlite}})
        cls.table = cls.tables.add("sqlite", "dest", query="SELECT dest FROM aliases WHERE addr='%s'")
        cls.postfix = Postfix(cls.workspace, scenario.tested(), {"proxy_read_maps": cls.tables.proxied()})
        cls.postfix.start()

    def test_both_processes(self):
        with Connection(self.postfix.socket()) as connection:
            self.assertEqual(connection.lookup(self.table, "postmaster").value, b"root")
            (serving,) = self.postfix.proxymap_pids()
            for pid in (serving, processes.parent(serving)):
                with self.subTest(process="serving" if pid == serving else "front"):
                    self.assert_hardened(pid)
                    self.assertEqual(_capabilities(pid), [0] * 4)
                    self.assertEqual(_status(pid)["Uid"].split(), [str(self.postfix.uid)] * 4)
                    self.assertFalse(self.can_read_memory(pid, self.postfix.uid, self.postfix.gid))


class StandAloneTest(_Hardened):
    @classmethod
    def set_up_servers(cls):
        cls.daemon = StandAlone(cls.workspace, scenario.tested().binary, "site").start().wait_for_socket()

    def another(self, options=""):
        return StandAlone(self.workspace, scenario.tested().binary, self.id().rpartition(".")[2], options)

    def value(self, daemon):
        with Connection(daemon.socket) as connection:
            return connection.lookup(daemon.table, daemon.KEY).value

    def test_the_process(self):
        self.assertEqual(self.value(self.daemon), self.daemon.VALUE)
        pid = self.daemon.pid
        self.assert_hardened(pid)
        # As root proxyd keeps this capability, because table files may belong to any user.
        self.assertEqual(_capabilities(pid), [0, _CAP_DAC_OVERRIDE, _CAP_DAC_OVERRIDE, 0])

    def test_the_filter_can_be_switched_off(self):
        daemon = self.another("seccomp = no\n").start().wait_for_socket()
        self.assertEqual(_status(daemon.pid)["Seccomp"], "0")
        self.assertEqual(self.value(daemon), daemon.VALUE)

    def test_a_reload_still_finds_the_version_of_postfix(self):
        """The filter still lets the daemon run postconf. The greeting of clients shows its result."""
        if not os.access("/usr/sbin/postconf", os.X_OK):
            self.skipTest("no postconf")
        daemon = self.another().start().wait_for_socket()
        daemon.write_options("postfix_greeting = auto\n")
        daemon.reload()
        wait_until(lambda: "configuration read again" in daemon.log(), "the reload is done")
        with Connection(daemon.socket, greeting=False) as connection:
            self.assertTrue(connection.readable(5.0), "a greeting, as of Postfix 3.6")

    def refused(self, daemon, reason):
        self.assertEqual(daemon.start().process.wait(10), 1)
        self.assertRegex(daemon.log(), reason)

    def test_a_link_at_the_path_of_the_socket(self):
        daemon = self.another()
        os.symlink(f"{daemon.directory}/elsewhere", daemon.socket)
        self.refused(daemon, f"listen on {daemon.socket}: exists and is a symbolic link; not followed")
        self.assertFalse(os.path.lexists(f"{daemon.directory}/elsewhere"))

    def test_a_link_of_another_user_on_the_way(self):
        daemon = self.another()
        public = f"{daemon.directory}/public"
        os.mkdir(public)
        os.chmod(public, 0o1777)
        os.symlink(daemon.directory, f"{public}/link")
        os.lchown(f"{public}/link", _NOBODY, _NOBODY)
        daemon.socket = f"{public}/link/proxyd.sock"
        self.refused(daemon, f"{public}/link is a symbolic link that another user")

    def test_a_stale_socket_of_another_user(self):
        daemon = self.another()
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(daemon.socket)
        os.chown(daemon.socket, _NOBODY, _NOBODY)
        self.refused(daemon, f"belongs to another user .id {_NOBODY}.; not removed")
        os.chown(daemon.socket, 0, 0)
        daemon.start()
        wait_until(lambda: "listening on" in daemon.log(), "it is replaced when it is ours")
        self.assertEqual(self.value(daemon), daemon.VALUE)


if __name__ == "__main__":
    scenario.main()
