/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/folder.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int
refuse(GError **error, const char *name, int reason)
{
    gboolean denied = reason == ELOOP || reason == ENOTDIR ||
                      reason == EISDIR || reason == EACCES || reason == EPERM ||
                      reason == ENXIO;
    g_set_error(
        error, IMAPFS_ERROR, denied ? IMAPFS_ERROR_DENIED : IMAPFS_ERROR_FAILED,
        "%s: %s", name,
        reason == EPERM ? "belongs to somebody else" : g_strerror(reason));
    return -1;
}

/* Of this user, of TYPE, and with MODE. */
static int
check(int fd, const char *name, mode_t type, mode_t mode, GError **error)
{
    struct stat st;
    int reason = 0;

    if (fd < 0)
        return refuse(error, name, errno);
    if (fstat(fd, &st) < 0)
        reason = errno;
    else if ((st.st_mode & S_IFMT) != type || st.st_uid != geteuid() ||
             (type == S_IFREG && st.st_nlink != 1))
        reason = EPERM;
    else if ((st.st_mode & 07777) != mode && fchmod(fd, mode) < 0)
        reason = errno;
    if (reason == 0)
        return fd;
    close(fd);
    return refuse(error, name, reason);
}

static int
open_folder(int folder, const char *name, GError **error)
{
    /* An umask may have left what cannot even be opened. */
    if (mkdirat(folder, name, 0700) == 0)
        (void)!fchmodat(folder, name, 0700, 0);
    return check(
        openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
        name, S_IFDIR, 0700, error);
}

int
folder_open(const char *path, GError **error)
{
    g_autofree char *parent = g_strdup(path);

    for (char *at = parent + 1; (at = strchr(at, '/')) != NULL; *at++ = '/') {
        *at = '\0';
        if (mkdir(parent, 0700) == 0)
            (void)!chmod(parent, 0700);
    }
    return open_folder(AT_FDCWD, path, error);
}

int
folder_open_folder(int folder, const char *name, GError **error)
{
    return open_folder(folder, name, error);
}

int
folder_open_file(int folder, const char *name, int flags, GError **error)
{
    return check(
        openat(folder, name, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600),
        name, S_IFREG, 0600, error);
}

int
folder_lock(int folder, GError **error)
{
    int fd = folder_open_file(folder, "lock", O_RDWR | O_CREAT, error);

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    if (errno == EWOULDBLOCK)
        g_set_error(error, IMAPFS_ERROR, IMAPFS_ERROR_BUSY,
                    "in use by another process");
    else
        refuse(error, "lock", errno);
    close(fd);
    return -1;
}
