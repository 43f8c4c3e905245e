/*
 * Timers: a hierarchical wheel, exact to the nanosecond.
 *
 * A timer stands in the level of the highest 5-bit digit in which its instant differs from the
 * wheel's own, in the slot of that digit; so everything in a lower level comes before everything in
 * a higher one, and in a level the slots are in order.  One bitmap per level finds the first slot
 * without looking, however far away it is.  When the first slot's earliest instant has come, the
 * wheel moves there and its timers spread over the levels below.  Arming and cancelling are O(1); a
 * timer moves down at most 12 times in its life and mostly never.
 *
 * Setting an armed timer to a later instant writes one field: it stays in its slot and is sorted in
 * when the wheel comes there.  This is what retransmission timers do on every ACK.
 *
 * A slot holds its timers in a list, or, in the levels from a millisecond to some minutes, their
 * addresses in pages of a pool that the owner gives.  Timers of many connections are in no cache: a
 * list would fetch them one after the other, each to know the next, while pages tell what to ask
 * for; and a timer that goes away, as nearly all do before their slot is opened, is gone from its
 * page without a look at it.  Without memory for a page there is always the list.
 *
 * Such wheels put the timers that were armed last nowhere yet: they wait in a short line, as most
 * of them are set anew or cancelled at once, which then costs nothing.  The next ones push them out
 * into their slots, or the first instant among them does.
 *
 * Timers fire in order of their instants, never early; those of one instant in an order that is the
 * same in every run, and those already past when they were armed in the order of arming.  The wheel
 * and the timers belong to the owner.
 */
#ifndef NARU_BASE_WHEEL_H
#define NARU_BASE_WHEEL_H

#include "base/list.h"
#include "base/pool.h"
#include <naru/types.h>

enum naru_timer_place {
    NARU_TIMER_AT_REST,
    NARU_TIMER_LISTED, /* in the list of a slot, armed or parked */
    NARU_TIMER_PAGED,  /* in a page of a slot, armed */
    NARU_TIMER_YOUNG,  /* in the line of those armed last, or parked there */
};

/* A zeroed timer, with at set to NARU_NEVER by naru_timer_init, is at rest. */
struct naru_timer {
    union {
        struct naru_list_node node; /* listed */
        struct naru_timer **entry;  /* paged: where its address is */
    };
    naru_time at; /* NARU_NEVER: not armed */
    uint8_t level, slot;
    uint8_t kind;  /* the owner's: which timer, or timer of what */
    uint8_t place; /* enum naru_timer_place */
};

#define NARU_TIMER_PAGE_TIMERS 6

/* One line of cache. */
struct naru_timer_page {
    struct naru_timer_page *next, *prev;              /* in a ring */
    struct naru_timer *timer[NARU_TIMER_PAGE_TIMERS]; /* NULL: gone */
};

/* So many timers, armed one after the other, are still in the cache, and most of them no more what
 * they were set to. */
#define NARU_WHEEL_YOUNG 128

#define NARU_WHEEL_BITS   5
#define NARU_WHEEL_SLOTS  (1 << NARU_WHEEL_BITS)
#define NARU_WHEEL_LEVELS 13 /* 13 * 5 >= 64 bits */

/* Levels with pages: slots of 1 ms to 34 s. */
#define NARU_WHEEL_PAGED     4
#define NARU_WHEEL_PAGED_END 8

struct naru_wheel_slot {
    struct naru_list timers;
    naru_time first; /* no timer in this slot is earlier (with timers in it) */
};

struct naru_wheel_pages {
    struct naru_timer_page *last; /* NULL: none; its next is the first; each has a timer */
    unsigned used;                /* entries of the last; the one before it has a timer */
};

