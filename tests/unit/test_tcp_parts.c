/*
 * Parts of TCP beside slow and obviously right twins: records of what is in flight, reassembly,
 * send buffer; and CUBIC beside the formula of RFC 9438, RTO beside that of RFC 6298.
 */
#include "lib/tcp_host.h"
#include "proto/tcp/cc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SPACE = 20000 };

static struct tcp_host host;

/* A connection in ESTABLISHED, both ISSs just before the wrap. */
static void established(struct naru_tcp *c)
{
    struct naru_tcp_setup setup = { .mss = 1012, .mss_default = 536 };
    struct naru_tcp_hdr syn = { .seq = naru_seq_of(0xfffffffeu),
                                .flags = NARU_TCP_SYN,
                                .opts =
                                    NARU_TCP_OPT_SACK_OK | NARU_TCP_OPT_MSS | NARU_TCP_OPT_WSCALE,
                                .mss = 1000,
                                .wscale = 8,
                                .wnd = 65535 };
    struct naru_tcp_hdr ack = syn;
    struct naru_tcp_segment out;
    tcp_host_init(&host);
    host.config.tcp_sndbuf_default = 1u << 20;
    tcp_host_start(&host, 1);
    naru_tcp_init(c, &host.env, &setup, 0);
    naru_tcp_open_passive(c, &syn, naru_seq_of(0xfffffffeu), false, 0);
    assert_true(naru_tcp_output(c, NULL, &out, 0));
    ack.flags = NARU_TCP_ACK;
    ack.opts = 0;
    ack.seq = ack.ack = naru_seq_of(0xffffffffu);
    naru_tcp_input(c, &ack, NULL, NARU_MS(10));
    assert_int_equal(c->state, NARU_TCP_ESTABLISHED);
    while (naru_tcp_output(c, NULL, &out, NARU_MS(10))) {
    }
    assert_true(naru_tcp_more_need(c)); /* parts are called alone, as if something were amiss */
}

static void finished(struct naru_tcp *c)
{
    naru_tcp_deinit(c);
    tcp_host_stop(&host);
}

/* ---- Records: each byte on its own ---- */

struct byte {
    uint8_t flags;
    bool there;
};

static void compare_records(struct naru_tcp *c, const struct byte *twin, uint32_t una, uint32_t nxt)
{
    naru_seq base = naru_seq_add(naru_tcp_iss(c), 1);
    uint32_t at = una;
    naru_tcp_sent_check(c);
    for (unsigned i = 0; i < naru_tcp_sent_count(c); i++) {
        const struct naru_tcp_sent *r = naru_tcp_sent_at(c, i);
        for (; at < naru_seq_len(base, r->end); at++)
            assert_int_equal(r->flags & NARU_TCP_SENT_SACKED, twin[at].flags);
    }
    assert_int_equal(at, nxt);
}

