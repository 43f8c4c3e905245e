/* Losses and how they are repaired: RFC 5681, 6298, 6582, 6675, 3042; retransmission and giving up,
 * RFC 9293 3.8.1 to 3.8.3; path MTU. */
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

/* The connection's information is true before and after a loss (C-tcp-info). */
TEST(fast_retransmit_with_sack)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, TCP_PLAY_TEN "+100 < . 1:1(0) ack 1 win 65535 <sack 1461:2921>\n"
                              "+0 < . 1:1(0) ack 1 win 65535 <sack 1461:4381>\n"
                              "+0 info ca_state -> 1\n"
                              "+0 < . 1:1(0) ack 1 win 65535 <sack 1461:5841>\n"
                              "+0 > . 1:1461(1460) ack 1\n"
                              "+0 info ca_state -> 3\n"
                              "+0 info ssthresh -> 7\n"
                              "+0 < . 1:1(0) ack 1 win 65535 <sack 1461:14601>\n"
                              "+0 < . 1:1(0) ack 14601 win 65535\n"
                              "+0 info ca_state -> 0\n"
                              "+0 info cwnd -> 7\n"
                              "+0 info total_retrans -> 1\n");
    tcp_play_end(&p);
}

TEST(limited_transmit)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, "+0 write 20440\n" TCP_PLAY_TEN_SEGMENTS
                 "+100 < . 1:1(0) ack 1 win 65535 <sack 1461:2921>\n"
                 "+0 > . 14601:16061(1460) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 65535 <sack 1461:4381>\n"
                 "+0 > . 16061:17521(1460) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 65535 <sack 1461:5841>\n"
                 "+0 > . 1:1461(1460) ack 1\n");
    tcp_play_end(&p);
}

TEST(two_holes)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, TCP_PLAY_TEN "+100 < . 1:1(0) ack 1 win 65535 <sack 1461:2921>\n"
                              "+0 < . 1:1(0) ack 1 win 65535 <sack 4381:5841 1461:2921>\n"
                              "+0 < . 1:1(0) ack 1 win 65535 <sack 4381:7301 1461:2921>\n"
                              "+0 > . 1:1461(1460) ack 1\n"
                              "+0 < . 1:1(0) ack 1 win 65535 <sack 4381:8761 1461:2921>\n"
                              "+0 > . 2921:4381(1460) ack 1\n"
                              "+0 < . 1:1(0) ack 1 win 65535 <sack 4381:14601 1461:2921>\n"
                              "+100 < . 1:1(0) ack 2921 win 65535 <sack 4381:14601>\n"
                              "+0 < . 1:1(0) ack 14601 win 65535\n"
                              "+0 info total_retrans -> 2\n");
    tcp_play_end(&p);
}

TEST(fast_retransmit_without_sack)
{
    BEGIN(tcp_play_begin);
    tcp_play(&p, "+0 < S 0:0(0) win 65535 <mss 1460>\n"
                 "+0 > S. 0:0(0) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 65535\n" TCP_PLAY_TEN "+100 < . 1:1(0) ack 1 win 65535\n"
                 "+0 < . 1:1(0) ack 1 win 65535\n"
                 "+0 < . 1:1(0) ack 1 win 65535\n"
                 "+0 > . 1:1461(1460) ack 1\n"
                 "+0 info ca_state -> 3\n"
                 "+0 < . 1:1(0) ack 1 win 65535\n"
                 "+0 < . 1:1(0) ack 1 win 65535\n"
                 "+100 < . 1:1(0) ack 4381 win 65535 # partial: the next hole\n"
                 "+0 > . 4381:5841(1460) ack 1\n"
                 "+100 < . 1:1(0) ack 14601 win 65535\n"
                 "+0 info ca_state -> 0\n");
    tcp_play_end(&p);
}

TEST(window_updates_are_not_duplicates)
{
    BEGIN(tcp_play_begin);
    tcp_play(&p, "+0 < S 0:0(0) win 65535 <mss 1460>\n"
                 "+0 > S. 0:0(0) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 65535\n" TCP_PLAY_TEN "+100 < . 1:1(0) ack 1 win 65534\n"
                 "+0 < . 1:1(0) ack 1 win 65533\n"
                 "+0 < . 1:1(0) ack 1 win 65532\n"
                 "+0 < . 1:1(0) ack 1 win 65531\n"
                 "+0 info ca_state -> 0\n");
    tcp_play_end(&p);
}

/* Slow start, congestion avoidance and exponential RTO backoff are implemented; RTO doubles with
 * each retransmission (MUST-19, C-rto-backoff). */
