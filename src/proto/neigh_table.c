/*
 * Neighbours: entries, how they are found, made and given up, and the packets that wait in them.
 *
 * Memory: entries come from a pool and are reused through our own free list, never given back, so
 * that a naru_neigh_ref to a past entry can still be compared.
 *
 * Who goes when the table is full (RFC 6583): first what nobody looked up for the longest time and
 * can be learnt again (STALE, FAILED), then the oldest unanswered question, then anything that is
 * not permanent.  Entries made only because somebody else spoke begin at the far end of that order.
 */
#include "proto/neigh_table.h"

#include "base/addr.h"
#include "base/pktpool.h"

#include <string.h>

enum { EVICT_SEARCH = 64 }; /* entries looked at for a cheap victim */

void naru_neigh_config_init(struct naru_neigh_config *config)
{
    *config = (struct naru_neigh_config){
        .entries_max = 1024,
        .incomplete_max = 256,
        .queue_max = 8,
        .queue_total_max = 256,
        .reachable = NARU_SEC(30),
        .retrans = NARU_SEC(1),
        .delay = NARU_SEC(5),
        .hold_down = NARU_SEC(1),
        .multicast_probes = 3,
        .unicast_probes = 3,
    };
}

enum naru_err naru_neigh_init(struct naru_neigh_table *t, const struct naru_neigh_config *config,
                              struct naru_mem *mem, struct naru_rand *rand)
{
    if (config->entries_max == 0 || config->incomplete_max == 0 || config->queue_max == 0 ||
        config->queue_total_max == 0 || config->multicast_probes == 0 ||
        config->unicast_probes == 0 || config->retrans <= 0 || config->reachable <= 0)
        return NARU_ERR_INVAL;
    memset(t, 0, sizeof(*t));
    t->config = *config;
    t->mem = mem;
    t->rand = rand;
    naru_siphash_key_init(&t->key, rand);
    naru_table_init(&t->table, mem, config->entries_max);
    naru_pool_init(&t->pool, mem, sizeof(struct naru_neigh), 64, config->entries_max);
    naru_list_init(&t->lru);
    naru_list_init(&t->half);
    naru_list_init(&t->due);
    naru_list_init(&t->events);
    naru_wheel_init(&t->wheel, 0, NULL);
    t->timers = (struct naru_neigh_timers){
        .base_reachable = config->reachable,
        .reachable = config->reachable,
        .retrans = config->retrans,
        .redraw_at = INT64_MIN,
    };
    return NARU_OK;
}

void naru_neigh_deinit(struct naru_neigh_table *t)
{
    struct naru_list_node *n;
    while ((n = naru_list_first(&t->lru)) != NULL)
        naru_neigh_release(t, NARU_CONTAINER_OF(n, struct naru_neigh, lru));
    naru_pktpool_put_chain(t->evicted);
    t->evicted = NULL;
    naru_table_deinit(&t->table);
    naru_pool_deinit(&t->pool);
    naru_mem_free(t->mem, t->iface, t->iface_count * sizeof(*t->iface));
    t->iface = NULL;
    t->iface_count = 0;
    t->free = NULL;
}

/* ---- Finding ---- */

static uint32_t hash_of(const struct naru_neigh_table *t, unsigned ifindex,
                        const struct naru_addr *addr)
{
    return naru_hash_addr(&t->key, addr, ifindex);
}

struct naru_neigh *naru_neigh_entry(const struct naru_neigh_table *t, unsigned ifindex,
                                    const struct naru_addr *addr)
{
    struct naru_table_iter it;
    uint32_t hash = hash_of(t, ifindex, addr);
    for (struct naru_neigh *e = naru_table_first(&t->table, hash, &it); e != NULL;
         e = naru_table_next(&it)) {
        if (e->ifindex == ifindex && naru_addr_eq(&e->addr, addr))
            return e;
    }
    return NULL;
}

const struct naru_neigh *naru_neigh_find(const struct naru_neigh_table *t, unsigned ifindex,
                                         const struct naru_addr *addr)
{
    return naru_neigh_entry(t, ifindex, addr);
}

const struct naru_neigh *naru_neigh_get(const struct naru_neigh_table *t, unsigned n)
{
    for (struct naru_list_node *at = naru_list_first(&t->lru); at != NULL;
         at = naru_list_next(&t->lru, at)) {
        if (n-- == 0)
            return NARU_CONTAINER_OF(at, struct naru_neigh, lru);
    }
    return NULL;
}

void naru_neigh_touch(struct naru_neigh_table *t, struct naru_neigh *e)
{
    if (naru_list_first(&t->lru) == &e->lru)
        return;
    naru_list_remove(&e->lru);
    naru_list_push_front(&t->lru, &e->lru);
}

/* ---- Making and giving up ---- */

struct naru_pkt *naru_neigh_take_queue(struct naru_neigh_table *t, struct naru_neigh *e)
{
    struct naru_pkt *head = e->queue_head;
    t->queued -= e->queued;
    e->queued = 0;
    e->queue_head = e->queue_tail = NULL;
    return head;
}

