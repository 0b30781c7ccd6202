/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From the questions of a file system down to the wire, and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <gmime/gmime.h>

#include "base/error.h"
#include "fs/park.h"
#include "fs/tree.h"
#include "script.h"

#define PATIENCE (30 * CLOCK_SECOND)
#define DEADLINE (60 * CLOCK_SECOND)
#define MINUTE (60 * CLOCK_SECOND)
#define SHORT (10 * CLOCK_MILLISECOND)

#define LOGGED_IN(capabilities)               \
    "S: * OK [CAPABILITY IMAP4rev1] hi\n"     \
    "C: $tag LOGIN \"joe\" \"open sesame\"\n" \
    "S: $tag OK [CAPABILITY IMAP4rev1" capabilities "] in\n"

/* ---- a mailbox, and the ways to serve it wrongly ---- */

typedef enum {
    HONEST,
    BODY_NIL,          /* and OK [EXPUNGEISSUED]: Dovecot of expunged ones */
    BODY_EMPTY,        /* "" where there should be something */
    BODY_MISSING,      /* no such item */
    NO_FETCH,          /* nothing but OK */
    FETCH_REFUSED,     /* NO */
    FETCH_BAD,         /* BAD */
    FAKE_MESSAGE,      /* another one, of another size: Courier */
    NO_SIZE,           /* without RFC822.SIZE */
    OTHER_UID,         /* of a message nobody asked for */
    NO_UID,            /* by number only, which is good enough */
    OTHER_ORIGIN,      /* BODY[]<3> where 0 was asked for */
    TOO_LONG,          /* one octet more than was asked for */
    WHOLE,             /* partial is ignored, and no origin is told */
    WHOLE_AS_ORIGIN_0, /* the same, and told as <0> */
    NO_ORIGIN,         /* partial is done but not told */
    ORIGIN_AND_LENGTH, /* BODY[]<0.10> */
    OTHER_SECTION,     /* BODY[TEXT] */
    TWICE,             /* the second time with something else */
    SILENT,
} Habit;

typedef struct {
    guint32 uid;
    char *body;
    gsize size;
    guint64 announced;
    const char *flags;
    gboolean expunged; /* which those who had selected it before cannot see */
} Mail;

typedef struct {
    guint32 uidvalidity;
    GArray *mails; /* of Mail */
    Habit habit;
    gboolean refuse_examine;
    guint64 exists; /* what is said, if not 0 */
    const char *lists;
    guint n_fetches; /* of bodies */
} Server;

static Mail *
mail_at(Server *server, guint i)
{
    return &g_array_index(server->mails, Mail, i);
}

/* Text that tells where in it one is, and of which message. */
static char *
ruler(guint seed, gsize length)
{
    char *text = g_malloc(length + 1);
    for (gsize i = 0; i < length; i++)
        text[i] = (char)('a' + (seed + i * 7 + i / 26 + i / 1000) % 26);
    text[length] = '\0';
    return text;
}

static void
add_mail(Server *server, guint32 uid, gsize size, gint64 announced)
{
    Mail mail = {uid,  ruler(uid + server->uidvalidity, size),
                 size, announced < 0 ? size : (guint64)announced,
                 "",   FALSE};
    g_array_append_val(server->mails, mail);
}

static void
drop_expunged(Server *server)
{
    for (guint i = server->mails->len; i-- > 0;) {
        if (mail_at(server, i)->expunged)
            g_array_remove_index(server->mails, i);
    }
}

static void
clear_mail(gpointer data)
{
    g_free(((Mail *)data)->body);
}

/* "1,3:5" or "4:*", as it is in UID FETCH. */
static gboolean
is_in(const char *set, guint32 uid, guint32 last)
{
    for (;;) {
        char *end;
        guint64 first = g_ascii_strtoull(set, &end, 10);
        guint64 other = first;
        if (*end == ':')
            other = end[1] == '*' ? (end++, MAX(last, first))
                                  : g_ascii_strtoull(end + 1, &end, 10);
        if (*end == '*')
            end++;
        /* "9:*" names the last one, too, if that is 5. */
        if (strstr(set, ":*") != NULL && first > last)
            first = last;
        if (uid >= first && uid <= other)
            return TRUE;
        if (*end != ',')
            return FALSE;
        set = end + 1;
    }
}

static void
say_listing(Server *server, GString *out, const char *set, gboolean header)
{
    guint n = server->mails->len;

    for (guint i = 0; i < n; i++) {
        const Mail *mail = mail_at(server, i);
        if (!is_in(set, mail->uid, mail_at(server, n - 1)->uid))
            continue;
        g_string_append_printf(out,
                               "* %u FETCH (UID %u FLAGS (%s) RFC822.SIZE "
                               "%" G_GUINT64_FORMAT,
                               i + 1, mail->uid, mail->flags, mail->announced);
        if (header)
            g_string_append(
                out, " INTERNALDATE \"17-Jul-2023 02:44:25 +0000\" "
                     "BODY[HEADER.FIELDS (FROM TO SUBJECT MESSAGE-ID)] {14}"
                     "\r\nSubject: x\r\n\r\n");
        g_string_append(out, ")\r\n");
    }
}

static void
say_literal(GString *out, const char *text, gsize length)
{
    g_string_append_printf(out, "{%zu}\r\n", length);
    g_string_append_len(out, text, (gssize)length);
}

static const char fake[] =
    "From: nobody\r\nSubject: gone\r\n\r\nThis message is no more.\r\n";

/* BODY[] of a message as far as it was asked for, and as HABIT has it. */
static void
say_section(GString *out, const Mail *mail, Habit habit, guint64 offset,
            guint64 length)
{
    guint64 start = MIN(offset, mail->size);
    guint64 n = MIN(length, mail->size - start);
    const char *data = mail->body + start;
    g_autofree char *more = NULL;

    if (habit == BODY_MISSING) {
        g_string_append(out, "FLAGS ()");
        return;
    }
    g_string_append(out, habit == OTHER_SECTION ? "BODY[TEXT]" : "BODY[]");
    if (habit == OTHER_ORIGIN)
        offset += 3;
    else if (habit == FAKE_MESSAGE || habit == WHOLE_AS_ORIGIN_0)
        offset = 0;
    if (habit == ORIGIN_AND_LENGTH)
        g_string_append_printf(out,
                               "<%" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT ">",
                               offset, length);
    else if (habit != WHOLE && habit != NO_ORIGIN)
        g_string_append_printf(out, "<%" G_GUINT64_FORMAT ">", offset);
    g_string_append_c(out, ' ');
    switch (habit) {
    case BODY_NIL:
        g_string_append(out, "NIL");
        return;
    case BODY_EMPTY:
        g_string_append(out, "\"\"");
        return;
    case FAKE_MESSAGE:
        data = fake;
        n = sizeof fake - 1;
        break;
    case TOO_LONG:
        n = length + 1;
        data = more = ruler(0, n);
        break;
    case WHOLE:
    case WHOLE_AS_ORIGIN_0:
        data = mail->body;
        n = mail->size;
        break;
    default:
        break;
    }
    say_literal(out, data, n);
}

