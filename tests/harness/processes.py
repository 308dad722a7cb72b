"""Reads /proc, and ends processes by their id."""

import os
import re
import signal
import time

from .waiting import wait_until


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rsplit(b")", 1)[1].split()[0] != b"Z"
    except OSError:
        return False


def parent(pid):
    """The process id of the parent; None if the process does not exist."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return int(stat.read().rpartition(")")[2].split()[1])
    except OSError:
        return None


def children(pid):
    """Ids of the child processes."""
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and parent(int(entry)) == pid]


def family(pid):
    """Ids of the process and all its descendants. A process that is gone is left out with those below it."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (above := parent(int(entry))) is not None:
            parents.setdefault(above, []).append(int(entry))
    found = [pid] if is_alive(pid) else []
    for one in found:
        found += parents.get(one, [])
    return found


def name(pid):
    """The name that the process has given itself; "" if the process is gone."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().removesuffix("\n")
    except OSError:
        return ""


def command_line(pid):
    """The command line arguments; [] if the process is gone."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return [argument.decode(errors="replace") for argument in file.read().split(b"\0")[:-1]]
    except OSError:
        return []


def working_in(directory):
    """Ids of the processes with this working directory, except zombies."""
    directory = os.path.realpath(directory)
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            if os.readlink(f"/proc/{entry}/cwd") == directory and is_alive(int(entry)):
                found.append(int(entry))
        except OSError:
            continue
    return found


def cpu_seconds(pid):
    """User and system time of the process, in seconds."""
    with open(f"/proc/{pid}/stat", "rb") as stat:
        fields = stat.read().rsplit(b")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descriptors(pid, without=None):
    """The number of open descriptors of the process, except those of the file `without`."""
    count = 0
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            count += os.readlink(f"/proc/{pid}/fd/{number}") != without
        except FileNotFoundError:
            pass  # closed meanwhile
    return count


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peak_resident_bytes(pid):
    """The highest resident size that the process has had."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        (line,) = (line for line in file if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024


def memory_mib(pids):
    """The sum of the proportional set sizes; shared memory counts once."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                total += int(re.search(r"^Pss:\s+(\d+) kB", file.read(), re.MULTILINE).group(1))
        except (OSError, AttributeError):
            continue  # has just ended
    return total / 1024


def send_signal(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def end(pid, timeout=5.0):
    """Sends SIGTERM, then SIGKILL if the process does not end in time."""
    send_signal(pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    if is_alive(pid):
        send_signal(pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(pid), f"process {pid} ends", 5.0)
