/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/objects.h"

#include <string.h>

enum {
    SECTION_MAX = 1000,
    SLICE = 64,         /* extents that are dropped at once */
    CANDIDATES_MAX = 8, /* objects alike that are looked at for an orphan */
    USED_STEP = 3600,   /* seconds; finer than that nobody needs to know */
};

const char mail_objects_sql[] =
    "CREATE TABLE object ("
    " id INTEGER PRIMARY KEY, mailbox INTEGER NOT NULL, uid INTEGER NOT NULL,"
    " fingerprint INTEGER NOT NULL, size INTEGER NOT NULL,"
    " emailid TEXT NOT NULL, seal INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX object_uid ON object(mailbox, uid);"
    "CREATE INDEX object_emailid ON object(emailid, size)"
    " WHERE emailid <> '';"
    "CREATE INDEX object_fingerprint ON object(fingerprint)"
    " WHERE fingerprint <> 0;"
    "CREATE TABLE extent ("
    " object INTEGER NOT NULL, section TEXT NOT NULL,"
    " offset INTEGER NOT NULL, length INTEGER NOT NULL,"
    " file INTEGER NOT NULL, position INTEGER NOT NULL,"
    " crc INTEGER NOT NULL, used INTEGER NOT NULL,"
    " PRIMARY KEY (object, section, offset)) WITHOUT ROWID;"
    "CREATE INDEX extent_used ON extent(used);";

struct MailObjects {
    MailDatabase *database;
    MailBodies *bodies;
    Clock *clock;
    guint64 limit;
    guint64 size; /* in whole blocks */
    guint64 n_extents;
    GHashTable *files; /* file -> how many extents, both as pointers */
    gboolean evicting;
};

enum {
    OBJECT_ID,
    OBJECT_MAILBOX,
    OBJECT_UID,
    OBJECT_PRINT,
    OBJECT_SIZE,
    N_OBJECT
};
#define OBJECT_COLUMNS "id, mailbox, uid, fingerprint, size, emailid, seal"

typedef struct {
    gint64 numbers[N_OBJECT];
    char *emailid;
} Object;

static void
clear_object(Object *object)
{
    g_free(object->emailid);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Object, clear_object)

#define EXTENT_COLUMNS "offset, length, file, position, crc, used"
enum { N_EXTENT = 6 };

typedef struct {
    guint64 offset;
    MailPlace place;
    gint64 used;
} Extent;

/* ---- counting ---- */

static void
count(MailObjects *objects, const MailPlace *place, int n)
{
    gpointer file = GUINT_TO_POINTER(place->file);
    gsize left = GPOINTER_TO_SIZE(g_hash_table_lookup(objects->files, file));
    guint64 blocks = mail_bodies_blocks(place->length);

    left += (gsize)n;
    objects->n_extents += (guint64)n;
    objects->size += n < 0 ? -blocks : blocks;
    if (left > 0) {
        g_hash_table_insert(objects->files, file, GSIZE_TO_POINTER(left));
    } else {
        g_hash_table_remove(objects->files, file);
        mail_bodies_drop_file(objects->bodies, place->file);
    }
}

/* After their rows have gone for good. */
static void
drop_places(MailObjects *objects, const GArray *places)
{
    for (guint i = 0; i < places->len; i++) {
        const MailPlace *place = &g_array_index(places, MailPlace, i);
        mail_bodies_drop(objects->bodies, place);
        count(objects, place, -1);
    }
}

static void
count_all(MailObjects *objects)
{
    MailQuery *query = mail_database_query(
        objects->database,
        "SELECT file, max(position), count(*),"
        " sum((length + 4095) / 4096 * 4096) FROM extent GROUP BY file",
        NULL, 0);

    while (mail_query_next(query)) {
        gint64 n[4];
        MailPlace last;
        mail_query_numbers(query, n, G_N_ELEMENTS(n));
        last = (MailPlace){.file = (guint32)n[0],
                           .position = (guint32)n[1],
                           .length = MAIL_BODIES_PIECE_MAX};
        if (n[0] != last.file || n[1] != last.position || n[2] < 1 ||
            n[3] < 1 || !mail_bodies_is_place(&last)) {
            mail_database_tear(objects->database, "octets nowhere");
            break;
        }
        mail_bodies_claim(objects->bodies, &last);
        objects->n_extents += (guint64)n[2];
        objects->size += (guint64)n[3];
        g_hash_table_insert(objects->files, GUINT_TO_POINTER(last.file),
                            GSIZE_TO_POINTER((gsize)n[2]));
    }
    mail_query_end(query);
}

