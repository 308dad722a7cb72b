#!/usr/bin/env python3
"""The set-up of common mail hosting guides: three PostgreSQL tables behind proxy:, read by the mail user.

The table files belong to root:postfix with mode 0640. The database user has a password and may only read. A
boolean column switches rows off.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from functional import mail_database
from harness import proxymap_client, scenario
from harness.postfix import Postfix
from harness.postgres import Postgres
from harness.smtp import SmtpSession

_SCHEMA = """
CREATE ROLE mailreader LOGIN PASSWORD 'reading-only';
CREATE TABLE virtual_domains (
    id serial PRIMARY KEY,
    name varchar(255) NOT NULL UNIQUE,
    active boolean NOT NULL DEFAULT true);
CREATE TABLE virtual_users (
    id serial PRIMARY KEY,
    domain_id int NOT NULL REFERENCES virtual_domains ON DELETE CASCADE,
    email varchar(255) NOT NULL UNIQUE,
    password text,
    active boolean NOT NULL DEFAULT true);
CREATE TABLE virtual_aliases (
    id serial PRIMARY KEY,
    domain_id int NOT NULL REFERENCES virtual_domains ON DELETE CASCADE,
    source varchar(255) NOT NULL,
    destination varchar(255) NOT NULL,
    active boolean NOT NULL DEFAULT true);
GRANT SELECT ON virtual_domains, virtual_users, virtual_aliases TO mailreader;
INSERT INTO virtual_domains (name, active) VALUES
    ('example.org', true), ('closed.example', false), ('all.example', true);
INSERT INTO virtual_users (domain_id, email, active) VALUES
    (1, 'john@example.org', true), (1, 'gone@example.org', false), (2, 'john@closed.example', true);
INSERT INTO virtual_aliases (domain_id, source, destination, active) VALUES
    (1, 'info@example.org', 'john@example.org', true),
    (1, 'team@example.org', 'john@example.org', true),
    (1, 'team@example.org', 'partner@outside.example', true),
    (1, 'old@example.org', 'john@example.org', false),
    (3, '@all.example', 'john@example.org', true);
"""

_QUERIES = {
    "virtual_domains": "SELECT 1 FROM virtual_domains WHERE name='%s' AND active",
    "virtual_mailboxes": "SELECT 1 FROM virtual_users WHERE email='%s' AND active = true",
    "virtual_aliases": "SELECT destination FROM virtual_aliases WHERE source='%s' AND active = '1' ORDER BY id",
}

_PG_HBA = "local all postgres trust\nhost all mailreader 127.0.0.1/32 scram-sha-256\n"


class HostingGuideTest(scenario.Scenario):
    @classmethod
    def set_up_servers(cls):
        postgres = Postgres(cls.workspace)
        with open(f"{postgres.data}/pg_hba.conf", "w", encoding="ascii") as file:
            file.write(_PG_HBA)
        postgres.start()
        postgres.create_database("mailserver", _SCHEMA)
        tables = mail_database.table_files(cls.workspace, directory="sql")
        for name, query in _QUERIES.items():
            tables.add_text("pgsql", name, "user = mailreader\npassword = reading-only\n"
                            f"hosts = 127.0.0.1:{postgres.port}\ndbname = mailserver\nquery = {query}\n")
        cls.tables = tables
        cls.postfix = Postfix(cls.workspace, scenario.tested(), {
            "virtual_mailbox_domains": f"proxy:{tables.name('pgsql', 'virtual_domains')}",
            "virtual_mailbox_maps": f"proxy:{tables.name('pgsql', 'virtual_mailboxes')}",
            "virtual_alias_maps": f"proxy:{tables.name('pgsql', 'virtual_aliases')}",
        }).start()

    def test_table_files_are_readable_by_the_mail_group_alone(self):
        for name in _QUERIES:
            status = os.stat(self.tables.path(name))
            self.assertEqual((status.st_uid, status.st_gid, status.st_mode & 0o777), (0, self.postfix.gid, 0o640))

    def test_recipients(self):
        expected = {
            "john@example.org": 250,
            "JOHN@EXAMPLE.ORG": 250,
            "gone@example.org": 550,
            "nobody@example.org": 550,
            "info@example.org": 250,
            "team@example.org": 250,
            "old@example.org": 550,
            "somebody@all.example": 250,
            "john@closed.example": 554,
            "john@elsewhere.example": 554,
        }
        for recipient, code in expected.items():
            with self.subTest(recipient=recipient):
                with SmtpSession("127.0.0.1", self.postfix.smtp_port) as session:
                    reply = session.rcpt(recipient)
                self.assertEqual(reply[0], code, reply)

    def test_the_default_list_of_approved_tables_covers_them(self):
        with proxymap_client.Connection(self.postfix.socket()) as client:
            for name in _QUERIES:
                self.assertEqual(client.open(self.tables.name("pgsql", name)).status, proxymap_client.OK)

    def test_postmap_as_the_guides_say(self):
        for name, key, value in (("virtual_domains", "example.org", b"1\n"), ("virtual_domains", "closed.example", b""),
                                 ("virtual_mailboxes", "john@example.org", b"1\n"),
                                 ("virtual_aliases", "team@example.org",
                                  b"john@example.org,partner@outside.example\n")):
            done = self.postfix.postmap("-q", key, f"proxy:{self.tables.name('pgsql', name)}")
            self.assertEqual((done.stdout, done.returncode), (value, 0 if value else 1), (name, key, done.stderr))

    def test_a_message_reaches_the_mailbox_behind_an_alias(self):
        position = self.postfix.log_position()
        with SmtpSession("127.0.0.1", self.postfix.smtp_port) as session:
            self.assertEqual(session.rcpt("info@example.org")[0], 250)
            self.assertEqual(session.data("Subject: hello\r\n\r\nHello\r\n")[0], 250)
        self.postfix.wait_for_log("to=<john@example.org>, orig_to=<info@example.org>.* status=sent", position)


if __name__ == "__main__":
    scenario.main()
