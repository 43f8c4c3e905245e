/*
 * The headers of nearly every datagram, at one go: those of plain.h with UDP behind them.
 *
 * Who sends many to one peer keeps what they share: between two datagrams of a socket less differs
 * than between two segments, and nothing else of the socket is needed then.  A twin test compares
 * them with what eth.h, ipv4.h, ipv6.h and udp.h write and read.  RFC 768, RFC 8200 8.1.  Not done:
 * datagrams without a checksum, which are left to the layers.
 */
#ifndef NARU_WIRE_PLAIN_UDP_H
#define NARU_WIRE_PLAIN_UDP_H

#include "wire/plain.h"
#include "wire/udp.h"

/*
 * The headers of all datagrams from one socket to one peer: only lengths, the identification, the
 * neighbour and the checksums differ.
 */
struct naru_plain_udp {
    uint16_t ip_sum;     /* of what does not differ in an IPv4 header */
    uint16_t pseudo_sum; /* of the pseudo header without the length */
    uint16_t ports_sum;
    uint8_t link_len; /* 0: nothing stands in front of IP */
    uint8_t len;      /* of all headers */
    bool v4;
    uint8_t bytes[64]; /* a round number, to be copied whole */
};

/* ---- Writing ---- */

struct naru_plain_udp_ends {
    const uint8_t *src_mac; /* NULL: nothing stands in front of IP */
    const struct naru_addr *src, *dst;
    uint16_t sport, dport;
    uint8_t tos, hop_limit;
    bool df;             /* IPv4 */
    uint32_t flow_label; /* IPv6: 20 bits */
};

NARU_INLINE void naru_plain_udp_init(struct naru_plain_udp *p, const struct naru_plain_udp_ends *e)
{
    struct naru_udp_hdr udp = { .sport = e->sport, .dport = e->dport };
    *p = (struct naru_plain_udp){ .v4 = naru_addr_is_v4(e->src) };
    if (e->src_mac != NULL) {
        struct naru_eth_hdr eth = { .ethertype =
                                        p->v4 ? NARU_ETHERTYPE_IPV4 : NARU_ETHERTYPE_IPV6 };
        memcpy(eth.src, e->src_mac, NARU_MAC_LEN);
        p->link_len = (uint8_t)naru_eth_emit(p->bytes, &eth);
    }
    uint8_t *ip = p->bytes + p->link_len;
    struct naru_ipv4_hdr ip4 = { .src = *e->src,
                                 .dst = *e->dst,
                                 .tos = e->tos,
                                 .ttl = e->hop_limit,
                                 .df = e->df,
                                 .protocol = NARU_PROTO_UDP };
    struct naru_ipv6_hdr ip6 = { .src = *e->src,
                                 .dst = *e->dst,
                                 .traffic_class = e->tos,
                                 .flow_label = e->flow_label,
                                 .hop_limit = e->hop_limit,
                                 .next_header = NARU_PROTO_UDP };
    size_t ip_len = p->v4 ? naru_ipv4_emit(ip, &ip4) : naru_ipv6_emit(ip, &ip6);
    p->ip_sum = (uint16_t)~naru_get16(ip + 10); /* IPv4: its checksum, as it is of all this */
    (void)naru_udp_emit(ip + ip_len, &udp);
    p->pseudo_sum = naru_csum_fold(naru_csum_pseudo(e->src, e->dst, NARU_PROTO_UDP, 0));
    p->ports_sum = naru_csum_fold_words((uint32_t)e->sport + e->dport);
    p->len = (uint8_t)(p->link_len + ip_len + NARU_UDP_LEN);
}

/* One of them. */
struct naru_plain_udp_one {
    const uint8_t *dst_mac; /* NULL: nothing stands in front of IP */
    uint32_t payload_len;   /* 65535 at most with the headers in front of it */
    uint16_t payload_sum;   /* naru_csum_fold of it, where it is summed */
    uint16_t ident;         /* IPv4 */
    bool csum_partial;      /* only the pseudo header is summed: the device does the rest */
};

/* What is the same in all; at has room for sizeof(p->bytes), and the payload comes to at + p->len
 * after this. */