static void records(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 60; seed++) {
        static struct byte twin[SPACE];
        struct naru_tcp c;
        struct naru_rand rand;
        established(&c);
        memset(twin, 0, sizeof(twin));
        naru_rand_init_u64(&rand, seed);
        host.fail_every = seed % 4 == 3 ? 3 : 0; /* a ring that cannot grow forgets, and no more */
        naru_seq base = naru_seq_add(naru_tcp_iss(&c), 1);
        uint32_t una = 0, nxt = 0;
        naru_time now = NARU_SEC(1);
        for (unsigned step = 0; step < 400; step++) {
            uint32_t what = naru_rand_below(&rand, 4), len = 1 + naru_rand_below(&rand, 300);
            now += naru_rand_below(&rand, 2) * 1000;
            if (what <= 1 && nxt + len < SPACE) {
                naru_seq end = naru_seq_add(base, nxt + len);
                naru_tcp_sent_push(&c, naru_seq_add(base, nxt), end, 0, now);
                c.snd.nxt = c.snd.end = end;
                nxt += len;
            } else if (what == 2 && nxt > una) {
                uint32_t left = una + naru_rand_below(&rand, nxt - una);
                uint32_t right = NARU_MIN(left + len, nxt);
                struct naru_tcp_acked a = { .first_sent = NARU_NEVER };
                struct naru_tcp_hdr h = { .sack_count = 1 };
                h.sack[0].left = naru_seq_add(base, left);
                h.sack[0].right = naru_seq_add(base, right);
                uint32_t before = c.more->sacked;
                naru_tcp_sack_input(&c, &h, c.snd.una, &a);
                assert_int_equal(c.more->sacked - before, a.sacked);
                uint32_t news = 0;
                for (uint32_t i = left; i < right; i++) {
                    news += twin[i].flags == 0;
                    twin[i].flags = NARU_TCP_SENT_SACKED;
                }
                if (host.fail_every == 0)
                    assert_int_equal(a.sacked, news);
            } else if (nxt > una) {
                struct naru_tcp_acked a = { .first_sent = NARU_NEVER };
                a.acked = 1 + naru_rand_below(&rand, NARU_MIN(nxt - una, 500u));
                una += a.acked;
                c.snd.una = naru_seq_add(base, una);
                naru_tcp_sent_pop(&c, c.snd.una, &a);
            }
            if (host.fail_every == 0)
                compare_records(&c, twin, una, nxt);
            else
                naru_tcp_sent_check(&c);
        }
        host.fail_every = 0;
        finished(&c);
    }
}

/* A peer that acknowledges every second byte must not cost more than the bound. */
static void records_are_bounded(void **state)
{
    struct naru_tcp c;
    (void)state;
    established(&c);
    naru_seq base = naru_seq_add(naru_tcp_iss(&c), 1);
    uint32_t total = 100000;
    naru_tcp_sent_push(&c, base, naru_seq_add(base, total), 0, NARU_SEC(1));
    c.snd.nxt = c.snd.end = naru_seq_add(base, total);
    for (uint32_t i = 1; i < total; i += 2) {
        struct naru_tcp_acked a = { .first_sent = NARU_NEVER };
        struct naru_tcp_hdr h = { .sack_count = 1 };
        h.sack[0].left = naru_seq_add(base, i);
        h.sack[0].right = naru_seq_add(base, i + 1);
        naru_tcp_sack_input(&c, &h, c.snd.una, &a);
    }
    assert_true(naru_tcp_sent_count(&c) <= 8192);
    naru_tcp_sent_check(&c);
    finished(&c);
}

/* So many in flight that records become few: RTO makes one of them, and each can be told apart. */
static void timeout_makes_room_for_records(void **state)
{
    struct naru_tcp c;
    naru_time now = NARU_SEC(1);
    naru_seq start;
    (void)state;
    established(&c);
    c.snd.nxt = c.snd.end = c.snd.una;
    for (unsigned i = 0; i < 100000; i++) {
        naru_seq end = naru_seq_add(c.snd.nxt, c.snd.mss);
        naru_tcp_sent_push(&c, c.snd.nxt, end, NARU_TCP_SENT_EVEN, ++now);
        c.snd.nxt = c.snd.end = end;
    }
    assert_true(naru_tcp_sent_count(&c) > 60000 && naru_tcp_sent_count(&c) <= 65536);
    now += NARU_SEC(10);
    naru_tcp_recover_rto(&c, now);
    naru_tcp_sent_check(&c);
    assert_true(naru_tcp_sent_count(&c) <= 2);
    uint32_t len = naru_tcp_recover_next(&c, c.snd.mss, &start);
    assert_int_equal(len, c.snd.mss);
    naru_tcp_recover_sent(&c, start, len, now);
    assert_int_equal(c.more->retrans, c.snd.mss); /* this one alone counts as sent again */
    naru_tcp_sent_check(&c);
    finished(&c);
}

/* ---- Reassembly: a map of bytes ---- */

static uint8_t stream(uint32_t i) { return (uint8_t)(i * 31 ^ i >> 8); }

