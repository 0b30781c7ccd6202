/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include "imap/limits.h"
#include "mail/mailboxes.h"

/* ---- a scene: an account's mailboxes, and what was told of them ---- */

typedef struct {
    MailMailboxes *mailboxes;
    guint added, removed;
} Scene;

static void
on_added(MailMailbox *mailbox, gpointer data)
{
    assert_non_null(mailbox->parent);
    ((Scene *)data)->added++;
}

static void
on_removed(MailMailbox *mailbox, gpointer data)
{
    assert_non_null(mailbox->parent);
    ((Scene *)data)->removed++;
}

/* What is left out is logged, once. */
static guint n_logged;

static void
on_message(const char *domain, GLogLevelFlags level, const char *message,
           gpointer data)
{
    (void)domain;
    (void)level;
    (void)message;
    (void)data;
    n_logged++;
}

static const MailMailboxesEvents events = {on_added, on_removed};

static void
take(Scene *scene, const char *name, char delimiter, guint attributes)
{
    ImapList list = {.attributes = attributes,
                     .delimiter = delimiter,
                     .name = {name, strlen(name)}};
    mail_mailboxes_take(scene->mailboxes, &list);
}

/* NAMES are separated by "|" and begin with their delimiter; "0": none. */
static void
take_all(Scene *scene, const char *names)
{
    g_auto(GStrv) all = g_strsplit(names, "|", -1);
    mail_mailboxes_begin(scene->mailboxes);
    for (char **name = all; *name != NULL; name++) {
        if (**name != '\0')
            take(scene, *name + 1, **name == '0' ? '\0' : **name, 0);
    }
    mail_mailboxes_end(scene->mailboxes);
}

static int
compare(gconstpointer a, gconstpointer b)
{
    const MailMailbox *one = *(MailMailbox *const *)a;
    const MailMailbox *other = *(MailMailbox *const *)b;
    int order = strcmp(one->leaf, other->leaf);
    return order != 0 ? order : g_strcmp0(one->name, other->name);
}

/*
 * The tree as text: "leaf" or, when there is nothing to select, "leaf?"; "~"
 * marks a twin and "!" what could not be decoded; children in parentheses.
 */
static void
draw(MailMailbox *parent, GString *text)
{
    const GPtrArray *children = mail_mailbox_children(parent);
    g_autoptr(GPtrArray) sorted = g_ptr_array_new();

    for (guint i = 0; i < children->len; i++)
        g_ptr_array_add(sorted, g_ptr_array_index(children, i));
    g_ptr_array_sort(sorted, compare);
    for (guint i = 0; i < sorted->len; i++) {
        MailMailbox *child = g_ptr_array_index(sorted, i);
        g_string_append_printf(text, "%s%s%s%s%s", i > 0 ? " " : "",
                               child->leaf, child->selectable ? "" : "?",
                               child->twin ? "~" : "", child->raw ? "!" : "");
        assert_ptr_equal(child->parent, parent);
        if (child->children->len > 0) {
            g_string_append_c(text, '(');
            draw(child, text);
            g_string_append_c(text, ')');
        }
    }
}

static char *
tree(const Scene *scene)
{
    GString *text = g_string_new(NULL);
    draw(mail_mailboxes_root(scene->mailboxes), text);
    return g_string_free(text, FALSE);
}

static Scene *
scene_new(const char *prefix, char delimiter)
{
    Scene *scene = g_new0(Scene, 1);
    scene->mailboxes = mail_mailboxes_new(&events, scene);
    if (prefix != NULL)
        mail_mailboxes_set_prefix(
            scene->mailboxes, (ImapSlice){prefix, strlen(prefix)}, delimiter);
    return scene;
}

static void
scene_free(Scene *scene)
{
    mail_mailboxes_free(scene->mailboxes);
    g_free(scene);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Scene, scene_free)

/* ---- one LIST ---- */

