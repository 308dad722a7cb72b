"""A private PostgreSQL server."""

import glob
import os
import re
import signal

from .database_server import DatabaseMissing, DatabaseServer


def binary_directory():
    """The newest /usr/lib/postgresql/*/bin that has a server."""
    found = [path for path in glob.glob("/usr/lib/postgresql/*/bin") if os.access(f"{path}/initdb", os.X_OK)]
    if not found:
        raise DatabaseMissing("no /usr/lib/postgresql/*/bin/initdb")
    return max(found, key=lambda path: int(re.search(r"/(\d+)/bin$", path).group(1)))


class Postgres(DatabaseServer):
    """See DatabaseServer. The server trusts all clients, so that any password works."""

    NAME = "PostgreSQL"
    KIND = "pgsql"
    SUPERUSER = USER = "postgres"
    PASSWORD = "not-needed"
    _ACCOUNTS = ("postgres", "nobody")
    _STOP_SIGNALS = {"immediate": signal.SIGQUIT, "fast": signal.SIGINT}

    def __init__(self, workspace, name="postgres", options=()):
        self.bin = binary_directory()
        super().__init__(workspace, name, options)

    def _install_arguments(self):
        return [f"{self.bin}/initdb", "-D", self.data, "-U", self.SUPERUSER, "-A", "trust", "-E", "UTF8",
                "--locale=C", "--no-sync", "--no-instructions"]

    def _server_arguments(self):
        return [f"{self.bin}/postgres", "-D", self.data]

    def _server_options(self):
        return ["listen-addresses=127.0.0.1", f"port={self.port}", f"unix-socket-directories={self.socket_directory}",
                # The tests only kill the server's processes; commits survive that without fsync.
                "fsync=off", "full-page-writes=off", "max-connections=100", "shared-buffers=32MB", "autovacuum=off",
                "log-min-messages=warning", "log-line-prefix=%m [%p] %q%u@%d "]

    def client_arguments(self, database=None):
        return [f"{self.bin}/psql", "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1",
                "-h", self.socket_directory, "-p", str(self.port), "-U", self.SUPERUSER, "-d", database or "postgres"]

    def connections_query(self, database):
        return f"SELECT count(*) {self._connections(database)}"

    def _create_statement(self, name, encoding):
        return (f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding or 'UTF8'}' "
                "LC_COLLATE 'C' LC_CTYPE 'C'")

    def terminate_backends(self, database):
        return len(self.sql(f"SELECT pg_terminate_backend(pid) {self._connections(database)}"))

    @staticmethod
    def _connections(database):
        return (f"FROM pg_stat_activity WHERE datname = '{database}' AND backend_type = 'client backend' "
                "AND pid <> pg_backend_pid()")


class Standby(Postgres):
    """A standby that follows another server. It accepts reads."""

    def __init__(self, workspace, primary, name="standby"):
        self._primary = primary
        # PostgreSQL refuses limits below those of the primary, so the standby uses the same options.
        # pylint: disable-next=protected-access
        super().__init__(workspace, name, primary._options)

    def _install_arguments(self):
        return [f"{self.bin}/pg_basebackup", "-h", self._primary.socket_directory, "-p", str(self._primary.port),
                "-U", self.SUPERUSER, "-D", self.data, "-R", "-X", "stream", "-c", "fast", "--no-sync"]

    def start_closed(self):
        """Starts the standby so that it replays but refuses clients, as a server does that is starting up."""
        self.start(["hot-standby=off"], self._refuses)

    def _refuses(self):
        done = self._run(self.client_arguments(), input=b"SELECT 1", capture_output=True)
        return b"not accepting connections" in done.stderr
