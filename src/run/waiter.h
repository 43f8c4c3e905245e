/*
 * Calls of the program that wait: blocking accept, connect, receive and send.
 *
 * A call that cannot be answered now is remembered with its arguments, and simply tried again when
 * something happened on its object.  While it waits the task sleeps inside the kernel, killable but
 * deaf to signal handlers (WAIT_KILLABLE_RECV); so as long as anything waits, a timer looks every
 * 10 ms for tasks with a signal pending, and answers ERESTARTSYS for them: the kernel then runs the
 * handler and makes EINTR of the call, or begins it again, as SA_RESTART says.
 */
#ifndef NARU_RUN_WAITER_H
#define NARU_RUN_WAITER_H

#include "host/loop.h"
#include "run/notify.h"

struct naru_object;
struct naru_runner;

struct naru_waiter {
    struct naru_waiter *next, **link; /* of its object */
    struct naru_waiter *all_next, *all_prev;
    struct naru_object *object;
    struct naru_notice notice;
    naru_time deadline; /* NARU_NEVER */
    int deadline_error; /* the errno it fails with then */
    unsigned pass;      /* of naru_waiters_retry that tried it last */
    bool busy;          /* being tried: it will be answered by that */
};

struct naru_waiter_list {
    struct naru_waiter *first, **last;
    unsigned pass;
};

/* All waiting calls of a runner, in a ring that the timer walks bit by bit. */
struct naru_waiters {
    struct naru_waiter *cursor; /* NULL: none */
    unsigned count;
    struct naru_loop_timer timer;
    struct naru_runner *runner;
};

void naru_waiters_init(struct naru_waiters *waiters, struct naru_runner *runner);
void naru_waiters_deinit(struct naru_waiters *waiters);

void naru_waiter_list_init(struct naru_waiter_list *list);

/* -ENOMEM */
int naru_waiter_add(struct naru_waiters *waiters, struct naru_object *object,
                    const struct naru_notice *notice, naru_time deadline, int deadline_error);

/* Something happened: every waiting call of the object is tried again, the oldest first. */
void naru_waiters_retry(struct naru_object *object);
/* They all fail with that errno. */
void naru_waiters_fail(struct naru_object *object, int error);

#endif
