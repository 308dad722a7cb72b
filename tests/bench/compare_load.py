"""Measures one server for `compare`: with proxyd_load, and with strace."""

import contextlib
import json
import subprocess
import sys
import time

from bench import system_calls
from harness import processes
from harness.server import postfix_version


class Load:
    """proxyd_load with the arguments that all measurements share."""

    def __init__(self, binary, keys):
        self._binary = binary
        self._keys = keys
        self.wrong = 0

    def run(self, side, clients, seconds, open_close=False, meanwhile=lambda: None, **more):
        """Runs proxyd_load; returns its report. Calls `meanwhile` shortly before the end."""
        arguments = self._arguments(side, clients, seconds, **more) + ["--open-close"] * open_close
        with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
            try:
                time.sleep(more.get("warmup", 0) + 0.9 * seconds if "lookups" not in more else 0)
                meanwhile()
                output, _ = process.communicate()
            except BaseException:
                process.kill()
                raise
        return self._checked(side, clients, output)

    @contextlib.contextmanager
    def held(self, side, clients, seconds=60):
        """Yields proxyd_load's report once each client has had one lookup, or after `seconds`. The clients
        stay connected until the end of the block.
        """
        arguments = self._arguments(side, clients, seconds) + ["--hold"]
        with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            try:
                yield json.loads(process.stdout.readline())
            finally:
                process.stdin.close()

    def _arguments(self, side, clients, seconds, **more):
        major_minor = postfix_version()
        arguments = [self._binary, "--socket", side.socket(), "--table", side.table, "--keys", self._keys,
                     "--clients", str(clients), "--seconds", str(seconds), "--json",
                     "--greeting", "yes" if major_minor >= (3, 6) else "no",
                     "--layout", "instance_flags" if major_minor >= (3, 11) else "flags"]
        for option, value in more.items():
            arguments += [f"--{option}", str(value)]
        return arguments

    def _checked(self, side, clients, output):
        if not output:
            raise RuntimeError(f"proxyd_load with {clients} clients of {side.name} has ended without a report")
        result = json.loads(output)
        failed = {name: result[name] for name in ("retry", "other", "wrong", "malformed", "closed") if result[name]}
        if failed or result["lookups"] == 0:
            self.wrong += 1
            print(f"  {side.name}, {clients} clients: {failed or 'no lookup was answered'}", file=sys.stderr)
        return result


def measure(side, load, options, clients, open_close):
    side.postfix.start()
    figures = {}

    def look():
        figures["database_connections"] = side.database_connections()
        figures["processes"] = len(side.pids())
        figures["memory_mib"] = side.memory_mib()

    try:
        if options.warmup:
            load.run(side, clients, options.warmup, open_close)
        spent = ProcessorTime(side.pids)
        report = load.run(side, clients, options.seconds, open_close, look)
        # The time of processes that end is lost, and clients that connect again and again end many.
        return report | figures | ({} if open_close else {"cpu_us": spent.microseconds() / max(1, report["lookups"])})
    finally:
        side.postfix.stop()


class ProcessorTime:
    """User and system time that processes spend from now on. `pids` tells which there are."""

    def __init__(self, pids):
        self._pids = pids
        self._before = self._seconds()

    def _seconds(self):
        seconds = {}
        for pid in self._pids():
            with contextlib.suppress(OSError):  # has just ended
                seconds[pid] = processes.cpu_seconds(pid)
        return seconds

    def microseconds(self):
        return 1e6 * sum(after - self._before.get(pid, 0) for pid, after in self._seconds().items())


def count_system_calls(side, load, clients, lookups):
    """System calls of the server's processes per lookup."""
    side.postfix.start()
    try:
        load.run(side, clients, 2)
        # Includes master(8), which may start further processes. Its own few calls do not matter.
        calls, done = system_calls.count([side.postfix.master_pid(), *side.pids()],
                                         lambda: load.run(side, clients, 120, lookups=lookups))
        return None if calls is None else calls / done["lookups"]
    finally:
        side.postfix.stop()


@contextlib.contextmanager
def warm(side, load):
    """Starts the server; it has answered once."""
    side.postfix.start()
    try:
        with load.held(side, 1):
            pass
        yield
    finally:
        side.postfix.stop()


def measure_idle(side, load, clients):
    """Memory of the server with so many clients connected. Each has asked once."""
    with warm(side, load):
        before = side.memory_mib()
        with load.held(side, clients) as report:
            after = side.memory_mib()
    return {"idle_clients": report["lookups"], "memory_before_mib": before, "memory_mib": after,
            "bytes_per_client": (after - before) * 1024 * 1024 / clients}


def measure_crowd(side, load, clients, limit):
    """The time until all clients of a burst are greeted, and answered; empty if over `limit`."""
    with warm(side, load), load.held(side, clients, limit) as report:
        return {"clients_greeted": report["greeted"], "all_greeted_s": report["all_greeted_ms"] / 1000 or None,
                "all_answered_s": report["seconds"] if report["lookups"] == clients else None}
