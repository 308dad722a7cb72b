"""The tested program: proxyd, or the stock proxymap when the tests themselves are checked."""

import glob
import os
import re
import subprocess

from .postfix import COMMANDS, STOCK_DAEMONS


class Server:
    """`kind` is "proxyd" or "stock"."""

    def __init__(self, kind, binary=None):
        self.kind = kind
        self.binary = binary
        self.is_proxyd = kind == "proxyd"
        self.command = "proxyd" if self.is_proxyd else "proxymap"
        # proxyd needs one process per service; the stock server needs many to serve many.
        self.process_limit = "1" if self.is_proxyd else "-"


STOCK = Server("stock", f"{STOCK_DAEMONS}/proxymap")


def proxyd():
    """The proxyd that PROXYD_BINARY names, or else the newest one under build*/."""
    binary = os.environ.get("PROXYD_BINARY")
    if not binary:
        root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        built = glob.glob(f"{root}/build*/**/proxyd/proxyd", recursive=True)
        if not built:
            raise FileNotFoundError("no proxyd found: set PROXYD_BINARY")
        binary = max(built, key=os.path.getmtime)
    if not os.access(binary, os.X_OK):
        raise FileNotFoundError(f"PROXYD_BINARY is not a program: {binary}")
    return Server("proxyd", os.path.abspath(binary))


def postfix_version():
    """(major, minor) of the installed Postfix."""
    done = subprocess.run([f"{COMMANDS}/postconf", "-d", "-h", "mail_version"], capture_output=True, check=True)
    return tuple(int(part) for part in re.match(r"(\d+)\.(\d+)", done.stdout.decode()).groups())
