/*
 * Out-of-order data: a small array of ranges beyond RCV.NXT, in sequence order, no two touching.
 *
 * SACK blocks are these ranges (RFC 2018), the most recently touched first.  Bounded in number of
 * ranges, by the connection's receive buffer and by the stack's limit; what does not fit is dropped
 * and will be sent again.  The next expected byte never comes here, so it is never refused.
 *
 * A FIN beyond a hole is remembered by its number; it is not part of any range.
 */
#include "proto/tcp/internal.h"

#include "base/mem.h"
#include "base/pktpool.h"
#include <string.h>

enum { RANGES_MIN = 4, RANGES_MAX = 64 };

struct range {
    naru_seq start, end;
    struct naru_pkt *first, *last; /* linked by next; each knows its seq */
    uint32_t touched;              /* larger is more recent */
};

struct naru_tcp_ooo {
    uint32_t count, size;
    uint32_t clock;
    uint32_t truesize; /* memory of all packets here */
    naru_seq fin;
    bool fin_known;
    struct range at[];
};

static size_t ooo_bytes(uint32_t size)
{
    return sizeof(struct naru_tcp_ooo) + size * sizeof(struct range);
}

/* Makes room for one more range; false at the bound or without memory. */
static NARU_NOINLINE bool grow(struct naru_tcp *c)
{
    struct naru_tcp_ooo *old = c->ooo;
    if (old != NULL && old->count < old->size)
        return true;
    uint32_t size = old == NULL ? RANGES_MIN : old->size * 4;
    if (size > RANGES_MAX)
        return false;
    struct naru_tcp_ooo *o = naru_mem_alloc(c->env->mem, ooo_bytes(size));
    if (o == NULL)
        return false;
    memset(o, 0, sizeof(*o));
    if (old != NULL) {
        memcpy(o, old, ooo_bytes(old->count));
        naru_mem_free(c->env->mem, old, ooo_bytes(old->size));
    }
    o->size = size;
    c->ooo = o;
    return true;
}

static void charge(struct naru_tcp *c, struct naru_pkt *pkt)
{
    c->ooo->truesize += (uint32_t)naru_pkt_truesize(pkt);
    c->env->ooo_bytes += naru_pkt_truesize(pkt);
}

static void discharge(struct naru_tcp *c, struct naru_pkt *pkt)
{
    c->ooo->truesize -= (uint32_t)naru_pkt_truesize(pkt);
    c->env->ooo_bytes -= naru_pkt_truesize(pkt);
}

static void drop_range(struct naru_tcp *c, uint32_t i)
{
    struct naru_tcp_ooo *o = c->ooo;
    while (o->at[i].first != NULL) {
        struct naru_pkt *pkt = o->at[i].first;
        o->at[i].first = pkt->next;
        discharge(c, pkt);
        naru_pktpool_put(pkt);
    }
    o->count--;
    memmove(&o->at[i], &o->at[i + 1], (o->count - i) * sizeof(o->at[0]));
}

/* The object goes when nothing is in it. */
static void settle(struct naru_tcp *c)
{
    struct naru_tcp_ooo *o = c->ooo;
    bool any = o != NULL && (o->count > 0 || o->fin_known);
    if (o != NULL && !any) {
        naru_mem_free(c->env->mem, o, ooo_bytes(o->size));
        c->ooo = NULL;
    }
    naru_tcp_set_slow(c, NARU_TCP_SLOW_OOO, any);
}

static void dsack(struct naru_tcp *c, naru_seq start, naru_seq end)
{
    if (!(c->flags & NARU_TCP_F_SACK) || (c->flags & NARU_TCP_F_DSACK_DUE))
        return; /* of a segment with several, the first (RFC 2883 4.2) */
    c->dsack_start = start;
    c->dsack_end = end;
    c->flags |= NARU_TCP_F_DSACK_DUE;
}

