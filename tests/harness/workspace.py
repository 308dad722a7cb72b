"""The temporary directory of one test program, and all servers that run in it."""

import contextlib
import os
import shutil
import sys
import tempfile

from .janitor import Janitor


class Workspace:
    """A directory under /tmp that every user can enter. Servers register a function that stops them.

    close() calls these functions in reverse order and removes the directory. With KEEP=1 in the environment
    the directory stays.
    """

    def __init__(self, name):
        # Postfix's users must be able to read the tests' files, whatever the umask of the caller.
        os.umask(0o022)
        self.path = tempfile.mkdtemp(prefix=f"proxyd-{name}-", dir="/tmp")
        os.chmod(self.path, 0o755)
        self.janitor = Janitor()
        self.janitor.note(f"tree {self.path}")
        self._stack = contextlib.ExitStack()

    def directory(self, name, mode=0o755, owner=None):
        """Creates a directory. `owner` is a pair (uid, gid)."""
        path = os.path.join(self.path, name)
        os.makedirs(path, exist_ok=True)
        os.chmod(path, mode)
        if owner is not None:
            os.chown(path, *owner)
        return path

    def on_close(self, function, *arguments):
        self._stack.callback(function, *arguments)

    def close(self):
        try:
            self._stack.close()
        finally:
            if os.environ.get("KEEP") == "1":
                print(f"kept: {self.path}", file=sys.stderr)
            else:
                shutil.rmtree(self.path, ignore_errors=True)
            self.janitor.dismiss()
