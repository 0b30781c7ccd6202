# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows about views: parts of messages, their texts, searches.

Part of bench/run, which says what each row means.
"""

import contextlib
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

from kept import Kept, Trouble, settle
import mixed
import rawimap  # found by kept
from words import FIRST, NEEDLE

MIB = 1 << 20
FAR = 0.1                       # seconds, a round trip
NEAR, SLOW = 0.02, 100.0        # seconds, Mbit/s
OVERHEAD, CONSTANT = 1.03, 8192     # of one part, in octets on the wire
PROBE = 3072                    # octets that tell the size of a large part
TEXTS = 1.15                    # octets on the wire / those that must be read
FASTER_NEAR, FASTER_SLOW = 3, 30    # than a copy of the mailbox

# Reads a file from its beginning to its end once told to; prints the seconds to
# the first octets and those to the end; told again, a digest.
READER = """
import hashlib, sys, time
sys.stdin.readline()
start = time.monotonic()
with open(sys.argv[1], "rb", buffering=0) as file:
    pieces = [file.read(131072)]
    first = time.monotonic() - start
    while octets := file.read(131072):
        pieces.append(octets)
print(first, time.monotonic() - start, flush=True)
sys.stdin.readline()
print(hashlib.sha256(b"".join(pieces)).hexdigest())
"""

MBSYNC = """
FSync no

IMAPStore far
Host 127.0.0.1
Port {port}
User {user}
Pass {password}
SSLType None
AuthMechs LOGIN
{compression}

MaildirStore near
Path {place}/
Inbox {place}/INBOX
SubFolders Verbatim

