/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imap/uidset.h"

void
imap_uidset_end(ImapUidsetWriter *writer)
{
    if (writer->first == 0)
        return;
    if (writer->text->len > 0 &&
        g_ascii_isdigit(writer->text->str[writer->text->len - 1]))
        g_string_append_c(writer->text, ',');
    if (writer->first == writer->last)
        g_string_append_printf(writer->text, "%u", writer->first);
    else
        g_string_append_printf(writer->text, "%u:%u", writer->first,
                               writer->last);
    writer->first = 0;
}

void
imap_uidset_add(ImapUidsetWriter *writer, guint32 uid)
{
    if (writer->first != 0 && uid == writer->last + 1) {
        writer->last = uid;
        return;
    }
    imap_uidset_end(writer);
    writer->first = writer->last = uid;
}

gboolean
imap_uidset_next(ImapSlice *set, guint32 *ret_first, guint32 *ret_last)
{
    ImapCursor at;
    guint32 first, last;

    if (set->data == NULL)
        return FALSE;
    at = (ImapCursor){(char *)set->data, (char *)set->data + set->length};
    if (!imap_take_nz_number(&at, &first))
        return FALSE;
    last = first;
    if (imap_take_char(&at, ':') && !imap_take_nz_number(&at, &last))
        return FALSE;
    if (at.at != at.end && (!imap_take_char(&at, ',') || at.at == at.end))
        return FALSE;
    *ret_first = MIN(first, last);
    *ret_last = MAX(first, last);
    *set = (ImapSlice){at.at, (gsize)(at.end - at.at)};
    return TRUE;
}
