/*
 * The supervisor: what the files of run/ share.
 *
 * A notification becomes a call; a call is done by the one function its number names in runner.c,
 * which returns what the program shall get, or one of the NARU_CALL_ values.  Functions of calls
 * know the object, and of the runner only the parts they need: the stack, the loop, the tasks.
 */
#ifndef NARU_RUN_RUNNER_H
#define NARU_RUN_RUNNER_H

#include "host/loop.h"
#include "run/notify.h"
#include "run/object.h"
#include "run/resolver.h"
#include "run/task.h"
#include "run/waiter.h"

#define NARU_DATAGRAM_MAX 65536

struct naru_runner {
    struct naru_loop *loop;
    struct naru_stack *stack;
    struct naru_attachment attachment;
    int listener;
    struct naru_watch listener_watch;
    bool gone; /* the last supervised task has left */
    void (*listener_gone)(struct naru_runner *runner);

    struct naru_tasks tasks;
    struct naru_object_table objects;
    struct naru_waiters waiters;
    struct naru_resolver resolver;
    uint8_t *scratch; /* one datagram of any size; good until the next use */
};

/* Attaches the stack to the loop.  0, or a negative errno; deinit in every case. */
int naru_runner_init(struct naru_runner *runner, struct naru_loop *loop, struct naru_stack *stack);
void naru_runner_deinit(struct naru_runner *runner);
/* Takes over the listener of a program that has just been launched. */
int naru_runner_listen(struct naru_runner *runner, int listener);

/* A call being done. */
struct naru_call {
    struct naru_runner *runner;
    const struct naru_notice *notice;
    struct naru_object *object; /* NULL: socket() */
    int fd;                     /* our duplicate of the program's descriptor; -1: none any more,
                                   or nobody has looked (naru_call_find_fd) */
    bool again;                 /* it has waited: the program may block */
    naru_time now;
    naru_time deadline; /* of a call that returns NARU_CALL_WAIT; NARU_NEVER */
    int deadline_error;
};

/* What a call returns besides values and negative errnos. */
#define NARU_CALL_CONTINUE INT64_C(-1000001) /* not ours: the kernel does it */
#define NARU_CALL_WAIT     INT64_C(-1000002) /* try again when something happens on the object */
#define NARU_CALL_DONE     INT64_C(-1000003) /* answered already */

/* The calls, one file per group. */
int64_t naru_call_socket(struct naru_call *call); /* socket.c */
int64_t naru_call_bind(struct naru_call *call);   /* names.c */
int64_t naru_call_getsockname(struct naru_call *call);
int64_t naru_call_getpeername(struct naru_call *call);
int64_t naru_call_connect(struct naru_call *call); /* connect.c */
int64_t naru_call_listen(struct naru_call *call);  /* accept.c */
int64_t naru_call_accept(struct naru_call *call);
int64_t naru_call_shutdown(struct naru_call *call);
int64_t naru_call_setsockopt(struct naru_call *call); /* option.c */
int64_t naru_call_getsockopt(struct naru_call *call);
int64_t naru_call_sendto(struct naru_call *call); /* transfer.c */
int64_t naru_call_recvfrom(struct naru_call *call);
int64_t naru_call_sendmsg(struct naru_call *call);
int64_t naru_call_recvmsg(struct naru_call *call);
int64_t naru_call_sendmmsg(struct naru_call *call);
int64_t naru_call_recvmmsg(struct naru_call *call);
int64_t naru_call_ioctl(struct naru_call *call); /* ifreq.c */
int64_t naru_call_open(struct naru_call *call);  /* procnet.c */

/* fd, looked for if a call that has been waiting has none yet. */
int naru_call_find_fd(struct naru_call *call);

/* Does the call that has been waiting once more; true if it is answered now. */
bool naru_call_retry(struct naru_waiter *waiter);

/* The call waits no longer (a signal, the end of its time) and fails; a connect goes on by itself.
 */
void naru_call_interrupt(struct naru_waiter *waiter, int error);

/* The program has set O_NONBLOCK, or asks for it with MSG_DONTWAIT in flags. */
bool naru_call_nonblocking(const struct naru_call *call, int flags);

/* Returned by a call that would block: EAGAIN if it must not, else NARU_CALL_WAIT for that long. */
int64_t naru_call_block(struct naru_call *call, int flags, naru_time timeout, int timeout_error);

/*
 * A sockaddr of the program's.  naru_call_put_name writes as much as its buffer has room for and
 * the true length, as the kernel does; a NULL address pointer means it does not want it.
 */
int naru_call_get_name(const struct naru_call *call, uint64_t address, uint64_t len,
                       struct naru_endpoint *out);
/* The same in two steps: its bytes, zero behind them; what they say. */
int naru_call_read_name(const struct naru_call *call, uint64_t address, uint64_t len,
                        struct sockaddr_storage *name);
int naru_call_parse_name(const struct naru_call *call, const struct sockaddr_storage *name,
                         uint64_t len, struct naru_endpoint *out);
int naru_call_put_name(const struct naru_call *call, uint64_t address, uint64_t len_address,
                       const struct naru_endpoint *endpoint);

#endif
