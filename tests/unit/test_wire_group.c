/*
 * IGMP and MLD messages (wire/group.h).
 */
#include "wire_test.h"

#include "wire/group.h"
#include "wire/icmpv6.h"

enum { SEEDS = 2000 };

static void golden_parse(const char *name, struct opened *o, struct naru_group_msg *m)
{
    frame_open(name, o);
    if (o->eth.ethertype == NARU_ETHERTYPE_IPV4) {
        assert_int_equal(naru_igmp_parse(o->payload, m), NARU_DROP_NONE);
        assert_int_equal(m->family, NARU_IPV4);
        return;
    }
    struct naru_icmpv6_hdr h;
    struct naru_span in = o->payload;
    assert_true(naru_icmpv6_checksum_ok(&o->src, &o->dst, in.at, in.len));
    assert_int_equal(naru_icmpv6_parse(&in, &h), NARU_DROP_NONE);
    assert_int_equal(naru_mld_parse(in, h.type, m), NARU_DROP_NONE);
    assert_int_equal(m->family, NARU_IPV6);
}

/* What the message says, written again, is the same bytes. */
static void assert_emitted(const struct opened *o, const struct naru_group_msg *m)
{
    uint8_t out[128];
    size_t len = naru_group_emit(out, m);
    if (m->family == NARU_IPV6)
        naru_icmpv6_checksum_set(&o->src, &o->dst, out, len);
    assert_int_equal(len, o->payload.len);
    assert_memory_equal(out, o->payload.at, len);
}

static void single_group_messages(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum naru_group_kind kind;
        uint8_t version;
        const char *group;
        uint32_t max_response_ms;
    } cases[] = {
        { "igmp_q2", NARU_GROUP_KIND_QUERY, 2, "0.0.0.0", 10000 },
        { "igmp_r2", NARU_GROUP_KIND_REPORT, 2, "239.1.2.3", 0 },
        { "igmp_lv", NARU_GROUP_KIND_LEAVE, 2, "239.1.2.3", 0 },
        { "mld_q1", NARU_GROUP_KIND_QUERY, 1, "::", 10000 },
        { "mld_r1", NARU_GROUP_KIND_REPORT, 1, "ff02::5555", 0 },
        { "mld_d1", NARU_GROUP_KIND_LEAVE, 1, "ff02::5555", 0 },
    };
    for (size_t i = 0; i < NARU_ARRAY_LEN(cases); i++) {
        struct opened o;
        struct naru_group_msg m;
        golden_parse(cases[i].name, &o, &m);
        assert_int_equal(m.kind, cases[i].kind);
        assert_int_equal(m.version, cases[i].version);
        assert_addr(&m.group, cases[i].group);
        assert_int_equal(m.max_response_ms, cases[i].max_response_ms);
        assert_emitted(&o, &m);
        frame_close(&o);
    }
}

static void queries_with_sources(void **state)
{
    (void)state;
    struct opened o;
    struct naru_group_msg m;
    golden_parse("igmp_q3", &o, &m);
    assert_int_equal(m.version, 3);
    assert_addr(&m.group, "239.1.2.3");
    assert_int_equal(m.max_response_ms, 49600); /* code 0x9f: 31 << 4 tenths */
    assert_true(m.suppress);
    assert_int_equal(m.robustness, 2);
    assert_int_equal(m.interval_s, 125);
    assert_int_equal(m.source_count, 2);
    struct naru_addr source = naru_group_source(m.sources, m.family, 1);
    assert_addr(&source, "10.0.0.8");
    assert_emitted(&o, &m);
    expect_assert_failure(naru_group_source(m.sources, m.family, 2));
    frame_close(&o);

    golden_parse("mld_q2", &o, &m);
    assert_int_equal(m.version, 2);
    assert_int_equal(m.max_response_ms, 1000);
    assert_int_equal(m.robustness, 2);
    assert_int_equal(m.interval_s, 125);
    source = naru_group_source(m.sources, m.family, 0);
    assert_addr(&source, "fd00::7");
    assert_emitted(&o, &m);
    frame_close(&o);
}

