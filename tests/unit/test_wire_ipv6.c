/*
 * IPv6 headers and the walk over extension headers (wire/ipv6.h).
 */
#include "wire_test.h"

enum { SEEDS = 1000 };

static void golden(void **state)
{
    (void)state;
    struct opened o;
    uint8_t out[NARU_IPV6_LEN];
    frame_open("tcp_synack6", &o);
    assert_addr(&o.src, "fd00::100");
    assert_addr(&o.dst, "fd00::2");
    assert_int_equal(o.ip6.flow_label, 0x12345);
    assert_int_equal(o.ip6.payload_len, 28);
    assert_int_equal(o.ip6.next_header, NARU_PROTO_TCP);
    assert_int_equal(o.ip6.hop_limit, 64);
    assert_int_equal(o.walk.next_header, NARU_PROTO_TCP);
    assert_int_equal(o.walk.header_len, 40);
    assert_int_equal(naru_ipv6_emit(out, &o.ip6), NARU_IPV6_LEN);
    assert_memory_equal(out, o.packet, NARU_IPV6_LEN);
    frame_close(&o);
}

static void router_alert_is_seen(void **state)
{
    (void)state;
    struct opened o;
    uint8_t out[NARU_IPV6_ROUTER_ALERT_LEN];
    frame_open("mld_r2", &o);
    assert_true(o.walk.router_alert);
    assert_int_equal(o.walk.next_header, NARU_PROTO_ICMPV6);
    assert_int_equal(o.walk.next_header_at, 40);
    assert_int_equal(o.walk.header_len, 48);
    assert_int_equal(naru_ipv6_router_alert_emit(out, NARU_PROTO_ICMPV6), 8);
    assert_memory_equal(out, o.packet + 40, 8);
    frame_close(&o);
}

static void fragments(void **state)
{
    (void)state;
    struct opened o;
    frame_open("frag6b", &o);
    assert_true(o.walk.fragment && !o.walk.atomic && !o.walk.frag.more);
    assert_int_equal(o.walk.frag.offset, 1448);
    assert_int_equal(o.walk.frag.ident, 99);
    assert_int_equal(o.walk.next_header, NARU_PROTO_UDP);
    assert_int_equal(o.walk.frag_named_at, 6);
    assert_int_equal(o.walk.header_len, 48);
    assert_int_equal(o.payload.len, 52);
    frame_close(&o);
    frame_open("frag6a", &o);
    assert_true(o.walk.fragment && o.walk.frag.more);
    assert_int_equal(o.walk.frag.offset, 0);
    frame_close(&o);
}