TEST(retransmission_timeout)
{
    BEGIN(tcp_play_begin);
    tcp_play(&p, "+0 < S 0:0(0) win 65535 <mss 1460>\n"
                 "+0 > S. 0:0(0) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 65535\n"
                 "+0 write 4380\n"
                 "+0 > . 1:1461(1460) ack 1\n"
                 "+0 > . 1461:2921(1460) ack 1\n"
                 "+0 > P. 2921:4381(1460) ack 1\n"
                 "+200 > . 1:1461(1460) ack 1\n"
                 "+0 info cwnd -> 1\n"
                 "+0 info ca_state -> 4\n"
                 "+0 info ssthresh -> 7\n"
                 "+400 > . 1:1461(1460) ack 1\n"
                 "+0 info backoff -> 2\n"
                 "+100 < . 1:1(0) ack 1461 win 65535\n"
                 "+0 > . 1461:2921(1460) ack 1\n"
                 "+0 > P. 2921:4381(1460) ack 1\n"
                 "+0 < . 1:1(0) ack 4381 win 65535\n"
                 "+0 info ca_state -> 0\n"
                 "+0 info backoff -> 0\n");
    tcp_play_end(&p);
}

TEST(timeout_keeps_what_sack_told)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, "+0 write 5840\n"
                 "+0 > . 1:1461(1460) ack 1\n"
                 "+0 > . 1461:2921(1460) ack 1\n"
                 "+0 > . 2921:4381(1460) ack 1\n"
                 "+0 > P. 4381:5841(1460) ack 1\n"
                 "+100 < . 1:1(0) ack 1 win 65535 <sack 2921:4381>\n"
                 "+37.5 > . 1:1461(1460) ack 1\n"
                 "+300 > . 1:1461(1460) ack 1\n"
                 "+50 < . 1:1(0) ack 1461 win 65535 <sack 2921:4381>\n"
                 "+0 > . 1461:2921(1460) ack 1\n"
                 "+0 > P. 4381:5841(1460) ack 1\n");
    tcp_play_end(&p);
}

TEST(a_peer_that_forgot_what_it_had)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, "+0 write 4380\n"
                 "+0 > . 1:1461(1460) ack 1\n"
                 "+0 > . 1461:2921(1460) ack 1\n"
                 "+0 > P. 2921:4381(1460) ack 1\n"
                 "+100 < . 1:1(0) ack 1 win 65535 <sack 1461:2921>\n"
                 "+0 < . 1:1(0) ack 1461 win 65535\n"
                 "+300 > . 1461:2921(1460) ack 1\n"
                 "+0 < . 1:1(0) ack 4381 win 65535\n");
    tcp_play_end(&p);
}

/* RTO computed as in RFC 6298, no RTT samples from retransmitted data (Karn; MUST-18). */
TEST(karn)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 write 1000\n"
                 "+0 > P. 1:1001(1000) ack 1\n"
                 "+200 > P. 1:1001(1000) ack 1\n"
                 "+100 < . 1:1(0) ack 1001 win 65535\n"
                 "+0 info rtt_ms -> 0\n"
                 "+0 info rto_ms -> 200\n");
    tcp_play_end(&p);
}

TEST(timestamps_measure_retransmissions)
{
    BEGIN(tcp_play_begin);
    p.host.config.tcp_timestamps = true;
    tcp_play(&p, "+0 < S 0:0(0) win 65535 <mss 1460,sackOK,TS val 1 ecr 0>\n"
                 "+0 > S. 0:0(0) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 65535 <nop,nop,TS val 1 ecr 1000000>\n"
                 "+0 write 1000\n"
                 "+0 > P. 1:1001(1000) ack 1 <nop,nop,TS val 1000000 ecr 1>\n"
                 "+200 > P. 1:1001(1000) ack 1 <nop,nop,TS val 1000200 ecr 1>\n"
                 "+80 < . 1:1(0) ack 1001 win 65535 <nop,nop,TS val 2 ecr 1000200>\n"
                 "+0 info rtt_ms -> 10\n");
    tcp_play_end(&p);
}

