/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <gmime/gmime.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sysexits.h>
#include <syslog.h>
#include <unistd.h>

#include "base/error.h"
#include "fs/nudging.h"
#include "fs/ops.h"
#include "options.h"
#include "password.h"

/* Octets of messages kept in memory; the kernel keeps more. */
#define CACHE_LIMIT (16U << 20)
#define LOGOUT_PATIENCE (2 * CLOCK_SECOND)

typedef struct {
    const Options *options;
    GMainLoop *loop;
    Clock *clock;
    ImapLogin login;
    ImapAddress address;
    MailAccount *account;
    FsTree *tree;
    FsOps *ops;
    MailWaiter first_look; /* at the list of mailboxes */
    guint timer;
    GError *failure;
    gint64 started;
} Program;

/* ---- messages ---- */

static int
exit_status(const GError *error)
{
    switch (error->code) {
    case IMAPFS_ERROR_USAGE:
        return EX_USAGE;
    case IMAPFS_ERROR_NO_HOST:
        return EX_NOHOST;
    case IMAPFS_ERROR_OFFLINE:
    case IMAPFS_ERROR_TIMEOUT:
    case IMAPFS_ERROR_BUSY:
        return EX_UNAVAILABLE;
    case IMAPFS_ERROR_DENIED:
        return EX_NOPERM;
    case IMAPFS_ERROR_PROTOCOL:
        return EX_PROTOCOL;
    default:
        return EX_SOFTWARE;
    }
}

static int
complain(const GError *error)
{
    fprintf(stderr, "imapfs: %s\n", error->message);
    return exit_status(error);
}

static GLogWriterOutput
write_log(GLogLevelFlags level, const GLogField *fields, gsize n_fields,
          gpointer data)
{
    const Program *program = data;
    const char *text = "";
    gboolean ours = FALSE;

    for (gsize i = 0; i < n_fields; i++) {
        if (strcmp(fields[i].key, "MESSAGE") == 0)
            text = fields[i].value;
        else if (strcmp(fields[i].key, "GLIB_DOMAIN") == 0)
            ours = strcmp(fields[i].value, G_LOG_DOMAIN) == 0;
    }
    if (level == G_LOG_LEVEL_DEBUG && !(ours && program->options->debug))
        return G_LOG_WRITER_HANDLED;
    if (program->options->foreground)
        fprintf(stderr, "imapfs: %s\n", text);
    else
        syslog(level <= G_LOG_LEVEL_WARNING ? LOG_WARNING : LOG_INFO, "%s",
               text);
    return G_LOG_WRITER_HANDLED;
}

/* ---- the background ---- */

/*
 * Forks; the child goes on, the parent waits for the child to say how it went
 * and exits with that.  Returns the descriptor to say it on.  No thread may
 * run yet.
 */
static int
go_to_background(void)
{
    int ends[2];
    guint8 status = EX_SOFTWARE;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    switch (fork()) {
    case -1:
        return -1;
    case 0:
        close(ends[0]);
        setsid();
        return ends[1];
    default:
        close(ends[1]);
        if (read(ends[0], &status, 1) != 1)
            status = EX_SOFTWARE;
        _exit(status);
    }
}

/* The mount can be used: let go of the terminal. */
static void
report_ready(int report)
{
    static const guint8 success = EX_OK;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (report < 0)
        return;
    if (chdir("/") != 0 || null < 0)
        g_warning("cannot let go of the terminal: %s", g_strerror(errno));
    for (int fd = 0; fd < 3 && null >= 0; fd++)
        dup2(null, fd);
    if (write(report, &success, 1) != 1)
        g_warning("nobody waits for the mount any more");
    close(report);
}

static int
report_failure(int report, int status)
{
    guint8 octet = (guint8)status;
    if (report >= 0 && write(report, &octet, 1) != 1)
        return EX_OSERR;
    return status;
}

/* Nothing of this process, which knows a password, goes to disk or to other
 * processes of the user. */
static void
keep_to_ourselves(void)
{
    static const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0);
}

/* ---- a mount that was left behind ---- */

