#!/usr/bin/env python3
"""Several workers: one that dies or hangs is replaced, the others' clients notice nothing, the pool stays bounded."""

import contextlib
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from functional import mail_database
from harness import control, processes, scenario
from harness.lookup_stream import LookupStream
from harness.postfix import Postfix
from harness.postgres import Postgres
from harness.proxymap_client import Connection
from harness.stand_alone import StandAlone
from harness.waiting import wait_until

_POOL_SIZE = 12
_OPTIONS = f"workers = 3\npool_size = {_POOL_SIZE}\nwatchdog_timeout = 3s\ncache_ttl = 0\n"


def status(socket):
    return control.ask(socket, "status")


def pids(socket):
    """The process ids of the workers; of those that are alive."""
    return [worker["process"] for worker in status(socket)["workers"] if worker["process"] != 0]


def proxyctl(*arguments):
    program = os.path.join(os.path.dirname(scenario.tested().binary), "proxyctl")
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)


class WorkersTest(scenario.Scenario):
    @classmethod
    def set_up_servers(cls):
        cls.database = mail_database.start(cls.workspace, Postgres)
        tables = mail_database.table_files(cls.workspace, cls.database)
        cls.echo = tables.add("pgsql", "echo", query="SELECT '%s'")
        cls.slow = tables.add("pgsql", "slow", query=mail_database.slow_echo("pgsql", 0.02))
        cls.kept = tables.add("pgsql", "kept", query="SELECT dest FROM aliases WHERE addr='%s'", cache_ttl="1h")
        cls.postfix = Postfix(cls.workspace, scenario.tested(), {"proxy_read_maps": tables.proxied()}, _OPTIONS)
        cls.postfix.start()
        cls.socket = cls.postfix.socket()

    def connected(self, clients):
        """So many clients, each of which has asked."""
        connections = []
        for number in range(clients):
            connection = Connection(self.socket)
            self.addCleanup(connection.close)
            self.assertEqual(connection.lookup(self.echo, f"{number}").value, f"{number}".encode())
            connections.append(connection)
        return connections

    @contextlib.contextmanager
    def clients(self, table, count=12):
        """Clients that ask all the time. All their answers must be right."""
        stream = LookupStream(self.socket, table, count)
        try:
            stream.wait_for_progress()
            yield stream
            stream.wait_for_progress()
        finally:
            stream.finish()
        self.assertEqual(stream.wrong[:5], [])

    def wait_for_three(self, *without):
        """Returns when three workers answer, none of which is one of `without`."""
        def answer():
            try:
                workers = status(self.socket)["workers"]
            except OSError:
                return False  # one generation has left, and the next one has not begun
            return (len(workers) == 3 and all(worker["answers"] for worker in workers)
                    and not {worker["process"] for worker in workers} & set(without))
        with Connection(self.socket) as client:  # starts the daemon
            self.assertEqual(client.lookup(self.echo, "k").value, b"k")
        wait_until(answer, "three workers answer")

    def assert_only_its_clients_are_disconnected(self, connections, worker, end):
        """`end` ends the worker of this entry of the status."""
        end(worker["process"])
        wait_until(lambda: sum(connection.readable() for connection in connections) >= worker["clients"],
                   "its clients are disconnected", 30.0)
        self.wait_for_three(worker["process"])
        left = [connection for connection in connections if not connection.readable()]
        self.assertEqual(len(left), len(connections) - worker["clients"])
        for number, connection in enumerate(left):
            self.assertEqual(connection.lookup(self.echo, f"again{number}").value, f"again{number}".encode())

    def test_clients_are_spread_over_all(self):
        self.wait_for_three()
        self.connected(60)
        counts = [worker["clients"] for worker in status(self.socket)["workers"]]
        self.assertEqual(sum(counts), 60)
        self.assertGreaterEqual(min(counts), 10, counts)

    def test_one_that_dies_is_replaced(self):
        self.wait_for_three()
        connections = self.connected(30)
        position = self.postfix.log_position()
        worker = status(self.socket)["workers"][1]
        self.assertGreater(worker["clients"], 0)
        self.assert_only_its_clients_are_disconnected(
            connections, worker, lambda pid: processes.send_signal(pid, signal.SIGKILL))
        self.postfix.wait_for_log(rf"the serving process {worker['process']} \(worker 2\) was ended by signal 9 "
                                  r"\(Killed\) -- another one takes its place in 0\.\d s", position)
        self.assertEqual(status(self.socket)["workers"][1]["restarts"], worker["restarts"] + 1)
        self.assertNotRegex(self.postfix.log_since(position), "throttling|panic|fatal")

    def test_one_that_stands_still_is_replaced(self):
        self.wait_for_three()
        connections = self.connected(30)
        position = self.postfix.log_position()
        worker = status(self.socket)["workers"][2]
        self.assertGreater(worker["clients"], 0)
        self.assert_only_its_clients_are_disconnected(
            connections, worker, lambda pid: processes.send_signal(pid, signal.SIGSTOP))
        self.postfix.wait_for_log(rf"the serving process {worker['process']} \(worker 3\) has stood still for \d+ s, "
                                  "stopped by a signal -- it is killed, and another one takes its place", position)

    def test_one_that_does_not_answer_holds_up_no_status(self):
        self.wait_for_three()
        pid = pids(self.socket)[0]
        processes.send_signal(pid, signal.SIGSTOP)
        try:
            workers = status(self.socket)["workers"]
        finally:
            processes.send_signal(pid, signal.SIGCONT)
        self.assertEqual([worker["answers"] for worker in workers], [False, True, True])

    def test_connections_stay_within_pool_size_whatever_dies(self):
        self.wait_for_three()
        session = self.database.session()
        count = self.database.connections_query(mail_database.DATABASE)
        samples = []

        def look(seconds):
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                samples.append(int(session.ask(count)[0][0]))
                time.sleep(0.002)

        with self.clients(self.slow, 60):
            look(2.0)
            for turn in range(3):
                processes.send_signal(pids(self.socket)[turn], signal.SIGKILL)
                look(1.0)
        self.assertLessEqual(max(samples), _POOL_SIZE)
        self.assertGreater(max(samples), _POOL_SIZE // 3, "only one worker has used connections")

    def test_a_reload_under_load_loses_nothing(self):
        self.wait_for_three()
        with self.clients(self.echo) as stream:
            for _ in range(3):
                before = pids(self.socket)
                self.postfix.reload()
                stream.wait_for_progress()
                self.wait_for_three(*before)
        wait_until(lambda: len(self.postfix.pids(scenario.tested().command)) == 4, "no process is left over")

    def test_a_stop_leaves_none_behind(self):
        self.wait_for_three()
        processes.send_signal(pids(self.socket)[0], signal.SIGSTOP)
        self.postfix.command("stop")
        wait_until(lambda: not self.postfix.pids(), "no process is left", 10.0)
        self.postfix.start()
        with Connection(self.socket) as client:
            self.assertEqual(client.lookup(self.echo, "k").value, b"k")

    def test_status_and_flush_speak_for_all(self):
        self.wait_for_three()
        for connection in self.connected(30):
            self.assertEqual(connection.lookup(self.kept, "alice@example.com").value, b"alice1@dest.example")
        report = status(self.socket)
        (cache,) = [cache for cache in report["caches"] if cache["table"] == self.kept]
        self.assertEqual(cache["entries"], 3, "each worker keeps the answer")
        self.assertEqual(cache["hits"] + cache["misses"], 30)
        (database,) = report["databases"]
        self.assertEqual(database["pool_size"], _POOL_SIZE)
        shown = proxyctl("status", "--socket", self.socket).stdout
        for number, pid in enumerate(pids(self.socket), 1):
            self.assertRegex(shown, rf"worker {number}: process {pid}, up 0:\d\d:\d\d, \d+ clients?, \d+ requests? "
                                    r"answered, \d+ % of a processor")
        self.assertEqual(control.ask(self.socket, "flush"), {"ok": True, "flushed": 3})
        self.assertEqual(control.ask(self.socket, "flush"), {"ok": True, "flushed": 0})


class AloneWorkersTest(scenario.Scenario):
    @classmethod
    def set_up_servers(cls):
        pass

    def ask(self, daemon):
        with Connection(daemon.socket, timeout=30.0) as connection:
            self.assertEqual(connection.lookup(daemon.table, daemon.KEY).value, daemon.VALUE)

    def test_signals_are_for_all(self):
        daemon = StandAlone(self.workspace, scenario.tested().binary, "signals", "workers = 2\n").start()
        daemon.wait_for_socket()
        self.ask(daemon)
        wait_until(lambda: len(pids(daemon.socket)) == 2, "both serve")
        daemon.write_options(f"workers = 2\nallowed_tables = {daemon.table} sqlite:/another.cf\n")
        daemon.reload()
        wait_until(lambda: daemon.log().count("configuration read again") == 2, "both have read it again")
        self.assertEqual(len(status(daemon.socket)["tables_approved"]), 2)
        self.ask(daemon)
        self.assertEqual(daemon.stop(), 0)
        self.assertFalse(os.path.exists(daemon.socket) or os.path.exists(f"{daemon.socket}.control"))

    def test_fewer_are_started_when_the_pool_is_small(self):
        daemon = StandAlone(self.workspace, scenario.tested().binary, "small", "workers = 4\npool_size = 8\n").start()
        daemon.wait_for_socket()
        self.ask(daemon)
        self.assertIn("warning: workers = 4 is too many: pool_size = 8 has 4 connections for each of 2 workers and no "
                      "more -- starting 2 workers\n", daemon.log())
        self.assertEqual(len(status(daemon.socket)["workers"]), 2)
        self.assertEqual(daemon.stop(), 0)

    def test_a_configuration_that_needs_fewer_is_refused(self):
        daemon = StandAlone(self.workspace, scenario.tested().binary, "refused", "workers = 2\n").start()
        daemon.wait_for_socket()
        self.ask(daemon)
        wait_until(lambda: len(pids(daemon.socket)) == 2, "both serve")
        daemon.write_options("workers = 2\npool_size = 1\n")
        daemon.reload()
        wait_until(lambda: "pool_size = 1 is for all workers together, and 2 of them run: restart proxyd, which then "
                           "starts fewer" in daemon.log(), "it is refused")
        self.ask(daemon)
        self.assertEqual(daemon.stop(), 0)

    def test_all_end_with_the_process_in_front(self):
        daemon = StandAlone(self.workspace, scenario.tested().binary, "front", "workers = 2\n").start()
        daemon.wait_for_socket()
        self.ask(daemon)
        workers = wait_until(lambda: (found := pids(daemon.socket)) and len(found) == 2 and found, "both serve")
        daemon.process.kill()
        wait_until(lambda: not any(processes.is_alive(pid) for pid in workers), "the workers end")
        self.assertFalse(os.path.exists(daemon.socket))


if __name__ == "__main__":
    scenario.main()
