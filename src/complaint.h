/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How errors leave a program: as text, as an exit status, as a word. */
#ifndef IMAPFS_COMPLAINT_H
#define IMAPFS_COMPLAINT_H

#include "base/error.h"

/* One of sysexits.h. */
int complaint_status(const GError *error);
/* Says it on stderr; returns the exit status. */
int complaint_print(const GError *error);

/* A code on the control socket (control.h). */
const char *complaint_word(const GError *error);
/* What WORD was made of; FAILED if it is unknown. */
int complaint_code(const char *word);

#endif
