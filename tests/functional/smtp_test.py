#!/usr/bin/env python3
"""RCPT TO as a sender sees it: accepted, refused, deferred while the database is down, accepted again."""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from functional import mail_database
from harness import scenario
from harness.mariadb import Mariadb
from harness.postfix import Postfix
from harness.postgres import Postgres
from harness.scenario import not_with_stock
from harness.smtp import SmtpSession

_MAIL = """
CREATE TABLE domains (name varchar(255) PRIMARY KEY);
CREATE TABLE mailboxes (address varchar(255) PRIMARY KEY, maildir varchar(255) NOT NULL);
CREATE TABLE forwards (address varchar(255), destination varchar(255) NOT NULL);
INSERT INTO domains VALUES ('example.com'), ('catchall.example');
INSERT INTO mailboxes VALUES ('user@example.com', 'example.com/user/');
INSERT INTO forwards VALUES
    ('sales@example.com', 'user@example.com'), ('sales@example.com', 'else@outside.example'),
    ('@catchall.example', 'user@example.com');
"""

_QUERIES = {
    "virtual_mailbox_domains": "SELECT name FROM domains WHERE name = '%s'",
    "virtual_mailbox_maps": "SELECT maildir FROM mailboxes WHERE address = '%s'",
    "virtual_alias_maps": "SELECT destination FROM forwards WHERE address = '%s' ORDER BY 1",
}


class SmtpTest(scenario.Scenario):
    """lookup_timeout is short, so that a deferral does not take the default ten seconds."""

    LOOKUP_TIMEOUT = 3
    server_class = Postgres

    @classmethod
    def set_up_servers(cls):
        cls.database = mail_database.start(cls.workspace, cls.server_class, _MAIL)
        tables = mail_database.table_files(cls.workspace, cls.database)
        main_cf = {name: f"proxy:{tables.add(cls.database.KIND, name, query=query)}"
                   for name, query in _QUERIES.items()}
        cls.postfix = Postfix(cls.workspace, scenario.tested(), main_cf,
                              f"lookup_timeout = {cls.LOOKUP_TIMEOUT}s\nconnect_timeout = 1s\n").start()

    def setUp(self):
        self.database.start()

    def session(self):
        session = SmtpSession("127.0.0.1", self.postfix.smtp_port)
        self.addCleanup(session.close)
        return session

    def assert_code(self, code, recipient, session=None):
        reply = (session or self.session()).rcpt(recipient)
        self.assertEqual(reply[0], code, f"RCPT TO:<{recipient}>: {reply}")
        return reply[1]

    def test_a_mailbox_is_accepted(self):
        self.assert_code(250, "user@example.com")
        self.assert_code(250, "USER@Example.Com")

    def test_an_address_extension_is_not_invented(self):
        self.assert_code(550, "user+folder@example.com")

    def test_an_alias_is_accepted(self):
        self.assert_code(250, "sales@example.com")

    def test_any_user_of_a_catch_all_domain_is_accepted(self):
        self.assert_code(250, "whoever@catchall.example")

    def test_an_unknown_user_is_refused(self):
        self.assertIn("User unknown", self.assert_code(550, "nobody@example.com"))

    def test_a_foreign_domain_is_refused(self):
        self.assert_code(554, "user@elsewhere.example")

    def test_a_strange_recipient_is_refused_and_nothing_breaks(self):
        session = self.session()
        for recipient in ("'; DROP TABLE mailboxes; --@example.com", '"o\'brien"@example.com',
                          "back\\\\slash@example.com"):
            code, text = session.rcpt(recipient)
            self.assertIn(code, (501, 550, 553), text)
        self.assert_code(250, "user@example.com", session)

    def test_a_message_is_delivered_to_all_destinations_of_an_alias(self):
        position = self.postfix.log_position()
        session = self.session()
        self.assert_code(250, "sales@example.com", session)
        self.assertEqual(session.data("Subject: test\r\n\r\nHello\r\n")[0], 250)
        for destination in ("user@example.com", "else@outside.example"):
            self.postfix.wait_for_log(f"to=<{destination}>, orig_to=<sales@example.com>.* status=sent", position)

    def test_one_session_with_many_recipients(self):
        session = self.session()
        for _ in range(20):
            self.assert_code(250, "user@example.com", session)
            self.assert_code(550, "nobody@example.com", session)
            self.assert_code(250, "any@catchall.example", session)

    @not_with_stock("a table answers temporary errors for a minute after the database is back")
    def test_deferred_while_the_database_is_down_and_accepted_at_once_afterwards(self):
        during = self.session()
        self.assert_code(250, "user@example.com", during)
        self.database.stop()
        started = time.monotonic()
        # One session is new and first looks up its domain; the other has cached its earlier answers.
        text = self.assert_code(451, "user@example.com")
        self.assertIn("4.3.0", text)
        self.assertLess(time.monotonic() - started, 3 * self.LOOKUP_TIMEOUT + 2)
        self.assert_code(451, "other@example.com", during)
        self.database.start()
        started = time.monotonic()
        self.assert_code(250, "user@example.com")
        self.assert_code(550, "nobody@example.com", during)
        self.assertLess(time.monotonic() - started, 2.0, "the database is back, but not used")

    @not_with_stock("a restart of the database costs a minute of temporary errors")
    def test_a_short_absence_of_the_database_is_not_noticed(self):
        session = self.session()
        self.assert_code(250, "user@example.com", session)
        self.database.restart()
        self.assert_code(250, "sales@example.com", session)
        self.assert_code(550, "nobody@example.com", session)


class MysqlSmtpTest(SmtpTest):
    server_class = Mariadb


if __name__ == "__main__":
    scenario.main()
