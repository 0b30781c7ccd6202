# SPDX-License-Identifier: GPL-3.0-or-later
"""Views of mail on servers that are wrong about it, and of mail that means harm."""

import contextlib
import os
import re
import time

from compose import attachment, everything, forwarded, letter, multipart, noise, part, text
from harness import Config, DovecotCase, eventually, messages, note, read, slow
from imapserver import Mail, PartServer, string
from trees import Trees, read_tree


def nested(depth):
    """Multiparts inside of each other."""
    octets = text("at the bottom\n")
    for _ in range(depth):
        octets = multipart("mixed", octets)
    return octets


def russian(depth):
    """Messages inside of each other."""
    octets = letter("innermost", text("at the bottom\n"))
    for level in range(depth):
        octets = letter(f"level {level}", forwarded(octets))
    return octets


class Quirk(Trees):
    """A scripted server, which is played for the usual messages."""

    kind = PartServer

    def setUp(self):
        super().setUp()
        self.octets = everything()
        self.plain = letter("plain", text("soup for nine\n"))
        self.server = self.kind({b"INBOX": [Mail(1, self.octets), Mail(2, self.plain)]})
        self.addCleanup(self.server.close)
        self.mounted = self.mount(self.server, "plain")

    def said(self, pattern):
        return [line for line in self.server.lines if re.search(pattern, line)]

    def check(self):
        self.check_views()
        for uid, octets in ((1, self.octets), (2, self.plain)):
            path = self.mounted / f"INBOX/{uid}.eml"
            self.assertEqual(read(path), octets)
            self.assertEqual(os.stat(path).st_size, len(octets))

    def check_views(self):
        found = self.check_tree(self.mounted / "INBOX/.parts/1", self.octets)
        self.check_fields(found.headers, self.octets)
        self.check_tree(self.mounted / "INBOX/.parts/2", self.plain)
        words = read(self.mounted / "INBOX/.text/1.txt").decode()
        for expected in ("Subject: everything\n", "the plain words", "inside", "two"):
            self.assertIn(expected, words)
        (name,) = [name for name in os.listdir(self.mounted / "INBOX/.attachments") if "report.pdf" in name]
        self.assertEqual(read(self.mounted / f"INBOX/.attachments/{name}"), noise(200_000, 5))


class Bare(Quirk):
    def test_bare(self):
        """Without any extension, and without any fault."""
        self.check_views()
        self.assertFalse(self.said(rb"BODY\.PEEK\[\]"), "a whole message was downloaded for its parts")
        self.check()


class Exchange(Quirk):
    """A part that is asked for in pieces comes whole and says so; sizes are those of another form of it."""

    class kind(PartServer):
        capabilities = "IMAP4rev1 AUTH=PLAIN UIDPLUS MOVE IDLE NAMESPACE LITERAL+ UNSELECT"

        def size(self, mail):
            return len(mail.data) * 9 // 10

        def partial(self, name, data, start, length):
            return b"BODY[%s] {%d}\r\n" % (name, len(data)) + data

        def octets(self, part):
            return len(part.body) * 9 // 10

    def test_exchange(self):
        self.check()


class ExchangeTooMuch(Exchange):
    """The same, with sizes that are too large."""

    class kind(Exchange.kind):
        def size(self, mail):
            return len(mail.data) + 1000

        def octets(self, part):
            return len(part.body) + 500


class WrongOrigin(Quirk):
    """Pieces of parts are called by other names."""

    class kind(PartServer):
        def partial(self, name, data, start, length):
            data = data[start:start + length]
            return b"BODY[%s]<%d.%d> {%d}\r\n" % (name, start, length, len(data)) + data

    def test_other_origin(self):
        self.check()


class ICloud(Quirk):
    """Announces BINARY and ESEARCH, and has neither."""

    class kind(PartServer):
        capabilities = ("IMAP4rev1 AUTH=PLAIN CONDSTORE ENABLE BINARY ESEARCH SEARCHRES WITHIN UIDPLUS LITERAL+ "
                        "NAMESPACE")
        found = (2,)

        def search(self, tag, criteria):
            if criteria.upper().startswith(b"RETURN"):
                return b'* ESEARCH (TAG "%s") UID COUNT %d\r\n' % (tag, len(self.found))
            return super().search(tag, criteria)

        def command(self, c, tag, verb, rest):
            if verb == b"ENABLE":
                c.say(tag + b" OK done\r\n")
                return True
            if b"BINARY" in rest.upper():
                c.say(tag + b" BAD Parse Error\r\n")
                return True
            return super().command(c, tag, verb, rest)

    def test_icloud(self):
        self.check()
        self.assertEqual(list(messages(self.mounted / "INBOX/.search/soup")), [2])
        self.assertEqual(list(messages(self.mounted / "INBOX/.search/BODY soup")), [2])


