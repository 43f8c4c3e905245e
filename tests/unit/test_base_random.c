/*
 * The generator and the keyed hash (base/rand.h, base/siphash.h) against published vectors.
 */
#include "base_test.h"

#include "base/siphash.h"

/* RFC 8439 2.3.2: its nonce and counter laid over our counter and stream. */
static void chacha20_block_of_rfc8439(void **state)
{
    (void)state;
    static const uint8_t want[64] = {
        0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50, 0x0f, 0xdd, 0x1f, 0xa3,
        0x20, 0x71, 0xc4, 0xc7, 0xd1, 0xf4, 0xc7, 0x33, 0xc0, 0x68, 0x03, 0x04, 0x22,
        0xaa, 0x9a, 0xc3, 0xd4, 0x6c, 0x4e, 0xd2, 0x82, 0x64, 0x46, 0x07, 0x9f, 0xaa,
        0x09, 0x14, 0xc2, 0xd7, 0x05, 0xd9, 0x8b, 0x02, 0xa2, 0xb5, 0x12, 0x9c, 0xd1,
        0xde, 0x16, 0x4e, 0xb9, 0xcb, 0xd0, 0x83, 0xe8, 0xa2, 0x50, 0x3c, 0x4e,
    };
    uint8_t seed[32], got[64];
    struct naru_rand r;

    for (unsigned i = 0; i < 32; i++)
        seed[i] = (uint8_t)i;
    naru_rand_init(&r, seed, 0x4a000000);
    r.counter = (uint64_t)0x09000000 << 32 | 1;
    naru_rand_fill(&r, got, sizeof(got));
    assert_memory_equal(got, want, sizeof(want));
}

static void same_seed_same_numbers(void **state)
{
    (void)state;
    struct naru_rand a, b, c, other;
    uint8_t seed[32] = { 7 }, x[200], y[200];

    naru_rand_init(&a, seed, 0);
    naru_rand_init(&b, seed, 0);
    naru_rand_init(&c, seed, 1);
    seed[31] = 1;
    naru_rand_init(&other, seed, 0);
    naru_rand_fill(&a, x, sizeof(x));
    for (size_t at = 0, step = 1; at < sizeof(y); at += step, step = 1 + step % 7)
        naru_rand_fill(&b, y + at, NARU_MIN(step, sizeof(y) - at));
    assert_memory_equal(x, y, sizeof(x)); /* however it is cut */
    uint64_t n = naru_rand_u64(&a);
    assert_true(n == naru_rand_u64(&b));
    assert_true(naru_rand_u64(&c) != naru_rand_u64(&other));
    naru_rand_init(&b, seed, 1);
    assert_true(naru_rand_u64(&c) != naru_rand_u64(&b));
}

static void below_is_uniform_and_in_range(void **state)
{
    (void)state;
    unsigned seen[6] = { 0 };
    struct naru_rand r;

    naru_rand_init_u64(&r, 1);
    for (unsigned i = 0; i < 60000; i++) {
        uint32_t n = naru_rand_below(&r, 6);
        assert_true(n < 6);
        seen[n]++;
    }
    for (unsigned i = 0; i < 6; i++)
        assert_in_range(seen[i], 9600, 10400); /* four standard deviations */
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(naru_rand_below(&r, 1), 0);
        assert_true(naru_rand_below(&r, 0x80000001) < 0x80000001);
        assert_in_range(naru_rand_between(&r, 32768, 60999), 32768, 60999);
    }
    assert_int_equal(naru_rand_between(&r, 5, 5), 5);
    (void)naru_rand_between(&r, 0, UINT32_MAX);
    expect_assert_failure((void)naru_rand_below(&r, 0));
}

static void key_of_vectors(struct naru_siphash_key *key)
{
    key->k[0] = 0x0706050403020100U;
    key->k[1] = 0x0f0e0d0c0b0a0908U;
}

