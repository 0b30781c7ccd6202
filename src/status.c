/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include "status.h"

#include <string.h>

#include "json.h"

static gint64
uptime(const Client *client)
{
    return (clock_now(client->clock) - client->started) / CLOCK_SECOND;
}

/* Why there is nothing on disk; NULL if there is. */
static const char *
store_trouble(const Client *client)
{
    if (client->store != NULL)
        return NULL;
    return client->store_trouble ? client->store_trouble
                                 : "not wanted (cache_size=0)";
}

/* "no, since 2026-11-21 14:03:11", by the local clock. */
static char *
online_text(const Client *client)
{
    gint64 since = mail_account_offline_since(client->account);
    g_autoptr(GDateTime) when = NULL;
    g_autofree char *time = NULL;

    if (client->options->offline)
        return g_strdup("no, as asked for");
    if (mail_account_is_online(client->account))
        return g_strdup("yes");
    if (since == 0)
        return g_strdup("not connected; nobody asks for anything");
    when = g_date_time_new_from_unix_local(since);
    time = when ? g_date_time_format(when, "%Y-%m-%d %H:%M:%S") : NULL;
    return g_strdup_printf("no, since %s", time ? time : "?");
}

static void
add_progress(const Client *client, GString *text)
{
    MailProgress progress = mail_account_progress(client->account);

    if (progress.active)
        g_string_append_printf(text,
                               "sync: %" G_GUINT64_FORMAT
                               " of %" G_GUINT64_FORMAT
                               " messages, %" G_GUINT64_FORMAT
                               " of %" G_GUINT64_FORMAT " octets\n",
                               progress.messages_done, progress.messages,
                               progress.octets_done, progress.octets);
    if (progress.error != NULL)
        g_string_append_printf(text, "sync failed: %s\n",
                               progress.error->message);
}

char *
status_text(const Client *client, const FsOps *ops)
{
    GString *text = g_string_new("imapfs " PACKAGE_VERSION "\n");
    g_autofree char *online = online_text(client);

    g_string_append_printf(text,
                           "mountpoint: %s\nup for: %" G_GINT64_FORMAT
                           " s\nrequests waiting: %u\nonline: %s\n",
                           client->options->mountpoint, uptime(client),
                           fs_ops_waiting(ops), online);
    fs_ops_describe(ops, text);
    mail_account_describe(client->account, text);
    add_progress(client, text);
    if (client->store != NULL) {
        g_autofree char *size = g_format_size_full(client->options->cache_size,
                                                   G_FORMAT_SIZE_IEC_UNITS);
        g_string_append_printf(text, "on disk: at most %s in %s\n", size,
                               client->directory);
        mail_store_describe(client->store, text);
    } else {
        g_string_append_printf(text, "on disk: nothing: %s\n",
                               store_trouble(client));
    }
    return g_string_free(text, FALSE);
}

/* LINE, whose name ends at END: "octets in: 12" or "user: alice". */
static void
add_line(Json *json, char *line, char *end)
{
    static const char *const counts[] = {
        "octets in", "octets out", "commands", "wants pending", NULL,
    };
    const char *value = end + 2;
    guint64 number;
    gboolean counted;

    *end = '\0';
    counted =
        g_strv_contains(counts, line) &&
        g_ascii_string_to_unsigned(value, 10, 0, G_MAXINT64, &number, NULL);
    g_strdelimit(line, " -", '_');
    if (counted)
        json_number(json, line, number);
    else
        json_string(json, line, value);
}

/* What a module says of itself in lines, as an object. */
static void
add_described(Json *json, const char *name, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autoptr(GHashTable) seen =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    json_begin(json, name);
    for (char **line = lines; *line != NULL; line++) {
        char *end = strstr(*line, ": ");
        /* A name counts once, even if the text of a server made a line. */
        if (end != NULL &&
            g_hash_table_add(seen, g_strndup(*line, (gsize)(end - *line))))
            add_line(json, *line, end);
    }
    json_end(json);
}

static void
add_store(Json *json, const Client *client)
{
    g_autoptr(GString) text = g_string_new(NULL);

    json_begin(json, "disk");
    json_string(json, "directory", client->store ? client->directory : NULL);
    json_string(json, "trouble", store_trouble(client));
    json_number(json, "limit", client->options->cache_size);
    if (client->store != NULL)
        mail_store_describe(client->store, text);
    add_described(json, "state", text->str);
    json_end(json);
}

static void
add_sync(Json *json, const Client *client)
{
    MailProgress progress = mail_account_progress(client->account);

    json_begin(json, "sync");
    json_boolean(json, "active", progress.active);
    json_number(json, "messages", progress.messages);
    json_number(json, "messages_done", progress.messages_done);
    json_number(json, "octets", progress.octets);
    json_number(json, "octets_done", progress.octets_done);
    json_string(json, "error", progress.error ? progress.error->message : NULL);
    json_end(json);
}

char *
status_json(const Client *client, const FsOps *ops)
{
    static const char *const security[] = {
        [IMAP_TLS_IMPLICIT] = "implicit",
        [IMAP_TLS_STARTTLS] = "starttls",
        [IMAP_TLS_NONE] = "none",
    };
    const GError *failure = mail_account_failure(client->account);
    gint64 since = mail_account_offline_since(client->account);
    g_autoptr(GString) text = g_string_new(NULL);
    Json *json = json_new();

    json_string(json, "version", PACKAGE_VERSION);
    json_string(json, "mountpoint", client->options->mountpoint);
    json_number(json, "uptime", (guint64)uptime(client));
    json_number(json, "requests_waiting", fs_ops_waiting(ops));
    json_string(json, "server", client->login.host);
    json_number(json, "port", client->login.port);
    json_string(json, "tls", security[client->login.security]);
    json_string(json, "user", client->login.user);
    json_boolean(json, "online", mail_account_is_online(client->account));
    if (since > 0)
        json_number(json, "offline_since", (guint64)since);
    else
        json_string(json, "offline_since", NULL);
    json_string(json, "failure", failure ? failure->message : NULL);
    mail_account_describe(client->account, text);
    add_described(json, "account", text->str);
    add_sync(json, client);
    add_store(json, client);
    return json_free_to_text(json);
}
