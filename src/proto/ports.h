/*
 * Ephemeral ports: the double-hash algorithm of RFC 6056 3.3.4.
 *
 * Candidates for a destination run through the range from a keyed, secret place, so that they are
 * hard to guess from elsewhere and the same port does not come back soon; a free one is
 * normally the first.  The caller knows which are taken:
 *
 *     struct naru_ports_walk walk;
 *     naru_ports_begin(&ports, &walk, &local, &remote);
 *     while ((port = naru_ports_next(&walk)) != 0)
 *         if (is free) {
 *             naru_ports_took(&ports, &walk);
 *             break;
 *         }
 */
#ifndef NARU_PROTO_PORTS_H
#define NARU_PROTO_PORTS_H

#include "base/rand.h"
#include "base/siphash.h"
#include <naru/types.h>

enum { NARU_PORTS_COUNTERS = 1024 };

struct naru_ports {
    struct naru_siphash_key key;
    uint16_t min, max;
    uint16_t last_port; /* who was asked for last, as mostly; 0 while nobody was ... */
    struct naru_addr last_local, last_remote;
    uint64_t last_hash; /* ... and the hash of that */
    uint32_t counter[NARU_PORTS_COUNTERS];
};

struct naru_ports_walk {
    uint32_t start; /* offset into the range */
    uint32_t tried, count;
    uint16_t min;
    uint16_t index; /* of the counter */
};

/* 1 <= min <= max.  rand only for the call. */
void naru_ports_init(struct naru_ports *ports, struct naru_rand *rand, uint16_t min, uint16_t max);

/* local->port is not looked at.  remote all zero: no destination yet (bind to port 0). */
void naru_ports_begin(struct naru_ports *ports, struct naru_ports_walk *walk,
                      const struct naru_endpoint *local, const struct naru_endpoint *remote);

/* The next candidate, or 0: all were tried. */
uint16_t naru_ports_next(struct naru_ports_walk *walk);

/* The last candidate was taken. */
void naru_ports_took(struct naru_ports *ports, const struct naru_ports_walk *walk);

#endif