static const struct {
    const char *name;
    const char *prefix;
    const char *names;
    const char *tree;
} list_rows[] = {
    {"Dovecot", NULL, "/INBOX|/Sent|/Lists/a|/Lists", "INBOX Lists(a) Sent"},
    {"children first", NULL, "/a/b/c|/a/b|/a", "a(b(c))"},
    {"a step that no LIST names", NULL, "/a/b", "a?(b)"},
    {"Courier's prefix", "INBOX.", ".INBOX|.INBOX.Sent|.INBOX.a.b",
     "INBOX Sent a?(b)"},
    {"another namespace beside it", "INBOX.", ".INBOX|.INBOX.a|.#shared.b",
     "#shared?(b) INBOX a"},
    {"a prefix without its delimiter is none", "INBOX", "/INBOX|/INBOX/a",
     "INBOX(a)"},
    {"flat", NULL, "0a/b|0a.b|0a", "a a.b a/b"},
    {"the delimiter of another", NULL, ".a/b|/a.b", "a.b a/b"},
    {"an empty line", NULL, "/", ""},
    {"INBOX in other cases", NULL, "/inbox|/InBoX|/INBOX", "INBOX"},
    {"below INBOX in other cases", NULL, "/inbox/a|/INBOX", "INBOX(a)"},
    {"below only: case matters", NULL, "/a/inbox|/a/INBOX", "a?(INBOX inbox)"},
    {"others are case-sensitive", NULL, "/Sent|/sent", "Sent sent"},
    {"Exchange: a delimiter at the end", NULL, "/INBOX/|/a|/a/", "a"},
    {"decoded", NULL, "/&AOk-|/R&-D", "R&D \303\251"},
    {"not decodable", NULL, "/&AOk|/&-&|/\303\251", "&-&! &AOk! \303\251!"},
    {"UTF-8 and UTF-7 of one name", NULL, "/&AOk-|/\303\251",
     "\303\251 \303\251~!"},
    {"and the other way round", NULL, "/\303\251|/&AOk-",
     "\303\251~ \303\251!"},
    {"one name below a prefix and without", "INBOX.", ".INBOX.a|.a", "a a~"},
    {"INBOX.INBOX", "INBOX.", ".INBOX|.INBOX.INBOX", "INBOX INBOX~"},
    {"dots", NULL, "/..|/.|/../..|/a/../b", ". ..(..) a?(..?(b))"},
    {"empty steps", NULL, "/a//b|//x", "?(x) a?(?(b))"},
    {"a step that is not decodable", NULL, "/&/b|/&", "&!(b)"},
    {"the name of the prefix itself", "INBOX.", ".INBOX.|.INBOX", "INBOX"},
};

static void
test_lists(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(list_rows); i++) {
        const char *name = list_rows[i].name;
        g_autoptr(Scene) scene = scene_new(list_rows[i].prefix, '.');
        g_autofree char *first = NULL;
        g_autofree char *again = NULL;
        guint added;

        take_all(scene, list_rows[i].names);
        first = tree(scene);
        row_string(name, "tree", first, list_rows[i].tree);
        added = scene->added;
        take_all(scene, list_rows[i].names);
        again = tree(scene);
        row_string(name, "tree, listed again", again, list_rows[i].tree);
        row_number(name, "added by the second", scene->added - added, 0);
        row_number(name, "removed by the second", scene->removed, 0);
        take_all(scene, "");
        row_number(name, "left",
                   mail_mailboxes_root(scene->mailboxes)->children->len, 0);
        row_number(name, "removed", scene->removed, scene->added);
    }
    rows_end();
}

/* ---- one LIST after another ---- */

static const struct {
    const char *name;
    const char *before;
    const char *after;
    const char *tree;
} change_rows[] = {
    {"one comes", "/a", "/a|/b", "a b"},
    {"one goes", "/a|/b", "/a", "a"},
    {"a child goes, and its bare parent", "/a|/b/c", "/a", "a"},
    {"a child goes, its parent stays", "/a|/a/c", "/a", "a"},
    {"renamed", "/a|/a/c", "/b|/b/c", "b(c)"},
    {"all go", "/a/b/c|/d", "", ""},
    {"a bare step gets its name", "/a/b", "/a|/a/b", "a(b)"},
    {"the first of twins goes", "/&AOk-|/\303\251", "/\303\251", "\303\251~!"},
    {"a twin goes", "/&AOk-|/\303\251", "/&AOk-", "\303\251"},
    {"a parent goes, its child stays", "/a|/a/b", "/a/b", "a?(b)"},
};

static void
test_changes(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(change_rows); i++) {
        g_autoptr(Scene) scene = scene_new(NULL, '\0');
        g_autofree char *drawn = NULL;
        g_autoptr(GList) all = NULL;

        take_all(scene, change_rows[i].before);
        take_all(scene, change_rows[i].after);
        drawn = tree(scene);
        row_string(change_rows[i].name, "tree", drawn, change_rows[i].tree);
        all = mail_mailboxes_all(scene->mailboxes);
        for (GList *link = all; link != NULL; link = link->next) {
            MailMailbox *mailbox = link->data;
            assert_ptr_equal(mail_mailboxes_get(scene->mailboxes, mailbox->id),
                             mailbox);
            assert_ptr_equal(
                mail_mailboxes_named(scene->mailboxes, mailbox->name), mailbox);
        }
    }
    rows_end();
}

/* ---- attributes ---- */

