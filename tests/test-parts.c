/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Parts of messages, their headers and texts, from servers of all habits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <gmime/gmime.h>

#include "mimeserver.h"
#include "rows.h"
#include "scene.h"

enum {
    UID = 7,
    TARGET = 3, /* the index of the part that is read, section 2 */
    TRIES = 3,
};

/* ---- a stage: a scene with messages of parts ---- */

typedef struct {
    Scene *scene;
    MimeServer mime;
    guint64 inbox;
} Stage;

static Stage *
stage_new(guint connections)
{
    Stage *stage = g_new0(Stage, 1);

    stage->scene = scene_new(connections);
    mime_server_init(&stage->mime, &stage->scene->server);
    script_answer(stage->scene->script, mime_server_answer, &stage->mime);
    return stage;
}

static void
stage_free(Stage *stage)
{
    scene_free(stage->scene);
    mime_server_clear(&stage->mime);
    g_free(stage);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Stage, stage_free)

/* So many connections may be made, and the mailbox is listed. */
static void
stage_enter(Stage *stage, guint connections)
{
    gboolean binary = stage->mime.habit >= BINARY_HONEST;

    for (guint i = 0; i < connections; i++)
        script_add(stage->scene->script,
                   binary ? LOGGED_IN(" BINARY") "A\n" : LOGGED_IN("") "A\n");
    stage->inbox = scene_enter(stage->scene);
}

static guint64
node(const Stage *stage, FsKind kind, guint32 uid, guint part)
{
    return fs_node_ino((FsNode){.kind = kind,
                                .mailbox = fs_node_of(stage->inbox).mailbox,
                                .uid = uid,
                                .part = (guint16)part});
}

/* ---- what is read ---- */

static GString *
copy_of(const GString *text)
{
    return g_string_new_len(text->str, (gssize)text->len);
}

typedef enum {
    KIND_EMPTY,
    KIND_SMALL,
    KIND_LARGE,        /* 8bit */
    KIND_LARGE_TEXT,   /* 8bit, of more than a megabyte */
    KIND_ALIGNED,      /* as long as two chunks */
    KIND_UUENCODE,     /* whatever that is */
    KIND_BASE64,       /* small */
    KIND_BASE64_LARGE, /* regular */
    KIND_BASE64_LINE,  /* all in one line */
    KIND_QUOTED,
    KIND_QUOTED_LARGE, /* more than a megabyte */
    KIND_MESSAGE,
    N_KINDS,
} PartKind;

/* What the part decodes to. */
static GString *
content_of(PartKind kind)
{
    static const gsize sizes[N_KINDS] = {
        [KIND_EMPTY] = 0,
        [KIND_SMALL] = 3001,
        [KIND_LARGE] = 300007,
        [KIND_LARGE_TEXT] = 1300003,
        [KIND_ALIGNED] = 128 << 10,
        [KIND_UUENCODE] = 4000,
        [KIND_BASE64] = 5003,
        [KIND_BASE64_LARGE] = 400001,
        [KIND_BASE64_LINE] = 200001,
        [KIND_QUOTED] = 4005,
        [KIND_QUOTED_LARGE] = 1400011,
    };
    GString *text = mime_ruler(5, sizes[kind]);

    for (gsize i = 3; i < text->len; i += 97) {
        if (text->str[i] >= 'a')
            text->str[i] = i % 2 ? '=' : (char)0xe4;
    }
    return text;
}

static MimePart *
make_target(PartKind kind, const GString *content)
{
    switch (kind) {
    case KIND_LARGE_TEXT:
        return mime_leaf("text/plain", "8bit", "t.txt", copy_of(content));
    case KIND_UUENCODE:
        return mime_leaf("application/x", "x-uuencode", "u", copy_of(content));
    case KIND_BASE64:
    case KIND_BASE64_LARGE:
        return mime_leaf("image/png", "base64", "a.png",
                         mime_base64(content, 76));
    case KIND_BASE64_LINE:
        return mime_leaf("image/png", "base64", "a.png",
                         mime_base64(content, 0));
    case KIND_QUOTED:
    case KIND_QUOTED_LARGE:
        return mime_leaf("text/csv", "quoted-printable", "a.csv",
                         mime_quoted_printable(content));
    case KIND_MESSAGE:
        return mime_message(
            "within",
            mime_multipart(
                "mixed",
                mime_leaf("text/plain", "7bit", NULL, mime_ruler(1, 700)),
                mime_leaf("image/gif", "7bit", "b.gif", mime_ruler(2, 800)),
                NULL));
    default:
        return mime_leaf("application/pdf", "8bit", "a.pdf", copy_of(content));
    }
}

/* A message whose part TARGET is of that kind.  Returns what is in it; the
 * caller owns that. */
static GString *
add_message(Stage *stage, PartKind kind)
{
    GString *content = content_of(kind);

    mime_server_add(
        &stage->mime, UID, "outside",
        mime_multipart(
            "mixed", mime_leaf("text/plain", "7bit", NULL, mime_ruler(3, 1234)),
            make_target(kind, content),
            mime_leaf("text/html", "7bit", "c.html", mime_ruler(4, 50)), NULL));
    if (kind == KIND_MESSAGE)
        g_string_assign(content,
                        mime_server_section(&stage->mime, UID, "2")->str);
    return content;
}

/* Like a program: looks, opens, reads.  Never a wrong octet; if it does not
 * fail, then all of them.  Returns whether it failed. */
