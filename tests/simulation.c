/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The whole program below fs/ops, with a random user, a random server and a
 * random wire, all from one seed, on a virtual clock.  It is unmounted, killed
 * and mounted again, with its store if there is one, and now and then there is
 * no server for a while.  Checked all the way:
 *
 *   no operation outlives its deadline;
 *   every octet that is read is the right octet of the right message, or of
 *   the right part of it, and nothing ends before its end;
 *   a message that was there all the time is listed exactly once;
 *   in a world without faults nothing fails but what is gone;
 *   without a server what was shown is shown, and the rest fails for that;
 *   when the faults end, what is shown is what the server has, flags too;
 *   no command is sent that the server has not advertised;
 *   with QRESYNC, finding out that nothing has changed costs next to nothing.
 *
 * Usage: simulation [SEED [COUNT]]; IMAPFS_SIM_SEEDS sets COUNT, too, and
 * IMAPFS_SIM_STRICT has MODSEQ refused in a mailbox without (RFC
 * 7162, 3.1.2.2).  A seed that fails is printed, and replays.
 */
#include "simulation.h"

#include <gmime/gmime.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

enum {
    OPERATIONS = 400,
    OPEN_MAX = 24,
    REAL_SECONDS_MAX = 120, /* for a seed; sets that are expanded take longer */
};

guint
run_any(Run *run, guint n)
{
    return (guint)g_rand_int_range(run->rand, 0, (gint)n);
}

static WorldMailbox *
any_mailbox(Run *run)
{
    return g_ptr_array_index(run->world->mailboxes,
                             run_any(run, run->world->mailboxes->len));
}

/* ---- time ---- */

static void
settle(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        continue;
}

void
run_pass_time(Run *run, gint64 duration)
{
    gint64 until = clock_now(run->clock) + duration;
    guint timer = clock_after(run->clock, duration, (ClockFunc)settle, NULL);

    settle();
    while (clock_now(run->clock) < until && clock_step(run->clock, until))
        settle();
    clock_cancel(run->clock, &timer);
}

/* Until no operation is under way. */
static void
drain(Run *run)
{
    for (int i = 0; run->ops->len > 0 && i < 80; i++)
        run_pass_time(run, CLOCK_SECOND / 2);
    CHECK(run, run->ops->len == 0, "%u operations hang", run->ops->len);
    while (run->ops->len > 0)
        op_end(g_ptr_array_index(run->ops, 0), NULL);
}

/* ---- the server's life ---- */

/* What other clients do. */
static void
change_mail(Run *run)
{
    World *world = run->world;
    WorldMailbox *mailbox = any_mailbox(run);
    guint n = mailbox->messages->len;

    switch (run_any(run, 8)) {
    case 0:
    case 1:
        world_add_message(world, mailbox, 1 + run_any(run, 5000));
        break;
    case 2:
    case 3:
        if (n > 1)
            world_expunge(world, mailbox, run_any(run, n),
                          run_any(run, 4) == 0 ? 1 + run_any(run, 5) : 1);
        break;
    case 4:
        if (n > 0)
            world_move(world, mailbox, run_any(run, n), any_mailbox(run),
                       run_any(run, 2));
        break;
    default:
        if (n > 0)
            world_set_flags(world, mailbox, run_any(run, n),
                            1 + run_any(run, 3), run_any(run, WORLD_FLAGS + 1));
    }
}

/* What the server does to a mailbox. */
static void
change_mailbox(Run *run)
{
    World *world = run->world;
    WorldMailbox *mailbox = any_mailbox(run);

    switch (run_any(run, 6)) {
    case 0:
        world_replace(world, mailbox, run_any(run, 2));
        break;
    case 1:
        if (run_any(run, 2) == 0 && world->mailboxes->len > 2)
            world_remove_mailbox(world, world->mailboxes->len - 1);
        break;
    case 2:
        if (world->lie == WORLD_RESTORED)
            world_rewind(world, mailbox);
        break;
    case 3:
        world_cut(world);
        mailbox->nomodseq = !mailbox->nomodseq && run_any(run, 2);
        break;
    default:
        world_forget(mailbox);
    }
}

