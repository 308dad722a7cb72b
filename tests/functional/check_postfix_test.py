#!/usr/bin/env python3
"""proxyctl check of a Postfix that does not run: what stands in main.cf or master.cf and is not meant so."""

import os
import sqlite3
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from harness import server
from harness.postfix import age
from harness.workspace import Workspace

_STOCK = "proxymap-stock unix - - n - - proxymap -n proxymap\n"
_PROXYD = "proxymap unix - - n - 1 proxyd\n"


@unittest.skipUnless(os.access("/usr/sbin/postconf", os.X_OK) and os.geteuid() == 0, "no Postfix, or not root")
class CheckPostfixTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        proxyd = server.proxyd().binary
        cls.proxyctl = os.environ.get("PROXYCTL_BINARY") or os.path.join(os.path.dirname(proxyd), "proxyctl")
        workspace = Workspace("check-postfix")
        cls.addClassCleanup(workspace.close)
        cls.programs = workspace.directory("programs")
        for name, program in (("proxyd", proxyd), ("proxymap", "/bin/true"), ("other", "/bin/true")):
            os.symlink(program, f"{cls.programs}/{name}")
        cls.site = workspace.directory("site")
        with sqlite3.connect(f"{cls.site}/mail.db") as database:
            database.execute("CREATE TABLE aliases (address TEXT, destination TEXT)")
        cls.table = f"sqlite:{cls.site}/aliases.cf"
        cls.write("aliases.cf", f"dbpath = {cls.site}/mail.db\n"
                                "query = SELECT destination FROM aliases WHERE address = '%s'\n")

    @classmethod
    def write(cls, name, text):
        with open(f"{cls.site}/{name}", "w", encoding="utf-8") as file:
            file.write(text)
        age(f"{cls.site}/{name}")

    def check(self, main_cf, master_cf):
        """The exit status and the findings. The text of main.cf begins in line 4."""
        self.write("main.cf", f"compatibility_level = 3.6\ndaemon_directory = {self.programs}\n"
                              f"local_recipient_maps =\n{main_cf}")
        self.write("master.cf", master_cf)
        done = subprocess.run([self.proxyctl, "check", "--config", self.site], capture_output=True, text=True,
                              timeout=60, check=False, env={"PATH": "/usr/bin:/bin"})
        self.assertEqual(done.stderr, "")
        return done.returncode, done.stdout.replace(f"{self.site}/", "").splitlines()[:-1]

    def test_an_entry_in_several_lines(self):
        # The others are not looked at.
        wrong = "proxymap unix n - n - 1 nosuch\n"
        self.assertEqual(self.check("", f"{wrong}# x\n{_PROXYD}"), (0, [
            "master.cf:3: warning: proxymap stands in lines 1 and 3; master(8) uses the last"]))
        self.assertEqual(self.check("", f"{_STOCK.replace('-n proxymap', '')}{_PROXYD}{_STOCK}{_STOCK}"), (0, [
            "master.cf:4: warning: proxymap-stock stands in lines 1, 3 and 4; master(8) uses the last"]))

    def test_a_program_that_is_not_there(self):
        self.assertEqual(self.check("", _PROXYD + _STOCK.replace("proxymap -n", "proxymapp -n")), (1, [
            f'master.cf:2: error: there is no program "proxymapp" in {self.programs} (daemon_directory), so that '
            'lookups by way of proxymap-stock fail: write "proxymap -n proxymap"']))
        self.assertEqual(self.check("", _PROXYD + _STOCK.replace("proxymap -n", "other -n")), (0, [
            'master.cf:2: warning: proxymap-stock runs "other", but the stock server has to answer there for proxyd: '
            'write "proxymap -n proxymap"']))

    def test_options_in_main_cf(self):
        fault = "is an option of proxyd and has no effect here:"
        self.assertEqual(self.check("pool_size = 3\nlookup_timeout = 2s\nallowed_tables = hash:/x\n", _PROXYD), (0, [
            f"main.cf:4: warning: pool_size {fault} write it into proxyd.cf",
            f"main.cf:5: warning: lookup_timeout {fault} write it into proxyd.cf",
            f"main.cf:6: warning: allowed_tables {fault} proxy_read_maps in main.cf says which tables may be asked for"]))
        # Postfix's own, one that the site reads, and one of a table.
        self.assertEqual(self.check(
            "smtputf8_enable = yes\npool_size = 3\nmine = $pool_size\nvirtual_alias_maps = proxy:sqlite:accounts\n"
            f"accounts_dbpath = {self.site}/mail.db\naccounts_query = SELECT '%s'\naccounts_pool_size = 3\n", _PROXYD),
                         (0, []))

    def test_a_bad_option_of_a_table_in_main_cf(self):
        table = f"accounts_dbpath = {self.site}/mail.db\naccounts_query = SELECT '%s'\n"
        self.assertEqual(self.check(f"virtual_alias_maps = proxy:sqlite:accounts\n{table}accounts_pool_size = 0\n"
                                    "accounts_expansion_limit = many\n", _PROXYD), (1, [
            "main.cf:7: error: proxy:sqlite:accounts: bad value: accounts_pool_size = 0, expected 1 to 1000",
            "main.cf:8: error: proxy:sqlite:accounts: accounts_expansion_limit = many: a whole number is needed"]))

    def test_a_list_of_approved_tables_in_master_cf(self):
        entry = _PROXYD.rstrip() + "\n  -v\n  -o proxy_read_maps=$virtual_alias_maps\n"
        self.assertEqual(self.check(f"virtual_alias_maps = proxy:{self.table}\n", entry), (0, []))
        self.assertEqual(self.check(f"transport_maps = proxy:{self.table}\n", entry), (1, [
            f"main.cf:4: error: transport_maps asks for proxy:{self.table.replace(self.site + '/', '')}, which is not in "
            "proxy_read_maps: -o proxy_read_maps in master.cf:3 goes before main.cf: add "
            f"proxy:{self.table.replace(self.site + '/', '')} there"]))


if __name__ == "__main__":
    unittest.main()
