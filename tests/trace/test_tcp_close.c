/* How connections end: RFC 9293 3.6, 3.10.4, 3.10.5, 3.10.7.4; RFC 1122 4.2.2.13; RFC 2525 2.17. */
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

TEST(we_close_first)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 close\n"
                 "+0 > F. 1:1(0) ack 1\n"
                 "+0 = FIN-WAIT-1\n"
                 "+0 < . 1:1(0) ack 2 win 65535\n"
                 "+0 = FIN-WAIT-2\n"
                 "+0 < F. 1:1(0) ack 2 win 65535\n"
                 "+0 > . 2:2(0) ack 2\n"
                 "+0 = TIME-WAIT\n"
                 "+60000 = CLOSED\n");
    tcp_play_end(&p);
}

TEST(we_close_first_and_both_come_at_once)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 close\n"
                 "+0 > F. 1:1(0) ack 1\n"
                 "+0 < F. 1:1(0) ack 2 win 65535\n"
                 "+0 > . 2:2(0) ack 2\n"
                 "+0 = TIME-WAIT\n");
    tcp_play_end(&p);
}

/* A normal end reads as an end (MUST-12). */
TEST(peer_closes_first)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 < F. 1:1(0) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 2\n"
                 "+0 = CLOSE-WAIT\n"
                 "+0 ready READ WRITE END\n"
                 "+0 read 10 -> 0\n"
                 "+40 < F. 1:1(0) ack 1 win 65535 # our ACK was lost\n"
                 "+0 > . 1:1(0) ack 2\n"
                 "+0 write 10\n"
                 "+0 > P. 1:11(10) ack 2\n"
                 "+0 < . 2:2(0) ack 11 win 65535\n"
                 "+0 close\n"
                 "+0 = LAST-ACK\n"
                 "+0 > F. 11:11(0) ack 2\n"
                 "+0 < . 2:2(0) ack 12 win 65535\n"
                 "+0 = CLOSED\n");
    tcp_play_end(&p);
}

TEST(simultaneous_close)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 close\n"
                 "+0 > F. 1:1(0) ack 1\n"
                 "+0 < F. 1:1(0) ack 1 win 65535\n"
                 "+0 > . 2:2(0) ack 2\n"
                 "+0 = CLOSING\n"
                 "+0 < . 2:2(0) ack 2 win 65535\n"
                 "+0 = TIME-WAIT\n");
    tcp_play_end(&p);
}

/* FIN is sent again in CLOSING (C-fin-retransmission). */
TEST(fin_is_sent_again_in_every_state)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 close\n"
                 "+0 > F. 1:1(0) ack 1\n"
                 "+200 > F. 1:1(0) ack 1\n"
                 "+0 < F. 1:1(0) ack 1 win 65535\n"
                 "+0 > . 2:2(0) ack 2\n"
                 "+0 = CLOSING\n"
                 "+200 > F. 1:1(0) ack 2 # the first was a probe of the tail\n"
                 "+400 > F. 1:1(0) ack 2\n"
                 "+800 > F. 1:1(0) ack 2\n"
                 "+0 < . 2:2(0) ack 2 win 65535\n"
                 "+0 = TIME-WAIT\n");
    tcp_play_end(&p);
}

TEST(half_close)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 hold\n"
                 "+0 write 100\n"
                 "+0 shutdown wr\n"
                 "+0 go\n"
                 "+0 > FP. 1:101(100) ack 1\n"
                 "+0 = FIN-WAIT-1\n"
                 "+0 write 1 -> PIPE\n"
                 "+0 ready WRITE\n"
                 "+0 < . 1:1(0) ack 102 win 65535\n"
                 "+0 = FIN-WAIT-2\n"
                 "+120000 < P. 1:501(500) ack 102 win 65535 # no timeout while somebody holds it\n"
                 "+0 > . 102:102(0) ack 501\n"
                 "+0 read 1000 -> 500\n"
                 "+0 < F. 501:501(0) ack 102 win 65535\n"
                 "+0 > . 102:102(0) ack 502\n"
                 "+0 = TIME-WAIT\n"
                 "+0 read 1000 -> 0\n");
    tcp_play_end(&p);
}

/* A socket closed in FIN-WAIT-2 ends after LINGER2, and a later segment gets RST; one that is held
 * does not end (C-fin-wait2-timeout). */
TEST(fin_wait_2_of_an_orphan_ends)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 close\n"
                 "+0 > F. 1:1(0) ack 1\n"
                 "+0 < . 1:1(0) ack 2 win 65535\n"
                 "+0 = FIN-WAIT-2\n"
                 "+59999 = FIN-WAIT-2\n"
                 "+1 = CLOSED\n"
                 "+0 < . 1:1(0) ack 2 win 65535\n"
                 "+0 > R 2:2(0)\n");
    tcp_play_end(&p);
}

/* A socket closed in FIN-WAIT-2 ends after LINGER2, and a later segment gets RST; one that is held
 * does not end (C-fin-wait2-timeout). */
