#!/usr/bin/env python3
"""SMTP sessions that send one RCPT TO after the other and check each reply; prints a line of JSON.

The recipients file has the lines "known ADDRESS" and "unknown ADDRESS". A reply to a known address must be 250,
and one to an unknown address 550 with "User unknown". A transaction has some recipients and ends with RSET. The
count begins when all sessions are there and have worked for the time of --warmup.
"""

import argparse
import collections
import json
import os
import random
import select
import socket
import sys
import time

_START_LIMIT = 60  # seconds until all sessions are greeted
_TICKS = os.sysconf("SC_CLK_TCK")


def host_seconds():
    """Time that all processors have been busy since the start of the machine, in user and in kernel mode."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _idle, _iowait, irq, softirq = map(int, file.readline().split()[1:8])
    return (user + nice + system + irq + softirq) / _TICKS


def read_recipients(path):
    """[(command, is known)]"""
    with open(path, encoding="ascii") as file:
        pairs = (line.split() for line in file)
        return [(f"RCPT TO:<{address}>\r\n".encode(), kind == "known") for kind, address in pairs]


class Session:
    """One connection. Its state is the command that waits for its reply."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.state = "greeting"
        self.is_known = False  # the address of this RCPT
        self.sent = 0.0
        self.left = 0  # recipients of this transaction
        self.received = b""

    def send(self, state, command):
        self.state = state
        self.sent = time.perf_counter()
        self.socket.sendall(command)


class Load:
    """All sessions."""

    _EXPECTED = {"greeting": b"220", "HELO": b"250", "MAIL": b"250", "RCPT": b"250", "RSET": b"250"}

    def __init__(self, options):
        self._options = options
        self._recipients = read_recipients(options.recipients)
        self._random = random.Random(1)
        self._epoll = select.epoll()
        self._sessions = {}
        self._ready = 0
        self._counting = False
        self.latencies = []
        self.failed = 0
        self.examples = collections.Counter()

    def run(self):
        for _ in range(self._options.sessions):
            session = Session(self._options.port)
            self._sessions[session.socket.fileno()] = session
            self._epoll.register(session.socket, select.EPOLLIN)
        self._work(_START_LIMIT, lambda: self._ready == self._options.sessions)
        if self._ready < self._options.sessions:
            self._fail(f"{self._options.sessions - self._ready} sessions were not greeted within {_START_LIMIT} s")
        self._work(self._options.warmup)
        self._counting = True
        started, host, own = time.perf_counter(), host_seconds(), time.process_time()
        self._work(self._options.seconds)
        seconds, host, own = time.perf_counter() - started, host_seconds() - host, time.process_time() - own
        return self._report(seconds, host, own)

    def _work(self, seconds, is_done=lambda: False):
        end = time.perf_counter() + seconds
        while self._sessions and not is_done() and (left := end - time.perf_counter()) > 0:
            for descriptor, _ in self._epoll.poll(left):
                self._receive(self._sessions[descriptor])

    def _receive(self, session):
        try:
            data = session.socket.recv(4096)
        except ConnectionResetError:
            data = b""
        if not data:
            self._fail(f"connection closed after {session.state}")
            descriptor = session.socket.fileno()
            self._epoll.unregister(descriptor)
            del self._sessions[descriptor]
            session.socket.close()
            return
        session.received += data
        if session.received.endswith(b"\n"):
            line = session.received[session.received.rfind(b"\n", 0, -1) + 1:]
            if line[3:4] == b" ":
                session.received = b""
                self._judge(session, line)
                self._continue(session)

    def _judge(self, session, line):
        if session.state == "RCPT" and self._counting:
            self.latencies.append(time.perf_counter() - session.sent)
        if session.state == "RCPT" and not session.is_known:
            well = line.startswith(b"550 ") and b"User unknown" in line
        else:
            well = line.startswith(self._EXPECTED[session.state])
        if not well:
            self._fail(f"{session.state}: {line.decode(errors='replace').strip()}")

    def _fail(self, what):
        self.failed += 1
        if len(self.examples) < 5 or what in self.examples:
            self.examples[what] += 1

    def _continue(self, session):
        if session.state == "greeting":
            session.send("HELO", b"HELO client.outside.example\r\n")
        elif session.state in ("HELO", "RSET"):
            self._ready += session.state == "HELO"
            session.left = self._options.transaction
            session.send("MAIL", b"MAIL FROM:<sender@outside.example>\r\n")
        elif session.left == 0:
            session.send("RSET", b"RSET\r\n")
        else:
            session.left -= 1
            command, session.is_known = self._random.choice(self._recipients)
            session.send("RCPT", command)

    def _report(self, seconds, host, own):
        latencies, count = sorted(self.latencies), max(1, len(self.latencies))
        return {"rcpts": len(latencies), "seconds": seconds, "rcpt_per_second": len(latencies) / seconds,
                "rcpt_p50_ms": 1e3 * _percentile(latencies, 0.5), "rcpt_p99_ms": 1e3 * _percentile(latencies, 0.99),
                "host_us": 1e6 * host / count, "client_us": 1e6 * own / count,
                "failed": self.failed, "examples": dict(self.examples)}


def _percentile(ordered, share):
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--recipients", metavar="FILE", required=True)
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--transaction", type=int, default=10, metavar="N", help="recipients of one (default: 10)")
    parser.add_argument("--warmup", type=float, default=1)
    parser.add_argument("--seconds", type=float, default=5)
    report = Load(parser.parse_args()).run()
    print(json.dumps(report))
    return 0 if report["rcpts"] and not report["failed"] else 1


if __name__ == "__main__":
    sys.exit(main())
