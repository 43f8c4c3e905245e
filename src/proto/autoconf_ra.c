/*
 * What routers advertise (RFC 4861 6.3.4, RFC 4862 5.5.3, RFC 8106 5.3.1, 5.3.2), and how
 * identifiers are made from it; see autoconf.h.
 */
#include "proto/autoconf_iface.h"

#include "base/addr.h"

#include <string.h>

enum {
    IPV6_MTU_MIN = 1280,
    REACHABLE_MAX_MS = 3600000, /* RFC 4861 6.2.1 */
    IDENTIFIER_BITS = 64,
};
#define TWO_HOURS NARU_SEC(7200)
#define FOR_EVER  UINT32_MAX

static naru_time lifetime_end(uint32_t lifetime_s, naru_time now)
{
    return lifetime_s == FOR_EVER ? NARU_NEVER : now + NARU_SEC(lifetime_s);
}

/* The interface, if it listens to routers. */
static struct naru_autoconf_iface *listening(const struct naru_autoconf *ac, unsigned ifindex)
{
    struct naru_autoconf_iface *i = naru_autoconf_iface_find(ac, ifindex);
    return i == NULL || i->disabled || !i->config.solicit ? NULL : i;
}

/* ---- Routers, prefixes, resolvers: lists of the same kind ---- */

static void item_end(struct naru_autoconf *ac, struct naru_autoconf_item *item)
{
    item->used = false;
    item->until = NARU_NEVER;
    if (item->owed_added) {
        item->owed_added = false; /* came and went untold */
        return;
    }
    item->owed_removed = true;
    ac->changed = true;
}

naru_time naru_autoconf_items_tick(struct naru_autoconf *ac, struct naru_autoconf_item *item,
                                   unsigned count, naru_time now)
{
    naru_time first = NARU_NEVER;
    for (unsigned n = 0; n < count; n++) {
        if (!item[n].used)
            continue;
        if (item[n].until <= now)
            item_end(ac, &item[n]);
        else
            first = NARU_MIN(first, item[n].until);
    }
    return first;
}

/* until in the past, or now: it ends.  A full list takes nothing new. */
static void item_set(struct naru_autoconf *ac, struct naru_autoconf_item *item, unsigned count,
                     const struct naru_addr *addr, unsigned prefix_len, naru_time until,
                     naru_time now)
{
    struct naru_autoconf_item *place = NULL;
    for (unsigned n = 0; n < count; n++) {
        struct naru_autoconf_item *at = &item[n];
        bool same = at->prefix_len == prefix_len && naru_addr_eq(&at->addr, addr);
        if (same && at->used) {
            at->until = until;
            if (until <= now)
                item_end(ac, at);
            return;
        }
        if (same && at->owed_removed && until > now) { /* back before its end was told */
            at->used = true;
            at->owed_removed = false;
            at->until = until;
            return;
        }
        if (place == NULL && !at->used && !at->owed_removed)
            place = at;
    }
    if (place == NULL || until <= now)
        return;
    *place = (struct naru_autoconf_item){
        .addr = *addr,
        .prefix_len = (uint8_t)prefix_len,
        .used = true,
        .owed_added = true,
        .until = until,
    };
    ac->changed = true;
}

/* ---- The fixed part ---- */

/* What a router says of itself; zero says nothing, and others' words stay (V6-4861-6.3.4-1,
 * V6-4861-6.3.4-2, V6-4861-6.3.4-3, V6-4861-6.3.4-4, V6-4861-6.3.7-2). */
