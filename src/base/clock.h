/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Time and timers, passed in to whoever needs them.  A virtual clock stands
 * still until a test steps it, so that a whole run can be replayed.
 *
 * All durations are microseconds.  Timers run on the thread-default main
 * context of whoever created the clock.
 */
#ifndef IMAPFS_BASE_CLOCK_H
#define IMAPFS_BASE_CLOCK_H

#include <glib.h>

#define CLOCK_SECOND G_TIME_SPAN_SECOND
#define CLOCK_MILLISECOND G_TIME_SPAN_MILLISECOND

typedef struct Clock Clock;
typedef void (*ClockFunc)(gpointer data);

Clock *clock_new(void);
/* A clock that starts at WALL seconds since 1970 and moves by clock_step(). */
Clock *clock_new_virtual(gint64 wall);
void clock_free(Clock *clock);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Clock, clock_free)

/* Microseconds since some fixed moment; never goes back. */
gint64 clock_now(const Clock *clock);
/* For how long, all in all, the machine was suspended; clock_now() stands still
 * meanwhile. */
gint64 clock_slept(const Clock *clock);
/* Seconds since 1970. */
gint64 clock_wall(const Clock *clock);

/* Calls FUNC once, DELAY from now.  Returns an id, never 0. */
guint clock_after(Clock *clock, gint64 delay, ClockFunc func, gpointer data);
/* Forgets the timer *ID, if it is not 0, and sets *ID to 0. */
void clock_cancel(Clock *clock, guint *id);

/* Adds to what clock_slept() says of a virtual clock. */
void clock_sleep(Clock *clock, gint64 duration);

/*
 * Moves a virtual clock to its next timer, if that is due before or at UNTIL,
 * and runs it.  Returns FALSE when there is none.
 */
gboolean clock_step(Clock *clock, gint64 until);

#endif
