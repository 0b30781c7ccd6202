/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "options.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

enum { CONNECTIONS_MAX = 8, TIMEOUT_MAX = 3600, NAME_LENGTH_MAX = 200 };
#define CACHE_SIZE (G_GUINT64_CONSTANT(1) << 30)

typedef struct {
    Options *options;
    GString *mount;
    gboolean tls_given;
} Parser;

static gboolean usage(GError **error, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

static gboolean
usage(GError **error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_propagate_error(error,
                      g_error_new_valist(IMAPFS_ERROR, IMAPFS_ERROR_USAGE,
                                         format, arguments));
    va_end(arguments);
    return FALSE;
}

/* ---- -o ---- */

static gboolean
take_string(char **field, const char *name, const char *value, GError **error)
{
    if (value == NULL || *value == '\0')
        return usage(error, "option %s needs a value", name);
    g_free(*field);
    *field = g_strdup(value);
    return TRUE;
}

static gboolean
take_number(guint *field, guint max, const char *name, const char *value,
            GError **error)
{
    guint64 number;
    if (value == NULL ||
        !g_ascii_string_to_unsigned(value, 10, 1, max, &number, NULL))
        return usage(error, "option %s needs a number from 1 to %u", name, max);
    *field = (guint)number;
    return TRUE;
}

/* Of the words in TABLE, which is VALUE? */
static gboolean
take_word(int *field, const char *const *table, const char *name,
          const char *value, GError **error)
{
    g_autofree char *words = g_strjoinv(", ", (char **)table);
    for (int i = 0; table[i] != NULL; i++) {
        if (g_strcmp0(value, table[i]) == 0) {
            *field = i;
            return TRUE;
        }
    }
    return usage(error, "option %s needs one of %s", name, words);
}

/* A number of octets, with K, M, G or T behind it for powers of 1024. */
static gboolean
take_size(guint64 *field, const char *name, const char *value, GError **error)
{
    static const char units[] = "KMGT";
    g_autofree char *digits = g_strdup(value ? value : "");
    gsize length = strlen(digits);
    const char *unit = NULL;
    guint shift = 0;
    guint64 number;

    if (length > 0)
        unit = strchr(units, g_ascii_toupper(digits[length - 1]));
    if (unit != NULL) {
        shift = 10 * (guint)(unit - units + 1);
        digits[length - 1] = '\0';
    }
    if (!g_ascii_string_to_unsigned(digits, 10, 0, (guint64)G_MAXINT64 >> shift,
                                    &number, NULL))
        return usage(error, "option %s needs a size such as 500M or 2G", name);
    *field = number << shift;
    return TRUE;
}

/* In a file a word alone is no line: there it is NAME=true. */
static gboolean
check_flag(const char *name, const char *value, GError **error)
{
    return value == NULL || strcmp(value, "true") == 0 ||
           usage(error, "option %s takes no value", name);
}

static gboolean
take_tls(Parser *parser, const char *value, GError **error)
{
    static const char *const words[] = {
        [IMAP_TLS_IMPLICIT] = "implicit",
        [IMAP_TLS_STARTTLS] = "starttls",
        [IMAP_TLS_NONE] = "none",
        NULL,
    };
    int word;
    if (!take_word(&word, words, "tls", value, error))
        return FALSE;
    parser->options->security = (ImapSecurity)word;
    parser->tls_given = TRUE;
    return TRUE;
}

static gboolean
take_names(Parser *parser, const char *value, GError **error)
{
    static const char *const words[] = {
        [FS_NAMES_FULL] = "full", [FS_NAMES_UID] = "uid", NULL};
    int word;
    if (!take_word(&word, words, "names", value, error))
        return FALSE;
    parser->options->naming = (FsNaming)word;
    return TRUE;
}

/* What mount(8) and fstab add is for others, or goes without saying. */
static gboolean
is_for_others(const char *name)
{
    static const char *const words[] = {
        "_netdev",    "_rnetdev",      "async",    "atime",
        "auto",       "comment",       "defaults", "dev",
        "diratime",   "exec",          "group",    "lazytime",
        "noauto",     "nodiratime",    "nofail",   "nolazytime",
        "norelatime", "nostrictatime", "nouser",   "nousers",
        "owner",      "relatime",      "rw",       "strictatime",
        "suid",       "sync",          "user",     "users",
        NULL,
    };
    return g_str_has_prefix(name, "x-") || g_strv_contains(words, name);
}

/* What libfuse and the kernel understand. */
static gboolean
is_for_mount(const char *name)
{
    static const char *const words[] = {
        "allow_other", "allow_root", "auto_unmount", "noatime", "nodev",
        "noexec",      "nosuid",     "ro",           NULL,
    };
    return g_strv_contains(words, name);
}

/* WORD is among LIST, which is separated by commas. */
static gboolean
has_word(const char *list, const char *word)
{
    g_auto(GStrv) words = g_strsplit(list, ",", -1);
    return g_strv_contains((const char *const *)words, word);
}

static gboolean
take_option(Parser *parser, const char *name, const char *value, GError **error)
{
    Options *options = parser->options;

    if (strcmp(name, "username") == 0)
        return take_string(&options->user, name, value, error);
    /* The one that was given last counts. */
    if (strcmp(name, "password_command") == 0) {
        g_clear_pointer(&options->password_file, g_free);
        return take_string(&options->password_command, name, value, error);
    }
    if (strcmp(name, "password_file") == 0) {
        g_clear_pointer(&options->password_command, g_free);
        return take_string(&options->password_file, name, value, error);
    }
    if (strcmp(name, "tls_ca") == 0)
        return take_string(&options->tls_ca, name, value, error);
    if (strcmp(name, "tls") == 0)
        return take_tls(parser, value, error);
    if (strcmp(name, "names") == 0)
        return take_names(parser, value, error);
    if (strcmp(name, "connections") == 0)
        return take_number(&options->connections, CONNECTIONS_MAX, name, value,
                           error);
    if (strcmp(name, "timeout") == 0)
        return take_number(&options->timeout, TIMEOUT_MAX, name, value, error);
    if (strcmp(name, "cache_size") == 0)
        return take_size(&options->cache_size, name, value, error);
    if (strcmp(name, "offline") == 0)
        return (options->offline = check_flag(name, value, error));
    if (strcmp(name, "views") == 0)
        return (options->views = check_flag(name, value, error));
    if (is_for_mount(name)) {
        if (!check_flag(name, value, error))
            return FALSE;
        if (!has_word(parser->mount->str, name))
            g_string_append_printf(parser->mount, ",%s", name);
        return TRUE;
    }
    return is_for_others(name) ||
           usage(error, "unknown option %s; imapfs --help shows all", name);
}

/* LIST is NAME[=VALUE],...; a comma in a value is written "\,". */
static gboolean
take_list(Parser *parser, const char *list, GError **error)
{
    g_autoptr(GString) item = g_string_new(NULL);

    for (const char *at = list;; at++) {
        if (at[0] == '\\' && at[1] == ',') {
            g_string_append_c(item, *++at);
        } else if (*at != ',' && *at != '\0') {
            g_string_append_c(item, *at);
        } else {
            char *value = strchr(item->str, '=');
            if (value != NULL)
                *value++ = '\0';
            if (item->len > 0 && !take_option(parser, item->str, value, error))
                return FALSE;
            g_string_truncate(item, 0);
            if (*at == '\0')
                return TRUE;
        }
    }
}

/* ---- SOURCE ---- */

static gboolean
take_host(Options *options, const char *text, GError **error)
{
    const char *end = *text == '[' ? strchr(text, ']') : NULL;
    const char *colon = strchr(end ? end : text, ':');
    guint64 port = 0; /* the usual one */

    if (*text == '[' && end == NULL)
        return usage(error, "the [ in the source has no ]");
    if (end != NULL && end[1] != '\0' && end + 1 != colon)
        return usage(error, "%s is no port", end + 1);

    if (colon != NULL &&
        !g_ascii_string_to_unsigned(colon + 1, 10, 1, 65535, &port, NULL))
        return usage(error, "%s is no port", colon + 1);
    if (end != NULL)
        options->host = g_strndup(text + 1, (gsize)(end - text) - 1);
    else
        options->host =
            g_strndup(text, colon ? (gsize)(colon - text) : strlen(text));
    if (*options->host == '\0')
        return usage(error, "there is no host in the source");
    options->port = (guint16)port;
    return TRUE;
}

/* imap[s]://[user@]host[:port]/ */
static gboolean
take_url(Parser *parser, const char *url, GError **error)
{
    Options *options = parser->options;
    gboolean implicit = g_ascii_strncasecmp(url, "imaps://", 8) == 0;
    const char *authority = url + (implicit ? 8 : 7);
    gsize length = strcspn(authority, "/");
    g_autofree char *text = g_strndup(authority, length);
    char *at = strrchr(text, '@'); /* a user may well be alice@example.org */

    if (authority[length] != '\0' && authority[length + 1] != '\0')
        return usage(error, "the source must end behind the host: a mount "
                            "shows all mailboxes");
    if (!parser->tls_given)
        options->security = implicit ? IMAP_TLS_IMPLICIT : IMAP_TLS_STARTTLS;
    if (at != NULL) {
        *at++ = '\0';
        if (strchr(text, ':') != NULL)
            return usage(error, "no password in the source, please: others "
                                "can read it; see PASSWORDS in imapfs(1)");
        if (options->user == NULL)
            options->user = g_uri_unescape_string(text, NULL);
        if (options->user == NULL || *options->user == '\0')
            return usage(error, "the user in the source cannot be read");
    }
    return take_host(options, at ? at : text, error);
}

static gboolean
is_url(const char *source)
{
    return g_ascii_strncasecmp(source, "imap://", 7) == 0 ||
           g_ascii_strncasecmp(source, "imaps://", 8) == 0;
}

/* Options may name commands to run: only the user may have written them. */
static gboolean
check_owner(const char *path, GError **error)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return TRUE; /* loading it says what is wrong */
    if ((st.st_uid != getuid() && st.st_uid != 0) || st.st_mode & 022)
        return usage(error, "%s can be written by others; chmod go-w it", path);
    return TRUE;
}

