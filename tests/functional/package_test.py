#!/usr/bin/env python3
"""The Debian package: its contents and dependencies; installing, upgrading and removing it."""

import glob
import gzip
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable=wrong-import-position
from functional import mail_database
from harness import scenario, server
from harness.postfix import Postfix
from harness.tables import TableFiles

_DAEMON = "usr/lib/proxyd/proxyd"
# The path for master(8). The installation creates it: as a file of the package it would make Postfix restart.
_NAME_IN_POSTFIX = "usr/lib/postfix/sbin/proxyd"
_CONTENTS = {
    _DAEMON: 0o755,
    "usr/sbin/proxyctl": 0o755,
    "usr/lib/systemd/system/proxyd.service": 0o644,
    "usr/lib/systemd/system/proxyd.socket": 0o644,
    "usr/lib/sysusers.d/proxyd.conf": 0o644,
    "usr/share/bash-completion/completions/proxyctl": 0o644,
    "usr/share/zsh/vendor-completions/_proxyctl": 0o644,
    "usr/share/fish/vendor_completions.d/proxyctl.fish": 0o644,
    "usr/share/doc/proxyd/copyright": 0o644,
    "usr/share/doc/proxyd/changelog.gz": 0o644,
    "usr/share/doc/proxyd/README.md": 0o644,
    "usr/share/doc/proxyd/examples/proxyd.cf": 0o644,
    "usr/share/lintian/overrides/proxyd": 0o644,
    "usr/share/man/man8/proxyd.8.gz": 0o644,
    "usr/share/man/man8/proxyctl.8.gz": 0o644,
    "usr/share/man/man5/proxyd.cf.5.gz": 0o644,
    "usr/share/man/man5/proxyd_table.5.gz": 0o644,
}


def _run(*arguments, check=True, **keywords):
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=120,
                          env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}, **keywords)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(arguments)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def _files(directory):
    """Paths of everything below a directory except directories, relative to it."""
    return {os.path.relpath(os.path.join(parent, name), directory)
            for parent, directories, names in os.walk(directory)
            for name in names + directories
            if os.path.islink(os.path.join(parent, name)) or not os.path.isdir(os.path.join(parent, name))}


class Machine:
    """An empty root directory with a dpkg database. Package scripts run in it with DPKG_ROOT."""

    def __init__(self, workspace, name):
        self.root = workspace.directory(name)
        for directory in ("etc", "var/lib/dpkg/info", "var/lib/dpkg/updates"):
            workspace.directory(f"{name}/{directory}")
        for file in ("var/lib/dpkg/status", "etc/passwd", "etc/group"):
            with open(f"{self.root}/{file}", "w", encoding="ascii"):
                pass

    def dpkg(self, *arguments, check=True):
        return _run("dpkg", f"--root={self.root}", "--force-depends", "--force-script-chrootless", *arguments,
                    check=check)

    def files(self):
        """The files of packages, without those of dpkg and of the machine's configuration."""
        return {path for path in _files(self.root)
                if not path.startswith(("var/lib/dpkg/", "var/log/", "etc/", "tmp/"))}

    def has_user(self, name):
        with open(f"{self.root}/etc/passwd", encoding="ascii") as file:
            return any(line.startswith(f"{name}:") for line in file)