static enum naru_drop give(struct naru_tcp *c, uint32_t from, uint32_t len, naru_time now)
{
    struct naru_pkt *pkt = naru_pktpool_get(&host.pktpool, 0, NARU_MAX(len, 256u));
    struct naru_tcp_hdr h = { .seq = naru_seq_add(naru_tcp_irs(c), 1 + from),
                              .ack = c->snd.nxt,
                              .flags = NARU_TCP_ACK,
                              .wnd = 65535 };
    assert_non_null(pkt);
    for (uint32_t i = 0; i < len; i++)
        pkt->data[i] = stream(from + i);
    pkt->len = len;
    return naru_tcp_input(c, &h, pkt, now).drop;
}

static void check_blocks(struct naru_tcp *c, const bool *have)
{
    struct naru_tcp_sack block[NARU_TCP_SACK_MAX];
    naru_seq base = naru_seq_add(naru_tcp_irs(c), 1);
    unsigned count = naru_tcp_ooo_blocks(c, block, NARU_TCP_SACK_MAX);
    for (unsigned i = 0; i < count; i++) {
        uint32_t left = naru_seq_len(base, block[i].left),
                 right = naru_seq_len(base, block[i].right);
        for (uint32_t k = left; k < right; k++)
            assert_true(have[k]);
        assert_false(have[right]);
        assert_false(have[left - 1]);
    }
}

static void reassembly(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 100; seed++) {
        static bool have[SPACE + 2000];
        struct naru_tcp c;
        struct naru_rand rand;
        struct naru_tcp_segment out;
        established(&c);
        memset(have, 0, sizeof(have));
        naru_rand_init_u64(&rand, seed);
        uint32_t next = 0, read = 0, size = 1 + naru_rand_below(&rand, 1400);
        naru_time now = NARU_SEC(1);
        while (read < SPACE) {
            uint32_t from = next + naru_rand_below(&rand, 6000);
            uint32_t len = 1 + naru_rand_below(&rand, size);
            from = naru_rand_below(&rand, 4) == 0 ? next : from;
            from -= NARU_MIN(from, naru_rand_below(&rand, 200));
            len = NARU_MIN(len, SPACE - NARU_MIN(from, (uint32_t)SPACE));
            if (len == 0)
                continue;
            if (give(&c, from, len, now) != NARU_DROP_TCP_OOO_LIMIT)
                for (uint32_t i = from; i < from + len; i++)
                    have[i] = true;
            naru_tcp_check(&c);
            while (have[next])
                next++;
            assert_int_equal(next, naru_seq_len(naru_seq_add(naru_tcp_irs(&c), 1), c.rcv.nxt));
            check_blocks(&c, have);
            while (naru_tcp_output(&c, NULL, &out, now)) {
            }
            uint8_t bytes[3000];
            struct naru_room room = { .at = bytes, .len = 1 + naru_rand_below(&rand, 3000) };
            int64_t got = naru_tcp_recv(&c, &room, 1, 0, now);
            for (int64_t i = 0; i < got; i++)
                assert_int_equal(bytes[i], stream(read + (uint32_t)i));
            read += got > 0 ? (uint32_t)got : 0;
            now += 1000;
        }
        finished(&c);
    }
}

/*
 * What slow start does to a queue that is full: every second segment of a window is lost.  None of
 * those that came may be refused; the latest is told first, then what was told before it.
 */
static void every_second_segment_is_kept(void **state)
{
    enum { LEN = 100, HOLES = 300 };
    struct naru_tcp c;
    struct naru_tcp_sack block[4];
    (void)state;
    established(&c);
    c.rcv.buf = 64 << 20;
    for (uint32_t i = 0; i < HOLES; i++) {
        give(&c, (2 * i + 1) * LEN, LEN, NARU_SEC(1));
        unsigned count = naru_tcp_ooo_blocks(&c, block, 4);
        assert_int_equal(count, i < 3 ? i + 1 : 4);
        for (unsigned k = 0; k < count; k++)
            assert_int_equal(naru_seq_len(c.rcv.nxt, block[k].left), (2 * (i - k) + 1) * LEN);
    }
    assert_int_equal(naru_tcp_ooo_ranges(&c), HOLES);
    naru_tcp_check(&c);
    for (uint32_t i = 0; i < HOLES; i++) { /* they go at the front, the list stays in order */
        give(&c, 2 * i * LEN, LEN, NARU_SEC(1));
        assert_int_equal(naru_tcp_ooo_ranges(&c), HOLES - 1 - i);
        assert_int_equal(naru_tcp_unread(&c), (i + 1) * 2 * LEN);
        naru_tcp_check(&c);
    }
    finished(&c);
}

