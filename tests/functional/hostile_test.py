#!/usr/bin/env python3
"""Hostile clients of a proxyd that runs on its own. Other clients still get the right answers, and memory and
descriptors stay bounded. Needs neither Postfix nor a database server.
"""

import array
import json
import os
import resource
import socket
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from functional import hostile_requests
from harness import processes, server
from harness.proxymap_client import (BAD, DENY, NOKEY, OK, Closed, Connection, PostfixLikeClient, encode,
                                     lookup_request, open_request)
from harness.stand_alone import StandAlone
from harness.waiting import wait_until
from harness.workspace import Workspace

_REQUEST_LIMIT = 65536
_OPTIONS = f"request_size_limit = {_REQUEST_LIMIT}\nrequest_timeout = 1s\n"
_MEGABYTE = 1 << 20
# The memory that the daemon may use beyond its size at rest, in any of these tests.
_MEMORY = 24 * _MEGABYTE


class HostileTest(unittest.TestCase):
    """The clients are those of Postfix 3.6 and later: the server greets them."""

    greeting = True

    @classmethod
    def setUpClass(cls):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        cls.addClassCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        cls.workspace = Workspace(cls.__name__.lower())
        cls.addClassCleanup(cls.workspace.close)
        cls.site = StandAlone(cls.workspace, server.proxyd().binary, "site")
        cls.echo = cls.table("echo", "SELECT '%s'")
        cls.long = cls.table("long", "SELECT hex(zeroblob(%u / 2))")
        cls.site.write_options(f"allowed_tables = {cls.site.table}, {cls.echo}, {cls.long}\n{_OPTIONS}"
                               f"postfix_greeting = {'yes' if cls.greeting else 'no'}\n")
        cls.site.start().wait_for_socket()
        assert cls.site.pid  # it serves
        with cls.connect() as connection:  # a first lookup, for one-time allocations
            for table in (cls.echo, cls.long, cls.site.table):
                connection.lookup(table, "1000000")
            cls.descriptors = cls.descriptors_open() - 1
        cls.memory = cls.memory_used()

    @classmethod
    def table(cls, name, query):
        path = f"{cls.site.directory}/{name}.cf"
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"dbpath = {cls.site.directory}/mail.db\nquery = {query}\n")
        return f"sqlite:{path}"

    @classmethod
    def connect(cls, timeout=20.0):
        return Connection(cls.site.socket, greeting=cls.greeting, timeout=timeout)

    @classmethod
    def descriptors_open(cls):
        """Of the serving process and the one in front, which has the control socket. Not counted: the daemon may open
        several handles of the database, and keeps them for a while.
        """
        return sum(processes.descriptors(pid, without=f"{cls.site.directory}/mail.db")
                   for pid in processes.family(cls.site.process.pid))

    @classmethod
    def memory_used(cls):
        return sum(map(processes.resident_bytes, processes.family(cls.site.process.pid)))

    def setUp(self):
        self.polite = self.connect()
        self.asked = 0
        self.addCleanup(self.assert_nothing_is_left)  # runs after the test has closed its connections

    def assert_nothing_is_left(self):
        """The client from before the attack still gets answers. Memory and descriptors are as they were."""
        with self.polite:
            self.assert_polite_is_answered()
        wait_until(lambda: self.descriptors_open() <= self.descriptors, "the descriptors return")
        self.assert_memory()

    def assert_polite_is_answered(self):
        self.asked += 1
        self.assertEqual(self.polite.lookup(self.echo, f"polite-{self.asked}").value, f"polite-{self.asked}".encode())
        self.assertEqual(self.polite.lookup(self.site.table, self.site.KEY).value, self.site.VALUE)

    def assert_memory(self):
        """The daemon returns the memory of large answers after some seconds without any."""
        wait_until(lambda: self.memory_used() - self.memory < _MEMORY, "the memory returns", 20)

    def ask_beside(self, message):
        """Sends `message` and a valid request; returns the reply to `message`, None if there is none."""
        with self.connect() as connection:
            connection.send(message + lookup_request(self.echo, "the one behind"))
            first = connection.receive()
            if first.value == b"the one behind":
                return None
            self.assertEqual(connection.receive().value, b"the one behind", first)
            return first

    # Truncated requests

    def test_every_truncation_of_every_request(self):
        for request in hostile_requests.good(self.echo):
            for size in range(1, len(request)):
                with self.connect() as connection:
                    connection.send(request[:size])
                    connection.half_close()
                    with self.assertRaises(Closed, msg=request[:size]) as closed:
                        connection.receive()
                    self.assertEqual(closed.exception.received, b"", request[:size])

    def test_every_request_in_two_pieces(self):
        whole = {request: self.ask_beside(request).raw for request in hostile_requests.good(self.echo)}
        with self.connect() as connection:
            for request, reply in whole.items():
                for size in range(1, len(request)):
                    connection.send(request[:size])
                    connection.send(request[size:])
                    self.assertEqual(connection.receive_message(), reply, (request, size))

    # Malformed requests

    def test_fields_that_are_too_long(self):
        for size in (1000, _REQUEST_LIMIT - 1000):
            for request in hostile_requests.with_long_fields(self.echo, size):
                reply = self.ask_beside(request)
                if reply is not None and reply.value:
                    self.assertEqual(reply.value.strip(b"x"), b"", request[:100])

    def test_requests_that_are_too_long_end_their_connection(self):
        for request in hostile_requests.with_long_fields(self.echo, 4 * _REQUEST_LIMIT):
            with self.connect() as connection:
                try:
                    connection.send(request)
                    self.assertEqual(connection.receive().status, BAD)
                except (Closed, BrokenPipeError, ConnectionResetError):
                    pass  # the reply may be lost when the connection closes with unread bytes under way
                self.assertTrue(connection.closed_within(10.0))

    def test_attributes_twice_missing_unknown_and_out_of_order(self):
        for request in hostile_requests.with_odd_attributes(self.echo):
            reply = self.ask_beside(request)
            if reply is None:
                self.assertFalse(request.startswith(b"request\0"), "no reply")
            elif reply.status == OK and reply.value:
                self.assertIn(reply.value, (b"key", b"other"), request)

    def test_requests_that_nobody_knows(self):
        for name in (b"", b"x", b"LOOKUP", b"lookup ", b"lookup\n", b"open,lookup", b"%s%n", b"\xff\xfe", b"k" * 5000):
            reply = self.ask_beside(encode(("request", name), ("table", self.echo), ("flags", 0), ("key", "key")))
            self.assertEqual(reply.raw, encode(("status", BAD)), name)

    def test_numbers(self):
        for number in ("-1", "4294967296", "4294967312", "18446744073709551616", "9" * 400, "+16", " 16"):
            for request in (lookup_request(self.echo, "key", number), lookup_request(self.echo, "key", number, number),
                            open_request(self.echo, number), open_request(self.echo, number, "instance_flags")):
                self.assertIn(self.ask_beside(request).status, (OK, BAD), request)
        for text in ("", "16 ", "x", "0x10", "1e3", "--1", "1\n", "1,2", "\u0661"):
            for request in (lookup_request(self.echo, "key", text), open_request(self.echo, text)):
                self.assertEqual(self.ask_beside(request).status, BAD, request)

    def test_null_bytes_where_they_do_not_belong(self):
        for count in range(1, 9):
            self.assertIn(getattr(self.ask_beside(b"\0" * count), "status", None), (None, BAD))
        good = lookup_request(self.echo, "key")
        for position in range(len(good)):
            with self.connect() as connection:
                connection.send(good[:position] + b"\0" + good[position:])
                connection.half_close()
                for reply in self.all_replies(connection):
                    self.assertIn(reply.status, (OK, NOKEY, BAD, DENY), position)
                    self.assertIn(reply.value or b"", b"key", position)

    @staticmethod
    def all_replies(connection):
        try:
            while True:
                yield connection.receive()
        except Closed:
            return

    def test_table_names_that_nobody_approved(self):
        for name in ("", ":", "proxy:", "sqlite:", "sqlite:/etc/passwd", f"{self.echo}x", self.echo[:-1],
                     "../" + self.echo, self.echo.replace("/", "//"), self.echo.upper(), f"unionmap:{{{self.echo}}}", "unix:passwd.byname",
                     "pipemap:" + "{" * 20000, "proxy:" * 5000 + "x:y", "sqlite:/" + "../" * 10000, "%s%s%n:%s"):
            reply = self.ask_beside(lookup_request(name, "key"))
            self.assertIn(reply.status, (BAD, DENY), name[:50])
            self.assertFalse(reply.value, name[:50])

    # Many requests, large requests, slow requests

    def test_the_memory_of_large_answers_returns(self):
        size = 14 * _MEGABYTE
        sizes = []

        def ask():
            client = PostfixLikeClient(self.site.socket, greeting=self.greeting)
            try:
                sizes.append(len(client.lookup(self.long, str(size)).value))
            finally:
                client.close()

        for _ in range(3):  # every thread of the daemon gets some
            clients = [threading.Thread(target=ask) for _ in range(4)]
            for client in clients:
                client.start()
            for client in clients:
                client.join()
        self.assertEqual(sizes, [size] * 12)

    def test_a_thousand_stalled_half_requests(self):
        request = lookup_request(self.echo, "key")
        stalled = [self.connect() for _ in range(1000)]
        for number, connection in enumerate(stalled):
            self.addCleanup(connection.close)
            connection.send(request[:1 + number % (len(request) - 1)])
        self.assert_polite_is_answered()
        self.assert_memory()
        # The daemon closes the connections by itself; the test closes none.
        wait_until(lambda: self.descriptors_open() <= self.descriptors + 1, "the descriptors return", 20.0)
        self.assertTrue(all(connection.closed_within(1.0) for connection in stalled))

    def test_connections_that_come_and_go(self):
        for turn in range(3000):
            connection = self.connect() if turn % 3 else Connection(self.site.socket, greeting=False)
            if turn % 2:
                connection.send(lookup_request(self.echo, "nobody waits for this"))
            connection.close()
        self.assert_polite_is_answered()

    def test_a_hundred_megabytes_without_an_end(self):
        with self.connect() as connection:
            sent = 0
            try:
                connection.send(lookup_request(self.echo, "x" * 100)[:-2])
                while sent < 100 * _MEGABYTE:
                    connection.send(b"x" * _MEGABYTE)
                    sent += _MEGABYTE
            except (BrokenPipeError, ConnectionResetError):
                pass
            self.assertLess(sent, 10 * _MEGABYTE)
            self.assert_memory()

    def test_a_hundred_megabytes_of_requests_for_nothing(self):
        """Each request is complete, small and invalid. The client reads none of the replies."""
        self.send_without_reading(encode(("request", "nonsense")) * 1000, 100 * _MEGABYTE)

    def test_a_client_that_never_reads_its_replies(self):
        self.send_without_reading(lookup_request(self.echo, "x" * 1000) * 100, 100 * _MEGABYTE)

    def test_a_client_that_never_reads_long_replies(self):
        self.send_without_reading(lookup_request(self.long, "1000000") * 100, 100 * _MEGABYTE)

    def send_without_reading(self, message, size):
        """Sends until the daemon takes no more. That must happen long before `size` bytes."""
        with self.connect() as connection:
            connection.socket.setblocking(False)
            sent = 0

            def stuck():
                nonlocal sent
                try:
                    while sent < size:
                        sent += connection.socket.send(message)
                    return True
                except BlockingIOError:
                    return sent == before
            before = -1
            while not stuck():
                before = sent
                self.assert_polite_is_answered()
            self.assertLess(sent, 10 * _MEGABYTE, "the daemon takes everything")
            self.assert_memory()

    def test_clients_that_say_no_more_and_read_late_are_closed(self):
        late = [self.connect() for _ in range(8)]
        for connection in late:
            self.addCleanup(connection.close)
            connection.send(lookup_request(self.long, "1000000"))
            connection.half_close()
        wait_until(lambda: all(connection.readable() for connection in late), "the replies begin")
        for connection in late:
            self.assertEqual(len(connection.receive().value), 1000000)
            self.assertTrue(connection.closed_within(5.0))

    def test_a_flood_of_requests_holds_up_nobody(self):
        """Other clients get their turn before one that has sent thousands of requests has all replies."""
        requests = 20_000
        flood = self.connect(timeout=120.0)
        self.addCleanup(flood.close)
        replies = 0
        wrong = []

        def send():
            for number in range(0, requests, 100):
                flood.socket.sendall(b"".join(lookup_request(self.echo, f"flood-{one}")
                                              for one in range(number, number + 100)))

        def receive():
            nonlocal replies
            for number in range(requests):
                reply = flood.receive()
                replies += 1
                if reply.value != f"flood-{number}".encode():
                    wrong.append((number, reply))

        threads = [threading.Thread(target=send), threading.Thread(target=receive)]
        for thread in threads:
            thread.start()
        wait_until(lambda: replies > 100, "the flood has begun")
        for _ in range(20):
            self.assert_polite_is_answered()
        self.assertLess(replies, requests, "the others had to wait for the whole flood")
        self.assert_memory()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_a_flood_of_what_is_no_request_holds_up_nobody(self):
        flood = self.connect(timeout=120.0)
        self.addCleanup(flood.close)
        chunk = b"\0" * 65536  # 65536 messages without attributes
        sent = 0
        over = False

        def send():
            nonlocal sent
            try:
                while not over:
                    sent += flood.socket.send(chunk)
            except ConnectionError:
                pass

        thread = threading.Thread(target=send)
        thread.start()
        wait_until(lambda: sent > 0, "the flood has begun")
        for _ in range(200):
            self.assert_polite_is_answered()
        taken = sent
        over = True
        flood.half_close()
        thread.join()
        # A lookup may wait for a few of these messages, but not for a whole buffer of them.
        self.assertLess(taken, 4 * _MEGABYTE)

    def test_a_request_behind_much_that_is_none(self):
        with self.connect() as connection:
            connection.send(b"\0" * 5000 + lookup_request(self.echo, "key"))
            connection.half_close()
            self.assertEqual(connection.receive().value, b"key")
            self.assertTrue(connection.closed_within(10.0))

    def test_descriptors_sent_along_are_not_kept(self):
        with open("/dev/null", "rb") as null, self.connect() as connection:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [null.fileno()] * 200))]
            for number in range(20):
                connection.socket.sendmsg([lookup_request(self.echo, f"key-{number}")], rights)
                self.assertEqual(connection.receive().value, f"key-{number}".encode())
            self.assertLessEqual(self.descriptors_open(), self.descriptors + 2)

    # The control socket

    def control(self, request):
        """The reply of the control socket as bytes; empty if it closes without one."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(20.0)
            connection.connect(f"{self.site.socket}.control")
            answer = b""
            try:
                connection.sendall(request)
                while chunk := connection.recv(65536):
                    answer += chunk
            except (BrokenPipeError, ConnectionResetError):
                pass
            return answer

    def test_control_requests_that_are_none(self):
        for request in (b"\n", b"{}\n", b"[]\n", b"null\n", b"1e999\n", b"\xff\n", b"\0\n", b'{"command": 1}\n',
                        b'{"command": "\\ud800"}\n', b'{"command": "status"\n', b'{"command": "no\\u0000ne"}\n',
                        b"[" * 60000 + b"\n", b'{"a":' * 12000 + b"1" + b"}" * 2000 + b"\n",
                        b'{"command": ' + b"[" * 20000 + b"]" * 20000 + b"}\n"):
            answer = json.loads(self.control(request))
            self.assertEqual((answer["ok"], type(answer["error"])), (False, str), request[:50])

    def test_a_control_request_that_is_too_long(self):
        self.assertEqual(self.control(b" " * _MEGABYTE), b"")

    def test_stalled_control_clients(self):
        path = f"{self.site.socket}.control"
        stalled = []
        for _ in range(100):
            stalled.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            self.addCleanup(stalled[-1].close)
            stalled[-1].connect(path)
            try:
                stalled[-1].send(b'{"command"')
            except BrokenPipeError:
                pass  # over the limit of connections
        self.assert_polite_is_answered()
        self.assertLess(self.descriptors_open(), self.descriptors + 30)
        wait_until(lambda: self.descriptors_open() <= self.descriptors + 1, "the descriptors return", 20.0)
        self.assertTrue(json.loads(self.control(b'{"command": "status"}\n'))["ok"])


class HostileOlderTest(HostileTest):
    """The clients are those of Postfix before 3.6: the server does not greet them."""

    greeting = False


if __name__ == "__main__":
    unittest.main(verbosity=2)
