/*
 * The embedder's allocator behind a hard limit: the accounting.
 */
#include "base/mem.h"

#include <string.h>

void naru_mem_init(struct naru_mem *m, void *(*alloc)(void *user, size_t size),
                   void (*release)(void *user, void *ptr, size_t size), void *user, uint64_t max)
{
    *m = (struct naru_mem){
        .alloc = alloc,
        .free = release,
        .user = user,
        .max = max,
        .low = max - max / 4,
        .exhausted = max - max / 16,
    };
}

NARU_NOINLINE void *naru_mem_alloc(struct naru_mem *m, size_t size)
{
    void *ptr = NULL;

    NARU_ASSERT(size != 0);
    if (size <= m->max - m->used)
        ptr = m->alloc(m->user, size);
    if (ptr == NULL) {
        m->refused++;
        return NULL;
    }
    m->used += size;
    if (m->used > m->peak)
        m->peak = m->used;
    return ptr;
}

void *naru_mem_alloc_zero(struct naru_mem *m, size_t size)
{
    void *ptr = naru_mem_alloc(m, size);
    if (ptr != NULL)
        memset(ptr, 0, size);
    return ptr;
}

NARU_NOINLINE void naru_mem_free(struct naru_mem *m, void *ptr, size_t size)
{
    if (ptr == NULL)
        return;
    NARU_ASSERT(size <= m->used);
    m->used -= size;
    m->free(m->user, ptr, size);
}
