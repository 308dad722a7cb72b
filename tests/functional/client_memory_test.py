#!/usr/bin/env python3
"""Thousands of clients, idle or hostile. The memory that proxyd keeps for all of them stays bounded, and the
lookups of other clients are answered. Needs neither Postfix nor a database server.
"""

import os
import resource
import select
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from harness import processes, server
from harness.proxymap_client import GREETING, OK, RETRY, Connection, lookup_request
from harness.stand_alone import StandAlone
from harness.waiting import wait_until
from harness.workspace import Workspace

_MEGABYTE = 1 << 20
_LIMIT = 64 * _MEGABYTE  # the limit on what proxyd keeps for clients
_SLACK = 32 * _MEGABYTE  # one more client's bytes, the requests under way, and noise of the allocator


class _Daemon(unittest.TestCase):
    """Each test starts its own proxyd. This process gets as many descriptors as proxyd."""

    def setUp(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        self.workspace = Workspace(self.id().rpartition(".")[2].replace("_", "-")[:40])
        self.addCleanup(self.workspace.close)
        self.site = StandAlone(self.workspace, server.proxyd().binary, "site")

    def table(self, name, query):
        path = f"{self.site.directory}/{name}.cf"
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"dbpath = {self.site.directory}/mail.db\nquery = {query}\n")
        return f"sqlite:{path}"

    def start(self, tables=(), before=(), options=""):
        self.site.write_options(f"allowed_tables = {', '.join([self.site.table, *tables])}\n{options}")
        self.site.start(before=before).wait_for_socket()
        self.pid = self.site.pid

    def connect(self):
        connection = Connection(self.site.socket, timeout=60.0)
        self.addCleanup(connection.close)
        return connection

    def assert_answered(self, connection):
        self.assertEqual(connection.lookup(self.site.table, self.site.KEY).value, self.site.VALUE)


