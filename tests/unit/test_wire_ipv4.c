/*
 * IPv4 headers and options (wire/ipv4.h).
 */
#include "wire_test.h"

enum { SEEDS = 1000 };

static void golden(void **state)
{
    (void)state;
    struct opened o;
    uint8_t out[NARU_IPV4_LEN_MAX];
    frame_open("tcp_syn", &o);
    assert_addr(&o.ip4.src, "10.0.2.100");
    assert_addr(&o.ip4.dst, "10.0.2.2");
    assert_int_equal(o.ip4.total_len, 60);
    assert_int_equal(o.ip4.ident, 1);
    assert_true(o.ip4.df && !o.ip4.mf && !naru_ipv4_is_fragment(&o.ip4));
    assert_int_equal(o.ip4.ttl, 64);
    assert_int_equal(o.ip4.protocol, NARU_PROTO_TCP);
    assert_int_equal(o.payload.len, 40);
    assert_int_equal(naru_ipv4_emit(out, &o.ip4), NARU_IPV4_LEN);
    assert_memory_equal(out, o.packet, NARU_IPV4_LEN);
    frame_close(&o);
}

static void every_golden_is_emitted_as_it_was(void **state)
{
    (void)state;
    for (size_t i = 0; i < NARU_ARRAY_LEN(wire_frames); i++) {
        uint8_t out[NARU_IPV4_LEN_MAX];
        size_t len;
        uint8_t *frame = unhex(wire_frames[i].hex, &len);
        bool ipv4 = naru_get16(frame + 12) == NARU_ETHERTYPE_IPV4;
        free(frame);
        if (!ipv4)
            continue;
        struct opened o;
        frame_open(wire_frames[i].name, &o);
        assert_int_equal(naru_ipv4_emit(out, &o.ip4), o.ip4.header_len);
        assert_memory_equal(out, o.packet, o.ip4.header_len);
        frame_close(&o);
    }
}

static void padding_behind_total_length_is_cut(void **state)
{
    (void)state;
    struct opened o;
    frame_open("udp_pad", &o);
    assert_int_equal(o.ip4.total_len, 29);
    assert_int_equal(o.payload.len, 9);
    frame_close(&o);
}

static void fragments(void **state)
{
    (void)state;
    struct opened o;
    frame_open("frag4a", &o);
    assert_true(o.ip4.mf && naru_ipv4_is_fragment(&o.ip4));
    assert_int_equal(o.ip4.frag_offset, 0);
    frame_close(&o);
    frame_open("frag4b", &o);
    assert_true(!o.ip4.mf && naru_ipv4_is_fragment(&o.ip4));
    assert_int_equal(o.ip4.frag_offset, 1480);
    assert_int_equal(o.ip4.ident, 77);
    frame_close(&o);
}

static void bad_headers(void **state)
{
    (void)state;
    static const struct {
        unsigned at;
        uint8_t value;
        enum naru_drop drop;
    } cases[] = {
        { 0, 0x55, NARU_DROP_IPV4_VERSION },    { 0, 0x65, NARU_DROP_IPV4_VERSION },
        { 0, 0x44, NARU_DROP_IPV4_HEADER_LEN }, { 0, 0x40, NARU_DROP_IPV4_HEADER_LEN },
        { 0, 0x4f, NARU_DROP_IPV4_HEADER_LEN }, /* 60 bytes, and there are 33 */
        { 3, 19, NARU_DROP_IPV4_LENGTH },       { 3, 34, NARU_DROP_IPV4_LENGTH },
        { 2, 0xff, NARU_DROP_IPV4_LENGTH },
    };
    struct opened o;
    struct naru_ipv4_hdr h;
    frame_open("udp4", &o);
    size_t len = o.ip4.total_len;
    for (size_t i = 0; i < NARU_ARRAY_LEN(cases); i++) {
        uint8_t *copy = exact(o.packet, len);
        copy[cases[i].at] = cases[i].value;
        struct naru_span in = naru_span(copy, len);
        assert_int_equal(naru_ipv4_parse(&in, &h), cases[i].drop);
        free(copy);
    }
    frame_close(&o);
}

static void cut_anywhere(void **state)
{
    (void)state;
    struct opened o;
    frame_open("igmp_q3", &o);
    for (size_t cut = 0; cut < o.ip4.total_len; cut++) {
        struct naru_ipv4_hdr h;
        uint8_t *copy = exact(o.packet, cut);
        struct naru_span in = naru_span(copy, cut);
        enum naru_drop want = cut < 20   ? NARU_DROP_IPV4_SHORT
                              : cut < 24 ? NARU_DROP_IPV4_HEADER_LEN
                                         : NARU_DROP_IPV4_LENGTH;
        assert_int_equal(naru_ipv4_parse(&in, &h), want);
        in = naru_span(copy, cut);
        assert_int_equal(naru_ipv4_parse_quoted(&in, &h), cut < 24 ? want : NARU_DROP_NONE);
        free(copy);
    }
    frame_close(&o);
}

