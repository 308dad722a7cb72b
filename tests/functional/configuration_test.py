#!/usr/bin/env python3
"""Configurations from Postfix's manual: master.cf options, instances, restriction classes, lists in files,
types.

The stock server decides what is right. It is asked beside proxyd, or before proxyd replaces it.
"""

import os
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from functional import mail_database
from functional.relay_test import TableMaker
from harness import proxymap_client, scenario, server
from harness.postfix import COMMANDS, Postfix, age
from harness.postgres import Postgres
from harness.proxymap_client import Connection
from harness.smtp import SmtpSession
from harness.tables import TableFiles
from harness.waiting import wait_until

# Arguments in master.cf, and which of the tables a, b and c they approve. {a} is proxy: and the name of table
# a.
_ARGUMENTS = (
    ("-o proxy_read_maps={a}", "a"),
    ("-o {{proxy_read_maps={a} {b}}}", "ab"),
    ("-o {{ proxy_read_maps = {a}, {b} }}", "ab"),
    ("-o proxy_read_maps={a} -o proxy_read_maps={b}", "b"),
    ("-o {{ proxy_read_maps = $two }}", "ab"),
    ("-o two={c} -o proxy_read_maps=$two", "c"),
    ("-o proxy_read_maps=$(nested)", "ab"),
    ("-o {{ proxy_read_maps = ${{absent?{{{a}}}:{{{b} ${{two:$two}}}}}} {c} }}", "bc"),
    ("-o {{ proxy_read_maps = ${{{{$mail_owner}} == {{postfix}} ? {{{a}}} : {{{b}}}}} }}", "a"),
    ("-o proxy_read_maps=", ""),
    # Postfix reads most lists from files too, but this one only since 3.11.
    ("-o proxy_read_maps={file}", "" if server.postfix_version() < (3, 11) else "a"),
    ("-o alias_maps={c}", "c"),
    ("-o {{ virtual_alias_maps = hash:/nonexistent {b} }} -v", "b"),
    ("", ""),
)


def _letters(text, tables, file):
    return text.format(file=file, **{letter: f"proxy:{name}" for letter, name in tables.items()})


class OptionsTest(scenario.Scenario):
    """Both servers in one Postfix. `-n proxymap` gives each the name of the proxymap service."""

    @classmethod
    def set_up_servers(cls):
        database = mail_database.create_sqlite(f"{cls.workspace.path}/mail.db")
        files = TableFiles(cls.workspace.directory("tables"), {"sqlite": {"dbpath": database}})
        cls.tables = {letter: files.add("sqlite", letter, query=f"SELECT '{letter}'") for letter in "abc"}
        listed = f"{cls.workspace.path}/list"
        with open(listed, "w", encoding="ascii") as file:
            file.write(f"proxy:{cls.tables['a']}\n")
        age(listed)
        programs = {"stock": "proxymap", "tested": scenario.tested().command}
        services = [f"{name}-{number} unix - - n - 1 {program} -n proxymap {_letters(row[0], cls.tables, listed)}"
                    for number, row in enumerate(_ARGUMENTS) for name, program in programs.items()]
        services += [f"{name}-named unix - - n - 1 {program} -n proxymap -o syslog_name=tables"
                     for name, program in programs.items()]
        parameters = {"two": f"proxy:{cls.tables['a']} proxy:{cls.tables['b']}", "nested": "${absent?{}:{$(two)}}"}
        cls.postfix = Postfix(cls.workspace, scenario.tested(), parameters, services=services).start()
        cls.edited = [Postfix(cls.workspace, which, parameters, name=f"edited-{number}")
                      for number, which in enumerate((server.STOCK, scenario.tested()))]
        for postfix in cls.edited:
            subprocess.run([f"{COMMANDS}/postconf", "-c", postfix.config, "-P", "-e",
                            "proxymap/unix/proxy_read_maps = $two"], check=True)
            age(f"{postfix.config}/master.cf")
            postfix.start()

    def approved(self, service, postfix=None):
        """The letters of the tables that the service approves and answers."""
        found = ""
        for letter, table in self.tables.items():
            with Connection((postfix or self.postfix).socket(service)) as connection:
                status = connection.open(table).status
                if status == proxymap_client.OK:
                    self.assertEqual(connection.lookup(table, "key").value, letter.encode())
                    found += letter
                else:
                    self.assertEqual(status, proxymap_client.DENY)
        return found

    def test_options_of_master_cf(self):
        for number, (arguments, expected) in enumerate(_ARGUMENTS):
            with self.subTest(arguments):
                self.assertEqual((self.approved(f"stock-{number}"), self.approved(f"tested-{number}")),
                                 (expected, expected))

    def test_options_that_postconf_has_written(self):
        self.assertEqual([self.approved("proxymap", postfix) for postfix in self.edited], ["ab", "ab"])

    def test_the_name_in_the_log(self):
        for name in "stock", "tested":
            position = self.postfix.log_position()
            with Connection(self.postfix.socket(f"{name}-named")) as connection:
                connection.open(self.tables["a"])
            self.postfix.wait_for_log(r" mx tables/proxymap\[\d+\]: warning: request for unapproved table", position)


