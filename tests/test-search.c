/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Searches and conversations: what is asked, what is believed of the answer,
 * and for how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <gmime/gmime.h>

#include <glib/gstdio.h>

#include "known.h"
#include "rows.h"

#define ESEARCH " ESEARCH"
#define RETURN "RETURN (ALL COUNT) "
#define C_UNSEEN "C: $q UID SEARCH UNSEEN\n"
#define C_EUNSEEN "C: $q UID SEARCH " RETURN "UNSEEN\n"

/* ---- somebody looks at a search, or at conversations ---- */

static gboolean
op_find(Op *op, MailFault *fault)
{
    MailAccount *account = op->scene->account;
    MailMailbox *mailbox = op->ino != 0
                               ? mail_account_mailbox(account, (guint16)op->ino)
                               : known_inbox(op->scene);
    guint32 search;
    guint32 uid = 0;

    g_string_set_size(op->names, 0);
    if (!mail_account_search(account, mailbox, op->name, &search, fault) ||
        !mail_account_visit_search(account, mailbox, search, fault))
        return FALSE;
    do {
        if (!mail_account_next_found(account, mailbox, search, uid + 1, &uid,
                                     fault))
            return FALSE;
        if (uid != 0)
            g_string_append_printf(op->names, "%s%u",
                                   op->names->len > 0 ? " " : "", uid);
    } while (uid != 0);
    return TRUE;
}

static gboolean
op_converse(Op *op, MailFault *fault)
{
    MailAccount *account = op->scene->account;
    MailMailbox *inbox = known_inbox(op->scene);
    guint32 first = 0;

    g_string_set_size(op->names, 0);
    for (;;) {
        guint32 uid = 0;
        if (!mail_account_next_thread(account, inbox, first + 1, &first, fault))
            return FALSE;
        if (first == 0)
            return TRUE;
        do {
            if (!mail_account_next_in_thread(account, inbox, first, uid + 1,
                                             &uid, fault))
                return FALSE;
            if (uid != 0)
                g_string_append_printf(op->names, "%u ", uid);
        } while (uid != 0);
        g_string_append(op->names, "; ");
    }
}

static Op *
start(Scene *scene, const char *query)
{
    Op *op = op_new(scene, op_find, 0);
    op->name = query;
    op_start(op);
    return op;
}

static void
assert_found(Scene *scene, const char *query, const char *found)
{
    g_autoptr(Op) op = start(scene, query);
    op_wait(op);
    op_assert_fine(op);
    assert_string_equal(op->names->str, found);
}

static void
assert_conversations(Scene *scene, const char *wanted)
{
    g_autoptr(Op) op = op_new(scene, op_converse, 0);
    op_run(op);
    op_assert_fine(op);
    assert_string_equal(op->names->str, wanted);
}

static guint
count_searches(Scene *scene)
{
    return script_count(scene->script, 0, "UID SEARCH");
}

/* ---- what is asked, and what is believed ---- */

#define FINE (-1)

typedef struct {
    const char *name;
    const char *capabilities;
    const char *query;
    const char *rest;
    int code; /* or FINE */
    const char *found;
} Row;

