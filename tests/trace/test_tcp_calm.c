/*
 * A calm connection shares what it would have of its own (src/proto/tcp/more.c): when it has none,
 * what gives it one and what takes it away again; and that it lives and ends as it should where
 * memory for one is refused.
 */
#include "lib/tcp_play.h"
#include "proto/tcp/internal.h"

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

/* From here on there is no memory for another object; and then there is. */
static void refuse(struct tcp_play *p)
{
    p->host.env.more_pool.count_max = p->host.env.more_pool.count;
}

static void allow(struct tcp_play *p) { p->host.env.more_pool.count_max = UINT32_MAX; }

static void expect(struct tcp_play *p, bool calm)
{
    naru_tcp_check(&p->c);
    assert_int_equal(naru_tcp_is_calm(&p->c), calm);
    assert_int_equal(p->host.env.more_pool.count, calm ? 0 : 1);
    assert_int_equal(naru_tcp_iss(&p->c).v, TCP_PLAY_ISS);
    assert_int_equal(naru_tcp_irs(&p->c).v, TCP_PLAY_ISS);
}

static void expect_calm(struct tcp_play *p) { expect(p, true); }

static void expect_own(struct tcp_play *p) { expect(p, false); }

/* ---- With memory ---- */

TEST(calm_after_the_handshake)
{
    BEGIN(tcp_play_accept);
    expect_calm(&p);
    tcp_play_end(&p);
    tcp_play_connect(&p);
    expect_calm(&p);
    tcp_play_end(&p);
}

TEST(opening_is_calm_until_it_repeats_itself)
{
    BEGIN(tcp_play_begin);
    tcp_play(&p, "+0 connect\n"
                 "+0 > S 0:0(0)\n");
    assert_true(naru_tcp_is_calm(&p.c));
    assert_int_equal(naru_tcp_iss(&p.c).v, TCP_PLAY_ISS);
    tcp_play(&p, "+1000 > S 0:0(0)\n");
    assert_false(naru_tcp_is_calm(&p.c));
    assert_int_equal(naru_tcp_iss(&p.c).v, TCP_PLAY_ISS);
    tcp_play_end(&p);
}

/* The trace tells where both streams began, whatever has passed, and after FIN. */
TEST(calm_while_data_come_and_go)
{
    BEGIN(tcp_play_accept_far);
    tcp_play(&p, "+0 set QUICKACK 1\n");
    for (int i = 0; i < 3; i++) {
        uint32_t at = 1 + 1000 * (uint32_t)i;
        char text[512];
        (void)snprintf(text, sizeof(text),
                       "+0 write 1000\n"
                       "+0 > P. %u:%u(1000) ack %u\n"
                       "+100 < P. %u:%u(1000) ack %u win 65535\n"
                       "+0 > . %u:%u(0) ack %u\n"
                       "+0 read 4000 -> 1000\n",
                       at, at + 1000, at, at, at + 1000, at + 1000, at + 1000, at + 1000,
                       at + 1000);
        tcp_play(&p, text);
        expect_calm(&p);
    }
    tcp_play(&p, "+0 write 500\n"
                 "+0 > P. 3001:3501(500) ack 3001\n");
    expect_calm(&p); /* one range in flight is no news */
    tcp_play(&p, "+100 < . 3001:3001(0) ack 3201 win 65535\n");
    expect_calm(&p);
    tcp_play(&p, "+0 < F. 3001:3001(0) ack 3501 win 65535\n"
                 "+0 = CLOSE-WAIT\n"
                 "+0 > . 3501:3501(0) ack 3002\n");
    expect_calm(&p);
    tcp_play_end(&p);
}

struct cause {
    const char *of, *begins, *ends;
    bool remembered; /* for good: it counts, or has made what is kept */
};

