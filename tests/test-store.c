/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include "base/error.h"
#include "mail/bodies.h"
#include "mail/store.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WALL = 1700000000, PLENTY = 100 * 1024 * 1024 };

static Clock *virtual;
static char *folder;    /* for whatever a test wants */
static char *directory; /* in it, of the store */

static void
run(const char *command)
{
    int status = 0;
    assert_true(g_spawn_command_line_sync(command, NULL, NULL, &status, NULL));
    assert_int_equal(status, 0);
}

static int
set_up(void **state)
{
    (void)state;
    virtual = clock_new_virtual(WALL);
    folder = g_dir_make_tmp("imapfs-store-XXXXXX", NULL);
    directory = g_build_filename(folder, "cache", "account", NULL);
    return 0;
}

static int
tear_down(void **state)
{
    g_autofree char *remove = g_strdup_printf("rm -rf %s", folder);
    (void)state;
    run(remove);
    g_free(folder);
    g_free(directory);
    clock_free(virtual);
    return 0;
}

static void
nothing(gpointer data)
{
    (void)data;
}

static void
wait_for(gint64 time)
{
    clock_after(virtual, time, nothing, NULL);
    while (clock_step(virtual, clock_now(virtual) + time)) {
    }
}

static MailStore *
open_in(const char *path, guint64 limit)
{
    g_autoptr(GError) error = NULL;
    MailStore *store = mail_store_open(path, limit, virtual, &error);
    if (store == NULL)
        fail_msg("%s", error->message);
    return store;
}

static char *
describe(const MailStore *store)
{
    GString *text = g_string_new(NULL);
    mail_store_describe(store, text);
    return g_string_free(text, FALSE);
}

static gboolean
says(const MailStore *store, const char *what)
{
    g_autofree char *text = describe(store);
    return strstr(text, what) != NULL;
}

static void
tidy_up(MailStore *store)
{
    while (mail_store_tidy(store)) {
    }
}

/* ---- mail ---- */

static char *
pack(const char *subject, const char *message_id, const char *emailid)
{
    GString *text = g_string_new("A Name <name@example.org>");
    g_string_append_c(text, '\0');
    g_string_append(text, "list@example.org");
    g_string_append_c(text, '\0');
    g_string_append(text, subject);
    g_string_append_c(text, '\0');
    g_string_append(text, message_id);
    g_string_append_c(text, '\0');
    g_string_append(text, emailid);
    g_string_append_c(text, '\0');
    g_string_append_c(text, '\0');
    return g_string_free(text, FALSE);
}

/* Message number TAG, which has its own octets. */
static MailMessage *
add(MailMailbox *mailbox, guint32 uid, guint tag, const char *emailid)
{
    g_autofree char *id = g_strdup_printf("<%u@example.org>", tag);
    MailMessage message = {
        .uid = uid,
        .changed = WALL - tag,
        .flags = tag % 32,
        .modseq = 1000 + tag,
        .internaldate = (gint64)WALL - 1000 * tag,
        .announced = 50000 + tag,
        .size = 50000 + tag,
        .proven = tag % 2,
        .fields = pack("Subject", tag > 0 ? id : "", emailid),
    };
    mail_mailbox_insert(mailbox, &message);
    return mail_mailbox_find(mailbox, uid);
}

static guint64
parse(MailMailbox *mailbox, const char *flags)
{
    return mail_mailbox_parse_flags(mailbox, (ImapSlice){flags, strlen(flags)});
}

static MailMailbox *
make_mailbox(const char *name, guint32 uidvalidity)
{
    MailMailbox *mailbox = mail_mailbox_new(7, name, name);
    mailbox->delimiter = '/';
    mailbox->selectable = TRUE;
    mailbox->uidvalidity = uidvalidity;
    return mailbox;
}

static gboolean
save_all(MailStore *store, MailMailbox *mailbox)
{
    g_autoptr(GArray) uids = g_array_new(FALSE, FALSE, sizeof(guint32));
    for (guint i = 0; i < mail_mailbox_count(mailbox); i++)
        g_array_append_val(uids, mail_mailbox_at(mailbox, i)->uid);
    return mail_store_save_messages(store, mailbox, (guint32 *)uids->data,
                                    uids->len) &&
           mail_store_save_mailbox(store, mailbox);
}

static MailMailbox *
make_inbox(MailStore *store, guint n)
{
    MailMailbox *inbox = make_mailbox("INBOX", 1);
    for (guint i = 1; i <= n; i++)
        add(inbox, i, i, "");
    inbox->listing = MAIL_LISTED;
    inbox->modseq = 5000;
    assert_true(save_all(store, inbox));
    return inbox;
}

/* A mailbox as it comes out of the store; NULL if it is not there. */
typedef struct {
    const char *name;
    MailMailbox *found;
    gboolean complete;
    guint n;
} Search;

static void
on_stored(const MailStoredMailbox *stored, gpointer data)
{
    Search *search = data;
    MailMailbox *found;

    search->n++;
    if (strcmp(stored->name, search->name) != 0)
        return;
    found = mail_mailbox_new(stored->id, stored->name, stored->name);
    found->delimiter = stored->delimiter;
    found->selectable = stored->selectable;
    found->special_use = g_strdup(stored->special_use);
    found->uidvalidity = stored->uidvalidity;
    found->modseq = stored->modseq;
    found->changed_at = stored->changed_at;
    found->stored = stored->key;
    found->listing = stored->complete ? MAIL_LISTED : MAIL_UNLISTED;
    if (*stored->keywords != '\0') {
        char **words = g_strsplit(stored->keywords, " ", -1);
        for (guint i = 0; words[i] != NULL; i++)
            g_ptr_array_add(found->keywords, words[i]);
        g_free(words);
    }
    search->complete = stored->complete;
    search->found = found;
}

static MailMailbox *
load(MailStore *store, const char *name, guint slice)
{
    Search search = {name, NULL, FALSE, 0};
    mail_store_each_mailbox(store, on_stored, &search);
    while (search.found != NULL &&
           mail_store_load_messages(store, search.found,
                                    mail_mailbox_last_uid(search.found),
                                    slice) == slice) {
    }
    return search.found;
}

