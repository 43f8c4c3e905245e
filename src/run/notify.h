/*
 * The notification listener: calls come in, each is answered once, in any order, at any time.
 *
 * Answers to a call whose task has died are lost silently, as they should.
 */
#ifndef NARU_RUN_NOTIFY_H
#define NARU_RUN_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct naru_notice {
    uint64_t id;
    pid_t tid;
    int nr;
    uint64_t arg[6];
};

/* Makes the listener non-blocking and asks for the synchronous wake-up (Linux 6.6) if there is. */
void naru_notify_init(int listener);
/* True if the last call said that the synchronous wake-up is not known. */
bool naru_notify_has_sync(int listener);

/* The next call: 1; 0 if there is none (any more). */
int naru_notify_recv(int listener, struct naru_notice *notice);

/* The call returns value if it is >= 0, else fails with the errno -value. */
void naru_notify_answer(int listener, uint64_t id, int64_t value);
/* The kernel does the call as if nobody had asked.  Never for a socket of ours. */
void naru_notify_continue(int listener, uint64_t id);
/*
 * The call returns a new descriptor of the task for our descriptor fd.  0, or a negative errno, the
 * call being unanswered then: -EMFILE (the task's limit), -ENOENT (the task is gone).
 */
int naru_notify_answer_fd(int listener, uint64_t id, int fd, bool close_on_exec);

/* The task still waits for this answer: what was copied from it since the call came is its own. */
bool naru_notify_valid(int listener, uint64_t id);

/* What a call interrupted by a signal returns inside the kernel: it makes EINTR of it, or begins
 * the call again if the handler has SA_RESTART. */
#define NARU_ERESTARTSYS 512

#endif
