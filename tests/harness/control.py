"""The control socket of a running proxyd, beside the socket that it serves."""

import json
import socket


def ask(service_socket, command, **members):
    """Sends a request to the control socket; returns the reply as a dictionary."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(f"{service_socket}.control")
        connection.sendall(json.dumps({"command": command, **members}).encode() + b"\n")
        with connection.makefile(encoding="utf-8") as reply:
            return json.load(reply)
