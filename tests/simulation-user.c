/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "base/error.h"
#include "imap/utf7.h"
#include "simulation.h"

static void step_op(Op *op);

void
op_result_clear(OpResult *result)
{
    g_clear_error(&result->error);
    g_clear_pointer(&result->listed, g_hash_table_unref);
}

static void
free_op(Op *op)
{
    fs_park_leave(&op->parked);
    g_clear_pointer(&op->listed, g_hash_table_unref);
    g_clear_pointer(&op->stable, g_array_unref);
    g_clear_pointer(&op->file, fs_file_free);
    g_string_free(op->text, TRUE);
    g_free(op->mailbox);
    g_free(op->name);
    g_free(op);
}

/* The content of what was opened. */
static guint64
content_of(const Op *op)
{
    return world_content(op->run->world, op->mailbox,
                         (guint32)op->file_uidvalidity, op->uid);
}

static void
check_error(Op *op, const GError *error)
{
    Run *run = op->run;
    const WorldMailbox *mailbox = world_mailbox(run->world, op->mailbox);
    gboolean gone = error->code == IMAPFS_ERROR_NOT_FOUND ||
                    error->code == IMAPFS_ERROR_STALE ||
                    error->code == IMAPFS_ERROR_CANCELLED;
    gboolean away = error->code == IMAPFS_ERROR_OFFLINE ||
                    error->code == IMAPFS_ERROR_TIMEOUT;

    if (run->offline)
        CHECK(run, gone || away, "without a server, kind %d of %s/%s: %s",
              (int)op->kind, op->mailbox, op->name, error->message);
    else
        CHECK(run,
              run->faults || gone ||
                  (op->kind >= OP_PART && run->world->wrong_parts) ||
                  (op->kind != OP_LIST && op->kind != OP_LOOKUP &&
                   world_message(mailbox, op->uid) == NULL) ||
                  (op->kind == OP_PART &&
                   world_letter(run->world, content_of(op)) == NULL),
              "without any fault, kind %d of %s/%s UID %u: %s", (int)op->kind,
              op->mailbox, op->name, op->uid, error->message);
}

void
op_end(Op *op, const GError *error)
{
    Run *run = op->run;
    gint64 took = clock_now(run->clock) - op->started;

    run->done++;
    CHECK(run, took <= SIMULATION_TIMEOUT + SIMULATION_SLACK,
          "an operation of kind %d took %" G_GINT64_FORMAT " s", (int)op->kind,
          took / CLOCK_SECOND);
    if (error != NULL) {
        run->errors++;
        check_error(op, error);
    }
    if (op->result != NULL) {
        *op->result = (OpResult){.over = TRUE,
                                 .error = error ? g_error_copy(error) : NULL,
                                 .listed = g_steal_pointer(&op->listed),
                                 .octets = op->at};
    }
    g_ptr_array_remove_fast(run->ops, op);
    free_op(op);
}

void
op_interrupt(Op *op)
{
    fs_park_interrupt(&op->parked);
}

static void
on_resume(FsParked *parked, const GError *error)
{
    Op *op = (Op *)(gpointer)parked;
    if (error != NULL)
        op_end(op, error);
    else
        step_op(op);
}

/* ---- listings ---- */

static gboolean
take_entry(const char *name, const FsAttributes *attributes, gint64 next,
           gpointer data)
{
    Op *op = data;
    /* Like the kernel with a small buffer: a few entries at a time. */
    if (run_any(op->run, 8) == 0 && op->emitted > 0)
        return FALSE;
    op->emitted++;
    op->offset = next;
    CHECK(op->run, g_hash_table_add(op->listed, g_strdup(name)),
          "%s/%s was listed twice", op->mailbox, name);
    CHECK(op->run, strchr(name, '/') == NULL && *name != '\0',
          "a name that cannot be: %s", name);
    if (op->exact && op->run->world->wrong_sizes == 0 &&
        S_ISREG(attributes->stat.st_mode)) {
        const WorldMessage *message =
            world_message(world_mailbox(op->run->world, op->mailbox),
                          (guint32)strtoul(name, NULL, 10));
        CHECK(op->run,
              message == NULL || message->size == attributes->stat.st_size,
              "%s/%s has %ld octets instead of %u", op->mailbox, name,
              (long)attributes->stat.st_size, message->size);
    }
    return TRUE;
}

