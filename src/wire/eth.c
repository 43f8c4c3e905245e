/*
 * Ethernet II, 802.1Q and 802.1ad (see eth.h).
 */
#include "wire/eth.h"

#include "base/addr.h"

enum { DST = 0, SRC = 6, TYPE = 12 };

static bool is_tag(uint16_t ethertype)
{
    return ethertype == NARU_ETHERTYPE_VLAN || ethertype == NARU_ETHERTYPE_QINQ;
}

static NARU_NOINLINE enum naru_drop tags_parse(struct naru_span *in, struct naru_eth_hdr *h)
{
    while (is_tag(h->ethertype)) {
        if (h->tag_count == NARU_ETH_TAGS_MAX)
            return NARU_DROP_ETH_TAGS;
        const uint8_t *p = naru_span_take(in, NARU_ETH_TAG_LEN);
        if (p == NULL)
            return NARU_DROP_ETH_SHORT;
        h->tag[h->tag_count++] =
            (struct naru_eth_tag){ .tpid = h->ethertype, .tci = naru_get16(p) };
        h->ethertype = naru_get16(p + 2);
    }
    return NARU_DROP_NONE;
}

/* RFC 894 (Ethernet II) frames are sent and received (H-2.3.3-1). */
enum naru_drop naru_eth_parse(struct naru_span *in, struct naru_eth_hdr *h)
{
    const uint8_t *p = naru_span_take(in, NARU_ETH_LEN);
    if (p == NULL)
        return NARU_DROP_ETH_SHORT;

    memcpy(h->dst, p + DST, NARU_MAC_LEN);
    memcpy(h->src, p + SRC, NARU_MAC_LEN);
    h->ethertype = naru_get16(p + TYPE);
    h->tag_count = 0;
    if (NARU_UNLIKELY(is_tag(h->ethertype))) {
        enum naru_drop drop = tags_parse(in, h);
        if (drop != NARU_DROP_NONE)
            return drop;
    }
    if (NARU_UNLIKELY(naru_eth_is_8023(h))) {
        if (h->ethertype > in->len)
            return NARU_DROP_ETH_SHORT;
        in->len = h->ethertype;
    }
    return NARU_DROP_NONE;
}

/* Always Ethernet II: no lengths, no trailers (H-2.3.1-2, H-2.3.3-5). */
size_t naru_eth_emit(uint8_t *at, const struct naru_eth_hdr *h)
{
    NARU_ASSERT(h->tag_count <= NARU_ETH_TAGS_MAX);
    memcpy(at + DST, h->dst, NARU_MAC_LEN);
    memcpy(at + SRC, h->src, NARU_MAC_LEN);
    uint8_t *p = at + TYPE;
    for (unsigned i = 0; i < h->tag_count; i++, p += NARU_ETH_TAG_LEN) {
        naru_put16(p, h->tag[i].tpid);
        naru_put16(p + 2, h->tag[i].tci);
    }
    naru_put16(p, h->ethertype);
    return naru_eth_len(h);
}

void naru_eth_multicast_mac(const struct naru_addr *group, uint8_t mac[6])
{
    if (naru_addr_is_v4(group)) {
        naru_put24(mac, 0x01005e);
        naru_put24(mac + 3, naru_addr_v4_bits(group) & 0x7fffff);
    } else {
        naru_put16(mac, 0x3333);
        memcpy(mac + 2, group->b + 12, 4);
    }
}
