"""The row `smtp` of `compare`: RCPT TO at real smtpd processes, with tables in main.cf and behind proxies."""

import json
import os
import subprocess
import sys

from bench.compare_mail import DATABASE, QUERY, address
from bench.figures import medians, print_markdown, print_table
from harness.pgbouncer import Pgbouncer
from harness.postfix import Postfix
from harness.server import STOCK, Server
from harness.tables import TableFiles
from harness.waiting import wait_until

DOMAINS, ALIASES = 1000, 10000
_SAMPLES = 30000  # recipients in the file of the load
_TABLES = {  # by parameter of main.cf
    "virtual_mailbox_domains": ("domain", "SELECT name FROM domain WHERE name='%s'"),
    "virtual_mailbox_maps": ("mailbox", QUERY.format("%s")),
    "virtual_alias_maps": ("alias", "SELECT destination FROM alias WHERE address='%s'"),
}
_MAIN_CF = {
    # No limit is to show: sessions with many mistakes, many RSET and no mail are what this row is about.
    "smtpd_soft_error_limit": "100000000", "smtpd_hard_error_limit": "100000000",
    "smtpd_junk_command_limit": "100000000", "smtpd_recipient_limit": "1000", "in_flow_delay": "0",
    "smtpd_client_event_limit_exceptions": "127.0.0.0/8", "smtpd_reject_unlisted_recipient": "yes",
}


class SmtpSide:
    """One way to ask the database: `direct` (tables in main.cf), `pgbouncer`, `stock` or `proxyd`.

    A bouncer runs only while its side is measured.
    """

    def __init__(self, bench, name, server, proxied, bouncer=None):
        self.name = name
        self._bouncer = bouncer
        database, reader = bench.database, f"smtp_{name}"
        database.add_reader(reader, "domain", "alias")
        tables = TableFiles(bench.workspace.directory(f"tables-{reader}-{database.kind}"))
        where = database.table_parameters(reader, bouncer.port if bouncer else None)
        prefix = "proxy:" if proxied else ""
        maps = {parameter: prefix + tables.add(database.kind, table, **where, query=query)
                for parameter, (table, query) in _TABLES.items()}
        processes = max(100, 2 * bench.options.sessions)
        self._postfix = Postfix(bench.workspace, server, name=f"{reader}-{database.kind}",
                                main_cf={**_MAIN_CF, **maps, "default_process_limit": processes},
                                proxyd_cf=f"{bench.options.proxyd_cf}pool_size = {bench.options.smtp_pool}\n")

    def measure(self, bench, recipients):
        if self._bouncer:
            self._bouncer.start()
        self._postfix.start()
        try:
            return self._measure(bench, recipients)
        finally:
            self._postfix.stop()
            if self._bouncer:
                self._bouncer.stop()
            # PostgreSQL ends a connection a little after its client.
            wait_until(lambda: bench.database.all_connections() == 0, "the connections have ended", 30)

    def _measure(self, bench, recipients):
        options = bench.options
        arguments = [sys.executable, os.path.join(os.path.dirname(__file__), "smtp_load.py"),
                     "--port", str(self._postfix.smtp_port), "--recipients", recipients,
                     "--sessions", str(options.sessions), "--transaction", str(options.transaction),
                     "--warmup", str(options.warmup), "--seconds", str(options.seconds)]
        most = 0
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as load:
            try:
                while load.poll() is None:
                    most = max(most, bench.database.all_connections())
                    try:
                        load.wait(0.25)
                    except subprocess.TimeoutExpired:
                        pass
                report = json.loads(load.stdout.read())
            except BaseException:
                load.kill()
                raise
        if report["failed"] or not report["rcpts"]:
            bench.load.wrong += 1
            print(f"  {self.name}: {report['failed']} failed: {report['examples']}", file=sys.stderr)
        return {**report, "database_connections": most}


def _create_tables(database):
    """The tables beside the mailboxes: their domains, and aliases."""
    domains = ", ".join(f"('domain{n}.example')" for n in range(DOMAINS))
    aliases = ", ".join(f"('{_alias(n)}', '{address(n)}')" for n in range(1, ALIASES + 1))
    database.server.sql(f"""
        CREATE TABLE domain (name varchar(255) PRIMARY KEY);
        CREATE TABLE alias (address varchar(255) PRIMARY KEY, destination varchar(255) NOT NULL);
        INSERT INTO domain VALUES {domains}; INSERT INTO alias VALUES {aliases};""", DATABASE)


def _alias(number):
    return f"alias{number}@domain{number % DOMAINS}.example"


def _write_recipients(bench):
    """Half of them exist: as many mailboxes as aliases. The others have a domain that exists."""
    path = os.path.join(bench.workspace.path, "recipients")
    with open(path, "w", encoding="ascii") as file:
        for sample in range(1, _SAMPLES // 4 + 1):
            number = sample * 7919
            file.write(f"known {address(number % bench.options.mailboxes + 1)}\nknown {_alias(sample % ALIASES + 1)}\n")
            file.writelines(f"unknown nobody{number + i}@domain{(number + i) % DOMAINS}.example\n" for i in range(2))
    return path


def _sides(bench):
    options, database = bench.options, bench.database
    yield SmtpSide(bench, "direct", STOCK, False)
    if database.kind == "pgsql":
        bouncer = Pgbouncer(bench.workspace, database.server, options.smtp_pool, 1000)
        yield SmtpSide(bench, "pgbouncer", STOCK, False, bouncer)
    yield SmtpSide(bench, "stock", STOCK, True)
    if not options.only_stock:
        yield SmtpSide(bench, "proxyd", Server("proxyd", os.path.abspath(options.proxyd)), True)


def run(bench):
    """Prints the row and yields its report."""
    options = bench.options
    _create_tables(bench.database)
    recipients = _write_recipients(bench)
    sides = list(_sides(bench))
    turns = bench.in_turns(sides, lambda side: side.measure(bench, recipients))
    results = medians(sides, _numbers(turns))
    title = f"{options.sessions} SMTP sessions"
    names = [side.name for side in sides]
    print_table(title, names, results)
    print(f"  The host's processor time is that of everything on it, the client's with it. PgBouncer and proxyd have "
          f"a pool of {options.smtp_pool}.")
    by_name = dict(zip(names, results))
    if "proxyd" in by_name:
        direct, proxyd = by_name["direct"], by_name["proxyd"]
        print(f"  proxyd beside direct: {proxyd['rcpt_per_second'] / direct['rcpt_per_second']:.2f} times the RCPT/s, "
              f"{proxyd['database_connections'] / direct['database_connections']:.3f} times the connections")
    if options.markdown:
        print_markdown(f"{bench.database.version}, {title}", names, results)
    yield {"sessions": options.sessions, "pool": options.smtp_pool, "turns": turns}


def _numbers(turns):
    """The turns without what has no median."""
    return {name: [{key: value for key, value in result.items() if key != "examples"} for result in results]
            for name, results in turns.items()}
