/*
 * The flat hash table (base/table.h): against a plain array, and its promises about growth.
 */
#include "base_test.h"

#include "base/table.h"

struct entry {
    uint32_t key, hash;
    bool in;
};

static struct entry *find(const struct naru_table *t, uint32_t hash, uint32_t key)
{
    struct naru_table_iter it;
    for (struct entry *e = naru_table_first(t, hash, &it); e != NULL; e = naru_table_next(&it)) {
        if (e->key == key)
            return e;
    }
    return NULL;
}

static void empty_table_has_nothing(void **state)
{
    (void)state;
    struct test_alloc a;
    struct naru_mem m;
    struct naru_table t;
    struct naru_table_iter it;
    uint64_t cursor = 0;

    test_mem_init(&m, &a, 1000000);
    naru_table_init(&t, &m, 0);
    assert_null(naru_table_first(&t, 1, &it));
    assert_false(naru_table_remove(&t, 1, &t));
    assert_false(naru_table_replace(&t, 1, &t, &a));
    assert_null(naru_table_walk(&t, &cursor));
    naru_table_prefetch(&t, 1);
    assert_int_equal(m.used, 0);
    naru_table_deinit(&t);
}

static void equal_hashes_and_pointers_live_together(void **state)
{
    (void)state;
    struct test_alloc a;
    struct naru_mem m;
    struct naru_table t;
    struct naru_table_iter it;
    static char items[200];
    unsigned found = 0;

    test_mem_init(&m, &a, 1000000);
    naru_table_init(&t, &m, 0);
    for (unsigned i = 0; i < 200; i++)
        assert_true(naru_table_add(&t, 0xffffffff, &items[i])); /* one home, the last slot */
    for (char *c = naru_table_first(&t, 0xffffffff, &it); c != NULL; c = naru_table_next(&it))
        found++;
    assert_int_equal(found, 200);
    assert_null(naru_table_first(&t, 0x7fffffff, &it));
    assert_true(naru_table_check(&t));
    assert_true(naru_table_replace(&t, 0xffffffff, &items[7], &a));
    assert_false(naru_table_remove(&t, 0xffffffff, &items[7]));
    assert_true(naru_table_remove(&t, 0xffffffff, &a));
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(naru_table_remove(&t, 0xffffffff, &items[i]), i != 7);
    assert_int_equal(naru_table_count(&t), 0);
    naru_table_deinit(&t);
    assert_int_equal(m.used, 0);
}

static void limits_are_kept(void **state)
{
    (void)state;
    struct test_alloc a;
    struct naru_mem m;
    struct naru_table t;
    static char items[1000];
    unsigned n = 0;

    test_mem_init(&m, &a, 1000000);
    naru_table_init(&t, &m, 5);
    for (unsigned i = 0; i < 5; i++)
        assert_true(naru_table_add(&t, i, &items[i]));
    assert_false(naru_table_add(&t, 5, &items[5]));
    assert_true(naru_table_remove(&t, 0, &items[0]));
    assert_true(naru_table_add(&t, 5, &items[5]));
    naru_table_deinit(&t);

    /* Without memory for more slots it fills up further, then refuses, and goes on working. */
    test_mem_init(&m, &a, 16 * (64 + 128) - 1);
    naru_table_init(&t, &m, 0);
    while (n < 1000 && naru_table_add(&t, n * 0x9e3779b1U, &items[n]))
        n++;
    assert_int_equal(n, 56);
    assert_true(naru_table_check(&t));
    for (unsigned i = 0; i < n; i++)
        assert_true(naru_table_remove(&t, i * 0x9e3779b1U, &items[i]));
    naru_table_deinit(&t);
    assert_int_equal(m.used, 0);
}

#define ENTRIES 3000

struct twin {
    uint64_t seed;
    struct naru_rand rand;
    struct naru_table t;
    struct naru_mem m;
    struct test_alloc a;
    struct entry e[ENTRIES];
    uint32_t count;
};

static void twin_check(struct twin *w)
{
    uint64_t cursor = 0;
    uint32_t walked = 0;
    const struct entry *e;

    SEED_CHECK(w->seed, naru_table_check(&w->t));
    SEED_CHECK(w->seed, naru_table_count(&w->t) == w->count);
    for (uint32_t i = 0; i < ENTRIES; i++) {
        const struct entry *got = find(&w->t, w->e[i].hash, w->e[i].key);
        SEED_CHECK(w->seed, got == (w->e[i].in ? &w->e[i] : NULL));
    }
    while ((e = naru_table_walk(&w->t, &cursor)) != NULL) {
        SEED_CHECK(w->seed, e->in);
        walked++;
    }
    SEED_CHECK(w->seed, walked == w->count);
}

