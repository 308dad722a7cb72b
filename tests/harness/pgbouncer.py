"""A private PgBouncer in front of a private PostgreSQL."""

import os
import subprocess

from .database_server import DatabaseMissing
from .ports import reserve_port
from .waiting import wait_until

_PROGRAM = "/usr/sbin/pgbouncer"


class Pgbouncer:
    """Pools server connections per transaction, for so many clients at most. stop() is like a crash."""

    def __init__(self, workspace, postgres, pool_size=3, clients=100):
        if not os.access(_PROGRAM, os.X_OK):
            raise DatabaseMissing(f"no {_PROGRAM}")
        self.port = reserve_port()
        self._postgres = postgres
        self._process = None
        self._janitor = workspace.janitor
        directory = workspace.directory("pgbouncer")
        self._log = f"{directory}/log"
        self._config = f"{directory}/pgbouncer.ini"
        with open(self._config, "w", encoding="ascii") as file:
            file.write(f"[databases]\n* = host={postgres.socket_directory} port={postgres.port} "
                       f"user={postgres.USER}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\n"
                       f"unix_socket_dir =\nauth_type = any\npool_mode = transaction\n"
                       f"default_pool_size = {pool_size}\nmax_client_conn = {clients}\n")
        workspace.on_close(self.stop)

    def start(self):
        identity = ["-u", "nobody"] if os.geteuid() == 0 else []
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen([_PROGRAM, "-q", *identity, self._config], stdin=subprocess.DEVNULL,
                                             stdout=log, stderr=log, cwd="/")
        self._janitor.note(f"pid {self._process.pid}")
        probe = [f"{self._postgres.bin}/psql", "-X", "-h", "127.0.0.1", "-p", str(self.port),
                 "-U", self._postgres.USER, "-d", "postgres", "-c", "SELECT 1"]
        wait_until(lambda: subprocess.run(probe, capture_output=True, check=False).returncode == 0,
                   f"pgbouncer answers (see {self._log})")
        return self

    def stop(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
