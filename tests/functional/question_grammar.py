"""Tables and keys for the differential test, made from a seed."""

import random
from dataclasses import dataclass, field

# One row for each person: the values of _COLUMNS.
_PEOPLE = [
    ("alice@example.com", "alice", "example.com", "alice", "1.50", True, "2020-01-31", "10.0.0.0/8", "al@dest.example",
     "second"),
    ("bob@example.com", "bob", "example.com", "bob", "2", True, "2021-02-28", "10.1.0.0/16", "b1@x.example", None),
    ("bob@example.com", "bob", "example.com", "bob ", "3", False, "2021-03-01", "192.168.1.0/24", "b2@x.example", ""),
    ("Mixed@Example.COM", "Mixed", "Example.COM", "Mixed", "-4", True, "1999-12-31", "::1/128", "mixed@dest.example",
     "@dom"),
    ("o'brien@example.com", "o'brien", "example.com", "o'brien", "0.5", True, None, None, "ob@x.example", "user@"),
    ("back\\slash@example.com", "back\\slash", "example.com", "b\\s", "6", False, None, None, "bs@x.example", "plain"),
    ("empty@example.com", "empty", "example.com", "", "7", True, None, None, "", None),
    ("null@example.com", "null", "example.com", None, None, None, None, None, None, None),
    ("comma@example.org", "comma", "example.org", "a,b", "8", True, "2022-06-06", "10.2.3.4", "a@b, c@d", "e,f"),
    ("space@example.org", "space", "example.org", " sp ", "9", True, "2022-06-07", "10.2.3.5", " lead@x ", "trail "),
    ("percent@example.org", "percent", "example.org", "100%", "10", False, "2022-06-08", "10.2.3.6", "100%", "%s"),
    ("sub@mail.example.org", "sub", "mail.example.org", "sub", "11", True, "2022-06-09", "10.2.3.7",
     "sub@deep.x.example", "x"),
    ("postmaster", "postmaster", None, "root", "12", True, "2022-06-10", "127.0.0.1", "root", "admin@example.com"),
    ("1", "1", None, "1", "1", True, "2001-01-01", "1.2.3.4", "one", "1"),
    ("*", "*", None, "*", "0", False, None, None, "star@x.example", "*"),
    ("@example.net", None, "example.net", None, "13", True, None, None, "catch@all.example", None),
    ("uml@example.com", "uml", "example.com", "uml", "14", True, None, None, "ünï@x.example", "straße"),
]
_COLUMNS = "addr, local, domain, ch, num, active, created, net, dest, d2"


def _literal(value):
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "'" + value.replace("'", "''") + "'"


def _rows():
    return ",\n".join("(" + ", ".join(_literal(value) for value in row) + ")" for row in _PEOPLE)


# This user may only read, because some queries insert keys unquoted.
POSTGRES_USER = "reader"
POSTGRES_DATA = f"""
CREATE TYPE mood AS ENUM ('alice', 'bob', 'sad');
CREATE TABLE people (id serial PRIMARY KEY, addr text, local varchar(40), domain varchar(255), ch char(20), num numeric,
    active boolean, created date, net inet, dest text, d2 text);
INSERT INTO people ({_COLUMNS}) VALUES {_rows()};
ALTER TABLE people ADD feeling mood;
UPDATE people SET feeling = local::mood WHERE local IN ('alice', 'bob');
GRANT SELECT ON people TO {POSTGRES_USER};
CREATE FUNCTION lookup_dest(who text) RETURNS SETOF text LANGUAGE sql STABLE
    AS 'SELECT dest FROM people WHERE addr = who ORDER BY id';
CREATE FUNCTION overloaded(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ''text:'' || $1';
CREATE FUNCTION overloaded(int) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ''int:'' || $1';
"""
SQLITE_DATA = f"""
CREATE TABLE people (id integer PRIMARY KEY, addr text, local varchar(40), domain varchar(255), ch char(20),
    num numeric, active boolean, created date, net, dest text, d2 text);
INSERT INTO people ({_COLUMNS}) VALUES {_rows()};
"""