_ACCESS = """
CREATE TABLE domains (name varchar(255) PRIMARY KEY);
CREATE TABLE access (address varchar(255) PRIMARY KEY, class varchar(255), action varchar(255));
INSERT INTO domains VALUES ('example.com'), ('table.example');
INSERT INTO access VALUES
    ('open@example.com', NULL, NULL),
    ('closed@example.com', 'insiders', 'REJECT not for you'),
    ('half@example.com', 'insiders', 'DUNNO'),
    ('later@example.com', 'insiders, slow', 'DEFER_IF_PERMIT come back');
"""


class MailTest(scenario.Scenario):
    """smtpd finds these tables indirectly: through a restriction class, and through a list in a file."""

    @classmethod
    def set_up_servers(cls):
        postgres = mail_database.start(cls.workspace, Postgres, _ACCESS)
        tables = mail_database.table_files(cls.workspace, postgres)
        classes = tables.add("pgsql", "classes", query="SELECT class FROM access WHERE address = '%s'")
        actions = tables.add("pgsql", "actions", query="SELECT action FROM access WHERE address = '%s'")
        domains = tables.add("pgsql", "domains", query="SELECT name FROM domains WHERE name = '%s'")
        listed = cls.workspace.directory("lists") + "/destinations"
        with open(listed, "w", encoding="ascii") as file:
            file.write(f"# ours\nfile.example\n  proxy:{domains}\n")
        age(listed)
        cls.postfix = Postfix(cls.workspace, scenario.tested(), {
            "mydestination": f"mx.test.example, {listed}",
            "smtpd_restriction_classes": "insiders, slow",
            "insiders": f"check_recipient_access proxy:{actions}",
            "slow": "check_helo_access static:{WARN slow}",
            "smtpd_recipient_restrictions": f"check_recipient_access proxy:{classes}, permit",
            "proxy_read_maps": f"$smtpd_recipient_restrictions $insiders proxy:{domains}",
        }).start()

    def test_restriction_classes(self):
        for user, code, text in (("open", 250, ""), ("half", 250, ""), ("closed", 554, "not for you"),
                                 ("later", 450, "come back"), ("nobody", 250, "")):
            with self.subTest(user), SmtpSession("127.0.0.1", self.postfix.smtp_port) as session:
                reply = session.rcpt(f"{user}@example.com")
                self.assertEqual(reply[0], code, reply)
                self.assertIn(text, reply[1])

    def test_a_list_in_a_file_with_a_table_in_it(self):
        with SmtpSession("127.0.0.1", self.postfix.smtp_port) as session:
            for domain, code in (("file.example", 250), ("table.example", 250), ("mx.test.example", 250),
                                 ("elsewhere.example", 554)):
                self.assertEqual(session.rcpt(f"user@{domain}")[0], code, domain)


class Control(scenario.Scenario):
    """proxyctl with Postfix instances that start with the stock server."""

    @classmethod
    def set_up_programs(cls):
        cls.proxyd = scenario.tested().binary if scenario.tested().is_proxyd else server.proxyd().binary
        cls.proxyctl = os.environ.get("PROXYCTL_BINARY") or os.path.join(os.path.dirname(cls.proxyd), "proxyctl")
        database = mail_database.create_sqlite(f"{cls.workspace.path}/mail.db")
        cls.tables = TableFiles(cls.workspace.directory("tables"), {"sqlite": {"dbpath": database}})

    def run_program(self, *arguments, config=None, status=0):
        """Runs a program, with MAIL_CONFIG if `config` is given. Returns its output."""
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=100, check=False,
                              env={"PATH": "/usr/sbin:/usr/bin:/bin", **({"MAIL_CONFIG": config} if config else {})})
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout

    @staticmethod
    def master_cf(config):
        with open(f"{config}/master.cf", "rb") as file:
            return file.read()


