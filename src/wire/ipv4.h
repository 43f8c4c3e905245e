/*
 * IPv4 (RFC 791, RFC 1122 3.2.1, RFC 2474 and 3168 for the TOS byte, RFC 2113 router alert).
 *
 * The header checksum is verified by a call of its own, so that nobody pays for it twice.
 *
 * Not done: acting on source routes, recording routes and times; the options are only recognised,
 * with bounds.
 */
#ifndef NARU_WIRE_IPV4_H
#define NARU_WIRE_IPV4_H

#include "wire/ip.h"

enum {
    NARU_IPV4_LEN = 20,
    NARU_IPV4_OPTIONS_MAX = 40,
    NARU_IPV4_LEN_MAX = NARU_IPV4_LEN + NARU_IPV4_OPTIONS_MAX,
    NARU_IPV4_MTU_MIN = 68,
};

struct naru_ipv4_hdr {
    struct naru_addr src, dst;
    uint16_t total_len; /* header, options and payload */
    uint16_t ident;
    uint16_t frag_offset; /* bytes */
    bool df, mf;
    uint8_t tos; /* naru_tos_dscp, naru_tos_ecn */
    uint8_t ttl;
    uint8_t protocol;
    uint8_t header_len; /* bytes; emit takes it from options */
    uint16_t checksum;  /* emit computes it */
    struct naru_span options;
};

NARU_INLINE bool naru_ipv4_is_fragment(const struct naru_ipv4_hdr *h)
{
    return h->mf || h->frag_offset != 0;
}

/* 20 and the options, padded to a multiple of 4. */
NARU_INLINE size_t naru_ipv4_len(const struct naru_ipv4_hdr *h)
{
    return NARU_IPV4_LEN + naru_round_up(h->options.len, 4);
}

/* in becomes the payload, without padding behind it.  IPV4_SHORT, _VERSION, _HEADER_LEN, _LENGTH.
 */
enum naru_drop naru_ipv4_parse(struct naru_span *in, struct naru_ipv4_hdr *h);

/* The header of a packet quoted by an ICMP error, which may end anywhere behind the header. */
enum naru_drop naru_ipv4_parse_quoted(struct naru_span *in, struct naru_ipv4_hdr *h);

/* header: its first byte; header_len as parsed. */
bool naru_ipv4_checksum_ok(const uint8_t *header, size_t header_len);

/* The checksum of a header of five words that do not include it. */
NARU_INLINE uint16_t naru_ipv4_words_checksum(uint32_t a, uint32_t b, uint32_t c, uint32_t d,
                                              uint32_t e)
{
    return (uint16_t)~naru_csum_fold_words((uint64_t)a + b + c + d + e);
}

/* naru_ipv4_emit for a header of a whole datagram without options. */
NARU_INLINE void naru_ipv4_emit_plain(uint8_t *at, const struct naru_ipv4_hdr *h)
{
    uint32_t version = 0x45U << 24 | (uint32_t)h->tos << 16 | h->total_len;
    uint32_t ident = (uint32_t)h->ident << 16 | (h->df ? 0x4000U : 0U);
    uint32_t ttl = (uint32_t)h->ttl << 24 | (uint32_t)h->protocol << 16;
    uint32_t src = naru_get32(h->src.b + 12), dst = naru_get32(h->dst.b + 12);
    naru_put32(at, version);
    naru_put32(at + 4, ident);
    naru_put32(at + 8, ttl | naru_ipv4_words_checksum(version, ident, ttl, src, dst));
    naru_put32(at + 12, src);
    naru_put32(at + 16, dst);
}

/* Writes naru_ipv4_len(h) bytes, at most 60, checksum included; options are padded with zeros. */
size_t naru_ipv4_emit(uint8_t *at, const struct naru_ipv4_hdr *h);

/* ---- Changing a packet that is there (RFC 1624) ---- */

/* A router's: TTL less one.  It must not be 0. */
void naru_ipv4_patch_ttl(uint8_t *header);

/* Writes the total length and computes the checksum anew. */
void naru_ipv4_patch_len(uint8_t *header, uint16_t total_len, uint16_t ident);

/* ---- Options ---- */

enum naru_ipv4_opt {
    NARU_IPV4_OPT_END = 0,
    NARU_IPV4_OPT_NOP = 1,
    NARU_IPV4_OPT_RR = 7,
    NARU_IPV4_OPT_TS = 68,
    NARU_IPV4_OPT_LSRR = 131,
    NARU_IPV4_OPT_SSRR = 137,
    NARU_IPV4_OPT_ROUTER_ALERT = 148,
};

struct naru_ipv4_option {
    uint8_t type;
    uint8_t at;            /* from the first byte of the IP header */
    struct naru_span data; /* behind type and length */
};

/*
 * The next option that is not padding; *at is 0 before the first.  False at the end, and when the
 * rest is malformed: *problem is then the Parameter Problem pointer, else 0.
 */
bool naru_ipv4_option_next(const struct naru_ipv4_hdr *h, unsigned *at,
                           struct naru_ipv4_option *option, unsigned *problem);

/* All options at a glance.  data without type and length; at == NULL: not there. */
struct naru_ipv4_options {
    struct naru_span rr, ts, lsrr, ssrr;
    bool router_alert;
    uint8_t problem; /* IPV4_OPTION: the Parameter Problem pointer */
};

/* IPV4_OPTION: malformed, or a route or timestamp option that points outside itself, or twice. */
enum naru_drop naru_ipv4_options_parse(const struct naru_ipv4_hdr *h, struct naru_ipv4_options *o);

#endif
