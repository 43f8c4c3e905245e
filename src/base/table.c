/*
 * The flat hash table: robin hood order, and growth in small steps.
 *
 * A resize has two phases, both paid in pieces by the adds and removes that follow: first the new
 * slots are cleared (nothing lives there yet), then the entries move.  Moving begins at a gap and
 * goes around the old slots once, stopping only behind a gap: no entry whose home is behind stands
 * ahead, so the home alone decides where to look.  New entries with a home not yet reached still go
 * to the old slots; the pieces are large enough that the move ends long before those fill up.
 */
#include "base/table.h"

#include <string.h>

#define SLOTS_MIN   8
#define CLEAR_SLOTS 64 /* cleared by one call */
#define MOVE_SLOTS  16 /* moved by one call, and on to the next gap */
#define SLOTS_MAX   (1U << 31)

void naru_table_init(struct naru_table *t, struct naru_mem *mem, uint32_t count_max)
{
    *t = (struct naru_table){
        .count_max = count_max == 0 ? UINT32_MAX : count_max,
        .mem = mem,
    };
}

static uint32_t half_slots(const struct naru_table_half *h)
{
    return h->slot == NULL ? 0 : h->mask + 1;
}

static void half_release(struct naru_table *t, struct naru_table_half *h)
{
    naru_mem_free(t->mem, h->slot, (size_t)half_slots(h) * sizeof(*h->slot));
    *h = (struct naru_table_half){ .slot = NULL };
}

void naru_table_deinit(struct naru_table *t)
{
    half_release(t, &t->now);
    half_release(t, &t->old);
    half_release(t, &t->next);
}

static void half_add(struct naru_table_half *h, struct naru_table_slot entry)
{
    uint32_t at = entry.hash & h->mask;
    uint32_t distance = 0;

    while (h->slot[at].item != NULL) {
        uint32_t there = (at - h->slot[at].hash) & h->mask;
        if (there < distance) {
            struct naru_table_slot swap = h->slot[at];
            h->slot[at] = entry;
            entry = swap;
            distance = there;
        }
        at = (at + 1) & h->mask;
        distance++;
    }
    h->slot[at] = entry;
    h->count++;
}

/* Empties the slot by moving the followers that are not at home one back. */
static void half_remove(struct naru_table_half *h, uint32_t at)
{
    for (;;) {
        uint32_t next = (at + 1) & h->mask;
        const struct naru_table_slot *s = &h->slot[next];
        if (s->item == NULL || ((next - s->hash) & h->mask) == 0)
            break;
        h->slot[at] = *s;
        at = next;
    }
    h->slot[at] = (struct naru_table_slot){ .item = NULL };
    h->count--;
}

static struct naru_table_slot *half_find(const struct naru_table_half *h, uint32_t hash,
                                         const void *item)
{
    if (h->slot == NULL)
        return NULL;
    for (uint32_t at = hash & h->mask, distance = 0;; at = (at + 1) & h->mask, distance++) {
        struct naru_table_slot *s = &h->slot[at];
        if (s->item == NULL || ((at - s->hash) & h->mask) < distance)
            return NULL;
        if (s->hash == hash && s->item == item)
            return s;
    }
}

/* ---- resizing ---- */

static bool begin_resize(struct naru_table *t, uint32_t slots)
{
    NARU_ASSERT(t->next.slot == NULL && t->old.slot == NULL);
    t->next.slot = naru_mem_alloc(t->mem, (size_t)slots * sizeof(*t->next.slot));
    if (t->next.slot == NULL)
        return false;
    t->next.mask = slots - 1;
    t->next.count = 0;
    t->cleared = 0;
    return true;
}

static void clear_some(struct naru_table *t)
{
    uint32_t slots = half_slots(&t->next);
    uint32_t part = NARU_MIN(slots - t->cleared, (uint32_t)CLEAR_SLOTS);
    memset(&t->next.slot[t->cleared], 0, part * sizeof(*t->next.slot));
    t->cleared += part;
    if (t->cleared < slots)
        return;

    t->old = t->now;
    t->now = t->next;
    t->next = (struct naru_table_half){ .slot = NULL };
    t->moved = 0;
    t->moved_from = 0;
    if (t->old.count == 0) {
        half_release(t, &t->old);
        return;
    }
    while (t->old.slot[t->moved_from].item != NULL)
        t->moved_from++;
    t->moved = 1; /* the gap itself: an entry from behind that falls into it is met at the end */
}

