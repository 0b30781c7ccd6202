# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands for mounts, and the socket they speak through."""

import contextlib
import glob
import json
import os
import pty
import select
import shutil
import signal
import socket
import stat
import subprocess
import time
import unittest

from harness import Config, DovecotCase, eventually, message, messages, note, read, slow
from proxy import Proxy

NO_IDLE = "IMAP4rev1 LITERAL+ SASL-IR NAMESPACE LIST-EXTENDED LIST-STATUS CONDSTORE UNSELECT"


class Commands(DovecotCase):
    """Runs commands, and looks at control sockets."""

    def spawn(self, *arguments, **more):
        process = subprocess.Popen([Config.imapfs, *arguments], stdin=subprocess.DEVNULL,
                                   env=self.environment, **more)
        self.addCleanup(self.reap, process)
        return process

    @staticmethod
    def reap(process):
        process.kill()
        process.wait()
        for file in (process.stdout, process.stderr):
            if file is not None:
                file.close()

    def succeed(self, *arguments):
        status, text = self.run_imapfs(*arguments)
        self.assertEqual(status, 0, text)
        return text

    def values(self, text):
        """The "name: value" lines of a status."""
        return dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)

    def sockets(self):
        return glob.glob(self.directory + "/imapfs/*")

    def connect(self):
        path, = self.sockets()
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.connect(path)
        client.settimeout(slow(20))
        return client

    @staticmethod
    def refuse(proxy):
        """From now on nobody listens there, and nothing is connected."""
        proxy.close()
        # the thread in accept() takes one more
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", proxy.port)).close()
        proxy.cut()

    @staticmethod
    def rest(client):
        """All that comes before the other end closes."""
        data = b""
        try:
            while part := client.recv(1 << 16):
                data += part
        except ConnectionResetError:
            pass
        return data


