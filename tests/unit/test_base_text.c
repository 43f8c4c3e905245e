/*
 * Text, addresses and the rate limiter (base/text.h, base/addr.h, base/limiter.h).
 */
#include "base_test.h"

#include "base/addr.h"
#include "base/limiter.h"
#include "base/text.h"

static void text_is_cut_and_counted(void **state)
{
    (void)state;
    char buf[8];
    struct naru_text t;

    naru_text_init(&t, buf, sizeof(buf));
    assert_string_equal(buf, "");
    naru_text_str(&t, "abc");
    naru_text_char(&t, '-');
    naru_text_uint(&t, 123);
    assert_string_equal(buf, "abc-123");
    assert_false(naru_text_cut(&t));
    naru_text_str(&t, "4567");
    assert_string_equal(buf, "abc-123");
    assert_int_equal(t.len, 11);
    assert_true(naru_text_cut(&t));
    naru_text_init(&t, NULL, 0);
    naru_text_str(&t, "abc");
    assert_int_equal(t.len, 3);
}

static void numbers(void **state)
{
    (void)state;
    char buf[200];
    struct naru_text t;

    naru_text_init(&t, buf, sizeof(buf));
    naru_text_uint(&t, 0);
    naru_text_char(&t, ' ');
    naru_text_uint(&t, UINT64_MAX);
    naru_text_char(&t, ' ');
    naru_text_int(&t, INT64_MIN);
    naru_text_char(&t, ' ');
    naru_text_int(&t, 42);
    naru_text_char(&t, ' ');
    naru_text_hex(&t, 0xbeef, 6);
    naru_text_char(&t, ' ');
    naru_text_hex(&t, 0, 1);
    naru_text_char(&t, ' ');
    naru_text_uint_pad(&t, 7, 3);
    naru_text_char(&t, ' ');
    naru_text_time(&t, NARU_MS(1250));
    naru_text_char(&t, ' ');
    naru_text_time(&t, -NARU_US(5));
    naru_text_char(&t, ' ');
    naru_text_mac(&t, (const uint8_t[6]){ 2, 0, 0xab, 0, 0, 1 });
    assert_string_equal(buf, "0 18446744073709551615 -9223372036854775808 42 00beef 0 007 "
                             "1.250000 -0.000005 02:00:ab:00:00:01");
}

/* The text, what it is written as again, NULL if it is not an address. */
static const struct {
    const char *text, *again;
} addresses[] = {
    { "0.0.0.0", "0.0.0.0" },
    { "10.0.0.1", "10.0.0.1" },
    { "255.255.255.255", "255.255.255.255" },
    { "::", "::" },
    { "::1", "::1" },
    { "1::", "1::" },
    { "fe80::1", "fe80::1" },
    { "FE80::ABCD", "fe80::abcd" },
    { "2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1" },
    { "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
    { "2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
    { "1:0:0:2:0:0:0:3", "1:0:0:2::3" },
    { "0:0:0:0:0:0:0:0", "::" },
    { "1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0" },
    { "::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8" },
    { "::ffff:10.0.0.1", "10.0.0.1" },
    { "::ffff:a00:1", "10.0.0.1" },
    { "0:0:0:0:0:ffff:1.2.3.4", "1.2.3.4" },
    { "64:ff9b::192.0.2.33", "64:ff9b::c000:221" },
    { "::1.2.3.4", "::102:304" },
    { "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304" },
    { "", NULL },
    { "1", NULL },
    { "1.2.3", NULL },
    { "1.2.3.4.5", NULL },
    { "1.2.3.4 ", NULL },
    { " 1.2.3.4", NULL },
    { "01.2.3.4", NULL },
    { "1.2.3.04", NULL },
    { "0x1.2.3.4", NULL },
    { "256.1.1.1", NULL },
    { "1.1.1.99999999999", NULL },
    { "1..2.3", NULL },
    { "-1.2.3.4", NULL },
    { ":", NULL },
    { ":::", NULL },
    { "1:", NULL },
    { ":1", NULL },
    { "1:2:3:4:5:6:7", NULL },
    { "1:2:3:4:5:6:7:8:9", NULL },
    { "1:2:3:4:5:6:7:8::", NULL },
    { "::1:2:3:4:5:6:7:8", NULL },
    { "1:2:3:4:5:6:7:", NULL },
    { "1::2::3", NULL },
    { "1:::2", NULL },
    { "12345::", NULL },
    { "g::", NULL },
    { "1:2:3:4:5:6:7:1.2.3.4", NULL },
    { "::1.2.3", NULL },
    { "::1.2.3.4:5", NULL },
    { "1.2.3.4::", NULL },
    { "fe80::1%eth0", NULL },
    { "fe80::1/64", NULL },
};

static void addresses_of_all_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < NARU_ARRAY_LEN(addresses); i++) {
        struct naru_addr a, untouched;
        char buf[NARU_ADDR_TEXT_SIZE];
        memset(&a, 0x5a, sizeof(a));
        untouched = a;
        bool good = naru_addr_parse(addresses[i].text, &a);
        if (good != (addresses[i].again != NULL))
            fail_msg("\"%s\" is%s taken", addresses[i].text, good ? "" : " not");
        if (!good) {
            assert_memory_equal(&a, &untouched, sizeof(a));
            continue;
        }
        assert_int_equal(naru_addr_format(&a, buf, sizeof(buf)), strlen(addresses[i].again));
        assert_string_equal(buf, addresses[i].again);
    }
}

