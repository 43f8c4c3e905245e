/*
 * Ethernet, its tags, multicast addresses, ARP (wire/eth.h, wire/arp.h).
 */
#include "wire_test.h"

#include "wire/arp.h"

enum { SEEDS = 500 };

/* RFC 894 (Ethernet II) frames are sent and received (H-2.3.3-1). */
static void eth_says_who_and_what(void **state)
{
    (void)state;
    struct opened o;
    frame_open("udp4", &o);
    assert_memory_equal(o.eth.dst, "\2\0\0\0\0\2", 6);
    assert_memory_equal(o.eth.src, "\2\0\0\0\0\1", 6);
    assert_int_equal(o.eth.ethertype, NARU_ETHERTYPE_IPV4);
    assert_int_equal(o.eth.tag_count, 0);
    assert_int_equal(o.packet - o.frame, NARU_ETH_LEN);
    frame_close(&o);
}

static void eth_tags_are_taken_off_outermost_first(void **state)
{
    (void)state;
    struct opened o;
    frame_open("qinq", &o);
    assert_int_equal(o.eth.tag_count, 2);
    assert_int_equal(o.eth.tag[0].tpid, NARU_ETHERTYPE_QINQ);
    assert_int_equal(naru_eth_tag_vid(&o.eth.tag[0]), 200);
    assert_int_equal(o.eth.tag[1].tpid, NARU_ETHERTYPE_VLAN);
    assert_int_equal(naru_eth_tag_vid(&o.eth.tag[1]), 100);
    assert_int_equal(o.eth.ethertype, NARU_ETHERTYPE_ARP);
    frame_close(&o);

    frame_open("vlan", &o);
    assert_int_equal(o.eth.tag_count, 1);
    assert_int_equal(naru_eth_tag_priority(&o.eth.tag[0]), 3);
    assert_addr(&o.src, "10.0.2.100");
    frame_close(&o);
}

static void eth_third_tag_is_too_many(void **state)
{
    (void)state;
    static const uint8_t bytes[26] = { [12] = 0x81, [16] = 0x81, [20] = 0x81 };
    uint8_t *frame = exact(bytes, sizeof(bytes));
    struct naru_span in = naru_span(frame, sizeof(bytes));
    struct naru_eth_hdr h;
    assert_int_equal(naru_eth_parse(&in, &h), NARU_DROP_ETH_TAGS);
    free(frame);
}

static void eth_8023_length_cuts_padding(void **state)
{
    (void)state;
    static const uint8_t bytes[60] = { [12] = 0, [13] = 38 };
    uint8_t *frame = exact(bytes, sizeof(bytes));
    struct naru_span in = naru_span(frame, sizeof(bytes));
    struct naru_eth_hdr h;
    assert_int_equal(naru_eth_parse(&in, &h), NARU_DROP_NONE);
    assert_true(naru_eth_is_8023(&h));
    assert_int_equal(in.len, 38);

    frame[13] = 47; /* one more than there is */
    in = naru_span(frame, sizeof(bytes));
    assert_int_equal(naru_eth_parse(&in, &h), NARU_DROP_ETH_SHORT);
    free(frame);
}

static void eth_short_at_every_length(void **state)
{
    (void)state;
    size_t len;
    uint8_t *frame = frame_get("qinq", &len);
    for (size_t cut = 0; cut < NARU_ETH_LEN_MAX; cut++) {
        uint8_t *copy = exact(frame, cut);
        struct naru_span in = naru_span(copy, cut);
        struct naru_eth_hdr h;
        assert_int_equal(naru_eth_parse(&in, &h), NARU_DROP_ETH_SHORT);
        free(copy);
    }
    free(frame);
}

static void eth_parse_undoes_emit_seed(uint64_t seed)
{
    struct naru_rand r;
    naru_rand_init_u64(&r, seed);
    struct naru_eth_hdr h = { .tag_count = (uint8_t)naru_rand_below(&r, 3) }, got;
    rand_bytes(&r, h.dst, 6);
    rand_bytes(&r, h.src, 6);
    h.ethertype = (uint16_t)naru_rand_between(&r, 0x600, 0xffff);
    if (h.ethertype == NARU_ETHERTYPE_VLAN || h.ethertype == NARU_ETHERTYPE_QINQ)
        h.ethertype++;
    for (unsigned i = 0; i < h.tag_count; i++) {
        h.tag[i].tpid = rand_bool(&r) ? NARU_ETHERTYPE_VLAN : NARU_ETHERTYPE_QINQ;
        h.tag[i].tci = rand16(&r);
    }
    uint8_t *bytes = exact("", 0);
    bytes = realloc(bytes, naru_eth_len(&h));
    SEED_CHECK(seed, naru_eth_emit(bytes, &h) == naru_eth_len(&h));
    struct naru_span in = naru_span(bytes, naru_eth_len(&h));
    SEED_CHECK(seed, naru_eth_parse(&in, &got) == NARU_DROP_NONE && in.len == 0);
    SEED_CHECK(seed, memcmp(got.dst, h.dst, 6) == 0 && memcmp(got.src, h.src, 6) == 0);
    SEED_CHECK(seed, got.ethertype == h.ethertype && got.tag_count == h.tag_count);
    SEED_CHECK(seed, memcmp(got.tag, h.tag, h.tag_count * sizeof(h.tag[0])) == 0);
    free(bytes);
}

static void eth_parse_undoes_emit(void **state)
{
    (void)state;
    for_each_seed(SEEDS, eth_parse_undoes_emit_seed);
}

