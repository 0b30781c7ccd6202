/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a fuzz target is; see replay.c. */
#ifndef IMAPFS_TESTS_FUZZ_H
#define IMAPFS_TESTS_FUZZ_H

#include <glib.h>
#include <stdint.h>
#include <string.h>

/* Aborts when something that must hold does not. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Like g_assert(), and there in every build. */
#define MUST(condition)                                                   \
    do {                                                                  \
        if (!(condition))                                                 \
            g_error("%s:%d: not so: %s", __FILE__, __LINE__, #condition); \
    } while (0)

#endif