/* The group NAME of the configuration file: source, and any option. */
static gboolean
take_account(Parser *parser, const char *name, GError **error)
{
    g_autofree char *path =
        g_build_filename(g_get_user_config_dir(), "imapfs", "config", NULL);
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_auto(GStrv) keys = NULL;
    g_autofree char *source = NULL;
    g_autoptr(GError) failure = NULL;

    if (!check_owner(path, error))
        return FALSE;
    if (!g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, &failure))
        return usage(error, "no URL, and no account either: %s: %s", path,
                     failure->message);
    keys = g_key_file_get_keys(file, name, NULL, NULL);
    if (keys == NULL)
        return usage(error, "%s has no account [%s]", path, name);
    for (char **key = keys; *key != NULL; key++) {
        g_autofree char *value = g_key_file_get_string(file, name, *key, NULL);
        if (strcmp(*key, "source") == 0)
            source = g_strdup(value);
        else if (!take_option(parser, *key, value, error)) {
            g_prefix_error(error, "%s: ", path);
            return FALSE;
        }
    }
    if (source == NULL || !is_url(source))
        return usage(error, "%s: account [%s] needs source=imaps://host/", path,
                     name);
    return take_url(parser, source, error);
}

static gboolean
is_loopback(const char *host)
{
    g_autoptr(GInetAddress) address = g_inet_address_new_from_string(host);
    return address != NULL ? g_inet_address_get_is_loopback(address)
                           : strcmp(host, "localhost") == 0;
}

