/*
 * DHCP messages (wire/dhcp.h).
 */
#include "wire_test.h"

#include "wire/dhcp.h"

enum { SEEDS = 2000 };

/* The bytes to chaddr, and from the magic number on; between them are zeros.  Checked by tcpdump.
 */
static const char discover_head[] = "0101060012345678000380000000000000000000000000000000000002"
                                    "0000000001";
static const char discover_tail[] = "638253633501013d070102000000000132040a000009390205dc0c03626f78"
                                    "37050103060f1aff";
static const char ack_head[] = "020106001234567800000000000000000a0000090a000001000000000200000000"
                               "01";
static const char ack_tail[] = "638253633501053604"
                               "0a000001330400000e103a04000007083b0400000c4e"
                               "0104ffffff001c040a0000ff03040a00000106080a0000350a0000360f0b657861"
                               "6d706c652e6f72671a020578ff";

/* The caller's, to free; at least 300 bytes. */
static uint8_t *golden(const char *head_hex, const char *tail_hex, size_t *len)
{
    size_t head_len, tail_len;
    uint8_t *head = unhex(head_hex, &head_len), *tail = unhex(tail_hex, &tail_len);
    *len = NARU_MAX(236 + tail_len, (size_t)NARU_DHCP_LEN_MIN);
    uint8_t *out = calloc(1, *len);
    assert_non_null(out);
    memcpy(out, head, head_len);
    memcpy(out + 236, tail, tail_len);
    free(head);
    free(tail);
    return out;
}

static void assert_emits(const struct naru_dhcp_msg *m, const uint8_t *want, size_t len)
{
    uint8_t out[600];
    assert_int_equal(naru_dhcp_emit(out, sizeof(out), m), len);
    assert_memory_equal(out, want, len);
    for (size_t room = 0; room < len; room++)
        assert_int_equal(naru_dhcp_emit(out, room, m), 0);
}

static void discover(void **state)
{
    (void)state;
    struct naru_dhcp_msg m;
    size_t len;
    uint8_t *bytes = golden(discover_head, discover_tail, &len);
    assert_int_equal(naru_dhcp_parse(naru_span(bytes, len), &m), NARU_DROP_NONE);
    assert_false(m.reply);
    assert_int_equal(m.type, NARU_DHCP_DISCOVER);
    assert_int_equal(m.xid, 0x12345678);
    assert_int_equal(m.secs, 3);
    assert_true(m.broadcast);
    assert_memory_equal(m.chaddr, "\2\0\0\0\0\1", 6);
    assert_addr(&m.requested, "10.0.0.9");
    assert_int_equal(m.max_size, 1500);
    assert_int_equal(m.client_id.len, 7);
    assert_memory_equal(m.host_name.at, "box", 3);
    assert_int_equal(m.parameters.len, 5);
    assert_emits(&m, bytes, len);
    free(bytes);
}

static void ack(void **state)
{
    (void)state;
    struct naru_dhcp_msg m;
    unsigned prefix_len;
    size_t len;
    uint8_t *bytes = golden(ack_head, ack_tail, &len);
    assert_int_equal(naru_dhcp_parse(naru_span(bytes, len), &m), NARU_DROP_NONE);
    assert_true(m.reply);
    assert_int_equal(m.type, NARU_DHCP_ACK);
    assert_addr(&m.yiaddr, "10.0.0.9");
    assert_addr(&m.siaddr, "10.0.0.1");
    assert_addr(&m.server, "10.0.0.1");
    assert_int_equal(m.lease_s, 3600);
    assert_int_equal(m.renewal_s, 1800);
    assert_int_equal(m.rebinding_s, 3150);
    assert_true(naru_dhcp_prefix_len(&m.mask, &prefix_len));
    assert_int_equal(prefix_len, 24);
    assert_addr(&m.broadcast_addr, "10.0.0.255");
    assert_int_equal(m.router_count, 1);
    assert_addr(&m.router[0], "10.0.0.1");
    assert_int_equal(m.dns_count, 2);
    assert_addr(&m.dns[1], "10.0.0.54");
    assert_int_equal(m.domain.len, 11);
    assert_int_equal(m.mtu, 1400);
    assert_emits(&m, bytes, len);
    free(bytes);
}

static void cut_anywhere(void **state)
{
    (void)state;
    struct naru_dhcp_msg m;
    size_t len;
    uint8_t *bytes = golden(ack_head, ack_tail, &len);
    for (size_t cut = 0; cut < len; cut++) {
        uint8_t *copy = exact(bytes, cut);
        enum naru_drop drop = naru_dhcp_parse(naru_span(copy, cut), &m);
        if (cut < NARU_DHCP_LEN)
            assert_int_equal(drop, NARU_DROP_DHCP_SHORT);
        else
            assert_true(drop == NARU_DROP_NONE || drop == NARU_DROP_DHCP_OPTION);
        free(copy);
    }
    free(bytes);
}

