#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A TCP proxy on loopback that plays a long link, and counts what passes.

    lagproxy.py --rtt 0.1 [--mbit 20] [--count FILE] TARGET_PORT

Prints PORT=number when it listens. Each direction is delayed by half the round
trip; what is sent together arrives together, however much it is, unless --mbit
caps the rate of each direction. The connections share that, as they share a
link. With --window a connection has no more under way than TCP lets it have on a
link that loses nothing. A connection costs the round trips of a TCP handshake:
the proxy accepts at once, so it waits before it connects to the target.

--count FILE keeps one line in FILE up to date at every octet:
up OCTETS down OCTETS connections NUMBER
"""

import argparse
import asyncio
import collections
import mmap
import socket

CHUNK = 256 * 1024
CAPPED_CHUNK = 8 * 1024  # so that a slow link drips and does not gush
IN_FLIGHT = 64 * 1024 * 1024  # bounds memory; 0.64 GB/s at 100 ms each way
QUEUE = 64 * 1024  # what a capped link holds beside what is on the way
SEGMENT = 1448
WINDOW_FIRST = 10 * SEGMENT  # RFC 6928
WINDOW_LAST = 3 * 1024 * 1024  # what Linux lets a receiver offer unless told otherwise


class Counter:
    """Three numbers, in a mapped file so that a reader is never late."""

    FORMAT = "up %020d down %020d connections %010d\n"

    def __init__(self, path):
        self.up = self.down = self.connections = 0
        self.map = None
        if path:
            with open(path, "w+b") as file:
                file.write((self.FORMAT % (0, 0, 0)).encode())
                file.flush()
                self.map = mmap.mmap(file.fileno(), 0)

    def add(self, up=0, down=0, connections=0):
        self.up += up
        self.down += down
        self.connections += connections
        if self.map:
            self.map[:] = (self.FORMAT % (self.up, self.down, self.connections)).encode()


class Link:
    """One direction of the way, for all connections: octets/s, 0 for no cap."""

    def __init__(self, rate, delay):
        self.rate, self.delay = rate, delay
        self.chunk = CAPPED_CHUNK if rate else CHUNK
        # A connection has no more than two delays' worth under way, or a second
        # one would wait for seconds behind the first.
        self.room = int(2 * delay * rate) + QUEUE if rate else IN_FLIGHT
        self.free = 0.0  # when it is idle again

    def arrival(self, now, octets):
        """When so many that are sent now have arrived."""
        if self.rate:
            now = self.free = max(self.free, now) + octets / self.rate
        return now + self.delay


class Window:
    """What one connection may have under way: twice as much after each round trip.

    After a pause it begins anew (RFC 5681, 3.1 and 4.1).
    """

    def __init__(self, pause):
        self.pause = pause
        self.size = WINDOW_FIRST
        self.under_way = 0
        self.sent = collections.deque()  # (when that is known to have arrived, octets)
        self.heard = 0.0

    async def room(self):
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            while self.sent and self.sent[0][0] <= now:
                self.heard, octets = self.sent.popleft()
                self.under_way -= octets
                self.size = min(self.size + octets, WINDOW_LAST)
            if not self.sent and now - self.heard > self.pause:
                self.size = WINDOW_FIRST
            if self.under_way < self.size:
                return self.size - self.under_way
            await asyncio.sleep(self.sent[0][0] - now)

    def add(self, heard, octets):
        self.sent.append((heard, octets))
        self.under_way += octets


class Direction:
    """Moves octets of one connection over a link, from a reader to a writer."""

    def __init__(self, reader, writer, link, window, count):
        self.reader, self.writer = reader, writer
        self.link, self.window, self.count = link, window, count
        self.queue = collections.deque()  # (due, octets); b"" is the end
        self.queued = 0
        self.changed = asyncio.Event()
        self.room = asyncio.Event()

    async def receive(self):
        loop = asyncio.get_running_loop()
        octets = b"-"
        while octets:
            try:
                octets = await self.reader.read(self.link.chunk)
            except OSError:
                octets = b""
            self.count(len(octets))
            rest = octets
            while rest and self.window:
                room = await self.window.room()
                self.put(loop.time(), rest[:room])
                rest = rest[room:]
            if rest or not octets:
                self.put(loop.time(), rest)
            while self.queued > self.link.room:
                self.room.clear()
                await self.room.wait()

    def put(self, now, octets):
        due = self.link.arrival(now, len(octets))
        if self.window:
            self.window.add(due + self.link.delay, len(octets))
        self.queue.append((due, octets))
        self.queued += len(octets)
        self.changed.set()

    async def send(self):
        loop = asyncio.get_running_loop()
        while True:
            while not self.queue:
                self.changed.clear()
                await self.changed.wait()
            due, octets = self.queue.popleft()
            wait = due - loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            self.queued -= len(octets)
            self.room.set()
            try:
                if not octets:
                    if self.writer.can_write_eof():
                        self.writer.write_eof()
                    return
                self.writer.write(octets)
                await self.writer.drain()
            except OSError:
                return

    async def run(self):
        receiving = asyncio.create_task(self.receive())
        try:
            await self.send()
            await receiving
        finally:
            receiving.cancel()


def no_delay(writer):
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


async def relay(reader, writer, args, links, counter):
    counter.add(connections=1)
    far_writer = None
    try:
        # SYN, SYN+ACK, ACK: the server sees the connection after 1.5 round trips.
        await asyncio.sleep(1.5 * args.rtt)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", args.target, limit=CHUNK)
        no_delay(writer)
        no_delay(far_writer)
        windows = [Window(args.rtt + 0.2) if args.window else None for _ in links]
        up = Direction(reader, far_writer, links[0], windows[0], lambda n: counter.add(up=n))
        down = Direction(far_reader, writer, links[1], windows[1], lambda n: counter.add(down=n))
        await asyncio.gather(up.run(), down.run())
    except OSError:
        pass
    finally:
        for end in (writer, far_writer):
            if end:
                end.close()


async def serve(args):
    counter = Counter(args.count)
    links = [Link(args.mbit * 1e6 / 8, args.rtt / 2) for _ in ("up", "down")]
    server = await asyncio.start_server(lambda r, w: relay(r, w, args, links, counter), "127.0.0.1", args.port,
                                        limit=CHUNK)
    print(f"PORT={server.sockets[0].getsockname()[1]}", flush=True)
    async with server:
        await server.serve_forever()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", type=int, metavar="TARGET_PORT")
    parser.add_argument("--port", type=int, default=0, help="where to listen (default: any free port)")
    parser.add_argument("--rtt", type=float, default=0.0, help="round trip in seconds")
    parser.add_argument("--mbit", type=float, default=0.0, help="cap of each direction in Mbit/s (default: none)")
    parser.add_argument("--window", action="store_true", help="with TCP's slow start, and its window of 3 MiB")
    parser.add_argument("--count", metavar="FILE", help="where to keep the octet counts")
    try:
        asyncio.run(serve(parser.parse_args()))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
