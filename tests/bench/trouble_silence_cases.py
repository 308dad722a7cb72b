"""Hosts and connections that fall silent while 100 clients ask, and recover."""

import time

from harness import mailboxes
from harness.crowd import Crowd
from harness.forwarder import Forwarder

_CLIENTS = 100
_SILENCE = 15
_FULL = 0.8  # of the lookups/s from before


def _question(client, turn):
    number = (client * 37 + turn * 61) % mailboxes.MAILBOXES + 1
    return mailboxes.address(number), f"box{number}@store.example".encode()


def _rate(crowd, seconds):
    right, begun = crowd.right, time.monotonic()
    time.sleep(seconds)
    return (crowd.right - right) / (time.monotonic() - begun)


def _full_strength(crowd, before):
    """Seconds until as many lookups/s succeed as before; None if that takes more than 20 s."""
    begun = time.monotonic()
    while time.monotonic() < begun + 20:
        step = time.monotonic()
        if _rate(crowd, 0.5) >= _FULL * before:
            return step - begun
    return None


def _silent(scene, database, hosts, one_of):
    """The first host falls silent, or one connection in `one_of` to it."""
    forwarders = [Forwarder(database.port) for _ in range(hosts)]
    for forwarder in forwarders:
        scene.workspace.on_close(forwarder.close)
    table = scene.table(database, ports=[forwarder.port for forwarder in forwarders])
    scene.serve()
    with Crowd(scene.socket(), table, _question, _CLIENTS) as crowd:
        time.sleep(2)
        before = _rate(crowd, 3)
        forwarders[0].silence(one_of)
        during = _rate(crowd, _SILENCE)
        forwarders[0].heal()
        full = _full_strength(crowd, before)
    return {"lookups/s before": before, "lookups/s during the silence": during, "failed": crowd.retries,
            "wrong": len(crowd.wrong), "longest wait": crowd.longest, "at full strength again after": full}


def pgsql_host_of_two_silent(scene):
    """PostgreSQL, one host of two says nothing for 15 s; 100 clients"""
    return _silent(scene, scene.postgres("max-connections=300"), 2, 1)


def mysql_host_of_two_silent(scene):
    """MariaDB, one host of two says nothing for 15 s; 100 clients"""
    return _silent(scene, scene.mariadb("max-connections=300"), 2, 1)


def pgsql_host_of_three_silent(scene):
    """PostgreSQL, one host of three says nothing for 15 s; 100 clients"""
    return _silent(scene, scene.postgres("max-connections=300"), 3, 1)


def mysql_host_of_three_silent(scene):
    """MariaDB, one host of three says nothing for 15 s; 100 clients"""
    return _silent(scene, scene.mariadb("max-connections=300"), 3, 1)


def pgsql_half_silent(scene):
    """PostgreSQL, every second connection to its only host says nothing for 15 s; 100 clients"""
    return _silent(scene, scene.postgres("max-connections=300"), 1, 2)


def mysql_half_silent(scene):
    """MariaDB, every second connection to its only host says nothing for 15 s; 100 clients"""
    return _silent(scene, scene.mariadb("max-connections=300"), 1, 2)


CASES = (pgsql_host_of_two_silent, mysql_host_of_two_silent, pgsql_host_of_three_silent, mysql_host_of_three_silent,
         pgsql_half_silent, mysql_half_silent)
