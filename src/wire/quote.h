/*
 * The packet that an ICMP or ICMPv6 error quotes: whose it was (RFC 1122 3.2.2, RFC 4443 2.4).
 *
 * A quote may be cut off anywhere behind the first 8 bytes of its transport header, and nothing in
 * it is verified by any checksum.  It is the packet as the one who complains saw it: src is who had
 * sent it, so normally one of ours.
 */
#ifndef NARU_WIRE_QUOTE_H
#define NARU_WIRE_QUOTE_H

#include "wire/ip.h"

struct naru_quote {
    enum naru_family family;
    struct naru_addr src, dst;
    uint8_t proto;
    bool fragment;         /* not the first one: no ports, transport empty */
    uint16_t sport, dport; /* TCP, UDP; ICMP echo: both the identifier; else 0 */
    uint32_t seq;          /* TCP: the sequence number; ICMP echo: its sequence number; else 0 */
    struct naru_span transport; /* from the transport header to where the quote ends */
};

/* quoted: what naru_icmp_parse or naru_icmpv6_parse left.  ICMP_QUOTE: not to be made sense of. */
enum naru_drop naru_quote_parse(struct naru_span quoted, enum naru_family family,
                                struct naru_quote *q);

#endif