static void checksum_finds_every_single_bit(void **state)
{
    (void)state;
    struct opened o;
    frame_open("igmp_q3", &o);
    for (unsigned bit = 0; bit < 8U * o.ip4.header_len; bit++) {
        uint8_t *copy = exact(o.packet, o.ip4.header_len);
        copy[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_false(naru_ipv4_checksum_ok(copy, o.ip4.header_len));
        free(copy);
    }
    frame_close(&o);
}

static void patches_keep_the_checksum_right(void **state)
{
    (void)state;
    struct opened o;
    struct naru_ipv4_hdr h;
    frame_open("igmp_q3", &o);
    uint8_t *copy = exact(o.packet, o.len - NARU_ETH_LEN);
    copy[8] = 255;
    naru_ipv4_patch_len(copy, 40, 0xabcd);
    assert_true(naru_ipv4_checksum_ok(copy, 24));
    for (unsigned ttl = 255; ttl > 0; ttl--) {
        assert_int_equal(copy[8], ttl);
        naru_ipv4_patch_ttl(copy);
        assert_true(naru_ipv4_checksum_ok(copy, 24));
    }
    struct naru_span in = naru_span(copy, 40);
    assert_int_equal(naru_ipv4_parse(&in, &h), NARU_DROP_NONE);
    assert_int_equal(h.ident, 0xabcd);
    expect_assert_failure(naru_ipv4_patch_ttl(copy));
    free(copy);
    frame_close(&o);
}

static void parse_undoes_emit_seed(uint64_t seed)
{
    struct naru_rand r;
    naru_rand_init_u64(&r, seed);
    uint8_t options[NARU_IPV4_OPTIONS_MAX], bytes[NARU_IPV4_LEN_MAX];
    rand_bytes(&r, options, sizeof(options));
    struct naru_ipv4_hdr got, h = {
        .src = rand_addr4(&r),
        .dst = rand_addr4(&r),
        .ident = rand16(&r),
        .frag_offset = (uint16_t)(rand16(&r) & ~7U),
        .df = rand_bool(&r),
        .mf = rand_bool(&r),
        .tos = rand8(&r),
        .ttl = rand8(&r),
        .protocol = rand8(&r),
        .options = { options, naru_rand_below(&r, 11) * 4 },
    };
    size_t len = naru_ipv4_len(&h);
    h.total_len = (uint16_t)naru_rand_between(&r, (uint32_t)len, 1500);
    SEED_CHECK(seed, naru_ipv4_emit(bytes, &h) == len);
    SEED_CHECK(seed, naru_ipv4_checksum_ok(bytes, len));
    uint8_t *packet = exact("", 0);
    packet = realloc(packet, h.total_len);
    memset(packet, 0, h.total_len);
    memcpy(packet, bytes, len);
    struct naru_span in = naru_span(packet, h.total_len);
    SEED_CHECK(seed, naru_ipv4_parse(&in, &got) == NARU_DROP_NONE);
    SEED_CHECK(seed, in.at == packet + len && in.len == h.total_len - len);
    SEED_CHECK(seed, naru_addr_eq(&got.src, &h.src) && naru_addr_eq(&got.dst, &h.dst));
    SEED_CHECK(seed, got.total_len == h.total_len && got.ident == h.ident);
    SEED_CHECK(seed, got.frag_offset == h.frag_offset && got.df == h.df && got.mf == h.mf);
    SEED_CHECK(seed, got.tos == h.tos && got.ttl == h.ttl && got.protocol == h.protocol);
    SEED_CHECK(seed, got.header_len == len && got.options.len == h.options.len);
    SEED_CHECK(seed, memcmp(got.options.at, options, h.options.len) == 0);
    SEED_CHECK(seed, naru_tos_make(naru_tos_dscp(h.tos), naru_tos_ecn(h.tos)) == h.tos);
    free(packet);
}

static void parse_undoes_emit(void **state)
{
    (void)state;
    for_each_seed(SEEDS, parse_undoes_emit_seed);
}

/* ---- Options ---- */

static struct naru_ipv4_hdr with_options(const void *options, size_t len)
{
    return (struct naru_ipv4_hdr){ .options = naru_span(options, len) };
}

static void options_golden(void **state)
{
    (void)state;
    struct opened o;
    struct naru_ipv4_options opts;
    frame_open("ipopts", &o);
    assert_int_equal(naru_ipv4_options_parse(&o.ip4, &opts), NARU_DROP_NONE);
    assert_int_equal(opts.rr.len, 9);
    assert_null(opts.lsrr.at);
    assert_false(opts.router_alert);
    frame_close(&o);

    frame_open("igmp_r2", &o);
    assert_int_equal(naru_ipv4_options_parse(&o.ip4, &opts), NARU_DROP_NONE);
    assert_true(opts.router_alert);
    frame_close(&o);
}

static void options_recognised(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {
        1, 131, 7,   4, 10, 0,  0, 1, 68, 8, 5,  0,  0,  0,
        0, 0,   137, 7, 8,  10, 0, 0, 2,  0, 99, 99, 99, 99,
    };
    struct naru_ipv4_hdr h = with_options(bytes, sizeof(bytes));
    struct naru_ipv4_options o;
    assert_int_equal(naru_ipv4_options_parse(&h, &o), NARU_DROP_NONE);
    assert_ptr_equal(o.lsrr.at, bytes + 3);
    assert_int_equal(o.lsrr.len, 5);
    assert_ptr_equal(o.ts.at, bytes + 10);
    assert_ptr_equal(o.ssrr.at, bytes + 18); /* the pointer is beyond the end: all used */
    assert_null(o.rr.at);
}

static void options_problems_point_to_their_cause(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[12];
        size_t len;
        uint8_t problem; /* from the first byte of the IP header */
    } cases[] = {
        { { 7 }, 1, 20 },                                      /* no length */
        { { 1, 1, 7, 0 }, 4, 23 },                             /* length 0 */
        { { 7, 1, 4, 0 }, 4, 21 },                             /* length 1 */
        { { 7, 5, 4, 0 }, 4, 21 },                             /* beyond the end */
        { { 7, 2, 1, 1 }, 4, 21 },                             /* no room for a pointer */
        { { 7, 7, 3, 0, 0, 0, 0, 0 }, 8, 22 },                 /* pointer into the header */
        { { 7, 7, 5, 0, 0, 0, 0, 0 }, 8, 22 },                 /* pointer at a part of an address */
        { { 68, 3, 5, 0 }, 4, 21 },                            /* no room for flags */
        { { 68, 8, 4, 0, 0, 0, 0, 0 }, 8, 22 },                /* pointer at the flags */
        { { 7, 3, 4, 7, 3, 4, 0, 0 }, 8, 23 },                 /* twice */
        { { 1, 1, 1, 131, 7, 0, 10, 0, 0, 1, 0, 0 }, 12, 25 }, /* source route, pointer 0 */
    };
    for (size_t i = 0; i < NARU_ARRAY_LEN(cases); i++) {
        uint8_t *copy = exact(cases[i].bytes, cases[i].len);
        struct naru_ipv4_hdr h = with_options(copy, cases[i].len);
        struct naru_ipv4_options o;
        assert_int_equal(naru_ipv4_options_parse(&h, &o), NARU_DROP_IPV4_OPTION);
        assert_int_equal(o.problem, cases[i].problem);
        free(copy);
    }
}