static void mapped_addresses_are_refused(void **state)
{
    (void)state;
    for (unsigned at = 8; at <= 24; at += 16) {
        struct opened o;
        frame_open("udp6", &o);
        uint8_t *copy = exact(o.packet, o.len - NARU_ETH_LEN);
        memcpy(copy + at, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\1", 16);
        struct naru_span in = naru_span(copy, o.len - NARU_ETH_LEN);
        assert_int_equal(naru_ipv6_parse(&in, &o.ip6), NARU_DROP_IPV6_MAPPED);
        free(copy);
        frame_close(&o);
    }
}

static void cut_anywhere(void **state)
{
    (void)state;
    struct opened o;
    frame_open("mld_r2", &o);
    size_t len = o.len - NARU_ETH_LEN;
    for (size_t cut = 0; cut < len; cut++) {
        struct naru_ipv6_hdr h;
        uint8_t *copy = exact(o.packet, cut);
        struct naru_span in = naru_span(copy, cut);
        assert_int_equal(naru_ipv6_parse(&in, &h),
                         cut < 40 ? NARU_DROP_IPV6_SHORT : NARU_DROP_IPV6_LENGTH);
        free(copy);
    }
    frame_close(&o);
}

/* ---- The walk, over a packet of the given bytes behind the fixed header ---- */

struct walked {
    enum naru_drop drop;
    struct naru_ipv6_walk w;
    size_t rest;
};

static struct walked walk(uint8_t next_header, const void *bytes, size_t len)
{
    struct naru_ipv6_hdr h = { .next_header = next_header };
    struct walked r;
    uint8_t *copy = exact(bytes, len);
    struct naru_span in = naru_span(copy, len);
    r.drop = naru_ipv6_walk(&in, &h, &r.w);
    r.rest = in.len;
    free(copy);
    return r;
}

/* Overlapping fragments: whole datagram dropped silently (RFC 5722); atomic fragments alone (RFC
 * 6946; V6-8200-4.5-1). */
static void atomic_fragment_is_no_fragment(void **state)
{
    (void)state;
    static const uint8_t bytes[12] = { 17, 0, 0, 0, 1, 2, 3, 4, 9, 9, 9, 9 };
    struct walked r = walk(NARU_PROTO_FRAGMENT, bytes, sizeof(bytes));
    assert_int_equal(r.drop, NARU_DROP_NONE);
    assert_true(r.w.atomic && !r.w.fragment);
    assert_int_equal(r.w.next_header, NARU_PROTO_UDP);
    assert_int_equal(r.w.next_header_at, 40);
    assert_int_equal(r.rest, 4);
}

static void destination_options_then_fragment(void **state)
{
    (void)state;
    static const uint8_t bytes[24] = { [0] = 44, [2] = 1, [3] = 4, [8] = 6, [11] = 1, [15] = 7 };
    struct walked r = walk(NARU_PROTO_DEST_OPTIONS, bytes, sizeof(bytes));
    assert_int_equal(r.drop, NARU_DROP_NONE);
    assert_true(r.w.fragment && r.w.frag.more);
    assert_int_equal(r.w.frag.ident, 7);
    assert_int_equal(r.w.frag_named_at, 40);
    assert_int_equal(r.w.next_header_at, 48);
    assert_int_equal(r.w.header_len, 56);
}

/* Unknown option: top two bits decide skip / drop / drop + parameter problem code 2 / same unless
 * multicast (V6-8200-4.2-1). */
static void unknown_options_by_their_top_bits(void **state)
{
    (void)state;
    static const struct {
        uint8_t type;
        enum naru_drop drop;
        enum naru_ipv6_answer answer;
    } cases[] = {
        { 0x3e, NARU_DROP_NONE, NARU_IPV6_SILENT },
        { 0x7e, NARU_DROP_IPV6_OPTION, NARU_IPV6_SILENT },
        { 0xbe, NARU_DROP_IPV6_OPTION, NARU_IPV6_ANSWER },
        { 0xfe, NARU_DROP_IPV6_OPTION, NARU_IPV6_ANSWER_UNICAST },
    };
    static const uint8_t headers[] = { NARU_PROTO_HOP_BY_HOP, NARU_PROTO_DEST_OPTIONS };
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < NARU_ARRAY_LEN(cases); i++) {
            uint8_t bytes[8] = { 17, 0, 0, cases[i].type, 1, 0xaa, 1, 0 };
            struct walked r = walk(headers[k], bytes, sizeof(bytes));
            assert_int_equal(r.drop, cases[i].drop);
            assert_int_equal(r.w.answer, cases[i].answer);
            if (r.w.answer != NARU_IPV6_SILENT) {
                assert_int_equal(r.w.problem_code, 2);
                assert_int_equal(r.w.problem_at, 43);
            }
        }
    }
}

/* Routing header type 0 is treated as unknown type (V6-5095-3-1). */
static void routing_header(void **state)
{
    (void)state;
    uint8_t bytes[24] = { 17, 2, 0, 0 };
    struct walked r = walk(NARU_PROTO_ROUTING, bytes, sizeof(bytes));
    assert_int_equal(r.drop, NARU_DROP_NONE); /* no segments left */
    assert_int_equal(r.w.next_header, NARU_PROTO_UDP);
    bytes[3] = 1;
    r = walk(NARU_PROTO_ROUTING, bytes, sizeof(bytes));
    assert_int_equal(r.drop, NARU_DROP_IPV6_ROUTING);
    assert_int_equal(r.w.answer, NARU_IPV6_ANSWER);
    assert_int_equal(r.w.problem_code, 0);
    assert_int_equal(r.w.problem_at, 42); /* the routing type */
}