static void
assert_same_message(const MailMessage *one, const MailMessage *other)
{
    assert_int_equal(one->uid, other->uid);
    assert_int_equal(one->changed, other->changed);
    assert_true(one->flags == other->flags);
    assert_true(one->modseq == other->modseq);
    assert_true(one->internaldate == other->internaldate);
    assert_true(one->announced == other->announced);
    assert_true(one->size == other->size);
    assert_int_equal(one->proven, other->proven);
    assert_int_equal(one->capped, other->capped);
    for (guint i = 0; i < MAIL_N_FIELDS; i++)
        assert_string_equal(mail_message_field(one, i),
                            mail_message_field(other, i));
}

static void
assert_same(const MailMailbox *one, const MailMailbox *other)
{
    guint64 all = G_MAXUINT64;
    g_autofree char *flags = mail_mailbox_flags_text(one, all);
    g_autofree char *other_flags = mail_mailbox_flags_text(other, all);

    assert_int_equal(one->id, other->id);
    assert_string_equal(one->name, other->name);
    assert_int_equal(one->delimiter, other->delimiter);
    assert_int_equal(one->selectable, other->selectable);
    assert_int_equal(g_strcmp0(one->special_use, other->special_use), 0);
    assert_int_equal(one->uidvalidity, other->uidvalidity);
    assert_true(one->modseq == other->modseq);
    assert_true(one->changed_at == other->changed_at);
    assert_int_equal(one->listing, other->listing);
    assert_string_equal(flags, other_flags);
    assert_int_equal(mail_mailbox_count(one), mail_mailbox_count(other));
    for (guint i = 0; i < mail_mailbox_count(one); i++)
        assert_same_message(mail_mailbox_at(one, i), mail_mailbox_at(other, i));
}

/* ---- rows ---- */

static void
test_round_trip(void **state)
{
    MailStore *store = open_in(directory, PLENTY);
    MailMailbox *mailbox = make_mailbox("a \"b\"/\xc3\xa4'%", G_MAXUINT32);
    MailMailbox *again;
    MailMessage *message;

    (void)state;
    mailbox->special_use = g_strdup("\\Sent");
    mailbox->modseq = G_MAXINT64;
    mailbox->changed_at = WALL;
    mailbox->listing = MAIL_LISTED;
    for (guint i = 0; i < MAIL_FLAGS_MAX - MAIL_FLAG_KEYWORD; i++)
        g_ptr_array_add(mailbox->keywords, g_strdup_printf("$word%u", i));
    for (guint i = 1; i < 100; i++)
        add(mailbox, i * i, i, i % 3 ? "" : "Eaaaa");
    message = add(mailbox, G_MAXUINT32, 0, "E-1");
    message->changed = G_MAXUINT32;
    message->flags = G_MAXUINT64;
    message->modseq = G_MAXINT64;
    message->internaldate = -1;
    message->announced = message->size = G_MAXUINT64;
    message->capped = TRUE;
    assert_true(save_all(store, mailbox));
    for (guint slice = 1; slice <= 1000; slice *= 10) {
        again = load(store, mailbox->name, slice);
        assert_same(mailbox, again);
        mail_mailbox_free(again);
    }
    mail_store_close(store);
    store = open_in(directory, PLENTY);
    again = load(store, mailbox->name, 256);
    assert_same(mailbox, again);
    assert_int_equal(again->stored, mailbox->stored);
    assert_false(says(store, "anew"));
    mail_mailbox_free(again);
    mail_mailbox_free(mailbox);
    mail_store_close(store);
}

static void
test_changes(void **state)
{
    MailStore *store = open_in(directory, PLENTY);
    MailMailbox *inbox = make_inbox(store, 50);
    MailMailbox *again;
    guint32 uids[] = {3, 4, 5, 77, 99};

    (void)state;
    mail_mailbox_remove(inbox, 3, 4);
    mail_mailbox_find(inbox, 5)->flags = parse(inbox, "$New \\Seen");
    add(inbox, 77, 78, "");
    inbox->modseq++;
    assert_true(mail_store_save_messages(store, inbox, uids, 5));
    /* The name of a flag is there as soon as a message has it. */
    again = load(store, "INBOX", 1000);
    assert_int_equal(mail_mailbox_count(again), 49);
    assert_string_equal(g_ptr_array_index(again->keywords, 0), "$New");
    assert_true(again->modseq == 5000);
    mail_mailbox_free(again);
    assert_true(mail_store_save_mailbox(store, inbox));
    again = load(store, "INBOX", 1000);
    assert_same(inbox, again);
    mail_mailbox_free(again);
    /* A new name is no new mailbox. */
    g_free(inbox->name);
    inbox->name = g_strdup("Renamed");
    assert_true(mail_store_save_mailbox(store, inbox));
    assert_null(load(store, "INBOX", 1000));
    again = load(store, "Renamed", 1000);
    assert_same(inbox, again);
    mail_mailbox_free(again);
    mail_store_remove_mailbox(store, inbox);
    assert_int_equal(inbox->stored, 0);
    assert_null(load(store, "Renamed", 1000));
    tidy_up(store);
    mail_mailbox_free(inbox);
    mail_store_close(store);
}

/* What one statement says of the database of a store that is closed. */
static gint64
ask(const char *sql)
{
    g_autofree char *path = g_build_filename(directory, "index.db", NULL);
    sqlite3 *database = NULL;
    sqlite3_stmt *statement = NULL;
    gint64 number = -1;

    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(database, sql, -1, &statement, NULL),
                     SQLITE_OK);
    if (sqlite3_step(statement) == SQLITE_ROW)
        number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(database);
    return number;
}

