#!/usr/bin/env python3
"""SQL injection: a quoted key stays one string, in every form of template and for every key.

The test expands each template without a database and compares. A canary table must stay unchanged. Needs no
Postfix.
"""

import os
import sqlite3
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from functional import injection_keys
from functional.injection_keys import as_domain, as_user, whole
from harness import server
from harness.database_server import DatabaseMissing
from harness.mariadb import Mariadb
from harness.postgres import Postgres
from harness.proxymap_client import NOKEY, OK, RETRY, Connection, lookup_request
from harness.scenario import SKIPPED
from harness.stand_alone import StandAlone
from harness.workspace import Workspace

_DATABASE = "maildb"
_SCHEMA = ("CREATE TABLE canary (note varchar(99)); INSERT INTO canary VALUES ('alive');"
           "CREATE TABLE aliases (addr varchar(999), dest varchar(99));"
           "INSERT INTO aliases VALUES ('nobody', 'stolen');")

# name: query, expected answer (a template as well; None: not found), shape of the keys
_SAFE = {
    "whole": ("SELECT '%s'", "%s", whole),
    "as-sent": ("SELECT '%S'", "%s", whole),
    "user": ("SELECT '%u'", "%u", as_user),
    "domain": ("SELECT '%d'", "%d", as_domain),
    "user-as-sent": ("SELECT '%U'", "%u", as_user),
    "domain-as-sent": ("SELECT '%D'", "%d", as_domain),
    "labels": ("SELECT '%2|%1'", "%2|%1", as_domain),
    "parts": ("SELECT 'a%u-%d''z'", "a%u-%d'z", as_user),
    "doubled-quotes": ("SELECT '''%s'''", "'%s'", whole),
    "several": ("SELECT x FROM (SELECT '%s' AS x) AS y WHERE x = '%s' OR '%s' = 'x'", "%s", whole),
    "in-a-list": ("SELECT dest FROM aliases WHERE addr IN ('%s', '%u')", None, as_user),
    "compared": ("SELECT dest FROM aliases WHERE addr = '%s' AND dest IS NOT NULL", None, whole),
    "beside-like": ("SELECT '%s' FROM canary WHERE note LIKE '%%live%%'", "%s", whole),
    "behind-comment": ("/* it's */ SELECT /* %% */ '%s' /* \" */", "%s", whole),
}
_SAFE_MYSQL = {
    "double": ('SELECT "%s"', "%s", whole),
    "beside-backslashes": (r"SELECT '\'\\%s\''", r"'\%s'", whole),
}
_SAFE_PGSQL = {
    "beside-escapes": (r"SELECT E'it\'s ' || '%s' || $$'$$", "it's %s'", whole),
    "cast": ("SELECT '%s'::text || CAST('%u' AS varchar)", "%s%u", whole),
}
# Templates that do not quote with '...', or not only. A key can do anything here; proxyctl check warns of
# them.
_UNSAFE = {
    "pgsql": ["SELECT %s", "SELECT $$%s$$", "SELECT $q$%s$q$", "SELECT E'%s'", 'SELECT 1 AS "%s"', "SELECT 1 -- %s",
              "SELECT 1 /* %s */"],
    "mysql": ["SELECT %s", "SELECT 1 AS `%s`", "SELECT 1 -- %s", "SELECT 1 # %s", "SELECT 1 /* %s */"],
    "sqlite": ["SELECT %s", 'SELECT 1 AS "%s"', "SELECT 1 AS [%s]", "SELECT 1 -- %s", "SELECT 1 /* %s */"],
}


