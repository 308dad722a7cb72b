#!/usr/bin/env python3
"""Cached answers: their lifetime, flushing, and stale answers while PostgreSQL is down."""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from harness import scenario
from harness.postgres import Postgres
from harness.proxymap_client import FIXED, NOKEY, OK, RETRY, Connection
from harness.stand_alone import StandAlone
from harness.tables import TableFiles

_ANNA, _BEN = "anna@example.com", "ben@example.com"
_SELECT = "SELECT box FROM mailbox WHERE address = '%s'"


class CacheTest(scenario.Scenario):
    @classmethod
    def set_up_servers(cls):
        cls.postgres = Postgres(cls.workspace).start()
        cls.postgres.create_database("mail", "CREATE TABLE mailbox (address text PRIMARY KEY, box text);")
        cls.tables = TableFiles(cls.workspace.directory("tables"))
        place = {"hosts": f"127.0.0.1:{cls.postgres.port}", "user": "postgres", "dbname": "mail"}
        cls.kept = cls.tables.add("pgsql", "kept", query=_SELECT, cache_ttl="1h", cache_negative_ttl="1h", **place)
        cls.stale = cls.tables.add("pgsql", "stale", query=_SELECT, stale_ttl="1h", **place)
        cls.plain = cls.tables.add("pgsql", "plain", query=_SELECT, **place)
        cls.wrong = cls.tables.add("pgsql", "wrong", query="SELECT box FROM mailbox WHERE address = '%s' AND 1/n > 0",
                                   stale_ttl="1h", **place)

    def setUp(self):
        """Each test starts its own proxyd, with one mailbox."""
        self.set_box("one")
        self.proxyd = StandAlone(self.workspace, scenario.tested().binary, self.id().rsplit(".", 1)[1],
                                 options="lookup_timeout = 1s\n", tables=self.tables.names).start().wait_for_socket()
        self.addCleanup(self.proxyd.stop)

    def set_box(self, box):
        self.postgres.sql(f"DELETE FROM mailbox; INSERT INTO mailbox VALUES ('{_ANNA}', '{box}')", "mail")

    def lookup(self, table, key=_ANNA):
        with Connection(self.proxyd.socket) as client:
            reply = client.lookup(table, key, FIXED)
        return (reply.status, reply.value) if reply.status == OK else reply.status

    def proxyctl(self, *arguments):
        program = os.environ.get("PROXYCTL_BINARY") or os.path.join(os.path.dirname(self.proxyd.binary), "proxyctl")
        done = subprocess.run([program, arguments[0], "--socket", self.proxyd.socket, *arguments[1:]],
                              capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout or done.stderr

    def counts(self, table):
        """(hits, misses, stale)"""
        caches = json.loads(self.proxyctl("status", "--json")[1])["daemon"]["caches"]
        found = next(cache for cache in caches if cache["table"] == table)
        return found["hits"], found["misses"], found["stale"]

    def test_kept_answers_and_flush(self):
        one, two = (OK, b"one"), (OK, b"two")
        self.assertEqual([self.lookup(table) for table in (self.kept, self.stale, self.plain)], [one] * 3)
        self.assertEqual(self.lookup(self.kept, _BEN), NOKEY)
        self.set_box("two")
        self.postgres.sql(f"INSERT INTO mailbox VALUES ('{_BEN}', 'two')", "mail")
        self.assertEqual([self.lookup(table) for table in (self.kept, self.stale, self.plain)], [one, two, two])
        self.assertEqual(self.lookup(self.kept, _BEN), NOKEY)
        self.assertEqual(self.counts(self.kept), (2, 2, 0))

        self.assertEqual(self.proxyctl("flush", self.kept, _BEN, "nobody"), (0, "1 answer forgotten\n"))
        self.assertEqual([self.lookup(self.kept, _BEN), self.lookup(self.kept)], [two, one])
        self.assertEqual(self.proxyctl("flush", f"proxy:{self.kept}"), (0, "2 answers forgotten\n"))
        self.assertEqual(self.lookup(self.kept), two)
        self.set_box("three")
        self.assertEqual(self.proxyctl("flush"), (0, "2 answers forgotten\n"))
        self.assertEqual(self.lookup(self.kept), (OK, b"three"))
        self.assertIn(f"\n{self.kept}: 1 answer kept, 3 hits, 5 misses, 0 stale answers\n", self.proxyctl("status")[1])

    def test_flush_of_what_is_not_there(self):
        self.assertEqual(self.proxyctl("flush", self.plain),
                         (0, f"0 answers forgotten: none are kept for {self.plain}\n"))
        status, text = self.proxyctl("flush", "pgsql:/no/such.cf")
        self.assertEqual(status, 1)
        self.assertIn("pgsql:/no/such.cf is none of the tables", text)
        self.proxyd.stop()
        self.assertEqual(self.proxyctl("flush")[0], 1)

    def test_last_known_answers_while_the_database_is_away(self):
        for table in (self.stale, self.plain):
            self.assertEqual(self.lookup(table), (OK, b"one"))
        self.assertEqual(self.lookup(self.stale, _BEN), NOKEY)
        self.postgres.stop()
        try:
            self.assertEqual(self.lookup(self.plain), RETRY)
            self.assertEqual([self.lookup(self.stale) for _ in range(2)], [(OK, b"one")] * 2)
            self.assertEqual(self.lookup(self.stale, _BEN), NOKEY)
            self.assertEqual(self.lookup(self.stale, "new@example.com"), RETRY)
            self.assertEqual(self.counts(self.stale)[2], 3)
            log = self.proxyd.log()
            self.assertEqual(log.count("the last known answer is given"), 1, log)
        finally:
            self.postgres.start()
        self.set_box("two")
        self.assertEqual(self.lookup(self.stale), (OK, b"two"))

    def test_last_known_answers_while_the_database_stands_still(self):
        for table in (self.stale, self.plain):
            self.assertEqual(self.lookup(table), (OK, b"one"))
        with self.postgres.frozen():
            self.assertEqual(self.lookup(self.plain), RETRY)
            self.assertEqual(self.lookup(self.stale), (OK, b"one"))
        self.set_box("two")
        self.assertEqual(self.lookup(self.stale), (OK, b"two"))

    def test_a_wrong_query_has_no_last_known_answer(self):
        self.postgres.sql("ALTER TABLE mailbox ADD n integer NOT NULL DEFAULT 1", "mail")
        self.addCleanup(self.postgres.sql, "ALTER TABLE mailbox DROP n", "mail")
        self.assertEqual(self.lookup(self.wrong), (OK, b"one"))
        self.postgres.sql("UPDATE mailbox SET n = 0", "mail")
        self.assertEqual(self.lookup(self.wrong), RETRY)
        self.assertEqual(self.counts(self.wrong)[2], 0)


if __name__ == "__main__":
    scenario.main()
