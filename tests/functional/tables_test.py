#!/usr/bin/env python3
"""What a table means: the rows of table_rows, asked of a running service; and what happens when databases change."""

import os
import re
import sqlite3
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from functional import mail_database, table_rows
from harness import proxymap_client, scenario
from harness.fake_servers import DyingPostgres, SilentServer
from harness.postfix import Postfix
from harness.postgres import Postgres
from harness.proxymap_client import DAEMON_INSTANCE, DAEMON_LOOKUP, Connection
from harness.scenario import not_with_stock

_LOOKUP_TIMEOUT = 4


class TablesTest(scenario.Scenario):
    @classmethod
    def set_up_servers(cls):
        cls.postgres = Postgres(cls.workspace).start()
        mail_database.create_in_postgres(cls.postgres, "CREATE TABLE scratch (v text);")
        cls.directory = cls.workspace.directory("tables")
        cls.sqlite = mail_database.create_sqlite(f"{cls.directory}/mail.db", "CREATE TABLE scratch (v text);")
        cls.tables = mail_database.table_files(cls.workspace, cls.postgres, cls.sqlite)
        cls.values = {
            "user": cls.postgres.SUPERUSER, "host": cls.postgres.host, "port": str(cls.postgres.port),
            "socket": cls.postgres.socket_directory, "db": mail_database.DATABASE, "directory": cls.directory,
        }
        cls.names = {(row.what, kind): cls.add_row(number, row, kind) for number, row in enumerate(table_rows.ALL)
                     for kind in row.kinds}
        cls.silent = SilentServer()
        cls.workspace.on_close(cls.silent.close)
        cls.dying = DyingPostgres()
        cls.workspace.on_close(cls.dying.close)
        cls.more = cls.add_more_tables(cls.tables)
        cls.postfix = Postfix(cls.workspace, scenario.tested(), {
            "proxy_read_maps": cls.tables.proxied() + " proxy:pgsql:pgmain",
            "pgmain_hosts": "127.0.0.1:$pgmain_port",
            "pgmain_port": str(cls.postgres.port),
            "pgmain_user": cls.postgres.SUPERUSER,
            "pgmain_dbname": mail_database.DATABASE,
            "pgmain_q": "SELECT dest",
            "pgmain_query": "$pgmain_q || '$$x' FROM aliases WHERE addr = '%s'",
        }, f"lookup_timeout = {_LOOKUP_TIMEOUT}s\nconnect_timeout = 2s\n").start()

    @classmethod
    def fill(cls, text):
        """Puts the servers' addresses into a row's text; other braces stay."""
        return re.sub(r"\{(\w+)\}", lambda match: cls.values.get(match[1], match[0]), text)

    @classmethod
    def add_row(cls, number, row, kind):
        name = f"{kind}-{number}-{re.sub('[^a-z0-9]+', '-', row.what.lower()).strip('-')}"
        for file, text in row.files.items():
            with open(os.path.join(cls.directory, file), "w", encoding="utf-8") as stream:
                stream.write(text)
        if isinstance(row.table, dict):
            parameters = {key: cls.fill(value) if isinstance(value, str) else value for key, value in row.table.items()}
            return cls.tables.add(kind, name, **parameters)
        if row.table is None:
            return cls.tables.add_text(kind, name, None)
        if kind == "pgsql":
            connect = (f"hosts = 127.0.0.1:{cls.postgres.port}\nuser = {cls.postgres.SUPERUSER}\n"
                       f"dbname = {mail_database.DATABASE}\n")
        else:
            connect = f"dbpath = {cls.sqlite}\n"
        return cls.tables.add_text(kind, name, row.table.replace("{connect}", connect))

    @classmethod
    def add_more_tables(cls, tables):
        one_row = "SELECT dest FROM aliases WHERE addr='%s'"
        return {
            "dest": tables.add("pgsql", "dest", query=one_row),
            "dying": tables.add("pgsql", "dying", query="SELECT '%s'", hosts=f"127.0.0.1:{cls.dying.port}"),
            "silent": tables.add("pgsql", "silent", query="SELECT '%s'", hosts=f"127.0.0.1:{cls.silent.port}"),
            "missing-db": tables.add("sqlite", "missing-db", query="SELECT 1",
                                     dbpath=f"{cls.directory}/never-created.db"),
            "locked": tables.add("sqlite", "locked", query=one_row,
                                 dbpath=mail_database.create_sqlite(f"{cls.directory}/locked.db")),
            "replaced": tables.add("sqlite", "replaced", query=one_row,
                                   dbpath=mail_database.create_sqlite(f"{cls.directory}/replaced.db")),
        }

    def connect(self):
        connection = Connection(self.postfix.socket())
        self.addCleanup(connection.close)
        return connection

    def check(self, row, kind):
        table = self.names[(row.what, kind)]
        connection = self.connect()
        opened = connection.open(table, row.instance_flags or 0,
                                 "flags" if row.instance_flags is None else "instance_flags")
        self.assertEqual(opened.status, proxymap_client.OK)
        forms = [(row.flags, row.instance_flags)]
        if row.instance_flags is None and row.both_layouts and scenario.tested().is_proxyd:
            forms.append((DAEMON_LOOKUP, DAEMON_INSTANCE))
        for flags, instance_flags in forms:
            for key, expected in row.answers:
                reply = connection.lookup(table, key, flags, instance_flags)
                wanted = (expected, b"") if isinstance(expected, int) else (0, proxymap_client.to_bytes(expected))
                self.assertEqual((reply.status, reply.value), wanted,
                                 f"{row.what}: {table} key {key!r} flags {flags} instance_flags {instance_flags}")
                if instance_flags is not None:
                    self.assertEqual(reply.flags, flags)
        if row.logs:
            path = re.escape(table.split(":", 1)[1])
            pattern = row.logs.replace("{path}", path).replace("{table}", re.escape(table))
            self.postfix.wait_for_log(pattern, timeout=3.0)

    # Databases that come and go

    def test_main_cf_form(self):
        self.assertEqual(self.connect().lookup("pgsql:pgmain", "postmaster").value, b"root$x")

    def test_a_cut_database_connection_is_not_noticed(self):
        connection = self.connect()
        self.assertEqual(connection.lookup(self.more["dest"], "postmaster").value, b"root")
        for turn in range(3 if scenario.tested().is_proxyd else 0):
            self.assertGreater(self.postgres.terminate_backends(mail_database.DATABASE), 0)
            self.assertEqual(connection.lookup(self.more["dest"], "postmaster").value, b"root", f"turn {turn}")

    @not_with_stock("a minute of temporary errors")
    def test_the_database_down_and_up_again(self):
        connection = self.connect()
        self.assertEqual(connection.lookup(self.more["dest"], "postmaster").value, b"root")
        self.postgres.stop()
        started = time.monotonic()
        self.assertEqual(connection.lookup(self.more["dest"], "postmaster").status, proxymap_client.RETRY)
        self.assertLess(time.monotonic() - started, _LOOKUP_TIMEOUT + 1)
        self.postgres.start()
        started = time.monotonic()
        self.assertEqual(connection.lookup(self.more["dest"], "postmaster").value, b"root")
        self.assertLess(time.monotonic() - started, 1.5)

    @not_with_stock("a minute of temporary errors")
    def test_a_lookup_waits_for_the_database(self):
        self.postgres.stop()
        later = threading.Timer(1.0, self.postgres.start)
        later.start()
        try:
            self.assertEqual(self.connect().lookup(self.more["dest"], "postmaster").value, b"root")
        finally:
            later.join()

    @not_with_stock("waits for ever")
    def test_a_server_that_never_answers(self):
        waiting = self.connect()
        waiting.send(proxymap_client.lookup_request(self.more["silent"], "k"))
        started = time.monotonic()
        self.assertEqual(self.connect().lookup(self.more["dest"], "postmaster").value, b"root")
        self.assertLess(time.monotonic() - started, 1.0, "one dead server holds up another")
        self.assertEqual(waiting.receive(_LOOKUP_TIMEOUT + 2).status, proxymap_client.RETRY)

    @not_with_stock("takes it for an error of the query")
    def test_a_server_that_dies_in_the_middle_of_an_answer(self):
        waiting = self.connect()
        waiting.send(proxymap_client.lookup_request(self.more["dying"], "k"))
        time.sleep(0.5)
        started = time.monotonic()
        self.assertEqual(self.connect().lookup(self.more["dest"], "postmaster").value, b"root")
        self.assertLess(time.monotonic() - started, 1.0, "one dying server holds up another")
        self.assertEqual(waiting.receive(_LOOKUP_TIMEOUT + 2).status, proxymap_client.RETRY)

    def test_a_missing_sqlite_file_is_not_created(self):
        if scenario.tested().is_proxyd:
            self.assertEqual(self.connect().lookup(self.more["missing-db"], "k").status, proxymap_client.RETRY)
        self.assertFalse(os.path.exists(f"{self.directory}/never-created.db"))

    @not_with_stock("the process dies")
    def test_a_locked_sqlite_file(self):
        writer = sqlite3.connect(f"{self.directory}/locked.db", isolation_level=None)
        self.addCleanup(writer.close)
        writer.execute("BEGIN EXCLUSIVE")
        connection = self.connect()
        started = time.monotonic()
        self.assertEqual(connection.lookup(self.more["locked"], "postmaster").status, proxymap_client.RETRY)
        self.assertLess(time.monotonic() - started, _LOOKUP_TIMEOUT + 1.5)
        connection.send(proxymap_client.lookup_request(self.more["locked"], "postmaster"))
        time.sleep(0.3)
        writer.execute("COMMIT")
        self.assertEqual(connection.receive().value, b"root", "a lookup waits for the lock to go")

    @not_with_stock("goes on with the old file")
    def test_a_replaced_sqlite_file(self):
        connection = self.connect()
        path = f"{self.directory}/replaced.db"
        self.assertEqual(connection.lookup(self.more["replaced"], "postmaster").value, b"root")
        mail_database.create_sqlite(f"{path}.new", "UPDATE aliases SET dest = 'admin' WHERE addr = 'postmaster';")
        os.rename(f"{path}.new", path)
        time.sleep(1.5)
        self.assertEqual(connection.lookup(self.more["replaced"], "postmaster").value, b"admin")


def _add_row_tests():
    for number, row in enumerate(table_rows.ALL):
        for kind in row.kinds:
            def test(self, row=row, kind=kind):
                if row.stock and not scenario.tested().is_proxyd:
                    self.skipTest(f"stock: {row.stock}")
                self.check(row, kind)

            name = re.sub("[^a-z0-9]+", "_", row.what.lower()).strip("_")
            setattr(TablesTest, f"test_{number:03}_{name}_{kind}", test)


_add_row_tests()

if __name__ == "__main__":
    scenario.main()
