/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * replay - give every file of a directory to a fuzz target.
 *
 * `make check` builds each target with this and replays its corpus:
 * tests/fuzz/corpus/TARGET, or the directory that is the only argument.
 *
 * To look for more, build a target without this file, by clang's libFuzzer,
 * from the top of the source:
 *
 *   target=frame
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined \
 *       -fno-sanitize-recover=all -D_GNU_SOURCE -DG_LOG_DOMAIN='"imapfs"' \
 *       -Isrc $(pkg-config --cflags gmime-3.0 gio-unix-2.0) \
 *       tests/fuzz/fuzz-$target.c src/base/[a-z]*.c \
 *       src/fs/{names,partnames}.c \
 *       src/imap/{bodystructure,capability,frame,response,syntax}.c \
 *       src/imap/{uidset,utf7}.c \
 *       src/mail/{mailbox,mailboxes,message,parameters,structure}.c \
 *       src/mail/{base64,decode,html,markup,text}.c \
 *       $(pkg-config --libs gmime-3.0 gio-unix-2.0) -o build/fuzz-$target
 *   mkdir -p build/fuzz-corpus-$target
 *   build/fuzz-$target -max_total_time=120 -max_len=4096 \
 *       build/fuzz-corpus-$target tests/fuzz/corpus/$target
 *
 * An input that made a target fail goes into its corpus, by a name that says
 * what is wrong with it.
 */
#include "fuzz.h"

#include <stdio.h>

static gboolean
replay(const char *directory, const char *file)
{
    g_autofree char *path = g_build_filename(directory, file, NULL);
    g_autofree char *contents = NULL;
    g_autofree char *data = NULL;
    gsize length;

    if (!g_file_get_contents(path, &contents, &length, NULL)) {
        fprintf(stderr, "%s cannot be read\n", path);
        return FALSE;
    }
    printf("%s\n", file);
    fflush(stdout);
    /* Of exactly that size, so that a sanitizer sees any step beyond. */
    data = g_memdup2(contents, length);
    LLVMFuzzerTestOneInput((const uint8_t *)data, length);
    return TRUE;
}

int
main(int argc, char **argv)
{
    g_autofree char *program = g_path_get_basename(argv[0]);
    const char *target =
        g_str_has_prefix(program, "fuzz-") ? program + 5 : program;
    const char *source = g_getenv("srcdir");
    g_autofree char *directory =
        argc > 1 ? g_strdup(argv[1])
                 : g_build_filename(source ? source : ".", "tests", "fuzz",
                                    "corpus", target, NULL);
    g_autoptr(GDir) files = g_dir_open(directory, 0, NULL);
    gboolean good = TRUE;
    guint n = 0;

    for (const char *file; files && (file = g_dir_read_name(files)); n++)
        good = replay(directory, file) && good;
    printf("%u inputs of %s\n", n, directory);
    return good && n > 0 ? 0 : 1;
}