static void records(void **state)
{
    (void)state;
    struct opened o;
    struct naru_group_msg m;
    struct naru_group_rec r;
    struct naru_group_writer w;
    uint8_t out[64];
    golden_parse("igmp_r3", &o, &m);
    assert_int_equal(m.kind, NARU_GROUP_KIND_RECORDS);
    assert_int_equal(m.record_count, 2);
    assert_true(naru_group_rec_next(&m, &r));
    assert_int_equal(r.type, 4);
    assert_addr(&r.group, "239.1.2.3");
    assert_int_equal(r.source_count, 0);
    assert_true(naru_group_records_begin(&w, out, sizeof(out), NARU_IPV4));
    assert_true(naru_group_record_emit(&w, r.type, &r.group, NULL, 0));
    assert_true(naru_group_rec_next(&m, &r));
    assert_int_equal(r.type, 1);
    struct naru_addr source = naru_group_source(r.sources, m.family, 0);
    assert_addr(&source, "10.0.0.7");
    assert_true(naru_group_record_emit(&w, r.type, &r.group, &source, 1));
    assert_false(naru_group_rec_next(&m, &r));
    assert_int_equal(naru_group_records_end(&w), o.payload.len);
    assert_memory_equal(out, o.payload.at, o.payload.len);
    frame_close(&o);

    golden_parse("mld_r2", &o, &m);
    assert_int_equal(m.record_count, 1);
    assert_true(naru_group_rec_next(&m, &r));
    assert_addr(&r.group, "ff02::5555");
    assert_true(naru_group_records_begin(&w, out, sizeof(out), NARU_IPV6));
    assert_true(naru_group_record_emit(&w, r.type, &r.group, NULL, 0));
    size_t len = naru_group_records_end(&w);
    naru_icmpv6_checksum_set(&o.src, &o.dst, out, len);
    assert_int_equal(len, o.payload.len);
    assert_memory_equal(out, o.payload.at, len);
    frame_close(&o);
}

static void records_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    struct naru_group_writer w;
    struct naru_addr group = addr("239.1.2.3");
    uint8_t out[24];
    assert_false(naru_group_records_begin(&w, out, 7, NARU_IPV4));
    assert_true(naru_group_records_begin(&w, out, sizeof(out), NARU_IPV4));
    assert_true(naru_group_record_emit(&w, 4, &group, NULL, 0));
    assert_false(naru_group_record_emit(&w, 4, &group, &group, 1)); /* 12 bytes, 8 are left */
    assert_true(naru_group_record_emit(&w, 4, &group, NULL, 0));
    assert_int_equal(naru_group_records_end(&w), 24);
    assert_int_equal(naru_get16(out + 6), 2);
}

/* len bytes with a right IGMP checksum, parsed. */
static enum naru_drop igmp(const void *bytes, size_t len, struct naru_group_msg *m)
{
    uint8_t *copy = exact(bytes, len);
    if (len >= 4) {
        naru_put16(copy + 2, 0);
        naru_put16(copy + 2, naru_csum_finish(naru_csum_add(0, copy, len)));
    }
    enum naru_drop drop = naru_igmp_parse(naru_span(copy, len), m);
    free(copy);
    return drop;
}

static void igmp_versions_by_length_and_code(void **state)
{
    (void)state;
    struct naru_group_msg m;
    assert_int_equal(igmp("\x11\0\0\0\0\0\0\0", 8, &m), NARU_DROP_NONE);
    assert_int_equal(m.version, 1);
    assert_int_equal(m.max_response_ms, 10000);
    assert_int_equal(igmp("\x11\x0a\0\0\0\0\0\0", 8, &m), NARU_DROP_NONE);
    assert_int_equal(m.version, 2);
    assert_int_equal(m.max_response_ms, 1000);
    static const uint8_t v3[12] = { 0x11, 0 };
    for (size_t cut = 9; cut < 12; cut++)
        assert_int_equal(igmp(v3, cut, &m), NARU_DROP_GROUP_SHORT);
    assert_int_equal(igmp(v3, 12, &m), NARU_DROP_NONE);
    assert_int_equal(m.version, 3);
    assert_int_equal(igmp("\x12\0\0\0\xef\1\2\3", 8, &m), NARU_DROP_NONE);
    assert_int_equal(m.kind, NARU_GROUP_KIND_REPORT);
    assert_int_equal(m.version, 1);
}

