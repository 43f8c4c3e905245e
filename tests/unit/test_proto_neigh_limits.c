/*
 * The neighbour machine (proto/neigh.h) under pressure: full tables, scans, anything in any order.
 */
#include "neigh_lab.h"

static void scan(struct lab *l, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct naru_addr a = naru_addr_v4(0x0a010000 + i);
        assert_int_equal(naru_neigh_lookup(&l->t, IF, &a, NULL, l->now, &l->ref), NARU_NEIGH_WAIT);
    }
}

/* RFC 6583: whoever scans the link does not push out those who are talked to. */
static void a_scan_is_survived(void **state)
{
    (void)state;
    struct lab l;
    struct naru_neigh_event e;
    lab_begin(&l);
    l.config.entries_max = 64;
    l.config.incomplete_max = 16;
    lab_init(&l);
    reachable(&l, "10.0.0.2", mac_a);
    struct naru_neigh_ref ref = l.ref;
    look(&l, "10.0.0.3");
    queue(&l, "10.0.0.3", 7);
    scan(&l, 1000);
    assert_int_equal(l.t.incomplete, 16);
    assert_true(naru_neigh_ref_good(&ref));
    assert_int_equal(event(&l, &e), NARU_NEIGH_EVICTED);
    assert_int_equal(e.pkt->seq, 7);
    naru_pktpool_put_chain(e.pkt);
    look(&l, "10.0.0.4"); /* and can be resolved all the while */
    scan(&l, 15);
    assert_true(advert(&l, "10.0.0.4", mac_b, "SO"));
    pass(&l, 10000);
    while (event(&l, &e) >= 0) {
    }
    pass(&l, 10000);
    assert_int_equal(l.t.incomplete, 0);
    lab_deinit(&l);
}

static void unasked_entries_go_first(void **state)
{
    (void)state;
    struct lab l;
    struct naru_addr who;
    lab_begin(&l);
    l.config.entries_max = 8;
    lab_init(&l);
    for (unsigned i = 0; i < 4; i++) {
        who = naru_addr_v4(0x0a000001 + i);
        assert_int_equal(naru_neigh_set_permanent(&l.t, IF, &who, mac_a, l.now), NARU_OK);
    }
    reachable(&l, "10.0.0.9", mac_a);
    for (unsigned i = 0; i < 100; i++) { /* strangers solicit us */
        who = naru_addr_v4(0x0a020000 + i);
        assert_true(naru_neigh_learn(&l.t, IF, &who, mac_b, NARU_NEIGH_FROM_SOLICITATION, l.now));
    }
    assert_int_equal(l.t.count, 8);
    assert_int_equal(state_of(&l, "10.0.0.1"), NARU_NEIGH_PERMANENT);
    assert_int_equal(state_of(&l, "10.0.0.9"), NARU_NEIGH_REACHABLE);
    for (unsigned i = 0; i < 4; i++) {
        who = naru_addr_v4(0x0a000005 + i);
        naru_neigh_set_permanent(&l.t, IF, &who, mac_a, l.now);
    }
    assert_int_equal(look(&l, "10.0.0.77"), NARU_NEIGH_NO_ROOM);
    who = addr("10.0.0.77");
    assert_int_equal(naru_neigh_set_permanent(&l.t, IF, &who, mac_a, l.now), NARU_ERR_NOBUFS);
    naru_neigh_remove_iface(&l.t, IF);
    assert_int_equal(l.t.count, 0);
    lab_deinit(&l);
}

static void limits_of_zero_are_refused(void **state)
{
    (void)state;
    struct lab l;
    lab_begin(&l);
    l.config.queue_max = 0;
    assert_int_equal(naru_neigh_init(&l.t, &l.config, &l.w.mem, &l.w.rand), NARU_ERR_INVAL);
    world_deinit(&l.w);
}

/* ---- Anything in any order: the counts stay right and every packet comes back ---- */

