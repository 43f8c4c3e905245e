/*
 * What the two files of straight lines, quick.c and quick_life.c, ask alike.
 */
#ifndef NARU_PROTO_TCP_QUICK_H
#define NARU_PROTO_TCP_QUICK_H

#include "proto/tcp/internal.h"

NARU_INLINE bool naru_tcp_nothing_lost(const struct naru_tcp *c)
{
    return c->more->loss == NULL && c->more->ooo == NULL && c->more->ecn == 0 &&
           (c->more->sacked | c->more->lost | c->more->retrans | c->more->reno) == 0 &&
           (c->more->retransmits | c->more->backoff | c->more->probes) == 0 &&
           c->more->soft_error == 0 && naru_tcp_seldom_deadline(c) == NARU_NEVER;
}

/* What of a header without any other option is news. */
NARU_INLINE struct naru_tcp_news naru_tcp_news_of(const struct naru_tcp_hdr *h)
{
    return (struct naru_tcp_news){ .seq = h->seq,
                                   .ack = h->ack,
                                   .wnd = h->wnd,
                                   .timestamp = h->opts == NARU_TCP_OPT_TS,
                                   .ts_val = h->ts_val,
                                   .ts_ecr = h->ts_ecr };
}

/* A timestamp that is not old, if there are to be any. */
NARU_INLINE bool naru_tcp_timestamp_fits(const struct naru_tcp *c, const struct naru_tcp_news *h)
{
    if (NARU_LIKELY((c->flags & NARU_TCP_F_TIMESTAMPS) != 0))
        return h->timestamp && (int32_t)(h->ts_val - c->ts_recent) >= 0;
    return !h->timestamp;
}

/* News about acked bytes, nothing of which was lost. */
void naru_tcp_quick_acked(struct naru_tcp *c, const struct naru_tcp_news *h, uint32_t acked,
                          naru_time now);

#endif
