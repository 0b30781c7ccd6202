/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include <stdio.h>

#include "base/error.h"
#include "imap/capability.h"
#include "mail/criteria.h"

#define NOW 1793880000 /* 5 November 2026, 12:00 UTC */

/* Pieces with "|" between them: the octets that go out. */
static char *
wire_of(const MailCriteria *criteria, guint capabilities, GError **error)
{
    g_autoptr(ImapCommand) command = imap_command_new("S");
    GString *all;

    if (!mail_criteria_add_to(criteria, command, capabilities, error))
        return NULL;
    all = g_string_new(NULL);
    for (guint i = 0; i < imap_command_n_pieces(command); i++)
        g_string_append_printf(all, "%s%s", i > 0 ? "|" : "",
                               imap_command_piece(command, i)->str);
    return g_string_free(all, FALSE);
}

/* ---- what is understood ---- */

static const struct {
    const char *query;
    const char *wire; /* behind "S " */
} rows[] = {
    /* Keys of IMAP. */
    {"ALL", "ALL"},
    {"FROM alice SINCE 1-Nov-2026", "FROM \"alice\" SINCE 1-Nov-2026"},
    {"YOUNGER 86400", "YOUNGER 86400"},
    {"OLDER 1", "OLDER 1"},
    {"TEXT \"quarterly report\"", "TEXT \"quarterly report\""},
    {"BCC a CC b TO c BODY d SUBJECT e",
     "BCC \"a\" CC \"b\" TO \"c\" BODY \"d\" SUBJECT \"e\""},
    {"ANSWERED DELETED DRAFT FLAGGED NEW OLD RECENT SEEN",
     "ANSWERED DELETED DRAFT FLAGGED NEW OLD RECENT SEEN"},
    {"UNANSWERED UNDELETED UNDRAFT UNFLAGGED UNSEEN",
     "UNANSWERED UNDELETED UNDRAFT UNFLAGGED UNSEEN"},
    {"BEFORE 1-jan-2026 ON 29-FEB-2024 SENTBEFORE \"2-Mar-1999\"",
     "BEFORE 1-Jan-2026 ON 29-Feb-2024 SENTBEFORE 2-Mar-1999"},
    {"SENTON 2026-11-01 SENTSINCE 2026-12-31",
     "SENTON 1-Nov-2026 SENTSINCE 31-Dec-2026"},
    {"LARGER 100 SMALLER 4294967295", "LARGER 100 SMALLER 4294967295"},
    {"HEADER List-Id \"a b\"", "HEADER \"List-Id\" \"a b\""},
    {"HEADER \"X-Y\" \"\"", "HEADER \"X-Y\" \"\""},
    {"KEYWORD $Work UNKEYWORD x", "KEYWORD $Work UNKEYWORD x"},
    {"UID 1:5,7,9:*,*", "UID 1:5,7,9:*,*"},
    {"OR SEEN FROM a", "OR SEEN FROM \"a\""},
    {"OR OR SEEN OLD NEW", "OR OR SEEN OLD NEW"},
    {"OR (FROM a TO b) NOT SEEN", "OR (FROM \"a\" TO \"b\") NOT SEEN"},
    {"NOT (SEEN OLD) ALL", "NOT (SEEN OLD) ALL"},
    {"((SEEN) (OLD))", "((SEEN) (OLD))"},
    {"( SEEN )", "(SEEN)"},
    {"X-GM-RAW \"in:sent OR has:drive\"", "X-GM-RAW \"in:sent OR has:drive\""},
    /* Words. */
    {"from:alice subject:\"quarterly report\" after:2026-11-01 larger:1M "
     "unseen",
     "FROM \"alice\" SUBJECT \"quarterly report\" SINCE 1-Nov-2026 "
     "LARGER 1048576 UNSEEN"},
    {"to:a cc:b bcc:c body:d text:e", "TO \"a\" CC \"b\" BCC \"c\" BODY \"d\" "
                                      "TEXT \"e\""},
    {"before:2026-11-01 on:2026-11-02 since:3-Nov-2026",
     "BEFORE 1-Nov-2026 ON 2-Nov-2026 SINCE 3-Nov-2026"},
    {"smaller:3k larger:2G larger:5",
     "SMALLER 3072 LARGER 2147483648 LARGER 5"},
    {"older:7d newer:2d younger:3h",
     "OLDER 604800 YOUNGER 172800 YOUNGER 10800"},
    {"older:1w older:1m older:1y older:30",
     "OLDER 604800 OLDER 2592000 OLDER 31536000 OLDER 30"},
    {"unseen seen flagged answered draft",
     "UNSEEN SEEN FLAGGED ANSWERED DRAFT"},
    {"is:unseen is:Flagged", "UNSEEN FLAGGED"},
    {"tag:work keyword:$Junk", "KEYWORD work KEYWORD $Junk"},
    {"uid:5:7,9", "UID 5:7,9"},
    {"gmail:\"is:starred a\"", "X-GM-RAW \"is:starred a\""},
    {"lunch", "TEXT \"lunch\""},
    {"two words", "TEXT \"two\" TEXT \"words\""},
    {"\"two words\"", "TEXT \"two words\""},
    {"Lunch? 50%", "TEXT \"Lunch?\" TEXT \"50%\""},
    {"-lunch", "NOT TEXT \"lunch\""},
    {"-from:bob -\"a b\" -(seen old)",
     "NOT FROM \"bob\" NOT TEXT \"a b\" NOT (SEEN OLD)"},
    {"not:from:bob not:seen not:(a b)",
     "NOT FROM \"bob\" NOT SEEN NOT (TEXT \"a\" TEXT \"b\")"},
    {"--seen", "NOT NOT SEEN"},
    {"e-mail 2026-11-01", "TEXT \"e-mail\" TEXT \"2026-11-01\""},
    {"FROM:alice From:bob", "FROM \"alice\" FROM \"bob\""},
    {"subject:re:lunch", "SUBJECT \"re:lunch\""},
    /* Mixed. */
    {"FROM alice unseen lunch larger:1K", "FROM \"alice\" UNSEEN "
                                          "TEXT \"lunch\" LARGER 1024"},
    {"OR from:a (to:b -c)", "OR FROM \"a\" (TO \"b\" NOT TEXT \"c\")"},
    {"  FROM   a  ", "FROM \"a\""},
    /* What is not the server's matter. */
    {"has:attachment", "ALL"},
    {"has:attachment unseen", "UNSEEN"},
    {"-has:attachment unseen", "UNSEEN"},
    {"unseen (has:attachment)", "UNSEEN (ALL)"},
};

