/*
 * HyStart++ (RFC 9406): the end of the first slow start, before the queue of the bottleneck is
 * full.
 *
 * Once a round trip the least RTT is compared with that of the round before.  When it has grown by
 * an eighth, slow start goes on at a quarter of its pace (conservative slow start, CSS); if RTT
 * falls again, that was a false alarm, else congestion avoidance begins after five rounds.
 *
 * Only while ssthresh was never set, so state lies where CUBIC has its own later.  L is infinite:
 * one acknowledgement may well stand for a super-segment.  Linux's choice: not below 16 segments
 * (rtt.c).
 */
#include "proto/tcp/cc.h"

/* Places in c->more->cc; 0 and 3 are CUBIC's W_MAX and RUNNING, and stay 0 as long as this is at
 * work. */
enum {
    LAST_MIN_RTT = 1,
    MIN_RTT = 2,
    WINDOW_END = NARU_TCP_CC_ROUND_END,
    SAMPLES = 5,
    CSS_ROUND = 6,
    BASELINE = 7
};

enum {
    MIN_RTT_THRESH = 4000,
    MAX_RTT_THRESH = 16000,
    MIN_RTT_DIVISOR = 8,
    N_RTT_SAMPLE = 8,
    CSS_GROWTH_DIVISOR = 4,
    CSS_ROUNDS = 5,
};

void naru_tcp_hystart_reset(struct naru_tcp *c)
{
    static const uint8_t places[] = { LAST_MIN_RTT, MIN_RTT, SAMPLES, CSS_ROUND, BASELINE };
    for (unsigned i = 0; i < NARU_ARRAY_LEN(places); i++)
        c->more->cc[places[i]] = 0;
    c->more->cc[WINDOW_END] = c->snd.nxt.v;
}

static void next_round(struct naru_tcp *c)
{
    c->more->cc[LAST_MIN_RTT] = c->more->cc[MIN_RTT];
    c->more->cc[MIN_RTT] = c->more->cc[SAMPLES] = 0;
    c->more->cc[WINDOW_END] = c->snd.nxt.v;
    if (c->more->cc[BASELINE] != 0 && ++c->more->cc[CSS_ROUND] > CSS_ROUNDS) {
        c->ssthresh = c->cwnd;
        c->more->cc[BASELINE] = 0; /* PRIOR of CUBIC: there was no window before */
    }
}

NARU_NOINLINE void naru_tcp_hystart_rtt(struct naru_tcp *c, uint32_t us)
{
    if (!naru_tcp_more_need(c))
        return;
    uint32_t least = c->more->cc[MIN_RTT], last = c->more->cc[LAST_MIN_RTT];
    c->more->cc[MIN_RTT] = least = least == 0 ? us : NARU_MIN(least, us);
    c->more->cc[SAMPLES]++;
    if (c->more->cc[SAMPLES] >= N_RTT_SAMPLE && c->more->cc[BASELINE] != 0) {
        if (least < c->more->cc[BASELINE])
            c->more->cc[BASELINE] = c->more->cc[CSS_ROUND] = 0; /* a false alarm */
    } else if (c->more->cc[SAMPLES] >= N_RTT_SAMPLE && last != 0) {
        uint32_t thresh = NARU_MIN(NARU_MAX(last / MIN_RTT_DIVISOR, (uint32_t)MIN_RTT_THRESH),
                                   (uint32_t)MAX_RTT_THRESH);
        if (least >= last + thresh) {
            c->more->cc[BASELINE] = least;
            c->more->cc[CSS_ROUND] = 1;
        }
    }
    if (naru_seq_after_eq(c->snd.una, naru_seq_of(c->more->cc[WINDOW_END])))
        next_round(c);
}

uint32_t naru_tcp_hystart_growth(const struct naru_tcp *c, uint32_t bytes)
{
    return c->more->cc[BASELINE] != 0 ? bytes / CSS_GROWTH_DIVISOR : bytes;
}
