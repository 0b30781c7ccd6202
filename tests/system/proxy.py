# SPDX-License-Identifier: GPL-3.0-or-later
"""A TCP proxy on the loopback interface that counts, stalls, cuts and conceals."""

import re
import socket
import threading


class Conversation:
    """What passes on one connection without TLS, as IMAP; octets in, octets out."""

    LITERAL = re.compile(rb"\{(\d+)\+?\}\r\n$")
    CAPABILITIES = re.compile(rb"(?i)^(\* CAPABILITY |\S+ OK \[CAPABILITY )([^\]\r\n]*)")

    def __init__(self, proxy):
        self.proxy = proxy
        self.rest = {False: b"", True: b""}     # of a line that is not whole yet
        self.literal = {False: 0, True: 0}      # octets of it still to come
        self.login = None                       # the tag of that command
        self.inside = False                     # it was accepted

    def pass_on(self, data, down):
        """What is to be sent on of this."""
        out, data = [], self.rest[down] + data
        while data:
            if self.literal[down]:
                piece = data[:self.literal[down]]
                self.literal[down] -= len(piece)
            else:
                end = data.find(b"\n") + 1
                if not end:
                    break
                piece = data[:end]
                literal = self.LITERAL.search(piece)
                self.literal[down] = int(literal[1]) if literal else 0
                data = data[end:]
                out.append(self._line(piece, down))
                continue
            data = data[len(piece):]
            self._count(len(piece), down)
            out.append(piece)
        self.rest[down] = data
        return b"".join(out)

    def _count(self, octets, down):
        if self.inside:
            with self.proxy.lock:
                if down:
                    self.proxy.inside_down += octets
                else:
                    self.proxy.inside_up += octets

    def _line(self, line, down):
        if down:
            line = self.CAPABILITIES.sub(self._conceal, line)
        else:
            words = line.split(None, 2)
            if len(words) > 1 and words[1].upper() in (b"LOGIN", b"AUTHENTICATE"):
                self.login = words[0]
            elif words:
                self.proxy.commands.append(line.decode("latin-1").strip())
        self._count(len(line), down)
        if down and self.login and line.startswith(self.login + b" OK"):
            self.inside, self.login = True, None
        return line

    def _conceal(self, match):
        return match[1] + b" ".join(word for word in match[2].split() if word.decode().upper() not in self.proxy.hide)


class Proxy:
    """Forwards to PORT of this host.  up and down count octets to and from it.

    frozen: nothing passes any more, as with a pulled cable; nothing is lost.
    cut_after(n): once n more octets came down, every connection ends.
    refusing: new connections are closed at once.

    With hide, names of capabilities, the server seems not to have these; nor
    COMPRESS=DEFLATE, so that all can be read: commands has the lines that were
    sent, but for the login, and inside_up and inside_down count IMAP after it.
    """

    def __init__(self, port, hide=None):
        self.target = port
        self.hide = None
        if hide is not None:
            self.conceal(hide)
        self.commands = []
        self.up = self.down = self.inside_up = self.inside_down = 0
        self.accepted = 0
        self.refusing = False
        self.flowing = threading.Event()
        self.flowing.set()
        self.allowance = None
        self.lock = threading.Lock()
        self.pairs = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def inside(self):
        return self.inside_up + self.inside_down

    def conceal(self, names):
        """Hides these from now on."""
        self.hide = {name.upper() for name in names} | {"COMPRESS=DEFLATE"}

    def forget(self):
        """Begins to count anew."""
        with self.lock:
            self.up = self.down = self.inside_up = self.inside_down = self.accepted = 0
            self.commands = []

    def freeze(self):
        self.flowing.clear()

    def thaw(self):
        self.flowing.set()

    def cut_after(self, octets):
        """None: no cut."""
        with self.lock:
            self.allowance = octets

    def cut(self):
        """Ends every connection now."""
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for side in pair:
                try:
                    side.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                side.close()

    def close(self):
        # close() alone would leave the port open while accept() waits
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.thaw()
        self.cut()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            if self.refusing:
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            for side in (client, server):
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.pairs.append((client, server))
            conversation = None if self.hide is None else Conversation(self)
            for source, sink, down in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pump, args=(source, sink, down, conversation), daemon=True).start()

    def _pump(self, source, sink, down, conversation):
        try:
            while data := source.recv(1 << 16):
                self.flowing.wait()
                cut = False
                with self.lock:
                    if down and self.allowance is not None:
                        cut = len(data) >= self.allowance
                        data = data[:self.allowance]
                        self.allowance = None if cut else self.allowance - len(data)
                    if down:
                        self.down += len(data)
                    else:
                        self.up += len(data)
                sink.sendall(conversation.pass_on(data, down) if conversation else data)
                if cut:
                    self.cut()
                    return
            self.flowing.wait()
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            # one side is gone; the other learns it
            for side in (source, sink):
                try:
                    side.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
