"""Deliberate differences between the answers of proxyd and of the stock server. Any other difference is a
bug.

Each entry has a reason and a function. The function gets the question and both replies, and tells whether
this entry explains the difference. A reply is None if the server closed the connection instead.
"""

from dataclasses import dataclass
from typing import Callable

from harness.proxymap_client import CONFIG, NOKEY, OK, RETRY


@dataclass
class Question:
    """The question that both servers were asked."""

    kind: str  # pgsql, mysql or sqlite
    # PostgreSQL: utf8 (a database in UTF-8) or bytes (a database that takes any bytes); others: file
    database: str
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
    if stock.status == CONFIG:  # LATIN1 bytes, which the stock server refuses because they are not UTF-8
        return True
    if stock.status == RETRY:  # a character that LATIN1 lacks
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
