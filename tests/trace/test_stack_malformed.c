/*
 * Every malformed class of frame ends in exactly one counted reason, gives its memory back, and is
 * answered at most once.
 *
 * A row is a good frame with something put over it: its checksums are made right again afterwards,
 * unless the row is about them, so that each row reaches the check it names.
 */
#include "lib/craft.h"
#include "lib/stack_lab.h"
#include "stack/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum base {
    TCP4, /* a SYN to the listener, port 80 */
    TCP6,
    UDP4, /* 16 bytes to port 53 */
    UDP6,
    PING4,
    PING6,
    ARP,  /* a request for the stack's address */
    NS,   /* for the stack's address, with a source link-layer address */
    NA,   /* for some other address */
    RA,   /* with a prefix */
    IGMP, /* a general query */
    MLD,
};

enum layer { ETH, IP, UP };

struct put {
    enum layer layer;
    uint16_t at;
    uint16_t len;
    const char *bytes;
};

/* What stands between the IP header and the rest: IPv4 options, IPv6 extension headers. */
struct between {
    uint8_t len;  /* of IPv4 a multiple of 4 */
    uint8_t next; /* IPv6: the first one's number */
    const char *bytes;
};

struct row {
    const char *name;
    enum naru_drop want;
    enum base base;
    struct put put[3];
    struct between between;
    int len;   /* frame length to cut to, plus 1; 0: whole */
    bool keep; /* the checksums stay as they are */
};

#define PUT(layer, at, bytes)               \
    {                                       \
        layer, at, sizeof(bytes) - 1, bytes \
    }
#define EXT(next, bytes)               \
    {                                  \
        sizeof(bytes) - 1, next, bytes \
    }
#define OPT(bytes)                  \
    {                               \
        sizeof(bytes) - 1, 0, bytes \
    }
#define CUT(n) ((n) + 1)

#define MCAST4    "\xe0\0\0\x1"
#define ALL4      "\xff\xff\xff\xff"
#define ZERO4     "\0\0\0\0"
#define ZERO16    ZERO4 ZERO4 ZERO4 ZERO4
#define LAST16(n) "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" n /* ::n */