class Status(Commands):
    samples = ("INBOX",)

    def test_text(self):
        mounted = self.mount(self.dovecot)
        os.listdir(mounted / "INBOX")
        text = self.succeed("status", mounted.path)
        self.assertTrue(text.startswith("imapfs "), text)
        values = self.values(text)
        self.assertEqual(values["mountpoint"], mounted.path)
        self.assertEqual(values["user"], "test")
        self.assertEqual(values["online"], "yes")
        self.assertEqual(values["requests waiting"], "0")
        self.assertGreater(int(values["octets in"]), 1000)
        in_file = self.values(read(mounted / ".imapfs/status").decode())
        self.assertEqual(in_file.keys(), values.keys())
        # a relative path, one with a link, one with a slash at its end
        os.symlink(mounted.path, self.directory + "/link")
        for path in (os.path.relpath(mounted.path), self.directory + "/link", mounted.path + "/"):
            self.assertEqual(self.values(self.succeed("status", path))["mountpoint"], mounted.path, path)

    def test_json(self):
        mounted = self.mount(self.dovecot)
        values = json.loads(read(mounted / ".imapfs/status.json"))
        self.assertEqual(values["mountpoint"], mounted.path)
        self.assertEqual((values["server"], values["port"], values["tls"], values["user"]),
                         ("localhost", self.dovecot.tls_port, "implicit", "test"))
        self.assertIs(values["online"], True)
        self.assertIsNone(values["offline_since"])
        self.assertIsNone(values["failure"])
        self.assertGreater(values["account"]["octets_in"], 1000)
        self.assertEqual(values["sync"]["active"], False)
        self.assertIn("limit", values["disk"])

    def test_json_of_hostile_names(self):
        mounted = self.mount(self.dovecot)
        box = self.fresh('a "quoted" \\ back; ')
        os.listdir(mounted.path)
        self.assertTrue(eventually(lambda: box in os.listdir(mounted.path), slow(5)))
        os.listdir(mounted / box)
        values = json.loads(read(mounted / ".imapfs/status.json"))
        self.assertTrue(any(box in str(value) for value in values["account"].values()), values)

    def test_files_are_not_listed_from_outside(self):
        mounted = self.mount(self.dovecot)
        self.assertNotIn(".imapfs", os.listdir(mounted.path))
        self.assertEqual(sorted(os.listdir(mounted / ".imapfs")), ["log", "status", "status.json"])
        inodes = {os.stat(mounted / f".imapfs/{name}").st_ino for name in ("log", "status", "status.json")}
        self.assertEqual(len(inodes), 3)
        self.assertEqual(self.errno_of(os.stat, mounted / ".imapfs/other"), "ENOENT")
        self.assertEqual(self.errno_of(open, mounted / ".imapfs/log", "w"), "EROFS")

    def test_offline(self):
        proxy = Proxy(self.dovecot.port)
        self.addCleanup(proxy.close)
        mounted = self.mount(self.dovecot, "plain", port=proxy.port, timeout=5)
        self.assertEqual(self.values(self.succeed("status", mounted.path))["online"], "yes")
        self.refuse(proxy)
        before = time.time()
        self.errno_of(os.listdir, mounted / "INBOX")    # so that it tries
        values = eventually(lambda: (found := json.loads(read(mounted / ".imapfs/status.json")))
                            and not found["online"] and found["failure"] and found, slow(20), 0.2)
        self.assertTrue(values, "it never noticed")
        self.assertLess(abs(values["offline_since"] - before), slow(20))
        text = self.succeed("status", mounted.path)
        self.assertRegex(text, r"(?m)^online: no, since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$")
        self.assertRegex(read(mounted / ".imapfs/log").decode(), r"(?m)^\d{4}-\d\d-\d\d .*cannot connect to")
        status, text = self.run_imapfs("refresh", mounted / "INBOX")
        self.assertEqual(status, 69, text)
        self.assertIn("connect", text)

    def test_two_mounts(self):
        first, second = self.mount(self.dovecot), self.mount(self.dovecot, user="other", password_file=self.file("p2", "secret2\n"))
        text = self.succeed("status")
        self.assertEqual(sorted(line for line in text.splitlines() if line.startswith("mountpoint: ")),
                         sorted(f"mountpoint: {mounted.path}" for mounted in (first, second)))
        self.assertEqual(text.count("imapfs 0"), 2)
        self.succeed("umount", first.path)
        self.assertNotIn(first.path, self.succeed("status"))
        self.succeed("umount", second.path)
        self.assertEqual(self.succeed("status"), "nothing is mounted\n")
        self.assertEqual(self.sockets(), [])

    def test_watch_without_terminal(self):
        mounted = self.mount(self.dovecot)
        process = self.spawn("status", "--watch", mounted.path, stdout=subprocess.PIPE, text=True)
        blocks = 0
        while blocks < 3:
            line = process.stdout.readline()
            self.assertTrue(line, "it ended")
            self.assertNotIn("\033", line)
            blocks += line.startswith("mountpoint: ")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(slow(5)), -signal.SIGINT)

    def test_watch_on_a_terminal(self):
        mounted = self.mount(self.dovecot)
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        process = self.spawn("status", mounted.path, "--watch", stdout=slave)
        os.close(slave)
        seen, end = b"", time.monotonic() + slow(10)
        while seen.count(b"\033[H") < 2 and time.monotonic() < end:
            if select.select([master], [], [], 0.2)[0]:
                seen += os.read(master, 4096)
        self.assertGreaterEqual(seen.count(b"\033[H"), 2, seen)
        mounted.unmount()
        # the terminal is read, or it could not write on
        end = time.monotonic() + slow(10)
        while process.poll() is None and time.monotonic() < end:
            if select.select([master], [], [], 0.1)[0]:
                try:
                    os.read(master, 4096)
                except OSError:
                    break
        self.assertEqual(process.wait(slow(5)), 64)

    def test_no_mount(self):
        for command in ("status", "refresh", "umount"):
            status, text = self.run_imapfs(command, self.directory)
            self.assertEqual(status, 64, text)
            self.assertRegex(text, "^imapfs: .* is in no mount of imapfs\n$")
        mounted = self.mount(self.dovecot)
        for command in ("status", "umount"):
            status, text = self.run_imapfs(command, mounted / "INBOX")
            self.assertEqual((status, mounted.path in text), (64, True), text)


