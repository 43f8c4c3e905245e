/*
 * UDP flows: one host socket per guest address and port.
 *
 * The mapping is endpoint-independent (RFC 4787 REQ-1): whatever a guest's port sends, and to
 * whomever, leaves from the same port of the host, and whoever answers to that port is heard, with
 * the address he sent from.  So a guest's socket behaves as a socket of the host would; STUN, ICE,
 * QUIC migration and DNS work as they are.  docs/decisions/gate-udp.md has the reasons.
 *
 * Lives: 30 s while only the guest has spoken, 180 s once both have, 10 s if it only asked port 53.
 * When the table or the host's descriptors are full, the least recently used flow goes.
 *
 * Datagrams go in batches (recvmmsg, sendmmsg), up to 65507 bytes each.  Guest to host nothing is
 * queued here: what the host's buffer does not take is lost, as on any link.  Host to guest a flow
 * is not read while the stack's send queue is full.
 *
 * What the host learns of a datagram that cannot arrive (ICMP errors, no route) the guest learns
 * as an ICMP error of its own.
 */
#ifndef NARU_GATE_UDP_H
#define NARU_GATE_UDP_H

#include "gate/dns.h"
#include "gate/keep.h"

struct naru_gate_udp;
struct naru_gate_udp_batch;

struct naru_gate_udp_side {
    struct naru_gate_handler handler; /* first */
    struct naru_gate_udp *udp;
    struct naru_sock *sock;
};

struct naru_gate_udp {
    struct naru_gate_env *env;
    struct naru_gate_dns *dns;
    struct naru_gate_udp_side side[2];
    struct naru_gate_keep keep;
    struct naru_list blocked; /* flows that wait for the stack's send queue */
    struct naru_loop_timer work_timer;
    struct naru_gate_udp_batch *batch;
};

enum naru_err naru_gate_udp_init(struct naru_gate_udp *udp, struct naru_gate_env *env,
                                 struct naru_gate_dns *dns);
/* Also after an init that failed. */
void naru_gate_udp_deinit(struct naru_gate_udp *udp);

#endif