MailObjects *
mail_objects_new(MailDatabase *database, MailBodies *bodies, Clock *clock,
                 guint64 limit)
{
    MailObjects *objects = g_new0(MailObjects, 1);
    char *failure;

    objects->database = database;
    objects->bodies = bodies;
    objects->clock = clock;
    objects->limit = limit;
    objects->files = g_hash_table_new(NULL, NULL);
    count_all(objects);
    failure = mail_database_take_read_failure(database);
    if (failure == NULL && mail_database_torn(database) == NULL)
        mail_bodies_sweep(bodies);
    g_free(failure);
    return objects;
}

void
mail_objects_free(MailObjects *objects)
{
    g_hash_table_unref(objects->files);
    g_free(objects);
}

guint64
mail_objects_size(const MailObjects *objects, guint64 *ret_extents)
{
    *ret_extents = objects->n_extents;
    return objects->size;
}

/* ---- extents ---- */

/* The next row of QUERY: EXTENT_COLUMNS from FIRST on. */
static gboolean
next_extent(MailObjects *objects, MailQuery *query, Extent *ret_extent)
{
    gint64 n[N_EXTENT];
    MailPlace *place = &ret_extent->place;

    if (!mail_query_next(query))
        return FALSE;
    mail_query_numbers(query, n, N_EXTENT);
    *place =
        (MailPlace){(guint32)n[2], (guint32)n[3], (guint32)n[1], (guint32)n[4]};
    ret_extent->offset = (guint64)n[0];
    ret_extent->used = n[5];
    if (n[0] >= 0 && n[0] <= G_MAXINT64 - G_MAXINT32 && n[1] == place->length &&
        n[2] == place->file && n[3] == place->position && n[4] == place->crc &&
        mail_bodies_is_place(place))
        return TRUE;
    mail_database_tear(objects->database, "an extent that cannot be");
    mail_query_end(query);
    return FALSE;
}

static guint64
end_of(const Extent *extent)
{
    return extent->offset + extent->place.length;
}

static guint32
seed_of(gint64 object, const char *section, guint64 offset, gsize length)
{
    return mail_database_seal(
        MAIL_NUMBERS(object, (gint64)offset, (gint64)length), section,
        strlen(section));
}

/* The extent with the octet at OFFSET. */
static gboolean
find_extent(MailObjects *objects, gint64 object, const char *section,
            guint64 offset, Extent *ret_extent)
{
    MailQuery *query = mail_database_query(
        objects->database,
        "SELECT " EXTENT_COLUMNS " FROM extent WHERE object = ?1"
        " AND section = ?3 AND offset <= ?2 ORDER BY offset DESC LIMIT 1",
        MAIL_NUMBERS(object, (gint64)offset));
    gboolean found;

    mail_query_set_text(query, 3, section);
    found = next_extent(objects, query, ret_extent);
    mail_query_end(query);
    return found && offset < end_of(ret_extent);
}

/* Those that begin from FROM to before TO, in order. */
static MailQuery *
query_extents(MailObjects *objects, gint64 object, const char *section,
              guint64 from, guint64 to)
{
    MailQuery *query = mail_database_query(
        objects->database,
        "SELECT " EXTENT_COLUMNS " FROM extent WHERE object = ?1"
        " AND section = ?4 AND offset >= ?2 AND offset < ?3 ORDER BY offset",
        MAIL_NUMBERS(object, (gint64)from, (gint64)to));
    mail_query_set_text(query, 4, section);
    return query;
}

static gboolean
delete_extent(MailObjects *objects, gint64 object, const char *section,
              guint64 offset)
{
    MailQuery *query = mail_database_query(
        objects->database,
        "DELETE FROM extent WHERE object = ?1 AND offset = ?2"
        " AND section = ?3",
        MAIL_NUMBERS(object, (gint64)offset));
    guint changed = 0;

    mail_query_set_text(query, 3, section);
    if (!mail_query_run(query, &changed) || changed != 1)
        return FALSE;
    query = mail_database_query(
        objects->database,
        "DELETE FROM object WHERE id = ?1 AND"
        " NOT EXISTS (SELECT 1 FROM extent WHERE object = ?1)",
        MAIL_NUMBERS(object));
    return mail_query_run(query, NULL);
}

/* ---- objects ---- */

