/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <glib/gstdio.h>
#include <gmime/gmime.h>

static void
saw_mailbox_added(const MailMailbox *mailbox, gpointer data)
{
    g_string_append_printf(((Scene *)data)->seen, "+%s ", mailbox->leaf);
}

static void
saw_mailbox_removed(const MailMailbox *mailbox, gpointer data)
{
    g_string_append_printf(((Scene *)data)->seen, "-%s ", mailbox->leaf);
}

static void
saw_message_added(const MailMailbox *mailbox, const MailMessage *message,
                  gpointer data)
{
    (void)mailbox;
    g_string_append_printf(((Scene *)data)->seen, "+%u ", message->uid);
}

static void
saw_message_removed(const MailMailbox *mailbox, const MailMessage *message,
                    gpointer data)
{
    (void)mailbox;
    g_string_append_printf(((Scene *)data)->seen, "-%u ", message->uid);
}

static void
saw_message_changed(const MailMailbox *mailbox, const MailMessage *message,
                    gpointer data)
{
    (void)mailbox;
    g_string_append_printf(((Scene *)data)->seen, "~%u ", message->uid);
}

static void
saw_parts_changed(const MailMailbox *mailbox, const MailMessage *message,
                  guint n, gpointer data)
{
    (void)mailbox;
    g_string_append_printf(((Scene *)data)->seen, "%%%u/%u ", message->uid, n);
}

static void
saw_mailbox_changed(const MailMailbox *mailbox, gpointer data)
{
    (void)mailbox;
    (void)data;
}

static void
saw_mailbox_unused(const MailMailbox *mailbox, gpointer data)
{
    g_string_append_printf(((Scene *)data)->seen, "?%s ", mailbox->leaf);
}

static const MailObserver observer = {
    .mailbox_added = saw_mailbox_added,
    .mailbox_removed = saw_mailbox_removed,
    .message_added = saw_message_added,
    .message_removed = saw_message_removed,
    .message_changed = saw_message_changed,
    .parts_changed = saw_parts_changed,
    .mailbox_changed = saw_mailbox_changed,
    .mailbox_unused = saw_mailbox_unused,
};

static char *
status(gpointer data)
{
    (void)data;
    return g_strdup("well\n");
}

static const FsMadeFile made_files[] = {{"status", status}, {NULL, NULL}};

void
scene_mount(Scene *scene)
{
    scene->account = mail_account_new(&scene->setup);
    scene->tree = fs_tree_new(scene->account, scene->clock, FS_NAMES_UID,
                              made_files, NULL);
    scene->park = fs_park_new(scene->account, scene->clock, SCENE_DEADLINE);
    mail_account_observe(scene->account, &observer, scene);
}

void
scene_unmount(Scene *scene)
{
    fs_park_free(scene->park);
    fs_tree_free(scene->tree);
    mail_account_free(scene->account);
}

Scene *
scene_new(guint connections)
{
    Scene *scene = g_new0(Scene, 1);

    scene->clock = clock_new_virtual(1700000000);
    scene->script = script_new(scene->clock);
    scene->login = (ImapLogin){
        .host = (char *)SCRIPT_HOST,
        .port = 143,
        .security = IMAP_TLS_NONE,
        .user = (char *)"joe",
        .password = (char *)"open sesame",
        .patience = SCENE_PATIENCE,
    };
    server_init(&scene->server);
    script_answer(scene->script, server_answer, &scene->server);
    scene->setup = (MailAccountSetup){
        .login = &scene->login,
        .dialer = script_dialer(scene->script),
        .clock = scene->clock,
        .connections = connections,
        .cache_limit = 16 << 20,
    };
    scene->seen = g_string_new(NULL);
    scene_mount(scene);
    return scene;
}

void
scene_free(Scene *scene)
{
    scene_unmount(scene);
    script_free(scene->script);
    clock_free(scene->clock);
    server_clear(&scene->server);
    g_string_free(scene->seen, TRUE);
    g_free(scene);
}

void
scene_spare_open(Scene *scene)
{
    scene->spared = TRUE;
    fs_tree_do_without_open(scene->tree);
    mail_account_promise_sizes(scene->account);
}

