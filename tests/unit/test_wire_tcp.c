/*
 * TCP headers and options, UDP, transport checksums (wire/tcp.h, wire/udp.h).
 */
#include "wire_test.h"

#include "wire/tcp.h"
#include "wire/udp.h"

enum { SEEDS = 3000 };

static struct naru_tcp_hdr golden(const char *name, struct opened *o)
{
    struct naru_tcp_hdr h;
    frame_open(name, o);
    const uint8_t *segment = o->payload.at;
    size_t len = o->payload.len;
    assert_true(naru_tcp_checksum_ok(naru_csum_ops_portable(), &o->src, &o->dst, segment, len));
    assert_int_equal(naru_tcp_parse(&o->payload, &h), NARU_DROP_NONE);
    assert_ptr_equal(o->payload.at, segment + h.header_len);
    assert_int_equal(o->payload.len, len - h.header_len);
    return h;
}

/* What naru writes is what Linux writes, byte for byte (MUST-69). */
static void linux_layouts(void **state)
{
    (void)state;
    static const char *const names[] = {
        "tcp_syn",     "tcp_syn_nots", "tcp_syn_ws", "tcp_synack6", "tcp_data",   "tcp_sack",
        "tcp_ts_sack", "tcp_fin",      "tcp_rst",    "tcp_urg",     "tcp_tfoexp", "tcp_uto",
    };
    for (size_t i = 0; i < NARU_ARRAY_LEN(names); i++) {
        struct opened o;
        struct naru_tcp_hdr h = golden(names[i], &o);
        uint8_t out[NARU_TCP_LEN_MAX];
        assert_int_equal(naru_tcp_len(&h), h.header_len);
        assert_int_equal(naru_tcp_emit(out, &h), h.header_len);
        assert_memory_equal(out, o.payload.at - h.header_len, h.header_len);
        frame_close(&o);
    }
}

static void syn_fields(void **state)
{
    (void)state;
    struct opened o;
    struct naru_tcp_hdr h = golden("tcp_syn", &o);
    assert_int_equal(h.sport, 43210);
    assert_int_equal(h.dport, 80);
    assert_int_equal(h.seq.v, 0);
    assert_int_equal(h.flags, NARU_TCP_SYN);
    assert_int_equal(h.wnd, 65535);
    assert_int_equal(h.opts, NARU_TCP_OPT_MSS | NARU_TCP_OPT_SACK_OK | NARU_TCP_OPT_TS |
                                 NARU_TCP_OPT_WSCALE);
    assert_int_equal(h.mss, 1460);
    assert_int_equal(h.ts_val, 1);
    assert_int_equal(h.ts_ecr, 0);
    assert_int_equal(h.wscale, 8);
    assert_int_equal(o.payload.len, 0);
    frame_close(&o);
}

static void data_and_sack_fields(void **state)
{
    (void)state;
    struct opened o;
    struct naru_tcp_hdr h = golden("tcp_data", &o);
    assert_int_equal(h.opts, NARU_TCP_OPT_TS);
    assert_int_equal(h.ts_val, 100);
    assert_int_equal(h.ts_ecr, 200);
    assert_int_equal(h.flags, NARU_TCP_PSH | NARU_TCP_ACK);
    assert_int_equal(o.payload.len, 5);
    assert_memory_equal(o.payload.at, "hello", 5);
    frame_close(&o);

    h = golden("tcp_ts_sack", &o);
    assert_int_equal(h.opts, NARU_TCP_OPT_TS | NARU_TCP_OPT_SACK);
    assert_int_equal(h.sack_count, 3);
    assert_int_equal(h.sack[0].left.v, 1461);
    assert_int_equal(h.sack[2].right.v, 8761);
    frame_close(&o);
}

