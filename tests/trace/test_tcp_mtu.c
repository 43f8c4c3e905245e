/* Paths that lose large segments and say nothing: RFC 4821, RFC 8899. */
#include "lib/stack_lab.h"
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

/* 100 ms away: a segment and three retransmissions by timer go nowhere, after a probe of the tail.
 */
#define FOUR_TIMES                   \
    "+0 write 1460\n"                \
    "+0 > P. 1:1461(1460) ack 1\n"   \
    "+300 > P. 1:1461(1460) ack 1\n" \
    "+300 > P. 1:1461(1460) ack 1\n" \
    "+600 > P. 1:1461(1460) ack 1\n" \
    "+1200 > P. 1:1461(1460) ack 1\n"

TEST(segments_shrink_after_four_timeouts)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, FOUR_TIMES "+0 info snd_mss -> 1460\n"
                            "+2400 > . 1:1025(1024) ack 1\n"
                            "+0 info snd_mss -> 1024\n"
                            "+100 < . 1:1(0) ack 1025 win 65535\n"
                            "+0 > P. 1025:1461(436) ack 1\n"
                            "+100 < . 1:1(0) ack 1461 win 65535\n"
                            "+0 write 2048\n"
                            "+0 > . 1461:2485(1024) ack 1\n"
                            "+0 > P. 2485:3509(1024) ack 1\n"
                            "+0 hold\n");
    assert_int_equal(p.c.progress & NARU_TCP_PROGRESS_MTU, 0); /* nothing is proved yet */
    tcp_play(&p, "+100 < . 1:1(0) ack 3509 win 65535\n");
    assert_int_equal(p.c.progress & NARU_TCP_PROGRESS_MTU, NARU_TCP_PROGRESS_MTU);
    assert_int_equal(naru_tcp_mtu_found(&p.c), 1024);
    tcp_play_end(&p);
}

/* Half of it next, but not below 512. */
TEST(and_shrink_again)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, FOUR_TIMES "+2400 > . 1:1025(1024) ack 1\n"
                            "+4800 > . 1:513(512) ack 1\n"
                            "+9600 > . 1:513(512) ack 1\n"
                            "+100 < . 1:1(0) ack 513 win 65535\n"
                            "+0 > . 513:1025(512) ack 1\n"
                            "+0 > P. 1025:1461(436) ack 1\n"
                            "+100 < . 1:1(0) ack 1461 win 65535\n");
    tcp_play_end(&p);
}

/* A silent peer to which only small segments went is a silent peer. */
TEST(small_segments_tell_nothing)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, "+0 write 100\n"
                 "+0 > P. 1:101(100) ack 1\n"
                 "+300 > P. 1:101(100) ack 1\n"
                 "+300 > P. 1:101(100) ack 1\n"
                 "+600 > P. 1:101(100) ack 1\n"
                 "+1200 > P. 1:101(100) ack 1\n"
                 "+2400 > P. 1:101(100) ack 1\n"
                 "+0 info snd_mss -> 1460\n"
                 "+100 < . 1:1(0) ack 101 win 65535\n");
    tcp_play_end(&p);
}

/* It can be turned off. */
TEST(off_means_off)
{
    BEGIN(tcp_play_accept_far);
    p.host.config.tcp_mtu_probing = 0;
    tcp_play(&p, FOUR_TIMES "+2400 > P. 1:1461(1460) ack 1\n"
                            "+100 < . 1:1(0) ack 1461 win 65535\n");
    tcp_play_end(&p);
}

/* ---- Upward ---- */

static void search_begins(struct tcp_play *p)
{
    tcp_play_begin(p);
    p->host.config.tcp_mtu_probing = 2;
    tcp_play(p, "+0 < S 0:0(0) win 65535 <mss 1460,sackOK>\n"
                "+0 > S. 0:0(0) ack 1 <mss 1460,sackOK>\n"
                "+100 < . 1:1(0) ack 1 win 65535\n"
                "+0 info snd_mss -> 1024\n"
                "+0 gso 65535\n"
                "+0 write 10240\n"
                "+0 > P. 1:10241(10240) ack 1\n"
                "+100 < . 1:1(0) ack 10241 win 65535\n");
}