class Refresh(Commands):
    knobs = {"DOVECOT_CAPABILITY": NO_IDLE}

    def test_messages(self):
        box = self.fresh()
        self.deliver(box, message("one"))
        mounted = self.mount(self.dovecot)
        self.assertEqual(len(messages(mounted / box)), 1)
        self.deliver(box, message("two"))
        time.sleep(1)
        self.assertEqual(len(messages(mounted / box)), 1, "it shows without refresh: this test shows nothing")
        started = time.monotonic()
        self.succeed("refresh", mounted / box)
        note(f"refresh of a mailbox: {(time.monotonic() - started) * 1000:.0f} ms")
        self.assertTrue(eventually(lambda: len(messages(mounted / box)) == 2, slow(2)))

    def test_flags(self):
        box = self.fresh()
        self.deliver(box, message("one"))
        mounted = self.mount(self.dovecot)
        path, = messages(mounted / box).values()
        self.assertEqual(os.getxattr(path, "user.imap.seen"), b"0")
        with self.dovecot.client() as client:
            client.command(f"SELECT {box}")
            client.command("STORE 1 +FLAGS (\\Seen)")
        self.assertEqual(os.getxattr(path, "user.imap.seen"), b"0")
        self.succeed("refresh", mounted / box)
        self.assertEqual(os.getxattr(path, "user.imap.seen"), b"1")

    def test_mailbox_never_looked_into(self):
        box = self.fresh()
        self.deliver(box, *(message(f"number {n}") for n in range(50)))
        mounted = self.mount(self.dovecot)
        self.succeed("refresh", mounted / box)
        self.assertEqual(len(messages(mounted / box)), 50)

    def test_new_mailboxes(self):
        mounted = self.mount(self.dovecot)
        os.listdir(mounted.path)
        box = self.fresh()
        started = time.monotonic()
        self.succeed("refresh", mounted.path)
        note(f"refresh of the list: {(time.monotonic() - started) * 1000:.0f} ms")
        # the list is known at once, what the kernel remembers a moment later
        self.assertTrue(eventually(lambda: box in os.listdir(mounted.path), slow(2)))
        # by its own path, before anything else knew of it
        other = self.fresh()
        self.deliver(other, message("one"))
        self.succeed("refresh", mounted / other)
        self.assertEqual(len(messages(mounted / other)), 1)

    def test_no_such_mailbox(self):
        mounted = self.mount(self.dovecot)
        for name in ("nothing", "INBOX/nothing", "a\nb"):
            status, text = self.run_imapfs("refresh", mounted / name)
            self.assertIn(status, (64, 66), text)
            self.assertIn("no mailbox", text)

    def test_stalled(self):
        proxy = Proxy(self.dovecot.port)
        self.addCleanup(proxy.close)
        mounted = self.mount(self.dovecot, "plain", port=proxy.port, timeout=3)
        os.listdir(mounted / "INBOX")
        proxy.freeze()
        for name in ("INBOX", ""):
            started = time.monotonic()
            status, text = self.run_imapfs("refresh", mounted / name)
            self.assertEqual(status, 69, text)
            self.assertLess(time.monotonic() - started, slow(8))
        proxy.thaw()


