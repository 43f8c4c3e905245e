/*
 * Worlds drawn from numbers (lab/sim.h): everything that is promised holds in each, and the same
 * number gives the same bytes at the same times.
 */
#include "lab/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { WORLDS = 300, TWICE = 40 };

static void worlds(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= WORLDS; seed++) {
        struct naru_sim_options options = { .seed = seed };
        struct naru_sim_result result;
        naru_sim_run(&options, &result);
        if (result.why[0] != '\0')
            fail_msg("naru-sim --seed %u: %s", (unsigned)seed, result.why);
        assert_true(result.frames > 0);
    }
}

/* Worlds that once broke something, and what it was. */
static void worlds_of_old(void **state)
{
    static const uint64_t seeds[] = {
        4930, /* a path MTU shrank, a SACK came: PRR divided by what it had not been told */
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++) {
        struct naru_sim_options options = { .seed = seeds[i] };
        struct naru_sim_result result;
        naru_sim_run(&options, &result);
        assert_int_equal(result.why[0], '\0');
    }
}

static void same_bytes(void **state)
{
    (void)state;
    uint64_t before = 0;
    for (uint64_t seed = 1; seed <= TWICE; seed++) {
        struct naru_sim_options options = { .seed = seed };
        struct naru_sim_result one, two;
        naru_sim_run(&options, &one);
        naru_sim_run(&options, &two);
        assert_true(one.digest == two.digest && one.frames == two.frames);
        assert_true(one.digest != before);
        before = one.digest;
    }
}

/* The short way of what is usual (proto/tcp/quick.c) is the long way: byte for byte, in time. */
static void short_way_is_long_way(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= WORLDS; seed++) {
        struct naru_sim_options options = { .seed = seed };
        struct naru_sim_result quick, all;
        naru_sim_run(&options, &quick);
        options.long_way = true;
        naru_sim_run(&options, &all);
        if (quick.digest != all.digest || quick.frames != all.frames)
            fail_msg("seed %u: %s", (unsigned)seed, quick.what);
    }
}

/* The worlds are not all easy ones. */
static void worlds_are_hard(void **state)
{
    (void)state;
    uint64_t lost = 0, retransmits = 0, aborted = 0;
    for (uint64_t seed = 1; seed <= WORLDS; seed++) {
        struct naru_sim_options options = { .seed = seed };
        struct naru_sim_result result;
        naru_sim_run(&options, &result);
        lost += result.lost;
        retransmits += result.retransmits;
        aborted += result.aborted;
    }
    assert_true(lost > WORLDS && retransmits > WORLDS && aborted > WORLDS / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worlds),          cmocka_unit_test(worlds_of_old),
        cmocka_unit_test(same_bytes),      cmocka_unit_test(short_way_is_long_way),
        cmocka_unit_test(worlds_are_hard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
