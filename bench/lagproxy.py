#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A TCP proxy on loopback that plays a long link, and counts what passes.

    lagproxy.py --rtt 0.1 [--mbit 20] [--count FILE] TARGET_PORT

Prints PORT=number when it listens. Each direction is delayed by half the round
trip; what is sent together arrives together, however much it is, unless --mbit
caps the rate (of each direction and connection). A connection costs the round
trips of a TCP handshake: the proxy accepts at once, so it waits before it
connects to the target.

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


class Direction:
    """Moves octets from a reader to a writer, `delay` seconds late."""

    def __init__(self, reader, writer, delay, rate, count):
        self.reader, self.writer = reader, writer
        self.delay, self.rate, self.count = delay, rate, count
        self.queue = collections.deque()  # (due, octets); b"" is the end
        self.queued = 0
        self.changed = asyncio.Event()
        self.room = asyncio.Event()

    async def receive(self):
        loop = asyncio.get_running_loop()
        free = 0.0  # when the capped link is idle again
        octets = b"-"
        while octets:
            try:
                octets = await self.reader.read(CAPPED_CHUNK if self.rate else CHUNK)
            except OSError:
                octets = b""
            self.count(len(octets))
            due = loop.time()
            if self.rate:
                due = free = max(free, due) + len(octets) / self.rate
            self.queue.append((due + self.delay, octets))
            self.queued += len(octets)
            self.changed.set()
            while self.queued > IN_FLIGHT:
                self.room.clear()
                await self.room.wait()

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


async def relay(reader, writer, args, counter):
    counter.add(connections=1)
    far_writer = None
    try:
        # SYN, SYN+ACK, ACK: the server sees the connection after 1.5 round trips.
        await asyncio.sleep(1.5 * args.rtt)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", args.target, limit=CHUNK)
        no_delay(writer)
        no_delay(far_writer)
        rate = args.mbit * 1e6 / 8
        up = Direction(reader, far_writer, args.rtt / 2, rate, lambda n: counter.add(up=n))
        down = Direction(far_reader, writer, args.rtt / 2, rate, lambda n: counter.add(down=n))
        await asyncio.gather(up.run(), down.run())
    except OSError:
        pass
    finally:
        for end in (writer, far_writer):
            if end:
                end.close()


async def serve(args):
    counter = Counter(args.count)
    server = await asyncio.start_server(lambda r, w: relay(r, w, args, counter), "127.0.0.1", args.port, limit=CHUNK)
    print(f"PORT={server.sockets[0].getsockname()[1]}", flush=True)
    async with server:
        await server.serve_forever()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", type=int, metavar="TARGET_PORT")
    parser.add_argument("--port", type=int, default=0, help="where to listen (default: any free port)")
    parser.add_argument("--rtt", type=float, default=0.0, help="round trip in seconds")
    parser.add_argument("--mbit", type=float, default=0.0, help="cap in Mbit/s (default: none)")
    parser.add_argument("--count", metavar="FILE", help="where to keep the octet counts")
    try:
        asyncio.run(serve(parser.parse_args()))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