class HoardTest(_Daemon):
    """Each client stays within its own limit. Together they would take hundreds of megabytes."""

    CLIENTS = 300
    SIZE = 1_000_000

    def start_with_polite(self, tables=()):
        self.start(tables, options="request_timeout = 60s\n")  # request_timeout must not end these clients
        self.polite = self.connect()
        self.half = self.connect()  # a small request whose rest comes late
        self.request = lookup_request(self.site.table, self.site.KEY)
        self.half.send(self.request[:-20])
        self.assert_answered(self.polite)
        self.before = processes.resident_bytes(self.pid)

    def hoard(self, act):
        """Many clients send or leave unread as many bytes as `act` does."""
        for number in range(self.CLIENTS):
            connection = self.connect()
            try:
                act(connection, number)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the daemon has disconnected this client already
            if number % 10 == 0:
                self.assert_answered(self.polite)

    def assert_bounded(self):
        self.assert_answered(self.polite)
        self.half.send(self.request[-20:])
        self.assertEqual(self.half.receive().value, self.site.VALUE)
        grown = processes.peak_resident_bytes(self.pid) - self.before
        self.assertLess(grown, _LIMIT + _SLACK)
        self.assertGreater(grown, _LIMIT // 2, "the clients did not hold much")

    def test_half_requests(self):
        self.start_with_polite()
        whole = lookup_request(self.site.table, "x" * self.SIZE)
        self.hoard(lambda connection, _: connection.send(whole[:-10]))
        wait_until(lambda: "of unfinished requests" in self.site.log(), "the log tells")
        self.assert_bounded()
        self.assertEqual(self.site.log().count("of unfinished requests"), 1, "once in an interval")

    def test_replies_that_nobody_reads(self):
        long = self.table("long", "SELECT hex(zeroblob(%u / 2))")
        self.start_with_polite([long])

        def act(connection, _):
            connection.send(lookup_request(long, str(self.SIZE)))
            self.assertTrue(connection.readable(20.0), "the reply begins")

        self.hoard(act)
        self.assert_bounded()

    def test_requests_sent_ahead(self):
        long = self.table("long", "SELECT hex(zeroblob(%u / 2))")
        self.start_with_polite([long])
        ahead = lookup_request(self.site.table, "nobody reads this")
        ahead *= self.SIZE // len(ahead)
        self.hoard(lambda connection, _: connection.send(lookup_request(long, "500000") + ahead))
        self.assert_bounded()

    def test_long_requests_that_wait_for_their_answers(self):
        """The table is busy. The daemon has to keep all keys until it asks the table."""
        slow = self.table("slow", "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 100000000)"
                                  " SELECT max(i) + length('%s') FROM n")
        os.link(f"{self.site.directory}/mail.db", f"{self.site.directory}/other.db")
        with open(slow.partition(":")[2], "a", encoding="utf-8") as file:
            file.write(f"dbpath = {self.site.directory}/other.db\n")  # each database file has its own thread
        self.start_with_polite([slow])
        waiting = []

        def act(connection, number):
            connection.send(lookup_request(slow, f"{number}" + "x" * self.SIZE))
            waiting.append(connection)

        self.hoard(act)
        self.assert_bounded()
        told = [connection.receive().status for connection in waiting if connection.readable()]
        self.assertGreater(len(told), self.CLIENTS // 2)
        self.assertEqual(set(told), {RETRY}, "they may try again later")


class ManyClientsTest(_Daemon):
    CLIENTS = 10_000
    BYTES_PER_CLIENT = 2048

    def connect_at_once(self, count):
        """Connects `count` clients. It waits only for room in the listen queue."""
        sockets = []
        for _ in range(count):
            sockets.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            self.addCleanup(sockets[-1].close)
            sockets[-1].settimeout(None)
            sockets[-1].connect(self.site.socket)
        return sockets

    @staticmethod
    def receive(one):
        poll = select.poll()
        poll.register(one, select.POLLIN)
        return one.recv(8192) if poll.poll(20_000) else b""

    def test_ten_thousand_come_at_once_and_stay(self):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < self.CLIENTS + 1000:
            self.skipTest(f"the hard limit of descriptors is {hard}")
        some = self.table("some", "SELECT hex(zeroblob(%u / 2))")
        # The soft limit that is usual; proxyd raises it.
        self.start([some], before=["prlimit", "--nofile=1024:"])
        with Connection(self.site.socket) as first:
            self.assert_answered(first)
            self.assertEqual(first.lookup(some, "4000").status, OK)
        before = processes.resident_bytes(self.pid)
        spent = processes.cpu_seconds(self.pid)
        clients = self.connect_at_once(self.CLIENTS)
        for one in clients:
            self.assertEqual(self.receive(one), GREETING)
        # CPU time stands for waiting time here, because the machine may be busy.
        self.assertLess(processes.cpu_seconds(self.pid) - spent, 2.0)
        for one in clients:
            one.sendall(lookup_request(some, "4000"))
        for one in clients:
            self.assertTrue(self.receive(one).startswith(b"status\0000\0"))
        # The daemon frees the requests and the replies.
        wait_until(lambda: processes.resident_bytes(self.pid) - before < self.CLIENTS * self.BYTES_PER_CLIENT,
                   "the memory is given back", 20.0)

    def test_without_descriptors_for_more_clients(self):
        limit = 120
        self.start(before=["prlimit", f"--nofile={limit}:{limit}"])
        clients = self.connect_at_once(limit + 50)
        wait_until(lambda: "further ones wait" in self.site.log(), "the limit is reached")
        greeted = select.select(clients, [], [], 0.0)[0]
        self.assertTrue(limit // 2 < len(greeted) < limit, len(greeted))
        for one in greeted:
            self.assertEqual(self.receive(one), GREETING)
        # The daemon keeps descriptors for the table's file and the database.
        for one in greeted:
            one.sendall(lookup_request(self.site.table, self.site.KEY))
            self.assertIn(self.site.VALUE, self.receive(one))
        spent = processes.cpu_seconds(self.pid)
        time.sleep(1.0)
        self.assertLess(processes.cpu_seconds(self.pid) - spent, 0.2, "it does not spin")
        self.assertEqual(self.site.log().count("further ones wait"), 1)
        for one in greeted:
            one.close()
        for one in set(clients) - set(greeted):
            self.assertEqual(self.receive(one), GREETING)


if __name__ == "__main__":
    unittest.main(verbosity=2)
