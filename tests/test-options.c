/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include <glib/gstdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "options.h"

static char *config; /* the configuration file, in a directory of its own */

/* ---- an option line as text ---- */

/* ARGUMENTS are separated by blanks. */
static Options *
parse(const char *arguments, GError **error)
{
    g_autofree char *line = g_strconcat("imapfs ", arguments, NULL);
    g_auto(GStrv) owned = g_strsplit(line, " ", -1);
    g_autofree char **argv = g_memdup2(
        owned, (g_strv_length(owned) + 1) * sizeof *owned); /* ours to alter */
    char **rest = argv;
    int argc = (int)g_strv_length(owned);
    return options_parse(&argc, &rest, error);
}

static char *
describe(const Options *options)
{
    static const char *const security[] = {"implicit", "starttls", "none"};
    GString *text = g_string_new(NULL);

    g_string_append_printf(text, "%s@%s:%u %s", options->user, options->host,
                           options->port, security[options->security]);
    if (options->connections != 4)
        g_string_append_printf(text, " connections=%u", options->connections);
    if (options->timeout != 30)
        g_string_append_printf(text, " timeout=%u", options->timeout);
    if (options->naming == FS_NAMES_UID)
        g_string_append(text, " uid");
    if (options->views)
        g_string_append(text, " views");
    if (options->cache_size != 1 << 30)
        g_string_append_printf(text, " cache_size=%" G_GUINT64_FORMAT,
                               options->cache_size);
    if (options->offline)
        g_string_append(text, " offline");
    if (options->foreground)
        g_string_append(text, " foreground");
    if (options->debug)
        g_string_append(text, " debug");
    if (options->password_command != NULL)
        g_string_append_printf(text, " command=<%s>",
                               options->password_command);
    if (options->password_file != NULL)
        g_string_append_printf(text, " file=<%s>", options->password_file);
    if (options->tls_ca != NULL)
        g_string_append_printf(text, " ca=<%s>", options->tls_ca);
    return g_string_free(text, FALSE);
}

/* A row says "me" for whoever runs this. */
static char *
wanted_of(const char *row)
{
    GString *wanted = g_string_new(row);
    g_autofree char *own = g_strdup_printf("fsname=%s@", g_get_user_name());

    if (row != NULL && g_str_has_prefix(row, "me@")) {
        g_string_erase(wanted, 0, 2);
        g_string_prepend(wanted, g_get_user_name());
    }
    g_string_replace(wanted, "fsname=me@", own, 1);
    return g_string_free(wanted, row == NULL);
}

/* ---- command lines ---- */

