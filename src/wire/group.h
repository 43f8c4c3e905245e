/*
 * Multicast group membership: IGMPv1 to v3 (RFC 1112 app. I, RFC 2236, RFC 3376) and MLDv1 and v2
 * (RFC 2710, RFC 3810), which say the same with other addresses.
 *
 * IGMP is parsed from the start of its message; MLD from what naru_icmpv6_parse left, with the type
 * and (v1 or v2) told apart by length, as RFC 3810 8.1 says.  The checks that need the IP header
 * (hop limit 1, router alert, link-local source) are the stack's.
 */
#ifndef NARU_WIRE_GROUP_H
#define NARU_WIRE_GROUP_H

#include "wire/ip.h"

enum naru_igmp_type {
    NARU_IGMP_QUERY = 0x11,
    NARU_IGMP_V1_REPORT = 0x12,
    NARU_IGMP_V2_REPORT = 0x16,
    NARU_IGMP_LEAVE = 0x17,
    NARU_IGMP_V3_REPORT = 0x22,
};

enum naru_group_kind {
    NARU_GROUP_KIND_QUERY,
    NARU_GROUP_KIND_REPORT,  /* of one group: IGMPv1, v2, MLDv1 */
    NARU_GROUP_KIND_LEAVE,   /* IGMPv2 leave, MLDv1 done */
    NARU_GROUP_KIND_RECORDS, /* IGMPv3, MLDv2 report */
};

struct naru_group_msg {
    enum naru_group_kind kind;
    enum naru_family family;
    uint8_t version;        /* IGMP 1, 2, 3; MLD 1, 2 */
    struct naru_addr group; /* all but RECORDS; 0.0.0.0 or ::, in a general query */

    /* Queries. */
    uint32_t max_response_ms; /* IGMPv1: the fixed 10 s */
    bool suppress;            /* S */
    uint8_t robustness;       /* QRV */
    uint32_t interval_s;      /* QQI, decoded */
    unsigned source_count;
    struct naru_span sources; /* naru_group_source */

    /* RECORDS. */
    unsigned record_count;
    struct naru_span records; /* naru_group_rec_next */
};

/* in is the whole IGMP message.  GROUP_SHORT, GROUP_TYPE, GROUP_CHECKSUM, GROUP_INVALID. */
enum naru_drop naru_igmp_parse(struct naru_span in, struct naru_group_msg *m);

/* in is what naru_icmpv6_parse left.  GROUP_SHORT, GROUP_TYPE, GROUP_INVALID. */
enum naru_drop naru_mld_parse(struct naru_span in, uint8_t icmpv6_type, struct naru_group_msg *m);

/* n < count. */
struct naru_addr naru_group_source(struct naru_span sources, enum naru_family family, unsigned n);

/* One record of an IGMPv3 or MLDv2 report; type as RFC 3376 4.2.12: 1 IS_IN .. 6 BLOCK. */
struct naru_group_rec {
    uint8_t type;
    struct naru_addr group;
    unsigned source_count;
    struct naru_span sources;
};

/*
 * Takes the next record off m->records.  False at the end (parse has seen to it that all records
 * fit).
 */
bool naru_group_rec_next(struct naru_group_msg *m, struct naru_group_rec *r);

/* ---- The way out; checksums included for IGMP, naru_icmpv6_checksum_set for MLD ---- */

enum {
    NARU_IGMP_LEN = 8,
    NARU_MLD_LEN = 24,
    NARU_IGMP_V3_QUERY_LEN = 12,
    NARU_MLDV2_QUERY_LEN = 28,
};

/*
 * QUERY, REPORT and LEAVE of that family and version; sources are copied behind a query of IGMPv3
 * or MLDv2.  Returns the length: the constants above, and the sources.
 */
size_t naru_group_emit(uint8_t *at, const struct naru_group_msg *m);

/*
 * A report of records: begin, then each record, then end.  False, nothing written: no room.
 *
 *     naru_group_records_begin(&w, family);
 *     naru_group_record_emit(&w, type, &group, source, source_count);
 *     size_t len = naru_group_records_end(&w);
 */
struct naru_group_writer {
    struct naru_writer out;
    uint8_t *message;
    enum naru_family family;
    uint16_t count;
};

bool naru_group_records_begin(struct naru_group_writer *w, uint8_t *at, size_t room,
                              enum naru_family family);
bool naru_group_record_emit(struct naru_group_writer *w, uint8_t type,
                            const struct naru_addr *group, const struct naru_addr *source,
                            unsigned source_count);
size_t naru_group_records_end(struct naru_group_writer *w);

#endif