/* Two retry thresholds: at R1 advise IP of a bad next hop, at R2 close the connection (MUST-20). */
TEST(gives_up)
{
    BEGIN(tcp_play_accept);
    p.host.config.tcp_retries = 3;
    tcp_play(&p, "+0 write 1000\n"
                 "+0 > P. 1:1001(1000) ack 1\n"
                 "+200 > P. 1:1001(1000) ack 1 # a probe of the tail\n"
                 "+200 > P. 1:1001(1000) ack 1\n"
                 "+400 > P. 1:1001(1000) ack 1\n"
                 "+800 > P. 1:1001(1000) ack 1\n"
                 "+1600 = CLOSED\n"
                 "+0 read 10 -> TIMEDOUT\n"
                 "+0 < . 1:1(0) ack 1001 win 65535\n"
                 "+0 > R 1001:1001(0)\n");
    tcp_play_end(&p);
}

/* Soft errors can be reported to the application; soft ICMP errors are made visible to the
 * application (MUST-47, SHLD-25). */
TEST(gives_up_with_what_icmp_said)
{
    BEGIN(tcp_play_accept);
    p.host.config.tcp_retries = 1;
    tcp_play(&p, "+0 write 1000\n"
                 "+0 > P. 1:1001(1000) ack 1\n"
                 "+0 icmp HOSTUNREACH 1\n"
                 "+0 = ESTABLISHED\n"
                 "+0 icmp CONNREFUSED 1\n"
                 "+0 = ESTABLISHED\n"
                 "+0 icmp HOSTUNREACH 1\n"
                 "+200 > P. 1:1001(1000) ack 1\n"
                 "+200 > P. 1:1001(1000) ack 1\n"
                 "+400 = CLOSED\n"
                 "+0 error HOSTUNREACH\n");
    tcp_play_end(&p);
}

/* USER_TIMEOUT, unset, shorter or longer than the silence: the connection ends or lives, and the
 * peer gets RST or not (C-user-timeout). */
TEST(user_timeout)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 set USER_TIMEOUT 3000\n"
                 "+0 write 1000\n"
                 "+0 > P. 1:1001(1000) ack 1\n"
                 "+200 > P. 1:1001(1000) ack 1 # a probe of the tail\n"
                 "+200 > P. 1:1001(1000) ack 1\n"
                 "+400 > P. 1:1001(1000) ack 1\n"
                 "+800 > P. 1:1001(1000) ack 1\n"
                 "+1599 = ESTABLISHED\n"
                 "+2 = CLOSED\n"
                 "+0 error TIMEDOUT\n"
                 "+0 < . 1:1(0) ack 1001 win 65535\n"
                 "+0 > R 1001:1001(0)\n");
    tcp_play_end(&p);
}

TEST(user_timeout_is_forgotten_when_the_peer_answers)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 set USER_TIMEOUT 1000\n"
                 "+0 write 1000\n"
                 "+0 > P. 1:1001(1000) ack 1\n"
                 "+200 > P. 1:1001(1000) ack 1\n"
                 "+10 < . 1:1(0) ack 1001 win 65535\n"
                 "+5000 = ESTABLISHED\n");
    tcp_play_end(&p);
}

/* What is sent again may be cut otherwise, and the peer may acknowledge its middle
 * (B-retransmit-repacketised). */
TEST(retransmission_may_be_cut_otherwise)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 set NODELAY 1\n"
                 "+0 write 100\n"
                 "+0 > P. 1:101(100) ack 1\n"
                 "+0 write 100\n"
                 "+0 > P. 101:201(100) ack 1\n"
                 "+0 write 100\n"
                 "+0 > P. 201:301(100) ack 1\n"
                 "+200 > P. 1:301(300) ack 1\n"
                 "+0 < . 1:1(0) ack 51 win 65535 # in the middle of the first\n"
                 "+0 < . 1:1(0) ack 301 win 65535\n");
    tcp_play_end(&p);
}

TEST(path_mtu_shrinks)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, "+0 write 4380\n"
                 "+0 > . 1:1461(1460) ack 1\n"
                 "+0 > . 1461:2921(1460) ack 1\n"
                 "+0 > P. 2921:4381(1460) ack 1\n"
                 "+10 pmtu 1000\n"
                 "+0 > . 1:1001(1000) ack 1\n"
                 "+0 > . 1001:2001(1000) ack 1\n"
                 "+0 > . 2001:3001(1000) ack 1\n"
                 "+0 > . 3001:4001(1000) ack 1\n"
                 "+0 > P. 4001:4381(380) ack 1\n"
                 "+0 info snd_mss -> 1000\n");
    tcp_play_end(&p);
}

