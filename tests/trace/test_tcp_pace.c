/* Pacing: when segments go, and that they go at all. */

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

/* 146 000 bytes a second are a segment in 10 ms. */
TEST(a_rate_spaces_segments)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, "+0 set MAX_PACING_RATE 146000\n"
                 "+0 get MAX_PACING_RATE -> 146000\n"
                 "+0 get PACING -> 1\n" TCP_PLAY_TEN "+100 < . 1:1(0) ack 14601 win 65535\n"
                 "+100 write 5840\n"
                 "+0 > . 14601:16061(1460) ack 1\n"
                 "+10 > . 16061:17521(1460) ack 1\n"
                 "+10 > . 17521:18981(1460) ack 1\n"
                 "+10 > P. 18981:20441(1460) ack 1\n"
                 "+0 info pacing_rate -> 146000\n"
                 "+70 < . 1:1(0) ack 20441 win 65535\n");
    tcp_play_end(&p);
}

/* Without a limit a window is spread: here twice as fast as it is acknowledged, in slow start. */
TEST(a_window_is_spread_over_the_round_trip)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p,
             "+0 set PACING 1\n"
             "+0 get MAX_PACING_RATE -> -1\n" TCP_PLAY_TEN "+100 < . 1:1(0) ack 14601 win 65535\n"
             "+0 info cwnd -> 20\n"
             "+0 info pacing_rate -> 584000\n"
             "+0 write 4380\n"
             "+0 > . 14601:16061(1460) ack 1\n"
             "+2.5 > . 16061:17521(1460) ack 1\n"
             "+2.5 > P. 17521:18981(1460) ack 1\n"
             "+95 < . 1:1(0) ack 18981 win 65535\n");
    tcp_play_end(&p);
}

/* What a device cuts is what goes in a millisecond, two segments at least. */
TEST(super_segments_are_bursts)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, "+0 gso 65535\n"
                 "+0 set MAX_PACING_RATE 146000\n"
                 "+0 write 14600\n"
                 "+0 > P. 1:2921(2920) ack 1\n"
                 "+0 > P. 2921:5841(2920) ack 1\n"
                 "+0 > P. 5841:8761(2920) ack 1\n"
                 "+0 > P. 8761:11681(2920) ack 1\n"
                 "+0 > P. 11681:14601(2920) ack 1\n"
                 "+100 < . 1:1(0) ack 14601 win 65535\n"
                 "+100 write 8760\n"
                 "+0 > P. 14601:17521(2920) ack 1\n"
                 "+20 > P. 17521:20441(2920) ack 1\n"
                 "+20 > P. 20441:23361(2920) ack 1\n"
                 "+60 < . 1:1(0) ack 23361 win 65535\n");
    tcp_play_end(&p);
}

/* 14.6 MB a second: fifteen segments in a millisecond go at once. */
TEST(a_fast_one_goes_in_bursts_of_a_millisecond)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, "+0 set MAX_PACING_RATE 7300000\n" TCP_PLAY_TEN);
    p.c.srtt = 1000;
    tcp_play(&p, "+100 < . 1:1(0) ack 14601 win 65535\n");
    p.c.srtt = 1000;
    tcp_play(&p, "+0 write 10220\n"
                 "+0 > . 14601:16061(1460) ack 1\n"
                 "+0 > . 16061:17521(1460) ack 1\n"
                 "+0 > . 17521:18981(1460) ack 1\n"
                 "+0 > . 18981:20441(1460) ack 1\n"
                 "+0 > . 20441:21901(1460) ack 1\n"
                 "+1 > . 21901:23361(1460) ack 1\n"
                 "+0 > P. 23361:24821(1460) ack 1\n"
                 "+1 < . 1:1(0) ack 24821 win 65535\n");
    tcp_play_end(&p);
}

