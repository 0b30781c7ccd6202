# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages as a person reads them, in .text, and what it costs to read them."""

import os
import re
import subprocess
import time
import unittest

import decoder
import harness
import rawimap
from compose import attachment, forwarded, letter, multipart, noise, part, text
from harness import Config, Dovecot, DovecotCase, messages, note, read, slow
from proxy import Proxy

HTML = "text/html; charset=utf-8"
FLOWED = "text/plain; charset=utf-8; format=flowed"
SIGNED = "application/pgp-signature"


def body(words, kind="text/plain; charset=utf-8", encoding="8bit"):
    """A part of these octets, or of this text in UTF-8."""
    octets = words if isinstance(words, bytes) else rawimap.crlf(words.encode())
    return part(kind, octets, encoding)


# a name: (what the message is made of, all words that are read in their order, what must not be there)
ROWS = {
    "plain": (body("One line.\n\n  And another, indented.\n"), "One line. And another, indented.", ()),
    "quoted-printable": (body("Größe: 10 €\n", encoding="quoted-printable"), "Größe: 10 €", ("=", )),
    "base64": (body("Ein Gruß aus Malmö.\n", encoding="base64"), "Ein Gruß aus Malmö.", ()),
    "Latin-1": (body("Grüße".encode("latin-1"), "text/plain; charset=iso-8859-1"), "Grüße", ()),
    "Latin-1 that is windows-1252": (body("„10 €“".encode("cp1252"), "text/plain; charset=iso-8859-1"), "„10 €“", ()),
    "koi8-r": (body("Привет, мир".encode("koi8-r"), "text/plain; charset=koi8-r"), "Привет, мир", ()),
    "big5": (body("會議記錄".encode("big5"), "text/plain; charset=big5", "base64"), "會議記錄", ()),
    "gb2312": (body("你好".encode("gb2312"), 'text/plain; charset="gb2312"'), "你好", ()),
    "iso-2022-jp": (body("日本語のメール".encode("iso-2022-jp"), "text/plain; charset=ISO-2022-JP", "7bit"),
                    "日本語のメール", ("\x1b",)),
    "shift-jis by another name": (body("日本語".encode("shift-jis"), "text/plain; charset=x-sjis"), "日本語", ()),
    "ks_c_5601-1987": (body("안녕하세요".encode("euc-kr"), "text/plain; charset=ks_c_5601-1987"), "안녕하세요", ()),
    "utf-16": (body("größer".encode("utf-16"), "text/plain; charset=utf-16", "base64"), "größer", ("\0",)),
    "utf-7": (body("gr&APY-".replace("&", "+").encode(), "text/plain; charset=utf-7", "7bit"), "grö", ()),
    "no charset, UTF-8": (body("größer", "text/plain"), "größer", ()),
    "no charset, Latin-1": (body("größer".encode("latin-1"), "text/plain"), "größer", ()),
    "nobody's charset": (body("größer", "text/plain; charset=unknown-8bit"), "größer", ()),
    "ASCII that is none": (body("größer", "text/plain; charset=us-ascii"), "größer", ()),
    "HTML only": (body("<html><head><title>T</title><style>p {color: red}</style></head><body><p>Dear <b>all</b>,</p>"
                       "<p>it is caf&eacute; &amp; cake.<br>Bye</p><script>alert(1)</script><!-- hidden --></body>"
                       "</html>", HTML),
                  "Dear all, it is café & cake. Bye", ("color", "alert", "hidden", "<p>")),
    "HTML table": (body("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table>", HTML),
                   "a b c d", ()),
    "HTML link": (body('<p>see <a href="https://example.org/x">the page</a></p>', HTML),
                  "see the page <https://example.org/x>", ()),
    "HTML in Latin-1": (body("<p>Grüße</p>".encode("latin-1"), "text/html; charset=iso-8859-1", "quoted-printable"),
                        "Grüße", ()),
    "alternative": (multipart("alternative", body("the plain words\n"), body("<p>the marked words</p>", HTML)),
                    "the plain words", ("marked",)),
    "alternative with related": (multipart("alternative", body("the plain words\n"), multipart(
        "related", body("<p>the marked words</p>", HTML), part("image/png", noise(500)))),
        "the plain words", ("marked",)),
    "related only": (multipart("related", body("<p>with a picture</p>", HTML), part("image/png", noise(500))),
                     "with a picture", ()),
    "signed": (multipart("signed", body("I say so.\n"), part(SIGNED, b"-----BEGIN PGP SIGNATURE-----\r\n", "7bit"),
                         parameters='; protocol="application/pgp-signature"'),
               "I say so.", ("BEGIN",)),
    "mixed": (multipart("mixed", body("first\n"), part("image/png", noise(500)), body("second\n")),
              "first second", ()),
    "digest": (multipart("digest", b"\r\n" + letter("one of two", text("erstens\n")),
                         b"\r\n" + letter("two of two", text("zweitens\n"))), "erstens zweitens", ()),
    "nested": (multipart("mixed", body("see below\n"), forwarded(letter("what was below", multipart(
        "alternative", body("inside plain\n"), body("<p>inside marked</p>", HTML))))),
        "see below inside plain", ("marked",)),
    "report": (multipart("report", body("It could not be delivered.\n"), part(
        "message/delivery-status", b"Reporting-MTA: dns; mx.example.org\r\n\r\nFinal-Recipient: rfc822; x@example.org"
        b"\r\nAction: failed\r\nStatus: 5.1.1\r\n", "7bit"), forwarded(letter("the lost one", text("lost words\n"))),
        parameters="; report-type=delivery-status"),
        "It could not be delivered. Action: failed lost words", ()),
    "an attached text": (multipart("mixed", body("read this\n"), attachment(
        "notes.txt", b"not to be read\r\n", "text/plain; charset=utf-8")), "read this", ("not to be read",)),
    "flowed": (body("This is one \nparagraph.\n\nAnother  \none.\n\n> quoted \n> words\n", FLOWED),
               "This is one paragraph. Another one. quoted words", ()),
    "uuencode": (body("begin 644 a.txt\n#0V%T\n`\nend\n", encoding="x-uuencode"), "begin 644 a.txt", ()),
    "empty": (body(""), "", ()),
    "binary that says it is text": (body(noise(3000), "text/plain; charset=utf-8", "base64"), "", ("\0", "\r")),
}


