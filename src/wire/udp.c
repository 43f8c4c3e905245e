/*
 * UDP (see udp.h).
 */
#include "wire/udp.h"

enum { SOURCE_PORT = 0, DESTINATION_PORT = 2, LENGTH = 4, CHECKSUM = 6 };

enum naru_drop naru_udp_parse(struct naru_span *in, struct naru_udp_hdr *h)
{
    const uint8_t *p = naru_span_take(in, NARU_UDP_LEN);
    if (p == NULL)
        return NARU_DROP_UDP_SHORT;

    size_t len = naru_get16(p + LENGTH);
    if (len < NARU_UDP_LEN || len - NARU_UDP_LEN > in->len)
        return NARU_DROP_UDP_LENGTH;
    in->len = len - NARU_UDP_LEN;
    h->sport = naru_get16(p + SOURCE_PORT);
    h->dport = naru_get16(p + DESTINATION_PORT);
    h->len = (uint16_t)len;
    h->checksum = naru_get16(p + CHECKSUM);
    return NARU_DROP_NONE;
}

size_t naru_udp_emit(uint8_t *at, const struct naru_udp_hdr *h)
{
    naru_put16(at + SOURCE_PORT, h->sport);
    naru_put16(at + DESTINATION_PORT, h->dport);
    naru_put16(at + LENGTH, h->len);
    naru_put16(at + CHECKSUM, h->checksum);
    return NARU_UDP_LEN;
}

uint16_t naru_udp_checksum(const struct naru_csum_ops *ops, const struct naru_addr *src,
                           const struct naru_addr *dst, const uint8_t *header,
                           const struct naru_slice *slice, unsigned count)
{
    size_t len = NARU_UDP_LEN;
    for (unsigned i = 0; i < count; i++)
        len += slice[i].len;
    uint32_t pseudo = naru_csum_pseudo(src, dst, NARU_PROTO_UDP, (uint32_t)len);
    uint16_t checksum = naru_ip_checksum(ops, pseudo, header, NARU_UDP_LEN, slice, count);
    return checksum == 0 ? 0xffff : checksum; /* 0 would say that there is none */
}

bool naru_udp_checksum_ok(const struct naru_csum_ops *ops, const struct naru_addr *src,
                          const struct naru_addr *dst, const uint8_t *datagram, size_t len)
{
    uint32_t pseudo = naru_csum_pseudo(src, dst, NARU_PROTO_UDP, (uint32_t)len);
    return naru_csum_ok(ops->add(pseudo, datagram, len));
}