void naru_autoconf_ra(struct naru_autoconf *ac, unsigned ifindex, const struct naru_autoconf_ra *ra,
                      naru_time now)
{
    struct naru_autoconf_iface *i = listening(ac, ifindex);
    if (i == NULL)
        return;
    if (ra->lifetime_s > 0) {
        i->solicits_left = 0;
        i->solicit_due = false;
        i->solicit_at = NARU_NEVER;
    }
    item_set(ac, i->router, NARU_AUTOCONF_ROUTERS, &ra->router, 128,
             lifetime_end(ra->lifetime_s, now), now);
    if (ra->hop_limit != 0 && ra->hop_limit != i->hop_limit) {
        i->hop_limit = ra->hop_limit;
        i->owed |= naru_autoconf_bit(NARU_AUTOCONF_HOP_LIMIT);
    }
    naru_time reachable = NARU_MS(ra->reachable_ms), retrans = NARU_MS(ra->retrans_ms);
    if (ra->reachable_ms > REACHABLE_MAX_MS || reachable == 0)
        reachable = i->reachable;
    if (retrans == 0)
        retrans = i->retrans;
    if (reachable != i->reachable || retrans != i->retrans) {
        i->reachable = reachable;
        i->retrans = retrans;
        i->owed |= naru_autoconf_bit(NARU_AUTOCONF_NEIGH_TIMERS);
    }
    ac->changed = true;
    naru_autoconf_schedule(ac);
}

/* The MTU option is taken if between 1280 and the link maximum (V6-4861-6.3.4-8). */
void naru_autoconf_ra_mtu(struct naru_autoconf *ac, unsigned ifindex, uint32_t mtu)
{
    struct naru_autoconf_iface *i = listening(ac, ifindex);
    if (i == NULL || mtu < IPV6_MTU_MIN || mtu > i->config.mtu || mtu == i->mtu)
        return;
    i->mtu = mtu;
    i->owed |= naru_autoconf_bit(NARU_AUTOCONF_MTU);
    ac->changed = true;
}

void naru_autoconf_ra_dns(struct naru_autoconf *ac, unsigned ifindex,
                          const struct naru_addr *server, uint32_t lifetime_s, naru_time now)
{
    struct naru_autoconf_iface *i = listening(ac, ifindex);
    if (i == NULL || naru_addr_is_multicast(server) || naru_addr_is_unspecified(server))
        return;
    item_set(ac, i->dns, NARU_AUTOCONF_DNS, server, 128, lifetime_end(lifetime_s, now), now);
    naru_autoconf_schedule(ac);
}

/* ---- Domains to search ---- */

static void domains_changed(struct naru_autoconf *ac, struct naru_autoconf_iface *i)
{
    i->owed |= naru_autoconf_bit(NARU_AUTOCONF_DOMAINS_CHANGED);
    ac->changed = true;
}

naru_time naru_autoconf_domains_tick(struct naru_autoconf *ac, struct naru_autoconf_iface *i,
                                     naru_time now)
{
    naru_time first = NARU_NEVER;
    for (unsigned n = 0; n < NARU_AUTOCONF_DOMAINS; n++) {
        if (i->domain[n].used && i->domain[n].until <= now) {
            i->domain[n].used = false;
            domains_changed(ac, i);
        }
        if (i->domain[n].used)
            first = NARU_MIN(first, i->domain[n].until);
    }
    return first;
}

/* 0 for the same name, however it is written (RFC 4343). */
static bool same_name(const char *a, const char *b)
{
    for (; *a != '\0' && *b != '\0'; a++, b++) {
        bool letter = (*a >= 'a' && *a <= 'z') || (*a >= 'A' && *a <= 'Z');
        if (*a != *b && !(letter && (*a ^ *b) == 0x20))
            return false;
    }
    return *a == *b;
}

/* A full list takes nothing new; 0 ends (V6-8106-5-1). */
void naru_autoconf_ra_domain(struct naru_autoconf *ac, unsigned ifindex, const char *name,
                             uint32_t lifetime_s, naru_time now)
{
    struct naru_autoconf_iface *i = listening(ac, ifindex);
    struct naru_autoconf_name *place = NULL;
    size_t len = 0;
    while (len < NARU_AUTOCONF_DOMAIN && name[len] != '\0')
        len++;
    if (i == NULL || len == 0 || len == NARU_AUTOCONF_DOMAIN)
        return;
    for (unsigned n = 0; n < NARU_AUTOCONF_DOMAINS; n++) {
        struct naru_autoconf_name *at = &i->domain[n];
        if (at->used && same_name(at->text, name)) {
            at->until = lifetime_end(lifetime_s, now);
            naru_autoconf_domains_tick(ac, i, now);
            naru_autoconf_schedule(ac);
            return;
        }
        if (!at->used && place == NULL)
            place = at;
    }
    if (place == NULL || lifetime_s == 0)
        return;
    memcpy(place->text, name, len + 1);
    place->used = true;
    place->until = lifetime_end(lifetime_s, now);
    domains_changed(ac, i);
    naru_autoconf_schedule(ac);
}

