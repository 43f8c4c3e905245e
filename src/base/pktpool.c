/*
 * Where packets come from; see pktpool.h.
 *
 * A packet in a free list has size_class FREE, so that a second put is an assertion.
 */
#include "base/pktpool.h"

#include "base/mem.h"

#include <string.h>

enum { FREE = 0xff };

static const uint32_t room[NARU_PKTPOOL_CLASSES] = {
    NARU_PKT_ROOM_SMALL,
    NARU_PKT_ROOM_FRAME,
    NARU_PKT_ROOM_JUMBO,
    NARU_PKT_ROOM_SUPER,
};

static size_t class_size(unsigned size_class) { return NARU_PKT_HEAD + room[size_class]; }

void naru_pktpool_init(struct naru_pktpool *pool, struct naru_mem *mem, size_t cache_max)
{
    *pool = (struct naru_pktpool){ .mem = mem, .cache_max = cache_max };
}

void naru_pktpool_trim(struct naru_pktpool *pool)
{
    for (unsigned i = 0; i < NARU_PKTPOOL_CLASSES; i++) {
        while (pool->free[i] != NULL) {
            struct naru_pkt *pkt = pool->free[i];
            NARU_UNPOISON(pkt, class_size(i));
            pool->free[i] = pkt->next;
            pool->cached -= class_size(i);
            naru_mem_free(pool->mem, pkt, class_size(i));
        }
    }
    NARU_ASSERT(pool->cached == 0);
}

void naru_pktpool_deinit(struct naru_pktpool *pool)
{
    NARU_ASSERT(pool->outstanding == 0);
    naru_pktpool_trim(pool);
}

/* From the allocator; our own free lists are the first to go when it refuses.  What is set here
 * stays as it is for the packet's life, also in the free list. */
static NARU_NOINLINE struct naru_pkt *get_slow(struct naru_pktpool *pool, unsigned size_class)
{
    struct naru_pkt *pkt = naru_mem_alloc(pool->mem, class_size(size_class));
    if (pkt == NULL && pool->cached > 0) {
        naru_pktpool_trim(pool);
        pkt = naru_mem_alloc(pool->mem, class_size(size_class));
    }
    if (pkt == NULL)
        return NULL;
    pkt->capacity = room[size_class];
    pkt->pool = pool;
    return pkt;
}

void naru_pktpool_clear(struct naru_pkt *pkt, size_t headroom)
{
    pkt->data = naru_pkt_buffer(pkt) + headroom;
    pkt->len = 0;
    pkt->offload = (struct naru_offload){ 0 };
    pkt->next = NULL;
    pkt->seq = 0;
    pkt->flags = 0;
    pkt->ifindex = 0;
    pkt->tos = pkt->hop_limit = 0;
}

static struct naru_pkt *lend(struct naru_pktpool *pool, struct naru_pkt *pkt, unsigned size_class,
                             size_t headroom)
{
    pool->outstanding += class_size(size_class);
    pkt->size_class = (uint8_t)size_class;
    naru_pktpool_clear(pkt, headroom);
    return pkt;
}

/* pkt is the first of its free list. */
static struct naru_pkt *take(struct naru_pktpool *pool, struct naru_pkt *pkt, unsigned size_class,
                             size_t headroom)
{
    size_t size = class_size(size_class);
    NARU_UNPOISON(pkt, size);
    pool->free[size_class] = pkt->next;
    pool->cached -= size;
    return lend(pool, pkt, size_class, headroom);
}

/* Of any size, or where the free list is empty. */
static NARU_NOINLINE struct naru_pkt *get_any(struct naru_pktpool *pool, size_t headroom,
                                              size_t capacity)
{
    unsigned size_class = 0;
    if (capacity > NARU_PKT_ROOM_SUPER || headroom > NARU_PKT_ROOM_SUPER - capacity)
        return NULL;
    while (headroom + capacity > room[size_class])
        size_class++;
    if (pool->free[size_class] != NULL)
        return take(pool, pool->free[size_class], size_class, headroom);

    struct naru_pkt *pkt = get_slow(pool, size_class);
    return pkt != NULL ? lend(pool, pkt, size_class, headroom) : NULL;
}

struct naru_pkt *naru_pktpool_get(struct naru_pktpool *pool, size_t headroom, size_t capacity)
{
    size_t need = headroom + capacity;
    unsigned size_class = need > NARU_PKT_ROOM_SMALL;
    struct naru_pkt *pkt = pool->free[size_class];
    if (NARU_UNLIKELY(need > NARU_PKT_ROOM_FRAME || need < capacity || pkt == NULL))
        return get_any(pool, headroom, capacity);
    return take(pool, pkt, size_class, headroom);
}

void naru_pktpool_put(struct naru_pkt *pkt)
{
    if (pkt == NULL)
        return;
    struct naru_pktpool *pool = pkt->pool;
    unsigned size_class = pkt->size_class;
    NARU_ASSERT(size_class < NARU_PKTPOOL_CLASSES);
    size_t size = class_size(size_class);
    NARU_ASSERT(pool->outstanding >= size);

    pool->outstanding -= size;
    pkt->size_class = FREE;
    if (NARU_UNLIKELY(pool->cached + size > pool->cache_max ||
                      naru_mem_pressure(pool->mem) != NARU_MEM_NORMAL)) {
        naru_mem_free(pool->mem, pkt, size);
        return;
    }
    pkt->next = pool->free[size_class];
    pool->free[size_class] = pkt;
    pool->cached += size;
    NARU_POISON(pkt, size);
}

void naru_pkt_free(struct naru_pkt *pkt) { naru_pktpool_put(pkt); }

unsigned naru_pktpool_put_chain(struct naru_pkt *pkt)
{
    unsigned count = 0;
    while (pkt != NULL) {
        struct naru_pkt *next = pkt->next;
        naru_pktpool_put(pkt);
        pkt = next;
        count++;
    }
    return count;
}

static NARU_NOINLINE struct naru_pkt *fit_slow(struct naru_pkt *pkt)
{
    struct naru_pkt *copy = naru_pktpool_get(pkt->pool, 0, pkt->len);
    if (copy == NULL)
        return pkt;
    if (copy->capacity >= pkt->capacity) {
        naru_pktpool_put(copy);
        return pkt;
    }
    memcpy(copy->data, pkt->data, pkt->len);
    copy->len = pkt->len;
    copy->offload = pkt->offload;
    copy->seq = pkt->seq;
    copy->flags = pkt->flags;
    copy->ifindex = pkt->ifindex;
    copy->tos = pkt->tos;
    copy->hop_limit = pkt->hop_limit;
    copy->meta = pkt->meta;
    naru_pktpool_put(pkt);
    return copy;
}

struct naru_pkt *naru_pktpool_fit(struct naru_pkt *pkt)
{
    if (NARU_LIKELY(pkt->capacity <= NARU_PKT_ROOM_SMALL || pkt->len > pkt->capacity / 2))
        return pkt;
    return fit_slow(pkt);
}

size_t naru_pkt_truesize(const struct naru_pkt *pkt) { return NARU_PKT_HEAD + pkt->capacity; }
