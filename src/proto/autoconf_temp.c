/*
 * Temporary addresses (RFC 8981): beside the lasting address of a prefix another one with a random
 * identifier, which new connections begin from (RFC 6724 rule 7), for a day; shortly before that is
 * over the next one is made, and the old one goes on for what it has begun, another day.  See
 * autoconf.h.
 *
 * Lifetimes are those of the prefix, which the lasting address has, but no longer than those of
 * 3.8; each address draws its own DESYNC_FACTOR, so that hosts that started together do not change
 * together.
 *
 * Not done: a new address when the host moves to another link (3.6): prefixes end by their time.
 */
#include "proto/autoconf_iface.h"

#include "base/addr.h"

enum { IDGEN_RETRIES = 3 /* TEMP_IDGEN_RETRIES */ };
#define PREFERRED_LIFETIME NARU_SEC(86400)          /* TEMP_PREFERRED_LIFETIME */
#define VALID_LIFETIME     NARU_SEC(2 * 86400)      /* TEMP_VALID_LIFETIME */
#define MAX_DESYNC_MS      (86400 * 1000U / 10 * 4) /* 0.4 * TEMP_PREFERRED_LIFETIME */
#define RETRANS_TIMER      NARU_SEC(1)

/* REGEN_ADVANCE: long enough to find a duplicate that often (3.8). */
static naru_time regen_advance(const struct naru_autoconf_iface *i)
{
    naru_time retrans = i->retrans > 0 ? i->retrans : RETRANS_TIMER;
    return NARU_SEC(2) + IDGEN_RETRIES * i->config.dad_transmits * retrans;
}

static void set_lifetimes(const struct naru_autoconf_iface *i, struct naru_autoconf_addr *a,
                          const struct naru_autoconf_addr *lasting)
{
    a->valid_until = NARU_MIN(lasting->valid_until, a->created + VALID_LIFETIME);
    a->preferred_until =
        NARU_MIN(lasting->preferred_until, a->created + PREFERRED_LIFETIME - a->desync);
    a->regen_at = a->replaced ? NARU_NEVER : a->preferred_until - regen_advance(i);
}

/* A random identifier that is not reserved (3.3.1, RFC 5453) and that no address here has. */
static bool draw(struct naru_autoconf *ac, const struct naru_autoconf_iface *i,
                 const struct naru_addr *prefix, struct naru_addr *addr)
{
    for (unsigned tries = 0; tries < 8; tries++) {
        uint64_t id = naru_rand_u64(ac->rand);
        bool taken = naru_autoconf_reserved(id);
        *addr = *prefix;
        naru_put64(addr->b + 8, id);
        for (unsigned n = 0; n < NARU_AUTOCONF_ADDRS; n++)
            taken = taken || (i->addr[n].state != NARU_AUTOCONF_FREE &&
                              naru_addr_eq(&i->addr[n].addr, addr));
        if (!taken)
            return true;
    }
    return false;
}

/* False: it would not be preferred for long enough, or there is no place. */
static bool make(struct naru_autoconf *ac, struct naru_autoconf_iface *i,
                 const struct naru_autoconf_addr *lasting, unsigned tries, naru_time now)
{
    struct naru_addr addr;
    struct naru_autoconf_addr *a;
    if (lasting->preferred_until - regen_advance(i) <= now || !draw(ac, i, &lasting->addr, &addr))
        return false;
    a = naru_autoconf_addr_make(i, &addr, lasting->prefix_len);
    if (a == NULL)
        return false;
    a->automatic = a->temporary = true;
    a->dad_counter = (uint8_t)tries;
    a->created = now;
    a->desync = NARU_MS(naru_rand_below(ac->rand, MAX_DESYNC_MS + 1));
    set_lifetimes(i, a, lasting);
    naru_autoconf_detect(ac, i, a, 0, now);
    return true;
}

static bool is_of(const struct naru_autoconf_addr *a, const struct naru_addr *prefix)
{
    return a->state != NARU_AUTOCONF_FREE && a->state != NARU_AUTOCONF_GONE && a->temporary &&
           naru_addr_hi(&a->addr) == naru_addr_hi(prefix);
}

/* The prefix was advertised (3.3, 3.4): temporary addresses follow its lifetimes as far as theirs
 * go, and there is one that will be replaced in its time. */
void naru_autoconf_temp_advertised(struct naru_autoconf *ac, struct naru_autoconf_iface *i,
                                   const struct naru_autoconf_addr *lasting, naru_time now)
{
    bool there = false;
    if (!i->config.temporary)
        return;
    for (unsigned n = 0; n < NARU_AUTOCONF_ADDRS; n++) {
        struct naru_autoconf_addr *a = &i->addr[n];
        if (!is_of(a, &lasting->addr))
            continue;
        if (a->state == NARU_AUTOCONF_DUPLICATE) {
            there = there || !a->replaced; /* once too often: none is made again */
            continue;
        }
        if (a->created + PREFERRED_LIFETIME - a->desync <= now)
            a->replaced = true; /* there was no place for its successor */
        there = there || !a->replaced;
        set_lifetimes(i, a, lasting);
        bool preferred = a->preferred_until > now;
        if ((a->state == NARU_AUTOCONF_DEPRECATED && preferred) ||
            (a->state == NARU_AUTOCONF_PREFERRED && !preferred))
            naru_autoconf_settle(ac, a, now);
    }
    if (!there)
        (void)make(ac, i, lasting, 0, now);
}

/* Its time to be replaced has come (3.5, V6-8981-3-1). */
void naru_autoconf_temp_tick(struct naru_autoconf *ac, struct naru_autoconf_iface *i,
                             struct naru_autoconf_addr *a, naru_time now)
{
    if (!a->temporary || a->state != NARU_AUTOCONF_PREFERRED || a->regen_at > now)
        return;
    const struct naru_autoconf_addr *lasting = naru_autoconf_lasting(i, &a->addr);
    a->regen_at = NARU_NEVER;
    if (lasting != NULL && lasting->preferred_until > a->preferred_until)
        a->replaced = make(ac, i, lasting, 0, now);
}

/* Somebody else drew the same: another one, some times (3.3.3). */
void naru_autoconf_temp_duplicate(struct naru_autoconf *ac, struct naru_autoconf_iface *i,
                                  struct naru_autoconf_addr *a)
{
    const struct naru_autoconf_addr *lasting = naru_autoconf_lasting(i, &a->addr);
    a->regen_at = NARU_NEVER;
    if (lasting != NULL && a->dad_counter < IDGEN_RETRIES)
        a->replaced = make(ac, i, lasting, a->dad_counter + 1U, a->created);
}