TEST(linger2)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 set LINGER2 3000\n"
                 "+0 close\n"
                 "+0 > F. 1:1(0) ack 1\n"
                 "+0 < . 1:1(0) ack 2 win 65535\n"
                 "+3000 = CLOSED\n");
    tcp_play_end(&p);
}

TEST(linger2_of_none)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 set LINGER2 -1\n"
                 "+0 close\n"
                 "+0 > F. 1:1(0) ack 1\n"
                 "+0 < . 1:1(0) ack 2 win 65535\n"
                 "+0 = CLOSED\n");
    tcp_play_end(&p);
}

TEST(shutdown_then_close_starts_the_clock)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 shutdown wr\n"
                 "+0 > F. 1:1(0) ack 1\n"
                 "+0 < . 1:1(0) ack 2 win 65535\n"
                 "+100000 close\n"
                 "+59999 = FIN-WAIT-2\n"
                 "+1 = CLOSED\n");
    tcp_play_end(&p);
}

/* Close with unread data, or data arriving after close, answers RST (SHLD-3). */
TEST(close_with_unread_data_resets)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 < P. 1:101(100) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 101\n"
                 "+0 close\n"
                 "+0 > R. 1:1(0) ack 101\n"
                 "+0 = CLOSED\n");
    tcp_play_end(&p);
}

TEST(close_with_data_to_send_does_not_wait)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 hold\n"
                 "+0 write 3000\n"
                 "+0 close\n"
                 "+0 go\n"
                 "+0 = FIN-WAIT-1\n"
                 "+0 > . 1:1461(1460) ack 1\n"
                 "+0 > . 1461:2921(1460) ack 1\n"
                 "+0 > FP. 2921:3001(80) ack 1\n"
                 "+0 < . 1:1(0) ack 3002 win 65535\n"
                 "+0 = FIN-WAIT-2\n");
    tcp_play_end(&p);
}

/* LINGER off, zero and longer; with data to send; on sockets not connected (C-so-linger). */
TEST(linger_zero_resets)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 set LINGER 0\n"
                 "+0 write 10\n"
                 "+0 > P. 1:11(10) ack 1\n"
                 "+0 close\n"
                 "+0 > R. 11:11(0) ack 1 win 0\n"
                 "+0 = CLOSED\n");
    tcp_play_end(&p);
}

TEST(aborted)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 abort\n"
                 "+0 > R. 1:1(0) ack 1\n"
                 "+0 = CLOSED\n"
                 "+0 < P. 1:101(100) ack 1 win 65535\n"
                 "+0 > R 1:1(0)\n");
    tcp_play_end(&p);
}

/* Close with unread data, or data arriving after close, answers RST; close() may also end reading
 * (half-duplex close; SHLD-3, MAY-1). */
TEST(data_after_close_is_answered_with_a_reset)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 close\n"
                 "+0 > F. 1:1(0) ack 1\n"
                 "+0 < P. 1:101(100) ack 2 win 65535\n"
                 "+0 > R 2:2(0)\n"
                 "+0 ! tcp-data-after-close\n"
                 "+0 = CLOSED\n");
    tcp_play_end(&p);
}

TEST(data_after_shutdown_of_reading_is_kept)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 shutdown rd\n"
                 "+0 < P. 1:101(100) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 101\n"
                 "+0 read 10 -> 10\n"
                 "+0 = ESTABLISHED\n");
    tcp_play_end(&p);
}

/* An abort reads as an error (MUST-12). */
TEST(reset_in_established)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 < R 1:1(0)\n"
                 "+0 = CLOSED\n"
                 "+0 ready READ WRITE END HANGUP ERROR\n"
                 "+0 read 10 -> CONNRESET\n"
                 "+0 read 10 -> 0\n"
                 "+0 write 10 -> PIPE\n");
    tcp_play_end(&p);
}

TEST(data_before_a_reset_can_be_read)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 < P. 1:101(100) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 101\n"
                 "+0 < R. 101:101(0) ack 1\n"
                 "+0 read 1000 -> 100\n"
                 "+0 read 1000 -> CONNRESET\n");
    tcp_play_end(&p);
}

TEST(reset_in_close_wait_is_a_broken_pipe)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 < F. 1:1(0) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 2\n"
                 "+0 < R 2:2(0)\n"
                 "+0 error PIPE\n");
    tcp_play_end(&p);
}

TEST(blind_resets)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 < R 100:100(0)\n"
                 "+0 > . 1:1(0) ack 1\n"
                 "+0 ! tcp-rst-inexact\n"
                 "+0 < R 70000:70000(0)\n"
                 "+0 ! tcp-rst-ignored\n"
                 "+0 < R 0:0(0)\n"
                 "+0 ! tcp-rst-ignored\n"
                 "+0 = ESTABLISHED\n");
    tcp_play_end(&p);
}

