/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include <gmime/gmime.h>

#include "mail/text.h"

/* The text of MESSAGE, taken apart as it stands. */
static char *
text_of(const char *message, gsize length)
{
    g_autoptr(MailStructure) structure = mail_structure_find(message, length);
    g_autoptr(GArray) pieces = mail_text_pieces(structure);
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < pieces->len; i++) {
        const MailTextPiece *piece = &g_array_index(pieces, MailTextPiece, i);
        const MailPart *part = &structure->parts[piece->part];
        guint64 octets = piece->header ? part->header_octets : part->octets;
        gsize n = (gsize)MIN(octets, MAIL_TEXT_PART_MAX);
        g_autofree char *copy = copy_octets(message + part->offset, n);

        mail_text_append(text, structure, piece, copy, n);
        if (text->len > 0 && text->str[text->len - 1] != '\n')
            row_fail(message, "does not end with LF behind a piece");
    }
    mail_text_end(text, structure);
    return g_string_free(text, FALSE);
}

/* ---- whole messages; lines end with LF here and with CRLF there ---- */

#define TYPE(type) "Content-Type: " type "\n"
#define MULTIPART(type) TYPE("multipart/" type "; boundary=x")
#define PART(type, body) "--x\n" TYPE(type) "\n" body "\n"
#define ATTACHED "Content-Disposition: attachment"

