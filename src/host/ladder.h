/*
 * The story of one TCP connection as a ladder: client left, server right, states on both sides.
 *
 *     0.000 ms  SYN-SENT     |-- SYN seq 0 ------------------------->|  SYN-RECEIVED
 *     0.021 ms  ESTABLISHED  |<-------------------- SYN,ACK seq 0 ack 1 --|  SYN-RECEIVED
 *
 * Fed with the trace events of the two stacks at its ends.  It takes the first connection that the
 * client's stack opens, and keeps the handshake, the first segments with data each way, and the
 * close; what lies between is counted.  Sequence numbers are relative, as in every dump.
 */
#ifndef NARU_HOST_LADDER_H
#define NARU_HOST_LADDER_H

#include <naru/trace.h>
#include <stdio.h>

struct naru_ladder;

/* remote_port: only a connection to that port; 0: the first of any.  NULL: no memory. */
struct naru_ladder *naru_ladder_new(uint16_t remote_port);
void naru_ladder_free(struct naru_ladder *ladder);

/* config.trace of the client's and of the server's stack; user is the ladder. */
void naru_ladder_client_event(void *user, const struct naru_trace_event *event);
void naru_ladder_server_event(void *user, const struct naru_trace_event *event);

/* False if there is nothing to tell: no connection was seen. */
bool naru_ladder_print(const struct naru_ladder *ladder, FILE *out, const char *client,
                       const char *server);

#endif
