/*
 * Sequence numbers around the wrap (base/seq.h, RFC 9293 3.4).
 */
#include "base_test.h"

#include "base/seq.h"

static void order_crosses_the_wrap(void **state)
{
    (void)state;
    naru_seq a = naru_seq_of(0xfffffffe), b = naru_seq_add(a, 5);
    assert_int_equal(b.v, 3);
    assert_int_equal(naru_seq_diff(a, b), 5);
    assert_int_equal(naru_seq_diff(b, a), -5);
    assert_int_equal(naru_seq_len(a, b), 5);
    assert_true(naru_seq_before(a, b) && !naru_seq_before(b, a));
    assert_true(naru_seq_after(b, a) && !naru_seq_after(a, b));
    assert_true(naru_seq_eq(naru_seq_sub(b, 5), a));
    assert_true(naru_seq_eq(naru_seq_min(a, b), a) && naru_seq_eq(naru_seq_min(b, a), a));
    assert_true(naru_seq_eq(naru_seq_max(a, b), b) && naru_seq_eq(naru_seq_max(b, a), b));
}

static void equal_is_neither_before_nor_after(void **state)
{
    (void)state;
    naru_seq a = naru_seq_of(7);
    assert_false(naru_seq_before(a, a));
    assert_false(naru_seq_after(a, a));
    assert_true(naru_seq_before_eq(a, a));
    assert_true(naru_seq_after_eq(a, a));
}

static void order_holds_up_to_half_the_circle(void **state)
{
    (void)state;
    const uint32_t starts[] = { 0, 1, 0x7fffffff, 0x80000000, 0xffffffff };
    const uint32_t steps[] = { 1, 2, 0x10000, 0x7ffffffe, 0x7fffffff };
    for (size_t i = 0; i < NARU_ARRAY_LEN(starts); i++) {
        for (size_t j = 0; j < NARU_ARRAY_LEN(steps); j++) {
            naru_seq a = naru_seq_of(starts[i]), b = naru_seq_add(a, steps[j]);
            assert_true(naru_seq_before(a, b) && naru_seq_before_eq(a, b));
            assert_true(naru_seq_after(b, a) && naru_seq_after_eq(b, a));
            assert_false(naru_seq_before_eq(b, a) || naru_seq_after_eq(a, b));
        }
    }
}

static void window_contains_its_start_and_not_its_end(void **state)
{
    (void)state;
    naru_seq start = naru_seq_of(0xfffffff0);
    assert_true(naru_seq_in(start, start, 0x20));
    assert_true(naru_seq_in(naru_seq_of(0x0f), start, 0x20));
    assert_false(naru_seq_in(naru_seq_of(0x10), start, 0x20));
    assert_false(naru_seq_in(naru_seq_of(0xffffffef), start, 0x20));
    assert_false(naru_seq_in(start, start, 0));
    assert_true(naru_seq_in(naru_seq_of(0xffffffee), start, 0xffffffff));
    assert_false(naru_seq_in(naru_seq_of(0xffffffef), start, 0xffffffff));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_crosses_the_wrap),
        cmocka_unit_test(equal_is_neither_before_nor_after),
        cmocka_unit_test(order_holds_up_to_half_the_circle),
        cmocka_unit_test(window_contains_its_start_and_not_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
