/* What one connection learns of a path, and the next one begins with (RFC 9040). */
#include "lib/stack_lab.h"

#include "proto/metrics.h"
#include "stack/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static naru_time rto_of(struct lab *lab, struct naru_sock *sock)
{
    struct naru_tcp_info info;
    assert_int_equal(naru_sock_tcp_info(sock, &info, lab->now), NARU_OK);
    return info.rto;
}

/* A connection over a slow path, which ends; then one over the same when it is fast. */
static naru_time rto_after_a_slow_one(void (*tune)(struct naru_config *config), naru_time rest)
{
    struct lab lab = { 0 };
    struct lab_options options = { .delay = NARU_MS(300), .tune = tune };
    struct naru_sock *a, *b;
    assert_true(lab_pair(&lab, &options));
    assert_true(lab_established(&lab, NARU_IPV4, 80, &a, &b));
    assert_true(lab_transfer(&lab, a, b, 50000, lab.now + NARU_SEC(30)));
    naru_sock_close(a, lab.now);
    naru_sock_close(b, lab.now);
    lab_run(&lab, lab.now + NARU_SEC(5) + rest);

    lab.wire[0].delay = NARU_MS(1);
    assert_true(lab_established(&lab, NARU_IPV4, 81, &a, &b));
    naru_time rto = rto_of(&lab, a);
    assert_true(lab_transfer(&lab, a, b, 1000, lab.now + NARU_SEC(30)));
    lab_run(&lab, lab.now + NARU_SEC(1));
    assert_true(rto_of(&lab, a) < NARU_MS(250)); /* it knows better by now */
    naru_sock_abort(a, lab.now);
    naru_sock_abort(b, lab.now);
    lab_end(&lab);
    return rto;
}

static void rto_is_remembered(void **state)
{
    (void)state;
    naru_time rto = rto_after_a_slow_one(NULL, 0);
    assert_true(rto >= NARU_MS(1800) && rto < NARU_MS(2200));
}

static void not_for_ever(void **state)
{
    (void)state;
    assert_true(rto_after_a_slow_one(NULL, NARU_METRICS_AGE) < NARU_MS(250));
}

static void nothing(struct naru_config *config) { config->metrics_max = 0; }

static void off_means_off(void **state)
{
    (void)state;
    assert_true(rto_after_a_slow_one(nothing, 0) < NARU_MS(250));
}

/* ---- The table ---- */

struct table {
    struct naru_mem mem;
    struct naru_rand rand;
    struct naru_metrics m;
};

static void *take(void *user, size_t size)
{
    (void)user;
    return malloc(size);
}

static void give(void *user, void *at, size_t size)
{
    (void)user;
    (void)size;
    free(at);
}

static void begin(struct table *t, uint32_t max)
{
    naru_mem_init(&t->mem, take, give, NULL, 1 << 20);
    naru_rand_init_u64(&t->rand, 1);
    naru_metrics_init(&t->m, &t->mem, &t->rand, max);
}

static void note(struct table *t, uint32_t host, uint32_t rtt, naru_time now)
{
    struct naru_addr dst = naru_addr_v4(host);
    struct naru_metrics_values v = { .rtt = rtt, .rttvar = rtt / 10, .reordering = rtt / 1000 };
    naru_metrics_note(&t->m, &dst, &v, now);
}

static struct naru_metrics_values known(struct table *t, uint32_t host, naru_time now)
{
    struct naru_addr dst = naru_addr_v4(host);
    struct naru_metrics_values v = { 0 };
    (void)naru_metrics_find(&t->m, &dst, now, &v);
    return v;
}

/* Longer at once, shorter by an eighth. */
static void round_trips_are_blended(void **state)
{
    struct table t;
    (void)state;
    begin(&t, 4);
    note(&t, 1, 8000, 0);
    assert_int_equal(known(&t, 1, 0).rtt, 8000);
    note(&t, 1, 16000, 0);
    assert_int_equal(known(&t, 1, 0).rtt, 16000);
    note(&t, 1, 8000, 0);
    assert_int_equal(known(&t, 1, 0).rtt, 15000);
    assert_int_equal(known(&t, 1, 0).rttvar, 4000);
    assert_int_equal(known(&t, 1, 0).reordering, 16);
    assert_int_equal(known(&t, 2, 0).rtt, 0);
    naru_metrics_deinit(&t.m);
    assert_int_equal(t.mem.used, 0);
}

static void the_oldest_makes_room(void **state)
{
    struct table t;
    (void)state;
    begin(&t, 3);
    for (uint32_t host = 1; host <= 3; host++)
        note(&t, host, 1000, 0);
    note(&t, 1, 1000, 1); /* told again */
    note(&t, 4, 1000, 1);
    assert_int_equal(known(&t, 2, 1).rtt, 0);
    assert_int_equal(known(&t, 1, 1).rtt, 1000);
    assert_int_equal(known(&t, 4, 1).rtt, 1000);
    assert_int_equal(known(&t, 4, 1 + NARU_METRICS_AGE).rtt, 0);
    naru_metrics_deinit(&t.m);
    assert_int_equal(t.mem.used, 0);
}

static void without_memory_nothing_is_known(void **state)
{
    struct table t;
    (void)state;
    begin(&t, 3);
    t.mem.max = 0;
    note(&t, 1, 1000, 0);
    assert_int_equal(known(&t, 1, 0).rtt, 0);
    naru_metrics_deinit(&t.m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rto_is_remembered),     cmocka_unit_test(not_for_ever),
        cmocka_unit_test(off_means_off),         cmocka_unit_test(round_trips_are_blended),
        cmocka_unit_test(the_oldest_makes_room), cmocka_unit_test(without_memory_nothing_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
