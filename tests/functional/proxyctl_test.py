#!/usr/bin/env python3
"""proxyctl with a proxyd that runs on its own, on SQLite: what people see, and exit statuses. Needs no Postfix."""

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
        cls.write("proxyd.cf", f"allowed_tables = {cls.aliases}, {cls.broken}\nlookup_timeout = 2s\n")
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

    def test_socket_from_the_environment(self):
        done = self.run_proxyctl("query", self.aliases, "@example.org", environment={"PROXYD_SOCKET": self.socket})
        self.expect(done, 0, "anna@example.com\n")

    def test_failed_lookup(self):
        self.expect(self.query(self.broken, "anna@example.com"), 1, "", "query error", "log says why")
        with open(f"{self.directory}/log", encoding="utf-8") as log:
            self.assertIn("no such table: missing", log.read())

    def test_table_that_is_not_allowed(self):
        self.expect(self.query(self.secret, "x"), 1, "", "may not serve this table", f"Add {self.secret} to allowed_tables")

    def test_nobody_there(self):
        done = self.run_proxyctl("query", "--socket", f"{self.directory}/none", self.aliases, "x")
        self.expect(done, 1, "", "no such socket", "proxyd --listen")
        done = self.run_proxyctl("query", self.aliases, "x")
        self.expect(done, 1, "", "--socket")
        abandoned = f"{self.directory}/abandoned"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(abandoned)
        self.expect(self.run_proxyctl("query", "--socket", abandoned, self.aliases, "x"), 1, "", "has gone")

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
        done = self.run_proxyctl("check", "--config", f"{self.directory}/proxyd.cf")
        self.expect(done, 0, "checked 2 tables: 0 errors, 0 warnings\n")
        done = self.run_proxyctl("check", "--connect", "--config", self.directory)
        self.assertEqual(done.returncode, 1)
        lines = done.stdout.decode().splitlines()
        self.assertEqual(lines[-1], "checked 2 tables, 1 answered: 1 error, 0 warnings")
        self.assertRegex(lines[0], r"^/.*/broken\.cf: error: .*no such table: missing$")

    @unittest.skipUnless(os.access("/usr/sbin/postconf", os.X_OK), "no Postfix")
    def test_check_of_a_postfix(self):
        site = self.workspace.directory("postfix")
        table = self.table("listed", "SELECT 1", 0o644)

        def check(main_cf, chroot, service="proxyd"):
            for name, text in (("main.cf", "compatibility_level = 3.6\n" + main_cf),
                               ("master.cf", f"smtp inet n - {chroot} - - smtpd\n -o smtpd_data_restrictions=$mine\n"
                                             f"proxymap unix - - n - 1 {service}\n")):
                with open(f"{site}/{name}", "w", encoding="utf-8") as file:
                    file.write(text)
            done = self.run_proxyctl("check", "--config", site)
            return done.returncode, done.stdout.decode().replace(f"{site}/", "").splitlines()

        none = "local_recipient_maps =\n"
        self.assertEqual(check(none + f"virtual_alias_maps = proxy:{table}\n", "n"),
                         (0, ["checked 1 table: 0 errors, 0 warnings"]))
        secret = self.table("secret", "SELECT 1", 0o640)  # root's alone, while proxyd reads it as the mail owner
        status, lines = check(none + f"virtual_alias_maps = proxy:{secret}\n", "n")
        self.assertEqual(status, 1)
        self.assertRegex(lines[0], r"secret\.cf: error: user postfix \(mail_owner\) cannot read it: Permission denied\. "
                                   r"Try chown root:postfix ")
        status, lines = check(none + f"mine = check_x proxy:{table}\n", "n")
        self.assertEqual((status, len(lines)), (1, 3))
        self.assertRegex(lines[0], r"^main\.cf:3: warning: mine asks for .*add proxy:sqlite:.* there, if something uses")
        self.assertRegex(lines[1], r"^master\.cf:1: error: smtpd_data_restrictions asks for .*not in proxy_read_maps")
        # The list of users is out of reach in a chroot.
        status, lines = check("", "n")
        self.assertEqual(status, 1)
        self.assertRegex(lines[0], r"main\.cf: error: .* unix: tables .*set local_recipient_maps = unix:passwd\.byname")
        status, lines = check("", "y")
        self.assertRegex(lines[0], r"set local_recipient_maps = \$alias_maps in main\.cf; .*chroot column")
        status, lines = check(none + "transport_maps = proxy:hash:/x\n", "n")
        self.assertRegex(lines[0], r"^main\.cf:3: error: .* hash: tables .*write hash:/x without proxy:")
        status, lines = check(none, "n", "proxyd -o pool_sise=1 -o pool_size=none")
        self.assertEqual(lines[0], "master.cf:3: error: bad value: pool_size = none, expected 1 to 1000")
        status, lines = check(none + "no equals sign\n", "n")
        self.assertRegex(lines[0], r"^main\.cf:3: error: missing '='")

    def test_check_without_a_configuration(self):
        self.expect(self.run_proxyctl("check"), 1, "", "no main.cf and no proxyd.cf")
        self.expect(self.run_proxyctl("check", "--config", f"{self.directory}/missing"), 1, "", "no such file")

    def test_options(self):
        done = self.run_proxyctl("options", "--config", self.directory)
        self.assertEqual(done.returncode, 0)
        lines = done.stdout.decode().splitlines()
        self.assertIn("lookup_timeout = 2s", lines)
        self.assertIn("pool_size = 8", lines)

    def test_usage(self):
        self.assertEqual(self.run_proxyctl("--version").stdout.split()[0], b"proxyctl")
        self.assertEqual(self.run_proxyctl("--help").returncode, 0)
        for wrong in ([], ["query"], ["query", self.aliases], ["check", "--what"], ["nothing"]):
            self.assertEqual(self.run_proxyctl(*wrong).returncode, 1, wrong)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v", *sys.argv[1:]])
