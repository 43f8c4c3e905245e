/*
 * The loop's timers: a pairing heap through the timers themselves, so that setting one never needs
 * memory.  Set is O(1), stop and fire O(log n) amortised.
 */
#ifndef NARU_HOST_TIMERS_H
#define NARU_HOST_TIMERS_H

#include "host/loop.h"

/* The timer is in no heap.  Both return the new root. */
struct naru_loop_timer *naru_timers_add(struct naru_loop_timer *root,
                                        struct naru_loop_timer *timer);
/* The timer is in this heap. */
struct naru_loop_timer *naru_timers_remove(struct naru_loop_timer *root,
                                           struct naru_loop_timer *timer);

#endif