static gboolean
read_once(const char *row, Stage *stage, guint64 ino, const GString *content,
          gsize step, gboolean honest)
{
    g_autoptr(Op) look = op_new(stage->scene, op_getattr, ino);
    g_autoptr(Op) opened = op_new(stage->scene, op_open, ino);
    gboolean failed;
    Copy made;

    op_run(look);
    op_run(opened);
    made = scene_copy(stage->scene, ino, step);
    if (made.data->len > content->len ||
        memcmp(made.data->str, content->str, made.data->len) != 0)
        row_fail(row, "wrong octets");
    failed = made.error != NULL;
    if (!failed)
        row_number(row, "octets", (gint64)made.data->len, (gint64)content->len);
    /* Unless it is told that it was wrong. */
    if (!failed && opened->error == NULL && fs_file_has_size(opened->file) &&
        strstr(stage->scene->seen->str, "%7/") == NULL)
        row_number(row, "size when open", (gint64)made.shown,
                   (gint64)content->len);
    if (honest && look->error == NULL && !look->attributes.inexact)
        row_number(row, "size", look->attributes.stat.st_size,
                   (gint64)content->len);
    copy_clear(&made);
    return failed;
}

/* ---- habits ---- */

typedef struct {
    const char *name;
    MimeHabit habit;
    gboolean first; /* the first who reads is served */
} HabitRow;

static const HabitRow habit_rows[] = {
    {"honest", MIME_HONEST, TRUE},
    {"BODYSTRUCTURE missing", STRUCTURE_MISSING, TRUE},
    {"BODYSTRUCTURE NIL", STRUCTURE_NIL, TRUE},
    {"BODYSTRUCTURE nonsense", STRUCTURE_NONSENSE, TRUE},
    {"BODYSTRUCTURE NO", STRUCTURE_REFUSED, TRUE},
    {"BODYSTRUCTURE BAD", STRUCTURE_BAD, TRUE},
    {"an octet too few", STRUCTURE_MINUS_ONE, FALSE},
    {"an octet too many", STRUCTURE_PLUS_ONE, FALSE},
    {"half the octets", STRUCTURE_HALF, FALSE},
    {"twice the octets", STRUCTURE_DOUBLE, FALSE},
    {"no octets", STRUCTURE_ZERO, FALSE},
    {"a message with more octets", STRUCTURE_OF_MESSAGE, FALSE},
    {"parts in another order", STRUCTURE_REVERSED, FALSE},
    {"section NIL", SECTION_NIL, FALSE},
    {"section \"\"", SECTION_EMPTY, FALSE},
    {"section missing", SECTION_MISSING, FALSE},
    {"section NO", SECTION_REFUSED, FALSE},
    {"section BAD", SECTION_BAD, FALSE},
    {"the whole section", SECTION_WHOLE, FALSE},
    {"the whole section as <0>", SECTION_WHOLE_AS_ORIGIN, FALSE},
    {"no origin", SECTION_NO_ORIGIN, FALSE},
    {"no origin, the last first", SECTION_NO_ORIGIN_LATEST, FALSE},
    {"another origin", SECTION_OTHER_ORIGIN, FALSE},
    {"section too long", SECTION_TOO_LONG, FALSE},
    {"section too short", SECTION_TOO_SHORT, FALSE},
    {"another part", SECTION_OF_SIBLING, FALSE},
    {"BINARY.SIZE", BINARY_HONEST, TRUE},
    {"BINARY.SIZE NO", BINARY_REFUSED, TRUE},
    {"BINARY.SIZE missing", BINARY_MISSING, TRUE},
    {"BINARY.SIZE 0", BINARY_ZERO, TRUE},
    {"BINARY.SIZE too small", BINARY_TOO_SMALL, TRUE},
    {"BINARY.SIZE too large", BINARY_TOO_LARGE, TRUE},
    {"BINARY.SIZE hangs up", BINARY_HANGS_UP, TRUE},
};

static void
play_habit(const HabitRow *habit, PartKind kind, gsize step)
{
    g_autofree char *row =
        g_strdup_printf("%s, kind %u, %zu", habit->name, kind, step);
    g_autoptr(Stage) stage = stage_new(2);
    GString *content = add_message(stage, kind);
    gboolean honest =
        habit->habit == MIME_HONEST || habit->habit == BINARY_HONEST;
    gboolean failed = TRUE;
    guint tries = 0;
    guint64 ino;

    stage->mime.habit = habit->habit;
    stage_enter(stage, 40);
    ino = node(stage, FS_PART, UID, TARGET);
    for (; failed && tries < TRIES; tries++)
        failed = read_once(row, stage, ino, content, step, honest);
    if (failed)
        row_fail(row, "it is never served");
    else if (habit->first && tries > 1)
        row_fail(row, "it was served at try %u", tries);
    if (stage->mime.fetches > 30 + content->len / 8192)
        row_fail(row, "%u commands", stage->mime.fetches);
    if (stage->mime.octets > 2 << 20 && stage->mime.octets > content->len * 12)
        row_fail(row, "%" G_GUINT64_FORMAT " octets", stage->mime.octets);
    g_string_free(content, TRUE);
}

static void
test_habits(void **state)
{
    const HabitRow *row = *state;

    for (PartKind kind = 0; kind < N_KINDS; kind++) {
        play_habit(row, kind, 128 << 10);
        if (kind == KIND_SMALL || kind == KIND_BASE64_LARGE)
            play_habit(row, kind, 5000);
    }
    rows_end();
}

