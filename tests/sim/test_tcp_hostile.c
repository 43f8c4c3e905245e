/*
 * Segments that no TCP would send, and users who call anything at any time: no assertion of
 * naru_tcp_check may break, no memory may be lost, no connection may answer more than it is asked.
 *
 * Numbers are drawn around those that matter (SND.UNA, SND.NXT, RCV.NXT, window edges), flags and
 * options at random.
 *
 * Usage: test-sim-tcp-hostile [FIRST_SEED [COUNT]]
 */
#include "lib/tcp_host.h"
#include "proto/tcp/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct naru_rand rnd;

static uint32_t below(uint32_t n) { return naru_rand_below(&rnd, n); }

/* A number near one that matters, mostly. */
static naru_seq near(const struct naru_tcp *c)
{
    bool calm = naru_tcp_is_calm(c);
    const naru_seq marks[] = {
        c->snd.una,
        c->snd.nxt,
        c->snd.end,
        c->rcv.nxt,
        naru_tcp_irs(c),
        naru_tcp_iss(c),
        c->rcv.ack,
        calm ? c->snd.una : c->more->high_sacked,
        naru_seq_add(c->rcv.nxt, c->rcv.wnd),
        naru_seq_add(c->snd.una, c->snd.wnd),
        calm ? c->snd.una : c->more->recover,
    };
    naru_seq at = marks[below(NARU_ARRAY_LEN(marks))];
    switch (below(8)) {
    case 0:
        return naru_seq_of(naru_rand_u32(&rnd));
    case 1:
        return naru_seq_add(at, below(5000));
    case 2:
        return naru_seq_sub(at, below(5000));
    case 3:
        return naru_seq_add(at, 0x80000000u - below(3));
    default:
        return naru_seq_add(at, below(5) - 2u);
    }
}

static naru_seq plausible(const struct naru_tcp *c, naru_seq exact)
{
    return below(3) == 0 ? near(c) : exact;
}

static struct naru_tcp_hdr header(const struct naru_tcp *c)
{
    static const uint16_t flags[] = {
        NARU_TCP_ACK,
        NARU_TCP_ACK | NARU_TCP_PSH,
        NARU_TCP_SYN,
        NARU_TCP_SYN | NARU_TCP_ACK,
        NARU_TCP_FIN | NARU_TCP_ACK,
        NARU_TCP_RST,
        NARU_TCP_ACK | NARU_TCP_URG,
        NARU_TCP_RST | NARU_TCP_ACK,
    };
    struct naru_tcp_hdr h = {
        .seq = plausible(c, c->rcv.nxt),
        .ack = plausible(c, below(2) ? c->snd.nxt : c->snd.una),
        .flags = below(40) == 0 ? (uint16_t)below(512) : flags[below(below(15) == 0 ? 8 : 2)],
        .wnd = (uint16_t)(below(3) == 0 ? below(3) * 100 : below(65536)),
        .urg = (uint16_t)below(3000),
    };
    if ((h.flags & NARU_TCP_RST) && below(4) != 0)
        h.seq = near(c);
    if ((c->flags & NARU_TCP_F_TIMESTAMPS) && below(20) != 0) {
        h.opts |= NARU_TCP_OPT_TS;
        h.ts_val = c->ts_recent + below(3) - (below(10) == 0 ? 5u : 0u);
        h.ts_ecr = below(3) == 0 ? naru_rand_u32(&rnd) : c->ts_offset;
    }
    if (below(2) == 0) {
        h.opts |= NARU_TCP_OPT_SACK;
        h.sack_count = (uint8_t)(1 + below(below(2) ? 3 : 4));
        for (unsigned i = 0; i < h.sack_count; i++) {
            h.sack[i].left =
                below(3) == 0
                    ? near(c)
                    : naru_seq_add(c->snd.una, below(naru_seq_len(c->snd.una, c->snd.nxt) + 1));
            h.sack[i].right = naru_seq_add(h.sack[i].left, below(3000));
        }
    }
    if (h.flags & NARU_TCP_SYN) {
        h.opts |= (uint8_t)(below(2) * NARU_TCP_OPT_MSS | below(2) * NARU_TCP_OPT_WSCALE |
                            below(2) * NARU_TCP_OPT_SACK_OK | below(2) * NARU_TCP_OPT_TS);
        h.mss = (uint16_t)below(below(2) ? 65536 : 100);
        h.wscale = (uint8_t)below(256);
    }
    return h;
}

static void segment(struct tcp_host *host, struct naru_tcp *c, naru_time now)
{
    struct naru_tcp_hdr h = header(c);
    struct naru_pkt *pkt = NULL;
    uint32_t len = below(3) == 0 ? 1 + below(3000) : 0;
    if (len > 0)
        pkt = naru_pktpool_get(&host->pktpool, 0, len);
    if (pkt != NULL) {
        memset(pkt->data, 'x', len);
        pkt->len = len;
        pkt->offload.gso_size = (uint16_t)(below(3) == 0 ? 1 + below(2000) : 0);
    }
    struct naru_tcp_verdict v = naru_tcp_input(c, &h, pkt, now);
    assert_true(v.drop < NARU_DROP_COUNT);
    assert_false(v.reset && (h.flags & NARU_TCP_RST));
}

