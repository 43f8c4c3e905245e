/* What TCP_INFO tells of rates and of where time goes. */
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

/* ---- Delivery rate ---- */

/* Ten segments in a round trip of 100 ms; the application gave no more. */
TEST(rate_of_one_flight)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, "+0 info delivery_rate -> 0\n"
                 "+0 gso 65535\n"
                 "+0 write 14600\n"
                 "+0 > P. 1:14601(14600) ack 1\n"
                 "+100 < . 1:1(0) ack 14601 win 65535\n"
                 "+0 info delivery_rate -> 146000\n"
                 "+0 info app_limited -> 1\n"
                 "+0 info min_rtt_ms -> 100\n");
    tcp_play_end(&p);
}

/* A bottleneck of a segment in 10 ms: that rate is told, however much is in flight. */
TEST(rate_of_a_bottleneck)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, "+0 gso 65535\n"
                 "+0 write 43800\n"
                 "+0 > P. 1:14601(14600) ack 1\n"
                 "+100 < . 1:1(0) ack 1461 win 65535\n"
                 "+0 > P. 14601:17521(2920) ack 1\n"
                 "+10 < . 1:1(0) ack 2921 win 65535\n"
                 "+0 > P. 17521:20441(2920) ack 1\n"
                 "+10 < . 1:1(0) ack 4381 win 65535\n"
                 "+0 > P. 20441:23361(2920) ack 1\n"
                 "+10 < . 1:1(0) ack 5841 win 65535\n"
                 "+0 > P. 23361:26281(2920) ack 1\n"
                 "+10 < . 1:1(0) ack 7301 win 65535\n"
                 "+0 > P. 26281:29201(2920) ack 1\n"
                 "+10 < . 1:1(0) ack 8761 win 65535\n"
                 "+0 > P. 29201:32121(2920) ack 1\n"
                 "+10 < . 1:1(0) ack 10221 win 65535\n"
                 "+0 > P. 32121:35041(2920) ack 1\n"
                 "+10 < . 1:1(0) ack 11681 win 65535\n"
                 "+0 > P. 35041:37961(2920) ack 1\n"
                 "+10 < . 1:1(0) ack 13141 win 65535\n"
                 "+0 > P. 37961:40881(2920) ack 1\n"
                 "+10 < . 1:1(0) ack 14601 win 65535\n"
                 "+0 > P. 40881:43801(2920) ack 1\n"
                 "+10 < . 1:1(0) ack 16061 win 65535\n"
                 "+10 < . 1:1(0) ack 17521 win 65535\n"
                 "+10 < . 1:1(0) ack 18981 win 65535\n"
                 "+0 info delivery_rate -> 146000\n"
                 "+0 info app_limited -> 0\n");
    tcp_play_end(&p);
}

/* What is written now and then tells no less of the path than is known. */
TEST(a_slow_application_does_not_lower_it)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, "+0 gso 65535\n"
                 "+0 write 14600\n"
                 "+0 > P. 1:14601(14600) ack 1\n"
                 "+100 < . 1:1(0) ack 14601 win 65535\n"
                 "+1000 write 2920\n"
                 "+0 > P. 14601:17521(2920) ack 1\n"
                 "+100 < . 1:1(0) ack 17521 win 65535\n"
                 "+0 info delivery_rate -> 146000\n"
                 "+0 info app_limited -> 1\n");
    tcp_play_end(&p);
}

/* Request and response: a segment in the shortest round trip. */
TEST(rate_of_lone_segments)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, "+0 write 100\n"
                 "+0 > P. 1:101(100) ack 1\n"
                 "+50 < . 1:1(0) ack 101 win 65535\n"
                 "+0 info delivery_rate -> 29200\n"
                 "+0 info app_limited -> 1\n");
    tcp_play_end(&p);
}

/* ---- Pacing rate ---- */

TEST(pacing_rate_is_the_window_over_the_round_trip)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, "+0 info pacing_rate -> 292000 # twice 14600 in 100 ms\n");
    p.c.ssthresh = p.c.cwnd;
    tcp_play(&p, "+0 info pacing_rate -> 175200\n");
    tcp_play_end(&p);
}

/* ---- Where time goes ---- */

