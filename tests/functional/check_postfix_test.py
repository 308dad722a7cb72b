#!/usr/bin/env python3
"""proxyctl check of a Postfix that does not run: mistakes in main.cf and master.cf."""

import os
import sqlite3
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from functional.proxyctl_scene import ProxyctlScene
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
        """The exit status and the findings. The caller's text begins in line 4 of main.cf."""
        self.write("main.cf", f"compatibility_level = 3.6\ndaemon_directory = {self.programs}\n"
                              f"local_recipient_maps =\n{main_cf}")
        self.write("master.cf", master_cf)
        done = subprocess.run([self.proxyctl, "check", "--config", self.site], capture_output=True, text=True,
                              timeout=60, check=False, env={"PATH": "/usr/bin:/bin"})
        self.assertEqual(done.stderr, "")
        return done.returncode, done.stdout.replace(f"{self.site}/", "").splitlines()[:-1]

    def test_an_entry_in_several_lines(self):
        # master(8) ignores all entries but the last.
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
        # A parameter of Postfix, one that another parameter uses, and one of a table in main.cf.
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
            "proxy_read_maps: -o proxy_read_maps in master.cf:3 takes precedence over main.cf: add "
            f"proxy:{self.table.replace(self.site + '/', '')} there"]))

    def test_queries_that_cannot_mean_what_they_say(self):
        def query(name, text):
            self.write(f"{name}.cf", f"dbpath = {self.site}/mail.db\nquery = SELECT destination FROM aliases WHERE {text}\n")
            return f"proxy:sqlite:{self.site}/{name}.cf"

        domains, relay, clients = query("domains", "address = '%d'"), query("relay", "address = '$s' OR 1"), query(
            "clients", "address = '%u@%d'")
        status, lines = self.check(
            f"virtual_mailbox_domains = {domains}\nrelay_domains = {relay}\nvirtual_alias_maps = {domains}\n"
            f"smtpd_client_restrictions = permit_mynetworks,\n  check_sender_access {clients} check_client_access {clients}\n"
            f"mine_dbpath = {self.site}/mail.db\nmine_query = SELECT '%d'\nmydestination = proxy:sqlite:mine\n", _PROXYD)
        self.assertEqual(status, 1)
        nothing = "for the domain of an address, which they have not: write %s for the whole key"
        self.assertEqual(sorted(lines), [
            "clients.cf:2: warning: check_client_access in smtpd_client_restrictions finds nothing here: it asks for host "
            f"names, parent domains, IP addresses and networks, as client.example.com, and %d stands {nothing}",
            "domains.cf:2: warning: virtual_mailbox_domains finds nothing here: it asks for domains, as mail.example.com, "
            f"and %d stands {nothing}",
            "main.cf:10: warning: mydestination finds nothing here: it asks for domains, as mail.example.com, and %d stands "
            f"{nothing}",
            "relay.cf:2: error: the query does not hold the key, so that relay_domains matches everything that it is asked "
            "for, or nothing: with it this server may be open to all: write '%s' in the query where it compares with the "
            "key"])