static void
test_rows(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        const char *query = rows[i].query;
        g_autoptr(GError) error = NULL;
        g_autoptr(MailCriteria) criteria =
            mail_criteria_parse(query, NOW, &error);
        g_autofree char *wanted = g_strconcat("S ", rows[i].wire, NULL);
        g_autofree char *wire = NULL;
        if (criteria == NULL) {
            row_fail(query, "%s", error->message);
            continue;
        }
        wire = wire_of(criteria, IMAP_CAP_WITHIN | IMAP_CAP_GMAIL, NULL);
        row_string(query, "wire", wire, wanted);
    }
    rows_end();
}

/* ---- nothing becomes anything else ---- */

static const struct {
    const char *name;
    const char *query;
    const char *wire;
} hostile_rows[] = {
    {"a quote", "subject:\"a\\\"b\"", "S SUBJECT \"a\\\"b\""},
    {"a backslash", "subject:\"a\\\\\"", "S SUBJECT \"a\\\\\""},
    {"a backslash in a word", "a\\b", "S TEXT \"a\\\\b\""},
    {"no literal", "FROM {5+}", "S FROM \"{5+}\""},
    {"no literal in a word", "{5}", "S TEXT \"{5}\""},
    {"format directives", "%s%n from:%d", "S TEXT \"%s%n\" FROM \"%d\""},
    {"a format directive where none is quoted", "KEYWORD $s%n", NULL},
    {"8-bit", "from:M\303\274ller unseen",
     "S CHARSET UTF-8 FROM {7}|M\303\274ller UNSEEN"},
    {"8-bit, twice", "HEADER \"X\" \"\303\274\" OR \303\244 (seen \303\266)",
     "S CHARSET UTF-8 HEADER \"X\" {2}|\303\274 OR TEXT {2}|\303\244 (SEEN "
     "TEXT {2}|\303\266)"},
    {"8-bit where no string can stand", "KEYWORD \303\274", NULL},
    {"a field that is not ASCII", "HEADER \303\274 x", NULL},
    {"a field that ends early", "HEADER \"a:\" x", NULL},
    {"CR LF", "a\r\nA2 DELETE INBOX", NULL},
    {"LF in quotes", "\"a\nb\"", NULL},
    {"CR in quotes", "\"a\rb\"", NULL},
    {"a tabulator", "a\tb", NULL},
    {"DEL", "a\177", NULL},
    {"no UTF-8", "a\374", NULL},
    {"a surrogate", "\355\240\200", NULL},
    {"a keyword with a parenthesis", "KEYWORD \"a)\"", NULL},
    {"a keyword with a blank", "KEYWORD \"a b\"", NULL},
    {"a system flag as keyword", "KEYWORD \\Seen", NULL},
    {"an empty keyword", "KEYWORD \"\"", NULL},
    {"an empty set", "UID \"\"", NULL},
    {"a set with a blank", "UID \"1 2\"", NULL},
    {"a set that goes on", "UID 1,", NULL},
    {"a set of ends", "UID 1:2:3", NULL},
    {"the result of another search", "UID $", NULL},
    {"UID 0", "UID 0", NULL},
    {"UID above 32 bits", "UID 4294967296", NULL},
};