static void fastopen_fields(void **state)
{
    (void)state;
    struct opened o;
    struct naru_tcp_hdr h = golden("tcp_tfo", &o);
    assert_true((h.opts & NARU_TCP_OPT_FASTOPEN) != 0);
    assert_true((h.opts & NARU_TCP_OPT_FASTOPEN_EXP) == 0);
    assert_int_equal(h.cookie_len, 8);
    assert_memory_equal(h.cookie, "\x30\x21\xb9\xd8\x89\x01\x7e\xeb", 8);
    frame_close(&o);

    h = golden("tcp_tforeq", &o);
    assert_true((h.opts & NARU_TCP_OPT_FASTOPEN) != 0);
    assert_int_equal(h.cookie_len, 0);
    frame_close(&o);

    h = golden("tcp_tfoexp", &o);
    assert_true((h.opts & NARU_TCP_OPT_FASTOPEN_EXP) != 0);
    assert_int_equal(h.cookie_len, 0);
    frame_close(&o);
}

/* A header with these option bytes, parsed. */
static struct naru_tcp_hdr with_options(const uint8_t *options, size_t len)
{
    uint8_t bytes[NARU_TCP_LEN_MAX] = { 0 };
    struct naru_tcp_hdr h;
    size_t header_len = NARU_TCP_LEN + naru_round_up(len, 4);
    bytes[12] = (uint8_t)(header_len / 4 << 4);
    memcpy(bytes + NARU_TCP_LEN, options, len);
    uint8_t *copy = exact(bytes, header_len);
    struct naru_span in = naru_span(copy, header_len);
    assert_int_equal(naru_tcp_parse(&in, &h), NARU_DROP_NONE);
    assert_int_equal(in.len, 0);
    h.cookie = NULL; /* it is gone */
    free(copy);
    return h;
}

/* Known ones at any place, others passed over by their length, illegal lengths survived (MUST-4,
 * MUST-6, MUST-7, MUST-64, MUST-68). */
static void options_are_read_as_linux_reads_them(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint8_t bytes[24];
        size_t len;
        uint8_t opts;
    } cases[] = {
        { "nothing behind the end", { 0, 2, 4, 5, 0xb4 }, 5, 0 },
        { "unknown is skipped", { 77, 5, 1, 2, 3, 4, 2, 1 }, 8, NARU_TCP_OPT_SACK_OK },
        { "wrong length is skipped", { 2, 3, 5, 3, 3, 8 }, 6, NARU_TCP_OPT_WSCALE },
        { "MSS too long", { 2, 6, 5, 0xb4, 0, 0, 4, 2 }, 8, NARU_TCP_OPT_SACK_OK },
        { "length 0 ends", { 4, 2, 77, 0, 3, 3, 8 }, 7, NARU_TCP_OPT_SACK_OK },
        { "length 1 ends", { 4, 2, 77, 1, 3, 3, 8 }, 7, NARU_TCP_OPT_SACK_OK },
        { "beyond the header ends",
          { 4, 2, 3, 3, 8, 1, 2, 4 },
          8,
          NARU_TCP_OPT_SACK_OK | NARU_TCP_OPT_WSCALE },
        { "kind as the last byte", { 1, 1, 1, 2 }, 4, 0 },
        { "SACK of no block", { 1, 1, 5, 2 }, 4, 0 },
        { "SACK of 7 bytes", { 5, 9, 1, 2, 3, 4, 5, 6, 7, 1, 4, 2 }, 12, NARU_TCP_OPT_SACK_OK },
        { "cookie of odd length", { 34, 7, 1, 2, 3, 4, 5, 1 }, 8, 0 },
        { "cookie of 2", { 34, 4, 1, 2 }, 4, 0 },
        { "experiment of others", { 254, 4, 0xf9, 0x88 }, 4, 0 },
        { "TS in another place", { 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1 }, 12, NARU_TCP_OPT_TS },
        { "TS of a wrong length", { 1, 1, 8, 9, 0, 0, 0, 1, 0, 0, 0, 1 }, 12, 0 },
    };
    for (size_t i = 0; i < NARU_ARRAY_LEN(cases); i++) {
        struct naru_tcp_hdr h = with_options(cases[i].bytes, cases[i].len);
        if (h.opts != cases[i].opts)
            fail_msg("%s: 0x%02x", cases[i].what, h.opts);
    }
}