/* What is written is read again, for addresses with many zeroes in them. */
static void format_and_parse_are_inverse(void **state)
{
    (void)state;
    struct naru_rand r;

    naru_rand_init_u64(&r, 4);
    for (unsigned i = 0; i < 20000; i++) {
        struct naru_addr a, b;
        char buf[NARU_ADDR_TEXT_SIZE];
        naru_rand_fill(&r, a.b, 16);
        uint32_t zeroes = naru_rand_u32(&r);
        for (unsigned n = 0; n < 16; n++) {
            if ((zeroes >> n & 1) != 0)
                a.b[n] = 0;
        }
        assert_true(naru_addr_format(&a, buf, sizeof(buf)) < sizeof(buf));
        assert_true(naru_addr_parse(buf, &b));
        assert_true(naru_addr_eq(&a, &b));
    }
}

static void prefixes_in_text(void **state)
{
    (void)state;
    struct naru_addr a;
    unsigned len = 999;

    assert_true(naru_addr_parse_prefix("10.0.0.1/24", &a, &len));
    assert_int_equal(len, 24);
    assert_true(naru_addr_parse_prefix("0.0.0.0/0", &a, &len));
    assert_int_equal(len, 0);
    assert_true(naru_addr_parse_prefix("fd00::1/128", &a, &len));
    assert_int_equal(len, 128);
    assert_true(naru_addr_parse_prefix("::ffff:10.0.0.0/104", &a, &len));
    assert_int_equal(len, 8);
    const char *bad[] = { "10.0.0.1",    "10.0.0.1/",    "10.0.0.1/33",      "fd00::/129",
                          "10.0.0.1/-1", "10.0.0.1/024", "10.0.0.1/24x",     "/24",
                          "fd00::/",     "10.0.0.1 /24", "::ffff:1.2.3.4/95" };
    for (size_t i = 0; i < NARU_ARRAY_LEN(bad); i++) {
        if (naru_addr_parse_prefix(bad[i], &a, &len))
            fail_msg("\"%s\" is taken", bad[i]);
    }
    assert_int_equal(len, 8);
}

static struct naru_addr addr(const char *text)
{
    struct naru_addr a;
    assert_true(naru_addr_parse(text, &a));
    return a;
}

static bool in_prefix(const char *a, const char *prefix, unsigned len)
{
    struct naru_addr x = addr(a), y = addr(prefix);
    return naru_addr_in_prefix(&x, &y, len);
}

static void kinds_of_addresses(void **state)
{
    (void)state;
    const char *const names[] = { "0.0.0.0",   "127.9.9.9",       "10.0.0.1",    "224.0.0.1",
                                  "239.1.1.1", "255.255.255.255", "169.254.3.4", "::",
                                  "::1",       "fe80::1",         "febf::1",     "ff02::1",
                                  "ff05::1",   "2001:db8::1" };
    /* v4, unspecified, loopback, multicast, limited broadcast, link-local, link multicast */
    const char *const want[] = { "vu", "vl", "v", "vmM", "vm", "vb", "vk",
                                 "u",  "l",  "k", "k",   "mM", "m",  "" };
    for (size_t i = 0; i < NARU_ARRAY_LEN(names); i++) {
        struct naru_addr a = addr(names[i]);
        char got[10];
        struct naru_text t;
        naru_text_init(&t, got, sizeof(got));
        naru_text_str(&t, naru_addr_is_v4(&a) ? "v" : "");
        naru_text_str(&t, naru_addr_is_unspecified(&a) ? "u" : "");
        naru_text_str(&t, naru_addr_is_loopback(&a) ? "l" : "");
        naru_text_str(&t, naru_addr_is_multicast(&a) ? "m" : "");
        naru_text_str(&t, naru_addr_is_limited_broadcast(&a) ? "b" : "");
        naru_text_str(&t, naru_addr_is_link_local(&a) ? "k" : "");
        naru_text_str(&t, naru_addr_is_link_multicast(&a) ? "M" : "");
        if (strcmp(got, want[i]) != 0)
            fail_msg("%s: %s, not %s", names[i], got, want[i]);
    }
    struct naru_addr a = addr("1.2.3.4"), b = naru_addr_v4(0x01020304);
    assert_true(naru_addr_eq(&a, &b));
    assert_int_equal(naru_addr_v4_bits(&a), 0x01020304);
    assert_int_equal(naru_addr_family(&a), NARU_IPV4);
    b = naru_addr_from16(a.b);
    assert_true(naru_addr_eq(&a, &b));
}