static void what_is_not_dhcp_over_ethernet(void **state)
{
    (void)state;
    static const struct {
        unsigned at;
        uint8_t value;
    } cases[] = { { 0, 0 }, { 0, 3 }, { 1, 6 }, { 2, 16 }, { 236, 0 }, { 239, 0 } };
    struct naru_dhcp_msg m;
    size_t len;
    for (size_t i = 0; i < NARU_ARRAY_LEN(cases); i++) {
        uint8_t *bytes = golden(discover_head, discover_tail, &len);
        bytes[cases[i].at] = cases[i].value;
        assert_int_equal(naru_dhcp_parse(naru_span(bytes, len), &m), NARU_DROP_DHCP_FORMAT);
        free(bytes);
    }
}

static void options_overflow_into_file_and_sname(void **state)
{
    (void)state;
    struct naru_dhcp_msg m;
    size_t len;
    uint8_t *bytes = golden(ack_head, "63825363350105340103ff", &len);
    memcpy(bytes + 108, "\x33\4\0\0\0\x3c\xff", 7); /* file: a lease of 60 s */
    memcpy(bytes + 44, "\x1a\2\5\xdc\xff", 5);      /* sname: an MTU of 1500 */
    assert_int_equal(naru_dhcp_parse(naru_span(bytes, len), &m), NARU_DROP_NONE);
    assert_int_equal(m.lease_s, 60);
    assert_int_equal(m.mtu, 1500);
    bytes[245] = 2; /* sname alone */
    assert_int_equal(naru_dhcp_parse(naru_span(bytes, len), &m), NARU_DROP_NONE);
    assert_int_equal(m.lease_s, 0);
    assert_int_equal(m.mtu, 1500);
    memset(bytes + 44, 1, 64); /* 21 options of one byte, and one that lacks its length */
    assert_int_equal(naru_dhcp_parse(naru_span(bytes, len), &m), NARU_DROP_DHCP_OPTION);
    free(bytes);
}

static void options_of_a_wrong_size_are_ignored(void **state)
{
    (void)state;
    struct naru_dhcp_msg m;
    size_t len;
    /* Lease of 3 bytes, mask of 5, router of 6, type of 2, type 9, no end. */
    uint8_t *bytes = golden(ack_head,
                            "638253633303000001010500000000000306000000000000350205053501"
                            "09",
                            &len);
    assert_int_equal(naru_dhcp_parse(naru_span(bytes, len), &m), NARU_DROP_NONE);
    assert_int_equal(m.lease_s, 0);
    assert_true(naru_addr_is_zero(&m.mask));
    assert_int_equal(m.router_count, 0);
    assert_int_equal(m.type, NARU_DHCP_NONE);
    free(bytes);
}

static void first_of_two_counts_and_lists_are_bounded(void **state)
{
    (void)state;
    struct naru_dhcp_msg m;
    uint8_t bytes[NARU_DHCP_LEN + 60] = { 1, 1, 6 };
    naru_put32(bytes + 236, 0x63825363);
    bytes[240] = NARU_DHCP_OPT_DNS;
    bytes[241] = 40; /* ten of them */
    memcpy(bytes + 282, "\x06\4\1\1\1\1\x1a\2\5\xdc\x1a\2\1\1\xff", 15);
    assert_int_equal(naru_dhcp_parse(naru_span(bytes, sizeof(bytes)), &m), NARU_DROP_NONE);
    assert_int_equal(m.dns_count, NARU_DHCP_ADDRS_MAX);
    assert_addr(&m.dns[0], "0.0.0.0");
    assert_int_equal(m.mtu, 1500);
}

static void masks(void **state)
{
    (void)state;
    static const struct {
        const char *mask;
        int prefix_len; /* -1: not a mask */
    } cases[] = {
        { "0.0.0.0", 0 },          { "128.0.0.0", 1 },    { "255.255.255.255", 32 },
        { "255.255.254.0", 23 },   { "255.0.255.0", -1 }, { "0.255.255.255", -1 },
        { "255.255.255.253", -1 },
    };
    for (size_t i = 0; i < NARU_ARRAY_LEN(cases); i++) {
        unsigned prefix_len;
        struct naru_addr mask = addr(cases[i].mask);
        assert_int_equal(naru_dhcp_prefix_len(&mask, &prefix_len), cases[i].prefix_len >= 0);
        if (cases[i].prefix_len >= 0)
            assert_int_equal(prefix_len, cases[i].prefix_len);
    }
}

static struct naru_addr rand_addr_or_none(struct naru_rand *r)
{
    return rand_bool(r) ? rand_addr4(r) : (struct naru_addr){ 0 };
}

