#!/usr/bin/env python3
"""Two hundred clients, three tables, one database of each kind: never more than pool_size connections."""

import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from functional import mail_database
from harness import proxymap_client, scenario
from harness.mariadb import Mariadb
from harness.postfix import Postfix
from harness.postgres import Postgres
from harness.scenario import not_with_stock

_POOL_SIZE = 5
_CLIENTS = 200
_LOOKUPS_EACH = 30


class PoolBoundTest(scenario.Scenario):
    server_class = Postgres

    @classmethod
    def set_up_servers(cls):
        cls.database = mail_database.start(cls.workspace, cls.server_class)
        tables = mail_database.table_files(cls.workspace, cls.database)
        kind = cls.database.KIND
        cls.names = [
            tables.add(kind, "aliases", query="SELECT dest FROM aliases WHERE addr='%s' ORDER BY id"),
            tables.add(kind, "echo", query="SELECT '%s'"),
            tables.add(kind, "slow", query=mail_database.slow_echo(kind, 0.005)),
        ]
        cls.postfix = Postfix(cls.workspace, scenario.tested(), {"proxy_read_maps": tables.proxied()},
                              f"pool_size = {_POOL_SIZE}\nlookup_timeout = 60s\n").start()

    def run_clients(self, clients, lookups):
        """Runs all clients at once; returns the wrong answers."""
        wrong = []
        everybody = threading.Barrier(clients)

        def client(number):
            try:
                connection = proxymap_client.Connection(self.postfix.socket(), timeout=60.0)
                everybody.wait(60.0)
                with connection:
                    for turn in range(lookups):
                        table = self.names[(number + turn) % len(self.names)]
                        key = "alice@example.com" if table == self.names[0] else f"key-{number}-{turn}"
                        reply = connection.lookup(table, key)
                        value = b"alice1@dest.example" if table == self.names[0] else key.encode()
                        if (reply.status, reply.value) != (proxymap_client.OK, value):
                            wrong.append((table, key, reply))
            except Exception as error:  # pylint: disable=broad-except
                everybody.abort()
                wrong.append((number, repr(error)))

        threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
        for thread in threads:
            thread.start()
        return threads, wrong

    @not_with_stock("opens a connection per table and process")
    def test_connections_stay_within_pool_size(self):
        session = self.database.session()
        count = self.database.connections_query(mail_database.DATABASE)
        samples = []
        threads, wrong = self.run_clients(_CLIENTS, _LOOKUPS_EACH)
        while any(thread.is_alive() for thread in threads):
            samples.append(int(session.ask(count)[0][0]))
            time.sleep(0.002)
        for thread in threads:
            thread.join()
        self.assertEqual(wrong[:5], [])
        self.assertGreater(len(samples), 20, "too few looks at the connections to mean anything")
        self.assertLessEqual(max(samples), _POOL_SIZE)
        self.assertGreater(max(samples), 1, "the pool did not grow")

    def test_all_clients_are_answered(self):
        threads, wrong = self.run_clients(40, 5)
        for thread in threads:
            thread.join()
        self.assertEqual(wrong[:5], [])


class MysqlPoolBoundTest(PoolBoundTest):
    server_class = Mariadb


if __name__ == "__main__":
    scenario.main()
