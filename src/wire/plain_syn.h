/*
 * TCP headers without a payload at one go: of segments that open a connection, refuse one, or
 * answer for one that is over, with those options alone that nearly all of them have.
 *
 * What naru_tcp_emit and naru_tcp_checksum do for any header, in the same order of options and with
 * the same padding; each word is summed on its way.  A twin test compares the two.
 */
#ifndef NARU_WIRE_PLAIN_SYN_H
#define NARU_WIRE_PLAIN_SYN_H

#include "wire/plain.h"

enum {
    NARU_PLAIN_SYN_OPTS =
        NARU_TCP_OPT_MSS | NARU_TCP_OPT_SACK_OK | NARU_TCP_OPT_TS | NARU_TCP_OPT_WSCALE,
    NARU_PLAIN_SYN_LEN_MAX = NARU_TCP_LEN + 20,
    NARU_PLAIN_MSS = 0x02040000,
    NARU_PLAIN_SACK_OK_TS = 0x0402080a,
    NARU_PLAIN_NOP_NOP_SACK_OK = 0x01010402,
    NARU_PLAIN_NOP_WSCALE = 0x01030300,
};

/* Its options are none but those. */
NARU_INLINE bool naru_plain_syn_fits(const struct naru_tcp_hdr *h)
{
    return (h->opts & ~(unsigned)NARU_PLAIN_SYN_OPTS) == 0;
}

struct naru_plain_cursor {
    uint8_t *at;
    uint64_t sum;
};

NARU_INLINE void naru_plain_word(struct naru_plain_cursor *w, uint32_t word)
{
    w->sum = naru_plain_put(w->at, word, w->sum);
    w->at += 4;
}

NARU_INLINE void naru_plain_syn_options(struct naru_plain_cursor *w, const struct naru_tcp_hdr *h)
{
    unsigned opts = h->opts;
    if (opts & NARU_TCP_OPT_MSS)
        naru_plain_word(w, NARU_PLAIN_MSS | h->mss);
    if (opts & NARU_TCP_OPT_TS) {
        naru_plain_word(w, opts & NARU_TCP_OPT_SACK_OK ? (uint32_t)NARU_PLAIN_SACK_OK_TS
                                                       : (uint32_t)NARU_PLAIN_NOP_NOP_TS);
        naru_plain_word(w, h->ts_val);
        naru_plain_word(w, h->ts_ecr);
    } else if (opts & NARU_TCP_OPT_SACK_OK) {
        naru_plain_word(w, NARU_PLAIN_NOP_NOP_SACK_OK);
    }
    if (opts & NARU_TCP_OPT_WSCALE)
        naru_plain_word(w, NARU_PLAIN_NOP_WSCALE | h->wscale);
}

/*
 * Writes the header and returns its length.  pseudo: the sum of the two addresses.  csum_partial:
 * only the pseudo header is summed.
 */
NARU_INLINE uint32_t naru_plain_syn_emit(uint8_t *at, const struct naru_tcp_hdr *h, uint64_t pseudo,
                                         bool csum_partial)
{
    struct naru_plain_cursor w = { .at = at + NARU_TCP_LEN };
    uint32_t ports = (uint32_t)h->sport << 16 | h->dport, seq = h->seq.v, ack = h->ack.v;
    naru_plain_syn_options(&w, h);
    uint32_t len = (uint32_t)(w.at - at);
    uint32_t flags = len / 4 << 28 | (uint32_t)h->flags << 16 | h->wnd;
    pseudo += NARU_PROTO_TCP + len;
    uint32_t checksum =
        csum_partial
            ? naru_csum_fold_words(pseudo)
            : (uint16_t)~naru_csum_fold_words(pseudo + ports + seq + ack + flags + h->urg + w.sum);
    naru_put32(at, ports);
    naru_put32(at + 4, seq);
    naru_put32(at + 8, ack);
    naru_put32(at + 12, flags);
    naru_put32(at + 16, checksum << 16 | h->urg);
    return len;
}

/* The whole frame, and its length; of p all counts but the payload. */
NARU_INLINE uint32_t naru_plain_syn_frame(uint8_t *at, const struct naru_plain *p)
{
    bool v4 = naru_addr_is_v4(p->src);
    uint8_t *ip = naru_plain_emit_eth(at, p, v4 ? NARU_ETHERTYPE_IPV4 : NARU_ETHERTYPE_IPV6);
    uint8_t *tcp = ip + (v4 ? NARU_IPV4_LEN : NARU_IPV6_LEN);
    uint32_t len =
        naru_plain_syn_emit(tcp, p->tcp, naru_plain_pseudo(p->src, p->dst), p->csum_partial);
    if (NARU_LIKELY(v4)) {
        struct naru_ipv4_hdr ip4 = { .src = *p->src,
                                     .dst = *p->dst,
                                     .tos = p->tos,
                                     .ttl = p->hop_limit,
                                     .df = true,
                                     .protocol = NARU_PROTO_TCP,
                                     .total_len = (uint16_t)(NARU_IPV4_LEN + len) };
        naru_ipv4_emit_plain(ip, &ip4);
    } else {
        struct naru_ipv6_hdr ip6 = { .src = *p->src,
                                     .dst = *p->dst,
                                     .traffic_class = p->tos,
                                     .flow_label = p->flow_label,
                                     .hop_limit = p->hop_limit,
                                     .next_header = NARU_PROTO_TCP,
                                     .payload_len = (uint16_t)len };
        (void)naru_ipv6_emit(ip, &ip6);
    }
    return (uint32_t)(tcp - at) + len;
}

#endif
