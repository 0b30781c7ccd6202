/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include <gmime/gmime.h>
#include <stdlib.h>

#include "fs/names.h"
#include "imap/limits.h"
#include "mail/mailboxes.h"

enum { MESSAGE_NAME_MAX = 200 };

/* ---- what every name must be ---- */

static gboolean
is_bidi(gunichar c)
{
    return c == 0x061c || c == 0x200e || c == 0x200f ||
           (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

static void
check_name(const char *row, const char *name, gsize max)
{
    gsize length = strlen(name);
    if (length == 0 || length > max)
        row_fail(row, "name has %zu octets", length);
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        row_fail(row, "name is %s", name);
    if (strchr(name, '/') != NULL)
        row_fail(row, "\"%s\" has a slash in it", name);
    if (!g_utf8_validate(name, -1, NULL)) {
        row_string(row, "name, which is no UTF-8,", name, "");
        return;
    }
    for (const char *at = name; *at != '\0'; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        if (g_unichar_iscntrl(c) || is_bidi(c) || c == 0x2028 || c == 0x2029)
            row_fail(row, "name has U+%04X in it", c);
    }
}

/* ---- messages ---- */

/* FIELDS is From, To, Subject and so on, one string behind the other. */
static char *
fields_of(const char *from, const char *subject)
{
    GString *header = g_string_new(NULL);
    char *fields;
    g_string_append_printf(header, "From: %s\r\nSubject: %s\r\n\r\n", from,
                           subject);
    fields = mail_message_pack(header->str, header->len, NULL, 0, NULL, 0);
    g_string_free(header, TRUE);
    return fields;
}

static const struct {
    const char *from;
    const char *subject;
    gint64 date;
    const char *name;
} message_rows[] = {
    {"Alice <alice@example.org>", "Hello", 1704110400,
     "2024-01-01 1200 Alice - Hello.7.eml"},
    {"", "", 0, "1970-01-01 0000 (unknown) - (no subject).7.eml"},
    {"alice@example.org", "=?utf-8?q?Gr=C3=BC=C3=9Fe?=", 0,
     "1970-01-01 0000 alice@example.org - Gr\303\274\303\237e.7.eml"},
    {"a", "../../etc/passwd", 0, "1970-01-01 0000 a - .._.._etc_passwd.7.eml"},
    {"=?utf-8?q?..=2F?=", "x", 0, "1970-01-01 0000 .._ - x.7.eml"},
    {"a", "what? a: b*c <d> \"e\" |f \\g", 0,
     "1970-01-01 0000 a - what_ a_ b_c _d_ _e_ _f _g.7.eml"},
    {"a", "ends in dots...", 0, "1970-01-01 0000 a - ends in dots.7.eml"},
    {"a", "...", 0, "1970-01-01 0000 a -.7.eml"},
    {"a", "invoice\342\200\256fdp.exe", 0,
     "1970-01-01 0000 a - invoice_fdp.exe.7.eml"},
    {"a", "\342\201\246x\342\201\251\342\200\217\330\234", 0,
     "1970-01-01 0000 a - _x___.7.eml"},
    {"a", "line\342\200\250end\342\200\251", 0,
     "1970-01-01 0000 a - line_end_.7.eml"},
    {"a", "=?utf-8?q?C1_=C2=85_here?=", 0,
     "1970-01-01 0000 a - C1 _ here.7.eml"},
    {"a", "\033[2J", 0, "1970-01-01 0000 a - _[2J.7.eml"},
    /* What looks alike is alike. */
    {"a", "e\314\201", 0, "1970-01-01 0000 a - \303\251.7.eml"},
    {"a", "\342\204\252", 0, "1970-01-01 0000 a - K.7.eml"},
    /* INTERNALDATE of all kinds. */
    {"a", "b", G_MAXINT64, "(no date) a - b.7.eml"},
    {"a", "b", -1, "1969-12-31 2359 a - b.7.eml"},
    {"a", "b", G_GINT64_CONSTANT(2147483648), "2038-01-19 0314 a - b.7.eml"},
    {"a", "b", G_GINT64_CONSTANT(253402300799), "9999-12-31 2359 a - b.7.eml"},
};

static void
test_messages(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(message_rows); i++) {
        MailMessage message = {
            .uid = 7,
            .internaldate = message_rows[i].date,
            .fields = fields_of(message_rows[i].from, message_rows[i].subject)};
        const char *row = message_rows[i].subject;
        char name[FS_NAME_MAX + 1];
        char again[FS_NAME_MAX + 1];

        fs_names_message(&message, FS_NAMES_FULL, name);
        check_name(row, name, MESSAGE_NAME_MAX);
        row_string(row, "name", name, message_rows[i].name);
        row_number(row, "UID", fs_names_uid(name), 7);
        fs_names_message(&message, FS_NAMES_FULL, again);
        row_string(row, "name, made again,", again, name);
        fs_names_message(&message, FS_NAMES_UID, name);
        row_string(row, "name by UID", name, "7.eml");
        g_free(message.fields);
    }
    rows_end();
}

/* From and Subject of every kind, in every combination, dates and UIDs too. */
static void
test_hostile_messages(void **state)
{
    static const char *const units[] = {
        "",
        "x",
        ".",
        " ",
        "/",
        "\303\251",
        "\346\227\245",
        "\360\237\223\247",
        "e\314\201",
        "\314\201",
        "\342\200\256",
        "\377",
        "\302\205",
        "\357\267\272",
        "=?utf-8?q?=2F?= ",
        "\\",
        "<",
        "(",
        "\"",
        "\357\277\277",
        "\360\235\205\240",
    };
    /* Beyond what localtime_r() can say there is no date to begin with. */
    static const gint64 dates[] = {
        0,
        -1,
        G_GINT64_CONSTANT(-62167219200),
        G_GINT64_CONSTANT(253402300799),
        G_MAXINT64,
        G_MININT64,
    };
    static const guint32 uids[] = {1, G_MAXUINT32};
    static const guint counts[] = {1, 3, 60, 500};
    (void)state;

    for (guint f = 0; f < G_N_ELEMENTS(units); f++) {
        for (guint s = 0; s < G_N_ELEMENTS(units); s++) {
            for (guint c = 0; c < G_N_ELEMENTS(counts); c++) {
                g_autoptr(GString) from = g_string_new(NULL);
                g_autoptr(GString) subject = g_string_new("x");
                g_autofree char *row =
                    g_strdup_printf("%u of units %u, %u", counts[c], f, s);
                MailMessage message = {0};
                for (guint n = 0; n < counts[c]; n++) {
                    g_string_append(from, units[f]);
                    g_string_append(subject, units[s]);
                }
                message.fields = fields_of(from->str, subject->str);
                for (guint d = 0; d < G_N_ELEMENTS(dates); d++) {
                    char name[FS_NAME_MAX + 1];
                    message.internaldate = dates[d];
                    message.uid = uids[d % 2];
                    fs_names_message(&message, FS_NAMES_FULL, name);
                    check_name(row, name, MESSAGE_NAME_MAX);
                    row_number(row, "UID", fs_names_uid(name), message.uid);
                }
                g_free(message.fields);
            }
        }
    }
    rows_end();
}

static const struct {
    const char *name;
    guint32 uid;
} uid_rows[] = {
    {"7.eml", 7},
    {"a.7.eml", 7},
    {"2024-01-01 1200 a - b.4294967295.eml", G_MAXUINT32},
    {"a.4294967296.eml", 0},
    {"a.18446744073709551617.eml", 0},
    {"a.99999999999999999999999999.eml", 0},
    {"a.0.eml", 0},
    {"0.eml", 0},
    {"a.07.eml", 0},
    {"a7.eml", 0},
    {"a 7.eml", 0},
    {"a.-7.eml", 0},
    {"a.7.EML", 0},
    {"a.7.eml~", 0},
    {".7.eml.swp", 0},
    {"a.7", 0},
    {"7", 0},
    {".eml", 0},
    {"eml", 0},
    {"", 0},
    {".", 0},
    {"..", 0},
    {"a..eml", 0},
    {".7.eml", 7},
    {"1.2.eml", 2},
};

static void
test_uids(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(uid_rows); i++) {
        /* Of exactly that size, so that a sanitizer sees any step before. */
        g_autofree char *name = g_strdup(uid_rows[i].name);
        row_number(name, "UID", fs_names_uid(name), uid_rows[i].uid);
    }
    rows_end();
}

