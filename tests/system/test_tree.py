# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree: names, attributes, what is and what is not there."""

import datetime
import os
import re
import shutil
import subprocess

from harness import Case, DovecotCase, Dovecot, eventually, message, messages, read, slow
from imapserver import Mail, MailServer

NAME = re.compile(r"\d{4}-\d\d-\d\d \d{4} .*\.\d+\.eml")
FORBIDDEN = re.compile(r'[\x00-\x1f\x7f-\x9f\\/:*?"<>|\u202a-\u202e\u2066-\u2069]')
WRITES = os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND, os.O_WRONLY | os.O_TRUNC


class Samples(DovecotCase):
    """A mount of the sample mail, which no test changes."""

    samples = ("INBOX", "Lists", "Archive/2025", "Entwürfe", "Odd")

    def setUp(self):
        super().setUp()
        self.mounted = self.mount(self.dovecot)

    def every_message(self, mount=None):
        """(mailbox, uid, path) of every message."""
        for mailbox in self.samples:
            for uid, path in messages((mount or self.mounted) / mailbox).items():
                yield mailbox, uid, path

    def test_root(self):
        self.assertEqual(sorted(os.listdir(self.mounted.path)),
                         sorted(["INBOX", "Lists", "Archive", "Entwürfe", "Odd", "Drafts", "Sent", "Trash"]))
        self.assertEqual(os.listdir(self.mounted / "Archive"), ["2025"])

    def test_names(self):
        self.assertIn("2026-10-04 2037 Alice Example - Lunch on Friday_.1.eml",
                      os.listdir(self.mounted / "INBOX"))
        count = 0
        for _, _, path in self.every_message():
            name = os.path.basename(path)
            with self.subTest(name):
                self.assertRegex(name, NAME)
                self.assertNotRegex(name, FORBIDDEN)
                self.assertLessEqual(len(name.encode()), 200)  # and valid UTF-8, or this fails
                self.assertNotRegex(name, r"^[-.]|[. ]$|  ")
            count += 1
        with self.dovecot.client() as client:
            expected = 0
            for mailbox in self.samples:
                client.select(mailbox, readonly=True)
                expected += len(client.uids())
        self.assertEqual(count, expected)

    def test_decoded_names(self):
        names = "\n".join(os.listdir(self.mounted / "INBOX"))
        for text in ("Björn Ångström - Grüße aus Malmö_ 3 Fotos", "陳小明 - 會議記錄與下一步",
                     "Émile Lefèvre - Réunion déplacée à jeudi", "Müller, Greta - Quarterly report",
                     "Dora O'Neill - Keys"):
            self.assertIn(text, names)
        odd = "\n".join(os.listdir(self.mounted / "Odd"))
        for text in ("1_2 or 3_4_ _a_b_ _c_ _d_ _e_ f", ".._.._.._etc_passwd", "raw UTF-8_ Grüße, 日本語",
                     "photo.jpg.eml", "décomposé"):
            self.assertIn(text, odd)

    def test_times_are_local(self):
        mount = self.mount(self.dovecot, environment={"TZ": "Asia/Kolkata"})
        self.assertIn("2026-10-05 0207 Alice Example - Lunch on Friday_.1.eml", os.listdir(mount / "INBOX"))

    def test_lookup_by_uid(self):
        for mailbox, uid, path in self.every_message():
            short = os.stat(self.mounted / f"{mailbox}/{uid}.eml")
            full = os.stat(path)
            self.assertEqual((short.st_ino, short.st_size), (full.st_ino, full.st_size), path)

    def test_what_is_not_there(self):
        for name in ("nothing", "INBOX/nothing", "INBOX/99999.eml", "INBOX/0.eml", "INBOX/-1.eml", "INBOX/01.eml",
                     "INBOX/1.eml.", "INBOX/4294967297.eml", "INBOX/18446744073709551617.eml",
                     ".Trash", "INBOX/.hidden", "INBOX/cur", "INBOX/x.1.eml", "INBOX/" + "n" * 255):
            with self.subTest(name):
                self.assertEqual(self.errno_of(os.stat, self.mounted / name), "ENOENT")
        self.assertEqual(self.errno_of(os.stat, self.mounted / ("n" * 256)), "ENAMETOOLONG")
        self.assertEqual(self.errno_of(os.stat, self.mounted / "INBOX/1.eml/x"), "ENOTDIR")

    def test_names_by_uid(self):
        mount = self.mount(self.dovecot, names="uid")
        with self.dovecot.client() as client:
            client.select("INBOX", readonly=True)
            uids = client.uids()
        self.assertEqual(sorted(os.listdir(mount / "INBOX")), sorted(f"{uid}.eml" for uid in uids))

    def test_sizes_and_times(self):
        with self.dovecot.client() as client:
            client.select("INBOX", readonly=True)
            for response in client.command("UID FETCH 1:* (INTERNALDATE RFC822.SIZE)"):
                line = response[0].decode()
                uid = int(re.search(r"UID (\d+)", line)[1])
                status = os.stat(self.mounted / f"INBOX/{uid}.eml")
                self.assertEqual(status.st_size, int(re.search(r"RFC822.SIZE (\d+)", line)[1]))
                date = datetime.datetime.strptime(re.search(r'INTERNALDATE "([^"]*)"', line)[1].strip(),
                                                  "%d-%b-%Y %H:%M:%S %z").timestamp()
                self.assertEqual(status.st_mtime, date)

    def test_modes(self):
        status = os.stat(self.mounted / "INBOX/1.eml")
        self.assertEqual((status.st_uid, status.st_gid), (os.getuid(), os.getgid()))
        self.assertTrue(os.access(self.mounted / "INBOX/1.eml", os.R_OK))
        self.assertEqual(status.st_mode & 0o077, 0, "mail is private")

    def test_inode_numbers_last(self):
        before = {path[len(self.mounted.path):]: os.stat(path).st_ino for _, _, path in self.every_message()}
        self.assertEqual(len(set(before.values())), len(before))
        other = self.mount(self.dovecot)
        after = {path[len(other.path):]: os.stat(path).st_ino for _, _, path in self.every_message(other)}
        self.assertEqual(before, after)

    def test_bytes(self):
        """Every message, byte for byte; and looking has changed nothing."""
        with self.dovecot.client() as client:
            for mailbox in self.samples:
                client.select(mailbox, readonly=True)
                before = client.flags()
                bodies = client.bodies()
                paths = messages(self.mounted / mailbox)
                self.assertEqual(sorted(paths), sorted(bodies))
                for uid, path in paths.items():
                    self.assertEqual(read(path), bodies[uid], path)
                    self.assertEqual(os.stat(path).st_size, len(bodies[uid]), path)
                client.command("NOOP")
                self.assertEqual(client.flags(), before)

    def test_parts_of_a_file(self):
        """Any range, in any order, by read and by mmap."""
        with self.dovecot.client() as client:
            client.select("INBOX", readonly=True)
            bodies = client.bodies()
        uid = max(bodies, key=lambda uid: len(bodies[uid]))
        body, path = bodies[uid], self.mounted / f"INBOX/{uid}.eml"
        program = """
import mmap, os, random, sys
rng = random.Random(1)
body, fd = open(sys.argv[2], 'rb').read(), os.open(sys.argv[1], os.O_RDONLY)
for _ in range(300):
    at, size = rng.randrange(len(body) + 10), rng.choice((1, 2, 100, 4096, 5000, 70000, 300000))
    assert os.pread(fd, size, at) == body[at:at + size], (at, size)
assert os.pread(fd, 10, len(body)) == b''
with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as whole:
    assert whole[:] == body
"""
        expected = self.file("expected", "")
        with open(expected, "wb") as file:
            file.write(body)
        done = subprocess.run(["python3", "-c", program, path, expected], capture_output=True, text=True,
                              timeout=slow(60))
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_attributes(self):
        with self.dovecot.client() as client:
            client.select("INBOX", readonly=True)
            flags = client.flags()
            (line,) = (r[0] for r in client.command("STATUS INBOX (UIDVALIDITY)") if b"UIDVALIDITY" in r[0])
            uidvalidity = re.search(rb"UIDVALIDITY (\d+)", line)[1]
            for response in client.command("UID FETCH 1:* (INTERNALDATE MODSEQ)"):
                line = response[0].decode()
                if "INTERNALDATE" not in line:
                    continue    # that MODSEQ is now of interest
                uid = int(re.search(r"UID (\d+)", line)[1])

                def value(name, path=self.mounted / f"INBOX/{uid}.eml"):
                    return os.getxattr(path, name)

                expected = flags[uid] - {r"\Recent"}
                self.assertEqual(set(value("user.imap.flags").decode().split()) - {r"\Recent"}, expected)
                for flag in ("seen", "flagged", "answered", "draft"):
                    self.assertEqual(value(f"user.imap.{flag}"), b"1" if "\\" + flag.title() in expected else b"0")
                self.assertEqual(value("user.imap.uid"), str(uid).encode())
                self.assertEqual(value("user.imap.uidvalidity"), uidvalidity)
                self.assertEqual(value("user.imap.modseq").decode(), re.search(r"MODSEQ \((\d+)\)", line)[1])
                # either as the server writes it, or as a person does
                self.assertIn(re.search(r'INTERNALDATE "\s*(\d+)-', line)[1].lstrip("0"),
                              value("user.imap.internaldate").decode())
                self.assertEqual(value("user.mime_type"), b"message/rfc822")
        path = self.mounted / "INBOX/2.eml"
        self.assertIn("Björn Ångström", os.getxattr(path, "user.imap.from").decode())
        self.assertIn("bjorn@example.org", os.getxattr(path, "user.imap.from").decode())
        self.assertIn("alice@example.org", os.getxattr(path, "user.imap.to").decode())
        self.assertEqual(os.getxattr(path, "user.imap.subject").decode(), "Grüße aus Malmö: 3 Fotos")
        self.assertRegex(os.getxattr(path, "user.imap.message-id").decode(), r"^<[^<>]+@example.org>$")
        self.assertRegex(os.getxattr(path, "user.imap.url").decode(),
                         r"^imaps?://(test@)?localhost(:\d+)?/INBOX;UIDVALIDITY=\d+/;UID=2$")

    def test_attribute_list(self):
        names = os.listxattr(self.mounted / "INBOX/1.eml")
        for name in ("flags", "seen", "flagged", "answered", "draft", "uid", "uidvalidity", "internaldate",
                     "from", "to", "subject", "message-id", "url"):
            self.assertIn("user.imap." + name, names)
        self.assertIn("user.mime_type", names)
        for name in names:
            os.getxattr(self.mounted / "INBOX/1.eml", name)

    def test_preview(self):
        """Asked for by name only; nobody waits for the server, and it stays."""
        path = self.mounted / "INBOX/1.eml"
        self.assertNotIn("user.imap.preview", os.listxattr(path))
        self.assertEqual(self.errno_of(os.getxattr, path, "user.imap.preview"), "ENODATA")
        self.assertTrue(eventually(lambda: self.errno_of(os.getxattr, path, "user.imap.preview") is None, slow(5)))
        with open(path, encoding="utf-8", errors="replace") as file:
            words = file.read().partition("\n\n")[2].split()[:3]
        self.assertEqual(os.getxattr(path, "user.imap.preview").decode().split()[:3], words)

    def test_foreign_attributes(self):
        """There are none of their kind, so ls need not ask for each file; and that ends no others."""
        for path in ("INBOX/1.eml", "INBOX", ""):
            for name, got in (("security.selinux", "ENOTSUP"), ("system.posix_acl_access", "ENOTSUP"),
                              ("trusted.x", "ENOTSUP"), ("user.nosuch", "ENODATA"),
                              ("user.imap.nosuch", "ENODATA")):
                with self.subTest(path=path, name=name):
                    self.assertEqual(self.errno_of(os.getxattr, self.mounted / path, name), got)
        self.assertEqual(os.getxattr(self.mounted / "INBOX/1.eml", "user.imap.uid"), b"1")

    def test_copies_with_attributes(self):
        """Programs that ask for ACLs and such take it as that there are none."""
        for command in (["cp", "-a"], ["rsync", "-aAX"]):
            if shutil.which(command[0]) is None:
                continue
            copy = self.directory + "/copy." + command[0]
            done = subprocess.run([*command, self.mounted / "INBOX/1.eml", copy], capture_output=True,
                                  timeout=slow(20), check=False)
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            self.assertEqual(read(copy), read(self.mounted / "INBOX/1.eml"))

    def test_attributes_of_odd_messages(self):
        """Whatever a header holds, reading it as an attribute works."""
        for _, _, path in self.every_message():
            for name in os.listxattr(path):
                self.assertNotIn(b"\0", os.getxattr(path, name))

    def test_writes_are_refused(self):
        """With EROFS, whatever it is, and whether or not there is something in the way."""
        old, new = self.mounted / "INBOX/1.eml", self.mounted / "INBOX/new.eml"
        calls = {f"open {flags:o}": (os.open, old, flags) for flags in WRITES}
        calls.update({
            "create": (os.open, new, os.O_CREAT | os.O_WRONLY), "mkdir": (os.mkdir, self.mounted / "new"),
            "mkdir below": (os.mkdir, self.mounted / "INBOX/new"), "unlink": (os.unlink, old),
            "rmdir": (os.rmdir, self.mounted / "Lists"), "rename": (os.rename, old, new),
            "rename mailbox": (os.rename, self.mounted / "Lists", self.mounted / "Listen"),
            "rename over": (os.rename, old, self.mounted / "INBOX/2.eml"),
            "link": (os.link, old, new), "symlink": (os.symlink, "x", new), "mknod": (os.mknod, new),
            "chmod": (os.chmod, old, 0o600), "chown": (os.chown, old, 0, 0), "utime": (os.utime, old),
            "truncate": (os.truncate, old, 0), "setxattr": (os.setxattr, old, "user.imap.seen", b"1"),
            "removexattr": (os.removexattr, old, "user.imap.flags"),
        })
        for name, call in calls.items():
            with self.subTest(name):
                self.assertEqual(self.errno_of(*call), "EROFS")
        with self.dovecot.client() as client:
            client.select("INBOX", readonly=True)
            self.assertEqual(len(client.uids()), 19)

    def test_status(self):
        self.assertNotIn(".imapfs", os.listdir(self.mounted.path))
        os.listdir(self.mounted / "INBOX")
        text = read(self.mounted / ".imapfs/status").decode()
        self.assertIn("localhost", text)
        self.assertNotIn("secret", text)
        self.assertGreater(len(text.splitlines()), 2)
        again = read(self.mounted / ".imapfs/status")
        self.assertTrue(again)

    def test_find(self):
        """find sees every message and mailbox once, and nothing else; and knows where to stop."""
        done = subprocess.run(["find", self.mounted.path, "-xdev"], capture_output=True, timeout=slow(60))
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        found = done.stdout.decode().splitlines()
        self.assertEqual(len(found), len(set(found)))
        self.assertEqual(sum(name.endswith(".eml") for name in found), sum(1 for _ in self.every_message()))
        done = subprocess.run(["find", self.directory, "-xdev", "-name", "*.eml"], capture_output=True,
                              timeout=slow(60))
        self.assertEqual(done.stdout, b"")

    def test_links_and_types(self):
        """find trusts st_nlink of directories; each is what readdir says it is."""
        for entry in os.scandir(self.mounted.path):
            self.assertTrue(entry.is_dir(follow_symlinks=False))
        for entry in os.scandir(self.mounted / "INBOX"):
            self.assertTrue(entry.is_file(follow_symlinks=False))
            self.assertEqual(entry.inode(), os.stat(entry.path).st_ino)

    def test_df(self):
        done = subprocess.run(["df", self.mounted.path], capture_output=True, text=True, timeout=slow(20))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertGreaterEqual(os.statvfs(self.mounted.path).f_namemax, 200)

    def test_file_managers_and_shells(self):
        """What ordinary programs do on sight of a directory."""
        for command in ("ls -la", "ls -lR", "ls -lZ", "ls INBOX/*.eml", "du -s", "tree || true", "stat INBOX/1.eml",
                        "file INBOX/1.eml || true", "getfattr -R -d INBOX", "cat INBOX/*.eml | wc -c", "wc -l Lists/*.eml"):
            with self.subTest(command):
                done = subprocess.run(command, shell=True, cwd=self.mounted.path, capture_output=True, text=True,
                                      timeout=slow(60))
                self.assertEqual(done.returncode, 0, done.stderr)


