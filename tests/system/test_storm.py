# SPDX-License-Identifier: GPL-3.0-or-later
"""Many changes under many programs; and none at all under nobody."""

import os
import subprocess
import sys
import time

import rawimap
from harness import DovecotCase, eventually, message, messages, note, slow

STAY = 500      # messages that are there all the time
ROUNDS = 20     # of as many that come and go again
WORKERS = 32

# Lists, asks for attributes, or reads, until told to end; what is wrong goes to stderr.
WORKER = """
import ctypes, os, random, select, struct, sys
kind, path, stay = sys.argv[1], sys.argv[2], int(sys.argv[3])
libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(1024)

def names():
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        while (n := libc.getdents64(fd, buffer, len(buffer))) > 0:
            at = 0
            while at < n:
                length, = struct.unpack_from("H", buffer, at + 16)
                yield buffer.raw[at + 19:at + length].partition(b"\\0")[0].decode()
                at += length
        if n < 0:
            raise OSError(ctypes.get_errno(), "getdents64")
    finally:
        os.close(fd)

def one():
    if kind == "list":
        seen = list(names())
        if len(set(seen)) != len(seen):
            sys.exit("listed twice: %s" % sorted(name for name in set(seen) if seen.count(name) > 1))
        missing = {f"{uid}.eml" for uid in range(1, stay + 1)} - set(seen)
        if missing:
            sys.exit(f"not listed: {sorted(missing)}")
        return
    uid = random.randint(1, stay)
    if kind == "stat":
        os.stat(f"{path}/{uid}.eml")
    else:
        with open(f"{path}/{uid}.eml", "rb") as file:
            if b"Subject: number %d\\r\\n" % uid not in file.read():
                sys.exit(f"UID {uid} is another message")

count = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    one()
    count += 1
print(count)
"""


class Storm(DovecotCase):
    """32 programs work in a mailbox while 10,000 messages come, and go again."""

    def test_storm(self):
        box = self.fresh()
        self.deliver(box, *(message(f"number {uid}") for uid in range(1, STAY + 1)))
        mounted = self.mount(self.dovecot, names="uid")
        path = mounted / box
        self.assertEqual(len(os.listdir(path)), STAY)
        workers = [(kind, subprocess.Popen([sys.executable, "-c", WORKER, kind, path, str(STAY)], text=True,
                                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
                   for kind in ("list", "stat", "read", "list") * (WORKERS // 4)]
        started = time.monotonic()
        try:
            self.churn(box)
            took = time.monotonic() - started
        finally:
            said = [(kind, *worker.communicate("end\n", timeout=slow(60)), worker.returncode)
                    for kind, worker in workers]
        done = {kind: sum(int(out or 0) for its, out, _, _ in said if its == kind) for kind in ("list", "stat", "read")}
        note(f"{took:.1f} s; done meanwhile: {done}")
        for kind, _, error, status in said:
            self.assertEqual((status, error), (0, ""), kind)
        self.assertGreater(min(done.values()), WORKERS // 2)
        self.assertTrue(eventually(lambda: sorted(messages(path)) == list(range(1, STAY + 1)), slow(10)),
                        "what has gone is still listed")

    def churn(self, box):
        with self.dovecot.client() as client:
            client.select(box)
            for turn in range(ROUNDS):
                first = STAY * (turn + 1) + 1
                client.command(b"UID COPY 1:%d " % STAY + rawimap.mailbox(box))
                client.command(rf"UID STORE {first}:{first + STAY - 1} +FLAGS.SILENT (\Deleted)")
                client.command(f"UID EXPUNGE {first}:{first + STAY - 1}")


class StormWithoutQresync(Storm):
    """Each EXPUNGE is told by number."""
    long = True
    knobs = {"DOVECOT_CAPABILITY": "IMAP4rev1 SASL-IR LITERAL+ IDLE UIDPLUS CONDSTORE ENABLE NAMESPACE CHILDREN"}


class Idle(DovecotCase):
    """Nobody does anything, for five minutes."""
    long = True
    patience = 600

    @staticmethod
    def wakes(pid):
        """How often any of its threads has gone to sleep."""
        total = 0
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/status", encoding="ascii") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("voluntary_ctxt"))
        return total

    def test_idle(self):
        box = self.fresh()
        self.deliver(box, *(message(f"number {i}") for i in range(100)))
        mounted = self.mount(self.dovecot)
        for name in ("INBOX", box):
            os.listdir(mounted / name)
        time.sleep(20)      # what is saved and tidied when it is quiet
        before, status = self.wakes(mounted.pid), mounted.status()
        time.sleep(2)
        status_costs = self.wakes(mounted.pid) - before
        before = self.wakes(mounted.pid)
        time.sleep(300)
        woken = self.wakes(mounted.pid) - before
        commands = int(mounted.status()["commands"]) - int(status["commands"])
        note(f"woken {woken} times in five minutes (a look at the status: {status_costs}); {commands} commands")
        # a timer each minute, and what it may ask
        self.assertLessEqual(commands, 10)
        self.assertLessEqual(woken, 60)
