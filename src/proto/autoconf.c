/*
 * Addresses: duplicate detection, lifetimes, identifiers, and the drains; see autoconf.h.  What
 * routers advertise is in autoconf_ra.c.
 *
 * Every object remembers by itself what is still to be told about it, so no queue can overflow.
 */
#include "proto/autoconf_iface.h"

#include "base/addr.h"

#include <string.h>

enum {
    RTR_SOLICITATIONS = 3, /* MAX_RTR_SOLICITATIONS */
    IDGEN_RETRIES = 3,     /* RFC 7217 6 */
};
#define RTR_SOLICITATION_INTERVAL NARU_SEC(4)
#define RETRANS_TIMER             NARU_SEC(1)
#define DELAY_MS                  1000 /* MAX_RTR_SOLICITATION_DELAY */

void naru_autoconf_init(struct naru_autoconf *ac, struct naru_mem *mem, struct naru_rand *rand)
{
    *ac = (struct naru_autoconf){ .mem = mem, .rand = rand, .deadline = NARU_NEVER };
    naru_siphash_key_init(&ac->secret, rand);
}

void naru_autoconf_set_secret(struct naru_autoconf *ac, const uint8_t secret[16])
{
    ac->secret = (struct naru_siphash_key){ { 0 } };
    for (unsigned i = 0; i < 16; i++)
        ac->secret.k[i / 8] |= (uint64_t)secret[i] << 8 * (i % 8);
}

void naru_autoconf_deinit(struct naru_autoconf *ac)
{
    while (ac->iface != NULL)
        naru_autoconf_iface_remove(ac, ac->iface->ifindex);
}

struct naru_autoconf_iface *naru_autoconf_iface_find(const struct naru_autoconf *ac,
                                                     unsigned ifindex)
{
    struct naru_autoconf_iface *i = ac->iface;
    while (i != NULL && i->ifindex != ifindex)
        i = i->next;
    return i;
}

static naru_time random_delay(struct naru_autoconf *ac)
{
    return NARU_MS(naru_rand_below(ac->rand, DELAY_MS + 1));
}

/* ---- Addresses ---- */

void naru_autoconf_owe(struct naru_autoconf *ac, struct naru_autoconf_addr *a,
                       enum naru_autoconf_change_kind kind)
{
    uint16_t keep = naru_autoconf_bit(NARU_AUTOCONF_ADDR_TENTATIVE);
    if (kind == NARU_AUTOCONF_ADDR_TENTATIVE || kind == NARU_AUTOCONF_ADDR_REMOVED)
        keep = 0;
    a->owed = (uint16_t)((a->owed & keep) | naru_autoconf_bit(kind));
    ac->changed = true;
}

static struct naru_autoconf_addr *find_addr(struct naru_autoconf_iface *i,
                                            const struct naru_addr *addr)
{
    for (unsigned n = 0; n < NARU_AUTOCONF_ADDRS; n++) {
        struct naru_autoconf_addr *a = &i->addr[n];
        if (a->state != NARU_AUTOCONF_FREE && a->state != NARU_AUTOCONF_GONE &&
            naru_addr_eq(&a->addr, addr))
            return a;
    }
    return NULL;
}

/* Where addr can go: its own old place if its end has not been told yet, or a free one. */
static struct naru_autoconf_addr *place_for(struct naru_autoconf_iface *i,
                                            const struct naru_addr *addr)
{
    struct naru_autoconf_addr *free_place = NULL;
    for (unsigned n = 0; n < NARU_AUTOCONF_ADDRS; n++) {
        struct naru_autoconf_addr *a = &i->addr[n];
        if (a->state == NARU_AUTOCONF_GONE && naru_addr_eq(&a->addr, addr))
            return a;
        if (a->state == NARU_AUTOCONF_FREE && free_place == NULL)
            free_place = a;
    }
    return free_place;
}

struct naru_autoconf_addr *naru_autoconf_addr_make(struct naru_autoconf_iface *i,
                                                   const struct naru_addr *addr,
                                                   unsigned prefix_len)
{
    struct naru_autoconf_addr *a = place_for(i, addr);
    if (a == NULL)
        return NULL;
    *a = (struct naru_autoconf_addr){
        .addr = *addr,
        .prefix_len = (uint8_t)prefix_len,
        .state = NARU_AUTOCONF_TENTATIVE,
        .next_at = NARU_NEVER,
        .regen_at = NARU_NEVER,
        .preferred_until = NARU_NEVER,
        .valid_until = NARU_NEVER,
    };
    return a;
}

