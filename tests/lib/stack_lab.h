/*
 * A few stacks in virtual time, joined by wires, for tests: everything is deterministic and
 * instant.
 *
 * Memory is counted; lab_end asserts that all of it came home.  Allocations can be made to fail.
 */
#ifndef NARU_TESTS_STACK_LAB_H
#define NARU_TESTS_STACK_LAB_H

#include <naru/naru.h>

enum { LAB_STACKS = 3, LAB_WIRES = 3, LAB_DELAYED = 4096 };

struct lab;

struct lab_wire {
    int end[2]; /* stack numbers */
    unsigned ifindex[2];
    naru_time delay;
    unsigned loss_percent;
    /* Not NULL: may change or swallow (false) each frame before it travels. */
    bool (*filter)(struct lab *lab, int from, uint8_t *frame, size_t *len);
};

struct lab_frame {
    uint8_t *data;
    size_t len;
    struct naru_offload offload;
    naru_time due;
    int wire, to;
};

/* What one stack has asked for: the sizes it named. */
struct lab_memory {
    struct lab *lab;
    size_t allocated, peak;
};

struct lab {
    naru_time now;
    struct naru_stack *stack[LAB_STACKS];
    unsigned ifindex[LAB_STACKS];
    struct naru_addr v4[LAB_STACKS], v6[LAB_STACKS];
    unsigned stack_count, wire_count;
    struct lab_wire wire[LAB_WIRES];
    struct lab_frame flying[LAB_DELAYED];
    unsigned flying_count;
    uint64_t frames, bytes;
    uint64_t digest; /* FNV-1a of every frame, its time and its direction */
    uint32_t random;
    struct lab_memory memory[LAB_STACKS];
    size_t allocated;     /* bytes not given back, of all stacks */
    uint64_t allocations; /* how many were asked for */
    uint64_t fail_at;     /* the allocation of that number fails; 0: none */
    bool fail_after;      /* and all later ones */
    void *user;
};

struct lab_options {
    uint32_t mtu; /* 0: 1500 */
    uint32_t offload;
    uint8_t seed;
    bool dad, autoconf, temporary, accept_any;
    naru_time delay;
    unsigned loss_percent;
    void (*tune)(struct naru_config *config);
};

/* For lab_options.tune: without the short ways, which are to be the same. */
void lab_long_way(struct naru_config *config);

/* Two hosts, 10.0.0.1 and .2, fd00::1 and ::2, on one wire.  False: an allocation failed. */
bool lab_pair(struct lab *lab, const struct lab_options *options);
/* Everything is freed; asserts that nothing is left. */
void lab_end(struct lab *lab);

/* Frames move and timers fire until nothing happens before `until` any more; time is then until. */
void lab_run(struct lab *lab, naru_time until);
/* ... until cond holds; false if it does not before `until`. */
bool lab_until(struct lab *lab, naru_time until, bool (*cond)(struct lab *lab, void *arg),
               void *arg);

/* A frame from outside for stack n. */
void lab_inject(struct lab *lab, int n, const void *frame, size_t len);
/* The next frame that stack n wants to send, copied to buf; 0: none.  It goes nowhere else. */
size_t lab_take(struct lab *lab, int n, uint8_t *buf, size_t size);

/* A listener on stack n; NULL if there is no memory. */
struct naru_sock *lab_listen(struct lab *lab, int n, enum naru_family family, uint16_t port);
/* A connection begun from stack n to stack `to`. */
struct naru_sock *lab_connect(struct lab *lab, int n, int to, enum naru_family family,
                              uint16_t port);
/* A UDP socket bound to that port of stack n. */
struct naru_sock *lab_udp(struct lab *lab, int n, enum naru_family family, uint16_t port);
/* Accepts one connection, running the lab for at most ten seconds; NULL if none came. */
struct naru_sock *lab_accept(struct lab *lab, struct naru_sock *listener);
/* Both ends of an established connection. */
bool lab_established(struct lab *lab, enum naru_family family, uint16_t port,
                     struct naru_sock **client, struct naru_sock **server);

enum naru_tcp_state lab_state(struct naru_sock *sock);

/* Sends total bytes of the generator from one end and checks each at the other; true if all came.
 */
bool lab_transfer(struct lab *lab, struct naru_sock *from, struct naru_sock *to, uint64_t total,
                  naru_time until);

#endif
