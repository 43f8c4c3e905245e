/*
 * Behaviours that other stacks got wrong (docs/requirements/checklist.tsv) and that no other trace
 * shows.
 */
#include "lib/hand.h"
#include "lib/tcp_play.h"

#include <string.h>

#define TEST(name) static void name(void **state)
#define BEGIN(how)     \
    struct tcp_play p; \
    (void)state;       \
    how(&p)

/* ---- One connection ---- */

/* A silence shorter than USER_TIMEOUT is forgiven, and what comes then counts (C-user-timeout). */
TEST(user_timeout_longer_than_the_silence)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 set USER_TIMEOUT 5000\n"
                 "+0 write 1000\n"
                 "+0 > P. 1:1001(1000) ack 1\n"
                 "+200 > P. 1:1001(1000) ack 1\n" /* the probe of the tail */
                 "+200 > P. 1:1001(1000) ack 1\n"
                 "+400 > P. 1:1001(1000) ack 1\n"
                 "+800 > P. 1:1001(1000) ack 1\n"
                 "+1600 > P. 1:1001(1000) ack 1\n"
                 "+100 < . 1:1(0) ack 1001 win 65535\n"
                 "+60000 = ESTABLISHED\n");
    tcp_play_end(&p);
}

/* An unacknowledged FIN is outstanding like data; then the peer gets a RST (C-user-timeout). */
TEST(user_timeout_of_a_fin)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 set USER_TIMEOUT 1000\n"
                 "+0 shutdown wr\n"
                 "+0 > F. 1:1(0) ack 1\n"
                 "+200 > F. 1:1(0) ack 1\n"
                 "+200 > F. 1:1(0) ack 1\n"
                 "+400 > F. 1:1(0) ack 1\n"
                 "+390 = FIN-WAIT-1\n"
                 "+20 = CLOSED\n"
                 "+0 error TIMEDOUT\n"
                 "+0 < . 1:1(0) ack 2 win 65535\n"
                 "+0 > R 2:2(0)\n");
    tcp_play_end(&p);
}

/* LINGER of some seconds changes nothing here but what the caller's close waits for (C-so-linger).
 */
TEST(linger_of_seconds_is_an_orderly_end)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 set LINGER 3000\n"
                 "+0 write 10\n"
                 "+0 > P. 1:11(10) ack 1\n"
                 "+0 close\n"
                 "+0 > F. 11:11(0) ack 1\n"
                 "+0 = FIN-WAIT-1\n");
    tcp_play_end(&p);
}

/* After shutdown LINGER 0 still resets; on a connection that is only being opened it is silent
 * (C-so-linger). */
TEST(linger_zero_after_shutdown_and_before_established)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 set LINGER 0\n"
                 "+0 write 10\n"
                 "+0 > P. 1:11(10) ack 1\n"
                 "+0 shutdown wr\n"
                 "+0 > F. 11:11(0) ack 1\n"
                 "+0 < . 1:1(0) ack 12 win 65535\n"
                 "+0 close\n"
                 "+0 > R. 12:12(0) ack 1\n"
                 "+0 = CLOSED\n");
    tcp_play_end(&p);
    tcp_play_begin(&p);
    tcp_play(&p, "+0 connect\n"
                 "+0 > S 0:0(0)\n"
                 "+0 set LINGER 0\n"
                 "+0 close\n"
                 "+0 = CLOSED\n");
    tcp_play_end(&p);
}

/* Two large segments that do not fit the window together: the ACK waits its 40 ms and no longer,
 * and a reader who makes room says so (B-delayed-ack-large-mtu). */
TEST(large_segments_and_a_small_window)
{
    BEGIN(tcp_play_begin);
    p.host.config.tcp_quickack = false;
    p.host.env.opts.rcvbuf = 10000;
    tcp_play(&p, "+0 < S 0:0(0) win 65535 <mss 8960,sackOK>\n"
                 "+0 > S. 0:0(0) ack 1 win 10000\n"
                 "+0 < . 1:1(0) ack 1 win 65535\n"
                 "+0 < P. 1:8961(8960) ack 1 win 65535\n"
                 "+40 > . 1:1(0) ack 8961 win 1040\n"
                 "+0 read 8960\n"
                 "+0 > . 1:1(0) ack 8961 win 10000\n");
    tcp_play_end(&p);
}

/* ---- Whole stacks ---- */

struct opening {
    struct craft_segment s;
    uint32_t isn;
};