void naru_autoconf_settle(struct naru_autoconf *ac, struct naru_autoconf_addr *a, naru_time now)
{
    bool preferred = a->preferred_until > now;
    a->state = preferred ? NARU_AUTOCONF_PREFERRED : NARU_AUTOCONF_DEPRECATED;
    a->next_at = NARU_NEVER;
    a->probe_due = false;
    naru_autoconf_owe(ac, a,
                      preferred ? NARU_AUTOCONF_ADDR_PREFERRED : NARU_AUTOCONF_ADDR_DEPRECATED);
}

/* Every address is asked for by itself, as often as the interface wants (V6-4862-5.1-1,
 * V6-4862-5.4-1, V6-4862-5.4-3). */
void naru_autoconf_detect(struct naru_autoconf *ac, struct naru_autoconf_iface *i,
                          struct naru_autoconf_addr *a, naru_time delay, naru_time now)
{
    a->probes_left = i->config.dad_transmits;
    a->probe_due = false;
    if (a->probes_left == 0) {
        naru_autoconf_settle(ac, a, now);
        return;
    }
    a->state = NARU_AUTOCONF_TENTATIVE;
    a->next_at = now + delay;
    naru_rand_fill(ac->rand, a->nonce, sizeof(a->nonce));
    naru_autoconf_owe(ac, a, NARU_AUTOCONF_ADDR_TENTATIVE);
}

/* The next step of duplicate detection is due. */
static void detect_step(struct naru_autoconf *ac, struct naru_autoconf_iface *i,
                        struct naru_autoconf_addr *a, naru_time now)
{
    if (a->probes_left == 0 && !a->probe_due) {
        naru_autoconf_settle(ac, a, now);
        return;
    }
    if (!a->probe_due) {
        a->probe_due = true;
        a->probes_left--;
    } /* else the device had no room for the last one: wait on */
    a->next_at = now + (i->retrans > 0 ? i->retrans : RETRANS_TIMER);
}

/* It stays away; if it was made of the MAC, so does IPv6 (V6-4862-5.4.5-1, V6-4862-5.4.5-2). */
static void duplicate(struct naru_autoconf *ac, struct naru_autoconf_iface *i,
                      struct naru_autoconf_addr *a)
{
    a->state = NARU_AUTOCONF_DUPLICATE;
    a->next_at = NARU_NEVER;
    a->probe_due = false;
    naru_autoconf_owe(ac, a, NARU_AUTOCONF_ADDR_DUPLICATE);
    if (a->from_mac && naru_addr_is_link_local(&a->addr)) { /* RFC 4862 5.4.5 */
        i->disabled = true;
        i->solicit_due = false;
        i->solicits_left = 0;
        i->solicit_at = NARU_NEVER;
        i->owed |= naru_autoconf_bit(NARU_AUTOCONF_DISABLED);
    }
    if (a->temporary) {
        naru_autoconf_temp_duplicate(ac, i, a);
    } else if (a->automatic && i->config.opaque && a->dad_counter < IDGEN_RETRIES) {
        struct naru_autoconf_addr *again = naru_autoconf_form(ac, i, &a->addr, a->dad_counter + 1U);
        if (again != NULL) {
            again->preferred_until = a->preferred_until;
            again->valid_until = a->valid_until;
            naru_autoconf_detect(ac, i, again, 0, INT64_MIN); /* with the next tick */
        }
    }
    naru_autoconf_schedule(ac);
}

enum naru_err naru_autoconf_addr_add(struct naru_autoconf *ac, unsigned ifindex,
                                     const struct naru_addr *addr, unsigned prefix_len,
                                     naru_time now)
{
    struct naru_autoconf_iface *i = naru_autoconf_iface_find(ac, ifindex);
    if (i == NULL)
        return NARU_ERR_NOENT;
    if (find_addr(i, addr) != NULL)
        return NARU_ERR_EXIST;
    struct naru_autoconf_addr *a = naru_autoconf_addr_make(i, addr, prefix_len);
    if (a == NULL)
        return NARU_ERR_NOBUFS;
    naru_autoconf_detect(ac, i, a, 0, now);
    naru_autoconf_schedule(ac);
    return NARU_OK;
}

enum naru_err naru_autoconf_addr_remove(struct naru_autoconf *ac, unsigned ifindex,
                                        const struct naru_addr *addr)
{
    struct naru_autoconf_iface *i = naru_autoconf_iface_find(ac, ifindex);
    struct naru_autoconf_addr *a = i == NULL ? NULL : find_addr(i, addr);
    if (a == NULL)
        return NARU_ERR_NOENT;
    a->state = NARU_AUTOCONF_FREE;
    naru_autoconf_schedule(ac);
    return NARU_OK;
}

