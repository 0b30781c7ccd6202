# SPDX-License-Identifier: GPL-3.0-or-later
"""Views that choose among the messages of a mailbox: searches, flags, conversations, attachments."""

import datetime
import os
import re
import subprocess
import time

from compose import attachment, everything, forwarded, letter, multipart, noise, part, text
from harness import Courier, Cyrus, DovecotCase, ServerCase, eventually, messages, note, read, slow, uid_of
from proxy import Proxy

VIEWS = {".parts", ".text", ".attachments", ".search", ".unseen", ".flagged", ".recent", ".threads"}
SOON = 5    # seconds within which a change is seen; Dovecot looks once a second


def day(number, month=11):
    return datetime.datetime(2026, month, number, 9, 31, tzinfo=datetime.timezone.utc)


def found(directory):
    """The UIDs of the messages listed."""
    return [uid_of(name) for name in os.listdir(directory)]


class Mailbox(ServerCase):
    """A mailbox of five that differ, which are appended anew for each test."""

    def mail(self):
        """(octets, flags, date) of UIDs 1 to 5."""
        return [
            (letter("Quarterly report", multipart("mixed", text("the figures are final\n"), attachment(
                "report.pdf", noise(3000), "application/pdf"))), [r"\Seen"], day(1)),
            (letter("Lunch on Friday?", text("soup for nine\n"), sender="Bob <bob@example.org>"),
             [r"\Flagged"], day(2)),
            (letter("=?utf-8?q?Gr=C3=BC=C3=9Fe_aus_Malm=C3=B6?=", text("es ist größer\n"),
                    sender="=?utf-8?q?Bj=C3=B6rn?= <bjorn@example.org>"), [r"\Answered", r"\Seen"], day(3)),
            (letter('A "quote" and a back\\slash', text("a literal {5+} in it\n"), fields="Cc: carol@example.org\n"),
             ["work"], day(4)),
            (letter("large", text("x" * 70 + "\n" + ("y" * 70 + "\n") * 1000)), [r"\Seen", r"\Draft"], day(5)),
        ]

    def setUp(self):
        super().setUp()
        self.box = self.fresh()
        with self.server.client() as client:
            client.append(self.box, self.mail())

    def mounted_box(self, **options):
        self.mounted = self.mount(self.server, **options)
        return self.mounted / self.box

    def expect(self, view, uids, seconds=SOON):
        """The view comes to hold exactly these."""
        if not eventually(lambda: sorted(found(view)) == sorted(uids), slow(seconds)):
            self.fail(f"{view} has {sorted(found(view))} instead of {sorted(uids)}")