static const Row rows[] = {
    {"SEARCH", "", "unseen", C_UNSEEN "S: * SEARCH 20 40\n" OK("q"), FINE,
     "20 40"},
    {"in no order, twice, and what is not there", "", "unseen",
     C_UNSEEN "S: * SEARCH 40 11 20\nS: * SEARCH 20\nS: * SEARCH 10\n" OK("q"),
     FINE, "10 20 40"},
    {"nothing", "", "unseen", C_UNSEEN "S: * SEARCH\n" OK("q"), FINE, ""},
    {"not even that", "", "unseen", C_UNSEEN OK("q"), FINE, ""},
    {"what is no UID", "", "unseen",
     C_UNSEEN "S: * SEARCH 20 0 30\nS: * SEARCH x\nS: * SEARCH 50\n" OK("q"),
     FINE, "20 50"},
    {"ESEARCH", ESEARCH, "unseen",
     C_EUNSEEN
     "S: * ESEARCH (TAG \"$q\") UID ALL 50,10,29:31 COUNT 5\n" OK("q"),
     FINE, "10 30 50"},
    {"of another command", ESEARCH, "unseen",
     C_EUNSEEN "S: * ESEARCH (TAG \"x\") UID ALL 20 COUNT 1\n"
               "S: * ESEARCH (TAG \"$q\") UID COUNT 1 ALL 10\n" OK("q"),
     FINE, "10"},
    {"ESEARCH finds nothing", ESEARCH, "unseen",
     C_EUNSEEN "S: * ESEARCH (TAG \"$q\") UID COUNT 0\n" OK("q"), FINE, ""},
    {"answered by a plain SEARCH", ESEARCH, "unseen",
     C_EUNSEEN "S: * SEARCH 20 40\n" OK("q"), FINE, "20 40"},
    {"iCloud: the count alone", ESEARCH, "unseen",
     C_EUNSEEN "S: * ESEARCH (TAG \"$q\") UID COUNT 2\n" OK("q") C_UNSEEN
     "S: * SEARCH 20 40\n" OK("q"),
     FINE, "20 40"},
    {"Exchange: nothing at all", ESEARCH, "unseen",
     C_EUNSEEN "S: * ESEARCH (TAG \"$q\") UID\n" OK("q") C_UNSEEN
     "S: * SEARCH 20 40\n" OK("q"),
     FINE, "20 40"},
    {"no answer", ESEARCH, "unseen",
     C_EUNSEEN OK("q") C_UNSEEN "S: * SEARCH 20\n" OK("q"), FINE, "20"},
    {"fewer than it says", ESEARCH, "unseen",
     C_EUNSEEN "S: * ESEARCH (TAG \"$q\") UID ALL 10,20 COUNT 3\n" OK("q")
         C_UNSEEN "S: * SEARCH 10 20 30\n" OK("q"),
     FINE, "10 20 30"},
    {"all there can be", ESEARCH, "unseen",
     C_EUNSEEN "S: * ESEARCH (TAG \"$q\") UID ALL 1:50 COUNT 50\n" OK("q"),
     FINE, "10 20 30 40 50"},
    {"ranges that overlap and touch", ESEARCH, "unseen",
     C_EUNSEEN
     "S: * ESEARCH (TAG \"$q\") UID ALL 31:40,20:30,10:25 COUNT 31\n" OK("q"),
     FINE, "10 20 30 40"},
    {"more than there are: are there?", ESEARCH, "unseen",
     C_EUNSEEN "S: * ESEARCH (TAG \"$q\") UID ALL 40:4294967295 "
               "COUNT 4294967256\n" OK("q") PLAIN_DELTA SELECTED_PLAIN("5")
                   OK("n") C_FLAGS OK("f"),
     FINE, "40 50"},
    {"RETURN is refused", ESEARCH, "unseen",
     C_EUNSEEN "S: $q BAD what\n" C_UNSEEN "S: * SEARCH 20\n" OK("q"), FINE,
     "20"},
    {"so is all", ESEARCH, "unseen",
     C_EUNSEEN "S: $q BAD what\n" C_UNSEEN "S: $q BAD what\n",
     IMAPFS_ERROR_USAGE, ""},
    {"the server does not like it", "", "unseen", C_UNSEEN "S: $q NO what\n",
     IMAPFS_ERROR_USAGE, ""},
    {"not now", "", "unseen", C_UNSEEN "S: $q NO [UNAVAILABLE] later\n",
     IMAPFS_ERROR_BUSY, ""},
    {"not you", "", "unseen", C_UNSEEN "S: $q NO [NOPERM] no\n",
     IMAPFS_ERROR_DENIED, ""},
    {"we do not like it", "", "form:alice", "", IMAPFS_ERROR_USAGE, ""},
    {"only Gmail can", "", "gmail:x", "", IMAPFS_ERROR_USAGE, ""},
    {"Gmail can", " X-GM-EXT-1", "gmail:x",
     "C: $q UID SEARCH X-GM-RAW \"x\"\nS: * SEARCH 10\n" OK("q"), FINE, "10"},
    {"what looks like a literal", "", "{5+} from:{3}",
     "C: $q UID SEARCH TEXT \"{5+}\" FROM \"{3}\"\nS: * SEARCH 10\n" OK("q"),
     FINE, "10"},
    {"literals in the middle", ESEARCH, "from:\303\244 unseen to:\303\266",
     "C: $q UID SEARCH " RETURN "CHARSET UTF-8 FROM {2}\nS: + go\n"
     "C: \303\244 UNSEEN TO {2}\nS: + go\nC: \303\266\n"
     "S: * ESEARCH (TAG \"$q\") UID ALL 10 COUNT 1\n" OK("q"),
     FINE, "10"},
    {"a literal is refused", "", "\303\244",
     "C: $q UID SEARCH CHARSET UTF-8 TEXT {2}\n"
     "S: $q NO [BADCHARSET (US-ASCII)] no\n",
     IMAPFS_ERROR_USAGE, ""},
    /* INTERNALDATE of all is about 10438135 seconds ago. */
    {"younger than they are, by days", "", "newer:10438100",
     "C: $q UID SEARCH SINCE 16-Jul-2023\nS: * SEARCH 10 20\n" OK("q"), FINE,
     ""},
    {"as young as they are", "", "newer:10438200",
     "C: $q UID SEARCH SINCE 16-Jul-2023\nS: * SEARCH 10 20\n" OK("q"), FINE,
     "10 20"},
    {"the server knows better", " WITHIN", "newer:10438100",
     "C: $q UID SEARCH YOUNGER 10438100\nS: * SEARCH 10 20\n" OK("q"), FINE,
     "10 20"},
    {"attachments are looked up in what is found", "", "has:attachment unseen",
     C_UNSEEN "S: * SEARCH 20 40 50\n" OK(
         "q") "C: $p UID FETCH 20 (UID RFC822.SIZE BODYSTRUCTURE)\n"
              "C: $r UID FETCH 40,50 (UID RFC822.SIZE BODYSTRUCTURE)\n"
              "S: * 2 FETCH (UID 20 RFC822.SIZE 100 BODYSTRUCTURE (\"TEXT\" "
              "\"PLAIN\" NIL NIL NIL \"7BIT\" 50 2))\n"
              "S: * 4 FETCH (UID 40 RFC822.SIZE 100 BODYSTRUCTURE "
              "((\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 5 1)(\"IMAGE\" "
              "\"PNG\" (\"NAME\" \"x.png\") NIL NIL \"BASE64\" 20 NIL "
              "(\"ATTACHMENT\" (\"FILENAME\" \"x.png\"))) \"MIXED\"))\n"
              "S: * 5 FETCH (UID 50 RFC822.SIZE 100 BODYSTRUCTURE (\"TEXT\" "
              "\"PLAIN\" NIL NIL NIL \"7BIT\" 50 2))\n" OK("p") OK("r"),
     FINE, "40"},
};

