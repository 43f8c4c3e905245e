/* Windows: RFC 9293 3.8.6; silly windows on both sides, probes, windows that shrink, buffers that
 * grow. */
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

/* The first after one RTO, then further and further apart (MUST-36, SHLD-29, SHLD-30,
 * C-zero-window-probe, C-zero-window-probe-retransmit, B-zero-window). */
TEST(zero_window_probes_double)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 < . 1:1(0) ack 1 win 0\n"
                 "+0 write 1000\n"
                 "+200 > . 0:0(0) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 0\n"
                 "+400 > . 0:0(0) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 0\n"
                 "+800 > . 0:0(0) ack 1\n"
                 "+1600 > . 0:0(0) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 65535\n"
                 "+0 > P. 1:1001(1000) ack 1\n");
    tcp_play_end(&p);
}

/* The connection stays open as long as the peer answers the probes (MUST-37). */
TEST(probes_go_on_while_the_peer_answers)
{
    BEGIN(tcp_play_accept);
    p.host.config.tcp_retries = 2;
    tcp_play(&p, "+0 < . 1:1(0) ack 1 win 0\n"
                 "+0 write 1000\n"
                 "+200 > . 0:0(0) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 0\n"
                 "+400 > . 0:0(0) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 0\n"
                 "+800 > . 0:0(0) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 0\n"
                 "+1600 > . 0:0(0) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 0\n"
                 "+3200 > . 0:0(0) ack 1\n"
                 "+6400 > . 0:0(0) ack 1\n"
                 "+12800 = CLOSED\n"
                 "+0 error TIMEDOUT\n");
    tcp_play_end(&p);
}

/* USER_TIMEOUT ends a connection that only probes (C-zero-window-probe-usertimeout). */
TEST(user_timeout_counts_while_probing)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 set USER_TIMEOUT 3000\n"
                 "+0 < . 1:1(0) ack 1 win 0\n"
                 "+0 write 1000\n"
                 "+200 > . 0:0(0) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 0\n"
                 "+400 > . 0:0(0) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 0\n"
                 "+800 > . 0:0(0) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 0\n"
                 "+1600 > . 0:0(0) ack 1\n"
                 "+199 = ESTABLISHED\n"
                 "+2 = CLOSED\n"
                 "+0 error TIMEDOUT\n");
    tcp_play_end(&p);
}

TEST(window_opens_a_little)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 < . 1:1(0) ack 1 win 0\n"
                 "+0 write 5000\n"
                 "+0 < . 1:1(0) ack 1 win 100\n"
                 "+200 > . 1:101(100) ack 1\n"
                 "+0 < . 1:1(0) ack 101 win 3000\n"
                 "+0 > . 101:1561(1460) ack 1\n"
                 "+0 > P. 1561:3021(1460) ack 1\n");
    tcp_play_end(&p);
}

/* Sender-side silly-window avoidance (MUST-38, C-send-window-sizes-piggyback). */
TEST(half_of_the_largest_window_will_do)
{
    BEGIN(tcp_play_begin);
    tcp_play(&p, "+0 < S 0:0(0) win 1000 <mss 1460>\n"
                 "+0 > S. 0:0(0) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 1000\n"
                 "+0 write 3000\n"
                 "+0 > . 1:1001(1000) ack 1\n"
                 "+0 < . 1:1(0) ack 1001 win 500\n"
                 "+0 > . 1001:1501(500) ack 1\n"
                 "+0 < . 1:1(0) ack 1501 win 499\n"
                 "+200 > . 1501:2000(499) ack 1\n");
    tcp_play_end(&p);
}

/* Nothing new beyond the edge, what went before is sent again, and all goes on (MUST-34, SHLD-15,
 * SHLD-16, MAY-7, C-window-shrink, B-peer-shrinks-window). */
TEST(peer_shrinks_its_window)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 write 5840\n"
                 "+0 > . 1:1461(1460) ack 1\n"
                 "+0 > . 1461:2921(1460) ack 1\n"
                 "+0 > . 2921:4381(1460) ack 1\n"
                 "+0 > P. 4381:5841(1460) ack 1\n"
                 "+0 write 1000\n"
                 "+0 > P. 5841:6841(1000) ack 1\n"
                 "+0 < . 1:1(0) ack 1461 win 2000\n"
                 "+0 write 100\n"
                 "+200 > . 1461:2921(1460) ack 1\n"
                 "+0 < . 1:1(0) ack 2921 win 0\n"
                 "+200 > . 2921:4381(1460) ack 1\n"
                 "+0 < . 1:1(0) ack 6841 win 65535\n"
                 "+0 > P. 6841:6941(100) ack 1\n");
    tcp_play_end(&p);
}

/* Data under a window that closed are tried as probes are, as long as the peer answers (MUST-35,
 * SHLD-17). */
TEST(a_shrunk_window_does_not_kill)
{
    BEGIN(tcp_play_accept);
    p.host.config.tcp_retries = 2;
    tcp_play(&p, "+0 write 1000\n"
                 "+0 > P. 1:1001(1000) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 0\n"
                 "+200 > P. 1:1001(1000) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 0\n"
                 "+200 > P. 1:1001(1000) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 0\n"
                 "+400 > P. 1:1001(1000) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 0\n"
                 "+800 > P. 1:1001(1000) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 0\n"
                 "+1600 > P. 1:1001(1000) ack 1\n"
                 "+0 < . 1:1(0) ack 1001 win 1000\n"
                 "+0 = ESTABLISHED\n");
    tcp_play_end(&p);
}

