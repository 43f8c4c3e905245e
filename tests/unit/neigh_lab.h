/*
 * A neighbour table in virtual time, for the tests of proto/neigh.h.
 */
#ifndef NARU_TESTS_NEIGH_LAB_H
#define NARU_TESTS_NEIGH_LAB_H

#include "proto_test.h"

#include "proto/neigh.h"

enum { IF = 2 };

struct lab {
    struct world w;
    struct naru_neigh_config config;
    struct naru_neigh_table t;
    naru_time now;
    struct naru_neigh_ref ref;
};

static const uint8_t mac_a[6] = { 2, 0, 0, 0, 0, 0xa }, mac_b[6] = { 2, 0, 0, 0, 0, 0xb };

static inline void lab_begin(struct lab *l)
{
    memset(l, 0, sizeof(*l));
    world_init(&l->w, 1);
    naru_neigh_config_init(&l->config);
}

static inline void lab_init(struct lab *l)
{
    l->now = NARU_SEC(1000);
    assert_int_equal(naru_neigh_init(&l->t, &l->config, &l->w.mem, &l->w.rand), NARU_OK);
}

static inline void lab_deinit(struct lab *l)
{
    naru_neigh_deinit(&l->t);
    world_deinit(&l->w);
}

static inline enum naru_neigh_verdict look(struct lab *l, const char *who)
{
    struct naru_addr a = addr(who);
    return naru_neigh_lookup(&l->t, IF, &a, NULL, l->now, &l->ref);
}

static inline enum naru_neigh_state state_of(struct lab *l, const char *who)
{
    struct naru_addr a = addr(who);
    const struct naru_neigh *e = naru_neigh_find(&l->t, IF, &a);
    return e == NULL ? NARU_NEIGH_FREE : (enum naru_neigh_state)e->state;
}

/* Goes on by ms, tick by tick. */
static inline void pass(struct lab *l, int64_t ms)
{
    naru_time end = l->now + NARU_MS(ms);
    naru_time at;
    while ((at = naru_neigh_deadline(&l->t)) <= end) {
        l->now = at > l->now ? at : l->now;
        naru_neigh_tick(&l->t, l->now);
    }
    l->now = end;
}

/* The probe that is due: 'm'ulticast, 'u'nicast or '-' none. */
static inline char probe(struct lab *l)
{
    struct naru_neigh_probe p;
    if (!naru_neigh_next_probe(&l->t, IF, &p))
        return '-';
    assert_int_equal(p.ifindex, IF);
    return p.unicast ? 'u' : 'm';
}

static inline int event(struct lab *l, struct naru_neigh_event *e)
{
    memset(e, 0, sizeof(*e));
    return naru_neigh_next_event(&l->t, e) ? (int)e->kind : -1;
}

static inline bool learn(struct lab *l, const char *who, const uint8_t *mac,
                         enum naru_neigh_from from)
{
    struct naru_addr a = addr(who);
    return naru_neigh_learn(&l->t, IF, &a, mac, from, l->now);
}

/* flags: of "RSO". */
static inline bool advert(struct lab *l, const char *who, const uint8_t *mac, const char *flags)
{
    struct naru_addr a = addr(who);
    struct naru_neigh_advert advert = {
        .mac = mac,
        .router = strchr(flags, 'R') != NULL,
        .solicited = strchr(flags, 'S') != NULL,
        .override = strchr(flags, 'O') != NULL,
    };
    return naru_neigh_advertised(&l->t, IF, &a, &advert, l->now);
}

static inline void reachable(struct lab *l, const char *who, const uint8_t *mac)
{
    struct naru_neigh_event e;
    assert_int_equal(look(l, who), NARU_NEIGH_WAIT);
    assert_int_equal(probe(l), 'm');
    assert_true(advert(l, who, mac, "SO"));
    assert_int_equal(event(l, &e), NARU_NEIGH_RESOLVED);
    assert_int_equal(look(l, who), NARU_NEIGH_READY);
    assert_int_equal(state_of(l, who), NARU_NEIGH_REACHABLE);
}

static inline struct naru_pkt *packet(struct lab *l, uint32_t mark)
{
    struct naru_pkt *pkt = naru_pktpool_get(&l->w.packets, 0, 100);
    pkt->seq = mark;
    return pkt;
}

static inline struct naru_pkt *queue(struct lab *l, const char *who, uint32_t mark)
{
    struct naru_addr a = addr(who);
    return naru_neigh_queue(&l->t, IF, &a, packet(l, mark));
}

#endif
