/*
 * The send buffer: a chain of blocks that holds [SND.UNA, snd.end) of the stream.
 *
 * Written at the end, read at any place, dropped from the front.  The two places where segments are
 * cut, SND.NXT and the next retransmission, each keep the block they were last found in, so that
 * neither walks from the head: both move forward, and the second goes back to the head only when a
 * new round of retransmissions begins.
 *
 * A block knows the sequence number of its first byte.  Empty are only those at the end that were
 * reserved: until they are committed, or, at the latest, until the next is written.
 */
#include "proto/tcp/internal.h"

#include "base/block.h"
#include "base/mem.h"
#include <string.h>

enum { BLOCK_WANT_MAX = 32768, RESERVE_MAX = 4 };

NARU_INLINE naru_seq block_seq(const struct naru_block *b) { return naru_seq_of(b->seq); }

NARU_INLINE uint32_t block_len(const struct naru_block *b) { return b->end - b->start; }

NARU_INLINE naru_seq block_end(const struct naru_block *b)
{
    return naru_seq_of(b->seq + block_len(b));
}

uint32_t naru_tcp_sndq_room(const struct naru_tcp *c)
{
    uint32_t used = naru_tcp_buffered(c);
    return used < c->sndbuf ? c->sndbuf - used : 0;
}

/* A block for want bytes, but never one that is larger than all that may wait. */
struct naru_block *naru_tcp_sndq_block(const struct naru_tcp *c, uint32_t want)
{
    if (c->sndbuf < NARU_BLOCK_ROOM_LARGE)
        want = NARU_MIN(want, NARU_BLOCK_ROOM_MEDIUM);
    return naru_block_get(c->more->env->blockpool, want);
}

NARU_INLINE struct naru_block *first(const struct naru_tcp *c)
{
    return c->snd_last == NULL ? NULL : c->snd_last->next;
}

/* Empty blocks stand behind the filled ones: they were reserved. */
NARU_INLINE bool has_reserved(const struct naru_tcp *c)
{
    return c->snd_last != NULL && c->snd_last != first(c) && block_len(c->snd_last) == 0;
}

/* The last block with data in it; the first, if there is none.  What follows is reserved. */
static struct naru_block *last_filled(const struct naru_tcp *c)
{
    struct naru_block *b = c->snd_last;
    if (!has_reserved(c))
        return b;
    for (b = c->more->snd_nxt_block != NULL ? c->more->snd_nxt_block : first(c);
         block_len(b->next) > 0;)
        b = b->next;
    return b;
}

/* Nothing stays behind b. */
static void cut_behind(struct naru_tcp *c, struct naru_block *b)
{
    struct naru_block *head = first(c);
    while (b->next != head) {
        struct naru_block *reserved = b->next;
        b->next = reserved->next;
        naru_block_put(c->more->env->blockpool, reserved);
    }
    c->snd_last = b;
}

/* A last block with room; what follows will likely be as much as is there already. */
static struct naru_block *tail(struct naru_tcp *c, uint32_t want)
{
    if (has_reserved(c))
        cut_behind(c, last_filled(c)); /* who reserved them has gone another way */
    struct naru_block *b = c->snd_last;
    if (b != NULL && b->end < b->capacity) {
        if (block_len(b) == 0)
            b->seq = c->snd.end.v;
        return b;
    }
    bool only = b == NULL;
    if (!naru_mem_may_hold(c->more->env->mem, only))
        return NULL;
    want = NARU_MIN(NARU_MAX(want, naru_tcp_buffered(c)), (uint32_t)BLOCK_WANT_MAX);
    if (naru_mem_pressure(c->more->env->mem) != NARU_MEM_NORMAL)
        want = NARU_MIN(want, only ? NARU_BLOCK_ROOM_SMALL : NARU_BLOCK_ROOM_MEDIUM);
    b = naru_tcp_sndq_block(c, want);
    if (b == NULL)
        return NULL;
    b->seq = c->snd.end.v;
    naru_tcp_sndq_add(c, b);
    return b;
}

int64_t naru_tcp_sndq_write(struct naru_tcp *c, const struct naru_slice *slice, unsigned count,
                            uint32_t max)
{
    uint32_t done = 0;
    for (unsigned i = 0; i < count && done < max; i++) {
        const uint8_t *at = slice[i].at;
        size_t left = NARU_MIN(slice[i].len, (size_t)(max - done));
        while (left > 0) {
            struct naru_block *b = tail(c, (uint32_t)left);
            if (b == NULL)
                return done > 0 ? (int64_t)done : (int64_t)NARU_ERR_NOMEM;
            uint32_t n = (uint32_t)NARU_MIN(left, (size_t)(b->capacity - b->end));
            memcpy(naru_block_data(b) + b->end, at, n);
            b->end += n;
            c->snd.end = naru_seq_add(c->snd.end, n);
            at += n;
            left -= n;
            done += n;
        }
    }
    return done;
}

