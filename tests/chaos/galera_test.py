#!/usr/bin/env python3
"""Nodes of a Galera cluster that are killed, rejoin, or accept connections but no queries."""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from harness import mailboxes, scenario
from harness.galera import GaleraCluster
from harness.outage import Outage
from harness.waiting import wait_until

_BACK = 3.0  # seconds, for recoveries that take about one


class GaleraTest(Outage):
    @classmethod
    def set_up_servers(cls):
        cls.cluster = GaleraCluster(cls.workspace).start()
        mailboxes.fill(cls.cluster.nodes[0])
        ports = [node.port for node in cls.cluster.nodes]
        # Queries take long enough to be under way when a node fails.
        cls.set_up_tables("mysql", ports, slow="(SELECT * FROM mailbox) AS mailbox JOIN (SELECT SLEEP(0.05)) AS nap")

    def wait_until_used(self, *nodes):
        wait_until(lambda: all(self.used(node) for node in nodes), "the nodes are used", _BACK)

    @staticmethod
    def used(node):
        # MariaDB does not show the user of a connection before the login.
        return int(node.sql("SELECT COUNT(*) FROM information_schema.processlist "
                            f"WHERE user = '{mailboxes.READER}' AND db = '{mailboxes.DATABASE}'")[0][0]) > 0

    def test_nodes_that_are_killed_and_rejoin_in_turn(self):
        with self.streams() as quick, self.streams("slow", 8) as slow:
            self.wait_until_used(*self.cluster.nodes)
            for node in self.cluster.nodes:
                self.cluster.stop(node)
                node.start()
                wait_until(node.synced, "the node rejoins", 30.0)
                self.wait_until_used(node)
        self.assert_none_failed(quick + slow)
        self.assertLess(max(client.longest for client in quick + slow), 2.0)

    def test_a_node_that_refuses_queries(self):
        node = self.cluster.nodes[-1]
        with self.streams() as quick, self.streams("slow", 8) as slow:
            self.wait_until_used(node)
            attempts = self.attempts(node)
            node.refuse()
            time.sleep(3)
            attempts = self.attempts(node) - attempts
            node.refuse(False)
            self.wait_until_used(node)
        self.assert_none_failed(quick + slow)
        self.assertLess(max(client.longest for client in quick + slow), 2.0)
        self.assertGreater(attempts, 2, "the node is not tried again and again")
        self.assertLess(attempts, 60, "the node is tried all the time")

    @staticmethod
    def attempts(node):
        return int(node.sql("SHOW GLOBAL STATUS LIKE 'Connections'")[0][1])

    def test_one_that_is_left_of_three(self):
        one, *others = self.cluster.nodes
        with self.streams() as patient, self.streams("hasty", 1) as (hasty,):
            for node in others:
                node.stop("immediate")
            wait_until(one.lost_the_others, "the node notices that it is alone")
            hasty_failed = hasty.failed
            wait_until(lambda: hasty.failed > hasty_failed, "a lookup meets its deadline", 3.0)
            one.go_on_alone()
            self.wait_for_answers([*patient, hasty])
            for node in others:
                node.start()
            self.cluster.wait_until_synced()
            self.wait_until_used(*others)
        self.assert_none_failed(patient)
        self.assert_deadline_kept(hasty)


if __name__ == "__main__":
    scenario.main()