static const struct {
    const char *name;
    const char *message;
    const char *text;
} rows[] = {
    {"no header, no text", "", "\n"},
    {"plain",
     "From: a@x\nTo: b@x\nSubject: s\nX-Other: o\nDate: d\nCc: c@x\n\nHello\n",
     "From: a@x\nTo: b@x\nCc: c@x\nDate: d\nSubject: s\n\nHello\n"},
    {"encoded header",
     "subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n an\nFROM:=?iso-8859-1?b?6Q==?=\n"
     "To: \nCc:\n\nx",
     "From: \303\251\nSubject: Gr\303\274\303\237e an\n\nx\n"},
    {"a header alone", "Subject: s\n\n", "Subject: s\n\n"},
    {"a text alone", "\nx\n", "x\n"},
    {"blank lines behind", "Subject: s\n\nx\n\n  \n\n", "Subject: s\n\nx\n"},
    {"charset and encoding",
     TYPE("text/plain; charset=iso-8859-2") "Content-Transfer-Encoding: "
                                            "quoted-printable\n\n=B9=\nx\n",
     "\305\241x\n"},
    {"base64",
     TYPE("text/plain; charset=utf-8") "Content-Transfer-Encoding: "
                                       "base64\n\naGVsbG8NCndvcmxk\n",
     "hello\nworld\n"},
    {"html", TYPE("text/html") "\n<p>a<p>b", "a\n\nb\n"},
    {"html that tells its charset",
     TYPE("text/html") "\n<meta charset=\"koi8-r\"><p>\320", "\320\277\n"},
    {"html that tells another",
     TYPE("text/html; charset=utf-8") "\n<meta charset=koi8-r><p>\303\251",
     "\303\251\n"},
    {"html that tells nonsense",
     TYPE("text/html") "\n<meta charset=utf-16><p>\303\251", "\303\251\n"},
    {"empty html", TYPE("text/html") "\n", "\n"},
    {"other text", TYPE("text/csv") "\na,b\n", "a,b\n"},

    {"alternative",
     MULTIPART("alternative") "\n" PART("text/plain", "plain")
         PART("text/html", "<b>html") "--x--\n",
     "plain\n"},
    {"alternative the other way round",
     MULTIPART("alternative") "\n" PART("text/html", "<b>html")
         PART("text/plain", "plain") "--x--\n",
     "plain\n"},
    {"alternative with nothing in one",
     MULTIPART("alternative") "\n" PART("text/plain", "\n")
         PART("text/html", "<b>html") "--x--\n",
     "html\n"},
    {"alternative without a plain one",
     MULTIPART("alternative") "\n" PART("text/calendar", "BEGIN:VCALENDAR")
         PART("text/html", "<b>html") "--x--\n",
     "html\n"},
    {"alternative of others",
     MULTIPART("alternative") "\n" PART("image/png", "x")
         PART("text/calendar", "BEGIN:VCALENDAR") "--x--\n",
     "BEGIN:VCALENDAR\n"},
    {"alternative with related",
     MULTIPART("alternative") "\n" PART("text/plain", "") "--x\n" TYPE(
         "multipa"
         "rt/"
         "related"
         "; "
         "boundar"
         "y=y") "\n--y\n" TYPE("text/html") "\n<b>html\n--"
                                            "y\n" TYPE(
                                                "image/"
                                                "png") "\nx\n--y--\n--x--"
                                                       "\n",
     "html\n"},
    {"alternative with plain text in mixed",
     MULTIPART("alternative") "\n" PART("text/html", "<b>html") "--x\n" TYPE(
         "multipart/mixed; boundary=y") "\n--y\n" TYPE("text/plain") "\nplain\n"
                                                                     "--"
                                                                     "y\n" TYPE(
                                                                         "image"
                                                                         "/png")
                                                                         ATTACHED
     "; filename=a.png\n\nx\n--y--\n--x--\n",
     "plain\n\n[attachment: a.png, image/png, 1 octets]\n"},

    {"mixed",
     "Subject: s\n" MULTIPART("mixed") "\n" PART(
         "text/plain", "one") "--x\n" TYPE("application/pdf") ATTACHED
     "; filename=\"a b.pdf\"\n\n"
     "%PDF\n" PART("text/html", "two<br>")
         PART("text/markdown", "# three") "--x--\n",
     "Subject: s\n\none\n\ntwo\n\n# three\n\n"
     "[attachment: a b.pdf, application/pdf, 4 octets]\n"},
    {"attached text",
     MULTIPART("mixed") "\n" PART("text/plain",
                                  "one") "--x\n" TYPE("text/plain") ATTACHED
     "\n\ntwo\n"
     "--x\n" TYPE("text/plain; name=t.txt") "\nthree\n--x--\n",
     "one\n\n[attachment: text/plain, 3 octets]\n"
     "[attachment: t.txt, text/plain, 5 octets]\n"},
    {"related",
     TYPE("multipart/related; boundary=x; start=\"<r>\"") "\n" PART(
         "image/png",
         "x") "--x\nContent-ID: <r>\n" TYPE("text/html") "\nroot\n--x--\n",
     "root\n"},
    {"related without a start",
     MULTIPART("related") "\n" PART("text/html", "root")
         PART("text/html", "other") "--x--\n",
     "root\n"},
    {"signed",
     MULTIPART("signed") "\n" PART("text/plain", "text")
         PART("application/pgp-signature; name=signature.asc", "x") "--x--\n",
     "text\n\n"
     "[attachment: signature.asc, application/pgp-signature, 1 octets]\n"},
    {"encrypted",
     "Subject: s\n" MULTIPART("encrypted") "\n" PART(
         "application/pgp-encrypted", "Version: 1")
         PART("application/octet-stream; name=encrypted.asc", "x") "--x--\n",
     "Subject: s\n\n[encrypted]\n"},
    {"digest",
     "Subject: s\n" MULTIPART("digest") "\n--x\n\nSubject: a\n\none\n"
                                        "--x\n\nSubject: b\n\ntwo\n--x--\n",
     "Subject: s\n\n-----\nSubject: a\n\none\n\n-----\nSubject: b\n\ntwo\n"},
    {"report",
     "Subject: s\n" MULTIPART("report; report-type=delivery-status") "\n" PART(
         "text/plain", "It failed.")
         PART("message/delivery-status", "Reporting-MTA: dns; x")
             PART("text/rfc822-headers", "Subject: was") "--x--\n",
     "Subject: s\n\nIt failed.\n\nReporting-MTA: dns; x\n\nSubject: was\n"},
    {"forwarded",
     "Subject: s\n" MULTIPART("mixed") "\n" PART("text/plain", "See:")
         PART("message/rfc822", "Subject: inner\n\ntext") "--x--\n",
     "Subject: s\n\nSee:\n\n-----\nSubject: inner\n\ntext\n"},
    {"attached message",
     MULTIPART("mixed") "\n" PART("text/plain", "See:") "--x\n" TYPE(
         "message/rfc822") ATTACHED "\n\n"
                                    "Subject: inner\n\ntext\n--x--\n",
     "See:\n\n[attachment: inner, message/rfc822, 22 octets]\n"},
    {"nothing but an attachment", "Subject: s\n" TYPE("application/pdf") "\nx",
     "Subject: s\n\n[attachment: application/pdf, 1 octets]\n"},
    {"a name that would be a line of its own",
     MULTIPART("mixed") "\n--x\n" TYPE("application/pdf") ATTACHED
     "; filename*=utf-8''a%0Ab%1B%E2%80%A8c\n\nx\n--x--\n",
     "[attachment: a b  c, application/pdf, 1 octets]\n"},

    {"flowed",
     TYPE("text/plain; format=flowed") "\nOne paragraph \nthat goes "
                                       "\non.\n\nAnother\nfixed\n",
     "One paragraph that goes on.\n\nAnother\nfixed\n"},
    {"flowed, spaces deleted",
     TYPE("text/plain; format=flowed; delsp=yes") "\nOne par \nagraph\n",
     "One paragraph\n"},
    {"flowed, quoted",
     TYPE("text/plain; format=flowed") "\n> a \n> b\n>> c \n>> d \n> e\n>\nf "
                                       "\n> g\n",
     "> a b\n>> c d \n> e\n>\nf \n> g\n"},
    {"flowed, stuffed",
     TYPE("text/plain; format=flowed") "\n >a\n  b\n From c\n>  d\n",
     ">a\n b\nFrom c\n>  d\n"},
    {"flowed, signed",
     TYPE("text/plain; format=flowed") "\na \n-- \nb \nc\n> -- \n> d\n",
     "a \n-- \nb c\n> -- \n> d\n"},
    {"not flowed", "\na \nb\n", "a \nb\n"},
};

