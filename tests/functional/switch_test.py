#!/usr/bin/env python3
"""proxyctl enable, disable and status with a real Postfix: master.cf, and which server answers."""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from functional.switch_scene import SwitchScene
from harness import scenario
from harness.postfix import age
from harness.ports import reserve_port
from harness.waiting import wait_until

_OPTIONS = "-o syslog_name=tables -o {mine=one two} -v"

# Entries for proxymap, and the arguments that proxyd gets from each.
_ENTRIES = {
    "tabs": ("proxymap\tunix\t-\t-\tn\t-\t-\tproxymap\n", ""),
    "other columns": ("proxymap unix - n - - 20 proxymap\n", ""),
    "options on lines of their own": (
        "# the tables\nproxymap  unix  -       -       n       -       -       proxymap\n"
        "\t-o syslog_name=tables\n# a comment in between\n\n  -o { mine = one two }\n    -v\n# after it\n",
        _OPTIONS),
}


# Oddities in the rest of the file, as a change of its text.
_FILES = {
    "lines end as on Windows": lambda text: text.replace("\n", "\r\n"),
    "no end of the last line": lambda text: text.rstrip("\n") + "\nextra unix - - n - - discard",
    "entries of all types": lambda text: text + (
        "passed    pass  -  -  n  -  -  smtpd\n127.0.0.1:{port} inet n - n - - discard\n"
        "queue     fifo  n  -  n  -  1  discard\n").format(port=reserve_port()),
    "comments and empty lines": lambda text: "# first\n\n" + text.replace("\n", "\n\n# \tnext \n \t\n"),
    "two lines of proxymap, the upper one of proxyd": lambda text: text.replace(
        "\nproxymap ", "\nproxymap unix - - n - 1 proxyd\nproxymap ", 1),
    "blanks at the ends of lines": lambda text: text.replace("\n", " \t \n"),
}


