/*
 * Neighbor Discovery messages and options (wire/nd.h).
 */
#include "wire_test.h"

#include "wire/nd.h"

enum { SEEDS = 1000 };

/* Checks the ICMPv6 part; o->payload then holds the message's own part. */
static void open_nd(const char *name, uint8_t type, struct opened *o)
{
    struct naru_icmpv6_hdr h;
    frame_open(name, o);
    assert_true(naru_icmpv6_checksum_ok(&o->src, &o->dst, o->payload.at, o->payload.len));
    assert_int_equal(naru_icmpv6_parse(&o->payload, &h), NARU_DROP_NONE);
    assert_int_equal(h.type, type);
    assert_int_equal(o->ip6.hop_limit, 255);
}

/* The message that was built is the one of the frame, but for the checksum. */
static void assert_message(const struct opened *o, uint8_t *built, size_t len)
{
    naru_icmpv6_checksum_set(&o->src, &o->dst, built, len);
    assert_int_equal(len, o->ip6.payload_len);
    assert_memory_equal(built, o->packet + NARU_IPV6_LEN, len);
}

static void solicitation(void **state)
{
    (void)state;
    struct opened o;
    struct naru_nd_ns m;
    struct naru_nd_options opts;
    uint8_t out[64];
    open_nd("ns", NARU_ICMPV6_NS, &o);
    assert_int_equal(naru_nd_ns_parse(&o.payload, &m), NARU_DROP_NONE);
    assert_addr(&m.target, "fe80::2");
    assert_int_equal(naru_nd_options_parse(o.payload, &opts), NARU_DROP_NONE);
    assert_memory_equal(opts.slla, "\2\0\0\0\0\1", 6);
    assert_null(opts.tlla);
    assert_null(opts.nonce);

    size_t len = naru_nd_ns_emit(out, &m);
    len += naru_nd_lladdr_emit(out + len, NARU_ND_OPT_SLLA, opts.slla);
    assert_message(&o, out, len);
    frame_close(&o);
}

static void advertisement(void **state)
{
    (void)state;
    struct opened o;
    struct naru_nd_na m;
    struct naru_nd_options opts;
    uint8_t out[64];
    open_nd("na", NARU_ICMPV6_NA, &o);
    assert_int_equal(naru_nd_na_parse(&o.payload, &m), NARU_DROP_NONE);
    assert_addr(&m.target, "fe80::2");
    assert_true(m.router && m.solicited && m.override);
    assert_int_equal(naru_nd_options_parse(o.payload, &opts), NARU_DROP_NONE);
    assert_memory_equal(opts.tlla, "\2\0\0\0\0\2", 6);

    size_t len = naru_nd_na_emit(out, &m);
    len += naru_nd_lladdr_emit(out + len, NARU_ND_OPT_TLLA, opts.tlla);
    assert_message(&o, out, len);
    frame_close(&o);
}

static void router_solicitation(void **state)
{
    (void)state;
    struct opened o;
    uint8_t out[64];
    open_nd("rs", NARU_ICMPV6_RS, &o);
    assert_int_equal(naru_nd_rs_parse(&o.payload), NARU_DROP_NONE);
    assert_int_equal(o.payload.len, NARU_ND_LLADDR_LEN);
    size_t len = naru_nd_rs_emit(out);
    len += naru_nd_lladdr_emit(out + len, NARU_ND_OPT_SLLA, o.eth.src);
    assert_message(&o, out, len);
    frame_close(&o);
}

static void prefix_check(const struct naru_nd_prefix *p)
{
    assert_addr(&p->prefix, "fd00:1::");
    assert_int_equal(p->prefix_len, 64);
    assert_true(p->on_link && p->autonomous);
    assert_int_equal(p->valid_s, 86400);
    assert_int_equal(p->preferred_s, 14400);
}

