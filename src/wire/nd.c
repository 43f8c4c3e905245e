/*
 * Neighbor Discovery messages (see nd.h; the options are in nd_opt.c).
 */
#include "wire/nd.h"

#include "base/addr.h"

#include <string.h>

/* From what follows type, code and checksum. */
enum { RA_HOP_LIMIT = 0, RA_FLAGS = 1, RA_LIFETIME = 2, RA_REACHABLE = 4, RA_RETRANS = 8 };
enum { RA_MANAGED = 0x80, RA_OTHER = 0x40 };
enum { NA_ROUTER = 0x80, NA_SOLICITED = 0x40, NA_OVERRIDE = 0x20 };
enum { FLAGS = 0, TARGET = 4, DESTINATION = 20, BARE = NARU_ICMPV6_BARE_LEN };

/* May it be a target: one address, and truly of IPv6. */
static bool is_target(const struct naru_addr *a)
{
    return !naru_addr_is_multicast(a) && !naru_addr_is_v4(a);
}

enum naru_drop naru_nd_rs_parse(struct naru_span *in)
{
    return naru_span_take(in, NARU_ND_RS_LEN - BARE) == NULL ? NARU_DROP_ND_SHORT : NARU_DROP_NONE;
}

enum naru_drop naru_nd_ra_parse(struct naru_span *in, struct naru_nd_ra *m)
{
    const uint8_t *p = naru_span_take(in, NARU_ND_RA_LEN - BARE);
    if (p == NULL)
        return NARU_DROP_ND_SHORT;
    m->hop_limit = p[RA_HOP_LIMIT];
    m->managed = (p[RA_FLAGS] & RA_MANAGED) != 0;
    m->other = (p[RA_FLAGS] & RA_OTHER) != 0;
    m->lifetime_s = naru_get16(p + RA_LIFETIME);
    m->reachable_ms = naru_get32(p + RA_REACHABLE);
    m->retrans_ms = naru_get32(p + RA_RETRANS);
    return NARU_DROP_NONE;
}

/* Reserved fields are sent zero and ignored when received (V6-4861-4.1-1). */
enum naru_drop naru_nd_ns_parse(struct naru_span *in, struct naru_nd_ns *m)
{
    const uint8_t *p = naru_span_take(in, NARU_ND_NS_LEN - BARE);
    if (p == NULL)
        return NARU_DROP_ND_SHORT;
    m->target = naru_addr_from16(p + TARGET);
    return is_target(&m->target) ? NARU_DROP_NONE : NARU_DROP_ND_INVALID;
}

enum naru_drop naru_nd_na_parse(struct naru_span *in, struct naru_nd_na *m)
{
    const uint8_t *p = naru_span_take(in, NARU_ND_NA_LEN - BARE);
    if (p == NULL)
        return NARU_DROP_ND_SHORT;
    m->router = (p[FLAGS] & NA_ROUTER) != 0;
    m->solicited = (p[FLAGS] & NA_SOLICITED) != 0;
    m->override = (p[FLAGS] & NA_OVERRIDE) != 0;
    m->target = naru_addr_from16(p + TARGET);
    return is_target(&m->target) ? NARU_DROP_NONE : NARU_DROP_ND_INVALID;
}

enum naru_drop naru_nd_redirect_parse(struct naru_span *in, struct naru_nd_redirect *m)
{
    const uint8_t *p = naru_span_take(in, NARU_ND_REDIRECT_LEN - BARE);
    if (p == NULL)
        return NARU_DROP_ND_SHORT;
    m->target = naru_addr_from16(p + TARGET);
    m->destination = naru_addr_from16(p + DESTINATION);
    return is_target(&m->target) && is_target(&m->destination) ? NARU_DROP_NONE
                                                               : NARU_DROP_ND_INVALID;
}

/* Type, and all else 0; gives what follows the first 4 bytes. */
static uint8_t *begin(uint8_t *at, enum naru_icmpv6_type type, size_t len)
{
    memset(at, 0, len);
    naru_put8(at, type);
    return at + BARE;
}

size_t naru_nd_rs_emit(uint8_t *at)
{
    begin(at, NARU_ICMPV6_RS, NARU_ND_RS_LEN);
    return NARU_ND_RS_LEN;
}

size_t naru_nd_ra_emit(uint8_t *at, const struct naru_nd_ra *m)
{
    uint8_t *p = begin(at, NARU_ICMPV6_RA, NARU_ND_RA_LEN);
    naru_put8(p + RA_HOP_LIMIT, m->hop_limit);
    naru_put8(p + RA_FLAGS, (m->managed ? RA_MANAGED : 0U) | (m->other ? RA_OTHER : 0U));
    naru_put16(p + RA_LIFETIME, m->lifetime_s);
    naru_put32(p + RA_REACHABLE, m->reachable_ms);
    naru_put32(p + RA_RETRANS, m->retrans_ms);
    return NARU_ND_RA_LEN;
}

size_t naru_nd_ns_emit(uint8_t *at, const struct naru_nd_ns *m)
{
    uint8_t *p = begin(at, NARU_ICMPV6_NS, NARU_ND_NS_LEN);
    memcpy(p + TARGET, m->target.b, 16);
    return NARU_ND_NS_LEN;
}

size_t naru_nd_na_emit(uint8_t *at, const struct naru_nd_na *m)
{
    uint8_t *p = begin(at, NARU_ICMPV6_NA, NARU_ND_NA_LEN);
    naru_put8(p + FLAGS, (m->router ? NA_ROUTER : 0U) | (m->solicited ? NA_SOLICITED : 0U) |
                             (m->override ? NA_OVERRIDE : 0U));
    memcpy(p + TARGET, m->target.b, 16);
    return NARU_ND_NA_LEN;
}

size_t naru_nd_redirect_emit(uint8_t *at, const struct naru_nd_redirect *m)
{
    uint8_t *p = begin(at, NARU_ICMPV6_REDIRECT, NARU_ND_REDIRECT_LEN);
    memcpy(p + TARGET, m->target.b, 16);
    memcpy(p + DESTINATION, m->destination.b, 16);
    return NARU_ND_REDIRECT_LEN;
}
