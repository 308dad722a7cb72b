"""The common part of the test programs: choice of the server, base class of test cases, main()."""

import argparse
import os
import sys
import unittest

from . import server
from .database_server import DatabaseMissing
from .postfix import PostfixMissing
from .workspace import Workspace

SKIPPED = 77  # the exit status that CTest counts as "not run"
_chosen = None


def tested():
    """The server under test."""
    return _chosen


def not_with_stock(reason):
    """Skips a test when the tests run against the stock server, which behaves differently here."""

    def decorate(function):
        def wrapper(self, *arguments):
            if not tested().is_proxyd:
                self.skipTest(f"stock: {reason}")
            return function(self, *arguments)

        wrapper.__name__ = function.__name__
        wrapper.__doc__ = function.__doc__
        return wrapper

    return decorate


class Scenario(unittest.TestCase):
    """Test cases that share servers. Subclasses start them in `set_up_servers`, in the class's workspace."""

    longMessage = True
    maxDiff = None
    workspace = None

    @classmethod
    def setUpClass(cls):
        cls.workspace = Workspace(cls.__name__.lower())
        try:
            cls.set_up_servers()
        except BaseException as error:
            cls.workspace.close()
            missing = isinstance(error, (DatabaseMissing, PostfixMissing))
            if missing and os.environ.get("PROXYD_TEST_REQUIRED") != "1":
                print(f"not run: {error}", file=sys.stderr)
                sys.exit(SKIPPED)
            raise

    @classmethod
    def tearDownClass(cls):
        cls.workspace.close()

    @classmethod
    def set_up_servers(cls):
        raise NotImplementedError


def main():
    """Runs the tests of the calling program. Arguments: --server, and those of unittest."""
    global _chosen
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--server", choices=("proxyd", "stock"), default=os.environ.get("PROXYD_TEST_SERVER", "proxyd"))
    options, rest = parser.parse_known_args()
    _chosen = server.proxyd() if options.server == "proxyd" else server.STOCK
    print(f"server: {_chosen.kind} ({_chosen.binary})", file=sys.stderr)
    unittest.main(argv=[sys.argv[0], "-v", *rest])
