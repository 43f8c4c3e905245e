/*
 * The timing wheel (base/wheel.h) against a plain array, and around the corners of time.
 */
#include "base_test.h"

#include "base/wheel.h"

static struct naru_wheel wheel;

static void fires_exactly_and_once(void **state)
{
    (void)state;
    struct naru_timer t;
    struct naru_wheel *w = &wheel;

    naru_wheel_init(w, 1000, NULL);
    naru_timer_init(&t, 7);
    assert_true(naru_wheel_next(w) == NARU_NEVER);
    naru_wheel_arm(w, &t, NARU_MS(200));
    assert_true(naru_timer_armed(&t));
    assert_true(naru_wheel_next(w) == NARU_MS(200));
    assert_null(naru_wheel_expire(w, NARU_MS(200) - 1));
    assert_true(naru_wheel_next(w) == NARU_MS(200));
    assert_ptr_equal(naru_wheel_expire(w, NARU_MS(200)), &t);
    assert_false(naru_timer_armed(&t));
    assert_int_equal(t.kind, 7);
    assert_null(naru_wheel_expire(w, NARU_SEC(100)));
    assert_true(naru_wheel_next(w) == NARU_NEVER);
}

static void past_instants_fire_at_the_next_expire(void **state)
{
    (void)state;
    struct naru_timer t, u;
    struct naru_wheel *w = &wheel;

    naru_wheel_init(w, 1000, NULL);
    naru_timer_init(&t, 0);
    naru_timer_init(&u, 0);
    naru_wheel_arm(w, &t, 1000);
    naru_wheel_arm(w, &u, INT64_MIN);
    assert_true(naru_wheel_next(w) <= 1000);
    assert_ptr_equal(naru_wheel_expire(w, 1000), &t);
    naru_wheel_cancel(w, &u);
    assert_null(naru_wheel_expire(w, 1000));
    naru_wheel_cancel(w, &u);
    assert_true(naru_wheel_check(w));
}

static void later_and_earlier_again(void **state)
{
    (void)state;
    struct naru_timer t;
    struct naru_wheel *w = &wheel;

    naru_wheel_init(w, 0, NULL);
    naru_timer_init(&t, 0);
    naru_wheel_arm(w, &t, NARU_MS(10));
    naru_wheel_arm(w, &t, NARU_SEC(10)); /* later: only noted */
    assert_true(naru_wheel_next(w) == NARU_SEC(10));
    assert_null(naru_wheel_expire(w, NARU_MS(500)));
    assert_true(naru_wheel_next(w) == NARU_SEC(10));
    naru_wheel_arm(w, &t, NARU_SEC(2));
    naru_wheel_arm_earlier(w, &t, NARU_SEC(3));
    assert_true(naru_wheel_next(w) == NARU_SEC(2));
    naru_wheel_arm_earlier(w, &t, NARU_SEC(1));
    assert_true(naru_wheel_next(w) == NARU_SEC(1));
    naru_wheel_park(w, &t);
    assert_false(naru_timer_armed(&t));
    assert_true(naru_wheel_next(w) == NARU_NEVER);
    assert_true(naru_wheel_check(w));
    naru_wheel_arm_earlier(w, &t, NARU_SEC(4));
    assert_true(naru_wheel_next(w) == NARU_SEC(4));
    naru_wheel_arm(w, &t, NARU_NEVER);
    assert_int_equal(t.place, NARU_TIMER_AT_REST);
    assert_null(naru_wheel_expire(w, NARU_SEC(5)));
}

static void far_instants_and_long_jumps(void **state)
{
    (void)state;
    const naru_time year = NARU_SEC(365) * 86400;
    const naru_time at[] = { -1, 0, 1, NARU_SEC(7200), year, 100 * year, NARU_NEVER - 1 };
    struct naru_timer t[NARU_ARRAY_LEN(at)];
    struct naru_wheel *w = &wheel;

    naru_wheel_init(w, INT64_MIN, NULL);
    for (size_t i = NARU_ARRAY_LEN(at); i-- > 0;) {
        naru_timer_init(&t[i], 0);
        naru_wheel_arm(w, &t[i], at[i]);
    }
    for (size_t i = 0; i < NARU_ARRAY_LEN(at); i++) {
        assert_true(naru_wheel_next(w) == at[i]);
        assert_null(naru_wheel_expire(w, at[i] - 1));
        assert_ptr_equal(naru_wheel_expire(w, at[i]), &t[i]);
    }
    assert_null(naru_wheel_expire(w, NARU_NEVER));
    assert_true(naru_wheel_check(w));
}

