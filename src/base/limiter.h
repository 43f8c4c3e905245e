/*
 * A token bucket: at most rate events a second on average, burst of them at once.
 *
 * For ICMP errors (RFC 1812 4.3.2.8, RFC 4443 2.4 f) and challenge ACKs (RFC 5961 10).  Kept as one
 * instant, when the bucket will be full, so that no division and no refill step is needed.
 */
#ifndef NARU_BASE_LIMITER_H
#define NARU_BASE_LIMITER_H

#include "base/defs.h"
#include <naru/types.h>

struct naru_limiter {
    naru_time interval; /* between two tokens */
    naru_time span;     /* from empty, less one token, to full */
    naru_time full_at;
};

/* rate: events a second, 1..10^9, or 0 for none ever; burst: at least 1. */
NARU_INLINE void naru_limiter_init(struct naru_limiter *l, uint32_t rate, uint32_t burst)
{
    l->interval = rate == 0 ? 0 : NARU_SEC(1) / rate;
    l->span = l->interval * (burst == 0 ? 0 : burst - 1);
    l->full_at = INT64_MIN;
}

/* True, and one token fewer, if the event may happen. */
NARU_INLINE NARU_MUST_USE bool naru_limiter_allow(struct naru_limiter *l, naru_time now)
{
    if (l->interval == 0)
        return false;
    naru_time full_at = l->full_at > now ? l->full_at : now;
    if (full_at - now > l->span)
        return false;
    l->full_at = full_at + l->interval;
    return true;
}

#endif
