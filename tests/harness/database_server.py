"""The common part of the private PostgreSQL and MariaDB servers, and a session that runs queries."""

import contextlib
import os
import pwd
import signal
import subprocess
import threading

from . import processes
from .ports import reserve_port
from .waiting import wait_until


class DatabaseMissing(RuntimeError):
    """The server's programs are not installed, or no user exists to run them as."""


class DatabaseServer:
    """A private server with its own data directory, sockets and loopback port. Subclasses name the programs.

    USER has all rights and connects over TCP with PASSWORD. SUPERUSER needs no password on the socket.
    `options` are options of the server program, without dashes: "max-connections=20".
    """

    NAME = None
    KIND = None  # the type of the Postfix tables that use this server
    SUPERUSER = None
    USER = None
    PASSWORD = None
    # A server refuses to run as root. The first of these system accounts that exists runs it.
    _ACCOUNTS = ()
    _STOP_SIGNALS = {}  # by mode of stop()

    def __init__(self, workspace, name, options=()):
        self.port = reserve_port()
        self.host = "127.0.0.1"
        self._options = list(options)
        self._process = None
        self._sessions = []
        self._janitor = workspace.janitor
        entry = self._account()
        self._identity = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []} if entry else {}
        owner = (entry.pw_uid, entry.pw_gid) if entry else None
        self.base = workspace.directory(name, 0o755, owner)
        self.data = os.path.join(self.base, "data")
        self.socket_directory = workspace.directory(f"{name}/socket", 0o755, owner)
        self.temporary = workspace.directory(f"{name}/tmp", 0o700, owner)
        self.log_file = os.path.join(self.base, "server.log")
        self._run(self._install_arguments(), stdout=subprocess.DEVNULL, check=True, **self._identity)
        workspace.on_close(self.stop)

    @classmethod
    def _account(cls):
        """The account that runs the server; None if it runs as the current user."""
        if os.geteuid() != 0:
            return None
        for name in cls._ACCOUNTS:
            try:
                return pwd.getpwnam(name)
            except KeyError:
                continue
        raise DatabaseMissing(f"no unprivileged user to run {cls.NAME} as")

    @staticmethod
    def _run(arguments, **keywords):
        return subprocess.run(arguments, cwd="/", env=_ENVIRONMENT, check=keywords.pop("check", False), **keywords)

    # The part that a subclass implements

    def _install_arguments(self):
        """The command that creates the data directory."""
        raise NotImplementedError

    def _server_arguments(self):
        """The command that runs the server, without the options."""
        raise NotImplementedError

    def _server_options(self):
        raise NotImplementedError

    def client_arguments(self, database=None):
        """The command that reads statements and prints plain rows, with tabs between columns."""
        raise NotImplementedError

    def connections_query(self, database):
        """A statement that counts the connections to a database, except its own."""
        raise NotImplementedError

    def _create_statement(self, name, encoding):
        """The statement that creates a database. With encoding None the database uses UTF-8."""
        raise NotImplementedError

    def terminate_backends(self, database):
        """Ends all client connections to a database; returns how many there were."""
        raise NotImplementedError

    # Start and stop

    @property
    def running(self):
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self):
        """The first process of a server that runs."""
        return self._process.pid

    def start(self, options=(), ready=None):
        """Returns when the server accepts connections or ready() is true. A running server stays as it is.

        `options` apply to this start only.
        """
        if self.running:
            return self
        words = [*self._server_options(), *self._options, *options]
        with open(self.log_file, "ab") as log:
            self._process = subprocess.Popen([*self._server_arguments(), *(f"--{word}" for word in words)], cwd="/",
                                             env=_ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                             start_new_session=True, **self._identity)
        self._janitor.note(f"pid {self._process.pid}")
        wait_until(ready or self._accepts, f"{self.NAME} answers on port {self.port} (see {self.log_file})", 60.0, 0.05)
        return self

    def _accepts(self):
        if not self.running:
            raise RuntimeError(f"{self.NAME} ended with status {self._process.returncode}:\n{self.log_tail()}")
        return self._run(self.client_arguments(), input=b"SELECT 1", capture_output=True).returncode == 0

    def stop(self, mode="immediate"):
        """mode: "immediate" cuts the connections, as a crash does; "fast" tells the clients first."""
        for session in self._sessions:
            session.close()
        self._sessions.clear()
        if not self.running:
            return
        self._process.send_signal(self._STOP_SIGNALS[mode])
        try:
            self._process.wait(30.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def restart(self, mode="immediate", options=()):
        self.stop(mode)
        self.start(options)

    @contextlib.contextmanager
    def frozen(self):
        """Stops all its processes with SIGSTOP, as if the machine were paused."""
        self._process.send_signal(signal.SIGSTOP)  # the first process first, so that it starts no others
        pids = [self._process.pid, *processes.children(self._process.pid)]
        try:
            for pid in pids:
                processes.send_signal(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in reversed(pids):
                processes.send_signal(pid, signal.SIGCONT)

    def log_tail(self, size=4000):
        with open(self.log_file, "rb") as file:
            return file.read()[-size:].decode(errors="replace")

    # Statements and sessions

    def sql(self, text, database=None):
        """Runs statements; returns the rows as lists of strings."""
        done = self._run(self.client_arguments(database), input=text.encode(), capture_output=True)
        if done.returncode != 0:
            raise RuntimeError(f"{self.NAME}: {done.stderr.decode(errors='replace')}")
        return [line.split("\t") for line in done.stdout.decode(errors="replace").splitlines()]

    def create_database(self, name, text="", encoding=None):
        """Creates a database and runs statements in it; returns its name. The default encoding is UTF-8."""
        self.sql(self._create_statement(name, encoding))
        if text:
            self.sql(text, name)
        return name

    def connections(self, database):
        """The number of connections to a database."""
        return int(self.sql(self.connections_query(database))[0][0])

    def session(self, database=None):
        """A session that stays open, for frequent queries."""
        session = Session(self.client_arguments(database))
        self._sessions.append(session)
        return session


class Session:
    """One client program that keeps running and takes one statement at a time."""

    _MARK = "--end-of-answer--"

    def __init__(self, arguments):
        self._process = subprocess.Popen(arguments, env=_ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._lock = threading.Lock()

    def ask(self, statement):
        """Runs one statement, given without its semicolon; returns the rows as lists of strings."""
        with self._lock:
            self._process.stdin.write(f"{statement};\nSELECT '{self._MARK}';\n".encode())
            self._process.stdin.flush()
            rows = []
            while True:
                line = self._process.stdout.readline().decode(errors="replace")
                if line == "":
                    raise RuntimeError("the session ended")
                if line.rstrip("\n") == self._MARK:
                    return rows
                rows.append(line.rstrip("\n").split("\t"))

    def close(self):
        with self._lock:
            with contextlib.suppress(BrokenPipeError):  # the server refused the connection
                self._process.stdin.close()
            self._process.wait(10.0)
            self._process.stdout.close()


# A clean environment: no settings of a client library, and no home directory with option files.
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/nonexistent"}