/* Nothing is listed that is not there any more. */
static void
check_extra(Op *op, const WorldMailbox *mailbox)
{
    GHashTableIter iter;
    gpointer name;

    g_hash_table_iter_init(&iter, op->listed);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        char *end;
        guint32 uid = (guint32)strtoul(name, &end, 10);
        CHECK(op->run,
              strcmp(end, op->in_view ? "" : ".eml") != 0 ||
                  world_message(mailbox, uid) != NULL,
              "%s/%s is listed and is not there", op->mailbox, (char *)name);
    }
}

static void
check_listing(Op *op)
{
    WorldMailbox *mailbox = world_mailbox(op->run->world, op->mailbox);

    if (mailbox == NULL || mailbox->uidvalidity != op->uidvalidity)
        return;
    for (guint i = 0; i < op->stable->len; i++) {
        guint32 uid = g_array_index(op->stable, guint32, i);
        g_autofree char *name =
            g_strdup_printf("%u%s", uid, op->in_view ? "" : ".eml");
        CHECK(op->run,
              world_message(mailbox, uid) == NULL ||
                  g_hash_table_contains(op->listed, name),
              "%s/%s was there all the time and is not listed", op->mailbox,
              name);
    }
    if (op->exact)
        check_extra(op, mailbox);
}

/* Step by step, as the kernel does. */
static gboolean
find_mailbox(Op *op, FsAttributes *ret, MailFault *fault)
{
    g_autofree char *path = imap_utf7_decode(op->mailbox);
    g_auto(GStrv) steps = g_strsplit(path, "/", -1);
    guint64 at = 1;

    for (char **step = steps; *step != NULL; step++) {
        if (!fs_tree_lookup(op->run->tree, at, *step, ret, fault))
            return FALSE;
        at = ret->stat.st_ino;
    }
    return TRUE;
}

/* A mailbox, or the view of it that is to be listed. */
static gboolean
find_listed(Op *op, FsAttributes *ret, MailFault *fault)
{
    return find_mailbox(op, ret, fault) &&
           (!op->in_view || fs_tree_lookup(op->run->tree, ret->stat.st_ino,
                                           ".parts", ret, fault));
}

static gboolean
ask_listing(Op *op, MailFault *fault)
{
    FsAttributes directory;

    for (;;) {
        gint64 before = op->offset;
        if (!find_listed(op, &directory, fault) ||
            (!op->opened &&
             !fs_tree_opendir(op->run->tree, directory.stat.st_ino, fault)))
            return FALSE;
        op->opened = TRUE;
        op->emitted = 0;
        if (!fs_tree_readdir(op->run->tree, directory.stat.st_ino, op->offset,
                             take_entry, op, fault))
            return FALSE;
        if (op->offset == before) {
            check_listing(op);
            return TRUE;
        }
    }
}

/* ---- messages ---- */

static gboolean
check_octets(Op *op, const guint8 *buffer, gsize n)
{
    guint64 content = content_of(op);

    for (gsize i = 0; i < n; i++) {
        if (content == 0 ||
            buffer[i] != world_octet(op->run->world, content, op->at + i)) {
            CHECK(op->run, FALSE,
                  "wrong octet at %" G_GUINT64_FORMAT " of %s/%u", op->at + i,
                  op->mailbox, op->uid);
            return FALSE;
        }
    }
    return TRUE;
}

static void
check_end_of_file(Op *op)
{
    const WorldMailbox *mailbox = world_mailbox(op->run->world, op->mailbox);
    const WorldMessage *message = world_message(mailbox, op->uid);

    CHECK(op->run,
          message == NULL || op->at >= message->size ||
              mailbox->uidvalidity != op->file_uidvalidity,
          "%s/%u ended at %" G_GUINT64_FORMAT " of %u", op->mailbox, op->uid,
          op->at, message->size);
}

