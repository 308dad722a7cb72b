"""Databases that are down, hang, refuse connections or cannot be resolved."""

import time

from bench.trouble_case import AWAY, PATIENCE, failed_of, figures_of, through
from harness import mailboxes
from harness.fake_servers import SilentServer
from harness.waiting import TimedOut, wait_until


def _restart(scene, database):
    table = scene.table(database)
    scene.serve()

    def away():
        database.stop("immediate")
        time.sleep(AWAY)

    return through(scene.client(table), away, database.start)


def pgsql_restart(scene):
    """PostgreSQL is away for 2.7 s; one client, 500 lookups/s"""
    return _restart(scene, scene.postgres())


def mysql_restart(scene):
    """MariaDB is away for 2.7 s; one client, 500 lookups/s"""
    return _restart(scene, scene.mariadb())


def _frozen(scene, database):
    table = scene.table(database)
    scene.serve()
    return through(scene.client(table), lambda: _freeze(database, 3), lambda: None)


def _freeze(database, seconds):
    with database.frozen():
        time.sleep(seconds)


def pgsql_frozen(scene):
    """PostgreSQL stands still for 3 s"""
    return _frozen(scene, scene.postgres())


def mysql_frozen(scene):
    """MariaDB stands still for 3 s"""
    return _frozen(scene, scene.mariadb())


def silent_host(scene):
    """one PostgreSQL host of two accepts connections and says nothing"""
    database = scene.postgres()
    silent = SilentServer()
    scene.workspace.on_close(silent.close)
    table = scene.table(database, ports=[silent.port, database.port])
    scene.serve()
    with scene.client(table) as client:
        time.sleep(10)
    return figures_of(client)


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

    return through(scene.client(table), full, free)


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
            wait_until(lambda: of_bad.first_right_after(back) is not None, "an answer", PATIENCE, 0.1)
        except TimedOut:
            pass
    return {"failed, this table": of_bad.failed, "failed, the other": of_good.failed,
            "longest wait, the other": of_good.longest,
            "first answer after it is given back": of_bad.first_right_after(back), "lines logged": scene.log_lines()}


def pgbouncer_restart(scene):
    """PgBouncer in front of PostgreSQL is away for 2.7 s"""
    database = scene.postgres()
    bouncer = scene.pgbouncer(database)
    table = scene.table(database, ports=[bouncer.port])
    scene.serve()

    def away():
        bouncer.stop()
        time.sleep(AWAY)

    return through(scene.client(table), away, bouncer.start)


def primary_killed(scene):
    """PostgreSQL and a replica as two hosts; the first is away for 2.7 s, 10 clients beside"""
    primary = scene.postgres("max-connections=300")
    replica = scene.standby(primary)
    table = scene.table(primary, ports=[primary.port, replica.port])
    scene.serve()

    def away():
        primary.stop("immediate")
        time.sleep(AWAY)

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
    figures = through(scene.client(table), away, back)
    result = scene.load_result(load)
    return figures | {"failed, the 10 clients": failed_of(result), "load on both hosts after": on_both}


def _readers(database):
    return int(database.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'reader'")[0][0])


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
        wait_until(lambda: all(client.lookups for client in clients.values()), "both have connected", PATIENCE)
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


def galera(scene):
    """three Galera nodes are killed and rejoin in turn; 10 clients beside"""
    cluster = scene.galera()
    table = scene.table(cluster.nodes[0], ports=[node.port for node in cluster.nodes])
    scene.serve()
    others = [scene.client(table, 100) for _ in range(10)]

    def kill_in_turn():
        for node in cluster.nodes:
            cluster.stop(node)
            node.start()
            wait_until(node.synced, "the node rejoins", PATIENCE)

    try:
        figures = through(scene.client(table), kill_in_turn, lambda: None)
    finally:
        for client in others:
            client.finish()
    return figures | {"failed, the 10 clients": sum(client.failed for client in others),
                      "longest wait, the 10 clients": max(client.longest for client in others)}


CASES = (pgsql_restart, mysql_restart, pgsql_frozen, mysql_frozen, silent_host, max_connections, revoked,
         pgbouncer_restart, primary_killed, name_server_hangs, galera)
