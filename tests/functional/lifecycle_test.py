#!/usr/bin/env python3
"""Storms of reloads, stops, kills and an upgrade, one after the other. Meanwhile clients ask proxyd for its
own tables and, through it, for tables of the stock server. Prints the number of answered lookups and the
longest wait.

STORM=N in the environment makes each storm N times as long.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from harness import processes, scenario
from harness.lookup_stream import LookupStream
from harness.postfix import COMMANDS, STOCK_SERVICE, Postfix
from harness.proxymap_client import Connection
from harness.tables import TableFiles
from harness.waiting import wait_until

LENGTH = int(os.environ.get("STORM", "1"))

# A client sleeps a second before it asks again when its connection closes while it writes.
CLIENTS_PAUSE = 1.0
# Extra time for a busy machine.
SLACK = 1.5


class PostmapStream:
    """Postfix's own client. It gets keys until finish()."""

    def __init__(self, postfix, table):
        # A pipe would fill up and block the client.
        self._found, self._complaints = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self._process = subprocess.Popen([f"{COMMANDS}/postmap", "-c", postfix.config, "-q", "-", f"proxy:{table}"],
                                         stdin=subprocess.PIPE, stdout=self._found, stderr=self._complaints)
        self._stopping = threading.Event()
        self.keys = []
        self._feeder = threading.Thread(target=self._feed)
        self._feeder.start()

    def _feed(self):
        with self._process.stdin as keys:
            try:
                while not self._stopping.is_set():
                    self.keys.append(f"key-{len(self.keys)}")
                    keys.write(f"{self.keys[-1]}\n".encode())
                    keys.flush()
                    time.sleep(0.001)
            except BrokenPipeError:
                pass  # the exit status tells why

    def finish(self):
        """Returns the found values by key, and the error output."""
        self._stopping.set()
        self._feeder.join()
        self._process.wait()
        found, complaints = self._read(self._found), self._read(self._complaints)
        return dict(line.split("\t") for line in found.splitlines()), complaints

    @staticmethod
    def _read(file):
        with file:
            file.seek(0)
            return file.read().decode()