static void
change_world(Run *run)
{
    World *world = run->world;
    const char *name;

    switch (run_any(run, run->faults ? 12 : 6)) {
    case 5:
        name = run_any(run, 2) ? "Neu &APw-ber" : "INBOX/a";
        if (world_mailbox(world, name) == NULL)
            world_add_mailbox(world, name);
        break;
    case 6:
        world_cut(world);
        break;
    case 7:
        world->dead = !world->dead && run_any(run, 3) == 0;
        break;
    case 8:
        world->refusing = !world->refusing && run_any(run, 2) == 0;
        break;
    case 9:
    case 10:
        if (run_any(run, 3) == 0)
            change_mailbox(run);
        break;
    case 11:
        world->cut = run_any(run, 3) * 0.3;
        break;
    default:
        change_mail(run);
    }
}

/* ---- mounting ---- */

static void
mount_account(Run *run)
{
    MailFault fault = {NULL, NULL};

    run_open_store(run);
    run->account = mail_account_new(&run->setup);
    run->tree = fs_tree_new(run->account, run->clock, FS_NAMES_UID, NULL, NULL);
    run->spared = run_any(run, 2);
    if (run->spared) {
        fs_tree_do_without_open(run->tree);
        mail_account_promise_sizes(run->account);
    }
    run->park = fs_park_new(run->account, run->clock, SIMULATION_TIMEOUT);
    /* As main() does, but that gives up some time. */
    for (int i = 0;
         i < 60 && !mail_account_know_mailboxes(run->account, &fault); i++) {
        g_clear_error(&fault.error);
        run_pass_time(run, CLOCK_SECOND);
    }
    g_clear_error(&fault.error);
}

static void
unmount_account(Run *run)
{
    while (run->ops->len > 0)
        op_end(g_ptr_array_index(run->ops, 0), NULL);
    fs_park_free(run->park);
    fs_tree_free(run->tree);
    mail_account_free(run->account);
    if (run->setup.store != NULL)
        mail_store_close(run->setup.store);
    run->setup.store = NULL;
}

/* Leaves it as it should be left, or as kill -9 does. */
static void
leave_account(Run *run, gboolean kill)
{
    char *copy = NULL;

    run->remounts++;
    if (kill) {
        /* What closing writes will never have been written. */
        if (run->setup.store != NULL)
            copy = run_copy_directory(run);
    } else {
        drain(run);
        for (int i = 0; i < 30 && !mail_account_logout(run->account); i++)
            run_pass_time(run, 100 * CLOCK_MILLISECOND);
    }
    unmount_account(run);
    if (copy != NULL) {
        run_use_copy(run, copy);
        if (run_any(run, 6) == 0)
            run_tear_directory(run);
    }
    run_pass_time(run, CLOCK_SECOND);
}

static void
remount(Run *run)
{
    leave_account(run, run_any(run, 2));
    if (run_any(run, 4) != 0) {
        for (guint n = run_any(run, 12); n > 0; n--)
            change_mail(run);
        if (run_any(run, 4) == 0)
            change_mailbox(run);
    }
    mount_account(run);
}

/* ---- without a server ---- */

static void
check_same_listing(Run *run, const WorldMailbox *mailbox,
                   const OpResult *before, const OpResult *now)
{
    GHashTableIter iter;
    gpointer name;

    CHECK(run, now->error == NULL, "%s cannot be listed offline: %s",
          mailbox->name, now->error ? now->error->message : "");
    if (before->listed == NULL || now->listed == NULL)
        return;
    CHECK(run,
          g_hash_table_size(before->listed) == g_hash_table_size(now->listed),
          "%s has %u names offline, it had %u", mailbox->name,
          g_hash_table_size(now->listed), g_hash_table_size(before->listed));
    g_hash_table_iter_init(&iter, before->listed);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        CHECK(run, g_hash_table_contains(now->listed, name),
              "%s/%s is not listed offline", mailbox->name, (char *)name);
}