static void out_of_order_data_is_bounded(void **state)
{
    struct naru_tcp c;
    (void)state;
    established(&c);
    for (uint32_t i = 0; i < 30000; i += 2)
        give(&c, 100 + i, 1, NARU_SEC(1));
    assert_int_equal(naru_tcp_ooo_ranges(&c), c.rcv.buf / 1024);
    give(&c, 0, 100, NARU_SEC(1)); /* the next expected is always taken */
    assert_int_equal(naru_tcp_unread(&c), 101);
    naru_tcp_check(&c);
    finished(&c);

    established(&c);
    host.env.ooo_max = 10000;
    for (uint32_t i = 0; i < 60; i++)
        give(&c, 2000 * i + 1000, 1000, NARU_SEC(1));
    assert_true(host.env.ooo_bytes <= 10000);
    give(&c, 0, 1000, NARU_SEC(1));
    assert_true(naru_tcp_unread(&c) >= 1000);
    finished(&c);
}

/* One byte in each packet of 2 KB must not hold 2 KB for each byte. */
static void tiny_segments_share_memory(void **state)
{
    struct naru_tcp c;
    (void)state;
    established(&c);
    for (uint32_t i = 0; i < 5000; i++)
        give(&c, i, 1, NARU_SEC(1));
    assert_int_equal(naru_tcp_unread(&c), 5000);
    assert_true(c.rcv_truesize < 5000 * 4);
    finished(&c);
}

/* ---- Send buffer ---- */

/* len bytes of the stream, or what there is room for, into up to max rooms; all of it committed, or
 * some, or nothing, or they are left as they are.  What the stream has now. */
static uint32_t fill_rooms(struct naru_tcp *c, struct naru_rand *rand, uint32_t end, uint32_t len)
{
    struct naru_room room[6];
    uint32_t done = 0, kind = naru_rand_below(rand, 6);
    int count = naru_tcp_sndq_reserve(c, room, 1 + naru_rand_below(rand, 6), len);
    assert_true(count > 0);
    naru_tcp_sndq_check(c);
    for (int i = 0; i < count; i++)
        for (size_t k = 0; k < room[i].len; k++)
            ((uint8_t *)room[i].at)[k] = stream(end + done++);
    assert_true(done <= len);
    if (kind == 0)
        return 0; /* forgotten */
    if (kind < 3)
        done = naru_rand_below(rand, done + 1);
    naru_tcp_sndq_commit(c, done);
    naru_tcp_sndq_check(c);
    return done;
}

