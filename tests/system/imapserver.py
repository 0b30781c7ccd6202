# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that say what no real server would be willing to say."""

import email
import re
import socket
import ssl
import threading


class Connection:
    """One client of a scripted server."""

    def __init__(self, sock, log):
        self.socket = sock
        self.file = sock.makefile("rb")
        self.log = log

    def line(self):
        """The client's next line, without its end; b"" when it has gone."""
        line = self.file.readline()
        self.log.append(line)
        return line.rstrip(b"\r\n")

    def say(self, text):
        self.socket.sendall(text if isinstance(text, bytes) else text.encode())

    def start_tls(self, certificate):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate + ".pem", certificate + ".key")
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.file = self.socket.makefile("rb")


class ScriptedServer:
    """Runs handler(connection) in a thread for each client.

    lines holds what all clients have said.
    """

    def __init__(self, handler):
        self.handler = handler
        self.lines = []
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        connection = Connection(sock, self.lines)
        try:
            self.handler(connection)
        except (OSError, EOFError):
            pass
        finally:
            try:
                # a server that ends reads on, or its last words may be lost
                connection.socket.shutdown(socket.SHUT_WR)
                connection.socket.settimeout(2)
                while connection.socket.recv(4096):
                    pass
            except OSError:
                pass
            connection.socket.close()


def arguments(text):
    """The arguments of a command: atoms, quoted strings and parenthesised lists."""
    pattern = rb'"((?:[^"\\]|\\.)*)"|(\((?:[^()"]|"[^"]*"|\([^()]*\))*\))|([^ ()"]+(?:\[[^\]]*\](?:<[^>]*>)?)?)'
    return [re.sub(rb"\\(.)", rb"\1", q) if q or not (p or a) else p or a
            for q, p, a in re.findall(pattern, text)]


class Mail:
    """A message of a MailServer."""

    def __init__(self, uid, data, date="01-Nov-2026 10:00:00 +0000"):
        self.uid, self.data, self.date = uid, data, date


