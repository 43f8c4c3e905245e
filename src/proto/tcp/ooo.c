/*
 * Out-of-order data: ranges beyond RCV.NXT, in sequence order, no two touching.
 *
 * They lie in a ring: slow start that filled a queue loses every second segment of a window, so
 * there may be thousands, which come at the end and go at the front.  Within it a place is opened
 * or closed by moving the shorter side.  SACK blocks are these ranges (RFC 2018), the most recently
 * touched first; a point of each of the last eight is remembered.
 *
 * Bounded in number of ranges and in bytes by the receive buffer, and by the stack's limit; what
 * does not fit is dropped and will be sent again.  The next expected byte never comes here, so it
 * is never refused.
 *
 * A FIN beyond a hole is remembered by its number; it is not part of any range.
 */
#include "proto/tcp/internal.h"

#include "base/mem.h"
#include "base/pktpool.h"
#include <string.h>

enum { SIZE_MIN = 4, SIZE_MOST = 16384, RANGES_LEAST = 64, BYTES_PER_RANGE = 1024, RECENT = 8 };

struct range {
    naru_seq start, end;
    struct naru_pkt *first, *last; /* linked by next; each knows its seq */
};

struct naru_tcp_ooo {
    uint32_t first, count, size; /* size: a power of two */
    uint32_t truesize;           /* memory of all packets here */
    naru_seq fin;
    bool fin_known;
    uint8_t recent_count;
    naru_seq recent[RECENT]; /* a point in each range that was touched, the latest first */
    struct range at[];
};

static size_t ooo_bytes(uint32_t size)
{
    return sizeof(struct naru_tcp_ooo) + size * sizeof(struct range);
}

NARU_INLINE struct range *range_at(struct naru_tcp_ooo *o, uint32_t i)
{
    return &o->at[(o->first + i) & (o->size - 1)];
}

NARU_INLINE const struct range *range_of(const struct naru_tcp_ooo *o, uint32_t i)
{
    return &o->at[(o->first + i) & (o->size - 1)];
}

static uint32_t ranges_max(const struct naru_tcp *c)
{
    return NARU_MAX(c->rcv.buf / BYTES_PER_RANGE, (uint32_t)RANGES_LEAST);
}

/* Makes room for one more range; false at the bound or without memory. */
static NARU_NOINLINE bool grow(struct naru_tcp *c)
{
    struct naru_tcp_ooo *old = c->more->ooo;
    if (old != NULL && old->count >= ranges_max(c))
        return false;
    if (old != NULL && old->count < old->size)
        return true;
    uint32_t size = old == NULL ? SIZE_MIN : old->size * 4;
    if (size > SIZE_MOST || !naru_tcp_more_need(c))
        return false;
    struct naru_tcp_ooo *o = naru_mem_alloc(c->more->env->mem, ooo_bytes(size));
    if (o == NULL)
        return false;
    memset(o, 0, sizeof(*o));
    if (old != NULL) {
        *o = *old;
        o->first = 0;
        for (uint32_t i = 0; i < old->count; i++)
            o->at[i] = *range_at(old, i);
        naru_mem_free(c->more->env->mem, old, ooo_bytes(old->size));
    }
    o->size = size;
    c->more->ooo = o;
    return true;
}

static void charge(struct naru_tcp *c, struct naru_pkt *pkt)
{
    c->more->ooo->truesize += (uint32_t)naru_pkt_truesize(pkt);
    c->more->env->ooo_bytes += naru_pkt_truesize(pkt);
}

static void discharge(struct naru_tcp *c, struct naru_pkt *pkt)
{
    c->more->ooo->truesize -= (uint32_t)naru_pkt_truesize(pkt);
    c->more->env->ooo_bytes -= naru_pkt_truesize(pkt);
}

/* Opens a place at i (0 <= i <= count < size). */
static struct range *open_place(struct naru_tcp_ooo *o, uint32_t i)
{
    if (i < o->count / 2) {
        o->first = (o->first - 1) & (o->size - 1);
        for (uint32_t k = 0; k < i; k++)
            *range_at(o, k) = *range_at(o, k + 1);
    } else {
        for (uint32_t k = o->count; k > i; k--)
            *range_at(o, k) = *range_at(o, k - 1);
    }
    o->count++;
    return range_at(o, i);
}

static void close_place(struct naru_tcp_ooo *o, uint32_t i)
{
    if (i < o->count / 2) {
        for (uint32_t k = i; k > 0; k--)
            *range_at(o, k) = *range_at(o, k - 1);
        o->first = (o->first + 1) & (o->size - 1);
    } else {
        for (uint32_t k = i; k + 1 < o->count; k++)
            *range_at(o, k) = *range_at(o, k + 1);
    }
    o->count--;
}

