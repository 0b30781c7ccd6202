/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The whole program below fs/ops, with a random user, a random server and a
 * random wire, all from one seed, on a virtual clock.  Checked all the way:
 *
 *   no operation outlives its deadline;
 *   every octet that is read is the right octet of the right message;
 *   a message that was there all the time is listed exactly once;
 *   in a world without faults nothing fails but what is gone;
 *   when the faults end, what is shown is what the server has.
 *
 * Usage: simulation [SEED [COUNT]]; IMAPFS_SIM_SEEDS sets COUNT, too.  A seed
 * that fails is printed, and replays.
 */
#include <gmime/gmime.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "fs/park.h"
#include "fs/tree.h"
#include "imap/utf7.h"
#include "world.h"

enum { OPERATIONS = 400, OPEN_MAX = 24 };
#define TIMEOUT (30 * CLOCK_SECOND)
#define SLACK (1 * CLOCK_SECOND)

typedef struct Run Run;

/* One operation of the user. */
typedef struct {
    FsParked parked;
    Run *run;
    enum { OP_LOOKUP, OP_LIST, OP_READ, OP_XATTR } kind;
    gint64 started;
    char *mailbox;
    char *name;
    /* a listing */
    gint64 offset;
    gboolean opened;
    GHashTable *listed; /* names */
    GArray *stable;     /* UIDs that were there when it began */
    guint32 uidvalidity;
    /* a read */
    FsFile *file;
    guint64 file_uidvalidity;
    guint32 uid;
    guint64 at;
    gsize size;
    gboolean to_end;
} Op;

struct Run {
    guint32 seed;
    Clock *clock;
    World *world;
    GRand *rand;
    ImapLogin login;
    MailAccount *account;
    FsTree *tree;
    FsPark *park;
    GPtrArray *ops; /* running */
    gboolean faults;
    gboolean failed;
    guint done, errors;
};

static void step_op(Op *op);

#define CHECK(run, condition, ...)                     \
    do {                                               \
        if (!(condition)) {                            \
            fprintf(stderr, "seed %u: ", (run)->seed); \
            fprintf(stderr, __VA_ARGS__);              \
            fputc('\n', stderr);                       \
            (run)->failed = TRUE;                      \
        }                                              \
    } while (0)

static guint
any(Run *run, guint n)
{
    return (guint)g_rand_int_range(run->rand, 0, (gint)n);
}

static WorldMailbox *
world_mailbox(Run *run, const char *name)
{
    for (guint i = 0; i < run->world->mailboxes->len; i++) {
        WorldMailbox *mailbox = g_ptr_array_index(run->world->mailboxes, i);
        if (strcmp(mailbox->name, name) == 0)
            return mailbox;
    }
    return NULL;
}

static WorldMessage *
world_message(const WorldMailbox *mailbox, guint32 uid)
{
    for (guint i = 0; mailbox != NULL && i < mailbox->messages->len; i++) {
        WorldMessage *message =
            &g_array_index(mailbox->messages, WorldMessage, i);
        if (message->uid == uid)
            return message;
    }
    return NULL;
}

/* ---- operations ---- */

static void
free_op(Op *op)
{
    fs_park_leave(&op->parked);
    g_clear_pointer(&op->listed, g_hash_table_unref);
    g_clear_pointer(&op->stable, g_array_unref);
    g_clear_pointer(&op->file, fs_file_free);
    g_free(op->mailbox);
    g_free(op->name);
    g_free(op);
}

