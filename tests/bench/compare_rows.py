"""The rows of `compare`. Each takes a Bench, prints its figures, and yields those for --json."""

import os
import shutil
import statistics
import sys

from bench.compare_load import count_system_calls, measure, measure_crowd, measure_idle
from bench.compare_mail import Side
from bench.compare_tools import TOOLS, Distance
from harness.server import STOCK, Server

# (key of a measurement, label, format)
FIGURES = (
    ("per_second", "lookups/s", "{:,.0f}"),
    ("connections_per_second", "connections/s", "{:,.0f}"),
    ("p50_us", "latency p50, us", "{:,.0f}"),
    ("p99_us", "latency p99, us", "{:,.0f}"),
    ("max_us", "latency max, us", "{:,.0f}"),
    ("cpu_us", "processor us/lookup", "{:,.1f}"),
    ("database_connections", "database connections", "{:,.0f}"),
    ("processes", "server processes", "{:,.0f}"),
    ("idle_clients", "clients", "{:,.0f}"),
    ("memory_before_mib", "memory before, MiB", "{:,.1f}"),
    ("memory_mib", "memory (PSS), MiB", "{:,.1f}"),
    ("bytes_per_client", "bytes/client", "{:,.0f}"),
    ("clients_greeted", "clients greeted", "{:,.0f}"),
    ("all_greeted_s", "all greeted, s", "{:,.2f}"),
    ("all_answered_s", "all answered, s", "{:,.2f}"),
    ("system_calls", "system calls/lookup", "{:,.1f}"),
)
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
        return Side(self.workspace, self.database, server, *arguments, **keywords)

    def in_turns(self, contestants, measure_one):
        return in_turns(contestants, self.options.turns, measure_one)


def in_turns(contestants, number, measure_one):
    """{name: results of measure_one in all turns}. The order alternates from turn to turn."""
    turns = {one.name: [] for one in contestants}
    for turn in range(number):
        for one in contestants if turn % 2 == 0 else reversed(contestants):
            turns[one.name].append(measure_one(one))
    return turns


def medians(contestants, turns):
    """The median figures of each contestant."""
    return [_medians(turns[one.name]) for one in contestants]


def _medians(turns):
    """The median of each figure; None if it is missing in some turn."""
    def median(key):
        values = [turn[key] for turn in turns]
        return None if None in values else statistics.median(values)
    return {key: median(key) for key in turns[0]}


def _print_row(label, values, form, ratio=True):
    shown = [form.format(value) if value is not None else "-" for value in values]
    if ratio and len(values) == 2 and None not in values and values[0]:
        shown.append(f"{values[1] / values[0]:.2f}")
    print(f"  {label:<22}" + "".join(f"{text:>14}" for text in shown))


def print_table(title, names, results):
    """`results` has a dictionary of figures for each name."""
    heads = [*names] + (["ratio"] if len(names) == 2 else [])
    print(f"\n{title:<24}" + "".join(f"{head:>14}" for head in heads))
    for key, label, form in FIGURES:
        if any(key in result for result in results):
            _print_row(label, [result.get(key) for result in results], form)
    sys.stdout.flush()


def _print_medians(title, sides, turns):
    """Prints and returns the medians."""
    results = medians(sides, turns)
    print_table(title, [side.name for side in sides], results)
    return results


def count(number, noun="client"):
    return f"{number:,} {noun}{'s' * (number != 1)}"


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
        results = _print_medians(count(number), bench.sides, turns)
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
    _print_row("share of that", [result["per_second"] / per_second for result in results], "{:.2f}", ratio=False)
    sys.stdout.flush()


def connecting(bench):
    """connections/s: each client connects, asks once and disconnects, again and again"""
    number = bench.options.connecting

    def one(side):
        result = measure(side, bench.load, bench.options, number, True)
        return {"connections_per_second": result.pop("per_second")} | result

    turns = bench.in_turns(bench.sides, one)
    _print_medians(f"{count(number)}, connecting", bench.sides, turns)
    yield {"clients": number, "open_close": True, "turns": turns}


def distant(bench):
    """the database server is 2 ms away, there and back, behind a relay; most clients"""
    options = bench.options
    away = Distance(bench.workspace, options.relay, bench.database.server.port, options.distance)
    sides = bench.sides_at("_far", away.port)
    number = max(options.clients)
    turns = bench.in_turns(sides, lambda side: measure(side, bench.load, options, number, False))
    _print_medians(f"{count(number)}, {options.distance:g} ms away", sides, turns)
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
    _print_medians(f"{count(number)} at once", bench.sides, turns)
    yield {"clients": number, "limit_s": _CROWD_LIMIT, "turns": turns}


def system_calls(bench):
    """system calls for each lookup, counted by strace"""
    number, lookups = bench.options.strace_clients, bench.options.strace_lookups
    if not shutil.which("strace"):
        print("  strace is not installed", file=sys.stderr)
        return
    results = [{"system_calls": count_system_calls(side, bench.load, number, lookups)} for side in bench.sides]
    print_table(f"{count(number)}, strace", [side.name for side in bench.sides], results)
    yield {"clients": number, "system_calls": {side.name: result["system_calls"]
                                               for side, result in zip(bench.sides, results)}}


ROWS = {"clients": clients, "connecting": connecting, "distant": distant, "idle": idle, "crowd": crowd,
        "system-calls": system_calls}
_SERVERS = ("pgsql", "mysql")


def run(bench, first):
    """Runs the wanted rows for this database, which is the `first` or not; returns their reports."""
    reports = []
    for name in bench.options.row:
        # distant needs a database server. The results of idle and crowd do not depend on the database.
        if (name == "distant" and bench.database.kind not in _SERVERS) or (name in ("idle", "crowd") and not first):
            continue
        reports += [{"row": name} | report for report in ROWS[name](bench)]
    return reports
