"""The data of the scenarios: the same rows in every database, and table files."""

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

# By table type: the types of the id column and of an address column.
_COLUMN_TYPES = {
    "pgsql": ("serial PRIMARY KEY", "text"),
    "mysql": ("int AUTO_INCREMENT PRIMARY KEY", "varchar(255)"),
    "sqlite": ("integer PRIMARY KEY", "text"),
}
# Table parameters that select another encoding.
LATIN1 = {"pgsql": {"encoding": "LATIN1"}, "mysql": {"charset": "latin1"}}

# Queries that return the key after {} seconds.
_SLOW_ECHO = {"pgsql": "SELECT '%s' || pg_sleep({})", "mysql": "SELECT IF(SLEEP({}), '', '%s')"}


def sql_literal(value):
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "'" + str(value).replace("'", "''") + "'"


def aliases_sql(kind):
    identity, text = _COLUMN_TYPES[kind]
    rows = ",\n".join("(" + ", ".join(sql_literal(value) for value in row) + ")" for row in ALIASES)
    # The rows are standard SQL literals, in which a backslash has no special meaning.
    standard = "SET sql_mode = 'NO_BACKSLASH_ESCAPES';\n" if kind == "mysql" else ""
    return (f"{standard}CREATE TABLE aliases "
            f"(id {identity}, addr {text}, dest {text}, d2 {text}, active boolean DEFAULT true);\n"
            f"INSERT INTO aliases (addr, dest, d2, active) VALUES {rows};\n")


def start(workspace, server_class, extra="", name=DATABASE):
    """Starts a server with a database that has the aliases. `extra` has more statements."""
    server = server_class(workspace).start()
    server.create_database(name, aliases_sql(server.KIND) + extra)
    return server


def create_sqlite(path, extra=""):
    """Creates an SQLite file with the aliases, readable by all users."""
    with sqlite3.connect(path) as connection:
        connection.executescript(aliases_sql("sqlite") + extra)
    connection.close()
    os.chmod(path, 0o644)
    return path


def slow_echo(kind, seconds):
    return _SLOW_ECHO[kind].format(seconds)


def table_files(workspace, *servers, sqlite=None, directory="tables"):
    """Table files with the connection parameters filled in."""
    defaults = {server.KIND: {"hosts": f"{server.host}:{server.port}", "user": server.USER,
                              "password": server.PASSWORD, "dbname": DATABASE} for server in servers}
    if sqlite is not None:
        defaults["sqlite"] = {"dbpath": sqlite}
    return TableFiles(workspace.directory(directory), defaults)
