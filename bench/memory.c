/*
 * What each kind of object costs in memory.
 */
#include "bench.h"

void bench_memory(void) {}
