/*
 * What the tests of src/base share: cmocka, an allocator that counts and fails on demand, seeds.
 *
 * A random test runs over a few fixed seeds, or over the one in NARU_TEST_SEED; every check in it
 * is a SEED_CHECK, which names the seed when it fails.
 */
#ifndef NARU_TESTS_BASE_TEST_H
#define NARU_TESTS_BASE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rand.h"

/* A panic inside expect_assert_failure() is what was expected; elsewhere it ends the test. */
_Noreturn void naru_panic(const char *what, const char *file, int line)
{
    mock_assert(0, what, file, line);
    abort();
}

#define SEED_CHECK(seed, cond)                                             \
    do {                                                                   \
        if (!(cond))                                                       \
            fail_msg("%s:%d: NARU_TEST_SEED=%llu: %s", __FILE__, __LINE__, \
                     (unsigned long long)(seed), #cond);                   \
    } while (0)

/* Calls run(seed) for each seed. */
static inline void for_each_seed(unsigned count, void (*run)(uint64_t seed))
{
    const char *one = getenv("NARU_TEST_SEED");
    if (one != NULL) {
        run(strtoull(one, NULL, 0));
        return;
    }
    for (uint64_t seed = 1; seed <= count; seed++)
        run(seed);
}

/* Memory from malloc that knows what is out, and fails as often as fail_of_100 says. */
struct test_alloc {
    size_t bytes, pieces;
    unsigned fail_of_100;
    struct naru_rand rand;
};

static inline void *test_alloc_get(void *user, size_t size)
{
    struct test_alloc *a = user;
    if (a->fail_of_100 > 0 && naru_rand_below(&a->rand, 100) < a->fail_of_100)
        return NULL;
    void *ptr = malloc(size);
    assert_non_null(ptr);
    memset(ptr, 0xa5, size); /* whoever needs zeroes has to make them */
    a->bytes += size;
    a->pieces++;
    return ptr;
}

static inline void test_alloc_put(void *user, void *ptr, size_t size)
{
    struct test_alloc *a = user;
    assert_true(a->bytes >= size && a->pieces > 0);
    a->bytes -= size;
    a->pieces--;
    free(ptr);
}

static inline void test_mem_init(struct naru_mem *m, struct test_alloc *a, uint64_t max)
{
    *a = (struct test_alloc){ 0 };
    naru_rand_init_u64(&a->rand, 42);
    naru_mem_init(m, test_alloc_get, test_alloc_put, a, max);
}

#endif
