/*
 * Fragments: putting datagrams together (RFC 791 3.2, RFC 8200 4.5, both families in one machine)
 * and cutting them up.
 *
 * Fragments are kept as the packets they came in (small ones are copied into small packets, so that
 * eight bytes cannot pin a whole frame), sorted by offset, and are copied into one packet when the
 * last gap closes.  Everything has a limit: memory (true sizes), datagrams, fragments of one
 * datagram; the oldest datagram makes room for a new one.
 *
 * Any overlap ends the whole datagram, in both families (RFC 5722, RFC 8200 4.5); the exact
 * repetition of a fragment is ignored.  After an overlap an IPv6 datagram's later fragments are
 * refused until its timer ends; an IPv4 identification is free again at once, since 16 bits come
 * round within seconds on a fast link.  ECN marks are joined by RFC 3168 5.3.
 *
 * The first fragment of an IPv6 datagram must hold the whole header chain (RFC 7112).
 *
 * An atomic fragment (offset 0, nothing follows) is not for this machine: the caller treats it as
 * the whole datagram it is (RFC 6946).
 */
#ifndef NARU_PROTO_FRAG_H
#define NARU_PROTO_FRAG_H

#include "base/alarm.h"
#include "base/list.h"
#include "base/pool.h"
#include "base/rand.h"
#include "base/siphash.h"
#include "base/table.h"
#include <naru/drop.h>
#include <naru/pkt.h>

struct naru_pktpool;

/* Set up by naru_frag_config_init, then changed. */
struct naru_frag_config {
    uint32_t memory_max;    /* bytes of packets held; 1 MiB */
    uint32_t datagrams_max; /* being put together at once; 256 */
    uint32_t fragments_max; /* of one datagram; 256 */
    naru_time timeout4;     /* 30 s */
    naru_time timeout6;     /* 60 s */
};

struct naru_frag {
    struct naru_frag_config config;
    struct naru_pktpool *packets;
    struct naru_siphash_key key;
    struct naru_table table;
    struct naru_pool pool;
    struct naru_list by_age[2]; /* IPv4, IPv6: the oldest first */
    size_t memory;
    struct naru_alarm *alarm; /* hears of each deadline; NULL: nobody does */
};

void naru_frag_config_init(struct naru_frag_config *config);

/* Nothing is allocated before the first fragment.  mem and packets must outlive it; rand only for
 * the call. */
void naru_frag_init(struct naru_frag *frag, const struct naru_frag_config *config,
                    struct naru_mem *mem, struct naru_pktpool *packets, struct naru_rand *rand);

/* Puts what is held. */
void naru_frag_deinit(struct naru_frag *frag);

/* What the caller has read in the headers.  pkt->data is the first byte of the IP header. */
struct naru_frag_info {
    enum naru_family family;
    struct naru_addr src, dst;
    uint32_t ident;
    uint32_t offset;         /* bytes */
    bool more;               /* MF, M */
    uint8_t protocol;        /* IPv4: protocol.  IPv6: the fragment header's next header */
    uint16_t header_len;     /* bytes before the fragment's data, IPv6 fragment header included */
    uint16_t payload_len;    /* bytes of the fragment's data; anything behind it is ignored */
    uint16_t next_header_at; /* IPv6: where the header before the fragment header names it (44) */
};

enum naru_frag_problem {
    NARU_FRAG_FINE,
    NARU_FRAG_NOT_EIGHTS, /* IPv6: more follow, length no multiple of 8: parameter problem at 4 */
    NARU_FRAG_TOO_LONG,   /* IPv6: whole above 65535: parameter problem at the offset field */
};

struct naru_frag_result {
    struct naru_pkt *whole; /* the datagram, now the caller's; NULL while something is missing */
    enum naru_frag_problem problem; /* with NARU_DROP_FRAG_LENGTH: pkt was not put then */
    unsigned
        discarded; /* earlier fragments of this datagram that went with it, for the same reason */
    unsigned evicted; /* fragments of other datagrams that made room: drop FRAG_LIMIT */
};

/*
 * Takes pkt (see problem for the one exception).  NARU_DROP_NONE: kept, or *whole is complete: one
 * IP packet without any trace of fragmentation, headers of the first fragment, length and IPv4
 * checksum set, offload cleared, ifindex of the first, NARU_PKT_REASSEMBLED in flags.  Otherwise
 * the reason why this fragment was dropped: FRAG_OVERLAP, FRAG_DUPLICATE, FRAG_LENGTH, FRAG_CHAIN,
 * FRAG_ECN, FRAG_LIMIT, NO_MEMORY.
 */
enum naru_drop naru_frag_input(struct naru_frag *frag, struct naru_pkt *pkt,
                               const struct naru_frag_info *info, naru_time now,
                               struct naru_frag_result *result);

struct naru_frag_expired {
    struct naru_pkt *first; /* the first fragment as it came, now the caller's, or NULL: not seen */
    unsigned fragments;     /* that were dropped, first included: drop FRAG_TIMEOUT */
    enum naru_family family;
};

/* One datagram whose time is over, removed; false when there is none. */
bool naru_frag_next_expired(struct naru_frag *frag, naru_time now,
                            struct naru_frag_expired *expired);

naru_time naru_frag_deadline(const struct naru_frag *frag);

/* Under memory pressure: ends the oldest datagram; returns its fragments (FRAG_LIMIT), 0 if none.
 */
unsigned naru_frag_shed(struct naru_frag *frag);

/* ---- The way out ---- */

/* Walks over the pieces of payload_len bytes that fit behind header_len bytes of headers. */
struct naru_frag_cut {
    uint32_t payload_len;
    uint32_t piece_max; /* a multiple of 8 */
    uint32_t offset;
};

struct naru_frag_piece {
    uint32_t offset, len;
    bool more;
};

/* header_len counts what each packet carries (IPv6: with the fragment header).  False: MTU too
 * small. */
bool naru_frag_cut_init(struct naru_frag_cut *cut, uint32_t header_len, uint32_t payload_len,
                        uint32_t mtu);

/* False when all pieces were given. */
bool naru_frag_cut_next(struct naru_frag_cut *cut, struct naru_frag_piece *piece);

/* ---- Identification (RFC 7739: per-destination counters behind a keyed hash) ---- */

struct naru_frag_ident {
    struct naru_siphash_key key;
    uint32_t counter[256];
};

void naru_frag_ident_init(struct naru_frag_ident *ident, struct naru_rand *rand);

/* Where the numbers for a pair of addresses are; who sends many may keep it. */
struct naru_frag_ident_place {
    uint32_t offset;
    uint32_t counter;
};

struct naru_frag_ident_place naru_frag_ident_place(const struct naru_frag_ident *ident,
                                                   const struct naru_addr *src,
                                                   const struct naru_addr *dst);

/* The next number; IPv4 takes the low 16 bits. */
static inline uint32_t naru_frag_ident_take(struct naru_frag_ident *ident,
                                            const struct naru_frag_ident_place *place)
{
    return place->offset + ident->counter[place->counter]++;
}

uint32_t naru_frag_ident_next(struct naru_frag_ident *ident, const struct naru_addr *src,
                              const struct naru_addr *dst);

#endif