static void
say_body(Server *server, GString *out, guint i, guint64 offset, guint64 length)
{
    const Mail *mail = mail_at(server, i);
    Habit habit = server->habit;

    if (habit == NO_FETCH || habit == FETCH_REFUSED || habit == FETCH_BAD)
        return;
    g_string_append_printf(out, "* %u FETCH (", i + 1);
    if (habit != NO_UID)
        g_string_append_printf(out, "UID %u ",
                               mail->uid + (habit == OTHER_UID));
    if (habit != NO_SIZE)
        g_string_append_printf(out, "RFC822.SIZE %" G_GUINT64_FORMAT " ",
                               habit == FAKE_MESSAGE ? sizeof fake - 1
                                                     : mail->announced);
    say_section(out, mail, habit, offset, length);
    g_string_append(out, ")\r\n");
    if (habit == TWICE) {
        g_autofree char *other = ruler(5, mail->size);
        g_string_append_printf(
            out, "* %u FETCH (UID %u RFC822.SIZE %" G_GUINT64_FORMAT " ", i + 1,
            mail->uid, mail->announced);
        say_section(out, &(Mail){mail->uid, other, mail->size, 0, NULL, FALSE},
                    HONEST, offset, length);
        g_string_append(out, ")\r\n");
    }
}

static void
say_bodies(Server *server, GString *out, const char *set, const char *range)
{
    char *end;
    guint64 offset = g_ascii_strtoull(range, &end, 10);
    guint64 length = g_ascii_strtoull(end + 1, NULL, 10);
    guint n = server->mails->len;

    server->n_fetches++;
    for (guint i = 0; i < n; i++) {
        if (is_in(set, mail_at(server, i)->uid, mail_at(server, n - 1)->uid))
            say_body(server, out, i, offset, length);
    }
}

static char *
answer(const char *command, gpointer data)
{
    Server *server = data;
    GString *out = g_string_new(NULL);
    const char *state = "OK done";
    const char *set = command + strlen("UID FETCH ");
    const char *range = strstr(command, "BODY.PEEK[]<");

    if (g_str_has_prefix(command, "LIST ")) {
        g_string_append(out, server->lists);
    } else if (g_str_has_prefix(command, "EXAMINE ")) {
        if (server->refuse_examine)
            return g_strdup("$tag NO [NONEXISTENT] there is none\r\n");
        drop_expunged(server);
        g_string_append_printf(
            out,
            "* %" G_GUINT64_FORMAT " EXISTS\r\n* OK [UIDVALIDITY %u] x\r\n",
            server->exists ? server->exists : server->mails->len,
            server->uidvalidity);
    } else if (range != NULL) {
        if (server->habit == SILENT)
            return g_string_free(out, FALSE);
        say_bodies(server, out, set, range + strlen("BODY.PEEK[]<"));
        if (server->habit == FETCH_REFUSED)
            state = "NO not now";
        else if (server->habit == FETCH_BAD)
            state = "BAD what";
        else if (server->habit == BODY_NIL)
            state = "OK [EXPUNGEISSUED] some are gone";
    } else if (g_str_has_prefix(command, "UID FETCH ")) {
        say_listing(server, out, set, strstr(command, "HEADER") != NULL);
    } else if (g_str_has_prefix(command, "IDLE")) {
        g_string_append(out, "+ idling\r\n");
        return g_string_free(out, FALSE);
    } else if (!g_str_has_prefix(command, "NOOP")) {
        state = "BAD what";
    }
    g_string_append_printf(out, "$tag %s\r\n", state);
    return g_string_free(out, FALSE);
}

/* ---- a scene ---- */

typedef struct {
    Clock *clock;
    Script *script;
    ImapLogin login;
    Server server;
    MailAccount *account;
    FsTree *tree;
    FsPark *park;
    GString *seen; /* what was observed */
} Scene;

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
saw_mailbox_changed(const MailMailbox *mailbox, gpointer data)
{
    (void)mailbox;
    (void)data;
}

static const MailObserver observer = {
    .mailbox_added = saw_mailbox_added,
    .mailbox_removed = saw_mailbox_removed,
    .message_removed = saw_message_removed,
    .message_changed = saw_message_changed,
    .mailbox_changed = saw_mailbox_changed,
};

static char *
status(gpointer data)
{
    (void)data;
    return g_strdup("well\n");
}

static const FsMadeFile made_files[] = {{"status", status}, {NULL, NULL}};

static Scene *
scene_new(guint connections)
{
    Scene *scene = g_new0(Scene, 1);
    MailAccountSetup setup;

    scene->clock = clock_new_virtual(1700000000);
    scene->script = script_new(scene->clock);
    scene->login = (ImapLogin){
        .host = (char *)SCRIPT_HOST,
        .port = 143,
        .security = IMAP_TLS_NONE,
        .user = (char *)"joe",
        .password = (char *)"open sesame",
        .patience = PATIENCE,
    };
    scene->server.uidvalidity = 1000;
    scene->server.lists = "* LIST () \"/\" INBOX\r\n";
    scene->server.mails = g_array_new(FALSE, TRUE, sizeof(Mail));
    g_array_set_clear_func(scene->server.mails, clear_mail);
    script_answer(scene->script, answer, &scene->server);
    setup = (MailAccountSetup){
        .login = &scene->login,
        .dialer = script_dialer(scene->script),
        .clock = scene->clock,
        .connections = connections,
        .cache_limit = 16 << 20,
    };
    scene->account = mail_account_new(&setup);
    scene->tree = fs_tree_new(scene->account, scene->clock, FS_NAMES_UID,
                              made_files, NULL);
    scene->park = fs_park_new(scene->account, scene->clock, DEADLINE);
    scene->seen = g_string_new(NULL);
    mail_account_observe(scene->account, &observer, scene);
    return scene;
}

static void
scene_free(Scene *scene)
{
    fs_park_free(scene->park);
    fs_tree_free(scene->tree);
    mail_account_free(scene->account);
    script_free(scene->script);
    clock_free(scene->clock);
    g_array_unref(scene->server.mails);
    g_string_free(scene->seen, TRUE);
    g_free(scene);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Scene, scene_free)

static void
scene_wait(Scene *scene, gint64 duration)
{
    script_run(scene->script, NULL, duration);
}

static gsize
octets_kept(Scene *scene)
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

typedef struct Op Op;

struct Op {
    FsParked parked;
    Scene *scene;
    gboolean (*ask)(Op *op, MailFault *fault);
    gboolean done;
    gint64 done_at;
    GError *error;
    guint asked;
    guint64 ino;
    const char *name;
    FsAttributes attributes;
    FsFile *file;
    guint64 offset;
    char *buffer;
    gsize size;
    gsize got;
    GString *names; /* of a directory, "a,b," */
    gint64 next;
};

static Op *
op_new(Scene *scene, gboolean (*ask)(Op *op, MailFault *fault), guint64 ino)
{
    Op *op = g_new0(Op, 1);
    op->scene = scene;
    op->ask = ask;
    op->ino = ino;
    op->names = g_string_new(NULL);
    return op;
}

static void
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

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Op, op_free)

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

