/*
 * The supervisor's life: notifications in, one function per call, answers out.
 *
 * Theory: every call on a descriptor begins by finding out whose it is.  pidfd_getfd gives us a
 * duplicate, its inode number names the object; a descriptor that is not one of ours (a UNIX
 * socket, netlink, an inherited kernel socket) makes the call CONTINUE in the kernel.  The
 * duplicate is also how the supervisor sees O_NONBLOCK and empties or fills the program's end; it
 * is closed before the next notification, so that it cannot hide the program's close.
 *
 * What the program closed before it wants a port is closed before it gets one, so that it may have
 * the same again: its close was seen at the latest together with the call.
 *
 * Pointer arguments are copied once.  The answer to a call whose task died meanwhile goes nowhere.
 */
#include "run/runner.h"

#include "host/sockaddr.h"
#include "run/connect.h"
#include "run/netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
    int nr;
    int64_t (*done_by)(struct naru_call *call);
} calls[] = {
    { SYS_socket, naru_call_socket },
    { SYS_bind, naru_call_bind },
    { SYS_getsockname, naru_call_getsockname },
    { SYS_getpeername, naru_call_getpeername },
    { SYS_connect, naru_call_connect },
    { SYS_listen, naru_call_listen },
    { SYS_accept, naru_call_accept },
    { SYS_accept4, naru_call_accept },
    { SYS_shutdown, naru_call_shutdown },
    { SYS_setsockopt, naru_call_setsockopt },
    { SYS_getsockopt, naru_call_getsockopt },
    { SYS_sendto, naru_call_sendto },
    { SYS_recvfrom, naru_call_recvfrom },
    { SYS_sendmsg, naru_call_sendmsg },
    { SYS_recvmsg, naru_call_recvmsg },
    { SYS_sendmmsg, naru_call_sendmmsg },
    { SYS_recvmmsg, naru_call_recvmmsg },
    { SYS_ioctl, naru_call_ioctl },
    { SYS_openat, naru_call_open },
#ifdef SYS_open
    { SYS_open, naru_call_open },
#endif
};

static int64_t do_call(struct naru_call *call)
{
    if (call->object != NULL && call->object->netlink)
        return naru_netlink_call(call);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (calls[i].nr == call->notice->nr)
            return calls[i].done_by(call);
    return NARU_CALL_CONTINUE;
}

/* Calls that have no socket in their first argument. */
static bool without_socket(int nr)
{
#ifdef SYS_open
    if (nr == SYS_open)
        return true;
#endif
    return nr == SYS_socket || nr == SYS_openat;
}

/* Finds the object of the descriptor in the first argument: 0, an errno, or CONTINUE. */
static int64_t find_object(struct naru_call *call)
{
    struct naru_runner *runner = call->runner;
    pid_t tid = call->notice->tid;
    int theirs = (int)call->notice->arg[0];
    struct stat st;

    call->fd = naru_task_getfd(&runner->tasks, tid, theirs);
    if (call->fd == -EBADF)
        return -EBADF;
    if (call->fd < 0 || fstat(call->fd, &st) < 0 || !S_ISSOCK(st.st_mode))
        return NARU_CALL_CONTINUE;
    call->object = naru_object_find(&runner->objects, st.st_ino);
    if (call->object == NULL)
        return NARU_CALL_CONTINUE;
    call->object->hint_pid = tid;
    call->object->hint_fd = theirs;
    return 0;
}

static void answer(struct naru_runner *runner, uint64_t id, int64_t result)
{
    if (result == NARU_CALL_CONTINUE)
        naru_notify_continue(runner->listener, id);
    else if (result != NARU_CALL_DONE)
        naru_notify_answer(runner->listener, id, result);
}

static void close_call(struct naru_call *call)
{
    if (call->fd >= 0)
        close(call->fd);
    call->fd = -1;
}

static bool wants_port(int nr) { return nr == SYS_bind || nr == SYS_listen || nr == SYS_connect; }

static void handle(struct naru_runner *runner, const struct naru_notice *notice)
{
    if (wants_port(notice->nr))
        naru_loop_catch_up(runner->loop);
    struct naru_call call = {
        .runner = runner,
        .notice = notice,
        .fd = -1,
        .now = naru_loop_now(runner->loop),
        .deadline = NARU_NEVER,
    };
    int64_t result = without_socket(notice->nr) ? 0 : find_object(&call);
    if (result == 0)
        result = do_call(&call);
    if (result == NARU_CALL_WAIT) {
        result = naru_waiter_add(&runner->waiters, call.object, notice, call.deadline,
                                 call.deadline_error);
        if (result == 0)
            result = NARU_CALL_DONE; /* one day */
    }
    close_call(&call);
    answer(runner, notice->id, result);
}

static bool is_accept(int nr) { return nr == SYS_accept || nr == SYS_accept4; }

/* The descriptor may be closed by now; a call that is tried again goes on without, as it does in
 * the kernel. */
int naru_call_find_fd(struct naru_call *call)
{
    if (call->fd < 0)
        call->fd = naru_object_holder(call->object);
    return call->fd;
}

bool naru_call_retry(struct naru_waiter *waiter)
{
    struct naru_runner *runner = waiter->object->runner;
    struct naru_call call = {
        .runner = runner,
        .notice = &waiter->notice,
        .object = waiter->object,
        .fd = -1,
        .again = true,
        .now = naru_loop_now(runner->loop),
        .deadline = waiter->deadline,
    };
    bool connects = waiter->notice.nr == SYS_connect, accepts = is_accept(waiter->notice.nr);
    /* Where nothing is written to the task, an answer too late goes nowhere. */
    bool answers_only = connects || (accepts && waiter->notice.arg[1] == 0);
    if (!answers_only && !naru_notify_valid(runner->listener, waiter->notice.id))
        return true;
    if (!connects && !accepts)
        naru_call_find_fd(&call);
    int64_t result = do_call(&call);
    close_call(&call);
    if (result == NARU_CALL_WAIT)
        return false;
    answer(runner, waiter->notice.id, result);
    return true;
}

