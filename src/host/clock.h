/*
 * The clocks of a POSIX host.  The engine is handed its time; this is where it comes from.
 */
#ifndef NARU_HOST_CLOCK_H
#define NARU_HOST_CLOCK_H

#include <naru/types.h>

/* CLOCK_MONOTONIC in nanoseconds. */
naru_time naru_clock_now(void);

/* What to add to naru_clock_now() to get nanoseconds since 1970, as it is at this moment. */
int64_t naru_clock_wall_offset(void);

#endif
