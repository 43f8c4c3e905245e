/* The user timeout in both directions, and its option: RFC 9293 3.8.3, RFC 5482. */
#include "lib/tcp_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state)
#define BEGIN(how)     \
    struct tcp_play p; \
    (void)state;       \
    how(&p)

/* ---- R2 ---- */

/* A user timeout that is longer than the stack's retransmissions lengthens R2 (MUST-21). */
TEST(longer_than_the_retransmissions)
{
    BEGIN(tcp_play_accept);
    p.host.config.tcp_retries = 2;
    tcp_play(&p, "+0 set USER_TIMEOUT 3000\n"
                 "+0 write 1000\n"
                 "+0 > P. 1:1001(1000) ack 1\n"
                 "+200 > P. 1:1001(1000) ack 1\n"
                 "+200 > P. 1:1001(1000) ack 1\n"
                 "+400 > P. 1:1001(1000) ack 1\n"
                 "+800 > P. 1:1001(1000) ack 1\n"
                 "+1599 = ESTABLISHED\n"
                 "+2 = CLOSED\n"
                 "+0 error TIMEDOUT\n");
    tcp_play_end(&p);
}

/* The same where nobody has asked: the number counts. */
TEST(without_one_retransmissions_are_counted)
{
    BEGIN(tcp_play_accept);
    p.host.config.tcp_retries = 2;
    tcp_play(&p, "+0 write 1000\n"
                 "+0 > P. 1:1001(1000) ack 1\n"
                 "+200 > P. 1:1001(1000) ack 1\n"
                 "+200 > P. 1:1001(1000) ack 1\n"
                 "+400 > P. 1:1001(1000) ack 1\n"
                 "+801 = CLOSED\n"
                 "+0 error TIMEDOUT\n");
    tcp_play_end(&p);
}

/* Time passes, and what p sends is not compared. */
static void pass(struct tcp_play *p, naru_time span)
{
    for (naru_time end = p->now + span; p->now < end && p->c.state != NARU_TCP_CLOSED;) {
        struct naru_tcp_segment segment;
        while (naru_tcp_output(&p->c, &p->room, &segment, p->now)) {
        }
        p->now = NARU_MIN(end, NARU_MAX(naru_tcp_deadline(&p->c), p->now));
        naru_tcp_tick(&p->c, p->now);
        naru_tcp_check(&p->c);
    }
}

/* For ever: a day without an answer, and then it goes on (MUST-21). */
TEST(for_ever)
{
    BEGIN(tcp_play_accept);
    p.host.config.tcp_retries = 2;
    tcp_play(&p, "+0 set USER_TIMEOUT -1\n"
                 "+0 get USER_TIMEOUT -> -1\n"
                 "+0 set USER_TIMEOUT -2 -> INVAL\n"
                 "+0 write 1000\n"
                 "+0 > P. 1:1001(1000) ack 1\n");
    pass(&p, NARU_SEC(86400));
    tcp_play(&p, "+0 = ESTABLISHED\n"
                 "+0 < . 1:1(0) ack 1001 win 65535\n"
                 "+0 get UNSENT -> 0\n");
    tcp_play_end(&p);
}

/* Probes of a closed window are no different (MUST-21). */
TEST(for_ever_at_a_closed_window)
{
    BEGIN(tcp_play_accept);
    p.host.config.tcp_retries = 2;
    tcp_play(&p, "+0 set USER_TIMEOUT -1\n"
                 "+0 < . 1:1(0) ack 1 win 0\n"
                 "+0 write 1000\n");
    pass(&p, NARU_SEC(86400));
    tcp_play(&p, "+0 = ESTABLISHED\n"
                 "+0 < . 1:1(0) ack 1 win 65535\n"
                 "+0 > P. 1:1001(1000) ack 1\n"
                 "+0 < . 1:1(0) ack 1001 win 65535\n");
    tcp_play_end(&p);
}

/* Keep-alive asks, and asks again. */
TEST(for_ever_with_keepalive)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 set KEEPIDLE 10000\n"
                 "+0 set KEEPINTVL 1000\n"
                 "+0 set KEEPCNT 2\n"
                 "+0 set KEEPALIVE 1\n"
                 "+0 set USER_TIMEOUT -1\n");
    pass(&p, NARU_SEC(1000) + NARU_MS(1));
    tcp_play(&p, "+0 = ESTABLISHED\n");
    tcp_play_end(&p);
}

/* A connection that nobody holds ends all the same. */
TEST(not_for_ever_without_a_holder)
{
    BEGIN(tcp_play_accept);
    p.host.config.tcp_retries = 3;
    tcp_play(&p, "+0 set USER_TIMEOUT -1\n"
                 "+0 write 1000\n"
                 "+0 > P. 1:1001(1000) ack 1\n"
                 "+0 close\n"
                 "+0 > F. 1001:1001(0) ack 1\n");
    pass(&p, NARU_SEC(60));
    tcp_play(&p, "+0 = CLOSED\n");
    tcp_play_end(&p);
}

/* ---- The option ---- */

/* Off, unless asked for: what the peer says is not heard, and nothing is said (RFC 5482 3). */
TEST(option_is_off)
{
    BEGIN(tcp_play_begin);
    tcp_play(&p, "+0 < S 0:0(0) win 65535 <mss 1460,sackOK,uto 300>\n"
                 "+0 > S. 0:0(0) ack 1 <mss 1460,sackOK>\n"
                 "+0 < . 1:1(0) ack 1 win 65535 <uto 300>\n"
                 "+0 write 100\n"
                 "+0 > P. 1:101(100) ack 1 <>\n"
                 "+0 < . 1:1(0) ack 101 win 65535\n");
    tcp_play_end(&p);
}

