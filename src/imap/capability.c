/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imap/capability.h"

#include "imap/response.h"

static const struct {
    const char *name;
    ImapCapability bit;
} capability_table[] = {
    {"IMAP4rev1", IMAP_CAP_IMAP4REV1},
    {"IMAP4rev2", IMAP_CAP_IMAP4REV1},
    {"STARTTLS", IMAP_CAP_STARTTLS},
    {"LOGINDISABLED", IMAP_CAP_LOGINDISABLED},
    {"AUTH=PLAIN", IMAP_CAP_AUTH_PLAIN},
    {"SASL-IR", IMAP_CAP_SASL_IR},
    {"IDLE", IMAP_CAP_IDLE},
    {"NAMESPACE", IMAP_CAP_NAMESPACE},
    {"LIST-EXTENDED", IMAP_CAP_LIST_EXTENDED},
    {"LIST-STATUS", IMAP_CAP_LIST_STATUS},
    {"SPECIAL-USE", IMAP_CAP_SPECIAL_USE},
    {"CONDSTORE", IMAP_CAP_CONDSTORE},
    {"OBJECTID", IMAP_CAP_OBJECTID},
    {"UNSELECT", IMAP_CAP_UNSELECT},
    {"COMPRESS=DEFLATE", IMAP_CAP_COMPRESS},
    {"QRESYNC", IMAP_CAP_QRESYNC},
    {"UIDONLY", IMAP_CAP_UIDONLY},
    {"ESEARCH", IMAP_CAP_ESEARCH},
    {"NOTIFY", IMAP_CAP_NOTIFY},
    {"PREVIEW", IMAP_CAP_PREVIEW},
    {"BINARY", IMAP_CAP_BINARY},
    {"WITHIN", IMAP_CAP_WITHIN},
    {"THREAD=REFERENCES", IMAP_CAP_THREAD},
    {"X-GM-EXT-1", IMAP_CAP_GMAIL},
};

guint
imap_capabilities_parse(ImapSlice words)
{
    guint capabilities = 0;
    ImapSlice word;

    while (imap_next_word(&words, &word)) {
        for (guint i = 0; i < G_N_ELEMENTS(capability_table); i++) {
            if (imap_slice_is(word, capability_table[i].name))
                capabilities |= capability_table[i].bit;
        }
    }
    return capabilities;
}

char *
imap_capabilities_text(guint capabilities)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < G_N_ELEMENTS(capability_table); i++) {
        if ((capabilities & capability_table[i].bit) == 0)
            continue;
        capabilities &= ~(guint)capability_table[i].bit;
        if (text->len > 0)
            g_string_append_c(text, ' ');
        g_string_append(text, capability_table[i].name);
    }
    return g_string_free(text, FALSE);
}
