/*
 * SACK blocks that arrive (RFC 2018, RFC 2883): which records the peer has.
 *
 * Each block finds its first record by binary search and visits only records that are not marked
 * yet, since marked neighbours are joined: telling the same thing again costs nothing.  At most
 * four blocks a segment.  Blocks outside of what is in flight are ignored, and so are parts of
 * segments where it is known how they were cut, as Linux does.
 */
#include "proto/tcp/internal.h"

static bool valid(const struct naru_tcp *c, const struct naru_tcp_sack *b)
{
    return naru_seq_before(b->left, b->right) && naru_seq_before_eq(c->snd.una, b->left) &&
           naru_seq_before_eq(b->right, c->snd.nxt);
}

/* RFC 2883 4: the first block lies below the acknowledgement, or inside the second. */
static bool is_dsack(const struct naru_tcp_hdr *h, naru_seq ack)
{
    const struct naru_tcp_sack *a = &h->sack[0], *b = &h->sack[1];
    if (h->sack_count == 0)
        return false;
    if (naru_seq_before(a->left, ack))
        return true;
    return h->sack_count > 1 && naru_seq_before_eq(b->left, a->left) &&
           naru_seq_before_eq(a->right, b->right);
}

/* Record i has arrived. */
static void mark(struct naru_tcp *c, unsigned i, struct naru_tcp_acked *a)
{
    struct naru_tcp_sent *r = naru_tcp_sent_at(c, i);
    uint32_t len = naru_seq_len(r->start, r->end);
    a->sacked += len;
    a->delivered += len;
    if (r->flags & NARU_TCP_SENT_EVER) {
        a->retransmitted = a->retransmitted || a->acked == 0;
    } else {
        if (a->acked == 0)
            a->first_sent = r->sent_at;
        a->once_start = a->once ? naru_seq_min(a->once_start, r->start) : r->start;
        a->once = true;
    }
    if (!(r->flags & NARU_TCP_SENT_EVER) || naru_tcp_rack_believes(c, r, a))
        naru_tcp_acked_newest(a, r->sent_at, r->end);
    if (c->more->sacked == 0) { /* what these said before may be half a circle old */
        c->more->high_sacked = r->end;
        c->more->lost_upto = c->snd.una;
    }
    c->more->high_sacked = naru_seq_max(c->more->high_sacked, r->end);
    naru_tcp_sent_flag(c, r, (r->flags & NARU_TCP_SENT_EVER) | NARU_TCP_SENT_SACKED);
    naru_tcp_sent_merge(c, i);
}

/* Cuts [left, right) to whole segments of r; false: nothing is left. */
static bool whole(const struct naru_tcp *c, const struct naru_tcp_sent *r, naru_seq *left,
                  naru_seq *right)
{
    uint32_t mss = c->snd.mss;
    *left = naru_seq_max(*left, r->start);
    *right = naru_seq_min(*right, r->end);
    if (r->flags & NARU_TCP_SENT_EVEN) {
        uint32_t from = naru_seq_len(r->start, *left) + mss - 1;
        *left = naru_seq_add(r->start, from - from % mss);
        if (!naru_seq_eq(*right, r->end))
            *right = naru_seq_sub(*right, naru_seq_len(r->start, *right) % mss);
    }
    return naru_seq_before(*left, *right);
}

/* Marks [left, right) of record i; false: no room to remember it, advice not taken. */
static bool arrived(struct naru_tcp *c, unsigned i, naru_seq left, naru_seq right,
                    struct naru_tcp_acked *a)
{
    if (naru_seq_before(naru_tcp_sent_at(c, i)->start, left)) {
        if (!naru_tcp_sent_split(c, i, left))
            return false;
        i++;
    }
    if (naru_seq_after(naru_tcp_sent_at(c, i)->end, right) && !naru_tcp_sent_split(c, i, right))
        return false;
    mark(c, i, a);
    return true;
}

static void block(struct naru_tcp *c, naru_seq left, naru_seq right, struct naru_tcp_acked *a)
{
    while (naru_seq_before(left, right)) {
        unsigned i = naru_tcp_sent_find(c, left);
        if (i >= naru_tcp_sent_count(c))
            return;
        const struct naru_tcp_sent *r = naru_tcp_sent_at(c, i);
        naru_seq end = r->end, from = left, to = right;
        if (!(r->flags & NARU_TCP_SENT_SACKED) && whole(c, r, &from, &to) &&
            !arrived(c, i, from, to, a))
            return;
        left = end;
    }
}

NARU_NOINLINE void naru_tcp_sack_input(struct naru_tcp *c, const struct naru_tcp_hdr *h,
                                       naru_seq ack, struct naru_tcp_acked *a)
{
    unsigned first = 0;
    if (is_dsack(h, ack)) {
        a->dsack = true;
        a->twice = h->sack[0];
        c->more->dsack_dups = (uint16_t)(c->more->dsack_dups + (c->more->dsack_dups < UINT16_MAX));
        first = 1;
    }
    for (unsigned i = first; i < h->sack_count; i++)
        if (valid(c, &h->sack[i]))
            block(c, h->sack[i].left, h->sack[i].right, a);
    if (c->more->sacked > 0)
        naru_tcp_set_slow(c, NARU_TCP_SLOW_LOSS, true);
}
