/*
 * The packet inside an ICMP error (see quote.h).
 */
#include "wire/quote.h"

#include "wire/icmp.h"
#include "wire/icmpv6.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"

enum { PORTS_LEN = 4, TRANSPORT_MIN = 8 }; /* of RFC 792 */

static enum naru_drop ipv4_quote(struct naru_span *in, struct naru_quote *q)
{
    struct naru_ipv4_hdr h;
    if (naru_ipv4_parse_quoted(in, &h) != NARU_DROP_NONE)
        return NARU_DROP_ICMP_QUOTE;
    q->src = h.src;
    q->dst = h.dst;
    q->proto = h.protocol;
    q->fragment = h.frag_offset != 0;
    return NARU_DROP_NONE;
}

/* Over one extension header, whatever it says; false: there is none, or it is cut off. */
static bool ipv6_skip(struct naru_span *in, struct naru_quote *q)
{
    struct naru_ipv6_fragment f;
    const uint8_t *p = in->at;
    switch (q->proto) {
    case NARU_PROTO_HOP_BY_HOP:
    case NARU_PROTO_ROUTING:
    case NARU_PROTO_DEST_OPTIONS:
        if (in->len < 2 || naru_span_take(in, ((size_t)p[1] + 1) * 8) == NULL)
            return false;
        q->proto = p[0];
        return true;
    case NARU_PROTO_AH:
        if (in->len < 2 || naru_span_take(in, ((size_t)p[1] + 2) * 4) == NULL)
            return false;
        q->proto = p[0];
        return true;
    case NARU_PROTO_FRAGMENT:
        if (naru_ipv6_fragment_parse(in, &f) != NARU_DROP_NONE)
            return false;
        q->proto = f.next_header;
        q->fragment = f.offset != 0;
        return !q->fragment;
    default:
        return false;
    }
}

static enum naru_drop ipv6_quote(struct naru_span *in, struct naru_quote *q)
{
    struct naru_ipv6_hdr h;
    if (naru_ipv6_parse_quoted(in, &h) != NARU_DROP_NONE)
        return NARU_DROP_ICMP_QUOTE;
    q->src = h.src;
    q->dst = h.dst;
    q->proto = h.next_header;
    for (unsigned i = 0; i < NARU_IPV6_EXT_MAX && ipv6_skip(in, q); i++)
        ;
    return NARU_DROP_NONE;
}

static bool is_echo(const struct naru_quote *q, uint8_t type)
{
    if (q->proto == NARU_PROTO_ICMP)
        return type == NARU_ICMP_ECHO || type == NARU_ICMP_ECHO_REPLY;
    return type == NARU_ICMPV6_ECHO || type == NARU_ICMPV6_ECHO_REPLY;
}

static enum naru_drop transport_quote(struct naru_quote *q)
{
    const uint8_t *p = q->transport.at;
    size_t len = q->transport.len;
    switch (q->proto) {
    case NARU_PROTO_TCP:
        if (len < TRANSPORT_MIN)
            return NARU_DROP_ICMP_QUOTE;
        q->seq = naru_get32(p + 4);
        NARU_FALLTHROUGH;
    case NARU_PROTO_UDP:
        if (len < PORTS_LEN)
            return NARU_DROP_ICMP_QUOTE;
        q->sport = naru_get16(p);
        q->dport = naru_get16(p + 2);
        return NARU_DROP_NONE;
    case NARU_PROTO_ICMP:
    case NARU_PROTO_ICMPV6:
        if (len < TRANSPORT_MIN)
            return NARU_DROP_ICMP_QUOTE;
        if (is_echo(q, p[0])) {
            q->sport = q->dport = naru_get16(p + 4);
            q->seq = naru_get16(p + 6);
        }
        return NARU_DROP_NONE;
    default:
        return NARU_DROP_NONE;
    }
}

enum naru_drop naru_quote_parse(struct naru_span quoted, enum naru_family family,
                                struct naru_quote *q)
{
    *q = (struct naru_quote){ .family = family };
    enum naru_drop drop = family == NARU_IPV4 ? ipv4_quote(&quoted, q) : ipv6_quote(&quoted, q);
    if (drop != NARU_DROP_NONE)
        return drop;
    if (q->fragment)
        return NARU_DROP_NONE;
    q->transport = quoted;
    return transport_quote(q);
}