static void
test_uidvalidity(void **state)
{
    MailStore *store = open_in(directory, PLENTY);
    MailMailbox *inbox = make_inbox(store, 1500);
    guint32 key = inbox->stored;
    guint32 uids[] = {1, 2, 3};
    MailMailbox *again;

    (void)state;
    mail_mailbox_clear(inbox);
    inbox->uidvalidity = 2;
    /* Nothing of the old ones is found, whoever asks first. */
    assert_int_equal(mail_store_load_messages(store, inbox, 0, 10), 0);
    assert_int_equal(inbox->stored, 0);
    inbox->stored = key;
    add(inbox, 1, 9001, "");
    assert_true(mail_store_save_messages(store, inbox, uids, 3));
    assert_int_not_equal(inbox->stored, key);
    again = load(store, "INBOX", 100);
    assert_int_equal(again->uidvalidity, 2);
    assert_int_equal(mail_mailbox_count(again), 1);
    assert_int_equal(again->listing, MAIL_UNLISTED);
    assert_true(again->modseq == 0);
    mail_mailbox_free(again);
    tidy_up(store);
    mail_store_close(store);
    assert_int_equal(ask("SELECT count(*) FROM message"), 1);
    assert_int_equal(ask("SELECT count(*) FROM mailbox"), 1);
    mail_mailbox_free(inbox);
}

/* A row never claims more than there is. */
static void
test_completeness(void **state)
{
    MailStore *store = open_in(directory, PLENTY);
    MailMailbox *inbox = make_inbox(store, 20);
    MailMailbox *again = load(store, "INBOX", 100);
    guint32 uid = 21;

    (void)state;
    assert_int_equal(again->listing, MAIL_LISTED);
    mail_mailbox_free(again);
    add(inbox, 21, 21, ""); /* and is not saved */
    assert_true(mail_store_save_mailbox(store, inbox));
    again = load(store, "INBOX", 100);
    assert_int_equal(again->listing, MAIL_UNLISTED);
    assert_true(again->modseq == 0);
    mail_mailbox_free(again);
    assert_true(mail_store_save_messages(store, inbox, &uid, 1));
    assert_true(mail_store_save_mailbox(store, inbox));
    again = load(store, "INBOX", 100);
    assert_same(inbox, again);
    mail_mailbox_free(again);
    /* Other keywords would give old messages flags they never had. */
    parse(inbox, "$One");
    assert_true(mail_store_save_mailbox(store, inbox));
    g_ptr_array_set_size(inbox->keywords, 0);
    parse(inbox, "$Other");
    assert_true(mail_store_save_messages(store, inbox, &uid, 1));
    again = load(store, "INBOX", 100);
    assert_int_equal(mail_mailbox_count(again), 1);
    assert_int_equal(again->listing, MAIL_UNLISTED);
    mail_mailbox_free(again);
    mail_mailbox_free(inbox);
    /* Without a UIDVALIDITY, a UID says nothing. */
    inbox = make_mailbox("Odd", 0);
    add(inbox, 1, 1, "");
    inbox->listing = MAIL_LISTED;
    assert_true(save_all(store, inbox));
    again = load(store, "Odd", 100);
    assert_int_equal(again->listing, MAIL_UNLISTED);
    assert_int_equal(mail_mailbox_count(again), 0);
    mail_mailbox_free(again);
    mail_mailbox_free(inbox);
    mail_store_close(store);
}

static void
test_verdicts(void **state)
{
    MailStore *store = open_in(directory, 0);
    g_autofree char *value = NULL;

    (void)state;
    assert_null(mail_store_verdict(store, "sizes"));
    mail_store_set_verdict(store, "sizes", "exact");
    mail_store_set_verdict(store, "other", "");
    mail_store_set_verdict(store, "sizes", "wrong");
    mail_store_close(store);
    store = open_in(directory, 0);
    value = mail_store_verdict(store, "sizes");
    assert_string_equal(value, "wrong");
    mail_store_set_verdict(store, "sizes", NULL);
    assert_null(mail_store_verdict(store, "sizes"));
    g_free(value);
    value = mail_store_verdict(store, "other");
    assert_string_equal(value, "");
    mail_store_close(store);
}

/* ---- bodies ---- */

static guint8
octet_of(guint tag, guint64 offset)
{
    guint32 x = tag * 2654435761u + (guint32)offset * 40503u;
    return (guint8)(x ^ x >> 11 ^ x >> 19);
}

static void
put(MailStore *store, MailMailbox *mailbox, guint32 uid, guint tag,
    guint64 offset, gsize length)
{
    g_autofree guint8 *data = g_malloc(length + 1);
    for (gsize i = 0; i < length; i++)
        data[i] = octet_of(tag, offset + i);
    mail_store_put(store, mailbox, mail_mailbox_find(mailbox, uid), "", offset,
                   data, length);
}

static guint64
extent(MailStore *store, MailMailbox *mailbox, guint32 uid, guint64 offset)
{
    return mail_store_extent(store, mailbox, mail_mailbox_find(mailbox, uid),
                             "", offset);
}

/* Whether the octet is there; if so it is the right one. */
static gboolean
has(MailStore *store, MailMailbox *mailbox, guint32 uid, guint tag,
    guint64 offset)
{
    guint64 start = 0;
    g_autoptr(GBytes) octets = mail_store_get(
        store, mailbox, mail_mailbox_find(mailbox, uid), "", offset, &start);
    const guint8 *data;
    gsize length = 0;

    if (octets == NULL)
        return FALSE;
    data = g_bytes_get_data(octets, &length);
    assert_true(start <= offset && offset < start + length);
    assert_true(length <= MAIL_BODIES_PIECE_MAX);
    for (gsize i = 0; i < length; i++)
        assert_int_equal(data[i], octet_of(tag, start + i));
    return TRUE;
}

