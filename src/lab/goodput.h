/*
 * Goodput of one connection over one bottleneck, in virtual time.
 *
 * A cell is a path: round trip, rate of the bottleneck, a queue of one bandwidth-delay product in
 * front of it, and losses of data segments (acknowledgements arrive), each by chance or in bursts.
 * One naru stack sends to another as fast as its congestion control lets it; goodput is what the
 * receiving application has read, counted after the first quarter of the time, so that slow start
 * is over.
 *
 * The bound is the lower one of what the link carries and of the response function of the
 * congestion control for such a rate of losses:
 *
 *   NewReno: Mathis, Semke, Mahdavi, Ott (1997): MSS / RTT * sqrt(3 / 2p), with every segment
 *            acknowledged, as byte counting does (RFC 3465).
 *   CUBIC:   RFC 9438 5.1: the greater one of that and 1.054 * MSS * (RTT / p)^(3/4) / RTT.
 *
 * p counts events of loss: a burst is one.  Both functions know neither timeouts nor slow start (so
 * Padhye's would be lower at 1 % and more), and both are averages over losses that come at equal
 * distances: a cell may be above its bound by chance, and is not a failure below it.
 */
#ifndef NARU_LAB_GOODPUT_H
#define NARU_LAB_GOODPUT_H

#include <naru/stack.h>

/*
 * Mean length of a burst, in frames.  It ends after some time, too: else it would hit the lonely
 * retransmissions of one timeout after the other.
 */
enum { NARU_GOODPUT_BURST = 4, NARU_GOODPUT_BURST_MS = 50 };

/* No byte reached the reader for as long as so many first retransmission timeouts of the path. */
enum { NARU_GOODPUT_STALL = 15 };

struct naru_goodput_cell {
    enum naru_congestion congestion;
    bool burst;      /* of Gilbert-Elliott losses; else each frame by chance */
    uint32_t rtt_us; /* of the empty path */
    uint32_t rate_mbit;
    uint32_t loss_ppm; /* of all data segments, in bursts too */
};

struct naru_goodput {
    double goodput, bound; /* Mbit/s */
    bool link_bound;       /* the link, not the losses */
    naru_time silence;     /* the longest time in which no byte came */
    naru_time stall;       /* what would be a stall here */
    bool stalled;
    uint64_t segments, retransmits, timeouts, lost, overflowed;
    const char *why; /* nothing could be measured; NULL */
};

/* About how many segments the measurement takes. */
double naru_goodput_cost(const struct naru_goodput_cell *cell);

/* The same cell gives the same result. */
void naru_goodput_run(const struct naru_goodput_cell *cell, struct naru_goodput *result);

#endif