Channel copy
Far :far:{mailbox}
Near :near:{mailbox}
Create Near
Sync Pull
SyncState *
"""


class File:
    """An attachment, and what a reader must find in it."""

    def __init__(self, name, media, size, seed):
        pool = mixed.Pool(size, seed)
        body = pool.encoded(0, size)
        self.encoded = sum(map(len, body))
        self.part = mixed.file(name, media, body)
        self.name, self.raw = name, pool.raw
        self.digest = hashlib.sha256(pool.raw).hexdigest()


def letter_with(files):
    """One message with a text in two ways, and FILES."""
    writer = mixed.Writer(1)
    both = mixed.multipart("alternative", writer.boundary(), writer.note("", "7bit"), writer.page(""))
    head = writer.header(1735689600, 1).encode()
    return mixed.Letter(1735689600, [head, *mixed.multipart("mixed", writer.boundary(), both,
                                                            *(file.part for file in files)), b"\r\n"])


def seconds_of(client, command):
    """Of a command, whose answer is not looked at."""
    start = time.monotonic()
    tag, tail = client.send(command), b""
    while not re.search(rb"(^|\n)%s [^\n]*\n$" % tag, tail):
        tail = tail[-1024:] + client.file.read1(1 << 18)
    seconds = time.monotonic() - start
    if tag + b" OK" not in tail[-1024:]:
        raise Trouble(f"{command}: {tail[-200:].decode('latin-1')}")
    return seconds


class Parts(Kept):
    """The measurements; BENCH is what bench/run has set up."""

    def __init__(self, bench):
        super().__init__(bench)
        self.slow_rounds = bench.args.slow_rounds
        self.imapfs = bench.imapfs is not None

    def store(self, mailbox, letters):
        start = time.monotonic()
        with self.client() as client:
            mixed.store(client, mailbox, letters)
        self.bench.log(f"{mailbox}: stored in {time.monotonic() - start:.1f} s")

    @contextlib.contextmanager
    def link(self, rtt, *shape):
        """The port of the server, behind a long link if there is one."""
        if not rtt:
            yield self.bench.port
            return
        with self.bench.proxy(rtt, *shape) as (port, _):
            yield port

    @contextlib.contextmanager
    def listed(self, port, mailbox):
        """A new mount that knows the listing of MAILBOX and nothing more; yields that directory."""
        with self.bench.mount_imapfs(port) as point:
            os.listdir(point / mailbox)
            settle(point)
            yield point / mailbox

    # -- one part of a large message ------------------------------------------

    def measure_attachment(self):
        wanted = File("report.pdf", "application/pdf", 8 * MIB, 2)
        files = [wanted, File("photos.zip", "application/zip", 13 * MIB, 3)]
        letter = letter_with(files)
        self.store("letter", [letter])
        structure = "(UID BODYSTRUCTURE)"
        self.bench.raw("letter", structure)     # as a server that delivers does
        self.attachment_octets(letter, wanted, len(files))
        for name, rtt in (("loopback", 0.0), (f"{NEAR * 1000:.0f} ms", NEAR)):
            row = self.bench.row(f"cp of one part, {name} / raw FETCH", "s")
            with self.link(rtt) as port:
                for _ in range(self.rounds):
                    reference = self.bench.raw("letter", "(BODY.PEEK[2])", port=port)["seconds"]
                    row.add(self.copy_part(port, wanted) if self.imapfs else None, reference)
        self.parts_round_trips(files)

    def copy_part(self, port, wanted, before=lambda: None):
        """Seconds of a `cp` of it; BEFORE is called when only the mailbox was listed."""
        with self.listed(port, "letter") as directory:
            before()
            target = self.bench.dir / "part"
            seconds = self.bench.timed("cp", directory / ".parts/1" / wanted.name, target, lines=0)
            time.sleep(0.3)     # what is read ahead counts too
            if target.read_bytes() != wanted.raw:
                raise Trouble("`cp` of a part makes something else")
            target.unlink()
            return seconds

    def attachment_octets(self, letter, wanted, large):
        copied = self.bench.row("cp of one part, on the wire", "octets", 1.0)
        listed = self.bench.row("ls -l of its parts, on the wire", "octets", 1.0)
        weight = mixed.weigh(letter.bare)
        copied.note(f"the part is {wanted.encoded} octets in base64, its message {letter.size}")
        # Small parts may be read whole to find out how long they are.
        small = weight.header + weight.texts
        for _ in range(min(3, self.rounds)):
            with self.proxy() as proxy:
                for row, action, reference in (
                        (copied, lambda: self.copy_part(proxy.port, wanted, proxy.forget),
                         OVERHEAD * wanted.encoded + CONSTANT),
                        (listed, lambda: self.list_parts(proxy.port, large, proxy.forget), large * PROBE + small)):
                    if self.imapfs:
                        action()
                        row.notes = [note for note in row.notes if not note.startswith("sent: ")]
                        row.note("sent: " + " | ".join(line.partition(" ")[2] for line in proxy.commands))
                    row.add(proxy.inside if self.imapfs else None, reference)

    def list_parts(self, port, large, before=lambda: None, known=False):
        """Seconds of `ls -l` of all parts; with KNOWN, their names were listed before."""
        with self.listed(port, "letter") as directory:
            where = directory / ".parts/1"
            if known:
                os.listdir(where)
            before()
            seconds = self.bench.timed("ls", "-l", where, lines=4 + large)  # total, headers, body.txt, body.html
            time.sleep(0.3)
            return seconds

    def parts_round_trips(self, files):
        """The server takes its time to find the ends of large parts, which is no round trip."""
        known = self.bench.row("ls -l of parts after ls / raw FETCH of their ends", "s", 1.5)
        cold = self.bench.row("ls -l of parts, at once / the same", "s")
        ends = " ".join(f"BODY.PEEK[{section}]<{offset}.1024>" for section, file in enumerate(files, 2)
                        for offset in (0, file.encoded - 1024))
        with self.link(FAR) as port:
            for _ in range(self.rounds):
                reference = self.bench.raw("letter", f"({ends})", port=port)["seconds"]
                for row, listed in ((known, True), (cold, False)):
                    row.add(self.list_parts(port, len(files), known=listed) if self.imapfs else None, reference)

    # -- the texts of a mailbox -----------------------------------------------

    def measure_text(self):
        count = self.bench.args.mixed
        weights, lines = [], 0
        for letter in mixed.letters(count):
            bare = letter.bare
            weights.append(mixed.weigh(bare))
            lines += sum(NEEDLE.encode() in line for line in bare.split(b"\n"))
        self.texts, self.lines = (count + 9) // 10, lines
        self.store("mixed", mixed.letters(count))
        self.check_weights(weights)
        self.find_structure()
        header, texts, shown = (sum(column) for column in zip(*weights))
        self.text_octets(header + texts, header + shown)
        self.text_near()
        self.text_slow()

    def check_weights(self, weights):
        """What the server has weighs as much as what was computed without attachments."""
        with self.client() as client:
            client.select("mixed", readonly=True)
            for uid, octets in client.bodies(f"1:{min(100, len(weights))}").items():
                if mixed.weigh(octets) != weights[uid - 1]:
                    raise Trouble(f"message {uid} of the mailbox is not what was weighed")

    def find_structure(self):
        """A server that delivers has parsed the message; this one did not yet."""
        for items in ("(UID BODYSTRUCTURE)", self.bench.args.items):
            self.bench.raw("mixed", items)

    def forget_structure(self):
        caches = list((self.bench.dir / "server/mail").rglob("mixed/**/dovecot.index.cache"))
        if not caches:
            raise Trouble("the server keeps its cache elsewhere")
        for path in caches:
            path.unlink()

    def grep_texts(self, directory):
        return self.bench.timed("grep", "-r", NEEDLE, directory / ".text", lines=self.texts)

    def text_octets(self, needed, shown):
        row = self.bench.row("cold grep -r .text, on the wire", "octets", TEXTS)
        row.note(f"headers and text parts {needed}; without HTML that has a plain alternative {shown}")
        for _ in range(min(3, self.rounds)):
            if not self.imapfs:
                row.add(None, needed)
                continue
            with self.proxy() as proxy, self.bench.mount_imapfs(proxy.port) as point:
                self.grep_texts(point / "mixed")
                time.sleep(1)
                row.add(proxy.inside, needed)
                row.note(f"{len(proxy.commands)} commands")

    def mbsync(self, port, place, compress):
        """Seconds of a first copy of the mailbox; PLACE is a new directory."""
        file = place / "config"
        file.touch(0o600)
        file.write_text(MBSYNC.format(port=port, user=self.bench.user, password=self.bench.env["IMAPFS_PASSWORD"],
                                      place=place, mailbox="mixed",
                                      compression="" if compress else "DisableExtension COMPRESS=DEFLATE"))
        seconds = self.bench.timed("mbsync", "-q", "-c", file, "copy", lines=0)
        copied = len(os.listdir(place / "mixed/cur")) + len(os.listdir(place / "mixed/new"))
        if copied != self.bench.args.mixed:
            raise Trouble(f"mbsync has copied {copied} messages")
        return seconds

    def copied_and_searched(self, port, compress=False):
        """Seconds of mbsync and grep, and those of another grep."""
        place = pathlib.Path(tempfile.mkdtemp(dir=self.bench.dir))
        try:
            seconds = self.mbsync(port, place, compress)
            first, again = (self.bench.timed("grep", "-r", NEEDLE, place / "mixed", lines=self.lines) for _ in range(2))
            return seconds + first, again
        finally:
            shutil.rmtree(place)

    def grepped(self, port):
        """Seconds of `grep -r` on a new mount, and of the same again; none without imapfs."""
        if not self.imapfs:
            return None, None
        with self.bench.mount_imapfs(port) as point:
            return self.grep_texts(point / "mixed"), self.grep_texts(point / "mixed")

    def has_mbsync(self, row):
        if shutil.which("mbsync"):
            return True
        row.note("left out: mbsync, to compare with, is not installed (Debian's package isync)")
        return False

    def text_near(self):
        row = self.bench.row("cold grep -r .text / mbsync + grep", "s", round(1 / FASTER_NEAR, 4))
        unparsed = self.bench.row("the same, server has not parsed", "s")
        again = self.bench.row("grep -r .text again / of the copy", "s")
        if not self.has_mbsync(row):
            return
        for number in range(self.rounds):
            self.bench.log(f"grep in texts, round {number + 1} of {self.rounds}")
            ours, warm = self.grepped(self.bench.port)
            copied, copy_warm = self.copied_and_searched(self.bench.port)
            row.add(ours, copied)
            again.add(warm, copy_warm)
            if number < min(3, self.rounds):
                self.forget_structure()
                ours = self.grepped(self.bench.port)[0]
                self.find_structure()
                self.forget_structure()
                unparsed.add(ours, self.copied_and_searched(self.bench.port)[0])
                self.find_structure()

    def text_slow(self):
        row = self.bench.row(f"cold grep -r .text / mbsync + grep, {NEAR * 1000:.0f} ms, {SLOW:.0f} Mbit/s", "s",
                             round(1 / FASTER_SLOW, 4))
        if not self.has_mbsync(row):
            return
        with self.link(NEAR, SLOW) as port:
            for number in range(self.slow_rounds):
                self.bench.log(f"grep in texts on a slow link, round {number + 1} of {self.slow_rounds}")
                # 96 s instead of 128: here it gains from compression
                row.add(self.grepped(port)[0], self.copied_and_searched(port, compress=True)[0])

    # -- one large part -------------------------------------------------------

    def measure_part(self):
        films = [File(f"film-{number}.mp4", "video/mp4", 49 * MIB, number) for number in (4, 5)]
        self.store("film", [letter_with(films)])
        self.bench.raw("film", "(UID BODYSTRUCTURE)")
        # what the last of these links carries in a round trip is all of the part: no network does
        for where, rounds, *shape in (
                ("100 ms, 100 Mbit/s", min(3, self.rounds), SLOW),
                ("100 ms, 1 Gbit/s, TCP", min(3, self.rounds), 10 * SLOW, True),
                ("100 ms, any Mbit/s", self.rounds, 0.0)):
            self.part_on_link(films, where, rounds, *shape)

    def part_on_link(self, films, where, rounds, *shape):
        whole = self.bench.row(f"49 MiB part, {where} / raw FETCH", "s", 1.25)
        # the kernel asks for so much at first; a second round trip is allowed
        first = self.bench.row("its first octet / raw FETCH of 128 KiB", "s", 2.0)
        begin = f"(BODY.PEEK[2]<0.{mixed.encoded_size(131072)}>)"
        both = self.bench.row("two at once / one", "s", 2.0)
        with self.link(FAR, *shape) as port:
            for number in range(rounds):
                self.bench.log(f"one large part, {where}, round {number + 1} of {rounds}")
                raw, raw_begin = (self.bench.raw("film", items, port=port)["seconds"]
                                  for items in ("(BODY.PEEK[2])", begin))
                if not self.imapfs:
                    whole.add(None, raw)
                    first.add(None, raw_begin)
                    continue
                (begun, seconds), = self.read_parts(port, films[:1])
                whole.add(seconds, raw)
                first.add(begun, raw_begin)
                both.add(max(seconds for _, seconds in self.read_parts(port, films)), seconds)

    def read_parts(self, port, files):
        """[(seconds to the first octet, to the last)] of each, all read at once, on a mount that has listed them."""
        with self.listed(port, "film") as directory:
            where = directory / ".parts/1"
            self.bench.timed("ls", "-l", where, lines=6)
            readers = [subprocess.Popen([*self.bench.client_cpu, sys.executable, "-c", READER, where / file.name],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for file in files]
            try:
                time.sleep(0.3)     # until they have begun
                for reader in readers:
                    print(file=reader.stdin, flush=True)
                times = [tuple(map(float, reader.stdout.readline().split())) for reader in readers]
                for reader, file in zip(readers, files):
                    output, _ = reader.communicate("\n", timeout=60)
                    if output.strip() != file.digest:
                        raise Trouble(f"{file.name} has other octets, or cannot be read")
            finally:
                for reader in readers:
                    reader.kill()
                    reader.wait()
            return times

    # -- searches ---------------------------------------------------------------

    def measure_search(self):
        row = self.bench.row("ls -l .search / raw SEARCH + in memory", "s", 1.3)
        cold = self.bench.row("the same on a new mount / + raw FETCH of found", "s")
        with contextlib.ExitStack() as stack:
            kept = None
            if self.imapfs:
                kept = stack.enter_context(self.bench.mount_imapfs(self.bench.port))
                self.list(kept / "big", self.count)
                settle(kept)
            for number in range(self.rounds):
                self.bench.log(f"search, round {number + 1} of {self.rounds}")
                # another one in each round: what was found before is remembered
                query = f"FROM {FIRST[number % len(FIRST)].lower()}"
                found, search, fetch = self.raw_search(query)
                memfs = [self.bench.memfs, *self.bench.memfs_options, "-n", str(len(found)), "-s", "3664"]
                with self.bench.mount(memfs, self.bench.env) as point:
                    in_memory = self.list(point, len(found))
                row.add(self.list(kept / "big/.search" / query, len(found)) if kept else None, search + in_memory)
                row.notes = [f"{query}: {len(found)} of {self.count} messages"]
                if number < 3:
                    ours = None
                    if kept:
                        with self.bench.mount_imapfs(self.bench.port) as point:
                            ours = self.list(point / "big/.search" / query, len(found))
                    cold.add(ours, search + fetch + in_memory)

    def raw_search(self, query):
        """(what it finds, seconds of SEARCH, of a FETCH of what was found)"""
        with self.client() as client:
            client.select("big", readonly=True)
            found = client.uids(query)  # so that the server's cache has what it needs
            search = seconds_of(client, f"UID SEARCH RETURN (ALL SAVE) {query}")
            fetch = seconds_of(client, f"UID FETCH $ {self.bench.args.items}")
        return found, search, fetch

    def measure(self, parts):
        for part, function in (("attachment", self.measure_attachment), ("text", self.measure_text),
                               ("part", self.measure_part), ("search", self.measure_search)):
            if part in parts:
                try:
                    function()
                except Trouble as trouble:
                    self.bench.rows[-1].fail(str(trouble))
