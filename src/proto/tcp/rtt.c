/*
 * Round-trip time and retransmission timeout (RFC 6298), in microseconds.
 *
 * Linux's choices: the variance term is never below the minimum RTO of 200 ms (RFC 6298 2.4 asks
 * for a second and lets less be), the clock granularity G is below a microsecond.
 */
#include "proto/tcp/internal.h"

void naru_tcp_rtt_sample(struct naru_tcp *c, uint32_t us)
{
    us = NARU_MAX(us, 1u);
    us = NARU_MIN(us, NARU_TCP_RTO_MAX);
    if (c->cwnd >= NARU_TCP_HYSTART_LOW * c->snd.mss && c->ssthresh >= NARU_TCP_SSTHRESH_INF &&
        c->congestion == NARU_CONGESTION_CUBIC)
        naru_tcp_hystart_rtt(c, us);
    c->min_rtt = c->min_rtt == 0 ? us : NARU_MIN(c->min_rtt, us);
    if (c->srtt == 0) { /* 2.2 */
        c->srtt = us;
        c->rttvar = us / 2;
    } else { /* 2.3 */
        uint32_t off = us > c->srtt ? us - c->srtt : c->srtt - us;
        c->rttvar = (uint32_t)((3 * (uint64_t)c->rttvar + off + 2) / 4);
        c->srtt = (uint32_t)((7 * (uint64_t)c->srtt + us + 4) / 8);
    }
    uint64_t rto = c->srtt + NARU_MAX((uint64_t)c->env->config->tcp_rto_min_ms * 1000,
                                      4 * (uint64_t)c->rttvar);
    c->rto = (uint32_t)NARU_MIN(rto, (uint64_t)NARU_TCP_RTO_MAX);
}

naru_time naru_tcp_rto(const struct naru_tcp *c)
{
    uint64_t us = (uint64_t)c->rto << NARU_MIN((unsigned)c->backoff, 16u);
    return NARU_US((naru_time)NARU_MIN(us, (uint64_t)NARU_TCP_RTO_MAX));
}
