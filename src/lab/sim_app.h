/*
 * The applications of a simulation: two ends of one connection, each with its own way of writing,
 * reading and ending.
 */
#ifndef NARU_LAB_SIM_APP_H
#define NARU_LAB_SIM_APP_H

#include "base/rand.h"
#include <naru/naru.h>

struct naru_sim_end {
    struct naru_sock *sock; /* NULL: not yet, or closed */
    unsigned flow, side;    /* what bytes it sends */

    uint32_t total, write_size;
    naru_time write_pause;
    uint32_t read_size;
    naru_time read_pause;
    uint32_t stop_at; /* stops reading here ... */
    naru_time stop_for;
    uint32_t abort_at; /* bytes moved, either way; UINT32_MAX: never */
    bool close_early;  /* ... and closes then instead of aborting */
    bool half_close;   /* shuts its side as soon as all is sent */

    uint32_t sent, received;
    naru_time write_again, read_again;
    bool asks, shut, eof, done, gave_up;
    enum naru_err error;
};

/* How an end behaves, drawn from r. */
void naru_sim_end_draw(struct naru_sim_end *end, struct naru_rand *r, unsigned flow, unsigned side);

/*
 * Does what can be done now; peer_total is what is to come.  NULL, or what was wrong with what
 * came.
 */
const char *naru_sim_end_step(struct naru_sim_end *end, uint32_t peer_total, naru_time now);

/* When, after now, it wants to do something without having been told anything; NARU_NEVER. */
naru_time naru_sim_end_deadline(const struct naru_sim_end *end, naru_time now);

#endif
