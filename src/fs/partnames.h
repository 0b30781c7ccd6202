/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names of the files that are made of a message's parts.  What a sender calls a
 * file is hostile until it has been through here.  Pure functions.
 */
#ifndef IMAPFS_FS_PARTNAMES_H
#define IMAPFS_FS_PARTNAMES_H

#include "mail/message.h"
#include "mail/structure.h"

typedef enum {
    FS_ENTRY_HEADERS, /* of the message that PART is */
    FS_ENTRY_PART,    /* the file of a leaf, or of a message that is a part */
    FS_ENTRY_MESSAGE, /* the directory of a message that is a part */
} FsEntryKind;

typedef struct {
    FsEntryKind kind;
    guint part; /* its index */
    char *name; /* unlike any other in this directory */
} FsPartEntry;

/*
 * What is in the directory of the message that is part MESSAGE, in the order of
 * the parts: "headers", "body.txt", "body.html", attachments.  The caller owns
 * the array, of FsPartEntry.
 */
GPtrArray *fs_partnames_list(const MailStructure *structure, guint message);

/*
 * The name in .attachments of a file called NAME (or NULL) of media type TYPE
 * in MESSAGE: "2026-11-20 Alice Example - invoice.pdf"; with the UID before the
 * extension if another has that name.  The caller owns it.
 */
char *fs_partnames_attachment(const MailMessage *message, const char *name,
                              const char *type, gboolean with_uid);

#endif