static void
test_extents(void **state)
{
    MailStore *store = open_in(directory, PLENTY);
    MailMailbox *inbox = make_inbox(store, 3);

    (void)state;
    assert_int_equal(extent(store, inbox, 1, 0), 0);
    put(store, inbox, 1, 1, 100, 100);
    put(store, inbox, 1, 1, 300, 100);
    assert_int_equal(extent(store, inbox, 1, 0), 0);
    assert_int_equal(extent(store, inbox, 1, 100), 100);
    assert_int_equal(extent(store, inbox, 1, 199), 1);
    assert_int_equal(extent(store, inbox, 1, 200), 0);
    put(store, inbox, 1, 1, 0, 1000); /* around both */
    assert_int_equal(extent(store, inbox, 1, 0), 1000);
    for (guint64 at = 0; at < 1000; at += 50)
        assert_true(has(store, inbox, 1, 1, at));
    assert_false(has(store, inbox, 1, 1, 1000));
    assert_true(says(store, " in 5 extents"));
    put(store, inbox, 1, 1, 20, 900); /* all of it is there */
    assert_true(says(store, " in 5 extents"));
    /* Another section, another message. */
    assert_int_equal(
        mail_store_extent(store, inbox, mail_mailbox_find(inbox, 1), "1", 0),
        0);
    assert_int_equal(extent(store, inbox, 2, 0), 0);
    mail_store_put(store, inbox, mail_mailbox_find(inbox, 1), "1.MIME", 0, "x",
                   1);
    assert_int_equal(mail_store_extent(store, inbox,
                                       mail_mailbox_find(inbox, 1), "1.MIME",
                                       0),
                     1);
    /* More than an extent can hold. */
    put(store, inbox, 2, 2, 5, 3 * MAIL_BODIES_PIECE_MAX);
    assert_int_equal(extent(store, inbox, 2, 5), 3 * MAIL_BODIES_PIECE_MAX);
    assert_true(has(store, inbox, 2, 2, 2 * MAIL_BODIES_PIECE_MAX + 9));
    mail_store_forget(store, inbox, 2);
    assert_int_equal(extent(store, inbox, 2, 5), 0);
    assert_int_equal(extent(store, inbox, 1, 0), 1000);
    /* The guard: another size is another message. */
    mail_mailbox_find(inbox, 1)->announced++;
    assert_false(has(store, inbox, 1, 1, 0));
    mail_mailbox_find(inbox, 1)->announced--;
    assert_false(has(store, inbox, 1, 1, 0));
    /* Offsets that nobody has. */
    put(store, inbox, 1, 1, G_MAXUINT64 - 5, 10);
    assert_int_equal(extent(store, inbox, 1, G_MAXUINT64 - 5), 0);
    assert_int_equal(extent(store, inbox, 1, G_MAXINT64), 0);
    put(store, inbox, 1, 1, 0, 0);
    assert_true(says(store, " in 0 extents"));
    mail_mailbox_free(inbox);
    mail_store_close(store);
}

enum { MODEL = 40000, MODELS = 4 };

static void
test_random(void **state)
{
    guint8 *known = g_malloc0(MODELS * MODEL);

    (void)state;
    for (guint seed = 0; seed < 5; seed++) {
        g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
        g_autofree char *path = g_strdup_printf("%s/%u", folder, seed);
        MailStore *store = open_in(path, PLENTY);
        MailMailbox *inbox = make_inbox(store, MODELS);
        memset(known, 0, MODELS * MODEL);
        for (guint i = 0; i < 600; i++) {
            guint m = (guint)g_rand_int_range(rand, 0, MODELS);
            guint from = (guint)g_rand_int_range(rand, 0, MODEL);
            guint n = (guint)g_rand_int_range(rand, 1, 3000);
            guint8 *mine = known + m * MODEL;
            guint run_length = 0;
            n = MIN(n, MODEL - from);
            switch (g_rand_int_range(rand, 0, 20)) {
            case 0:
                mail_store_close(store);
                store = open_in(path, PLENTY);
                break;
            case 1:
                mail_store_forget(store, inbox, m + 1);
                memset(mine, 0, MODEL);
                break;
            case 2:
            case 3:
            case 4:
                put(store, inbox, m + 1, m + 1, from, n);
                memset(mine + from, 1, n);
                break;
            default:
                while (from + run_length < MODEL && mine[from + run_length])
                    run_length++;
                assert_int_equal(extent(store, inbox, m + 1, from), run_length);
                assert_int_equal(has(store, inbox, m + 1, m + 1, from),
                                 mine[from]);
            }
        }
        mail_mailbox_free(inbox);
        mail_store_close(store);
    }
    g_free(known);
}

/* What the files take, in octets. */
static gint64
disk_usage(void)
{
    g_autofree char *path = g_build_filename(directory, "bodies", NULL);
    GDir *dir = g_dir_open(path, 0, NULL);
    gint64 sum = 0;

    for (const char *name; (name = g_dir_read_name(dir)) != NULL;) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        struct stat st;
        assert_return_code(stat(file, &st), errno);
        sum += (gint64)st.st_blocks * 512;
    }
    g_dir_close(dir);
    return sum;
}

static void
test_eviction(void **state)
{
    enum { LIMIT = 4 * 1024 * 1024, EACH = 40000 };
    MailStore *store = open_in(directory, LIMIT);
    MailMailbox *inbox = make_inbox(store, 300);
    guint n = 0;

    (void)state;
    for (guint i = 1; i <= 90; i++) {
        put(store, inbox, i, i, 0, EACH);
        wait_for(CLOCK_SECOND);
    }
    tidy_up(store);
    for (guint i = 1; i <= 90; i++)
        assert_int_equal(extent(store, inbox, i, 0), EACH);
    /* Those that are read are kept. */
    wait_for(2 * 3600 * CLOCK_SECOND);
    for (guint i = 1; i <= 10; i++)
        assert_true(has(store, inbox, i, i, 0));
    for (guint i = 101; i <= 130; i++) {
        wait_for(CLOCK_SECOND);
        put(store, inbox, i, i, 0, EACH);
    }
    tidy_up(store);
    assert_true(disk_usage() <= LIMIT + LIMIT / 10);
    for (guint i = 1; i <= 300; i++) {
        gboolean there = has(store, inbox, i, i, 0);
        n += there;
        if (i <= 10 || (i > 110 && i <= 130))
            assert_true(there);
        if (i == 11)
            assert_false(there);
    }
    assert_in_range(n, 60, 103);
    /* However much is put without tidying up. */
    for (guint i = 1; i <= 300; i++)
        put(store, inbox, i, i, 0, EACH);
    assert_true(disk_usage() <= LIMIT + LIMIT / 10);
    mail_store_close(store);
    /* A smaller limit. */
    store = open_in(directory, LIMIT / 4);
    tidy_up(store);
    assert_true(disk_usage() <= LIMIT / 4);
    mail_store_close(store);
    store = open_in(directory, 0);
    put(store, inbox, 1, 1, 0, EACH);
    tidy_up(store);
    assert_int_equal(disk_usage(), 0);
    assert_true(says(store, "cache size: 0 of 0 octets in 0 extents"));
    mail_mailbox_free(inbox);
    mail_store_close(store);
}