class LifecycleTest(scenario.Scenario):

    @classmethod
    def set_up_servers(cls):
        directory = cls.workspace.directory("tables")
        database = f"{directory}/mail.db"
        subprocess.run(["sqlite3", database, "CREATE TABLE one (x)", "INSERT INTO one VALUES (1)"], check=True)
        tables = TableFiles(directory)
        cls.own = tables.add("sqlite", "own", dbpath=database, query="SELECT '%s' FROM one")
        cls.relayed = f"regexp:{directory}/relayed"
        with open(f"{directory}/relayed", "w", encoding="ascii") as file:
            file.write("/^(.*)$/ told-$1\n")
        cls.postfix = Postfix(cls.workspace, scenario.tested(), {
            "proxy_read_maps": f"{tables.proxied()} proxy:{cls.relayed}",
        }, services=[STOCK_SERVICE])

    def setUp(self):
        if self.postfix.master_pid() is None:
            self.postfix.start()

    def storm(self, name, step, steps, outage=0.0):
        """Runs the steps while clients ask. During `outage` of a step no process serves proxymap."""
        streams = [LookupStream(self.postfix.socket(), self.own, 6),
                   LookupStream(self.postfix.socket(), self.relayed, 3, lambda key: f"told-{key}")]
        try:
            for _ in range(steps * LENGTH):
                for stream in streams:
                    stream.wait_for_progress(10)
                step()
            for stream in streams:
                stream.wait_for_progress(10)
        finally:
            repeats = sum(stream.finish() for stream in streams)
        answered = sum(stream.answered for stream in streams)
        wrong = [one for stream in streams for one in stream.wrong]
        longest = max(stream.longest for stream in streams)
        print(f"{name}: {steps * LENGTH} times, {answered} lookups answered, {len(wrong)} failed, slowest {longest:.2f} s, "
              f"asked again {repeats}", file=sys.stderr)
        self.assertEqual(wrong[:5], [])
        self.assertLess(longest, outage + CLIENTS_PAUSE + SLACK)
        return repeats

    def serving(self):
        """The process that answers now."""
        return max(wait_until(self.postfix.proxymap_pids, "proxyd runs", 10.0))

    def serving_alone(self):
        """The process that answers a new client, or None if there are others.

        The method asks with its own client: the process of the storm's last lookups may have ended.
        """
        with Connection(self.postfix.socket()) as client:
            self.assertEqual(client.lookup(self.own, "alone").value, b"alone")
            pids = self.postfix.proxymap_pids()
        return pids[0] if len(pids) == 1 else None

    def kill(self, pids):
        for pid in pids:
            processes.send_signal(pid, signal.SIGKILL)

    @staticmethod
    def descriptors(pid):
        return len(os.listdir(f"/proc/{pid}/fd"))

    def test_reloads(self):
        self.storm("warm up", lambda: None, 1)
        before = self.descriptors(self.serving())
        repeats = self.storm("reload", self.postfix.reload, 10)
        self.assertLessEqual(repeats, 2 * LENGTH, "reloads cut lookups off")
        serving = wait_until(self.serving_alone, "one process is left", 20.0)
        # On a busy machine the pool may open more connections than before.
        self.assertLessEqual(self.descriptors(serving), before + 8)

    def restart(self):
        self.postfix.command("stop")
        wait_until(lambda: not self.postfix.pids(), "no process is left", 10.0)
        self.postfix.start()

    def test_stop_and_start(self):
        began = time.monotonic()
        self.restart()
        self.storm("stop and start", self.restart, 3, outage=2 * (time.monotonic() - began) + CLIENTS_PAUSE)

    def test_postfixs_own_clients(self):
        streams = [(PostmapStream(self.postfix, self.own), ""), (PostmapStream(self.postfix, self.relayed), "told-")]
        try:
            for step in (*[self.postfix.reload] * 5, self.restart):
                for stream, _ in streams:
                    goal = len(stream.keys) + 50
                    wait_until(lambda stream=stream, goal=goal: len(stream.keys) >= goal, "keys are asked for", 30.0)
                step()
        finally:
            results = [stream.finish() for stream, _ in streams]
        for (stream, told), (found, complaints) in zip(streams, results):
            self.assertEqual(found, {key: told + key for key in stream.keys}, complaints)

    def test_killed_processes_of_ours(self):
        # When a process dies before its first answer, master(8) waits before it starts the next.
        self.storm("kill of the serving process", lambda: self.kill([self.serving()]), 5, outage=1.0)
        self.storm("kill of the process in front", lambda: self.kill([processes.parent(self.serving())]), 5, outage=1.0)

    def test_killed_processes_of_the_stock_server(self):
        repeats = self.storm("kill of the stock server", lambda: self.kill(self.postfix.pids("proxymap")), 10, outage=1.0)
        self.assertEqual(repeats, 0, "clients noticed")

    def test_upgrade_in_place(self):
        program = f"{self.postfix.daemons}/proxyd"
        turn = 0

        def step():
            nonlocal turn
            turn += 1
            fresh = self.workspace.path + f"/proxyd-{turn}"
            shutil.copy(scenario.tested().binary, fresh)
            os.rename(fresh, program)
            self.postfix.reload()
            # Clients that never pause stay with the old process for a while. New clients get the new program.
            wait_until(lambda: self.is_served_by(program), "the new program serves new clients", 5.0)

        repeats = self.storm("upgrade", step, 3)
        self.assertLessEqual(repeats, 2 * LENGTH, "upgrades cut lookups off")

    def is_served_by(self, program):
        with Connection(self.postfix.socket()) as fresh_client:
            self.assertEqual(fresh_client.lookup(self.own, "fresh").value, b"fresh")
        return any(self.runs(pid, program) for pid in self.postfix.proxymap_pids())

    @staticmethod
    def runs(pid, program):
        try:
            return os.path.samefile(f"/proc/{pid}/exe", program)
        except OSError:
            return False

    def test_nothing_is_left_behind(self):
        self.storm("use", lambda: None, 1)
        self.postfix.command("stop")
        wait_until(lambda: not self.postfix.pids(), "no process is left", 10.0)
        left = [name for name in os.listdir(f"{self.postfix.queue}/private") if "control" in name or "." in name]
        self.assertEqual(left, [])


if __name__ == "__main__":
    scenario.main()
