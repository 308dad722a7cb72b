#!/usr/bin/env python3
"""proxyctl check --connect names the wrong line of tables whose connection has one wrong parameter."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from functional import mail_database
from harness import scenario, server
from harness.mariadb import Mariadb
from harness.ports import reserve_port
from harness.postgres import Postgres

_QUERY = "SELECT dest FROM aliases WHERE addr = '%s'"

# (wrong parameters, line, message). Table files have hosts, user, password, dbname, query in this order.
_MISTAKES = {
    "pgsql": {
        "hosts": ({"hosts": "{nobody}"}, 1, "Connection refused"),
        "user": ({"user": "nosuch"}, 2, 'role "nosuch" does not exist'),
        "dbname": ({"dbname": "nosuch"}, 4, 'database "nosuch" does not exist'),
        "query": ({"query": "SELECT nosuch FROM aliases WHERE addr = '%s'"}, 5, 'column "nosuch" does not exist'),
        "user-in-dbname": ({"user": None, "password": None, "dbname": "dbname=maildb user=nosuch"}, 2,
                           'role "nosuch" does not exist'),
        "unquoted": ({"query": "SELECT dest FROM aliases WHERE id = %s"}, 5, None),
        "encoding": ({"encoding": "klingon"}, 6, "klingon"),
    },
    "mysql": {
        "hosts": ({"hosts": "{nobody}"}, 1, "Can't connect"),
        "password": ({"password": "wrong"}, 3, "Access denied"),
        "user": ({"user": "nosuch", "password": None}, 2, "Access denied"),
        "unquoted": ({"query": "SELECT dest FROM aliases WHERE id = %s"}, 5, None),
        "dbname": ({"dbname": "nosuch"}, 4, "Unknown database"),
        "query": ({"query": "SELECT nosuch FROM aliases WHERE addr = '%s'"}, 5, "Unknown column"),
        "charset": ({"charset": "klingon"}, 6, "klingon"),
    },
}

# A view and an account that may read nothing else; functions that write, although they are declared STABLE,
# or fail.
_MORE = {
    "pgsql": """
CREATE VIEW visible AS SELECT addr, dest FROM aliases;
CREATE ROLE viewer LOGIN;
GRANT SELECT ON visible TO viewer;
CREATE SEQUENCE calls;
CREATE FUNCTION counted(address text) RETURNS text STABLE LANGUAGE plpgsql AS
    $$BEGIN PERFORM nextval('calls'); RETURN address; END$$;
CREATE FUNCTION strict_about(address text) RETURNS text STABLE LANGUAGE plpgsql AS
    $$BEGIN RAISE EXCEPTION 'nobody has %', address; END$$;
""",
    "mysql": """
