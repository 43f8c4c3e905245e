/*
 * Echo to the world: requests that guests send to addresses other than the gateway's own.
 *
 * They go out through the host's unprivileged ICMP sockets (Linux: net.ipv4.ping_group_range), one
 * per guest and identifier; the kernel gives each its own identifier, and the guest's is put back
 * into the reply.  Where the host does not allow such sockets, requests are counted and stay
 * unanswered: an answer of our own would be a lie.
 *
 * The gateway's own addresses are answered by its stack.
 *
 * Not done: ICMP errors of the path (traceroute by echo).
 */
#ifndef NARU_GATE_ICMP_H
#define NARU_GATE_ICMP_H

#include "gate/keep.h"

struct naru_gate_icmp;

struct naru_gate_icmp_side {
    struct naru_gate_handler handler; /* first */
    struct naru_gate_icmp *icmp;
    struct naru_sock *sock;
};

struct naru_gate_icmp {
    struct naru_gate_env *env;
    struct naru_gate_icmp_side side[2];
    struct naru_gate_keep keep;
};

enum naru_err naru_gate_icmp_init(struct naru_gate_icmp *icmp, struct naru_gate_env *env);
/* Also after an init that failed. */
void naru_gate_icmp_deinit(struct naru_gate_icmp *icmp);

#endif
