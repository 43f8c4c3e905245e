/* Marks instead of drops: RFC 3168, one connection segment by segment. */
#include "lib/tcp_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state)

static void begin(struct tcp_play *p, enum naru_ecn_mode mode)
{
    tcp_play_begin(p);
    p->host.env.opts.ecn = (uint8_t)mode;
}

#define BEGIN(mode)    \
    struct tcp_play p; \
    (void)state;       \
    begin(&p, NARU_ECN_MODE_##mode)

/* 100 ms away, ECN agreed. */
#define CONNECTED                                                        \
    "+0 connect\n"                                                       \
    "+0 > [noecn] SEW 0:0(0) win 65535 <mss 1460,sackOK,nop,wscale 8>\n" \
    "+100 < SE. 0:0(0) ack 1 win 65535 <mss 1460,sackOK>\n"              \
    "+0 > [noecn] . 1:1(0) ack 1\n"                                      \
    "+0 info ecn -> 1\n"
#define ACCEPTED                                        \
    "+0 < SEW 0:0(0) win 65535 <mss 1460,sackOK>\n"     \
    "+0 > [noecn] SE. 0:0(0) ack 1 <mss 1460,sackOK>\n" \
    "+100 < . 1:1(0) ack 1 win 65535\n"                 \
    "+0 = ESTABLISHED\n"                                \
    "+0 info ecn -> 1\n"
#define TEN                                   \
    "+0 write 14600\n"                        \
    "+0 > [ect0] . 1:1461(1460) ack 1\n"      \
    "+0 > [ect0] . 1461:2921(1460) ack 1\n"   \
    "+0 > [ect0] . 2921:4381(1460) ack 1\n"   \
    "+0 > [ect0] . 4381:5841(1460) ack 1\n"   \
    "+0 > [ect0] . 5841:7301(1460) ack 1\n"   \
    "+0 > [ect0] . 7301:8761(1460) ack 1\n"   \
    "+0 > [ect0] . 8761:10221(1460) ack 1\n"  \
    "+0 > [ect0] . 10221:11681(1460) ack 1\n" \
    "+0 > [ect0] . 11681:13141(1460) ack 1\n" \
    "+0 > [ect0] P. 13141:14601(1460) ack 1\n"

/* ---- Negotiation (6.1.1) ---- */

/* SHLD-8: congestion is notified of explicitly. */
TEST(asked_for_and_agreed)
{
    BEGIN(ON);
    tcp_play(&p, CONNECTED);
    tcp_play_end(&p);
}

TEST(accepted)
{
    BEGIN(ACCEPT);
    tcp_play(&p, ACCEPTED);
    tcp_play_end(&p);
}

TEST(accepted_but_not_asked_for)
{
    BEGIN(ACCEPT);
    tcp_play(&p, "+0 connect\n"
                 "+0 > S 0:0(0)\n"
                 "+0 < SE. 0:0(0) ack 1 win 65535 <mss 1460>\n"
                 "+0 > . 1:1(0) ack 1\n"
                 "+0 info ecn -> 0 # nobody had asked\n"
                 "+0 write 10\n"
                 "+0 > [noecn] P. 1:11(10) ack 1\n");
    tcp_play_end(&p);
}

TEST(refused)
{
    BEGIN(OFF);
    tcp_play(&p, "+0 < SEW 0:0(0) win 65535 <mss 1460>\n"
                 "+0 > S. 0:0(0) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 65535\n"
                 "+0 info ecn -> 0\n"
                 "+0 < [ce] P. 1:11(10) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 11\n");
    tcp_play_end(&p);
}

TEST(half_a_request_is_none)
{
    BEGIN(ON);
    tcp_play(&p, "+0 < SE 0:0(0) win 65535 <mss 1460>\n"
                 "+0 > S. 0:0(0) ack 1\n"
                 "+0 info ecn -> 0\n");
    tcp_play_end(&p);
}

TEST(a_request_that_was_marked_is_none)
{
    BEGIN(ON);
    tcp_play(&p, "+0 < [ect0] SEW 0:0(0) win 65535 <mss 1460>\n"
                 "+0 > S. 0:0(0) ack 1\n"
                 "+0 info ecn -> 0\n");
    tcp_play_end(&p);
}

TEST(a_request_for_more_is_one_for_this)
{
    BEGIN(ACCEPT);
    tcp_play(&p, "+0 < SEWA 0:0(0) win 65535 <mss 1460>\n"
                 "+0 > SE. 0:0(0) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 65535\n"
                 "+0 info ecn -> 1\n");
    tcp_play_end(&p);
}

TEST(answers_that_are_none)
{
    static const char *const answers[] = {
        "+0 < S. 0:0(0) ack 1 win 65535 <mss 1460>\n",   /* no */
        "+0 < SW. 0:0(0) ack 1 win 65535 <mss 1460>\n",  /* what is this? */
        "+0 < SEW. 0:0(0) ack 1 win 65535 <mss 1460>\n", /* an echo of our own flags */
    };
    for (unsigned i = 0; i < NARU_ARRAY_LEN(answers); i++) {
        char script[512];
        BEGIN(ON);
        snprintf(script, sizeof(script),
                 "+0 connect\n+0 > SEW 0:0(0)\n%s"
                 "+0 > . 1:1(0) ack 1\n"
                 "+0 info ecn -> 0\n"
                 "+0 write 10\n"
                 "+0 > [noecn] P. 1:11(10) ack 1\n"
                 "+0 < E. 1:1(0) ack 11 win 65535\n"
                 "+0 info ca_state -> 0 # nothing was agreed\n",
                 answers[i]);
        tcp_play(&p, script);
        tcp_play_end(&p);
    }
}

/* 6.1.1.1: some paths drop what asks. */
TEST(asked_again_without)
{
    BEGIN(ON);
    tcp_play(&p, "+0 connect\n"
                 "+0 > SEW 0:0(0)\n"
                 "+1000 > S 0:0(0)\n"
                 "+2000 > S 0:0(0)\n"
                 "+0 < S. 0:0(0) ack 1 win 65535 <mss 1460>\n"
                 "+0 > . 1:1(0) ack 1\n"
                 "+0 info ecn -> 0\n");
    tcp_play_end(&p);
}

TEST(asked_again_as_often_as_configured)
{
    BEGIN(ON);
    p.host.config.tcp_ecn_retries = 1;
    tcp_play(&p, "+0 connect\n"
                 "+0 > SEW 0:0(0)\n"
                 "+1000 > SEW 0:0(0)\n"
                 "+2000 > S 0:0(0)\n");
    tcp_play_end(&p);
}

/* What the first SYN asked for may be answered late. */
TEST(the_answer_to_the_first_counts)
{
    BEGIN(ON);
    tcp_play(&p, "+0 connect\n"
                 "+0 > SEW 0:0(0)\n"
                 "+1000 > S 0:0(0)\n"
                 "+10 < SE. 0:0(0) ack 1 win 65535 <mss 1460>\n"
                 "+0 > . 1:1(0) ack 1\n"
                 "+0 info ecn -> 1\n");
    tcp_play_end(&p);
}

TEST(crossing_requests)
{
    BEGIN(ON);
    tcp_play(&p, "+0 connect\n"
                 "+0 > SEW 0:0(0)\n"
                 "+0 < SEW 0:0(0) win 65535 <mss 1460>\n"
                 "+0 > SE. 0:0(0) ack 1\n"
                 "+0 < SE. 0:0(0) ack 1 win 65535 <mss 1460>\n"
                 "+0 = ESTABLISHED\n"
                 "+0 info ecn -> 1\n"
                 "+0 write 10\n"
                 "+0 > [ect0] P. 1:11(10) ack 1\n");
    tcp_play_end(&p);
}

TEST(one_socket_may_ask_alone)
{
    BEGIN(ACCEPT);
    p.host.env.opts.ecn = NARU_ECN_MODE_OFF;
    tcp_play(&p, "+0 connect\n"
                 "+0 > S 0:0(0)\n"
                 "+0 get ECN -> 0\n"
                 "+0 set ECN 6 -> INVAL\n"
                 "+0 set ECN 1\n"
                 "+1000 > S 0:0(0) # too late for that one\n");
    tcp_play_end(&p);
}

/* ---- What is marked (6.1.2, 6.1.4, 6.1.5, 6.1.6) ---- */

TEST(data_are_marked_and_nothing_else)
{
    BEGIN(ACCEPT);
    tcp_play(&p, ACCEPTED "+0 write 1000\n"
                          "+0 > [ect0] P. 1:1001(1000) ack 1\n"
                          "+300 > [noecn] P. 1:1001(1000) ack 1 # a probe of the tail\n"
                          "+300 > [noecn] P. 1:1001(1000) ack 1\n"
                          "+10 < [ect0] P. 1:101(100) ack 1001 win 65535\n"
                          "+0 > [noecn] . 1001:1001(0) ack 101\n"
                          "+0 info ecn_seen -> 1\n"
                          "+0 close\n"
                          "+0 > [noecn] R. 1001:1001(0) ack 101\n");
    tcp_play_end(&p);
}

TEST(probes_of_a_closed_window_are_not_marked)
{
    BEGIN(ACCEPT);
    tcp_play(&p, ACCEPTED "+0 < . 1:1(0) ack 1 win 0\n"
                          "+0 write 1000\n"
                          "+300 > [noecn] . 0:0(0) ack 1\n"
                          "+10 < . 1:1(0) ack 1 win 65535\n"
                          "+0 > [ect0] P. 1:1001(1000) ack 1\n");
    tcp_play_end(&p);
}

/* ---- The receiver (6.1.3) ---- */

TEST(ce_is_echoed_until_cwr)
{
    BEGIN(ACCEPT);
    tcp_play(&p, ACCEPTED "+0 < [ect0] P. 1:101(100) ack 1 win 65535\n"
                          "+0 > . 1:1(0) ack 101\n"
                          "+0 < [ce] P. 101:201(100) ack 1 win 65535\n"
                          "+0 > E. 1:1(0) ack 201\n"
                          "+0 < [ect0] P. 201:301(100) ack 1 win 65535\n"
                          "+0 > E. 1:1(0) ack 301 # and again\n"
                          "+0 write 10\n"
                          "+0 > [ect0] PE. 1:11(10) ack 301\n"
                          "+0 < [ect0] PW. 301:401(100) ack 11 win 65535\n"
                          "+0 > . 11:11(0) ack 401 # it has heard\n"
                          "+0 < [ce] PW. 401:501(100) ack 11 win 65535\n"
                          "+0 > E. 11:11(0) ack 501 # and was marked again\n");
    tcp_play_end(&p);
}

/* Out of order, too; and what was received before tells nothing new. */
TEST(ce_beyond_a_hole_is_echoed)
{
    BEGIN(ACCEPT);
    tcp_play(&p, ACCEPTED "+0 < [ce] P. 101:201(100) ack 1 win 65535\n"
                          "+0 > E. 1:1(0) ack 1 <sack 101:201>\n");
    tcp_play_end(&p);
}

TEST(ce_on_old_data_is_not_echoed)
{
    BEGIN(ACCEPT);
    tcp_play(&p, ACCEPTED "+0 < [ect0] P. 1:101(100) ack 1 win 65535\n"
                          "+0 > . 1:1(0) ack 101\n"
                          "+0 < [ce] P. 1:101(100) ack 1 win 65535\n"
                          "+0 > . 1:1(0) ack 101 <sack 1:101>\n");
    tcp_play_end(&p);
}

TEST(a_small_segment_with_ce_is_acknowledged_at_once)
{
    BEGIN(ACCEPT);
    p.host.config.tcp_quickack = false;
    tcp_play(&p, ACCEPTED "+0 < [ce] P. 1:11(10) ack 1 win 65535\n"
                          "+0 > E. 1:1(0) ack 11\n");
    tcp_play_end(&p);
}

/* ---- The sender (6.1.2) ---- */

/* Once a window: cwnd goes down to what CUBIC says, by and by, and CWR is said once. */
TEST(ece_reduces_once_a_window)
{
    BEGIN(ON);
    tcp_play(&p, CONNECTED TEN "+0 write 14600\n"
                               "+100 < E. 1:1(0) ack 1461 win 65535\n"
                               "+0 > [ect0] W. 14601:16061(1460) ack 1 # one goes at least\n"
                               "+0 info ca_state -> 2\n"
                               "+0 info ssthresh -> 7\n"
                               "+0 < E. 1:1(0) ack 4381 win 65535\n"
                               "+0 > [ect0] . 16061:17521(1460) ack 1\n"
                               "+0 > [ect0] P. 17521:18981(1460) ack 1\n"
                               "+0 info ssthresh -> 7\n"
                               "+0 < E. 1:1(0) ack 14601 win 65535\n"
                               "+0 > [ect0] . 18981:20441(1460) ack 1\n"
                               "+0 > [ect0] . 20441:21901(1460) ack 1\n"
                               "+0 > [ect0] . 21901:23361(1460) ack 1\n"
                               "+0 > [ect0] P. 23361:24821(1460) ack 1\n"
                               "+0 info ca_state -> 2 # CWR has not been heard yet\n"
                               "+0 info ssthresh -> 7\n"
                               "+100 < . 1:1(0) ack 16061 win 65535\n"
                               "+0 > [ect0] . 24821:26281(1460) ack 1\n"
                               "+0 info ca_state -> 0\n"
                               "+0 info cwnd -> 7\n"
                               "+0 info delivered_ce -> 10\n");
    tcp_play_end(&p);
}

TEST(a_new_window_may_be_reduced_again)
{
    BEGIN(ON);
    tcp_play(&p, CONNECTED TEN "+100 < E. 1:1(0) ack 14601 win 65535\n"
                               "+0 info ssthresh -> 7\n"
                               "+0 write 1460\n"
                               "+0 > [ect0] PW. 14601:16061(1460) ack 1\n"
                               "+100 < E. 1:1(0) ack 16061 win 65535\n"
                               "+0 info ca_state -> 2\n"
                               "+0 write 1460\n"
                               "+0 > [ect0] PW. 16061:17521(1460) ack 1\n");
    tcp_play_end(&p);
}

TEST(reno_halves)
{
    BEGIN(ON);
    p.host.env.opts.congestion = NARU_CONGESTION_RENO;
    tcp_play(&p, CONNECTED TEN "+100 < E. 1:1(0) ack 14601 win 65535\n"
                               "+0 info ssthresh -> 5\n");
    tcp_play_end(&p);
}

/* A loss in a window that is reduced already costs nothing more; the first CWR tells of both. */
TEST(a_loss_in_a_marked_window_is_no_second_reduction)
{
    BEGIN(ON);
    tcp_play(&p, CONNECTED TEN "+100 < E. 1:1(0) ack 1461 win 65535\n"
                               "+0 info ssthresh -> 7\n"
                               "+0 < E. 1:1(0) ack 1461 win 65535 <sack 2921:7301>\n"
                               "+0 > [noecn] . 1461:2921(1460) ack 1\n"
                               "+0 info ca_state -> 3\n"
                               "+0 info ssthresh -> 7\n"
                               "+100 < . 1:1(0) ack 14601 win 65535\n"
                               "+0 info ca_state -> 0\n"
                               "+0 write 1460\n"
                               "+0 > [ect0] PW. 14601:16061(1460) ack 1\n");
    tcp_play_end(&p);
}

/* 6.1.2: whatever reduced cwnd, the peer hears CWR; in recovery marks are no news. */
TEST(a_loss_says_cwr_too)
{
    BEGIN(ON);
    tcp_play(&p, CONNECTED TEN "+100 < . 1:1(0) ack 1 win 65535 <sack 1461:5841>\n"
                               "+0 > [noecn] . 1:1461(1460) ack 1\n"
                               "+0 info ca_state -> 3\n"
                               "+0 < E. 1:1(0) ack 1 win 65535 <sack 1461:7301>\n"
                               "+0 info ssthresh -> 7\n"
                               "+100 < . 1:1(0) ack 14601 win 65535\n"
                               "+0 write 2920\n"
                               "+0 > [ect0] W. 14601:16061(1460) ack 1\n"
                               "+0 > [ect0] P. 16061:17521(1460) ack 1\n");
    tcp_play_end(&p);
}

/* CWR is not lost in a super-segment: what cuts it would leave it on the first only, or on all. */
TEST(cwr_stands_alone)
{
    BEGIN(ON);
    tcp_play(&p, CONNECTED "+0 gso 65535\n"
                           "+0 write 14600\n"
                           "+0 > [ect0] P. 1:14601(14600) ack 1\n"
                           "+100 < E. 1:1(0) ack 14601 win 65535\n"
                           "+0 write 5840\n"
                           "+0 > [ect0] W. 14601:16061(1460) ack 1\n"
                           "+0 > [ect0] P. 16061:20441(4380) ack 1\n");
    tcp_play_end(&p);
}

/* A listener that remembers nothing remembers that, in the timestamp. */
TEST(cookies_remember)
{
    BEGIN(ACCEPT);
    struct naru_addr a = naru_addr_v4(0x0a000001), b = naru_addr_v4(0x0a000002);
    struct naru_hash_tuple t = { .local = &a, .remote = &b, .local_port = 1, .remote_port = 2 };
    struct naru_tcp_setup how = { .mss = 1460, .mss_default = 536 };
    struct naru_tcp_cookie cookie;
    struct naru_tcp_hdr syn = { .flags = NARU_TCP_SYN | NARU_TCP_ECE | NARU_TCP_CWR,
                                .opts = NARU_TCP_OPT_TS,
                                .ts_val = 1 },
                        synack;
    p.host.config.tcp_timestamps = true;
    naru_tcp_cookie_make(&p.host.env, &t, &how, &syn, p.now, &synack);
    assert_int_equal(synack.flags, NARU_TCP_SYN | NARU_TCP_ACK | NARU_TCP_ECE);
    struct naru_tcp_hdr ack = { .flags = NARU_TCP_ACK,
                                .seq = naru_seq_add(syn.seq, 1),
                                .ack = naru_seq_add(synack.seq, 1),
                                .opts = NARU_TCP_OPT_TS,
                                .ts_val = 2,
                                .ts_ecr = synack.ts_val };
    assert_true(naru_tcp_cookie_check(&p.host.env, &t, &ack, p.now, &cookie));
    assert_true(cookie.ecn);
    naru_tcp_init(&p.c, &p.host.env, &how, p.now);
    p.open = true;
    naru_tcp_open_cookie(&p.c, &cookie, p.now);
    assert_true(p.c.more->ecn & NARU_TCP_ECN_CLASSIC);
    tcp_play_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asked_for_and_agreed),
        cmocka_unit_test(accepted),
        cmocka_unit_test(accepted_but_not_asked_for),
        cmocka_unit_test(refused),
        cmocka_unit_test(half_a_request_is_none),
        cmocka_unit_test(a_request_that_was_marked_is_none),
        cmocka_unit_test(a_request_for_more_is_one_for_this),
        cmocka_unit_test(answers_that_are_none),
        cmocka_unit_test(asked_again_without),
        cmocka_unit_test(asked_again_as_often_as_configured),
        cmocka_unit_test(the_answer_to_the_first_counts),
        cmocka_unit_test(crossing_requests),
        cmocka_unit_test(one_socket_may_ask_alone),
        cmocka_unit_test(data_are_marked_and_nothing_else),
        cmocka_unit_test(probes_of_a_closed_window_are_not_marked),
        cmocka_unit_test(ce_is_echoed_until_cwr),
        cmocka_unit_test(ce_beyond_a_hole_is_echoed),
        cmocka_unit_test(ce_on_old_data_is_not_echoed),
        cmocka_unit_test(a_small_segment_with_ce_is_acknowledged_at_once),
        cmocka_unit_test(ece_reduces_once_a_window),
        cmocka_unit_test(a_new_window_may_be_reduced_again),
        cmocka_unit_test(reno_halves),
        cmocka_unit_test(a_loss_in_a_marked_window_is_no_second_reduction),
        cmocka_unit_test(a_loss_says_cwr_too),
        cmocka_unit_test(cwr_stands_alone),
        cmocka_unit_test(cookies_remember),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