static const struct {
    const char *arguments;
    const char *options; /* NULL: refused */
} line_rows[] = {
    /* SOURCE */
    {"imaps://example.org/ /", "me@example.org:993 implicit"},
    {"imaps://example.org /", "me@example.org:993 implicit"},
    {"IMAPS://example.org /", "me@example.org:993 implicit"},
    {"imap://example.org /", "me@example.org:143 starttls"},
    {"imap://alice@example.org:1143/ /", "alice@example.org:1143 starttls"},
    {"imaps://alice@example.org@example.net/ /",
     "alice@example.org@example.net:993 implicit"},
    {"imaps://alice%40example.org@example.net/ /",
     "alice@example.org@example.net:993 implicit"},
    {"imaps://[::1]/ /", "me@::1:993 implicit"},
    {"imaps://a@[2001:db8::1]:1993/ /", "a@2001:db8::1:1993 implicit"},
    {"imapfs#imaps://example.org/ /", "me@example.org:993 implicit"},
    {"imaps:///  /", NULL},
    {"imaps:// /", NULL},
    {"imaps://:993/ /", NULL},
    {"imaps://[]/ /", NULL},
    {"imaps://@example.org/ /", NULL},
    {"imaps://a%zz@example.org/ /", NULL},
    {"imaps://a%00b@example.org/ /", NULL},
    {"imaps://alice:secret@example.org/ /", NULL},
    {"imaps://alice:@example.org/ /", NULL},
    {"imaps://example.org/INBOX /", NULL},
    {"imaps://example.org:0/ /", NULL},
    {"imaps://example.org:65536/ /", NULL},
    {"imaps://example.org:-1/ /", NULL},
    {"imaps://example.org:/ /", NULL},
    {"imaps://example.org:993x/ /", NULL},
    {"imaps://::1/ /", NULL},
    {"imaps://[::1/ /", NULL},
    {"imaps://[::1]x:993/ /", NULL},
    {"http://example.org/ /", NULL},
    {"nobody /", NULL},

    /* how many there are */
    {"", NULL},
    {"imaps://example.org/", NULL},
    {"imaps://example.org/ / /", NULL},

    /* -o */
    {"-o username=bob imaps://example.org/ /", "bob@example.org:993 implicit"},
    {"-o username=bob imaps://alice@example.org/ /",
     "bob@example.org:993 implicit"},
    {"imaps://example.org/ / -o username=bob", "bob@example.org:993 implicit"},
    {"-o tls=starttls imaps://example.org/ /", "me@example.org:143 starttls"},
    {"-o tls=implicit imap://example.org/ /", "me@example.org:993 implicit"},
    {"-o tls=none imap://localhost/ /", "me@localhost:143 none"},
    {"-o tls=none imap://127.0.0.1/ /", "me@127.0.0.1:143 none"},
    {"-o tls=none imap://127.1.2.3/ /", "me@127.1.2.3:143 none"},
    {"-o tls=none imap://[::1]/ /", "me@::1:143 none"},
    {"-o tls=none imap://example.org/ /", NULL},
    {"-o tls=none imap://localhost.example.org/ /", NULL},
    {"-o tls=none imap://0.0.0.0/ /", NULL},
    {"-o tls=none imap://10.0.0.1/ /", NULL},
    {"-o tls=opportunistic imap://example.org/ /", NULL},
    {"-o tls= imap://example.org/ /", NULL},
    {"-o tls imap://example.org/ /", NULL},
    {"-o connections=1 imaps://example.org/ /",
     "me@example.org:993 implicit connections=1"},
    {"-o connections=8 imaps://example.org/ /",
     "me@example.org:993 implicit connections=8"},
    {"-o connections=0 imaps://example.org/ /", NULL},
    {"-o connections=9 imaps://example.org/ /", NULL},
    {"-o connections=-1 imaps://example.org/ /", NULL},
    {"-o connections=4294967297 imaps://example.org/ /", NULL},
    {"-o connections=1x imaps://example.org/ /", NULL},
    {"-o connections imaps://example.org/ /", NULL},
    {"-o timeout=3600 imaps://example.org/ /",
     "me@example.org:993 implicit timeout=3600"},
    {"-o timeout=3601 imaps://example.org/ /", NULL},
    {"-o names=uid imaps://example.org/ /", "me@example.org:993 implicit uid"},
    {"-o names=full imaps://example.org/ /", "me@example.org:993 implicit"},
    {"-o names=short imaps://example.org/ /", NULL},
    {"-o views imaps://example.org/ /", "me@example.org:993 implicit views"},
    {"-o views=no imaps://example.org/ /", NULL},
    {"-o cache_size=0 imaps://example.org/ /",
     "me@example.org:993 implicit cache_size=0"},
    {"-o cache_size=1000 imaps://example.org/ /",
     "me@example.org:993 implicit cache_size=1000"},
    {"-o cache_size=3K imaps://example.org/ /",
     "me@example.org:993 implicit cache_size=3072"},
    {"-o cache_size=500m imaps://example.org/ /",
     "me@example.org:993 implicit cache_size=524288000"},
    {"-o cache_size=2G imaps://example.org/ /",
     "me@example.org:993 implicit cache_size=2147483648"},
    {"-o cache_size=8388607T imaps://example.org/ /",
     "me@example.org:993 implicit cache_size=9223370937343148032"},
    {"-o cache_size=8388608T imaps://example.org/ /", NULL},
    {"-o cache_size=18446744073709551616 imaps://example.org/ /", NULL},
    {"-o cache_size=G imaps://example.org/ /", NULL},
    {"-o cache_size=-1 imaps://example.org/ /", NULL},
    {"-o cache_size=1X imaps://example.org/ /", NULL},
    {"-o cache_size=1GB imaps://example.org/ /", NULL},
    {"-o cache_size= imaps://example.org/ /", NULL},
    {"-o cache_size imaps://example.org/ /", NULL},
    {"-o offline imaps://example.org/ /",
     "me@example.org:993 implicit offline"},
    {"-o offline=true imaps://example.org/ /",
     "me@example.org:993 implicit offline"},
    {"-o offline=yes imaps://example.org/ /", NULL},
    {"-o offline,cache_size=0 imaps://example.org/ /", NULL},
    {"--watch imaps://example.org/ /", NULL},
    {"-o password_file=/a,tls_ca=/b imaps://example.org/ /",
     "me@example.org:993 implicit file=</a> ca=</b>"},
    {"-o password_command=pass\\,x=y imaps://example.org/ /",
     "me@example.org:993 implicit command=<pass,x=y>"},
    {"-o password_file= imaps://example.org/ /", NULL},
    {"-o password=secret imaps://example.org/ /", NULL},
    {"-o frobnicate imaps://example.org/ /", NULL},
    {"-o allow_other=yes imaps://example.org/ /", NULL},
    {"-o ,, imaps://example.org/ /", "me@example.org:993 implicit"},
    {"-o ro,rw,noauto,nofail,user,_netdev,x-systemd.automount,defaults "
     "imaps://example.org/ /",
     "me@example.org:993 implicit"},
    {"-o names=uid -o names=full imaps://example.org/ /",
     "me@example.org:993 implicit"},
    {"-f imaps://example.org/ /", "me@example.org:993 implicit foreground"},
    {"-d imaps://example.org/ /",
     "me@example.org:993 implicit foreground debug"},
    {"--frobnicate imaps://example.org/ /", NULL},

    /* as mount(8) and mount.fuse call */
    {"imaps://example.org/ / -o rw,noatime", "me@example.org:993 implicit"},
    {"-s -n -v -t fuse.imapfs imaps://example.org/ / -o ro",
     "me@example.org:993 implicit"},

    /* accounts of the configuration file */
    {"work /", "carol@example.net:993 implicit connections=2 command=<pass a>"},
    {"-o username=dave,connections=3 work /",
     "dave@example.net:993 implicit connections=3 command=<pass a>"},
    {"plain /", "me@example.net:143 starttls"},
    {"-o tls=implicit plain /", "me@example.net:993 implicit"},
    {"-o password_file=/a work /",
     "carol@example.net:993 implicit connections=2 file=</a>"},
    {"account:work /",
     "carol@example.net:993 implicit connections=2 command=<pass a>"},
    {"account:status /", "me@example.net:993 implicit"},
    {"imapfs#status /", "me@example.net:993 implicit"},
    {"no-source /", NULL},
    {"bad-flag /", NULL},
    {"odd-source /", NULL},
    {"unknown-option /", NULL},
    {"in-the-clear /", NULL},
    {"empty /", NULL},
};