class MailServer(ScriptedServer):
    """A minimal IMAP4rev1 server without any extension.

    mailboxes: {name as it goes over the wire: [Mail]}.  What a real server
    would not say can be said by overriding list_line, fetch_items or command.
    """

    capabilities = "IMAP4rev1 AUTH=PLAIN"
    delimiter = "/"
    uidvalidity = 7

    def __init__(self, mailboxes):
        self.mailboxes = mailboxes
        super().__init__(self.session)

    def list_line(self, name):
        return b'* LIST () "%s" {%d}\r\n%s\r\n' % (self.delimiter.encode(), len(name), name)

    def size(self, mail):
        return len(mail.data)

    def fetch_items(self, mail, wanted):
        """The data items of one FETCH response."""
        items = [b"UID %d" % mail.uid]
        upper = wanted.upper()
        if b"FLAGS" in upper:
            items.append(b"FLAGS ()")
        if b"INTERNALDATE" in upper:
            items.append(b'INTERNALDATE "' + mail.date.encode() + b'"')
        if b"RFC822.SIZE" in upper:
            items.append(b"RFC822.SIZE %d" % self.size(mail))
        if b"ENVELOPE" in upper:
            subject = re.search(rb"(?im)^Subject: ([^\r\n]*)", mail.data)
            text = subject[1] if subject else b""
            items.append(b'ENVELOPE (NIL {%d}\r\n%s ((NIL NIL "a" "example.org")) NIL NIL NIL NIL NIL NIL NIL)'
                         % (len(text), text))
        for section, start, length in re.findall(
                rb"BODY(?:\.PEEK)?\[([^\]]*)\](?:<(\d+)\.(\d+)>)?", wanted, re.I):
            data = self.section(mail, section)
            if start:
                items.append(self.partial(section, data, int(start), int(length)))
            else:
                items.append(b"BODY[%s] {%d}\r\n" % (section, len(data)) + data)
        return items

    def section(self, mail, name):
        """The octets of BODY[name]."""
        if name.upper().startswith(b"HEADER"):
            return mail.data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        return mail.data

    def partial(self, name, data, start, length):
        """The data item for some octets of a section."""
        data = data[start:start + length]
        return b"BODY[%s]<%d> {%d}\r\n" % (name, start, len(data)) + data

    def session(self, c):
        c.say(f"* OK [CAPABILITY {self.capabilities}] ready\r\n")
        c.selected = None
        while line := c.line():
            tag, _, rest = line.partition(b" ")
            verb, _, rest = rest.partition(b" ")
            verb = verb.upper()
            if verb == b"UID":
                more, _, rest = rest.partition(b" ")
                verb = b"UID " + more.upper()
            # literals of the client: all are short here
            while match := re.search(rb"\{(\d+)(\+?)\}$", rest):
                if not match[2]:
                    c.say("+ go on\r\n")
                literal = c.file.read(int(match[1]))
                rest = (rest[:match.start()] + b'"' + re.sub(rb'(["\\])', rb"\\\1", literal) + b'"'
                        + c.file.readline().rstrip(b"\r\n"))
            if self.command(c, tag, verb, rest) is False:
                return

    def command(self, c, tag, verb, rest):
        """Answers one command; False ends the connection."""
        ok = tag + b" OK done\r\n"
        if verb == b"LOGOUT":
            c.say(b"* BYE\r\n" + ok)
            return False
        if verb == b"CAPABILITY":
            c.say(f"* CAPABILITY {self.capabilities}\r\n".encode() + ok)
        elif verb == b"AUTHENTICATE":
            if len(rest.split()) < 2:
                c.say("+ \r\n")
                c.line()
            c.say(ok)
        elif verb == b"LIST":
            names = arguments(rest)
            if names and names[-1] == b"":
                c.say(b'* LIST (\\Noselect) "%s" ""\r\n' % self.delimiter.encode() + ok)
            else:
                c.say(b"".join(map(self.list_line, self.mailboxes)) + ok)
        elif verb in (b"SELECT", b"EXAMINE"):
            name = arguments(rest)[0]
            if name not in self.mailboxes:
                c.selected = None
                c.say(tag + b" NO no such mailbox\r\n")
            else:
                c.selected = self.mailboxes[name]
                c.say(b"* FLAGS (\\Seen)\r\n* %d EXISTS\r\n* 0 RECENT\r\n"
                      b"* OK [UIDVALIDITY %d] ok\r\n* OK [UIDNEXT 9999] ok\r\n%s OK [READ-ONLY] done\r\n"
                      % (len(c.selected), self.uidvalidity, tag))
        elif verb == b"STATUS":
            name = arguments(rest)[0]
            mails = self.mailboxes.get(name)
            if mails is None:
                c.say(tag + b" NO no such mailbox\r\n")
            else:
                values = {b"MESSAGES": len(mails), b"UIDNEXT": 9999, b"UNSEEN": len(mails),
                          b"UIDVALIDITY": self.uidvalidity, b"RECENT": 0}
                asked = [w for w in arguments(rest)[-1].strip(b"()").upper().split() if w in values]
                c.say(b"* STATUS {%d}\r\n%s (%s)\r\n" % (
                    len(name), name, b" ".join(b"%s %d" % (w, values[w]) for w in asked)) + ok)
        elif verb in (b"UID FETCH", b"FETCH") and c.selected is not None:
            numbers, _, wanted = rest.partition(b" ")
            for position, mail in enumerate(c.selected, 1):
                number = mail.uid if verb == b"UID FETCH" else position
                top = max(m.uid for m in c.selected) if verb == b"UID FETCH" else len(c.selected)
                if in_set(numbers.decode(), number, top):
                    c.say(b"* %d FETCH (" % position + b" ".join(self.fetch_items(mail, wanted)) + b")\r\n")
            c.say(ok)
        elif verb in (b"UID SEARCH", b"SEARCH") and c.selected is not None:
            c.say(b"* SEARCH" + b"".join(b" %d" % m.uid for m in c.selected) + b"\r\n" + ok)
        elif verb in (b"LOGIN", b"NOOP", b"CHECK"):
            c.say(ok)
        else:
            c.say(tag + b" BAD unknown command\r\n")
        return True


def in_set(text, number, top):
    """Whether a sequence set holds NUMBER, where * means TOP."""
    for part in text.split(","):
        first, _, last = part.partition(":")
        a = top if first == "*" else int(first)
        b = a if not last else top if last == "*" else int(last)
        if min(a, b) <= number <= max(a, b):
            return True
    return False


def string(octets):
    """Octets as a string of IMAP, or NIL."""
    if octets is None:
        return b"NIL"
    octets = octets if isinstance(octets, bytes) else octets.encode("utf-8", "surrogateescape")
    if re.fullmatch(rb"[ !#-\[\]-~]{0,200}", octets):
        return b'"' + octets + b'"'
    return b"{%d}\r\n" % len(octets) + octets


