/*
 * Proportional Rate Reduction (RFC 9937): how much may go with each acknowledgement of a recovery.
 *
 * Above ssthresh data go out at that share of the rate at which they arrive; below, as much as
 * arrives, and one segment more while things get better (SSRB) or not (CRB).  So cwnd is ssthresh
 * when recovery ends, and never has to be waited for.
 *
 * Linux's choices: what is reduced from is cwnd (the RFC's RecoverFS is what was in flight, which
 * is the same when cwnd was the limit), and shares are rounded up to whole segments.
 */
#include "proto/tcp/internal.h"

void naru_tcp_prr_begin(struct naru_tcp *c, uint32_t prior_cwnd)
{
    if (c->more->loss == NULL) {
        c->cwnd = c->ssthresh;
        return;
    }
    c->more->loss->prr_delivered = c->more->loss->prr_out = 0;
    c->more->loss->recover_fs = NARU_MAX(prior_cwnd, (uint32_t)c->snd.mss);
}

static uint32_t minus(uint32_t a, uint32_t b) { return a > b ? a - b : 0; }

NARU_NOINLINE void naru_tcp_prr_acked(struct naru_tcp *c, uint32_t delivered, bool safe)
{
    struct naru_tcp_loss *l = c->more->loss;
    uint32_t mss = c->snd.mss, pipe = naru_tcp_pipe(c), count;
    if (l == NULL || delivered == 0)
        return;
    l->prr_delivered += NARU_MIN(delivered, UINT32_MAX - l->prr_delivered);
    if (pipe > c->ssthresh) {
        uint64_t share = (uint64_t)l->prr_delivered * c->ssthresh / l->recover_fs;
        share = (share + mss - 1) / mss * mss;
        count = minus((uint32_t)NARU_MIN(share, (uint64_t)UINT32_MAX), l->prr_out);
    } else {
        count = NARU_MAX(minus(l->prr_delivered, l->prr_out), delivered);
        count = NARU_MIN(count + (safe ? mss : 0), c->ssthresh - pipe);
    }
    if (l->prr_out == 0) /* fast retransmit at least */
        count = NARU_MAX(count, mss);
    c->cwnd = NARU_MAX(pipe + count, mss);
}