const char *naru_autoconf_domain_get(const struct naru_autoconf *ac, unsigned ifindex, unsigned n)
{
    const struct naru_autoconf_iface *i = naru_autoconf_iface_find(ac, ifindex);
    for (unsigned at = 0; i != NULL && at < NARU_AUTOCONF_DOMAINS; at++)
        if (i->domain[at].used && n-- == 0)
            return i->domain[at].text;
    return NULL;
}

bool naru_autoconf_dns_get(const struct naru_autoconf *ac, unsigned ifindex, unsigned n,
                           struct naru_addr *server)
{
    const struct naru_autoconf_iface *i = naru_autoconf_iface_find(ac, ifindex);
    for (unsigned at = 0; i != NULL && at < NARU_AUTOCONF_DNS; at++)
        if (i->dns[at].used && n-- == 0) {
            *server = i->dns[at].addr;
            return true;
        }
    return false;
}

void naru_autoconf_not_router(struct naru_autoconf *ac, unsigned ifindex,
                              const struct naru_addr *addr)
{
    struct naru_autoconf_iface *i = naru_autoconf_iface_find(ac, ifindex);
    for (unsigned n = 0; i != NULL && n < NARU_AUTOCONF_ROUTERS; n++) {
        if (i->router[n].used && naru_addr_eq(&i->router[n].addr, addr))
            item_end(ac, &i->router[n]);
    }
    naru_autoconf_schedule(ac);
}

/* ---- Prefixes ---- */

/* RFC 4862 5.5.3 e: an advertisement nobody vouches for cannot end an address within two hours
 * (V6-4862-5.5.3-4, V6-4862-5.5.3-5). */
static void renew(struct naru_autoconf *ac, struct naru_autoconf_addr *a,
                  const struct naru_autoconf_prefix *p, naru_time now)
{
    naru_time left = a->valid_until == NARU_NEVER ? NARU_NEVER : a->valid_until - now;
    naru_time offered = p->valid_s == FOR_EVER ? NARU_NEVER : NARU_SEC(p->valid_s);
    if (offered > TWO_HOURS || offered > left)
        a->valid_until = lifetime_end(p->valid_s, now);
    else if (left > TWO_HOURS)
        a->valid_until = now + TWO_HOURS;

    a->preferred_until = lifetime_end(p->preferred_s, now);
    bool preferred = a->preferred_until > now;
    if ((a->state == NARU_AUTOCONF_DEPRECATED && preferred) ||
        (a->state == NARU_AUTOCONF_PREFERRED && !preferred))
        naru_autoconf_settle(ac, a, now);
}

struct naru_autoconf_addr *naru_autoconf_lasting(struct naru_autoconf_iface *i,
                                                 const struct naru_addr *prefix)
{
    struct naru_autoconf_addr *found = NULL;
    for (unsigned n = 0; n < NARU_AUTOCONF_ADDRS; n++) {
        struct naru_autoconf_addr *a = &i->addr[n];
        if (a->state == NARU_AUTOCONF_FREE || a->state == NARU_AUTOCONF_GONE || !a->automatic ||
            a->temporary || naru_addr_hi(&a->addr) != naru_addr_hi(prefix))
            continue;
        if (found == NULL || found->state == NARU_AUTOCONF_DUPLICATE)
            found = a;
    }
    return found;
}

/* An address of a good prefix, or its lifetimes anew (V6-4862-5.4.2-2, V6-4862-5.5.3-1,
 * V6-4862-5.5.3-2, V6-4862-5.5.3-3). */
