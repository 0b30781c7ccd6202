/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/store.h"

#include "base/error.h"
#include "base/folder.h"
#include "mail/objects.h"
#include "mail/rows.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DATABASE "index.db"

enum {
    APPLICATION = 0x696d6673, /* marks a database as ours */
    SLICE = 512,              /* messages removed at once */
};

#define STOPPED_FOR (60 * CLOCK_SECOND)

static const char *const leftovers[] = {DATABASE, DATABASE "-wal",
                                        DATABASE "-shm", DATABASE "-journal"};

struct MailStore {
    char *path;
    int directory;
    int lock;
    guint64 limit;
    Clock *clock;
    MailDatabase *database; /* NULL: it cannot be had for now */
    MailBodies *bodies;
    MailObjects *objects;
    guint32 last_key;     /* keys are never used again, even anew */
    guint32 swept;        /* no removed mailbox up to this key has messages */
    gint64 stopped_until; /* nothing is written before, by the clock */
    char *begun_anew;     /* why */
    char *stopped;        /* why it could not be written last */
};

static gboolean
set_error(GError **error, int code, const char *path, const char *why)
{
    g_set_error(error, IMAPFS_ERROR, code, "%s: %s", path, why);
    return FALSE;
}

/* ---- opening ---- */

static void
close_files(MailStore *store)
{
    g_clear_pointer(&store->objects, mail_objects_free);
    g_clear_pointer(&store->bodies, mail_bodies_close);
    g_clear_pointer(&store->database, mail_database_close);
}

static guint32
find_last_key(MailStore *store)
{
    MailQuery *query = mail_database_query(
        store->database,
        "SELECT max(seq) FROM sqlite_sequence WHERE name = 'mailbox'", NULL, 0);
    gint64 key = 0;

    if (mail_query_next(query)) {
        key = mail_query_number(query, 0);
        mail_query_end(query);
    }
    if (key < 0 || key > MAIL_ROW_KEY_MAX)
        mail_database_tear(store->database, "a key that cannot be");
    return (guint32)CLAMP(key, 0, MAIL_ROW_KEY_MAX);
}

/* Fails with STALE when what is there is of no use. */
static gboolean
open_files(MailStore *store, GError **error)
{
    /* From each version to the next; what was released is never changed. */
    static const char *const steps[] = {mail_rows_sql, mail_objects_sql};
    g_autofree char *path = g_build_filename(store->path, DATABASE, NULL);
    guint32 last_key;
    int fd =
        folder_open_file(store->directory, DATABASE, O_RDWR | O_CREAT, error);

    if (fd < 0)
        return FALSE;
    close(fd);
    store->database = mail_database_open(path, APPLICATION, steps,
                                         G_N_ELEMENTS(steps), error);
    if (store->database == NULL)
        return FALSE;
    store->bodies = mail_bodies_open(store->directory, error);
    if (store->bodies == NULL)
        return FALSE;
    store->objects = mail_objects_new(store->database, store->bodies,
                                      store->clock, store->limit);
    last_key = find_last_key(store);
    if (mail_database_torn(store->database) != NULL)
        return set_error(error, IMAPFS_ERROR_STALE, store->path,
                         mail_database_torn(store->database));
    store->last_key = MAX(store->last_key, last_key);
    store->swept = 0;
    return TRUE;
}

static gboolean
begin_anew(MailStore *store, const char *why, GError **error)
{
    g_autofree char *reason = imapfs_printable(why, -1);

    close_files(store);
    for (guint i = 0; i < G_N_ELEMENTS(leftovers); i++)
        unlinkat(store->directory, leftovers[i], 0);
    mail_bodies_remove(store->directory);
    g_free(store->begun_anew);
    store->begun_anew = g_steal_pointer(&reason);
    if (open_files(store, error))
        return TRUE;
    close_files(store);
    return FALSE;
}

