/*
 * The headers of nearly every segment there is, at one go: Ethernet II without tags (or nothing),
 * IPv4 without options or IPv6 without extension headers, TCP with a timestamp and nothing else.
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
    NARU_PLAIN_LEN4 = NARU_IPV4_LEN + NARU_PLAIN_TCP_LEN,
    NARU_PLAIN_LEN6 = NARU_IPV6_LEN + NARU_PLAIN_TCP_LEN,
    NARU_PLAIN_NOP_NOP_TS = 0x0101080a,
};

struct naru_plain {
    const uint8_t *dst_mac, *src_mac;  /* dst_mac NULL: nothing stands in front of IP */
    const struct naru_addr *src, *dst; /* of one family */
    const struct naru_tcp_hdr *tcp;    /* opts is NARU_TCP_OPT_TS; checksum and ecn are not read */
    uint8_t tos, hop_limit;
    bool csum_partial;    /* only the pseudo header is summed: the device does the rest */
    uint32_t flow_label;  /* IPv6: 20 bits */
    uint32_t payload_len; /* 65535 at most with the headers in front of it */
    uint64_t payload_sum; /* naru_csum_as_words of it, where it is summed */
    uint16_t ends;        /* naru_plain_ends of src and dst */
};

NARU_INLINE uint64_t naru_plain_words(uint64_t pair) { return (pair >> 32) + (uint32_t)pair; }

/* ---- Writing ---- */

/* The sum of two addresses of one family, which all packets between them have in common. */
NARU_INLINE uint64_t naru_plain_pseudo(const struct naru_addr *a, const struct naru_addr *b)
{
    if (naru_addr_is_v4(a))
        return (uint64_t)naru_addr_v4_bits(a) + naru_addr_v4_bits(b);
    return naru_plain_words(naru_addr_hi(a)) + naru_plain_words(naru_addr_lo(a)) +
           naru_plain_words(naru_addr_hi(b)) + naru_plain_words(naru_addr_lo(b));
}

/* The same, to be kept. */
NARU_INLINE uint16_t naru_plain_ends(const struct naru_addr *a, const struct naru_addr *b)
{
    return naru_csum_fold_words(naru_plain_pseudo(a, b));
}

/* Puts a word where it belongs; the sum with it. */
NARU_INLINE uint64_t naru_plain_put(uint8_t *at, uint32_t word, uint64_t sum)
{
    naru_put32(at, word);
    return sum + word;
}

NARU_INLINE void naru_plain_emit_tcp(uint8_t *at, const struct naru_plain *p)
{
    const struct naru_tcp_hdr *h = p->tcp;
    uint64_t pseudo = (uint64_t)p->ends + NARU_PROTO_TCP + NARU_PLAIN_TCP_LEN + p->payload_len;
    uint64_t sum = pseudo + p->payload_sum + h->urg;
    uint32_t flags = (uint32_t)(NARU_PLAIN_TCP_LEN / 4) << 28 | (uint32_t)h->flags << 16 | h->wnd;
    sum = naru_plain_put(at, (uint32_t)h->sport << 16 | h->dport, sum);
    sum = naru_plain_put(at + 4, h->seq.v, sum);
    sum = naru_plain_put(at + 8, h->ack.v, sum);
    sum = naru_plain_put(at + 12, flags, sum);
    sum = naru_plain_put(at + 20, NARU_PLAIN_NOP_NOP_TS, sum);
    sum = naru_plain_put(at + 24, h->ts_val, sum);
    sum = naru_plain_put(at + 28, h->ts_ecr, sum);
    naru_put16(at + 16, p->csum_partial ? naru_csum_fold_words(pseudo)
                                        : (uint16_t)~naru_csum_fold_words(sum));
    naru_put16(at + 18, h->urg);
}

