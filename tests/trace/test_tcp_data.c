/* Data in an open connection: RFC 9293 3.4, 3.8.6.3, 3.10.7.4; RFC 2018, 2883, 5961, 7323; Nagle.
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

TEST(in_order_data)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 < P. 1:1001(1000) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 1001\n"
                 "+0 get UNREAD -> 1000\n"
                 "+0 read 600\n"
                 "+0 peek 1000 -> 400\n"
                 "+0 read 1000 -> 400\n"
                 "+0 read 1000 -> AGAIN\n");
    tcp_play_end(&p);
}

TEST(a_young_connection_acknowledges_at_once)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 < . 1:1461(1460) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 1461\n"
                 "+0 < . 1461:2921(1460) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 2921\n");
    tcp_play_end(&p);
}

/* At once for every second one, else after 40 ms (MUST-40, SHLD-18, SHLD-19). */
TEST(later_every_second_segment)
{
    BEGIN(tcp_play_accept);
    p.host.config.tcp_quickack = false;
    tcp_play(&p, "+0 < . 1:1461(1460) ack 1 win 65535\n"
                 "+39 < . 1461:2921(1460) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 2921\n"
                 "+0 < . 2921:4381(1460) ack 1 win 65535\n"
                 "+40 > . 1:1(0) ack 4381\n"
                 "+0 < P. 4381:4391(10) ack 1 win 65535\n"
                 "+40 > . 1:1(0) ack 4391\n");
    tcp_play_end(&p);
}

/* ACKs are aggregated when possible; a batch of queued segments is processed entirely before any
 * ACK goes out (MUST-58, MUST-59). */
TEST(ten_segments_in_one_turn_are_one_acknowledgement)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 hold\n"
                 "+0 < . 1:1461(1460) ack 1 win 65535\n"
                 "+0 < . 1461:2921(1460) ack 1 win 65535\n"
                 "+0 < . 2921:4381(1460) ack 1 win 65535\n"
                 "+0 < . 4381:5841(1460) ack 1 win 65535\n"
                 "+0 < . 5841:7301(1460) ack 1 win 65535\n"
                 "+0 go\n"
                 "+0 > . 1:1(0) ack 7301\n");
    tcp_play_end(&p);
}

TEST(acknowledgement_rides_on_data)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 hold\n"
                 "+0 < P. 1:101(100) ack 1 win 65535\n"
                 "+0 write 50\n"
                 "+0 go\n"
                 "+0 > P. 1:51(50) ack 101\n");
    tcp_play_end(&p);
}

/* Kept, acknowledged at once, and read in order (SHLD-31, MAY-13). */
TEST(out_of_order_is_told_and_filled)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 < . 1461:2921(1460) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 1 <nop,nop,sack 1461:2921>\n"
                 "+0 < . 4381:5841(1460) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 1 <nop,nop,sack 4381:5841 1461:2921>\n"
                 "+0 < . 7301:8761(1460) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 1 <nop,nop,sack 7301:8761 4381:5841 1461:2921>\n"
                 "+0 < . 10221:10231(10) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 1 <nop,nop,sack 10221:10231 7301:8761 4381:5841 1461:2921>\n"
                 "+0 < . 2921:4381(1460) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 1 <nop,nop,sack 1461:5841 10221:10231 7301:8761>\n"
                 "+0 read 10 -> AGAIN\n"
                 "+0 < . 1:1461(1460) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 5841 <nop,nop,sack 10221:10231 7301:8761>\n"
                 "+0 read 10000 -> 5840\n");
    tcp_play_end(&p);
}

TEST(duplicates_are_told)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 < . 1:1001(1000) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 1001\n"
                 "+0 < . 1:1001(1000) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 1001 <nop,nop,sack 1:1001>\n"
                 "+0 ! tcp-duplicate\n"
                 "+0 < . 501:1501(1000) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 1501 <nop,nop,sack 501:1001>\n"
                 "+0 ! kept\n"
                 "+0 < . 3001:4001(1000) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 1501 <nop,nop,sack 3001:4001>\n"
                 "+0 < . 3001:4001(1000) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 1501 <nop,nop,sack 3001:4001 3001:4001>\n"
                 "+0 read 5000 -> 1500\n");
    tcp_play_end(&p);
}