/* ---- the command line ---- */

gboolean
options_take_source(Options *options, const char *source, GError **error)
{
    g_autoptr(GString) mount = g_string_new(NULL);
    Parser parser = {options, mount, FALSE};
    g_autofree char *name = NULL;

    if (g_str_has_prefix(source, "imapfs#")) /* mount -t fuse */
        source += strlen("imapfs#");
    if (g_str_has_prefix(source, "account:"))
        source += strlen("account:");
    /* The command line counts for more than the file: it comes last, but the
     * URL has to know about tls= and username=. */
    for (int pass = 0; pass < 2; pass++) {
        char **list = options->lists;
        for (; list != NULL && *list != NULL; list++) {
            if (!take_list(&parser, *list, error))
                return FALSE;
        }
        if (pass == 0 &&
            !(is_url(source) ? take_url(&parser, source, error)
                             : take_account(&parser, source, error)))
            return FALSE;
    }
    if (options->security == IMAP_TLS_NONE && !is_loopback(options->host))
        return usage(error, "tls=none is for loopback only: a password would "
                            "travel in the clear");
    if (options->offline && options->cache_size == 0)
        return usage(error, "offline needs what is kept on disk: it goes not "
                            "together with cache_size=0");
    if (options->port == 0)
        options->port = options->security == IMAP_TLS_IMPLICIT ? 993 : 143;
    if (options->user == NULL)
        options->user = g_strdup(g_get_user_name());
    name = g_strdup_printf("%s@%s", options->user, options->host);
    g_strdelimit(name, ",\\", '_');
    options->mount_options =
        g_strdup_printf("nosuid,nodev,default_permissions,subtype=imapfs,"
                        "fsname=%s%s",
                        name, parser.mount->str);
    return TRUE;
}

