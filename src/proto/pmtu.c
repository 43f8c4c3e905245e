/*
 * Path MTU by destination; see pmtu.h.  Every entry lives equally long after the last message about
 * it, so the list by age is also the list by expiry.
 */
#include "proto/pmtu.h"

#include "base/addr.h"

struct naru_pmtu_entry {
    struct naru_list_node age;
    struct naru_addr dst;
    uint32_t mtu;
    uint32_t hash;
    naru_time expires;
};

void naru_pmtu_init(struct naru_pmtu *pmtu, struct naru_mem *mem, struct naru_rand *rand,
                    uint32_t entries_max)
{
    pmtu->generation = 1;
    pmtu->alarm = NULL;
    pmtu->count_max = entries_max;
    naru_siphash_key_init(&pmtu->key, rand);
    naru_table_init(&pmtu->table, mem, entries_max);
    naru_pool_init(&pmtu->pool, mem, sizeof(struct naru_pmtu_entry), 16, entries_max);
    naru_list_init(&pmtu->by_age);
}

void naru_pmtu_deinit(struct naru_pmtu *pmtu)
{
    naru_table_deinit(&pmtu->table);
    naru_pool_deinit(&pmtu->pool);
    naru_list_init(&pmtu->by_age);
}

static struct naru_pmtu_entry *find(const struct naru_pmtu *pmtu, const struct naru_addr *dst)
{
    struct naru_table_iter it;
    uint32_t hash = naru_hash_addr(&pmtu->key, dst, 0);
    for (struct naru_pmtu_entry *e = naru_table_first(&pmtu->table, hash, &it); e != NULL;
         e = naru_table_next(&it)) {
        if (naru_addr_eq(&e->dst, dst))
            return e;
    }
    return NULL;
}

static struct naru_pmtu_entry *oldest(const struct naru_pmtu *pmtu)
{
    struct naru_list_node *n = naru_list_first(&pmtu->by_age);
    return n == NULL ? NULL : NARU_CONTAINER_OF(n, struct naru_pmtu_entry, age);
}

static void drop(struct naru_pmtu *pmtu, struct naru_pmtu_entry *e)
{
    NARU_ASSERT(e != NULL);
    bool found = naru_table_remove(&pmtu->table, e->hash, e);
    NARU_ASSERT(found);
    naru_list_remove(&e->age);
    naru_pool_put(&pmtu->pool, e);
    pmtu->generation++;
}

static struct naru_pmtu_entry *make(struct naru_pmtu *pmtu, const struct naru_addr *dst)
{
    if (pmtu->count_max == 0)
        return NULL;
    if (naru_table_count(&pmtu->table) >= pmtu->count_max)
        drop(pmtu, oldest(pmtu));
    struct naru_pmtu_entry *e = naru_pool_get(&pmtu->pool);
    if (e == NULL)
        return NULL;
    *e = (struct naru_pmtu_entry){ .dst = *dst, .hash = naru_hash_addr(&pmtu->key, dst, 0) };
    if (!naru_table_add(&pmtu->table, e->hash, e)) {
        naru_pool_put(&pmtu->pool, e);
        return NULL;
    }
    naru_list_push_back(&pmtu->by_age, &e->age);
    return e;
}

/* RFC 1191 7.1: what to try next when the router does not say. */
static uint32_t plateau_below(uint32_t len)
{
    static const uint16_t plateau[] = { 32000, 17914, 8166, 4352, 2002, 1492, 1006 };
    for (unsigned i = 0; i < NARU_ARRAY_LEN(plateau); i++) {
        if (plateau[i] < len)
            return plateau[i];
    }
    return NARU_PMTU_MIN4;
}

/* It is the youngest now. */
static void renew(struct naru_pmtu *pmtu, struct naru_pmtu_entry *e, naru_time now)
{
    e->expires = now + NARU_PMTU_AGE;
    naru_list_remove(&e->age);
    naru_list_push_back(&pmtu->by_age, &e->age);
    naru_alarm_by(pmtu->alarm, e->expires);
}

/* Packet Too Big never raises and never lowers below 1280; probing up not before 5 minutes (10
 * recommended; V6-8201-4-1). */
bool naru_pmtu_too_big(struct naru_pmtu *pmtu, const struct naru_addr *dst, uint32_t next_mtu,
                       uint32_t sent_len, uint32_t link_mtu, naru_time now)
{
    uint32_t min = naru_addr_is_v4(dst) ? NARU_PMTU_MIN4 : NARU_PMTU_MIN6;
    naru_pmtu_tick(pmtu, now);
    uint32_t known = naru_pmtu_find(pmtu, dst, now);
    if (known == 0)
        known = link_mtu;
    if (next_mtu == 0)
        next_mtu = plateau_below(sent_len != 0 && sent_len < known ? sent_len : known);
    if (next_mtu < min)
        next_mtu = min;

    struct naru_pmtu_entry *e = find(pmtu, dst);
    if (next_mtu >= known) {
        if (e == NULL || next_mtu > known)
            return false; /* never up */
    } else if (e == NULL) {
        e = make(pmtu, dst);
        if (e == NULL)
            return false;
    }
    bool smaller = next_mtu < known;
    if (smaller) {
        e->mtu = next_mtu;
        pmtu->generation++;
    }
    renew(pmtu, e, now);
    return smaller;
}

void naru_pmtu_probed(struct naru_pmtu *pmtu, const struct naru_addr *dst, uint32_t mtu,
                      uint32_t link_mtu, naru_time now)
{
    if (mtu < (naru_addr_is_v4(dst) ? NARU_PMTU_MIN4 : NARU_PMTU_MIN6))
        return; /* so much passes everywhere */
    naru_pmtu_tick(pmtu, now);
    struct naru_pmtu_entry *e = find(pmtu, dst);
    if (mtu >= link_mtu) {
        if (e != NULL)
            drop(pmtu, e);
        return;
    }
    if (e == NULL && (e = make(pmtu, dst)) == NULL)
        return;
    if (e->mtu != mtu) {
        e->mtu = mtu;
        pmtu->generation++;
    }
    renew(pmtu, e, now);
}

uint32_t naru_pmtu_find(const struct naru_pmtu *pmtu, const struct naru_addr *dst, naru_time now)
{
    if (naru_table_count(&pmtu->table) == 0)
        return 0;
    const struct naru_pmtu_entry *e = find(pmtu, dst);
    return e == NULL || e->expires <= now ? 0 : e->mtu;
}

void naru_pmtu_tick(struct naru_pmtu *pmtu, naru_time now)
{
    struct naru_pmtu_entry *e;
    while ((e = oldest(pmtu)) != NULL && e->expires <= now)
        drop(pmtu, e);
}

naru_time naru_pmtu_deadline(const struct naru_pmtu *pmtu)
{
    const struct naru_pmtu_entry *e = oldest(pmtu);
    return e == NULL ? NARU_NEVER : e->expires;
}