MYSQL_USER = "reader"
MYSQL_PASSWORD = "reader-password"
MYSQL_DATA = f"""
CREATE TABLE people (id int AUTO_INCREMENT PRIMARY KEY, addr varchar(5500), local varchar(40), domain varchar(255),
    ch char(20), num numeric(20,2), active boolean, created date, net varchar(40), dest text, d2 text);
SET sql_mode = 'NO_BACKSLASH_ESCAPES';
INSERT INTO people ({_COLUMNS}) VALUES {_rows()};
CREATE PROCEDURE one_set(k text) READS SQL DATA SELECT dest FROM people WHERE addr = k ORDER BY id;
CREATE PROCEDURE no_set(k text) SET @x = k;
CREATE USER '{MYSQL_USER}'@'%' IDENTIFIED BY '{MYSQL_PASSWORD}';
GRANT SELECT, EXECUTE ON maildb.* TO '{MYSQL_USER}'@'%';
"""

KEYS_ASCII = [
    "alice@example.com", "ALICE@EXAMPLE.COM", "bob@example.com", "Mixed@Example.COM", "o'brien@example.com",
    "back\\slash@example.com", "empty@example.com", "null@example.com", "comma@example.org", "space@example.org",
    "percent@example.org", "sub@mail.example.org", "postmaster", "1", "*", "@example.net", "example.com",
    ".example.com", "alice", "bob ", " bob", "sad", "", "@", "user@", "a@b@c.d", "a@b.", "u@a..b.c", "u@.a.b", "u@...",
    "a@b@", "@@", "u@[1.2.3.4]", "\"quoted local\"@example.com", "user+ext@example.com", "nobody@nowhere.example", "'",
    "''", "\\", "\\'", "\\\\'", "'; --", "'; DROP TABLE people; --", "' OR '1'='1", "\"", "`", "$1", "$$", "$t$", "%",
    "%s", "%d@%u", "?", ":name", "@var", "--", "/*", "*/", "a\tb@c.d", "a\nb@c.d", "a\rb", "\x01\x7f@c.d", "true",
    "false", "null", "NULL", "0", "-1", "42", "007", "1e3", "0x10", "1.5", "9999999999", "99999999999999999999",
    "2021-02-28", "10.1.2.3", "::1", "1 day", "{a,b}", "[1]", "{\"a\":1}", "x" * 300, "x" * 5000,
    "u@" + "d" * 300 + ".example", "u@1.2.3.4.5.6.7.8.9.10", "k=v", "a,b", "a;b", "<b>", "&amp;", "\\0041", "\\x41",
    "E'x'", "x'", "unicode\\u0041", "trailing\\", "a'b'c''d", "a@b'c.d", "o'x@y'z.w",
]
KEYS_UTF8 = ["ünï@x.example", "ÜNÏ@X.EXAMPLE", "straße", "STRASSE@exämple.com", "日本@例え.jp", "e\u0301@x.example", "İ@x",
             "ΣΑΣ@x.gr", "😀@smile.example", "user@ünï.example"]
KEYS_NOT_UTF8 = [b"\xff", b"caf\xe9@example.com", b"\xc0\xaf", b"\xed\xa0\x80@x", b"ok\xe2\x82"]

FLAGS = [16448, 16449, 524352, 524353, 540736, 540737, 526400, 0, 64, 16384, 32768]

_RESULT_FORMATS = ["%s", "<%s>", "%u", "%d", "%u at %d", "%S=%s", "%U.%D", "%1.%s", "%2", "%%%s%%", "const", "[%s]",
                   "%s %s", "x%u", "%d%%", "$1 %s", "'%s'"]
_DOMAINS = ["example.com", "example.com, example.org", "!example.com", "!example.org example.com x.example",
            ".example.com", "EXAMPLE.com b c.d", "{directory}/domains", "!{directory}/domains example.net",
            "!!example.com", "mail.example.org"]
