/*
 * Listeners.
 */
#ifndef NARU_RUN_ACCEPT_H
#define NARU_RUN_ACCEPT_H

#include "run/object.h"

struct naru_call;

/* What the stack says while the phase is LISTENING. */
void naru_listen_sock_event(struct naru_object *object, const struct naru_event *event);

/* It stops to listen, and may begin again: how HAProxy pauses (connect to AF_UNSPEC, shutdown). */
void naru_listen_end(struct naru_call *call);

#endif