static void
stop_writing(MailStore *store, const char *why)
{
    g_free(store->stopped);
    store->stopped = imapfs_printable(why, -1);
    store->stopped_until = clock_now(store->clock) + STOPPED_FOR;
}

MailStore *
mail_store_open(const char *directory, guint64 limit, Clock *clock,
                GError **error)
{
    MailStore *store = g_new0(MailStore, 1);
    g_autoptr(GError) reason = NULL;

    store->path = g_canonicalize_filename(directory, NULL);
    store->directory = store->lock = -1;
    store->limit = limit;
    store->clock = clock;
    store->directory = folder_open(store->path, error);
    if (store->directory >= 0)
        store->lock = folder_lock(store->directory, error);
    if (store->lock >= 0) {
        if (open_files(store, &reason))
            return store;
        if (!g_error_matches(reason, IMAPFS_ERROR, IMAPFS_ERROR_STALE))
            g_propagate_error(error, g_steal_pointer(&reason));
        else if (begin_anew(store, reason->message, error))
            return store;
    }
    mail_store_close(store);
    return NULL;
}

void
mail_store_close(MailStore *store)
{
    close_files(store);
    if (store->directory >= 0)
        close(store->directory);
    if (store->lock >= 0)
        close(store->lock);
    g_free(store->path);
    g_free(store->begun_anew);
    g_free(store->stopped);
    g_free(store);
}

/*
 * To be asked first by whatever uses the database; a row found to be torn shows
 * in the next call.
 */
static gboolean
ready(MailStore *store)
{
    gboolean writing = clock_now(store->clock) >= store->stopped_until;
    const char *torn = NULL;

    if (store->database != NULL)
        torn = mail_database_torn(store->database);
    if (torn != NULL || (store->database == NULL && writing)) {
        g_autoptr(GError) error = NULL;
        if (!begin_anew(store, torn ? torn : store->begun_anew, &error)) {
            stop_writing(store, error->message);
            return FALSE;
        }
    }
    if (store->database != NULL)
        mail_database_allow(store->database, writing);
    return store->database != NULL;
}

/* To be called after whatever may have written. */
static void
note_failure(MailStore *store)
{
    g_autofree char *failure = mail_database_take_failure(store->database);
    if (failure != NULL)
        stop_writing(store, failure);
}

static gboolean
end_writing(MailStore *store, gboolean ok)
{
    gboolean done = mail_database_end(store->database, ok);
    note_failure(store);
    return done;
}

/* ---- rows of mailboxes ---- */

/*
 * The row of MAILBOX as it is to be, with its old modseq and completeness; a
 * new key when what is saved is of no use any more.  In a transaction.
 */
static gboolean
renew_row(MailStore *store, const MailMailbox *mailbox, MailRow *ret_row)
{
    if (!mail_row_read(store->database, mailbox->stored, ret_row) ||
        ret_row->shown.uidvalidity != mailbox->uidvalidity ||
        !mail_row_fits(ret_row, mailbox)) {
        if (store->last_key >= MAIL_ROW_KEY_MAX ||
            !mail_row_delete(store->database, mailbox->stored))
            return FALSE;
        mail_row_clear(ret_row);
        ret_row->shown.key = ++store->last_key;
    }
    mail_row_describe(ret_row, mailbox);
    return TRUE;
}

/* Ends the transaction; then MAILBOX has the key of ROW. */
static gboolean
end_row(MailStore *store, MailMailbox *mailbox, const MailRow *row, gboolean ok)
{
    ok = ok && mail_row_write(store->database, row);
    if (!end_writing(store, ok))
        return FALSE;
    if (mailbox->stored != row->shown.key) {
        mailbox->stored = row->shown.key;
        store->swept = 0;
    }
    return TRUE;
}