static void
end_op(Op *op, const GError *error)
{
    Run *run = op->run;
    gint64 took = clock_now(run->clock) - op->started;
    const WorldMailbox *mailbox = world_mailbox(run, op->mailbox);

    run->done++;
    CHECK(run, took <= TIMEOUT + SLACK,
          "an operation of kind %d took %" G_GINT64_FORMAT " s", (int)op->kind,
          took / CLOCK_SECOND);
    if (error != NULL) {
        gboolean gone = error->code == IMAPFS_ERROR_NOT_FOUND ||
                        error->code == IMAPFS_ERROR_STALE ||
                        error->code == IMAPFS_ERROR_CANCELLED;
        run->errors++;
        CHECK(run,
              run->faults || gone ||
                  (op->kind == OP_READ &&
                   world_message(mailbox, op->uid) == NULL),
              "without any fault, kind %d of %s/%s UID %u: %s", (int)op->kind,
              op->mailbox, op->name ? op->name : "", op->uid, error->message);
    }
    g_ptr_array_remove_fast(run->ops, op);
    free_op(op);
}

static void
on_resume(FsParked *parked, const GError *error)
{
    Op *op = (Op *)(gpointer)parked;
    if (error != NULL)
        end_op(op, error);
    else
        step_op(op);
}

static gboolean
take_entry(const char *name, const FsAttributes *attributes, gint64 next,
           gpointer data)
{
    Op *op = data;
    /* Like the kernel with a small buffer: a few entries at a time. */
    if (any(op->run, 8) == 0 && op->at > 0)
        return FALSE;
    (void)attributes;
    op->at++;
    op->offset = next;
    CHECK(op->run, g_hash_table_add(op->listed, g_strdup(name)),
          "%s/%s was listed twice", op->mailbox, name);
    CHECK(op->run, strchr(name, '/') == NULL && *name != '\0',
          "a name that cannot be: %s", name);
    return TRUE;
}

