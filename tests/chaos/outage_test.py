#!/usr/bin/env python3
"""Troubles of real servers: one that stands still, is full, loses a table, or is killed beside its replica."""

import contextlib
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from harness import mailboxes, scenario
from harness.mariadb import Mariadb
from harness.paced_client import PacedClient
from harness.postgres import Postgres, Standby
from harness.stand_alone import StandAlone
from harness.tables import TableFiles
from harness.waiting import wait_until

_MAX_CONNECTIONS = 12


class Outage(scenario.Scenario):
    """What the scenarios of this file share."""

    @classmethod
    def set_up_tables(cls, kind, ports, **more):
        """`more` are names of further tables, and what they select from in the same database."""
        tables = TableFiles(cls.workspace.directory("tables"))
        for name, source in {"mailbox": "mailbox", **more}.items():
            tables.add(kind, name, **mailboxes.table_parameters(ports, source))
        cls.tables = tables

    def setUp(self):
        """Each test has a proxyd of its own, which has no connections yet."""
        self.proxyd = StandAlone(self.workspace, scenario.tested().binary, self.id().rsplit(".", 1)[1],
                                 tables=self.tables.names).start().wait_for_socket()
        self.addCleanup(self.proxyd.stop)

    def client(self, name="mailbox"):
        table = next(table for table in self.tables.names if table.endswith(f"/{name}.cf"))
        return PacedClient(self.proxyd.socket, table, mailboxes.KEY, mailboxes.VALUE, per_second=200)

    @contextlib.contextmanager
    def streams(self, name="mailbox", clients=4):
        """Clients that are being answered when the body begins, and again before they end."""
        with contextlib.ExitStack() as stack:
            asking = [stack.enter_context(self.client(name)) for _ in range(clients)]
            self.wait_for_answers(asking)
            yield asking
            self.wait_for_answers(asking)

    @staticmethod
    def wait_for_answers(clients):
        now = time.monotonic()
        wait_until(lambda: all(client.first_right_after(now) is not None for client in clients), "lookups succeed")

    def assert_none_failed(self, clients):
        self.assertEqual([client.others[:1] for client in clients if client.others], [])


class OutageTest(Outage):
    server_class = Postgres

    @classmethod
    def set_up_servers(cls):
        cls.database = mailboxes.fill(cls.server_class(cls.workspace,
                                                       options=[f"max-connections={_MAX_CONNECTIONS}"]).start())
        cls.set_up_tables(cls.database.KIND, [cls.database.port], other="other")
        cls.make_other()

    @classmethod
    def make_other(cls):
        cls.database.sql(f"CREATE TABLE other AS SELECT * FROM mailbox; {mailboxes.grant(cls.database, 'other')}",
                         mailboxes.DATABASE)

    def test_a_server_that_stands_still(self):
        with self.streams() as clients:
            with self.database.frozen():
                time.sleep(3)
        self.assert_none_failed(clients)
        self.assertGreater(max(client.longest for client in clients), 2.5, "the server did not stand still")

    def test_a_server_without_a_free_connection(self):
        sessions = [self.database.session() for _ in range(_MAX_CONNECTIONS)]
        for session in sessions:
            session.ask("SELECT 1")
        with self.client() as client:
            time.sleep(2)
            self.assertEqual(client.lookups, [], "there was a connection left")
            for session in sessions:
                session.close()
            self.wait_for_answers([client])
        self.assert_none_failed([client])

    def test_a_table_that_may_not_be_read_or_is_gone(self):
        for trouble, mend in ((mailboxes.revoke(self.database, "other"),
                               lambda: self.database.sql(mailboxes.grant(self.database, "other"), mailboxes.DATABASE)),
                              ("DROP TABLE other", self.make_other)):
            with self.subTest(trouble), self.streams() as others, self.streams("other", 1) as (client,):
                lines = self.proxyd.log().count("\n")
                self.database.sql(trouble, mailboxes.DATABASE)
                wait_until(lambda client=client: client.failed > 100, "lookups of this table fail")
                mend()
                self.wait_for_answers([client])
            self.assert_none_failed(others)
            self.assertLessEqual(self.proxyd.log().count("\n") - lines, 5, self.proxyd.log()[-2000:])


class MysqlOutageTest(OutageTest):
    server_class = Mariadb


class ReplicaTest(Outage):
    @classmethod
    def set_up_servers(cls):
        cls.primary = mailboxes.fill(Postgres(cls.workspace).start())
        cls.replica = Standby(cls.workspace, cls.primary).start()
        # Slow enough to be under way when something happens.
        cls.set_up_tables("pgsql", [cls.primary.port, cls.replica.port], slow="mailbox, pg_sleep(0.05)")

    def on_both(self):
        query = f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{mailboxes.READER}'"
        return all(int(server.sql(query)[0][0]) > 0 for server in (self.primary, self.replica))

    def test_the_primary_is_killed_and_comes_back(self):
        with self.streams() as quick, self.streams("slow", 8) as slow:
            wait_until(self.on_both, "both hosts are used", 5.0)
            for _ in range(3):
                self.primary.stop("immediate")
                time.sleep(0.5)
                self.wait_for_answers(quick + slow)
                self.primary.start()
                wait_until(self.on_both, "both hosts are used again", 5.0)
        self.assert_none_failed(quick + slow)


if __name__ == "__main__":
    scenario.main()
