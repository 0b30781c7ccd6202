/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/database.h"

#include "base/error.h"

#include <sqlite3.h>
#include <string.h>
#include <zlib.h>

enum {
    PAGE = 4096,
    LOG_PAGES_MAX = 4 * 1024 * 1024 / PAGE,   /* then it is brought home */
    LOG_PAGES_HELD = 64 * 1024 * 1024 / PAGE, /* ... without writing to it, */
    REST_PAGES_MAX = 1024 * 1024 / PAGE, /* once only so much is not there */
    BUSY_MILLISECONDS = 20,
    VALUE_MAX = 16 * 1024 * 1024,
};

/*
 * Bringing the log home.  A connection that writes without fsync must not
 * begin the log again from its start: after a loss of power old frames could
 * stand behind new ones.  So the thread holds a read transaction, the pin,
 * under which SQLite does not do that; the loop ends it when the thread is
 * done, and truncates the log if nothing was written meanwhile.
 */
typedef struct {
    char *path;
    sqlite3 *pin;
    GThread *thread;
    GSource *source; /* attached when done */
    GMainContext *context;
    int result;
    int pages; /* of the log that are in the database */
    int done;
} Homing;

struct MailDatabase {
    sqlite3 *handle;
    char *path;
    GHashTable *queries; /* SQL, by address -> MailQuery */
    char *torn;
    char *failure;
    char *read_failure;
    gboolean stopped; /* nobody is to write */
    gboolean open;    /* a transaction is */
    gboolean doomed;  /* the transaction cannot be committed */
    int log_pages;
    int home_pages; /* of these, which the database has */
    Homing *homing; /* or NULL */
    gboolean held;  /* writing waits for it */
};

struct MailQuery {
    MailDatabase *database;
    sqlite3_stmt *statement; /* NULL: it could not be prepared */
};

/* ---- what fails ---- */

void
mail_database_tear(MailDatabase *database, const char *reason)
{
    if (database->torn == NULL)
        database->torn = imapfs_printable(reason, -1);
}

const char *
mail_database_torn(const MailDatabase *database)
{
    return database->torn;
}

char *
mail_database_take_failure(MailDatabase *database)
{
    return g_steal_pointer(&database->failure);
}

char *
mail_database_take_read_failure(MailDatabase *database)
{
    return g_steal_pointer(&database->read_failure);
}

static gboolean
is_torn(int result)
{
    switch (result & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR: /* a table or column is not there */
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_SCHEMA:
    case SQLITE_FORMAT:
        return TRUE;
    default:
        return FALSE;
    }
}

static void
note(MailDatabase *database, int result, gboolean writing)
{
    const char *why = sqlite3_errmsg(database->handle);

    if (result == SQLITE_OK || result == SQLITE_DONE || result == SQLITE_ROW)
        return;
    if (is_torn(result)) {
        mail_database_tear(database, why);
    } else if (writing && (result & 0xff) != SQLITE_BUSY &&
               (result & 0xff) != SQLITE_LOCKED) {
        g_free(database->failure);
        database->failure = g_strdup(why);
    } else if (!writing) {
        g_free(database->read_failure);
        database->read_failure = g_strdup(why);
    }
    database->doomed = TRUE;
}

/* ---- opening ---- */

static int
run(sqlite3 *handle, const char *sql)
{
    return sqlite3_exec(handle, sql, NULL, NULL, NULL);
}

static int
ask_number(sqlite3 *handle, const char *sql, gint64 *ret_number)
{
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(handle, sql, -1, &statement, NULL);

    if (result == SQLITE_OK) {
        result = sqlite3_step(statement);
        if (result == SQLITE_ROW) {
            *ret_number = sqlite3_column_int64(statement, 0);
            result = SQLITE_OK;
        }
    }
    sqlite3_finalize(statement);
    return result;
}

