"""The data that `compare` asks for: mailboxes in each database, and the two servers in front of it."""

import contextlib
import os
import sqlite3

from harness import processes
from harness.mariadb import Mariadb
from harness.postgres import Postgres
from harness.proxymap_only import ProxymapOnly
from harness.tables import TableFiles

DATABASE, PASSWORD = "mail", "unused"
QUERY = "SELECT destination FROM mailbox WHERE address='{}'"


def address(number):
    return f"user{number}@domain{number % 1000}.example"


def write_keys(workspace, mailboxes):
    """Writes the file with all keys and their expected values, for proxyd_load."""
    keys = os.path.join(workspace.path, "keys")
    with open(keys, "w", encoding="ascii") as file:
        for n in range(1, mailboxes + 1):
            file.write(f"{address(n)}\tbox{n}@store.example\n")
    return keys


class ServerMail:
    """A database server with the mailboxes, and a role for each reader."""

    _session = None

    def table_parameters(self, reader, port=None):
        # The table files differ only in the user. The user tells the connections of the readers apart.
        return {"hosts": f"{self.server.host}:{port or self.server.port}", "user": reader, "password": PASSWORD,
                "dbname": DATABASE}

    def connections(self, name):
        """The number of connections of that reader."""
        self._session = self._session or self.server.session(DATABASE)
        return int(self._session.ask(self.connections_query(name))[0][0])

    def all_connections(self):
        """The number of connections of all readers."""
        self._session = self._session or self.server.session(DATABASE)
        return int(self._session.ask(self.server.connections_query(DATABASE))[0][0])

    def stop(self):
        self.server.stop()


class PostgresMail(ServerMail):
    """A PostgreSQL with the mailboxes."""

    kind = "pgsql"

    def __init__(self, workspace, mailboxes):
        self.server = Postgres(workspace, options=["max-connections=500", "shared-buffers=128MB"]).start()
        self.server.create_database(DATABASE, f"""
            CREATE TABLE mailbox (address text PRIMARY KEY, destination text NOT NULL);
            INSERT INTO mailbox SELECT format('user%s@domain%s.example', n, n % 1000), format('box%s@store.example', n)
                FROM generate_series(1, {mailboxes}) AS n;
            VACUUM ANALYZE mailbox;""")
        self.version = "PostgreSQL " + self.server.sql("SHOW server_version")[0][0].split()[0]

    def add_reader(self, name, *tables):
        self.server.sql(f"CREATE ROLE {name} LOGIN; GRANT SELECT ON {', '.join(('mailbox', *tables))} TO {name}",
                        DATABASE)

    def connections_query(self, name):
        return f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{name}'"


class MariadbMail(ServerMail):
    """A MariaDB with the mailboxes."""

    kind = "mysql"

    def __init__(self, workspace, mailboxes):
        self.server = Mariadb(workspace, options=["max-connections=500", "innodb-buffer-pool-size=128M"]).start()
        self.server.create_database(DATABASE, f"""
            CREATE TABLE mailbox (address varchar(255) PRIMARY KEY, destination varchar(255) NOT NULL);
            INSERT INTO mailbox SELECT CONCAT('user', seq, '@domain', seq % 1000, '.example'),
                CONCAT('box', seq, '@store.example') FROM seq_1_to_{mailboxes};
            ANALYZE TABLE mailbox;""")
        self.version = "MariaDB " + self.server.sql("SELECT VERSION()")[0][0].split("-")[0]

    def add_reader(self, name, *tables):
        self.server.sql(f"CREATE USER {name}@'%' IDENTIFIED BY '{PASSWORD}';" +
                        "".join(f"GRANT SELECT ON {table} TO {name}@'%';" for table in ("mailbox", *tables)), DATABASE)

    def connections_query(self, name):
        return f"SELECT COUNT(*) FROM information_schema.processlist WHERE user = '{name}'"


class SqliteMail:
    """An SQLite file with the mailboxes."""

    kind = "sqlite"

    def __init__(self, workspace, mailboxes):
        self._path = os.path.join(workspace.directory("sqlite"), "mail.db")
        self.version = f"SQLite {sqlite3.sqlite_version}"
        rows = ((address(n), f"box{n}@store.example") for n in range(1, mailboxes + 1))
        with contextlib.closing(sqlite3.connect(self._path)) as database, database:
            database.execute("CREATE TABLE mailbox (address text PRIMARY KEY, destination text NOT NULL)")
            database.executemany("INSERT INTO mailbox VALUES (?, ?)", rows)
        os.chmod(self._path, 0o644)

    def add_reader(self, name):
        pass

    def table_parameters(self, _reader):
        return {"dbpath": self._path}

    def connections(self, _name):
        return 0

    def stop(self):
        pass


DATABASES = {database.kind: database for database in (PostgresMail, MariadbMail, SqliteMail)}


class Side:
    """One of the two servers: its database role, its table file and its Postfix.

    `name` is its name in the output. `place` distinguishes its files from those of its other sides. `port` is
    the port of the database if that is not the database's own. `parameters` are further parameters of the
    table. `proxyd_cf` is the text of proxyd.cf.
    """

    def __init__(self, workspace, database, server, name=None, place="", port=None, proxyd_cf="", **parameters):
        self.name = name or server.kind
        reader = self.name + place
        database.add_reader(reader)
        self.database_connections = lambda: database.connections(reader)
        instance = f"{reader}-{database.kind}"
        tables = TableFiles(workspace.directory(f"tables-{instance}"))
        where = database.table_parameters(reader, **({"port": port} if port else {}))
        self.table = tables.add(database.kind, "mailbox", **where, query=QUERY.format("%s"), **parameters)
        self.postfix = ProxymapOnly(workspace, server, main_cf={"proxy_read_maps": tables.proxied()},
                                    proxyd_cf=proxyd_cf, name=instance)

    def socket(self):
        return self.postfix.socket()

    def pids(self):
        """The server's processes. With proxyd they include the process that only watches."""
        return self.postfix.pids(self.postfix.server.command)

    def memory_mib(self):
        return processes.memory_mib(self.pids())
