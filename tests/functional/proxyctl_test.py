#!/usr/bin/env python3
"""proxyctl with a proxyd that runs alone, on SQLite: output and exit statuses. Needs no Postfix."""

import json
import os
import pty
import socket
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from functional.proxyctl_scene import ProxyctlScene
from harness import processes
from harness.fake_servers import RefusingMysql
from harness.postfix import age
from harness.stand_alone import StandAlone
from harness.waiting import wait_until

_NOBODY = 65534


class ProxyctlTest(ProxyctlScene):
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
        self.expect(done, 1, f"{path}: no server answers ({path}: the daemon accepts no connections, and no more can "
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
        """A service that answers two requests on one connection. It greets late or never."""
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

    def test_unknown_command(self):
        self.expect(self.run_proxyctl("enabel"), 2, "", 'unknown command "enabel", did you mean "enable"? Commands: query')

    def test_status_names_hosts_that_are_down(self):
        table = "pgsql:" + self.write("gone.cf", f"hosts = unix:{self.directory}/none\ndbname = mail\nquery = SELECT '%s'\n")
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
        # No lookup makes the daemon look at the file.
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
        (serving,) = processes.children(self.daemon.pid)
        done = self.run_proxyctl("status", "--socket", self.socket)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout.decode(), rf"^{self.socket}: proxyd answers\nproxyd \d+\.\d+\.\d+, process "
                                               rf"{serving}, up \d+:\d\d:\d\d\n3 tables approved, 1 client connected\n")
        told = json.loads(self.run_proxyctl("status", "--json", "--socket", self.socket).stdout)
        self.assertEqual((told["answers"], told["daemon"]["process"]), ("proxyd", serving))
        self.assertEqual(told["daemon"]["tables_approved"], sorted([self.aliases, self.broken, self.echo]))
        self.assertNotIn("serves_caller", told["daemon"])
        self.assertEqual(os.stat(f"{self.socket}.control").st_mode & 0o777, 0o600)
        done = self.run_proxyctl("status", "--socket", f"{self.directory}/none")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(f"{self.directory}/none: no server answers ({self.directory}/none: there is no such socket)\n",
                         done.stdout.decode())
        self.assertIn("--socket PATH", self.run_proxyctl("status").stderr.decode())

    def test_bytes_that_terminals_obey_are_not_written(self):
        hostile = "\x1b[2J\x07 one\rtwo \x9b31m \u202eevil ü".encode()
        refusing = RefusingMysql(hostile)
        self.addCleanup(refusing.close)
        name = self.write("hostile.cf", f"hosts = 127.0.0.1:{refusing.port}\nuser = u\ndbname = d\nquery = SELECT 1\n")
        site = StandAlone(self.workspace, self.proxyd, "hostile", "lookup_timeout = 1s\n", [f"mysql:{name}"])
        site.start().wait_for_socket()
        self.addCleanup(site.stop)
        self.run_proxyctl("query", "--socket", site.socket, f"mysql:{name}", "key")
        check = self.run_proxyctl("check", "--connect", "--config", site.config)
        for done in (check, self.run_proxyctl("status", "--socket", site.socket),
                     self.run_proxyctl("status", "--json", "--socket", site.socket),
                     self.run_proxyctl("flush", "--socket", site.socket, f"mysql:{name}", "\x1b[2J"),
                     self.run_proxyctl("query", "--socket", f"{self.directory}/\x1b[2J", "mysql:/x", "key")):
            text = done.stdout.decode() + done.stderr.decode()
            odd = [c for c in text if not (c.isprintable() or c == "\n")]
            self.assertEqual(odd, [], repr(text))
        self.assertIn("one", check.stdout.decode() + check.stderr.decode())
        told = json.loads(self.run_proxyctl("status", "--json", "--socket", site.socket).stdout)
        self.assertIn("one", told["daemon"]["databases"][0]["hosts"][0]["problem"])

    def test_values_on_a_terminal(self):
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        command = [self.proxyctl, "query", "--socket", self.socket, self.echo, "\x1b[2J\x07"]
        with os.fdopen(theirs, "wb") as terminal:
            subprocess.run(command, stdout=terminal, check=True, timeout=60)
        self.assertEqual(os.read(ours, 1000), b"<?[2j?>\r\n")
        self.expect(self.query(self.echo, "\x1b[2J\x07"), 0, "<\x1b[2j\x07>\n")

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
        """The reply of the control socket to a text. A process of its own sends it."""
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
