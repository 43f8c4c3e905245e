/*
 * For tests and simulations: does everything that must hold between two calls hold?
 */
#ifndef NARU_STACK_CHECK_H
#define NARU_STACK_CHECK_H

#include <naru/stack.h>

/* Asserts it, of every connection, timer and table.  Costs a pass over all of them. */
void naru_stack_check(struct naru_stack *stack);

#endif