class Umount(Commands):
    def test_umount(self):
        mounted = self.mount(self.dovecot)
        self.assertEqual(len(self.sockets()), 1)
        self.succeed("umount", mounted.path)
        # at once, not a little later
        self.assertFalse(mounted.running())
        self.assertFalse(mounted.mounted())
        self.assertEqual(self.sockets(), [])

    def test_busy(self):
        mounted = self.mount(self.dovecot)
        user = subprocess.Popen(["sleep", "60"], cwd=mounted / "INBOX")
        self.addCleanup(self.reap, user)
        status, text = self.run_imapfs("umount", mounted.path)
        self.assertEqual(status, 69)
        self.assertEqual(text, f"imapfs: {mounted.path} is in use by sleep ({user.pid})\n")
        self.assertTrue(mounted.mounted())
        user.kill()
        user.wait()
        self.succeed("umount", mounted.path)
        self.assertFalse(mounted.running())

    def test_without_a_socket(self):
        mounted = self.mount(self.dovecot)
        os.unlink(self.sockets()[0])
        status, text = self.run_imapfs("status", mounted.path)
        self.assertEqual(status, 69, text)
        self.succeed("umount", mounted.path)
        self.assertFalse(mounted.mounted())
        self.assertTrue(eventually(lambda: not mounted.running(), slow(5)))

    def test_hung_daemon(self):
        """A daemon that does not answer holds up no command for long."""
        mounted = self.mount(self.dovecot)
        os.kill(mounted.pid, signal.SIGSTOP)
        try:
            started = time.monotonic()
            status, text = self.run_imapfs("status", mounted.path)
            self.assertEqual(status, 69, text)
            self.assertLess(time.monotonic() - started, slow(15))
        finally:
            os.kill(mounted.pid, signal.SIGCONT)


