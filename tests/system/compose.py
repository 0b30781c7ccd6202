# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages with parts, written octet for octet."""

import base64
import itertools
import quopri
import random

import rawimap

numbers = itertools.count(1)


def noise(size, seed=1):
    """Octets that no compression makes smaller."""
    return random.Random(seed).randbytes(size)


def lines64(octets, width=76, end=b"\r\n"):
    """Base64 in lines of that width."""
    text = base64.b64encode(octets)
    return b"".join(text[at:at + width] + end for at in range(0, len(text), width))


def part(kind, octets, encoding="base64", fields="", width=76):
    """A leaf: its header, and its octets in that encoding; encoded already if that is given as bytes."""
    if isinstance(encoding, bytes):
        encoded, encoding = octets, encoding.decode()
    elif encoding == "base64":
        encoded = lines64(octets, width)
    elif encoding == "quoted-printable":
        encoded = rawimap.crlf(quopri.encodestring(octets.replace(b"\r\n", b"\n")))
    else:
        encoded = octets
    return rawimap.crlf(f"Content-Type: {kind}\nContent-Transfer-Encoding: {encoding}\n{fields}\n".encode()) + encoded


def attachment(name, octets, kind="application/octet-stream", **more):
    return part(kind, octets, fields=f'Content-Disposition: attachment; filename="{name}"\n', **more)


def text(words, kind="text/plain; charset=utf-8", encoding="8bit", fields=""):
    return part(kind, rawimap.crlf(words.encode()), encoding, fields)


def forwarded(octets, fields=""):
    """A message as a part."""
    return rawimap.crlf(f"Content-Type: message/rfc822\n{fields}\n".encode()) + octets


def multipart(kind, *parts, parameters=""):
    boundary = f"=-{next(numbers)}-=".encode()
    return (b'Content-Type: multipart/%s; boundary="%s"%s\r\n\r\n' % (kind.encode(), boundary, parameters.encode())
            + b"".join(b"--" + boundary + b"\r\n" + octets + b"\r\n" for octets in parts)
            + b"--" + boundary + b"--\r\n")


def letter(subject, body, sender="Alice Example <alice@example.org>", fields=""):
    """A message: header fields, and a part, which brings its own."""
    return rawimap.crlf(f"From: {sender}\nTo: test@example.org\nSubject: {subject}\n"
                        f"Date: Fri, 20 Nov 2026 09:31:00 +0000\n{fields}MIME-Version: 1.0\n".encode()) + body


def everything():
    """A message with all that nests."""
    inner = letter("the inner one", multipart("mixed", text("inside\n"), attachment("deep.bin", noise(70_000, 3))),
                   sender="Bob Example <bob@example.org>")
    return letter("everything", multipart(
        "mixed",
        multipart("alternative", text("the plain words\n"), multipart(
            "related", text("<p>the <b>marked</b> words</p>", "text/html; charset=utf-8", "quoted-printable"),
            part("image/png", noise(2000, 4), fields="Content-ID: <picture@example.org>\n"))),
        attachment("report.pdf", noise(200_000, 5), "application/pdf"),
        forwarded(inner),
        multipart("digest", b"\r\n" + letter("first of the digest", text("one\n")),
                  b"\r\n" + letter("second of the digest", text("two\n"))),
        attachment("notes.txt", "größer\r\n".encode() * 100, "text/plain; charset=utf-8",
                   encoding="quoted-printable")))
