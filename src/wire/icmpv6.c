/*
 * ICMPv6 errors and echo (see icmpv6.h).
 */
#include "wire/icmpv6.h"

#include <string.h>

enum { TYPE = 0, CODE = 1, CHECKSUM = 2, VALUE = 4, IDENT = 4, SEQ = 6 };

static bool is_echo(uint8_t type)
{
    return type == NARU_ICMPV6_ECHO || type == NARU_ICMPV6_ECHO_REPLY;
}

static bool is_bare(uint8_t type) { return !is_echo(type) && !naru_icmpv6_is_error(type); }

enum naru_drop naru_icmpv6_parse(struct naru_span *in, struct naru_icmpv6_hdr *h)
{
    const uint8_t *p = in->at;
    if (in->len < NARU_ICMPV6_BARE_LEN)
        return NARU_DROP_ICMP_SHORT;

    *h = (struct naru_icmpv6_hdr){
        .type = p[TYPE],
        .code = p[CODE],
        .checksum = naru_get16(p + CHECKSUM),
    };
    if (naru_span_take(in, is_bare(h->type) ? NARU_ICMPV6_BARE_LEN : NARU_ICMPV6_LEN) == NULL)
        return NARU_DROP_ICMP_SHORT;
    if (is_echo(h->type)) {
        h->ident = naru_get16(p + IDENT);
        h->seq = naru_get16(p + SEQ);
    } else if (h->type == NARU_ICMPV6_TOO_BIG) {
        h->mtu = naru_get32(p + VALUE);
    } else if (h->type == NARU_ICMPV6_PARAM_PROBLEM) {
        h->pointer = naru_get32(p + VALUE);
    }
    return NARU_DROP_NONE;
}

static uint32_t message_sum(const struct naru_addr *src, const struct naru_addr *dst,
                            const uint8_t *message, size_t len)
{
    uint32_t sum = naru_csum_pseudo(src, dst, NARU_PROTO_ICMPV6, (uint32_t)len);
    return naru_csum_add(sum, message, len);
}

bool naru_icmpv6_checksum_ok(const struct naru_addr *src, const struct naru_addr *dst,
                             const uint8_t *message, size_t len)
{
    return naru_csum_ok(message_sum(src, dst, message, len));
}

size_t naru_icmpv6_emit(uint8_t *at, const struct naru_icmpv6_hdr *h)
{
    size_t len = is_bare(h->type) ? NARU_ICMPV6_BARE_LEN : NARU_ICMPV6_LEN;
    memset(at, 0, len);
    naru_put8(at + TYPE, h->type);
    naru_put8(at + CODE, h->code);
    if (is_echo(h->type)) {
        naru_put16(at + IDENT, h->ident);
        naru_put16(at + SEQ, h->seq);
    } else if (h->type == NARU_ICMPV6_TOO_BIG) {
        naru_put32(at + VALUE, h->mtu);
    } else if (h->type == NARU_ICMPV6_PARAM_PROBLEM) {
        naru_put32(at + VALUE, h->pointer);
    }
    return len;
}

void naru_icmpv6_checksum_set(const struct naru_addr *src, const struct naru_addr *dst,
                              uint8_t *message, size_t len)
{
    NARU_ASSERT(len >= NARU_ICMPV6_BARE_LEN);
    naru_put16(message + CHECKSUM, 0);
    naru_put16(message + CHECKSUM, naru_csum_finish(message_sum(src, dst, message, len)));
}
