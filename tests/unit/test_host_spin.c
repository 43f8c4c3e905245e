/* When to wait with open eyes: what short and long waits, and others' needs, make of it. */
#include "host/spin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define WINDOW NARU_US(50)

static void wait_times(struct naru_spin *spin, unsigned count, naru_time took)
{
    while (count-- > 0)
        naru_spin_waited(spin, took);
}

static void not_before_it_is_known_to_pay(void **state)
{
    struct naru_spin spin;

    (void)state;
    naru_spin_init(&spin, WINDOW);
    assert_false(naru_spin_pays(&spin));
    naru_spin_waited(&spin, WINDOW);
    assert_false(naru_spin_pays(&spin));
    wait_times(&spin, 100, WINDOW);
    assert_true(naru_spin_pays(&spin));
}

static void never_without_a_window(void **state)
{
    struct naru_spin spin;

    (void)state;
    naru_spin_init(&spin, 0);
    wait_times(&spin, 1000, 0);
    assert_false(naru_spin_pays(&spin));
}

/* However long a burst was, two long waits end it; and one that ended by a deadline is long. */
static void the_end_of_a_burst_is_noticed(void **state)
{
    struct naru_spin spin;

    (void)state;
    naru_spin_init(&spin, WINDOW);
    wait_times(&spin, 1000000, NARU_US(5));
    wait_times(&spin, 2, WINDOW + 1);
    assert_false(naru_spin_pays(&spin));
    wait_times(&spin, 100, NARU_US(5));
    wait_times(&spin, 2, NARU_NEVER);
    assert_false(naru_spin_pays(&spin));
}

/* Long waits are not saved up against the next burst. */
static void a_long_rest_is_forgotten(void **state)
{
    struct naru_spin spin;

    (void)state;
    naru_spin_init(&spin, WINDOW);
    wait_times(&spin, 1000000, NARU_SEC(1));
    wait_times(&spin, 8, NARU_US(5));
    assert_true(naru_spin_pays(&spin));
}

static void waits_of_both_kinds_do_not_pay(void **state)
{
    struct naru_spin spin;

    (void)state;
    naru_spin_init(&spin, WINDOW);
    for (unsigned i = 0; i < 1000; i++) {
        wait_times(&spin, 3, NARU_US(5));
        naru_spin_waited(&spin, NARU_MS(1));
        assert_false(naru_spin_pays(&spin));
    }
}

static void others_come_first(void **state)
{
    struct naru_spin spin;

    (void)state;
    naru_spin_init(&spin, WINDOW);
    wait_times(&spin, 100, NARU_US(5));
    naru_spin_crowded(&spin);
    wait_times(&spin, 50, NARU_US(5));
    wait_times(&spin, 500, NARU_SEC(1)); /* neither do these bring it back */
    assert_false(naru_spin_pays(&spin));
    wait_times(&spin, 50, NARU_US(5));
    assert_true(naru_spin_pays(&spin));
}

/* The short waits until it pays again. */
static unsigned waits_until_it_pays(struct naru_spin *spin)
{
    unsigned count = 0;

    for (; !naru_spin_pays(spin); count++)
        naru_spin_waited(spin, NARU_US(5));
    return count;
}

/* Where others stay, it is tried ever less often, down to a bound; what passed is forgotten. */
static void who_is_always_crowded_seldom_tries(void **state)
{
    struct naru_spin spin;
    unsigned first, last = 0;

    (void)state;
    naru_spin_init(&spin, WINDOW);
    naru_spin_crowded(&spin);
    first = waits_until_it_pays(&spin);
    for (unsigned i = 0; i < 100; i++) {
        unsigned count;
        naru_spin_crowded(&spin);
        count = waits_until_it_pays(&spin);
        assert_true(count >= last);
        last = count;
    }
    assert_true(last >= 64 * first);
    assert_true(last < 10000);

    wait_times(&spin, 10000, NARU_US(5));
    naru_spin_crowded(&spin);
    assert_int_equal(waits_until_it_pays(&spin), first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(not_before_it_is_known_to_pay),
        cmocka_unit_test(never_without_a_window),
        cmocka_unit_test(the_end_of_a_burst_is_noticed),
        cmocka_unit_test(a_long_rest_is_forgotten),
        cmocka_unit_test(waits_of_both_kinds_do_not_pay),
        cmocka_unit_test(others_come_first),
        cmocka_unit_test(who_is_always_crowded_seldom_tries),
    };
    return cmocka_run_group_tests_name("host spin", tests, NULL, NULL);
}