/* ---- adoption ---- */

static void
remove_message(MailStore *store, MailMailbox *mailbox, guint32 uid)
{
    mail_mailbox_remove(mailbox, uid, uid);
    assert_true(mail_store_save_messages(store, mailbox, &uid, 1));
}

static void
test_adoption(void **state)
{
    MailStore *store = open_in(directory, PLENTY);
    MailMailbox *inbox = make_inbox(store, 10);
    MailMailbox *archive = make_mailbox("Archive", 5);

    (void)state;
    for (guint i = 1; i <= 10; i++)
        put(store, inbox, i, i, 0, 1000);
    /* A copy is not a move: the first one is still there. */
    add(archive, 1, 1, "");
    assert_int_equal(extent(store, archive, 1, 0), 0);
    remove_message(store, inbox, 1);
    assert_int_equal(extent(store, archive, 1, 0), 1000);
    assert_true(has(store, archive, 1, 1, 0));
    /* Another date or size is another message. */
    add(archive, 2, 2, "")->internaldate++;
    add(archive, 3, 3, "")->announced++;
    remove_message(store, inbox, 2);
    remove_message(store, inbox, 3);
    assert_int_equal(extent(store, archive, 2, 0), 0);
    assert_int_equal(extent(store, archive, 3, 0), 0);
    /* Two that are alike: nobody knows which it is. */
    add(inbox, 44, 4, "");
    put(store, inbox, 44, 4, 0, 10);
    remove_message(store, inbox, 4);
    remove_message(store, inbox, 44);
    add(archive, 4, 4, "");
    assert_false(has(store, archive, 4, 4, 0));
    /* No Message-ID. */
    add(inbox, 50, 0, "");
    put(store, inbox, 50, 0, 0, 10);
    remove_message(store, inbox, 50);
    add(archive, 50, 0, "");
    assert_false(has(store, archive, 50, 0, 0));
    /* UIDVALIDITY. */
    inbox->uidvalidity++;
    mail_mailbox_clear(inbox);
    add(inbox, 1, 7, "");
    add(inbox, 7, 8, "");
    assert_true(has(store, inbox, 1, 7, 0));
    assert_true(has(store, inbox, 7, 8, 0));
    assert_false(has(store, inbox, 7, 8, 1000));
    /* The mailbox has gone, or has another name. */
    mail_store_remove_mailbox(store, inbox);
    add(archive, 7, 7, "");
    assert_true(has(store, archive, 7, 7, 0));
    mail_mailbox_free(inbox);
    mail_mailbox_free(archive);
    mail_store_close(store);
}

static void
test_emailid(void **state)
{
    MailStore *store = open_in(directory, PLENTY);
    MailMailbox *inbox = make_mailbox("INBOX", 1);
    MailMailbox *label = make_mailbox("Label", 1);

    (void)state;
    add(inbox, 1, 1, "E1");
    add(inbox, 2, 2, "E2");
    put(store, inbox, 1, 1, 0, 500);
    put(store, inbox, 2, 2, 0, 600);
    add(label, 9, 1, "E1");
    add(label, 8, 2, "E8");
    assert_true(has(store, label, 9, 1, 0)); /* both have it */
    assert_true(has(store, inbox, 1, 1, 0));
    put(store, label, 9, 1, 500, 100);
    assert_int_equal(extent(store, inbox, 1, 0), 600);
    /* Another EMAILID is another message, however alike they are. */
    remove_message(store, inbox, 2);
    assert_false(has(store, label, 8, 2, 0));
    /* The same with another size: somebody lies. */
    mail_mailbox_find(label, 9)->announced += 5;
    assert_false(has(store, label, 9, 1, 0));
    assert_true(has(store, inbox, 1, 1, 0));
    mail_store_forget(store, inbox, 1);
    assert_false(has(store, inbox, 1, 1, 0));
    mail_mailbox_free(inbox);
    mail_mailbox_free(label);
    mail_store_close(store);
}

/* One that has gone does not come back with its octets. */
static void
test_late_octets(void **state)
{
    MailStore *store = open_in(directory, PLENTY);
    MailMailbox *inbox = make_inbox(store, 2);
    MailMessage gone = *mail_mailbox_find(inbox, 2);
    MailMailbox *again;

    (void)state;
    gone.fields = pack("Subject", "<2@example.org>", "");
    remove_message(store, inbox, 2);
    mail_store_put(store, inbox, &gone, "", 0, "abc", 3);
    again = load(store, "INBOX", 10);
    assert_int_equal(mail_mailbox_count(again), 1);
    mail_mailbox_free(again);
    g_free(gone.fields);
    mail_mailbox_free(inbox);
    mail_store_close(store);
}

/* ---- crashes and rot ---- */

static char *
copy_store(const char *name)
{
    char *copy = g_build_filename(folder, name, NULL);
    g_autofree char *command = g_strdup_printf("cp -r %s %s", directory, copy);
    run(command);
    return copy;
}

static void
test_crash(void **state)
{
    MailStore *store = open_in(directory, PLENTY);
    MailMailbox *inbox = make_inbox(store, 100);

    (void)state;
    for (guint i = 101; i <= 160; i++) {
        g_autofree char *name = g_strdup_printf("copy%u", i);
        g_autofree char *copy = NULL;
        MailStore *other;
        MailMailbox *again;
        add(inbox, i, i, "");
        assert_true(mail_store_save_messages(store, inbox, &i, 1));
        put(store, inbox, i, i, 0, 5000);
        if (i % 3 == 0)
            assert_true(mail_store_save_mailbox(store, inbox));
        tidy_up(store);
        if (i % 10 != 0)
            continue;
        copy = copy_store(name);
        other = open_in(copy, PLENTY);
        assert_false(says(other, "anew"));
        again = load(other, "INBOX", 64);
        assert_same(inbox, again);
        for (guint k = 101; k <= i; k++)
            assert_true(has(other, again, k, k, 0));
        put(other, again, 1, 1, 0, 100);
        assert_true(has(other, again, 1, 1, 0));
        assert_true(has(other, again, i, i, 0));
        mail_mailbox_free(again);
        mail_store_close(other);
    }
    mail_mailbox_free(inbox);
    mail_store_close(store);
}

