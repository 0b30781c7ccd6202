#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a warm listing or search costs through FUSE, against tmpfs.

  bench/warm.py list|grep [-n FILES] [-s SIZE] [-r ROUNDS] MEMFS

Mounts MEMFS (bench/memfs.c) in each of its ways of answering, fills a directory
on /dev/shm with the same files, and runs `ls -l` or `grep -r` over each in turn,
pinned to one processor.  Medians, after one round that warms the caches.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import time

WAYS = {"list": ("", "-a", "-p", "-x"), "grep": ("-p", "-po")}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=WAYS)
    parser.add_argument("-n", type=int, default=100000)
    parser.add_argument("-s", type=int, default=4096)
    parser.add_argument("-r", type=int, default=7)
    parser.add_argument("memfs")
    chosen = parser.parse_args()
    command = ["ls", "-l"] if chosen.what == "list" else ["grep", "-r", "no such word"]
    places, mounts = {}, []
    shm = tempfile.mkdtemp(prefix="warm.", dir="/dev/shm")
    try:
        for way in WAYS[chosen.what]:
            path = tempfile.mkdtemp(prefix="warm.")
            options = ["-c", "-n", str(chosen.n), "-s", str(chosen.s), *([way] if way else [])]
            subprocess.run([chosen.memfs, *options, path], check=True)
            mounts.append(path)
            places["memfs " + way] = path
        places["tmpfs"] = shm
        content = (b"The quick brown fox jumps over the lazy dog and looks back at it.\r\n"
                   * (chosen.s // 67 + 1))[:chosen.s]
        for number, name in enumerate(sorted(os.listdir(mounts[0]))):
            with open(os.path.join(shm, name), "wb") as file:
                file.write(content)
            os.utime(os.path.join(shm, name), (1735689600 + number * 613,) * 2)
        times = {name: [] for name in places}
        for turn in range(chosen.r + 1):
            for name, path in places.items():
                started = time.monotonic()
                subprocess.run(["taskset", "-c", "0", *command, path], stdout=subprocess.DEVNULL)
                if turn > 0:
                    times[name].append(time.monotonic() - started)
        base = statistics.median(times["tmpfs"])
        for name, path in places.items():
            try:
                counts = os.getxattr(path, "user.counts").decode().rstrip("\0") if path in mounts else ""
            except OSError:
                counts = "?"
            middle = statistics.median(times[name])
            print(f"{name:10} {middle * 1000:8.0f} ms  {middle / base:5.2f}  {counts}")
    finally:
        for path in mounts:
            subprocess.run(["fusermount3", "-uz", path])
            os.rmdir(path)
        shutil.rmtree(shm)


if __name__ == "__main__":
    main()
