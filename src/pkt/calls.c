/*
 * System calls of a script: their life (begin, wait, end), and those that make, name and end
 * sockets.
 *
 * Nothing blocks: a call that would is kept and tried again after everything that happens.  A call
 * written with two times runs beside the script; any other that waits holds the script up, in
 * virtual time.
 */
#include "host/errno.h"
#include "pkt/play.h"
#include "pkt/symbols.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { PATIENCE_S = 300 };

/* ---- Arguments and results ---- */

const struct naru_script_expr *naru_call_arg(const struct naru_script_call *call, unsigned n)
{
    const struct naru_script_expr *e = call->arg;
    while (e != NULL && n-- > 0)
        e = e->next;
    return e;
}

int64_t naru_call_int(struct naru_play *p, const struct naru_script_call *call, unsigned n,
                      int64_t other)
{
    const struct naru_script_expr *e = naru_call_arg(call, n);
    if (e != NULL && e->kind == NARU_SCRIPT_LIST)
        e = e->first;
    if (e == NULL || e->kind == NARU_SCRIPT_ELLIPSIS)
        return other;
    if (e->kind == NARU_SCRIPT_INT)
        return e->value;
    if (e->kind == NARU_SCRIPT_WORD)
        naru_play_skip(p, "unknown symbol %s", e->text);
    else
        naru_play_fail(p, "%s: argument %u is to be a number", call->name, n + 1);
    return other;
}

const struct naru_script_expr *naru_expr_member(const struct naru_script_expr *e, const char *name)
{
    if (e == NULL || e->kind != NARU_SCRIPT_STRUCT)
        return NULL;
    for (e = e->first; e != NULL; e = e->next)
        if (e->name != NULL && strcmp(e->name, name) == 0)
            return e;
    return NULL;
}

struct naru_outcome naru_outcome_error(int error)
{
    return (struct naru_outcome){ .value = -1, .error = error };
}

struct naru_outcome naru_outcome_of(int64_t result)
{
    if (result >= 0)
        return (struct naru_outcome){ .value = result };
    return naru_outcome_error(naru_errno(result));
}

/* ---- File descriptors ---- */

struct naru_play_fd *naru_play_fd(struct naru_play *p, int64_t number)
{
    for (unsigned i = 0; i < NARU_PLAY_FDS; i++)
        if (p->fd[i].number >= 0 && p->fd[i].number == number)
            return &p->fd[i];
    return NULL;
}

/* The script's number is what its call is to return. */
static struct naru_play_fd *new_fd(struct naru_play *p, const struct naru_script_call *call)
{
    int64_t number = call->result->value;
    if (call->result->kind != NARU_SCRIPT_INT || number < 0 || number > INT16_MAX)
        return NULL;
    for (unsigned i = 0; i < NARU_PLAY_FDS; i++) {
        struct naru_play_fd *f = &p->fd[i];
        if (f->number >= 0)
            continue;
        *f = (struct naru_play_fd){ .number = (int)number };
        return f;
    }
    return NULL;
}

static struct naru_outcome bind_fd(struct naru_play *p, const struct naru_script_call *call,
                                   struct naru_sock *sock, struct naru_play_fd **out)
{
    struct naru_play_fd *f = new_fd(p, call);
    if (f == NULL) {
        naru_sock_abort(sock, p->now);
        return (struct naru_outcome){ .value = NARU_PLAY_FDS }; /* it should have failed */
    }
    f->sock = sock;
    naru_sock_set_user(sock, f);
    *out = f;
    p->under_test = (int)(f - p->fd);
    return (struct naru_outcome){ .value = f->number };
}

