/*
 * Whether to wait with open eyes: to ask again and again for a moment before sleeping.
 *
 * A sleeper that is woken from another processor pays some microseconds for it, and so does who
 * wakes it; where a request and its answer pass through us again and again, that is most of their
 * time.  So while waits are short, looking on is better than sleeping; once they are not, the
 * processor belongs to others.  A wait that was short is worth one point, a long one takes several
 * away, and only who has enough of them looks on: an idle loop does so once, and then sleeps.
 *
 * Pure arithmetic: the loop measures, and this decides.
 */
#ifndef NARU_HOST_SPIN_H
#define NARU_HOST_SPIN_H

#include <naru/types.h>

struct naru_spin {
    naru_time window; /* no longer than that in one wait; 0: never at all */
    int points;       /* below zero: others wanted the processor, and it takes a while to forget */
    int crowded;      /* points it costs when they do */
};

/* At the beginning nothing is known, and nothing is looked for. */
void naru_spin_init(struct naru_spin *spin, naru_time window);

/* The next wait should begin with open eyes. */
bool naru_spin_pays(const struct naru_spin *spin);

/* A wait is over that took so long (NARU_NEVER: nothing but a deadline ended it). */
void naru_spin_waited(struct naru_spin *spin, naru_time took);

/* While we looked on, another program had the processor: it has better use for it. */
void naru_spin_crowded(struct naru_spin *spin);

#endif
