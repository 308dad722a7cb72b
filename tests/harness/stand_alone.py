"""A proxyd that runs on its own, with an SQLite table."""

import os
import signal
import sqlite3
import subprocess

from . import control
from .waiting import wait_until


class StandAlone:
    """Its files are in a directory of the workspace; start() runs the daemon.

    `options` are further lines of proxyd.cf, `tables` further tables that clients may ask for.
    """

    KEY, VALUE = "info@example.com", b"anna@example.com"

    def __init__(self, workspace, binary, name, options="", tables=()):
        self.binary = binary
        self.directory = workspace.directory(name)
        self.socket = f"{self.directory}/proxyd.sock"
        self.config = f"{self.directory}/proxyd.cf"
        self.log_file = f"{self.directory}/log"
        self.process = None
        self._workspace = workspace
        self._tables = list(tables)
        with sqlite3.connect(f"{self.directory}/mail.db") as database:
            database.execute("CREATE TABLE aliases (address TEXT, destination TEXT)")
            database.execute("INSERT INTO aliases VALUES (?, ?)", (self.KEY, self.VALUE.decode()))
        table = f"{self.directory}/aliases.cf"
        self._write(table, f"dbpath = {self.directory}/mail.db\n"
                           "query = SELECT destination FROM aliases WHERE address = '%s'\n")
        self.table = f"sqlite:{table}"
        self.write_options(options)

    @staticmethod
    def _write(path, text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def write_options(self, options):
        allowed = " ".join([self.table, *self._tables])
        self._write(self.config, f"allowed_tables = {allowed}\npostfix_greeting = yes\n{options}")

    def arguments(self):
        return ["--listen", self.socket, "--config", self.config]

    def start(self, environment=None, before=()):
        """Runs the daemon. The words in `before` precede its command line."""
        with open(self.log_file, "ab") as file:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                [*before, self.binary, *self.arguments()], env={"PATH": os.environ["PATH"], **(environment or {})},
                stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        self._workspace.janitor.note(f"pid {self.process.pid}")
        self._workspace.on_close(self.stop)
        return self

    @property
    def pid(self):
        """The process that serves. With a watchdog, the started process only watches it."""
        return wait_until(self._serving, "proxyd serves")

    def _serving(self):
        try:
            return control.ask(self.socket, "status")["process"]
        except OSError:
            return None  # not yet

    def wait_for_socket(self):
        wait_until(lambda: os.path.exists(self.socket) or self.process.poll() is not None, "proxyd listens")
        if self.process.poll() is not None:
            raise AssertionError(f"proxyd did not start:\n{self.log()}")
        return self

    def log(self):
        with open(self.log_file, encoding="utf-8", errors="replace") as file:
            return file.read()

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def stop(self):
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait(10)
