/*
 * Reassembly and fragmentation (proto/frag.h), beside a bitmap of the bytes that have come.
 */
#include "proto_test.h"

#include "base/csum.h"
#include "proto/frag.h"

struct lab {
    struct world w;
    struct naru_frag_config config;
    struct naru_frag f;
    naru_time now;
    struct naru_frag_result result;
};

static void lab_begin(struct lab *l, uint64_t seed)
{
    memset(l, 0, sizeof(*l));
    world_init(&l->w, seed);
    naru_frag_config_init(&l->config);
    l->now = NARU_SEC(50);
}

static void lab_init(struct lab *l)
{
    naru_frag_init(&l->f, &l->config, &l->w.mem, &l->w.packets, &l->w.rand);
}

static void lab_deinit(struct lab *l)
{
    naru_frag_deinit(&l->f);
    assert_int_equal(l->f.memory, 0);
    world_deinit(&l->w);
}

static uint8_t byte_at(uint32_t ident, uint32_t at)
{
    return (uint8_t)(ident * 31 + at * 7 + at / 251);
}

enum { V4_HEADER = 24, V6_HEADER = 48 }; /* 4 bytes of options; a fragment header */

struct piece {
    enum naru_family family;
    uint32_t ident, offset, len;
    bool more;
    uint8_t ecn;
};

static struct naru_frag_info info_of(const struct piece *p)
{
    bool v6 = p->family == NARU_IPV6;
    return (struct naru_frag_info){
        .family = p->family,
        .src = addr(v6 ? "2001:db8::1" : "192.0.2.1"),
        .dst = addr(v6 ? "2001:db8::2" : "192.0.2.2"),
        .ident = p->ident,
        .offset = p->offset,
        .more = p->more,
        .protocol = 50, /* whose header may be of any length */
        .header_len = v6 ? V6_HEADER : V4_HEADER,
        .payload_len = (uint16_t)p->len,
        .next_header_at = 6,
    };
}

/* The packet of a piece; capacity decides what class it came in. */
static struct naru_pkt *packet_of(struct lab *l, const struct piece *p, size_t capacity)
{
    struct naru_frag_info info = info_of(p);
    size_t len = info.header_len + p->len;
    struct naru_pkt *pkt = naru_pktpool_get(&l->w.packets, 0, capacity > len ? capacity : len);
    if (pkt == NULL)
        return NULL;
    uint8_t *ip = naru_pkt_append(pkt, len);
    memset(ip, 0, info.header_len);
    if (p->family == NARU_IPV6) {
        ip[0] = 0x60;
        ip[1] = (uint8_t)(p->ecn << 4);
        ip[6] = 44;
    } else {
        ip[0] = 0x46;
        ip[1] = p->ecn;
        ip[6] = p->more ? 0x20 : 0;
        ip[20] = 1; /* a no-operation, so that the options are not all zero */
    }
    for (uint32_t i = 0; i < p->len; i++)
        ip[info.header_len + i] = byte_at(p->ident, p->offset + i);
    pkt->ifindex = 3;
    return pkt;
}

static enum naru_drop input(struct lab *l, const struct piece *p)
{
    struct naru_frag_info info = info_of(p);
    struct naru_pkt *pkt = packet_of(l, p, 1500);
    enum naru_drop drop = naru_frag_input(&l->f, pkt, &info, l->now, &l->result);
    if (l->result.problem != NARU_FRAG_FINE)
        naru_pkt_free(pkt);
    return drop;
}

static enum naru_drop in(struct lab *l, enum naru_family family, uint32_t offset, uint32_t len,
                         bool more)
{
    struct piece p = { .family = family, .ident = 1, .offset = offset, .len = len, .more = more };
    return input(l, &p);
}