static void
op_start(Op *op)
{
    op->parked.resume = on_resumed;
    op->done = FALSE;
    g_clear_error(&op->error);
    op_ask(op);
}

static void
op_wait(Op *op)
{
    script_run(op->scene->script, &op->done, 10 * MINUTE);
    assert_true(op->done);
}

static void
op_run(Op *op)
{
    op_start(op);
    op_wait(op);
}

static void
assert_fine(const Op *op)
{
    if (op->error != NULL)
        fail_msg("it failed: %s", op->error->message);
}

static void
assert_failed(const Op *op, ImapfsError code)
{
    assert_non_null(op->error);
    if (op->error->code != (int)code)
        fail_msg("it failed with %d (%s), wanted %u", op->error->code,
                 op->error->message, code);
}

static gboolean
ask_lookup(Op *op, MailFault *fault)
{
    return fs_tree_lookup(op->scene->tree, op->ino, op->name, &op->attributes,
                          fault);
}

static gboolean
ask_getattr(Op *op, MailFault *fault)
{
    return fs_tree_getattr(op->scene->tree, op->ino, &op->attributes, fault);
}

static gboolean
ask_opendir(Op *op, MailFault *fault)
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
static gboolean
ask_readdir(Op *op, MailFault *fault)
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

static gboolean
ask_open(Op *op, MailFault *fault)
{
    return fs_tree_open(op->scene->tree, op->ino, &op->file, fault);
}

static gboolean
ask_read(Op *op, MailFault *fault)
{
    return fs_tree_read(op->scene->tree, op->file, op->offset, op->buffer,
                        op->size, &op->got, fault);
}

static guint64
find(Scene *scene, guint64 parent, const char *name)
{
    g_autoptr(Op) op = op_new(scene, ask_lookup, parent);
    op->name = name;
    op_run(op);
    assert_fine(op);
    return op->attributes.stat.st_ino;
}

/* The names in a directory; NULL when that fails. */
static char *
list(Scene *scene, guint64 ino, GError **error)
{
    g_autoptr(Op) opened = op_new(scene, ask_opendir, ino);
    g_autoptr(Op) read = op_new(scene, ask_readdir, ino);

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
static guint64
enter(Scene *scene)
{
    g_autofree char *mailboxes = list(scene, 1, NULL);
    guint64 inbox = find(scene, 1, "INBOX");
    g_autofree char *messages = list(scene, inbox, NULL);
    assert_non_null(mailboxes);
    assert_non_null(messages);
    return inbox;
}

static guint64
size_of(Scene *scene, guint64 ino)
{
    g_autoptr(Op) op = op_new(scene, ask_getattr, ino);
    op_run(op);
    assert_fine(op);
    return (guint64)op->attributes.stat.st_size;
}

typedef struct {
    GString *data;
    GError *error;
    guint64 shown; /* its size when it had been opened */
} Copy;

/* What a program does: open, and read up to the size that is shown. */
static Copy
copy(Scene *scene, guint64 ino, gsize step)
{
    g_autoptr(Op) op = op_new(scene, ask_open, ino);
    Copy result = {g_string_new(NULL), NULL, 0};

    op_run(op);
    if (op->error == NULL) {
        result.shown = size_of(scene, ino);
        op->ask = ask_read;
        op->buffer = g_malloc(step);
        op->size = step;
        do {
            op_run(op);
            if (op->error != NULL)
                break;
            assert_true(op->got <= step);
            g_string_append_len(result.data, op->buffer, (gssize)op->got);
            op->offset += op->got;
        } while (op->got > 0);
    }
    result.error = g_steal_pointer(&op->error);
    return result;
}

static void
copy_clear(Copy *made)
{
    g_string_free(made->data, TRUE);
    g_clear_error(&made->error);
}

static void
assert_is_mail(const Copy *made, const Mail *mail)
{
    if (made->error != NULL)
        fail_msg("it could not be read: %s", made->error->message);
    assert_int_equal(made->data->len, mail->size);
    assert_int_equal(made->shown, mail->size);
    assert_memory_equal(made->data->str, mail->body, mail->size);
}

static void
serve_honestly(Scene *scene, guint connections)
{
    for (guint i = 0; i < connections; i++)
        script_add(scene->script, LOGGED_IN("") "A\n");
}

/* ---- listing and reading ---- */

static void
test_list_and_read(void **state)
{
    g_autoptr(Scene) scene = scene_new(2);
    g_autofree char *names = NULL;
    guint64 inbox;
    Copy made;
    (void)state;

    serve_honestly(scene, 2);
    for (guint32 uid = 1; uid <= 5; uid++)
        add_mail(&scene->server, uid * 3, 1000 * uid, -1);
    inbox = enter(scene);
    names = list(scene, inbox, NULL);
    assert_string_equal(names, "3.eml,6.eml,9.eml,12.eml,15.eml,");
    for (guint i = 0; i < 5; i++) {
        g_autofree char *name =
            g_strdup_printf("%u.eml", mail_at(&scene->server, i)->uid);
        made = copy(scene, find(scene, inbox, name), 700);
        assert_is_mail(&made, mail_at(&scene->server, i));
        copy_clear(&made);
    }
}

static void
test_no_such_name(void **state)
{
    static const char *const names[] = {
        "4.eml",  "3", "03.eml",         "3.EML",           "0.eml", "-3.eml",
        "3.eml/", "",  "4294967296.eml", "99999999999.eml", ".git",  "INBOX"};
    g_autoptr(Scene) scene = scene_new(2);
    guint64 inbox;
    (void)state;

    serve_honestly(scene, 2);
    add_mail(&scene->server, 3, 10, -1);
    inbox = enter(scene);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(Op) op = op_new(scene, ask_lookup, inbox);
        op->name = names[i];
        op_run(op);
        assert_failed(op, IMAPFS_ERROR_NOT_FOUND);
        assert_int_equal(op->asked, 1);
    }
}

static void
test_shared_fetch(void **state)
{
    g_autoptr(Scene) scene = scene_new(2);
    g_autoptr(Op) one = NULL;
    g_autoptr(Op) other = NULL;
    guint64 ino;
    (void)state;

    serve_honestly(scene, 2);
    add_mail(&scene->server, 3, 5000, -1);
    ino = find(scene, enter(scene), "3.eml");
    one = op_new(scene, ask_open, ino);
    other = op_new(scene, ask_open, ino);
    op_start(one);
    op_start(other);
    assert_int_equal(fs_park_count(scene->park), 2);
    op_wait(one);
    op_wait(other);
    assert_fine(one);
    assert_fine(other);
    assert_int_equal(scene->server.n_fetches, 1);
    assert_int_equal(fs_park_count(scene->park), 0);
}

static void
test_large(void **state)
{
    static const gsize sizes[] = {131071, 131072, 131073, 300000, 5000000};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(Scene) scene = scene_new(2);
        Copy made;
        serve_honestly(scene, 2);
        add_mail(&scene->server, 3, sizes[i], -1);
        made = copy(scene, find(scene, enter(scene), "3.eml"), 128 << 10);
        assert_is_mail(&made, mail_at(&scene->server, 0));
        copy_clear(&made);
        assert_true(scene->server.n_fetches <= 20);
    }
}

