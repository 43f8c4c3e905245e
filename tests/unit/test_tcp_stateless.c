/*
 * Answers without a connection: RST, TIME-WAIT records, SYN cookies; and names, numbers, options.
 */
#include "lib/tcp_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct tcp_host host;
static const struct naru_addr here = { { 10, 1 } }, there = { { 10, 2 } };

static struct naru_hash_tuple tuple(uint16_t port)
{
    return (struct naru_hash_tuple){
        .local = &here, .remote = &there, .local_port = 80, .remote_port = port
    };
}

static int setup(void **state)
{
    (void)state;
    tcp_host_init(&host);
    tcp_host_start(&host, 7);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tcp_host_stop(&host);
    return 0;
}

/* ---- RST ---- */

/* RSTs are believed by RFC 5961, answered without loops, and have the right numbers
 * (B-rst-validity). */
static void reset_of_a_segment_with_ack(void **state)
{
    struct naru_tcp_hdr h = {
        .sport = 5, .dport = 6, .seq = { 100 }, .ack = { 200 }, .flags = NARU_TCP_ACK
    };
    struct naru_tcp_hdr out;
    (void)state;
    assert_true(naru_tcp_reset_reply(&h, 10, &out));
    assert_int_equal(out.flags, NARU_TCP_RST);
    assert_int_equal(out.seq.v, 200);
    assert_int_equal(out.wnd, 0);
    assert_int_equal(out.sport, 6);
    assert_int_equal(out.dport, 5);
}

static void reset_of_a_segment_without_ack(void **state)
{
    struct naru_tcp_hdr h = { .seq = { 0xffffffff }, .flags = NARU_TCP_SYN };
    struct naru_tcp_hdr out;
    (void)state;
    assert_true(naru_tcp_reset_reply(&h, naru_tcp_seg_len(&h, 3), &out));
    assert_int_equal(out.flags, NARU_TCP_RST | NARU_TCP_ACK);
    assert_int_equal(out.seq.v, 0);
    assert_int_equal(out.ack.v, 3);
    h.flags = NARU_TCP_RST;
    assert_false(naru_tcp_reset_reply(&h, 0, &out));
}

/* ---- TIME-WAIT ---- */

static struct naru_tcp_tw time_wait(void)
{
    return (struct naru_tcp_tw){ .snd_nxt = { 1000 },
                                 .rcv_nxt = { 5000 },
                                 .rcv_wnd = 65536,
                                 .wscale = 8,
                                 .timestamps = true,
                                 .ts_recent = 50,
                                 .ts_recent_ms = 100000,
                                 .answered_ms = 90000,
                                 .expires = NARU_SEC(160) };
}

static enum naru_tcp_tw_act to_tw(struct naru_tcp_tw *tw, uint16_t flags, uint32_t seq,
                                  uint32_t ts_val, uint32_t len, struct naru_tcp_hdr *out)
{
    struct naru_tcp_hdr h = {
        .sport = 1, .dport = 2, .seq = { seq }, .ack = { 1000 }, .flags = flags
    };
    if (ts_val != 0) {
        h.opts = NARU_TCP_OPT_TS;
        h.ts_val = ts_val;
    }
    return naru_tcp_tw_input(&host.env, tw, &h, naru_tcp_seg_len(&h, len), NARU_SEC(101), out);
}

static void time_wait_answers_a_fin(void **state)
{
    struct naru_tcp_tw tw = time_wait();
    struct naru_tcp_hdr out;
    (void)state;
    assert_int_equal(to_tw(&tw, NARU_TCP_FIN | NARU_TCP_ACK, 4999, 51, 0, &out),
                     NARU_TCP_TW_RESTART);
    assert_int_equal(tw.expires, NARU_SEC(161));
    assert_int_equal(out.flags, NARU_TCP_ACK);
    assert_int_equal(out.seq.v, 1000);
    assert_int_equal(out.ack.v, 5000);
    assert_int_equal(out.wnd, 256);
    assert_int_equal(out.ts_ecr, 51);
}

static void time_wait_and_resets(void **state)
{
    struct naru_tcp_tw tw = time_wait();
    struct naru_tcp_hdr out;
    (void)state;
    assert_int_equal(to_tw(&tw, NARU_TCP_RST, 4999, 0, 0, &out), NARU_TCP_TW_DROP);
    assert_int_equal(to_tw(&tw, NARU_TCP_RST, 5001, 0, 0, &out), NARU_TCP_TW_DROP);
    assert_int_equal(to_tw(&tw, NARU_TCP_RST, 5000, 49, 0, &out), NARU_TCP_TW_DROP);
    assert_int_equal(to_tw(&tw, NARU_TCP_RST, 5000, 0, 0, &out), NARU_TCP_TW_ENDED);
}

