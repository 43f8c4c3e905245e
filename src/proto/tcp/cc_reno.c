/* Congestion avoidance of RFC 5681 3.1: one segment a round trip, half after a loss. */
#include "proto/tcp/cc.h"

enum { ACKED }; /* bytes acknowledged since cwnd last grew */

static void init(struct naru_tcp *c) { c->more->cc[ACKED] = 0; }

static void avoid(struct naru_tcp *c, uint32_t bytes, naru_time now)
{
    (void)now;
    c->more->cc[ACKED] += bytes;
    if (c->more->cc[ACKED] >= c->cwnd) {
        c->more->cc[ACKED] -= c->cwnd;
        c->cwnd += c->snd.mss;
    }
}

static uint32_t ssthresh(struct naru_tcp *c, naru_time now)
{
    (void)now;
    c->more->cc[ACKED] = 0;
    return c->cwnd / 2;
}

static void undo(struct naru_tcp *c) { (void)c; }

static void idle(struct naru_tcp *c, naru_time span)
{
    (void)c;
    (void)span;
}

const struct naru_tcp_cc_ops naru_tcp_cc_reno = {
    .init = init,
    .avoid = avoid,
    .ssthresh = ssthresh,
    .undo = undo,
    .idle = idle,
};