class Rendered(DovecotCase):
    """One message for each kind of mail."""

    def setUp(self):
        super().setUp()
        self.box = self.fresh()
        with self.server.client() as client:
            client.append(self.box, [(letter(f"row {name}", row[0]), (), None) for name, row in ROWS.items()])
        self.mounted = self.mount(self.server)

    def test_rows(self):
        for uid, (name, (_, words, absent)) in enumerate(ROWS.items(), 1):
            with self.subTest(name):
                octets = read(self.mounted / f"{self.box}/.text/{uid}.txt")
                shown = octets.decode("utf-8")
                head, _, shown_body = shown.partition("\n\n")
                self.assertEqual(head, "From: Alice Example <alice@example.org>\nTo: test@example.org\n"
                                       f"Date: Fri, 20 Nov 2026 09:31:00 +0000\nSubject: row {name}")
                self.assertTrue(shown.endswith("\n"))
                self.assertNotIn("\r", shown)
                at = 0
                for word in words.split():
                    found = shown_body.find(word, at)
                    self.assertGreaterEqual(found, 0, f"no {word!r} in {shown_body[:2000]!r}")
                    at = found + len(word)
                for word in absent:
                    self.assertNotIn(word, shown_body)

    def test_sizes(self):
        """ls may say more than there is, never less; a reader gets it all."""
        for uid in range(1, len(ROWS) + 1):
            path = self.mounted / f"{self.box}/.text/{uid}.txt"
            before = os.stat(path).st_size
            octets = read(path)
            self.assertGreaterEqual(before, len(octets))
            self.assertGreater(before, 0)
            self.assertEqual(os.stat(path).st_size, len(octets))

    def test_names(self):
        expected = {os.path.basename(path)[:-len(".eml")] + ".txt"
                    for path in messages(self.mounted / self.box).values()}
        self.assertEqual(set(os.listdir(self.mounted / f"{self.box}/.text")), expected)
        for name in ("0.txt", "1", "1.eml", f"{len(ROWS) + 1}.txt", "01.txt", "x.txt", "99999999999.txt"):
            self.assertEqual(self.errno_of(os.stat, self.mounted / f"{self.box}/.text/{name}"), "ENOENT", name)

    def test_flowed(self):
        """Lines that were broken for the way are whole again."""
        uid = list(ROWS).index("flowed") + 1
        lines = read(self.mounted / f"{self.box}/.text/{uid}.txt").decode().partition("\n\n")[2].split("\n")
        for line in ("This is one paragraph.", "> quoted words"):
            self.assertIn(line, lines)

    def test_programs(self):
        """Each gets the whole text, whether or not it believes in sizes."""
        directory = self.mounted / f"{self.box}/.text"
        target = self.directory + "/copy"
        for command in (["cp", "-r", directory, target], ["tar", "-C", directory, "-cf", target + ".tar", "."],
                        ["rsync", "-a", directory + "/", target + "2"], ["grep", "-rc", "words", directory]):
            done = subprocess.run(command, capture_output=True, timeout=slow(60), check=False)
            self.assertEqual((done.returncode, done.stderr), (0, b""), command)
        for name in os.listdir(directory):
            for copy in (target, target + "2"):
                self.assertEqual(read(os.path.join(copy, name)), read(os.path.join(directory, name)), name)


