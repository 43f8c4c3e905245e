/*
 * Blocks of bytes: what a send buffer is made of.
 *
 * A block has one owner, no reference count, and is one piece of memory: struct naru_block and then
 * its bytes.  Same economy as packets (base/pktpool.h): a few size classes, bounded free lists, one
 * budget.
 */
#ifndef NARU_BASE_BLOCK_H
#define NARU_BASE_BLOCK_H

#include <stddef.h>
#include <stdint.h>

struct naru_mem;

enum { NARU_BLOCK_CLASSES = 3 };

/* Bytes of payload in a block of each class: with the struct in front 512 B, 4 KB and 32 KB. */
#define NARU_BLOCK_ROOM_SMALL  (512u - NARU_BLOCK_HEAD)
#define NARU_BLOCK_ROOM_MEDIUM (4096u - NARU_BLOCK_HEAD)
#define NARU_BLOCK_ROOM_LARGE  (32768u - NARU_BLOCK_HEAD)
#define NARU_BLOCK_HEAD        32u

/* next, seq, start and end are the owner's: zero (NULL) when new. */
struct naru_block {
    struct naru_block *next;
    uint32_t seq;      /* TCP: sequence number of byte start */
    uint32_t start;    /* first byte in use */
    uint32_t end;      /* one beyond the last byte in use */
    uint32_t capacity; /* bytes in all */
    uint32_t size_class;
    uint32_t reserved;
};

struct naru_blockpool {
    struct naru_mem *mem;
    struct naru_block *free[NARU_BLOCK_CLASSES];
    size_t cached, cache_max, outstanding; /* bytes, as in struct naru_pktpool */
};

void naru_blockpool_init(struct naru_blockpool *pool, struct naru_mem *mem, size_t cache_max);
void naru_blockpool_deinit(struct naru_blockpool *pool);
void naru_blockpool_trim(struct naru_blockpool *pool);

/*
 * The smallest class with room for len bytes, the largest if there is none: the capacity may be
 * less than len.  NULL when allocator or budget are exhausted.
 */
struct naru_block *naru_block_get(struct naru_blockpool *pool, size_t len);

/* NULL is allowed. */
void naru_block_put(struct naru_blockpool *pool, struct naru_block *block);

static inline uint8_t *naru_block_data(struct naru_block *block) { return (uint8_t *)(block + 1); }

static inline size_t naru_block_truesize(const struct naru_block *block)
{
    return (size_t)block->capacity + NARU_BLOCK_HEAD;
}

#endif