static const struct cause causes[] = {
    { "urgent data to send",
      "+0 write 1 oob\n"
      "+0 > PU. 1:2(1) ack 1\n",
      "+10 < . 1:1(0) ack 2 win 65535\n", false },
    { "urgent data that came",
      "+0 < PU. 1:2(1) ack 1 win 65535 urg 1\n"
      "+0 > . 1:1(0) ack 2\n",
      "+0 readoob -> 1\n"
      "+0 < P. 2:12(10) ack 1 win 65535\n"
      "+0 > . 1:1(0) ack 12\n"
      "+0 read 100 -> 10\n"
      "+0 < P. 12:22(10) ack 1 win 65535\n"
      "+0 > . 1:1(0) ack 22\n",
      false },
    { "the end of a record",
      "+0 hold\n"
      "+0 write 100 eor\n",
      "+0 go\n"
      "+0 > P. 1:101(100) ack 1\n"
      "+0 write 100\n"
      "+10 < . 1:1(0) ack 101 win 65535\n"
      "+0 > P. 101:201(100) ack 1\n"
      "+10 < . 1:1(0) ack 201 win 65535\n",
      false },
    { "a cork",
      "+0 set CORK 1\n"
      "+0 write 100\n",
      "+0 set CORK 0\n"
      "+0 > P. 1:101(100) ack 1\n"
      "+10 < . 1:1(0) ack 101 win 65535\n",
      false },
    { "what ICMP said",
      "+0 write 100\n"
      "+0 > P. 1:101(100) ack 1\n"
      "+0 icmp HOSTUNREACH\n",
      "+10 < . 1:1(0) ack 101 win 65535\n", false },
    { "a duplicate to be told of",
      "+0 < P. 1:101(100) ack 1 win 65535\n"
      "+0 > . 1:1(0) ack 101\n"
      "+0 read 100\n"
      "+0 hold\n"
      "+0 < P. 1:101(100) ack 1 win 65535\n",
      "+0 go\n"
      "+0 > . 1:1(0) ack 101 <sack 1:101>\n"
      "+0 < P. 101:111(10) ack 1 win 65535\n"
      "+0 > . 1:1(0) ack 111\n",
      false },
    { "data beyond a hole",
      "+0 < P. 101:201(100) ack 1 win 65535\n"
      "+0 > . 1:1(0) ack 1 <sack 101:201>\n",
      "+0 < P. 1:101(100) ack 1 win 65535\n"
      "+0 > . 1:1(0) ack 201\n",
      true },
    { "several segments in flight",
      "+0 write 2920\n"
      "+0 > . 1:1461(1460) ack 1\n"
      "+0 > P. 1461:2921(1460) ack 1\n",
      "+1 < . 1:1(0) ack 2921 win 65535\n", true },
    { "a retransmission",
      "+0 write 100\n"
      "+0 > P. 1:101(100) ack 1\n"
      "+200 > P. 1:101(100) ack 1\n",
      "+10 < . 1:1(0) ack 101 win 65535\n", true },
};

TEST(own_while_there_is_a_cause)
{
    (void)state;
    for (unsigned i = 0; i < NARU_ARRAY_LEN(causes); i++) {
        struct tcp_play p;
        tcp_play_accept(&p);
        expect_calm(&p);
        print_message("%s\n", causes[i].of);
        tcp_play(&p, causes[i].begins);
        expect_own(&p);
        tcp_play(&p, causes[i].ends);
        if (causes[i].remembered)
            expect_own(&p);
        else
            expect_calm(&p);
        tcp_play_end(&p);
    }
}

/* ---- Without ---- */

/* The user is told, and what he says without a mark goes out. */
TEST(refused_marks_of_what_is_sent)
{
    BEGIN(tcp_play_accept);
    refuse(&p);
    tcp_play(&p, "+0 write 100 eor -> NOMEM\n"
                 "+0 write 1 oob -> NOMEM\n"
                 "+0 write 100\n"
                 "+0 > P. 1:101(100) ack 1\n"
                 "+10 < . 1:1(0) ack 101 win 65535\n");
    expect_calm(&p);
    tcp_play_end(&p);
}

