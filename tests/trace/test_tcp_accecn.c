/* Marks that are counted: RFC 9768, one connection segment by segment. */
#include "lib/tcp_play.h"
#include "proto/tcp/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state)

static void begin(struct tcp_play *p, enum naru_ecn_mode mode)
{
    tcp_play_begin(p);
    p->host.env.opts.ecn = (uint8_t)mode;
}

#define BEGIN(mode)    \
    struct tcp_play p; \
    (void)state;       \
    begin(&p, NARU_ECN_MODE_##mode)

/* In the notation of flags the field is A (4), W (2), E (1): it begins at 5, AE. */
#define CONNECTED                                                         \
    "+0 connect\n"                                                        \
    "+0 > [noecn] SEWA 0:0(0) win 65535 <mss 1460,sackOK,nop,wscale 8>\n" \
    "+100 < [noecn] SW. 0:0(0) ack 1 win 65535 <mss 1460,sackOK>\n"       \
    "+0 > [noecn] W. 1:1(0) ack 1 <ECN e1b 1 ceb 0 e0b 1>\n"              \
    "+0 info ecn -> 1\n"
#define ACCEPTED                                                              \
    "+0 < [noecn] SEWA 0:0(0) win 65535 <mss 1460,sackOK>\n"                  \
    "+0 > [noecn] SW. 0:0(0) ack 1 <mss 1460,sackOK,ECN e1b 1 ceb 0 e0b 1>\n" \
    "+100 < [noecn] W. 1:1(0) ack 1 win 65535\n"                              \
    "+0 = ESTABLISHED\n"                                                      \
    "+0 info ecn -> 1\n"
#define TEN                                     \
    "+0 write 14600\n"                          \
    "+0 > [ect0] AE. 1:1461(1460) ack 1\n"      \
    "+0 > [ect0] AE. 1461:2921(1460) ack 1\n"   \
    "+0 > [ect0] AE. 2921:4381(1460) ack 1\n"   \
    "+0 > [ect0] AE. 4381:5841(1460) ack 1\n"   \
    "+0 > [ect0] AE. 5841:7301(1460) ack 1\n"   \
    "+0 > [ect0] AE. 7301:8761(1460) ack 1\n"   \
    "+0 > [ect0] AE. 8761:10221(1460) ack 1\n"  \
    "+0 > [ect0] AE. 10221:11681(1460) ack 1\n" \
    "+0 > [ect0] AE. 11681:13141(1460) ack 1\n" \
    "+0 > [ect0] PAE. 13141:14601(1460) ack 1\n"

/* ---- Negotiation (3.1) ---- */

TEST(asked_for_and_agreed)
{
    BEGIN(ACCURATE);
    tcp_play(&p, CONNECTED "+0 write 10\n"
                           "+0 > [ect0] PAE. 1:11(10) ack 1\n");
    tcp_play_end(&p);
}

TEST(accepted)
{
    BEGIN(ACCEPT_ACCURATE);
    tcp_play(&p, ACCEPTED "+0 write 10\n"
                          "+0 > [ect0] PAE. 1:11(10) ack 1\n");
    tcp_play_end(&p);
}

/* Table 2, one line after the other: what a server says, and what then holds. */
TEST(answers)
{
    static const struct {
        const char *flags, *ack, *data; /* of SYN,ACK; of ours: accurate ones count from AE */
        int64_t ecn;
    } rows[] = {
        { "SW.", "W.", "[ect0] PAE.", 1 },   /* our SYN came as it left */
        { "SEW.", "W.", "[noecn] PAE.", 1 }, /* ... marked ECT(1): the path writes there */
        { "SA.", "W.", "[noecn] PAE.", 1 },  /* ... ECT(0) */
        { "SWA.", "W.", "[noecn] PAE.", 1 }, /* ... CE */
        { "SEA.", "W.", "[ect0] PAE.", 1 },  /* of the future: as if it came as it left */
        { "SE.", ".", "[ect0] P.", 1 },      /* RFC 3168 */
        { "S.", ".", "[noecn] P.", 0 },      /* no ECN */
        { "SEWA.", ".", "[noecn] P.", 0 },   /* an echo of what we said */
    };
    for (unsigned i = 0; i < NARU_ARRAY_LEN(rows); i++) {
        char script[512];
        BEGIN(ACCURATE);
        snprintf(script, sizeof(script),
                 "+0 connect\n"
                 "+0 > SEWA 0:0(0)\n"
                 "+0 < %s 0:0(0) ack 1 win 65535 <mss 1460>\n"
                 "+0 > %s 1:1(0) ack 1\n"
                 "+0 info ecn -> %d\n"
                 "+0 write 10\n"
                 "+0 > %s 1:11(10) ack 1\n",
                 rows[i].flags, rows[i].ack, (int)rows[i].ecn, rows[i].data);
        tcp_play(&p, script);
        tcp_play_end(&p);
    }
}

/* What a client asks for, how its SYN came, and what it is answered. */
TEST(requests)
{
    static const struct {
        const char *syn, *synack;
    } rows[] = {
        { "[noecn] SEWA", "SW." }, { "[ect1] SEWA", "SEW." }, { "[ect0] SEWA", "SA." },
        { "[ce] SEWA", "SWA." },   { "[noecn] SA", "SW." },  /* of the future (3.1.3) */
        { "[noecn] SEA", "SW." },  { "[noecn] SEW", "SE." }, /* RFC 3168 */
        { "[noecn] S", "S." },
    };
    for (unsigned i = 0; i < NARU_ARRAY_LEN(rows); i++) {
        char script[256];
        BEGIN(ACCEPT_ACCURATE);
        snprintf(script, sizeof(script),
                 "+0 < %s 0:0(0) win 65535 <mss 1460>\n"
                 "+0 > [noecn] %s 0:0(0) ack 1\n",
                 rows[i].syn, rows[i].synack);
        tcp_play(&p, script);
        tcp_play_end(&p);
    }
}

/* 3.1.4.1: once more as it was, then without; and nothing is marked after that (3.1.5). */
TEST(asked_again)
{
    BEGIN(ACCURATE);
    tcp_play(&p, "+0 connect\n"
                 "+0 > SEWA 0:0(0)\n"
                 "+1000 > SEWA 0:0(0)\n"
                 "+2000 > S 0:0(0)\n"
                 "+10 < SW. 0:0(0) ack 1 win 65535 <mss 1460>\n"
                 "+0 > W. 1:1(0) ack 1\n"
                 "+0 info ecn -> 1\n"
                 "+0 write 10\n"
                 "+0 > [noecn] PAE. 1:11(10) ack 1\n");
    tcp_play_end(&p);
}

/* 3.1.4.2, 3.2.3.2.2: the option may be what the path does not like; or the flags. */
TEST(answered_again)
{
    BEGIN(ACCURATE);
    tcp_play(&p, "+0 < SEWA 0:0(0) win 65535 <mss 1460,sackOK>\n"
                 "+0 > SW. 0:0(0) ack 1 <mss 1460,sackOK,ECN e1b 1 ceb 0 e0b 1>\n"
                 "+1000 > SW. 0:0(0) ack 1 <mss 1460,sackOK>\n"
                 "+2000 > S. 0:0(0) ack 1 <mss 1460,sackOK>\n"
                 "+10 < W. 1:1(0) ack 1 win 65535\n"
                 "+0 write 10\n"
                 "+0 > [noecn] PAE. 1:11(10) ack 1\n");
    tcp_play_end(&p);
}

/* What a connection has of its own is there, and nothing else. */
static void nothing_to_spare(struct tcp_play *p)
{
    struct naru_tcp_setup how = { .mss = 1460, .mss_default = 536 };
    struct naru_tcp c;
    naru_tcp_init(&c, &p->host.env, &how, 0);
    assert_true(naru_tcp_more_need(&c));
    naru_tcp_deinit(&c);
    p->host.fail_every = 1;
}

TEST(without_memory_there_is_rfc_3168_or_nothing)
{
    BEGIN(ACCURATE);
    nothing_to_spare(&p);
    tcp_play(&p, "+0 connect\n"
                 "+0 > SEW 0:0(0)\n");
    tcp_play_end(&p);
    begin(&p, NARU_ECN_MODE_ACCURATE);
    nothing_to_spare(&p);
    tcp_play(&p, "+0 < SEWA 0:0(0) win 65535 <mss 1460>\n"
                 "+0 > S. 0:0(0) ack 1\n");
    tcp_play_end(&p);
}

/* ---- Marks on the handshake (3.2.2.1) ---- */

TEST(how_the_answer_came_is_told)
{
    static const char *const rows[][2] = {
        { "[noecn]", "W." }, { "[ect1]", "EW." }, { "[ect0]", "A." }, { "[ce]", "WA." }
    };
    for (unsigned i = 0; i < NARU_ARRAY_LEN(rows); i++) {
        char script[512];
        BEGIN(ACCURATE);
        snprintf(script, sizeof(script),
                 "+0 connect\n"
                 "+0 > SEWA 0:0(0)\n"
                 "+0 < %s SW. 0:0(0) ack 1 win 65535 <mss 1460>\n"
                 "+0 > %s 1:1(0) ack 1\n"
                 "+0 write 10\n"
                 "+0 > %s 1:11(10) ack 1 # CE counts\n",
                 rows[i][0], rows[i][1], i == 3 ? "PWA." : "PAE.");
        tcp_play(&p, script);
        tcp_play_end(&p);
    }
}

TEST(how_our_answer_came_is_heard)
{
    static const char *const rows[][2] = {
        { "W.", "[ect0]" }, { "EW.", "[noecn]" }, { "A.", "[noecn]" }, { "WA.", "[noecn]" },
        { ".", "[noecn]" }, { "E.", "[ect0]" },   { "EA.", "[ect0]" }, { "EWA.", "[ect0]" },
    };
    for (unsigned i = 0; i < NARU_ARRAY_LEN(rows); i++) {
        char script[512];
        BEGIN(ACCURATE);
        snprintf(script, sizeof(script),
                 "+0 < SEWA 0:0(0) win 65535 <mss 1460>\n"
                 "+0 > SW. 0:0(0) ack 1\n"
                 "+0 < %s 1:1(0) ack 1 win 65535\n"
                 "+0 write 10\n"
                 "+0 > %s PAE. 1:11(10) ack 1\n",
                 rows[i][0], rows[i][1]);
        tcp_play(&p, script);
        tcp_play_end(&p);
    }
}

/* 3.2.2.4: counters do not begin at zero, so somebody has cleared them. */
TEST(zeros_in_the_first_segment_end_marking)
{
    BEGIN(ACCURATE);
    tcp_play(&p, CONNECTED "+0 write 10\n"
                           "+0 > [ect0] PAE. 1:11(10) ack 1\n"
                           "+100 < . 1:1(0) ack 11 win 65535\n"
                           "+0 info ca_state -> 0\n"
                           "+0 write 10\n"
                           "+0 > [noecn] PAE. 11:21(10) ack 1\n");
    tcp_play_end(&p);
}

/* ---- The receiver (3.2.2, 3.2.3) ---- */

TEST(packets_and_bytes_are_counted)
{
    BEGIN(ACCURATE);
    tcp_play(&p, ACCEPTED "+0 < [ect0] PAE. 1:101(100) ack 1 win 65535\n"
                          "+0 > AE. 1:1(0) ack 101 <ECN e1b 1 ceb 0 e0b 101>\n"
                          "+0 < [ce] PAE. 101:201(100) ack 1 win 65535\n"
                          "+0 > WA. 1:1(0) ack 201 <ECN e1b 1 ceb 100 e0b 101>\n"
                          "+0 < [ect1] PAE. 201:301(100) ack 1 win 65535\n"
                          "+0 > WA. 1:1(0) ack 301 <ECN e1b 101 ceb 100 e0b 101>\n"
                          "+0 < [noecn] PAE. 301:401(100) ack 1 win 65535\n"
                          "+0 > WA. 1:1(0) ack 401 <ECN e1b 101 ceb 100 e0b 101>\n"
                          "+0 < [ce] AE. 401:401(0) ack 1 win 65535 # counts, but has no bytes\n"
                          "+0 write 100\n"
                          "+0 > [ect0] PEWA. 1:101(100) ack 401\n"
                          "+0 < [ce] PAE. 401:501(100) ack 101 win 65535\n"
                          "+40 > . 101:101(0) ack 501 # it goes round\n"
                          "+0 info ecn_seen -> 1\n");
    tcp_play_end(&p);
}

TEST(a_super_segment_counts_for_each)
{
    BEGIN(ACCURATE);
    tcp_play(&p, ACCEPTED "+0 super 1460 # what comes from now on stands for several\n"
                          "+0 < [ce] PAE. 1:4381(4380) ack 1 win 65535\n"
                          "+0 > . 1:1(0) ack 4381 <ECN e1b 1 ceb 4380 e0b 1> # 5 and 3\n");
    tcp_play_end(&p);
}

/* 3.2.2.5.1: two marks on data, or six on anything, are not waited with. */
TEST(marks_do_not_wait)
{
    BEGIN(ACCURATE);
    p.host.config.tcp_quickack = false;
    tcp_play(&p, ACCEPTED "+0 < [ce] PAE. 1:11(10) ack 1 win 65535\n"
                          "+1 < [ce] PAE. 11:21(10) ack 1 win 65535\n"
                          "+0 > EWA. 1:1(0) ack 21 # two\n"
                          "+0 < [ce] AE. 21:21(0) ack 1 win 65535\n"
                          "+0 < [ce] AE. 21:21(0) ack 1 win 65535\n"
                          "+0 < [ce] AE. 21:21(0) ack 1 win 65535\n"
                          "+0 < [ce] AE. 21:21(0) ack 1 win 65535\n"
                          "+0 < [ce] AE. 21:21(0) ack 1 win 65535\n"
                          "+0 < [ce] AE. 21:21(0) ack 1 win 65535\n"
                          "+0 > EA. 1:1(0) ack 21 # six\n");
    tcp_play_end(&p);
}

/* With data the option goes when a counter has moved, and the segment has so much less room. */
TEST(the_option_rides_on_data_that_has_news)
{
    BEGIN(ACCURATE);
    p.host.config.tcp_quickack = false;
    tcp_play(&p, ACCEPTED "+0 < [ect0] PAE. 1:101(100) ack 1 win 65535\n"
                          "+0 write 2920\n"
                          "+0 > [ect0] AE. 1:1449(1448) ack 101 <ECN e1b 1 ceb 0 e0b 101>\n"
                          "+0 > [ect0] AE. 1449:2909(1460) ack 101\n"
                          "+0 > [ect0] PAE. 2909:2921(12) ack 101\n");
    tcp_play_end(&p);
}

/* SACK blocks go first: what room they leave says which bytes came ECT(0), and CE. */
TEST(the_option_makes_room_for_sack)
{
    BEGIN(ACCURATE);
    p.host.config.tcp_timestamps = true;
    tcp_play(&p,
             "+0 < SEWA 0:0(0) win 65535 <mss 1460,sackOK,TS val 1 ecr 0>\n"
             "+0 > SW. 0:0(0) ack 1\n"
             "+0 < W. 1:1(0) ack 1 win 65535 <TS val 1 ecr 1000000>\n"
             "+0 < [ect0] AE. 101:201(100) ack 1 win 65535 <TS val 1 ecr 1000000>\n"
             "+0 > AE. 1:1(0) ack 1 <TS val 1000000 ecr 1,sack 101:201,ECN e1b 1 ceb 0 e0b 101>\n"
             "+0 < [ect0] AE. 301:401(100) ack 1 win 65535 <TS val 1 ecr 1000000>\n"
             "+0 > AE. 1:1(0) ack 1 <TS val 1000000 ecr 1,sack 301:401 101:201,ECN e0b 201 ceb 0>\n"
             "+0 < [ect0] AE. 501:601(100) ack 1 win 65535 <TS val 1 ecr 1000000>\n"
             "+0 > AE. 1:1(0) ack 1 <TS val 1000000 ecr 1,sack 501:601 301:401 101:201>\n");
    tcp_play_end(&p);
}

/* ---- The sender (3.2.2.5, 3.2.3.1) ---- */

TEST(a_mark_reduces_once_a_window)
{
    BEGIN(ACCURATE);
    tcp_play(&p,
             CONNECTED TEN "+100 < WA. 1:1(0) ack 1461 win 65535\n"
                           "+0 info ca_state -> 2\n"
                           "+0 info ssthresh -> 7\n"
                           "+0 info delivered_ce -> 1\n"
                           "+0 < WA. 1:1(0) ack 4381 win 65535\n"
                           "+0 info delivered_ce -> 1\n"
                           "+0 < EWA. 1:1(0) ack 8761 win 65535\n"
                           "+0 info delivered_ce -> 2\n"
                           "+0 info ssthresh -> 7\n"
                           "+0 write 1460\n"
                           "+0 > [ect0] PAE. 14601:16061(1460) ack 1 # no CWR: the flag counts\n"
                           "+100 < EWA. 1:1(0) ack 16061 win 65535\n"
                           "+0 info ca_state -> 0\n");
    tcp_play_end(&p);
}

/* The field can count seven; the option tells whether it went round. */
TEST(more_than_the_field_can_count)
{
    BEGIN(ACCURATE);
    tcp_play(&p, CONNECTED TEN "+100 < WA. 1:1(0) ack 14601 win 65535\n"
                               "+0 info delivered_ce -> 9 # of ten, one or nine: the worst\n");
    tcp_play_end(&p);
    begin(&p, NARU_ECN_MODE_ACCURATE);
    tcp_play(&p,
             CONNECTED TEN "+100 < WA. 1:1(0) ack 14601 win 65535 <ECN e0b 13141 ceb 1460 e1b 1>\n"
                           "+0 info delivered_ce -> 1\n");
    tcp_play_end(&p);
    begin(&p, NARU_ECN_MODE_ACCURATE);
    tcp_play(&p,
             CONNECTED TEN "+100 < WA. 1:1(0) ack 14601 win 65535 <ECN e1b 1 ceb 13140 e0b 1461>\n"
                           "+0 info delivered_ce -> 9\n");
    tcp_play_end(&p);
}

/* 3.2.3.2.4: an option that begins with zeros was cleared on its way, and is not looked at. */
TEST(an_option_of_zeros_is_not_believed)
{
    BEGIN(ACCURATE);
    tcp_play(&p,
             CONNECTED TEN "+100 < WA. 1:1(0) ack 1461 win 65535 <ECN e0b 0 ceb 0 e1b 0>\n"
                           "+0 < AWE. 1:1(0) ack 14601 win 65535 <ECN e0b 13141 ceb 1460 e1b 1>\n"
                           "+0 info delivered_ce -> 10 # as if there were none\n");
    tcp_play_end(&p);
}

/* An acknowledgement that was overtaken tells an old count. */
TEST(an_old_count_is_none)
{
    BEGIN(ACCURATE);
    tcp_play(&p, CONNECTED TEN "+100 < WA. 1:1(0) ack 4381 win 65535\n"
                               "+0 info delivered_ce -> 1\n"
                               "+0 < AE. 1:1(0) ack 2921 win 65535\n"
                               "+0 < AE. 1:1(0) ack 4381 win 65535\n"
                               "+0 info delivered_ce -> 1\n");
    tcp_play_end(&p);
}

TEST(what_is_sent_again_is_not_marked)
{
    BEGIN(ACCURATE);
    tcp_play(&p, CONNECTED TEN "+100 < AE. 1:1(0) ack 1 win 65535 <sack 1461:5841>\n"
                               "+0 > [noecn] AE. 1:1461(1460) ack 1\n");
    tcp_play_end(&p);
}

/* What cuts super-segments may think that CWR is CWR. */
TEST(a_field_with_cwr_in_it_stands_alone)
{
    BEGIN(ACCURATE);
    tcp_play(&p, ACCEPTED "+0 < [ce] PAE. 1:101(100) ack 1 win 65535\n"
                          "+0 > WA. 1:1(0) ack 101\n"
                          "+0 gso 65535\n"
                          "+0 write 2920\n"
                          "+0 > [ect0] WA. 1:1461(1460) ack 101\n"
                          "+0 > [ect0] PWA. 1461:2921(1460) ack 101\n");
    tcp_play_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asked_for_and_agreed),
        cmocka_unit_test(accepted),
        cmocka_unit_test(answers),
        cmocka_unit_test(requests),
        cmocka_unit_test(asked_again),
        cmocka_unit_test(answered_again),
        cmocka_unit_test(without_memory_there_is_rfc_3168_or_nothing),
        cmocka_unit_test(how_the_answer_came_is_told),
        cmocka_unit_test(how_our_answer_came_is_heard),
        cmocka_unit_test(zeros_in_the_first_segment_end_marking),
        cmocka_unit_test(packets_and_bytes_are_counted),
        cmocka_unit_test(a_super_segment_counts_for_each),
        cmocka_unit_test(marks_do_not_wait),
        cmocka_unit_test(the_option_rides_on_data_that_has_news),
        cmocka_unit_test(the_option_makes_room_for_sack),
        cmocka_unit_test(a_mark_reduces_once_a_window),
        cmocka_unit_test(more_than_the_field_can_count),
        cmocka_unit_test(an_option_of_zeros_is_not_believed),
        cmocka_unit_test(an_old_count_is_none),
        cmocka_unit_test(what_is_sent_again_is_not_marked),
        cmocka_unit_test(a_field_with_cwr_in_it_stands_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