static void
check_listing(Op *op)
{
    WorldMailbox *mailbox = world_mailbox(op->run, op->mailbox);

    if (mailbox == NULL || mailbox->uidvalidity != op->uidvalidity)
        return;
    for (guint i = 0; i < op->stable->len; i++) {
        guint32 uid = g_array_index(op->stable, guint32, i);
        g_autofree char *name = g_strdup_printf("%u.eml", uid);
        CHECK(op->run,
              world_message(mailbox, uid) == NULL ||
                  g_hash_table_contains(op->listed, name),
              "%s/%s was there all the time and is not listed", op->mailbox,
              name);
    }
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

static gboolean
ask_listing(Op *op, MailFault *fault)
{
    FsAttributes directory;

    for (;;) {
        gint64 before = op->offset;
        if (!find_mailbox(op, &directory, fault) ||
            (!op->opened &&
             !fs_tree_opendir(op->run->tree, directory.stat.st_ino, fault)))
            return FALSE;
        op->opened = TRUE;
        op->at = 0;
        if (!fs_tree_readdir(op->run->tree, directory.stat.st_ino, op->offset,
                             take_entry, op, fault))
            return FALSE;
        if (op->offset == before) {
            check_listing(op);
            return TRUE;
        }
    }
}

static gboolean
ask_read(Op *op, MailFault *fault)
{
    FsAttributes directory;
    FsAttributes file;
    guint8 buffer[9000];
    gsize n;

    if (op->file == NULL) {
        if (!find_mailbox(op, &directory, fault) ||
            !fs_tree_lookup(op->run->tree, directory.stat.st_ino, op->name,
                            &file, fault) ||
            !fs_tree_open(op->run->tree, file.stat.st_ino, &op->file, fault))
            return FALSE;
        op->file_uidvalidity = file.generation;
    }
    do {
        if (!fs_tree_read(op->run->tree, op->file, op->at, buffer, op->size, &n,
                          fault))
            return FALSE;
        for (gsize i = 0; i < n; i++) {
            guint8 right =
                world_octet(op->mailbox, (guint32)op->file_uidvalidity, op->uid,
                            op->at + i);
            if (buffer[i] != right) {
                CHECK(op->run, FALSE,
                      "wrong octet at %" G_GUINT64_FORMAT " of %s/%u",
                      op->at + i, op->mailbox, op->uid);
                return TRUE;
            }
        }
        op->at += n;
        if (n < op->size) { /* the end, or so it says */
            const WorldMailbox *mailbox = world_mailbox(op->run, op->mailbox);
            const WorldMessage *message = world_message(mailbox, op->uid);
            CHECK(op->run,
                  message == NULL || op->at >= message->size ||
                      mailbox->uidvalidity != op->file_uidvalidity,
                  "%s/%u ended at %" G_GUINT64_FORMAT " of %u", op->mailbox,
                  op->uid, op->at, message->size);
            return TRUE;
        }
    } while (op->to_end);
    return TRUE;
}

static gboolean
ask_attributes(Op *op, MailFault *fault)
{
    FsAttributes directory;
    FsAttributes file;
    g_autofree char *value = NULL;

    if (!find_mailbox(op, &directory, fault) ||
        !fs_tree_lookup(op->run->tree, directory.stat.st_ino, op->name, &file,
                        fault))
        return FALSE;
    if (op->kind == OP_XATTR &&
        !fs_tree_getxattr(op->run->tree, file.stat.st_ino, "user.imap.uid",
                          &value, fault))
        return FALSE;
    CHECK(op->run, value == NULL || strtoul(value, NULL, 10) == op->uid,
          "UID %s instead of %u", value, op->uid);
    return TRUE;
}

static void
step_op(Op *op)
{
    MailFault fault = {NULL, NULL};
    g_autoptr(GError) error = NULL;
    gboolean answered = op->kind == OP_LIST   ? ask_listing(op, &fault)
                        : op->kind == OP_READ ? ask_read(op, &fault)
                                              : ask_attributes(op, &fault);
    if (!answered && fault.want != NULL) {
        CHECK(op->run, fault.error == NULL, "a want and an error");
        fs_park_wait(op->run->park, &op->parked, fault.want);
        return;
    }
    error = fault.error;
    end_op(op, answered ? NULL : error);
}

/* ---- the user ---- */

static void
start_op(Run *run)
{
    Op *op = g_new0(Op, 1);
    WorldMailbox *mailbox = g_ptr_array_index(
        run->world->mailboxes, any(run, run->world->mailboxes->len));
    static const int kinds[] = {OP_LOOKUP, OP_LIST, OP_LIST, OP_READ,
                                OP_READ,   OP_READ, OP_READ, OP_XATTR};

    op->run = run;
    op->parked.resume = on_resume;
    op->started = clock_now(run->clock);
    op->kind = kinds[any(run, G_N_ELEMENTS(kinds))];
    op->mailbox = g_strdup(mailbox->name);
    op->uid = 1 + any(run, mailbox->uidnext + 1);
    if (mailbox->messages->len > 0 && any(run, 8) != 0)
        op->uid = g_array_index(mailbox->messages, WorldMessage,
                                any(run, mailbox->messages->len))
                      .uid;
    op->name = g_strdup_printf("%u.eml", op->uid);
    op->uidvalidity = mailbox->uidvalidity;
    op->listed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    op->stable = g_array_new(FALSE, FALSE, sizeof(guint32));
    for (guint i = 0; i < mailbox->messages->len; i++) {
        const WorldMessage *message =
            &g_array_index(mailbox->messages, WorldMessage, i);
        /* What came later may not be known yet, if the wire was down. */
        if (message->born <= CLOCK_SECOND)
            g_array_append_val(op->stable, message->uid);
    }
    op->size = 1 + any(run, 8999);
    op->to_end = any(run, 2) == 0;
    if (!op->to_end)
        op->at = any(run, 4) == 0 ? any(run, 300000) : 0;
    g_ptr_array_add(run->ops, op);
    step_op(op);
}

static void
interrupt_one(Run *run)
{
    if (run->ops->len > 0) {
        Op *op = g_ptr_array_index(run->ops, any(run, run->ops->len));
        fs_park_interrupt(&op->parked);
    }
}

/* ---- the server's life ---- */

static void
change_world(Run *run)
{
    World *world = run->world;
    WorldMailbox *mailbox =
        g_ptr_array_index(world->mailboxes, any(run, world->mailboxes->len));
    guint n = mailbox->messages->len;
    const char *name;

    switch (any(run, run->faults ? 12 : 6)) {
    case 0:
    case 1:
        world_add_message(world, mailbox, 1 + any(run, 5000));
        break;
    case 2:
        if (n > 1)
            world_expunge(world, mailbox, any(run, n));
        break;
    case 3:
    case 4:
        if (n > 0)
            world_set_seen(world, mailbox, any(run, n), any(run, 2));
        break;
    case 5:
        name = any(run, 2) ? "Neu &APw-ber" : "INBOX/a";
        if (world_mailbox(run, name) == NULL)
            world_add_mailbox(world, name);
        break;
    case 6:
        world_cut(world);
        break;
    case 7:
        world->dead = !world->dead && any(run, 3) == 0;
        break;
    case 8:
        world->refusing = !world->refusing && any(run, 2) == 0;
        break;
    case 9:
        if (any(run, 4) == 0)
            world_replace(world, mailbox);
        break;
    case 10:
        if (any(run, 6) == 0 && world->mailboxes->len > 2)
            world_remove_mailbox(world, world->mailboxes->len - 1);
        break;
    default:
        world->cut = any(run, 3) * 0.3;
    }
}

/* ---- running ---- */

static void
settle(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        continue;
}

static void
pass_time(Run *run, gint64 duration)
{
    gint64 until = clock_now(run->clock) + duration;
    guint timer = clock_after(run->clock, duration, (ClockFunc)settle, NULL);

    settle();
    while (clock_now(run->clock) < until && clock_step(run->clock, until))
        settle();
    clock_cancel(run->clock, &timer);
}

static void
build_world(Run *run)
{
    static const char *const names[] = {"INBOX", "Sent", "Archive/2025"};

    run->world = world_new(run->clock, run->seed + 1);
    run->world->delay_max = any(run, 4) == 0 ? 0 : 200 * CLOCK_MILLISECOND;
    run->world->idle = any(run, 4) != 0;
    run->world->uidplus = any(run, 2);
    run->faults = run->seed % 4 != 0;
    if (run->seed % 4 == 3)
        run->world->wrong_sizes = 3;
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        WorldMailbox *mailbox = world_add_mailbox(run->world, names[i]);
        for (guint n = any(run, 40); n > 0; n--)
            world_add_message(run->world, mailbox,
                              any(run, 12) == 0 ? 100000 + any(run, 400000)
                                                : any(run, 6000));
    }
}