static gboolean
find_file(Op *op, MailFault *fault)
{
    FsAttributes directory;
    FsAttributes file;

    if (!find_mailbox(op, &directory, fault) ||
        !fs_tree_lookup(op->run->tree, directory.stat.st_ino, op->name, &file,
                        fault) ||
        (!op->run->spared &&
         !fs_tree_open(op->run->tree, file.stat.st_ino, &op->file, fault)))
        return FALSE;
    /* The kernel keeps no size that is inexact. */
    if (op->run->spared && file.inexact &&
        !fs_tree_getattr(op->run->tree, file.stat.st_ino, &file, fault))
        return FALSE;
    op->ino = file.stat.st_ino;
    op->promised = (guint64)file.stat.st_size;
    op->file_uidvalidity = file.generation;
    return TRUE;
}

/* The kernel asks once more, at the end, if it was told of a change. */
static gboolean
check_promise(Op *op, MailFault *fault)
{
    FsAttributes file;

    if (!fs_tree_getattr(op->run->tree, op->ino, &file, fault))
        return FALSE;
    CHECK(op->run, (guint64)file.stat.st_size == op->promised,
          "%s/%u had %" G_GUINT64_FORMAT " octets and has %ld", op->mailbox,
          op->uid, op->promised, (long)file.stat.st_size);
    return TRUE;
}

/* As the kernel, which stops at the size that it was told. */
static gboolean
ask_read_unopened(Op *op, MailFault *fault)
{
    guint8 buffer[9000];
    gsize n;

    while (op->at < op->promised) {
        gsize size = (gsize)MIN(op->size, op->promised - op->at);
        if (!fs_tree_read_unopened(op->run->tree, op->ino, op->at, buffer, size,
                                   &n, fault))
            return FALSE;
        CHECK(op->run, n == size,
              "%s/%u was to have %" G_GUINT64_FORMAT
              " octets, and ended before",
              op->mailbox, op->uid, op->promised);
        if (!check_octets(op, buffer, n) || n < size)
            return TRUE;
        op->at += n;
        if (!op->to_end)
            return TRUE;
    }
    if (!check_promise(op, fault))
        return FALSE;
    check_end_of_file(op);
    return TRUE;
}

static gboolean
ask_read(Op *op, MailFault *fault)
{
    guint8 buffer[9000];
    gsize n;

    if (op->ino == 0 && !find_file(op, fault))
        return FALSE;
    if (op->run->spared)
        return ask_read_unopened(op, fault);
    do {
        if (!fs_tree_read(op->run->tree, op->file, op->at, buffer, op->size, &n,
                          fault))
            return FALSE;
        if (!check_octets(op, buffer, n))
            return TRUE;
        op->at += n;
        if (n < op->size) { /* the end, or so it says */
            check_end_of_file(op);
            return TRUE;
        }
    } while (op->to_end);
    return TRUE;
}

/* ---- parts ---- */

/* What was read so far is what is there. */
static gboolean
check_part(Op *op, gboolean all)
{
    World *world = op->run->world;
    g_autoptr(GString) right =
        world_letter_part(world, content_of(op), op->part);

    if (right == NULL)
        return TRUE;
    if (op->text->len <= right->len && (!all || op->text->len == right->len) &&
        memcmp(op->text->str, right->str, op->text->len) == 0)
        return TRUE;
    CHECK(op->run, FALSE, "part %u of %s/%u is not what it is: %zu of %zu",
          op->part, op->mailbox, op->uid, op->text->len, right->len);
    return FALSE;
}

/* A text has the words of its letter, and of no other. */
static void
check_text(Op *op)
{
    guint64 content = content_of(op);
    g_autofree char *word = g_strdup_printf("word%" G_GUINT64_FORMAT ".%u\n",
                                            content, WORLD_PART_TEXT);
    g_autofree char *subject =
        g_strdup_printf("Subject: letter %" G_GUINT64_FORMAT "\n", content);

    if (world_letter(op->run->world, content) != NULL)
        CHECK(op->run,
              strstr(op->text->str, word) != NULL &&
                  strstr(op->text->str, subject) != NULL,
              "the text of %s/%u is \"%s\"", op->mailbox, op->uid,
              op->text->str);
}