class InstancesTest(Control):
    """Two instances. postmulti(1) creates and starts the second. Each runs proxyd or the stock server."""

    @classmethod
    def set_up_servers(cls):
        cls.set_up_programs()
        if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0:
            raise unittest.SkipTest("no mount namespaces, which postmulti needs here")
        cls.tables.add("sqlite", "first", query="SELECT 'first'")
        cls.tables.add("sqlite", "second", query="SELECT 'second'")
        first = {"virtual_alias_maps": f"proxy:{cls.tables.name('sqlite', 'first')}"}
        cls.first = Postfix(cls.workspace, server.STOCK, first, name="first")
        cls.first.add_daemon("proxyd", cls.proxyd)
        # postmulti creates an instance from these files.
        shutil.copytree("/etc/postfix", cls.first.config, ignore=shutil.ignore_patterns("main.cf", "master.cf"),
                        dirs_exist_ok=True)
        cls.root = cls.workspace.directory("second")
        cls.second = f"{cls.root}/etc"
        cls.workspace.janitor.note(f"queue {cls.root}/spool")

    def postmulti(self, *arguments):
        """Runs postmulti with the first instance on /etc/postfix: the primary must have that path."""
        return self.run_program("unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/postfix && exec "$@"',
                                self.first.config, f"{COMMANDS}/postmulti", *arguments)

    def start_second(self):
        self.postmulti("-e", "init")
        self.postmulti("-I", "postfix-second", "-e", "create", f"config_directory={self.second}",
                       f"queue_directory={self.root}/spool", f"data_directory={self.root}/data")
        changes = {**self.first.main_cf, "virtual_alias_maps": f"proxy:{self.tables.name('sqlite', 'second')}",
                   "maillog_file": f"{self.workspace.path}/second.log", "syslog_name": "second",
                   "master_service_disable": "", "queue_directory": f"{self.root}/spool", "data_directory": f"{self.root}/data"}
        self.run_program(f"{COMMANDS}/postconf", "-c", self.second, "-e",
                         *(f"{name}={value}" for name, value in changes.items()))
        with open(f"{self.second}/master.cf", encoding="utf-8") as file:
            text = re.sub(r"(?m)^smtp +inet.*\n", "", file.read())
        with open(f"{self.second}/master.cf", "w", encoding="utf-8") as file:
            file.write(text)
        for name in "main.cf", "master.cf":
            age(f"{self.second}/{name}")
        self.postmulti("-i", "postfix-second", "-e", "enable")
        self.postmulti("-i", "postfix-second", "-p", "start")
        self.addCleanup(self.stop_second)
        wait_until(lambda: os.path.exists(f"{self.root}/spool/private/proxymap"), "the second Postfix has its sockets")

    def stop_second(self):
        self.postmulti("-i", "postfix-second", "-p", "stop")

    def answers(self, config):
        """What postmap and proxyctl find in the instance with this directory, and which server answers."""
        name = "first" if config == self.first.config else "second"
        table = f"proxy:{self.tables.name('sqlite', name)}"
        self.assertEqual(self.run_program(f"{COMMANDS}/postmap", "-q", "key", table, config=config), f"{name}\n")
        self.assertEqual(self.run_program(self.proxyctl, "query", table, "key", config=config), f"{name}\n")
        status = subprocess.run([self.proxyctl, "status"], capture_output=True, text=True, check=False, timeout=60,
                                env={"MAIL_CONFIG": config}).stdout
        self.assertIn(f"{config}/master.cf: ", status)
        return re.search(r"proxyd .*, process (\d+)", status)[1] if ": proxyd answers\n" in status else "another"

    def test_each_instance_for_itself(self):
        self.first.start()
        self.start_second()
        configs = (self.first.config, self.second)
        before = [self.master_cf(config) for config in configs]
        self.assertEqual([self.answers(config) for config in configs], ["another"] * 2)
        # One instance by the option, the other by the environment.
        self.run_program(self.proxyctl, "enable", "-c", self.second)
        self.assertEqual(self.answers(self.first.config), "another")
        self.assertNotEqual(self.answers(self.second), "another")
        self.assertEqual(self.master_cf(self.first.config), before[0])
        self.run_program(self.proxyctl, "enable", config=self.first.config)
        processes = [self.answers(config) for config in configs]
        self.assertEqual(len(set(processes) - {"another"}), 2, processes)
        # As at a restart of the machine.
        self.postmulti("-p", "stop")
        self.postmulti("-p", "start")
        wait_until(lambda: "another" not in [self.answers(config) for config in configs], "proxyd answers in both")
        self.run_program(self.proxyctl, "disable", config=self.second)
        self.run_program(self.proxyctl, "disable", "-c", self.first.config)
        self.assertEqual([self.master_cf(config) for config in configs], before)
        self.assertEqual([self.answers(config) for config in configs], ["another"] * 2)


