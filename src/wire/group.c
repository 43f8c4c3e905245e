/*
 * IGMP and MLD (see group.h; what goes out is in group_emit.c).
 */
#include "wire/group.h"

#include "base/addr.h"
#include "wire/icmpv6.h"

enum { IGMP_TYPE = 0, IGMP_CODE = 1, IGMP_GROUP = 4 };
enum { MLD_CODE = 0, MLD_GROUP = 4, MLD_BODY_LEN = NARU_MLD_LEN - NARU_ICMPV6_BARE_LEN };
enum { S_QRV = 0, QQIC = 1, SOURCES = 2, TAIL_LEN = 4 }; /* of a query of IGMPv3 or MLDv2 */
enum { S = 0x08, QRV = 0x07 };
enum { REC_TYPE = 0, REC_AUX = 1, REC_SOURCES = 2, REC_GROUP = 4 };

static size_t addr_len(enum naru_family family) { return family == NARU_IPV4 ? 4 : 16; }

static struct naru_addr addr_get(const uint8_t *p, enum naru_family family)
{
    return family == NARU_IPV4 ? naru_addr_from4(p) : naru_addr_from16(p);
}

/* Above a limit, codes of 8 and 16 bits are floating-point numbers (RFC 3376 4.1.1, RFC
 * 3810 5.1.3). */
static uint32_t code8(unsigned code)
{
    return code < 0x80 ? code : ((code & 0xf) | 0x10) << ((code >> 4 & 7) + 3);
}

static uint32_t code16(unsigned code)
{
    return code < 0x8000 ? code : ((code & 0xfff) | 0x1000) << ((code >> 12 & 7) + 3);
}

/* Multicast of its own family (an IPv6 message may hold ::ffff:224.0.0.1). */
static bool is_group(const struct naru_group_msg *m, const struct naru_addr *a)
{
    return naru_addr_is_multicast(a) && naru_addr_family(a) == m->family;
}

/* What IGMPv3 and MLDv2 queries have more. */
static enum naru_drop query_tail_parse(struct naru_span in, struct naru_group_msg *m)
{
    const uint8_t *p = naru_span_take(&in, TAIL_LEN);
    if (p == NULL)
        return NARU_DROP_GROUP_SHORT;
    m->suppress = (p[S_QRV] & S) != 0;
    m->robustness = p[S_QRV] & QRV;
    m->interval_s = code8(p[QQIC]);
    m->source_count = naru_get16(p + SOURCES);
    size_t len = m->source_count * addr_len(m->family);
    m->sources = naru_span(in.at, len);
    return naru_span_take(&in, len) == NULL ? NARU_DROP_GROUP_SHORT : NARU_DROP_NONE;
}

/* A query's group may be none; any other message is about one. */
static enum naru_drop group_check(const struct naru_group_msg *m)
{
    bool general = m->kind == NARU_GROUP_KIND_QUERY && naru_addr_is_unspecified(&m->group);
    return general || is_group(m, &m->group) ? NARU_DROP_NONE : NARU_DROP_GROUP_INVALID;
}

static bool rec_take(struct naru_span *in, enum naru_family family, struct naru_group_rec *r)
{
    size_t unit = addr_len(family);
    const uint8_t *p = naru_span_take(in, REC_GROUP + unit);
    if (p == NULL)
        return false;
    r->type = p[REC_TYPE];
    r->group = addr_get(p + REC_GROUP, family);
    r->source_count = naru_get16(p + REC_SOURCES);
    r->sources = naru_span(in->at, r->source_count * unit);
    return naru_span_take(in, r->sources.len + (size_t)p[REC_AUX] * 4) != NULL;
}

/* in: from the two reserved bytes before the number of records. */
static enum naru_drop records_parse(struct naru_span in, struct naru_group_msg *m)
{
    struct naru_group_rec r;
    const uint8_t *p = naru_span_take(&in, 4);
    if (p == NULL)
        return NARU_DROP_GROUP_SHORT;
    m->kind = NARU_GROUP_KIND_RECORDS;
    m->record_count = naru_get16(p + 2);
    m->records = in;
    for (unsigned i = 0; i < m->record_count; i++) {
        if (!rec_take(&in, m->family, &r))
            return NARU_DROP_GROUP_SHORT;
        if (!is_group(m, &r.group))
            return NARU_DROP_GROUP_INVALID;
    }
    m->records.len -= in.len; /* without what follows the last */
    return NARU_DROP_NONE;
}

