/*
 * The headers at one go (wire/plain.h, wire/plain_syn.h) are those that the layers make and read,
 * byte for byte.
 */
#include "plain_test.h"

#include "wire/plain_syn.h"

/* What the layers read in a frame, where it has the shape of plain.h. */
struct layers {
    struct naru_addr src, dst;
    struct naru_tcp_hdr tcp;
    uint32_t header_len, payload_len;
    bool checksum_ok;
};

static struct naru_tcp_hdr rand_segment(struct naru_rand *r)
{
    return (struct naru_tcp_hdr){
        .sport = rand16(r),
        .dport = rand16(r),
        .seq = { rand32(r) },
        .ack = { rand32(r) },
        .flags = rand16(r) & 0x1ff,
        .wnd = rand16(r),
        .urg = rand16(r),
        .opts = NARU_TCP_OPT_TS,
        .ts_val = rand32(r),
        .ts_ecr = rand32(r),
        .header_len = NARU_PLAIN_TCP_LEN,
    };
}

static struct naru_plain rand_plain(struct naru_rand *r, bool v6, const uint8_t mac[12],
                                    struct naru_addr ends[2], const struct naru_tcp_hdr *tcp)
{
    for (int i = 0; i < 2; i++)
        ends[i] = v6 ? rand_addr6(r) : rand_addr4(r);
    return (struct naru_plain){
        .dst_mac = rand_bool(r) ? mac : NULL,
        .src_mac = mac + NARU_MAC_LEN,
        .src = &ends[0],
        .dst = &ends[1],
        .tcp = tcp,
        .tos = rand8(r),
        .hop_limit = rand8(r),
        .csum_partial = rand_bool(r),
        .flow_label = naru_rand_below(r, 1 << 20),
        .payload_len = naru_rand_below(r, PAYLOAD_MAX + 1),
        .ends = naru_plain_ends(&ends[0], &ends[1]),
    };
}

static size_t emit_layers(uint8_t *at, const struct naru_plain *p, const uint8_t *payload)
{
    bool v4 = naru_addr_is_v4(p->src);
    size_t len = 0;
    if (p->dst_mac != NULL) {
        struct naru_eth_hdr eth = { .ethertype = v4 ? NARU_ETHERTYPE_IPV4 : NARU_ETHERTYPE_IPV6 };
        memcpy(eth.dst, p->dst_mac, NARU_MAC_LEN);
        memcpy(eth.src, p->src_mac, NARU_MAC_LEN);
        len = naru_eth_emit(at, &eth);
    }
    uint32_t header_len = (uint32_t)naru_tcp_len(p->tcp), tcp_len = header_len + p->payload_len;
    struct naru_ipv4_hdr ip4 = { .src = *p->src,
                                 .dst = *p->dst,
                                 .tos = p->tos,
                                 .ttl = p->hop_limit,
                                 .df = true,
                                 .protocol = NARU_PROTO_TCP,
                                 .total_len = (uint16_t)(NARU_IPV4_LEN + tcp_len) };
    struct naru_ipv6_hdr ip6 = { .src = *p->src,
                                 .dst = *p->dst,
                                 .traffic_class = p->tos,
                                 .flow_label = p->flow_label,
                                 .hop_limit = p->hop_limit,
                                 .next_header = NARU_PROTO_TCP,
                                 .payload_len = (uint16_t)tcp_len };
    len += v4 ? naru_ipv4_emit(at + len, &ip4) : naru_ipv6_emit(at + len, &ip6);
    uint8_t *tcp = at + len;
    struct naru_slice slice = { payload, p->payload_len };
    uint32_t pseudo = naru_csum_pseudo(p->src, p->dst, NARU_PROTO_TCP, tcp_len);
    len += naru_tcp_emit(tcp, p->tcp);
    naru_tcp_checksum_set(tcp, p->csum_partial ? naru_csum_fold(pseudo)
                                               : naru_tcp_checksum(naru_csum_ops_portable(), pseudo,
                                                                   tcp, header_len, &slice, 1));
    return len;
}

static void emit(uint8_t *at, const struct naru_plain *p)
{
    if (naru_addr_is_v4(p->src))
        naru_plain_emit4(at, p);
    else
        naru_plain_emit6(at, p);
}