/* Where IP begins. */
NARU_INLINE uint8_t *naru_plain_emit_eth(uint8_t *at, const struct naru_plain *p,
                                         uint16_t ethertype)
{
    if (p->dst_mac == NULL)
        return at;
    memcpy(at, p->dst_mac, NARU_MAC_LEN);
    memcpy(at + NARU_MAC_LEN, p->src_mac, NARU_MAC_LEN);
    naru_put16(at + NARU_ETH_LEN - 2, ethertype);
    return at + NARU_ETH_LEN;
}

/* Where TCP begins.  DF is set, so that the identification means nothing and is 0 (RFC 6864 4.1).
 */
NARU_INLINE uint8_t *naru_plain_emit_ip4(uint8_t *at, const struct naru_plain *p)
{
    uint32_t len = NARU_IPV4_LEN + NARU_PLAIN_TCP_LEN + p->payload_len, df = 0x4000;
    uint32_t version = 0x4500U | p->tos, ttl = (uint32_t)p->hop_limit << 8 | NARU_PROTO_TCP;
    uint16_t checksum = (uint16_t)~naru_csum_fold_words(p->ends + version + len + df + ttl);

    at = naru_plain_emit_eth(at, p, NARU_ETHERTYPE_IPV4);
    naru_put32(at, version << 16 | len);
    naru_put32(at + 4, df);
    naru_put32(at + 8, ttl << 16 | checksum);
    memcpy(at + 12, p->src->b + 12, 4);
    memcpy(at + 16, p->dst->b + 12, 4);
    return at + NARU_IPV4_LEN;
}

NARU_INLINE uint8_t *naru_plain_emit_ip6(uint8_t *at, const struct naru_plain *p)
{
    uint32_t len = NARU_PLAIN_TCP_LEN + p->payload_len;
    at = naru_plain_emit_eth(at, p, NARU_ETHERTYPE_IPV6);
    naru_put32(at, 6U << 28 | (uint32_t)p->tos << 20 | p->flow_label);
    naru_put32(at + 4, len << 16 | NARU_PROTO_TCP << 8 | p->hop_limit);
    memcpy(at + 8, p->src->b, sizeof(p->src->b));
    memcpy(at + 24, p->dst->b, sizeof(p->dst->b));
    return at + NARU_IPV6_LEN;
}

NARU_INLINE void naru_plain_emit4(uint8_t *at, const struct naru_plain *p)
{
    naru_plain_emit_tcp(naru_plain_emit_ip4(at, p), p);
}

NARU_INLINE void naru_plain_emit6(uint8_t *at, const struct naru_plain *p)
{
    naru_plain_emit_tcp(naru_plain_emit_ip6(at, p), p);
}

/* ---- Reading ---- */

/* The sum of the two addresses of an IP header. */
NARU_INLINE uint64_t naru_plain_pseudo4(const uint8_t *ip)
{
    return (uint64_t)naru_get32(ip + 12) + naru_get32(ip + 16);
}

NARU_INLINE uint64_t naru_plain_pseudo6(const uint8_t *ip)
{
    return naru_plain_words(naru_get64(ip + 8)) + naru_plain_words(naru_get64(ip + 16)) +
           naru_plain_words(naru_get64(ip + 24)) + naru_plain_words(naru_get64(ip + 32));
}

/* What an IP header without options, of a whole packet, says. */
struct naru_plain_ip {
    struct naru_addr src, dst;
    uint64_t pseudo;
    uint32_t header_len, len; /* its own, and of what it carries */
    uint8_t tos, hop_limit;
};

/* An IPv4 packet in len bytes that carries at least min of proto; its checksum is looked at. */
NARU_INLINE bool naru_plain_ip4(const uint8_t *p, size_t len, uint8_t proto, uint32_t min,
                                struct naru_plain_ip *ip)
{
    if (len < NARU_IPV4_LEN + min)
        return false;
    uint32_t version = naru_get32(p), ident = naru_get32(p + 4), ttl = naru_get32(p + 8);
    uint32_t total = version & 0xffff;
    ip->pseudo = naru_plain_pseudo4(p);
    if (version >> 24 != 0x45 || (ident & 0xbfff) != 0 || (ttl >> 16 & 0xff) != proto ||
        total < NARU_IPV4_LEN + min || total > len ||
        !naru_csum_words_ok(ip->pseudo + version + ident + ttl))
        return false;
    ip->src = naru_addr_from4(p + 12);
    ip->dst = naru_addr_from4(p + 16);
    ip->header_len = NARU_IPV4_LEN;
    ip->len = total - NARU_IPV4_LEN;
    ip->tos = (uint8_t)(version >> 16);
    ip->hop_limit = (uint8_t)(ttl >> 24);
    return true;
}

