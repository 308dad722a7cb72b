"""Tables, keys and expected answers: rows for tables_test.

A row is one table definition and the keys to ask. If `kinds` has several types, the table exists once for
each of them. `stock` is the reason why the row does not apply to the stock server.
"""

from dataclasses import dataclass, field

from harness.proxymap_client import CONFIG, DAEMON_INSTANCE, DAEMON_LOOKUP, FOLD_FIX_LOCK, NOKEY, OK, RETRY

EVERY = ("pgsql", "mysql", "sqlite")
SERVERS = ("pgsql", "mysql")
PGSQL = ("pgsql",)
MYSQL = ("mysql",)
SQLITE = ("sqlite",)

DIES = "the process dies"
BLACKOUT = "an error costs the table a minute of temporary errors"
LATIN1 = "talks LATIN1 to PostgreSQL"


@dataclass
class Row:
    """`table` has the parameters, or the whole text (str or bytes); None: the file does not exist."""

    what: str
    table: object
    answers: list  # of (key, status or value)
    kinds: tuple = EVERY
    stock: str = ""
    flags: int = FOLD_FIX_LOCK
    instance_flags: int = None  # if set, the row is asked in the newer layout only
    # The row is also asked in the newer layout, with the flags of a daemon.
    both_layouts: bool = True
    # A regular expression that the log must match afterwards. {path} and {table} are filled in.
    logs: str = ""
    files: dict = field(default_factory=dict)  # further files in the directory of the tables


def new(what, table, answers, flags=DAEMON_LOOKUP, instance_flags=DAEMON_INSTANCE, **keywords):
    """A row for the newer layout only."""
    return Row(what, table, answers, flags=flags, instance_flags=instance_flags,
               stock="knows the older layout only", **keywords)


ECHO = {"query": "SELECT '%s'"}
DEST = {"query": "SELECT dest FROM aliases WHERE addr='%s' ORDER BY id"}
TWO = {"query": "SELECT dest,d2 FROM aliases WHERE addr='%s' ORDER BY id"}
LABELS = {"query": "SELECT '%1 %2 %3'"}
SPECIFIERS = {"query": "SELECT '%u:%d:%s:%U:%D:%S:%%'"}
KEY_PARTS = "%s/%u/%d/%S/%U/%D/%1/%2"
EMPTY_RESULT = r'table "{table}": empty lookup result for: "{key}"'

