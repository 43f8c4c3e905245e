/*
 * Records of what is in flight, in sequence order.
 *
 * Together they cover [SND.UNA, SND.NXT) without gaps, SYN apart and FIN included.  Neighbours that
 * were sent at the same instant and share their fate are one record, so a quiet connection has one,
 * of which it keeps the time and the flags and knows the rest, and a busy one has a ring: append at
 * the back, pop at the front, binary search for the edges of SACK blocks, insertion by moving the
 * shorter side.
 *
 * The ring is bounded and its memory may be refused.  Then two records become one that remembers
 * the later instant and forgets what was known of either: SACK information is advice (RFC 2018 8),
 * and the retransmission timer repairs what the advice would have.  The bound is two records for
 * each full segment in flight (every second one lost), and some thousands in any case.
 */
#include "proto/tcp/internal.h"

#include "base/mem.h"
#include <string.h>

enum { RING_MIN = 8, RING_MAX = 8192, RING_MAX_LARGE = 65536 };

struct naru_tcp_ring {
    uint32_t first, count, size; /* size: a power of two */
    uint32_t reserved;
    struct naru_tcp_sent at[];
};

static size_t ring_bytes(uint32_t size)
{
    return sizeof(struct naru_tcp_ring) + size * sizeof(struct naru_tcp_sent);
}

NARU_INLINE struct naru_tcp_sent *slot(struct naru_tcp_ring *r, uint32_t i)
{
    return &r->at[(r->first + i) & (r->size - 1)];
}

/* Where the first of them begins. */
static naru_seq beginning(const struct naru_tcp *c)
{
    return naru_tcp_synchronized(c) ? c->snd.una : naru_seq_add(c->snd.una, 1);
}

unsigned naru_tcp_sent_count(const struct naru_tcp *c)
{
    if (c->more->ring != NULL)
        return c->more->ring->count;
    return naru_seq_before(beginning(c), c->snd.nxt) ? 1 : 0;
}

/* The only one, in no ring. */
static struct naru_tcp_sent lone(const struct naru_tcp *c, naru_seq start)
{
    return (struct naru_tcp_sent){
        .start = start, .end = c->snd.nxt, .flags = c->snd.lone, .sent_at = c->sent_at
    };
}

struct naru_tcp_sent *naru_tcp_sent_at(struct naru_tcp *c, unsigned i)
{
    if (c->more->ring != NULL)
        return slot(c->more->ring, i);
    NARU_ASSERT(!naru_tcp_is_calm(c));
    c->more->lone = lone(c, beginning(c));
    return &c->more->lone;
}

naru_time naru_tcp_sent_since(const struct naru_tcp *c)
{
    return c->more->ring != NULL ? slot(c->more->ring, 0)->sent_at : c->sent_at;
}

naru_time naru_tcp_sent_newest(const struct naru_tcp *c)
{
    struct naru_tcp_ring *ring = c->more->ring;
    return ring != NULL ? slot(ring, ring->count - 1)->sent_at : c->sent_at;
}

/* Adds to (sign 1) or takes from (-1) the counters what a range with these flags stands for. */
static void account(struct naru_tcp *c, uint8_t flags, uint32_t len, bool add)
{
    uint32_t n = add ? len : 0u - len;
    if (flags & NARU_TCP_SENT_SACKED)
        c->more->sacked += n;
    if (flags & NARU_TCP_SENT_LOST)
        c->more->lost += n;
    if (flags & NARU_TCP_SENT_RETRANS)
        c->more->retrans += n;
}

/* r was changed, not in its length. */
NARU_INLINE void keep(struct naru_tcp *c, const struct naru_tcp_sent *r)
{
    if (c->more->ring == NULL) {
        c->sent_at = r->sent_at;
        c->snd.lone = r->flags;
    }
}

void naru_tcp_sent_flag(struct naru_tcp *c, struct naru_tcp_sent *r, uint8_t flags)
{
    uint32_t len = naru_seq_len(r->start, r->end);
    account(c, r->flags, len, false);
    account(c, flags, len, true);
    r->flags = flags;
    keep(c, r);
}

void naru_tcp_sent_stamp(struct naru_tcp *c, struct naru_tcp_sent *r, naru_time now)
{
    r->sent_at = now;
    keep(c, r);
}

static bool too_many(const struct naru_tcp *c, uint32_t size)
{
    return size > RING_MAX &&
           (size > RING_MAX_LARGE || size / 4 > naru_tcp_flight(c) / NARU_MAX(c->snd.mss, 1u));
}

