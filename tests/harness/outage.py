"""The common part of scenarios in which databases fail while clients ask."""

import contextlib
import time

from . import mailboxes, proxymap_client, scenario
from .paced_client import PacedClient
from .stand_alone import StandAlone
from .tables import TableFiles
from .waiting import wait_until


class Outage(scenario.Scenario):
    """Mailbox tables in database servers, a proxyd in front of them, and clients that check every answer."""

    HASTY = 1.0  # lookup_timeout of the table `hasty`, in seconds

    @classmethod
    def set_up_tables(cls, kind, ports, **more):
        """`more` maps names of further tables to the SQL that they select from, in the same database."""
        tables = TableFiles(cls.workspace.directory("tables"))
        for name, source in {"mailbox": "mailbox", **more}.items():
            tables.add(kind, name, **mailboxes.table_parameters(ports, source))
        tables.add(kind, "hasty", **mailboxes.table_parameters(ports), lookup_timeout=f"{cls.HASTY:g}s")
        cls.tables = tables

    def setUp(self):
        """Each test starts its own proxyd, which has no connections yet."""
        self.proxyd = StandAlone(self.workspace, scenario.tested().binary, self.id().rsplit(".", 1)[1],
                                 tables=self.tables.names).start().wait_for_socket()
        self.addCleanup(self.proxyd.stop)

    def client(self, name="mailbox", per_second=200):
        table = next(table for table in self.tables.names if table.endswith(f"/{name}.cf"))
        return PacedClient(self.proxyd.socket, table, mailboxes.KEY, mailboxes.VALUE, per_second)

    @contextlib.contextmanager
    def streams(self, name="mailbox", clients=4):
        """Clients that get answers before the body begins, and again before they end."""
        with contextlib.ExitStack() as stack:
            asking = [stack.enter_context(self.client(name)) for _ in range(clients)]
            self.wait_for_answers(asking)
            yield asking
            self.wait_for_answers(asking)

    @staticmethod
    def wait_for_answers(clients):
        now = time.monotonic()
        wait_until(lambda: all(client.first_right_after(now) is not None for client in clients), "lookups succeed")

    def assert_none_failed(self, clients):
        self.assertEqual([client.others[:1] for client in clients if client.others], [])

    def assert_deadline_kept(self, hasty):
        """A client of the table `hasty` has got RETRY, and not before the deadline."""
        self.assertEqual({reply.status for reply in hasty.others}, {proxymap_client.RETRY})
        took = [done - begun for begun, done, right in hasty.lookups if not right]
        self.assertGreater(min(took), self.HASTY * 0.8, "a lookup was not held until its deadline")
        self.assertLess(max(took), self.HASTY + 1, "a lookup was held for longer")