/* When BODY[] is served as wrongly there is nothing to fall back to. */
static void
test_always(void **state)
{
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(habit_rows); i++) {
        for (PartKind kind = 0; kind < N_KINDS; kind++) {
            g_autofree char *row =
                g_strdup_printf("%s, kind %u", habit_rows[i].name, kind);
            g_autoptr(Stage) stage = stage_new(2);
            GString *content = add_message(stage, kind);
            guint64 ino;
            stage->mime.habit = habit_rows[i].habit;
            stage->mime.always = TRUE;
            /* Who always sends half says that there is no more. */
            if (stage->mime.habit >= SECTION_NIL &&
                stage->mime.habit < BINARY_HONEST &&
                stage->mime.habit != SECTION_TOO_SHORT) {
                stage_enter(stage, 40);
                ino = node(stage, FS_PART, UID, TARGET);
                for (guint k = 0; k < TRIES; k++)
                    read_once(row, stage, ino, content, 20000, FALSE);
                if (stage->mime.fetches > 100)
                    row_fail(row, "%u commands", stage->mime.fetches);
            }
            g_string_free(content, TRUE);
        }
    }
    rows_end();
}

/* ---- what is asked for ---- */

/* All that was asked for is the structure and the part itself. */
static void
test_only_itself(void **state)
{
    (void)state;

    for (PartKind kind = 0; kind < N_KINDS; kind++) {
        g_autofree char *row = g_strdup_printf("kind %u", kind);
        g_autoptr(Stage) stage = stage_new(2);
        GString *content = add_message(stage, kind);
        g_auto(GStrv) asked = NULL;
        stage_enter(stage, 2);
        read_once(row, stage, node(stage, FS_PART, UID, TARGET), content, 4096,
                  TRUE);
        asked = g_strsplit(stage->mime.asked->str, " ", -1);
        for (char **at = asked; *at != NULL && **at != '\0'; at++) {
            if (strcmp(*at, "7[BODYSTRUCTURE]") != 0 &&
                !g_str_has_prefix(*at, "7[2]"))
                row_fail(row, "%s was asked for", *at);
        }
        /* Hardly anything twice: the ends of a part in base64, at most. */
        if (stage->mime.octets > content->len * 3 / 2 + 8192)
            row_fail(row, "%" G_GUINT64_FORMAT " octets", stage->mime.octets);
        g_string_free(content, TRUE);
    }
    rows_end();
}

/* Whoever reads straight on finds the next chunks under way. */
static void
play_read_ahead(const char *row, MimePart *part, gsize size)
{
    g_autoptr(Stage) stage = stage_new(2);
    g_autoptr(Op) op = NULL;
    guint64 asked = 0; /* up to here, when a third was read */
    const char *last;

    mime_server_add(&stage->mime, UID, "long",
                    mime_multipart("mixed", part, NULL));
    stage_enter(stage, 2);
    op = scene_open(stage->scene, node(stage, FS_PART, UID, 2), 16384);
    do {
        op_run(op);
        op_assert_fine(op);
        op->offset += op->got;
        last = strrchr(stage->mime.asked->str, '<');
        if (asked == 0 && op->offset > size / 3)
            asked = g_ascii_strtoull(last + 1, NULL, 10);
    } while (op->got > 0);
    row_number(row, "octets", (gint64)op->offset, (gint64)size);
    if (asked < size / 3 + (2 << 20))
        row_fail(row, "%" G_GUINT64_FORMAT " was the last asked for", asked);
}

static void
test_read_ahead(void **state)
{
    enum { SIZE = 6000000 };
    g_autoptr(GString) content = mime_ruler(8, SIZE);
    (void)state;

    play_read_ahead(
        "plain", mime_leaf("video/mp4", "8bit", "a", copy_of(content)), SIZE);
    play_read_ahead(
        "base64",
        mime_leaf("video/mp4", "base64", "a", mime_base64(content, 76)), SIZE);
    play_read_ahead("quoted-printable",
                    mime_leaf("video/mp4", "quoted-printable", "a",
                              mime_quoted_printable(content)),
                    SIZE);
    rows_end();
}

/* All octets of section 1 from START to END have been asked for. */
static gboolean
was_asked_for(const Stage *stage, guint64 start, guint64 end)
{
    g_auto(GStrv) asked = g_strsplit(stage->mime.asked->str, " ", -1);
    gboolean goes_on = TRUE;

    while (goes_on && start < end) {
        goes_on = FALSE;
        for (char **at = asked; *at != NULL; at++) {
            guint64 offset;
            guint64 length;
            if (sscanf(*at, "7[1]<%" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT,
                       &offset, &length) == 2 &&
                offset <= start && start < offset + length) {
                start = offset + length;
                goes_on = TRUE;
            }
        }
    }
    return start >= end;
}

/* The kernel reads two pieces at once.  What the first waits for brings the
 * beginning of the second; the rest of that does not wait for the first. */
static void
test_neighbours(void **state)
{
    enum { SIZE = 6000000, PIECE = 128 << 10 };
    g_autoptr(Stage) stage = stage_new(1);
    g_autoptr(GString) content = mime_ruler(8, SIZE);
    g_autoptr(Op) one = NULL;
    g_autoptr(Op) other = NULL;
    guint64 ino;
    (void)state;

    mime_server_add(&stage->mime, UID, "long",
                    mime_multipart("mixed",
                                   mime_leaf("video/mp4", "base64", "a",
                                             mime_base64(content, 76)),
                                   NULL));
    stage_enter(stage, 1);
    ino = node(stage, FS_PART, UID, 2);
    one = scene_open(stage->scene, ino, PIECE);
    other = scene_open(stage->scene, ino, PIECE);
    op_run(one);
    one->offset = PIECE;
    other->offset = 2 * PIECE;
    op_start(one);
    op_start(other);
    op_wait(one);
    op_assert_fine(one);
    assert_true(was_asked_for(stage, 0, (guint64)3 * PIECE / 57 * 78));
    op_wait(other);
    op_assert_fine(other);
    assert_memory_equal(other->buffer, content->str + 2 * PIECE, PIECE);
}

