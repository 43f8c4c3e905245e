/*
 * Congestion control behind one interface of facts.
 *
 * recover.c and ack.c tell what happened; an algorithm answers by moving cwnd and ssthresh (bytes).
 * Its state lives in c->more->cc, a fixed area that init clears.  One file each: cc_reno.c (RFC
 * 5681, 6582), cc_cubic.c (RFC 9438) with cc_hystart.c (RFC 9406).
 */
#ifndef NARU_PROTO_TCP_CC_H
#define NARU_PROTO_TCP_CC_H

#include "proto/tcp/internal.h"

/* The place of a number of sequence, where a round of HyStart++ ends; another one's may be 0. */
enum { NARU_TCP_CC_ROUND_END = 4 };

struct naru_tcp_cc_ops {
    void (*init)(struct naru_tcp *c);
    /* bytes were acknowledged in congestion avoidance while cwnd was the limit */
    void (*avoid)(struct naru_tcp *c, uint32_t bytes, naru_time now);
    /* the window to continue with after a loss; remembers what it needs to */
    uint32_t (*ssthresh)(struct naru_tcp *c, naru_time now);
    /* the loss episode begun by ssthresh did not happen */
    void (*undo)(struct naru_tcp *c);
    /* nothing was in flight, or cwnd not the limit, for span */
    void (*idle)(struct naru_tcp *c, naru_time span);
};

/* cc_hystart.c: of CUBIC, while ssthresh was never set. */
void naru_tcp_hystart_reset(struct naru_tcp *c);
uint32_t naru_tcp_hystart_growth(const struct naru_tcp *c, uint32_t bytes);

extern const struct naru_tcp_cc_ops naru_tcp_cc_reno, naru_tcp_cc_cubic;

#endif