CREATE VIEW visible AS SELECT addr, dest FROM aliases;
CREATE USER viewer@'127.0.0.1' IDENTIFIED BY 'viewer';
GRANT SELECT ON visible TO viewer@'127.0.0.1';
CREATE TABLE written (address varchar(255));
""",
}

_VIEWER = {"user": "viewer", "password": "viewer", "query": "SELECT dest FROM visible WHERE addr = '%s'"}

# Tables that answer lookups, and the severities of what check says about them.
_ANSWERING = {
    "pgsql": {
        "view": (_VIEWER, []),
        "number": ({"query": "SELECT dest FROM aliases WHERE id = '%s'"}, []),
        "address": ({"query": "SELECT dest FROM aliases WHERE host('%s'::inet) = addr"}, []),
        "pattern": ({"query": "SELECT dest FROM aliases WHERE addr LIKE '%s' AND '%s'::inet IS NOT NULL"}, ["note"]),
        "writes": ({"query": "UPDATE aliases SET d2 = 'x' WHERE addr = '%s' RETURNING dest"}, []),
        "calls": ({"query": "SELECT dest FROM aliases WHERE addr = counted('%s')"}, []),
        "raises": ({"query": "SELECT dest FROM aliases WHERE addr = strict_about('%s')"}, []),
        "labels": ({"query": "SELECT dest FROM aliases WHERE addr LIKE '%9.%1%%'"}, []),
        "alias": ({"query": "SELECT dest AS\u00a0name FROM aliases WHERE addr = '%s'"}, []),
    },
    "mysql": {
        "view": (_VIEWER, []),
        "number": ({"query": "SELECT dest FROM aliases WHERE id = '%s'"}, []),
        "writes": ({"query": "INSERT INTO written VALUES ('%s')", "require_result_set": "no"}, []),
        "two-hosts": ({"hosts": "{host} # here"}, ["warning", "warning"]),
    },
}

# Tables that do not answer: the line and the message.
_REFUSED = {
    "pgsql": {
        "rights": ({**_VIEWER, "query": _QUERY}, 5, "permission denied"),
        "pattern": ({"query": "SELECT nosuch FROM aliases WHERE addr LIKE '%s'"}, 5, '"nosuch" does not exist'),
        "function": ({"query": "SELECT nosuch(addr) FROM aliases WHERE addr = '%s'"}, 5, "nosuch"),
    },
    "mysql": {
        "rights": ({**_VIEWER, "query": _QUERY}, 5, "denied"),
        "backslash": ({"query": "SELECT nosuch FROM aliases WHERE addr = '\\\\%s'"}, 5, "Unknown column"),
        "syntax": ({"query": "SELECT dest FROM aliases WHER addr = '\\\\%s'"}, 5, "syntax"),
    },
}


class CheckConnectTest(scenario.Scenario):
    @classmethod
    def set_up_servers(cls):
        proxyd = scenario.tested().binary if scenario.tested().is_proxyd else server.proxyd().binary
        cls.proxyctl = os.environ.get("PROXYCTL_BINARY") or os.path.join(os.path.dirname(proxyd), "proxyctl")
        databases = [mail_database.start(cls.workspace, kind, _MORE[kind.KIND]) for kind in (Postgres, Mariadb)]
        cls.postgres = databases[0]
        cls.tables = mail_database.table_files(cls.workspace, *databases)
        cls.nobody = f"127.0.0.1:{reserve_port()}"

    def check(self, options):
        path = f"{self.tables.directory}/proxyd.conf"
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"lookup_timeout = 1s\n{options}")
        done = subprocess.run([self.proxyctl, "check", "--connect", "--user", "root", "--config", path],
                              capture_output=True, text=True, check=False, timeout=120)
        return done.stdout.splitlines()

    def test_the_parameter_at_fault_is_named_by_its_line(self):
        expected = {}
        names = []
        for kind, mistakes in _MISTAKES.items():
            names.append(self.tables.add(kind, f"{kind}-right", query=_QUERY))
            for name, (changes, line, text) in mistakes.items():
                changes = {key: value and value.replace("{nobody}", self.nobody) for key, value in changes.items()}
                table = self.tables.add(kind, f"{kind}-{name}", **{"query": _QUERY, **changes})
                names.append(table)
                expected[table.split(":", 1)[1]] = (line, text)
        lines = self.check("allowed_tables =\n" + "".join(f"    {name}\n" for name in names))
        notes = [line for line in lines if "a key stands in it outside quotes" in line]
        self.assertEqual((len(notes), len(lines)), (2, len(expected) + len(notes) + 1), lines)
        for path, (line, text) in expected.items():
            with self.subTest(os.path.basename(path)):
                gravity = "error" if text else "warning"
                found = [one for one in lines if one.startswith(f"{path}:{line}: {gravity}: ")]
                self.assertEqual(len(found), 1, lines)
                self.assertIn(text or "not inside '...'", found[0])
        self.assertRegex(lines[-1], r", 4 answered: 12 errors, 2 warnings$")

    def test_what_answers_lookups_is_not_refused(self):
        names = {}
        for kind, tables in _ANSWERING.items():
            for name, (changes, gravities) in tables.items():
                host = self.tables.connection(kind).splitlines()[0].split("= ")[1]
                changes = {key: value.replace("{host}", host) for key, value in changes.items()}
                names[self.tables.add(kind, f"{kind}-{name}", **{"query": _QUERY, **changes})] = gravities
        lines = self.check("allowed_tables =\n" + "".join(f"    {name}\n" for name in names))
        for table, gravities in names.items():
            with self.subTest(os.path.basename(table)):
                said = [one for one in lines if one.startswith(table.split(":", 1)[1])]
                self.assertEqual([one.split(": ")[1] for one in said], gravities, said)
        self.assertRegex(lines[-1], rf"^checked {len(names)} tables, {len(names)} answered: 0 errors, ")
        self.assertEqual(self.postgres.sql("SELECT is_called FROM calls", "maildb"), [["f"]])
        self.assertEqual(self.postgres.sql("SELECT count(*) FROM aliases WHERE d2 = 'x'", "maildb"), [["0"]])

    def test_what_lookups_meet_is_an_error(self):
        expected = {}
        for kind, tables in _REFUSED.items():
            for name, (changes, line, text) in tables.items():
                table = self.tables.add(kind, f"{kind}-refused-{name}", **{"query": _QUERY, **changes})
                expected[table] = (line, text)
        lines = self.check("allowed_tables =\n" + "".join(f"    {name}\n" for name in expected))
        for table, (line, text) in expected.items():
            with self.subTest(os.path.basename(table)):
                found = [one for one in lines if one.startswith(f"{table.split(':', 1)[1]}:{line}: error: ")]
                self.assertEqual(len(found), 1, lines)
                self.assertIn(text, found[0])
        self.assertRegex(lines[-1], rf", 0 answered: {len(expected)} errors, 0 warnings$")

    def test_several_statements(self):
        """MySQL never runs several statements. A compound statement is one, but check cannot try it."""
        several = self.tables.add("mysql", "several", query="SELECT dest FROM aliases; SELECT '%s'")
        compound = self.tables.add("mysql", "compound", query="BEGIN NOT ATOMIC SELECT '%s'; END")
        lines = self.check(f"allowed_tables = {several} {compound}\n")
        several, compound = (table.split(":", 1)[1] for table in (several, compound))
        self.assertRegex("\n".join(lines), rf"^{compound}:5: note: this query was not tried, .*\n"
                                           rf"{several}:5: error: the query is more than one statement, .*\n"
                                           "checked 2 tables, 1 answered: 1 error, 0 warnings$")


if __name__ == "__main__":
    scenario.main()