/* ---- mailboxes ---- */

static const struct {
    const char *leaf;
    gboolean raw;
    const char *name;
} mailbox_rows[] = {
    {"INBOX", FALSE, "INBOX"},
    {"Sent Items", FALSE, "Sent Items"},
    {"Entw\303\274rfe", FALSE, "Entw\303\274rfe"},
    {"R&D", FALSE, "R&D"},
    {"", FALSE, "%."},
    {".", FALSE, "%2E"},
    {"..", FALSE, "%2E."},
    {".imapfs", FALSE, "%2Eimapfs"},
    {"a.b", FALSE, "a.b"},
    {"a/b", FALSE, "a%2Fb"},
    {"/", FALSE, "%2F"},
    {"../../etc", FALSE, "%2E.%2F..%2Fetc"},
    {"%", FALSE, "%"},
    {"100%", FALSE, "100%"},
    {"%41", FALSE, "%2541"},
    {"%2F", FALSE, "%252F"},
    {"%.", FALSE, "%25."},
    {"%~", FALSE, "%25~"},
    {"%%41", FALSE, "%%2541"},
    {"%4", FALSE, "%4"},
    {"a\nb", FALSE, "a%0Ab"},
    {"\177", FALSE, "%7F"},
    {"&", TRUE, "%26"},
    {"&AOk", TRUE, "%26AOk"},
    {"\374", TRUE, "%FC"},
    {"\303\274", TRUE, "\303\274"},
    {"ab\303", TRUE, "ab%C3"},
    {"\303\274\377", TRUE, "%C3%BC%FF"},
    {"a\\b", FALSE, "a\\b"},
    {" a ", FALSE, " a "},
    {"a\302\205b", FALSE, "a%C2%85b"},
    /* These switch the direction of a file manager's line. */
    {"gnp\342\200\256exe", FALSE, "gnp%E2%80%AEexe"},
    {"a\342\200\250b", FALSE, "a%E2%80%A8b"},
};

