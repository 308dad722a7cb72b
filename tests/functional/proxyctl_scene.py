"""A proxyd that runs on its own with SQLite tables, and proxyctl."""

import os
import signal
import sqlite3
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from harness import server
from harness.waiting import wait_until
from harness.workspace import Workspace


class ProxyctlScene(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.proxyd = server.proxyd().binary
        cls.proxyctl = os.environ.get("PROXYCTL_BINARY") or os.path.join(os.path.dirname(cls.proxyd), "proxyctl")
        cls.workspace = Workspace("proxyctl")
        cls.addClassCleanup(cls.workspace.close)
        cls.directory = cls.workspace.directory("site")
        cls.socket = f"{cls.directory}/proxyd.sock"
        with sqlite3.connect(f"{cls.directory}/mail.db") as database:
            database.execute("CREATE TABLE aliases (address TEXT, destination TEXT)")
            database.executemany("INSERT INTO aliases VALUES (?, ?)", [
                ("info@example.com", "anna@example.com"), ("info@example.com", "ben@example.com"),
                ("@example.org", "anna@example.com"), ("über@example.com", "ü@example.com")])
        cls.aliases = cls.table("aliases", "SELECT destination FROM aliases WHERE address = '%s'")
        cls.broken = cls.table("broken", "SELECT destination FROM missing WHERE address = '%s'")
        cls.secret = cls.table("secret", "SELECT '%s'")
        cls.echo = cls.table("echo", "SELECT '<' || '%s' || '>'")
        cls.write("proxyd.cf", f"allowed_tables = {cls.aliases}, {cls.broken}, {cls.echo}\nlookup_timeout = 2s\n")
        cls.log = open(f"{cls.directory}/log", "wb")  # pylint: disable=consider-using-with
        cls.addClassCleanup(cls.log.close)
        cls.daemon = subprocess.Popen([cls.proxyd, "--listen", cls.socket, "--config", f"{cls.directory}/proxyd.cf"],
                                      stdin=subprocess.DEVNULL, stdout=cls.log, stderr=cls.log)
        cls.workspace.janitor.note(f"pid {cls.daemon.pid}")
        cls.addClassCleanup(cls.end_daemon)
        wait_until(lambda: os.path.exists(cls.socket), "proxyd listens", 10)

    @classmethod
    def end_daemon(cls):
        cls.daemon.send_signal(signal.SIGTERM)
        cls.daemon.wait(10)

    @classmethod
    def write(cls, name, text, mode=0o640):
        path = f"{cls.directory}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    @classmethod
    def table(cls, name, query, mode=0o640):
        return "sqlite:" + cls.write(f"{name}.cf", f"dbpath = {cls.directory}/mail.db\nquery = {query}\n", mode)

    def run_proxyctl(self, *arguments, given=b"", environment=None, **more):
        environment = {"PATH": os.environ["PATH"], "MAIL_CONFIG": f"{self.directory}/none", **(environment or {})}
        return subprocess.run([self.proxyctl, *arguments], input=given, capture_output=True, timeout=60,
                              env=environment, check=False, **more)

    def query(self, *arguments, given=b""):
        return self.run_proxyctl("query", "--socket", self.socket, *arguments, given=given)

    def expect(self, done, status, out, *errors):
        self.assertEqual((done.returncode, done.stdout.decode()), (status, out), done.stderr.decode())
        for error in errors:
            self.assertIn(error, done.stderr.decode())
        if not errors:
            self.assertEqual(done.stderr, b"")
