/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/rows.h"

#include <string.h>

const char mail_rows_sql[] =
    "CREATE TABLE mailbox ("
    " key INTEGER PRIMARY KEY AUTOINCREMENT, id INTEGER NOT NULL,"
    " uidvalidity INTEGER NOT NULL, modseq INTEGER NOT NULL,"
    " complete INTEGER NOT NULL, changed_at INTEGER NOT NULL,"
    " delimiter INTEGER NOT NULL, selectable INTEGER NOT NULL,"
    " messages INTEGER NOT NULL, name TEXT NOT NULL UNIQUE,"
    " special_use TEXT NOT NULL, keywords TEXT NOT NULL,"
    " seal INTEGER NOT NULL);"
    "CREATE TABLE message ("
    " mailbox INTEGER NOT NULL, uid INTEGER NOT NULL,"
    " changed INTEGER NOT NULL, flags INTEGER NOT NULL,"
    " modseq INTEGER NOT NULL, internaldate INTEGER NOT NULL,"
    " announced INTEGER NOT NULL, size INTEGER NOT NULL,"
    " known INTEGER NOT NULL, fields BLOB NOT NULL, seal INTEGER NOT NULL,"
    " PRIMARY KEY (mailbox, uid)) WITHOUT ROWID;"
    "CREATE TABLE verdict ("
    " name TEXT PRIMARY KEY, value TEXT NOT NULL, seal INTEGER NOT NULL)"
    " WITHOUT ROWID;";

/* ---- mailboxes ---- */

#define COLUMNS                                                      \
    "key, id, uidvalidity, modseq, complete, changed_at, delimiter," \
    " selectable, messages, name, special_use, keywords, seal"
enum { NUMBERS = 9 };

void
mail_row_clear(MailRow *row)
{
    g_free(row->name);
    g_free(row->special_use);
    g_free(row->keywords);
    *row = (MailRow){.messages = 0};
}

static guint32
seal_row(const MailRow *row, gint64 numbers[NUMBERS])
{
    const MailStoredMailbox *shown = &row->shown;
    g_autofree char *text = g_strdup_printf("%s\n%s\n%s", row->name,
                                            row->special_use, row->keywords);
    const gint64 all[NUMBERS] = {shown->key,
                                 shown->id,
                                 shown->uidvalidity,
                                 (gint64)shown->modseq,
                                 shown->complete,
                                 shown->changed_at,
                                 (guchar)shown->delimiter,
                                 shown->selectable,
                                 row->messages};

    memcpy(numbers, all, sizeof all);
    return mail_database_seal(numbers, NUMBERS, text, strlen(text));
}

/* The next row of QUERY: COLUMNS. */
static gboolean
next_row(MailDatabase *database, MailQuery *query, MailRow *ret_row)
{
    MailStoredMailbox *shown = &ret_row->shown;
    gint64 n[NUMBERS];
    gint64 again[NUMBERS];

    if (!mail_query_next(query))
        return FALSE;
    mail_row_clear(ret_row);
    mail_query_numbers(query, n, NUMBERS);
    ret_row->name = g_strdup(mail_query_text(query, NUMBERS));
    ret_row->special_use = g_strdup(mail_query_text(query, NUMBERS + 1));
    ret_row->keywords = g_strdup(mail_query_text(query, NUMBERS + 2));
    ret_row->messages = n[8];
    *shown = (MailStoredMailbox){
        .key = (guint32)n[0],
        .id = (guint16)n[1],
        .name = ret_row->name,
        .delimiter = (char)n[6],
        .selectable = n[7] != 0,
        .special_use =
            *ret_row->special_use != '\0' ? ret_row->special_use : NULL,
        .uidvalidity = (guint32)n[2],
        .modseq = (guint64)n[3],
        .complete = n[4] != 0,
        .keywords = ret_row->keywords,
        .changed_at = n[5],
    };
    if (mail_query_number(query, NUMBERS + 3) == seal_row(ret_row, again) &&
        memcmp(n, again, sizeof n) == 0 && n[0] > 0 &&
        n[0] <= MAIL_ROW_KEY_MAX && *ret_row->name != '\0')
        return TRUE;
    mail_database_tear(database, "a mailbox that was not written");
    mail_query_end(query);
    return FALSE;
}

