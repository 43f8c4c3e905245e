/*
 * Two TCP connections joined by a bad link, in virtual time.
 *
 * From one number come the link (delay, loss, duplication, reordering, super-segments), the options
 * (timestamps, SACK, window scale, buffers, congestion control), the users (how much each writes
 * and reads at a time, when, who closes first and how) and with them everything else.  After every
 * event naru_tcp_check holds; every byte arrives as it was written; both connections end; all
 * memory comes home; the same number gives the same segments again.
 *
 * Usage: test-sim-tcp [FIRST_SEED [COUNT [TEST]]]; one seed alone is told segment by segment.
 */
#include "lib/tcp_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MESSAGES = 8192, CHUNK_MAX = 65536 };

struct message {
    naru_time at;
    uint64_t order;
    int to;
    struct tcp_wire wire;
};

struct end {
    struct tcp_host host;
    struct naru_tcp c;
    bool open, closed, saw_end, failed;
    uint64_t to_write, written, got, expect; /* bytes */
    uint32_t write_max, read_max;
    naru_time pause_until;
    uint32_t pause_percent;
    bool half_close;
    struct naru_tcp_room room;
};

struct sim {
    struct naru_rand rand, mark_rand;
    uint32_t mark; /* of 1000: marked CE, where the sender allows it */
    struct end end[2];
    struct message *queue[MESSAGES];
    unsigned count;
    naru_time now, delay, jitter;
    uint32_t loss, dup, reorder; /* of 1000 */
    uint32_t burst, burst_left;  /* segments lost in a row, when one is lost */
    uint64_t order, trace, segments;
    bool verbose;
    bool chaos; /* users do anything */
    uint8_t buffer[CHUNK_MAX];
};

static uint8_t byte_of(int from, uint64_t n)
{
    uint64_t x = (n / 7 + (uint64_t)from * 977) * 0x9e3779b97f4a7c15u;
    return (uint8_t)(x >> 56) ^ (uint8_t)n;
}

static bool chance(struct sim *s, uint32_t n) { return naru_rand_below(&s->rand, 1000) < n; }

static void mix(struct sim *s, uint64_t v) { s->trace = (s->trace ^ v) * 0x100000001b3u; }

/* ---- The link ---- */