/* Faults are over: what is shown must become what is. */
static void
check_end(Run *run)
{
    World *world = run->world;

    world->dead = world->refusing = FALSE;
    world->cut = 0;
    run->faults = TRUE; /* what is under way may still fail */
    pass_time(run, 200 * CLOCK_SECOND);
    CHECK(run, run->ops->len == 0, "%u operations hang", run->ops->len);
    run->faults = world->wrong_sizes != 0;
    for (guint i = 0; i < world->mailboxes->len; i++) {
        WorldMailbox *mailbox = g_ptr_array_index(world->mailboxes, i);
        for (guint j = 0; j <= mailbox->messages->len; j++) {
            Op *op = g_new0(Op, 1);
            gboolean is_list = j == mailbox->messages->len;
            op->run = run;
            op->parked.resume = on_resume;
            op->started = clock_now(run->clock);
            op->mailbox = g_strdup(mailbox->name);
            op->kind = is_list ? OP_LIST : OP_READ;
            op->uidvalidity = mailbox->uidvalidity;
            op->listed =
                g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
            op->stable = g_array_new(FALSE, FALSE, sizeof(guint32));
            op->size = 8192;
            op->to_end = TRUE;
            for (guint k = 0; is_list && k < mailbox->messages->len; k++)
                g_array_append_val(
                    op->stable,
                    g_array_index(mailbox->messages, WorldMessage, k).uid);
            if (!is_list)
                op->uid = g_array_index(mailbox->messages, WorldMessage, j).uid;
            op->name = g_strdup_printf("%u.eml", op->uid);
            g_ptr_array_add(run->ops, op);
            step_op(op);
            pass_time(run, 40 * CLOCK_SECOND);
        }
    }
    CHECK(run, run->ops->len == 0, "%u operations hang at the end",
          run->ops->len);
}