class Views(Mailbox, DovecotCase):

    def test_found_by_name_only(self):
        box = self.mounted_box()
        self.assertEqual(len(os.listdir(box)), 5)
        for view in VIEWS:
            self.assertTrue(os.path.isdir(f"{box}/{view}"), view)
            self.assertEqual(self.errno_of(os.stat, self.mounted / view), "ENOENT")
            self.assertEqual(self.errno_of(os.stat, self.mounted / ".imapfs/" + view), "ENOENT")
            if view != ".search":   # where it is a word to look for
                self.assertEqual(self.errno_of(os.stat, f"{box}/{view}/{view}"), "ENOENT")
        done = subprocess.run(["find", self.mounted.path, "-name", ".*"], stdout=subprocess.PIPE,
                              timeout=slow(60), check=True)
        self.assertEqual(done.stdout, b"")

    def test_listed_on_request(self):
        box = self.mounted_box(views=True)
        self.assertEqual({name for name in os.listdir(box) if name.startswith(".")}, VIEWS)
        self.assertEqual([name for name in os.listdir(self.mounted.path) if name.startswith(".")], [])
        done = subprocess.run(["find", box], capture_output=True, timeout=slow(60), check=False)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        listed = done.stdout.decode().splitlines()
        self.assertEqual(len(listed), len(set(listed)))
        self.assertEqual(sum("/.parts/" in name and name.endswith("/headers") for name in listed), 5)

    def test_same_file(self):
        """A message in a view is the one in the mailbox: number, name, attributes, octets."""
        box = self.mounted_box()
        paths = messages(box)
        with self.server.client() as client:
            client.select(self.box, readonly=True)
            bodies = client.bodies()
        seen = 0
        for view in (".unseen", ".flagged", ".search/ALL", ".search/subject:report"):
            for uid, path in messages(f"{box}/{view}").items():
                self.assertEqual(os.path.basename(path), os.path.basename(paths[uid]))
                shown = subprocess.run(["stat", "-c", "%i %s %Y %a", path, paths[uid]], stdout=subprocess.PIPE,
                                       timeout=slow(20), check=True).stdout.splitlines()
                self.assertEqual(shown[0], shown[1])
                self.assertEqual(read(path), bodies[uid])
                self.assertEqual(os.getxattr(path, "user.imap.uid"), b"%d" % uid)
                self.assertEqual(os.stat(f"{box}/{view}/{uid}.eml").st_ino, os.stat(path).st_ino)
                seen += 1
        self.assertEqual(seen, 2 + 1 + 5 + 1)
        # what is not in it cannot be had through it
        self.assertEqual(self.errno_of(os.stat, f"{box}/.flagged/1.eml"), "ENOENT")
        self.assertEqual(self.errno_of(os.stat, f"{box}/.unseen/" + os.path.basename(paths[1])), "ENOENT")

    def test_flags(self):
        box = self.mounted_box()
        self.expect(f"{box}/.unseen", [2, 4])
        self.expect(f"{box}/.flagged", [2])
        with self.server.client() as client:
            client.select(self.box)
            client.command(r"UID STORE 2 +FLAGS (\Seen)")
            client.command(r"UID STORE 1 -FLAGS (\Seen)")
            client.command(r"UID STORE 3:4 +FLAGS (\Flagged)")
            client.append(self.box, [(letter("new", text("new\n")), (), None)])
            self.expect(f"{box}/.unseen", [1, 4, 6])
            self.expect(f"{box}/.flagged", [2, 3, 4])
            client.command(r"UID STORE 4 +FLAGS (\Deleted)")
            client.command("UID EXPUNGE 4")
        self.expect(f"{box}/.unseen", [1, 6])
        self.expect(f"{box}/.flagged", [2, 3])

    def test_recent(self):
        """Of the last seven days."""
        now = datetime.datetime.now(datetime.timezone.utc)
        box = self.fresh()
        with self.server.client() as client:
            client.append(box, [(letter(f"{days} days", text("x\n")), (), now - datetime.timedelta(days=days))
                                for days in (30, 8, 6, 0)])
        self.expect(self.mount(self.server) / f"{box}/.recent", [3, 4])

    def test_attachments(self):
        box = self.fresh()
        one, two, three = noise(100, 1), noise(200, 2), noise(80_000, 3)
        inner = letter("inner", multipart("mixed", text("x\n"), attachment("deep.zip", two)))
        with self.server.client() as client:
            client.append(box, [
                (letter("1", multipart("mixed", text("x\n"), attachment("invoice.pdf", one))), (), day(20)),
                (letter("2", text("no attachment\n")), (), day(20)),
                (letter("3", multipart("mixed", text("x\n"), attachment("invoice.pdf", three),
                                       attachment("invoice.pdf", two))), (), day(20)),
                (letter("4", multipart("mixed", text("x\n"), forwarded(inner, "Content-Disposition: attachment\n")),
                        sender="=?utf-8?q?Bj=C3=B6rn?= <b@example.org>"), (), day(21)),
                (letter("5", multipart("related", text("<p>x</p>", "text/html"), part(
                    "image/png", noise(50), fields="Content-ID: <p@x>\n"))), (), day(22)),
            ])
        directory = self.mount(self.server) / f"{box}/.attachments"
        names = os.listdir(directory)
        self.assertIn("2026-11-20 Alice Example - invoice.pdf", names)
        self.assertEqual(read(f"{directory}/2026-11-20 Alice Example - invoice.pdf"), one)
        clashing = [name for name in names if name.startswith("2026-11-20 ")]
        self.assertEqual(len(clashing), 3, names)
        self.assertEqual({len(read(f"{directory}/{name}")) for name in clashing}, {100, 200, 80_000})
        self.assertEqual(sum("3" in name[len("2026-11-20"):] for name in clashing), 2, clashing)
        self.assertTrue([name for name in names if name.startswith("2026-11-21 Björn - ")], names)
        self.assertFalse([name for name in names if name.startswith("2026-11-22")], names)
        self.assertEqual(len(names), len(set(names)))
        parts = os.path.dirname(directory) + "/.parts/1/invoice.pdf"
        self.assertEqual(os.stat(f"{directory}/2026-11-20 Alice Example - invoice.pdf").st_ino, os.stat(parts).st_ino)
        for name in names:
            path = f"{directory}/{name}"
            self.assertGreaterEqual(os.stat(path).st_size, len(read(path)))
            self.assertEqual(os.stat(path).st_size, len(read(path)))
        self.deliver(box, letter("6", attachment("late.txt", b"late\r\n")))
        self.assertTrue(eventually(lambda: any("late.txt" in name for name in os.listdir(directory)), slow(SOON)))

    def test_names_by_uid(self):
        box = self.mounted_box(names="uid")
        self.assertEqual(sorted(os.listdir(f"{box}/.parts")), ["1", "2", "3", "4", "5"])
        self.assertEqual(sorted(os.listdir(f"{box}/.text")), [f"{uid}.txt" for uid in range(1, 6)])
        self.assertEqual(sorted(os.listdir(f"{box}/.search/UNSEEN")), ["2.eml", "4.eml"])
        self.assertEqual(sorted(os.listdir(f"{box}/.threads")), ["1", "2", "3", "4", "5"])

    def test_local_days(self):
        """Days are those of the place where the mount is."""
        box = self.fresh()
        late = datetime.datetime(2026, 11, 20, 22, 0, tzinfo=datetime.timezone.utc)
        with self.server.client() as client:
            client.append(box, [(letter("late", attachment("a.pdf", b"x")), (), late)])
        names = os.listdir(self.mount(self.server, environment={"TZ": "Asia/Kolkata"}) / f"{box}/.attachments")
        self.assertEqual(names, ["2026-11-21 Alice Example - a.pdf"])

    def test_copied_twice(self):
        """What has not changed is not copied again; but the next mount has to make a text to know its size."""
        box = self.mounted_box()
        for view in (".parts", ".text", ".attachments"):
            subprocess.run(["rsync", "-a", f"{box}/{view}", self.directory + "/copy"], timeout=slow(60), check=True)
        for views in ((".parts", ".text", ".attachments"), (".parts", ".attachments")):
            for view in views:
                done = subprocess.run(["rsync", "-aiO", f"{box}/{view}", self.directory + "/copy"],
                                      stdout=subprocess.PIPE, timeout=slow(60), check=True)
                self.assertEqual(done.stdout, b"", view)
            self.mounted.settle()
            self.assertTrue(self.mounted.end())
            box = self.mounted_box()

    def test_offline(self):
        """What was seen is there without the server; what was not says so."""
        box = self.mounted_box()
        self.expect(f"{box}/.search/SUBJECT report", [1])
        words = read(f"{box}/.text/1.txt")
        octets = read(f"{box}/.parts/1/report.pdf")
        names = os.listdir(f"{box}/.attachments")
        self.mounted.settle()
        self.assertTrue(self.mounted.end())
        box = self.mounted_box(offline=True)
        self.assertEqual(read(f"{box}/.text/1.txt"), words)
        self.assertEqual(read(f"{box}/.parts/1/report.pdf"), octets)
        self.assertEqual(os.listdir(f"{box}/.attachments"), names)
        self.assertEqual(sorted(found(f"{box}/.unseen")), [2, 4])
        self.assertEqual(found(f"{box}/.flagged"), [2])
        self.assertEqual(self.errno_of(os.listdir, f"{box}/.search/SUBJECT lunch"), "EHOSTUNREACH")

    def test_no_writing(self):
        box = self.mounted_box()
        for view in VIEWS - {".search"}:
            self.assertEqual(self.errno_of(os.mkdir, f"{box}/{view}/new"), "EROFS", view)
            self.assertEqual(self.errno_of(os.rmdir, f"{box}/{view}"), "EROFS", view)
        self.assertEqual(self.errno_of(os.unlink, f"{box}/.flagged/2.eml"), "EROFS")
        self.assertEqual(self.errno_of(os.rename, f"{box}/.flagged/2.eml", f"{box}/.unseen/x.eml"), "EROFS")