/* ---- Interfaces ---- */

/* Up to 3 solicitations, at least 4 s apart, after a random delay up to 1 s (V6-4861-6.3.7-1). */
static void solicit(struct naru_autoconf *ac, struct naru_autoconf_iface *i, naru_time now)
{
    i->solicit_due = false;
    i->solicits_left = i->config.solicit ? RTR_SOLICITATIONS : 0;
    i->solicit_at = i->config.solicit ? now + random_delay(ac) : NARU_NEVER;
}

/* A link-local address is formed when an interface comes up; it never expires (V6-4862-5.3-1). */
enum naru_err naru_autoconf_iface_add(struct naru_autoconf *ac, unsigned ifindex,
                                      const struct naru_autoconf_iface_config *config,
                                      naru_time now)
{
    if (naru_autoconf_iface_find(ac, ifindex) != NULL)
        return NARU_ERR_EXIST;
    struct naru_autoconf_iface *i = naru_mem_alloc_zero(ac->mem, sizeof(*i));
    if (i == NULL)
        return NARU_ERR_NOMEM;
    i->ifindex = (uint16_t)ifindex;
    i->config = *config;
    i->next = ac->iface;
    ac->iface = i;
    if (config->link_local) {
        const struct naru_addr prefix = { { 0xfe, 0x80 } };
        struct naru_autoconf_addr *a = naru_autoconf_form(ac, i, &prefix, 0);
        NARU_ASSERT(a != NULL); /* the first of so many */
        naru_autoconf_detect(ac, i, a, random_delay(ac), now);
    }
    solicit(ac, i, now);
    naru_autoconf_schedule(ac);
    return NARU_OK;
}

void naru_autoconf_iface_remove(struct naru_autoconf *ac, unsigned ifindex)
{
    struct naru_autoconf_iface **link = &ac->iface;
    while (*link != NULL && (*link)->ifindex != ifindex)
        link = &(*link)->next;
    struct naru_autoconf_iface *i = *link;
    if (i == NULL)
        return;
    *link = i->next;
    naru_mem_free(ac->mem, i, sizeof(*i));
    naru_autoconf_schedule(ac);
}

void naru_autoconf_iface_up(struct naru_autoconf *ac, unsigned ifindex, naru_time now)
{
    struct naru_autoconf_iface *i = naru_autoconf_iface_find(ac, ifindex);
    if (i == NULL)
        return;
    i->disabled = false;
    for (unsigned n = 0; n < NARU_AUTOCONF_ADDRS; n++) {
        struct naru_autoconf_addr *a = &i->addr[n];
        if (a->state != NARU_AUTOCONF_FREE && a->state != NARU_AUTOCONF_GONE)
            naru_autoconf_detect(ac, i, a, a->automatic ? random_delay(ac) : 0, now);
    }
    solicit(ac, i, now);
    naru_autoconf_schedule(ac);
}

/* ---- Somebody else's solicitations and advertisements ---- */

/* From a host that has an address: silence; from ::, not ours looped back: a duplicate
 * (V6-4862-5.4.3-1). */
enum naru_autoconf_nd naru_autoconf_solicited(struct naru_autoconf *ac, unsigned ifindex,
                                              const struct naru_addr *target, bool from_unspecified,
                                              const uint8_t *nonce)
{
    struct naru_autoconf_iface *i = naru_autoconf_iface_find(ac, ifindex);
    struct naru_autoconf_addr *a = i == NULL ? NULL : find_addr(i, target);
    if (a == NULL || (a->state != NARU_AUTOCONF_TENTATIVE && a->state != NARU_AUTOCONF_DUPLICATE))
        return NARU_AUTOCONF_ND_OTHER;
    if (!from_unspecified || a->state == NARU_AUTOCONF_DUPLICATE)
        return NARU_AUTOCONF_ND_TENTATIVE;
    if (nonce != NULL && memcmp(nonce, a->nonce, sizeof(a->nonce)) == 0)
        return NARU_AUTOCONF_ND_TENTATIVE; /* our own, looped back */
    duplicate(ac, i, a);
    return NARU_AUTOCONF_ND_DUPLICATE;
}

/* NA for a tentative address means duplicate (V6-4862-5.4.4-1). */
enum naru_autoconf_nd naru_autoconf_advertised(struct naru_autoconf *ac, unsigned ifindex,
                                               const struct naru_addr *target)
{
    struct naru_autoconf_iface *i = naru_autoconf_iface_find(ac, ifindex);
    struct naru_autoconf_addr *a = i == NULL ? NULL : find_addr(i, target);
    if (a == NULL || a->state != NARU_AUTOCONF_TENTATIVE)
        return NARU_AUTOCONF_ND_OTHER;
    duplicate(ac, i, a);
    return NARU_AUTOCONF_ND_DUPLICATE;
}

