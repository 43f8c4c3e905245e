/*
 * CUBIC (RFC 9438), in bytes and milliseconds.
 *
 *     W_cubic(t) = C * (t - K)^3 + W_max      C = 0.4 segments/s^3, beta = 0.7
 *
 * Numbers of the RFC are in segments; here W is in bytes and the cube is multiplied by the segment
 * size.  All products fit 64 bits: t is clamped to 250 s around K.  The first slow start ends by
 * HyStart++ (cc_hystart.c), which has its state in the same places until then.
 */
#include "proto/tcp/cc.h"

/* Places in c->more->cc. */
enum { W_MAX, K_MS, EPOCH_MS, RUNNING, W_EST, EST_REST, CWND_REST, PRIOR, OLD_W_MAX };

enum { SPAN_MAX_MS = 250000 };

/* The largest x with x^3 <= n. */
static uint32_t cube_root(uint64_t n)
{
    uint64_t x = 0;
    for (int shift = 63; shift >= 0; shift -= 3) {
        x *= 2;
        uint64_t step = 3 * x * (x + 1) + 1;
        if (n >> shift >= step) {
            n -= step << shift;
            x++;
        }
    }
    return (uint32_t)x;
}

static void init(struct naru_tcp *c)
{
    c->more->cc[RUNNING] = 0;
    naru_tcp_hystart_reset(c);
}

/* 4.2: a new epoch begins with the first acknowledgement in congestion avoidance. */
static void begin(struct naru_tcp *c, naru_time now)
{
    uint32_t w_max = c->more->cc[W_MAX], mss = c->snd.mss;
    c->more->cc[RUNNING] = 1;
    c->more->cc[EPOCH_MS] = naru_tcp_ms(now);
    c->more->cc[K_MS] = 0;
    if (c->cwnd < w_max) /* K = cbrt((W_max - cwnd_epoch) / C), 2.5 = 1 / C */
        c->more->cc[K_MS] = cube_root((uint64_t)(w_max - c->cwnd) * 2500000000u / mss);
    else
        c->more->cc[W_MAX] = c->cwnd;
    c->more->cc[W_EST] = c->cwnd;
    c->more->cc[EST_REST] = c->more->cc[CWND_REST] = 0;
}

static uint32_t w_cubic(const struct naru_tcp *c, uint32_t t_ms)
{
    bool before = t_ms < c->more->cc[K_MS];
    uint64_t span = before ? c->more->cc[K_MS] - t_ms : t_ms - c->more->cc[K_MS];
    span = NARU_MIN(span, (uint64_t)SPAN_MAX_MS);
    uint64_t cube = span * span * span / 1000 * c->snd.mss * 4 / 10 / 1000000;
    uint64_t w_max = c->more->cc[W_MAX];
    if (before)
        return cube < w_max ? (uint32_t)(w_max - cube) : 0;
    return (uint32_t)NARU_MIN(w_max + cube, (uint64_t)NARU_TCP_SSTHRESH_INF / 2);
}

/* rate * bytes / cwnd, what is left of the division kept for the next time. */
static uint32_t share(uint32_t rate, uint32_t bytes, uint32_t cwnd, uint32_t *rest)
{
    uint64_t n = (uint64_t)rate * bytes + *rest;
    *rest = (uint32_t)(n % cwnd);
    return (uint32_t)(n / cwnd);
}

static void avoid(struct naru_tcp *c, uint32_t bytes, naru_time now)
{
    if (!c->more->cc[RUNNING])
        begin(c, now);
    uint32_t cwnd = c->cwnd, mss = c->snd.mss;
    uint32_t t = naru_tcp_ms(now) - c->more->cc[EPOCH_MS];

    /* 4.3: what Reno would have; alpha 0.53 until it has caught up with the window before the loss
     */
    uint32_t alpha =
        c->more->cc[W_EST] < c->more->cc[PRIOR] ? (uint32_t)((uint64_t)mss * 529 / 1000) : mss;
    c->more->cc[W_EST] += share(alpha, bytes, cwnd, &c->more->cc[EST_REST]);

    if (w_cubic(c, t) < c->more->cc[W_EST]) {
        c->cwnd = NARU_MAX(cwnd, c->more->cc[W_EST]);
        return;
    }
    uint32_t target = w_cubic(c, t + c->srtt / 1000); /* 4.4, 4.5 */
    target = NARU_MIN(target, cwnd + cwnd / 2);
    if (target > cwnd)
        c->cwnd += share(target - cwnd, bytes, cwnd, &c->more->cc[CWND_REST]);
}

static uint32_t ssthresh(struct naru_tcp *c, naru_time now)
{
    (void)now;
    c->more->cc[OLD_W_MAX] = c->more->cc[W_MAX];
    /* 4.7: leave room for a newcomer if the window did not come back to where it was */
    c->more->cc[W_MAX] =
        c->cwnd < c->more->cc[W_MAX] ? (uint32_t)((uint64_t)c->cwnd * 17 / 20) : c->cwnd;
    c->more->cc[PRIOR] = c->cwnd;
    c->more->cc[RUNNING] = 0;
    return (uint32_t)((uint64_t)c->cwnd * 7 / 10); /* 4.6 */
}

static void undo(struct naru_tcp *c)
{
    c->more->cc[W_MAX] = c->more->cc[OLD_W_MAX];
    c->more->cc[RUNNING] = 0;
    if (c->ssthresh >= NARU_TCP_SSTHRESH_INF)
        naru_tcp_hystart_reset(c); /* the first slow start goes on */
}

/* 5.8: time in which the window was not tried does not count. */
static void idle(struct naru_tcp *c, naru_time span) { c->more->cc[EPOCH_MS] += naru_tcp_ms(span); }

const struct naru_tcp_cc_ops naru_tcp_cc_cubic = {
    .init = init,
    .avoid = avoid,
    .ssthresh = ssthresh,
    .undo = undo,
    .idle = idle,
};