/* ---- headers ---- */

static void
test_headers(void **state)
{
    static const struct {
        guint part;
        const char *section; /* X-Section tells */
        const char *subject;
    } rows[] = {{0, "", "outside"}, {TARGET, "2", "within"}};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(habit_rows); i++) {
        for (guint k = 0; k < G_N_ELEMENTS(rows); k++) {
            g_autofree char *row =
                g_strdup_printf("%s, %u", habit_rows[i].name, rows[k].part);
            g_autofree char *wanted = g_strdup_printf(
                "From: Alice Example <alice@example.org>\n"
                "To: bob@example.org\n"
                "Date: Mon, 17 Jul 2023 02:44:25 +0000\n"
                "Subject: %s\nX-Section: %s.\nMIME-Version: 1.0\n"
                "Content-Type: multipart/mixed; boundary=\"=b%u=\"\n",
                rows[k].subject, rows[k].section, k == 0 ? 1 : 4);
            g_autoptr(Stage) stage = stage_new(2);
            GString *content = add_message(stage, KIND_MESSAGE);
            gboolean failed = TRUE;
            Copy made;
            stage->mime.habit = habit_rows[i].habit;
            /* There is no telling what a header is not. */
            if (stage->mime.habit == SECTION_TOO_LONG ||
                stage->mime.habit == SECTION_TOO_SHORT)
                stage->mime.habit = MIME_HONEST;
            stage_enter(stage, 40);
            for (guint tries = 0; failed && tries < TRIES; tries++) {
                made =
                    scene_copy(stage->scene,
                               node(stage, FS_HEADERS, UID, rows[k].part), 100);
                failed = made.error != NULL;
                if (!failed)
                    row_string(row, "header", made.data->str, wanted);
                copy_clear(&made);
            }
            if (failed && habit_rows[i].habit != STRUCTURE_REVERSED)
                row_fail(row, "it is never served");
            g_string_free(content, TRUE);
        }
    }
    rows_end();
}

/* ---- damage ---- */

typedef struct {
    const char *name;
    const char *find; /* in the middle, replaced by the other as long */
    const char *replacement;
    guint times;
} DamageRow;

static const DamageRow damage_rows[] = {
    {"two characters are none", NULL, "!!", 1},
    {"an octet less in a line", NULL, "*", 1},
    {"longer than it seems", "\r\n", "AA", 2},
    {"much longer than it seems", "\r\n", "AA", 600},
    {"it ends in the middle", NULL, "AA==", 1},
};

/* What OCTETS decode to, by the rules of mail/decode.h. */
static GString *
decode_leniently(const GString *octets)
{
    const char *padding = strstr(octets->str, "==");
    g_autoptr(GString) text = copy_of(octets);
    guchar *decoded;
    gsize length;
    guint n = 0;

    if (padding != NULL)
        g_string_truncate(text, (gsize)(padding - octets->str) + 2);
    for (gsize i = 0; i < text->len; i++)
        n += g_ascii_isalnum(text->str[i]) || strchr("+/=", text->str[i]);
    g_string_append(text, n % 4 == 2 ? "==" : n % 4 == 3 ? "=" : "");
    decoded = g_base64_decode(text->str, &length);
    GString *result = g_string_new_len((const char *)decoded, (gssize)length);
    g_free(decoded);
    return result;
}

static void
damage(GString *octets, const DamageRow *row)
{
    gsize at = octets->len / 2 / 78 * 78; /* the beginning of a line */

    for (guint i = 0; i < row->times; i++) {
        const char *found =
            row->find ? strstr(octets->str + at, row->find) : NULL;
        if (found != NULL)
            at = (gsize)(found - octets->str);
        memcpy(octets->str + at, row->replacement, strlen(row->replacement));
        at += strlen(row->replacement);
    }
}

static void
play_damage(const DamageRow *row)
{
    g_autoptr(Stage) stage = stage_new(2);
    g_autoptr(Op) op = NULL;
    g_autoptr(GString) plain = mime_ruler(9, 300000);
    g_autoptr(GString) content = NULL;
    GString *octets = mime_base64(plain, 76);
    gboolean longer;
    guint64 told;
    guint64 ino;

    damage(octets, row);
    content = decode_leniently(octets);
    mime_server_add(
        &stage->mime, UID, "damaged",
        mime_multipart(
            "mixed", mime_leaf("text/plain", "7bit", NULL, mime_ruler(3, 10)),
            mime_leaf("image/png", "base64", "a.png", octets), NULL));
    stage_enter(stage, 2);
    ino = node(stage, FS_PART, UID, TARGET);
    op = scene_open(stage->scene, ino, 8192);
    told = scene_size_of(stage->scene, ino);
    longer = content->len > told;
    if (!fs_file_has_size(op->file) || told != 300000)
        row_fail(row->name, "it was not measured");
    /* What comes before is as it should be. */
    op_run(op);
    if (op->error != NULL || memcmp(op->buffer, plain->str, 8192) != 0)
        row_fail(row->name, "its beginning cannot be read");
    while (op->error == NULL && op->got > 0) {
        if (op->offset + op->got > content->len ||
            memcmp(op->buffer, content->str + op->offset, op->got) != 0)
            row_fail(row->name, "wrong octets");
        op->offset += op->got;
        op_run(op);
    }
    if (longer != (op->error != NULL))
        row_fail(row->name, "%s",
                 longer ? "who was told less was not told of it"
                        : op->error->message);
    row_string(row->name, "observed", stage->scene->seen->str,
               content->len != told ? "%7/4 " : "");
    if (read_once(row->name, stage, ino, content, 10000, TRUE))
        row_fail(row->name, "it cannot be read again");
}

