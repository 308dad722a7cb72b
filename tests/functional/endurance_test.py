#!/usr/bin/env python3
"""Many lookups, with reloads and edited tables in between. Memory and descriptors do not grow. Needs no
Postfix.

PROXYD_TEST_LOOKUPS: the number of lookups for each kind of database, for longer runs by hand.
"""

import os
import sqlite3
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from harness import processes, server
from harness.database_server import DatabaseMissing
from harness.mariadb import Mariadb
from harness.postgres import Postgres
from harness.proxymap_client import DENY, NOKEY, OK, RETRY, Connection, lookup_request
from harness.scenario import SKIPPED
from harness.stand_alone import StandAlone
from harness.waiting import wait_until
from harness.workspace import Workspace

_LOOKUPS = int(os.environ.get("PROXYD_TEST_LOOKUPS", "40000"))
_ROUNDS = 20  # with a reload before each
_SCHEMA = "CREATE TABLE aliases (addr varchar(99), dest varchar(99)); INSERT INTO aliases VALUES ('found', 'there');"
# More than noise of the allocator, but less than ten bytes per lookup or a few hundred bytes per reload.
_MEMORY = 512 * 1024


class EnduranceTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.workspace = Workspace("endurance")
        cls.addClassCleanup(cls.workspace.close)
        cls.site = StandAlone(cls.workspace, server.proxyd().binary, "site")
        try:
            cls.servers = [kind(cls.workspace).start() for kind in (Postgres, Mariadb)]
        except DatabaseMissing as error:
            if os.environ.get("PROXYD_TEST_REQUIRED") == "1":
                raise
            print(f"not run: {error}", file=sys.stderr)
            sys.exit(SKIPPED)
        for database in cls.servers:
            database.create_database("maildb", _SCHEMA)

    def write_tables(self, kind, parameters, turn):
        """Writes a table for each result of a lookup. The text of the tables differs in each turn."""
        queries = {
            "found": (f"SELECT dest FROM aliases WHERE addr = 'found' OR addr = '%s-{turn}'", OK),
            "missing": (f"SELECT dest FROM aliases WHERE addr = '%s-{turn}'", NOKEY),
            "failing": (f"SELECT dest FROM no_such_table_{turn} WHERE addr = '%s'", RETRY),
            "unquoted": (f"SELECT %u + {turn}", OK),
        }
        tables = {}
        for name, (query, status) in queries.items():
            path = f"{self.site.directory}/{kind}-{name}.cf"
            with open(f"{path}.new", "w", encoding="utf-8") as file:
                file.write(f"{parameters}query = {query}\n")
            os.rename(f"{path}.new", path)
            tables[f"{kind}:{path}"] = status
        return tables

    def kinds(self):
        yield "sqlite", f"dbpath = {self.site.directory}/aliases.db\n"
        for database in self.servers:
            yield database.KIND, (f"hosts = {database.host}:{database.port}\nuser = {database.USER}\n"
                                  f"password = {database.PASSWORD}\ndbname = maildb\n")

    def write_all(self, turn):
        tables = {}
        for kind, parameters in self.kinds():
            tables |= self.write_tables(kind, parameters, turn)
        self.site.write_options(f"allowed_tables = {', '.join(tables)}\nseccomp = no\n"
                                f"queue_limit = {1000 + turn}\n")
        return {**tables, "sqlite:/not/allowed.cf": DENY}

    def ask(self, tables, lookups):
        """Sends many lookups. Each connection leaves its last reply unread."""
        batch = 50
        for begin in range(0, lookups, batch * len(tables)):
            with Connection(self.site.socket, timeout=60.0) as connection:
                for table, status in tables.items():
                    connection.send(b"".join(lookup_request(table, str(begin + number)) for number in range(batch)))
                    for _ in range(batch):
                        self.assertEqual(connection.receive().status, status, table)
                connection.send(lookup_request(table, "nobody reads the reply"))

    def reload(self):
        done = "configuration read again"
        before = self.site.log().count(done)
        self.site.reload()
        wait_until(lambda: self.site.log().count(done) > before, "the reload is done")

    def usage(self):
        # The daemon opens as many handles of an SQLite database as it needs.
        descriptors = processes.descriptors(self.site.pid, without=f"{self.site.directory}/aliases.db")
        return processes.resident_bytes(self.site.pid), descriptors

    def has_sanitizer(self):
        with open(f"/proc/{self.site.pid}/maps", encoding="ascii", errors="replace") as file:
            return "libasan" in file.read()

    def test_nothing_grows(self):
        with sqlite3.connect(f"{self.site.directory}/aliases.db") as database:
            database.executescript(_SCHEMA)
        tables = self.write_all(0)
        # A sanitizer's leak check inspects the process at exit. seccomp would not allow that.
        self.site.start().wait_for_socket()
        usage = []
        for turn in range(_ROUNDS):
            tables = self.write_all(turn)
            self.reload()
            self.ask(tables, 3 * _LOOKUPS // _ROUNDS)
            usage.append(self.usage())
        settled = _ROUNDS // 2
        memory = [bytes_used for bytes_used, _ in usage]
        if not self.has_sanitizer():  # a sanitizer's allocator keeps freed memory
            self.assertLess(max(memory[settled:]) - max(memory[:settled]), _MEMORY, usage)
        wait_until(lambda: self.usage()[1] <= max(count for _, count in usage[:settled]), "the descriptors return")
        self.assertEqual(self.site.stop(), 0, self.site.log())


if __name__ == "__main__":
    unittest.main(verbosity=2)
