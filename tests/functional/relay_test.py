#!/usr/bin/env python3
"""Tables that proxyd relays: answers of every type are the same as from the stock server."""

import itertools
import os
import re
import signal
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from functional import mail_database
from harness import processes, proxymap_client, scenario
from harness.fake_servers import SilentSocketmap
from harness.postfix import COMMANDS, STOCK_SERVICE, Postfix, age
from harness.ports import reserve_port
from harness.proxymap_client import (DAEMON, DAEMON_INSTANCE, DAEMON_LOOKUP, FIXED, FOLD_FIX_LOCK,
                                     IMPLEMENTATION_FLAGS, OK, PATTERN, RETRY, UTF8_REQUEST, Connection)
from harness.scenario import not_with_stock
from harness.server import postfix_version
from harness.smtp import SmtpSession
from harness.waiting import wait_until

NEWER = postfix_version() >= (3, 11)  # the stock server uses the newer layout
_KEYS = ("root", "Root", "postfix", "alice@example.com", "ALICE@example.com", "example.com", "@example.com",
         "127.0.0.1", "10.1.2.3", "zebra", "nobody-of-that-name", "ab", "x")


class TableMaker:
    """Files for tables of many types."""

    def __init__(self, directory):
        self.directory = directory
        done = subprocess.run([f"{COMMANDS}/postconf", "-m"], capture_output=True, check=True)
        self.known = set(done.stdout.decode().split())

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o644)
        age(path)
        return path

    def indexed(self, kind, name, text):
        """A table that postmap creates from a text file."""
        path = self.write(name, text)
        subprocess.run([f"{COMMANDS}/postmap", f"{kind}:{path}"], check=True)
        return f"{kind}:{path}"

    def of_many_types(self):
        """Tables of at least ten types, and of all installed type packages."""
        users = "alice@example.com one\nexample.com two\n@example.com three\n127.0.0.1 four\n"
        tables = [self.indexed(kind, f"users-{kind}", users) for kind in ("hash", "btree", "lmdb", "cdb")
                  if kind in self.known]
        patterns = self.write("patterns", "/^z(.*)/ found $1\n/@example\\.com$/ pattern\n")
        tables += [f"{kind}:{patterns}" for kind in ("regexp", "pcre") if kind in self.known]
        tables += [
            "unix:passwd.byname", "unix:group.byname", "unix:no-such-database",
            f"texthash:{self.write('users-texthash', users)}",
            f"cidr:{self.write('networks', '127.0.0.0/8 local' + chr(10) + '10.0.0.0/8 private' + chr(10))}",
            "inline:{ x=y, {ab = c d} }", "static:always", "fail:never", "randmap:{same}", "environ:x", "internal:y",
            "unionmap:{static:one,inline:{ x=two }}", "pipemap:{inline:{ x=127.0.0.1 },cidr:/nonexistent}",
            "pipemap:{inline:{ x=a },inline:{ a=b }}", "unionmap:{}", "no-such-type:x", "hash:/nonexistent",
            "texthash:/nonexistent", f"memcache:{self.write('memcache.cf', 'memcache = inet:127.0.0.1:1' + chr(10))}",
            f"socketmap:unix:{self.directory}/nobody:name",
        ]
        if "ldap" in self.known:
            text = "server_host = ldap://127.0.0.1:1\nsearch_base = dc=example\nversion = 3\n"
            tables.append(f"ldap:{self.write('ldap.cf', text)}")
        return tables


def _proxied(tables):
    return " ".join(f"proxy:{table}" for table in tables)