class Check(Commands):
    samples = ("INBOX",)

    def check(self, *more, url=None, **options):
        return self.run_imapfs("check", *more, "-o", self.options(self.dovecot, **options), url or self.url(self.dovecot))

    def test_good(self):
        status, text = self.check()
        self.assertEqual(status, 0, text)
        lines = text.splitlines()
        self.assertIn(f"server: localhost, port {self.dovecot.tls_port}, TLS", lines)
        self.assertIn("login: test", lines)
        with self.dovecot.client() as client:
            count = sum(response[0].startswith(b"* LIST ") for response in client.command('LIST "" "*"'))
        self.assertTrue(any(line.startswith(f"mailboxes: {count},") for line in lines), text)
        self.assertFalse(any(line.startswith("no IDLE") for line in lines), text)
        self.assertTrue(any(line.startswith("on disk: ") for line in lines), text)

    def test_wrong_password(self):
        status, text = self.check(password_file=self.file("wrong", "wrong\n"))
        self.assertEqual(status, 77, text)
        self.assertNotIn("wrong", text)

    def test_wrong_certificate(self):
        status, text = self.check(tls_ca=self.dovecot.other_ca)
        self.assertEqual(status, 76, text)

    def test_nobody_there(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        status, text = self.check(url=f"imaps://test@localhost:{port}/")
        self.assertEqual(status, 69, text)
        self.assertEqual(text.count("\n"), 1, text)

    def test_account_with_the_name_of_a_command(self):
        self.file("config/imapfs/config",
                  f"[status]\nsource={self.url(self.dovecot)}\ntls_ca={self.dovecot.ca}\n"
                  f"password_file={self.file('password', 'secret' + chr(10))}\n")
        for name in ("status", "account:status"):
            status, text = self.run_imapfs("check", name)
            self.assertEqual(status, 0, text)
        path = self.mountpoint()
        status, text = self.run_imapfs("status", path)
        self.assertEqual(status, 64, text)
        mounted = self.mount_with(["account:status", path], path)
        self.assertIn("INBOX", os.listdir(mounted.path))

    def test_beside_a_mount(self):
        self.mount(self.dovecot)
        status, text = self.check()
        self.assertEqual(status, 0, text)


class CheckWithout(Check):
    """A server that can do little."""

    knobs = {"DOVECOT_CAPABILITY": "IMAP4rev1 LITERAL+ SASL-IR"}

    def test_good(self):
        status, text = self.check()
        self.assertEqual(status, 0, text)
        self.assertIn("no IDLE: new mail is looked for once a minute\n", text)
        self.assertIn("no LIST-STATUS: ", text)


class Socket(Commands):
    """Whoever comes to the socket, the mount goes on."""

    samples = ("INBOX",)

    def setUp(self):
        super().setUp()
        self.mounted = self.mount(self.dovecot)

    def still_serves(self):
        started = time.monotonic()
        self.assertTrue(messages(self.mounted / "INBOX"))
        self.assertIn("online: yes", self.succeed("status", self.mounted.path))
        self.assertLess(time.monotonic() - started, slow(2))

    def ask(self, client, line):
        client.sendall(line)
        data = b""
        while not any(last.startswith((b"ok", b"error ")) for last in data.split(b"\n")[:-1]):
            part = client.recv(1 << 16)
            if not part:
                break
            data += part
        return data

    def test_permissions(self):
        path, = self.sockets()
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode), 0o700)

    def test_protocol(self):
        client = self.connect()
        self.assertEqual(self.ask(client, b"nonsense\n"), b"error usage there is no such request\n")
        self.assertEqual(self.ask(client, b"refresh\n"), b"error usage usage: refresh PATH\n")
        self.assertEqual(self.ask(client, b"refresh 'INBOX'\n"), b"ok\n")
        self.assertEqual(self.ask(client, b"refresh ''\n"), b"ok\n")
        self.assertTrue(self.ask(client, b"about\n").endswith(b"\nok\n"))
        # in pieces, and many at once
        client.sendall(b"abo")
        time.sleep(0.1)
        self.assertTrue(self.ask(client, b"ut\n").startswith(b" mountpoint: "))
        client.sendall(b"about\n" * 100)
        data = b""
        while data.count(b"ok\n") < 100:
            data += client.recv(1 << 16)
        self.assertEqual(data.count(b" account: "), 100)

    def test_garbage(self):
        for data in (b"\0\0\0\n", b"\xff\xfe\n", b"'\n", b"\n", b"status \"\n", os.urandom(4000).replace(b"\n", b"") + b"\n"):
            client = self.connect()
            self.assertTrue(self.ask(client, data).startswith(b"error usage "), data)
        self.still_serves()

    def test_long_line(self):
        client = self.connect()
        try:
            client.sendall(b"x" * (1 << 20))
        except (BrokenPipeError, ConnectionResetError):
            pass
        self.assertEqual(self.rest(client), b"error usage the line is too long\n")
        self.still_serves()

    def test_client_that_never_reads(self):
        client = self.connect()
        client.settimeout(1)
        try:
            for _ in range(5000):
                client.sendall(b"status\n" * 100)
        except TimeoutError:
            pass
        else:
            self.fail("half a million requests were taken without an answer being read")
        with open(f"/proc/{self.mounted.pid}/statm", encoding="ascii") as file:
            note(f"resident: {int(file.read().split()[1]) * 4} KiB")
        self.still_serves()
        # in the end it is dropped
        time.sleep(11)
        client.settimeout(slow(5))
        self.rest(client)
        self.still_serves()

    def test_client_that_never_speaks(self):
        client = self.connect()
        started = time.monotonic()
        self.assertEqual(self.rest(client), b"")
        self.assertGreater(time.monotonic() - started, 5)
        self.still_serves()

    def test_many_clients(self):
        clients = [self.connect() for _ in range(40)]
        refused = 0
        for client in clients:
            client.settimeout(0.2)
            try:
                refused += client.recv(100).startswith(b"error busy ")
            except TimeoutError:
                pass
        self.assertEqual(refused, 40 - 16)
        for client in clients:
            client.close()
        self.assertTrue(eventually(lambda: self.run_imapfs("status", self.mounted.path)[0] == 0, slow(5)))
        self.still_serves()

    def test_client_that_leaves_in_the_middle(self):
        box = self.fresh()
        for _ in range(50):
            client = self.connect()
            client.sendall(f"refresh {box}\n".encode())
            client.close()
        self.still_serves()

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv"), "needs root")
    def test_another_user(self):
        path, = self.sockets()
        for opened in (self.directory, os.path.dirname(path), path):
            os.chmod(opened, 0o777)
        program = ("import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
                   "print(s.recv(1000).decode())")
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c",
                               program, path], capture_output=True, text=True, timeout=slow(20))
        self.assertNotIn("mountpoint", done.stdout)
        self.assertIn("error denied ", done.stdout, done.stderr)
        os.chmod(self.directory, 0o700)


