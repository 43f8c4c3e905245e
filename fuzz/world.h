/*
 * The world of the frame fuzzer: one stack, sockets in every condition, and a peer that can say
 * anything.
 *
 * The peer (10.0.0.2, fd00::2, fe80::2) is not a stack.  It keeps, for each of a few flows, what a
 * real peer would send next, so that a fuzzer can speak near the truth: a segment one byte off the
 * window is worth more than a million with wrong checksums.  Interface 0 is a plain Ethernet with
 * static addresses and VLAN 7 upon it, interface 1 one that configures itself (DAD, SLAAC).
 * Deterministic: fixed seed, virtual time.
 */
#ifndef NARU_FUZZ_WORLD_H
#define NARU_FUZZ_WORLD_H

#include "lib/craft.h"
#include <naru/naru.h>

enum {
    WORLD_FLOWS = 8,
    WORLD_SOCKS = 32,
    WORLD_IFACES = 2,
    WORLD_FRAME_MAX = 2048,
    WORLD_MEMORY = 4 << 20,
};

/* A TCP connection as the peer sees it. */
struct world_flow {
    enum naru_family family;
    uint16_t peer_port, port; /* of the peer, of the stack (0: not known yet) */
    uint32_t seq;             /* the peer's next sequence number */
    uint32_t ack;             /* what the peer has seen of the stack's */
};

struct world {
    struct naru_stack *stack;
    unsigned ifindex[WORLD_IFACES];
    unsigned vlan; /* ifindex of VLAN 7 upon the first */
    naru_time now;
    struct naru_sock *sock[WORLD_SOCKS]; /* NULL: free */
    struct world_flow flow[WORLD_FLOWS];
    uint8_t tos;             /* of the peer's segments: their marks, too */
    uint64_t allocated;      /* bytes the stack holds */
    unsigned allocs_to_fail; /* so many next allocations return NULL */
};

/* Who can be at either end of a message of the peer's. */
enum world_name {
    WORLD_PEER,
    WORLD_STACK,
    WORLD_LINK_LOCAL, /* fe80::2, or 169.254.0.2 */
    WORLD_NOBODY,     /* the unspecified address */
    WORLD_ALL,        /* ff02::1, or the limited broadcast */
    WORLD_GROUP,      /* the group that a socket has joined */
    WORLD_OWN_LINK_LOCAL,
    WORLD_STRANGER, /* off link */
    WORLD_NAMES,
};

/* A stack with its interfaces, listeners, UDP and ping sockets, and flows in several states. */
void world_init(struct world *w);
/* Ends everything; aborts if memory was lost. */
void world_deinit(struct world *w);

/* A frame as it is, to interface n. */
void world_frame(struct world *w, unsigned n, const uint8_t *frame, size_t len);
/* Who speaks to whom on interface n. */
struct craft_ends world_ends(unsigned n, enum naru_family family, enum world_name from,
                             enum world_name to);
/* A segment of a flow, ports and checksums right. */
void world_segment(struct world *w, const struct world_flow *flow, struct craft_segment *s);
/* Time passes, and the stack is told. */
void world_wait(struct world *w, naru_time interval);
/* Takes all frames and events, and learns from them where the flows are. */
void world_settle(struct world *w);
/* What must hold between two acts; aborts if it does not. */
void world_check(struct world *w);
/* A place for a socket; NULL when all are taken. */
struct naru_sock **world_free_sock(struct world *w);

#endif
