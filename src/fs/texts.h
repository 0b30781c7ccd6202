/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Texts that were made when somebody looked, by number: what a file in .imapfs
 * holds for whoever has found it then, and until the kernel forgets it.
 */
#ifndef IMAPFS_FS_TEXTS_H
#define IMAPFS_FS_TEXTS_H

#include <glib.h>

typedef struct FsTexts FsTexts;

FsTexts *fs_texts_new(void);
void fs_texts_free(FsTexts *texts);
/* Takes TEXT; its number, which is never 0, nor that of another. */
guint32 fs_texts_add(FsTexts *texts, char *text);
/* NULL when there is none with that number. */
const char *fs_texts_get(const FsTexts *texts, guint32 number);
void fs_texts_remove(FsTexts *texts, guint32 number);

#endif