static void send_buffer(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 50; seed++) {
        struct naru_tcp c;
        struct naru_rand rand;
        established(&c);
        naru_rand_init_u64(&rand, seed);
        static uint8_t bytes[70000];
        naru_seq base = c.snd.end;
        uint32_t end = 0, una = 0;
        for (unsigned step = 0; step < 300; step++) {
            uint32_t len = 1 + naru_rand_below(&rand, seed % 2 ? 60000 : 700);
            for (uint32_t i = 0; i < len; i++)
                bytes[i] = stream(end + i);
            if (end - una < 500000 && naru_rand_below(&rand, 3) == 0) {
                end += fill_rooms(&c, &rand, end, 3 * len);
            } else if (end - una < 500000) {
                struct naru_slice slice[2] = { { bytes, len / 3 },
                                               { bytes + len / 3, len - len / 3 } };
                assert_int_equal(naru_tcp_sndq_write(&c, slice, 2, len), len);
                end += len;
            }
            if (end == una)
                continue;
            uint32_t from = una + naru_rand_below(&rand, end - una),
                     want = NARU_MIN(end - from, 9000u);
            struct naru_slice got[NARU_TCP_SLICES];
            uint32_t cut = want;
            c.snd.nxt = naru_rand_below(&rand, 2) ? naru_seq_add(base, from) : c.snd.end;
            unsigned count =
                naru_tcp_sndq_slices(&c, naru_seq_add(base, from), &cut, got, NARU_TCP_SLICES);
            assert_true(cut > 0 && cut <= want);
            for (unsigned i = 0, at = from; i < count; i++)
                for (size_t k = 0; k < got[i].len; k++, at++)
                    assert_int_equal(((const uint8_t *)got[i].at)[k], stream(at));
            una += naru_rand_below(&rand, NARU_MIN(end - una, 60000u));
            c.snd.una = naru_seq_add(base, una);
            naru_tcp_sndq_acked(&c);
            naru_tcp_sndq_check(&c);
        }
        naru_tcp_sndq_commit(&c, 0); /* what was forgotten */
        c.snd.una = c.snd.nxt = c.snd.end;
        naru_tcp_sndq_acked(&c);
        assert_null(c.snd_last);
        finished(&c);
    }
}

/* ---- Several times around the circle ---- */

static void acknowledge(struct naru_tcp *c, naru_seq ack, naru_time now)
{
    struct naru_tcp_hdr h = { .seq = c->rcv.nxt, .ack = ack, .flags = NARU_TCP_ACK, .wnd = 60000 };
    naru_tcp_input(c, &h, NULL, now);
}

/* Nothing that remembers a number may be fooled by it when it comes round again. */
static void sending_goes_around(void **state)
{
    struct naru_tcp c;
    struct naru_tcp_segment out;
    struct naru_tcp_room room = { .payload_max = 65000 };
    naru_time now = NARU_SEC(1);
    uint64_t sent = 0;
    (void)state;
    established(&c);
    while (sent < 9u * (1ull << 30) + 12345) {
        struct naru_room space[2];
        int count = naru_tcp_send_reserve(&c, space, 2, now);
        for (int i = 0; i < count; i++)
            naru_tcp_send_commit(&c, i == 0 ? space[0].len : 0, 0, now);
        while (naru_tcp_output(&c, &room, &out, now))
            sent += out.len;
        now += NARU_MS(1);
        acknowledge(&c, c.snd.nxt, now);
        if ((sent >> 20) % 512 == 0)
            naru_tcp_check(&c);
    }
    naru_tcp_check(&c);
    assert_int_equal(c.more->segments_retrans, 0);
    assert_int_equal(c.bytes_acked, sent);

    /* And a loss is still repaired at once. */
    static uint8_t bytes[20000];
    struct naru_slice slice = { .at = bytes, .len = sizeof(bytes) };
    assert_int_equal(naru_tcp_send(&c, &slice, 1, 0, now), sizeof(bytes));
    while (naru_tcp_output(&c, NULL, &out, now)) {
    }
    struct naru_tcp_hdr h = { .seq = c.rcv.nxt,
                              .ack = c.snd.una,
                              .flags = NARU_TCP_ACK,
                              .wnd = 60000,
                              .opts = NARU_TCP_OPT_SACK,
                              .sack_count = 1 };
    h.sack[0].left = naru_seq_add(c.snd.una, 1000);
    h.sack[0].right = naru_seq_add(c.snd.una, 5000);
    naru_tcp_input(&c, &h, NULL, now);
    assert_int_equal(c.ca_state, NARU_CA_RECOVERY);
    assert_true(naru_tcp_output(&c, NULL, &out, now));
    assert_true(out.retransmit && naru_seq_eq(out.hdr.seq, c.snd.una));
    naru_tcp_check(&c);
    finished(&c);
}