/* A window above 32767 is no negative number (MUST-1, C-handshake-window-size). */
TEST(window_is_unsigned)
{
    BEGIN(tcp_play_begin);
    tcp_play(&p, "+0 < S 0:0(0) win 40000 <mss 10000>\n"
                 "+0 > S. 0:0(0) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 60000\n"
                 "+0 info snd_wnd -> 60000\n"
                 "+0 write 1000\n"
                 "+0 > P. 1:1001(1000) ack 1\n");
    tcp_play_end(&p);
}

/* The window opens again when it is worth a segment, not before (MUST-39, MAY-8,
 * C-zero-receive-window, B-zero-window). */
TEST(our_window_closes_and_opens)
{
    BEGIN(tcp_play_begin);
    p.host.env.opts.rcvbuf = 4000;
    tcp_play(&p, "+0 < S 0:0(0) win 65535 <mss 1460,sackOK>\n"
                 "+0 > S. 0:0(0) ack 1 win 4000\n"
                 "+0 < . 1:1(0) ack 1 win 65535\n"
                 "+0 < . 1:1461(1460) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 1461 win 2540\n"
                 "+0 < . 1461:2921(1460) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 2921 win 1080\n"
                 "+0 < . 2921:4381(1460) ack 1 win 65535\n" /* what fits of it */
                 "+0 > . 1:1(0) ack 4001 win 0\n"
                 "+200 < . 4001:4002(1) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 4001 win 0\n"
                 "+0 ! tcp-recv-full\n"
                 "+0 read 1000\n" /* not worth telling: RFC 9293 3.8.6.2.2 */
                 "+500 < . 4000:4000(0) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 4001 win 0\n"
                 "+0 read 1000\n"
                 "+0 > . 1:1(0) ack 4001 win 2000\n"
                 "+0 read 2000 -> 2000\n"
                 "+0 > . 1:1(0) ack 4001 win 4000\n");
    tcp_play_end(&p);
}

/* RST and URG of incoming segments are handled even with a zero receive window (MUST-66). */
TEST(a_closed_window_takes_acks_and_resets)
{
    BEGIN(tcp_play_begin);
    p.host.env.opts.rcvbuf = 2048;
    tcp_play(&p, "+0 < S 0:0(0) win 1000 <mss 1460,sackOK>\n"
                 "+0 > S. 0:0(0) ack 1 win 2048\n"
                 "+0 < . 1:1(0) ack 1 win 1000\n"
                 "+0 < . 1:2049(2048) ack 1 win 1000\n"
                 "+0 > . 1:1(0) ack 2049 win 0\n"
                 "+0 write 500\n"
                 "+0 > P. 1:501(500) ack 2049 win 0\n"
                 "+0 < . 2049:2050(1) ack 501 win 2000\n" /* its ACK counts, its byte does not */
                 "+0 > . 501:501(0) ack 2049 win 0\n"
                 "+0 get UNSENT -> 0\n"
                 "+0 info snd_wnd -> 2000\n"
                 "+0 < R. 2049:2049(0) ack 501\n"
                 "+0 = CLOSED\n");
    tcp_play_end(&p);
}

/* A receiver should not move its right window edge left (SHLD-14, C-rcv-buf-space). */
TEST(window_never_moves_left)
{
    BEGIN(tcp_play_begin);
    p.host.env.opts.rcvbuf = 20000;
    tcp_play(&p, "+0 < S 0:0(0) win 65535 <mss 1460,sackOK>\n"
                 "+0 > S. 0:0(0) ack 1 win 20000\n"
                 "+0 < . 1:1(0) ack 1 win 65535\n"
                 "+0 set RCVBUF 3000\n"
                 "+0 < . 1:1461(1460) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 1461 win 18540\n"
                 "+0 < . 1461:2921(1460) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 2921 win 17080\n");
    tcp_play_end(&p);
}

/* Window variables and arithmetic are 32 bits wide (REC-1). */
TEST(scaled_window_is_rounded_up_not_left)
{
    BEGIN(tcp_play_begin);
    tcp_play(&p, "+0 < S 0:0(0) win 65535 <mss 1460,nop,wscale 7>\n"
                 "+0 > S. 0:0(0) ack 1 win 65535 <mss 1460,nop,wscale 8>\n"
                 "+0 < . 1:1(0) ack 1 win 512\n"
                 "+0 info snd_wnd -> 65536\n"
                 "+0 < P. 1:11(10) ack 1 win 512\n"
                 "+0 > . 1:1(0) ack 11 win 256\n");
    tcp_play_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zero_window_probes_double),
        cmocka_unit_test(probes_go_on_while_the_peer_answers),
        cmocka_unit_test(user_timeout_counts_while_probing),
        cmocka_unit_test(window_opens_a_little),
        cmocka_unit_test(half_of_the_largest_window_will_do),
        cmocka_unit_test(peer_shrinks_its_window),
        cmocka_unit_test(a_shrunk_window_does_not_kill),
        cmocka_unit_test(window_is_unsigned),
        cmocka_unit_test(our_window_closes_and_opens),
        cmocka_unit_test(a_closed_window_takes_acks_and_resets),
        cmocka_unit_test(window_never_moves_left),
        cmocka_unit_test(scaled_window_is_rounded_up_not_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
