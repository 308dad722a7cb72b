"""The troubles. Each case takes a scene and returns figures by their labels; times are in seconds unless named."""

import socket
import sqlite3
import time

from harness import mailboxes
from harness.fake_servers import SilentServer
from harness.proxymap_client import lookup_request
from harness.waiting import TimedOut, wait_until

_AWAY = 2.7
_PATIENCE = 70.0  # the stock server does not ask a database for a minute after it has failed
CASES = {}


def case(name):
    def add(function):
        CASES[name] = function
        return function
    return add


def _figures(client, back=None):
    figures = {"lookups": len(client.lookups), "failed": client.failed, "longest wait": client.longest}
    if back is not None:
        figures["first answer after the return"] = client.first_right_after(back)
    return figures


def _through(client, trouble, heal):
    """The client asks for a second before and after; `trouble` is over after heal(). Returns what it noticed."""
    with client:
        time.sleep(1)
        trouble()
        heal()
        back = time.monotonic()
        try:
            wait_until(lambda: client.first_right_after(back) is not None, "an answer", _PATIENCE, 0.1)
        except TimedOut:
            pass
        time.sleep(1)
    return _figures(client, back)


def _restart(scene, database):
    table = scene.table(database)
    scene.serve()

    def away():
        database.stop("immediate")
        time.sleep(_AWAY)

    return _through(scene.client(table), away, database.start)


@case("pgsql-restart")
def pgsql_restart(scene):
    """PostgreSQL is away for 2.7 s; one client, 500 lookups/s"""
    return _restart(scene, scene.postgres())


@case("mysql-restart")
def mysql_restart(scene):
    """MariaDB is away for 2.7 s; one client, 500 lookups/s"""
    return _restart(scene, scene.mariadb())


def _beside_slow(scene, database):
    fast, slow = scene.table(database), scene.slow_table(database)
    scene.serve()
    figures = {}
    for clients in (0, 10, 200):
        of_slow = []

        def begin(clients=clients, of_slow=of_slow):
            if clients:
                of_slow.append(scene.load(slow, clients, 8))

        def end(of_slow=of_slow):
            of_slow[:] = [scene.load_result(process) for process in of_slow]

        result = scene.measure_beside(fast, begin, end)
        figures |= {f"p50 beside {clients} slow clients, ms": result["p50_us"] / 1000,
                    f"p99 beside {clients} slow clients, ms": result["p99_us"] / 1000,
                    f"longest wait beside {clients} slow clients, ms": result["max_us"] / 1000,
                    f"failed beside {clients} slow clients": result["retry"] + result["closed"]}
        for slow_result in of_slow:
            figures |= {f"slow lookups of {clients} clients": slow_result["ok"],
                        f"slow lookups of {clients} clients, failed": slow_result["retry"] + slow_result["closed"]}
    return figures


@case("pgsql-slow-table")
def pgsql_slow_table(scene):
    """PostgreSQL, a table that takes 0.5 s; 10 clients of a fast one beside it"""
    return _beside_slow(scene, scene.postgres("max-connections=300"))


@case("mysql-slow-table")
def mysql_slow_table(scene):
    """MariaDB, a table that takes 0.5 s; 10 clients of a fast one beside it"""
    return _beside_slow(scene, scene.mariadb("max-connections=300"))


def _beside_several_slow(scene, database):
    fast = scene.table(database)
    slow = {seconds: scene.slow_table(database, seconds) for seconds in (0.1, 0.5, 2)}
    scene.serve()
    figures = {}
    of_slow = {}

    def begin():
        of_slow.update({seconds: scene.load(table, 10, 15) for seconds, table in slow.items()})

    def end():
        of_slow.update({seconds: scene.load_result(process) for seconds, process in of_slow.items()})

    for name, what in (("alone", (lambda: None, lambda: None)), ("beside the slow", (begin, end))):
        result = scene.measure_beside(fast, *what)
        figures |= {f"lookups/s {name}": result["per_second"], f"p50 {name}, ms": result["p50_us"] / 1000,
                    f"p99 {name}, ms": result["p99_us"] / 1000, f"longest wait {name}, ms": result["max_us"] / 1000,
                    f"failed {name}": result["retry"] + result["closed"]}
    for seconds, result in of_slow.items():
        figures |= {f"lookups of {seconds} s": result["ok"], f"p50 of {seconds} s": result["p50_us"] / 1e6,
                    f"longest wait of {seconds} s": result["max_us"] / 1e6,
                    f"failed of {seconds} s": result["retry"] + result["closed"]}
    return figures


@case("pgsql-slow-tables")
def pgsql_slow_tables(scene):
    """PostgreSQL, tables that take 0.1, 0.5 and 2 s, with 10 clients each; 10 clients of a fast one beside them"""
    return _beside_several_slow(scene, scene.postgres("max-connections=300"))


@case("mysql-slow-tables")
def mysql_slow_tables(scene):
    """MariaDB, tables that take 0.1, 0.5 and 2 s, with 10 clients each; 10 clients of a fast one beside them"""
    return _beside_several_slow(scene, scene.mariadb("max-connections=300"))


