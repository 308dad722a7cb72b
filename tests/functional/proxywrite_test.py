#!/usr/bin/env python3
"""proxyd in the proxywrite entry: tables that are written, and the caches of postscreen and verify."""

import os
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from harness import proxymap_client, scenario
from harness.postfix import Postfix
from harness.ports import reserve_port
from harness.proxymap_client import FIXED, OK, Connection, encode
from harness.scenario import not_with_stock
from harness.smtp import SmtpSession

_OPEN_LOCK = 65536  # the flag with which writing programs open their tables


class ProxywriteTest(scenario.Scenario):
    @classmethod
    def set_up_servers(cls):
        cls.postscreen_port = reserve_port()
        cls.postfix = Postfix(cls.workspace, scenario.tested(), {
            "proxy_write_maps": "$address_verify_map $postscreen_cache_map proxy:btree:$data_directory/test",
            "address_verify_map": "proxy:btree:$data_directory/verify_cache",
            "postscreen_cache_map": "proxy:btree:$data_directory/postscreen_cache",
            "postscreen_cache_cleanup_interval": "2s",
            "postscreen_greet_wait": "1s",
            "virtual_mailbox_domains": "verified.example",
            "virtual_mailbox_maps": "static:x",
            "virtual_transport": "discard:",
            "smtpd_recipient_restrictions": "reject_unverified_recipient",
            "address_verify_poll_count": "10",
        }, services=[
            "proxywrite-stock unix - - n - 1 proxymap -n proxywrite",
            f"127.0.0.1:{cls.postscreen_port} inet n - n - 1 postscreen",
            "smtpd pass - - n - - smtpd",
            "tlsproxy unix - - n - 0 tlsproxy",
            "dnsblog unix - - n - 0 dnsblog",
        ]).start()
        cls.table = f"btree:{cls.postfix.data}/test"

    def connect(self, service="proxywrite"):
        connection = Connection(self.postfix.socket(service))
        self.addCleanup(connection.close)
        return connection

    @staticmethod
    def request(name, table, *more, newer=False):
        flags = [("instance_flags", _OPEN_LOCK)] if newer else []
        return encode(("request", name), ("table", table), *flags, ("flags", _OPEN_LOCK), *more)

    def check_requests(self, newer):
        connection = self.connect()

        def ask(name, *more):
            return connection.ask(self.request(name, self.table, *more, newer=newer))

        opened = connection.open(self.table, _OPEN_LOCK, "instance_flags" if newer else "flags")
        self.assertEqual((opened.status, opened.flags & FIXED), (OK, FIXED))
        key, value = ("key", "client"), ("value", "x;y")
        self.assertEqual(ask("lookup", key).status, proxymap_client.NOKEY)
        updated = ask("update", key, value)
        self.assertEqual(updated.status, OK)
        if newer:
            self.assertEqual(updated.flags, _OPEN_LOCK | 384)
        self.assertEqual(ask("lookup", key).value, b"x;y")
        self.assertEqual(self.connect("proxywrite-stock" if scenario.tested().is_proxyd else "proxywrite").lookup(
            self.table, "client", _OPEN_LOCK).value, b"x;y")
        first = ask("sequence", ("function", 0))
        self.assertEqual(dict(first.attributes)[b"key"], b"client")
        self.assertEqual(ask("sequence", ("function", 1)).status, proxymap_client.NOKEY)
        deleted = ask("delete", key)
        self.assertEqual(deleted.status, OK)
        if newer:
            self.assertEqual(deleted.flags, _OPEN_LOCK | 256)
        self.assertEqual(ask("delete", key).status, proxymap_client.NOKEY)

    def test_all_requests(self):
        self.check_requests(newer=False)

    @not_with_stock("knows the older layout only")
    def test_all_requests_of_a_newer_postfix(self):
        self.check_requests(newer=True)

    def test_an_unapproved_table_is_denied(self):
        self.assertEqual(self.connect().open("btree:/etc/other", _OPEN_LOCK).status, proxymap_client.DENY)

    def test_postscreen_remembers_who_has_passed(self):
        since = self.postfix.log_position()
        for expected in ("PASS NEW", "PASS OLD"):
            session = self.postfix.log_position()
            with socket.create_connection(("127.0.0.1", self.postscreen_port), timeout=30) as client:
                client.recv(1024)
                self.postfix.wait_for_log(expected, session, timeout=30.0)
            # postscreen does not log PASS for a client that is still connected with another session.
            self.postfix.wait_for_log(r"smtpd\[\d+\]: disconnect from", session)
        # The cleanup reads the whole table.
        self.postfix.wait_for_log(r"cache proxy:btree:\S*postscreen_cache full cleanup: retained=1", since,
                                  timeout=30.0)
        self.assertNotRegex(self.postfix.log_since(since), r"postscreen\[\d+\]: (warning|fatal|error)")

    def test_verify_remembers_what_it_has_found_out(self):
        with SmtpSession("127.0.0.1", self.postfix.smtp_port) as session:
            self.assertEqual(session.rcpt("user@verified.example")[0], 250)
        connection = self.connect()
        table = f"btree:{self.postfix.data}/verify_cache"
        reply = connection.ask(self.request("lookup", table, ("key", "user@verified.example")))
        self.assertEqual(reply.status, OK, reply)
        self.assertRegex(reply.value.decode(), r"^0:\d+:\d+:")


if __name__ == "__main__":
    scenario.main()
