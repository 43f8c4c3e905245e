/*
 * ICMP, ICMPv6 and the packets they quote (wire/icmp.h, wire/icmpv6.h, wire/quote.h).
 */
#include "wire_test.h"

#include "wire/icmp.h"
#include "wire/icmpv6.h"
#include "wire/quote.h"

enum { SEEDS = 1000 };

static struct naru_icmp_hdr golden4(const char *name, struct opened *o)
{
    struct naru_icmp_hdr h;
    frame_open(name, o);
    assert_int_equal(o->ip4.protocol, NARU_PROTO_ICMP);
    const uint8_t *message = o->payload.at;
    size_t len = o->payload.len;
    assert_true(naru_icmp_checksum_ok(message, len));
    assert_int_equal(naru_icmp_parse(&o->payload, &h), NARU_DROP_NONE);

    /* And back: header from h, data as it is, checksum anew. */
    uint8_t *copy = exact(message, len);
    assert_int_equal(naru_icmp_emit(copy, &h), NARU_ICMP_LEN);
    naru_icmp_checksum_set(copy, len);
    assert_memory_equal(copy, message, len);
    free(copy);
    return h;
}

static struct naru_icmpv6_hdr golden6(const char *name, struct opened *o)
{
    struct naru_icmpv6_hdr h;
    frame_open(name, o);
    assert_int_equal(o->walk.next_header, NARU_PROTO_ICMPV6);
    const uint8_t *message = o->payload.at;
    size_t len = o->payload.len;
    assert_true(naru_icmpv6_checksum_ok(&o->src, &o->dst, message, len));
    assert_int_equal(naru_icmpv6_parse(&o->payload, &h), NARU_DROP_NONE);

    uint8_t *copy = exact(message, len);
    naru_icmpv6_emit(copy, &h);
    naru_icmpv6_checksum_set(&o->src, &o->dst, copy, len);
    assert_memory_equal(copy, message, len);
    free(copy);
    return h;
}

static void echo(void **state)
{
    (void)state;
    struct opened o;
    struct naru_icmp_hdr h = golden4("echo", &o);
    assert_int_equal(h.type, NARU_ICMP_ECHO);
    assert_int_equal(h.ident, 0x1234);
    assert_int_equal(h.seq, 7);
    assert_int_equal(o.payload.len, 8);
    assert_false(naru_icmp_is_error(h.type));
    frame_close(&o);

    struct naru_icmpv6_hdr h6 = golden6("echo6", &o);
    assert_int_equal(h6.type, NARU_ICMPV6_ECHO);
    assert_int_equal(h6.ident, 0x1234);
    assert_int_equal(h6.seq, 7);
    assert_int_equal(o.payload.len, 8);
    assert_false(naru_icmpv6_is_error(h6.type));
    frame_close(&o);
}

static void errors_of_ipv4(void **state)
{
    (void)state;
    static const char *const names[] = { "unr_port", "unr_host", "unr_net", "unr_admin",
                                         "ttl",      "reasm",    "param",   "redirect" };
    for (size_t i = 0; i < NARU_ARRAY_LEN(names); i++) {
        struct opened o;
        struct naru_quote q;
        struct naru_icmp_hdr h = golden4(names[i], &o);
        assert_true(naru_icmp_is_error(h.type));
        assert_int_equal(naru_quote_parse(o.payload, NARU_IPV4, &q), NARU_DROP_NONE);
        assert_addr(&q.src, "10.0.2.2");
        assert_addr(&q.dst, "10.0.2.100");
        assert_int_equal(q.proto, NARU_PROTO_UDP);
        assert_int_equal(q.sport, 5000);
        assert_int_equal(q.dport, 53);
        assert_int_equal(q.transport.len, 16);
        frame_close(&o);
    }
    struct opened o;
    struct naru_icmp_hdr h = golden4("param", &o);
    assert_int_equal(h.pointer, 20);
    frame_close(&o);
    h = golden4("redirect", &o);
    assert_addr(&h.gateway, "10.0.2.9");
    frame_close(&o);
}

