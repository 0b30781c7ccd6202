/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include "mail/mailbox.h"

static void
insert(MailMailbox *mailbox, guint32 uid, gint64 date)
{
    MailMessage message = {
        .uid = uid, .internaldate = date, .fields = g_strdup_printf("%u", uid)};
    mail_mailbox_insert(mailbox, &message);
}

/* The UIDs, each of which owns its own fields. */
static char *
uids(const MailMailbox *mailbox)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < mail_mailbox_count(mailbox); i++) {
        const MailMessage *message = mail_mailbox_at(mailbox, i);
        g_autofree char *own = g_strdup_printf("%u", message->uid);
        assert_string_equal(message->fields, own);
        g_string_append_printf(text, "%s%u", i > 0 ? " " : "", message->uid);
    }
    return g_string_free(text, FALSE);
}

/* ---- the table of messages ---- */

static const struct {
    const char *name;
    guint32 inserted[8];
    guint32 first, last; /* then removed */
    const char *left;
} table_rows[] = {
    {"empty", {0}, 1, G_MAXUINT32, ""},
    {"in order", {1, 2, 3}, 0, 0, "1 2 3"},
    {"out of order", {5, 1, 3}, 0, 0, "1 3 5"},
    {"descending", {9, 8, 7}, 0, 0, "7 8 9"},
    {"twice", {1, 2, 2, 1}, 0, 0, "1 2"},
    {"the largest", {G_MAXUINT32, 1}, 0, 0, "1 4294967295"},
    {"one goes", {1, 2, 3}, 2, 2, "1 3"},
    {"the first goes", {1, 2, 3}, 1, 1, "2 3"},
    {"the last goes", {1, 2, 3}, 3, 3, "1 2"},
    {"one that is not there goes", {1, 3}, 2, 2, "1 3"},
    {"more go than there are", {3, 5}, 1, 4000000000, ""},
    {"VANISHED 1:4294967295", {1, G_MAXUINT32}, 1, G_MAXUINT32, ""},
    {"the largest goes", {1, G_MAXUINT32}, G_MAXUINT32, G_MAXUINT32, "1"},
    {"a range backwards", {1, 2, 3}, 3, 1, "1 2 3"},
};

static void
test_table(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(table_rows); i++) {
        const char *name = table_rows[i].name;
        MailMailbox *mailbox = mail_mailbox_new(1, "a", "a");
        g_autofree char *left = NULL;
        guint64 generation;
        guint before;

        for (guint n = 0; table_rows[i].inserted[n] != 0; n++)
            insert(mailbox, table_rows[i].inserted[n], 0);
        before = mail_mailbox_count(mailbox);
        generation = mailbox->generation;
        if (table_rows[i].first != 0)
            mail_mailbox_remove(mailbox, table_rows[i].first,
                                table_rows[i].last);
        left = uids(mailbox);
        row_string(name, "left", left, table_rows[i].left);
        row_number(name, "generation has changed",
                   mailbox->generation != generation,
                   mail_mailbox_count(mailbox) != before);
        mail_mailbox_free(mailbox);
    }
    rows_end();
}

static void
test_seek(void **state)
{
    MailMailbox *mailbox = mail_mailbox_new(1, "a", "a");
    (void)state;

    assert_int_equal(mail_mailbox_seek(mailbox, 1), 0);
    assert_null(mail_mailbox_find(mailbox, 1));
    assert_int_equal(mail_mailbox_last_uid(mailbox), 0);
    for (guint32 uid = 10; uid <= 1000; uid += 10)
        insert(mailbox, uid, 0);
    for (guint32 uid = 0; uid < 1100; uid++) {
        guint i = mail_mailbox_seek(mailbox, uid);
        MailMessage *found = mail_mailbox_find(mailbox, uid);
        assert_true(i == mail_mailbox_count(mailbox) ||
                    mail_mailbox_at(mailbox, i)->uid >= uid);
        assert_true(i == 0 || mail_mailbox_at(mailbox, i - 1)->uid < uid);
        assert_int_equal(found != NULL,
                         uid > 0 && uid <= 1000 && uid % 10 == 0);
        assert_true(found == NULL || found->uid == uid);
    }
    assert_int_equal(mail_mailbox_seek(mailbox, G_MAXUINT32), 100);
    assert_int_equal(mail_mailbox_last_uid(mailbox), 1000);
    mail_mailbox_free(mailbox);
}

