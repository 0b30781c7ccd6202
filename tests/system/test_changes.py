# SPDX-License-Identifier: GPL-3.0-or-later
"""What changes on the server while it is mounted."""

import os
import time

import rawimap
from harness import DovecotCase, eventually, message, messages, note, read, slow

SOON = 5    # promised are two seconds; the rest is for a busy machine


class Changes(DovecotCase):
    samples = ("INBOX",)

    def setUp(self):
        super().setUp()
        self.mounted = self.mount(self.dovecot)
        self.box = self.fresh()
        self.deliver(self.box, message("one"), message("two"), message("three"))
        self.path = self.mounted / self.box

    def soon(self, condition, what):
        started = time.monotonic()
        self.assertTrue(eventually(condition, slow(SOON)), f"{what}: not seen")
        note(f"{what} after {time.monotonic() - started:.2f} s")

    def seen(self, *uids):
        """Waits until the mailbox is there, and so in use."""
        self.soon(lambda: self.box in os.listdir(self.mounted.path), "mailbox")
        self.soon(lambda: sorted(messages(self.path)) == list(uids), "messages")

    def act(self, *commands):
        with self.dovecot.client() as client:
            client.select(self.box)
            for command in commands:
                client.command(command)

    def test_new_mailbox(self):
        self.seen(1, 2, 3)

    def test_new_mailbox_by_name(self):
        """Also where the absence of the name was just asked for."""
        name = f"late{time.monotonic_ns()}"
        self.assertFalse(os.path.exists(self.mounted / name))
        with self.dovecot.client() as client:
            client.create(name)
        self.soon(lambda: os.path.exists(self.mounted / name), "mailbox asked for by name")

    def test_deleted_mailbox(self):
        self.seen(1, 2, 3)
        with self.dovecot.client() as client:
            client.command(b"DELETE " + rawimap.mailbox(self.box))
        self.soon(lambda: self.box not in os.listdir(self.mounted.path), "deletion")
        self.soon(lambda: not os.path.exists(self.path), "deletion, by name")

    def test_renamed_mailbox(self):
        self.seen(1, 2, 3)
        with self.dovecot.client() as client:
            client.command(b"RENAME " + rawimap.mailbox(self.box) + b" " + rawimap.mailbox(self.box + "-new"))
        self.soon(lambda: os.path.exists(self.path + "-new") and not os.path.exists(self.path), "renaming")
        self.assertEqual(sorted(messages(self.path + "-new")), [1, 2, 3])

    def test_new_mail(self):
        self.seen(1, 2, 3)
        self.assertEqual(self.errno_of(os.stat, self.path + "/4.eml"), "ENOENT")
        self.deliver(self.box, message("four"))
        self.soon(lambda: sorted(messages(self.path)) == [1, 2, 3, 4], "new mail")
        self.assertEqual(read(self.path + "/4.eml"), message("four"))

    def test_new_mail_where_nobody_looked(self):
        """A mailbox that was listed once, then left for another."""
        self.seen(1, 2, 3)
        os.listdir(self.mounted / "INBOX")
        read(self.mounted / "INBOX/1.eml")
        time.sleep(1)
        self.deliver(self.box, message("four"))
        self.soon(lambda: sorted(messages(self.path)) == [1, 2, 3, 4], "new mail in the first")

    def test_expunge(self):
        self.seen(1, 2, 3)
        self.assertTrue(read(self.path + "/2.eml"))
        self.act(r"UID STORE 2 +FLAGS.SILENT (\Deleted)", "UID EXPUNGE 2")
        self.soon(lambda: sorted(messages(self.path)) == [1, 3], "expunge")
        self.soon(lambda: self.errno_of(os.stat, self.path + "/2.eml") == "ENOENT", "expunge, by name")
        # the others have changed their sequence numbers, but not their bytes
        self.assertEqual(read(self.path + "/3.eml"), message("three"))
        self.assertEqual(read(self.path + "/1.eml"), message("one"))

    def test_flags(self):
        self.seen(1, 2, 3)
        self.assertEqual(os.getxattr(self.path + "/2.eml", "user.imap.seen"), b"0")
        modseq = os.getxattr(self.path + "/2.eml", "user.imap.modseq")
        self.act(r"UID STORE 2 +FLAGS.SILENT (\Seen \Flagged work)")
        self.soon(lambda: os.getxattr(self.path + "/2.eml", "user.imap.seen") == b"1", "flag")
        flags = os.getxattr(self.path + "/2.eml", "user.imap.flags").decode().split()
        self.assertEqual(set(flags) - {r"\Recent"}, {r"\Seen", r"\Flagged", "work"})
        self.assertGreater(int(os.getxattr(self.path + "/2.eml", "user.imap.modseq")), int(modseq))
        self.assertEqual(os.getxattr(self.path + "/1.eml", "user.imap.flags").decode().replace(r"\Recent", ""), "")
        self.act(r"UID STORE 2 -FLAGS.SILENT (\Flagged)")
        self.soon(lambda: os.getxattr(self.path + "/2.eml", "user.imap.flagged") == b"0", "flag taken away")

    def test_many_changes(self):
        """Deliveries and expunges in a row; in the end the mount agrees with the server."""
        self.seen(1, 2, 3)
        with self.dovecot.client() as client:
            client.select(self.box)
            for number in range(4, 60):
                client.append(self.box, [(message(f"number {number}"), (), None)])
                if number % 3 == 0:
                    client.command(rf"UID STORE {number - 2} +FLAGS.SILENT (\Deleted)")
                    client.command(f"UID EXPUNGE {number - 2}")
                if number % 10 == 0:
                    os.listdir(self.path)
            bodies = client.bodies()
        self.soon(lambda: sorted(messages(self.path)) == sorted(bodies), "all of it")
        for uid, path in messages(self.path).items():
            self.assertEqual(read(path), bodies[uid])

    def test_names_of_the_others_stay(self):
        self.seen(1, 2, 3)
        before = set(os.listdir(self.path))
        self.deliver(self.box, message("four"))
        self.seen(1, 2, 3, 4)
        self.assertLess(before, set(os.listdir(self.path)))

    def test_expunged_while_open(self):
        """The right bytes or an error, never anything else."""
        self.seen(1, 2, 3)
        size = os.stat(self.path + "/2.eml").st_size
        with open(self.path + "/2.eml", "rb", buffering=0) as untouched, \
                open(self.path + "/1.eml", "rb", buffering=0) as begun:
            start = begun.read(10)
            self.act(r"UID STORE 1:2 +FLAGS.SILENT (\Deleted)", "UID EXPUNGE 1:2")
            time.sleep(1)
            for file, expected, got in ((untouched, message("two"), b""), (begun, message("one"), start)):
                try:
                    got += file.read(size + 100)
                except OSError as error:
                    note(f"error {error.errno}")
                else:
                    self.assertEqual(got, expected)

    def test_expunged_and_at_once_read(self):
        self.seen(1, 2, 3)
        self.act(r"UID STORE 2 +FLAGS.SILENT (\Deleted)", "UID EXPUNGE 2")
        try:
            self.assertEqual(read(self.path + "/2.eml"), message("two"))
        except OSError:
            pass

    def test_mailbox_made_anew(self):
        """Another message under the same UID: UIDVALIDITY tells them apart."""
        self.seen(1, 2, 3)
        with open(self.path + "/1.eml", "rb", buffering=0) as file:
            with self.dovecot.client() as client:
                name = rawimap.mailbox(self.box)
                client.command(b"DELETE " + name)
                time.sleep(1.1)     # UIDVALIDITY counts seconds
                client.command(b"CREATE " + name)
                client.append(self.box, [(message("another"), (), None)])
            time.sleep(1)
            try:
                got = file.read()
            except OSError as error:
                note(f"error {error.errno}")
            else:
                self.assertEqual(got, message("one"))
        self.soon(lambda: os.path.isdir(self.path) and sorted(messages(self.path)) == [1], "the new mailbox")
        self.soon(lambda: self.errno_of(read, self.path + "/1.eml") is None
                  and read(self.path + "/1.eml") == message("another"), "the new message")


class WithoutPush(Changes):
    """The same on a server that has IDLE, but neither NOTIFY nor QRESYNC."""
    knobs = {"DOVECOT_CAPABILITY": "IMAP4rev1 SASL-IR LITERAL+ IDLE UIDPLUS CONDSTORE ENABLE NAMESPACE CHILDREN"}
    samples = ("INBOX",)
