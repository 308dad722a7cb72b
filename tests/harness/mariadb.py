"""A private MariaDB server."""

import os
import signal

from .database_server import DatabaseMissing, DatabaseServer

_PROGRAMS = {"install": "/usr/bin/mariadb-install-db", "server": "/usr/sbin/mariadbd", "client": "/usr/bin/mariadb"}


class Mariadb(DatabaseServer):
    """See DatabaseServer."""

    NAME = "MariaDB"
    KIND = "mysql"
    SUPERUSER = "root"
    USER = "mail"
    PASSWORD = "mail-password"
    _ACCOUNTS = ("mysql", "nobody")
    _STOP_SIGNALS = {"immediate": signal.SIGKILL, "fast": signal.SIGTERM}

    def __init__(self, workspace, name="mariadb", options=()):
        for program in _PROGRAMS.values():
            if not os.access(program, os.X_OK):
                raise DatabaseMissing(f"no {program}")
        self._prepared = False
        super().__init__(workspace, name, options)
        self.socket = os.path.join(self.socket_directory, "mariadb.sock")

    def _install_arguments(self):
        return [_PROGRAMS["install"], "--no-defaults", f"--datadir={self.data}", f"--tmpdir={self.temporary}",
                "--auth-root-authentication-method=normal", "--skip-test-db"]

    def _server_arguments(self):
        return [_PROGRAMS["server"], "--no-defaults"]

    def _server_options(self):
        # A server that starts removes all temporary tables in its tmpdir, so servers must not share one.
        return [f"datadir={self.data}", f"tmpdir={self.temporary}", f"pid-file={self.base}/server.pid",
                f"socket={self.socket}", f"port={self.port}", "bind-address=127.0.0.1", "skip-name-resolve",
                "skip-log-bin",
                # The tests only kill the server's process; commits survive that without a flush to disk.
                "innodb-flush-log-at-trx-commit=2", "innodb-buffer-pool-size=64M", "innodb-log-file-size=16M",
                "performance-schema=OFF", "max-connections=150", "max-connect-errors=1000000",
                "character-set-server=utf8mb4"]

    def start(self, options=()):
        super().start(options)
        if not self._prepared:
            self.sql(f"CREATE USER IF NOT EXISTS '{self.USER}'@'%' IDENTIFIED BY '{self.PASSWORD}';"
                     f"GRANT ALL ON *.* TO '{self.USER}'@'%' WITH GRANT OPTION; DELETE FROM mysql.global_priv "
                     "WHERE User = ''; FLUSH PRIVILEGES")
            self._prepared = True
        return self

    def client_arguments(self, database=None):
        return [_PROGRAMS["client"], "--no-defaults", "--batch", "--skip-column-names", "--unbuffered",
                "--default-character-set=utf8mb4", f"--socket={self.socket}", f"--user={self.SUPERUSER}",
                *([database] if database else [])]

    def connections_query(self, database):
        return f"SELECT COUNT(*) {self._connections(database)}"

    def _create_statement(self, name, encoding):
        return f"CREATE DATABASE {name} CHARACTER SET {encoding or 'utf8mb4'}"

    def terminate_backends(self, database):
        ids = [row[0] for row in self.sql(f"SELECT id {self._connections(database)}")]
        # --force: a connection that has ended meanwhile is no error.
        self._run([*self.client_arguments(), "--force"], input="".join(f"KILL {one};\n" for one in ids).encode(),
                  capture_output=True)
        return len(ids)

    @staticmethod
    def _connections(database):
        return f"FROM information_schema.processlist WHERE db = '{database}' AND id <> CONNECTION_ID()"
