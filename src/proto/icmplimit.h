/*
 * How many ICMP errors (and resets to nobody, if the stack likes) go out: one token bucket for the
 * whole stack and one per destination (RFC 1812 4.3.2.8, RFC 4443 2.4 f).
 *
 * Destinations share buckets by a keyed hash, so the memory is fixed and nobody can choose whom he
 * silences.  Now and then the global bucket loses one token more, at random, so that counting
 * answers does not show an observer what others were sent.
 */
#ifndef NARU_PROTO_ICMPLIMIT_H
#define NARU_PROTO_ICMPLIMIT_H

#include "base/limiter.h"
#include "base/rand.h"
#include "base/siphash.h"
#include <naru/types.h>

enum { NARU_ICMPLIMIT_BUCKETS = 256 };

struct naru_icmplimit {
    struct naru_rand *rand;
    struct naru_siphash_key key;
    struct naru_limiter all, host[NARU_ICMPLIMIT_BUCKETS];
};

/*
 * per_second and burst of the whole stack (1000, 50), host_per_second and host_burst of one
 * destination (10, 10); a rate of 0: none ever.  rand must outlive it.
 */
void naru_icmplimit_init(struct naru_icmplimit *limit, struct naru_rand *rand, uint32_t per_second,
                         uint32_t burst, uint32_t host_per_second, uint32_t host_burst);

/* May an error go to dst now?  Takes the tokens if so; else drop ICMP_RATE_LIMIT. */
bool naru_icmplimit_allow(struct naru_icmplimit *limit, const struct naru_addr *dst, naru_time now);

#endif