static void prefix_arithmetic(void **state)
{
    (void)state;
    assert_true(in_prefix("10.0.1.77", "10.0.0.0", 23));
    assert_false(in_prefix("10.0.2.77", "10.0.0.0", 23));
    assert_true(in_prefix("1.2.3.4", "0.0.0.0", 0));
    assert_false(in_prefix("1.2.3.4", "::", 0)); /* the other family */
    assert_false(in_prefix("::1", "0.0.0.0", 0));
    assert_true(in_prefix("fd00::1:2", "fd00::1:0", 112));
    assert_false(in_prefix("fd00::1:2", "fd00::1:3", 128));

    struct naru_addr a = addr("10.1.2.3"), net = naru_addr_network(&a, 20);
    struct naru_addr all = naru_addr_broadcast(&a, 20), want = addr("10.1.0.0");
    assert_true(naru_addr_eq(&net, &want));
    want = addr("10.1.15.255");
    assert_true(naru_addr_eq(&all, &want));
    a = addr("fd00:1:2:3:4::5");
    net = naru_addr_network(&a, 63);
    want = addr("fd00:1:2:2::");
    assert_true(naru_addr_eq(&net, &want));
    net = naru_addr_network(&a, 128);
    assert_true(naru_addr_eq(&net, &a));
    net = naru_addr_network(&a, 0);
    assert_true(naru_addr_is_zero(&net));
    assert_int_equal(naru_addr_common_len(&a, &a), 128);
    want = addr("fd00:1:2:3:4::4");
    assert_int_equal(naru_addr_common_len(&a, &want), 127);
    want = addr("7d00::");
    assert_int_equal(naru_addr_common_len(&a, &want), 0);
}

static void endpoints(void **state)
{
    (void)state;
    char buf[64];
    struct naru_text t;
    struct naru_endpoint e = { .addr = addr("10.0.0.1"), .port = 80 };

    naru_text_init(&t, buf, sizeof(buf));
    naru_text_endpoint(&t, &e);
    naru_text_char(&t, ' ');
    e = (struct naru_endpoint){ .addr = addr("fe80::1"), .port = 65535 };
    naru_text_endpoint(&t, &e);
    assert_string_equal(buf, "10.0.0.1:80 [fe80::1]:65535");
}

static void every_error_has_a_text(void **state)
{
    (void)state;
    for (int err = NARU_ERR_PROTO; err < 0; err++) {
        for (int other = NARU_ERR_PROTO; other < err; other++)
            assert_string_not_equal(naru_err_text(err), naru_err_text(other));
        assert_string_not_equal(naru_err_text(err), "unknown error");
    }
    assert_string_equal(naru_err_text(0), "success");
    assert_string_equal(naru_err_text(NARU_ERR_PROTO - 1), "unknown error");
    assert_string_equal(naru_err_text(INT32_MIN), "unknown error");
}

static void limiter_gives_burst_then_rate(void **state)
{
    (void)state;
    struct naru_limiter l;
    unsigned allowed = 0;

    naru_limiter_init(&l, 10, 3);
    for (unsigned i = 0; i < 10; i++)
        allowed += naru_limiter_allow(&l, 0);
    assert_int_equal(allowed, 3);
    assert_false(naru_limiter_allow(&l, NARU_MS(100) - 1));
    assert_true(naru_limiter_allow(&l, NARU_MS(100)));
    assert_false(naru_limiter_allow(&l, NARU_MS(100)));
    allowed = 0;
    for (naru_time now = NARU_SEC(10); now < NARU_SEC(20); now += NARU_MS(1))
        allowed += naru_limiter_allow(&l, now);
    assert_int_equal(allowed, 102); /* ten seconds at ten, and the bucket was full: two more */
    naru_limiter_init(&l, 0, 5);
    assert_false(naru_limiter_allow(&l, NARU_SEC(1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_cut_and_counted), cmocka_unit_test(numbers),
        cmocka_unit_test(addresses_of_all_forms),  cmocka_unit_test(format_and_parse_are_inverse),
        cmocka_unit_test(prefixes_in_text),        cmocka_unit_test(kinds_of_addresses),
        cmocka_unit_test(prefix_arithmetic),       cmocka_unit_test(endpoints),
        cmocka_unit_test(every_error_has_a_text),  cmocka_unit_test(limiter_gives_burst_then_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
