/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One SQLite database, the only place that knows SQLite.
 *
 * It is written by the main loop and therefore never synchronised there: what
 * is committed goes to the log (WAL), and a thread brings the log into the
 * database now and then, with all the fsync that takes.  After a crash of this
 * program nothing committed is missing; after one of the machine the newest
 * may be, and the rest is as it was at some commit.
 *
 * What fails is kept as a state, so that queries need no checks of their own:
 * one that failed has no rows, and a transaction with one is rolled back.
 */
#ifndef IMAPFS_MAIL_DATABASE_H
#define IMAPFS_MAIL_DATABASE_H

#include <glib.h>

typedef struct MailDatabase MailDatabase;
typedef struct MailQuery MailQuery;

/*
 * PATH is absolute; an empty file is a new database.  APPLICATION is the
 * number that marks it as ours, STEPS the SQL that leads from each version to
 * the next; both are borrowed for good.
 * Fails with STALE when what is there can only be removed (it is torn, from
 * somebody else, or of a newer version), with FAILED when nothing can be done.
 */
MailDatabase *mail_database_open(const char *path, guint32 application,
                                 const char *const *steps, guint n_steps,
                                 GError **error);
/* Waits for the thread, and brings the log home. */
void mail_database_close(MailDatabase *database);

/* Why it cannot be used any more, or NULL.  All that is left is to close it. */
const char *mail_database_torn(const MailDatabase *database);
/* The same, by somebody who found that a row makes no sense. */
void mail_database_tear(MailDatabase *database, const char *reason);
/* Why it could not be written since this was last asked, or NULL; the caller
 * owns it. */
char *mail_database_take_failure(MailDatabase *database);

/* The same for reading. */
char *mail_database_take_read_failure(MailDatabase *database);

/* ---- transactions ---- */

/* While it is not allowed nothing can be written. */
void mail_database_allow(MailDatabase *database, gboolean writing);

/* One at a time.  FALSE when nothing can be written now. */
gboolean mail_database_begin(MailDatabase *database);
/* Commits if OK and all queries went well, else rolls back.  Returns whether
 * it was committed. */
gboolean mail_database_end(MailDatabase *database, gboolean ok);

/* ---- queries ---- */

#define MAIL_NUMBERS(...)            \
    ((const gint64[]){__VA_ARGS__}), \
        (sizeof((const gint64[]){__VA_ARGS__}) / sizeof(gint64))

/*
 * SQL is a literal: it is prepared once.  The N NUMBERS are its parameters from
 * ?1 on, see MAIL_NUMBERS().  The query is the database's, and good until the
 * same SQL is asked again.
 */
MailQuery *mail_database_query(MailDatabase *database, const char *sql,
                               const gint64 *numbers, gsize n);
/* Further parameters, borrowed until the query has run. */
void mail_query_set_text(MailQuery *query, int parameter, const char *text);
void mail_query_set_blob(MailQuery *query, int parameter, const void *data,
                         gsize length);
/* Runs it to its end.  Returns whether it got there; *RET_CHANGED, if not
 * NULL, is how many rows it changed. */
gboolean mail_query_run(MailQuery *query, guint *ret_changed);
/* The next row; FALSE when there is none.  Whoever stops before that calls
 * mail_query_end(). */
gboolean mail_query_next(MailQuery *query);
void mail_query_end(MailQuery *query);
/* Of the row, columns from 0 on; good until the next. */
gint64 mail_query_number(MailQuery *query, int column);
void mail_query_numbers(MailQuery *query, gint64 *numbers, gsize n);
const char *mail_query_text(MailQuery *query, int column); /* never NULL */
const void *mail_query_blob(MailQuery *query, int column, gsize *ret_length);

/* A CRC-32 over the values of a row, kept in it: SQLite does not notice when
 * a value rots, and a wrong size cuts a message. */
guint32 mail_database_seal(const gint64 *numbers, gsize n, const void *data,
                           gsize length);

/* ---- the log ---- */

/* Has the log brought home when it is long.  Does not wait. */
void mail_database_tidy(MailDatabase *database);

#endif
