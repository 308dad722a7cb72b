"""A real Postfix whose master.cf proxyctl changes, with a table that proxyd serves and one that it relays."""

import json
import os
import sqlite3
import subprocess

from harness import scenario, server
from harness.postfix import Postfix, age
from harness.tables import TableFiles


class SwitchScene(scenario.Scenario):
    @classmethod
    def set_up_servers(cls):
        cls.proxyd = scenario.tested().binary if scenario.tested().is_proxyd else server.proxyd().binary
        cls.proxyctl = os.environ.get("PROXYCTL_BINARY") or os.path.join(os.path.dirname(cls.proxyd), "proxyctl")
        directory = cls.workspace.directory("tables")
        with sqlite3.connect(f"{directory}/mail.db") as database:
            database.execute("CREATE TABLE aliases (address TEXT, destination TEXT)")
            database.execute("INSERT INTO aliases VALUES ('info@example.com', 'anna@example.com')")
        cls.tables = TableFiles(directory, {"sqlite": {"dbpath": f"{directory}/mail.db"}})
        cls.aliases = cls.tables.add("sqlite", "aliases",
                                     query="SELECT destination FROM aliases WHERE address = '%s'")
        cls.postfix = Postfix(cls.workspace, server.STOCK, {
            "virtual_alias_maps": f"proxy:{cls.aliases}",
            "local_recipient_maps": "proxy:unix:passwd.byname",
            "mine": "",
        })
        cls.postfix.add_daemon("proxyd", cls.proxyd)
        cls.master_cf = f"{cls.postfix.config}/master.cf"
        with open(cls.master_cf, encoding="utf-8") as file:
            cls.plain = file.read()
        cls.postfix.start()

    def setUp(self):
        self.addCleanup(self.back_to_plain)

    def back_to_plain(self):
        for name in self.leftovers():
            os.remove(f"{self.postfix.config}/{name}")
        if self.read() != self.plain:
            self.write(self.plain)
            self.postfix.reload()

    def write(self, text):
        with open(self.master_cf, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        age(self.master_cf)

    def read(self):
        with open(self.master_cf, encoding="utf-8", newline="") as file:
            return file.read()

    def with_entry(self, entry):
        lines = [entry if line.startswith("proxymap ") else line for line in self.plain.splitlines(keepends=True)]
        return "".join(lines)

    def leftovers(self):
        """The files that enable has left behind in the configuration directory."""
        return sorted(set(os.listdir(self.postfix.config)) - {"main.cf", "master.cf", "proxyd.cf"})

    def run_proxyctl(self, *arguments, status=0, environment=None):
        done = subprocess.run([self.proxyctl, *arguments, "--config", self.postfix.config], capture_output=True,
                              timeout=120, check=False, env={"PATH": "/usr/bin:/bin", **(environment or {})})
        out = done.stdout.decode() + done.stderr.decode()
        self.assertEqual(done.returncode, status, out)
        return out

    def status(self, expected):
        return json.loads(self.run_proxyctl("status", "--json", status=expected))

    def entry(self, service):
        """The entry as postconf prints it, with single blanks."""
        done = subprocess.run(["/usr/sbin/postconf", "-c", self.postfix.config, "-M", f"{service}/unix"],
                              capture_output=True, check=True)
        return " ".join(done.stdout.decode().split())

    def lookup(self):
        done = self.postfix.postmap("-q", "info@example.com", f"proxy:{self.aliases}")
        return done.stdout.decode().strip()
