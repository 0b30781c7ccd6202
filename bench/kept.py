# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows about what is kept from one mount to the next, and what the server pushes.

Part of bench/run, which says what each row means.
"""

import contextlib
import ctypes
import datetime
import os
import pathlib
import random
import re
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "tests/mail"), str(HERE.parent / "tests/system")]

import rawimap  # noqa: E402  (found through the line above)
from proxy import Proxy  # noqa: E402

EXPUNGES, FLAGS, ARRIVALS = 0.05, 0.029, 0.001     # of the messages
CHANGES = 10000     # at once
WIRE = 2048         # octets of a remount with nothing new
LATENCY, STALL = 1.0, 0.05      # seconds
RESIDENT = 300      # octets for each of a million
MILLION = 1000000
NEEDLE = "quartzite ledger"

# Prints the longest of many small questions, and how many there were, when told
# to end.  Neither is answered from what the kernel keeps.
PROBE = """
import os, select, sys, time
message, status = sys.argv[1:]
longest = count = 0
while not select.select([sys.stdin], [], [], 0.0005)[0]:
    for ask in (lambda: os.getxattr(message, "user.imap.uid"), lambda: os.stat(status)):
        start = time.monotonic()
        ask()
        longest = max(longest, time.monotonic() - start)
        count += 1