static void drop_range(struct naru_tcp *c, uint32_t i)
{
    struct range *r = range_at(c->more->ooo, i);
    while (r->first != NULL) {
        struct naru_pkt *pkt = r->first;
        r->first = pkt->next;
        discharge(c, pkt);
        naru_pktpool_put(pkt);
    }
    close_place(c->more->ooo, i);
}

/* The object goes when nothing is in it. */
static void settle(struct naru_tcp *c)
{
    struct naru_tcp_ooo *o = c->more->ooo;
    bool any = o != NULL && (o->count > 0 || o->fin_known);
    if (o != NULL && !any) {
        naru_mem_free(c->more->env->mem, o, ooo_bytes(o->size));
        c->more->ooo = NULL;
    }
    naru_tcp_set_slow(c, NARU_TCP_SLOW_OOO, any);
}

static void dsack(struct naru_tcp *c, naru_seq start, naru_seq end)
{
    if (!(c->flags & NARU_TCP_F_SACK) || (c->flags & NARU_TCP_F_DSACK_DUE))
        return; /* of a segment with several, the first (RFC 2883 4.2) */
    c->more->dsack_start = start;
    c->more->dsack_end = end;
    c->flags |= NARU_TCP_F_DSACK_DUE;
}

/* The first range that ends at or after seq. */
static uint32_t find(const struct naru_tcp_ooo *o, naru_seq seq)
{
    uint32_t low = 0, high = o->count;
    if (high > 0 && naru_seq_before(range_of(o, high - 1)->end, seq))
        return high;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (naru_seq_before(range_of(o, mid)->end, seq))
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool holds(const struct range *r, naru_seq seq)
{
    return naru_seq_before_eq(r->start, seq) && naru_seq_before(seq, r->end);
}

/* Range i is the latest to be told of. */
static void touch(struct naru_tcp_ooo *o, uint32_t i)
{
    const struct range *r = range_of(o, i);
    unsigned kept = 0;
    naru_seq recent[RECENT];
    for (unsigned k = 0; k < o->recent_count && kept + 1 < RECENT; k++)
        if (!holds(r, o->recent[k]))
            recent[kept++] = o->recent[k];
    o->recent[0] = r->start;
    memcpy(&o->recent[1], recent, kept * sizeof(recent[0]));
    o->recent_count = (uint8_t)(kept + 1);
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
    struct naru_tcp_ooo *o = c->more->ooo;
    if (i + 1 >= o->count)
        return;
    struct range *r = range_at(o, i), *next = range_at(o, i + 1);
    if (!naru_seq_eq(r->end, next->start))
        return;
    r->last->next = next->first;
    r->last = next->last;
    r->end = next->end;
    close_place(o, i + 1);
}

/*
 * Cuts off what is there already.  i is the first range that ends at or after the data; ranges that
 * lie wholly inside give way, so that one piece is left.  False: nothing is left.
 */
static bool trim(struct naru_tcp *c, uint32_t i, naru_seq *seq, struct naru_pkt *pkt)
{
    struct naru_tcp_ooo *o = c->more->ooo;
    naru_seq end = naru_seq_add(*seq, pkt->len);
    if (i < o->count && naru_seq_before_eq(range_of(o, i)->start, *seq)) {
        naru_seq known = naru_seq_min(range_of(o, i)->end, end);
        if (naru_seq_before(*seq, known))
            dsack(c, *seq, known);
        if (naru_seq_eq(known, end)) {
            touch(o, i);
            return false;
        }
        naru_pkt_pull(pkt, naru_seq_len(*seq, known));
        *seq = known;
        i++;
    }
    while (i < o->count && naru_seq_before_eq(range_of(o, i)->end, end)) {
        dsack(c, range_of(o, i)->start, range_of(o, i)->end);
        drop_range(c, i);
    }
    if (i < o->count && naru_seq_before(range_of(o, i)->start, end)) {
        dsack(c, range_of(o, i)->start, end);
        naru_pkt_trim(pkt, naru_seq_len(*seq, range_of(o, i)->start));
    }
    return true;
}

/* What is new goes to a range that it touches, or becomes one; false: there are too many. */
static bool put(struct naru_tcp *c, naru_seq seq, struct naru_pkt *pkt)
{
    struct naru_tcp_ooo *o = c->more->ooo;
    uint32_t i = find(o, seq);
    naru_seq end = naru_seq_add(seq, pkt->len);
    if (i < o->count && naru_seq_eq(range_of(o, i)->end, seq)) {
        append(c, range_at(o, i), pkt);
        join(c, i);
    } else if (i < o->count && naru_seq_eq(range_of(o, i)->start, end)) {
        prepend(c, range_at(o, i), pkt);
    } else if (o->count == o->size || o->count >= ranges_max(c)) {
        return false;
    } else {
        pkt->next = NULL;
        *open_place(o, i) = (struct range){ .start = seq, .end = end, .first = pkt, .last = pkt };
        charge(c, pkt);
    }
    touch(o, i);
    return true;
}

/* Out-of-order segments are kept for later (SHLD-31). */
NARU_NOINLINE enum naru_drop naru_tcp_ooo_add(struct naru_tcp *c, naru_seq seq,
                                              struct naru_pkt *pkt)
{
    size_t truesize = naru_pkt_truesize(pkt);
    uint64_t own_max = (uint64_t)c->rcv.buf * 2 + NARU_PKT_ROOM_SUPER;
    uint32_t own = c->more->ooo == NULL ? 0 : c->more->ooo->truesize;
    enum naru_drop why = NARU_DROP_NONE;
    if (own + truesize > own_max || c->more->env->ooo_bytes + truesize > c->more->env->ooo_max ||
        naru_mem_pressure(c->more->env->mem) != NARU_MEM_NORMAL)
        why = NARU_DROP_TCP_OOO_LIMIT;
    else if (!grow(c) && c->more->ooo == NULL)
        why = NARU_DROP_NO_MEMORY;
    else if (!trim(c, find(c->more->ooo, seq), &seq, pkt))
        why = NARU_DROP_TCP_DUPLICATE;
    if (why != NARU_DROP_NONE) {
        naru_pktpool_put(pkt);
        return why;
    }

    pkt = naru_pktpool_fit(pkt);
    pkt->seq = seq.v;
    if (!put(c, seq, pkt)) {
        naru_pktpool_put(pkt);
        return NARU_DROP_TCP_OOO_LIMIT;
    }
    settle(c);
    return NARU_DROP_NONE;
}

NARU_NOINLINE void naru_tcp_ooo_fin(struct naru_tcp *c, naru_seq fin)
{
    if (c->more->ooo == NULL && !grow(c))
        return;
    c->more->ooo->fin = fin;
    c->more->ooo->fin_known = true;
    settle(c);
}

NARU_NOINLINE bool naru_tcp_ooo_drain(struct naru_tcp *c)
{
    struct naru_tcp_ooo *o = c->more->ooo;
    if (o == NULL)
        return false;
    while (o->count > 0 && naru_seq_before_eq(range_of(o, 0)->start, c->rcv.nxt)) {
        struct range *r = range_at(o, 0);
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
    const struct naru_tcp_ooo *o = c->more->ooo;
    unsigned count = 0;
    for (unsigned k = 0; o != NULL && count < max && k < o->recent_count; k++) {
        uint32_t i = find(o, naru_seq_add(o->recent[k], 1));     /* not one that only ends there */
        if (i < o->count && holds(range_of(o, i), o->recent[k])) /* else it is in order by now */
            block[count++] = (struct naru_tcp_sack){ .left = range_of(o, i)->start,
                                                     .right = range_of(o, i)->end };
    }
    return count;
}

NARU_NOINLINE unsigned naru_tcp_ooo_ranges(const struct naru_tcp *c)
{
    return c->more->ooo == NULL ? 0 : c->more->ooo->count;
}

NARU_NOINLINE void naru_tcp_ooo_free(struct naru_tcp *c)
{
    if (c->more->ooo == NULL)
        return;
    while (c->more->ooo->count > 0)
        drop_range(c, c->more->ooo->count - 1);
    c->more->ooo->fin_known = false;
    settle(c);
}

void naru_tcp_ooo_check(const struct naru_tcp *c)
{
    const struct naru_tcp_ooo *o = c->more->ooo;
    uint64_t truesize = 0;
    if (o == NULL)
        return;
    NARU_ASSERT(o->count <= o->size && (o->count > 0 || o->fin_known));
    for (uint32_t i = 0; i < o->count; i++) {
        const struct range *r = range_of(o, i);
        naru_seq at = r->start;
        NARU_ASSERT(naru_seq_after(r->start, c->rcv.nxt) ||
                    (c->state == NARU_TCP_SYN_RECEIVED && naru_seq_eq(r->start, c->rcv.nxt)));
        NARU_ASSERT(i == 0 || naru_seq_before(range_of(o, i - 1)->end, r->start));
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