class RelayTest(scenario.Scenario):
    @classmethod
    def set_up_servers(cls):
        cls.maker = TableMaker(cls.workspace.directory("tables"))
        cls.tables = cls.maker.of_many_types()
        cls.aliases = cls.maker.indexed("hash", "aliases", "info root\n")
        cls.changing = cls.maker.indexed("hash", "changing", "key old\n")
        cls.chroot_smtp_port = reserve_port()
        cls.slow = SilentSocketmap()
        cls.workspace.on_close(cls.slow.close)
        cls.postfix = Postfix(cls.workspace, scenario.tested(), {
            "proxy_read_maps": f"$local_recipient_maps {_proxied([*cls.tables, cls.changing, cls.slow.table])}",
            "mydestination": "mx.test.example",
            # the default value
            "local_recipient_maps": "proxy:unix:passwd.byname $alias_maps",
            "alias_maps": cls.aliases,
        }, services=[STOCK_SERVICE, f"127.0.0.1:{cls.chroot_smtp_port} inet n - y - - smtpd"]).start()

    def connect(self, service="proxymap", postfix=None):
        connection = Connection((postfix or self.postfix).socket(service))
        self.addCleanup(connection.close)
        return connection

    def stock_asker(self):
        """A function that asks the stock server by calling `question` with a connection. It asks again when
        the process ends, as clients do. A stock process ends on its own after a dozen errors.
        """
        connections = [self.connect("proxymap-stock")]

        def ask(question):
            try:
                return question(connections[-1])
            except ConnectionError:
                connections.append(self.connect("proxymap-stock"))
                return question(connections[-1])

        return ask

    def test_every_type_is_answered_as_by_the_stock_server(self):
        self.assertGreater(len({table.split(":")[0] for table in self.tables}), 15)
        stock, ours = self.stock_asker(), self.connect()
        answered = 0
        for table, caller in itertools.product(self.tables, (0, FOLD_FIX_LOCK, DAEMON_INSTANCE if NEWER else DAEMON)):
            with self.subTest(table=table, caller=caller):

                def opening(server, table=table, caller=caller):
                    return server.open(table, caller, "instance_flags") if NEWER else server.open(table)

                opened = [stock(opening), opening(ours)]
                self.assertEqual([reply.status for reply in opened], [OK, OK])
                # Up to 3.10 the other flags are left over from earlier requests, and clients ignore them.
                self.assertEqual(*(reply.flags if NEWER else reply.flags & IMPLEMENTATION_FLAGS for reply in opened))
                for key in _KEYS:
                    question = (table, key, *((opened[0].flags, caller) if NEWER else (caller,)))
                    expected, reply = stock(lambda server, q=question: server.lookup(*q)), ours.lookup(*question)
                    self.assertEqual(reply.raw, expected.raw, key)
                    answered += reply.status == OK
        self.assertGreater(answered, 50)

    @not_with_stock("knows the older layout only")
    @unittest.skipIf(NEWER, "the stock server is as new")
    def test_clients_of_a_newer_postfix(self):
        stock, ours = self.connect("proxymap-stock"), self.connect()
        for table in self.tables:
            with self.subTest(table=table):
                kind = stock.open(table).flags & IMPLEMENTATION_FLAGS
                opened = ours.open(table, DAEMON_INSTANCE, "instance_flags")
                self.assertEqual((opened.status, opened.flags), (OK, DAEMON_INSTANCE | kind))
                for key in _KEYS:
                    expected = stock.lookup(table, key, DAEMON)
                    # The client has folded the key: the reply to open did not say that the server would.
                    reply = ours.lookup(table, key, DAEMON_LOOKUP & ~16384, DAEMON_INSTANCE)
                    self.assertEqual((reply.status, reply.value), (expected.status, expected.value), key)
                    self.assertEqual(reply.flags, DAEMON_LOOKUP & ~16384)

    @not_with_stock("knows the newer layout only")
    @unittest.skipUnless(NEWER, "the stock server is as old")
    def test_clients_of_an_older_postfix(self):
        stock, ours = self.stock_asker(), self.connect()
        for table, flags in itertools.product(self.tables, (0, FOLD_FIX_LOCK, DAEMON)):
            with self.subTest(table=table, flags=flags):
                # These clients check and fold UTF-8 themselves.
                instance = flags & ~UTF8_REQUEST
                known = stock(lambda server, q=(table, instance, "instance_flags"): server.open(*q)).flags
                opened = ours.open(table)
                self.assertEqual((opened.status, opened.flags & IMPLEMENTATION_FLAGS),
                                 (OK, known & IMPLEMENTATION_FLAGS))
                for key in _KEYS:
                    expected = stock(lambda server, q=(table, key, known, instance): server.lookup(*q))
                    reply = ours.lookup(table, key, flags)
                    self.assertEqual((reply.status, reply.value), (expected.status, expected.value), key)

    def test_postmap(self):
        for table, key, value in (("unix:passwd.byname", "root", "root:"), ("inline:{ x=y, {ab = c d} }", "ab", "c d")):
            with self.subTest(table=table):
                done = self.postfix.postmap("-q", key, f"proxy:{table}")
                self.assertTrue(done.stdout.decode().startswith(value), done)

    def test_local_recipients_of_a_default_configuration(self):
        # Debian runs smtpd in a chroot, which has no list of users.
        for port in (self.postfix.smtp_port, self.chroot_smtp_port):
            with SmtpSession("127.0.0.1", port) as session:
                self.assertEqual(session.rcpt("root@mx.test.example")[0], 250)
                self.assertEqual(session.rcpt("Root+extension@mx.test.example")[0], 550)
                self.assertEqual(session.rcpt("info@mx.test.example")[0], 250)
                self.assertEqual(session.rcpt("no-such-user@mx.test.example")[0], 550)

    def test_a_rebuilt_table_is_used_without_a_break(self):
        connection = self.connect()
        self.assertEqual(connection.lookup(self.changing, "key").value, b"old")
        path = self.changing.split(":")[1]
        for turn in range(3):
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"key new{turn}\n")
            subprocess.run([f"{COMMANDS}/postmap", self.changing], check=True)
            # The stock server compares modification times in seconds.
            os.utime(f"{path}.db", (time.time() - 60 * turn - 60,) * 2)
            seen = []

            def is_new(wanted=f"new{turn}".encode(), seen=seen):
                # The stock server looks for changes only when a client connects.
                client = connection if scenario.tested().is_proxyd else self.connect()
                reply = client.lookup(self.changing, "key")
                seen.append((reply.status, reply.value))
                return reply.value == wanted

            wait_until(is_new, "the new table is used", 20.0)
            self.assertEqual({status for status, _ in seen}, {OK})
            self.assertLessEqual(len(set(seen)), 2, "the old value, then the new one")

    @not_with_stock("clients of a dead process have to ask again")
    def test_stock_processes_that_die_cost_no_lookup(self):
        statuses = []
        stop = threading.Event()

        def ask():
            with Connection(self.postfix.socket(), timeout=30.0) as connection:
                while not stop.is_set():
                    statuses.append(connection.lookup("inline:{ x=y, {ab = c d} }", "x").status)

        askers = [threading.Thread(target=ask) for _ in range(4)]
        for asker in askers:
            asker.start()
        for _ in range(3):
            count = len(statuses)
            wait_until(lambda count=count: len(statuses) > count + 50, "lookups go on", 20.0)
            for pid in self.postfix.pids("proxymap"):
                processes.send_signal(pid, signal.SIGKILL)
        count = len(statuses)
        wait_until(lambda: len(statuses) > count + 50, "lookups go on", 20.0)
        stop.set()
        for asker in askers:
            asker.join()
        self.assertEqual(set(statuses), {OK})

    @not_with_stock("one process, one lookup at a time")
    def test_a_slow_table_holds_up_no_other(self):
        waiting = [self.connect() for _ in range(30)]
        for connection in waiting:
            connection.send(proxymap_client.lookup_request(self.slow.table, "k"))
        try:
            for table, key in (("unix:passwd.byname", "root"), ("static:always", "k"), (self.tables[0], "example.com")):
                # A slow lookup reaches its first deadline after 10 s. These answers must come before it.
                self.assertEqual(self.connect().lookup(table, key, timeout=5.0).status, OK, table)
            self.assertFalse(any(connection.readable() for connection in waiting))
            self.assertEqual(waiting[0].receive(20.0).status, RETRY)
        finally:
            for connection in waiting:
                connection.close()
            # The stock processes wait for the slow table, too.
            for pid in self.postfix.pids("proxymap"):
                processes.send_signal(pid, signal.SIGKILL)

    def test_many_clients_at_once(self):
        connections = [self.connect() for _ in range(100)]
        for turn in range(5):
            for number, connection in enumerate(connections):
                connection.send(proxymap_client.lookup_request("pipemap:{inline:{ x=a },inline:{ a=b }}",
                                                               "x" if (number + turn) % 2 else "y"))
            for number, connection in enumerate(connections):
                self.assertEqual(connection.receive().value, b"b" if (number + turn) % 2 else b"")

    @not_with_stock("is the stock server")
    def test_the_stock_service_is_missing_and_then_added(self):
        tables = ["unix:passwd.byname", f"regexp:{self.maker.directory}/patterns"]
        postfix = Postfix(self.workspace, scenario.tested(), {"proxy_read_maps": _proxied(tables)},
                          name="missing").start()
        self.addCleanup(postfix.stop)
        connection = self.connect(postfix=postfix)
        self.assertEqual(connection.lookup(tables[0], "root", timeout=5.0).status, RETRY)
        postfix.wait_for_log(r'add the line "' + re.escape(STOCK_SERVICE) + '" to master.cf')
        # Clients keep these flags. They would repeat an open for ever if its status were not OK.
        opened = [connection.open(table) for table in tables]
        self.assertEqual([(reply.status, reply.flags & (FIXED | PATTERN)) for reply in opened],
                         [(OK, FIXED), (OK, PATTERN)])
        postfix.add_services(STOCK_SERVICE)
        postfix.reload_and_settle()  # the old process could still ask before master(8) has created the socket
        self.assertEqual(self.connect(postfix=postfix).lookup(tables[0], "root").status, OK)

    @not_with_stock("is the stock server")
    def test_a_stock_service_of_a_mistaken_name(self):
        table = "unix:passwd.byname"
        postfix = Postfix(self.workspace, scenario.tested(), {"proxy_read_maps": _proxied([table])},
                          "relay_service = proxymap-stok\n", services=[STOCK_SERVICE], name="mistaken").start()
        self.addCleanup(postfix.stop)
        self.assertEqual(self.connect(postfix=postfix).lookup(table, "root", timeout=5.0).status, RETRY)
        postfix.wait_for_log('add the line "proxymap-stok unix .*" to master.cf, or correct relay_service in proxyd.cf, ')

    @not_with_stock("is the stock server")
    def test_in_a_chroot_and_at_a_path(self):
        in_chroot = Postfix(self.workspace, scenario.tested(), {"proxy_read_maps": "proxy:static:x"},
                            services=[STOCK_SERVICE], name="chroot", chroot=True).start()
        self.addCleanup(in_chroot.stop)
        self.assertEqual(self.connect(postfix=in_chroot).lookup("static:x", "k").value, b"x")
        elsewhere = Postfix(self.workspace, scenario.tested(), {"proxy_read_maps": "proxy:static:x"},
                            f"relay_service = {in_chroot.socket('proxymap-stock')}\n", name="elsewhere").start()
        self.addCleanup(elsewhere.stop)
        self.assertEqual(self.connect(postfix=elsewhere).lookup("static:x", "k").value, b"x")

    @not_with_stock("is the stock server")
    def test_a_relay_to_itself(self):
        postfix = Postfix(self.workspace, scenario.tested(), {"proxy_read_maps": "proxy:static:x"},
                          "relay_service = proxymap\n", name="itself").start()
        self.addCleanup(postfix.stop)
        self.assertEqual(self.connect(postfix=postfix).lookup("static:x", "k").status, RETRY)
        postfix.wait_for_log("relay_service .* names this service itself")

    @not_with_stock("opens them without approval")
    def test_domains_in_a_table_of_another_type(self):
        domains = self.maker.indexed("hash", "domains", "example.com x\n")
        other = self.maker.indexed("hash", "other-domains", "example.com x\n")
        database = mail_database.create_sqlite(f"{self.workspace.path}/mail.db")
        tables = mail_database.table_files(self.workspace, sqlite=database, directory="sqlite")
        approved = tables.add("sqlite", "approved", query="SELECT '%s'", domain=domains)
        not_approved = tables.add("sqlite", "not-approved", query="SELECT '%s'", domain=other)
        postfix = Postfix(self.workspace, scenario.tested(), {
            "proxy_read_maps": _proxied([approved, not_approved, domains]),
        }, services=[STOCK_SERVICE], name="domains").start()
        self.addCleanup(postfix.stop)
        connection = self.connect(postfix=postfix)
        self.assertEqual(connection.lookup(approved, "user@Example.com").value, b"user@example.com")
        self.assertEqual(connection.lookup(approved, "user@example.org").status, proxymap_client.NOKEY)
        self.assertEqual(connection.lookup(not_approved, "user@example.com").status, RETRY)
        postfix.wait_for_log("does not approve this table: a domain list names it, so list "
                             f"proxy:{other} in proxy_read_maps")

    @not_with_stock("is the stock server")
    def test_a_table_that_only_proxyd_approves(self):
        postfix = Postfix(self.workspace, scenario.tested(), {"proxy_read_maps": "proxy:static:x"},
                          services=[f"{STOCK_SERVICE} -o proxy_read_maps="], name="stricter").start()
        self.addCleanup(postfix.stop)
        connection = self.connect(postfix=postfix)
        # Any other status would end the client.
        self.assertEqual(connection.open("static:x").status, OK)
        self.assertEqual(connection.lookup("static:x", "k").status, RETRY)
        postfix.wait_for_log("does not approve this table: in master.cf give it -n proxymap and the options")

    @not_with_stock("is the stock server")
    def test_a_stock_service_that_cannot_start(self):
        postfix = Postfix(self.workspace, scenario.tested(), {"proxy_read_maps": "proxy:static:x"},
                          "lookup_timeout = 500ms\n", services=["proxymap-stock unix - - n - - proxymap -n"],
                          name="unstartable").start()
        self.addCleanup(postfix.stop)
        self.assertEqual(self.connect(postfix=postfix).lookup("static:x", "k").status, RETRY)
        postfix.wait_for_log('no reply .* in 500 ms: the service proxymap-stock of master.cf has started no process '
                             'that answers; "proxyctl check" looks at its line')


if __name__ == "__main__":
    scenario.main()
