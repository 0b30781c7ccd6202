# SPDX-License-Identifier: GPL-3.0-or-later
"""Synthetic mail as it comes: MIME parts of all kinds, and headers of real length.

The same seed gives the same messages. One in five has attachments, of 50 KiB to
5 MiB; one in ten has a line with NEEDLE in each of its texts.
"""

import base64
import binascii
import email
import random
import re
import time
import typing

from words import DOMAINS, EPOCH, FIRST, LAST, NEEDLE, UMLAUTS, WORDS, body_text, encoded

LINE = 57  # octets in a line of base64, which has 76 characters and CRLF
BATCH = 32 << 20
FILES = [("pdf", "application/pdf"), ("zip", "application/zip"), ("jpg", "image/jpeg"),
         ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
         ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document")]
STYLE = "\r\n".join([
    "<!DOCTYPE html>", "<html><head><meta charset=\"utf-8\"><style>",
    *(f".{word} {{ margin: 0 auto; padding: {n}px; font: {10 + n}px/1.5 Helvetica, Arial; color: #3{n}4{n}5{n}; }}"
      for n, word in enumerate(WORDS[:10])),
    "</style></head>", "<body bgcolor=\"#ffffff\">", ""])


def encoded_size(size):
    """In base64, with the line ends."""
    return (size + 2) // 3 * 4 + 2 * (size // LINE)


class Letter(typing.NamedTuple):
    when: int
    pieces: list  # octets; what attachments hold are memoryviews

    @property
    def size(self):
        return sum(map(len, self.pieces))

    @property
    def bare(self):
        """The message with all its attachments empty."""
        return b"".join(piece for piece in self.pieces if isinstance(piece, bytes))


class Pool:
    """Octets that nothing compresses, and the same in base64: files are pieces of it."""

    def __init__(self, size, seed):
        self.raw = random.Random(seed).randbytes(size)
        self.text = memoryview(base64.encodebytes(self.raw).replace(b"\n", b"\r\n"))

    def encoded(self, line, size):
        lines, rest = divmod(size, LINE)
        start = (line + lines) * LINE
        tail = base64.b64encode(self.raw[start:start + rest])
        return [self.text[line * 78:(line + lines) * 78], memoryview(tail)]

    def decoded(self, line, size):
        return self.raw[line * LINE:line * LINE + size]


# A part is a list of pieces that begins with its header.

def text(subtype, charset, encoding, content, parameters=""):
    octets = content.encode(charset, "xmlcharrefreplace")
    if encoding == "quoted-printable":
        octets = binascii.b2a_qp(octets, istext=True)
    elif encoding == "base64":
        octets = base64.encodebytes(octets).replace(b"\n", b"\r\n")
    return [f"Content-Type: text/{subtype}; charset={charset}{parameters}\r\n"
            f"Content-Transfer-Encoding: {encoding}\r\n\r\n".encode() + octets]


def file(name, media, body, disposition="attachment", more=""):
    return [f"Content-Type: {media};\r\n\tname=\"{name}\"\r\nContent-Transfer-Encoding: base64\r\n"
            f"Content-Disposition: {disposition};\r\n\tfilename=\"{name}\"\r\n{more}\r\n".encode(), *body]


def multipart(subtype, boundary, *children):
    pieces = [f"Content-Type: multipart/{subtype}; boundary=\"{boundary}\"\r\n\r\n".encode()]
    for child in children:
        pieces += [f"\r\n--{boundary}\r\n".encode(), *child]
    return [*pieces, f"\r\n--{boundary}--\r\n".encode()]


class Writer:
    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.pool = Pool(8 << 20, seed)
        plain = body_text()
        self.plain = plain.split("\r\n\r\n")
        self.accented = re.sub("garden", "G\u00e4rten", re.sub("coffee", "caf\u00e9", plain)).split("\r\n\r\n")
        self.boundaries = 0

    def boundary(self):
        self.boundaries += 1
        return f"----=_NextPart_{self.boundaries:08x}_{self.rng.getrandbits(64):016X}"

    def host(self):
        return f"{self.rng.choice(WORDS)}{self.rng.randrange(40)}.{self.rng.choice(DOMAINS)}"

    def person(self):
        first, last = self.rng.choice(FIRST), self.rng.choice(LAST)
        name = self.rng.choice(UMLAUTS) if self.rng.random() < 0.08 else f"{first} {last}"
        return f"{encoded(name)} <{first.lower()}.{last.lower()}@{self.rng.choice(DOMAINS)}>"

    def blob(self, octets):
        """What signatures are made of, folded as in a header."""
        coded = base64.b64encode(self.rng.randbytes(octets)).decode()
        return "\r\n\t ".join(coded[at:at + 70] for at in range(0, len(coded), 70))

    def header(self, when, number):
        date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(when))
        sender, host = self.person(), self.host()
        domain = sender.rpartition("@")[2].rstrip(">")
        subject = " ".join(self.rng.choices(WORDS, k=self.rng.randint(2, 9))).capitalize()
        lines = [f"Return-Path: <bounces+{number:x}@{domain}>", "Delivered-To: test@example.com"]
        for hop in range(self.rng.randint(2, 5)):
            lines.append(f"Received: from {self.host()} ({self.host()} [192.0.2.{self.rng.randrange(255)}])\r\n"
                         f"\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n"
                         f"\tby {host} (Postfix) with ESMTPS id {self.rng.getrandbits(44):X}\r\n"
                         f"\tfor <test@example.com>; {date}")
        lines += [f"Authentication-Results: {host};\r\n\tdkim=pass header.i=@{domain} header.s=s{number % 9} "
                  f"header.b={self.blob(6)};\r\n\tspf=pass smtp.mailfrom=bounces@{domain};\r\n"
                  f"\tdmarc=pass (policy=quarantine) header.from={domain}",
                  f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s=s{number % 9};\r\n"
                  f"\th=from:to:cc:subject:date:message-id:mime-version:content-type;\r\n"
                  f"\tbh={self.blob(32)};\r\n\tb={self.blob(256)}"]
        if self.rng.random() < 0.5:
            lines += [f"ARC-Seal: i=1; a=rsa-sha256; t={when}; cv=none; d={domain}; s=arc;\r\n\tb={self.blob(256)}"]
        if self.rng.random() < 0.4:
            lines += [f"List-Id: {' '.join(self.rng.choices(WORDS, k=3))} <{self.host()}>",
                      f"List-Unsubscribe: <https://{domain}/unsubscribe?u={self.blob(45)}>",
                      "List-Unsubscribe-Post: List-Unsubscribe=One-Click"]
        lines += [f"From: {sender}", "To: Test User <test@example.com>", f"Subject: {encoded(subject)}",
                  f"Date: {date}", f"Message-ID: <{number:x}.{when}@{domain}>"]
        if self.rng.random() < 0.4:
            lines += ["References: " + "\r\n\t".join(f"<{self.rng.getrandbits(64):x}@{domain}>" for _ in range(3))]
        lines += [f"X-Mailer: Post {number % 7}.{number % 10} ({self.host()})", "MIME-Version: 1.0", ""]
        return "\r\n".join(lines)

    # -- what is inside -----------------------------------------------------

    def paragraphs(self, source, size):
        start, length, chosen = self.rng.randrange(len(source) // 2), 0, []
        while length < size and start < len(source):
            chosen.append(source[start])
            length += len(source[start])
            start += 1
        return chosen

    def note(self, line, encoding):
        """A text of 0.5 to 5 KiB."""
        source = self.plain if encoding == "7bit" else self.accented
        content = line + "\r\n\r\n".join(self.paragraphs(source, 500 + 4500 * self.rng.random() ** 2)) + "\r\n"
        return text("plain", "us-ascii" if encoding == "7bit" else "utf-8", encoding, content)

    def page(self, line):
        """HTML of 4 to 20 KiB."""
        pieces = [STYLE]
        if line:
            pieces.append(f"<p>{line.strip()}</p>\r\n")
        for paragraph in self.paragraphs(self.accented, 1500 + 12000 * self.rng.random() ** 2):
            word = self.rng.choice(WORDS[:10])
            pieces.append(f"<div class=\"{word}\"><p style=\"margin: 0 0 1em\">{paragraph}\r\n<a href=\"https://"
                          f"{self.host()}/{word}?id={self.rng.getrandbits(80):x}\">{word}</a></p></div>\r\n")
        return text("html", "utf-8", "quoted-printable", "".join(pieces) + "</body></html>\r\n")

    def body(self, line):
        kind = self.rng.random()
        for limit, encoding in ((0.25, "7bit"), (0.4, "quoted-printable"), (0.47, "base64"), (0.5, "8bit")):
            if kind < limit:
                return self.note(line, encoding)
        if kind > 0.93:
            return self.page(line)
        note, page = self.note(line, "quoted-printable"), self.page(line)
        if kind > 0.85:
            size = self.rng.randint(3000, 40000)
            picture = file("image001.png", "image/png", self.pool.encoded(self.rng.randrange(9999), size), "inline",
                           "Content-ID: <image001@example.com>\r\n")
            page = multipart("related", self.boundary(), page, picture)
        return multipart("alternative", self.boundary(), note, page)

    def attachment(self):
        size = int(50 * 1024 * 102.4 ** self.rng.random() ** 1.15)
        suffix, media = self.rng.choice(FILES)
        name = f"{self.rng.choice(WORDS)}-{self.rng.randrange(10000):04d}.{suffix}"
        return file(name, media, self.pool.encoded(self.rng.randrange(50000), size))

    def letter(self, number):
        when = EPOCH + number * 3600 + self.rng.randrange(3000)
        line = f"Entry {number} of the {NEEDLE}.\r\n\r\n" if number % 10 == 0 else ""
        part = self.body(line)
        if self.rng.random() < 0.2:
            files = [self.attachment() for _ in range(2 if self.rng.random() < 0.1 else 1)]
            if self.rng.random() < 0.05:
                inner = self.header(when - 9999, number + (1 << 40)).encode()
                files.append([b"Content-Type: message/rfc822\r\n\r\n", inner, *self.note("", "7bit")])
            part = multipart("mixed", self.boundary(), part, *files)
            if self.rng.random() < 0.05:
                seal = file("smime.p7s", "application/pkcs7-signature", self.pool.encoded(number % 9999, 3500))
                part = multipart("signed", self.boundary(), part, seal)
        return Letter(when, [self.header(when, number).encode(), *part, b"\r\n"])


def letters(count, seed=1):
    writer = Writer(seed)
    return (writer.letter(number) for number in range(count))


def store(client, mailbox, messages):
    """MULTIAPPEND with LITERAL+, for a rawimap.Client: nothing waits before a command is complete."""
    client.create(mailbox)
    pieces, size = [], 0
    for letter in messages:
        stamp = time.strftime("%d-%b-%Y %H:%M:%S +0000", time.gmtime(letter.when))
        pieces += [f' "{stamp}" {{{letter.size}+}}\r\n'.encode(), *letter.pieces]
        size += letter.size
        if size > BATCH:
            append(client, mailbox, pieces)
            pieces, size = [], 0
    if pieces:
        append(client, mailbox, pieces)


def append(client, mailbox, pieces):
    client.socket.sendall(b"".join([b"m APPEND " + client.place(mailbox), *pieces, b"\r\n"]))
    client.finish(b"m")


# -- what must be read of it --------------------------------------------------

class Weight(typing.NamedTuple):
    """Octets of one message, as an independent reader finds them."""
    header: int
    texts: int  # text parts that are no attachments, encoded
    shown: int  # those of them that have no better alternative


def weigh(octets):
    return Weight(*weigh_message(email.message_from_bytes(octets)))


def weigh_message(message):
    header = sum(len(name) + len(value) + 4 for name, value in message.raw_items()) + 2
    inner, texts, shown = weigh_part(message)
    return header + inner, texts, shown


def weigh_part(part):
    """(header octets of messages inside, text parts, those that are shown)"""
    kind = part.get_content_type()
    if part.get_content_disposition() == "attachment":
        return 0, 0, 0
    if kind == "message/rfc822":
        return weigh_message(part.get_payload(0))
    if part.is_multipart():
        children = [weigh_part(child) for child in part.get_payload()]
        header, texts, shown = (sum(column) for column in zip(*children))
        if kind == "multipart/alternative":
            shown = children[0][2]  # the plain one is the first
        return header, texts, shown
    if part.get_content_maintype() != "text":
        return 0, 0, 0
    length = len(part.get_payload().encode(part.get_content_charset("ascii")))
    return 0, length, length