static void open_with_option(struct tcp_play *p)
{
    tcp_play_begin(p);
    p->host.env.opts.uto_ms = 200000;
    p->host.config.tcp_retries = 2;
}

/* With the SYN, and with the first segment behind it; once (RFC 5482 3.1). */
TEST(option_goes_with_syn_and_with_the_first_segment)
{
    BEGIN(open_with_option);
    tcp_play(&p, "+0 connect\n"
                 "+0 > S 0:0(0) <mss 1460,sackOK,nop,wscale 8,uto 200>\n"
                 "+0 < S. 0:0(0) ack 1 win 65535 <mss 1460,sackOK,uto 400>\n"
                 "+0 > . 1:1(0) ack 1 <uto 200>\n"
                 "+0 write 1460\n"
                 "+0 > P. 1:1461(1460) ack 1 <>\n"
                 "+0 < . 1:1(0) ack 1461 win 65535\n");
    tcp_play_end(&p);
}

/* A full segment has room for it. */
TEST(option_takes_its_room)
{
    BEGIN(open_with_option);
    tcp_play(&p, "+0 < S 0:0(0) win 65535 <mss 1460,sackOK>\n"
                 "+0 > S. 0:0(0) ack 1 <mss 1460,sackOK,uto 200>\n"
                 "+0 < . 1:1(0) ack 1 win 65535\n"
                 "+0 write 2920\n"
                 "+0 > . 1:1457(1456) ack 1 <uto 200>\n"
                 "+0 > . 1457:2917(1460) ack 1 <>\n"
                 "+0 > P. 2917:2921(4) ack 1 <>\n"
                 "+0 < . 1:1(0) ack 2917 win 65535\n"
                 "+0 set UTO 300000\n"
                 "+0 < . 1:1(0) ack 2921 win 65535\n"
                 "+0 write 10\n"
                 "+0 > P. 2921:2931(10) ack 1 <uto 300>\n"
                 "+0 < . 1:1(0) ack 2931 win 65535\n");
    tcp_play_end(&p);
}

/* How long after the first retransmission p ends. */
static double ends_after(struct tcp_play *p)
{
    naru_time start = p->now;
    uint8_t bytes[1000] = { 0 };
    struct naru_slice slice = { .at = bytes, .len = sizeof(bytes) };
    assert_int_equal(naru_tcp_send(&p->c, &slice, 1, 0, p->now), sizeof(bytes));
    pass(p, NARU_SEC(20000));
    return (double)(p->now - start) / 1e9;
}

static void accept_with(struct tcp_play *p, const char *options)
{
    char script[256];
    snprintf(script, sizeof(script),
             "+0 < S 0:0(0) win 65535 <%s>\n"
             "+0 > S. 0:0(0) ack 1\n"
             "+0 < . 1:1(0) ack 1 win 65535\n",
             options);
    tcp_play(p, script);
}

/* USER_TIMEOUT = min(U_LIMIT, max(ADV_UTO, REMOTE_UTO, L_LIMIT)) (RFC 5482 3.1). */
TEST(the_longer_of_both_is_adopted)
{
    static const struct {
        const char *options;
        uint32_t adv_ms;
        double from, to;
    } rows[] = {
        { "mss 1460,uto 400", 200000, 399, 402 },
        { "mss 1460,uto 10", 200000, 199, 202 },
        { "mss 1460,uto 10", 1000, 99, 102 },
        { "mss 1460,uto 9000", 1000, 3599, 3602 },
        { "mss 1460", 1000, 1, 2 }, /* it said nothing */
    };
    for (unsigned i = 0; i < NARU_ARRAY_LEN(rows); i++) {
        BEGIN(open_with_option);
        p.host.env.opts.uto_ms = rows[i].adv_ms;
        accept_with(&p, rows[i].options);
        double took = ends_after(&p);
        assert_true(took >= rows[i].from && took <= rows[i].to);
        assert_int_equal(naru_tcp_take_error(&p.c), NARU_ERR_TIMEDOUT);
        tcp_play_end(&p);
    }
}

/* What the user said himself is not changed by the peer (RFC 5482 3.1, CHANGEABLE). */
TEST(the_user_decides)
{
    BEGIN(open_with_option);
    accept_with(&p, "mss 1460,uto 400");
    tcp_play(&p, "+0 set USER_TIMEOUT 5000\n");
    double took = ends_after(&p);
    assert_true(took >= 5 && took <= 6);
    tcp_play_end(&p);
}

/* It may come later, and change. */
TEST(the_peer_may_say_it_later)
{
    BEGIN(open_with_option);
    accept_with(&p, "mss 1460");
    tcp_play(&p, "+0 < . 1:1(0) ack 1 win 65535 <uto 300>\n"
                 "+0 < . 1:1(0) ack 1 win 65535 <uto 500>\n"
                 "+0 < . 1:1(0) ack 1 win 65535 <uto 0>\n");
    double took = ends_after(&p);
    assert_true(took >= 499 && took <= 502);
    tcp_play_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(longer_than_the_retransmissions),
        cmocka_unit_test(without_one_retransmissions_are_counted),
        cmocka_unit_test(for_ever),
        cmocka_unit_test(for_ever_at_a_closed_window),
        cmocka_unit_test(for_ever_with_keepalive),
        cmocka_unit_test(not_for_ever_without_a_holder),
        cmocka_unit_test(option_is_off),
        cmocka_unit_test(option_goes_with_syn_and_with_the_first_segment),
        cmocka_unit_test(option_takes_its_room),
        cmocka_unit_test(the_longer_of_both_is_adopted),
        cmocka_unit_test(the_user_decides),
        cmocka_unit_test(the_peer_may_say_it_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
