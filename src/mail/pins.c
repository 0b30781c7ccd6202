/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mail/pins.h"

#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/folder.h"

enum { FILE_MAX = 4 << 20 }; /* octets */
#define FILE_NAME "searches"
#define KEY "queries"

struct MailPins {
    char *directory; /* or NULL */
    GKeyFile *file;  /* what is, or is to be, in it: a group for a mailbox */
};

static char *
path_of(const MailPins *pins)
{
    return g_build_filename(pins->directory, FILE_NAME, NULL);
}

/* Whatever a mailbox is called, as the name of a group. */
static char *
group_of(const char *name)
{
    return g_uri_escape_bytes((const guint8 *)name, strlen(name), "/ &");
}

static void
read_file(MailPins *pins)
{
    g_autofree char *path = path_of(pins);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    gsize length;

    if (!g_file_get_contents(path, &text, &length, &error)) {
        if (!g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            g_message("%s", error->message);
    } else if (length > FILE_MAX) {
        g_message("%s is too large", path);
    } else if (!g_key_file_load_from_data(pins->file, text, length,
                                          G_KEY_FILE_NONE, &error)) {
        g_message("%s: %s", path, error->message);
    }
}

MailPins *
mail_pins_new(const char *directory)
{
    MailPins *pins = g_new0(MailPins, 1);

    pins->directory = g_strdup(directory);
    pins->file = g_key_file_new();
    if (directory != NULL)
        read_file(pins);
    return pins;
}

void
mail_pins_free(MailPins *pins)
{
    g_key_file_unref(pins->file);
    g_free(pins->directory);
    g_free(pins);
}

char **
mail_pins_get(const MailPins *pins, const char *name)
{
    g_autofree char *group = group_of(name);
    return g_key_file_get_string_list(pins->file, group, KEY, NULL, NULL);
}

static gboolean
write_file(const MailPins *pins, GError **error)
{
    g_autofree char *path = path_of(pins);
    gsize length;
    g_autofree char *text = g_key_file_to_data(pins->file, &length, NULL);
    g_autoptr(GError) failure = NULL;
    int folder = folder_open(pins->directory, error);

    if (folder < 0)
        return FALSE;
    close(folder);
    if (g_file_set_contents_full(path, text, (gssize)length,
                                 G_FILE_SET_CONTENTS_CONSISTENT |
                                     G_FILE_SET_CONTENTS_DURABLE,
                                 0600, &failure))
        return TRUE;
    g_set_error_literal(error, IMAPFS_ERROR, IMAPFS_ERROR_FAILED,
                        failure->message);
    return FALSE;
}

static void
set_group(MailPins *pins, const char *group, const char *const *queries,
          gsize n)
{
    g_key_file_remove_group(pins->file, group, NULL);
    if (n > 0)
        g_key_file_set_string_list(pins->file, group, KEY, queries, n);
}

gboolean
mail_pins_set(MailPins *pins, const char *name, const char *const *queries,
              guint n, GError **error)
{
    g_autofree char *group = group_of(name);
    g_auto(GStrv) before = mail_pins_get(pins, name);

    if (pins->directory == NULL) {
        g_set_error(error, IMAPFS_ERROR, IMAPFS_ERROR_FAILED,
                    "there is no directory to keep searches in");
        return FALSE;
    }
    set_group(pins, group, queries, n);
    if (write_file(pins, error))
        return TRUE;
    set_group(pins, group, (const char *const *)before,
              before ? g_strv_length(before) : 0);
    return FALSE;
}
