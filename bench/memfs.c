/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * memfs - N files of S bytes in one directory, from memory.
 *
 * The floor of what a listing or a read through FUSE costs: everything is
 * known before the first request, so what is left is the kernel, libfuse and
 * one thread. It uses the kernel's means to save requests that any read-only
 * filesystem may use.
 *
 * `ls -l` asks for two extended attributes of each file, which the kernel does
 * not cache. memfs answers ENODATA, as a filesystem with extended attributes
 * may; with -p EOPNOTSUPP, and ls stops asking, while attributes in user.*
 * work as before; with -x ENOSYS, and the kernel stops asking for any. The
 * first costs five to twenty times as much as the others, so compare like with
 * like. With -a the kernel keeps ACLs itself, and asks once for each file.
 *
 * With -o OPEN is answered with ENOSYS, after which neither OPEN nor RELEASE is
 * ever sent. With -c requests are counted; the extended attribute user.counts
 * of the root has the counts, which begin anew with each look at it.
 *
 *   memfs [-acfopx] [-n FILES] [-s SIZE] MOUNTPOINT
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* asprintf */
#endif
#define FUSE_USE_VERSION 31

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FOREVER 86400.0
#define FIRST_INO 2 /* the root is 1 */
#define COUNT(a) (sizeof(a) / sizeof *(a))

static size_t files = 100000;
static size_t size = 4096;
static int xattr_error = ENODATA;
static int keep_acl;
static int no_open;
static int counting;
static unsigned long lookups, getattrs, readdirs, opens, reads, getxattrs;
static char **names;
static char *content;
static time_t epoch = 1735689600; /* 2025-01-01 */

/* Names like those of imapfs, in length and in make-up. */
static char *make_name(size_t i)
{
    static const char *first[] = {"Alice", "Bogdan", "Chiara", "Dmitri", "Esther", "Fatima", "Gustav"};
    static const char *last[] = {"Example", "Lindqvist", "Okonkwo", "Marchetti", "Wu"};
    static const char *subject[] = {
        "Lunch on Friday", "Re_ Minutes of the meeting in the north wing",
        "Invoice 20931 for October", "Re_ Re_ the build is broken again on main",
        "Photos", "Travel plans and the hotel by the harbour", "Your order has been shipped",
        "Fwd_ a question about the contract"};
    time_t when = epoch + (time_t)i * 613;
    struct tm tm;
    char stamp[32];
    char *name = NULL;

    gmtime_r(&when, &tm);
    strftime(stamp, sizeof stamp, "%Y-%m-%d %H%M", &tm);
    if (asprintf(&name, "%s %s %s - %s.%zu.eml", stamp, first[i % COUNT(first)], last[i % COUNT(last)],
                 subject[i % COUNT(subject)], i + 1) < 0)
        abort();
    return name;
}

static void fill_attr(fuse_ino_t ino, struct stat *st)
{
    memset(st, 0, sizeof *st);
    st->st_ino = ino;
    st->st_uid = getuid();
    st->st_gid = getgid();
    if (ino == FUSE_ROOT_ID) {
        st->st_mode = S_IFDIR | 0500;
        st->st_nlink = 1;
        st->st_mtime = epoch;
    } else {
        st->st_mode = S_IFREG | 0400;
        st->st_nlink = 1;
        st->st_size = (off_t)size;
        st->st_blocks = (blkcnt_t)(size + 511) / 512;
        st->st_mtime = epoch + (time_t)(ino - FIRST_INO) * 613;
    }
    st->st_atime = st->st_ctime = st->st_mtime;
}

static void fill_entry(fuse_ino_t ino, struct fuse_entry_param *e)
{
    memset(e, 0, sizeof *e);
    e->ino = ino;
    e->attr_timeout = e->entry_timeout = FOREVER;
    fill_attr(ino, &e->attr);
}

static void op_init(void *data, struct fuse_conn_info *conn)
{
    (void)data;
    /* Attributes with each name always: the adaptive mode guesses wrong. */
    conn->want |= conn->capable & FUSE_CAP_READDIRPLUS;
    conn->want &= ~(unsigned)FUSE_CAP_READDIRPLUS_AUTO;
    if (keep_acl)
        conn->want |= conn->capable & FUSE_CAP_POSIX_ACL;
    if (no_open)
        conn->want |= conn->capable & FUSE_CAP_NO_OPEN_SUPPORT;
}

/* The UID in the name leads to the one file it can be. */
static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct fuse_entry_param e;
    const char *end = strrchr(name, '.');
    const char *dot = end;

    lookups++;

    while (dot && dot > name && *--dot != '.')
        ;
    size_t uid = dot && *dot == '.' ? strtoul(dot + 1, NULL, 10) : 0;
    if (parent == FUSE_ROOT_ID && uid >= 1 && uid <= files && strcmp(names[uid - 1], name) == 0) {
        fill_entry(FIRST_INO + uid - 1, &e);
    } else {
        memset(&e, 0, sizeof e); /* inode 0: a negative entry, kept too */
        e.entry_timeout = FOREVER;
    }
    fuse_reply_entry(req, &e);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup)
{
    (void)ino, (void)nlookup;
    fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
    (void)count, (void)forgets;
    fuse_reply_none(req);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct stat st;

    (void)fi;
    getattrs++;
    fill_attr(ino, &st);
    fuse_reply_attr(req, &st, FOREVER);
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    fi->cache_readdir = 1;
    fi->keep_cache = 1;
    fuse_reply_open(req, fi);
}