/* A SYN from that port; the answer's ISN, or false if there is none. */
static bool syn(struct lab *lab, const struct craft_ends *ends, uint16_t port, struct opening *o)
{
    uint8_t frame[CRAFT_MAX];
    struct craft_heard heard;
    o->s = (struct craft_segment){ .sport = port, .dport = 80, .flags = CRAFT_SYN, .window = 9000 };
    lab_inject(lab, 1, frame, craft_tcp(frame, ends, &o->s));
    size_t len = lab_take(lab, 1, frame, sizeof(frame));
    if (len == 0)
        return false;
    assert_true(craft_heard(frame, len, &heard));
    assert_int_equal(heard.flags, CRAFT_SYN | CRAFT_ACK);
    o->isn = heard.seq;
    o->s.flags = CRAFT_ACK;
    o->s.seq++;
    o->s.ack = heard.next;
    return true;
}

static void say(struct lab *lab, const struct craft_ends *ends, const struct opening *o)
{
    uint8_t frame[CRAFT_MAX];
    lab_inject(lab, 1, frame, craft_tcp(frame, ends, &o->s));
}

/* While the accept queue is full, SYNs and last ACKs find nobody; when somebody accepts, the same
 * ACK is welcome (C-listen-backlog, B-syn-flood). */
TEST(a_full_accept_queue_waits)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct lab lab;
        struct opening o[4];
        struct naru_sock *sock[3];
        hand_begin(&lab);
        struct craft_ends ends = from_hand(&lab, families[f]);
        struct naru_sock *listener = lab_listen(&lab, 1, families[f], 80);
        assert_int_equal(naru_sock_listen(listener, 1, lab.now), NARU_OK);
        for (uint16_t i = 0; i < 2; i++)
            assert_true(syn(&lab, &ends, (uint16_t)(4000 + i), &o[i]));
        assert_true(syn(&lab, &ends, 4002, &o[2])); /* one more by a cookie, or half open */
        say(&lab, &ends, &o[0]);
        say(&lab, &ends, &o[1]);
        assert_int_equal(answers(&lab), 0);
        assert_false(syn(&lab, &ends, 4003, &o[3])); /* two wait: it is full */
        say(&lab, &ends, &o[2]);
        assert_int_equal(answers(&lab), 0);
        assert_int_equal(naru_stack_drops(lab.stack[1], NARU_DROP_TCP_BACKLOG_FULL), 2);
        assert_int_equal(naru_sock_accept(listener, &sock[0], lab.now), NARU_OK);
        say(&lab, &ends, &o[2]);
        for (int i = 1; i < 3; i++)
            assert_int_equal(naru_sock_accept(listener, &sock[i], lab.now), NARU_OK);
        for (int i = 0; i < 3; i++)
            naru_sock_abort(sock[i], lab.now);
        naru_sock_close(listener, lab.now);
        lab_end(&lab);
    }
}

/* A listener that closes resets whoever waited to be accepted; who was half open learns it from
 * the answer to his next segment (C-noaccept-close-rst). */
TEST(closing_a_listener_resets_who_waits)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct lab lab;
        struct opening whole, half;
        uint8_t frame[CRAFT_MAX];
        struct craft_heard heard;
        unsigned resets = 0;
        hand_begin(&lab);
        struct craft_ends ends = from_hand(&lab, families[f]);
        struct naru_sock *listener = lab_listen(&lab, 1, families[f], 80);
        assert_true(syn(&lab, &ends, 4000, &whole));
        assert_true(syn(&lab, &ends, 4001, &half));
        say(&lab, &ends, &whole);
        naru_sock_close(listener, lab.now);
        for (size_t len; (len = lab_take(&lab, 1, frame, sizeof(frame))) != 0;) {
            assert_true(craft_heard(frame, len, &heard));
            resets +=
                (heard.flags & CRAFT_RST) != 0 && heard.dport == 4000 && heard.seq == whole.isn + 1;
        }
        assert_int_equal(resets, 1);
        assert_int_equal(lab.stack[1]->half_open, 0);
        say(&lab, &ends, &half);
        size_t len = lab_take(&lab, 1, frame, sizeof(frame));
        assert_true(len != 0 && craft_heard(frame, len, &heard));
        assert_int_equal(heard.flags, CRAFT_RST);
        assert_int_equal(heard.seq, half.isn + 1);
        lab_end(&lab);
    }
}

