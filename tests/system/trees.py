# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories of messages in .parts, read and compared with what should be there."""

import os
import re

import decoder
import harness

SMALL = 64 << 10    # encoded octets up to which every size is exact before anybody opens the file
NAME = re.compile(r"(?s)[^-. ](.*[^. ])?")
FIELD = re.compile(r"([!-9;-~]+)[ \t]*:")
FORBIDDEN = re.compile(r'[\x00-\x1f\x7f-\x9f\\/:*?"<>|\u200e\u200f\u202a-\u202e\u2066-\u2069]')


class File:
    """A file that was read: the octets, and its size before it was opened and after."""

    def __init__(self, path):
        self.path = path
        self.before = os.lstat(path).st_size
        with open(path, "rb") as file:
            self.opened = os.fstat(file.fileno()).st_size
            self.octets = file.read()
        self.after = os.lstat(path).st_size
        self.digest = decoder.digest(self.octets)

    def __repr__(self):
        return f"{os.path.basename(self.path)} {self.digest[0]} {self.digest[1][:6]}"


def read_tree(case, directory):
    """The directory of a message as a Tree, whose leaves are Files; headers is one, too."""
    names = os.listdir(directory)
    case.assertEqual(len(names), len(set(names)), names)
    for name in names:
        case.assertRegex(name, NAME)
        case.assertNotRegex(name, FORBIDDEN)
        case.assertLessEqual(len(name.encode()), 200)   # and valid UTF-8, or this fails
    tree = decoder.Tree()
    tree.headers = File(os.path.join(directory, "headers"))
    tree.messages = []
    inner = {name for name in names if os.path.isdir(os.path.join(directory, name))}
    for name in names:
        path = os.path.join(directory, name)
        if name in inner:
            tree.nested.append(read_tree(case, path))
        elif name.endswith(".eml") and name[:-len(".eml")] in inner:
            tree.messages.append(File(path))
        elif name != "headers":
            tree.leaves.append(File(path))
    case.assertEqual(len(tree.messages), len(inner), f"not every nested message is a file, too: {names}")
    return tree


def every_file(tree):
    yield tree.headers
    yield from tree.messages
    yield from tree.leaves
    for inner in tree.nested:
        yield from every_file(inner)


class Trees(harness.Case):
    """What is in .parts against what an independent decoder finds."""

    def check_tree(self, directory, octets, sizes=None):
        """Compares the directory of a message to what it holds.  sizes: of the leaves, if they are others."""
        expected = decoder.parse(octets)
        found = read_tree(self, directory)
        if sizes is None:
            self.assertEqual(found.key(), expected.key(), f"{found} instead of {expected}")
        else:
            self.assertNotEqual(found.key(), expected.key(), "nothing differs here that would need an explanation")
            self.assertEqual(sorted(leaf.digest[0] for leaf in found.every_leaf()), sorted(sizes), f"{found}")
        for file in found.messages:
            self.assertIn(file.octets, octets)
            if sizes is None:
                self.assertIn(decoder.parse(file.octets).key(), [inner.key() for inner in found.nested])
        self.check_sizes(found, expected)
        return found

    def check_sizes(self, found, expected):
        """Before a file is opened its size is the true one, or is not below it."""
        encoded = {leaf.digest: leaf for leaf in expected.every_leaf()}
        for file in every_file(found):
            size = len(file.octets)
            self.assertGreaterEqual(file.before, size, f"{file}: too small before it was opened")
            self.assertGreaterEqual(file.opened, size, f"{file}: too small when it was opened")
            self.assertEqual(file.after, size, f"{file}: wrong after it was read")
            self.assertEqual(file.opened, size, f"{file}: wrong when it was opened")
            leaf = encoded.get(file.digest)
            if leaf is None:    # a header or a message, or what another reader sees in another way
                exact = size <= SMALL // 2 or file.path.endswith(".eml")
            else:
                exact = leaf.is_regular() or len(leaf.raw) <= SMALL
            if exact:
                self.assertEqual(file.before, size, f"{file}: wrong before it was opened")

    def check_fields(self, headers, octets):
        """A line for each field, in order, in UTF-8; what is no field may be a line, too."""
        lines = headers.octets.decode("utf-8").split("\n")
        self.assertEqual(lines.pop(), "")
        self.assertNotIn("\r", "".join(lines))
        fields = [match[1] for match in map(FIELD.match, lines) if match]
        self.assertEqual(fields, decoder.fields(octets))
        subject = decoder.subject(octets)
        if subject is not None:
            (line, *_) = [line for line in lines if line.lower().startswith("subject:")]
            self.assertEqual(line.partition(":")[2].split(), subject)
