/*
 * Pacing: a window of segments goes out over the round-trip time instead of at once, and no faster
 * than the user allows (Linux's sk_pacing).
 *
 * Each byte sent puts off the next burst by its share of the pacing rate (rate.c).  A burst is what
 * goes in a millisecond, or one segment (two where the device takes super-segments), so that a fast
 * connection does not wait for a timer with each segment.  If the timer was late, the next bursts
 * catch up, by a millisecond at most; idleness saves nothing up.
 *
 * Not paced: the first ten segments (as Linux, and RFC 6928), FIN and acknowledgements alone,
 * probes, and what the retransmission timer sends.  Without memory for struct naru_tcp_rare nothing
 * is.
 */
#include "proto/tcp/internal.h"

#define BURST NARU_MS(1)

NARU_NOINLINE bool naru_tcp_pace_wait(struct naru_tcp *c, naru_time now)
{
    struct naru_tcp_rare *m = naru_tcp_rare_need(c);
    if (m == NULL || c->data_out < NARU_TCP_IW)
        return false;
    if (m->pace_at <= now) {
        m->burst_end = now + BURST;
        return false;
    }
    if (now < m->burst_end && m->pace_at < m->burst_end)
        return false;
    naru_tcp_timer_paced(c);
    return true;
}

NARU_NOINLINE void naru_tcp_pace_sent(struct naru_tcp *c, uint32_t len, naru_time now)
{
    struct naru_tcp_rare *m = c->more->rare;
    uint64_t rate = naru_tcp_pacing_rate(c);
    if (m == NULL || rate == 0 || c->data_out <= NARU_TCP_IW)
        return;
    naru_time from = m->late ? now - BURST : now;
    m->late = false;
    m->pace_at = NARU_MAX(m->pace_at, from) + (naru_time)((uint64_t)len * 1000000000u / rate);
}

uint32_t naru_tcp_pace_quantum(const struct naru_tcp *c)
{
    uint64_t rate = naru_tcp_pacing_rate(c), bytes = rate == 0 ? UINT32_MAX : rate / 1000;
    return (uint32_t)NARU_MIN(NARU_MAX(bytes, 2u * (uint64_t)c->snd.mss), (uint64_t)UINT32_MAX);
}

void naru_tcp_pace_changed(struct naru_tcp *c, naru_time now)
{
    struct naru_tcp_rare *m = c->more->rare;
    if (m == NULL)
        return;
    m->pace_at = now; /* what was put off by another rate */
    if (m->pacing)
        naru_tcp_timer_paced(c);
}
