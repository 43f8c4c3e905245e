/*
 * IPv6 and its extension headers (RFC 8200; RFC 5095 routing type 0; RFC 6946 atomic fragments; RFC
 * 2711 router alert).
 *
 * An address ::ffff:a.b.c.d in an IPv6 header is refused: inside naru that is an IPv4 address, and
 * no such packet may be on a wire (RFC 4942 2.2).
 *
 * The authentication header is not looked into; it ends the walk like an unknown protocol.  Not
 * done: jumbograms (their option is unknown, and answered as such), routing headers of any type
 * with segments left.
 */
#ifndef NARU_WIRE_IPV6_H
#define NARU_WIRE_IPV6_H

#include "wire/ip.h"

enum {
    NARU_IPV6_LEN = 40,
    NARU_IPV6_FRAGMENT_LEN = 8,
    NARU_IPV6_ROUTER_ALERT_LEN = 8,
    NARU_IPV6_MTU_MIN = 1280,
    NARU_IPV6_EXT_MAX = 8,      /* extension headers of one packet */
    NARU_IPV6_OPTIONS_MAX = 32, /* options of one packet, padding included */
};

struct naru_ipv6_hdr {
    struct naru_addr src, dst;
    uint32_t flow_label;   /* 20 bits */
    uint16_t payload_len;  /* all behind the 40 bytes */
    uint8_t traffic_class; /* naru_tos_dscp, naru_tos_ecn */
    uint8_t next_header;
    uint8_t hop_limit;
};

/* in becomes what is behind the 40 bytes, without padding.  IPV6_SHORT, _VERSION, _LENGTH, _MAPPED.
 */
enum naru_drop naru_ipv6_parse(struct naru_span *in, struct naru_ipv6_hdr *h);

/* The header of a packet quoted by an ICMPv6 error, which may end anywhere behind the header. */
enum naru_drop naru_ipv6_parse_quoted(struct naru_span *in, struct naru_ipv6_hdr *h);

/* Writes NARU_IPV6_LEN bytes. */
size_t naru_ipv6_emit(uint8_t *at, const struct naru_ipv6_hdr *h);

/* ---- Fragment header ---- */

struct naru_ipv6_fragment {
    uint8_t next_header;
    bool more;
    uint16_t offset; /* bytes */
    uint32_t ident;
};

enum naru_drop naru_ipv6_fragment_parse(struct naru_span *in, struct naru_ipv6_fragment *f);

/* Writes NARU_IPV6_FRAGMENT_LEN bytes. */
size_t naru_ipv6_fragment_emit(uint8_t *at, const struct naru_ipv6_fragment *f);

/* A hop-by-hop header with the router alert of MLD (value 0): NARU_IPV6_ROUTER_ALERT_LEN bytes. */
size_t naru_ipv6_router_alert_emit(uint8_t *at, uint8_t next_header);

/* ---- Extension headers ---- */

/* Who earns a Parameter Problem for it (RFC 8200 4.2). */
enum naru_ipv6_answer {
    NARU_IPV6_SILENT,         /* drop, no answer */
    NARU_IPV6_ANSWER,         /* answer, also if the destination was multicast */
    NARU_IPV6_ANSWER_UNICAST, /* answer unless the destination was multicast */
};

struct naru_ipv6_walk {
    uint8_t next_header;     /* of what in now points to: the transport protocol */
    uint16_t next_header_at; /* where that is said, from the first byte of the IPv6 header */
    uint16_t header_len;     /* all headers walked, the 40 bytes included */
    bool router_alert;
    bool atomic;   /* there was a fragment header of offset 0 with nothing following */
    bool fragment; /* in points to a fragment's data; next_header is its first header */
    struct naru_ipv6_fragment frag;
    uint16_t frag_named_at; /* where the header before the fragment header names it (44) */

    /* Not NARU_DROP_NONE: what to answer. */
    enum naru_ipv6_answer answer;
    uint8_t problem_code; /* of Parameter Problem: 0, 1, 2 */
    uint16_t problem_at;  /* its pointer */
};

/*
 * Walks from in, as naru_ipv6_parse left it, to the first header that is no extension header (also
 * AH, ESP, and what nobody knows) or to the data of a fragment that is not alone.  IPV6_EXT_SHORT,
 * _EXT_LIMIT, _EXT_ORDER, _OPTION, _ROUTING, _NO_NEXT.
 */
enum naru_drop naru_ipv6_walk(struct naru_span *in, const struct naru_ipv6_hdr *h,
                              struct naru_ipv6_walk *w);

#endif
