# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks that stall, connections that break, users who lose patience."""

import os
import random
import signal
import subprocess
import time

from harness import DovecotCase, eventually, message, messages, note, read, slow
from proxy import Proxy

TIMEOUT = 5


class Failing(DovecotCase):
    """Mounts through a proxy, without TLS, so that octets can be counted."""

    def through_proxy(self, **options):
        self.proxy = Proxy(self.dovecot.port)
        self.addCleanup(self.proxy.close)
        return self.mount(self.dovecot, "plain", port=self.proxy.port, timeout=TIMEOUT, **options)

    def reader(self, path):
        process = subprocess.Popen(["cat", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(self.reap, process)
        return process

    @staticmethod
    def reap(process):
        process.kill()
        process.communicate()


class Stalled(Failing):
    """The network is gone, without a word."""

    COUNT = 64

    def setUp(self):
        super().setUp()
        self.box = self.fresh()
        self.deliver(self.box, *(message(f"number {n}", "x" * 10_000 + "\n") for n in range(self.COUNT + 20)))
        self.mounted = self.through_proxy()
        self.paths = list(messages(self.mounted / self.box).values())
        for path in self.paths:
            os.stat(path)
        time.sleep(0.5)

    def longest_stat(self, seconds):
        """The slowest of many looks at what is known, in seconds."""
        longest, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            for path in (self.paths[0], self.mounted.path, self.mounted / self.box):
                started = time.monotonic()
                os.stat(path)
                longest = max(longest, time.monotonic() - started)
            started = time.monotonic()
            os.getxattr(self.paths[1], "user.imap.uid")
            longest = max(longest, time.monotonic() - started)
            time.sleep(0.005)
        return longest

    def test_blocked_readers(self):
        self.proxy.freeze()
        started = time.monotonic()
        readers = [self.reader(path) for path in self.paths[:self.COUNT]]
        time.sleep(0.5)
        blocked = sum(process.poll() is None for process in readers)
        self.assertGreater(blocked, 0, "nobody waits: the proxy does not stall")

        longest = self.longest_stat(1.5)
        note(f"{blocked} blocked; slowest stat {longest * 1000:.1f} ms (promised: 50)")
        self.assertLess(longest, slow(0.25))

        waiting = [process for process in readers if process.poll() is None]
        for number, process in ((signal.SIGKILL, waiting[0]), (signal.SIGINT, waiting[1]), (signal.SIGTERM, waiting[2])):
            asked = time.monotonic()
            process.send_signal(number)
            process.wait(slow(1))
            note(f"{signal.Signals(number).name}: gone after {(time.monotonic() - asked) * 1000:.0f} ms")

        for process in waiting[3:]:
            _, errors = process.communicate(timeout=slow(TIMEOUT + 5))
            self.assertNotEqual(process.returncode, 0)
            self.assertTrue(errors)
        note(f"the last got its error after {time.monotonic() - started:.1f} s (timeout={TIMEOUT})")
        self.assertLess(time.monotonic() - started, slow(TIMEOUT + 3))

        # back again: the same mount goes on by itself
        self.proxy.thaw()
        self.assertTrue(eventually(lambda: self.errno_of(read, self.paths[0]) is None, slow(20), 0.5))

    def test_listing_of_what_is_known(self):
        self.proxy.freeze()
        for _ in range(2):
            started = time.monotonic()
            done = subprocess.run(["ls", "-l", self.mounted / self.box], capture_output=True, timeout=slow(TIMEOUT + 5))
            note(f"ls -l: {time.monotonic() - started:.2f} s, exit status {done.returncode}")
            self.assertLess(time.monotonic() - started, slow(TIMEOUT + 3))
        self.proxy.thaw()

    def test_unmount_while_stalled(self):
        self.proxy.freeze()
        reader = self.reader(self.paths[3])
        time.sleep(0.3)
        os.kill(self.mounted.pid, signal.SIGTERM)
        self.assertTrue(eventually(lambda: not self.mounted.running() and not self.mounted.mounted(), slow(10)))
        reader.wait(slow(5))

    def test_mount_while_stalled(self):
        self.proxy.freeze()
        started = time.monotonic()
        status, text = self.run_imapfs("-o", self.options(None, timeout=2, tls="none"),
                                       f"imap://test@127.0.0.1:{self.proxy.port}/", self.mountpoint())
        self.assertEqual(status, 69, text)
        self.assertLess(time.monotonic() - started, slow(6))
        self.proxy.thaw()


class Cut(Failing):
    """The connection breaks while a message comes."""

    def test_cut_anywhere(self):
        """At many offsets: the exact bytes after a new connection, or an error; never less."""
        rng = random.Random(2)
        count, size = 40, 60_000
        body = "".join(rng.choices("abcdefgh \n", k=size))
        bodies = [message(f"number {n}", f"{n}\n{body}\n") for n in range(count)]
        box = self.fresh()
        self.deliver(box, *bodies)
        mount = self.through_proxy()
        paths = messages(mount / box)
        exact = failed = 0
        for number, uid in enumerate(sorted(paths)):
            # from the first octets of the response to beyond its last
            self.proxy.cut_after(1 + number * (size + 500) // (count - 2))
            try:
                data = read(paths[uid])
            except OSError:
                failed += 1
            else:
                self.assertEqual(data, bodies[number], f"cut at {number}")
                exact += 1
            self.proxy.cut_after(None)
        note(f"{exact} exact, {failed} errors")
        # what was cut is not kept: afterwards everything is whole
        for number, uid in enumerate(sorted(paths)):
            self.assertTrue(eventually(lambda p=paths[uid]: self.errno_of(read, p) is None, slow(20), 0.3))
            self.assertEqual(read(paths[uid]), bodies[number])

    def test_cut_of_a_long_message(self):
        box = self.fresh()
        text = "".join(random.Random(3).choices("abcdefgh \n", k=3_000_000))
        self.deliver(box, message("long", text))
        expected = message("long", text)
        for offset in (100_000, 1_000_000, 2_500_000):
            mount = self.through_proxy()
            (path,) = messages(mount / box).values()
            self.proxy.cut_after(offset)
            try:
                self.assertEqual(read(path), expected)
                note(f"cut at {offset}: exact")
            except OSError:
                note(f"cut at {offset}: error")
            self.proxy.cut_after(None)
            self.assertTrue(eventually(lambda p=path: self.errno_of(read, p) is None, slow(20), 0.3))
            self.assertEqual(read(path), expected)
            mount.unmount()

    def test_cut_while_listing(self):
        box = self.fresh()
        self.deliver(box, *(message(f"number {n}") for n in range(300)))
        for offset in (10, 500, 3000, 20_000, 40_000):
            mount = self.through_proxy()
            self.proxy.cut_after(offset)
            try:
                self.assertEqual(len(messages(mount / box)), 300)
            except OSError as error:
                note(f"cut at {offset}: error {error.errno}")
            self.proxy.cut_after(None)
            self.assertTrue(eventually(lambda m=mount: self.errno_of(os.listdir, m / box) is None, slow(20), 0.3))
            self.assertEqual(len(messages(mount / box)), 300)
            mount.unmount()

    def test_cut_while_idle(self):
        """A connection lost between two uses is not noticed by the next."""
        box = self.fresh()
        self.deliver(box, message("one"), message("two"))
        mount = self.through_proxy()
        paths = messages(mount / box)
        self.assertEqual(read(paths[1]), message("one"))
        self.proxy.cut()
        self.assertEqual(read(paths[2]), message("two"))
        self.deliver(box, message("three"))
        self.assertTrue(eventually(lambda: sorted(messages(mount / box)) == [1, 2, 3], slow(15)))

    def test_server_gone_and_back(self):
        box, other = self.fresh(), self.fresh("other")
        self.deliver(box, message("one"))
        self.deliver(other, message("never read"))
        mount = self.through_proxy()
        paths = messages(mount / box)
        (unread,) = messages(mount / other).values()
        self.assertEqual(read(paths[1]), message("one"))
        self.dovecot.stop()
        try:
            # what is known stays; what is not fails, and soon
            self.assertEqual(read(paths[1]), message("one"))
            started = time.monotonic()
            self.assertIsNotNone(self.errno_of(read, unread))
            note(f"error after {time.monotonic() - started:.2f} s")
            self.assertLess(time.monotonic() - started, slow(TIMEOUT + 3))
        finally:
            self.dovecot.start()
        self.assertTrue(eventually(lambda: self.errno_of(read, unread) is None, slow(20), 0.2))
        self.assertEqual(read(unread), message("never read"))
        self.deliver(box, message("two"))
        self.assertTrue(eventually(lambda: sorted(messages(mount / box)) == [1, 2], slow(15)))

    def test_reconnecting_is_not_hasty(self):
        """A server that turns everybody away is not overrun."""
        mount = self.through_proxy()
        os.listdir(mount / "INBOX")
        self.proxy.refusing = True
        self.proxy.cut()
        before = self.proxy.accepted
        end = time.monotonic() + 4
        while time.monotonic() < end:
            self.errno_of(os.listdir, mount / "Sent")
            time.sleep(0.1)
        note(f"{self.proxy.accepted - before} attempts in 4 s")
        self.assertLess(self.proxy.accepted - before, 60)
        self.proxy.refusing = False
        self.assertTrue(eventually(lambda: self.errno_of(os.listdir, mount / "Sent") is None, slow(20), 0.3))
