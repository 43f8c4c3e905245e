/*
 * ICMP for IPv4 (RFC 792, RFC 1122 3.2.2, RFC 1191 next-hop MTU, RFC 1812 4.3.2).
 *
 * Not done: extensions behind the quoted packet (RFC 4884), address masks, router discovery (RFC
 * 1256).
 */
#ifndef NARU_WIRE_ICMP_H
#define NARU_WIRE_ICMP_H

#include "wire/ip.h"

enum { NARU_ICMP_LEN = 8 };

enum naru_icmp_type {
    NARU_ICMP_ECHO_REPLY = 0,
    NARU_ICMP_UNREACHABLE = 3,
    NARU_ICMP_SOURCE_QUENCH = 4,
    NARU_ICMP_REDIRECT = 5,
    NARU_ICMP_ECHO = 8,
    NARU_ICMP_TIME_EXCEEDED = 11,
    NARU_ICMP_PARAM_PROBLEM = 12,
    NARU_ICMP_TIMESTAMP = 13,
    NARU_ICMP_TIMESTAMP_REPLY = 14,
};

/* Codes of NARU_ICMP_UNREACHABLE. */
enum naru_icmp_unreachable {
    NARU_ICMP_NET = 0,
    NARU_ICMP_HOST = 1,
    NARU_ICMP_PROTOCOL = 2,
    NARU_ICMP_PORT = 3,
    NARU_ICMP_FRAG_NEEDED = 4,
    NARU_ICMP_SOURCE_ROUTE = 5,
    NARU_ICMP_NET_UNKNOWN = 6,
    NARU_ICMP_HOST_UNKNOWN = 7,
    NARU_ICMP_ISOLATED = 8,
    NARU_ICMP_NET_PROHIBITED = 9,
    NARU_ICMP_HOST_PROHIBITED = 10,
    NARU_ICMP_NET_TOS = 11,
    NARU_ICMP_HOST_TOS = 12,
    NARU_ICMP_PROHIBITED = 13,
    NARU_ICMP_HOST_PRECEDENCE = 14,
    NARU_ICMP_PRECEDENCE_CUTOFF = 15,
};

enum { NARU_ICMP_TTL_EXCEEDED = 0, NARU_ICMP_REASSEMBLY_EXCEEDED = 1 };

/* What has no meaning for the type is 0. */
struct naru_icmp_hdr {
    uint8_t type, code;
    uint16_t checksum;        /* emit writes 0: naru_icmp_checksum_set */
    uint16_t ident, seq;      /* echo, timestamp */
    uint16_t mtu;             /* FRAG_NEEDED: of the next hop; 0 from an old router */
    uint8_t pointer;          /* parameter problem */
    struct naru_addr gateway; /* redirect */
};

/* Does it quote a packet (and so must never be answered with an error)? */
NARU_INLINE bool naru_icmp_is_error(uint8_t type)
{
    return type == NARU_ICMP_UNREACHABLE || type == NARU_ICMP_SOURCE_QUENCH ||
           type == NARU_ICMP_REDIRECT || type == NARU_ICMP_TIME_EXCEEDED ||
           type == NARU_ICMP_PARAM_PROBLEM;
}

/* in becomes the echo's data or the quoted packet (see wire/quote.h).  ICMP_SHORT. */
enum naru_drop naru_icmp_parse(struct naru_span *in, struct naru_icmp_hdr *h);

/* message: header and data, len bytes. */
bool naru_icmp_checksum_ok(const uint8_t *message, size_t len);

/* Writes NARU_ICMP_LEN bytes, with checksum 0. */
size_t naru_icmp_emit(uint8_t *at, const struct naru_icmp_hdr *h);

/* Computes the field; message is complete, len at least NARU_ICMP_LEN. */
void naru_icmp_checksum_set(uint8_t *message, size_t len);

#endif