static gboolean
run_seed(guint32 seed)
{
    Run run = {.seed = seed};
    MailAccountSetup setup;
    guint steps = OPERATIONS;
    guint dials;

    run.rand = g_rand_new_with_seed(seed);
    run.clock = clock_new_virtual(1794000000);
    run.ops = g_ptr_array_new();
    build_world(&run);
    run.login = (ImapLogin){.host = (char *)"sim",
                            .security = IMAP_TLS_NONE,
                            .user = (char *)"user",
                            .password = (char *)"password",
                            .patience = TIMEOUT / 2,
                            .trace = g_getenv("IMAPFS_SIM_TRACE") != NULL};
    setup = (MailAccountSetup){.login = &run.login,
                               .dialer = world_dialer(run.world),
                               .clock = run.clock,
                               .connections = 1 + any(&run, 4),
                               .cache_limit = 1000000 + any(&run, 1 << 22)};
    run.account = mail_account_new(&setup);
    run.tree = fs_tree_new(run.account, run.clock, FS_NAMES_UID, NULL, NULL);
    run.park = fs_park_new(run.account, run.clock, TIMEOUT);
    {
        MailFault fault = {NULL, NULL};
        mail_account_know_mailboxes(run.account, &fault);
        pass_time(&run, 20 * CLOCK_SECOND);
    }
    while (steps-- > 0 && !run.failed) {
        switch (any(&run, 8)) {
        case 0:
        case 1:
            change_world(&run);
            break;
        case 2:
            interrupt_one(&run);
            break;
        default:
            if (run.ops->len < OPEN_MAX)
                start_op(&run);
        }
        pass_time(&run,
                  any(&run, 4) == 0 ? any(&run, 5000000) : any(&run, 20000));
    }
    if (!run.failed)
        check_end(&run);
    while (run.ops->len > 0)
        end_op(g_ptr_array_index(run.ops, 0), NULL);
    fs_park_free(run.park);
    fs_tree_free(run.tree);
    mail_account_free(run.account);
    pass_time(&run, 60 * CLOCK_SECOND);
    dials = run.world->dials;
    world_free(run.world);
    g_ptr_array_unref(run.ops);
    g_rand_free(run.rand);
    clock_free(run.clock);
    if (run.failed)
        printf("seed %u: FAILED\n", seed);
    if (g_getenv("IMAPFS_SIM_TRACE"))
        printf("seed %u: %u operations, %u errors, %u dials\n", seed, run.done,
               run.errors, dials);
    return !run.failed;
}

static GLogWriterOutput
write_nothing(GLogLevelFlags level, const GLogField *fields, gsize n,
              gpointer data)
{
    (void)data;
    if (level &
            (G_LOG_LEVEL_WARNING | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR) ||
        g_getenv("IMAPFS_SIM_TRACE"))
        return g_log_writer_standard_streams(level, fields, n, NULL);
    return G_LOG_WRITER_HANDLED;
}

int
main(int argc, char **argv)
{
    const char *seeds = g_getenv("IMAPFS_SIM_SEEDS");
    guint32 first = argc > 1 ? (guint32)strtoul(argv[1], NULL, 10) : 1;
    guint count = argc > 2   ? (guint)strtoul(argv[2], NULL, 10)
                  : argc > 1 ? 1
                  : seeds    ? (guint)strtoul(seeds, NULL, 10)
                             : 100;
    guint failed = 0;

    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK);
    g_log_set_writer_func(write_nothing, NULL, NULL);
    g_mime_init();
    for (guint i = 0; i < count; i++)
        failed += !run_seed(first + i);
    printf("%u passed, %u failed\n", count - failed, failed);
    return failed != 0;
}
