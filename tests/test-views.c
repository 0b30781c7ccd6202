/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The views of a mailbox, as questions of a file system. */
#include "rows.h"

#include <stdio.h>
#include <sys/stat.h>

#include <glib/gstdio.h>
#include <gmime/gmime.h>

#include "scene.h"

/* ---- a server with a few messages ---- */

#define FILE_PART(name, text)                                             \
    "--b\r\nContent-Type: text/csv\r\n"                                   \
    "Content-Disposition: attachment; filename=\"" name "\"\r\n\r\n" text \
    "\r\n"

typedef struct {
    guint32 uid;
    const char *flags;
    const char *date;
    const char *subject;
    const char *rest; /* of the header, and the text */
    guint32 reply_to; /* a UID, or 0 */
} Letter;

#define MIXED "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
#define PLAIN "Content-Type: text/plain\r\n\r\n"

/* By the clock of a scene it is 14 November 2023. */
static const Letter letters[] = {
    {10, "\\Seen", "13-Nov-2023 10:00:00 +0000", "plain", PLAIN "a kettle\r\n",
     0},
    {20, "\\Flagged", "07-Nov-2023 22:15:00 +0000", "figures",
     MIXED "--b\r\n" PLAIN "see below\r\n" FILE_PART("a.csv", "1;2")
         FILE_PART("b.csv", "3;4") "--b--\r\n",
     0},
    {30, "\\Seen \\Flagged", "07-Nov-2023 22:13:00 +0000", "figures",
     MIXED FILE_PART("a.csv", "5;6;7") FILE_PART("a.csv", "8")
         FILE_PART("a.csv", "9;9") "--b--\r\n",
     20},
    {40, "", "01-Jan-2023 10:00:00 +0000", "forwarded",
     MIXED "--b\r\nContent-Type: message/rfc822\r\n\r\n"
           "Subject: inner\r\n" PLAIN "nested\r\n--b--\r\n",
     0},
    {50, "", "01-Jan-2023 10:00:00 +0000", "more", PLAIN "five\r\n", 10},
};

typedef struct {
    gboolean gone[G_N_ELEMENTS(letters)];
    const char *found; /* by any search; NULL: nothing */
    guint asked_bodies;
} Box;

static char *
octets_of(const Letter *letter)
{
    g_autofree char *references =
        letter->reply_to ? g_strdup_printf("References: <%u@example.org>\r\n",
                                           letter->reply_to)
                         : g_strdup("");
    return g_strdup_printf("From: Alice <alice@example.org>\r\nSubject: %s\r\n"
                           "Message-ID: <%u@example.org>\r\n%s%s",
                           letter->subject, letter->uid, references,
                           letter->rest);
}

static void
say_literal(GString *out, const char *item, const char *text)
{
    g_string_append_printf(out, " %s {%zu}\r\n%s", item, strlen(text), text);
}

/* BODY.PEEK[HEADER.FIELDS (...)]: all there are, and the text, which nobody
 * minds. */
static void
say_fields(GString *out, const char *section, const char *octets)
{
    const char *end = strchr(section, ']');
    g_autofree char *item =
        g_strdup_printf("BODY[%.*s", (int)(end + 1 - section), section);
    say_literal(out, item, octets);
}

/* BODY.PEEK[]<offset.length> */
static void
say_range(GString *out, const Letter *letter, const char *range)
{
    g_autofree char *octets = octets_of(letter);
    g_autofree char *item = NULL;
    guint64 offset = 0;
    guint64 length = strlen(octets);

    if (sscanf(range, "<%" G_GINT64_MODIFIER "u.%" G_GINT64_MODIFIER "u>",
               &offset, &length) == 2)
        item = g_strdup_printf("BODY[]<%" G_GUINT64_FORMAT ">", offset);
    offset = MIN(offset, strlen(octets));
    octets[MIN(offset + length, strlen(octets))] = '\0';
    say_literal(out, item ? item : "BODY[]", octets + offset);
}

static gboolean
is_asked(const char *set, guint32 uid)
{
    for (;;) {
        char *end;
        guint64 first = g_ascii_strtoull(set, &end, 10);
        guint64 last = first;
        if (*end == ':')
            last = end[1] == '*' ? G_MAXUINT32
                                 : g_ascii_strtoull(end + 1, &end, 10);
        if (uid >= first && uid <= last)
            return TRUE;
        if (*end != ',')
            return FALSE;
        set = end + 1;
    }
}

/* It knows no structures: what is asked for is found in the messages. */
static void
say_letters(Box *box, GString *out, const char *command)
{
    const char *set = command + strlen("UID FETCH ");
    const char *range = strstr(command, "BODY.PEEK[]");
    const char *fields = strstr(command, "HEADER.FIELDS (");
    guint number = 0;

    box->asked_bodies += range != NULL;
    for (guint i = 0; i < G_N_ELEMENTS(letters); i++) {
        const Letter *letter = &letters[i];
        g_autofree char *octets = octets_of(letter);
        if (box->gone[i])
            continue;
        number++;
        if (!is_asked(set, letter->uid))
            continue;
        g_string_append_printf(out,
                               "* %u FETCH (UID %u FLAGS (%s) RFC822.SIZE %zu "
                               "INTERNALDATE \"%s\"",
                               number, letter->uid, letter->flags,
                               strlen(octets), letter->date);
        if (fields != NULL)
            say_fields(out, fields, octets);
        if (strstr(command, "BODYSTRUCTURE") != NULL)
            g_string_append(out, " BODYSTRUCTURE NIL");
        if (range != NULL)
            say_range(out, letter, range + strlen("BODY.PEEK[]"));
        g_string_append(out, ")\r\n");
    }
}

