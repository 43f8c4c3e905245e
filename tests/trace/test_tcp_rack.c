/* Losses told by time, probes of the tail, the way back: RFC 8985, 9937, 5682, 3522, 3708. */
#include "lib/tcp_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state)
#define BEGIN(how)     \
    struct tcp_play p; \
    (void)state;       \
    how(&p)

/* ---- RACK ---- */

TEST(one_sack_is_enough_after_a_while)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, TCP_PLAY_TEN "+100 < . 1:1(0) ack 1 win 65535 <sack 1461:2921>\n"
                              "+36 info ca_state -> 1\n"
                              "+1.5 > . 1:1461(1460) ack 1\n"
                              "+0 info ca_state -> 3\n");
    tcp_play_end(&p);
}

TEST(the_third_sack_does_not_wait)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, TCP_PLAY_TEN "+100 < . 1:1(0) ack 1 win 65535 <sack 2921:4381>\n"
                              "+0 < . 1:1(0) ack 1 win 65535 <sack 2921:5841>\n"
                              "+0 < . 1:1(0) ack 1 win 65535 <sack 2921:7301>\n"
                              "+0 > . 1:1461(1460) ack 1\n"
                              "+0 info lost -> 2 # both of the hole\n"
                              "+0 info retrans -> 1\n");
    tcp_play_end(&p);
}

/* What is reordered was not lost (C-rack-recovery). */
TEST(what_comes_late_is_not_sent_again)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p,
             TCP_PLAY_TEN "+100 < . 1:1(0) ack 1 win 65535 <sack 1461:2921>\n"
                          "+10 < . 1:1(0) ack 2921 win 65535\n"
                          "+0 info ca_state -> 0\n"
                          "+0 info reord_seen -> 1\n"
                          "+0 < . 1:1(0) ack 2921 win 65535 <sack 4381:8761>\n"
                          "+36 info total_retrans -> 0 # three are no reason any more, time is\n"
                          "+1.5 > . 2921:4381(1460) ack 1\n");
    tcp_play_end(&p);
}

/* C-rack-recovery: a retransmission that is lost, too. */
TEST(a_lost_retransmission_is_sent_again_without_a_timeout)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, TCP_PLAY_TEN "+100 < . 1:1(0) ack 1 win 65535 <sack 1461:5841>\n"
                              "+0 > . 1:1461(1460) ack 1\n"
                              "+1 write 14600\n"
                              "+0 < . 1:1(0) ack 1 win 65535 <sack 1461:8761>\n"
                              "+0 > . 14601:16061(1460) ack 1\n"
                              "+0 > P. 16061:17521(1460) ack 1\n"
                              "+100 < . 1:1(0) ack 1 win 65535 <sack 14601:16061 1461:8761>\n"
                              "+0 > . 1:1461(1460) ack 1 # what was sent after it has arrived\n"
                              "+0 > . 8761:10221(1460) ack 1\n"
                              "+0 > . 10221:11681(1460) ack 1\n"
                              "+0 info ca_state -> 3\n");
    tcp_play_end(&p);
}

TEST(duplicates_widen_the_window)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, TCP_PLAY_TEN "+100 < . 1:1(0) ack 1 win 65535 <sack 1461:2921>\n"
                              "+37.5 > . 1:1461(1460) ack 1\n"
                              "+2.5 < . 1:1(0) ack 2921 win 65535\n"
                              "+95 < . 1:1(0) ack 2921 win 65535 <sack 1:1461>\n"
                              "+0 < . 1:1(0) ack 2921 win 65535 <sack 4381:5841>\n"
                              "+37.5 info total_retrans -> 1\n"
                              "+24 info total_retrans -> 1\n"
                              "+1 > . 2921:4381(1460) ack 1 # two quarters now\n");
    tcp_play_end(&p);
}

TEST(a_part_of_a_segment_is_not_believed)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, TCP_PLAY_TEN "+100 < . 1:1(0) ack 1 win 65535 <sack 14600:14601>\n"
                              "+0 info sacked -> 0\n"
                              "+0 < . 1:1(0) ack 1 win 65535 <sack 4000:8000>\n"
                              "+0 info sacked -> 2 # 4381:7301\n");
    tcp_play_end(&p);
}

/* ---- Tail loss probes ---- */

/* C-rack-recovery: the last segments are lost, and nothing follows that could tell. */
TEST(the_tail_is_probed_after_two_round_trips)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, TCP_PLAY_TEN "+100 < . 1:1(0) ack 10221 win 65535\n"
                              "+202 > P. 13141:14601(1460) ack 1\n"
                              "+0 info ca_state -> 0\n"
                              "+0 info retrans -> 0\n"
                              "+100 < . 1:1(0) ack 10221 win 65535 <sack 13141:14601>\n"
                              "+0 > . 10221:11681(1460) ack 1 # sent long before the probe\n"
                              "+100 < . 1:1(0) ack 11681 win 65535 <sack 13141:14601>\n"
                              "+0 > . 11681:13141(1460) ack 1\n"
                              "+90 < . 1:1(0) ack 14601 win 65535\n"
                              "+0 info ca_state -> 0\n"
                              "+0 info backoff -> 0\n");
    tcp_play_end(&p);
}