gboolean
mail_row_read(MailDatabase *database, guint32 key, MailRow *ret_row)
{
    MailQuery *query = mail_database_query(
        database, "SELECT " COLUMNS " FROM mailbox WHERE key = ?1",
        MAIL_NUMBERS(key));
    gboolean found = key > 0 && next_row(database, query, ret_row);
    mail_query_end(query);
    return found;
}

gboolean
mail_row_write(MailDatabase *database, const MailRow *row)
{
    gint64 numbers[NUMBERS + 1];
    MailQuery *query;

    numbers[NUMBERS] = seal_row(row, numbers);
    query = mail_database_query(
        database,
        "INSERT OR REPLACE INTO mailbox(key, id, uidvalidity, modseq,"
        " complete, changed_at, delimiter, selectable, messages, seal, name,"
        " special_use, keywords) VALUES"
        " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        numbers, G_N_ELEMENTS(numbers));
    mail_query_set_text(query, 11, row->name);
    mail_query_set_text(query, 12, row->special_use);
    mail_query_set_text(query, 13, row->keywords);
    return mail_query_run(query, NULL);
}

gboolean
mail_row_delete(MailDatabase *database, guint32 key)
{
    return mail_query_run(
        mail_database_query(database, "DELETE FROM mailbox WHERE key = ?1",
                            MAIL_NUMBERS(key)),
        NULL);
}

static void
free_row(gpointer data)
{
    mail_row_clear(data);
    g_free(data);
}

GPtrArray *
mail_rows_read(MailDatabase *database)
{
    GPtrArray *rows = g_ptr_array_new_with_free_func(free_row);
    MailQuery *query = mail_database_query(
        database, "SELECT " COLUMNS " FROM mailbox ORDER BY id, key", NULL, 0);
    MailRow row = {.messages = 0};

    while (next_row(database, query, &row)) {
        g_ptr_array_add(rows, g_memdup2(&row, sizeof row));
        row = (MailRow){.messages = 0};
    }
    mail_row_clear(&row);
    return rows;
}

static char *
join_keywords(const MailMailbox *mailbox)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < mailbox->keywords->len; i++)
        g_string_append_printf(
            text, "%s%s", i > 0 ? " " : "",
            (const char *)g_ptr_array_index(mailbox->keywords, i));
    return g_string_free(text, FALSE);
}

/* A list of keywords only grows at its end. */
gboolean
mail_row_fits(const MailRow *row, const MailMailbox *mailbox)
{
    g_autofree char *after = join_keywords(mailbox);
    gsize n = strlen(row->keywords);
    return n == 0 || (strncmp(row->keywords, after, n) == 0 &&
                      (after[n] == '\0' || after[n] == ' '));
}

void
mail_row_describe(MailRow *row, const MailMailbox *mailbox)
{
    MailStoredMailbox *shown = &row->shown;

    g_free(row->name);
    g_free(row->special_use);
    g_free(row->keywords);
    row->name = g_strdup(mailbox->name);
    row->special_use =
        g_strdup(mailbox->special_use ? mailbox->special_use : "");
    row->keywords = join_keywords(mailbox);
    shown->id = mailbox->id;
    shown->delimiter = mailbox->delimiter;
    shown->selectable = mailbox->selectable != FALSE;
    shown->uidvalidity = mailbox->uidvalidity;
    shown->changed_at = mailbox->changed_at;
}

/* ---- messages ---- */

enum { MESSAGE_NUMBERS = 9 };
enum { KNOWN_PROVEN = 1, KNOWN_CAPPED = 2 };

/* The length of a message's fields; 0 if they are none. */
static gsize
fields_length(const char *fields, gsize max)
{
    gsize length = 0;

    for (guint i = 0; i < MAIL_N_FIELDS; i++) {
        const char *end =
            length < max ? memchr(fields + length, '\0', max - length) : NULL;
        if (end == NULL)
            return 0;
        length = (gsize)(end - fields) + 1;
    }
    return length;
}