static void frag_needed_has_the_mtu(void **state)
{
    (void)state;
    struct opened o;
    struct naru_quote q;
    struct naru_icmp_hdr h = golden4("unr_frag", &o);
    assert_int_equal(h.code, NARU_ICMP_FRAG_NEEDED);
    assert_int_equal(h.mtu, 1400);
    assert_int_equal(naru_quote_parse(o.payload, NARU_IPV4, &q), NARU_DROP_NONE);
    assert_int_equal(q.proto, NARU_PROTO_TCP);
    assert_int_equal(q.sport, 80);
    assert_int_equal(q.dport, 43210);
    assert_int_equal(q.seq, 77);
    frame_close(&o);
}

static void errors_of_ipv6(void **state)
{
    (void)state;
    static const char *const names[] = { "unr6_port", "toobig", "ttl6", "param6" };
    for (size_t i = 0; i < NARU_ARRAY_LEN(names); i++) {
        struct opened o;
        struct naru_quote q;
        struct naru_icmpv6_hdr h = golden6(names[i], &o);
        assert_true(naru_icmpv6_is_error(h.type));
        assert_int_equal(h.mtu, h.type == NARU_ICMPV6_TOO_BIG ? 1280 : 0);
        assert_int_equal(h.pointer, h.type == NARU_ICMPV6_PARAM_PROBLEM ? 6 : 0);
        assert_int_equal(naru_quote_parse(o.payload, NARU_IPV6, &q), NARU_DROP_NONE);
        assert_addr(&q.src, "fd00::2");
        assert_addr(&q.dst, "fd00::100");
        assert_int_equal(q.dport, 53);
        frame_close(&o);
    }
}

static void short_messages(void **state)
{
    (void)state;
    for (size_t cut = 0; cut < NARU_ICMP_LEN; cut++) {
        uint8_t *copy = exact("\x80\0\0\0\0\0\0", cut);
        struct naru_icmp_hdr h;
        struct naru_icmpv6_hdr h6;
        struct naru_span in = naru_span(copy, cut);
        assert_int_equal(naru_icmp_parse(&in, &h), NARU_DROP_ICMP_SHORT);
        in = naru_span(copy, cut);
        assert_int_equal(naru_icmpv6_parse(&in, &h6), NARU_DROP_ICMP_SHORT);
        free(copy);
    }
}

/* Neighbor Discovery and groups go on behind the first four bytes. */
static void other_icmpv6_messages_keep_their_body(void **state)
{
    (void)state;
    struct opened o;
    struct naru_icmpv6_hdr h;
    frame_open("ns", &o);
    size_t len = o.payload.len;
    assert_int_equal(naru_icmpv6_parse(&o.payload, &h), NARU_DROP_NONE);
    assert_int_equal(h.type, NARU_ICMPV6_NS);
    assert_int_equal(o.payload.len, len - NARU_ICMPV6_BARE_LEN);
    frame_close(&o);
}

/* ---- Quotes ---- */

static void quote_cut_anywhere(void **state)
{
    (void)state;
    struct opened o;
    frame_open("unr_frag", &o);
    const uint8_t *quoted = o.payload.at + NARU_ICMP_LEN;
    for (size_t cut = 0; cut <= 40; cut++) {
        uint8_t *copy = exact(quoted, cut);
        struct naru_quote q;
        assert_int_equal(naru_quote_parse(naru_span(copy, cut), NARU_IPV4, &q),
                         cut < 28 ? NARU_DROP_ICMP_QUOTE : NARU_DROP_NONE);
        free(copy);
    }
    frame_close(&o);
}