void
mail_store_each_mailbox(MailStore *store, MailStoredFunc func, gpointer data)
{
    g_autoptr(GPtrArray) rows = NULL;

    if (!ready(store))
        return;
    rows = mail_rows_read(store->database);
    if (mail_database_torn(store->database) != NULL)
        return;
    for (guint i = 0; i < rows->len; i++)
        func(&((MailRow *)g_ptr_array_index(rows, i))->shown, data);
}

gboolean
mail_store_save_mailbox(MailStore *store, MailMailbox *mailbox)
{
    g_auto(MailRow) row = {.messages = 0};
    gboolean lost;
    gboolean ok;

    if (mailbox->name == NULL || *mailbox->name == '\0')
        return TRUE;
    if (!ready(store) || !mail_database_begin(store->database))
        return FALSE;
    ok = renew_row(store, mailbox, &row);
    if (ok && !mailbox->unloaded) {
        lost = mailbox->uidvalidity == 0 ||
               (mailbox->listing == MAIL_LISTED &&
                row.messages != mail_mailbox_count(mailbox));
        row.shown.complete = mailbox->listing == MAIL_LISTED && !lost;
        row.shown.modseq = lost ? 0 : mailbox->modseq;
    } else if (ok && row.shown.complete) {
        row.shown.modseq = mailbox->modseq;
    }
    return end_row(store, mailbox, &row, ok);
}

void
mail_store_remove_mailbox(MailStore *store, MailMailbox *mailbox)
{
    guint32 key = mailbox->stored;

    if (key == 0 || !ready(store))
        return;
    /* If it cannot be removed now the next comparison of lists does it. */
    if (mail_database_begin(store->database) &&
        end_writing(store, mail_row_delete(store->database, key)))
        store->swept = 0;
    mailbox->stored = 0;
}

/* ---- rows of messages ---- */

gboolean
mail_store_save_messages(MailStore *store, MailMailbox *mailbox,
                         const guint32 *uids, guint n)
{
    g_auto(MailRow) row = {.messages = 0};
    gboolean ok;

    if (mailbox->name == NULL || *mailbox->name == '\0' ||
        mailbox->uidvalidity == 0 || n == 0)
        return TRUE;
    if (!ready(store) || !mail_database_begin(store->database))
        return FALSE;
    ok = renew_row(store, mailbox, &row);
    for (guint i = 0; i < n && ok; i++) {
        const MailMessage *message = mail_mailbox_find(mailbox, uids[i]);
        ok = message ? mail_row_write_message(store->database, &row, message)
                     : mail_row_delete_message(store->database, &row, uids[i]);
    }
    return end_row(store, mailbox, &row, ok);
}

/* Whether the messages of MAILBOX are there under its key. */
static gboolean
has_row(MailStore *store, const MailMailbox *mailbox)
{
    MailQuery *query = mail_database_query(
        store->database, "SELECT uidvalidity FROM mailbox WHERE key = ?1",
        MAIL_NUMBERS(mailbox->stored));
    gboolean found = mailbox->stored != 0 && mailbox->uidvalidity != 0 &&
                     mail_query_next(query) &&
                     mail_query_number(query, 0) == mailbox->uidvalidity;
    mail_query_end(query);
    return found;
}

guint
mail_store_load_messages(MailStore *store, MailMailbox *mailbox, guint32 after,
                         guint max)
{
    g_autofree char *failure = NULL;
    guint n;

    if (!ready(store) || !has_row(store, mailbox)) {
        mailbox->stored = 0;
        return 0;
    }
    n = mail_row_load_messages(store->database, mailbox->stored, mailbox, after,
                               max);
    failure = mail_database_take_read_failure(store->database);
    if (failure != NULL || mail_database_torn(store->database) != NULL)
        mailbox->stored = 0;
    return n;
}

/* ---- bodies ---- */

