/*
 * ChaCha20 (RFC 8439 2.3) as a generator: block after block of its key stream.
 *
 * The 128 bits after the key are a 64-bit block counter and a 64-bit stream number, where RFC 8439
 * has 32 and 96; the function is the same.
 */
#include "base/rand.h"

#include <string.h>

static uint32_t rotl(uint32_t x, unsigned n) { return x << n | x >> (32 - n); }

static void quarter(uint32_t s[16], unsigned a, unsigned b, unsigned c, unsigned d)
{
    s[a] += s[b];
    s[d] = rotl(s[d] ^ s[a], 16);
    s[c] += s[d];
    s[b] = rotl(s[b] ^ s[c], 12);
    s[a] += s[b];
    s[d] = rotl(s[d] ^ s[a], 8);
    s[c] += s[d];
    s[b] = rotl(s[b] ^ s[c], 7);
}

static void store_le32(uint8_t *p, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t load_le(const uint8_t *p, unsigned len)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < len; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static void next_block(struct naru_rand *r)
{
    uint32_t start[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };
    uint32_t s[16];

    memcpy(&start[4], r->key, sizeof(r->key));
    start[12] = (uint32_t)r->counter;
    start[13] = (uint32_t)(r->counter >> 32);
    start[14] = (uint32_t)r->stream;
    start[15] = (uint32_t)(r->stream >> 32);
    memcpy(s, start, sizeof(s));

    for (unsigned i = 0; i < 10; i++) {
        quarter(s, 0, 4, 8, 12);
        quarter(s, 1, 5, 9, 13);
        quarter(s, 2, 6, 10, 14);
        quarter(s, 3, 7, 11, 15);
        quarter(s, 0, 5, 10, 15);
        quarter(s, 1, 6, 11, 12);
        quarter(s, 2, 7, 8, 13);
        quarter(s, 3, 4, 9, 14);
    }
    for (unsigned i = 0; i < 16; i++)
        store_le32(&r->block[4 * i], s[i] + start[i]);
    r->counter++;
    r->used = 0;
}

void naru_rand_init(struct naru_rand *r, const uint8_t seed[32], uint64_t stream)
{
    for (unsigned i = 0; i < 8; i++)
        r->key[i] = (uint32_t)load_le(seed + (size_t)4 * i, 4);
    r->counter = 0;
    r->stream = stream;
    r->used = sizeof(r->block);
    memset(r->block, 0, sizeof(r->block));
}

void naru_rand_init_u64(struct naru_rand *r, uint64_t seed)
{
    uint8_t bytes[32] = { 0 };
    store_le32(bytes, (uint32_t)seed);
    store_le32(bytes + 4, (uint32_t)(seed >> 32));
    naru_rand_init(r, bytes, 0);
}

void naru_rand_fill(struct naru_rand *r, void *at, size_t len)
{
    uint8_t *to = at;
    while (len > 0) {
        if (r->used == sizeof(r->block))
            next_block(r);
        size_t part = sizeof(r->block) - r->used;
        if (part > len)
            part = len;
        memcpy(to, r->block + r->used, part);
        r->used += (uint32_t)part;
        to += part;
        len -= part;
    }
}

/* The next len (4 or 8) bytes as a number; a rest of the block that is too short is left out. */
static uint64_t take(struct naru_rand *r, unsigned len)
{
    if (sizeof(r->block) - r->used < len)
        next_block(r);
    uint64_t v = load_le(r->block + r->used, len);
    r->used += len;
    return v;
}

uint32_t naru_rand_u32(struct naru_rand *r) { return (uint32_t)take(r, 4); }

uint64_t naru_rand_u64(struct naru_rand *r) { return take(r, 8); }

uint32_t naru_rand_below(struct naru_rand *r, uint32_t n)
{
    NARU_ASSERT(n != 0);

    /* The high half of a product is uniform once the few low halves below 2^32 mod n are refused.
     */
    uint64_t product = (uint64_t)naru_rand_u32(r) * n;
    if ((uint32_t)product < n) {
        uint32_t refuse_below = (0U - n) % n;
        while ((uint32_t)product < refuse_below)
            product = (uint64_t)naru_rand_u32(r) * n;
    }
    return (uint32_t)(product >> 32);
}

uint32_t naru_rand_between(struct naru_rand *r, uint32_t lo, uint32_t hi)
{
    NARU_ASSERT(lo <= hi);
    if (hi - lo == UINT32_MAX)
        return naru_rand_u32(r);
    return lo + naru_rand_below(r, hi - lo + 1);
}
