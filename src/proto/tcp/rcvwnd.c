/*
 * The receive window, and buffers that find their own size.
 *
 * The window is what is free of the receive buffer, counted in bytes of payload.  Its right edge
 * never moves left (RFC 9293 3.8.6, SHLD-14), and moves right only in steps worth telling
 * (3.8.6.2.2, MUST-39).  The buffer grows to twice what the user reads in one round trip (dynamic
 * right sizing, as Linux does it), the send buffer to twice the congestion window.
 */
#include "proto/tcp/internal.h"

#include "base/mem.h"

enum { SPACE_GROWTH_SEGMENTS = 16, SMALL_SEGMENT = 128, PRESSED_SEGMENTS = 4 };

/* What can be said in the window field; a whole window may be larger by part of a segment. */
static uint32_t scale_max(const struct naru_tcp *c)
{
    uint32_t more = c->more->env->config->tcp_bsd ? c->mss_advertised : 0;
    return (65535u << c->rcv.wscale) + more;
}

void naru_tcp_rcvwnd_init(struct naru_tcp *c, naru_time now)
{
    uint32_t max = 65535u << c->more->env->wscale;
    c->rcv.buf = NARU_MIN(naru_tcp_opts(c)->rcvbuf, max);
    c->rcv_ssthresh = NARU_MIN(c->rcv.buf, 65535u);
    c->space = NARU_MIN(c->rcv_ssthresh, NARU_TCP_IW * c->mss_advertised);
    c->space_us = naru_tcp_us_of(now);
}

/* The peer's segment size is known: a buffer of whole segments, if that is the stack's habit. */
void naru_tcp_rcvwnd_whole(struct naru_tcp *c)
{
    uint32_t mss = NARU_MAX((uint32_t)NARU_MIN(c->mss_path, c->mss_peer), 1u);
    if (!c->more->env->config->tcp_bsd || c->rcv.buf <= mss)
        return;
    c->rcv.buf = (c->rcv.buf + mss - 1) / mss * mss;
    c->rcv_ssthresh = c->rcv.buf;
}

/* Free bytes of the buffer, as far as they may be offered. */
static uint32_t free_space(const struct naru_tcp *c)
{
    uint32_t limit = NARU_MIN(c->rcv.buf, c->rcv_ssthresh);
    if (naru_tcp_opts(c)->window_clamp != 0)
        limit = NARU_MIN(limit, naru_tcp_opts(c)->window_clamp);
    if (naru_mem_pressure(c->more->env->mem) != NARU_MEM_NORMAL)
        limit = NARU_MIN(limit, PRESSED_SEGMENTS * (uint32_t)c->mss_advertised);
    /* A user who leaves packets that waste memory: the other half of the promise. */
    if (c->rcv_truesize / 4 > c->rcv.buf)
        return 0;
    return NARU_MIN(naru_tcp_minus(limit, c->rcv.unread), scale_max(c));
}

/* The smallest increase worth telling. */
static uint32_t step(const struct naru_tcp *c)
{
    return NARU_MIN(c->rcv.buf / 2, NARU_MAX((uint32_t)c->rcv.mss, 1u));
}

/* Even if the user had read everything, there would be nothing worth telling. */
static bool wide_open(const struct naru_tcp *c)
{
    uint32_t limit = NARU_MIN(c->rcv.buf, c->rcv_ssthresh);
    return limit <= c->rcv.wnd || limit - c->rcv.wnd < step(c);
}

/* Receiver-side silly-window avoidance; a receiver should not move its right window edge left
 * (MUST-39, SHLD-14). */
static NARU_NOINLINE void move_edge(struct naru_tcp *c)
{
    uint32_t unit = 1u << c->rcv.wscale, space = free_space(c);
    if (space > c->rcv.wnd && space - c->rcv.wnd >= step(c))
        c->rcv.wnd = NARU_MAX(space & ~(unit - 1), c->rcv.wnd);
}

/* The edge rounded up to what the field can say. */
uint16_t naru_tcp_rcvwnd_usual(struct naru_tcp *c)
{
    if (!wide_open(c))
        move_edge(c);
    uint32_t unit = 1u << c->rcv.wscale;
    uint32_t field = NARU_MIN((c->rcv.wnd + unit - 1) >> c->rcv.wscale, 65535u);
    c->rcv.wnd = field << c->rcv.wscale;
    return (uint16_t)field;
}

uint16_t naru_tcp_rcvwnd_select(struct naru_tcp *c, bool syn)
{
    if (syn) {
        c->rcv.wnd = NARU_MIN(free_space(c), 65535u);
        return (uint16_t)c->rcv.wnd;
    }
    if (c->more->env->config->tcp_bsd) {
        c->rcv.wnd =
            NARU_MAX(free_space(c), c->rcv.wnd); /* what is accepted; the field may say less */
        return (uint16_t)NARU_MIN(c->rcv.wnd >> c->rcv.wscale, 65535u);
    }
    return naru_tcp_rcvwnd_usual(c);
}

