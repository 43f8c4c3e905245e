/*
 * SipHash (Aumasson, Bernstein 2012): a keyed hash that a peer who does not know the key cannot
 * steer.
 *
 * Two strengths.  naru_siphash* is SipHash-2-4, for what must stay unpredictable: initial sequence
 * numbers (RFC 6528), port offsets (RFC 6056), SYN cookies.  naru_hash_* is SipHash-1-3, for places
 * in a table.  The result of both depends on the bytes alone, not on the machine.
 */
#ifndef NARU_BASE_SIPHASH_H
#define NARU_BASE_SIPHASH_H

#include "base/bytes.h"
#include <naru/types.h>

struct naru_siphash_key {
    uint64_t k[2];
};

struct naru_rand;

/* A fresh key of the generator. */
void naru_siphash_key_init(struct naru_siphash_key *key, struct naru_rand *rand);

uint64_t naru_siphash(const struct naru_siphash_key *key, const void *data, size_t len);
uint64_t naru_hash_bytes(const struct naru_siphash_key *key, const void *data, size_t len);

/* One flow: two addresses, two ports, and whatever else tells flows apart (protocol, VRF). */
struct naru_hash_tuple {
    const struct naru_addr *local, *remote;
    uint16_t local_port, remote_port;
    uint32_t extra;
};

/* ---- the inline SipHash of whole 64-bit words ---- */

struct naru_sip {
    uint64_t v[4];
};

NARU_INLINE uint64_t naru_sip_rotl(uint64_t x, unsigned n) { return x << n | x >> (64 - n); }

NARU_INLINE void naru_sip_round(struct naru_sip *s)
{
    s->v[0] += s->v[1];
    s->v[2] += s->v[3];
    s->v[1] = naru_sip_rotl(s->v[1], 13) ^ s->v[0];
    s->v[3] = naru_sip_rotl(s->v[3], 16) ^ s->v[2];
    s->v[0] = naru_sip_rotl(s->v[0], 32);
    s->v[2] += s->v[1];
    s->v[0] += s->v[3];
    s->v[1] = naru_sip_rotl(s->v[1], 17) ^ s->v[2];
    s->v[3] = naru_sip_rotl(s->v[3], 21) ^ s->v[0];
    s->v[2] = naru_sip_rotl(s->v[2], 32);
}

NARU_INLINE struct naru_sip naru_sip_begin(const struct naru_siphash_key *key)
{
    return (struct naru_sip){ .v = {
                                  key->k[0] ^ 0x736f6d6570736575U,
                                  key->k[1] ^ 0x646f72616e646f6dU,
                                  key->k[0] ^ 0x6c7967656e657261U,
                                  key->k[1] ^ 0x7465646279746573U,
                              } };
}

NARU_INLINE void naru_sip_word(struct naru_sip *s, uint64_t m, unsigned rounds)
{
    s->v[3] ^= m;
    for (unsigned i = 0; i < rounds; i++)
        naru_sip_round(s);
    s->v[0] ^= m;
}

NARU_INLINE uint64_t naru_sip_end(struct naru_sip *s, unsigned rounds)
{
    s->v[2] ^= 0xff;
    for (unsigned i = 0; i < rounds; i++)
        naru_sip_round(s);
    return s->v[0] ^ s->v[1] ^ s->v[2] ^ s->v[3];
}

/*
 * A flow.  Two IPv4 addresses take one word instead of four: the hash of a tuple is its own
 * function, not SipHash of some byte string.
 */
NARU_INLINE uint64_t naru_sip_flow(const struct naru_siphash_key *key,
                                   const struct naru_hash_tuple *t, unsigned rounds,
                                   unsigned end_rounds)
{
    const uint8_t *a = t->local->b, *b = t->remote->b;
    uint64_t ports = (uint64_t)t->local_port << 48 | (uint64_t)t->remote_port << 32 | t->extra;
    uint64_t a_hi = naru_get64(a), b_hi = naru_get64(b);
    uint64_t a_lo = naru_get64(a + 8), b_lo = naru_get64(b + 8);
    struct naru_sip s = naru_sip_begin(key);

    if ((a_hi | b_hi) == 0 && a_lo >> 32 == 0xffff && b_lo >> 32 == 0xffff) {
        naru_sip_word(&s, a_lo << 32 | (b_lo & 0xffffffffU), rounds);
    } else {
        naru_sip_word(&s, a_hi, rounds);
        naru_sip_word(&s, a_lo, rounds);
        naru_sip_word(&s, b_hi, rounds);
        naru_sip_word(&s, b_lo, rounds);
    }
    naru_sip_word(&s, ports, rounds);
    return naru_sip_end(&s, end_rounds);
}

/* What must stay unpredictable of a flow: 64 bits, each half good by itself. */
uint64_t naru_siphash_flow(const struct naru_siphash_key *key, const struct naru_hash_tuple *t);

/* The place of a flow in a table: of 64 bits, or of 32. */
NARU_INLINE uint64_t naru_hash_flow64(const struct naru_siphash_key *key,
                                      const struct naru_hash_tuple *t)
{
    return naru_sip_flow(key, t, 1, 3);
}

NARU_INLINE uint32_t naru_hash_flow(const struct naru_siphash_key *key,
                                    const struct naru_hash_tuple *t)
{
    uint64_t h = naru_hash_flow64(key, t);
    return (uint32_t)(h ^ h >> 32);
}

/* The place of one address and a number (a neighbour, a path MTU, a bound port). */
NARU_INLINE uint32_t naru_hash_addr(const struct naru_siphash_key *key, const struct naru_addr *a,
                                    uint64_t extra)
{
    struct naru_sip s = naru_sip_begin(key);
    naru_sip_word(&s, naru_get64(a->b), 1);
    naru_sip_word(&s, naru_get64(a->b + 8), 1);
    naru_sip_word(&s, extra, 1);
    uint64_t h = naru_sip_end(&s, 3);
    return (uint32_t)(h ^ h >> 32);
}

/* The place of one number. */
NARU_INLINE uint32_t naru_hash_u64(const struct naru_siphash_key *key, uint64_t n)
{
    struct naru_sip s = naru_sip_begin(key);
    naru_sip_word(&s, n, 1);
    uint64_t h = naru_sip_end(&s, 3);
    return (uint32_t)(h ^ h >> 32);
}

#endif
