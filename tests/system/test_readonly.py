# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts with -o ro on a server whose sizes are known to be right: the kernel opens files without us."""

import json
import mmap
import os
import subprocess
import time

import rawimap
from harness import Case, Config, DovecotCase, eventually, message, messages, note, read
from imapserver import Mail, MailServer
from test_changes import Changes

LEFT = "opening files: left to the kernel"
PROVEN = 25     # messages that are read before sizes are trusted; and some


def status(mounted):
    return read(mounted / ".imapfs/status").decode()


def trusted(mounted, box):
    """Reads enough for sizes to be trusted; they are in the store when that is known."""
    for path in messages(mounted / box).values():
        read(path)
    if not eventually(lambda: "\nsizes: trusted\n" in status(mounted), 5):
        raise AssertionError(status(mounted))


class Sparing(DovecotCase):
    """Mounts a server that an earlier mount has found to be trustworthy."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with cls.dovecot.client() as client:
            client.create("proven")
            client.append("proven", [(message(f"number {i}", "x\n" * i * 1000), (), None) for i in range(PROVEN)])

    def prepare(self):
        """Knows the server from an earlier mount; with its inode numbers."""
        mounted = self.mount(self.dovecot)
        trusted(mounted, "proven")
        numbers = {uid: os.stat(path).st_ino for uid, path in messages(mounted / "proven").items()}
        self.assertNotIn(LEFT, status(mounted))
        self.assertTrue(mounted.unmount())
        return numbers

    def mount_spared(self, box="proven"):
        """Mounts so that no OPEN is answered, which is seen after the first."""
        mounted = self.mount(self.dovecot, ro=True)
        eventually(lambda: box in os.listdir(mounted.path), 5)
        read(messages(mounted / box)[1])
        self.assertIn(LEFT, status(mounted))
        return mounted


class ReadOnly(Sparing):
    def test_messages(self):
        numbers = self.prepare()
        mounted = self.mount_spared()
        for uid, path in messages(mounted / "proven").items():
            expected = message(f"number {uid - 1}", "x\n" * (uid - 1) * 1000)
            self.assertEqual(read(path), expected)
            self.assertEqual(read(path), expected)
            self.assertEqual(os.stat(path).st_size, len(expected))
            self.assertEqual(os.stat(path).st_ino, numbers[uid])
        with os.scandir(mounted / "proven") as entries:
            self.assertEqual({entry.inode() for entry in entries}, set(numbers.values()))

    def test_writing(self):
        self.prepare()
        mounted = self.mount_spared()
        path = messages(mounted / "proven")[3]
        for flags in (os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_TRUNC, os.O_WRONLY | os.O_APPEND):
            self.assertEqual(self.errno_of(os.open, path, flags), "EROFS")
        self.assertEqual(self.errno_of(os.truncate, path, 0), "EROFS")
        self.assertEqual(read(path), message("number 2", "x\n" * 2000))

    def test_not_trusted(self):
        """Nothing is known of the server, or the mount is not read-only."""
        mounted = self.mount(self.dovecot, ro=True)
        trusted(mounted, "proven")
        self.assertNotIn(LEFT, status(mounted))
        self.assertTrue(mounted.unmount())
        mounted = self.mount(self.dovecot)
        trusted(mounted, "proven")
        self.assertNotIn(LEFT, status(mounted))

    def test_made_files(self):
        """Each look makes a new text, which stays what it is for who has it open."""
        self.prepare()
        mounted = self.mount_spared()
        made = mounted / ".imapfs"
        for name in sorted(os.listdir(made)):
            path = os.path.join(made, name)
            with self.subTest(name):
                self.assertEqual(os.stat(path).st_ino, os.stat(path).st_ino)
                # cp wants it to be the same when it is opened
                copy = os.path.join(self.directory, "copy")
                subprocess.run(["cp", path, copy], check=True, timeout=10)
                self.assertEqual(os.path.getsize(copy) > 0, os.stat(path).st_size > 0)
                if name == "log":
                    continue    # it may be empty
                with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                    self.assertEqual(os.fstat(file.fileno()).st_size, len(mapped))
                    self.assertEqual(file.read(), mapped[:])
        json.loads(read(made + "/status.json"))
        self.assertTrue(status(mounted).endswith("\n"))

    def test_made_files_are_new(self):
        self.prepare()
        mounted = self.mount_spared()
        with open(mounted / ".imapfs/status.json", "rb", buffering=0) as file:
            before = file.read()
            for path in messages(mounted / "proven").values():
                read(path)
            os.listdir(mounted / "INBOX")
            after = read(mounted / ".imapfs/status.json")
            self.assertNotEqual(before, after)
            file.seek(0)
            self.assertEqual(file.read(), before)
        # Nobody else has them: they do not pile up.
        resident = self.resident(mounted)
        for _ in range(3000):
            os.stat(mounted / ".imapfs/status")
        grown = self.resident(mounted) - resident
        note(f"3000 looks cost {grown} octets")
        self.assertTrue(Config.sanitized or grown < 2 << 20)    # they keep what was freed

    @staticmethod
    def resident(mounted):
        with open(f"/proc/{mounted.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


class Views(Sparing):
    """What is made from messages: nobody asks for sizes when it is opened."""
    samples = ("INBOX",)

    def all_made(self, mounted, exact):
        """{path: octets} of parts and texts; what is EXACT has the size that is shown."""
        made = {}
        for directory, _, names in os.walk(mounted / "INBOX/.parts"):
            for name in names:
                made[os.path.relpath(os.path.join(directory, name), mounted.path)] = None
        for name in os.listdir(mounted / "INBOX/.text"):
            made["INBOX/.text/" + name] = None
        for number, name in enumerate(sorted(made)):
            path = mounted / name
            # some are read at once, of others the size is looked at before
            size = os.stat(path).st_size if exact and number % 2 else None
            made[name] = read(path)
            self.assertIn(size, (None, len(made[name])), name)
            if exact:
                self.assertEqual(os.stat(path).st_size, len(made[name]), name)
        return made

    def test_views(self):
        self.prepare()
        mounted = self.mount(self.dovecot, cache_size=0)
        before = self.all_made(mounted, False)
        self.assertGreater(len(before), 20)
        self.assertTrue(mounted.unmount())
        mounted = self.mount_spared()
        now = self.all_made(mounted, True)
        self.assertEqual(sorted(now), sorted(before))
        for name, octets in now.items():
            self.assertEqual(octets, before[name], name)
        self.assertIn(LEFT, status(mounted))
        note(f"{len(now)} files")


class ChangesReadOnly(Changes):
    """What changes on the server, seen by such a mount."""

    def mount(self, server, **options):
        if not os.path.exists(self.directory + "/cache"):
            with server.client() as client:
                client.create("proven")
                client.append("proven", [(message(f"number {i}"), (), None) for i in range(PROVEN)])
            known = super().mount(server, **options)
            trusted(known, "proven")
            self.assertTrue(known.unmount())
            with server.client() as client:
                client.command("DELETE proven")
        mounted = super().mount(server, ro=True, **options)
        read(next(iter(messages(mounted / "INBOX").values())))
        self.assertIn(LEFT, status(mounted))
        return mounted


    def test_text_of_a_mailbox_made_anew(self):
        """Its number could be that of the old one, so until the next mount it is none."""
        def octets(path):
            with open(path, "rb", buffering=0) as file:
                return file.read()

        self.seen(1, 2, 3)
        text = self.path + "/.text/1.txt"
        self.assertIn(b"one", octets(self.path + "/.text/1.txt"))
        with open(self.path + "/.text/2.txt", "rb", buffering=0) as unread:
            with self.dovecot.client() as client:
                name = rawimap.mailbox(self.box)
                client.command(b"DELETE " + name)
                time.sleep(1.1)     # UIDVALIDITY counts seconds
                client.command(b"CREATE " + name)
                client.append(self.box, [(message("another"), (), None), (message("other"), (), None)])
            self.soon(lambda: os.path.isdir(self.path) and sorted(messages(self.path)) == [1, 2], "the new mailbox")
            self.assertIn(self.errno_of(unread.read), ("ESTALE", "EIO"))
        self.soon(lambda: self.errno_of(octets, self.path + "/1.eml") is None
                  and octets(self.path + "/1.eml") == message("another"), "the new message")
        self.assertEqual(self.errno_of(octets, text), "ESTALE")


class LyingServer(MailServer):
    """Announces the size of one message wrong."""
    lie = 0

    def size(self, mail):
        return len(mail.data) + (self.lie if mail.uid == 77 else 0)


class WrongSize(Case):
    def test_wrong_size(self):
        for lie in (-300, +300):
            for length in (2_000, 300_000):
                with self.subTest(lie=lie, length=length):
                    self.try_size(lie, length)

    def try_size(self, lie, length):
        """A reader gets an error, and the next one all of it; the next mount asks first."""
        wrong = message("wrong", "y" * length + "\n")
        server = LyingServer({b"INBOX": [Mail(i + 1, message(f"number {i}")) for i in range(PROVEN)],
                              b"other": [Mail(77, wrong)]})
        self.addCleanup(server.close)
        server.lie = lie
        cache = self.mountpoint()
        options = {"environment": {"XDG_CACHE_HOME": cache}}
        mounted = self.mount(server, "plain", port=server.port, **options)
        trusted(mounted, "INBOX")
        self.assertTrue(mounted.unmount())

        mounted = self.mount(server, "plain", port=server.port, ro=True, **options)
        read(messages(mounted / "INBOX")[1])
        self.assertIn(LEFT, status(mounted))
        path = messages(mounted / "other")[77]
        self.assertEqual(os.stat(path).st_size, len(wrong) + lie)
        with open(path, "rb", buffering=0) as file:
            if length > 4096:
                self.assertEqual(file.read(4096), wrong[:4096])
            self.assertRaises(OSError, read, path)
            self.assertEqual(self.errno_of(file.read), "ESTALE")
        self.assertTrue(eventually(lambda: os.stat(path).st_size == len(wrong), 5))
        self.assertEqual(read(path), wrong)
        self.assertEqual(read(path), wrong)
        self.assertIn("sizes: the server gave a wrong one", status(mounted))
        self.assertTrue(mounted.unmount())

        mounted = self.mount(server, "plain", port=server.port, ro=True, **options)
        read(messages(mounted / "INBOX")[1])
        self.assertEqual(read(messages(mounted / "other")[77]), wrong)
        self.assertNotIn(LEFT, status(mounted))
        self.assertTrue(mounted.unmount())