/* Extension headers are processed strictly in order; hop-by-hop only first (and only if configured:
 * RFC 8200 4.3, RFC 9673; V6-8200-4-1). */
static void hop_by_hop_only_comes_first(void **state)
{
    (void)state;
    static const uint8_t bytes[16] = { 0, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4 };
    struct walked r = walk(NARU_PROTO_DEST_OPTIONS, bytes, sizeof(bytes));
    assert_int_equal(r.drop, NARU_DROP_IPV6_EXT_ORDER);
    assert_int_equal(r.w.problem_code, 1);
    assert_int_equal(r.w.problem_at, 40);
}

static void no_next_header_ends_quietly(void **state)
{
    (void)state;
    struct walked r = walk(NARU_PROTO_NO_NEXT, "abc", 3);
    assert_int_equal(r.drop, NARU_DROP_IPV6_NO_NEXT);
    assert_int_equal(r.w.answer, NARU_IPV6_SILENT);
}

/* Unknown next header -> parameter problem code 1 (V6-8200-4-2). */
static void unknown_protocols_say_where_they_are_named(void **state)
{
    (void)state;
    static const uint8_t bytes[8] = { NARU_PROTO_AH, 0, 1, 4 };
    struct walked r = walk(NARU_PROTO_DEST_OPTIONS, bytes, sizeof(bytes));
    assert_int_equal(r.drop, NARU_DROP_NONE);
    assert_int_equal(r.w.next_header, NARU_PROTO_AH);
    assert_int_equal(r.w.next_header_at, 40);
}

static void chains_have_a_bound(void **state)
{
    (void)state;
    uint8_t bytes[16 * 8];
    for (size_t i = 0; i < sizeof(bytes); i += 8)
        memcpy(bytes + i, "\x3c\0\1\4\0\0\0\0", 8);
    assert_int_equal(walk(NARU_PROTO_DEST_OPTIONS, bytes, sizeof(bytes)).drop,
                     NARU_DROP_IPV6_EXT_LIMIT);
    bytes[(size_t)(NARU_IPV6_EXT_MAX - 1) * 8] = NARU_PROTO_UDP;
    struct walked r = walk(NARU_PROTO_DEST_OPTIONS, bytes, sizeof(bytes));
    assert_int_equal(r.drop, NARU_DROP_NONE);
    assert_int_equal(r.w.header_len, 40 + 8 * NARU_IPV6_EXT_MAX);

    uint8_t many[2048] = { NARU_PROTO_UDP, 255 }; /* 2046 Pad1 options */
    assert_int_equal(walk(NARU_PROTO_DEST_OPTIONS, many, sizeof(many)).drop,
                     NARU_DROP_IPV6_EXT_LIMIT);
}

static void cut_headers_are_short(void **state)
{
    (void)state;
    static const uint8_t bytes[24] = { [0] = 43, [2] = 1, [3] = 4, [8] = 44, [16] = 17, [19] = 1 };
    for (size_t cut = 0; cut < sizeof(bytes); cut++)
        assert_int_equal(walk(NARU_PROTO_HOP_BY_HOP, bytes, cut).drop, NARU_DROP_IPV6_EXT_SHORT);
    assert_int_equal(walk(NARU_PROTO_HOP_BY_HOP, bytes, sizeof(bytes)).drop, NARU_DROP_NONE);

    static const uint8_t option[8] = { 17, 0, 1, 5 }; /* its option goes one byte beyond it */
    assert_int_equal(walk(NARU_PROTO_DEST_OPTIONS, option, 8).drop, NARU_DROP_IPV6_EXT_SHORT);
}