static void op_readdir_any(fuse_req_t req, size_t room, off_t off, int plus)
{
    static char *buf;
    static size_t allocated;
    size_t used = 0;

    readdirs++;
    if (room > allocated) {
        buf = realloc(buf, allocated = room);
        if (!buf)
            abort();
    }
    for (size_t i = (size_t)off; i < files; i++) {
        struct fuse_entry_param e;
        size_t need;

        fill_entry(FIRST_INO + i, &e);
        need = plus ? fuse_add_direntry_plus(req, buf + used, room - used, names[i], &e, (off_t)i + 1)
                    : fuse_add_direntry(req, buf + used, room - used, names[i], &e.attr, (off_t)i + 1);
        if (need > room - used)
            break;
        used += need;
    }
    fuse_reply_buf(req, buf, used);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t room, off_t off, struct fuse_file_info *fi)
{
    (void)ino, (void)fi;
    op_readdir_any(req, room, off, 0);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t room, off_t off, struct fuse_file_info *fi)
{
    (void)ino, (void)fi;
    op_readdir_any(req, room, off, 1);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    opens++;
    if (no_open) {
        fuse_reply_err(req, ENOSYS);
        return;
    }
    if ((fi->flags & O_ACCMODE) != O_RDONLY) {
        fuse_reply_err(req, EROFS);
        return;
    }
    fi->keep_cache = 1;
    fi->noflush = 1;
    fuse_reply_open(req, fi);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t len, off_t off, struct fuse_file_info *fi)
{
    size_t at = (size_t)off;

    (void)ino, (void)fi;
    reads++;
    if (at >= size)
        fuse_reply_buf(req, NULL, 0);
    else
        fuse_reply_buf(req, content + at, len < size - at ? len : size - at);
}

static void reply_counts(fuse_req_t req, size_t len)
{
    char text[200];

    snprintf(text, sizeof text, "lookup %lu getattr %lu readdir %lu open %lu read %lu getxattr %lu", lookups, getattrs,
             readdirs, opens, reads, getxattrs);
    if (len == 0) {
        fuse_reply_xattr(req, sizeof text);
        return;
    }
    lookups = getattrs = readdirs = opens = reads = getxattrs = 0;
    fuse_reply_buf(req, text, strlen(text) < len ? strlen(text) : len);
}

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t len)
{
    (void)ino;
    if (counting && strcmp(name, "user.counts") == 0) {
        reply_counts(req, len);
        return;
    }
    getxattrs++;
    fuse_reply_err(req, xattr_error);
}

static const struct fuse_lowlevel_ops ops = {
    .init = op_init,
    .lookup = op_lookup,
    .forget = op_forget,
    .forget_multi = op_forget_multi,
    .getattr = op_getattr,
    .opendir = op_opendir,
    .readdir = op_readdir,
    .readdirplus = op_readdirplus,
    .open = op_open,
    .read = op_read,
    .getxattr = op_getxattr,
};

static void make_files(void)
{
    static const char line[] = "The quick brown fox jumps over the lazy dog and looks back at it.\r\n";

    names = calloc(files ? files : 1, sizeof *names);
    content = malloc(size + 1);
    if (!names || !content)
        abort();
    for (size_t i = 0; i < files; i++)
        names[i] = make_name(i);
    for (size_t i = 0; i < size; i++)
        content[i] = line[i % (sizeof line - 1)];
}

int main(int argc, char **argv)
{
    int foreground = 0;
    int option;
    int status = 1;

    while ((option = getopt(argc, argv, "acfn:ops:x")) != -1) {
        switch (option) {
        case 'a': keep_acl = 1; break;
        case 'c': counting = 1; break;
        case 'f': foreground = 1; break;
        case 'n': files = strtoul(optarg, NULL, 10); break;
        case 'o': no_open = 1; break;
        case 'p': xattr_error = EOPNOTSUPP; break;
        case 's': size = strtoul(optarg, NULL, 10); break;
        case 'x': xattr_error = ENOSYS; break;
        default: optind = argc; /* no mount point: the usage below */
        }
    }
    if (optind != argc - 1) {
        fprintf(stderr, "usage: memfs [-acfopx] [-n FILES] [-s SIZE] MOUNTPOINT\n");
        return 2;
    }
    make_files();

    char *fuse_argv[] = {argv[0], "-o", "ro,fsname=memfs,subtype=memfs", NULL};
    struct fuse_args args = FUSE_ARGS_INIT(3, fuse_argv);
    struct fuse_session *session = fuse_session_new(&args, &ops, sizeof ops, NULL);

    if (!session)
        return 1;
    if (fuse_set_signal_handlers(session) == 0) {
        if (fuse_session_mount(session, argv[optind]) == 0) {
            if (fuse_daemonize(foreground) == 0)
                status = fuse_session_loop(session) ? 1 : 0;
            fuse_session_unmount(session);
        }
        fuse_remove_signal_handlers(session);
    }
    fuse_session_destroy(session);
    fuse_opt_free_args(&args);
    return status;
}