static void time_going_back_is_no_time(void **state)
{
    (void)state;
    struct naru_timer t;
    struct naru_wheel *w = &wheel;

    naru_wheel_init(w, 0, NULL);
    naru_timer_init(&t, 0);
    assert_null(naru_wheel_expire(w, NARU_SEC(10)));
    naru_wheel_arm(w, &t, NARU_SEC(11));
    assert_null(naru_wheel_expire(w, NARU_SEC(1)));
    assert_true(naru_wheel_next(w) == NARU_SEC(11));
    naru_wheel_arm(w, &t, NARU_SEC(9)); /* ten seconds have been seen */
    assert_ptr_equal(naru_wheel_expire(w, NARU_SEC(1)), &t);
}

/* One timer, set anew a hundred thousand times as a retransmission timer is, wakes us rarely. */
static void rearming_wakes_rarely(void **state)
{
    (void)state;
    struct naru_timer t, far;
    struct naru_wheel *w = &wheel;
    naru_time now = 0;
    unsigned wakes = 0;

    naru_wheel_init(w, now, NULL);
    naru_timer_init(&t, 0);
    naru_timer_init(&far, 0);
    naru_wheel_arm(w, &far, NARU_SEC(7200));
    for (unsigned i = 0; i < 100000; i++) {
        now += NARU_US(10);
        if (naru_wheel_next(w) <= now) {
            assert_null(naru_wheel_expire(w, now));
            wakes++;
        }
        naru_wheel_arm(w, &t, now + NARU_MS(200));
        naru_wheel_park(w, &t);
        naru_wheel_arm(w, &t, now + NARU_MS(200));
    }
    assert_true(wakes <= 10);
    assert_ptr_equal(naru_wheel_expire(w, now + NARU_MS(200)), &t);
}

/* A wheel with pages. */
struct paged {
    struct test_alloc alloc;
    struct naru_mem mem;
    struct naru_pool pages;
};

static void paged_init(struct paged *p, struct naru_wheel *w, naru_time now)
{
    test_mem_init(&p->mem, &p->alloc, UINT64_MAX);
    naru_wheel_pages_init(&p->pages, &p->mem);
    naru_wheel_init(w, now, &p->pages);
}

/* Whatever was armed before stands in its slot. */
static void push_out(struct naru_wheel *w)
{
    struct naru_timer later[NARU_WHEEL_YOUNG];
    for (unsigned i = 0; i < NARU_WHEEL_YOUNG; i++) {
        naru_timer_init(&later[i], 0);
        naru_wheel_arm(w, &later[i], w->now + NARU_SEC(1000));
        assert_true(w->page_pool == NULL || later[i].place == NARU_TIMER_YOUNG);
    }
    for (unsigned i = 0; i < NARU_WHEEL_YOUNG; i++)
        naru_wheel_cancel(w, &later[i]);
}

/* Timers that go away leave nothing to open, and no page outlives its last timer. */
static void pages_hold_what_is_armed(void **state)
{
    (void)state;
    enum { N = 100 };
    struct paged p;
    struct naru_timer t[N];
    struct naru_wheel *w = &wheel;

    paged_init(&p, w, 0);
    for (unsigned i = 0; i < N; i++) {
        naru_timer_init(&t[i], 0);
        naru_wheel_arm(w, &t[i], NARU_MS(100) + i);
    }
    push_out(w);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(t[i].place, NARU_TIMER_PAGED);
    assert_int_equal(p.pages.count, (N + NARU_TIMER_PAGE_TIMERS - 1) / NARU_TIMER_PAGE_TIMERS);
    for (unsigned i = 0; i < N; i++) {
        if (i % 10 != 7)
            naru_wheel_park(w, &t[i]);
        assert_true(naru_wheel_check(w));
    }
    assert_int_equal(p.pages.count, N / 10);
    for (unsigned i = 7; i < N; i += 10)
        assert_ptr_equal(naru_wheel_expire(w, NARU_SEC(1)), &t[i]);
    assert_null(naru_wheel_expire(w, NARU_SEC(1)));
    assert_int_equal(p.pages.count, 0);
    naru_pool_deinit(&p.pages);
}