class Threads(Mailbox, DovecotCase):

    def letters(self):
        def one(number, subject, *references):
            fields = f"Message-ID: <{number}@example.org>\n"
            if references:
                fields += f"In-Reply-To: <{references[-1]}@example.org>\n"
                fields += "References: " + " ".join(f"<{n}@example.org>" for n in references) + "\n"
            return letter(subject, text("x\n"), fields=fields)
        return [one(1, "kettle"), one(2, "lid"), one(3, "Re: kettle", 1), one(4, "Re: kettle", 1, 3),
                one(5, "spout"), one(6, "Re: lid", 2), one(7, "Re: kettle", 1, 3, 4)]

    def check(self, server):
        with server.client() as client:
            name = f"threads{time.monotonic_ns()}"
            client.create(name)
            letters = self.letters()
            client.append(name, [(octets, (), day(1)) for octets in letters[:-1]])
            box = self.mount(server) / name
            titles = {uid: os.path.basename(path)[:-len(".eml")] for uid, path in messages(box).items()}
            self.assertEqual(set(os.listdir(f"{box}/.threads")), {titles[1], titles[2], titles[5]})
            self.expect(f"{box}/.threads/{titles[1]}", [1, 3, 4])
            self.expect(f"{box}/.threads/{titles[2]}", [2, 6])
            self.expect(f"{box}/.threads/{titles[5]}", [5])
            self.assertEqual(os.stat(f"{box}/.threads/{titles[1]}/3.eml").st_ino, os.stat(f"{box}/3.eml").st_ino)
            self.assertEqual(self.errno_of(os.stat, f"{box}/.threads/{titles[3]}"), "ENOENT")
            self.assertEqual(self.errno_of(os.stat, f"{box}/.threads/nothing"), "ENOENT")
            client.append(name, [(letters[-1], (), day(2))])
            self.expect(f"{box}/.threads/{titles[1]}", [1, 3, 4, 7])
            self.assertEqual(len(os.listdir(f"{box}/.threads")), 3)

    def test_by_the_server(self):
        with self.server.client() as client:
            self.assertTrue(client.can("THREAD=REFERENCES"))
        self.check(self.server)

    def test_by_references(self):
        server = type(self.server)(DOVECOT_CAPABILITY="IMAP4rev1 IDLE")
        self.addCleanup(server.remove)
        self.check(server)


