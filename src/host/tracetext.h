/*
 * The trace as text: one line per frame, per state change, per drop, in the marks of naru's traces:
 * ">" from us, "<" to us, "=" a state, "!" a drop.
 *
 *     0.001204 eth0 = 10.0.2.100:40122 - 10.0.2.2:80 CLOSED -> SYN-SENT
 *     0.001204 eth0 > IP 10.0.2.100.40122 > 10.0.2.2.80: Flags [S], seq 1, win 64240, ...
 *     0.001377 eth0 < IP 10.0.2.2.80 > 10.0.2.100.40122: Flags [S.], ...
 *     0.001391 eth0 ! tcp-checksum
 *
 * Time is seconds since origin.  Lines are buffered by stdio.
 */
#ifndef NARU_HOST_TRACETEXT_H
#define NARU_HOST_TRACETEXT_H

#include <naru/trace.h>
#include <stdio.h>

#define NARU_TRACE_TEXT_IFACES 8

/* The caller's memory, one per stack; set file, origin and name, clear the rest. */
struct naru_trace_text {
    FILE *file;
    naru_time origin;
    const char *name; /* of the stack, before the interface's ("gateway/"); NULL: none */
    const char *iface[NARU_TRACE_TEXT_IFACES]; /* names by ifindex; NULL: "if2" */
    unsigned last_ifindex; /* of the frame before; its drops and states come without one */
    bool flush;            /* after each line */
};

/* config.trace of the stack; user is the struct naru_trace_text. */
void naru_trace_text_event(void *user, const struct naru_trace_event *event);

#endif
