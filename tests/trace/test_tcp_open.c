/* How connections begin: RFC 9293 3.5, 3.10.7.2 to 3.10.7.4, RFC 5961, RFC 5927. */
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

TEST(active_open)
{
    BEGIN(tcp_play_connect);
    tcp_play(&p, "+0 ready WRITE\n"
                 "+0 info cwnd -> 10\n");
    tcp_play_end(&p);
}

TEST(passive_open)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 ready WRITE\n");
    tcp_play_end(&p);
}

/* MSS is said and heard, and the timestamp's bytes come off it (MUST-14, MUST-16, H-3.3.3-1,
 * C-tcp-info). */
TEST(options_of_a_syn)
{
    BEGIN(tcp_play_begin);
    p.host.config.tcp_timestamps = true;
    tcp_play(
        &p, "+0 connect\n"
            "+0 > S 0:0(0) win 65535 <mss 1460,sackOK,TS val 1000000 ecr 0,nop,wscale 8>\n"
            "+100 < S. 0:0(0) ack 1 win 65535 <mss 1400,sackOK,TS val 7 ecr 1000000,nop,wscale 7>\n"
            "+0 > . 1:1(0) ack 1 win 256 <nop,nop,TS val 1000100 ecr 7>\n"
            "+0 info snd_mss -> 1388\n"
            "+0 info snd_wnd -> 65535\n" /* of a SYN: never scaled */
            "+0 info rtt_ms -> 100\n"
            "+0 info rto_ms -> 300\n");
    tcp_play_end(&p);
}

/* MSS is sent in each SYN unless equal to 536 (v4) / 1220 (v6); MSS may always be sent (SHLD-5,
 * MAY-3). */
TEST(options_only_offered_back)
{
    BEGIN(tcp_play_begin);
    p.host.config.tcp_timestamps = true;
    tcp_play(&p, "+0 < S 0:0(0) win 1000 <mss 1460>\n"
                 "+0 > S. 0:0(0) ack 1 win 65535 <mss 1460>\n"
                 "+0 < . 1:1(0) ack 1 win 1000\n"
                 "+0 info snd_wnd -> 1000\n");
    tcp_play_end(&p);
}

/* Without an MSS option of the peer its MSS is 536, and 1220 by IPv6 (MUST-15). */
TEST(no_mss_option_means_536)
{
    BEGIN(tcp_play_begin);
    tcp_play(&p, "+0 < S 0:0(0) win 65535\n"
                 "+0 > S. 0:0(0) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 65535\n"
                 "+0 info snd_mss -> 536\n");
    tcp_play_end(&p);
}

/* A SYN backs off and is given up like data, and the user is told (MUST-22). */
TEST(syn_is_sent_again)
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
                 "+119999 = SYN-SENT\n"
                 "+1 = CLOSED\n"
                 "+0 error TIMEDOUT\n");
    tcp_play_end(&p);
}

TEST(syn_count_option)
{
    BEGIN(tcp_play_begin);
    tcp_play(&p, "+0 connect\n"
                 "+0 > S 0:0(0)\n"
                 "+0 set SYNCNT 1\n"
                 "+1000 > S 0:0(0)\n"
                 "+2000 = CLOSED\n"
                 "+0 ready READ WRITE END HANGUP ERROR\n"
                 "+0 write 1 -> TIMEDOUT\n"
                 "+0 write 1 -> PIPE\n");
    tcp_play_end(&p);
}

TEST(refused)
{
    BEGIN(tcp_play_begin);
    tcp_play(&p, "+0 connect\n"
                 "+0 > S 0:0(0)\n"
                 "+0 < R. 0:0(0) ack 1\n"
                 "+0 = CLOSED\n"
                 "+0 error CONNREFUSED\n"
                 "+0 error OK\n");
    tcp_play_end(&p);
}

TEST(syn_sent_ignores_a_reset_that_acknowledges_nothing)
{
    BEGIN(tcp_play_begin);
    tcp_play(&p, "+0 connect\n"
                 "+0 > S 0:0(0)\n"
                 "+0 < R 0:0(0)\n"
                 "+0 ! tcp-rst-ignored\n"
                 "+0 < R. 0:0(0) ack 2\n"
                 "+0 = SYN-SENT\n");
    tcp_play_end(&p);
}

TEST(syn_sent_resets_a_wrong_ack)
{
    BEGIN(tcp_play_begin);
    tcp_play(&p, "+0 connect\n"
                 "+0 > S 0:0(0)\n"
                 "+0 < S. 0:0(0) ack 2 win 65535\n"
                 "+0 > R 2:2(0)\n"
                 "+0 < . 0:0(0) ack 0 win 65535\n"
                 "+0 > R 0:0(0)\n"
                 "+0 = SYN-SENT\n"
                 "+0 < . 5:5(0) ack 1 win 65535\n" /* nothing to be made of it */
                 "+0 ! tcp-flags\n"
                 "+0 = SYN-SENT\n");
    tcp_play_end(&p);
}

