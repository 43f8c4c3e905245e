/*
 * The hierarchical timing wheel.
 *
 * Instants are taken as unsigned numbers (the sign bit turned) and read as 13 digits of 5 bits. The
 * invariant everything rests on: for each timer in level L, slot S, when it was put there its
 * digits above L were those of w->at and its digit L was S, greater than that of w->at.  w->at only
 * ever moves to where no slot is jumped over, so the invariant stays, and level by level, slot by
 * slot, the timers are in order.  A timer set later after it was put in its slot just stands too
 * early.
 */
#include "base/wheel.h"

#define LEVEL_DUE 0xff

/* How many timers of an inexact slot naru_wheel_next looks at before it is content with a bound. */
#define NEXT_LOOKS 8

static uint64_t number(naru_time at) { return (uint64_t)at ^ (uint64_t)1 << 63; }
static naru_time instant(uint64_t number) { return (naru_time)(number ^ (uint64_t)1 << 63); }

void naru_wheel_init(struct naru_wheel *w, naru_time now)
{
    w->at = w->now = now;
    w->bound = NARU_NEVER;
    w->levels_used = 0;
    naru_list_init(&w->due);
    for (unsigned level = 0; level < NARU_WHEEL_LEVELS; level++) {
        w->slots_used[level] = 0;
        w->inexact[level] = 0;
        for (unsigned slot = 0; slot < NARU_WHEEL_SLOTS; slot++) {
            naru_list_init(&w->slot[level][slot].timers);
            w->slot[level][slot].first = NARU_NEVER;
        }
    }
}

/* The first instant that belongs into the slot, as w->at stands. */
static naru_time slot_start(const struct naru_wheel *w, unsigned level, unsigned slot)
{
    unsigned shift = level * NARU_WHEEL_BITS;
    unsigned above = shift + NARU_WHEEL_BITS;
    uint64_t high = above < 64 ? number(w->at) >> above << above : 0;
    return instant(high | (uint64_t)slot << shift);
}

static void place(struct naru_wheel *w, struct naru_timer *t)
{
    if (t->at <= w->at) {
        t->level = LEVEL_DUE;
        naru_list_push_back(&w->due, &t->node);
        return;
    }

    uint64_t at = number(t->at);
    unsigned level = naru_bit_highest(at ^ number(w->at)) / NARU_WHEEL_BITS;
    unsigned slot = (unsigned)(at >> (level * NARU_WHEEL_BITS)) % NARU_WHEEL_SLOTS;
    struct naru_wheel_slot *s = &w->slot[level][slot];
    if (naru_list_empty(&s->timers)) {
        w->levels_used |= 1U << level;
        w->slots_used[level] |= 1U << slot;
        s->first = t->at;
    } else if (t->at < s->first) {
        s->first = t->at;
        w->inexact[level] &= ~(1U << slot);
    }
    t->level = (uint8_t)level;
    t->slot = (uint8_t)slot;
    naru_list_push_back(&s->timers, &t->node);
}

static void slot_clear(struct naru_wheel *w, unsigned level, unsigned slot)
{
    w->inexact[level] &= ~(1U << slot);
    w->slots_used[level] &= ~(1U << slot);
    if (w->slots_used[level] == 0)
        w->levels_used &= ~(1U << level);
}

/* t stays linked, or not, but will not fire at t->at: the bound of its slot may be too early now.
 */
static void leave_instant(struct naru_wheel *w, const struct naru_timer *t)
{
    if (t->level != LEVEL_DUE && t->at == w->slot[t->level][t->slot].first)
        w->inexact[t->level] |= 1U << t->slot;
}

static void unlink_timer(struct naru_wheel *w, struct naru_timer *t)
{
    naru_list_remove(&t->node);
    if (t->level == LEVEL_DUE)
        return;
    if (naru_list_empty(&w->slot[t->level][t->slot].timers))
        slot_clear(w, t->level, t->slot);
    else
        leave_instant(w, t);
}

NARU_NOINLINE void naru_wheel_arm(struct naru_wheel *w, struct naru_timer *t, naru_time at)
{
    if (at == NARU_NEVER) {
        naru_wheel_cancel(w, t);
        return;
    }
    w->bound = NARU_MIN(w->bound, at);
    if (naru_list_linked(&t->node)) {
        if (t->level != LEVEL_DUE && at >= slot_start(w, t->level, t->slot)) {
            struct naru_wheel_slot *s = &w->slot[t->level][t->slot];
            if (at > t->at)
                leave_instant(w, t);
            if (at <= s->first) {
                s->first = at;
                w->inexact[t->level] &= ~(1U << t->slot);
            }
            t->at = at;
            return;
        }
        unlink_timer(w, t);
    }
    t->at = at;
    place(w, t);
}

NARU_NOINLINE void naru_wheel_cancel(struct naru_wheel *w, struct naru_timer *t)
{
    if (naru_list_linked(&t->node))
        unlink_timer(w, t);
    t->at = NARU_NEVER;
}

