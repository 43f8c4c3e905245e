/*
 * The world of the frame fuzzer: one stack, sockets in every condition, and a peer that can say
 * anything.
 *
 * The peer (10.0.0.2, fd00::2) is not a stack.  It keeps, for each of a few flows, what a real peer
 * would send next, so that a fuzzer can speak near the truth: a segment one byte off the window is
 * worth more than a million with wrong checksums.  Deterministic: fixed seed, virtual time.
 */
#ifndef NARU_FUZZ_WORLD_H
#define NARU_FUZZ_WORLD_H

#include <naru/naru.h>

#define WORLD_FLOWS     8
#define WORLD_SOCKS     24
#define WORLD_FRAME_MAX 2048

/* A TCP connection as the peer sees it. */
struct world_flow {
    enum naru_family family;
    uint16_t peer_port, port; /* of the peer, of the stack (0: not known yet) */
    uint32_t seq;             /* the peer's next sequence number */
    uint32_t ack;             /* what the peer has seen of the stack's */
};

/* One segment for world_segment; seq and ack are absolute. */
struct world_segment {
    uint8_t flags;
    uint32_t seq, ack;
    uint16_t window, urgent;
    const uint8_t *option;
    size_t option_len; /* padded with zeros to a multiple of 4, at most 40 */
    const uint8_t *payload;
    size_t payload_len;
};

struct world {
    struct naru_stack *stack;
    unsigned ifindex;
    naru_time now;
    struct naru_sock *sock[WORLD_SOCKS]; /* NULL: free */
    struct world_flow flow[WORLD_FLOWS];
    uint64_t allocated;      /* bytes the stack holds */
    unsigned allocs_to_fail; /* so many next allocations return NULL */
};

#define WORLD_FIN 0x01
#define WORLD_SYN 0x02
#define WORLD_RST 0x04
#define WORLD_PSH 0x08
#define WORLD_ACK 0x10
#define WORLD_URG 0x20

/* A stack with two addresses, listeners, UDP and ping sockets, and flows in several states. */
void world_init(struct world *w);
/* Ends everything; aborts if memory was lost. */
void world_deinit(struct world *w);

/* A frame as it is. */
void world_frame(struct world *w, const uint8_t *frame, size_t len);
/* The same with its checksums made right, as far as its lengths allow. */
void world_frame_repaired(struct world *w, const uint8_t *frame, size_t len);
/* A segment of a flow, checksums right. */
void world_segment(struct world *w, const struct world_flow *flow, const struct world_segment *s);
/* Time passes, and the stack is told. */
void world_wait(struct world *w, naru_time interval);
/* Takes all frames and events, and learns from them where the flows are. */
void world_settle(struct world *w);
/* A place for a socket; NULL when all are taken. */
struct naru_sock **world_free_sock(struct world *w);

#endif
