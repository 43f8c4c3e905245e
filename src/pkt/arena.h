/*
 * Memory of one script: taken piece by piece, given back at once.
 */
#ifndef NARU_PKT_ARENA_H
#define NARU_PKT_ARENA_H

#include "base/defs.h"

struct naru_arena {
    struct naru_arena_block *block;
};

/* Cleared, aligned to 16 bytes; never NULL (the program ends when memory does). */
void *naru_arena_take(struct naru_arena *arena, size_t size);
char *naru_arena_text(struct naru_arena *arena, const char *text, size_t len);
void naru_arena_free(struct naru_arena *arena);

#endif