class Gmail(Quirk):
    """Multiparts inside of others are told wrong; searches of its own."""

    class kind(PartServer):
        capabilities = ("IMAP4rev1 AUTH=PLAIN UIDPLUS MOVE CONDSTORE ESEARCH LIST-STATUS LITERAL- X-GM-EXT-1 "
                        "APPENDLIMIT=35651584")
        found = (1,)

        def structure(self, mail):
            told = super().structure(mail)
            for child in self.entity(mail).children:
                if child.children:
                    told = told.replace(child.structure(self.octets), child.structure(self.octets, barren=True))
            return told

        def search(self, tag, criteria):
            uids = self.found if b"X-GM-RAW" in criteria else ()
            if criteria.upper().startswith(b"RETURN"):
                every = b" ALL " + b",".join(b"%d" % uid for uid in uids) if uids else b""
                return b'* ESEARCH (TAG "%s") UID%s\r\n' % (tag, every)
            return b"* SEARCH" + b"".join(b" %d" % uid for uid in uids) + b"\r\n"

    def test_gmail(self):
        self.check()
        for query in ('X-GM-RAW "has:attachment in:unread"', 'gmail:"has:attachment in:unread"'):
            self.assertEqual(list(messages(self.mounted / f"INBOX/.search/{query}")), [1], query)
        self.assertTrue(self.said(rb'X-GM-RAW "has:attachment in:unread"|X-GM-RAW {\d+\+?}'))
        self.assertEqual(list(messages(self.mounted / "INBOX/.search/subject:x")), [])


class NoSuchExtension(Quirk):
    def test_raw_search_elsewhere(self):
        """What the server cannot do is said, and not sent."""
        self.assertEqual(self.errno_of(os.listdir, self.mounted / 'INBOX/.search/X-GM-RAW "x"'), "EINVAL")
        self.assertFalse(self.said(rb"X-GM-RAW"))


class MailboxesLikeViews(Trees):
    def test_mailboxes_called_like_views(self):
        """A mailbox has another name then, and the view is what it is."""
        octets = letter("in a mailbox", text("words\n"))
        names = [b"INBOX", b".parts", b"INBOX/.search", b"INBOX/.text/deep", b".imapfs"]
        server = PartServer({name: [Mail(number, octets)] for number, name in enumerate(names, 1)})
        self.addCleanup(server.close)
        mount = self.mount(server, "plain")
        self.assertEqual(sorted(os.listdir(mount.path)), ["%2Eimapfs", "%2Eparts", "INBOX"])
        self.assertEqual({name for name in os.listdir(mount / "INBOX") if not name.endswith(".eml")},
                         {"%2Esearch", "%2Etext"})
        for number, path in ((1, "INBOX"), (2, "%2Eparts"), (3, "INBOX/%2Esearch"), (4, "INBOX/%2Etext/deep")):
            self.assertEqual(list(messages(mount / path)), [number])
            self.check_tree(mount / f"{path}/.parts/{number}", octets)
            self.assertIn("words", read(mount / f"{path}/.text/{number}.txt").decode())


BROKEN = {
    "nothing": b"",
    "NIL": b"NIL",
    "an atom": b"BODY",
    "empty": b"()",
    "no children": b'("ALTERNATIVE")',
    "no children, but more": b'("MIXED" ("BOUNDARY" "x") NIL NIL)',
    "no subtype": b'("X-ZIP" NIL NIL NIL "BASE64" 20)',
    "NIL type": b'(NIL NIL NIL NIL NIL NIL 20)',
    "unknown octets": b'("TEXT" "PLAIN" NIL NIL NIL "7BIT" -1 1)',
    "too many octets": b'("TEXT" "PLAIN" NIL NIL NIL "7BIT" 99999999999999999999999 1)',
    "far more octets": b'("TEXT" "PLAIN" NIL NIL NIL "7BIT" 4000000000 1)',
    "no octets": b'("TEXT" "PLAIN" NIL NIL NIL "7BIT" 0 0)',
    "a part too many": b'(("TEXT" "PLAIN" NIL NIL NIL "7BIT" 5 1)("TEXT" "PLAIN" NIL NIL NIL "7BIT" 5 1)'
                       b'("TEXT" "PLAIN" NIL NIL NIL "7BIT" 5 1)("TEXT" "PLAIN" NIL NIL NIL "7BIT" 5 1) "MIXED")',
    "a boundary of NIL": b'(("TEXT" "PLAIN" NIL NIL NIL "7BIT" 5 1) "MIXED" (boundary NIL))',
    "other text": b'("TEXT" "PLAIN" ("CHARSET" "utf-8") NIL NIL "BASE64" 15 1)',
}


