/* Cookies of Fast Open: the formula, the keys, the cache. */
#include "unit/proto_test.h"

#include "proto/fastopen.h"

static struct naru_addr v6(const char *text)
{
    struct naru_addr a;
    assert_true(naru_addr_parse(text, &a));
    return a;
}

static struct naru_fastopen_keys keys_of(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    uint8_t bytes[16];
    struct naru_fastopen_keys keys;
    memset(bytes, a, 4);
    memset(bytes + 4, b, 4);
    memset(bytes + 8, c, 4);
    memset(bytes + 12, d, 4);
    assert_true(naru_fastopen_keys_set(&keys, bytes, sizeof(bytes)));
    return keys;
}

/* What Linux makes with net.ipv4.tcp_fastopen_key = a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4. */
static void the_formula_is_linuxs(void **state)
{
    (void)state;
    static const uint8_t want4[] = { 0x30, 0x21, 0xb9, 0xd8, 0x89, 0x01, 0x7e, 0xeb };
    static const uint8_t want6[] = { 0xc1, 0xd1, 0xe9, 0x74, 0x2a, 0x47, 0xa9, 0xbc };
    struct naru_fastopen_keys keys = keys_of(0xa1, 0xb2, 0xc3, 0xd4);
    struct naru_addr client = naru_addr_v4(0xc0000201), server = naru_addr_v4(0xc0a80001);
    uint8_t got[8];
    naru_fastopen_cookie(&keys, &client, &server, got);
    assert_memory_equal(got, want4, sizeof(got));
    client = v6("fd3d:fa7b:d17d::1");
    server = v6("fd3d:a0b:17d6::1");
    naru_fastopen_cookie(&keys, &client, &server, got);
    assert_memory_equal(got, want6, sizeof(got));
}

/* Another client, another server, another length, another key: another cookie. */
static void forged_cookies(void **state)
{
    (void)state;
    struct naru_fastopen_keys keys = keys_of(1, 2, 3, 4), other = keys_of(5, 6, 7, 8);
    struct naru_addr a = naru_addr_v4(1), b = naru_addr_v4(2), c = naru_addr_v4(3);
    uint8_t cookie[8];
    naru_fastopen_cookie(&keys, &a, &b, cookie);
    assert_int_equal(naru_fastopen_check(&keys, &a, &b, cookie, 8), NARU_FASTOPEN_GOOD);
    assert_int_equal(naru_fastopen_check(&keys, &c, &b, cookie, 8), NARU_FASTOPEN_BAD);
    assert_int_equal(naru_fastopen_check(&keys, &a, &c, cookie, 8), NARU_FASTOPEN_BAD);
    assert_int_equal(naru_fastopen_check(&other, &a, &b, cookie, 8), NARU_FASTOPEN_BAD);
    assert_int_equal(naru_fastopen_check(&keys, &a, &b, cookie, 4), NARU_FASTOPEN_BAD);
    assert_int_equal(naru_fastopen_check(&keys, &a, &b, cookie, 0), NARU_FASTOPEN_BAD);
    cookie[7] ^= 1;
    assert_int_equal(naru_fastopen_check(&keys, &a, &b, cookie, 8), NARU_FASTOPEN_BAD);
}

static void keys_can_be_changed(void **state)
{
    (void)state;
    uint8_t bytes[32], got[32], cookie[8];
    struct naru_fastopen_keys old, both;
    struct naru_addr a = naru_addr_v4(1), b = naru_addr_v4(2);
    for (unsigned i = 0; i < 32; i++)
        bytes[i] = (uint8_t)i;
    assert_true(naru_fastopen_keys_set(&old, bytes + 16, 16));
    assert_true(naru_fastopen_keys_set(&both, bytes, 32));
    assert_false(naru_fastopen_keys_set(&both, bytes, 15));
    assert_int_equal(naru_fastopen_keys_get(&both, got), 32);
    assert_memory_equal(got, bytes, 32);
    naru_fastopen_cookie(&old, &a, &b, cookie);
    assert_int_equal(naru_fastopen_check(&both, &a, &b, cookie, 8), NARU_FASTOPEN_OLD);
    naru_fastopen_cookie(&both, &a, &b, cookie);
    assert_int_equal(naru_fastopen_check(&both, &a, &b, cookie, 8), NARU_FASTOPEN_GOOD);
    assert_int_equal(naru_fastopen_check(&old, &a, &b, cookie, 8), NARU_FASTOPEN_BAD);
}

static void the_cache_is_bounded(void **state)
{
    (void)state;
    static struct naru_fastopen_cache cache;
    struct naru_addr local = naru_addr_v4(1), first = naru_addr_v4(100), second = naru_addr_v4(101);
    struct naru_fastopen_news news = { .cookie = (const uint8_t *)"12345678", .cookie_len = 8 };
    naru_time now = 1;
    for (uint32_t i = 0; i < NARU_FASTOPEN_CACHE; i++) {
        struct naru_addr remote = naru_addr_v4(100 + i);
        naru_fastopen_learn(&cache, &local, &remote, &news, ++now);
    }
    assert_non_null(naru_fastopen_find(&cache, &local, &first, ++now));
    struct naru_addr one_more = naru_addr_v4(5);
    naru_fastopen_learn(&cache, &local, &one_more, &news, ++now);
    assert_non_null(naru_fastopen_find(&cache, &local, &first, now)); /* it was used */
    assert_null(naru_fastopen_find(&cache, &local, &second, now));
    assert_null(
        naru_fastopen_find(&cache, &second, &first, now)); /* from another address of ours */
}

/* 4.1.3.1: doubled with each loss, forgiven by the first success. */
static void bad_paths_are_left_alone(void **state)
{
    (void)state;
    static struct naru_fastopen_cache cache;
    struct naru_addr local = naru_addr_v4(1), remote = naru_addr_v4(2);
    struct naru_fastopen_news lost = { .lost = true }, good = { .mss = 1000 };
    naru_time now = NARU_SEC(1000);
    naru_fastopen_learn(&cache, &local, &remote, &lost, now);
    struct naru_fastopen_entry *e = naru_fastopen_find(&cache, &local, &remote, now);
    assert_false(naru_fastopen_avoided(e, now));
    naru_fastopen_learn(&cache, &local, &remote, &lost, now);
    assert_true(naru_fastopen_avoided(e, now + NARU_SEC(239)));
    assert_false(naru_fastopen_avoided(e, now + NARU_SEC(240)));
    naru_fastopen_learn(&cache, &local, &remote, &lost, now);
    assert_true(naru_fastopen_avoided(e, now + NARU_SEC(479)));
    for (unsigned i = 0; i < 100; i++)
        naru_fastopen_learn(&cache, &local, &remote, &lost, now);
    assert_false(naru_fastopen_avoided(e, now + NARU_SEC(60 << 10)));
    naru_fastopen_learn(&cache, &local, &remote, &good, now);
    assert_false(naru_fastopen_avoided(e, now));
    assert_int_equal(e->mss, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_formula_is_linuxs),    cmocka_unit_test(forged_cookies),
        cmocka_unit_test(keys_can_be_changed),      cmocka_unit_test(the_cache_is_bounded),
        cmocka_unit_test(bad_paths_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