TEST(idle_restart)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, TCP_PLAY_TEN "+10 < . 1:1(0) ack 14601 win 65535\n"
                              "+0 info cwnd -> 20\n"
                              "+350 write 29200\n"
                              "+0 > . 14601:16061(1460) ack 1\n"
                              "+0 > . 16061:17521(1460) ack 1\n"
                              "+0 > . 17521:18981(1460) ack 1\n"
                              "+0 > . 18981:20441(1460) ack 1\n"
                              "+0 > . 20441:21901(1460) ack 1\n"
                              "+0 > . 21901:23361(1460) ack 1\n"
                              "+0 > . 23361:24821(1460) ack 1\n"
                              "+0 > . 24821:26281(1460) ack 1\n"
                              "+0 > . 26281:27741(1460) ack 1\n"
                              "+0 > P. 27741:29201(1460) ack 1\n"
                              "+0 info cwnd -> 10\n");
    tcp_play_end(&p);
}

/* Slow start, congestion avoidance and exponential RTO backoff are implemented (MUST-19). */
TEST(slow_start)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, "+0 write 29200\n" TCP_PLAY_TEN_SEGMENTS "+10 < . 1:1(0) ack 1461 win 65535\n"
                 "+0 > . 14601:16061(1460) ack 1\n"
                 "+0 > P. 16061:17521(1460) ack 1\n"
                 "+0 info cwnd -> 11\n"
                 "+0 < . 1:1(0) ack 4381 win 65535\n"
                 "+0 > . 17521:18981(1460) ack 1\n"
                 "+0 > . 18981:20441(1460) ack 1\n"
                 "+0 > . 20441:21901(1460) ack 1\n"
                 "+0 > P. 21901:23361(1460) ack 1\n"
                 "+0 info cwnd -> 13\n");
    tcp_play_end(&p);
}

TEST(not_limited_not_grown)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 write 1460\n"
                 "+0 > P. 1:1461(1460) ack 1\n"
                 "+10 < . 1:1(0) ack 1461 win 65535\n"
                 "+0 info cwnd -> 10\n");
    tcp_play_end(&p);
}

/* RFC 3522: the retransmission was answered before it was sent. */
TEST(a_delay_is_not_a_loss)
{
    BEGIN(tcp_play_begin);
    p.host.config.tcp_timestamps = true;
    tcp_play(&p, "+0 < S 0:0(0) win 65535 <mss 1460,sackOK,TS val 1 ecr 0>\n"
                 "+0 > S. 0:0(0) ack 1\n"
                 "+100 < . 1:1(0) ack 1 win 65535 <nop,nop,TS val 1 ecr 1000000>\n"
                 "+0 write 2896\n"
                 "+0 > . 1:1449(1448) ack 1 <nop,nop,TS val 1000100 ecr 1>\n"
                 "+0 > P. 1449:2897(1448) ack 1 <nop,nop,TS val 1000100 ecr 1>\n"
                 "+202 > P. 1449:2897(1448) ack 1 # a probe of the tail\n"
                 "+300 > . 1:1449(1448) ack 1 <nop,nop,TS val 1000602 ecr 1>\n"
                 "+0 info ca_state -> 4\n"
                 "+0 info cwnd -> 1\n"
                 "+10 < . 1:1(0) ack 1449 win 65535 <nop,nop,TS val 2 ecr 1000100>\n"
                 "+0 info ca_state -> 0\n"
                 "+0 info cwnd -> 10\n"
                 "+0 info lost -> 0\n"
                 "+0 < . 1:1(0) ack 2897 win 65535 <nop,nop,TS val 2 ecr 1000100>\n");
    tcp_play_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fast_retransmit_with_sack),
        cmocka_unit_test(limited_transmit),
        cmocka_unit_test(two_holes),
        cmocka_unit_test(fast_retransmit_without_sack),
        cmocka_unit_test(window_updates_are_not_duplicates),
        cmocka_unit_test(retransmission_timeout),
        cmocka_unit_test(timeout_keeps_what_sack_told),
        cmocka_unit_test(a_peer_that_forgot_what_it_had),
        cmocka_unit_test(karn),
        cmocka_unit_test(timestamps_measure_retransmissions),
        cmocka_unit_test(a_delay_is_not_a_loss),
        cmocka_unit_test(gives_up),
        cmocka_unit_test(gives_up_with_what_icmp_said),
        cmocka_unit_test(user_timeout),
        cmocka_unit_test(user_timeout_is_forgotten_when_the_peer_answers),
        cmocka_unit_test(retransmission_may_be_cut_otherwise),
        cmocka_unit_test(path_mtu_shrinks),
        cmocka_unit_test(idle_restart),
        cmocka_unit_test(slow_start),
        cmocka_unit_test(not_limited_not_grown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