TEST(fin_out_of_order)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 < F. 101:101(0) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 1\n"
                 "+0 = ESTABLISHED\n"
                 "+0 < P. 1:101(100) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 102\n"
                 "+0 = CLOSE-WAIT\n");
    tcp_play_end(&p);
}

TEST(fin_with_data_out_of_order)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 < FP. 101:201(100) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 1 <nop,nop,sack 101:201>\n"
                 "+0 < P. 1:101(100) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 202\n"
                 "+0 = CLOSE-WAIT\n"
                 "+0 read 1000 -> 200\n"
                 "+0 read 1000 -> 0\n");
    tcp_play_end(&p);
}

TEST(data_beyond_fin_is_not_read)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 < F. 1:1(0) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 2\n"
                 "+0 < P. 2:102(100) ack 1 win 65535\n"
                 "+0 ! tcp-data-after-close\n"
                 "+0 read 10 -> 0\n");
    tcp_play_end(&p);
}

/* 2 MSL, to the millisecond (MUST-13). */
TEST(time_wait_answers_fin_and_starts_again)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 close\n"
                 "+0 > F. 1:1(0) ack 1\n"
                 "+0 < F. 1:1(0) ack 2 win 65535\n"
                 "+0 > . 2:2(0) ack 2\n"
                 "+0 = TIME-WAIT\n"
                 "+30000 < F. 1:1(0) ack 2 win 65535\n"
                 "+0 > . 2:2(0) ack 2\n"
                 "+59999 = TIME-WAIT\n"
                 "+1 = CLOSED\n");
    tcp_play_end(&p);
}

/* An exact RST ends TIME-WAIT (C-timewait-reset). */
TEST(time_wait_ends_with_an_exact_reset)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 close\n"
                 "+0 > F. 1:1(0) ack 1\n"
                 "+0 < F. 1:1(0) ack 2 win 65535\n"
                 "+0 > . 2:2(0) ack 2\n"
                 "+0 < R 1:1(0)\n"
                 "+0 = TIME-WAIT\n"
                 "+0 < R 2:2(0)\n"
                 "+0 = CLOSED\n");
    tcp_play_end(&p);
}

TEST(fin_gives_up_for_an_orphan)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 close\n"
                 "+0 > F. 1:1(0) ack 1\n"
                 "+200 > F. 1:1(0) ack 1 # a probe of the tail\n"
                 "+200 > F. 1:1(0) ack 1\n"
                 "+400 > F. 1:1(0) ack 1\n"
                 "+800 > F. 1:1(0) ack 1\n"
                 "+1600 > F. 1:1(0) ack 1\n"
                 "+3200 > F. 1:1(0) ack 1\n"
                 "+6400 > F. 1:1(0) ack 1\n"
                 "+12800 > F. 1:1(0) ack 1\n"
                 "+25600 > F. 1:1(0) ack 1\n"
                 "+51200 = CLOSED\n");
    tcp_play_end(&p);
}

/* FIN behind a closed window: close leaves ESTABLISHED at once, and ends in time
 * (B-fin-closed-window). */
TEST(fin_behind_a_closed_window_is_probed_and_ends)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 < . 1:1(0) ack 1 win 0\n"
                 "+0 close\n"
                 "+0 = FIN-WAIT-1\n"
                 "+200 > . 0:0(0) ack 1\n"
                 "+400 > . 0:0(0) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 1000\n"
                 "+0 > F. 1:1(0) ack 1\n");
    tcp_play_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(we_close_first),
        cmocka_unit_test(we_close_first_and_both_come_at_once),
        cmocka_unit_test(peer_closes_first),
        cmocka_unit_test(simultaneous_close),
        cmocka_unit_test(fin_is_sent_again_in_every_state),
        cmocka_unit_test(half_close),
        cmocka_unit_test(fin_wait_2_of_an_orphan_ends),
        cmocka_unit_test(linger2),
        cmocka_unit_test(linger2_of_none),
        cmocka_unit_test(shutdown_then_close_starts_the_clock),
        cmocka_unit_test(close_with_unread_data_resets),
        cmocka_unit_test(close_with_data_to_send_does_not_wait),
        cmocka_unit_test(linger_zero_resets),
        cmocka_unit_test(aborted),
        cmocka_unit_test(data_after_close_is_answered_with_a_reset),
        cmocka_unit_test(data_after_shutdown_of_reading_is_kept),
        cmocka_unit_test(reset_in_established),
        cmocka_unit_test(data_before_a_reset_can_be_read),
        cmocka_unit_test(reset_in_close_wait_is_a_broken_pipe),
        cmocka_unit_test(blind_resets),
        cmocka_unit_test(fin_out_of_order),
        cmocka_unit_test(fin_with_data_out_of_order),
        cmocka_unit_test(data_beyond_fin_is_not_read),
        cmocka_unit_test(time_wait_answers_fin_and_starts_again),
        cmocka_unit_test(time_wait_ends_with_an_exact_reset),
        cmocka_unit_test(fin_gives_up_for_an_orphan),
        cmocka_unit_test(fin_behind_a_closed_window_is_probed_and_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
