#!/usr/bin/env python3
"""run_with_postgres.py COMMAND [ARGUMENT...]: runs a command beside a private PostgreSQL, returns its exit status.

The command finds in its environment:

    PROXYD_TEST_PG_PORT         the port on 127.0.0.1
    PROXYD_TEST_PG_SOCKET_DIR   the directory of the UNIX-domain socket (also PGHOST)
    PROXYD_TEST_PG_DATA         the data directory
    PROXYD_TEST_PG_CTL          a program: start [OPTION...], stop (immediate), stop fast, restart [OPTION...]; returns
                                when that is done; the options are those of postgres, without dashes
    PGHOST PGPORT PGUSER PGDATABASE   so that psql and libpq reach it without arguments

The superuser is "postgres" and needs no password. Exit status 77: there is no PostgreSQL to start.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from harness.postgres import Postgres
from harness.run_beside import run_beside


def environment(postgres, ctl):
    return {
        "PROXYD_TEST_PG_PORT": str(postgres.port),
        "PROXYD_TEST_PG_SOCKET_DIR": postgres.socket_directory,
        "PROXYD_TEST_PG_DATA": postgres.data,
        "PROXYD_TEST_PG_CTL": ctl,
        "PGHOST": postgres.socket_directory,
        "PGPORT": str(postgres.port),
        "PGUSER": postgres.SUPERUSER,
        "PGDATABASE": "postgres",
    }


if __name__ == "__main__":
    sys.exit(run_beside(Postgres, environment, __doc__))