static void mac_of_groups(void **state)
{
    (void)state;
    uint8_t mac[6];
    struct naru_addr group = addr("239.129.2.3"); /* the bit above the 23 is lost */
    naru_eth_multicast_mac(&group, mac);
    assert_memory_equal(mac, "\x01\x00\x5e\x01\x02\x03", 6);
    group = addr("ff02::1:ff12:3456");
    naru_eth_multicast_mac(&group, mac);
    assert_memory_equal(mac, "\x33\x33\xff\x12\x34\x56", 6);
    assert_true(naru_mac_is_multicast(mac) && !naru_mac_is_broadcast(mac));
}

static void mac_kinds(void **state)
{
    (void)state;
    static const uint8_t zero[6], all[6] = { 255, 255, 255, 255, 255, 255 };
    static const uint8_t one[6] = { 2, 0, 0, 0, 0, 1 }, other[6] = { 2, 0, 0, 0, 1, 1 };
    assert_true(naru_mac_is_zero(zero) && !naru_mac_is_unicast(zero));
    assert_true(naru_mac_is_broadcast(all) && naru_mac_is_multicast(all));
    assert_true(naru_mac_is_unicast(one) && !naru_mac_is_zero(one));
    assert_true(naru_mac_eq(one, one) && !naru_mac_eq(one, other) && !naru_mac_eq(one, zero));
}

static void arp_golden(void **state)
{
    (void)state;
    struct opened o;
    struct naru_arp_hdr h;
    uint8_t out[NARU_ARP_LEN];
    frame_open("arp_rep", &o);
    assert_int_equal(naru_arp_parse(&o.payload, &h), NARU_DROP_NONE);
    assert_int_equal(h.op, NARU_ARP_REPLY);
    assert_addr(&h.spa, "10.0.2.100");
    assert_addr(&h.tpa, "10.0.2.2");
    assert_memory_equal(h.sha, "\2\0\0\0\0\1", 6);
    assert_memory_equal(h.tha, "\2\0\0\0\0\2", 6);
    assert_int_equal(naru_arp_emit(out, &h), NARU_ARP_LEN);
    assert_memory_equal(out, o.packet, NARU_ARP_LEN);
    frame_close(&o);
}

static void arp_refuses_what_is_not_ipv4_over_ethernet(void **state)
{
    (void)state;
    static const struct {
        unsigned at;
        uint8_t value;
        enum naru_drop drop;
    } cases[] = {
        { 1, 6, NARU_DROP_ARP_FORMAT }, /* hardware: IEEE 802 */
        { 2, 0x86, NARU_DROP_ARP_FORMAT }, { 4, 8, NARU_DROP_ARP_FORMAT },
        { 5, 16, NARU_DROP_ARP_FORMAT },   { 7, 0, NARU_DROP_ARP_OP },
        { 7, 5, NARU_DROP_ARP_OP },        { 6, 1, NARU_DROP_ARP_OP },
    };
    struct opened o;
    struct naru_arp_hdr h;
    frame_open("arp_req", &o);
    for (size_t i = 0; i < NARU_ARRAY_LEN(cases); i++) {
        uint8_t *copy = exact(o.packet, NARU_ARP_LEN);
        copy[cases[i].at] = cases[i].value;
        struct naru_span in = naru_span(copy, NARU_ARP_LEN);
        assert_int_equal(naru_arp_parse(&in, &h), cases[i].drop);
        free(copy);
    }
    for (size_t cut = 0; cut < NARU_ARP_LEN; cut++) {
        uint8_t *copy = exact(o.packet, cut);
        struct naru_span in = naru_span(copy, cut);
        assert_int_equal(naru_arp_parse(&in, &h), NARU_DROP_ARP_SHORT);
        free(copy);
    }
    frame_close(&o);
}

static void arp_parse_undoes_emit_seed(uint64_t seed)
{
    struct naru_rand r;
    naru_rand_init_u64(&r, seed);
    struct naru_arp_hdr got, h = {
        .op = (enum naru_arp_op)naru_rand_between(&r, 1, 4),
        .spa = rand_addr4(&r),
        .tpa = rand_addr4(&r),
    };
    rand_bytes(&r, h.sha, 6);
    rand_bytes(&r, h.tha, 6);
    uint8_t bytes[NARU_ARP_LEN];
    SEED_CHECK(seed, naru_arp_emit(bytes, &h) == NARU_ARP_LEN);
    struct naru_span in = naru_span(bytes, sizeof(bytes));
    SEED_CHECK(seed, naru_arp_parse(&in, &got) == NARU_DROP_NONE && in.len == 0);
    SEED_CHECK(seed, memcmp(&got, &h, sizeof(h)) == 0); /* the struct has no padding */
}

static void arp_parse_undoes_emit(void **state)
{
    (void)state;
    for_each_seed(SEEDS, arp_parse_undoes_emit_seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eth_says_who_and_what),
        cmocka_unit_test(eth_tags_are_taken_off_outermost_first),
        cmocka_unit_test(eth_third_tag_is_too_many),
        cmocka_unit_test(eth_8023_length_cuts_padding),
        cmocka_unit_test(eth_short_at_every_length),
        cmocka_unit_test(eth_parse_undoes_emit),
        cmocka_unit_test(mac_of_groups),
        cmocka_unit_test(mac_kinds),
        cmocka_unit_test(arp_golden),
        cmocka_unit_test(arp_refuses_what_is_not_ipv4_over_ethernet),
        cmocka_unit_test(arp_parse_undoes_emit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
