"""Valid requests in both layouts, and requests that no Postfix program sends."""

import itertools
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from harness.proxymap_client import encode  # noqa: E402

_LAYOUTS = {
    "flags": {"open": ["flags"], "other": ["flags"]},
    "instance_flags": {"open": ["instance_flags"], "other": ["instance_flags", "flags"]},
}
_LAST = {"open": [], "lookup": ["key"], "update": ["key", "value"], "delete": ["key"], "sequence": []}


def _attributes(table):
    """The attributes of each good request, in order."""
    values = {"table": table, "flags": "64", "instance_flags": "64", "key": "key", "value": "other", "function": "0"}
    for flags, (command, last) in itertools.product(_LAYOUTS.values(), _LAST.items()):
        names = ["table", *flags["open" if command == "open" else "other"], *last]
        if command == "sequence":
            names.append("function")
        yield [("request", command), *((name, values[name]) for name in names)]


def good(table):
    """One request for each command and layout."""
    return [encode(*attributes) for attributes in _attributes(table)]


def with_long_fields(table, size):
    """Valid requests in which one name or one value is `size` bytes long."""
    for attributes in _attributes(table):
        for position, (name, _) in enumerate(attributes):
            yield encode(*attributes[:position], (name, "x" * size), *attributes[position + 1:])
            yield encode(*attributes[:position], ("x" * size, "1"), *attributes[position + 1:])


def with_odd_attributes(table):
    """Valid requests with an attribute repeated, missing, unknown, misnamed, or moved."""
    for attributes in _attributes(table):
        for position, (name, value) in enumerate(attributes):
            before, after = attributes[:position], attributes[position + 1:]
            yield encode(*before, (name, value), (name, value), *after)
            yield encode(*before, (name, "other"), (name, value), *after)
            yield encode(*before, *after)
            yield encode(*before, ("unknown", "x"), (name, value), *after)
            yield encode(*before, (name.upper(), value), *after)
            yield encode(*before, (f"{name} ", value), *after)
            yield encode(*before, (b"\xff\xfe" + name.encode(), value), *after)
            yield encode(*after, *before, (name, value))
        yield encode(*attributes, *attributes)
        yield encode(*attributes, *[("more", "x")] * 1000)
