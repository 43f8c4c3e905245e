/*
 * Waiting calls: two lists (by object; all of them, in a ring) and one timer.
 *
 * The timer looks at no more than LOOKS tasks a time, so that a thousand threads blocked in accept
 * cost the same as sixty-four; each then waits a little longer for its EINTR.
 */
#include "run/waiter.h"

#include "run/runner.h"

#include <errno.h>
#include <stdlib.h>

#define PERIOD NARU_MS(10)
#define LOOKS  64

static void tick(struct naru_loop_timer *timer, naru_time now);

void naru_waiters_init(struct naru_waiters *waiters, struct naru_runner *runner)
{
    *waiters = (struct naru_waiters){ .runner = runner };
    waiters->timer.fire = tick;
    waiters->timer.user = waiters;
}

void naru_waiters_deinit(struct naru_waiters *waiters) { naru_loop_timer_stop(&waiters->timer); }

void naru_waiter_list_init(struct naru_waiter_list *list)
{
    list->first = NULL;
    list->last = &list->first;
}

static void append(struct naru_waiter_list *list, struct naru_waiter *waiter)
{
    waiter->next = NULL;
    waiter->link = list->last;
    *list->last = waiter;
    list->last = &waiter->next;
}

static void unlink_from_object(struct naru_waiter *waiter)
{
    struct naru_waiter_list *list = &waiter->object->waiters;
    *waiter->link = waiter->next;
    if (waiter->next != NULL)
        waiter->next->link = waiter->link;
    else
        list->last = waiter->link;
}

static void forget(struct naru_waiters *waiters, struct naru_waiter *waiter)
{
    unlink_from_object(waiter);
    waiter->all_next->all_prev = waiter->all_prev;
    waiter->all_prev->all_next = waiter->all_next;
    waiters->count--;
    if (waiters->cursor == waiter)
        waiters->cursor = waiters->count > 0 ? waiter->all_next : NULL;
    if (waiters->count == 0)
        naru_loop_timer_stop(&waiters->timer);
    free(waiter);
}

int naru_waiter_add(struct naru_waiters *waiters, struct naru_object *object,
                    const struct naru_notice *notice, naru_time deadline, int deadline_error)
{
    struct naru_waiter *waiter = malloc(sizeof *waiter);
    if (waiter == NULL)
        return -ENOMEM;
    *waiter = (struct naru_waiter){
        .object = object,
        .notice = *notice,
        .deadline = deadline,
        .deadline_error = deadline_error,
    };
    append(&object->waiters, waiter);
    if (waiters->cursor == NULL) {
        waiter->all_next = waiter->all_prev = waiter;
        waiters->cursor = waiter;
    } else {
        waiter->all_next = waiters->cursor;
        waiter->all_prev = waiters->cursor->all_prev;
        waiter->all_prev->all_next = waiter;
        waiter->all_next->all_prev = waiter;
    }
    if (waiters->count++ == 0) {
        struct naru_loop *loop = waiters->runner->loop;
        naru_loop_timer_set(loop, &waiters->timer, naru_loop_now(loop) + PERIOD);
    }
    return 0;
}

static struct naru_waiter *untried(const struct naru_object *object, unsigned pass)
{
    struct naru_waiter *waiter = object->waiters.first;
    while (waiter != NULL && (waiter->busy || waiter->pass == pass))
        waiter = waiter->next;
    return waiter;
}

/* What a call does may end the object and fail the others, so the list is looked at anew each time.
 */
void naru_waiters_retry(struct naru_object *object)
{
    struct naru_waiters *waiters = &object->runner->waiters;
    unsigned pass = ++object->waiters.pass;
    struct naru_waiter *waiter;
    while ((waiter = untried(object, pass)) != NULL) {
        waiter->pass = pass;
        waiter->busy = true;
        bool answered = naru_call_retry(waiter);
        waiter->busy = false;
        if (answered)
            forget(waiters, waiter);
        else if (object->phase == NARU_PHASE_LISTENING)
            break; /* all others want the same */
    }
}

void naru_waiters_fail(struct naru_object *object, int error)
{
    struct naru_runner *runner = object->runner;
    struct naru_waiter *waiter = object->waiters.first, *next;
    for (; waiter != NULL; waiter = next) {
        next = waiter->next;
        if (waiter->busy)
            continue;
        naru_notify_answer(runner->listener, waiter->notice.id, -error);
        forget(&runner->waiters, waiter);
    }
}

/* Answers a call that has run out of time, has a signal, or whose task is gone. */
static bool give_up(struct naru_waiters *waiters, struct naru_waiter *waiter, naru_time now)
{
    int listener = waiters->runner->listener;
    if (now >= waiter->deadline)
        naru_call_interrupt(waiter, waiter->deadline_error);
    else if (naru_task_signalled(waiter->notice.tid))
        naru_call_interrupt(waiter, NARU_ERESTARTSYS);
    else if (naru_notify_valid(listener, waiter->notice.id))
        return false;
    return true;
}

static void tick(struct naru_loop_timer *timer, naru_time now)
{
    struct naru_waiters *waiters = timer->user;
    unsigned looks = waiters->count < LOOKS ? waiters->count : LOOKS;
    while (looks-- > 0) {
        struct naru_waiter *waiter = waiters->cursor;
        waiters->cursor = waiter->all_next;
        if (give_up(waiters, waiter, now))
            forget(waiters, waiter);
    }
    if (waiters->count > 0)
        naru_loop_timer_set(waiters->runner->loop, timer, now + PERIOD);
}
