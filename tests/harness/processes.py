"""What /proc tells about processes, and ending them by their id."""

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
    """The process id of the parent; None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return int(stat.read().rpartition(")")[2].split()[1])
    except OSError:
        return None


def children(pid):
    """Ids of the processes whose parent this is."""
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and parent(int(entry)) == pid]


def name(pid):
    """The name that the process has given itself; "" when it is gone."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().removesuffix("\n")
    except OSError:
        return ""


def command_line(pid):
    """The arguments, or [] when the process is gone."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return [argument.decode(errors="replace") for argument in file.read().split(b"\0")[:-1]]
    except OSError:
        return []


def working_in(directory):
    """Ids of the processes whose working directory is `directory`, zombies left out."""
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
    """User and system time the process has used."""
    with open(f"/proc/{pid}/stat", "rb") as stat:
        fields = stat.read().rsplit(b")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descriptors(pid, without=None):
    """How many files and sockets the process has open, save those of the file `without`."""
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
    """The most that it ever had."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        (line,) = (line for line in file if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024


def memory_mib(pids):
    """Their proportional set sizes: what they share counts once."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                total += int(re.search(r"^Pss:\s+(\d+) kB", file.read(), re.MULTILINE).group(1))
        except (OSError, AttributeError):
            continue  # it has just ended
    return total / 1024


def send_signal(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def end(pid, timeout=5.0):
    """SIGTERM, and SIGKILL when that does not help."""
    send_signal(pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    if is_alive(pid):
        send_signal(pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(pid), f"process {pid} ends", 5.0)