TEST(overlapping_pieces)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 < . 101:201(100) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 1\n"
                 "+0 < . 301:401(100) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 1\n"
                 "+0 < . 151:351(200) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 1 <nop,nop,sack 151:201 101:401>\n"
                 "+0 < . 51:451(400) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 1 <nop,nop,sack 101:401 51:451>\n"
                 "+0 < . 1:61(60) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 451\n"
                 "+0 read 1000 -> 450\n");
    tcp_play_end(&p);
}

/* The peer shrinks its window, or sends beyond ours (B-peer-shrinks-window). */
TEST(beyond_the_window)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 < . 65536:65546(10) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 1\n"
                 "+0 ! tcp-seq-unacceptable\n"
                 "+0 < . 65530:65546(16) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 1 <nop,nop,sack 65530:65536>\n");
    tcp_play_end(&p);
}

TEST(no_ack_bit)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 < P 1:101(100) win 65535\n"
                 "+0 ! tcp-no-ack\n");
    tcp_play_end(&p);
}

TEST(ack_of_what_was_never_sent)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 < P. 1:101(100) ack 2 win 65535\n"
                 "+0 > . 1:1(0) ack 1\n"
                 "+0 ! tcp-ack-invalid\n"
                 "+0 read 100 -> AGAIN\n");
    tcp_play_end(&p);
}

/* Where that is not answered, on both ways in: nothing is said and nothing changes, and what limits
 * answers is not used up. */
TEST(ack_of_what_was_never_sent_unanswered)
{
    (void)state;
    for (int quick = 0; quick < 2; quick++) {
        struct tcp_play p;
        tcp_play_begin(&p);
        p.host.config.tcp_answer_unsent = false;
        p.host.config.tcp_quick = quick == 1;
        tcp_play(&p, "+0 < S 0:0(0) win 65535 <mss 1460,sackOK>\n"
                     "+0 > S. 0:0(0) ack 1\n"
                     "+0 < . 1:1(0) ack 1 win 65535\n"
                     "+0 < P. 1:101(100) ack 2 win 10\n"
                     "+0 ! tcp-ack-invalid\n"
                     "+0 read 100 -> AGAIN\n"
                     "+0 < . 1:1(0) ack 65537 win 10\n"
                     "+0 ! tcp-ack-invalid\n"
                     "+0 < R. 2:2(0) ack 1 win 10\n"
                     "+0 > . 1:1(0) ack 1\n" /* the first challenge, not the third */
                     "+0 write 1460\n"
                     "+0 > P. 1:1461(1460) ack 1\n"
                     "+0 < . 1:1(0) ack 1462 win 65535\n"
                     "+0 ! tcp-ack-invalid\n"
                     "+10 < F. 1:1(0) ack 1461 win 65535\n"
                     "+0 > . 1461:1461(0) ack 2\n"
                     "+0 = CLOSE-WAIT\n"
                     "+500 < . 2:2(0) ack 1462 win 65535\n"
                     "+0 > . 1461:1461(0) ack 2\n"); /* later states answer all the same */
        tcp_play_end(&p);
    }
}

/* RFC 5961 section 5 (blind data injection) ACK check may be included (MAY-12). */
TEST(ack_too_old)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 < . 1:1(0) ack 0 win 65535\n"
                 "+0 ! tcp-ack-old\n"
                 "+0 < P. 1:11(10) ack 4294900000 win 65535\n"
                 "+0 > . 1:1(0) ack 1\n"
                 "+0 ! tcp-ack-old\n");
    tcp_play_end(&p);
}

/* Options count on every segment, and old segments do not (MUST-5, C-paws-mechanism,
 * B-peer-omits-timestamps). */
