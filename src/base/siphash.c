/*
 * SipHash of byte strings, with both numbers of rounds.
 *
 * Test vectors: the appendix of the SipHash paper (2-4); 1-3 differs in the counts alone.
 */
#include "base/siphash.h"

#include "base/rand.h"

static uint64_t load_le(const uint8_t *p, size_t len)
{
    uint64_t v = 0;
    for (size_t i = 0; i < len; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static uint64_t sip(const struct naru_siphash_key *key, const void *data, size_t len,
                    unsigned rounds, unsigned end_rounds)
{
    const uint8_t *p = data;
    size_t left = len;
    struct naru_sip s = naru_sip_begin(key);

    for (; left >= 8; left -= 8, p += 8)
        naru_sip_word(&s, load_le(p, 8), rounds);
    naru_sip_word(&s, (uint64_t)len << 56 | load_le(p, left), rounds);
    return naru_sip_end(&s, end_rounds);
}

uint64_t naru_siphash(const struct naru_siphash_key *key, const void *data, size_t len)
{
    return sip(key, data, len, 2, 4);
}

uint64_t naru_hash_bytes(const struct naru_siphash_key *key, const void *data, size_t len)
{
    return sip(key, data, len, 1, 3);
}

NARU_NOINLINE uint64_t naru_siphash_flow(const struct naru_siphash_key *key,
                                         const struct naru_hash_tuple *t)
{
    return naru_sip_flow(key, t, 2, 4);
}

void naru_siphash_key_init(struct naru_siphash_key *key, struct naru_rand *rand)
{
    key->k[0] = naru_rand_u64(rand);
    key->k[1] = naru_rand_u64(rand);
}
