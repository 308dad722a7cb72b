"""Starts a daemon as master(8) does, so that tests control its descriptors and environment."""

import fcntl
import os
import socket
import struct
import subprocess

STATUS_DESCRIPTOR = 5
LISTEN_DESCRIPTOR = 6
TAKEN, AVAILABLE = 0, 1


class FakeMaster:
    """One daemon process with its own status channel and listening socket.

    `environment` is the environment that master(8) passes on, except for the configuration directory.
    """

    def __init__(self, binary, arguments, config, queue, socket_path, environment=None):
        self.path = socket_path
        self.status, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(socket_path)
        self.listener.listen(100)
        self.listener.setblocking(False)
        os.chmod(socket_path, 0o666)
        flow_read, flow_write = os.pipe()
        # The copies get high numbers, so that no descriptor is overwritten before it is copied to its place.
        sources = [os.dup(fd) for fd in (flow_read, flow_write, theirs.fileno(), self.listener.fileno())]
        high = [self._above(fd) for fd in sources]

        def place_descriptors():
            for target, source in zip((3, 4, STATUS_DESCRIPTOR, LISTEN_DESCRIPTOR), high):
                os.dup2(source, target, inheritable=True)

        self.process = subprocess.Popen(
            [binary, *arguments], executable=binary, cwd=queue, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, preexec_fn=place_descriptors,
            pass_fds=(3, 4, STATUS_DESCRIPTOR, LISTEN_DESCRIPTOR),
            env={"MAIL_CONFIG": config, "LANG": "C", **(environment or {})})
        theirs.close()
        for fd in (flow_read, flow_write, *sources, *high):
            os.close(fd)

    @staticmethod
    def _above(fd):
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100)

    def records(self, count, timeout=5.0):
        """The next status records: (pid, generation, TAKEN or AVAILABLE)."""
        self.status.settimeout(timeout)
        data = b""
        while len(data) < 12 * count:
            chunk = self.status.recv(12 * count - len(data))
            if not chunk:
                break
            data += chunk
        return [struct.unpack("=iIi", data[start:start + 12]) for start in range(0, len(data), 12)]

    def vanish(self):
        """Closes the status channel, as it looks to the daemon when master(8) is gone."""
        self.status.close()

    def close(self):
        for item in (self.status, self.listener):
            item.close()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5.0)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