# what is looked for, and which of the five that is
QUERIES = (
    ("ALL", [1, 2, 3, 4, 5]), ("SUBJECT report", [1]), ("FROM bob", [2]), ("from:bob", [2]),
    ("UNSEEN", [2, 4]), ("unseen", [2, 4]), ("SEEN FLAGGED", []), ("seen", [1, 3, 5]), ("FLAGGED", [2]),
    ("flagged", [2]), ("answered", [3]), ("draft", [5]), ("KEYWORD work", [4]), ("tag:work", [4]),
    ("keyword:work", [4]), ('TEXT "soup for"', [2]), ("BODY figures", [1]), ("body:figures", [1]),
    ("text:soup", [2]), ("soup", [2]), ('"soup for nine"', [2]), ("CC carol", [4]), ("cc:carol", [4]),
    ("TO test@example.org FROM bob", [2]), ("to:test from:bob", [2]), ('subject:"Quarterly report"', [1]),
    ("SINCE 3-Nov-2026", [3, 4, 5]), ("after:2026-11-03", [3, 4, 5]), ("BEFORE 3-Nov-2026", [1, 2]),
    ("before:2026-11-03", [1, 2]), ("ON 3-Nov-2026", [3]), ("on:2026-11-03", [3]), ("LARGER 50000", [5]),
    ("larger:50k", [5]), ("larger:1M", []), ("SMALLER 1000 FLAGGED", [2]), ("smaller:1k flagged", [2]),
    ("OR FROM bob SUBJECT report", [1, 2]), ("NOT SEEN", [2, 4]), ("-seen", [2, 4]), ("-from:alice", [2, 3]),
    ("(OR FROM bob SUBJECT report) SEEN", [1]), ("UID 2:4", [2, 3, 4]), ("UID 2,5", [2, 5]),
    ("has:attachment", [1]), ("has:attachment from:bob", []), ("from:alice SEEN", [1, 5]),
    ("subject:Grüße", [3]), ("SUBJECT Malmö", [3]), ("BODY größer", [3]), ("from:Björn", [3]),
    ('SUBJECT "a \\"quote\\""', [4]), ('SUBJECT "back\\\\slash"', [4]), ('BODY "{5+}"', [4]), ("body:{5+}", [4]),
    ("YOUNGER 86400", []), ("OLDER 86400", [1, 2, 3, 4, 5]), ("older:1d", [1, 2, 3, 4, 5]), ("newer:7d flagged", []),
    ("HEADER Cc carol", [4]), ("subject:nothing", []),
)
# what is no query
NONSENSE = ("SUBJECT", "subject report", "from alice", "NOSUCHKEY:x y", "FROM", 'SUBJECT "open', "(SEEN", "SEEN)",
            "OR SEEN", "NOT", "SINCE yesterday", "after:tomorrow", "larger:big", "UID x", "has:nothing", "()",
            "LARGER -1", "SINCE 32-Nov-2026")


