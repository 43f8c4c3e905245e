/*
 * Single requirements of RFC 9293 that no story of the other traces shows: defaults, lengths and
 * corners, each by itself.
 */
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

/* A SYN is sent again for three minutes and more, unless the user wants less (MUST-23). */
TEST(a_syn_is_tried_for_three_minutes)
{
    BEGIN(tcp_play_begin);
    tcp_play(&p, "+0 connect\n"
                 "+0 > S 0:0(0)\n"
                 "+1000 > S 0:0(0)\n"
                 "+2000 > S 0:0(0)\n"
                 "+4000 > S 0:0(0)\n"
                 "+8000 > S 0:0(0)\n"
                 "+16000 > S 0:0(0)\n"
                 "+32000 > S 0:0(0)\n"
                 "+64000 > S 0:0(0)\n"
                 "+53000 = SYN-SENT\n" /* 180 s */
                 "+66999 = SYN-SENT\n"
                 "+1 = CLOSED\n"
                 "+0 error TIMEDOUT\n");
    tcp_play_end(&p);
}

/* Nobody is given up in less than 100 seconds (SHLD-11), and not before R1, three times (SHLD-10).
 */
TEST(nobody_is_given_up_early)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 write 1000\n"
                 "+0 > P. 1:1001(1000) ack 1\n"
                 "+200 > P. 1:1001(1000) ack 1\n" /* the probe of the tail */
                 "+200 > P. 1:1001(1000) ack 1\n"
                 "+400 > P. 1:1001(1000) ack 1\n"
                 "+800 > P. 1:1001(1000) ack 1\n"
                 "+1600 > P. 1:1001(1000) ack 1\n"
                 "+3200 > P. 1:1001(1000) ack 1\n"
                 "+6400 > P. 1:1001(1000) ack 1\n"
                 "+12800 > P. 1:1001(1000) ack 1\n"
                 "+25600 > P. 1:1001(1000) ack 1\n"
                 "+51200 > P. 1:1001(1000) ack 1\n"
                 "+0 = ESTABLISHED\n");
    tcp_play_end(&p);
}

/* Without being asked a connection says nothing, for a day (MUST-25). */
TEST(keepalive_is_off_at_first)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+86400000 = ESTABLISHED\n"
                 "+0 get KEEPALIVE -> 0\n");
    tcp_play_end(&p);
}

/* Two hours, if nothing else is said (MUST-28); and it is switched for this connection alone, on
 * and off (MUST-24). */
TEST(keepalive_begins_after_two_hours)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 set KEEPALIVE 1\n"
                 "+7199999 = ESTABLISHED\n"
                 "+1 > . 0:0(0) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 65535\n"
                 "+0 set KEEPALIVE 0\n"
                 "+86400000 = ESTABLISHED\n");
    tcp_play_end(&p);
}

/* What is outstanding has its own timer: no keep-alive beside it (MUST-26). */
TEST(keepalive_waits_for_what_is_outstanding)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 set KEEPALIVE 1\n"
                 "+0 set KEEPIDLE 1000\n"
                 "+500 write 10\n"
                 "+0 > P. 1:11(10) ack 1\n"
                 "+200 > P. 1:11(10) ack 1\n"
                 "+200 > P. 1:11(10) ack 1\n"
                 "+400 > P. 1:11(10) ack 1\n"
                 "+0 < . 1:1(0) ack 11 win 65535\n"
                 "+1000 > . 10:10(0) ack 1\n");
    tcp_play_end(&p);
}

/* Urgent data longer than a segment: each segment says where they end (MUST-31), by the number
 * behind the last of them (MUST-62). */
TEST(urgent_data_of_any_length)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 write 4000 oob\n"
                 "+0 > U. 1:1461(1460) ack 1 urg 4000\n"
                 "+0 > U. 1461:2921(1460) ack 1 urg 2540\n"
                 "+0 > PU. 2921:4001(1080) ack 1 urg 1080\n");
    tcp_play_end(&p);
}

/* The pointer moves on: the user is told again, and the mark has moved (MUST-32, MUST-33). */
TEST(urgent_pointer_moves_on)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 < PU. 1:11(10) ack 1 win 65535 urg 5\n"
                 "+0 > . 1:1(0) ack 11\n"
                 "+0 ready READ WRITE URGENT\n"
                 "+0 readoob -> 1\n"
                 "+0 ready READ WRITE\n"
                 "+0 < PU. 11:21(10) ack 1 win 65535 urg 8\n"
                 "+0 > . 1:1(0) ack 21\n"
                 "+0 ready READ WRITE URGENT\n"
                 "+0 get AT_MARK -> 0\n");
    tcp_play_end(&p);
}

/* With a closed window of ours an urgent pointer is news all the same, and so is a RST (MUST-66).
 */
