/*
 * Blocks of bytes; see block.h.  A block in a free list has size_class FREE.
 */
#include "base/block.h"

#include "base/mem.h"

enum { FREE = 0xff };

static const uint32_t room[NARU_BLOCK_CLASSES] = {
    NARU_BLOCK_ROOM_SMALL,
    NARU_BLOCK_ROOM_MEDIUM,
    NARU_BLOCK_ROOM_LARGE,
};

_Static_assert(sizeof(struct naru_block) == NARU_BLOCK_HEAD, "the bytes begin behind the struct");

static size_t class_size(unsigned size_class) { return NARU_BLOCK_HEAD + room[size_class]; }

void naru_blockpool_init(struct naru_blockpool *pool, struct naru_mem *mem, size_t cache_max)
{
    *pool = (struct naru_blockpool){ .mem = mem, .cache_max = cache_max };
}

void naru_blockpool_trim(struct naru_blockpool *pool)
{
    for (unsigned i = 0; i < NARU_BLOCK_CLASSES; i++) {
        while (pool->free[i] != NULL) {
            struct naru_block *block = pool->free[i];
            NARU_UNPOISON(block, class_size(i));
            pool->free[i] = block->next;
            pool->cached -= class_size(i);
            naru_mem_free(pool->mem, block, class_size(i));
        }
    }
    NARU_ASSERT(pool->cached == 0);
}

void naru_blockpool_deinit(struct naru_blockpool *pool)
{
    NARU_ASSERT(pool->outstanding == 0);
    naru_blockpool_trim(pool);
}

static NARU_NOINLINE struct naru_block *get_slow(struct naru_blockpool *pool, unsigned size_class)
{
    struct naru_block *block = naru_mem_alloc(pool->mem, class_size(size_class));
    if (block == NULL && pool->cached > 0) {
        naru_blockpool_trim(pool);
        block = naru_mem_alloc(pool->mem, class_size(size_class));
    }
    return block;
}

struct naru_block *naru_block_get(struct naru_blockpool *pool, size_t len)
{
    unsigned size_class = 0;
    while (size_class < NARU_BLOCK_CLASSES - 1 && len > room[size_class])
        size_class++;

    struct naru_block *block = pool->free[size_class];
    if (NARU_LIKELY(block != NULL)) {
        NARU_UNPOISON(block, class_size(size_class));
        pool->free[size_class] = block->next;
        pool->cached -= class_size(size_class);
    } else {
        block = get_slow(pool, size_class);
        if (block == NULL)
            return NULL;
    }
    pool->outstanding += class_size(size_class);
    *block = (struct naru_block){ .capacity = room[size_class], .size_class = size_class };
    return block;
}

void naru_block_put(struct naru_blockpool *pool, struct naru_block *block)
{
    if (block == NULL)
        return;
    unsigned size_class = block->size_class;
    NARU_ASSERT(size_class < NARU_BLOCK_CLASSES);
    size_t size = class_size(size_class);
    NARU_ASSERT(pool->outstanding >= size);

    pool->outstanding -= size;
    block->size_class = FREE;
    if (NARU_UNLIKELY(pool->cached + size > pool->cache_max ||
                      naru_mem_pressure(pool->mem) != NARU_MEM_NORMAL)) {
        naru_mem_free(pool->mem, block, size);
        return;
    }
    block->next = pool->free[size_class];
    pool->free[size_class] = block;
    pool->cached += size;
    NARU_POISON(block, size);
}
