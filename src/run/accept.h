/*
 * Listeners.
 */
#ifndef NARU_RUN_ACCEPT_H
#define NARU_RUN_ACCEPT_H

#include "run/object.h"

/* What the stack says while the phase is LISTENING. */
void naru_listen_sock_event(struct naru_object *object, const struct naru_event *event);

#endif
