#!/usr/bin/env python3
"""run_with_postgres.py COMMAND [ARGUMENT...]: runs a command beside a private PostgreSQL, returns its exit status.

The command finds in its environment:

    PROXYD_TEST_PG_PORT         the port on 127.0.0.1
    PROXYD_TEST_PG_SOCKET_DIR   the directory of the UNIX-domain socket (also PGHOST)
    PROXYD_TEST_PG_DATA         the data directory
    PROXYD_TEST_PG_CTL          a program: start, stop (immediate), stop fast, restart; returns when that is done
    PGHOST PGPORT PGUSER PGDATABASE   so that psql and libpq reach it without arguments

The superuser is "postgres" and needs no password. Exit status 77: there is no PostgreSQL to start.
"""

import os
import signal
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from harness.postgres import Postgres, PostgresMissing
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


def _obey(postgres, words):
    if words == ["start"]:
        if not postgres.running:
            postgres.start()
    elif words == ["stop"]:
        postgres.stop()
    elif words == ["stop", "fast"]:
        postgres.stop("fast")
    elif words == ["restart"]:
        postgres.restart()
    else:
        return "usage: start | stop [fast] | restart"
    return "done"


def _serve(listener, postgres):
    while True:
        connection, _ = listener.accept()
        with connection, connection.makefile("rw") as stream:
            try:
                answer = _obey(postgres, stream.readline().split())
            except Exception as error:  # pylint: disable=broad-except
                answer = f"{type(error).__name__}: {error}"
            stream.write(answer + "\n")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    workspace = Workspace("database")
    try:
        try:
            postgres = Postgres(workspace).start()
        except PostgresMissing as error:
            print(f"not run: {error}", file=sys.stderr)
            return 1 if os.environ.get("PROXYD_TEST_REQUIRED") == "1" else 77
        control = f"{workspace.path}/control"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(control)
        listener.listen()
        threading.Thread(target=_serve, args=(listener, postgres), daemon=True).start()
        script = f"{workspace.path}/pg_ctl"
        with open(script, "w", encoding="utf-8") as file:
            file.write(_CTL.format(python=sys.executable, path=control))
        os.chmod(script, 0o755)
        environment = {
            **os.environ,
            "PROXYD_TEST_PG_PORT": str(postgres.port),
            "PROXYD_TEST_PG_SOCKET_DIR": postgres.socket_directory,
            "PROXYD_TEST_PG_DATA": postgres.data,
            "PROXYD_TEST_PG_CTL": script,
            "PGHOST": postgres.socket_directory,
            "PGPORT": str(postgres.port),
            "PGUSER": postgres.SUPERUSER,
            "PGDATABASE": "postgres",
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
