"""Measurements in turns, their medians, and the tables that show them."""

import statistics
import sys

# (key of a measurement, label, format)
FIGURES = (
    ("per_second", "lookups/s", "{:,.0f}"),
    ("connections_per_second", "connections/s", "{:,.0f}"),
    ("rcpt_per_second", "RCPT/s", "{:,.0f}"),
    ("p50_us", "latency p50, us", "{:,.0f}"),
    ("p99_us", "latency p99, us", "{:,.0f}"),
    ("max_us", "latency max, us", "{:,.0f}"),
    ("rcpt_p50_ms", "RCPT p50, ms", "{:,.1f}"),
    ("rcpt_p99_ms", "RCPT p99, ms", "{:,.1f}"),
    ("cpu_us", "processor us/lookup", "{:,.1f}"),
    ("host_us", "host's CPU us/RCPT", "{:,.0f}"),
    ("client_us", "of it the client's", "{:,.0f}"),
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


def in_turns(contestants, number, measure_one):
    """{name: results of measure_one in all turns}. The order alternates from turn to turn."""
    turns = {one.name: [] for one in contestants}
    for turn in range(number):
        for one in contestants if turn % 2 == 0 else reversed(contestants):
            turns[one.name].append(measure_one(one))
    return turns


def medians(contestants, turns):
    """The median of each figure, for each contestant; None if a figure is missing in some turn."""
    def median(key, results):
        values = [result[key] for result in results]
        return None if None in values else statistics.median(values)

    return [{key: median(key, turns[one.name]) for key in turns[one.name][0]} for one in contestants]


def print_row(label, values, form, ratio=True):
    shown = [form.format(value) if value is not None else "-" for value in values]
    if ratio and len(values) == 2 and None not in values and values[0]:
        shown.append(f"{values[1] / values[0]:.2f}")
    print(f"  {label:<22}" + "".join(f"{text:>14}" for text in shown))


def print_table(title, names, results):
    """`results` has a dictionary of figures for each name. Figures that FIGURES does not name are left out."""
    heads = [*names] + (["ratio"] if len(names) == 2 else [])
    print(f"\n{title:<24}" + "".join(f"{head:>14}" for head in heads))
    for key, label, form in FIGURES:
        if any(key in result for result in results):
            print_row(label, [result.get(key) for result in results], form)
    sys.stdout.flush()


def print_markdown(title, names, results):
    """The same as a table for the README."""
    print(f"\n| {title} | {' | '.join(names)} |\n| --- {'| --- ' * len(names)}|")
    for key, label, form in FIGURES:
        if any(key in result for result in results):
            shown = (form.format(result[key]) if result.get(key) is not None else "-" for result in results)
            print(f"| {label} | {' | '.join(shown)} |")
    sys.stdout.flush()


def number_of(number, noun="client"):
    return f"{number:,} {noun}{'s' * (number != 1)}"