static void parse_undoes_emit_seed(uint64_t seed)
{
    struct naru_rand r;
    naru_rand_init_u64(&r, seed);
    uint8_t out[1200], data[64];
    rand_bytes(&r, data, sizeof(data));
    struct naru_dhcp_msg got, m = {
        .reply = rand_bool(&r),
        .type = (enum naru_dhcp_type)naru_rand_below(&r, 9),
        .xid = rand32(&r),
        .secs = rand16(&r),
        .broadcast = rand_bool(&r),
        .ciaddr = rand_addr4(&r),
        .yiaddr = rand_addr4(&r),
        .siaddr = rand_addr4(&r),
        .giaddr = rand_addr4(&r),
        .server = rand_addr_or_none(&r),
        .requested = rand_addr_or_none(&r),
        .mask = rand_addr_or_none(&r),
        .broadcast_addr = rand_addr_or_none(&r),
        .lease_s = rand32(&r) & (rand32(&r) >> 16),
        .renewal_s = rand32(&r),
        .rebinding_s = rand32(&r),
        .mtu = rand16(&r),
        .max_size = rand16(&r),
        .router_count = naru_rand_below(&r, 9),
        .dns_count = naru_rand_below(&r, 9),
        .host_name = naru_span(data, naru_rand_below(&r, 64)),
        .domain = naru_span(data, naru_rand_below(&r, 64)),
        .client_id = naru_span(data, naru_rand_below(&r, 20)),
        .parameters = naru_span(data, naru_rand_below(&r, 20)),
    };
    rand_bytes(&r, m.chaddr, 6);
    for (unsigned i = 0; i < NARU_DHCP_ADDRS_MAX; i++) {
        m.router[i] = rand_addr4(&r);
        m.dns[i] = rand_addr4(&r);
    }
    size_t len = naru_dhcp_emit(out, sizeof(out), &m);
    SEED_CHECK(seed, len >= NARU_DHCP_LEN_MIN);
    uint8_t *copy = exact(out, len);
    SEED_CHECK(seed, naru_dhcp_parse(naru_span(copy, len), &got) == NARU_DROP_NONE);
    SEED_CHECK(seed, got.reply == m.reply && got.type == m.type && got.xid == m.xid);
    SEED_CHECK(seed, got.secs == m.secs && got.broadcast == m.broadcast);
    SEED_CHECK(seed, memcmp(&got.ciaddr, &m.ciaddr, 4 * sizeof(m.ciaddr)) == 0);
    SEED_CHECK(seed, memcmp(&got.server, &m.server, 4 * sizeof(m.server)) == 0);
    SEED_CHECK(seed, memcmp(got.chaddr, m.chaddr, 6) == 0);
    SEED_CHECK(seed, got.lease_s == m.lease_s && got.renewal_s == m.renewal_s);
    SEED_CHECK(seed, got.rebinding_s == m.rebinding_s);
    SEED_CHECK(seed, got.mtu == m.mtu && got.max_size == m.max_size);
    SEED_CHECK(seed, got.router_count == m.router_count && got.dns_count == m.dns_count);
    SEED_CHECK(seed, memcmp(got.router, m.router, m.router_count * sizeof(m.router[0])) == 0);
    SEED_CHECK(seed, memcmp(got.dns, m.dns, m.dns_count * sizeof(m.dns[0])) == 0);
    const struct naru_span *a[] = { &m.host_name, &m.domain, &m.client_id, &m.parameters };
    const struct naru_span *b[] = { &got.host_name, &got.domain, &got.client_id, &got.parameters };
    for (unsigned i = 0; i < 4; i++) {
        SEED_CHECK(seed, a[i]->len == b[i]->len);
        SEED_CHECK(seed, a[i]->len == 0 || memcmp(a[i]->at, b[i]->at, a[i]->len) == 0);
    }
    free(copy);
}

static void parse_undoes_emit(void **state)
{
    (void)state;
    for_each_seed(SEEDS, parse_undoes_emit_seed);
}

static void garbage_seed(uint64_t seed)
{
    struct naru_rand r;
    struct naru_dhcp_msg m;
    naru_rand_init_u64(&r, seed);
    uint8_t bytes[NARU_DHCP_LEN + 80];
    size_t len = NARU_DHCP_LEN + naru_rand_below(&r, 81);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(rand_bool(&r) ? naru_rand_below(&r, 64) : rand32(&r));
    memcpy(bytes, "\1\1\6", 3);
    naru_put32(bytes + 236, 0x63825363);
    if (len > NARU_DHCP_LEN + 3 && rand_bool(&r))
        memcpy(bytes + NARU_DHCP_LEN, "\x34\1\3", 3);
    uint8_t *copy = exact(bytes, len);
    naru_dhcp_parse(naru_span(copy, len), &m);
    free(copy);
}

static void garbage(void **state)
{
    (void)state;
    for_each_seed(20000, garbage_seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(discover),
        cmocka_unit_test(ack),
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(what_is_not_dhcp_over_ethernet),
        cmocka_unit_test(options_overflow_into_file_and_sname),
        cmocka_unit_test(options_of_a_wrong_size_are_ignored),
        cmocka_unit_test(first_of_two_counts_and_lists_are_bounded),
        cmocka_unit_test(masks),
        cmocka_unit_test(parse_undoes_emit),
        cmocka_unit_test(garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