/* A segment that is sent again without DF is another packet (C-ipv4-id-uniqueness). */
TEST(a_retransmission_has_its_own_identification)
{
    (void)state;
    struct lab lab;
    struct opening o;
    struct naru_sock *sock;
    uint8_t frame[CRAFT_MAX];
    unsigned ids[3];
    hand_begin(&lab);
    struct craft_ends ends = from_hand(&lab, NARU_IPV4);
    struct naru_sock *listener = lab_listen(&lab, 1, NARU_IPV4, 80);
    assert_int_equal(naru_sock_set(listener, NARU_OPT_MTU_DISCOVER, 0, lab.now), NARU_OK);
    assert_true(syn(&lab, &ends, 4000, &o));
    say(&lab, &ends, &o);
    assert_int_equal(naru_sock_accept(listener, &sock, lab.now), NARU_OK);
    struct naru_slice slice = { "hello", 5 };
    assert_int_equal(naru_sock_send(sock, &slice, 1, 0, NULL, lab.now), 5);
    for (unsigned n = 0, ms = 0; n < 3; ms++, lab.now += NARU_MS(1)) {
        assert_true(ms < 5000);
        naru_stack_tick(lab.stack[1], lab.now);
        if (lab_take(&lab, 1, frame, sizeof(frame)) == 0)
            continue;
        assert_int_equal(craft_get16(frame + CRAFT_ETH + 6), 0);
        ids[n++] = craft_get16(frame + CRAFT_ETH + 4);
    }
    assert_int_not_equal(ids[0], ids[1]);
    assert_int_not_equal(ids[1], ids[2]);
    naru_sock_abort(sock, lab.now);
    naru_sock_close(listener, lab.now);
    lab_end(&lab);
}

/* Each code of unreachable ends a connection that is being opened, with its own error, and nothing
 * is left of it (C-network-unreachable, C-connect-icmp-error). */
TEST(unreachable_ends_an_opening)
{
    (void)state;
    static const struct {
        unsigned type_code;
        int error;
    } rows[2][16] = {
        { { 0x0300, NARU_ERR_NETUNREACH },
          { 0x0301, NARU_ERR_HOSTUNREACH },
          { 0x0302, NARU_ERR_NOPROTOOPT },
          { 0x0303, NARU_ERR_CONNREFUSED },
          { 0x0305, NARU_ERR_HOSTUNREACH },
          { 0x0306, NARU_ERR_NETUNREACH },
          { 0x0307, NARU_ERR_HOSTUNREACH },
          { 0x0308, NARU_ERR_HOSTUNREACH },
          { 0x0309, NARU_ERR_NETUNREACH },
          { 0x030a, NARU_ERR_HOSTUNREACH },
          { 0x030b, NARU_ERR_NETUNREACH },
          { 0x030c, NARU_ERR_HOSTUNREACH },
          { 0x030d, NARU_ERR_HOSTUNREACH },
          { 0x030e, NARU_ERR_HOSTUNREACH },
          { 0x030f, NARU_ERR_HOSTUNREACH } },
        { { 0x0100, NARU_ERR_NETUNREACH },
          { 0x0101, NARU_ERR_ACCES },
          { 0x0103, NARU_ERR_HOSTUNREACH },
          { 0x0104, NARU_ERR_CONNREFUSED } },
    };
    for (int f = 0; f < 2; f++)
        for (int i = 0; i < 16 && rows[f][i].type_code != 0; i++) {
            struct lab lab;
            uint8_t frame[CRAFT_MAX];
            struct craft_heard heard;
            struct naru_sock *sock;
            int64_t error;
            hand_begin(&lab);
            struct craft_ends ends = from_hand(&lab, families[f]), quoted = ends;
            struct naru_endpoint to = { .addr = ends.src, .port = 80 };
            assert_int_equal(naru_sock_new(lab.stack[1], families[f], NARU_SOCK_STREAM, &sock),
                             NARU_OK);
            assert_int_equal(naru_sock_connect(sock, &to, lab.now), NARU_ERR_INPROGRESS);
            size_t len = lab_take(&lab, 1, frame, sizeof(frame));
            assert_true(craft_heard(frame, len, &heard));
            quoted.src = ends.dst;
            quoted.dst = ends.src;
            uint8_t tcp[8];
            craft_put16(tcp, heard.sport);
            craft_put16(tcp + 2, heard.dport);
            craft_put32(tcp + 4, heard.seq);
            lab_inject(&lab, 1, frame,
                       craft_error(frame, &ends, &quoted, rows[f][i].type_code, 0, CRAFT_TCP_PROTO,
                                   tcp, 8));
            assert_int_equal(lab_state(sock), NARU_TCP_CLOSED);
            assert_int_equal(naru_sock_get(sock, NARU_OPT_ERROR, &error), NARU_OK);
            assert_int_equal(error, rows[f][i].error);
            struct naru_stack_stats stats;
            naru_stack_get_stats(lab.stack[1], &stats);
            assert_int_equal(stats.flows, 0);
            naru_sock_close(sock, lab.now);
            lab_end(&lab);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(user_timeout_longer_than_the_silence),
        cmocka_unit_test(user_timeout_of_a_fin),
        cmocka_unit_test(linger_of_seconds_is_an_orderly_end),
        cmocka_unit_test(linger_zero_after_shutdown_and_before_established),
        cmocka_unit_test(large_segments_and_a_small_window),
        cmocka_unit_test(a_full_accept_queue_waits),
        cmocka_unit_test(closing_a_listener_resets_who_waits),
        cmocka_unit_test(a_retransmission_has_its_own_identification),
        cmocka_unit_test(unreachable_ends_an_opening),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