static void
test_rows(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        const Row *row = &rows[i];
        g_autoptr(Scene) scene = known_new(1, row->capabilities, row->rest);
        g_autoptr(Op) op = start(scene, row->query);

        script_run(scene->script, &op->done, 10 * CLOCK_SECOND);
        if (!op->done || !script_is_over(scene->script, 0) ||
            script_unread(scene->script, 0) > 0) {
            row_fail(row->name, "%s after:\n%s", op->done ? "done" : "stuck",
                     script_heard(scene->script, 0));
            continue;
        }
        row_number(row->name, "code", op->error ? op->error->code : FINE,
                   row->code);
        if (op->error == NULL)
            row_string(row->name, "found", op->names->str, row->found);
    }
    rows_end();
}

/* What a server was caught at is remembered for other searches, too. */
static void
test_caught(void **state)
{
    g_autoptr(Scene) scene = known_new(
        1, ESEARCH,
        C_EUNSEEN "S: * ESEARCH (TAG \"$q\") UID COUNT 2\n" OK("q") C_UNSEEN
        "S: * SEARCH 20 40\n" OK(
            "q") "C: $q UID SEARCH SEEN\nS: * SEARCH 30\n" OK("q"));
    (void)state;

    assert_found(scene, "unseen", "20 40");
    assert_found(scene, "seen", "30");
    known_assert_over(scene, 0);
}

/* ---- two at a time ---- */

static void
find_two(const char *capabilities, const char *rest)
{
    g_autoptr(Scene) scene = known_new(1, capabilities, rest);
    g_autoptr(Op) one = start(scene, "unseen");
    g_autoptr(Op) other = start(scene, "seen");

    scene_wait(scene, SHORT);
    assert_int_equal(script_unread(scene->script, 0), 0);
    op_wait(one);
    op_wait(other);
    op_assert_fine(one);
    op_assert_fine(other);
    assert_string_equal(one->names->str, "20 40");
    assert_string_equal(other->names->str, "10");
    known_assert_over(scene, 0);
}

static void
test_two(void **state)
{
    (void)state;
    find_two(
        ESEARCH,
        "C: $a UID SEARCH " RETURN "UNSEEN\n"
        "C: $b UID SEARCH " RETURN "SEEN\n"
        "S: * ESEARCH (TAG \"$b\") UID ALL 10 COUNT 1\n" OK(
            "b") "S: * ESEARCH (TAG \"$a\") UID ALL 20,40 COUNT 2\n" OK("a"));
    find_two("", "C: $a UID SEARCH UNSEEN\nW: 100\nS: * SEARCH 20 40\n" OK(
                     "a") "C: $b UID SEARCH SEEN\nS: * SEARCH 10\n" OK("b"));
}

/* One search for all who want to know the same. */
static void
test_shared(void **state)
{
    g_autoptr(Scene) scene =
        known_new(1, "", C_UNSEEN "W: 100\nS: * SEARCH 20\n" OK("q"));
    g_autoptr(Op) one = start(scene, "unseen");
    g_autoptr(Op) other = NULL;
    (void)state;

    scene_wait(scene, SHORT);
    other = start(scene, "unseen");
    op_wait(one);
    op_wait(other);
    assert_string_equal(one->names->str, "20");
    assert_string_equal(other->names->str, "20");
    known_assert_over(scene, 0);
}

/* Who has left before it was sent does not have it sent. */
static void
test_left(void **state)
{
    g_autoptr(Scene) scene = known_new(1, "", "");
    g_autoptr(Op) op = start(scene, "unseen");
    (void)state;

    fs_park_leave(&op->parked);
    scene_wait(scene, CLOCK_SECOND);
    known_assert_over(scene, 0);
}

/* A bystander of a search the server names by its tag: how a listing is brought
 * up to date. */
static void
test_beside_sync(void **state)
{
    g_autoptr(Scene) scene = known_new(
        2, ESEARCH,
        C_EUNSEEN "S: * SEARCH 20 40\n" OK("q") PLAIN_DELTA SELECTED_PLAIN("4")
            OK("n") C_ESEARCH "W: 2000\n"
                              "S: * ESEARCH (TAG \"x\") UID ALL 10:20\n"
                              "S: * ESEARCH (TAG \"$s\") UID ALL "
                              "10,20,30,50\n" OK("s") C_FLAGS OK("f"));
    g_autoptr(Op) op = NULL;
    (void)state;

    known_add(
        scene, ESEARCH,
        C_EXAMINE "C: $q UID SEARCH " RETURN "SEEN\n" SELECTED_PLAIN(
            "4") "S: * ESEARCH (TAG \"$q\") UID ALL 30,40 COUNT 2\n" OK("q"));
    assert_found(scene, "unseen", "20 40");
    mail_account_refresh(scene->account, known_inbox(scene));
    known_inbox(scene)->doubted = FALSE;
    scene_wait(scene, SHORT);
    op = start(scene, "seen");
    op_wait(op);
    op_assert_fine(op);
    scene_wait(scene, CLOCK_SECOND);
    known_assert_over(scene, 0);
    known_assert_over(scene, 1);
    known_assert_shown(scene, "10 20 30 50");
    assert_string_equal(op->names->str, "30 40");
}

