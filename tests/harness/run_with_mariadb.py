#!/usr/bin/env python3
"""run_with_mariadb.py COMMAND [ARGUMENT...]: runs a command beside a private MariaDB, returns its exit status.

The command finds in its environment:

    PROXYD_TEST_MYSQL_PORT      the port on 127.0.0.1
    PROXYD_TEST_MYSQL_SOCKET    the UNIX-domain socket
    PROXYD_TEST_MYSQL_CTL       a program: start [OPTION...], stop (immediate), stop fast, restart [OPTION...]; returns
                                when that is done; the options are those of mariadbd, without dashes
    PROXYD_TEST_MYSQL_USER PROXYD_TEST_MYSQL_PASSWORD   an account that may do everything

"root" needs no password on the socket. Exit status 77: there is no MariaDB to start.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from harness.mariadb import Mariadb
from harness.run_beside import run_beside


def environment(mariadb, ctl):
    return {
        "PROXYD_TEST_MYSQL_PORT": str(mariadb.port),
        "PROXYD_TEST_MYSQL_SOCKET": mariadb.socket,
        "PROXYD_TEST_MYSQL_CTL": ctl,
        "PROXYD_TEST_MYSQL_USER": mariadb.USER,
        "PROXYD_TEST_MYSQL_PASSWORD": mariadb.PASSWORD,
    }


if __name__ == "__main__":
    sys.exit(run_beside(Mariadb, environment, __doc__))
