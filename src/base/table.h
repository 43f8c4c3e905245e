/*
 * A flat hash table of pointers: open addressing, robin hood, no tombstones.
 *
 * Why: a lookup must cost one or two cache lines whether there are ten flows or a million.  A slot
 * holds the hash beside the pointer, so that only an object whose hash matches is touched; entries
 * are kept in order of their distance from home, so that a miss ends early; removal shifts the
 * followers back.
 *
 * Growth is spread out: a full table (three quarters) gets a second one of twice the size, and each
 * later add or remove clears or moves a handful of slots, in the order of their homes.  So the home
 * alone tells in which of the two an entry is, and a lookup never has to try both.
 * The table shrinks the same way when it is less than an eighth full.
 *
 * Hashes must come out of a good (keyed) function: the low bits are the home.  Entries may have the
 * same hash, and the same key too if the caller wants that.  Looking up:
 *
 *     struct naru_table_iter it;
 *     for (struct flow *f = naru_table_first(&t, hash, &it); f != NULL; f = naru_table_next(&it))
 *         if (same(f, key))
 *             return f;
 *
 * No call may change the table between first and the last next.
 */
#ifndef NARU_BASE_TABLE_H
#define NARU_BASE_TABLE_H

#include "base/mem.h"

struct naru_table_slot {
    void *item; /* NULL: free */
    uint32_t hash;
};

struct naru_table_half {
    struct naru_table_slot *slot; /* NULL: no slots at all */
    uint32_t mask;                /* slots - 1, a power of two minus one */
    uint32_t count;
};

struct naru_table {
    struct naru_table_half now;  /* where entries are added ... */
    struct naru_table_half old;  /* ... and, while moving, where the rest still is */
    struct naru_table_half next; /* while clearing: the slots that moving will fill */
    uint32_t cleared;            /* next: slots that are clear */
    uint32_t moved_from;         /* old: the gap where moving began */
    uint32_t moved;              /* old: homes from there on that are served by now */
    uint32_t scanned;            /* old: slots from there on whose entries have moved */
    uint32_t count_max;
    struct naru_mem *mem;
};

/* At most count_max entries, 0 for no limit but memory.  Allocates nothing yet. */
void naru_table_init(struct naru_table *t, struct naru_mem *mem, uint32_t count_max);

/* Gives the slots back, and is empty again; what the entries point to is the caller's. */
void naru_table_deinit(struct naru_table *t);

/* False, and nothing changed: count_max is reached, or there is no memory.  item is not NULL. */
NARU_MUST_USE bool naru_table_add(struct naru_table *t, uint32_t hash, void *item);

/* Takes out the entry with that hash and pointer; false if there is none. */
bool naru_table_remove(struct naru_table *t, uint32_t hash, const void *item);

/* Points the entry (hash, from) to to instead; false if there is none. */
bool naru_table_replace(struct naru_table *t, uint32_t hash, const void *from, void *to);

NARU_INLINE uint32_t naru_table_count(const struct naru_table *t)
{
    return t->now.count + t->old.count;
}

/* The half in which an entry of that hash is, if it is at all. */
NARU_INLINE const struct naru_table_half *naru_table_half(const struct naru_table *t, uint32_t hash)
{
    if (NARU_UNLIKELY(t->old.slot != NULL) && ((hash - t->moved_from) & t->old.mask) >= t->moved)
        return &t->old;
    return &t->now;
}

struct naru_table_iter {
    const struct naru_table_slot *slot;
    uint32_t mask, hash, at, distance;
};

/* The next item with that hash, or NULL at the end. */
NARU_INLINE void *naru_table_next(struct naru_table_iter *it)
{
    for (;; it->distance++) {
        const struct naru_table_slot *s = &it->slot[it->at];
        uint32_t home_distance = (it->at - s->hash) & it->mask;
        if (s->item == NULL || home_distance < it->distance)
            return NULL;
        it->at = (it->at + 1) & it->mask;
        if (s->hash == it->hash) {
            it->distance++;
            return s->item;
        }
    }
}

/* The first item with that hash, or NULL. */
NARU_INLINE void *naru_table_first(const struct naru_table *t, uint32_t hash,
                                   struct naru_table_iter *it)
{
    const struct naru_table_half *half = naru_table_half(t, hash);
    if (NARU_UNLIKELY(half->slot == NULL))
        return NULL;
    it->slot = half->slot;
    it->mask = half->mask;
    it->hash = hash;
    it->at = hash & half->mask;
    it->distance = 0;
    return naru_table_next(it);
}

/* Asks for the cache line of a lookup to come. */
NARU_INLINE void naru_table_prefetch(const struct naru_table *t, uint32_t hash)
{
    const struct naru_table_half *half = naru_table_half(t, hash);
    if (NARU_LIKELY(half->slot != NULL))
        NARU_PREFETCH(&half->slot[hash & half->mask]);
}

/*
 * Every item once, in no particular (but a repeatable) order: *cursor begins at 0; NULL at the end.
 * Entries that are added or removed on the way may make others appear twice or never; to empty a
 * table, begin again at 0 after each removal or free the objects and then the table.
 */
void *naru_table_walk(const struct naru_table *t, uint64_t *cursor);

/* True if every invariant holds; for tests, costs a pass over everything. */
bool naru_table_check(const struct naru_table *t);

#endif