static void receiving_goes_around(void **state)
{
    struct naru_tcp c;
    struct naru_tcp_segment out;
    naru_time now = NARU_SEC(1);
    (void)state;
    established(&c);
    for (unsigned i = 0; i < 150000; i++) {
        struct naru_pkt *pkt = naru_pktpool_get(&host.pktpool, 0, 60000);
        struct naru_tcp_hdr h = {
            .seq = c.rcv.nxt, .ack = c.snd.nxt, .flags = NARU_TCP_ACK, .wnd = 60000
        };
        pkt->len = NARU_MIN(60000u, c.rcv.wnd);
        assert_int_equal(naru_tcp_input(&c, &h, pkt, now).drop, NARU_DROP_NONE);
        naru_tcp_recv_consume(&c, c.rcv.unread, now);
        while (naru_tcp_output(&c, NULL, &out, now)) {
        }
        now += NARU_MS(1);
        if (i % 5000 == 0)
            naru_tcp_check(&c);
    }
    assert_true(c.bytes_received > 2ull << 32);
    naru_tcp_check(&c);
    finished(&c);
}

/* ---- Numbers ---- */

static double cube(double x) { return x * x * x; }

static double root3(double x)
{
    double low = 0, high = 1e6;
    for (int i = 0; i < 200; i++)
        *(cube((low + high) / 2) < x ? &low : &high) = (low + high) / 2;
    return low;
}

/* RFC 9438: after a loss at 1000 segments the window follows the cubic (MAY-18). */
static void cubic_follows_its_formula(void **state)
{
    struct naru_tcp c;
    (void)state;
    established(&c);
    double mss = c.snd.mss, w_max = 1000;
    c.cwnd = 1000u * c.snd.mss;
    naru_tcp_cc_loss(&c, 0);
    assert_int_equal(c.ssthresh, 700u * c.snd.mss);
    c.cwnd = c.ssthresh;
    c.srtt = 100000;
    double k = root3(w_max * 0.3 / 0.4);
    naru_time now = NARU_SEC(5);
    double begin = 5.0;
    for (; now < NARU_SEC(35); now += NARU_MS(100)) {
        c.cwnd_used = c.cwnd;
        c.flags |= NARU_TCP_F_CWND_LIMITED;
        for (uint32_t n = 0; n < c.cwnd / c.snd.mss; n += 2)
            naru_tcp_cc_acked(&c, 2u * c.snd.mss, now);
        double t = (double)now / 1e9 - begin, want = 0.4 * cube(t + 0.1 - k) + w_max;
        double have = c.cwnd / mss;
        if (t > 1 && t < 20)
            assert_true(have > want * 0.97 && have < want * 1.03 + 3);
    }
    finished(&c);
}

/* Slow start, congestion avoidance and exponential RTO backoff are implemented (MUST-19). */
static void reno_grows_by_one_segment_a_round_trip(void **state)
{
    struct naru_tcp c;
    (void)state;
    established(&c);
    c.reno = true;
    naru_tcp_cc_init(&c, 0);
    c.cwnd = 20u * c.snd.mss;
    naru_tcp_cc_loss(&c, 0);
    assert_int_equal(c.ssthresh, 10u * c.snd.mss);
    c.cwnd = c.ssthresh;
    c.flags |= NARU_TCP_F_CWND_LIMITED;
    for (unsigned round = 0; round < 5; round++) {
        uint32_t before = c.cwnd;
        naru_tcp_cc_acked(&c, before, 0);
        assert_int_equal(c.cwnd, before + c.snd.mss);
    }
    finished(&c);
}

/* RTTs of one round of RFC 9406, all of ms milliseconds. */
static void round_trip(struct naru_tcp *c, uint32_t ms)
{
    for (unsigned i = 0; i < 9; i++)
        naru_tcp_rtt_sample(c, ms * 1000);
    c->snd.una = c->snd.nxt;
    c->snd.nxt = naru_seq_add(c->snd.una, 10000);
    naru_tcp_rtt_sample(c, ms * 1000);
}