struct naru_wheel {
    naru_time at;         /* every instant up to here has been fired */
    naru_time now;        /* the latest time seen */
    naru_time bound;      /* nothing fires before this; NARU_NEVER: nothing does */
    uint32_t levels_used; /* bit per level that has a timer */
    uint32_t slots_used[NARU_WHEEL_LEVELS]; /* bit per slot */
    uint32_t inexact[NARU_WHEEL_LEVELS];    /* bit per slot whose first may be too early */
    struct naru_list due;        /* instants that were past when they were armed, or have come */
    struct naru_pool *page_pool; /* NULL: only lists */
    struct naru_list young;      /* with pages: armed last, in no slot */
    uint32_t young_count;
    naru_time young_first; /* none of them is earlier */
    struct naru_wheel_slot slot[NARU_WHEEL_LEVELS][NARU_WHEEL_SLOTS];
    struct naru_wheel_pages pages[NARU_WHEEL_PAGED_END - NARU_WHEEL_PAGED][NARU_WHEEL_SLOTS];
};

/*
 * now: where time begins.  pages: a pool for wheels with many timers, made by
 * naru_wheel_pages_init; it stays the caller's, and may serve several wheels.
 */
void naru_wheel_init(struct naru_wheel *w, naru_time now, struct naru_pool *pages);

NARU_INLINE void naru_wheel_pages_init(struct naru_pool *pages, struct naru_mem *mem)
{
    naru_pool_init(pages, mem, sizeof(struct naru_timer_page), NARU_CACHE_LINE, 0);
}

NARU_INLINE void naru_timer_init(struct naru_timer *t, uint8_t kind)
{
    *t = (struct naru_timer){ .at = NARU_NEVER, .kind = kind };
}

NARU_INLINE bool naru_timer_armed(const struct naru_timer *t) { return t->at != NARU_NEVER; }

/*
 * Sets, or sets anew, when t fires.  An instant already past fires at the next expire.  NARU_NEVER
 * cancels.  t must stay in place until it fired or is cancelled.
 */
void naru_wheel_arm(struct naru_wheel *w, struct naru_timer *t, naru_time at);

/* Only if at is earlier than what is set. */
NARU_INLINE void naru_wheel_arm_earlier(struct naru_wheel *w, struct naru_timer *t, naru_time at)
{
    if (at < t->at)
        naru_wheel_arm(w, t, at);
}

/* t will not fire, and the wheel no longer knows it.  Harmless when it is at rest. */
void naru_wheel_cancel(struct naru_wheel *w, struct naru_timer *t);

/*
 * t will not fire, but may stay listed so that arming it again later is cheap: for timers that are
 * set and cleared with every packet.  Before its memory goes away it must still be cancelled.
 */
void naru_wheel_park(struct naru_wheel *w, struct naru_timer *t);

/*
 * An instant at or before the earliest that will fire (any instant already seen if that is past);
 * NARU_NEVER if nothing is armed.  It is exact but for timers that were set later or parked and
 * stand in a crowd; calling expire then makes progress all the same: the next answer is later.
 */
naru_time naru_wheel_next(const struct naru_wheel *w);

/*
 * The same, for whoever asks with every packet: one load, but too early by however much the first
 * timer was set later, parked or cancelled since the last expire.
 */
NARU_INLINE naru_time naru_wheel_bound(const struct naru_wheel *w) { return w->bound; }

/*
 * The next timer whose instant is at most now, taken out and at rest, or NULL.  Between two calls
 * anything may be armed or cancelled; a timer armed at or before now fires in the same round.  A
 * now before one seen earlier counts as that one.
 */
struct naru_timer *naru_wheel_expire(struct naru_wheel *w, naru_time now);

/* One that expire may give next, to fetch what it is of; or NULL. */
NARU_INLINE struct naru_timer *naru_wheel_coming(const struct naru_wheel *w)
{
    struct naru_list_node *n = naru_list_first(&w->due);
    return n == NULL ? NULL : NARU_CONTAINER_OF(n, struct naru_timer, node);
}

/* True if every invariant holds; for tests, costs a pass over everything. */
bool naru_wheel_check(const struct naru_wheel *w);

#endif
