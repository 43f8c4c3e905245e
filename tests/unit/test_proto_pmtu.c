/*
 * Path MTU by destination (proto/pmtu.h).
 */
#include "proto_test.h"

#include "proto/pmtu.h"

struct lab {
    struct world w;
    struct naru_pmtu p;
    naru_time now;
};

static void lab_init(struct lab *l, uint32_t max)
{
    world_init(&l->w, 1);
    naru_pmtu_init(&l->p, &l->w.mem, &l->w.rand, max);
    l->now = NARU_SEC(10);
}

static void lab_deinit(struct lab *l)
{
    naru_pmtu_deinit(&l->p);
    world_deinit(&l->w);
}

static bool too_big(struct lab *l, const char *who, uint32_t mtu, uint32_t sent)
{
    struct naru_addr a = addr(who);
    return naru_pmtu_too_big(&l->p, &a, mtu, sent, 1500, l->now);
}

static uint32_t mtu_of(struct lab *l, const char *who)
{
    struct naru_addr a = addr(who);
    return naru_pmtu_find(&l->p, &a, l->now);
}

/* Packet Too Big never raises and never lowers below 1280; probing up not before 5 minutes (10
 * recommended; V6-8201-4-1). */
static void only_downwards(void **state)
{
    (void)state;
    struct lab l;
    lab_init(&l, 10);
    assert_int_equal(mtu_of(&l, "10.0.0.1"), 0);
    assert_false(too_big(&l, "10.0.0.1", 1500, 1500)); /* what we send fits that */
    assert_false(too_big(&l, "10.0.0.1", 9000, 1500));
    assert_int_equal(mtu_of(&l, "10.0.0.1"), 0);
    uint32_t generation = l.p.generation;
    assert_true(too_big(&l, "10.0.0.1", 1400, 1500));
    assert_int_not_equal(l.p.generation, generation);
    assert_int_equal(mtu_of(&l, "10.0.0.1"), 1400);
    assert_false(too_big(&l, "10.0.0.1", 1450, 1500));
    assert_false(too_big(&l, "10.0.0.1", 1400, 1500));
    assert_true(too_big(&l, "10.0.0.1", 1300, 1400));
    assert_int_equal(mtu_of(&l, "10.0.0.1"), 1300);
    assert_int_equal(mtu_of(&l, "10.0.0.2"), 0);
    lab_deinit(&l);
}

/* Forged messages cannot make us send crumbs (RFC 5927 7.2, RFC 8201 4; V6-8201-4-1,
 * B-pmtu-honoured). */
static void never_below_the_minimum(void **state)
{
    (void)state;
    struct lab l;
    lab_init(&l, 10);
    assert_true(too_big(&l, "10.0.0.1", 68, 1500));
    assert_int_equal(mtu_of(&l, "10.0.0.1"), 552);
    assert_true(too_big(&l, "fd00::1", 1000, 1500));
    assert_int_equal(mtu_of(&l, "fd00::1"), 1280);
    assert_false(too_big(&l, "fd00::1", 1279, 1280));
    lab_deinit(&l);
}

/* RFC 1191 7.1: routers that do not say. */
static void plateaus(void **state)
{
    (void)state;
    static const struct {
        uint32_t sent, mtu;
    } t[] = { { 1500, 1492 }, { 0, 1492 }, { 1492, 1006 }, { 1006, 552 }, { 9000, 1492 } };
    for (size_t i = 0; i < NARU_ARRAY_LEN(t); i++) {
        struct lab l;
        lab_init(&l, 10);
        assert_true(too_big(&l, "10.0.0.1", 0, t[i].sent));
        assert_int_equal(mtu_of(&l, "10.0.0.1"), t[i].mtu);
        lab_deinit(&l);
    }
}