class Places(Commands):
    """What is where the socket should be."""

    def test_stale_socket(self):
        first = self.mount(self.dovecot)
        path, = self.sockets()
        first.kill()
        self.assertTrue(eventually(lambda: not first.running(), slow(5)))
        first.watchdog.cancel()
        self.assertTrue(os.path.exists(path), "nothing stale to replace")
        self.assertEqual(self.succeed("status"), "nothing is mounted\n")
        second = self.mount(self.dovecot, path=first.path)
        self.assertEqual(self.sockets(), [path])
        self.assertEqual(self.values(self.succeed("status", second.path))["online"], "yes")
        self.succeed("umount", second.path)
        first.mounted = lambda: False
        first.killed = False

    def test_directory_of_others(self):
        os.makedirs(self.directory + "/imapfs", mode=0o755)
        os.chmod(self.directory + "/imapfs", 0o755)
        mounted = self.mount(self.dovecot)
        self.assertEqual(self.sockets(), [])
        self.assertIn("INBOX", os.listdir(mounted.path))
        self.assertIn("commands cannot reach this mount", read(mounted / ".imapfs/log").decode())
        status, text = self.run_imapfs("status", mounted.path)
        self.assertEqual(status, 69, text)

    def test_path_too_long(self):
        long = os.path.join(self.directory, "x" * 100)
        os.mkdir(long, 0o700)
        mounted = self.mount(self.dovecot, environment={"XDG_RUNTIME_DIR": long})
        self.assertIn("INBOX", os.listdir(mounted.path))


class Sync(Commands):
    samples = ("INBOX",)

    def offline_mount(self):
        return self.mount(self.dovecot, offline=True, password_file=None)

    def test_of_a_mount(self):
        mounted = self.mount(self.dovecot)
        text = self.succeed("sync", mounted.path, "INBOX")
        paths = messages(mounted / "INBOX")
        self.assertIn(f"{len(paths)} of {len(paths)} messages", text.splitlines()[-1])
        contents = {uid: read(path) for uid, path in paths.items()}
        self.succeed("umount", mounted.path)
        offline = self.offline_mount()
        self.assertEqual({uid: read(path) for uid, path in messages(offline / "INBOX").items()}, contents)

    def test_of_an_account_that_is_mounted(self):
        mounted = self.mount(self.dovecot)
        before = json.loads(read(mounted / ".imapfs/status.json"))["account"]["octets_in"]
        self.succeed("sync", "-o", self.options(self.dovecot), self.url(self.dovecot))
        after = json.loads(read(mounted / ".imapfs/status.json"))["account"]["octets_in"]
        self.assertGreater(after - before, 100_000)

    def test_of_an_account_that_is_not(self):
        box = self.fresh()
        self.deliver(box, *(message(f"number {n}", "x" * 10_000) for n in range(100)))
        text = self.succeed("sync", "-o", self.options(self.dovecot), self.url(self.dovecot))
        self.assertRegex(text.splitlines()[-1], r"^(\d+) of \1 messages, ")
        self.assertEqual(len(messages(self.offline_mount() / box)), 100)

    def test_second_run_fetches_nothing(self):
        mounted = self.mount(self.dovecot)
        self.succeed("sync", mounted.path)
        before = json.loads(read(mounted / ".imapfs/status.json"))["account"]["octets_in"]
        self.succeed("sync", mounted.path)
        after = json.loads(read(mounted / ".imapfs/status.json"))["account"]["octets_in"]
        self.assertLess(after - before, 50_000)

    def test_interrupted(self):
        box = self.fresh()
        self.deliver(box, *(message(f"number {n}", "x" * 100_000) for n in range(300)))
        proxy = Proxy(self.dovecot.port)
        self.addCleanup(proxy.close)
        arguments = ("sync", "-o", self.options(self.dovecot, tls="none"),
                     f"imap://test@127.0.0.1:{proxy.port}/", box)
        process = self.spawn(*arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertTrue(eventually(lambda: proxy.down > 8_000_000, slow(10), step=0.002))
        proxy.freeze()
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=slow(10))
        self.assertEqual(process.returncode, 130, output)
        self.assertIn("the next run goes on from here", output)
        proxy.thaw()
        before = proxy.down
        self.succeed(*arguments)
        self.assertLess(proxy.down - before, 26_000_000)    # not all of 30 MB again
        mounted = self.mount(self.dovecot, "plain", port=proxy.port, offline=True, password_file=None)
        self.assertEqual(len(messages(mounted / box)), 300)

    def test_no_such_mailbox(self):
        mounted = self.mount(self.dovecot)
        status, text = self.run_imapfs("sync", mounted.path, "nothing")
        self.assertEqual(status, 66, text)

    def test_without_a_store(self):
        mounted = self.mount(self.dovecot, cache_size=0)
        status, text = self.run_imapfs("sync", mounted.path)
        self.assertEqual(status, 70, text)
        self.assertIn("nothing on disk", text)