static void
test_lines(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(line_rows); i++) {
        const char *line = line_rows[i].arguments;
        g_autoptr(GError) error = NULL;
        g_autoptr(Options) options = parse(line, &error);
        g_autofree char *got = options ? describe(options) : NULL;
        g_autofree char *wanted = wanted_of(line_rows[i].options);

        row_string(line, "options", got, wanted);
        row_number(line, "error", error != NULL, options == NULL);
        if (error == NULL)
            continue;
        if (!g_error_matches(error, IMAPFS_ERROR, IMAPFS_ERROR_USAGE) ||
            *error->message == '\0' || strchr(error->message, '\n') != NULL)
            row_fail(line, "error %d is \"%s\"", error->code, error->message);
        if (strstr(error->message, "secret") != NULL)
            row_fail(line, "error is \"%s\"", error->message);
    }
    rows_end();
}

/* ---- commands ---- */

static const struct {
    const char *arguments;
    const char *command; /* NULL: refused */
} command_rows[] = {
    {"status", "status"},
    {"status /a", "status /a"},
    {"status --watch", "status watch"},
    {"--watch status /a", "status watch /a"},
    {"status /a /b", NULL},
    {"refresh", NULL},
    {"refresh /a/INBOX", "refresh /a/INBOX"},
    {"refresh --watch /a", NULL},
    {"refresh /a /b", NULL},
    {"sync", NULL},
    {"sync work", "sync work"},
    {"sync nobody", "sync nobody"}, /* it may be a mountpoint */
    {"sync -o frobnicate /a INBOX Lists/x", "sync /a INBOX Lists/x"},
    {"umount", NULL},
    {"umount /a", "umount /a"},
    {"umount /a /b", NULL},
    {"check", NULL},
    {"check work", "check work = carol@example.net:993"},
    {"check account:status", "check account:status = me@example.net:993"},
    {"check status", "check status = me@example.net:993"},
    {"check -o username=dave work", "check work = dave@example.net:993"},
    {"check imap://bob@Example.ORG/",
     "check imap://bob@Example.ORG/ = bob@example.org:143"},
    {"check nobody", NULL},
    {"check work /", NULL},
    {"stat /a", NULL},
    {"Status /a", NULL},
};