/* Room for one more record; false at the bound or without memory.  There is one at least. */
static NARU_NOINLINE bool grow(struct naru_tcp *c)
{
    struct naru_tcp_ring *old = c->more->ring;
    uint32_t count = naru_tcp_sent_count(c);
    uint32_t size = old == NULL ? RING_MIN : old->size;
    if (old != NULL && old->count < old->size)
        return true;
    if (old != NULL)
        size *= 2;
    if (too_many(c, size) || !naru_tcp_more_need(c))
        return false;
    struct naru_tcp_ring *r = naru_mem_alloc(c->more->env->mem, ring_bytes(size));
    if (r == NULL)
        return false;
    r->first = 0;
    r->count = count;
    r->size = size;
    for (uint32_t i = 0; i < count; i++)
        r->at[i] = *naru_tcp_sent_at(c, i);
    if (old != NULL)
        naru_mem_free(c->more->env->mem, old, ring_bytes(old->size));
    c->more->ring = r;
    return true;
}

/* The last record, or in no ring the only one, reaches up to end. */
static void extend(struct naru_tcp *c, naru_seq end, uint8_t flags, naru_time now)
{
    struct naru_tcp_ring *ring = c->more->ring;
    if (ring == NULL) {
        c->snd.lone = flags;
        c->sent_at = now;
        return;
    }
    struct naru_tcp_sent *last = slot(ring, ring->count - 1);
    last->end = end;
    last->flags = flags;
    last->sent_at = now;
}

/* SND.NXT is still start. */
void naru_tcp_sent_push(struct naru_tcp *c, naru_seq start, naru_seq end, uint8_t even,
                        naru_time now)
{
    struct naru_tcp_ring *ring = c->more->ring;
    unsigned count = naru_tcp_sent_count(c);
    NARU_ASSERT(naru_seq_eq(c->snd.nxt, start));
    if (ring == NULL && count == 0) {
        extend(c, end, even, now);
        return;
    }
    uint8_t flags = ring != NULL && count > 0 ? slot(ring, count - 1)->flags : c->snd.lone;
    if (count > 0 && (flags & ~NARU_TCP_SENT_EVEN) == 0 && naru_tcp_sent_newest(c) == now) {
        extend(c, end, flags & (naru_seq_eq(c->snd.sml, start) ? 0 : even), now);
    } else if (grow(c)) {
        ring = c->more->ring;
        ring->count++;
        *slot(ring, count) =
            (struct naru_tcp_sent){ .start = start, .end = end, .flags = even, .sent_at = now };
    } else {
        if (!naru_tcp_is_calm(c))
            naru_tcp_sent_flag(c, naru_tcp_sent_at(c, count - 1), flags & NARU_TCP_SENT_EVER);
        extend(c, end, flags & NARU_TCP_SENT_EVER, now);
    }
}

/* What the acknowledged bytes of a record, up to end, tell of round-trip times and deliveries. */
static void tell(const struct naru_tcp *c, const struct naru_tcp_sent *r, naru_seq end,
                 struct naru_tcp_acked *a)
{
    bool ever = (r->flags & NARU_TCP_SENT_EVER) != 0;
    a->retransmitted = a->retransmitted || ever;
    if (r->flags & NARU_TCP_SENT_SACKED)
        return;
    a->delivered += naru_seq_len(r->start, end);
    if (NARU_UNLIKELY(ever)) {
        if (naru_tcp_rack_believes(c, r, a))
            naru_tcp_acked_newest(a, r->sent_at, end);
        return;
    }
    naru_tcp_acked_newest(a, r->sent_at, end);
    if (a->first_sent == NARU_NEVER) {
        a->first_sent = r->sent_at;
        a->once = true;
        a->once_start = r->start;
    }
}

static void pop_lone(struct naru_tcp *c, naru_seq una, struct naru_tcp_acked *a)
{
    struct naru_tcp_sent r = lone(c, naru_seq_sub(una, a->acked));
    if (a->acked == 0 || naru_seq_eq(r.start, r.end))
        return;
    tell(c, &r, una, a);
    account(c, r.flags, a->acked, false);
}

/* SND.UNA is una already, and was a->acked before. */
void naru_tcp_sent_pop(struct naru_tcp *c, naru_seq una, struct naru_tcp_acked *a)
{
    struct naru_tcp_ring *ring = c->more->ring;
    if (ring == NULL) {
        pop_lone(c, una, a);
        return;
    }
    while (ring->count > 0) {
        struct naru_tcp_sent *r = slot(ring, 0);
        if (naru_seq_after_eq(r->start, una))
            break;
        naru_seq to = naru_seq_min(r->end, una);
        uint32_t len = naru_seq_len(r->start, to);
        tell(c, r, to, a);
        account(c, r->flags, len, false);
        r->start = to;
        if (!naru_seq_eq(to, r->end))
            break;
        ring->first = (ring->first + 1) & (ring->size - 1);
        ring->count--;
    }
}

