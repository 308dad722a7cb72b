"""Finds the programs that were built last."""

import glob
import os
import sys

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def newest(program):
    """The newest program of this name under build*/; without one, the calling program ends."""
    built = glob.glob(f"{_ROOT}/build*/**/{program}", recursive=True)
    if not built:
        sys.exit(f"{os.path.basename(sys.argv[0])}: no {program} under build*/: build it, or name it")
    return os.path.abspath(max(built, key=os.path.getmtime))
