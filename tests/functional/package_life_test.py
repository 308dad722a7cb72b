#!/usr/bin/env python3
"""An administrator installs, enables, upgrades and removes the package, on a copy of this machine."""

import glob
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from functional import mail_database
from harness import scenario
from harness.machine_copy import MachineCopy, MachineCopyMissing
from harness.ports import reserve_port
from harness.postfix import PostfixMissing, mail_owner
from harness.smtp import SmtpSession
from harness.waiting import wait_until

_MAIN_CF = """
compatibility_level = 3.6
myhostname = mx.test.example
mydestination = $myhostname
inet_interfaces = loopback-only
inet_protocols = ipv4
maillog_file = /var/log/mail-test.log
alias_maps =
alias_database =
smtpd_peername_lookup = no
smtpd_relay_restrictions = reject_unauth_destination
virtual_alias_domains = example.com
virtual_alias_maps = proxy:sqlite:/etc/postfix/aliases.cf
"""
_TABLE = """
dbpath = /etc/postfix/mail.db
query = SELECT 'daemon@mx.test.example' FROM aliases WHERE addr = '%s'
"""
# Files of dpkg and its triggers, of users that stay after removal, and files that mail changes.
_OTHERS = ("/var/lib/dpkg/", "/var/cache/", "/var/log/", "/var/spool/", "/var/mail/", "/var/lib/postfix/",
           "/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/.pwd.lock", "/var/lib/systemd/")


class PackageLifeTest(scenario.Scenario):
    @classmethod
    def set_up_servers(cls):
        if not os.access("/usr/lib/postfix/sbin/master", os.X_OK) or os.geteuid() != 0:
            raise PostfixMissing("no Postfix, or not root")
        build = os.path.dirname(os.path.dirname(scenario.tested().binary))
        output = cls.workspace.directory("package")
        subprocess.run(["cpack", "--config", f"{build}/CPackConfig.cmake", "-G", "DEB", "-B", output], check=True,
                       capture_output=True)
        (package,) = glob.glob(f"{output}/*.deb")
        try:
            cls.machine = MachineCopy(cls.workspace)
        except MachineCopyMissing as error:
            raise unittest.SkipTest(str(error)) from error  # no package can help
        with open(package, "rb") as file:
            cls.machine.write("/tmp/proxyd.deb", file.read())
        cls.port = reserve_port()
        with open("/usr/share/postfix/master.cf.dist", encoding="utf-8") as file:
            cls.master_cf = file.read().replace("\nsmtp      inet", f"\n127.0.0.1:{cls.port} inet").encode()
        cls.set_up_postfix()

    @classmethod
    def set_up_postfix(cls):
        database = mail_database.create_sqlite(f"{cls.workspace.path}/mail.db")
        with open(database, "rb") as file:
            cls.machine.write("/etc/postfix/mail.db", file.read())
        cls.machine.write("/etc/postfix/main.cf", _MAIN_CF)
        cls.machine.write("/etc/postfix/master.cf", cls.master_cf)
        cls.machine.write("/etc/postfix/aliases.cf", _TABLE, 0o640, mail_owner()[1])
        cls.machine.run("postfix", "start")

    def mail_arrives(self, subject):
        """Mail for a system user arrives through a table. Mail to unknown recipients is refused."""
        with SmtpSession("127.0.0.1", self.port) as session:
            self.assertEqual(session.rcpt("no-such-user@example.com")[0], 550)
            self.assertEqual(session.rcpt("no-such-user@mx.test.example")[0], 550)
            self.assertEqual(session.rcpt("alice@example.com")[0], 250)
            self.assertEqual(session.data(f"Subject: {subject}\r\n\r\nHello\r\n")[0], 250)
        mailbox = self.machine.path("/var/mail/daemon")
        wait_until(lambda: os.path.exists(mailbox) and f"Subject: {subject}\n".encode() in
                   self.machine.read("/var/mail/daemon"), f"the message arrives: {subject}")

    def files(self):
        return {path for path in self.machine.changed() if not path.startswith(_OTHERS)}

    def who_answers(self):
        _, out = self.machine.run("proxyctl", "status", check=False)
        return "proxyd" if ": proxyd answers\n" in out else out

    def test_from_beginning_to_end(self):
        self.mail_arrives("stock")
        before = self.files()
        self.machine.run("dpkg", "-i", "/tmp/proxyd.deb")
        self.assertIn("another server than proxyd answers", self.who_answers())
        self.mail_arrives("installed")

        self.machine.run("proxyctl", "enable")
        self.assertEqual(self.who_answers(), "proxyd")
        self.mail_arrives("enabled")
        enabled = self.machine.read("/etc/postfix/master.cf")

        self.machine.run("dpkg", "-i", "/tmp/proxyd.deb")
        self.assertEqual(self.machine.read("/etc/postfix/master.cf"), enabled)
        self.mail_arrives("upgraded")
        self.machine.run("postfix", "reload")
        wait_until(lambda: self.who_answers() == "proxyd", "proxyd answers after the reload")
        self.mail_arrives("reloaded")

        self.machine.run("proxyctl", "disable")
        self.assertEqual(self.machine.read("/etc/postfix/master.cf"), self.master_cf)
        self.mail_arrives("disabled")
        self.machine.run("proxyctl", "enable")
        self.mail_arrives("enabled again")

        self.machine.run("dpkg", "--purge", "proxyd")
        self.assertEqual(self.machine.read("/etc/postfix/master.cf"), self.master_cf)
        self.assertEqual(self.files() - before, set())
        self.mail_arrives("removed")
        log = self.machine.read("/var/log/mail-test.log").decode()
        self.assertNotRegex(log, "proxyd.*(fatal|panic)|fatal: .*proxy")


if __name__ == "__main__":
    scenario.main()
