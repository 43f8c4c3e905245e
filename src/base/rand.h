/*
 * All the randomness of a stack: ChaCha20 (RFC 8439 2.3) in counter mode from one 32-byte seed.
 *
 * The same seed and the same calls give the same numbers on every machine.  Without the seed the
 * next number cannot be told from those before; that is what initial sequence numbers, ports and
 * hash keys need.  Not done: reseeding, and erasing the past (whoever reads the state knows both
 * directions).
 */
#ifndef NARU_BASE_RAND_H
#define NARU_BASE_RAND_H

#include "base/defs.h"

struct naru_rand {
    uint32_t key[8];
    uint64_t counter; /* of 64-byte blocks made */
    uint64_t stream;  /* the nonce: independent generators of one seed */
    uint32_t used;    /* bytes of block already given away */
    uint8_t block[64];
};

void naru_rand_init(struct naru_rand *r, const uint8_t seed[32], uint64_t stream);

/* For tests and tools: a generator of a number. */
void naru_rand_init_u64(struct naru_rand *r, uint64_t seed);

void naru_rand_fill(struct naru_rand *r, void *at, size_t len);
uint32_t naru_rand_u32(struct naru_rand *r);
uint64_t naru_rand_u64(struct naru_rand *r);

/* Uniform in 0..n-1; n is not 0. */
uint32_t naru_rand_below(struct naru_rand *r, uint32_t n);

/* Uniform in lo..hi, both included; lo <= hi. */
uint32_t naru_rand_between(struct naru_rand *r, uint32_t lo, uint32_t hi);

#endif
