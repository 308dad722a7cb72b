#!/usr/bin/env python3
"""Bytes in, bytes out: requests as any Postfix may send them, and as none should, on the service's own socket."""

import os
import resource
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from functional import mail_database
from harness import processes, proxymap_client, scenario
from harness.postfix import Postfix
from harness.postgres import Postgres
from harness.proxymap_client import DAEMON_INSTANCE, DAEMON_LOOKUP, GREETING, Connection, lookup_request, shown, wire
from harness.scenario import not_with_stock

_NEW_LAYOUT = "knows the older layout only"

# What, request, reply. {PG} is a table; {OTHER} one that is not approved. Flags of open replies are compared by the
# bits that the server decides on, in the older layout.
OLD_LAYOUT = [
    ("open", "request¦open¦table¦{PG}¦flags¦0¦¦", "status¦0¦flags¦16¦¦"),
    ("open with flags", "request¦open¦table¦{PG}¦flags¦540736¦¦", "status¦0¦flags¦16¦¦"),
    ("open, not approved", "request¦open¦table¦{OTHER}¦flags¦0¦¦", "status¦4¦flags¦0¦¦"),
    ("lookup", "request¦lookup¦table¦{PG}¦flags¦16448¦key¦postmaster¦¦", "status¦0¦value¦root¦¦"),
    ("lookup, unknown", "request¦lookup¦table¦{PG}¦flags¦16448¦key¦x¦¦", "status¦1¦value¦¦¦"),
    ("lookup, not approved", "request¦lookup¦table¦{OTHER}¦flags¦16448¦key¦x¦¦", "status¦4¦value¦¦¦"),
    ("lookup, table without type", "request¦lookup¦table¦pgsql¦flags¦0¦key¦x¦¦", "status¦3¦value¦¦¦"),
    ("lookup, no table name", "request¦lookup¦table¦¦flags¦0¦key¦x¦¦", "status¦3¦value¦¦¦"),
    ("open, table without type", "request¦open¦table¦pgsql¦flags¦0¦¦", "status¦3¦flags¦0¦¦"),
    ("lookup, proxy: in front", "request¦lookup¦table¦proxy:proxy:{PG}¦flags¦0¦key¦postmaster¦¦",
     "status¦0¦value¦root¦¦"),
    ("update", "request¦update¦table¦{PG}¦flags¦0¦key¦k¦value¦v¦¦", "status¦4¦¦"),
    ("update, unknown table", "request¦update¦table¦nonsense¦flags¦0¦key¦k¦value¦v¦¦", "status¦4¦¦"),
    ("delete", "request¦delete¦table¦{PG}¦flags¦0¦key¦k¦¦", "status¦4¦¦"),
    ("delete, unknown table", "request¦delete¦table¦{OTHER}¦flags¦0¦key¦k¦¦", "status¦4¦¦"),
    ("sequence, unknown function", "request¦sequence¦table¦{PG}¦flags¦0¦function¦2¦¦", "status¦3¦key¦¦value¦¦¦"),
    ("sequence, not approved", "request¦sequence¦table¦{OTHER}¦flags¦0¦function¦0¦¦", "status¦4¦key¦¦value¦¦¦"),
    ("unknown request", "request¦frob¦¦", "status¦3¦¦"),
    ("unknown request with attributes", "request¦frob¦table¦x¦flags¦0¦¦", "status¦3¦¦"),
    ("empty request name", "request¦¦¦", "status¦3¦¦"),
    ("lookup without key", "request¦lookup¦table¦{PG}¦flags¦0¦¦", "status¦3¦value¦¦¦"),
    ("flags before table", "request¦lookup¦flags¦0¦table¦{PG}¦key¦postmaster¦¦", "status¦3¦value¦¦¦"),
    ("attribute after the last", "request¦lookup¦table¦{PG}¦flags¦0¦key¦postmaster¦zzz¦1¦¦", "status¦0¦value¦root¦¦"),
    ("second key", "request¦lookup¦table¦{PG}¦flags¦0¦key¦postmaster¦key¦x¦¦", "status¦0¦value¦root¦¦"),
    ("strange attribute before table", "request¦lookup¦zzz¦1¦table¦{PG}¦flags¦0¦key¦postmaster¦¦", "status¦3¦value¦¦¦"),
    ("group before table", "request¦lookup¦{{¦a¦b¦}}¦table¦{PG}¦flags¦0¦key¦postmaster¦¦", "status¦3¦value¦¦¦"),
    ("flags with blank", "request¦lookup¦table¦{PG}¦flags¦ 16¦key¦postmaster¦¦", "status¦0¦value¦root¦¦"),
    ("flags with sign", "request¦lookup¦table¦{PG}¦flags¦+0¦key¦postmaster¦¦", "status¦0¦value¦root¦¦"),
    ("flags with zeros", "request¦lookup¦table¦{PG}¦flags¦00¦key¦postmaster¦¦", "status¦0¦value¦root¦¦"),
    ("flags empty", "request¦lookup¦table¦{PG}¦flags¦¦key¦postmaster¦¦", "status¦3¦value¦¦¦"),
    ("flags no number", "request¦lookup¦table¦{PG}¦flags¦abc¦key¦postmaster¦¦", "status¦3¦value¦¦¦"),
    ("flags hexadecimal", "request¦lookup¦table¦{PG}¦flags¦0x10¦key¦postmaster¦¦", "status¦3¦value¦¦¦"),
    ("flags with blank behind", "request¦lookup¦table¦{PG}¦flags¦5 ¦key¦postmaster¦¦", "status¦3¦value¦¦¦"),
    ("flags beyond 32 bits", "request¦lookup¦table¦{PG}¦flags¦68719476736¦key¦postmaster¦¦", "status¦0¦value¦root¦¦"),
]