class Entity:
    """A message or a part of one, in the octets in which it was written."""

    def __init__(self, octets, default="text/plain"):
        self.header, blank, self.body = octets.partition(b"\r\n\r\n")
        self.header += blank
        if octets.startswith(b"\r\n"):
            self.header, self.body = b"\r\n", octets[2:]
        self.fields = email.message_from_bytes(self.header)
        self.fields.set_default_type(default)
        self.type = self.fields.get_content_type()
        self.children = []
        if self.type.startswith("multipart/"):
            inner = "message/rfc822" if self.type == "multipart/digest" else "text/plain"
            self.children = [Entity(octets, inner) for octets in self._split()]
        self.inner = Entity(self.body) if self.type == "message/rfc822" else None

    def _split(self):
        delimiter = b"\r\n--" + self.fields.get_boundary().encode()
        pieces = (b"\r\n" + self.body).split(delimiter)
        return [piece.partition(b"\r\n")[2] for piece in pieces[1:] if not piece.startswith(b"--")]

    def find(self, numbers):
        """The part with these numbers, inside of this message."""
        if not numbers:
            return self
        child = self.children[numbers[0] - 1] if self.children else self
        if not numbers[1:] or child is self:
            return child
        return (child.inner or child).find(numbers[1:])

    def structure(self, octets, barren=False):
        """As BODYSTRUCTURE tells it (RFC 9051, 7.5.2).

        octets(part) is how many a leaf has; barren: without the children, which some servers forget.
        """
        if self.children:
            children = b"" if barren else b"".join(child.structure(octets) for child in self.children) + b" "
            return (b"(" + children + string(self.type.partition("/")[2].upper())
                    + b" " + self._list(self.fields.get_params(), self.fields.get_boundary()) + b" NIL NIL NIL)")
        kind, _, subtype = self.type.upper().partition("/")
        words = [string(kind), string(subtype), self._list(self.fields.get_params()),
                 string(self.fields["Content-ID"]), b"NIL",
                 string(self.fields.get("Content-Transfer-Encoding", "7BIT")), b"%d" % octets(self)]
        if self.inner is not None:
            subject = string(self.inner.fields["Subject"])
            words += [b"(NIL " + subject + b" NIL NIL NIL NIL NIL NIL NIL NIL)", self.inner.structure(octets)]
        if self.inner is not None or kind == "TEXT":
            words.append(b"%d" % self.body.count(b"\n"))
        disposition = self.fields.get_params(header="Content-Disposition")
        words += [b"NIL", b"(" + string(disposition[0][0]) + b" " + self._list(disposition) + b")"
                  if disposition else b"NIL", b"NIL", b"NIL"]
        return b"(" + b" ".join(words) + b")"

    @staticmethod
    def _list(parameters, boundary=None):
        """Parameters, of which the first is the value itself; raw, as servers pass them on."""
        pairs = [(name, value) for name, value in (parameters or [])[1:]
                 if isinstance(value, str) and (boundary is None or name.lower() == "boundary")]
        if not pairs:
            return b"NIL"
        return b"(" + b" ".join(string(name.upper()) + b" " + string(value) for name, value in pairs) + b")"


class PartServer(MailServer):
    """One that also knows parts.  found: the UIDs that any search finds, but for those sync asks for."""

    found = ()

    def entity(self, mail):
        if not hasattr(mail, "entity"):
            mail.entity = Entity(mail.data)
        return mail.entity

    def octets(self, part):
        """How many octets a part is said to have."""
        return len(part.body)

    def structure(self, mail):
        return self.entity(mail).structure(self.octets)

    def fetch_items(self, mail, wanted):
        items = super().fetch_items(mail, wanted)
        if b"BODYSTRUCTURE" in wanted.upper():
            items.append(b"BODYSTRUCTURE " + self.structure(mail))
        return items

    def section(self, mail, name):
        match = re.fullmatch(rb"((?:\d+\.?)*)(HEADER.*|TEXT|MIME)?", name.upper())
        numbers = [int(number) for number in match[1].split(b".") if number]
        if not numbers and match[2] is None:
            return mail.data
        part = self.entity(mail).find(numbers)
        message = part.inner or part
        if match[2] is None:
            return part.body
        if match[2] == b"MIME":
            return part.header
        if match[2] == b"TEXT":
            return message.body
        names = re.search(rb"\((.*)\)", match[2])
        if names is None:
            return message.header
        names = [name.strip(b'"') for name in names[1].split()]
        fields = re.findall(rb"(?m)^[^\s:]+:[^\r]*\r\n(?:[ \t][^\r]*\r\n)*", message.header)
        return b"".join(field for field in fields if field.partition(b":")[0].upper() in names) + b"\r\n"

    def search(self, tag, criteria):
        """The untagged response to a search."""
        uids = b"".join(b" %d" % uid for uid in self.found)
        return b"* SEARCH" + uids + b"\r\n"

    def command(self, c, tag, verb, rest):
        if verb == b"UID SEARCH" and c.selected is not None and not re.search(rb"^(RETURN \([^)]*\) )?(UID|ALL)\b",
                                                                              rest):
            c.say(self.search(tag, rest) + tag + b" OK done\r\n")
            return True
        return super().command(c, tag, verb, rest)
