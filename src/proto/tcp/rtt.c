/*
 * Round-trip time and retransmission timeout (RFC 6298), in microseconds.
 *
 * Linux's choices: the variance term is never below the minimum RTO of 200 ms (RFC 6298 2.4 asks
 * for a second and lets less be), the clock granularity G is below a microsecond.
 */
#include "proto/tcp/internal.h"

/* As the configuration has it, in microseconds. */
uint64_t naru_tcp_rto_max(const struct naru_tcp *c)
{
    return (uint64_t)c->more->env->config->tcp_rto_max_ms * 1000;
}

_Static_assert(NARU_TCP_RTO_MAX <= UINT32_MAX / 8, "no sum of round trips needs more than 32 bits");

void naru_tcp_rtt_sample(struct naru_tcp *c, uint32_t us)
{
    us = NARU_MAX(us, 1u);
    us = NARU_MIN(us, NARU_TCP_RTO_MAX);
    if (NARU_UNLIKELY(c->ssthresh >= NARU_TCP_SSTHRESH_INF) &&
        c->cwnd >= NARU_TCP_HYSTART_LOW * c->snd.mss && !c->reno)
        naru_tcp_hystart_rtt(c, us);
    c->min_rtt = c->min_rtt == 0 ? us : NARU_MIN(c->min_rtt, us);
    if (NARU_UNLIKELY(c->srtt == 0)) { /* 2.2 */
        c->srtt = us;
        c->rttvar = us / 2;
    } else { /* 2.3 */
        uint32_t off = us > c->srtt ? us - c->srtt : c->srtt - us;
        c->rttvar = (3 * c->rttvar + off + 2) / 4;
        c->srtt = (7 * c->srtt + us + 4) / 8;
    }
    uint32_t rto = c->srtt + NARU_MAX(c->more->env->config->tcp_rto_min_ms * 1000, 4 * c->rttvar);
    c->rto = NARU_MIN(rto, (uint32_t)naru_tcp_rto_max(c));
}

naru_time naru_tcp_rto(const struct naru_tcp *c)
{
    uint64_t us = c->rto;
    if (NARU_UNLIKELY(c->more->backoff > 0))
        us = NARU_MIN(us << NARU_MIN((unsigned)c->more->backoff, 16u), naru_tcp_rto_max(c));
    return NARU_US((naru_time)us);
}

/*
 * A path that was slower before may be so again: RTO begins no shorter than it would have been,
 * until the first data are acknowledged (Linux).
 */
void naru_tcp_set_metrics(struct naru_tcp *c, const struct naru_tcp_metrics *m)
{
    if (m->rtt > c->srtt) {
        uint64_t least = (uint64_t)c->more->env->config->tcp_rto_min_ms * 1000;
        uint64_t rto = m->rtt + NARU_MAX(2 * (uint64_t)m->rtt, least);
        c->rto = NARU_MAX(c->rto, (uint32_t)NARU_MIN(rto, naru_tcp_rto_max(c)));
    }
    if (m->reordering > NARU_TCP_DUPTHRESH && naru_tcp_more_need(c))
        c->more->reordering = (uint16_t)NARU_MIN(m->reordering, NARU_TCP_REORDERING_MAX);
    if (m->ssthresh != 0)
        c->ssthresh = NARU_MAX(m->ssthresh, 2u * c->snd.mss);
}

struct naru_tcp_metrics naru_tcp_get_metrics(const struct naru_tcp *c)
{
    struct naru_tcp_metrics m = { .reordering = c->more->reordering };
    if (c->data_out > 0) {
        m.rtt = c->srtt;
        m.rttvar = c->rttvar;
    }
    if (c->ssthresh < NARU_TCP_SSTHRESH_INF)
        m.ssthresh = NARU_MAX(c->ssthresh, c->cwnd / 2);
    return m;
}
