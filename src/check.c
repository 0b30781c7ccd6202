/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "check.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/error.h"
#include "client.h"
#include "complaint.h"
#include "log.h"
#include "password.h"

/* What a user notices when a server cannot do it. */
static const struct {
    const char *name;
    const char *without;
} capability_table[] = {
    {"IDLE", "new mail is looked for once a minute"},
    {"CONDSTORE", "all flags are fetched anew when a mailbox is compared"},
    {"LIST-STATUS", "mailboxes that no connection watches are compared only "
                    "when somebody looks into them"},
    {"NAMESPACE", "a prefix that all mailboxes have is shown"},
    {"SPECIAL-USE", "which mailbox is for drafts, sent mail or trash is not "
                    "known"},
    {"UNSELECT", "a connection keeps a mailbox selected for longer"},
    {"OBJECTID", "a message that was moved is fetched again"},
    {"COMPRESS=DEFLATE", "more octets travel"},
};

/* The value of the line that begins with NAME; the caller owns it. */
static char *
value_of(const char *text, const char *name)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autofree char *prefix = g_strconcat(name, ": ", NULL);

    for (char **line = lines; *line != NULL; line++) {
        if (g_str_has_prefix(*line, prefix))
            return g_strdup(*line + strlen(prefix));
    }
    return NULL;
}

static void
count_mailboxes(MailMailbox *mailbox, guint *all, guint *selectable)
{
    const GPtrArray *children = mail_mailbox_children(mailbox);

    *all += mailbox->parent != NULL;
    *selectable += mailbox->parent != NULL && mailbox->selectable;
    for (guint i = 0; i < children->len; i++)
        count_mailboxes(g_ptr_array_index(children, i), all, selectable);
}

static void
print_capabilities(const char *list)
{
    g_auto(GStrv) words = g_strsplit(list, " ", -1);

    for (guint i = 0; i < G_N_ELEMENTS(capability_table); i++) {
        if (!g_strv_contains((const char *const *)words,
                             capability_table[i].name))
            printf("no %s: %s\n", capability_table[i].name,
                   capability_table[i].without);
    }
}

/* What is said while a connection is up but is of no use to a reader. */
static gboolean
is_of_the_moment(const char *line)
{
    static const char *const names[] = {
        "user: ",     "connection ",     "octets in: ",          "octets out: ",
        "commands: ", "wants pending: ", "messages in memory: ", NULL,
    };
    for (const char *const *name = names; *name != NULL; name++) {
        if (g_str_has_prefix(line, *name))
            return TRUE;
    }
    return *line == '\0';
}

static void
print_account(const Client *client)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_auto(GStrv) lines = NULL;
    g_autofree char *capabilities = NULL;
    guint all = 0;
    guint selectable = 0;

    mail_account_describe(client->account, text);
    capabilities = value_of(text->str, "capabilities used");
    count_mailboxes(mail_account_root(client->account), &all, &selectable);
    lines = g_strsplit(text->str, "\n", -1);
    for (char **line = lines; *line != NULL; line++) {
        if (!is_of_the_moment(*line))
            printf("%s\n", *line);
        if (g_str_has_prefix(*line, "server: "))
            printf("login: %s\n", client->login.user);
    }
    if (capabilities != NULL)
        print_capabilities(capabilities);
    printf("mailboxes: %u, %u of them with messages or room for them\n", all,
           selectable);
}

/* Opened and closed again: a mount may want it next. */
static void
print_store(const Options *options)
{
    g_autofree char *directory = client_store_directory(options);
    g_autofree char *size =
        g_format_size_full(options->cache_size, G_FORMAT_SIZE_IEC_UNITS);
    g_autoptr(Clock) clock = clock_new();
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    MailStore *store;

    if (options->cache_size == 0) {
        printf("on disk: nothing (cache_size=0)\n");
        return;
    }
    if (!g_file_test(directory, G_FILE_TEST_IS_DIR)) {
        printf("on disk: nothing yet, at most %s in %s\n", size, directory);
        return;
    }
    store = mail_store_open(directory, options->cache_size, clock, &error);
    if (store == NULL) {
        printf("on disk: %s\n", error->code == IMAPFS_ERROR_BUSY
                                    ? "in use by a mount"
                                    : error->message);
        return;
    }
    mail_store_describe(store, text);
    mail_store_close(store);
    printf("on disk: at most %s in %s\n%s", size, directory, text->str);
}

int
check_run(const Options *options)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *notice = NULL;
    Options online = *options;
    char *password = password_find(options, &error);
    Client *client = NULL;

    /* What the server says counts here, not what is kept of it. */
    online.offline = FALSE;
    if (password == NULL)
        return complaint_print(error);
    /* How it went is said at the end, once. */
    log_begin(options->debug ? LOG_TO_STDERR : LOG_TO_MEMORY, options->debug);
    client = client_new(&online, password, FALSE, &error);
    if (client == NULL)
        return complaint_print(error);
    if (client_connect(client, &notice, &error)) {
        print_account(client);
        client_log_out(client);
        print_store(options);
    }
    client_free(client);
    return error != NULL ? complaint_print(error) : EX_OK;
}