class BrokenStructure(Trees):
    """A structure that makes no sense, or tells of another message."""

    def test_broken(self):
        octets = letter("broken", multipart("mixed", text("the words\n"), attachment("a.bin", noise(2000))))
        rows = list(BROKEN.items())
        good = letter("good", text("good\n"))

        class Server(PartServer):
            def structure(self, mail):
                return rows[mail.uid - 1][1] if mail.uid <= len(rows) else super().structure(mail)

        mails = [Mail(uid, octets) for uid in range(1, len(rows) + 1)] + [Mail(len(rows) + 1, good)]
        server = Server({b"INBOX": mails})
        self.addCleanup(server.close)
        mount = self.mount(server, "plain")
        for uid, (name, _) in enumerate(rows, 1):
            with self.subTest(name):
                # who looks first may see names that go when the truth comes out, at the first size
                with contextlib.suppress(FileNotFoundError):
                    read_tree(self, mount / f"INBOX/.parts/{uid}")
                if name not in ("a boundary of NIL", "other text", "no octets", "no subtype", "NIL type"):
                    self.check_tree(mount / f"INBOX/.parts/{uid}", octets)
                    self.assertIn("the words", read(mount / f"INBOX/.text/{uid}.txt").decode())
                else:   # which one may believe; nothing hangs
                    read_tree(self, mount / f"INBOX/.parts/{uid}")
                self.assertEqual(read(mount / f"INBOX/{uid}.eml"), octets)
        self.check_tree(mount / f"INBOX/.parts/{len(rows) + 1}", good)
        self.assertTrue(mount.running())


class Bombs(Trees):
    """Structures of a size and a depth that only somebody who means harm would send."""

    def check_bomb(self, structure, seconds=30):
        octets, good = letter("bomb", text("boom\n")), letter("good", text("good\n"))

        class Server(PartServer):
            def structure(self, mail):
                return structure if mail.uid == 1 else super().structure(mail)

        server = Server({b"INBOX": [Mail(1, octets), Mail(2, good)]})
        self.addCleanup(server.close)
        mount = self.mount(server, "plain", timeout=10)
        started = time.monotonic()
        for path in ("INBOX/.parts/1", "INBOX/.attachments"):
            self.errno_of(os.listdir, mount / path)     # whatever comes of it, it comes
        self.errno_of(read, mount / "INBOX/.text/1.txt")
        self.assertLess(time.monotonic() - started, slow(seconds))
        self.assertTrue(eventually(lambda: self.errno_of(read, mount / "INBOX/2.eml") is None, slow(40)))
        self.check_tree(mount / "INBOX/.parts/2", good)
        self.assertTrue(mount.running())
        with open(f"/proc/{mount.pid}/status", encoding="utf-8") as file:
            peak = int(re.search(r"VmHWM:\s*(\d+)", file.read())[1])
        note(f"at most {peak >> 10} MiB")
        if not Config.sanitized:
            self.assertLess(peak >> 10, 1024)

    LEAF = b'("TEXT" "PLAIN" NIL NIL NIL "7BIT" 5 1)'

    def test_depth(self):
        self.check_bomb(b"(" * 100_000 + self.LEAF + b' "MIXED")' * 100_000)

    def test_unbalanced(self):
        self.check_bomb(b"(" * 60 + self.LEAF)

    def test_messages_in_messages(self):
        structure = self.LEAF
        for _ in range(50):
            structure = b'("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 5 (NIL "x" NIL NIL NIL NIL NIL NIL NIL NIL) %s 1)' \
                % structure
        self.check_bomb(structure)

    def test_parts(self):
        self.check_bomb(b"(" + self.LEAF * 300_000 + b' "MIXED")')

    def test_longer_than_a_line(self):
        self.check_bomb(b"(" + self.LEAF * 600_000 + b' "MIXED")')

    def test_longer_than_a_response(self):
        name = string("x" * (60 << 20) + "\n")
        self.check_bomb(b'(("TEXT" "PLAIN" ("NAME" %s "CHARSET" %s) NIL NIL "7BIT" 5 1) "MIXED")' % (name, name))

    def test_long_names(self):
        name = string("../" * 100_000)
        self.check_bomb(b'(' + b'("TEXT" "PLAIN" ("NAME" %s) NIL NIL "7BIT" 5 1)' % name * 30 + b' "MIXED")')

    def test_continuations(self):
        """A name in 100,000 pieces (RFC 2231)."""
        pieces = b" ".join(b'"NAME*%d" "x"' % n for n in range(100_000))
        self.check_bomb(b'("TEXT" "PLAIN" (%s) NIL NIL "7BIT" 5 1)' % pieces)


