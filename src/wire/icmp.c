/*
 * ICMP for IPv4 (see icmp.h).
 */
#include "wire/icmp.h"

#include "base/addr.h"

#include <string.h>

enum { TYPE = 0, CODE = 1, CHECKSUM = 2, POINTER = 4, GATEWAY = 4, IDENT = 4, SEQ = 6, MTU = 6 };

static bool has_ident(uint8_t type)
{
    return type == NARU_ICMP_ECHO || type == NARU_ICMP_ECHO_REPLY || type == NARU_ICMP_TIMESTAMP ||
           type == NARU_ICMP_TIMESTAMP_REPLY;
}

static bool has_mtu(const struct naru_icmp_hdr *h)
{
    return h->type == NARU_ICMP_UNREACHABLE && h->code == NARU_ICMP_FRAG_NEEDED;
}

enum naru_drop naru_icmp_parse(struct naru_span *in, struct naru_icmp_hdr *h)
{
    const uint8_t *p = naru_span_take(in, NARU_ICMP_LEN);
    if (p == NULL)
        return NARU_DROP_ICMP_SHORT;

    *h = (struct naru_icmp_hdr){
        .type = p[TYPE],
        .code = p[CODE],
        .checksum = naru_get16(p + CHECKSUM),
    };
    if (has_ident(h->type)) {
        h->ident = naru_get16(p + IDENT);
        h->seq = naru_get16(p + SEQ);
    } else if (has_mtu(h)) {
        h->mtu = naru_get16(p + MTU);
    } else if (h->type == NARU_ICMP_PARAM_PROBLEM) {
        h->pointer = p[POINTER];
    } else if (h->type == NARU_ICMP_REDIRECT) {
        h->gateway = naru_addr_from4(p + GATEWAY);
    }
    return NARU_DROP_NONE;
}

bool naru_icmp_checksum_ok(const uint8_t *message, size_t len)
{
    return naru_csum_ok(naru_csum_add(0, message, len));
}

size_t naru_icmp_emit(uint8_t *at, const struct naru_icmp_hdr *h)
{
    memset(at, 0, NARU_ICMP_LEN);
    naru_put8(at + TYPE, h->type);
    naru_put8(at + CODE, h->code);
    if (has_ident(h->type)) {
        naru_put16(at + IDENT, h->ident);
        naru_put16(at + SEQ, h->seq);
    } else if (has_mtu(h)) {
        naru_put16(at + MTU, h->mtu);
    } else if (h->type == NARU_ICMP_PARAM_PROBLEM) {
        naru_put8(at + POINTER, h->pointer);
    } else if (h->type == NARU_ICMP_REDIRECT) {
        memcpy(at + GATEWAY, h->gateway.b + 12, 4);
    }
    return NARU_ICMP_LEN;
}

void naru_icmp_checksum_set(uint8_t *message, size_t len)
{
    NARU_ASSERT(len >= NARU_ICMP_LEN);
    naru_put16(message + CHECKSUM, 0);
    naru_put16(message + CHECKSUM, naru_csum_finish(naru_csum_add(0, message, len)));
}
