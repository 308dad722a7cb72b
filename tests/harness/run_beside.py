"""Runs a command beside a private database server, for run_with_postgres.py and run_with_mariadb.py."""

import os
import signal
import socket
import subprocess
import sys
import threading

from .database_server import DatabaseMissing
from .scenario import SKIPPED
from .workspace import Workspace

# Only its parent process can wait for the server, so this program starts and stops it for the command, over a
# socket.
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


def _obey(server, words):
    if words[:1] == ["start"]:
        server.start(words[1:])
    elif words == ["stop"]:
        server.stop()
    elif words in (["stop", "fast"], ["stop", "immediate"]):
        server.stop(words[1])
    elif words[:1] == ["restart"]:
        server.restart(options=words[1:])
    else:
        return "usage: start [OPTION...] | stop [fast | immediate] | restart [OPTION...]"
    return "done"


def _serve(listener, server):
    while True:
        connection, _ = listener.accept()
        with connection, connection.makefile("rw") as stream:
            try:
                answer = _obey(server, stream.readline().split())
            except Exception as error:  # pylint: disable=broad-except
                answer = f"{type(error).__name__}: {error}"
            stream.write(answer + "\n")


def _make_ctl(workspace, server):
    """Starts to listen for orders; returns the path of the program that sends them."""
    path = f"{workspace.path}/control"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    threading.Thread(target=_serve, args=(listener, server), daemon=True).start()
    script = f"{workspace.path}/ctl"
    with open(script, "w", encoding="utf-8") as file:
        file.write(_CTL.format(python=sys.executable, path=path))
    os.chmod(script, 0o755)
    return script


def run_beside(server_class, environment, usage):
    """Runs the command in sys.argv with environment(server, ctl program) added; returns its exit status."""
    if len(sys.argv) < 2:
        sys.exit(usage)
    workspace = Workspace("database")
    try:
        try:
            server = server_class(workspace).start()
        except DatabaseMissing as error:
            print(f"not run: {error}", file=sys.stderr)
            return 1 if os.environ.get("PROXYD_TEST_REQUIRED") == "1" else SKIPPED
        ctl = _make_ctl(workspace, server)
        command = subprocess.Popen(sys.argv[1:], env={**os.environ, **environment(server, ctl)})
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda received, _: command.send_signal(received))
        status = command.wait()
        return status if status >= 0 else 128 - status
    finally:
        workspace.close()