KEYS_AND_TEMPLATES = [
    Row("key is folded", DEST, [("Alice@Example.COM", "alice1@dest.example")]),
    Row("not folded without flags", ECHO, [("UP", "UP")], flags=0, both_layouts=False),
    Row("folded with FOLD_FIX", ECHO, [("UP", "up")], flags=16384, both_layouts=False),
    Row("not folded with FOLD_MUL", ECHO, [("UP", "UP")], flags=32768, both_layouts=False),
    Row("only ASCII letters are folded without the UTF-8 layer", ECHO, [("ÜNÏ", "ÜnÏ")], flags=16384,
        both_layouts=False),
    new("Unicode case folding", ECHO, [("ÜNÏß", "ünïss"), ("ΣΑΣ", "σασ"), ("İ", "i̇")]),
    new("folding follows the request: none", ECHO, [("UP", "UP")], flags=16384, instance_flags=524288),
    new("folding follows the request: FOLD_FIX", ECHO, [("UP", "up")], flags=16400, instance_flags=524288),
    new("folding follows the request: FOLD_MUL", ECHO, [("UP", "up")], flags=32768, instance_flags=524288),
    new("folding follows the request: FOLD_MUL on a fixed table", ECHO, [("UP", "UP")], flags=32784,
        instance_flags=524288),
    new("invalid UTF-8", ECHO,
        [(b"\xff", NOKEY), (b"\xc0\x80", NOKEY), (b"\xed\xa0\x80", NOKEY), (b"\xe2\x82", NOKEY)]),
    new("invalid UTF-8 is logged", ECHO, [(b"a\xfe", NOKEY)], logs="non-UTF-8 key"),
    new("a value that is not UTF-8", {"query": "SELECT dest FROM aliases WHERE addr='%s'", "encoding": "LATIN1"},
        [("utf@example.com", CONFIG)], kinds=PGSQL),
    new("a value that is not UTF-8", {"query": "SELECT dest FROM aliases WHERE addr='%s'", "charset": "latin1"},
        [("utf@example.com", CONFIG)], kinds=MYSQL),
    new("bytes that are not UTF-8", {"query": "SELECT x'ff'"}, [("x", CONFIG)], kinds=MYSQL),
    new("a value that is not UTF-8", {"query": "SELECT CAST(x'ff' AS text)"}, [("x", CONFIG)], kinds=SQLITE),
    Row("a key that is not UTF-8", ECHO, [(b"\xff", NOKEY), ("ok", "ok")], stock="echoes the bytes",
        both_layouts=False),
    Row("a key that is not UTF-8, sqlite", ECHO, [(b"\xff", NOKEY)], kinds=SQLITE, both_layouts=False),
    Row("empty key", ECHO, [("", NOKEY)]),
    Row("all specifiers of a query", SPECIFIERS, [
        ("a@b@c.d", "a@b:c.d:a@b@c.d:a@b:c.d:a@b@c.d:%"), ("plain", NOKEY), ("@example.com", NOKEY), ("user@", NOKEY)]),
    Row("%u", {"query": "SELECT '%u'"}, [("plain", "plain"), ("user@", "user"), ("@d", NOKEY), ("@", NOKEY)]),
    Row("%d", {"query": "SELECT '%d'"},
        [("@example.com", "example.com"), ("plain", NOKEY), ("user@", NOKEY), ("a@b.", "b.")]),
    Row("domain labels", LABELS, [
        ("u@a.b.c", "c b a"), ("u@a.b.c.d", "d c b"), ("u@a.b", NOKEY), ("u@a..b.c", "c b a"), ("u@.a.b.c", "c b a"),
        ("u@a.b.c.", "c b a"), ("@a.b.c", "c b a"), ("u@...", NOKEY), ("a.b.c", NOKEY)]),
    Row("result format of value parts", {**ECHO, "result_format": "<%s><%u><%d><%%>"},
        [("plain", NOKEY), ("alice@example.com", "<alice@example.com><alice><example.com><%>")]),
    Row("result format of key parts", {"query": "SELECT 'val@dom.x', '%s' WHERE 1=1", "result_format": KEY_PARTS},
        [("k@dom", NOKEY), ("plain", NOKEY)]),
    Row("result format of all parts", {"query": "SELECT 'val@dom.x'", "result_format": KEY_PARTS},
        [("k@ey.dom", "val@dom.x/val/dom.x/k@ey.dom/k/ey.dom/dom/ey"), ("k@dom", NOKEY), ("plain", NOKEY)]),
    Row("%d of a value without domain", {"query": "SELECT 'plain'", "result_format": "%d"}, [("k", NOKEY)]),
    Row("%u of a value without domain", {"query": "SELECT 'plain'", "result_format": "x%u"}, [("k", "xplain")]),
    Row("%u of @dom", {"query": "SELECT '@dom'", "result_format": "%u"}, [("k", NOKEY)]),
    Row("%d of user@", {"query": "SELECT 'user@'", "result_format": "%d"}, [("k", NOKEY)]),
    Row("values without domain are left out",
        {"query": "SELECT v FROM (SELECT 1 n, 'a@b' AS v UNION SELECT 2, 'plain' UNION SELECT 3, 'c@d') q ORDER BY n",
         "result_format": "%d"}, [("k", "b,d")]),
    Row("constant result format", {**DEST, "result_format": "const"},
        [("alice@example.com", "const"), ("bob@example.com", "const,const"), ("empty@example.com", NOKEY)]),
    Row("unknown specifier", {"query": "SELECT '%x'"}, [("k", RETRY), ("k", RETRY)], stock=DIES, logs="{path}"),
    Row("lone per cent sign", {"query": "SELECT '100%'"}, [("k", RETRY)], stock=DIES, logs="{path}"),
    Row("quoting", ECHO, [("o'b\\@x.y", "o'b\\@x.y"), ("''", "''"), ("\\'", "\\'"), ("a\nb\"c\x1a", "a\nb\"c\x1a"),
                          ("$1 $$ ? :a @b", "$1 $$ ? :a @b"), ("%s", "%s"), ("-- /* */", "-- /* */"),
                          ("'; drop table aliases; --", "'; drop table aliases; --")]),
    Row("the table outlived the injection", DEST, [("postmaster", "root"), ("o'brien@example.com", "ob@x.example")]),
    Row("quoting in double quotes", {"query": "SELECT dest AS \"%u\" FROM aliases WHERE addr='%s'"},
        [("postmaster", "root")]),
    Row("a number without quotes", {"query": "SELECT dest FROM aliases WHERE id=%s"},
        [("1", "alice1@dest.example"), ("99", NOKEY)]),
    Row("several in one literal", {"query": "SELECT '<%u> at <%d>'"}, [("a'b@c.d", "<a'b> at <c.d>")]),
]