/* A mailbox that is new is found by whoever asks again, and what takes long to
 * find out is not waited for. */
static void
look_into(Run *run, const WorldMailbox *mailbox)
{
    g_auto(OpResult) found = {FALSE, NULL, NULL, 0};

    run_do(run, OP_LIST, mailbox, 0, FALSE, &found);
    run_pass_time(run, 5 * CLOCK_SECOND);
}

/* A part of a letter is what it is, if not at first: what a server gets wrong
 * is found out by somebody. */
static void
check_letter(Run *run, const WorldMailbox *mailbox, guint32 uid)
{
    guint64 content =
        world_content(run->world, mailbox->name, mailbox->uidvalidity, uid);
    guint part = run_any_part(run);
    gboolean good = FALSE;

    if (world_letter(run->world, content) == NULL)
        return;
    for (guint tries = 0; tries < 3 && !good; tries++) {
        g_auto(OpResult) octets = {FALSE, NULL, NULL, 0};
        Op *op = op_new(run, OP_PART, mailbox, uid);
        op->part = part;
        run_op(run, op, FALSE, &octets);
        good = octets.error == NULL;
    }
    CHECK(run, good || run->world->wrong_sizes != 0,
          "part %u of %s/%u cannot be read", part, mailbox->name, uid);
}

/* All of MAILBOX is what the server has. */
static void
check_mailbox(Run *run, const WorldMailbox *mailbox, gboolean read)
{
    g_auto(OpResult) listed = {FALSE, NULL, NULL, 0};

    look_into(run, mailbox);
    run_do(run, OP_LIST, mailbox, 0, TRUE, &listed);
    CHECK(run, listed.error == NULL, "%s cannot be listed: %s", mailbox->name,
          listed.error ? listed.error->message : "");
    /* Flags may come a little later than names. */
    run_pass_time(run, 3 * CLOCK_SECOND);
    for (guint i = 0; i < mailbox->messages->len; i++) {
        guint32 uid = world_message_at(mailbox, i)->uid;
        g_auto(OpResult) attributes = {FALSE, NULL, NULL, 0};
        g_auto(OpResult) octets = {FALSE, NULL, NULL, 0};
        run_do(run, OP_XATTR, mailbox, uid, TRUE, &attributes);
        CHECK(run, attributes.error == NULL, "%s/%u has no attributes: %s",
              mailbox->name, uid,
              attributes.error ? attributes.error->message : "");
        if (read)
            run_do(run, OP_READ, mailbox, uid, FALSE, &octets);
        if (read)
            check_letter(run, mailbox, uid);
    }
    if (run->failed)
        fprintf(stderr, "seed %u: %s%s\n", run->seed, mailbox->name,
                mailbox->nomodseq ? " has no modseqs" : "");
}

/* What is checked while the server is away. */
static void
be_offline(Run *run, const WorldMailbox *mailbox, guint32 uid,
           const OpResult *before, gboolean stored)
{
    g_auto(OpResult) listed = {FALSE, NULL, NULL, 0};
    g_auto(OpResult) octets = {FALSE, NULL, NULL, 0};
    const WorldMessage *message = world_message(mailbox, uid);
    /* A size that was wrong may keep it from being stored. */
    gboolean certain = !stored || (run->world->wrong_sizes == 0 &&
                                   run->store_limit > 10000000);
    guint64 size = message ? message->size : 0;

    run->offline = TRUE;
    for (guint n = run_any(run, 6); n > 0; n--)
        change_mail(run);
    run_pass_time(run, run_any(run, 60) * CLOCK_SECOND);
    run_do(run, OP_LIST, mailbox, 0, FALSE, &listed);
    check_same_listing(run, mailbox, before, &listed);
    if (uid != 0)
        run_do(run, OP_READ, mailbox, uid, FALSE, &octets);
    CHECK(run, octets.error == NULL || !certain,
          "%s/%u cannot be read offline: %s", mailbox->name, uid,
          octets.error ? octets.error->message : "");
    CHECK(run, octets.error != NULL || octets.octets >= size,
          "%s/%u has %" G_GUINT64_FORMAT " octets offline, not %" //
          G_GUINT64_FORMAT,
          mailbox->name, uid, octets.octets, size);
    for (int i = 0; i < 6; i++) {
        run_start_op(run);
        run_pass_time(run, run_any(run, 6) * CLOCK_SECOND);
    }
    drain(run);
    run->offline = FALSE;
}

