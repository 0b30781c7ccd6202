# SPDX-License-Identifier: GPL-3.0-or-later
"""A TCP proxy on the loopback interface that counts, stalls and cuts."""

import socket
import threading


class Proxy:
    """Forwards to PORT of this host.  up and down count octets to and from it.

    frozen: nothing passes any more, as with a pulled cable; nothing is lost.
    cut_after(n): once n more octets came down, every connection ends.
    refusing: new connections are closed at once.
    """

    def __init__(self, port):
        self.target = port
        self.up = self.down = 0
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
            with self.lock:
                self.pairs.append((client, server))
            for source, sink, down in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pump, args=(source, sink, down), daemon=True).start()

    def _pump(self, source, sink, down):
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
                sink.sendall(data)
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
