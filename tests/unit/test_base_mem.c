/*
 * The hard limit (base/mem.h) and the pools on top of it (base/pool.h).
 */
#include "base_test.h"

#include "base/pool.h"

static void limit_is_hard(void **state)
{
    (void)state;
    struct test_alloc a;
    struct naru_mem m;

    test_mem_init(&m, &a, 1000);
    void *p = naru_mem_alloc(&m, 600);
    assert_non_null(p);
    assert_null(naru_mem_alloc(&m, 401));
    assert_null(naru_mem_alloc(&m, SIZE_MAX));
    assert_int_equal(m.refused, 2);
    void *q = naru_mem_alloc(&m, 400);
    assert_non_null(q);
    assert_int_equal(naru_mem_left(&m), 0);
    naru_mem_free(&m, p, 600);
    naru_mem_free(&m, NULL, 99);
    assert_int_equal(m.used, 400);
    assert_int_equal(m.peak, 1000);
    naru_mem_free(&m, q, 400);
    assert_int_equal(a.pieces, 0);
    assert_int_equal(m.used, 0);
    expect_assert_failure(naru_mem_free(&m, &a, 1));
}

static void pressure_has_three_levels(void **state)
{
    (void)state;
    struct test_alloc a;
    struct naru_mem m;

    test_mem_init(&m, &a, 3200);
    assert_int_equal(naru_mem_pressure(&m), NARU_MEM_NORMAL);
    void *p = naru_mem_alloc(&m, 2399);
    assert_int_equal(naru_mem_pressure(&m), NARU_MEM_NORMAL);
    void *q = naru_mem_alloc(&m, 1);
    assert_int_equal(naru_mem_pressure(&m), NARU_MEM_LOW);
    void *r = naru_mem_alloc(&m, 700);
    assert_int_equal(naru_mem_pressure(&m), NARU_MEM_EXHAUSTED);
    naru_mem_free(&m, p, 2399);
    naru_mem_free(&m, q, 1);
    naru_mem_free(&m, r, 700);
    assert_int_equal(naru_mem_pressure(&m), NARU_MEM_NORMAL);
}

static void zero_clears(void **state)
{
    (void)state;
    struct test_alloc a;
    struct naru_mem m;

    test_mem_init(&m, &a, 1000);
    uint8_t *p = naru_mem_alloc_zero(&m, 100);
    assert_non_null(p);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(p[i], 0);
    naru_mem_free(&m, p, 100);
}

static void pool_objects_are_aligned_and_apart(void **state)
{
    (void)state;
    const size_t aligns[] = { 1, 8, 16, 32, 64 };
    struct test_alloc a;
    struct naru_mem m;

    test_mem_init(&m, &a, 10000000);
    for (size_t i = 0; i < NARU_ARRAY_LEN(aligns); i++) {
        struct naru_pool p;
        uint8_t *obj[500];
        naru_pool_init(&p, &m, 72, aligns[i], 0);
        for (size_t n = 0; n < 500; n++) {
            obj[n] = naru_pool_get(&p);
            assert_non_null(obj[n]);
            assert_int_equal((uintptr_t)obj[n] % aligns[i], 0);
            memset(obj[n], (int)(n & 0xff), 72);
        }
        for (size_t n = 0; n < 500; n++) {
            for (size_t b = 0; b < 72; b++)
                assert_int_equal(obj[n][b], n & 0xff);
        }
        assert_int_equal(p.count, 500);
        naru_pool_deinit(&p);
        assert_int_equal(a.pieces, 0);
    }
}

static void pool_overhead_is_small(void **state)
{
    (void)state;
    struct test_alloc a;
    struct naru_mem m;
    struct naru_pool p;

    test_mem_init(&m, &a, 1U << 30);
    naru_pool_init(&p, &m, 384, 64, 0);
    for (unsigned i = 0; i < 100000; i++)
        assert_non_null(naru_pool_get(&p));
    assert_true(m.used < (uint64_t)100000 * (384 + 4));
    naru_pool_deinit(&p);
    assert_int_equal(m.used, 0);
}

static void pool_stops_at_its_limit(void **state)
{
    (void)state;
    struct test_alloc a;
    struct naru_mem m;
    struct naru_pool p;

    test_mem_init(&m, &a, 100000);
    naru_pool_init(&p, &m, 16, 16, 3);
    void *x = naru_pool_get(&p), *y = naru_pool_get(&p), *z = naru_pool_get(&p);
    assert_true(x != NULL && y != NULL && z != NULL);
    assert_null(naru_pool_get(&p));
    naru_pool_put(&p, y);
    assert_ptr_equal(naru_pool_get(&p), y); /* the last one back is the first one out */
    assert_null(naru_pool_get(&p));
    assert_int_equal(p.count_peak, 3);
    assert_true(m.used < 200);
    naru_pool_deinit(&p);
}

