/*
 * The forwarding table (proto/route.h), beside a linear search over the same routes.
 */
#include "proto_test.h"

#include "proto/route.h"

static struct naru_route route(const char *prefix, const char *gateway, unsigned ifindex,
                               uint32_t metric)
{
    struct naru_route r = { .ifindex = (uint16_t)ifindex, .metric = metric };
    unsigned len;
    if (!naru_addr_parse_prefix(prefix, &r.prefix, &len))
        fail_msg("not a prefix: %s", prefix);
    r.prefix_len = (uint8_t)len;
    if (gateway != NULL) {
        r.has_gateway = true;
        r.gateway = addr(gateway);
    }
    return r;
}

static enum naru_err add(struct naru_fib *fib, const char *prefix, const char *gateway,
                         unsigned ifindex, uint32_t metric)
{
    struct naru_route r = route(prefix, gateway, ifindex, metric);
    return naru_fib_add(fib, &r);
}

/* The interface of the route to dst, 0 if there is none. */
static unsigned way(const struct naru_fib *fib, const char *dst, unsigned ifindex)
{
    struct naru_addr a = addr(dst);
    const struct naru_fib_entry *e = naru_fib_lookup(fib, &a, ifindex);
    return e == NULL ? 0 : e->ifindex;
}

/* Subnet masks are supported; static routes (H-3.2.1.3-1, H-3.3.1.2-5). */
static void longest_prefix_wins(void **state)
{
    (void)state;
    struct world w;
    struct naru_fib fib;
    world_init(&w, 1);
    naru_fib_init(&fib, &w.mem, 100);
    assert_int_equal(way(&fib, "10.0.0.1", 0), 0);
    assert_int_equal(add(&fib, "127.0.0.0/8", NULL, 1, 0), NARU_OK);
    assert_int_equal(add(&fib, "10.1.2.0/24", NULL, 2, 0), NARU_OK);
    assert_int_equal(add(&fib, "0.0.0.0/0", "10.1.2.1", 0, 0), NARU_OK);
    assert_int_equal(add(&fib, "10.1.2.7/32", NULL, 3, 0), NARU_OK);
    assert_int_equal(add(&fib, "fd00::/64", NULL, 4, 0), NARU_OK);
    assert_int_equal(add(&fib, "::/0", "fd00::1", 0, 0), NARU_OK);
    assert_int_equal(add(&fib, "fd00::/16", NULL, 5, 0), NARU_OK);

    assert_int_equal(way(&fib, "10.1.2.3", 0), 2);
    assert_int_equal(way(&fib, "10.1.2.7", 0), 3);
    assert_int_equal(way(&fib, "127.3.2.1", 0), 1);
    assert_int_equal(way(&fib, "8.8.8.8", 0), 2); /* found from the gateway */
    assert_int_equal(way(&fib, "fd00::9", 0), 4);
    assert_int_equal(way(&fib, "fd00:1::9", 0), 5);
    assert_int_equal(way(&fib, "2001:db8::1", 0), 4);
    assert_int_equal(way(&fib, "10.1.2.7", 2), 2); /* bound: the longest through that interface */
    assert_int_equal(way(&fib, "8.8.8.8", 3), 0);
    naru_fib_deinit(&fib);
    world_deinit(&w);
}

static void families_do_not_mix(void **state)
{
    (void)state;
    struct world w;
    struct naru_fib fib;
    world_init(&w, 1);
    naru_fib_init(&fib, &w.mem, 100);
    assert_int_equal(add(&fib, "::/0", NULL, 6, 0), NARU_OK);
    assert_int_equal(way(&fib, "10.0.0.1", 0), 0);
    assert_int_equal(add(&fib, "0.0.0.0/0", NULL, 4, 0), NARU_OK);
    assert_int_equal(way(&fib, "10.0.0.1", 0), 4);
    assert_int_equal(way(&fib, "::1", 0), 6);
    struct naru_route r = route("10.0.0.0/8", NULL, 4, 0);
    r.has_gateway = true;
    r.gateway = addr("fd00::1");
    assert_int_equal(naru_fib_add(&fib, &r), NARU_ERR_INVAL);
    naru_fib_deinit(&fib);
    world_deinit(&w);
}