class Injection:
    """One kind of database. A subclass starts it."""

    kind = None
    forms = _SAFE
    # Table parameters that each form is tried with.
    variants = {}

    @classmethod
    def setUpClass(cls):
        cls.workspace = Workspace(cls.__name__.lower())
        cls.addClassCleanup(cls.workspace.close)
        cls.site = StandAlone(cls.workspace, server.proxyd().binary, "site")
        cls.tables = {}
        try:
            cls.start_database()
        except DatabaseMissing as error:
            if os.environ.get("PROXYD_TEST_REQUIRED") == "1":
                raise
            print(f"not run: {error}", file=sys.stderr)
            sys.exit(SKIPPED)
        for variant, parameters in cls.variants.items():
            for form, (query, _, _) in cls.forms.items():
                cls.add(f"{variant}-{form}", query, **parameters)
        cls.add_more()
        for number, query in enumerate(_UNSAFE[cls.kind]):
            cls.add(f"unsafe-{number}", query)
        cls.site.write_options("allowed_tables = " + ", ".join(cls.tables.values()) + "\n")
        cls.site.start().wait_for_socket()

    @classmethod
    def start_database(cls):
        raise NotImplementedError

    @classmethod
    def add_more(cls):
        """Adds tables that only this kind of database needs."""

    @classmethod
    def connection_parameters(cls):
        return {"hosts": f"{cls.database.host}:{cls.database.port}", "user": cls.database.USER,
                "password": cls.database.PASSWORD, "dbname": _DATABASE}

    @classmethod
    def add(cls, name, query, **parameters):
        path = f"{cls.site.directory}/{name}.cf"
        with open(path, "w", encoding="utf-8") as file:
            for parameter, value in {**cls.connection_parameters(), **parameters, "query": query}.items():
                file.write(f"{parameter} = {value}\n")
        cls.tables[name] = f"{cls.kind}:{path}"

    def canary(self):
        return self.database.sql("SELECT note FROM canary; SELECT dest FROM aliases", _DATABASE)

    def ask_all(self, name, keys):
        """Yields (key, reply) for each key. The requests are sent ahead."""
        with Connection(self.site.socket, timeout=60.0) as connection:
            for begin in range(0, len(keys), 100):
                some = keys[begin:begin + 100]
                connection.send(b"".join(lookup_request(self.tables[name], key, 0) for key in some))
                for key in some:
                    yield key, connection.receive()

    def assert_strings(self, name, answer, shape, allowed=()):
        """Each hostile key gets the text that the template makes of it, or one of the allowed statuses."""
        good = 0
        for key, reply in self.ask_all(name, [one for key in injection_keys.HOSTILE for one in shape(key)]):
            value = injection_keys.expand(answer, key) if answer else None
            expected = (NOKEY, b"") if value is None else (OK, value.encode())
            if reply.status in allowed and reply.value == b"":
                continue
            self.assertEqual((reply.status, reply.value), expected, f"{name}: {key!r}")
            good += 1
        self.assertGreater(good, 50, name)
        self.assertEqual(self.canary(), [["alive"], ["stolen"]], name)

    def test_a_hostile_key_is_a_string(self):
        for variant in self.variants:
            for form, (_, answer, shape) in self.forms.items():
                self.assert_strings(f"{variant}-{form}", answer, shape)

    def test_keys_that_are_not_utf8_are_not_found(self):
        for name in self.tables:
            if not name.startswith("unsafe"):
                for key, reply in self.ask_all(name, injection_keys.INVALID):
                    self.assertEqual((reply.status, reply.value), (NOKEY, b""), f"{name}: {key!r}")
        self.assertEqual(self.canary(), [["alive"], ["stolen"]])

    def test_forms_that_do_not_quote_are_warned_of_and_only_these(self):
        proxyctl = os.environ.get("PROXYCTL_BINARY") or os.path.join(os.path.dirname(self.site.binary), "proxyctl")
        done = subprocess.run([proxyctl, "check", "--config", self.site.config], capture_output=True, timeout=60,
                              check=False, env={"PATH": os.environ["PATH"]})
        report = done.stdout.decode() + done.stderr.decode()
        for name, table in self.tables.items():
            path = table.partition(":")[2]
            warned = any(path in line and "not safely quoted" in line for line in report.splitlines())
            self.assertEqual(warned, name.startswith("unsafe"), f"{name}\n{report}")

    def test_forms_that_do_not_quote_do_not_send_a_second_statement(self):
        """The key can do harm there, but only as part of the one statement that the table sends."""
        keys = [f"{key}; DELETE FROM canary{end}" for key in ("1", "$$", "$q$", '"', "`", "]", "\n1", "*/", "\\''")
                for end in ("", ";", "; --", "; SELECT 1", "; COMMIT; --")]
        for number in range(len(_UNSAFE[self.kind])):
            for _ in self.ask_all(f"unsafe-{number}", keys):
                pass
            self.assertEqual(self.canary(), [["alive"], ["stolen"]], _UNSAFE[self.kind][number])