bool naru_group_rec_next(struct naru_group_msg *m, struct naru_group_rec *r)
{
    return m->records.len > 0 && rec_take(&m->records, m->family, r);
}

struct naru_addr naru_group_source(struct naru_span sources, enum naru_family family, unsigned n)
{
    size_t unit = addr_len(family), at = n * unit;
    NARU_ASSERT(at + unit <= sources.len);
    return addr_get(sources.at + at, family);
}

/* RFC 3376 7.1: the length tells version 3; the code tells 1 from 2. */
static enum naru_drop igmp_query_parse(struct naru_span in, unsigned code, struct naru_group_msg *m)
{
    enum naru_drop drop = NARU_DROP_NONE;
    m->kind = NARU_GROUP_KIND_QUERY;
    if (in.len >= TAIL_LEN) {
        m->version = 3;
        m->max_response_ms = code8(code) * 100;
        drop = query_tail_parse(in, m);
    } else if (in.len > 0) {
        drop = NARU_DROP_GROUP_SHORT;
    } else {
        m->version = code == 0 ? 1 : 2;
        m->max_response_ms = (code == 0 ? 100U : code) * 100;
    }
    return drop != NARU_DROP_NONE ? drop : group_check(m);
}

enum naru_drop naru_igmp_parse(struct naru_span in, struct naru_group_msg *m)
{
    const struct naru_span whole = in;
    const uint8_t *p = naru_span_take(&in, NARU_IGMP_LEN);
    if (p == NULL)
        return NARU_DROP_GROUP_SHORT;
    if (!naru_csum_ok(naru_csum_add(0, whole.at, whole.len)))
        return NARU_DROP_GROUP_CHECKSUM;

    *m = (struct naru_group_msg){ .family = NARU_IPV4, .group = naru_addr_from4(p + IGMP_GROUP) };
    switch (p[IGMP_TYPE]) {
    case NARU_IGMP_QUERY:
        return igmp_query_parse(in, p[IGMP_CODE], m);
    case NARU_IGMP_V1_REPORT:
    case NARU_IGMP_V2_REPORT:
        m->kind = NARU_GROUP_KIND_REPORT;
        m->version = p[IGMP_TYPE] == NARU_IGMP_V1_REPORT ? 1 : 2;
        return group_check(m);
    case NARU_IGMP_LEAVE:
        m->kind = NARU_GROUP_KIND_LEAVE;
        m->version = 2;
        return group_check(m);
    case NARU_IGMP_V3_REPORT:
        m->version = 3;
        m->group = naru_addr_from4((const uint8_t[4]){ 0, 0, 0, 0 });
        return records_parse(naru_span(whole.at + IGMP_GROUP, whole.len - IGMP_GROUP), m);
    default:
        return NARU_DROP_GROUP_TYPE;
    }
}

/* RFC 3810 8.1: 24 bytes with the ICMPv6 header are version 1, 28 and more version 2. */
static enum naru_drop mld_query_parse(struct naru_span in, unsigned code, struct naru_group_msg *m)
{
    m->kind = NARU_GROUP_KIND_QUERY;
    if (in.len == 0) {
        m->max_response_ms = code;
        return group_check(m);
    }
    m->version = 2;
    m->max_response_ms = code16(code);
    enum naru_drop drop = query_tail_parse(in, m);
    return drop != NARU_DROP_NONE ? drop : group_check(m);
}

enum naru_drop naru_mld_parse(struct naru_span in, uint8_t icmpv6_type, struct naru_group_msg *m)
{
    *m = (struct naru_group_msg){ .family = NARU_IPV6, .version = 1 };
    if (icmpv6_type == NARU_ICMPV6_MLDV2_REPORT) {
        m->version = 2;
        return records_parse(in, m);
    }
    const uint8_t *p = naru_span_take(&in, MLD_BODY_LEN);
    if (p == NULL)
        return NARU_DROP_GROUP_SHORT;
    m->group = naru_addr_from16(p + MLD_GROUP);
    switch (icmpv6_type) {
    case NARU_ICMPV6_MLD_QUERY:
        return mld_query_parse(in, naru_get16(p + MLD_CODE), m);
    case NARU_ICMPV6_MLD_REPORT:
        m->kind = NARU_GROUP_KIND_REPORT;
        return group_check(m);
    case NARU_ICMPV6_MLD_DONE:
        m->kind = NARU_GROUP_KIND_LEAVE;
        return group_check(m);
    default:
        return NARU_DROP_GROUP_TYPE;
    }
}