/* By a later number, or a later timestamp (SHLD-4, MAY-2, B-time-wait-reuse). */
static void time_wait_lets_a_new_connection_in(void **state)
{
    struct naru_tcp_tw tw = time_wait();
    struct naru_tcp_hdr out;
    (void)state;
    assert_int_equal(to_tw(&tw, NARU_TCP_SYN, 6000, 0, 0, &out), NARU_TCP_TW_NEW_SYN);
    assert_int_equal(to_tw(&tw, NARU_TCP_SYN, 100, 60, 0, &out), NARU_TCP_TW_NEW_SYN);
    /* Old, in every sense: answered once in half a second. */
    assert_int_equal(to_tw(&tw, NARU_TCP_SYN, 100, 0, 0, &out), NARU_TCP_TW_REPLY);
    assert_int_equal(to_tw(&tw, NARU_TCP_SYN, 100, 40, 0, &out), NARU_TCP_TW_DROP);
    assert_int_equal(to_tw(&tw, NARU_TCP_SYN, 6000, 40, 0, &out), NARU_TCP_TW_DROP);
    /* Its ISS stands beyond the old connection's window, whatever the clock says. */
    assert_true(naru_seq_after(naru_tcp_tw_iss(&tw, naru_seq_of(1)), tw.snd_nxt));
    assert_int_equal(naru_tcp_tw_iss(&tw, naru_seq_of(200000)).v, 200000);
}

static void time_wait_answers_old_data_and_no_plain_ack(void **state)
{
    struct naru_tcp_tw tw = time_wait();
    struct naru_tcp_hdr out;
    (void)state;
    assert_int_equal(to_tw(&tw, NARU_TCP_ACK, 4900, 50, 100, &out), NARU_TCP_TW_REPLY);
    assert_int_equal(to_tw(&tw, NARU_TCP_ACK, 5000, 50, 0, &out), NARU_TCP_TW_DROP);
    assert_true(sizeof(tw) <= 64);
}

/* Timestamps are used to shorten TIME-WAIT (RFC 6191; SHLD-4). */
static void time_wait_is_reusable_after_a_second(void **state)
{
    struct naru_tcp_tw tw = time_wait();
    (void)state;
    assert_false(naru_tcp_tw_reusable(&tw, NARU_MS(100999)));
    assert_true(naru_tcp_tw_reusable(&tw, NARU_MS(101000)));
    tw.timestamps = false;
    assert_false(naru_tcp_tw_reusable(&tw, NARU_SEC(150)));
}

/* ---- SYN cookies ---- */

static struct naru_tcp_hdr syn_of(uint16_t mss, uint8_t wscale)
{
    return (struct naru_tcp_hdr){
        .sport = 1234,
        .dport = 80,
        .seq = { 0x12345678 },
        .flags = NARU_TCP_SYN,
        .opts = NARU_TCP_OPT_MSS | NARU_TCP_OPT_WSCALE | NARU_TCP_OPT_SACK_OK | NARU_TCP_OPT_TS,
        .mss = mss,
        .wscale = wscale,
        .ts_val = 99,
    };
}

static struct naru_tcp_hdr ack_of(const struct naru_tcp_hdr *syn, const struct naru_tcp_hdr *synack)
{
    return (struct naru_tcp_hdr){
        .seq = naru_seq_add(syn->seq, 1),
        .ack = naru_seq_add(synack->seq, 1),
        .flags = NARU_TCP_ACK,
        .opts = synack->opts & NARU_TCP_OPT_TS,
        .ts_val = 120,
        .ts_ecr = synack->ts_val,
        .wnd = 1000,
    };
}

static void cookies_bring_everything_back(void **state)
{
    struct naru_hash_tuple t = tuple(1234);
    struct naru_tcp_setup how = { .mss = 1460, .mss_default = 536, .secret.ts = 0xfffffff0u };
    struct naru_tcp_hdr syn = syn_of(1460, 7), out, ack;
    struct naru_tcp_cookie cookie;
    struct naru_tcp c;
    naru_time now = NARU_SEC(119);
    (void)state;
    naru_tcp_cookie_make(&host.env, &t, &how, &syn, now, &out);
    assert_int_equal(out.flags, NARU_TCP_SYN | NARU_TCP_ACK);
    assert_int_equal(out.ack.v, syn.seq.v + 1);
    assert_int_equal(out.sport, 80);
    assert_int_equal(out.opts, syn.opts);
    ack = ack_of(&syn, &out);
    assert_true(naru_tcp_cookie_check(&host.env, &t, &ack, now + NARU_SEC(60), &cookie));
    assert_int_equal(cookie.mss, 1460);
    assert_int_equal(cookie.wscale, 7);
    assert_true(cookie.sack && cookie.timestamps && cookie.window_scale);

    naru_tcp_init(&c, &host.env, &how, now);
    naru_tcp_open_cookie(&c, &cookie, now);
    assert_int_equal(c.state, NARU_TCP_SYN_RECEIVED);
    assert_int_equal(naru_tcp_input(&c, &ack, NULL, now).drop, NARU_DROP_NONE);
    assert_int_equal(c.state, NARU_TCP_ESTABLISHED);
    assert_int_equal(c.snd.wnd, 128000);
    assert_int_equal(c.snd.mss, 1448);
    assert_int_equal(c.srtt, 0); /* nobody knows when the cookie went out */
    naru_tcp_check(&c);
    naru_tcp_deinit(&c);
}