static void router_advertisement(void **state)
{
    (void)state;
    struct opened o;
    struct naru_nd_ra m;
    struct naru_nd_options opts;
    struct naru_nd_option one;
    struct naru_nd_prefix prefix;
    struct naru_nd_rdnss rdnss;
    struct naru_addr dns[2];
    unsigned prefixes = 0, resolvers = 0;
    uint8_t out[256];
    open_nd("ra", NARU_ICMPV6_RA, &o);
    assert_int_equal(naru_nd_ra_parse(&o.payload, &m), NARU_DROP_NONE);
    assert_int_equal(m.hop_limit, 64);
    assert_true(!m.managed && m.other);
    assert_int_equal(m.lifetime_s, 1800);
    assert_int_equal(m.reachable_ms, 30000);
    assert_int_equal(m.retrans_ms, 1000);
    assert_int_equal(naru_nd_options_parse(o.payload, &opts), NARU_DROP_NONE);
    assert_int_equal(opts.mtu, 1500);
    while (naru_nd_option_next(&o.payload, &one)) {
        if (naru_nd_prefix_parse(&one, &prefix)) {
            prefix_check(&prefix);
            prefixes++;
        }
        if (naru_nd_rdnss_parse(&one, &rdnss)) {
            assert_int_equal(rdnss.lifetime_s, 600);
            assert_int_equal(rdnss.count, 2);
            dns[0] = naru_nd_rdnss_get(&rdnss, 0);
            dns[1] = naru_nd_rdnss_get(&rdnss, 1);
            resolvers++;
        }
    }
    assert_int_equal(prefixes, 1);
    assert_int_equal(resolvers, 1);
    assert_addr(&dns[0], "fd00::53");
    assert_addr(&dns[1], "fd00::54");

    size_t len = naru_nd_ra_emit(out, &m);
    len += naru_nd_lladdr_emit(out + len, NARU_ND_OPT_SLLA, opts.slla);
    len += naru_nd_mtu_emit(out + len, opts.mtu);
    len += naru_nd_prefix_emit(out + len, &prefix);
    len += naru_nd_rdnss_emit(out + len, 600, dns, 2);
    assert_message(&o, out, len);
    frame_close(&o);
}

static void redirect(void **state)
{
    (void)state;
    struct opened o;
    struct naru_nd_redirect m;
    struct naru_nd_options opts;
    uint8_t out[256];
    open_nd("redir6", NARU_ICMPV6_REDIRECT, &o);
    assert_int_equal(naru_nd_redirect_parse(&o.payload, &m), NARU_DROP_NONE);
    assert_addr(&m.target, "fe80::2");
    assert_addr(&m.destination, "fd00::9");
    assert_int_equal(naru_nd_options_parse(o.payload, &opts), NARU_DROP_NONE);
    assert_non_null(opts.tlla);
    assert_int_equal(opts.redirected.len, 56);
    assert_int_equal(opts.redirected.at[0] >> 4, 6);

    size_t len = naru_nd_redirect_emit(out, &m);
    len += naru_nd_lladdr_emit(out + len, NARU_ND_OPT_TLLA, opts.tlla);
    len += naru_nd_redirected_emit(out + len, opts.redirected.at, opts.redirected.len);
    assert_message(&o, out, len);
    frame_close(&o);
}

static void targets_are_one_ipv6_address(void **state)
{
    (void)state;
    static const char *const bad[] = { "ff02::1", "10.0.0.1" /* ::ffff:10.0.0.1 on the wire */ };
    for (size_t i = 0; i < 2; i++) {
        struct naru_nd_ns ns = { .target = addr(bad[i]) };
        struct naru_nd_na na = { .target = addr(bad[i]) };
        struct naru_nd_redirect rd = { .target = addr(bad[i]), .destination = addr("fd00::1") };
        uint8_t out[NARU_ND_REDIRECT_LEN];
        struct naru_span in = naru_span(out + 4, naru_nd_ns_emit(out, &ns) - 4);
        assert_int_equal(naru_nd_ns_parse(&in, &ns), NARU_DROP_ND_INVALID);
        in = naru_span(out + 4, naru_nd_na_emit(out, &na) - 4);
        assert_int_equal(naru_nd_na_parse(&in, &na), NARU_DROP_ND_INVALID);
        in = naru_span(out + 4, naru_nd_redirect_emit(out, &rd) - 4);
        assert_int_equal(naru_nd_redirect_parse(&in, &rd), NARU_DROP_ND_INVALID);
    }
}

static void short_messages(void **state)
{
    (void)state;
    static const uint8_t zeros[36];
    struct naru_nd_ra ra;
    struct naru_nd_ns ns;
    struct naru_nd_na na;
    struct naru_nd_redirect rd;
    for (size_t cut = 0; cut < sizeof(zeros); cut++) {
        uint8_t *copy = exact(zeros, cut);
        struct naru_span in = naru_span(copy, cut);
        assert_int_equal(naru_nd_rs_parse(&in) == NARU_DROP_ND_SHORT, cut < 4);
        in = naru_span(copy, cut);
        assert_int_equal(naru_nd_ra_parse(&in, &ra) == NARU_DROP_ND_SHORT, cut < 12);
        in = naru_span(copy, cut);
        assert_int_equal(naru_nd_ns_parse(&in, &ns) == NARU_DROP_ND_SHORT, cut < 20);
        in = naru_span(copy, cut);
        assert_int_equal(naru_nd_na_parse(&in, &na) == NARU_DROP_ND_SHORT, cut < 20);
        in = naru_span(copy, cut);
        assert_int_equal(naru_nd_redirect_parse(&in, &rd), NARU_DROP_ND_SHORT);
        free(copy);
    }
}

