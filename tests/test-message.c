/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include <gmime/gmime.h>

#include "mail/message.h"

enum { FIELD_MAX = 400 }; /* as in mail/message.c */

static MailMessage
pack(const char *header, gsize length)
{
    g_autofree char *data = copy_octets(header, length);
    return (MailMessage){.fields =
                             mail_message_pack(data, length, NULL, 0, NULL, 0)};
}

/* ---- headers ---- */

static const struct {
    const char *name;
    const char *header;
    gsize length;
    const char *from;
    const char *subject;
} header_rows[] = {
    {"plain",
     OCTETS("From: Alice <alice@example.org>\r\nSubject: Hello\r\n\r\n"),
     "Alice <alice@example.org>", "Hello"},
    {"none of the fields", OCTETS("\r\n"), "", ""},
    {"NIL, or nothing", OCTETS(""), "", ""},
    {"case of names", OCTETS("FROM: a\r\nsubject: b\r\n\r\n"), "a", "b"},
    {"no blank behind the colon", OCTETS("From:a\r\nSubject:b\r\n\r\n"), "a",
     "b"},
    {"many blanks", OCTETS("Subject:   a  \t b   \r\n\r\n"), "", "a b"},
    {"empty fields", OCTETS("From:\r\nSubject: \r\n\r\n"), "", ""},
    {"bare LF", OCTETS("From: a\nSubject: b\n\n"), "a", "b"},
    {"no line end", OCTETS("Subject: b"), "", "b"},
    {"folded", OCTETS("Subject: a\r\n b\r\n\tc\r\nFrom: d\r\n\r\n"), "d",
     "a b c"},
    {"folded at once", OCTETS("Subject:\r\n a\r\n\r\n"), "", "a"},
    {"folded to nothing", OCTETS("Subject: a\r\n \r\n b\r\n\r\n"), "", "a b"},
    {"twice: the first", OCTETS("Subject: a\r\nSubject: b\r\n\r\n"), "", "a"},
    {"a name that begins like ours",
     OCTETS("Subjects: a\r\nFromage: b\r\n\r\n"), "", ""},
    {"colon in a value", OCTETS("Subject: Re: a: b\r\n\r\n"), "", "Re: a: b"},
    {"an empty line first (CVE-2021-44143)", OCTETS("\r\nSubject: a\r\n"), "",
     "a"},
    {"NUL", OCTETS("Subject: a\0b\r\n\r\n"), "", "ab"},
    {"control characters", OCTETS("Subject: a\033[2J\ab\177\r\n\r\n"), "",
     "a_[2J_b_"},
    {"bare CR", OCTETS("Subject: a\rFrom: b\r\n\r\n"), "", "a From: b"},

    {"quoted-printable word",
     OCTETS("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"), "",
     "Gr\303\274\303\237e"},
    {"base64 word", OCTETS("Subject: =?UTF-8?B?R3LDvMOfZQ==?=\r\n"), "",
     "Gr\303\274\303\237e"},
    {"Latin-1 word", OCTETS("Subject: =?iso-8859-1?q?Gr=FC=DFe?=\r\n"), "",
     "Gr\303\274\303\237e"},
    {"underscore", OCTETS("Subject: =?utf-8?q?a_b?=\r\n"), "", "a b"},
    {"two words", OCTETS("Subject: =?utf-8?q?a?= =?utf-8?q?b?=\r\n"), "", "ab"},
    {"two words, folded",
     OCTETS("Subject: =?utf-8?q?a?=\r\n =?utf-8?q?b?=\r\n"), "", "ab"},
    {"a character cut between words",
     OCTETS("Subject: =?utf-8?q?a=C3?= =?utf-8?q?=BC?=\r\n"), "", "a\303\274"},
    {"a name in a word",
     OCTETS("From: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>\r\n"),
     "J\303\266rg <joerg@example.org>", ""},
    {"ISO-2022-JP", OCTETS("Subject: =?ISO-2022-JP?B?GyRCRnxLXBsoQg==?=\r\n"),
     "", "\346\227\245\346\234\254"},
    {"a charset nobody knows", OCTETS("Subject: =?x-none?q?abc?=\r\n"), "",
     "abc"},
    {"a word without end", OCTETS("Subject: =?utf-8?q?abc\r\n"), "",
     "=?utf-8?q?abc"},
    {"newline in a word", OCTETS("Subject: =?utf-8?q?a=0D=0Ab?=\r\n"), "",
     "a__b"},
    {"a slash in a word", OCTETS("Subject: =?utf-8?q?..=2F..=2Fetc?=\r\n"), "",
     "../../etc"},

    {"8-bit in a header: UTF-8", OCTETS("Subject: Gr\303\274\303\237e\r\n"), "",
     "Gr\303\274\303\237e"},
};

