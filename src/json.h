/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Writes one JSON object (RFC 8259).  Any text may go in: what is no UTF-8 is
 * replaced, the rest escaped.  Names are ours.
 */
#ifndef IMAPFS_JSON_H
#define IMAPFS_JSON_H

#include <glib.h>

typedef struct Json Json;

Json *json_new(void);
/* An object inside of the one that is being written. */
void json_begin(Json *json, const char *name);
void json_end(Json *json);
/* VALUE NULL is null. */
void json_string(Json *json, const char *name, const char *value);
void json_number(Json *json, const char *name, guint64 value);
void json_boolean(Json *json, const char *name, gboolean value);
/* Ends and frees it.  The caller owns the result, which ends in a newline. */
char *json_free_to_text(Json *json);

#endif
