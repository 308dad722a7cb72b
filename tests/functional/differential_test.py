#!/usr/bin/env python3
"""Asks the stock proxymap and proxyd the same questions. Only deliberate differences are allowed.

A seed generates the questions, and the test prints it. Set PROXYD_TEST_SEED to repeat a run,
PROXYD_TEST_TABLES to change the number of tables. With --server stock, the stock server is compared with
itself.
"""

import collections
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from functional import deliberate_differences, mail_database, question_grammar
from functional.approval_cases import APPROVAL_CASES
from harness import proxymap_client, scenario, server
from harness.mariadb import Mariadb
from harness.postfix import Postfix
from harness.postgres import Postgres
from harness.proxymap_client import RETRY, Closed, Connection

_SEED = int(os.environ.get("PROXYD_TEST_SEED", "20240601"))
_TABLES = int(os.environ.get("PROXYD_TEST_TABLES", "300"))
_QUESTIONS_PER_TABLE = 30
# Each death of a stock process takes seconds.
_DEATHS_ALLOWED = 8


class Side:
    """One of the two servers, with a connection to it."""

    def __init__(self, postfix, fresh_after_errors):
        self.postfix = postfix
        self.fresh_after_errors = fresh_after_errors
        self._connection = None
        self._opened = None
        self.deaths = 0

    def open(self, table):
        """Opens a table, as Postfix does before its first lookup, and again on each new connection."""
        self._opened = table
        if self._connection is None:
            self._connection = Connection(self.postfix.socket(), timeout=30.0)
        return self._connection.open(table)

    def ask(self, request):
        """The reply, or None if the server closed the connection instead."""
        try:
            if self._connection is None:
                self.open(self._opened)
            reply = self._connection.ask(request)
        except Closed:
            self.deaths += 1
            self.renew()
            return None
        if self.fresh_after_errors and reply.status == RETRY:
            # A stock process puts a table out of service for a minute after an error. A new process does not.
            self.renew()
        return reply

    def renew(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class DifferentialTest(scenario.Scenario):
    @classmethod
    def set_up_servers(cls):
        print(f"seed {_SEED}, {_TABLES} tables", file=sys.stderr)
        postgres = Postgres(cls.workspace).start()
        postgres.sql(f"CREATE ROLE {question_grammar.POSTGRES_USER} LOGIN")
        postgres.create_database("utf8", question_grammar.POSTGRES_DATA)
        postgres.create_database("bytes", question_grammar.POSTGRES_DATA, encoding="SQL_ASCII")
        mariadb = Mariadb(cls.workspace).start()
        mariadb.create_database(mail_database.DATABASE, question_grammar.MYSQL_DATA)
        sqlite = mail_database.create_sqlite(f"{cls.workspace.path}/mail.db", question_grammar.SQLITE_DATA)
        tables = mail_database.table_files(cls.workspace, postgres, mariadb, sqlite=sqlite)
        with open(f"{tables.directory}/domains", "w", encoding="utf-8") as file:
            file.write(question_grammar.DOMAIN_FILE)
        grammar = question_grammar.Grammar(_SEED)
        main_cf = {}
        approved = []
        cls.plan = []
        for number in range(_TABLES):
            definition = grammar.table(("sqlite", "pgsql", "mysql", "pgsql")[number % 4])
            if definition.kind == "pgsql":
                definition.parameters.update(dbname=definition.database, user=question_grammar.POSTGRES_USER)
            elif definition.kind == "mysql":
                definition.parameters.update(dbname=mail_database.DATABASE, user=question_grammar.MYSQL_USER,
                                             password=question_grammar.MYSQL_PASSWORD)
            if "domain" in definition.parameters:
                definition.parameters["domain"] = definition.parameters["domain"].replace("{directory}",
                                                                                          tables.directory)
            if definition.in_main_cf:
                name = f"{definition.kind}:t{number}"
                if definition.kind == "pgsql":
                    main_cf[f"t{number}_hosts"] = f"127.0.0.1:{postgres.port}"
                    main_cf[f"t{number}_user"] = question_grammar.POSTGRES_USER
                elif definition.kind == "mysql":
                    main_cf[f"t{number}_hosts"] = f"127.0.0.1:{mariadb.port}"
                else:
                    main_cf[f"t{number}_dbpath"] = sqlite
                main_cf.update({f"t{number}_{parameter}": str(value).replace("$", "$$")
                                for parameter, value in definition.parameters.items()})
            else:
                name = tables.add(definition.kind, f"t{number}", **definition.parameters)
            approved.append(f"proxy:{name}")
            cls.plan.append((name, definition, grammar.questions(definition, _QUESTIONS_PER_TABLE)))
        main_cf["proxy_read_maps"] = " ".join(approved)
        main_cf.update({f"approval_case_{number}": case.value for number, case in enumerate(APPROVAL_CASES)})
        # With this a stock process ends when its client disconnects.
        stock_cf = {**main_cf, "max_use": "1"}
        cls.stock = Side(cls.instance("stock", server.STOCK, stock_cf), True)
        ours = scenario.tested()
        cls.ours = Side(cls.instance("ours", ours, main_cf if ours.is_proxyd else stock_cf), not ours.is_proxyd)

    @classmethod
    def instance(cls, name, which, main_cf):
        command = f"{which.command} -n proxymap"
        services = [f"approval-{number} unix - - n - 1 {command} -o proxy_read_maps=$approval_case_{number}"
                    for number in range(len(APPROVAL_CASES))]
        return Postfix(cls.workspace, which, main_cf, services=services, name=name).start()

    def test_lookups(self):
        explained = collections.Counter()
        unexplained = []
        asked = 0
        statuses = collections.Counter()
        skipped = 0
        started = time.monotonic()
        for name, definition, questions in self.plan:
            if definition.risky and self.stock.deaths >= _DEATHS_ALLOWED:
                skipped += 1
                continue
            self.open_on_both(name)
            for key, flags in questions:
                asked += 1
                stock, ours = self.ask_both(name, key, flags)
                statuses["closed" if stock is None else stock.status] += 1
                if stock is None and ours is None and not scenario.tested().is_proxyd:
                    break
                if stock is not None and ours is not None and stock.raw == ours.raw:
                    continue
                question = deliberate_differences.Question(definition.kind, definition.database,
                                                           str(definition.parameters), proxymap_client.to_bytes(key),
                                                           flags)
                difference = deliberate_differences.find(question, stock, ours)
                if difference is not None:
                    explained[difference.name] += 1
                else:
                    unexplained.append(f"{name} {definition.parameters}\n    key {key!r} flags {flags}\n"
                                       f"    stock {stock!r}\n    ours  {ours!r}")
                if stock is None:
                    break  # one death per table is enough
        print(f"{asked} questions in {time.monotonic() - started:.0f} s, stock statuses {dict(statuses)}, "
              f"{self.stock.deaths} stock processes ended, {skipped} tables left out", file=sys.stderr)
        for what, count in explained.items():
            print(f"deliberate: {what}: {count}", file=sys.stderr)
        shown = "\n".join(unexplained[:40])
        self.assertEqual(len(unexplained), 0, f"seed {_SEED}: {len(unexplained)} replies differ\n{shown}")
        self.assertGreater(statuses[proxymap_client.OK], asked // 10, "hardly any question has an answer")

    def open_on_both(self, name):
        for side in (self.stock, self.ours):
            try:
                self.assertEqual(side.open(name).status, proxymap_client.OK, name)
            except Closed:
                side.renew()

    def ask_both(self, name, key, flags):
        request = proxymap_client.lookup_request(name, key, flags)
        replies = [side.ask(request) for side in (self.stock, self.ours)]
        if None in replies or replies[0].raw == replies[1].raw:
            return replies
        # The stock process may have put the table out of service earlier: ask a new one.
        for number, side in enumerate((self.stock, self.ours)):
            if side.fresh_after_errors and replies[number].status == RETRY:
                side.renew()
                time.sleep(0.1)
                replies[number] = side.ask(request)
        return replies

    def test_approval(self):
        for number, case in enumerate(APPROVAL_CASES):
            for table in case.tables:
                with self.subTest(value=case.value, table=table):
                    replies = []
                    for side in (self.stock, self.ours):
                        with Connection(side.postfix.socket(f"approval-{number}")) as connection:
                            replies.append(connection.open(table).status)
                    self.assertEqual(replies[0], replies[1], "stock, ours")


if __name__ == "__main__":
    scenario.main()