void
scene_wait(Scene *scene, gint64 duration)
{
    script_run(scene->script, NULL, duration);
}

gsize
scene_octets_kept(Scene *scene)
{
    g_autoptr(GString) text = g_string_new(NULL);
    gsize size = 12345;
    const char *at;

    mail_account_describe(scene->account, text);
    at = strstr(text->str, "messages in memory: ");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "messages in memory: %zu", &size), 1);
    return size;
}
/* ---- operations ---- */

Op *
op_new(Scene *scene, gboolean (*ask)(Op *op, MailFault *fault), guint64 ino)
{
    Op *op = g_new0(Op, 1);
    op->scene = scene;
    op->ask = ask;
    op->ino = ino;
    op->names = g_string_new(NULL);
    return op;
}

void
op_free(Op *op)
{
    fs_park_leave(&op->parked);
    g_clear_error(&op->error);
    if (op->file != NULL)
        fs_file_free(op->file);
    g_free(op->buffer);
    g_string_free(op->names, TRUE);
    g_free(op);
}

static void
op_end(Op *op)
{
    fs_park_leave(&op->parked);
    op->done = TRUE;
    op->done_at = clock_now(op->scene->clock);
}

static void
op_ask(Op *op)
{
    MailFault fault = {NULL, NULL};

    op->asked++;
    if (op->ask(op, &fault)) {
        assert_null(fault.error);
        op_end(op);
    } else if (fault.error != NULL) {
        assert_null(fault.want);
        op->error = fault.error;
        op_end(op);
    } else {
        assert_non_null(fault.want);
        fs_park_wait(op->scene->park, &op->parked, fault.want);
    }
}

static void
on_resumed(FsParked *parked, const GError *error)
{
    Op *op = (Op *)parked; /* it is the first member */
    if (error == NULL) {
        op_ask(op);
        return;
    }
    op->error = g_error_copy(error);
    op_end(op);
}

void
op_start(Op *op)
{
    op->parked.resume = on_resumed;
    op->done = FALSE;
    g_clear_error(&op->error);
    op_ask(op);
}

void
op_wait(Op *op)
{
    script_run(op->scene->script, &op->done, 10 * MINUTE);
    assert_true(op->done);
}

void
op_run(Op *op)
{
    op_start(op);
    op_wait(op);
}

void
op_assert_fine(const Op *op)
{
    if (op->error != NULL)
        fail_msg("it failed: %s", op->error->message);
}

void
op_assert_failed(const Op *op, ImapfsError code)
{
    assert_non_null(op->error);
    if (op->error->code != (int)code)
        fail_msg("it failed with %d (%s), wanted %u", op->error->code,
                 op->error->message, code);
}

gboolean
op_lookup(Op *op, MailFault *fault)
{
    return fs_tree_lookup(op->scene->tree, op->ino, op->name, &op->attributes,
                          fault);
}

gboolean
op_getattr(Op *op, MailFault *fault)
{
    return fs_tree_getattr(op->scene->tree, op->ino, &op->attributes, fault);
}

gboolean
op_opendir(Op *op, MailFault *fault)
{
    return fs_tree_opendir(op->scene->tree, op->ino, fault);
}

static gboolean
take_entry(const char *name, const FsAttributes *attributes, gint64 next,
           gpointer data)
{
    Op *op = data;
    assert_true(next > op->next);
    op->next = next;
    if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
        if (!g_utf8_validate(name, -1, NULL)) {
            g_autofree char *shown = g_strescape(name, NULL);
            fail_msg("\"%s\" is no UTF-8", shown);
        }
        assert_true(strlen(name) > 0 && strlen(name) <= 255);
        assert_null(strchr(name, '/'));
        assert_true(attributes->stat.st_ino != 0);
        g_string_append_printf(op->names, "%s,", name);
    }
    return TRUE;
}

/* All of it. */
gboolean
op_readdir(Op *op, MailFault *fault)
{
    gint64 before;
    do {
        before = op->next;
        if (!fs_tree_readdir(op->scene->tree, op->ino, op->next, take_entry, op,
                             fault))
            return FALSE;
    } while (op->next > before);
    return TRUE;
}

