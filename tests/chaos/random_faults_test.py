#!/usr/bin/env python3
"""Random faults between proxyd and its database. Clients know the right answers.

CHAOS_SECONDS: how long, for each database; CHAOS_SEED: which faults. A run prints its seed.
"""

import contextlib
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from harness import processes, proxymap_client, scenario
from harness.chaos_proxy import ChaosProxy, Fault
from harness.mariadb import Mariadb
from harness.postgres import Postgres
from harness.proxymap_client import Connection
from harness.stand_alone import StandAlone
from harness.tables import TableFiles
from harness.waiting import wait_until

_SEED = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(1_000_000))
_SECONDS = float(os.environ.get("CHAOS_SECONDS") or 20)

_POOL_SIZE = 8
_CLIENTS = 12
_MAILBOXES = 500
_LOOKUP_TIMEOUT = 3.0
_OPTIONS = f"pool_size = {_POOL_SIZE}\nlookup_timeout = {_LOOKUP_TIMEOUT:g}s\nconnect_timeout = 1s\n"
_LATE = 1.0  # seconds after lookup_timeout in which an answer must come
_RECOVERY = 2.0  # seconds after the last fault from which all lookups must succeed
_CALM = 3.0  # seconds without a fault, long enough to check the recovery
_MEMORY_GROWTH = 8 << 20

# Each function creates one kind of fault with random values.
_FAULTS = (
    lambda choice: Fault("delay", choice.uniform(0.005, 0.5)),
    lambda choice: Fault("drip", choice.uniform(0.0005, 0.005)),
    lambda choice: Fault("stall"),
    lambda choice: Fault("blackhole"),
    lambda choice: Fault("cut", _some_bytes(choice)),
    lambda choice: Fault("reset", _some_bytes(choice)),
    lambda choice: Fault("garbage", _some_bytes(choice)),
    lambda choice: Fault("drop"),
    lambda choice: Fault("refuse"),
)
# These faults are over within a second and cost no lookup: each answer only comes late.
_HARMLESS = (
    lambda choice: Fault("delay", choice.uniform(0.005, 0.1)),
    lambda choice: Fault("stall"),
    lambda choice: Fault("blackhole"),
    lambda choice: Fault("drop"),
    lambda choice: Fault("refuse"),
)


def _some_bytes(choice):
    """An offset within the handshake, within the first answers, or far behind them."""
    return choice.choice((0, choice.randrange(1, 20), choice.randrange(20, 2000), choice.randrange(2000, 20000)))


class Truth:
    """The contents of the database, and the right answer for each key."""

    def __init__(self, tables, kind):
        by_address = "SELECT destination FROM mailbox WHERE address = '%s' ORDER BY number"
        self._mailboxes = tables.add(kind, "mailboxes", query=by_address)
        # proxyd sends a key outside quotes in the text of the query, and pipelines nothing with it.
        self._numbers = tables.add(kind, "numbers", query="SELECT destination FROM mailbox WHERE number = %s")

    @staticmethod
    def sql():
        rows = [(n, f"user{n}@example.com", f"box{n}@store.example") for n in range(1, _MAILBOXES + 1)]
        rows += [(_MAILBOXES + 100 * n + m, f"list{n}@example.com", Truth._member(n, m))
                 for n in range(1, 21) for m in range(1, 31)]
        values = ", ".join(f"({number}, '{address}', '{destination}')" for number, address, destination in rows)
        return (f"CREATE TABLE mailbox (number int PRIMARY KEY, address varchar(200), destination varchar(200));"
                f"CREATE INDEX by_address ON mailbox (address); INSERT INTO mailbox VALUES {values};")

    @staticmethod
    def _member(n, m):
        return f"member{m}.of.the.long.list{n}@somewhere.far.away.example"

    def question(self, choice):
        """(table, key, status, value)"""
        n = choice.randrange(1, _MAILBOXES + 1)
        kind = choice.randrange(10)
        if kind < 5:
            return self._mailboxes, f"user{n}@example.com", proxymap_client.OK, f"box{n}@store.example".encode()
        if kind < 7:
            return self._mailboxes, f"nobody{n}@example.com", proxymap_client.NOKEY, b""
        if kind < 9:
            n = n % 20 + 1
            return (self._mailboxes, f"list{n}@example.com", proxymap_client.OK,
                    ",".join(self._member(n, m) for m in range(1, 31)).encode())
        return self._numbers, str(n), proxymap_client.OK, f"box{n}@store.example".encode()