/* The whole is what was cut up, as an IP packet of its own. */
static void check_whole(struct naru_pkt *pkt, enum naru_family family, uint32_t ident, uint32_t len)
{
    assert_non_null(pkt);
    const uint8_t *ip = pkt->data;
    uint32_t header_len = family == NARU_IPV6 ? 40 : V4_HEADER;
    assert_int_equal(pkt->len, header_len + len);
    assert_int_equal(pkt->ifindex, 3);
    assert_true((pkt->flags & NARU_PKT_REASSEMBLED) != 0);
    if (family == NARU_IPV6) {
        assert_int_equal(naru_get16(ip + 4), len);
        assert_int_equal(ip[6], 50);
    } else {
        assert_int_equal(naru_get16(ip + 2), header_len + len);
        assert_int_equal(naru_get16(ip + 6), 0);
        assert_true(naru_csum_ok(naru_csum_add(0, ip, header_len)));
        assert_int_equal(ip[20], 1);
    }
    for (uint32_t i = 0; i < len; i++)
        assert_int_equal(ip[header_len + i], byte_at(ident, i));
}

static const enum naru_family families[] = { NARU_IPV4, NARU_IPV6 };

/* In any order, both families (H-3.3.2-1, C-fragment-reassembly). */
static void any_order_gives_the_whole(void **state)
{
    (void)state;
    static const uint8_t order[][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
                                        { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
    for (size_t i = 0; i < NARU_ARRAY_LEN(order) * 2; i++) {
        struct lab l;
        enum naru_family family = families[i % 2];
        lab_begin(&l, 1);
        lab_init(&l);
        for (unsigned n = 0; n < 3; n++) {
            assert_null(l.result.whole);
            unsigned k = order[i / 2][n];
            assert_int_equal(in(&l, family, k * 1000, k == 2 ? 123 : 1000, k < 2), NARU_DROP_NONE);
        }
        check_whole(l.result.whole, family, 1, 2123);
        naru_pkt_free(l.result.whole);
        assert_int_equal(l.f.memory, 0);
        assert_int_equal(naru_frag_deadline(&l.f), NARU_NEVER);
        lab_deinit(&l);
    }
}

/* RFC 5722: an overlap ends it, of IPv6 what still comes too (V6-8200-4.5-1, B-fragment-limits). */
static void overlaps_end_the_datagram(void **state)
{
    (void)state;
    static const struct {
        uint32_t offset, len;
        bool more;
    } bad[] = {
        { 800, 800, true },   { 1000, 992, true },   { 1000, 1008, true }, { 1200, 8, true },
        { 1992, 100, false }, { 1000, 1000, false }, { 0, 3000, false },   { 400, 100, false },
    };
    for (size_t i = 0; i < NARU_ARRAY_LEN(bad) * 2; i++) {
        struct lab l;
        enum naru_family family = families[i % 2];
        lab_begin(&l, 1);
        lab_init(&l);
        assert_int_equal(in(&l, family, 1000, 1000, true), NARU_DROP_NONE);
        enum naru_drop drop = in(&l, family, bad[i / 2].offset, bad[i / 2].len, bad[i / 2].more);
        if (drop != NARU_DROP_FRAG_OVERLAP)
            fail_msg("row %zu: %s", i / 2, naru_drop_text(drop));
        assert_int_equal(l.result.discarded, 1);
        assert_int_equal(l.f.memory, 0);
        drop = in(&l, family, 0, 1000, true);
        assert_int_equal(drop, family == NARU_IPV6 ? NARU_DROP_FRAG_OVERLAP : NARU_DROP_NONE);
        l.now += NARU_SEC(61);
        struct naru_frag_expired e;
        assert_int_equal(naru_frag_next_expired(&l.f, l.now, &e), family == NARU_IPV4);
        if (family == NARU_IPV4)
            naru_pkt_free(e.first);
        assert_int_equal(in(&l, family, 0, 1000, true), NARU_DROP_NONE);
        lab_deinit(&l);
    }
}

/* Twice the same, and still whole (C-fragment-reassembly). */
static void repetitions_are_ignored(void **state)
{
    (void)state;
    struct lab l;
    lab_begin(&l, 1);
    lab_init(&l);
    assert_int_equal(in(&l, NARU_IPV6, 1000, 500, false), NARU_DROP_NONE);
    assert_int_equal(in(&l, NARU_IPV6, 1000, 500, false), NARU_DROP_FRAG_DUPLICATE);
    assert_int_equal(in(&l, NARU_IPV6, 0, 504, true), NARU_DROP_NONE);
    assert_int_equal(in(&l, NARU_IPV6, 0, 504, true), NARU_DROP_FRAG_DUPLICATE);
    assert_int_equal(in(&l, NARU_IPV6, 504, 496, true), NARU_DROP_NONE);
    check_whole(l.result.whole, NARU_IPV6, 1, 1500);
    naru_pkt_free(l.result.whole);
    lab_deinit(&l);
}

/* Not of eights, or too long in all (V6-8200-4.5-2, B-fragment-limits). */
static void lengths_are_checked(void **state)
{
    (void)state;
    struct lab l;
    lab_begin(&l, 1);
    lab_init(&l);
    assert_int_equal(in(&l, NARU_IPV4, 0, 1001, true), NARU_DROP_FRAG_LENGTH);
    assert_int_equal(l.result.problem, NARU_FRAG_FINE);
    assert_int_equal(in(&l, NARU_IPV6, 0, 1001, true), NARU_DROP_FRAG_LENGTH);
    assert_int_equal(l.result.problem, NARU_FRAG_NOT_EIGHTS);
    assert_int_equal(in(&l, NARU_IPV6, 65528, 8, false), NARU_DROP_FRAG_LENGTH);
    assert_int_equal(l.result.problem, NARU_FRAG_TOO_LONG);
    assert_int_equal(in(&l, NARU_IPV6, 65528, 7, false), NARU_DROP_NONE);
    assert_int_equal(in(&l, NARU_IPV4, 65504, 8, false), NARU_DROP_FRAG_LENGTH); /* ping of death */
    assert_int_equal(in(&l, NARU_IPV4, 65504, 7, false), NARU_DROP_NONE);
    assert_int_equal(in(&l, NARU_IPV4, 8, 0, true), NARU_DROP_FRAG_LENGTH);
    lab_deinit(&l);
}

/* As large as the length fields allow (H-3.3.2-2, H-3.3.2-3, V6-8200-5-1). */
static void largest_datagrams_fit(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct lab l;
        uint32_t total = families[i] == NARU_IPV6 ? 65535 : 65535 - V4_HEADER;
        lab_begin(&l, 1);
        lab_init(&l);
        for (uint32_t at = 0; at < total; at += 1480) {
            uint32_t len = NARU_MIN(total - at, 1480U);
            assert_int_equal(in(&l, families[i], at, len, at + len < total), NARU_DROP_NONE);
        }
        check_whole(l.result.whole, families[i], 1, total);
        naru_pkt_free(l.result.whole);
        lab_deinit(&l);
    }
}

/* Headers of the first fragment count, longer than those by which lengths were judged. */
static void first_header_may_be_too_long(void **state)
{
    (void)state;
    struct lab l;
    lab_begin(&l, 1);
    lab_init(&l);
    struct piece p = { .family = NARU_IPV4, .ident = 1, .offset = 65504, .len = 7 };
    assert_int_equal(input(&l, &p), NARU_DROP_NONE);
    for (uint32_t at = 0; at < 65504; at += 4094 * 8) {
        struct piece q = { .family = NARU_IPV4, .ident = 1, .offset = at, .more = true };
        q.len = NARU_MIN(65504 - at, 4094U * 8);
        struct naru_frag_info info = info_of(&q);
        struct naru_pkt *pkt = packet_of(&l, &q, 65535);
        if (at == 0) { /* 16 bytes more of options */
            naru_pkt_append(pkt, 16);
            info.header_len += 16;
        }
        enum naru_drop drop = naru_frag_input(&l.f, pkt, &info, l.now, &l.result);
        assert_int_equal(drop, at + q.len < 65504 ? NARU_DROP_NONE : NARU_DROP_FRAG_LENGTH);
    }
    assert_int_equal(l.result.discarded, 2);
    lab_deinit(&l);
}

/* RFC 3168 5.3. */
static void congestion_marks_are_joined(void **state)
{
    (void)state;
    static const struct {
        uint8_t a, b;
        enum naru_drop drop;
        uint8_t whole;
    } t[] = {
        { 0, 0, NARU_DROP_NONE, 0 },     { 2, 2, NARU_DROP_NONE, 2 },
        { 2, 3, NARU_DROP_NONE, 3 },     { 3, 1, NARU_DROP_NONE, 3 },
        { 3, 3, NARU_DROP_NONE, 3 },     { 0, 3, NARU_DROP_FRAG_ECN, 0 },
        { 3, 0, NARU_DROP_FRAG_ECN, 0 },
    };
    for (size_t i = 0; i < NARU_ARRAY_LEN(t) * 2; i++) {
        struct lab l;
        enum naru_family family = families[i % 2];
        lab_begin(&l, 1);
        lab_init(&l);
        struct piece a = { .family = family, .len = 8, .more = true, .ecn = t[i / 2].a };
        struct piece b = { .family = family, .offset = 8, .len = 8, .ecn = t[i / 2].b };
        assert_int_equal(input(&l, &a), NARU_DROP_NONE);
        assert_int_equal(input(&l, &b), t[i / 2].drop);
        if (l.result.whole != NULL) {
            uint8_t tos = l.result.whole->data[1];
            assert_int_equal(family == NARU_IPV6 ? tos >> 4 : tos & 3, t[i / 2].whole);
            naru_pkt_free(l.result.whole);
        } else {
            assert_int_equal(l.result.discarded, 1);
        }
        lab_deinit(&l);
    }
}

/* RFC 7112: headers that go on behind the first fragment are refused (V6-7112-5-1). */
static void first_fragment_holds_all_headers(void **state)
{
    (void)state;
    static const struct {
        uint8_t protocol, payload[16];
        uint32_t len;
        enum naru_drop drop;
    } t[] = {
        { 17, { 0 }, 8, NARU_DROP_NONE },
        { 6, { 0 }, 16, NARU_DROP_FRAG_CHAIN },
        { 60, { 6, 0, 1, 4 }, 8, NARU_DROP_FRAG_CHAIN },    /* options, then TCP */
        { 60, { 17, 0, 1, 4 }, 16, NARU_DROP_NONE },        /* options, then UDP */
        { 60, { 17, 1, 1, 12 }, 16, NARU_DROP_FRAG_CHAIN }, /* options that fill it */
        { 60, { 17, 2, 1, 4 }, 16, NARU_DROP_FRAG_CHAIN },  /* options that are cut */
        { 58, { 0 }, 8, NARU_DROP_NONE },
        { 50, { 0 }, 8, NARU_DROP_NONE },
    };
    for (size_t i = 0; i < NARU_ARRAY_LEN(t); i++) {
        struct lab l;
        lab_begin(&l, 1);
        lab_init(&l);
        struct piece p = { .family = NARU_IPV6, .ident = 1, .len = t[i].len, .more = true };
        struct naru_frag_info info = info_of(&p);
        struct naru_pkt *pkt = packet_of(&l, &p, 0);
        info.protocol = t[i].protocol;
        memcpy(pkt->data + V6_HEADER, t[i].payload, t[i].len);
        enum naru_drop drop = naru_frag_input(&l.f, pkt, &info, l.now, &l.result);
        if (drop != t[i].drop)
            fail_msg("row %zu: %s", i, naru_drop_text(drop));
        lab_deinit(&l);
    }
}

/* ---- Time ---- */

/* Reassembly timeout 60 s, Time Exceeded code 1 if first fragment was there (V6-8200-4.5-3). */
static void time_ends_datagrams(void **state)
{
    (void)state;
    struct lab l;
    struct naru_frag_expired e;
    lab_begin(&l, 1);
    lab_init(&l);
    naru_time begin = l.now;
    in(&l, NARU_IPV6, 0, 1000, true);
    in(&l, NARU_IPV4, 8, 1000, true); /* the first is missing */
    in(&l, NARU_IPV4, 2008, 1000, true);
    l.now += NARU_SEC(10);
    struct piece p = { .family = NARU_IPV4, .ident = 2, .len = 64, .more = true };
    input(&l, &p);
    assert_int_equal(naru_frag_deadline(&l.f), begin + NARU_SEC(30));
    assert_false(naru_frag_next_expired(&l.f, begin + NARU_SEC(30) - 1, &e));
    assert_true(naru_frag_next_expired(&l.f, begin + NARU_SEC(30), &e));
    assert_null(e.first);
    assert_int_equal(e.fragments, 2);
    assert_false(naru_frag_next_expired(&l.f, begin + NARU_SEC(30), &e));
    assert_int_equal(naru_frag_deadline(&l.f), begin + NARU_SEC(40));
    assert_true(naru_frag_next_expired(&l.f, begin + NARU_SEC(60), &e));
    assert_int_equal(e.family, NARU_IPV4);
    assert_int_equal(e.first->len, V4_HEADER + 64); /* as it came: for the ICMP error */
    assert_int_equal(e.first->data[0], 0x46);
    naru_pkt_free(e.first);
    assert_true(naru_frag_next_expired(&l.f, begin + NARU_SEC(60), &e));
    assert_int_equal(e.family, NARU_IPV6);
    naru_pkt_free(e.first);
    assert_int_equal(naru_frag_deadline(&l.f), NARU_NEVER);
    lab_deinit(&l);
}

/* ---- Limits ---- */

static void memory_is_bounded(void **state)
{
    (void)state;
    struct lab l;
    unsigned evicted = 0;
    lab_begin(&l, 1);
    l.config.memory_max = 20000;
    lab_init(&l);
    for (uint32_t i = 0; i < 100; i++) {
        struct piece p = { .family = NARU_IPV6, .ident = i, .len = 1400, .more = true };
        assert_int_equal(input(&l, &p), NARU_DROP_NONE);
        evicted += l.result.evicted;
        assert_true(l.f.memory <= 20000);
    }
    assert_int_equal(evicted + naru_table_count(&l.f.table), 100);
    struct piece last = { .family = NARU_IPV6, .ident = 99, .offset = 1400, .len = 8 };
    assert_int_equal(input(&l, &last), NARU_DROP_NONE); /* the newest is whole */
    check_whole(l.result.whole, NARU_IPV6, 99, 1408);
    naru_pkt_free(l.result.whole);
    while (naru_table_count(&l.f.table) > 1)
        naru_frag_shed(&l.f);
    enum naru_drop drop = NARU_DROP_NONE;
    for (uint32_t i = 1; i < 100 && drop == NARU_DROP_NONE; i++) { /* one alone takes it all */
        struct piece p = { .family = NARU_IPV6, .ident = 98, .offset = i * 1400, .len = 1400 };
        p.more = true;
        drop = input(&l, &p);
    }
    assert_int_equal(drop, NARU_DROP_FRAG_LIMIT);
    assert_true(l.result.discarded > 5);
    assert_int_equal(naru_frag_shed(&l.f), 0);
    lab_deinit(&l);
}

/* Eight bytes in a super-segment's buffer must not hold 64 KB. */
static void little_pins_little(void **state)
{
    (void)state;
    struct lab l;
    lab_begin(&l, 1);
    lab_init(&l);
    struct piece p = { .family = NARU_IPV4, .ident = 5, .offset = 8, .len = 8, .more = true };
    struct naru_frag_info info = info_of(&p);
    struct naru_pkt *pkt = packet_of(&l, &p, 65535);
    assert_int_equal(naru_frag_input(&l.f, pkt, &info, l.now, &l.result), NARU_DROP_NONE);
    assert_true(l.f.memory < 500);
    lab_deinit(&l);
}

static void counts_are_bounded(void **state)
{
    (void)state;
    struct lab l;
    lab_begin(&l, 1);
    l.config.fragments_max = 10;
    l.config.datagrams_max = 4;
    lab_init(&l);
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(in(&l, NARU_IPV4, i * 16, 8, true), NARU_DROP_NONE);
    assert_int_equal(in(&l, NARU_IPV4, 160, 8, true), NARU_DROP_FRAG_LIMIT);
    assert_int_equal(l.result.discarded, 10);
    for (uint32_t i = 0; i < 6; i++) {
        struct piece p = { .family = NARU_IPV4, .ident = i, .len = 8, .more = true };
        assert_int_equal(input(&l, &p), NARU_DROP_NONE);
        assert_int_equal(l.result.evicted, i >= 4);
    }
    lab_deinit(&l);
}

static void datagrams_are_told_apart(void **state)
{
    (void)state;
    struct lab l;
    lab_begin(&l, 1);
    lab_init(&l);
    struct piece p = { .family = NARU_IPV4, .ident = 7, .len = 8, .more = true };
    struct naru_frag_info info = info_of(&p);
    naru_frag_input(&l.f, packet_of(&l, &p, 0), &info, l.now, &l.result);
    info.protocol = 6; /* RFC 791: the protocol belongs to the name */
    naru_frag_input(&l.f, packet_of(&l, &p, 0), &info, l.now, &l.result);
    info.src = addr("192.0.2.9");
    naru_frag_input(&l.f, packet_of(&l, &p, 0), &info, l.now, &l.result);
    assert_int_equal(naru_table_count(&l.f.table), 3);
    p.family = NARU_IPV6;
    info = info_of(&p);
    naru_frag_input(&l.f, packet_of(&l, &p, 0), &info, l.now, &l.result);
    info.protocol = 89; /* RFC 8200: here it does not */
    assert_int_equal(naru_frag_input(&l.f, packet_of(&l, &p, 0), &info, l.now, &l.result),
                     NARU_DROP_FRAG_DUPLICATE);
    info.src = info.dst = addr("fe80::1");
    naru_frag_input(&l.f, packet_of(&l, &p, 0), &info, l.now, &l.result);
    struct naru_pkt *other_link = packet_of(&l, &p, 0);
    other_link->ifindex = 4;
    assert_int_equal(naru_frag_input(&l.f, other_link, &info, l.now, &l.result), NARU_DROP_NONE);
    assert_int_equal(naru_table_count(&l.f.table), 6);
    lab_deinit(&l);
}

/* ---- Twin ---- */

enum { UNITS = 40, TWINS = 4 };

struct twin {
    bool refused;
    bool have[UNITS * 8];
    uint32_t total; /* 0: unknown */
    struct {
        uint32_t offset, len;
        bool more;
    } seen[UNITS];
    unsigned count;
};

static void twin_reset(struct twin *t, bool refused)
{
    memset(t, 0, sizeof(*t));
    t->refused = refused;
}

/* *whole: complete now, with that length. */
static enum naru_drop twin_input(struct twin *t, const struct piece *p, uint32_t *whole)
{
    uint32_t end = p->offset + p->len, got = 0;
    *whole = 0;
    if (t->refused)
        return NARU_DROP_FRAG_OVERLAP;
    for (unsigned i = 0; i < t->count; i++) {
        if (t->seen[i].offset == p->offset && t->seen[i].len == p->len &&
            t->seen[i].more == p->more)
            return NARU_DROP_FRAG_DUPLICATE;
    }
    bool bad = t->total != 0 && (end > t->total || (!p->more && end != t->total));
    for (uint32_t i = 0; i < UNITS * 8; i++)
        bad = bad || (t->have[i] && ((i >= p->offset && i < end) || (!p->more && i >= end)));
    if (bad) {
        twin_reset(t, p->family == NARU_IPV6);
        return NARU_DROP_FRAG_OVERLAP;
    }
    for (uint32_t i = p->offset; i < end; i++)
        t->have[i] = true;
    t->seen[t->count].offset = p->offset;
    t->seen[t->count].len = p->len;
    t->seen[t->count++].more = p->more;
    if (!p->more)
        t->total = end;
    for (uint32_t i = 0; i < t->total; i++)
        got += t->have[i];
    if (t->total != 0 && got == t->total) {
        *whole = t->total;
        twin_reset(t, false);
    }
    return NARU_DROP_NONE;
}

static struct piece random_piece(struct naru_rand *rand)
{
    uint32_t ident = naru_rand_below(rand, TWINS);
    /* Mostly cut at the same places, so that wholes happen; now and then anywhere. */
    uint32_t grid = naru_rand_below(rand, 30) == 0 ? 1 : 4 + ident;
    uint32_t first = naru_rand_below(rand, UNITS / grid) * grid;
    uint32_t units = NARU_MIN(naru_rand_below(rand, 20) == 0 ? grid * 2 : grid, UNITS - first);
    struct piece p = {
        .family = families[ident % 2],
        .ident = ident,
        .offset = first * 8,
        .len = units * 8,
        .more = first + units < UNITS / grid * grid,
    };
    if (naru_rand_below(rand, 60) == 0) {
        p.more = false;
        p.len -= naru_rand_below(rand, 8);
    }
    return p;
}

static void twin_run(uint64_t seed)
{
    struct lab l;
    static struct twin twins[TWINS];
    unsigned wholes = 0;
    lab_begin(&l, seed);
    lab_init(&l);
    for (unsigned i = 0; i < TWINS; i++)
        twin_reset(&twins[i], false);
    for (unsigned step = 0; step < 5000; step++) {
        struct piece p = random_piece(&l.w.rand);
        uint32_t whole;
        enum naru_drop wanted = twin_input(&twins[p.ident], &p, &whole);
        enum naru_drop got = input(&l, &p);
        SEED_CHECK(seed, got == wanted);
        SEED_CHECK(seed, (whole != 0) == (l.result.whole != NULL));
        if (whole != 0) {
            check_whole(l.result.whole, p.family, p.ident, whole);
            naru_pkt_free(l.result.whole);
            wholes++;
        }
        if (step % 500 == 499) { /* the time of all is over */
            struct naru_frag_expired e;
            l.now += NARU_SEC(60);
            while (naru_frag_next_expired(&l.f, l.now, &e))
                naru_pkt_free(e.first);
            SEED_CHECK(seed, l.f.memory == 0);
            for (unsigned i = 0; i < TWINS; i++)
                twin_reset(&twins[i], false);
        }
    }
    SEED_CHECK(seed, wholes > 10);
    lab_deinit(&l);
}

static void like_a_bitmap(void **state)
{
    (void)state;
    for_each_seed(20, twin_run);
}

static void without_memory(struct world *w)
{
    static const uint32_t at[] = { 16, 0, 8, 0, 16, 8 };
    struct lab l = { .w = *w, .now = 0 };
    struct naru_frag f;
    naru_frag_config_init(&l.config);
    naru_frag_init(&f, &l.config, &w->mem, &w->packets, &w->rand);
    for (uint32_t i = 0; i < 30; i++) {
        struct piece p = { .family = NARU_IPV6, .ident = i / 3, .offset = at[i % 6], .len = 8 };
        struct naru_frag_info info;
        struct naru_frag_result result = { .whole = NULL };
        p.more = p.offset != 16;
        info = info_of(&p);
        struct naru_pkt *pkt = naru_pktpool_get(&w->packets, 0, 1500);
        if (pkt == NULL)
            continue;
        memset(naru_pkt_append(pkt, V6_HEADER + 8), 0, V6_HEADER + 8);
        enum naru_drop drop = naru_frag_input(&f, pkt, &info, 0, &result);
        assert_true(drop == NARU_DROP_NONE || drop == NARU_DROP_NO_MEMORY);
        naru_pkt_free(result.whole);
    }
    naru_frag_deinit(&f);
}

static void every_allocation_fails(void **state)
{
    (void)state;
    each_allocation_fails(without_memory);
}

/* ---- The way out ---- */

static void cuts(void **state)
{
    (void)state;
    static const struct {
        uint32_t header_len, payload_len, mtu;
        unsigned pieces; /* 0: impossible */
    } t[] = {
        { 20, 1480, 1500, 1 },   { 20, 1481, 1500, 2 }, { 20, 2960, 1500, 2 },
        { 20, 65515, 1500, 45 }, { 48, 1232, 1280, 1 }, { 48, 65000, 1280, 53 },
        { 20, 100, 68, 3 },      { 60, 9, 68, 2 },      { 60, 9, 67, 0 },
        { 20, 5, 10, 0 },        { 20, 0, 20, 0 },
    };
    for (size_t i = 0; i < NARU_ARRAY_LEN(t); i++) {
        struct naru_frag_cut cut;
        struct naru_frag_piece piece = { .more = true };
        unsigned pieces = 0;
        uint32_t at = 0;
        bool fits = naru_frag_cut_init(&cut, t[i].header_len, t[i].payload_len, t[i].mtu);
        if (!fits) {
            assert_int_equal(t[i].pieces, 0);
            continue;
        }
        while (naru_frag_cut_next(&cut, &piece)) {
            assert_int_equal(piece.offset, at);
            assert_true(piece.len > 0 && t[i].header_len + piece.len <= t[i].mtu);
            assert_true(!piece.more || piece.len % 8 == 0);
            at += piece.len;
            assert_int_equal(piece.more, at < t[i].payload_len);
            pieces++;
        }
        assert_int_equal(at, t[i].payload_len);
        assert_int_equal(pieces, t[i].pieces);
    }
}

/* RFC 7739: of one destination they count up, of another they say nothing about the first. */
static void identifications_count_per_destination(void **state)
{
    (void)state;
    struct world w;
    static struct naru_frag_ident ident;
    struct naru_addr a = addr("2001:db8::1"), b = addr("2001:db8::2"), c = addr("2001:db8::3");
    world_init(&w, 1);
    naru_frag_ident_init(&ident, &w.rand);
    uint32_t first = naru_frag_ident_next(&ident, &a, &b);
    uint32_t other = naru_frag_ident_next(&ident, &a, &c);
    assert_int_equal(naru_frag_ident_next(&ident, &a, &b), first + 1);
    assert_true(other - first > 1000 && first - other > 1000);
    world_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order_gives_the_whole),
        cmocka_unit_test(overlaps_end_the_datagram),
        cmocka_unit_test(repetitions_are_ignored),
        cmocka_unit_test(lengths_are_checked),
        cmocka_unit_test(largest_datagrams_fit),
        cmocka_unit_test(first_header_may_be_too_long),
        cmocka_unit_test(congestion_marks_are_joined),
        cmocka_unit_test(first_fragment_holds_all_headers),
        cmocka_unit_test(time_ends_datagrams),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(little_pins_little),
        cmocka_unit_test(counts_are_bounded),
        cmocka_unit_test(datagrams_are_told_apart),
        cmocka_unit_test(like_a_bitmap),
        cmocka_unit_test(every_allocation_fails),
        cmocka_unit_test(cuts),
        cmocka_unit_test(identifications_count_per_destination),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
