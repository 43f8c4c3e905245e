/*
 * Goodput over single bottlenecks (lab/goodput.h) where stacks are known to stall: round trips that
 * are far below every timer, and shapers whose queue holds a few packets.
 *
 * The whole table is tests/sim/goodput.py's business.
 */
#include "base/defs.h"
#include "lab/goodput.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

struct row {
    struct naru_goodput_cell cell;
    unsigned percent;  /* of the bound, at least */
    unsigned timeouts; /* at most */
};

static void check(const struct row *row)
{
    struct naru_goodput r;
    naru_goodput_run(&row->cell, &r);
    assert_null(r.why);
    bool good =
        !r.stalled && r.goodput * 100 >= row->percent * r.bound && r.timeouts <= row->timeouts;
    if (!good)
        fail_msg("%u us, %u Mbit/s, loss %u ppm%s: %.2f of %.2f Mbit/s, %u timeouts, silent for "
                 "%.3f s",
                 row->cell.rtt_us, row->cell.rate_mbit, row->cell.loss_ppm,
                 row->cell.burst ? " in bursts" : "", r.goodput, r.bound, (unsigned)r.timeouts,
                 (double)r.silence * 1e-9);
}

static void check_both(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < 2 * count; i++) {
        struct row row = rows[i / 2];
        row.cell.congestion = i % 2 == 0 ? NARU_CONGESTION_CUBIC : NARU_CONGESTION_RENO;
        check(&row);
    }
}

/* No stall of RACK and RTO at tiny round trips (B-rto-stalls). */
static void tiny_round_trips(void **state)
{
    static const struct row rows[] = {
        { { .rtt_us = 20, .rate_mbit = 100 }, 95, 0 },
        { { .rtt_us = 100, .rate_mbit = 100 }, 95, 0 },
        { { .rtt_us = 100, .rate_mbit = 100, .loss_ppm = 1000 }, 90, 2 },
        { { .rtt_us = 500, .rate_mbit = 100, .loss_ppm = 1000 }, 90, 2 },
        { { .rtt_us = 500, .rate_mbit = 100, .loss_ppm = 10000 }, 80, 10 },
    };
    (void)state;
    check_both(rows, NARU_ARRAY_LEN(rows));
}

/* ... and behind shapers, whose queue makes most of the round trip (B-rto-stalls). */
static void shapers(void **state)
{
    static const struct row rows[] = {
        { { .rtt_us = 100, .rate_mbit = 1 }, 90, 0 },
        { { .rtt_us = 1000, .rate_mbit = 1 }, 90, 0 },
        { { .rtt_us = 10000, .rate_mbit = 1, .loss_ppm = 10000 }, 80, 10 },
        { { .rtt_us = 1000, .rate_mbit = 10, .loss_ppm = 10000 }, 80, 10 },
        { { .rtt_us = 20000, .rate_mbit = 10, .loss_ppm = 10000, .burst = true }, 60, 10 },
    };
    (void)state;
    check_both(rows, NARU_ARRAY_LEN(rows));
}

/* A queue that loses every second segment of a window: no timeout follows, and the link is full. */
static void overrun_queue(void **state)
{
    static const struct row rows[] = {
        { { .rtt_us = 100000, .rate_mbit = 50 }, 95, 0 },
        { { .rtt_us = 300000, .rate_mbit = 20 }, 95, 0 },
    };
    (void)state;
    check_both(rows, NARU_ARRAY_LEN(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiny_round_trips),
        cmocka_unit_test(shapers),
        cmocka_unit_test(overrun_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