class Crowd:
    """Clients that send one to four requests at a time and compare every reply with the truth."""

    def __init__(self, path, truth, seed):
        self._path = path
        self._truth = truth
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self.right = 0
        self.retries = {}  # count by the fault that was in force
        self.problems = []
        self.fault = "none"
        self.well_since = time.monotonic()  # the end of the last fault; None during a fault
        self.right_when_well = 0
        self.longest = 0.0
        self._threads = [threading.Thread(target=self._run, args=(random.Random(f"{seed}-{number}"),))
                         for number in range(_CLIENTS)]
        for thread in self._threads:
            thread.start()

    def _run(self, choice):
        try:
            with Connection(self._path, timeout=_LOOKUP_TIMEOUT + 10) as connection:
                while not self._stopping.is_set():
                    self._ask(connection, choice)
                    time.sleep(choice.uniform(0, 0.02))
                if connection.readable(0.2):
                    self._problem("a reply too many")
        except Exception as error:  # pylint: disable=broad-except
            self._problem(repr(error))

    def _ask(self, connection, choice):
        questions = [self._truth.question(choice) for _ in range(choice.choice((1, 1, 1, 2, 4)))]
        connection.send(b"".join(proxymap_client.lookup_request(table, key) for table, key, _, _ in questions))
        for question in questions:
            # A client's next request counts from the reply to the one before.
            begun = time.monotonic()
            reply = connection.receive()
            self._judge(question, reply, begun, time.monotonic() - begun)

    def _judge(self, question, reply, begun, took):
        with self._lock:
            self.longest = max(self.longest, took)
            well = self.well_since is not None and begun >= self.well_since + _RECOVERY
            if took > _LOOKUP_TIMEOUT + _LATE:
                self.problems.append(f"{question[:2]} took {took:.3f} s ({self.fault})")
            if (reply.status, reply.value) == question[2:]:
                self.right += 1
                self.right_when_well += well
            elif (reply.status, reply.value) != (proxymap_client.RETRY, b""):
                self.problems.append(f"{question[:2]}: {reply} ({self.fault})")
            elif well:
                self.problems.append(f"{question[:2]} failed {begun - self.well_since:.1f} s after {self.fault}")
            else:
                self.retries[self.fault] = self.retries.get(self.fault, 0) + 1

    def _problem(self, text):
        with self._lock:
            self.problems.append(f"{text} ({self.fault})")

    def fault_begins(self, fault):
        with self._lock:
            self.fault, self.well_since = f"{fault.kind} {fault.amount:.4g}", None

    def faults_end(self):
        with self._lock:
            self.well_since, self.right_when_well = time.monotonic(), 0

    def finish(self):
        self._stopping.set()
        for thread in self._threads:
            thread.join()


