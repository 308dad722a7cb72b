#!/usr/bin/env python3
"""proxyctl enable, disable and status with a real Postfix: master.cf before and after, and who answers."""

import json
import os
import sqlite3
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from harness import scenario, server
from harness.postfix import Postfix, age
from harness.tables import TableFiles
from harness.waiting import wait_until

_OPTIONS = "-o syslog_name=tables -o {mine=one two} -v"

# What stands in place of the entry for proxymap, and what it becomes as the arguments of proxyd.
_ENTRIES = {
    "tabs": ("proxymap\tunix\t-\t-\tn\t-\t-\tproxymap\n", ""),
    "other columns": ("proxymap unix - n - - 20 proxymap\n", ""),
    "options on lines of their own": (
        "# the tables\nproxymap  unix  -       -       n       -       -       proxymap\n"
        "\t-o syslog_name=tables\n# a comment in between\n\n  -o { mine = one two }\n    -v\n# after it\n",
        _OPTIONS),
}


class SwitchTest(scenario.Scenario):
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
        with open(self.master_cf, "w", encoding="utf-8") as file:
            file.write(text)
        age(self.master_cf)

    def read(self):
        with open(self.master_cf, encoding="utf-8") as file:
            return file.read()

    def leftovers(self):
        """What enable has left in the directory, beside what belongs there."""
        return sorted(set(os.listdir(self.postfix.config)) - {"main.cf", "master.cf", "proxyd.cf"})

    def run_proxyctl(self, *arguments, status=0):
        done = subprocess.run([self.proxyctl, *arguments, "--config", self.postfix.config], capture_output=True,
                              timeout=120, check=False, env={"PATH": "/usr/bin:/bin"})
        out = done.stdout.decode() + done.stderr.decode()
        self.assertEqual(done.returncode, status, out)
        return out

    def status(self, expected):
        return json.loads(self.run_proxyctl("status", "--json", status=expected))

    def entry(self, service):
        """The entry as postconf shows it, without its formatting."""
        done = subprocess.run(["/usr/sbin/postconf", "-c", self.postfix.config, "-M", f"{service}/unix"],
                              capture_output=True, check=True)
        return " ".join(done.stdout.decode().split())

    def lookup(self):
        done = self.postfix.postmap("-q", "info@example.com", f"proxy:{self.aliases}")
        return done.stdout.decode().strip()

    def there_and_back(self, original, arguments):
        """Enables and disables with this master.cf in place."""
        self.write(original)
        self.postfix.reload()
        wait_until(lambda: self.status(1)["answers"] == "another", "the stock server answers")
        before = self.status(1)
        self.assertFalse(before["enabled"])
        self.assertFalse(before["relay"]["present"])

        out = self.run_proxyctl("enable")
        self.assertRegex(out, r"(?m)^\+proxymap .* proxyd$")
        self.assertRegex(out, rf"{self.postfix.socket()}: proxyd \d+\.\d+\.\d+ answers \(process \d+\); "
                              rf"a lookup in {self.aliases} found nothing")
        self.assertEqual(self.entry("proxymap"), f"proxymap unix - - n - 1 proxyd {arguments}".strip())
        stock_options = arguments.removesuffix(" -v")
        self.assertEqual(self.entry("proxymap-stock"),
                         f"proxymap-stock unix - - n - - proxymap -n proxymap {stock_options}".strip())
        self.assertEqual(self.lookup(), "anna@example.com")
        after = self.status(0)
        self.assertEqual((after["enabled"], after["answers"], after["relay"]["present"]), (True, "proxyd", True))
        self.assertIn(after["daemon"]["process"], self.postfix.pids("proxyd"))

        again = self.run_proxyctl("enable")
        self.assertIn("enabled already", again)

        self.run_proxyctl("disable")
        self.assertEqual(self.read(), original)
        self.assertEqual(self.leftovers(), [])
        wait_until(lambda: self.status(1)["answers"] == "another", "the stock server answers again")
        self.assertEqual(self.lookup(), "anna@example.com")

    def with_entry(self, entry):
        lines = [entry if line.startswith("proxymap ") else line for line in self.plain.splitlines(keepends=True)]
        return "".join(lines)

    def test_of_this_site(self):
        self.there_and_back(self.plain, "")

    def test_entries(self):
        for name, (entry, arguments) in _ENTRIES.items():
            with self.subTest(name):
                self.there_and_back(self.with_entry(entry), arguments)

    def test_of_debian(self):
        with open("/usr/share/postfix/master.cf.dist", encoding="utf-8") as file:
            debian = file.read()
        port = f"127.0.0.1:{self.postfix.smtp_port}"
        self.there_and_back(debian.replace("\nsmtp      inet", f"\n{port} inet").rstrip("\n"), "")

    def test_tables_of_other_types_reach_the_stock_server(self):
        self.run_proxyctl("enable")
        done = self.postfix.postmap("-q", "root", "proxy:unix:passwd.byname")
        self.assertTrue(done.stdout.startswith(b"root:"), done.stderr.decode())

    def test_dry_run_changes_nothing(self):
        def unchanged():
            return self.read(), self.leftovers(), self.status(1)["answers"]

        before = unchanged()
        out = self.run_proxyctl("enable", "--dry-run")
        self.assertRegex(out, r"(?m)^-proxymap .*proxymap$")
        self.assertRegex(out, r"(?m)^\+proxymap .*proxyd$")
        self.assertIn("nothing was changed", out)
        self.assertEqual(unchanged(), before)
        self.run_proxyctl("enable")
        enabled = self.read()
        out = self.run_proxyctl("disable", "--dry-run")
        self.assertRegex(out, r"(?m)^-proxymap-stock ")
        self.assertEqual(self.read(), enabled)
        self.assertEqual(self.status(0)["answers"], "proxyd")

    def test_what_was_edited_in_between_stays(self):
        self.write(self.plain.replace("smtp      unix", "# of old\nsmtp      unix"))
        self.run_proxyctl("enable")
        self.write("# new\n" + self.read() + "extra unix - - n - - discard\n")
        out = self.run_proxyctl("disable")
        self.assertIn("has been edited since", out)
        self.assertEqual(self.read(), "# new\n" + self.plain.replace("smtp      unix", "# of old\nsmtp      unix") +
                         "extra unix - - n - - discard\n")

    def test_disable_without_a_record(self):
        self.write(self.with_entry("proxymap unix - - n - 1 proxyd -o pool_size=3\n") +
                   "proxymap-stock unix - - n - - proxymap -n proxymap\n")
        self.postfix.reload()
        out = self.run_proxyctl("disable")
        self.assertIn("becomes that of a new Postfix", out)
        self.assertEqual(self.entry("proxymap"), "proxymap unix - - n - - proxymap")
        self.assertNotIn("proxymap-stock", self.read())
        self.assertIn("not enabled; nothing was changed", self.run_proxyctl("disable"))

    def test_mistakes_stop_it(self):
        path = self.tables.path("aliases")
        with open(path, encoding="utf-8") as file:
            right = file.read()
        self.addCleanup(self.tables.write, "aliases", right)
        self.tables.write("aliases", right.replace("FROM aliases", "FROM missing"))
        out = self.run_proxyctl("enable", status=1)
        self.assertIn("no such table: missing", out)
        self.assertIn("nothing was changed", out)
        self.assertEqual((self.read(), self.leftovers()), (self.plain, []))

    def replace_proxyd(self, script):
        """Puts another program in the place of proxyd."""
        path = f"{self.postfix.daemons}/proxyd"
        os.remove(path)

        def bring_back():
            os.remove(path)
            os.symlink(self.proxyd, path)

        self.addCleanup(bring_back)
        with open(path, "w", encoding="ascii") as file:
            file.write(script)
        os.chmod(path, 0o755)

    def test_rollback_when_proxyd_does_not_start(self):
        self.replace_proxyd("#!/bin/sh\nexit 1\n")
        self.check_rollback("nobody answers")

    def test_rollback_when_another_server_answers(self):
        self.replace_proxyd('#!/bin/sh\nexec /usr/lib/postfix/sbin/proxymap "$@"\n')
        self.check_rollback("it is not proxyd that answers")

    def throttle_for(self, time):
        """How long master(8) does not start a service again whose program has failed."""
        subprocess.run(["/usr/sbin/postconf", "-c", self.postfix.config, "-e", f"service_throttle_time={time}"],
                       check=True)
        age(f"{self.postfix.config}/main.cf")

    def test_the_way_back_says_when_lookups_wait(self):
        self.throttle_for("60s")

        def restart():
            self.throttle_for("1s")
            self.postfix.stop()
            self.postfix.start()

        self.addCleanup(restart)
        self.replace_proxyd("#!/bin/sh\nexit 1\n")
        out = self.run_proxyctl("enable", status=1)
        self.assertIn("rolled back", out)
        waits = ("the stock server has not answered within 5 s: lookups may wait up to 60s (service_throttle_time: "
                 "master(8) waits before it starts a service again that failed); `postfix stop; postfix start` ends "
                 "that; see the mail log")
        self.assertIn(waits, out)
        self.write(self.with_entry("proxymap unix - - n - 1 proxyd\n"))
        out = self.run_proxyctl("disable", status=1)
        self.assertIn("proxyd is disabled\n", out)
        self.assertIn(waits, out)

    def test_the_way_back_is_proven(self):
        self.run_proxyctl("enable")
        self.assertRegex(self.run_proxyctl("disable"), rf"proxyd is disabled\n.*/private/proxymap: the stock server "
                                                       rf"answers; a lookup in {self.aliases} found nothing")

    def test_a_postfix_that_asks_for_no_sql_table(self):
        with open(f"{self.postfix.config}/main.cf", encoding="utf-8") as file:
            main_cf = file.read()

        def write(text):
            with open(f"{self.postfix.config}/main.cf", "w", encoding="utf-8") as file:
                file.write(text)
            age(f"{self.postfix.config}/main.cf")

        self.addCleanup(write, main_cf)
        write(main_cf.replace(f"proxy:{self.aliases}", ""))
        out = self.run_proxyctl("enable")
        self.assertIn("warning: nothing here or in master.cf asks for a proxy:pgsql:, ", out)
        self.assertIn("proxyd is enabled, but nothing uses it yet", out)

    def test_status_is_for_root(self):
        done = subprocess.run([self.proxyctl, "status", "--config", self.postfix.config], capture_output=True, text=True,
                              timeout=60, check=False, user=65534, group=65534, extra_groups=[])
        self.assertEqual(done.returncode, 1)
        self.assertIn("/private/proxymap: permission denied: run this as root", done.stdout)
        self.assertNotIn("Postfix is not running", done.stdout)

    def check_rollback(self, reason):
        out = self.run_proxyctl("enable", status=1)
        self.assertIn(reason, out)
        self.assertIn("rolled back", out)
        self.assertEqual((self.read(), self.leftovers()), (self.plain, []))
        wait_until(lambda: self.status(1)["answers"] == "another", "the stock server answers again")
        self.assertEqual(self.lookup(), "anna@example.com")

    def test_a_reload_makes_another_process_answer(self):
        self.run_proxyctl("enable")
        before = self.status(0)["daemon"]
        self.postfix.reload()
        wait_until(lambda: self.status(0)["daemon"]["process"] != before["process"], "a new process answers")
        after = self.status(0)["daemon"]
        self.assertGreater(after["generation"], before["generation"])
        wait_until(lambda: before["process"] not in self.postfix.pids(), "the old process has ended")
        self.assertEqual(self.status(0)["daemon"]["process"], after["process"])

    def test_status_of_a_stopped_postfix(self):
        self.run_proxyctl("enable")
        self.postfix.stop()
        self.addCleanup(self.postfix.start)
        self.assertFalse(self.status(1)["postfix_running"])
        self.assertIn("it is not running", self.with_stock(lambda: self.run_proxyctl("enable")))

    def with_stock(self, action):
        self.run_proxyctl("disable")
        return action()

    def test_status_for_people(self):
        out = self.run_proxyctl("status", status=1)
        self.assertIn(f"{self.master_cf}: proxyd is not enabled\nPostfix is running\n", out)
        self.assertIn("another server than proxyd answers", out)
        self.run_proxyctl("enable")
        out = self.run_proxyctl("status")
        self.assertRegex(out, r"proxyd is enabled\nPostfix is running\ntables of other types: the entry proxymap-stock "
                              r"of the stock server is in master\.cf\n.*: proxyd answers\n"
                              r"proxyd \d+\.\d+\.\d+, process \d+, up \d+:\d\d:\d\d, generation \d+\n"
                              r"2 tables approved, 1 client connected\n")

    def test_who_answered_a_query(self):
        ask = ("query", "--verbose", self.aliases, "info@example.com")
        self.assertRegex(self.run_proxyctl(*ask), "^anna@example.com\nproxyctl: .*: not proxyd, as far as one can see")
        self.run_proxyctl("enable")
        self.assertRegex(self.run_proxyctl(*ask),
                         r"^anna@example.com\nproxyctl: .*: proxyd \d.* answers, process \d+\n$")


if __name__ == "__main__":
    scenario.main()