/* Ten minutes, then larger packets are tried again (V6-8201-4-1). */
static void age_ends_entries(void **state)
{
    (void)state;
    struct lab l;
    lab_init(&l, 10);
    assert_int_equal(naru_pmtu_deadline(&l.p), NARU_NEVER);
    too_big(&l, "10.0.0.1", 1400, 1500);
    l.now += NARU_SEC(300);
    too_big(&l, "10.0.0.2", 1400, 1500);
    too_big(&l, "10.0.0.1", 1400, 1500); /* still true: lives on */
    assert_int_equal(naru_pmtu_deadline(&l.p), l.now + NARU_SEC(600));
    l.now += NARU_SEC(600) - 1;
    naru_pmtu_tick(&l.p, l.now);
    assert_int_equal(mtu_of(&l, "10.0.0.2"), 1400);
    l.now += 1;
    assert_int_equal(mtu_of(&l, "10.0.0.2"), 0); /* also before anybody ticks */
    uint32_t generation = l.p.generation;
    naru_pmtu_tick(&l.p, l.now);
    assert_int_not_equal(l.p.generation, generation);
    assert_int_equal(naru_pmtu_deadline(&l.p), NARU_NEVER);
    assert_int_equal(naru_table_count(&l.p.table), 0);
    lab_deinit(&l);
}

static void the_oldest_makes_room(void **state)
{
    (void)state;
    struct lab l;
    lab_init(&l, 3);
    too_big(&l, "10.0.0.1", 1400, 1500);
    too_big(&l, "10.0.0.2", 1400, 1500);
    too_big(&l, "10.0.0.3", 1400, 1500);
    too_big(&l, "10.0.0.1", 1300, 1500);
    too_big(&l, "10.0.0.4", 1400, 1500);
    assert_int_equal(mtu_of(&l, "10.0.0.2"), 0);
    assert_int_equal(mtu_of(&l, "10.0.0.1"), 1300);
    assert_int_equal(mtu_of(&l, "10.0.0.4"), 1400);
    lab_deinit(&l);
}

static void without_memory(struct world *w)
{
    struct naru_pmtu p;
    naru_pmtu_init(&p, &w->mem, &w->rand, 100);
    for (unsigned i = 0; i < 50; i++) {
        struct naru_addr a = naru_addr_v4(0x0a000000 + i);
        bool smaller = naru_pmtu_too_big(&p, &a, 1400, 1500, 1500, 0);
        assert_int_equal(naru_pmtu_find(&p, &a, 0), smaller ? 1400 : 0);
    }
    naru_pmtu_deinit(&p);
}

static void every_allocation_fails(void **state)
{
    (void)state;
    each_allocation_fails(without_memory);
}

static void probed(struct lab *l, const char *who, uint32_t mtu)
{
    struct naru_addr a = addr(who);
    naru_pmtu_probed(&l->p, &a, mtu, 1500, l->now);
}

/* What was found out by sending goes up and down, and ages like the rest. */
static void found_by_probing(void **state)
{
    (void)state;
    struct lab l;
    lab_init(&l, 10);
    probed(&l, "10.0.0.1", 1064);
    assert_int_equal(mtu_of(&l, "10.0.0.1"), 1064);
    uint32_t generation = l.p.generation;
    probed(&l, "10.0.0.1", 1064);
    assert_int_equal(l.p.generation, generation);
    probed(&l, "10.0.0.1", 1400);
    assert_int_equal(mtu_of(&l, "10.0.0.1"), 1400);
    assert_int_not_equal(l.p.generation, generation);
    probed(&l, "10.0.0.1", 1500); /* all that the link has */
    assert_int_equal(mtu_of(&l, "10.0.0.1"), 0);
    probed(&l, "fd00::1", 1084); /* IPv6 has 1280 everywhere */
    assert_int_equal(mtu_of(&l, "fd00::1"), 0);
    probed(&l, "fd00::1", 1300);
    assert_int_equal(mtu_of(&l, "fd00::1"), 1300);
    l.now += NARU_PMTU_AGE;
    assert_int_equal(mtu_of(&l, "fd00::1"), 0);
    lab_deinit(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_downwards),
        cmocka_unit_test(never_below_the_minimum),
        cmocka_unit_test(plateaus),
        cmocka_unit_test(age_ends_entries),
        cmocka_unit_test(the_oldest_makes_room),
        cmocka_unit_test(every_allocation_fails),
        cmocka_unit_test(found_by_probing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
