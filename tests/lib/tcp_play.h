/*
 * Plays one TCP connection against a script, in virtual time.
 *
 *     +0   < S 0:0(0) win 65535 <mss 1460,sackOK>    a segment to us
 *     +0   > S. 0:0(0) ack 1 <mss 1460,sackOK>       a segment from us, at exactly that moment
 *     +0   < . 1:1(0) ack 1 win 65535
 *     +0   = ESTABLISHED                             the state
 *     +0   ! kept                                    what became of the last segment (drop.def)
 *     +40  write 1000                                a call of the user, and what it must return
 *
 * Times are milliseconds since the line before.  Sequence numbers count from each side's ISS; both
 * ISSs are 0xfffffffe, so that every trace crosses the wrap.  Of a segment from us only what the
 * line names is compared, flags, numbers and length always.  Silence is a line too: a segment that
 * no line expects is a failure.  "#" begins a comment.  [ect0], [ect1], [ce] or [noecn] in front of
 * the flags is the codepoint of the IP header: noecn if nothing is said of a segment to us, and not
 * compared if nothing is said of one from us.
 *
 * Calls: write N [more|oob] [-> N|AGAIN|PIPE..]; read N [-> N|..]; readoob -> N|..; close; abort;
 * shutdown rd|wr|rdwr; set OPTION VALUE; get OPTION -> VALUE; ready [READ|WRITE|..]; error NAME;
 * pmtu MSS; icmp NAME [hard]; connect; hold and go (several segments in one turn); gso BYTES;
 * super BYTES; info FIELD -> VALUE.
 */
#ifndef NARU_TESTS_TCP_PLAY_H
#define NARU_TESTS_TCP_PLAY_H

#include "lib/tcp_host.h"

#define TCP_PLAY_QUEUE 64
#define TCP_PLAY_ISS   0xfffffffeu

/* The first window: ten segments; and that everything was written then. */
#define TCP_PLAY_TEN_SEGMENTS          \
    "+0 > . 1:1461(1460) ack 1\n"      \
    "+0 > . 1461:2921(1460) ack 1\n"   \
    "+0 > . 2921:4381(1460) ack 1\n"   \
    "+0 > . 4381:5841(1460) ack 1\n"   \
    "+0 > . 5841:7301(1460) ack 1\n"   \
    "+0 > . 7301:8761(1460) ack 1\n"   \
    "+0 > . 8761:10221(1460) ack 1\n"  \
    "+0 > . 10221:11681(1460) ack 1\n" \
    "+0 > . 11681:13141(1460) ack 1\n" \
    "+0 > P. 13141:14601(1460) ack 1\n"
#define TCP_PLAY_TEN "+0 write 14600\n" TCP_PLAY_TEN_SEGMENTS

struct tcp_play_out {
    naru_time at;
    struct naru_tcp_hdr hdr;
    uint32_t len;
    uint16_t gso_size;
    bool matched;
};

struct tcp_play {
    struct tcp_host host;
    struct naru_tcp c;
    struct naru_tcp_room room;
    bool open;  /* c is initialized */
    bool defer; /* a SYN waits for "answer" */
    bool held;
    uint16_t super; /* longer segments to us are super-segments of so many bytes each */
    naru_time now;
    enum naru_drop drop;
    struct tcp_play_out out[TCP_PLAY_QUEUE];
    unsigned first, count;
    uint64_t written, read;
    const char *script, *line; /* what is being played */
};

/* CLOSED, timestamps off; change p->host.config before the first line. */
void tcp_play_begin(struct tcp_play *p);
void tcp_play(struct tcp_play *p, const char *script);
/* Nothing may be left unsaid; everything is given back. */
void tcp_play_end(struct tcp_play *p);

/* Handshakes done: by a SYN from the peer, or by one of ours; window 65535, MSS 1460, SACK. */
void tcp_play_accept(struct tcp_play *p);
void tcp_play_connect(struct tcp_play *p);
void tcp_play_accept_far(struct tcp_play *p); /* 100 ms away: RTO 300, min_rtt/4 25 */

#endif
