"""Where proxyd answers otherwise than the stock server, on purpose. Everything else that differs is a mistake.

Each entry has a reason and a test: given the question and both replies, is this that difference? A reply is None when
the server closed the connection instead of answering.
"""

from dataclasses import dataclass
from typing import Callable

from harness.proxymap_client import CONFIG, NOKEY, OK, RETRY


@dataclass
class Question:
    """What both servers were asked."""

    kind: str  # pgsql or sqlite
    database: str  # utf8: a database in UTF-8; bytes: one that takes any bytes; file
    query: str
    key: bytes
    flags: int


@dataclass
class Difference:
    name: str
    reason: str
    applies: Callable  # (question, stock reply, our reply) -> bool


def _is_utf8(data):
    try:
        data.decode("utf-8")
        return True
    except UnicodeDecodeError:
        return False


def _process_death(_, stock, ours):
    return stock is None and ours is not None and ours.status == RETRY


def _key_not_utf8(question, _, ours):
    return not _is_utf8(question.key) and ours is not None and ours.status == NOKEY


def _latin1_result(question, stock, ours):
    if question.kind != "pgsql" or question.database != "utf8" or None in (stock, ours):
        return False
    if ours.status != OK or not _is_utf8(ours.value) or ours.value.isascii():
        return False
    if stock.status == CONFIG:  # LATIN1 bytes, refused as no UTF-8
        return True
    if stock.status == RETRY:  # a character that LATIN1 does not have
        return ours.value.decode().encode("latin-1", "replace") != ours.value.decode().encode("latin-1", "ignore")
    return stock.status == OK and stock.value == ours.value.decode().encode("latin-1", "replace")


def _value_not_utf8(question, stock, ours):
    if question.database != "bytes" or None in (stock, ours):
        return False
    return stock.status == OK and not _is_utf8(stock.value) and ours.status == RETRY


DELIBERATE = [
    Difference(
        "a broken table or a failing SQLite query is a temporary error",
        "The stock process ends, and with it the service for all other tables; the client tries again for ever.",
        _process_death),
    Difference(
        "a key that is not UTF-8 is not found",
        "The stock server passes the bytes to PostgreSQL, which may fail, and then the table is out of service.",
        _key_not_utf8),
    Difference(
        "PostgreSQL is spoken to in UTF-8",
        "Postfix before 3.8 asks for LATIN1, so addresses outside ASCII never matched and results arrived in LATIN1.",
        _latin1_result),
    Difference(
        "a value that is not UTF-8 is a temporary error",
        "PostgreSQL, asked for UTF-8, refuses to send it; Postfix would have refused to use it.",
        _value_not_utf8),
]


def find(question, stock, ours):
    """The deliberate difference that explains two replies, or None."""
    for difference in DELIBERATE:
        if difference.applies(question, stock, ours):
            return difference
    return None
