/*
 * ICMPv6 (RFC 4443): errors and echo.  Neighbor Discovery is wire/nd.h, MLD wire/group.h.
 */
#ifndef NARU_WIRE_ICMPV6_H
#define NARU_WIRE_ICMPV6_H

#include "wire/ip.h"

enum {
    NARU_ICMPV6_LEN = 8,      /* errors and echo */
    NARU_ICMPV6_BARE_LEN = 4, /* type, code, checksum: all others */
};

enum naru_icmpv6_type {
    NARU_ICMPV6_UNREACHABLE = 1,
    NARU_ICMPV6_TOO_BIG = 2,
    NARU_ICMPV6_TIME_EXCEEDED = 3,
    NARU_ICMPV6_PARAM_PROBLEM = 4,
    NARU_ICMPV6_ECHO = 128,
    NARU_ICMPV6_ECHO_REPLY = 129,
    NARU_ICMPV6_MLD_QUERY = 130,
    NARU_ICMPV6_MLD_REPORT = 131,
    NARU_ICMPV6_MLD_DONE = 132,
    NARU_ICMPV6_RS = 133,
    NARU_ICMPV6_RA = 134,
    NARU_ICMPV6_NS = 135,
    NARU_ICMPV6_NA = 136,
    NARU_ICMPV6_REDIRECT = 137,
    NARU_ICMPV6_MLDV2_REPORT = 143,
};

/* Codes of NARU_ICMPV6_UNREACHABLE. */
enum naru_icmpv6_unreachable {
    NARU_ICMPV6_NO_ROUTE = 0,
    NARU_ICMPV6_PROHIBITED = 1,
    NARU_ICMPV6_BEYOND_SCOPE = 2,
    NARU_ICMPV6_ADDRESS = 3,
    NARU_ICMPV6_PORT = 4,
    NARU_ICMPV6_POLICY = 5,
    NARU_ICMPV6_REJECT_ROUTE = 6,
};

enum { NARU_ICMPV6_HOP_LIMIT_EXCEEDED = 0, NARU_ICMPV6_REASSEMBLY_EXCEEDED = 1 };

/* Codes of NARU_ICMPV6_PARAM_PROBLEM. */
enum naru_icmpv6_param_problem {
    NARU_ICMPV6_FIELD = 0,
    NARU_ICMPV6_NEXT_HEADER = 1,
    NARU_ICMPV6_OPTION = 2,
};

/* What has no meaning for the type is 0. */
struct naru_icmpv6_hdr {
    uint8_t type, code;
    uint16_t checksum;   /* emit writes 0: naru_icmpv6_checksum_set */
    uint16_t ident, seq; /* echo */
    uint32_t mtu;        /* too big */
    uint32_t pointer;    /* parameter problem */
};

/* Errors have the top bit clear, those we do not know included (RFC 4443 2.1). */
NARU_INLINE bool naru_icmpv6_is_error(uint8_t type) { return type < 128; }

/*
 * in becomes the echo's data, the quoted packet (see wire/quote.h), or for all other types what
 * follows the first 4 bytes.  ICMP_SHORT.
 */
enum naru_drop naru_icmpv6_parse(struct naru_span *in, struct naru_icmpv6_hdr *h);

/* message: header and data, len bytes. */
bool naru_icmpv6_checksum_ok(const struct naru_addr *src, const struct naru_addr *dst,
                             const uint8_t *message, size_t len);

/* Errors and echo: NARU_ICMPV6_LEN bytes; others NARU_ICMPV6_BARE_LEN.  Checksum 0. */
size_t naru_icmpv6_emit(uint8_t *at, const struct naru_icmpv6_hdr *h);

/* Computes the field; message is complete, len at least NARU_ICMPV6_BARE_LEN. */
void naru_icmpv6_checksum_set(const struct naru_addr *src, const struct naru_addr *dst,
                              uint8_t *message, size_t len);

#endif