class MailboxNames(DovecotCase):
    NAMES = ("100%", "50%41", "with some  spaces", " leading", "Grüße", "日本語", "a&b", "quote\"d", "back\\slash",
             "tilde~", "per%zent/chi%ld", "deep/er/and/deeper", "#hash", "{3}", "semi;colon", "emoji 🎉")

    def test_special_names(self):
        with self.dovecot.client() as client:
            for number, name in enumerate(self.NAMES):
                client.create(name)
                client.append(name, [(message(f"in number {number}"), (), None)])
        mount = self.mount(self.dovecot)
        for number, name in enumerate(self.NAMES):
            with self.subTest(name):
                # only a "%" that would read as an escape is escaped
                path = mount / name.replace("50%41", "50%2541")
                (only,) = messages(path).values()
                self.assertEqual(read(only), message(f"in number {number}"))


class Delimiter(DovecotCase):
    knobs = {"DOVECOT_SEP": ".", "DOVECOT_PREFIX": "INBOX."}

    def test_prefix_and_dots(self):
        """Maildir++ as Courier and Cyrus have it: INBOX.Sent is Sent."""
        with self.dovecot.client() as client:
            client.create("INBOX.Work.Plans")
            client.append("INBOX.Work.Plans", [(message("plan"), (), None)])
        mount = self.mount(self.dovecot)
        names = os.listdir(mount.path)
        for name in ("INBOX", "Sent", "Work"):
            self.assertIn(name, names)
        self.assertEqual(os.listdir(mount / "Work"), ["Plans"])
        (path,) = messages(mount / "Work/Plans").values()
        self.assertEqual(read(path), message("plan"))


