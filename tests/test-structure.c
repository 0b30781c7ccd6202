/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include <gmime/gmime.h>

#include "imap/limits.h"
#include "mail/structure.h"

/* ---- a structure as text ---- */

static void
append_text(GString *to, const char *what, const char *text)
{
    if (text != NULL)
        g_string_append_printf(to, " %s=%s", what, text);
}

static void
append_part(GString *to, const MailPart *part)
{
    static const char *const encodings[] = {"", " base64", " qp", " other"};
    static const char *const dispositions[] = {"", " inline", " attachment"};

    g_string_append_printf(to, "[%s] %s", part->section ? part->section : "-",
                           part->type);
    if (part->kind != MAIL_PART_MULTIPART)
        g_string_append_printf(to, " %" G_GUINT64_FORMAT, part->octets);
    g_string_append(to, encodings[part->encoding]);
    g_string_append(to, dispositions[part->disposition]);
    append_text(to, "charset", part->charset);
    append_text(to, "name", part->name);
    append_text(to, "subject", part->subject);
    append_text(to, "id", part->id);
    append_text(to, "start", part->start);
    if (part->flowed)
        g_string_append(to, " flowed");
    if (part->delete_space)
        g_string_append(to, " delsp");
}

/* What holds for every structure. */
static void
check_structure(const char *row, const MailStructure *structure)
{
    const MailPart *parts = structure->parts;

    if (structure->n < 2 || structure->n > MAIL_PARTS_MAX + 1 ||
        parts[0].kind != MAIL_PART_MESSAGE || parts[0].parent != 0 ||
        parts[0].after != structure->n || *parts[0].section != '\0' ||
        parts[1].parent != 0) {
        row_fail(row, "it does not begin with the message");
        return;
    }
    for (guint i = 1; i < structure->n; i++) {
        const MailPart *parent = &parts[parts[i].parent];
        if (parts[i].parent >= i || parts[i].after <= i ||
            parts[i].after > parent->after || parent->kind == MAIL_PART_LEAF)
            row_fail(row, "part %u is not inside of its parent", i);
        if (parts[i].kind == MAIL_PART_LEAF && parts[i].after != i + 1)
            row_fail(row, "part %u is a leaf with parts", i);
        if (parts[i].kind == MAIL_PART_MESSAGE &&
            (i + 1 >= structure->n || parts[i + 1].parent != i ||
             parts[i + 1].after != parts[i].after))
            row_fail(row, "message %u has not got one part", i);
    }
}

static char *
describe(const char *row, const MailStructure *structure)
{
    GString *text;

    if (structure == NULL)
        return NULL;
    check_structure(row, structure);
    text = g_string_new(NULL);
    for (guint i = 1; i < structure->n; i++) {
        g_string_append(text, i > 1 ? " | " : "");
        append_part(text, &structure->parts[i]);
    }
    return g_string_free(text, FALSE);
}

/* ---- as a server tells it ---- */

#define TEXT "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 5 1)"
#define IMAGE "(\"image\" \"png\" NIL NIL NIL \"base64\" 40)"
#define ENVELOPE(subject) "(NIL " subject " NIL NIL NIL NIL NIL NIL NIL NIL)"
#define MESSAGE(subject, body)                                   \
    "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 90 " ENVELOPE( \
        subject) " " body " 9)"

