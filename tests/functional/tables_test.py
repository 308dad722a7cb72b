#!/usr/bin/env python3
"""The meaning of tables: the rows of table_rows, asked of a running service; and databases that change."""

import os
import re
import sqlite3
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from functional import mail_database, table_rows
from harness import proxymap_client, scenario
from harness.fake_servers import DyingMysql, DyingPostgres, SilentServer
from harness.mariadb import Mariadb
from harness.postfix import Postfix
from harness.postgres import Postgres
from harness.proxymap_client import DAEMON_INSTANCE, DAEMON_LOOKUP, Connection
from harness.scenario import not_with_stock

_LOOKUP_TIMEOUT = 4

# Further SQL that the rows need.
_SCRATCH = "CREATE TABLE scratch (v varchar(255));"
_PROCEDURES = """
CREATE PROCEDURE dest_of(k varchar(255)) SELECT dest FROM aliases WHERE addr = k ORDER BY id;
CREATE PROCEDURE no_dest(k varchar(255)) SET @dest = k;
DELIMITER //
CREATE PROCEDURE dest_twice(k varchar(255)) BEGIN CALL dest_of(k); CALL dest_of(k); END//
DELIMITER ;
"""


class TablesTest(scenario.Scenario):
    @classmethod
    def set_up_servers(cls):
        postgres = mail_database.start(cls.workspace, Postgres, _SCRATCH)
        mariadb = mail_database.start(cls.workspace, Mariadb, _SCRATCH + _PROCEDURES)
        cls.servers = {"pgsql": postgres, "mysql": mariadb}
        cls.directory = cls.workspace.directory("tables")
        cls.sqlite = mail_database.create_sqlite(f"{cls.directory}/mail.db", _SCRATCH)
        cls.tables = mail_database.table_files(cls.workspace, *cls.servers.values(), sqlite=cls.sqlite)
        cls.values = {kind: {"user": server.USER, "host": server.host, "port": str(server.port),
                             "db": mail_database.DATABASE, "directory": cls.directory}
                      for kind, server in cls.servers.items()}
        cls.values["pgsql"]["socket"] = postgres.socket_directory
        cls.values["mysql"]["socket"] = mariadb.socket
        cls.values["sqlite"] = {"directory": cls.directory}
        cls.names = {(row.what, kind): cls.add_row(number, row, kind) for number, row in enumerate(table_rows.ALL)
                     for kind in row.kinds}
        cls.more = cls.add_more_tables(cls.tables)
        main_cf = {"proxy_read_maps": cls.tables.proxied()}
        for kind, server in cls.servers.items():
            main_cf["proxy_read_maps"] += f" proxy:{kind}:{kind}main"
            main_cf.update({f"{kind}main_{parameter}": value for parameter, value in {
                "hosts": f"127.0.0.1:${kind}main_port",
                "port": str(server.port),
                "user": server.USER,
                "password": server.PASSWORD,
                "dbname": mail_database.DATABASE,
                "q": "SELECT concat(dest,",
                "query": f"${kind}main_q '$$x') FROM aliases WHERE addr = '%s'",
            }.items()})
        cls.postfix = Postfix(cls.workspace, scenario.tested(), main_cf,
                              f"lookup_timeout = {_LOOKUP_TIMEOUT}s\nconnect_timeout = 2s\n").start()

    @classmethod
    def fill(cls, text, kind):
        """Fills the server's addresses into a row's text; other braces stay."""
        return re.sub(r"\{(\w+)\}", lambda match: cls.values[kind].get(match[1], match[0]), text)

    @classmethod
    def add_row(cls, number, row, kind):
        name = f"{kind}-{number}-{re.sub('[^a-z0-9]+', '-', row.what.lower()).strip('-')}"
        for file, text in row.files.items():
            with open(os.path.join(cls.directory, file), "w", encoding="utf-8") as stream:
                stream.write(text)
        if isinstance(row.table, dict):
            parameters = {key: cls.fill(value, kind) if isinstance(value, str) else value
                          for key, value in row.table.items()}
            return cls.tables.add(kind, name, **parameters)
        if row.table is None:
            return cls.tables.add_text(kind, name, None)
        return cls.tables.add_text(kind, name, row.table.replace("{connect}", cls.tables.connection(kind)))

    @classmethod
    def add_more_tables(cls, tables):
        one_row = "SELECT dest FROM aliases WHERE addr='%s'"
        more = {}
        for kind, dying in (("pgsql", DyingPostgres()), ("mysql", DyingMysql())):
            silent = SilentServer()
            more[kind] = {
                "dest": tables.add(kind, f"{kind}-dest", query=one_row),
                "dying": tables.add(kind, f"{kind}-dying", query="SELECT '%s'", hosts=f"127.0.0.1:{dying.port}"),
                "silent": tables.add(kind, f"{kind}-silent", query="SELECT '%s'", hosts=f"127.0.0.1:{silent.port}"),
            }
            for server in (dying, silent):
                cls.workspace.on_close(server.close)
        more["sqlite"] = {
            "missing-db": tables.add("sqlite", "missing-db", query="SELECT 1",
                                     dbpath=f"{cls.directory}/never-created.db"),
            "locked": tables.add("sqlite", "locked", query=one_row,
                                 dbpath=mail_database.create_sqlite(f"{cls.directory}/locked.db")),
            "replaced": tables.add("sqlite", "replaced", query=one_row,
                                   dbpath=mail_database.create_sqlite(f"{cls.directory}/replaced.db")),
        }
        return more

    def setUp(self):
        for server in self.servers.values():
            server.start()

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

    # Databases that stop and start

    def assert_works(self, kind, connection=None, within=1.0):
        """The table `dest` of a type answers within `within` seconds."""
        started = time.monotonic()
        self.assertEqual((connection or self.connect()).lookup(self.more[kind]["dest"], "postmaster").value, b"root")
        self.assertLess(time.monotonic() - started, within)

    def start_lookups(self, which):
        """Sends a lookup for a table of each type; returns the connections that wait for the replies."""
        waiting = {kind: self.connect() for kind in self.servers}
        for kind, connection in waiting.items():
            connection.send(proxymap_client.lookup_request(self.more[kind][which], "postmaster"))
        return waiting

    def assert_retry(self, waiting):
        for kind, connection in waiting.items():
            with self.subTest(kind=kind):
                self.assertEqual(connection.receive(_LOOKUP_TIMEOUT + 2).status, proxymap_client.RETRY)

    def test_main_cf_form(self):
        for kind in self.servers:
            with self.subTest(kind=kind):
                self.assertEqual(self.connect().lookup(f"{kind}:{kind}main", "postmaster").value, b"root$x")

    def test_a_cut_database_connection_is_not_noticed(self):
        for kind, server in self.servers.items():
            with self.subTest(kind=kind):
                connection = self.connect()
                self.assert_works(kind, connection)
                for _ in range(3 if scenario.tested().is_proxyd else 0):
                    self.assertGreater(server.terminate_backends(mail_database.DATABASE), 0)
                    self.assert_works(kind, connection)

    @not_with_stock("a minute of temporary errors")
    def test_the_database_down_and_up_again(self):
        for kind, server in self.servers.items():
            with self.subTest(kind=kind):
                self.assert_works(kind)
                server.stop()
        started = time.monotonic()
        self.assert_retry(self.start_lookups("dest"))
        self.assertLess(time.monotonic() - started, _LOOKUP_TIMEOUT + 1)
        for kind, server in self.servers.items():
            with self.subTest(kind=kind):
                server.start()
                self.assert_works(kind, within=1.5)

    @not_with_stock("a minute of temporary errors")
    def test_a_lookup_waits_for_the_database(self):
        for kind, server in self.servers.items():
            with self.subTest(kind=kind):
                server.stop()
                waiting = self.connect()
                waiting.send(proxymap_client.lookup_request(self.more[kind]["dest"], "postmaster"))
                time.sleep(1.0)
                server.start()
                self.assertEqual(waiting.receive().value, b"root")

    def assert_harms_no_other(self, which):
        """A broken server makes lookups of its own table fail, and delays no other table."""
        waiting = self.start_lookups(which)
        time.sleep(0.5)
        for kind in self.servers:
            self.assert_works(kind)
        self.assert_retry(waiting)

    @not_with_stock("waits for ever")
    def test_a_server_that_never_answers(self):
        self.assert_harms_no_other("silent")

    @not_with_stock("takes it for an error of the query")
    def test_a_server_that_dies_in_the_middle_of_an_answer(self):
        self.assert_harms_no_other("dying")

    def test_a_missing_sqlite_file_is_not_created(self):
        if scenario.tested().is_proxyd:
            reply = self.connect().lookup(self.more["sqlite"]["missing-db"], "k")
            self.assertEqual(reply.status, proxymap_client.RETRY)
        self.assertFalse(os.path.exists(f"{self.directory}/never-created.db"))

    @not_with_stock("the process dies")
    def test_a_locked_sqlite_file(self):
        writer = sqlite3.connect(f"{self.directory}/locked.db", isolation_level=None)
        self.addCleanup(writer.close)
        writer.execute("BEGIN EXCLUSIVE")
        connection = self.connect()
        started = time.monotonic()
        self.assertEqual(connection.lookup(self.more["sqlite"]["locked"], "postmaster").status, proxymap_client.RETRY)
        self.assertLess(time.monotonic() - started, _LOOKUP_TIMEOUT + 1.5)
        connection.send(proxymap_client.lookup_request(self.more["sqlite"]["locked"], "postmaster"))
        time.sleep(0.3)
        writer.execute("COMMIT")
        self.assertEqual(connection.receive().value, b"root", "a lookup waits for the lock to go")

    @not_with_stock("goes on with the old file")
    def test_a_replaced_sqlite_file(self):
        connection = self.connect()
        path = f"{self.directory}/replaced.db"
        self.assertEqual(connection.lookup(self.more["sqlite"]["replaced"], "postmaster").value, b"root")
        mail_database.create_sqlite(f"{path}.new", "UPDATE aliases SET dest = 'admin' WHERE addr = 'postmaster';")
        os.rename(f"{path}.new", path)
        time.sleep(1.5)
        self.assertEqual(connection.lookup(self.more["sqlite"]["replaced"], "postmaster").value, b"admin")


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