/* Crossing SYNs make one connection (MUST-10). */
TEST(simultaneous_open)
{
    BEGIN(tcp_play_begin);
    tcp_play(&p, "+0 connect\n"
                 "+0 > S 0:0(0)\n"
                 "+0 < S 0:0(0) win 65535 <mss 1460,sackOK>\n"
                 "+0 > S. 0:0(0) ack 1\n"
                 "+0 = SYN-RECEIVED\n"
                 "+0 < S. 0:0(0) ack 1 win 65535 <mss 1460,sackOK>\n"
                 "+0 = ESTABLISHED\n");
    tcp_play_end(&p);
}

/* What was an active open is told of a refusal (MUST-11, C-synsent-reset). */
TEST(simultaneous_open_refused)
{
    BEGIN(tcp_play_begin);
    tcp_play(&p, "+0 connect\n"
                 "+0 > S 0:0(0)\n"
                 "+0 < S 0:0(0) win 65535 <mss 1460,sackOK>\n"
                 "+0 > S. 0:0(0) ack 1\n"
                 "+0 < R 1:1(0)\n"
                 "+0 = CLOSED\n"
                 "+0 error CONNREFUSED\n");
    tcp_play_end(&p);
}

/* In SYN-RECEIVED only an ACK of ISS+1 completes; ISS and ISS+2 get RST; SYN-RECEIVED with SYN
 * cookies and without (C-acceptable-ack-syn-rcvd, C-syn-cookie). */
TEST(syn_received_wants_the_exact_ack)
{
    BEGIN(tcp_play_begin);
    tcp_play(&p, "+0 < S 0:0(0) win 65535 <mss 1460,sackOK>\n"
                 "+0 > S. 0:0(0) ack 1\n"
                 "+0 < . 1:1(0) ack 0 win 65535\n"
                 "+0 > R 0:0(0)\n"
                 "+0 ! tcp-syn-received-bad-ack\n"
                 "+0 < . 1:1(0) ack 2 win 65535\n"
                 "+0 > R 2:2(0)\n"
                 "+0 = SYN-RECEIVED\n"
                 "+0 < . 1:1(0) ack 1 win 65535\n"
                 "+0 = ESTABLISHED\n");
    tcp_play_end(&p);
}

TEST(syn_received_says_it_again)
{
    BEGIN(tcp_play_begin);
    tcp_play(&p, "+0 < S 0:0(0) win 65535 <mss 1460,sackOK>\n"
                 "+0 > S. 0:0(0) ack 1\n"
                 "+500 < S 0:0(0) win 65535 <mss 1460,sackOK>\n"
                 "+0 > S. 0:0(0) ack 1\n"
                 "+500 > S. 0:0(0) ack 1\n"
                 "+2000 > S. 0:0(0) ack 1\n"
                 "+4000 > S. 0:0(0) ack 1\n"
                 "+8000 > S. 0:0(0) ack 1\n"
                 "+16000 > S. 0:0(0) ack 1\n"
                 "+32000 = CLOSED\n");
    tcp_play_end(&p);
}

/* Karn: which of two SYN, ACKs was answered cannot be told. */
TEST(no_round_trip_of_a_repeated_syn)
{
    BEGIN(tcp_play_begin);
    tcp_play(&p, "+0 < S 0:0(0) win 65535 <mss 1460,sackOK>\n"
                 "+0 > S. 0:0(0) ack 1\n"
                 "+500 < S 0:0(0) win 65535 <mss 1460,sackOK>\n"
                 "+0 > S. 0:0(0) ack 1\n"
                 "+100 < . 1:1(0) ack 1 win 65535\n"
                 "+0 info rtt_ms -> 0\n"
                 "+0 info rto_ms -> 1000\n"
                 "+0 info total_retrans -> 1\n");
    tcp_play_end(&p);
}

/* What came from a listener goes without a word (MUST-11, C-synrcvd-reset). */
TEST(syn_received_reset)
{
    BEGIN(tcp_play_begin);
    tcp_play(&p, "+0 < S 0:0(0) win 65535 <mss 1460,sackOK>\n"
                 "+0 > S. 0:0(0) ack 1\n"
                 "+0 < R 2:2(0)\n" /* in the window, not exact: challenge (RFC 5961) */
                 "+0 > . 1:1(0) ack 1\n"
                 "+0 = SYN-RECEIVED\n"
                 "+0 < R 1:1(0)\n"
                 "+0 = CLOSED\n");
    tcp_play_end(&p);
}

TEST(handshake_with_data_and_fin)
{
    BEGIN(tcp_play_begin);
    tcp_play(&p, "+0 < S 0:0(0) win 65535 <mss 1460,sackOK>\n"
                 "+0 > S. 0:0(0) ack 1\n"
                 "+0 < FP. 1:101(100) ack 1 win 65535\n"
                 "+0 = CLOSE-WAIT\n"
                 "+40 > . 1:1(0) ack 102\n"
                 "+0 read 500 -> 100\n"
                 "+0 read 500 -> 0\n");
    tcp_play_end(&p);
}