static void
test_damage(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(damage_rows); i++)
        play_damage(&damage_rows[i]);
    rows_end();
}

/* ---- connections lost ---- */

static void
test_cut_everywhere(void **state)
{
    static const PartKind kinds[] = {KIND_SMALL, KIND_BASE64, KIND_EMPTY};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
        gint64 whole = 3000;
        for (gint64 cut = 0; cut <= whole; cut += cut < 1200 ? 1 : 37) {
            g_autofree char *row = g_strdup_printf(
                "kind %u, cut after %" G_GINT64_FORMAT, kinds[i], cut);
            g_autoptr(Stage) stage = stage_new(1);
            GString *content = add_message(stage, kinds[i]);
            stage_enter(stage, 20);
            /* The first connection has listed; those that follow break. */
            script_hang_up(stage->scene->script, 0);
            script_cut_after(stage->scene->script, cut);
            read_once(row, stage, node(stage, FS_PART, UID, TARGET), content,
                      1000, FALSE);
            script_cut_after(stage->scene->script, -1);
            scene_wait(stage->scene, 3 * MINUTE);
            if (read_once(row, stage, node(stage, FS_PART, UID, TARGET),
                          content, 1000, TRUE) &&
                read_once(row, stage, node(stage, FS_PART, UID, TARGET),
                          content, 1000, TRUE))
                row_fail(row, "it is not served any more");
            if (stage->mime.fetches > 20)
                row_fail(row, "%u commands", stage->mime.fetches);
            g_string_free(content, TRUE);
        }
    }
    rows_end();
}

/* ---- little room ---- */

/* Memory, or a store, that has not room for what is read: it comes, or fails,
 * but is not fetched for ever. */
static void
test_little_room(void **state)
{
    static const MimeHabit habits[] = {MIME_HONEST, STRUCTURE_NIL,
                                       STRUCTURE_MINUS_ONE};
    static const gsize limits[] = {70000, 700000};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(habits); i++) {
        for (PartKind kind = 0; kind < N_KINDS; kind++) {
            for (guint k = 0; k < G_N_ELEMENTS(limits); k++) {
                g_autofree char *row = g_strdup_printf(
                    "habit %u, kind %u, %zu", habits[i], kind, limits[k]);
                g_autoptr(Stage) stage = stage_new(2);
                GString *content = add_message(stage, kind);
                gboolean failed = TRUE;
                scene_unmount(stage->scene);
                stage->scene->setup.cache_limit = limits[k];
                scene_mount(stage->scene);
                stage->mime.habit = habits[i];
                stage_enter(stage, 20);
                for (guint tries = 0; failed && tries < TRIES; tries++)
                    failed =
                        read_once(row, stage, node(stage, FS_PART, UID, TARGET),
                                  content, 20000, FALSE);
                if (failed && habits[i] == MIME_HONEST)
                    row_fail(row, "it is never served");
                if (stage->mime.fetches > 400)
                    row_fail(row, "%u commands", stage->mime.fetches);
                g_string_free(content, TRUE);
            }
        }
    }
    rows_end();
}

/* ---- a store ---- */

static void
open_store(Stage *stage, const char *directory, guint64 limit, gboolean offline)
{
    g_autoptr(GError) error = NULL;

    scene_unmount(stage->scene);
    if (stage->scene->setup.store != NULL)
        mail_store_close(stage->scene->setup.store);
    stage->scene->setup.store =
        mail_store_open(directory, limit, stage->scene->clock, &error);
    assert_null(error);
    stage->scene->setup.offline = offline;
    scene_mount(stage->scene);
}

static void
close_store(Stage *stage)
{
    MailStore *store = g_steal_pointer(&stage->scene->setup.store);

    scene_unmount(stage->scene);
    mail_store_close(store);
    scene_mount(stage->scene);
}

static char *
make_directory(void)
{
    g_autoptr(GError) error = NULL;
    char *path = g_dir_make_tmp("imapfs-parts-XXXXXX", &error);
    assert_null(error);
    return path;
}

/* What was read once is there after a remount, without asking, and without a
 * server. */
static void
test_remount(void **state)
{
    (void)state;

    for (PartKind kind = 0; kind < N_KINDS; kind++) {
        g_autofree char *row = g_strdup_printf("kind %u", kind);
        g_autofree char *directory = make_directory();
        g_autoptr(Stage) stage = stage_new(2);
        GString *content = add_message(stage, kind);
        guint fetches;
        open_store(stage, directory, 100 << 20, FALSE);
        stage_enter(stage, 20);
        read_once(row, stage, node(stage, FS_PART, UID, TARGET), content, 50000,
                  TRUE);
        scene_wait(stage->scene, MINUTE);
        for (guint offline = 0; offline < 2; offline++) {
            open_store(stage, directory, 100 << 20, offline);
            stage->inbox = scene_enter(stage->scene);
            fetches = stage->mime.fetches;
            if (read_once(row, stage, node(stage, FS_PART, UID, TARGET),
                          content, 50000, TRUE))
                row_fail(row, "it cannot be read, offline %u", offline);
            row_number(row, "commands more", stage->mime.fetches - fetches, 0);
        }
        close_store(stage);
        scene_remove(directory);
        g_string_free(content, TRUE);
    }
    rows_end();
}