static void
test_headers(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(header_rows); i++) {
        const char *name = header_rows[i].name;
        MailMessage message =
            pack(header_rows[i].header, header_rows[i].length);
        row_string(name, "From", mail_message_field(&message, MAIL_FIELD_FROM),
                   header_rows[i].from);
        row_string(name, "Subject",
                   mail_message_field(&message, MAIL_FIELD_SUBJECT),
                   header_rows[i].subject);
        g_free(message.fields);
    }
    rows_end();
}

/* Which characters come of these is for the decoder to say. */
static const struct {
    const char *name;
    const char *header;
    gsize length;
} odd_rows[] = {
    {"8-bit in a header: Latin-1", OCTETS("Subject: Gr\374\337e\r\n")},
    {"8-bit in a header: all of it",
     OCTETS("Subject: \200\201\202\376\377\r\n")},
    {"8-bit in a word", OCTETS("Subject: =?utf-8?q?\374?=\r\n")},
    {"invalid UTF-8 in a word", OCTETS("Subject: =?utf-8?q?=FF=C3?=\r\n")},
    {"surrogate in a word", OCTETS("Subject: =?utf-8?q?=ED=A0=80?=\r\n")},
    {"NUL in a word", OCTETS("Subject: =?utf-8?q?a=00b?=\r\n")},
    {"base64 that is none", OCTETS("Subject: =?utf-8?b?####?=\r\n")},
    {"UTF-7 word", OCTETS("Subject: =?utf-7?q?+AAAAAA-?=\r\n")},
    {"UTF-16 word", OCTETS("Subject: =?utf-16?b?2D3c5wAA?=\r\n")},
    {"empty charset", OCTETS("Subject: =?\?\?=\r\n")},
    {"no encoding", OCTETS("Subject: =?utf-8??abc?=\r\n")},
    {"language (RFC 2231)", OCTETS("Subject: =?utf-8*de?q?abc?=\r\n")},
    {"escape sequence left open",
     OCTETS("Subject: =?ISO-2022-JP?B?GyRCRnxL?=\r\n")},
    {"format directives as charset", OCTETS("Subject: =?%s%n?q?a?=\r\n")},
    {"question marks", OCTETS("Subject: =?=?=?=?=?=?=?=?\r\n")},
};

static void
assert_fit(const char *row, const MailMessage *message)
{
    for (guint f = 0; f < MAIL_N_FIELDS; f++) {
        const char *field = mail_message_field(message, (MailField)f);
        if (!g_utf8_validate(field, -1, NULL))
            row_fail(row, "field %u is no UTF-8", f);
        if (strlen(field) > FIELD_MAX)
            row_fail(row, "field %u has %zu octets", f, strlen(field));
        for (const char *at = field; *at != '\0'; at++) {
            if ((guchar)*at < 0x20 || *at == 0x7f)
                row_fail(row, "field %u has %#x in it", f, (guint)*at);
        }
    }
}

static void
test_odd_headers(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(odd_rows); i++) {
        MailMessage message = pack(odd_rows[i].header, odd_rows[i].length);
        assert_fit(odd_rows[i].name, &message);
        g_free(message.fields);
    }
    rows_end();
}

/* ---- length ---- */

static void
test_long_values(void **state)
{
    static const char *const units[] = {
        "x",
        "\303\274",
        "\346\227\245",
        "\360\237\223\247",
        "=?utf-8?q?=C3=BC?= ",
        "\r\n ",
        "\r\n x",
        "\377",
        "=?",
        "\t",
        "=?utf-8?q?",
    };
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(units); i++) {
        for (guint shift = 0; shift < 4; shift++) {
            g_autoptr(GString) header = g_string_new("Message-ID: <x>\r\n");
            g_autofree char *row = g_strdup_printf("unit %u, %u", i, shift);
            MailMessage message;
            g_string_append(header, "Subject: ");
            for (guint n = 0; n < shift; n++)
                g_string_append_c(header, 'x');
            for (guint n = 0; n < 5000; n++)
                g_string_append(header, units[i]);
            g_string_append(header, "\r\nFrom: a\r\n\r\n");
            message = pack(header->str, header->len);
            assert_fit(row, &message);
            row_string(row, "From",
                       mail_message_field(&message, MAIL_FIELD_FROM), "a");
            g_free(message.fields);
        }
    }
    rows_end();
}

