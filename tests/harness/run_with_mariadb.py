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
import signal
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from harness.mariadb import Mariadb, MariadbMissing
from harness.workspace import Workspace

# Only the server's parent can wait for it, so start and stop go through this program, over a socket.
_CTL = """\
#!{python}
import socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect({path!r})
connection.sendall(" ".join(sys.argv[1:]).encode() + b"\\n")
answer = connection.makefile().read().strip()
if answer != "done":
    sys.exit(answer or "no answer")
"""


def _obey(mariadb, words):
    if words[:1] == ["start"]:
        if not mariadb.running:
            mariadb.start(words[1:])
    elif words == ["stop"]:
        mariadb.stop()
    elif words == ["stop", "fast"]:
        mariadb.stop("fast")
    elif words[:1] == ["restart"]:
        mariadb.restart(options=words[1:])
    else:
        return "usage: start [OPTION...] | stop [fast] | restart [OPTION...]"
    return "done"


def _serve(listener, mariadb):
    while True:
        connection, _ = listener.accept()
        with connection, connection.makefile("rw") as stream:
            try:
                answer = _obey(mariadb, stream.readline().split())
            except Exception as error:  # pylint: disable=broad-except
                answer = f"{type(error).__name__}: {error}"
            stream.write(answer + "\n")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    workspace = Workspace("database")
    try:
        try:
            mariadb = Mariadb(workspace).start()
        except MariadbMissing as error:
            print(f"not run: {error}", file=sys.stderr)
            return 1 if os.environ.get("PROXYD_TEST_REQUIRED") == "1" else 77
        control = f"{workspace.path}/control"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(control)
        listener.listen()
        threading.Thread(target=_serve, args=(listener, mariadb), daemon=True).start()
        script = f"{workspace.path}/mariadb_ctl"
        with open(script, "w", encoding="utf-8") as file:
            file.write(_CTL.format(python=sys.executable, path=control))
        os.chmod(script, 0o755)
        environment = {
            **os.environ,
            "PROXYD_TEST_MYSQL_PORT": str(mariadb.port),
            "PROXYD_TEST_MYSQL_SOCKET": mariadb.socket,
            "PROXYD_TEST_MYSQL_CTL": script,
            "PROXYD_TEST_MYSQL_USER": mariadb.USER,
            "PROXYD_TEST_MYSQL_PASSWORD": mariadb.PASSWORD,
        }
        command = subprocess.Popen(sys.argv[1:], env=environment)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda received, _: command.send_signal(received))
        status = command.wait()
        return status if status >= 0 else 128 - status
    finally:
        workspace.close()


if __name__ == "__main__":
    sys.exit(main())