/* What was wrong once is not believed after a remount either. */
static void
test_liar_remount(void **state)
{
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(habit_rows); i++) {
        for (PartKind kind = 0; kind < N_KINDS; kind++) {
            g_autofree char *row =
                g_strdup_printf("%s, kind %u", habit_rows[i].name, kind);
            g_autofree char *directory = make_directory();
            g_autoptr(Stage) stage = stage_new(2);
            GString *content = add_message(stage, kind);
            stage->mime.habit = habit_rows[i].habit;
            open_store(stage, directory, 100 << 20, FALSE);
            stage_enter(stage, 40);
            for (guint mount = 0; mount < 2; mount++) {
                gboolean failed = TRUE;
                for (guint tries = 0; failed && tries < TRIES; tries++)
                    failed =
                        read_once(row, stage, node(stage, FS_PART, UID, TARGET),
                                  content, 50000, FALSE);
                if (failed)
                    row_fail(row, "mount %u: it is never served", mount);
                scene_wait(stage->scene, MINUTE);
                open_store(stage, directory, 100 << 20, FALSE);
                stage->inbox = scene_enter(stage->scene);
            }
            close_store(stage);
            scene_remove(directory);
            g_string_free(content, TRUE);
        }
    }
    rows_end();
}

/* Two parts are asked for together.  The first shows that the server was wrong
 * about them; the second must not be kept as what the server says it is. */
static void
test_late_answer(void **state)
{
    static const MimeHabit habits[] = {STRUCTURE_MINUS_ONE, STRUCTURE_HALF,
                                       STRUCTURE_ZERO};
    static const char *const words[] = {"one\r\n", "other\r\n"};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(habits); i++) {
        g_autofree char *row = g_strdup_printf("habit %u", habits[i]);
        g_autofree char *directory = make_directory();
        g_autoptr(Stage) stage = stage_new(1);
        Op *ops[2];
        Copy whole;
        mime_server_add(
            &stage->mime, UID, "late",
            mime_multipart(
                "mixed",
                mime_leaf("image/png", "7bit", "a", g_string_new(words[0])),
                mime_leaf("image/png", "7bit", "b", g_string_new(words[1])),
                NULL));
        stage->mime.habit = habits[i];
        open_store(stage, directory, 100 << 20, FALSE);
        stage_enter(stage, 20);
        g_free(scene_list(stage->scene, node(stage, FS_PARTS, UID, 0), NULL));
        whole = scene_copy(stage->scene, node(stage, FS_MESSAGE, UID, 0), 4096);
        copy_clear(&whole);
        for (guint k = 0; k < 2; k++) {
            ops[k] =
                op_new(stage->scene, op_open, node(stage, FS_PART, UID, 2 + k));
            op_start(ops[k]);
        }
        op_wait(ops[0]);
        op_wait(ops[1]);
        scene_wait(stage->scene, MINUTE);
        op_free(ops[0]);
        op_free(ops[1]);
        open_store(stage, directory, 100 << 20, FALSE);
        stage->inbox = scene_enter(stage->scene);
        for (guint k = 2; k-- > 0;) {
            g_autoptr(GString) right = g_string_new(words[k]);
            guint64 ino = node(stage, FS_PART, UID, 2 + k);
            if (read_once(row, stage, ino, right, 100, FALSE) &&
                read_once(row, stage, ino, right, 100, FALSE))
                row_fail(row, "it is not served");
        }
        close_store(stage);
        scene_remove(directory);
    }
    rows_end();
}

/* A store that keeps nothing, and a message that must be here as a whole. */
static void
test_store_keeps_nothing(void **state)
{
    (void)state;

    for (PartKind kind = 0; kind < N_KINDS; kind++) {
        for (guint honest = 0; honest < 2; honest++) {
            g_autofree char *row =
                g_strdup_printf("kind %u, honest %u", kind, honest);
            g_autofree char *directory = make_directory();
            g_autoptr(Stage) stage = stage_new(2);
            GString *content = add_message(stage, kind);
            gboolean failed;
            stage->scene->setup.cache_limit = 200000;
            stage->mime.habit = honest ? MIME_HONEST : STRUCTURE_NIL;
            open_store(stage, directory, 0, FALSE);
            stage_enter(stage, 20);
            failed = read_once(row, stage, node(stage, FS_PART, UID, TARGET),
                               content, 20000, FALSE);
            if (failed && honest)
                row_fail(row, "it is not served");
            if (stage->mime.fetches > 400)
                row_fail(row, "%u commands", stage->mime.fetches);
            close_store(stage);
            scene_remove(directory);
            g_string_free(content, TRUE);
        }
    }
    rows_end();
}

/* ---- what is open while the truth is found out ---- */

/* Two read, and one of them finds out that the parts are others.  The other
 * gets no octet of what it did not open, and is not told that this was all. */
