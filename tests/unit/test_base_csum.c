/*
 * The Internet checksum (base/csum.h, RFC 1071): every version against two bytes at a time.
 */
#include "base_test.h"

#include "base/addr.h"
#include "base/csum.h"

/* RFC 1071 as its text says it, in host order. */
static uint16_t slow_sum(const uint8_t *p, size_t len)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i++) {
        sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)sum;
}

/* 0 and 0xffff are one number. */
static bool same(uint16_t a, uint16_t b) { return a % 0xffff == b % 0xffff; }

static void example_of_rfc1071(void **state)
{
    (void)state;
    const uint8_t p[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };
    assert_int_equal(naru_csum_fold(naru_csum_add(0, p, 8)), 0xddf2);
    assert_int_equal(naru_csum_finish(naru_csum_add(0, p, 8)), 0x220d);
    assert_int_equal(naru_csum_fold(naru_csum_add(0, p, 3)), 0xf201);
}

/* All lengths and alignments, sum and copy, and not one byte beside. */
static void versions_agree(void **state)
{
    (void)state;
    enum { LEN_MAX = 700, PAD = 64 };
    static uint8_t src[LEN_MAX + 2 * PAD], dst[LEN_MAX + 2 * PAD];
    const struct naru_csum_ops *ops;
    struct naru_rand r;

    naru_rand_init_u64(&r, 1);
    naru_rand_fill(&r, src, sizeof(src));
    for (unsigned n = 0; (ops = naru_csum_ops_get(n)) != NULL; n++) {
        for (size_t len = 0; len <= LEN_MAX; len += len < 300 ? 1 : 7) {
            for (size_t at = 0; at < 5; at++) {
                const uint8_t *p = src + PAD + at;
                uint16_t want = slow_sum(p, len);
                uint32_t start = naru_csum_add16(0, 0xfedc);
                memset(dst, 0xee, sizeof(dst));
                assert_true(same(naru_csum_fold(ops->add(0, p, len)), want));
                assert_true(same(naru_csum_fold(ops->copy(0, dst + PAD - at, p, len)), want));
                assert_true(same(
                    naru_csum_fold(ops->add(start, p, len)),
                    slow_sum((uint8_t[]){ (uint8_t)(want >> 8), (uint8_t)want, 0xfe, 0xdc }, 4)));
                assert_memory_equal(dst + PAD - at, p, len);
                assert_int_equal(dst[PAD - at - 1], 0xee);
                assert_int_equal(dst[PAD - at + len], 0xee);
            }
        }
    }
}

/* Extreme bytes over lengths that would overfill narrow sums. */
static void nothing_overflows(void **state)
{
    (void)state;
    const size_t len = (size_t)3 << 20 | 77;
    uint8_t *p = malloc(len), *q = malloc(len);
    const struct naru_csum_ops *ops;

    assert_true(p != NULL && q != NULL);
    const uint8_t fills[] = { 0x00, 0xff, 0x7f, 0x80, 0x01 };
    for (unsigned f = 0; f < sizeof(fills); f++) {
        memset(p, fills[f], len);
        uint16_t want = slow_sum(p, len);
        for (unsigned n = 0; (ops = naru_csum_ops_get(n)) != NULL; n++) {
            assert_true(same(naru_csum_fold(ops->add(0xffffffff, p, len)), want));
            assert_true(same(naru_csum_fold(ops->copy(0xfffffffe, q, p, len)),
                             (uint16_t)(want - (NARU_BIG_ENDIAN ? 1 : 0x100) -
                                        (want < (NARU_BIG_ENDIAN ? 1 : 0x100)))));
        }
        assert_memory_equal(p, q, len);
    }
    free(p);
    free(q);
}

static void pieces_join_at_any_offset(void **state)
{
    (void)state;
    uint8_t p[300];
    struct naru_rand r;

    naru_rand_init_u64(&r, 2);
    naru_rand_fill(&r, p, sizeof(p));
    for (unsigned i = 0; i < 2000; i++) {
        size_t a = naru_rand_below(&r, 100), b = a + naru_rand_below(&r, 100);
        uint32_t sum = naru_csum_add(0, p, a);
        sum = naru_csum_join(sum, naru_csum_add(0, p + a, b - a), a);
        sum = naru_csum_join(sum, naru_csum_add(0, p + b, 300 - b), b);
        assert_true(same(naru_csum_fold(sum), slow_sum(p, 300)));
    }
}

