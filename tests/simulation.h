/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files of the simulation share: one run, and the operations of its
 * user.
 *
 *   simulation.c          a run: the server's life, restarts, the end
 *   simulation-user.c     operations, and what is checked about each
 *   simulation-store.c    the directory of the store, and what a crash leaves
 */
#ifndef IMAPFS_TESTS_SIMULATION_H
#define IMAPFS_TESTS_SIMULATION_H

#include <stdio.h>

#include "fs/park.h"
#include "fs/tree.h"
#include "world.h"

#define SIMULATION_TIMEOUT (30 * CLOCK_SECOND)
#define SIMULATION_SLACK (1 * CLOCK_SECOND)

typedef struct {
    guint32 seed;
    Clock *clock;
    World *world;
    GRand *rand;
    ImapLogin login;
    MailAccountSetup setup;
    char *directory; /* of the store */
    guint64 store_limit;
    MailAccount *account;
    FsTree *tree;
    FsPark *park;
    GPtrArray *ops;   /* running, of Op */
    gboolean faults;  /* operations may fail */
    gboolean offline; /* ... but as those do that have no server */
    gboolean spared;  /* nobody opens what is read */
    gboolean failed;
    guint done, errors, remounts, episodes;
    guint small_syncs; /* measured */
} Run;

#define CHECK(run, condition, ...)                     \
    do {                                               \
        if (!(condition)) {                            \
            fprintf(stderr, "seed %u: ", (run)->seed); \
            fprintf(stderr, __VA_ARGS__);              \
            fputc('\n', stderr);                       \
            (run)->failed = TRUE;                      \
        }                                              \
    } while (0)

/* A random number below N. */
guint run_any(Run *run, guint n);
void run_pass_time(Run *run, gint64 duration);

/* ---- simulation-user.c ---- */

typedef enum {
    OP_LOOKUP,
    OP_LIST,
    OP_READ,
    OP_XATTR,
    OP_PART, /* of a letter, or its headers */
    OP_TEXT, /* of a letter */
} OpKind;

/* How one ended; the caller owns ERROR. */
typedef struct {
    gboolean over;
    GError *error;
    GHashTable *listed; /* names; or NULL */
    guint64 octets;     /* that were read */
} OpResult;

void op_result_clear(OpResult *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(OpResult, op_result_clear)

typedef struct {
    FsParked parked;
    Run *run;
    OpKind kind;
    gint64 started;
    char *mailbox;
    char *name;
    OpResult *result; /* or NULL */
    gboolean exact;   /* what is shown must be what is */
    gboolean in_view; /* the same messages, as .parts lists them */
    /* a listing */
    gint64 offset;
    guint emitted;
    gboolean opened;
    GHashTable *listed; /* names */
    GArray *stable;     /* UIDs that were there when it began */
    guint32 uidvalidity;
    /* a read */
    FsFile *file;     /* NULL where nobody opens it */
    guint64 ino;      /* 0 until it was looked up */
    guint64 promised; /* its size, then */
    guint64 file_uidvalidity;
    guint32 uid;
    guint part;    /* of a letter */
    GString *text; /* what was read of that */
    guint64 at;
    gsize size;
    gboolean to_end;
} Op;

/* An operation on a mailbox, or message UID of it; op_begin() starts it. */
Op *op_new(Run *run, OpKind kind, const WorldMailbox *mailbox, guint32 uid);
void op_begin(Op *op);
/* Ends it, with ERROR if that is not NULL, checks that and frees it. */
void op_end(Op *op, const GError *error);
void op_interrupt(Op *op);
/* One of WORLD_PART_HEADERS and so on. */
guint run_any_part(Run *run);
/* A random operation. */
void run_start_op(Run *run);
/* Begins OP, which is taken, and lets time pass until it is over. */
void run_op(Run *run, Op *op, gboolean exact, OpResult *ret);
/* The same with one that is made. */
void run_do(Run *run, OpKind kind, const WorldMailbox *mailbox, guint32 uid,
            gboolean exact, OpResult *ret);

/* ---- simulation-store.c ---- */

/* An empty directory for a store. */
void run_make_directory(Run *run);
void run_remove_directory(Run *run);
/* Opens the store, if there is one. */
void run_open_store(Run *run);
/* The directory as it is now, while it is in use; the caller owns the path. */
char *run_copy_directory(Run *run);
/* Puts a copy in the place of the directory; takes COPY. */
void run_use_copy(Run *run, char *copy);
/* Cuts some file of it that is not a database. */
void run_tear_directory(Run *run);

#endif