static void metric_decides_among_equals(void **state)
{
    (void)state;
    struct world w;
    struct naru_fib fib;
    world_init(&w, 1);
    naru_fib_init(&fib, &w.mem, 100);
    assert_int_equal(add(&fib, "0.0.0.0/0", NULL, 2, 20), NARU_OK);
    assert_int_equal(add(&fib, "0.0.0.0/0", NULL, 1, 10), NARU_OK);
    assert_int_equal(add(&fib, "0.0.0.0/0", NULL, 3, 30), NARU_OK);
    assert_int_equal(add(&fib, "0.0.0.0/0", NULL, 3, 30), NARU_ERR_EXIST);
    assert_int_equal(way(&fib, "1.2.3.4", 0), 1);
    assert_int_equal(way(&fib, "1.2.3.4", 3), 3);
    uint32_t generation = fib.generation;
    struct naru_route r = route("0.0.0.0/0", NULL, 1, 0);
    assert_int_equal(naru_fib_remove(&fib, &r), NARU_OK);
    assert_int_not_equal(fib.generation, generation);
    assert_int_equal(naru_fib_remove(&fib, &r), NARU_ERR_NOENT);
    assert_int_equal(way(&fib, "1.2.3.4", 0), 2);
    naru_fib_deinit(&fib);
    world_deinit(&w);
}

static void bad_routes_are_refused(void **state)
{
    (void)state;
    struct world w;
    struct naru_fib fib;
    world_init(&w, 1);
    naru_fib_init(&fib, &w.mem, 2);
    struct naru_route r = route("10.0.0.0/8", NULL, 1, 0);
    r.prefix_len = 33;
    assert_int_equal(naru_fib_add(&fib, &r), NARU_ERR_INVAL);
    assert_int_equal(add(&fib, "0.0.0.0/0", "10.0.0.1", 0, 0), NARU_ERR_NETUNREACH);
    assert_int_equal(add(&fib, "10.0.0.0/8", NULL, 0, 0), NARU_ERR_INVAL);
    assert_int_equal(add(&fib, "10.9.9.9/8", NULL, 1, 0), NARU_OK);
    assert_int_equal(add(&fib, "11.0.0.0/8", NULL, 1, 0), NARU_OK);
    assert_int_equal(add(&fib, "12.0.0.0/8", NULL, 1, 0), NARU_ERR_NOBUFS);
    assert_int_equal(naru_fib_get(&fib, 0, &r), NARU_OK);
    check_addr(&r.prefix, "10.0.0.0"); /* host bits are gone */
    assert_int_equal(r.prefix_len, 8);
    assert_int_equal(naru_fib_get(&fib, 2, &r), NARU_ERR_NOENT);
    assert_int_equal(naru_fib_remove_iface(&fib, 1), 2);
    assert_int_equal(way(&fib, "10.0.0.1", 0), 0);
    naru_fib_deinit(&fib);
    world_deinit(&w);
}

/* RFC 4861 6.3.6: reachable routers first, and round robin when none is (H-3.3.1.2-4, H-3.3.1.4-2,
 * H-3.3.1.5-1, V6-4861-6.3.6-1). */
static void dead_gateways_come_last(void **state)
{
    (void)state;
    struct world w;
    struct naru_fib fib;
    struct naru_addr a = addr("fe80::a"), b = addr("fe80::b"), c = addr("fe80::c");
    struct naru_addr dst = addr("2001:db8::1");
    world_init(&w, 1);
    naru_fib_init(&fib, &w.mem, 10);
    assert_int_equal(add(&fib, "::/0", "fe80::a", 2, 0), NARU_OK);
    assert_int_equal(add(&fib, "::/0", "fe80::b", 2, 0), NARU_OK);
    assert_int_equal(add(&fib, "::/0", "fe80::c", 2, 0), NARU_OK);
    check_addr(&naru_fib_lookup(&fib, &dst, 0)->gateway, "fe80::a");
    uint32_t generation = fib.generation;
    assert_true(naru_fib_set_gateway_dead(&fib, 2, &a, true));
    assert_int_not_equal(fib.generation, generation);
    check_addr(&naru_fib_lookup(&fib, &dst, 0)->gateway, "fe80::b");
    assert_true(naru_fib_set_gateway_dead(&fib, 2, &b, true));
    assert_true(naru_fib_set_gateway_dead(&fib, 2, &c, true));
    check_addr(&naru_fib_lookup(&fib, &dst, 0)->gateway, "fe80::a"); /* dead for the longest */
    assert_true(naru_fib_set_gateway_dead(&fib, 2, &a, true));
    check_addr(&naru_fib_lookup(&fib, &dst, 0)->gateway, "fe80::b");
    assert_true(naru_fib_set_gateway_dead(&fib, 2, &c, false));
    check_addr(&naru_fib_lookup(&fib, &dst, 0)->gateway, "fe80::c");
    assert_false(naru_fib_set_gateway_dead(&fib, 2, &c, false));
    assert_false(naru_fib_set_gateway_dead(&fib, 3, &c, true));
    naru_fib_deinit(&fib);
    world_deinit(&w);
}