static char *
answer(const char *command, gpointer data)
{
    Box *box = data;
    GString *out = g_string_new(NULL);
    guint n = 0;

    for (guint i = 0; i < G_N_ELEMENTS(letters); i++)
        n += !box->gone[i];
    if (g_str_has_prefix(command, "LIST "))
        g_string_append(out, "* LIST () \"/\" INBOX\r\n"
                             "* LIST (\\Noselect) \"/\" INBOX/Shelf\r\n");
    else if (g_str_has_prefix(command, "EXAMINE "))
        g_string_append_printf(out, "* %u EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n",
                               n);
    else if (g_str_has_prefix(command, "UID FETCH "))
        say_letters(box, out, command);
    else if (g_str_has_prefix(command, "UID SEARCH "))
        g_string_append_printf(out, "* SEARCH%s\r\n",
                               box->found ? box->found : "");
    else if (g_str_has_prefix(command, "IDLE"))
        return g_strdup("+ idling\r\n");
    g_string_append(out, "$tag OK done\r\n");
    return g_string_free(out, FALSE);
}

static Scene *
new_scene(Box *box)
{
    Scene *scene = scene_new(1);

    memset(box, 0, sizeof *box);
    script_answer(scene->script, answer, box);
    scene_serve(scene, 1);
    return scene;
}

/* ---- what programs do ---- */

static void
assert_lists(Scene *scene, guint64 ino, const char *names)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *got = scene_list(scene, ino, &error);
    if (error != NULL)
        fail_msg("it failed: %s", error->message);
    assert_string_equal(got, names);
}

/* PATH begins in directory INO. */
static guint64
walk(Scene *scene, guint64 ino, const char *path)
{
    g_auto(GStrv) steps = g_strsplit(path, "/", -1);
    for (char **step = steps; *step != NULL; step++)
        ino = scene_find(scene, ino, *step);
    return ino;
}

static void
assert_absent(Scene *scene, guint64 parent, const char *name, ImapfsError code)
{
    g_autoptr(Op) op = op_new(scene, op_lookup, parent);
    op->name = name;
    op_run(op);
    if (op->error == NULL)
        fail_msg("%s is there", name);
    op_assert_failed(op, code);
}

static FsAttributes
attributes_of(Scene *scene, guint64 ino)
{
    g_autoptr(Op) op = op_new(scene, op_getattr, ino);
    op_run(op);
    op_assert_fine(op);
    return op->attributes;
}

static void
assert_reads(Scene *scene, guint64 ino, const char *text)
{
    Copy made = scene_copy(scene, ino, 7);
    if (made.error != NULL)
        fail_msg("it failed: %s", made.error->message);
    assert_string_equal(made.data->str, text);
    assert_int_equal(made.shown, strlen(text));
    copy_clear(&made);
}

/* ---- where they are ---- */

static const char *const view_names[] = {".parts",  ".text",    ".attachments",
                                         ".search", ".unseen",  ".flagged",
                                         ".recent", ".threads", NULL};

static void
test_found_by_name_only(void **state)
{
    Box box;
    g_autoptr(Scene) scene = new_scene(&box);
    guint64 inbox = scene_enter(scene);
    guint64 shelf = scene_find(scene, inbox, "Shelf");
    guint64 control = scene_find(scene, 1, ".imapfs");
    (void)state;

    assert_lists(scene, inbox, "Shelf,10.eml,20.eml,30.eml,40.eml,50.eml,");
    for (const char *const *name = view_names; *name != NULL; name++) {
        guint64 view = scene_find(scene, inbox, *name);
        FsAttributes attributes = attributes_of(scene, view);
        gboolean changes = strcmp(*name, ".search") == 0;
        assert_int_equal(attributes.stat.st_mode,
                         S_IFDIR | (changes ? 0700 : 0500));
        assert_int_equal(attributes.stat.st_nlink, 1);
        assert_int_equal(attributes.stat.st_mtime,
                         attributes_of(scene, inbox).stat.st_mtime);
        assert_int_equal(fs_tree_parent(scene->tree, view), inbox);
        assert_int_equal(scene_find(scene, view, ".."), inbox);
        assert_int_equal(scene_find(scene, view, "."), view);
        assert_absent(scene, 1, *name, IMAPFS_ERROR_NOT_FOUND);
        assert_absent(scene, shelf, *name, IMAPFS_ERROR_NOT_FOUND);
        assert_absent(scene, control, *name, IMAPFS_ERROR_NOT_FOUND);
        for (const char *const *other = view_names; *other != NULL; other++)
            assert_absent(scene, view, *other, IMAPFS_ERROR_NOT_FOUND);
    }
    assert_absent(scene, inbox, ".unseen ", IMAPFS_ERROR_NOT_FOUND);
    assert_absent(scene, inbox, ".Unseen", IMAPFS_ERROR_NOT_FOUND);
}

static void
test_listed_on_request(void **state)
{
    Box box;
    g_autoptr(Scene) scene = new_scene(&box);
    guint64 inbox = scene_enter(scene);
    (void)state;

    fs_tree_list_views(scene->tree);
    assert_lists(scene, inbox,
                 "Shelf,.parts,.text,.attachments,.search,.unseen,.flagged,"
                 ".recent,.threads,10.eml,20.eml,30.eml,40.eml,50.eml,");
    assert_lists(scene, 1, "INBOX,");
    assert_lists(scene, scene_find(scene, inbox, "Shelf"), "");
}

/* ---- names ---- */