static void move_some(struct naru_table *t)
{
    uint32_t budget = MOVE_SLOTS;

    for (;;) {
        struct naru_table_slot *s = &t->old.slot[(t->moved_from + t->moved) & t->old.mask];
        bool gap = s->item == NULL;
        if (!gap) {
            half_add(&t->now, *s);
            s->item = NULL;
            t->old.count--;
        }
        t->moved++;
        if (budget > 0)
            budget--;
        if (t->old.count == 0) {
            half_release(t, &t->old);
            return;
        }
        if (gap && budget == 0)
            return;
    }
}

/* What one call pays towards a resize that is under way. */
static void resize_some(struct naru_table *t)
{
    if (t->next.slot != NULL)
        clear_some(t);
    else if (t->old.slot != NULL)
        move_some(t);
}

static bool make_room(struct naru_table *t)
{
    uint32_t slots = half_slots(&t->now);

    if (NARU_UNLIKELY(slots == 0)) {
        if (!begin_resize(t, SLOTS_MIN))
            return false;
        clear_some(t);
        return true;
    }
    if (t->next.slot != NULL || t->old.slot != NULL)
        return naru_table_count(t) < slots - slots / 8;
    if (t->now.count < slots - slots / 4)
        return true;
    if (slots < SLOTS_MAX && begin_resize(t, slots * 2))
        return true;
    return t->now.count < slots - slots / 8; /* no memory: fuller, and slower, for a while */
}

bool naru_table_add(struct naru_table *t, uint32_t hash, void *item)
{
    NARU_ASSERT(item != NULL);
    if (naru_table_count(t) >= t->count_max)
        return false;
    resize_some(t);
    if (!make_room(t))
        return false;

    struct naru_table_half *half = naru_table_half(t, hash) == &t->old ? &t->old : &t->now;
    half_add(half, (struct naru_table_slot){ .item = item, .hash = hash });
    return true;
}

bool naru_table_remove(struct naru_table *t, uint32_t hash, const void *item)
{
    struct naru_table_half *half = naru_table_half(t, hash) == &t->old ? &t->old : &t->now;
    const struct naru_table_slot *s = half_find(half, hash, item);
    if (s == NULL)
        return false;
    half_remove(half, (uint32_t)(s - half->slot));
    if (t->old.slot != NULL && t->old.count == 0)
        half_release(t, &t->old);

    resize_some(t);
    uint32_t slots = half_slots(&t->now);
    if (t->next.slot == NULL && t->old.slot == NULL && slots > SLOTS_MIN &&
        t->now.count < slots / 8)
        (void)begin_resize(t, slots / 2); /* without memory it just stays large */
    return true;
}

bool naru_table_replace(struct naru_table *t, uint32_t hash, const void *from, void *to)
{
    NARU_ASSERT(to != NULL);
    struct naru_table_slot *s = half_find(naru_table_half(t, hash), hash, from);
    if (s == NULL)
        return false;
    s->item = to;
    return true;
}

void *naru_table_walk(const struct naru_table *t, uint64_t *cursor)
{
    uint64_t now_slots = half_slots(&t->now);
    uint64_t all = now_slots + half_slots(&t->old);

    while (*cursor < all) {
        uint64_t i = (*cursor)++;
        void *item = i < now_slots ? t->now.slot[i].item : t->old.slot[i - now_slots].item;
        if (item != NULL)
            return item;
    }
    return NULL;
}

/* ---- for tests ---- */

static bool half_check(const struct naru_table *t, const struct naru_table_half *h)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < half_slots(h); i++) {
        const struct naru_table_slot *s = &h->slot[i], *after = &h->slot[(i + 1) & h->mask];
        uint32_t distance = (i - s->hash) & h->mask;
        uint32_t after_distance = (i + 1 - after->hash) & h->mask;
        if (after->item != NULL && after_distance > (s->item == NULL ? 0 : distance + 1))
            return false;
        if (s->item == NULL)
            continue;
        count++;
        if (naru_table_half(t, s->hash) != h)
            return false;
    }
    return count == h->count;
}

bool naru_table_check(const struct naru_table *t)
{
    if (t->next.slot != NULL && t->old.slot != NULL)
        return false;
    return half_check(t, &t->now) && half_check(t, &t->old);
}
