"""Tables that are slow or do not answer, and other tables beside them."""

import contextlib
import sqlite3
import time

from bench.trouble_case import beside, failed_of
from harness import mailboxes
from harness.fake_servers import SilentSocketmap


@contextlib.contextmanager
def _loads(scene, tables, clients, seconds):
    """Clients ask each table while the body runs. Yields a dictionary that gets the reports afterwards."""
    processes = {name: scene.load(table, clients, seconds) for name, table in tables.items()} if clients else {}
    results = {}
    try:
        yield results
    finally:
        results.update({name: scene.load_result(process) for name, process in processes.items()})


def _beside_slow(scene, database):
    fast, slow = scene.table(database), scene.slow_table(database)
    scene.serve()
    figures = {}
    for clients in (0, 10, 200):
        with _loads(scene, {"slow": slow}, clients, 8) as of_slow:
            figures |= beside(scene.measure(fast), f"beside {clients} slow clients")
        for result in of_slow.values():
            figures |= {f"slow lookups of {clients} clients": result["ok"],
                        f"slow lookups of {clients} clients, failed": failed_of(result)}
    return figures


def pgsql_slow_table(scene):
    """PostgreSQL, a table that takes 0.5 s; 10 clients of a fast one beside it"""
    return _beside_slow(scene, scene.postgres("max-connections=300"))


def mysql_slow_table(scene):
    """MariaDB, a table that takes 0.5 s; 10 clients of a fast one beside it"""
    return _beside_slow(scene, scene.mariadb("max-connections=300"))


def _beside_several_slow(scene, database):
    fast = scene.table(database)
    slow = {f"{seconds} s": scene.slow_table(database, seconds) for seconds in (0.1, 0.5, 2)}
    scene.serve()
    figures = {}
    for what, clients in (("alone", 0), ("beside the slow", 10)):
        with _loads(scene, slow, clients, 15) as of_slow:
            result = scene.measure(fast)
        figures |= {f"lookups/s {what}": result["per_second"]} | beside(result, what)
    for name, result in of_slow.items():
        figures |= {f"lookups of {name}": result["ok"], f"p50 of {name}": result["p50_us"] / 1e6,
                    f"longest wait of {name}": result["max_us"] / 1e6, f"failed of {name}": failed_of(result)}
    return figures


def pgsql_slow_tables(scene):
    """PostgreSQL, tables that take 0.1, 0.5 and 2 s, with 10 clients each; 10 clients of a fast one beside them"""
    return _beside_several_slow(scene, scene.postgres("max-connections=300"))


def mysql_slow_tables(scene):
    """MariaDB, tables that take 0.1, 0.5 and 2 s, with 10 clients each; 10 clients of a fast one beside them"""
    return _beside_several_slow(scene, scene.mariadb("max-connections=300"))


def relayed_table_stalls(scene):
    """a socketmap server says nothing to 20 clients; 10 clients of PostgreSQL, then of a text file, beside them"""
    silent = SilentSocketmap()
    scene.workspace.on_close(silent.close)
    stalled = scene.other_table(silent.table)
    others = {"PostgreSQL": scene.table(scene.postgres("max-connections=300")), "a text file": scene.text_table()}
    scene.serve()
    figures = {}
    for what, clients in (("alone", 0), ("beside it", 20)):
        for name, table in others.items():
            with _loads(scene, {"stalled": stalled}, clients, 8):
                figures |= beside(scene.measure(table), f"{name} {what}")
    return figures


def sqlite_locked(scene):
    """a writer locks an SQLite file for 5 s; another file and PostgreSQL beside it"""
    paths = [f"{scene.workspace.path}/{name}.db" for name in ("locked", "free")]
    for path in paths:
        with sqlite3.connect(path) as connection:
            connection.executescript(mailboxes.sql())
        connection.close()
    tables = {"the locked file": scene.sqlite_table(paths[0], "locked"),
              "another file": scene.sqlite_table(paths[1], "free"), "PostgreSQL": scene.table(scene.postgres())}
    scene.serve()
    writer = sqlite3.connect(paths[0], isolation_level=None)
    clients = {name: scene.client(table, 200) for name, table in tables.items()}
    try:
        time.sleep(1)
        writer.execute("BEGIN EXCLUSIVE")
        time.sleep(5)
        writer.execute("COMMIT")
        time.sleep(2)
    finally:
        for client in clients.values():
            client.finish()
        writer.close()
    figures = {}
    for name, client in clients.items():
        figures |= {f"failed, {name}": client.failed, f"longest wait, {name}": client.longest}
    return figures


CASES = (pgsql_slow_table, mysql_slow_table, pgsql_slow_tables, mysql_slow_tables, relayed_table_stalls,
         sqlite_locked)
