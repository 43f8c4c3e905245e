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

void naru_wheel_init(struct naru_wheel *w, naru_time now, struct naru_pool *pages)
{
    *w = (struct naru_wheel){ .at = now, .now = now, .bound = NARU_NEVER, .page_pool = pages };
    naru_list_init(&w->due);
    naru_list_init(&w->young);
    w->young_first = NARU_NEVER;
    for (unsigned level = 0; level < NARU_WHEEL_LEVELS; level++) {
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

/* ---- Pages ---- */

static const struct naru_wheel_pages *pages_in(const struct naru_wheel *w, unsigned level,
                                               unsigned slot)
{
    bool paged = level >= NARU_WHEEL_PAGED && level < NARU_WHEEL_PAGED_END;
    return paged ? &w->pages[level - NARU_WHEEL_PAGED][slot] : NULL;
}

static struct naru_wheel_pages *pages_of(struct naru_wheel *w, unsigned level, unsigned slot)
{
    return (struct naru_wheel_pages *)(uintptr_t)pages_in(w, level, slot);
}

static struct naru_timer_page *page_add(struct naru_wheel *w, struct naru_wheel_pages *s)
{
    struct naru_timer_page *page = naru_pool_get(w->page_pool);
    if (page == NULL)
        return NULL;
    *page = (struct naru_timer_page){ .next = page, .prev = page };
    if (s->last != NULL) {
        page->next = s->last->next;
        page->prev = s->last;
        page->next->prev = page;
        s->last->next = page;
    }
    s->last = page;
    s->used = 0;
    return page;
}

/* Into the slot's last page; false: there is none, and no memory for another. */
static bool page_put(struct naru_wheel *w, struct naru_wheel_pages *s, struct naru_timer *t)
{
    if ((s->last == NULL || s->used == NARU_TIMER_PAGE_TIMERS) && page_add(w, s) == NULL)
        return false;
    t->entry = &s->last->timer[s->used++];
    *t->entry = t;
    t->place = NARU_TIMER_PAGED;
    return true;
}

static bool page_empty(const struct naru_timer_page *page)
{
    for (unsigned i = 0; i < NARU_TIMER_PAGE_TIMERS; i++)
        if (page->timer[i] != NULL)
            return false;
    return true;
}

static void page_free(struct naru_wheel *w, struct naru_wheel_pages *s,
                      struct naru_timer_page *page)
{
    if (page == s->last) {
        s->last = page->prev != page ? page->prev : NULL;
        s->used = NARU_TIMER_PAGE_TIMERS;
    }
    page->prev->next = page->next;
    page->next->prev = page->prev;
    naru_pool_put(w->page_pool, page);
}

/* The page of an entry: pages are aligned to their size. */
static struct naru_timer_page *page_of(struct naru_timer **entry)
{
    size_t in = (uintptr_t)entry % sizeof(struct naru_timer_page);
    return (struct naru_timer_page *)(void *)((char *)entry - in);
}

static void page_take(struct naru_wheel *w, struct naru_timer *t)
{
    struct naru_wheel_pages *s = pages_of(w, t->level, t->slot);
    struct naru_timer_page *page = page_of(t->entry);
    *t->entry = NULL;
    if (page_empty(page))
        page_free(w, s, page);
    while (s->last != NULL && s->last->timer[s->used - 1] == NULL)
        s->used--; /* the next takes its entry */
}

/* ---- Slots ---- */

static bool slot_empty(const struct naru_wheel *w, unsigned level, unsigned slot)
{
    const struct naru_wheel_pages *pages = pages_in(w, level, slot);
    return naru_list_empty(&w->slot[level][slot].timers) && (pages == NULL || pages->last == NULL);
}

static void list_put(struct naru_list *list, struct naru_timer *t)
{
    t->node = (struct naru_list_node){ 0 };
    naru_list_push_back(list, &t->node);
    t->place = NARU_TIMER_LISTED;
}

static void place(struct naru_wheel *w, struct naru_timer *t)
{
    if (t->at <= w->at) {
        t->level = LEVEL_DUE;
        list_put(&w->due, t);
        return;
    }

    uint64_t at = number(t->at);
    unsigned level = naru_bit_highest(at ^ number(w->at)) / NARU_WHEEL_BITS;
    unsigned slot = (unsigned)(at >> (level * NARU_WHEEL_BITS)) % NARU_WHEEL_SLOTS;
    struct naru_wheel_slot *s = &w->slot[level][slot];
    if ((w->slots_used[level] >> slot & 1) == 0) {
        w->levels_used |= 1U << level;
        w->slots_used[level] |= 1U << slot;
        s->first = t->at;
    } else if (t->at < s->first) {
        s->first = t->at;
        w->inexact[level] &= ~(1U << slot);
    }
    t->level = (uint8_t)level;
    t->slot = (uint8_t)slot;
    struct naru_wheel_pages *pages = w->page_pool != NULL ? pages_of(w, level, slot) : NULL;
    if (pages == NULL || !page_put(w, pages, t))
        list_put(&s->timers, t);
}

/* ---- Those armed last ---- */

static void young_put(struct naru_wheel *w, struct naru_timer *t)
{
    list_put(&w->young, t);
    t->place = NARU_TIMER_YOUNG;
    w->young_count++;
    w->young_first = NARU_MIN(w->young_first, t->at);
}

/* The one that has waited longest goes into its slot; false: there is none. */
static bool young_settle(struct naru_wheel *w)
{
    struct naru_list_node *n = naru_list_pop(&w->young);
    if (n == NULL)
        return false;
    struct naru_timer *t = NARU_CONTAINER_OF(n, struct naru_timer, node);
    w->young_count--;
    t->place = NARU_TIMER_AT_REST;
    if (t->at != NARU_NEVER)
        place(w, t);
    return true;
}

static void young_settle_all(struct naru_wheel *w)
{
    while (young_settle(w))
        ;
    w->young_first = NARU_NEVER;
}

/* ---- Leaving a slot ---- */

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
    bool young = t->place == NARU_TIMER_YOUNG;
    if (t->place == NARU_TIMER_PAGED)
        page_take(w, t);
    else
        naru_list_remove(&t->node);
    t->place = NARU_TIMER_AT_REST;
    w->young_count -= young;
    if (young || t->level == LEVEL_DUE)
        return;
    if (slot_empty(w, t->level, t->slot))
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
    if (t->place == NARU_TIMER_YOUNG) {
        t->at = at;
        w->young_first = NARU_MIN(w->young_first, at);
        return;
    }
    if (t->place != NARU_TIMER_AT_REST) {
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
    if (w->page_pool == NULL) {
        place(w, t);
        return;
    }
    young_put(w, t);
    if (w->young_count > NARU_WHEEL_YOUNG)
        (void)young_settle(w);
}

NARU_NOINLINE void naru_wheel_cancel(struct naru_wheel *w, struct naru_timer *t)
{
    if (t->place != NARU_TIMER_AT_REST)
        unlink_timer(w, t);
    t->at = NARU_NEVER;
}

NARU_NOINLINE void naru_wheel_park(struct naru_wheel *w, struct naru_timer *t)
{
    if (t->place == NARU_TIMER_PAGED)
        unlink_timer(w, t);
    else if (t->place == NARU_TIMER_LISTED)
        leave_instant(w, t);
    t->at = NARU_NEVER;
}

/*
 * The earliest instant in the slot in *first, NARU_NEVER if all are parked; false if there are more
 * timers than *looks, which counts down.
 */
static bool slot_first(const struct naru_wheel *w, unsigned level, unsigned slot, unsigned *looks,
                       naru_time *first)
{
    const struct naru_list *list = &w->slot[level][slot].timers;
    const struct naru_wheel_pages *pages = pages_in(w, level, slot);
    *first = NARU_NEVER;
    for (struct naru_list_node *n = naru_list_first(list); n != NULL; n = naru_list_next(list, n)) {
        const struct naru_timer *t = NARU_CONTAINER_OF(n, struct naru_timer, node);
        if ((*looks)-- == 0)
            return false;
        *first = NARU_MIN(*first, t->at);
    }
    if (pages == NULL || pages->last == NULL)
        return true;
    if (pages->last->next != pages->last || pages->used > *looks)
        return false;
    for (unsigned i = 0; i < pages->used; i++) {
        if (pages->last->timer[i] != NULL)
            *first = NARU_MIN(*first, pages->last->timer[i]->at);
    }
    *looks -= pages->used;
    return true;
}

/* The same of those armed last, or a bound where they are many. */
static naru_time young_next(const struct naru_wheel *w)
{
    naru_time first = NARU_NEVER;
    if (w->young_count > NEXT_LOOKS)
        return w->young_first;
    for (struct naru_list_node *n = naru_list_first(&w->young); n != NULL;
         n = naru_list_next(&w->young, n))
        first = NARU_MIN(first, NARU_CONTAINER_OF(n, struct naru_timer, node)->at);
    return first;
}

naru_time naru_wheel_next(const struct naru_wheel *w)
{
    naru_time best = young_next(w);
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
            if ((w->inexact[level] >> slot & 1) == 0 || !slot_first(w, level, slot, &looks, &first))
                return s->first;
            best = NARU_MIN(best, first);
        }
    }
    return best;
}

