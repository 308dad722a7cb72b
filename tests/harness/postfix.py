"""A private Postfix: the installed daemons with their own configuration, queue and log."""

import grp
import os
import pwd
import re
import signal
import subprocess
import time

from . import processes
from .ports import reserve_port
from .waiting import wait_until

# The directories of daemons and commands, of the installed Postfix or of another one.
STOCK_DAEMONS = os.environ.get("PROXYD_TEST_POSTFIX_DAEMONS", "/usr/lib/postfix/sbin")
COMMANDS = os.environ.get("PROXYD_TEST_POSTFIX_COMMANDS", "/usr/sbin")

# The service that proxyd asks for tables that it does not serve itself.
STOCK_SERVICE = "proxymap-stock unix - - n - - proxymap -n proxymap"

_MASTER_CF = """\
{smtp}      inet  n - n - - smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
local     unix  - n n - - local
virtual   unix  - n n - - virtual
lmtp      unix  - - n - - lmtp
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""

# Owner, group and mode of each queue directory: "p" is the mail owner, "d" the group of the queue commands.
_QUEUE = {
    "pid": ("root", "root", 0o755),
    "private": ("p", "root", 0o700),
    "public": ("p", "d", 0o2710),
    "maildrop": ("p", "d", 0o1730),
    **{name: ("p", "root", 0o700) for name in
       ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "saved", "trace")},
}


class PostfixMissing(RuntimeError):
    """Postfix is not installed, or this user may not run it."""


def mail_owner():
    """(uid, gid) of the user that Postfix daemons run as."""
    entry = pwd.getpwnam("postfix")
    return entry.pw_uid, entry.pw_gid


def age(path):
    """Dates a file back: Postfix waits up to two seconds before it reads a file that was just written."""
    past = time.time() - 100
    os.utime(path, (past, past))


class Postfix:
    """A Postfix instance. `server` names the program that serves proxymap: see server.Server.

    main_cf: parameters beyond the minimum; proxyd_cf: the text of proxyd.cf, for proxyd;
    services: more master.cf lines; chroot: the chroot column of the proxymap services.
    """

    def __init__(self, workspace, server, main_cf=None, proxyd_cf="", services=(), name="postfix", chroot=False):
        if os.geteuid() != 0:
            raise PostfixMissing("master(8) must be started by root")
        if not os.access(f"{STOCK_DAEMONS}/master", os.X_OK):
            raise PostfixMissing(f"no {STOCK_DAEMONS}/master")
        self.server = server
        self.uid, self.gid = mail_owner()
        self.config = workspace.directory(f"{name}/etc")
        self.queue = workspace.directory(f"{name}/spool")
        self.log_file = os.path.join(workspace.directory(f"{name}/log"), "mail.log")
        self.data = workspace.directory(f"{name}/data", 0o700, (self.uid, self.gid))
        self.daemons = workspace.directory(f"{name}/daemons")
        self.smtp_port = reserve_port()
        self.tag = f"{os.path.basename(workspace.path)}-{name}"
        self._services = list(services)
        self._chroot = "y" if chroot else "n"
        self._workspace = workspace
        self._make_queue()
        self._link_daemons()
        self.main_cf = {
            "compatibility_level": "3.6",
            "queue_directory": self.queue,
            "data_directory": self.data,
            "daemon_directory": self.daemons,
            "command_directory": COMMANDS,
            "mail_owner": "postfix",
            "setgid_group": "postdrop",
            "syslog_name": self.tag,
            "maillog_file": self.log_file,
            "maillog_file_prefixes": workspace.path,
            "myhostname": "mx.test.example",
            "mydestination": "",
            "mynetworks": "192.0.2.1/32",
            "inet_interfaces": "loopback-only",
            "inet_protocols": "ipv4",
            "alias_maps": "",
            "alias_database": "",
            "local_recipient_maps": "",
            "default_transport": "discard:",
            "virtual_transport": "discard:",
            "smtpd_peername_lookup": "no",
            "smtpd_error_sleep_time": "0",
            "smtpd_soft_error_limit": "1000",
            "smtpd_hard_error_limit": "1000",
            "smtpd_client_connection_count_limit": "0",
            "smtpd_relay_restrictions": "reject_unauth_destination",
            "service_throttle_time": "1s",
        }
        self.main_cf.update(main_cf or {})
        self.write_main_cf()
        self.write_master_cf()
        if server.is_proxyd and proxyd_cf:
            self.write_proxyd_cf(proxyd_cf)
        workspace.janitor.note(f"queue {self.queue}")
        workspace.on_close(self.stop)

    def _make_queue(self):
        postdrop = grp.getgrnam("postdrop").gr_gid
        for name, (owner, group, mode) in _QUEUE.items():
            path = os.path.join(self.queue, name)
            os.mkdir(path)
            os.chown(path, self.uid if owner == "p" else 0, postdrop if group == "d" else 0)
            os.chmod(path, mode)

    def _link_daemons(self):
        for name in os.listdir(STOCK_DAEMONS):
            os.symlink(os.path.join(STOCK_DAEMONS, name), os.path.join(self.daemons, name))
        if self.server.is_proxyd:
            self.add_daemon("proxyd", self.server.binary)

    def add_daemon(self, name, target):
        """Makes a program available to master.cf under a name."""
        os.symlink(target, os.path.join(self.daemons, name))

    def _write(self, path, text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o644)
        age(path)

    def write_main_cf(self, **changes):
        """Writes main.cf with changed parameters; None removes one. Takes effect with reload()."""
        for name, value in changes.items():
            if value is None:
                self.main_cf.pop(name, None)
            else:
                self.main_cf[name] = value
        self._write(f"{self.config}/main.cf", "".join(f"{name} = {value}\n" for name, value in self.main_cf.items()))

    def write_master_cf(self):
        command = self.server.command
        lines = _MASTER_CF.format(smtp=f"127.0.0.1:{self.smtp_port}")
        lines += f"proxymap   unix - - {self._chroot} - {self.server.process_limit} {command}\n"
        lines += f"proxywrite unix - - {self._chroot} - 1 {command}\n"
        self._write(f"{self.config}/master.cf", lines + "".join(f"{line}\n" for line in self._services))

    def add_services(self, *lines):
        """Adds master.cf lines. Takes effect with reload()."""
        self._services += lines
        self.write_master_cf()

    def write_proxyd_cf(self, text):
        self._write(f"{self.config}/proxyd.cf", text)

    # Life cycle

    def command(self, *arguments, check=True, timeout=60):
        """Runs `postfix -c DIR ...`."""
        return self._run([f"{COMMANDS}/postfix", "-c", self.config, *arguments], check=check, timeout=timeout)

    @staticmethod
    def _run(arguments, check=True, timeout=60, text=None):
        environment = {"PATH": f"{COMMANDS}:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
        done = subprocess.run(arguments, env=environment, input=(text or "").encode(), capture_output=True, check=False,
                              timeout=timeout, cwd="/")
        if check and done.returncode != 0:
            complaint = done.stderr.decode(errors="replace")
            raise RuntimeError(f"{' '.join(arguments)}: status {done.returncode}\n{complaint}")
        return done

    def start(self):
        # This file makes Postfix skip its integrity check; the directories are known to be right.
        with open(f"{self.queue}/quick-start", "w", encoding="ascii"):
            pass
        self.command("start")
        wait_until(lambda: os.path.exists(self.socket()), "Postfix has made its sockets")
        return self

    def reload(self):
        """Runs `postfix reload`; returns when master(8) has read its configuration again."""
        before = self.log().count("reload -- version")
        def reloaded():
            # Master loses a signal that arrives just after it has logged the previous one, so the signal is
            # sent again.
            if time.monotonic() >= sent[-1] + 3:
                self.command("reload")
                sent.append(time.monotonic())
            return self.log().count("reload -- version") > before

        self.command("reload")
        sent = [time.monotonic()]
        wait_until(reloaded, "master logs the reload")

    def reload_and_settle(self):
        """Runs reload(); returns when all processes with the old configuration have ended."""
        before = set(self.pids(self.server.command))
        self.reload()
        wait_until(lambda: not before & set(self.pids()), "the processes of before the reload end", 20.0)

    def master_pid(self):
        try:
            with open(f"{self.queue}/pid/master.pid", encoding="ascii") as file:
                pid = int(file.read().split()[0])
        except (OSError, ValueError, IndexError):
            return None
        return pid if processes.is_alive(pid) and processes.command_line(pid)[:1] != [] else None

    def pids(self, command=None):
        """Processes of this instance; with `command`, those that master.cf starts with that command."""
        found = processes.working_in(self.queue)
        if command is not None:
            found = [pid for pid in found if os.path.basename((processes.command_line(pid) or [""])[0]) == command]
        return found

    def proxymap_pids(self):
        """The processes that serve proxymap, without those of proxywrite and others.

        Each proxyd process has a watching process in front of it, which is left out. A watching process stays
        after a reload as long as the old serving process runs.
        """
        names = {None, "proxymap"}
        pids = [pid for pid in self.pids(self.server.command) if _option(processes.command_line(pid), "-n") in names]
        in_front = {processes.parent(pid) for pid in pids}
        return [pid for pid in pids if pid not in in_front and processes.name(pid) != "proxyd-front"]

    def stop(self):
        """Ends master(8) and all processes of the instance, in whatever state they are."""
        if self.master_pid() in processes.working_in(self.queue):
            processes.send_signal(self.master_pid(), signal.SIGTERM)
        try:
            wait_until(lambda: not self.pids(), "the processes of Postfix end", 5.0)
        except AssertionError:
            for pid in self.pids():
                processes.send_signal(pid, signal.SIGKILL)
            wait_until(lambda: not self.pids(), "the killed processes of Postfix are gone", 5.0)

    # The log and postmap

    def socket(self, service="proxymap"):
        return f"{self.queue}/private/{service}"

    def log(self):
        try:
            with open(self.log_file, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def log_position(self):
        """The current end of the log, for log_since()."""
        try:
            return os.path.getsize(self.log_file)
        except FileNotFoundError:
            return 0

    def log_since(self, position):
        try:
            with open(self.log_file, "rb") as file:
                file.seek(position)
                return file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def wait_for_log(self, pattern, since=0, timeout=10.0):
        """Waits for a regular expression in the log since a position; returns the match."""
        return wait_until(lambda: re.search(pattern, self.log_since(since), re.MULTILINE), f"log says {pattern!r}",
                          timeout)

    def postmap(self, *arguments, text=None):
        """Runs `postmap -c DIR ...`; returns the finished process."""
        return self._run([f"{COMMANDS}/postmap", "-c", self.config, *arguments], check=False, text=text)


def _option(arguments, name):
    """The value after an option on a command line, or None."""
    return arguments[arguments.index(name) + 1] if name in arguments[:-1] else None
