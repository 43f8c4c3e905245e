/*
 * What the tests of src/proto share: addresses from text, a world of memory, packets and
 * randomness, and an allocator whose n-th request fails.
 */
#ifndef NARU_TESTS_PROTO_TEST_H
#define NARU_TESTS_PROTO_TEST_H

#include "base_test.h"

#include "base/addr.h"
#include "base/pktpool.h"

struct world {
    struct test_alloc alloc;
    struct naru_mem mem;
    struct naru_pktpool packets;
    struct naru_rand rand;
    uint64_t asked;   /* requests so far */
    uint64_t fail_at; /* the request that fails, from 1; 0: none */
};

static inline void *world_get(void *user, size_t size)
{
    struct world *w = user;
    return ++w->asked == w->fail_at ? NULL : test_alloc_get(&w->alloc, size);
}

static inline void world_put(void *user, void *ptr, size_t size)
{
    struct world *w = user;
    test_alloc_put(&w->alloc, ptr, size);
}

static inline void world_init(struct world *w, uint64_t seed)
{
    memset(w, 0, sizeof(*w));
    naru_mem_init(&w->mem, world_get, world_put, w, 64 << 20);
    naru_pktpool_init(&w->packets, &w->mem, 1 << 20);
    naru_rand_init_u64(&w->rand, seed);
}

/* Everything must have come back. */
static inline void world_deinit(struct world *w)
{
    naru_pktpool_deinit(&w->packets);
    assert_int_equal(w->alloc.pieces, 0);
    assert_int_equal(w->mem.used, 0);
}

static inline struct naru_addr addr(const char *text)
{
    struct naru_addr a;
    if (!naru_addr_parse(text, &a))
        fail_msg("not an address: %s", text);
    return a;
}

static inline void check_addr(const struct naru_addr *got, const char *wanted)
{
    char text[NARU_ADDR_TEXT_SIZE];
    naru_addr_format(got, text, sizeof(text));
    assert_string_equal(text, wanted);
}

/*
 * Calls run(world) again and again, the first time with the first request for memory failing, then
 * the second ..., until a run asks for less.
 */
static inline void each_allocation_fails(void (*run)(struct world *w))
{
    for (uint64_t n = 1;; n++) {
        struct world w;
        world_init(&w, 7);
        w.fail_at = n;
        run(&w);
        bool done = w.asked < n;
        world_deinit(&w);
        if (done)
            return;
        assert_true(n < 100000);
    }
}

#endif