static gboolean
open_part(Op *op, MailFault *fault)
{
    FsTree *tree = op->run->tree;
    g_autofree char *name =
        g_strdup_printf(op->kind == OP_TEXT ? "%u.txt" : "%u", op->uid);
    FsAttributes at;
    FsNode node;

    if (!find_mailbox(op, &at, fault) ||
        !fs_tree_lookup(tree, at.stat.st_ino,
                        op->kind == OP_TEXT ? ".text" : ".parts", &at, fault) ||
        !fs_tree_lookup(tree, at.stat.st_ino, name, &at, fault))
        return FALSE;
    op->file_uidvalidity = at.generation;
    node = fs_node_of(at.stat.st_ino);
    if (op->kind == OP_PART) {
        node.kind = op->part == WORLD_PART_HEADERS ? FS_HEADERS : FS_PART;
        node.part = (guint16)op->part;
    }
    return fs_tree_getattr(tree, fs_node_ino(node), &at, fault) &&
           fs_tree_open(tree, fs_node_ino(node), &op->file, fault);
}

static gboolean
ask_part(Op *op, MailFault *fault)
{
    char buffer[9000];
    gsize n;

    if (op->file == NULL && !open_part(op, fault))
        return FALSE;
    do {
        if (!fs_tree_read(op->run->tree, op->file, op->text->len, buffer,
                          op->size, &n, fault))
            return FALSE;
        g_string_append_len(op->text, buffer, (gssize)n);
        if (op->kind == OP_PART && !check_part(op, n == 0))
            return TRUE;
    } while (n > 0 && op->to_end);
    if (op->kind == OP_TEXT && n == 0)
        check_text(op);
    return TRUE;
}

/* Both are words in any order. */
static gboolean
same_words(const char *one, const char *other)
{
    g_auto(GStrv) ones = g_strsplit(one, " ", -1);
    g_auto(GStrv) others = g_strsplit(other, " ", -1);

    if (g_strv_length(ones) != g_strv_length(others))
        return FALSE;
    for (char **word = ones; *word != NULL; word++) {
        if (!g_strv_contains((const char *const *)others, *word))
            return FALSE;
    }
    return TRUE;
}

static void
check_flags(Op *op, const char *flags)
{
    const WorldMailbox *mailbox = world_mailbox(op->run->world, op->mailbox);
    const WorldMessage *message = world_message(mailbox, op->uid);
    g_autofree char *right = world_flags_text(message ? message->flags : 0);

    if (message != NULL)
        CHECK(op->run, same_words(flags, right),
              "%s/%u has the flags \"%s\" instead of \"%s\"", op->mailbox,
              op->uid, flags, right);
}

static gboolean
ask_attributes(Op *op, MailFault *fault)
{
    FsAttributes directory;
    FsAttributes file;
    g_autofree char *value = NULL;
    g_autofree char *flags = NULL;

    if (!find_mailbox(op, &directory, fault) ||
        !fs_tree_lookup(op->run->tree, directory.stat.st_ino, op->name, &file,
                        fault))
        return FALSE;
    if (op->kind == OP_LOOKUP)
        return TRUE;
    if (!fs_tree_getxattr(op->run->tree, file.stat.st_ino, "user.imap.uid",
                          &value, fault) ||
        !fs_tree_getxattr(op->run->tree, file.stat.st_ino, "user.imap.flags",
                          &flags, fault))
        return FALSE;
    CHECK(op->run, strtoul(value, NULL, 10) == op->uid, "UID %s instead of %u",
          value, op->uid);
    if (op->exact)
        check_flags(op, flags);
    return TRUE;
}

/* ---- asking ---- */