void naru_tcp_rcvwnd_grow(struct naru_tcp *c, uint32_t len)
{
    if (len < SMALL_SEGMENT || c->rcv_ssthresh >= c->rcv.buf)
        return;
    c->rcv_ssthresh += 2 * NARU_MAX(len, (uint32_t)c->mss_advertised);
    c->rcv_ssthresh = NARU_MIN(c->rcv_ssthresh, c->rcv.buf);
}

/* Once per round trip: how much did the user read in it? */
static void adjust(struct naru_tcp *c, naru_time now)
{
    if (c->space_rtt == 0 || naru_tcp_us_of(now) - c->space_us < c->space_rtt)
        return;
    uint32_t copied = naru_seq_len(c->space_seq, naru_tcp_copied(c));
    if (copied > c->space && !(c->opt_flags & NARU_TCP_SET_RCVBUF_FIXED) &&
        naru_mem_pressure(c->more->env->mem) == NARU_MEM_NORMAL) {
        uint64_t want = 2 * (uint64_t)copied + SPACE_GROWTH_SEGMENTS * c->mss_advertised;
        want += 2 * (want * (copied - c->space) / NARU_MAX(c->space, 1u));
        want = NARU_MIN(want, (uint64_t)c->more->env->config->tcp_rcvbuf_max);
        want = NARU_MIN(want, (uint64_t)scale_max(c));
        c->rcv.buf = NARU_MAX(c->rcv.buf, (uint32_t)want);
    }
    if (copied > c->space)
        c->space = copied;
    c->space_seq = naru_tcp_copied(c);
    c->space_us = naru_tcp_us_of(now);
}

void naru_tcp_rcvwnd_read(struct naru_tcp *c, naru_time now)
{
    adjust(c, now);
    uint32_t limit = NARU_MIN(c->rcv.buf, c->rcv_ssthresh); /* there is never more free space */
    bool bsd = c->more->env->config->tcp_bsd, may_double = c->rcv.wnd <= limit / 2;
    if (!(bsd || may_double) || c->flags & NARU_TCP_F_FIN_RECEIVED || !naru_tcp_synchronized(c))
        return;
    uint32_t space = free_space(c);
    if (space < c->rcv.wnd)
        return;
    uint32_t more = space - c->rcv.wnd;
    bool doubled = space / 2 >= c->rcv.wnd && more >= step(c);
    bool quarter = bsd && more >= c->rcv.buf / 4 && more >= c->mss_advertised;
    if (doubled || quarter)
        c->due |= NARU_TCP_DUE_ACK;
}

static void rtt(struct naru_tcp *c, uint32_t us, bool window)
{
    us = NARU_MAX(us, 1u);
    if (c->space_rtt == 0 || (window && us < c->space_rtt))
        c->space_rtt = us;
    else if (!window)
        c->space_rtt = (uint32_t)(((uint64_t)c->space_rtt * 7 + us) / 8);
}

/*
 * The receiver's idea of the round trip: the age of the timestamp that data answer, or else the
 * time that one window of data took.
 */
void naru_tcp_rcvwnd_rtt(struct naru_tcp *c, uint32_t ts_ecr, uint32_t len, naru_time now)
{
    if (c->flags & NARU_TCP_F_TIMESTAMPS) {
        if (ts_ecr == 0 || len < c->rcv.mss)
            return;
        uint32_t ms = naru_tcp_ts_now(c, now) - ts_ecr;
        if (ms < 600000u)
            rtt(c, NARU_MAX(ms, 1u) * 1000, false);
        return;
    }
    if (c->space_rtt_at != 0 && naru_seq_before(c->rcv.nxt, c->space_rtt_seq))
        return;
    uint32_t us = naru_tcp_us_of(now);
    if (c->space_rtt_at != 0)
        rtt(c, us - c->space_rtt_at, true);
    c->space_rtt_seq = naru_seq_add(c->rcv.nxt, c->rcv.wnd);
    c->space_rtt_at = us | 1;
}

void naru_tcp_sndbuf_grow(struct naru_tcp *c)
{
    if (NARU_LIKELY(2 * (uint64_t)c->cwnd <= c->sndbuf) ||
        (c->opt_flags & NARU_TCP_SET_SNDBUF_FIXED))
        return;
    uint32_t want = 2 * NARU_MIN(c->cwnd, c->more->env->config->tcp_sndbuf_max);
    want = NARU_MIN(want, c->more->env->config->tcp_sndbuf_max);
    if (naru_mem_pressure(c->more->env->mem) == NARU_MEM_NORMAL)
        c->sndbuf = NARU_MAX(c->sndbuf, want);
}
