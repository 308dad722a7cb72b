"""The database's own benchmark tools for `compare`, and the relay that makes a database distant."""

import os
import random
import re
import subprocess

from bench.compare_mail import DATABASE, PASSWORD, QUERY, address
from harness.ports import reserve_port
from harness.waiting import wait_until

CONNECTIONS = 8  # like proxyd's pool_size
DEPTH = 16  # like proxyd's pipeline_depth


def _output_of(arguments):
    done = subprocess.run(arguments, capture_output=True, check=False, text=True, env={**os.environ, "LC_ALL": "C"})
    if done.returncode != 0:
        raise RuntimeError(f"{os.path.basename(arguments[0])}: {done.stderr}")
    return done.stdout


class Pgbench:
    """Asks for random mailboxes, several at a time on each connection."""

    name = "pgbench"
    how = f"-M prepared, {CONNECTIONS} connections, {DEPTH} lookups sent ahead with one sync (proxyd: up to 8)"

    # A pgbench variable is a number, so the query builds the address.
    _PICK = "\\set n random(1, {mailboxes})\n\\set domain :n % 1000\n"
    _SELECT = "SELECT destination FROM mailbox WHERE address = 'user' || :n || '@domain' || :domain || '.example';\n"

    def __init__(self, workspace, database, mailboxes):
        server = database.server
        database.add_reader(self.name)
        script = os.path.join(workspace.path, "pgbench.sql")
        with open(script, "w", encoding="ascii") as file:
            picked = self._PICK.format(mailboxes=mailboxes) + self._SELECT
            file.write("\\startpipeline\n" + picked * DEPTH + "\\endpipeline\n")
        self._program = f"{server.bin}/pgbench"
        self._arguments = [self._program, "-M", "prepared", "-n", "-c", str(CONNECTIONS), "-j", "1", "-f", script,
                           "-h", server.host, "-p", str(server.port), "-U", self.name, DATABASE]

    def is_installed(self):
        return os.access(self._program, os.X_OK)

    def measure(self, seconds):
        output = _output_of([*self._arguments, "-T", str(max(1, round(seconds)))])
        return {"per_second": DEPTH * float(re.search(r"^tps = ([\d.]+)", output, re.MULTILINE).group(1))}


class Mysqlslap:
    """Asks for random mailboxes from a file."""

    name = "mysqlslap"
    how = f"{CONNECTIONS} connections, queries as text"
    _PROGRAMS = ("/usr/bin/mariadb-slap", "/usr/bin/mysqlslap")
    _TRIAL = 20000  # queries, to find out how many fill the time

    def __init__(self, workspace, database, mailboxes):
        server = database.server
        database.add_reader(self.name)
        queries = os.path.join(workspace.path, "mysqlslap.sql")
        numbers = list(range(1, mailboxes + 1))
        random.Random(1).shuffle(numbers)
        with open(queries, "w", encoding="ascii") as file:
            file.writelines(QUERY.format(address(n)) + "\n" for n in numbers)
        self._program = next((path for path in self._PROGRAMS if os.access(path, os.X_OK)), None)
        self._arguments = [self._program, "--no-defaults", "--no-drop", f"--host={server.host}",
                           f"--port={server.port}", f"--user={self.name}", f"--password={PASSWORD}",
                           f"--create-schema={DATABASE}", f"--query={queries}", f"--concurrency={CONNECTIONS}",
                           "--iterations=1"]
        self._per_second = None

    def is_installed(self):
        return self._program is not None

    def measure(self, seconds):
        self._per_second = self._per_second or self._ask(self._TRIAL)
        self._per_second = self._ask(round(seconds * self._per_second))
        return {"per_second": self._per_second}

    def _ask(self, queries):
        """Runs so many queries; returns queries per second."""
        queries -= queries % CONNECTIONS
        output = _output_of([*self._arguments, f"--number-of-queries={queries}"])
        return queries / float(re.search(r"Average number of seconds to run all queries: ([\d.]+)", output).group(1))


TOOLS = {"pgsql": Pgbench, "mysql": Mysqlslap}


class Distance:
    """A port that makes a server on this machine distant. The round trip is given in milliseconds."""

    def __init__(self, workspace, program, server_port, round_trip_ms):
        self.port = reserve_port()
        self._process = subprocess.Popen([program, "--listen", str(self.port), "--server", str(server_port), "--delay",
                                          str(round_trip_ms / 2)])
        workspace.janitor.note(f"pid {self._process.pid}")
        workspace.on_close(self.close)
        wait_until(self._listens, "distant_relay listens")

    def _listens(self):
        if self._process.poll() is not None:
            raise RuntimeError("distant_relay has ended")
        with open("/proc/net/tcp", encoding="ascii") as file:
            return f" 0100007F:{self.port:04X} 00000000:0000 0A " in file.read()

    def close(self):
        self._process.terminate()
        self._process.wait()