/* ---- for how long it is believed ---- */

static const struct {
    const char *name;
    const char *news; /* or NULL: time passes */
    const char *next; /* NULL: nothing is asked */
    const char *found;
} change_rows[] = {
    {"nothing happens", "", NULL, "20 40"},
    {"a message goes", "* 2 EXPUNGE\r\n", "40 50", "40 50"},
    {"flags change", "* 2 FETCH (UID 20 FLAGS (\\Seen))\r\n", "40", "40"},
    {"flags are told that are not news", "* 2 FETCH (UID 20 FLAGS ())\r\n",
     NULL, "20 40"},
};

static void
test_changes(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(change_rows); i++) {
        const char *next = change_rows[i].next;
        g_autofree char *rest =
            g_strdup_printf(C_UNSEEN "S: * SEARCH 20 40\n" OK("q") "%s%s%s",
                            next ? C_UNSEEN "S: * SEARCH " : "",
                            next ? next : "", next ? "\n" OK("q") : "");
        g_autoptr(Scene) scene = known_new(1, "", rest);

        assert_found(scene, "unseen", "20 40");
        script_say(scene->script, 0, change_rows[i].news);
        scene_wait(scene, CLOCK_SECOND);
        assert_found(scene, "unseen", change_rows[i].found);
        if (!script_is_over(scene->script, 0) ||
            script_unread(scene->script, 0) > 0)
            fail_msg("%s: the client said\n%s", change_rows[i].name,
                     script_heard(scene->script, 0));
    }
}

/* At once, in a listing of what was found that goes on. */
static void
test_gone_at_once(void **state)
{
    g_autoptr(Scene) scene =
        known_new(1, "", C_UNSEEN "S: * SEARCH 20 30 40\n" OK("q"));
    MailMailbox *inbox = known_inbox(scene);
    MailFault fault = {NULL, NULL};
    guint32 search = 0;
    guint32 uid = 0;
    (void)state;

    assert_found(scene, "unseen", "20 30 40");
    assert_true(
        mail_account_search(scene->account, inbox, "unseen", &search, &fault));
    script_say(scene->script, 0, "* 3 EXPUNGE\r\n");
    scene_wait(scene, SHORT);
    assert_true(mail_account_next_found(scene->account, inbox, search, 21, &uid,
                                        &fault));
    assert_int_equal(uid, 40);
    known_assert_over(scene, 0);
}

/* What happens while the server searches does not keep anybody waiting, and
 * has it search again for whoever looks next. */
static void
test_change_meanwhile(void **state)
{
    g_autoptr(Scene) scene = known_new(
        1, "",
        C_UNSEEN "S: * 2 EXPUNGE\nS: * 4 FETCH (UID 50 FLAGS (\\Seen))\n"
                 "S: * SEARCH 20 40\n" OK("q") C_UNSEEN
        "S: * SEARCH 30\n" OK("q"));
    (void)state;

    assert_found(scene, "unseen", "40");
    scene_wait(scene, CLOCK_SECOND);
    assert_found(scene, "unseen", "30");
    known_assert_over(scene, 0);
}

/* Mail that the server has found and nobody has heard of is listed first. */
static void
test_found_unknown(void **state)
{
    g_autoptr(Scene) scene = known_new(
        1, "",
        C_UNSEEN "S: * SEARCH 20 60\n" OK("q") PLAIN_DELTA SELECTED_PLAIN("6")
            MESSAGE("6", "60") OK("n") C_FLAGS OK("f"));
    (void)state;

    assert_found(scene, "unseen", "20 60");
    scene_wait(scene, SHORT);
    known_assert_over(scene, 0);
}

/* "Younger than a day" is not the same in a minute. */
static void
test_relative(void **state)
{
    static const struct {
        const char *query;
        guint searches;
    } ages[] = {{"newer:1d", 2}, {"unseen", 1}};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(ages); i++) {
        g_autoptr(Scene) scene =
            known_new(1, " WITHIN", "C: $q *\nS: * SEARCH 20\n" OK("q") "A\n");
        g_autoptr(Op) op = NULL;

        assert_found(scene, ages[i].query, "20");
        scene_wait(scene, 30 * CLOCK_SECOND);
        assert_found(scene, ages[i].query, "20");
        assert_int_equal(count_searches(scene), 1);
        scene_wait(scene, 31 * CLOCK_SECOND);
        op = start(scene, ages[i].query);
        op_wait(op);
        assert_int_equal(count_searches(scene), ages[i].searches);
    }
}

/* The connection is gone, and no other can be had. */
static void
test_offline(void **state)
{
    g_autoptr(Scene) scene =
        known_new(1, "", C_UNSEEN "S: * SEARCH 20 40\n" OK("q"));
    g_autoptr(Op) op = NULL;
    (void)state;

    assert_found(scene, "unseen", "20 40");
    script_hang_up(scene->script, 0);
    scene_wait(scene, MINUTE);
    assert_found(scene, "unseen", "20 40");
    op = start(scene, "seen");
    op_wait(op);
    op_assert_failed(op, IMAPFS_ERROR_OFFLINE);
}