/* A cork and pacing share a timer, and each has its time. */
TEST(a_cork_waits_its_own_time)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p,
             "+0 set MAX_PACING_RATE 146000\n" TCP_PLAY_TEN "+100 < . 1:1(0) ack 14601 win 65535\n"
             "+100 set CORK 1\n"
             "+0 write 3020\n"
             "+0 > . 14601:16061(1460) ack 1\n"
             "+10 > . 16061:17521(1460) ack 1\n"
             "+90 < . 1:1(0) ack 17521 win 65535\n"
             "+200 > P. 17521:17621(100) ack 1\n"
             "+100 < . 1:1(0) ack 17621 win 65535\n");
    tcp_play_end(&p);
}

/* A lost segment waits for its turn as well, and no timer is needed to go on. */
TEST(retransmissions_are_paced)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, "+0 set MAX_PACING_RATE 73000\n" TCP_PLAY_TEN
                 "+100 < . 1:1(0) ack 1 win 65535 <sack 4381:14601>\n"
                 "+0 > . 1:1461(1460) ack 1\n"
                 "+20 > . 1461:2921(1460) ack 1\n"
                 "+20 > . 2921:4381(1460) ack 1\n"
                 "+60 < . 1:1(0) ack 14601 win 65535\n");
    tcp_play_end(&p);
}

/* As slow as a byte a second; FIN and acknowledgements do not wait; more speed counts at once. */
TEST(a_rate_may_change)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, "+0 set MAX_PACING_RATE 1\n" TCP_PLAY_TEN "+100 < . 1:1(0) ack 14601 win 65535\n"
                 "+0 write 3000\n"
                 "+0 > . 14601:16061(1460) ack 1\n"
                 "+0 < P. 1:101(100) ack 14601 win 65535\n"
                 "+0 > . 16061:16061(0) ack 101\n"
                 "+100 < . 101:101(0) ack 16061 win 65535\n"
                 "+10000 set MAX_PACING_RATE -1\n"
                 "+0 > . 16061:17521(1460) ack 101\n"
                 "+0 set PACING 0\n"
                 "+0 > P. 17521:17601(80) ack 101\n"
                 "+100 < . 101:101(0) ack 17601 win 65535\n");
    tcp_play_end(&p);
}

/* ---- Through a stack: its deadline brings the next segment ---- */

static naru_time last_data, shortest_gap;
static unsigned data_frames;

/* Full segments of the first stack; Ethernet, IPv4 and TCP headers are in front. */
static bool watch(struct lab *lab, int from, uint8_t *frame, size_t *len)
{
    (void)frame;
    if (from != 0 || *len < 1000)
        return true;
    data_frames++;
    if (data_frames > 11) /* the first ten go at once */
        shortest_gap = NARU_MIN(shortest_gap, lab->now - last_data);
    last_data = lab->now;
    return true;
}

TEST(a_stack_keeps_the_rate)
{
    struct lab lab = { 0 };
    struct lab_options options = { .delay = NARU_MS(5) };
    struct naru_sock *a, *b;
    (void)state;
    last_data = data_frames = 0;
    shortest_gap = NARU_NEVER;
    assert_true(lab_pair(&lab, &options));
    assert_true(lab_established(&lab, NARU_IPV4, 80, &a, &b));
    assert_int_equal(naru_sock_set(a, NARU_OPT_MAX_PACING_RATE, 500000, lab.now), NARU_OK);
    lab.wire[0].filter = watch;
    naru_time start = lab.now;
    assert_true(lab_transfer(&lab, a, b, 500000, NARU_SEC(60)));
    double seconds = (double)(lab.now - start) / 1e9;
    assert_true(seconds > 0.95 && seconds < 1.05);
    assert_true(shortest_gap > NARU_US(2800)); /* 1448 bytes */
    naru_sock_close(a, lab.now);
    naru_sock_close(b, lab.now);
    lab_end(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rate_spaces_segments),
        cmocka_unit_test(a_window_is_spread_over_the_round_trip),
        cmocka_unit_test(super_segments_are_bursts),
        cmocka_unit_test(a_fast_one_goes_in_bursts_of_a_millisecond),
        cmocka_unit_test(a_cork_waits_its_own_time),
        cmocka_unit_test(retransmissions_are_paced),
        cmocka_unit_test(a_rate_may_change),
        cmocka_unit_test(a_stack_keeps_the_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
