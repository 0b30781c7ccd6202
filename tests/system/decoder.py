# SPDX-License-Identifier: GPL-3.0-or-later
"""An independent reader of messages, for comparison: Python's email package."""

import email
import email.header
import email.message
import hashlib
import html.parser
import re

MESSAGES = "message/rfc822", "message/global"
DECODED = "base64", "quoted-printable"      # uuencode and others stay as they are


class Part(email.message.Message):
    """As IMAP sees it, where only these have a message inside (RFC 9051, 7.5.2)."""

    def get_content_type(self):
        kind = super().get_content_type()
        return "application/octet-stream" if kind.startswith("message/") and kind not in MESSAGES else kind


def digest(octets):
    """What octets are told apart by: their number and a hash."""
    return len(octets), hashlib.sha256(octets).hexdigest()[:16]


class Leaf:
    """A part that has no parts."""

    def __init__(self, part):
        self.encoding = str(part.get("Content-Transfer-Encoding", "7bit")).strip().lower()
        self.type = part.get_content_type()
        self.name = part.get_filename()
        self.octets = None
        if self.encoding in DECODED:
            self.octets = part.get_payload(decode=True)
        del part["Content-Transfer-Encoding"]
        self.raw = part.get_payload(decode=True)
        if self.octets is None:
            self.octets = self.raw
        self.digest = digest(self.octets)

    def is_regular(self):
        """Base64 in lines of one length, with its padding, and with nothing else between or behind."""
        lines = self.raw.rstrip(b"\r\n").split(b"\r\n")
        return (self.encoding == "base64" and all(len(line) == len(lines[0]) for line in lines[:-1])
                and len(lines[-1]) <= len(lines[0]) and sum(map(len, lines)) % 4 == 0
                and re.fullmatch(rb"[A-Za-z0-9+/]*={0,2}", b"".join(lines)) is not None)

    def __repr__(self):
        return f"{self.type} {self.encoding} {self.digest[0]} {self.digest[1][:6]}"


class Tree:
    """What is in a message: its leaves, and the Trees of the messages in it."""

    def __init__(self, leaves=(), nested=()):
        self.leaves, self.nested = list(leaves), list(nested)

    def key(self):
        """Equal for trees that hold the same octets, in whatever order."""
        return (tuple(sorted(leaf.digest for leaf in self.leaves)),
                tuple(sorted(tree.key() for tree in self.nested)))

    def every_leaf(self):
        yield from self.leaves
        for tree in self.nested:
            yield from tree.every_leaf()

    def __repr__(self):
        return repr((self.leaves, self.nested))


def parse(octets):
    """The Tree of a message with CRLF at the ends of its lines."""
    return tree_of(email.message_from_bytes(octets, Part))


def fields(octets):
    """The names of the fields of a message's header."""
    return email.message_from_bytes(octets, Part).keys()


def charset_of(name):
    """What mail that says this is written in: everybody says Latin-1 and means windows-1252."""
    return "cp1252" if name is None or name.lower() in ("iso-8859-1", "us-ascii") else name


def subject(octets):
    """The words of the Subject; None if there is none, or it is in no charset that Python knows."""
    value = email.message_from_bytes(octets).get("Subject")
    if not isinstance(value, str):  # 8-bit octets
        return None
    try:
        pieces = [piece if isinstance(piece, str) else piece.decode(charset_of(charset))
                  for piece, charset in email.header.decode_header(value)]
    except (LookupError, UnicodeDecodeError, email.errors.HeaderParseError):
        return None
    return "".join(pieces).split()


def text(octets, kind):
    """The text of a message that is one part of that media type, in its charset; None if it is no such message."""
    message = email.message_from_bytes(octets)
    encoding = str(message.get("Content-Transfer-Encoding", "7bit")).strip().lower()
    if message.get_content_type() != kind or message.get_param("format") or message.get_filename() \
            or encoding not in ("7bit", "8bit", *DECODED):
        return None
    try:
        return message.get_payload(decode=True).decode(charset_of(message.get_content_charset()))
    except (LookupError, UnicodeDecodeError):
        return None


class Visible(html.parser.HTMLParser):
    """What is to be read of HTML, without white space."""

    UNSEEN = "script", "style", "title"
    INVISIBLE = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\xad]")     # and where a word may be hyphenated

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.depth, self.words = 0, []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.depth += tag in self.UNSEEN

    def handle_endtag(self, tag):
        self.depth -= tag in self.UNSEEN and self.depth > 0

    def handle_data(self, data):
        if self.depth == 0:
            self.words += self.INVISIBLE.sub("", data).split()


def tree_of(message):
    tree = Tree()

    def walk(part):
        if part.get_content_type() in MESSAGES and part.is_multipart():
            tree.nested.append(tree_of(part.get_payload(0)))
        elif part.is_multipart():
            for inner in part.get_payload():
                walk(inner)
        else:
            tree.leaves.append(Leaf(part))

    walk(message)
    return tree