/* A few octets at the end do not need the rest. */
static void
test_tail(void **state)
{
    g_autoptr(Scene) scene = scene_new(2);
    g_autoptr(Op) op = NULL;
    (void)state;

    serve_honestly(scene, 2);
    add_mail(&scene->server, 3, 3000000, -1);
    op = op_new(scene, ask_open, find(scene, enter(scene), "3.eml"));
    op_run(op);
    op->ask = ask_read;
    op->buffer = g_malloc(1000);
    op->size = 1000;
    op->offset = 2999500;
    op_run(op);
    assert_fine(op);
    assert_int_equal(op->got, 500);
    assert_memory_equal(op->buffer, mail_at(&scene->server, 0)->body + 2999500,
                        500);
    assert_true(octets_kept(scene) < 200000);
}

/* ---- habits ---- */

typedef struct {
    const char *name;
    Habit habit;
    gsize size;
    gint64 announced;
    gboolean served; /* else it must fail */
} HabitRow;

static const HabitRow habit_table[] = {
    {"honest", HONEST, 1000, -1, TRUE},
    {"an empty message", HONEST, 0, -1, TRUE},
    {"BODY NIL", BODY_NIL, 1000, -1, FALSE},
    {"BODY NIL, large", BODY_NIL, 400000, -1, FALSE},
    {"BODY \"\"", BODY_EMPTY, 1000, -1, FALSE},
    {"BODY \"\", large", BODY_EMPTY, 400000, -1, FALSE},
    {"BODY missing", BODY_MISSING, 1000, -1, FALSE},
    {"no FETCH", NO_FETCH, 1000, -1, FALSE},
    {"NO", FETCH_REFUSED, 1000, -1, FALSE},
    {"BAD", FETCH_BAD, 1000, -1, FALSE},
    {"a made-up message", FAKE_MESSAGE, 1000, -1, FALSE},
    {"a made-up message, large", FAKE_MESSAGE, 400000, -1, FALSE},
    {"no RFC822.SIZE", NO_SIZE, 1000, -1, FALSE},
    {"another UID", OTHER_UID, 1000, -1, FALSE},
    {"no UID", NO_UID, 1000, -1, TRUE},
    {"another origin", OTHER_ORIGIN, 1000, -1, FALSE},
    {"another origin, large", OTHER_ORIGIN, 400000, -1, FALSE},
    {"too long", TOO_LONG, 1000, -1, FALSE},
    {"too long, large", TOO_LONG, 400000, -1, FALSE},
    {"the whole", WHOLE, 1000, -1, TRUE},
    {"the whole, large", WHOLE, 400000, -1, TRUE},
    {"origin and length", ORIGIN_AND_LENGTH, 1000, -1, TRUE},
    {"origin and length, large", ORIGIN_AND_LENGTH, 400000, -1, TRUE},
    {"another section", OTHER_SECTION, 1000, -1, FALSE},
    {"silence", SILENT, 1000, -1, FALSE},

    {"size 1 too small", HONEST, 1000, 999, TRUE},
    {"size 1 too large", HONEST, 1000, 1001, TRUE},
    {"size half as large", HONEST, 1000, 500, TRUE},
    {"size twice as large", HONEST, 1000, 2000, TRUE},
    {"size 0", HONEST, 1000, 0, TRUE},
    {"size of an empty message not 0", HONEST, 0, 10, FALSE},
    {"size 2^32-1", HONEST, 1000, 4294967295, TRUE},
    {"size 2^62", HONEST, 1000, G_GINT64_CONSTANT(1) << 62, TRUE},
    {"size 1 too small, large", HONEST, 400000, 399999, TRUE},
    {"size 1 too large, large", HONEST, 400000, 400001, TRUE},
    {"size half as large, large", HONEST, 400000, 200000, TRUE},
    {"size twice as large, large", HONEST, 400000, 800000, TRUE},
    {"size 0, large", HONEST, 400000, 0, TRUE},
    {"size small, large", HONEST, 4000000, 1000, TRUE},
    {"size 100 times as large", HONEST, 4000000, 400000000, TRUE},
    {"size 131071 of 131072", HONEST, 131072, 131071, TRUE},
    {"size 131072 of 131071", HONEST, 131071, 131072, TRUE},
    {"size 131072 of 131073", HONEST, 131073, 131072, TRUE},
    {"size 131072 of 1", HONEST, 1, 131072, TRUE},
    {"size too large, the whole", WHOLE, 1000, 1500, TRUE},
    {"size too small, the whole", WHOLE, 1500, 1000, TRUE},
    {"size too large, the whole, large", WHOLE, 400000, 600000, TRUE},
    {"size too small, the whole, large", WHOLE, 600000, 400000, TRUE},
    {"size much too large, the whole", WHOLE, 3000, 300000, FALSE},
};

static void
play_habit(const HabitRow *row, gsize step)
{
    g_autoptr(Scene) scene = scene_new(2);
    const Mail *mail;
    guint64 inbox;
    Copy made;

    serve_honestly(scene, 20);
    add_mail(&scene->server, 3, row->size, row->announced);
    mail = mail_at(&scene->server, 0);
    inbox = enter(scene);
    scene->server.habit = row->habit;
    made = copy(scene, find(scene, inbox, "3.eml"), step);
    if (row->served || made.error == NULL) {
        /* Not to fail is good only with the right octets. */
        assert_is_mail(&made, mail);
    } else {
        assert_int_equal(made.data->len, 0);
        assert_int_equal(octets_kept(scene), 0);
    }
    copy_clear(&made);
    if (row->served)
        return;
    /* Once the server behaves, nothing wrong is left. */
    scene->server.habit = HONEST;
    scene_wait(scene, 2 * MINUTE);
    made = copy(scene, find(scene, inbox, "3.eml"), step);
    if (made.error == NULL)
        assert_is_mail(&made, mail);
    else if (row->habit != HONEST)
        fail_msg("the server behaves, and yet: %s", made.error->message);
    copy_clear(&made);
}

static void
test_habit(void **state)
{
    play_habit(*state, 4096);
    play_habit(*state, 128 << 10);
}

/* Several ranges in flight, partial fetches whose origin is not told: each must
 * come to its place, or to none. */
static void
test_no_origin(void **state)
{
    static const Habit habits[] = {NO_ORIGIN, WHOLE_AS_ORIGIN_0};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(habits); i++) {
        g_autoptr(Scene) scene = scene_new(3);
        Copy made;
        serve_honestly(scene, 20);
        add_mail(&scene->server, 3, 3000000, -1);
        scene->server.habit = habits[i];
        made = copy(scene, find(scene, enter(scene), "3.eml"), 16 << 10);
        if (made.error == NULL)
            assert_is_mail(&made, mail_at(&scene->server, 0));
        else
            assert_memory_equal(made.data->str,
                                mail_at(&scene->server, 0)->body,
                                made.data->len);
        copy_clear(&made);
    }
}

static void
test_twice(void **state)
{
    g_autoptr(Scene) scene = scene_new(2);
    Copy made;
    (void)state;

    serve_honestly(scene, 20);
    add_mail(&scene->server, 3, 1000, -1);
    scene->server.habit = TWICE;
    made = copy(scene, find(scene, enter(scene), "3.eml"), 100);
    if (made.error == NULL)
        assert_is_mail(&made, mail_at(&scene->server, 0));
    copy_clear(&made);
}