static const struct {
    const char *path;
    const char *name;
    const char *same_as; /* in the mailbox; NULL: only that it is there */
    guint kind;
} there[] = {
    {".unseen", "20.eml", "20.eml", FS_MESSAGE},
    {".unseen", "2023-11-07 2215 Alice - figures.20.eml", "20.eml", FS_MESSAGE},
    {".flagged", "30.eml", "30.eml", FS_MESSAGE},
    {".recent", "10.eml", "10.eml", FS_MESSAGE},
    {".recent", "20.eml", "20.eml", FS_MESSAGE},
    {".parts", "10", NULL, FS_PARTS},
    {".parts", "2023-11-07 2215 Alice - figures.20", NULL, FS_PARTS},
    {".text", "10.txt", NULL, FS_TEXT},
    {".text", "2023-11-07 2215 Alice - figures.20.txt", NULL, FS_TEXT},
    {".parts/20", "headers", NULL, FS_HEADERS},
    {".parts/20", "a.csv", NULL, FS_PART},
    {".parts/40", "inner.eml", NULL, FS_PART},
    {".parts/40", "inner", NULL, FS_PARTS},
    {".parts/40/inner", "headers", NULL, FS_HEADERS},
    {".parts/40/inner", "body.txt", NULL, FS_PART},
};

static void
test_names(void **state)
{
    Box box;
    g_autoptr(Scene) scene = new_scene(&box);
    guint64 inbox = scene_enter(scene);
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(there); i++) {
        g_autofree char *row =
            g_strdup_printf("%s/%s", there[i].path, there[i].name);
        guint64 parent = walk(scene, inbox, there[i].path);
        guint64 ino = scene_find(scene, parent, there[i].name);
        row_number(row, "its kind", fs_node_of(ino).kind, there[i].kind);
        if (there[i].same_as != NULL)
            row_number(row, "its number", (gint64)ino,
                       (gint64)scene_find(scene, inbox, there[i].same_as));
        else
            row_number(row, "its parent",
                       (gint64)fs_tree_parent(scene->tree, ino),
                       (gint64)parent);
    }
    rows_end();
}

static const struct {
    const char *path;
    const char *name;
    ImapfsError code;
} absent[] = {
    {".parts", "0", IMAPFS_ERROR_NOT_FOUND},
    {".parts", "", IMAPFS_ERROR_NOT_FOUND},
    {".parts", "-1", IMAPFS_ERROR_NOT_FOUND},
    {".parts", "010", IMAPFS_ERROR_NOT_FOUND},
    {".parts", "11", IMAPFS_ERROR_NOT_FOUND},
    {".parts", "99999999999", IMAPFS_ERROR_NOT_FOUND},
    {".parts", "18446744073709551626", IMAPFS_ERROR_NOT_FOUND},
    {".parts", "10.eml", IMAPFS_ERROR_NOT_FOUND},
    {".parts", "x.10", IMAPFS_ERROR_NOT_FOUND},
    {".parts", ".hidden", IMAPFS_ERROR_NOT_FOUND},
    {".parts/10", "10", IMAPFS_ERROR_NOT_FOUND},
    {".parts/10", ".parts", IMAPFS_ERROR_NOT_FOUND},
    {".parts/10", "body.txt2", IMAPFS_ERROR_NOT_FOUND},
    {".text", "10", IMAPFS_ERROR_NOT_FOUND},
    {".text", ".txt", IMAPFS_ERROR_NOT_FOUND},
    {".text", "10.eml", IMAPFS_ERROR_NOT_FOUND},
    {".text", "10.TXT", IMAPFS_ERROR_NOT_FOUND},
    {".text", "4294967306.txt", IMAPFS_ERROR_NOT_FOUND},
    {".text/10.txt", "x", IMAPFS_ERROR_NOT_DIRECTORY},
    {".parts/10/headers", "x", IMAPFS_ERROR_NOT_DIRECTORY},
    {".unseen", "10.eml", IMAPFS_ERROR_NOT_FOUND},
    {".unseen", "2023-11-13 1000 Alice - plain.10.eml", IMAPFS_ERROR_NOT_FOUND},
    {".unseen", "20", IMAPFS_ERROR_NOT_FOUND},
    {".flagged", "50.eml", IMAPFS_ERROR_NOT_FOUND},
    {".recent", "30.eml", IMAPFS_ERROR_NOT_FOUND},
    {".attachments", ".hidden", IMAPFS_ERROR_NOT_FOUND},
    {".attachments", "10.eml", IMAPFS_ERROR_NOT_FOUND},
    {".search", ".directory", IMAPFS_ERROR_NOT_FOUND},
    {".search", "TEXT \xff", IMAPFS_ERROR_USAGE},
};

static void
test_no_names(void **state)
{
    Box box;
    g_autoptr(Scene) scene = new_scene(&box);
    guint64 inbox = scene_enter(scene);
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(absent); i++) {
        g_autoptr(Op) op =
            op_new(scene, op_lookup, walk(scene, inbox, absent[i].path));
        op->name = absent[i].name;
        op_run(op);
        if (op->error == NULL)
            row_fail(absent[i].path, "\"%s\" is there", absent[i].name);
        else
            row_number(absent[i].path, absent[i].name, op->error->code,
                       absent[i].code);
    }
    rows_end();
}

static void
test_long_names(void **state)
{
    Box box;
    g_autoptr(Scene) scene = new_scene(&box);
    guint64 inbox = scene_enter(scene);
    g_autofree char *name = g_strnfill(300, '1');
    (void)state;

    for (const char *const *view = view_names; *view != NULL; view++)
        assert_absent(scene, scene_find(scene, inbox, *view), name,
                      IMAPFS_ERROR_NAME_TOO_LONG);
}

/* ---- which messages ---- */

