/*
 * The DNS address: questions to it go to the host's resolvers, answers come back from it.
 *
 * Only UDP is here; TCP to port 53 of the address is a TCP flow like any other (tcp.c).  One host
 * socket per guest port, connected to one resolver, so that the kernel lets nobody else answer, and
 * with a port of its own (RFC 5452).  Messages are passed on as they are.
 *
 * The next resolver is asked when one refuses (ICMP port unreachable) or when the guest repeats a
 * question, which means that it got no answer; the resolver that answered last is asked first from
 * then on.  When all refuse, the guest gets SERVFAIL (RFC 1035 4.1.1) at once instead of silence.
 */
#ifndef NARU_GATE_DNS_H
#define NARU_GATE_DNS_H

#include "gate/keep.h"

struct naru_gate_dns {
    struct naru_gate_env *env;
    struct naru_gate_keep keep;
    unsigned preferred; /* resolver */
};

void naru_gate_dns_init(struct naru_gate_dns *dns, struct naru_gate_env *env);
void naru_gate_dns_deinit(struct naru_gate_dns *dns);

/*
 * A datagram that a guest (info->from) sent to the DNS address (info->to); answers go out through
 * guest_side, the stack's any-address socket of that family.
 */
void naru_gate_dns_question(struct naru_gate_dns *dns, struct naru_sock *guest_side,
                            const struct naru_msg_info *info, const void *data, size_t len);

#endif
