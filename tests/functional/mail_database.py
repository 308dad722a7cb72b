"""The data the scenarios look things up in: the same rows in every database, and table files."""

import os
import sqlite3
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from harness.tables import TableFiles  # noqa: E402

DATABASE = "maildb"

# addr, dest, d2, active
ALIASES = [
    ("alice@example.com", "alice1@dest.example", "second", True),
    ("bob@example.com", "b1@x.example", None, True),
    ("bob@example.com", "b2@x.example", "", True),
    ("empty@example.com", "", None, True),
    ("nullonly@example.com", None, None, True),
    ("o'brien@example.com", "ob@x.example", None, True),
    ("back\\slash@example.com", "bs@x.example", None, True),
    ("utf@example.com", "ünï@x.example", None, True),
    ("postmaster", "root", None, True),
]

_SCHEMA = "CREATE TABLE aliases (id {serial}, addr {text}, dest {text}, d2 {text}, active boolean DEFAULT true);\n"


def sql_literal(value):
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "'" + str(value).replace("'", "''") + "'"


def aliases_sql(serial, text="text"):
    rows = ",\n".join("(" + ", ".join(sql_literal(value) for value in row) + ")" for row in ALIASES)
    schema = _SCHEMA.format(serial=serial, text=text)
    return f"{schema}INSERT INTO aliases (addr, dest, d2, active) VALUES {rows};\n"


def create_in_postgres(postgres, extra="", name=DATABASE):
    """A database with the aliases, readable by the mail user without a password."""
    return postgres.create_database(name, aliases_sql("serial PRIMARY KEY") + extra)


def create_in_mariadb(mariadb, extra="", name=DATABASE):
    """The same in MariaDB."""
    # The rows are literals of standard SQL, in which a backslash is no more than itself.
    text = aliases_sql("int AUTO_INCREMENT PRIMARY KEY", "varchar(255)")
    return mariadb.create_database(name, "SET sql_mode = 'NO_BACKSLASH_ESCAPES';\n" + text + extra)


def create_sqlite(path, extra=""):
    """An SQLite file with the aliases, readable by everybody."""
    with sqlite3.connect(path) as connection:
        connection.executescript(aliases_sql("integer PRIMARY KEY") + extra)
    connection.close()
    os.chmod(path, 0o644)
    return path


def table_files(workspace, postgres=None, sqlite=None, directory="tables", mariadb=None):
    """Table files whose connection parameters are filled in."""
    defaults = {}
    if postgres is not None:
        defaults["pgsql"] = {
            "hosts": f"{postgres.host}:{postgres.port}",
            "user": postgres.SUPERUSER,
            "password": "not-needed",
            "dbname": DATABASE,
        }
    if mariadb is not None:
        defaults["mysql"] = {
            "hosts": f"{mariadb.host}:{mariadb.port}",
            "user": mariadb.USER,
            "password": mariadb.PASSWORD,
            "dbname": DATABASE,
        }
    if sqlite is not None:
        defaults["sqlite"] = {"dbpath": sqlite}
    return TableFiles(workspace.directory(directory), defaults)