static void quote_of_a_later_fragment_has_no_ports(void **state)
{
    (void)state;
    struct opened o;
    struct naru_quote q;
    frame_open("frag4b", &o);
    assert_int_equal(naru_quote_parse(naru_span(o.packet, 60), NARU_IPV4, &q), NARU_DROP_NONE);
    assert_true(q.fragment);
    assert_int_equal(q.proto, NARU_PROTO_UDP);
    assert_int_equal(q.sport, 0);
    assert_int_equal(q.transport.len, 0);
    frame_close(&o);

    frame_open("frag6b", &o);
    assert_int_equal(naru_quote_parse(naru_span(o.packet, 60), NARU_IPV6, &q), NARU_DROP_NONE);
    assert_true(q.fragment);
    assert_int_equal(q.proto, NARU_PROTO_UDP);
    assert_int_equal(q.transport.len, 0);
    frame_close(&o);
}

static void quote_goes_over_extension_headers(void **state)
{
    (void)state;
    struct opened o;
    struct naru_quote q;
    frame_open("dstopt", &o);
    struct naru_span quoted = naru_span(o.packet, o.len - NARU_ETH_LEN);
    assert_int_equal(naru_quote_parse(quoted, NARU_IPV6, &q), NARU_DROP_NONE);
    assert_int_equal(q.proto, NARU_PROTO_UDP);
    assert_int_equal(q.sport, 1000);
    assert_int_equal(q.dport, 2000);
    frame_close(&o);

    frame_open("frag6a", &o); /* the first fragment has ports */
    quoted = naru_span(o.packet, o.len - NARU_ETH_LEN);
    assert_int_equal(naru_quote_parse(quoted, NARU_IPV6, &q), NARU_DROP_NONE);
    assert_false(q.fragment);
    assert_int_equal(q.sport, 1000);
    frame_close(&o);
}

static void quote_of_an_echo_has_its_identifier(void **state)
{
    (void)state;
    static const char *const names[] = { "echo", "echo6" };
    for (size_t i = 0; i < 2; i++) {
        struct opened o;
        struct naru_quote q;
        frame_open(names[i], &o);
        struct naru_span quoted = naru_span(o.packet, o.len - NARU_ETH_LEN);
        enum naru_family family = i == 0 ? NARU_IPV4 : NARU_IPV6;
        assert_int_equal(naru_quote_parse(quoted, family, &q), NARU_DROP_NONE);
        assert_int_equal(q.sport, 0x1234);
        assert_int_equal(q.dport, 0x1234);
        assert_int_equal(q.seq, 7);
        frame_close(&o);
    }
}

static void quote_survives_garbage_seed(uint64_t seed)
{
    struct naru_rand r;
    struct naru_quote q;
    naru_rand_init_u64(&r, seed);
    uint8_t bytes[100];
    size_t len = naru_rand_below(&r, sizeof(bytes));
    rand_bytes(&r, bytes, len);
    enum naru_family family = rand_bool(&r) ? NARU_IPV4 : NARU_IPV6;
    if (len > 6) {
        bytes[0] = family == NARU_IPV4 ? (uint8_t)(0x45 + naru_rand_below(&r, 3)) : 0x60;
        static const uint8_t next[] = { 0, 43, 44, 51, 60, 6, 17, 58 };
        bytes[6] = next[naru_rand_below(&r, sizeof(next))];
    }
    uint8_t *copy = exact(bytes, len);
    if (naru_quote_parse(naru_span(copy, len), family, &q) == NARU_DROP_NONE)
        SEED_CHECK(seed, q.transport.len <= len);
    free(copy);
}

static void quote_survives_garbage(void **state)
{
    (void)state;
    for_each_seed(20000, quote_survives_garbage_seed);
}

/* ---- Properties ---- */

