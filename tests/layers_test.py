#!/usr/bin/env python3
"""The check of the layers: silent on this checkout, and not on one with a planted fault."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

_TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class LayersTest(unittest.TestCase):
    def setUp(self):
        self.copy = tempfile.mkdtemp(prefix="proxyd-layers-")
        self.addCleanup(shutil.rmtree, self.copy)
        for part in ("protocol", "backends", "proxyd"):
            shutil.copytree(f"{_TOP}/{part}", f"{self.copy}/{part}")

    def plant(self, path, line):
        with open(f"{self.copy}/{path}", encoding="utf-8") as file:
            text = file.read()
        with open(f"{self.copy}/{path}", "w", encoding="utf-8") as file:
            file.write(f"{line}\n{text}")

    def problems(self, top=None):
        done = subprocess.run([sys.executable, f"{_TOP}/tests/layers.py", top or self.copy], capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.stderr, "")
        self.assertEqual(done.returncode, 1 if done.stdout else 0)
        return done.stdout.splitlines()

    def test_nothing_is_wrong_here(self):
        self.assertEqual(self.problems(_TOP), [])

    def test_an_include_of_a_higher_layer(self):
        self.plant("backends/pool/pool.cc", '#include "proxyd/server/server.h"')
        self.assertEqual(self.problems(), [
            "backends/pool/pool.cc:1: proxyd_pool does not use proxyd_server: proxyd/server/server.h must not be "
            "included here",
            "a circle of folders: backends/pool -> proxyd/server -> backends/pool"])

    def test_an_include_beside(self):
        """proxyctl must not reach into the daemon."""
        self.plant("proxyd/control/main.cc", '#include "proxyd/daemon/daemon.h"')
        self.assertEqual(self.problems(), ["proxyd/control/main.cc:1: proxyd_proxyctl does not use proxyd_daemon: "
                                           "proxyd/daemon/daemon.h must not be included here"])

    def test_a_circle_of_rooms_within_a_layer(self):
        self.plant("proxyd/control/postfix/instance.h", '#include "proxyd/control/check/finding.h"')
        self.assertEqual(len(self.problems()), 1)
        self.assertRegex(self.problems()[0], "^a circle of folders: .*proxyd/control/postfix")

    def test_a_circle_of_files(self):
        self.plant("backends/event/clock.h", '#include "backends/event/loop.h"')
        self.assertEqual(self.problems(),
                         ["a circle of files: backends/event/clock.h -> backends/event/loop.h -> backends/event/clock.h"])

    def test_a_file_that_is_too_long(self):
        self.plant("backends/event/clock.h", "//\n" * 400)
        self.assertRegex(self.problems()[0], r"^backends/event/clock.h: \d+ lines, 400 are allowed")

    def test_a_folder_that_no_layer_has(self):
        os.mkdir(f"{self.copy}/backends/lost")
        with open(f"{self.copy}/backends/lost/x.h", "w", encoding="utf-8") as file:
            file.write("#pragma once\n")
        self.assertEqual(self.problems(), ["backends/lost/x.h: no layer has it: name it in a proxyd_layer()"])


if __name__ == "__main__":
    unittest.main()