TEST(old_timestamps_are_dropped)
{
    BEGIN(tcp_play_begin);
    p.host.config.tcp_timestamps = true;
    tcp_play(&p, "+0 < S 0:0(0) win 65535 <mss 1460,sackOK,TS val 1000 ecr 0>\n"
                 "+0 > S. 0:0(0) ack 1 <mss 1460,sackOK,TS val 1000000 ecr 1000>\n"
                 "+0 < . 1:1(0) ack 1 win 65535 <nop,nop,TS val 1000 ecr 1000000>\n"
                 "+0 < P. 1:11(10) ack 1 win 65535 <nop,nop,TS val 999 ecr 1000000>\n"
                 "+0 > . 1:1(0) ack 1 <nop,nop,TS val 1000000 ecr 1000>\n"
                 "+0 ! tcp-paws\n"
                 "+0 < P. 1:11(10) ack 1 win 65535 <nop,nop,TS val 1001 ecr 1000000>\n"
                 "+0 > . 1:1(0) ack 11 <nop,nop,TS val 1000000 ecr 1001>\n"
                 "+0 < P. 11:21(10) ack 1 win 65535 # a peer that forgot its timestamps\n"
                 "+0 > . 1:1(0) ack 21 <nop,nop,TS val 1000000 ecr 1001>\n");
    tcp_play_end(&p);
}

TEST(last_ack_sent_rule)
{
    BEGIN(tcp_play_begin);
    p.host.config.tcp_timestamps = true;
    p.host.config.tcp_quickack = false;
    tcp_play(&p, "+0 < S 0:0(0) win 65535 <mss 1460,sackOK,TS val 1000 ecr 0>\n"
                 "+0 > S. 0:0(0) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 65535 <nop,nop,TS val 1000 ecr 1000000>\n"
                 "+0 < P. 1:11(10) ack 1 win 65535 <nop,nop,TS val 1001 ecr 1000000>\n"
                 "+10 < P. 11:21(10) ack 1 win 65535 <nop,nop,TS val 1011 ecr 1000000>\n"
                 "+30 > . 1:1(0) ack 21 <nop,nop,TS val 1000040 ecr 1001>\n"
                 "+0 < P. 1021:1031(10) ack 1 win 65535 <nop,nop,TS val 1060 ecr 1000000>\n"
                 "+0 > . 1:1(0) ack 21 <nop,nop,TS val 1000040 ecr 1001,nop,nop,sack 1021:1031>\n");
    tcp_play_end(&p);
}

TEST(paws_forgets_after_24_days)
{
    BEGIN(tcp_play_begin);
    p.host.config.tcp_timestamps = true;
    tcp_play(&p, "+0 < S 0:0(0) win 65535 <mss 1460,sackOK,TS val 1000 ecr 0>\n"
                 "+0 > S. 0:0(0) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 65535 <nop,nop,TS val 1000 ecr 1000000>\n"
                 "+2160000000 < P. 1:11(10) ack 1 win 65535 <nop,nop,TS val 900 ecr 1000000>\n"
                 "+0 > . 1:1(0) ack 11\n");
    tcp_play_end(&p);
}

/* Full segments, and the last one pushes (MUST-61, SHLD-28). */
TEST(push_at_the_end_of_writes_and_bursts)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 write 1460\n"
                 "+0 > P. 1:1461(1460) ack 1\n"
                 "+0 < . 1:1(0) ack 1461 win 65535\n"
                 "+0 write 30000\n"
                 "+0 > . 1461:2921(1460) ack 1\n"
                 "+0 > . 2921:4381(1460) ack 1\n"
                 "+0 > . 4381:5841(1460) ack 1\n"
                 "+0 > . 5841:7301(1460) ack 1\n"
                 "+0 > . 7301:8761(1460) ack 1\n"
                 "+0 > . 8761:10221(1460) ack 1\n"
                 "+0 > . 10221:11681(1460) ack 1\n"
                 "+0 > . 11681:13141(1460) ack 1\n"
                 "+0 > . 13141:14601(1460) ack 1\n"
                 "+0 > P. 14601:16061(1460) ack 1\n");
    tcp_play_end(&p);
}

TEST(super_segments)
{
    BEGIN(tcp_play_accept);
    p.room.payload_max = 65000;
    tcp_play(&p, "+0 write 20000\n"
                 "+0 > P. 1:14601(14600) ack 1\n"
                 "+0 < . 1:1(0) ack 14601 win 65535\n"
                 "+0 > P. 14601:20001(5400) ack 1\n");
    tcp_play_end(&p);
}

