#!/usr/bin/env python3
"""unionmap and pipemap tables of database tables: proxyd answers them as the stock server does."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from functional import mail_database
from harness import proxymap_client, scenario
from harness.mariadb import Mariadb
from harness.postfix import Postfix
from harness.postgres import Postgres
from harness.proxymap_client import (DAEMON, DAEMON_INSTANCE, DAEMON_LOOKUP, FIXED, FOLD_FIX_LOCK,
                                     IMPLEMENTATION_FLAGS, NOKEY, OK, RETRY, Connection)
from harness.scenario import not_with_stock

_ROWS = [("a", "x"), ("a", "y"), ("x", "from x"), ("UPPER", "of upper"), ("upper", "of lower"), ("to-upper", "UPPER"),
         ("x,y", "both"), ("e", ""), ("loop", "loop"), ("user@example.com", "a"), ("@example.com", "x")]
_KEYS = ("a", "x", "UPPER", "upper", "Upper", "to-upper", "x,y", "e", "loop", "user@example.com", "USER@example.com",
         "@example.com", "example.com", "nobody", "", "it's")
_SCHEMA = "CREATE TABLE links (n integer, k varchar(99), v varchar(99));\n" + "".join(
    f"INSERT INTO links VALUES ({number}, {mail_database.sql_literal(key)}, {mail_database.sql_literal(value)});\n"
    for number, (key, value) in enumerate(_ROWS))

# {p}, {m}, {s}: one value for a key, of PostgreSQL, MariaDB, SQLite; {all}: all values; {domain}: of the key's domain;
# {echo}: the key; {missing}: a table without a file.
_TABLES = (
    "unionmap:{{p},{s}}", "unionmap:{ {s} {all} }", "unionmap:{{all}}", "unionmap:{{s},{m},{p},{s}}",
    "unionmap:{{s} ,, {all},}", "pipemap:{{p},{s}}", "pipemap:{ {all}, {m} }", "pipemap:{{s}}", "pipemap:{{s},{echo}}",
    "pipemap:{{echo},{s},{echo},{p}}",
    "unionmap:{pipemap:{{s},{p}},{all}}", "unionmap:{ pipemap:{ {s} , {m} } , unionmap:{ {echo} } }",
    "pipemap:{unionmap:{{s},{echo}},{echo}}", "pipemap:{{all},unionmap:{{s},{p}}}",
    "unionmap:{{domain},{s}}", "pipemap:{{domain},{s}}",
    "unionmap:{{s},{missing}}", "unionmap:{{missing},{s}}", "pipemap:{{s},{missing}}", "pipemap:{{missing},{s}}",
    "unionmap:{{s},proxy:{p}}", "unionmap:{{s},inline:{a=b}}", "pipemap:{{s},static:end}",
    "unionmap:{regexp:/nonexistent,{s}}",
    "unionmap:{}", "pipemap:{ }", "unionmap:{{s}}x", "unionmap:{{{s}}}", "unionmap:{{s},nothing}", "unionmap:{s}",
)


class MapListTest(scenario.Scenario):
    @classmethod
    def set_up_servers(cls):
        cls.postgres = Postgres(cls.workspace).start()
        cls.postgres.create_database(mail_database.DATABASE, _SCHEMA)
        mariadb = Mariadb(cls.workspace).start()
        mariadb.create_database(mail_database.DATABASE, _SCHEMA)
        sqlite = mail_database.create_sqlite(f"{cls.workspace.path}/mail.db", _SCHEMA)
        tables = mail_database.table_files(cls.workspace, cls.postgres, mariadb, sqlite=sqlite)
        one = "SELECT v FROM links WHERE k = '%s' ORDER BY n LIMIT 1"
        cls.members = {
            "p": tables.add("pgsql", "p", query=one),
            # MariaDB's comparison ignores case by default.
            "m": tables.add("mysql", "m", query="SELECT v FROM links WHERE k = BINARY '%s' ORDER BY n LIMIT 1"),
            "s": tables.add("sqlite", "s", query=one),
            "all": tables.add("sqlite", "all", query="SELECT v FROM links WHERE k = '%s' ORDER BY n"),
            "domain": tables.add("sqlite", "domain", query="SELECT v FROM links WHERE k = '@%d' ORDER BY n LIMIT 1"),
            "echo": tables.add("sqlite", "echo", query="SELECT '%s'"),
            "missing": tables.add_text("sqlite", "missing", None),
        }
        cls.tables = [cls.named(table) for table in _TABLES]
        main_cf = {
            "proxy_read_maps": " ".join(f"proxy:{table}" for table in [*cls.tables, cls.members["p"]]),
        }
        services = ["reference unix - - n - - proxymap -n proxymap"]
        cls.postfix = Postfix(cls.workspace, scenario.tested(), main_cf, "relay_service = reference\n",
                              services=services).start()
        cls.alone = Postfix(cls.workspace, scenario.tested(), main_cf, "relay_service =\n", name="alone").start()

    @classmethod
    def named(cls, table):
        for short, name in cls.members.items():
            table = table.replace(f"{{{short}}}", name)
        return table

    def connect(self, service="proxymap", postfix=None):
        connection = Connection((postfix or self.postfix).socket(service))
        self.addCleanup(connection.close)
        return connection

    def test_the_same_answers_as_the_stock_server(self):
        stock, ours = self.connect("reference"), self.connect()
        found = 0
        for table in self.tables:
            with self.subTest(table=table):
                opened = [connection.open(table) for connection in (stock, ours)]
                self.assertEqual([reply.status for reply in opened], [OK, OK])
                if not table.partition("{")[2].startswith(self.members["missing"]):
                    # A table that is unusable at the moment still counts as a table of fixed strings.
                    self.assertEqual(*(reply.flags & IMPLEMENTATION_FLAGS for reply in opened))
                for key in _KEYS:
                    for flags in (0, FOLD_FIX_LOCK, DAEMON):
                        replies = [connection.lookup(table, key, flags) for connection in (stock, ours)]
                        self.assertEqual(replies[0].raw, replies[1].raw, f"{key!r} {flags}")
                        found += replies[1].status == OK
        self.assertGreater(found, 300)

    @not_with_stock("is the stock server")
    def test_without_a_stock_server(self):
        connection = self.connect(postfix=self.alone)
        for table, expected in (("unionmap:{{p},{s}}", b"x,x"), ("pipemap:{ {all}, {m} }", b"both")):
            self.assertEqual(connection.lookup(self.named(table), "a").value, expected, table)
        # One member is of another type, so the stock server has to answer the whole table.
        self.assertEqual(connection.lookup(self.named("unionmap:{{s},inline:{a=b}}"), "a").status, RETRY)

    @not_with_stock("knows the older layout only")
    def test_clients_of_a_newer_postfix(self):
        connection = self.connect(postfix=self.alone)
        table = self.named("pipemap:{{p},{s}}")
        opened = connection.open(table, DAEMON_INSTANCE, "instance_flags")
        self.assertEqual((opened.status, opened.flags), (OK, DAEMON_LOOKUP))
        # In the newer layout the server folds the key, and then each result that is the next key.
        for key, expected in (("USER@example.com", (OK, b"x")), ("TO-Upper", (OK, b"of lower")), ("x", (NOKEY, b"")),
                              (b"\xff", (NOKEY, b""))):
            reply = connection.lookup(table, key, DAEMON_LOOKUP, DAEMON_INSTANCE)
            self.assertEqual((reply.status, reply.value), expected, key)
            self.assertEqual(reply.flags, DAEMON_LOOKUP)

    @not_with_stock("has connections for each table and process")
    def test_members_share_the_connections_of_their_database(self):
        connections = [self.connect(postfix=self.alone) for _ in range(50)]
        table = self.named("pipemap:{{echo},{s},{echo},{p}}")
        for connection in connections:
            connection.send(proxymap_client.lookup_request(table, "loop"))
        for connection in connections:
            self.assertEqual(connection.receive().value, b"loop")
        # Two instances of proxyd are connected.
        self.assertLessEqual(self.postgres.connections(mail_database.DATABASE), 2 * 8)

    def test_members_need_no_approval_and_get_none(self):
        connection = self.connect()
        self.assertEqual(connection.open(self.members["s"]).status, proxymap_client.DENY)
        self.assertEqual(connection.open(self.named("unionmap:{{s},{s}}")).status, proxymap_client.DENY)
        self.assertEqual(connection.open(self.members["p"]).flags & FIXED, FIXED)

    @not_with_stock("dies")
    def test_a_listing_is_refused(self):
        request = proxymap_client.encode(("request", "sequence"), ("table", self.tables[0]), ("flags", 0),
                                         ("function", 0))
        self.assertEqual(self.connect().ask(request).status, RETRY)


if __name__ == "__main__":
    scenario.main()
