# SPDX-License-Identifier: GPL-3.0-or-later
"""Getting a mount, or a clear reason why not: TLS, passwords, options, exit codes."""

import base64
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest

from harness import (Case, Config, Dovecot, DovecotCase, eventually, message, messages, note, read,
                     slow)
from imapserver import Mail, MailServer, ScriptedServer

USAGE, NO_HOST, UNAVAILABLE, PROTOCOL, LOGIN = 64, 68, 69, 76, 77


class Refusals(Case):
    """Shared checks for a mount that must not come about."""

    def refused(self, expected, *arguments, seconds=30, path=None, **environment):
        path = path or self.mountpoint()
        status, text = self.run_imapfs(*arguments, path, seconds=seconds, **environment)
        self.addCleanup(subprocess.run, ["fusermount3", "-uqz", path], stderr=subprocess.DEVNULL)
        self.assertEqual(status, expected, text)
        self.assertEqual(len(text.splitlines()), 1, f"not one line: {text!r}")
        self.assertIn("imapfs", text)
        self.assertNotIn("secret", text.replace(self.directory, ""))
        self.assertFalse(os.path.ismount(path))
        return text

    def scripted(self, handler):
        server = ScriptedServer(handler)
        self.addCleanup(server.close)
        return server


class Security(DovecotCase):
    """Each way to connect, on a server with one message."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with cls.dovecot.client() as client:
            client.append("INBOX", [(message("first"), (), None)])

    def usable(self, mount):
        (path,) = messages(mount / "INBOX").values()
        self.assertEqual(read(path), message("first"))

    def test_implicit_tls(self):
        self.usable(self.mount(self.dovecot))

    def test_starttls(self):
        self.usable(self.mount(self.dovecot, "imap"))

    def test_starttls_by_option(self):
        self.usable(self.mount(self.dovecot, "imap", tls="starttls"))

    def test_plain_on_loopback(self):
        self.usable(self.mount(self.dovecot, "plain"))

    def test_numeric_host_in_certificate(self):
        self.usable(self.mount(self.dovecot, host="127.0.0.1"))

    def test_mount_type(self):
        mount = self.mount(self.dovecot)
        with open("/proc/mounts", encoding="utf-8") as file:
            (line,) = (line for line in file if line.split()[1] == mount.path)
        self.assertEqual(line.split()[2], "fuse.imapfs")
        self.assertNotIn("secret", line)

    def test_user_by_option(self):
        self.usable(self.mount(self.dovecot, user=None, username="test"))

    def test_password_command(self):
        self.usable(self.mount(self.dovecot, password_file=None, password_command="echo secret"))

    def test_password_in_environment(self):
        self.usable(self.mount(self.dovecot, password_file=None, environment={"IMAPFS_PASSWORD": "secret"}))

    def test_password_in_netrc(self):
        self.file(".netrc", "machine elsewhere login test password wrong\n"
                            "machine localhost login test password secret\n")
        self.usable(self.mount(self.dovecot, password_file=None))

    def account(self, **more):
        """Writes an account named work to the configuration file."""
        keys = {"source": self.url(self.dovecot), "tls_ca": self.dovecot.ca,
                "password_file": self.file("password", "secret\n"), **more}
        return self.file("config/imapfs/config",
                         "[elsewhere]\nsource=imaps://nobody@192.0.2.1/\n\n[work]\n"
                         + "".join(f"{key}={value}\n" for key, value in keys.items()))

    def test_account_by_name(self):
        self.account(names="uid")
        path = self.mountpoint()
        mount = self.mount_with(["work", path], path)
        self.assertEqual(os.listdir(mount / "INBOX"), ["1.eml"])
        self.usable(mount)

    def test_option_before_account(self):
        """What the command line says counts for more."""
        self.account(names="uid", password_file="/nonexistent")
        path = self.mountpoint()
        options = "names=full,password_file=" + self.directory + "/password"
        mount = self.mount_with(["-o", options, "work", path], path)
        self.assertNotIn("1.eml", os.listdir(mount / "INBOX"))
        self.usable(mount)

    def test_files_others_can_touch(self):
        """A configuration others may write, or a password they may read, is refused."""
        config = self.account()
        path = self.mountpoint()
        os.chmod(config, 0o666)
        self.assertEqual(self.run_imapfs("work", path)[0], USAGE)
        os.chmod(config, 0o644)
        os.chmod(self.directory + "/password", 0o644)
        self.assertNotIn(self.run_imapfs("work", path)[0], (0, "still running"))

    def test_options_of_fstab(self):
        for option in ("noauto", "_netdev", "nofail", "user", "rw", "x-systemd.automount", "x-gvfs-hide",
                       "comment=mail", "nosuid", "nodev", "noexec", "noatime"):
            with self.subTest(option):
                path = self.mountpoint()
                mount = self.mount_with(["-o", self.options(self.dovecot) + "," + option, self.url(self.dovecot), path],
                                        path)
                self.usable(mount)
                self.assertTrue(mount.unmount())

    def test_all_options_of_fstab_at_once(self):
        options = self.options(self.dovecot) + ",noauto,_netdev,nofail,user,x-systemd.automount,comment=x"
        path = self.mountpoint()
        # the order in which mount(8) gives them to its helper
        self.usable(self.mount_with([self.url(self.dovecot), path, "-o", "rw," + options], path))

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("mount.fuse3", path="/sbin:/usr/sbin"),
                         "needs root and mount.fuse3")
    def test_mount_command(self):
        path = self.mountpoint()
        with open(self.directory + "/imapfs.log", "wb") as log:
            status = subprocess.run(
                ["mount", "-t", "fuse", "-o", self.options(self.dovecot) + ",noauto,_netdev,nofail",
                 Config.imapfs + "#" + self.url(self.dovecot), path], env=self.environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=slow(30)).returncode
        self.addCleanup(subprocess.run, ["fusermount3", "-uqz", path], stderr=subprocess.DEVNULL)
        with open(self.directory + "/imapfs.log", encoding="utf-8") as log:
            self.assertEqual(status, 0, log.read())
        (message_path,) = messages(path + "/INBOX").values()
        self.assertTrue(read(message_path))
        subprocess.run(["umount", path], check=True, timeout=slow(20))

    def test_debug_trace_without_secrets(self):
        secret = "secret2"  # unlikely in any other sense
        for scheme in ("imaps", "plain"):
            with self.subTest(scheme):
                with self.dovecot.client("other") as client:
                    client.append("INBOX", [(message("for other"), (), None)])
                mount = self.mount(self.dovecot, scheme, user="other", foreground=True, flags=["-d"],
                                   password_file=self.file("other", secret + "\n"))
                for path in messages(mount / "INBOX").values():
                    read(path)
                self.assertTrue(eventually(lambda: "INBOX" in mount.said(), 5), "no trace at all")
                said = mount.said()
                self.assertNotIn(secret, said)
                # in base64 a secret has three forms, by its position
                for prefix in ("", "x", "xx", "\0other\0", "other\0other\0"):
                    encoded = base64.b64encode((prefix + secret).encode()).decode().rstrip("=")
                    # the first and last characters also depend on their neighbours
                    self.assertNotIn(encoded[len(prefix) * 4 // 3 + 1:-1], said)
                self.assertTrue(mount.unmount())

    def test_password_not_in_command_line(self):
        mount = self.mount(self.dovecot, password_file=None, environment={"IMAPFS_PASSWORD": "secret"})
        with open(f"/proc/{mount.pid}/cmdline", "rb") as file:
            self.assertNotIn(b"secret", file.read())

    def test_returns_only_when_usable(self):
        path = self.mountpoint()
        arguments = ["-o", self.options(self.dovecot), self.url(self.dovecot), path]
        mount = self.mount_with(arguments, path)
        self.assertIn("INBOX", os.listdir(mount.path))

    def test_daemon_lets_go_of_the_terminal(self):
        """A pipe from it ends, although the daemon lives on."""
        path = self.mountpoint()
        mount = None
        command = [Config.imapfs, "-o", self.options(self.dovecot), self.url(self.dovecot), path]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=slow(20),
                                  env=self.environment)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))
            self.assertTrue(os.path.ismount(path))
        finally:
            subprocess.run(["fusermount3", "-u", path], check=False)
        del mount


class ServerRefusals(Refusals):
    """A real server, with something wrong."""

    @classmethod
    def setUpClass(cls):
        cls.dovecot = Dovecot()
        cls.addClassCleanup(cls.dovecot.remove)

    def test_wrong_password(self):
        for scheme in ("imaps", "imap"):
            options = self.options(self.dovecot, password_file=self.file("bad", "not-it\n"))
            text = self.refused(LOGIN, "-o", options, self.url(self.dovecot, scheme))
            self.assertNotIn("not-it", text)

    def test_unknown_ca(self):
        for scheme in ("imaps", "imap"):
            self.refused(PROTOCOL, "-o", self.options(self.dovecot, tls_ca=self.dovecot.other_ca),
                         self.url(self.dovecot, scheme))

    def test_no_ca(self):
        self.refused(PROTOCOL, "-o", self.options(self.dovecot, tls_ca=None), self.url(self.dovecot))

    def test_bad_certificates(self):
        for kind in ("wronghost", "expired"):
            server = Dovecot(DOVECOT_CERT=kind)
            self.addCleanup(server.remove)
            for scheme in ("imaps", "imap"):
                with self.subTest(kind, scheme=scheme):
                    self.refused(PROTOCOL, "-o", self.options(server), self.url(server, scheme))

    def test_tls_on_the_plain_port(self):
        self.refused(PROTOCOL, "-o", self.options(self.dovecot), self.url(self.dovecot, port=self.dovecot.port))

    def test_missing_mountpoint(self):
        path = self.directory + "/missing"
        status, text = self.run_imapfs("-o", self.options(self.dovecot), self.url(self.dovecot), path)
        self.assertNotIn(status, (0, "still running"))
        self.assertEqual(len(text.splitlines()), 1, text)

    def test_password_command_fails(self):
        options = self.options(self.dovecot, password_file=None, password_command="false")
        status, text = self.run_imapfs("-o", options, self.url(self.dovecot), self.mountpoint())
        self.assertNotIn(status, (0, "still running"))
        self.assertEqual(len(text.splitlines()), 1, text)

    def test_no_password_and_no_terminal(self):
        options = self.options(self.dovecot, password_file=None)
        status, text = self.run_imapfs("-o", options, self.url(self.dovecot), self.mountpoint())
        self.assertNotIn(status, (0, "still running"))
        self.assertEqual(len(text.splitlines()), 1, text)


class Usage(Refusals):
    def test_password_in_url(self):
        self.refused(USAGE, "imaps://test:secret@localhost/")

    def test_plain_beyond_loopback(self):
        options = "tls=none,password_file=" + self.file("password", "secret\n")
        # a documentation address: nobody answers there, and nobody is asked
        self.refused(USAGE, "-o", options, "imap://test@192.0.2.1/", seconds=10)

    def test_wrong_arguments(self):
        for arguments in ((), ("imaps://test@localhost/",), ("-o", "nosuch=1", "imaps://test@localhost/", "/mnt"),
                          ("--nosuch", "imaps://test@localhost/", "/mnt"), ("a", "b", "c"),
                          ("-o", "tls=maybe", "imaps://test@localhost/", "/mnt"),
                          ("-o", "connections=0", "imaps://test@localhost/", "/mnt"),
                          ("-o", "connections=x", "imaps://test@localhost/", "/mnt"),
                          ("-o", "timeout=-1", "imaps://test@localhost/", "/mnt"),
                          ("-o", "names=short", "imaps://test@localhost/", "/mnt"),
                          ("https://localhost/", "/mnt"), ("imaps:///", "/mnt"),
                          ("imaps://test@localhost:99999/", "/mnt"), ("imaps://test@localhost:x/", "/mnt")):
            with self.subTest(arguments):
                status, text = self.run_imapfs(*arguments, IMAPFS_PASSWORD="secret")
                self.assertEqual(status, USAGE, text)
                self.assertTrue(text)

    def test_unknown_account(self):
        status, text = self.run_imapfs("no-such-account", self.mountpoint(), IMAPFS_PASSWORD="secret")
        self.assertNotIn(status, (0, "still running"))
        self.assertEqual(len(text.splitlines()), 1, text)

    def test_help_and_version(self):
        for flag in ("--help", "--version"):
            status, text = self.run_imapfs(flag)
            self.assertEqual(status, 0, text)
            self.assertIn("imapfs", text)


class NetworkRefusals(Refusals):
    """No server, or one that says something else than it should."""

    def options_(self, **more):
        return self.options(None, **more)

    def test_unknown_host(self):
        try:
            socket.getaddrinfo("host.invalid", 993)
        except socket.gaierror as error:
            known = error.errno == socket.EAI_NONAME
        # without any name service there is no telling an unknown host
        status, text = self.run_imapfs("-o", self.options_(), "imaps://test@host.invalid/", self.mountpoint())
        self.assertIn(status, (NO_HOST,) if known else (NO_HOST, UNAVAILABLE), text)
        self.assertIn("host.invalid", text)

    def test_closed_port(self):
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))     # held, but nobody listens
            port = held.getsockname()[1]
            for scheme in ("imaps", "imap"):
                self.refused(UNAVAILABLE, "-o", self.options_(), f"{scheme}://test@127.0.0.1:{port}/")

    def test_bye(self):
        server = self.scripted(lambda c: c.say("* BYE too busy\r\n"))
        self.refused(UNAVAILABLE, "-o", self.options_(), self.url(server, "imap"))
        self.refused(UNAVAILABLE, "-o", self.options_(tls="none"), self.url(server, "imap", host="127.0.0.1"))

    def test_closed_without_greeting(self):
        server = self.scripted(lambda c: None)
        status, text = self.run_imapfs("-o", self.options_(), self.url(server, "imap"), self.mountpoint())
        self.assertIn(status, (UNAVAILABLE, PROTOCOL), text)

    def test_silence(self):
        server = self.scripted(lambda c: c.line())
        for scheme in ("imaps", "imap"):
            self.refused(UNAVAILABLE, "-o", self.options_(timeout=2), self.url(server, scheme, port=server.port),
                         seconds=10)

    def test_garbage(self):
        for greeting in ("SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "\0\1\2\3\r\n",
                         "220 mail.example.org ESMTP\r\n", "a1 OK tagged\r\n", "* NO greeting\r\n"):
            with self.subTest(greeting):
                def garbage(c, greeting=greeting):
                    c.say(greeting)
                    c.line()
                server = self.scripted(garbage)
                self.refused(PROTOCOL, "-o", self.options_(), self.url(server, "imap"))

    def no_secrets_sent(self, server):
        for line in server.lines:
            verb = line.split()[1:2]
            self.assertNotIn([v.upper() for v in verb], ([b"LOGIN"], [b"AUTHENTICATE"], [b"SELECT"], [b"EXAMINE"]))
            self.assertNotIn(b"secret", line)

    def test_preauth_without_tls(self):
        def preauth(c):
            c.say("* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] welcome\r\n")
            while line := c.line():
                c.say(line.split()[0] + b" OK\r\n")
        server = self.scripted(preauth)
        self.refused(PROTOCOL, "-o", self.options_(), self.url(server, "imap"))
        self.no_secrets_sent(server)

    def starttls(self, greeting, answer, after=None, **options):
        """The answer to STARTTLS is what the case is about."""
        def handler(c):
            c.say(greeting)
            while line := c.line():
                tag, verb = line.split()[:2]
                if verb.upper() == b"STARTTLS":
                    c.say(answer(tag))
                    if after:
                        after(c)
                    else:
                        c.line()
                    return
                if verb.upper() == b"CAPABILITY":
                    c.say(b"* CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN\r\n" + tag + b" OK\r\n")
                else:
                    c.say(tag + b" OK\r\n")
        server = self.scripted(handler)
        self.refused(PROTOCOL, "-o", self.options_(timeout=5, **options), self.url(server, "imap"))
        self.no_secrets_sent(server)

    def test_starttls_not_to_be_had(self):
        greeting = "* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] hello\r\n"
        answers = {
            "NO": lambda tag: tag + b" NO not today\r\n",
            "BAD": lambda tag: tag + b" BAD what?\r\n",
            "continuation": lambda tag: b"+ go on\r\n",
            "plaintext": lambda tag: tag + b" OK begin\r\n* OK no TLS here\r\n",
            "wrong tag": lambda tag: b"zzz OK begin\r\n",
        }
        for name, answer in answers.items():
            with self.subTest(name):
                # the continuation has the client wait for an answer that never comes
                if name in ("continuation", "wrong tag"):
                    self.starttls(greeting, answer, after=lambda c: None)
                else:
                    self.starttls(greeting, answer)

    def test_starttls_not_announced(self):
        def handler(c):
            c.say("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello\r\n")
            while line := c.line():
                tag, verb = line.split()[:2]
                if verb.upper() == b"CAPABILITY":
                    c.say(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n" + tag + b" OK\r\n")
                else:
                    c.say(tag + b" BAD unknown\r\n")
        server = self.scripted(handler)
        self.refused(PROTOCOL, "-o", self.options_(), self.url(server, "imap"))
        self.no_secrets_sent(server)

    def test_nothing_crosses_starttls(self):
        """What came before TLS must not be taken for what is said in it."""
        dovecot = Dovecot()
        self.addCleanup(dovecot.remove)
        for injected in (b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n", b"x", b"* BYE\r\n", b"* 9 EXISTS\r\n" * 5000):
            with self.subTest(injected[:20]):
                self.starttls("* OK [CAPABILITY IMAP4rev1 STARTTLS] hello\r\n",
                              lambda tag, i=injected: tag + b" OK begin TLS\r\n" + i,
                              after=lambda c: c.start_tls(dovecot.certificate), tls_ca=dovecot.ca)

    def test_login_disabled(self):
        class Disabled(MailServer):
            capabilities = "IMAP4rev1 LOGINDISABLED"
        server = Disabled({b"INBOX": []})
        self.addCleanup(server.close)
        status, text = self.run_imapfs("-o", self.options_(tls="none"), self.url(server, "imap", host="127.0.0.1"),
                                       self.mountpoint())
        self.assertIn(status, (LOGIN, PROTOCOL), text)
        self.no_secrets_sent(server)


class Lifetime(DovecotCase):
    """How a mount ends."""

    def gone(self, mount):
        self.assertTrue(eventually(lambda: not mount.running() and not mount.mounted(), slow(5)),
                        f"running: {mount.running()}, mounted: {mount.mounted()}")

    def test_fusermount(self):
        for foreground in (False, True):
            mount = self.mount(self.dovecot, foreground=foreground)
            subprocess.run(["fusermount3", "-u", mount.path], check=True, timeout=slow(20))
            self.gone(mount)

    def test_signals(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            for foreground in (False, True):
                with self.subTest(number, foreground=foreground):
                    mount = self.mount(self.dovecot, foreground=foreground)
                    os.listdir(mount / "INBOX")
                    os.kill(mount.pid, number)
                    self.gone(mount)

    def test_end_amid_changes(self):
        """A directory that is being read, and changes, does not hold up the end."""
        with self.dovecot.client() as client:
            client.create("Busy")
        self.deliver("Busy", *[b"Subject: %d\n\nx\n" % i for i in range(2000)])
        mount = self.mount(self.dovecot)
        script = "import os, sys\nwhile True:\n  try: os.listdir(sys.argv[1])\n  except OSError: sys.exit()"
        readers = [subprocess.Popen([sys.executable, "-c", script, mount / "Busy"]) for _ in range(8)]
        try:
            os.listdir(mount / "Busy")
            with self.dovecot.client() as client:
                client.select("Busy")
                client.command(r"UID STORE 1:* +FLAGS.SILENT (\Deleted)")
                client.command("EXPUNGE")
            time.sleep(0.6)
            os.kill(mount.pid, signal.SIGTERM)
            self.gone(mount)
        finally:
            for reader in readers:
                reader.kill()
                reader.wait()

    def test_stale_mount_is_cleared(self):
        """Whatever of it the kernel still remembers."""
        for look in (lambda path: None, os.listdir, os.stat):
            with self.subTest(look):
                path = self.mountpoint()
                first = self.mount(self.dovecot, path=path)
                look(path)
                first.kill()
                self.assertTrue(eventually(lambda m=first: not m.running(), 5))
                second = self.mount(self.dovecot, path=path)
                self.assertIn("INBOX", os.listdir(path))
                self.assertTrue(second.running())
                subprocess.run(["fusermount3", "-u", path], check=True, timeout=slow(20))
                self.assertFalse(second.mounted(), "the stale mount is left below")

    def test_living_mount_is_left_alone(self):
        mount = self.mount(self.dovecot)
        status, text = self.run_imapfs("-o", self.options(self.dovecot), self.url(self.dovecot), mount.path)
        if status == 0:
            subprocess.run(["fusermount3", "-u", mount.path], check=True)
        self.assertTrue(mount.running(), text)
        self.assertIn("INBOX", os.listdir(mount.path))

    @unittest.skipUnless(os.geteuid() == 0, "needs root to become somebody else")
    def test_others_see_nothing(self):
        mount = self.mount(self.dovecot)
        os.chmod(self.directory, 0o755)
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "ls", mount.path],
                              capture_output=True, timeout=slow(20), env=self.environment)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(b"Permission denied", done.stderr)

    def test_two_mounts_of_one_account(self):
        first, second = self.mount(self.dovecot), self.mount(self.dovecot)
        self.assertEqual(sorted(os.listdir(first.path)), sorted(os.listdir(second.path)))


class FewConnections(DovecotCase):
    knobs = {"DOVECOT_MAXCONN": "1"}

    def test_server_with_a_limit(self):
        """One connection must be enough when the server grants no more."""
        with self.dovecot.client() as client:
            client.append("INBOX", [(message(f"number {n}", "x" * 5000), (), None) for n in range(30)])
        mount = self.mount(self.dovecot, connections=4)
        paths = list(messages(mount / "INBOX").values())
        self.assertEqual(len(paths), 30)
        done = subprocess.run(["xargs", "-0", "-P8", "-n1", "cat"], input="\0".join(paths).encode(),
                              capture_output=True, timeout=slow(60))
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertEqual(done.stdout.count(b"Subject: number"), 30)
        note(f"{len(done.stdout)} octets over one connection")


class BareServer(Case):
    def test_no_extension_at_all(self):
        server = MailServer({b"INBOX": [Mail(3, message("bare")), Mail(9, message("second"))], b"Other": []})
        self.addCleanup(server.close)
        mount = self.mount(server, "plain")
        self.assertEqual(sorted(os.listdir(mount.path)), ["INBOX", "Other"])
        paths = messages(mount / "INBOX")
        self.assertEqual(sorted(paths), [3, 9])
        self.assertEqual(read(paths[9]), message("second"))