/* A server that was right so often that its sizes are shown unproven is found
 * out: whoever reads gets the message or an error, never a part of it. */
static void
test_wrong_when_trusted(void **state)
{
    static const HabitRow rows[] = {
        {"small, too small", HONEST, 1000, 500, FALSE},
        {"small, too large", HONEST, 1000, 1500, FALSE},
        {"large, too large", HONEST, 400000, 500000, FALSE},
    };
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Scene) scene = scene_new(2);
        guint64 inbox;
        Copy made;
        serve_honestly(scene, 20);
        for (guint32 uid = 1; uid <= 40; uid++)
            add_mail(&scene->server, uid, 100 + uid, -1);
        add_mail(&scene->server, 1000, rows[i].size, rows[i].announced);
        inbox = enter(scene);
        for (guint32 uid = 1; uid <= 40; uid++) {
            g_autofree char *name = g_strdup_printf("%u.eml", uid);
            made = copy(scene, find(scene, inbox, name), 4096);
            assert_is_mail(&made, mail_at(&scene->server, uid - 1));
            copy_clear(&made);
        }
        made = copy(scene, find(scene, inbox, "1000.eml"), 100);
        if (made.error == NULL)
            assert_int_equal(made.data->len, rows[i].size);
        assert_memory_equal(made.data->str, mail_at(&scene->server, 40)->body,
                            made.data->len);
        copy_clear(&made);
        /* From now on it is right. */
        made = copy(scene, find(scene, inbox, "1000.eml"), 100);
        assert_is_mail(&made, mail_at(&scene->server, 40));
        copy_clear(&made);
    }
}

/* ---- connections lost ---- */

/* The first connection is cut after each octet in turn. */
static void
test_cut_everywhere(void **state)
{
    gint64 whole = 0;
    (void)state;

    for (gint64 cut = -1; cut <= whole; cut++) {
        g_autoptr(Scene) scene = scene_new(1);
        g_autofree char *mailboxes = NULL;
        g_autofree char *messages = NULL;
        g_autoptr(Op) op = op_new(scene, ask_lookup, 1);
        Copy made;

        serve_honestly(scene, 20);
        add_mail(&scene->server, 3, 300, -1);
        script_cut_after(scene->script, cut);
        op->ask = ask_opendir;
        op_start(op);
        while (script_connections(scene->script) == 0)
            g_main_context_iteration(NULL, FALSE);
        script_cut_after(scene->script, -1);
        op_wait(op);
        if (op->error != NULL)
            continue;
        mailboxes = list(scene, 1, NULL);
        if (mailboxes == NULL || strstr(mailboxes, "INBOX") == NULL)
            continue;
        messages = list(scene, find(scene, 1, "INBOX"), NULL);
        if (messages == NULL)
            continue;
        assert_string_equal(messages, "3.eml,");
        made = copy(scene, find(scene, find(scene, 1, "INBOX"), "3.eml"), 100);
        if (made.error == NULL)
            assert_is_mail(&made, mail_at(&scene->server, 0));
        copy_clear(&made);
        if (cut < 0)
            whole = (gint64)script_octets_sent(scene->script, 0);
    }
    assert_true(whole > 600);
}

static void
test_cut_in_large_literal(void **state)
{
    (void)state;
    for (gint64 cut = 100000; cut < 1000000; cut += 40001) {
        g_autoptr(Scene) scene = scene_new(1);
        guint64 inbox;
        Copy made;

        serve_honestly(scene, 20);
        add_mail(&scene->server, 3, 1000000, -1);
        script_cut_after(scene->script, cut);
        inbox = enter(scene);
        script_cut_after(scene->script, -1);
        made = copy(scene, find(scene, inbox, "3.eml"), 10000);
        assert_is_mail(&made, mail_at(&scene->server, 0));
        copy_clear(&made);
        assert_int_equal(script_dials(scene->script), 2);
    }
}

/* Each connection is cut in the same place: this must end, and soon. */
static void
test_always_cut(void **state)
{
    g_autoptr(Scene) scene = scene_new(2);
    guint64 inbox;
    Copy made;
    guint dials;
    (void)state;

    serve_honestly(scene, 1000);
    add_mail(&scene->server, 3, 100000, -1);
    inbox = enter(scene);
    script_cut_after(scene->script, 2000);
    script_hang_up(scene->script, 0);
    made = copy(scene, find(scene, inbox, "3.eml"), 10000);
    assert_non_null(made.error);
    assert_int_equal(made.data->len, 0);
    copy_clear(&made);
    dials = script_dials(scene->script);
    assert_true(dials < 12);
    scene_wait(scene, 10 * MINUTE);
    if (script_dials(scene->script) - dials > 30)
        fail_msg("%u dials more in ten minutes",
                 script_dials(scene->script) - dials);
}

/* ---- UIDVALIDITY ---- */

static void
replace_mailbox(Scene *scene, gsize size)
{
    g_array_set_size(scene->server.mails, 0);
    scene->server.uidvalidity += 7;
    add_mail(&scene->server, 3, size, -1);
}

static Op *
open_file(Scene *scene, guint64 ino, gsize step)
{
    Op *op = op_new(scene, ask_open, ino);
    op_run(op);
    assert_fine(op);
    op->ask = ask_read;
    op->buffer = g_malloc(step);
    op->size = step;
    return op;
}

/* The mailbox is another one when the connection is back, with a message of the
 * same UID and size. */
static void
test_replaced_between_reads(void **state)
{
    (void)state;
    for (guint parked = 0; parked < 2; parked++) {
        g_autoptr(Scene) scene = scene_new(1);
        g_autofree char *before = NULL;
        g_autoptr(Op) op = NULL;
        Copy made;
        guint64 ino;

        serve_honestly(scene, 20);
        add_mail(&scene->server, 3, 400000, -1);
        before = g_strdup(mail_at(&scene->server, 0)->body);
        ino = find(scene, enter(scene), "3.eml");
        op = open_file(scene, ino, 1000);
        op_run(op);
        assert_fine(op);
        assert_memory_equal(op->buffer, before, 1000);
        if (parked)
            scene->server.habit = SILENT;
        op->offset = 250000;
        if (parked) {
            op_start(op);
            scene_wait(scene, SHORT);
            assert_false(op->done);
        }
        replace_mailbox(scene, 400000);
        script_hang_up(scene->script, 0);
        scene->server.habit = HONEST;
        scene_wait(scene, parked ? 0 : CLOCK_SECOND);
        if (!parked)
            op_start(op);
        op_wait(op);
        assert_non_null(op->error);
        if (!g_error_matches(op->error, IMAPFS_ERROR, IMAPFS_ERROR_NOT_FOUND))
            assert_failed(op, IMAPFS_ERROR_STALE);
        op->offset = 0;
        op_run(op);
        assert_failed(op, IMAPFS_ERROR_STALE);
        /* What has the name now is another file. */
        scene_wait(scene, 5 * CLOCK_SECOND);
        made = copy(scene, find(scene, enter(scene), "3.eml"), 10000);
        assert_is_mail(&made, mail_at(&scene->server, 0));
        copy_clear(&made);
    }
}

