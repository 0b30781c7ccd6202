# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that watch a directory with inotify hear of what happens on the server."""

import contextlib
import ctypes
import os
import select
import struct
import subprocess
import threading
import time

import rawimap
from harness import Case, DovecotCase, eventually, message, messages, note, read, slow
from imapserver import Mail, MailServer

ATTRIB, CREATE, DELETE, DELETE_SELF, ISDIR = 0x4, 0x100, 0x200, 0x400, 0x40000000
OVERFLOW = 0x4000
SOON = 1    # what is promised, behind what the server takes

libc = ctypes.CDLL(None, use_errno=True)


class Inotify:
    """Collects (mask, name) of what happens in one directory."""

    def __init__(self, path, mask=ATTRIB | CREATE | DELETE):
        self.fd = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        self.events = []
        if self.fd < 0 or libc.inotify_add_watch(self.fd, os.fsencode(path), mask) < 0:
            raise OSError(ctypes.get_errno(), "inotify")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)

    def poll(self, seconds=0.0):
        if select.select([self.fd], [], [], seconds)[0]:
            data = os.read(self.fd, 1 << 20)
            while data:
                _, mask, _, length = struct.unpack_from("iIII", data)
                self.events.append((mask, os.fsdecode(data[16:16 + length].rstrip(b"\0"))))
                data = data[16 + length:]
        return self.events

    def wait(self, condition, seconds):
        """Reads until condition(events); how long that took, or None."""
        started = time.monotonic()
        while not condition(self.poll(0.05)):
            if time.monotonic() - started > seconds:
                return None
        return time.monotonic() - started

    def names(self, mask):
        return [name for got, name in self.events if got == mask]



def children(pid):
    """The processes that a process has started and that are still there."""
    found = []
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if name.isdigit():
                with open(f"/proc/{name}/stat", encoding="utf-8") as file:
                    fields = file.read().rpartition(")")[2].split()
                if int(fields[1]) == pid:
                    found.append(int(name))
    return found