static void cookies_without_timestamps(void **state)
{
    struct naru_hash_tuple t = tuple(1234);
    struct naru_tcp_setup how = { .mss = 1460, .mss_default = 536 };
    struct naru_tcp_hdr syn = syn_of(1450, 7), out, ack;
    struct naru_tcp_cookie cookie;
    (void)state;
    syn.opts &= (uint16_t)~NARU_TCP_OPT_TS;
    naru_tcp_cookie_make(&host.env, &t, &how, &syn, 0, &out);
    assert_int_equal(out.opts, NARU_TCP_OPT_MSS);
    ack = ack_of(&syn, &out);
    assert_true(naru_tcp_cookie_check(&host.env, &t, &ack, 0, &cookie));
    assert_int_equal(cookie.mss, 1440);
    assert_false(cookie.sack || cookie.window_scale || cookie.timestamps);
}

static void forged_and_old_cookies(void **state)
{
    struct naru_hash_tuple t = tuple(1234), other = tuple(1235);
    struct naru_tcp_setup how = { .mss = 1460, .mss_default = 536 };
    struct naru_tcp_hdr syn = syn_of(1460, 7), out, ack;
    struct naru_tcp_cookie cookie;
    (void)state;
    naru_tcp_cookie_make(&host.env, &t, &how, &syn, NARU_SEC(30), &out);
    ack = ack_of(&syn, &out);
    assert_false(naru_tcp_cookie_check(&host.env, &other, &ack, NARU_SEC(31), &cookie));
    assert_false(naru_tcp_cookie_check(&host.env, &t, &ack, NARU_SEC(30 + 121), &cookie));
    ack.seq.v++;
    assert_false(naru_tcp_cookie_check(&host.env, &t, &ack, NARU_SEC(31), &cookie));
    unsigned guessed = 0;
    for (uint32_t i = 0; i < 100000; i++) {
        ack = ack_of(&syn, &out);
        ack.ack.v = i * 40503u;
        guessed += naru_tcp_cookie_check(&host.env, &t, &ack, NARU_SEC(31), &cookie);
    }
    assert_true(guessed <= 1);
}

/* ---- Names and numbers ---- */

/* A clock of 4 us, and another place on the circle for every name (MUST-8, SHLD-1). */
static void initial_sequence_numbers(void **state)
{
    struct naru_hash_tuple a = tuple(1), b = tuple(2);
    (void)state;
    struct naru_tcp_secret of_a = naru_tcp_secret(&host.env, &a);
    struct naru_tcp_secret of_b = naru_tcp_secret(&host.env, &b);
    struct naru_tcp_secret again = naru_tcp_secret(&host.env, &a);
    naru_seq first = naru_tcp_isn(&of_a, 0);
    assert_int_equal(naru_seq_len(first, naru_tcp_isn(&of_a, NARU_US(400))), 100);
    assert_int_equal(first.v, naru_tcp_isn(&again, 0).v);
    assert_int_not_equal(first.v, naru_tcp_isn(&of_b, 0).v);
    assert_int_equal(of_a.ts, again.ts);
    assert_int_not_equal(of_a.ts, of_b.ts);
    assert_int_not_equal(of_a.ts, of_a.isn);
}