static const struct {
    const char *sent;
    guint64 size;
    const char *parts;
} told_rows[] = {
    {TEXT, 100, "[1] text/plain 5"},
    {"(" TEXT IMAGE " \"MIXED\")", 100,
     "[-] multipart/mixed | [1] text/plain 5 | [2] image/png 40 base64"},
    /* RFC 9051, 6.4.5.1: the message with many parts */
    {"(" TEXT "(\"application\" \"octet-stream\" NIL NIL NIL \"base64\" 40)"
     "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 90 " ENVELOPE(
         "NIL") " (" TEXT
                "(\"application\" \"octet-stream\" NIL NIL NIL \"base64\" 40) "
                "\"mixed\") 9)"
                "(" IMAGE
                "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 90 " ENVELOPE(
                    "NIL") " (" TEXT "(" TEXT "(\"text\" \"html\" NIL NIL NIL "
                           "\"7bit\" 5 1) \"alternative\") \"mixed\") 9) "
                           "\"mixed\") \"mixed\")",
     1000,
     "[-] multipart/mixed | [1] text/plain 5 | [2] application/octet-stream "
     "40 base64 | [3] message/rfc822 90 | [-] multipart/mixed | [3.1] "
     "text/plain 5 | [3.2] application/octet-stream 40 base64 | [4] "
     "multipart/mixed | [4.1] image/png 40 base64 | [4.2] message/rfc822 90 | "
     "[-] multipart/mixed | [4.2.1] text/plain 5 | [4.2.2] "
     "multipart/alternative | [4.2.2.1] text/plain 5 | [4.2.2.2] text/html 5"},
    {MESSAGE("\"=?utf-8?q?=C3=A4?= b\"", TEXT), 200,
     "[1] message/rfc822 90 subject=\303\244 b | [1.1] text/plain 5"},
    {MESSAGE("NIL", MESSAGE("\"a\"", TEXT)), 200,
     "[1] message/rfc822 90 | [1.1] message/rfc822 90 subject=a | "
     "[1.1.1] text/plain 5"},
    /* The types there are, and what is none */
    {"(\"\" \"\" NIL NIL NIL \"7bit\" 5)", 99, "[1] text/plain 5"},
    {"(NIL NIL NIL NIL NIL \"7bit\" 5)", 99, "[1] text/plain 5"},
    {"(\"text\" NIL NIL NIL NIL \"7bit\" 5)", 99, "[1] text/plain 5"},
    {"(\"X-ZIP\" NIL NIL NIL \"7bit\" 5)", 99,
     "[1] application/octet-stream 5"},
    {"(\"a/b\" \"c\" NIL NIL NIL \"7bit\" 5)", 99,
     "[1] application/octet-stream 5"},
    {"(\"a\" \"\303\204\" NIL NIL NIL \"7bit\" 5)", 99,
     "[1] application/octet-stream 5"},
    {"(\"multipart\" \"mixed\" NIL NIL NIL \"7bit\" 5)", 99,
     "[1] text/plain 5"},
    {"(" TEXT " NIL)", 99, "[-] multipart/mixed | [1] text/plain 5"},
    {"(" TEXT "(\"ALTERNATIVE\")" TEXT " \"mixed\")", 99, NULL},
    /* Encodings and dispositions */
    {"(\"a\" \"b\" NIL NIL NIL \"Quoted-Printable\" 5)", 99, "[1] a/b 5 qp"},
    {"(\"a\" \"b\" NIL NIL NIL \"BINARY\" 5)", 99, "[1] a/b 5"},
    {"(\"a\" \"b\" NIL NIL NIL \"x-uuencode\" 5)", 99, "[1] a/b 5 other"},
    {"(\"a\" \"b\" NIL NIL NIL NIL 5)", 99, "[1] a/b 5"},
    {"(\"a\" \"b\" NIL NIL NIL \"7bit\" 5 NIL (\"INLINE\" NIL))", 99,
     "[1] a/b 5 inline"},
    {"(\"a\" \"b\" NIL NIL NIL \"7bit\" 5 NIL (\"form-data\" (\"name\" "
     "\"x\")))",
     99, "[1] a/b 5 attachment"},
    {"(\"a\" \"b\" (\"name\" \"n\") NIL NIL \"7bit\" 5 NIL (\"attachment\" "
     "(\"filename\" \"f\")))",
     99, "[1] a/b 5 attachment name=f"},
    {"(\"a\" \"b\" (\"name\" \"n\") NIL NIL \"7bit\" 5 NIL (\"attachment\" "
     "NIL))",
     99, "[1] a/b 5 attachment name=n"},
    {"(\"text\" \"plain\" (\"format\" \"Flowed\" \"DelSp\" \"Yes\" "
     "\"CHARSET\" \"UTF-8\") \"<a@b>\" NIL \"7bit\" 5 1)",
     99, "[1] text/plain 5 charset=UTF-8 id=a@b flowed delsp"},
    {"(\"text\" \"html\" (\"format\" \"flowed\" \"charset\" \"../../x\") "
     "\"a\" NIL \"7bit\" 5 1)",
     99, "[1] text/html 5 id=a"},
    {"(" TEXT " \"RELATED\" (\"start\" \"<a@b>\" \"boundary\" \"c\"))", 99,
     "[-] multipart/related start=a@b | [1] text/plain 5"},
    /* Nobody looks into a message that is encoded. */
    {"(" TEXT "(\"message\" \"rfc822\" (\"name\" \"a.eml\") NIL NIL \"base64\" "
     "50 " ENVELOPE("NIL") " (" TEXT TEXT " \"mixed\") 9)" IMAGE " \"mixed\")",
     999,
     "[-] multipart/mixed | [1] text/plain 5 | [2] message/rfc822 50 base64 "
     "name=a.eml | [3] image/png 40 base64"},
    /* No part is larger than its message, if that is known. */
    {TEXT, 5, "[1] text/plain 5"},
    {TEXT, 4, NULL},
    {TEXT, 0, "[1] text/plain 5"},
    {"(\"a\" \"b\" NIL NIL NIL \"7bit\" 9223372036854775807)", 0,
     "[1] a/b 9223372036854775807"},
    /* Nothing is in it: Dovecot, of a multipart without its boundary */
    {"((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL "
     "NIL NIL NIL) \"mixed\" NIL NIL NIL NIL)",
     999, NULL},
    {"(\"ALTERNATIVE\" (\"BOUNDARY\" \"b\") NIL NIL)", 999, NULL},
    /* ... and Cyrus */
    {"(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"us-ascii\") NIL NIL \"7BIT\" 0 0 "
     "NIL NIL NIL NIL)",
     999, NULL},
    {MESSAGE("NIL", "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0)"), 200,
     "[1] message/rfc822 90 | [1.1] text/plain 0"},
    {"", 999, NULL},
    {"(\"text\" \"plain\"", 999, NULL},
};

