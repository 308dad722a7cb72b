"""One server under test, its tables, and the databases behind it."""

import json
import subprocess
import time

from harness import mailboxes, processes
from harness.fake_servers import FakeNameServer
from harness.galera import GaleraCluster
from harness.mariadb import Mariadb
from harness.paced_client import PacedClient
from harness.pgbouncer import Pgbouncer
from harness.postfix import COMMANDS, STOCK_SERVICE, age
from harness.postgres import Postgres, Standby
from harness.proxymap_client import DAEMON
from harness.proxymap_only import ProxymapOnly
from harness.server import postfix_version
from harness.tables import TableFiles

# Queries that return the key after some seconds.
_SLOW = {"pgsql": "SELECT '%s' || pg_sleep({})", "mysql": "SELECT IF(SLEEP({}), '', '%s')"}


class _WithNameServer(ProxymapOnly):
    """A Postfix whose processes use another name server than the rest of the machine."""

    name_server = None

    def command(self, *arguments, check=True, timeout=60):
        return self._run([*self.name_server.before, f"{COMMANDS}/postfix", "-c", self.config, *arguments],
                         check=check, timeout=timeout)


class Scene:
    """A case first creates databases and tables; serve() then starts the server."""

    def __init__(self, workspace, server, load):
        self.workspace = workspace
        self.server = server
        self._load = load
        self._keys = f"{workspace.path}/keys"
        self._tables = TableFiles(workspace.directory("tables"))
        self._postfix = None
        self._name_server = None
        self._services = []
        with open(self._keys, "w", encoding="ascii") as file:
            file.writelines(f"{mailboxes.address(n)}\n" for n in range(1, mailboxes.MAILBOXES + 1))

    # Databases

    def postgres(self, *options):
        return mailboxes.fill(Postgres(self.workspace, options=options).start())

    def mariadb(self, *options):
        return mailboxes.fill(Mariadb(self.workspace, options=options).start())

    def standby(self, primary):
        return Standby(self.workspace, primary).start()

    def pgbouncer(self, postgres):
        return Pgbouncer(self.workspace, postgres).start()

    def galera(self):
        cluster = GaleraCluster(self.workspace).start()
        mailboxes.fill(cluster.nodes[0])
        return cluster

    def name_server(self):
        """The name server of the server under test alone."""
        self._name_server = FakeNameServer(self.workspace)
        return self._name_server

    # Tables, and the server

    def table(self, database, name="mailbox", ports=None, **parameters):
        """`ports` are the ports of the hosts, if not the database's own."""
        merged = mailboxes.table_parameters(ports or [database.port]) | parameters
        return self._tables.add(database.KIND, name, **merged)

    def slow_table(self, database, seconds=0.5):
        return self.table(database, f"slow-{seconds}", query=_SLOW[database.KIND].format(seconds))

    def sqlite_table(self, path, name, query=None):
        return self._tables.add("sqlite", name, dbpath=path, query=query or mailboxes.query())

    def text_table(self):
        """A text file table with the same mailboxes."""
        path = f"{self.workspace.path}/mailbox.txt"
        with open(path, "w", encoding="ascii") as file:
            file.writelines(f"{mailboxes.address(n)} box{n}@store.example\n" for n in range(1, mailboxes.MAILBOXES + 1))
        age(path)
        return self.other_table(f"texthash:{path}")

    def other_table(self, name):
        """A table that proxyd relays to the stock server."""
        self._tables.names.append(name)
        self._services = [STOCK_SERVICE]
        return name

    def serve(self):
        kind = _WithNameServer if self._name_server else ProxymapOnly
        self._postfix = kind(self.workspace, self.server, main_cf={"proxy_read_maps": self._tables.proxied()},
                             services=self._services)
        if self._name_server:
            self._postfix.name_server = self._name_server
        self._postfix.start()

    def socket(self):
        return self._postfix.socket()

    def memory_mib(self):
        """Memory of all processes of the server together; shared memory counts once."""
        return processes.memory_mib(self._postfix.pids(self.server.command))

    def log_lines(self):
        """The number of lines that the server has logged, without those of its start and end."""
        return sum("proxymap[" in line and "starting" not in line for line in self._postfix.log().splitlines())

    # Clients

    def client(self, table, per_second=500, key=mailboxes.KEY, flags=DAEMON):
        return PacedClient(self.socket(), table, key, mailboxes.VALUE, per_second, flags=flags)

    def load(self, table, clients, seconds):
        """Starts proxyd_load; returns its process for load_result()."""
        major_minor = postfix_version()
        return subprocess.Popen(
            [self._load, "--socket", self.socket(), "--table", table, "--keys", self._keys, "--clients", str(clients),
             "--seconds", str(seconds), "--json", "--greeting", "yes" if major_minor >= (3, 6) else "no",
             "--layout", "instance_flags" if major_minor >= (3, 11) else "flags"],
            stdout=subprocess.PIPE)

    @staticmethod
    def load_result(process):
        output, _ = process.communicate()
        return json.loads(output)

    def measure(self, table):
        """The report on 10 clients of a table, over 5 s."""
        time.sleep(1.5)  # the trouble has begun by then
        return self.load_result(self.load(table, 10, 5))
