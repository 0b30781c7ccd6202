# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading much, reading little, reading by many at once."""

import os
import random
import subprocess
import tempfile
import time
import unittest

import harness
import rawimap
from harness import Config, Dovecot, DovecotCase, digest, message, messages, note, read, slow, uid_of
from proxy import Proxy

CORPUS_SCRIPT = os.path.join(harness.TESTS, "mail", "corpus")


class Corpus(harness.Case):
    """Thousands of real messages, through the programs people use."""

    @classmethod
    def setUpClass(cls):
        if not Config.corpus:
            raise unittest.SkipTest("without the corpus")
        directory = subprocess.run([CORPUS_SCRIPT], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        # Dovecot otherwise stores LF, and loses the first CR of a CR CR LF
        cls.dovecot = Dovecot(DOVECOT_EXTRA="mail_save_crlf = yes")
        cls.addClassCleanup(cls.dovecot.remove)
        cls.dovecot.load("Corpus", directory)
        cls.expected = {}
        for uid, name in enumerate(sorted(os.listdir(directory)), 1):
            with open(os.path.join(directory, name), "rb") as file:
                cls.expected[uid] = digest(rawimap.crlf(file.read()))
        assert len(cls.expected) == 6046

    def setUp(self):
        super().setUp()
        self.mounted = self.mount(self.dovecot)
        self.started = time.monotonic()

    def check(self, directory):
        """The directory holds every message, unchanged."""
        note(f"{time.monotonic() - self.started:.1f} s")
        paths = messages(directory)
        self.assertEqual(set(paths), set(self.expected))
        wrong = []
        for uid, path in paths.items():
            with open(path, "rb") as file:
                if digest(file.read()) != self.expected[uid]:
                    wrong.append(path)
        self.assertEqual(wrong, [])

    def run_tool(self, *command):
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=170)
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def copy(self):
        directory = tempfile.mkdtemp(dir=self.directory)
        return directory

    def test_cat(self):
        target = self.copy()
        # one cat for each, as a shell loop would do it
        self.run_tool("bash", "-c", 'cd "$1" && for m in *.eml; do cat "$m" >"$2/$m" || exit 1; done', "-",
                      self.mounted / "Corpus", target)
        self.check(target)

    def test_cp(self):
        target = self.copy()
        self.run_tool("cp", "-r", self.mounted / "Corpus", target)
        self.check(target + "/Corpus")

    def test_tar(self):
        target = self.copy()
        self.run_tool("bash", "-o", "pipefail", "-c", 'tar -C "$1" -cf - Corpus | tar -C "$2" -xf -', "-",
                      self.mounted.path, target)
        self.check(target + "/Corpus")

    def test_rsync(self):
        target = self.copy()
        self.run_tool("rsync", "-a", self.mounted / "Corpus", target)
        self.check(target + "/Corpus")
        # nothing has changed, so there is nothing to do
        done = subprocess.run(["rsync", "-ai", self.mounted / "Corpus", target], capture_output=True, timeout=120)
        self.assertEqual(done.stdout, b"")

    def test_no_flag_changed(self):
        with self.dovecot.client() as client:
            client.select("Corpus", readonly=True)
            self.assertEqual({f for flags in client.flags().values() for f in flags} - {r"\Recent"}, set())


