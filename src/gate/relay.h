/*
 * Bytes between a guest's connection and the host's, both ways.
 *
 * No buffer of its own: what the guest has sent goes from the stack's receive queue into the host's
 * socket, what the host has sent goes from its socket into the stack's send buffer, one copy each,
 * many slices per system call.  Each side's buffer is the limit of the other's: when the receiver
 * is full, nothing is read from the sender, whose window then closes.
 *
 * The host's descriptor is watched edge-triggered, once and for all; readable and writable remember
 * what epoll last said, until the kernel says EAGAIN or takes or gives less than it could.  So a
 * blocked relay costs nothing, and no registration changes during its life.
 *
 * A FIN of one side becomes a FIN of the other when all before it has been written (half-close).
 * The urgent byte (RFC 9293 3.8.5) keeps its place and is passed on as such, both ways: each side
 * has it in its stream (OOBINLINE), where reading stops before it.
 */
#ifndef NARU_GATE_RELAY_H
#define NARU_GATE_RELAY_H

#include <naru/sock.h>

struct naru_gate_relay {
    struct naru_sock *guest;
    int fd;
    bool readable, writable; /* the host's side, as far as we know */
    bool closing;            /* the host's peer has ended or failed: read until it says so */
    bool failing;            /* it may have failed: ask */
    bool much;               /* it had more than there was room for, the last time */
    bool urgent;             /* an urgent byte may be in what is to be read from the host */
    bool guest_urgent;       /* ... from the guest: set by the owner at NARU_READY_URGENT */
    bool out_done, in_done;  /* the end was passed on: to the host, to the guest */
    uint64_t bytes_out, bytes_in;
};

enum naru_gate_verdict {
    NARU_GATE_WAIT, /* nothing to do until an event */
    NARU_GATE_MORE, /* its share of this turn is used up */
    NARU_GATE_DONE, /* both ends were passed on */
    NARU_GATE_GUEST_FAILED,
    NARU_GATE_HOST_FAILED,
};

/* What epoll said of the descriptor. */
void naru_gate_relay_note(struct naru_gate_relay *relay, uint32_t events);

/* Moves what can be moved, at most a share each way. */
enum naru_gate_verdict naru_gate_relay_run(struct naru_gate_relay *relay, naru_time now);

#endif
