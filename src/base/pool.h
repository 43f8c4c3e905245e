/*
 * Objects of one size, by the million: no header on any object, O(1) get and put.
 *
 * Objects come in slabs from struct naru_mem.  The first slab is small and each next one larger, up
 * to 64 KB, so that a pool of three objects stays cheap.  A free object holds the link of the free
 * list in its own first bytes; the one put back last comes out first, while it is still in cache.
 * Memory goes back to struct naru_mem at deinit, and by naru_pool_trim for slabs that have become
 * empty: put alone never gives any back, since knowing an object's slab at once would cost a
 * header.
 */
#ifndef NARU_BASE_POOL_H
#define NARU_BASE_POOL_H

#include "base/mem.h"

struct naru_pool_slab;

struct naru_pool {
    void *free_first; /* objects put back */
    uint8_t *fresh;   /* objects of the newest slab that never were out */
    uint8_t *fresh_end;
    uint32_t object_size; /* rounded up */
    uint32_t align;
    uint32_t count; /* objects out */
    uint32_t count_max;
    uint32_t count_peak;
    struct naru_mem *mem;
    struct naru_pool_slab *slabs; /* in order of address */
    uint32_t slab_count, slab_room;
    uint64_t slab_bytes;
};

/*
 * Objects of size bytes, aligned to align (a power of two up to 64; objects that are 16-byte
 * aligned pack tighter than cache lines do).  At most count_max of them, 0 for no limit.  Allocates
 * nothing yet.
 */
void naru_pool_init(struct naru_pool *p, struct naru_mem *mem, size_t size, size_t align,
                    uint32_t count_max);

/* Gives all slabs back, also those of objects that are still out. */
void naru_pool_deinit(struct naru_pool *p);

/* A new slab: the slow half of get. */
NARU_MUST_USE void *naru_pool_get_slow(struct naru_pool *p);

/* Not cleared.  NULL: the limit is reached, or there is no memory. */
NARU_MUST_USE NARU_INLINE void *naru_pool_get(struct naru_pool *p)
{
    void *obj = p->free_first;
    if (NARU_UNLIKELY(obj == NULL))
        return naru_pool_get_slow(p);
    if (NARU_UNLIKELY(p->count >= p->count_max))
        return NULL;
    NARU_UNPOISON(obj, p->object_size);
    p->free_first = *(void **)obj;
    if (++p->count > p->count_peak)
        p->count_peak = p->count;
    return obj;
}

/* Takes obj, which came from this pool. */
NARU_INLINE void naru_pool_put(struct naru_pool *p, void *obj)
{
    NARU_ASSERT(p->count > 0);
    p->count--;
    *(void **)obj = p->free_first;
    p->free_first = obj;
    NARU_POISON(obj, p->object_size);
}

/*
 * Gives empty slabs back and returns the bytes.  Costs about 100 ns for each object that is free
 * (nothing much when no object is out), so it is for moments of memory pressure and of rest.
 */
size_t naru_pool_trim(struct naru_pool *p);

#endif