static void
test_told(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(told_rows); i++) {
        const char *sent = told_rows[i].sent;
        g_autofree char *copy = copy_octets(sent, strlen(sent));
        g_autoptr(MailStructure) structure =
            mail_structure_parse(copy, strlen(sent), told_rows[i].size);
        g_autofree char *parts = describe(sent, structure);
        row_string(sent, "what is told", parts, told_rows[i].parts);
        if (structure != NULL && structure->local)
            row_fail(sent, "it is local");
        if (structure != NULL)
            row_number(sent, "size", (gint64)structure->parts[0].octets,
                       (gint64)told_rows[i].size);
    }
    rows_end();
}

/* ---- names, in all the ways there are to write them ---- */

#define HUNDRED                                                  \
    "0123456789012345678901234567890123456789012345678901234567" \
    "890123456789012345678901234567890123456789"

static const struct {
    const char *parameters; /* as in a header */
    const char *told;       /* the same in BODYSTRUCTURE */
    const char *name;
} name_rows[] = {
    {"filename=a.pdf", "\"filename\" \"a.pdf\"", "a.pdf"},
    {"FileName=\"a b.pdf\"", "\"FileName\" \"a b.pdf\"", "a b.pdf"},
    {"filename=\"a\\\"\\\\b.pdf\"", "\"filename\" \"a\\\"\\\\b.pdf\"",
     "a\"\\b.pdf"},
    {"filename=\"  \"", "\"filename\" \"  \"", NULL},
    {"filename=\"\"", "\"filename\" \"\"", NULL},
    /* RFC 2231 */
    {"filename*=utf-8''%C3%A4%20b.pdf",
     "\"filename*\" \"utf-8''%C3%A4%20b.pdf\"", "\303\244 b.pdf"},
    {"filename*=ISO-8859-1'de'%E4.pdf",
     "\"filename*\" \"ISO-8859-1'de'%E4.pdf\"", "\303\244.pdf"},
    {"filename*=ISO-8859-1''%80.pdf", "\"filename*\" \"ISO-8859-1''%80.pdf\"",
     "\342\202\254.pdf"},
    /* iconv knows it, and no mailer does: it is not asked. */
    {"filename*=ibm037''%C1.pdf", "\"filename*\" \"ibm037''%C1.pdf\"",
     "\303\201.pdf"},
    {"filename*=iso-2022-jp''%1B%24B%46%7C%1B%28B.txt",
     "\"filename*\" \"iso-2022-jp''%1B%24B%46%7C%1B%28B.txt\"",
     "\346\227\245.txt"},
    {"filename*0=long; filename*1=\" er\"; filename*2=.pdf",
     "\"filename*0\" \"long\" \"filename*1\" \" er\" \"filename*2\" \".pdf\"",
     "long er.pdf"},
    {"filename*1=b; filename*0=a; filename*10=k; filename*3=d; filename*2=c",
     "\"filename*1\" \"b\" \"filename*0\" \"a\" \"filename*10\" \"k\" "
     "\"filename*3\" \"d\" \"filename*2\" \"c\"",
     "abcd"},
    {"filename*0*=utf-8''%C3; filename*1*=%A4; filename*2=\"%41.pdf\"",
     "\"filename*0*\" \"utf-8''%C3\" \"filename*1*\" \"%A4\" \"filename*2\" "
     "\"%41.pdf\"",
     "\303\244%41.pdf"},
    {"filename*=utf-8''better.pdf; filename=worse.pdf",
     "\"filename*\" \"utf-8''better.pdf\" \"filename\" \"worse.pdf\"",
     "better.pdf"},
    {"filename=worse.pdf; filename*0*=utf-8''bet; filename*1=ter.pdf",
     "\"filename\" \"worse.pdf\" \"filename*0*\" \"utf-8''bet\" "
     "\"filename*1\" \"ter.pdf\"",
     "better.pdf"},
    {"filename*=''a%20b.pdf", "\"filename*\" \"''a%20b.pdf\"", "a b.pdf"},
    {"filename*=a%20b.pdf", "\"filename*\" \"a%20b.pdf\"", "a b.pdf"},
    {"filename*=x-unknown''a%20b", "\"filename*\" \"x-unknown''a%20b\"", "a b"},
    {"filename*=utf-8''%ZZ%4", "\"filename*\" \"utf-8''%ZZ%4\"", "%ZZ%4"},
    {"filename*=utf-8''a%FFb", "\"filename*\" \"utf-8''a%FFb\"",
     "a\357\277\275b"},
    {"filename*=utf-8''a%00b", "\"filename*\" \"utf-8''a%00b\"",
     "a\357\277\275b"},
    {"filename*0=a; filename*0=b; filename*1=c",
     "\"filename*0\" \"a\" \"filename*0\" \"b\" \"filename*1\" \"c\"", "ac"},
    {"filename*1=b", "\"filename*1\" \"b\"", NULL},
    {"filename*4294967296=a", "\"filename*4294967296\" \"a\"", NULL},
    {"filename**=a; filename*x=b; filename*=; filenames=c",
     "\"filename**\" \"a\" \"filename*x\" \"b\" \"filename*\" \"\" "
     "\"filenames\" \"c\"",
     NULL},
    /* Encoded words in quotes: Outlook and Gmail */
    {"filename=\"=?utf-8?B?w6QucGRm?=\"",
     "\"filename\" \"=?utf-8?B?w6QucGRm?=\"", "\303\244.pdf"},
    {"filename=\"=?iso-8859-1?Q?=E4_b=2Epdf?=\"",
     "\"filename\" \"=?iso-8859-1?Q?=E4_b=2Epdf?=\"", "\303\244 b.pdf"},
    {"filename=\"=?utf-8?B?w6Q=?=\r\n =?utf-8?Q?b.pdf?=\"",
     "\"filename\" \"=?utf-8?B?w6Q=?= =?utf-8?Q?b.pdf?=\"", "\303\244b.pdf"},
    {"filename*0=\"=?utf-8?B?w6\"; filename*1=\"QucGRm?=\"",
     "\"filename*0\" \"=?utf-8?B?w6\" \"filename*1\" \"QucGRm?=\"",
     "\303\244.pdf"},
    /* Raw octets */
    {"filename=\"\303\244.pdf\"", "\"filename\" \"\303\244.pdf\"",
     "\303\244.pdf"},
    {"filename=\"\344.pdf\"", "\"filename\" \"\344.pdf\"", "\303\244.pdf"},
    /* The sender's path is the sender's. */
    {"filename=\"../../etc/passwd\"", "\"filename\" \"../../etc/passwd\"",
     "../../etc/passwd"},
    /* Without quotes, without a semicolon, without an end */
    {"filename=a b (1).pdf ; size=3", "\"filename\" \"a b (1).pdf\"",
     "a b (1).pdf"},
    {"filename=\"a b.pdf\" size=3", "\"filename\" \"a b.pdf\"", "a b.pdf"},
    {"filename=\"a b.pdf", "\"filename\" \"a b.pdf\"", "a b.pdf"},
    {"filename=\"a;b\" ; filename=c", "\"filename\" \"a;b\"", "a;b"},
    {"x; ;;= ; =y; filename = a", "\"filename\" \"a\"", "a"},
    {"filename=\"tab\tbed\"", "\"filename\" \"tab bed\"", "tab bed"},
    {"filename=\"folded\r\n\tname\"", "\"filename\" \"folded name\"",
     "folded name"},
};