TEST(a_probe_is_new_data_if_there_are_any)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, "+0 write 20440\n" TCP_PLAY_TEN_SEGMENTS "+202 > . 14601:16061(1460) ack 1\n"
                 "+299 info ca_state -> 0\n"
                 "+1 > . 1:1461(1460) ack 1 # RTO counts from the probe\n"
                 "+0 info ca_state -> 4\n");
    tcp_play_end(&p);
}

TEST(a_lone_segment_may_be_acknowledged_late)
{
    BEGIN(tcp_play_begin);
    tcp_play(&p, "+0 < S 0:0(0) win 65535 <mss 1460,sackOK>\n"
                 "+0 > S. 0:0(0) ack 1\n"
                 "+20 < . 1:1(0) ack 1 win 65535 # RTO 220, two round trips 40\n"
                 "+0 set NODELAY 1\n"
                 "+0 write 100\n"
                 "+0 > P. 1:101(100) ack 1\n"
                 "+30 write 100\n"
                 "+0 > P. 101:201(100) ack 1 # no longer alone\n"
                 "+42 > P. 101:201(100) ack 1\n"
                 "+0 < . 1:1(0) ack 201 win 65535\n");
    tcp_play_end(&p);
}

TEST(one_probe_then_rto)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, "+0 write 1000\n"
                 "+0 > P. 1:1001(1000) ack 1\n"
                 "+300 > P. 1:1001(1000) ack 1\n"
                 "+0 info ca_state -> 0\n"
                 "+300 > P. 1:1001(1000) ack 1\n"
                 "+0 info ca_state -> 4\n"
                 "+600 > P. 1:1001(1000) ack 1\n");
    tcp_play_end(&p);
}

TEST(a_probe_that_repaired_the_loss_costs_window)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, "+0 write 2920\n"
                 "+0 > . 1:1461(1460) ack 1\n"
                 "+0 > P. 1461:2921(1460) ack 1\n"
                 "+100 < . 1:1(0) ack 1461 win 65535\n"
                 "+300 > P. 1461:2921(1460) ack 1\n"
                 "+100 < . 1:1(0) ack 2921 win 65535\n"
                 "+0 info cwnd -> 10\n"
                 "+0 write 1000\n"
                 "+0 > P. 2921:3921(1000) ack 1\n"
                 "+100 < . 1:1(0) ack 3921 win 65535\n"
                 "+0 info cwnd -> 7\n"
                 "+0 info ca_state -> 0\n");
    tcp_play_end(&p);
}

TEST(a_probe_that_was_not_needed_costs_nothing)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, "+0 write 1460\n"
                 "+0 > P. 1:1461(1460) ack 1\n"
                 "+300 > P. 1:1461(1460) ack 1\n"
                 "+10 < . 1:1(0) ack 1461 win 65535\n"
                 "+100 < . 1:1(0) ack 1461 win 65535 <sack 1:1461>\n"
                 "+0 write 1000\n"
                 "+0 > P. 1461:2461(1000) ack 1\n"
                 "+100 < . 1:1(0) ack 2461 win 65535\n"
                 "+0 info cwnd -> 10\n");
    tcp_play_end(&p);
}

/* ---- PRR ---- */

TEST(the_window_shrinks_in_proportion)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, TCP_PLAY_TEN "+0 write 29200\n"
                              "+100 < . 1:1(0) ack 1 win 65535 <sack 1461:2921>\n"
                              "+0 > . 14601:16061(1460) ack 1\n"
                              "+0 < . 1:1(0) ack 1 win 65535 <sack 1461:4381>\n"
                              "+0 > . 16061:17521(1460) ack 1\n"
                              "+0 < . 1:1(0) ack 1 win 65535 <sack 1461:5841>\n"
                              "+0 > . 1:1461(1460) ack 1\n"
                              "+0 info ssthresh -> 7\n"
                              "+0 info cwnd -> 9\n"
                              "+0 < . 1:1(0) ack 1 win 65535 <sack 1461:7301>\n"
                              "+0 > . 17521:18981(1460) ack 1\n"
                              "+0 info cwnd -> 9\n"
                              "+0 < . 1:1(0) ack 1 win 65535 <sack 1461:8761>\n"
                              "+0 > . 18981:20441(1460) ack 1 # ceil(3 * 0.7) = 3\n"
                              "+0 info cwnd -> 9\n"
                              "+0 < . 1:1(0) ack 1 win 65535 <sack 1461:10221>\n"
                              "+0 info cwnd -> 8 # ceil(4 * 0.7) = 3, all gone\n"
                              "+0 < . 1:1(0) ack 1 win 65535 <sack 1461:11681>\n"
                              "+0 info cwnd -> 7 # nothing: pipe is ssthresh\n"
                              "+0 hold\n"
                              "+100 < . 1:1(0) ack 20441 win 65535\n"
                              "+0 info ca_state -> 0\n"
                              "+0 info cwnd -> 7\n");
    tcp_play_end(&p);
}

