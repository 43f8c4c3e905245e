/*
 * The embedder's allocator behind a hard limit.
 *
 * Every byte that a stack owns is asked for here and counted, so that used never exceeds max; an
 * allocation that would is refused exactly like one the embedder refuses.  Sizes are the caller's:
 * what the embedder's allocator adds is its own business.
 */
#ifndef NARU_BASE_MEM_H
#define NARU_BASE_MEM_H

#include "base/defs.h"

struct naru_mem {
    void *(*alloc)(void *user, size_t size); /* aligned to 16 bytes, not cleared, or NULL */
    void (*free)(void *user, void *ptr, size_t size);
    void *user;
    uint64_t max; /* bytes */
    uint64_t used, peak;
    uint64_t low;       /* used from which pressure is LOW: three quarters of max */
    uint64_t exhausted; /* used from which pressure is EXHAUSTED: 15 of 16 parts */
    uint64_t refused;   /* allocations that failed, by the limit or by the embedder */
};

/* How much is left; what is given up at each level is the owners' decision. */
enum naru_mem_pressure {
    NARU_MEM_NORMAL,
    NARU_MEM_LOW,       /* give back caches, take no more out-of-order data */
    NARU_MEM_EXHAUSTED, /* no new connections; what exists still gets the last bytes */
};

void naru_mem_init(struct naru_mem *m, void *(*alloc)(void *user, size_t size),
                   void (*release)(void *user, void *ptr, size_t size), void *user, uint64_t max);

/* Not cleared; NULL when refused.  size is not 0. */
NARU_MUST_USE void *naru_mem_alloc(struct naru_mem *m, size_t size);
NARU_MUST_USE void *naru_mem_alloc_zero(struct naru_mem *m, size_t size);

/* size is what was asked for; ptr may be NULL. */
void naru_mem_free(struct naru_mem *m, void *ptr, size_t size);

NARU_INLINE enum naru_mem_pressure naru_mem_pressure(const struct naru_mem *m)
{
    if (NARU_LIKELY(m->used < m->low))
        return NARU_MEM_NORMAL;
    return m->used < m->exhausted ? NARU_MEM_LOW : NARU_MEM_EXHAUSTED;
}

/*
 * May what stays be kept?  EXHAUSTED memory is for packets that pass by, above all acknowledgements
 * that free some: a queue that holds something already waits (first: it holds nothing), and the
 * last 64th part is for nobody who stays.
 */
NARU_INLINE bool naru_mem_may_hold(const struct naru_mem *m, bool first)
{
    if (NARU_LIKELY(m->used < m->exhausted))
        return true;
    return first && m->max - m->used > m->max / 64;
}

/* Bytes that may still be asked for. */
NARU_INLINE uint64_t naru_mem_left(const struct naru_mem *m) { return m->max - m->used; }

#endif