class HostileNames(Case):
    """Names that a real server would not let anybody create."""

    def tree(self, names, delimiter="/"):
        """Mounts mailboxes of these names, each with a message of its own."""
        class Server(MailServer):
            pass
        Server.delimiter = delimiter
        server = Server({name: [Mail(number, message(f"of {number}", "unique\n"))]
                         for number, name in enumerate(names, 1)})
        self.addCleanup(server.close)
        return self.mount(server, "plain")

    def found(self, mount):
        """{number of a mailbox: path}, by the message in it."""
        numbers = {}
        for folder, _, files in os.walk(mount.path):
            for name in files:
                data = read(os.path.join(folder, name)).decode()
                number = int(re.search(r"Subject: of (\d+)", data)[1])
                self.assertNotIn(number, numbers, "two directories for one mailbox")
                numbers[number] = os.path.relpath(folder, mount.path)
        return numbers

    def test_hostile_names(self):
        names = [b"INBOX", b"..", b".", b"../../etc", b"a/../b", b"a/./b", b"/abs", b"a//b", b"trail/", b".hidden",
                 b".imapfs", b"a/.imapfs", b"new\nline", b"tab\there", b"esc\x1b[31m", b"&&&", b"&AAA-", b"&ZZZ",
                 b"raw\xff\xfe", "raw grün".encode(), b"x" * 300, b"y" * 4000, b"%2F", b"%2e%2e", b"CASE", b"case",
                 b"Gr&APw-n", b"Gru&Awg-n", b"1.eml", b"z" * 255, b"q/" * 100 + b"q", b"a b\\c*?|<>\"", b"~", b"-rf"]
        mount = self.tree(names)
        listed = os.listdir(mount.path)
        self.assertEqual(len(listed), len(set(listed)))
        for name in listed:
            self.assertNotIn(name, (".", ".."))
            self.assertNotRegex(name, r"^\.|[\x00-\x1f/]")
            self.assertLessEqual(len(os.fsencode(name)), 255)
            self.assertTrue(os.path.isdir(mount / name))
        numbers = self.found(mount)
        missing = {names[n - 1] for n in range(1, len(names) + 1) if n not in numbers}
        # what is too deep may be left out, and "trail/" is another name of "trail"
        self.assertLessEqual(missing, {b"q/" * 100 + b"q", b"trail/"})
        self.assertTrue(mount.running())

    def test_slash_where_it_is_no_delimiter(self):
        mount = self.tree([b"INBOX", b"either/or", b"parent.child", b"../up", b"x%2Fy"], delimiter=".")
        numbers = self.found(mount)
        self.assertEqual(numbers[1], "INBOX")
        self.assertEqual(numbers[2], "either%2For")
        self.assertEqual(numbers[3], "parent/child")
        self.assertEqual(numbers[5], "x%252Fy")
        self.assertEqual(len(numbers), 5)

    def test_names_last(self):
        """A mailbox keeps its name, whatever else is there."""
        first = self.found(self.tree([b"INBOX", b"a%41", b"..", b"&&&", b"CASE"]))
        second = self.found(self.tree([b"INBOX", b"a%41", b"..", b"&&&", b"CASE", b"aA", b"case", b"%2E%2E"]))
        for number, path in first.items():
            self.assertEqual(second[number], path)