static void sack_of_five_blocks_gives_four(void **state)
{
    (void)state;
    /* 42 bytes do not fit into a header; a length of 34 is the most there can be. */
    uint8_t options[40] = { 1, 1, 5, 34 };
    for (unsigned i = 0; i < 8; i++)
        naru_put32(options + 4 + (size_t)i * 4, 1000 * (i + 1));
    struct naru_tcp_hdr h = with_options(options, sizeof(options));
    assert_int_equal(h.sack_count, 4);
    assert_int_equal(h.sack[3].left.v, 7000);
    assert_int_equal(h.sack[3].right.v, 8000);
}

static void user_timeout_has_two_units(void **state)
{
    (void)state;
    static const struct {
        uint32_t seconds, back;
        uint16_t raw;
    } cases[] = {
        { 100, 100, 100 },
        { 32767, 32767, 32767 },
        { 32768, 32820, 0x8000 | 547 }, /* 547 minutes: rounded up */
        { 0xffffffff, 32767 * 60, 0xffff },
    };
    for (size_t i = 0; i < NARU_ARRAY_LEN(cases); i++) {
        uint8_t out[NARU_TCP_LEN_MAX];
        struct naru_tcp_hdr got, h = {
            .opts = NARU_TCP_OPT_USER_TIMEOUT,
            .user_timeout_s = cases[i].seconds,
        };
        struct naru_span in = naru_span(out, naru_tcp_emit(out, &h));
        assert_int_equal(naru_get16(out + 22), cases[i].raw);
        assert_int_equal(naru_tcp_parse(&in, &got), NARU_DROP_NONE);
        assert_int_equal(got.user_timeout_s, cases[i].back);
    }
}

static void bad_headers(void **state)
{
    (void)state;
    struct opened o;
    struct naru_tcp_hdr h;
    frame_open("tcp_syn", &o);
    for (size_t cut = 0; cut < 40; cut++) {
        uint8_t *copy = exact(o.payload.at, cut);
        struct naru_span in = naru_span(copy, cut);
        assert_int_equal(naru_tcp_parse(&in, &h),
                         cut < 20 ? NARU_DROP_TCP_SHORT : NARU_DROP_TCP_HEADER_LEN);
        free(copy);
    }
    uint8_t *copy = exact(o.payload.at, 40);
    for (unsigned offset = 0; offset < 5; offset++) {
        copy[12] = (uint8_t)(offset << 4);
        struct naru_span in = naru_span(copy, 40);
        assert_int_equal(naru_tcp_parse(&in, &h), NARU_DROP_TCP_HEADER_LEN);
    }
    free(copy);
    frame_close(&o);
}