static char *
describe_command(const Options *options)
{
    static const char *const names[] = {"mount", "status", "refresh",
                                        "sync",  "umount", "check"};
    GString *text = g_string_new(names[options->command]);
    const char *own = g_get_user_name();

    if (options->watch)
        g_string_append(text, " watch");
    for (char **word = options->words; *word != NULL; word++)
        g_string_append_printf(text, " %s", *word);
    if (options->host != NULL) {
        g_autofree char *account = options_account(options);
        const char *shown = account;
        g_string_append(text, " = ");
        if (g_str_has_prefix(account, own) && account[strlen(own)] == '@') {
            g_string_append(text, "me");
            shown = account + strlen(own);
        }
        g_string_append(text, shown);
    }
    return g_string_free(text, FALSE);
}

static void
test_commands(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(command_rows); i++) {
        const char *line = command_rows[i].arguments;
        g_autoptr(GError) error = NULL;
        g_autoptr(Options) options = parse(line, &error);
        g_autofree char *got = options ? describe_command(options) : NULL;

        row_string(line, "command", got, command_rows[i].command);
        row_number(line, "error", error != NULL, options == NULL);
    }
    rows_end();
}

/* What mount(8) passes names an account, whatever it is called. */
static void
test_commands_of_helper(void **state)
{
    g_autofree char *before = g_strdup(g_get_prgname());
    g_autoptr(Options) options = NULL;
    (void)state;

    g_set_prgname("mount.imapfs");
    options = parse("status /", NULL);
    g_set_prgname(before);
    assert_non_null(options);
    assert_int_equal(options->command, COMMAND_MOUNT);
}

static const struct {
    const char *source;
    const char *file;
} file_rows[] = {
    {"imaps://alice@example.org/", "alice@example.org:993"},
    {"imaps://alice@EXAMPLE.org/", "alice@example.org:993"},
    {"imaps://Alice@example.org:1993/", "Alice@example.org:1993"},
    {"imaps://alice@example.org@example.net/",
     "alice@example.org@example.net:993"},
    {"imaps://..%2f..%2fetc@example.org/", "..%2F..%2Fetc@example.org:993"},
    {"imaps://..@[::1]/", "..@::1:993"},
    {"imaps://a%0ab%25@example.org/", "a%0Ab%25@example.org:993"},
    {"imaps://J%C3%BCrgen@example.org/", "J%C3%BCrgen@example.org:993"},
};

static void
test_account_file(void **state)
{
    g_autofree char *name = g_strnfill(3000, 'x');
    g_autofree char *line = g_strdup_printf("imaps://%s@example.org/ /", name);
    g_autoptr(Options) options = parse(line, NULL);
    g_autofree char *file = options_account_file(options);
    (void)state;

    assert_int_equal(strlen(file), 64);
    for (guint i = 0; i < G_N_ELEMENTS(file_rows); i++) {
        const char *source = file_rows[i].source;
        g_autofree char *arguments = g_strdup_printf("%s /", source);
        g_autoptr(Options) row = parse(arguments, NULL);
        g_autofree char *got = row ? options_account_file(row) : NULL;
        row_string(source, "file", got, file_rows[i].file);
    }
    rows_end();
}

/* ---- what libfuse gets ---- */

#define ALWAYS "nosuid,nodev,default_permissions,subtype=imapfs,"

static const struct {
    const char *arguments;
    const char *mount;
} mount_rows[] = {
    {"imaps://example.org/ /", ALWAYS "fsname=me@example.org"},
    {"-o allow_other imaps://example.org/ /",
     ALWAYS "fsname=me@example.org,allow_other"},
    {"-o allow_other,noatime imaps://example.org/ /",
     ALWAYS "fsname=me@example.org,allow_other,noatime"},
    {"-o rw,suid,dev imaps://example.org/ /", ALWAYS "fsname=me@example.org"},
    {"-o ro imaps://example.org/ /", ALWAYS "fsname=me@example.org,ro"},
    {"-o allow_root,ro imaps://example.org/ /",
     ALWAYS "fsname=me@example.org,allow_root,ro"},
    {"imaps://a%2Callow_other%5C@example.org/ /",
     ALWAYS "fsname=a_allow_other_@example.org"},
    /* No -o drops what those before it, or the account, said. */
    {"-o allow_other -o noatime imaps://example.org/ /",
     ALWAYS "fsname=me@example.org,allow_other,noatime"},
    {"shared /", ALWAYS "fsname=me@example.net,allow_other"},
    {"-o noatime shared /", ALWAYS "fsname=me@example.net,noatime,allow_other"},
};

