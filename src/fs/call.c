/* SPDX-License-Identifier: GPL-3.0-or-later */
#define FUSE_USE_VERSION 312
#include "fs/call.h"

#include <errno.h>
#include <fuse_lowlevel.h>

#include "base/error.h"
#include "fs/errors.h"

static void
reply_error(fuse_req_t req, const GError *error)
{
    if (error->code != IMAPFS_ERROR_NO_ATTRIBUTE)
        g_debug("reply: %s", error->message);
    fuse_reply_err(req, fs_errno_of(error));
}

/* ---- asking ---- */

static void
free_call(FsCall *call)
{
    fs_park_leave(&call->parked);
    g_free(call->name);
    g_free(call);
}

static void
on_interrupt(fuse_req_t req, void *data)
{
    (void)req;
    fs_park_interrupt(&((FsCall *)data)->parked);
}

static void
on_resume(FsParked *parked, const GError *error)
{
    FsCall *call = (FsCall *)(gpointer)parked; /* its first member */
    MailFault fault = {NULL, NULL};

    if (error != NULL) {
        reply_error(call->req, error);
    } else if (!call->ask(call, &fault)) {
        if (fault.want != NULL) {
            fs_park_wait(call->park, parked, fault.want);
            return;
        }
        reply_error(call->req, fault.error);
        g_error_free(fault.error);
    }
    free_call(call);
}

void
fs_call_start(FsCall *call, FsPark *park)
{
    MailFault fault = {NULL, NULL};
    FsCall *waiting;

    if (call->ask(call, &fault))
        return;
    if (fault.error != NULL) {
        reply_error(call->req, fault.error);
        g_error_free(fault.error);
        return;
    }
    if (park == NULL) {
        fuse_reply_err(call->req, EINTR);
        return;
    }
    waiting = g_memdup2(call, sizeof *call);
    waiting->name = g_strdup(call->name);
    waiting->parked.resume = on_resume;
    waiting->park = park;
    fs_park_wait(park, &waiting->parked, fault.want);
    fuse_req_interrupt_func(call->req, on_interrupt, waiting);
}