static void
test_attributes(void **state)
{
    g_autoptr(Scene) scene = scene_new(NULL, '\0');
    ImapList list = {
        .delimiter = '/', .name = {"Sent", 4}, .special_use = {"\\Sent", 5}};
    MailMailbox *mailbox;
    (void)state;

    mail_mailboxes_begin(scene->mailboxes);
    mail_mailboxes_take(scene->mailboxes, &list);
    take(scene, "Lists/a", '/', IMAP_LIST_NOSELECT);
    mail_mailboxes_end(scene->mailboxes);
    mailbox = mail_mailboxes_named(scene->mailboxes, "Sent");
    assert_true(mailbox->selectable);
    assert_string_equal(mailbox->special_use, "\\Sent");
    mailbox = mail_mailboxes_named(scene->mailboxes, "Lists/a");
    assert_false(mailbox->selectable);
    assert_null(mailbox->special_use);
    assert_false(mailbox->parent->selectable);
    assert_null(mail_mailboxes_named(scene->mailboxes, "Lists"));
    assert_null(mail_mailboxes_named(scene->mailboxes, "sent"));

    /* They may change. */
    list.special_use = (ImapSlice){NULL, 0};
    list.attributes = IMAP_LIST_NOSELECT | IMAP_LIST_NONEXISTENT;
    mail_mailboxes_take(scene->mailboxes, &list);
    mailbox = mail_mailboxes_named(scene->mailboxes, "Sent");
    assert_false(mailbox->selectable);
    assert_null(mailbox->special_use);
}

/* ---- names that are left out ---- */

static void
test_refused(void **state)
{
    g_autoptr(Scene) scene = scene_new(NULL, '\0');
    g_autofree char *longest = g_strnfill(IMAP_MAILBOX_NAME_MAX, 'x');
    g_autofree char *too_long = g_strnfill(IMAP_MAILBOX_NAME_MAX + 1, 'x');
    g_autofree char *very_long = g_strnfill(10000, 'x');
    g_autofree char *deep = g_strnfill(4000, '/');
    ImapList nul = {.delimiter = '/', .name = {"a\0b", 3}};
    MailMailbox *root = mail_mailboxes_root(scene->mailboxes);
    (void)state;

    n_logged = 0;
    mail_mailboxes_begin(scene->mailboxes);
    take(scene, too_long, '/', 0);
    take(scene, very_long, '/', 0);
    take(scene, very_long, '\0', 0);
    deep[3999] = 'x';
    take(scene, deep, '/', 0);
    take(scene, "", '/', 0);
    take(scene, "", '\0', 0);
    mail_mailboxes_take(scene->mailboxes, &nul);
    assert_int_equal(root->children->len, 0);
    assert_int_equal(n_logged, 7);
    take(scene, longest, '/', 0);
    assert_int_equal(root->children->len, 1);
    mail_mailboxes_end(scene->mailboxes);
}

static void
test_too_many(void **state)
{
    g_autoptr(Scene) scene = scene_new(NULL, '\0');
    double start = cpu_seconds();
    (void)state;

    for (guint run = 0; run < 2; run++) {
        mail_mailboxes_begin(scene->mailboxes);
        for (guint i = 0; i < 200000; i++) {
            char name[20];
            g_snprintf(name, sizeof name, "a%u/b/c/d", i);
            take(scene, name, '/', 0);
        }
        mail_mailboxes_end(scene->mailboxes);
    }
    assert_in_range(scene->added, 1, IMAP_MAILBOXES_MAX + 64);
    assert_int_equal(scene->removed, 0);
    assert_true(cpu_seconds() - start < 30);
}

/* ---- ids ---- */

/* They are part of inode numbers: the same names have the same, next time. */
static void
test_ids_are_stable(void **state)
{
    g_autoptr(Scene) one = scene_new(NULL, '\0');
    g_autoptr(Scene) other = scene_new(NULL, '\0');
    static const char *const names[] = {"INBOX",   "Sent",  "Lists/a",
                                        "Lists/b", "a/b/c", "b/b/c"};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        take(one, names[i], '/', 0);
        take(other, names[G_N_ELEMENTS(names) - 1 - i], '/', 0);
    }
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        MailMailbox *mailbox = mail_mailboxes_named(one->mailboxes, names[i]);
        assert_int_not_equal(mailbox->id, 0);
        assert_int_equal(mailbox->id,
                         mail_mailboxes_named(other->mailboxes, names[i])->id);
    }
    assert_null(mail_mailboxes_root(one->mailboxes)->parent);
    assert_ptr_equal(mail_mailboxes_get(one->mailboxes, 0),
                     mail_mailboxes_root(one->mailboxes));
}

static void
test_remove(void **state)
{
    g_autoptr(Scene) scene = scene_new(NULL, '\0');
    (void)state;
    take_all(scene, "/a|/a/b|/a/b/c|/d");
    mail_mailboxes_remove(scene->mailboxes,
                          mail_mailboxes_named(scene->mailboxes, "a"));
    assert_int_equal(scene->removed, 3);
    assert_null(mail_mailboxes_named(scene->mailboxes, "a/b/c"));
    assert_non_null(mail_mailboxes_named(scene->mailboxes, "d"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_ids_are_stable),
        cmocka_unit_test(test_remove),
    };
    rows_begin_program();
    g_log_set_handler("imapfs", G_LOG_LEVEL_MESSAGE, on_message, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
