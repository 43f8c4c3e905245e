/*
 * Frames and packets as text: Ethernet, ARP, IPv4, IPv6, UDP (see show.h).
 */
#include "wire/show.h"

#include "wire/arp.h"
#include "wire/eth.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/udp.h"

/* A packet on its way through this file. */
struct part {
    struct naru_addr src, dst;
    struct naru_span in; /* what there is of the payload */
    size_t len;          /* of the payload, by the IP header */
    uint8_t proto;
    unsigned extension_count; /* IPv6 */
    const char *extension[NARU_IPV6_EXT_MAX];
};

void naru_show_proto(struct naru_text *t, uint8_t proto)
{
    static const struct {
        uint8_t proto;
        const char *name;
    } names[] = {
        { NARU_PROTO_ICMP, "icmp" },    { NARU_PROTO_IGMP, "igmp" }, { NARU_PROTO_TCP, "tcp" },
        { NARU_PROTO_UDP, "udp" },      { NARU_PROTO_ESP, "esp" },   { NARU_PROTO_AH, "ah" },
        { NARU_PROTO_ICMPV6, "icmp6" }, { NARU_PROTO_OSPF, "ospf" },
    };
    for (size_t i = 0; i < NARU_ARRAY_LEN(names); i++) {
        if (names[i].proto == proto) {
            naru_text_str(t, names[i].name);
            return;
        }
    }
    naru_text_str(t, "ip-proto-");
    naru_text_uint(t, proto);
}

static void length_show(struct naru_text *t, size_t len)
{
    naru_text_str(t, ", length ");
    naru_text_uint(t, len);
}

/* "10.0.0.1 > 10.0.0.2: ", with ports where the payload has them. */
static void between_show(struct naru_text *t, const struct part *p)
{
    bool ports = (p->proto == NARU_PROTO_TCP || p->proto == NARU_PROTO_UDP) && p->in.len >= 4;
    naru_text_addr(t, &p->src);
    if (ports) {
        naru_text_char(t, '.');
        naru_text_uint(t, naru_get16(p->in.at));
    }
    naru_text_str(t, " > ");
    naru_text_addr(t, &p->dst);
    if (ports) {
        naru_text_char(t, '.');
        naru_text_uint(t, naru_get16(p->in.at + 2));
    }
    naru_text_str(t, ": ");
    for (unsigned i = 0; i < p->extension_count; i++)
        naru_text_str(t, p->extension[i]);
}

static void udp_show(struct naru_text *t, struct naru_span in)
{
    if (in.len < NARU_UDP_LEN) {
        naru_text_str(t, "[|udp]");
        return;
    }
    size_t len = naru_get16(in.at + 4);
    naru_text_str(t, "UDP");
    if (len < NARU_UDP_LEN) {
        naru_text_str(t, ", bad length ");
        naru_text_uint(t, len);
    } else {
        length_show(t, len - NARU_UDP_LEN);
    }
}

static void payload_show(struct naru_text *t, const struct part *p)
{
    between_show(t, p);
    switch (p->proto) {
    case NARU_PROTO_TCP:
        naru_show_segment(t, p->in, p->len);
        break;
    case NARU_PROTO_UDP:
        udp_show(t, p->in);
        break;
    case NARU_PROTO_ICMP:
        naru_show_icmp(t, p->in, p->len);
        break;
    case NARU_PROTO_ICMPV6:
        naru_show_icmpv6(t, p->in, p->len);
        break;
    case NARU_PROTO_IGMP:
        naru_show_igmp(t, p->in);
        break;
    default:
        naru_show_proto(t, p->proto);
        naru_text_char(t, ' ');
        naru_text_uint(t, p->len);
        break;
    }
}

static void missing_show(struct naru_text *t, size_t have, size_t want)
{
    if (have >= want)
        return;
    naru_text_str(t, "truncated-ip - ");
    naru_text_uint(t, want - have);
    naru_text_str(t, " bytes missing! ");
}

