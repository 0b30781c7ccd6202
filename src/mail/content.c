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
    char *section;
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
    return k->uid * 2654435761U ^ k->mailbox * 40503U ^ k->uidvalidity ^
           g_str_hash(k->section);
}

static gboolean
same_message(const MailContentKey *a, const MailContentKey *b)
{
    return a->uid == b->uid && a->mailbox == b->mailbox &&
           a->uidvalidity == b->uidvalidity;
}

static gboolean
equal_keys(gconstpointer a, gconstpointer b)
{
    const MailContentKey *one = a;
    const MailContentKey *other = b;
    return same_message(one, other) &&
           strcmp(one->section, other->section) == 0;
}

static void
free_object(gpointer data)
{
    Object *object = data;
    g_ptr_array_unref(object->extents);
    g_free(object->section);
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
use(MailContent *content, Extent *extent)
{
    g_queue_unlink(&content->recent, &extent->recent);
    g_queue_push_tail_link(&content->recent, &extent->recent);
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
    guint kept = 0; /* extents that hold some of it */
    guint i;

    if (length == 0)
        return;
    if (object == NULL) {
        object = g_new(Object, 1);
        object->key = *key;
        object->key.section = object->section = g_strdup(key->section);
        object->extents = g_ptr_array_new();
        g_hash_table_insert(content->objects, &object->key, object);
    }
    for (i = seek(object, offset); length > 0; i++) {
        Extent *next = i < object->extents->len
                           ? g_ptr_array_index(object->extents, i)
                           : NULL;
        gsize n = length;
        if (next != NULL && next->offset <= offset) {
            n = MIN(length, (gsize)(next->offset + next->length - offset));
            use(content, next);
        } else {
            if (next != NULL)
                n = MIN(length, (gsize)(next->offset - offset));
            add_extent(content, object, i, offset, at, n);
        }
        offset += n;
        at += n;
        length -= n;
        kept++;
    }
    /* Never these: they were asked for and not looked at yet. */
    while (content->size > content->limit && content->recent.length > kept)
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

guint64
mail_content_gap(MailContent *content, const MailContentKey *key,
                 guint64 offset, guint64 length)
{
    const Object *object = g_hash_table_lookup(content->objects, key);
    guint i = object != NULL ? seek(object, offset) : 0;
    const Extent *next = object != NULL && i < object->extents->len
                             ? g_ptr_array_index(object->extents, i)
                             : NULL;

    return next != NULL && next->offset > offset
               ? MIN(length, next->offset - offset)
               : length;
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
        use(content, extent);
    }
}

void
mail_content_forget(MailContent *content, const MailContentKey *key)
{
    for (GList *at = content->recent.head; at != NULL;) {
        Extent *extent = at->data;
        at = at->next;
        if (same_message(&extent->object->key, key))
            drop_extent(content, extent);
    }
}

gsize
mail_content_size(const MailContent *content)
{
    return content->size;
}
