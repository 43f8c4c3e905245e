/*
 * naru-sim --table; see table.h.
 *
 * What is printed depends on the engine alone: it is committed as docs/goodput.md, and a test
 * compares.
 */
#include "cli/table.h"

#include "base/defs.h"
#include "lab/goodput.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    FAST_SEGMENTS = 20000, /* a cell of so many is cheap */
    SHORT_PERCENT = 33,    /* less of the bound is a failure */
};

static const uint32_t rtts_ms[] = { 1, 10, 50, 100, 300 };
static const uint32_t rates_mbit[] = { 10, 100, 1000 };
static const uint32_t losses_ppm[] = { 0, 100, 1000, 10000, 30000 };

struct table {
    bool json, fast;
    unsigned cells, stalled, lame;
    double lowest; /* share of its bound */
    naru_time silence;
};

static const char head[] =
    "# Goodput\n"
    "\n"
    "One connection over one bottleneck with one bandwidth-delay product of queue, in\n"
    "virtual time: what the receiving application reads, of what is possible, in Mbit/s.\n"
    "`naru-sim --table` writes this file, and a test compares it; the figures depend on the\n"
    "engine alone.\n"
    "\n"
    "What is possible is the lower one of what the link carries and of the response\n"
    "function of the congestion control: for NewReno MSS / RTT * sqrt(3 / 2p) (Mathis and\n"
    "others, 1997), for CUBIC the greater one of that and 1.054 * MSS / RTT * (RTT /\n"
    "p)^(3/4) (RFC 9438 5.1).  These are averages for losses at equal distances, without\n"
    "timeouts: by chance a cell is above it. Losses are of data segments.  In bursts they\n"
    "come by four on average (Gilbert and Elliott, 50 ms at most); then p is of bursts,\n"
    "since one window is reduced once.  Goodput is measured after the first quarter of the\n"
    "time.  The queue has room for four packets at least.\n"
    "\n"
    "A stall is a time without one new byte for the reader that is longer than fifteen\n"
    "times 200 ms and two round trips: four timeouts in a row.  `naru-sim --table` fails\n"
    "when a cell stalls, or has less than a third of what is possible.\n"
    "\n"
    "Where less than two thirds are had, losses are in bursts: a burst takes\n"
    "retransmissions and probes with it, and a timeout of 200 ms is long for a path of 1\n"
    "ms; or what the link carries and what losses allow are nearly the same, and each takes\n"
    "its share.\n";

static void print_json(const struct naru_goodput_cell *c, const struct naru_goodput *r)
{
    printf("{\"congestion\": \"%s\", \"losses\": \"%s\", \"rtt_ms\": %u, \"rate_mbit\": %u, "
           "\"loss_ppm\": %u, \"goodput\": %.2f, \"bound\": %.2f, \"bound_is\": \"%s\", "
           "\"silence\": %.3f, \"stall\": %.3f, \"stalled\": %s, \"segments\": %" PRIu64
           ", \"retransmits\": %" PRIu64 ", \"timeouts\": %" PRIu64 ", \"lost\": %" PRIu64
           ", \"overflowed\": %" PRIu64 "}\n",
           c->congestion == NARU_CONGESTION_RENO ? "reno" : "cubic", c->burst ? "bursts" : "chance",
           c->rtt_us / 1000, c->rate_mbit, c->loss_ppm, r->goodput, r->bound,
           r->link_bound ? "link" : "response", (double)r->silence * 1e-9, (double)r->stall * 1e-9,
           r->stalled ? "true" : "false", r->segments, r->retransmits, r->timeouts, r->lost,
           r->overflowed);
    fflush(stdout);
}

static void do_cell(struct table *t, const struct naru_goodput_cell *cell)
{
    struct naru_goodput r;
    if (t->fast && naru_goodput_cost(cell) > FAST_SEGMENTS) {
        if (!t->json)
            printf(" - |");
        return;
    }
    naru_goodput_run(cell, &r);
    double share = r.goodput / r.bound;
    t->cells++;
    t->stalled += r.stalled;
    t->lame += share * 100 < SHORT_PERCENT;
    t->lowest = share < t->lowest ? share : t->lowest;
    t->silence = NARU_MAX(t->silence, r.silence);
    if (t->json)
        print_json(cell, &r);
    else
        printf(" %.2f of %.2f (%.0f %%)%s |", r.goodput, r.bound, share * 100,
               r.stalled ? " STALL" : "");
    fflush(stdout);
}

static void do_rows(struct table *t, struct naru_goodput_cell cell)
{
    unsigned from = cell.burst ? 1 : 0;
    for (unsigned rtt = 0; rtt < NARU_ARRAY_LEN(rtts_ms); rtt++)
        for (unsigned rate = 0; rate < NARU_ARRAY_LEN(rates_mbit); rate++) {
            cell.rtt_us = rtts_ms[rtt] * 1000;
            cell.rate_mbit = rates_mbit[rate];
            if (!t->json)
                printf("| %u ms | %u |", rtts_ms[rtt], cell.rate_mbit);
            for (unsigned loss = from; loss < NARU_ARRAY_LEN(losses_ppm); loss++) {
                cell.loss_ppm = losses_ppm[loss];
                do_cell(t, &cell);
            }
            if (!t->json)
                printf("\n");
        }
}

static void do_part(struct table *t, enum naru_congestion congestion, bool burst)
{
    struct naru_goodput_cell cell = { .congestion = congestion, .burst = burst };
    if (!t->json)
        printf("\n## %s, losses %s\n\n| RTT | link |%s 0.01 %% | 0.1 %% | 1 %% | 3 %% |\n"
               "|---|---|%s---|---|---|---|\n",
               congestion == NARU_CONGESTION_RENO ? "NewReno" : "CUBIC",
               burst ? "in bursts" : "by chance", burst ? "" : " none |", burst ? "" : "---|");
    do_rows(t, cell);
}

int naru_cli_table(bool json, bool fast)
{
    struct table t = { .json = json, .fast = fast, .lowest = 1 };
    if (!json)
        fputs(head, stdout);
    for (unsigned reno = 0; reno < 2; reno++)
        for (unsigned burst = 0; burst < 2; burst++)
            do_part(&t, reno ? NARU_CONGESTION_RENO : NARU_CONGESTION_CUBIC, burst != 0);
    if (!json)
        printf("\n%u cells; the least of its bound has %.0f %%, the longest silence is %.2f s; %u "
               "stall, %u fall short.\n",
               t.cells, t.lowest * 100, (double)t.silence * 1e-9, t.stalled, t.lame);
    return t.stalled + t.lame > 0 ? 1 : 0;
}