/* Is a file system of ours mounted at PATH? */
static gboolean
is_mounted(const char *path)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    g_autoptr(GString) place = g_string_new(path);

    g_string_replace(place, "\\", "\\134", 0);
    g_string_replace(place, " ", "\\040", 0);
    g_string_replace(place, "\t", "\\011", 0);
    g_string_replace(place, "\n", "\\012", 0);
    if (!g_file_get_contents("/proc/self/mountinfo", &text, NULL, NULL))
        return FALSE;
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line != NULL; line++) {
        g_auto(GStrv) fields = g_strsplit(*line, " ", -1);
        if (g_strv_length(fields) > 6 && strcmp(fields[4], place->str) == 0 &&
            strstr(*line, " - fuse.imapfs ") != NULL)
            return TRUE;
    }
    return FALSE;
}

/* Its daemon is gone. */
static gboolean
is_left_behind(const char *path)
{
    struct statvfs st;
    /* Not stat(): the kernel may still remember the answer to that. */
    return is_mounted(path) && statvfs(path, &st) != 0 &&
           (errno == ENOTCONN || errno == ECONNABORTED);
}

static void
clear_left_behind(const char *path)
{
    const char *const argv[] = {"fusermount3", "-u", "-z", "--", path, NULL};

    if (!is_left_behind(path) || umount2(path, MNT_DETACH) == 0)
        return;
    g_spawn_sync(NULL, (char **)argv, NULL,
                 G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL |
                     G_SPAWN_STDERR_TO_DEV_NULL,
                 NULL, NULL, NULL, NULL, NULL, NULL);
}

static gboolean
check_mountpoint(const char *path, GError **error)
{
    struct stat st;

    clear_left_behind(path);
    if (stat(path, &st) != 0) {
        g_set_error(error, IMAPFS_ERROR, IMAPFS_ERROR_USAGE, "%s: %s", path,
                    g_strerror(errno));
        return FALSE;
    }
    if (!S_ISDIR(st.st_mode)) {
        g_set_error(error, IMAPFS_ERROR, IMAPFS_ERROR_USAGE,
                    "%s is not a directory", path);
        return FALSE;
    }
    if (is_mounted(path)) {
        g_set_error(error, IMAPFS_ERROR, IMAPFS_ERROR_USAGE,
                    "%s is mounted already; fusermount3 -u ends that", path);
        return FALSE;
    }
    return TRUE;
}

/* ---- coming up ---- */

static void
take_first_look(Program *program)
{
    const GError *unreachable = mail_account_failure(program->account);
    MailFault fault = {NULL, NULL};

    if (unreachable != NULL)
        program->failure = g_error_copy(unreachable);
    else if (!mail_account_know_mailboxes(program->account, &fault)) {
        if (fault.want != NULL) {
            mail_want_wait(fault.want, &program->first_look);
            return;
        }
        program->failure = fault.error;
    }
    g_main_loop_quit(program->loop);
}

static gboolean
on_first_look(gpointer data)
{
    take_first_look(data);
    return G_SOURCE_REMOVE;
}

static void
on_first_look_woken(MailWaiter *waiter, const GError *error)
{
    Program *program =
        (Program *)(gpointer)((char *)waiter -
                              G_STRUCT_OFFSET(Program, first_look));
    if (error == NULL) {
        g_idle_add(on_first_look, program);
        return;
    }
    program->failure = g_error_copy(error);
    g_main_loop_quit(program->loop);
}

static void
on_too_long(gpointer data)
{
    Program *program = data;
    program->timer = 0;
    program->failure =
        g_error_new(IMAPFS_ERROR, IMAPFS_ERROR_TIMEOUT,
                    "%s did not answer in time", program->login.host);
    g_main_loop_quit(program->loop);
}

/* Logs in and lists the mailboxes. */
static gboolean
connect_account(Program *program, GError **error)
{
    program->first_look.wake = on_first_look_woken;
    program->timer =
        clock_after(program->clock, program->options->timeout * CLOCK_SECOND,
                    on_too_long, program);
    g_idle_add(on_first_look, program);
    g_main_loop_run(program->loop);
    clock_cancel(program->clock, &program->timer);
    mail_waiter_leave(&program->first_look);
    if (program->failure == NULL)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&program->failure));
    return FALSE;
}

/* ---- running ---- */

static char *
write_status(gpointer data)
{
    Program *program = data;
    GString *text = g_string_new("imapfs " PACKAGE_VERSION "\n");

    g_string_append_printf(
        text, "up for: %" G_GINT64_FORMAT " s\nrequests waiting: %u\n",
        (clock_now(program->clock) - program->started) / CLOCK_SECOND,
        fs_ops_waiting(program->ops));
    fs_ops_describe(program->ops, text);
    mail_account_describe(program->account, text);
    return g_string_free(text, FALSE);
}