static void
test_replace(void **state)
{
    MailMailbox *mailbox = mail_mailbox_new(1, "a", "a");
    MailMessage message = {.uid = 2, .fields = g_strdup("2"), .flags = 8};
    guint64 generation;
    (void)state;

    insert(mailbox, 1, 0);
    insert(mailbox, 2, 0);
    insert(mailbox, 3, 0);
    generation = mailbox->generation;
    mail_mailbox_insert(mailbox, &message);
    assert_int_equal(mail_mailbox_count(mailbox), 3);
    assert_int_equal(mail_mailbox_find(mailbox, 2)->flags, 8);
    /* Nobody has come or gone. */
    assert_int_equal(mailbox->generation, generation);
    mail_mailbox_free(mailbox);
}

static void
test_retain(void **state)
{
    static const guint8 keep[] = {1, 0, 0, 1, 0};
    MailMailbox *mailbox = mail_mailbox_new(1, "a", "a");
    g_autofree char *left = NULL;
    (void)state;

    for (guint32 uid = 1; uid <= 5; uid++)
        insert(mailbox, uid, 0);
    mail_mailbox_retain(mailbox, keep);
    insert(mailbox, 6, 0);
    left = uids(mailbox);
    assert_string_equal(left, "1 4 6");
    mail_mailbox_free(mailbox);
}

static void
test_clear(void **state)
{
    MailMailbox *mailbox = mail_mailbox_new(1, "a", "a");
    guint64 generation;
    (void)state;

    insert(mailbox, 1, 500);
    insert(mailbox, 2, 400);
    mail_mailbox_parse_flags(mailbox, (ImapSlice){"$Junk", 5});
    mailbox->listing = MAIL_LISTED;
    mailbox->fresh = TRUE;
    generation = mailbox->generation;
    mail_mailbox_clear(mailbox);
    assert_int_equal(mail_mailbox_count(mailbox), 0);
    assert_int_equal(mailbox->keywords->len, 0);
    assert_int_equal(mailbox->listing, MAIL_UNLISTED);
    assert_false(mailbox->fresh);
    assert_true(mailbox->generation > generation);
    mail_mailbox_free(mailbox);
}

/* A model: any order of comings and goings, against a plain set. */
static void
test_random(void **state)
{
    enum { UIDS = 200 };
    g_autoptr(GRand) random = g_rand_new_with_seed(1);
    MailMailbox *mailbox = mail_mailbox_new(1, "a", "a");
    gboolean there[UIDS + 1] = {FALSE};
    (void)state;

    for (guint step = 0; step < 20000; step++) {
        guint32 uid = (guint32)g_rand_int_range(random, 1, UIDS + 1);
        if (g_rand_int_range(random, 0, 3) > 0) {
            insert(mailbox, uid, 0);
            there[uid] = TRUE;
        } else {
            guint32 last = uid + (guint32)g_rand_int_range(random, 0, 10);
            last = MIN(last, UIDS);
            mail_mailbox_remove(mailbox, uid, last);
            for (guint32 u = uid; u <= last; u++)
                there[u] = FALSE;
        }
        if (step % 100 == 0) {
            guint n = 0;
            for (guint32 u = 1; u <= UIDS; u++) {
                n += there[u] ? 1 : 0;
                assert_int_equal(mail_mailbox_find(mailbox, u) != NULL,
                                 there[u]);
            }
            assert_int_equal(n, mail_mailbox_count(mailbox));
        }
    }
    mail_mailbox_free(mailbox);
}

/* ---- flags ---- */

