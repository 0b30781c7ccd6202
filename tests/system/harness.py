# SPDX-License-Identifier: GPL-3.0-or-later
"""What the system tests share: servers, mounts, and the certainty that both end.

The file system under test may hang, and so may whoever touches it: programs
that read it are run with a time limit, and a mount has a watchdog that kills
its process, which frees whatever waits for it.
"""

import atexit
import contextlib
import errno
import glob
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "mail"))

import rawimap  # noqa: E402  (found through the line above)


class Config:
    """What the command line chose."""
    imapfs = "imapfs"
    sanitized = False   # built with sanitizers: slower, and it writes reports
    corpus = True
    long = False        # more of what is left to chance


def minutes(test):
    """A test that is left out of short runs: another one is like it."""
    return unittest.skipUnless(Config.long, "with --long")(test)


def times(count):
    """How often to try what may fail once in many times."""
    return count * 8 if Config.long else count


def slow(seconds):
    """A limit on time, for the program as it was built."""
    return seconds * 4 if Config.sanitized else seconds


def note(text):
    """A measured value, for whoever reads the log."""
    print(f"    {text}", flush=True)


def eventually(condition, seconds, step=0.05):
    """The first true value of condition() within that time, or the last one."""
    end = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(step)
    return value


def read(path, seconds=60):
    """The bytes of a file, read by cat; OSError(EIO) if it fails."""
    done = subprocess.run(["cat", path], capture_output=True, timeout=slow(seconds))
    if done.returncode != 0:
        raise OSError(errno.EIO, done.stderr.decode(errors="replace"))
    return done.stdout


def digest(data):
    return hashlib.sha256(data).hexdigest()


def uid_of(path):
    """The UID in a message's file name."""
    return int(path[:-len(".eml")].rpartition(".")[2].rpartition("/")[2])


def messages(directory):
    """{uid: path} of the messages a directory lists."""
    return {uid_of(name): os.path.join(directory, name)
            for name in os.listdir(directory) if name.endswith(".eml")}