/* "(frag id 7, offset 1480, length 20, more) " */
static void fragment_show(struct naru_text *t, uint32_t ident, size_t offset, size_t len, bool more)
{
    naru_text_str(t, "(frag id ");
    naru_text_uint(t, ident);
    naru_text_str(t, ", offset ");
    naru_text_uint(t, offset);
    length_show(t, len);
    naru_text_str(t, more ? ", more)" : ")");
}

static void ipv4_show(struct naru_text *t, struct naru_span in)
{
    struct naru_ipv4_hdr h;
    naru_text_str(t, "IP ");
    if (in.len < NARU_IPV4_LEN) {
        naru_text_str(t, "[|ip]");
        return;
    }
    if (naru_ipv4_parse_quoted(&in, &h) != NARU_DROP_NONE || h.total_len < h.header_len) {
        naru_text_str(t, "[bad header]");
        return;
    }
    struct part p = {
        .src = h.src,
        .dst = h.dst,
        .in = in,
        .len = (size_t)h.total_len - h.header_len,
        .proto = h.protocol,
    };
    missing_show(t, in.len, p.len);
    if (h.frag_offset != 0) {
        p.in.len = 0; /* no ports */
        between_show(t, &p);
        naru_show_proto(t, p.proto);
    } else {
        payload_show(t, &p);
    }
    if (naru_ipv4_is_fragment(&h)) {
        naru_text_char(t, ' ');
        fragment_show(t, h.ident, h.frag_offset, p.len, h.mf);
    }
}

static const char *extension_name(uint8_t proto)
{
    switch (proto) {
    case NARU_PROTO_HOP_BY_HOP:
        return "HBH ";
    case NARU_PROTO_ROUTING:
        return "RH ";
    case NARU_PROTO_DEST_OPTIONS:
        return "DSTOPT ";
    default:
        return NULL;
    }
}

/* Over extension headers, keeping their names; false: cut off, or more than NARU_IPV6_EXT_MAX. */
static bool extensions_take(struct part *p)
{
    const char *name;
    while ((name = extension_name(p->proto)) != NULL) {
        size_t len = p->in.len < 2 ? 0 : ((size_t)p->in.at[1] + 1) * 8;
        if (len == 0 || len > p->in.len || p->extension_count == NARU_IPV6_EXT_MAX)
            return false;
        p->proto = naru_span_take(&p->in, len)[0];
        p->len -= NARU_MIN(p->len, len);
        p->extension[p->extension_count++] = name;
    }
    return true;
}

static void ipv6_show(struct naru_text *t, struct naru_span in)
{
    struct naru_ipv6_hdr h;
    struct naru_ipv6_fragment f;
    naru_text_str(t, "IP6 ");
    if (in.len < NARU_IPV6_LEN) {
        naru_text_str(t, "[|ip6]");
        return;
    }
    enum naru_drop drop = naru_ipv6_parse_quoted(&in, &h);
    if (drop != NARU_DROP_NONE && drop != NARU_DROP_IPV6_MAPPED) {
        naru_text_str(t, "[bad header]");
        return;
    }
    if (drop == NARU_DROP_IPV6_MAPPED)
        naru_text_str(t, "[bad address] ");
    struct part p = {
        .src = h.src, .dst = h.dst, .in = in, .len = h.payload_len, .proto = h.next_header
    };
    missing_show(t, in.len, p.len);
    if (!extensions_take(&p)) {
        between_show(t, &p);
        naru_text_str(t, "[|ip6]");
        return;
    }
    bool fragment = p.proto == NARU_PROTO_FRAGMENT;
    if (fragment) {
        if (naru_ipv6_fragment_parse(&p.in, &f) != NARU_DROP_NONE) {
            naru_text_str(t, "[|frag]");
            return;
        }
        p.proto = f.next_header;
        p.len -= NARU_MIN(p.len, (size_t)NARU_IPV6_FRAGMENT_LEN);
    }
    if (p.proto == NARU_PROTO_NO_NEXT) {
        between_show(t, &p);
        naru_text_str(t, "no next header");
    } else if (fragment && f.offset != 0) {
        p.in.len = 0; /* no ports */
        between_show(t, &p);
        naru_show_proto(t, p.proto);
    } else {
        payload_show(t, &p);
    }
    if (fragment) {
        naru_text_char(t, ' ');
        fragment_show(t, f.ident, f.offset, p.len, f.more);
    }
}

