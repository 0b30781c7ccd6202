/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files that make the tree share.  Not for anyone else.
 *
 * Each kind of node is a row, its FsType, which says what such a node stands
 * for and what can be done with it; tree.c looks the row up, and knows nothing
 * else of kinds.
 *
 *   tree.c    the questions, mailboxes and messages, .imapfs
 *   views.c   .search and the like: which messages they show, and as what
 *   parts.c   what is made from messages: parts, headers, texts
 *   xattrs.c  extended attributes
 */
#ifndef IMAPFS_FS_TYPES_H
#define IMAPFS_FS_TYPES_H

#include "fs/texts.h"
#include "fs/tree.h"

typedef struct FsPartsMemory FsPartsMemory;

struct FsTree {
    MailAccount *account;
    Clock *clock;
    FsNaming naming;
    const FsMadeFile *made; /* or NULL; a node's part is an index of it */
    gpointer made_data;
    uid_t uid;
    gid_t gid;
    gint64 started; /* seconds since 1970 */
    FsTexts *texts; /* of files in .imapfs, where no OPEN comes; or NULL */
    gboolean views_listed; /* by readdir, too */
    /* Whoever looks for the first message from FROM on that view SEEKER shows,
     * and waits for more of them, need not look at those below REACHED again.
     */
    struct {
        guint64 seeker;
        guint32 from;
        guint64 reached;
    } seek;
    FsPartsMemory *memory; /* names, see parts.c */
};

/* What a node stands for; NULL where its type has no use for it.  Good until
 * the loop is reached. */
typedef struct {
    FsTree *tree;
    FsNode node;
    MailMailbox *mailbox;
    MailMessage *message;
    const MailPart *part; /* only where it was found by a FsType.find */
} FsObject;

struct FsFile {
    FsNode node;
    guint32 uidvalidity;
    char *text;       /* of one that is made when it is opened; else NULL */
    gboolean resized; /* what was read of it before may be wrong */
    guint64 octets;   /* of a part, encoded, when it was opened; 0: any */
};

typedef struct {
    const char *name;
    char *(*value)(const FsObject *object); /* NULL when it has none */
    gboolean unlisted;                      /* to ask for it has a price */
} FsXattr;

/* Whoever reads a directory. */
typedef struct {
    FsEntryFunc emit;
    gpointer data;
    gint64 offset; /* of what comes next */
    guint emitted;
} FsReader;

typedef struct {
    /* Fills in what OBJECT, so far its tree and its node, stands for. */
    gboolean (*find)(FsObject *object, MailFault *fault);
    /* The attributes, as far as they are known. */
    void (*fill)(const FsObject *object, FsAttributes *ret);
    /* NULL where there is no more to know about its size. */
    gboolean (*know_size)(const FsObject *object, MailViewSize *ret,
                          MailFault *fault);
    FsNode (*parent)(FsTree *tree, FsNode node);
    const FsXattr *xattrs; /* one without a name ends them; NULL: none */

    /* ---- of directories ---- */

    gboolean (*lookup)(const FsObject *directory, const char *name,
                       FsObject *ret, MailFault *fault);
    /* Somebody begins to read it; NULL where that is no news to anyone. */
    gboolean (*visit)(const FsObject *directory, MailFault *fault);
    /* Emits what comes from the reader's offset on, behind the dots. */
    gboolean (*list)(const FsObject *directory, FsReader *reader,
                     MailFault *fault);

    /* ---- of files ---- */

    gboolean (*open)(const FsObject *object, FsFile *file, MailFault *fault);
    /* NULL when it has a text.  MAILBOX is what it was when it was opened. */
    gboolean (*read)(FsTree *tree, MailMailbox *mailbox, const FsFile *file,
                     guint64 offset, void *buffer, gsize size, gsize *ret_size,
                     MailFault *fault);
} FsType;

/*
 * Positions in a directory: "." and "..", mailboxes by id, views, messages by
 * UID.
 */
enum {
    FS_AT_DOT = 0,
    FS_AT_DOTDOT = 1,
    FS_AT_FIRST = 2,
    FS_AT_VIEWS = 1 << 20,
};
#define FS_AT_MESSAGES (G_GINT64_CONSTANT(1) << 32)

/* ---- tree.c ---- */

/* Returns FALSE. */
gboolean fs_tree_not_found(MailFault *fault);
/* NULL for what is no kind. */
const FsType *fs_tree_type(FsKind kind);
/* What INO stands for. */
gboolean fs_tree_find(FsTree *tree, guint64 ino, FsObject *ret,
                      MailFault *fault);
/* Takes SIZE into what was filled. */
void fs_tree_fill_size(FsAttributes *attributes, MailViewSize size);
/* Attributes of NODE without a size or a time. */
void fs_tree_fill(const FsTree *tree, FsNode node, mode_t mode,
                  FsAttributes *ret);
/* Returns FALSE when there was no room. */
gboolean fs_tree_emit(FsReader *reader, const char *name,
                      const FsObject *object, gint64 next);

/* Finds the message of a node; also a FsType.find. */
gboolean fs_tree_find_message(FsObject *object, MailFault *fault);
/* A message of DIRECTORY's mailbox, as a file. */
FsObject fs_tree_message(const FsObject *directory, MailMessage *message);
/* The same by its name, either of the two. */
gboolean fs_tree_find_named(const FsObject *directory, const char *name,
                            FsObject *ret, MailFault *fault);
/* Somebody looks at the messages of a mailbox; also a FsType.visit. */
gboolean fs_tree_visit_mailbox(const FsObject *directory, MailFault *fault);

/* ---- xattrs.c ---- */

extern const FsXattr fs_xattrs_mailbox[];
extern const FsXattr fs_xattrs_message[];
extern const FsXattr fs_xattrs_part[];
extern const FsXattr fs_xattrs_text[];

/* ---- views.c ---- */

extern const FsType fs_views_type;
extern const FsType fs_views_search_type;
extern const FsType fs_views_thread_type;
/* The view of a mailbox that is called NAME. */
gboolean fs_views_find_named(const FsObject *directory, const char *name,
                             FsObject *ret, MailFault *fault);
/* Emits all views of a mailbox; FALSE when there was no room. */
gboolean fs_views_emit(const FsObject *directory, FsReader *reader);
/* A list faults: what it emitted before is enough for now.  Returns FALSE if
 * that was nothing. */
gboolean fs_views_pause(const FsReader *reader, MailFault *fault);

/* ---- parts.c ---- */

extern const FsType fs_parts_type;
extern const FsType fs_parts_part_type;
extern const FsType fs_parts_headers_type;
extern const FsType fs_parts_text_type;
FsPartsMemory *fs_parts_memory_new(void);
void fs_parts_memory_free(FsPartsMemory *memory);
/* In .attachments. */
gboolean fs_parts_lookup_attachment(const FsObject *directory, const char *name,
                                    FsObject *ret, MailFault *fault);
gboolean fs_parts_list_attachments(const FsObject *directory, FsReader *reader,
                                   MailFault *fault);

#endif
