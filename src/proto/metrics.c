/*
 * Metrics by destination; see metrics.h.  Every entry lives equally long, so the list by age is
 * also the list by expiry; what is too old is not found, and goes when room is wanted.
 */
#include "proto/metrics.h"

#include "base/addr.h"

struct naru_metrics_entry {
    struct naru_list_node age;
    struct naru_addr dst;
    uint32_t hash;
    naru_time expires;
    struct naru_metrics_values values;
};

void naru_metrics_init(struct naru_metrics *m, struct naru_mem *mem, struct naru_rand *rand,
                       uint32_t entries_max)
{
    m->count_max = entries_max;
    naru_siphash_key_init(&m->key, rand);
    naru_table_init(&m->table, mem, entries_max);
    naru_pool_init(&m->pool, mem, sizeof(struct naru_metrics_entry), 16, entries_max);
    naru_list_init(&m->by_age);
}

void naru_metrics_deinit(struct naru_metrics *m)
{
    naru_table_deinit(&m->table);
    naru_pool_deinit(&m->pool);
    naru_list_init(&m->by_age);
}

static struct naru_metrics_entry *find(const struct naru_metrics *m, const struct naru_addr *dst,
                                       uint32_t hash)
{
    struct naru_table_iter it;
    for (struct naru_metrics_entry *e = naru_table_first(&m->table, hash, &it); e != NULL;
         e = naru_table_next(&it)) {
        if (naru_addr_eq(&e->dst, dst))
            return e;
    }
    return NULL;
}

static void drop_oldest(struct naru_metrics *m)
{
    struct naru_list_node *n = naru_list_first(&m->by_age);
    NARU_ASSERT(n != NULL);
    struct naru_metrics_entry *e = NARU_CONTAINER_OF(n, struct naru_metrics_entry, age);
    bool found = naru_table_remove(&m->table, e->hash, e);
    NARU_ASSERT(found);
    naru_list_remove(&e->age);
    naru_pool_put(&m->pool, e);
}

static struct naru_metrics_entry *make(struct naru_metrics *m, const struct naru_addr *dst,
                                       uint32_t hash)
{
    if (naru_table_count(&m->table) >= m->count_max)
        drop_oldest(m);
    struct naru_metrics_entry *e = naru_pool_get(&m->pool);
    if (e == NULL)
        return NULL;
    *e = (struct naru_metrics_entry){ .dst = *dst, .hash = hash };
    if (!naru_table_add(&m->table, hash, e)) {
        naru_pool_put(&m->pool, e);
        return NULL;
    }
    naru_list_push_back(&m->by_age, &e->age);
    return e;
}

/* Linux's smoothing. */
static void blend(struct naru_metrics_values *old, const struct naru_metrics_values *new)
{
    if (new->rtt != 0) {
        uint32_t off = old->rtt > new->rtt ? old->rtt - new->rtt : new->rtt - old->rtt;
        uint32_t var = old->rtt == 0 ? new->rttvar : NARU_MAX(off / 2, new->rttvar);
        old->rtt = old->rtt > new->rtt ? old->rtt - off / 8 : new->rtt;
        old->rttvar = var >= old->rttvar ? var : old->rttvar - (old->rttvar - var) / 4;
    }
    old->reordering = NARU_MAX(old->reordering, new->reordering);
    if (new->ssthresh != 0)
        old->ssthresh = old->ssthresh == 0
                            ? new->ssthresh
                            : (uint32_t)(((uint64_t)old->ssthresh + new->ssthresh) / 2);
}

void naru_metrics_note(struct naru_metrics *m, const struct naru_addr *dst,
                       const struct naru_metrics_values *values, naru_time now)
{
    if (m->count_max == 0)
        return;
    uint32_t hash = naru_hash_addr(&m->key, dst, 0);
    struct naru_metrics_entry *e = find(m, dst, hash);
    if (e == NULL && (e = make(m, dst, hash)) == NULL)
        return;
    if (e->expires <= now)
        e->values = (struct naru_metrics_values){ 0 };
    blend(&e->values, values);
    e->expires = now + NARU_METRICS_AGE;
    naru_list_remove(&e->age);
    naru_list_push_back(&m->by_age, &e->age);
}

bool naru_metrics_find(const struct naru_metrics *m, const struct naru_addr *dst, naru_time now,
                       struct naru_metrics_values *values)
{
    if (naru_table_count(&m->table) == 0)
        return false;
    const struct naru_metrics_entry *e = find(m, dst, naru_hash_addr(&m->key, dst, 0));
    if (e == NULL || e->expires <= now)
        return false;
    *values = e->values;
    return true;
}