/* The connection breaks under it: once more. */
static void
test_lost(void **state)
{
    g_autoptr(Scene) scene = known_new(1, "", C_UNSEEN "S: * SEARCH 10\nX\n");
    g_autoptr(Op) op = NULL;
    (void)state;

    known_add(scene, "",
              C_EXAMINE C_UNSEEN SELECTED_PLAIN("5") "S: * SEARCH 20\n" OK("q")
                  PLAIN_DELTA SELECTED_PLAIN("5") OK("n") C_FLAGS OK("f"));
    op = start(scene, "unseen");
    op_wait(op);
    op_assert_fine(op);
    assert_string_equal(op->names->str, "20");
}

/* The mailbox cannot be selected any more: that is not the query's fault. */
static void
test_not_selected(void **state)
{
    g_autoptr(Scene) scene = known_new(1, "", "");
    g_autoptr(Op) op = NULL;
    (void)state;

    scene_serve(scene, 1);
    scene->server.refuse_examine = TRUE;
    script_hang_up(scene->script, 0);
    op = start(scene, "unseen");
    op_wait(op);
    assert_non_null(op->error);
    assert_int_not_equal(op->error->code, IMAPFS_ERROR_USAGE);
}

/* So does the mailbox, while somebody waits for what is found in it. */
static void
test_mailbox_goes(void **state)
{
    g_autoptr(Scene) scene = scene_new(1);
    g_autofree char *names = NULL;
    g_autoptr(Op) op = NULL;
    guint16 id;
    (void)state;

    known_add(scene, "",
              C_LIST "S: * LIST () \"/\" INBOX\nS: * LIST () \"/\" a\n" OK(
                  "l") "C: $e EXAMINE \"a\"\n" C_REST(PLAIN_ITEMS, "1")
                  SELECTED_PLAIN("0") OK("n") C_UNSEEN C_LIST
              "S: * LIST () \"/\" INBOX\n" OK("l") "S: * SEARCH 5\n" OK("q"));
    names = scene_list(scene, 1, NULL);
    id = mail_mailbox_child(mail_account_root(scene->account), "a")->id;
    op = op_new(scene, op_find, id);
    op->name = "unseen";
    op_start(op);
    scene_wait(scene, SHORT);
    assert_false(op->done);
    mail_account_refresh(scene->account, mail_account_root(scene->account));
    op_wait(op);
    op_assert_failed(op, IMAPFS_ERROR_NOT_FOUND);
    assert_null(mail_account_mailbox(scene->account, id));
    scene_wait(scene, SHORT);
    known_assert_over(scene, 0);
}

/* ---- numbers ---- */

static guint32
number_of(Scene *scene, const char *query)
{
    MailFault fault = {NULL, NULL};
    guint32 search = 0;
    assert_true(mail_account_search(scene->account, known_inbox(scene), query,
                                    &search, &fault));
    return search;
}

static void
test_numbers(void **state)
{
    g_autoptr(Scene) scene = known_new(1, "", "");
    MailMailbox *inbox = known_inbox(scene);
    MailFault fault = {NULL, NULL};
    guint32 first = number_of(scene, "unseen");
    guint32 last = first;
    guint32 uid;
    (void)state;

    assert_int_not_equal(first, 0);
    assert_int_equal(number_of(scene, "unseen"), first);
    assert_string_equal(mail_account_search_query(scene->account, inbox, first),
                        "unseen");
    for (guint i = 0; i < 1024; i++) {
        g_autofree char *query = g_strdup_printf("UID %u", i + 1);
        guint32 number = number_of(scene, query);
        assert_true(number > last);
        last = number;
    }
    /* Room was made, and the number is nobody else's. */
    assert_null(mail_account_search_query(scene->account, inbox, first));
    assert_null(mail_account_search_query(scene->account, inbox, 0));
    assert_false(
        mail_account_next_found(scene->account, inbox, first, 1, &uid, &fault));
    assert_int_equal(fault.error->code, IMAPFS_ERROR_NOT_FOUND);
    g_clear_error(&fault.error);
    assert_true(number_of(scene, "unseen") > last);
    assert_null(mail_account_search_query(
        scene->account, mail_account_root(scene->account), last));
}

/* ---- pins ---- */

/* The scene goes on with another account, as if it had been mounted anew. */
static void
mount_again(Scene *scene, const char *folder, MailStore *store)
{
    const MailAccountSetup setup = {
        .login = &scene->login,
        .dialer = script_dialer(scene->script),
        .clock = scene->clock,
        .connections = 1,
        .cache_limit = 1 << 20,
        .store = store,
        .state = folder,
    };
    fs_park_free(scene->park);
    fs_tree_free(scene->tree);
    mail_account_free(scene->account);
    scene->account = mail_account_new(&setup);
    scene->tree =
        fs_tree_new(scene->account, scene->clock, FS_NAMES_UID, NULL, NULL);
    scene->park = fs_park_new(scene->account, scene->clock, SCENE_DEADLINE);
}