class RandomFaultsTest(scenario.Scenario):
    server_class = Postgres

    @classmethod
    def set_up_servers(cls):
        cls.database = cls.server_class(cls.workspace).start()
        cls.database.create_database("mail", Truth.sql())
        cls.proxy = ChaosProxy(cls.database.KIND, cls.database.port, _SEED)
        cls.workspace.on_close(cls.proxy.close)
        tables = TableFiles(cls.workspace.directory("tables"), {cls.database.KIND: {
            "hosts": f"127.0.0.1:{cls.proxy.port}", "user": cls.database.USER, "password": cls.database.PASSWORD,
            "dbname": "mail"}})
        cls.truth = Truth(tables, cls.database.KIND)
        cls.proxyd = StandAlone(cls.workspace, scenario.tested().binary, "proxyd", _OPTIONS, tables.names)
        cls.proxyd.start().wait_for_socket()

    def calm(self, crowd):
        """A time without faults, at the end of which everything must work."""
        self.proxy.heal()
        crowd.faults_end()
        time.sleep(_CALM)
        self.assertEqual(crowd.problems[:5], [], f"after {crowd.fault}")
        self.assertGreater(crowd.right_when_well, 0, f"no lookup succeeds {_CALM:g} s after {crowd.fault}")
        self.assertLessEqual(self.proxy.most, _POOL_SIZE)
        self.assertLessEqual(self.database.connections("mail"), _POOL_SIZE)

    def inflict(self, crowd, fault, seconds):
        crowd.fault_begins(fault)
        self.proxy.inflict(fault)
        time.sleep(seconds)

    def storm(self, crowd, choice):
        """One to four faults in a row."""
        for _ in range(choice.randrange(1, 5)):
            self.inflict(crowd, choice.choice(_FAULTS)(choice), choice.uniform(0.05, 1.5))

    @contextlib.contextmanager
    def crowd(self):
        """Clients that have got answers for a while."""
        print(f"CHAOS_SEED={_SEED} CHAOS_SECONDS={_SECONDS:g}", file=sys.stderr)
        crowd = Crowd(self.proxyd.socket, self.truth, _SEED)
        try:
            self.calm(crowd)
            yield crowd
        finally:
            self.proxy.heal()
            crowd.finish()
            print(f"{crowd.right} right answers, longest {crowd.longest:.2f} s, {self.proxy.accepted} connections, at "
                  f"most {self.proxy.most} at a time; try again later: {crowd.retries or 'never'}", file=sys.stderr)
        self.assertEqual(crowd.problems[:5], [])

    def short_faults(self, seed):
        choice = random.Random(seed)
        with self.crowd() as crowd:
            end = time.monotonic() + _SECONDS / 2
            while time.monotonic() < end:
                fault = choice.choice(_HARMLESS)(choice)
                self.inflict(crowd, fault, choice.uniform(0.05, 1.0))
                self.proxy.heal()
                time.sleep(choice.uniform(0.2, 1.0))
                self.assertEqual(crowd.retries, {}, f"lookups failed, perhaps of {fault}")

    def test_short_faults_cost_no_lookup(self):
        self.short_faults(_SEED)

    def test_short_faults_with_little_time_in_between(self):
        """Once, refusals left such long retry delays that the calm after them was not used."""
        self.short_faults(860704)

    def test_faults_at_random(self):
        choice = random.Random(_SEED)
        with self.crowd() as crowd:
            pid = self.proxyd.pid
            descriptors, memory = processes.descriptors(pid), processes.resident_bytes(pid)
            end = time.monotonic() + _SECONDS
            while time.monotonic() < end:
                self.storm(crowd, choice)
                self.calm(crowd)
            more = processes.descriptors(pid) - descriptors
            self.assertLessEqual(more, _POOL_SIZE, "descriptors leak")
        # The memory returns to the system after some seconds without a lookup.
        wait_until(lambda: processes.resident_bytes(pid) - memory <= _MEMORY_GROWTH, "the memory returns", 20)

    @classmethod
    def tearDownClass(cls):
        try:
            status = cls.proxyd.stop()
            if status != 0:
                raise AssertionError(f"proxyd ended with {status}:\n{cls.proxyd.log()[-2000:]}")
        finally:
            super().tearDownClass()


class MysqlRandomFaultsTest(RandomFaultsTest):
    server_class = Mariadb


if __name__ == "__main__":
    scenario.main()
