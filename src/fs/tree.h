/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The file system as questions about inode numbers and names, answered from
 * the model or faulting (mail/want.h).  Knows nothing of the kernel: ops.c is
 * the one client, tests are the other.
 */
#ifndef IMAPFS_FS_TREE_H
#define IMAPFS_FS_TREE_H

#include <sys/stat.h>

#include "fs/names.h"
#include "fs/node.h"
#include "mail/account.h"

typedef struct FsTree FsTree;

typedef struct {
    struct stat stat;   /* as far as that is known; st_ino is the node's */
    guint64 generation; /* tells it from another that had the number before */
    gboolean inexact;   /* the size is no more than a guess so far */
} FsAttributes;

/* A file in .imapfs; TEXT makes what it holds, which the caller owns. */
typedef struct {
    const char *name;
    char *(*text)(gpointer data);
} FsMadeFile;

/* MADE ends with one without a name, outlives the tree, and may be NULL. */
FsTree *fs_tree_new(MailAccount *account, Clock *clock, FsNaming naming,
                    const FsMadeFile *made, gpointer made_data);
void fs_tree_free(FsTree *tree);
/*
 * No OPEN may come: the kernel knows a file by its number alone, keeps what it
 * has read for as long as it knows the number, and asks for its size where that
 * is inexact.  So the number of a file in .imapfs stands for one text, made
 * when the name is looked up, and fs_tree_getattr() finds out how long others
 * are.
 */
void fs_tree_do_without_open(FsTree *tree);
/* The kernel does not know INO any more, which it had from a lookup. */
void fs_tree_forget(FsTree *tree, guint64 ino);
/* Views (.search and the like) are found by name; from now on they are listed,
 * too. */
void fs_tree_list_views(FsTree *tree);

guint64 fs_tree_message_ino(const MailMailbox *mailbox,
                            const MailMessage *message);
/* INO's parent, for "..". */
guint64 fs_tree_parent(FsTree *tree, guint64 ino);
gboolean fs_tree_lookup(FsTree *tree, guint64 parent, const char *name,
                        FsAttributes *ret, MailFault *fault);
gboolean fs_tree_getattr(FsTree *tree, guint64 ino, FsAttributes *ret,
                         MailFault *fault);
/* What is known of INO, and its name; FALSE when it is not known.  Never
 * faults. */
gboolean fs_tree_known(FsTree *tree, guint64 ino, FsAttributes *ret,
                       char name[FS_NAME_MAX + 1]);
/* The path of a directory below the root, without a "/" before or behind it;
 * NULL if it is none.  The caller owns it. */
char *fs_tree_path(FsTree *tree, guint64 ino);
/* A program watches directory INO: what happens there is not to be missed. */
void fs_tree_watched(FsTree *tree, guint64 ino);
/* Somebody begins to read a directory. */
gboolean fs_tree_opendir(FsTree *tree, guint64 ino, MailFault *fault);

/*
 * Takes one entry; NEXT is the offset of what follows it.  Returns FALSE when
 * it had no room for it.
 */
typedef gboolean (*FsEntryFunc)(const char *name,
                                const FsAttributes *attributes, gint64 next,
                                gpointer data);
/*
 * Emits the entries from OFFSET on.  Offsets name positions in an order that
 * does not change, so a listing may go on while mail comes and goes.  Emits at
 * least one entry if there is one and it has room, else faults or ends.
 */
gboolean fs_tree_readdir(FsTree *tree, guint64 ino, gint64 offset,
                         FsEntryFunc emit, gpointer data, MailFault *fault);

/*
 * Searches that are pinned are listed in .search, which is PARENT: mkdir and
 * rmdir of NAME, a query.
 */
gboolean fs_tree_pin(FsTree *tree, guint64 parent, const char *name,
                     gboolean pinned, FsAttributes *ret, MailFault *fault);
/* INO is such a search. */
gboolean fs_tree_is_pinned(FsTree *tree, guint64 ino);

/* A file that is open.  It goes on being the message it was when it was opened:
 * reads fail with STALE once its mailbox has been replaced. */
typedef struct FsFile FsFile;

/* From now on the size that is shown is one that will hold. */
gboolean fs_tree_open(FsTree *tree, guint64 ino, FsFile **ret,
                      MailFault *fault);
void fs_file_free(FsFile *file);
/* FALSE when nobody knows its size, be there one that is shown: then it has to
 * be read until nothing comes. */
gboolean fs_file_has_size(const FsFile *file);
/* What the kernel has read of it before is right. */
gboolean fs_file_keeps_pages(const FsFile *file);
gboolean fs_tree_read(FsTree *tree, const FsFile *file, guint64 offset,
                      void *buffer, gsize size, gsize *ret_size,
                      MailFault *fault);
/* The same, of a file that nobody has opened. */
gboolean fs_tree_read_unopened(FsTree *tree, guint64 ino, guint64 offset,
                               void *buffer, gsize size, gsize *ret_size,
                               MailFault *fault);

/* The caller owns what is returned. */
gboolean fs_tree_getxattr(FsTree *tree, guint64 ino, const char *name,
                          char **ret_value, MailFault *fault);
/* Names, each with its NUL. */
gboolean fs_tree_listxattr(FsTree *tree, guint64 ino, GString **ret_names,
                           MailFault *fault);

#endif