static void options_survive_garbage_seed(uint64_t seed)
{
    struct naru_rand r;
    naru_rand_init_u64(&r, seed);
    size_t len = naru_rand_below(&r, NARU_IPV4_OPTIONS_MAX + 1);
    uint8_t bytes[NARU_IPV4_OPTIONS_MAX];
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(rand_bool(&r) ? naru_rand_below(&r, 12) : rand32(&r));
    uint8_t *copy = exact(bytes, len);
    struct naru_ipv4_hdr h = with_options(copy, len);
    struct naru_ipv4_options o;
    enum naru_drop drop = naru_ipv4_options_parse(&h, &o);
    SEED_CHECK(seed, (drop == NARU_DROP_NONE) == (o.problem == 0));
    SEED_CHECK(seed, o.problem == 0 || (o.problem >= 20 && o.problem <= 20 + len));
    free(copy);
}

static void options_survive_garbage(void **state)
{
    (void)state;
    for_each_seed(20000, options_survive_garbage_seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden),
        cmocka_unit_test(every_golden_is_emitted_as_it_was),
        cmocka_unit_test(padding_behind_total_length_is_cut),
        cmocka_unit_test(fragments),
        cmocka_unit_test(bad_headers),
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(checksum_finds_every_single_bit),
        cmocka_unit_test(patches_keep_the_checksum_right),
        cmocka_unit_test(parse_undoes_emit),
        cmocka_unit_test(options_golden),
        cmocka_unit_test(options_recognised),
        cmocka_unit_test(options_problems_point_to_their_cause),
        cmocka_unit_test(options_survive_garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
