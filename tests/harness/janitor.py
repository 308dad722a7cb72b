"""Cleans up after a test program that could not clean up itself, for example because a time limit killed it.

As a program it reads lines from its standard input, which is a pipe from the test program:

    pid N        end this process
    queue DIR    end all processes with this working directory (a Postfix instance)
    groups DIR   remove this control group and those below it
    tree DIR     remove this directory
    done         nothing is left to do

It does what the lines say when the pipe closes without "done".
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    from harness import processes
else:
    from . import processes


class Janitor:
    """The test program's end of the pipe."""

    def __init__(self):
        self._process = subprocess.Popen([sys.executable, os.path.abspath(__file__)], stdin=subprocess.PIPE,
                                         start_new_session=True)

    def note(self, line):
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def dismiss(self):
        self.note("done")
        self._process.stdin.close()
        self._process.wait()


def remove_groups(top):
    """Removes a control group and those below it, except those that still have tasks."""
    for path, _, _ in os.walk(top, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(path)


def _main():
    lines = [line.rstrip("\n").split(" ", 1) for line in sys.stdin]
    if ["done"] in lines:
        return
    keep = os.environ.get("KEEP") == "1"
    for _ in range(2):
        for line in lines:
            if line[0] == "pid":
                processes.send_signal(int(line[1]), signal.SIGQUIT)
            elif line[0] == "queue":
                for pid in processes.working_in(line[1]):
                    processes.send_signal(pid, signal.SIGKILL)
        time.sleep(0.5)
    for line in lines:
        if line[0] == "groups":
            remove_groups(line[1])
        elif line[0] == "tree" and not keep:
            shutil.rmtree(line[1], ignore_errors=True)


if __name__ == "__main__":
    _main()