/* The queries that are pinned, as "a|b|". */
static char *
list_pins(Scene *scene)
{
    GString *text = g_string_new(NULL);
    MailMailbox *inbox = known_inbox(scene);
    guint32 number = 0;

    while ((number = mail_account_next_pinned(scene->account, inbox,
                                              number + 1)) != 0)
        g_string_append_printf(
            text, "%s|",
            mail_account_search_query(scene->account, inbox, number));
    return g_string_free(text, FALSE);
}

static void
assert_pins(Scene *scene, const char *wanted)
{
    g_autofree char *pins = list_pins(scene);
    assert_string_equal(pins, wanted);
}

static gboolean
pin(Scene *scene, const char *query, gboolean pinned, GError **error)
{
    return mail_account_pin_search(scene->account, known_inbox(scene),
                                   number_of(scene, query), pinned, error);
}

static void
remove_folder(const char *folder)
{
    g_autofree char *file = g_build_filename(folder, "searches", NULL);
    g_remove(file);
    assert_int_equal(g_rmdir(folder), 0);
}

static Scene *
scene_with_pins(const char *folder)
{
    Scene *scene = scene_new(1);
    g_autofree char *names = NULL;

    mount_again(scene, folder, NULL);
    scene_serve(scene, 1);
    names = scene_list(scene, 1, NULL);
    assert_string_equal(names, "INBOX,");
    return scene;
}

static void
test_pins(void **state)
{
    g_autofree char *parent = g_dir_make_tmp("imapfs-pins-XXXXXX", NULL);
    g_autofree char *folder = g_build_filename(parent, "state", NULL);
    static const char strange[] = "subject:\"a;b\\\\c\" from:\303\244";
    (void)state;

    {
        g_autoptr(Scene) scene = scene_with_pins(folder);
        assert_pins(scene, "");
        assert_true(pin(scene, "unseen", TRUE, NULL));
        assert_true(pin(scene, strange, TRUE, NULL));
        assert_true(pin(scene, "seen", TRUE, NULL));
        assert_true(pin(scene, "seen", TRUE, NULL));
        number_of(scene, "flagged");
        assert_true(pin(scene, "unseen", FALSE, NULL));
        assert_pins(scene, "subject:\"a;b\\\\c\" from:\303\244|seen|");
    }
    {
        g_autoptr(Scene) scene = scene_with_pins(folder);
        guint32 seen = number_of(scene, "seen");
        assert_pins(scene, "subject:\"a;b\\\\c\" from:\303\244|seen|");
        for (guint i = 0; i < 2048; i++) { /* nothing makes room of them */
            g_autofree char *query = g_strdup_printf("UID %u", i + 1);
            number_of(scene, query);
        }
        assert_int_equal(number_of(scene, "seen"), seen);
        assert_true(pin(scene, strange, FALSE, NULL));
        assert_true(pin(scene, "seen", FALSE, NULL));
    }
    {
        g_autoptr(Scene) scene = scene_with_pins(folder);
        assert_pins(scene, "");
    }
    remove_folder(folder);
    g_rmdir(parent);
}

static void
test_pins_fail(void **state)
{
    g_autoptr(Scene) scene = known_new(1, "", "");
    g_autoptr(Scene) elsewhere = scene_with_pins("/dev/null/state");
    g_autoptr(GError) error = NULL;
    (void)state;

    assert_false(pin(scene, "unseen", TRUE, &error));
    assert_int_equal(error->code, IMAPFS_ERROR_FAILED);
    assert_pins(scene, "");
    g_clear_error(&error);
    assert_false(pin(elsewhere, "unseen", TRUE, &error));
    assert_int_equal(error->domain, IMAPFS_ERROR);
    assert_pins(elsewhere, "");
    g_clear_error(&error);
    assert_false(mail_account_pin_search(scene->account, known_inbox(scene),
                                         4711, TRUE, &error));
    assert_int_equal(error->code, IMAPFS_ERROR_NOT_FOUND);
}

/* The file is what somebody made of it. */
static void
test_pins_file(void **state)
{
    static const struct {
        const char *text;
        const char *pins;
    } files[] = {
        {"[INBOX]\nqueries=seen;unseen;seen;\n", "seen|unseen|"},
        {"[INBOX]\nqueries=seen;form:alice;;a\\nb;unseen;\n", "seen|unseen|"},
        {"[inbox]\nqueries=seen;\n", ""},
        {"[INBOX]\n", ""},
        {"[INBOX]\nqueries=seen\n[INBOX]\nqueries=unseen\n", "unseen|"},
        {"not a file of keys\n", ""},
        {"", ""},
        {"[INBOX]\nqueries=\377\376;\n", ""},
    };
    g_autofree char *folder = g_dir_make_tmp("imapfs-pins-XXXXXX", NULL);
    g_autofree char *file = g_build_filename(folder, "searches", NULL);
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autoptr(Scene) scene = NULL;
        g_autofree char *pins = NULL;
        assert_true(g_file_set_contents(file, files[i].text, -1, NULL));
        scene = scene_with_pins(folder);
        pins = list_pins(scene);
        row_string(files[i].text, "pins", pins, files[i].pins);
    }
    rows_end();
    {
        g_autoptr(GString) many = g_string_new("[INBOX]\nqueries=");
        g_autoptr(Scene) scene = NULL;
        g_autoptr(GError) error = NULL;
        guint n = 0;
        for (guint i = 1; i < 5000; i++)
            g_string_append_printf(many, "UID %u;", i);
        assert_true(g_file_set_contents(file, many->str, -1, NULL));
        scene = scene_with_pins(folder);
        for (guint32 at = 0;
             (at = mail_account_next_pinned(scene->account, known_inbox(scene),
                                            at + 1)) != 0;)
            n++;
        assert_int_equal(n, 256);
        assert_false(pin(scene, "unseen", TRUE, &error));
        assert_int_equal(error->code, IMAPFS_ERROR_FAILED);
    }
    remove_folder(folder);
}

