#!/usr/bin/env python3
"""The completions of bash (and of zsh and fish, if installed) for `proxyctl`, compared with --help."""

import os
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from harness import server
from harness.workspace import Workspace

_COMPLETIONS = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
                            "packaging/completions")
_BASH = """\
source {file}
COMP_WORDS=({words}) COMP_CWORD={last}
_proxyctl proxyctl 2>/dev/null
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
_FISH = "source {file}; complete -C '{line}'"


class CompletionTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.proxyctl = os.environ.get("PROXYCTL_BINARY") or os.path.join(os.path.dirname(server.proxyd().binary),
                                                                         "proxyctl")
        cls.workspace = Workspace("completion")
        cls.addClassCleanup(cls.workspace.close)
        cls.directory = cls.workspace.directory("files")
        for name in ("one.cf", "two.cf"):
            with open(f"{cls.directory}/{name}", "w", encoding="ascii"):
                pass
        cls.environment = {"PATH": f"{os.path.dirname(cls.proxyctl)}:{os.environ['PATH']}", "HOME": cls.directory,
                           "LC_ALL": "C.UTF-8"}
        cls.commands = cls.listed(cls.help(), "Subcommands")

    @classmethod
    def run_text(cls, *command):
        return subprocess.run(command, env=cls.environment, cwd=cls.directory, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, check=False, timeout=60).stdout

    @classmethod
    def help(cls, *command):
        return cls.run_text("proxyctl", *command, "--help")

    @staticmethod
    def listed(text, section):
        """The names in a section of --help, read independently of the completions."""
        block = re.search(rf"^{section}:\n((?:  .*\n)+)", text, re.MULTILINE)
        names = re.findall(r"^  (\S+)", block[1], re.MULTILINE) if block else []
        return {name for item in names for name in item.split(",")}

    def bash(self, line):
        words = line.split(" ")
        script = _BASH.format(file=f"{_COMPLETIONS}/proxyctl.bash", last=len(words) - 1,
                              words=" ".join(f"'{word}'" for word in words))
        return set(self.run_text("bash", "--norc", "-c", script).split())

    def fish(self, line):
        if shutil.which("fish") is None:
            self.skipTest("no fish")
        script = _FISH.format(file=f"{_COMPLETIONS}/proxyctl.fish", line=line)
        return {offer.split("\t")[0] for offer in self.run_text("fish", "--no-config", "-c", script).splitlines()}

    def everything(self, shell):
        self.assertTrue({"query", "check", "options"} <= self.commands)
        self.assertEqual(shell("proxyctl "), self.commands)
        self.assertEqual(shell("proxyctl -"), self.listed(self.help(), "Options"))
        for command in self.commands:
            with self.subTest(command=command):
                self.assertEqual(shell(f"proxyctl {command} -"), self.listed(self.help(command), "Options"))

    def test_bash_offers_what_there_is(self):
        self.everything(self.bash)

    def test_fish_offers_what_there_is(self):
        self.everything(self.fish)

    def test_bash_completes_beginnings(self):
        self.assertEqual(self.bash("proxyctl qu"), {"query"})
        self.assertEqual(self.bash("proxyctl check --conn"), {"--connect"})

    def test_bash_completes_files(self):
        files = {"one.cf", "two.cf"}
        self.assertEqual(self.bash("proxyctl check --config "), files)
        self.assertEqual(self.bash("proxyctl check --config o"), {"one.cf"})
        self.assertEqual(self.bash("proxyctl check --config = t"), {"two.cf"})  # as bash splits the line
        self.assertEqual(self.bash("proxyctl query --socket "), files)
        self.assertEqual(self.bash("proxyctl query sqlite : one"), {"one.cf"})
        self.assertEqual(self.bash("proxyctl query sq"), {"sqlite:"})
        self.assertEqual(self.bash("proxyctl query --verbose sq"), {"sqlite:"})
        self.assertEqual(self.bash("proxyctl query --socket one.cf pg"), {"pgsql:"})
        self.assertEqual(self.bash("proxyctl flush my"), {"mysql:"})
        self.assertEqual(self.bash("proxyctl query sqlite : one.cf sq"), set())

    def test_fish_completes_files(self):
        self.assertTrue({"one.cf", "two.cf"} <= self.fish("proxyctl check --config "))

    def test_zsh_understands_the_file(self):
        if shutil.which("zsh") is None:
            self.skipTest("no zsh")
        done = subprocess.run(["zsh", "--no-rcs", "-n", f"{_COMPLETIONS}/_proxyctl"], capture_output=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, b""))


if __name__ == "__main__":
    unittest.main(verbosity=2)