static void options_and_their_ranges(void **state)
{
    static const struct {
        enum naru_opt opt;
        int64_t good, bad;
    } cases[] = {
        { NARU_OPT_KEEPIDLE_MS, 32767000, 0 },
        { NARU_OPT_KEEPINTVL_MS, 1, 32767001 },
        { NARU_OPT_KEEPCNT, 127, 128 },
        { NARU_OPT_SYNCNT, 127, 0 },
        { NARU_OPT_LINGER_MS, -1, -2 },
        { NARU_OPT_LINGER2_MS, 5000, -2 },
        { NARU_OPT_SNDBUF, 4096, -1 },
        { NARU_OPT_RCVBUF, 4096, -1 },
        { NARU_OPT_MAXSEG, 88, 87 },
        { NARU_OPT_USER_TIMEOUT_MS, 0, -2 },
        { NARU_OPT_UTO_MS, 200000, -1 },
        { NARU_OPT_MAX_PACING_RATE, 125000, -2 },
        { NARU_OPT_CONGESTION, NARU_CONGESTION_RENO, 2 },
        { NARU_OPT_WINDOW_CLAMP, 5000, -1 },
        { NARU_OPT_NOTSENT_LOWAT, 16384, -1 },
    };
    struct naru_tcp_opts o = host.env.opts;
    (void)state;
    for (unsigned i = 0; i < NARU_ARRAY_LEN(cases); i++) {
        int64_t value = -77;
        assert_int_equal(naru_tcp_opts_set(&o, cases[i].opt, cases[i].bad), NARU_ERR_INVAL);
        assert_int_equal(naru_tcp_opts_set(&o, cases[i].opt, cases[i].good), NARU_OK);
        assert_int_equal(naru_tcp_opts_get(&o, cases[i].opt, &value), NARU_OK);
        assert_int_equal(value, cases[i].good);
    }
    assert_int_equal(naru_tcp_opts_set(&o, NARU_OPT_TTL, 1), NARU_ERR_NOPROTOOPT);
}

/* What was set on a listener holds for its children, and costs memory only where it differs
 * (B-keepalive-timing). */
static void options_are_inherited(void **state)
{
    struct naru_tcp_setup how = { .mss = 1460, .mss_default = 536 };
    struct naru_tcp listener, child;
    int64_t value;
    (void)state;
    naru_tcp_init(&listener, &host.env, &how, 0);
    const uint64_t before = host.mem.used;
    assert_int_equal(naru_tcp_set(&listener, NARU_OPT_NODELAY, 1, 0), NARU_OK);
    assert_int_equal(host.mem.used, before);
    assert_int_equal(naru_tcp_set(&listener, NARU_OPT_KEEPIDLE_MS, 5000, 0), NARU_OK);
    how.like = &listener;
    uint64_t used = host.mem.used;
    naru_tcp_init(&child, &host.env, &how, 0);
    assert_int_equal(host.mem.used, used);
    assert_int_equal(naru_tcp_get(&child, NARU_OPT_NODELAY, &value), NARU_OK);
    assert_int_equal(value, 1);
    assert_int_equal(naru_tcp_get(&child, NARU_OPT_KEEPIDLE_MS, &value), NARU_OK);
    assert_int_equal(value, 5000);
    naru_tcp_deinit(&child);

    /* What they have in common stays as it is when one of them changes something for itself. */
    naru_tcp_init(&child, &host.env, &how, 0);
    host.fail_at = host.allocations + 1;
    assert_int_equal(naru_tcp_set(&child, NARU_OPT_KEEPIDLE_MS, 6000, 0), NARU_ERR_NOMEM);
    assert_int_equal(naru_tcp_get(&child, NARU_OPT_KEEPIDLE_MS, &value), NARU_OK);
    assert_int_equal(value, 5000);
    assert_int_equal(naru_tcp_set(&listener, NARU_OPT_KEEPIDLE_MS, 7000, 0), NARU_OK);
    assert_int_equal(naru_tcp_get(&child, NARU_OPT_KEEPIDLE_MS, &value), NARU_OK);
    assert_int_equal(value, 5000);
    assert_int_equal(naru_tcp_set(&child, NARU_OPT_KEEPIDLE_MS, 6000, 0), NARU_OK);
    assert_int_equal(naru_tcp_get(&listener, NARU_OPT_KEEPIDLE_MS, &value), NARU_OK);
    assert_int_equal(value, 7000);
    naru_tcp_deinit(&listener);
    assert_int_equal(naru_tcp_get(&child, NARU_OPT_KEEPIDLE_MS, &value), NARU_OK);
    assert_int_equal(value, 6000);
    naru_tcp_deinit(&child);
    assert_int_equal(host.mem.used, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reset_of_a_segment_with_ack),
        cmocka_unit_test(reset_of_a_segment_without_ack),
        cmocka_unit_test(time_wait_answers_a_fin),
        cmocka_unit_test(time_wait_and_resets),
        cmocka_unit_test(time_wait_lets_a_new_connection_in),
        cmocka_unit_test(time_wait_answers_old_data_and_no_plain_ack),
        cmocka_unit_test(time_wait_is_reusable_after_a_second),
        cmocka_unit_test(cookies_bring_everything_back),
        cmocka_unit_test(cookies_without_timestamps),
        cmocka_unit_test(forged_and_old_cookies),
        cmocka_unit_test(initial_sequence_numbers),
        cmocka_unit_test(options_and_their_ranges),
        cmocka_unit_test(options_are_inherited),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