int naru_tcp_sndq_reserve(struct naru_tcp *c, struct naru_room *room, unsigned max, uint32_t len)
{
    unsigned count = 0;
    if (max == 0 || len == 0)
        return NARU_ERR_AGAIN;
    struct naru_block *b = tail(c, len);
    if (b == NULL)
        return NARU_ERR_NOMEM;
    for (uint32_t seq = c->snd.end.v; b != NULL; b = b->next) {
        uint32_t n = NARU_MIN(len, b->capacity - b->end);
        room[count++] = (struct naru_room){ .at = naru_block_data(b) + b->end, .len = n };
        len -= n;
        seq += n;
        if (len == 0 || count == max || count == RESERVE_MAX)
            break;
        struct naru_block *more = naru_tcp_sndq_block(c, len);
        if (more == NULL)
            break;
        more->seq = seq;
        naru_tcp_sndq_add(c, more);
    }
    return (int)count;
}

/* The first len bytes of what was reserved are filled; blocks that stay empty go back. */
void naru_tcp_sndq_commit(struct naru_tcp *c, uint32_t len)
{
    struct naru_block *b = last_filled(c);
    if (b == NULL)
        return;
    for (;;) {
        uint32_t n = NARU_MIN(len, b->capacity - b->end);
        if (block_len(b) == 0)
            b->seq = c->snd.end.v;
        b->end += n;
        c->snd.end = naru_seq_add(c->snd.end, n);
        len -= n;
        if (len == 0)
            break;
        NARU_ASSERT(b != c->snd_last);
        b = b->next;
    }
    cut_behind(c, b);
    if (block_len(b) == 0)
        naru_tcp_sndq_free(c); /* it is the first */
}

/*
 * The block that holds seq.  *place is where it was last, and is moved there; a calm connection has
 * next to nothing in its buffer, and no such place.
 */
static struct naru_block *find(struct naru_tcp *c, naru_seq seq, struct naru_block **place)
{
    struct naru_block *b = *place;
    if (b == NULL || naru_seq_before(seq, block_seq(b)))
        b = c->snd_last->next;
    while (b != c->snd_last && naru_seq_before_eq(block_end(b), seq))
        b = b->next;
    if (!naru_tcp_is_calm(c))
        *place = b;
    return b;
}

unsigned naru_tcp_sndq_slices(struct naru_tcp *c, naru_seq seq, uint32_t *len,
                              struct naru_slice *slice, unsigned max)
{
    uint32_t left = *len;
    unsigned count = 0;
    if (left == 0)
        return 0;
    bool new = naru_seq_eq(seq, c->snd.nxt);
    struct naru_block *b = find(c, seq, new ? &c->more->snd_nxt_block : &c->more->snd_rtx_block);
    uint32_t skip = naru_seq_len(block_seq(b), seq);
    NARU_ASSERT(skip < block_len(b));
    if (NARU_LIKELY(left <= block_len(b) - skip)) {
        slice[0] = (struct naru_slice){ .at = naru_block_data(b) + b->start + skip, .len = left };
        return 1;
    }
    for (; left > 0 && count < max; b = b->next) {
        NARU_ASSERT(block_len(b) > skip);
        uint32_t n = NARU_MIN(left, block_len(b) - skip);
        slice[count++] =
            (struct naru_slice){ .at = naru_block_data(b) + b->start + skip, .len = n };
        left -= n;
        skip = 0;
    }
    *len -= left;
    return count;
}

/* b goes. */
static void leave(struct naru_tcp_more *m, const struct naru_block *b)
{
    if (m->snd_nxt_block == b)
        m->snd_nxt_block = NULL;
    if (m->snd_rtx_block == b)
        m->snd_rtx_block = NULL;
}

static void drop_first(struct naru_tcp *c)
{
    struct naru_block *b = c->snd_last->next;
    if (!naru_tcp_is_calm(c))
        leave(c->more, b);
    if (b == c->snd_last)
        c->snd_last = NULL;
    else
        c->snd_last->next = b->next;
    naru_block_put(c->more->env->blockpool, b);
}

void naru_tcp_sndq_acked(struct naru_tcp *c)
{
    naru_seq una = naru_seq_min(c->snd.una, c->snd.end);
    while (c->snd_last != NULL && naru_seq_before_eq(block_end(first(c)), una))
        drop_first(c);
    struct naru_block *b = first(c);
    if (b != NULL && naru_seq_before(block_seq(b), una)) {
        b->start += naru_seq_len(block_seq(b), una);
        b->seq = una.v;
    }
}

void naru_tcp_sndq_free(struct naru_tcp *c)
{
    while (c->snd_last != NULL)
        drop_first(c);
}

void naru_tcp_sndq_check(const struct naru_tcp *c)
{
    uint32_t total = 0;
    bool nxt = c->more->snd_nxt_block == NULL, rtx = c->more->snd_rtx_block == NULL, more = true;
    for (const struct naru_block *b = first(c); b != NULL && more; b = b->next) {
        more = b != c->snd_last;
        NARU_ASSERT(b->start <= b->end && b->end <= b->capacity);
        NARU_ASSERT(block_len(b) > 0 || !more || block_len(b->next) == 0);
        NARU_ASSERT(block_len(b) == 0 || naru_seq_before(block_seq(b), c->snd.end));
        if (more && block_len(b->next) > 0)
            NARU_ASSERT(naru_seq_eq(block_end(b), block_seq(b->next)));
        nxt = nxt || b == c->more->snd_nxt_block;
        rtx = rtx || b == c->more->snd_rtx_block;
        total += block_len(b);
    }
    NARU_ASSERT(nxt && rtx);
    NARU_ASSERT(c->state <= NARU_TCP_SYN_RECEIVED || total == naru_tcp_buffered(c));
}