class SwitchTest(SwitchScene):
    def there_and_back(self, original, arguments, before_and_after="another"):
        """Enables and disables proxyd with this master.cf."""
        self.write(original)
        self.postfix.reload()
        wait_until(lambda: self.status(1)["answers"] == before_and_after, f"{before_and_after} answers")
        before = self.status(1)
        self.assertFalse(before["enabled"])
        self.assertFalse(before["relay"]["present"])

        out = self.run_proxyctl("enable")
        self.assertRegex(out, r"(?m)^\+proxymap .* proxyd$")
        self.assertRegex(out, rf"{self.postfix.socket()}: proxyd \d+\.\d+\.\d+ answers \(process \d+\); "
                              rf"a lookup in {self.aliases} did not find the test address, as expected")
        self.assertEqual(self.entry("proxymap"), f"proxymap unix - - n - 1 proxyd {arguments}".strip())
        stock_options = arguments.removesuffix(" -v")
        self.assertEqual(self.entry("proxymap-stock"),
                         f"proxymap-stock unix - - n - - proxymap -n proxymap {stock_options}".strip())
        self.assertEqual(self.lookup(), "anna@example.com")
        after = self.status(0)
        self.assertEqual((after["enabled"], after["answers"], after["relay"]["present"]), (True, "proxyd", True))
        self.assertIn(after["daemon"]["process"], self.postfix.pids("proxyd"))

        again = self.run_proxyctl("enable")
        self.assertTrue(again.startswith(f"{self.master_cf}: proxyd is enabled already\n"), again)

        self.run_proxyctl("disable")
        self.assertEqual(self.read(), original)
        self.assertEqual(self.leftovers(), [])
        wait_until(lambda: self.status(1)["answers"] == before_and_after, f"{before_and_after} answers again")
        if before_and_after == "another":
            self.assertEqual(self.lookup(), "anna@example.com")

    def test_of_this_site(self):
        self.there_and_back(self.plain, "")

    def test_entries(self):
        for name, (entry, arguments) in _ENTRIES.items():
            with self.subTest(name):
                self.there_and_back(self.with_entry(entry), arguments)

    def test_files(self):
        for name, changed in _FILES.items():
            with self.subTest(name):
                self.there_and_back(changed(self.plain), "")

    def test_without_an_entry(self):
        for entry in "#proxymap  unix  -  -  n  -  -  proxymap\n", "":
            with self.subTest(entry):
                self.there_and_back(self.with_entry(entry), "", "nobody")

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
        def files():
            found = {file.name: file.stat() for file in os.scandir(self.postfix.config)}
            return {name: (status.st_ino, status.st_mtime_ns) for name, status in found.items()}

        def unchanged(status=1):
            return self.read(), files(), self.status(status)["answers"]

        before = unchanged()
        out = self.run_proxyctl("enable", "--dry-run")
        self.assertRegex(out, r"(?m)^-proxymap .*proxymap$")
        self.assertRegex(out, r"(?m)^\+proxymap .*proxyd$")
        self.assertIn("nothing was changed", out)
        self.assertEqual(unchanged(), before)
        self.run_proxyctl("enable")
        before = unchanged(0)
        out = self.run_proxyctl("disable", "--dry-run")
        self.assertRegex(out, r"(?m)^-proxymap-stock ")
        self.assertEqual(unchanged(0), before)
        self.assertEqual(before[2], "proxyd")

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

    def test_the_last_of_two_entries_is_the_one_that_counts(self):
        self.write(self.plain + "proxymap-stock unix - - n - - proxymap -n proxymap\n"
                                "proxymap unix - - n - 1 proxyd\n")
        self.postfix.reload()
        wait_until(lambda: self.status(0)["enabled"], "proxyd answers")
        lines = self.read().splitlines()
        first, last = (number for number, line in enumerate(lines, 1) if line.startswith("proxymap "))
        self.assertIn(f"{self.master_cf}:{last}: warning: proxymap stands in lines {first} and {last}; master(8) uses the "
                      "last\n", self.run_proxyctl("check"))
        self.assertIn("proxyd is enabled already", self.run_proxyctl("enable"))
        self.assertIn("proxyd is disabled\n", self.run_proxyctl("disable"))
        self.assertEqual(self.entry("proxymap"), "proxymap unix - - n - - proxymap")
        wait_until(lambda: self.status(1)["answers"] == "another", "the stock server answers")

    def test_the_way_back_is_proven(self):
        self.run_proxyctl("enable")
        self.assertRegex(self.run_proxyctl("disable"), rf"proxyd is disabled\n.*/private/proxymap: the stock server "
                                                       rf"answers; a lookup in {self.aliases} did not find the test "
                                                       "address, as expected")

    def test_a_postfix_that_asks_for_no_sql_table(self):
        with open(f"{self.postfix.config}/main.cf", encoding="utf-8") as file:
            main_cf = file.read()

        self.addCleanup(self.write_main_cf, main_cf)
        self.write_main_cf(main_cf.replace(f"proxy:{self.aliases}", ""))
        out = self.run_proxyctl("enable")
        self.assertIn("warning: nothing here or in master.cf asks for a table of a type that proxyd serves "
                      "(proxy:pgsql:, proxy:mysql:, proxy:sqlite:): nothing uses proxyd yet", out)
        self.assertIn("proxyd is enabled, but nothing uses it yet", out)

    def test_a_table_that_is_not_approved(self):
        table = self.tables.add("sqlite", "unlisted", query="SELECT destination FROM aliases WHERE address = '%s'")
        self.run_proxyctl("enable")
        out = self.run_proxyctl("query", "pgsq:/x", "key", status=1)
        self.assertIn('the table type "pgsq", did you mean "pgsql"?', out)
        out = self.run_proxyctl("query", table, "key", status=1)
        self.assertIn("in a parameter such as virtual_alias_maps", out)
        advice = re.search(r"append it with: (.*); then: postfix reload", out)[1]
        with open(f"{self.postfix.config}/main.cf", encoding="utf-8") as file:
            main_cf = file.read()
        self.addCleanup(self.write_main_cf, main_cf)
        subprocess.run(advice, shell=True, check=True, env={"PATH": "/usr/sbin:/usr/bin:/bin"})
        age(f"{self.postfix.config}/main.cf")
        self.postfix.reload()
        self.assertEqual(self.run_proxyctl("query", table, "info@example.com"), "anna@example.com\n")
        self.assertEqual(self.lookup(), "anna@example.com")

    def test_a_list_of_approved_tables_in_master_cf(self):
        self.run_proxyctl("enable")
        self.write(self.read().replace(" proxyd\n", " proxyd\n -v\n -o proxy_read_maps=proxy:sqlite:/x\n"))
        self.postfix.reload()
        line = self.read().splitlines().index(" -o proxy_read_maps=proxy:sqlite:/x") + 1
        advice = (f"-o proxy_read_maps in {self.master_cf}:{line} takes precedence over main.cf: add "
                  f"proxy:{self.aliases} there")
        position = self.postfix.log_position()
        self.assertIn(f"the daemon may not serve this table. {advice}; then: postfix reload\n",
                      self.run_proxyctl("query", self.aliases, "key", status=1))
        self.postfix.wait_for_log(rf"list proxy:{self.aliases} in -o proxy_read_maps of the service proxymap "
                                  rf"\(in {self.master_cf}\), which takes precedence over main.cf, then reload "
                                  "Postfix", position)
        self.assertIn(f"which is not in proxy_read_maps: {advice}\n", self.run_proxyctl("check", status=1))

    def write_main_cf(self, text):
        with open(f"{self.postfix.config}/main.cf", "w", encoding="utf-8") as file:
            file.write(text)
        age(f"{self.postfix.config}/main.cf")

    def test_status_is_for_root(self):
        done = subprocess.run([self.proxyctl, "status", "--config", self.postfix.config], capture_output=True, text=True,
                              timeout=60, check=False, user=65534, group=65534, extra_groups=[])
        self.assertEqual(done.returncode, 1)
        self.assertIn("/private/proxymap: permission denied: run this as root", done.stdout)
        self.assertNotIn("Postfix is not running", done.stdout)

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
        self.assertIn(f"{self.master_cf}: proxyd is not enabled\nPostfix is running\n{self.postfix.socket()}: ", out)
        self.assertIn("another server than proxyd answers", out)
        self.run_proxyctl("enable")
        out = self.run_proxyctl("status")
        self.assertRegex(out, r"proxyd is enabled\nPostfix is running\ntables of other types: the entry proxymap-stock "
                              r"of the stock server is in master\.cf\n.*: proxyd answers\n"
                              r"proxyd \d+\.\d+\.\d+, process \d+, up \d+:\d\d:\d\d, generation \d+\n"
                              r"2 tables approved, 1 client connected\n")

    def test_status_leaves_no_line_in_the_log(self):
        self.run_proxyctl("status", status=1)  # status may start the stock server
        position = self.postfix.log_position()
        self.run_proxyctl("status", status=1)
        self.assertEqual(self.postfix.log_since(position), "")

    def test_columns_that_change_are_explained(self):
        self.write(self.with_entry("proxymap unix - - y - 20 proxymap\n"))
        out = self.run_proxyctl("enable", "--dry-run")
        self.assertRegex(out, r"(?m)^columns of proxymap: chroot y becomes n \(.*\); maxproc 20 becomes 1 \(.*\)$")

    def test_an_entry_of_the_stock_server_that_cannot_answer(self):
        self.run_proxyctl("enable")
        subprocess.run(["/usr/sbin/postconf", "-c", self.postfix.config, "-P", "proxymap-stock/unix/mine=x"], check=True)
        stored = self.entry("proxymap-stock")
        if stored.endswith("proxymap -n proxymap -o mine=x"):
            self.skipTest("this postconf keeps -n and its value together")
        self.assertIn("but its arguments are wrong", self.run_proxyctl("status"))
        out = self.run_proxyctl("check", status=1)
        advice = re.search(r'end the line with "(.*)"', out)[1]
        self.write(re.sub(r"(?m)^(proxymap-stock.*)proxymap -n\n(\s.*\n)*", lambda match: match[1] + advice + "\n",
                          self.read()))
        self.postfix.reload()
        self.assertIn("0 errors", self.run_proxyctl("check"))
        self.assertNotIn("are wrong", self.run_proxyctl("status"))
        done = self.postfix.postmap("-q", "root", "proxy:unix:passwd.byname")
        self.assertTrue(done.stdout.startswith(b"root:"), done.stderr.decode())

    def test_status_points_to_the_check_of_an_entry(self):
        self.run_proxyctl("enable")
        enabled = self.read()
        for old, new, text in (
                ("proxymap -n proxymap\n", "proxymapp -n proxymap\n",
                 "proxymap-stock of the stock server is in master.cf, but it runs proxymapp: see `proxyctl check`\n"),
                ("proxymap-stock unix - ", "proxymap-stock unix n ",
                 "in master.cf, but it is not private (third column): see `proxyctl check`\n"),
                ("\nproxymap   unix  - ", "\nproxymap   unix  n ",
                 "proxyd is enabled, but proxymap is not private (third column): see `proxyctl check`\n")):
            with self.subTest(text):
                self.assertIn(old, enabled)
                self.write(enabled.replace(old, new))
                self.assertIn(text, self.run_proxyctl("status"))

    def test_who_answered_a_query(self):
        ask = ("query", "--verbose", self.aliases, "info@example.com")
        self.assertRegex(self.run_proxyctl(*ask), "^anna@example.com\nproxyctl: .*: not proxyd, as far as one can see")
        self.run_proxyctl("enable")
        self.assertRegex(self.run_proxyctl(*ask),
                         r"^anna@example.com\nproxyctl: .*: proxyd \d.* answers, process \d+\n$")


if __name__ == "__main__":
    scenario.main()
