# SPDX-License-Identifier: GPL-3.0-or-later
"""What synthetic messages are made of: names, addresses, text; the same each time."""

import base64
import random

NEEDLE = "quartzite ledger"  # in one message of ten, for grep
EPOCH = 1704067200  # 2024-01-01

FIRST = """Alice Bogdan Chiara Dmitri Esther Fatima Gustav Hana Ines Jonas Kwame Leila Mateo Nadia
Oscar Priya Quentin Rosa Stefan Tomoko Ulrike Victor Wanda Xavier Yara Zoltan""".split()
LAST = """Adeyemi Bernard Castillo Dubois Eriksen Fischer Gonzalez Haddad Ivanova Jensen Kowalski
Lindqvist Marchetti Nakamura Okonkwo Petrov Quigley Rossi Schneider Takahashi""".split()
UMLAUTS = ["J\u00fcrgen M\u00fcller", "Zo\u00eb \u00c5str\u00f6m", "Ren\u00e9 Lef\u00e8vre", "\u0141ukasz W\u00f3jcik"]
DOMAINS = ["example.org", "example.com", "mail.example.net", "lists.example.org"]
WORDS = """about account agenda answer archive autumn balance before bicycle bridge budget build
calendar change city coffee contract copy delivery design draft early evening figure final
friday garden harbour holiday house idea invoice january kitchen later letter library list
lunch market meeting memory minutes monday morning network note number october office order
paper people photo plan point printer project question quick reading release reply report
review river room schedule school second server station story street summer supper table
thanks ticket today tomorrow train travel tuesday update version visit weather weekend window
winter winding yesterday""".split()


def body_text():
    """One long text; a body is a piece of it, which is much faster than making one."""
    rng = random.Random(1)
    lines = []
    while len(lines) < 2000:
        line = ""
        while len(line) < 60:
            line += rng.choice(WORDS) + " "
        lines.append(line.rstrip() + ("\r\n\r\n" if rng.random() < 0.1 else "\r\n"))
    return "".join(lines)


def encoded(text):
    if text.isascii():
        return text
    return "=?UTF-8?B?" + base64.b64encode(text.encode()).decode() + "?="