/* Where sizes were promised, who finds out that one was wrong fails. */
static void
read_all(Run *run, const WorldMailbox *mailbox, guint32 uid, OpResult *ret)
{
    run_do(run, OP_READ, mailbox, uid, FALSE, ret);
    if (run->spared && run->world->wrong_sizes != 0 &&
        g_error_matches(ret->error, IMAPFS_ERROR, IMAPFS_ERROR_STALE)) {
        op_result_clear(ret);
        run_do(run, OP_READ, mailbox, uid, FALSE, ret);
    }
}

/* The server is away for a while. */
static void
lose_server(Run *run)
{
    g_auto(OpResult) listed = {FALSE, NULL, NULL, 0};
    g_auto(OpResult) octets = {FALSE, NULL, NULL, 0};
    gboolean faults = run->faults;
    const WorldMailbox *mailbox;
    gboolean stored = FALSE;
    guint32 uid = 0;

    run->episodes++;
    run->faults = TRUE;
    world_heal(run->world);
    drain(run);
    run_pass_time(run, 130 * CLOCK_SECOND);
    mailbox = any_mailbox(run);
    look_into(run, mailbox);
    run_do(run, OP_LIST, mailbox, 0, TRUE, &listed);
    CHECK(run, listed.error == NULL, "%s does not heal: %s", mailbox->name,
          listed.error ? listed.error->message : "");
    if (mailbox->messages->len > 0) {
        uid = world_message_at(mailbox, run_any(run, mailbox->messages->len))
                  ->uid;
        read_all(run, mailbox, uid, &octets);
        CHECK(run, octets.error == NULL, "%s/%u does not heal: %s",
              mailbox->name, uid, octets.error ? octets.error->message : "");
    }
    run_pass_time(run, 30 * CLOCK_SECOND);
    run->world->refusing = TRUE;
    world_cut(run->world);
    stored = run->setup.store != NULL && run_any(run, 2) == 0;
    if (stored) {
        leave_account(run, FALSE);
        mount_account(run);
    }
    if (!run->failed)
        be_offline(run, mailbox, uid, &listed, stored);
    run->world->refusing = FALSE;
    run_pass_time(run, 130 * CLOCK_SECOND);
    if (!run->failed)
        check_mailbox(run, mailbox, FALSE);
    drain(run);
    run->faults = faults;
}

/* ---- the end ---- */

/* Nothing has changed: that costs next to nothing to find out. */
static void
check_small_sync(Run *run)
{
    World *world = run->world;
    guint n = world->mailboxes->len;

    /* Whoever has never asked for a difference does not know how. */
    if (world->vanished == 0 || world->lie != WORLD_HONEST)
        return;
    /* What was asked for before is not to be counted. */
    drain(run);
    run_pass_time(run, 5 * CLOCK_SECOND);
    /* All that were looked into lately are seen to at once. */
    for (guint i = 0; i < n; i++) {
        const WorldMailbox *mailbox = g_ptr_array_index(world->mailboxes, i);
        if (mailbox->nomodseq)
            return;
    }
    /* The first round brings what has changed while links watched. */
    for (guint i = 0; i < 2 * n; i++) {
        const WorldMailbox *mailbox =
            g_ptr_array_index(world->mailboxes, i % n);
        g_auto(OpResult) listed = {FALSE, NULL, NULL, 0};
        guint64 octets = world->octets;
        guint fetches = world->fetches;
        guint bodies = world->bodies;
        world_cut(world);
        run_pass_time(run, 3 * CLOCK_SECOND);
        run_do(run, OP_LIST, mailbox, 0, FALSE, &listed);
        run_pass_time(run, 3 * CLOCK_SECOND);
        /* Somebody asked for octets before, and is still served. */
        if (i < n || world->bodies != bodies)
            continue;
        run->small_syncs++;
        /* The last message is in every "n:*". */
        CHECK(run, world->fetches - fetches <= 4 * n,
              "%u FETCH to find out that %s is the same",
              world->fetches - fetches, mailbox->name);
        CHECK(run, world->octets - octets <= 1500 + 1500 * n,
              "%" G_GUINT64_FORMAT " octets to find out that %s is the same",
              world->octets - octets, mailbox->name);
    }
}

