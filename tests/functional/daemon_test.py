#!/usr/bin/env python3
"""The daemon under master(8): options, names, status records, log, chroot, and edited table files."""

import os
import re
import shutil
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from functional import mail_database
from harness import control, proxymap_client, scenario
from harness.fake_master import AVAILABLE, TAKEN, FakeMaster
from harness.postfix import Postfix
from harness.postgres import Postgres
from harness.proxymap_client import Connection
from harness.scenario import not_with_stock
from harness.waiting import wait_until

# master.cf service, process limit, arguments. All must answer like the proxymap service.
_GOOD_SERVICES = {
    "verbose": ("-", "-v"),
    "verbose-twice": ("-", "-v -v"),
    "override": ("-", "-o name=value"),
    "override-with-blanks": ("-", "-o { name = some value }"),
    "limits": ("-", "-i 50s -m 10"),
    "single": ("1", ""),  # master adds -l
    "unlimited": ("0", ""),  # master adds -z
}


class DaemonTest(scenario.Scenario):
    @classmethod
    def set_up_servers(cls):
        cls.postgres = mail_database.start(cls.workspace, Postgres)
        sqlite = mail_database.create_sqlite(f"{cls.workspace.path}/mail.db")
        cls.tables = mail_database.table_files(cls.workspace, cls.postgres, sqlite=sqlite)
        cls.dest = cls.tables.add("pgsql", "dest", query="SELECT dest FROM aliases WHERE addr='%s'")
        cls.lite = cls.tables.add("sqlite", "lite", query="SELECT dest FROM aliases WHERE addr='%s'")
        for name in ("edited", "broken-later", "removed-later", "touched"):
            cls.tables.add("pgsql", name, query="SELECT 'old'")
        cls.private = cls.tables.add("pgsql", "private", query="SELECT 'secret'")
        cls.tables.write("private", "query = SELECT 'secret'\n", mode=0o600)
        cls.later = cls.tables.add_text("pgsql", "later", None)
        cls.overridden = cls.tables.name("sqlite", "overridden")
        command = scenario.tested().command
        services = [f"{name} unix - - n - {limit} {command} -n proxymap {arguments}"
                    for name, (limit, arguments) in _GOOD_SERVICES.items()]
        services += [
            f"wrong-name unix - - n - - {command}",
            f"bad-option unix - - n - - {command} -n proxymap -Q",
            f"only-this unix - - n - 1 {command} -n proxymap -o proxy_read_maps=proxy:{cls.overridden}",
            f"with-mistakes unix - - n - 1 {command} -n proxymap -o pool_sise=4 -o pool_size=4 -o myhostname=x -o two=y"
            " -o alias_maps=$two",
            "mapd-service unix - - n - 1 mapd -n proxymap",
        ]
        cls.postfix = Postfix(cls.workspace, scenario.tested(), {"proxy_read_maps": cls.tables.proxied()},
                              "lookup_timeout = 5s\n", services)
        cls.tables.add("sqlite", "overridden", query="SELECT 'overridden'")
        cls.postfix.add_daemon("mapd", scenario.tested().binary)
        cls.postfix.start()

    def connect(self, service="proxymap", **keywords):
        connection = Connection(self.postfix.socket(service), **keywords)
        self.addCleanup(connection.close)
        return connection

    def value(self, table, key="postmaster"):
        with Connection(self.postfix.socket()) as connection:
            reply = connection.lookup(table, key)
        return reply.value.decode() if reply.status == proxymap_client.OK else reply.status

    # Options and names

    def test_options_of_master(self):
        for service in _GOOD_SERVICES:
            with self.subTest(service=service):
                self.assertEqual(self.connect(service).lookup(self.lite, "postmaster").value, b"root")

    def test_another_program_name(self):
        self.assertEqual(self.connect("mapd-service").lookup(self.lite, "postmaster").value, b"root")

    def test_parameters_of_master_cf_override_main_cf(self):
        connection = self.connect("only-this")
        self.assertEqual(connection.lookup(self.overridden, "k").value, b"overridden")
        self.assertEqual(self.connect("only-this").open(self.lite).status, proxymap_client.DENY)

    def refused(self, service, explanation):
        position = self.postfix.log_position()
        connection = self.connect(service, greeting=False)
        self.postfix.wait_for_log(explanation, position)
        self.postfix.wait_for_log(r"warning: process \S+ pid \d+ exit status 1", position)
        self.assertFalse(connection.readable(), "an answer from a service that cannot start")
        self.assertEqual(self.value(self.lite), "root")

    def test_an_unknown_service_name_is_refused(self):
        self.refused("wrong-name", "fatal: .*(wrong-name|service name)")

    def test_an_unknown_option_is_refused(self):
        self.refused("bad-option", "fatal: ")

    @not_with_stock("does not read it")
    def test_options_that_cannot_be_read_keep_nothing_from_working(self):
        postfix = Postfix(self.workspace, scenario.tested(), {"proxy_read_maps": f"proxy:{self.lite}"}, name="unread")
        options = f"{postfix.config}/proxyd.cf"
        if os.path.exists(options):
            os.unlink(options)
        os.mkdir(options)
        self.addCleanup(postfix.stop)
        postfix.start()
        with Connection(postfix.socket()) as connection:
            self.assertEqual(connection.lookup(self.lite, "postmaster").value, b"root")
        postfix.wait_for_log(f"error: read {re.escape(options)}: Is a directory")

    # The log

    @not_with_stock("ignores them silently")
    def test_options_that_nobody_knows_are_named_once(self):
        position = self.postfix.log_position()
        with Connection(self.postfix.socket("with-mistakes")) as connection:
            connection.lookup(self.lite, "postmaster")
        self.postfix.wait_for_log("daemon started", position)
        warnings = re.findall(r"proxymap\[\d+\]: warning: (.*)$", self.postfix.log_since(position), re.MULTILINE)
        self.assertEqual(warnings, [f"{self.postfix.config}/master.cf, service proxymap: -o pool_sise is ignored: neither "
                                    'proxyd nor Postfix has a parameter of this name, did you mean "pool_size"?'])

    def test_the_log_reaches_the_log_file(self):
        name = "pgsql:/nobody-approved-this.cf"
        position = self.postfix.log_position()
        self.connect().open(name)
        match = self.postfix.wait_for_log(rf'^.*request for unapproved table: "{name}".*$', position)
        tag = re.escape(self.postfix.tag)
        self.assertRegex(match[0], rf"^[A-Z][a-z]{{2}} \d\d \d\d:\d\d:\d\d mx {tag}/proxymap\[\d+\]: warning: ")
        pid = int(re.search(r"\[(\d+)\]", match[0])[1])
        self.assertIn(pid, self.postfix.proxymap_pids())

    def test_control_characters_do_not_reach_the_log(self):
        position = self.postfix.log_position()
        self.connect().open("pgsql:/bad\nname\x1b[31m.cf")
        self.postfix.wait_for_log(r"unapproved table: \"pgsql:/bad name\?\[31m\.cf\"", position)

    @not_with_stock("has no control socket")
    def test_each_service_has_a_control_socket_of_its_own(self):
        processes = set()
        for service in ("proxymap", "only-this"):
            with self.connect(service) as connection:
                connection.open(self.overridden)
                status = control.ask(self.postfix.socket(service), "status")
                self.assertTrue(status["serves_caller"], service)
                processes.add(status["process"])
        self.assertEqual(len(processes), 2)

    # Status records

    def test_status_records(self):
        master = self.start_under_fake_master("records", {"GENERATION": "211"})
        with Connection(master.path) as client:
            for _ in range(3):
                self.assertEqual(client.lookup(self.lite, "postmaster").value, b"root")
        records = master.records(2)
        pid = master.process.pid
        self.assertEqual(records, [(pid, 0o211, TAKEN), (pid, 0o211, AVAILABLE)])

    def test_a_vanished_master_ends_the_process(self):
        master = self.start_under_fake_master("vanished")
        with Connection(master.path) as client:
            self.assertEqual(client.lookup(self.lite, "postmaster").value, b"root")
            master.vanish()
            wait_until(lambda: master.process.poll() is not None, "the process ends", 5.0)
        self.assertEqual(master.process.returncode, 0)

    @not_with_stock("dies of the signal")
    def test_sigterm_ends_the_process_with_status_0(self):
        master = self.start_under_fake_master("terminated")
        with Connection(master.path) as client:
            self.assertEqual(client.lookup(self.lite, "postmaster").value, b"root")
            master.process.terminate()
            wait_until(lambda: master.process.poll() is not None, "the process ends", 5.0)
        self.assertEqual(master.process.returncode, 0)

    def start_under_fake_master(self, name, environment=None):
        master = FakeMaster(scenario.tested().binary, ["-n", "proxymap", "-t", "unix", "-u"], self.postfix.config,
                            self.postfix.queue, f"{self.workspace.path}/{name}",
                            {"GENERATION": "1", **(environment or {})})
        self.addCleanup(master.close)
        return master

    def test_privileges_are_dropped(self):
        self.assertEqual(self.value(self.lite), "root")
        for pid in self.postfix.proxymap_pids():
            with open(f"/proc/{pid}/status", encoding="ascii") as file:
                status = file.read()
            self.assertEqual(re.search(r"^Uid:(.*)$", status, re.MULTILINE)[1].split(), [str(self.postfix.uid)] * 4)
            self.assertEqual(re.search(r"^Gid:(.*)$", status, re.MULTILINE)[1].split(), [str(self.postfix.gid)] * 4)

    # Table files

    def test_a_file_the_mail_user_may_not_read(self):
        position = self.postfix.log_position()
        connection = self.connect()
        self.assertEqual(connection.open(self.private).status, proxymap_client.OK)
        self.assertEqual(connection.lookup(self.private, "k").status, proxymap_client.RETRY)
        reason = "Permission denied"
        if scenario.tested().is_proxyd:
            reason = r"cannot be read: Permission denied for user \S+\. Try chgrp \S+ (\S+private\.cf); chmod g\+r \1$"
        self.postfix.wait_for_log(rf"private\.cf: {reason}", position)

    def edit(self, name, text):
        connect = (f"hosts = 127.0.0.1:{self.postgres.port}\nuser = {self.postgres.SUPERUSER}\n"
                   f"dbname = {mail_database.DATABASE}\n")
        self.tables.write(name, connect + text)

    @not_with_stock("reads a table file once")
    def test_an_edited_file_is_taken_over(self):
        table = self.tables.name("pgsql", "edited")
        self.assertEqual(self.value(table), "old")
        self.edit("edited", "query = SELECT 'new'\n")
        wait_until(lambda: self.value(table) == "new", "the new query is in force", 5.0)
        with open(self.tables.path("edited"), "a", encoding="utf-8") as file:  # as some editors do
            file.write("result_format = <%s>\n")
        wait_until(lambda: self.value(table) == "<new>", "the new result format is in force", 5.0)

    @not_with_stock("reads a table file once")
    def test_an_edited_file_keeps_the_connections(self):
        table = self.tables.name("pgsql", "touched")
        backends = "SELECT pid FROM pg_stat_activity WHERE datname = 'maildb' AND backend_type = 'client backend'"
        self.assertEqual(self.value(table), "old")
        before = self.postgres.sql(backends)
        self.edit("touched", "password = not-needed\nquery = SELECT 'new'\n")
        wait_until(lambda: self.value(table) == "new", "the new query is in force", 5.0)
        self.assertTrue({row[0] for row in before} <= {row[0] for row in self.postgres.sql(backends)})

    @not_with_stock("reads a table file once")
    def test_a_broken_edit_is_refused(self):
        table = self.tables.name("pgsql", "broken-later")
        self.assertEqual(self.value(table), "old")
        position = self.postfix.log_position()
        self.edit("broken-later", "query = SELECT '%x'\n")
        deadline = time.monotonic() + 3.0
        while time.monotonic() < deadline:
            self.assertEqual(self.value(table), "old")
            time.sleep(0.1)
        self.postfix.wait_for_log(r"error: .*broken-later\.cf", position)
        self.edit("broken-later", "query = SELECT 'repaired'\n")
        wait_until(lambda: self.value(table) == "repaired", "the repaired file is in force", 5.0)

    @not_with_stock("a broken table stays broken")
    def test_a_file_that_comes_later(self):
        self.assertEqual(self.value(self.later), proxymap_client.RETRY)
        self.edit("later", "query = SELECT 'here'\n")
        wait_until(lambda: self.value(self.later) == "here", "the new file is in force", 5.0)

    @not_with_stock("a process started later has no table")
    def test_a_removed_file_keeps_its_last_definition(self):
        table = self.tables.name("pgsql", "removed-later")
        self.assertEqual(self.value(table), "old")
        os.unlink(self.tables.path("removed-later"))
        time.sleep(2.0)
        self.assertEqual(self.value(table), "old")