class BigMailbox(DovecotCase):
    def test_listing_in_small_steps(self):
        """Thousands of names, each once."""
        count = 3000
        name = self.fresh()
        with self.dovecot.client() as client:
            client.append(name, ((message(f"number {n}"), (), None) for n in range(count)))
        mount = self.mount(self.dovecot)
        self.assertEqual(len(set(os.listdir(mount / name))), count)
        done = subprocess.run(["ls", "-l", mount / name], capture_output=True, text=True, timeout=slow(60))
        self.assertEqual(len(done.stdout.splitlines()), count + 1)


class Nested(Case):
    def test_mailbox_with_messages_and_children(self):
        dovecot = Dovecot()
        self.addCleanup(dovecot.remove)
        with dovecot.client() as client:
            for name in ("INBOX/Projects", "Top/Middle/Leaf"):
                client.create(name)
            client.append("INBOX", [(message("in the box"), (), None)])
            client.append("INBOX/Projects", [(message("below it"), (), None)])
        mount = self.mount(dovecot)
        names = eventually(lambda: os.listdir(mount / "INBOX"), 1)
        self.assertEqual(len(names), 2)
        self.assertIn("Projects", names)
        (path,) = messages(mount / "INBOX/Projects").values()
        self.assertEqual(read(path), message("below it"))
        self.assertEqual(os.listdir(mount / "Top"), ["Middle"])
        self.assertEqual(os.listdir(mount / "Top/Middle"), ["Leaf"])
        self.assertEqual(os.listdir(mount / "Top/Middle/Leaf"), [])


