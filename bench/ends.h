/*
 * What the plain programs beside the benchmarks share (bare.c, ends.c): they end when something
 * fails, and read the clock on the wall, as shards.c does.
 */
#ifndef NARU_BENCH_ENDS_H
#define NARU_BENCH_ENDS_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline _Noreturn void die(const char *what)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
    exit(1);
}

/* Seconds. */
static inline double wall_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

#endif
