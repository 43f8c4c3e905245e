/*
 * ARP for IPv4 over Ethernet (RFC 826), and RARP, which has the same form (RFC 903).
 *
 * Field names are the RFC's (ar$sha, ...).  Other hardware or protocol types are refused.
 */
#ifndef NARU_WIRE_ARP_H
#define NARU_WIRE_ARP_H

#include "wire/ip.h"

enum { NARU_ARP_LEN = 28 };

enum naru_arp_op {
    NARU_ARP_REQUEST = 1,
    NARU_ARP_REPLY = 2,
    NARU_RARP_REQUEST = 3,
    NARU_RARP_REPLY = 4,
};

struct naru_arp_hdr {
    enum naru_arp_op op;
    uint8_t sha[6], tha[6];
    struct naru_addr spa, tpa;
};

/* ARP_SHORT, ARP_FORMAT (not IPv4 over Ethernet), ARP_OP.  What follows is padding. */
enum naru_drop naru_arp_parse(struct naru_span *in, struct naru_arp_hdr *h);

/* Writes NARU_ARP_LEN bytes. */
size_t naru_arp_emit(uint8_t *at, const struct naru_arp_hdr *h);

#endif