/* Faults are over: what is shown must become what is. */
static void
check_end(Run *run)
{
    World *world = run->world;

    world_heal(run->world);
    run->faults = TRUE; /* what is under way may still fail */
    run_pass_time(run, 200 * CLOCK_SECOND);
    drain(run);
    run->faults = world->wrong_sizes != 0;
    for (guint i = 0; i < world->mailboxes->len && !run->failed; i++)
        check_mailbox(run, g_ptr_array_index(world->mailboxes, i), TRUE);
    if (!run->failed)
        check_small_sync(run);
    CHECK(run, world->complaint == NULL, "the client sent what it must not: %s",
          world->complaint);
}

/* ---- running ---- */

static void
choose_server(Run *run)
{
    static const guint offers[] = {
        0,
        WORLD_CONDSTORE,
        WORLD_CONDSTORE | WORLD_ESEARCH,
        WORLD_CONDSTORE | WORLD_QRESYNC,
        WORLD_CONDSTORE | WORLD_QRESYNC | WORLD_ESEARCH,
        WORLD_CONDSTORE | WORLD_QRESYNC | WORLD_UIDONLY,
        WORLD_ESEARCH,
    };
    World *world = run->world;

    world->delay_max = run_any(run, 4) == 0 ? 0 : 200 * CLOCK_MILLISECOND;
    world->offers = offers[run->seed / 4 % G_N_ELEMENTS(offers)];
    world->offers |= run_any(run, 4) != 0 ? WORLD_IDLE : 0;
    world->offers |= run_any(run, 2) ? WORLD_LIST_STATUS : 0;
    world->offers |= run_any(run, 3) == 0 ? WORLD_OBJECTID : 0;
    world->offers |= run_any(run, 2) ? WORLD_UNSELECT : 0;
    if (run_any(run, 3) == 0)
        world->lie = run_any(run, WORLD_N_LIES);
    world->complements = run_any(run, 2);
    world->unasked_uids = run_any(run, 2);
    world->fake_modseq = run_any(run, 2);
    world->strict = g_getenv("IMAPFS_SIM_STRICT") != NULL;
    run->faults = run->seed % 4 != 0;
    if (run->seed % 4 == 3)
        world->wrong_sizes = 3;
    world->letters = 3;
    world->wrong_parts = run->seed % 4 == 2;
}

static void
build_world(Run *run)
{
    static const char *const names[] = {"INBOX", "Sent", "Archive/2025"};

    run->world = world_new(run->clock, run->seed + 1);
    choose_server(run);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        WorldMailbox *mailbox = world_add_mailbox(run->world, names[i]);
        mailbox->nomodseq = run_any(run, 8) == 0;
        for (guint n = run_any(run, 40); n > 0; n--)
            world_add_message(run->world, mailbox,
                              run_any(run, 12) == 0
                                  ? 100000 + run_any(run, 400000)
                                  : run_any(run, 6000));
    }
}