DOMAIN_FILE = "# some domains\nexample.org\n!example.net, b.\n\n  c.d example.com\n"

# Literals that contain the key, sensible ones and bad ones.
_KEY_LITERALS = ["'%s'", "'%s'", "'%s'", "'%u'", "'%d'", "'%S'", "'%U'", "'%D'", "'%1'", "'%2'", "'<%u>'", "'%u@%d'",
                 "'%%%s'", "'%s%%'", "'it''s %s'", "'%s''s'", "'%s%s'", "'%d.%u'"]

_PG_TEXT = ["lower({})", "upper({})", "trim({})", "{}::text", "CAST({} AS text)", "CAST({} AS varchar(5))",
            "{}::char(4)", "concat({}, '-')", "coalesce(nullif({}, ''), 'none')", "replace({}, 'a', 'b')",
            "substring({} from 1 for 3)", "split_part({}, '@', 2)", "quote_literal({})", "{} COLLATE \"C\"", "md5({})",
            "length({})", "({})", "reverse({})", "{} || 'x'", "'x' || {}", "{} || {}", "pg_typeof({})",
            "greatest({}, 'm')", "CASE {} WHEN 'x' THEN 'y' ELSE {} END", "ARRAY[{}, {}]", "ROW({}, 1)",
            "to_json({}::text)", "format('%%s', {})", "unnest(ARRAY[{}, 'b'])", "unnest(string_to_array({}, '.'))",
            "max({})", "string_agg({}, '+')", "json_build_array({})", "overloaded({})", "lookup_dest({})",
            "position('a' in {})", "left({}, 3)", "ascii({})", "octet_length({})", "text {}", "varchar {}",
            "quote_nullable({})", "initcap({})", "strpos({}, '@')", "(SELECT {})", "(VALUES ({}))",
            "regexp_replace({}, '[.]', '_')"]
_PG_RAW = ["E'%s'", "$$%s$$", "$t$%s$t$", "U&'%s'", "N'%s'", "B'%u'", "date '%s'", "int '%u'", "interval '%s'",
           "'%s'::int", "'%u'::boolean", "'%s'::numeric", "'%s'::inet", "'%u'::mood", "'%s'::regclass", "'%s'::bytea",
           "'%s'::json", "generate_series(1, '%1')", "num + '%u'", "id * '%u'", "%u", "'%s' + 1", "- '%u'",
           "now() > '%s'", "coalesce('%u', num)", "'%u' + '%u'", "age('%s')", "extract(year from date '%s')",
           "'%s' @> '{a}'", "pg_catalog.lower('%s')", "'a' || E'\\n' || '%s'", "'''%s'''", "'/*' || '%s'", "'--%s'",
           "/* '%s' */ '%s'", "/* it's */ '%s'", "'%s' /* x", "\"%u\"", "dest AS \"%u\""]
_PG_CONDITIONS = ["addr = {}", "addr = {}", "addr = {}", "{} = addr", "local = '%u' AND domain = '%d'", "addr LIKE {}",
                  "addr ILIKE {}", "addr ~ {}", "addr IN ({}, {})", "{} IN (addr, dest)",
                  "{} = ANY(ARRAY[addr, local])", "{} = ANY('{{a,b}}')", "ch = {}", "local = {}", "id = '%u'",
                  "id IN ('%u', '2')", "num = '%u'", "num > '%u'", "active = '%u'", "active AND addr = {}",
                  "active = '1' AND addr = {}", "created = '%s'", "created < {}", "net >>= '%u'", "net = {}",
                  "feeling = '%u'", "feeling = {}", "addr BETWEEN {} AND 'n'", "lower(addr) = lower({})",
                  "upper(local) = {}", "EXISTS (SELECT 1 FROM people q WHERE q.addr = {} AND q.id = people.id)",
                  "addr = (SELECT {})", "domain = '%d'", "addr = concat({}, '')", "addr = '%u' || '@' || '%d'",
                  "addr || '' = {}", "NOT addr = {}", "addr <> {}", "{} IS NOT NULL", "id = %u",
                  "addr = {} OR addr = '@' || '%d'", "addr SIMILAR TO {}", "dest IS NOT DISTINCT FROM {}",
                  "starts_with(addr, {})"]
