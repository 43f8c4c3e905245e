/*
 * What all congestion controls share: initial window (RFC 6928), slow start with appropriate byte
 * counting (RFC 5681 3.1, RFC 3465), validation of a window that is not used (RFC 7661 in Linux's
 * form), restart after idleness (RFC 5681 4.1), reaction to loss and to the retransmission timer.
 */
#include "proto/tcp/cc.h"

/* Other IETF-conformant congestion controls may be offered (MAY-18). */
static const struct naru_tcp_cc_ops *ops(const struct naru_tcp *c)
{
    return c->reno ? &naru_tcp_cc_reno : &naru_tcp_cc_cubic;
}

void naru_tcp_cc_init(struct naru_tcp *c, naru_time now)
{
    if (!naru_tcp_is_calm(c))
        naru_tcp_cc_begin(c);
    c->cwnd = NARU_TCP_IW * c->snd.mss;
    if (c->flags & NARU_TCP_F_SYN_RETRANSMITTED)
        c->cwnd = c->snd.mss; /* RFC 5681 3.1 */
    c->ssthresh = NARU_TCP_SSTHRESH_INF;
    c->cwnd_used = 0;
    c->cwnd_used_seq = c->snd.nxt;
    c->sent_tick = naru_tcp_tick_of(now);
}

void naru_tcp_cc_begin(struct naru_tcp *c)
{
    for (unsigned i = 0; i < NARU_ARRAY_LEN(c->more->cc); i++)
        c->more->cc[i] = 0;
    ops(c)->init(c);
}

bool naru_tcp_cc_is_new(const struct naru_tcp *c)
{
    uint32_t any = 0;
    for (unsigned i = 0; i < NARU_ARRAY_LEN(c->more->cc); i++)
        any |= i == NARU_TCP_CC_ROUND_END ? 0 : c->more->cc[i];
    return any == 0;
}

/* Was the window the limit?  In slow start half used is enough, since it doubles. */
static bool limited(const struct naru_tcp *c)
{
    if (NARU_LIKELY(c->cwnd < c->ssthresh))
        return c->cwnd < 2 * c->cwnd_used;
    return (c->flags & NARU_TCP_F_CWND_LIMITED) != 0;
}

/* Slow start, congestion avoidance and exponential RTO backoff are implemented (MUST-19). */
void naru_tcp_cc_acked(struct naru_tcp *c, uint32_t bytes, naru_time now)
{
    if (!limited(c) || !naru_tcp_more_need(c))
        return;
    if (c->cwnd < c->ssthresh) {
        uint32_t n = NARU_MIN(bytes, c->ssthresh - c->cwnd);
        bytes -= n;
        if (NARU_UNLIKELY(c->ssthresh >= NARU_TCP_SSTHRESH_INF) && !c->reno)
            n = naru_tcp_hystart_growth(c, n);
        c->cwnd += n;
    }
    if (bytes > 0)
        ops(c)->avoid(c, bytes, now);
    c->cwnd = NARU_MIN(c->cwnd, NARU_TCP_SSTHRESH_INF / 2);
}

static void reduce(struct naru_tcp *c, naru_time now)
{
    naru_tcp_ecn_reduced(c);
    c->ssthresh = NARU_MAX(ops(c)->ssthresh(c, now), 2u * c->snd.mss);
}

void naru_tcp_cc_loss(struct naru_tcp *c, naru_time now)
{
    naru_tcp_undo_begin(c);
    reduce(c, now);
}

/* Marks are no mistake of ours: nothing to undo. */
void naru_tcp_cc_ece(struct naru_tcp *c, naru_time now)
{
    c->flags &= ~(uint32_t)(NARU_TCP_F_UNDO | NARU_TCP_F_RETRANS_TS);
    reduce(c, now);
}

void naru_tcp_cc_rto(struct naru_tcp *c, bool first, naru_time now)
{
    if (first)
        naru_tcp_cc_loss(c, now);
    c->cwnd = c->snd.mss;
}

void naru_tcp_cc_undo(struct naru_tcp *c)
{
    if (!(c->flags & NARU_TCP_F_UNDO))
        return;
    c->flags &= ~(uint32_t)NARU_TCP_F_UNDO;
    c->more->ecn &= (uint8_t)~NARU_TCP_ECN_CWR;
    c->cwnd = NARU_MAX(c->cwnd, c->more->loss->undo_cwnd);
    c->ssthresh = NARU_MAX(c->ssthresh, c->more->loss->undo_ssthresh);
    ops(c)->undo(c);
}

void naru_tcp_cc_idle(struct naru_tcp *c, naru_time now)
{
    naru_time span = naru_tcp_since(now, c->sent_tick), rto = naru_tcp_rto(c);
    uint32_t restart = NARU_MIN(c->cwnd, NARU_TCP_IW * c->snd.mss);
    if (span <= rto)
        return;
    if (c->ssthresh < NARU_TCP_SSTHRESH_INF &&
        !naru_tcp_is_calm(c)) /* else nothing of its own has begun */
        ops(c)->idle(c, span);
    if (!c->more->env->config->tcp_idle_restart)
        return;
    if (c->cwnd < c->ssthresh || c->ssthresh < c->cwnd - c->cwnd / 4)
        c->ssthresh = NARU_MAX(c->ssthresh, c->cwnd - c->cwnd / 4);
    for (; span > rto && c->cwnd > restart; span -= rto)
        c->cwnd /= 2;
    c->cwnd = NARU_MAX(c->cwnd, restart);
    c->cwnd_used = 0;
}

void naru_tcp_cc_sent(struct naru_tcp *c, bool cwnd_limited)
{
    uint32_t flight = naru_tcp_flight(c);
    if (flight > c->cwnd_used || naru_seq_before(c->cwnd_used_seq, c->snd.una)) {
        c->cwnd_used = flight;
        c->cwnd_used_seq = c->snd.nxt;
    }
    if (cwnd_limited)
        c->flags |= NARU_TCP_F_CWND_LIMITED;
    else
        c->flags &= ~(uint32_t)NARU_TCP_F_CWND_LIMITED;
}