@case("name-server-hangs")
def name_server_hangs(scene):
    """the name server hangs for 12 s; 200 lookups/s of each of four tables in one PostgreSQL"""
    database = scene.postgres()
    names = scene.name_server()
    database.sql(f"CREATE ROLE cut LOGIN; GRANT {mailboxes.READER} TO cut", mailboxes.DATABASE)
    known, new = f"known.test:{database.port}", f"new.test:{database.port}"
    tables = {
        "a name, connected": scene.table(database, "connected", hosts=known),
        "a name, connection cut": scene.table(database, "cut", hosts=known, user="cut"),
        "an address": scene.table(database, "address"),
        "a new name and an address": scene.table(database, "new", hosts=f"{new} 127.0.0.1:{database.port}"),
    }
    scene.serve()
    clients = {name: scene.client(table, 200) for name, table in list(tables.items())[:2]}
    try:
        wait_until(lambda: all(client.lookups for client in clients.values()), "both have connected", _PATIENCE)
        names.hangs = True
        clients |= {name: scene.client(table, 200) for name, table in list(tables.items())[2:]}
        time.sleep(4)
        database.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'cut'")
        time.sleep(8)
    finally:
        for client in clients.values():
            client.finish()
    figures = {}
    for name, client in clients.items():
        figures |= {f"lookups, {name}": len(client.lookups), f"failed, {name}": client.failed,
                    f"longest wait, {name}": client.longest}
    return figures


@case("silent-host")
def silent_host(scene):
    """one PostgreSQL host of two accepts connections and says nothing"""
    database = scene.postgres()
    silent = SilentServer()
    scene.workspace.on_close(silent.close)
    table = scene.table(database, ports=[silent.port, database.port])
    scene.serve()
    with scene.client(table) as client:
        time.sleep(10)
    return _figures(client)


def _frozen(scene, database):
    table = scene.table(database)
    scene.serve()
    return _through(scene.client(table), lambda: _freeze(database, 3), lambda: None)


def _freeze(database, seconds):
    with database.frozen():
        time.sleep(seconds)


@case("pgsql-frozen")
def pgsql_frozen(scene):
    """PostgreSQL stands still for 3 s"""
    return _frozen(scene, scene.postgres())


@case("mysql-frozen")
def mysql_frozen(scene):
    """MariaDB stands still for 3 s"""
    return _frozen(scene, scene.mariadb())


@case("max-connections")
def max_connections(scene):
    """others hold all connections of PostgreSQL for 3 s"""
    database = scene.postgres("max-connections=12", "superuser-reserved-connections=3")
    table = scene.table(database)
    sessions = [database.session("mail") for _ in range(12)]
    scene.serve()

    def full():
        time.sleep(3)

    def free():
        for session in sessions:
            session.close()

    return _through(scene.client(table), full, free)


@case("revoked")
def revoked(scene):
    """the permission for one table is taken away; 500 lookups/s of it and of another"""
    database = scene.postgres()
    good = scene.table(database)
    database.sql(f"CREATE TABLE other AS SELECT * FROM mailbox; {mailboxes.grant(database, 'other')}", "mail")
    bad = scene.table(database, "other", query=mailboxes.query("other"))
    scene.serve()
    with scene.client(good) as of_good, scene.client(bad) as of_bad:
        time.sleep(1)
        database.sql(mailboxes.revoke(database, "other"), "mail")
        time.sleep(3)
        database.sql(mailboxes.grant(database, "other"), "mail")
        back = time.monotonic()
        try:
            wait_until(lambda: of_bad.first_right_after(back) is not None, "an answer", _PATIENCE, 0.1)
        except TimedOut:
            pass
    return {"failed, this table": of_bad.failed, "failed, the other": of_good.failed,
            "longest wait, the other": of_good.longest,
            "first answer after it is given back": of_bad.first_right_after(back), "lines logged": scene.log_lines()}


@case("sqlite-locked")
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


@case("stalled-clients")
def stalled_clients(scene):
    """1000 clients send half a request and no more; 10 clients beside them"""
    table = scene.table(scene.postgres("max-connections=300"))
    scene.serve()
    stalled = []

    def begin():
        half = lookup_request(table, "nobody@example.com")[:30]
        for _ in range(1000):
            try:
                connection = socket.socket(socket.AF_UNIX)
                stalled.append(connection)
                connection.setblocking(False)
                connection.connect(scene.socket())
                connection.send(half)
            except OSError:
                pass  # the listen queue is full

    def end():
        for connection in stalled:
            connection.close()

    figures = {}
    for name, what in (("without them", (lambda: None, lambda: None)), ("beside them", (begin, end))):
        result = scene.measure_beside(table, *what)
        figures |= {f"p50 {name}, ms": result["p50_us"] / 1000, f"p99 {name}, ms": result["p99_us"] / 1000,
                    f"longest wait {name}, ms": result["max_us"] / 1000}
    return figures


@case("pgbouncer-restart")
def pgbouncer_restart(scene):
    """PgBouncer in front of PostgreSQL is away for 2.7 s"""
    database = scene.postgres()
    bouncer = scene.pgbouncer(database)
    table = scene.table(database, ports=[bouncer.port])
    scene.serve()

    def away():
        bouncer.stop()
        time.sleep(_AWAY)

    return _through(scene.client(table), away, bouncer.start)


@case("primary-killed")
def primary_killed(scene):
    """PostgreSQL and a replica as two hosts; the first is away for 2.7 s, 10 clients beside"""
    primary = scene.postgres("max-connections=300")
    replica = scene.standby(primary)
    table = scene.table(primary, ports=[primary.port, replica.port])
    scene.serve()

    def away():
        primary.stop("immediate")
        time.sleep(_AWAY)

    on_both = None

    def back():
        nonlocal on_both
        primary.start()
        begun = time.monotonic()
        while on_both is None and time.monotonic() < begun + 10:
            if _readers(primary) and _readers(replica):
                on_both = time.monotonic() - begun
            time.sleep(0.1)

    load = scene.load(table, 10, 20)
    figures = _through(scene.client(table), away, back)
    result = scene.load_result(load)
    return figures | {"failed, the 10 clients": result["retry"] + result["closed"], "load on both hosts after": on_both}


def _readers(database):
    return int(database.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'reader'")[0][0])