class OfMailboxes(DovecotCase):

    def test_attributes_of_mailboxes(self):
        box = self.fresh()
        self.mounted = self.mount(self.dovecot)
        self.deliver(box, message("one"), message("two"), message("three"), flags=[r"\Seen"])
        self.deliver(box, message("four"))
        self.assertTrue(eventually(lambda: box in os.listdir(self.mounted.path), slow(5)))
        path = self.mounted / box
        self.assertNotIn("user.imap.messages", os.listxattr(path))     # nobody has looked yet
        self.assertEqual(self.errno_of(os.getxattr, path, "user.imap.unseen"), "ENODATA")
        self.assertEqual(len(os.listdir(path)), 4)
        self.assertEqual(os.getxattr(path, "user.imap.messages"), b"4")
        self.assertEqual(os.getxattr(path, "user.imap.unseen"), b"1")
        self.assertEqual(os.getxattr(path, "user.imap.uidvalidity"),
                         os.getxattr(path + "/1.eml", "user.imap.uidvalidity"))
        self.assertEqual(self.errno_of(os.getxattr, path, "user.imap.special-use"), "ENODATA")
        self.assertEqual(os.getxattr(self.mounted / "Sent", "user.imap.special-use"), b"\\Sent")
        self.assertEqual(sorted(os.listxattr(path)),
                         ["user.imap.messages", "user.imap.uidvalidity", "user.imap.unseen"])
        self.assertEqual(os.listxattr(self.mounted.path), [])
        self.assertEqual(self.errno_of(os.getxattr, path, "user.imap.flags"), "ENODATA")
        self.assertEqual(self.errno_of(os.getxattr, path + "/1.eml", "user.imap.messages"), "ENODATA")
