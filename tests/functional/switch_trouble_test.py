#!/usr/bin/env python3
"""proxyctl enable and disable in trouble: mistakes, a proxyd that does not start, edits, signals."""

import os
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from functional.switch_scene import SwitchScene
from harness import processes, scenario
from harness.postfix import COMMANDS, age
from harness.waiting import wait_until

_NOBODY = 65534


class SwitchTroubleTest(SwitchScene):
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
        out = self.run_proxyctl("enable", "--dry-run", status=1)
        self.assertRegex(out, r"(?s)no such table: missing.*\n\+proxymap .*dry run: nothing was changed, nor would be")
        self.assertEqual((self.read(), self.leftovers()), (self.plain, []))

    def a_database_is_down(self, *more):
        """Adds a table with a dead database before the other tables in virtual_alias_maps."""
        gone = self.tables.add_text("pgsql", "gone", f"hosts = unix:{self.workspace.path}/none\ndbname = mail\n"
                                                     "user = mail\nquery = SELECT '%s'\n")
        self.postfix.write_main_cf(virtual_alias_maps=" ".join(f"proxy:{table}" for table in (gone, *more)))
        self.addCleanup(self.postfix.write_main_cf, virtual_alias_maps=f"proxy:{self.aliases}")

    def test_a_lookup_that_fails_after_disable_is_a_warning(self):
        self.a_database_is_down()
        self.write(self.with_entry("proxymap unix - - n - 1 proxyd\n"))
        out = self.run_proxyctl("disable")
        self.assertRegex(out, r"the stock server answers; warning: a lookup fails: .*query error: .*"
                              r"The mail log says why\n$")

    def test_a_table_that_answers_is_proof_enough(self):
        self.a_database_is_down(self.aliases)
        self.write(self.with_entry("proxymap unix - - n - 1 proxyd\n"))
        out = self.run_proxyctl("disable")
        self.assertIn(f"the stock server answers; a lookup in {self.aliases} did not find the test address, as expected",
                      out)

    def test_enabled_while_a_database_is_down(self):
        self.a_database_is_down(self.aliases)
        out = self.run_proxyctl("enable", status=1)
        self.assertIn("use --no-connect\n", out)
        self.assertEqual((self.read(), self.leftovers()), (self.plain, []))
        out = self.run_proxyctl("enable", "--no-connect")
        self.assertRegex(out, r"proxyd \d\S* answers \(process \d+\); no lookup was tried\nproxyd is enabled\.")
        self.assertEqual(self.lookup(), "anna@example.com")
        self.assertEqual(self.status(0)["answers"], "proxyd")

    def test_a_query_that_takes_numbers_alone(self):
        self.tables.add("sqlite", "numbers", query="SELECT destination FROM aliases WHERE rowid = %s")
        numbers = self.tables.name("sqlite", "numbers")
        self.postfix.write_main_cf(virtual_alias_maps=f"proxy:{numbers} proxy:{self.aliases}")
        self.addCleanup(self.postfix.write_main_cf, virtual_alias_maps=f"proxy:{self.aliases}")
        out = self.run_proxyctl("enable")
        self.assertIn("0 errors, 1 warning", out)
        self.assertIn(f"a lookup in {self.aliases} did not find the test address, as expected", out)
        self.assertEqual(self.run_proxyctl("query", numbers, "1"), "anna@example.com\n")

    def test_status_when_proxyd_does_not_start(self):
        self.replace_proxyd("#!/bin/sh\nexit 1\n")
        self.write(self.with_entry("proxymap unix - - n - 1 proxyd\n -o pool_size=none\n"))
        self.postfix.reload()
        out = self.run_proxyctl("status", status=1)
        self.assertIn(f"{self.master_cf}:{self.line_of('pool_size')}: error: bad value: pool_size = none", out)
        self.assertRegex(out, r"no server answers .*\nthe mail log says why; master\(8\) waits 1s before it starts a "
                              r"service again that failed, which `postfix stop; postfix start` ends\n$")

    def line_of(self, text):
        return 1 + next(number for number, line in enumerate(self.read().splitlines()) if text in line)

    def replace_proxyd(self, script):
        """Replaces proxyd with another program."""
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
        self.check_rollback("no server answers")

    def test_rollback_when_another_server_answers(self):
        self.replace_proxyd('#!/bin/sh\nexec /usr/lib/postfix/sbin/proxymap "$@"\n')
        self.check_rollback("another server than proxyd answers")

    def throttle_for(self, time):
        """Sets the time that master(8) waits before it restarts a service whose program has failed."""
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

    def check_rollback(self, reason):
        out = self.run_proxyctl("enable", status=1)
        self.assertIn(reason, out)
        self.assertIn("rolled back", out)
        self.assertEqual((self.read(), self.leftovers()), (self.plain, []))
        wait_until(lambda: self.status(1)["answers"] == "another", "the stock server answers again")
        self.assertEqual(self.lookup(), "anna@example.com")

    # Concurrent changes by others

    def replace_command(self, name, script):
        """Replaces one of Postfix's commands with a shell script, which ends with: "$real" "$@"."""
        directory = self.workspace.directory(f"commands-{self.id()}")
        for command in os.listdir(COMMANDS):
            if command.startswith("post"):
                os.symlink(f"{COMMANDS}/{command}", f"{directory}/{command}")
        os.remove(f"{directory}/{name}")
        with open(f"{directory}/{name}", "w", encoding="ascii") as file:
            file.write(f'#!/bin/sh\nreal={COMMANDS}/{name}\n{script}\nexec "$real" "$@"\n')
        os.chmod(f"{directory}/{name}", 0o755)
        self.postfix.write_main_cf(command_directory=directory)
        self.addCleanup(self.postfix.write_main_cf, command_directory=COMMANDS)

    def test_an_edit_during_the_proof_survives_the_rollback(self):
        marker = f"{self.workspace.path}/edited"
        self.replace_proxyd(f"#!/bin/sh\n[ -e {marker} ] || echo '# of a colleague' >>{self.master_cf}\n"
                            f": >{marker}\nexit 1\n")
        out = self.run_proxyctl("enable", status=1)
        self.assertIn("has been edited meanwhile: that stays, and the entries of proxyd are as they were", out)
        self.assertEqual((self.read(), self.leftovers()), (self.plain + "# of a colleague\n", []))

    def test_an_edit_at_the_same_time_is_not_overwritten(self):
        self.replace_command("postconf", f'[ "$3" = -M ] && echo "# of a colleague" >>{self.master_cf}')
        enabled = self.with_entry("proxymap unix - - n - 1 proxyd\n")
        for command, text in ("enable", self.plain), ("disable", enabled):
            with self.subTest(command):
                self.write(text)
                out = self.run_proxyctl(command, status=1)
                self.assertIn(f"{self.master_cf} has been changed by somebody else meanwhile; nothing was changed", out)
                self.assertEqual((self.read(), self.leftovers()), (text + "# of a colleague\n", []))

    def test_only_one_changes_it_at_a_time(self):
        paused = f"{self.workspace.path}/paused"
        self.addCleanup(lambda: os.path.exists(paused) and os.rmdir(paused))
        self.replace_command("postconf", f'if [ "$3" = -M ] && mkdir {paused}; then\n'
                                         f"while [ -e {paused} ]; do sleep 0.1; done\nfi")
        first = self.start_proxyctl("enable")
        wait_until(lambda: os.path.exists(paused), "the first is about to change it")
        for command in "enable", "disable":
            out = self.run_proxyctl(command, status=1)
            self.assertIn(f"another proxyctl is changing {self.master_cf}: try again when it has ended", out)
            self.assertEqual((self.read(), self.leftovers()), (self.plain, []))
        os.rmdir(paused)
        self.output(first, 0)
        self.assertEqual(self.leftovers(), ["master.cf.before-proxyd", "master.cf.with-proxyd"])
        self.postfix.write_main_cf(command_directory=COMMANDS)
        self.run_proxyctl("disable")
        self.assertEqual((self.read(), self.leftovers()), (self.plain, []))

    def test_what_others_lock_does_not_stop_it(self):
        """Any user may lock files that any user may open."""
        program = ("import fcntl, os, sys\nfcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)\n"
                   "print('locked', flush=True)\nsys.stdin.read()")
        with subprocess.Popen(["/usr/bin/python3", "-c", program, self.postfix.config], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, user=_NOBODY, group=_NOBODY, extra_groups=[]) as other:
            self.assertEqual(other.stdout.readline(), b"locked\n")
            self.run_proxyctl("enable")
            self.run_proxyctl("disable")
            other.stdin.close()

    # Signals

    def start_proxyctl(self, command):
        """Starts proxyctl in its own process group, as a shell does."""
        process = subprocess.Popen([self.proxyctl, command, "--config", self.postfix.config], stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, env={"PATH": "/usr/bin:/bin"},
                                   start_new_session=True)
        self.addCleanup(process.kill)
        return process

    def output(self, process, status):
        out, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, status, out)
        return out

    def test_a_signal_during_the_proof_takes_it_back(self):
        started = f"{self.workspace.path}/started"
        self.replace_proxyd(f"#!/bin/sh\necho $$ >{started}.new\nmv {started}.new {started}\nexec sleep 100\n")
        for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
            with self.subTest(number):
                process = self.start_proxyctl("enable")
                wait_until(lambda: os.path.exists(started), "master has started the program")
                with open(started, encoding="ascii") as file:
                    stuck = int(file.read())
                os.remove(started)
                process.send_signal(number)
                out = self.output(process, 1)
                processes.send_signal(stuck, signal.SIGKILL)
                self.assertRegex(out, r"\ninterrupted\nrolled back: .* is as it was\n")
                self.assertEqual((self.read(), self.leftovers()), (self.plain, []))
                self.assertEqual(self.lookup(), "anna@example.com")

    def test_a_signal_while_nobody_can_connect(self):
        """proxyd accepts no connections, and waiting mail programs have filled its listen queue."""
        reloaded, full = f"{self.workspace.path}/reloaded", f"{self.workspace.path}/full"
        self.replace_proxyd("#!/bin/sh\nexec sleep 100\n")
        self.replace_command("postfix", f'if [ "$3" = reload ] && [ ! -e {full} ]; then\n"$real" "$@"\n: >{reloaded}\n'
                                        f"while [ ! -e {full} ]; do sleep 0.1; done\nexit 0\nfi")
        process = self.start_proxyctl("enable")
        wait_until(lambda: os.path.exists(reloaded), "master has read master.cf again")
        waiting = []
        self.addCleanup(lambda: [one.close() for one in waiting])
        stuck = wait_until(lambda: self.fill_queue(waiting) and self.postfix.pids("sleep"), "proxyd has begun")
        self.assertTrue(self.fill_queue(waiting))
        with open(full, "wb"):
            pass
        process.send_signal(signal.SIGTERM)
        out = self.output(process, 1)
        for pid in stuck:
            processes.send_signal(pid, signal.SIGKILL)
        self.assertRegex(out, r"\ninterrupted\nrolled back: .* is as it was\n")
        self.assertEqual((self.read(), self.leftovers()), (self.plain, []))

    def fill_queue(self, waiting):
        """Connects until the listen queue is full; returns whether it is full."""
        for _ in range(1000):
            waiting.append(socket.socket(socket.AF_UNIX))
            waiting[-1].setblocking(False)
            try:
                waiting[-1].connect(self.postfix.socket())
            except BlockingIOError:
                return True
        return False

    def test_what_the_terminal_sends_does_not_stop_the_reload(self):
        self.replace_command("postfix", '[ "$3" != reload ] || kill -INT -$PPID')
        out = self.output(self.start_proxyctl("enable"), 1)
        self.assertRegex(out, r"\ninterrupted\nrolled back: .* is as it was\ninterrupted: ")
        self.assertEqual((self.read(), self.leftovers()), (self.plain, []))
        self.postfix.write_main_cf(command_directory=COMMANDS)
        self.run_proxyctl("enable")
        self.postfix.write_main_cf(command_directory=f"{self.workspace.path}/commands-{self.id()}")
        out = self.output(self.start_proxyctl("disable"), 1)
        self.assertRegex(out, r"proxyd is disabled\ninterrupted: whether the stock server answers")
        self.assertEqual((self.read(), self.leftovers()), (self.plain, []))
        wait_until(lambda: self.status(1)["answers"] == "another", "the stock server answers again")

    def test_what_a_killed_one_has_left_goes_with_the_next(self):
        temporary = self.workspace.directory("temporary")
        of_another = f"proxyctl-{os.getpid()}-xxxxxx"
        os.mkdir(f"{temporary}/{of_another}")
        self.replace_command("postconf", '[ "$3" = -M ] && kill -KILL $PPID')
        self.run_proxyctl("enable", status=-signal.SIGKILL, environment={"TMPDIR": temporary})
        of_a_container = "proxyctl-999999999-xxxxxx"
        os.mkdir(f"{temporary}/{of_a_container}")
        left = os.listdir(temporary)
        self.assertEqual(len(left), 3)
        self.postfix.write_main_cf(command_directory=COMMANDS)

        def only_the_others_are_left():
            for name in set(left) & set(os.listdir(temporary)) - {of_a_container}:
                os.utime(f"{temporary}/{name}", (0, 0))  # unless an orphaned program still writes there
            self.run_proxyctl("enable", "--dry-run", environment={"TMPDIR": temporary})
            return set(os.listdir(temporary)) == {of_another, of_a_container}

        wait_until(only_the_others_are_left, "the directory of the killed one goes")

    # Configurations that Postfix's own programs would damage

    def test_a_null_byte_is_refused(self):
        enabled = self.with_entry("proxymap unix - - n - 1 proxyd\n")
        for command, text in ("enable", self.plain), ("disable", enabled):
            for behind in "# a comment with a \0 in it\n", "extra unix - - n - - discard \0\n", "\0":
                with self.subTest(command, behind=behind):
                    self.write(f"# first\n{behind}{text}")
                    out = self.run_proxyctl(command, status=1)
                    self.assertIn(f"{self.master_cf}:2: there is a null byte in this line; nothing was changed", out)
                    self.assertEqual((self.read(), self.leftovers()), (f"# first\n{behind}{text}", []))


if __name__ == "__main__":
    scenario.main()