/* mutt CVE-2021-3181 and a header of many megabytes. */
static void
test_bombs(void **state)
{
    static const struct {
        const char *head;
        const char *unit;
    } bomb_rows[] = {
        {"From: ", ";"},
        {"From: a", "\r\n "},
        {"From: a", "\r\n"},
        {"", "From: a\r\n"},
        {"", "X: y\r\n"},
        {"From: ", "("},
        {"From: ", "=?utf-8?q?a?= "},
        {"From: ", "\""},
        {"", "\n"},
        {"", "\r"},
        {"From: ", "<"},
        {"From: ", " "},
    };
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(bomb_rows); i++) {
        g_autoptr(GString) header = g_string_new(bomb_rows[i].head);
        g_autofree char *author = NULL;
        double start;
        MailMessage message;
        for (guint n = 0; n < 1000000; n++)
            g_string_append(header, bomb_rows[i].unit);
        start = cpu_seconds();
        message = pack(header->str, header->len);
        assert_fit(bomb_rows[i].unit, &message);
        author = mail_message_author(&message);
        if (cpu_seconds() - start > 5)
            row_fail(bomb_rows[i].unit, "took %.1f s", cpu_seconds() - start);
        g_free(message.fields);
    }
    rows_end();
}

/* ---- all fields ---- */

static void
test_fields(void **state)
{
    static const char header[] = "Message-Id: <1@example.org>\r\n"
                                 "Subject: s\r\n"
                                 "To: Bob <bob@example.org>,\r\n carol\r\n"
                                 "From: f\r\n\r\n";
    static const char *const wanted[MAIL_N_FIELDS] = {
        "f", "Bob <bob@example.org>, carol", "s", "<1@example.org>", "M1",
        "T2"};
    MailMessage message = {
        .fields = mail_message_pack(OCTETS(header), "M1x", 2, "T2x", 2)};
    (void)state;
    for (guint f = 0; f < MAIL_N_FIELDS; f++)
        assert_string_equal(mail_message_field(&message, (MailField)f),
                            wanted[f]);
    g_free(message.fields);
}

/* Packing keeps no state from one message to the next. */
static void
test_no_leftovers(void **state)
{
    MailMessage one = pack(OCTETS("From: a\r\nSubject: b\r\nTo: c\r\n\r\n"));
    MailMessage other = pack(OCTETS("To: d\r\n\r\n"));
    (void)state;
    assert_string_equal(mail_message_field(&other, MAIL_FIELD_FROM), "");
    assert_string_equal(mail_message_field(&other, MAIL_FIELD_SUBJECT), "");
    assert_string_equal(mail_message_field(&other, MAIL_FIELD_TO), "d");
    assert_string_equal(mail_message_field(&one, MAIL_FIELD_TO), "c");
    g_free(one.fields);
    g_free(other.fields);
}

/* No header, and neither id. */
static void
test_nothing(void **state)
{
    MailMessage message = {.fields =
                               mail_message_pack("", 0, NULL, 0, NULL, 0)};
    (void)state;
    for (guint f = 0; f < MAIL_N_FIELDS; f++)
        assert_string_equal(mail_message_field(&message, (MailField)f), "");
    g_free(message.fields);
}

/* ---- authors ---- */

static const struct {
    const char *from;
    const char *author;
} author_rows[] = {
    {"Alice <alice@example.org>", "Alice"},
    {"\"Doe, John\" <john@example.org>", "Doe, John"},
    {"\"John \\\"Joe\\\" Doe\" <john@example.org>", "John \"Joe\" Doe"},
    {"alice@example.org", "alice@example.org"},
    {"<alice@example.org>", "alice@example.org"},
    {"  <alice@example.org>", "alice@example.org"},
    {"\"\" <alice@example.org>", "alice@example.org"},
    {"alice@example.org (Alice)", "Alice"},
    {"alice@example.org ()", "alice@example.org ()"},
    {"alice@example.org (", "alice@example.org ("},
    {"alice@example.org )(", "alice@example.org )("},
    {"", ""},
    {"<>", ""},
    {"<", ""},
    {"<alice", "alice"},
    {">", ">"},
    {"><", ">"},
    {"Alice", "Alice"},
    {"\\", "\\"},
    {"\\<a>", "\\"},
    {"J\303\266rg <j@example.org>", "J\303\266rg"},
    {"A <a@example.org>, B <b@example.org>", "A"},
    {"undisclosed-recipients:;", "undisclosed-recipients:;"},
};

static void
test_authors(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(author_rows); i++) {
        g_autofree char *fields = g_strdup(author_rows[i].from);
        MailMessage message = {.fields = fields};
        g_autofree char *author = mail_message_author(&message);
        row_string(author_rows[i].from, "author", author,
                   author_rows[i].author);
    }
    rows_end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers),      cmocka_unit_test(test_odd_headers),
        cmocka_unit_test(test_long_values),  cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_fields),       cmocka_unit_test(test_authors),
        cmocka_unit_test(test_no_leftovers), cmocka_unit_test(test_nothing),
    };
    rows_begin_program();
    g_mime_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