def exists(pid):
    """A zombie does not count."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Watching(DovecotCase):

    def setUp(self):
        super().setUp()
        self.box = self.fresh()
        self.deliver(self.box, message("one"), message("two"), message("three"))
        self.mounted = self.mount(self.dovecot)
        self.path = self.mounted / self.box
        self.assertEqual(len(os.listdir(self.path)), 3)

    def act(self, *commands, box=None):
        with self.dovecot.client() as client:
            if box is not None:
                client.select(box)
            for command in commands:
                client.command(command)

    def nudges(self):
        for line in read(self.mounted / ".imapfs/status").decode().splitlines():
            if line.startswith("nudges: "):
                return int(line.partition(": ")[2])
        raise AssertionError("status says nothing of nudges")

    def expect(self, watch, mask, name, what, seconds=SOON):
        took = watch.wait(lambda events: (mask, name) in events, slow(seconds))
        self.assertIsNotNone(took, f"{what}: {watch.events}")
        note(f"{what} after {took:.3f} s")

    def test_arrival(self):
        self.assertEqual(self.errno_of(os.stat, self.path + "/4.eml"), "ENOENT")
        with Inotify(self.path) as watch:
            self.deliver(self.box, message("four"))
            took = watch.wait(lambda events: any(mask == CREATE for mask, _ in events), slow(SOON))
            self.assertIsNotNone(took, watch.events)
            note(f"arrival after {took:.3f} s")
            path = messages(self.path)[4]
            self.assertEqual(watch.events, [(CREATE, os.path.basename(path))])
        self.assertEqual(read(path), message("four"))
        self.assertEqual(os.stat(path).st_size, len(message("four")))
        self.assertEqual(os.stat(path).st_ino, os.stat(self.path + "/4.eml").st_ino)
        with self.dovecot.client() as client:
            client.select(self.box, readonly=True)
            self.assertEqual(len(client.uids()), 4)

    def test_expunge(self):
        name = os.path.basename(messages(self.path)[2])
        os.stat(os.path.join(self.path, name))
        with Inotify(self.path) as watch:
            self.act(r"UID STORE 2 +FLAGS.SILENT (\Deleted)", "UID EXPUNGE 2", box=self.box)
            self.expect(watch, DELETE, name, "expunge")
        self.assertEqual(self.errno_of(os.stat, os.path.join(self.path, name)), "ENOENT")
        self.assertEqual(sorted(messages(self.path)), [1, 3])

    def test_expunge_while_open(self):
        path = messages(self.path)[2]
        with open(path, "rb", buffering=0) as file, Inotify(self.path) as watch:
            start = file.read(5)
            self.act(r"UID STORE 2 +FLAGS.SILENT (\Deleted)", "UID EXPUNGE 2", box=self.box)
            self.expect(watch, DELETE, os.path.basename(path), "expunge")
            file.seek(0)
            with contextlib.suppress(OSError):
                self.assertEqual(file.read(5), start)

    def test_flags(self):
        path = messages(self.path)[2]
        before = os.stat(path)
        with Inotify(self.path) as watch, Inotify(path) as on_file:
            time.sleep(1.1)     # ctime counts seconds
            self.act(r"UID STORE 2 +FLAGS.SILENT (\Seen)", box=self.box)
            self.expect(watch, ATTRIB, os.path.basename(path), "flag")
            self.assertIsNotNone(on_file.wait(lambda events: (ATTRIB, "") in events, slow(SOON)))
        after = os.stat(path)
        self.assertEqual((before.st_mtime, before.st_size, before.st_mode, before.st_atime),
                         (after.st_mtime, after.st_size, after.st_mode, after.st_atime))
        self.assertGreater(after.st_ctime, before.st_ctime)

    def test_flags_where_only_the_file_is_watched(self):
        path = messages(self.path)[2]
        with Inotify(path) as watch:
            self.act(r"UID STORE 2 +FLAGS.SILENT (\Seen)", box=self.box)
            self.expect(watch, ATTRIB, "", "flag")

    def test_mailboxes(self):
        name = f"made{time.monotonic_ns()}"
        os.listdir(self.mounted.path)
        with Inotify(self.mounted.path) as watch, self.dovecot.client() as client:
            client.create(name)
            self.soon_listed(name, True)
            self.expect(watch, CREATE | ISDIR, name, "mailbox made")
            self.assertEqual(os.listdir(self.mounted / name), [])
            client.command(b"DELETE " + rawimap.mailbox(name))
            self.soon_listed(name, False)
            self.expect(watch, DELETE | ISDIR, name, "mailbox removed")
            self.assertEqual(self.errno_of(os.stat, self.mounted / name), "ENOENT")

    def soon_listed(self, name, there):
        """Mailboxes are looked for when somebody looks."""
        self.assertTrue(eventually(lambda: (name in os.listdir(self.mounted.path)) == there, slow(5)))

    def test_a_mailbox_below(self):
        name = f"below{time.monotonic_ns()}"
        with Inotify(self.path) as watch, self.dovecot.client() as client:
            client.create(f"{self.box}/{name}")
            self.assertTrue(eventually(lambda: os.listdir(self.mounted.path) and
                                       os.path.isdir(os.path.join(self.path, name)), slow(5)))
            self.expect(watch, CREATE | ISDIR, name, "mailbox made")

    def test_nobody_watches(self):
        before = self.nudges()
        self.deliver(self.box, message("four"))
        self.assertTrue(eventually(lambda: len(messages(self.path)) == 4, slow(5)))
        time.sleep(1)
        self.assertEqual(self.nudges(), before)
        other = self.fresh()
        self.assertTrue(eventually(lambda: other in os.listdir(self.mounted.path), slow(5)))
        os.listdir(self.mounted / other)
        with Inotify(self.mounted / other) as watch:    # it is not about this one
            self.act(r"UID STORE 2 +FLAGS.SILENT (\Seen)", box=self.box)
            self.assertTrue(eventually(lambda: os.getxattr(self.path + "/2.eml", "user.imap.seen") == b"1", slow(5)))
            time.sleep(1)
            self.assertEqual(self.nudges(), before)
            self.assertEqual(watch.poll(), [])

    def test_watching_begins_late(self):
        """Though nobody watched a moment ago, and that was found out."""
        self.deliver(self.box, message("four"))
        self.assertTrue(eventually(lambda: len(messages(self.path)) == 4, slow(5)))
        with Inotify(self.path) as watch:
            self.deliver(self.box, message("five"))
            self.assertIsNotNone(watch.wait(lambda events: any(".5.eml" in name for _, name in events), slow(SOON)))

    def test_many_arrivals(self):
        with Inotify(self.path) as watch:
            self.deliver(self.box, *(message(f"number {i}") for i in range(1000)))
            took = watch.wait(lambda events: len(events) >= 1000, slow(20))
            note(f"1000 arrivals after {took} s")
            self.assertEqual(len(watch.names(CREATE)), 1000)
            self.assertEqual(len(set(watch.names(CREATE))), 1000)
        self.assertLessEqual(set(watch.names(CREATE)), set(os.listdir(self.path)))

    def test_others_are_refused(self):
        """As the nudger calls, also while it does."""
        old, new, box = self.path + "/1.eml", self.path + "/new.eml", self.path + "/box"
        calls = {"mknod": (os.mknod, new), "unlink": (os.unlink, old), "utime": (os.utime, old),
                 "mkdir": (os.mkdir, box), "rename": (os.rename, old, new)}
        with Inotify(self.path) as watch:
            for name, call in calls.items():
                self.assertEqual(self.errno_of(*call), "EROFS", name)
            self.assertEqual(watch.poll(0.2), [])
            self.assertEqual(self.errno_of(os.stat, self.path + "/.imapfs-nudger"), "ENOENT")
            stop = threading.Event()
            wrong = []

            def attack():
                while not stop.is_set():
                    for uid in range(4, 104):
                        for call in (os.unlink, os.mknod):
                            got = self.errno_of(call, f"{self.path}/{uid}.eml")
                            if got not in ("EROFS", "ENOENT", "EEXIST"):
                                wrong.append((call, uid, got))

            thread = threading.Thread(target=attack)
            thread.start()
            self.deliver(self.box, *(message(f"number {i}") for i in range(100)))
            took = watch.wait(lambda _: len(watch.names(CREATE)) >= 100, slow(20))
            stop.set()
            thread.join()
            self.assertIsNotNone(took)
            self.assertEqual(wrong, [])

    def test_kill(self):
        pids = children(self.mounted.pid)
        self.assertEqual(len(pids), 1)
        with Inotify(self.path):
            self.deliver(self.box, *(message(f"number {i}") for i in range(300)))
            time.sleep(0.1)     # it is at it
            self.mounted.kill()
            self.assertTrue(eventually(lambda: not self.mounted.running(), slow(2)))
            self.assertTrue(eventually(
                lambda: self.errno_of(os.statvfs, self.mounted.path) == "ENOTCONN", slow(2)))
            self.assertTrue(eventually(lambda: not exists(pids[0]), slow(2)), "the nudger lives")
        subprocess.run(["fusermount3", "-u", self.mounted.path], check=True, timeout=slow(20))

    def test_without_the_nudger(self):
        """It is gone: nobody is told, and all else goes on."""
        os.kill(children(self.mounted.pid)[0], 9)
        self.assertTrue(eventually(lambda: not children(self.mounted.pid), slow(2)))
        with Inotify(self.path) as watch:
            self.deliver(self.box, message("four"))
            self.assertTrue(eventually(lambda: len(messages(self.path)) == 4, slow(5)))
            self.assertEqual(watch.poll(0.2), [])

    def test_nothing_is_inherited(self):
        pid = children(self.mounted.pid)[0]
        held = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
        self.assertEqual({name.partition(":")[0] for name in held}, {"/dev/null", "socket"})
        with open(f"/proc/{pid}/environ", "rb") as file:
            self.assertEqual(file.read(), b"")

    def test_unmount_amid(self):
        with Inotify(self.path) as watch:
            self.deliver(self.box, *(message(f"number {i}") for i in range(500)))
            watch.wait(lambda events: len(events) > 10, slow(5))

            def unmounted():    # busy while a nudge is on its way
                return subprocess.run(["fusermount3", "-u", self.mounted.path], timeout=slow(20),
                                      stderr=subprocess.DEVNULL, check=False).returncode == 0
            self.assertTrue(eventually(unmounted, slow(5), 0.01))
            self.assertTrue(eventually(lambda: not self.mounted.running(), slow(5)))
            self.assertFalse(os.listdir(self.mounted.path))

    def test_terminated_amid(self):
        pid = children(self.mounted.pid)[0]
        with Inotify(self.path) as watch:
            self.deliver(self.box, *(message(f"number {i}") for i in range(500)))
            watch.wait(lambda events: len(events) > 10, slow(5))
            os.kill(self.mounted.pid, 15)
            self.assertTrue(eventually(lambda: not self.mounted.running(), slow(5)))
            self.assertFalse(self.mounted.mounted())
            self.assertFalse(exists(pid))


class ForLong(DovecotCase):
    """A window that is open for long, on a server that tells nothing of mailboxes nobody has selected."""
    long = True
    patience = 20 * 60
    knobs = {"DOVECOT_CAPABILITY": "IMAP4rev1 SASL-IR LITERAL+ IDLE UIDPLUS CONDSTORE ENABLE NAMESPACE CHILDREN "
                                   "LIST-EXTENDED LIST-STATUS"}

    def test_after_a_lost_link(self):
        box = self.fresh()
        self.deliver(box, message("one"))
        mounted = self.mount(self.dovecot)
        self.assertEqual(len(os.listdir(mounted / box)), 1)
        with Inotify(mounted / box) as watch:
            time.sleep(11 * 60)     # whoever has looked into it a moment ago is served anyway
            self.server.stop()
            self.server.start()
            self.deliver(box, message("two"))
            self.assertIsNotNone(watch.wait(lambda events: any(".2.eml" in name for _, name in events), slow(150)))
            time.sleep(1)           # the nudger is in the directory, and then in none


class ReadOnly(DovecotCase):
    samples = ("INBOX",)

    def test_read_only(self):
        """-o ro is the kernel's: no nudger, and no write reaches us."""
        mounted = self.mount(self.dovecot, ro=True)
        self.assertEqual(children(mounted.pid), [])
        self.assertTrue(os.statvfs(mounted.path).f_flag & os.ST_RDONLY)
        self.assertEqual(self.errno_of(os.mkdir, mounted / "new"), "EROFS")