/* ---- Options ---- */

static enum naru_drop options(const void *bytes, size_t len, struct naru_nd_options *o)
{
    uint8_t *copy = exact(bytes, len);
    enum naru_drop drop = naru_nd_options_parse(naru_span(copy, len), o);
    free(copy);
    return drop;
}

static void options_that_end_the_message(void **state)
{
    (void)state;
    struct naru_nd_options o;
    uint8_t good[16] = { NARU_ND_OPT_SLLA, 1, 2, 0, 0, 0, 0, 1, 200, 1 };
    assert_int_equal(options(good, sizeof(good), &o), NARU_DROP_NONE); /* 200: ignored */
    for (size_t cut = 1; cut < sizeof(good); cut++)
        assert_int_equal(options(good, cut, &o), cut == 8 ? NARU_DROP_NONE : NARU_DROP_ND_OPTION);
    good[9] = 0; /* a length of zero would go round for ever */
    assert_int_equal(options(good, sizeof(good), &o), NARU_DROP_ND_OPTION);
    good[9] = 2;
    assert_int_equal(options(good, sizeof(good), &o), NARU_DROP_ND_OPTION);

    uint8_t many[8 * (NARU_ND_OPTIONS_MAX + 1)];
    for (size_t i = 0; i < sizeof(many); i += 8)
        memcpy(many + i, "\xc8\1\0\0\0\0\0\0", 8);
    assert_int_equal(options(many, sizeof(many) - 8, &o), NARU_DROP_NONE);
    assert_int_equal(options(many, sizeof(many), &o), NARU_DROP_ND_OPTION);
}

static void options_of_a_wrong_size_are_ignored(void **state)
{
    (void)state;
    struct naru_nd_options o;
    uint8_t bytes[32] = { NARU_ND_OPT_SLLA, 2, 1, [16] = NARU_ND_OPT_MTU, 2, 0, 0, 0, 0, 5 };
    assert_int_equal(options(bytes, sizeof(bytes), &o), NARU_DROP_NONE);
    assert_null(o.slla);
    assert_int_equal(o.mtu, 0);

    uint8_t data[30] = { 129 };
    struct naru_nd_prefix p;
    struct naru_nd_rdnss r;
    struct naru_nd_option one = { NARU_ND_OPT_PREFIX, naru_span(data, sizeof(data)) };
    assert_false(naru_nd_prefix_parse(&one, &p)); /* 129 bits */
    data[0] = 128;
    assert_true(naru_nd_prefix_parse(&one, &p));
    one.data.len = 22;
    assert_false(naru_nd_prefix_parse(&one, &p));
    one.type = NARU_ND_OPT_RDNSS;
    assert_true(naru_nd_rdnss_parse(&one, &r));
    one.data.len = 30;
    assert_false(naru_nd_rdnss_parse(&one, &r)); /* one address and a half */
    one.data.len = 6;
    assert_false(naru_nd_rdnss_parse(&one, &r)); /* none */
}

/* Names are labels up to a 0, one behind the other, zeros behind the last; what is no name ends the
 * list, what could harm whoever uses it is passed over (V6-8106-5-1). */
static void search_lists(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        const char *wanted;
    } rows[] = {
        { "\7example\3org\0\3lab\0\0\0\0\0\0\0", 24, "example.org lab " },
        { "\3lab\0\0\0\0\0\0\0\0\0\0\0\0", 16, "lab " },
        { "\3lab", 4, "" },              /* no end */
        { "\3lab\0\77ab", 8, "lab " },   /* a label beyond the end */
        { "\300\0\0\0\0\0\0\0", 8, "" }, /* a pointer */
        { "\3l\nb\0\2ok\0", 9, "ok " },
        { "\3a.b\0\2ok\0", 9, "ok " },
        { "\0\0\0\0\0\0\0\0", 8, "" },
    };
    for (unsigned i = 0; i < NARU_ARRAY_LEN(rows); i++) {
        char got[256] = "", name[NARU_ND_DOMAIN_SIZE];
        struct naru_nd_dnssl d = { .names =
                                       naru_span((const uint8_t *)rows[i].bytes, rows[i].len) };
        while (naru_nd_dnssl_next(&d, name)) {
            size_t len = strlen(got);
            snprintf(got + len, sizeof(got) - len, "%s ", name);
        }
        assert_string_equal(got, rows[i].wanted);
    }

    /* What is written can be read, and its length is a multiple of 8. */
    uint8_t out[300];
    char name[NARU_ND_DOMAIN_SIZE];
    size_t len = naru_nd_dnssl_emit(out, 77, "a.example.org");
    struct naru_span all = naru_span(out, len);
    struct naru_nd_option one;
    struct naru_nd_dnssl d;
    assert_int_equal(len, 24);
    assert_true(naru_nd_option_next(&all, &one));
    assert_true(naru_nd_dnssl_parse(&one, &d));
    assert_int_equal(d.lifetime_s, 77);
    assert_true(naru_nd_dnssl_next(&d, name));
    assert_string_equal(name, "a.example.org");
    assert_false(naru_nd_dnssl_next(&d, name));
    one.data.len = 12;
    assert_false(naru_nd_dnssl_parse(&one, &d));

    /* The longest there is, and one that is too long. */
    uint8_t big[300];
    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = i % 64 == 0 ? 63 : 'x';
    big[256] = 0;
    d.names = naru_span(big, 257);
    assert_false(naru_nd_dnssl_next(&d, name));
    big[192] = 61;
    big[254] = 0;
    d.names = naru_span(big, 255);
    assert_true(naru_nd_dnssl_next(&d, name));
    assert_int_equal(strlen(name), 253);
}