static struct naru_tcp_hdr random_header(struct naru_rand *r, const uint8_t *cookie)
{
    struct naru_tcp_hdr h = {
        .sport = rand16(r),
        .dport = rand16(r),
        .seq = naru_seq_of(rand32(r)),
        .ack = naru_seq_of(rand32(r)),
        .flags = rand16(r) & 0x1ff,
        .wnd = rand16(r),
        .urg = rand16(r),
        .checksum = rand16(r),
        .opts = (uint16_t)(rand8(r) & ~(unsigned)NARU_TCP_OPT_USER_TIMEOUT),
        .wscale = rand8(r),
        .ts_val = rand32(r),
        .ts_ecr = rand32(r),
        .mss = rand16(r),
        .cookie_len = (uint8_t)(naru_rand_between(r, 1, 8) * 2),
        .cookie = cookie,
        .user_timeout_s = naru_rand_below(r, 32768),
    };
    if (h.cookie_len == 2)
        h.cookie_len = 0;
    if ((h.opts & NARU_TCP_OPT_FASTOPEN) == 0)
        h.opts &= (uint16_t) ~(unsigned)NARU_TCP_OPT_FASTOPEN_EXP;
    if ((h.opts & NARU_TCP_OPT_FASTOPEN) != 0 && h.cookie_len > 8)
        h.cookie_len = 8; /* with all others, more would not fit */
    if (rand_bool(r)) {
        h.opts &= (uint16_t) ~(unsigned)(NARU_TCP_OPT_FASTOPEN | NARU_TCP_OPT_FASTOPEN_EXP);
        h.opts |= NARU_TCP_OPT_ACCECN | (rand_bool(r) ? NARU_TCP_OPT_ACCECN_FIRST1 : 0);
        h.accecn_count = (uint8_t)naru_rand_below(r, 4);
        for (unsigned i = 0; i < 3; i++)
            h.accecn[i] = naru_rand_below(r, 1 << 24);
    } else {
        h.opts |= rand_bool(r) ? NARU_TCP_OPT_USER_TIMEOUT : 0;
    }
    unsigned room = naru_tcp_sack_room(&h);
    if (room == 0)
        h.opts &= (uint16_t) ~(unsigned)NARU_TCP_OPT_SACK;
    if ((h.opts & NARU_TCP_OPT_SACK) != 0)
        h.sack_count = (uint8_t)naru_rand_between(r, 1, room);
    for (unsigned i = 0; i < h.sack_count; i++)
        h.sack[i] = (struct naru_tcp_sack){ naru_seq_of(rand32(r)), naru_seq_of(rand32(r)) };
    return h;
}

static void options_same(uint64_t seed, const struct naru_tcp_hdr *a, const struct naru_tcp_hdr *b)
{
    SEED_CHECK(seed, a->opts == b->opts && a->sack_count == b->sack_count);
    if ((a->opts & NARU_TCP_OPT_MSS) != 0)
        SEED_CHECK(seed, a->mss == b->mss);
    if ((a->opts & NARU_TCP_OPT_WSCALE) != 0)
        SEED_CHECK(seed, a->wscale == b->wscale);
    if ((a->opts & NARU_TCP_OPT_TS) != 0)
        SEED_CHECK(seed, a->ts_val == b->ts_val && a->ts_ecr == b->ts_ecr);
    if ((a->opts & NARU_TCP_OPT_USER_TIMEOUT) != 0)
        SEED_CHECK(seed, a->user_timeout_s == b->user_timeout_s);
    if ((a->opts & NARU_TCP_OPT_ACCECN) != 0) {
        bool first1 = (a->opts & NARU_TCP_OPT_ACCECN_FIRST1) != 0;
        SEED_CHECK(seed, a->accecn_count == b->accecn_count);
        for (unsigned i = 0; i < a->accecn_count; i++)
            SEED_CHECK(seed, a->accecn[first1 ? 2 - i : i] == b->accecn[first1 ? 2 - i : i]);
    }
    if ((a->opts & NARU_TCP_OPT_FASTOPEN) != 0) {
        SEED_CHECK(seed, a->cookie_len == b->cookie_len);
        SEED_CHECK(seed, memcmp(a->cookie, b->cookie, a->cookie_len) == 0);
    }
    SEED_CHECK(seed, memcmp(a->sack, b->sack, a->sack_count * sizeof(a->sack[0])) == 0);
}

static void parse_undoes_emit_seed(uint64_t seed)
{
    struct naru_rand r;
    uint8_t cookie[NARU_TCP_COOKIE_MAX];
    naru_rand_init_u64(&r, seed);
    rand_bytes(&r, cookie, sizeof(cookie));
    struct naru_tcp_hdr got, h = random_header(&r, cookie);
    size_t len = naru_tcp_len(&h);
    uint8_t *bytes = malloc(len);
    assert_non_null(bytes);
    SEED_CHECK(seed, len % 4 == 0 && len <= NARU_TCP_LEN_MAX);
    SEED_CHECK(seed, naru_tcp_emit(bytes, &h) == len);
    struct naru_span in = naru_span(bytes, len);
    SEED_CHECK(seed, naru_tcp_parse(&in, &got) == NARU_DROP_NONE && in.len == 0);
    SEED_CHECK(seed, got.sport == h.sport && got.dport == h.dport && got.header_len == len);
    SEED_CHECK(seed, naru_seq_eq(got.seq, h.seq) && naru_seq_eq(got.ack, h.ack));
    SEED_CHECK(seed, got.flags == h.flags && got.wnd == h.wnd && got.urg == h.urg);
    SEED_CHECK(seed, got.checksum == h.checksum);
    options_same(seed, &h, &got);
    free(bytes);
}