static guint32
seal_of(const Object *object)
{
    return mail_database_seal(object->numbers, N_OBJECT, object->emailid,
                              strlen(object->emailid));
}

/* The next row of QUERY: OBJECT_COLUMNS. */
static gboolean
next_object(MailObjects *objects, MailQuery *query, Object *ret_object)
{
    if (!mail_query_next(query))
        return FALSE;
    mail_query_numbers(query, ret_object->numbers, N_OBJECT);
    g_free(ret_object->emailid);
    ret_object->emailid = g_strdup(mail_query_text(query, N_OBJECT));
    if (mail_query_number(query, N_OBJECT + 1) == seal_of(ret_object))
        return TRUE;
    mail_database_tear(objects->database, "an object that was not written");
    mail_query_end(query);
    return FALSE;
}

static gboolean
write_object(MailObjects *objects, const Object *object)
{
    MailQuery *query = mail_database_query(
        objects->database,
        "INSERT OR REPLACE INTO object(" OBJECT_COLUMNS ")"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?7, ?6)",
        MAIL_NUMBERS(object->numbers[0], object->numbers[1], object->numbers[2],
                     object->numbers[3], object->numbers[4], seal_of(object)));
    mail_query_set_text(query, 7, object->emailid);
    return mail_query_run(query, NULL);
}

static void
drop_object(MailObjects *objects, gint64 id)
{
    g_autoptr(GArray) places = g_array_new(FALSE, FALSE, sizeof(MailPlace));
    MailQuery *query;
    Extent extent;
    gboolean ok;

    if (!mail_database_begin(objects->database))
        return;
    query = mail_database_query(objects->database,
                                "SELECT " EXTENT_COLUMNS
                                " FROM extent WHERE object = ?1",
                                MAIL_NUMBERS(id));
    while (next_extent(objects, query, &extent))
        g_array_append_val(places, extent.place);
    ok = mail_query_run(
             mail_database_query(objects->database,
                                 "DELETE FROM extent WHERE object = ?1",
                                 MAIL_NUMBERS(id)),
             NULL) &&
         mail_query_run(mail_database_query(objects->database,
                                            "DELETE FROM object WHERE id = ?1",
                                            MAIL_NUMBERS(id)),
                        NULL);
    if (mail_database_end(objects->database, ok))
        drop_places(objects, places);
}

/*
 * What a message is known by elsewhere: 64 bits of a hash over Message-ID, size
 * and date; 0 when it has no Message-ID.
 */
static gint64
fingerprint_of(const MailMessage *message)
{
    const char *id = mail_message_field(message, MAIL_FIELD_MESSAGE_ID);
    g_autoptr(GChecksum) hash = NULL;
    char numbers[64];
    guint8 digest[32];
    gsize length = sizeof digest;
    gint64 fingerprint;

    if (*id == '\0')
        return 0;
    hash = g_checksum_new(G_CHECKSUM_SHA256);
    g_snprintf(numbers, sizeof numbers,
               "%" G_GUINT64_FORMAT "%c%" G_GINT64_FORMAT, message->announced,
               ' ', message->internaldate);
    g_checksum_update(hash, (const guchar *)id, (gssize)strlen(id) + 1);
    g_checksum_update(hash, (const guchar *)numbers, -1);
    g_checksum_get_digest(hash, digest, &length);
    memcpy(&fingerprint, digest, sizeof fingerprint);
    return fingerprint;
}

/* Whether what is known of it speaks against it being MESSAGE's. */
static gboolean
differs(const Object *object, const MailMessage *message)
{
    const char *emailid = mail_message_field(message, MAIL_FIELD_EMAILID);
    return object->numbers[OBJECT_SIZE] != (gint64)message->announced ||
           (*emailid != '\0' && *object->emailid != '\0' &&
            strcmp(emailid, object->emailid) != 0);
}