class Headers(DovecotCase):
    def test_decoded(self):
        box = self.fresh()
        self.deliver(box, rawimap.crlf(
            b"Subject: =?utf-8?b?R3LDvMOfZQ==?=\n =?utf-8?q?_aus_Malm=C3=B6?=\nCc: Bob <b@example.org>,\n"
            b"  Carol <c@example.org>\nReceived: by nobody\nTo: =?iso-8859-1?q?=C9mile?= <e@example.org>\n"
            b"From: =?big5?b?s6+kcKn6?= <chen@example.org>\nX-Other: not shown\n\nwords\n"),
            rawimap.crlf(b"Subject: no others\n\nwords\n"), rawimap.crlf(b"\nno header\n"))
        mount = self.mount(self.server)
        self.assertEqual(read(mount / f"{box}/.text/1.txt").decode(),
                         "From: 陳小明 <chen@example.org>\nTo: Émile <e@example.org>\n"
                         "Cc: Bob <b@example.org>, Carol <c@example.org>\nSubject: Grüße aus Malmö\n\nwords\n")
        self.assertEqual(read(mount / f"{box}/.text/2.txt").decode(), "Subject: no others\n\nwords\n")
        self.assertEqual(read(mount / f"{box}/.text/3.txt").decode().strip(), "no header")


COMMENT = "a comment without an end, which hides the rest as in a browser; for Python it is text"
# of the corpus, {name: why the words are others}
UNREADABLE = {
    "hard-ham-1-00005.34bcaad58ad5f598f5d6af8cfa0c0465.eml":
        "quoted-printable with \"==\", which Python takes for one \"=\", and RFC 2045 does not know",
    "spam-1-00313.fab744bfd5a128fca39b69df9811c086.eml": "base64 that Python leaves as it is, see test_parts",
    "spam-2-00384.ffe5f36fc3c40673d4313db5e579e33d.eml": COMMENT,
    "spam-2-00599.d6d6a2edd58fa7dd6b18787e9867984b.eml": COMMENT,
    "spam-2-00834.34db0196aab30fd0883426467c18ed5c.eml": "what only who knows no frames would read",
}
LINK = re.compile(r"<(?:https?:[^>]*|[^<>\s]+@[^<>\s]+)>", re.I)