TEST(a_closed_window_hears_urg_and_rst)
{
    BEGIN(tcp_play_begin);
    p.host.env.opts.rcvbuf = 2048;
    tcp_play(&p, "+0 < S 0:0(0) win 1000 <mss 1460,sackOK>\n"
                 "+0 > S. 0:0(0) ack 1 win 2048\n"
                 "+0 < . 1:1(0) ack 1 win 1000\n"
                 "+0 < . 1:2049(2048) ack 1 win 1000\n"
                 "+0 > . 1:1(0) ack 2049 win 0\n"
                 "+0 ready READ WRITE\n");
    assert_int_equal(p.c.events & NARU_READY_URGENT, 0);
    tcp_play(&p, "+0 < U. 2049:2049(0) ack 1 win 1000 urg 4\n");
    assert_int_not_equal(p.c.events & NARU_READY_URGENT, 0);
    tcp_play(&p, "+0 < R. 2049:2049(0) ack 1\n"
                 "+0 = CLOSED\n");
    tcp_play_end(&p);
}

/* A RST may say why in its data; it counts like any other (SHLD-2). */
TEST(a_reset_may_carry_data)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 < R. 1:21(20) ack 1\n"
                 "+0 = CLOSED\n"
                 "+0 read 10 -> CONNRESET\n");
    tcp_play_end(&p);
}

/* A quarter of the numbers is more than 16 bits hold: windows are counted in 32 (REC-1). */
TEST(windows_have_32_bits)
{
    BEGIN(tcp_play_begin);
    tcp_play(&p, "+0 < S 0:0(0) win 65535 <mss 1460,nop,wscale 14>\n"
                 "+0 > S. 0:0(0) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 65535\n"
                 "+0 info snd_wnd -> 1073725440\n"
                 "+0 write 1000\n"
                 "+0 > P. 1:1001(1000) ack 1\n");
    tcp_play_end(&p);
}

/* Whatever comes, MSS is said in SYNs and nowhere else (MUST-65), there always (SHLD-5, MAY-3). */
TEST(mss_is_said_in_syns_only)
{
    BEGIN(tcp_play_begin);
    tcp_play(&p, "+0 < S 0:0(0) win 65535\n"
                 "+0 > S. 0:0(0) ack 1 <mss 1460>\n"
                 "+0 < P. 1:11(10) ack 1 win 65535 <mss 100>\n"
                 "+0 > . 1:1(0) ack 11 <nop>\n"
                 "+0 info snd_mss -> 536\n"
                 "+0 write 10\n"
                 "+0 > P. 1:11(10) ack 11 <nop>\n"
                 "+0 read 10\n"
                 "+0 close\n"
                 "+0 > F. 11:11(0) ack 11 <nop>\n");
    tcp_play_end(&p);
}

/* Between SYN and SYN, ACK the user may not send; a refusal ends his waiting
 * (C-queue-send-recv-in-syn-sent). */
TEST(waiting_for_the_handshake_ends_with_it)
{
    BEGIN(tcp_play_begin);
    tcp_play(&p, "+0 connect\n"
                 "+0 > S 0:0(0)\n"
                 "+0 write 10 -> AGAIN\n"
                 "+0 read 10 -> AGAIN\n"
                 "+0 ready\n"
                 "+0 < S. 0:0(0) ack 1 win 65535 <mss 1460>\n"
                 "+0 > . 1:1(0) ack 1\n"
                 "+0 ready WRITE\n"
                 "+0 write 10\n"
                 "+0 > P. 1:11(10) ack 1\n");
    tcp_play_end(&p);
}

/* The same, refused. */
TEST(waiting_for_the_handshake_ends_with_its_refusal)
{
    BEGIN(tcp_play_begin);
    tcp_play(&p, "+0 connect\n"
                 "+0 > S 0:0(0)\n"
                 "+0 read 10 -> AGAIN\n"
                 "+0 < R. 0:0(0) ack 1\n"
                 "+0 read 10 -> CONNREFUSED\n"
                 "+0 write 10 -> PIPE\n");
    tcp_play_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_syn_is_tried_for_three_minutes),
        cmocka_unit_test(nobody_is_given_up_early),
        cmocka_unit_test(keepalive_is_off_at_first),
        cmocka_unit_test(keepalive_begins_after_two_hours),
        cmocka_unit_test(keepalive_waits_for_what_is_outstanding),
        cmocka_unit_test(urgent_data_of_any_length),
        cmocka_unit_test(urgent_pointer_moves_on),
        cmocka_unit_test(a_closed_window_hears_urg_and_rst),
        cmocka_unit_test(a_reset_may_carry_data),
        cmocka_unit_test(windows_have_32_bits),
        cmocka_unit_test(mss_is_said_in_syns_only),
        cmocka_unit_test(waiting_for_the_handshake_ends_with_it),
        cmocka_unit_test(waiting_for_the_handshake_ends_with_its_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