/* The queue is a heap by arrival, then by order. */
static bool sooner(const struct message *a, const struct message *b)
{
    return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void rise(struct sim *s, unsigned i, struct message *m)
{
    for (; i > 0 && sooner(m, s->queue[(i - 1) / 2]); i = (i - 1) / 2)
        s->queue[i] = s->queue[(i - 1) / 2];
    s->queue[i] = m;
}

static struct message *first_message(const struct sim *s)
{
    return s->count > 0 ? s->queue[0] : NULL;
}

static struct message *take_message(struct sim *s)
{
    struct message *first = s->queue[0], *m = s->queue[--s->count];
    unsigned i = 0, k;
    for (; (k = 2 * i + 1) < s->count; i = k) {
        k += k + 1 < s->count && sooner(s->queue[k + 1], s->queue[k]);
        if (!sooner(s->queue[k], m))
            break;
        s->queue[i] = s->queue[k];
    }
    s->queue[i] = m;
    return first;
}

static uint8_t marked(struct sim *s, uint8_t ecn)
{
    bool hit = ecn != NARU_ECN_NOT_ECT && naru_rand_below(&s->mark_rand, 1000) < s->mark;
    return hit ? NARU_ECN_CE : ecn;
}

static void put(struct sim *s, int to, const struct naru_tcp_segment *seg, naru_time delay)
{
    NARU_ASSERT(s->count < MESSAGES);
    struct message *m = malloc(sizeof(*m));
    m->at = s->now + delay;
    m->order = s->order++;
    m->to = to;
    tcp_wire_from(&m->wire, seg);
    m->wire.ecn = marked(s, seg->hdr.ecn);
    rise(s, s->count++, m);
}

static void transmit(struct sim *s, int from, const struct naru_tcp_segment *seg)
{
    naru_time delay = s->delay;
    s->segments++;
    mix(s, (uint64_t)s->now);
    mix(s, seg->hdr.seq.v);
    mix(s, seg->hdr.ack.v);
    mix(s, (uint64_t)seg->hdr.flags << 32 | seg->len);
    mix(s, seg->hdr.wnd);
    if (s->verbose)
        printf(
            "%10.6f %d> %02x seq %u ack %u len %u wnd %u sack %u%s cwnd %u ssthresh %u %u una %u\n",
            (double)s->now / 1e9, from, seg->hdr.flags, seg->hdr.seq.v, seg->hdr.ack.v, seg->len,
            seg->hdr.wnd, seg->hdr.sack_count, seg->retransmit ? " R" : "", s->end[from].c.cwnd,
            s->end[from].c.ssthresh, s->end[from].c.state, s->end[from].c.snd.una.v);
    if (s->burst_left > 0 && seg->len > 0) {
        s->burst_left--;
        return;
    }
    if (chance(s, s->loss)) {
        s->burst_left = seg->len > 0 && s->burst > 0 ? s->burst - 1 : 0;
        return;
    }
    if (s->jitter > 0)
        delay += (naru_time)naru_rand_below(&s->rand, (uint32_t)(s->jitter / 1000) + 1) * 1000;
    if (chance(s, s->reorder))
        delay += s->delay * 2 + NARU_US(naru_rand_below(&s->rand, 3000));
    put(s, !from, seg, delay);
    if (chance(s, s->dup))
        put(s, !from, seg, delay + NARU_US(naru_rand_below(&s->rand, 5000)));
}

/* ---- A connection and its stack ---- */

static struct naru_tcp_setup setup_of(void)
{
    return (struct naru_tcp_setup){ .mss = 1460, .mss_default = 536, .secret.ts = 0xfffff000u };
}

static void check(struct end *e)
{
    if (e->open)
        naru_tcp_check(&e->c);
}

static void reply_reset(struct sim *s, int to, const struct tcp_wire *w)
{
    struct naru_tcp_segment seg = { .len = 0 };
    struct naru_span in = { .at = w->header, .len = w->header_len };
    struct naru_tcp_hdr hdr;
    (void)naru_tcp_parse(&in, &hdr);
    if (naru_tcp_reset_reply(&hdr, naru_tcp_seg_len(&hdr, w->payload_len), &seg.hdr))
        transmit(s, !to, &seg);
}

/* Finds out about a dead peer; keeps urgent bytes in the stream. */
static void be_careful(struct end *e)
{
    if (!e->open)
        return;
    (void)naru_tcp_set(&e->c, NARU_OPT_OOBINLINE, 1, 0);
    (void)naru_tcp_set(&e->c, NARU_OPT_KEEPALIVE, 1, 0);
    (void)naru_tcp_set(&e->c, NARU_OPT_KEEPIDLE_MS, 10000, 0);
}

/* The part of the stack that listens. */
static void listen(struct sim *s, struct end *e, struct message *m)
{
    struct naru_span in = { .at = m->wire.header, .len = m->wire.header_len };
    struct naru_tcp_setup setup = setup_of();
    struct naru_tcp_hdr hdr;
    (void)naru_tcp_parse(&in, &hdr);
    if ((hdr.flags & (NARU_TCP_SYN | NARU_TCP_ACK | NARU_TCP_RST)) != NARU_TCP_SYN)
        return;
    naru_tcp_init(&e->c, &e->host.env, &setup, s->now);
    naru_tcp_open_passive(&e->c, &hdr, naru_seq_of(0x7ffffff0u), false, s->now);
    e->open = true;
    if (s->chaos)
        be_careful(e);
}

static void deliver(struct sim *s)
{
    struct message *m = take_message(s);
    struct end *e = &s->end[m->to];
    if (!e->open && m->to == 1) {
        listen(s, e, m);
    } else if (e->open) {
        struct naru_tcp_verdict v = tcp_wire_input(&e->host, &e->c, &m->wire, s->now);
        mix(s, v.drop);
        if (v.reset)
            reply_reset(s, !m->to, &m->wire);
    }
    check(e);
    tcp_wire_free(&m->wire);
    free(m);
}

static void output(struct sim *s, int who)
{
    struct end *e = &s->end[who];
    struct naru_tcp_segment seg;
    while (e->open && e->c.due != 0 && naru_tcp_output(&e->c, &e->room, &seg, s->now)) {
        check(e);
        transmit(s, who, &seg);
    }
    check(e);
}

/* ---- The users ---- */

static void app_write(struct sim *s, int who)
{
    struct end *e = &s->end[who];
    while (e->written < e->to_write) {
        uint32_t n = 1 + naru_rand_below(&s->rand, e->write_max);
        n = (uint32_t)NARU_MIN((uint64_t)n, e->to_write - e->written);
        bool rooms = chance(s, 300);
        int64_t done;
        if (rooms) {
            struct naru_room room[4];
            int count =
                naru_tcp_send_reserve(&e->c, room, 1 + naru_rand_below(&s->rand, 4), s->now);
            uint32_t filled = 0;
            for (int i = 0; i < count; i++)
                for (size_t k = 0; k < room[i].len && filled < n; k++, filled++)
                    ((uint8_t *)room[i].at)[k] = byte_of(who, e->written + filled);
            done = count > 0 ? (int64_t)filled : count;
            if (count > 0)
                naru_tcp_send_commit(&e->c, filled, 0, s->now);
        } else {
            for (uint32_t k = 0; k < n; k++)
                s->buffer[k] = byte_of(who, e->written + k);
            struct naru_slice slice = { .at = s->buffer, .len = n };
            done = naru_tcp_send(&e->c, &slice, 1, chance(s, 50) ? NARU_MSG_MORE : 0, s->now);
        }
        check(e);
        if (done <= 0)
            return;
        e->written += (uint64_t)done;
        if (chance(s, 300))
            return;
    }
}

static void app_read(struct sim *s, int who)
{
    struct end *e = &s->end[who];
    for (;;) {
        uint32_t n = 1 + naru_rand_below(&s->rand, e->read_max);
        struct naru_room room = { .at = s->buffer, .len = n };
        int64_t got = naru_tcp_recv(&e->c, &room, 1, 0, s->now);
        check(e);
        if (got == 0)
            e->saw_end = true;
        if (got <= 0)
            return;
        for (int64_t k = 0; k < got; k++)
            assert_int_equal(s->buffer[k], byte_of(!who, e->got + (uint64_t)k));
        e->got += (uint64_t)got;
        if (chance(s, e->pause_percent)) {
            e->pause_until = s->now + NARU_MS(1 + naru_rand_below(&s->rand, 400));
            return;
        }
    }
}

/* What no sensible user does, or only once in a while. */
static void act_up(struct sim *s, int who)
{
    static const enum naru_opt opts[] = {
        NARU_OPT_NODELAY,       NARU_OPT_CORK,     NARU_OPT_QUICKACK,        NARU_OPT_MAXSEG,
        NARU_OPT_SNDBUF,        NARU_OPT_RCVBUF,   NARU_OPT_WINDOW_CLAMP,    NARU_OPT_CONGESTION,
        NARU_OPT_NOTSENT_LOWAT, NARU_OPT_RCVLOWAT, NARU_OPT_USER_TIMEOUT_MS, NARU_OPT_PACING,
    };
    struct end *e = &s->end[who];
    uint8_t byte = byte_of(who, e->written);
    struct naru_slice slice = { .at = &byte, .len = 1 };
    switch (naru_rand_below(&s->rand, 12)) {
    case 0:
        if (chance(s, 200))
            naru_tcp_abort(&e->c, s->now);
        break;
    case 1:
        if (chance(s, 200)) {
            naru_tcp_close(&e->c, s->now);
            e->closed = true;
        }
        break;
    case 2:
        (void)naru_tcp_shutdown(&e->c, chance(s, 300) ? NARU_SHUTDOWN_WRITE : NARU_SHUTDOWN_READ,
                                s->now);
        break;
    case 3:
        naru_tcp_set_pmtu(&e->c, (uint16_t)naru_rand_between(&s->rand, 40, 9000), s->now);
        break;
    case 4:
        (void)naru_tcp_icmp(&e->c, NARU_ERR_HOSTUNREACH, true, naru_seq_of(naru_rand_u32(&s->rand)),
                            s->now);
        break;
    case 5:
    case 6:
        if (e->written < e->to_write && naru_tcp_send(&e->c, &slice, 1, NARU_MSG_OOB, s->now) == 1)
            e->written++;
        break;
    default:
        (void)naru_tcp_set(&e->c, opts[naru_rand_below(&s->rand, NARU_ARRAY_LEN(opts))],
                           naru_rand_below(&s->rand, 4) == 0 ? 1 : naru_rand_below(&s->rand, 70000),
                           s->now);
        break;
    }
    check(e);
}

static void app(struct sim *s, int who)
{
    struct end *e = &s->end[who];
    if (!e->open || e->closed || s->now < e->pause_until)
        return;
    if (s->chaos && chance(s, 30))
        act_up(s, who);
    if (e->closed)
        return;
    e->pause_until = NARU_NEVER;
    app_write(s, who);
    app_read(s, who);
    if (e->pause_until == NARU_NEVER)
        e->pause_until = 0;
    if (e->written == e->to_write && !e->half_close &&
        naru_tcp_shutdown(&e->c, NARU_SHUTDOWN_WRITE, s->now) == NARU_OK)
        e->half_close = true;
    if (e->half_close && e->saw_end) {
        naru_tcp_close(&e->c, s->now);
        e->closed = true;
    }
    if ((naru_tcp_ready(&e->c) & NARU_READY_ERROR) || (s->chaos && e->c.state == NARU_TCP_CLOSED)) {
        e->failed = true;
        naru_tcp_close(&e->c, s->now);
        e->closed = true;
    }
    check(e);
}

/* ---- A run ---- */

static uint32_t pick(struct sim *s, const uint32_t *of, unsigned count)
{
    return of[naru_rand_below(&s->rand, count)];
}
#define PICK(s, ...) \
    pick((s), (const uint32_t[]){ __VA_ARGS__ }, sizeof((const uint32_t[]){ __VA_ARGS__ }) / 4)

static void invent(struct sim *s)
{
    s->delay = NARU_US(PICK(s, 0, 1, 50, 1000, 10000, 50000, 300000));
    s->jitter = chance(s, 500) ? s->delay / 4 : 0;
    s->loss = PICK(s, 0, 0, 1, 10, 30, 100, 200);
    s->dup = PICK(s, 0, 0, 5, 50);
    if (naru_rand_below(&s->mark_rand, 2) == 0)
        s->mark = 1 + naru_rand_below(&s->mark_rand, 300);
    s->reorder = PICK(s, 0, 0, 5, 50, 200);
    bool slow = s->loss >= 100 || s->delay >= NARU_MS(300);
    for (int i = 0; i < 2; i++) {
        struct end *e = &s->end[i];
        tcp_host_init(&e->host);
        e->host.config.tcp_timestamps = chance(s, 800);
        e->host.config.tcp_sack = chance(s, 800);
        e->host.config.tcp_window_scale = chance(s, 800);
        e->host.config.tcp_quickack = e->host.config.tcp_pacing = chance(s, 500);
        e->host.config.tcp_congestion =
            chance(s, 500) ? NARU_CONGESTION_RENO : NARU_CONGESTION_CUBIC;
        if (s->mark > 0)
            e->host.config.tcp_ecn = (uint8_t)naru_rand_below(&s->mark_rand, 6);
        e->host.config.tcp_rcvbuf_default = PICK(s, 2048, 5000, 20000, 131072, 131072);
        e->host.config.tcp_sndbuf_default = PICK(s, 3000, 10000, 65536);
        if (chance(s, 300))
            e->host.config.ooo_memory_max = 20000;
        e->to_write = PICK(s, 0, 1, 1000, 50000, 300000, 1500000);
        if (slow || s->end[0].host.config.tcp_rcvbuf_default < 10000)
            e->to_write = NARU_MIN(e->to_write, (uint64_t)50000);
        e->write_max = PICK(s, 20, 1460, 5000, 60000);
        e->read_max = PICK(s, 50, 1000, 8192, 60000);
        e->pause_percent = PICK(s, 0, 0, 10, 100);
        e->room.payload_max = PICK(s, 0, 0, 5000, 65000);
        e->room.segment_max = (uint16_t)PICK(s, 0, 0, 3);
    }
    s->end[0].expect = s->end[1].to_write;
    s->end[1].expect = s->end[0].to_write;
}

static bool over(const struct sim *s)
{
    for (int i = 0; i < 2; i++) {
        const struct end *e = &s->end[i];
        if (!e->open || !e->closed || (e->c.state != NARU_TCP_TIME_WAIT && !naru_tcp_done(&e->c)))
            return false;
    }
    return s->count == 0;
}

static naru_time next_time(const struct sim *s)
{
    naru_time t = NARU_NEVER;
    const struct message *m = first_message(s);
    if (m != NULL)
        t = m->at;
    for (int i = 0; i < 2; i++) {
        const struct end *e = &s->end[i];
        if (!e->open)
            continue;
        t = NARU_MIN(t, naru_tcp_deadline(&e->c));
        if (!e->closed && e->pause_until > s->now)
            t = NARU_MIN(t, e->pause_until);
    }
    return t;
}

static void turn(struct sim *s)
{
    while (first_message(s) != NULL && first_message(s)->at <= s->now) {
        deliver(s);
        if (chance(s, 500))
            break; /* not all in one turn */
    }
    for (int i = 0; i < 2; i++) {
        struct end *e = &s->end[i];
        if (e->open && naru_tcp_deadline(&e->c) <= s->now)
            naru_tcp_tick(&e->c, s->now);
        check(e);
        app(s, i);
        output(s, i);
    }
}

static void begin(struct sim *s, uint64_t seed)
{
    struct naru_tcp_setup setup = setup_of();
    s->now = NARU_SEC(1000);
    for (int i = 0; i < 2; i++)
        tcp_host_start(&s->end[i].host, seed + (uint64_t)i);
    struct end *e = &s->end[0];
    naru_tcp_init(&e->c, &e->host.env, &setup, s->now);
    naru_tcp_open(&e->c, naru_seq_of(0xfffffffeu), s->now);
    e->open = true;
    if (s->chaos)
        be_careful(e);
    output(s, 0);
}

static void finish(struct sim *s)
{
    while (s->count > 0) {
        s->count--;
        tcp_wire_free(&s->queue[s->count]->wire);
        free(s->queue[s->count]);
    }
    for (int i = 0; i < 2; i++) {
        if (s->end[i].open)
            naru_tcp_deinit(&s->end[i].c);
        tcp_host_stop(&s->end[i].host);
    }
    free(s);
}

static bool run(struct sim *s, uint64_t seed, naru_time limit)
{
    begin(s, seed);
    naru_time stop = s->now + limit;
    while (s->end[0].open && !over(s) && s->now < stop) {
        naru_time t = next_time(s);
        if (t == NARU_NEVER)
            break;
        s->now = NARU_MAX(s->now, t);
        turn(s);
    }
    return over(s);
}

static void say(const struct sim *s, uint64_t seed)
{
    fprintf(stderr,
            "seed %llu: at %.3f s, %llu segments, delay %.3f ms loss %u dup %u reorder %u\n",
            (unsigned long long)seed, (double)(s->now - NARU_SEC(1000)) / 1e9,
            (unsigned long long)s->segments, (double)s->delay / 1e6, s->loss, s->dup, s->reorder);
    for (int i = 0; i < 2; i++) {
        const struct end *e = &s->end[i];
        fprintf(stderr,
                "  %d: %s wrote %llu of %llu, read %llu of %llu, error %d, failed %d, "
                "una %u nxt %u end %u wnd %u rcv.nxt %u rcv.wnd %u due %x flags %x cwnd %u ca %u\n",
                i, naru_tcp_state_text(e->c.state), (unsigned long long)e->written,
                (unsigned long long)e->to_write, (unsigned long long)e->got,
                (unsigned long long)e->expect, e->c.error, e->failed, e->c.snd.una.v,
                e->c.snd.nxt.v, e->c.snd.end.v, e->c.snd.wnd, e->c.rcv.nxt.v, e->c.rcv.wnd,
                e->c.due, e->c.flags, e->c.cwnd, e->c.ca_state);
    }
}

static struct sim *sim_new(uint64_t seed)
{
    struct sim *s = calloc(1, sizeof(*s));
    naru_rand_init_u64(&s->rand, seed);
    naru_rand_init_u64(&s->mark_rand, ~seed);
    s->trace = 0xcbf29ce484222325u;
    invent(s);
    return s;
}

static uint64_t play(uint64_t seed, bool verbose, bool chaos)
{
    struct sim *s = sim_new(seed);
    s->verbose = verbose;
    s->chaos = chaos;
    bool good = run(s, seed, NARU_SEC(7200));
    for (int i = 0; i < 2 && !chaos; i++)
        good = good && !s->end[i].failed && s->end[i].got == s->end[i].expect;
    if (!good || verbose)
        say(s, seed);
    assert_true(good);
    uint64_t trace = s->trace;
    finish(s);
    return trace;
}

static uint64_t first_seed = 1, seeds = 120;
static bool verbose;

static void delivers_everything(void **state)
{
    (void)state;
    for (uint64_t seed = first_seed; seed < first_seed + seeds; seed++)
        play(seed, verbose, false);
}

/* Whatever users do, both sides come to an end, and what is read was written. */
static void ends_whatever_users_do(void **state)
{
    (void)state;
    for (uint64_t seed = first_seed; seed < first_seed + seeds; seed++)
        play(seed, verbose, true);
}

static void same_seed_same_segments(void **state)
{
    (void)state;
    for (uint64_t seed = 1000; seed < 1020; seed++)
        assert_true(play(seed, false, seed % 2) == play(seed, false, seed % 2));
}

/* 100 ms of round trip: both buffers find the size that such a path needs, window and all. */
static void buffers_grow_with_the_path(void **state)
{
    (void)state;
    for (int timestamps = 0; timestamps < 2; timestamps++) {
        struct sim *s = sim_new(3);
        s->delay = NARU_MS(50);
        s->jitter = 0;
        s->loss = s->dup = s->reorder = 0;
        for (int i = 0; i < 2; i++) {
            struct end *e = &s->end[i];
            tcp_host_init(&e->host);
            e->host.config.tcp_timestamps = timestamps == 1;
            e->to_write = i == 0 ? 60u << 20 : 0;
            e->write_max = e->read_max = CHUNK_MAX;
            e->pause_percent = 0;
            e->room = (struct naru_tcp_room){ .payload_max = 65000 };
            s->end[!i].expect = e->to_write;
        }
        assert_true(run(s, 3, NARU_SEC(60)));
        assert_true(s->end[1].got == s->end[1].expect);
        double seconds = (double)(s->now - NARU_SEC(1000)) / 1e9;
        if (verbose)
            printf("%.3f s, sndbuf %u, rcvbuf %u\n", seconds, s->end[0].c.sndbuf,
                   s->end[1].c.rcv.buf);
        assert_true(s->end[0].c.sndbuf == s->end[0].host.config.tcp_sndbuf_max);
        assert_true(s->end[1].c.rcv.buf >= 4u << 20);
        assert_true(seconds < 4.5); /* 4 MiB a round trip would be 1.6 s */
        finish(s);
    }
}

struct lossy {
    const char *name;
    uint32_t bytes, runs, loss, burst, reorder;
    uint64_t fired_max; /* RTOs in all runs together */
    double seconds_max; /* of virtual time, all runs together */
};

/* One transfer over 100 ms of round trip; how often RTO fired, and how long it took. */
static uint64_t transfer(const struct lossy *l, uint64_t seed, double *seconds)
{
    struct sim *s = sim_new(seed);
    s->delay = NARU_MS(50);
    s->jitter = 0;
    s->dup = 0;
    s->loss = l->loss;
    s->burst = l->burst;
    s->reorder = l->reorder;
    for (int i = 0; i < 2; i++) {
        struct end *e = &s->end[i];
        tcp_host_init(&e->host);
        e->to_write = i == 0 ? l->bytes : 0;
        e->write_max = e->read_max = CHUNK_MAX;
        e->pause_percent = 0;
        e->room = (struct naru_tcp_room){ .payload_max = 0 };
        s->end[!i].expect = e->to_write;
    }
    assert_true(run(s, seed, NARU_SEC(600)));
    assert_true(s->end[1].got == s->end[1].expect);
    uint64_t fired = s->end[0].host.env.counters.rto_fires;
    *seconds += (double)(s->now - NARU_SEC(1000)) / 1e9;
    finish(s);
    return fired;
}

/* Where a time-based look and a probe can find out what was lost, no timer has to. */
static void losses_do_not_stall(void **state)
{
    static const struct lossy rows[] = {
        /* before losses were told by time: 0, 17, 0, 35, 0, 1 timeouts; SYN and FIN count, too */
        { "1 % random", 3u << 20, 10, 10, 0, 0, 0, 130 },
        { "5 % random", 1u << 20, 10, 50, 0, 0, 5, 130 },
        { "8 in a row", 3u << 20, 10, 2, 8, 0, 0, 30 },
        { "short, 3 %", 20000, 200, 30, 0, 0, 25, 100 },
        { "reordering", 3u << 20, 10, 0, 0, 20, 0, 130 },
        { "1 %, reordering", 3u << 20, 10, 10, 0, 20, 0, 230 },
    };
    (void)state;
    for (unsigned i = 0; i < NARU_ARRAY_LEN(rows); i++) {
        uint64_t fired = 0;
        double seconds = 0;
        for (uint64_t seed = 1; seed <= rows[i].runs; seed++)
            fired += transfer(&rows[i], seed, &seconds);
        if (fired > rows[i].fired_max || seconds > rows[i].seconds_max || seeds == 1)
            fprintf(stderr, "%s: RTO fired %llu times, %.1f s\n", rows[i].name,
                    (unsigned long long)fired, seconds);
        assert_true(fired <= rows[i].fired_max && seconds <= rows[i].seconds_max);
    }
}

/* Every single allocation of a short transfer fails once: it goes on, or ends with an error. */
static void every_allocation_may_fail(void **state)
{
    (void)state;
    for (uint64_t seed = 5000; seed < 5003; seed++) {
        for (uint64_t n = 1; n < 400; n++) {
            struct sim *s = sim_new(seed);
            s->delay = NARU_MS(1);
            s->loss = 20;
            for (int i = 0; i < 2; i++) {
                s->end[i].to_write = 30000;
                s->end[!i].expect = 30000;
                s->end[i].host.fail_at = n;
                s->end[i].host.fail_every = n % 3 == 0 ? n / 3 + 2 : 0;
            }
            (void)run(s, seed, NARU_SEC(600));
            finish(s);
        }
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delivers_everything),     cmocka_unit_test(ends_whatever_users_do),
        cmocka_unit_test(same_seed_same_segments), cmocka_unit_test(buffers_grow_with_the_path),
        cmocka_unit_test(losses_do_not_stall),     cmocka_unit_test(every_allocation_may_fail),
    };
    if (argc > 1) {
        first_seed = strtoull(argv[1], NULL, 10);
        seeds = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
        cmocka_set_test_filter(argc > 3 ? argv[3] : "*s");
    }
    verbose = argc == 2;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