class Economy(DovecotCase):
    """What was not asked for is not downloaded."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # noise, so that compression cannot make it look small
        noise = random.Random(1).randbytes(30 << 20)
        lines = noise.translate(bytes(33 + b % 94 for b in range(256)))
        body = b"\r\n".join(lines[at:at + 76] for at in range(0, len(lines), 76))
        cls.big = b"From: a@example.org\r\nSubject: big\r\n\r\n" + body + b"\r\n"
        cls.dovecot_client = cls.dovecot.client()
        cls.addClassCleanup(cls.dovecot_client.close)
        cls.dovecot_client.append("INBOX", [(cls.big, (), None)])

    def setUp(self):
        super().setUp()
        self.proxy = Proxy(self.dovecot.port)
        self.addCleanup(self.proxy.close)
        self.mounted = self.mount(self.dovecot, "plain", port=self.proxy.port)

    def cost(self, command):
        before = self.proxy.up + self.proxy.down
        done = subprocess.run(command, stdout=subprocess.PIPE, timeout=slow(60), check=True)
        time.sleep(1)   # read-ahead, if any, counts too
        octets = self.proxy.up + self.proxy.down - before
        note(f"{' '.join(command[:3])}: {octets} octets")
        return done.stdout, octets

    def test_listing(self):
        _, octets = self.cost(["ls", "-l", self.mounted / "INBOX"])
        self.assertLess(octets, 100_000)

    def test_head(self):
        (path,) = messages(self.mounted / "INBOX").values()
        output, octets = self.cost(["head", "-c", "1000", path])
        self.assertEqual(output, self.big[:1000])
        self.assertLessEqual(octets, 1.3 * (1 << 20))

    def test_tail(self):
        (path,) = messages(self.mounted / "INBOX").values()
        output, octets = self.cost(["tail", "-c", "1000", path])
        self.assertEqual(output, self.big[-1000:])
        self.assertLessEqual(octets, 1.3 * (1 << 20))

    def test_whole(self):
        (path,) = messages(self.mounted / "INBOX").values()
        output, octets = self.cost(["cat", path])
        self.assertEqual(digest(output), digest(self.big))
        self.assertLess(octets, 1.1 * len(self.big))

    def test_whole_by_memory_map(self):
        (path,) = messages(self.mounted / "INBOX").values()
        program = ("import hashlib, mmap, sys; f = open(sys.argv[1], 'rb')\n"
                   "print(hashlib.sha256(mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)).hexdigest())")
        output, _ = self.cost(["python3", "-c", program, path])
        self.assertEqual(output.decode().strip(), digest(self.big))

    def test_second_reading_is_free(self):
        (path,) = messages(self.mounted / "INBOX").values()
        self.cost(["head", "-c", "200000", path])
        _, octets = self.cost(["head", "-c", "200000", path])
        self.assertLess(octets, 10_000)


class Together(DovecotCase):
    samples = ("INBOX", "Lists", "Archive/2025", "Entwürfe", "Odd")

    def test_greps_and_listings(self):
        """Several programs walk over the whole mount at the same time."""
        mount = self.mount(self.dovecot)
        grep = ["grep", "-rac", "kettle", mount.path]
        listing = ["ls", "-lR", mount.path]
        running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                   for command in (grep, listing, grep, listing)]
        outputs = []
        for process in running:
            output, errors = process.communicate(timeout=slow(60))
            self.assertEqual(errors, b"")
            outputs.append(output)
        self.assertEqual(sorted(outputs[0].splitlines()), sorted(outputs[2].splitlines()))
        self.assertEqual(outputs[1].count(b".eml"), outputs[3].count(b".eml"))
        counted = {}
        for line in outputs[0].decode().splitlines():
            path, _, number = line.rpartition(":")
            counted[os.path.relpath(os.path.dirname(path), mount.path), uid_of(path)] = int(number)
        with self.dovecot.client() as client:
            for mailbox in self.samples:
                client.select(mailbox, readonly=True)
                for uid, body in client.bodies().items():
                    expected = sum(b"kettle" in line for line in body.split(b"\n"))
                    self.assertEqual(counted.pop((mailbox, uid)), expected, (mailbox, uid))
        self.assertEqual(counted, {})

    def test_many_readers_of_one_file(self):
        mount = self.mount(self.dovecot)
        paths = messages(mount / "INBOX")
        biggest = max(paths.values(), key=lambda path: os.stat(path).st_size)
        running = [subprocess.Popen(["sha256sum", biggest], stdout=subprocess.PIPE) for _ in range(16)]
        sums = {process.communicate(timeout=slow(60))[0] for process in running}
        self.assertEqual(len(sums), 1)

    def test_many_readers_of_many_files(self):
        mount = self.mount(self.dovecot, connections=2)
        with self.dovecot.client() as client:
            client.select("Odd", readonly=True)
            bodies = client.bodies()
        paths = messages(mount / "Odd")
        running = {uid: subprocess.Popen(["sha256sum", path], stdout=subprocess.PIPE) for uid, path in paths.items()}
        for uid, process in running.items():
            self.assertEqual(process.communicate(timeout=slow(60))[0].lstrip(b"\\")[:64].decode(), digest(bodies[uid]))


class Formats(harness.Case):
    """Servers that differ in what they can do."""

    def check(self, **knobs):
        dovecot = Dovecot(**knobs)
        self.addCleanup(dovecot.remove)
        bodies = [message(f"number {n}", "line\n" * n * 50) for n in range(20)]
        with dovecot.client() as client:
            client.append("INBOX", [(body, (), None) for body in bodies])
        mount = self.mount(dovecot)
        paths = messages(mount / "INBOX")
        self.assertEqual([read(paths[uid]) for uid in sorted(paths)], bodies)

    def test_sdbox(self):
        self.check(DOVECOT_FORMAT="sdbox")

    def test_mdbox(self):
        self.check(DOVECOT_FORMAT="mdbox")

    def test_without_compression(self):
        self.check(DOVECOT_COMPRESS="no")

    def test_few_extensions(self):
        for capabilities in ("IMAP4rev1", "IMAP4rev1 IDLE", "IMAP4rev1 LITERAL+ CHILDREN NAMESPACE QUOTA IDLE",
                             "IMAP4rev1 NAMESPACE ID UIDPLUS CONDSTORE", "IMAP4rev1 CONDSTORE QRESYNC ENABLE IDLE"):
            with self.subTest(capabilities):
                self.check(DOVECOT_CAPABILITY=capabilities)
