/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "complaint.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static const struct {
    ImapfsError code;
    const char *word;
    int status;
} complaint_table[] = {
    {IMAPFS_ERROR_FAILED, "failed", EX_SOFTWARE}, /* and all others */
    {IMAPFS_ERROR_USAGE, "usage", EX_USAGE},
    {IMAPFS_ERROR_NOT_FOUND, "not-found", EX_NOINPUT},
    {IMAPFS_ERROR_NO_HOST, "no-host", EX_NOHOST},
    {IMAPFS_ERROR_OFFLINE, "offline", EX_UNAVAILABLE},
    {IMAPFS_ERROR_TIMEOUT, "timeout", EX_UNAVAILABLE},
    {IMAPFS_ERROR_BUSY, "busy", EX_UNAVAILABLE},
    {IMAPFS_ERROR_DENIED, "denied", EX_NOPERM},
    {IMAPFS_ERROR_PROTOCOL, "protocol", EX_PROTOCOL},
};

static guint
row_of(int code)
{
    for (guint i = 0; i < G_N_ELEMENTS(complaint_table); i++) {
        if ((int)complaint_table[i].code == code)
            return i;
    }
    return 0;
}

int
complaint_status(const GError *error)
{
    return complaint_table[row_of(error->code)].status;
}

int
complaint_print(const GError *error)
{
    fprintf(stderr, "imapfs: %s\n", error->message);
    return complaint_status(error);
}

const char *
complaint_word(const GError *error)
{
    return complaint_table[row_of(error->code)].word;
}

int
complaint_code(const char *word)
{
    for (guint i = 0; i < G_N_ELEMENTS(complaint_table); i++) {
        if (strcmp(complaint_table[i].word, word) == 0)
            return (int)complaint_table[i].code;
    }
    return IMAPFS_ERROR_FAILED;
}
