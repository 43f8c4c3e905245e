/*
 * Frames made by hand: what a peer, or an attacker, says to a stack under test.
 *
 * Has its own checksums and layouts, on purpose: what checks the stack is not made of the stack.
 * Every function writes a whole Ethernet frame and returns its length; the caller's buffer has
 * CRAFT_MAX bytes.  Checksums are right when the frame is made; craft_repair makes them right again
 * after somebody has changed it.
 */
#ifndef NARU_TESTS_CRAFT_H
#define NARU_TESTS_CRAFT_H

#include <naru/types.h>

enum {
    CRAFT_MAX = 4096,
    CRAFT_ETH = 14,
    CRAFT_IPV4 = 20,
    CRAFT_IPV6 = 40,
    CRAFT_TCP = 20,

    CRAFT_FIN = 1,
    CRAFT_SYN = 2,
    CRAFT_RST = 4,
    CRAFT_PSH = 8,
    CRAFT_ACK = 16,
    CRAFT_URG = 32,

    CRAFT_ICMP = 1,
    CRAFT_IGMP = 2,
    CRAFT_TCP_PROTO = 6,
    CRAFT_UDP = 17,
    CRAFT_FRAGMENT = 44,
    CRAFT_ICMPV6 = 58,
};

/* From whom to whom.  The family is that of dst. */
struct craft_ends {
    uint8_t src_mac[6], dst_mac[6];
    struct naru_addr src, dst;
    uint8_t hop_limit; /* 0: 64 */
    uint8_t tos;
    uint16_t vlan; /* 0: no tag */
};

/* A router, ::66 of the link, to all its nodes. */
extern const struct craft_ends craft_router;

struct craft_segment {
    uint16_t sport, dport;
    uint8_t flags;
    uint32_t seq, ack;
    uint16_t window, urgent;
    const uint8_t *option;
    size_t option_len; /* padded with zeros to a multiple of 4, at most 40 */
    const uint8_t *payload;
    size_t payload_len;
};

struct craft_piece {
    uint32_t ident;
    uint32_t offset; /* bytes */
    bool more;
};

void craft_put16(uint8_t *p, uint32_t v);
void craft_put32(uint8_t *p, uint32_t v);
uint32_t craft_get16(const uint8_t *p);
uint32_t craft_get32(const uint8_t *p);

/* Length of the link-layer header of a frame: 14, or 18 with a tag. */
size_t craft_link_len(const uint8_t *frame, size_t len);

/* An IP packet; the payload is copied, and has the checksum of proto made right. */
size_t craft_ip(uint8_t *frame, const struct craft_ends *ends, unsigned proto, const void *payload,
                size_t len);
/* One fragment of a packet; nothing inside the payload is touched. */
size_t craft_fragment(uint8_t *frame, const struct craft_ends *ends, unsigned proto,
                      const struct craft_piece *piece, const void *payload, size_t len);
size_t craft_tcp(uint8_t *frame, const struct craft_ends *ends, const struct craft_segment *s);
size_t craft_udp(uint8_t *frame, const struct craft_ends *ends, uint16_t sport, uint16_t dport,
                 const void *payload, size_t len);
/* ICMP or ICMPv6, by the family: type, code, four bytes, then the payload. */
size_t craft_icmp(uint8_t *frame, const struct craft_ends *ends, uint8_t type, uint8_t code,
                  uint32_t rest, const void *payload, size_t len);
/* An ICMP error of that type that quotes the first bytes of a packet with these names. */
size_t craft_error(uint8_t *frame, const struct craft_ends *ends, const struct craft_ends *quoted,
                   unsigned type_code, uint32_t rest, unsigned proto, const void *transport,
                   size_t len);
size_t craft_arp(uint8_t *frame, const struct craft_ends *ends, unsigned op);

/* Makes the checksums right as far as the lengths in the frame allow. */
void craft_repair(uint8_t *frame, size_t len);

/* A TCP segment somebody sent, taken apart; false: it is none, or not whole. */
struct craft_heard {
    uint16_t sport, dport;
    uint8_t flags;
    uint32_t seq, ack;
    uint32_t next; /* the sequence number after it */
    uint16_t window;
    bool v4;
    uint32_t len; /* payload */
};
bool craft_heard(const uint8_t *frame, size_t len, struct craft_heard *out);

#endif
