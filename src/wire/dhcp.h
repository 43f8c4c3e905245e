/*
 * DHCP for IPv4, client and server messages (RFC 2131, RFC 2132; RFC 1542 broadcast flag; RFC
 * 2563).
 *
 * A message is one struct: what has a fixed field, and the options that naru knows; the others are
 * read with naru_dhcp_option_next.  Where an option comes twice, the first counts; options may
 * overflow into the file and sname fields (option 52).
 *
 * Not done: long options in pieces (RFC 3396), other hardware than Ethernet, relay information (RFC
 * 3046), classless routes (RFC 3442), authentication.
 */
#ifndef NARU_WIRE_DHCP_H
#define NARU_WIRE_DHCP_H

#include "wire/ip.h"

enum {
    NARU_DHCP_SERVER_PORT = 67,
    NARU_DHCP_CLIENT_PORT = 68,
    NARU_DHCP_LEN = 240,     /* without options */
    NARU_DHCP_LEN_MIN = 300, /* what is sent is padded to it, as BOOTP relays expect */
    NARU_DHCP_ADDRS_MAX = 8,
};

enum naru_dhcp_type {
    NARU_DHCP_NONE = 0, /* BOOTP: no such option */
    NARU_DHCP_DISCOVER = 1,
    NARU_DHCP_OFFER = 2,
    NARU_DHCP_REQUEST = 3,
    NARU_DHCP_DECLINE = 4,
    NARU_DHCP_ACK = 5,
    NARU_DHCP_NAK = 6,
    NARU_DHCP_RELEASE = 7,
    NARU_DHCP_INFORM = 8,
};

enum naru_dhcp_opt {
    NARU_DHCP_OPT_PAD = 0,
    NARU_DHCP_OPT_MASK = 1,
    NARU_DHCP_OPT_ROUTER = 3,
    NARU_DHCP_OPT_DNS = 6,
    NARU_DHCP_OPT_HOST_NAME = 12,
    NARU_DHCP_OPT_DOMAIN = 15,
    NARU_DHCP_OPT_MTU = 26,
    NARU_DHCP_OPT_BROADCAST = 28,
    NARU_DHCP_OPT_REQUESTED = 50,
    NARU_DHCP_OPT_LEASE = 51,
    NARU_DHCP_OPT_OVERLOAD = 52,
    NARU_DHCP_OPT_TYPE = 53,
    NARU_DHCP_OPT_SERVER = 54,
    NARU_DHCP_OPT_PARAMETERS = 55,
    NARU_DHCP_OPT_MAX_SIZE = 57,
    NARU_DHCP_OPT_RENEWAL = 58,
    NARU_DHCP_OPT_REBINDING = 59,
    NARU_DHCP_OPT_CLIENT_ID = 61,
    NARU_DHCP_OPT_END = 255,
};

/* Options that are not there: 0, an empty span, :: for an address. */
struct naru_dhcp_msg {
    bool reply; /* op: BOOTREPLY */
    enum naru_dhcp_type type;
    uint32_t xid;
    uint16_t secs;
    bool broadcast; /* the answer shall be broadcast */
    struct naru_addr ciaddr, yiaddr, siaddr, giaddr;
    uint8_t chaddr[6];

    struct naru_addr server, requested, mask, broadcast_addr;
    uint32_t lease_s, renewal_s, rebinding_s; /* 0xffffffff: for ever */
    uint16_t mtu, max_size;
    unsigned router_count, dns_count;
    struct naru_addr router[NARU_DHCP_ADDRS_MAX], dns[NARU_DHCP_ADDRS_MAX];
    struct naru_span host_name, domain; /* not ended by 0 */
    struct naru_span client_id;
    struct naru_span parameters; /* the kinds of options that the client asks for */
    struct naru_span options;    /* all of the options field, for naru_dhcp_option_next */
};

/* DHCP_SHORT, DHCP_FORMAT (op, hardware, magic), DHCP_OPTION (one goes beyond its field). */
enum naru_drop naru_dhcp_parse(struct naru_span in, struct naru_dhcp_msg *m);

/* Writes the message, padded; returns its length, or 0: there is no room for it. */
size_t naru_dhcp_emit(uint8_t *at, size_t room, const struct naru_dhcp_msg *m);

struct naru_dhcp_option {
    uint8_t kind;
    struct naru_span data;
};

/* Takes the next option off that is not padding.  False at the end, and where one is malformed. */
bool naru_dhcp_option_next(struct naru_span *options, struct naru_dhcp_option *o);

/* 24 for 255.255.255.0; false: not a mask. */
bool naru_dhcp_prefix_len(const struct naru_addr *mask, unsigned *prefix_len);

#endif
