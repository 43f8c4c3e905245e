/*
 * What IPv4 and IPv6 share: protocol numbers, the traffic class byte, transport checksums.
 *
 * How all of src/wire reads:
 *
 *     enum naru_drop naru_X_parse(struct naru_span *in, struct naru_X_hdr *h);
 *         takes the header off the front of in; h is in host order. NARU_DROP_NONE, or why not;
 * then h and in mean nothing. Spans and pointers in h point into the packet and live as long.
 *     size_t naru_X_emit(uint8_t *at, const struct naru_X_hdr *h);
 *         writes the header; at has room for it (a constant, or naru_X_len(h)). Returns its length.
 *
 * parse(emit(h)) == h.  Nothing here keeps state or decides what to do about a packet.
 */
#ifndef NARU_WIRE_IP_H
#define NARU_WIRE_IP_H

#include "base/bytes.h"
#include "base/csum.h"
#include <naru/drop.h>
#include <naru/pkt.h>
#include <naru/types.h>

/* IANA's protocol numbers; IPv6 extension headers are of the same space. */
enum naru_ip_proto {
    NARU_PROTO_HOP_BY_HOP = 0,
    NARU_PROTO_ICMP = 1,
    NARU_PROTO_IGMP = 2,
    NARU_PROTO_TCP = 6,
    NARU_PROTO_UDP = 17,
    NARU_PROTO_ROUTING = 43,
    NARU_PROTO_FRAGMENT = 44,
    NARU_PROTO_ESP = 50,
    NARU_PROTO_AH = 51,
    NARU_PROTO_ICMPV6 = 58,
    NARU_PROTO_NO_NEXT = 59,
    NARU_PROTO_DEST_OPTIONS = 60,
    NARU_PROTO_OSPF = 89,
};

/* The two low bits of the TOS or traffic class byte (RFC 3168). */
enum naru_ecn {
    NARU_ECN_NOT_ECT = 0,
    NARU_ECN_ECT1 = 1,
    NARU_ECN_ECT0 = 2,
    NARU_ECN_CE = 3,
};

NARU_INLINE uint8_t naru_tos_dscp(uint8_t tos) { return (uint8_t)(tos >> 2); }
NARU_INLINE enum naru_ecn naru_tos_ecn(uint8_t tos) { return (enum naru_ecn)(tos & 3); }
NARU_INLINE uint8_t naru_tos_make(unsigned dscp, enum naru_ecn ecn)
{
    return (uint8_t)(dscp << 2 | (unsigned)ecn);
}

/*
 * The checksum over a pseudo header (naru_csum_pseudo), a header (a multiple of four bytes) and
 * payload in slices of any length and alignment.  The field in the header must be 0 to make one; to
 * verify, leave it and ask whether the result is 0.
 */
uint16_t naru_ip_checksum(const struct naru_csum_ops *ops, uint32_t pseudo, const uint8_t *header,
                          size_t header_len, const struct naru_slice *slice, unsigned count);

/* sum, of an even number of bytes, and what slices add to it. */
uint32_t naru_ip_slices_sum(const struct naru_csum_ops *ops, uint32_t sum,
                            const struct naru_slice *slice, unsigned count);

#endif