/* The pages up to last, which no slot has any more. */
static void place_pages(struct naru_wheel *w, struct naru_timer_page *last)
{
    struct naru_timer_page *page = last->next, *next;
    for (bool more = true; more; page = next) {
        more = page != last;
        next = page->next;
        for (unsigned i = 0; more && i < NARU_TIMER_PAGE_TIMERS; i++)
            NARU_PREFETCH(next->timer[i]);
        for (unsigned i = 0; i < NARU_TIMER_PAGE_TIMERS; i++) {
            if (page->timer[i] != NULL)
                place(w, page->timer[i]);
        }
        naru_pool_put(w->page_pool, page);
    }
}

/* Moves the wheel to the earliest instant of that slot and sorts its timers in anew. */
static void open_slot(struct naru_wheel *w, unsigned level, unsigned slot)
{
    struct naru_wheel_pages *pages = pages_of(w, level, slot);
    struct naru_timer_page *last = pages != NULL ? pages->last : NULL;
    struct naru_list timers;
    struct naru_list_node *n;

    naru_list_init(&timers);
    naru_list_splice(&timers, &w->slot[level][slot].timers);
    if (last != NULL)
        *pages = (struct naru_wheel_pages){ 0 };
    w->at = w->slot[level][slot].first;
    slot_clear(w, level, slot);
    while ((n = naru_list_pop(&timers)) != NULL) {
        struct naru_timer *t = NARU_CONTAINER_OF(n, struct naru_timer, node);
        NARU_PREFETCH(timers.head.next);
        t->place = NARU_TIMER_AT_REST;
        if (t->at != NARU_NEVER)
            place(w, t);
    }
    if (last != NULL)
        place_pages(w, last);
}