static void options_parse_undoes_emit_seed(uint64_t seed)
{
    struct naru_rand r;
    naru_rand_init_u64(&r, seed);
    uint8_t out[512], slla[6], tlla[6], nonce[6], packet[80];
    rand_bytes(&r, slla, 6);
    rand_bytes(&r, tlla, 6);
    rand_bytes(&r, nonce, 6);
    rand_bytes(&r, packet, sizeof(packet));
    uint32_t mtu = rand32(&r) | 1;
    size_t quoted = naru_rand_below(&r, 11) * 8;
    struct naru_nd_prefix got, p = {
        .prefix = rand_addr6(&r),
        .prefix_len = (uint8_t)naru_rand_below(&r, 129),
        .on_link = rand_bool(&r),
        .autonomous = rand_bool(&r),
        .valid_s = rand32(&r),
        .preferred_s = rand32(&r),
    };
    size_t len = naru_nd_lladdr_emit(out, NARU_ND_OPT_SLLA, slla);
    len += naru_nd_lladdr_emit(out + len, NARU_ND_OPT_TLLA, tlla);
    len += naru_nd_nonce_emit(out + len, nonce);
    len += naru_nd_mtu_emit(out + len, mtu);
    size_t prefix_at = len;
    len += naru_nd_prefix_emit(out + len, &p);
    len += naru_nd_redirected_emit(out + len, packet, quoted);

    struct naru_nd_options o;
    struct naru_nd_option one;
    struct naru_span in = naru_span(out, len), rest = naru_span(out + prefix_at, len - prefix_at);
    SEED_CHECK(seed, naru_nd_options_parse(in, &o) == NARU_DROP_NONE);
    SEED_CHECK(seed, memcmp(o.slla, slla, 6) == 0 && memcmp(o.tlla, tlla, 6) == 0);
    SEED_CHECK(seed, memcmp(o.nonce, nonce, 6) == 0 && o.mtu == mtu);
    SEED_CHECK(seed, o.redirected.len == quoted && memcmp(o.redirected.at, packet, quoted) == 0);
    SEED_CHECK(seed, naru_nd_option_next(&rest, &one) && naru_nd_prefix_parse(&one, &got));
    SEED_CHECK(seed, naru_addr_eq(&got.prefix, &p.prefix) && got.prefix_len == p.prefix_len);
    SEED_CHECK(seed, got.on_link == p.on_link && got.autonomous == p.autonomous);
    SEED_CHECK(seed, got.valid_s == p.valid_s && got.preferred_s == p.preferred_s);
}

static void options_parse_undoes_emit(void **state)
{
    (void)state;
    for_each_seed(SEEDS, options_parse_undoes_emit_seed);
}

static void options_survive_garbage_seed(uint64_t seed)
{
    struct naru_rand r;
    struct naru_nd_options o;
    naru_rand_init_u64(&r, seed);
    uint8_t bytes[160];
    size_t len = naru_rand_below(&r, sizeof(bytes));
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(rand_bool(&r) ? naru_rand_below(&r, 6) : rand32(&r));
    if (rand_bool(&r))
        len &= ~(size_t)7;
    options(bytes, len, &o);
}

static void options_survive_garbage(void **state)
{
    (void)state;
    for_each_seed(20000, options_survive_garbage_seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(solicitation),
        cmocka_unit_test(advertisement),
        cmocka_unit_test(router_solicitation),
        cmocka_unit_test(router_advertisement),
        cmocka_unit_test(redirect),
        cmocka_unit_test(targets_are_one_ipv6_address),
        cmocka_unit_test(short_messages),
        cmocka_unit_test(options_that_end_the_message),
        cmocka_unit_test(options_of_a_wrong_size_are_ignored),
        cmocka_unit_test(search_lists),
        cmocka_unit_test(options_parse_undoes_emit),
        cmocka_unit_test(options_survive_garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