/* One whose message has gone becomes MESSAGE's, if there is just one. */
static gint64
adopt(MailObjects *objects, guint32 mailbox, const MailMessage *message)
{
    gint64 fingerprint = fingerprint_of(message);
    g_auto(Object) found = {{0}, NULL};
    MailQuery *query;
    guint n = 0;
    guint orphans = 0;
    gint64 orphan = 0;

    if (fingerprint == 0)
        return 0;
    query = mail_database_query(
        objects->database,
        "SELECT id, EXISTS (SELECT 1 FROM message m JOIN mailbox b"
        " ON b.key = m.mailbox WHERE m.mailbox = o.mailbox AND m.uid = o.uid)"
        " FROM object o WHERE fingerprint = ?1 AND fingerprint <> 0",
        MAIL_NUMBERS(fingerprint));
    while (n <= CANDIDATES_MAX && mail_query_next(query)) {
        n++;
        if (mail_query_number(query, 1) == 0) {
            orphans++;
            orphan = mail_query_number(query, 0);
        }
    }
    mail_query_end(query);
    if (n > CANDIDATES_MAX || orphans != 1)
        return 0;
    query = mail_database_query(objects->database,
                                "SELECT " OBJECT_COLUMNS
                                " FROM object WHERE id = ?1",
                                MAIL_NUMBERS(orphan));
    if (!next_object(objects, query, &found))
        return 0;
    mail_query_end(query);
    if (differs(&found, message) || !mail_database_begin(objects->database))
        return 0;
    found.numbers[OBJECT_MAILBOX] = mailbox;
    found.numbers[OBJECT_UID] = message->uid;
    return mail_database_end(objects->database, write_object(objects, &found))
               ? orphan
               : 0;
}

guint32
mail_objects_origin(MailObjects *objects, const MailMessage *message)
{
    gint64 fingerprint = fingerprint_of(message);
    guint32 origin = 0;
    MailQuery *query;

    if (fingerprint == 0 || objects->n_extents == 0)
        return 0;
    query = mail_database_query(
        objects->database,
        "SELECT o.mailbox FROM object o JOIN message m"
        " ON m.mailbox = o.mailbox AND m.uid = o.uid"
        " WHERE fingerprint = ?1 AND fingerprint <> 0 LIMIT 1",
        MAIL_NUMBERS(fingerprint));
    if (mail_query_next(query))
        origin = (guint32)mail_query_number(query, 0);
    mail_query_end(query);
    return origin;
}

/* The id of MESSAGE's object; 0 when there is none. */
static gint64
find_object(MailObjects *objects, guint32 mailbox, const MailMessage *message)
{
    const char *emailid = mail_message_field(message, MAIL_FIELD_EMAILID);
    g_auto(Object) object = {{0}, NULL};
    MailQuery *query;
    gboolean found;

    if (objects->n_extents == 0)
        return 0;
    if (*emailid != '\0') {
        query = mail_database_query(objects->database,
                                    "SELECT " OBJECT_COLUMNS
                                    " FROM object WHERE emailid = ?2"
                                    " AND emailid <> '' AND size = ?1 LIMIT 1",
                                    MAIL_NUMBERS((gint64)message->announced));
        mail_query_set_text(query, 2, emailid);
        found = next_object(objects, query, &object);
        mail_query_end(query);
        if (found)
            return object.numbers[OBJECT_ID];
    }
    query = mail_database_query(objects->database,
                                "SELECT " OBJECT_COLUMNS " FROM object"
                                " WHERE mailbox = ?1 AND uid = ?2",
                                MAIL_NUMBERS(mailbox, message->uid));
    found = next_object(objects, query, &object);
    mail_query_end(query);
    if (!found)
        return adopt(objects, mailbox, message);
    if (!differs(&object, message))
        return object.numbers[OBJECT_ID];
    drop_object(objects, object.numbers[OBJECT_ID]);
    return 0;
}

static gint64
make_object(MailObjects *objects, guint32 mailbox, const MailMessage *message)
{
    g_auto(Object) object = {{0}, NULL};
    MailQuery *query = mail_database_query(
        objects->database, "SELECT coalesce(max(id), 0) FROM object", NULL, 0);

    if (!mail_query_next(query))
        return 0;
    object.numbers[OBJECT_ID] = mail_query_number(query, 0) + 1;
    mail_query_end(query);
    object.numbers[OBJECT_MAILBOX] = mailbox;
    object.numbers[OBJECT_UID] = message->uid;
    object.numbers[OBJECT_PRINT] = fingerprint_of(message);
    object.numbers[OBJECT_SIZE] = (gint64)message->announced;
    object.emailid = g_strdup(mail_message_field(message, MAIL_FIELD_EMAILID));
    return object.numbers[OBJECT_ID] > 0 && write_object(objects, &object)
               ? object.numbers[OBJECT_ID]
               : 0;
}

/* ---- putting ---- */

typedef struct {
    guint64 from;
    guint64 to;
} Gap;