/* What is set and put off again before others push it out was never in a slot. */
static void the_young_come_into_no_slot(void **state)
{
    (void)state;
    struct paged p;
    struct naru_timer t[3];
    struct naru_wheel *w = &wheel;

    paged_init(&p, w, 0);
    for (unsigned i = 0; i < NARU_ARRAY_LEN(t); i++) {
        naru_timer_init(&t[i], 0);
        naru_wheel_arm(w, &t[i], NARU_MS(40));
    }
    naru_wheel_arm(w, &t[0], NARU_MS(30));
    naru_wheel_park(w, &t[1]);
    naru_wheel_cancel(w, &t[2]);
    assert_int_equal(w->levels_used, 0);
    assert_true(naru_wheel_next(w) == NARU_MS(30));
    assert_null(naru_wheel_expire(w, NARU_MS(30) - 1));
    assert_int_equal(t[0].place, NARU_TIMER_YOUNG);
    assert_ptr_equal(naru_wheel_expire(w, NARU_MS(30)), &t[0]);
    assert_null(naru_wheel_expire(w, NARU_MS(50)));
    assert_int_equal(t[1].place, NARU_TIMER_AT_REST);
    naru_wheel_arm(w, &t[1], NARU_MS(60));
    naru_wheel_park(w, &t[1]);
    push_out(w); /* and what is parked goes to no slot at all */
    assert_int_equal(t[1].place, NARU_TIMER_AT_REST);
    assert_int_equal(w->levels_used, 0);
    assert_true(naru_wheel_check(w));
    naru_pool_deinit(&p.pages);
}

/* A connection that waits and is answered, between others that do, uses one entry again and again.
 */
static void pages_do_not_grow_with_time(void **state)
{
    (void)state;
    struct paged p;
    struct naru_timer t[3];
    struct naru_wheel *w = &wheel;

    paged_init(&p, w, 0);
    for (unsigned i = 0; i < NARU_ARRAY_LEN(t); i++)
        naru_timer_init(&t[i], 0);
    for (unsigned i = 0; i < 10000; i++) {
        naru_wheel_arm(w, &t[i % 3], NARU_MS(100));
        if (i % 32 < 16)
            push_out(w);
        naru_wheel_park(w, &t[(i + 1) % 3]);
    }
    assert_true(naru_wheel_check(w));
    assert_in_range(p.pages.count_peak, 1, NARU_ARRAY_LEN(t));
    naru_pool_deinit(&p.pages);
}

#define TIMERS 300

struct twin {
    uint64_t seed;
    struct naru_rand rand;
    struct naru_wheel w;
    struct naru_timer t[TIMERS];
    naru_time at[TIMERS];  /* what the plain array knows */
    naru_time key[TIMERS]; /* the later of that and the wheel's instant when it was set */
    naru_time now;
};

static naru_time twin_first(const struct twin *w)
{
    naru_time first = NARU_NEVER;
    for (unsigned i = 0; i < TIMERS; i++)
        first = NARU_MIN(first, w->at[i]);
    return first;
}

/* Anything from a nanosecond to centuries. */
static naru_time twin_span(struct twin *w)
{
    return (naru_time)(naru_rand_u64(&w->rand) >> (1 + naru_rand_below(&w->rand, 63)));
}

static void twin_change(struct twin *w)
{
    unsigned i = naru_rand_below(&w->rand, TIMERS);
    struct naru_timer *t = &w->t[i];

    switch (naru_rand_below(&w->rand, 8)) {
    case 0:
        naru_wheel_cancel(&w->w, t);
        w->at[i] = NARU_NEVER;
        break;
    case 1:
        naru_wheel_park(&w->w, t);
        w->at[i] = NARU_NEVER;
        break;
    case 2:
        w->at[i] = w->now - twin_span(w) / 2;
        naru_wheel_arm(&w->w, t, w->at[i]);
        break;
    default: {
        naru_time span = twin_span(w);
        w->at[i] = w->now < 0 || span < NARU_NEVER - w->now ? w->now + span : NARU_NEVER;
        naru_wheel_arm(&w->w, t, w->at[i]);
    }
    }
    w->key[i] = NARU_MAX(w->at[i], w->w.at);
    SEED_CHECK(w->seed, naru_timer_armed(t) == (w->at[i] != NARU_NEVER));
}