static void
test_mailbox_rows(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(mailbox_rows); i++) {
        const char *leaf = mailbox_rows[i].leaf;
        MailMailbox *root = mail_mailbox_new(0, NULL, "");
        MailMailbox *mailbox = mail_mailbox_new(1, leaf, leaf);
        g_autofree char *name = NULL;

        mailbox->raw = mailbox_rows[i].raw;
        mail_mailbox_adopt(root, mailbox);
        name = fs_names_mailbox(mailbox);
        row_string(leaf, "name", name, mailbox_rows[i].name);
        check_name(leaf, name, FS_NAME_MAX);
        if (fs_names_find_mailbox(root, name) != mailbox)
            row_fail(leaf, "%s is not found", name);
        mail_mailbox_free(mailbox);
        mail_mailbox_free(root);
    }
    rows_end();
}

/* ---- sets of mailboxes: every name is its own, and leads back ---- */

static void
on_event(MailMailbox *mailbox, gpointer data)
{
    (void)mailbox;
    (void)data;
}

static const MailMailboxesEvents events = {on_event, on_event};

static void
take(MailMailboxes *mailboxes, const char *name, char delimiter)
{
    ImapList list = {.delimiter = delimiter, .name = {name, strlen(name)}};
    mail_mailboxes_take(mailboxes, &list);
}