NARU_INLINE void naru_plain_udp_begin(uint8_t *at, const struct naru_plain_udp *p)
{
    memcpy(at, p->bytes, sizeof(p->bytes));
}

NARU_INLINE void naru_plain_udp_finish(uint8_t *at, const struct naru_plain_udp *p,
                                       const struct naru_plain_udp_one *one)
{
    uint8_t *ip = at + p->link_len, *udp = at + p->len - NARU_UDP_LEN;
    uint32_t len = NARU_UDP_LEN + one->payload_len, sum = p->pseudo_sum + len;
    if (one->csum_partial) {
        sum = naru_csum_fold32(sum);
    } else {
        sum = naru_csum_fold32(sum + p->ports_sum + len + one->payload_sum) ^ 0xffffu;
        sum = sum != 0 ? sum : 0xffff; /* 0 would say that there is none */
    }
    naru_put32(udp + 4, len << 16 | sum);
    if (p->v4) {
        uint32_t total = NARU_IPV4_LEN + len;
        naru_put16(ip + 2, total);
        naru_put16(ip + 4, one->ident);
        naru_put16(ip + 10, (uint16_t)~naru_csum_fold32(p->ip_sum + total + one->ident));
    } else {
        naru_put16(ip + 4, len);
    }
    if (one->dst_mac != NULL)
        memcpy(at, one->dst_mac, NARU_MAC_LEN);
}

/* ---- Reading ---- */

/* Where the headers would name their transport, it is UDP: worth a look. */
NARU_INLINE bool naru_plain_may_be_udp(const uint8_t *frame, size_t len, bool link_layer)
{
    if (len < NARU_ETH_LEN + NARU_IPV4_LEN)
        return false;
    const uint8_t *ip = frame + (link_layer ? NARU_ETH_LEN : 0);
    return ip[*ip >> 4 == 4 ? 9 : 6] == NARU_PROTO_UDP;
}

struct naru_plain_udp_in {
    struct naru_addr src, dst;
    uint16_t sport, dport;
    uint8_t tos, hop_limit;
    uint32_t header_len; /* of IP and UDP */
    uint32_t payload_len;
    uint64_t sum; /* of all under the UDP checksum but the payload */
};

/* len bytes are what IP carries; UDP's own length must say the same. */
NARU_INLINE bool naru_plain_udp_read(const uint8_t *p, uint32_t len, uint64_t pseudo,
                                     struct naru_plain_udp_in *in)
{
    uint32_t ports = naru_get32(p), rest = naru_get32(p + 4);
    if (rest >> 16 != len || (rest & 0xffff) == 0)
        return false;
    in->sport = (uint16_t)(ports >> 16);
    in->dport = (uint16_t)ports;
    in->header_len += NARU_UDP_LEN;
    in->payload_len = len - NARU_UDP_LEN;
    in->sum = pseudo + NARU_PROTO_UDP + len + ports + rest;
    return true;
}

NARU_INLINE bool naru_plain_udp_read_ip(const uint8_t *p, const struct naru_plain_ip *ip,
                                        struct naru_plain_udp_in *in)
{
    in->src = ip->src;
    in->dst = ip->dst;
    in->tos = ip->tos;
    in->hop_limit = ip->hop_limit;
    in->header_len = ip->header_len;
    return naru_plain_udp_read(p + ip->header_len, ip->len, ip->pseudo, in);
}

NARU_INLINE bool naru_plain_udp_parse4(const uint8_t *p, size_t len, struct naru_plain_udp_in *in)
{
    struct naru_plain_ip ip;
    return naru_plain_ip4(p, len, NARU_PROTO_UDP, NARU_UDP_LEN, &ip) &&
           naru_plain_udp_read_ip(p, &ip, in);
}

NARU_INLINE bool naru_plain_udp_parse6(const uint8_t *p, size_t len, struct naru_plain_udp_in *in)
{
    struct naru_plain_ip ip;
    return naru_plain_ip6(p, len, NARU_PROTO_UDP, NARU_UDP_LEN, &ip) &&
           naru_plain_udp_read_ip(p, &ip, in);
}

#endif