static void
test_hostile(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(hostile_rows); i++) {
        const char *name = hostile_rows[i].name;
        g_autoptr(GError) error = NULL;
        g_autoptr(MailCriteria) criteria =
            mail_criteria_parse(hostile_rows[i].query, NOW, &error);
        g_autofree char *wire = criteria ? wire_of(criteria, 0, NULL) : NULL;
        row_string(name, "wire", wire, hostile_rows[i].wire);
        row_number(name, "USAGE",
                   g_error_matches(error, IMAPFS_ERROR, IMAPFS_ERROR_USAGE),
                   criteria == NULL);
        if (error != NULL && strpbrk(error->message, "\r\n") != NULL)
            row_fail(name, "more than a line: %s", error->message);
    }
    rows_end();
}

/* ---- what is not understood, and where ---- */

static const struct {
    const char *query;
    guint at; /* characters, from 1 on */
} wrong_rows[] = {
    {"", 1},
    {"   ", 4},
    {"form:alice", 1},
    {"unseen http://x", 8},
    {"unseen 12:30", 8},
    {"1:5", 1},
    {"from alice", 1},
    {"unseen or", 8},
    {"From alice", 1},
    {"not seen", 1},
    {"FROM", 5},
    {"FROM ", 6},
    {"from:", 6},
    {"from: alice", 6},
    {"FROM (a)", 6},
    {"HEADER a", 9},
    {"HEADER a ", 10},
    {"NOT", 4},
    {"NOT ", 5},
    {"-", 2},
    {"- a", 2},
    {"OR", 3},
    {"OR SEEN", 8},
    {"OR SEEN ", 9},
    {"OR(SEEN)(OLD)", 3},
    {"(", 2},
    {"()", 2},
    {"(seen", 1},
    {"\303\274 (seen", 3},
    {"seen)", 5},
    {")", 1},
    {"(seen)(old)", 7},
    {"(seen)old", 7},
    {"\"a\"b", 4},
    {"a\"b\"", 2},
    {"\"a", 1},
    {"\"a\\", 3},
    {"\"a\\\"", 1},
    {"\"a\\b\"", 3},
    {"SINCE 1-Nov-26", 7},
    {"SINCE 31-Feb-2026", 7},
    {"SINCE yesterday", 7},
    {"SINCE 1-Nov", 7},
    {"SINCE 1-No", 7},
    {"SINCE -", 7},
    {"after:2026-13-01", 7},
    {"after:2026-02-30", 7},
    {"after:2026-1-001", 7},
    {"after:0000-01-01", 7},
    {"larger:1T", 8},
    {"larger:1MB", 8},
    {"larger:M", 8},
    {"larger:-1", 8},
    {"larger:4294967296", 8},
    {"larger:4G", 8},
    {"larger:99999999999999999999999", 8},
    {"older:0", 7},
    {"older:7x", 7},
    {"older:200y", 7},
    {"YOUNGER d", 9},
    {"has:wings", 5},
    {"OR has:attachment seen", 8},
    {"-(has:attachment seen)", 7},
    {"has:attachment -has:attachment", 21},
    {"is:big", 4},
    {"is:from", 4},
};

