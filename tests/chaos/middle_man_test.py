#!/usr/bin/env python3
"""A middle man between proxyd and its database tampers with whole messages. Clients know the right answers.

CHAOS_SEEDS: how many seeds, from CHAOS_SEED (1) on; CHAOS_SECONDS: how long each misdeed lasts.
Misdeeds that no client can detect are not tested here; proxyd(8) lists them.
"""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from harness import scenario
from harness.crowd import Crowd
from harness.mariadb import Mariadb
from harness.middle_man import MiddleMan, Misdeed
from harness.postgres import Postgres
from harness.stand_alone import StandAlone
from harness.tables import TableFiles
from harness.waiting import wait_until

_SEED = int(os.environ.get("CHAOS_SEED") or 1)
_SEEDS = int(os.environ.get("CHAOS_SEEDS") or 1)
_SECONDS = float(os.environ.get("CHAOS_SECONDS") or 0.6)

_CLIENTS = 60
_KEYS = 4000
# A connection out of step may only show as silence. It then ends at the deadline.
_OPTIONS = "pool_size = 6\nlookup_timeout = 1s\nconnect_timeout = 1s\n"


def _both(acts, kinds, **more):
    return [Misdeed(act, what, **more) for act in acts for what in kinds]


def _question(client, turn):
    """Keys and values all have the same length. One key in eight does not exist."""
    number = (client * 37 + turn * 61) % _KEYS
    return f"key{number:05}", None if number % 8 == 0 else f"box{number:05}".encode()


class MiddleManTest(scenario.Scenario):
    server_class = Postgres
    MESSAGES = _both(("swallow", "repeat", "late"), "2TDCZ")
    # Neighbouring answers differ in format, so that proxyd notices each of these misdeeds at once.
    ANSWERS = _both(("swallow", "repeat", "late", "replay"), ("answer",))
    ASKED = [*_both(("swallow", "repeat"), "BDES", of_client=True), Misdeed("garble", "B", True, 0.3)]
    # These make proxyd believe that it talks to a pooler, for as long as it runs.
    PREPARED = [*_both(("swallow", "repeat"), "1t", share=0.5),
                *_both(("swallow", "repeat"), "P", of_client=True, share=0.5)]

    @classmethod
    def set_up_servers(cls):
        cls.database = cls.server_class(cls.workspace).start()
        rows = ", ".join(f"('key{n:05}', 'box{n:05}')" for n in range(1, _KEYS) if n % 8)
        cls.database.create_database("mail", "CREATE TABLE mailbox (address varchar(20) PRIMARY KEY, destination "
                                             f"varchar(20)); INSERT INTO mailbox VALUES {rows};")

    def setUp(self):
        self.man = MiddleMan(self.database.KIND, self.database.port, _SEED)
        self.addCleanup(self.man.close)
        name = self.id().rsplit("_", 1)[1]
        tables = TableFiles(self.workspace.directory(f"tables-{name}"))
        self.table = tables.add(self.database.KIND, "mailbox", hosts=self.host(), user=self.database.USER,
                                password=self.database.PASSWORD, dbname="mail",
                                query="SELECT destination FROM mailbox WHERE address = '%s'")
        self.proxyd = StandAlone(self.workspace, scenario.tested().binary, name, _OPTIONS, tables.names)
        self.proxyd.start().wait_for_socket()
        self.addCleanup(self.proxyd.stop)

    def host(self):
        return f"127.0.0.1:{self.man.port}"

    def suffer(self, misdeeds, anew=False):
        """`anew`: a freshly started daemon makes its connections during the misdeed."""
        for seed in range(_SEED, _SEED + _SEEDS):
            self.man.choice.seed(seed)
            for misdeed in misdeeds:
                with self.subTest(misdeed=str(misdeed), seed=seed):
                    self.suffer_one(misdeed, anew)

    def suffer_one(self, misdeed, anew):
        begun = self.man.done
        if anew:
            self.proxyd.stop()
            self.proxyd.start().wait_for_socket()
        with Crowd(self.proxyd.socket, self.table, _question, _CLIENTS) as crowd:
            wait_until(lambda: crowd.right + crowd.retries > 0 or crowd.wrong, "an answer", 20.0)
            self.man.misdeed = misdeed
            if anew:
                self.man.drop()
            end = time.monotonic() + _SECONDS
            wait_until(lambda: time.monotonic() >= end and self.man.done > begun, "something is done wrong", 20.0)
            self.man.misdeed = None
            right = crowd.right
            wait_until(lambda: crowd.right > right + _CLIENTS or crowd.wrong, "lookups succeed again", 20.0)
        print(f"{misdeed}: {self.man.done - begun} times, {crowd.right} right, {crowd.retries} to be asked later, "
              f"{len(crowd.wrong)} wrong", file=sys.stderr)
        self.assertEqual(crowd.wrong[:5], [])

    def test_messages(self):
        self.suffer(self.MESSAGES)

    def test_whole_answers(self):
        self.suffer(self.ANSWERS)

    def test_what_is_asked(self):
        self.suffer(self.ASKED)

    def test_preparations(self):
        self.suffer(self.PREPARED, anew=True)


class MysqlMiddleManTest(MiddleManTest):
    server_class = Mariadb
    MESSAGES = _both(("swallow", "repeat", "late"), ("count", "column", "end", "row"))
    ANSWERS = _both(("swallow", "repeat", "late"), ("answer",))
    ASKED = [Misdeed("swallow", "query", True)]
    PREPARED = _both(("swallow", "repeat", "late"), ("ok",), share=0.1)

    def test_nothing_is_sent_ahead(self):
        """proxyd must not pipeline here: a router that reorders messages then has nothing to reorder."""
        with Crowd(self.proxyd.socket, self.table, _question, _CLIENTS) as crowd:
            self.man.misdeed = Misdeed("garble", "query", True, 1)
            wait_until(lambda: crowd.right > 20 * _CLIENTS or crowd.wrong, "answers", 20.0)
        self.assertEqual(crowd.wrong[:5], [])
        self.assertEqual(self.man.done, 0)


if __name__ == "__main__":
    scenario.main()