static void bad_messages(void **state)
{
    (void)state;
    struct naru_group_msg m;
    assert_int_equal(igmp("\x13\0\0\0\xef\1\2\3", 8, &m), NARU_DROP_GROUP_TYPE);
    assert_int_equal(igmp("\x16\0\0\0\x0a\1\2\3", 8, &m), NARU_DROP_GROUP_INVALID);
    assert_int_equal(igmp("\x16\0\0\0\0\0\0\0", 8, &m), NARU_DROP_GROUP_INVALID);
    assert_int_equal(igmp("\x11\0\0\0\x0a\1\2\3", 8, &m), NARU_DROP_GROUP_INVALID);
    assert_int_equal(naru_igmp_parse(naru_span("\x16\0\0\0\xef\1\2\3", 8), &m),
                     NARU_DROP_GROUP_CHECKSUM);
    for (size_t cut = 0; cut < 8; cut++)
        assert_int_equal(igmp("\x16\0\0\0\xef\1\2\3", cut, &m), NARU_DROP_GROUP_SHORT);

    static const uint8_t mapped[20] = { [14] = 0xff, 0xff, 239, 1, 2, 3 };
    assert_int_equal(naru_mld_parse(naru_span(mapped, 20), NARU_ICMPV6_MLD_REPORT, &m),
                     NARU_DROP_GROUP_INVALID);
    assert_int_equal(naru_mld_parse(naru_span(mapped, 19), NARU_ICMPV6_MLD_REPORT, &m),
                     NARU_DROP_GROUP_SHORT);
    assert_int_equal(naru_mld_parse(naru_span(mapped, 20), 200, &m), NARU_DROP_GROUP_TYPE);
}

static void counts_beyond_the_message(void **state)
{
    (void)state;
    struct naru_group_msg m;
    uint8_t query[16] = { 0x11, 0, 0, 0, 239, 1, 2, 3, 0, 0, 0, 1, 10, 0, 0, 1 };
    assert_int_equal(igmp(query, 16, &m), NARU_DROP_NONE);
    query[11] = 2;
    assert_int_equal(igmp(query, 16, &m), NARU_DROP_GROUP_SHORT);
    uint8_t report[20] = { 0x22, 0, 0, 0, 0, 0, 0, 1, 4, 1, 0, 0, 239, 1, 2, 3 };
    assert_int_equal(igmp(report, 20, &m), NARU_DROP_NONE); /* four bytes of auxiliary data */
    assert_int_equal(igmp(report, 16, &m), NARU_DROP_GROUP_SHORT);
    report[7] = 2;
    assert_int_equal(igmp(report, 20, &m), NARU_DROP_GROUP_SHORT);
    report[7] = 1;
    report[12] = 10;
    assert_int_equal(igmp(report, 20, &m), NARU_DROP_GROUP_INVALID);
}

