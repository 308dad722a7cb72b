#!/usr/bin/env python3
"""A serving process that hangs is detected and replaced, under Postfix and alone. Its clients get answers."""

import contextlib
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from functional import mail_database
from harness import control, processes, scenario
from harness.hung_filesystem import HungFilesystem, HungFilesystemMissing
from harness.lookup_stream import LookupStream
from harness.postfix import Postfix
from harness.proxymap_client import Connection, lookup_request
from harness.stand_alone import StandAlone
from harness.tables import TableFiles
from harness.waiting import wait_until

_STOOD_STILL = r"error: the serving process {} has stood still for \d+ s, stopped by a signal -- it is killed"


class WatchdogTest(scenario.Scenario):
    @classmethod
    def set_up_servers(cls):
        database = mail_database.create_sqlite(f"{cls.workspace.path}/mail.db")
        tables = TableFiles(cls.workspace.directory("tables"), {"sqlite": {"dbpath": database}})
        cls.echo = tables.add("sqlite", "echo", query="SELECT '%s' FROM aliases LIMIT 1")
        cls.far = tables.add("sqlite", "far", query="SELECT '%s' FROM aliases LIMIT 1")
        cls.far_path = tables.path("far")
        cls.postfix = Postfix(cls.workspace, scenario.tested(), {"proxy_read_maps": tables.proxied()},
                              "watchdog_timeout = 3s\n")
        cls.postfix.start()

    @contextlib.contextmanager
    def clients(self):
        """Clients that ask all the time. All their answers must be right."""
        stream = LookupStream(self.postfix.socket(), self.echo, 4)
        try:
            stream.wait_for_progress()
            yield stream
            stream.wait_for_progress()
        finally:
            stream.finish()
        self.assertEqual(stream.wrong[:5], [])

    def serving(self):
        (pid,) = self.postfix.proxymap_pids()
        return pid

    def assert_killed(self, pid, position):
        self.postfix.wait_for_log(_STOOD_STILL.format(pid), position, 30.0)
        wait_until(lambda: not processes.is_alive(pid), "it is gone")

    def test_a_process_that_is_stopped_is_replaced(self):
        with self.clients():
            position = self.postfix.log_position()
            first = self.serving()
            descriptors = processes.descriptors(processes.parent(first))
            for _ in range(2):
                pid = self.serving()
                processes.send_signal(pid, signal.SIGSTOP)
                self.assert_killed(pid, position)
                wait_until(lambda old=pid: set(self.postfix.proxymap_pids()) - {old}, "another one serves")
            self.assertEqual(processes.descriptors(processes.parent(self.serving())), descriptors)
        self.assertNotRegex(self.postfix.log_since(position), "throttling|panic|fatal")
        wait_until(lambda: len(self.postfix.pids(scenario.tested().command)) == 2, "no process is left over")
        with Connection(self.postfix.socket()):
            self.assertEqual(control.ask(self.postfix.socket(), "status")["process"], self.serving())

    def test_a_file_system_that_does_not_answer_is_named(self):
        try:
            hung = HungFilesystem(self.workspace, "hung")
        except HungFilesystemMissing as error:
            self.skipTest(str(error))
        near = f"{self.far_path}.near"
        with self.clients():
            with Connection(self.postfix.socket()) as client:
                self.assertEqual(client.lookup(self.far, "k").value, b"k")
            pid = self.serving()
            position = self.postfix.log_position()
            os.rename(self.far_path, near)
            self.addCleanup(os.replace, near, self.far_path)
            os.symlink(f"{hung.directory}/far.cf", self.far_path)
            asking = Connection(self.postfix.socket(), timeout=60.0)
            self.addCleanup(asking.close)
            end = time.monotonic() + 30.0
            while not asking.closed_within(0.1) and time.monotonic() < end:  # looks at files each second
                asking.send(lookup_request(self.far, "k"))
            self.postfix.wait_for_log(rf"the serving process {pid} has stood still for \d+ s, .*looking at the file "
                                      rf"{self.far_path} -- it is killed", position)
            hung.close()

    def test_a_reload_leaves_none_behind(self):
        """The clients of a hung old process would wait for ever, as Postfix no longer knows it."""
        with self.clients():
            position = self.postfix.log_position()
            pid = self.serving()
            processes.send_signal(pid, signal.SIGSTOP)
            self.postfix.reload()
            with Connection(self.postfix.socket()) as client:
                self.assertEqual(client.lookup(self.echo, "new").value, b"new", "new clients do not wait")
            self.assert_killed(pid, position)
        wait_until(lambda: len(self.postfix.pids(scenario.tested().command)) == 2, "no process is left over")

    def test_a_process_that_is_stopped_as_it_starts(self):
        position = self.postfix.log_position()
        self.postfix.reload()
        wait_until(lambda: not self.postfix.pids(scenario.tested().command), "the old ones end")
        client = Connection(self.postfix.socket(), greeting=False)
        self.addCleanup(client.close)
        pid = wait_until(lambda: next((pid for pid in self.postfix.pids(scenario.tested().command)
                                       if processes.name(processes.parent(pid)) == "proxyd-front"), None), "it starts")
        processes.send_signal(pid, signal.SIGSTOP)
        self.assert_killed(pid, position)
        with Connection(self.postfix.socket(), timeout=30.0) as other:
            self.assertEqual(other.lookup(self.echo, "k").value, b"k")

    def test_a_stop_leaves_none_behind(self):
        with Connection(self.postfix.socket()) as client:
            client.lookup(self.echo, "k")
            pid = self.serving()
            processes.send_signal(pid, signal.SIGSTOP)
            self.postfix.command("stop")
            wait_until(lambda: not self.postfix.pids(), "no process is left", 10.0)
        self.postfix.start()

    def test_all_processes_stopped_at_once_are_not_killed(self):
        with Connection(self.postfix.socket()) as client:
            client.lookup(self.echo, "k")
            pid = self.serving()
            both = [processes.parent(pid), pid]
            for one in both:
                processes.send_signal(one, signal.SIGSTOP)
            time.sleep(7.0)
            for one in reversed(both):
                processes.send_signal(one, signal.SIGCONT)
            time.sleep(1.0)
            self.assertEqual(client.lookup(self.echo, "again").value, b"again")
            self.assertEqual(self.serving(), pid)