static void
begin_run(Run *run)
{
    run->rand = g_rand_new_with_seed(run->seed);
    run->clock = clock_new_virtual(1794000000);
    run->ops = g_ptr_array_new();
    build_world(run);
    run->login = (ImapLogin){.host = (char *)"sim",
                             .security = IMAP_TLS_NONE,
                             .user = (char *)"user",
                             .password = (char *)"password",
                             .patience = SIMULATION_TIMEOUT / 2,
                             .trace = g_getenv("IMAPFS_SIM_TRACE") != NULL};
    run->setup =
        (MailAccountSetup){.login = &run->login,
                           .dialer = world_dialer(run->world),
                           .clock = run->clock,
                           .connections = 1 + run_any(run, 4),
                           .cache_limit = 1000000 + run_any(run, 1 << 22)};
    run->store_limit = run_any(run, 4) == 0 ? 200000 : 50000000;
    run_make_directory(run);
    mount_account(run);
}

static void
live(Run *run)
{
    for (guint steps = OPERATIONS; steps > 0 && !run->failed; steps--) {
        guint rare = run_any(run, 400);
        if (rare < 3)
            remount(run);
        else if (rare < 5)
            lose_server(run);
        switch (run_any(run, 8)) {
        case 0:
        case 1:
            change_world(run);
            break;
        case 2:
            if (run->ops->len > 0)
                op_interrupt(
                    g_ptr_array_index(run->ops, run_any(run, run->ops->len)));
            break;
        default:
            if (run->ops->len < OPEN_MAX)
                run_start_op(run);
        }
        run_pass_time(run, run_any(run, 4) == 0 ? run_any(run, 5000000)
                                                : run_any(run, 20000));
    }
}

static guint current_seed;

static void
on_alarm(int number)
{
    char text[] = "seed ..........: takes too long\n";
    guint seed = current_seed;

    (void)number;
    for (int i = 14; i >= 5; i--, seed /= 10)
        text[i] = (char)('0' + seed % 10);
    if (write(STDERR_FILENO, text, sizeof text - 1) > 0)
        _exit(1);
    _exit(2);
}

typedef struct {
    guint remounts, episodes, deltas, vanished, searches, small_syncs;
} Totals;

static gboolean
run_seed(guint32 seed, Totals *totals)
{
    Run run = {.seed = seed};
    const World *world;

    current_seed = seed;
    alarm(REAL_SECONDS_MAX);
    begin_run(&run);
    live(&run);
    if (!run.failed)
        check_end(&run);
    unmount_account(&run);
    run_pass_time(&run, 60 * CLOCK_SECOND);
    world = run.world;
    totals->remounts += run.remounts;
    totals->episodes += run.episodes;
    totals->deltas += world->deltas;
    totals->vanished += world->vanished;
    totals->searches += world->searches;
    totals->small_syncs += run.small_syncs;
    if (g_getenv("IMAPFS_SIM_TRACE"))
        printf("seed %u: %u operations, %u errors, %u dials\n", seed, run.done,
               run.errors, world->dials);
    if (run.failed)
        printf("seed %u: FAILED, extensions 0x%x, lie %d, faults %d\n", seed,
               world->offers, (int)world->lie, seed % 4 != 0);
    run_remove_directory(&run);
    world_free(run.world);
    g_ptr_array_unref(run.ops);
    g_rand_free(run.rand);
    clock_free(run.clock);
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
    Totals totals = {0};
    guint failed = 0;

    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK);
    g_log_set_writer_func(write_nothing, NULL, NULL);
    signal(SIGALRM, on_alarm);
    g_mime_init();
    for (guint i = 0; i < count; i++)
        failed += !run_seed(first + i, &totals);
    printf("%u remounts, %u times offline, %u syncs by CHANGEDSINCE, %u by "
           "VANISHED, %u searches, %u small syncs measured\n",
           totals.remounts, totals.episodes, totals.deltas, totals.vanished,
           totals.searches, totals.small_syncs);
    printf("%u passed, %u failed\n", count - failed, failed);
    return failed != 0;
}