static void
check_children(const char *row, MailMailbox *parent)
{
    const GPtrArray *children = mail_mailbox_children(parent);
    g_autoptr(GHashTable) seen =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < children->len; i++) {
        MailMailbox *child = g_ptr_array_index(children, i);
        g_autofree char *name = fs_names_mailbox(child);
        g_autofree char *again = fs_names_mailbox(child);
        g_autofree char *shown = g_strescape(name, NULL);

        check_name(row, name, FS_NAME_MAX);
        row_string(row, "name, made again,", again, name);
        if (fs_names_find_mailbox(parent, name) != child)
            row_fail(row, "\"%s\" leads to another, or to none", shown);
        if (!g_hash_table_add(seen, g_steal_pointer(&name)))
            row_fail(row, "\"%s\" names two mailboxes", shown);
        check_children(row, child);
    }
}

typedef struct {
    const char *row;
    const char *prefix;
    const char *names[12]; /* each behind its delimiter; "0": none */
} Set;

static const Set sets[] = {
    {"plain", NULL, {"/INBOX", "/Sent", "/Lists/a", "/Lists/b"}},
    {"dots", NULL, {"/.", "/..", "/...", "/a/.", "/a/..", "/%2E", "/%2E."}},
    {"empty steps", NULL, {"/a//b", "//x", "///", "/%.", "/a/%.", "/a/%2E"}},
    {"slashes where they part nothing",
     NULL,
     {".a/b", ".a%2Fb", "./", ".%2F", ".../x", "0a/b/c", "0/"}},
    {"percent signs",
     NULL,
     {"/%", "/%%", "/%4", "/%41", "/A", "/%2541", "/%25", "/%~", "/%~x",
      "/100%", "/%%41", "/%2%41"}},
    {"control characters",
     NULL,
     {"/&AAo-", "/&AAE-", "/&AH8-", "/%0A", "/a\001b", "/a\nb", "/a\tb"}},
    {"C1 and direction", NULL, {"/&AIU-", "/x&AJs-", "/&IC4-", "/a&IGc-b"}},
    {"modified UTF-7 that is not canonical",
     NULL,
     {"/&", "/a&b", "/a&-b", "/&AOk", "/&AOk-", "/&AC8-", "/&AC4ALg-", "/&AGE-",
      "/a", "/&-", "/&AOk-&AOk-", "/&AOkA6Q-"}},
    {"8-bit",
     NULL,
     {"/\303\251", "/&AOk-", "/\351", "/%E9", "/\303", "/\303\251\351",
      "/&AOk-\351"}},
    {"INBOX in other cases",
     NULL,
     {"/INBOX", "/inbox", "/Inbox/a", "/INBOX/a"}},
    {"names of our own",
     NULL,
     {"/.imapfs", "/%2Eimapfs", "/x.7.eml", "/7.eml"}},
    {"normalisation", NULL, {"/e&AwE-", "/&AOk-", "/E&AwE-", "/&AMk-"}},
    {"case", NULL, {"/a", "/A"}},
    {"twins", NULL, {"/a&-b", "/a&b", "/a%26b"}},
    {"twins by a prefix",
     "INBOX.",
     {".INBOX", ".INBOX.INBOX", ".INBOX.a", ".a"}},
    {"twins that begin with a dot", "INBOX.", {".INBOX..a", "/.a", ".INBOX.x"}},
    {"twins that begin with UTF-8", NULL, {"/&AOk-", "/\303\251"}},
    {"triplets by delimiter", NULL, {"/a/x", ".a.x", "|a|x", "\\a\\x"}},
    {"triplets by case", NULL, {"/INBOX/x", "/inbox/x", "/Inbox/x"}},
    {"triplets by prefix", "INBOX.", {".INBOX.a&-b", ".INBOX.a&b", ".a&b"}},
};