char *
options_account(const Options *options)
{
    g_autofree char *host = g_ascii_strdown(options->host, -1);
    return g_strdup_printf("%s@%s:%u", options->user, host, options->port);
}

char *
options_account_file(const Options *options)
{
    g_autofree char *account = options_account(options);
    g_autofree char *name = g_uri_escape_string(account, "@:", FALSE);

    /* No "." or "..", since there is an "@", but it may be too long. */
    if (strlen(name) <= NAME_LENGTH_MAX)
        return g_steal_pointer(&name);
    return g_compute_checksum_for_string(G_CHECKSUM_SHA256, account, -1);
}

/* ---- commands ---- */

static const struct {
    const char *name;
    Command command;
    guint min, max; /* words that follow */
    const char *usage;
} command_table[] = {
    {"status", COMMAND_STATUS, 0, 1, "status [--watch] [MOUNTPOINT]"},
    {"refresh", COMMAND_REFRESH, 1, 1, "refresh PATH"},
    {"sync", COMMAND_SYNC, 1, G_MAXUINT,
     "sync ACCOUNT|MOUNTPOINT [MAILBOX...]"},
    {"umount", COMMAND_UMOUNT, 1, 1, "umount MOUNTPOINT"},
    {"check", COMMAND_CHECK, 1, 1, "check ACCOUNT|URL"},
};

/* mount(8) names what is to be mounted, never a command. */
static gboolean
is_mount_helper(void)
{
    return g_str_has_prefix(g_get_prgname(), "mount.");
}

static gboolean
take_mount(Options *options, int argc, char **argv, GError **error)
{
    if (argc != 3)
        return usage(error, "usage: imapfs [OPTION...] SOURCE MOUNTPOINT");
    options->mountpoint = realpath(argv[2], NULL);
    if (options->mountpoint == NULL) /* a mount whose daemon died, maybe */
        options->mountpoint = g_canonicalize_filename(argv[2], NULL);
    return options_take_source(options, argv[1], error);
}

static gboolean
take_arguments(Options *options, int argc, char **argv, GError **error)
{
    guint count = argc > 1 ? (guint)argc - 2 : 0;
    int at = -1;

    for (int i = 0; argc > 1 && i < (int)G_N_ELEMENTS(command_table); i++) {
        if (strcmp(argv[1], command_table[i].name) == 0 && !is_mount_helper())
            at = i;
    }
    if (options->watch &&
        (at < 0 || command_table[at].command != COMMAND_STATUS))
        return usage(error, "--watch goes with status only");
    if (at < 0)
        return take_mount(options, argc, argv, error);
    if (count < command_table[at].min || count > command_table[at].max)
        return usage(error, "usage: imapfs %s", command_table[at].usage);
    options->command = command_table[at].command;
    g_strfreev(options->words);
    options->words = g_strdupv(argv + 2);
    return options->command != COMMAND_CHECK ||
           options_take_source(options, options->words[0], error);
}