void naru_show_packet(struct naru_text *t, const uint8_t *packet, size_t len)
{
    if (len > 0 && packet[0] >> 4 == 6)
        ipv6_show(t, naru_span(packet, len));
    else
        ipv4_show(t, naru_span(packet, len));
}

static void arp_show(struct naru_text *t, struct naru_span in, const char *name)
{
    struct naru_arp_hdr h;
    size_t len = in.len;
    naru_text_str(t, name);
    enum naru_drop drop = naru_arp_parse(&in, &h);
    if (drop != NARU_DROP_NONE) {
        naru_text_str(t, drop == NARU_DROP_ARP_SHORT ? " [|arp]" : " [bad format]");
        return;
    }
    switch (h.op) {
    case NARU_ARP_REQUEST:
        naru_text_str(t, " Request who-has ");
        naru_text_addr(t, &h.tpa);
        naru_text_str(t, " tell ");
        naru_text_addr(t, &h.spa);
        break;
    case NARU_ARP_REPLY:
        naru_text_str(t, " Reply ");
        naru_text_addr(t, &h.spa);
        naru_text_str(t, " is-at ");
        naru_text_mac(t, h.sha);
        break;
    case NARU_RARP_REQUEST:
        naru_text_str(t, " Reverse Request who-is ");
        naru_text_mac(t, h.tha);
        naru_text_str(t, " tell ");
        naru_text_mac(t, h.sha);
        break;
    case NARU_RARP_REPLY:
        naru_text_str(t, " Reverse Reply ");
        naru_text_mac(t, h.tha);
        naru_text_str(t, " at ");
        naru_text_addr(t, &h.tpa);
        break;
    }
    length_show(t, len);
}

static void other_show(struct naru_text *t, const struct naru_eth_hdr *h, size_t len)
{
    naru_text_mac(t, h->src);
    naru_text_str(t, " > ");
    naru_text_mac(t, h->dst);
    if (naru_eth_is_8023(h)) {
        naru_text_str(t, ", 802.3");
    } else {
        naru_text_str(t, ", ethertype 0x");
        naru_text_hex(t, h->ethertype, 4);
    }
    length_show(t, len);
}

void naru_show_frame(struct naru_text *t, const uint8_t *frame, size_t len)
{
    struct naru_span in = naru_span(frame, len);
    struct naru_eth_hdr h;
    enum naru_drop drop = naru_eth_parse(&in, &h);
    if (drop != NARU_DROP_NONE) {
        naru_text_str(t, drop == NARU_DROP_ETH_TAGS ? "[bad tags]" : "[|ether]");
        return;
    }
    for (unsigned i = 0; i < h.tag_count; i++) {
        naru_text_str(t, "vlan ");
        naru_text_uint(t, naru_eth_tag_vid(&h.tag[i]));
        naru_text_str(t, ", p ");
        naru_text_uint(t, naru_eth_tag_priority(&h.tag[i]));
        naru_text_str(t, ", ");
    }
    switch (h.ethertype) {
    case NARU_ETHERTYPE_IPV4:
        ipv4_show(t, in);
        break;
    case NARU_ETHERTYPE_IPV6:
        ipv6_show(t, in);
        break;
    case NARU_ETHERTYPE_ARP:
        arp_show(t, in, "ARP,");
        break;
    case NARU_ETHERTYPE_RARP:
        arp_show(t, in, "RARP,");
        break;
    default:
        other_show(t, &h, in.len);
        break;
    }
}