_KEYS = ("root", "Root", "alice@example.com", "ALICE@example.com", "example.com", "127.0.0.1", "10.1.2.3", "zebra",
         "ab", "x", "nobody-of-that-name")
_RECIPIENTS = {"root": 250, "info": 250, "Root+extension": 550, "no-such-user": 550}


class DebianTest(Control):
    """Debian's main.cf and master.cf, with tables of all types: answers before, with and after proxyd."""

    @classmethod
    def set_up_servers(cls):
        cls.set_up_programs()
        maker = TableMaker(cls.workspace.directory("types"))
        served = cls.tables.add("sqlite", "aliases", query="SELECT dest FROM aliases WHERE addr = '%s'")
        unusable = {"no-such-type"}  # proxyctl check reports an error for it
        cls.types = [table for table in maker.of_many_types() if table.split(":")[0] not in unusable] + [served]
        cls.postfix = Postfix(cls.workspace, server.STOCK, {
            "mydestination": "$myhostname, localhost",
            "local_recipient_maps": "proxy:unix:passwd.byname $alias_maps",
            "alias_maps": maker.indexed("hash", "local-aliases", "info root\n"),
            "virtual_alias_maps": f"proxy:{served}",
        })
        with open("/usr/share/postfix/main.cf.debian", encoding="utf-8") as file:
            cls.debian = file.read()
        cls.postfix.main_cf["proxy_read_maps"] = " ".join(
            ["$local_recipient_maps", "$virtual_alias_maps", *(f"proxy:{table}" for table in cls.types)])
        cls.postfix.write_main_cf()
        with open("/usr/share/postfix/master.cf.dist", encoding="utf-8") as file:
            master_cf = file.read()
        cls.write("master.cf", master_cf.replace("\nsmtp      inet", f"\n127.0.0.1:{cls.postfix.smtp_port} inet"))
        with open(f"{cls.postfix.config}/main.cf", encoding="utf-8") as file:
            own = file.read()
        cls.write("main.cf", cls.debian + own.replace("compatibility_level = 3.6\n", ""))
        cls.postfix.add_daemon("proxyd", cls.proxyd)
        cls.postfix.start()

    @classmethod
    def write(cls, name, text):
        with open(f"{cls.postfix.config}/{name}", "w", encoding="utf-8") as file:
            file.write(text)
        age(f"{cls.postfix.config}/{name}")

    def answers(self):
        """The answers of postmap and smtpd for every table."""
        keys = "".join(f"{key}\n" for key in _KEYS)
        found = {}
        for table in self.types:
            done = self.postfix.postmap("-q", "-", f"proxy:{table}", text=keys)
            found[table] = done.returncode, done.stdout
        for user in _RECIPIENTS:
            with SmtpSession("127.0.0.1", self.postfix.smtp_port) as session:
                found[user] = session.rcpt(f"{user}@mx.test.example")[0]
        return found

    def test_every_type_works_on(self):
        before = self.answers()
        types_with_answers = {name.split(":")[0] for name, found in before.items() if ":" in name and found[1]}
        self.assertGreater(len(types_with_answers), 10)
        self.assertEqual({user: before[user] for user in _RECIPIENTS}, _RECIPIENTS)
        original = self.master_cf(self.postfix.config)

        self.run_program(self.proxyctl, "enable", "-c", self.postfix.config)
        self.assertEqual(self.answers(), before)
        self.assertEqual(len(self.postfix.pids("proxyd")), 2, "proxyd, and the process in front of it")

        self.run_program(self.proxyctl, "disable", "-c", self.postfix.config)
        self.assertEqual(self.master_cf(self.postfix.config), original)
        self.assertEqual(self.answers(), before)


if __name__ == "__main__":
    scenario.main()