static char *
name_found(const char *parameters)
{
    g_autofree char *message = g_strconcat("Content-Disposition: attachment; ",
                                           parameters, "\r\n\r\nx", NULL);
    g_autoptr(MailStructure) structure =
        mail_structure_find(message, strlen(message));
    check_structure(parameters, structure);
    return g_strdup(structure->parts[1].name);
}

static char *
name_told(const char *parameters)
{
    g_autofree char *text =
        g_strconcat("(\"a\" \"b\" NIL NIL NIL \"7bit\" 1 NIL (\"attachment\" (",
                    parameters, ")))", NULL);
    g_autoptr(MailStructure) structure =
        mail_structure_parse(text, strlen(text), 0);
    return structure ? g_strdup(structure->parts[1].name) : g_strdup("(none)");
}

static void
test_names(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(name_rows); i++) {
        const char *row = name_rows[i].parameters;
        g_autofree char *found = name_found(row);
        g_autofree char *told = name_told(name_rows[i].told);
        row_string(row, "name, found in the message,", found,
                   name_rows[i].name);
        row_string(row, "name, as told,", told, name_rows[i].name);
    }
    rows_end();
}

/* However long it is, what is kept is short and ends with a character. */
static void
test_long_names(void **state)
{
    static const char *const units[] = {"x", "\303\244", "\360\237\223\247",
                                        "=?utf-8?q?=C3=A4?= ", "\377"};
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(units); i++) {
        g_autoptr(GString) value = g_string_new("filename=\"");
        g_autofree char *name = NULL;
        while (value->len < 100000)
            g_string_append(value, units[i]);
        g_string_append(value, "\"");
        name = name_found(value->str);
        if (name == NULL || strlen(name) > 4096 || strlen(name) < 500 ||
            !g_utf8_validate(name, -1, NULL))
            row_fail(units[i], "the name has %zu octets",
                     name ? strlen(name) : 0);
    }
    rows_end();
}