/* Nothing tells but SELECT, and only one of two links has been there. */
static void
test_replaced_seen_by_reader(void **state)
{
    g_autoptr(Scene) scene = scene_new(1);
    g_autoptr(Op) op = NULL;
    Copy made;
    guint64 inbox;
    (void)state;

    serve_honestly(scene, 20);
    add_mail(&scene->server, 3, 400000, -1);
    inbox = enter(scene);
    op = open_file(scene, find(scene, inbox, "3.eml"), 1000);
    replace_mailbox(scene, 200);
    script_hang_up(scene->script, 0);
    op->offset = 200000;
    op_run(op);
    assert_non_null(op->error);
    scene_wait(scene, 5 * CLOCK_SECOND);
    made = copy(scene, find(scene, enter(scene), "3.eml"), 1000);
    assert_is_mail(&made, mail_at(&scene->server, 0));
    copy_clear(&made);
}

/* ---- expunged ---- */

static void
remove_mail(Scene *scene, guint i)
{
    g_array_remove_index(scene->server.mails, i);
}

/* By somebody else, while this connection is told nothing. */
static void
test_expunged_unseen(void **state)
{
    static const Habit habits[] = {BODY_NIL, BODY_EMPTY, BODY_MISSING,
                                   FAKE_MESSAGE, NO_FETCH};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(habits); i++) {
        g_autoptr(Scene) scene = scene_new(1);
        g_autofree char *names = NULL;
        g_autoptr(Op) op = NULL;
        guint64 inbox;
        serve_honestly(scene, 20);
        add_mail(&scene->server, 3, 1000, -1);
        add_mail(&scene->server, 5, 1000, -1);
        inbox = enter(scene);
        op = op_new(scene, ask_open, find(scene, inbox, "5.eml"));
        scene->server.habit = habits[i];
        mail_at(&scene->server, 1)->expunged = TRUE;
        op_run(op);
        assert_non_null(op->error);
        assert_int_equal(octets_kept(scene), 0);
        scene_wait(scene, 10 * CLOCK_SECOND);
        names = list(scene, inbox, NULL);
        assert_string_equal(names, "3.eml,");
        op_run(op);
        assert_failed(op, IMAPFS_ERROR_NOT_FOUND);
    }
}

/* ---- what the server volunteers ---- */

static void
test_pushes(void **state)
{
    g_autoptr(Scene) scene = scene_new(2);
    g_autofree char *names = NULL;
    guint64 inbox;
    (void)state;

    script_add(scene->script, LOGGED_IN(" IDLE") "A\n");
    for (guint32 uid = 1; uid <= 4; uid++)
        add_mail(&scene->server, uid * 10, 100, -1);
    inbox = enter(scene);
    scene_wait(scene, CLOCK_SECOND);
    g_string_truncate(scene->seen, 0);
    /* By number alone: the third is UID 30. */
    script_say(scene->script, 0, "* 3 FETCH (FLAGS (\\Seen))\r\n");
    scene_wait(scene, SHORT);
    assert_string_equal(scene->seen->str, "~30 ");
    script_say(scene->script, 0,
               "* 1 EXPUNGE\r\n* 1 EXPUNGE\r\n* 1 FETCH (FLAGS (\\Draft))\r\n");
    scene_wait(scene, SHORT);
    assert_string_equal(scene->seen->str, "~30 ~30 -10 -20 ");
    names = list(scene, inbox, NULL);
    assert_string_equal(names, "30.eml,40.eml,");
    /* What concerns no message that is known does no harm. */
    script_say(scene->script, 0,
               "* 0 EXPUNGE\r\n* 3 EXPUNGE\r\n* 4294967295 EXPUNGE\r\n"
               "* 4294967296 EXPUNGE\r\n* 0 FETCH (FLAGS ())\r\n"
               "* 99 FETCH (FLAGS ())\r\n* 1 FETCH (UID 0 FLAGS ())\r\n"
               "* -1 EXISTS\r\n* 1 FETCH (UID 77 FLAGS (\\Seen))\r\n"
               "* EXPUNGE\r\n* VANISHED 1:4294967295\r\n"
               "* VANISHED (EARLIER) 1:*\r\n");
    scene_wait(scene, SHORT);
    g_clear_pointer(&names, g_free);
    names = list(scene, inbox, NULL);
    assert_string_equal(names, "30.eml,40.eml,");
}

/* Mail that comes while the link is in IDLE. */
static void
test_arrival(void **state)
{
    g_autoptr(Scene) scene = scene_new(2);
    g_autofree char *names = NULL;
    guint64 inbox;
    (void)state;

    script_add(scene->script, LOGGED_IN("") "A\n");
    add_mail(&scene->server, 10, 100, -1);
    inbox = enter(scene);
    add_mail(&scene->server, 20, 100, -1);
    add_mail(&scene->server, 21, 100, -1);
    script_say(scene->script, 0, "* 3 EXISTS\r\n* 2 RECENT\r\n");
    scene_wait(scene, SHORT);
    names = list(scene, inbox, NULL);
    assert_string_equal(names, "10.eml,20.eml,21.eml,");
}

/* ---- numbers that cannot be ---- */

static gsize
resident(void)
{
    unsigned long all = 0;
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &all, &pages), 2);
    fclose(file);
    return pages * (gsize)sysconf(_SC_PAGESIZE);
}

static void
test_exists_large(void **state)
{
    static const char *const said[] = {"* 4294967295 EXISTS\r\n",
                                       "* 16777216 EXISTS\r\n",
                                       "* 16777217 EXISTS\r\n"};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(said); i++) {
        g_autoptr(Scene) scene = scene_new(2);
        g_autofree char *names = NULL;
        guint64 inbox;
        gsize before;
        guint fetches;

        script_add(scene->script, LOGGED_IN("") "A\n");
        add_mail(&scene->server, 10, 100, -1);
        inbox = enter(scene);
        before = resident();
        fetches = script_count(scene->script, 0, "UID FETCH");
        script_say(scene->script, 0, said[i]);
        scene_wait(scene, 10 * CLOCK_SECOND);
        fetches = script_count(scene->script, 0, "UID FETCH") - fetches;
        if (fetches > 3)
            fail_msg("%s: %u commands follow", said[i], fetches);
        if (resident() > before + (24 << 20))
            fail_msg("%s: %zu MB more", said[i], (resident() - before) >> 20);
        names = list(scene, inbox, NULL);
        assert_string_equal(names, "10.eml,");
    }
}

static void
test_exists_large_at_select(void **state)
{
    g_autoptr(Scene) scene = scene_new(2);
    g_autofree char *names = NULL;
    guint64 inbox;
    gsize before = resident();
    (void)state;

    script_add(scene->script, LOGGED_IN("") "A\n");
    add_mail(&scene->server, 10, 100, -1);
    scene->server.exists = G_MAXUINT32;
    inbox = enter(scene);
    scene_wait(scene, 10 * CLOCK_SECOND);
    assert_true(script_count(scene->script, 0, "UID FETCH") < 5);
    assert_true(resident() < before + (24 << 20));
    names = list(scene, inbox, NULL);
    assert_string_equal(names, "10.eml,");
}

