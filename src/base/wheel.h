/*
 * Timers: a hierarchical wheel with intrusive nodes, exact to the nanosecond.
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
 * Timers fire in order of their instants, never early; those of one instant in an order that is the
 * same in every run, and those already past when they were armed in the order of arming.  The wheel
 * and the timers belong to the owner; nothing is allocated.
 */
#ifndef NARU_BASE_WHEEL_H
#define NARU_BASE_WHEEL_H

#include "base/list.h"
#include <naru/types.h>

/* A zeroed timer, with at set to NARU_NEVER by naru_timer_init, is at rest. */
struct naru_timer {
    struct naru_list_node node; /* linked: in a slot, armed or parked */
    naru_time at;               /* NARU_NEVER: not armed */
    uint8_t level, slot;
    uint8_t kind; /* the owner's: which timer, or timer of what */
    uint8_t spare;
    uint32_t data; /* the owner's */
};

#define NARU_WHEEL_BITS   5
#define NARU_WHEEL_SLOTS  (1 << NARU_WHEEL_BITS)
#define NARU_WHEEL_LEVELS 13 /* 13 * 5 >= 64 bits */

struct naru_wheel_slot {
    struct naru_list timers;
    naru_time first; /* no timer in this slot is earlier (with timers in it) */
};

struct naru_wheel {
    naru_time at;         /* every instant up to here has been fired */
    naru_time now;        /* the latest time seen */
    naru_time bound;      /* nothing fires before this; NARU_NEVER: nothing does */
    uint32_t levels_used; /* bit per level that has a timer */
    uint32_t slots_used[NARU_WHEEL_LEVELS]; /* bit per slot */
    uint32_t inexact[NARU_WHEEL_LEVELS];    /* bit per slot whose first may be too early */
    struct naru_list due; /* instants that were past when they were armed, or have come */
    struct naru_wheel_slot slot[NARU_WHEEL_LEVELS][NARU_WHEEL_SLOTS];
};

/* now: where time begins. */
void naru_wheel_init(struct naru_wheel *w, naru_time now);

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
 * t will not fire, but stays linked so that arming it again later is cheap: for timers that are
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

/* True if every invariant holds; for tests, costs a pass over everything. */
bool naru_wheel_check(const struct naru_wheel *w);

#endif