/* The log goes home while things go on. */
static void
test_log(void **state)
{
    g_autofree char *log = g_build_filename(directory, "index.db-wal", NULL);
    g_autofree char *copy = NULL;
    MailStore *store = open_in(directory, PLENTY);
    MailMailbox *inbox = make_inbox(store, 1000);
    MailMailbox *again;
    struct stat st;
    gint64 longest = 0;
    guint shorter = 0;

    (void)state;
    for (guint i = 0; i < 200; i++) {
        gint64 before;
        assert_return_code(stat(log, &st), errno);
        before = st.st_size;
        for (guint k = 1; k <= 1000; k++)
            mail_mailbox_find(inbox, k)->flags = i % 32;
        assert_true(save_all(store, inbox));
        tidy_up(store);
        /* The thread ends, and so the log does. */
        for (guint k = 0; k < 2000 && i % 20 == 19; k++) {
            g_main_context_iteration(NULL, FALSE);
            assert_return_code(stat(log, &st), errno);
            if (st.st_size < 1024 * 1024)
                break;
            mail_store_tidy(store);
            g_usleep(1000);
        }
        assert_return_code(stat(log, &st), errno);
        shorter += st.st_size < before;
        longest = MAX(longest, st.st_size);
    }
    assert_in_range(shorter, 3, 200);
    assert_true(longest < 64 * 1024 * 1024);
    copy = copy_store("copy");
    mail_store_close(store);
    store = open_in(copy, PLENTY);
    again = load(store, "INBOX", 10000);
    assert_same(inbox, again);
    mail_mailbox_free(again);
    mail_mailbox_free(inbox);
    mail_store_close(store);
}

/* Changes a file somehow. */
static void
spoil(GRand *rand, const char *path)
{
    int fd = open(path, O_RDWR);
    struct stat st;
    guint n = (guint)g_rand_int_range(rand, 1, 30);

    if (fd < 0)
        return;
    assert_return_code(fstat(fd, &st), errno);
    if (st.st_size > 0 && g_rand_int_range(rand, 0, 4) == 0)
        assert_return_code(
            ftruncate(fd, (off_t)(g_rand_double(rand) * (double)st.st_size)),
            errno);
    for (guint i = 0; i < n && st.st_size > 0; i++) {
        off_t at = (off_t)(g_rand_double(rand) * (double)st.st_size);
        guint8 octet;
        if (pread(fd, &octet, 1, at) == 1) {
            octet ^= (guint8)(1u << g_rand_int_range(rand, 0, 8));
            assert_int_equal(pwrite(fd, &octet, 1, at), 1);
        }
    }
    close(fd);
}

/* Uses all there is; what there is is right. */
static void
use_spoilt(const char *path, const MailMailbox *inbox)
{
    MailStore *store = open_in(path, PLENTY);
    MailMailbox *again = load(store, "INBOX", 7);
    g_autofree char *verdict = mail_store_verdict(store, "sizes");

    assert_true(verdict == NULL || strcmp(verdict, "exact") == 0);
    for (guint i = 0; again && i < mail_mailbox_count(again); i++) {
        const MailMessage *message = mail_mailbox_at(again, i);
        MailMessage *original =
            mail_mailbox_find((MailMailbox *)inbox, message->uid);
        assert_non_null(original);
        assert_same_message(message, original);
    }
    if (again == NULL) {
        again = make_mailbox("INBOX", 1);
        for (guint i = 1; i <= 60; i++)
            add(again, i, i, "");
    }
    for (guint i = 0; i < mail_mailbox_count(again); i++) {
        guint32 uid = mail_mailbox_at(again, i)->uid;
        extent(store, again, uid, 0);
        has(store, again, uid, uid, 0);
        has(store, again, uid, uid, 3000);
        put(store, again, uid, uid, 100, 5000);
        has(store, again, uid, uid, 4000);
    }
    tidy_up(store);
    save_all(store, again);
    save_all(store, again);
    tidy_up(store);
    mail_mailbox_free(again);
    mail_store_close(store);
    /* Then it is in order again. */
    store = open_in(path, PLENTY);
    mail_store_close(store);
}

static void
test_rot(void **state)
{
    static const char *const names[] = {"index.db", "index.db-wal",
                                        "index.db-shm", "bodies/1"};
    const char *seeds = g_getenv("IMAPFS_STORE_SEEDS");
    guint n = seeds ? (guint)g_ascii_strtoull(seeds, NULL, 10) : 60;
    MailStore *store = open_in(directory, PLENTY);
    MailMailbox *inbox = make_inbox(store, 60);
    g_autofree char *live = NULL;
    g_autofree char *closed = NULL;

    (void)state;
    for (guint i = 1; i <= 60; i++) {
        put(store, inbox, i, i, 0, 2000);
        put(store, inbox, i, i, 2500, 1500);
    }
    mail_store_set_verdict(store, "sizes", "exact");
    live = copy_store("live"); /* with all of it in the log */
    mail_store_close(store);
    closed = copy_store("closed");
    for (guint seed = 0; seed < n; seed++) {
        g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
        g_autofree char *path = g_strdup_printf("%s/spoilt", folder);
        g_autofree char *renew =
            g_strdup_printf("sh -c 'rm -rf %s; cp -r %s %s'", path,
                            seed % 2 ? live : closed, path);
        g_autofree char *file = NULL;
        run(renew);
        file = g_build_filename(
            path, names[g_rand_int_range(rand, 0, seed % 2 ? 4 : 1)], NULL);
        spoil(rand, file);
        use_spoilt(path, inbox);
    }
    mail_mailbox_free(inbox);
}

