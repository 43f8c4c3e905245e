/*
 * Ethernet II, 802.1Q and 802.1ad tags (two at most), MAC addresses.
 *
 * RFC 894, RFC 2464, RFC 1112 6.4 (groups of IPv4), RFC 2464 7 (groups of IPv6).
 *
 * A frame whose type field is below 0x600 is 802.3 with a length: it parses too, the length cuts
 * off the padding, and naru_eth_is_8023 tells.  Not done: LLC and SNAP behind it.
 */
#ifndef NARU_WIRE_ETH_H
#define NARU_WIRE_ETH_H

#include "wire/ip.h"

#include <string.h>

enum {
    NARU_MAC_LEN = 6,
    NARU_ETH_LEN = 14,
    NARU_ETH_TAG_LEN = 4,
    NARU_ETH_TAGS_MAX = 2,
    NARU_ETH_LEN_MAX = NARU_ETH_LEN + NARU_ETH_TAGS_MAX * NARU_ETH_TAG_LEN,
};

enum naru_ethertype {
    NARU_ETHERTYPE_IPV4 = 0x0800,
    NARU_ETHERTYPE_ARP = 0x0806,
    NARU_ETHERTYPE_RARP = 0x8035,
    NARU_ETHERTYPE_VLAN = 0x8100, /* 802.1Q, C-tag */
    NARU_ETHERTYPE_IPV6 = 0x86dd,
    NARU_ETHERTYPE_PPPOE_DISCOVERY = 0x8863,
    NARU_ETHERTYPE_PPPOE_SESSION = 0x8864,
    NARU_ETHERTYPE_QINQ = 0x88a8, /* 802.1ad, S-tag */
};

struct naru_eth_tag {
    uint16_t tpid; /* NARU_ETHERTYPE_VLAN or NARU_ETHERTYPE_QINQ */
    uint16_t tci;  /* priority << 13 | DEI << 12 | VLAN identifier */
};

struct naru_eth_hdr {
    uint8_t dst[NARU_MAC_LEN], src[NARU_MAC_LEN];
    uint16_t ethertype; /* of the payload, behind all tags */
    uint8_t tag_count;
    struct naru_eth_tag tag[NARU_ETH_TAGS_MAX]; /* outermost first */
};

NARU_INLINE uint16_t naru_eth_tag_vid(const struct naru_eth_tag *tag) { return tag->tci & 0xfff; }
NARU_INLINE uint8_t naru_eth_tag_priority(const struct naru_eth_tag *tag)
{
    return (uint8_t)(tag->tci >> 13);
}

NARU_INLINE bool naru_eth_is_8023(const struct naru_eth_hdr *h) { return h->ethertype < 0x600; }

NARU_INLINE size_t naru_eth_len(const struct naru_eth_hdr *h)
{
    return NARU_ETH_LEN + (size_t)NARU_ETH_TAG_LEN * h->tag_count;
}

/* ETH_SHORT, ETH_TAGS (a third tag). */
enum naru_drop naru_eth_parse(struct naru_span *in, struct naru_eth_hdr *h);

/* Writes naru_eth_len(h) bytes. */
size_t naru_eth_emit(uint8_t *at, const struct naru_eth_hdr *h);

/* ---- Addresses ---- */

NARU_INLINE bool naru_mac_eq(const uint8_t a[6], const uint8_t b[6])
{
    return naru_get32(a) == naru_get32(b) && naru_get16(a + 4) == naru_get16(b + 4);
}

/* Broadcast counts as multicast. */
NARU_INLINE bool naru_mac_is_multicast(const uint8_t mac[6]) { return (mac[0] & 1) != 0; }

NARU_INLINE bool naru_mac_is_broadcast(const uint8_t mac[6])
{
    return naru_get32(mac) == 0xffffffffU && naru_get16(mac + 4) == 0xffff;
}

NARU_INLINE bool naru_mac_is_zero(const uint8_t mac[6])
{
    return (naru_get32(mac) | naru_get16(mac + 4)) == 0;
}

/* Can it be the address of one station: neither multicast nor zero. */
NARU_INLINE bool naru_mac_is_unicast(const uint8_t mac[6])
{
    return !naru_mac_is_multicast(mac) && !naru_mac_is_zero(mac);
}

/* Where frames to that multicast group go: 01:00:5e:... or 33:33:... */
void naru_eth_multicast_mac(const struct naru_addr *group, uint8_t mac[6]);

#endif
