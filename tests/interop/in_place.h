/*
 * A stream read and sent in place, by an application that looks at no byte: for measuring what the
 * stack costs without one.
 *
 * 1: the end of the stream, or all was sent; 0: something must happen first; else the error.
 */
#ifndef NARU_TESTS_IN_PLACE_H
#define NARU_TESTS_IN_PLACE_H

#include <naru/sock.h>

int in_place_discard(struct naru_sock *sock, naru_time now);
/* *filled goes up to size. */
int in_place_fill(struct naru_sock *sock, uint64_t *filled, uint64_t size, naru_time now);

#endif
