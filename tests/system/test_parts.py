# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of messages as files: the right octets, the right sizes, and no more than these from the server."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import decoder
import harness
import rawimap
from compose import attachment, everything, forwarded, letter, lines64, multipart, noise, part, text
from harness import (Config, Courier, Cyrus, Dovecot, DovecotCase, ServerCase, eventually, messages, note, read, slow,
                     times)
from proxy import Proxy
from trees import Trees, every_file

LAG = os.path.join(harness.TESTS, "..", "bench", "lagproxy.py")

NO_END = "no final boundary, so that Python takes the last line end for a part of it"
SAME = "a multipart inside of another one with the same boundary; Dovecot closes both where Python closes one"
TWICE = "quoted-printable with \"==\", which Python takes for one \"=\", and RFC 2045 does not know"
ODD = "base64 with one character too many: Python leaves all of it encoded"
# of the messages in which the two disagree: why, and the octets of the leaves there are
EXPLAINED = {
    "msg_15.eml": (SAME + "; and " + ODD, [21, 107, 21]),
    "msg_19.eml": (
        "the first line is no field: there the body begins for Python, and after a blank line for Dovecot", [746]),
    "msg_35.eml": ("no blank line: all of it is header for Dovecot", [0]),
    "msg_37.eml": (
        "boundaries that follow one another: empty parts for Dovecot, none for Python", [6, 0, 6, 0, 0, 0, 6]),
    "msg_38.eml": ("an outer boundary in a part: it ends there for Dovecot", [126, 0, 1622, 52]),
    "msg_39.eml": (SAME, [2, 2, 2, 2, 2, 2, 52]),
    "msg_42.eml": ("a multipart that is nothing but its end, which is a text then, and for Python nothing", [7, 9]),
    "hard-ham-1-00021.1707ccb203e1a39f5167f1c0d65cc235.eml": (NO_END, [67, 35232]),
    "hard-ham-1-00005.34bcaad58ad5f598f5d6af8cfa0c0465.eml": (TWICE, [19805]),
    "spam-1-00260.c75ce8b8d8bfc55723426979d260bf61.eml": (ODD, [565, 29847]),
    "spam-1-00307.7ed50c6d80c6e37c8cc1b132f4a19e4d.eml": (ODD, [3100, 51544, 81105]),
    "spam-1-00038.8d93819b95ff90bf2e2b141c2909bfc9.eml": (
        "text behind the final boundary, on its line: it is one for Dovecot, not for Python", [968, 4817]),
    "spam-1-00313.fab744bfd5a128fca39b69df9811c086.eml": (
        "a mailing list's footer behind base64 without padding: " + ODD, [1032]),
    "spam-2-00009.1e1a8cb4b57532ab38aa23287523659d.eml": (NO_END, [3180, 0, 359]),
    "spam-2-00673.89b0df1a8a6e1a95c48f1f63e48648f4.eml": (TWICE, [1261, 10845]),
    "spam-2-00714.cd13d8db12cc1f661d6b2eb6fcbb5156.eml": (NO_END, [1270]),
    "spam-2-00734.0c1975b8c2b17fd6c665827706f89eaf.eml": (TWICE, [1713, 2277]),
    "spam-2-01041.1ece6e061e80e648c8156d52decd0610.eml": (TWICE, [2744, 2982]),
    "spam-2-01304.114140cd4c51e9795559b974964aa043.eml": (TWICE, [29280]),
}