static int
connect_to(const char *path, sqlite3 **ret_handle)
{
    int result = sqlite3_open_v2(path, ret_handle, SQLITE_OPEN_READWRITE, NULL);

    if (result != SQLITE_OK)
        return result;
    sqlite3_extended_result_codes(*ret_handle, 1);
    sqlite3_busy_timeout(*ret_handle, BUSY_MILLISECONDS);
    sqlite3_limit(*ret_handle, SQLITE_LIMIT_LENGTH, VALUE_MAX);
    /* What is in the file is not to do anything. */
    sqlite3_db_config(*ret_handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(*ret_handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(*ret_handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(*ret_handle, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    sqlite3_db_config(*ret_handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return run(*ret_handle, "PRAGMA cell_size_check = ON;"
                            "PRAGMA wal_autocheckpoint = 0");
}

/* From VERSION to the newest, all or nothing. */
static int
migrate(sqlite3 *handle, guint32 application, const char *const *steps,
        guint n_steps, guint version)
{
    g_autofree char *marks =
        g_strdup_printf("PRAGMA application_id = %d; PRAGMA user_version = %u",
                        (int)application, n_steps);
    int result = run(handle, "BEGIN IMMEDIATE");

    for (guint i = version; i < n_steps && result == SQLITE_OK; i++)
        result = run(handle, steps[i]);
    if (result == SQLITE_OK)
        result = run(handle, marks);
    if (result == SQLITE_OK)
        result = run(handle, "COMMIT");
    return result;
}

static gboolean
set_error(sqlite3 *handle, int result, const char *path, GError **error)
{
    g_set_error(error, IMAPFS_ERROR,
                is_torn(result) ? IMAPFS_ERROR_STALE : IMAPFS_ERROR_FAILED,
                "%s: %s", path, sqlite3_errmsg(handle));
    return FALSE;
}

/* Whether it is ours, and of which version. */
static gboolean
look_at(sqlite3 *handle, const char *path, guint32 application, guint n_steps,
        gint64 *ret_version, GError **error)
{
    gint64 mark = 0;
    gint64 objects = 0;
    int result =
        ask_number(handle, "SELECT count(*) FROM sqlite_schema", &objects);

    if (result == SQLITE_OK)
        result = ask_number(handle, "PRAGMA application_id", &mark);
    if (result == SQLITE_OK)
        result = ask_number(handle, "PRAGMA user_version", ret_version);
    if (result != SQLITE_OK)
        return set_error(handle, result, path, error);
    if (objects == 0 && mark == 0 && *ret_version == 0)
        return TRUE;
    if (mark != (gint32)application || *ret_version < 1) {
        g_set_error(error, IMAPFS_ERROR, IMAPFS_ERROR_STALE,
                    "%s: not made by this program", path);
        return FALSE;
    }
    if (*ret_version > n_steps) {
        g_set_error(error, IMAPFS_ERROR, IMAPFS_ERROR_STALE,
                    "%s: version %d, of a newer program", path,
                    (int)*ret_version);
        return FALSE;
    }
    return TRUE;
}

static int
on_mode(void *data, int n, char **values, char **names)
{
    (void)names;
    *(gboolean *)data = n == 1 && g_strcmp0(values[0], "wal") == 0;
    return 0;
}

static gboolean
set_up(sqlite3 *handle, const char *path, guint32 application,
       const char *const *steps, guint n_steps, GError **error)
{
    gint64 version = 0;
    gboolean is_wal = FALSE;
    int result;

    if (!look_at(handle, path, application, n_steps, &version, error))
        return FALSE;
    /* What a crash left in the log goes home before anything else. */
    result = run(handle, version > 0 ? "PRAGMA synchronous = FULL"
                                     : "PRAGMA synchronous = OFF");
    if (result == SQLITE_OK)
        result = sqlite3_exec(handle, "PRAGMA journal_mode = WAL", on_mode,
                              &is_wal, NULL);
    /* Without one nothing would survive a crash. */
    if (result == SQLITE_OK && !is_wal)
        result = SQLITE_CANTOPEN;
    if (result == SQLITE_OK)
        result = sqlite3_wal_checkpoint_v2(
            handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if (result == SQLITE_OK)
        result = run(handle, "PRAGMA synchronous = OFF");
    if (result == SQLITE_OK && version < n_steps)
        result = migrate(handle, application, steps, n_steps, (guint)version);
    return result == SQLITE_OK || set_error(handle, result, path, error);
}

static int
on_commit(void *data, sqlite3 *handle, const char *name, int pages)
{
    (void)handle;
    (void)name;
    ((MailDatabase *)data)->log_pages = pages;
    return SQLITE_OK;
}

static void
free_query(gpointer data)
{
    sqlite3_finalize(((MailQuery *)data)->statement);
    g_free(data);
}

MailDatabase *
mail_database_open(const char *path, guint32 application,
                   const char *const *steps, guint n_steps, GError **error)
{
    MailDatabase *database;
    sqlite3 *handle = NULL;
    int result = connect_to(path, &handle);

    if (result != SQLITE_OK)
        set_error(handle, result, path, error);
    if (result != SQLITE_OK ||
        !set_up(handle, path, application, steps, n_steps, error)) {
        sqlite3_close(handle);
        return NULL;
    }
    database = g_new0(MailDatabase, 1);
    database->handle = handle;
    database->path = g_strdup(path);
    database->queries = g_hash_table_new_full(NULL, NULL, NULL, free_query);
    sqlite3_wal_hook(handle, on_commit, database);
    return database;
}

/* ---- the log ---- */

static void
free_homing(Homing *homing)
{
    g_thread_join(homing->thread);
    sqlite3_close(homing->pin);
    g_source_destroy(homing->source);
    g_source_unref(homing->source);
    g_main_context_unref(homing->context);
    g_free(homing->path);
    g_free(homing);
}

static void
finish_homing(MailDatabase *database)
{
    Homing *homing = g_steal_pointer(&database->homing);
    int result = homing->result;
    gboolean all = result == SQLITE_OK && homing->pages >= database->log_pages;

    database->home_pages = homing->pages;
    free_homing(homing);
    database->held = FALSE;
    if (is_torn(result))
        mail_database_tear(database, sqlite3_errstr(result));
    if (all && !database->open &&
        sqlite3_wal_checkpoint_v2(database->handle, NULL,
                                  SQLITE_CHECKPOINT_TRUNCATE, NULL,
                                  NULL) == SQLITE_OK)
        database->log_pages = database->home_pages = 0;
    else if (database->log_pages > LOG_PAGES_HELD && result == SQLITE_OK)
        mail_database_tidy(database);
}

static gboolean
on_homing_done(gpointer data)
{
    MailDatabase *database = data;
    if (database->homing != NULL)
        finish_homing(database);
    return G_SOURCE_REMOVE;
}

/* In the thread. */
static gpointer
bring_home(gpointer data)
{
    Homing *homing = data;
    sqlite3 *handle = NULL;
    gint64 tables;
    int pages = 0;

    homing->result = connect_to(homing->path, &homing->pin);
    if (homing->result == SQLITE_OK)
        homing->result = run(homing->pin, "BEGIN");
    if (homing->result == SQLITE_OK)
        homing->result = ask_number(
            homing->pin, "SELECT count(*) FROM sqlite_schema", &tables);
    if (homing->result == SQLITE_OK)
        homing->result = connect_to(homing->path, &handle);
    if (homing->result == SQLITE_OK)
        homing->result = run(handle, "PRAGMA synchronous = FULL");
    if (homing->result == SQLITE_OK)
        homing->result = sqlite3_wal_checkpoint_v2(
            handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, &pages);
    homing->pages = pages;
    sqlite3_close(handle);
    g_atomic_int_set(&homing->done, 1);
    g_source_attach(homing->source, homing->context);
    return NULL;
}

void
mail_database_tidy(MailDatabase *database)
{
    Homing *homing = database->homing;

    if (homing != NULL && g_atomic_int_get(&homing->done))
        finish_homing(database);
    if (database->homing != NULL || database->torn != NULL ||
        database->log_pages <= LOG_PAGES_MAX)
        return;
    homing = g_new0(Homing, 1);
    homing->path = g_strdup(database->path);
    homing->context = g_main_context_ref_thread_default();
    homing->source = g_idle_source_new();
    g_source_set_callback(homing->source, on_homing_done, database, NULL);
    /* Whoever never stops writing has to wait, but not for long. */
    database->held =
        database->log_pages > LOG_PAGES_HELD &&
        database->log_pages - database->home_pages < REST_PAGES_MAX;
    database->homing = homing;
    homing->thread = g_thread_new("log", bring_home, homing);
}

void
mail_database_close(MailDatabase *database)
{
    if (database->homing != NULL)
        free_homing(g_steal_pointer(&database->homing));
    g_hash_table_unref(database->queries);
    if (!sqlite3_get_autocommit(database->handle))
        run(database->handle, "ROLLBACK");
    if (database->torn == NULL) {
        run(database->handle, "PRAGMA synchronous = FULL");
        sqlite3_db_config(database->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0,
                          NULL);
    }
    sqlite3_close(database->handle);
    g_free(database->path);
    g_free(database->torn);
    g_free(database->failure);
    g_free(database->read_failure);
    g_free(database);
}

/* ---- transactions ---- */

void
mail_database_allow(MailDatabase *database, gboolean writing)
{
    database->stopped = !writing;
}

gboolean
mail_database_begin(MailDatabase *database)
{
    int result;

    if (database->torn != NULL || database->held || database->stopped ||
        database->open)
        return FALSE;
    result = run(database->handle, "BEGIN IMMEDIATE");
    note(database, result, TRUE);
    database->doomed = FALSE;
    database->open = result == SQLITE_OK;
    return database->open;
}

gboolean
mail_database_end(MailDatabase *database, gboolean ok)
{
    int result = SQLITE_ABORT;

    database->open = FALSE;
    if (ok && !database->doomed && database->torn == NULL) {
        result = run(database->handle, "COMMIT");
        note(database, result, TRUE);
    }
    if (result != SQLITE_OK && !sqlite3_get_autocommit(database->handle))
        run(database->handle, "ROLLBACK");
    return result == SQLITE_OK;
}

/* ---- queries ---- */

MailQuery *
mail_database_query(MailDatabase *database, const char *sql,
                    const gint64 *numbers, gsize n)
{
    MailQuery *query = g_hash_table_lookup(database->queries, sql);

    if (query == NULL) {
        query = g_new0(MailQuery, 1);
        query->database = database;
        g_hash_table_insert(database->queries, (gpointer)sql, query);
    }
    if (query->statement == NULL)
        note(database,
             sqlite3_prepare_v3(database->handle, sql, -1,
                                SQLITE_PREPARE_PERSISTENT, &query->statement,
                                NULL),
             FALSE);
    else
        sqlite3_reset(query->statement);
    for (gsize i = 0; i < n && query->statement != NULL; i++)
        sqlite3_bind_int64(query->statement, (int)i + 1, numbers[i]);
    return query;
}

void
mail_query_set_text(MailQuery *query, int parameter, const char *text)
{
    if (query->statement != NULL)
        sqlite3_bind_text(query->statement, parameter, text, -1, SQLITE_STATIC);
}

void
mail_query_set_blob(MailQuery *query, int parameter, const void *data,
                    gsize length)
{
    if (query->statement != NULL)
        sqlite3_bind_blob64(query->statement, parameter, data, length,
                            SQLITE_STATIC);
}

void
mail_query_end(MailQuery *query)
{
    if (query->statement != NULL)
        sqlite3_reset(query->statement);
}

gboolean
mail_query_next(MailQuery *query)
{
    int result;

    if (query->statement == NULL || query->database->torn != NULL)
        return FALSE;
    result = sqlite3_step(query->statement);
    if (result == SQLITE_ROW)
        return TRUE;
    note(query->database, result, !sqlite3_stmt_readonly(query->statement));
    sqlite3_reset(query->statement);
    return FALSE;
}

gboolean
mail_query_run(MailQuery *query, guint *ret_changed)
{
    int result;

    if (query->statement == NULL || query->database->torn != NULL)
        return FALSE;
    result = sqlite3_step(query->statement);
    if (ret_changed != NULL)
        *ret_changed = (guint)sqlite3_changes(query->database->handle);
    note(query->database, result, TRUE);
    sqlite3_reset(query->statement);
    return result == SQLITE_DONE;
}

gint64
mail_query_number(MailQuery *query, int column)
{
    return sqlite3_column_int64(query->statement, column);
}

void
mail_query_numbers(MailQuery *query, gint64 *numbers, gsize n)
{
    for (gsize i = 0; i < n; i++)
        numbers[i] = sqlite3_column_int64(query->statement, (int)i);
}

const char *
mail_query_text(MailQuery *query, int column)
{
    const void *text = sqlite3_column_text(query->statement, column);
    return text ? text : "";
}

const void *
mail_query_blob(MailQuery *query, int column, gsize *ret_length)
{
    const void *data = sqlite3_column_blob(query->statement, column);
    int length = sqlite3_column_bytes(query->statement, column);
    *ret_length = data != NULL && length > 0 ? (gsize)length : 0;
    return data;
}

guint32
mail_database_seal(const gint64 *numbers, gsize n, const void *data,
                   gsize length)
{
    uLong crc = crc32(0, NULL, 0);
    crc = crc32_z(crc, (const Bytef *)numbers, n * sizeof *numbers);
    if (length > 0)
        crc = crc32_z(crc, data, length);
    return (guint32)crc;
}