/* A number alone, without the messages before it. */
static void
test_number_large(void **state)
{
    g_autoptr(Scene) scene = scene_new(2);
    gsize before;
    (void)state;

    script_add(scene->script, LOGGED_IN("") "A\n");
    add_mail(&scene->server, 10, 100, -1);
    enter(scene);
    before = resident();
    script_say(scene->script, 0,
               "* 4294967295 EXISTS\r\n* 16777215 FETCH (UID 10)\r\n");
    scene_wait(scene, 10 * CLOCK_SECOND);
    if (resident() > before + (24 << 20))
        fail_msg("%zu MB more", (resident() - before) >> 20);
}

/* The largest UID there can be. */
static void
test_last_uid(void **state)
{
    g_autoptr(Scene) scene = scene_new(1);
    g_autofree char *names = NULL;
    guint64 inbox;
    Copy made;
    (void)state;

    serve_honestly(scene, 5);
    add_mail(&scene->server, 10, 100, -1);
    add_mail(&scene->server, G_MAXUINT32, 100, -1);
    inbox = enter(scene);
    made = copy(scene, find(scene, inbox, "4294967295.eml"), 4096);
    assert_is_mail(&made, mail_at(&scene->server, 1));
    copy_clear(&made);
    /* It can be listed once more after the connection was lost. */
    script_hang_up(scene->script, 0);
    scene_wait(scene, 5 * CLOCK_SECOND);
    names = list(scene, inbox, NULL);
    assert_string_equal(names, "10.eml,4294967295.eml,");
    g_clear_pointer(&names, g_free);
    remove_mail(scene, 0);
    script_say(scene->script, 1, "* 1 EXPUNGE\r\n");
    scene_wait(scene, 5 * CLOCK_SECOND);
    names = list(scene, inbox, NULL);
    assert_string_equal(names, "4294967295.eml,");
}

/* ---- mailboxes ---- */

static void
test_refused_mailbox(void **state)
{
    g_autoptr(Scene) scene = scene_new(1);
    g_autoptr(GError) error = NULL;
    g_autofree char *names = NULL;
    (void)state;

    serve_honestly(scene, 5);
    scene->server.refuse_examine = TRUE;
    g_free(list(scene, 1, NULL));
    names = list(scene, find(scene, 1, "INBOX"), &error);
    assert_null(names);
    assert_true(g_error_matches(error, IMAPFS_ERROR, IMAPFS_ERROR_NOT_FOUND));
}

static void
test_vanishing_mailbox(void **state)
{
    g_autoptr(Scene) scene = scene_new(1);
    g_autoptr(Op) op = NULL;
    g_autoptr(Op) lookup = NULL;
    guint64 inbox;
    (void)state;

    serve_honestly(scene, 5);
    scene->server.lists = "* LIST () \"/\" INBOX\r\n* LIST () \"/\" a\r\n";
    add_mail(&scene->server, 3, 400000, -1);
    g_free(list(scene, 1, NULL));
    inbox = find(scene, 1, "a");
    g_free(list(scene, inbox, NULL));
    op = open_file(scene, find(scene, inbox, "3.eml"), 1000);
    /* A read is parked when the mailbox goes. */
    scene->server.habit = SILENT;
    op->offset = 200000;
    op_start(op);
    scene_wait(scene, SHORT);
    assert_false(op->done);
    scene->server.lists = "* LIST () \"/\" INBOX\r\n";
    scene->server.refuse_examine = TRUE;
    script_hang_up(scene->script, 0);
    op_wait(op);
    assert_non_null(op->error);
    scene_wait(scene, 5 * CLOCK_SECOND);
    g_free(list(scene, 1, NULL));
    scene_wait(scene, 5 * CLOCK_SECOND);
    lookup = op_new(scene, ask_lookup, 1);
    lookup->name = "a";
    op_run(lookup);
    assert_failed(lookup, IMAPFS_ERROR_NOT_FOUND);
    op_run(op);
    assert_failed(op, IMAPFS_ERROR_STALE);
    assert_non_null(strstr(scene->seen->str, "-a "));
}

/* As LIST has them.  One a line would hide how few they are. */
/* clang-format off */
static const char *const nasty_names[] = {
    "\"\"", "\".\"", "\"..\"", "\"../../etc\"", "\"a/..\"", "\"/\"", "\"//\"",
    "\"/etc/passwd\"", "\"a//b\"", "\"a/\"", "NIL", "\" \"", "\"&AAA-\"",
    "\"&AC8-\"", "\"&AC4ALg-\"", "\"&bad\"", "\"&-\"", "\"&2ADcAA-\"",
    "{1}\r\n\n", "{2}\r\na\r", "{3}\r\na\033b", "\"\303\244\"", "\"\377\376\"",
    "\".imapfs\"", "\"%2E%2E\"", "\"%2F\"", "\"3.eml\"", "inbox", "\"INBOX\"",
    "InBoX", "\"inbox/x\"", "\"&AOQ-\"", "\"x&AOQ-\"", "(a)", "\"a\\\\b\"",
    "\"a\\\"b\"", "\"\342\200\256lme.exe\"", "\"%\"", "\"%7E\"", "\"%~\"",
    "\"A\"", "\"a\"", "\"\302\205\"",
};
/* clang-format on */

static char *
nasty_lists(void)
{
    GString *lists = g_string_new(NULL);
    g_autofree char *long_name = g_strnfill(3000, 'x');
    g_autofree char *too_long = g_strnfill(10000, 'y');

    for (guint i = 0; i < G_N_ELEMENTS(nasty_names); i++) {
        g_string_append_printf(lists, "* LIST () \"/\" %s\r\n", nasty_names[i]);
        g_string_append_printf(lists, "* LIST () NIL %s\r\n", nasty_names[i]);
        g_string_append_printf(lists, "* LIST (\\Noselect) \".\" %s\r\n",
                               nasty_names[i]);
    }
    g_string_append_printf(lists, "* LIST () \"/\" %s1\r\n", long_name);
    g_string_append_printf(lists, "* LIST () \"/\" %s2\r\n", long_name);
    g_string_append_printf(lists, "* LIST () \"/\" %s\r\n", too_long);
    g_string_append(lists, "* LIST () \"/\" a");
    for (guint i = 0; i < 1000; i++)
        g_string_append(lists, "/a");
    g_string_append(lists, "\r\n* LIST () \"//\" x/y\r\n* LIST () / z\r\n"
                           "* LIST\r\n* LIST ()\r\n* LIST () \"/\"\r\n");
    return g_string_free(lists, FALSE);
}