/* ---- Twin: every route, one after the other ---- */

enum { TWIN_MAX = 200 };

struct twin {
    struct naru_route route[TWIN_MAX];
    unsigned count;
};

static const struct naru_route *twin_lookup(const struct twin *t, const struct naru_addr *dst,
                                            unsigned ifindex)
{
    const struct naru_route *best = NULL;
    for (unsigned i = 0; i < t->count; i++) {
        const struct naru_route *r = &t->route[i];
        if ((ifindex != 0 && r->ifindex != ifindex) ||
            !naru_addr_in_prefix(dst, &r->prefix, r->prefix_len))
            continue;
        if (best == NULL || r->prefix_len > best->prefix_len ||
            (r->prefix_len == best->prefix_len && r->metric < best->metric))
            best = r;
    }
    return best;
}

/* Addresses that share prefixes often. */
static struct naru_addr random_addr(struct naru_rand *rand)
{
    static const uint8_t bytes[] = { 0, 1, 0x80, 0xff };
    struct naru_addr a = { { 0 } };
    bool v4 = naru_rand_below(rand, 2) == 0;
    for (unsigned i = v4 ? 12 : 0; i < 16; i++)
        a.b[i] = bytes[naru_rand_below(rand, 4)];
    if (v4)
        a.b[10] = a.b[11] = 0xff;
    return a;
}

static void twin_run(uint64_t seed)
{
    struct world w;
    struct naru_fib fib;
    struct twin t = { .count = 0 };
    world_init(&w, seed);
    naru_fib_init(&fib, &w.mem, TWIN_MAX);
    for (unsigned step = 0; step < 3000; step++) {
        unsigned what = naru_rand_below(&w.rand, 10);
        if (what < 2 && t.count < TWIN_MAX) {
            struct naru_addr a = random_addr(&w.rand);
            unsigned len = naru_rand_below(&w.rand, naru_addr_bits(&a) + 1);
            struct naru_route r = {
                .prefix = naru_addr_network(&a, len),
                .prefix_len = (uint8_t)len,
                .ifindex = (uint16_t)(1 + naru_rand_below(&w.rand, 4)),
                .metric = step + 1, /* no two are equal, so that the answer is one */
            };
            SEED_CHECK(seed, naru_fib_add(&fib, &r) == NARU_OK);
            t.route[t.count++] = r;
        } else if (what == 2 && t.count > 0) {
            unsigned n = naru_rand_below(&w.rand, t.count);
            SEED_CHECK(seed, naru_fib_remove(&fib, &t.route[n]) == NARU_OK);
            t.route[n] = t.route[--t.count];
        } else {
            struct naru_addr dst = random_addr(&w.rand);
            unsigned ifindex = naru_rand_below(&w.rand, 5);
            const struct naru_fib_entry *e = naru_fib_lookup(&fib, &dst, ifindex);
            const struct naru_route *r = twin_lookup(&t, &dst, ifindex);
            SEED_CHECK(seed, (e == NULL) == (r == NULL));
            SEED_CHECK(seed, e == NULL || (e->metric == r->metric && e->ifindex == r->ifindex));
        }
    }
    naru_fib_deinit(&fib);
    world_deinit(&w);
}

static void like_a_linear_search(void **state)
{
    (void)state;
    for_each_seed(20, twin_run);
}

static void without_memory(struct world *w)
{
    struct naru_fib fib;
    unsigned added = 0;
    naru_fib_init(&fib, &w->mem, 1000);
    for (unsigned i = 0; i < 40; i++) {
        struct naru_route r = route("10.0.0.0/24", NULL, 1, 0);
        r.prefix.b[14] = (uint8_t)i;
        enum naru_err err = naru_fib_add(&fib, &r);
        assert_true(err == NARU_OK || err == NARU_ERR_NOMEM);
        added += err == NARU_OK;
        assert_int_equal(fib.count, added);
    }
    naru_fib_deinit(&fib);
}

static void every_allocation_fails(void **state)
{
    (void)state;
    each_allocation_fails(without_memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(longest_prefix_wins),         cmocka_unit_test(families_do_not_mix),
        cmocka_unit_test(metric_decides_among_equals), cmocka_unit_test(bad_routes_are_refused),
        cmocka_unit_test(dead_gateways_come_last),     cmocka_unit_test(like_a_linear_search),
        cmocka_unit_test(every_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
