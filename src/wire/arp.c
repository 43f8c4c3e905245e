/*
 * ARP and RARP (see arp.h).
 */
#include "wire/arp.h"

#include "base/addr.h"

#include <string.h>

enum { HRD = 0, PRO = 2, HLN = 4, PLN = 5, OP = 6, SHA = 8, SPA = 14, THA = 18, TPA = 24 };
enum { HRD_ETHERNET = 1, PRO_IPV4 = 0x0800 };

enum naru_drop naru_arp_parse(struct naru_span *in, struct naru_arp_hdr *h)
{
    const uint8_t *p = naru_span_take(in, NARU_ARP_LEN);
    if (p == NULL)
        return NARU_DROP_ARP_SHORT;
    if (naru_get16(p + HRD) != HRD_ETHERNET || naru_get16(p + PRO) != PRO_IPV4 || p[HLN] != 6 ||
        p[PLN] != 4)
        return NARU_DROP_ARP_FORMAT;

    uint16_t op = naru_get16(p + OP);
    if (op < NARU_ARP_REQUEST || op > NARU_RARP_REPLY)
        return NARU_DROP_ARP_OP;
    h->op = (enum naru_arp_op)op;
    memcpy(h->sha, p + SHA, 6);
    memcpy(h->tha, p + THA, 6);
    h->spa = naru_addr_from4(p + SPA);
    h->tpa = naru_addr_from4(p + TPA);
    return NARU_DROP_NONE;
}

size_t naru_arp_emit(uint8_t *at, const struct naru_arp_hdr *h)
{
    naru_put16(at + HRD, HRD_ETHERNET);
    naru_put16(at + PRO, PRO_IPV4);
    naru_put8(at + HLN, 6);
    naru_put8(at + PLN, 4);
    naru_put16(at + OP, h->op);
    memcpy(at + SHA, h->sha, 6);
    memcpy(at + SPA, h->spa.b + 12, 4);
    memcpy(at + THA, h->tha, 6);
    memcpy(at + TPA, h->tpa.b + 12, 4);
    return NARU_ARP_LEN;
}
