/*
 * A simulation: hosts on a switch, behind links that lose and delay, with applications that behave
 * and misbehave, all of it drawn from one seed and run in virtual time.
 *
 * What must come out: every byte arrives once, in order and unchanged; every connection ends; what
 * must hold between two events holds (stack/check.h); all memory returns.
 */
#ifndef NARU_LAB_SIM_H
#define NARU_LAB_SIM_H

#include <naru/trace.h>
#include <naru/types.h>

enum { NARU_SIM_HOSTS = 4 };

struct naru_sim_options {
    uint64_t seed;
    bool long_way; /* config.tcp_quick is false: nothing that can be seen may change */
    void (*trace)(void *user, const struct naru_trace_event *event); /* may be NULL */
    void *trace_user[NARU_SIM_HOSTS];
};

struct naru_sim_result {
    char why[200];   /* what went wrong; empty: nothing */
    char what[200];  /* the world that was drawn */
    uint64_t digest; /* of every frame that was sent, with its time */
    uint64_t frames, bytes;
    uint64_t retransmits, lost;
    naru_time time; /* that passed inside */
    unsigned flows, aborted;
};

/* Ends the process (naru_panic) where an invariant of the engine is broken. */
void naru_sim_run(const struct naru_sim_options *options, struct naru_sim_result *result);

#endif