/* ---- as it is in the message ---- */

#define MIXED(boundary) \
    "Content-Type: multipart/mixed; boundary=" boundary "\r\n\r\n"

static const struct {
    const char *message;
    const char *parts;
} found_rows[] = {
    {"", "[1] text/plain 0"},
    {"Subject: s\r\n\r\nhello\r\n", "[1] text/plain 7"},
    {"Subject: s\r\n", "[1] text/plain 0"},
    {"Subject: s", "[1] text/plain 0"},
    {"\r\nbody", "[1] text/plain 4"},
    {"no header", "[1] text/plain 0"},
    {"Subject: s\n\nbare\n", "[1] text/plain 5"},
    {"Content-Type: TEXT/Html; charset=\"utf-8\"\r\n"
     "Content-Transfer-Encoding: Base64 \r\nContent-ID:\r\n <a@b>\r\n"
     "Content-Disposition: inline; filename=x.html\r\n\r\nQUJD",
     "[1] text/html 4 base64 inline charset=utf-8 name=x.html id=a@b"},
    /* RFC 2045, 5.1 and 5.2 */
    {"Content-type: text/plain; charset=us-ascii (Plain text)\r\n\r\nx",
     "[1] text/plain 1 charset=us-ascii"},
    {"Content-type: (a (b) \\) c) text (d) / plain; "
     "charset=\"us-ascii\"\r\n\r\n",
     "[1] text/plain 0 charset=us-ascii"},
    {"Content-Type: text\r\n\r\nx", "[1] text/plain 1"},
    {"Content-Type:\r\n\r\nx", "[1] text/plain 1"},
    {"Content-Type: X-ZIP\r\n\r\nx", "[1] application/octet-stream 1"},
    {"Content-Type : text/html\r\n\r\nx", "[1] text/html 1"},
    {"Content-Typed: text/html\r\n\r\nx", "[1] text/plain 1"},
    {"Content-Type: a/b\r\nContent-Type: c/d\r\n\r\nx", "[1] a/b 1"},
    {"Content-Type: text/plain; format=flowed; DelSp=yes\r\n\r\nx",
     "[1] text/plain 1 flowed delsp"},
    {"Content-Type: a/b; name=n\r\nContent-Disposition: filename=f\r\n\r\nx",
     "[1] a/b 1 name=f"},
    /* RFC 2046, 5.1.1: the end of a line belongs to the boundary behind it. */
    {MIXED("b") "preamble\r\n--b\r\n\r\none\r\n--b\r\nContent-Type: a/b\r\n\r\n"
                "two\r\n\r\n--b--\r\nepilogue\r\n--b\r\n\r\n",
     "[-] multipart/mixed | [1] text/plain 3 | [2] a/b 5"},
    {MIXED("b") "--b\r\n\r\none\r\n--b", /* no end of the line, no part */
     "[-] multipart/mixed | [1] text/plain 3"},
    {MIXED("b") "--b\r\n\r\none\r\n", "[-] multipart/mixed | [1] text/plain 5"},
    {MIXED("b") "--b\r\n\r\n--b\r\n--b\r\nContent-Type: a/b\r\n--b--",
     "[-] multipart/mixed | [1] text/plain 0 | [2] text/plain 0 | [3] a/b 0"},
    {MIXED("\"b c\"") "--b c \t\r\n\r\none\r\n--b c--x",
     "[-] multipart/mixed | [1] text/plain 3"},
    {"Content-Type: multipart/mixed; boundary*0=b; boundary*1=c\r\n\r\n"
     "--bc\r\n\r\none\r\n--bc--",
     "[-] multipart/mixed | [1] text/plain 3"},
    {MIXED("b") "--b\n\none\n--b\n\ntwo\n--b--\n",
     "[-] multipart/mixed | [1] text/plain 3 | [2] text/plain 3"},
    {MIXED("b") " --b\r\n\r\n-b\r\n\r\nx--b\r\n--b\r\n\r\n",
     "[-] multipart/mixed | [1] text/plain 0"},
    /* A boundary that is the beginning of another */
    {MIXED("b") "--b\r\n" MIXED("bb") "--bb\r\n\r\none\r\n--bb\r\n\r\ntwo\r\n"
                                      "--bb--\r\n--b\r\n\r\nthree\r\n--b--",
     "[-] multipart/mixed | [1] multipart/mixed | [1.1] text/plain 3 | "
     "[1.2] text/plain 3 | [2] text/plain 5"},
    {MIXED("bb") "--bb\r\n" MIXED("b") "--b\r\n\r\none\r\n--bb\r\n\r\ntwo\r\n"
                                       "--b\r\n\r\nno\r\n--bb--",
     "[-] multipart/mixed | [1] multipart/mixed | [1.1] text/plain 3 | "
     "[2] text/plain 14"},
    {MIXED("b--") "--b--\r\n" MIXED("b") "--b\r\n\r\none\r\n--b--\r\n--b----",
     "[-] multipart/mixed | [1] multipart/mixed | [1.1] text/plain 3"},
    {MIXED("b") "--b\r\n" MIXED(
         "b") "--b\r\n\r\none\r\n--b--\r\n--b\r\n\r\ntwo",
     "[-] multipart/mixed | [1] multipart/mixed | [1.1] text/plain 3 | "
     "[2] text/plain 3"},
    /* An inner multipart without its end */
    {MIXED("b") "--b\r\n" MIXED(
         "c") "--c\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--",
     "[-] multipart/mixed | [1] multipart/mixed | [1.1] text/plain 3 | "
     "[2] text/plain 3"},
    /* Messages in messages */
    {"Content-Type: message/rfc822\r\n\r\nSubject: =?utf-8?q?=C3=A4?=\r\n"
     "  folded\r\n\r\nhello",
     "[1] message/rfc822 46 subject=\303\244 folded | [1.1] text/plain 5"},
    {MIXED("b") "--b\r\nContent-Type: message/rfc822\r\n\r\n" MIXED(
         "c") "--c\r\n\r\none\r\n--c\r\n\r\ntwo\r\n--c--\r\n\r\n--b\r\n"
              "Content-Type: message/global\r\n\r\nSubject: \303\244\r\n\r\n"
              "hi\r\n--b--",
     "[-] multipart/mixed | [1] message/rfc822 76 | [-] multipart/mixed | "
     "[1.1] text/plain 3 | [1.2] text/plain 3 | [2] message/global 17 "
     "subject=\303\244 | [2.1] text/plain 2"},
    {MIXED("b") "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: cut\r\n"
                "--b--",
     "[-] multipart/mixed | [1] message/rfc822 14 subject=cut | "
     "[1.1] text/plain 0"},
    {"Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: a"
     "\r\n\r\none\r\n--b\r\nContent-Type: text/plain\r\n\r\ntwo\r\n--b--",
     "[-] multipart/digest | [1] message/rfc822 17 subject=a | [1.1] "
     "text/plain 3 | [2] text/plain 3"},
    {"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n"
     "\r\nU3ViamVjdDogeA==",
     "[1] message/rfc822 16 base64"},
    {"Content-Type: message/delivery-status\r\n\r\nx",
     "[1] message/delivery-status 1"},
    /* Multiparts without parts are text. */
    {"Content-Type: multipart/mixed\r\n\r\nno boundary", "[1] text/plain 11"},
    {MIXED("\"\"") "--\r\n\r\none\r\n----", "[1] text/plain 15"},
    {MIXED("b") "where is it?\r\n", "[1] text/plain 14"},
    {MIXED("b") "--b\r\n" MIXED("c") "nothing\r\n--b\r\n\r\nx\r\n--b--",
     "[-] multipart/mixed | [1] text/plain 7 | [2] text/plain 1"},
    {"Content-Type: multipart/related; start=\"<r@x>\"; boundary=b\r\n\r\n--b"
     "\r\nContent-ID: <r@x>\r\n\r\n--b--",
     "[-] multipart/related start=r@x | [1] text/plain 0 id=r@x"},
    {"Content-Type: multipart/mixed; boundary=b\r\n"
     "Content-Transfer-Encoding: base64\r\n\r\n--b\r\n\r\nx\r\n--b--",
     "[-] multipart/mixed | [1] text/plain 1"},
    /* A boundary that is longer than allowed is still one. */
    {MIXED(HUNDRED) "--" HUNDRED "\r\n\r\nx\r\n--" HUNDRED "--",
     "[-] multipart/mixed | [1] text/plain 1"},
};