static void parse_undoes_emit_seed(uint64_t seed)
{
    struct naru_rand r;
    naru_rand_init_u64(&r, seed);
    bool ipv4 = rand_bool(&r);
    uint8_t sources[8 * 16], out[160];
    rand_bytes(&r, sources, sizeof(sources));
    struct naru_group_msg got, h = {
        .kind = (enum naru_group_kind)naru_rand_below(&r, 3),
        .family = ipv4 ? NARU_IPV4 : NARU_IPV6,
        .version = (uint8_t)naru_rand_between(&r, 1, ipv4 ? 3 : 2),
        .group = ipv4 ? naru_addr_v4(0xe0000000U | (rand32(&r) >> 4)) : addr("ff02::5"),
    };
    if (h.kind == NARU_GROUP_KIND_REPORT && ipv4)
        h.version = (uint8_t)naru_rand_between(&r, 1, 2);
    if (h.kind == NARU_GROUP_KIND_LEAVE)
        h.version = ipv4 ? 2 : 1;
    if (h.kind == NARU_GROUP_KIND_REPORT && !ipv4)
        h.version = 1;
    bool query = h.kind == NARU_GROUP_KIND_QUERY;
    if (query)
        h.max_response_ms = ipv4 ? naru_rand_between(&r, 1, 255) * 100 : rand32(&r) >> 4;
    if (query && h.version == (ipv4 ? 3 : 2)) {
        h.suppress = rand_bool(&r);
        h.robustness = (uint8_t)naru_rand_below(&r, 8);
        h.interval_s = rand32(&r) >> naru_rand_below(&r, 32);
        h.source_count = naru_rand_below(&r, 9);
        h.sources = naru_span(sources, h.source_count * (ipv4 ? 4U : 16U));
    }
    size_t len = naru_group_emit(out, &h);
    enum naru_drop drop = ipv4 ? naru_igmp_parse(naru_span(out, len), &got)
                               : naru_mld_parse(naru_span(out + 4, len - 4), out[0], &got);
    SEED_CHECK(seed, drop == NARU_DROP_NONE);
    SEED_CHECK(seed, got.kind == h.kind && got.version == h.version);
    SEED_CHECK(seed, naru_addr_eq(&got.group, &h.group));
    SEED_CHECK(seed, got.suppress == h.suppress && got.robustness == h.robustness);
    SEED_CHECK(seed, got.source_count == h.source_count && got.sources.len == h.sources.len);
    SEED_CHECK(seed,
               h.source_count == 0 || memcmp(got.sources.at, h.sources.at, h.sources.len) == 0);
    /* Times are rounded down, by less than one part in sixteen, and end at the largest code. */
    SEED_CHECK(seed, got.interval_s <= h.interval_s);
    SEED_CHECK(seed, got.interval_s == 31744 || got.interval_s + h.interval_s / 16 >= h.interval_s);
    if (!query || (ipv4 && h.version == 1))
        return;
    SEED_CHECK(seed, got.max_response_ms <= h.max_response_ms);
    SEED_CHECK(seed, (!ipv4 && got.max_response_ms >= 65535) ||
                         got.max_response_ms + h.max_response_ms / 16 >= h.max_response_ms);
}

static void parse_undoes_emit(void **state)
{
    (void)state;
    for_each_seed(SEEDS, parse_undoes_emit_seed);
}

static void survives_garbage_seed(uint64_t seed)
{
    static const uint8_t types4[] = { 0x11, 0x12, 0x16, 0x17, 0x22 };
    static const uint8_t types6[] = { 130, 131, 132, 143 };
    struct naru_rand r;
    struct naru_group_msg m;
    struct naru_group_rec rec;
    naru_rand_init_u64(&r, seed);
    uint8_t bytes[96];
    size_t len = naru_rand_below(&r, sizeof(bytes));
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(rand_bool(&r) ? naru_rand_below(&r, 3) : 0xe0 | rand32(&r));
    bytes[0] = types4[naru_rand_below(&r, sizeof(types4))];
    bool good = igmp(bytes, len, &m) == NARU_DROP_NONE;
    SEED_CHECK(seed, !good || m.records.len <= len);

    uint8_t *copy = exact(bytes, len);
    uint8_t type = types6[naru_rand_below(&r, sizeof(types6))];
    if (naru_mld_parse(naru_span(copy, len), type, &m) == NARU_DROP_NONE) {
        unsigned count = 0;
        while (naru_group_rec_next(&m, &rec))
            count++;
        SEED_CHECK(seed, count == m.record_count);
    }
    free(copy);
}

static void survives_garbage(void **state)
{
    (void)state;
    for_each_seed(20000, survives_garbage_seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single_group_messages),
        cmocka_unit_test(queries_with_sources),
        cmocka_unit_test(records),
        cmocka_unit_test(records_that_do_not_fit_are_refused),
        cmocka_unit_test(igmp_versions_by_length_and_code),
        cmocka_unit_test(bad_messages),
        cmocka_unit_test(counts_beyond_the_message),
        cmocka_unit_test(parse_undoes_emit),
        cmocka_unit_test(survives_garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