ROWS_AND_LIMITS = [
    Row("two rows", DEST, [("bob@example.com", "b1@x.example,b2@x.example")]),
    Row("two columns", TWO, [("alice@example.com", "alice1@dest.example,second")], kinds=SERVERS),
    Row("only the first column", TWO, [("alice@example.com", "alice1@dest.example")], kinds=SQLITE),
    Row("NULL and empty columns", TWO, [("bob@example.com", "b1@x.example,b2@x.example")],
        logs=EMPTY_RESULT.replace("{key}", "bob@example.com"), kinds=SERVERS),
    Row("an empty value", DEST, [("empty@example.com", NOKEY)],
        logs=EMPTY_RESULT.replace("{key}", "empty@example.com")),
    Row("NULL", DEST, [("nullonly@example.com", NOKEY)]),
    Row("joining", {"query": "SELECT v FROM (SELECT 1 AS n, 'a,b' AS v UNION SELECT 2, 'c d' UNION SELECT 3, NULL "
                             "UNION SELECT 4, '' UNION SELECT 5, 'e') AS q ORDER BY n"}, [("k", "a,b,c d,e")]),
    Row("limit 1", {**DEST, "expansion_limit": 1},
        [("alice@example.com", "alice1@dest.example"), ("bob@example.com", RETRY)], logs="[Ee]xpansion limit exceeded"),
    Row("limit 1, then a good key", {**DEST, "expansion_limit": 1},
        [("bob@example.com", RETRY), ("alice@example.com", "alice1@dest.example")]),
    Row("limit 2", {**DEST, "expansion_limit": 2}, [("bob@example.com", "b1@x.example,b2@x.example")]),
    Row("limit 1, two columns", {**TWO, "expansion_limit": 1}, [("alice@example.com", RETRY)], kinds=PGSQL),
    Row("limit counts kept values only", {**TWO, "expansion_limit": 2},
        [("bob@example.com", "b1@x.example,b2@x.example")]),
    Row("limit -1", {**DEST, "expansion_limit": -1}, [("bob@example.com", "b1@x.example,b2@x.example")]),
    Row("types as text", {"query": r"SELECT 42, 1.5, true, NULL, '\x00ff'::bytea"}, [("k", r"42,1.5,t,\x00ff")],
        kinds=PGSQL),
    Row("types as text", {"query": "SELECT 42, 1.5, true, NULL, x'00ff'"}, [("k", "42,1.5,1")], kinds=MYSQL),
    Row("types as text", {"query": "SELECT 42"}, [("k", "42")], kinds=SQLITE),
    Row("a newline in a value", {"query": "SELECT replace('one\ttwo+', '+', '%s')"}, [("\nthree", "one\ttwo\nthree")]),
]

