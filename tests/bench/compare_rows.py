"""The rows of `compare`. Each takes a Bench, prints its figures, and yields those for --json."""

import os
import shutil
import statistics
import sys

from bench import compare_smtp
from bench.compare_load import count_system_calls, measure, measure_crowd, measure_idle
from bench.compare_mail import Side
from bench.compare_tools import TOOLS, Distance
from bench.figures import in_turns, medians, number_of, print_row, print_table
from harness.server import STOCK, Server

# Clients. With one process for each client, more clients would show little.
_STOCK_IDLE = 100
_CROWD_LIMIT = 30  # seconds


class Bench:
    """One database with the two servers in front of it, and everything that a row needs."""

    def __init__(self, workspace, options, database, load):
        self.workspace, self.options, self.database, self.load = workspace, options, database, load
        self.sides = self.sides_at()

    def sides_at(self, place="", port=None):
        """New sides; see Side."""
        options = self.options
        if options.only_stock:
            return [self._side(STOCK, place=place, port=port)]
        proxyd = Server("proxyd", os.path.abspath(options.proxyd))
        if options.cache:
            kept = {"cache_ttl": "1h", "cache_size": options.mailboxes}
            return [self._side(proxyd, place=place, port=port), self._side(proxyd, "kept", place, port, **kept)]
        return [self._side(STOCK, place=place, port=port), self._side(proxyd, place=place, port=port)]

    def _side(self, server, *arguments, **keywords):
        return Side(self.workspace, self.database, server, *arguments, proxyd_cf=self.options.proxyd_cf, **keywords)

    def in_turns(self, contestants, measure_one):
        return in_turns(contestants, self.options.turns, measure_one)


def _print_medians(title, sides, turns):
    """Prints and returns the medians."""
    results = medians(sides, turns)
    print_table(title, [side.name for side in sides], results)
    return results


def clients(bench):
    """lookups/s and latency; where there are most clients also beside pgbench -M prepared, or mysqlslap"""
    options = bench.options
    for number in options.clients:
        tool = _tool(bench) if number == max(options.clients) else None

        def one(contestant, number=number, tool=tool):
            if contestant is tool:
                return tool.measure(options.seconds)
            return measure(contestant, bench.load, options, number, False)

        turns = bench.in_turns([*bench.sides, *([tool] if tool else [])], one)
        results = _print_medians(number_of(number), bench.sides, turns)
        if tool:
            _print_tool(tool, statistics.median(turn["per_second"] for turn in turns[tool.name]), results)
        yield {"clients": number, "open_close": False, "turns": turns}


def _tool(bench):
    """The database's own benchmark tool; None if there is none."""
    kind = TOOLS.get(bench.database.kind)
    tool = kind(bench.workspace, bench.database, bench.options.mailboxes) if kind else None
    if tool and not tool.is_installed():
        print(f"  {tool.name} is not installed", file=sys.stderr)
        return None
    return tool


def _print_tool(tool, per_second, results):
    print(f"  {tool.name + ', lookups/s':<22}{per_second:>14,.0f}  {tool.how}")
    print_row("share of that", [result["per_second"] / per_second for result in results], "{:.2f}", ratio=False)
    sys.stdout.flush()


def connecting(bench):
    """connections/s: each client connects, asks once and disconnects, again and again"""
    number = bench.options.connecting

    def one(side):
        result = measure(side, bench.load, bench.options, number, True)
        return {"connections_per_second": result.pop("per_second")} | result

    turns = bench.in_turns(bench.sides, one)
    _print_medians(f"{number_of(number)}, connecting", bench.sides, turns)
    yield {"clients": number, "open_close": True, "turns": turns}


def distant(bench):
    """the database server is 2 ms away, there and back, behind a relay; most clients"""
    options = bench.options
    away = Distance(bench.workspace, options.relay, bench.database.server.port, options.distance)
    sides = bench.sides_at("_far", away.port)
    number = max(options.clients)
    turns = bench.in_turns(sides, lambda side: measure(side, bench.load, options, number, False))
    _print_medians(f"{number_of(number)}, {options.distance:g} ms away", sides, turns)
    away.close()
    yield {"clients": number, "distance_ms": options.distance, "turns": turns}


def idle(bench):
    """memory with 10,000 clients that have asked once; the stock server: with 100"""
    def number(side):
        return bench.options.crowd if side.postfix.server.is_proxyd else _STOCK_IDLE

    turns = bench.in_turns(bench.sides, lambda side: measure_idle(side, bench.load, number(side)))
    _print_medians("idle clients", bench.sides, turns)
    yield {"turns": turns}


def crowd(bench):
    """how soon 10,000 clients that connect at once are all greeted, and have their answer"""
    number = bench.options.crowd
    turns = bench.in_turns(bench.sides, lambda side: measure_crowd(side, bench.load, number, _CROWD_LIMIT))
    _print_medians(f"{number_of(number)} at once", bench.sides, turns)
    yield {"clients": number, "limit_s": _CROWD_LIMIT, "turns": turns}


def system_calls(bench):
    """system calls for each lookup, counted by strace"""
    number, lookups = bench.options.strace_clients, bench.options.strace_lookups
    if not shutil.which("strace"):
        print("  strace is not installed", file=sys.stderr)
        return
    results = [{"system_calls": count_system_calls(side, bench.load, number, lookups)} for side in bench.sides]
    print_table(f"{number_of(number)}, strace", [side.name for side in bench.sides], results)
    yield {"clients": number, "system_calls": {side.name: result["system_calls"]
                                               for side, result in zip(bench.sides, results)}}


def smtp(bench):
    """RCPT/s of real smtpd: tables in main.cf, the same behind PgBouncer, proxymap(8), proxyd"""
    yield from compare_smtp.run(bench)


ROWS = {"clients": clients, "connecting": connecting, "distant": distant, "idle": idle, "crowd": crowd,
        "system-calls": system_calls, "smtp": smtp}
_SERVERS = ("pgsql", "mysql")


def run(bench, first):
    """Runs the wanted rows for this database, which is the `first` or not; returns their reports."""
    reports = []
    for name in bench.options.row:
        # distant and smtp need a database server. The results of idle and crowd do not depend on the database.
        without = bench.database.kind not in _SERVERS
        if (name in ("distant", "smtp") and without) or (name in ("idle", "crowd") and not first):
            continue
        reports += [{"row": name} | report for report in ROWS[name](bench)]
    return reports
