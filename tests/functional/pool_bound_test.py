#!/usr/bin/env python3
"""Two hundred clients, three tables, one database: never more connections than pool_size."""

import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from functional import mail_database
from harness import proxymap_client, scenario
from harness.postfix import Postfix
from harness.postgres import Postgres
from harness.scenario import not_with_stock

_POOL_SIZE = 5
_CLIENTS = 200
_LOOKUPS_EACH = 30

_COUNT = ("SELECT count(*) FROM pg_stat_activity "
          f"WHERE datname = '{mail_database.DATABASE}' AND backend_type = 'client backend'")


class PoolBoundTest(scenario.Scenario):
    @classmethod
    def set_up_servers(cls):
        cls.postgres = Postgres(cls.workspace).start()
        mail_database.create_in_postgres(cls.postgres)
        tables = mail_database.table_files(cls.workspace, cls.postgres)
        cls.names = [
            tables.add("pgsql", "aliases", query="SELECT dest FROM aliases WHERE addr='%s' ORDER BY id"),
            tables.add("pgsql", "echo", query="SELECT '%s'"),
            tables.add("pgsql", "slow", query="SELECT '%s' || pg_sleep(0.005)"),
        ]
        cls.postfix = Postfix(cls.workspace, scenario.tested(), {"proxy_read_maps": tables.proxied()},
                              f"pool_size = {_POOL_SIZE}\nlookup_timeout = 60s\n").start()

    def run_clients(self, clients, lookups):
        """All clients at once; returns the answers that were wrong."""
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
        session = self.postgres.session()
        samples = []
        threads, wrong = self.run_clients(_CLIENTS, _LOOKUPS_EACH)
        while any(thread.is_alive() for thread in threads):
            samples.append(int(session.ask(_COUNT)[0][0]))
            time.sleep(0.002)
        for thread in threads:
            thread.join()
        self.assertEqual(wrong[:5], [])
        self.assertGreater(len(samples), 20, "too few looks at pg_stat_activity to mean anything")
        self.assertLessEqual(max(samples), _POOL_SIZE)
        self.assertGreater(max(samples), 1, "the pool did not grow")

    def test_all_clients_are_answered(self):
        threads, wrong = self.run_clients(40, 5)
        for thread in threads:
            thread.join()
        self.assertEqual(wrong[:5], [])


if __name__ == "__main__":
    scenario.main()