static const struct {
    const char *words;
    guint64 flags;
    const char *text;
} flag_rows[] = {
    {"", 0, ""},
    {"\\Seen", MAIL_FLAG_SEEN, "\\Seen"},
    {"\\seen \\DRAFT", MAIL_FLAG_SEEN | MAIL_FLAG_DRAFT, "\\Seen \\Draft"},
    {"\\Flagged \\Answered \\Deleted",
     MAIL_FLAG_FLAGGED | MAIL_FLAG_ANSWERED | MAIL_FLAG_DELETED,
     "\\Answered \\Flagged \\Deleted"},
    {"\\Recent", 0, ""},
    {"\\X-Unknown", 0, ""},
    {"\\", 0, ""},
    {"$Junk", 1 << 5, "$Junk"},
    {"$junk", 1 << 5, "$junk"},
    {"$Junk $Junk $JUNK", 1 << 5, "$Junk"},
    {"b a", 3 << 5, "b a"},
    {"Seen", 1 << 5, "Seen"},
    {"  \\Seen   x  ", MAIL_FLAG_SEEN | 1 << 5, "\\Seen x"},
    {"\303\244", 1 << 5, "\303\244"},
};

static void
test_flags(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(flag_rows); i++) {
        const char *words = flag_rows[i].words;
        MailMailbox *mailbox = mail_mailbox_new(1, "a", "a");
        guint64 flags = mail_mailbox_parse_flags(
            mailbox, (ImapSlice){words, strlen(words)});
        g_autofree char *text = mail_mailbox_flags_text(mailbox, flags);
        row_number(words, "flags", (gint64)flags, (gint64)flag_rows[i].flags);
        row_string(words, "text", text, flag_rows[i].text);
        mail_mailbox_free(mailbox);
    }
    rows_end();
}

static void
test_too_many_keywords(void **state)
{
    MailMailbox *mailbox = mail_mailbox_new(1, "a", "a");
    g_autofree char *text = NULL;
    g_auto(GStrv) words = NULL;
    (void)state;

    for (guint i = 0; i < 100000; i++) {
        g_autofree char *word = g_strdup_printf("k%u", i);
        guint64 flag =
            mail_mailbox_parse_flags(mailbox, (ImapSlice){word, strlen(word)});
        assert_int_equal(flag != 0, i < MAIL_FLAGS_MAX - MAIL_FLAG_KEYWORD);
    }
    assert_int_equal(mail_mailbox_parse_flags(mailbox, (ImapSlice){"K58", 3}),
                     G_GUINT64_CONSTANT(1) << 63);
    text = mail_mailbox_flags_text(mailbox, G_MAXUINT64);
    words = g_strsplit(text, " ", -1);
    assert_int_equal(g_strv_length(words), MAIL_FLAGS_MAX);
    mail_mailbox_free(mailbox);
}

/* ---- the tree ---- */

static void
test_tree(void **state)
{
    MailMailbox *root = mail_mailbox_new(0, NULL, "");
    MailMailbox *one = mail_mailbox_new(9, "a", "a");
    MailMailbox *twin = mail_mailbox_new(5, "A", "a");
    MailMailbox *other = mail_mailbox_new(7, "b", "b");
    const GPtrArray *children;
    (void)state;

    mail_mailbox_adopt(root, one);
    mail_mailbox_adopt(root, twin);
    mail_mailbox_adopt(root, other);
    assert_false(one->twin);
    assert_true(twin->twin);
    assert_ptr_equal(mail_mailbox_child(root, "a"), one);
    assert_ptr_equal(mail_mailbox_child(root, "b"), other);
    assert_null(mail_mailbox_child(root, "c"));
    children = mail_mailbox_children(root);
    assert_int_equal(children->len, 3);
    assert_ptr_equal(g_ptr_array_index(children, 0), twin);
    assert_ptr_equal(g_ptr_array_index(children, 1), other);
    assert_ptr_equal(g_ptr_array_index(children, 2), one);

    /* That a twin goes is nothing to the other. */
    mail_mailbox_disown(twin);
    assert_ptr_equal(mail_mailbox_child(root, "a"), one);
    mail_mailbox_disown(one);
    assert_null(mail_mailbox_child(root, "a"));
    assert_int_equal(mail_mailbox_children(root)->len, 1);
    mail_mailbox_disown(other);
    mail_mailbox_free(one);
    mail_mailbox_free(twin);
    mail_mailbox_free(other);
    mail_mailbox_free(root);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_seek),
        cmocka_unit_test(test_replace),
        cmocka_unit_test(test_retain),
        cmocka_unit_test(test_clear),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_too_many_keywords),
        cmocka_unit_test(test_tree),
    };
    rows_begin_program();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
