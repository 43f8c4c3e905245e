/*
 * What the parts of autoconfiguration know of one another; nobody else includes this.
 */
#ifndef NARU_PROTO_AUTOCONF_IFACE_H
#define NARU_PROTO_AUTOCONF_IFACE_H

#include "proto/autoconf.h"

enum naru_autoconf_state {
    NARU_AUTOCONF_FREE,
    NARU_AUTOCONF_TENTATIVE,
    NARU_AUTOCONF_PREFERRED,
    NARU_AUTOCONF_DEPRECATED,
    NARU_AUTOCONF_DUPLICATE,
    NARU_AUTOCONF_GONE, /* until that has been told */
};

struct naru_autoconf_addr {
    struct naru_addr addr;
    uint8_t prefix_len;
    uint8_t state; /* enum naru_autoconf_state */
    bool automatic;
    bool from_mac;  /* the identifier is the MAC's: a duplicate means two of that MAC */
    bool probe_due; /* NS to be sent */
    uint8_t probes_left;
    uint8_t dad_counter; /* RFC 7217, RFC 8981: attempts that were duplicates */
    uint8_t nonce[6];
    uint16_t owed;     /* changes to tell: bit per kind, ADDR_* */
    naru_time next_at; /* next step of duplicate detection */
    naru_time preferred_until, valid_until;

    /* autoconf_temp.c; all never, false and 0 for others. */
    bool temporary;
    bool replaced;      /* the next one has been made */
    naru_time regen_at; /* when it is to be */
    naru_time created, desync;
};

/* A router, an on-link prefix or a resolver. */
struct naru_autoconf_item {
    struct naru_addr addr;
    uint8_t prefix_len;
    bool used;
    bool owed_added, owed_removed;
    naru_time until;
};

/* A domain to search. */
struct naru_autoconf_name {
    char text[NARU_AUTOCONF_DOMAIN];
    bool used;
    naru_time until;
};

struct naru_autoconf_iface {
    struct naru_autoconf_iface *next;
    uint16_t ifindex;
    bool disabled;
    struct naru_autoconf_iface_config config;

    struct naru_autoconf_addr addr[NARU_AUTOCONF_ADDRS];
    struct naru_autoconf_item router[NARU_AUTOCONF_ROUTERS];
    struct naru_autoconf_item prefix[NARU_AUTOCONF_PREFIXES];
    struct naru_autoconf_item dns[NARU_AUTOCONF_DNS];
    struct naru_autoconf_name domain[NARU_AUTOCONF_DOMAINS];

    bool solicit_due;
    uint8_t solicits_left;
    naru_time solicit_at;

    uint32_t mtu, hop_limit;      /* as last advertised; 0: never */
    naru_time reachable, retrans; /* likewise */
    uint16_t owed;                /* bit per kind: MTU, HOP_LIMIT, NEIGH_TIMERS, DISABLED,
                              DOMAINS_CHANGED */
};

struct naru_autoconf_iface *naru_autoconf_iface_find(const struct naru_autoconf *ac,
                                                     unsigned ifindex);

static inline uint16_t naru_autoconf_bit(enum naru_autoconf_change_kind kind)
{
    return (uint16_t)(1U << kind);
}

/* a's change is to be told; it makes earlier ones that were not told yet pointless. */
void naru_autoconf_owe(struct naru_autoconf *ac, struct naru_autoconf_addr *a,
                       enum naru_autoconf_change_kind kind);

/* A free place with that address in it, lasting for ever, or NULL. */
struct naru_autoconf_addr *naru_autoconf_addr_make(struct naru_autoconf_iface *i,
                                                   const struct naru_addr *addr,
                                                   unsigned prefix_len);

/* Begins duplicate detection after a delay; without any, the address is usable at once. */
void naru_autoconf_detect(struct naru_autoconf *ac, struct naru_autoconf_iface *i,
                          struct naru_autoconf_addr *a, naru_time delay, naru_time now);

/* PREFERRED or DEPRECATED, as its lifetime says. */
void naru_autoconf_settle(struct naru_autoconf *ac, struct naru_autoconf_addr *a, naru_time now);

/* Makes an automatic address of the prefix; false if there is no place. */
struct naru_autoconf_addr *naru_autoconf_form(struct naru_autoconf *ac,
                                              struct naru_autoconf_iface *i,
                                              const struct naru_addr *prefix, unsigned dad_counter);

/* When the first lifetime of that list ends; ends those that are over. */
naru_time naru_autoconf_items_tick(struct naru_autoconf *ac, struct naru_autoconf_item *item,
                                   unsigned count, naru_time now);

/* The automatic address of that prefix that is not temporary, or NULL. */
struct naru_autoconf_addr *naru_autoconf_lasting(struct naru_autoconf_iface *i,
                                                 const struct naru_addr *prefix);

/* Identifiers that are not for hosts (RFC 5453). */
bool naru_autoconf_reserved(uint64_t id);

void naru_autoconf_temp_advertised(struct naru_autoconf *ac, struct naru_autoconf_iface *i,
                                   const struct naru_autoconf_addr *lasting, naru_time now);
void naru_autoconf_temp_tick(struct naru_autoconf *ac, struct naru_autoconf_iface *i,
                             struct naru_autoconf_addr *a, naru_time now);
void naru_autoconf_temp_duplicate(struct naru_autoconf *ac, struct naru_autoconf_iface *i,
                                  struct naru_autoconf_addr *a);

/* The same for the interface's domains. */
naru_time naru_autoconf_domains_tick(struct naru_autoconf *ac, struct naru_autoconf_iface *i,
                                     naru_time now);

/* Finds the deadline anew. */
void naru_autoconf_schedule(struct naru_autoconf *ac);

#endif