static void user(struct naru_tcp *c, naru_time now)
{
    static uint8_t bytes[20000];
    struct naru_slice slice = { .at = bytes, .len = 1 + below(sizeof(bytes)) };
    struct naru_room room[3] = { { bytes, 1 + below(3000) } };
    struct naru_slice view[4];
    switch (below(16)) {
    case 0:
    case 1:
    case 2:
        (void)naru_tcp_send(c, &slice, 1, below(4) == 0 ? below(8) & ~1u : 0, now);
        break;
    case 3:
    case 4:
        (void)naru_tcp_recv(c, room, 1, below(4) == 0 ? below(4) : 0, now);
        break;
    case 5:
        if (naru_tcp_recv_view(c, view, 4, now) > 0)
            naru_tcp_recv_consume(c, below((uint32_t)view[0].len + 1), now);
        break;
    case 6:
        if (naru_tcp_send_reserve(c, room, 1 + below(3), now) > 0)
            naru_tcp_send_commit(c, below((uint32_t)room[0].len + 1), 0, now);
        break;
    case 7:
        if (below(10) == 0)
            (void)naru_tcp_shutdown(c, below(4), now);
        break;
    case 8:
        if (below(30) == 0 && !(c->flags & NARU_TCP_F_ORPHAN))
            naru_tcp_close(c, now);
        break;
    case 9:
        (void)naru_tcp_set(c, (enum naru_opt)below(NARU_OPT_UDP_GRO + 1),
                           below(2) ? below(3) : below(100000), now);
        break;
    case 10:
        naru_tcp_set_pmtu(c, (uint16_t)below(10000), now);
        break;
    case 11:
        (void)naru_tcp_icmp(c, NARU_ERR_HOSTUNREACH, below(2), near(c), now);
        break;
    case 12:
        naru_tcp_answer(c, now);
        break;
    case 13: {
        struct naru_tcp_info info;
        naru_tcp_get_info(c, &info, now);
        (void)naru_tcp_ready(c);
        (void)naru_tcp_unread(c);
        break;
    }
    default:
        if (below(200) == 0)
            naru_tcp_abort(c, now);
        break;
    }
}

static void output(struct naru_tcp *c, naru_time now)
{
    struct naru_tcp_room room = { .payload_max = below(3) == 0 ? below(65000) : 0,
                                  .segment_max = (uint16_t)below(4) };
    struct naru_tcp_segment seg;
    unsigned count = 0;
    while (c->due != 0 && naru_tcp_output(c, &room, &seg, now)) {
        uint32_t sum = 0;
        for (unsigned i = 0; i < seg.slice_count; i++) {
            assert_true(seg.slice[i].len > 0);
            sum += (uint32_t)seg.slice[i].len;
        }
        assert_int_equal(sum, seg.len);
        assert_true(naru_tcp_len(&seg.hdr) <= NARU_TCP_LEN_MAX);
        naru_tcp_check(c);
        assert_true(++count < 5000);
        if (below(50) == 0)
            return; /* no more room in the device */
    }
}

static void start(struct tcp_host *host, struct naru_tcp *c, naru_time now)
{
    struct naru_tcp_setup setup = { .mss = (uint16_t)(below(4) == 0 ? below(65000) : 1460),
                                    .mss_default = 536,
                                    .secret.ts = naru_rand_u32(&rnd) };
    naru_tcp_init(c, &host->env, &setup, now);
    naru_seq iss = naru_seq_of(0xfffffff0u + below(32));
    if (below(3) == 0) {
        naru_tcp_open(c, iss, now);
        return;
    }
    struct naru_tcp_hdr syn = header(c);
    syn.flags = NARU_TCP_SYN;
    naru_tcp_open_passive(c, &syn, iss, below(10) == 0, now);
    naru_tcp_answer(c, now);
    output(c, now);
    struct naru_tcp_hdr ack = {
        .seq = c->rcv.nxt, .ack = c->snd.nxt, .flags = NARU_TCP_ACK, .wnd = (uint16_t)below(65536)
    };
    if (below(4) != 0)
        naru_tcp_input(c, &ack, NULL, now);
}

static void one(uint64_t seed)
{
    struct tcp_host host;
    struct naru_tcp c;
    naru_time now = NARU_SEC(1);
    naru_rand_init_u64(&rnd, seed);
    tcp_host_init(&host);
    host.config.tcp_timestamps = below(2);
    host.config.tcp_sack = below(4) != 0;
    host.config.tcp_window_scale = below(2);
    host.config.tcp_congestion = (uint8_t)below(2);
    host.config.tcp_rcvbuf_default = 2048 + below(200000);
    host.config.tcp_sndbuf_default = 2048 + below(200000);
    tcp_host_start(&host, seed);
    start(&host, &c, now);
    host.fail_every = below(4) == 0 ? 2 + below(10) : 0;
    for (unsigned step = 0; step < 400; step++) {
        uint32_t what = below(10);
        if (naru_tcp_done(&c) && below(4) == 0) {
            naru_tcp_deinit(&c);
            start(&host, &c, now);
        }
        if (what < 5)
            segment(&host, &c, now);
        else if (what < 8)
            user(&c, now);
        else if (below(3) == 0)
            now = NARU_MAX(now, NARU_MIN(naru_tcp_deadline(&c), now + NARU_SEC(200)));
        naru_tcp_check(&c);
        if (naru_tcp_deadline(&c) <= now)
            naru_tcp_tick(&c, now);
        naru_tcp_check(&c);
        if (below(3) != 0)
            output(&c, now);
    }
    host.fail_every = 0;
    naru_tcp_deinit(&c);
    tcp_host_stop(&host);
}

static uint64_t first_seed = 1, seeds = 3000;

static void survives(void **state)
{
    (void)state;
    for (uint64_t seed = first_seed; seed < first_seed + seeds; seed++)
        one(seed);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(survives),
    };
    if (argc > 1)
        first_seed = strtoull(argv[1], NULL, 10);
    if (argc > 1)
        seeds = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
