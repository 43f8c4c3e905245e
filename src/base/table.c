/*
 * The flat hash table: robin hood order, and growth in small steps.
 *
 * A resize has two phases, both paid in pieces by the adds and removes that follow: first the new
 * slots are cleared (nothing lives there yet), then the entries move, in the order of their homes,
 * which is the order in which they stand.  It begins at a gap and goes around the old slots once.
 * moved is the home up to which everything has moved: below it an entry is looked for in the new
 * slots, from it on in the old ones.  An entry that has moved stays behind as a ghost as long as
 * its slot is not below moved, so that no search for a later home ends at a hole.  New entries with
 * a home not yet reached still go to the old slots; the pieces are large enough that the move ends
 * long before those fill up.
 */
#include "base/table.h"

#include <string.h>

#define SLOTS_MIN   8
#define SLOTS_KEPT  32 /* a table of no more does not shrink */
#define CLEAR_SLOTS 64 /* cleared by one call */
#define MOVE_SLOTS  16 /* moved by one call, and on to the next home */
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
    t->moved_from = 0;
    if (t->old.count == 0) {
        half_release(t, &t->old);
        return;
    }
    while (t->old.slot[t->moved_from].item != NULL)
        t->moved_from++;
    t->moved = t->scanned = 1; /* the gap: an entry from behind that falls into it is met last */
}

/* Every home below moved is served by the new slots; its ghosts are no longer needed. */
static void set_moved(struct naru_table *t, uint32_t moved)
{
    for (uint32_t i = t->moved; i < moved; i++)
        t->old.slot[(t->moved_from + i) & t->old.mask].item = NULL;
    t->moved = moved;
}

static void move_some(struct naru_table *t)
{
    uint32_t next_home = t->moved;

    for (uint32_t n = 0;; n++) {
        const struct naru_table_slot *s = &t->old.slot[(t->moved_from + t->scanned) & t->old.mask];
        uint32_t home = s->item == NULL ? t->scanned : (s->hash - t->moved_from) & t->old.mask;
        if (n >= MOVE_SLOTS && home >= next_home)
            break;
        t->scanned++;
        next_home = home + 1;
        if (s->item == NULL)
            continue;
        half_add(&t->now, *s);
        t->old.count--;
        if (t->old.count == 0) {
            half_release(t, &t->old);
            return;
        }
    }
    set_moved(t, next_home);
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
    if (slots < SLOTS_MAX && begin_resize(t, slots * 2)) {
        /* Late, after a refusal: the last gap must stay one, so the new slots are needed now. */
        while (t->next.slot != NULL && t->now.count + 1 >= slots)
            clear_some(t);
        return true;
    }
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

/* Begins to give memory back, or at once gives all back, where there is far too much. */
static void shrink(struct naru_table *t)
{
    uint32_t slots = half_slots(&t->now);

    if (naru_table_count(t) == 0 && slots > SLOTS_KEPT)
        naru_table_deinit(t);
    else if (t->next.slot == NULL && t->old.slot == NULL && slots > SLOTS_KEPT &&
             t->now.count < slots / 8)
        (void)begin_resize(t, slots / 2); /* without memory it just stays large */
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
    shrink(t);
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
        const struct naru_table_half *h = i < now_slots ? &t->now : &t->old;
        const struct naru_table_slot *s = &h->slot[i < now_slots ? i : i - now_slots];
        if (s->item != NULL && naru_table_half(t, s->hash) == h)
            return s->item;
    }
    return NULL;
}

/* ---- for tests ---- */

/* True if slot i of old is one where ghosts may be; their objects may be gone. */
static bool at_ghosts(const struct naru_table *t, uint32_t i)
{
    uint32_t at = (i - t->moved_from) & t->old.mask;
    return at >= t->moved && at < t->scanned;
}

static bool half_check(const struct naru_table *t, const struct naru_table_half *h)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < half_slots(h); i++) {
        const struct naru_table_slot *s = &h->slot[i], *before = &h->slot[(i - 1) & h->mask];
        uint32_t distance = (i - s->hash) & h->mask;
        if (s->item == NULL)
            continue;
        if (naru_table_half(t, s->hash) != h) {
            if (h == &t->now || !at_ghosts(t, i))
                return false;
            continue;
        }
        count++;
        if (distance > 0 &&
            (before->item == NULL || distance > ((i - 1 - before->hash) & h->mask) + 1))
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