static void pool_survives_refusals(void **state)
{
    (void)state;
    struct test_alloc a;
    struct naru_mem m;
    struct naru_pool p;
    unsigned got = 0;

    test_mem_init(&m, &a, 1000000);
    a.fail_of_100 = 50;
    naru_pool_init(&p, &m, 100, 8, 0);
    for (unsigned i = 0; i < 2000; i++)
        got += naru_pool_get(&p) != NULL;
    assert_int_equal(p.count, got);
    assert_true(got > 0);
    naru_pool_deinit(&p);
    assert_int_equal(m.used, 0);
    assert_int_equal(a.pieces, 0);
}

/* One object in use keeps its slab, and nothing else. */
static void trim_keeps_what_is_in_use(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    static uint32_t *out[COUNT];
    struct test_alloc a;
    struct naru_mem m;
    struct naru_pool p;

    test_mem_init(&m, &a, 1U << 24);
    naru_pool_init(&p, &m, 64, 64, 0);
    for (unsigned i = 0; i < COUNT; i++)
        out[i] = naru_pool_get(&p);
    for (unsigned i = 0; i < COUNT; i++) {
        if (i != COUNT - 1)
            naru_pool_put(&p, out[i]);
    }
    *out[COUNT - 1] = 0xc0ffee;
    size_t freed = naru_pool_trim(&p);
    assert_true(freed > 0 && a.pieces == 2); /* the slab, and the array of slabs */
    assert_int_equal(naru_pool_trim(&p), 0);
    for (unsigned i = 0; i < COUNT - 1; i++) {
        out[i] = naru_pool_get(&p);
        assert_ptr_not_equal(out[i], out[COUNT - 1]);
        *out[i] = 0;
    }
    assert_int_equal(*out[COUNT - 1], 0xc0ffee);
    for (unsigned i = 0; i < COUNT; i++)
        naru_pool_put(&p, out[i]);
    expect_assert_failure(naru_pool_put(&p, &m)); /* more put than got */
    assert_true(naru_pool_trim(&p) > 0);
    assert_int_equal(m.used, 0);
    naru_pool_deinit(&p);
}

#define OBJECTS_MAX 4000

/* Against an array of what is out: no object twice, none touched by the pool while it is out. */
static void pool_twin_run(uint64_t seed)
{
    static uint64_t *out[OBJECTS_MAX];
    struct naru_rand r;
    struct test_alloc a;
    struct naru_mem m;
    struct naru_pool p;
    uint32_t count = 0;

    naru_rand_init_u64(&r, seed);
    test_mem_init(&m, &a, 1U << 24);
    naru_pool_init(&p, &m, 24 + naru_rand_below(&r, 200), 8, OBJECTS_MAX);
    for (unsigned turn = 0; turn < 40; turn++) {
        uint32_t goal = naru_rand_below(&r, OBJECTS_MAX + 1);
        while (count < goal) {
            out[count] = naru_pool_get(&p);
            SEED_CHECK(seed, out[count] != NULL);
            *out[count] = (uintptr_t)out[count];
            count++;
        }
        while (count > goal) {
            uint32_t at = naru_rand_below(&r, count);
            SEED_CHECK(seed, *out[at] == (uintptr_t)out[at]);
            naru_pool_put(&p, out[at]);
            out[at] = out[--count];
        }
        SEED_CHECK(seed, p.count == count);
        if (naru_rand_below(&r, 3) == 0) {
            uint64_t before = m.used;
            size_t freed = naru_pool_trim(&p);
            SEED_CHECK(seed, m.used <= before - freed);
        }
        for (uint32_t i = 0; i < count; i++)
            SEED_CHECK(seed, *out[i] == (uintptr_t)out[i]);
    }
    while (count > 0)
        naru_pool_put(&p, out[--count]);
    naru_pool_trim(&p);
    SEED_CHECK(seed, m.used == 0); /* a trim of a pool at rest gives everything back */
    SEED_CHECK(seed, naru_pool_get(&p) != NULL);
    naru_pool_deinit(&p);
    SEED_CHECK(seed, m.used == 0 && a.pieces == 0);
}

static void pool_twin(void **state)
{
    (void)state;
    for_each_seed(20, pool_twin_run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limit_is_hard),
        cmocka_unit_test(pressure_has_three_levels),
        cmocka_unit_test(zero_clears),
        cmocka_unit_test(pool_objects_are_aligned_and_apart),
        cmocka_unit_test(pool_overhead_is_small),
        cmocka_unit_test(pool_stops_at_its_limit),
        cmocka_unit_test(pool_survives_refusals),
        cmocka_unit_test(trim_keeps_what_is_in_use),
        cmocka_unit_test(pool_twin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
