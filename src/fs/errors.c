/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fs/errors.h"

#include <errno.h>

#include "base/error.h"

int
fs_errno_of(const GError *error)
{
    static const int table[] = {
        [IMAPFS_ERROR_NOT_FOUND] = ENOENT,
        [IMAPFS_ERROR_STALE] = ESTALE,
        [IMAPFS_ERROR_DENIED] = EACCES,
        [IMAPFS_ERROR_BUSY] = EAGAIN,
        [IMAPFS_ERROR_OFFLINE] = EHOSTUNREACH,
        [IMAPFS_ERROR_NO_HOST] = EHOSTUNREACH,
        [IMAPFS_ERROR_TIMEOUT] = ETIMEDOUT,
        [IMAPFS_ERROR_CANCELLED] = EINTR,
        [IMAPFS_ERROR_PROTOCOL] = EIO,
        [IMAPFS_ERROR_USAGE] = EINVAL,
        [IMAPFS_ERROR_NAME_TOO_LONG] = ENAMETOOLONG,
        [IMAPFS_ERROR_NOT_DIRECTORY] = ENOTDIR,
        [IMAPFS_ERROR_IS_DIRECTORY] = EISDIR,
        [IMAPFS_ERROR_NO_ATTRIBUTE] = ENODATA,
        [IMAPFS_ERROR_RANGE] = ERANGE,
        [IMAPFS_ERROR_FAILED] = EIO,
    };

    if (error->domain != IMAPFS_ERROR || error->code < 0 ||
        (guint)error->code >= G_N_ELEMENTS(table))
        return EIO;
    return table[error->code];
}
