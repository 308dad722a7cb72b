"""A private MariaDB server, and a session to ask it things."""

import os
import pwd
import signal
import subprocess
import threading

from .ports import reserve_port
from .waiting import wait_until

_PROGRAMS = {"install": "/usr/bin/mariadb-install-db", "server": "/usr/sbin/mariadbd", "client": "/usr/bin/mariadb"}


class MariadbMissing(RuntimeError):
    """No MariaDB server is installed."""


def _unprivileged_user():
    """Name of the user the server runs as, or None to stay who we are: it refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("mysql", "nobody"):
        try:
            pwd.getpwnam(name)
            return name
        except KeyError:
            continue
    raise MariadbMissing("no unprivileged user to run MariaDB as")


class Mariadb:
    """A server of its own: data directory, socket, loopback port.

    root needs no password; USER may do everything with PASSWORD, from everywhere. `options` are those of mariadbd,
    without dashes: "max_connections=20".
    """

    SUPERUSER = "root"
    USER = "mail"
    PASSWORD = "mail-password"

    def __init__(self, workspace, name="mariadb", options=()):
        for program in _PROGRAMS.values():
            if not os.access(program, os.X_OK):
                raise MariadbMissing(f"no {program}")
        self.port = reserve_port()
        self.host = "127.0.0.1"
        self._options = list(options)
        self._user = _unprivileged_user()
        self._process = None
        self._prepared = False
        self._sessions = []
        self._janitor = workspace.janitor
        owner = None
        if self._user is not None:
            entry = pwd.getpwnam(self._user)
            owner = (entry.pw_uid, entry.pw_gid)
        self.base = workspace.directory(name, 0o755, owner)
        self.data = os.path.join(self.base, "data")
        self.socket = os.path.join(self.base, "mariadb.sock")
        self.log_file = os.path.join(self.base, "server.log")
        subprocess.run([_PROGRAMS["install"], "--no-defaults", f"--datadir={self.data}",
                        "--auth-root-authentication-method=normal", "--skip-test-db",
                        *([f"--user={self._user}"] if self._user else [])],
                       env=self._environment(), cwd="/", check=True, stdout=subprocess.DEVNULL)
        workspace.on_close(self.stop)

    @staticmethod
    def _environment():
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/nonexistent"}

    @property
    def running(self):
        return self._process is not None and self._process.poll() is None

    def start(self, options=()):
        """Returns when the server accepts connections. `options` are for this time only."""
        arguments = [
            "no-defaults", f"datadir={self.data}", f"socket={self.socket}", f"port={self.port}",
            "bind-address=127.0.0.1", f"pid-file={self.base}/server.pid", "skip-name-resolve", "skip-log-bin",
            # Commits survive the end of the server's process, which is all the tests bring about.
            "innodb-flush-log-at-trx-commit=2", "innodb-buffer-pool-size=64M", "innodb-log-file-size=16M",
            "performance-schema=OFF", "max-connections=150", "max-connect-errors=1000000",
            "character-set-server=utf8mb4", *([f"user={self._user}"] if self._user else []),
            *self._options, *options,
        ]
        with open(self.log_file, "ab") as log:
            self._process = subprocess.Popen([_PROGRAMS["server"], *(f"--{word}" for word in arguments)], cwd="/",
                                             env=self._environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                             start_new_session=True)
        self._janitor.note(f"pid {self._process.pid}")
        wait_until(self._accepts, f"MariaDB answers on port {self.port} (see {self.log_file})", 60.0, 0.05)
        if not self._prepared:
            self.sql(f"CREATE USER IF NOT EXISTS '{self.USER}'@'%' IDENTIFIED BY '{self.PASSWORD}';"
                     f"GRANT ALL ON *.* TO '{self.USER}'@'%' WITH GRANT OPTION; DELETE FROM mysql.global_priv "
                     "WHERE User = ''; FLUSH PRIVILEGES")
            self._prepared = True
        return self

    def _accepts(self):
        if not self.running:
            raise RuntimeError(f"MariaDB ended with status {self._process.returncode}:\n{self.log_tail()}")
        done = subprocess.run([*self.client_arguments(""), "-e", "SELECT 1"], env=self._environment(),
                              capture_output=True, check=False)
        return done.returncode == 0

    def stop(self, mode="immediate"):
        """mode: immediate (a crash: the process is killed) or fast (clients are told)."""
        for session in self._sessions:
            session.close()
        self._sessions.clear()
        if not self.running:
            return
        self._process.send_signal({"immediate": signal.SIGKILL, "fast": signal.SIGTERM}[mode])
        try:
            self._process.wait(30.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def restart(self, mode="immediate", options=()):
        self.stop(mode)
        self.start(options)

    def log_tail(self, size=4000):
        with open(self.log_file, "rb") as file:
            return file.read()[-size:].decode(errors="replace")

    def client_arguments(self, database):
        return [_PROGRAMS["client"], "--no-defaults", "--batch", "--skip-column-names", "--unbuffered",
                "--default-character-set=utf8mb4", f"--socket={self.socket}", f"--user={self.SUPERUSER}",
                *([database] if database else [])]

    def sql(self, text, database=""):
        """Runs statements; returns the rows as lists of strings."""
        done = subprocess.run(self.client_arguments(database), input=text.encode(), env=self._environment(),
                              capture_output=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"mariadb: {done.stderr.decode(errors='replace')}")
        return [line.split("\t") for line in done.stdout.decode(errors="replace").splitlines()]

    def create_database(self, name, text="", charset="utf8mb4"):
        self.sql(f"CREATE DATABASE {name} CHARACTER SET {charset}")
        if text:
            self.sql(text, name)
        return name

    def session(self, database=""):
        """A session that stays open, for frequent questions."""
        session = MariadbSession(self.client_arguments(database), self._environment())
        self._sessions.append(session)
        return session

    def terminate_backends(self, database):
        """Cuts all client connections to a database; returns how many there were."""
        ids = [row[0] for row in self.sql("SELECT id FROM information_schema.processlist WHERE "
                                          f"db = '{database}' AND id <> CONNECTION_ID()")]
        # One that has gone in the meantime is no error.
        for number in ids:
            subprocess.run([*self.client_arguments(""), "-e", f"KILL {number}"], env=self._environment(),
                           capture_output=True, check=False)
        return len(ids)


class MariadbSession:
    """One client program kept running; one question at a time."""

    _MARK = "--end-of-answer--"

    def __init__(self, arguments, environment):
        self._process = subprocess.Popen(arguments, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._lock = threading.Lock()

    def ask(self, statement):
        """One statement without its semicolon; returns the rows as lists of strings."""
        with self._lock:
            self._process.stdin.write(f"{statement};\nSELECT '{self._MARK}';\n".encode())
            self._process.stdin.flush()
            rows = []
            while True:
                line = self._process.stdout.readline().decode(errors="replace")
                if line == "":
                    raise RuntimeError("MariaDB session ended")
                if line.rstrip("\n") == self._MARK:
                    return rows
                rows.append(line.rstrip("\n").split("\t"))

    def close(self):
        with self._lock:
            if self._process.poll() is None:
                self._process.stdin.close()
                self._process.wait(10.0)
            self._process.stdout.close()