static void
test_wrong(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(wrong_rows); i++) {
        const char *query = wrong_rows[i].query;
        g_autofree char *where = g_strdup_printf(
            "at character %u of the search: ", wrong_rows[i].at);
        g_autoptr(GError) error = NULL;
        g_autoptr(MailCriteria) criteria =
            mail_criteria_parse(query, NOW, &error);
        if (criteria != NULL)
            row_fail(query, "understood");
        else if (error->code != IMAPFS_ERROR_USAGE ||
                 !g_str_has_prefix(error->message, where))
            row_fail(query, "%s", error->message);
    }
    rows_end();
}

/* ---- limits ---- */

static gboolean
nests(const char *open, guint n, const char *rest, const char *close)
{
    g_autoptr(GString) query = g_string_new(NULL);
    g_autoptr(MailCriteria) criteria = NULL;

    for (guint i = 0; i < n; i++)
        g_string_append(query, open);
    g_string_append(query, rest);
    for (guint i = 0; i < n; i++)
        g_string_append(query, close);
    criteria = mail_criteria_parse(query->str, NOW, NULL);
    return criteria != NULL;
}

static void
test_limits(void **state)
{
    g_autofree char *longest = g_strnfill(MAIL_CRITERIA_LENGTH_MAX, 'a');
    g_autofree char *longer = g_strnfill(MAIL_CRITERIA_LENGTH_MAX + 1, 'a');
    g_autoptr(MailCriteria) criteria = NULL;
    (void)state;

    assert_true(nests("(", MAIL_CRITERIA_DEPTH_MAX - 1, "seen", ")"));
    assert_false(nests("(", MAIL_CRITERIA_DEPTH_MAX, "seen", ")"));
    assert_false(nests("-", MAIL_CRITERIA_DEPTH_MAX, "seen", ""));
    assert_false(nests("NOT ", 1000, "seen", ""));
    assert_false(nests("not:", 1000, "seen", ""));
    assert_false(nests("OR ", 1000, "seen", " seen"));
    assert_true(nests("seen ", 800, "seen", ""));
    criteria = mail_criteria_parse(longest, NOW, NULL);
    assert_non_null(criteria);
    assert_null(mail_criteria_parse(longer, NOW, NULL));
}

/* ---- what depends on the server ---- */

static const struct {
    const char *query;
    guint capabilities;
    const char *wire; /* NULL: it cannot be asked */
} server_rows[] = {
    /* NOW is noon of 5 November; two days before is the 3rd, which in the west
     * begins later, and in the east ends earlier. */
    {"newer:2d", 0, "S SINCE 3-Nov-2026"},
    {"newer:3601", 0, "S SINCE 4-Nov-2026"},
    {"older:2d", 0, "S BEFORE 5-Nov-2026"},
    {"older:3h", 0, "S BEFORE 6-Nov-2026"},
    {"-newer:2d", 0, "S NOT SINCE 5-Nov-2026"},
    {"-older:2d", 0, "S NOT BEFORE 3-Nov-2026"},
    {"-(seen --older:2d)", 0, "S NOT (SEEN NOT NOT BEFORE 3-Nov-2026)"},
    {"newer:2d", IMAP_CAP_WITHIN, "S YOUNGER 172800"},
    {"gmail:x", 0, NULL},
    {"gmail:x", IMAP_CAP_GMAIL, "S X-GM-RAW \"x\""},
};

static void
test_server(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(server_rows); i++) {
        const char *query = server_rows[i].query;
        g_autoptr(GError) error = NULL;
        g_autoptr(MailCriteria) criteria =
            mail_criteria_parse(query, NOW, NULL);
        g_autofree char *wire =
            wire_of(criteria, server_rows[i].capabilities, &error);
        row_string(query, "wire", wire, server_rows[i].wire);
        row_number(query, "USAGE",
                   g_error_matches(error, IMAPFS_ERROR, IMAPFS_ERROR_USAGE),
                   server_rows[i].wire == NULL);
    }
    rows_end();
}

/* Days from 1970-01-01 of "S SINCE d-Nov-2026" and the like. */
static gint64
day_of(const char *wire)
{
    const char *months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    guint day = 0, year = 0;
    char month[4] = "";
    g_autoptr(GDate) date = NULL;
    const char *at = strrchr(wire, ' ') + 1;

    assert_int_equal(sscanf(at, "%2u-%3s-%4u", &day, month, &year), 3);
    date = g_date_new_dmy(
        (GDateDay)day, (GDateMonth)((strstr(months, month) - months) / 3 + 1),
        (GDateYear)year);
    return (gint64)g_date_get_julian(date) - 719163;
}