static void
test_sets(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(sets); i++) {
        MailMailboxes *mailboxes = mail_mailboxes_new(&events, NULL);
        const char *prefix = sets[i].prefix;

        if (prefix != NULL)
            mail_mailboxes_set_prefix(mailboxes,
                                      (ImapSlice){prefix, strlen(prefix)}, '.');
        mail_mailboxes_begin(mailboxes);
        for (guint n = 0;
             n < G_N_ELEMENTS(sets[i].names) && sets[i].names[n] != NULL; n++) {
            const char *name = sets[i].names[n];
            take(mailboxes, name + 1, *name == '0' ? '\0' : *name);
        }
        mail_mailboxes_end(mailboxes);
        check_children(sets[i].row, mail_mailboxes_root(mailboxes));
        mail_mailboxes_free(mailboxes);
    }
    rows_end();
}

/* ---- long names ---- */

static void
test_long_mailboxes(void **state)
{
    static const char *const units[] = {"x",   "/",  "&AOk-", "&", "\351",
                                        "%41", "&-", "%",     ".", "\001"};
    (void)state;
    for (guint u = 0; u < G_N_ELEMENTS(units); u++) {
        MailMailboxes *mailboxes = mail_mailboxes_new(&events, NULL);
        gsize n = strlen(units[u]);

        mail_mailboxes_begin(mailboxes);
        for (guint length = 60; length < 300; length++) {
            g_autoptr(GString) name = g_string_new(NULL);
            while (name->len + n <= length)
                g_string_append_len(name, units[u], (gssize)n);
            take(mailboxes, name->str, '\0');
            /* Those that differ behind the cut only. */
            g_string_append(name, "a");
            take(mailboxes, name->str, '\0');
        }
        for (guint i = 0; i < 2; i++) {
            g_autoptr(GString) name = g_string_new(NULL);
            gsize length = i == 0 ? IMAP_MAILBOX_NAME_MAX : 10000;
            while (name->len + n <= length)
                g_string_append_len(name, units[u], (gssize)n);
            take(mailboxes, name->str, '\0');
            row_number(units[u], "a long one is there",
                       mail_mailboxes_named(mailboxes, name->str) != NULL,
                       i == 0);
        }
        mail_mailboxes_end(mailboxes);
        check_children(units[u], mail_mailboxes_root(mailboxes));
        mail_mailboxes_free(mailboxes);
    }
    rows_end();
}

/* ---- names that are nobody's ---- */

static void
test_not_found(void **state)
{
    static const char *const nobody[] = {
        "",       "%",
        "%.",     "%2E",
        "%2E%2E", "%61",
        "a%",     "%41",
        "%00",    "a%00",
        "%~",     "..",
        ".",      "a/b",
        "%FF",    "\377",
        "a\001",  "%2Fa",
        "A",      "a ",
        "%7E",    "%~e3b0c44298fc1c149afbf4c8996fb924",
    };
    MailMailbox *root = mail_mailbox_new(0, NULL, "");
    MailMailbox *mailbox = mail_mailbox_new(1, "a", "a");
    (void)state;

    mail_mailbox_adopt(root, mailbox);
    assert_ptr_equal(fs_names_find_mailbox(root, "a"), mailbox);
    for (guint i = 0; i < G_N_ELEMENTS(nobody); i++) {
        if (fs_names_find_mailbox(root, nobody[i]) != NULL)
            row_fail(nobody[i], "is found");
    }
    mail_mailbox_free(mailbox);
    mail_mailbox_free(root);
    rows_end();
}

static void
on_message(const char *domain, GLogLevelFlags level, const char *message,
           gpointer data)
{
    (void)domain;
    (void)level;
    (void)message;
    (void)data;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_uids),
        cmocka_unit_test(test_mailbox_rows),
        cmocka_unit_test(test_sets),
        cmocka_unit_test(test_long_mailboxes),
        cmocka_unit_test(test_not_found),
        cmocka_unit_test(test_hostile_messages),
    };
    rows_begin_program();
    g_log_set_handler("imapfs", G_LOG_LEVEL_MESSAGE, on_message, NULL);
    setenv("TZ", "UTC0", 1);
    tzset();
    g_mime_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
