"""A private Postfix with little more than its proxymap service, for benchmarks."""

from .postfix import Postfix

_MASTER_CF = """\
proxymap unix - - n - {limit} {command}
postlog unix-dgram n - n - 1 postlogd
"""


class ProxymapOnly(Postfix):
    """A Postfix that runs only its proxymap service and its log."""

    def write_master_cf(self):
        self._write(f"{self.config}/master.cf",
                    _MASTER_CF.format(limit=self.server.process_limit, command=self.server.command) +
                    "".join(f"{line}\n" for line in self._services))