unsigned naru_tcp_sent_find(struct naru_tcp *c, naru_seq seq)
{
    unsigned low = 0, high = naru_tcp_sent_count(c);
    while (low < high) {
        unsigned mid = low + (high - low) / 2;
        if (naru_seq_after(naru_tcp_sent_at(c, mid)->end, seq))
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

/* Opens a place at i (0 < i <= count), moving the shorter side. */
static void open_slot(struct naru_tcp_ring *r, uint32_t i)
{
    if (i < r->count / 2) {
        r->first = (r->first - 1) & (r->size - 1);
        for (uint32_t k = 0; k < i; k++)
            *slot(r, k) = *slot(r, k + 1);
    } else {
        for (uint32_t k = r->count; k > i; k--)
            *slot(r, k) = *slot(r, k - 1);
    }
    r->count++;
}

static void close_slot(struct naru_tcp_ring *r, uint32_t i)
{
    if (i < r->count / 2) {
        for (uint32_t k = i; k > 0; k--)
            *slot(r, k) = *slot(r, k - 1);
        r->first = (r->first + 1) & (r->size - 1);
    } else {
        for (uint32_t k = i; k + 1 < r->count; k++)
            *slot(r, k) = *slot(r, k + 1);
    }
    r->count--;
}

bool naru_tcp_sent_split(struct naru_tcp *c, unsigned i, naru_seq at)
{
    if (!grow(c) || c->more->ring == NULL)
        return false;
    open_slot(c->more->ring, i + 1);
    struct naru_tcp_sent *a = slot(c->more->ring, i), *b = slot(c->more->ring, i + 1);
    *b = *a;
    a->end = b->start = at;
    return true;
}

static bool agree(const struct naru_tcp *c, const struct naru_tcp_sent *a,
                  const struct naru_tcp_sent *b)
{
    if (a->flags != b->flags)
        return false;
    if (a->flags & NARU_TCP_SENT_SACKED)
        return true; /* when it was sent matters no more */
    const uint8_t both = NARU_TCP_SENT_LOST | NARU_TCP_SENT_RETRANS;
    bool waits = (a->flags & both) == NARU_TCP_SENT_LOST; /* for its second copy: the same */
    return (waits || a->sent_at == b->sent_at) &&
           (!(a->flags & NARU_TCP_SENT_EVEN) || naru_seq_len(a->start, a->end) % c->snd.mss == 0);
}

unsigned naru_tcp_sent_merge_before(struct naru_tcp *c, unsigned i)
{
    struct naru_tcp_ring *r = c->more->ring;
    if (r == NULL || i == 0 || i >= r->count || !agree(c, slot(r, i - 1), slot(r, i)))
        return 0;
    slot(r, i - 1)->end = slot(r, i)->end;
    slot(r, i - 1)->sent_at = NARU_MAX(slot(r, i - 1)->sent_at, slot(r, i)->sent_at);
    close_slot(r, i);
    return 1;
}

void naru_tcp_sent_merge(struct naru_tcp *c, unsigned i)
{
    (void)naru_tcp_sent_merge_before(c, i + 1);
    (void)naru_tcp_sent_merge_before(c, i);
}

NARU_NOINLINE void naru_tcp_sent_free(struct naru_tcp *c)
{
    if (c->more->ring != NULL)
        naru_mem_free(c->more->env->mem, c->more->ring, ring_bytes(c->more->ring->size));
    c->snd.lone = 0;
    if (naru_tcp_is_calm(c))
        return;
    c->more->ring = NULL;
    c->more->sacked = c->more->lost = c->more->retrans = 0;
}

void naru_tcp_sent_trim(struct naru_tcp *c)
{
    if (c->more->ring != NULL && c->more->ring->count == 0)
        naru_tcp_sent_free(c);
    if (NARU_UNLIKELY(c->more->loss != NULL) && naru_tcp_sent_count(c) == 0)
        naru_tcp_loss_trim(c);
}

void naru_tcp_sent_check(struct naru_tcp *c)
{
    uint32_t sacked = 0, lost = 0, retrans = 0;
    naru_seq at = naru_tcp_synchronized(c) ? c->snd.una : c->snd.nxt;
    for (unsigned i = 0; i < naru_tcp_sent_count(c); i++) {
        struct naru_tcp_sent only = lone(c, beginning(c));
        const struct naru_tcp_sent *r = c->more->ring != NULL ? slot(c->more->ring, i) : &only;
        uint32_t len = naru_seq_len(r->start, r->end);
        NARU_ASSERT(naru_seq_eq(r->start, at) && naru_seq_before(r->start, r->end));
        NARU_ASSERT(!(r->flags & NARU_TCP_SENT_SACKED) ||
                    !(r->flags & (NARU_TCP_SENT_LOST | NARU_TCP_SENT_RETRANS)));
        sacked += r->flags & NARU_TCP_SENT_SACKED ? len : 0;
        lost += r->flags & NARU_TCP_SENT_LOST ? len : 0;
        retrans += r->flags & NARU_TCP_SENT_RETRANS ? len : 0;
        at = r->end;
    }
    if (naru_tcp_synchronized(c))
        NARU_ASSERT(naru_seq_eq(at, c->snd.nxt));
    NARU_ASSERT(sacked == c->more->sacked && lost == c->more->lost && retrans == c->more->retrans);
}
