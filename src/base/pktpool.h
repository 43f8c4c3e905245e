/*
 * Where packets come from: a few size classes with bounded free lists on a budget.
 *
 * A packet is one piece of memory, struct naru_pkt and then its buffer.  Freed packets are kept, up
 * to cache_max bytes, and taken again in last-in-first-out order, so that the hot path is a pop
 * and a push and the memory is still in the cache.  The free lists count against the budget of
 * struct naru_mem; when it refuses, the pool first gives its own free lists back and tries again.
 *
 * Not done here: naru_pkt_new, which is the stack's, since only it knows its pool.
 */
#ifndef NARU_BASE_PKTPOOL_H
#define NARU_BASE_PKTPOOL_H

#include <naru/pkt.h>

struct naru_mem;

enum { NARU_PKTPOOL_CLASSES = 4 };

/* Room in a packet of each class; asking for exactly one of these wastes nothing. */
#define NARU_PKT_ROOM_SMALL 256u   /* ACKs, ARP, ICMP */
#define NARU_PKT_ROOM_FRAME 2048u  /* one frame of MTU 1500 with headroom */
#define NARU_PKT_ROOM_JUMBO 9728u  /* one frame of MTU 9000 with headroom */
#define NARU_PKT_ROOM_SUPER 65664u /* a super-segment, or a whole datagram, with headroom */

/* Bits of naru_pkt.flags. */
enum {
    NARU_PKT_REASSEMBLED = 1, /* made of fragments (RFC 6980: then it is no Neighbor Discovery) */
    NARU_PKT_FRAMED = 2, /* to send: from the link layer's header on, and no longer than allowed */
};

struct naru_pktpool {
    struct naru_mem *mem;
    struct naru_pkt *free[NARU_PKTPOOL_CLASSES];
    size_t cached;      /* bytes in the free lists */
    size_t cache_max;   /* at most this many stay there */
    size_t outstanding; /* bytes in packets that somebody owns */
};

void naru_pktpool_init(struct naru_pktpool *pool, struct naru_mem *mem, size_t cache_max);

/* Gives the free lists back.  Every packet must have come home. */
void naru_pktpool_deinit(struct naru_pktpool *pool);

/* Gives the free lists back and goes on. */
void naru_pktpool_trim(struct naru_pktpool *pool);

/*
 * An empty packet: data headroom bytes into the buffer, len 0, room for capacity bytes behind data,
 * offload, flags, seq, ifindex and next cleared, meta as it happens to be.  NULL when headroom +
 * capacity is above NARU_PKT_ROOM_SUPER, or when allocator or budget are exhausted.
 */
struct naru_pkt *naru_pktpool_get(struct naru_pktpool *pool, size_t headroom, size_t capacity);

/* Makes pkt, which somebody owns, as empty as a new one; it has room for a small packet at least.
 */
void naru_pktpool_clear(struct naru_pkt *pkt, size_t headroom);

/* The same as naru_pkt_free.  NULL is allowed. */
void naru_pktpool_put(struct naru_pkt *pkt);

/* Puts a chain linked by next; returns how many there were. */
unsigned naru_pktpool_put_chain(struct naru_pkt *pkt);

/*
 * pkt, or a copy of it in a smaller one where it would pin more than twice what it needs: for
 * packets that may stay for long.  Its place in lists is the caller's business.
 */
struct naru_pkt *naru_pktpool_fit(struct naru_pkt *pkt);

/* What the packet costs: its struct and whole buffer, used or not. */
size_t naru_pkt_truesize(const struct naru_pkt *pkt);

/* Where the buffer begins behind the start of the struct; aligned to 16 bytes. */
#define NARU_PKT_HEAD ((sizeof(struct naru_pkt) + 15) & ~(size_t)15)

/* First byte of the buffer. */
static inline uint8_t *naru_pkt_buffer(struct naru_pkt *pkt)
{
    return (uint8_t *)pkt + NARU_PKT_HEAD;
}

/* Bytes in front of data. */
static inline size_t naru_pkt_headroom(const struct naru_pkt *pkt)
{
    return (size_t)(pkt->data - ((const uint8_t *)pkt + NARU_PKT_HEAD));
}

/* Bytes behind data + len. */
static inline size_t naru_pkt_tailroom(const struct naru_pkt *pkt)
{
    return pkt->capacity - naru_pkt_headroom(pkt) - pkt->len;
}

/* Grows the packet by len bytes in front, not cleared; the new data, or NULL without headroom. */
static inline uint8_t *naru_pkt_push(struct naru_pkt *pkt, size_t len)
{
    if (len > naru_pkt_headroom(pkt))
        return NULL;
    pkt->data -= len;
    pkt->len += (uint32_t)len;
    return pkt->data;
}

/* Grows the packet by len bytes behind, not cleared; where they begin, or NULL without tailroom. */
static inline uint8_t *naru_pkt_append(struct naru_pkt *pkt, size_t len)
{
    if (len > naru_pkt_tailroom(pkt))
        return NULL;
    uint8_t *at = pkt->data + pkt->len;
    pkt->len += (uint32_t)len;
    return at;
}

/* Takes len bytes off the front; false, and nothing done, if there are fewer. */
static inline bool naru_pkt_pull(struct naru_pkt *pkt, size_t len)
{
    if (len > pkt->len)
        return false;
    pkt->data += len;
    pkt->len -= (uint32_t)len;
    return true;
}

/* Cuts to the first len bytes; false, and nothing done, if there are fewer. */
static inline bool naru_pkt_trim(struct naru_pkt *pkt, size_t len)
{
    if (len > pkt->len)
        return false;
    pkt->len = (uint32_t)len;
    return true;
}

#endif