/* Parts are where they say; the insides of messages are where their header
 * says. */
static void
check_ranges(const char *row, const MailStructure *structure, gsize length)
{
    for (guint i = 0; i < structure->n; i++) {
        const MailPart *part = &structure->parts[i];
        const MailPart *parent = &structure->parts[part->parent];
        if (part->offset < parent->offset + parent->header_octets * (i > 0) ||
            part->offset + part->octets > parent->offset + parent->octets ||
            part->offset + part->octets > length ||
            part->header_octets > part->octets)
            row_fail(row, "part %u is not inside of its parent's octets", i);
        if (part->kind != MAIL_PART_MESSAGE && part->header_octets > 0)
            row_fail(row, "part %u has a header", i);
    }
}

static void
test_found(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(found_rows); i++) {
        const char *message = found_rows[i].message;
        g_autofree char *copy = copy_octets(message, strlen(message));
        g_autoptr(MailStructure) structure =
            mail_structure_find(copy, strlen(message));
        g_autofree char *parts = describe(message, structure);
        row_string(message, "what is found", parts, found_rows[i].parts);
        row_number(message, "size", (gint64)structure->parts[0].octets,
                   (gint64)strlen(message));
        check_ranges(message, structure, strlen(message));
        if (!structure->local)
            row_fail(message, "it is not local");
    }
    rows_end();
}

