/*
 * The forwarding table: longest prefix match for both families.
 *
 * Routes of a family are grouped by prefix length, longest first; inside a group they are sorted by
 * prefix, then by preference (gateway alive, then metric), so a lookup is one short search per
 * length that is in use: two or three for a host.  IPv4 prefixes are held as ::ffff:a.b.c.d/(96 +
 * len); an IPv4 address never matches an IPv6 route and the other way round.
 *
 * Adding and removing cost O(routes); a host has a dozen, a router some thousand.
 *
 * Not done: multipath, policy routing, types other than unicast.
 */
#ifndef NARU_PROTO_ROUTE_H
#define NARU_PROTO_ROUTE_H

#include <naru/stack.h>

struct naru_mem;

/* Prefix lengths there can be: 0..128 of IPv6 and 0..32 of IPv4. */
#define NARU_FIB_GROUPS (129 + 33)

struct naru_fib_entry {
    uint64_t key[2]; /* the prefix as two host-order numbers */
    struct naru_addr gateway;
    uint32_t metric;
    uint32_t mtu; /* 0: the interface's */
    uint16_t ifindex;
    uint8_t prefix_len; /* 96 and more for IPv4 */
    bool has_gateway;
    bool dead; /* the gateway does not answer: taken only if there is no other */
};

struct naru_fib_group {
    uint32_t first, count; /* entries of this length */
    uint64_t mask[2];
    uint8_t prefix_len;
};

struct naru_fib {
    uint32_t
        generation; /* changes with every change: a cached entry is good while it is the same */
    uint32_t count, capacity, count_max;
    struct naru_fib_entry *entry; /* IPv6 first, then IPv4; by length, prefix, preference */
    struct naru_fib_group
        group[NARU_FIB_GROUPS]; /* IPv6 lengths in use, then (from group4) IPv4's */
    uint32_t group4, groups;
    struct naru_mem *mem;
};

void naru_fib_init(struct naru_fib *fib, struct naru_mem *mem, uint32_t count_max);
void naru_fib_deinit(struct naru_fib *fib);

/*
 * Bits beyond prefix_len are cleared; ifindex 0 is found from the gateway.  INVAL (length, families
 * differ), NETUNREACH (gateway on no connected prefix), EXIST (same prefix, gateway, interface and
 * metric), NOBUFS (count_max), NOMEM.
 */
enum naru_err naru_fib_add(struct naru_fib *fib, const struct naru_route *route);

/* The first that has this prefix, gateway and, where it is not 0, ifindex and metric.  NOENT,
 * INVAL. */
enum naru_err naru_fib_remove(struct naru_fib *fib, const struct naru_route *route);

/* Everything that goes through this interface; returns how many there were. */
unsigned naru_fib_remove_iface(struct naru_fib *fib, unsigned ifindex);

/* The n-th (from 0), longest prefixes first, IPv6 before IPv4; NOENT. */
enum naru_err naru_fib_get(const struct naru_fib *fib, unsigned n, struct naru_route *route);

/*
 * The route to dst, or NULL; ifindex other than 0 takes only routes through that interface.  Good
 * until the next change of the table: keep it together with the generation.
 */
const struct naru_fib_entry *naru_fib_lookup(const struct naru_fib *fib,
                                             const struct naru_addr *dst, unsigned ifindex);

/*
 * Tells that a gateway has stopped (or begun again) to answer: routes of the same prefix through
 * living gateways come first then (RFC 4861 6.3.6, RFC 1122 3.3.1.4).  True if that changed a
 * route.
 */
bool naru_fib_set_gateway_dead(struct naru_fib *fib, unsigned ifindex,
                               const struct naru_addr *gateway, bool dead);

#endif
