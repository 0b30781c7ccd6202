# SPDX-License-Identifier: GPL-3.0-or-later
"""A small IMAP client on a bare socket, for tests.

It shows exactly what a server sent: a response is a list of byte strings, the
text of its line cut at each literal, and every literal between them.
"""

import binascii
import re
import socket
import ssl

MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


class Refused(Exception):
    """The server answered NO or BAD."""


def crlf(data):
    """The message as it is sent: every line ends in CRLF."""
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def quoted(text):
    return b'"' + text.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"'


def utf7(name):
    """A mailbox name in modified UTF-7 (RFC 3501, 5.1.3)."""
    def encode(match):
        base64 = binascii.b2a_base64(match[0].encode("utf-16-be"))
        return b"&" + base64.rstrip(b"\n=").replace(b"/", b",") + b"-"
    out, last = b"", 0
    for match in re.finditer(r"[^\x20-\x7e]+", name):
        out += name[last:match.start()].replace("&", "&-").encode() + encode(match)
        last = match.end()
    return out + name[last:].replace("&", "&-").encode()


def mailbox(name):
    """A mailbox name as an argument; bytes are taken as they are."""
    return quoted((name if isinstance(name, bytes) else utf7(name)).decode("latin-1"))


class Client:
    """PREFIX is put before the names of mailboxes, but for INBOX."""

    def __init__(self, port, host="127.0.0.1", tls=None, timeout=60, prefix=""):
        self.prefix = prefix
        self.socket = socket.create_connection((host, port), timeout)
        if tls is not None:
            context = ssl.create_default_context(cafile=tls)
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.file = self.socket.makefile("rb", buffering=1 << 16)
        self.tag = 0
        self.greeting = self.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            self.command("LOGOUT")
        except (OSError, EOFError, Refused):
            pass
        self.file.close()
        self.socket.close()

    def read(self):
        """One response."""
        parts = []
        while True:
            line = self.file.readline()
            if not line:
                raise EOFError("the server closed the connection")
            literal = re.search(rb"\{(\d+)\}\r\n$", line)
            if literal is None:
                return parts + [line.rstrip(b"\r\n")]
            parts += [line[:literal.start()], self.file.read(int(literal[1]))]

    def send(self, line):
        """Sends a command and returns its tag."""
        self.tag += 1
        tag = b"t%d" % self.tag
        self.socket.sendall(tag + b" " + (line.encode() if isinstance(line, str) else line) + b"\r\n")
        return tag

    def finish(self, tag):
        """The untagged responses up to the tagged one, which must be OK."""
        untagged = []
        while True:
            response = self.read()
            if response[0].startswith(tag + b" "):
                if not response[0].startswith(tag + b" OK"):
                    raise Refused(response[0].decode("latin-1"))
                self.status = response[0]
                return untagged
            untagged.append(response)

    def command(self, line):
        return self.finish(self.send(line))

    def login(self, user="test", password="secret"):
        self.command(b"LOGIN " + quoted(user) + b" " + quoted(password))
        return self

    def can(self, name):
        """The server announces this capability."""
        (line,), *_ = self.command("CAPABILITY")
        return name.encode() in line.upper().split()

    def place(self, name):
        """A mailbox name as an argument, prefix and all."""
        return mailbox(name if name == "INBOX" or not self.prefix else self.prefix + name)

    def create(self, name):
        self.command(b"CREATE " + self.place(name))

    def select(self, name, readonly=False):
        return self.command((b"EXAMINE " if readonly else b"SELECT ") + self.place(name))

    def move(self, uids, name):
        """Messages of the selected mailbox, as well as the server can do it."""
        if self.can("MOVE"):
            self.command(f"UID MOVE {uids} ".encode() + self.place(name))
            return
        self.command(f"UID COPY {uids} ".encode() + self.place(name))
        self.command(rf"UID STORE {uids} +FLAGS.SILENT (\Deleted)")
        self.command(f"UID EXPUNGE {uids}")

    def uids(self, criteria="ALL"):
        for response in self.command("UID SEARCH " + criteria):
            if response[0].startswith(b"* SEARCH"):
                return [int(uid) for uid in response[0].split()[2:]]
        return []

    def bodies(self, uids="1:*", item="BODY.PEEK[]"):
        """{uid: bytes} of the selected mailbox."""
        found = {}
        for response in self.command(f"UID FETCH {uids} ({item})"):
            uid = re.search(rb"\bUID (\d+)", b" ".join(response[::2]))
            if uid and len(response) >= 3:
                found[int(uid[1])] = response[1]
        return found

    def flags(self, uids="1:*"):
        """{uid: set of flags} of the selected mailbox."""
        found = {}
        for response in self.command(f"UID FETCH {uids} (FLAGS)"):
            match = re.search(rb"UID (\d+)", response[0])
            if match:
                flags = re.search(rb"FLAGS \(([^)]*)\)", response[0])[1]
                found[int(match[1])] = set(flags.decode().split())
        return found

    def append(self, name, messages):
        """Appends (bytes, flags, date) triples; date is a datetime, or None.

        Many to a command, and nothing waits for a continuation, where the
        server has LITERAL+ and MULTIAPPEND.
        """
        at_once = self.can("LITERAL+") and self.can("MULTIAPPEND")
        batch, size = [], 0
        for data, flags, date in messages:
            head = b"(" + " ".join(flags).encode() + b")"
            if date is not None:
                head += (f' "{date.day:2d}-{MONTHS[date.month - 1]}-{date.year:04d} '
                         f'{date:%H:%M:%S %z}"').encode()
            data = crlf(data)
            if not at_once:
                self.append_one(name, head, data)
                continue
            batch.append(b" " + head + b" {%d+}\r\n" % len(data) + data)
            size += len(data)
            if size > 4 << 20 or len(batch) >= 500:
                self.command(b"APPEND " + self.place(name) + b"".join(batch))
                batch, size = [], 0
        if batch:
            self.command(b"APPEND " + self.place(name) + b"".join(batch))

    def append_one(self, name, head, data):
        tag = self.send(b"APPEND " + self.place(name) + b" " + head + b" {%d}" % len(data))
        while not (response := self.read())[0].startswith(b"+"):
            if response[0].startswith(tag + b" "):
                raise Refused(response[0].decode("latin-1"))
        self.socket.sendall(data + b"\r\n")
        self.finish(tag)