static gboolean
on_quit(gpointer data)
{
    Program *program = data;
    g_main_loop_quit(program->loop);
    return G_SOURCE_CONTINUE;
}

static void
on_logout_timer(gpointer data)
{
    Program *program = data;
    program->timer = 0;
}

static void
log_out(Program *program)
{
    program->timer =
        clock_after(program->clock, LOGOUT_PATIENCE, on_logout_timer, program);
    while (!mail_account_logout(program->account) && program->timer != 0)
        g_main_context_iteration(NULL, TRUE);
    clock_cancel(program->clock, &program->timer);
}

static gboolean
serve(Program *program, int report)
{
    const Options *options = program->options;
    gint64 timeout = options->timeout * CLOCK_SECOND;

    program->tree = fs_tree_new(program->account, program->clock,
                                options->naming, write_status, program);
    program->ops =
        fs_ops_new(program->tree, program->account, program->clock, timeout,
                   options->mount_options, on_quit, program);
    if (program->ops == NULL ||
        !fs_ops_mount(program->ops, options->mountpoint))
        return FALSE;
    report_ready(report);
    g_unix_signal_add(SIGTERM, on_quit, program);
    g_unix_signal_add(SIGINT, on_quit, program);
    g_unix_signal_add(SIGHUP, on_quit, program);
    g_main_loop_run(program->loop);
    fs_ops_unmount(program->ops);
    log_out(program);
    return TRUE;
}

static void
clear(Program *program)
{
    if (program->account != NULL)
        mail_account_free(program->account);
    g_clear_pointer(&program->ops, fs_ops_free);
    g_clear_pointer(&program->tree, fs_tree_free);
    g_clear_pointer(&program->clock, clock_free);
    g_clear_pointer(&program->loop, g_main_loop_unref);
    g_clear_pointer(&program->login.tls, imap_tls_free);
    if (program->login.password != NULL)
        explicit_bzero(program->login.password,
                       strlen(program->login.password));
    g_free(program->login.password);
}

/* Everything from here on runs in the process that stays. */
static int
run(Program *program, int report)
{
    const Options *options = program->options;
    g_autoptr(GError) error = NULL;
    gboolean served = FALSE;

    if (!options->foreground)
        openlog("imapfs", LOG_PID, LOG_USER);
    g_log_set_writer_func(write_log, program, NULL);
    g_mime_init();
    program->clock = clock_new();
    program->started = clock_now(program->clock);
    program->loop = g_main_loop_new(NULL, FALSE);
    program->address =
        (ImapAddress){options->host, options->port, options->timeout / 2 + 1};
    program->login.host = options->host;
    program->login.port = options->port;
    program->login.security = options->security;
    program->login.user = options->user;
    program->login.patience = options->timeout * CLOCK_SECOND / 2;
    program->login.trace = options->debug;
    if (options->security != IMAP_TLS_NONE)
        program->login.tls = imap_tls_new(options->tls_ca, &error);
    if (error == NULL) {
        MailAccountSetup setup = {
            .login = &program->login,
            .dialer = {imap_dial_tcp, &program->address},
            .clock = program->clock,
            .connections = options->connections,
            .cache_limit = CACHE_LIMIT,
        };
        program->account = mail_account_new(&setup);
        if (connect_account(program, &error))
            served = serve(program, report);
    }
    clear(program);
    if (error != NULL)
        return report_failure(report, complain(error));
    return served ? EX_OK : report_failure(report, EX_OSERR);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Options) options = NULL;
    Program program = {.options = NULL};
    int report = -1;

    if (fs_nudging_is_meant(argv))
        return fs_nudging_run(argv);
    program.options = options = options_parse(&argc, &argv, &error);
    setlocale(LC_ALL, "");
    if (options == NULL)
        return complain(error);
    if (options->version) {
        printf("imapfs %s, libfuse %s\n", PACKAGE_VERSION, fs_ops_library());
        return EX_OK;
    }
    signal(SIGPIPE, SIG_IGN);
    keep_to_ourselves();
    if (!check_mountpoint(options->mountpoint, &error))
        return complain(error);
    program.login.password = password_find(options, &error);
    if (program.login.password == NULL)
        return complain(error);
    if (options->fake)
        return EX_OK;
    if (!options->foreground) {
        report = go_to_background();
        if (report < 0) {
            fprintf(stderr, "imapfs: cannot fork: %s\n", g_strerror(errno));
            return EX_OSERR;
        }
    }
    return run(&program, report);
}