/* A recovery that began without memory for its state, which comes later. */
static void recovery_without_a_beginning(void **state)
{
    struct naru_tcp c;
    (void)state;
    established(&c);
    naru_seq nxt = c.snd.nxt;
    naru_tcp_prr_begin(&c, c.cwnd);
    assert_null(c.more->loss);
    assert_non_null(naru_tcp_loss_need(&c));
    c.ssthresh = 2u * c.snd.mss;
    c.snd.nxt = naru_seq_add(c.snd.una, 20u * c.snd.mss);
    naru_tcp_prr_acked(&c, 1000, true);
    assert_in_range(c.cwnd, c.snd.mss, 22u * c.snd.mss);
    c.snd.nxt = nxt;
    finished(&c);
}

/* Slow start ends when the round trip grows, before the queue overflows (B-slow-start-overshoot).
 */
static void hystart_of_rfc_9406(void **state)
{
    struct naru_tcp c;
    (void)state;
    established(&c);
    c.cwnd = 20u * c.snd.mss;
    naru_seq una = c.snd.una, nxt = c.snd.nxt;
    c.snd.nxt = naru_seq_add(una, 10000);
    naru_tcp_hystart_reset(&c);
    for (unsigned i = 0; i < 20; i++) {
        round_trip(&c, 40 + i % 2 * 4); /* less than an eighth */
        assert_int_equal(naru_tcp_hystart_growth(&c, 4000), 4000);
    }
    round_trip(&c, 50);
    assert_int_equal(naru_tcp_hystart_growth(&c, 4000), 1000);
    round_trip(&c, 40); /* a false alarm */
    assert_int_equal(naru_tcp_hystart_growth(&c, 4000), 4000);
    round_trip(&c, 60);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(naru_tcp_hystart_growth(&c, 4000), 1000);
        assert_int_equal(c.ssthresh, NARU_TCP_SSTHRESH_INF);
        round_trip(&c, 61);
    }
    assert_int_equal(c.ssthresh, 20u * c.snd.mss);
    c.snd.una = una;
    c.snd.nxt = nxt;
    finished(&c);
}

/* RTO computed as in RFC 6298, no RTT samples from retransmitted data (Karn; MUST-18). */
static void rto_of_rfc_6298(void **state)
{
    struct naru_tcp c;
    (void)state;
    established(&c);
    c.srtt = c.rttvar = 0;
    naru_tcp_rtt_sample(&c, 400000);
    assert_int_equal(c.srtt, 400000);
    assert_int_equal(c.rttvar, 200000);
    assert_int_equal(c.rto, 1200000);
    naru_tcp_rtt_sample(&c, 800000);
    assert_int_equal(c.srtt, 450000);
    assert_int_equal(c.rttvar, 250000);
    for (unsigned i = 0; i < 200; i++)
        naru_tcp_rtt_sample(&c, 1);
    assert_in_range(c.rto, 200000, 200100);
    naru_tcp_rtt_sample(&c, UINT32_MAX);
    assert_true(c.rto <= 120000000);
    c.more->backoff = 200;
    assert_int_equal(naru_tcp_rto(&c), NARU_SEC(120));
    finished(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records),
        cmocka_unit_test(records_are_bounded),
        cmocka_unit_test(timeout_makes_room_for_records),
        cmocka_unit_test(reassembly),
        cmocka_unit_test(every_second_segment_is_kept),
        cmocka_unit_test(out_of_order_data_is_bounded),
        cmocka_unit_test(tiny_segments_share_memory),
        cmocka_unit_test(send_buffer),
        cmocka_unit_test(sending_goes_around),
        cmocka_unit_test(receiving_goes_around),
        cmocka_unit_test(cubic_follows_its_formula),
        cmocka_unit_test(reno_grows_by_one_segment_a_round_trip),
        cmocka_unit_test(recovery_without_a_beginning),
        cmocka_unit_test(hystart_of_rfc_9406),
        cmocka_unit_test(rto_of_rfc_6298),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