/* ---- from one mount to the next ---- */

/* INBOX has been listed, and what is known of it goes to STORE. */
static Scene *
scene_with_store(MailStore *store, const char *rest)
{
    Scene *scene = scene_new(1);
    g_autofree char *all =
        g_strconcat(C_LIST "S: * LIST () \"/\" INBOX\n" OK("l")
                        C_EXAMINE C_REST(PLAIN_ITEMS, "1") SELECTED_PLAIN("5")
                            ALL_MESSAGES OK("n"),
                    rest, NULL);

    mount_again(scene, NULL, store);
    known_add(scene, ESEARCH, all);
    scene_enter(scene);
    scene_wait(scene, SHORT);
    return scene;
}

static MailStore *
open_store(const char *folder, Clock *clock)
{
    g_autoptr(GError) error = NULL;
    MailStore *store = mail_store_open(folder, 1 << 20, clock, &error);
    assert_null(error);
    return store;
}

static void
remove_all(const char *folder)
{
    g_autofree char *command = g_strdup_printf("rm -r '%s'", folder);
    assert_int_equal(system(command), 0);
}

/* A server that was caught is not asked to RETURN anything by the next mount.
 */
static void
test_verdict(void **state)
{
    g_autofree char *parent = g_dir_make_tmp("imapfs-search-XXXXXX", NULL);
    g_autofree char *first = g_build_filename(parent, "a", NULL);
    g_autofree char *second = g_build_filename(parent, "b", NULL);
    g_autoptr(Clock) clock = clock_new_virtual(1700000000);
    MailStore *store = open_store(first, clock);
    g_autofree char *verdict = NULL;
    Scene *scene = scene_with_store(
        store, C_EUNSEEN "S: * ESEARCH (TAG \"$q\") UID COUNT 2\n" OK("q")
                   C_UNSEEN "S: * SEARCH 20 40\n" OK("q"));
    (void)state;

    assert_null(mail_store_verdict(store, "esearch"));
    assert_found(scene, "unseen", "20 40");
    scene_free(scene);
    verdict = mail_store_verdict(store, "esearch");
    assert_string_equal(verdict, "no");
    mail_store_close(store);

    store = open_store(second, clock);
    mail_store_set_verdict(store, "esearch", verdict);
    scene = scene_with_store(store, C_UNSEEN "S: * SEARCH 20\n" OK("q"));
    assert_found(scene, "unseen", "20");
    known_assert_over(scene, 0);
    scene_free(scene);
    mail_store_close(store);
    remove_all(parent);
}

/* ---- conversations ---- */

#define THREAD " THREAD=REFERENCES"
#define C_THREAD "C: $t UID THREAD REFERENCES UTF-8 ALL\n"
#define C_HEADERS(uids) \
    "C: $h UID FETCH " uids " (UID RFC822.SIZE BODY.PEEK[" FIELDS "])\n"
#define FIELDS "HEADER.FIELDS (MESSAGE-ID IN-REPLY-TO REFERENCES SUBJECT)"
#define REFERS(number, uid, id, to)                                   \
    "S: * " number " FETCH (UID " uid " RFC822.SIZE 100 BODY[" FIELDS \
    "] \"Message-ID: <" id ">\\r\\nReferences: <" to ">\")\n"
#define BY_HEADERS                                                          \
    C_HEADERS("10,20,30,40,50")                                             \
    "S> "                                                                   \
    "* 1 FETCH (UID 10 RFC822.SIZE 100 BODY[" FIELDS                        \
    "] {18}\\r\\nMessage-ID: <a>\\r\\n)\\r\\n\n"                            \
    "S> "                                                                   \
    "* 3 FETCH (UID 30 RFC822.SIZE 100 BODY[header.fields (\"message-id\" " \
    "\"in-reply-to\" \"references\" \"subject\")] {18}\\r\\n"               \
    "References: <a> \\r\\n)\\r\\n\n" OK("h")

typedef struct {
    const char *name;
    const char *capabilities;
    const char *rest;
    const char *news; /* that come then; or NULL */
    const char *before;
    const char *after;
} ThreadRow;

