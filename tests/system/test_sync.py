# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept on disk, and how it is brought up to date at the next mount."""

import datetime
import os
import random
import re
import stat
import subprocess
import time

import rawimap
from harness import Config, Courier, Cyrus, ServerCase, eventually, messages, minutes, note, read, slow, times
from proxy import Proxy

NO_QRESYNC = ("QRESYNC",)
NO_CONDSTORE = ("QRESYNC", "CONDSTORE")
# what a server can lack and still be one
BARE = NO_CONDSTORE + (
    "BINARY", "CHILDREN", "ENABLE", "ESEARCH", "ID", "IDLE", "LIST-EXTENDED", "LIST-STATUS", "LITERAL+", "MOVE",
    "NAMESPACE", "NOTIFY", "OBJECTID", "PREVIEW", "SASL-IR", "SAVEDATE", "SEARCHRES", "SORT", "SPECIAL-USE",
    "STATUS=SIZE", "UIDPLUS", "UNSELECT", "WITHIN")
LEVELS = {"everything": (), "no QRESYNC": NO_QRESYNC, "no CONDSTORE": NO_CONDSTORE,
          "no ESEARCH either": NO_CONDSTORE + ("ESEARCH",)}
BODY = re.compile(r"BODY(\.PEEK)?\[\]|BINARY(\.PEEK)?\[\]|RFC822( |\))")


def letter(number, size=0):
    """One of many that are all different, with what it takes to know it again."""
    rng = random.Random(number)
    text = "".join(rng.choices("abcdefgh \n", k=size)) + "\n"
    return rawimap.crlf(f"From: Alice <alice{number}@example.org>\nSubject: letter {number}\n"
                        f"Message-ID: <{number}@example.org>\n\n{text}".encode())


