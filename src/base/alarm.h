/*
 * Which of several that do not know each other wants to be called first: one instant, which each
 * makes earlier when it sets one of its own, so that their owner need not ask them all.
 *
 * Nobody makes it later.  So it is never later than the first of theirs, but it may be earlier,
 * where that one was put off since: when it comes, the owner asks them all, and sets it anew.
 */
#ifndef NARU_BASE_ALARM_H
#define NARU_BASE_ALARM_H

#include "base/defs.h"
#include <naru/types.h>

struct naru_alarm {
    naru_time at; /* NARU_NEVER: nobody wants to be called */
};

/* The caller wants to be called at that instant.  a NULL: nobody asks. */
NARU_INLINE void naru_alarm_by(struct naru_alarm *a, naru_time at)
{
    if (a != NULL && at < a->at)
        a->at = at;
}

#endif