TEST(deferred_answer)
{
    BEGIN(tcp_play_begin);
    p.defer = true;
    tcp_play(&p, "+0 < S 0:0(0) win 65535 <mss 1460,sackOK>\n"
                 "+0 = SYN-RECEIVED\n"
                 "+1000 < S 0:0(0) win 65535 <mss 1460,sackOK>\n"
                 "+2000 answer\n"
                 "+0 > S. 0:0(0) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 65535\n"
                 "+0 = ESTABLISHED\n");
    tcp_play_end(&p);
}

TEST(deferred_refusal)
{
    BEGIN(tcp_play_begin);
    p.defer = true;
    tcp_play(&p, "+0 < S 0:0(0) win 65535 <mss 1460,sackOK>\n"
                 "+0 abort\n"
                 "+0 > R. 0:0(0) ack 1 win 0\n"
                 "+0 = CLOSED\n");
    tcp_play_end(&p);
}

/* Windows of zero, and with the highest bit, in the handshake (C-handshake-window-size). */
TEST(zero_and_huge_windows_of_the_handshake)
{
    BEGIN(tcp_play_begin);
    tcp_play(&p, "+0 < S 0:0(0) win 0 <mss 1460,sackOK>\n"
                 "+0 > S. 0:0(0) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 65535\n"
                 "+0 write 1000\n"
                 "+0 > P. 1:1001(1000) ack 1\n");
    tcp_play_end(&p);
}

TEST(icmp_ends_an_opening)
{
    BEGIN(tcp_play_begin);
    tcp_play(&p, "+0 connect\n"
                 "+0 > S 0:0(0)\n"
                 "+0 icmp HOSTUNREACH 5\n" /* not our number: RFC 5927 */
                 "+0 ! icmp-stale\n"
                 "+0 = SYN-SENT\n"
                 "+0 icmp HOSTUNREACH 0\n"
                 "+0 = CLOSED\n"
                 "+0 error HOSTUNREACH\n");
    tcp_play_end(&p);
}

TEST(calls_before_the_handshake_is_done)
{
    BEGIN(tcp_play_begin);
    tcp_play(&p, "+0 connect\n"
                 "+0 > S 0:0(0)\n"
                 "+0 write 10 -> AGAIN\n"
                 "+0 read 10 -> AGAIN\n"
                 "+0 shutdown wr -> NOTCONN\n"
                 "+0 ready\n"
                 "+0 close\n"
                 "+0 = CLOSED\n");
    tcp_play_end(&p);
}

TEST(closed_before_established)
{
    BEGIN(tcp_play_begin);
    tcp_play(&p, "+0 < S 0:0(0) win 65535 <mss 1460,sackOK>\n"
                 "+0 > S. 0:0(0) ack 1\n"
                 "+0 close\n"
                 "+0 = SYN-RECEIVED\n"
                 "+0 < . 1:1(0) ack 1 win 65535\n"
                 "+0 > F. 1:1(0) ack 1\n"
                 "+0 = FIN-WAIT-1\n");
    tcp_play_end(&p);
}

TEST(syn_in_an_open_connection_is_challenged)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 < S 1000:1000(0) win 65535 <mss 1460>\n"
                 "+0 > . 1:1(0) ack 1\n"
                 "+0 ! tcp-syn-challenge\n"
                 "+10 < S 90000:90000(0) win 65535 <mss 1460>\n" /* rate-limited */
                 "+0 = ESTABLISHED\n"
                 "+500 < S 90000:90000(0) win 65535 <mss 1460>\n"
                 "+0 > . 1:1(0) ack 1\n");
    tcp_play_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(active_open),
        cmocka_unit_test(passive_open),
        cmocka_unit_test(options_of_a_syn),
        cmocka_unit_test(options_only_offered_back),
        cmocka_unit_test(no_mss_option_means_536),
        cmocka_unit_test(syn_is_sent_again),
        cmocka_unit_test(syn_count_option),
        cmocka_unit_test(refused),
        cmocka_unit_test(syn_sent_ignores_a_reset_that_acknowledges_nothing),
        cmocka_unit_test(syn_sent_resets_a_wrong_ack),
        cmocka_unit_test(simultaneous_open),
        cmocka_unit_test(simultaneous_open_refused),
        cmocka_unit_test(syn_received_wants_the_exact_ack),
        cmocka_unit_test(syn_received_says_it_again),
        cmocka_unit_test(no_round_trip_of_a_repeated_syn),
        cmocka_unit_test(syn_received_reset),
        cmocka_unit_test(handshake_with_data_and_fin),
        cmocka_unit_test(deferred_answer),
        cmocka_unit_test(deferred_refusal),
        cmocka_unit_test(zero_and_huge_windows_of_the_handshake),
        cmocka_unit_test(icmp_ends_an_opening),
        cmocka_unit_test(calls_before_the_handshake_is_done),
        cmocka_unit_test(closed_before_established),
        cmocka_unit_test(syn_in_an_open_connection_is_challenged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
