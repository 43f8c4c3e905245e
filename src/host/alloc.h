/*
 * What a stack needs from a POSIX host at birth: memory and a secret.
 */
#ifndef NARU_HOST_ALLOC_H
#define NARU_HOST_ALLOC_H

#include <naru/stack.h>

/* malloc and free. */
struct naru_alloc naru_alloc_malloc(void);

/* Random bytes from the kernel; 0, or a negative errno. */
int naru_random_fill(void *at, size_t len);

/* 32 bytes from one number, for runs that are to be repeated (--seed).  Not a secret. */
void naru_seed_from_number(uint64_t number, uint8_t seed[32]);

#endif