static void
step_op(Op *op)
{
    MailFault fault = {NULL, NULL};
    g_autoptr(GError) error = NULL;
    gboolean answered = op->kind == OP_LIST   ? ask_listing(op, &fault)
                        : op->kind == OP_READ ? ask_read(op, &fault)
                        : op->kind == OP_PART || op->kind == OP_TEXT
                            ? ask_part(op, &fault)
                            : ask_attributes(op, &fault);
    if (!answered && fault.want != NULL) {
        CHECK(op->run, fault.error == NULL, "a want and an error");
        fs_park_wait(op->run->park, &op->parked, fault.want);
        return;
    }
    error = fault.error;
    op_end(op, answered ? NULL : error);
}

Op *
op_new(Run *run, OpKind kind, const WorldMailbox *mailbox, guint32 uid)
{
    Op *op = g_new0(Op, 1);

    op->run = run;
    op->parked.resume = on_resume;
    op->kind = kind;
    op->mailbox = g_strdup(mailbox->name);
    op->uid = uid;
    op->name = g_strdup_printf("%u.eml", uid);
    op->uidvalidity = mailbox->uidvalidity;
    op->listed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    op->stable = g_array_new(FALSE, FALSE, sizeof(guint32));
    op->text = g_string_new(NULL);
    op->size = 8192;
    op->to_end = TRUE;
    return op;
}

void
op_begin(Op *op)
{
    const WorldMailbox *mailbox = world_mailbox(op->run->world, op->mailbox);

    for (guint i = 0; i < mailbox->messages->len; i++) {
        const WorldMessage *message = world_message_at(mailbox, i);
        /* What came later may not be known yet, if the wire was down. */
        if (op->exact || message->born <= CLOCK_SECOND)
            g_array_append_val(op->stable, message->uid);
    }
    op->started = clock_now(op->run->clock);
    g_ptr_array_add(op->run->ops, op);
    step_op(op);
}

guint
run_any_part(Run *run)
{
    guint part = run_any(run, WORLD_N_PARTS);
    return part == 1 ? WORLD_PART_FILE : part;
}

void
run_start_op(Run *run)
{
    static const OpKind kinds[] = {OP_LOOKUP, OP_LIST, OP_LIST, OP_READ,
                                   OP_READ,   OP_READ, OP_READ, OP_XATTR,
                                   OP_PART,   OP_PART, OP_TEXT};
    WorldMailbox *mailbox = g_ptr_array_index(
        run->world->mailboxes, run_any(run, run->world->mailboxes->len));
    OpKind kind = kinds[run_any(run, G_N_ELEMENTS(kinds))];
    guint32 uid = 1 + run_any(run, mailbox->uidnext + 1);
    Op *op;

    if (mailbox->messages->len > 0 && run_any(run, 8) != 0)
        uid = world_message_at(mailbox, run_any(run, mailbox->messages->len))
                  ->uid;
    op = op_new(run, kind, mailbox, uid);
    op->part = run_any_part(run);
    op->size = 1 + run_any(run, 8999);
    op->in_view = kind == OP_LIST && op->size % 2 == 0;
    op->to_end = run_any(run, 2) == 0;
    if (!op->to_end)
        op->at = run_any(run, 4) == 0 ? run_any(run, 300000) : 0;
    op_begin(op);
}

void
run_op(Run *run, Op *op, gboolean exact, OpResult *ret)
{
    OpKind kind = op->kind;
    g_autofree char *mailbox = g_strdup(op->mailbox);

    *ret = (OpResult){.over = FALSE};
    op->exact = exact;
    op->result = ret;
    op_begin(op);
    for (int i = 0; !ret->over && i < 400; i++)
        run_pass_time(run, 100 * CLOCK_MILLISECOND);
    CHECK(run, ret->over, "kind %d of %s hangs", (int)kind, mailbox);
    while (!ret->over) /* RET ends with the caller */
        op_end(op, NULL);
}

void
run_do(Run *run, OpKind kind, const WorldMailbox *mailbox, guint32 uid,
       gboolean exact, OpResult *ret)
{
    run_op(run, op_new(run, kind, mailbox, uid), exact, ret);
}