static void
test_selections(void **state)
{
    Box box;
    g_autoptr(Scene) scene = new_scene(&box);
    guint64 inbox = scene_enter(scene);
    guint64 unseen = scene_find(scene, inbox, ".unseen");
    guint64 flagged = scene_find(scene, inbox, ".flagged");
    (void)state;

    assert_lists(scene, unseen, "20.eml,40.eml,50.eml,");
    assert_lists(scene, flagged, "20.eml,30.eml,");
    assert_lists(scene, scene_find(scene, inbox, ".recent"), "10.eml,20.eml,");
    assert_lists(scene, scene_find(scene, inbox, ".parts"), "10,20,30,40,50,");
    assert_lists(scene, scene_find(scene, inbox, ".text"),
                 "10.txt,20.txt,30.txt,40.txt,50.txt,");
    script_say(scene->script, 0,
               "* 1 FETCH (FLAGS (\\Flagged))\r\n"
               "* 2 FETCH (FLAGS (\\Seen))\r\n");
    scene_wait(scene, SHORT);
    assert_lists(scene, unseen, "10.eml,40.eml,50.eml,");
    assert_lists(scene, flagged, "10.eml,30.eml,");
    assert_absent(scene, unseen, "20.eml", IMAPFS_ERROR_NOT_FOUND);
    assert_int_equal(box.asked_bodies, 0);
}

static void
test_recent_ages(void **state)
{
    Box box;
    g_autoptr(Scene) scene = new_scene(&box);
    guint64 recent = scene_find(scene, scene_enter(scene), ".recent");
    (void)state;

    assert_lists(scene, recent, "10.eml,20.eml,");
    scene_wait(scene, 2 * MINUTE);
    assert_lists(scene, recent, "10.eml,");
}

typedef struct {
    guint room;
    GString *names;
    gint64 next;
} Reader;

static gboolean
take_one(const char *name, const FsAttributes *attributes, gint64 next,
         gpointer data)
{
    Reader *reader = data;
    (void)attributes;
    if (reader->room == 0)
        return FALSE;
    reader->room--;
    reader->next = next;
    g_string_append_printf(reader->names, "%s,", name);
    return TRUE;
}

/* N entries, from where the reader is. */
static void
read_some(Scene *scene, guint64 ino, Reader *reader, guint n)
{
    MailFault fault = {NULL, NULL};

    g_string_truncate(reader->names, 0);
    reader->room = n;
    assert_true(fs_tree_readdir(scene->tree, ino, reader->next, take_one,
                                reader, &fault));
}

/* A listing goes on where it was, whatever has gone before and behind. */
static void
test_positions_stay(void **state)
{
    static const struct {
        const char *view, *first, *rest;
    } rows[] = {
        {".parts", ".,..,10,20,", "40,50,"},
        {".text", ".,..,10.txt,20.txt,", "40.txt,50.txt,"},
        {".unseen", ".,..,20.eml,40.eml,", "50.eml,"},
        {".search/FROM alice", ".,..,10.eml,20.eml,", "40.eml,"},
        {".threads", ".,..,10,20,", "40,50,"},
        {".threads/20", ".,..,20.eml,30.eml,", ""},
        {".attachments",
         ".,..,2023-11-07 Alice - a.csv,2023-11-07 Alice - b.csv,", ""},
    };
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        Box box;
        g_autoptr(Scene) scene = new_scene(&box);
        guint64 inbox = scene_enter(scene);
        guint64 view = walk(scene, inbox, rows[i].view);
        g_autofree char *all = NULL;
        Reader reader = {0, g_string_new(NULL), 0};

        box.found = " 10 20 30 40";
        all = scene_list(scene, view, NULL);
        assert_non_null(all);
        read_some(scene, view, &reader, 4);
        row_string(rows[i].view, "what comes first", reader.names->str,
                   rows[i].first);
        box.gone[0] = box.gone[2] = TRUE;
        script_say(scene->script, 0, "* 1 EXPUNGE\r\n* 2 EXPUNGE\r\n");
        scene_wait(scene, SHORT);
        read_some(scene, view, &reader, 100);
        row_string(rows[i].view, "the rest", reader.names->str, rows[i].rest);
        read_some(scene, view, &reader, 100);
        row_string(rows[i].view, "the end", reader.names->str, "");
        g_string_free(reader.names, TRUE);
    }
    rows_end();
}

/* Offsets are the kernel's: any may come. */
static void
test_any_position(void **state)
{
    static const gint64 offsets[] = {G_MININT64,
                                     -1,
                                     2,
                                     3,
                                     1 << 20,
                                     (1 << 20) + 8,
                                     G_GINT64_CONSTANT(1) << 32,
                                     G_GINT64_CONSTANT(1) << 33,
                                     (G_GINT64_CONSTANT(1) << 33) + 1,
                                     G_GINT64_CONSTANT(1) << 45,
                                     G_MAXINT64};
    Box box;
    g_autoptr(Scene) scene = new_scene(&box);
    guint64 inbox = scene_enter(scene);
    (void)state;

    fs_tree_list_views(scene->tree);
    for (const char *const *view = view_names; *view != NULL; view++) {
        for (guint i = 0; i < G_N_ELEMENTS(offsets); i++) {
            g_autoptr(Op) op =
                op_new(scene, op_readdir, scene_find(scene, inbox, *view));
            op->next = offsets[i];
            op_run(op);
        }
    }
}

/* ---- while a first listing arrives ---- */

#define ARRIVES(number, uid, flags)                                  \
    "S: * " number " FETCH (UID " uid " FLAGS (" flags               \
    ") INTERNALDATE \"17-Jul-2023 02:44:25 +0000\" RFC822.SIZE 100 " \
    "BODY[HEADER.FIELDS (FROM TO SUBJECT MESSAGE-ID)] \"Subject: x\")\n"

