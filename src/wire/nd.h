/*
 * Neighbor Discovery (RFC 4861), its options for autoconfiguration (RFC 4862), DNS (RFC 8106) and
 * duplicate address detection (nonce: RFC 3971 5.3.2, RFC 7527).
 *
 * A message is parsed from what naru_icmpv6_parse left (behind type, code, checksum), and in then
 * becomes its options; emit writes the whole ICMPv6 message with checksum 0, options follow, and
 * naru_icmpv6_checksum_set ends it.  The checks of RFC 4861 6.1 and 7.1 that need the IP header
 * (hop limit 255, source) are the stack's.
 *
 * Not done: route information (RFC 4191), SEND.
 */
#ifndef NARU_WIRE_ND_H
#define NARU_WIRE_ND_H

#include "wire/icmpv6.h"

enum {
    NARU_ND_RS_LEN = 8,
    NARU_ND_RA_LEN = 16,
    NARU_ND_NS_LEN = 24,
    NARU_ND_NA_LEN = 24,
    NARU_ND_REDIRECT_LEN = 40,
};

struct naru_nd_ra {
    uint8_t hop_limit; /* 0: unspecified */
    bool managed, other;
    uint16_t lifetime_s;   /* 0: not a default router */
    uint32_t reachable_ms; /* 0: unspecified */
    uint32_t retrans_ms;   /* 0: unspecified */
};

struct naru_nd_ns {
    struct naru_addr target;
};

struct naru_nd_na {
    bool router, solicited, override;
    struct naru_addr target;
};

struct naru_nd_redirect {
    struct naru_addr target, destination;
};

/* ND_SHORT; ND_INVALID: a target or destination that is multicast. */
enum naru_drop naru_nd_rs_parse(struct naru_span *in);
enum naru_drop naru_nd_ra_parse(struct naru_span *in, struct naru_nd_ra *m);
enum naru_drop naru_nd_ns_parse(struct naru_span *in, struct naru_nd_ns *m);
enum naru_drop naru_nd_na_parse(struct naru_span *in, struct naru_nd_na *m);
enum naru_drop naru_nd_redirect_parse(struct naru_span *in, struct naru_nd_redirect *m);

/* The whole message without options: NARU_ND_..._LEN bytes, type to the end. */
size_t naru_nd_rs_emit(uint8_t *at);
size_t naru_nd_ra_emit(uint8_t *at, const struct naru_nd_ra *m);
size_t naru_nd_ns_emit(uint8_t *at, const struct naru_nd_ns *m);
size_t naru_nd_na_emit(uint8_t *at, const struct naru_nd_na *m);
size_t naru_nd_redirect_emit(uint8_t *at, const struct naru_nd_redirect *m);

/* ---- Options ---- */

enum naru_nd_opt {
    NARU_ND_OPT_SLLA = 1, /* source link-layer address */
    NARU_ND_OPT_TLLA = 2, /* target link-layer address */
    NARU_ND_OPT_PREFIX = 3,
    NARU_ND_OPT_REDIRECTED = 4,
    NARU_ND_OPT_MTU = 5,
    NARU_ND_OPT_NONCE = 14,
    NARU_ND_OPT_RDNSS = 25,
    NARU_ND_OPT_DNSSL = 31,
};

enum {
    NARU_ND_LLADDR_LEN = 8, /* with an Ethernet address */
    NARU_ND_PREFIX_LEN = 32,
    NARU_ND_MTU_LEN = 8,
    NARU_ND_NONCE_LEN = 8, /* of 6 bytes */
    NARU_ND_OPTIONS_MAX = 64,
    NARU_ND_DOMAIN_SIZE = 254, /* of a name as text, with its NUL */
};

/* Those that come once; the first of each counts.  NULL, 0: not there. */
struct naru_nd_options {
    const uint8_t *slla, *tlla; /* 6 bytes */
    const uint8_t *nonce;       /* 6 bytes */
    uint32_t mtu;
    struct naru_span redirected; /* the packet, perhaps cut */
};

/*
 * options: what the message's parse left.  ND_OPTION: one has length 0 or goes beyond the end, or
 * there are more than NARU_ND_OPTIONS_MAX: the whole message must go (RFC 4861 6.1.1).
 */
enum naru_drop naru_nd_options_parse(struct naru_span options, struct naru_nd_options *o);

struct naru_nd_option {
    uint8_t type;
    struct naru_span data; /* behind type and length */
};

/* Takes the next option off.  False at the end, and where one is malformed. */
bool naru_nd_option_next(struct naru_span *options, struct naru_nd_option *o);

struct naru_nd_prefix {
    struct naru_addr prefix; /* as sent: bits behind prefix_len may be set */
    uint8_t prefix_len;
    bool on_link, autonomous;
    uint32_t valid_s, preferred_s; /* 0xffffffff: for ever */
};

/* False: not a prefix option of the right length, or its prefix_len is above 128. */
bool naru_nd_prefix_parse(const struct naru_nd_option *o, struct naru_nd_prefix *p);

struct naru_nd_rdnss {
    uint32_t lifetime_s; /* 0xffffffff: for ever; 0: not any more */
    unsigned count;
    struct naru_span addrs; /* naru_nd_rdnss_get */
};

bool naru_nd_rdnss_parse(const struct naru_nd_option *o, struct naru_nd_rdnss *r);

/* n < count. */
struct naru_addr naru_nd_rdnss_get(const struct naru_nd_rdnss *r, unsigned n);

struct naru_nd_dnssl {
    uint32_t lifetime_s;    /* 0xffffffff: for ever; 0: not any more */
    struct naru_span names; /* naru_nd_dnssl_next */
};

bool naru_nd_dnssl_parse(const struct naru_nd_option *o, struct naru_nd_dnssl *d);

/*
 * The next name, "example.org" without the last dot.  Only letters, digits, hyphens and underscores
 * are names of domains; others are passed over.  False at the end, and where one is malformed.
 */
bool naru_nd_dnssl_next(struct naru_nd_dnssl *d, char text[NARU_ND_DOMAIN_SIZE]);

/* Each returns how many bytes it wrote. */
size_t naru_nd_lladdr_emit(uint8_t *at, enum naru_nd_opt type, const uint8_t mac[6]);
size_t naru_nd_prefix_emit(uint8_t *at, const struct naru_nd_prefix *p);
size_t naru_nd_mtu_emit(uint8_t *at, uint32_t mtu);
size_t naru_nd_nonce_emit(uint8_t *at, const uint8_t nonce[6]);

/* 8 + 16 * count bytes; count is 1 to 8. */
size_t naru_nd_rdnss_emit(uint8_t *at, uint32_t lifetime_s, const struct naru_addr *addr,
                          unsigned count);

/* One name, of labels that are right: at most 8 + 256 bytes. */
size_t naru_nd_dnssl_emit(uint8_t *at, uint32_t lifetime_s, const char *name);

/* 8 bytes and the packet's first len ones, len a multiple of 8, at most 1272. */
size_t naru_nd_redirected_emit(uint8_t *at, const uint8_t *packet, size_t len);

#endif
