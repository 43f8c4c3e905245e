/*
 * IPv6 addresses that come and go by themselves: duplicate address detection and stateless
 * autoconfiguration (RFC 4862), router discovery as a host (RFC 4861 6.3), RDNSS (RFC 8106), stable
 * identifiers (RFC 4291 appendix A, RFC 7217), temporary addresses (RFC 8981).
 *
 * The machine is told of addresses the administrator gives, of router advertisements option by
 * option, and of solicitations and advertisements that touch a tentative address.  It keeps
 * what it owes in two drains: changes (addresses, routers, prefixes, parameters), which the stack
 * applies to its tables at once, and messages to send, which it writes when the device has room.
 * Nothing is lost if a drain waits: what is due is kept with the object it is about.
 *
 * Every IPv6 address of an interface that does DAD goes through here, so the stack's own list
 * follows the changes only.
 *
 * Not done: DHCPv6, sending router advertisements, route
 * information options (RFC 4191).
 */
#ifndef NARU_PROTO_AUTOCONF_H
#define NARU_PROTO_AUTOCONF_H

#include "base/alarm.h"
#include "base/mem.h"
#include "base/rand.h"
#include "base/siphash.h"
#include <naru/types.h>

struct naru_autoconf_iface;

#define NARU_AUTOCONF_ADDRS    32 /* of one interface */
#define NARU_AUTOCONF_ROUTERS  8
#define NARU_AUTOCONF_PREFIXES 16
#define NARU_AUTOCONF_DNS      8
#define NARU_AUTOCONF_DOMAINS  8
#define NARU_AUTOCONF_DOMAIN   254 /* bytes of a name, with its NUL */

struct naru_autoconf {
    struct naru_mem *mem;
    struct naru_rand *rand;
    struct naru_siphash_key secret;    /* RFC 7217 */
    struct naru_autoconf_iface *iface; /* linked by next */
    naru_time deadline;                /* of all */
    struct naru_alarm *alarm;          /* hears of each deadline; NULL: nobody does */
    bool changed;                      /* there may be a change to tell */
};

struct naru_autoconf_iface_config {
    uint8_t mac[6];
    uint32_t mtu;          /* of the link: what an advertised MTU may not exceed */
    uint8_t dad_transmits; /* DupAddrDetectTransmits: 1; 0 makes addresses usable at once */
    bool link_local;       /* make a link-local address */
    bool solicit;          /* look for routers, take their advertisements */
    bool slaac;            /* make addresses from advertised prefixes */
    bool opaque;           /* identifiers by RFC 7217 instead of from the MAC */
    bool temporary;        /* temporary addresses beside those of slaac (RFC 8981) */
};

/* rand and mem must outlive it.  The secret of opaque identifiers is drawn. */
void naru_autoconf_init(struct naru_autoconf *ac, struct naru_mem *mem, struct naru_rand *rand);
/* A secret that outlives the machine: identifiers made of it come again. */
void naru_autoconf_set_secret(struct naru_autoconf *ac, const uint8_t secret[16]);
void naru_autoconf_deinit(struct naru_autoconf *ac);

/* The interface is up from now: link-local address, DAD and solicitations begin.  EXIST, NOMEM. */
enum naru_err naru_autoconf_iface_add(struct naru_autoconf *ac, unsigned ifindex,
                                      const struct naru_autoconf_iface_config *config,
                                      naru_time now);

/* Forgets the interface without telling any change: the stack drops what belongs to it. */
void naru_autoconf_iface_remove(struct naru_autoconf *ac, unsigned ifindex);

/* The link came back: all addresses are tentative again, routers are looked for again. */
void naru_autoconf_iface_up(struct naru_autoconf *ac, unsigned ifindex, naru_time now);

/* An address of the administrator's: ADDR_TENTATIVE and ADDR_PREFERRED follow.  EXIST, NOBUFS,
 * NOENT. */
enum naru_err naru_autoconf_addr_add(struct naru_autoconf *ac, unsigned ifindex,
                                     const struct naru_addr *addr, unsigned prefix_len,
                                     naru_time now);

/* NOENT.  No change is told. */
enum naru_err naru_autoconf_addr_remove(struct naru_autoconf *ac, unsigned ifindex,
                                        const struct naru_addr *addr);

/* ---- Facts from the wire (after the checks of RFC 4861 6.1.2, 7.1.1, 7.1.2) ---- */

struct naru_autoconf_ra {
    struct naru_addr router; /* the source, link-local */
    uint8_t hop_limit;       /* 0: unspecified */
    uint16_t lifetime_s;     /* 0: not a default router */
    uint32_t reachable_ms;   /* 0: unspecified */
    uint32_t retrans_ms;     /* 0: unspecified */
};

struct naru_autoconf_prefix {
    struct naru_addr prefix;
    uint8_t prefix_len;
    bool on_link;                  /* L */
    bool autonomous;               /* A */
    uint32_t valid_s, preferred_s; /* 0xffffffff: for ever */
};

/* The fixed part; then its options, each with its own call, in any order. */
void naru_autoconf_ra(struct naru_autoconf *ac, unsigned ifindex, const struct naru_autoconf_ra *ra,
                      naru_time now);
