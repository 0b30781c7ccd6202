/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Octets of messages on disk: files that are only appended to, named by
 * numbers.  What is where is the caller's to know (mail/store.c); only what
 * comes back with the right checksum is what was put there, so that neither a
 * crash nor a torn index can bring up something else.  Nothing is fsynced.
 *
 * What is dropped is given back to the disk at once, as a hole in its file, or,
 * where the file system knows no holes, with the last of the file.
 */
#ifndef IMAPFS_MAIL_BODIES_H
#define IMAPFS_MAIL_BODIES_H

#include <glib.h>

typedef struct MailBodies MailBodies;

enum {
    MAIL_BODIES_BLOCK = 4096,            /* what begins, begins at one */
    MAIL_BODIES_PIECE_MAX = 1024 * 1024, /* octets appended at once */
    MAIL_BODIES_FILE_MAX = 64 * 1024 * 1024,
};

typedef struct {
    guint32 file;
    guint32 position;
    guint32 length;
    guint32 crc;
} MailPlace;

/* In the folder "bodies" of DIRECTORY, a descriptor that is borrowed.  Makes
 * it if need be.  Fails with DENIED or FAILED. */
MailBodies *mail_bodies_open(int directory, GError **error);
void mail_bodies_close(MailBodies *bodies);
/* Removes all of it, if it is there. */
void mail_bodies_remove(int directory);

/* Somebody has something at PLACE.  Said of each place before the first
 * append, or of the last one in each file: nothing is put before it. */
void mail_bodies_claim(MailBodies *bodies, const MailPlace *place);
/* Removes the files of which nothing was claimed. */
void mail_bodies_sweep(MailBodies *bodies);

/*
 * SEED goes into the checksum: it says what the octets are, and must be the
 * same when they are read.  LENGTH is from 1 to MAIL_BODIES_PIECE_MAX.  Fails
 * with FAILED; nothing is lost by that.
 */
gboolean mail_bodies_append(MailBodies *bodies, guint32 seed, const void *data,
                            gsize length, MailPlace *ret_place, GError **error);
/* NULL if the octets are not there (any more).  The caller owns it. */
GBytes *mail_bodies_read(MailBodies *bodies, guint32 seed,
                         const MailPlace *place);
/* What is there is not needed any more. */
void mail_bodies_drop(MailBodies *bodies, const MailPlace *place);
/* Nothing in FILE is. */
void mail_bodies_drop_file(MailBodies *bodies, guint32 file);
/* Whether PLACE can be one: its numbers come from a disk. */
gboolean mail_bodies_is_place(const MailPlace *place);
/* What LENGTH octets take on the disk. */
guint64 mail_bodies_blocks(guint64 length);

#endif
