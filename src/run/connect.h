/*
 * connect(2) on streams: blocking, non-blocking and interrupted.
 */
#ifndef NARU_RUN_CONNECT_H
#define NARU_RUN_CONNECT_H

#include "run/object.h"

/* What the stack says while the phase is CONNECTING. */
void naru_connect_sock_event(struct naru_object *object, const struct naru_event *event,
                             naru_time now);

/*
 * The program does not wait in connect (any more): its end, of which fd is a duplicate, must not be
 * writable until the connection is there.
 */
void naru_connect_fill(struct naru_object *object, int fd);

/* The address as connect and sendto mean it: "any" is this host. */
void naru_connect_destination(struct naru_endpoint *to);

#endif