static const ThreadRow thread_rows[] = {
    {"THREAD", THREAD, C_THREAD "S: * THREAD (30 (10)(50))(20)(40)\n" OK("t"),
     NULL, "10 30 50 ; 20 ; 40 ; ", NULL},
    {"in several answers; some untold, one unheard of, one twice", THREAD,
     C_THREAD "S: * THREAD (30 10 11)\nS: * THREAD (50 30)\n" OK("t"), NULL,
     "10 30 ; 20 ; 40 ; 50 ; ", NULL},
    {"THREAD tells nothing", THREAD, C_THREAD OK("t"), NULL,
     "10 ; 20 ; 30 ; 40 ; 50 ; ", NULL},
    {"one goes: nobody is asked", THREAD,
     C_THREAD "S: * THREAD (10 30)(20 40)\n" OK("t"), "* 1 EXPUNGE\r\n",
     "10 30 ; 20 40 ; 50 ; ", "20 40 ; 30 ; 50 ; "},
    {"one comes: the server is asked again", THREAD,
     C_THREAD "S: * THREAD (10 30)(20 40)\n" OK("t") C_REST(PLAIN_ITEMS, "51")
         MESSAGE("6", "60") OK("n") C_THREAD "S: * THREAD (10 60)\n" OK("t"),
     "* 6 EXISTS\r\n", "10 30 ; 20 40 ; 50 ; ", "10 60 ; 20 ; 30 ; 40 ; 50 ; "},
    {"THREAD is refused", THREAD, C_THREAD "S: $t NO what\n" BY_HEADERS, NULL,
     "10 30 ; 20 ; 40 ; 50 ; ", NULL},
    {"THREAD is refused the second time", THREAD,
     C_THREAD "S: * THREAD (10 30)(20 40)\n" OK("t") C_REST(PLAIN_ITEMS, "51")
         MESSAGE("6", "60") OK("n") C_THREAD
     "S: $t BAD what\n" C_HEADERS(
         "10,20,30,40,50,60") "S> * 6 FETCH (UID 60 RFC822.SIZE 100 "
                              "BODY[" FIELDS
                              "] {18}\\r\\nReferences: <a> \\r\\n)\\r\\n\n" OK(
                                  "h"),
     "* 6 EXISTS\r\n", "10 30 ; 20 40 ; 50 ; ",
     "10 ; 20 ; 30 ; 40 ; 50 ; 60 ; "},
    {"headers", "", BY_HEADERS, NULL, "10 30 ; 20 ; 40 ; 50 ; ", NULL},
    {"headers; one goes", "", BY_HEADERS, "* 2 EXPUNGE\r\n",
     "10 30 ; 20 ; 40 ; 50 ; ", "10 30 ; 40 ; 50 ; "},
    {"headers; one comes, and only that is asked for", "",
     BY_HEADERS C_REST(PLAIN_ITEMS, "51") MESSAGE("6", "60") OK("n")
         C_HEADERS("60") "S> * 6 FETCH (UID 60 RFC822.SIZE 100 BODY[" FIELDS
                         "] {18}\\r\\nReferences: <a> \\r\\n)\\r\\n\n" OK("h"),
     "* 6 EXISTS\r\n", "10 30 ; 20 ; 40 ; 50 ; ", "10 30 60 ; 20 ; 40 ; 50 ; "},
};

static void
test_conversations(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(thread_rows); i++) {
        const ThreadRow *row = &thread_rows[i];
        g_autoptr(Scene) scene = known_new(1, row->capabilities, row->rest);
        g_autoptr(Op) op = op_new(scene, op_converse, 0);

        op_run(op);
        row_string(row->name, "before", op->names->str, row->before);
        if (row->news != NULL) {
            script_say(scene->script, 0, row->news);
            scene_wait(scene, 2 * CLOCK_SECOND);
            op_run(op);
            row_string(row->name, "after", op->names->str, row->after);
        }
        if (op->error != NULL)
            row_fail(row->name, "%s", op->error->message);
        if (!script_is_over(scene->script, 0) ||
            script_unread(scene->script, 0) > 0)
            row_fail(row->name, "the client said:\n%s",
                     script_heard(scene->script, 0));
        assert_string_equal(scene->seen->str + strlen(scene->seen->str), "");
    }
    rows_end();
}

static void
test_no_conversation(void **state)
{
    g_autoptr(Scene) scene =
        known_new(1, THREAD, C_THREAD "S: * THREAD (10 30)\n" OK("t"));
    MailFault fault = {NULL, NULL};
    guint32 uid = 0;
    (void)state;

    assert_conversations(scene, "10 30 ; 20 ; 40 ; 50 ; ");
    assert_false(mail_account_next_in_thread(scene->account, known_inbox(scene),
                                             30, 1, &uid, &fault));
    assert_int_equal(fault.error->code, IMAPFS_ERROR_NOT_FOUND);
    g_clear_error(&fault.error);
    /* What is known stays known. */
    script_hang_up(scene->script, 0);
    scene_wait(scene, MINUTE);
    assert_conversations(scene, "10 30 ; 20 ; 40 ; 50 ; ");
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_caught),
        cmocka_unit_test(test_two),
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_left),
        cmocka_unit_test(test_beside_sync),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_gone_at_once),
        cmocka_unit_test(test_change_meanwhile),
        cmocka_unit_test(test_found_unknown),
        cmocka_unit_test(test_relative),
        cmocka_unit_test(test_offline),
        cmocka_unit_test(test_lost),
        cmocka_unit_test(test_not_selected),
        cmocka_unit_test(test_mailbox_goes),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_pins),
        cmocka_unit_test(test_pins_fail),
        cmocka_unit_test(test_pins_file),
        cmocka_unit_test(test_verdict),
        cmocka_unit_test(test_conversations),
        cmocka_unit_test(test_no_conversation),
    };

    rows_begin_program();
    g_mime_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
