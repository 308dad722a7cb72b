#!/usr/bin/env python3
"""The classic set-up of a mail provider on MariaDB: domains, users, aliases, a catch-all, smtpd in a chroot.

virtual_alias_maps has two tables: the aliases, and one that maps each user to himself. Without the second,
the catch-all of a domain takes the mail of its real users.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from functional import mail_database
from harness import scenario
from harness.mariadb import Mariadb
from harness.postfix import Postfix
from harness.smtp import SmtpSession

_SCHEMA = """
CREATE TABLE virtual_domains (
    id int NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name varchar(50) NOT NULL);
CREATE TABLE virtual_users (
    id int NOT NULL AUTO_INCREMENT PRIMARY KEY,
    domain_id int NOT NULL,
    email varchar(100) NOT NULL UNIQUE,
    password varchar(150) NOT NULL,
    FOREIGN KEY (domain_id) REFERENCES virtual_domains(id) ON DELETE CASCADE);
CREATE TABLE virtual_aliases (
    id int NOT NULL AUTO_INCREMENT PRIMARY KEY,
    domain_id int NOT NULL,
    source varchar(100) NOT NULL,
    destination varchar(100) NOT NULL,
    FOREIGN KEY (domain_id) REFERENCES virtual_domains(id) ON DELETE CASCADE);
CREATE USER 'mailserver'@'127.0.0.1' IDENTIFIED BY 'reading-only';
GRANT SELECT ON mailserver.* TO 'mailserver'@'127.0.0.1';
INSERT INTO virtual_domains VALUES (1, 'example.org'), (2, 'example.net');
INSERT INTO virtual_users VALUES (1, 1, 'john@example.org', ''), (2, 1, 'kerstin@example.org', '');
INSERT INTO virtual_aliases VALUES
    (1, 1, 'jack@example.org', 'john@example.org'),
    (2, 1, 'all@example.org', 'john@example.org'),
    (3, 1, 'all@example.org', 'kerstin@example.org'),
    (4, 1, '@example.org', 'kerstin@example.org'),
    (5, 2, 'info@example.net', 'john@example.org');
"""

_QUERIES = {
    "domains": "SELECT 1 FROM virtual_domains WHERE name='%s'",
    "mailboxes": "SELECT 1 FROM virtual_users WHERE email='%s'",
    "aliases": "SELECT destination FROM virtual_aliases WHERE source='%s'",
    "email2email": "SELECT email FROM virtual_users WHERE email='%s'",
}


class IspMailTest(scenario.Scenario):
    @classmethod
    def set_up_servers(cls):
        cls.mariadb = Mariadb(cls.workspace).start()
        cls.mariadb.create_database("mailserver", _SCHEMA)
        tables = mail_database.table_files(cls.workspace, directory="sql")
        names = {name: "proxy:" + tables.add_text(
            "mysql", name, "user = mailserver\npassword = reading-only\n"
            f"hosts = 127.0.0.1:{cls.mariadb.port}\ndbname = mailserver\nquery = {query}\n")
                 for name, query in _QUERIES.items()}
        cls.names = names
        cls.postfix = Postfix(cls.workspace, scenario.tested(), {
            "virtual_mailbox_domains": names["domains"],
            "virtual_mailbox_maps": names["mailboxes"],
            "virtual_alias_maps": f"{names['aliases']} {names['email2email']}",
        })
        cls.smtp_port = cls.chroot_smtpd()
        cls.postfix.start()

    @classmethod
    def chroot_smtpd(cls):
        """Puts smtpd in a chroot, as Debian does. The proxy is then its only way to the database."""
        path = f"{cls.postfix.config}/master.cf"
        with open(path, encoding="utf-8") as file:
            text = file.read()
        changed = text.replace("inet  n - n - - smtpd", "inet  n - y - - smtpd")
        assert changed != text
        with open(path, "w", encoding="utf-8") as file:
            file.write(changed)
        return cls.postfix.smtp_port

    def rcpt(self, recipient):
        with SmtpSession("127.0.0.1", self.smtp_port) as session:
            return session.rcpt(recipient)

    def deliver(self, recipient):
        """Sends a message; returns the log position from before it."""
        position = self.postfix.log_position()
        with SmtpSession("127.0.0.1", self.smtp_port) as session:
            self.assertEqual(session.rcpt(recipient)[0], 250)
            self.assertEqual(session.data("Subject: test\r\n\r\nHello\r\n")[0], 250)
        return position

    def test_recipients(self):
        expected = {
            "john@example.org": 250,
            "JOHN@Example.ORG": 250,
            "jack@example.org": 250,
            "anybody@example.org": 250,  # the catch-all
            "info@example.net": 250,
            "nobody@example.net": 550,
            "john@elsewhere.example": 554,
        }
        for recipient, code in expected.items():
            with self.subTest(recipient=recipient):
                reply = self.rcpt(recipient)
                self.assertEqual(reply[0], code, reply)

    def assert_delivered(self, recipient, destinations):
        position = self.deliver(recipient)
        for destination in destinations:
            self.postfix.wait_for_log(rf"to=<{destination}>.* status=sent", position)
        self.postfix.wait_for_log(r"qmgr\[\d+\]: \w+: removed", position)
        log = self.postfix.log_since(position)
        for other in {"john@example.org", "kerstin@example.org"} - set(destinations):
            self.assertNotIn(f"to=<{other}>", log)

    def test_the_catch_all_takes_no_mail_of_a_real_user(self):
        self.assert_delivered("john@example.org", ["john@example.org"])

    def test_the_catch_all_takes_the_rest(self):
        self.assert_delivered("anybody@example.org", ["kerstin@example.org"])

    def test_an_alias_goes_before_the_catch_all(self):
        self.assert_delivered("jack@example.org", ["john@example.org"])

    def test_an_alias_with_two_destinations(self):
        self.assert_delivered("all@example.org", ["john@example.org", "kerstin@example.org"])

    def test_postmap_as_the_guides_say(self):
        for name, key, value in (("domains", "example.org", b"1\n"), ("mailboxes", "john@example.org", b"1\n"),
                                 ("aliases", "jack@example.org", b"john@example.org\n"),
                                 ("email2email", "john@example.org", b"john@example.org\n"),
                                 ("email2email", "jack@example.org", b"")):
            with self.subTest(name=name, key=key):
                self.assertEqual(self.postfix.postmap("-q", key, self.names[name]).stdout, value)


if __name__ == "__main__":
    scenario.main()