class PackageTest(scenario.Scenario):
    @classmethod
    def set_up_servers(cls):
        cls.build = os.path.dirname(os.path.dirname(scenario.tested().binary))
        output = cls.workspace.directory("package")
        _run("cpack", "--config", f"{cls.build}/CPackConfig.cmake", "-G", "DEB", "-B", output)
        (cls.package,) = glob.glob(f"{output}/*.deb")
        cls.tree = f"{cls.workspace.path}/tree"
        _run("dpkg-deb", "-x", cls.package, cls.tree)
        database = mail_database.create_sqlite(f"{cls.workspace.path}/mail.db")
        tables = TableFiles(cls.workspace.directory("tables"), {"sqlite": {"dbpath": database}})
        cls.table = tables.add("sqlite", "dest", query="SELECT dest FROM aliases WHERE addr='%s'")
        approved = {"proxy_read_maps": tables.proxied()}
        cls.stock = Postfix(cls.workspace, server.STOCK, approved, name="stock")
        cls.served = Postfix(cls.workspace, server.STOCK, approved, name="served")

    def field(self, name):
        return _run("dpkg-deb", "-f", self.package, name).stdout.strip()

    # The package

    def test_contents(self):
        expected = set(_CONTENTS) | {"usr/sbin/proxyd"}
        self.assertEqual(_files(self.tree), expected)
        for path, mode in _CONTENTS.items():
            self.assertEqual(os.stat(f"{self.tree}/{path}").st_mode & 0o7777, mode, path)
        self.assertEqual(os.path.realpath(f"{self.tree}/usr/sbin/proxyd"), os.path.realpath(f"{self.tree}/{_DAEMON}"))
        self.assertIn("ExecStart=/usr/sbin/proxyd ",
                      self.text("usr/lib/systemd/system/proxyd.service"), "of the package, not of /usr/local")
        with gzip.open(f"{self.tree}/usr/share/man/man8/proxyd.8.gz", "rt", encoding="utf-8") as page:
            self.assertIn(".Dt PROXYD 8", page.read())
        readme = self.text("usr/share/doc/proxyd/README.md")
        self.assertNotRegex(readme, r"\]\(|\./(quickstart|check)|cmake|tests/", "not there without the source tree")
        for heading in ("Put it into your Postfix", "Going back", "On its own with systemd", "Differences", "Reference"):
            self.assertRegex(readme, rf"(?m)^##+ {heading}")

    def text(self, path):
        with open(f"{self.tree}/{path}", encoding="utf-8") as file:
            return file.read()

    def test_it_depends_on_the_packages_of_its_libraries(self):
        depends = {item.split()[0] for item in self.field("Depends").split(", ")}
        for program in (_DAEMON, "usr/sbin/proxyctl"):
            needed = re.findall(r"NEEDED +(\S+)", _run("objdump", "-p", f"{self.tree}/{program}").stdout)
            loaded = dict(re.findall(r"(\S+) => (\S+)", _run("ldd", f"{self.tree}/{program}").stdout))
            self.assertTrue(needed)
            for library in set(needed) & set(loaded):
                path = os.path.realpath(loaded[library])
                # With a merged /usr a file has two names. The package may have the other one.
                owner = _run("dpkg", "-S", path, path.removeprefix("/usr"), check=False).stdout.split(":")[0]
                names = _run("dpkg-query", "-W", "-f", "${Package} ${Provides}", owner).stdout
                self.assertTrue(depends & set(re.findall(r"[^\s,]+", names)), f"{library} of {owner}")
        self.assertNotIn("postfix", depends, "it can run on its own")
        self.assertEqual(self.field("Suggests"), "postfix")

    def test_the_programs_are_hardened(self):
        with open(f"{self.build}/CMakeCache.txt", encoding="utf-8") as file:
            if not re.search(r"(?m)^CMAKE_BUILD_TYPE:.*Rel", file.read()):
                self.skipTest("a build for developers")
        for program in (_DAEMON, "usr/sbin/proxyctl"):
            with self.subTest(program):
                shown = _run("readelf", "-W", "--file-header", "--program-headers", "--dynamic", "--dyn-syms",
                             f"{self.tree}/{program}").stdout
                self.assertRegex(shown, r"Type: +DYN .*Position-Independent Executable")
                self.assertRegex(shown, r"GNU_RELRO ")
                self.assertRegex(shown, r"BIND_NOW|Flags: .*NOW")
                self.assertRegex(shown, r"GNU_STACK .* RW ")
                self.assertIn(" __stack_chk_fail@", shown)
                self.assertRegex(shown, r" __(read|recv|memcpy|memmove|snprintf|vsnprintf|poll|realpath)_chk@")

    def test_the_example_changes_nothing(self):
        proxyctl = f"{self.tree}/usr/sbin/proxyctl"
        example = "usr/share/doc/proxyd/examples/proxyd.cf"
        with_example = self.workspace.directory("with-example")
        without = self.workspace.directory("without")
        shutil.copy(f"{self.tree}/{example}", with_example)
        options = _run(proxyctl, "options", "--config", without).stdout
        self.assertEqual(_run(proxyctl, "options", "--config", with_example).stdout, options)

        # Each option stands in the example file with its default.
        pairs = re.findall(r"^(\w+) = ?(.*?)(?: +#.*)?$", options, re.MULTILINE)
        self.assertIn(("pool_size", "8"), pairs)
        self.assertEqual(re.findall(r"^#(\w+) = (.*)$", self.text(example), re.MULTILINE), pairs)

    # Installing it

    def test_a_machine_without_postfix(self):
        machine = Machine(self.workspace, "without-postfix")
        machine.dpkg("-i", self.package)
        self.assertEqual(machine.files(), set(_CONTENTS) | {"usr/sbin/proxyd", _NAME_IN_POSTFIX})
        self.assertTrue(os.path.samefile(f"{machine.root}/{_NAME_IN_POSTFIX}", f"{machine.root}/{_DAEMON}"))
        self.assertFalse(os.path.islink(f"{machine.root}/{_NAME_IN_POSTFIX}"), "of one that leads away Postfix complains")
        self.assertTrue(machine.has_user("proxyd"))
        machine.dpkg("-r", "proxyd")
        self.assertEqual(machine.files(), set())
        machine.dpkg("-i", self.package)
        os.mkdir(f"{machine.root}/etc/proxyd")
        before = _files(f"{machine.root}/etc")
        with open(f"{machine.root}/etc/proxyd/proxyd.cf", "w", encoding="ascii") as file:
            file.write("allowed_tables = sqlite:/x\n")
        done = machine.dpkg("--purge", "proxyd")
        self.assertEqual(machine.files(), set())
        self.assertIn(f"{machine.root}/etc/proxyd and the user proxyd are left", done.stdout)
        self.assertEqual(_files(f"{machine.root}/etc") - before, {"proxyd/proxyd.cf"}, "what the administrator has made")

    def packed(self, tree):
        _run("dpkg-deb", "--root-owner-group", "-b", tree, f"{tree}.deb")
        return f"{tree}.deb"

    def package_with_a_trigger(self):
        """Like Debian's Postfix since 3.9.1-7, which restarts on the trigger. This one only logs it."""
        tree = self.workspace.directory("postfix-package")
        os.makedirs(f"{tree}/usr/lib/postfix/sbin")
        os.mkdir(f"{tree}/DEBIAN")
        for path, text in (("usr/lib/postfix/sbin/master", ""),
                           ("DEBIAN/control", "Package: postfix\nVersion: 3.9.1-7\nArchitecture: all\n"
                                              "Maintainer: Nobody <nobody@localhost>\nDescription: for a test\n"),
                           ("DEBIAN/triggers", "interest-noawait /usr/lib/postfix\n"),
                           ("DEBIAN/postinst", '#!/bin/sh\necho "$1" >>"$DPKG_ROOT/etc/postinst-of-postfix"\n')):
            with open(f"{tree}/{path}", "w", encoding="ascii") as file:
                file.write(text)
        os.chmod(f"{tree}/DEBIAN/postinst", 0o755)
        return self.packed(tree)

    def package_with_the_daemon_in_postfix(self):
        """An older package, which has the daemon in Postfix's directory."""
        tree = f"{self.workspace.path}/older-package"
        _run("dpkg-deb", "-R", self.package, tree)
        os.makedirs(f"{tree}/usr/lib/postfix/sbin")
        os.rename(f"{tree}/{_DAEMON}", f"{tree}/{_NAME_IN_POSTFIX}")
        os.rmdir(f"{tree}/{os.path.dirname(_DAEMON)}")
        os.unlink(f"{tree}/usr/sbin/proxyd")
        os.symlink("../lib/postfix/sbin/proxyd", f"{tree}/usr/sbin/proxyd")
        for script in ("preinst", "postinst", "prerm"):
            os.unlink(f"{tree}/DEBIAN/{script}")
        os.unlink(f"{tree}/DEBIAN/md5sums")
        return self.packed(tree)

    def test_postfix_is_not_restarted(self):
        machine = Machine(self.workspace, "with-trigger")
        machine.dpkg("-i", self.package_with_a_trigger())
        noted = f"{machine.root}/etc/postinst-of-postfix"

        def fires(*arguments):
            if os.path.exists(noted):
                os.unlink(noted)
            machine.dpkg(*arguments)
            machine.dpkg("--configure", "--pending")
            return os.path.exists(noted)

        older = self.package_with_the_daemon_in_postfix()
        self.assertTrue(fires("-i", older), "this test shows nothing")
        self.assertFalse(fires("-i", self.package), "upgrade from the older layout")
        self.assertTrue(os.path.samefile(f"{machine.root}/{_NAME_IN_POSTFIX}", f"{machine.root}/{_DAEMON}"))
        self.assertEqual(machine.files(), set(_CONTENTS) | {"usr/sbin/proxyd", _NAME_IN_POSTFIX,
                                                            "usr/lib/postfix/sbin/master"})
        self.assertFalse(fires("-i", self.package), "reinstallation")
        self.assertFalse(fires("-r", "proxyd"), "removal")
        self.assertFalse(os.path.lexists(f"{machine.root}/{_NAME_IN_POSTFIX}"))
        self.assertFalse(fires("-i", self.package), "installation")
        self.assertFalse(fires("--purge", "proxyd"), "purge")

    # Under a running Postfix

    def machine_of(self, postfix, name):
        postfix.start()
        machine = Machine(self.workspace, name)
        os.symlink(postfix.config, f"{machine.root}/etc/postfix")
        os.makedirs(f"{machine.root}{os.path.dirname(postfix.queue)}")
        os.symlink(postfix.queue, f"{machine.root}{postfix.queue}")
        return machine

    def look_up(self, postfix):
        done = postfix.postmap("-q", "postmaster", f"proxy:{self.table}")
        self.assertEqual((done.returncode, done.stdout), (0, b"root\n"))

    @staticmethod
    def services(postfix):
        """The command of each service."""
        lines = _run("postconf", "-c", postfix.config, "-M").stdout.splitlines()
        return {line.split()[0]: line.split()[7] for line in lines}

    def test_nothing_changes_in_postfix_before_it_is_told_to(self):
        machine = self.machine_of(self.stock, "unchanged")
        self.stock.wait_for_log("daemon started")
        before = self.services(self.stock)
        position = self.stock.log_position()
        machine.dpkg("-i", self.package)
        machine.dpkg("-i", self.package)
        machine.dpkg("-r", "proxyd")
        self.assertEqual(self.services(self.stock), before)
        self.assertEqual(self.stock.log_since(position), "")

    def test_removal_gives_postfix_its_own_program_back(self):
        machine = self.machine_of(self.served, "removal")
        before = self.services(self.served)
        machine.dpkg("-i", self.package)
        proxyctl = f"{machine.root}/usr/sbin/proxyctl"
        self.served.add_daemon("proxyd", f"{machine.root}/{_NAME_IN_POSTFIX}")
        _run(proxyctl, "enable", "--config", self.served.config)
        self.look_up(self.served)
        self.assertTrue(self.served.pids("proxyd"), "the daemon of the package answers")
        machine.dpkg("-i", self.package)
        self.assertEqual(self.services(self.served)["proxymap"], "proxyd", "an upgrade leaves it enabled")

        os.rename(proxyctl, f"{proxyctl}.away")
        done = machine.dpkg("-r", "proxyd", check=False)
        self.assertIn(f"not removed: Postfix would take no mail. See {machine.root}/etc/postfix/master.cf", done.stderr)
        for path in (_DAEMON, _NAME_IN_POSTFIX):
            self.assertTrue(os.path.exists(f"{machine.root}/{path}"), "not removed while it is needed")
        os.rename(f"{proxyctl}.away", proxyctl)

        machine.dpkg("-r", "proxyd")
        self.assertEqual(self.services(self.served), before)
        self.assertEqual(machine.files(), set())
        self.assertEqual([name for name in os.listdir(f"{self.served.queue}/pid") if "proxyd" in name], [])
        self.look_up(self.served)
        self.assertTrue(self.served.pids("proxymap"), "the stock program answers, without a reload by hand")


if __name__ == "__main__":
    scenario.main()