print(longest, count)
"""


class Trouble(Exception):
    pass


def wait_for(condition, seconds, what, step=0.002):
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise Trouble(f"{what}: not within {seconds} s")
        time.sleep(step)
    return value


def status(point):
    with open(point / ".imapfs/status", encoding="utf-8") as file:
        return dict(line.rstrip("\n").partition(": ")[::2] for line in file)


def settle(point, seconds=120):
    """What is saved in the background must not disturb what is measured."""
    wait_for(lambda: status(point).get("unsaved", "0") == "0", seconds, "saving what is known", 0.05)


class Kept:
    """The measurements; BENCH is what bench/run has set up."""

    def __init__(self, bench):
        self.bench = bench
        self.rounds = bench.args.rounds
        self.count = bench.args.messages
        self.expunges, self.flags, self.arrivals = (int(self.count * share) for share in (EXPUNGES, FLAGS, ARRIVALS))

    def client(self, port=None):
        return rawimap.Client(port or self.bench.port).login(self.bench.user, self.bench.env["IMAPFS_PASSWORD"])

    @contextlib.contextmanager
    def home(self):
        with tempfile.TemporaryDirectory(dir=self.bench.dir) as home:
            yield home

    @contextlib.contextmanager
    def proxy(self):
        """One that reads along: without compression, octets after the login are IMAP."""
        proxy = Proxy(self.bench.port, ())
        try:
            yield proxy
        finally:
            proxy.close()

    def copy(self, source, target, times=1):
        """Copies are quick to make where messages are kept by reference."""
        with self.client() as client:
            client.create(target)
            client.select(source, readonly=True)
            for _ in range(times):
                client.command(b"UID COPY 1:* " + rawimap.mailbox(target))
            self.bench.raw(target, self.bench.args.items)   # so that the server's cache has it

    def warm_up(self, port, home, mailbox, count=None):
        """A mount that lists MAILBOX, or reads all of it, and ends when that is saved."""
        with self.bench.mount_imapfs(port, home) as point:
            self.list(point / mailbox, count or self.count)
            settle(point)

    def list(self, directory, count):
        return self.bench.timed("ls", "-l", directory, lines=count + 1)

    def remounted(self, port, home, mailbox, count, octets=lambda: 0):
        """Seconds of mount and `ls -l` together, and OCTETS() before the unmount."""
        stack = contextlib.ExitStack()
        start = time.monotonic()
        point = stack.enter_context(self.bench.mount_imapfs(port, home))
        try:
            self.list(point / mailbox, count)
            seconds = time.monotonic() - start
            settle(point)
            time.sleep(1)   # what comes later counts too
            passed = octets()
        finally:
            stack.close()
        return seconds, passed

    # -- remount ------------------------------------------------------------

    def measure_remount(self):
        row = self.bench.row("remount + ls -l", "s", 1.5)
        with self.home() as home:
            self.warm_up(self.bench.port, home, "big")
            row.note(f"{tree_size(home) / self.count:.0f} octets on disk per message")
            for number in range(self.rounds):
                self.bench.log(f"remount, round {number + 1} of {self.rounds}")
                with self.bench.mount_memfs() as point:
                    reference = self.bench.ls(point)
                row.add(self.remounted(self.bench.port, home, "big", self.count)[0], reference)

        wire = self.bench.row("remount, on the wire", "octets", 1.0)
        with self.home() as home, self.proxy() as proxy:
            self.warm_up(proxy.port, home, "big")
            for _ in range(min(3, self.rounds)):
                proxy.forget()
                _, octets = self.remounted(proxy.port, home, "big", self.count, lambda: proxy.inside)
                wire.add(octets, WIRE)
                wire.notes = [f"{proxy.accepted} connections; " +
                              " | ".join(line.partition(" ")[2] for line in proxy.commands)]

    # -- what has changed in between ------------------------------------------

    def change(self, mailbox, uids, rng):
        """Another client expunges, flags and appends; UIDS are those that are there, and then will be."""
        gone = set(rng.sample(uids, self.expunges))
        stay = [uid for uid in uids if uid not in gone]
        flagged = rng.sample(stay, self.flags)
        with self.client() as client:
            client.select(mailbox)
            for chosen, flag in ((gone, r"\Deleted"), (flagged, rng.choice([r"\Seen", r"\Flagged", r"\Answered"]))):
                chosen = sorted(chosen)
                for at in range(0, len(chosen), 500):
                    client.command(f"UID STORE {','.join(map(str, chosen[at:at + 500]))} +FLAGS.SILENT ({flag})")
            client.command("EXPUNGE")
            now = datetime.datetime.now(datetime.timezone.utc)
            client.append(mailbox, [(letter(rng.randrange(10**9)), (), now) for _ in range(self.arrivals)])
            return client.uids()

    def state(self, mailbox):
        """(UIDVALIDITY, HIGHESTMODSEQ, UIDNEXT)"""
        with self.client() as client:
            answers = client.command(b"STATUS " + rawimap.mailbox(mailbox) + b" (UIDVALIDITY HIGHESTMODSEQ UIDNEXT)")
            text = b" ".join(answer[0] for answer in answers)
            return tuple(int(re.search(name + rb" (\d+)", text)[1])
                         for name in (b"UIDVALIDITY", b"HIGHESTMODSEQ", b"UIDNEXT"))

    def raw_resync(self, proxy, mailbox, before):
        """Octets of what a client with QRESYNC must say and hear, through the proxy."""
        uidvalidity, modseq, uidnext = before
        proxy.forget()
        client = self.client(proxy.port)
        client.command("ENABLE QRESYNC")
        client.command(b"EXAMINE " + rawimap.mailbox(mailbox) + b" (QRESYNC (%d %d))" % (uidvalidity, modseq))
        client.command(f"UID FETCH {uidnext}:* {self.bench.args.items}")
        octets = proxy.inside
        client.close()
        return octets

    def measure_delta(self):
        row = self.bench.row(f"{self.expunges} gone, {self.flags} flagged, {self.arrivals} new", "octets", 1.2)
        rng = random.Random(1)
        self.copy("big", "delta")
        with self.client() as client:
            client.select("delta", readonly=True)
            uids = client.uids()
        with self.home() as home, self.proxy() as proxy:
            self.warm_up(proxy.port, home, "delta")
            for number in range(self.rounds):
                self.bench.log(f"changes between mounts, round {number + 1} of {self.rounds}")
                before = self.state("delta")
                uids = self.change("delta", uids, rng)
                reference = self.raw_resync(proxy, "delta", before)
                proxy.forget()
                seconds, octets = self.remounted(proxy.port, home, "delta", len(uids), lambda: proxy.inside)
                row.add(octets, reference)
                row.notes = [f"{len(proxy.commands)} commands; mount and `ls -l` in {seconds:.2f} s"]

    # -- warm -----------------------------------------------------------------

    @contextlib.contextmanager
    def tmpfs(self):
        place = tempfile.mkdtemp(prefix="imapfs-bench-", dir="/dev/shm")
        try:
            kind = subprocess.run(["stat", "-f", "-c", "%T", place], check=True, text=True, stdout=subprocess.PIPE)
            if kind.stdout.strip() != "tmpfs":
                raise Trouble("/dev/shm is no tmpfs")
            yield pathlib.Path(place)
        finally:
            shutil.rmtree(place)

    def measure_warm(self):
        listing = self.bench.row("warm ls -l / tmpfs", "s", 1.2)
        with self.home() as home, self.tmpfs() as copy:
            with self.bench.mount_imapfs(self.bench.port, home) as point:
                with os.scandir(point / "big") as entries:
                    for entry in entries:
                        if entry.is_file():
                            path = copy / entry.name
                            path.touch()
                            os.truncate(path, entry.stat().st_size)
                self.list(point / "big", self.count)
                self.list(copy, self.count)
                settle(point)
                self.without_requests(listing, point, lambda: listing.add(
                    self.list(point / "big", self.count), self.list(copy, self.count)))
            with self.bench.mount_memfs() as point:
                self.list(point, self.count)
                times = sorted(self.list(point, self.count) for _ in range(self.rounds))
                listing.note(f"the in-memory FUSE filesystem takes {times[len(times) // 2]:.3f} s")

        with self.home() as home, self.tmpfs() as copy:
            greps = self.bench.row("warm grep -r / tmpfs", "s", 1.5)
            spared = self.bench.row("warm grep -r, -o ro / tmpfs", "s", 1.5)
            again = self.bench.row("grep -r after a remount / tmpfs", "s")
            count = self.bench.args.medium
            grep = lambda where: self.bench.timed("grep", "-r", NEEDLE, where, lines=(count + 9) // 10)  # noqa: E731
            with self.bench.mount_imapfs(self.bench.port, home) as point:
                subprocess.run(["cp", "-r", point / "medium", copy], check=True)
                grep(point / "medium")
                settle(point)
                self.without_requests(greps, point, lambda: greps.add(grep(point / "medium"), grep(copy)))
            with self.bench.mount_imapfs(self.bench.port, home, "ro") as point:
                grep(point / "medium")
                self.without_requests(spared, point, lambda: spared.add(grep(point / "medium"), grep(copy)))
                spared.note("opening files: " + status(point)["opening files"])
            for _ in range(self.rounds):
                with self.bench.mount_imapfs(self.bench.port, home) as point:
                    os.listdir(point / "medium")
                    settle(point)
                    before = int(status(point)["commands"])
                    again.add(grep(point / "medium"), grep(copy))
                    again.notes = [f"{int(status(point)['commands']) - before} commands sent"]

    def without_requests(self, row, point, measure):
        for number in range(self.rounds):
            self.bench.log(f"{row.name}, round {number + 1} of {self.rounds}")
            before = int(status(point)["commands"])
            measure()
            sent = int(status(point)["commands"]) - before
            if sent:
                row.fail(f"{sent} commands went to the server")
        if not row.failed:
            row.note("nothing was asked of the server")

    # -- push -----------------------------------------------------------------

    def measure_push(self):
        listed = self.bench.row("new mail in ls / seen by IDLE", "s", limit=LATENCY)
        event = self.bench.row("inotify event / seen by IDLE", "s", limit=LATENCY)
        with self.client() as client, self.home() as home, self.bench.mount_imapfs(self.bench.port, home) as point:
            client.create("news")
            client.append("news", [(letter(1), (), None)])
            wait_for(lambda: os.path.exists(point / "news"), 60, "new mailbox")
            os.listdir(point / "news")
            settle(point)
            for _ in range(max(self.rounds, 5)):
                for row, watch in ((listed, watch_listing), (event, watch_events)):
                    # other times in the server's second, else all rounds meet the same delay
                    time.sleep(random.uniform(1.5, 2.5))
                    self.push_round(row, watch, point / "news")

    def push_round(self, row, watch, directory):
        with self.client() as idler, self.client() as sender:
            idler.select("news", readonly=True)
            idler.socket.sendall(b"i IDLE\r\n")
            while not idler.read()[0].startswith(b"+"):
                pass
            seen = {}

            def wait_idle():
                while not idler.read()[0].endswith(b"EXISTS"):
                    pass
                seen["idle"] = time.monotonic()

            def wait_ours(watched):
                try:
                    next(watched)
                    seen["ours"] = time.monotonic()
                except Trouble as trouble:
                    seen["trouble"] = trouble

            watched = watch(directory)
            next(watched)   # it is ready
            threads = [threading.Thread(target=wait_idle), threading.Thread(target=wait_ours, args=(watched,))]
            for thread in threads:
                thread.start()
            start = time.monotonic()
            sender.append("news", [(letter(random.randrange(10**9)), (), None)])
            for thread in threads:
                thread.join()
            idler.socket.sendall(b"DONE\r\n")
            if "trouble" in seen:
                row.fail(str(seen["trouble"]))
            else:
                row.add(seen["ours"] - start, seen["idle"] - start)

    def measure_stall(self):
        quiet = self.bench.row("longest wait, quiet", "s")
        rows = {"flags": self.bench.row(f"longest wait, {CHANGES} flags at once / quiet", "s", limit=STALL),
                "mail": self.bench.row(f"longest wait, {CHANGES} arrivals at once / quiet", "s", limit=STALL)}
        self.copy("medium", "busy")
        count = self.bench.args.medium
        with self.client() as client, self.home() as home, self.bench.mount_imapfs(self.bench.port, home) as point:
            client.select("busy")
            wait_for(lambda: os.path.exists(point / "busy"), 60, "copied mailbox")
            message = next(os.scandir(point / "small")).path
            names = sorted(os.listdir(point / "busy"), key=lambda name: int(name.split(".")[-2]))
            last = point / "busy" / names[min(CHANGES, count) - 1]
            for number in range(self.rounds):
                self.bench.log(f"{CHANGES} changes at once, round {number + 1} of {self.rounds}")
                settle(point)
                with self.probe(point, message) as base:
                    time.sleep(2)
                quiet.add(base.longest, base.longest)
                sign, value = ("+", b"1") if number % 2 == 0 else ("-", b"0")
                with self.probe(point, message) as during:
                    start = time.monotonic()
                    client.command(rf"UID STORE 1:{CHANGES} {sign}FLAGS.SILENT (\Flagged)")
                    wait_for(lambda: os.getxattr(last, "user.imap.flagged") == value, 60, "flags", 0.05)
                    rows["flags"].notes = [f"worked off after {time.monotonic() - start:.2f} s"]
                    time.sleep(0.5)
                rows["flags"].add(during.longest, base.longest)
                # by COPY, so that they come at once
                client.command(f"UID COPY 1:{CHANGES} busy")
                count += min(CHANGES, self.bench.args.medium)
                with self.probe(point, message) as during:
                    start = time.monotonic()
                    wait_for(lambda: sum(1 for _ in os.scandir(point / "busy")) >= count, 120, "arrivals", 0.2)
                    rows["mail"].notes = [f"listed {time.monotonic() - start:.2f} s after the COPY"]
                    time.sleep(0.5)
                rows["mail"].add(during.longest, base.longest)

    @contextlib.contextmanager
    def probe(self, point, message):
        """Sets .longest when the context is left."""
        process = subprocess.Popen([*self.bench.client_cpu, sys.executable, "-c", PROBE, message,
                                    point / ".imapfs/status"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        time.sleep(0.2)     # until it has begun

        class Result:
            longest = None

        try:
            yield Result
            output, _ = process.communicate("end\n", timeout=60)
            Result.longest = float(output.split()[0])
        finally:
            process.kill()
            process.wait()

    # -- a million ------------------------------------------------------------

    def measure_million(self):
        times = max(1, MILLION // self.count)
        count = times * self.count
        first = self.bench.row(f"{count:,}: first ls -l / raw FETCH + in memory", "s")
        again = self.bench.row(f"{count:,}: remount + ls -l / in memory", "s")
        memory = self.bench.row(f"{count:,}: resident per message", "octets", 1.0)
        self.bench.log("making a mailbox of a million")
        self.copy("big", "million", times)
        raw = self.bench.raw("million", self.bench.args.items, "-s")["seconds"]
        memfs = [self.bench.memfs, *self.bench.memfs_options, "-n", str(count), "-s", "3664"]
        with self.bench.mount(memfs, self.bench.env) as point:
            in_memory = self.list(point, count)
        with self.home() as home:
            with self.bench.mount_imapfs(self.bench.port, home) as point:
                before = self.bench.resident(point)
                first.add(self.list(point / "million", count), raw + in_memory)
                settle(point, 600)
                after = self.bench.resident(point)
                memory.add((after[0] - before[0]) / count, RESIDENT)
                memory.note(f"VmRSS {after[0] / 1e6:.0f} MB; RssAnon {(after[1] - before[1]) / count:.0f} octets "
                            f"per message; {tree_size(home) / count:.0f} on disk")
            for _ in range(2):
                start = time.monotonic()
                with self.bench.mount_imapfs(self.bench.port, home) as point:
                    mounted = time.monotonic() - start
                    self.list(point / "million", count)
                    again.add(time.monotonic() - start, in_memory)
                    settle(point, 600)
                    again.notes = [f"mounted after {mounted:.2f} s; "
                                   f"VmRSS {self.bench.resident(point)[0] / 1e6:.0f} MB after it"]

    def measure(self, parts):
        for part, function in (("remount", self.measure_remount), ("delta", self.measure_delta),
                               ("tmpfs", self.measure_warm), ("push", self.measure_push),
                               ("stall", self.measure_stall), ("million", self.measure_million)):
            if part in parts:
                try:
                    function()
                except Trouble as trouble:
                    self.bench.rows[-1].fail(str(trouble))


def letter(number):
    return (f"From: Alice <alice{number}@example.org>\r\nTo: test@example.com\r\nSubject: letter {number}\r\n"
            f"Message-ID: <{number}@example.org>\r\n\r\nHello.\r\n").encode()


def tree_size(path):
    return sum(os.lstat(os.path.join(directory, name)).st_size
               for directory, _, names in os.walk(path) for name in names)


def watch_listing(directory):
    """Yields once at the beginning, and then when there is one more name."""
    before = len(os.listdir(directory))
    yield
    wait_for(lambda: len(os.listdir(directory)) > before, 30, "new name", 0.01)
    yield


def watch_events(directory):
    """The same by inotify; and what it tells of must be in the listing."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = set(os.listdir(directory))
    watcher = libc.inotify_init1(os.O_CLOEXEC)
    try:
        everything = 0xfff
        if libc.inotify_add_watch(watcher, os.fsencode(directory), everything) < 0:
            raise Trouble(f"inotify: {os.strerror(ctypes.get_errno())}")
        yield
        end = time.monotonic() + 30
        # what somebody reads or looks at is no news
        news = 0x2 | 0x4 | 0x40 | 0x80 | 0x100 | 0x200  # MODIFY ATTRIB MOVED_FROM MOVED_TO CREATE DELETE
        while time.monotonic() < end:
            if not select.select([watcher], [], [], 0.1)[0]:
                continue
            data, at = os.read(watcher, 1 << 16), 0
            while at < len(data):
                _, mask, _, length = struct.unpack_from("iIII", data, at)
                at += 16 + length
                if mask & news:
                    yield
                    if set(os.listdir(directory)) == before:
                        raise Trouble("an event, and nothing new in the listing")
                    return
        raise Trouble("no event within 30 s")
    finally:
        os.close(watcher)
