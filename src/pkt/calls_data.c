/*
 * System calls of a script that move bytes.  What is written are zeros; what is read is thrown
 * away.
 *
 * What recvmsg gives beside data is calls_control.c's.  MSG_ZEROCOPY copies, and says so.
 */
#include "pkt/play.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { COUNT_MAX = 64 << 20 };

/* What the arguments of all these calls come to. */
struct transfer {
    struct naru_play_fd *f;
    int64_t count;
    int64_t flags;
    bool has_to;
    struct naru_endpoint to;
    const struct naru_script_expr *msg;
    bool nowhere; /* a buffer that is an address, and so none of ours */
};

/* [{..., 10}, {..., 20}] */
static int64_t iov_count(const struct naru_script_expr *list)
{
    int64_t count = 0;
    if (list == NULL || list->kind != NARU_SCRIPT_LIST)
        return 0;
    for (const struct naru_script_expr *v = list->first; v != NULL; v = v->next)
        if (v->kind == NARU_SCRIPT_STRUCT && v->first != NULL && v->first->next != NULL)
            count += v->first->next->value;
    return count;
}

/* Memory is always "..."; NULL or a number is a wrong pointer, if anything is to be there. */
static bool points_nowhere(const struct naru_script_expr *e, int64_t count)
{
    return e != NULL && count > 0 &&
           (e->kind == NARU_SCRIPT_INT ||
            (e->kind == NARU_SCRIPT_WORD && strcmp(e->text, "NULL") == 0));
}

static bool iov_nowhere(const struct naru_script_expr *list)
{
    if (list == NULL || list->kind != NARU_SCRIPT_LIST)
        return false;
    for (const struct naru_script_expr *v = list->first; v != NULL; v = v->next)
        if (v->kind == NARU_SCRIPT_STRUCT && v->first != NULL && v->first->next != NULL &&
            points_nowhere(v->first, v->first->next->value))
            return true;
    return false;
}

static bool is(const struct naru_script_call *call, const char *name)
{
    return strcmp(call->name, name) == 0;
}

static bool prepare(struct naru_play *p, const struct naru_script_call *call, struct transfer *t)
{
    bool msg = is(call, "sendmsg") || is(call, "recvmsg");
    bool vector = is(call, "readv") || is(call, "writev");
    *t = (struct transfer){ .f = naru_play_fd(p, naru_call_int(p, call, 0, -1)) };
    if (t->f == NULL || t->f->sock == NULL)
        return false;
    if (msg) {
        t->msg = naru_call_arg(call, 1);
        t->count = iov_count(naru_expr_member(t->msg, "msg_iov"));
        t->nowhere = iov_nowhere(naru_expr_member(t->msg, "msg_iov"));
        t->flags = naru_call_int(p, call, 2, 0);
    } else if (vector) {
        t->count = iov_count(naru_call_arg(call, 1));
        t->nowhere = iov_nowhere(naru_call_arg(call, 1));
    } else {
        t->count = naru_call_int(p, call, 2, 0);
        t->nowhere = points_nowhere(naru_call_arg(call, 1), t->count);
        t->flags = naru_call_int(p, call, 3, 0);
    }
    if (t->count < 0 || t->count > COUNT_MAX)
        naru_play_skip(p, "%s of %lld bytes", call->name, (long long)t->count);
    if (is(call, "sendmsg") && naru_expr_member(t->msg, "msg_control") != NULL)
        naru_play_skip(p, "ancillary data of sendmsg");
    if (is(call, "sendto") || is(call, "sendmsg")) {
        bool v6 = p->options.version == NARU_SCRIPT_V6;
        t->has_to = true;
        t->to = (struct naru_endpoint){ .addr = p->options.remote[v6],
                                        .port = p->options.connect_port };
    }
    return !naru_play_ended(p);
}

static unsigned send_flags(int64_t flags)
{
    return (unsigned)((flags & MSG_OOB ? NARU_MSG_OOB : 0) |
                      (flags & MSG_MORE ? NARU_MSG_MORE : 0) |
                      (flags & MSG_EOR ? NARU_MSG_EOR : 0));
}

static bool may_wait(const struct transfer *t)
{
    return !t->f->nonblock && (t->flags & MSG_DONTWAIT) == 0;
}

/* A blocking call goes on until all of it is written; it returns what was, if then it fails. */
struct naru_outcome naru_call_send(struct naru_play *p, const struct naru_script_call *call)
{
    struct transfer t;
    if (!prepare(p, call, &t))
        return naru_outcome_error(EBADF);
    if (t.nowhere)
        return naru_outcome_error(EFAULT);
    bool first = (t.flags & MSG_FASTOPEN) != 0 && !p->pending.opened; /* else it goes on */
    size_t left = (size_t)(t.count - p->pending.progress);
    void *zeros = calloc(1, left + 1);
    if (zeros == NULL)
        return naru_outcome_error(ENOMEM);
    struct naru_slice slice = { zeros, left };
    struct naru_msg_info info = { .to = t.to };
    unsigned how = send_flags(t.flags) | (first ? NARU_MSG_FASTOPEN : 0u);
    int64_t sent = naru_sock_send(t.f->sock, &slice, 1, how,
                                  t.has_to && (t.f->dgram || first) ? &info : NULL, p->now);
    free(zeros);
    if (sent > 0)
        p->pending.progress += sent;
    bool all = p->pending.progress >= t.count;
    if (first && (sent > 0 || sent == NARU_ERR_INPROGRESS))
        p->pending.opened = true;
    if (first && sent == NARU_ERR_INPROGRESS && may_wait(&t))
        return (struct naru_outcome){ .wait = true };
    if ((sent > 0 || sent == NARU_ERR_AGAIN) && !all && may_wait(&t))
        return (struct naru_outcome){ .wait = true };
    if (p->pending.progress > 0)
        naru_notices_sent(&t.f->notices, (uint64_t)p->pending.progress, t.flags);
    return naru_outcome_of(p->pending.progress > 0 ? p->pending.progress : sent);
}

static unsigned recv_flags(int64_t flags)
{
    return (unsigned)((flags & MSG_OOB ? NARU_MSG_OOB : 0) |
                      (flags & MSG_PEEK ? NARU_MSG_PEEK : 0));
}

struct naru_outcome naru_call_recv(struct naru_play *p, const struct naru_script_call *call)
{
    struct transfer t;
    if (!prepare(p, call, &t))
        return naru_outcome_error(EBADF);
    if (t.nowhere)
        return naru_outcome_error(EFAULT);
    if (t.flags & MSG_ERRQUEUE)
        return naru_control_errqueue(p, t.f, t.msg);
    size_t left = (size_t)(t.count - p->pending.progress);
    void *bytes = calloc(1, left + 1);
    if (bytes == NULL)
        return naru_outcome_error(ENOMEM);
    struct naru_room room = { bytes, left };
    int64_t got = naru_sock_recv(t.f->sock, &room, 1, recv_flags(t.flags), NULL, p->now);
    free(bytes);
    if (got > 0 && (t.flags & MSG_PEEK) == 0)
        p->pending.progress += got;
    bool more = got > 0 && (t.flags & MSG_WAITALL) && p->pending.progress < t.count;
    if ((got == NARU_ERR_AGAIN || more) && may_wait(&t))
        return (struct naru_outcome){ .wait = true };
    if (t.msg != NULL && got >= 0)
        naru_control_recv(p, t.f, t.msg);
    return naru_outcome_of(p->pending.progress > 0 ? p->pending.progress : got);
}