/* ---- Changes ---- */

static bool addr_change(struct naru_autoconf_addr *a, struct naru_autoconf_change *change)
{
    if (a->state == NARU_AUTOCONF_FREE || a->owed == 0)
        return false;
    change->kind = (enum naru_autoconf_change_kind)naru_bit_lowest(a->owed);
    change->addr = a->addr;
    change->prefix_len = a->prefix_len;
    change->automatic = a->automatic;
    change->temporary = a->temporary;
    a->owed &= (uint16_t)(a->owed - 1);
    if (a->state == NARU_AUTOCONF_GONE)
        a->state = NARU_AUTOCONF_FREE;
    return true;
}

static bool item_change(struct naru_autoconf_item *item, unsigned count,
                        enum naru_autoconf_change_kind added, struct naru_autoconf_change *change)
{
    for (unsigned n = 0; n < count; n++) {
        if (!item[n].owed_added && !item[n].owed_removed)
            continue;
        change->kind = item[n].owed_added ? added : (enum naru_autoconf_change_kind)(added + 1);
        change->addr = item[n].addr;
        change->prefix_len = item[n].prefix_len;
        item[n].owed_added = item[n].owed_removed = false;
        return true;
    }
    return false;
}

static bool iface_change(struct naru_autoconf_iface *i, struct naru_autoconf_change *change)
{
    if (i->owed == 0)
        return false;
    change->kind = (enum naru_autoconf_change_kind)naru_bit_lowest(i->owed);
    change->value = change->kind == NARU_AUTOCONF_MTU ? i->mtu : i->hop_limit;
    change->reachable = i->reachable;
    change->retrans = i->retrans;
    i->owed &= (uint16_t)(i->owed - 1);
    return true;
}

bool naru_autoconf_next_change(struct naru_autoconf *ac, struct naru_autoconf_change *change)
{
    if (!ac->changed)
        return false;
    for (struct naru_autoconf_iface *i = ac->iface; i != NULL; i = i->next) {
        *change = (struct naru_autoconf_change){ .ifindex = i->ifindex };
        for (unsigned n = 0; n < NARU_AUTOCONF_ADDRS; n++) {
            if (addr_change(&i->addr[n], change))
                return true;
        }
        if (item_change(i->prefix, NARU_AUTOCONF_PREFIXES, NARU_AUTOCONF_PREFIX_ADDED, change) ||
            item_change(i->router, NARU_AUTOCONF_ROUTERS, NARU_AUTOCONF_ROUTER_ADDED, change) ||
            item_change(i->dns, NARU_AUTOCONF_DNS, NARU_AUTOCONF_DNS_ADDED, change) ||
            iface_change(i, change))
            return true;
    }
    ac->changed = false;
    return false;
}

/* ---- Messages ---- */

/* A link-local address to solicit routers from; *wait: one is on its way. */
static const struct naru_addr *solicit_source(const struct naru_autoconf_iface *i, bool *wait)
{
    *wait = false;
    for (unsigned n = 0; n < NARU_AUTOCONF_ADDRS; n++) {
        const struct naru_autoconf_addr *a = &i->addr[n];
        if (a->state == NARU_AUTOCONF_FREE || !naru_addr_is_link_local(&a->addr))
            continue;
        if (a->state == NARU_AUTOCONF_PREFERRED)
            return &a->addr;
        if (a->state == NARU_AUTOCONF_TENTATIVE)
            *wait = true;
    }
    return NULL;
}

static bool iface_pending(const struct naru_autoconf_iface *i)
{
    bool wait;
    for (unsigned n = 0; n < NARU_AUTOCONF_ADDRS; n++) {
        if (i->addr[n].state == NARU_AUTOCONF_TENTATIVE && i->addr[n].probe_due)
            return true;
    }
    if (!i->solicit_due)
        return false;
    solicit_source(i, &wait);
    return !wait;
}

bool naru_autoconf_send_pending(const struct naru_autoconf *ac, unsigned ifindex)
{
    const struct naru_autoconf_iface *i = naru_autoconf_iface_find(ac, ifindex);
    return i != NULL && iface_pending(i);
}