/* What arrives is the size of all that follow, and the search goes on by halves. */
TEST(a_probe_that_arrives)
{
    BEGIN(search_begins);
    tcp_play(&p, "+0 write 8000\n"
                 "+0 > . 10241:11483(1242) ack 1\n"
                 "+0 > P. 11483:18241(6758) ack 1\n"
                 "+100 < . 1:1(0) ack 18241 win 65535\n"
                 "+0 info snd_mss -> 1242\n"
                 "+0 write 8000\n"
                 "+0 > . 18241:19592(1351) ack 1\n"
                 "+0 > P. 19592:26241(6649) ack 1\n"
                 "+100 < . 1:1(0) ack 26241 win 65535\n"
                 "+0 info snd_mss -> 1351\n");
    tcp_play_end(&p);
}

/* What does not is sent again in pieces, and cwnd is as before. */
TEST(a_probe_that_is_lost)
{
    BEGIN(search_begins);
    uint32_t cwnd = p.c.cwnd;
    tcp_play(&p, "+0 write 8000\n"
                 "+0 > . 10241:11483(1242) ack 1\n"
                 "+0 > P. 11483:18241(6758) ack 1\n"
                 "+100 < . 1:1(0) ack 10241 win 65535 <sack 11483:18241>\n"
                 "+0 > . 10241:11265(1024) ack 1\n"
                 "+0 > . 11265:11483(218) ack 1\n"
                 "+0 info snd_mss -> 1024\n"
                 "+100 < . 1:1(0) ack 18241 win 65535\n");
    assert_true(p.c.cwnd >= cwnd);
    tcp_play(&p, "+0 write 8000\n"
                 "+0 > . 18241:19374(1133) ack 1\n"
                 "+0 > P. 19374:26241(6867) ack 1\n"
                 "+100 < . 1:1(0) ack 26241 win 65535\n"
                 "+0 info snd_mss -> 1133\n");
    tcp_play_end(&p);
}

/* ---- Through stacks ---- */

enum { HOLE = 14 + 1300 };

static bool hole(struct lab *lab, int from, uint8_t *frame, size_t *len)
{
    (void)lab;
    (void)from;
    (void)frame;
    return *len <= HOLE;
}

/* A transfer through a black hole comes through, and the next connection knows. */
static void through_a_hole(enum naru_family family)
{
    struct lab lab = { 0 };
    struct lab_options options = { .delay = NARU_MS(5) };
    struct naru_tcp_info info;
    struct naru_sock *a, *b, *c, *d;
    assert_true(lab_pair(&lab, &options));
    lab.wire[0].filter = hole;
    assert_true(lab_established(&lab, family, 80, &a, &b));
    naru_time start = lab.now;
    assert_true(lab_transfer(&lab, a, b, 300000, lab.now + NARU_SEC(60)));
    assert_true(lab.now - start < NARU_SEC(8));
    assert_int_equal(naru_sock_tcp_info(a, &info, lab.now), NARU_OK);
    assert_true(info.snd_mss >= 1200 && info.snd_mss < 1300);

    start = lab.now;
    assert_true(lab_established(&lab, family, 81, &c, &d));
    assert_true(lab_transfer(&lab, c, d, 100000, lab.now + NARU_SEC(60)));
    assert_true(lab.now - start < NARU_SEC(1));
    for (unsigned i = 0; i < 4; i++)
        naru_sock_abort((struct naru_sock *[]){ a, b, c, d }[i], lab.now);
    lab_end(&lab);
}

TEST(through_a_black_hole)
{
    (void)state;
    through_a_hole(NARU_IPV4);
}

TEST(through_a_black_hole_v6)
{
    (void)state;
    through_a_hole(NARU_IPV6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments_shrink_after_four_timeouts),
        cmocka_unit_test(and_shrink_again),
        cmocka_unit_test(small_segments_tell_nothing),
        cmocka_unit_test(off_means_off),
        cmocka_unit_test(a_probe_that_arrives),
        cmocka_unit_test(a_probe_that_is_lost),
        cmocka_unit_test(through_a_black_hole),
        cmocka_unit_test(through_a_black_hole_v6),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