NEW_LAYOUT = [
    ("open", "request¦open¦table¦{PG}¦instance_flags¦540736¦¦",
     ("status¦0¦flags¦1589328¦¦", "status¦0¦flags¦540752¦¦")),
    ("open by postmap", "request¦open¦table¦{PG}¦instance_flags¦540737¦¦",
     ("status¦0¦flags¦1589329¦¦", "status¦0¦flags¦540753¦¦")),
    ("open, no flags", "request¦open¦table¦{PG}¦instance_flags¦0¦¦", ("status¦0¦flags¦16¦¦",)),
    ("open, LOCK", "request¦open¦table¦{PG}¦instance_flags¦64¦¦", ("status¦0¦flags¦80¦¦",)),
    ("open, FOLD_FIX", "request¦open¦table¦{PG}¦instance_flags¦16384¦¦", ("status¦0¦flags¦16400¦¦",)),
    ("open, not approved", "request¦open¦table¦{OTHER}¦instance_flags¦540736¦¦", ("status¦4¦flags¦0¦¦",)),
    ("lookup", "request¦lookup¦table¦{PG}¦instance_flags¦540736¦flags¦1589328¦key¦Postmaster¦¦",
     ("status¦0¦flags¦1589328¦value¦root¦¦",)),
    ("lookup, unknown", "request¦lookup¦table¦{PG}¦instance_flags¦540736¦flags¦1589328¦key¦x¦¦",
     ("status¦1¦flags¦1589328¦value¦¦¦",)),
    ("lookup, error", "request¦lookup¦table¦{BROKEN}¦instance_flags¦540736¦flags¦1589328¦key¦x¦¦",
     ("status¦2¦flags¦1589328¦value¦¦¦",)),
    ("lookup, invalid value", "request¦lookup¦table¦{LATIN1}¦instance_flags¦540736¦flags¦1589328¦key¦utf@example.com¦¦",
     ("status¦5¦flags¦1589328¦value¦¦¦",)),
    ("lookup, not approved", "request¦lookup¦table¦{OTHER}¦instance_flags¦540736¦flags¦1589328¦key¦x¦¦",
     ("status¦4¦flags¦0¦value¦¦¦",)),
    ("lookup without key", "request¦lookup¦table¦{PG}¦instance_flags¦540736¦flags¦1589328¦¦",
     ("status¦3¦flags¦0¦value¦¦¦",)),
    ("lookup, other flags", "request¦lookup¦table¦{PG}¦instance_flags¦64¦flags¦80¦key¦postmaster¦¦",
     ("status¦0¦flags¦80¦value¦root¦¦",)),
    ("update", "request¦update¦table¦{PG}¦instance_flags¦64¦flags¦64¦key¦k¦value¦v¦¦", ("status¦4¦flags¦0¦¦",)),
    ("delete", "request¦delete¦table¦{PG}¦instance_flags¦64¦flags¦64¦key¦k¦¦", ("status¦4¦flags¦0¦¦",)),
    ("sequence", "request¦sequence¦table¦{PG}¦instance_flags¦64¦flags¦80¦function¦0¦¦",
     ("status¦2¦flags¦80¦key¦¦value¦¦¦",)),
    ("sequence, not approved", "request¦sequence¦table¦{OTHER}¦instance_flags¦64¦flags¦80¦function¦0¦¦",
     ("status¦4¦flags¦0¦key¦¦value¦¦¦",)),
    ("unknown request", "request¦frob¦table¦{PG}¦instance_flags¦0¦¦", ("status¦3¦¦",)),
]