class AloneWatchdogTest(scenario.Scenario):
    made = 0

    @classmethod
    def set_up_servers(cls):
        pass

    def daemon(self, options="watchdog_timeout = 3s\n"):
        # The path of a socket has a maximum length.
        type(self).made += 1
        return StandAlone(self.workspace, scenario.tested().binary, f"alone{self.made}", options)

    def ask(self, daemon):
        with Connection(daemon.socket, timeout=30.0) as connection:
            self.assertEqual(connection.lookup(daemon.table, daemon.KEY).value, daemon.VALUE)

    def test_a_process_that_is_stopped_is_replaced(self):
        daemon = self.daemon().start()
        pid = daemon.pid
        self.ask(daemon)
        daemon.write_options(f"watchdog_timeout = 3s\nallowed_tables = {daemon.table} sqlite:/another.cf\n")
        processes.send_signal(pid, signal.SIGSTOP)
        self.ask(daemon)  # the client waits in the listen queue of the socket, which stays
        self.assertRegex(daemon.log(), _STOOD_STILL.format(pid))
        self.assertEqual(len(control.ask(daemon.socket, "status")["tables_approved"]), 2, "as the files are now")
        self.assertNotEqual(daemon.pid, pid)
        self.assertEqual(len(processes.children(daemon.process.pid)), 1)
        self.assertEqual(daemon.stop(), 0)
        self.assertFalse(os.path.exists(daemon.socket) or os.path.exists(f"{daemon.socket}.control"))

    def test_nobody_stands_in_front_when_it_is_switched_off(self):
        daemon = self.daemon("watchdog_timeout = 0\n").start()
        self.assertEqual(daemon.pid, daemon.process.pid)
        self.ask(daemon)
        self.assertEqual(daemon.stop(), 0)

    def test_it_ends_with_the_process_in_front(self):
        daemon = self.daemon().start()
        pid = daemon.pid
        daemon.process.kill()
        wait_until(lambda: not processes.is_alive(pid), "the serving process ends")
        self.assertFalse(os.path.exists(daemon.socket))

    def test_signals_that_come_before_it_is_ready(self):
        """A script may send signals as soon as the socket exists."""
        for options in ("watchdog_timeout = 3s\n", "watchdog_timeout = 0\n"):
            for _ in range(5):
                daemon = self.daemon(options).start()
                wait_until(lambda one=daemon: os.path.exists(one.socket), "it listens", interval=0.0005)
                daemon.reload()
                wait_until(lambda one=daemon: "configuration read again" in one.log(), "it is read again")
                self.ask(daemon)
                self.assertEqual(daemon.stop(), 0)

    def test_interrupt_in_a_terminal(self):
        """Both processes get the signal."""
        daemon = self.daemon().start()
        pid = daemon.pid
        for one in (pid, daemon.process.pid):
            processes.send_signal(one, signal.SIGINT)
        self.assertEqual(daemon.process.wait(10), 0)
        self.assertFalse(processes.is_alive(pid))

    def test_another_file_in_the_place_of_the_control_socket_stays(self):
        daemon = self.daemon()
        with open(f"{daemon.socket}.control", "w", encoding="ascii") as file:
            file.write("a letter")
        daemon.start().wait_for_socket()
        self.ask(daemon)
        self.assertIn(f"error: listen on {daemon.socket}.control: exists and is not a socket; not removed -- "
                      "there is no control socket", daemon.log())
        self.assertEqual(daemon.stop(), 0)
        with open(f"{daemon.socket}.control", encoding="ascii") as file:
            self.assertEqual(file.read(), "a letter")


if __name__ == "__main__":
    scenario.main()
