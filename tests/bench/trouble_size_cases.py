"""Unbounded answers and answers of 16 MB, and other lookups beside them."""

import contextlib
import sqlite3
import threading

from bench.trouble_case import beside, failed_of
from harness import mailboxes

_SECONDS = 8
# A thousand million rows, one for each combination.
_WITHOUT_END = ("SELECT a.destination FROM mailbox a CROSS JOIN mailbox b CROSS JOIN mailbox c "
                "WHERE a.address = '%s' OR a.address <> ''")
_LARGE = {"pgsql": "SELECT repeat('x', 16000000) WHERE '%s' <> ''",
          "mysql": "SELECT REPEAT('x', 16000000) FROM mailbox WHERE address = '%s'",
          "sqlite": "SELECT hex(zeroblob(8000000)) WHERE '%s' <> ''"}


class _Peak:
    """Records the server's highest memory use until stop()."""

    def __init__(self, scene):
        self.mib = 0.0
        self._scene = scene
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self):
        while not self._stopping.wait(0.2):
            # A process may end while it is read.
            with contextlib.suppress(OSError, ValueError):
                self.mib = max(self.mib, self._scene.memory_mib())

    def stop(self):
        self._stopping.set()
        self._thread.join()
        return self.mib


def _beside(scene, others, heavy, clients, what):
    peak = _Peak(scene)
    load = scene.load(heavy, clients, _SECONDS) if clients else None
    try:
        figures = beside(scene.measure(others), what)
    finally:
        of_heavy = scene.load_result(load) if load else None
        memory = peak.stop()
    figures[f"most memory {what}, MiB"] = memory
    if of_heavy:
        figures |= {f"large answers {what}": of_heavy["ok"], f"large answers {what}, failed": failed_of(of_heavy)}
    return figures


def _sizes(scene, others, without_end, large):
    scene.serve()
    figures = _beside(scene, others, None, 0, "alone")
    # The stock server would use up the machine's memory: on the cross join, and with a hundred processes at
    # the end.
    if scene.server.is_proxyd:
        figures |= _beside(scene, others, without_end, 2, "beside a cross join")
    figures |= _beside(scene, others, large, 1, "beside 16 MB answers")
    if scene.server.is_proxyd:
        figures |= _beside(scene, others, large, 100, "beside 100 clients of 16 MB")
    return figures


def _of_server(scene, database):
    return _sizes(scene, scene.table(database), scene.table(database, "without-end", query=_WITHOUT_END),
                  scene.table(database, "large", query=_LARGE[database.KIND]))


def pgsql_large_answers(scene):
    """PostgreSQL, answers without end and of 16 MB; 10 clients of another table beside them"""
    return _of_server(scene, scene.postgres("max-connections=300"))


def mysql_large_answers(scene):
    """MariaDB, answers without end and of 16 MB; 10 clients of another table beside them"""
    return _of_server(scene, scene.mariadb("max-connections=300"))


def sqlite_large_answers(scene):
    """SQLite, answers without end and of 16 MB; 10 clients of another file beside them"""
    paths = [f"{scene.workspace.path}/{name}.db" for name in ("others", "large")]
    for path in paths:
        with sqlite3.connect(path) as connection:
            connection.executescript(mailboxes.sql())
        connection.close()
    return _sizes(scene, scene.sqlite_table(paths[0], "others"),
                  scene.sqlite_table(paths[1], "without-end", query=_WITHOUT_END),
                  scene.sqlite_table(paths[1], "large", query=_LARGE["sqlite"]))


CASES = (pgsql_large_answers, mysql_large_answers, sqlite_large_answers)
