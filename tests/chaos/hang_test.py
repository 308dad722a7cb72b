#!/usr/bin/env python3
"""A server, or half of the connections behind one address, hangs while others serve."""

import contextlib
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from harness import mailboxes, scenario
from harness.forwarder import Forwarder
from harness.mariadb import Mariadb
from harness.outage import Outage
from harness.postgres import Postgres, Standby
from harness.waiting import wait_until

# Seconds. It is below lookup_timeout, so that a lookup that is not hedged shows up as a long wait.
_HANG = 7.0
_LONGEST = 3.0  # the real time is below a second; a busy machine needs more
_CLIENTS = 16


class Hang(Outage):
    @contextlib.contextmanager
    def expect_little_waiting(self, *tables):
        """The body makes a server hang. No lookup fails, and none waits for the hanging server."""
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(self.client(table, per_second=50)) for table in tables
                       for _ in range(_CLIENTS // len(tables))]
            self.wait_for_answers(clients)
            yield
            self.wait_for_answers(clients)
        self.assert_none_failed(clients)
        self.assertLess(max(client.longest for client in clients), _LONGEST)


class HangTest(Hang):
    server_class = Postgres
    SLOW = "mailbox, pg_sleep(0.02)"  # slow enough that the pool needs several connections

    @classmethod
    def set_up_servers(cls):
        cls.first = mailboxes.fill(cls.server_class(cls.workspace, "first").start())
        cls.second = mailboxes.fill(cls.server_class(cls.workspace, "second").start())
        cls.forwarder = Forwarder(cls.first.port)
        cls.workspace.on_close(cls.forwarder.close)
        cls.set_up_tables(cls.first.KIND, [cls.first.port, cls.second.port])
        cls.tables.add(cls.first.KIND, "address",
                       **{**mailboxes.table_parameters([cls.forwarder.port]), "query": mailboxes.query(cls.SLOW)})

    def used(self, server):
        return server.connections(mailboxes.DATABASE) > 0

    def test_one_host_of_two_stands_still(self):
        with self.expect_little_waiting("mailbox"):
            wait_until(lambda: self.used(self.first) and self.used(self.second), "both hosts are used")
            with self.second.frozen():
                time.sleep(_HANG)
            wait_until(lambda: "answers again" in self.proxyd.log(), "the host is up again")
        self.assertRegex(self.proxyd.log(), "while another host answers|no connection within")

    def test_half_of_the_connections_stand_still(self):
        with self.expect_little_waiting("address"):
            wait_until(lambda: self.first.connections(mailboxes.DATABASE) > 1, "there are some connections")
            self.forwarder.silence(one_of=2)
            time.sleep(_HANG)
            self.forwarder.heal()


class MysqlHangTest(HangTest):
    server_class = Mariadb
    SLOW = "mailbox, (SELECT SLEEP(0.02) AS slept) AS pause"


class UriTest(Hang):
    @classmethod
    def set_up_servers(cls):
        cls.primary = mailboxes.fill(Postgres(cls.workspace).start())
        cls.standby = Standby(cls.workspace, cls.primary).start()
        ports = (cls.primary.port, cls.standby.port)
        cls.set_up_tables("pgsql", ports)
        any_of_them = (f"postgresql://{mailboxes.READER}@127.0.0.1%2C127.0.0.1:{ports[0]}%2C{ports[1]}/"
                       f"{mailboxes.DATABASE}?target_session_attrs=any")
        writable = " ".join(f"postgresql://{mailboxes.READER}@127.0.0.1:{port}/{mailboxes.DATABASE}"
                            "?target_session_attrs=read-write" for port in ports)
        # Slow enough that the pool needs several connections.
        cls.tables.add("pgsql", "any", hosts=any_of_them, query=mailboxes.query("mailbox, pg_sleep(0.05)"))
        cls.tables.add("pgsql", "writable", hosts=writable, query=mailboxes.query())

    def test_the_server_of_a_uri_stands_still(self):
        with self.expect_little_waiting("any"):
            self.assertEqual(self.standby.connections(mailboxes.DATABASE), 0)
            with self.primary.frozen():
                time.sleep(_HANG)

    def hosts(self):
        proxyctl = os.path.join(os.path.dirname(scenario.tested().binary), "proxyctl")
        words = [proxyctl, "status", "--socket", self.proxyd.socket]
        told = json.loads(subprocess.run([*words, "--json"], capture_output=True, check=True).stdout)
        (database,) = told["daemon"]["databases"]
        text = subprocess.run(words, capture_output=True, check=True).stdout.decode()
        return {host["health"]: host for host in database["hosts"]}, text

    def test_a_standby_is_not_wanted(self):
        with self.client("writable", per_second=50) as client:
            self.wait_for_answers([client])
            wait_until(lambda: "not wanted" in self.hosts()[0], "the standby has been tried")
            hosts, text = self.hosts()
            self.assertIn("up", hosts)
            self.assertRegex(text, rf":{self.standby.port}/.*: not wanted for 0:00:\d\d: .*session is read-only")
            time.sleep(3)
            log = self.proxyd.log()
            self.assertEqual(log.count("not wanted"), 1, log)
            self.assertNotIn("warning", log)

            self.primary.stop("immediate")
            self.standby.sql("SELECT pg_promote()")
            promoted = time.monotonic()
            self.wait_for_answers([client])
        self.assert_none_failed([client])
        self.assertLess(client.first_right_after(promoted), 3.0)
        self.primary.start()


if __name__ == "__main__":
    scenario.main()