/* What is missing from FROM to TO, in pieces of a size for an extent. */
static GArray *
find_gaps(MailObjects *objects, gint64 object, const char *section,
          guint64 from, guint64 to)
{
    GArray *gaps = g_array_new(FALSE, FALSE, sizeof(Gap));
    g_autoptr(GArray) ends = g_array_new(FALSE, FALSE, sizeof(Gap));
    MailQuery *query;
    Extent extent;

    if (find_extent(objects, object, section, from, &extent))
        from = MIN(end_of(&extent), to);
    query = query_extents(objects, object, section, from, to);
    while (next_extent(objects, query, &extent)) {
        Gap known = {extent.offset, end_of(&extent)};
        g_array_append_val(ends, known);
    }
    for (guint i = 0; i <= ends->len; i++) {
        Gap known = {to, to};
        if (i < ends->len)
            known = g_array_index(ends, Gap, i);
        while (from < known.from) {
            Gap gap = {from, MIN(known.from, from + MAIL_BODIES_PIECE_MAX)};
            g_array_append_val(gaps, gap);
            from = gap.to;
        }
        from = MAX(from, known.to);
    }
    return gaps;
}

static gboolean
write_extent(MailObjects *objects, gint64 object, const char *section,
             guint64 offset, const MailPlace *place)
{
    MailQuery *query = mail_database_query(
        objects->database,
        "INSERT INTO extent(object, offset, length, file, position, crc,"
        " used, section) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        MAIL_NUMBERS(object, (gint64)offset, place->length, place->file,
                     place->position, place->crc, clock_wall(objects->clock)));
    mail_query_set_text(query, 8, section);
    return mail_query_run(query, NULL);
}

gboolean
mail_objects_put(MailObjects *objects, guint32 mailbox,
                 const MailMessage *message, const char *section,
                 guint64 offset, const void *data, gsize length, GError **error)
{
    g_autoptr(GArray) gaps = NULL;
    g_autoptr(GArray) places = g_array_new(FALSE, FALSE, sizeof(MailPlace));
    gint64 object;
    gboolean ok;

    if (length == 0 || length > objects->limit ||
        strlen(section) > SECTION_MAX || offset > G_MAXINT64 / 4 ||
        length > G_MAXINT64 / 4)
        return TRUE;
    if (objects->size > objects->limit)
        mail_objects_tidy(objects);
    object = find_object(objects, mailbox, message);
    if (!mail_database_begin(objects->database))
        return TRUE;
    if (object == 0)
        object = make_object(objects, mailbox, message);
    ok = object != 0;
    if (ok)
        gaps = find_gaps(objects, object, section, offset, offset + length);
    for (guint i = 0; ok && i < gaps->len; i++) {
        Gap gap = g_array_index(gaps, Gap, i);
        gsize n = (gsize)(gap.to - gap.from);
        MailPlace place;
        ok = mail_bodies_append(
            objects->bodies, seed_of(object, section, gap.from, n),
            (const char *)data + (gap.from - offset), n, &place, error);
        if (ok) {
            g_array_append_val(places, place);
            ok = write_extent(objects, object, section, gap.from, &place);
        }
    }
    if (mail_database_end(objects->database, ok)) {
        for (guint i = 0; i < places->len; i++)
            count(objects, &g_array_index(places, MailPlace, i), 1);
        return TRUE;
    }
    for (guint i = 0; i < places->len; i++)
        mail_bodies_drop(objects->bodies, &g_array_index(places, MailPlace, i));
    return error == NULL || *error == NULL;
}

/* ---- getting ---- */

guint64
mail_objects_extent(MailObjects *objects, guint32 mailbox,
                    const MailMessage *message, const char *section,
                    guint64 offset)
{
    gint64 object = find_object(objects, mailbox, message);
    MailQuery *query;
    Extent extent;
    guint64 end;

    if (object == 0 || offset > G_MAXINT64 ||
        !find_extent(objects, object, section, offset, &extent))
        return 0;
    end = end_of(&extent);
    query = query_extents(objects, object, section, end, G_MAXINT64);
    while (next_extent(objects, query, &extent) && extent.offset == end)
        end = end_of(&extent);
    mail_query_end(query);
    return end - offset;
}

static void
drop_extent(MailObjects *objects, gint64 object, const char *section,
            const Extent *extent)
{
    g_autoptr(GArray) places = g_array_new(FALSE, FALSE, sizeof(MailPlace));

    if (!mail_database_begin(objects->database))
        return;
    g_array_append_val(places, extent->place);
    if (mail_database_end(
            objects->database,
            delete_extent(objects, object, section, extent->offset)))
        drop_places(objects, places);
}

