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
    pkt->next = NULL;
    if (NARU_LIKELY(last == NULL))
        c->rcv_first = pkt;
    else
        last->next = pkt;
    c->rcv_last = pkt;
    c->rcv_truesize += (uint32_t)naru_pkt_truesize(pkt);
}

uint32_t naru_tcp_rcvq_copy(const struct naru_tcp *c, uint32_t skip, void *at, uint32_t len)
{
    uint32_t done = 0;
    for (const struct naru_pkt *p = c->rcv_first; p != NULL && done < len; p = p->next) {
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
        struct naru_pkt *p = c->rcv_first;
        if (len < p->len) {
            naru_pkt_pull(p, len);
            return;
        }
        len -= p->len;
        c->rcv_first = p->next;
        if (c->rcv_first == NULL)
            c->rcv_last = NULL;
        c->rcv_truesize -= (uint32_t)naru_pkt_truesize(p);
        naru_pktpool_put(p);
    }
}

void naru_tcp_rcvq_free(struct naru_tcp *c) { naru_tcp_rcvq_consume(c, c->rcv.unread); }

void naru_tcp_rcvq_check(const struct naru_tcp *c)
{
    uint64_t bytes = 0, truesize = 0;
    for (const struct naru_pkt *p = c->rcv_first; p != NULL; p = p->next) {
        NARU_ASSERT(p->len > 0);
        NARU_ASSERT((p->next == NULL) == (p == c->rcv_last));
        bytes += p->len;
        truesize += naru_pkt_truesize(p);
    }
    NARU_ASSERT(bytes == c->rcv.unread && truesize == c->rcv_truesize);
    NARU_ASSERT((c->rcv_first == NULL) == (c->rcv_last == NULL));
}
