/*
 * The headers of datagrams at one go (wire/plain_udp.h) are those that the layers make and read,
 * byte for byte.
 */
#include "plain_test.h"

#include "wire/plain_udp.h"

struct datagram {
    struct naru_addr src, dst;
    uint8_t mac[12], payload[PAYLOAD_MAX];
    struct naru_plain_udp_ends ends;
    struct naru_plain_udp_one one;
};

static void rand_datagram(struct naru_rand *r, struct datagram *d, bool link, bool v6)
{
    rand_bytes(r, d->mac, sizeof(d->mac));
    rand_bytes(r, d->payload, sizeof(d->payload));
    d->src = v6 ? rand_addr6(r) : rand_addr4(r);
    d->dst = v6 ? rand_addr6(r) : rand_addr4(r);
    d->ends = (struct naru_plain_udp_ends){
        .src_mac = link ? d->mac + NARU_MAC_LEN : NULL,
        .src = &d->src,
        .dst = &d->dst,
        .sport = rand16(r),
        .dport = rand16(r),
        .tos = rand8(r),
        .hop_limit = rand8(r),
        .df = rand_bool(r),
        .flow_label = naru_rand_below(r, 1 << 20),
    };
    d->one = (struct naru_plain_udp_one){
        .dst_mac = link ? d->mac : NULL,
        .payload_len = naru_rand_below(r, PAYLOAD_MAX + 1),
        .ident = d->ends.df ? 0 : rand16(r),
        .csum_partial = rand_bool(r),
    };
}

static size_t emit_plain(uint8_t at[FRAME_MAX], struct datagram *d)
{
    struct naru_plain_udp p;
    naru_plain_udp_init(&p, &d->ends);
    naru_plain_udp_begin(at, &p);
    d->one.payload_sum =
        naru_csum_fold(naru_csum_small(at + p.len, d->payload, d->one.payload_len));
    naru_plain_udp_finish(at, &p, &d->one);
    return p.len + d->one.payload_len;
}

static size_t emit_layers(uint8_t *at, const struct datagram *d)
{
    bool v4 = naru_addr_is_v4(&d->src);
    size_t len = 0;
    if (d->ends.src_mac != NULL) {
        struct naru_eth_hdr eth = { .ethertype = v4 ? NARU_ETHERTYPE_IPV4 : NARU_ETHERTYPE_IPV6 };
        memcpy(eth.dst, d->one.dst_mac, NARU_MAC_LEN);
        memcpy(eth.src, d->ends.src_mac, NARU_MAC_LEN);
        len = naru_eth_emit(at, &eth);
    }
    struct naru_udp_hdr udp = { .sport = d->ends.sport,
                                .dport = d->ends.dport,
                                .len = (uint16_t)(NARU_UDP_LEN + d->one.payload_len) };
    struct naru_ipv4_hdr ip4 = { .src = d->src,
                                 .dst = d->dst,
                                 .tos = d->ends.tos,
                                 .ttl = d->ends.hop_limit,
                                 .ident = d->one.ident,
                                 .df = d->ends.df,
                                 .protocol = NARU_PROTO_UDP,
                                 .total_len = (uint16_t)(NARU_IPV4_LEN + udp.len) };
    struct naru_ipv6_hdr ip6 = { .src = d->src,
                                 .dst = d->dst,
                                 .traffic_class = d->ends.tos,
                                 .flow_label = d->ends.flow_label,
                                 .hop_limit = d->ends.hop_limit,
                                 .next_header = NARU_PROTO_UDP,
                                 .payload_len = udp.len };
    len += v4 ? naru_ipv4_emit(at + len, &ip4) : naru_ipv6_emit(at + len, &ip6);
    uint8_t *header = at + len;
    struct naru_slice slice = { d->payload, d->one.payload_len };
    len += naru_udp_emit(header, &udp);
    udp.checksum =
        d->one.csum_partial
            ? naru_csum_fold(naru_csum_pseudo(&d->src, &d->dst, NARU_PROTO_UDP, udp.len))
            : naru_udp_checksum(naru_csum_ops_portable(), &d->src, &d->dst, header, &slice, 1);
    (void)naru_udp_emit(header, &udp);
    memcpy(at + len, d->payload, d->one.payload_len);
    return len + d->one.payload_len;
}