/* Sees to it that MAILBOX has a row that holds for its UIDVALIDITY. */
static gboolean
need_row(MailStore *store, MailMailbox *mailbox)
{
    g_auto(MailRow) row = {.messages = 0};

    if (mailbox->uidvalidity == 0 || mailbox->name == NULL ||
        *mailbox->name == '\0')
        return FALSE;
    if (has_row(store, mailbox))
        return TRUE;
    return mail_database_begin(store->database) &&
           end_row(store, mailbox, &row, renew_row(store, mailbox, &row));
}

/* Somebody can only tell that a message has gone if it was there. */
static gboolean
need_message(MailStore *store, MailMailbox *mailbox, const MailMessage *message)
{
    MailQuery *query = mail_database_query(
        store->database,
        "SELECT 1 FROM message WHERE mailbox = ?1 AND uid = ?2",
        MAIL_NUMBERS(mailbox->stored, message->uid));
    gboolean found = mail_query_next(query);
    g_auto(MailRow) row = {.messages = 0};
    gboolean inserted;

    mail_query_end(query);
    if (found)
        return TRUE;
    return mail_database_begin(store->database) &&
           end_row(store, mailbox, &row,
                   renew_row(store, mailbox, &row) &&
                       mail_row_insert_message(store->database, &row, message,
                                               &inserted));
}

void
mail_store_put(MailStore *store, MailMailbox *mailbox,
               const MailMessage *message, const char *section, guint64 offset,
               const void *data, gsize length)
{
    g_autoptr(GError) error = NULL;

    /* One that has gone meanwhile is not to come back. */
    if (store->limit == 0 || mail_mailbox_find(mailbox, message->uid) == NULL ||
        !ready(store) || !need_row(store, mailbox) ||
        !need_message(store, mailbox, message))
        return;
    mail_objects_put(store->objects, mailbox->stored, message, section, offset,
                     data, length, &error);
    note_failure(store);
    if (error != NULL)
        stop_writing(store, error->message);
}

guint64
mail_store_extent(MailStore *store, MailMailbox *mailbox,
                  const MailMessage *message, const char *section,
                  guint64 offset)
{
    guint64 n = 0;

    if (ready(store) && need_row(store, mailbox)) {
        n = mail_objects_extent(store->objects, mailbox->stored, message,
                                section, offset);
        note_failure(store);
    }
    return n;
}

guint32
mail_store_origin(MailStore *store, const MailMessage *message)
{
    guint32 origin = 0;

    if (ready(store)) {
        origin = mail_objects_origin(store->objects, message);
        note_failure(store);
    }
    return origin;
}

GBytes *
mail_store_get(MailStore *store, MailMailbox *mailbox,
               const MailMessage *message, const char *section, guint64 offset,
               guint64 *ret_start)
{
    GBytes *octets = NULL;

    if (ready(store) && need_row(store, mailbox)) {
        octets = mail_objects_get(store->objects, mailbox->stored, message,
                                  section, offset, ret_start);
        note_failure(store);
    }
    return octets;
}

void
mail_store_forget(MailStore *store, MailMailbox *mailbox, guint32 uid)
{
    const MailMessage *message = mail_mailbox_find(mailbox, uid);

    if (ready(store) && has_row(store, mailbox)) {
        mail_objects_forget(
            store->objects, mailbox->stored, uid,
            message ? mail_message_field(message, MAIL_FIELD_EMAILID) : "");
        note_failure(store);
    }
}

/* ---- verdicts ---- */

static guint32
seal_verdict(const char *name, const char *value)
{
    g_autofree char *text = g_strdup_printf("%s\n%s", name, value);
    return mail_database_seal(NULL, 0, text, strlen(text));
}

char *
mail_store_verdict(MailStore *store, const char *name)
{
    MailQuery *query;
    g_autofree char *value = NULL;
    gint64 seal;

    if (!ready(store))
        return NULL;
    query = mail_database_query(
        store->database, "SELECT value, seal FROM verdict WHERE name = ?1",
        NULL, 0);
    mail_query_set_text(query, 1, name);
    if (!mail_query_next(query))
        return NULL;
    value = g_strdup(mail_query_text(query, 0));
    seal = mail_query_number(query, 1);
    mail_query_end(query);
    if (seal == seal_verdict(name, value))
        return g_steal_pointer(&value);
    mail_database_tear(store->database, "a verdict that was not given");
    return NULL;
}