BACKENDS = [
    Row("two statements", {"query": "SELECT 'one'; SELECT 'two'"}, [("k", "two")], kinds=PGSQL),
    Row("two statements", {"query": "SELECT 'one'; SELECT 'two'"}, [("k", "one")], kinds=SQLITE),
    Row("two statements", {"query": "SELECT 'one'; SELECT 'two'"}, [("k", RETRY), ("k", RETRY)], kinds=MYSQL),
    Row("two statements with the key", {"query": "SELECT '%s'; SELECT '<%s>'"}, [("a'b", "<a'b>")], kinds=PGSQL),
    Row("a procedure", {"query": "CALL dest_of('%s')"},
        [("bob@example.com", "b1@x.example,b2@x.example"), ("nobody@example.com", NOKEY)], kinds=MYSQL),
    Row("a procedure with two answers", {"query": "CALL dest_twice('%s')"}, [("postmaster", RETRY)], kinds=MYSQL),
    Row("a procedure without an answer", {"query": "CALL no_dest('%s')"}, [("postmaster", RETRY)], kinds=MYSQL),
    Row("a procedure that needs no answer", {"query": "CALL no_dest('%s')", "require_result_set": "no"},
        [("postmaster", NOKEY)], kinds=MYSQL),
    Row("an UPDATE", {"query": "UPDATE scratch SET v = '%s'"}, [("k", NOKEY)], kinds=PGSQL),
    Row("an UPDATE", {"query": "UPDATE scratch SET v = '%s'"}, [("k", RETRY), ("k", RETRY)], kinds=MYSQL),
    Row("an UPDATE that needs no answer", {"query": "UPDATE scratch SET v = '%s'", "require_result_set": "no"},
        [("k", NOKEY)], kinds=MYSQL),
    Row("an UPDATE", {"query": "UPDATE scratch SET v = '%s'"}, [("k", RETRY), ("k", RETRY)], kinds=SQLITE, stock=DIES),
    Row("missing relation", {"query": "SELECT dest FROM nowhere WHERE addr='%s'"}, [("k", RETRY), ("k", RETRY)],
        kinds=SERVERS),
    Row("missing relation", {"query": "SELECT dest FROM nowhere WHERE addr='%s'"}, [("k", RETRY), ("k", RETRY)],
        kinds=SQLITE, stock=DIES),
    Row("an error of one key is its own", {"query": "SELECT 100 / %u"},
        [("0", RETRY), ("5", "20"), ("0", RETRY), ("10", "10")], kinds=PGSQL, stock=BLACKOUT),
    Row("an error of one key is its own", {"query": "SELECT (SELECT dest FROM aliases WHERE id < %u)"},
        [("3", RETRY), ("2", "alice1@dest.example"), ("3", RETRY), ("2", "alice1@dest.example")], kinds=MYSQL,
        stock=BLACKOUT),
    Row("arithmetic error", {"query": "SELECT abs(-9223372036854775808)"}, [("k", RETRY), ("k", RETRY)], kinds=SQLITE,
        stock=DIES),
    Row("only a comment", {"query": "-- nothing"}, [("k", RETRY)], kinds=SQLITE, stock=DIES),
    Row("only a comment", {"query": "-- nothing"}, [("k", RETRY)], kinds=SERVERS),
    Row("a URI", {**DEST, "hosts": "postgresql://{user}@{host}:{port}/{db}", "dbname": "ignored"},
        [("postmaster", "root")], kinds=PGSQL),
    Row("a short URI", {**DEST, "hosts": "postgres://{user}@{host}:{port}/{db}", "dbname": "ignored"},
        [("postmaster", "root")], kinds=PGSQL, stock="takes it for a host name"),
    Row("a URI alone", {**DEST, "hosts": "postgresql://{user}@{host}:{port}/{db}", "dbname": None},
        [("postmaster", "root")], kinds=PGSQL, stock=DIES),
    Row("connection parameters as dbname", {**DEST, "dbname": "dbname={db} connect_timeout=5"},
        [("postmaster", "root")], kinds=PGSQL),
    Row("no hosts", {**DEST, "hosts": None, "dbname": "dbname={db} port={port}"}, [("postmaster", "root")],
        kinds=PGSQL),
    Row("a host that refuses and one that works", {**DEST, "hosts": "127.0.0.1:1 127.0.0.1:{port}"},
        [("postmaster", "root")], kinds=SERVERS),
    Row("an unknown port", {**DEST, "hosts": "127.0.0.1:no-such-service"}, [("postmaster", RETRY)], kinds=MYSQL,
        stock=DIES, logs="{path}"),
    Row("host names", {**DEST, "hosts": "inet:localhost:{port}"}, [("postmaster", "root")], kinds=PGSQL),
    Row("a UNIX-domain socket", {**DEST, "hosts": "{socket}", "dbname": "dbname={db} port={port}"},
        [("postmaster", "root")], kinds=PGSQL),
    Row("a UNIX-domain socket with prefix", {**DEST, "hosts": "unix:{socket}", "dbname": "dbname={db} port={port}"},
        [("postmaster", "root")], kinds=PGSQL),
    Row("a UNIX-domain socket", {**DEST, "hosts": "unix:{socket}"}, [("postmaster", "root")], kinds=MYSQL),
    Row("no dbname", {**DEST, "dbname": None}, [("postmaster", RETRY)], kinds=SERVERS, stock=DIES, logs="{path}"),
    Row("UTF-8 by default", {"query": "SELECT dest FROM aliases WHERE addr='%s'"},
        [("utf@example.com", "ünï@x.example")], stock=LATIN1),
    Row("UTF-8 keys", {"query": "SELECT addr FROM aliases WHERE dest='%s'"}, [("ünï@x.example", "utf@example.com")],
        stock=LATIN1),
    Row("another encoding", {"query": "SELECT dest FROM aliases WHERE addr='%s'", "encoding": "LATIN1"},
        [("utf@example.com", "ünï@x.example".encode("latin-1"))], kinds=PGSQL, both_layouts=False),
    Row("another encoding", {"query": "SELECT dest FROM aliases WHERE addr='%s'", "charset": "latin1"},
        [("utf@example.com", "ünï@x.example".encode("latin-1"))], kinds=MYSQL, both_layouts=False,
        stock="knows charset since 3.9 only"),
    Row("no dbpath", {**DEST, "dbpath": None}, [("postmaster", RETRY)], kinds=SQLITE, stock=DIES, logs="{path}"),
    Row("a missing database file", {**DEST, "dbpath": "{directory}/missing.db"}, [("postmaster", RETRY)], kinds=SQLITE,
        stock=DIES, logs="missing.db"),
    Row("a file that is no database", {**DEST, "dbpath": "{directory}/no-database.db"}, [("postmaster", RETRY)],
        kinds=SQLITE, stock=DIES, files={"no-database.db": "hello, this is just text and no database at all\n" * 50}),
    Row("the planner's types", {"query": "SELECT pg_typeof('%s')"}, [("k", "unknown")], kinds=PGSQL),
    Row("a literal that becomes a number", {"query": "SELECT dest FROM aliases WHERE id='%u'"},
        [("1@x", "alice1@dest.example"), ("99@x", NOKEY)], kinds=SERVERS),
    Row("LIKE", {"query": "SELECT dest FROM aliases WHERE addr LIKE '%%%s' ORDER BY id"},
        [("ice@example.com", "alice1@dest.example"), ("b_b@example.com", "b1@x.example,b2@x.example")]),
    Row("escape string", {"query": "SELECT E'%s'"}, [("a''b", "a''b")], kinds=PGSQL),
    Row("dollar quotes", {"query": "SELECT $$%s$$"}, [("ab", "ab")], kinds=PGSQL),
]

