/*
 * The transport checksum over pieces: pseudo header, header, slices of any length (RFC 1071).
 */
#include "wire/ip.h"

uint16_t naru_ip_checksum(const struct naru_csum_ops *ops, uint32_t pseudo, const uint8_t *header,
                          size_t header_len, const struct naru_slice *slice, unsigned count)
{
    uint32_t sum = naru_csum_header(pseudo, header, header_len);
    return naru_csum_finish(naru_ip_slices_sum(ops, sum, slice, count));
}

uint32_t naru_ip_slices_sum(const struct naru_csum_ops *ops, uint32_t sum,
                            const struct naru_slice *slice, unsigned count)
{
    size_t offset = 0;
    for (unsigned i = 0; i < count; i++) {
        sum = naru_csum_join(sum, ops->add(0, slice[i].at, slice[i].len), offset);
        offset += slice[i].len;
    }
    return sum;
}
