"""A copy of this machine for tests: the same files, but all changes stay in memory and end with the copy."""

import os
import subprocess

from . import processes
from .waiting import wait_until

_SET_UP = """
set -e
mount -t tmpfs -o mode=755 tmpfs "$0"
mkdir "$0/changed" "$0/work" "$0/root"
mount -t overlay -o "lowerdir=/,upperdir=$0/changed,workdir=$0/work" overlay "$0/root"
mount -t proc proc "$0/root/proc"
mount --rbind /dev "$0/root/dev"
for directory in /tmp /run; do mount -t tmpfs tmpfs "$0/root$directory"; done
echo ready
exec cat
"""


class MachineCopyMissing(RuntimeError):
    """The kernel or the container does not allow a copy."""


class MachineCopy:
    """close() and the end of the test program end its processes and discard its files."""

    def __init__(self, workspace):
        self._place = workspace.directory("machine-copy")
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _SET_UP, self._place],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self._holder.stdout.readline() != "ready\n":
            complaint = self._holder.communicate()[1]
            raise MachineCopyMissing(f"no copy of this machine: {complaint}")
        workspace.on_close(self.close)
        (self._first,) = processes.children(self._holder.pid)

    def close(self):
        """Kills all processes that run in the copy."""
        self._holder.communicate()
        wait_until(lambda: not processes.is_alive(self._first), "the processes of the copy end")

    def run(self, *arguments, text=None, check=True):
        """Runs a program in the copy; returns its status and output."""
        done = subprocess.run(
            ["nsenter", "--target", str(self._first), "--mount", "--pid", f"--root={self.path('/')}",
             f"--wd={self.path('/')}", *arguments],
            input=text, capture_output=True, text=True, check=False, timeout=120,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"})
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(arguments)}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.returncode, done.stdout + done.stderr

    def path(self, path):
        """The path from outside to a file of the copy."""
        return f"/proc/{self._first}/root{self._place}/root{path}"

    def read(self, path):
        with open(self.path(path), "rb") as file:
            return file.read()

    def write(self, path, text, mode=0o644, group=0):
        with open(self.path(path), "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        os.chmod(self.path(path), mode)
        os.chown(self.path(path), 0, group)

    def changed(self):
        """Paths of the files that differ from those of this machine."""
        top = f"/proc/{self._first}/root{self._place}/changed"
        return {os.path.join(parent, name).removeprefix(top) for parent, _, names in os.walk(top) for name in names}