static void writes_what_layers_write(void **state)
{
    (void)state;
    struct naru_rand r;
    naru_rand_init(&r, (const uint8_t[32]){ 1 }, 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct datagram d;
        uint8_t one[FRAME_MAX], layers[FRAME_MAX];
        rand_datagram(&r, &d, rand_bool(&r), rand_bool(&r));
        size_t len = emit_plain(one, &d);
        assert_int_equal(emit_layers(layers, &d), len);
        assert_memory_equal(one, layers, len);
    }
}

/* A checksum of 0 is written as 0xffff: of 65536 payloads that differ in two bytes one has it. */
static void no_checksum_is_zero(void **state)
{
    (void)state;
    struct naru_rand r;
    struct datagram d;
    unsigned found = 0;
    naru_rand_init(&r, (const uint8_t[32]){ 3 }, 0);
    rand_datagram(&r, &d, false, false);
    d.one.payload_len = 2;
    d.one.csum_partial = false;
    for (unsigned i = 0; i < 65536; i++) {
        uint8_t one[FRAME_MAX], layers[FRAME_MAX];
        naru_put16(d.payload, i);
        size_t len = emit_plain(one, &d);
        assert_int_equal(emit_layers(layers, &d), len);
        assert_memory_equal(one, layers, len);
        found += naru_get16(one + NARU_IPV4_LEN + NARU_UDP_LEN - 2) == 0xffff;
    }
    assert_true(found >= 1);
}

/* False: a layer says no, or it has another shape. */
static bool parse_layers(const uint8_t *packet, size_t len, bool v6, struct naru_plain_udp_in *in,
                         bool *checksum_ok)
{
    struct naru_span span = naru_span(packet, len);
    struct naru_plain_ip ip;
    struct naru_udp_hdr udp;
    if (!read_ip(&span, v6, NARU_PROTO_UDP, &ip))
        return false;
    const uint8_t *header = span.at;
    if (naru_udp_parse(&span, &udp) != NARU_DROP_NONE || udp.checksum == 0)
        return false;
    *in = (struct naru_plain_udp_in){
        .src = ip.src,
        .dst = ip.dst,
        .sport = udp.sport,
        .dport = udp.dport,
        .tos = ip.tos,
        .hop_limit = ip.hop_limit,
        .header_len = (uint32_t)(span.at - packet),
        .payload_len = (uint32_t)span.len,
    };
    *checksum_ok =
        naru_udp_checksum_ok(naru_csum_ops_portable(), &in->src, &in->dst, header, udp.len);
    return true;
}

/* Whatever it takes, layers take, and read the same. */
static unsigned compare(const uint8_t *bytes, size_t len, bool v6)
{
    struct naru_plain_udp_in in, l;
    bool checksum_ok;
    uint8_t *packet = exact(bytes, len);
    bool taken =
        v6 ? naru_plain_udp_parse6(packet, len, &in) : naru_plain_udp_parse4(packet, len, &in);
    if (taken) {
        assert_true(naru_plain_may_be_udp(packet, len < 34 ? 34 : len, false));
        assert_true(parse_layers(packet, len, v6, &l, &checksum_ok));
        assert_true(naru_addr_eq(&in.src, &l.src) && naru_addr_eq(&in.dst, &l.dst));
        assert_true(in.sport == l.sport && in.dport == l.dport);
        assert_true(in.tos == l.tos && in.hop_limit == l.hop_limit);
        assert_true(in.header_len == l.header_len && in.payload_len == l.payload_len);
        uint32_t sum = naru_csum_small(NULL, packet + in.header_len, in.payload_len);
        assert_int_equal(naru_csum_fold_words(in.sum + naru_csum_fold(sum)) == 0xffff, checksum_ok);
    }
    free(packet);
    return taken;
}

/* Of good packets it takes all. */
static void reads_what_layers_read(void **state)
{
    (void)state;
    struct naru_rand r;
    unsigned spoilt_but_taken = 0;
    naru_rand_init(&r, (const uint8_t[32]){ 2 }, 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct datagram d;
        bool v6 = rand_bool(&r);
        uint8_t packet[FRAME_MAX];
        rand_datagram(&r, &d, false, v6);
        d.one.csum_partial = false;
        size_t len = emit_plain(packet, &d);
        spoilt_but_taken += compare_spoilt(&r, packet, len, v6, compare);
    }
    assert_true(spoilt_but_taken > ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_what_layers_write),
        cmocka_unit_test(no_checksum_is_zero),
        cmocka_unit_test(reads_what_layers_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