static void
test_while_listing(void **state)
{
    g_autoptr(Scene) scene = scene_new(1);
    g_autoptr(Op) op = NULL;
    guint64 unseen;
    (void)state;

    script_add(
        scene->script, LOGGED_IN("") "C: $l LIST \"\" \"*\"\n"
                                     "S: * LIST () \"/\" INBOX\n"
                                     "S: $l OK done\n"
                                     "C: $e EXAMINE \"INBOX\"\n"
                                     "C: $n UID FETCH 1:* *\n"
                                     "S: * 5 EXISTS\n"
                                     "S: * OK [UIDVALIDITY 7] x\n"
                                     "S: $e OK done\n"
        /* there is nothing to be seen of the first two */
        ARRIVES("1", "10", "\\Seen")
            ARRIVES("2", "20", "\\Seen") "W: 100\n" ARRIVES(
                "3", "30",
                "") "W: 100\n" ARRIVES("4", "40",
                                       "\\Seen") "W: 100\n" ARRIVES("5", "50",
                                                                    "") "S: $n "
                                                                        "OK "
                                                                        "done"
                                                                        "\n");
    op = op_new(scene, op_opendir, 1);
    op_run(op);
    unseen = walk(scene, 1, "INBOX/.unseen");
    op->ino = unseen;
    op_run(op);
    op_assert_fine(op);
    op->ask = op_readdir;
    op_start(op);
    assert_false(op->done);
    script_run(scene->script, &op->done, 150 * CLOCK_MILLISECOND);
    assert_string_equal(op->names->str, "30.eml,");
    op_wait(op);
    op_assert_fine(op);
    assert_string_equal(op->names->str, "30.eml,50.eml,");
    assert_lists(scene, unseen, "30.eml,50.eml,");
}

/* Those that were passed by are looked at again the next time. */
static void
test_passed_by(void **state)
{
    g_autoptr(Scene) scene = scene_new(1);
    g_autoptr(Op) op = NULL;
    guint64 unseen;
    (void)state;

    script_add(
        scene->script,
        LOGGED_IN("") "C: $l LIST \"\" \"*\"\n"
                      "S: * LIST () \"/\" INBOX\n"
                      "S: $l OK done\n"
                      "C: $e EXAMINE \"INBOX\"\n"
                      "C: $n UID FETCH 1:* *\n"
                      "S: * 2 EXISTS\n"
                      "S: * OK [UIDVALIDITY 7] x\n"
                      "S: $e OK done\n" ARRIVES(
                          "1", "10",
                          "\\Seen") "W: 100\n"
                                    "S: * 1 FETCH (UID 10 FLAGS ())\n"
                                    "W: 100\n" ARRIVES(
                                        "2", "20", "\\Seen") "S: $n OK done\n");
    op = op_new(scene, op_opendir, 1);
    op_run(op);
    unseen = walk(scene, 1, "INBOX/.unseen");
    op->ask = op_readdir;
    op->ino = unseen;
    op_start(op);
    scene_wait(scene, 50 * CLOCK_MILLISECOND);
    assert_false(op->done);
    fs_park_interrupt(&op->parked);
    op_wait(op);
    op_assert_failed(op, IMAPFS_ERROR_CANCELLED);
    scene_wait(scene, CLOCK_SECOND);
    assert_lists(scene, unseen, "10.eml,");
}

/* A large mailbox of which nothing is to be seen costs one look at each. */
static void
test_long_listing(void **state)
{
    enum { MESSAGES = 400000, STEP = 100 };
    g_autoptr(Scene) scene = scene_new(1);
    MailFault fault = {NULL, NULL};
    Reader reader = {100, g_string_new(NULL), 2};
    MailMailbox *inbox;
    guint64 unseen;
    double before;
    (void)state;

    script_add(scene->script, LOGGED_IN("") "C: $l LIST \"\" \"*\"\n"
                                            "S: * LIST () \"/\" INBOX\n"
                                            "S: $l OK done\n");
    assert_lists(scene, 1, "INBOX,");
    unseen = walk(scene, 1, "INBOX/.unseen");
    inbox = mail_mailbox_child(mail_account_root(scene->account), "INBOX");
    inbox->listing = MAIL_LISTING;
    before = cpu_seconds();
    for (guint32 uid = 1; uid <= MESSAGES; uid++) {
        MailMessage message = {.uid = uid, .flags = MAIL_FLAG_SEEN};
        message.fields = g_strnfill(MAIL_N_FIELDS, '\0');
        mail_mailbox_insert(inbox, &message);
        inbox->listed_to = uid;
        if (uid % STEP == 0)
            assert_false(fs_tree_readdir(scene->tree, unseen, reader.next,
                                         take_one, &reader, &fault));
    }
    assert_true(cpu_seconds() - before < 2);
    assert_string_equal(reader.names->str, "");
    g_string_free(reader.names, TRUE);
}

/* ---- parts ---- */

static void
test_parts(void **state)
{
    Box box;
    g_autoptr(Scene) scene = new_scene(&box);
    guint64 inbox = scene_enter(scene);
    guint64 parts = scene_find(scene, inbox, ".parts");
    FsAttributes attributes;
    (void)state;

    assert_lists(scene, parts, "10,20,30,40,50,");
    assert_int_equal(box.asked_bodies, 0);
    assert_lists(scene, walk(scene, parts, "20"),
                 "headers,body.txt,a.csv,b.csv,");
    assert_lists(scene, walk(scene, parts, "40"), "headers,inner.eml,inner,");
    assert_lists(scene, walk(scene, parts, "40/inner"), "headers,body.txt,");
    assert_reads(scene, walk(scene, parts, "20/a.csv"), "1;2");
    assert_reads(scene, walk(scene, parts, "20/b.csv"), "3;4");
    assert_reads(scene, walk(scene, parts, "40/inner/body.txt"), "nested");
    attributes = attributes_of(scene, walk(scene, parts, "20/a.csv"));
    assert_int_equal(attributes.stat.st_mode, S_IFREG | 0400);
    assert_int_equal(attributes.stat.st_nlink, 1);
    assert_int_equal(attributes.stat.st_size, 3);
    assert_int_equal(attributes.stat.st_mtime, 1699395300);
    assert_int_equal(attributes.generation, 7);
    assert_false(attributes.inexact);
    attributes = attributes_of(scene, walk(scene, parts, "20"));
    assert_int_equal(attributes.stat.st_mode, S_IFDIR | 0500);
    assert_int_equal(attributes.stat.st_mtime, 1699395300);
}