/* What waited goes out in one segment (SHLD-7, SHLD-27). */
TEST(nagle_waits_for_small_ones_only)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 write 10\n"
                 "+0 > P. 1:11(10) ack 1\n"
                 "+0 write 10\n"
                 "+0 write 10\n"
                 "+0 write 1460\n"
                 "+0 > . 11:1471(1460) ack 1\n"
                 "+0 < . 1:1(0) ack 11 win 65535\n"
                 "+0 > P. 1471:1491(20) ack 1\n");
    tcp_play_end(&p);
}

/* An application can switch Nagle off per connection (MUST-17). */
TEST(nodelay)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 set NODELAY 1\n"
                 "+0 write 10\n"
                 "+0 > P. 1:11(10) ack 1\n"
                 "+0 write 10\n"
                 "+0 > P. 11:21(10) ack 1\n");
    tcp_play_end(&p);
}

TEST(nodelay_pushes_what_nagle_held)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 write 10\n"
                 "+0 > P. 1:11(10) ack 1\n"
                 "+0 write 10\n"
                 "+0 set NODELAY 1\n"
                 "+0 > P. 11:21(10) ack 1\n");
    tcp_play_end(&p);
}

/* CORK joins writes to full segments and cuts at MSS (C-cork-mss). */
TEST(cork)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 set CORK 1\n"
                 "+0 write 1000\n"
                 "+0 write 1000\n"
                 "+0 > . 1:1461(1460) ack 1\n"
                 "+100 set CORK 0\n"
                 "+0 > P. 1461:2001(540) ack 1\n");
    tcp_play_end(&p);
}

/* If the API has no PUSH, the sender must not hold data for ever (MUST-60). */
TEST(cork_holds_200_ms_at_most)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 set CORK 1\n"
                 "+0 write 1000\n"
                 "+200 > P. 1:1001(1000) ack 1\n");
    tcp_play_end(&p);
}

TEST(cork_counts_from_what_it_holds)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 set CORK 1\n"
                 "+0 write 1460\n"
                 "+0 > P. 1:1461(1460) ack 1\n"
                 "+0 < . 1:1(0) ack 1461 win 65535\n"
                 "+150 write 100\n"
                 "+200 > P. 1461:1561(100) ack 1\n");
    tcp_play_end(&p);
}

/* Segments as large as the send window allows; ACKs ride on them (C-send-window-sizes-piggyback).
 */
TEST(answers_carry_acknowledgements)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 < P. 1:101(100) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 101\n"
                 "+0 write 50\n"
                 "+0 > P. 1:51(50) ack 101\n"
                 "+10 < P. 101:201(100) ack 51 win 65535\n"
                 "+20 write 50\n" /* in time: one segment for both */
                 "+0 > P. 51:101(50) ack 201\n"
                 "+10 < P. 201:301(100) ack 101 win 65535\n"
                 "+40 > . 101:101(0) ack 301\n" /* not in time */
                 "+0 < P. 301:401(100) ack 101 win 65535\n"
                 "+0 > . 101:101(0) ack 401\n");
    tcp_play_end(&p);
}

/* Un-pushed data may be aggregated without sending (MAY-16). */
TEST(more_is_a_cork_for_one_call)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 write 100 more\n"
                 "+0 write 100\n"
                 "+0 > P. 1:201(200) ack 1\n");
    tcp_play_end(&p);
}

/* The end of a record is pushed, and joined by nothing (MAY-15). */
TEST(end_of_record)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 hold\n"
                 "+0 write 2000 eor\n"
                 "+0 write 100\n"
                 "+0 write 100 eor -> AGAIN\n"
                 "+0 go\n"
                 "+0 > . 1:1461(1460) ack 1\n"
                 "+0 > P. 1461:2001(540) ack 1\n"
                 "+0 < . 1:1(0) ack 2001 win 65535\n"
                 "+0 > P. 2001:2101(100) ack 1\n"
                 "+0 write 100 eor\n"
                 "+0 < . 1:1(0) ack 2101 win 65535\n"
                 "+0 > P. 2101:2201(100) ack 1\n");
    tcp_play_end(&p);
}