void
mail_store_set_verdict(MailStore *store, const char *name, const char *value)
{
    MailQuery *query;

    if (!ready(store) || !mail_database_begin(store->database))
        return;
    if (value == NULL) {
        query = mail_database_query(
            store->database, "DELETE FROM verdict WHERE name = ?1", NULL, 0);
        mail_query_set_text(query, 1, name);
    } else {
        query = mail_database_query(store->database,
                                    "INSERT OR REPLACE INTO verdict"
                                    "(seal, name, value) VALUES (?1, ?2, ?3)",
                                    MAIL_NUMBERS(seal_verdict(name, value)));
        mail_query_set_text(query, 2, name);
        mail_query_set_text(query, 3, value);
    }
    end_writing(store, mail_query_run(query, NULL));
}

/* ---- the rest ---- */

/* Removes some messages of a mailbox that was removed.  TRUE when there may be
 * more. */
static gboolean
sweep(MailStore *store)
{
    MailQuery *query = mail_database_query(
        store->database,
        "SELECT m.mailbox, EXISTS (SELECT 1 FROM mailbox WHERE key ="
        " m.mailbox) FROM message m WHERE m.mailbox > ?1"
        " ORDER BY m.mailbox LIMIT 1",
        MAIL_NUMBERS(store->swept));
    gint64 key;
    gboolean used;
    guint changed = 0;

    if (!mail_query_next(query)) {
        store->swept = MAIL_ROW_KEY_MAX;
        return FALSE;
    }
    key = mail_query_number(query, 0);
    used = mail_query_number(query, 1) != 0;
    mail_query_end(query);
    if (used) {
        store->swept = (guint32)CLAMP(key, 0, MAIL_ROW_KEY_MAX);
        return TRUE;
    }
    query = mail_database_query(
        store->database,
        "DELETE FROM message WHERE mailbox = ?1 AND uid IN"
        " (SELECT uid FROM message WHERE mailbox = ?1 LIMIT ?2)",
        MAIL_NUMBERS(key, SLICE));
    return mail_database_begin(store->database) &&
           end_writing(store, mail_query_run(query, &changed)) && changed > 0;
}

/* Somebody may have removed what is in use: then nothing would be kept. */
static gboolean
is_there(MailStore *store)
{
    struct stat st;
    return fstatat(store->directory, DATABASE, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

gboolean
mail_store_tidy(MailStore *store)
{
    gboolean more;

    if (!ready(store))
        return FALSE;
    if (!is_there(store)) {
        mail_database_tear(store->database, "it was removed");
        return FALSE;
    }
    more = sweep(store);
    more = mail_objects_tidy(store->objects) || more;
    mail_database_tidy(store->database);
    note_failure(store);
    return more;
}

void
mail_store_describe(const MailStore *store, GString *text)
{
    guint64 extents = 0;
    guint64 size = 0;

    if (store->objects != NULL)
        size = mail_objects_size(store->objects, &extents);
    g_string_append_printf(text, "cache: %s\n", store->path);
    g_string_append_printf(text,
                           "cache size: %" G_GUINT64_FORMAT
                           " of %" G_GUINT64_FORMAT
                           " octets in %" G_GUINT64_FORMAT " extents\n",
                           size, store->limit, extents);
    if (store->begun_anew != NULL)
        g_string_append_printf(text, "cache was begun anew: %s\n",
                               store->begun_anew);
    if (clock_now(store->clock) < store->stopped_until)
        g_string_append_printf(text, "cache cannot be written: %s\n",
                               store->stopped);
}