CONFIGURATION = [
    Row("blanks, tabs, CRLF, no final newline", "{connect}query\t=\t  SELECT 'x'\t\r\nresult_format=<%s>",
        [("k", "<x>")]),
    Row("continuation lines", "{connect}query = SELECT\n# a comment\n\n  \t\n   replace('xz',\n   'z', 'y')\n",
        [("k", "xy")]),
    Row("no comment at the end of a line", "{connect}query = SELECT 'x' # c\n", [("k", RETRY)], kinds=PGSQL),
    Row("a comment of the database", "{connect}query = SELECT 'x' # c\n", [("k", "x")], kinds=MYSQL),
    Row("first line starts with blank", "  query = SELECT 'no'\n{connect}query = SELECT 'x'\n", [("k", "x")]),
    Row("dollar signs are plain", "{connect}query = SELECT '$hosts $$x ${y}'\n", [("k", "$hosts $$x ${y}")]),
    Row("the last of two wins", "{connect}query = SELECT 'one'\nquery = SELECT 'two'\n", [("k", "two")],
        logs="overriding earlier entry|{path}"),
    Row("names are case-sensitive", "{connect}Query = SELECT 'no'\nquery = SELECT 'x'\n", [("k", "x")]),
    Row("unknown names do not matter", "{connect}query = SELECT 'x'\nno_such_parameter = 1\n", [("k", "x")]),
    Row("the older form", {"query": "", "table": "aliases", "select_field": "dest", "where_field": "addr"},
        [("postmaster", "root")]),
    Row("the older form with conditions", {"table": "aliases", "select_field": "dest", "where_field": "addr",
                                           "additional_conditions": "AND id < 3 ORDER BY id"},
        [("bob@example.com", "b1@x.example"), ("postmaster", NOKEY)]),
    Row("query wins over the older form", {"query": "SELECT 'x'", "table": "nowhere", "select_function": "nothing"},
        [("k", "x")]),
    Row("select_function", {"select_function": "upper"}, [("a'b", "A'B")], kinds=PGSQL),
    Row("empty result_format", {**ECHO, "result_format": ""}, [("k", RETRY)], stock=DIES, logs="{path}"),
    Row("limit is no number", {**ECHO, "expansion_limit": "abc"}, [("k", RETRY)], stock=DIES, logs="{path}"),
    Row("limit is empty", {**ECHO, "expansion_limit": ""}, [("k", RETRY)], stock=DIES, logs="{path}"),
    Row("a line without =", "{connect}query = SELECT 'x'\nthis line says nothing\n", [("k", RETRY)], stock=DIES,
        logs="{path}"),
    Row("no query and no table", {}, [("k", RETRY)], stock=DIES, logs="{path}"),
    Row("no file", None, [("k", RETRY), ("l", RETRY)], logs="{path}"),
    Row("a broken table has its status in both layouts", None, [("k", RETRY)]),
]