NARU_INLINE bool naru_plain_ip6(const uint8_t *p, size_t len, uint8_t proto, uint32_t min,
                                struct naru_plain_ip *ip)
{
    if (len < NARU_IPV6_LEN + min)
        return false;
    uint32_t version = naru_get32(p), next = naru_get32(p + 4);
    ip->len = next >> 16;
    if (version >> 28 != 6 || (next >> 8 & 0xff) != proto || ip->len < min ||
        ip->len > len - NARU_IPV6_LEN)
        return false;
    ip->src = naru_addr_from16(p + 8);
    ip->dst = naru_addr_from16(p + 24);
    ip->pseudo = naru_plain_pseudo6(p);
    ip->header_len = NARU_IPV6_LEN;
    ip->tos = (uint8_t)(version >> 20);
    ip->hop_limit = (uint8_t)next;
    return true;
}

struct naru_plain_in {
    struct naru_addr src, dst;
    struct naru_tcp_hdr tcp; /* as naru_tcp_parse has it, but for ecn, which is IP's */
    uint32_t header_len;     /* of IP and TCP */
    uint32_t payload_len;
    uint64_t sum; /* of all under the TCP checksum but the payload */
};

NARU_INLINE bool naru_plain_parse_tcp(const uint8_t *p, uint32_t len, uint64_t pseudo,
                                      struct naru_plain_in *in)
{
    struct naru_tcp_hdr *h = &in->tcp;
    uint32_t ports = naru_get32(p), flags = naru_get32(p + 12), checksum = naru_get32(p + 16);
    if (flags >> 28 != NARU_PLAIN_TCP_LEN / 4 || naru_get32(p + 20) != NARU_PLAIN_NOP_NOP_TS)
        return false;
    h->sport = (uint16_t)(ports >> 16);
    h->dport = (uint16_t)ports;
    h->seq = naru_seq_of(naru_get32(p + 4));
    h->ack = naru_seq_of(naru_get32(p + 8));
    h->flags = flags >> 16 & 0x1ff;
    h->wnd = (uint16_t)flags;
    h->checksum = (uint16_t)(checksum >> 16);
    h->urg = (uint16_t)checksum;
    h->ts_val = naru_get32(p + 24);
    h->ts_ecr = naru_get32(p + 28);
    h->opts = NARU_TCP_OPT_TS;
    h->header_len = NARU_PLAIN_TCP_LEN;
    h->sack_count = h->cookie_len = 0;
    h->cookie = NULL;
    in->header_len += NARU_PLAIN_TCP_LEN;
    in->payload_len = len - NARU_PLAIN_TCP_LEN;
    in->sum = pseudo + NARU_PROTO_TCP + len + ports + h->seq.v + h->ack.v + flags + checksum +
              NARU_PLAIN_NOP_NOP_TS + h->ts_val + h->ts_ecr;
    return true;
}

NARU_INLINE bool naru_plain_parse_ip(const uint8_t *p, const struct naru_plain_ip *ip,
                                     struct naru_plain_in *in)
{
    in->src = ip->src;
    in->dst = ip->dst;
    in->tcp.ecn = ip->tos & 3;
    in->header_len = ip->header_len;
    return naru_plain_parse_tcp(p + ip->header_len, ip->len, ip->pseudo, in);
}