class Corpora(Trees):
    """Every part of messages that people, spammers and testers have written."""

    def compare(self, directory, names):
        if not names:
            raise AssertionError("no messages")
        server = Dovecot(DOVECOT_EXTRA="mail_save_crlf = yes")
        self.addCleanup(server.remove)
        server.load("Corpus", *(os.path.join(directory, name) for name in names))
        files = explained = 0
        for first in range(0, len(names), 1000):    # a mount has minutes
            mount = self.mount(server)
            for uid, name in enumerate(names[first:first + 1000], first + 1):
                with open(os.path.join(directory, name), "rb") as file:
                    octets = rawimap.crlf(file.read())
                with self.subTest(name):
                    why, sizes = EXPLAINED.get(name, (None, None))
                    found = self.check_tree(mount / f"Corpus/.parts/{uid}", octets, sizes)
                    self.check_fields(found.headers, octets)
                    files += sum(1 for _ in every_file(found))
                    explained += why is not None
                self.assertTrue(mount.running(), f"it has ended at {name}: {mount.said()[-4000:]}")
            self.assertTrue(mount.end(), mount.said()[-4000:])
        note(f"{len(names)} messages, {files} files, {explained} messages that are read in another way")
        with server.client() as client:
            client.select("Corpus", readonly=True)
            self.assertEqual({flag for flags in client.flags().values() for flag in flags} - {r"\Recent"}, set())

    def script(self, name):
        done = subprocess.run([os.path.join(harness.TESTS, "mail", name)], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode == harness.Server.UNAVAILABLE:
            raise unittest.SkipTest(done.stderr.strip().split("\n")[-1])
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def folder(self, name):
        directory = os.path.join(self.script("mime"), name)
        return directory, sorted(os.listdir(directory))

    def test_spam_assassin(self):
        if not Config.corpus:
            raise unittest.SkipTest("without the corpus")
        directory = self.script("corpus")
        names = sorted(os.listdir(directory))
        self.compare(directory, names if Config.long else names[::8])

    def test_python(self):
        self.compare(*self.folder("python"))

    def test_torture(self):
        self.compare(*self.folder("torture"))


def damaged(kind, octets):
    """Base64 as it should not be, all of which decodes to the octets."""
    good = lines64(octets)
    lines = good.split(b"\r\n")[:-1]
    rng = random.Random(kind)
    if kind == "no padding":
        return good.rstrip(b"=\r\n") + b"\r\n"
    if kind == "a footer":
        return good + b"\r\n_______________\r\nA mailing list\r\nhttp://lists.example.org/\r\n"
    if kind == "garbage between":
        lines[len(lines) // 2:len(lines) // 2] = [b"!!", b"<>"]
    elif kind == "lines of any length":
        text, lines = b"".join(lines), []
        while text:
            width = rng.randrange(1, 100)
            lines.append(text[:width])
            text = text[width:]
    elif kind == "a blank line in the middle":
        lines[len(lines) // 2:len(lines) // 2] = [b""]
    elif kind == "one short line":
        middle = len(lines) // 2
        lines[middle:middle + 1] = [lines[middle][:40], lines[middle][40:]]
    elif kind == "spaces at the ends":
        lines = [line + b"  " if rng.random() < 0.5 else line for line in lines]
    elif kind == "one line":
        lines = [b"".join(lines)]
    elif kind == "blank lines behind":
        lines += [b""] * 7
    elif kind == "blank lines before":
        lines[:0] = [b""] * 2
    else:
        raise AssertionError(kind)
    return b"\r\n".join(lines) + b"\r\n"


DAMAGES = ("no padding", "a footer", "garbage between", "lines of any length", "a blank line in the middle",
           "one short line", "spaces at the ends", "one line", "blank lines behind", "blank lines before")


class Sizes(DovecotCase, Trees):
    """Large parts, whose sizes nobody tells."""

    def directories(self, *bodies):
        """The .parts directories of these messages."""
        box = self.fresh()
        self.deliver(box, *bodies)
        mount = self.mount(self.server)
        return [mount / f"{box}/.parts/{uid}" for uid in range(1, len(bodies) + 1)]

    def test_base64_is_exact(self):
        """For whatever length of lines, and whatever is left for the last one."""
        rows = [(size, width) for size in (100_000, 100_001, 100_002, 99_999, 57 * 2000, 300_000)
                for width in (76, 72, 64, 60, 4, 192, 996)]
        bodies = [letter("size", multipart("mixed", text("hello\n"), attachment("a.bin", noise(size), width=width)))
                  for size, width in rows]
        for row, octets, directory in zip(rows, bodies, self.directories(*bodies)):
            with self.subTest(size=row[0], width=row[1]):
                self.assertEqual(os.stat(directory + "/a.bin").st_size, row[0])
                self.check_tree(directory, octets)

    def test_damaged(self):
        """What programs write is right, whatever is wrong with the encoding."""
        truth = noise(150_001)    # padded
        bodies = [letter(damage, multipart("mixed", text("hello\n"), attachment(
            "a.bin", damaged(damage, truth), encoding=b"base64"))) for damage in DAMAGES]
        self.check_programs("a.bin", {damage: (octets, truth) for damage, octets in zip(DAMAGES, bodies)})

    def test_quoted_printable(self):
        truth = "".join(f"Zeile {n}: größer = besser \t\n" for n in range(60_000)).encode()
        octets = letter("quoted", multipart("mixed", text("hello\n"), part(
            "text/csv; charset=utf-8", truth, "quoted-printable",
            'Content-Disposition: attachment; filename="table.csv"\n')))
        expected = decoder.parse(octets).leaves[1].octets
        self.assertEqual(expected.replace(b"\r\n", b"\n"), truth)
        self.check_programs("table.csv", {"quoted-printable": (octets, expected)})

    # programs that know the size before they read, and those that do not; what they write to a file, or print
    PROGRAMS = {
        "cat": "cat FILE", "head": "head -c 1000 FILE", "tail": "tail -c 1000 FILE", "wc": "wc -c <FILE",
        "cp": "cp FILE copy && cat copy", "tar": "tar -C DIRECTORY -cf - NAME | tar -xOf -",
        "rsync": "rsync -a FILE copy && cat copy", "map": "python3 -c 'import mmap, sys\nwith open(\"FILE\", \"rb\") "
        "as f: sys.stdout.buffer.write(mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ))'",
    }

    def check_programs(self, name, rows):
        """Each program is the first to open the file.  rows: {title: (message, octets of the file)}."""
        cases = [(title, program) for title in rows for program in self.PROGRAMS]
        for (title, program), directory in zip(cases, self.directories(*(rows[title][0] for title, _ in cases))):
            truth = rows[title][1]
            expected = {"head": truth[:1000], "tail": truth[-1000:], "wc": b"%d\n" % len(truth)}.get(program, truth)
            path = os.path.join(directory, name)
            with self.subTest(title, program=program):
                self.assertGreaterEqual(os.stat(path).st_size, len(truth))
                command = self.PROGRAMS[program].replace("FILE", path).replace("DIRECTORY", directory)
                done = subprocess.run(["bash", "-o", "pipefail", "-c", command.replace("NAME", name)],
                                      cwd=tempfile.mkdtemp(dir=self.directory), capture_output=True,
                                      timeout=slow(60), check=False)
                self.assertEqual((done.returncode, done.stderr), (0, b""))
                self.assertEqual(len(done.stdout), len(expected))
                self.assertEqual(done.stdout, expected)

    def test_anywhere(self):
        """A part that is read here and there, backwards, by two at once."""
        truth = noise(3_000_000)
        octets = letter("random", multipart("mixed", text("hello\n"), attachment("a.bin", truth)))
        rng = random.Random(7)
        (directory,) = self.directories(octets)
        with open(directory + "/a.bin", "rb", buffering=0) as file:
            for _ in range(200):
                at, size = rng.randrange(len(truth) + 10), rng.randrange(1, 20_000)
                self.assertEqual(os.pread(file.fileno(), size, at), truth[at:at + size], (at, size))

    def test_read_whole_first(self):
        """A part is the same if all of its message is there already; and when the server is not."""
        octets = letter("cached", multipart(
            "mixed", text("hello\n"), attachment("a.bin", noise(300_000)),
            forwarded(letter("inner", multipart("mixed", text("inside\n"), attachment("b.bin", noise(90_000)))))))
        box = self.fresh()
        self.deliver(box, octets)
        mount = self.mount(self.server)
        self.assertEqual(read(mount / f"{box}/1.eml"), octets)
        self.check_tree(mount / f"{box}/.parts/1", octets)
        mount.settle()
        self.assertTrue(mount.end())
        mount = self.mount(self.server, offline=True)
        self.check_tree(mount / f"{box}/.parts/1", octets)


class SizesUntold(Sizes):
    """A server that decodes nothing, so that nothing can be asked about what is damaged."""
    knobs = {"DOVECOT_CAPABILITY": "IMAP4rev1"}


class Names(DovecotCase, Trees):
    """What a sender calls a file is made a name."""

    def listed(self, *parts):
        box = self.fresh()
        octets = letter("names", multipart("mixed", *parts))
        self.deliver(box, octets)
        directory = self.mount(self.server) / f"{box}/.parts/1"
        self.check_tree(directory, octets)
        return sorted(os.listdir(directory))

    def named(self, disposition, kind="application/octet-stream", parameter=""):
        return part(kind + parameter, b"octets", fields=f"Content-Disposition: attachment{disposition}\n")

    def test_names(self):
        rows = {
            "plain": ('; filename="invoice.pdf"', "invoice.pdf"),
            "token": ("; filename=invoice.pdf", "invoice.pdf"),
            "RFC 2231": ("; filename*=UTF-8''Rechnung%20M%C3%A4rz.pdf", "Rechnung März.pdf"),
            "RFC 2231 in Latin-1": ("; filename*=iso-8859-1'de'Gr%FC%DFe.txt", "Grüße.txt"),
            "continued": ('; filename*0="a rather "; filename*1="long name.txt"', "a rather long name.txt"),
            "continued and encoded": ("; filename*0*=utf-8''%E2%82%AC; filename*1=\" rates.txt\"", "€ rates.txt"),
            "RFC 2047 in quotes": ('; filename="=?UTF-8?B?TcOkcnoucGRm?="', "März.pdf"),
            "both": ("; filename=old.txt; filename*=UTF-8''new%E2%82%AC.txt", "new€.txt"),
            "a path": ('; filename="C:\\\\dir\\\\file.txt"', None),
            "up": ('; filename="../../etc/passwd"', None),
            "dots": ('; filename=".."', None),
            "hidden": ('; filename=".bashrc"', None),
            "an option": ('; filename="-rf.txt"', None),
            "long": ('; filename="' + "x" * 10_000 + '.pdf"', None),
            "long characters": ("; filename*=UTF-8''" + "%E2%82%AC" * 300 + ".pdf", None),
            "bidi": ("; filename*=UTF-8''invoice%E2%80%AEfdp.exe", None),
            "a line": ("; filename*=UTF-8''two%0D%0Alines.txt", None),
            "NUL": ("; filename*=UTF-8''nul%00.txt", None),
            "no UTF-8": ("; filename*=UTF-8''%FF%FE.txt", None),
            "reserved": ('; filename="headers"', None),
            "empty": ('; filename=""', None),
            "blank": ('; filename="   "', None),
        }
        names = self.listed(text("hello\n"), *(self.named(row[0]) for row in rows.values()))
        self.assertEqual(len(names), 2 + len(rows))     # each has one, and read_tree() has looked at them
        self.assertIn("body.txt", names)
        for title, (_, name) in rows.items():
            if name is not None:
                with self.subTest(title):
                    self.assertIn(name, names)
        self.assertEqual(sum(name.endswith(".pdf") and len(name.encode()) > 190 for name in names), 2)

    def test_same_names(self):
        names = self.listed(text("one\n"), text("two\n"), text("<p>three</p>", "text/html; charset=utf-8"),
                            *(self.named('; filename="a.txt"') for _ in range(3)), self.named('; filename="A.TXT"'))
        self.assertLessEqual({"headers", "body.txt", "body (2).txt", "body.html", "a.txt", "a (2).txt", "a (3).txt"},
                             set(names))
        self.assertEqual(len({name.lower() for name in names}), 8)

    def test_types_make_extensions(self):
        names = self.listed(text("hello\n"), self.named('; filename="report"', "application/pdf"),
                            self.named("", "image/png"), self.named('; filename="photo.jpeg"', "image/jpeg"),
                            self.named("", "text/plain"), self.named("", "application/x-nobody-knows"))
        self.assertIn("report.pdf", names)
        self.assertIn("photo.jpeg", names)
        self.assertEqual(sum(name.endswith(".png") for name in names), 1)
        self.assertEqual(sum(name.endswith(".txt") for name in names), 2)

    def test_one_part(self):
        """A message that is no multipart has one, too."""
        box = self.fresh()
        plain, pdf = letter("plain", text("hello\n")), letter("pdf", attachment("a.pdf", noise(1000)))
        self.deliver(box, plain, pdf)
        mount = self.mount(self.server)
        self.check_tree(mount / f"{box}/.parts/1", plain)
        self.check_tree(mount / f"{box}/.parts/2", pdf)
        self.assertEqual(sorted(os.listdir(mount / f"{box}/.parts/1")), ["body.txt", "headers"])
        self.assertEqual(sorted(os.listdir(mount / f"{box}/.parts/2")), ["a.pdf", "headers"])

    def test_directories(self):
        """Each message has one, called as its file is, or by UID."""
        box = self.fresh()
        self.deliver(box, letter("first", text("one\n")), letter("Grüße".encode().decode(), text("two\n")))
        mount = self.mount(self.server)
        expected = {os.path.basename(path)[:-len(".eml")] for path in messages(mount / box).values()}
        self.assertEqual(set(os.listdir(mount / f"{box}/.parts")), expected)
        for name in expected:
            self.assertEqual(os.stat(mount / f"{box}/.parts/{name}").st_ino,
                             os.stat(mount / f"{box}/.parts/{name.rpartition('.')[2]}").st_ino)
        for name in ("0", "3", "01", "-1", "99999999999", "x", "1.eml", "1.txt", ".parts", "4294967297"):
            self.assertEqual(self.errno_of(os.stat, mount / f"{box}/.parts/{name}"), "ENOENT", name)
        for name in ("nothing", "body.txt/x", "headers.txt"):
            self.assertIn(self.errno_of(os.stat, mount / f"{box}/.parts/1/{name}"), ("ENOENT", "ENOTDIR"), name)

    def test_headers(self):
        """Unfolded, and decoded."""
        box = self.fresh()
        self.deliver(box, rawimap.crlf(
            b"From: =?utf-8?q?Bj=C3=B6rn?= <b@example.org>\nTo: a@example.org,\n\tc@example.org\n"
            b"Subject: =?iso-8859-1?q?Gr=FC=DFe?=\n =?utf-8?b?IGF1cyBNYWxtw7Y=?=\nX-Raw: caf\xc3\xa9\n\nhello\n"))
        self.assertEqual(read(self.mount(self.server) / f"{box}/.parts/1/headers").decode(),
                         "From: Björn <b@example.org>\nTo: a@example.org, c@example.org\n"
                         "Subject: Grüße aus Malmö\nX-Raw: café\n")

    def test_attributes(self):
        box = self.fresh()
        octets = letter("attributes", multipart("mixed", text("hello\n"), attachment("a.pdf", noise(5000),
                                                                                     "application/pdf")))
        self.deliver(box, octets)
        mount = self.mount(self.server)
        path = mount / f"{box}/.parts/1/a.pdf"
        status = os.stat(path)
        self.assertEqual(status.st_mtime, os.stat(mount / f"{box}/1.eml").st_mtime)
        self.assertEqual(os.getxattr(path, "user.mime_type"), b"application/pdf")
        self.assertEqual(self.errno_of(os.getxattr, path, "security.selinux"), "ENOTSUP")
        for call in (lambda: os.open(path, os.O_WRONLY), lambda: os.unlink(path), lambda: os.rename(path, path + "x"),
                     lambda: os.open(mount / f"{box}/.parts/1/new", os.O_CREAT | os.O_WRONLY),
                     lambda: os.mkdir(mount / f"{box}/.parts/new")):
            self.assertEqual(self.errno_of(call), "EROFS")


class Core:
    """What has to be right on every server."""

    sizes = None    # of the leaves, on a server that is wrong about them

    def check_everything(self, box, octets):
        self.deliver(box, octets, letter("a small one", text("nothing but words\n")))
        self.mounted = self.mount(self.server)
        found = self.check_tree(self.mounted / f"{box}/.parts/1", octets, self.sizes)
        self.check_fields(found.headers, octets)
        names = set(os.listdir(self.mounted / f"{box}/.parts/1"))
        self.assertLessEqual({"headers", "body.txt", "body.html", "report.pdf", "notes.txt", "the inner one",
                              "the inner one.eml"}, names)
        self.assertIn("deep.bin", os.listdir(self.mounted / f"{box}/.parts/1/the inner one"))

    def test_everything(self):
        box, octets = self.fresh(), everything()
        self.check_everything(box, octets)
        words = read(self.mounted / f"{box}/.text/1.txt").decode()
        for expected in ("Subject: everything\n", "the plain words", "the inner one", "inside", "two"):
            self.assertIn(expected, words)
        self.assertNotIn("marked", words)
        names = os.listdir(self.mounted / f"{box}/.attachments")
        self.assertEqual(sum("report.pdf" in name for name in names), 1, names)
        (path,) = [name for name in names if "report.pdf" in name]
        self.assertEqual(read(self.mounted / f"{box}/.attachments/{path}"), noise(200_000, 5))
        for query in ("SUBJECT everything", "subject:everything", "from:alice has:attachment"):
            self.assertEqual([name.rpartition(".")[0].rpartition(".")[2]
                              for name in os.listdir(self.mounted / f"{box}/.search/{query}")], ["1"], query)
        with self.server.client() as client:
            client.select(box, readonly=True)
            self.assertEqual([flags - {r"\Recent"} for flags in client.flags().values()], [set(), set()])
            self.assertEqual(client.bodies(1)[1], octets)


class OnDovecot(Core, ServerCase, Trees):
    pass


class OnCyrus(Core, ServerCase, Trees):
    kind = Cyrus
    long = True


class OnCourier(Core, ServerCase, Trees):
    kind = Courier
    long = True
    # what ends a message in a digest has one CR more there
    sizes = [6, 6, 8, 17, 30, 1000, 2000, 70_000, 200_000]


class Poor(Core, ServerCase, Trees):
    """A server that can do nothing but what it must."""
    knobs = {"DOVECOT_CAPABILITY": "IMAP4rev1"}


class OnTheWire(DovecotCase):
    """What was not asked for is not downloaded."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pdf, cls.large = noise(900_000, 11), noise(12_000_000, 12)
        cls.small = noise(20_000, 13)
        cls.octets = letter("thirty megabytes", multipart(
            "mixed", text("please find attached\n"), attachment("first.bin", cls.large),
            attachment("invoice.pdf", cls.pdf, "application/pdf"), attachment("small.png", cls.small, "image/png"),
            attachment("last.bin", cls.large)))
        assert len(cls.octets) > 30 << 20
        with cls.server.client() as client:
            client.append("INBOX", [(cls.octets, (), None)])

    def setUp(self):
        super().setUp()
        self.proxy = Proxy(self.server.port, ())
        self.addCleanup(self.proxy.close)
        self.mounted = self.mount(self.server, "plain", port=self.proxy.port)
        self.assertEqual(len(os.listdir(self.mounted / "INBOX")), 1)
        time.sleep(0.5)
        self.proxy.forget()

    def cost(self, *command):
        """The output of a program, and the octets of IMAP for it in both directions."""
        before = self.proxy.inside
        done = subprocess.run(command, stdout=subprocess.PIPE, timeout=slow(60), check=True)
        time.sleep(1)   # read-ahead, if any, counts too
        octets = self.proxy.inside - before
        note(f"{' '.join(command[:2])}: {octets} octets")
        return done.stdout, octets

    def limit(self, octets):
        return 1.03 * len(lines64(octets)) + 8192

    def test_one_attachment(self):
        for name, truth in (("invoice.pdf", self.pdf), ("small.png", self.small), ("last.bin", self.large)):
            with self.subTest(name):
                copy = os.path.join(self.directory, name)
                _, octets = self.cost("cp", self.mounted / f"INBOX/.parts/1/{name}", copy)
                self.assertEqual(read(copy), truth)
                self.assertLessEqual(octets, self.limit(truth))

    def test_from_attachments(self):
        names = os.listdir(self.mounted / "INBOX/.attachments")
        self.assertEqual(len(names), 4)
        (name,) = [name for name in names if name.endswith("invoice.pdf")]
        copy = os.path.join(self.directory, "copy")
        _, octets = self.cost("cp", self.mounted / f"INBOX/.attachments/{name}", copy)
        self.assertEqual(read(copy), self.pdf)
        self.assertLessEqual(octets, self.limit(self.pdf))

    def test_listing(self):
        output, octets = self.cost("ls", "-l", self.mounted / "INBOX/.parts/1")
        self.assertIn(b" %d " % len(self.large), output)
        self.assertIn(b" %d " % len(self.pdf), output)
        self.assertLessEqual(octets, 3 * 3072 + len(lines64(self.small)) + 8192)

    def test_listing_of_attachments(self):
        _, octets = self.cost("ls", self.mounted / "INBOX/.attachments")
        self.assertLessEqual(octets, 8192)

    def test_attachments_of_a_mailbox(self):
        """Their list costs what the messages are made of, once; then what is new of it."""
        box, count = self.fresh(), 300
        with self.server.client() as client:
            client.append(box, ((letter(f"number {n}", multipart("mixed", text("x\n"), attachment(
                f"{n}.bin", noise(3000, n)))), (), None) for n in range(count)))
        self.assertTrue(eventually(lambda: box in os.listdir(self.mounted.path), slow(5)))
        self.assertEqual(len(os.listdir(self.mounted / box)), count)
        time.sleep(0.5)
        output, octets = self.cost("ls", self.mounted / f"{box}/.attachments")
        self.assertEqual(output.count(b".bin"), count)
        self.assertLess(octets, 600 * count)
        self.assertLess(len(self.proxy.commands), 60)
        _, octets = self.cost("ls", self.mounted / f"{box}/.attachments")
        self.assertLess(octets, 1024)
        self.deliver(box, letter("late", attachment("late.bin", noise(3000))))
        self.assertTrue(eventually(lambda: len(os.listdir(self.mounted / box)) == count + 1, slow(5)))
        output, octets = self.cost("ls", self.mounted / f"{box}/.attachments")
        self.assertIn(b"late.bin", output)
        self.assertLess(octets, 4096)

    def test_walking_over_parts(self):
        """find looks at every size, and downloads no large part."""
        box, count = self.fresh(), 20
        with self.server.client() as client:
            client.append(box, ((letter(f"number {n}", multipart("mixed", text("x\n"), attachment(
                "a.bin", noise(600_000, n)))), (), None) for n in range(count)))
        self.assertTrue(eventually(lambda: box in os.listdir(self.mounted.path), slow(5)))
        self.assertEqual(len(os.listdir(self.mounted / box)), count)
        time.sleep(0.5)
        output, octets = self.cost("find", self.mounted / f"{box}/.parts", "-ls")
        self.assertEqual(output.count(b" 600000 "), count)
        self.assertLess(octets, count * (3072 + 1500))

    def test_head_and_tail(self):
        for program in ("head", "tail"):
            _, octets = self.cost(program, "-c", "100", self.mounted / "INBOX/.parts/1/first.bin")
            self.assertLessEqual(octets, 2 << 20)

    def test_second_reading_is_free(self):
        self.cost("cat", self.mounted / "INBOX/.parts/1/invoice.pdf")
        output, octets = self.cost("cat", self.mounted / "INBOX/.parts/1/invoice.pdf")
        self.assertEqual(output, self.pdf)
        self.assertLessEqual(octets, 2048)

    def test_listing_takes_one_round_trip(self):
        """... beyond that for the structure, however many parts there are."""
        parts = [attachment(f"{n}.bin", noise(80_000, n)) for n in range(12)]
        box = self.fresh()
        self.deliver(box, letter("many", multipart("mixed", *parts)))
        seconds = 0.25
        lag = subprocess.Popen([sys.executable, LAG, "--rtt", str(seconds), str(self.server.port)],
                               stdout=subprocess.PIPE, text=True)
        self.addCleanup(lag.stdout.close)
        self.addCleanup(lag.wait)
        self.addCleanup(lag.terminate)
        port = int(lag.stdout.readline().partition("=")[2])
        mount = self.mount(self.server, "plain", port=port)
        self.assertEqual(len(os.listdir(mount / box)), 1)
        time.sleep(2)   # connections that are being made, and what is read ahead
        started = time.monotonic()
        subprocess.run(["ls", mount / f"{box}/.parts/1"], stdout=subprocess.DEVNULL, timeout=slow(60), check=True)
        middle = time.monotonic()
        done = subprocess.run(["ls", "-l", mount / f"{box}/.parts/1"], stdout=subprocess.PIPE, timeout=slow(60),
                              check=True)
        ended = time.monotonic()
        self.assertEqual(done.stdout.count(b" 80000 "), 12)
        note(f"ls: {(middle - started) / seconds:.1f}, ls -l: {(ended - middle) / seconds:.1f} round trips")
        self.assertLess(middle - started, 1.9 * seconds)
        self.assertLess(ended - middle, 1.9 * seconds)

    def test_reading_whole_afterwards(self):
        """A whole message is not put together from its parts."""
        read(self.mounted / "INBOX/.parts/1/invoice.pdf")
        output, _ = self.cost("cat", self.mounted / "INBOX/1.eml")
        self.assertEqual(output, self.octets)


class Trouble(DovecotCase, Trees):
    """Connections that break, messages that go, programs that all want the same."""

    def proxied(self, **options):
        self.proxy = Proxy(self.server.port)
        self.addCleanup(self.proxy.close)
        return self.mount(self.server, "plain", port=self.proxy.port, timeout=5, **options)

    def test_cut_anywhere(self):
        """The right octets after a new connection, or an error; never less, and never others."""
        box, truth = self.fresh(), noise(700_000)
        whole = letter("cut", multipart("mixed", text("hello\n"), attachment("a.bin", truth)))
        offsets = [1 + n * 1_000_000 // 24 for n in range(24)]
        self.deliver(box, *[whole] * len(offsets))
        mount = self.proxied()
        self.assertEqual(len(os.listdir(mount / box)), len(offsets))
        exact = failed = 0
        for uid, offset in enumerate(offsets, 1):
            path = mount / f"{box}/.parts/{uid}/a.bin"
            self.proxy.cut_after(offset)
            try:
                octets = read(path)
            except OSError:
                failed += 1
            else:
                self.assertEqual(octets, truth, f"cut after {offset}")
                exact += 1
            self.proxy.cut_after(None)
        note(f"{exact} exact, {failed} errors")
        for uid in range(1, len(offsets) + 1):
            path = mount / f"{box}/.parts/{uid}"
            self.assertTrue(eventually(lambda p=path: self.errno_of(os.listdir, p) is None, slow(20), 0.3))
            self.check_tree(path, whole)

    def test_search_through_a_cut(self):
        """What is found, or an error; never less."""
        box, count = self.fresh(), 400
        with self.server.client() as client:
            client.append(box, ((letter(f"{'odd' if n % 2 else 'even'} {n}", text("words\n")), (), None)
                                for n in range(count)))
        mount = self.proxied()
        self.assertEqual(len(os.listdir(mount / box)), count)
        exact = failed = 0
        for offset in (1, 30, 60, 100, 200, 400, 800):
            self.proxy.cut_after(offset)
            try:
                found = os.listdir(mount / f"{box}/.search/SUBJECT odd NOT SUBJECT x{offset}")
            except OSError:
                failed += 1
            else:
                self.assertEqual(len(found), count // 2, f"cut after {offset}")
                exact += 1
            self.proxy.cut_after(None)
        note(f"{exact} exact, {failed} errors")
        self.assertTrue(eventually(lambda: self.errno_of(os.listdir, mount / f"{box}/.search/SUBJECT odd") is None,
                                   slow(20), 0.3))
        self.assertEqual(len(os.listdir(mount / f"{box}/.search/SUBJECT odd")), count // 2)

    def test_stalled(self):
        """Nobody waits for ever; what was read is there all the same."""
        box = self.fresh()
        self.deliver(box, everything(), everything())
        mount = self.proxied()
        words = read(mount / f"{box}/.text/1.txt")
        octets = read(mount / f"{box}/.parts/1/report.pdf")
        self.proxy.freeze()
        started = time.monotonic()
        self.assertEqual(read(mount / f"{box}/.text/1.txt"), words)
        self.assertEqual(read(mount / f"{box}/.parts/1/report.pdf"), octets)
        self.assertLess(time.monotonic() - started, slow(2))
        self.assertIsNotNone(self.errno_of(read, mount / f"{box}/.parts/2/report.pdf"))
        self.assertIsNotNone(self.errno_of(os.listdir, mount / f"{box}/.search/subject:everything"))
        self.assertLess(time.monotonic() - started, slow(40))
        self.proxy.thaw()
        path = mount / f"{box}/.parts/2/report.pdf"
        self.assertTrue(eventually(lambda: self.errno_of(read, path) is None, slow(30), 0.3))
        self.assertEqual(read(path), octets)

    def test_interrupted(self):
        """Ctrl-C ends whoever waits, at once."""
        box = self.fresh()
        self.deliver(box, everything())
        mount = self.proxied()
        self.assertEqual(len(os.listdir(mount / box)), 1)
        self.proxy.freeze()
        for command in (["ls", "-l", f"{box}/.parts/1"], ["cat", f"{box}/.parts/1/report.pdf"],
                        ["cat", f"{box}/.text/1.txt"], ["ls", f"{box}/.attachments"],
                        ["ls", f"{box}/.search/subject:x"], ["ls", f"{box}/.threads"]):
            with self.subTest(" ".join(command)):
                process = subprocess.Popen(command, cwd=mount.path, stdout=subprocess.DEVNULL)
                time.sleep(0.7)
                self.assertIsNone(process.poll(), "it does not wait")
                process.send_signal(signal.SIGINT)
                self.assertEqual(process.wait(slow(2)), -signal.SIGINT)

    def test_gone_while_open(self):
        """The right octets or an error; then the directory is gone."""
        box, truth = self.fresh(), noise(2_000_000)
        self.deliver(box, letter("goes", multipart("mixed", text("hello\n"), attachment("a.bin", truth))),
                     letter("stays", text("hello\n")))
        mount = self.mount(self.server)
        with open(mount / f"{box}/.parts/1/a.bin", "rb", buffering=0) as file:
            self.assertEqual(file.read(10), truth[:10])
            with self.server.client() as client:
                client.select(box)
                client.command(r"UID STORE 1 +FLAGS.SILENT (\Deleted)")
                client.command("UID EXPUNGE 1")
            self.assertTrue(eventually(lambda: len(os.listdir(mount / f"{box}/.parts")) == 1, slow(5)))
            try:
                got = os.pread(file.fileno(), 100_000, 1_500_000)
            except OSError as error:
                note(f"error {error.errno}")
            else:
                self.assertEqual(got, truth[1_500_000:1_600_000])
        self.assertEqual(self.errno_of(os.stat, mount / f"{box}/.parts/1"), "ENOENT")
        self.assertEqual(self.errno_of(os.stat, mount / f"{box}/.text/1.txt"), "ENOENT")

    def test_mailbox_made_anew(self):
        """Another message under the same UID has other parts."""
        box = self.fresh()
        self.deliver(box, letter("one", multipart("mixed", text("hello\n"), attachment("a.bin", noise(200_000, 1)))))
        mount = self.mount(self.server)
        self.assertEqual(read(mount / f"{box}/.parts/1/a.bin"), noise(200_000, 1))
        with self.server.client() as client:
            name = rawimap.mailbox(box)
            client.command(b"DELETE " + name)
            time.sleep(1.1)     # UIDVALIDITY counts seconds
            client.command(b"CREATE " + name)
            client.append(box, [(letter("two", multipart("mixed", text("hello\n"), attachment(
                "a.bin", noise(200_000, 2)))), (), None)])

        def right():
            try:
                return read(mount / f"{box}/.parts/1/a.bin") == noise(200_000, 2)
            except OSError:
                return False
        self.assertTrue(eventually(right, slow(10), 0.3))

    def test_together(self):
        """Several programs walk over the parts at once, and two read one of them."""
        box = self.fresh()
        with self.server.client() as client:
            client.append(box, ((everything(), (), None) for _ in range(10)))
        script = 'cd "$1" && find .parts .text .attachments -type f -print0 | sort -z | xargs -0 sha256sum'
        for _ in range(times(5)):
            # a new mount each time: what one of them does first is what may confuse the others
            mount = self.mount(self.server, connections=2, cache_size=0)
            running = [subprocess.Popen(["bash", "-c", script, "-", mount / box], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE) for _ in range(4)]
            outputs = [process.communicate(timeout=slow(90)) for process in running]
            self.assertEqual({errors for _, errors in outputs}, {b""})
            self.assertEqual(len({output for output, _ in outputs}), 1)
            self.assertGreater(outputs[0][0].count(b"\n"), 10 * 15)
            self.assertTrue(mount.end())