class Server:
    """A throwaway server; knobs as in its script in tests/servers."""

    script = None
    prefix = ""         # of the names of mailboxes
    UNAVAILABLE = 77    # the script's exit status when it cannot be had

    def __init__(self, **knobs):
        self.directory = tempfile.mkdtemp(prefix=f"imapfs-{os.path.basename(self.script)}.")
        self.environment = dict(os.environ, **knobs)
        self.port = 0
        atexit.register(self.remove)    # also when the run is broken off
        try:
            self.start()
        except BaseException:
            self.remove()
            raise

    def start(self, **knobs):
        """Also after stop, on the same ports with the same mail."""
        done = subprocess.run([self.script, "start", self.directory, str(self.port)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120,
                              env=dict(self.environment, **knobs))
        if done.returncode == self.UNAVAILABLE:
            raise unittest.SkipTest(done.stderr.strip().split("\n")[-1])
        if done.returncode != 0:
            raise AssertionError(f"no server: {done.stderr}")
        values = dict(line.split("=", 1) for line in done.stdout.split())
        self.port, self.tls_port = int(values["PORT"]), int(values["TLS_PORT"])
        self.ca = values["CA"]
        self.other_ca = os.path.join(self.directory, "other-ca.pem")
        self.certificate = os.path.join(self.directory, "tls", "server")

    def stop(self):
        subprocess.run([self.script, "stop", self.directory], check=True, timeout=60)

    def remove(self):
        atexit.unregister(self.remove)
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def client(self, user="test"):
        return rawimap.Client(self.port, prefix=self.prefix).login(user, {"test": "secret", "other": "secret2"}[user])

    def load(self, mailbox, *paths):
        subprocess.run([os.path.join(TESTS, "mail", "load"), "--port", str(self.port), mailbox, *paths],
                       check=True, timeout=120)


class Dovecot(Server):
    script = os.path.join(TESTS, "servers", "dovecot")


class Cyrus(Server):
    script = os.path.join(TESTS, "servers", "cyrus")


class Courier(Server):
    script = os.path.join(TESTS, "servers", "courier")
    prefix = "INBOX."


class Mount:
    """A mounted file system; made by Case.mount."""

    def __init__(self, case, arguments, path, foreground, environment, umask=0o022):
        self.path = path
        self.arguments = arguments
        self.log = path + ".log"
        self.watchdog = threading.Timer(slow(case.patience), self._bark)
        self.watchdog.daemon = True
        self.killed = False
        with open(self.log, "ab") as log:
            process = subprocess.Popen([Config.imapfs, *arguments], stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log, env=environment, start_new_session=True,
                                       umask=umask)
        if foreground:
            if not eventually(lambda: process.poll() is not None or self.mounted(), slow(20)):
                process.kill()
            self.pid = process.pid
            self.process = process
            if process.poll() is not None:
                raise AssertionError(f"imapfs ended with {process.returncode}: {self.said()}")
        else:
            try:
                status = process.wait(slow(30))
            except subprocess.TimeoutExpired:
                process.kill()
                raise
            if status != 0:
                raise AssertionError(f"imapfs ended with {status}: {self.said()}")
            assert self.mounted(), "imapfs returned 0, but nothing is mounted"
            self.process = None
            self.pid = self._find()
        self.watchdog.start()
        atexit.register(self.end)       # also when the run is broken off

    def __truediv__(self, name):
        return os.path.join(self.path, name)

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def status(self):
        """.imapfs/status as a dictionary."""
        with open(self / ".imapfs/status", encoding="utf-8") as file:
            return dict(line.rstrip("\n").partition(": ")[::2] for line in file)

    def settle(self, seconds=30):
        """Waits until all that is known is on disk."""
        if not eventually(lambda: self.status().get("unsaved") == "0", slow(seconds)):
            raise AssertionError(f"not saved after {seconds} s: {self.status()}")

    def _find(self):
        for process in glob.glob("/proc/[0-9]*"):
            try:
                with open(process + "/cmdline", "rb") as file:
                    words = file.read().split(b"\0")
            except OSError:
                continue
            if words[0] == Config.imapfs.encode() and self.path.encode() in words:
                return int(process[len("/proc/"):])
        raise AssertionError("no process serves the mount")

    def _bark(self):
        self.killed = True
        self.kill()

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def crash(self):
        """Ends it without a warning, and tidies up after it as its user would."""
        self.kill()
        eventually(lambda: not self.running(), 5, 0.01)
        subprocess.run(["fusermount3", "-uz", self.path], timeout=20, stderr=subprocess.DEVNULL)

    def mounted(self):
        with open("/proc/mounts", encoding="utf-8") as file:
            return any(line.split()[1] == self.path for line in file)

    def running(self):
        if self.process is not None:
            return self.process.poll() is None
        try:
            with open(f"/proc/{self.pid}/stat", encoding="utf-8") as file:
                return file.read().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    def unmount(self):
        """As a user does it; True if mount and process have ended in good time."""
        subprocess.run(["fusermount3", "-u", self.path], timeout=slow(20), check=True)
        return bool(eventually(lambda: not self.running() and not self.mounted(), slow(10)))

    def end(self):
        """Unmounts whatever it takes; True if it took no force."""
        atexit.unregister(self.end)
        self.watchdog.cancel()
        orderly = not self.killed
        if Config.sanitized and self.mounted():
            # what was closed a moment ago is released before this is answered; else it is taken for a leak
            with contextlib.suppress(subprocess.SubprocessError):
                subprocess.run(["stat", "-f", self.path], timeout=5, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
        if self.mounted():
            # a mount without a process: it has crashed, or a test has killed it
            orderly = orderly and self.running()
            with contextlib.suppress(subprocess.SubprocessError):
                subprocess.run(["fusermount3", "-u", self.path], timeout=20, stderr=subprocess.DEVNULL)
            for _ in range(5):      # there may be one upon another
                if not self.mounted():
                    break
                orderly = False
                subprocess.run(["fusermount3", "-uz", self.path], timeout=20, stderr=subprocess.DEVNULL)
        if not eventually(lambda: not self.running(), slow(10)):
            orderly = False
            self.kill()
            eventually(lambda: not self.running(), 5)
        return orderly


class Case(unittest.TestCase):
    """A test with a directory of its own, whose mounts end with it."""

    patience = 180  # seconds until a mount is killed

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="imapfs-test.")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.addCleanup(self.no_reports)
        # nothing of the user's: no configuration, no .netrc, no locale
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": self.directory, "TZ": "UTC", "LC_ALL": "C.UTF-8",
            "XDG_CONFIG_HOME": self.directory + "/config", "XDG_CACHE_HOME": self.directory + "/cache",
            "XDG_RUNTIME_DIR": self.directory,
            "ASAN_OPTIONS": f"log_path={self.directory}/report:detect_leaks=1",
            "UBSAN_OPTIONS": f"log_path={self.directory}/report:print_stacktrace=1",
        }
        if os.environ.get("LSAN_OPTIONS"):
            self.environment["LSAN_OPTIONS"] = os.environ["LSAN_OPTIONS"]

    def no_reports(self):
        """Fails if a sanitizer had something to say."""
        for path in glob.glob(self.directory + "/report*"):
            with open(path, encoding="utf-8", errors="replace") as file:
                self.fail("sanitizer report:\n" + file.read()[:8000])

    def file(self, name, text):
        path = os.path.join(self.directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def mountpoint(self):
        return tempfile.mkdtemp(prefix="mnt.", dir=self.directory)

    def run_imapfs(self, *arguments, seconds=30, **environment):
        """Runs it to its end, for what fails: (exit status, text on stderr)."""
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen([Config.imapfs, *arguments], stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=output, env=dict(self.environment, **environment),
                                       start_new_session=True)
            try:
                status = process.wait(slow(seconds))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                status = "still running"
            output.seek(0)
            return status, output.read().decode(errors="replace")

    def options(self, server, **more):
        """The usual -o for that server; an option given as None is left out."""
        values = {"password_file": self.file("password", "secret\n")}
        if isinstance(server, Server):
            values["tls_ca"] = server.ca
        values.update(more)
        return ",".join(k if v is True else f"{k}={v}" for k, v in values.items() if v is not None)

    def url(self, server, scheme="imaps", user="test", host="localhost", port=None):
        if port is None:
            port = server.tls_port if scheme == "imaps" else server.port
        return f"{scheme}://{user}@{host}:{port}/" if user else f"{scheme}://{host}:{port}/"

    def mount_with(self, arguments, path, foreground=False, umask=0o022, **environment):
        """Mounts with exactly these arguments."""
        mount = Mount(self, arguments, path, foreground, dict(self.environment, **environment), umask)
        self.addCleanup(self._end, mount)
        return mount

    def _end(self, mount):
        self.assertTrue(mount.end(), f"the mount had to be ended by force; it said: {mount.said()[-4000:]}")

    def mount(self, server, scheme="imaps", port=None, host="localhost", user="test", path=None,
              foreground=False, flags=(), environment=None, umask=0o022, **options):
        """Mounts an account of a server; options go to -o."""
        path = path or self.mountpoint()
        if scheme == "plain":
            scheme, options = "imap", dict(options, tls="none")
            host = "127.0.0.1"
        arguments = [*flags, *(["-f"] if foreground else []), "-o", self.options(server, **options),
                     self.url(server, scheme, user, host, port), path]
        return self.mount_with(arguments, path, foreground, umask, **(environment or {}))

    def errno_of(self, function, *arguments):
        """The errno that a call fails with, by name; None if it succeeds."""
        try:
            function(*arguments)
        except OSError as error:
            return errno.errorcode[error.errno]
        return None


class ServerCase(Case):
    """Shares one server among its tests."""

    kind = Dovecot
    knobs = {}
    samples = ()    # mailboxes of the sample mail to load
    long = False    # only with --long

    @classmethod
    def setUpClass(cls):
        if cls.long and not Config.long:
            raise unittest.SkipTest("it takes minutes: see --long")
        cls.server = cls.kind(**cls.knobs)
        cls.addClassCleanup(cls.server.remove)
        if cls.samples:
            cls.sample_directory = tempfile.mkdtemp(prefix="imapfs-samples.")
            cls.addClassCleanup(shutil.rmtree, cls.sample_directory)
            subprocess.run([os.path.join(TESTS, "mail", "samples"), cls.sample_directory], check=True)
            for mailbox in cls.samples:
                cls.server.load(mailbox, os.path.join(cls.sample_directory, mailbox))

    def fresh(self, prefix="box"):
        """Creates a mailbox for this test alone and returns its name."""
        name = f"{prefix}{time.monotonic_ns()}"
        with self.server.client() as client:
            client.create(name)
        return name

    def deliver(self, mailbox, *bodies, flags=()):
        with self.server.client() as client:
            client.append(mailbox, [(body, flags, None) for body in bodies])


class DovecotCase(ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.dovecot = cls.server


def message(subject, body="Hello.\n", sender="Alice <alice@example.org>"):
    """A small message."""
    return rawimap.crlf(f"From: {sender}\nSubject: {subject}\n\n{body}".encode())
