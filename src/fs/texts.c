/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/texts.h"

struct FsTexts {
    GHashTable *by_number;
    guint32 last;
};

FsTexts *
fs_texts_new(void)
{
    FsTexts *texts = g_new0(FsTexts, 1);
    texts->by_number = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    return texts;
}

void
fs_texts_free(FsTexts *texts)
{
    g_hash_table_unref(texts->by_number);
    g_free(texts);
}

guint32
fs_texts_add(FsTexts *texts, char *text)
{
    do {
        texts->last++;
    } while (texts->last == 0 || fs_texts_get(texts, texts->last) != NULL);
    g_hash_table_insert(texts->by_number, GUINT_TO_POINTER(texts->last), text);
    return texts->last;
}

const char *
fs_texts_get(const FsTexts *texts, guint32 number)
{
    return g_hash_table_lookup(texts->by_number, GUINT_TO_POINTER(number));
}

void
fs_texts_remove(FsTexts *texts, guint32 number)
{
    g_hash_table_remove(texts->by_number, GUINT_TO_POINTER(number));
}