TEST(close_goes_through_the_cork)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 set CORK 1\n"
                 "+0 write 100\n"
                 "+0 close\n"
                 "+0 > FP. 1:101(100) ack 1\n");
    tcp_play_end(&p);
}

TEST(tiny_mss)
{
    BEGIN(tcp_play_begin);
    tcp_play(&p, "+0 < S 0:0(0) win 65535 <mss 1>\n"
                 "+0 > S. 0:0(0) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 65535\n"
                 "+0 write 100\n"
                 "+0 > . 1:49(48) ack 1\n"
                 "+0 > . 49:97(48) ack 1\n"
                 "+0 > P. 97:101(4) ack 1\n");
    tcp_play_end(&p);
}

TEST(maxseg)
{
    BEGIN(tcp_play_begin);
    tcp_play(&p, "+0 connect\n"
                 "+0 > S 0:0(0) <mss 1460,sackOK,nop,wscale 8>\n"
                 "+0 < S. 0:0(0) ack 1 win 65535 <mss 1460>\n"
                 "+0 > . 1:1(0) ack 1\n"
                 "+0 set MAXSEG 1000\n"
                 "+0 get MAXSEG -> 1000\n"
                 "+0 write 1500\n"
                 "+0 > . 1:1001(1000) ack 1\n"
                 "+0 > P. 1001:1501(500) ack 1\n");
    tcp_play_end(&p);
}

/* The byte before the pointer is the urgent one; user and mark know (MUST-30, MUST-32, MUST-33,
 * MUST-62). */
TEST(urgent_data)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 < PU. 1:11(10) ack 1 win 65535 urg 5\n"
                 "+0 > . 1:1(0) ack 11\n"
                 "+0 ready READ WRITE URGENT\n"
                 "+0 get AT_MARK -> 0\n"
                 "+0 read 100 -> 4\n"
                 "+0 get AT_MARK -> 1\n"
                 "+0 readoob -> 1\n"
                 "+0 readoob -> INVAL\n"
                 "+0 read 100 -> 5\n"
                 "+0 get AT_MARK -> 0\n");
    tcp_play_end(&p);
}

TEST(urgent_data_inline)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 set OOBINLINE 1\n"
                 "+0 < PU. 1:11(10) ack 1 win 65535 urg 5\n"
                 "+0 > . 1:1(0) ack 11\n"
                 "+0 readoob -> INVAL\n"
                 "+0 read 100 -> 4\n"
                 "+0 get AT_MARK -> 1\n"
                 "+0 read 100 -> 6\n");
    tcp_play_end(&p);
}

TEST(urgent_data_announced_ahead)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 < PU. 1:11(10) ack 1 win 65535 urg 15\n"
                 "+0 > . 1:1(0) ack 11\n"
                 "+0 readoob -> AGAIN\n"
                 "+0 read 100 -> 10\n"
                 "+0 < P. 11:21(10) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 21\n"
                 "+0 ready READ WRITE URGENT\n"
                 "+0 read 100 -> 4\n"
                 "+0 readoob -> 1\n"
                 "+0 read 100 -> 5\n");
    tcp_play_end(&p);
}

/* The urgent mechanism is still supported; the urgent pointer names the octet after the urgent data
 * (MUST-30, MUST-62). */
TEST(urgent_data_sent)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 write 10\n"
                 "+0 > P. 1:11(10) ack 1\n"
                 "+0 write 5 oob\n"
                 "+0 > PU. 11:16(5) ack 1 urg 5\n"
                 "+0 write 10\n"
                 "+0 < . 1:1(0) ack 16 win 65535\n"
                 "+0 > P. 16:26(10) ack 1\n");
    tcp_play_end(&p);
}

TEST(urgent_mode_with_a_closed_window)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 < . 1:1(0) ack 1 win 0\n"
                 "+0 write 5 oob\n"
                 "+200 > U. 0:0(0) ack 1 urg 6\n");
    tcp_play_end(&p);
}