class Crowd(DovecotCase):
    COUNT = 10000

    def unrelated(self, mounted, watch, done):
        """The slowest of the stat() of another directory until done()."""
        slowest = 0.0
        end = time.monotonic() + slow(20)
        while not done(watch.poll()) and time.monotonic() < end:
            started = time.monotonic()
            self.errno_of(os.stat, mounted / f"INBOX/{time.monotonic_ns()}")
            slowest = max(slowest, time.monotonic() - started)
            time.sleep(0.002)
        note(f"{len(watch.events)} events, slowest stat {slowest * 1000:.1f} ms (promised: 50)")
        self.assertLess(slowest, slow(0.05))
        self.assertFalse([mask for mask, _ in watch.events if mask & OVERFLOW])

    def test_many_changes(self):
        """Each is told, or that there were too many."""
        box = self.fresh()
        self.deliver(box, *(message(f"number {i}") for i in range(self.COUNT)))
        mounted = self.mount(self.dovecot)
        names = set(os.listdir(mounted / box))
        self.assertEqual(len(names), self.COUNT)
        with Inotify(mounted / box) as watch, self.dovecot.client() as client:
            client.select(box)
            client.command(r"UID STORE 1:* +FLAGS.SILENT (\Flagged)")
            self.unrelated(mounted, watch, lambda events: (ATTRIB | ISDIR, "") in events or len(events) >= self.COUNT)
            told = set(watch.names(ATTRIB))
            self.assertLessEqual(told, names)
            self.assertTrue(told == names or (ATTRIB | ISDIR, "") in watch.events, len(told))

    def test_many_arrivals(self):
        box = self.fresh()
        mounted = self.mount(self.dovecot)
        os.listdir(mounted / box)
        with Inotify(mounted / box) as watch:
            thread = threading.Thread(target=self.deliver, args=(
                box, *(message(f"number {i}") for i in range(self.COUNT))))
            thread.start()
            self.unrelated(mounted, watch, lambda events: not thread.is_alive() and (
                (ATTRIB | ISDIR, "") in events or len(events) >= self.COUNT))
            thread.join()
            told = set(watch.names(CREATE))
            note(f"{len(told)} told by name")
            self.assertLessEqual(told, set(os.listdir(mounted / box)))
            self.assertTrue(len(told) == self.COUNT or (ATTRIB | ISDIR, "") in watch.events)