NARU_INLINE bool naru_plain_parse4(const uint8_t *p, size_t len, struct naru_plain_in *in)
{
    struct naru_plain_ip ip;
    return naru_plain_ip4(p, len, NARU_PROTO_TCP, NARU_PLAIN_TCP_LEN, &ip) &&
           naru_plain_parse_ip(p, &ip, in);
}

NARU_INLINE bool naru_plain_parse6(const uint8_t *p, size_t len, struct naru_plain_in *in)
{
    struct naru_plain_ip ip;
    return naru_plain_ip6(p, len, NARU_PROTO_TCP, NARU_PLAIN_TCP_LEN, &ip) &&
           naru_plain_parse_ip(p, &ip, in);
}

/* ---- Reading one that is like another ---- */

enum { NARU_PLAIN_WORDS = 7 };

_Static_assert(NARU_PLAIN_WORDS * 8 >= NARU_ETH_LEN + NARU_IPV6_LEN + 2 &&
                   NARU_PLAIN_WORDS * 8 <= NARU_PLAIN_LEN4 + 4,
               "everything before the ports is compared, and no frame is shorter");

/*
 * What packets from one end to another have in common while their length stays the same: everything
 * up to the ports, but for the identification and the checksum of IPv4, and the flow label of IPv6;
 * and, of one connection, the ports.
 */
struct naru_plain_like {
    NARU_ALIGNED(16) uint64_t mask[NARU_PLAIN_WORDS + 1];
    uint64_t word[NARU_PLAIN_WORDS + 1]; /* where mask is not set, 0 */
    uint64_t tcp_sum;                    /* of the pseudo header; in memory's order, folded */
    uint32_t ports;                      /* in memory's order, too */
    uint32_t ip_sum;                     /* of an IPv4 header, but for those two fields; folded */
    uint32_t len;                        /* of the frame, without what Ethernet puts behind it */
    uint32_t payload_len;
    uint16_t tcp_at, link_len;
    uint8_t ecn;
    bool v4;
};

/* What of headers before TCP's is compared; where they end tells which they are. */
NARU_INLINE void naru_plain_learn_mask(struct naru_plain_like *l)
{
    uint8_t mask[sizeof(l->mask)] = { 0 };
    uint8_t *ip = mask + l->link_len;
    memset(mask, 0xff, l->tcp_at);
    if (l->v4) {
        memset(ip + 4, 0, 2);
        memset(ip + 10, 0, 2);
    } else {
        ip[1] = 0xf0; /* a flow's label */
        memset(ip + 2, 0, 2);
    }
    memcpy(l->mask, mask, sizeof(mask));
}

/* p begins with the headers that naru_plain_parse4 or 6 made in of, link_len bytes into it.  l is
 * all zero, or was learnt before. */
NARU_INLINE void naru_plain_learn(struct naru_plain_like *l, const uint8_t *p, size_t link_len,
                                  const struct naru_plain_in *in)
{
    const uint8_t *ip = p + link_len;
    uint32_t tcp_at = (uint32_t)link_len + in->header_len - NARU_PLAIN_TCP_LEN;
    uint32_t tcp_len = in->payload_len + NARU_PLAIN_TCP_LEN;
    uint64_t pseudo;
    l->len = tcp_at + tcp_len;
    l->payload_len = in->payload_len;
    l->ecn = in->tcp.ecn;
    memcpy(&l->ports, p + tcp_at, sizeof(l->ports));
    if (NARU_UNLIKELY(l->tcp_at != tcp_at)) {
        l->v4 = *ip >> 4 == 4;
        l->link_len = (uint16_t)link_len;
        l->tcp_at = (uint16_t)tcp_at;
        naru_plain_learn_mask(l);
    }
    if (l->v4) {
        pseudo = naru_plain_pseudo4(ip);
        l->ip_sum = naru_be16(naru_csum_fold_words(pseudo + naru_get32(ip) + naru_get16(ip + 6) +
                                                   naru_get16(ip + 8)));
    } else {
        pseudo = naru_plain_pseudo6(ip);
    }
    l->tcp_sum = naru_be16(naru_csum_fold_words(pseudo + NARU_PROTO_TCP + tcp_len));
    memcpy(l->word, p, NARU_PLAIN_WORDS * sizeof(l->word[0]));
    for (unsigned i = 0; i < NARU_PLAIN_WORDS; i++)
        l->word[i] &= l->mask[i];
}

