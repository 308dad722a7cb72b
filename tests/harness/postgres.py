"""A private PostgreSQL server, and a session to ask it things."""

import glob
import os
import pwd
import re
import signal
import subprocess
import threading

from .ports import reserve_port
from .waiting import wait_until


class PostgresMissing(RuntimeError):
    """No PostgreSQL server is installed."""


def binary_directory():
    """The newest /usr/lib/postgresql/*/bin that has a server."""
    found = [path for path in glob.glob("/usr/lib/postgresql/*/bin") if os.access(f"{path}/initdb", os.X_OK)]
    if not found:
        raise PostgresMissing("no /usr/lib/postgresql/*/bin/initdb")
    return max(found, key=lambda path: int(re.search(r"/(\d+)/bin$", path).group(1)))


def _unprivileged_user():
    """Name of the user the server runs as, or None to stay who we are: it refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
            return name
        except KeyError:
            continue
    raise PostgresMissing("no unprivileged user to run PostgreSQL as")


class Postgres:
    """A server of its own: data directory, socket directory, loopback port. Everybody is trusted."""

    SUPERUSER = "postgres"

    def __init__(self, workspace, name="postgres", settings=()):
        self.bin = binary_directory()
        self.port = reserve_port()
        self.host = "127.0.0.1"
        self._user = _unprivileged_user()
        self._process = None
        self._sessions = []
        self._janitor = workspace.janitor
        owner = None
        if self._user is not None:
            entry = pwd.getpwnam(self._user)
            owner = (entry.pw_uid, entry.pw_gid)
        base = workspace.directory(name, 0o755, owner)
        self.data = os.path.join(base, "data")
        self.socket_directory = workspace.directory(f"{name}/socket", 0o755, owner)
        self.log_file = os.path.join(base, "server.log")
        self._initialize(settings)
        workspace.on_close(self.stop)

    def _run(self, arguments, **keywords):
        return subprocess.run(arguments, cwd="/", user=self._user, group=self._user,
                              extra_groups=[] if self._user else None, env=self._environment(), check=True, **keywords)

    def _environment(self):
        return {"PATH": f"{self.bin}:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/nonexistent"}

    def _initialize(self, settings):
        self._run([f"{self.bin}/initdb", "-D", self.data, "-U", self.SUPERUSER, "-A", "trust", "-E", "UTF8",
                   "--locale=C", "--no-sync", "--no-instructions"], stdout=subprocess.DEVNULL)
        lines = [
            "listen_addresses = '127.0.0.1'",
            f"port = {self.port}",
            f"unix_socket_directories = '{self.socket_directory}'",
            # Commits survive the end of the server's processes, which is all the tests bring about.
            "fsync = off",
            "full_page_writes = off",
            "max_connections = 100",
            "shared_buffers = 32MB",
            "autovacuum = off",
            "log_min_messages = warning",
            "log_line_prefix = '%m [%p] %q%u@%d '",
            *settings,
        ]
        with open(os.path.join(self.data, "postgresql.conf"), "a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")

    @property
    def running(self):
        return self._process is not None and self._process.poll() is None

    def start(self):
        """Returns when the server accepts connections."""
        with open(self.log_file, "ab") as log:
            self._process = subprocess.Popen([f"{self.bin}/postgres", "-D", self.data], cwd="/", user=self._user,
                                             group=self._user, extra_groups=[] if self._user else None,
                                             env=self._environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                             start_new_session=True)
        self._janitor.note(f"pid {self._process.pid}")
        wait_until(self._accepts, f"PostgreSQL answers on port {self.port} (see {self.log_file})", 30.0, 0.05)
        return self

    def _accepts(self):
        if not self.running:
            raise RuntimeError(f"PostgreSQL ended with status {self._process.returncode}:\n{self.log_tail()}")
        address = ["-h", self.socket_directory, "-p", str(self.port), "-U", self.SUPERUSER]
        done = subprocess.run([f"{self.bin}/pg_isready", "-q", *address], env=self._environment(), check=False)
        return done.returncode == 0

    def stop(self, mode="immediate"):
        """mode: immediate (connections are cut, as in a crash) or fast (clients are told)."""
        for session in self._sessions:
            session.close()
        self._sessions.clear()
        if not self.running:
            return
        self._process.send_signal({"immediate": signal.SIGQUIT, "fast": signal.SIGINT}[mode])
        try:
            self._process.wait(20.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def restart(self, mode="immediate"):
        self.stop(mode)
        self.start()

    def log_tail(self, size=4000):
        with open(self.log_file, "rb") as file:
            return file.read()[-size:].decode(errors="replace")

    def psql_arguments(self, database):
        return [f"{self.bin}/psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.socket_directory, "-p",
                str(self.port), "-U", self.SUPERUSER, "-d", database]

    def sql(self, text, database="postgres"):
        """Runs statements; returns the rows as lists of strings."""
        done = subprocess.run(self.psql_arguments(database), input=text.encode(), env=self._environment(),
                              capture_output=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"psql: {done.stderr.decode(errors='replace')}")
        return [line.split("|") for line in done.stdout.decode(errors="replace").splitlines()]

    def create_database(self, name, text="", encoding="UTF8"):
        self.sql(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'")
        if text:
            self.sql(text, name)
        return name

    def session(self, database="postgres"):
        """A session that stays open, for frequent questions."""
        session = PsqlSession(self.psql_arguments(database), self._environment())
        self._sessions.append(session)
        return session

    def terminate_backends(self, database):
        """Cuts all client connections to a database; returns how many there were."""
        return len(self.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}' "
                            "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"))


class PsqlSession:
    """One psql kept running; one question at a time."""

    _MARK = "--end-of-answer--"

    def __init__(self, arguments, environment):
        self._process = subprocess.Popen(arguments, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._lock = threading.Lock()

    def ask(self, statement):
        """One statement without its semicolon; returns the rows as lists of strings."""
        with self._lock:
            self._process.stdin.write(f"{statement};\n\\echo {self._MARK}\n".encode())
            self._process.stdin.flush()
            rows = []
            while True:
                line = self._process.stdout.readline().decode(errors="replace")
                if line == "":
                    raise RuntimeError("psql session ended")
                if line.rstrip("\n") == self._MARK:
                    return rows
                rows.append(line.rstrip("\n").split("|"))

    def close(self):
        with self._lock:
            if self._process.poll() is None:
                self._process.stdin.close()
                self._process.wait(10.0)
            self._process.stdout.close()
