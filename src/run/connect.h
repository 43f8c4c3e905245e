/*
 * connect(2) on streams: blocking, non-blocking and interrupted.
 */
#ifndef NARU_RUN_CONNECT_H
#define NARU_RUN_CONNECT_H

#include "run/object.h"

struct naru_call;

/* What the stack says while the phase is CONNECTING. */
void naru_connect_sock_event(struct naru_object *object, const struct naru_event *event,
                             naru_time now);

/*
 * The program does not wait in connect (any more): its end, of which fd is a duplicate, must not be
 * writable until the connection is there.
 */
void naru_connect_fill(struct naru_object *object, int fd);

/*
 * sendto with MSG_FASTOPEN on a fresh stream: so many bytes go with SYN, or the call goes on as a
 * connect does, and is tried again when there is a connection.
 */
int64_t naru_connect_with_data(struct naru_call *call, struct naru_endpoint *to,
                               const uint8_t *bytes, size_t len);
/* A connect that is under way. */
int64_t naru_connect_continue(struct naru_call *call);

/* The address as connect and sendto mean it: "any" is this host. */
void naru_connect_destination(struct naru_endpoint *to);

#endif
