/* The clocks of a POSIX host; see clock.h. */
#include "host/clock.h"

#include <time.h>

static int64_t clock_read(clockid_t id)
{
    struct timespec ts = { 0 };

    clock_gettime(id, &ts); /* Cannot fail for these clocks. */
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

naru_time naru_clock_now(void) { return clock_read(CLOCK_MONOTONIC); }

int64_t naru_clock_wall_offset(void)
{
    return clock_read(CLOCK_REALTIME) - clock_read(CLOCK_MONOTONIC);
}