class Corpus(harness.Case):
    """The words of real messages, by other readers."""

    @classmethod
    def setUpClass(cls):
        if not Config.corpus:
            raise unittest.SkipTest("without the corpus")
        cls.folder = subprocess.run([os.path.join(harness.TESTS, "mail", "corpus")], check=True,
                                       stdout=subprocess.PIPE, text=True).stdout.strip()
        cls.names = sorted(os.listdir(cls.folder))[::1 if Config.long else 8]
        cls.server = Dovecot(DOVECOT_EXTRA="mail_save_crlf = yes")
        cls.addClassCleanup(cls.server.remove)
        cls.server.load("Corpus", *(os.path.join(cls.folder, name) for name in cls.names))

    def compare(self, kind, check, least):
        """Calls check(what another reader read, what .text has) for the messages that are of this media type."""
        mount = self.mount(self.server)
        compared = 0
        for uid, name in enumerate(self.names, 1):
            with open(os.path.join(self.folder, name), "rb") as file:
                expected = decoder.text(file.read(), kind)
            if expected is None:
                continue
            compared += 1
            with open(mount / f"Corpus/.text/{uid}.txt", "rb") as file:
                shown = file.read().decode("utf-8").partition("\n\n")[2]
            with self.subTest(name):
                if name in UNREADABLE:
                    self.assertRaises(AssertionError, check, expected, shown)
                else:
                    check(expected, shown)
        note(f"{compared} of {len(self.names)} messages")
        self.assertGreater(compared, least * len(self.names))

    def test_plain_messages(self):
        """The same words."""
        self.compare("text/plain", lambda expected, shown: self.assertEqual(shown.split(), expected.split()), 1 / 2)

    def test_html_messages(self):
        """All words that are to be read, in their order; there may be more, as what a picture is called."""
        def check(expected, shown):
            shown, at = "".join(LINK.sub("", shown).split()), 0
            for word in decoder.Visible(expected).words:
                found = shown.find(word, at)
                self.assertGreaterEqual(found, 0, f"{word!r} is not in {shown[at:at + 500]!r}")
                at = found + len(word)
        self.compare("text/html", check, 1 / 10)


class OnTheWire(DovecotCase):
    """grep in .text downloads headers and text."""

    COUNT = 60

    def setUp(self):
        super().setUp()
        self.box = self.fresh()
        self.proxy = Proxy(self.server.port, ())
        self.addCleanup(self.proxy.close)
        self.words = 0
        with self.server.client() as client:
            client.append(self.box, list(self.mail()))
        self.mounted = self.mount(self.server, "plain", port=self.proxy.port)
        self.assertEqual(len(os.listdir(self.mounted / self.box)), self.COUNT)
        time.sleep(0.5)
        self.proxy.forget()

    def mail(self):
        for n in range(self.COUNT):
            words = f"message {n}: " + " ".join(["kettle"] + ["lid", "spout"] * 400) + "\n"
            self.words += len(words) + 300
            if n % 3:
                yield letter(f"number {n}", text(words)), (), None
            else:
                yield letter(f"number {n}", multipart("mixed", text(words), attachment(
                    "a.bin", b"kettle" + noise(600_000, n)))), (), None

    def test_grep(self):
        done = subprocess.run(["grep", "-rlw", "kettle", self.mounted / f"{self.box}/.text"],
                              stdout=subprocess.PIPE, timeout=slow(60), check=True)
        self.assertEqual(len(done.stdout.splitlines()), self.COUNT)
        time.sleep(1)
        octets = self.proxy.inside
        note(f"{octets} octets for {self.words} of text")
        # each of these messages costs its structure and what IMAP says around it, too
        self.assertLessEqual(octets, 1.15 * self.words + self.COUNT * 900)
        self.assertFalse([command for command in self.proxy.commands
                          if re.search(r"BODY(\.PEEK)?\[(2|)\]", command)])

    def test_listing(self):
        subprocess.run(["ls", "-l", self.mounted / f"{self.box}/.text"], stdout=subprocess.DEVNULL,
                       timeout=slow(60), check=True)
        time.sleep(1)
        self.assertLessEqual(self.proxy.inside, 4096)

    def test_grep_is_not_a_conversation(self):
        """The messages that come next are asked for together."""
        subprocess.run(["grep", "-rlw", "kettle", self.mounted / f"{self.box}/.text"], stdout=subprocess.DEVNULL,
                       timeout=slow(60), check=True)
        fetches = [command for command in self.proxy.commands if "FETCH" in command.upper()]
        note(f"{len(fetches)} commands")
        self.assertLess(len(fetches), self.COUNT)