static void parse_undoes_emit4_seed(uint64_t seed)
{
    static const uint8_t types[] = { 0, 3, 4, 5, 8, 11, 12, 13, 14 };
    struct naru_rand r;
    naru_rand_init_u64(&r, seed);
    struct naru_icmp_hdr got, h = { .type = types[naru_rand_below(&r, sizeof(types))] };
    h.code = (uint8_t)naru_rand_below(&r, 16);
    if (h.type == 0 || h.type == 8 || h.type >= 13) {
        h.ident = rand16(&r);
        h.seq = rand16(&r);
    } else if (h.type == 12) {
        h.pointer = rand8(&r);
    } else if (h.type == 5) {
        h.gateway = rand_addr4(&r);
    } else if (h.type == 3 && h.code == 4) {
        h.mtu = rand16(&r);
    }
    uint8_t bytes[NARU_ICMP_LEN];
    struct naru_span in = naru_span(bytes, naru_icmp_emit(bytes, &h));
    naru_icmp_checksum_set(bytes, sizeof(bytes));
    SEED_CHECK(seed, naru_icmp_checksum_ok(bytes, sizeof(bytes)));
    SEED_CHECK(seed, naru_icmp_parse(&in, &got) == NARU_DROP_NONE && in.len == 0);
    SEED_CHECK(seed, got.type == h.type && got.code == h.code);
    SEED_CHECK(seed, got.ident == h.ident && got.seq == h.seq && got.mtu == h.mtu);
    SEED_CHECK(seed, got.pointer == h.pointer && naru_addr_eq(&got.gateway, &h.gateway));
}

static void parse_undoes_emit6_seed(uint64_t seed)
{
    static const uint8_t types[] = { 1, 2, 3, 4, 128, 129, 133, 135, 200 };
    struct naru_rand r;
    naru_rand_init_u64(&r, seed);
    struct naru_icmpv6_hdr got, h = { .type = types[naru_rand_below(&r, sizeof(types))] };
    h.code = rand8(&r);
    if (h.type == 128 || h.type == 129) {
        h.ident = rand16(&r);
        h.seq = rand16(&r);
    } else if (h.type == 2) {
        h.mtu = rand32(&r);
    } else if (h.type == 4) {
        h.pointer = rand32(&r);
    }
    struct naru_addr src = rand_addr6(&r), dst = rand_addr6(&r);
    uint8_t bytes[NARU_ICMPV6_LEN];
    size_t len = naru_icmpv6_emit(bytes, &h);
    SEED_CHECK(seed, len == (h.type >= 130 ? NARU_ICMPV6_BARE_LEN : NARU_ICMPV6_LEN));
    struct naru_span in = naru_span(bytes, len);
    naru_icmpv6_checksum_set(&src, &dst, bytes, len);
    SEED_CHECK(seed, naru_icmpv6_checksum_ok(&src, &dst, bytes, len));
    SEED_CHECK(seed, naru_icmpv6_parse(&in, &got) == NARU_DROP_NONE && in.len == 0);
    SEED_CHECK(seed, got.type == h.type && got.code == h.code && got.ident == h.ident);
    SEED_CHECK(seed, got.seq == h.seq && got.mtu == h.mtu && got.pointer == h.pointer);
}

static void parse_undoes_emit(void **state)
{
    (void)state;
    for_each_seed(SEEDS, parse_undoes_emit4_seed);
    for_each_seed(SEEDS, parse_undoes_emit6_seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echo),
        cmocka_unit_test(errors_of_ipv4),
        cmocka_unit_test(frag_needed_has_the_mtu),
        cmocka_unit_test(errors_of_ipv6),
        cmocka_unit_test(short_messages),
        cmocka_unit_test(other_icmpv6_messages_keep_their_body),
        cmocka_unit_test(quote_cut_anywhere),
        cmocka_unit_test(quote_of_a_later_fragment_has_no_ports),
        cmocka_unit_test(quote_goes_over_extension_headers),
        cmocka_unit_test(quote_of_an_echo_has_its_identifier),
        cmocka_unit_test(quote_survives_garbage),
        cmocka_unit_test(parse_undoes_emit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