/* ---- F-RTO, undo ---- */

TEST(without_new_data_a_timeout_is_believed)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p,
             TCP_PLAY_TEN "+202 > P. 13141:14601(1460) ack 1\n"
                          "+300 > . 1:1461(1460) ack 1\n"
                          "+0 info ca_state -> 4\n"
                          "+50 < . 1:1(0) ack 1461 win 65535 # of the first copy, but who knows\n"
                          "+0 > . 1461:2921(1460) ack 1\n"
                          "+0 > . 2921:4381(1460) ack 1\n"
                          "+0 < . 1:1(0) ack 2921 win 65535 # it was sent twice, too\n"
                          "+0 > . 4381:5841(1460) ack 1\n"
                          "+0 > . 5841:7301(1460) ack 1\n"
                          "+0 info ca_state -> 4 # no new data to find out with\n");
    tcp_play_end(&p);
}

TEST(new_data_tell_that_a_timeout_was_wrong)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p,
             "+0 write 20440\n" TCP_PLAY_TEN_SEGMENTS "+202 > . 14601:16061(1460) ack 1 # a probe\n"
             "+300 > . 1:1461(1460) ack 1\n"
             "+0 info ca_state -> 4\n"
             "+0 info ssthresh -> 7\n"
             "+50 < . 1:1(0) ack 1461 win 65535\n"
             "+0 > . 16061:17521(1460) ack 1 # new data, nothing again\n"
             "+0 > P. 17521:18981(1460) ack 1\n"
             "+0 info ca_state -> 4\n"
             "+0 hold\n"
             "+0 < . 1:1(0) ack 2921 win 65535 # never sent again: RTO was wrong\n"
             "+0 info ca_state -> 0\n"
             "+0 info lost -> 0\n"
             "+0 info ssthresh -> 2147483647\n"
             "+0 info total_retrans -> 1\n");
    tcp_play_end(&p);
}

TEST(a_timeout_that_was_right)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, "+0 write 20440\n" TCP_PLAY_TEN_SEGMENTS "+202 > . 14601:16061(1460) ack 1\n"
                 "+300 > . 1:1461(1460) ack 1\n"
                 "+100 < . 1:1(0) ack 1461 win 65535\n"
                 "+0 > . 16061:17521(1460) ack 1\n"
                 "+0 > P. 17521:18981(1460) ack 1\n"
                 "+100 < . 1:1(0) ack 1461 win 65535 <sack 16061:17521>\n"
                 "+0 > . 1461:2921(1460) ack 1\n"
                 "+0 info ca_state -> 4\n");
    tcp_play_end(&p);
}

TEST(duplicates_tell_that_nothing_was_lost)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, TCP_PLAY_TEN "+100 < . 1:1(0) ack 1 win 65535 <sack 1461:5841>\n"
                              "+0 > . 1:1461(1460) ack 1\n"
                              "+0 info ssthresh -> 7\n"
                              "+10 < . 1:1(0) ack 14601 win 65535\n"
                              "+0 info cwnd -> 7\n"
                              "+90 < . 1:1(0) ack 14601 win 65535 <sack 1:1461>\n"
                              "+0 info cwnd -> 10\n"
                              "+0 info ssthresh -> 2147483647\n"
                              "+0 info dsack_dups -> 1\n");
    tcp_play_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_sack_is_enough_after_a_while),
        cmocka_unit_test(the_third_sack_does_not_wait),
        cmocka_unit_test(what_comes_late_is_not_sent_again),
        cmocka_unit_test(a_lost_retransmission_is_sent_again_without_a_timeout),
        cmocka_unit_test(duplicates_widen_the_window),
        cmocka_unit_test(a_part_of_a_segment_is_not_believed),
        cmocka_unit_test(the_tail_is_probed_after_two_round_trips),
        cmocka_unit_test(a_probe_is_new_data_if_there_are_any),
        cmocka_unit_test(a_lone_segment_may_be_acknowledged_late),
        cmocka_unit_test(one_probe_then_rto),
        cmocka_unit_test(a_probe_that_repaired_the_loss_costs_window),
        cmocka_unit_test(a_probe_that_was_not_needed_costs_nothing),
        cmocka_unit_test(the_window_shrinks_in_proportion),
        cmocka_unit_test(without_new_data_a_timeout_is_believed),
        cmocka_unit_test(new_data_tell_that_a_timeout_was_wrong),
        cmocka_unit_test(a_timeout_that_was_right),
        cmocka_unit_test(duplicates_tell_that_nothing_was_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