class PgsqlInjectionTest(Injection, unittest.TestCase):
    kind = "pgsql"
    forms = {**_SAFE, **_SAFE_PGSQL}
    variants = {
        "bound": {},
        "text": {"prepared_statements": "no"},
        "older-strings": {"dbname": "older"},
        "older-strings-text": {"dbname": "older", "prepared_statements": "no"},
    }
    _ENCODINGS = ("SJIS", "GBK", "BIG5", "GB18030", "LATIN1", "EUC_JP")

    @classmethod
    def start_database(cls):
        cls.database = Postgres(cls.workspace).start()
        cls.database.create_database(_DATABASE, _SCHEMA)
        cls.database.create_database("older", _SCHEMA + "ALTER DATABASE older SET standard_conforming_strings = off")

    @classmethod
    def add_more(cls):
        cls.add("strings", "SELECT current_setting('standard_conforming_strings')", dbname="older")
        for encoding in cls._ENCODINGS:
            for prepared in ("yes", "no"):
                cls.add(f"{encoding}-{prepared}", "SELECT '%s'", encoding=encoding, prepared_statements=prepared)

    def canary(self):
        found = super().canary()
        self.assertEqual(found, self.database.sql("SELECT note FROM canary; SELECT dest FROM aliases", "older"))
        return found

    def test_the_older_meaning_of_backslashes_was_tested(self):
        self.assertEqual([reply.value for _, reply in self.ask_all("strings", ["x"])], [b"off"])

    def test_other_encodings(self):
        """The server may refuse or ignore characters that the encoding lacks."""
        for encoding in self._ENCODINGS:
            for prepared in ("yes", "no"):
                self.assert_strings(f"{encoding}-{prepared}", "%s", whole, allowed=(RETRY,))


class MysqlInjectionTest(Injection, unittest.TestCase):
    kind = "mysql"
    forms = {**_SAFE, **_SAFE_MYSQL}
    variants = {"plain": {}}
    _CHARSETS = ("gbk", "sjis", "cp932", "big5", "euckr", "latin1", "utf8mb3")

    @classmethod
    def start_database(cls):
        cls.database = Mariadb(cls.workspace).start()
        cls.database.create_database(_DATABASE, _SCHEMA)

    @classmethod
    def add_more(cls):
        for mode in ("NO_BACKSLASH_ESCAPES", "ANSI_QUOTES", "ANSI"):
            option_file = f"{cls.site.directory}/{mode}.cnf"
            with open(option_file, "w", encoding="utf-8") as file:
                file.write(f"[client]\ninit-command=\"SET sql_mode='{mode}'\"\n")
            cls.add(f"mode-{mode}", "SELECT @@sql_mode", option_file=option_file)
            for form, (query, _, _) in _SAFE.items():
                cls.add(f"{mode}-{form}", query, option_file=option_file)
        for charset in cls._CHARSETS:
            cls.add(f"charset-{charset}", "SELECT HEX('%s')", charset=charset)

    def test_other_modes(self):
        for mode in ("NO_BACKSLASH_ESCAPES", "ANSI_QUOTES", "ANSI"):
            for _, reply in self.ask_all(f"mode-{mode}", ["x"]):
                self.assertIn(mode.encode(), (reply.value or b"").split(b","))
            for form, (_, answer, shape) in _SAFE.items():
                self.assert_strings(f"{mode}-{form}", answer, shape)

    def test_other_character_sets(self):
        """The server returns the bytes of the key unchanged, whatever characters it reads, or RETRY."""
        for charset in self._CHARSETS:
            good = 0
            for key, reply in self.ask_all(f"charset-{charset}", injection_keys.HOSTILE):
                if reply.status == RETRY:
                    continue
                self.assertEqual((reply.status, reply.value), (OK, key.encode().hex().upper().encode()), (charset, key))
                good += 1
            self.assertGreater(good, 50, charset)
            self.assertEqual(self.canary(), [["alive"], ["stolen"]], charset)


class SqliteInjectionTest(Injection, unittest.TestCase):
    kind = "sqlite"
    variants = {"plain": {}, "unprepared": {"prepared_statements": "no"}}

    @classmethod
    def start_database(cls):
        cls.file = f"{cls.site.directory}/canary.db"
        with sqlite3.connect(cls.file) as database:
            database.executescript(_SCHEMA)

    @classmethod
    def connection_parameters(cls):
        return {"dbpath": cls.file}

    def canary(self):
        with sqlite3.connect(self.file) as database:
            return [list(row) for query in ("SELECT note FROM canary", "SELECT dest FROM aliases")
                    for row in database.execute(query)]


if __name__ == "__main__":
    unittest.main(verbosity=2)