static struct naru_timer *pop_due(struct naru_wheel *w)
{
    struct naru_list_node *n;
    while ((n = naru_list_pop(&w->due)) != NULL) {
        struct naru_timer *t = NARU_CONTAINER_OF(n, struct naru_timer, node);
        t->place = NARU_TIMER_AT_REST;
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
    if (w->young_first <= now)
        young_settle_all(w);

    for (;;) {
        struct naru_timer *t = pop_due(w);
        if (t != NULL)
            return t;
        if (w->levels_used == 0) {
            w->at = now;
            w->bound = naru_wheel_next(w);
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

/* Notes in *seen_first that a timer of the slot has its first instant. */
static bool timer_check(const struct naru_wheel *w, const struct naru_timer *t, unsigned level,
                        unsigned slot, bool *seen_first)
{
    naru_time first = w->slot[level][slot].first;
    *seen_first = *seen_first || t->at == first;
    return t->level == level && t->slot == slot && t->at >= first && t->at >= w->bound;
}

static bool page_check(const struct naru_wheel *w, const struct naru_timer_page *page,
                       unsigned level, unsigned slot, bool *seen_first)
{
    for (unsigned i = 0; i < NARU_TIMER_PAGE_TIMERS; i++) {
        const struct naru_timer *t = page->timer[i];
        if (t != NULL && (t->place != NARU_TIMER_PAGED || t->entry != &page->timer[i] ||
                          !timer_check(w, t, level, slot, seen_first)))
            return false;
    }
    return !page_empty(page) && page->next->prev == page;
}

static bool pages_check(const struct naru_wheel *w, unsigned level, unsigned slot, bool *seen_first)
{
    const struct naru_wheel_pages *pages = pages_in(w, level, slot);
    if (pages == NULL || pages->last == NULL)
        return true;
    const struct naru_timer_page *page = pages->last;
    for (unsigned i = pages->used; i < NARU_TIMER_PAGE_TIMERS; i++)
        if (page->timer[i] != NULL)
            return false;
    do {
        page = page->next;
        if (!page_check(w, page, level, slot, seen_first))
            return false;
    } while (page != pages->last);
    return pages->used > 0 && page->timer[pages->used - 1] != NULL;
}

static bool slot_check(const struct naru_wheel *w, unsigned level, unsigned slot)
{
    const struct naru_wheel_slot *s = &w->slot[level][slot];
    bool used = (w->slots_used[level] >> slot & 1) != 0;
    bool seen_first = false;

    if (used == slot_empty(w, level, slot))
        return false;
    if (!used)
        return (w->inexact[level] >> slot & 1) == 0;
    if (slot_start(w, level, slot) <= w->at || s->first < slot_start(w, level, slot))
        return false;
    for (struct naru_list_node *n = naru_list_first(&s->timers); n != NULL;
         n = naru_list_next(&s->timers, n)) {
        const struct naru_timer *t = NARU_CONTAINER_OF(n, struct naru_timer, node);
        if (t->place != NARU_TIMER_LISTED || !timer_check(w, t, level, slot, &seen_first))
            return false;
    }
    if (!pages_check(w, level, slot, &seen_first))
        return false;
    return seen_first || (w->inexact[level] >> slot & 1) != 0;
}

static bool young_check(const struct naru_wheel *w)
{
    uint32_t count = 0;
    for (struct naru_list_node *n = naru_list_first(&w->young); n != NULL;
         n = naru_list_next(&w->young, n), count++) {
        const struct naru_timer *t = NARU_CONTAINER_OF(n, struct naru_timer, node);
        if (t->place != NARU_TIMER_YOUNG || t->at < w->young_first || t->at < w->bound)
            return false;
    }
    return count == w->young_count && count <= NARU_WHEEL_YOUNG;
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
    return w->at <= w->now && young_check(w);
}
