/*
 * TCP segments (RFC 9293 3.1; options RFC 7323, 2018, 7413, 5482, 9768; ECN flags RFC 3168, 9768).
 *
 * Options are read as Linux reads them: unknown ones and ones of a wrong length are skipped, and
 * one whose length cannot be ends the list.  They are written in Linux's order.  What an option
 * means in which segment (MSS, window scale, SACK permitted and Fast Open only with SYN) is for the
 * machine to say; wscale comes as it is, also above 14.
 *
 * Not done: MD5 and AO (RFC 2385, 5925).
 */
#ifndef NARU_WIRE_TCP_H
#define NARU_WIRE_TCP_H

#include "base/seq.h"
#include "wire/ip.h"

enum {
    NARU_TCP_LEN = 20,
    NARU_TCP_OPTIONS_MAX = 40,
    NARU_TCP_LEN_MAX = NARU_TCP_LEN + NARU_TCP_OPTIONS_MAX,
    NARU_TCP_SEQ_AT = 4,
    NARU_TCP_CHECKSUM_AT = 16, /* offset of the field, as naru_offload wants it */
    NARU_TCP_TS_LEN = 12,      /* what `nop,nop,TS` costs every segment */
    NARU_TCP_SACK_MAX = 4,
    NARU_TCP_COOKIE_MAX = 16,
};

enum naru_tcp_flag {
    NARU_TCP_FIN = 0x001,
    NARU_TCP_SYN = 0x002,
    NARU_TCP_RST = 0x004,
    NARU_TCP_PSH = 0x008,
    NARU_TCP_ACK = 0x010,
    NARU_TCP_URG = 0x020,
    NARU_TCP_ECE = 0x040,
    NARU_TCP_CWR = 0x080,
    NARU_TCP_AE = 0x100,
};

/* Options as the wire numbers them. */
enum naru_tcp_kind {
    NARU_TCP_KIND_EOL = 0,
    NARU_TCP_KIND_NOP = 1,
    NARU_TCP_KIND_MSS = 2,
    NARU_TCP_KIND_WSCALE = 3,
    NARU_TCP_KIND_SACK_OK = 4,
    NARU_TCP_KIND_SACK = 5,
    NARU_TCP_KIND_TS = 8,
    NARU_TCP_KIND_MD5 = 19,
    NARU_TCP_KIND_USER_TIMEOUT = 28,
    NARU_TCP_KIND_FASTOPEN = 34,
    NARU_TCP_KIND_ACCECN_FIRST0 = 172,
    NARU_TCP_KIND_ACCECN_FIRST1 = 174,
    NARU_TCP_KIND_EXPERIMENT = 254,
};

enum { NARU_TCP_FASTOPEN_EXID = 0xf989 }; /* with KIND_EXPERIMENT (RFC 6994) */

/* Which options there are. */
enum naru_tcp_opt {
    NARU_TCP_OPT_MSS = 0x01,
    NARU_TCP_OPT_WSCALE = 0x02,
    NARU_TCP_OPT_SACK_OK = 0x04,
    NARU_TCP_OPT_TS = 0x08,
    NARU_TCP_OPT_SACK = 0x10,
    NARU_TCP_OPT_FASTOPEN = 0x20,
    NARU_TCP_OPT_FASTOPEN_EXP = 0x40, /* with FASTOPEN: the experimental form, kind 254 */
    NARU_TCP_OPT_USER_TIMEOUT = 0x80,
    NARU_TCP_OPT_ACCECN = 0x100,        /* accurate ECN */
    NARU_TCP_OPT_ACCECN_FIRST1 = 0x200, /* with ACCECN: e1b first (kind 174), else e0b (172) */
};

struct naru_tcp_sack {
    naru_seq left, right; /* right is the first number not covered */
};

/* Accurate ECN (RFC 9768 3.2.3): bytes of payload that came marked so, the lowest 24 bits. */
enum naru_tcp_accecn { NARU_TCP_E0B, NARU_TCP_CEB, NARU_TCP_E1B, NARU_TCP_ACCECN_COUNTERS };

/* The value of an option has a meaning only if its bit is in opts. */
struct naru_tcp_hdr {
    uint16_t sport, dport;
    naru_seq seq, ack;
    uint16_t flags; /* enum naru_tcp_flag */
    uint16_t wnd;   /* as on the wire, not scaled */
    uint16_t urg;
    uint16_t checksum;
    uint16_t opts;      /* enum naru_tcp_opt */
    uint8_t header_len; /* bytes; emit takes it from the options */
    uint8_t ecn;        /* enum naru_ecn of the IP header around it: the caller's, parse gives 0 */
    uint8_t wscale;
    uint8_t sack_count;
    uint32_t ts_val, ts_ecr;
    uint16_t mss;
    uint8_t cookie_len; /* Fast Open; 0 asks for one */
    const uint8_t *cookie;
    uint32_t user_timeout_s; /* written in minutes above 32767 */
    uint8_t accecn_count;    /* counters in the option, in its order: 0 to 3 */
    uint32_t accecn[NARU_TCP_ACCECN_COUNTERS];
    struct naru_tcp_sack sack[NARU_TCP_SACK_MAX];
};

/*
 * All that is news in the header of a segment of the usual kind: ACK and perhaps PSH, and of
 * options a timestamp or nothing.
 */
struct naru_tcp_news {
    naru_seq seq, ack;
    uint16_t wnd; /* as on the wire, not scaled */
    bool timestamp;
    uint32_t ts_val, ts_ecr;
};

/* in becomes the payload.  TCP_SHORT, TCP_HEADER_LEN. */
enum naru_drop naru_tcp_parse(struct naru_span *in, struct naru_tcp_hdr *h);

/*
 * Header with options: 20 to 60, a multiple of 4; what does not fit together is a bug of ours.
 * Options that were received can be more than fit when written, since writing pads them.
 */
size_t naru_tcp_len(const struct naru_tcp_hdr *h);
bool naru_tcp_fits(const struct naru_tcp_hdr *h);

/*
 * Writes naru_tcp_len(h) bytes, h->checksum as it is (0 to have it computed).
 *
 *     SYN   mss, sackOK, TS, nop, wscale     mss, nop, nop, sackOK, nop, wscale
 *     data  nop, nop, TS                     nop, nop, TS, nop, nop, sack      nop, nop, sack
 *
 * Accurate ECN comes behind the timestamp, or where it would be.
 */
size_t naru_tcp_emit(uint8_t *at, const struct naru_tcp_hdr *h);

/* How many SACK blocks fit beside these other options: 4, with timestamps 3. */
unsigned naru_tcp_sack_room(const struct naru_tcp_hdr *h);

/*
 * The checksum of an emitted header (whose field is 0) and payload in slices; pseudo is
 * naru_csum_pseudo(src, dst, 6, header and payload length).
 */
uint16_t naru_tcp_checksum(const struct naru_csum_ops *ops, uint32_t pseudo, const uint8_t *header,
                           size_t header_len, const struct naru_slice *slice, unsigned count);

/* Into the field of an emitted header. */
NARU_INLINE void naru_tcp_checksum_set(uint8_t *header, uint16_t checksum)
{
    naru_put16(header + NARU_TCP_CHECKSUM_AT, checksum);
}

/* segment: header and payload, len bytes. */
bool naru_tcp_checksum_ok(const struct naru_csum_ops *ops, const struct naru_addr *src,
                          const struct naru_addr *dst, const uint8_t *segment, size_t len);

#endif
