/*
 * An in-memory wire between an interface of one stack and an interface of another, or of the same.
 *
 * Each frame is copied once, into a packet of the receiver, as a network card does.  Super-segments
 * and partial checksums pass as they are: give both interfaces the same offload bits (all of them
 * for speed, none to have real MSS-sized frames with checksums).  If the receiver's memory is
 * exhausted, frames stay with the sender.
 */
#ifndef NARU_HOST_WIRE_H
#define NARU_HOST_WIRE_H

#include "host/loop.h"

/* Everything an in-memory wire can carry. */
#define NARU_WIRE_OFFLOAD (NARU_OFFLOAD_TX_CSUM | NARU_OFFLOAD_TX_TSO | NARU_OFFLOAD_TX_USO)

struct naru_wire_end {
    struct naru_device device;
    struct naru_wire_end *peer;
    struct naru_pkt *spare; /* of the receiver; the frame that is asked for has a place already */
    unsigned batch;
    uint64_t frames, bytes; /* taken from this end */
    uint64_t starved;       /* times the receiver had no memory */
};

/* The caller's memory; not moved while attached. */
struct naru_wire {
    struct naru_wire_end end[2];
    unsigned batch; /* frames per end and round of settling, set before attach; 0: 64 */
};

/* Joins interface ifindex_a of a's stack with ifindex_b of b's; both are in loops of one thread. */
void naru_wire_attach(struct naru_wire *wire, struct naru_attachment *a, unsigned ifindex_a,
                      struct naru_attachment *b, unsigned ifindex_b);
/* Before either stack is freed. */
void naru_wire_detach(struct naru_wire *wire);

#endif
