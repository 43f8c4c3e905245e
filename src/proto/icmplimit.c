/*
 * How many ICMP errors go out; see icmplimit.h.  The destination is asked first, so that a flood
 * from one address does not use up what others are owed.
 */
#include "proto/icmplimit.h"

void naru_icmplimit_init(struct naru_icmplimit *limit, struct naru_rand *rand, uint32_t per_second,
                         uint32_t burst, uint32_t host_per_second, uint32_t host_burst)
{
    limit->rand = rand;
    naru_siphash_key_init(&limit->key, rand);
    naru_limiter_init(&limit->all, per_second, burst);
    for (unsigned i = 0; i < NARU_ICMPLIMIT_BUCKETS; i++)
        naru_limiter_init(&limit->host[i], host_per_second, host_burst);
}

bool naru_icmplimit_allow(struct naru_icmplimit *limit, const struct naru_addr *dst, naru_time now)
{
    uint32_t bucket = naru_hash_addr(&limit->key, dst, 0) % NARU_ICMPLIMIT_BUCKETS;
    if (!naru_limiter_allow(&limit->host[bucket], now) || !naru_limiter_allow(&limit->all, now))
        return false;
    if (naru_rand_below(limit->rand, 8) == 0)
        (void)!naru_limiter_allow(&limit->all, now);
    return true;
}
