/*
 * The IPv6 header and the walk over extension headers (see ipv6.h).
 */
#include "wire/ipv6.h"

#include "base/addr.h"

#include <string.h>

enum {
    VERSION_CLASS_LABEL = 0,
    PAYLOAD_LENGTH = 4,
    NEXT_HEADER = 6,
    HOP_LIMIT = 7,
    SOURCE = 8,
    DESTINATION = 24,
};

/* ---- Fixed header ---- */

static enum naru_drop header_parse(struct naru_span *in, struct naru_ipv6_hdr *h)
{
    const uint8_t *p = naru_span_take(in, NARU_IPV6_LEN);
    if (p == NULL)
        return NARU_DROP_IPV6_SHORT;
    uint32_t word = naru_get32(p + VERSION_CLASS_LABEL);
    if (word >> 28 != 6)
        return NARU_DROP_IPV6_VERSION;

    h->traffic_class = (uint8_t)(word >> 20);
    h->flow_label = word & 0xfffff;
    h->payload_len = naru_get16(p + PAYLOAD_LENGTH);
    h->next_header = p[NEXT_HEADER];
    h->hop_limit = p[HOP_LIMIT];
    h->src = naru_addr_from16(p + SOURCE);
    h->dst = naru_addr_from16(p + DESTINATION);
    if (NARU_UNLIKELY(naru_addr_is_v4(&h->src) || naru_addr_is_v4(&h->dst)))
        return NARU_DROP_IPV6_MAPPED;
    return NARU_DROP_NONE;
}

enum naru_drop naru_ipv6_parse(struct naru_span *in, struct naru_ipv6_hdr *h)
{
    enum naru_drop drop = header_parse(in, h);
    if (drop != NARU_DROP_NONE)
        return drop;
    if (h->payload_len > in->len)
        return NARU_DROP_IPV6_LENGTH;
    in->len = h->payload_len; /* Ethernet padding ends here. */
    return NARU_DROP_NONE;
}

enum naru_drop naru_ipv6_parse_quoted(struct naru_span *in, struct naru_ipv6_hdr *h)
{
    enum naru_drop drop = header_parse(in, h);
    if (drop == NARU_DROP_NONE && h->payload_len < in->len)
        in->len = h->payload_len;
    return drop;
}

size_t naru_ipv6_emit(uint8_t *at, const struct naru_ipv6_hdr *h)
{
    naru_put32(at + VERSION_CLASS_LABEL,
               6U << 28 | (uint32_t)h->traffic_class << 20 | (h->flow_label & 0xfffff));
    naru_put16(at + PAYLOAD_LENGTH, h->payload_len);
    naru_put8(at + NEXT_HEADER, h->next_header);
    naru_put8(at + HOP_LIMIT, h->hop_limit);
    memcpy(at + SOURCE, h->src.b, 16);
    memcpy(at + DESTINATION, h->dst.b, 16);
    return NARU_IPV6_LEN;
}

/* ---- Fragment header, router alert ---- */

enum naru_drop naru_ipv6_fragment_parse(struct naru_span *in, struct naru_ipv6_fragment *f)
{
    const uint8_t *p = naru_span_take(in, NARU_IPV6_FRAGMENT_LEN);
    if (p == NULL)
        return NARU_DROP_IPV6_EXT_SHORT;
    unsigned word = naru_get16(p + 2);
    f->next_header = p[0];
    f->offset = (uint16_t)(word & ~7U);
    f->more = (word & 1) != 0;
    f->ident = naru_get32(p + 4);
    return NARU_DROP_NONE;
}

size_t naru_ipv6_fragment_emit(uint8_t *at, const struct naru_ipv6_fragment *f)
{
    NARU_ASSERT((f->offset & 7) == 0);
    naru_put8(at, f->next_header);
    naru_put8(at + 1, 0);
    naru_put16(at + 2, f->offset | (f->more ? 1U : 0U));
    naru_put32(at + 4, f->ident);
    return NARU_IPV6_FRAGMENT_LEN;
}

enum { OPT_PAD1 = 0, OPT_PADN = 1, OPT_ROUTER_ALERT = 5 };

size_t naru_ipv6_router_alert_emit(uint8_t *at, uint8_t next_header)
{
    naru_put8(at, next_header);
    naru_put8(at + 1, 0);
    naru_put8(at + 2, OPT_ROUTER_ALERT);
    naru_put8(at + 3, 2);
    naru_put16(at + 4, 0); /* MLD */
    naru_put8(at + 6, OPT_PADN);
    naru_put8(at + 7, 0);
    return NARU_IPV6_ROUTER_ALERT_LEN;
}

/* ---- The walk ---- */

static enum naru_drop problem(struct naru_ipv6_walk *w, enum naru_drop drop,
                              enum naru_ipv6_answer answer, unsigned code, size_t at)
{
    w->answer = answer;
    w->problem_code = (uint8_t)code;
    w->problem_at = (uint16_t)at;
    return drop;
}

enum { CODE_FIELD = 0, CODE_NEXT_HEADER = 1, CODE_OPTION = 2 }; /* of Parameter Problem */

/* An option that nobody here knows: its two top bits say what to do (RFC 8200 4.2; V6-8200-4.2-1).
 */