_SQLITE_TEXT = ["lower({})", "upper({})", "trim({})", "CAST({} AS text)", "CAST({} AS integer)",
                "coalesce(nullif({}, ''), 'none')", "replace({}, 'a', 'b')", "substr({}, 1, 3)", "quote({})",
                "length({})", "({})", "{} || 'x'", "{} || {}", "typeof({})", "max({}, 'm')",
                "CASE {} WHEN 'x' THEN 'y' ELSE {} END", "hex({})", "instr({}, '@')", "{} + 1", "abs({})",
                "{} COLLATE NOCASE", "(SELECT {})", "group_concat({})", "printf('%%s|%%d', {}, {})", "ifnull({}, 'n')",
                "unicode({})", "iif({} > 'm', 'hi', 'lo')", "{} = {}", "{} < 'm'", "{} LIKE 'a%%'", "total({})",
                "max({})", "-{}", "x'41' || {}"]
_SQLITE_RAW = ["'/*' || '%s'", "'--%s'", "/* '%s' */ '%s'", "/* it's */ '%s'", "'''%s'''", "'%s' /* x", "'%s' -- x",
               "typeof('%u' + 0)"]
_SQLITE_RISKY = ["\"%u\"", "[%u]", "`%u`", "%u", "x'%u'", "json('%s')", "nosuch('%s')", "'%s' FROM nowhere"]
_SQLITE_CONDITIONS = ["addr = {}", "addr = {}", "addr = {}", "{} = addr", "local = '%u' AND domain = '%d'",
                      "addr LIKE {}", "addr GLOB {}", "addr IN ({}, {})", "{} IN (addr, dest)", "ch = {}", "id = '%u'",
                      "id = {}", "id IN ('%u', '2')", "num = '%u'", "num > '%u'", "active = '%u'",
                      "active = '1' AND addr = {}", "created = '%s'", "net = {}", "addr BETWEEN {} AND 'n'",
                      "lower(addr) = lower({})", "addr = (SELECT {})", "domain = '%d'", "addr = '%u' || '@' || '%d'",
                      "NOT addr = {}", "{}", "addr = {} COLLATE NOCASE", "addr = {} OR addr = '@' || '%d'",
                      "id + 0 = {}", "+id = '%u'", "addr IS {}"]
_MYSQL_TEXT = ["lower({})", "upper({})", "trim({})", "CAST({} AS char)", "CAST({} AS signed)", "concat({}, '-')",
               "coalesce(nullif({}, ''), 'none')", "replace({}, 'a', 'b')", "substring({}, 1, 3)",
               "substring_index({}, '@', 1)", "quote({})", "md5({})", "length({})", "char_length({})", "({})",
               "reverse({})", "greatest({}, 'm')", "CASE {} WHEN 'x' THEN 'y' ELSE {} END", "if({} = 'x', 'y', {})",
               "hex({})", "locate('a', {})", "left({}, 3)", "ascii({})", "{} + 1", "{} = {}", "{} < 'm'",
               "{} LIKE 'a%%'", "max({})", "group_concat({})", "(SELECT {})", "ifnull({}, 'n')", "binary {}",
               "{} COLLATE utf8mb4_bin", "json_quote({})", "soundex({})", "lpad({}, 30, '.')", "field({}, 'a', '1')",
               "regexp_replace({}, '[.]', '_')"]
_MYSQL_RAW = ["'%s' '%u'", "\"%s\"", "\"it's %s\"", "'/*' '%s'", "'-- %s'", "/* '%s' */ '%s'", "/* it's */ '%s'",
              "'''%s'''", "'%s' /* x", "'%s' -- x", "'%s' # x", "`%u`", "%u", "x'%u'", "n'%s'", "_utf8mb4'%s'",
              "_binary'%s'", "'\\'%s'", "date '%s'", "nosuch('%s')", "'%s' FROM nowhere", "- '%u'", "! '%u'"]