/* The octets of each part, which are what BODY[section] is. */
static void
test_octets(void **state)
{
    static const char message[] =
        MIXED("b") "--b\r\nContent-Type: text/plain\r\n\r\none\r\n\r\n--b\r\n"
                   "Content-Type: message/rfc822\r\n\r\nSubject: s\r\n" MIXED(
                       "c") "--c\r\n\r\ntwo\r\n--c--\r\n--b\r\n\r\n--b--\r\n";
    static const char *const wanted[] = {
        message,
        "--b\r\nContent-Type: text/plain\r\n\r\none\r\n\r\n--b\r\n"
        "Content-Type: message/rfc822\r\n\r\nSubject: s\r\n" MIXED(
            "c") "--c\r\n\r\ntwo\r\n--c--\r\n--b\r\n\r\n--b--\r\n",
        "one\r\n",
        /* The last CRLF is of the boundary that ends it. */
        "Subject: s\r\n" MIXED("c") "--c\r\n\r\ntwo\r\n--c--\r\n",
        "--c\r\n\r\ntwo\r\n--c--\r\n",
        "two",
        "",
    };
    g_autoptr(MailStructure) structure =
        mail_structure_find(message, strlen(message));

    (void)state;
    assert_int_equal(structure->n, G_N_ELEMENTS(wanted));
    for (guint i = 0; i < structure->n; i++) {
        const MailPart *part = &structure->parts[i];
        g_autofree char *octets =
            g_strndup(message + part->offset, part->octets);
        row_string(part->section ? part->section : "-", "octets", octets,
                   wanted[i]);
    }
    row_number("message", "header", (gint64)structure->parts[0].header_octets,
               strlen(MIXED("b")));
    row_number("2", "header", (gint64)structure->parts[3].header_octets,
               strlen("Subject: s\r\n" MIXED("c")));
    rows_end();
}

/* ---- attachments ---- */

#define PART(type, more) "--b\r\nContent-Type: " type "\r\n" more "\r\nx\r\n"
#define ATTACHED "Content-Disposition: attachment\r\n"
#define INLINE "Content-Disposition: inline; filename=x\r\n"

static const struct {
    const char *message;
    const char *attachments; /* their sections */
} attachment_rows[] = {
    {"\r\nx", ""},
    {"Content-Type: application/pdf\r\n\r\nx", ""},
    {"Content-Type: application/pdf; name=x\r\n\r\nx", "1"},
    {"Content-Type: text/plain; name=x\r\n\r\nx", ""},
    {"Content-Type: text/plain; name=x\r\n" ATTACHED "\r\nx", "1"},
    {MIXED("b") PART("text/plain", "") PART("image/png", ATTACHED)
         PART("image/png", INLINE) PART("image/png", ""),
     "2 3"},
    {MIXED("b") PART("text/plain", INLINE) PART("text/plain", INLINE)
         PART("text/plain", "") PART("text/html", ATTACHED),
     "2 4"},
    {MIXED("b") PART("text/plain", ATTACHED), "1"},
    {"Content-Type: multipart/alternative; boundary=b\r\n\r\n" PART(
         "text/plain", INLINE) PART("text/html", INLINE)
         PART("text/calendar", INLINE) PART("text/html", ATTACHED),
     "3 4"},
    {MIXED("b") PART("text/plain", "") PART("message/rfc822", "")
         PART("message/rfc822", ATTACHED),
     "3"},
    /* What is attached to one that is attached */
    {MIXED("b") "--b\r\nContent-Type: message/rfc822\r\n" ATTACHED "\r\n"
                "Content-Type: image/png; name=x\r\n\r\nx\r\n--b--",
     "1 1.1"},
};