void naru_call_interrupt(struct naru_waiter *waiter, int error)
{
    struct naru_object *object = waiter->object;
    if (waiter->notice.nr == SYS_connect && object->phase == NARU_PHASE_CONNECTING) {
        int fd = naru_object_holder(object);
        naru_connect_fill(object, fd);
        if (fd >= 0)
            close(fd);
    }
    naru_notify_answer(object->runner->listener, waiter->notice.id, -error);
}

bool naru_call_nonblocking(const struct naru_call *call, int flags)
{
    if (call->again)
        return false;
    return (flags & MSG_DONTWAIT) != 0 ||
           (call->fd >= 0 && (fcntl(call->fd, F_GETFL) & O_NONBLOCK) != 0);
}

int64_t naru_call_block(struct naru_call *call, int flags, naru_time timeout, int timeout_error)
{
    if (naru_call_nonblocking(call, flags))
        return -EAGAIN;
    if (!call->again)
        call->deadline = timeout == NARU_NEVER ? NARU_NEVER : call->now + timeout;
    call->deadline_error = timeout_error;
    return NARU_CALL_WAIT;
}

int naru_call_read_name(const struct naru_call *call, uint64_t address, uint64_t len,
                        struct sockaddr_storage *name)
{
    if (len > sizeof *name)
        return -EINVAL;
    memset(name, 0, sizeof *name);
    return naru_task_read(call->notice->tid, address, name, (size_t)len);
}

int naru_call_parse_name(const struct naru_call *call, const struct sockaddr_storage *name,
                         uint64_t len, struct naru_endpoint *out)
{
    enum naru_err err = naru_sockaddr_parse(name, (socklen_t)len, call->object->family, out);
    if (err == NARU_ERR_AFNOSUPPORT)
        return -EAFNOSUPPORT;
    return err == NARU_OK ? 0 : -EINVAL;
}

int naru_call_get_name(const struct naru_call *call, uint64_t address, uint64_t len,
                       struct naru_endpoint *out)
{
    struct sockaddr_storage name;
    int error = naru_call_read_name(call, address, len, &name);
    return error < 0 ? error : naru_call_parse_name(call, &name, len, out);
}

int naru_call_put_name(const struct naru_call *call, uint64_t address, uint64_t len_address,
                       const struct naru_endpoint *endpoint)
{
    struct sockaddr_storage name;
    pid_t tid = call->notice->tid;
    int32_t room;
    if (address == 0)
        return 0;
    int error = naru_task_read(tid, len_address, &room, sizeof room);
    if (error < 0)
        return error;
    if (room < 0)
        return -EINVAL;

    socklen_t len = 0;
    if (endpoint != NULL)
        len = naru_sockaddr_emit(endpoint, call->object->family, &name);
    error = naru_task_write(tid, address, &name, (socklen_t)room < len ? (socklen_t)room : len);
    if (error < 0)
        return error;
    return naru_task_write(tid, len_address, &len, sizeof len);
}

/* One notification a turn: the network has its turn between any two. */
static void listener_ready(struct naru_watch *watch, uint32_t events)
{
    struct naru_runner *runner = watch->user;
    struct naru_notice notice;
    if ((events & EPOLLIN) != 0) {
        if (naru_notify_recv(watch->fd, &notice))
            handle(runner, &notice);
    } else if ((events & EPOLLHUP) != 0) {
        naru_watch_remove(watch);
        runner->gone = true;
        runner->listener_gone(runner);
    }
}

static void stack_event(struct naru_attachment *attachment, const struct naru_event *event)
{
    (void)attachment;
    if (event->user != NULL)
        naru_object_sock_event(event->user, event);
}

int naru_runner_init(struct naru_runner *runner, struct naru_loop *loop, struct naru_stack *stack)
{
    memset(runner, 0, sizeof *runner);
    runner->scratch = malloc(NARU_DATAGRAM_MAX);
    if (runner->scratch == NULL)
        return -ENOMEM;
    runner->loop = loop;
    runner->stack = stack;
    runner->listener = -1;
    naru_tasks_init(&runner->tasks);
    naru_object_table_init(&runner->objects, runner);
    naru_waiters_init(&runner->waiters, runner);
    runner->attachment.stack = stack;
    runner->attachment.event = stack_event;
    runner->attachment.user = runner;
    return naru_loop_attach(loop, &runner->attachment);
}

int naru_runner_listen(struct naru_runner *runner, int listener)
{
    runner->listener = listener;
    naru_notify_init(listener);
    runner->listener_watch = (struct naru_watch){
        .fd = listener,
        .events = EPOLLIN,
        .ready = listener_ready,
        .user = runner,
    };
    return naru_watch_add(runner->loop, &runner->listener_watch);
}

void naru_runner_deinit(struct naru_runner *runner)
{
    naru_object_table_deinit(&runner->objects, naru_loop_now(runner->loop));
    naru_waiters_deinit(&runner->waiters);
    naru_watch_remove(&runner->listener_watch);
    if (runner->listener >= 0)
        close(runner->listener);
    if (runner->attachment.loop != NULL)
        naru_loop_detach(&runner->attachment);
    naru_tasks_deinit(&runner->tasks);
    free(runner->scratch);
}
