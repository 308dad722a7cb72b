#!/usr/bin/env python3
"""proxyctl with a proxyd that runs on its own, on SQLite: what people see, and exit statuses. Needs no Postfix."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from harness import server
from harness.postfix import age
from harness.waiting import wait_until
from harness.workspace import Workspace

_NOBODY = 65534


class ProxyctlTest(unittest.TestCase):
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
        cls.secret = cls.table("secret", "SELECT 1")
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

    def test_hit_and_miss(self):
        self.expect(self.query(self.aliases, "INFO@example.com"), 0, "anna@example.com,ben@example.com\n")
        self.expect(self.query("proxy:" + self.aliases, "@example.org"), 0, "anna@example.com\n")
        self.expect(self.query(self.aliases, "ÜBER@example.com"), 0, "ü@example.com\n")
        self.expect(self.query(self.aliases, "nobody@example.com"), 1, "")

    def test_several_keys(self):
        self.expect(self.query(self.aliases, "info@example.com", "nobody", "@example.org"), 0,
                    "info@example.com\tanna@example.com,ben@example.com\n@example.org\tanna@example.com\n")

    def test_keys_on_standard_input(self):
        self.expect(self.query(self.aliases, "-", given=b"nobody\n@EXAMPLE.org\n"), 0,
                    "@EXAMPLE.org\tanna@example.com\n")
        self.expect(self.query(self.aliases, "-", given=b"nobody\n"), 1, "")

    def test_keys_that_look_like_something_else(self):
        plain = ["[a,b]", "[]", "[192.0.2.1]:25", "++", "{}", "%%", "%s", "status", "-5", "\1x", "a b"]
        for before, keys in ((), plain), (("--",), ["-v", "--", "[x]", "--socket=x"]):
            with self.subTest(keys):
                self.expect(self.query(self.echo, *before, *keys), 0, "".join(f"{key}\t<{key}>\n" for key in keys))
                for key in keys:
                    self.expect(self.query(self.echo, *before, key), 0, f"<{key}>\n")
        self.expect(self.query(self.echo, "key", "--", "-v"), 0, "key\t<key>\n-v\t<-v>\n")

    def test_socket_from_the_environment(self):
        done = self.run_proxyctl("query", self.aliases, "@example.org", environment={"PROXYD_SOCKET": self.socket})
        self.expect(done, 0, "anna@example.com\n")

    def test_failed_lookup(self):
        self.expect(self.query(self.broken, "anna@example.com"), 1, "", "query error", "log says why")
        with open(f"{self.directory}/log", encoding="utf-8") as log:
            self.assertIn("no such table: missing", log.read())

    def test_table_that_is_not_allowed(self):
        self.expect(self.query(self.secret, "x"), 1, "", "may not serve this table", f"Add {self.secret} to allowed_tables")

    def test_a_table_without_a_file(self):
        done = self.query(f"sqlite:{self.directory}/none.cf", "x")
        self.expect(done, 1, "", f"may not serve this table. There is no file {self.directory}/none.cf\n")

    def test_nobody_there(self):
        done = self.run_proxyctl("query", "--socket", f"{self.directory}/none", self.aliases, "x")
        self.expect(done, 1, "", "no such socket", "proxyd --listen")
        done = self.run_proxyctl("query", self.aliases, "x")
        self.expect(done, 1, "", "--socket")
        abandoned = f"{self.directory}/abandoned"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(abandoned)
        self.expect(self.run_proxyctl("query", "--socket", abandoned, self.aliases, "x"), 1, "", "has gone")

    def test_no_place_left_to_wait_in(self):
        path = f"{self.directory}/full.sock"
        with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as waiting:
            listener.bind(path)
            listener.listen(0)
            waiting.connect(path)
            done = self.run_proxyctl("status", "--socket", path)
        self.expect(done, 1, f"{path}: nobody answers ({path}: the daemon accepts nobody, and no more connections can "
                             "wait)\n")

    def test_a_daemon_that_would_relay_to_itself(self):
        path = f"{self.directory}/itself.sock"
        self.write("itself.log", "")
        for service in path, f"{self.directory}/../site/itself.sock":
            with self.subTest(service):
                options = self.write("itself.cf", f"allowed_tables = hash:/x\nrelay_service = {service}\n")
                with open(f"{self.directory}/itself.log", "wb") as log, subprocess.Popen(
                        [self.proxyd, "--listen", path, "--config", options], stdin=subprocess.DEVNULL, stdout=log,
                        stderr=log) as daemon:
                    try:
                        wait_until(lambda: os.path.exists(path), "proxyd listens", 10)
                        done = self.run_proxyctl("query", "--socket", path, "hash:/x", "key")
                        self.expect(done, 1, "", "query error")
                    finally:
                        daemon.terminate()
                with open(f"{self.directory}/itself.log", encoding="utf-8") as log:
                    self.assertIn("see relay_service in proxyd.cf(5), it names this service itself", log.read())

    @unittest.skipIf(os.geteuid() != 0, "only root can become somebody else")
    def test_permission(self):
        program = f"{self.workspace.path}/proxyctl"
        subprocess.run(["install", "-m", "755", self.proxyctl, program], check=True)
        done = subprocess.run([program, "query", "--socket", self.socket, self.aliases, "x"], capture_output=True,
                              check=False, user=_NOBODY, group=_NOBODY, extra_groups=[])
        self.expect(done, 1, "", "permission denied: run this as root")

    def serve_once(self, path, greet, reply):
        """A service that answers two requests on one connection, greeting late or never."""
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(path)
        listener.listen()

        def serve():
            client, _ = listener.accept()
            with client:
                client.settimeout(10)
                for number in range(2):
                    while not client.recv(4096).endswith(b"\0\0"):
                        pass
                    if number == 0:
                        client.sendall(greet)
                    client.sendall(reply(number))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        self.addCleanup(thread.join, 10)

    def test_older_services(self):
        def reply(number):
            if number == 0:
                return b"status\x000\0flags\x0016\0\0"
            return b"status\x000\0value\0found\0\0"

        for name, greeting in (("silent", b""), ("late", b"protocol\0proxymap_protocol\0\0")):
            with self.subTest(name):
                path = f"{self.directory}/{name}.sock"
                self.serve_once(path, greeting, reply)
                self.expect(self.run_proxyctl("query", "--socket", path, "hash:/x", "key"), 0, "found\n")

    def test_check(self):
        user = ("--user", "root") if os.geteuid() == 0 else ()
        done = self.run_proxyctl("check", *user, "--config", f"{self.directory}/proxyd.cf")
        self.expect(done, 0, "checked 3 tables: 0 errors, 0 warnings\n")
        done = self.run_proxyctl("check", *user, "--connect", "--config", self.directory)
        self.assertEqual(done.returncode, 1)
        lines = done.stdout.decode().splitlines()
        self.assertEqual(lines[-1], "checked 3 tables, 2 answered: 1 error, 0 warnings")
        self.assertRegex(lines[0], r"^/.*/broken\.cf:2: error: .*no such table: missing$")
        self.expect(self.run_proxyctl("check", "--user", "nosuch", "--config", self.directory), 1, "",
                    "proxyctl: --user nosuch: no such user")

    @unittest.skipUnless(os.access("/usr/sbin/postconf", os.X_OK), "no Postfix")
    def test_check_of_a_postfix(self):
        site = self.workspace.directory("postfix")
        table = self.table("listed", "SELECT 1", 0o644)
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
        secret = self.table("secret", "SELECT 1", 0o640)  # root's alone, while proxyd reads it as the mail owner
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
        # Tables of other types are the stock server's.
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
        # As `postconf -P` leaves `proxymap -n proxymap` of an entry.
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
        listed = self.table("listed_only", "SELECT 1", 0o644)
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
        """Tables of other types in domain lists: the stock server is asked, and looks at proxy_read_maps."""
        path = table.split(":", 1)[1]
        with open(path, "a", encoding="utf-8") as file:
            file.write("domain = example.com, hash:/x\n")
        status, lines = check()
        self.assertEqual(status, 1)
        self.assertRegex(lines[0], r"listed_only\.cf:3: error: domain asks for proxy:hash:/x, which is not in "
                                   r"proxy_read_maps: ")

    def check_relay_service(self, check, site):
        """A misspelt relay_service, in master.cf and in proxyd.cf."""
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
        """Tables that nobody serves, those that do not go through proxyd, and those with a name that is no path."""
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
        """The path of a table's file as the daemon would find it without the leading slash."""
        queue = subprocess.run(["/usr/sbin/postconf", "-dh", "queue_directory"], capture_output=True, text=True,
                               check=True, timeout=60).stdout.strip()
        return "./" + os.path.relpath(table.split(":", 1)[1], queue)

    def programs(self):
        """A daemon_directory with proxyd in it."""
        path = self.workspace.directory("programs")
        for name, program in (("proxyd", self.proxyd), ("proxymap", "/bin/true"), ("other", "/bin/true")):
            os.symlink(program, f"{path}/{name}")
        return path

    def check_service_entries(self, check, programs):
        """The entry of proxymap: what each mistake in it is answered with, and the exit status."""
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

    def test_unknown_command(self):
        self.expect(self.run_proxyctl("enabel"), 2, "", 'unknown command "enabel", did you mean "enable"? Commands: query')

    def test_status_names_hosts_that_are_down(self):
        table = "pgsql:" + self.write("gone.cf", f"hosts = unix:{self.directory}/none\ndbname = mail\nquery = SELECT 1\n")
        path = f"{self.directory}/gone.sock"
        self.write("gone-proxyd.cf", f"allowed_tables = {table}\nlookup_timeout = 1s\n")
        with subprocess.Popen([self.proxyd, "--listen", path, "--config", f"{self.directory}/gone-proxyd.cf"],
                              stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log) as daemon:
            try:
                wait_until(lambda: os.path.exists(path), "proxyd listens", 10)
                self.run_proxyctl("query", "--socket", path, table, "key")
                out = self.run_proxyctl("status", "--socket", path).stdout.decode()
            finally:
                daemon.terminate()
        self.assertRegex(out, rf"(?m)^pgsql database mail: 0 of 8 connections, .*\n    unix:{self.directory}/none: "
                              r"not reachable for 0:00:\d\d: .*No such file")

    def test_status_names_sqlite_files_that_cannot_be_read(self):
        file, moved = f"{self.directory}/mail.db", f"{self.directory}/moved.db"

        def after_lookup():
            self.query(self.aliases, "info@example.com")
            out = self.run_proxyctl("status", "--socket", self.socket).stdout.decode()
            told = json.loads(self.run_proxyctl("status", "--json", "--socket", self.socket).stdout)
            (database,) = told["daemon"]["databases"]
            return out, database

        idle = {"name": "sqlite database mail.db", "lookups_waiting": 0, "queries_under_way": 0}
        shown = f"\nsqlite database mail.db: 0 lookups under way, 0 waiting\n    {file}: "
        well = {**idle, "hosts": [{"name": file, "health": "up"}]}
        out, database = after_lookup()
        self.assertEqual(database, well)
        self.assertIn(f"{shown}up\n", out)
        os.rename(file, moved)
        try:
            out, database = after_lookup()
        finally:
            os.rename(moved, file)
        self.assertIn(f"{shown}not reachable for 0:00:0", out)
        (host,) = database["hosts"]
        self.assertLess(host.pop("failing_seconds"), 10)
        self.assertEqual(host, {"name": file, "health": "down", "problem": f"database {file}: no such file"})
        self.assertEqual(after_lookup()[1], well)

    def test_status_names_tables_in_trouble(self):
        name = os.path.basename(self.aliases)
        with open(f"{self.directory}/{name}", encoding="utf-8") as file:
            right = file.read()
        self.addCleanup(self.write, name, right)

        def status():
            return self.run_proxyctl("status", "--socket", self.socket).stdout.decode()

        self.query(self.aliases, "info@example.com")
        self.assertNotIn("older version", status())
        # Without a lookup that looks at the file.
        self.write(name, "query SELECT\n")
        line = f"{self.aliases}: an older version of its file is in force: "
        wait_until(lambda: line in status(), "the status names the table", 10)
        self.write(name, right)
        wait_until(lambda: line not in status(), "the status names it no more", 10)

    def test_each_cause_of_failure_is_logged_at_once(self):
        name = f"{self.directory}/causes.db"
        table = "sqlite:" + self.write("causes.cf", f"dbpath = {name}\nquery = SELECT a FROM t WHERE b = '%s'\n")
        path = f"{self.directory}/causes.sock"
        log = self.write("causes.log", "")
        options = self.write("causes-proxyd.cf", f"allowed_tables = {table}\nlookup_timeout = 2s\n")
        with open(log, "wb") as to, subprocess.Popen([self.proxyd, "--listen", path, "--config", options],
                                                     stdin=subprocess.DEVNULL, stdout=to, stderr=to) as daemon:
            try:
                wait_until(lambda: os.path.exists(path), "proxyd listens", 10)
                for content in (None, "no database " * 1000, ""):
                    if content is not None:
                        self.write("causes.db", content)
                    self.run_proxyctl("query", "--socket", path, table, "key")
                    self.run_proxyctl("query", "--socket", path, table, "key")
                with open(log, encoding="utf-8") as file:
                    lines = [line for line in file if "lookup error" in line]
            finally:
                daemon.terminate()
        self.assertEqual(len(lines), 3, lines)
        for line, cause in zip(lines, ("no such file", "file is not a database", "no such table: t")):
            self.assertIn(cause, line)
            self.assertNotIn("more", line)

    def test_check_of_a_configuration_file(self):
        site = self.workspace.directory("named")
        for name in ("main.cf", "master.cf"):
            with open(f"{site}/{name}", "w", encoding="utf-8"):
                age(f"{site}/{name}")
        for name in ("main.cf", "master.cf"):
            done = self.run_proxyctl("check", "--config", f"{site}/{name}")
            self.assertIn(f"{site}/master.cf: error: there is no entry for the proxymap service", done.stdout.decode())

    def test_check_without_a_configuration(self):
        self.expect(self.run_proxyctl("check"), 1, "", "no main.cf and no proxyd.cf")
        self.expect(self.run_proxyctl("check", "--config", f"{self.directory}/missing"), 1, "", "no such file")

    def test_options(self):
        done = self.run_proxyctl("options", "--config", self.directory)
        self.assertEqual(done.returncode, 0)
        lines = done.stdout.decode().splitlines()
        self.assertIn("lookup_timeout = 2s", lines)
        self.assertIn("pool_size = 8", lines)

    def test_options_name_all_mistakes(self):
        path = self.write("wrong.cf", "pool_size = none\nlookup_timeout = soon\npipeline_depth = 3\n")
        done = self.run_proxyctl("options", "--config", path)
        self.assertEqual(done.returncode, 1)
        self.assertEqual([line.split(": bad value")[0] for line in done.stderr.decode().splitlines()],
                         [f"{path}:1: error", f"{path}:2: error"])
        self.assertIn("pipeline_depth = 3", done.stdout.decode().splitlines())

    def test_people_are_told_of_a_miss(self):
        people, terminal = os.openpty()
        self.addCleanup(os.close, people)
        with os.fdopen(terminal, "wb") as error:
            done = subprocess.run([self.proxyctl, "query", "--socket", self.socket, self.aliases, "nobody"],
                                  stdout=subprocess.PIPE, stderr=error, check=False, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (1, b""))
        self.assertEqual(os.read(people, 1000).decode().strip(), f"not found: nobody in {self.aliases}")

    def test_the_log_tells_of_the_start(self):
        with open(f"{self.directory}/log", encoding="utf-8") as log:
            self.assertRegex(log.read(), r"daemon started -- version \d+\.\d+\.\d+, 3 tables approved")

    def test_types_that_are_not_served(self):
        self.expect(self.query("nosuchtype:/x", "key"), 1, "", "may not serve this table")
        with open(f"{self.directory}/log", encoding="utf-8") as log:
            self.assertIn("tables of type nosuchtype are not served here: ask for nosuchtype:/x instead", log.read())

    def test_status(self):
        done = self.run_proxyctl("status", "--socket", self.socket)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout.decode(), rf"^{self.socket}: proxyd answers\nproxyd \d+\.\d+\.\d+, process "
                                               rf"{self.daemon.pid}, up \d+:\d\d:\d\d\n3 tables approved, 1 client connected\n")
        told = json.loads(self.run_proxyctl("status", "--json", "--socket", self.socket).stdout)
        self.assertEqual((told["answers"], told["daemon"]["process"]), ("proxyd", self.daemon.pid))
        self.assertEqual(told["daemon"]["tables_approved"], sorted([self.aliases, self.broken, self.echo]))
        self.assertNotIn("serves_caller", told["daemon"])
        self.assertEqual(os.stat(f"{self.socket}.control").st_mode & 0o777, 0o600)
        done = self.run_proxyctl("status", "--socket", f"{self.directory}/none")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(f"{self.directory}/none: nobody answers ({self.directory}/none: there is no such socket)\n",
                         done.stdout.decode())
        self.assertIn("--socket PATH", self.run_proxyctl("status").stderr.decode())

    def test_status_for_programs_is_always_json(self):
        done = self.run_proxyctl("status", "--json", "--socket", b"/none\xfc")
        self.assertEqual((done.returncode, done.stderr), (1, b""))
        self.assertEqual(json.loads(done.stdout)["problem"], "/none\ufffd: there is no such socket")

    @unittest.skipIf(os.geteuid() != 0, "only root can become somebody else")
    def test_status_for_a_user_who_may_only_look_up(self):
        os.chmod(self.socket, 0o666)
        self.addCleanup(os.chmod, self.socket, 0o600)
        for directory in self.workspace.path, self.directory:
            self.addCleanup(os.chmod, directory, os.stat(directory).st_mode & 0o7777)
            os.chmod(directory, 0o755)
        program = f"{self.workspace.path}/proxyctl-for-all"
        subprocess.run(["install", "-m", "755", self.proxyctl, program], check=True)
        reason = f"{self.socket}.control: permission denied: only root and the user that the daemon runs as may ask"
        command = [program, "status", "--socket", self.socket]
        for arguments in [], ["--json"]:
            done = subprocess.run([*command, *arguments], capture_output=True, check=False, timeout=60, user=_NOBODY,
                                  group=_NOBODY, extra_groups=[])
            self.assertEqual(done.returncode, 1)
            if arguments:
                told = json.loads(done.stdout)
                self.assertEqual((told["answers"], told["problem"]), ("unknown", reason))
            else:
                self.assertEqual(done.stdout.decode(), f"{self.socket}: who answers is unknown ({reason})\n")

    def test_flush_with_nobody_there(self):
        path = f"{self.directory}/unserved"
        hint = f"Start it with: proxyd --listen {path}\n"
        done = self.run_proxyctl("flush", "--socket", path)
        self.expect(done, 1, "", f"{path}.control: there is no such socket. {hint}")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"{path}.control")
        done = self.run_proxyctl("flush", "--socket", path)
        self.expect(done, 1, "", f"{path}.control: the daemon that made this socket has gone. {hint}")

    def test_a_control_socket_says_nothing_of_another_server(self):
        path = f"{self.directory}/other.sock"
        os.symlink(f"{self.socket}.control", f"{path}.control")
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(path)
        listener.listen()

        def greet():
            client, _ = listener.accept()
            with client:
                client.sendall(b"protocol\0proxymap_protocol\0\0")
                client.recv(1)

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        self.addCleanup(thread.join, 10)
        done = self.run_proxyctl("status", "--socket", path)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn(b"another server than proxyd answers", done.stdout)

    def control(self, text, **more):
        """What the control socket answers to a text, as told by a process of its own."""
        program = ("import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n"
                   "s.sendall(sys.argv[2].encode())\nprint(s.makefile().read())")
        done = subprocess.run(["/usr/bin/python3", "-c", program, f"{self.socket}.control", text], capture_output=True,
                              check=True, timeout=60, **more)
        return json.loads(done.stdout)

    def test_control_requests(self):
        self.assertTrue(self.control('{"command": "status"}\n')["ok"])
        self.assertIn("no command \"halt\"", self.control('{"command": "halt"}\n')["error"])
        for wrong in ("status\n", "[]\n", "{}\n", '{"command": 1}\n'):
            self.assertIn("no JSON object with a command", self.control(wrong)["error"])
        with socket.socket(socket.AF_UNIX) as endless, self.assertRaises(OSError):
            endless.connect(f"{self.socket}.control")
            while True:
                endless.sendall(b"x" * 4096)
        self.assertTrue(self.control('{"command": "status"}\n')["ok"])

    def test_lookups_go_on_while_others_hold_the_control_socket(self):
        held = []
        for _ in range(20):
            held.append(socket.socket(socket.AF_UNIX))
            held[-1].connect(f"{self.socket}.control")
        self.expect(self.query(self.aliases, "@example.org"), 0, "anna@example.com\n")
        for one in held:
            one.close()
        wait_until(lambda: self.run_proxyctl("status", "--socket", self.socket).returncode == 0, "status answers again")

    @unittest.skipIf(os.geteuid() != 0, "only root can become somebody else")
    def test_control_is_for_root_and_the_own_user(self):
        os.chmod(f"{self.socket}.control", 0o666)
        self.addCleanup(os.chmod, f"{self.socket}.control", 0o600)
        reply = self.control('{"command": "status"}\n', user=_NOBODY, group=_NOBODY, extra_groups=[])
        self.assertEqual((reply["ok"], set(reply)), (False, {"ok", "error"}))
        self.assertIn("only root", reply["error"])

    def test_enable_needs_a_postfix(self):
        for command in ("enable", "disable"):
            self.expect(self.run_proxyctl(command), 1, "", "there is no Postfix configured")

    def test_usage(self):
        done = subprocess.run([self.proxyd], capture_output=True, check=False, timeout=60)
        self.assertEqual(done.returncode, 2)
        self.assertGreater(len(done.stderr.decode().splitlines()), 3)
        self.assertTrue(done.stderr.startswith(b"usage: proxyd --listen PATH"), done.stderr)

        self.assertEqual(self.run_proxyctl("--version").stdout.split()[0], b"proxyctl")
        self.assertEqual(self.run_proxyctl("--help").returncode, 0)
        for command in "query", "check", "options", "enable", "disable", "status", "flush":
            stand_alone = "stand-alone" in self.run_proxyctl(command, "--help").stdout.decode()
            self.assertEqual(stand_alone, command in ("query", "check", "options"), command)
        for wrong, text in (([], "a command is missing; see proxyctl --help"),
                            (["query"], "table is required; see proxyctl query --help"),
                            (["query", self.aliases], "key is required; see proxyctl query --help"),
                            (["query", "no-type", "key"], 'table: "no-type" is no table: expected TYPE:NAME, '),
                            (["flush", "no-type"], 'table: "no-type" is no table: expected TYPE:NAME, '),
                            (["check", "--what"], 'unexpected argument "--what"; see proxyctl check --help'),
                            (["check", "--config"], "--config needs a value; see proxyctl check --help"),
                            (["nothing"], 'unknown command "nothing".')):
            done = self.run_proxyctl(*wrong)
            self.assertEqual((done.returncode, done.stdout), (2, b""), wrong)
            self.assertTrue(done.stderr.decode().startswith(f"proxyctl: {text}"), done.stderr)
        done = subprocess.run([self.proxyd, "--what"], capture_output=True, check=False, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (2, b"proxyd: fatal: unknown option --what; see proxyd --help\n"))

    def test_mistakes_in_the_options_are_counted(self):
        for options, count in ("pool_size = 0\n", "1 mistake"), ("pool_size = 0\nqueue_limit = 0\n", "2 mistakes"):
            wrong = self.write("wrong.cf", f"allowed_tables = {self.aliases}\n{options}")
            done = subprocess.run([self.proxyd, "--listen", f"{self.directory}/wrong.sock", "--config", wrong],
                                  capture_output=True, text=True, check=False, timeout=60)
            self.assertIn(f" {count} in the options\n", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v", *sys.argv[1:]])
