/*
 * The bytes of a TCP connection, between the pair and the naru socket.
 */
#ifndef NARU_RUN_STREAM_H
#define NARU_RUN_STREAM_H

#include "run/object.h"

/* The connection is there (phase OPEN): begin. */
void naru_stream_open(struct naru_object *object, naru_time now);

/* What happens on either side while the phase is OPEN.  The object may have ended afterwards. */
void naru_stream_pair_ready(struct naru_object *object, uint32_t events, naru_time now);
void naru_stream_sock_event(struct naru_object *object, const struct naru_event *event,
                            naru_time now);

#endif
