#!/usr/bin/env python3
"""Outages of real servers: one hangs, is full, loses a table, or is killed beside its replica."""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from harness import mailboxes, scenario
from harness.mariadb import Mariadb
from harness.outage import Outage
from harness.postgres import Postgres, Standby
from harness.waiting import wait_until

_MAX_CONNECTIONS = 12


class OutageTest(Outage):
    server_class = Postgres

    @classmethod
    def set_up_servers(cls):
        cls.database = mailboxes.fill(cls.server_class(cls.workspace,
                                                       options=[f"max-connections={_MAX_CONNECTIONS}"]).start())
        # These queries take long enough that the pool gives them connections of their own.
        nap = {"pgsql": "mailbox, pg_sleep(0.05)", "mysql": "mailbox JOIN (SELECT SLEEP(0.05)) AS nap"}
        cls.set_up_tables(cls.database.KIND, [cls.database.port], other="other", slow=nap[cls.database.KIND])
        cls.make_other()

    @classmethod
    def make_other(cls):
        cls.database.sql(f"CREATE TABLE other AS SELECT * FROM mailbox; {mailboxes.grant(cls.database, 'other')}",
                         mailboxes.DATABASE)

    def test_a_server_that_crashes_and_comes_back(self):
        with self.client(per_second=500) as client:
            self.wait_for_answers([client])
            self.database.stop("immediate")
            time.sleep(2.7)
            self.database.start()
            back = time.monotonic()
            self.wait_for_answers([client])
        self.assert_none_failed([client])
        self.assertGreater(client.longest, 2.5, "the server was not away")
        self.assertLess(client.first_right_after(back), 1.0)

    def test_a_server_that_stands_still(self):
        with self.streams() as clients, self.streams("hasty", 1) as (hasty,):
            with self.database.frozen():
                time.sleep(3)
        self.assert_none_failed(clients)
        self.assertGreater(max(client.longest for client in clients), 2.5, "the server did not stand still")
        self.assert_deadline_kept(hasty)

    def test_a_server_without_a_free_connection(self):
        sessions = self.take_all_connections()
        with self.client() as client:
            time.sleep(2)
            self.assertEqual(client.lookups, [], "there was a connection left")
            for session in sessions:
                session.close()
            self.wait_for_answers([client])
        self.assert_none_failed([client])

    def test_a_server_that_becomes_full(self):
        with self.streams() as quick, self.streams("slow", 1) as slow:
            sessions = self.take_all_connections()
            with self.streams("slow", 8) as more:
                had = int(sessions[0].ask(self.database.connections_query(mailboxes.DATABASE))[0][0])
                time.sleep(1)
                for session in sessions:
                    session.close()
                wait_until(lambda: self.database.connections(mailboxes.DATABASE) > had, "more connections are used")
        self.assert_none_failed(quick + slow + more)
        self.assertLess(max(client.longest for client in quick), 1.0)
        self.assertRegex(self.proxyd.log(), "(?i)too many")
        self.assertNotIn("answers again", self.proxyd.log(), "the host was taken for dead")

    def take_all_connections(self):
        sessions = []
        try:
            while True:
                session = self.database.session()
                self.addCleanup(session.close)
                session.ask("SELECT 1")
                sessions.append(session)
        except (RuntimeError, BrokenPipeError):
            return sessions

    def test_a_table_that_may_not_be_read_or_is_gone(self):
        for trouble, correct in ((mailboxes.revoke(self.database, "other"),
                               lambda: self.database.sql(mailboxes.grant(self.database, "other"), mailboxes.DATABASE)),
                              ("DROP TABLE other", self.make_other)):
            with self.subTest(trouble), self.streams() as others, self.streams("other", 1) as (client,):
                lines = self.proxyd.log().count("\n")
                self.database.sql(trouble, mailboxes.DATABASE)
                wait_until(lambda client=client: client.failed > 100, "lookups of this table fail")
                correct()
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
        # The replica applies changes at once and cancels queries that are in the way.
        cls.replica.sql("ALTER SYSTEM SET max_standby_streaming_delay = 0; SELECT pg_reload_conf()")
        # These queries take long enough to be under way when a server fails.
        slow = "mailbox, pg_sleep(0.05)"
        cls.set_up_tables("pgsql", [cls.primary.port, cls.replica.port], slow=slow)
        cls.tables.add("pgsql", "replica", **mailboxes.table_parameters([cls.replica.port], slow))

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
        self.assertLess(max(client.longest for client in quick + slow), 2.0)

    def test_a_replica_that_is_not_ready_for_clients(self):
        with self.streams() as quick, self.streams("slow", 8) as slow:
            self.replica.stop("fast")
            self.replica.start_closed()
            time.sleep(1)
            self.replica.restart("fast")
            wait_until(self.on_both, "both hosts are used again", 5.0)
        self.assert_none_failed(quick + slow)
        self.assertIn("not accepting connections", self.proxyd.log())

    def test_queries_that_a_replica_cancels(self):
        with self.streams("slow", 8) as of_both, self.streams("replica", 2) as of_replica:
            for _ in range(5):
                self.primary.sql("BEGIN; LOCK TABLE mailbox IN ACCESS EXCLUSIVE MODE; COMMIT", mailboxes.DATABASE)
                time.sleep(0.2)
        self.assertGreater(int(self.replica.sql("SELECT sum(confl_lock) FROM pg_stat_database_conflicts")[0][0]), 2)
        self.assert_none_failed(of_both + of_replica)


if __name__ == "__main__":
    scenario.main()
