/*
 * What connections to a destination have learned of its path, for the next one: RFC 9040 (temporal
 * sharing), as Linux's tcp_metrics: round-trip time and its variance, by how much the path
 * reorders, ssthresh.
 *
 * Bounded; an entry lives for an hour after the last connection that told something, and the one
 * that was told of longest ago makes room.  Hashed with a key, so that nobody can make many meet.
 */
#ifndef NARU_PROTO_METRICS_H
#define NARU_PROTO_METRICS_H

#include "base/list.h"
#include "base/pool.h"
#include "base/rand.h"
#include "base/siphash.h"
#include "base/table.h"
#include <naru/types.h>

#define NARU_METRICS_AGE NARU_SEC(3600)

struct naru_metrics_values {
    uint32_t rtt, rttvar; /* microseconds; 0: not known */
    uint32_t ssthresh;    /* bytes; 0: not known */
    uint32_t reordering;  /* segments; 0: not known */
};

struct naru_metrics {
    uint32_t count_max; /* 0: nothing is kept */
    struct naru_siphash_key key;
    struct naru_table table;
    struct naru_pool pool;
    struct naru_list by_age; /* told of longest ago first */
};

/* rand only for the call. */
void naru_metrics_init(struct naru_metrics *m, struct naru_mem *mem, struct naru_rand *rand,
                       uint32_t entries_max);
void naru_metrics_deinit(struct naru_metrics *m);

/* A connection to dst has ended and knew this.  A longer round trip counts at once, a shorter one
 * by an eighth. */
void naru_metrics_note(struct naru_metrics *m, const struct naru_addr *dst,
                       const struct naru_metrics_values *values, naru_time now);

/* False: nothing is known. */
bool naru_metrics_find(const struct naru_metrics *m, const struct naru_addr *dst, naru_time now,
                       struct naru_metrics_values *values);

#endif
