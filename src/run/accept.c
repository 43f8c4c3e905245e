/*
 * listen(2), accept(2), accept4(2), and shutdown(2) of a listener.
 *
 * Theory: connections wait inside the stack, so that the backlog means what it says.  The program's
 * end of the pair is readable while there are any, because of token bytes in it: one is added for
 * each event of the stack, so that EPOLLET gets its edges; accept eats one for each connection it
 * hands out, and all of them when none is left.  A blocking accept is an unanswered notification,
 * and takes its connection without a token.
 *
 * A connection whose task cannot take it (killed meanwhile, no descriptor left) waits for the next
 * accept in object->undelivered.
 */
#include "run/accept.h"

#include "host/errno.h"
#include "run/runner.h"
#include "run/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TOKENS_MAX  64
#define BACKLOG_MAX 4096

int64_t naru_call_listen(struct naru_call *call)
{
    struct naru_object *object = call->object;
    int backlog = (int)call->notice->arg[1];
    if (object->type != NARU_SOCK_STREAM)
        return -EOPNOTSUPP;
    if (object->phase != NARU_PHASE_FRESH && object->phase != NARU_PHASE_LISTENING)
        return -EINVAL;
    if (backlog < 0 || backlog > BACKLOG_MAX)
        backlog = BACKLOG_MAX;
    enum naru_err err = naru_sock_listen(object->sock, (unsigned)backlog, call->now);
    if (err == NARU_OK)
        object->phase = NARU_PHASE_LISTENING;
    return -naru_errno(err);
}

static bool connections_wait(const struct naru_object *object)
{
    return object->phase == NARU_PHASE_LISTENING &&
           (object->undelivered != NULL || (naru_sock_ready(object->sock) & NARU_READY_READ) != 0);
}

static void add_token(struct naru_object *object)
{
    static const uint8_t token = 0;
    if (object->tokens < TOKENS_MAX &&
        send(object->watch.fd, &token, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1)
        object->tokens++;
}

/* After a connection was handed out, or none was there: one token at least while any waits. */
static void eat_tokens(struct naru_call *call)
{
    struct naru_object *object = call->object;
    uint8_t token[TOKENS_MAX];
    bool wait = connections_wait(object);
    size_t count = wait ? object->tokens > 1 : object->tokens;
    ssize_t n = 0;
    if (count > 0 && naru_call_find_fd(call) >= 0)
        n = recv(call->fd, token, count, MSG_DONTWAIT);
    if (n > 0)
        object->tokens -= (unsigned)n;
    if (wait && object->tokens == 0)
        add_token(object);
}

void naru_listen_sock_event(struct naru_object *object, const struct naru_event *event)
{
    if ((event->changed & NARU_READY_READ) == 0)
        return;
    naru_waiters_retry(object);
    if (object->phase == NARU_PHASE_LISTENING && connections_wait(object))
        add_token(object);
}

static enum naru_err next_connection(struct naru_object *listener, struct naru_sock **out,
                                     naru_time now)
{
    *out = listener->undelivered;
    listener->undelivered = NULL;
    return *out != NULL ? NARU_OK : naru_sock_accept(listener->sock, out, now);
}

/* What an accepted socket has from its listener; the stack's own options it has already. */
static void inherit(struct naru_object *object, const struct naru_object *listener)
{
    object->phase = NARU_PHASE_OPEN;
    object->connect_told = true;
    object->recv_timeout = listener->recv_timeout;
    object->send_timeout = listener->send_timeout;
    object->memo_count = listener->memo_count;
    memcpy(object->memo, listener->memo, sizeof listener->memo);
}

/* Gives the connection to the program, with the peer's name. */
static int hand_out(struct naru_call *call, struct naru_object *object, int program_end)
{
    int flags = call->notice->nr == SYS_accept4 ? (int)call->notice->arg[3] : 0;
    struct naru_endpoint remote;
    bool named = naru_sock_remote(object->sock, &remote) == NARU_OK;
    int error = naru_call_put_name(call, call->notice->arg[1], call->notice->arg[2],
                                   named ? &remote : NULL);
    if (error < 0)
        return error;
    if ((flags & SOCK_NONBLOCK) != 0)
        fcntl(program_end, F_SETFL, O_RDWR | O_NONBLOCK);
    return naru_notify_answer_fd(call->runner->listener, call->notice->id, program_end,
                                 (flags & SOCK_CLOEXEC) != 0);
}

static int64_t accept_one(struct naru_call *call, struct naru_sock *sock)
{
    struct naru_object *listener = call->object, *object;
    int program_end;
    int error = naru_object_new(call->runner, sock, listener->family, NARU_SOCK_STREAM, IPPROTO_TCP,
                                &object, &program_end);
    if (error < 0) {
        listener->undelivered = sock;
        return error;
    }
    inherit(object, listener);
    error = hand_out(call, object, program_end);
    close(program_end);
    if (error < 0) {
        listener->undelivered = naru_object_release(object);
        return error;
    }
    naru_stream_open(object, call->now);
    return NARU_CALL_DONE;
}

int64_t naru_call_accept(struct naru_call *call)
{
    struct naru_object *object = call->object;
    struct naru_sock *sock;
    int flags = call->notice->nr == SYS_accept4 ? (int)call->notice->arg[3] : 0;
    if ((flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != 0)
        return -EINVAL;
    if (object->type != NARU_SOCK_STREAM)
        return -EOPNOTSUPP;
    if (object->phase != NARU_PHASE_LISTENING)
        return -EINVAL;

    enum naru_err err = next_connection(object, &sock, call->now);
    int64_t result = -naru_errno(err);
    if (err == NARU_OK)
        result = accept_one(call, sock);
    else if (err == NARU_ERR_AGAIN)
        result = naru_call_block(call, 0, object->recv_timeout, EAGAIN);
    eat_tokens(call);
    return result;
}

void naru_listen_end(struct naru_call *call)
{
    struct naru_object *object = call->object;
    (void)naru_sock_shutdown(object->sock, NARU_SHUTDOWN_READ, call->now);
    if (object->undelivered != NULL)
        naru_sock_abort(object->undelivered, call->now);
    object->undelivered = NULL;
    object->phase = NARU_PHASE_FRESH;
    naru_waiters_fail(object, EINVAL);
    eat_tokens(call);
}

/* Of everything but a listener the pair is shut, and its end tells us. */
int64_t naru_call_shutdown(struct naru_call *call)
{
    int how = (int)call->notice->arg[1];
    if (call->object->phase != NARU_PHASE_LISTENING || (how != SHUT_RD && how != SHUT_RDWR))
        return NARU_CALL_CONTINUE;
    naru_listen_end(call);
    return 0;
}