# On the proxywrite service, for a table in proxy_write_maps. SQL tables cannot be written.
PROXYWRITE_OLD_LAYOUT = [
    ("open", "request¦open¦table¦{PG}¦flags¦0¦¦", "status¦0¦flags¦32¦¦"),
    ("lookup", "request¦lookup¦table¦{PG}¦flags¦64¦key¦postmaster¦¦", "status¦2¦value¦¦¦"),
    ("update", "request¦update¦table¦{PG}¦flags¦64¦key¦k¦value¦v¦¦", "status¦2¦¦"),
    ("delete", "request¦delete¦table¦{PG}¦flags¦64¦key¦k¦¦", "status¦2¦¦"),
    ("sequence", "request¦sequence¦table¦{PG}¦flags¦64¦function¦0¦¦", "status¦2¦key¦¦value¦¦¦"),
    ("open, for reading only", "request¦open¦table¦{ECHO}¦flags¦0¦¦", "status¦4¦flags¦0¦¦"),
]
PROXYWRITE_NEW_LAYOUT = [
    ("update", "request¦update¦table¦{PG}¦instance_flags¦64¦flags¦64¦key¦k¦value¦v¦¦", ("status¦2¦flags¦448¦¦",)),
    ("delete", "request¦delete¦table¦{PG}¦instance_flags¦64¦flags¦64¦key¦k¦¦", ("status¦2¦flags¦320¦¦",)),
    ("sequence", "request¦sequence¦table¦{PG}¦instance_flags¦64¦flags¦64¦function¦0¦¦",
     ("status¦2¦flags¦64¦key¦¦value¦¦¦",)),
]


def _comparable(raw, request):
    """In the older layout only some bits of an open reply's flags have a meaning."""
    reply = proxymap_client.Reply(raw)
    if request.startswith("request¦open") and reply.status == proxymap_client.OK and reply.flags is not None:
        return f"status¦0¦flags¦{reply.flags & proxymap_client.IMPLEMENTATION_FLAGS}¦¦"
    return shown(raw)