/* Whatever the zone a message was stored in, and whatever the time: a server
 * that looks for days misses no message. */
static void
test_days_miss_nothing(void **state)
{
    static const char *const queries[] = {"newer:2d", "older:2d", "-newer:2d",
                                          "-older:2d"};
    (void)state;

    for (guint q = 0; q < G_N_ELEMENTS(queries); q++) {
        for (gint64 now = NOW; now < NOW + 2 * 86400; now += 1801) {
            g_autoptr(MailCriteria) criteria =
                mail_criteria_parse(queries[q], now, NULL);
            g_autofree char *wire = wire_of(criteria, 0, NULL);
            gint64 day = day_of(wire);
            gboolean since = strstr(wire, "SINCE") != NULL;
            gboolean negated = strstr(wire, "NOT") != NULL;
            for (gint64 t = now - 5 * 86400; t < now; t += 1799) {
                for (gint64 zone = -12; zone <= 14; zone += 2) {
                    gint64 local = (t + zone * 3600) / 86400;
                    gboolean found =
                        (since ? local >= day : local < day) != negated;
                    if (mail_criteria_allow_date(criteria, t) && !found)
                        fail_msg("%s misses what came at %ld in zone %ld",
                                 queries[q], (long)t, (long)zone);
                }
            }
        }
    }
}

static const struct {
    const char *query;
    gint64 age;
    gboolean allowed;
    gboolean relative;
    MailAttachmentWish attachments;
} local_rows[] = {
    {"seen", 0, TRUE, FALSE, MAIL_ATTACHMENTS_OR_NOT},
    {"newer:1h", 3600, TRUE, TRUE, MAIL_ATTACHMENTS_OR_NOT},
    {"newer:1h", 3601, FALSE, TRUE, MAIL_ATTACHMENTS_OR_NOT},
    {"older:1h", 3600, TRUE, TRUE, MAIL_ATTACHMENTS_OR_NOT},
    {"older:1h", 3599, FALSE, TRUE, MAIL_ATTACHMENTS_OR_NOT},
    {"-newer:1h seen", 3601, TRUE, TRUE, MAIL_ATTACHMENTS_OR_NOT},
    {"-newer:1h seen", 3600, FALSE, TRUE, MAIL_ATTACHMENTS_OR_NOT},
    {"older:1h newer:2h", 5000, TRUE, TRUE, MAIL_ATTACHMENTS_OR_NOT},
    {"older:1h newer:2h", 7201, FALSE, TRUE, MAIL_ATTACHMENTS_OR_NOT},
    {"OR older:2h newer:1h", 5000, FALSE, TRUE, MAIL_ATTACHMENTS_OR_NOT},
    {"OR seen newer:1h", 5000, TRUE, TRUE, MAIL_ATTACHMENTS_OR_NOT},
    {"-(seen newer:1h)", 10, TRUE, TRUE, MAIL_ATTACHMENTS_OR_NOT},
    {"has:attachment", 0, TRUE, FALSE, MAIL_ATTACHMENTS_SOME},
    {"seen (has:attachment)", 0, TRUE, FALSE, MAIL_ATTACHMENTS_SOME},
    {"-has:attachment", 0, TRUE, FALSE, MAIL_ATTACHMENTS_NONE},
    {"not:not:has:attachment", 0, TRUE, FALSE, MAIL_ATTACHMENTS_SOME},
};

static void
test_local(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(local_rows); i++) {
        const char *query = local_rows[i].query;
        g_autoptr(MailCriteria) criteria =
            mail_criteria_parse(query, NOW, NULL);
        assert_non_null(criteria);
        row_number(query, "allowed",
                   mail_criteria_allow_date(criteria, NOW - local_rows[i].age),
                   local_rows[i].allowed);
        row_number(query, "relative", mail_criteria_is_relative(criteria),
                   local_rows[i].relative);
        row_number(query, "attachments", mail_criteria_attachments(criteria),
                   local_rows[i].attachments);
    }
    rows_end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),   cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_wrong),  cmocka_unit_test(test_limits),
        cmocka_unit_test(test_server), cmocka_unit_test(test_days_miss_nothing),
        cmocka_unit_test(test_local),
    };
    rows_begin_program();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