/* Of a place that was filled the mark is lost, its bytes are not. */
static void commit_with(unsigned flags, bool refused)
{
    struct tcp_play p;
    struct naru_room room;
    tcp_play_accept(&p);
    if (refused)
        refuse(&p);
    assert_int_equal(naru_tcp_send_reserve(&p.c, &room, 1, p.now), 1);
    memset(room.at, 0, 100);
    naru_tcp_send_commit(&p.c, 100, flags, p.now);
    assert_int_equal(naru_tcp_is_calm(&p.c), refused);
    naru_tcp_check(&p.c);
    tcp_play(&p, flags == NARU_MSG_OOB && !refused
                     ? "+0 set NODELAY 1\n+0 > PU. 1:101(100) ack 1 urg 100\n"
                     : "+0 set NODELAY 1\n+0 > P. 1:101(100) ack 1\n");
    tcp_play(&p, "+10 < . 1:1(0) ack 101 win 65535\n");
    tcp_play_end(&p);
}

TEST(marks_of_a_place_that_was_filled)
{
    (void)state;
    commit_with(NARU_MSG_EOR, false);
    commit_with(NARU_MSG_OOB, false);
    commit_with(NARU_MSG_EOR, true);
    commit_with(NARU_MSG_OOB, true);
}

TEST(refused_urgent_data)
{
    BEGIN(tcp_play_accept);
    refuse(&p);
    tcp_play(&p, "+0 < PU. 1:11(10) ack 1 win 65535 urg 10\n"
                 "+0 > . 1:1(0) ack 11\n"
                 "+0 read 100 -> 10\n");
    expect_calm(&p);
    tcp_play_end(&p);
}

TEST(refused_data_beyond_a_hole)
{
    BEGIN(tcp_play_accept);
    refuse(&p);
    tcp_play(&p, "+0 < P. 101:201(100) ack 1 win 65535\n"
                 "+0 ! no-memory\n"
                 "+0 > . 1:1(0) ack 1\n"
                 "+0 < F. 201:201(0) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 1\n"
                 "+0 < P. 1:101(100) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 101\n"
                 "+0 < FP. 101:201(100) ack 1 win 65535\n"
                 "+40 > . 1:1(0) ack 202\n"
                 "+0 read 300 -> 200\n");
    expect_calm(&p);
    tcp_play_end(&p);
}

/* SACK is not heard, and the timer does what can be done when there is memory again. */
TEST(refused_repair)
{
    BEGIN(tcp_play_accept);
    refuse(&p);
    tcp_play(&p, "+0 write 4380\n"
                 "+0 > . 1:1461(1460) ack 1\n"
                 "+0 > . 1461:2921(1460) ack 1\n"
                 "+0 > P. 2921:4381(1460) ack 1\n"
                 "+1 < . 1:1(0) ack 1 win 65535 <sack 1461:4381>\n"
                 "+1000 info ca_state -> 0\n");
    expect_calm(&p);
    allow(&p);
    tcp_play(&p, "+1 > P. 2921:4381(1460) ack 1 # the probe of the tail\n"
                 "+1 < . 1:1(0) ack 1 win 65535 <sack 1461:4381>\n"
                 "+0 > . 1:1461(1460) ack 1\n"
                 "+1 < . 1:1(0) ack 4381 win 65535\n");
    expect_own(&p);
    tcp_play_end(&p);
}

TEST(refused_for_two_minutes)
{
    BEGIN(tcp_play_accept);
    refuse(&p);
    tcp_play(&p, "+600000 write 100\n"
                 "+0 > P. 1:101(100) ack 1\n"
                 "+119000 = ESTABLISHED\n"
                 "+2000 = CLOSED\n"
                 "+0 error NOMEM\n");
    tcp_play_end(&p);
}

