"""A private Galera cluster of MariaDB servers on the loopback address."""

import os
import shutil
import signal

from . import processes
from .database_server import DatabaseMissing
from .mariadb import Mariadb
from .ports import reserve_port
from .waiting import wait_until

_PROVIDER = "/usr/lib/galera/libgalera_smm.so"
_COPYING = ("wsrep_sst_rsync", "rsync")


class GaleraNode(Mariadb):
    """One node of the cluster. It starts empty and gets its data from the others when it joins."""

    NAME = "MariaDB with Galera"
    group_port = None  # the port for the other nodes; set before the first start

    def __init__(self, workspace, name):
        self._first = False
        super().__init__(workspace, name)
        self._prepared = True  # the first node has prepared the data
        self._transfer_ports = reserve_port(), reserve_port()
        # The janitor ends the programs that copy data, too: they share the server's working directory.
        workspace.janitor.note(f"queue {self.data}")

    def _install_arguments(self):
        return ["/bin/mkdir", self.data]

    def join(self, ports):
        """Tells the node the addresses of all nodes, including its own."""
        self._options += [f"wsrep-cluster-address=gcomm://{','.join(f'127.0.0.1:{port}' for port in ports)}"]

    def _server_options(self):
        incremental, whole = self._transfer_ports
        provider = {"gmcast.listen_addr": f"tcp://127.0.0.1:{self.group_port}", "base_port": self.group_port,
                    "base_host": "127.0.0.1", "ist.recv_addr": f"127.0.0.1:{incremental}", "gcache.size": "8M",
                    # The other nodes continue without this one after two seconds.
                    "evs.suspect_timeout": "PT2S", "evs.inactive_timeout": "PT4S", "evs.keepalive_period": "PT0.5S"}
        return [*(option for option in super()._server_options() if option != "skip-log-bin"),
                "wsrep-on=ON", "binlog-format=ROW", "innodb-autoinc-lock-mode=2", f"wsrep-provider={_PROVIDER}",
                f"wsrep-node-address=127.0.0.1:{self.group_port}", "wsrep-sst-method=rsync",
                f"wsrep-sst-receive-address=127.0.0.1:{whole}",
                f"wsrep-provider-options={';'.join(f'{name}={value}' for name, value in provider.items())}"]

    def stop(self, mode="immediate"):
        super().stop(mode)
        for pid in processes.working_in(self.data):
            processes.send_signal(pid, signal.SIGKILL)

    def _status(self, name):
        return self.sql(f"SHOW STATUS LIKE 'wsrep_{name}'")[0][1]

    def synced(self):
        return self._status("ready") == "ON" and self._status("local_state_comment") == "Synced"

    def sees(self):
        """The number of nodes that this node sees in the cluster."""
        return int(self._status("cluster_size"))

    def lost_the_others(self):
        """Accepts connections but no queries: the other nodes may have newer data."""
        return self._status("ready") == "OFF"

    def refuse(self, refuse=True):
        """Makes the node refuse queries, as a node does that is not in sync with the others."""
        self.sql(f"SET GLOBAL wsrep_reject_queries = {'ALL' if refuse else 'NONE'}")

    def go_on_alone(self):
        """Makes the node the primary component, after it has lost the others. Other nodes can join it."""
        self.sql("SET GLOBAL wsrep_provider_options = 'pc.bootstrap=1'")


class FirstGaleraNode(GaleraNode):
    """The node with the first data. The other nodes copy it."""

    def __init__(self, workspace, name):
        super().__init__(workspace, name)
        self._prepared = False

    def _install_arguments(self):
        return Mariadb._install_arguments(self)  # pylint: disable=protected-access


class GaleraCluster:
    """Three nodes that have joined each other."""

    def __init__(self, workspace):
        if not os.access(_PROVIDER, os.R_OK):
            raise DatabaseMissing(f"no {_PROVIDER}")
        for program in _COPYING:
            if shutil.which(program) is None:
                raise DatabaseMissing(f"no {program}")
        self.nodes = [FirstGaleraNode(workspace, "galera1"), *(GaleraNode(workspace, f"galera{n}") for n in (2, 3))]
        ports = [reserve_port() for _ in self.nodes]
        for node, port in zip(self.nodes, ports):
            node.group_port = port
            node.join(ports)

    def start(self):
        self.nodes[0].start(["wsrep-new-cluster"])
        for node in self.nodes[1:]:
            node.start()
        self.wait_until_synced()
        return self

    def stop(self, node):
        """Kills the node; returns when the other two continue without it."""
        node.stop("immediate")
        wait_until(lambda: all(other.sees() == 2 for other in self.nodes if other is not node),
                   "the others go on without it", 15.0, 0.05)

    def wait_until_synced(self):
        wait_until(lambda: all(node.synced() for node in self.nodes), "all nodes are synced", 30.0, 0.05)