static void
test_open_meanwhile(void **state)
{
    static const MimeHabit habits[] = {STRUCTURE_BLIND, STRUCTURE_REVERSED};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(habits); i++) {
        g_autofree char *row = g_strdup_printf("habit %u", habits[i]);
        g_autoptr(Stage) stage = stage_new(2);
        g_autoptr(GString) content = mime_ruler(1, 300000);
        g_autoptr(Op) op = NULL;
        Copy other;
        mime_server_add(
            &stage->mime, UID, "two",
            mime_multipart(
                "mixed",
                mime_multipart(
                    "alternative",
                    mime_leaf("text/plain", "7bit", NULL, mime_ruler(3, 20)),
                    mime_leaf("text/html", "7bit", NULL, mime_ruler(4, 30)),
                    NULL),
                mime_leaf("image/png", "8bit", "a", copy_of(content)),
                mime_leaf("image/png", "8bit", "b", mime_ruler(2, 9000)),
                NULL));
        stage->mime.habit = habits[i];
        stage_enter(stage, 20);
        op = scene_open(stage->scene, node(stage, FS_PART, UID, TARGET), 4096);
        op_run(op);
        if (op->error != NULL || memcmp(op->buffer, content->str, op->got) != 0)
            row_fail(row, "it cannot be read");
        other = scene_copy(stage->scene, node(stage, FS_PART, UID, 2), 4096);
        copy_clear(&other);
        while (op->error == NULL && op->got > 0) {
            op->offset += op->got;
            op_run(op);
            if (op->error == NULL &&
                (op->offset + op->got > content->len ||
                 memcmp(op->buffer, content->str + op->offset, op->got) != 0))
                row_fail(row, "octets of two parts in one");
        }
        if (op->error == NULL)
            row_number(row, "octets", (gint64)op->offset, (gint64)content->len);
    }
    rows_end();
}

/* ---- attachments ---- */

static void
add_letter(Stage *stage, guint32 uid, gboolean attached)
{
    g_autofree char *name = g_strdup_printf("a%u.png", uid);
    g_autofree char *subject = g_strdup_printf("letter %u", uid);
    g_autofree char *words = g_strdup_printf("word%u\r\n", uid);
    MimePart *text = mime_leaf("text/plain", "7bit", NULL, g_string_new(words));

    mime_server_add(&stage->mime, uid, subject,
                    attached
                        ? mime_multipart("mixed", text,
                                         mime_leaf("image/png", "7bit", name,
                                                   mime_ruler(uid, 3000)),
                                         NULL)
                        : text);
}

/* How many names there are in .attachments; negative: it fails. */
static gint
count_attachments(Stage *stage)
{
    guint64 ino = scene_find(stage->scene, stage->inbox, ".attachments");
    g_autofree char *names = scene_list(stage->scene, ino, NULL);
    gint n = 0;

    for (const char *at = names; at != NULL && *at != '\0'; at++)
        n += *at == ',';
    return names ? n : -1;
}

static void
test_attachments(void **state)
{
    g_autofree char *directory = make_directory();
    g_autoptr(Stage) stage = stage_new(2);
    guint64 octets;
    (void)state;

    open_store(stage, directory, 100 << 20, FALSE);
    for (guint32 uid = 1; uid <= 1500; uid++)
        add_letter(stage, uid, uid % 3 == 0);
    stage_enter(stage, 20);
    assert_int_equal(count_attachments(stage), 500);
    if (stage->mime.fetches > 40)
        fail_msg("%u commands", stage->mime.fetches);
    assert_null(strstr(stage->mime.asked->str, "[1]"));
    assert_null(strstr(stage->mime.asked->str, "[2]"));
    /* Nothing is asked for twice. */
    g_string_truncate(stage->mime.asked, 0);
    assert_int_equal(count_attachments(stage), 500);
    assert_string_equal(stage->mime.asked->str, "");
    scene_wait(stage->scene, MINUTE);
    octets = stage->mime.octets;
    /* After a remount neither, nor without a server. */
    for (guint offline = 0; offline < 2; offline++) {
        open_store(stage, directory, 100 << 20, offline);
        stage->inbox = scene_enter(stage->scene);
        assert_int_equal(count_attachments(stage), 500);
        assert_int_equal(stage->mime.octets, octets);
    }
    close_store(stage);
    scene_remove(directory);
}

/* A message comes, one goes: only what is new is looked at. */
static void
test_attachments_change(void **state)
{
    g_autoptr(Stage) stage = stage_new(2);
    (void)state;

    for (guint32 uid = 1; uid <= 30; uid++)
        add_letter(stage, uid, TRUE);
    stage_enter(stage, 20);
    assert_int_equal(count_attachments(stage), 30);
    g_string_truncate(stage->mime.asked, 0);
    server_remove(&stage->scene->server, 4);
    add_letter(stage, 31, TRUE);
    add_letter(stage, 32, TRUE);
    script_hang_up(stage->scene->script, 0);
    scene_wait(stage->scene, MINUTE);
    g_free(scene_list(stage->scene, stage->inbox, NULL));
    scene_wait(stage->scene, MINUTE);
    assert_int_equal(count_attachments(stage), 31);
    assert_non_null(strstr(stage->mime.asked->str, "31[BODYSTRUCTURE] "));
    assert_non_null(strstr(stage->mime.asked->str, "32[BODYSTRUCTURE] "));
    assert_int_equal(stage->mime.asked->len, 2 * strlen("31[BODYSTRUCTURE] "));
}

/* One message that cannot be looked at hides no others. */
static void
test_attachments_broken(void **state)
{
    static const MimeHabit habits[] = {STRUCTURE_MISSING,  STRUCTURE_NIL,
                                       STRUCTURE_NONSENSE, STRUCTURE_REFUSED,
                                       STRUCTURE_BAD,      MIME_HONEST};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(habits); i++) {
        g_autofree char *row = g_strdup_printf("habit %u", habits[i]);
        g_autoptr(Stage) stage = stage_new(2);
        for (guint32 uid = 1; uid <= 40; uid++)
            add_letter(stage, uid, TRUE);
        stage->mime.habit = habits[i];
        stage->mime.only = 20;
        stage_enter(stage, 20);
        row_number(row, "attachments", count_attachments(stage), 40);
        if (stage->mime.fetches > 60)
            row_fail(row, "%u commands", stage->mime.fetches);
    }
    rows_end();
}