static enum naru_drop option_unknown(struct naru_ipv6_walk *w, uint8_t type, size_t at)
{
    switch (type >> 6) {
    case 0:
        return NARU_DROP_NONE;
    case 1:
        return problem(w, NARU_DROP_IPV6_OPTION, NARU_IPV6_SILENT, 0, 0);
    case 2:
        return problem(w, NARU_DROP_IPV6_OPTION, NARU_IPV6_ANSWER, CODE_OPTION, at);
    default:
        return problem(w, NARU_DROP_IPV6_OPTION, NARU_IPV6_ANSWER_UNICAST, CODE_OPTION, at);
    }
}

/* The options of a hop-by-hop or destination header of len bytes; at is p's place in the packet. */
static enum naru_drop options_walk(struct naru_ipv6_walk *w, const uint8_t *p, size_t len,
                                   size_t at, bool hop_by_hop, unsigned *options)
{
    for (size_t i = 2; i < len;) {
        if (++*options > NARU_IPV6_OPTIONS_MAX)
            return NARU_DROP_IPV6_EXT_LIMIT;
        if (p[i] == OPT_PAD1) {
            i++;
            continue;
        }
        if (len - i < 2 || p[i + 1] > len - i - 2)
            return NARU_DROP_IPV6_EXT_SHORT;
        if (p[i] == OPT_ROUTER_ALERT && hop_by_hop && p[i + 1] == 2) {
            w->router_alert = true;
        } else if (p[i] != OPT_PADN) {
            enum naru_drop drop = option_unknown(w, p[i], at + i);
            if (drop != NARU_DROP_NONE)
                return drop;
        }
        i += 2U + p[i + 1];
    }
    return NARU_DROP_NONE;
}

/* A header of 8 bytes and eights more: hop-by-hop, destination options, routing (V6-5095-3-1). */
static enum naru_drop eights_walk(struct naru_span *in, struct naru_ipv6_walk *w, unsigned *options)
{
    const uint8_t *p = in->at;
    size_t at = w->header_len, len = in->len < 2 ? 0 : ((size_t)p[1] + 1) * 8;
    uint8_t kind = w->next_header;
    enum naru_drop drop = NARU_DROP_NONE;

    if (len == 0 || naru_span_take(in, len) == NULL)
        return NARU_DROP_IPV6_EXT_SHORT;
    if (kind != NARU_PROTO_ROUTING)
        drop = options_walk(w, p, len, at, kind == NARU_PROTO_HOP_BY_HOP, options);
    else if (p[3] != 0) /* segments left, and no routing type is known to us (RFC 8200 4.4) */
        drop = problem(w, NARU_DROP_IPV6_ROUTING, NARU_IPV6_ANSWER, CODE_FIELD, at + 2);
    w->next_header = p[0];
    w->next_header_at = (uint16_t)at;
    w->header_len = (uint16_t)(at + len);
    return drop;
}

/* True with *drop NONE: the walk goes on behind an atomic fragment (RFC 6946). */
static bool fragment_walk(struct naru_span *in, struct naru_ipv6_walk *w, enum naru_drop *drop)
{
    *drop = naru_ipv6_fragment_parse(in, &w->frag);
    if (*drop != NARU_DROP_NONE)
        return false;
    w->atomic = w->frag.offset == 0 && !w->frag.more;
    w->fragment = !w->atomic;
    w->frag_named_at = w->next_header_at;
    w->next_header = w->frag.next_header;
    w->next_header_at = w->header_len;
    w->header_len = (uint16_t)(w->header_len + NARU_IPV6_FRAGMENT_LEN);
    return w->atomic;
}

/* Extension headers are processed strictly in order; hop-by-hop only first (and only if configured:
 * RFC 8200 4.3, RFC 9673; V6-8200-4-1). */
NARU_NOINLINE enum naru_drop naru_ipv6_walk(struct naru_span *in, const struct naru_ipv6_hdr *h,
                                            struct naru_ipv6_walk *w)
{
    unsigned options = 0;
    enum naru_drop drop;

    *w = (struct naru_ipv6_walk){
        .next_header = h->next_header,
        .next_header_at = NEXT_HEADER,
        .header_len = NARU_IPV6_LEN,
    };
    for (unsigned count = 0; count <= NARU_IPV6_EXT_MAX; count++) {
        switch (w->next_header) {
        case NARU_PROTO_HOP_BY_HOP:
            if (count > 0) /* only right behind the IPv6 header (RFC 8200 4.1) */
                return problem(w, NARU_DROP_IPV6_EXT_ORDER, NARU_IPV6_ANSWER_UNICAST,
                               CODE_NEXT_HEADER, w->next_header_at);
            NARU_FALLTHROUGH;
        case NARU_PROTO_DEST_OPTIONS:
        case NARU_PROTO_ROUTING:
            drop = eights_walk(in, w, &options);
            if (drop != NARU_DROP_NONE)
                return drop;
            break;
        case NARU_PROTO_FRAGMENT:
            if (!fragment_walk(in, w, &drop))
                return drop;
            break;
        case NARU_PROTO_NO_NEXT:
            return NARU_DROP_IPV6_NO_NEXT;
        default:
            return NARU_DROP_NONE;
        }
    }
    return NARU_DROP_IPV6_EXT_LIMIT;
}
