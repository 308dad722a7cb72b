#!/usr/bin/env python3
"""Reloads, database restarts, stops and crashes while clients ask: no lookup is lost."""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from functional import mail_database
from harness import processes, proxymap_client, scenario
from harness.lookup_stream import LookupStream
from harness.mariadb import Mariadb
from harness.postfix import Postfix
from harness.postgres import Postgres
from harness.proxymap_client import Connection, PostfixLikeClient
from harness.scenario import not_with_stock
from harness.waiting import wait_until


class ReloadTest(scenario.Scenario):
    server_class = Postgres

    @classmethod
    def set_up_servers(cls):
        cls.database = mail_database.start(cls.workspace, cls.server_class)
        tables = mail_database.table_files(cls.workspace, cls.database)
        cls.echo = tables.add(cls.database.KIND, "echo", query="SELECT '%s' FROM aliases LIMIT 1")
        cls.slow = tables.add(cls.database.KIND, "slow", query=mail_database.slow_echo(cls.database.KIND, 3))
        cls.postfix = Postfix(cls.workspace, scenario.tested(), {
            "proxy_read_maps": tables.proxied(),
            "proxy_write_maps": f"proxy:{cls.echo}",
        })

    def setUp(self):
        self.database.start()
        if self.postfix.master_pid() is None:
            self.postfix.start()

    def connect(self, service="proxymap"):
        connection = Connection(self.postfix.socket(service))
        self.addCleanup(connection.close)
        return connection

    def assert_serves(self):
        with Connection(self.postfix.socket()) as connection:
            self.assertEqual(connection.lookup(self.echo, "x").value, b"x")

    def serving_processes(self):
        """The serving processes after a lookup."""
        self.assert_serves()
        return set(self.postfix.proxymap_pids())

    def test_reloads_in_a_stream_of_lookups(self):
        stream = LookupStream(self.postfix.socket(), self.echo, 6)
        try:
            reloads = 5
            for _ in range(reloads):
                stream.wait_for_progress()
                self.postfix.reload()
            stream.wait_for_progress()
        finally:
            repeats = stream.finish()
        print(f"{stream.answered} lookups, longest {stream.longest:.2f} s, repeated {repeats}", file=sys.stderr)
        self.assertEqual(stream.wrong[:5], [])
        if scenario.tested().is_proxyd:
            # The server may close while a client writes. The client cannot tell whether it was read, and
            # repeats it.
            self.assertLessEqual(repeats, 1, "lookups were cut off by a reload")

    @not_with_stock("a restart of the database costs a minute of temporary errors")
    def test_database_restarts_and_reloads_in_a_stream_of_lookups(self):
        stream = LookupStream(self.postfix.socket(), self.echo, 6)
        try:
            stream.wait_for_progress()
            self.database.restart("immediate")
            stream.wait_for_progress()
            self.postfix.reload()
            stream.wait_for_progress()
            self.database.restart("fast")
            stream.wait_for_progress()
            self.database.terminate_backends(mail_database.DATABASE)
            stream.wait_for_progress()
            self.postfix.reload()
            self.database.restart("immediate")
            stream.wait_for_progress()
        finally:
            repeats = stream.finish()
        print(f"{stream.answered} lookups, longest {stream.longest:.2f} s, repeated {repeats}", file=sys.stderr)
        self.assertEqual(stream.wrong[:5], [])
        self.assertLessEqual(repeats, 1)

    def test_a_request_in_flight_at_reload_is_answered(self):
        old = self.connect()
        old.send(proxymap_client.lookup_request(self.slow, "patience"))
        time.sleep(0.5)
        before = set(self.postfix.proxymap_pids())
        self.postfix.reload()
        started = time.monotonic()
        wait_until(lambda: self.serving_processes() - before, "a new process serves new clients", 2.0)
        self.assertLess(time.monotonic() - started, 2.0, "new clients had to wait for the old process")
        self.assertFalse(old.readable(), "the old process answered too early for this test to mean anything")
        self.assertEqual(old.receive(10.0).value, b"patience")
        self.assertTrue(old.closed_within(3.0), "the old process keeps its clients")
        wait_until(lambda: not before & set(self.postfix.proxymap_pids()), "the old process ends", 5.0)

    def test_idle_clients_are_let_go_at_reload(self):
        idle = [self.connect() for _ in range(20)]
        for connection in idle:
            self.assertEqual(connection.lookup(self.echo, "x").value, b"x")
        self.postfix.reload()
        for connection in idle:
            self.assertTrue(connection.closed_within(3.0))

    @not_with_stock("a reload drops a client that is sending")
    def test_a_request_half_sent_at_reload_is_answered(self):
        connection = self.connect()
        request = proxymap_client.lookup_request(self.echo, "halves")
        connection.send(request[:20])
        time.sleep(0.1)
        self.postfix.reload()
        connection.send(request[20:])
        self.assertEqual(connection.receive(5.0).value, b"halves")

    @not_with_stock("one query at a time")
    def test_a_slow_table_does_not_hold_up_another(self):
        slow = self.connect()
        slow.send(proxymap_client.lookup_request(self.slow, "x"))
        time.sleep(0.2)
        quick = self.connect()
        started = time.monotonic()
        self.assertEqual(quick.lookup(self.echo, "quick").value, b"quick")
        self.assertLess(time.monotonic() - started, 1.0)
        self.assertEqual(slow.receive().value, b"x")

    def serving(self):
        """Connections to both services, and the processes that serve them."""
        connections = [self.connect(), self.connect("proxywrite")]
        for connection in connections:
            self.assertEqual(connection.open(self.echo).status, proxymap_client.OK)
        pids = self.postfix.pids(scenario.tested().command)
        self.assertGreaterEqual(len(pids), 2)
        return connections, pids

    def test_stop_leaves_nothing(self):
        connections, _ = self.serving()
        self.postfix.command("stop")
        wait_until(lambda: not self.postfix.pids(), "no process is left", 5.0)
        for connection in connections:
            self.assertTrue(connection.closed_within(1.0))

    def test_stop_with_a_query_in_flight_leaves_nothing(self):
        self.serving()
        self.connect().send(proxymap_client.lookup_request(self.slow, "x"))
        time.sleep(0.2)
        self.postfix.command("stop")
        wait_until(lambda: not self.postfix.pids(), "no process is left", 5.0)

    def test_a_killed_master_takes_its_processes_along(self):
        connections, pids = self.serving()
        processes.send_signal(self.postfix.master_pid(), signal.SIGKILL)
        wait_until(lambda: not any(processes.is_alive(pid) for pid in pids), "both services end", 5.0)
        for connection in connections:
            self.assertTrue(connection.closed_within(1.0))
        wait_until(lambda: not self.postfix.pids(), "the rest of Postfix ends", 10.0)

    @not_with_stock("starts as many processes as there are busy clients")
    def test_one_process_serves_everybody(self):
        connections = [self.connect() for _ in range(30)]
        for connection in connections:
            connection.send(proxymap_client.lookup_request(self.echo, "x"))
        for connection in connections:
            self.assertEqual(connection.receive().value, b"x")
        self.assertEqual(len(self.postfix.proxymap_pids()), 1)

    def test_a_killed_process_is_replaced(self):
        client = PostfixLikeClient(self.postfix.socket())
        self.addCleanup(client.close)
        self.assertEqual(client.lookup(self.echo, "before").value, b"before")
        position = self.postfix.log_position()
        for pid in self.postfix.proxymap_pids():
            processes.send_signal(pid, signal.SIGKILL)
        started = time.monotonic()
        self.assertEqual(client.lookup(self.echo, "after").value, b"after")
        self.assertLess(time.monotonic() - started, 3.0)
        if scenario.tested().is_proxyd:
            self.assertNotIn("throttling", self.postfix.log_since(position))


class MysqlReloadTest(ReloadTest):
    server_class = Mariadb


if __name__ == "__main__":
    scenario.main()