DOMAINS = [
    Row("literal domains", {**ECHO, "domain": "example.com, Example.NET"},
        [("x@EXAMPLE.net", "x@example.net"), ("x@example.com", "x@example.com"), ("x@sub.example.com", NOKEY),
         ("postmaster", NOKEY), ("@example.com", NOKEY), ("x@", NOKEY), ("a@b@example.com", "a@b@example.com")]),
    Row("exceptions, dots and files", {**ECHO, "domain": "!sub.example.com, .example.org, {directory}/domains"},
        [("a@.example.org", "a@.example.org"), ("a@foo.example.org", NOKEY), ("a@listed.example", "a@listed.example"),
         ("a@LISTED.example", "a@listed.example"), ("a@second.example", "a@second.example"), ("a@neg.example", NOKEY),
         ("a@sub.example.com", NOKEY)],
        files={"domains": "# names\n!neg.example\nlisted.example\n\nsecond.example neg.example\n"}),
    Row("empty list", {**ECHO, "domain": ""}, [("plain", "plain")]),
    Row("broken nested table", {**ECHO, "domain": "hash:{directory}/missing"},
        [("a@example.com", RETRY), ("plain", NOKEY)]),
    Row("missing file", {**ECHO, "domain": "{directory}/missing-file"}, [("a@example.com", RETRY), ("plain", NOKEY)]),
    Row("unknown nested type", {**ECHO, "domain": "nosuchtype:x"}, [("a@example.com", RETRY), ("plain", NOKEY)]),
    Row("a literal before a broken table", {**ECHO, "domain": "example.com hash:{directory}/missing"},
        [("a@example.com", "a@example.com"), ("a@other.example", RETRY)]),
    Row("a table that has everything", {**ECHO, "domain": "static:x"},
        [("a@example.com", "a@example.com"), ("plain", NOKEY)]),
]

ALL = KEYS_AND_TEMPLATES + ROWS_AND_LIMITS + BACKENDS + CONFIGURATION + DOMAINS

assert OK == 0