/* Set per connection; one probe unanswered is no death; probes are empty (MUST-24, MUST-27,
 * MUST-29, MAY-5, SHLD-12, B-keepalive-timing). */
TEST(keepalive)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 set KEEPALIVE 1\n"
                 "+0 set KEEPIDLE 10000\n"
                 "+0 set KEEPINTVL 1000\n"
                 "+0 set KEEPCNT 3\n"
                 "+10000 > . 0:0(0) ack 1\n"
                 "+0 < . 1:1(0) ack 1 win 65535\n"
                 "+10000 > . 0:0(0) ack 1\n"
                 "+1000 > . 0:0(0) ack 1\n"
                 "+1000 > . 0:0(0) ack 1\n"
                 "+1000 > R. 1:1(0) ack 1\n"
                 "+0 = CLOSED\n"
                 "+0 error TIMEDOUT\n");
    tcp_play_end(&p);
}

/* A keep-alive goes out only when nothing is outstanding and nothing arrived for the interval
 * (MUST-26). */
TEST(keepalive_waits_for_silence)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 set KEEPALIVE 1\n"
                 "+0 set KEEPIDLE 10000\n"
                 "+5000 < P. 1:11(10) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 11\n"
                 "+9999 = ESTABLISHED\n"
                 "+1 > . 0:0(0) ack 11\n");
    tcp_play_end(&p);
}

TEST(answers_keepalives)
{
    BEGIN(tcp_play_accept);
    tcp_play(&p, "+0 < . 0:0(0) ack 1 win 65535\n"
                 "+0 > . 1:1(0) ack 1\n"
                 "+500 < . 0:1(1) ack 1 win 65535 # with a byte of garbage\n"
                 "+0 > . 1:1(0) ack 1\n"
                 "+0 read 10 -> AGAIN\n");
    tcp_play_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order_data),
        cmocka_unit_test(a_young_connection_acknowledges_at_once),
        cmocka_unit_test(later_every_second_segment),
        cmocka_unit_test(ten_segments_in_one_turn_are_one_acknowledgement),
        cmocka_unit_test(acknowledgement_rides_on_data),
        cmocka_unit_test(out_of_order_is_told_and_filled),
        cmocka_unit_test(duplicates_are_told),
        cmocka_unit_test(overlapping_pieces),
        cmocka_unit_test(beyond_the_window),
        cmocka_unit_test(no_ack_bit),
        cmocka_unit_test(ack_of_what_was_never_sent),
        cmocka_unit_test(ack_of_what_was_never_sent_unanswered),
        cmocka_unit_test(ack_too_old),
        cmocka_unit_test(old_timestamps_are_dropped),
        cmocka_unit_test(last_ack_sent_rule),
        cmocka_unit_test(paws_forgets_after_24_days),
        cmocka_unit_test(push_at_the_end_of_writes_and_bursts),
        cmocka_unit_test(super_segments),
        cmocka_unit_test(nagle_waits_for_small_ones_only),
        cmocka_unit_test(nodelay),
        cmocka_unit_test(nodelay_pushes_what_nagle_held),
        cmocka_unit_test(cork),
        cmocka_unit_test(cork_holds_200_ms_at_most),
        cmocka_unit_test(cork_counts_from_what_it_holds),
        cmocka_unit_test(answers_carry_acknowledgements),
        cmocka_unit_test(more_is_a_cork_for_one_call),
        cmocka_unit_test(end_of_record),
        cmocka_unit_test(close_goes_through_the_cork),
        cmocka_unit_test(tiny_mss),
        cmocka_unit_test(maxseg),
        cmocka_unit_test(urgent_data),
        cmocka_unit_test(urgent_data_inline),
        cmocka_unit_test(urgent_data_announced_ahead),
        cmocka_unit_test(urgent_data_sent),
        cmocka_unit_test(urgent_mode_with_a_closed_window),
        cmocka_unit_test(keepalive),
        cmocka_unit_test(keepalive_waits_for_silence),
        cmocka_unit_test(answers_keepalives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