void naru_neigh_release(struct naru_neigh_table *t, struct naru_neigh *e)
{
    if (e->queue_head != NULL) {
        e->queue_tail->next = t->evicted;
        t->evicted = naru_neigh_take_queue(t, e);
    }
    naru_neigh_enter(t, e, NARU_NEIGH_FREE, 0);
    if (naru_list_linked(&e->event))
        naru_list_remove(&e->event);
    e->events = 0;
    e->gen++;
    naru_list_remove(&e->lru);
    bool found = naru_table_remove(&t->table, e->hash, e);
    NARU_ASSERT(found);
    t->count--;
    e->free_next = t->free;
    t->free = e;
}

void naru_neigh_evict_incomplete(struct naru_neigh_table *t)
{
    struct naru_list_node *n = naru_list_first(&t->half);
    if (n != NULL)
        naru_neigh_release(t, NARU_CONTAINER_OF(n, struct naru_neigh, half));
}

/* Frees one entry; false if there is none that may go. */
static bool evict(struct naru_neigh_table *t, bool wanted)
{
    struct naru_neigh *last = NULL;
    unsigned seen = 0;
    for (struct naru_list_node *n = t->lru.head.prev; n != &t->lru.head; n = n->prev) {
        struct naru_neigh *e = NARU_CONTAINER_OF(n, struct naru_neigh, lru);
        if (e->events == 0 && (e->state == NARU_NEIGH_STALE || e->state == NARU_NEIGH_FAILED)) {
            naru_neigh_release(t, e);
            return true;
        }
        if (last == NULL && e->state != NARU_NEIGH_PERMANENT && e->state != NARU_NEIGH_INCOMPLETE)
            last = e;
        if (++seen >= EVICT_SEARCH)
            break;
    }
    if (!wanted)
        return false;
    if (t->incomplete > 0) {
        naru_neigh_evict_incomplete(t);
        return true;
    }
    if (last == NULL)
        return false;
    naru_neigh_release(t, last);
    return true;
}

struct naru_neigh *naru_neigh_make(struct naru_neigh_table *t, unsigned ifindex,
                                   const struct naru_addr *addr, bool wanted)
{
    if (t->count >= t->config.entries_max && !evict(t, wanted))
        return NULL;
    struct naru_neigh *e = t->free;
    uint32_t gen = 0;
    if (e != NULL) {
        t->free = e->free_next;
        gen = e->gen;
    } else {
        e = naru_pool_get(&t->pool);
        if (e == NULL && evict(t, wanted)) { /* no memory for another: take over an old one */
            e = t->free;
            NARU_ASSERT(e != NULL);
            t->free = e->free_next;
            gen = e->gen;
        }
        if (e == NULL)
            return NULL;
    }
    memset(e, 0, sizeof(*e));
    e->gen = gen + 1;
    e->addr = *addr;
    e->ifindex = (uint16_t)ifindex;
    e->hash = hash_of(t, ifindex, addr);
    naru_timer_init(&e->timer, 0);
    if (!naru_table_add(&t->table, e->hash, e)) {
        e->free_next = t->free;
        t->free = e;
        return NULL;
    }
    t->count++;
    if (wanted)
        naru_list_push_front(&t->lru, &e->lru);
    else
        naru_list_push_back(&t->lru, &e->lru);
    return e;
}

enum naru_err naru_neigh_remove(struct naru_neigh_table *t, unsigned ifindex,
                                const struct naru_addr *addr)
{
    struct naru_neigh *e = naru_neigh_entry(t, ifindex, addr);
    if (e == NULL)
        return NARU_ERR_NOENT;
    naru_neigh_release(t, e);
    return NARU_OK;
}

void naru_neigh_remove_iface(struct naru_neigh_table *t, unsigned ifindex)
{
    struct naru_neigh *e;
    NARU_LIST_EACH(&t->lru, e, next, struct naru_neigh, lru)
    {
        if (e->ifindex == ifindex)
            naru_neigh_release(t, e);
    }
    for (uint32_t i = 0; i < t->iface_count; i++) {
        if (t->iface[i].ifindex ==
            ifindex) /* numbers are never used again: only the default stays */
            t->iface[i] = t->timers;
    }
}

/* ---- Waiting packets ---- */

static struct naru_pkt *pop(struct naru_neigh_table *t, struct naru_neigh *e)
{
    struct naru_pkt *pkt = e->queue_head;
    e->queue_head = pkt->next;
    if (e->queue_head == NULL)
        e->queue_tail = NULL;
    pkt->next = NULL;
    e->queued--;
    t->queued--;
    return pkt;
}

/* At least the latest packet waiting for ARP resolution is kept and sent afterwards (H-2.3.2.2-1,
 * V6-4861-7.2.2-3, V6-4861-7.2.2-4). */
struct naru_pkt *naru_neigh_queue(struct naru_neigh_table *t, unsigned ifindex,
                                  const struct naru_addr *addr, struct naru_pkt *pkt)
{
    struct naru_neigh *e = naru_neigh_entry(t, ifindex, addr);
    struct naru_pkt *dropped = NULL;
    if (e == NULL || e->state != NARU_NEIGH_INCOMPLETE)
        return pkt;
    if (e->queued >= t->config.queue_max || t->queued >= t->config.queue_total_max) {
        if (e->queue_head == NULL)
            return pkt;
        dropped = pop(t, e);
    }
    pkt->next = NULL;
    if (e->queue_tail == NULL)
        e->queue_head = pkt;
    else
        e->queue_tail->next = pkt;
    e->queue_tail = pkt;
    e->queued++;
    t->queued++;
    return dropped;
}