static const char help_options[] =
    "Commands:\n"
    "  status [--watch] [MOUNTPOINT]  what one mount does, or all of them\n"
    "  refresh PATH                   ask the server for a mailbox now\n"
    "  sync ACCOUNT|MOUNTPOINT [MAILBOX...]\n"
    "                                 fetch mailboxes for use offline\n"
    "  umount MOUNTPOINT              unmount, and wait until that is done\n"
    "  check ACCOUNT|URL              log in, and say what the server can do\n"
    "\n"
    "Options for -o:\n"
    "  username=NAME              log in as NAME\n"
    "  password_command=COMMAND   run COMMAND; its first line is the password\n"
    "  password_file=FILE         the first line of FILE is the password\n"
    "  tls=implicit|starttls|none\n"
    "                             none is for loopback only\n"
    "  tls_ca=FILE                trust the certificates in FILE only\n"
    "  connections=N              at most N connections (4)\n"
    "  timeout=SECONDS            how long an operation may take (30)\n"
    "  names=full|uid             how messages are named\n"
    "  cache_size=SIZE            keep so much on disk, such as 500M; 0: "
    "nothing (1G)\n"
    "  offline                    never connect; show what is kept on disk\n"
    "  views                      list .search and the other views, too\n"
    "  ro                         read-only to the kernel, too: then programs\n"
    "                             that watch it are told of nothing\n"
    "  allow_other, allow_root, auto_unmount, noatime, noexec, nodev, nosuid\n"
    "                             as in mount.fuse3(8)\n";

Options *
options_parse(int *argc, char ***argv, GError **error)
{
    g_autoptr(Options) options = g_new0(Options, 1);
    g_autofree char *ignored = NULL;
    gboolean nothing = FALSE;
    const GOptionEntry entries[] = {
        {"foreground", 'f', 0, G_OPTION_ARG_NONE, &options->foreground,
         "Stay in the foreground", NULL},
        {"debug", 'd', 0, G_OPTION_ARG_NONE, &options->debug,
         "Show what is said to the server, without secrets; implies -f", NULL},
        {"options", 'o', 0, G_OPTION_ARG_STRING_ARRAY, &options->lists,
         "Mount options, see below", "NAME[=VALUE],..."},
        {"watch", 0, 0, G_OPTION_ARG_NONE, &options->watch,
         "With status: show it again each second", NULL},
        {"version", 'V', 0, G_OPTION_ARG_NONE, &options->version,
         "Show the version", NULL},
        /* What mount(8) passes to its helpers. */
        {"verbose", 'v', G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &nothing,
         NULL, NULL},
        {"no-mtab", 'n', G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &nothing,
         NULL, NULL},
        {"sloppy", 's', G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &nothing, NULL,
         NULL},
        {"types", 't', G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_STRING, &ignored,
         NULL, NULL},
        {"namespace", 'N', G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_STRING, &ignored,
         NULL, NULL},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
    };
    g_autoptr(GOptionContext) context =
        g_option_context_new("SOURCE MOUNTPOINT\n  imapfs COMMAND [WORD...]");
    g_autoptr(GError) failure = NULL;

    options->words = g_new0(char *, 1);
    options->cache_size = CACHE_SIZE;
    options->connections = 4;
    options->timeout = 30;
    options->security = IMAP_TLS_IMPLICIT;
    g_option_context_set_summary(
        context, "Mount the mailboxes of an IMAP account.\n\n"
                 "SOURCE is imaps://[user@]host[:port]/, or imap:// for "
                 "STARTTLS, or the name of\nan account in "
                 "~/.config/imapfs/config, account:NAME if it is that of a "
                 "command.");
    g_option_context_set_description(context, help_options);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, argc, argv, &failure)) {
        usage(error, "%s; imapfs --help shows all", failure->message);
        return NULL;
    }
    if (!options->version && !take_arguments(options, *argc, *argv, error))
        return NULL;
    /* To a helper of mount(8), -f says to do all but mount. */
    options->fake = is_mount_helper() && options->foreground;
    options->foreground |= options->debug;
    return g_steal_pointer(&options);
}

void
options_free(Options *options)
{
    g_strfreev(options->words);
    g_strfreev(options->lists);
    g_free(options->mountpoint);
    g_free(options->host);
    g_free(options->user);
    g_free(options->password_command);
    g_free(options->password_file);
    g_free(options->tls_ca);
    g_free(options->mount_options);
    g_free(options);
}