static void writes_what_layers_write(void **state)
{
    (void)state;
    struct naru_rand r;
    naru_rand_init(&r, (const uint8_t[32]){ 1 }, 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        bool v6 = rand_bool(&r);
        uint8_t mac[12], payload[PAYLOAD_MAX], one[FRAME_MAX], layers[FRAME_MAX];
        struct naru_addr ends[2];
        rand_bytes(&r, mac, sizeof(mac));
        rand_bytes(&r, payload, sizeof(payload));
        struct naru_tcp_hdr tcp = rand_segment(&r);
        struct naru_plain p = rand_plain(&r, v6, mac, ends, &tcp);
        size_t len = (p.dst_mac != NULL ? NARU_ETH_LEN : 0u) +
                     (v6 ? (size_t)NARU_PLAIN_LEN6 : (size_t)NARU_PLAIN_LEN4);
        p.payload_sum = naru_csum_as_words(naru_csum_small(one + len, payload, p.payload_len));
        emit(one, &p);
        assert_int_equal(emit_layers(layers, &p, payload), len);
        assert_memory_equal(one, layers, len);
        assert_memory_equal(one + len, payload, p.payload_len);
    }
}

/* Any of those options, or none. */
static void opens_as_layers_write(void **state)
{
    (void)state;
    struct naru_rand r;
    naru_rand_init(&r, (const uint8_t[32]){ 4 }, 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint8_t mac[12], one[FRAME_MAX], layers[FRAME_MAX];
        struct naru_addr ends[2];
        rand_bytes(&r, mac, sizeof(mac));
        struct naru_tcp_hdr tcp = rand_segment(&r);
        tcp.opts = rand16(&r) & NARU_PLAIN_SYN_OPTS;
        tcp.mss = rand16(&r);
        tcp.wscale = rand8(&r);
        struct naru_plain p = rand_plain(&r, rand_bool(&r), mac, ends, &tcp);
        p.payload_len = 0;
        assert_true(naru_plain_syn_fits(&tcp));
        size_t len = naru_plain_syn_frame(one, &p);
        assert_int_equal(emit_layers(layers, &p, NULL), len);
        assert_memory_equal(one, layers, len);
    }
}

static void parse_options(const uint8_t *options, size_t len, struct naru_tcp_hdr *h)
{
    uint8_t header[NARU_TCP_LEN_MAX] = { 0 };
    naru_put8(header + 12, (unsigned)(NARU_TCP_LEN + len) / 4 << 4);
    memcpy(header + NARU_TCP_LEN, options, len);
    struct naru_span span = naru_span(header, NARU_TCP_LEN + len);
    *h = (struct naru_tcp_hdr){ 0 };
    assert_int_equal(naru_tcp_parse(&span, h), NARU_DROP_NONE);
}

/* The options of a SYN are looked at in one go, or, with padding behind them, one by one; whatever
 * one bit makes of them. */
static void syn_is_read_alike(void **state)
{
    (void)state;
    static const uint8_t sent[] = { 2,    4,    0x05, 0xb4, 4,    2,    8, 10, 0xde, 0xad,
                                    0xbe, 0xef, 0x12, 0x34, 0x56, 0x78, 1, 3,  3,    7 };
    for (size_t len = 4; len <= sizeof(sent); len += sizeof(sent) - 4) {
        for (unsigned bit = 0; bit <= 8 * len; bit++) {
            uint8_t options[sizeof(sent) + 4];
            struct naru_tcp_hdr one, other;
            memset(options, NARU_TCP_KIND_NOP, sizeof(options));
            memcpy(options, sent, len);
            if (bit < 8 * len)
                options[bit / 8] ^= (uint8_t)(1 << bit % 8);
            parse_options(options, len, &one);
            parse_options(options, len + 4, &other);
            assert_int_equal(one.opts, other.opts);
            assert_true(!(one.opts & NARU_TCP_OPT_MSS) || one.mss == other.mss);
            assert_true(!(one.opts & NARU_TCP_OPT_WSCALE) || one.wscale == other.wscale);
            assert_true(!(one.opts & NARU_TCP_OPT_TS) ||
                        (one.ts_val == other.ts_val && one.ts_ecr == other.ts_ecr));
            if (bit == 8 * len)
                assert_int_equal(one.opts, len == 4 ? NARU_TCP_OPT_MSS : NARU_PLAIN_SYN_OPTS);
        }
    }
}