class Searches(Mailbox, DovecotCase):

    def check_queries(self, **options):
        box = self.mounted_box(**options)
        now = datetime.datetime.now(datetime.timezone.utc)
        for query, uids in QUERIES:
            if re.search("YOUNGER|OLDER|older|newer", query) and now < day(5) + datetime.timedelta(days=8):
                continue    # by a clock that is wrong
            with self.subTest(query):
                self.assertEqual(sorted(found(f"{box}/.search/{query}")), uids)

    def test_queries(self):
        self.check_queries()

    def test_nonsense(self):
        """EINVAL, and a line in the log that says why."""
        box = self.mounted_box()
        for query in NONSENSE:
            with self.subTest(query):
                before = read(self.mounted / ".imapfs/log").count(b"\n")
                self.assertEqual(self.errno_of(os.listdir, f"{box}/.search/{query}"), "EINVAL")
                self.assertGreater(read(self.mounted / ".imapfs/log").count(b"\n"), before)
        self.assertEqual(self.errno_of(os.stat, f"{box}/.search/" + "x" * 256), "ENAMETOOLONG")
        self.assertEqual(found(f"{box}/.search/FLAGGED"), [2])

    def test_changes(self):
        """What is found changes as the mailbox does."""
        box = self.mounted_box()
        self.expect(f"{box}/.search/SUBJECT report", [1])
        self.expect(f"{box}/.search/from:alice unseen", [4])
        self.expect(f"{box}/.search/has:attachment", [1])
        with self.server.client() as client:
            client.append(self.box, [(letter("another report", multipart("mixed", text("x\n"), attachment(
                "b.pdf", b"x"))), (), None)])
            self.expect(f"{box}/.search/SUBJECT report", [1, 6])
            self.expect(f"{box}/.search/from:alice unseen", [4, 6])
            self.expect(f"{box}/.search/has:attachment", [1, 6])
            client.select(self.box)
            client.command(r"UID STORE 4 +FLAGS (\Seen)")
            self.expect(f"{box}/.search/from:alice unseen", [6])
            client.command(r"UID STORE 1 +FLAGS (\Deleted)")
            client.command("UID EXPUNGE 1")
            self.expect(f"{box}/.search/SUBJECT report", [6])
            self.expect(f"{box}/.search/has:attachment", [6])
        self.assertEqual(self.errno_of(os.stat, f"{box}/.search/SUBJECT report/1.eml"), "ENOENT")

    def test_pins(self):
        """mkdir keeps a search, also over the end of a mount; rmdir forgets it."""
        box = self.mounted_box()
        pins = ["from:alice unseen", 'SUBJECT "back\\\\slash"', "subject:Grüße", "[group] key=value;x"]
        self.assertEqual(os.listdir(f"{box}/.search"), [])
        self.expect(f"{box}/.search/from:bob", [2])
        self.assertEqual(os.listdir(f"{box}/.search"), [])
        self.expect(f"{box}/.search/{pins[1]}", [4])    # one that was seen a moment ago can be kept, too
        os.mkdir(f"{box}/.search/{pins[1]}")
        os.mkdir(f"{box}/.search/{pins[0]}")
        subprocess.run(["mkdir", f"{box}/.search/{pins[2]}"], timeout=slow(20), check=True)
        self.assertEqual(self.errno_of(os.mkdir, f"{box}/.search/{pins[0]}"), "EEXIST")
        self.assertEqual(self.errno_of(os.mkdir, f"{box}/.search/SUBJECT"), "EINVAL")
        os.mkdir(f"{box}/.search/{pins[3]}")
        self.assertEqual(sorted(os.listdir(f"{box}/.search")), sorted(pins))
        self.assertEqual(os.listdir(self.mounted / "INBOX/.search"), [])
        self.assertTrue(self.mounted.end())
        box = self.mounted_box()
        self.assertEqual(sorted(os.listdir(f"{box}/.search")), sorted(pins))
        self.expect(f"{box}/.search/{pins[0]}", [4])
        self.expect(f"{box}/.search/{pins[2]}", [3])
        os.rmdir(f"{box}/.search/{pins[0]}")
        self.assertEqual(sorted(os.listdir(f"{box}/.search")), sorted(pins[1:]))
        self.expect(f"{box}/.search/{pins[0]}", [4])
        self.mounted.crash()
        box = self.mounted_box()
        self.assertEqual(sorted(os.listdir(f"{box}/.search")), sorted(pins[1:]))

    def test_many(self):
        """More searches than anybody remembers; the first is found anew."""
        box = self.mounted_box()
        for number in range(1500):
            self.assertTrue(os.path.isdir(f"{box}/.search/SUBJECT number{number}"))
        time.sleep(1.1)     # the kernel may take a name for what it was for a second
        self.expect(f"{box}/.search/SUBJECT report", [1])
        self.expect(f"{box}/.search/SUBJECT number0", [])


