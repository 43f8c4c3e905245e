/*
 * IGMP and MLD, the way out (see group.h).  An IGMPv3 and an MLDv2 report have one form but for the
 * length of an address.
 */
#include "wire/group.h"

#include "wire/icmpv6.h"

#include <string.h>

enum { TYPE = 0, CODE = 1, CHECKSUM = 2, MLD_CODE = 4 };
enum { REPORT_LEN = 8, REPORT_COUNT = 6, REC_LEN = 4 };

static size_t addr_len(enum naru_family family) { return family == NARU_IPV4 ? 4 : 16; }

static uint8_t *addr_put(uint8_t *p, const struct naru_addr *a, enum naru_family family)
{
    size_t len = addr_len(family);
    memcpy(p, a->b + 16 - len, len);
    return p + len;
}

/* The largest code that does not say more than value; mantissa of bits bits and a hidden one. */
static unsigned code_of(uint32_t value, unsigned bits)
{
    uint32_t limit = 1U << (bits + 3); /* the first that is a floating-point number */
    if (value < limit)
        return value;
    unsigned exp = 0;
    uint32_t mant = value >> 3;
    for (; mant >= 2U << bits; mant >>= 1)
        exp++;
    if (exp > 7)
        return (2U << (bits + 3)) - 1;
    return limit | exp << bits | (mant & ((1U << bits) - 1));
}

static uint8_t igmp_type(const struct naru_group_msg *m)
{
    switch (m->kind) {
    case NARU_GROUP_KIND_QUERY:
        return NARU_IGMP_QUERY;
    case NARU_GROUP_KIND_REPORT:
        return m->version == 1 ? NARU_IGMP_V1_REPORT : NARU_IGMP_V2_REPORT;
    case NARU_GROUP_KIND_LEAVE:
        return NARU_IGMP_LEAVE;
    case NARU_GROUP_KIND_RECORDS:
        break;
    }
    NARU_UNREACHABLE();
}

static uint8_t mld_type(const struct naru_group_msg *m)
{
    switch (m->kind) {
    case NARU_GROUP_KIND_QUERY:
        return NARU_ICMPV6_MLD_QUERY;
    case NARU_GROUP_KIND_REPORT:
        return NARU_ICMPV6_MLD_REPORT;
    case NARU_GROUP_KIND_LEAVE:
        return NARU_ICMPV6_MLD_DONE;
    case NARU_GROUP_KIND_RECORDS:
        break;
    }
    NARU_UNREACHABLE();
}

/* Maximum response time in tenths of a second; IGMPv1 has none. */
static unsigned igmp_code(const struct naru_group_msg *m)
{
    if (m->kind != NARU_GROUP_KIND_QUERY || m->version == 1)
        return 0;
    uint32_t tenths = m->max_response_ms / 100;
    return m->version == 2 ? (unsigned)NARU_MIN(tenths, (uint32_t)255) : code_of(tenths, 4);
}

static unsigned mld_code(const struct naru_group_msg *m)
{
    if (m->kind != NARU_GROUP_KIND_QUERY)
        return 0;
    return m->version == 1 ? (unsigned)NARU_MIN(m->max_response_ms, (uint32_t)0xffff)
                           : code_of(m->max_response_ms, 12);
}

static uint8_t *query_tail_emit(uint8_t *p, const struct naru_group_msg *m)
{
    size_t len = m->source_count * addr_len(m->family);
    NARU_ASSERT(m->source_count <= 0xffff && m->sources.len >= len && m->robustness <= 7);
    naru_put8(p, (m->suppress ? 8U : 0U) | m->robustness);
    naru_put8(p + 1, code_of(m->interval_s, 4));
    naru_put16(p + 2, m->source_count);
    if (len > 0)
        memcpy(p + 4, m->sources.at, len);
    return p + 4 + len;
}

static void igmp_checksum_set(uint8_t *at, size_t len)
{
    naru_put16(at + CHECKSUM, 0);
    naru_put16(at + CHECKSUM, naru_csum_finish(naru_csum_add(0, at, len)));
}

size_t naru_group_emit(uint8_t *at, const struct naru_group_msg *m)
{
    bool ipv4 = m->family == NARU_IPV4;
    uint8_t *p = at + (ipv4 ? 4 : 8);
    memset(at, 0, ipv4 ? NARU_IGMP_LEN : NARU_MLD_LEN);
    if (ipv4) {
        naru_put8(at + TYPE, igmp_type(m));
        naru_put8(at + CODE, igmp_code(m));
    } else {
        naru_put8(at + TYPE, mld_type(m));
        naru_put16(at + MLD_CODE, mld_code(m));
    }
    p = addr_put(p, &m->group, m->family);
    if (m->kind == NARU_GROUP_KIND_QUERY && m->version == (ipv4 ? 3 : 2))
        p = query_tail_emit(p, m);
    size_t len = (size_t)(p - at);
    if (ipv4)
        igmp_checksum_set(at, len);
    return len;
}

/* ---- Reports of records ---- */

bool naru_group_records_begin(struct naru_group_writer *w, uint8_t *at, size_t room,
                              enum naru_family family)
{
    *w = (struct naru_group_writer){
        .out = naru_writer(at, room),
        .message = at,
        .family = family,
    };
    uint8_t *p = naru_writer_take(&w->out, REPORT_LEN);
    if (p == NULL)
        return false;
    memset(p, 0, REPORT_LEN);
    naru_put8(p + TYPE, family == NARU_IPV4 ? (unsigned)NARU_IGMP_V3_REPORT
                                            : (unsigned)NARU_ICMPV6_MLDV2_REPORT);
    return true;
}

bool naru_group_record_emit(struct naru_group_writer *w, uint8_t type,
                            const struct naru_addr *group, const struct naru_addr *source,
                            unsigned source_count)
{
    size_t unit = addr_len(w->family);
    if (source_count > 0xffff || w->count == 0xffff)
        return false;
    uint8_t *p = naru_writer_take(&w->out, REC_LEN + unit * (1 + (size_t)source_count));
    if (p == NULL)
        return false;
    naru_put8(p, type);
    naru_put8(p + 1, 0);
    naru_put16(p + 2, source_count);
    p = addr_put(p + REC_LEN, group, w->family);
    for (unsigned i = 0; i < source_count; i++)
        p = addr_put(p, &source[i], w->family);
    w->count++;
    return true;
}

size_t naru_group_records_end(struct naru_group_writer *w)
{
    size_t len = (size_t)(w->out.at - w->message);
    naru_put16(w->message + REPORT_COUNT, w->count);
    if (w->family == NARU_IPV4)
        igmp_checksum_set(w->message, len);
    return len;
}
