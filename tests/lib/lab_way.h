/*
 * The way from one stack of a lab to the other changes, by chance: for tests that play the same
 * world by the short ways and by the long one.
 */
#ifndef NARU_TESTS_LAB_WAY_H
#define NARU_TESTS_LAB_WAY_H

#include "base/rand.h"
#include "lib/stack_lab.h"

/* How often what happens: the first five are weights, the others one in so many. */
struct lab_way_odds {
    uint32_t route_added, route_removed;
    uint32_t neighbour; /* is told to the stack */
    uint32_t interface; /* goes up or down */
    uint32_t router;    /* says how far packets go */
    uint32_t stranger;  /* the neighbour is somebody whom nobody hears */
    uint32_t down;      /* the interface has gone down */
    bool beyond;        /* the route leads past the other stack, with its own MTU or not; else to
                           it, with its own MTU */
};

/* One such change for stack n; what the stack said to it. */
int64_t lab_change_way(struct lab *lab, int n, bool v6, const struct lab_way_odds *odds,
                       struct naru_rand *rand);

#endif
