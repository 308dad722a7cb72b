"""Hostile keys for SQL injection, and the text that a template makes of a key."""

import itertools

# Strings that might end a literal: all kinds of quotes, escapes, bytes that form one character with an escape
# in another character set, and letters that such a set lacks and may turn into a quote.
_BREAKERS = ["", "'", "''", "\\", "\\'", "\\\\'", "\\\\\\'", '"', '\\"', "`", "$$", "$q$", "%'", "E'", "]",
             "\n'", "\r\n", "\x01'", "\x1a'", "\x7f", "%00'", "?", "$1", ":a",
             "縗'", "縗\\'", "表'", "ソ'", "ソ\\", "\u00bf'", "\u00bf\\'", "ä'", "\u02bc", "\u2019", "\uff07", "\uff3c'",
             "\U0001f4a9'"]
_PAYLOADS = ["", " OR '1'='1", "; DELETE FROM canary; -- ", "; DELETE FROM canary #",
             ") UNION SELECT note FROM canary -- ", "/* ", " */ ", " || (SELECT note FROM canary) || '", "\\"]

HOSTILE = sorted({breaker + payload for breaker, payload in itertools.product(_BREAKERS, _PAYLOADS)} - {""})

# Invalid UTF-8. Some of it is a character in GBK, Big5 or Shift-JIS whose second byte is, or absorbs, a
# backslash.
INVALID = [b"\xbf'", b"\xbf\\'", b"\xbf\x5c", b"\x81'", b"\x83\\", b"\xe0\x27", b"\xc0\xa7", b"\xc0\x80",
           b"\xed\xa0\x80'", b"\xf4\x90\x80\x80'", b"\xff'", b"key\xc3", b"\xa1\x5c' OR 1=1 -- "]


def whole(key):
    return [key]


def as_user(key):
    """The key as the local part of an address."""
    return [f"{key}@example.com"]


def as_domain(key):
    return [f"user@{key}", f"user@{key}.tld"]


def _split(key):
    user, at, domain = key.rpartition("@")
    return (user, domain) if at else (key, None)


def expand(template, key):
    """The text of a template without quoting; None if such a key is not looked up."""
    user, domain = _split(key)
    labels = [label for label in reversed((domain or "").split(".")) if label]
    text = ""
    pieces = iter(template)
    for piece in pieces:
        if piece != "%":
            text += piece
            continue
        specifier = next(pieces)
        if specifier.isdigit():
            value = labels[int(specifier) - 1] if len(labels) >= int(specifier) else None
        else:
            value = {"%": "%", "s": key, "u": user, "d": domain}[specifier.lower()]
        if not value:
            return None
        text += value
    return text