/* What is summed with words of 64 bits is as much, and as right, at every length. */
static void words_of_any_size_agree(void **state)
{
    (void)state;
    uint8_t bytes[96];
    struct naru_rand r;
    naru_rand_init(&r, (const uint8_t[32]){ 7 }, 0);
    for (unsigned i = 0; i < 20000; i++) {
        size_t len = naru_rand_below(&r, 81);
        for (size_t n = 0; n < sizeof(bytes); n++)
            bytes[n] = i % 3 == 0 ? 0xff : (uint8_t)naru_rand_u32(&r);
        uint64_t wide = naru_csum_behind(1, bytes + 8, len);
        uint64_t narrow = 1 + (uint64_t)naru_csum_add(0, bytes + 8, len);
        assert_int_equal(wide % 0xffff, narrow % 0xffff);
        assert_true(wide != 0);
    }
}

static void numbers_count_as_in_the_packet(void **state)
{
    (void)state;
    const uint8_t p[6] = { 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc };
    uint32_t sum = naru_csum_add32(naru_csum_add16(0, 0x1234), 0x56789abc);
    assert_int_equal(naru_csum_fold(sum), naru_csum_fold(naru_csum_add(0, p, 6)));

    uint8_t header[60];
    struct naru_rand r;
    naru_rand_init_u64(&r, 6);
    naru_rand_fill(&r, header, sizeof(header));
    for (size_t len = 0; len <= sizeof(header); len += 4)
        assert_true(same(naru_csum_fold(naru_csum_header(0xffffffff, header, len)),
                         naru_csum_fold(naru_csum_add(0xffffffff, header, len))));
}

static void pseudo_headers(void **state)
{
    (void)state;
    struct naru_addr a4, b4, a6, b6;
    uint8_t v4[12] = { 192, 0, 2, 1, 198, 51, 100, 2, 0, 6, 0x12, 0x34 };
    uint8_t v6[40] = { [32] = 0, 1, 0x12, 0x34, 0, 0, 0, 17 };

    assert_true(naru_addr_parse("192.0.2.1", &a4) && naru_addr_parse("198.51.100.2", &b4));
    assert_true(naru_addr_parse("2001:db8::1", &a6) && naru_addr_parse("fe80::ff:1", &b6));
    memcpy(v6, a6.b, 16);
    memcpy(v6 + 16, b6.b, 16);
    assert_int_equal(naru_csum_fold(naru_csum_pseudo(&a4, &b4, 6, 0x1234)), slow_sum(v4, 12));
    assert_int_equal(naru_csum_fold(naru_csum_pseudo(&a6, &b6, 17, 0x11234)), slow_sum(v6, 40));
}

static void finished_sums_verify(void **state)
{
    (void)state;
    uint8_t p[64];
    struct naru_rand r;

    naru_rand_init_u64(&r, 3);
    for (unsigned i = 0; i < 1000; i++) {
        naru_rand_fill(&r, p, sizeof(p));
        naru_put16(p + 16, 0);
        naru_put16(p + 16, naru_csum_finish(naru_csum_add(0, p, sizeof(p))));
        assert_true(naru_csum_ok(naru_csum_add(0, p, sizeof(p))));
        uint16_t old = naru_get16(p + 8), new = (uint16_t)naru_rand_u32(&r);
        naru_put16(p + 8, new);
        assert_true(old == new || !naru_csum_ok(naru_csum_add(0, p, sizeof(p))));
        naru_put16(p + 16, naru_csum_patch16(naru_get16(p + 16), old, new));
        assert_true(naru_csum_ok(naru_csum_add(0, p, sizeof(p))));
        p[naru_rand_below(&r, 64)] ^= (uint8_t)(1U << naru_rand_below(&r, 8));
        assert_false(naru_csum_ok(naru_csum_add(0, p, sizeof(p))));
    }
}

static void best_is_the_last(void **state)
{
    (void)state;
    unsigned n = 0;
    while (naru_csum_ops_get(n + 1) != NULL)
        n++;
    assert_ptr_equal(naru_csum_ops_best(), naru_csum_ops_get(n));
    assert_ptr_equal(naru_csum_ops_portable(), naru_csum_ops_get(0));
    print_message("best: %s\n", naru_csum_ops_best()->name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(example_of_rfc1071),      cmocka_unit_test(versions_agree),
        cmocka_unit_test(nothing_overflows),       cmocka_unit_test(pieces_join_at_any_offset),
        cmocka_unit_test(words_of_any_size_agree), cmocka_unit_test(numbers_count_as_in_the_packet),
        cmocka_unit_test(pseudo_headers),          cmocka_unit_test(finished_sums_verify),
        cmocka_unit_test(best_is_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