static MailQuery *
bind_message(MailDatabase *database, const char *sql, guint32 key,
             const MailMessage *message)
{
    gsize length = fields_length(message->fields, G_MAXINT32);
    gint64 numbers[MESSAGE_NUMBERS + 1] = {
        key,
        message->uid,
        message->changed,
        (gint64)message->flags,
        (gint64)message->modseq,
        message->internaldate,
        (gint64)message->announced,
        (gint64)message->size,
        (message->proven ? KNOWN_PROVEN : 0) |
            (message->capped ? KNOWN_CAPPED : 0)};
    MailQuery *query;

    numbers[MESSAGE_NUMBERS] =
        mail_database_seal(numbers, MESSAGE_NUMBERS, message->fields, length);
    query = mail_database_query(database, sql, numbers, G_N_ELEMENTS(numbers));
    mail_query_set_blob(query, MESSAGE_NUMBERS + 2, message->fields, length);
    return query;
}

gboolean
mail_row_insert_message(MailDatabase *database, MailRow *row,
                        const MailMessage *message, gboolean *ret_inserted)
{
    guint changed = 0;
    MailQuery *query = bind_message(
        database,
        "INSERT OR IGNORE INTO message(mailbox, uid, changed, flags, modseq,"
        " internaldate, announced, size, known, seal, fields)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        row->shown.key, message);
    gboolean ok = mail_query_run(query, &changed);

    *ret_inserted = ok && changed > 0;
    row->messages += *ret_inserted;
    return ok;
}

gboolean
mail_row_write_message(MailDatabase *database, MailRow *row,
                       const MailMessage *message)
{
    gboolean inserted;

    if (!mail_row_insert_message(database, row, message, &inserted))
        return FALSE;
    return inserted ||
           mail_query_run(
               bind_message(database,
                            "UPDATE message SET changed = ?3, flags = ?4,"
                            " modseq = ?5, internaldate = ?6, announced = ?7,"
                            " size = ?8, known = ?9, seal = ?10, fields = ?11"
                            " WHERE mailbox = ?1 AND uid = ?2",
                            row->shown.key, message),
               NULL);
}

gboolean
mail_row_delete_message(MailDatabase *database, MailRow *row, guint32 uid)
{
    guint changed = 0;
    gboolean ok = mail_query_run(
        mail_database_query(
            database, "DELETE FROM message WHERE mailbox = ?1 AND uid = ?2",
            MAIL_NUMBERS(row->shown.key, uid)),
        &changed);
    row->messages -= changed;
    return ok;
}

/* The row of QUERY.  FALSE when it was not written here. */
static gboolean
take_message(MailQuery *query, MailMessage *ret_message)
{
    gint64 n[MESSAGE_NUMBERS];
    gsize length;
    const char *fields;

    mail_query_numbers(query, n, MESSAGE_NUMBERS);
    fields = mail_query_blob(query, MESSAGE_NUMBERS, &length);
    *ret_message = (MailMessage){
        .uid = (guint32)n[1],
        .changed = (guint32)n[2],
        .flags = (guint64)n[3],
        .modseq = (guint64)n[4],
        .internaldate = n[5],
        .announced = (guint64)n[6],
        .size = (guint64)n[7],
        .proven = (n[8] & KNOWN_PROVEN) != 0,
        .capped = (n[8] & KNOWN_CAPPED) != 0,
    };
    if (length == 0 || fields_length(fields, length) != length ||
        ret_message->uid == 0 || n[1] != ret_message->uid ||
        mail_query_number(query, MESSAGE_NUMBERS + 1) !=
            mail_database_seal(n, MESSAGE_NUMBERS, fields, length))
        return FALSE;
    ret_message->fields = g_memdup2(fields, length);
    return TRUE;
}

guint
mail_row_load_messages(MailDatabase *database, guint32 key,
                       MailMailbox *mailbox, guint32 after, guint max)
{
    MailQuery *query = mail_database_query(
        database,
        "SELECT mailbox, uid, changed, flags, modseq, internaldate,"
        " announced, size, known, fields, seal FROM message"
        " WHERE mailbox = ?1 AND uid > ?2 ORDER BY uid LIMIT ?3",
        MAIL_NUMBERS(key, after, max));
    guint n = 0;

    while (mail_query_next(query)) {
        MailMessage message;
        if (!take_message(query, &message)) {
            mail_database_tear(database, "a message that was not written");
            break;
        }
        if (message.uid <= after) {
            g_free(message.fields);
            mail_database_tear(database, "messages out of order");
            break;
        }
        after = message.uid;
        mail_mailbox_insert(mailbox, &message);
        n++;
    }
    mail_query_end(query);
    return n;
}