/* One message that the server tells nothing of hides the others once. */
static void
test_attachments_refused(void **state)
{
    g_autoptr(Stage) stage = stage_new(2);
    gint n = -1;
    (void)state;

    for (guint32 uid = 1; uid <= 40; uid++)
        add_letter(stage, uid, TRUE);
    stage->mime.habit = STRUCTURE_REFUSED;
    stage->mime.always = TRUE;
    stage->mime.only = 20;
    stage_enter(stage, 20);
    for (guint tries = 0; n < 0 && tries < TRIES; tries++)
        n = count_attachments(stage);
    assert_int_equal(n, 39);
}

/* ---- texts ---- */

static void
test_texts(void **state)
{
    g_autoptr(Stage) stage = stage_new(2);
    guint n = 200;
    (void)state;

    for (guint32 uid = 1; uid <= n; uid++)
        add_letter(stage, uid, uid % 2 == 0);
    stage_enter(stage, 2);
    for (guint32 uid = 1; uid <= n; uid++) {
        g_autofree char *row = g_strdup_printf("UID %u", uid);
        g_autofree char *subject = g_strdup_printf("letter %u\n", uid);
        g_autofree char *word = g_strdup_printf("word%u\n", uid);
        Copy made =
            scene_copy(stage->scene, node(stage, FS_TEXT, uid, 0), 4096);
        if (made.error != NULL)
            row_fail(row, "%s", made.error->message);
        else if (strstr(made.data->str, subject) == NULL ||
                 strstr(made.data->str, word) == NULL)
            row_string(row, "text", made.data->str, word);
        copy_clear(&made);
    }
    if (stage->mime.fetches > n / 4)
        fail_msg("%u commands for %u texts", stage->mime.fetches, n);
    assert_null(strstr(stage->mime.asked->str, "[2]"));
    assert_null(strstr(stage->mime.asked->str, "[] "));
    rows_end();
}

/* More text than memory holds at a time: what there is room for is shown, and
 * that something is left out. */
static void
test_long_text(void **state)
{
    g_autoptr(Stage) stage = stage_new(2);
    MimePart *parts[6];
    Copy made;
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(parts); i++)
        parts[i] =
            mime_leaf("text/plain", "8bit", NULL, mime_ruler(i, 3000000 + i));
    mime_server_add(&stage->mime, UID, "long",
                    mime_multipart("mixed", parts[0], parts[1], parts[2],
                                   parts[3], parts[4], parts[5], NULL));
    stage_enter(stage, 2);
    made = scene_copy(stage->scene, node(stage, FS_TEXT, UID, 0), 100000);
    if (made.error != NULL)
        fail_msg("%s", made.error->message);
    assert_non_null(strstr(made.data->str, "[cut: 0 of 3000005 octets"));
    assert_true(made.data->len > 6000000);
    copy_clear(&made);
    assert_true(stage->mime.octets < 20000000);
}

/* What is within is read ahead, too. */
static void
test_forwarded_texts(void **state)
{
    enum { COUNT = 200 };
    g_autoptr(Stage) stage = stage_new(2);
    (void)state;

    for (guint32 uid = 1; uid <= COUNT; uid++)
        mime_server_add(
            &stage->mime, uid, "outside",
            mime_multipart(
                "mixed",
                mime_leaf("text/plain", "7bit", NULL, mime_ruler(1, 300)),
                mime_message("within", mime_leaf("text/plain", "7bit", NULL,
                                                 mime_ruler(2, 300))),
                NULL));
    stage_enter(stage, 2);
    for (guint32 uid = 1; uid <= COUNT; uid++) {
        g_autofree char *row = g_strdup_printf("UID %u", uid);
        Copy made =
            scene_copy(stage->scene, node(stage, FS_TEXT, uid, 0), 4096);
        if (made.error != NULL || strstr(made.data->str, "within") == NULL)
            row_string(row, "text", made.data->str, "within");
        copy_clear(&made);
    }
    if (stage->mime.fetches > COUNT / 4)
        fail_msg("%u commands for %u texts", stage->mime.fetches, COUNT);
    rows_end();
}

static void
set_up_program(void)
{
    rows_begin_program();
    g_mime_init();
}

int
main(void)
{
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(test_always),
        cmocka_unit_test(test_only_itself),
        cmocka_unit_test(test_read_ahead),
        cmocka_unit_test(test_neighbours),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_cut_everywhere),
        cmocka_unit_test(test_little_room),
        cmocka_unit_test(test_remount),
        cmocka_unit_test(test_liar_remount),
        cmocka_unit_test(test_late_answer),
        cmocka_unit_test(test_store_keeps_nothing),
        cmocka_unit_test(test_open_meanwhile),
        cmocka_unit_test(test_attachments),
        cmocka_unit_test(test_attachments_change),
        cmocka_unit_test(test_attachments_broken),
        cmocka_unit_test(test_attachments_refused),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_long_text),
        cmocka_unit_test(test_forwarded_texts),
    };
    struct CMUnitTest tests[G_N_ELEMENTS(habit_rows) + G_N_ELEMENTS(others)];
    guint n = 0;

    set_up_program();
    for (guint i = 0; i < G_N_ELEMENTS(habit_rows); i++)
        tests[n++] = (struct CMUnitTest){habit_rows[i].name, test_habits, NULL,
                                         NULL, (void *)&habit_rows[i]};
    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        tests[n++] = others[i];
    cmocka_set_test_filter(g_getenv("TEST"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