static void parse_undoes_emit(void **state)
{
    (void)state;
    for_each_seed(SEEDS, parse_undoes_emit_seed);
}

static void sack_room_counts_what_else_is_there(void **state)
{
    (void)state;
    struct naru_tcp_hdr h = { 0 };
    assert_int_equal(naru_tcp_sack_room(&h), 4);
    h.opts = NARU_TCP_OPT_TS;
    assert_int_equal(naru_tcp_sack_room(&h), 3);
    h.opts = NARU_TCP_OPT_TS | NARU_TCP_OPT_MSS | NARU_TCP_OPT_WSCALE;
    assert_int_equal(naru_tcp_sack_room(&h), 2);
}

static void options_that_do_not_fit_are_a_bug(void **state)
{
    (void)state;
    struct naru_tcp_hdr h = { .opts = NARU_TCP_OPT_TS | NARU_TCP_OPT_SACK, .sack_count = 4 };
    expect_assert_failure(naru_tcp_len(&h));
}

/* Slices of any length are summed as the whole is. */
static void checksum_over_slices_seed(uint64_t seed)
{
    struct naru_rand r;
    naru_rand_init_u64(&r, seed);
    const struct naru_csum_ops *ops = naru_csum_ops_get(naru_rand_below(&r, 2));
    if (ops == NULL)
        ops = naru_csum_ops_portable();
    struct naru_addr src = rand_addr4(&r), dst = rand_bool(&r) ? rand_addr4(&r) : rand_addr6(&r);
    uint8_t segment[400];
    size_t len = naru_rand_between(&r, 32, sizeof(segment)), at = 32;
    rand_bytes(&r, segment, len);
    naru_tcp_checksum_set(segment, 0);
    struct naru_slice slice[8];
    unsigned count = 0;
    for (; count < 7 && at < len; count++) {
        size_t piece = naru_rand_below(&r, (uint32_t)(len - at) + 1);
        slice[count] = (struct naru_slice){ segment + at, piece };
        at += piece;
    }
    slice[count++] = (struct naru_slice){ segment + at, len - at };

    uint32_t pseudo = naru_csum_pseudo(&src, &dst, NARU_PROTO_TCP, (uint32_t)len);
    uint16_t sum = naru_tcp_checksum(ops, pseudo, segment, 32, slice, count);
    naru_tcp_checksum_set(segment, sum);
    SEED_CHECK(seed, naru_tcp_checksum_ok(ops, &src, &dst, segment, len));
    SEED_CHECK(seed, naru_tcp_checksum(ops, pseudo, segment, 32, slice, count) == 0);
    segment[naru_rand_below(&r, (uint32_t)len)] ^= (uint8_t)(1U << naru_rand_below(&r, 8));
    SEED_CHECK(seed, !naru_tcp_checksum_ok(ops, &src, &dst, segment, len));
}

static void checksum_over_slices(void **state)
{
    (void)state;
    for_each_seed(SEEDS, checksum_over_slices_seed);
}

/* ---- UDP ---- */