/* False: a layer says no, or it has another shape. */
static bool parse_layers(const uint8_t *packet, size_t len, bool v6, struct layers *l)
{
    struct naru_span span = naru_span(packet, len);
    struct naru_plain_ip ip;
    if (!read_ip(&span, v6, NARU_PROTO_TCP, &ip))
        return false;
    l->src = ip.src;
    l->dst = ip.dst;
    l->checksum_ok =
        naru_tcp_checksum_ok(naru_csum_ops_portable(), &l->src, &l->dst, span.at, span.len);
    if (naru_tcp_parse(&span, &l->tcp) != NARU_DROP_NONE || l->tcp.opts != NARU_TCP_OPT_TS ||
        l->tcp.header_len != NARU_PLAIN_TCP_LEN)
        return false;
    l->tcp.ecn = (uint8_t)naru_tos_ecn(ip.tos);
    l->header_len = (uint32_t)(span.at - packet);
    l->payload_len = (uint32_t)span.len;
    return true;
}

static void assert_same_segment(const struct naru_tcp_hdr *a, const struct naru_tcp_hdr *b)
{
    assert_true(a->sport == b->sport && a->dport == b->dport && a->seq.v == b->seq.v);
    assert_true(a->ack.v == b->ack.v && a->flags == b->flags && a->wnd == b->wnd);
    assert_true(a->urg == b->urg && a->checksum == b->checksum && a->opts == b->opts);
    assert_true(a->ts_val == b->ts_val && a->ts_ecr == b->ts_ecr && a->ecn == b->ecn);
    assert_true(a->header_len == b->header_len && a->sack_count == 0 && a->cookie_len == 0);
}

static bool parse(const uint8_t *packet, size_t len, bool v6, struct naru_plain_in *in)
{
    return v6 ? naru_plain_parse6(packet, len, in) : naru_plain_parse4(packet, len, in);
}

/* Whatever it takes, layers take, and read the same; of good packets it takes all. */
static unsigned compare(const uint8_t *bytes, size_t len, bool v6)
{
    struct naru_plain_in in;
    struct layers l;
    uint8_t *packet = exact(bytes, len);
    bool taken = parse(packet, len, v6, &in);
    if (taken) {
        assert_true(parse_layers(packet, len, v6, &l));
        assert_true(naru_addr_eq(&in.src, &l.src) && naru_addr_eq(&in.dst, &l.dst));
        assert_int_equal(in.header_len, l.header_len);
        assert_int_equal(in.payload_len, l.payload_len);
        assert_same_segment(&in.tcp, &l.tcp);
        uint32_t sum = naru_csum_small(NULL, packet + in.header_len, in.payload_len);
        assert_int_equal(naru_csum_words_ok(in.sum + naru_csum_as_words(sum)), l.checksum_ok);
    }
    free(packet);
    return taken;
}

/* The news are what the header says, where it says nothing unusual; and the sums are right. */
static void compare_news(const struct naru_plain_like *l, const uint8_t *packet, size_t len,
                         const struct naru_plain_in *in)
{
    const uint8_t *tcp = packet + l->tcp_at;
    const struct naru_tcp_hdr *h = &in->tcp;
    struct naru_tcp_news news;
    bool usual = (h->flags & ~(unsigned)NARU_TCP_PSH) == NARU_TCP_ACK;
    bool told = naru_plain_news(tcp, &news);
    assert_int_equal(told, usual);
    if (told) {
        assert_true(naru_seq_eq(news.seq, h->seq) && naru_seq_eq(news.ack, h->ack));
        assert_true(news.timestamp && news.ts_val == h->ts_val && news.ts_ecr == h->ts_ecr);
        assert_int_equal(news.wnd, h->wnd);
    }
    uint64_t sum = naru_plain_tcp_sum(l, tcp);
    uint64_t words = in->sum + naru_csum_as_words(
                                   naru_csum_add(0, packet + len - l->payload_len, l->payload_len));
    sum = naru_csum_behind(sum, packet + len - l->payload_len, l->payload_len);
    assert_int_equal(naru_csum_words_ok(sum), naru_csum_words_ok(words));
}

