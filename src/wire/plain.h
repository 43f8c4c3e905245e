/*
 * The headers of nearly every segment there is, at one go: Ethernet II without tags, IPv4 without
 * options or IPv6 without extension headers, TCP with a timestamp and nothing else.
 *
 * Layer by layer, eth.h, ipv4.h, ipv6.h and tcp.h read and write the same bytes; what they do for
 * any header is here done for one shape of it, in registers: each number is loaded or stored once,
 * and summed on its way.  A twin test compares the two.  RFC 894, RFC 791, RFC 8200, RFC 9293, RFC
 * 7323 appendix A.
 */
#ifndef NARU_WIRE_PLAIN_H
#define NARU_WIRE_PLAIN_H

#include "base/addr.h"
#include "base/csum.h"
#include "wire/eth.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"

enum {
    NARU_PLAIN_TCP_LEN = NARU_TCP_LEN + NARU_TCP_TS_LEN,
    NARU_PLAIN_LEN4 = NARU_ETH_LEN + NARU_IPV4_LEN + NARU_PLAIN_TCP_LEN,
    NARU_PLAIN_LEN6 = NARU_ETH_LEN + NARU_IPV6_LEN + NARU_PLAIN_TCP_LEN,
    NARU_PLAIN_NOP_NOP_TS = 0x0101080a,
};

struct naru_plain {
    const uint8_t *dst_mac, *src_mac;
    const struct naru_addr *src, *dst; /* of one family */
    const struct naru_tcp_hdr *tcp;    /* opts is NARU_TCP_OPT_TS; checksum and ecn are not read */
    uint8_t tos, hop_limit;
    bool csum_partial;    /* only the pseudo header is summed: the device does the rest */
    uint32_t payload_len; /* 65535 at most with the headers in front of it */
    uint16_t payload_sum; /* naru_csum_fold of it, where it is summed */
};

/* Sixteen bits of a sum of 32-bit words. */
NARU_INLINE uint16_t naru_plain_fold(uint64_t sum)
{
    sum = (sum >> 32) + (sum & 0xffffffffU);
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    return (uint16_t)((sum >> 16) + sum);
}

NARU_INLINE uint64_t naru_plain_words(uint64_t pair) { return (pair >> 32) + (uint32_t)pair; }

/* pseudo: the sum of the two addresses. */
NARU_INLINE void naru_plain_emit_tcp(uint8_t *at, const struct naru_plain *p, uint64_t pseudo)
{
    const struct naru_tcp_hdr *h = p->tcp;
    uint32_t ports = (uint32_t)h->sport << 16 | h->dport;
    uint32_t flags = (uint32_t)(NARU_PLAIN_TCP_LEN / 4) << 28 | (uint32_t)h->flags << 16 | h->wnd;
    uint32_t seq = h->seq.v, ack = h->ack.v, val = h->ts_val, ecr = h->ts_ecr, checksum;
    pseudo += NARU_PROTO_TCP + NARU_PLAIN_TCP_LEN + p->payload_len;
    if (p->csum_partial)
        checksum = naru_plain_fold(pseudo);
    else
        checksum = (uint16_t)~naru_plain_fold(pseudo + ports + seq + ack + flags + h->urg +
                                              NARU_PLAIN_NOP_NOP_TS + val + ecr + p->payload_sum);
    naru_put32(at, ports);
    naru_put32(at + 4, seq);
    naru_put32(at + 8, ack);
    naru_put32(at + 12, flags);
    naru_put32(at + 16, checksum << 16 | h->urg);
    naru_put32(at + 20, NARU_PLAIN_NOP_NOP_TS);
    naru_put32(at + 24, val);
    naru_put32(at + 28, ecr);
}

NARU_INLINE void naru_plain_emit_eth(uint8_t *at, const struct naru_plain *p, uint16_t ethertype)
{
    memcpy(at, p->dst_mac, NARU_MAC_LEN);
    memcpy(at + NARU_MAC_LEN, p->src_mac, NARU_MAC_LEN);
    naru_put16(at + NARU_ETH_LEN - 2, ethertype);
}

/* DF is set, so that the identification means nothing and is 0 (RFC 6864 4.1). */
NARU_INLINE void naru_plain_emit4(uint8_t *at, const struct naru_plain *p)
{
    uint32_t len = NARU_IPV4_LEN + NARU_PLAIN_TCP_LEN + p->payload_len;
    uint32_t version = 0x45000000U | (uint32_t)p->tos << 16 | len, ident = 0x4000;
    uint32_t ttl = (uint32_t)p->hop_limit << 24 | NARU_PROTO_TCP << 16;
    uint32_t src = naru_addr_v4_bits(p->src), dst = naru_addr_v4_bits(p->dst);
    uint64_t pseudo = (uint64_t)src + dst;
    uint16_t checksum = (uint16_t)~naru_plain_fold(pseudo + version + ident + ttl);

    naru_plain_emit_eth(at, p, NARU_ETHERTYPE_IPV4);
    at += NARU_ETH_LEN;
    naru_put32(at, version);
    naru_put32(at + 4, ident);
    naru_put32(at + 8, ttl | checksum);
    naru_put32(at + 12, src);
    naru_put32(at + 16, dst);
    naru_plain_emit_tcp(at + NARU_IPV4_LEN, p, pseudo);
}

NARU_INLINE void naru_plain_emit6(uint8_t *at, const struct naru_plain *p)
{
    uint32_t len = NARU_PLAIN_TCP_LEN + p->payload_len;
    uint64_t src[2] = { naru_addr_hi(p->src), naru_addr_lo(p->src) };
    uint64_t dst[2] = { naru_addr_hi(p->dst), naru_addr_lo(p->dst) };
    uint64_t pseudo = naru_plain_words(src[0]) + naru_plain_words(src[1]) +
                      naru_plain_words(dst[0]) + naru_plain_words(dst[1]);

    naru_plain_emit_eth(at, p, NARU_ETHERTYPE_IPV6);
    at += NARU_ETH_LEN;
    naru_put32(at, 6U << 28 | (uint32_t)p->tos << 20);
    naru_put32(at + 4, len << 16 | NARU_PROTO_TCP << 8 | p->hop_limit);
    naru_put64(at + 8, src[0]);
    naru_put64(at + 16, src[1]);
    naru_put64(at + 24, dst[0]);
    naru_put64(at + 32, dst[1]);
    naru_plain_emit_tcp(at + NARU_IPV6_LEN, p, pseudo);
}

#endif