gboolean
op_open(Op *op, MailFault *fault)
{
    return op->scene->spared ||
           fs_tree_open(op->scene->tree, op->ino, &op->file, fault);
}

gboolean
op_read(Op *op, MailFault *fault)
{
    if (op->scene->spared)
        return fs_tree_read_unopened(op->scene->tree, op->ino, op->offset,
                                     op->buffer, op->size, &op->got, fault);
    return fs_tree_read(op->scene->tree, op->file, op->offset, op->buffer,
                        op->size, &op->got, fault);
}

guint64
scene_find(Scene *scene, guint64 parent, const char *name)
{
    g_autoptr(Op) op = op_new(scene, op_lookup, parent);
    op->name = name;
    op_run(op);
    op_assert_fine(op);
    return op->attributes.stat.st_ino;
}

/* The names in a directory; NULL when that fails. */
char *
scene_list(Scene *scene, guint64 ino, GError **error)
{
    g_autoptr(Op) opened = op_new(scene, op_opendir, ino);
    g_autoptr(Op) read = op_new(scene, op_readdir, ino);

    op_run(opened);
    if (opened->error != NULL) {
        g_propagate_error(error, g_steal_pointer(&opened->error));
        return NULL;
    }
    op_run(read);
    if (read->error != NULL) {
        g_propagate_error(error, g_steal_pointer(&read->error));
        return NULL;
    }
    return g_strdup(read->names->str);
}

/* The number of INBOX, after its messages have been listed. */
guint64
scene_enter(Scene *scene)
{
    g_autofree char *mailboxes = scene_list(scene, 1, NULL);
    guint64 inbox = scene_find(scene, 1, "INBOX");
    g_autofree char *messages = scene_list(scene, inbox, NULL);
    assert_non_null(mailboxes);
    assert_non_null(messages);
    return inbox;
}

guint64
scene_size_of(Scene *scene, guint64 ino)
{
    g_autoptr(Op) op = op_new(scene, op_getattr, ino);
    op_run(op);
    op_assert_fine(op);
    return (guint64)op->attributes.stat.st_size;
}

/* What a program does: open, and read up to the size that is shown. */
Copy
scene_copy(Scene *scene, guint64 ino, gsize step)
{
    g_autoptr(Op) op = op_new(scene, op_open, ino);
    Copy result = {g_string_new(NULL), NULL, 0};

    op_run(op);
    if (op->error == NULL) {
        result.shown = scene_size_of(scene, ino);
        op->ask = op_read;
        op->buffer = g_malloc(step);
        op->size = step;
        do {
            op_run(op);
            if (op->error != NULL)
                break;
            assert_true(op->got <= step);
            g_string_append_len(result.data, op->buffer, (gssize)op->got);
            op->offset += op->got;
        } while (op->got > 0 && (!scene->spared || op->offset < result.shown));
    }
    result.error = g_steal_pointer(&op->error);
    return result;
}

void
copy_clear(Copy *made)
{
    g_string_free(made->data, TRUE);
    g_clear_error(&made->error);
}

void
copy_assert_is(const Copy *made, const Mail *mail)
{
    if (made->error != NULL)
        fail_msg("it could not be read: %s", made->error->message);
    assert_int_equal(made->data->len, mail->size);
    assert_int_equal(made->shown, mail->size);
    assert_memory_equal(made->data->str, mail->body, mail->size);
}

void
scene_serve(Scene *scene, guint connections)
{
    for (guint i = 0; i < connections; i++)
        script_add(scene->script, LOGGED_IN("") "A\n");
}
Op *
scene_open(Scene *scene, guint64 ino, gsize step)
{
    Op *op = op_new(scene, op_open, ino);
    op_run(op);
    op_assert_fine(op);
    op->ask = op_read;
    op->buffer = g_malloc(step);
    op->size = step;
    return op;
}

void
scene_remove(const char *path)
{
    GDir *dir = g_dir_open(path, 0, NULL);

    for (const char *name; dir != NULL && (name = g_dir_read_name(dir));) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        scene_remove(child);
    }
    if (dir != NULL)
        g_dir_close(dir);
    g_remove(path);
}