NARU_NOINLINE void naru_wheel_park(struct naru_wheel *w, struct naru_timer *t)
{
    if (naru_list_linked(&t->node))
        leave_instant(w, t);
    t->at = NARU_NEVER;
}

/*
 * The earliest instant in the slot in *first, NARU_NEVER if all are parked; false if there are more
 * timers than *looks, which counts down.
 */
static bool slot_first(const struct naru_wheel_slot *s, unsigned *looks, naru_time *first)
{
    *first = NARU_NEVER;
    for (struct naru_list_node *n = naru_list_first(&s->timers); n != NULL;
         n = naru_list_next(&s->timers, n)) {
        const struct naru_timer *t = NARU_CONTAINER_OF(n, struct naru_timer, node);
        if (*looks == 0)
            return false;
        (*looks)--;
        if (t->at < *first)
            *first = t->at;
    }
    return true;
}

naru_time naru_wheel_next(const struct naru_wheel *w)
{
    naru_time best = NARU_NEVER;
    unsigned looks = NEXT_LOOKS;

    if (!naru_list_empty(&w->due))
        return w->at;
    for (uint32_t levels = w->levels_used; levels != 0; levels &= levels - 1) {
        unsigned level = naru_bit_lowest(levels);
        for (uint32_t slots = w->slots_used[level]; slots != 0; slots &= slots - 1) {
            unsigned slot = naru_bit_lowest(slots);
            const struct naru_wheel_slot *s = &w->slot[level][slot];
            naru_time first;
            if (best <= s->first)
                return best;
            if ((w->inexact[level] >> slot & 1) == 0 || !slot_first(s, &looks, &first))
                return s->first;
            best = NARU_MIN(best, first);
        }
    }
    return best;
}

/* Moves the wheel to the earliest instant of that slot and sorts its timers in anew. */
static void open_slot(struct naru_wheel *w, unsigned level, unsigned slot)
{
    struct naru_list timers;
    struct naru_list_node *n;

    naru_list_init(&timers);
    naru_list_splice(&timers, &w->slot[level][slot].timers);
    w->at = w->slot[level][slot].first;
    slot_clear(w, level, slot);
    while ((n = naru_list_pop(&timers)) != NULL) {
        struct naru_timer *t = NARU_CONTAINER_OF(n, struct naru_timer, node);
        NARU_PREFETCH(timers.head.next);
        if (t->at != NARU_NEVER)
            place(w, t);
    }
}

static struct naru_timer *pop_due(struct naru_wheel *w)
{
    struct naru_list_node *n;
    while ((n = naru_list_pop(&w->due)) != NULL) {
        struct naru_timer *t = NARU_CONTAINER_OF(n, struct naru_timer, node);
        if (t->at != NARU_NEVER) {
            t->at = NARU_NEVER;
            return t;
        }
    }
    return NULL;
}

struct naru_timer *naru_wheel_expire(struct naru_wheel *w, naru_time now)
{
    if (now > w->now)
        w->now = now;
    now = w->now;

    for (;;) {
        struct naru_timer *t = pop_due(w);
        if (t != NULL)
            return t;
        if (w->levels_used == 0) {
            w->at = now;
            w->bound = NARU_NEVER;
            return NULL;
        }
        unsigned level = naru_bit_lowest(w->levels_used);
        unsigned slot = naru_bit_lowest(w->slots_used[level]);
        if (w->slot[level][slot].first > now) {
            /* Nothing stands between here and now: what is armed from now on is placed finer. */
            if (slot_start(w, level, slot) > now)
                w->at = now;
            w->bound = naru_wheel_next(w);
            return NULL;
        }
        open_slot(w, level, slot);
    }
}

/* ---- for tests ---- */

static bool slot_check(const struct naru_wheel *w, unsigned level, unsigned slot)
{
    const struct naru_wheel_slot *s = &w->slot[level][slot];
    bool used = (w->slots_used[level] >> slot & 1) != 0;
    bool seen_first = false;

    if (used == naru_list_empty(&s->timers))
        return false;
    if (!used)
        return (w->inexact[level] >> slot & 1) == 0;
    if (slot_start(w, level, slot) <= w->at || s->first < slot_start(w, level, slot))
        return false;
    for (struct naru_list_node *n = naru_list_first(&s->timers); n != NULL;
         n = naru_list_next(&s->timers, n)) {
        const struct naru_timer *t = NARU_CONTAINER_OF(n, struct naru_timer, node);
        if (t->level != level || t->slot != slot || t->at < s->first || t->at < w->bound)
            return false;
        seen_first = seen_first || t->at == s->first;
    }
    return seen_first || (w->inexact[level] >> slot & 1) != 0;
}

bool naru_wheel_check(const struct naru_wheel *w)
{
    for (unsigned level = 0; level < NARU_WHEEL_LEVELS; level++) {
        if ((w->slots_used[level] != 0) != ((w->levels_used >> level & 1) != 0))
            return false;
        for (unsigned slot = 0; slot < NARU_WHEEL_SLOTS; slot++) {
            if (!slot_check(w, level, slot))
                return false;
        }
    }
    return w->at <= w->now;
}