/* The first range that ends at or after seq. */
static uint32_t find(const struct naru_tcp_ooo *o, naru_seq seq)
{
    uint32_t low = 0, high = o->count;
    if (high > 0 && naru_seq_before(o->at[high - 1].end, seq))
        return high;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (naru_seq_before(o->at[mid].end, seq))
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Puts pkt behind the range's last; copies it there if it is small. */
static void append(struct naru_tcp *c, struct range *r, struct naru_pkt *pkt)
{
    struct naru_pkt *last = r->last;
    uint32_t len = pkt->len;
    r->end = naru_seq_add(r->end, len);
    if ((size_t)len * 2 < naru_pkt_truesize(pkt) && len <= naru_pkt_tailroom(last)) {
        memcpy(naru_pkt_append(last, len), pkt->data, len);
        naru_pktpool_put(pkt);
        return;
    }
    charge(c, pkt);
    pkt->next = NULL;
    last->next = pkt;
    r->last = pkt;
}

static void prepend(struct naru_tcp *c, struct range *r, struct naru_pkt *pkt)
{
    charge(c, pkt);
    r->start = naru_seq_sub(r->start, pkt->len);
    pkt->next = r->first;
    r->first = pkt;
}

/* Joins range i with the next if they touch. */
static void join(struct naru_tcp *c, uint32_t i)
{
    struct naru_tcp_ooo *o = c->ooo;
    if (i + 1 >= o->count || !naru_seq_eq(o->at[i].end, o->at[i + 1].start))
        return;
    o->at[i].last->next = o->at[i + 1].first;
    o->at[i].last = o->at[i + 1].last;
    o->at[i].end = o->at[i + 1].end;
    o->count--;
    memmove(&o->at[i + 1], &o->at[i + 2], (o->count - i - 1) * sizeof(o->at[0]));
}

/*
 * Cuts off what is there already.  i is the first range that ends at or after the data; ranges that
 * lie wholly inside give way, so that one piece is left.  False: nothing is left.
 */
static bool trim(struct naru_tcp *c, uint32_t i, naru_seq *seq, struct naru_pkt *pkt)
{
    struct naru_tcp_ooo *o = c->ooo;
    naru_seq end = naru_seq_add(*seq, pkt->len);
    if (i < o->count && naru_seq_before_eq(o->at[i].start, *seq)) {
        naru_seq known = naru_seq_min(o->at[i].end, end);
        if (naru_seq_before(*seq, known))
            dsack(c, *seq, known);
        if (naru_seq_eq(known, end)) {
            o->at[i].touched = ++o->clock;
            return false;
        }
        naru_pkt_pull(pkt, naru_seq_len(*seq, known));
        *seq = known;
        i++;
    }
    while (i < o->count && naru_seq_before_eq(o->at[i].end, end)) {
        dsack(c, o->at[i].start, o->at[i].end);
        drop_range(c, i);
    }
    if (i < o->count && naru_seq_before(o->at[i].start, end)) {
        dsack(c, o->at[i].start, end);
        naru_pkt_trim(pkt, naru_seq_len(*seq, o->at[i].start));
    }
    return true;
}

/* Out-of-order segments are kept for later (SHLD-31). */
NARU_NOINLINE enum naru_drop naru_tcp_ooo_add(struct naru_tcp *c, naru_seq seq,
                                              struct naru_pkt *pkt)
{
    size_t truesize = naru_pkt_truesize(pkt);
    uint64_t own_max = (uint64_t)c->rcv.buf * 2 + NARU_PKT_ROOM_SUPER;
    uint32_t own = c->ooo == NULL ? 0 : c->ooo->truesize;
    enum naru_drop why = NARU_DROP_NONE;
    if (own + truesize > own_max || c->env->ooo_bytes + truesize > c->env->ooo_max ||
        naru_mem_pressure(c->env->mem) != NARU_MEM_NORMAL)
        why = NARU_DROP_TCP_OOO_LIMIT;
    else if (!grow(c) && c->ooo == NULL)
        why = NARU_DROP_NO_MEMORY;
    else if (!trim(c, find(c->ooo, seq), &seq, pkt))
        why = NARU_DROP_TCP_DUPLICATE;
    if (why != NARU_DROP_NONE) {
        naru_pktpool_put(pkt);
        return why;
    }

    struct naru_tcp_ooo *o = c->ooo;
    uint32_t i = find(o, seq);
    pkt = naru_pktpool_fit(pkt);
    pkt->seq = seq.v;
    if (i < o->count && naru_seq_eq(o->at[i].end, seq)) {
        append(c, &o->at[i], pkt);
        o->at[i].touched = ++o->clock;
        join(c, i);
    } else if (i < o->count && naru_seq_eq(o->at[i].start, naru_seq_add(seq, pkt->len))) {
        prepend(c, &o->at[i], pkt);
        o->at[i].touched = ++o->clock;
    } else if (o->count == o->size) {
        naru_pktpool_put(pkt);
        return NARU_DROP_TCP_OOO_LIMIT;
    } else {
        memmove(&o->at[i + 1], &o->at[i], (o->count - i) * sizeof(o->at[0]));
        o->count++;
        pkt->next = NULL;
        o->at[i] = (struct range){ .start = seq,
                                   .end = naru_seq_add(seq, pkt->len),
                                   .first = pkt,
                                   .last = pkt,
                                   .touched = ++o->clock };
        charge(c, pkt);
    }
    settle(c);
    return NARU_DROP_NONE;
}

NARU_NOINLINE void naru_tcp_ooo_fin(struct naru_tcp *c, naru_seq fin)
{
    if (c->ooo == NULL && !grow(c))
        return;
    c->ooo->fin = fin;
    c->ooo->fin_known = true;
    settle(c);
}

NARU_NOINLINE bool naru_tcp_ooo_drain(struct naru_tcp *c)
{
    struct naru_tcp_ooo *o = c->ooo;
    if (o == NULL)
        return false;
    while (o->count > 0 && naru_seq_before_eq(o->at[0].start, c->rcv.nxt)) {
        struct range *r = &o->at[0];
        while (r->first != NULL) {
            struct naru_pkt *pkt = r->first;
            naru_seq seq = naru_seq_of(pkt->seq);
            r->first = pkt->next;
            discharge(c, pkt);
            uint32_t known = naru_seq_len(seq, c->rcv.nxt);
            if (known >= pkt->len) {
                dsack(c, seq, naru_seq_add(seq, pkt->len));
                naru_pktpool_put(pkt);
                continue;
            }
            if (known > 0)
                dsack(c, seq, c->rcv.nxt);
            naru_pkt_pull(pkt, known);
            naru_tcp_in_order(c, pkt);
        }
        drop_range(c, 0);
    }
    bool fin = o->fin_known && naru_seq_eq(o->fin, c->rcv.nxt);
    if (o->fin_known && naru_seq_before_eq(o->fin, c->rcv.nxt))
        o->fin_known = false;
    settle(c);
    return fin;
}

unsigned naru_tcp_ooo_blocks(const struct naru_tcp *c, struct naru_tcp_sack *block, unsigned max)
{
    const struct naru_tcp_ooo *o = c->ooo;
    uint32_t below = UINT32_MAX;
    unsigned count = 0;
    for (; o != NULL && count < max && count < o->count; count++) {
        const struct range *best = NULL;
        for (uint32_t i = 0; i < o->count; i++)
            if (o->at[i].touched < below && (best == NULL || o->at[i].touched > best->touched))
                best = &o->at[i];
        if (best == NULL)
            break;
        block[count] = (struct naru_tcp_sack){ .left = best->start, .right = best->end };
        below = best->touched;
    }
    return count;
}

NARU_NOINLINE unsigned naru_tcp_ooo_ranges(const struct naru_tcp *c)
{
    return c->ooo == NULL ? 0 : c->ooo->count;
}

NARU_NOINLINE void naru_tcp_ooo_free(struct naru_tcp *c)
{
    if (c->ooo == NULL)
        return;
    while (c->ooo->count > 0)
        drop_range(c, c->ooo->count - 1);
    c->ooo->fin_known = false;
    settle(c);
}

void naru_tcp_ooo_check(const struct naru_tcp *c)
{
    const struct naru_tcp_ooo *o = c->ooo;
    uint64_t truesize = 0;
    if (o == NULL)
        return;
    NARU_ASSERT(o->count <= o->size && (o->count > 0 || o->fin_known));
    for (uint32_t i = 0; i < o->count; i++) {
        const struct range *r = &o->at[i];
        naru_seq at = r->start;
        NARU_ASSERT(naru_seq_after(r->start, c->rcv.nxt) ||
                    (c->state == NARU_TCP_SYN_RECEIVED && naru_seq_eq(r->start, c->rcv.nxt)));
        NARU_ASSERT(i == 0 || naru_seq_before(o->at[i - 1].end, r->start));
        for (const struct naru_pkt *p = r->first; p != NULL; p = p->next) {
            NARU_ASSERT(p->len > 0 && p->seq == at.v);
            NARU_ASSERT((p->next == NULL) == (p == r->last));
            at = naru_seq_add(at, p->len);
            truesize += naru_pkt_truesize(p);
        }
        NARU_ASSERT(naru_seq_eq(at, r->end));
    }
    NARU_ASSERT(truesize == o->truesize);
}
