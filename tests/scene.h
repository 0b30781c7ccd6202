/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A whole account before a scripted server, and programs that look into it
 * through the tree: what the tests of the account share.
 */
#ifndef IMAPFS_TESTS_SCENE_H
#define IMAPFS_TESTS_SCENE_H

#include "base/error.h"
#include "fs/park.h"
#include "fs/tree.h"
#include "script.h"
#include "server.h"

#define SCENE_PATIENCE (30 * CLOCK_SECOND) /* with the server */
#define SCENE_DEADLINE (60 * CLOCK_SECOND) /* of an operation */
#define MINUTE (60 * CLOCK_SECOND)
#define SHORT (10 * CLOCK_MILLISECOND) /* until all that was said is heard */

/* The first steps of a scenario; CAPABILITIES begin with a blank. */
#define LOGGED_IN(capabilities)               \
    "S: * OK [CAPABILITY IMAP4rev1] hi\n"     \
    "C: $tag LOGIN \"joe\" \"open sesame\"\n" \
    "S: $tag OK [CAPABILITY IMAP4rev1" capabilities "] in\n"

typedef struct {
    Clock *clock;
    Script *script;
    ImapLogin login;
    Server server; /* behind step "A" */
    MailAccountSetup setup;
    MailAccount *account;
    FsTree *tree;
    FsPark *park;
    gboolean spared; /* programs read what nobody has opened */
    /* What was observed: mailboxes "+leaf ", "-leaf " and "?leaf ", messages
     * "+uid " (they came after the first listing), "-uid " and "~uid ", parts
     * "%uid/n ". */
    GString *seen;
} Scene;

Scene *scene_new(guint connections);
void scene_free(Scene *scene);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Scene, scene_free)

/* The account goes, and comes again, maybe with another setup. */
void scene_unmount(Scene *scene);
void scene_mount(Scene *scene);
/* So many connections may be made, to the server behind step "A". */
void scene_serve(Scene *scene, guint connections);
/* Nobody opens files from now on: the kernel was told that it need not. */
void scene_spare_open(Scene *scene);
void scene_wait(Scene *scene, gint64 duration);
/* Of messages, in memory. */
gsize scene_octets_kept(Scene *scene);

/* Removes a directory with all that is in it. */
void scene_remove(const char *path);

/* ---- an operation of a program ---- */

typedef struct Op Op;

struct Op {
    FsParked parked;
    Scene *scene;
    gboolean (*ask)(Op *op, MailFault *fault);
    gboolean done;
    gint64 done_at;
    GError *error;
    guint asked; /* how often */
    guint64 ino;
    const char *name;
    FsAttributes attributes;
    FsFile *file;
    guint64 offset;
    char *buffer;
    gsize size;
    gsize got;
    GString *names; /* of a directory, "a,b," */
    gint64 next;
};

/* ASK is one of those below. */
Op *op_new(Scene *scene, gboolean (*ask)(Op *op, MailFault *fault),
           guint64 ino);
void op_free(Op *op);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Op, op_free)

gboolean op_lookup(Op *op, MailFault *fault);
gboolean op_getattr(Op *op, MailFault *fault);
gboolean op_opendir(Op *op, MailFault *fault);
gboolean op_readdir(Op *op, MailFault *fault);
gboolean op_open(Op *op, MailFault *fault);
gboolean op_read(Op *op, MailFault *fault);

void op_start(Op *op);
void op_wait(Op *op);
/* Both. */
void op_run(Op *op);
void op_assert_fine(const Op *op);
void op_assert_failed(const Op *op, ImapfsError code);

/* ---- what programs do ---- */

guint64 scene_find(Scene *scene, guint64 parent, const char *name);
/* The names in a directory; NULL when that fails.  The caller owns it. */
char *scene_list(Scene *scene, guint64 ino, GError **error);
/* The number of INBOX, after its messages have been listed. */
guint64 scene_enter(Scene *scene);
guint64 scene_size_of(Scene *scene, guint64 ino);
/* An open file, ready to be read in steps of so many octets. */
Op *scene_open(Scene *scene, guint64 ino, gsize step);

typedef struct {
    GString *data;
    GError *error;
    guint64 shown; /* its size when it had been opened */
} Copy;

/* What a program does: open, and read up to the size that is shown. */
Copy scene_copy(Scene *scene, guint64 ino, gsize step);
void copy_clear(Copy *made);
void copy_assert_is(const Copy *made, const Mail *mail);

#endif
