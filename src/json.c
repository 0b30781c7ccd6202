/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "json.h"

struct Json {
    GString *text;
    guint depth;
    gboolean first; /* nothing is in the innermost object yet */
};

static void
add_text(GString *text, const char *value)
{
    g_autofree char *valid = g_utf8_make_valid(value, -1);

    g_string_append_c(text, '"');
    for (const char *at = valid; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\')
            g_string_append_printf(text, "\\%c", *at);
        else if ((guchar)*at < 0x20 || *at == 0x7f)
            g_string_append_printf(text, "\\u%04x", (guint)(guchar)*at);
        else
            g_string_append_c(text, *at);
    }
    g_string_append_c(text, '"');
}

static void
add_name(Json *json, const char *name)
{
    g_string_append_printf(json->text, "%s\n%*s", json->first ? "" : ",",
                           (int)(2 * json->depth), "");
    add_text(json->text, name);
    g_string_append(json->text, ": ");
    json->first = FALSE;
}

static void
open_object(Json *json)
{
    g_string_append_c(json->text, '{');
    json->depth++;
    json->first = TRUE;
}

Json *
json_new(void)
{
    Json *json = g_new0(Json, 1);
    json->text = g_string_new(NULL);
    open_object(json);
    return json;
}

void
json_begin(Json *json, const char *name)
{
    add_name(json, name);
    open_object(json);
}

void
json_end(Json *json)
{
    json->depth--;
    if (!json->first)
        g_string_append_printf(json->text, "\n%*s", (int)(2 * json->depth), "");
    g_string_append_c(json->text, '}');
    json->first = FALSE;
}

void
json_string(Json *json, const char *name, const char *value)
{
    add_name(json, name);
    if (value != NULL)
        add_text(json->text, value);
    else
        g_string_append(json->text, "null");
}

void
json_number(Json *json, const char *name, guint64 value)
{
    add_name(json, name);
    g_string_append_printf(json->text, "%" G_GUINT64_FORMAT, value);
}

void
json_boolean(Json *json, const char *name, gboolean value)
{
    add_name(json, name);
    g_string_append(json->text, value ? "true" : "false");
}

char *
json_free_to_text(Json *json)
{
    GString *text = json->text;

    while (json->depth > 0)
        json_end(json);
    g_free(json);
    g_string_append_c(text, '\n');
    return g_string_free(text, FALSE);
}
