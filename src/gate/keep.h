/*
 * Keeps the flows of one kind that have no connection: looks them up, ends those whose time is over
 * or whose place is needed.
 */
#ifndef NARU_GATE_KEEP_H
#define NARU_GATE_KEEP_H

#include "gate/inside.h"
#include "gate/table.h"

struct naru_gate_keep {
    struct naru_gate_env *env;
    struct naru_gate_table table;
    struct naru_loop_timer timer;
    /* Closes what the flow holds and frees it; it is out of the table already. */
    void (*end)(struct naru_gate_keep *keep, struct naru_gate_entry *entry);
    void *user;
    uint64_t expired, evicted;
};

/* end and user are set by the caller before. */
void naru_gate_keep_init(struct naru_gate_keep *keep, struct naru_gate_env *env, uint32_t max,
                         const naru_time lifetime[NARU_GATE_LIVES]);
/* Ends all. */
void naru_gate_keep_deinit(struct naru_gate_keep *keep);

/* As naru_gate_table_add; if the table is full, the least recently used one goes. */
NARU_MUST_USE bool naru_gate_keep_add(struct naru_gate_keep *keep, struct naru_gate_entry *entry);
void naru_gate_keep_touch(struct naru_gate_keep *keep, struct naru_gate_entry *entry,
                          enum naru_gate_life life);

/* Takes it out and ends it. */
void naru_gate_keep_drop(struct naru_gate_keep *keep, struct naru_gate_entry *entry);

/*
 * Descriptors are short: gives one back by ending the least recently used flow.  False if there is
 * none.
 */
bool naru_gate_keep_evict(struct naru_gate_keep *keep);

#endif