class SlowServer(MailServer):
    """Stops in the middle of the list of messages of P until it may go on."""

    def __init__(self):
        self.may_go_on = threading.Event()
        super().__init__({b"INBOX": [Mail(1, message("one"))], b"P": [Mail(1, message("one")), Mail(2, message("two"))]})

    def fetch_items(self, mail, wanted):
        if mail.uid == 2:
            self.may_go_on.wait(60)
        return super().fetch_items(mail, wanted)


class SlowDirectory(Case):
    """The nudger waits behind a program that reads a directory, and that waits for the server."""

    def setUp(self):
        super().setUp()
        self.server = SlowServer()
        self.addCleanup(self.server.close)
        self.addCleanup(self.server.may_go_on.set)
        self.mounted = self.mount(self.server, "plain")
        self.nudger = children(self.mounted.pid)[0]
        self.reader = subprocess.Popen(["ls", "-f", self.mounted / "P"], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
        self.addCleanup(self.reader.wait)
        self.addCleanup(self.reader.kill)
        time.sleep(0.5)
        self.assertIsNone(self.reader.poll(), "the directory is not slow")

    @contextlib.contextmanager
    def blocked(self):
        with Inotify(self.mounted / "P") as watch:
            self.server.mailboxes[b"P/child"] = []
            self.assertTrue(eventually(lambda: os.listdir(self.mounted.path) and self.state() == "D", slow(10)),
                            "the nudger does not wait")
            self.assertEqual(watch.poll(), [])
            yield watch

    def state(self):
        with open(f"/proc/{self.nudger}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0]

    def test_goes_on(self):
        with self.blocked() as watch:
            for _ in range(100):
                started = time.monotonic()
                self.errno_of(os.stat, self.mounted / f"INBOX/{time.monotonic_ns()}")
                self.assertLess(time.monotonic() - started, slow(0.05))
            self.server.may_go_on.set()
            self.assertIsNotNone(watch.wait(lambda events: (CREATE | ISDIR, "child") in events, slow(5)))
        self.assertEqual(self.reader.wait(slow(5)), 0)

    def test_terminated(self):
        with self.blocked():
            os.kill(self.mounted.pid, 15)
            self.assertTrue(eventually(lambda: not self.mounted.running() and not self.mounted.mounted(), slow(4)))
            self.assertFalse(exists(self.nudger))

    def test_killed(self):
        with self.blocked():
            self.mounted.kill()
            self.assertTrue(eventually(
                lambda: self.errno_of(os.statvfs, self.mounted.path) == "ENOTCONN", slow(2)))
            self.assertTrue(eventually(lambda: not exists(self.nudger), slow(2)), "the nudger lives")
        self.reader.wait(slow(2))
        subprocess.run(["fusermount3", "-u", self.mounted.path], check=True, timeout=slow(20))