static void
test_attachments(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(attachment_rows); i++) {
        const char *message = attachment_rows[i].message;
        g_autoptr(GString) sections = g_string_new(NULL);
        g_autoptr(MailStructure) structure =
            mail_structure_find(message, strlen(message));
        for (guint part = 0; part < structure->n; part++) {
            if (mail_structure_is_attachment(structure, part))
                g_string_append_printf(sections, "%s%s",
                                       sections->len > 0 ? " " : "",
                                       structure->parts[part].section);
        }
        row_string(message, "what is attached", sections->str,
                   attachment_rows[i].attachments);
    }
    rows_end();
}

/* ---- hostile messages: as many octets, as few seconds ---- */

static const struct {
    const char *what;
    const char *before, *part, *after;
    guint n;
    guint parts; /* that are found at least */
} hostile_rows[] = {
    {"parts", MIXED("b"), "--b\r\n\r\nx\r\n", "--b--", 100000, MAIL_PARTS_MAX},
    {"empty parts", MIXED("b"), "--b\r\n", "", 1000000, MAIL_PARTS_MAX},
    {"messages", MIXED("b"), "--b\r\nContent-Type: message/rfc822\r\n\r\n", "",
     100000, MAIL_PARTS_MAX - 1},
    {"a boundary that grows", MIXED("b"), "--bb\r\n" MIXED("bbb"), "", 100000,
     IMAP_DEPTH_MAX},
    {"messages in messages", "", "Content-Type: message/rfc822\r\n\r\n", "",
     100000, IMAP_DEPTH_MAX},
    {"multiparts in multiparts", MIXED("b"), "--b\r\n" MIXED("b"), "", 100000,
     IMAP_DEPTH_MAX},
    {"digests", "Content-Type: multipart/digest; boundary=b\r\n\r\n",
     "--b\r\nContent-Type: multipart/digest; boundary=b\r\n\r\n", "", 100000,
     IMAP_DEPTH_MAX},
    {"fields", "", "Content-Type: text/plain\r\n", "\r\n", 500000, 2},
    {"a folded field", "Content-Type: a/b", ";\r\n x=y", "\r\n\r\n", 1000000,
     2},
    {"parameters", "Content-Type: a/b", "; name*0=y", "\r\n\r\n", 1000000, 2},
    {"comments", "Content-Type: ", "(", "\r\n\r\n", 5000000, 2},
    {"quotes", "Content-Type: a/b; name=\"", "\\\"", "\"\r\n\r\n", 2000000, 2},
    {"a subject", "Content-Type: message/rfc822\r\n\r\nSubject: ",
     "=?utf-8?q?x?= ", "\r\n\r\n", 500000, 3},
    {"lines that begin like a boundary", MIXED("bbbbbbbb"), "--bbbb\r\n", "",
     1000000, 2},
    {"dashes", MIXED("b"), "--\r\n", "", 1000000, 2},
    {"one line", MIXED("b"), "--", "", 5000000, 2},
};

static void
test_hostile(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(hostile_rows); i++) {
        const char *what = hostile_rows[i].what;
        g_autoptr(GString) message = g_string_new(hostile_rows[i].before);
        g_autoptr(MailStructure) structure = NULL;
        double before;
        double used;

        for (guint n = 0; n < hostile_rows[i].n; n++)
            g_string_append(message, hostile_rows[i].part);
        g_string_append(message, hostile_rows[i].after);
        before = cpu_seconds();
        structure = mail_structure_find(message->str, message->len);
        used = cpu_seconds() - before;
        check_structure(what, structure);
        check_ranges(what, structure, message->len);
        if (used > 5)
            row_fail(what, "took %.1f seconds", used);
        if (structure->n < hostile_rows[i].parts)
            row_fail(what, "has %u parts", structure->n);
    }
    rows_end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_told),       cmocka_unit_test(test_names),
        cmocka_unit_test(test_long_names), cmocka_unit_test(test_found),
        cmocka_unit_test(test_octets),     cmocka_unit_test(test_attachments),
        cmocka_unit_test(test_hostile),
    };
    rows_begin_program();
    g_mime_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
