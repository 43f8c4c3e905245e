/*
 * The receive queue: packets in order, as they came, until the user has read them.
 *
 * A packet that wastes most of its memory is copied into the room behind the one before it, so that
 * a slow reader of tiny segments pins about as much memory as it was promised: of two neighbours at
 * least one is half full, or both together do not fit into one.
 */
#include "proto/tcp/internal.h"

#include "base/pktpool.h"
#include <string.h>

static bool wasteful(const struct naru_pkt *pkt)
{
    return (size_t)pkt->len * 2 < naru_pkt_truesize(pkt);
}

void naru_tcp_rcvq_append(struct naru_tcp *c, struct naru_pkt *pkt)
{
    struct naru_pkt *last = c->rcv_last;
    c->rcv.unread += pkt->len;
    if (NARU_UNLIKELY(last != NULL) && wasteful(pkt) && pkt->len <= naru_pkt_tailroom(last)) {
        memcpy(naru_pkt_append(last, pkt->len), pkt->data, pkt->len);
        naru_pktpool_put(pkt);
        return;
    }
    pkt = naru_pktpool_fit(pkt);
    if (NARU_LIKELY(last == NULL)) {
        pkt->next = pkt;
    } else {
        pkt->next = last->next;
        last->next = pkt;
    }
    c->rcv_last = pkt;
    c->rcv_truesize += (uint32_t)naru_pkt_truesize(pkt);
}

uint32_t naru_tcp_rcvq_copy(const struct naru_tcp *c, uint32_t skip, void *at, uint32_t len)
{
    uint32_t done = 0;
    for (const struct naru_pkt *p = naru_tcp_rcvq_first(c); p != NULL && done < len;
         p = naru_tcp_rcvq_next(c, p)) {
        if (skip >= p->len) {
            skip -= p->len;
            continue;
        }
        uint32_t n = NARU_MIN(len - done, p->len - skip);
        memcpy((uint8_t *)at + done, p->data + skip, n);
        done += n;
        skip = 0;
    }
    return done;
}

void naru_tcp_rcvq_consume(struct naru_tcp *c, uint32_t len)
{
    NARU_ASSERT(len <= c->rcv.unread);
    c->rcv.unread -= len;
    while (len > 0) {
        struct naru_pkt *p = c->rcv_last->next;
        if (len < p->len) {
            naru_pkt_pull(p, len);
            return;
        }
        len -= p->len;
        if (p == c->rcv_last)
            c->rcv_last = NULL;
        else
            c->rcv_last->next = p->next;
        c->rcv_truesize -= (uint32_t)naru_pkt_truesize(p);
        naru_pktpool_put(p);
    }
}

void naru_tcp_rcvq_free(struct naru_tcp *c) { naru_tcp_rcvq_consume(c, c->rcv.unread); }

void naru_tcp_rcvq_check(const struct naru_tcp *c)
{
    uint64_t bytes = 0, truesize = 0;
    for (const struct naru_pkt *p = naru_tcp_rcvq_first(c); p != NULL;
         p = naru_tcp_rcvq_next(c, p)) {
        NARU_ASSERT(p->len > 0);
        bytes += p->len;
        truesize += naru_pkt_truesize(p);
    }
    NARU_ASSERT(bytes == c->rcv.unread && truesize == c->rcv_truesize);
}
