"""Counts system calls with strace."""

import re
import signal
import subprocess
import sys
import tempfile

from harness import processes
from harness.waiting import wait_until


def count(pids, work):
    """The system calls that these processes and their children make during work(), and its result; None for the
    calls if strace refuses.
    """
    with tempfile.NamedTemporaryFile("r") as summary:
        arguments = ["strace", "-f", "-c", "-q", "-o", summary.name]
        for pid in pids:
            arguments += ["-p", str(pid)]
        strace = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            wait_until(lambda: strace.poll() is not None or all(_is_traced(pid) for pid in pids), "strace attaches")
            if strace.poll() is not None:
                print(f"  strace: {strace.stderr.read().decode(errors='replace').strip()}", file=sys.stderr)
                return None, None
            result = work()
        finally:
            processes.send_signal(strace.pid, signal.SIGINT)
            strace.wait()
            strace.stderr.close()
        # % time, seconds, usecs/call, calls, [errors,] name
        rows = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(?!total)\w+$", summary.read(), re.MULTILINE)
    return sum(map(int, rows)), result


def _is_traced(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            return "TracerPid:\t0\n" not in file.read()
    except OSError:
        return True