@unittest.skipUnless(os.access("/usr/sbin/postconf", os.X_OK), "no Postfix")
class CheckTablesTest(ProxyctlScene):
    """The tables that check finds, and the master.cf entries that serve them."""

    def test_what_it_finds(self):
        site = self.workspace.directory("postfix")
        table = self.table("listed", "SELECT '%s'", 0o644)
        programs = self.programs()

        def check(main_cf, chroot, service="proxyd", columns="- - n - 1"):
            for name, text in (("main.cf", f"compatibility_level = 3.6\n{main_cf}daemon_directory = {programs}\n"),
                               ("master.cf", f"smtp inet n - {chroot} - - smtpd\n -o smtpd_data_restrictions=$mine\n"
                                             f"proxymap unix {columns} {service}\n")):
                with open(f"{site}/{name}", "w", encoding="utf-8") as file:
                    file.write(text)
                age(f"{site}/{name}")
            done = self.run_proxyctl("check", "--config", site)
            return done.returncode, done.stdout.decode().replace(f"{site}/", "").splitlines()

        none = "local_recipient_maps =\n"
        self.assertEqual(check(none + f"virtual_alias_maps = proxy:{table}\n", "n"),
                         (0, ["checked 1 table as user postfix: 0 errors, 0 warnings"]))
        # Only root can read this file. The daemon reads it as the mail owner.
        secret = self.table("secret", "SELECT '%s'", 0o640)
        status, lines = check(none + f"virtual_alias_maps = proxy:{secret}\n", "n")
        self.assertEqual(status, 1)
        self.assertRegex(lines[0], r"secret\.cf: error: user postfix \(mail_owner\) cannot read it: Permission denied\. "
                                   r"Try chgrp postfix (\S+secret\.cf); chmod g\+r \1$")
        os.chmod(f"{self.directory}/mail.db", 0o600)
        status, lines = check(none + f"virtual_alias_maps = proxy:{table}\n", "n")
        os.chmod(f"{self.directory}/mail.db", 0o644)
        self.assertRegex(lines[0], r"listed\.cf:1: error: user postfix \(mail_owner\) cannot read (\S*mail\.db): "
                                   r"Permission denied\. Try chgrp postfix \1; chmod g\+r \1$")
        status, lines = check(none + f"mine = check_x proxy:{table}\n", "n")
        self.assertEqual((status, len(lines)), (1, 3))
        self.assertRegex(lines[0], r"^main\.cf:3: warning: mine asks for .*append it with: postconf .* proxy:sqlite:"
                                   r".*, if something uses")
        self.assertRegex(lines[1], r"^master\.cf:1: error: smtpd_data_restrictions asks for .*not in proxy_read_maps")
        # The stock server answers tables of other types.
        status, lines = check("", "n")
        self.assertEqual(status, 1)
        self.assertRegex(lines[0], r"^main\.cf: error: .* unix: tables itself, .*not in master\.cf: .*proxyctl enable")
        status, lines = check(none + "transport_maps = proxy:hash:/x\n", "n")
        self.assertRegex(lines[0], r"^main\.cf:3: error: .* hash: tables itself.*lookups in hash:/x fail")
        self.assertEqual(check("", "n", "proxyd\nproxymap-stock unix - - n - - proxymap -n proxymap")[0], 0)
        self.assertEqual(check("", "n", "proxymap")[0], 0)
        status, lines = check("", "n", "proxyd\nproxymap-stock unix - - n - - proxymap")
        self.assertEqual(status, 1)
        self.assertRegex(lines[0], r'^master\.cf:4: error: .* not answer .* proxymap-stock fail: end the line with '
                                   r'"proxymap -n proxymap"$')
        status, lines = check("", "n", "proxyd\nproxymap-stock unix - - n - - proxymap -n proxywrite")
        self.assertEqual(status, 1)
        self.assertRegex(lines[0], r'^master\.cf:4: error: wrong -n value: .*end the line with "proxymap -n proxymap"$')
        self.check_relay_service(lambda option, *more: check("", "n", f"proxyd\n{option}" + "".join(more)), site)
        # `postconf -P` changes `proxymap -n proxymap` in an entry to this.
        status, lines = check("", "n", "proxyd\nproxymap-stock unix - - n - - proxymap -n\n -o mine=x proxymap")
        self.assertEqual(status, 1)
        self.assertRegex(lines[0], r'^master\.cf:4: error: .*`postconf -P` has put options between -n and its value.*'
                                   r'"proxymap -n proxymap -o mine=x"$')
        status, lines = check(none, "n", "proxyd -o pool_sise=1 -o pool_size=none -o smtputf8_enable=no -o mine=x")
        self.assertEqual(lines[:-1], [
            "master.cf:3: error: bad value: pool_size = none, expected 1 to 1000",
            'master.cf:3: warning: -o pool_sise is ignored: neither proxyd nor Postfix has a parameter of this name, did '
            'you mean "pool_size"?',
            'master.cf:3: warning: -o mine is ignored: neither proxyd nor Postfix has a parameter of this name'])
        self.assertEqual(check(none, "n", "proxyd -o mine=x -o alias_maps=$mine")[0], 0)
        self.assertEqual(check(none + "virtual_alias_maps = $mine\n", "n", "proxyd -o mine=x")[0], 0)
        with open(f"{site}/proxyd.cf", "w", encoding="utf-8") as file:
            file.write("pool_size = 3\nallowed_tables = sqlite:/x\n")
        status, lines = check(none, "n")
        os.remove(f"{site}/proxyd.cf")
        self.assertEqual((status, lines[:-1]), (0, [
            "proxyd.cf:2: note: allowed_tables has no effect under Postfix: proxy_read_maps in main.cf says which tables "
            "may be asked for"]))
        self.check_service_entries(lambda *entry: check(none, "n", *entry), programs)
        status, lines = check(none + f"virtual_alias_maps = proxy:{table}\n", "n", "proxyd", "- - y - 1")
        self.assertEqual(status, 1)
        self.assertRegex(lines[0], r"runs in a chroot and looks for (/.*listed\.cf) at /.*\1, where it is not: write n")
        listed = self.table("listed_only", "SELECT '%s'", 0o644)
        self.check_domain_tables(lambda: check(none + f"virtual_alias_maps = proxy:{listed}\n", "n"), listed)
        self.check_types(lambda maps: check(none + f"virtual_alias_maps = {maps}\n", "n"), table)
        status, lines = check("", "n", "proxyd\nproxymap-stock unix - - n - - proxyd")
        self.assertEqual(status, 1)
        self.assertRegex(lines[0], r'^master\.cf:4: error: proxymap-stock runs "proxyd", .*write "proxymap -n proxymap"')
        users = "local_recipient_maps = unix:passwd.byname $alias_maps\n"
        self.assertEqual(check(users, "n")[1], ["checked 0 tables as user postfix: 0 errors, 0 warnings"])
        status, lines = check(users, "y")
        self.assertRegex(lines[0], r"^master\.cf:1: warning: smtp/inet runs in a chroot and finds no users there")
        status, lines = check(none + "no equals sign\n", "n")
        self.assertRegex(lines[0], r"^main\.cf:3: error: missing '='")

    def check_domain_tables(self, check, table):
        """Tables of other types in domain lists go to the stock server, which must approve them."""
        path = table.split(":", 1)[1]
        with open(path, "a", encoding="utf-8") as file:
            file.write("domain = example.com, hash:/x\n")
        status, lines = check()
        self.assertEqual(status, 1)
        self.assertRegex(lines[0], r"listed_only\.cf:3: error: domain asks for proxy:hash:/x, which is not in "
                                   r"proxy_read_maps: ")

    def check_relay_service(self, check, site):
        """A misspelt relay_service in master.cf, and in proxyd.cf."""
        stock = "proxymap-stock unix - - n - - proxymap -n proxymap"
        fault = (r"relay_service = proxymap-stokc: master\.cf has no such service, so that lookups in tables of other "
                 r"types fail: write proxymap-stock, which it has$")
        lines = check(" -o syslog_name=x\n -o relay_service=proxymap-stokc\n", stock)[1]
        self.assertRegex(lines[0], r"^master\.cf:5: error: " + fault)
        self.assertEqual(len(lines), 2, lines)
        with open(f"{site}/proxyd.cf", "w", encoding="utf-8") as file:
            file.write("\nrelay_service = proxymap-stokc\n")
        lines = check(stock)[1]
        self.assertRegex(lines[0], r"^proxyd\.cf:2: error: " + fault)
        lines = check("")[1]
        self.assertRegex(lines[0],
                         r"^main\.cf: error: .*add \"proxymap-stokc unix .* \(relay_service in proxyd\.cf:2\)$")
        queue = subprocess.run(["/usr/sbin/postconf", "-c", site, "-h", "queue_directory"], capture_output=True,
                               text=True, check=True, timeout=60).stdout.strip()
        with open(f"{site}/proxyd.cf", "w", encoding="utf-8") as file:
            file.write(f"\n\nrelay_service = {queue}/./private/proxymap\n")
        self.assertRegex(check(stock)[1][0], r"^proxyd\.cf:3: error: relay_service = /\S*: this is proxyd itself, .*: "
                                             r"write proxymap-stock, which it has$")
        os.remove(f"{site}/proxyd.cf")

    def check_types(self, check, table):
        """Tables of unknown types, tables without proxy:, and tables whose name is not an absolute path."""
        for name, status, finding in (
                ("proxy:pgsq:/x", 1, r'main\.cf:3: error: virtual_alias_maps asks for proxy:pgsq:/x: neither proxyd nor '
                                     r'the stock server knows the table type "pgsq", did you mean "pgsql"\?'),
                ("proxy:nosuch:/x", 1, r'main\.cf:3: error: .* knows the table type "nosuch"'),
                (table, 0, r"main\.cf:3: note: virtual_alias_maps asks for sqlite:\S+ itself, .* write proxy:sqlite:/"),
                ("proxy:pgsql:sql/x.cf", 1, r'main\.cf:3: error: virtual_alias_maps asks for '
                                            r'proxy:pgsql:sql/x\.cf: the name does not begin with "/", '
                                            r"so that it is read as main\.cf parameters, sql/x\.cf_query "),
                ("proxy:sqlite:./sql/x.cf", 1, r"main\.cf:3: error: virtual_alias_maps asks for "
                                               r"proxy:sqlite:\./sql/x\.cf: the path is taken from queue_directory, "
                                               r"(/\S+), where there is no such file: write the whole path$"),
                (f"proxy:sqlite:{self.in_queue_directory(table)}", 0,
                 r"main\.cf:3: warning: virtual_alias_maps asks for proxy:sqlite:\.\S+: the path is taken from "
                 r"queue_directory, /[^ ,]+: write the whole path$"),
                ("proxy:/x/aliases.cf", 1, r"main\.cf:3: error: virtual_alias_maps asks for proxy:/x/aliases\.cf: the "
                                           r"table type is missing: write for instance proxy:sqlite:/x/aliases\.cf, or "
                                           r"proxy:hash:/x/aliases$"),
                ("proxy:sqlite:mine", 1, r"main\.cf:3: error: virtual_alias_maps asks for proxy:sqlite:mine: no query: ")):
            with self.subTest(name):
                got, lines = check(name)
                self.assertEqual(got, status, lines)
                self.assertRegex(lines[0], "^" + finding)
                self.assertEqual(len(lines), 3 if name.endswith(":mine") else 2, lines)

    @staticmethod
    def in_queue_directory(table):
        """The path of a table's file relative to the queue directory."""
        queue = subprocess.run(["/usr/sbin/postconf", "-dh", "queue_directory"], capture_output=True, text=True,
                               check=True, timeout=60).stdout.strip()
        return "./" + os.path.relpath(table.split(":", 1)[1], queue)

    def programs(self):
        """A daemon_directory that has proxyd in it."""
        path = self.workspace.directory("programs")
        for name, program in (("proxyd", self.proxyd), ("proxymap", "/bin/true"), ("other", "/bin/true")):
            os.symlink(program, f"{path}/{name}")
        return path

    def check_service_entries(self, check, programs):
        """The proxymap entry of master.cf: the finding and the exit status for each mistake in it."""
        missing = (f'there is no program "{{}}" in {programs} (daemon_directory), '
                   "so that no proxy: table can be looked up")
        for entry, status, finding in (
                (("proxyyd",), 1, "error: " + missing.format("proxyyd") + ', did you mean "proxyd"?'),
                (("postgres",), 1, "error: " + missing.format("postgres") + ' (of proxymap): write proxyd'),
                (("proxymap", "- - n - -"), 0, "note: the proxymap service still runs proxymap(8): "),
                (("other",), 0, 'warning: the proxymap service runs "other", '),
                (("proxyd", "n - n - 1"), 1, "error: the proxymap service is not private"),
                (("proxyd", "- n n - 1"), 0, "warning: proxyd goes on running as root"),
                (("proxyd", "- - y - 1"), 0, "warning: proxyd runs in a chroot"),
                (("proxyd", "- - n - -"), 0, "warning: the process limit of default_process_limit: one process"),
                (("proxyd", "- - n - 0"), 0, "warning: no process limit: one process"),
                (("proxyd", "- - n - 20"), 0, "warning: the process limit 20: one process"),
                (("proxyd -X",), 1, "error: proxyd does not start with these options: unknown option -X"),
                (("proxyd -o {pool_size}",), 1, "error: proxyd does not start with these options: option -o pool_size"),
                (("proxyd --version",), 1, "error: options that are for the command line")):
            with self.subTest(entry):
                got, lines = check(*entry)
                self.assertEqual(got, status, lines)
                self.assertTrue(lines[0].startswith(f"master.cf:3: {finding}"), lines)
        self.assertEqual(check("proxyd -v -o { pool_size = 3 }")[1], ["checked 0 tables as user postfix: 0 errors, 0 warnings"])


if __name__ == "__main__":
    unittest.main()
