/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/content.h"

#include <string.h>

typedef struct Object Object;

typedef struct {
    Object *object;
    GList recent; /* in MailContent.recent */
    guint64 offset;
    gsize length;
    guint8 data[];
} Extent;

struct Object {
    MailContentKey key;
    GPtrArray *extents; /* by offset, never overlapping */
};

struct MailContent {
    GHashTable *objects; /* MailContentKey -> Object */
    GQueue recent;       /* of Extent, used longest ago first */
    gsize limit;
    gsize size;
};

static guint
hash_key(gconstpointer key)
{
    const MailContentKey *k = key;
    return k->uid * 2654435761U ^ k->mailbox * 40503U ^ k->uidvalidity;
}

static gboolean
equal_keys(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, sizeof(MailContentKey)) == 0;
}

static void
free_object(gpointer data)
{
    Object *object = data;
    g_ptr_array_unref(object->extents);
    g_free(object);
}

MailContent *
mail_content_new(gsize limit)
{
    MailContent *content = g_new0(MailContent, 1);
    content->limit = limit;
    g_queue_init(&content->recent);
    content->objects =
        g_hash_table_new_full(hash_key, equal_keys, NULL, free_object);
    return content;
}

static void
drop_extent(MailContent *content, Extent *extent)
{
    Object *object = extent->object;

    g_queue_unlink(&content->recent, &extent->recent);
    content->size -= extent->length;
    g_ptr_array_remove(object->extents, extent);
    g_free(extent);
    if (object->extents->len == 0)
        g_hash_table_remove(content->objects, &object->key);
}

void
mail_content_free(MailContent *content)
{
    while (content->recent.head != NULL)
        drop_extent(content, content->recent.head->data);
    g_hash_table_unref(content->objects);
    g_free(content);
}

/* The index of the first extent that ends behind OFFSET. */
static guint
seek(const Object *object, guint64 offset)
{
    guint i = 0;
    while (i < object->extents->len) {
        const Extent *extent = g_ptr_array_index(object->extents, i);
        if (extent->offset + extent->length > offset)
            break;
        i++;
    }
    return i;
}

static void
add_extent(MailContent *content, Object *object, guint i, guint64 offset,
           const void *data, gsize length)
{
    Extent *extent = g_malloc(sizeof(Extent) + length);

    extent->object = object;
    extent->offset = offset;
    extent->length = length;
    extent->recent = (GList){.data = extent};
    memcpy(extent->data, data, length);
    g_ptr_array_insert(object->extents, (gint)i, extent);
    g_queue_push_tail_link(&content->recent, &extent->recent);
    content->size += length;
}

void
mail_content_store(MailContent *content, const MailContentKey *key,
                   guint64 offset, const void *data, gsize length)
{
    Object *object = g_hash_table_lookup(content->objects, key);
    const guint8 *at = data;
    guint i;

    if (length == 0)
        return;
    if (object == NULL) {
        object = g_new(Object, 1);
        object->key = *key;
        object->extents = g_ptr_array_new();
        g_hash_table_insert(content->objects, &object->key, object);
    }
    for (i = seek(object, offset); length > 0; i++) {
        const Extent *next = i < object->extents->len
                                 ? g_ptr_array_index(object->extents, i)
                                 : NULL;
        gsize n = length;
        if (next != NULL && next->offset <= offset) {
            n = MIN(length, (gsize)(next->offset + next->length - offset));
        } else {
            if (next != NULL)
                n = MIN(length, (gsize)(next->offset - offset));
            add_extent(content, object, i, offset, at, n);
        }
        offset += n;
        at += n;
        length -= n;
    }
    /* Never the last one: it was asked for and not looked at yet. */
    while (content->size > content->limit && content->recent.length > 1)
        drop_extent(content, content->recent.head->data);
}

guint64
mail_content_extent(MailContent *content, const MailContentKey *key,
                    guint64 offset)
{
    Object *object = g_hash_table_lookup(content->objects, key);
    guint64 end = offset;

    if (object == NULL)
        return 0;
    for (guint i = seek(object, offset); i < object->extents->len; i++) {
        const Extent *extent = g_ptr_array_index(object->extents, i);
        if (extent->offset > end)
            break;
        end = extent->offset + extent->length;
    }
    return end - offset;
}

void
mail_content_copy(MailContent *content, const MailContentKey *key,
                  guint64 offset, void *buffer, gsize length)
{
    Object *object = g_hash_table_lookup(content->objects, key);
    guint8 *to = buffer;

    for (guint i = seek(object, offset); length > 0; i++) {
        Extent *extent = g_ptr_array_index(object->extents, i);
        gsize skip = (gsize)(offset - extent->offset);
        gsize n = MIN(length, extent->length - skip);

        memcpy(to, extent->data + skip, n);
        to += n;
        offset += n;
        length -= n;
        g_queue_unlink(&content->recent, &extent->recent);
        g_queue_push_tail_link(&content->recent, &extent->recent);
    }
}

void
mail_content_forget(MailContent *content, const MailContentKey *key)
{
    Object *object = g_hash_table_lookup(content->objects, key);
    guint n = object ? object->extents->len : 0;
    while (n-- > 0)
        drop_extent(content, g_ptr_array_index(object->extents, n));
}

gsize
mail_content_size(const MailContent *content)
{
    return content->size;
}