static void
test_headers(void **state)
{
    Box box;
    g_autoptr(Scene) scene = new_scene(&box);
    guint64 parts = walk(scene, scene_enter(scene), ".parts");
    Copy made = scene_copy(scene, walk(scene, parts, "40/inner/headers"), 1000);
    (void)state;

    assert_null(made.error);
    assert_non_null(strstr(made.data->str, "Subject: inner"));
    assert_null(strstr(made.data->str, "forwarded"));
    copy_clear(&made);
    made = scene_copy(scene, walk(scene, parts, "40/headers"), 1000);
    assert_null(made.error);
    assert_non_null(strstr(made.data->str, "Subject: forwarded"));
    copy_clear(&made);
}

/* Nobody waits for the size of a text; once it has been made it is right. */
static void
test_texts(void **state)
{
    Box box;
    g_autoptr(Scene) scene = new_scene(&box);
    guint64 text = walk(scene, scene_enter(scene), ".text/10.txt");
    FsAttributes attributes = attributes_of(scene, text);
    Copy made;
    (void)state;

    assert_int_equal(box.asked_bodies, 0);
    assert_true(attributes.inexact);
    assert_true(attributes.stat.st_size > 0);
    made = scene_copy(scene, text, 1000);
    assert_null(made.error);
    assert_non_null(strstr(made.data->str, "a kettle"));
    assert_int_equal(made.shown, made.data->len);
    assert_true((gsize)attributes.stat.st_size >= made.data->len);
    copy_clear(&made);
    attributes = attributes_of(scene, text);
    assert_false(attributes.inexact);
    assert_int_equal(attributes.stat.st_mode, S_IFREG | 0400);
    assert_int_equal(attributes.stat.st_mtime, 1699869600);
}

static void
test_kinds_hold(void **state)
{
    static const char *const files[] = {".text/10.txt", ".parts/10/headers",
                                        ".parts/10/body.txt"};
    static const char *const directories[] = {".text", ".parts", ".parts/10",
                                              ".search", ".attachments"};
    Box box;
    g_autoptr(Scene) scene = new_scene(&box);
    guint64 inbox = scene_enter(scene);
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autoptr(Op) op =
            op_new(scene, op_opendir, walk(scene, inbox, files[i]));
        op_run(op);
        op_assert_failed(op, IMAPFS_ERROR_NOT_DIRECTORY);
    }
    for (guint i = 0; i < G_N_ELEMENTS(directories); i++) {
        g_autoptr(Op) op =
            op_new(scene, op_open, walk(scene, inbox, directories[i]));
        op_run(op);
        op_assert_failed(op, IMAPFS_ERROR_IS_DIRECTORY);
    }
}

static char *
xattr(Scene *scene, guint64 ino, const char *name)
{
    MailFault fault = {NULL, NULL};
    char *value = NULL;

    if (!fs_tree_getxattr(scene->tree, ino, name, &value, &fault)) {
        assert_non_null(fault.error);
        assert_int_equal(fault.error->code, IMAPFS_ERROR_NO_ATTRIBUTE);
        g_error_free(fault.error);
    }
    return value;
}

static void
test_xattrs(void **state)
{
    static const struct {
        const char *path, *type;
    } rows[] = {
        {".parts/20/a.csv", "text/csv"},
        {".parts/20/headers", "text/plain"},
        {".parts/40/inner.eml", "message/rfc822"},
        {".text/10.txt", "text/plain"},
        {".unseen/20.eml", "message/rfc822"},
        {".parts/20", NULL},
        {".unseen", NULL},
    };
    Box box;
    g_autoptr(Scene) scene = new_scene(&box);
    guint64 inbox = scene_enter(scene);
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        guint64 ino = walk(scene, inbox, rows[i].path);
        g_autofree char *type = xattr(scene, ino, "user.mime_type");
        g_autofree char *uid = xattr(scene, ino, "user.imap.uid");
        row_string(rows[i].path, "its type", type, rows[i].type);
        row_string(rows[i].path, "its UID", uid,
                   fs_node_of(ino).kind == FS_MESSAGE ? "20" : NULL);
    }
    rows_end();
}

/* The mailbox is another one: what is open is stale, and no longer there. */
static void
test_replaced(void **state)
{
    Box box;
    g_autoptr(Scene) scene = new_scene(&box);
    guint64 inbox = scene_enter(scene);
    MailMailbox *mailbox =
        mail_mailbox_child(mail_account_root(scene->account), "INBOX");
    g_autoptr(Op) part =
        scene_open(scene, walk(scene, inbox, ".parts/20/a.csv"), 10);
    g_autoptr(Op) text =
        scene_open(scene, walk(scene, inbox, ".text/20.txt"), 10);
    (void)state;

    mailbox->uidvalidity++;
    op_run(part);
    op_assert_failed(part, IMAPFS_ERROR_STALE);
    op_run(text);
    op_assert_failed(text, IMAPFS_ERROR_STALE);
    mailbox->uidvalidity--;
    op_run(part);
    op_assert_fine(part);
    assert_int_equal(part->got, 3);
}

/* The views of a mailbox that took the place of another are its own. */
static void
test_incarnation(void **state)
{
    Box box;
    g_autoptr(Scene) scene = new_scene(&box);
    guint64 inbox = scene_enter(scene);
    MailMailbox *mailbox =
        mail_mailbox_child(mail_account_root(scene->account), "INBOX");
    (void)state;

    mailbox->incarnation = 3;
    assert_lists(scene, walk(scene, inbox, ".parts/20"),
                 "headers,body.txt,a.csv,b.csv,");
    assert_int_equal(walk(scene, inbox, ".unseen/20.eml"),
                     walk(scene, inbox, "20.eml"));
    attributes_of(scene, walk(scene, inbox, ".text/20.txt"));
    assert_lists(scene, walk(scene, inbox, ".unseen"), "20.eml,40.eml,50.eml,");
}

