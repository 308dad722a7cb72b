"""What a private PostgreSQL and a private MariaDB have in common, and a session to ask them things."""

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
    """The server's programs are not installed, or there is no user to run them as."""


class DatabaseServer:
    """A server of its own: data directory, sockets, loopback port. A subclass says which programs, and how they talk.

    USER may do everything with PASSWORD, over the port; SUPERUSER needs no password on the socket. `options` are those
    of the server program, without dashes: "max-connections=20".
    """

    NAME = None
    KIND = None  # the type of the tables that Postfix finds in it
    SUPERUSER = None
    USER = None
    PASSWORD = None
    _ACCOUNTS = ()  # of the system; a server refuses to run as root, and the first that exists runs it
    _STOP_SIGNALS = {}  # by the modes of stop()

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
        """Who the server runs as; None to stay who we are."""
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

    # What a subclass says

    def _install_arguments(self):
        """The command that makes the data directory."""
        raise NotImplementedError

    def _server_arguments(self):
        """The command that is the server, options left out."""
        raise NotImplementedError

    def _server_options(self):
        raise NotImplementedError

    def client_arguments(self, database=None):
        """The command that reads statements and prints bare rows, columns between tabs."""
        raise NotImplementedError

    def connections_query(self, database):
        """A statement that counts the connections to a database, the asking one left out."""
        raise NotImplementedError

    def _create_statement(self, name, encoding):
        """Makes a database; encoding None: UTF-8."""
        raise NotImplementedError

    def terminate_backends(self, database):
        """Cuts all client connections to a database; returns how many there were."""
        raise NotImplementedError

    # Its life

    @property
    def running(self):
        return self._process is not None and self._process.poll() is None

    def start(self, options=(), ready=None):
        """Returns when the server accepts connections, or ready() is true; at once if it is running.

        `options` are for this time only.
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
        """mode: immediate (connections are cut, as in a crash) or fast (clients are told)."""
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
        """All its processes stand still, as those of a machine that is paused."""
        self._process.send_signal(signal.SIGSTOP)  # it first, so that no more of them come into being
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

    # What is asked of it

    def sql(self, text, database=None):
        """Runs statements; returns the rows as lists of strings."""
        done = self._run(self.client_arguments(database), input=text.encode(), capture_output=True)
        if done.returncode != 0:
            raise RuntimeError(f"{self.NAME}: {done.stderr.decode(errors='replace')}")
        return [line.split("\t") for line in done.stdout.decode(errors="replace").splitlines()]

    def create_database(self, name, text="", encoding=None):
        """Makes a database and runs statements in it; returns its name. The encoding is UTF-8 unless named."""
        self.sql(self._create_statement(name, encoding))
        if text:
            self.sql(text, name)
        return name

    def connections(self, database):
        """How many connections to a database there are."""
        return int(self.sql(self.connections_query(database))[0][0])

    def session(self, database=None):
        """A session that stays open, for frequent questions."""
        session = Session(self.client_arguments(database))
        self._sessions.append(session)
        return session


class Session:
    """One client program kept running; one question at a time."""

    _MARK = "--end-of-answer--"

    def __init__(self, arguments):
        self._process = subprocess.Popen(arguments, env=_ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
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
                    raise RuntimeError("the session ended")
                if line.rstrip("\n") == self._MARK:
                    return rows
                rows.append(line.rstrip("\n").split("\t"))

    def close(self):
        with self._lock:
            with contextlib.suppress(BrokenPipeError):  # refused by the server
                self._process.stdin.close()
            self._process.wait(10.0)
            self._process.stdout.close()


# Nothing of the caller's: neither settings of a client library nor a home directory with option files.
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/nonexistent"}
