/*
 * One stack's trace hook, several listeners: a capture, a text trace, a ladder.
 *
 *     struct naru_trace_fan fan = {0};
 *     naru_trace_fan_add(&fan, naru_pcapng_event, capture_source);
 *     config.trace = naru_trace_fan_event;
 *     config.trace_user = &fan;
 *
 * Listeners can be added later too: the stack keeps only the pointer to the fan.
 */
#ifndef NARU_HOST_TRACEFAN_H
#define NARU_HOST_TRACEFAN_H

#include <naru/trace.h>

#define NARU_TRACE_FAN_MAX 4

struct naru_trace_fan {
    struct {
        void (*event)(void *user, const struct naru_trace_event *event);
        void *user;
    } listener[NARU_TRACE_FAN_MAX];
    unsigned count;
};

/* At most NARU_TRACE_FAN_MAX, asserted. */
void naru_trace_fan_add(struct naru_trace_fan *fan,
                        void (*event)(void *user, const struct naru_trace_event *event),
                        void *user);
/* The hook; user is the fan. */
void naru_trace_fan_event(void *user, const struct naru_trace_event *event);

#endif