/* Numbers are the kernel's, and nothing is asserted on them. */
static void
test_any_node(void **state)
{
    Box box;
    g_autoptr(Scene) scene = new_scene(&box);
    guint64 inbox = scene_enter(scene);
    guint16 mailboxes[] = {0, fs_node_of(inbox).mailbox, 999};
    guint16 parts[] = {0, 1, 3, 7, 8, 0xfff};
    guint32 uids[] = {0, 10, 20, 40, 41, G_MAXUINT32};
    (void)state;

    for (guint i = 0; i < 16 * 3 * 6 * 6; i++) {
        FsNode node = {.kind = (FsKind)(i % 16),
                       .mailbox = mailboxes[i / 16 % 3],
                       .part = parts[i / 48 % 6],
                       .uid = uids[i / 288]};
        guint64 ino = fs_node_ino(node);
        gboolean (*const asks[])(Op *, MailFault *) = {
            op_getattr, op_opendir, op_readdir, op_lookup, op_open};
        for (guint at = 0; at < G_N_ELEMENTS(asks); at++) {
            g_autoptr(Op) op = op_new(scene, asks[at], ino);
            g_autofree char *value = NULL;
            op->name = "1";
            op_run(op);
            if (op->error == NULL)
                value = xattr(scene, ino, "user.mime_type");
        }
        assert_true(fs_tree_parent(scene->tree, ino) != 0);
    }
}

/* ---- attachments ---- */

static void
test_attachments(void **state)
{
    Box box;
    g_autoptr(Scene) scene = new_scene(&box);
    guint64 inbox = scene_enter(scene);
    guint64 all = scene_find(scene, inbox, ".attachments");
    (void)state;

    assert_lists(scene, all,
                 "2023-11-07 Alice - a.csv,2023-11-07 Alice - b.csv,"
                 "2023-11-07 Alice - a.30.csv,2023-11-07 Alice - a.30 (2).csv,"
                 "2023-11-07 Alice - a.30 (3).csv,");
    assert_reads(scene, scene_find(scene, all, "2023-11-07 Alice - a.csv"),
                 "1;2");
    assert_reads(scene, scene_find(scene, all, "2023-11-07 Alice - a.30.csv"),
                 "5;6;7");
    assert_reads(scene,
                 scene_find(scene, all, "2023-11-07 Alice - a.30 (3).csv"),
                 "9;9");
    assert_int_equal(scene_find(scene, all, "2023-11-07 Alice - b.csv"),
                     walk(scene, inbox, ".parts/20/b.csv"));
    box.gone[1] = TRUE;
    script_say(scene->script, 0, "* 2 EXPUNGE\r\n");
    scene_wait(scene, SHORT);
    assert_absent(scene, all, "2023-11-07 Alice - b.csv",
                  IMAPFS_ERROR_NOT_FOUND);
    assert_reads(scene, scene_find(scene, all, "2023-11-07 Alice - a.csv"),
                 "5;6;7");
}

/* Nothing is known of so many messages, and nobody can be asked. */
static void
test_attachments_offline(void **state)
{
    g_autoptr(Scene) scene = scene_new(1);
    guint64 all;
    double before;
    (void)state;

    for (guint uid = 1; uid <= 20000; uid++)
        server_add(&scene->server, uid, 40, -1);
    scene_serve(scene, 1);
    all = scene_find(scene, scene_enter(scene), ".attachments");
    script_hang_up(scene->script, 0);
    scene_wait(scene, MINUTE);
    before = cpu_seconds();
    for (guint i = 0; i < 3000; i++)
        assert_absent(scene, all, "a.csv", IMAPFS_ERROR_NOT_FOUND);
    if (cpu_seconds() - before > 5)
        fail_msg("it took %.1f seconds", cpu_seconds() - before);
}

/* ---- searches ---- */

static void
test_search(void **state)
{
    Box box;
    g_autoptr(Scene) scene = new_scene(&box);
    guint64 inbox = scene_enter(scene);
    guint64 searches = scene_find(scene, inbox, ".search");
    guint64 search = scene_find(scene, searches, "FROM alice");
    FsAttributes attributes = attributes_of(scene, search);
    g_autoptr(Op) forgotten = NULL;
    (void)state;

    assert_int_equal(attributes.stat.st_mode, S_IFDIR | 0500);
    assert_int_equal(attributes.stat.st_nlink, 1);
    assert_int_equal(fs_tree_parent(scene->tree, search), searches);
    assert_int_equal(scene_find(scene, searches, "FROM alice"), search);
    assert_int_not_equal(scene_find(scene, searches, "FROM bob"), search);
    assert_lists(scene, search, "");
    assert_lists(scene, searches, "");
    box.found = " 20 40 41";
    search = scene_find(scene, searches, "unseen");
    assert_lists(scene, search, "20.eml,40.eml,");
    assert_int_equal(scene_find(scene, search, "20.eml"),
                     scene_find(scene, inbox, "20.eml"));
    assert_int_equal(
        scene_find(scene, search, "2023-11-07 2215 Alice - figures.20.eml"),
        scene_find(scene, inbox, "20.eml"));
    assert_absent(scene, search, "10.eml", IMAPFS_ERROR_NOT_FOUND);
    assert_absent(scene, search, "41.eml", IMAPFS_ERROR_NOT_FOUND);
    attributes_of(scene, search);
    forgotten = op_new(scene, op_getattr,
                       fs_node_ino((FsNode){
                           .kind = FS_SEARCH,
                           .mailbox = fs_node_of(search).mailbox,
                           .uid = fs_node_of(search).uid + 1000,
                       }));
    op_run(forgotten);
    op_assert_failed(forgotten, IMAPFS_ERROR_STALE);
    assert_absent(scene, searches, "SUBJECT", IMAPFS_ERROR_USAGE);
    assert_absent(scene, searches, "form:alice", IMAPFS_ERROR_USAGE);
}

