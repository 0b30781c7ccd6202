# SPDX-License-Identifier: GPL-3.0-or-later
"""Without the server: what was fetched once is there, and the rest fails soon."""

import calendar
import os
import re
import time

from harness import eventually, messages, minutes, note, read, slow
from test_sync import Keeping, letter

TIMEOUT = 4


def first_octets(path):
    """Without a process between, so that the error is seen; a mount has a watchdog."""
    with open(path, "rb", buffering=0) as file:
        return file.read(100)


class Away(Keeping):
    """A mailbox all of which was read, one that was listed, one never looked at."""

    def setUp(self):
        super().setUp()
        self.known, self.listed, self.unseen = self.fresh("known"), self.fresh("listed"), self.fresh("unseen")
        self.letters(self.known, range(20), size=30_000)
        self.letters(self.listed, range(20, 40), size=30_000)
        self.letters(self.unseen, range(40, 45))
        self.addCleanup(self.server.start)

    def look(self, mount):
        """What makes the three what they are called."""
        self.is_right(mount, self.known)
        self.contents_are_right(mount, self.known)
        self.assertEqual(len(messages(mount / self.listed)), 20)
        mount.settle()

    def prepare(self):
        """The same, for another mount; with nobody knowing of it."""
        mount = self.through_proxy()
        self.look(mount)
        self.assertTrue(mount.unmount())

    def timed(self, function, *arguments):
        started = time.monotonic()
        result = function(*arguments)
        return time.monotonic() - started, result

    def all_known(self, mount):
        """The listings and all that was read, and how long the slowest took."""
        longest, paths = self.timed(messages, mount / self.known)
        self.assertEqual(sorted(paths), list(range(1, 21)))
        for uid, path in paths.items():
            seconds, data = self.timed(read, path)
            self.assertEqual(data, letter(uid - 1, 30_000))
            self.assertEqual(os.stat(path).st_size, len(data))
            self.assertEqual(os.getxattr(path, "user.imap.uid"), b"%d" % uid)
            longest = max(longest, seconds)
        seconds, paths = self.timed(messages, mount / self.listed)
        self.assertEqual(len(paths), 20)
        longest = max(longest, seconds)
        seconds, names = self.timed(os.listdir, mount.path)
        self.assertLessEqual({self.known, self.listed, self.unseen, "INBOX"}, set(names))
        return max(longest, seconds)

    def unknown_fails(self, mount, first):
        """What is not there fails within FIRST seconds, and then at once."""
        paths = list(messages(mount / self.listed).values())
        seconds, error = self.timed(self.errno_of, first_octets, paths[0])
        note(f"{error} after {seconds:.2f} s")
        if error != "EHOSTUNREACH":
            # with a server that is gone only one that answers in its place could do that
            self.fail(f"{error}; {mount.status()}; {read(mount / '.imapfs/log')}")
        self.assertLess(seconds, slow(first))
        for path in paths[1:5]:
            seconds, error = self.timed(self.errno_of, first_octets, path)
            self.assertEqual(error, "EHOSTUNREACH")
            self.assertLess(seconds, slow(0.3))
        seconds, error = self.timed(self.errno_of, os.listdir, mount / self.unseen)
        self.assertEqual(error, "EHOSTUNREACH")
        self.assertLess(seconds, slow(0.3))

    def is_away(self, mount):
        """The status says that, and since when."""
        online = mount.status().get("online", "")
        self.assertRegex(online, r"^no, since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
        since = time.strptime(re.search(r"since (.{19})", online)[1], "%Y-%m-%d %H:%M:%S")
        self.assertLess(abs(calendar.timegm(since) - time.time()), 60)

    def heals(self, mount):
        """It finds the server again although nobody asks for anything, and then all is there."""
        started = time.monotonic()
        self.assertTrue(eventually(lambda: mount.status().get("online") == "yes", slow(60), 0.2), mount.status())
        note(f"online again after {time.monotonic() - started:.1f} s")
        self.letters(self.known, [100], size=10)
        self.expunge(self.known, 5)
        self.act(self.known, r"UID STORE 6 +FLAGS.SILENT (\Flagged)")
        for mailbox in (self.known, self.listed, self.unseen):
            self.is_right(mount, mailbox)
            self.contents_are_right(mount, mailbox)


class Gone(Away):
    def test_server_stops(self):
        mount = self.through_proxy(timeout=TIMEOUT)
        self.look(mount)
        self.server.stop()
        self.unknown_fails(mount, TIMEOUT + 1)
        self.assertLess(self.all_known(mount), slow(0.3))
        self.is_away(mount)
        self.server.start()
        self.heals(mount)

    def test_network_stalls(self):
        mount = self.through_proxy(timeout=TIMEOUT)
        self.look(mount)
        self.proxy.freeze()
        seconds = self.all_known(mount)
        note(f"what is known took {seconds:.2f} s at most")
        self.assertLess(seconds, slow(TIMEOUT + 1))
        self.unknown_fails(mount, TIMEOUT + 1)
        self.assertLess(self.all_known(mount), slow(0.3))
        self.is_away(mount)
        self.proxy.thaw()
        self.heals(mount)

    @minutes
    def test_refused(self):
        """Something answers, and hangs up."""
        mount = self.through_proxy(timeout=TIMEOUT)
        self.look(mount)
        self.proxy.refusing = True
        self.proxy.cut()
        self.unknown_fails(mount, TIMEOUT + 1)
        self.assertLess(self.all_known(mount), slow(0.3))
        self.proxy.refusing = False
        self.heals(mount)

    def test_mount(self):
        """What is on disk can be mounted without the server."""
        self.prepare()
        self.server.stop()
        started = time.monotonic()
        mount = self.through_proxy(timeout=TIMEOUT)
        note(f"mounted after {time.monotonic() - started:.2f} s; {mount.said().strip()}")
        self.assertLess(time.monotonic() - started, slow(TIMEOUT + 2))
        self.assertTrue(mount.said().strip(), "it does not say that the server is away")
        self.assertLess(self.all_known(mount), slow(0.3))
        self.unknown_fails(mount, TIMEOUT + 1)
        self.is_away(mount)
        self.server.start()
        self.heals(mount)

    @minutes
    def test_mount_on_stalled_network(self):
        self.prepare()
        mount = self.through_proxy(timeout=TIMEOUT, frozen=True)
        self.assertLess(self.all_known(mount), slow(0.3))
        self.proxy.thaw()
        self.heals(mount)

    @minutes
    def test_wrong_password_is_said(self):
        """That is no absence: it would not heal."""
        self.prepare()
        status, text = self.run_imapfs("-o", self.options(None, tls="none", password_file=self.file("wrong", "no\n")),
                                       f"imap://test@127.0.0.1:{self.proxy.port}/", self.mountpoint())
        self.assertNotEqual(status, 0, text)

    def test_unmount(self):
        """It does not wait for a server that is not there."""
        mount = self.through_proxy(timeout=30)
        self.look(mount)
        self.proxy.freeze()
        self.server.stop()
        started = time.monotonic()
        self.assertTrue(mount.unmount())
        self.assertLess(time.monotonic() - started, slow(8))


class OfflineOption(Away):
    def test_never_connects(self):
        self.prepare()
        mount = self.through_proxy(offline=True, timeout=TIMEOUT)
        self.assertLess(self.all_known(mount), slow(0.3))
        self.unknown_fails(mount, 0.3)
        self.letters(self.known, [100])
        time.sleep(2)
        self.assertEqual(len(messages(mount / self.known)), 20)
        self.assertEqual(self.proxy.accepted, 0)
        self.assertRegex(mount.status().get("online", ""), "^no")

    def test_nothing_known(self):
        status, text = self.run_imapfs("-o", self.options(None, tls="none", offline=True),
                                       f"imap://test@127.0.0.1:{self.server.port}/", self.mountpoint())
        self.assertEqual(status, 69, text)

    def test_after_a_crash(self):
        mount = self.through_proxy()
        self.look(mount)
        mount.crash()
        mount = self.through_proxy(offline=True)
        self.assertLess(self.all_known(mount), slow(0.5))
        self.assertEqual(self.proxy.accepted, 0)


class SyncCommand(Away):
    def test_of_a_mount(self):
        mount = self.through_proxy(timeout=TIMEOUT)
        status, text = self.run_imapfs("sync", mount.path, self.unseen, self.listed)
        self.assertEqual(status, 0, text)
        self.proxy.freeze()
        for mailbox, numbers in ((self.unseen, range(40, 45)), (self.listed, range(20, 40))):
            paths = messages(mount / mailbox)
            size = 30_000 if mailbox == self.listed else 0
            self.assertEqual([read(paths[uid]) for uid in sorted(paths)], [letter(n, size) for n in numbers])
        self.proxy.thaw()

    @minutes
    def test_twice_costs_little(self):
        mount = self.through_proxy()
        for turn in range(2):
            self.proxy.forget()
            status, text = self.run_imapfs("sync", mount.path, self.listed)
            self.assertEqual(status, 0, text)
            mount.settle()
        self.assertEqual(self.fetched(), [])
        self.assertLess(self.proxy.inside_down, 10_000)

    def test_of_an_account(self):
        """Without a mount; then one offline has it all."""
        self.file("config/imapfs/config",
                  f"[work]\nsource=imap://test@127.0.0.1:{self.server.port}/\ntls=none\n"
                  f"password_file={self.file('password', 'secret' + chr(10))}\n")
        status, text = self.run_imapfs("sync", "work", self.known, self.listed)
        self.assertEqual(status, 0, text)
        mount = self.mount(self.server, "plain", offline=True)
        paths = messages(mount / self.listed)
        self.assertEqual([read(paths[uid]) for uid in sorted(paths)], [letter(n, 30_000) for n in range(20, 40)])

    def test_of_no_mailbox(self):
        mount = self.through_proxy()
        status, text = self.run_imapfs("sync", mount.path, "No such mailbox")
        self.assertNotEqual(status, 0, text)
        self.assertTrue(text.strip())

    def test_of_a_server_that_goes(self):
        mount = self.through_proxy(timeout=TIMEOUT)
        os.listdir(mount.path)
        self.proxy.freeze()
        status, text = self.run_imapfs("sync", mount.path, self.listed)
        self.assertNotEqual(status, 0, text)
        self.proxy.thaw()