static void udp_golden(void **state)
{
    (void)state;
    static const char *const names[] = { "udp4", "udp6", "udp_pad" };
    for (size_t i = 0; i < NARU_ARRAY_LEN(names); i++) {
        struct opened o;
        struct naru_udp_hdr h;
        uint8_t out[NARU_UDP_LEN];
        frame_open(names[i], &o);
        const uint8_t *datagram = o.payload.at;
        const struct naru_csum_ops *ops = naru_csum_ops_portable();
        assert_true(naru_udp_checksum_ok(ops, &o.src, &o.dst, datagram, o.payload.len));
        assert_int_equal(naru_udp_parse(&o.payload, &h), NARU_DROP_NONE);
        assert_int_equal(h.sport, 1000);
        assert_int_equal(h.dport, 2000);
        assert_int_equal(h.len, NARU_UDP_LEN + o.payload.len);
        assert_int_equal(naru_udp_emit(out, &h), NARU_UDP_LEN);
        assert_memory_equal(out, datagram, NARU_UDP_LEN);

        naru_udp_checksum_set(out, 0);
        struct naru_slice slice = { o.payload.at, o.payload.len };
        assert_int_equal(naru_udp_checksum(ops, &o.src, &o.dst, out, &slice, 1), h.checksum);
        frame_close(&o);
    }
}

static void udp_lengths(void **state)
{
    (void)state;
    static const struct {
        uint16_t length;
        enum naru_drop drop;
        size_t rest;
    } cases[] = {
        { 0, NARU_DROP_UDP_LENGTH, 0 },  { 7, NARU_DROP_UDP_LENGTH, 0 },
        { 8, NARU_DROP_NONE, 0 },        { 12, NARU_DROP_NONE, 4 },
        { 13, NARU_DROP_UDP_LENGTH, 0 }, { 65535, NARU_DROP_UDP_LENGTH, 0 },
    };
    uint8_t bytes[12] = { 0 };
    struct naru_udp_hdr h;
    for (size_t i = 0; i < NARU_ARRAY_LEN(cases); i++) {
        naru_put16(bytes + 4, cases[i].length);
        struct naru_span in = naru_span(bytes, sizeof(bytes));
        assert_int_equal(naru_udp_parse(&in, &h), cases[i].drop);
        if (cases[i].drop == NARU_DROP_NONE)
            assert_int_equal(in.len, cases[i].rest);
    }
    for (size_t cut = 0; cut < NARU_UDP_LEN; cut++) {
        uint8_t *copy = exact(bytes, cut);
        struct naru_span in = naru_span(copy, cut);
        assert_int_equal(naru_udp_parse(&in, &h), NARU_DROP_UDP_SHORT);
        free(copy);
    }
}

/* UDP checksum is mandatory (exception RFC 6935 tunnels); zero is sent as 0xFFFF (V6-8200-8.1-1).
 */
static void udp_checksum_is_never_zero(void **state)
{
    (void)state;
    const struct naru_csum_ops *ops = naru_csum_ops_portable();
    struct naru_addr a = addr("10.0.0.1"), b = addr("10.0.0.2");
    uint8_t header[NARU_UDP_LEN], data[2];
    struct naru_udp_hdr h = { .sport = 1, .dport = 2, .len = 10 };
    struct naru_slice slice = { data, sizeof(data) };
    bool seen = false;
    naru_udp_emit(header, &h);
    for (unsigned i = 0; i < 65536; i++) {
        naru_put16(data, i);
        uint16_t sum = naru_udp_checksum(ops, &a, &b, header, &slice, 1);
        assert_int_not_equal(sum, 0);
        seen = seen || sum == 0xffff;
    }
    assert_true(seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linux_layouts),
        cmocka_unit_test(syn_fields),
        cmocka_unit_test(data_and_sack_fields),
        cmocka_unit_test(fastopen_fields),
        cmocka_unit_test(options_are_read_as_linux_reads_them),
        cmocka_unit_test(sack_of_five_blocks_gives_four),
        cmocka_unit_test(user_timeout_has_two_units),
        cmocka_unit_test(bad_headers),
        cmocka_unit_test(parse_undoes_emit),
        cmocka_unit_test(sack_room_counts_what_else_is_there),
        cmocka_unit_test(options_that_do_not_fit_are_a_bug),
        cmocka_unit_test(checksum_over_slices),
        cmocka_unit_test(udp_golden),
        cmocka_unit_test(udp_lengths),
        cmocka_unit_test(udp_checksum_is_never_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