static gboolean
pin(Scene *scene, guint64 parent, const char *name, gboolean pinned)
{
    MailFault fault = {NULL, NULL};
    FsAttributes attributes;
    gboolean done =
        fs_tree_pin(scene->tree, parent, name, pinned, &attributes, &fault);

    assert_null(fault.want);
    if (done && pinned)
        assert_int_equal(attributes.stat.st_ino,
                         scene_find(scene, parent, name));
    g_clear_error(&fault.error);
    return done;
}

/* SCENE begins anew, with a place for searches. */
static void
keep_in(Scene *scene, const char *folder)
{
    MailAccountSetup setup = {.login = &scene->login,
                              .dialer = script_dialer(scene->script),
                              .clock = scene->clock,
                              .connections = 1,
                              .cache_limit = 1 << 20,
                              .state = folder};

    fs_park_free(scene->park);
    fs_tree_free(scene->tree);
    mail_account_free(scene->account);
    scene->account = mail_account_new(&setup);
    scene->tree =
        fs_tree_new(scene->account, scene->clock, FS_NAMES_UID, NULL, NULL);
    scene->park = fs_park_new(scene->account, scene->clock, SCENE_DEADLINE);
}

static void
test_pins(void **state)
{
    g_autofree char *folder = g_dir_make_tmp("imapfs-views-XXXXXX", NULL);
    g_autofree char *file = g_build_filename(folder, "searches", NULL);
    Box box;
    g_autoptr(Scene) scene = new_scene(&box);
    guint64 inbox, searches, unseen;
    (void)state;

    keep_in(scene, folder);
    inbox = scene_enter(scene);
    searches = scene_find(scene, inbox, ".search");
    unseen = scene_find(scene, searches, "unseen");
    assert_false(fs_tree_is_pinned(scene->tree, unseen));
    assert_true(pin(scene, searches, "unseen", TRUE));
    assert_true(pin(scene, searches, "from:alice", TRUE));
    assert_true(fs_tree_is_pinned(scene->tree, unseen));
    assert_int_equal(scene_find(scene, searches, "unseen"), unseen);
    assert_lists(scene, searches, "unseen,from:alice,");
    assert_false(pin(scene, searches, "form:alice", TRUE));
    assert_false(pin(scene, searches, ".hidden", TRUE));
    assert_false(pin(scene, inbox, "unseen", TRUE));
    assert_false(pin(scene, unseen, "unseen", TRUE));
    assert_false(
        pin(scene, scene_find(scene, inbox, ".unseen"), "unseen", TRUE));
    assert_true(pin(scene, searches, "unseen", FALSE));
    assert_false(fs_tree_is_pinned(scene->tree, unseen));
    assert_false(fs_tree_is_pinned(scene->tree, searches));
    assert_lists(scene, searches, "from:alice,");
    assert_int_equal(g_unlink(file), 0);
    assert_int_equal(g_rmdir(folder), 0);
}

/* ---- conversations ---- */

static void
test_threads(void **state)
{
    Box box;
    g_autoptr(Scene) scene = new_scene(&box);
    guint64 inbox = scene_enter(scene);
    guint64 threads = scene_find(scene, inbox, ".threads");
    guint64 first = scene_find(scene, threads, "10");
    (void)state;

    assert_lists(scene, threads, "10,20,40,");
    assert_lists(scene, first, "10.eml,50.eml,");
    assert_lists(scene, walk(scene, threads, "20"), "20.eml,30.eml,");
    assert_int_equal(attributes_of(scene, first).stat.st_mode, S_IFDIR | 0500);
    assert_int_equal(fs_tree_parent(scene->tree, first), threads);
    assert_int_equal(
        scene_find(scene, threads, "2023-11-13 1000 Alice - plain.10"), first);
    assert_int_equal(scene_find(scene, first, "50.eml"),
                     scene_find(scene, inbox, "50.eml"));
    assert_absent(scene, threads, "30", IMAPFS_ERROR_NOT_FOUND);
    assert_absent(scene, threads, "nothing", IMAPFS_ERROR_NOT_FOUND);
    assert_absent(scene, first, "20.eml", IMAPFS_ERROR_NOT_FOUND);
    box.gone[0] = TRUE;
    script_say(scene->script, 0, "* 1 EXPUNGE\r\n");
    scene_wait(scene, SHORT);
    assert_lists(scene, threads, "20,40,50,");
    assert_absent(scene, threads, "10", IMAPFS_ERROR_NOT_FOUND);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found_by_name_only),
        cmocka_unit_test(test_listed_on_request),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_no_names),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_selections),
        cmocka_unit_test(test_recent_ages),
        cmocka_unit_test(test_positions_stay),
        cmocka_unit_test(test_any_position),
        cmocka_unit_test(test_while_listing),
        cmocka_unit_test(test_passed_by),
        cmocka_unit_test(test_long_listing),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_kinds_hold),
        cmocka_unit_test(test_xattrs),
        cmocka_unit_test(test_replaced),
        cmocka_unit_test(test_incarnation),
        cmocka_unit_test(test_any_node),
        cmocka_unit_test(test_attachments),
        cmocka_unit_test(test_attachments_offline),
        cmocka_unit_test(test_search),
        cmocka_unit_test(test_pins),
        cmocka_unit_test(test_threads),
    };
    g_setenv("TZ", "UTC", TRUE);
    g_mime_init();
    rows_begin_program();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