static void twin_step(struct twin *w, uint32_t wanted)
{
    struct entry *e = &w->e[naru_rand_below(&w->rand, ENTRIES)];

    /* Leans towards wanted entries, whatever is there now. */
    bool add = naru_rand_below(&w->rand, 10) < (w->count < wanted ? 7U : 3U);
    if (add && !e->in) {
        e->in = naru_table_add(&w->t, e->hash, e);
        w->count += e->in;
        SEED_CHECK(w->seed, e->in || w->a.fail_of_100 > 0);
    } else if (!add) {
        SEED_CHECK(w->seed, naru_table_remove(&w->t, e->hash, e) == e->in);
        w->count -= e->in;
        e->in = false;
    }
    SEED_CHECK(w->seed, (find(&w->t, e->hash, e->key) != NULL) == e->in);
}

/* Hashes of few bits, few homes or all bits; more and fewer entries in turn; memory that fails. */
static void table_twin_run(uint64_t seed)
{
    static struct twin w;
    memset(&w, 0, sizeof(w));
    w.seed = seed;
    naru_rand_init_u64(&w.rand, seed);
    test_mem_init(&w.m, &w.a, 1U << 24);
    w.a.fail_of_100 = seed % 3 == 0 ? 60 : 0;
    naru_table_init(&w.t, &w.m, 0);
    const uint32_t masks[] = { 0xffffffff, 0xffffffff, 0x0000007f, 0xffff0001, 0xfffffff0 };
    uint32_t mask = masks[seed % NARU_ARRAY_LEN(masks)];
    for (uint32_t i = 0; i < ENTRIES; i++)
        w.e[i] = (struct entry){ .key = i, .hash = naru_rand_u32(&w.rand) & mask };

    for (unsigned phase = 0; phase < 8; phase++) {
        uint32_t wanted = naru_rand_below(&w.rand, phase % 2 == 0 ? ENTRIES : 60);
        for (unsigned i = 0; i < 4000; i++)
            twin_step(&w, wanted);
        twin_check(&w);
    }
    for (uint32_t i = 0; i < ENTRIES; i++) {
        SEED_CHECK(seed, naru_table_remove(&w.t, w.e[i].hash, &w.e[i]) == w.e[i].in);
        w.e[i].in = false;
        w.count = naru_table_count(&w.t);
        if (i % 500 == 0)
            twin_check(&w);
    }
    SEED_CHECK(seed, w.count == 0);
    naru_table_deinit(&w.t);
    SEED_CHECK(seed, w.m.used == 0 && w.a.pieces == 0);
}

static void table_twin(void **state)
{
    (void)state;
    for_each_seed(10, table_twin_run);
}

/* No single call clears or moves more than a bounded number of slots, on the way up and down. */
static void growth_never_stalls(void **state)
{
    (void)state;
    enum { COUNT = 300000, CALL_MAX = 64 };
    static struct entry e[COUNT];
    struct test_alloc a;
    struct naru_mem m;
    struct naru_table t;
    struct naru_rand r;

    naru_rand_init_u64(&r, 9);
    test_mem_init(&m, &a, 1U << 26);
    naru_table_init(&t, &m, 0);
    for (uint32_t i = 0; i < 2 * COUNT; i++) {
        const struct naru_table_slot *old = t.old.slot;
        uint32_t moved = t.moved, cleared = t.cleared, at = i % COUNT;
        if (i < COUNT) {
            e[at] = (struct entry){ .key = at, .hash = naru_rand_u32(&r) };
            assert_true(naru_table_add(&t, e[at].hash, &e[at]));
        } else {
            assert_true(naru_table_remove(&t, e[at].hash, &e[at]));
        }
        assert_true(t.cleared <= cleared + CALL_MAX || t.cleared == 0);
        if (old != NULL && t.old.slot == old)
            assert_true(t.moved - moved <= CALL_MAX);
    }
    assert_int_equal(naru_table_count(&t), 0);
    assert_true(m.used <= 32 * sizeof(struct naru_table_slot)); /* it shrank again */
    naru_table_deinit(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_table_has_nothing),
        cmocka_unit_test(equal_hashes_and_pointers_live_together),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(table_twin),
        cmocka_unit_test(growth_never_stalls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