static void autonomous(struct naru_autoconf *ac, struct naru_autoconf_iface *i,
                       const struct naru_autoconf_prefix *p, naru_time now)
{
    if (!i->config.slaac || p->preferred_s > p->valid_s || p->prefix_len != 128 - IDENTIFIER_BITS)
        return;
    struct naru_autoconf_addr *a = naru_autoconf_lasting(i, &p->prefix);
    if (a != NULL) {
        if (a->state == NARU_AUTOCONF_DUPLICATE)
            return;
        renew(ac, a, p, now);
        naru_autoconf_temp_advertised(ac, i, a, now);
        return;
    }
    if (p->valid_s == 0)
        return;
    a = naru_autoconf_form(ac, i, &p->prefix, 0);
    if (a == NULL)
        return;
    a->preferred_until = lifetime_end(p->preferred_s, now);
    a->valid_until = lifetime_end(p->valid_s, now);
    naru_autoconf_detect(ac, i, a, NARU_MS(naru_rand_below(ac->rand, 1001)), now);
    naru_autoconf_temp_advertised(ac, i, a, now);
}

/* A prefix with L=0 says nothing about off-link; an earlier on-link mark stays; a prefix option for
 * the link-local prefix is ignored (V6-4861-4.6.2-1, V6-4861-4.6.2-2). */
void naru_autoconf_ra_prefix(struct naru_autoconf *ac, unsigned ifindex,
                             const struct naru_autoconf_prefix *p, naru_time now)
{
    struct naru_autoconf_iface *i = listening(ac, ifindex);
    if (i == NULL || p->prefix_len > 128 || naru_addr_is_link_local(&p->prefix) ||
        naru_addr_is_multicast(&p->prefix) || naru_addr_is_v4(&p->prefix))
        return;
    if (p->on_link) {
        struct naru_addr network = naru_addr_network(&p->prefix, p->prefix_len);
        item_set(ac, i->prefix, NARU_AUTOCONF_PREFIXES, &network, p->prefix_len,
                 lifetime_end(p->valid_s, now), now);
    }
    if (p->autonomous)
        autonomous(ac, i, p, now);
    naru_autoconf_schedule(ac);
}

/* ---- Identifiers ---- */

struct naru_addr naru_autoconf_eui64(const struct naru_addr *prefix, const uint8_t mac[6])
{
    struct naru_addr a = *prefix;
    memcpy(a.b + 8, mac, 3);
    a.b[8] ^= 2; /* universal / local is the other way round */
    a.b[11] = 0xff;
    a.b[12] = 0xfe;
    memcpy(a.b + 13, mac + 3, 3);
    return a;
}

bool naru_autoconf_reserved(uint64_t id)
{
    return id == 0 || id >> 7 == UINT64_C(0xfdffffffffffff80) >> 7;
}

/* RFC 7217 5 (V6-7217-5-1): of prefix, interface, attempt and secret, and nothing else. */
static struct naru_addr opaque(const struct naru_autoconf *ac, const struct naru_autoconf_iface *i,
                               const struct naru_addr *prefix, unsigned dad_counter)
{
    uint8_t input[16];
    struct naru_addr a = *prefix;
    memcpy(input, prefix->b, 8);
    memcpy(input + 8, i->config.mac, 6);
    naru_put16(input + 14, dad_counter);
    uint64_t id = naru_siphash(&ac->secret, input, sizeof(input));
    if (naru_autoconf_reserved(id))
        id ^= UINT64_C(1) << 40;
    naru_put64(a.b + 8, id);
    return a;
}

struct naru_autoconf_addr *naru_autoconf_form(struct naru_autoconf *ac,
                                              struct naru_autoconf_iface *i,
                                              const struct naru_addr *prefix, unsigned dad_counter)
{
    struct naru_addr addr = i->config.opaque ? opaque(ac, i, prefix, dad_counter)
                                             : naru_autoconf_eui64(prefix, i->config.mac);
    struct naru_autoconf_addr *a = naru_autoconf_addr_make(i, &addr, 128 - IDENTIFIER_BITS);
    if (a == NULL)
        return NULL;
    a->automatic = true;
    a->from_mac = !i->config.opaque;
    a->dad_counter = (uint8_t)dad_counter;
    return a;
}

struct naru_addr naru_autoconf_solicited_node(const struct naru_addr *addr)
{
    struct naru_addr group = { { 0xff, 0x02, [11] = 1, [12] = 0xff } };
    memcpy(group.b + 13, addr->b + 13, 3);
    return group;
}
