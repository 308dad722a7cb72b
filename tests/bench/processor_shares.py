"""Gives processes and threads a share of a processor each, by the kernel's cpu controller.

Every task (a process of one thread, or a thread) has a control group of its own with a quota. The controller
may be that of cgroup v1 or v2.
"""

import contextlib
import os
import threading

from harness import processes
from harness.janitor import remove_groups

_INTERVAL = 0.05  # seconds between two looks for new tasks
_PERIOD_US = 10000  # short, so that a task is slow, rather than fast and then away
_LEAST_QUOTA_US = 1000  # the kernel takes no less


class Unavailable(RuntimeError):
    """The cpu controller cannot be used here."""


def _mounts():
    """[(mount point, type, options)]"""
    with open("/proc/self/mounts", encoding="utf-8") as file:
        return [(fields[1], fields[2], fields[3].split(",")) for fields in map(str.split, file)]


def _write(path, value):
    with open(path, "w", encoding="ascii") as file:
        file.write(str(value))


class _Version1:
    """Any thread may be in any group."""

    tasks = "tasks"

    def __init__(self, root):
        self.root = root

    def prepare(self, _top):
        pass

    def make(self, group):
        os.mkdir(group)

    def limit(self, group, quota, period):
        _write(f"{group}/cpu.cfs_quota_us", -1)
        _write(f"{group}/cpu.cfs_period_us", period)
        _write(f"{group}/cpu.cfs_quota_us", -1 if quota is None else quota)

    def welcome(self, _top, _pid):
        pass

    def dismiss(self, tid):
        _write(f"{self.root}/tasks", tid)


class _Version2:
    """The threads of a process may be in different groups if these are threaded and below one domain."""

    tasks = "cgroup.threads"

    def __init__(self, root):
        self.root = root

    def prepare(self, top):
        with contextlib.suppress(OSError):  # refused if it is on already, on some kernels
            _write(f"{self.root}/cgroup.subtree_control", "+cpu")
        # The first threaded child makes `top` the domain of all.
        os.mkdir(f"{top}/first")
        _write(f"{top}/first/cgroup.type", "threaded")
        _write(f"{top}/cgroup.subtree_control", "+cpu")

    def make(self, group):
        os.mkdir(group)
        _write(f"{group}/cgroup.type", "threaded")

    def limit(self, group, quota, period):
        _write(f"{group}/cpu.max", f"{'max' if quota is None else quota} {period}")

    def welcome(self, top, pid):
        _write(f"{top}/cgroup.procs", pid)

    def dismiss(self, tid):
        _write(f"{self.root}/cgroup.procs", tid)


def _controller():
    """The version that has the cpu controller."""
    for path, kind, options in _mounts():
        if kind == "cgroup" and "cpu" in options:
            return _Version1(path)
    for path, kind, _ in _mounts():
        if kind == "cgroup2":
            with open(f"{path}/cgroup.controllers", encoding="ascii") as file:
                if "cpu" in file.read().split():
                    return _Version2(path)
    raise Unavailable("no cgroup file system (v1 or v2) with the cpu controller is mounted")


class ProcessorShares:
    """The groups. A process that is adopted gets one for each of its threads, and so do, within a moment, all
    threads and processes that descend from it: until then they have a part of their parent's share.
    """

    def __init__(self, workspace, name):
        self._lock = threading.Lock()
        self._groups = []
        self._made = 0
        self._share = None
        if os.geteuid() != 0:
            raise Unavailable("only root may use the cpu controller")
        self._version = _controller()
        self._top = f"{self._version.root}/{name}-{os.getpid()}"
        try:
            os.mkdir(self._top)
            workspace.janitor.note(f"groups {self._top}")
            workspace.on_close(self.close)
            self._version.prepare(self._top)
            os.rmdir(self._new_group())
        except OSError as error:
            raise Unavailable(f"the cpu controller refuses: {error}") from error
        self._groups.clear()
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._watch_tasks, daemon=True)
        self._watch.start()

    def set_share(self, share):
        """`share` of a processor for each task from now on; from 1 on there is no limit."""
        with self._lock:
            self._share = share
            for group in self._groups:
                self._limit(group)

    def adopt(self, pid):
        """Gives the process and all its descendants their groups."""
        adopted = set()
        # What a process forks after the first look, before it has its group, is found by the second.
        for _ in range(2):
            for one in processes.family(pid):
                if one not in adopted:
                    adopted.add(one)
                    with self._lock:
                        self._adopt(one)

    def _adopt(self, pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # has ended
            self._version.welcome(self._top, pid)
            for tid in os.listdir(f"/proc/{pid}/task"):
                self._move(tid)

    def tasks(self):
        """The number of tasks that have a group."""
        with self._lock:
            return len(self._groups)

    def _limit(self, group):
        if self._share is None or self._share >= 1:
            self._version.limit(group, None, _PERIOD_US)
        else:
            period = max(_PERIOD_US, round(_LEAST_QUOTA_US / self._share + 0.5))
            self._version.limit(group, round(period * self._share), period)

    def _new_group(self):
        self._made += 1
        group = f"{self._top}/{self._made}"
        self._version.make(group)
        self._groups.append(group)
        self._limit(group)
        return group

    def _move(self, tid):
        with contextlib.suppress(ProcessLookupError):  # has ended; its group is removed with the next look
            _write(f"{self._new_group()}/{self._version.tasks}", tid)

    def _watch_tasks(self):
        while not self._ended.wait(_INTERVAL):
            with self._lock:
                self._look()

    def _look(self):
        """A new task is in the group of its parent."""
        for group in list(self._groups):
            tids = self._tasks_of(group)
            for tid in tids[1:]:
                self._move(tid)
            if not tids:
                with contextlib.suppress(OSError):  # its last task is still ending
                    os.rmdir(group)
                    self._groups.remove(group)

    def _tasks_of(self, group):
        with open(f"{group}/{self._version.tasks}", encoding="ascii") as file:
            return sorted(file.read().split(), key=int)

    def close(self):
        """Takes the limits away from all tasks."""
        if hasattr(self, "_watch"):
            self._ended.set()
            self._watch.join()
        for group in self._groups:
            for tid in self._tasks_of(group):
                with contextlib.suppress(OSError):
                    self._version.dismiss(tid)
        remove_groups(self._top)