void naru_autoconf_ra_prefix(struct naru_autoconf *ac, unsigned ifindex,
                             const struct naru_autoconf_prefix *prefix, naru_time now);
void naru_autoconf_ra_mtu(struct naru_autoconf *ac, unsigned ifindex, uint32_t mtu);
void naru_autoconf_ra_dns(struct naru_autoconf *ac, unsigned ifindex,
                          const struct naru_addr *server, uint32_t lifetime_s, naru_time now);
/* A domain to search, as text; too long ones are ignored. */
void naru_autoconf_ra_domain(struct naru_autoconf *ac, unsigned ifindex, const char *name,
                             uint32_t lifetime_s, naru_time now);

/* The n-th (from 0) resolver or domain that is valid now; false beyond the last. */
bool naru_autoconf_dns_get(const struct naru_autoconf *ac, unsigned ifindex, unsigned n,
                           struct naru_addr *server);
const char *naru_autoconf_domain_get(const struct naru_autoconf *ac, unsigned ifindex, unsigned n);

/* A default router says it is none any more (NA with R clear, RFC 4861 7.2.5). */
void naru_autoconf_not_router(struct naru_autoconf *ac, unsigned ifindex,
                              const struct naru_addr *addr);

enum naru_autoconf_nd {
    NARU_AUTOCONF_ND_OTHER,     /* no tentative address: go on as usual */
    NARU_AUTOCONF_ND_TENTATIVE, /* of a tentative address: drop, never answer */
    NARU_AUTOCONF_ND_DUPLICATE, /* somebody else has it: drop; ADDR_DUPLICATE follows */
};

/* NS for target.  nonce: the 6 bytes of its nonce option (RFC 3971, 7527), or NULL. */
enum naru_autoconf_nd naru_autoconf_solicited(struct naru_autoconf *ac, unsigned ifindex,
                                              const struct naru_addr *target, bool from_unspecified,
                                              const uint8_t *nonce);

/* NA for target. */
enum naru_autoconf_nd naru_autoconf_advertised(struct naru_autoconf *ac, unsigned ifindex,
                                               const struct naru_addr *target);

/* ---- What is due ---- */

enum naru_autoconf_change_kind {
    NARU_AUTOCONF_ADDR_TENTATIVE,  /* addr: listen to its solicited-node group, do not use it */
    NARU_AUTOCONF_ADDR_PREFERRED,  /* addr: use it */
    NARU_AUTOCONF_ADDR_DEPRECATED, /* addr: begin nothing new with it */
    NARU_AUTOCONF_ADDR_DUPLICATE,  /* addr: somebody else has it; it must not be used */
    NARU_AUTOCONF_ADDR_REMOVED,    /* addr: its time is over */
    NARU_AUTOCONF_PREFIX_ADDED,    /* addr/prefix_len is on the link */
    NARU_AUTOCONF_PREFIX_REMOVED,
    NARU_AUTOCONF_ROUTER_ADDED, /* default route through addr */
    NARU_AUTOCONF_ROUTER_REMOVED,
    NARU_AUTOCONF_DNS_ADDED, /* addr is a resolver */
    NARU_AUTOCONF_DNS_REMOVED,
    NARU_AUTOCONF_MTU,          /* value */
    NARU_AUTOCONF_HOP_LIMIT,    /* value */
    NARU_AUTOCONF_NEIGH_TIMERS, /* reachable, retrans; 0: unchanged */
    NARU_AUTOCONF_DISABLED,     /* the link-local address made from the MAC is a duplicate */
    NARU_AUTOCONF_DOMAINS_CHANGED,
};

struct naru_autoconf_change {
    enum naru_autoconf_change_kind kind;
    uint16_t ifindex;
    uint8_t prefix_len;
    bool automatic; /* ADDR_*: not the administrator's */
    bool temporary; /* ADDR_*: RFC 8981 */
    struct naru_addr addr;
    uint32_t value;
    naru_time reachable, retrans;
};

/* False when all is told. */
bool naru_autoconf_next_change(struct naru_autoconf *ac, struct naru_autoconf_change *change);

struct naru_autoconf_send {
    bool solicitation; /* NS for DAD: from ::, to the solicited-node group of target; else RS */
    uint16_t ifindex;
    struct naru_addr target;
    struct naru_addr source; /* RS: a link-local address of ours, or :: (then without SLLA) */
    uint8_t nonce[6];        /* NS: value for the nonce option */
};

/* The next message for that interface; false when there is none. */
bool naru_autoconf_next_send(struct naru_autoconf *ac, unsigned ifindex, naru_time now,
                             struct naru_autoconf_send *send);
bool naru_autoconf_send_pending(const struct naru_autoconf *ac, unsigned ifindex);

void naru_autoconf_tick(struct naru_autoconf *ac, naru_time now);
naru_time naru_autoconf_deadline(const struct naru_autoconf *ac);

/* ---- Identifiers ---- */

/* prefix (its first 64 bits) with the identifier made from the MAC. */
struct naru_addr naru_autoconf_eui64(const struct naru_addr *prefix, const uint8_t mac[6]);

/* ff02::1:ffXX:XXXX of addr (RFC 4291 2.7.1). */
struct naru_addr naru_autoconf_solicited_node(const struct naru_addr *addr);

#endif
