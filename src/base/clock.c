/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/clock.h"

#include <time.h>

struct Clock {
    GSequence *timers; /* of Timer, soonest first */
    GHashTable *by_id; /* id -> GSequenceIter */
    GSource *source;   /* NULL when virtual */
    gint64 virtual_now;
    gint64 virtual_wall;
    gint64 virtual_slept;
    guint last_id;
};

typedef struct {
    gint64 due;
    guint id;
    ClockFunc func;
    gpointer data;
} Timer;

typedef struct {
    GSource base;
    Clock *clock;
} ClockSource;

static int
compare_timers(gconstpointer a, gconstpointer b, gpointer data)
{
    const Timer *one = a;
    const Timer *other = b;
    (void)data;
    if (one->due != other->due)
        return one->due < other->due ? -1 : 1;
    return one->id < other->id ? -1 : one->id > other->id;
}

static const Timer *
first_timer(const Clock *clock)
{
    GSequenceIter *begin = g_sequence_get_begin_iter(clock->timers);
    return g_sequence_iter_is_end(begin) ? NULL : g_sequence_get(begin);
}

static void
arm(Clock *clock)
{
    if (clock->source != NULL) {
        const Timer *first = first_timer(clock);
        g_source_set_ready_time(clock->source, first ? first->due : -1);
    }
}

static void
run_first(Clock *clock)
{
    Timer timer = *first_timer(clock);
    guint id = timer.id;
    clock_cancel(clock, &id);
    timer.func(timer.data);
}

static gboolean
dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    Clock *clock = ((ClockSource *)source)->clock;
    gint64 now = g_source_get_time(source);
    (void)callback;
    (void)data;
    for (const Timer *first; (first = first_timer(clock)) && first->due <= now;)
        run_first(clock);
    arm(clock);
    return G_SOURCE_CONTINUE;
}

static Clock *
clock_create(void)
{
    Clock *clock = g_new0(Clock, 1);
    clock->timers = g_sequence_new(g_free);
    clock->by_id = g_hash_table_new(NULL, NULL);
    return clock;
}

Clock *
clock_new(void)
{
    static GSourceFuncs funcs = {.dispatch = dispatch};
    Clock *clock = clock_create();
    clock->source = g_source_new(&funcs, sizeof(ClockSource));
    ((ClockSource *)clock->source)->clock = clock;
    g_source_attach(clock->source, g_main_context_get_thread_default());
    return clock;
}

Clock *
clock_new_virtual(gint64 wall)
{
    Clock *clock = clock_create();
    clock->virtual_wall = wall;
    clock->virtual_now = CLOCK_SECOND;
    return clock;
}

void
clock_free(Clock *clock)
{
    if (clock->source != NULL) {
        g_source_destroy(clock->source);
        g_source_unref(clock->source);
    }
    g_hash_table_unref(clock->by_id);
    g_sequence_free(clock->timers);
    g_free(clock);
}

gint64
clock_now(const Clock *clock)
{
    return clock->source ? g_get_monotonic_time() : clock->virtual_now;
}

static gint64
read_clock(clockid_t id)
{
    struct timespec now = {0, 0};
    clock_gettime(id, &now);
    return now.tv_sec * CLOCK_SECOND + now.tv_nsec / 1000;
}

gint64
clock_slept(const Clock *clock)
{
    return clock->source
               ? read_clock(CLOCK_BOOTTIME) - read_clock(CLOCK_MONOTONIC)
               : clock->virtual_slept;
}

void
clock_sleep(Clock *clock, gint64 duration)
{
    clock->virtual_slept += duration;
}

gint64
clock_wall(const Clock *clock)
{
    if (clock->source != NULL)
        return g_get_real_time() / CLOCK_SECOND;
    return clock->virtual_wall + clock->virtual_now / CLOCK_SECOND;
}

guint
clock_after(Clock *clock, gint64 delay, ClockFunc func, gpointer data)
{
    Timer *timer = g_new(Timer, 1);
    if (++clock->last_id == 0)
        clock->last_id = 1;
    *timer =
        (Timer){clock_now(clock) + MAX(delay, 0), clock->last_id, func, data};
    g_hash_table_insert(
        clock->by_id, GUINT_TO_POINTER(timer->id),
        g_sequence_insert_sorted(clock->timers, timer, compare_timers, NULL));
    if (first_timer(clock) == timer)
        arm(clock);
    return timer->id;
}

void
clock_cancel(Clock *clock, guint *id)
{
    GSequenceIter *iter =
        g_hash_table_lookup(clock->by_id, GUINT_TO_POINTER(*id));
    g_hash_table_remove(clock->by_id, GUINT_TO_POINTER(*id));
    *id = 0;
    if (iter != NULL)
        g_sequence_remove(iter);
}

gboolean
clock_step(Clock *clock, gint64 until)
{
    const Timer *first = first_timer(clock);
    if (first == NULL || first->due > until)
        return FALSE;
    clock->virtual_now = MAX(clock->virtual_now, first->due);
    run_first(clock);
    return TRUE;
}