_COLUMN_LISTS = ["dest", "dest", "dest", "dest, d2", "addr, dest", "d2", "id", "num", "active", "ch", "1", "'OK'",
                 "NULL", "''", "dest, NULL, d2", "count(*)", "local, domain", "*"]
_TAILS = ["", "", " ORDER BY id", " ORDER BY id LIMIT 2", " LIMIT 1", " ORDER BY dest DESC, id", " AND active = true",
          ";"]


@dataclass
class TableDefinition:
    """One generated table. `risky`: the query may fail for some keys."""

    kind: str
    database: str
    parameters: dict = field(default_factory=dict)
    in_main_cf: bool = False
    risky: bool = False


class Grammar:
    """Generates tables and questions. They depend on the seed alone."""

    def __init__(self, seed):
        self._random = random.Random(seed)

    def table(self, kind):
        pick = self._random.choice
        definition = TableDefinition(kind, pick(["utf8", "bytes"]) if kind == "pgsql" else "file")
        parameters = definition.parameters
        form = self._random.random()
        if form < 0.08:
            self._older_form(kind, parameters)
        else:
            parameters["query"] = self._query(definition)
        if self._random.random() < 0.45:
            parameters["result_format"] = pick(_RESULT_FORMATS)
        if self._random.random() < 0.25:
            parameters["domain"] = pick(_DOMAINS)
        if self._random.random() < 0.25:
            parameters["expansion_limit"] = pick([0, 1, 2, 3, -1])
        definition.in_main_cf = self._random.random() < 0.1
        return definition

    def _older_form(self, kind, parameters):
        pick = self._random.choice
        if kind == "pgsql" and self._random.random() < 0.3:
            parameters["select_function"] = pick(["lookup_dest", "upper", "overloaded", "pg_typeof"])
            return
        parameters.update(table="people", select_field=pick(["dest", "dest, d2", "lower(dest)"]),
                          where_field=pick(["addr", "local", "ch"]))
        if self._random.random() < 0.6:
            parameters["additional_conditions"] = pick(["AND id < 5", "ORDER BY id", "AND domain = '%d'",
                                                        "OR addr = '@%d'", "LIMIT 1"])

    def _literal(self):
        return self._random.choice(_KEY_LITERALS)

    def _filled(self, pattern):
        # str.format would fail on the braces of array literals.
        while "{}" in pattern:
            pattern = pattern.replace("{}", self._literal(), 1)
        return pattern.replace("{{", "{").replace("}}", "}")

    def _expression(self, definition):
        chance = self._random.random()
        text, raw = {"pgsql": (_PG_TEXT, _PG_RAW), "mysql": (_MYSQL_TEXT, _MYSQL_RAW),
                     "sqlite": (_SQLITE_TEXT, _SQLITE_RAW)}[definition.kind]
        if chance < 0.3:
            return self._literal()
        if chance < 0.75:
            return self._filled(self._random.choice(text))
        if definition.kind == "sqlite" and chance > 0.94:
            definition.risky = True
            return self._random.choice(_SQLITE_RISKY)
        return self._random.choice(raw)

    def _query(self, definition):
        pick = self._random.choice
        # MariaDB understands SQLite's conditions too, or reports an error.
        conditions = _PG_CONDITIONS if definition.kind == "pgsql" else _SQLITE_CONDITIONS
        select = f"SELECT {pick(_COLUMN_LISTS)} FROM people WHERE {self._filled(pick(conditions))}"
        expression = self._expression(definition)
        shapes = [
            f"{select}{pick(_TAILS)}",
            f"{select}{pick(_TAILS)}",
            f"{select}{pick(_TAILS)}",
            f"SELECT {expression}",
            f"SELECT {expression}",
            f"SELECT {expression}, {self._expression(definition)}",
            f"SELECT {expression} FROM people WHERE id <= 3",
            f"SELECT dest FROM people WHERE addr = {self._literal()} UNION ALL SELECT {self._literal()}",
            f"SELECT {self._literal()} UNION SELECT {self._literal()} ORDER BY 1",
            f"SELECT DISTINCT {self._literal()} FROM people",
            f"WITH q AS (SELECT {self._literal()} AS k) SELECT dest FROM people, q WHERE addr = k ORDER BY id",
            f"SELECT dest FROM people WHERE addr = {self._literal()} ORDER BY {self._literal()}",
            f"SELECT {self._literal()} WHERE {self._literal()} <> 'alice'",
            f"select  dest  from people  where(addr={self._literal()})  order by id",
        ]
        if definition.kind == "pgsql":
            shapes += [
                f"VALUES ({expression})", f"SELECT {self._literal()} UNION SELECT 1",
                f"SELECT dest FROM people ORDER BY id LIMIT {self._literal()}",
                f"SELECT {self._literal()} AS x GROUP BY x",
                f"SELECT count(*), {self._literal()} FROM people GROUP BY {self._literal()}", f"SELECT 1; {select}",
                f"{select}; SELECT {expression}", f"SELECT x FROM (SELECT {self._literal()} AS x) AS q",
                f"SELECT dest FROM lookup_dest({self._literal()}) AS q(dest)",
                f"SELECT q.dest FROM people AS q JOIN (SELECT {self._literal()} AS k) AS w ON addr = k ORDER BY id",
                f"SELECT * FROM (VALUES ({self._literal()}, 'a'), ('b', {self._literal()})) AS q",
                f"SELECT {self._literal()} FROM people p WHERE p.id = 1 -- {self._literal()}",
                f"SELECT unnest(array_agg(dest ORDER BY id)) FROM people WHERE addr = {self._literal()}",
                f"SELECT {self._literal()}::text[]", f"EXPLAIN (COSTS OFF) SELECT {self._literal()}",
                f"SHOW {self._literal()}",
                "SELECT current_setting('search_path')",
            ]
        elif definition.kind == "mysql":
            shapes += [
                f"CALL one_set({self._literal()})", f"CALL no_set({self._literal()})",
                f"SELECT {expression}; SELECT 'second'", f"VALUES ({expression})",
                f"SELECT x FROM (SELECT {self._literal()} AS x) AS q", f"SELECT {self._literal()} AS x GROUP BY x",
                f"SELECT group_concat(dest ORDER BY id) FROM people WHERE addr = {self._literal()}",
                f"SHOW COLUMNS FROM people LIKE {self._literal()}", f"SET @x = {self._literal()}",
                f"SELECT dest FROM people WHERE addr LIKE {self._literal()} ESCAPE '!' ORDER BY id",
            ]
        else:
            shapes += [
                f"VALUES ({expression})",
                f"SELECT {expression}; SELECT 'second'",
                f"SELECT max(dest) FROM people WHERE addr = {self._literal()}",
                f"SELECT group_concat(dest) FROM people WHERE addr = {self._literal()}",
                f"SELECT {self._literal()} FROM people GROUP BY {self._literal()}",
                f"SELECT dest FROM people WHERE addr LIKE {self._literal()} ESCAPE '!' ORDER BY id",
            ]
        return pick(shapes)

    def questions(self, definition, count):
        """(key, flags) pairs."""
        known = [person[0] for person in _PEOPLE if person[0].isascii()]
        keys = [key for key in KEYS_ASCII if key not in known]
        if definition.database != "utf8":
            keys += KEYS_UTF8
        chosen = self._random.sample(known, count // 3) + self._random.sample(keys, count - count // 3)
        self._random.shuffle(chosen)
        if self._random.random() < 0.3:
            chosen.append(self._random.choice(KEYS_NOT_UTF8))
        return [(key, self._random.choice(FLAGS)) for key in chosen]