class ChrootTest(scenario.Scenario):
    """The chroot column of master.cf: proxyd looks for table files inside the queue directory."""

    @classmethod
    def set_up_servers(cls):
        cls.postgres = mail_database.start(cls.workspace, Postgres)
        sqlite = mail_database.create_sqlite(f"{cls.workspace.path}/mail.db")
        tables = mail_database.table_files(cls.workspace, cls.postgres, sqlite=sqlite)
        tables.add("pgsql", "dest", query="SELECT dest FROM aliases WHERE addr='%s'")
        tables.add("sqlite", "lite", query="SELECT dest FROM aliases WHERE addr='%s'", dbpath="/jail/mail.db")
        cls.postfix = Postfix(cls.workspace, scenario.tested(),
                              {"proxy_read_maps": "proxy:pgsql:/jail/dest.cf proxy:sqlite:/jail/lite.cf "
                                                  "proxy:sqlite:/outside.cf"},
                              "lookup_timeout = 5s\n", chroot=True)
        jail = f"{cls.postfix.queue}/jail"
        os.mkdir(jail)
        for path in (tables.path("dest"), tables.path("lite"), sqlite):
            shutil.copy2(path, jail)
            os.chmod(os.path.join(jail, os.path.basename(path)), 0o644)
        cls.postfix.start()

    @not_with_stock("finds its table types only outside")
    def test_tables_inside(self):
        with Connection(self.postfix.socket()) as connection:
            for table in ("pgsql:/jail/dest.cf", "sqlite:/jail/lite.cf"):
                self.assertEqual(connection.lookup(table, "postmaster").value, b"root", table)
            (pid,) = self.postfix.proxymap_pids()
            self.assertEqual(os.readlink(f"/proc/{pid}/root"), self.postfix.queue)

    @not_with_stock("finds its table types only outside")
    def test_a_table_that_is_not_inside(self):
        with Connection(self.postfix.socket()) as connection:
            self.assertEqual(connection.lookup("sqlite:/outside.cf", "postmaster").status, proxymap_client.RETRY)
        self.postfix.wait_for_log("/outside.cf: cannot be read: No such file or directory "
                                  rf"\(in the chroot {self.postfix.queue}\)")

    @not_with_stock("has no control socket")
    def test_status_inside(self):
        with Connection(self.postfix.socket()) as connection:
            self.assertEqual(connection.lookup("pgsql:/jail/dest.cf", "postmaster").value, b"root")
            status = control.ask(self.postfix.socket(), "status")
            self.assertEqual([status["process"]], self.postfix.proxymap_pids())
            self.assertTrue(status["serves_caller"])
        (database,) = (one for one in status["databases"] if one["name"].startswith("pgsql"))
        self.assertEqual((database["connections"], database["ready"], database["pool_size"]), (1, 1, 8))
        approved = ["pgsql:/jail/dest.cf", "sqlite:/jail/lite.cf", "sqlite:/outside.cf"]
        self.assertEqual(status["tables_approved"], approved)
        wait_until(lambda: not control.ask(self.postfix.socket(), "status")["serves_caller"], "the client is gone")

    def test_approval_is_as_outside(self):
        with Connection(self.postfix.socket()) as connection:
            self.assertEqual(connection.open("pgsql:/jail/dest.cf").status, proxymap_client.OK)
            self.assertEqual(connection.open("pgsql:/elsewhere.cf").status, proxymap_client.DENY)


if __name__ == "__main__":
    scenario.main()