bool naru_autoconf_next_send(struct naru_autoconf *ac, unsigned ifindex, naru_time now,
                             struct naru_autoconf_send *send)
{
    struct naru_autoconf_iface *i = naru_autoconf_iface_find(ac, ifindex);
    if (i == NULL)
        return false;
    *send = (struct naru_autoconf_send){ .ifindex = i->ifindex };
    for (unsigned n = 0; n < NARU_AUTOCONF_ADDRS; n++) {
        struct naru_autoconf_addr *a = &i->addr[n];
        if (a->state != NARU_AUTOCONF_TENTATIVE || !a->probe_due)
            continue;
        a->probe_due = false;
        a->next_at = now + (i->retrans > 0 ? i->retrans : RETRANS_TIMER);
        send->solicitation = true;
        send->target = a->addr;
        memcpy(send->nonce, a->nonce, sizeof(send->nonce));
        naru_autoconf_schedule(ac);
        return true;
    }
    bool wait;
    const struct naru_addr *source = solicit_source(i, &wait);
    if (!i->solicit_due || (source == NULL && wait))
        return false;
    i->solicit_due = false;
    if (source != NULL)
        send->source = *source;
    return true;
}

/* ---- Time ---- */

/* Preferred lifetime over -> deprecated: no new communication starts from it if another fits,
 * existing goes on; valid lifetime over -> address removed (V6-4862-5.5.4-1, V6-4862-5.5.4-2). */
static void addr_tick(struct naru_autoconf *ac, struct naru_autoconf_iface *i,
                      struct naru_autoconf_addr *a, naru_time now)
{
    if (a->state == NARU_AUTOCONF_FREE || a->state == NARU_AUTOCONF_GONE)
        return;
    if (a->valid_until <= now) {
        a->state = NARU_AUTOCONF_GONE;
        naru_autoconf_owe(ac, a, NARU_AUTOCONF_ADDR_REMOVED);
        return;
    }
    if (a->state == NARU_AUTOCONF_TENTATIVE && a->next_at <= now)
        detect_step(ac, i, a, now);
    naru_autoconf_temp_tick(ac, i, a, now);
    if (a->state == NARU_AUTOCONF_PREFERRED && a->preferred_until <= now)
        naru_autoconf_settle(ac, a, now);
}

void naru_autoconf_tick(struct naru_autoconf *ac, naru_time now)
{
    if (now < ac->deadline)
        return;
    for (struct naru_autoconf_iface *i = ac->iface; i != NULL; i = i->next) {
        for (unsigned n = 0; n < NARU_AUTOCONF_ADDRS; n++)
            addr_tick(ac, i, &i->addr[n], now);
        naru_autoconf_items_tick(ac, i->router, NARU_AUTOCONF_ROUTERS, now);
        naru_autoconf_items_tick(ac, i->prefix, NARU_AUTOCONF_PREFIXES, now);
        naru_autoconf_items_tick(ac, i->dns, NARU_AUTOCONF_DNS, now);
        naru_autoconf_domains_tick(ac, i, now);
        if (i->solicit_at <= now) {
            i->solicit_due = true;
            i->solicits_left--;
            i->solicit_at = i->solicits_left > 0 ? now + RTR_SOLICITATION_INTERVAL : NARU_NEVER;
        }
    }
    naru_autoconf_schedule(ac);
}

void naru_autoconf_schedule(struct naru_autoconf *ac)
{
    naru_time first = NARU_NEVER;
    for (struct naru_autoconf_iface *i = ac->iface; i != NULL; i = i->next) {
        for (unsigned n = 0; n < NARU_AUTOCONF_ADDRS; n++) {
            const struct naru_autoconf_addr *a = &i->addr[n];
            if (a->state == NARU_AUTOCONF_FREE || a->state == NARU_AUTOCONF_GONE)
                continue;
            first = NARU_MIN(first, a->valid_until);
            if (a->state == NARU_AUTOCONF_TENTATIVE)
                first = NARU_MIN(first, a->next_at);
            if (a->state == NARU_AUTOCONF_PREFERRED)
                first = NARU_MIN(first, NARU_MIN(a->preferred_until, a->regen_at));
        }
        first = NARU_MIN(first,
                         naru_autoconf_items_tick(ac, i->router, NARU_AUTOCONF_ROUTERS, INT64_MIN));
        first = NARU_MIN(
            first, naru_autoconf_items_tick(ac, i->prefix, NARU_AUTOCONF_PREFIXES, INT64_MIN));
        first = NARU_MIN(first, naru_autoconf_items_tick(ac, i->dns, NARU_AUTOCONF_DNS, INT64_MIN));
        first = NARU_MIN(first, naru_autoconf_domains_tick(ac, i, INT64_MIN));
        first = NARU_MIN(first, i->solicit_at);
    }
    ac->deadline = first;
    naru_alarm_by(ac->alarm, first);
}

naru_time naru_autoconf_deadline(const struct naru_autoconf *ac) { return ac->deadline; }