/* An IPv4 header whose other fields are those of l: the sum of all. */
NARU_INLINE bool naru_plain_ip_sum_like(const struct naru_plain_like *l, const uint8_t *ip)
{
    uint16_t ident, checksum;
    memcpy(&ident, ip + 4, sizeof(ident));
    memcpy(&checksum, ip + 10, sizeof(checksum));
    return naru_csum_words_ok((uint64_t)l->ip_sum + ident + checksum);
}

/* Up to the ports, the frame of len bytes at p is like l. */
NARU_INLINE bool naru_plain_is_like(const struct naru_plain_like *l, const uint8_t *p, size_t len)
{
    uint64_t differs = 0;
    if (len < l->len)
        return false;
    for (unsigned i = 0; i < NARU_PLAIN_WORDS; i++) {
        uint64_t word;
        memcpy(&word, p + (size_t)8 * i, sizeof(word));
        differs |= (word & l->mask[i]) ^ l->word[i];
    }
    return differs == 0 && (!l->v4 || naru_plain_ip_sum_like(l, p + l->link_len));
}

/* The ports of such a one are those of l, too; tcp is where they are. */
NARU_INLINE bool naru_plain_ports_like(const struct naru_plain_like *l, const uint8_t *tcp)
{
    uint32_t ports;
    memcpy(&ports, tcp, sizeof(ports));
    return ports == l->ports;
}

/* What naru_plain_parse4 or 6 would say of such a frame, but for the addresses. */
NARU_INLINE bool naru_plain_parse_like(const struct naru_plain_like *l, const uint8_t *p,
                                       struct naru_plain_in *in)
{
    const uint8_t *ip = p + l->link_len;
    in->tcp.ecn = l->ecn;
    in->header_len = l->tcp_at - (uint32_t)l->link_len;
    return naru_plain_parse_tcp(p + l->tcp_at, l->payload_len + NARU_PLAIN_TCP_LEN,
                                l->v4 ? naru_plain_pseudo4(ip) : naru_plain_pseudo6(ip), in);
}

/* The news in one, tcp being where its ports are; false: it is of no usual kind. */
NARU_INLINE bool naru_plain_news(const uint8_t *tcp, struct naru_tcp_news *news)
{
    uint32_t flags = naru_get32(tcp + 12);
    const uint32_t usual = (uint32_t)(NARU_PLAIN_TCP_LEN / 4) << 28 | NARU_TCP_ACK << 16;
    if ((flags & (0xf1ff0000 & ~((uint32_t)NARU_TCP_PSH << 16))) != usual ||
        naru_get32(tcp + 20) != NARU_PLAIN_NOP_NOP_TS)
        return false;
    *news = (struct naru_tcp_news){
        .seq = naru_seq_of(naru_get32(tcp + 4)),
        .ack = naru_seq_of(naru_get32(tcp + 8)),
        .wnd = (uint16_t)flags,
        .timestamp = true,
        .ts_val = naru_get32(tcp + 24),
        .ts_ecr = naru_get32(tcp + 28),
    };
    return true;
}

/* The sum of all that is under the checksum of such a one, but the payload; as naru_csum_add64. */
NARU_INLINE uint64_t naru_plain_tcp_sum(const struct naru_plain_like *l, const uint8_t *tcp)
{
    uint64_t sum = l->tcp_sum, carries = 0;
    for (unsigned i = 0; i < NARU_PLAIN_TCP_LEN; i += 8) {
        uint64_t word;
        memcpy(&word, tcp + i, sizeof(word));
        sum += word;
        carries += sum < word;
    }
    return naru_csum_add64(sum, carries);
}

#endif
