/*
 * UDP (RFC 768, RFC 8200 8.1).
 *
 * What a checksum of 0 means is for the stack to say: none in IPv4, an error in IPv6.
 */
#ifndef NARU_WIRE_UDP_H
#define NARU_WIRE_UDP_H

#include "wire/ip.h"

enum { NARU_UDP_LEN = 8 };

struct naru_udp_hdr {
    uint16_t sport, dport;
    uint16_t len; /* header and payload */
    uint16_t checksum;
};

/* in becomes the payload.  UDP_SHORT, UDP_LENGTH. */
enum naru_drop naru_udp_parse(struct naru_span *in, struct naru_udp_hdr *h);

/* Writes NARU_UDP_LEN bytes, h->checksum as it is. */
size_t naru_udp_emit(uint8_t *at, const struct naru_udp_hdr *h);

/* The checksum of an emitted header (whose field is 0) and payload: never 0. */
uint16_t naru_udp_checksum(const struct naru_csum_ops *ops, const struct naru_addr *src,
                           const struct naru_addr *dst, const uint8_t *header,
                           const struct naru_slice *slice, unsigned count);

/* Into the field of an emitted header. */
NARU_INLINE void naru_udp_checksum_set(uint8_t *header, uint16_t checksum)
{
    naru_put16(header + 6, checksum);
}

/* datagram: header and payload, len bytes; the field is not 0. */
bool naru_udp_checksum_ok(const struct naru_csum_ops *ops, const struct naru_addr *src,
                          const struct naru_addr *dst, const uint8_t *datagram, size_t len);

#endif
