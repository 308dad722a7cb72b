#!/usr/bin/env python3
"""Bytes in, bytes out: requests on the service's socket, those of any Postfix and malformed ones."""

import os
import resource
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from functional import mail_database, wire_rows
from harness import processes, proxymap_client, scenario
from harness.mariadb import Mariadb
from harness.postfix import Postfix
from harness.postgres import Postgres
from harness.proxymap_client import DAEMON_INSTANCE, DAEMON_LOOKUP, GREETING, Connection, lookup_request, shown, wire
from harness.scenario import not_with_stock

_NEW_LAYOUT = "knows the older layout only"


def _comparable(raw, request):
    """In the older layout only some flag bits of an open reply have a meaning."""
    reply = proxymap_client.Reply(raw)
    if request.startswith("request¦open") and reply.status == proxymap_client.OK and reply.flags is not None:
        return f"status¦0¦flags¦{reply.flags & proxymap_client.IMPLEMENTATION_FLAGS}¦¦"
    return shown(raw)


class WireTest(scenario.Scenario):
    server_class = Postgres

    @classmethod
    def set_up_servers(cls):
        cls.database = mail_database.start(cls.workspace, cls.server_class)
        cls.database.create_database("untouched")
        cls.kind = kind = cls.database.KIND
        tables = mail_database.table_files(cls.workspace, cls.database)
        cls.names = {
            "KIND": kind,
            "MAP": tables.add(kind, "map", query="SELECT dest FROM aliases WHERE addr='%s'"),
            "ECHO": tables.add(kind, "echo", query="SELECT '%s'"),
            "LONG": tables.add(kind, "long", query="SELECT repeat('x', %u)"),
            "LATIN1": tables.add(kind, "latin1", query="SELECT dest FROM aliases WHERE addr='%s'",
                                 **mail_database.LATIN1[kind]),
            "BROKEN": tables.add_text(kind, "broken", None),
            "UNTOUCHED": tables.add(kind, "untouched", query="SELECT '%s'", dbname="untouched"),
        }
        cls.postfix = Postfix(cls.workspace, scenario.tested(), {
            "proxy_read_maps": tables.proxied(),
            "proxy_write_maps": f"proxy:{cls.names['MAP']}",
        }, "lookup_timeout = 5s\n").start()
        cls.names["OTHER"] = tables.name(kind, "not-approved")

    def connect(self, **keywords):
        service = keywords.pop("service", "proxymap")
        connection = Connection(self.postfix.socket(service), **keywords)
        self.addCleanup(connection.close)
        return connection

    def assert_works(self, connection):
        self.assertEqual(shown(connection.lookup(self.names["MAP"], "postmaster").raw), "status¦0¦value¦root¦¦")

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
        self.check_rows(wire_rows.OLD_LAYOUT, "proxymap", _comparable)

    @not_with_stock(_NEW_LAYOUT)
    def test_newer_layout(self):
        self.check_rows(wire_rows.NEW_LAYOUT, "proxymap", lambda raw, _: shown(raw))

    def test_proxywrite_older_layout(self):
        self.check_rows(wire_rows.PROXYWRITE_OLD_LAYOUT, "proxywrite", _comparable)

    @not_with_stock(_NEW_LAYOUT)
    def test_proxywrite_newer_layout(self):
        self.check_rows(wire_rows.PROXYWRITE_NEW_LAYOUT, "proxywrite", lambda raw, _: shown(raw))

    @not_with_stock(_NEW_LAYOUT)
    def test_both_layouts_on_one_connection(self):
        connection = self.connect()
        self.assert_works(connection)
        reply = connection.lookup(self.names["MAP"], "Postmaster", DAEMON_LOOKUP, DAEMON_INSTANCE)
        self.assertEqual(shown(reply.raw), "status¦0¦flags¦1589328¦value¦root¦¦")
        self.assert_works(connection)

    @not_with_stock(_NEW_LAYOUT)
    def test_newer_layout_without_smtputf8(self):
        self.postfix.write_main_cf(smtputf8_enable="no")
        self.addCleanup(self.postfix.reload_and_settle)
        self.addCleanup(lambda: self.postfix.write_main_cf(smtputf8_enable=None))
        self.postfix.reload_and_settle()
        reply = self.connect().open(self.names["MAP"], DAEMON_INSTANCE, layout="instance_flags")
        self.assertEqual(shown(reply.raw), "status¦0¦flags¦540752¦¦")

    def test_the_connection_works_after_an_unknown_request(self):
        for request in ("request¦frob¦¦", "request¦frob¦table¦x¦flags¦0¦¦"):
            connection = self.connect()
            self.assertEqual(shown(connection.ask(request).raw), "status¦3¦¦")
            self.assert_works(connection)

    def test_the_connection_works_after_an_extra_attribute(self):
        connection = self.connect()
        request = f"request¦lookup¦table¦{self.names['MAP']}¦flags¦0¦key¦postmaster¦zzz¦1¦¦"
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
        self.assertEqual(self.database.connections("untouched"), 0)

    def test_a_lookup_as_first_request_of_a_new_process(self):
        self.postfix.reload_and_settle()
        self.assert_still_serves()

    @not_with_stock("the process dies")
    def test_sequence_is_answered_with_an_error(self):
        connection = self.connect()
        for function in (0, 1):
            reply = connection.ask(f"request¦sequence¦table¦{self.names['MAP']}¦flags¦0¦function¦{function}¦¦")
            self.assertEqual(shown(reply.raw), "status¦2¦key¦¦value¦¦¦")
        self.assert_works(connection)

    @not_with_stock("panics")
    def test_all_flags_set_do_no_harm(self):
        for flags in ("4294967295", "-1"):
            connection = self.connect()
            reply = connection.ask(f"request¦open¦table¦{self.names['MAP']}¦flags¦{flags}¦¦")
            self.assertEqual(reply.status, proxymap_client.OK)
            reply = connection.ask(f"request¦lookup¦table¦{self.names['MAP']}¦flags¦{flags}¦key¦postmaster¦¦")
            self.assertEqual(reply.status, proxymap_client.OK)
        self.assert_still_serves()

    # Fragmented requests

    def test_a_request_byte_by_byte(self):
        connection = self.connect()
        for byte in lookup_request(self.names["MAP"], "postmaster"):
            connection.send(bytes([byte]))
            time.sleep(0.001)
        self.assertEqual(shown(connection.receive_message()), "status¦0¦value¦root¦¦")

    def test_a_request_with_a_short_pause(self):
        connection = self.connect()
        request = lookup_request(self.names["MAP"], "postmaster")
        connection.send(request[:30])
        time.sleep(0.5)
        connection.send(request[30:])
        self.assertEqual(shown(connection.receive_message()), "status¦0¦value¦root¦¦")

    @not_with_stock("the connection hangs, the process spins")
    def test_a_request_with_a_long_pause(self):
        connection = self.connect()
        request = lookup_request(self.names["MAP"], "postmaster")
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
        connection.send(lookup_request(self.names["MAP"], "postmaster")[:30])
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
        connection.send(lookup_request(self.names["MAP"], "postmaster"))
        connection.half_close()
        self.assertEqual(shown(connection.receive_message()), "status¦0¦value¦root¦¦")
        self.assertTrue(connection.closed_within(2.0))

    def test_half_close_inside_a_request(self):
        connection = self.connect()
        connection.send(lookup_request(self.names["MAP"], "postmaster")[:-5])
        connection.half_close()
        try:
            self.assertEqual(connection.receive().status, proxymap_client.BAD)
        except proxymap_client.Closed as closed:
            self.assertEqual(closed.received, b"")
        self.assertTrue(connection.closed_within(2.0))

    # Sizes

    def test_a_long_key(self):
        self.assertEqual(shown(self.connect().lookup(self.names["MAP"], "k" * 100_000).raw), "status¦1¦value¦¦¦")

    @not_with_stock("has no limit")
    def test_a_request_without_end_is_given_up(self):
        connection = self.connect()
        try:
            connection.send(lookup_request(self.names["MAP"], "")[:-2])
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

    # Misbehaving clients, and many clients

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
        """The log lines that action() causes. A request that is certain to be logged marks their end."""
        position = self.postfix.log_position()
        action()
        mark = f"{self.kind}:/mark-{position}-{time.monotonic_ns()}"
        self.connect().open(mark)
        self.postfix.wait_for_log(mark, position)
        return "".join(line for line in self.postfix.log_since(position).splitlines(True) if mark not in line)

    def test_a_denied_table_is_logged_with_what_to_do(self):
        name = f"{self.kind}:/denied-and-logged.cf"
        position = self.postfix.log_position()
        self.connect().open(name)
        self.postfix.wait_for_log(f'warning: request for unapproved table: "{name}"', position)
        self.postfix.wait_for_log(f"list proxy:{name} in main.cf:proxy_read_maps", position)

    def test_a_denied_table_of_proxywrite_is_logged_with_its_parameter(self):
        name = f"{self.kind}:/denied-for-writing.cf"
        position = self.postfix.log_position()
        self.connect(service="proxywrite").open(name)
        self.postfix.wait_for_log(f"list proxy:{name} in main.cf:proxy_write_maps", position)

    def test_a_table_name_without_a_type_is_no_matter_of_approval(self):
        name = "no-type-here"
        self.assertNotIn("unapproved", self.logged_by(lambda: self.connect().lookup(name, "x")))

    def test_a_refused_update_is_logged(self):
        table = f"{self.kind}:/refused-update.cf"
        position = self.postfix.log_position()
        self.connect().ask(f"request¦update¦table¦{table}¦flags¦0¦key¦k¦value¦v¦¦")
        self.postfix.wait_for_log(f"warning: refusing {table} update request on non-proxywrite service", position)

    def test_wire_notation(self):
        self.assertEqual(wire("status¦0¦¦"), b"status\x000\x00\x00")


class MysqlWireTest(WireTest):
    server_class = Mariadb


if __name__ == "__main__":
    scenario.main()