static void
test_hostile_names(void **state)
{
    g_autoptr(Scene) scene = scene_new(1);
    g_autofree char *lists = nasty_lists();
    g_autofree char *names = NULL;
    g_auto(GStrv) entries = NULL;
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    (void)state;

    serve_honestly(scene, 5);
    scene->server.lists = lists;
    names = list(scene, 1, NULL);
    assert_non_null(names);
    entries = g_strsplit(names, ",", -1);
    for (guint i = 0; entries[i] != NULL && *entries[i] != '\0'; i++) {
        if (!g_hash_table_add(seen, entries[i]))
            fail_msg("\"%s\" is there twice", entries[i]);
        assert_string_not_equal(entries[i], ".");
        assert_string_not_equal(entries[i], "..");
        for (const char *at = entries[i]; *at != '\0'; at++)
            assert_true((guchar)*at >= 0x20 && *at != 0x7f);
        /* Each name is found again, as a directory. */
        assert_true(find(scene, 1, entries[i]) != 0);
    }
    assert_true(g_hash_table_contains(seen, "INBOX"));
    assert_true(g_hash_table_size(seen) > 15);
}

/* ---- waiting ---- */

static void
test_interrupt(void **state)
{
    g_autoptr(Scene) scene = scene_new(1);
    g_autoptr(Op) op = NULL;
    g_autoptr(Op) other = NULL;
    guint64 inbox;
    (void)state;

    serve_honestly(scene, 5);
    add_mail(&scene->server, 3, 1000, -1);
    inbox = enter(scene);
    op = op_new(scene, ask_open, find(scene, inbox, "3.eml"));
    other = op_new(scene, ask_open, find(scene, inbox, "3.eml"));
    scene->server.habit = SILENT;
    op_start(op);
    op_start(other);
    scene_wait(scene, SHORT);
    fs_park_interrupt(&op->parked);
    script_run(scene->script, &op->done, SHORT);
    assert_failed(op, IMAPFS_ERROR_CANCELLED);
    /* Whoever else waits goes on to. */
    assert_false(other->done);
    assert_int_equal(fs_park_count(scene->park), 1);
    scene->server.habit = HONEST;
    op_wait(other);
    assert_fine(other);
    fs_park_interrupt(&other->parked); /* too late, and harmless */
    fs_park_leave(&other->parked);
}

/* The server is connected but silent: nobody waits for longer than this. */
static void
test_deadline(void **state)
{
    g_autoptr(Scene) scene = scene_new(1);
    g_autoptr(Op) op = NULL;
    gint64 start;
    (void)state;

    serve_honestly(scene, 50);
    scene->login.patience = 10 * MINUTE;
    add_mail(&scene->server, 3, 1000, -1);
    op = op_new(scene, ask_open, find(scene, enter(scene), "3.eml"));
    scene->server.habit = SILENT;
    start = clock_now(scene->clock);
    op_run(op);
    assert_failed(op, IMAPFS_ERROR_TIMEOUT);
    assert_int_equal(op->done_at - start, DEADLINE);
}

static void
test_unreachable(void **state)
{
    g_autoptr(Scene) scene = scene_new(1);
    g_autoptr(Op) op = op_new(scene, ask_opendir, 1);
    gint64 start = clock_now(scene->clock);
    (void)state;

    /* No scenario: every call is refused. */
    op_run(op);
    assert_failed(op, IMAPFS_ERROR_OFFLINE);
    assert_true(op->done_at - start <= DEADLINE);
    /* Now that it is known, nobody has to wait that long. */
    start = clock_now(scene->clock);
    op_run(op);
    assert_failed(op, IMAPFS_ERROR_OFFLINE);
    if (op->done_at - start > DEADLINE)
        fail_msg("it waits although the server is known to be away");
    /* It is back. */
    serve_honestly(scene, 1);
    scene_wait(scene, 2 * MINUTE);
    op_run(op);
    assert_fine(op);
}

/* What is known can be looked at without a server, what is not fails. */
static void
test_offline(void **state)
{
    g_autoptr(Scene) scene = scene_new(1);
    g_autofree char *names = NULL;
    guint64 inbox;
    gint64 start;
    Copy made;
    (void)state;

    serve_honestly(scene, 1);
    add_mail(&scene->server, 3, 1000, -1);
    add_mail(&scene->server, 4, 300000, -1);
    inbox = enter(scene);
    made = copy(scene, find(scene, inbox, "3.eml"), 4096);
    copy_clear(&made);
    script_hang_up(scene->script, 0);
    scene_wait(scene, 5 * MINUTE);
    start = clock_now(scene->clock);
    names = list(scene, inbox, NULL);
    assert_string_equal(names, "3.eml,4.eml,");
    made = copy(scene, find(scene, inbox, "3.eml"), 4096);
    assert_is_mail(&made, mail_at(&scene->server, 0));
    copy_clear(&made);
    made = copy(scene, find(scene, inbox, "4.eml"), 4096);
    assert_non_null(made.error);
    assert_int_equal(made.error->code, IMAPFS_ERROR_OFFLINE);
    copy_clear(&made);
    assert_int_equal(clock_now(scene->clock), start);
}

/* The account may go while operations wait. */
static void
test_evict(void **state)
{
    g_autoptr(Scene) scene = scene_new(1);
    g_autoptr(Op) op = op_new(scene, ask_opendir, 1);
    g_autoptr(GError) error =
        g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_CANCELLED, "unmounted");
    (void)state;

    script_add(scene->script, "HANG");
    op_start(op);
    scene_wait(scene, CLOCK_SECOND);
    assert_int_equal(fs_park_count(scene->park), 1);
    fs_park_evict(scene->park, error);
    assert_true(op->done);
    assert_failed(op, IMAPFS_ERROR_CANCELLED);
    assert_int_equal(fs_park_count(scene->park), 0);
}

int
main(void)
{
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(test_list_and_read),
        cmocka_unit_test(test_no_such_name),
        cmocka_unit_test(test_shared_fetch),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_tail),
        cmocka_unit_test(test_no_origin),
        cmocka_unit_test(test_twice),
        cmocka_unit_test(test_wrong_when_trusted),
        cmocka_unit_test(test_cut_everywhere),
        cmocka_unit_test(test_cut_in_large_literal),
        cmocka_unit_test(test_always_cut),
        cmocka_unit_test(test_replaced_between_reads),
        cmocka_unit_test(test_replaced_seen_by_reader),
        cmocka_unit_test(test_expunged_unseen),
        cmocka_unit_test(test_pushes),
        cmocka_unit_test(test_arrival),
        cmocka_unit_test(test_exists_large),
        cmocka_unit_test(test_exists_large_at_select),
        cmocka_unit_test(test_number_large),
        cmocka_unit_test(test_last_uid),
        cmocka_unit_test(test_refused_mailbox),
        cmocka_unit_test(test_vanishing_mailbox),
        cmocka_unit_test(test_hostile_names),
        cmocka_unit_test(test_interrupt),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_unreachable),
        cmocka_unit_test(test_offline),
        cmocka_unit_test(test_evict),
    };
    struct CMUnitTest tests[G_N_ELEMENTS(habit_table) + G_N_ELEMENTS(others)];
    guint n = 0;

    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING |
                           G_LOG_FATAL_MASK);
    g_mime_init();
    for (guint i = 0; i < G_N_ELEMENTS(habit_table); i++)
        tests[n++] = (struct CMUnitTest){habit_table[i].name, test_habit, NULL,
                                         NULL, (void *)&habit_table[i]};
    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        tests[n++] = others[i];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