/* What is taken for one like the last is read as anything else would be, and has the same ends. */
static bool compare_like(const struct naru_plain_like *l, const struct naru_plain_in *last,
                         const uint8_t *packet, size_t len)
{
    struct naru_plain_in one, two;
    if (!naru_plain_is_like(l, packet, len) || !naru_plain_ports_like(l, packet + l->tcp_at) ||
        !naru_plain_parse_like(l, packet, &one))
        return false;
    assert_true(parse(packet, len, *packet >> 4 == 6, &two));
    assert_same_segment(&one.tcp, &two.tcp);
    assert_true(one.header_len == two.header_len && one.payload_len == two.payload_len);
    assert_int_equal(one.sum % 0xffff, two.sum % 0xffff);
    assert_true(naru_addr_eq(&two.src, &last->src) && naru_addr_eq(&two.dst, &last->dst));
    assert_true(two.tcp.sport == last->tcp.sport && two.tcp.dport == last->tcp.dport);
    compare_news(l, packet, len, &two);
    return true;
}

static void reads_what_is_alike(void **state)
{
    (void)state;
    struct naru_rand r;
    unsigned alike = 0;
    naru_rand_init(&r, (const uint8_t[32]){ 3 }, 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        bool v6 = rand_bool(&r);
        uint8_t mac[12] = { 0 }, packet[FRAME_MAX] = { 0 };
        struct naru_addr ends[2];
        struct naru_tcp_hdr tcp = rand_segment(&r);
        struct naru_plain p = rand_plain(&r, v6, mac, ends, &tcp);
        struct naru_plain_in in;
        struct naru_plain_like like = { 0 };
        p.dst_mac = NULL;
        size_t len = (v6 ? (size_t)NARU_PLAIN_LEN6 : (size_t)NARU_PLAIN_LEN4) + p.payload_len;
        for (unsigned n = 0; n < 4; n++) { /* the later ones are like the first */
            emit(packet, &p);
            if (n == 0) {
                assert_true(parse(packet, len, v6, &in));
                naru_plain_learn(&like, packet, 0, &in);
            }
            if (!v6 && rand_bool(&r)) { /* a peer that counts */
                naru_put16(packet + 4, (uint16_t)naru_rand_below(&r, 65536));
                naru_put16(packet + 10, 0);
                naru_put16(packet + 10, naru_csum_finish(naru_csum_header(0, packet, 20)));
            }
            assert_true(compare_like(&like, &in, packet, len));
            assert_false(compare_like(&like, &in, packet, naru_rand_below(&r, (uint32_t)len)));
            for (unsigned bit = 0; bit < 8 * (v6 ? 44u : 24u); bit++) {
                bool label = v6 && (bit / 8 == 2 || bit / 8 == 3 || (bit / 8 == 1 && bit % 8 < 4));
                packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
                assert_int_equal(compare_like(&like, &in, packet, len), label);
                packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
            }
            packet[naru_rand_below(&r, (uint32_t)len)] ^= (uint8_t)(1 << naru_rand_below(&r, 8));
            alike += compare_like(&like, &in, packet, len);
            tcp.seq.v = naru_rand_u32(&r);
            tcp.ack.v = naru_rand_u32(&r);
            tcp.ts_val = naru_rand_u32(&r);
            tcp.wnd = (uint16_t)naru_rand_u32(&r);
            tcp.flags = NARU_TCP_ACK | (rand_bool(&r) ? NARU_TCP_PSH : 0u);
        }
    }
    assert_true(alike > ROUNDS);
}

static void reads_what_layers_read(void **state)
{
    (void)state;
    struct naru_rand r;
    unsigned spoilt_but_taken = 0;
    naru_rand_init(&r, (const uint8_t[32]){ 2 }, 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        bool v6 = rand_bool(&r);
        uint8_t mac[12] = { 0 }, packet[FRAME_MAX] = { 0 };
        struct naru_addr ends[2];
        struct naru_tcp_hdr tcp = rand_segment(&r);
        struct naru_plain p = rand_plain(&r, v6, mac, ends, &tcp);
        p.dst_mac = NULL;
        p.csum_partial = false;
        size_t header = v6 ? NARU_PLAIN_LEN6 : NARU_PLAIN_LEN4, len = header + p.payload_len;
        rand_bytes(&r, packet + header, p.payload_len);
        p.payload_sum = naru_csum_as_words(naru_csum_small(NULL, packet + header, p.payload_len));
        emit(packet, &p);
        spoilt_but_taken += compare_spoilt(&r, packet, len, v6, compare);
    }
    assert_true(spoilt_but_taken > ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_what_layers_write), cmocka_unit_test(opens_as_layers_write),
        cmocka_unit_test(syn_is_read_alike),        cmocka_unit_test(reads_what_layers_read),
        cmocka_unit_test(reads_what_is_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
