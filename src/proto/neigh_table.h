/*
 * What the two halves of the neighbour machine know of one another; nobody else includes this.
 */
#ifndef NARU_PROTO_NEIGH_TABLE_H
#define NARU_PROTO_NEIGH_TABLE_H

#include "proto/neigh.h"

#define NARU_NEIGH_REDRAW NARU_SEC(7200)

/* The entry, or NULL. */
struct naru_neigh *naru_neigh_entry(const struct naru_neigh_table *t, unsigned ifindex,
                                    const struct naru_addr *addr);

/*
 * A new entry in state FREE, or NULL.  wanted: somebody here asked for it, and more may go to make
 * room for it.
 */
struct naru_neigh *naru_neigh_make(struct naru_neigh_table *t, unsigned ifindex,
                                   const struct naru_addr *addr, bool wanted);

/* e is no more; packets that waited become evicted ones. */
void naru_neigh_release(struct naru_neigh_table *t, struct naru_neigh *e);
void naru_neigh_evict_incomplete(struct naru_neigh_table *t);

struct naru_pkt *naru_neigh_take_queue(struct naru_neigh_table *t, struct naru_neigh *e);

/* The one place where a state changes. */
void naru_neigh_enter(struct naru_neigh_table *t, struct naru_neigh *e, enum naru_neigh_state state,
                      naru_time now);

#endif