def day(number):
    return datetime.datetime(2026, 3, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(minutes=number)


class Keeping(ServerCase):
    """Mounts through a proxy that reads along, several times with one cache."""

    def setUp(self):
        super().setUp()
        # one for all mounts: the port is part of an account's name
        self.proxy = Proxy(self.server.port, ())
        self.addCleanup(self.proxy.close)
        self.latest = None

    def through_proxy(self, hide=(), frozen=False, beside=False, **options):
        """Mounts with the proxy as at its beginning; no other mount has the cache then, unless BESIDE."""
        if self.latest is not None and not beside:
            self.latest.end()
        self.proxy.conceal(hide)
        self.proxy.forget()
        self.proxy.refusing = False
        (self.proxy.freeze if frozen else self.proxy.thaw)()
        self.latest = self.mount(self.server, "plain", port=self.proxy.port, **options)
        return self.latest

    def letters(self, mailbox, numbers, size=0, flags=()):
        with self.server.client() as client:
            client.append(mailbox, [(letter(number, size), flags, day(number)) for number in numbers])

    def act(self, mailbox, *commands):
        with self.server.client() as client:
            client.select(mailbox)
            for command in commands:
                client.command(command)

    def move(self, mailbox, uids, to):
        with self.server.client() as client:
            client.select(mailbox)
            client.move(uids, to)

    def expunge(self, mailbox, *uids):
        chosen = ",".join(map(str, uids))
        self.act(mailbox, rf"UID STORE {chosen} +FLAGS.SILENT (\Deleted)", f"UID EXPUNGE {chosen}")

    def is_right(self, mount, mailbox, seconds=10):
        """Its listing and flags agree with the server's, at once or when it has asked; names hold what they name."""
        with self.server.client() as client:
            client.select(mailbox, readonly=True)
            wanted = {uid: flags - {r"\Recent"} for uid, flags in (client.flags() if client.uids() else {}).items()}
            subjects = client.bodies(item="BODY.PEEK[HEADER.FIELDS (SUBJECT)]") if wanted else {}

        def shown():
            paths = messages(mount / mailbox)
            return {uid: set(os.getxattr(path, "user.imap.flags").decode().split()) - {r"\Recent"}
                    for uid, path in paths.items()}

        def agrees():
            try:
                return shown() == wanted
            except FileNotFoundError:   # gone between listing and looking
                return False

        if not eventually(agrees, slow(seconds)):
            self.assertEqual(shown(), wanted)
        for uid, path in messages(mount / mailbox).items():
            subject = subjects[uid].decode().partition(":")[2].strip()
            self.assertIn(f"{subject}.{uid}.eml", path)

    def contents_are_right(self, mount, mailbox):
        with self.server.client() as client:
            client.select(mailbox, readonly=True)
            bodies = client.bodies()
        for uid, path in messages(mount / mailbox).items():
            self.assertEqual(read(path), bodies[uid], path)

    def warm(self, *mailboxes, hide=(), contents=True, **options):
        """Mounts, reads all, and unmounts when all of it is saved."""
        mount = self.through_proxy(hide, **options)
        for mailbox in mailboxes:
            if contents:
                self.contents_are_right(mount, mailbox)
            else:
                os.listdir(mount / mailbox)
        mount.settle()
        self.assertTrue(mount.unmount())

    def fetched(self):
        """The commands that fetch octets of messages."""
        return [line for line in self.proxy.commands if BODY.search(line)]

    def listed(self, beyond):
        """The commands that fetch headers of messages up to that UID."""
        return [line for line in self.proxy.commands if "HEADER" in line
                and not ((first := re.search(r"FETCH (\d+):(?:\*|4294967295) ", line)) and int(first[1]) > beyond)]

    def cache(self):
        """All there is on disk: (directories, files)."""
        directories, files = [], []
        for path, _, names in os.walk(os.path.join(self.directory, "cache")):
            directories.append(path)
            files += [os.path.join(path, name) for name in names]
        return directories, files


class Deltas:
    """Between two mounts another client changes things; a mixin."""

    bare = BARE

    def scenario(self, name, mailbox):
        """Changes a mailbox of the letters 1 to 60."""
        numbers = iter(range(1000, 2000))
        deliver = lambda count: self.letters(mailbox, [next(numbers) for _ in range(count)])    # noqa: E731
        if name == "arrivals":
            deliver(20)
        elif name == "the first is gone":
            self.expunge(mailbox, 1)
        elif name == "the last is gone":
            self.expunge(mailbox, 60)
        elif name == "some are gone":
            self.expunge(mailbox, *random.Random(1).sample(range(1, 61), 25))
        elif name == "all are gone":
            self.expunge(mailbox, *range(1, 61))
        elif name == "as many came as went":
            self.expunge(mailbox, 7, 8, 9)
            deliver(3)
        elif name == "all were replaced":
            self.expunge(mailbox, *range(1, 61))
            deliver(60)
        elif name == "one came and went":
            deliver(1)
            self.expunge(mailbox, 61)
        elif name == "one came and went, and another":
            deliver(1)
            self.expunge(mailbox, 61, 5)
            deliver(1)
        elif name == "flags set":
            self.act(mailbox, r"UID STORE 3:30 +FLAGS.SILENT (\Seen)", r"UID STORE 5 +FLAGS.SILENT (work \Flagged)")
        elif name == "flags taken away":
            self.act(mailbox, r"UID STORE 40:60 -FLAGS.SILENT (\Seen)", r"UID STORE 41 -FLAGS.SILENT (old)")
        elif name == "everything at once":
            self.act(mailbox, r"UID STORE 10:50 +FLAGS.SILENT (\Answered)")
            self.expunge(mailbox, *range(20, 30), 60)
            deliver(15)
            self.act(mailbox, r"UID STORE 65 +FLAGS.SILENT (\Seen new)", r"UID STORE 41 -FLAGS.SILENT (\Seen old)")
            self.expunge(mailbox, 1, 62)
        else:
            assert name == "nothing"

    SCENARIOS = ("nothing", "arrivals", "the first is gone", "the last is gone", "some are gone", "all are gone",
                 "as many came as went", "all were replaced", "one came and went", "one came and went, and another",
                 "flags set", "flags taken away", "everything at once")

    def all_scenarios(self, hide):
        boxes = {name: self.fresh(f"s{number}-") for number, name in enumerate(self.SCENARIOS)}
        for mailbox in boxes.values():
            self.letters(mailbox, range(1, 61))
            self.act(mailbox, r"UID STORE 35:60 +FLAGS.SILENT (\Seen old)")
        self.warm(*boxes.values(), hide=hide, contents=False)
        for name, mailbox in boxes.items():
            self.scenario(name, mailbox)
        # twice: the second time that what the first has learned was saved
        for turn in ("second", "third"):
            mount = self.through_proxy(hide)
            for name, mailbox in boxes.items():
                with self.subTest(name, mount=turn):
                    self.is_right(mount, mailbox)
            mount.settle()
            if turn == "third":
                # 1:* is where nothing was left
                again = [line for line in self.listed(59) if " FETCH 1:* " not in line]
                self.assertEqual(again, [], "headers that were known are fetched again")
                self.assertLessEqual(len(self.listed(59)), 1)
            self.assertTrue(mount.unmount())

    def test_everything(self):
        self.all_scenarios(LEVELS["everything"])

    @minutes
    def test_no_qresync(self):
        self.all_scenarios(LEVELS["no QRESYNC"])

    @minutes
    def test_no_condstore(self):
        self.all_scenarios(LEVELS["no CONDSTORE"])

    @minutes
    def test_no_esearch(self):
        self.all_scenarios(LEVELS["no ESEARCH either"])

    def test_bare(self):
        self.all_scenarios(self.bare)

    @minutes
    def test_other_capabilities_next_time(self):
        """What was saved with QRESYNC is used without, and the other way round."""
        mailbox = self.fresh()
        self.letters(mailbox, range(1, 61))
        self.warm(mailbox, contents=False)
        number = 60
        for hide in (NO_CONDSTORE, (), NO_QRESYNC, self.bare, ()):
            number += 1
            self.letters(mailbox, [number])
            self.expunge(mailbox, number - 60)
            self.act(mailbox, rf"UID STORE {number - 30} +FLAGS.SILENT (\Flagged)")
            mount = self.through_proxy(hide)
            with self.subTest(hide=hide):
                self.is_right(mount, mailbox)
            mount.settle()
            self.assertTrue(mount.unmount())

    def test_bodies_are_kept(self):
        mailbox = self.fresh()
        self.letters(mailbox, range(20), size=50_000)
        self.warm(mailbox)
        mount = self.through_proxy()
        self.contents_are_right(mount, mailbox)
        self.assertEqual(self.fetched(), [])

    def test_new_uidvalidity(self):
        """The mailbox was made anew with the same mail: bodies stay."""
        mailbox = self.fresh()
        numbers, odd = range(30), range(30, 33)
        self.letters(mailbox, numbers, size=20_000)
        self.letters(mailbox, odd, size=20_000)
        self.warm(mailbox)
        with self.server.client() as client:
            before = self.uidvalidity(client, mailbox)
        time.sleep(1.1)     # some servers make it of the time
        with self.server.client() as client:
            client.command(b"DELETE " + client.place(mailbox))
            client.create(mailbox)
            self.assertNotEqual(self.uidvalidity(client, mailbox), before, "the server reuses UIDVALIDITY")
        # other UIDs, and one that differs although it looks the same
        self.letters(mailbox, [1000], size=10)
        impostor = letter(30, 20_000).replace(b"Subject: letter 30", b"Subject: letter 03")
        with self.server.client() as client:
            client.append(mailbox, [(impostor, (), day(930))])
        self.letters(mailbox, numbers, size=20_000)
        self.letters(mailbox, odd[1:], size=20_000)
        mount = self.through_proxy()
        self.is_right(mount, mailbox)
        self.contents_are_right(mount, mailbox)
        note(f"{len(self.fetched())} FETCHes of 2 new messages; {self.proxy.inside_down} octets down")
        self.assertLess(self.proxy.inside_down, 5 * 20_000)

    @staticmethod
    def uidvalidity(client, mailbox):
        for response in client.command(b"STATUS " + client.place(mailbox) + b" (UIDVALIDITY)"):
            found = re.search(rb"UIDVALIDITY (\d+)", response[0])
            if found:
                return int(found[1])
        raise AssertionError("no UIDVALIDITY")

    def test_moved_between_mounts(self):
        here, there = self.fresh("here"), self.fresh("there")
        self.letters(here, range(20), size=20_000)
        self.warm(here, there)
        self.move(here, "1:10", there)
        for name, hide in (("everything", ()), ("bare IMAP4rev1", self.bare)):
            with self.subTest(name):
                mount = self.through_proxy(hide)
                for mailbox in (here, there):   # the other way round it is not known yet that they have gone
                    self.is_right(mount, mailbox)
                    self.contents_are_right(mount, mailbox)
                self.assertEqual(self.fetched(), [])
                mount.settle()
                self.assertTrue(mount.unmount())

    def test_moved_while_mounted(self):
        here, there = self.fresh("here"), self.fresh("there")
        self.letters(here, range(20), size=20_000)
        mount = self.through_proxy()
        self.contents_are_right(mount, here)
        os.listdir(mount / there)
        mount.settle()
        self.proxy.forget()
        self.move(here, "1:10", there)
        for mailbox in (here, there):
            self.is_right(mount, mailbox)
            self.contents_are_right(mount, mailbox)
        self.assertEqual(self.fetched(), [])

    def test_moved_to_where_somebody_looks(self):
        """Where it was is asked at once, though nobody looks there."""
        here, there = self.fresh("here"), self.fresh("there")
        self.letters(here, range(20), size=20_000)
        self.letters(there, range(20, 22))
        self.warm(here, there)
        self.move(here, "1:10", there)
        mount = self.through_proxy(("NOTIFY", "LIST-STATUS"))   # so nothing else tells of it
        self.assertEqual(len(messages(mount / there)), 12)

        def count():
            return os.getxattr(mount / here, "user.imap.messages")
        self.assertTrue(eventually(lambda: self.errno_of(count) is None and count() == b"10", slow(5)),
                        self.proxy.commands)
        mount.settle()
        self.contents_are_right(mount, there)
        self.assertEqual(self.fetched(), [])


class DeltasOnDovecot(Deltas, Keeping):
    pass


class DeltasOnCyrus(Deltas, Keeping):
    """Only with --long, as is the next: minutes."""

    kind = Cyrus
    long = True


class DeltasOnCourier(Deltas, Keeping):
    kind = Courier
    long = True
    bare = tuple(name for name in BARE if name != "NAMESPACE")  # its mailboxes would be elsewhere


class Octets:
    """What a remount costs on the wire; a mixin, with a server that has few mailboxes."""

    def test_octets(self):
        """An unchanged mailbox costs what the server's extensions let it cost."""
        count = 2000
        mailbox = self.fresh()
        with self.server.client() as client:
            client.append(mailbox, [(letter(number), (), day(number)) for number in range(count)])
        # what LIST and so on answer, and then each message
        bounds = {"everything": 2048, "no QRESYNC": 4096, "no CONDSTORE": 4096 + 60 * count}
        for level, bound in bounds.items():
            with self.subTest(level):
                self.warm(mailbox, hide=LEVELS[level], contents=False)
                mount = self.through_proxy(LEVELS[level])
                done = subprocess.run(["ls", "-l", mount / mailbox], stdout=subprocess.PIPE, check=True,
                                      timeout=slow(30))
                self.assertEqual(done.stdout.count(b".eml\n"), count)
                mount.settle()
                time.sleep(1)   # what comes later counts too
                note(f"{level}: {self.proxy.inside_up} octets up, {self.proxy.inside_down} down")
                self.assertLess(self.proxy.inside, bound, self.proxy.commands)
                self.assertTrue(mount.unmount())


class OctetsOnDovecot(Octets, Keeping):
    pass


class OctetsOnCyrus(Octets, Keeping):
    long = True
    kind = Cyrus


class Mailboxes(Keeping):
    """The list of mailboxes changes between mounts."""

    def test_created_renamed_deleted(self):
        kept, gone, renamed = self.fresh("kept"), self.fresh("gone"), self.fresh("renamed")
        for number, mailbox in enumerate((kept, gone, renamed)):
            self.letters(mailbox, range(10 * number, 10 * number + 10), size=20_000)
        self.warm(kept, gone, renamed)
        mount = self.through_proxy()
        inodes = {os.stat(path).st_ino for path in messages(mount / kept).values()}
        self.assertTrue(mount.unmount())
        with self.server.client() as client:
            client.command(b"DELETE " + client.place(gone))
            client.command(b"RENAME " + client.place(renamed) + b" " + client.place(renamed + "-new"))
        made = self.fresh("made")
        self.letters(made, range(50, 60))
        mount = self.through_proxy()
        wanted = {kept, made, renamed + "-new"}
        unwanted = {gone, renamed}
        self.assertTrue(eventually(
            lambda: (names := set(os.listdir(mount.path))) >= wanted and not names & unwanted, slow(10)),
            os.listdir(mount.path))
        for mailbox in wanted:
            self.is_right(mount, mailbox)
            self.contents_are_right(mount, mailbox)
        self.assertEqual({os.stat(path).st_ino for path in messages(mount / kept).values()}, inodes,
                         "an inode number is another than last time")
        self.assertLess(self.proxy.inside_down, 100_000, "bodies of the renamed mailbox came again")

    @minutes
    def test_another_user(self):
        """Two accounts of one server share nothing."""
        mailbox = self.fresh()
        self.letters(mailbox, range(5))
        self.warm(mailbox)
        password = self.file("other-password", "secret2\n")
        mount = self.through_proxy(user="other", password_file=password)
        self.assertNotIn(mailbox, os.listdir(mount.path))


class Killed(Keeping):
    """kill -9 at any moment costs nothing but time."""

    def test_first_listing(self):
        mailbox = self.fresh()
        self.letters(mailbox, range(5000))
        rng = random.Random(4)
        for turn in range(times(3)):
            mount = self.through_proxy()
            lister = subprocess.Popen(["ls", "-l", mount / mailbox], stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)
            time.sleep(rng.uniform(0, slow(0.6)))
            mount.crash()
            lister.wait(slow(10))
        mount = self.through_proxy()
        self.is_right(mount, mailbox)
        mount.settle()
        self.assertTrue(mount.unmount())
        mount = self.through_proxy()
        self.is_right(mount, mailbox)
        self.assertEqual(self.listed(5000), [])

    def test_sync(self):
        for name, hide in (("everything", ()), ("no QRESYNC", NO_QRESYNC), ("no CONDSTORE", NO_CONDSTORE)):
            if Config.long or not hide:
                with self.subTest(name):
                    self.killed_syncing(hide)

    def killed_syncing(self, hide):
        mailbox = self.fresh()
        self.letters(mailbox, range(3000))
        self.warm(mailbox, hide=hide, contents=False)
        rng = random.Random(5)
        known = list(range(1, 3001))
        for turn in range(times(3)):
            gone, known = known[:50], known[50:]
            self.expunge(mailbox, *gone)
            self.act(mailbox, rf"UID STORE {known[0]}:{known[500]} +FLAGS.SILENT (\Seen turn{turn})",
                     rf"UID STORE {known[300]}:{known[400]} -FLAGS.SILENT (\Seen)")
            self.letters(mailbox, range(10_000 + turn * 200, 10_200 + turn * 200))
            mount = self.through_proxy(hide)
            lister = subprocess.Popen(["ls", "-l", mount / mailbox], stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)
            time.sleep(rng.uniform(0, slow(0.4)))
            mount.crash()
            lister.wait(slow(10))
        mount = self.through_proxy(hide)
        self.is_right(mount, mailbox)

    def test_reading(self):
        """Half a body that was being saved is never taken for a whole one."""
        mailbox = self.fresh()
        self.letters(mailbox, range(40), size=300_000)
        rng = random.Random(6)
        for turn in range(times(3)):
            mount = self.through_proxy()
            reader = subprocess.Popen(["grep", "-r", "nothing like it", mount / mailbox], stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)
            time.sleep(rng.uniform(0.1, slow(0.6)))
            mount.crash()
            reader.wait(slow(10))
        mount = self.through_proxy()
        self.contents_are_right(mount, mailbox)


    def test_pushes(self):
        """While others change what is being watched."""
        mailbox = self.fresh()
        self.letters(mailbox, range(500))
        rng = random.Random(7)
        number, first = 10_000, 1
        for turn in range(times(10)):
            mount = self.through_proxy()
            os.listdir(mount / mailbox)
            end = time.monotonic() + rng.uniform(0, slow(0.3))
            while time.monotonic() < end:
                self.letters(mailbox, range(number, number + 5))
                self.act(mailbox, rf"UID STORE {first + 100}:{first + 150} +FLAGS.SILENT (\Seen turn{turn % 20})")
                self.expunge(mailbox, *range(first, first + 3))
                number, first = number + 5, first + 3
            mount.crash()
        mount = self.through_proxy()
        self.is_right(mount, mailbox)


class Torn(Keeping):
    """Whatever happened to the files, what is shown is right."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.box = f"zanzibar{time.monotonic_ns()}"
        with cls.server.client() as client:
            client.create(cls.box)
            client.append(cls.box, [(letter(number, 40_000), ("periwinkle",), day(number)) for number in range(25)])

    def setUp(self):
        super().setUp()
        self.warm(self.box)

    def database(self):
        found = [path for path in self.cache()[1] if os.path.basename(path) == "index.db"]
        self.assertEqual(len(found), 1, self.cache())
        return found[0]

    def bodies(self):
        found = [path for path in self.cache()[1] if "index.db" not in path and os.path.getsize(path) > 10_000]
        self.assertTrue(found, self.cache())
        return found

    def still_right(self):
        """At the next mount, and at the one after it."""
        for _ in range(2):
            mount = self.through_proxy()
            self.is_right(mount, self.box)
            self.contents_are_right(mount, self.box)
            mount.settle()
            self.assertTrue(mount.unmount())

    def overwrite(self, path, offset, data):
        with open(path, "r+b") as file:
            file.seek(offset)
            file.write(data)

    def test_database_cut(self):
        for share in (0, 0.01, 0.3, 0.5, 0.9) if Config.long else (0.3,):
            with self.subTest(share):
                os.truncate(self.database(), int(os.path.getsize(self.database()) * share))
                self.still_right()

    def test_database_scribbled_on(self):
        rng = random.Random(7)
        for turn in range(8) if Config.long else (1, 5):
            with self.subTest(turn):
                path = self.database()
                for _ in range(1 << turn):
                    self.overwrite(path, rng.randrange(os.path.getsize(path)), rng.randbytes(64))
                self.still_right()

    def test_database_is_something_else(self):
        path = self.database()
        for name, data in (("text", b"Dear diary,\n" * 1000), ("zeros", bytes(100_000)),
                           ("header", b"SQLite format 3\0" + random.Random(8).randbytes(100_000))):
            with self.subTest(name):
                with open(path, "wb") as file:
                    file.write(data)
                self.still_right()

    @minutes
    def test_database_gone(self):
        os.unlink(self.database())
        self.still_right()

    def test_database_is_a_directory(self):
        path = self.database()
        os.unlink(path)
        os.mkdir(path)
        mount = self.through_proxy()
        self.is_right(mount, self.box)
        self.contents_are_right(mount, self.box)

    @minutes
    def test_foreign_log(self):
        """What a crash of another database has left beside it."""
        for suffix in ("-wal", "-shm", "-journal"):
            with self.subTest(suffix):
                with open(self.database() + suffix, "wb") as file:
                    file.write(random.Random(9).randbytes(70_000))
                self.still_right()

    def test_bodies_scribbled_on(self):
        rng = random.Random(10)
        for path in self.bodies():
            for _ in range(20):
                self.overwrite(path, rng.randrange(os.path.getsize(path) - 1), bytes([rng.randrange(256)]))
        self.still_right()

    def test_bodies_cut(self):
        for path in self.bodies():
            os.truncate(path, os.path.getsize(path) * 2 // 3)
        self.still_right()

    @minutes
    def test_bodies_gone(self):
        for path in self.bodies():
            os.unlink(path)
        self.still_right()

    @minutes
    def test_bodies_exchanged(self):
        """Octets of one message in the place of another's."""
        path = self.bodies()[0]
        with open(path, "rb") as file:
            data = file.read()
        with open(path, "wb") as file:
            file.write(data[len(data) // 2:] + data[:len(data) // 2])
        self.still_right()

    @minutes
    def test_foreign_files(self):
        for directory in self.cache()[0]:
            for name in ("README", "core", "0", "index.db.old"):
                with open(os.path.join(directory, name), "wb") as file:
                    file.write(b"not ours\n")
        self.still_right()

    @minutes
    def test_unreadable(self):
        """A cache that belongs to somebody else is not used."""
        if os.getuid() != 0:
            self.skipTest("needs root")
        for path in sum(self.cache(), []):
            os.chown(path, 12345, 12345)
        mount = self.through_proxy()
        self.is_right(mount, self.box)
        self.contents_are_right(mount, self.box)

    def test_bodies_vanish_under_a_mount(self):
        mount = self.through_proxy()
        self.is_right(mount, self.box)
        for path in self.bodies():
            os.unlink(path)
        self.contents_are_right(mount, self.box)

    def test_no_name_of_the_server(self):
        for path in sum(self.cache(), []):
            for word in ("zanzibar", "periwinkle", "letter", "INBOX", "Alice"):
                self.assertNotIn(word, os.path.relpath(path, self.directory))


class Places(Keeping):
    """Where it is kept, and where it cannot be."""

    def setUp(self):
        super().setUp()
        self.box = self.fresh()
        self.letters(self.box, range(25), size=40_000)

    def test_modes(self):
        self.warm(self.box, umask=0)
        directories, files = self.cache()
        self.assertTrue(files)
        # the first is the place itself, which was not there either
        for path in directories:
            self.assertEqual(stat.S_IMODE(os.lstat(path).st_mode), 0o700, path)
        for path in files:
            self.assertEqual(stat.S_IMODE(os.lstat(path).st_mode), 0o600, path)
            self.assertTrue(stat.S_ISREG(os.lstat(path).st_mode), path)

    def test_not_wanted(self):
        mount = self.through_proxy(cache_size=0)
        self.contents_are_right(mount, self.box)
        self.assertTrue(mount.unmount())
        self.assertEqual(self.cache()[1], [])

    def test_size(self):
        """No more than was asked for is kept, give or take what is about to go."""
        mailbox = self.fresh()
        self.letters(mailbox, range(100, 160), size=300_000)
        limit = 4 << 20
        mount = self.through_proxy(cache_size="4M")
        self.contents_are_right(mount, mailbox)
        mount.settle()
        size = lambda: sum(os.stat(path).st_blocks * 512   # noqa: E731
                           for path in self.cache()[1] if "index.db" not in path)
        self.assertTrue(eventually(lambda: size() <= 1.1 * limit, slow(20), 0.5), f"{size()} octets")
        note(f"{size()} octets of bodies are kept of {60 * 300_000}")
        self.assertGreater(size(), limit // 4)
        self.contents_are_right(mount, mailbox)

    def test_two_mounts(self):
        """The second works, without it, and says so."""
        first = self.through_proxy()
        self.contents_are_right(first, self.box)
        second = self.through_proxy(beside=True)
        self.is_right(second, self.box)
        self.contents_are_right(second, self.box)
        status = second.status()
        note(f"the second: {status.get('on disk')}")
        self.assertRegex(status.get("on disk", ""), "another|in use|locked")
        self.assertNotRegex(first.status().get("on disk", ""), "another|in use|locked")
        first.settle()
        self.assertTrue(first.unmount())
        self.assertTrue(second.unmount())
        third = self.through_proxy()
        self.contents_are_right(third, self.box)
        self.assertEqual(self.fetched(), [])

    def on_tmpfs(self, size):
        place = os.path.join(self.directory, "tmpfs-" + size)
        os.mkdir(place)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", place],
                          stderr=subprocess.DEVNULL).returncode:
            self.skipTest("cannot mount a tmpfs here")
        self.addCleanup(subprocess.run, ["umount", "-l", place], check=True)
        return place

    def test_full_disk(self):
        place = self.on_tmpfs("64k")
        with self.assertRaises(OSError), open(os.path.join(place, "full"), "wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        self.works_without_room(place)

    def test_disk_that_becomes_full(self):
        for size in ("100k", "300k", "700k"):
            with self.subTest(size):
                self.works_without_room(self.on_tmpfs(size))

    def works_without_room(self, place):
        for _ in range(2):
            mount = self.through_proxy(environment={"XDG_CACHE_HOME": place})
            self.is_right(mount, self.box)
            self.contents_are_right(mount, self.box)
            self.letters(self.box, [random.randrange(10**6)], size=30_000)
            self.is_right(mount, self.box)
            self.assertTrue(mount.unmount())

    def test_no_place(self):
        """XDG_CACHE_HOME is a file."""
        path = self.file("occupied", "")
        mount = self.through_proxy(environment={"XDG_CACHE_HOME": path})
        self.contents_are_right(mount, self.box)
        note(f"on disk: {mount.status().get('on disk')}")