INJECTIONS = (
    'SUBJECT "a\r\nx1 CREATE owned\r\n"', "SUBJECT a\nx1 CREATE owned", "SUBJECT a\r\nx1 CREATE owned",
    "SUBJECT {5+}\r\nhello", "SUBJECT {20}", 'SUBJECT "{14+}"\r\nx1 CREATE owned', 'SUBJECT "{5+}"', "SUBJECT a{5+}",
    "ALL)\r\nx1 CREATE owned", "ALL\rx1 CREATE owned", 'FROM "open', 'from:"open', 'SUBJECT "\\"', "KEYWORD a(b",
    'KEYWORD "a b"', "KEYWORD a\r\nb", "UID 1:*:2", "UID 1\r\nx1 CREATE owned", 'HEADER "X\r\nY" z', "HEADER a:b c",
    ") OR (ALL", "*", "CHARSET UTF-8 ALL", "RETURN (SAVE) ALL", b"SUBJECT \xff\xfe", b"subject:\xff", "(" * 120,
    "(" * 100 + "ALL" + ")" * 100, "NOT " * 60 + "ALL", "OR " * 50 + "ALL", "$", "SUBJECT \x01", 'SUBJECT "\x7f"',
    "from:\r\n", "subject:\r\nx1 CREATE owned", "X-GM-RAW \"a\r\nb\"", "tag:\\Seen", "KEYWORD \\Deleted", "\r\n",
    "{5+}",
    "subject:\u202e", "SINCE \"1-Nov-2026\r\n\"", "~{5}", "%s%n%x", "BODY \"" + "a" * 240)


class Injections(Mailbox, DovecotCase):

    def test_injections(self):
        """Whatever a query holds, the server gets a search or nothing."""
        self.proxy = Proxy(self.server.port, ())
        self.addCleanup(self.proxy.close)
        mount = self.mount(self.server, "plain", port=self.proxy.port)
        self.expect(mount / f"{self.box}/.search/flagged", [2])
        self.proxy.forget()
        with self.server.client() as client:
            before = client.command('LIST "" *')
            for query in INJECTIONS:
                with self.subTest(query):
                    path = os.fsencode(mount / f"{self.box}/.search/")
                    got = self.errno_of(os.listdir, path + os.fsencode(query))
                    self.assertIn(got, (None, "EINVAL"))
            self.assertEqual(client.command('LIST "" *'), before)
            client.select(self.box, readonly=True)
            self.assertEqual(len(client.uids()), 5)
        # a line that does not follow a literal begins a command
        changes = re.compile(r"(?i)\S+ (UID )?(CREATE|DELETE|STORE)")
        self.assertFalse([line for line in self.proxy.commands if changes.match(line)])
        self.expect(mount / f"{self.box}/.search/flagged", [2])
        self.assertEqual(self.proxy.accepted, 0, "a connection was lost")