/* It rots while it is in use. */
static void
test_rot_in_use(void **state)
{
    g_autofree char *file = g_build_filename(directory, "index.db", NULL);
    MailStore *store = open_in(directory, PLENTY);
    MailMailbox *inbox = make_inbox(store, 5000);
    MailMailbox *again;
    guint32 key;
    struct stat st;
    char junk[4096];
    int fd;

    (void)state;
    mail_store_close(store);
    store = open_in(directory, PLENTY);
    key = inbox->stored;
    fd = open(file, O_RDWR);
    assert_return_code(fstat(fd, &st), errno);
    memset(junk, 0xa5, sizeof junk);
    for (off_t at = 20 * 4096; at < st.st_size; at += 4096)
        assert_int_equal(pwrite(fd, junk, 4096, at), 4096);
    close(fd);
    again = load(store, "INBOX", 100000);
    assert_true(again == NULL || again->stored == 0);
    if (again != NULL)
        mail_mailbox_free(again);
    /* The next call begins anew; an old key means nothing then. */
    assert_true(save_all(store, inbox));
    assert_int_not_equal(inbox->stored, key);
    assert_true(says(store, "begun anew"));
    put(store, inbox, 1, 1, 0, 100);
    again = load(store, "INBOX", 100000);
    assert_same(inbox, again);
    assert_true(has(store, again, 1, 1, 0));
    mail_mailbox_free(again);
    /* Somebody removes the files. */
    assert_int_equal(g_unlink(file), 0);
    tidy_up(store);
    assert_true(save_all(store, inbox));
    assert_true(says(store, "it was removed"));
    mail_store_close(store);
    store = open_in(directory, PLENTY);
    again = load(store, "INBOX", 100000);
    assert_same(inbox, again);
    mail_mailbox_free(again);
    mail_mailbox_free(inbox);
    mail_store_close(store);
}

/* What is not ours, in place of the database. */
static const struct {
    const char *name;
    const char *sql; /* or NULL */
    const char *text;
    const char *why; /* NULL: nothing is wrong */
} foreign_rows[] = {
    {"nothing", NULL, "", NULL},
    {"text", NULL, "This is no database, nor was it ever meant to be one.",
     "not a database"},
    {"another program's", "CREATE TABLE t(a)", NULL, "not made by this"},
    {"another mark", "PRAGMA application_id = 5", NULL, "not made by this"},
    {"newer",
     "PRAGMA application_id = 0x696d6673; PRAGMA user_version = 99;"
     "CREATE TABLE t(a)",
     NULL, "newer"},
    {"the right marks and nothing else",
     "PRAGMA application_id = 0x696d6673; PRAGMA user_version = 2;"
     "CREATE TABLE t(a)",
     NULL, "no such table"},
};

static void
test_foreign(void **state)
{
    g_autofree char *file = g_build_filename(directory, "index.db", NULL);
    g_autofree char *other = g_build_filename(directory, "notes", NULL);

    (void)state;
    assert_int_equal(g_mkdir_with_parents(directory, 0700), 0);
    assert_true(g_file_set_contents(other, "mine", 4, NULL));
    for (guint i = 0; i < G_N_ELEMENTS(foreign_rows); i++) {
        const char *name = foreign_rows[i].name;
        MailStore *store;
        MailMailbox *inbox;
        g_unlink(file);
        if (foreign_rows[i].sql != NULL) {
            sqlite3 *database = NULL;
            assert_int_equal(sqlite3_open(file, &database), SQLITE_OK);
            assert_int_equal(
                sqlite3_exec(database, foreign_rows[i].sql, NULL, NULL, NULL),
                SQLITE_OK);
            sqlite3_close(database);
        } else {
            assert_true(
                g_file_set_contents(file, foreign_rows[i].text, -1, NULL));
        }
        store = open_in(directory, PLENTY);
        row_number(name, "anew", says(store, "anew"),
                   foreign_rows[i].why != NULL);
        if (foreign_rows[i].why != NULL && !says(store, foreign_rows[i].why))
            row_fail(name, "there is another reason: %s", describe(store));
        inbox = make_inbox(store, 3);
        mail_mailbox_free(inbox);
        mail_store_close(store);
    }
    rows_end();
    assert_int_equal(g_access(other, F_OK), 0);
}

/* ---- whose it is ---- */

static void
assert_refused(const char *path, gint code)
{
    g_autoptr(GError) error = NULL;
    MailStore *store = mail_store_open(path, PLENTY, virtual, &error);
    assert_null(store);
    assert_true(g_error_matches(error, IMAPFS_ERROR, code));
}

static void
test_two_processes(void **state)
{
    MailStore *store = open_in(directory, PLENTY);
    pid_t child = fork();
    int status = 0;

    (void)state;
    if (child == 0) {
        GError *error = NULL;
        MailStore *other = mail_store_open(directory, PLENTY, virtual, &error);
        _exit(other == NULL &&
                      g_error_matches(error, IMAPFS_ERROR, IMAPFS_ERROR_BUSY)
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_refused(directory, IMAPFS_ERROR_BUSY);
    mail_store_close(store);
    store = open_in(directory, PLENTY);
    mail_store_close(store);
}

static void
assert_mode(const char *name, guint wanted)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    struct stat st;
    assert_return_code(lstat(path, &st), errno);
    assert_int_equal(st.st_mode & 07777, wanted);
}

static void
test_modes(void **state)
{
    static const mode_t umasks[] = {0, 022, 077, 0777};
    g_autofree char *clear = g_strdup_printf("rm -rf %s/cache", folder);

    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(umasks); i++) {
        mode_t before = umask(umasks[i]);
        MailStore *store = open_in(directory, PLENTY);
        MailMailbox *inbox = make_inbox(store, 3);
        put(store, inbox, 1, 1, 0, 100);
        umask(before);
        assert_mode("..", 0700);
        assert_mode("", 0700);
        assert_mode("bodies", 0700);
        assert_mode("bodies/1", 0600);
        assert_mode("lock", 0600);
        assert_mode("index.db", 0600);
        assert_mode("index.db-wal", 0600);
        assert_mode("index.db-shm", 0600);
        mail_mailbox_free(inbox);
        mail_store_close(store);
        /* One that was opened to others is closed to them again. */
        if (i == 1) {
            assert_return_code(chmod(directory, 0777), errno);
            store = open_in(directory, PLENTY);
            assert_mode("", 0700);
            mail_store_close(store);
        }
        run(clear);
    }
}