static void
test_messages(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GString) message = g_string_new(rows[i].message);
        g_autofree char *text = NULL;
        g_string_replace(message, "\n", "\r\n", 0);
        text = text_of(message->str, message->len);
        row_string(rows[i].name, "the text", text, rows[i].text);
        if (!g_str_has_suffix(text, "\n"))
            row_fail(rows[i].name, "does not end with LF");
    }
    rows_end();
}

/* ---- what the server tells, with nothing behind it ---- */

static const struct {
    const char *name;
    const char *bodystructure;
    const char *pieces;
} piece_rows[] = {
    {"one part", "(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 10 1)", "0h 1"},
    {"an attachment only",
     "(\"IMAGE\" \"PNG\" (\"NAME\" \"a.png\") NIL NIL \"BASE64\" 10)", "0h"},
    {"alternative, the first of which has no octets",
     "((\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 0 0)"
     "(\"TEXT\" \"HTML\" NIL NIL NIL \"7BIT\" 10 1) \"ALTERNATIVE\")",
     "0h 3"},
    {"a status with a name",
     "((\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 5 1)(\"MESSAGE\" "
     "\"DELIVERY-STATUS\" (\"NAME\" \"details.txt\") NIL NIL \"7BIT\" 5)"
     " \"REPORT\")",
     "0h 2 3"},
};

static void
test_pieces(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(piece_rows); i++) {
        const char *told = piece_rows[i].bodystructure;
        g_autoptr(MailStructure) structure =
            mail_structure_parse(told, strlen(told), 1000);
        g_autoptr(GArray) pieces =
            structure ? mail_text_pieces(structure) : NULL;
        g_autoptr(GString) got = g_string_new(NULL);

        for (guint n = 0; pieces != NULL && n < pieces->len; n++) {
            MailTextPiece piece = g_array_index(pieces, MailTextPiece, n);
            g_string_append_printf(got, "%s%u%s", n > 0 ? " " : "", piece.part,
                                   piece.header ? "h" : "");
        }
        row_string(piece_rows[i].name, "what is read", got->str,
                   piece_rows[i].pieces);
    }
    rows_end();
}

static void
test_cut(void **state)
{
    g_autoptr(GString) message = g_string_new("Subject: s\r\n\r\n");
    g_autofree char *text = NULL;
    gsize begin = message->len;
    (void)state;

    while (message->len - begin < MAIL_TEXT_PART_MAX + 4)
        g_string_append(message, "word\r\n");
    text = text_of(message->str, message->len);
    assert_true(g_str_has_prefix(text, "Subject: s\n\nword\nword\n"));
    assert_true(g_str_has_suffix(
        text, "word\nword\n[cut: 4194304 of 4194312 octets are shown]\n"));
}

/* Deeper than anybody would read; it ends, and what is above is there. */
static void
test_deep(void **state)
{
    static const char *const types[] = {"message/rfc822", "multipart/mixed",
                                        "multipart/alternative"};
    (void)state;
    for (guint t = 0; t < G_N_ELEMENTS(types); t++) {
        g_autoptr(GString) message = g_string_new("Subject: s\r\n");
        g_autofree char *text = NULL;
        for (guint i = 0; i < 3000; i++)
            g_string_append_printf(message,
                                   "Content-Type: %s; boundary=b%u\r\n\r\n%s",
                                   types[t], i, t > 0 ? "--b" : "");
        text = text_of(message->str, message->len);
        if (!g_str_has_prefix(text, "Subject: s\n"))
            row_fail(types[t], "has no header");
    }
    rows_end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_deep),
    };
    rows_begin_program();
    g_mime_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