static const struct row rows[] = {
    /* link */
    { "nothing", NARU_DROP_ETH_SHORT, UDP4, .len = CUT(0) },
    { "half a MAC", NARU_DROP_ETH_SHORT, UDP4, .len = CUT(3) },
    { "13 bytes", NARU_DROP_ETH_SHORT, UDP4, .len = CUT(13) },
    { "802.3 length beyond the frame", NARU_DROP_ETH_SHORT, UDP4,
      .put = { PUT(ETH, 12, "\x05\0") } },
    { "cut tag", NARU_DROP_ETH_SHORT, UDP4, .put = { PUT(ETH, 12, "\x81\0") }, .len = CUT(15) },
    { "three tags", NARU_DROP_ETH_TAGS, UDP4,
      .put = { PUT(ETH, 12, "\x81\0\0\x7\x81\0\0\x7\x81\0\0\x7\x08\0") } },
    { "unknown VLAN", NARU_DROP_VLAN_UNKNOWN, UDP4, .put = { PUT(ETH, 12, "\x81\0\0\x9\x08\0") } },
    { "to another MAC", NARU_DROP_NOT_FOR_US_MAC, UDP4, .put = { PUT(ETH, 0, "\2\0\0\0\0\x77") } },
    { "from a group MAC", NARU_DROP_SRC_MULTICAST, UDP4, .put = { PUT(ETH, 6, "\3") } },
    { "unknown ethertype", NARU_DROP_ETHERTYPE_UNKNOWN, UDP4, .put = { PUT(ETH, 12, "\x88\xb5") } },
    /* ARP */
    { "cut ARP", NARU_DROP_ARP_SHORT, ARP, .len = CUT(14 + 27) },
    { "ARP of 8-byte addresses", NARU_DROP_ARP_FORMAT, ARP, .put = { PUT(UP, 4, "\x8") } },
    { "ARP operation 99", NARU_DROP_ARP_OP, ARP, .put = { PUT(UP, 6, "\0\x63") } },
    { "RARP", NARU_DROP_PROTO_UNKNOWN, ARP, .put = { PUT(UP, 6, "\0\x3") } },
    { "ARP from a group MAC", NARU_DROP_SRC_MULTICAST, ARP, .put = { PUT(UP, 8, "\xff") } },
    { "ARP from a group address", NARU_DROP_SRC_MULTICAST, ARP, .put = { PUT(UP, 14, MCAST4) } },
    { "ARP from our address", NARU_DROP_SRC_OURS, ARP, .put = { PUT(UP, 14, "\xa\0\0\x2") } },
    { "ARP reply nobody waits for", NARU_DROP_NEIGH_UNWANTED, ARP,
      .put = { PUT(UP, 6, "\0\x2"), PUT(UP, 14, "\xa\0\0\x46") } },
    { "ARP for somebody else", NARU_DROP_NEIGH_UNWANTED, ARP,
      .put = { PUT(UP, 14, "\xa\0\0\x46\0\0\0\0\0\0\xa\0\0\x63") } },
    /* IPv4 */
    { "IPv4 of 10 bytes", NARU_DROP_IPV4_SHORT, UDP4, .len = CUT(24) },
    { "IPv4 of 19 bytes", NARU_DROP_IPV4_SHORT, UDP4, .len = CUT(33) },
    { "version 5", NARU_DROP_IPV4_VERSION, UDP4, .put = { PUT(IP, 0, "\x55") } },
    { "header of 16 bytes", NARU_DROP_IPV4_HEADER_LEN, UDP4, .put = { PUT(IP, 0, "\x44") } },
    { "header beyond the frame", NARU_DROP_IPV4_HEADER_LEN, UDP4, .put = { PUT(IP, 0, "\x4f") } },
    { "total length below the header", NARU_DROP_IPV4_LENGTH, UDP4,
      .put = { PUT(IP, 2, "\0\x13") } },
    { "total length beyond the frame", NARU_DROP_IPV4_LENGTH, UDP4,
      .put = { PUT(IP, 2, "\xff\xff") } },
    { "IPv4 checksum", NARU_DROP_IPV4_CHECKSUM, UDP4, .put = { PUT(IP, 10, "\1") }, .keep = true },
    { "from a group", NARU_DROP_SRC_MULTICAST, UDP4, .put = { PUT(IP, 12, MCAST4) } },
    { "from everyone", NARU_DROP_SRC_MULTICAST, UDP4, .put = { PUT(IP, 12, ALL4) } },
    { "from 127.0.0.1", NARU_DROP_SRC_LOOPBACK, UDP4, .put = { PUT(IP, 12, "\x7f\0\0\1") } },
    { "to 127.0.0.1", NARU_DROP_DST_LOOPBACK, UDP4, .put = { PUT(IP, 16, "\x7f\0\0\1") } },
    { "LAND", NARU_DROP_SRC_OURS, TCP4, .put = { PUT(IP, 12, "\xa\0\0\2"), PUT(UP, 0, "\0\x50") } },
    { "to somebody else", NARU_DROP_NOT_FOR_US, UDP4, .put = { PUT(IP, 16, "\xa\0\0\x63") } },
    { "to a group of others", NARU_DROP_MULTICAST_NOT_JOINED, UDP4,
      .put = { PUT(IP, 16, "\xe0\0\7\7") } },
    { "protocol 99", NARU_DROP_PROTO_UNKNOWN, UDP4, .put = { PUT(IP, 9, "\x63") } },
    { "ICMPv6 in IPv4", NARU_DROP_PROTO_UNKNOWN, UDP4, .put = { PUT(IP, 9, "\x3a") } },
    { "option of length 0", NARU_DROP_IPV4_OPTION, UDP4, .between = OPT("\x44\0\0\0") },
    { "option of length 1", NARU_DROP_IPV4_OPTION, UDP4, .between = OPT("\x44\1\0\0") },
    { "option beyond the header", NARU_DROP_IPV4_OPTION, UDP4, .between = OPT("\1\1\x44\x8") },
    { "half an option", NARU_DROP_IPV4_OPTION, UDP4, .between = OPT("\1\1\1\x44") },
    { "record route, pointer 3", NARU_DROP_IPV4_OPTION, UDP4,
      .between = OPT("\x7\x7\x3\0\0\0\0\0") },
    { "loose source route", NARU_DROP_IPV4_SOURCE_ROUTE, UDP4,
      .between = OPT("\x83\x7\x4\xa\0\0\1\0") },
    { "strict source route", NARU_DROP_IPV4_SOURCE_ROUTE, UDP4,
      .between = OPT("\x89\x7\x4\xa\0\0\1\0") },
    /* IPv6 */
    { "IPv6 of 39 bytes", NARU_DROP_IPV6_SHORT, UDP6, .len = CUT(53) },
    { "IPv6 version 4", NARU_DROP_IPV6_VERSION, UDP6, .put = { PUT(IP, 0, "\x40") } },
    { "payload beyond the frame", NARU_DROP_IPV6_LENGTH, UDP6, .put = { PUT(IP, 4, "\xff\xff") } },
    { "from ::ffff:10.0.0.9", NARU_DROP_IPV6_MAPPED, UDP6,
      .put = { PUT(IP, 8, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xa\0\0\x9") } },
    { "IPv6 from a group", NARU_DROP_SRC_MULTICAST, UDP6, .put = { PUT(IP, 8, "\xff\2") } },
    { "from ::1", NARU_DROP_SRC_LOOPBACK, UDP6, .put = { PUT(IP, 8, LAST16("\1")) } },
    { "to ::1", NARU_DROP_DST_LOOPBACK, UDP6, .put = { PUT(IP, 24, LAST16("\1")) } },
    { "LAND, IPv6", NARU_DROP_SRC_OURS, TCP6, .put = { PUT(IP, 8, "\xfd"), PUT(IP, 23, "\2") } },
    { "IPv6 protocol 99", NARU_DROP_PROTO_UNKNOWN, UDP6, .put = { PUT(IP, 6, "\x63") } },
    { "ICMP in IPv6", NARU_DROP_PROTO_UNKNOWN, UDP6, .put = { PUT(IP, 6, "\1") } },
    { "no next header", NARU_DROP_IPV6_NO_NEXT, UDP6, .put = { PUT(IP, 6, "\x3b") } },
    { "hop-by-hop beyond the packet", NARU_DROP_IPV6_EXT_SHORT, UDP6,
      .between = EXT(0, "\x11\xff\1\4\0\0\0\0") },
    { "option beyond its header", NARU_DROP_IPV6_EXT_SHORT, UDP6,
      .between = EXT(60, "\x11\0\1\xf0\0\0\0\0") },
    { "half an IPv6 option", NARU_DROP_IPV6_EXT_SHORT, UDP6,
      .between = EXT(60, "\x11\0\1\3\0\0\0\x3e") },
    { "option to be dropped", NARU_DROP_IPV6_OPTION, UDP6,
      .between = EXT(60, "\x11\0\x7e\4\0\0\0\0") },
    { "option to be answered", NARU_DROP_IPV6_OPTION, UDP6,
      .between = EXT(60, "\x11\0\xbe\4\0\0\0\0") },
    { "hop-by-hop not first", NARU_DROP_IPV6_EXT_ORDER, UDP6,
      .between = EXT(60, "\0\0\1\4\0\0\0\0\x11\0\1\4\0\0\0\0") },
    { "routing header 0", NARU_DROP_IPV6_ROUTING, UDP6,
      .between = EXT(43, "\x11\2\0\1\0\0\0\0" ZERO16) },
    { "only padding options", NARU_DROP_IPV6_EXT_LIMIT, UDP6,
      .between = EXT(60, "\x3c\2\0\0\0\0\0\0" ZERO16 "\x11\2\0\0\0\0\0\0" ZERO16) },
    { "a long chain", NARU_DROP_IPV6_EXT_LIMIT, UDP6,
      .between = EXT(60, "\x3c\0\1\4\0\0\0\0\x3c\0\1\4\0\0\0\0\x3c\0\1\4\0\0\0\0\x3c\0\1\4\0\0\0\0"
                         "\x3c\0\1\4\0\0\0\0\x3c\0\1\4\0\0\0\0\x3c\0\1\4\0\0\0\0\x3c\0\1\4\0\0\0\0"
                         "\x3c\0\1\4\0\0\0\0\x3c\0\1\4\0\0\0\0\x11\0\1\4\0\0\0\0") },
    { "fragments nested", NARU_DROP_IPV6_EXT_LIMIT, UDP6,
      .between = EXT(44, "\x2c\0\0\0\0\0\0\1\x2c\0\0\0\0\0\0\2\x2c\0\0\0\0\0\0\3\x2c\0\0\0\0\0\0\4"
                         "\x2c\0\0\0\0\0\0\5\x2c\0\0\0\0\0\0\6\x2c\0\0\0\0\0\0\7\x2c\0\0\0\0\0\0\x8"
                         "\x2c\0\0\0\0\0\0\x9\x2c\0\0\0\0\0\0\xa\x11\0\0\0\0\0\0\xb") },
    /* fragments */
    { "ping of death", NARU_DROP_FRAG_LENGTH, PING4, .put = { PUT(IP, 6, "\x1f\xff") } },
    { "not eights", NARU_DROP_FRAG_LENGTH, UDP4,
      .put = { PUT(IP, 2, "\0\x29"), PUT(IP, 6, "\x20\0") } },
    { "empty fragment", NARU_DROP_FRAG_LENGTH, UDP4,
      .put = { PUT(IP, 2, "\0\x14"), PUT(IP, 6, "\x20\0") } },
    { "IPv6 ping of death", NARU_DROP_FRAG_LENGTH, PING6,
      .between = EXT(44, "\x3a\0\xff\xf8\0\0\0\1") },
    { "IPv6 not eights", NARU_DROP_FRAG_LENGTH, PING6, .put = { PUT(IP, 4, "\0\x1b") },
      .between = EXT(44, "\x3a\0\0\1\0\0\0\1") },
    { "cut fragment header", NARU_DROP_IPV6_EXT_SHORT, UDP6,
      .put = { PUT(IP, 4, "\0\x4"), PUT(IP, 6, "\x2c") } },
    /* ICMP */
    { "ICMP of 7 bytes", NARU_DROP_ICMP_SHORT, PING4, .put = { PUT(IP, 2, "\0\x1b") } },
    { "ICMP checksum", NARU_DROP_ICMP_CHECKSUM, PING4, .put = { PUT(UP, 2, "\1") }, .keep = true },
    { "ICMP type 200", NARU_DROP_ICMP_UNKNOWN, PING4, .put = { PUT(UP, 0, "\xc8") } },
    { "redirect", NARU_DROP_ICMP_IGNORED, PING4, .put = { PUT(UP, 0, "\5") } },
    { "source quench", NARU_DROP_ICMP_IGNORED, PING4, .put = { PUT(UP, 0, "\4") } },
    { "ping of everyone (smurf)", NARU_DROP_ICMP_IGNORED, PING4,
      .put = { PUT(ETH, 0, "\xff\xff\xff\xff\xff\xff"), PUT(IP, 16, "\xa\0\0\xff") } },
    { "reply nobody asked for", NARU_DROP_ICMP_NO_FLOW, PING4, .put = { PUT(UP, 0, "\0") } },
    { "error quoting nothing good", NARU_DROP_ICMP_QUOTE, PING4, .put = { PUT(UP, 0, "\3\1") } },
    { "ICMPv6 of 7 bytes", NARU_DROP_ICMP_SHORT, PING6, .put = { PUT(IP, 4, "\0\x3") } },
    { "ICMPv6 checksum", NARU_DROP_ICMP_CHECKSUM, PING6, .put = { PUT(UP, 2, "\1") },
      .keep = true },
    { "ICMPv6 type 200", NARU_DROP_ICMP_UNKNOWN, PING6, .put = { PUT(UP, 0, "\xc8") } },
    { "ICMPv6 error quoting nothing good", NARU_DROP_ICMP_QUOTE, PING6,
      .put = { PUT(UP, 0, "\2\0") } },
    /* neighbour discovery */
    { "solicitation from beyond the link", NARU_DROP_ND_HOP_LIMIT, NS,
      .put = { PUT(IP, 7, "\xfe") } },
    { "cut solicitation", NARU_DROP_ND_SHORT, NS, .put = { PUT(IP, 4, "\0\x17") } },
    { "solicitation of a group", NARU_DROP_ND_INVALID, NS, .put = { PUT(UP, 8, "\xff\2") } },
    { "option of length zero", NARU_DROP_ND_OPTION, NS, .put = { PUT(UP, 25, "\0") } },
    { "ND option beyond the message", NARU_DROP_ND_OPTION, NS, .put = { PUT(UP, 25, "\x9") } },
    { "solicitation from nobody with an address", NARU_DROP_ND_INVALID, NS,
      .put = { PUT(IP, 8, ZERO16) } },
    { "solicitation of somebody else", NARU_DROP_NOT_FOR_US, NS, .put = { PUT(UP, 23, "\x63") } },
    { "our address advertised", NARU_DROP_SRC_OURS, NA, .put = { PUT(UP, 23, "\2") } },
    { "advertisement nobody waits for", NARU_DROP_NEIGH_UNWANTED, NA, .len = 0 },
    { "solicited advertisement to all", NARU_DROP_ND_INVALID, NA,
      .put = { PUT(UP, 4, "\x60"), PUT(IP, 24, "\xff\2" ZERO4 ZERO4 ZERO4 "\0\1") } },
    { "router with a global address", NARU_DROP_ND_INVALID, RA, .put = { PUT(IP, 8, "\xfd\0") } },
    { "cut router advertisement", NARU_DROP_ND_SHORT, RA, .put = { PUT(IP, 4, "\0\xf") } },
    { "router advertisement, option of length 0", NARU_DROP_ND_OPTION, RA,
      .put = { PUT(UP, 17, "\0") } },
    /* groups */
    { "cut IGMP", NARU_DROP_GROUP_SHORT, IGMP, .put = { PUT(IP, 2, "\0\x1b") } },
    { "IGMP checksum", NARU_DROP_GROUP_CHECKSUM, IGMP, .put = { PUT(UP, 2, "\1") }, .keep = true },
    { "IGMP type 99", NARU_DROP_GROUP_TYPE, IGMP, .put = { PUT(UP, 0, "\x63") } },
    { "query of no group", NARU_DROP_GROUP_INVALID, IGMP, .put = { PUT(UP, 4, "\xa\0\0\1") } },
    { "MLD from beyond the link", NARU_DROP_GROUP_INVALID, MLD, .put = { PUT(IP, 7, "\x40") } },
    { "cut MLD", NARU_DROP_GROUP_SHORT, MLD, .put = { PUT(IP, 4, "\0\x14") } },
    { "MLD query of no group", NARU_DROP_GROUP_INVALID, MLD, .put = { PUT(UP, 8, "\xfd") } },
    /* UDP */
    { "UDP of 7 bytes", NARU_DROP_UDP_SHORT, UDP4, .put = { PUT(IP, 2, "\0\x1b") } },
    { "UDP length 7", NARU_DROP_UDP_LENGTH, UDP4, .put = { PUT(UP, 4, "\0\x7") } },
    { "UDP length beyond", NARU_DROP_UDP_LENGTH, UDP4, .put = { PUT(UP, 4, "\xff\xff") } },
    { "UDP checksum", NARU_DROP_UDP_CHECKSUM, UDP4, .put = { PUT(UP, 6, "\1\1") }, .keep = true },
    { "IPv6 UDP without checksum", NARU_DROP_UDP_ZERO_CHECKSUM, UDP6, .put = { PUT(UP, 6, "\0\0") },
      .keep = true },
    { "closed port", NARU_DROP_UDP_NO_PORT, UDP4, .put = { PUT(UP, 2, "\0\x9") } },
    { "closed port, IPv6", NARU_DROP_UDP_NO_PORT, UDP6, .put = { PUT(UP, 2, "\0\x9") } },
    /* TCP */
    { "TCP of 19 bytes", NARU_DROP_TCP_SHORT, TCP4, .put = { PUT(IP, 2, "\0\x27") } },
    { "TCP header of 16 bytes", NARU_DROP_TCP_HEADER_LEN, TCP4, .put = { PUT(UP, 12, "\x40") } },
    { "TCP header beyond", NARU_DROP_TCP_HEADER_LEN, TCP4, .put = { PUT(UP, 12, "\xf0") } },
    { "TCP checksum", NARU_DROP_TCP_CHECKSUM, TCP4, .put = { PUT(UP, 16, "\1\1") }, .keep = true },
    { "TCP checksum, IPv6", NARU_DROP_TCP_CHECKSUM, TCP6, .put = { PUT(UP, 16, "\1\1") },
      .keep = true },
    { "SYN to everyone", NARU_DROP_TCP_NOT_UNICAST, TCP4, .put = { PUT(IP, 16, "\xa\0\0\xff") } },
    { "SYN in a group's frame", NARU_DROP_TCP_NOT_UNICAST, TCP4, .put = { PUT(ETH, 0, "\xff") } },
    { "no flags", NARU_DROP_TCP_FLAGS, TCP4, .put = { PUT(UP, 13, "\0") } },
    { "SYN and FIN", NARU_DROP_TCP_FLAGS, TCP4, .put = { PUT(UP, 13, "\3") } },
    { "FIN", NARU_DROP_TCP_FLAGS, TCP4, .put = { PUT(UP, 13, "\1") } },
    { "christmas tree", NARU_DROP_TCP_RST_IGNORED, TCP4, .put = { PUT(UP, 13, "\xff") } },
    { "RST to a listener", NARU_DROP_TCP_RST_IGNORED, TCP4, .put = { PUT(UP, 13, "\4") } },
    { "SYN, ACK to a listener", NARU_DROP_TCP_FLAGS, TCP4, .put = { PUT(UP, 13, "\x12") } },
    { "ACK to a listener", NARU_DROP_TCP_COOKIE_INVALID, TCP4, .put = { PUT(UP, 13, "\x10") } },
    { "ACK to a listener, IPv6", NARU_DROP_TCP_COOKIE_INVALID, TCP6,
      .put = { PUT(UP, 13, "\x10") } },
    { "SYN to a closed port", NARU_DROP_TCP_NO_LISTENER, TCP4, .put = { PUT(UP, 2, "\0\x51") } },
    { "RST to a closed port", NARU_DROP_TCP_NO_LISTENER, TCP4,
      .put = { PUT(UP, 2, "\0\x51"), PUT(UP, 13, "\4") } },
};

/* ---- Frames of rows ---- */

static const uint8_t attacker_mac[6] = { 2, 0, 0, 0, 0, 0x66 };

static struct craft_ends ends_of(const struct lab *lab, enum naru_family family)
{
    struct craft_ends ends = {
        .src_mac = { 2, 0, 0, 0, 0, 0x66 },
        .dst_mac = { 2, 0, 0, 0, 0, 2 },
        .src = naru_addr_v4(0x0a000066),
        .dst = lab->v4[1],
    };
    if (family == NARU_IPV6) {
        ends.src = (struct naru_addr){ .b = { 0xfd, [15] = 0x66 } };
        ends.dst = lab->v6[1];
    }
    return ends;
}

static enum naru_family family_of(enum base base)
{
    switch (base) {
    case TCP6:
    case UDP6:
    case PING6:
    case NS:
    case NA:
    case RA:
    case MLD:
        return NARU_IPV6;
    case TCP4:
    case UDP4:
    case PING4:
    case ARP:
    case IGMP:
        break;
    }
    return NARU_IPV4;
}

/* The good frame, as its kind has it. */
static size_t good_frame(const struct lab *lab, enum base base, uint8_t *frame)
{
    static const uint8_t zeros[64];
    uint8_t nd[32] = { 0 };
    struct craft_ends ends = ends_of(lab, family_of(base));
    struct craft_segment syn = { .sport = 4000, .dport = 80, .flags = CRAFT_SYN, .window = 9000 };
    switch (base) {
    case TCP4:
    case TCP6:
        return craft_tcp(frame, &ends, &syn);
    case UDP4:
    case UDP6:
        return craft_udp(frame, &ends, 4000, 53, zeros, 16);
    case PING4:
        return craft_icmp(frame, &ends, 8, 0, 0x00070001, zeros, 16);
    case PING6:
        return craft_icmp(frame, &ends, 128, 0, 0x00070001, zeros, 16);
    case ARP:
        return craft_arp(frame, &ends, 1);
    case NS:
    case NA:
        nd[0] = 0xfd;
        nd[15] = base == NS ? 2 : 0x63;
        nd[16] = base == NS ? 1 : 2;
        nd[17] = 1;
        nd[18] = 2;
        ends.hop_limit = 255;
        return craft_icmp(frame, &ends, base == NS ? 135 : 136, 0, 0, nd, 24);
    case RA:
        nd[8] = 1;
        nd[9] = 1;
        nd[10] = 2;
        ends.hop_limit = 255;
        ends.src.b[0] = 0xfe;
        ends.src.b[1] = 0x80;
        return craft_icmp(frame, &ends, 134, 0, 0x40000708, nd, 16);
    case IGMP:
        ends.dst = naru_addr_v4(0xe0000001);
        return craft_ip(frame, &ends, CRAFT_IGMP, "\x11\x64\0\0\0\0\0\0", 8);
    case MLD:
        ends.hop_limit = 1;
        ends.src.b[0] = 0xfe;
        ends.src.b[1] = 0x80;
        return craft_icmp(frame, &ends, 130, 0, 0, zeros, 16);
    }
    return 0;
}

/* Makes room behind the IP header. */
static size_t insert(uint8_t *frame, size_t len, enum naru_family family, const struct between *b)
{
    uint8_t *ip = frame + CRAFT_ETH;
    size_t at = CRAFT_ETH + (size_t)(family == NARU_IPV4 ? CRAFT_IPV4 : CRAFT_IPV6);
    memmove(frame + at + b->len, frame + at, len - at);
    memcpy(frame + at, b->bytes, b->len);
    if (family == NARU_IPV4) {
        ip[0] = (uint8_t)(ip[0] + b->len / 4);
        craft_put16(ip + 2, craft_get16(ip + 2) + b->len);
    } else {
        ip[6] = b->next;
        craft_put16(ip + 4, craft_get16(ip + 4) + b->len);
    }
    return len + b->len;
}

static size_t frame_of(const struct lab *lab, const struct row *row, uint8_t *frame)
{
    enum naru_family family = family_of(row->base);
    size_t len = good_frame(lab, row->base, frame);
    size_t up = CRAFT_ETH;
    if (row->base != ARP)
        up += (size_t)(family == NARU_IPV4 ? CRAFT_IPV4 : CRAFT_IPV6) + row->between.len;
    if (row->between.len != 0)
        len = insert(frame, len, family, &row->between);
    const size_t start[] = { [ETH] = 0, [IP] = CRAFT_ETH, [UP] = up };
    for (unsigned i = 0; i < 3; i++)
        memcpy(frame + start[row->put[i].layer] + row->put[i].at,
               row->put[i].bytes == NULL ? "" : row->put[i].bytes, row->put[i].len);
    if (!row->keep)
        craft_repair(frame, len);
    return row->len != 0 ? (size_t)row->len - 1 : len;
}

/* ---- Running them ---- */

static uint64_t all_drops(const struct naru_stack *stack)
{
    uint64_t sum = 0;
    for (unsigned i = 1; i < NARU_DROP_COUNT; i++)
        sum += naru_stack_drops(stack, (enum naru_drop)i);
    return sum;
}

struct quiet {
    struct lab lab;
    struct naru_sock *sock[4];
};

/* A host with a listener and a UDP socket of each family; the attacker is a known neighbour. */
static void begin(struct quiet *q)
{
    struct lab_options options = { 0 };
    assert_true(lab_pair(&q->lab, &options));
    for (int f = 0; f < 2; f++) {
        enum naru_family family = f == 0 ? NARU_IPV4 : NARU_IPV6;
        struct craft_ends ends = ends_of(&q->lab, family);
        q->sock[f] = lab_listen(&q->lab, 1, family, 80);
        q->sock[2 + f] = lab_udp(&q->lab, 1, family, 53);
        assert_int_equal(
            naru_neigh_add(q->lab.stack[1], q->lab.ifindex[1], &ends.src, attacker_mac, q->lab.now),
            NARU_OK);
    }
    lab_run(&q->lab, q->lab.now + NARU_SEC(30)); /* what hosts say when they wake is said */
}

static void finish(struct quiet *q)
{
    for (int i = 0; i < 4; i++)
        naru_sock_close(q->sock[i], q->lab.now);
    lab_end(&q->lab);
}

static void run_row(const struct row *row)
{
    struct quiet q = { 0 };
    uint8_t frame[CRAFT_MAX], out[CRAFT_MAX];
    begin(&q);
    struct naru_stack *stack = q.lab.stack[1];
    struct naru_iface_info before, after;
    size_t held = stack->pkts.outstanding;
    uint64_t drops = all_drops(stack);
    unsigned answers = 0;
    assert_int_equal(naru_iface_get(stack, q.lab.ifindex[1], &before), NARU_OK);

    lab_inject(&q.lab, 1, frame, frame_of(&q.lab, row, frame));
    while (lab_take(&q.lab, 1, out, sizeof(out)) != 0)
        answers++;

    assert_int_equal(naru_iface_get(stack, q.lab.ifindex[1], &after), NARU_OK);
    if (naru_stack_drops(stack, row->want) == 0) {
        for (unsigned i = 1; i < NARU_DROP_COUNT; i++)
            if (naru_stack_drops(stack, (enum naru_drop)i) != 0)
                print_message("    counted: %s\n", naru_drop_text((enum naru_drop)i));
        fail_msg("%s: not dropped as %s", row->name, naru_drop_text(row->want));
    }
    if (after.rx_drops - before.rx_drops != 1 || all_drops(stack) - drops != 1)
        fail_msg("%s: not counted exactly once", row->name);
    if (answers > 1)
        fail_msg("%s: answered %u times", row->name, answers);
    if (stack->pkts.outstanding != held)
        fail_msg("%s: a packet is held", row->name);
    finish(&q);
}

/* Wrong checksums, versions, lengths and destinations among them (MUST-3, MUST-7, H-3.2.1.1-1,
 * H-3.2.1.2-1, H-3.2.1.3-3, H-4.1.3.4-2, V6-8200-8.1-1, H-3.1-9, V6-4861-4.6-1, V6-4861-7.2.3-1).
 */
static void every_class_is_counted(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        run_row(&rows[i]);
}

/* Good frames of the same makers are kept: a row fails for the reason it names.  The query to all
 * hosts among them (H-3.3.7-3). */
static void good_frames_are_kept(void **state)
{
    (void)state;
    static const enum base good[] = { TCP4, TCP6, UDP4, UDP6, PING4, PING6, ARP, NS, IGMP, MLD };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct quiet q = { 0 };
        uint8_t frame[CRAFT_MAX];
        struct row row = { .name = "good", .base = good[i] };
        begin(&q);
        uint64_t drops = all_drops(q.lab.stack[1]);
        lab_inject(&q.lab, 1, frame, frame_of(&q.lab, &row, frame));
        assert_int_equal(all_drops(q.lab.stack[1]), drops);
        finish(&q);
    }
}

/* Every prefix of every good frame, and every byte of it changed: nothing is held, nothing breaks.
 */
static void cut_and_flipped(void **state)
{
    (void)state;
    uint8_t frame[CRAFT_MAX], out[CRAFT_MAX];
    struct quiet q = { 0 };
    begin(&q);
    for (unsigned base = TCP4; base <= MLD; base++) {
        struct row row = { .name = "good", .base = (enum base)base };
        size_t len = frame_of(&q.lab, &row, frame);
        for (size_t i = 0; i < len; i++) {
            lab_inject(&q.lab, 1, frame, i);
            for (unsigned bit = 0; bit < 8; bit++) {
                frame[i] ^= (uint8_t)(1u << bit);
                craft_repair(frame, len);
                lab_inject(&q.lab, 1, frame, len);
                (void)frame_of(&q.lab, &row, frame);
            }
            while (lab_take(&q.lab, 1, out, sizeof(out)) != 0)
                ;
        }
    }
    naru_sock_close(q.sock[2], q.lab.now); /* what they have received goes with them */
    naru_sock_close(q.sock[3], q.lab.now);
    q.sock[2] = q.sock[3] = NULL;
    lab_run(&q.lab, q.lab.now + NARU_SEC(300));
    assert_int_equal(q.lab.stack[1]->pkts.outstanding, 0);
    finish(&q);
}

/* A device whose words do not fit its frame. */
static void offload_that_lies(void **state)
{
    (void)state;
    static const struct naru_offload lies[] = {
        { .gso = NARU_GSO_TCP4 },
        { .gso = 200, .gso_size = 100 },
        { .csum_partial = 1, .csum_start = 60000, .csum_offset = 16 },
        { .csum_partial = 1, .csum_start = 40, .csum_offset = 65535 },
    };
    struct quiet q = { 0 };
    begin(&q);
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        struct row row = { .name = "good", .base = TCP4 };
        struct naru_pkt *pkt = naru_pkt_new(q.lab.stack[1], 2000);
        pkt->len = (uint32_t)frame_of(&q.lab, &row, pkt->data);
        pkt->offload = lies[i];
        naru_stack_input(q.lab.stack[1], q.lab.ifindex[1], pkt, q.lab.now);
        assert_int_equal(naru_stack_drops(q.lab.stack[1], NARU_DROP_OFFLOAD_BAD), i + 1);
    }
    finish(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_class_is_counted),
        cmocka_unit_test(good_frames_are_kept),
        cmocka_unit_test(cut_and_flipped),
        cmocka_unit_test(offload_that_lies),
    };
    return cmocka_run_group_tests_name("malformed frames", tests, NULL, NULL);
}