static void
test_refusals(void **state)
{
    static const char *const names[] = {"index.db", "lock", "bodies"};
    g_autofree char *real = g_build_filename(folder, "real", NULL);
    g_autofree char *link = g_build_filename(folder, "link", NULL);
    g_autofree char *slashed = g_strconcat(link, "/", NULL);
    g_autofree char *file = g_build_filename(folder, "file", NULL);

    (void)state;
    assert_int_equal(g_mkdir_with_parents(real, 0700), 0);
    assert_return_code(symlink(real, link), errno);
    assert_true(g_file_set_contents(file, "mine", 4, NULL));
    assert_refused(link, IMAPFS_ERROR_DENIED);
    assert_refused(slashed, IMAPFS_ERROR_DENIED);
    assert_refused(file, IMAPFS_ERROR_DENIED);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(real, names[i], NULL);
        g_unlink(path); /* the one before has made some of them */
        assert_return_code(symlink(file, path), errno);
        assert_refused(real, IMAPFS_ERROR_DENIED);
        assert_int_equal(g_unlink(path), 0);
    }
    if (geteuid() == 0) {
        g_autofree char *database = g_build_filename(real, "index.db", NULL);
        assert_return_code(chown(real, 65534, 65534), errno);
        assert_refused(real, IMAPFS_ERROR_DENIED);
        assert_return_code(chown(real, 0, 0), errno);
        assert_true(g_file_set_contents(database, "", 0, NULL));
        assert_return_code(chown(database, 65534, 65534), errno);
        assert_refused(real, IMAPFS_ERROR_DENIED);
    }
}

/* ---- no room ---- */

/* Fills the store until it stops, and sees that it can still be read. */
static void
fill_up(MailStore *store, MailMailbox *inbox)
{
    guint32 uid = 1;

    put(store, inbox, 1, 1, 0, 4000);
    assert_true(has(store, inbox, 1, 1, 0));
    for (guint i = 2; i <= 500; i++)
        put(store, inbox, i, i, 0, 40000);
    assert_true(says(store, "cannot be written"));
    assert_true(has(store, inbox, 1, 1, 0));
    assert_false(mail_store_save_messages(store, inbox, &uid, 1));
    assert_false(mail_store_save_mailbox(store, inbox));
    mail_store_set_verdict(store, "sizes", "wrong");
    assert_null(mail_store_verdict(store, "sizes"));
    tidy_up(store);
}

static void
assert_recovered(MailStore *store, MailMailbox *inbox)
{
    MailMailbox *again;

    wait_for(59 * CLOCK_SECOND);
    assert_false(mail_store_save_mailbox(store, inbox));
    wait_for(2 * CLOCK_SECOND);
    assert_true(save_all(store, inbox));
    assert_false(says(store, "cannot be written"));
    put(store, inbox, 499, 499, 0, 1000);
    assert_int_equal(extent(store, inbox, 499, 0), 1000);
    assert_true(has(store, inbox, 1, 1, 0));
    again = load(store, "INBOX", 1000);
    assert_same(inbox, again);
    mail_mailbox_free(again);
    assert_false(says(store, "anew"));
}

static void
test_no_room(void **state)
{
    struct rlimit before;
    struct rlimit small;
    MailStore *store = open_in(directory, PLENTY);
    MailMailbox *inbox = make_inbox(store, 500);

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 2 * 1024 * 1024;
    setrlimit(RLIMIT_FSIZE, &small);
    fill_up(store, inbox);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_recovered(store, inbox);
    mail_mailbox_free(inbox);
    mail_store_close(store);
}

static void
fill_disk(const char *disk)
{
    g_autofree char *ballast = g_build_filename(disk, "ballast", NULL);
    g_autofree char *inside = g_build_filename(disk, "cache", NULL);
    g_autofree char *junk = g_malloc0(1024 * 1024);
    MailStore *store;
    MailMailbox *inbox;

    if (!g_file_set_contents(ballast, junk, 1024 * 1024, NULL))
        return;
    store = open_in(inside, PLENTY);
    inbox = make_inbox(store, 500);
    fill_up(store, inbox);
    assert_int_equal(g_unlink(ballast), 0);
    assert_recovered(store, inbox);
    mail_mailbox_free(inbox);
    mail_store_close(store);
}

static void
test_full_disk(void **state)
{
    char disk[256];
    (void)state;

    /* skip() does not come back, to free anything. */
    g_snprintf(disk, sizeof disk, "%s/disk", folder);
    g_mkdir(disk, 0700);
    if (mount("tmpfs", disk, "tmpfs", 0, "size=6m") < 0)
        skip();
    /* It goes when nobody uses it any more, whatever happens here. */
    fill_disk(disk);
    umount2(disk, MNT_DETACH);
}

static int
tear_down_disk(void **state)
{
    g_autofree char *disk = g_build_filename(folder, "disk", NULL);
    umount2(disk, MNT_DETACH);
    return tear_down(state);
}

#define IN_A_FOLDER(test) \
    cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(test_round_trip),
        IN_A_FOLDER(test_changes),
        IN_A_FOLDER(test_uidvalidity),
        IN_A_FOLDER(test_completeness),
        IN_A_FOLDER(test_verdicts),
        IN_A_FOLDER(test_extents),
        IN_A_FOLDER(test_random),
        IN_A_FOLDER(test_eviction),
        IN_A_FOLDER(test_adoption),
        IN_A_FOLDER(test_emailid),
        IN_A_FOLDER(test_late_octets),
        IN_A_FOLDER(test_crash),
        IN_A_FOLDER(test_log),
        IN_A_FOLDER(test_rot),
        IN_A_FOLDER(test_rot_in_use),
        IN_A_FOLDER(test_foreign),
        IN_A_FOLDER(test_two_processes),
        IN_A_FOLDER(test_modes),
        IN_A_FOLDER(test_refusals),
        IN_A_FOLDER(test_no_room),
        cmocka_unit_test_setup_teardown(test_full_disk, set_up, tear_down_disk),
    };
    rows_begin_program();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