class Looking(Mailbox, DovecotCase):
    """Whatever looks at the views, and however: nothing changes."""

    ALLOWED = re.compile(r"(?i)\S+ (CAPABILITY|ENABLE|EXAMINE|ID|IDLE|LIST|LOGOUT|NAMESPACE|NOOP|NOTIFY|STATUS|"
                         r"UNSELECT|UID (FETCH|SEARCH|THREAD|SORT))\b|DONE$")

    def state(self):
        with self.server.client() as client:
            names = sorted(line[0].decode("ascii").rpartition(" ")[2].strip('"')
                           for line in client.command('LIST "" *'))
            return {name: client.command(f'STATUS "{name}" (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ)')
                    for name in names}

    def test_looking_changes_nothing(self):
        proxy = Proxy(self.server.port, ())
        self.addCleanup(proxy.close)
        self.deliver(self.box, everything())
        with self.server.client() as client:
            client.select(self.box, readonly=True)
            flags = client.flags()
        before = self.state()
        mount = self.mount(self.server, "plain", port=proxy.port, views=True)
        box = mount / self.box
        os.mkdir(f"{box}/.search/from:alice")
        for command in (["find", mount.path, "-ls"], ["grep", "-rc", "soup", mount.path], ["ls", "-lR", mount.path],
                        ["du", "-s", mount.path], ["tar", "-C", mount.path, "-cf", self.directory + "/tar", self.box],
                        ["cp", "-r", box, self.directory + "/copy"], ["rsync", "-a", box, self.directory + "/rsync"],
                        ["ls", f"{box}/.search/unseen has:attachment"], ["ls", f"{box}/.search/nonsense:("]):
            subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=slow(60), check=False)
        os.rmdir(f"{box}/.search/from:alice")
        self.assertGreater(len(os.listdir(self.directory + "/copy/.parts")), 5)
        self.assertTrue(mount.end())
        self.assertEqual(self.state(), before)
        with self.server.client() as client:
            client.select(self.box, readonly=True)
            self.assertEqual(client.flags(), flags)
        self.assertGreater(len(proxy.commands), 10)
        self.assertEqual([line for line in proxy.commands if not self.ALLOWED.match(line)], [])
        self.assertEqual([line for line in proxy.commands if re.search(r"BODY\[|RFC822[ )]", line)], [])


class Poor(Mailbox, DovecotCase):
    """A server without any of the extensions."""
    knobs = {"DOVECOT_CAPABILITY": "IMAP4rev1"}
    test_queries = Searches.check_queries


class OnCyrus(Mailbox):
    kind = Cyrus
    long = True
    test_queries = Searches.check_queries
    test_nonsense = Searches.test_nonsense
    test_changes = Searches.test_changes


class OnCourier(OnCyrus):
    kind = Courier


class OnTheWire(DovecotCase):
    """A search is the server's work."""

    def test_search_costs_an_answer(self):
        box, count = self.fresh(), 3000
        with self.server.client() as client:
            client.append(box, ((letter(f"number {n}", text(("kettle " if n % 3 else "lid ") * 300 + "\n")), (), None)
                                for n in range(count)))
        proxy = Proxy(self.server.port, ())
        self.addCleanup(proxy.close)
        mount = self.mount(self.server, "plain", port=proxy.port)
        self.assertEqual(len(os.listdir(mount / box)), count)
        time.sleep(1)
        proxy.forget()
        self.assertEqual(len(os.listdir(mount / f"{box}/.search/TEXT kettle")), count * 2 // 3)
        searched = proxy.inside
        self.assertEqual(len(os.listdir(mount / f"{box}/.search/TEXT kettle")), count * 2 // 3)
        self.assertEqual(len(os.listdir(mount / f"{box}/.unseen")), count)
        note(f"{searched} octets for a search, {proxy.inside - searched} for looking again")
        self.assertLess(searched, 10 * count)
        self.assertLess(proxy.inside - searched, 1024)

    def test_reading_ahead(self):
        """What is found is read in that order."""
        box, count = self.fresh(), 200
        with self.server.client() as client:
            client.append(box, ((letter(f"{'odd' if n % 2 else 'even'} {n}", text("kettle " * 500 + "\n")), (), None)
                                for n in range(count)))
        proxy = Proxy(self.server.port, ())
        self.addCleanup(proxy.close)
        mount = self.mount(self.server, "plain", port=proxy.port)
        self.assertEqual(len(os.listdir(mount / box)), count)
        proxy.forget()
        done = subprocess.run(["grep", "-rlw", "kettle", mount / f"{box}/.search/SUBJECT odd"],
                              stdout=subprocess.PIPE, timeout=slow(60), check=True)
        self.assertEqual(len(done.stdout.splitlines()), count // 2)
        time.sleep(1)
        fetches = [command for command in proxy.commands if "BODY.PEEK[]" in command]
        note(f"{proxy.inside} octets, {len(fetches)} commands for {count // 2} messages")
        self.assertLess(len(fetches), count // 4)
        self.assertLess(proxy.inside, 1.3 * count // 2 * 4000)