static struct naru_outcome call_socket(struct naru_play *p, const struct naru_script_call *call)
{
    bool v6 = p->options.version != NARU_SCRIPT_V4;
    int64_t domain = naru_call_int(p, call, 0, v6 ? AF_INET6 : AF_INET);
    int64_t type = naru_call_int(p, call, 1, SOCK_STREAM);
    struct naru_sock *sock;
    struct naru_play_fd *f;
    int64_t kind = type & ~(int64_t)(SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (kind != SOCK_STREAM && kind != SOCK_DGRAM)
        naru_play_skip(p, "sockets of other types than SOCK_STREAM and SOCK_DGRAM");
    naru_play_need_stack(p);
    if (naru_play_ended(p))
        return naru_outcome_error(EINVAL);
    enum naru_err err =
        naru_sock_new(p->stack, domain == AF_INET6 ? NARU_IPV6 : NARU_IPV4,
                      kind == SOCK_STREAM ? NARU_SOCK_STREAM : NARU_SOCK_DGRAM, &sock);
    if (err != NARU_OK)
        return naru_outcome_of(err);
    struct naru_outcome outcome = bind_fd(p, call, sock, &f);
    if (outcome.value == call->result->value) {
        f->nonblock = (type & SOCK_NONBLOCK) != 0;
        f->v6 = domain == AF_INET6;
        f->dgram = kind == SOCK_DGRAM;
        naru_play_new_conn(p, 0, 0);
    }
    return outcome;
}

/* "..." or a struct sockaddr. */
static struct naru_endpoint endpoint(struct naru_play *p, const struct naru_play_fd *f,
                                     const struct naru_script_expr *e, bool remote)
{
    bool v6 = p->options.version == NARU_SCRIPT_V6 && f->v6;
    struct naru_endpoint to = {
        .addr = remote ? p->options.remote[v6] : p->options.local[v6],
        .port = remote ? p->options.connect_port : p->options.bind_port,
    };
    const struct naru_script_expr *port = naru_expr_member(e, f->v6 ? "sin6_port" : "sin_port");
    const struct naru_script_expr *addr = naru_expr_member(e, f->v6 ? "sin6_addr" : "sin_addr");
    if (port != NULL && port->kind == NARU_SCRIPT_INT)
        to.port = (uint16_t)port->value;
    if (addr != NULL && addr->kind == NARU_SCRIPT_STRING)
        (void)naru_addr_parse(addr->text, &to.addr);
    if (addr != NULL && addr->kind == NARU_SCRIPT_INT && !v6)
        to.addr = naru_addr_v4((uint32_t)addr->value);
    return to;
}

static struct naru_outcome call_bind(struct naru_play *p, const struct naru_script_call *call)
{
    struct naru_play_fd *f = naru_play_fd(p, naru_call_int(p, call, 0, -1));
    if (f == NULL || f->sock == NULL)
        return naru_outcome_error(EBADF);
    struct naru_endpoint to = endpoint(p, f, naru_call_arg(call, 1), false);
    return naru_outcome_of(naru_sock_bind(f->sock, &to));
}

static struct naru_outcome call_listen(struct naru_play *p, const struct naru_script_call *call)
{
    struct naru_play_fd *f = naru_play_fd(p, naru_call_int(p, call, 0, -1));
    if (f == NULL || f->sock == NULL)
        return naru_outcome_error(EBADF);
    int64_t backlog = naru_call_int(p, call, 1, 1);
    f->listener = true;
    return naru_outcome_of(
        naru_sock_listen(f->sock, (unsigned)NARU_MAX(NARU_MIN(backlog, 65535), 0), p->now));
}

static struct naru_outcome call_accept(struct naru_play *p, const struct naru_script_call *call)
{
    struct naru_play_fd *f = naru_play_fd(p, naru_call_int(p, call, 0, -1)), *child;
    struct naru_sock *sock;
    if (f == NULL || f->sock == NULL)
        return naru_outcome_error(EBADF);
    enum naru_err err = naru_sock_accept(f->sock, &sock, p->now);
    if (err == NARU_ERR_AGAIN && !f->nonblock)
        return (struct naru_outcome){ .wait = true };
    if (err != NARU_OK)
        return naru_outcome_of(err);
    struct naru_outcome outcome = bind_fd(p, call, sock, &child);
    if (outcome.value == call->result->value) {
        child->v6 = f->v6;
        child->nonblock = strcmp(call->name, "accept4") == 0 &&
                          (naru_call_int(p, call, 3, 0) & SOCK_NONBLOCK) != 0;
    }
    return outcome;
}

static struct naru_outcome call_connect(struct naru_play *p, const struct naru_script_call *call)
{
    struct naru_play_fd *f = naru_play_fd(p, naru_call_int(p, call, 0, -1));
    if (f == NULL || f->sock == NULL)
        return naru_outcome_error(EBADF);
    struct naru_endpoint to = endpoint(p, f, naru_call_arg(call, 1), true);
    enum naru_err err = naru_sock_connect(f->sock, &to, p->now);
    if (err == NARU_ERR_INPROGRESS || (err == NARU_ERR_ALREADY && p->pending.progress > 0)) {
        f->connecting = true;
        p->pending.progress = 1;
        if (!f->nonblock)
            return (struct naru_outcome){ .wait = true };
    } else if (err == NARU_ERR_ISCONN && f->connecting) {
        f->connecting = false; /* the first call after it came to be tells so */
        err = NARU_OK;
    }
    return naru_outcome_of(err);
}

static struct naru_outcome call_close(struct naru_play *p, const struct naru_script_call *call)
{
    struct naru_play_fd *f = naru_play_fd(p, naru_call_int(p, call, 0, -1));
    if (f == NULL)
        return naru_outcome_error(EBADF);
    if (f->sock != NULL)
        naru_sock_close(f->sock, p->now);
    for (unsigned i = 0; i < NARU_PLAY_FDS; i++)
        for (unsigned w = 0; w < p->fd[i].watch_count; w++)
            if (p->fd[i].watch[w].fd == f->number)
                p->fd[i].watch[w].fd = -1;
    f->number = -1;
    f->sock = NULL;
    if (p->under_test == f - p->fd) {
        p->under_test = -1;
        for (int i = 0; i < NARU_PLAY_FDS; i++)
            if (p->fd[i].number >= 0 && p->fd[i].sock != NULL)
                p->under_test = i;
    }
    return (struct naru_outcome){ 0 };
}

static struct naru_outcome call_shutdown(struct naru_play *p, const struct naru_script_call *call)
{
    struct naru_play_fd *f = naru_play_fd(p, naru_call_int(p, call, 0, -1));
    int64_t how = naru_call_int(p, call, 1, SHUT_RDWR);
    unsigned both = NARU_SHUTDOWN_READ | NARU_SHUTDOWN_WRITE;
    if (f == NULL || f->sock == NULL)
        return naru_outcome_error(EBADF);
    if (how < SHUT_RD || how > SHUT_RDWR)
        return naru_outcome_error(EINVAL);
    unsigned which = how == SHUT_RD   ? (unsigned)NARU_SHUTDOWN_READ
                     : how == SHUT_WR ? (unsigned)NARU_SHUTDOWN_WRITE
                                      : both;
    return naru_outcome_of(naru_sock_shutdown(f->sock, which, p->now));
}

/* ---- The life of a call ---- */

typedef struct naru_outcome (*call_fn)(struct naru_play *p, const struct naru_script_call *call);

static call_fn find(const char *name)
{
    static const struct {
        const char *name;
        call_fn fn;
    } calls[] = {
        { "socket", call_socket },
        { "bind", call_bind },
        { "listen", call_listen },
        { "accept", call_accept },
        { "accept4", call_accept },
        { "connect", call_connect },
        { "close", call_close },
        { "shutdown", call_shutdown },
        { "read", naru_call_recv },
        { "readv", naru_call_recv },
        { "recv", naru_call_recv },
        { "recvfrom", naru_call_recv },
        { "recvmsg", naru_call_recv },
        { "write", naru_call_send },
        { "writev", naru_call_send },
        { "send", naru_call_send },
        { "sendto", naru_call_send },
        { "sendmsg", naru_call_send },
        { "fcntl", naru_call_fcntl },
        { "ioctl", naru_call_ioctl },
        { "setsockopt", naru_call_setsockopt },
        { "getsockopt", naru_call_getsockopt },
        { "poll", naru_call_poll },
        { "epoll_create", naru_call_epoll_create },
        { "epoll_create1", naru_call_epoll_create },
        { "epoll_ctl", naru_call_epoll_ctl },
        { "epoll_wait", naru_call_epoll_wait },
    };
    for (size_t i = 0; i < NARU_ARRAY_LEN(calls); i++)
        if (strcmp(calls[i].name, name) == 0)
            return calls[i].fn;
    return NULL;
}

static void show_outcome(int64_t value, int error, char *buf, size_t size)
{
    char number[16];
    if (error != 0)
        snprintf(buf, size, "%lld %s", (long long)value, naru_symbol_errno(error, number));
    else
        snprintf(buf, size, "%lld", (long long)value);
}

static void check_result(struct naru_play *p, const struct naru_script_call *call,
                         const struct naru_outcome *got)
{
    char want[64], is[64];
    bool same = got->value == call->result->value;
    if (call->result->kind == NARU_SCRIPT_ELLIPSIS)
        return;
    if (call->error != 0 && got->error != call->error)
        same = false;
    if (same)
        return;
    show_outcome(call->result->value, call->error, want, sizeof(want));
    show_outcome(got->value, got->error, is, sizeof(is));
    naru_play_fail(p, "wanted %s = %s, got %s, at %.6f", call->name, want, is,
                   (double)naru_play_time(p->now) / 1e9);
}

/* When did it return, and was that the time? */
static void check_duration(struct naru_play *p)
{
    const struct naru_script_event *e = p->pending.event;
    naru_time wanted = p->pending.origin + e->time.until;
    if (!e->time.blocking)
        return;
    double gap = (double)(wanted - p->pending.started) * p->options.tolerance_percent / 100;
    naru_time tolerance = NARU_MAX(p->options.tolerance, (naru_time)gap);
    if (p->now >= wanted - tolerance && p->now <= wanted + tolerance)
        return;
    naru_play_fail(p, "wanted %s to return at %.6f, got it at %.6f", e->u.call.name,
                   (double)naru_play_time(wanted) / 1e9, (double)naru_play_time(p->now) / 1e9);
}

void naru_call_retry(struct naru_play *p)
{
    const struct naru_script_event *e = p->pending.event;
    if (e == NULL || naru_play_ended(p))
        return;
    unsigned line = p->line;
    p->line = e->line;
    p->pending.wake = NARU_NEVER;
    struct naru_outcome outcome = find(e->u.call.name)(p, &e->u.call);
    if (!outcome.wait && !naru_play_ended(p)) {
        check_result(p, &e->u.call, &outcome);
        check_duration(p);
        p->pending.event = NULL;
    }
    p->line = line;
}

void naru_call_finish(struct naru_play *p)
{
    naru_time patience = p->now + NARU_SEC(PATIENCE_S);
    unsigned line = p->line;
    while (p->pending.event != NULL && !naru_play_ended(p)) {
        naru_time next = NARU_MIN(naru_stack_deadline(p->stack), p->pending.wake);
        if (next > patience) {
            p->line = p->pending.event->line;
            naru_play_fail(p, "wanted %s to return, got no result within %d s",
                           p->pending.event->u.call.name, PATIENCE_S);
            break;
        }
        naru_play_run(p, NARU_MAX(next, p->now), false);
    }
    p->line = line;
}

void naru_call_begin(struct naru_play *p, const struct naru_script_event *event, naru_time origin)
{
    const struct naru_script_call *call = &event->u.call;
    if (find(call->name) == NULL) {
        naru_play_skip(p, "the call %s", call->name);
        return;
    }
    if (p->pending.event != NULL)
        naru_call_finish(p);
    if (naru_play_ended(p))
        return;
    p->pending = (struct naru_play_pending){
        .event = event, .started = p->now, .origin = origin, .wake = NARU_NEVER
    };
    naru_call_retry(p);
    naru_play_settle(p);
    if (p->pending.event != NULL && !event->time.blocking)
        naru_call_finish(p);
}
