/*
 * TCP flows: any address and port that a guest connects to, through a connection of the host.
 *
 *     CONNECTING  the guest's SYN waits, unanswered; the host's connect is under way
 *     ANSWERED    the host is connected, the SYN is answered; the guest's ACK is awaited
 *     OPEN        both are connected: the relay works (relay.h)
 *
 * The guest learns what the host learned: a refused connection is a RST, an unreachable one the
 * ICMP error for it, and nothing is answered when the host itself is short of something, so that
 * the guest tries again.  Once OPEN, a reset of either side becomes a reset of the other.
 *
 * Limits: at tcp_flows_max no connection is accepted until a flow ends; after a shortage of
 * descriptors or memory none is for a moment.  The stack's backlog then fills, and further SYNs
 * get no answer.
 */
#ifndef NARU_GATE_TCP_H
#define NARU_GATE_TCP_H

#include "base/list.h"
#include "gate/inside.h"

struct naru_gate_tcp;

struct naru_gate_listener {
    struct naru_gate_handler handler; /* first */
    struct naru_gate_tcp *tcp;
    struct naru_sock *sock; /* NULL: that family is off */
};

/* The host's sockets, made while there is nothing else to do. */
#define NARU_GATE_STOCK 2
struct naru_gate_stock {
    bool wanted; /* that family is in use */
    unsigned count;
    int fd[NARU_GATE_STOCK];
};

struct naru_gate_tcp {
    struct naru_gate_env *env;
    struct naru_gate_listener listener[2];
    struct naru_list flows;
    struct naru_list work; /* flows that used up their share of a turn */
    struct naru_loop_timer work_timer;
    struct naru_loop_timer pause;    /* runs after a shortage: nothing is accepted */
    struct naru_gate_stock stock[2]; /* by family, IPv4 first */
    struct naru_loop_idle idle;
};

enum naru_err naru_gate_tcp_init(struct naru_gate_tcp *tcp, struct naru_gate_env *env);
/*
 * Also after an init that failed.  Descriptors are closed, or reset where the guest had not ended;
 * the stack's sockets go with the stack.
 */
void naru_gate_tcp_deinit(struct naru_gate_tcp *tcp);

uint64_t naru_gate_tcp_undelivered(const struct naru_gate_tcp *tcp);

/* Flows count their bytes when they end; this adds those of the living. */
void naru_gate_tcp_add_bytes(const struct naru_gate_tcp *tcp, struct naru_gate_stats *stats);

#endif