/* Everything due comes out in order, nothing else does. */
static void twin_expire(struct twin *w, bool change_between)
{
    naru_time last = INT64_MIN;
    struct naru_timer *t;

    while ((t = naru_wheel_expire(&w->w, w->now)) != NULL) {
        size_t i = (size_t)(t - w->t);
        SEED_CHECK(w->seed, w->at[i] <= w->now);
        SEED_CHECK(w->seed, change_between || w->key[i] >= last);
        SEED_CHECK(w->seed, !naru_timer_armed(t) && t->place == NARU_TIMER_AT_REST);
        last = w->key[i];
        w->at[i] = NARU_NEVER;
        if (change_between && naru_rand_below(&w->rand, 2) == 0)
            twin_change(w);
    }
    SEED_CHECK(w->seed, twin_first(w) > w->now);
    SEED_CHECK(w->seed, naru_wheel_check(&w->w));
}

static void wheel_twin_run(uint64_t seed)
{
    static struct twin w;
    struct paged p;
    w.seed = seed;
    naru_rand_init_u64(&w.rand, seed);
    w.now = seed % 2 == 0 ? -NARU_SEC(3) : (naru_time)(naru_rand_u64(&w.rand) >> 2);
    paged_init(&p, &w.w, w.now);
    p.pages.count_max = seed % 3 == 0 ? 4 : UINT32_MAX; /* more is not to be had */
    if (seed % 3 == 1)
        naru_wheel_init(&w.w, w.now, NULL);
    for (unsigned i = 0; i < TIMERS; i++) {
        naru_timer_init(&w.t[i], 0);
        w.at[i] = NARU_NEVER;
    }
    for (unsigned turn = 0; turn < 3000; turn++) {
        for (unsigned n = naru_rand_below(&w.rand, 4); n > 0; n--)
            twin_change(&w);
        if (naru_rand_below(&w.rand, 8) == 0)
            push_out(&w.w);

        naru_time first = twin_first(&w), next = naru_wheel_next(&w.w);
        SEED_CHECK(seed, next <= NARU_MAX(first, w.now));
        if (naru_rand_below(&w.rand, 2) == 0) {
            /* As a poll loop does: to the deadline, until something fires. */
            unsigned rounds = 0;
            while (next < first) {
                w.now = NARU_MAX(w.now, next);
                SEED_CHECK(seed, naru_wheel_expire(&w.w, w.now) == NULL);
                SEED_CHECK(seed, naru_wheel_next(&w.w) > next);
                SEED_CHECK(seed, ++rounds < 200);
                next = naru_wheel_next(&w.w);
            }
            if (first < w.now + NARU_SEC(86400) * 365)
                w.now = NARU_MAX(w.now, first);
        } else {
            naru_time span = twin_span(&w) >> 20;
            if (w.now < NARU_NEVER / 2)
                w.now += span;
        }
        twin_expire(&w, naru_rand_below(&w.rand, 2) == 0);
    }
    for (unsigned i = 0; i < TIMERS; i++)
        naru_wheel_cancel(&w.w, &w.t[i]);
    SEED_CHECK(seed, p.pages.count == 0 && (p.pages.count_peak > 0) == (seed % 3 != 1));
    naru_pool_deinit(&p.pages);
}

static void wheel_twin(void **state)
{
    (void)state;
    for_each_seed(20, wheel_twin_run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fires_exactly_and_once),
        cmocka_unit_test(past_instants_fire_at_the_next_expire),
        cmocka_unit_test(later_and_earlier_again),
        cmocka_unit_test(far_instants_and_long_jumps),
        cmocka_unit_test(time_going_back_is_no_time),
        cmocka_unit_test(rearming_wakes_rarely),
        cmocka_unit_test(pages_hold_what_is_armed),
        cmocka_unit_test(the_young_come_into_no_slot),
        cmocka_unit_test(pages_do_not_grow_with_time),
        cmocka_unit_test(wheel_twin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