static void
note_used(MailObjects *objects, gint64 object, const char *section,
          const Extent *extent)
{
    gint64 now = clock_wall(objects->clock);
    MailQuery *query;

    if ((extent->used <= now && now - extent->used <= USED_STEP) ||
        !mail_database_begin(objects->database))
        return;
    query = mail_database_query(
        objects->database,
        "UPDATE extent SET used = ?3 WHERE object = ?1 AND offset = ?2"
        " AND section = ?4",
        MAIL_NUMBERS(object, (gint64)extent->offset, now));
    mail_query_set_text(query, 4, section);
    mail_database_end(objects->database, mail_query_run(query, NULL));
}

GBytes *
mail_objects_get(MailObjects *objects, guint32 mailbox,
                 const MailMessage *message, const char *section,
                 guint64 offset, guint64 *ret_start)
{
    gint64 object = find_object(objects, mailbox, message);
    Extent extent;
    GBytes *octets;

    if (object == 0 || offset > G_MAXINT64 ||
        !find_extent(objects, object, section, offset, &extent))
        return NULL;
    octets = mail_bodies_read(
        objects->bodies,
        seed_of(object, section, extent.offset, extent.place.length),
        &extent.place);
    if (octets == NULL) {
        drop_extent(objects, object, section, &extent);
        return NULL;
    }
    note_used(objects, object, section, &extent);
    *ret_start = extent.offset;
    return octets;
}

void
mail_objects_forget(MailObjects *objects, guint32 mailbox, guint32 uid,
                    const char *emailid)
{
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(gint64));
    MailQuery *query = mail_database_query(
        objects->database,
        "SELECT id FROM object WHERE mailbox = ?1 AND uid = ?2 UNION"
        " SELECT id FROM object WHERE emailid = ?3 AND emailid <> ''",
        MAIL_NUMBERS(mailbox, uid));

    mail_query_set_text(query, 3, emailid);
    while (mail_query_next(query)) {
        gint64 id = mail_query_number(query, 0);
        g_array_append_val(ids, id);
    }
    for (guint i = 0; i < ids->len; i++)
        drop_object(objects, g_array_index(ids, gint64, i));
}

/* ---- what is over the limit ---- */

typedef struct {
    gint64 object;
    char *section;
    Extent extent;
} Victim;

static void
clear_victim(gpointer data)
{
    g_free(((Victim *)data)->section);
}

/* Those not used for longest, as many as are over TARGET. */
static GArray *
choose_victims(MailObjects *objects, guint64 target)
{
    GArray *victims = g_array_new(FALSE, FALSE, sizeof(Victim));
    MailQuery *query = mail_database_query(objects->database,
                                           "SELECT " EXTENT_COLUMNS
                                           ", object, section FROM extent"
                                           " ORDER BY used LIMIT ?1",
                                           MAIL_NUMBERS(SLICE));
    guint64 size = objects->size;
    Victim victim;

    g_array_set_clear_func(victims, clear_victim);
    while (size > target && next_extent(objects, query, &victim.extent)) {
        victim.object = mail_query_number(query, N_EXTENT);
        victim.section = g_strdup(mail_query_text(query, N_EXTENT + 1));
        g_array_append_val(victims, victim);
        size -= MIN(size, mail_bodies_blocks(victim.extent.place.length));
    }
    mail_query_end(query);
    return victims;
}

gboolean
mail_objects_tidy(MailObjects *objects)
{
    guint64 target = objects->limit / 10 * 9;
    g_autoptr(GArray) places = g_array_new(FALSE, FALSE, sizeof(MailPlace));
    g_autoptr(GArray) victims = NULL;
    gboolean ok = TRUE;

    objects->evicting = objects->size > objects->limit ||
                        (objects->evicting && objects->size > target);
    if (!objects->evicting || !mail_database_begin(objects->database))
        return FALSE;
    victims = choose_victims(objects, target);
    for (guint i = 0; i < victims->len && ok; i++) {
        const Victim *victim = &g_array_index(victims, Victim, i);
        ok = delete_extent(objects, victim->object, victim->section,
                           victim->extent.offset);
        g_array_append_val(places, victim->extent.place);
    }
    if (!mail_database_end(objects->database, ok) || victims->len == 0)
        return FALSE;
    drop_places(objects, places);
    objects->evicting = objects->size > target;
    return objects->evicting;
}