class HostileMail(DovecotCase, Trees):
    """Messages that a real server takes."""

    def parts_of(self, octets):
        box = self.fresh()
        self.deliver(box, octets)
        self.mounted = self.mount(self.server)
        return self.mounted / f"{box}/.parts/1"

    def test_five_thousand_parts(self):
        parts = [text(f"number {n}\n") for n in range(5000)]
        directory = self.parts_of(letter("many", multipart("mixed", *parts)))
        names = os.listdir(directory)
        self.assertGreater(len(names), 3900)
        self.assertEqual(len(names), len(set(names)))
        numbers = {int(read(f"{directory}/{name}").split()[1]) for name in names[::100] if name != "headers"}
        self.assertEqual(len(numbers), len([name for name in names[::100] if name != "headers"]))
        self.assertIn("number 0\n", read(os.path.dirname(directory)[:-len(".parts")] + ".text/1.txt").decode())

    def test_depth(self):
        octets = letter("deep", nested(100))
        found = read_tree(self, self.parts_of(octets))
        self.assertGreater(len(found.leaves), 0)
        self.assertTrue(self.mounted.running())

    def test_messages_in_messages(self):
        octets = russian(90)
        directory = self.parts_of(octets)
        self.errno_of(read_tree, self, directory)   # deeper than a path may be long
        names = os.listdir(directory)
        self.assertIn("headers", names)
        self.assertTrue(self.mounted.running())

    def test_boundaries_that_begin_alike(self):
        inner = (b'Content-Type: multipart/mixed; boundary="outer-inner"\r\n\r\n--outer-inner\r\n\r\none\r\n'
                 b"--outer-inner\r\n\r\ntwo\r\n--outer-inner--\r\n")
        octets = letter("alike", b'Content-Type: multipart/mixed; boundary="outer"\r\n\r\n--outer\r\n' + inner
                        + b"\r\n--outer\r\n\r\nthree\r\n--outer--\r\n")
        self.check_tree(self.parts_of(octets), octets)

    def test_no_final_boundary(self):
        octets = letter("cut off", multipart("mixed", text("one\n"), text("two\n")))
        octets = octets[:octets.rindex(b"\r\n--")]
        # Python takes the last line end away, as if there was a boundary
        self.check_tree(self.parts_of(octets), octets, sizes=[5, 5])

    def test_html_bomb(self):
        for words in ("<div>" * 200_000, "<blockquote>" * 100_000 + "x", "<" * 3_000_000, "<table><tr>" * 50_000,
                      "&#x41;" * 300_000, "<a href='" + "x" * 1_000_000 + "'>x</a>"):
            directory = self.parts_of(letter("html", part("text/html; charset=utf-8", words.encode(), "base64")))
            path = os.path.dirname(directory)[:-len(".parts")] + ".text/1.txt"
            started = time.monotonic()
            octets = read(path, 60)
            self.assertLess(time.monotonic() - started, slow(20))
            self.assertLess(len(octets), 16 << 20)
            octets.decode("utf-8")

    def test_long_headers(self):
        """A megabyte of each thing that is decoded."""
        for field in (b"Subject: " + b"=?utf-8?q?=C3?=\r\n " * 60_000, b"To: " + b"a <a@example.org>,\r\n " * 40_000,
                      b"Subject: " + b"x" * 900_000, b"From: " + b"(" * 300_000 + b"\r\n " + b")" * 300_000,
                      b"Content-Type: text/plain" + b";\r\n a=b" * 90_000):
            directory = self.parts_of(field + b"\r\n\r\nwords\r\n")
            started = time.monotonic()
            read(directory + "/headers").decode("utf-8")
            octets = read(os.path.dirname(directory)[:-len(".parts")] + ".text/1.txt")
            self.assertTrue(octets.endswith(b"words\n"))
            self.assertLess(time.monotonic() - started, slow(10))