class Offline(Commands):
    samples = ("INBOX",)

    def test_nothing_known(self):
        status, text = self.run_imapfs("-o", self.options(self.dovecot, offline=True, password_file=None),
                                       self.url(self.dovecot), self.mountpoint())
        self.assertEqual(status, 69, text)
        self.assertIn("offline", text)

    def test_without_a_store(self):
        status, text = self.run_imapfs("-o", self.options(self.dovecot, offline=True, cache_size=0),
                                       self.url(self.dovecot), self.mountpoint())
        self.assertEqual(status, 64, text)

    def test_never_connects(self):
        proxy = Proxy(self.dovecot.port)
        self.addCleanup(proxy.close)
        known = self.mount(self.dovecot, "plain", port=proxy.port)
        names = sorted(os.listdir(known / "INBOX"))
        self.succeed("umount", known.path)
        before = proxy.accepted
        mounted = self.mount(self.dovecot, "plain", port=proxy.port, offline=True, password_file=None)
        self.assertEqual(sorted(os.listdir(mounted / "INBOX")), names)
        self.assertEqual(self.values(self.succeed("status", mounted.path))["online"], "no, as asked for")
        self.assertEqual(proxy.accepted, before)

    def test_server_out_of_reach(self):
        proxy = Proxy(self.dovecot.port)
        known = self.mount(self.dovecot, "plain", port=proxy.port)
        names = sorted(os.listdir(known / "INBOX"))
        self.succeed("umount", known.path)
        self.refuse(proxy)
        started = time.monotonic()
        mounted = self.mount(self.dovecot, "plain", port=proxy.port)
        self.assertLess(time.monotonic() - started, slow(4))
        self.assertIn("127.0.0.1 cannot be reached (", mounted.said())
        self.assertIn("serving what is known\n", mounted.said())
        self.assertEqual(sorted(os.listdir(mounted / "INBOX")), names)

    def test_server_stalled(self):
        proxy = Proxy(self.dovecot.port)
        self.addCleanup(proxy.close)
        known = self.mount(self.dovecot, "plain", port=proxy.port)
        os.listdir(known / "INBOX")
        self.succeed("umount", known.path)
        proxy.freeze()
        started = time.monotonic()
        mounted = self.mount(self.dovecot, "plain", port=proxy.port)
        self.assertTrue(2.5 < time.monotonic() - started < slow(5))
        self.assertIn("serving what is known\n", mounted.said())
        proxy.thaw()

    def test_login_refused(self):
        known = self.mount(self.dovecot)
        os.listdir(known / "INBOX")
        self.succeed("umount", known.path)
        for options, wanted in (({"password_file": self.file("wrong", "wrong\n")}, 77),
                                ({"tls_ca": self.dovecot.other_ca}, 76)):
            status, text = self.run_imapfs("-o", self.options(self.dovecot, **options), self.url(self.dovecot),
                                           self.mountpoint())
            self.assertEqual(status, wanted, text)

    def test_two_mounts_of_one_account(self):
        self.mount(self.dovecot)
        second = self.mount(self.dovecot)
        self.assertIn("nothing is kept on disk", second.said())
        self.assertIn("on disk: nothing: ", self.succeed("status", second.path))
        self.assertIn("INBOX", os.listdir(second.path))