/* The reference's vectors: the hash of 00, 01, 02, ... of that length. */
static void siphash24_vectors(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        uint64_t hash;
    } want[] = {
        { 0, 0x726fdb47dd0e0e31U }, { 1, 0x74f839c593dc67fdU },  { 7, 0xab0200f58b01d137U },
        { 8, 0x93f5f5799a932462U }, { 15, 0xa129ca6149be45e5U }, { 63, 0x958a324ceb064572U },
    };
    struct naru_siphash_key key;
    uint8_t data[64];

    key_of_vectors(&key);
    for (unsigned i = 0; i < 64; i++)
        data[i] = (uint8_t)i;
    for (size_t i = 0; i < NARU_ARRAY_LEN(want); i++)
        assert_true(naru_siphash(&key, data, want[i].len) == want[i].hash);
}

/* One-word hashes are SipHash-1-3 of nothing published: they must be like each other at least. */
static void hashes_depend_on_every_part(void **state)
{
    (void)state;
    struct naru_rand r;
    struct naru_siphash_key key, key2;
    struct naru_addr a = naru_addr_v4(0x0a000001), b = naru_addr_v4(0x0a000002), c, d;

    naru_rand_init_u64(&r, 3);
    naru_siphash_key_init(&key, &r);
    naru_siphash_key_init(&key2, &r);
    assert_true(naru_addr_parse("fd00::1", &c) && naru_addr_parse("fd00::2", &d));

    struct naru_hash_tuple t = { &a, &b, 80, 1000, 6 }, base = t;
    uint32_t h = naru_hash_flow(&key, &t);
    assert_int_equal(h, naru_hash_flow(&key, &base));
    assert_int_not_equal(h, naru_hash_flow(&key2, &t));
    t.local = &b, t.remote = &a;
    assert_int_not_equal(h, naru_hash_flow(&key, &t));
    t = base, t.local_port = 1000, t.remote_port = 80;
    assert_int_not_equal(h, naru_hash_flow(&key, &t));
    t = base, t.extra = 17;
    assert_int_not_equal(h, naru_hash_flow(&key, &t));
    t = base, t.local = &c, t.remote = &d;
    uint32_t h6 = naru_hash_flow(&key, &t);
    assert_int_not_equal(h, h6);
    t.remote = &c;
    assert_int_not_equal(h6, naru_hash_flow(&key, &t));

    assert_int_not_equal(naru_hash_addr(&key, &a, 0), naru_hash_addr(&key, &b, 0));
    assert_int_not_equal(naru_hash_addr(&key, &a, 0), naru_hash_addr(&key, &a, 1));
    assert_int_not_equal(naru_hash_u64(&key, 0), naru_hash_u64(&key, 1));
    assert_true(naru_hash_bytes(&key, "ab", 2) != naru_hash_bytes(&key, "ba", 2));
    assert_true(naru_hash_bytes(&key, "a", 1) != naru_siphash(&key, "a", 1));
}

/* A million flows that differ as little as they can fall evenly into 1024 homes. */
static void flows_spread(void **state)
{
    (void)state;
    static unsigned seen[1024];
    struct naru_rand r;
    struct naru_siphash_key key;
    double chi = 0;

    naru_rand_init_u64(&r, 5);
    naru_siphash_key_init(&key, &r);
    memset(seen, 0, sizeof(seen));
    struct naru_addr local = naru_addr_v4(0x0a000001);
    for (uint32_t i = 0; i < 1U << 20; i++) {
        struct naru_addr remote = naru_addr_v4(0x0a000100 + (i >> 16));
        struct naru_hash_tuple t = { &local, &remote, 80, (uint16_t)i, 6 };
        seen[naru_hash_flow(&key, &t) & 1023]++;
    }
    for (unsigned i = 0; i < 1024; i++)
        chi += ((double)seen[i] - 1024) * ((double)seen[i] - 1024) / 1024;
    assert_true(chi > 850 && chi < 1220); /* 1023 degrees of freedom, about four deviations */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chacha20_block_of_rfc8439),     cmocka_unit_test(same_seed_same_numbers),
        cmocka_unit_test(below_is_uniform_and_in_range), cmocka_unit_test(siphash24_vectors),
        cmocka_unit_test(hashes_depend_on_every_part),   cmocka_unit_test(flows_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
