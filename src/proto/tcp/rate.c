/*
 * How fast data arrive, and what holds them back: the part of TCP_INFO that wants bookkeeping.
 *
 * Delivery rate: draft-cheng-iccrg-delivery-rate-estimation as Linux has it, in segments: what was
 * delivered between the sending of one range and its acknowledgement, by the longer of the times in
 * which it was sent and acknowledged.  A sample that the application limited counts only if it is
 * higher.  The draft keeps its state with each range in flight and takes a sample with each
 * acknowledgement; here one range is watched at a time, and the next one when that has arrived:
 * a sample a round trip, from 60 bytes instead of as many for each record.
 *
 * Busy, and limited by the peer's window or by the send buffer: Linux's three stop watches, the
 * weightiest reason counts.
 *
 * A connection that has never had more than one segment in flight has no struct naru_tcp_rare: its
 * rate is a segment in the shortest round trip, limited by its application, and it was busy while
 * its records say so.
 */
#include "proto/tcp/internal.h"

/* ---- What the time is spent on ---- */

NARU_NOINLINE void naru_tcp_rate_limit(struct naru_tcp *c, enum naru_tcp_limit to, naru_time now)
{
    struct naru_tcp_rare *m = to > NARU_TCP_LIMIT_NONE ? naru_tcp_rare_need(c) : c->more->rare;
    if (m == NULL || m->limit == to)
        return;
    if (m->limit != NARU_TCP_LIMIT_IDLE)
        m->spent[m->limit] += now - m->limit_at;
    m->limit = (uint8_t)to;
    m->limit_at = now;
}

/* ---- The delivery rate ---- */

NARU_NOINLINE void naru_tcp_rate_mark(struct naru_tcp *c, naru_seq start, naru_seq end,
                                      naru_time now)
{
    struct naru_tcp_rare *m = naru_tcp_rare_need(c);
    if (m == NULL)
        return;
    naru_tcp_rate_limit(c, NARU_TCP_LIMIT_NONE, now);
    if (naru_seq_eq(start, c->snd.una)) /* nothing was in flight */
        m->first_sent = m->delivered_at = now;
    if (m->marked)
        return;
    m->marked = true;
    m->mark_app_limited = m->app_limited != 0;
    m->mark_end = naru_seq_add(start, NARU_MIN(naru_seq_len(start, end), (uint32_t)c->snd.mss));
    m->mark_delivered = c->delivered;
    m->mark_sent = now;
    m->mark_delivered_at = m->delivered_at;
    m->mark_first_sent = m->first_sent;
}

/* The application may have left the path idle: what goes out until this is through tells less. */
NARU_NOINLINE void naru_tcp_rate_written(struct naru_tcp *c, naru_time now)
{
    struct naru_tcp_rare *m = c->more->rare;
    uint32_t pipe = naru_tcp_pipe(c);
    if (m->limit == NARU_TCP_LIMIT_IDLE)
        naru_tcp_rate_limit(c, NARU_TCP_LIMIT_NONE, now);
    if (naru_tcp_unsent_new(c) < c->snd.mss && pipe < c->cwnd && c->more->lost <= c->more->retrans)
        m->app_limited = NARU_MAX(c->delivered + naru_tcp_segments(pipe, c->snd.mss) + 1, 1u);
}

/* The watched range has arrived. */
static NARU_NOINLINE void sample(struct naru_tcp *c, naru_time now)
{
    struct naru_tcp_rare *m = c->more->rare;
    naru_time span = NARU_MAX(m->mark_sent - m->mark_first_sent, now - m->mark_delivered_at);
    uint32_t us = naru_tcp_us(span), delivered = c->delivered - m->mark_delivered;
    m->marked = false;
    if (us == 0 || us < c->min_rtt || delivered == 0)
        return; /* it cannot be that fast */
    if (m->mark_app_limited && m->rate_us != 0 &&
        (uint64_t)delivered * m->rate_us < (uint64_t)m->rate_delivered * us)
        return;
    m->rate_delivered = delivered;
    m->rate_us = us;
    m->rate_app_limited = m->mark_app_limited;
}

void naru_tcp_rate_acked(struct naru_tcp *c, const struct naru_tcp_acked *a)
{
    struct naru_tcp_rare *m = c->more->rare;
    if (a->delivered == 0)
        return;
    m->delivered_at = a->now;
    m->first_sent = NARU_MAX(m->first_sent, a->rack_sent);
    if (m->app_limited != 0 && (int32_t)(c->delivered - m->app_limited) >= 0)
        m->app_limited = 0;
    bool beyond = a->rack_sent != NARU_TCP_NO_TIME && naru_seq_after_eq(a->rack_end, m->mark_end);
    if (m->marked && (beyond || naru_seq_after_eq(c->snd.una, m->mark_end)))
        sample(c, a->now);
    if (naru_tcp_flight(c) == 0 && naru_tcp_unsent_new(c) == 0)
        naru_tcp_rate_limit(c, NARU_TCP_LIMIT_IDLE, a->now);
    if (NARU_UNLIKELY(m->mtu_search))
        naru_tcp_mtu_acked(c, a);
}

/* ---- TCP_INFO ---- */

/* cwnd over the round-trip time: twice as much while it may double, and some to grow (Linux). */
uint64_t naru_tcp_pacing_rate(const struct naru_tcp *c)
{
    uint64_t most = naru_tcp_opts(c)->pacing_max;
    if (c->srtt == 0)
        return most == UINT64_MAX ? 0 : most;
    uint32_t window = NARU_MAX(c->cwnd, naru_tcp_synchronized(c) ? naru_tcp_flight(c) : 0);
    uint32_t percent = c->cwnd < c->ssthresh / 2 ? 200 : 120;
    return NARU_MIN((uint64_t)window * percent * 10000 / c->srtt, most);
}

void naru_tcp_rate_info(const struct naru_tcp *c, struct naru_tcp_info *info, naru_time now)
{
    const struct naru_tcp_rare *m = c->more->rare;
    naru_time spent[NARU_TCP_LIMITS] = { 0 };
    info->busy_time = (naru_time)(m == NULL ? c->busy : m->busy) << NARU_TCP_TICK_SHIFT;
    info->pacing_rate = naru_tcp_pacing_rate(c);
    info->max_pacing_rate = naru_tcp_opts(c)->pacing_max;
    if (m != NULL && m->rate_us != 0) {
        info->delivery_rate = (uint64_t)m->rate_delivered * c->snd.mss * 1000000 / m->rate_us;
        info->delivery_rate_app_limited = m->rate_app_limited;
    } else if (c->data_out > 0 && c->bytes_acked > 0 && c->min_rtt > 0) {
        info->delivery_rate = (uint64_t)c->snd.mss * 1000000 / c->min_rtt;
        info->delivery_rate_app_limited = true;
    }
    if (m == NULL) {
        if (naru_tcp_synchronized(c) && c->more->ring == NULL && naru_tcp_sent_count(c) > 0)
            info->busy_time += now - c->sent_at;
        return;
    }
    for (unsigned i = NARU_TCP_LIMIT_NONE; i < NARU_TCP_LIMITS; i++) {
        spent[i] = m->spent[i] + (m->limit == i ? now - m->limit_at : 0);
        info->busy_time += spent[i];
    }
    info->rwnd_limited = spent[NARU_TCP_LIMIT_RWND];
    info->sndbuf_limited = spent[NARU_TCP_LIMIT_SNDBUF];
}
