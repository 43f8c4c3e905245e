/*
 * Memory of one script; see arena.h.
 */
#include "pkt/arena.h"

#include <stdlib.h>
#include <string.h>

struct naru_arena_block {
    struct naru_arena_block *next;
    size_t size, used;
    _Alignas(16) unsigned char bytes[];
};

enum { BLOCK = 16384 };

void *naru_arena_take(struct naru_arena *arena, size_t size)
{
    size = naru_round_up(size == 0 ? 1 : size, 16);
    struct naru_arena_block *block = arena->block;
    if (block == NULL || block->size - block->used < size) {
        size_t room = NARU_MAX(size, (size_t)BLOCK);
        block = calloc(1, sizeof(*block) + room);
        if (block == NULL)
            naru_panic("out of memory", __FILE__, __LINE__);
        block->size = room;
        block->next = arena->block;
        arena->block = block;
    }
    void *at = block->bytes + block->used;
    block->used += size;
    return at;
}

char *naru_arena_text(struct naru_arena *arena, const char *text, size_t len)
{
    char *copy = naru_arena_take(arena, len + 1);
    memcpy(copy, text, len);
    return copy;
}

void naru_arena_free(struct naru_arena *arena)
{
    while (arena->block != NULL) {
        struct naru_arena_block *next = arena->block->next;
        free(arena->block);
        arena->block = next;
    }
}
