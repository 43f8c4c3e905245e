/*
 * Big-endian numbers and the two cursors (base/bytes.h), and the small things of base/defs.h.
 */
#include "base_test.h"

#include "base/bytes.h"

static void get_reads_network_order(void **state)
{
    (void)state;
    const uint8_t p[] = { 0x80, 0x01, 0x02, 0x83, 0x04, 0x05, 0x06, 0xff };
    assert_int_equal(naru_get8(p), 0x80);
    assert_int_equal(naru_get16(p), 0x8001);
    assert_int_equal(naru_get24(p), 0x800102);
    assert_int_equal(naru_get32(p), 0x80010283);
    assert_true(naru_get64(p) == 0x80010283040506ffU);
}

static void put_is_the_inverse_of_get(void **state)
{
    (void)state;
    uint8_t p[10];
    memset(p, 0xee, sizeof(p));
    naru_put64(p + 1, 0x80010283040506ffU);
    assert_true(naru_get64(p + 1) == 0x80010283040506ffU);
    naru_put32(p + 1, 0xdeadbeef);
    assert_int_equal(naru_get32(p + 1), 0xdeadbeef);
    naru_put24(p + 1, 0xabcdef);
    assert_int_equal(naru_get24(p + 1), 0xabcdef);
    naru_put16(p + 1, 0x11234); /* the low 16 bits */
    assert_int_equal(naru_get16(p + 1), 0x1234);
    naru_put8(p + 1, 0x1ff);
    assert_int_equal(naru_get8(p + 1), 0xff);
    assert_int_equal(p[0], 0xee);
    assert_int_equal(p[9], 0xee);
}

static void copy_takes_all_and_no_more(void **state)
{
    (void)state;
    uint8_t from[40], to[40], whole[40];
    for (unsigned i = 0; i < sizeof(from); i++)
        from[i] = (uint8_t)(i + 1);
    for (size_t len = 0; len <= 38; len++) {
        memset(to, 0xee, sizeof(to));
        memset(whole, 0xee, sizeof(whole));
        memcpy(whole + 1, from, len);
        naru_copy(to + 1, from, len);
        assert_memory_equal(to, whole, sizeof(to));
    }
}

static void span_gives_no_more_than_it_has(void **state)
{
    (void)state;
    const uint8_t p[5] = { 1, 2, 3, 4, 5 };
    struct naru_span s = naru_span(p, sizeof(p));
    assert_ptr_equal(naru_span_take(&s, 2), p);
    assert_null(naru_span_take(&s, 4));
    assert_int_equal(s.len, 3); /* a refusal takes nothing */
    assert_null(naru_span_take(&s, SIZE_MAX));
    assert_ptr_equal(naru_span_take(&s, 3), p + 2);
    assert_non_null(naru_span_take(&s, 0));
    assert_null(naru_span_take(&s, 1));
}

static void writer_gives_no_more_than_it_has(void **state)
{
    (void)state;
    uint8_t p[4];
    struct naru_writer w = naru_writer(p, sizeof(p));
    assert_null(naru_writer_take(&w, 5));
    assert_ptr_equal(naru_writer_take(&w, 3), p);
    assert_null(naru_writer_take(&w, 2));
    assert_ptr_equal(naru_writer_take(&w, 1), p + 3);
    assert_int_equal(w.len, 0);
}

static void min_max_evaluate_once(void **state)
{
    (void)state;
    unsigned n = 5;
    assert_int_equal(NARU_MIN(n++, 9U), 5);
    assert_int_equal(n, 6);
    assert_int_equal(NARU_MAX(-1, 1), 1);
    assert_true(NARU_MIN((uint64_t)1 << 40, (size_t)7) == 7);
    assert_true(NARU_MAX(INT64_MIN, (int64_t)-3) == -3);
}

static void bits(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 64; i++) {
        assert_int_equal(naru_bit_lowest(~(uint64_t)0 << i), i);
        assert_int_equal(naru_bit_highest(~(uint64_t)0 >> i), 63 - i);
    }
    assert_int_equal(naru_round_up(0, 16), 0);
    assert_int_equal(naru_round_up(1, 16), 16);
    assert_int_equal(naru_round_up(16, 16), 16);
}

static void assertion_panics(void **state)
{
    (void)state;
    int two = 2;
    NARU_ASSERT(two == 2);
    expect_assert_failure(NARU_ASSERT(two == 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(get_reads_network_order),
        cmocka_unit_test(put_is_the_inverse_of_get),
        cmocka_unit_test(copy_takes_all_and_no_more),
        cmocka_unit_test(span_gives_no_more_than_it_has),
        cmocka_unit_test(writer_gives_no_more_than_it_has),
        cmocka_unit_test(min_max_evaluate_once),
        cmocka_unit_test(bits),
        cmocka_unit_test(assertion_panics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