static void
test_mount_options(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(mount_rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Options) options = parse(mount_rows[i].arguments, &error);
        g_autofree char *wanted = wanted_of(mount_rows[i].mount);
        row_string(mount_rows[i].arguments, "mount options",
                   options ? options->mount_options : error->message, wanted);
    }
    rows_end();
}

static void
test_mountpoint(void **state)
{
    g_autoptr(Options) options =
        parse("imaps://example.org/ /usr/../usr", NULL);
    g_autoptr(Options) gone =
        parse("imaps://example.org/ /nonexistent/../nowhere", NULL);
    g_autoptr(Options) version = parse("--version", NULL);
    (void)state;

    assert_string_equal(options->mountpoint, "/usr");
    assert_string_equal(gone->mountpoint, "/nowhere");
    assert_true(version->version);
}

/* To a helper of mount(8), -f is not what it is to us. */
static void
test_fake(void **state)
{
    g_autofree char *before = g_strdup(g_get_prgname());
    g_autoptr(Options) own = parse("-f imaps://example.org/ /", NULL);
    g_autoptr(Options) helper = NULL;
    (void)state;

    g_set_prgname("mount.imapfs");
    helper = parse("-f imaps://example.org/ /", NULL);
    g_set_prgname(before);
    assert_false(own->fake);
    assert_true(own->foreground);
    assert_true(helper->fake);
}

/* ---- the configuration file ---- */

static const char text[] =
    "[work]\nsource=imaps://example.net/\nusername=carol\nconnections=2\n"
    "password_command=pass a\n"
    "[plain]\nsource=imap://example.net/\n"
    "[status]\nsource=imaps://example.net/\n"
    "[shared]\nsource=imaps://example.net/\nallow_other=true\n"
    "[bad-flag]\nsource=imaps://example.net/\nallow_other=yes\n"
    "[no-source]\nusername=carol\n"
    "[odd-source]\nsource=work\n"
    "[unknown-option]\nsource=imaps://example.net/\nfrobnicate=1\n"
    "[in-the-clear]\nsource=imap://example.net/\ntls=none\n"
    "[empty]\n";

static void
test_config_of_others(void **state)
{
    static const struct {
        mode_t mode;
        gboolean taken;
    } mode_rows[] = {
        {0600, TRUE}, {0644, TRUE}, {0620, FALSE}, {0602, FALSE}, {0666, FALSE},
    };
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(mode_rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Options) options = NULL;
        assert_int_equal(g_chmod(config, mode_rows[i].mode), 0);
        options = parse("work /", &error);
        assert_int_equal(options != NULL, mode_rows[i].taken);
        assert_int_equal(error != NULL, !mode_rows[i].taken);
    }
    assert_int_equal(g_chmod(config, 0600), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_commands_of_helper),
        cmocka_unit_test(test_account_file),
        cmocka_unit_test(test_mount_options),
        cmocka_unit_test(test_mountpoint),
        cmocka_unit_test(test_fake),
        cmocka_unit_test(test_config_of_others),
    };
    g_autofree char *home = g_dir_make_tmp("imapfs-test-XXXXXX", NULL);
    g_autofree char *directory = g_build_filename(home, "imapfs", NULL);
    int status;

    rows_begin_program();
    g_setenv("XDG_CONFIG_HOME", home, TRUE);
    config = g_build_filename(directory, "config", NULL);
    if (g_mkdir(directory, 0700) != 0 ||
        !g_file_set_contents(config, text, -1, NULL) ||
        g_chmod(config, 0600) != 0)
        return 99;
    status = cmocka_run_group_tests(tests, NULL, NULL);
    g_unlink(config);
    g_rmdir(directory);
    g_rmdir(home);
    g_free(config);
    return status;
}