static void walk_survives_garbage_seed(uint64_t seed)
{
    static const uint8_t likely[] = { 0, 43, 44, 60, 59, 6, 17, 1, 5, 0 };
    struct naru_rand r;
    naru_rand_init_u64(&r, seed);
    uint8_t bytes[96];
    size_t len = naru_rand_below(&r, sizeof(bytes));
    for (size_t i = 0; i < len; i++)
        bytes[i] = rand_bool(&r) ? likely[naru_rand_below(&r, sizeof(likely))] : rand8(&r);
    struct walked w = walk(likely[naru_rand_below(&r, 5)], bytes, len);
    if (w.drop == NARU_DROP_NONE)
        SEED_CHECK(seed, w.w.header_len - 40U + w.rest == len);
    SEED_CHECK(seed, w.w.next_header_at < 40U + len);
    SEED_CHECK(seed, w.w.problem_at < 40U + len);
}

static void walk_survives_garbage(void **state)
{
    (void)state;
    for_each_seed(20000, walk_survives_garbage_seed);
}

static void parse_undoes_emit_seed(uint64_t seed)
{
    struct naru_rand r;
    naru_rand_init_u64(&r, seed);
    uint8_t bytes[NARU_IPV6_LEN + 64] = { 0 };
    struct naru_ipv6_hdr got, h = {
        .src = rand_addr6(&r),
        .dst = rand_addr6(&r),
        .flow_label = rand32(&r) & 0xfffff,
        .payload_len = (uint16_t)naru_rand_below(&r, 65),
        .traffic_class = rand8(&r),
        .next_header = rand8(&r),
        .hop_limit = rand8(&r),
    };
    SEED_CHECK(seed, naru_ipv6_emit(bytes, &h) == NARU_IPV6_LEN);
    struct naru_span in = naru_span(bytes, sizeof(bytes));
    SEED_CHECK(seed, naru_ipv6_parse(&in, &got) == NARU_DROP_NONE && in.len == h.payload_len);
    SEED_CHECK(seed, naru_addr_eq(&got.src, &h.src) && naru_addr_eq(&got.dst, &h.dst));
    SEED_CHECK(seed, got.flow_label == h.flow_label && got.payload_len == h.payload_len);
    SEED_CHECK(seed, got.traffic_class == h.traffic_class && got.hop_limit == h.hop_limit);
    SEED_CHECK(seed, got.next_header == h.next_header);

    struct naru_ipv6_fragment back, f = {
        .next_header = rand8(&r),
        .more = rand_bool(&r),
        .offset = (uint16_t)(rand16(&r) & ~7U),
        .ident = rand32(&r),
    };
    in = naru_span(bytes, naru_ipv6_fragment_emit(bytes, &f));
    SEED_CHECK(seed, naru_ipv6_fragment_parse(&in, &back) == NARU_DROP_NONE && in.len == 0);
    SEED_CHECK(seed, back.next_header == f.next_header && back.more == f.more);
    SEED_CHECK(seed, back.offset == f.offset && back.ident == f.ident);
}

static void parse_undoes_emit(void **state)
{
    (void)state;
    for_each_seed(SEEDS, parse_undoes_emit_seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden),
        cmocka_unit_test(router_alert_is_seen),
        cmocka_unit_test(fragments),
        cmocka_unit_test(mapped_addresses_are_refused),
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(atomic_fragment_is_no_fragment),
        cmocka_unit_test(destination_options_then_fragment),
        cmocka_unit_test(unknown_options_by_their_top_bits),
        cmocka_unit_test(routing_header),
        cmocka_unit_test(hop_by_hop_only_comes_first),
        cmocka_unit_test(no_next_header_ends_quietly),
        cmocka_unit_test(unknown_protocols_say_where_they_are_named),
        cmocka_unit_test(chains_have_a_bound),
        cmocka_unit_test(cut_headers_are_short),
        cmocka_unit_test(walk_survives_garbage),
        cmocka_unit_test(parse_undoes_emit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