class WireTest(scenario.Scenario):
    @classmethod
    def set_up_servers(cls):
        cls.postgres = Postgres(cls.workspace).start()
        mail_database.create_in_postgres(cls.postgres)
        cls.postgres.create_database("untouched")
        tables = mail_database.table_files(cls.workspace, cls.postgres)
        cls.names = {
            "PG": tables.add("pgsql", "pg", query="SELECT dest FROM aliases WHERE addr='%s'"),
            "ECHO": tables.add("pgsql", "echo", query="SELECT '%s'"),
            "LONG": tables.add("pgsql", "long", query="SELECT repeat('x', %u)"),
            "LATIN1": tables.add("pgsql", "latin1", query="SELECT dest FROM aliases WHERE addr='%s'",
                                 encoding="LATIN1"),
            "BROKEN": tables.add_text("pgsql", "broken", None),
            "UNTOUCHED": tables.add("pgsql", "untouched", query="SELECT '%s'", dbname="untouched"),
        }
        cls.postfix = Postfix(cls.workspace, scenario.tested(), {
            "proxy_read_maps": tables.proxied(),
            "proxy_write_maps": f"proxy:{cls.names['PG']}",
        }, "lookup_timeout = 5s\n").start()
        cls.names["OTHER"] = tables.name("pgsql", "not-approved")

    def connect(self, **keywords):
        service = keywords.pop("service", "proxymap")
        connection = Connection(self.postfix.socket(service), **keywords)
        self.addCleanup(connection.close)
        return connection

    def assert_works(self, connection):
        self.assertEqual(shown(connection.lookup(self.names["PG"], "postmaster").raw), "status¦0¦value¦root¦¦")

    def assert_still_serves(self):
        with Connection(self.postfix.socket()) as connection:
            self.assert_works(connection)

    # Greeting

    def test_the_greeting_comes_first(self):
        connection = self.connect(greeting=False)
        self.assertEqual(connection.receive_message(), GREETING)
        self.assertFalse(connection.readable(0.2), "more than the greeting")
        self.assert_works(connection)

    @not_with_stock("no such option")
    def test_no_greeting_for_clients_before_3_6(self):
        self.postfix.write_proxyd_cf("postfix_greeting = no\nlookup_timeout = 5s\n")
        self.addCleanup(self.postfix.reload_and_settle)
        self.addCleanup(self.postfix.write_proxyd_cf, "lookup_timeout = 5s\n")
        self.postfix.reload_and_settle()
        connection = self.connect(greeting=False)
        self.assertFalse(connection.readable(0.5), "bytes before the first request")
        self.assert_works(connection)

    # Requests and replies

    def check_rows(self, rows, service, comparable):
        for what, request, expected in rows:
            with self.subTest(what, request=request):
                connection = self.connect(service=service)
                raw = connection.ask(request.format(**self.names)).raw
                self.assertIn(comparable(raw, request), (expected,) if isinstance(expected, str) else expected)
                self.assertFalse(connection.readable(0.01) and not connection.closed_within(0.1),
                                 "bytes after the reply")

    def test_older_layout(self):
        self.check_rows(OLD_LAYOUT, "proxymap", _comparable)

    @not_with_stock(_NEW_LAYOUT)
    def test_newer_layout(self):
        self.check_rows(NEW_LAYOUT, "proxymap", lambda raw, _: shown(raw))

    def test_proxywrite_older_layout(self):
        self.check_rows(PROXYWRITE_OLD_LAYOUT, "proxywrite", _comparable)

    @not_with_stock(_NEW_LAYOUT)
    def test_proxywrite_newer_layout(self):
        self.check_rows(PROXYWRITE_NEW_LAYOUT, "proxywrite", lambda raw, _: shown(raw))

    @not_with_stock(_NEW_LAYOUT)
    def test_both_layouts_on_one_connection(self):
        connection = self.connect()
        self.assert_works(connection)
        reply = connection.lookup(self.names["PG"], "Postmaster", DAEMON_LOOKUP, DAEMON_INSTANCE)
        self.assertEqual(shown(reply.raw), "status¦0¦flags¦1589328¦value¦root¦¦")
        self.assert_works(connection)

    @not_with_stock(_NEW_LAYOUT)
    def test_newer_layout_without_smtputf8(self):
        self.postfix.write_main_cf(smtputf8_enable="no")
        self.addCleanup(self.postfix.reload_and_settle)
        self.addCleanup(lambda: self.postfix.write_main_cf(smtputf8_enable=None))
        self.postfix.reload_and_settle()
        reply = self.connect().open(self.names["PG"], DAEMON_INSTANCE, layout="instance_flags")
        self.assertEqual(shown(reply.raw), "status¦0¦flags¦540752¦¦")

    def test_the_connection_works_after_an_unknown_request(self):
        for request in ("request¦frob¦¦", "request¦frob¦table¦x¦flags¦0¦¦"):
            connection = self.connect()
            self.assertEqual(shown(connection.ask(request).raw), "status¦3¦¦")
            self.assert_works(connection)

    def test_the_connection_works_after_an_extra_attribute(self):
        connection = self.connect()
        request = f"request¦lookup¦table¦{self.names['PG']}¦flags¦0¦key¦postmaster¦zzz¦1¦¦"
        self.assertEqual(shown(connection.ask(request).raw), "status¦0¦value¦root¦¦")
        self.assert_works(connection)

    def test_messages_that_are_no_requests(self):
        for message in ("foo¦bar¦¦", "¦"):
            with self.subTest(message=message):
                connection = self.connect()
                connection.send(message)
                if connection.readable(0.3):
                    self.assertTrue(connection.closed_within(1.0), "an answer to no request")
                    self.assert_still_serves()
                else:
                    self.assert_works(connection)

    def test_open_makes_no_database_connection(self):
        self.assertEqual(self.connect().open(self.names["UNTOUCHED"], DAEMON_INSTANCE).status, proxymap_client.OK)
        time.sleep(0.2)
        self.assertEqual(self.postgres.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = 'untouched'"),
                         [["0"]])

    def test_a_lookup_as_first_request_of_a_new_process(self):
        self.postfix.reload_and_settle()
        self.assert_still_serves()

    @not_with_stock("the process dies")
    def test_sequence_is_answered_with_an_error(self):
        connection = self.connect()
        for function in (0, 1):
            reply = connection.ask(f"request¦sequence¦table¦{self.names['PG']}¦flags¦0¦function¦{function}¦¦")
            self.assertEqual(shown(reply.raw), "status¦2¦key¦¦value¦¦¦")
        self.assert_works(connection)

    @not_with_stock("panics")
    def test_all_flags_set_do_no_harm(self):
        for flags in ("4294967295", "-1"):
            connection = self.connect()
            reply = connection.ask(f"request¦open¦table¦{self.names['PG']}¦flags¦{flags}¦¦")
            self.assertEqual(reply.status, proxymap_client.OK)
            reply = connection.ask(f"request¦lookup¦table¦{self.names['PG']}¦flags¦{flags}¦key¦postmaster¦¦")
            self.assertEqual(reply.status, proxymap_client.OK)
        self.assert_still_serves()

    # Bytes in pieces

    def test_a_request_byte_by_byte(self):
        connection = self.connect()
        for byte in lookup_request(self.names["PG"], "postmaster"):
            connection.send(bytes([byte]))
            time.sleep(0.001)
        self.assertEqual(shown(connection.receive_message()), "status¦0¦value¦root¦¦")

    def test_a_request_with_a_short_pause(self):
        connection = self.connect()
        request = lookup_request(self.names["PG"], "postmaster")
        connection.send(request[:30])
        time.sleep(0.5)
        connection.send(request[30:])
        self.assertEqual(shown(connection.receive_message()), "status¦0¦value¦root¦¦")

    @not_with_stock("the connection hangs, the process spins")
    def test_a_request_with_a_long_pause(self):
        connection = self.connect()
        request = lookup_request(self.names["PG"], "postmaster")
        connection.send(request[:30])
        time.sleep(1.5)
        try:
            connection.send(request[30:])
            self.assertEqual(shown(connection.receive_message()), "status¦0¦value¦root¦¦")
            self.assert_works(connection)
        except (proxymap_client.Closed, BrokenPipeError):
            pass

    @not_with_stock("the process spins")
    def test_an_abandoned_half_request_costs_no_time(self):
        connection = self.connect()
        connection.send(lookup_request(self.names["PG"], "postmaster")[:30])
        time.sleep(1.2)
        connection.send(b"more\0")
        connection.close()
        time.sleep(0.2)
        (pid,) = self.postfix.proxymap_pids()
        before = processes.cpu_seconds(pid)
        time.sleep(1.0)
        self.assertLess(processes.cpu_seconds(pid) - before, 0.3)

    @not_with_stock("the second one is lost")
    def test_two_lookups_in_one_write_are_answered_in_order(self):
        connection = self.connect()
        connection.send(lookup_request(self.names["ECHO"], "first") + lookup_request(self.names["ECHO"], "second"))
        self.assertEqual(connection.receive().value, b"first")
        self.assertEqual(connection.receive().value, b"second")

    def test_half_close_after_a_request(self):
        connection = self.connect()
        connection.send(lookup_request(self.names["PG"], "postmaster"))
        connection.half_close()
        self.assertEqual(shown(connection.receive_message()), "status¦0¦value¦root¦¦")
        self.assertTrue(connection.closed_within(2.0))

    def test_half_close_inside_a_request(self):
        connection = self.connect()
        connection.send(lookup_request(self.names["PG"], "postmaster")[:-5])
        connection.half_close()
        try:
            self.assertEqual(connection.receive().status, proxymap_client.BAD)
        except proxymap_client.Closed as closed:
            self.assertEqual(closed.received, b"")
        self.assertTrue(connection.closed_within(2.0))

    # Sizes

    def test_a_long_key(self):
        self.assertEqual(shown(self.connect().lookup(self.names["PG"], "k" * 100_000).raw), "status¦1¦value¦¦¦")

    @not_with_stock("has no limit")
    def test_a_request_without_end_is_given_up(self):
        connection = self.connect()
        try:
            connection.send(lookup_request(self.names["PG"], "")[:-2])
            for _ in range(64):
                connection.send(b"k" * 65536)
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            pass
        self.assertTrue(connection.closed_within(15.0))
        self.assert_still_serves()

    def test_control_characters_pass_unchanged(self):
        key = b"a\nb\tc\x01d"
        self.assertEqual(self.connect().lookup(self.names["ECHO"], key).value, key)

    def test_long_values_arrive_whole(self):
        connection = self.connect()
        for size in (4095, 4096, 4097, 65536, 70_000, 1_000_000):
            self.assertEqual(connection.lookup(self.names["LONG"], str(size)).value, b"x" * size)

    # Clients that misbehave, and many of them

    def test_clients_that_do_not_read_their_replies(self):
        for _ in range(20):
            connection = self.connect()
            connection.send(lookup_request(self.names["LONG"], "100000"))
            connection.close()
        self.assert_still_serves()

    @not_with_stock("one that does not read holds its process for a second")
    def test_a_client_that_stalls_costs_only_itself(self):
        connection = self.connect()
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.send(lookup_request(self.names["LONG"], "5000000"))
        time.sleep(0.1)
        started = time.monotonic()
        self.assert_still_serves()
        self.assertLess(time.monotonic() - started, 0.5)

    def test_a_thousand_idle_connections(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = min(hard if hard != resource.RLIM_INFINITY else 4096, 4096)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
        idle = [self.connect() for _ in range(1000)]
        started = time.monotonic()
        self.assert_still_serves()
        self.assertLess(time.monotonic() - started, 2.0)
        self.assert_works(idle[500])

    # The log

    def logged_by(self, action):
        """What action() made the server log. A request that is surely logged marks the end."""
        position = self.postfix.log_position()
        action()
        mark = f"pgsql:/mark-{position}-{time.monotonic_ns()}"
        self.connect().open(mark)
        self.postfix.wait_for_log(mark, position)
        return "".join(line for line in self.postfix.log_since(position).splitlines(True) if mark not in line)

    def test_a_denied_table_is_logged_with_what_to_do(self):
        name = "pgsql:/denied-and-logged.cf"
        position = self.postfix.log_position()
        self.connect().open(name)
        self.postfix.wait_for_log(f'warning: request for unapproved table: "{name}"', position)
        self.postfix.wait_for_log(f"list proxy:{name} in main.cf:proxy_read_maps", position)

    def test_a_denied_table_of_proxywrite_is_logged_with_its_parameter(self):
        name = "pgsql:/denied-for-writing.cf"
        position = self.postfix.log_position()
        self.connect(service="proxywrite").open(name)
        self.postfix.wait_for_log(f"list proxy:{name} in main.cf:proxy_write_maps", position)

    def test_a_table_name_without_a_type_is_no_matter_of_approval(self):
        name = "no-type-here"
        self.assertNotIn("unapproved", self.logged_by(lambda: self.connect().lookup(name, "x")))

    def test_a_refused_update_is_logged(self):
        table = "pgsql:/refused-update.cf"
        position = self.postfix.log_position()
        self.connect().ask(f"request¦update¦table¦{table}¦flags¦0¦key¦k¦value¦v¦¦")
        self.postfix.wait_for_log(f"warning: refusing {table} update request on non-proxywrite service", position)

    def test_wire_notation(self):
        self.assertEqual(wire("status¦0¦¦"), b"status\x000\x00\x00")


if __name__ == "__main__":
    scenario.main()
