/*
 * IPv6 autoconfiguration (proto/autoconf.h) under anything in any order, and without memory.
 */
#include "autoconf_lab.h"

/* ---- Anything in any order: what is told fits what was told before ---- */

struct told_addr {
    struct naru_addr addr;
    bool there, usable;
};

static struct told_addr *told_of(struct told_addr *list, const struct naru_addr *a)
{
    unsigned n = 0;
    while (!naru_addr_is_zero(&list[n].addr) && !naru_addr_eq(&list[n].addr, a))
        n++;
    assert_true(n < 63);
    list[n].addr = *a;
    return &list[n];
}

static void check_change(uint64_t seed, struct told_addr *list,
                         const struct naru_autoconf_change *c)
{
    if (c->kind > NARU_AUTOCONF_ROUTER_REMOVED)
        return;
    struct told_addr *t = told_of(list, &c->addr);
    switch ((int)c->kind) {
    case NARU_AUTOCONF_ADDR_TENTATIVE:
        t->there = true;
        t->usable = false;
        break;
    case NARU_AUTOCONF_ADDR_PREFERRED:
        SEED_CHECK(seed, t->there);
        t->usable = true;
        break;
    case NARU_AUTOCONF_ADDR_DEPRECATED:
    case NARU_AUTOCONF_ADDR_DUPLICATE:
        SEED_CHECK(seed, t->there);
        break;
    case NARU_AUTOCONF_PREFIX_ADDED:
    case NARU_AUTOCONF_ROUTER_ADDED:
        SEED_CHECK(seed, !t->there);
        t->there = true;
        break;
    case NARU_AUTOCONF_ADDR_REMOVED: /* perhaps of one that was never told of */
        t->there = false;
        break;
    default:
        SEED_CHECK(seed, t->there);
        t->there = false;
        break;
    }
}

static void random_fact(struct lab *l, struct naru_rand *rand)
{
    char text[40];
    struct naru_addr a = addr("2001:db8::200:5eff:fe00:5301");
    a.b[7] = (uint8_t)naru_rand_below(rand, 4);
    uint32_t valid = naru_rand_below(rand, 3) * 5000;
    switch (naru_rand_below(rand, 5)) {
    case 0:
        ra(l, (uint16_t)(naru_rand_below(rand, 3) * 100));
        break;
    case 1:
        snprintf(text, sizeof(text), "2001:db8:0:%u::/64", a.b[7]);
        prefix(l, text, naru_rand_below(rand, 2) == 0 ? "LA" : "A", valid,
               valid / (1 + naru_rand_below(rand, 3)));
        break;
    case 2:
        naru_autoconf_advertised(&l->ac, IF, &a);
        break;
    case 3:
        naru_autoconf_solicited(&l->ac, IF, &a, naru_rand_below(rand, 2) == 0, NULL);
        break;
    default:
        a = addr(ROUTER);
        naru_autoconf_not_router(&l->ac, IF, &a);
        break;
    }
}

static void random_run(uint64_t seed)
{
    struct lab l;
    struct naru_rand rand;
    struct told_addr list[64];
    memset(list, 0, sizeof(list));
    lab_init(&l);
    naru_rand_init_u64(&rand, seed);
    l.config.solicit = l.config.slaac = l.config.link_local = true;
    l.config.opaque = seed % 2 == 0;
    lab_add(&l);
    for (unsigned step = 0; step < 3000; step++) {
        struct naru_autoconf_change c;
        struct naru_autoconf_send s;
        switch (naru_rand_below(&rand, 4)) {
        case 0:
            random_fact(&l, &rand);
            break;
        case 1:
            pass_s(&l, naru_rand_below(&rand, 8) == 0 ? naru_rand_below(&rand, 9000)
                                                      : naru_rand_below(&rand, 3));
            break;
        case 2:
            while (naru_autoconf_next_send(&l.ac, IF, l.now, &s)) {
            }
            break;
        default:
            if (naru_autoconf_next_change(&l.ac, &c))
                check_change(seed, list, &c);
            break;
        }
    }
    lab_deinit(&l);
}

static void anything_in_any_order(void **state)
{
    (void)state;
    for_each_seed(20, random_run);
}

static void without_memory(struct world *w)
{
    struct naru_autoconf ac;
    struct naru_autoconf_iface_config config = { .mtu = 1500, .link_local = true };
    naru_autoconf_init(&ac, &w->mem, &w->rand);
    for (unsigned i = 1; i < 4; i++) {
        enum naru_err err = naru_autoconf_iface_add(&ac, i, &config, 0);
        assert_true(err == NARU_OK || err == NARU_ERR_NOMEM);
        assert_int_equal(naru_autoconf_iface_add(&ac, i, &config, 0),
                         err == NARU_OK ? NARU_ERR_EXIST : NARU_OK);
    }
    naru_autoconf_deinit(&ac);
}

static void every_allocation_fails(void **state)
{
    (void)state;
    each_allocation_fails(without_memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(anything_in_any_order),
        cmocka_unit_test(every_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