/* A window that is closed: what counts is for how long data have waited. */
TEST(refused_probes_of_a_window)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 < . 1:1(0) ack 1 win 0\n");
    refuse(&p);
    tcp_play(&p, "+600000 write 100\n"
                 "+119000 = ESTABLISHED\n");
    expect_calm(&p);
    tcp_play(&p, "+2000 = CLOSED\n"
                 "+0 error NOMEM\n");
    tcp_play_end(&p);
}

/* A cork that could not be taken out holds nothing back. */
TEST(refused_cork)
{
    BEGIN(tcp_play_accept);
    refuse(&p);
    tcp_play(&p, "+0 set CORK 1\n"
                 "+0 write 100\n"
                 "+0 > P. 1:101(100) ack 1\n"
                 "+10 < . 1:1(0) ack 101 win 65535\n"
                 "+0 set CORK 0\n"
                 "+0 write 100 more\n"
                 "+0 > . 101:201(100) ack 1\n"
                 "+10 < . 1:1(0) ack 201 win 65535\n");
    tcp_play_end(&p);
}

/* Keep-alive finds a peer that is gone though it cannot count what it has asked. */
TEST(refused_keepalive)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 set KEEPIDLE 10000\n"
                 "+0 set KEEPINTVL 1000\n"
                 "+0 set KEEPCNT 3\n"
                 "+0 set KEEPALIVE 1\n");
    refuse(&p);
    tcp_play(&p, "+10000 > . 0:0(0) ack 1\n"
                 "+1000 > . 0:0(0) ack 1\n"
                 "+1000 > . 0:0(0) ack 1\n"
                 "+1000 > R. 1:1(0) ack 1\n"
                 "+0 = CLOSED\n"
                 "+0 error TIMEDOUT\n");
    tcp_play_end(&p);
}

TEST(ends_without_memory)
{
    BEGIN(tcp_play_accept);
    refuse(&p);
    tcp_play(&p, "+0 close\n"
                 "+0 > F. 1:1(0) ack 1\n"
                 "+10 < . 1:1(0) ack 2 win 65535\n"
                 "+0 = FIN-WAIT-2\n"
                 "+10 < F. 1:1(0) ack 2 win 65535\n"
                 "+0 > . 2:2(0) ack 2\n"
                 "+0 = TIME-WAIT\n"
                 "+60000 = CLOSED\n");
    tcp_play_end(&p);
    tcp_play_accept(&p);
    refuse(&p);
    tcp_play(&p, "+0 < F. 1:1(0) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 2\n"
                 "+0 close\n"
                 "+0 > F. 1:1(0) ack 2\n"
                 "+121000 = CLOSED # nobody answers\n");
    tcp_play_end(&p);
    tcp_play_accept(&p);
    refuse(&p);
    tcp_play(&p, "+0 write 100\n"
                 "+0 > P. 1:101(100) ack 1\n"
                 "+0 abort\n"
                 "+0 > R. 101:101(0) ack 1\n"
                 "+0 = CLOSED\n");
    tcp_play_end(&p);
    tcp_play_accept(&p);
    refuse(&p);
    tcp_play(&p, "+0 < R. 1:1(0) ack 1 win 0\n"
                 "+0 = CLOSED\n"
                 "+0 error CONNRESET\n"
                 "+0 write 1 -> PIPE\n"
                 "+0 read 1 -> 0\n");
    tcp_play_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calm_after_the_handshake),
        cmocka_unit_test(opening_is_calm_until_it_repeats_itself),
        cmocka_unit_test(calm_while_data_come_and_go),
        cmocka_unit_test(own_while_there_is_a_cause),
        cmocka_unit_test(refused_marks_of_what_is_sent),
        cmocka_unit_test(marks_of_a_place_that_was_filled),
        cmocka_unit_test(refused_urgent_data),
        cmocka_unit_test(refused_data_beyond_a_hole),
        cmocka_unit_test(refused_repair),
        cmocka_unit_test(refused_for_two_minutes),
        cmocka_unit_test(refused_probes_of_a_window),
        cmocka_unit_test(refused_cork),
        cmocka_unit_test(refused_keepalive),
        cmocka_unit_test(ends_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
