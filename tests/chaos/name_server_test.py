#!/usr/bin/env python3
"""A name server hangs. proxyd goes on with the addresses that it already has."""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from harness import mailboxes, scenario
from harness.fake_servers import FakeNameServer
from harness.mariadb import Mariadb
from harness.outage import Outage
from harness.postgres import Postgres
from harness.stand_alone import StandAlone
from harness.tables import TableFiles

_EXPIRED = 65.0  # seconds after which an address is too old to use without asking the name server
_BACK = 1.0  # seconds, for recoveries that take a tenth of one


class NameServerTest(Outage):
    @classmethod
    def set_up_servers(cls):
        cls.databases = [mailboxes.fill(kind(cls.workspace).start()) for kind in (Postgres, Mariadb)]
        cls.tables = TableFiles(cls.workspace.directory("tables"))
        for database in cls.databases:
            parameters = mailboxes.table_parameters([]) | {"hosts": f"known.test:{database.port}"}
            cls.tables.add(database.KIND, database.KIND, **parameters)
        cls.names = FakeNameServer(cls.workspace)

    def setUp(self):
        self.names.hangs = False
        self.proxyd = StandAlone(self.workspace, scenario.tested().binary, self.id().rsplit(".", 1)[1],
                                 tables=self.tables.names).start(before=self.names.before).wait_for_socket()
        self.addCleanup(self.proxyd.stop)

    def test_a_database_is_restarted_while_the_name_server_hangs(self):
        clients = {database.KIND: self.client(database.KIND) for database in self.databases}
        try:
            self.wait_for_answers(clients.values())
            self.names.hangs = True
            self.restart_databases(clients)
            time.sleep(_EXPIRED)
            self.restart_databases(clients)
        finally:
            for client in clients.values():
                client.finish()
        self.assert_none_failed(clients.values())

    def restart_databases(self, clients):
        for database in self.databases:
            client = clients[database.KIND]
            database.stop("immediate")
            database.start()
            back = time.monotonic()
            self.wait_for_answers([client])
            self.assertLess(client.first_right_after(back), _BACK, database.KIND)


if __name__ == "__main__":
    scenario.main()
