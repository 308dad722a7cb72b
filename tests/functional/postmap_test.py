#!/usr/bin/env python3
"""postmap -q asks through the proxymap service, as administrators do in their first test."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from functional import mail_database
from harness import scenario
from harness.mariadb import Mariadb
from harness.postfix import Postfix
from harness.postgres import Postgres
from harness.scenario import not_with_stock


class PostmapTest(scenario.Scenario):
    @classmethod
    def set_up_servers(cls):
        postgres = mail_database.start(cls.workspace, Postgres)
        mariadb = mail_database.start(cls.workspace, Mariadb)
        sqlite = mail_database.create_sqlite(f"{cls.workspace.path}/mail.db")
        tables = mail_database.table_files(cls.workspace, postgres, mariadb, sqlite=sqlite)
        for kind in ("pgsql", "mysql", "sqlite"):
            tables.add(kind, f"{kind}-aliases", query="SELECT dest FROM aliases WHERE addr='%s' ORDER BY id")
            tables.add(kind, f"{kind}-no-relation", query="SELECT dest FROM no_such_relation WHERE addr='%s'")
            tables.add(kind, f"{kind}-bad-template", query="SELECT '%x'")
        tables.add_text("pgsql", "missing", None)
        approved = tables.proxied()
        tables.add("pgsql", "unapproved", query="SELECT '%s'")
        cls.tables = tables
        cls.postfix = Postfix(cls.workspace, scenario.tested(), {"proxy_read_maps": approved}).start()

    def ask(self, key, kind, name, text=None):
        """Output, error output and exit status of postmap -q."""
        done = self.postfix.postmap("-q", key, f"proxy:{self.tables.name(kind, name)}", text=text)
        return done.stdout.decode(), done.stderr.decode(), done.returncode

    def all_kinds(self):
        for kind in ("pgsql", "mysql", "sqlite"):
            with self.subTest(kind=kind):
                yield kind

    def test_a_hit_is_printed(self):
        for kind in self.all_kinds():
            self.assertEqual(self.ask("alice@example.com", kind, f"{kind}-aliases"), ("alice1@dest.example\n", "", 0))

    def test_the_key_is_folded(self):
        for kind in self.all_kinds():
            self.assertEqual(self.ask("Alice@Example.COM", kind, f"{kind}-aliases")[0], "alice1@dest.example\n")

    def test_several_rows_are_joined_by_commas(self):
        for kind in self.all_kinds():
            self.assertEqual(self.ask("bob@example.com", kind, f"{kind}-aliases"),
                             ("b1@x.example,b2@x.example\n", "", 0))

    def test_keys_with_quotes_and_backslashes(self):
        for kind in self.all_kinds():
            self.assertEqual(self.ask("o'brien@example.com", kind, f"{kind}-aliases")[0], "ob@x.example\n")
            self.assertEqual(self.ask("back\\slash@example.com", kind, f"{kind}-aliases")[0], "bs@x.example\n")

    def test_a_miss_prints_nothing_and_exits_with_1(self):
        for kind in self.all_kinds():
            self.assertEqual(self.ask("nobody@example.com", kind, f"{kind}-aliases"), ("", "", 1))

    def test_an_empty_value_is_a_miss(self):
        for kind in self.all_kinds():
            self.assertEqual(self.ask("empty@example.com", kind, f"{kind}-aliases"), ("", "", 1))

    @not_with_stock("talks LATIN1 to PostgreSQL")
    def test_a_non_ascii_value_arrives_as_utf8(self):
        for kind in self.all_kinds():
            self.assertEqual(self.ask("utf@example.com", kind, f"{kind}-aliases"), ("ünï@x.example\n", "", 0))

    def test_keys_from_standard_input(self):
        keys = "alice@example.com\nnobody@example.com\nbob@example.com\n"
        for kind in self.all_kinds():
            out, _, status = self.ask("-", kind, f"{kind}-aliases", keys)
            self.assertEqual(out,
                             "alice@example.com\talice1@dest.example\nbob@example.com\tb1@x.example,b2@x.example\n")
            self.assertEqual(status, 0)

    def test_keys_from_standard_input_none_known(self):
        for kind in self.all_kinds():
            self.assertEqual(self.ask("-", kind, f"{kind}-aliases", "x@example.com\ny\n"), ("", "", 1))

    def assert_query_error(self, answer):
        out, err, status = answer
        self.assertEqual((out, status), ("", 1), err)
        self.assertRegex(err, r"fatal: table proxy:\S+: query error")

    def test_a_missing_table_file_is_a_query_error(self):
        self.assert_query_error(self.ask("alice@example.com", "pgsql", "missing"))

    def test_a_failing_query_is_a_query_error(self):
        self.assert_query_error(self.ask("alice@example.com", "pgsql", "pgsql-no-relation"))

    @not_with_stock("its process dies, and the client tries again for ever")
    def test_a_failing_sqlite_query_is_a_query_error(self):
        self.assert_query_error(self.ask("alice@example.com", "sqlite", "sqlite-no-relation"))

    @not_with_stock("its process dies, and the client tries again for ever")
    def test_a_bad_template_is_a_query_error(self):
        for kind in self.all_kinds():
            self.assert_query_error(self.ask("alice@example.com", kind, f"{kind}-bad-template"))

    def test_an_unapproved_table_is_refused(self):
        position = self.postfix.log_position()
        out, err, status = self.ask("alice@example.com", "pgsql", "unapproved")
        self.assertEqual((out, status), ("", 1))
        self.assertIn("proxymap service is not configured for table", err)
        name = self.tables.name("pgsql", "unapproved")
        self.postfix.wait_for_log(f'request for unapproved table: "{name}"', position)
        self.postfix.wait_for_log(f"list proxy:{name} in main.cf:proxy_read_maps", position)

    def test_several_tables_are_tried_in_order(self):
        names = [f"proxy:{self.tables.name(kind, f'{kind}-aliases')}" for kind in ("mysql", "pgsql", "sqlite")]
        done = self.postfix.postmap("-q", "postmaster", *names)
        self.assertEqual((done.stdout, done.returncode), (b"root\n", 0))

    def test_a_whole_table_cannot_be_listed(self):
        done = self.postfix.postmap("-s", f"proxy:{self.tables.name('pgsql', 'pgsql-aliases')}")
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(self.ask("postmaster", "pgsql", "pgsql-aliases")[0], "root\n")

    def test_without_smtputf8(self):
        for kind in self.all_kinds():
            done = self.postfix.postmap("-u", "-q", "ALICE@Example.com",
                                        f"proxy:{self.tables.name(kind, f'{kind}-aliases')}")
            self.assertEqual((done.stdout, done.returncode), (b"alice1@dest.example\n", 0))


if __name__ == "__main__":
    scenario.main()