TEST(busy_while_something_is_in_flight)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, "+0 info busy_ms -> 0\n"
                 "+0 write 100\n"
                 "+0 > P. 1:101(100) ack 1\n"
                 "+30 info busy_ms -> 30\n"
                 "+20 < . 1:1(0) ack 101 win 65535\n"
                 "+1000 info busy_ms -> 50\n"
                 "+0 write 14600\n"
                 "+0 > . 101:1561(1460) ack 1\n"
                 "+0 > . 1561:3021(1460) ack 1\n"
                 "+0 > . 3021:4481(1460) ack 1\n"
                 "+0 > . 4481:5941(1460) ack 1\n"
                 "+0 > . 5941:7401(1460) ack 1\n"
                 "+0 > . 7401:8861(1460) ack 1\n"
                 "+0 > . 8861:10321(1460) ack 1\n"
                 "+0 > . 10321:11781(1460) ack 1\n"
                 "+0 > . 11781:13241(1460) ack 1\n"
                 "+0 > P. 13241:14701(1460) ack 1\n"
                 "+100 < . 1:1(0) ack 14701 win 65535\n"
                 "+1000 info busy_ms -> 150\n"
                 "+0 info rwnd_limited_ms -> 0\n"
                 "+0 info sndbuf_limited_ms -> 0\n");
    tcp_play_end(&p);
}

/* A segment that had to be sent again was there all the time. */
TEST(busy_through_a_loss)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 write 100\n"
                 "+0 > P. 1:101(100) ack 1\n"
                 "+200 > P. 1:101(100) ack 1\n"
                 "+100 < . 1:1(0) ack 101 win 65535\n"
                 "+1000 info busy_ms -> 300\n");
    tcp_play_end(&p);
}

TEST(limited_by_the_peers_window)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, "+0 < . 1:1(0) ack 1 win 2920\n"
                 "+0 write 5840\n"
                 "+0 > . 1:1461(1460) ack 1\n"
                 "+0 > P. 1461:2921(1460) ack 1\n"
                 "+0 info rwnd_limited_ms -> 0\n"
                 "+100 < . 1:1(0) ack 2921 win 0\n"
                 "+50 < . 1:1(0) ack 2921 win 65535\n"
                 "+0 > . 2921:4381(1460) ack 1\n"
                 "+0 > P. 4381:5841(1460) ack 1\n"
                 "+100 < . 1:1(0) ack 5841 win 65535\n"
                 "+1000 info rwnd_limited_ms -> 150\n"
                 "+0 info sndbuf_limited_ms -> 0\n"
                 "+0 info busy_ms -> 250\n");
    tcp_play_end(&p);
}

TEST(limited_by_the_send_buffer)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, "+0 set SNDBUF 2920\n"
                 "+0 write 5840 -> 2920\n"
                 "+0 > . 1:1461(1460) ack 1\n"
                 "+0 > P. 1461:2921(1460) ack 1\n"
                 "+100 < . 1:1(0) ack 2921 win 65535\n"
                 "+10 write 2920\n"
                 "+0 > . 2921:4381(1460) ack 1\n"
                 "+0 > P. 4381:5841(1460) ack 1\n"
                 "+100 < . 1:1(0) ack 5841 win 65535\n"
                 "+1000 info sndbuf_limited_ms -> 100\n"
                 "+0 info rwnd_limited_ms -> 0\n"
                 "+0 info busy_ms -> 200\n");
    tcp_play_end(&p);
}

/* A SYN that was answered is not in flight: nothing is, until data are. */
TEST(not_busy_since_the_handshake)
{
    BEGIN(tcp_play_begin);
    p.host.config.tcp_mtu_probing = 2;
    tcp_play(&p, "+0 < S 0:0(0) win 65535 <mss 1460,sackOK>\n"
                 "+0 > S. 0:0(0) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 65535\n"
                 "+1000 info busy_ms -> 0\n"
                 "+0 write 100\n"
                 "+0 > P. 1:101(100) ack 1\n"
                 "+100 < . 1:1(0) ack 101 win 65535\n"
                 "+100 info busy_ms -> 100\n");
    tcp_play_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rate_of_one_flight),
        cmocka_unit_test(rate_of_a_bottleneck),
        cmocka_unit_test(a_slow_application_does_not_lower_it),
        cmocka_unit_test(rate_of_lone_segments),
        cmocka_unit_test(pacing_rate_is_the_window_over_the_round_trip),
        cmocka_unit_test(busy_while_something_is_in_flight),
        cmocka_unit_test(busy_through_a_loss),
        cmocka_unit_test(limited_by_the_peers_window),
        cmocka_unit_test(limited_by_the_send_buffer),
        cmocka_unit_test(not_busy_since_the_handshake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