static void check_counts(uint64_t seed, struct lab *l)
{
    unsigned count = 0, incomplete = 0, queued = 0;
    const struct naru_neigh *e;
    for (unsigned n = 0; (e = naru_neigh_get(&l->t, n)) != NULL; n++) {
        count++;
        incomplete += e->state == NARU_NEIGH_INCOMPLETE;
        queued += e->queued;
        SEED_CHECK(seed, e->state != NARU_NEIGH_FREE);
        bool timer = e->state != NARU_NEIGH_STALE && e->state != NARU_NEIGH_PERMANENT;
        SEED_CHECK(seed, naru_timer_armed(&e->timer) == timer ||
                             (e->state == NARU_NEIGH_FAILED && e->events != 0));
    }
    SEED_CHECK(seed, count == l->t.count && count <= l->config.entries_max);
    SEED_CHECK(seed, incomplete == l->t.incomplete && incomplete <= l->config.incomplete_max);
    SEED_CHECK(seed, queued == l->t.queued && queued <= l->config.queue_total_max);
    SEED_CHECK(seed, naru_wheel_check(&l->t.wheel) && naru_table_check(&l->t.table));
}

static void random_step(struct lab *l, struct naru_rand *rand)
{
    struct naru_addr a = naru_addr_v4(0x0a000000 + naru_rand_below(rand, 24));
    if (naru_rand_below(rand, 2) == 0)
        a = (struct naru_addr){ { 0xfe, 0x80, [15] = a.b[15] } };
    const uint8_t *mac = naru_rand_below(rand, 3) == 0 ? mac_a : mac_b;
    struct naru_neigh_advert adv = {
        .mac = naru_rand_below(rand, 8) == 0 ? NULL : mac,
        .router = naru_rand_below(rand, 2) != 0,
        .solicited = naru_rand_below(rand, 2) != 0,
        .override = naru_rand_below(rand, 2) != 0,
    };
    switch (naru_rand_below(rand, 10)) {
    case 0:
    case 1:
    case 2:
        if (naru_neigh_lookup(&l->t, IF, &a, NULL, l->now, &l->ref) == NARU_NEIGH_WAIT)
            naru_pkt_free(naru_neigh_queue(&l->t, IF, &a, packet(l, 0)));
        break;
    case 3:
        naru_neigh_advertised(&l->t, IF, &a, &adv, l->now);
        break;
    case 4:
        naru_neigh_learn(&l->t, IF, &a, adv.mac, (enum naru_neigh_from)naru_rand_below(rand, 6),
                         l->now);
        break;
    case 5:
        naru_neigh_confirm(&l->t, &l->ref, l->now);
        break;
    case 6:
        if (naru_rand_below(rand, 10) == 0)
            naru_neigh_remove(&l->t, IF, &a);
        break;
    case 7:
        probe(l);
        break;
    default:
        l->now += NARU_MS(naru_rand_below(rand, 4000));
        naru_neigh_tick(&l->t, l->now);
        break;
    }
}

static void random_run(uint64_t seed)
{
    struct lab l;
    struct naru_neigh_event e;
    lab_begin(&l);
    l.config.entries_max = 16;
    l.config.incomplete_max = 6;
    l.config.queue_max = 3;
    l.config.queue_total_max = 8;
    lab_init(&l);
    struct naru_rand rand;
    naru_rand_init_u64(&rand, seed);
    for (unsigned step = 0; step < 3000; step++) {
        random_step(&l, &rand);
        if (naru_rand_below(&rand, 4) == 0 && event(&l, &e) >= 0)
            naru_pktpool_put_chain(e.pkt);
        check_counts(seed, &l);
    }
    lab_deinit(&l);
}

static void anything_in_any_order(void **state)
{
    (void)state;
    for_each_seed(10, random_run);
}

static void without_memory(struct world *w)
{
    struct naru_neigh_config config;
    struct naru_neigh_table t;
    struct naru_neigh_ref ref;
    naru_neigh_config_init(&config);
    assert_int_equal(naru_neigh_init(&t, &config, &w->mem, &w->rand), NARU_OK);
    for (unsigned i = 0; i < 50; i++) {
        struct naru_addr a = naru_addr_v4(0x0a000000 + i);
        enum naru_neigh_verdict v = naru_neigh_lookup(&t, IF, &a, NULL, 0, &ref);
        assert_true(v == NARU_NEIGH_WAIT || v == NARU_NEIGH_NO_ROOM);
        naru_neigh_set_timers(&t, i, 0, NARU_SEC(1), 0);
    }
    naru_neigh_deinit(&t);
}

static void every_allocation_fails(void **state)
{
    (void)state;
    each_allocation_fails(without_memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scan_is_survived),         cmocka_unit_test(unasked_entries_go_first),
        cmocka_unit_test(limits_of_zero_are_refused), cmocka_unit_test(anything_in_any_order),
        cmocka_unit_test(every_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
