/*
 * System calls of a script about readiness: poll, and epoll with levels and edges.
 */
#include "pkt/play.h"
#include "pkt/ready.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

static uint32_t level_of(const struct naru_play_fd *f)
{
    uint32_t told = f->notices.count > 0 ? POLLERR : 0U;
    return f->sock != NULL ? naru_pkt_poll_bits(naru_sock_ready(f->sock)) | told : 0;
}

/* Waits until a timeout of milliseconds has passed since the call began; negative: for ever. */
static bool wait_on(struct naru_play *p, int64_t timeout_ms)
{
    if (timeout_ms < 0)
        return true;
    naru_time end = p->pending.started + NARU_MS(timeout_ms);
    p->pending.wake = end;
    return p->now < end;
}

/* ---- poll ---- */

static int64_t member_value(const struct naru_script_expr *e, const char *name, int64_t other)
{
    const struct naru_script_expr *m = naru_expr_member(e, name);
    return m != NULL && m->kind == NARU_SCRIPT_INT ? m->value : other;
}

struct naru_outcome naru_call_poll(struct naru_play *p, const struct naru_script_call *call)
{
    const struct naru_script_expr *list = naru_call_arg(call, 0);
    int64_t ready = 0;
    if (list == NULL || list->kind != NARU_SCRIPT_LIST)
        return naru_outcome_error(EFAULT);
    for (int pass = 0; pass < 2; pass++) {
        for (const struct naru_script_expr *e = list->first; e != NULL; e = e->next) {
            struct naru_play_fd *f = naru_play_fd(p, member_value(e, "fd", -1));
            uint32_t asked = (uint32_t)member_value(e, "events", 0) | POLLERR | POLLHUP;
            uint32_t got = f == NULL ? (uint32_t)POLLNVAL : level_of(f) & asked;
            int64_t want = member_value(e, "revents", got);
            ready += pass == 0 && got != 0;
            if (pass == 1 && want != got)
                naru_play_fail(p, "wanted revents 0x%llx, got 0x%x, at %.6f",
                               (unsigned long long)want, got, (double)naru_play_time(p->now) / 1e9);
        }
        if (pass == 0 && ready == 0 && wait_on(p, naru_call_int(p, call, 2, -1)))
            return (struct naru_outcome){ .wait = true };
    }
    return (struct naru_outcome){ .value = ready };
}

/* ---- epoll ---- */

struct naru_outcome naru_call_epoll_create(struct naru_play *p, const struct naru_script_call *call)
{
    for (unsigned i = 0; i < NARU_PLAY_FDS; i++) {
        if (p->fd[i].number >= 0)
            continue;
        p->fd[i] = (struct naru_play_fd){ .number = (int)call->result->value, .epoll = true };
        return (struct naru_outcome){ .value = call->result->value };
    }
    return naru_outcome_error(EMFILE);
}

static struct naru_play_watch *find_watch(struct naru_play_fd *ep, int fd)
{
    for (unsigned i = 0; i < ep->watch_count; i++)
        if (ep->watch[i].fd == fd)
            return &ep->watch[i];
    return NULL;
}

struct naru_outcome naru_call_epoll_ctl(struct naru_play *p, const struct naru_script_call *call)
{
    struct naru_play_fd *ep = naru_play_fd(p, naru_call_int(p, call, 0, -1));
    int64_t op = naru_call_int(p, call, 1, 0);
    struct naru_play_fd *f = naru_play_fd(p, naru_call_int(p, call, 2, -1));
    const struct naru_script_expr *event = naru_call_arg(call, 3);
    if (ep == NULL || f == NULL)
        return naru_outcome_error(EBADF);
    if (!ep->epoll)
        return naru_outcome_error(EINVAL);
    struct naru_play_watch *w = find_watch(ep, f->number);
    if (op == EPOLL_CTL_ADD && w != NULL)
        return naru_outcome_error(EEXIST);
    if (op != EPOLL_CTL_ADD && w == NULL)
        return naru_outcome_error(ENOENT);
    if (op == EPOLL_CTL_DEL) {
        *w = ep->watch[--ep->watch_count];
        return (struct naru_outcome){ 0 };
    }
    if (w == NULL) {
        if (ep->watch_count == NARU_PLAY_WATCHES)
            return naru_outcome_error(ENOSPC);
        w = &ep->watch[ep->watch_count++];
    }
    *w = (struct naru_play_watch){
        .fd = f->number,
        .events = (uint32_t)member_value(event, "events", 0) | EPOLLERR | EPOLLHUP,
        .data = member_value(event, "fd", member_value(event, "ptr", f->number)),
        .edges = level_of(f),
    };
    return (struct naru_outcome){ 0 };
}

void naru_poll_edge(struct naru_play *p, const struct naru_sock *sock, unsigned ready)
{
    const struct naru_play_fd *f = naru_sock_user(sock);
    if (f == NULL || f->number < 0)
        return;
    for (unsigned i = 0; i < NARU_PLAY_FDS; i++) {
        struct naru_play_watch *w = find_watch(&p->fd[i], f->number);
        if (p->fd[i].number >= 0 && w != NULL)
            w->edges |= naru_pkt_poll_bits(ready);
    }
}

/* What a watch has to tell now; taking it uses up its edges. */
static uint32_t report(struct naru_play *p, struct naru_play_watch *w, bool take)
{
    struct naru_play_fd *f = naru_play_fd(p, w->fd);
    if (f == NULL || w->fd < 0)
        return 0;
    uint32_t asked = w->events;
    uint32_t bits = level_of(f) & asked;
    if ((w->events & EPOLLET) != 0 && (w->edges & asked) == 0)
        bits = 0;
    if (take && bits != 0) {
        w->edges = 0;
        if (w->events & EPOLLONESHOT)
            w->events &= (uint32_t)(EPOLLET | EPOLLONESHOT);
    }
    return bits;
}

static void check_event(struct naru_play *p, const struct naru_script_expr *want,
                        const struct naru_play_watch *w, uint32_t bits)
{
    int64_t events = member_value(want, "events", bits);
    int64_t data = member_value(want, "fd", member_value(want, "ptr", w->data));
    if (events != bits || data != w->data)
        naru_play_fail(p, "wanted epoll events 0x%llx of %lld, got 0x%x of %lld, at %.6f",
                       (unsigned long long)events, (long long)data, bits, (long long)w->data,
                       (double)naru_play_time(p->now) / 1e9);
}

struct naru_outcome naru_call_epoll_wait(struct naru_play *p, const struct naru_script_call *call)
{
    struct naru_play_fd *ep = naru_play_fd(p, naru_call_int(p, call, 0, -1));
    const struct naru_script_expr *want = naru_call_arg(call, 1);
    int64_t max = naru_call_int(p, call, 2, 1), ready = 0;
    if (ep == NULL)
        return naru_outcome_error(EBADF);
    if (want != NULL && want->kind == NARU_SCRIPT_LIST)
        want = want->first;
    for (unsigned i = 0; i < ep->watch_count; i++)
        ready += report(p, &ep->watch[i], false) != 0;
    if (ready == 0 && wait_on(p, naru_call_int(p, call, 3, -1)))
        return (struct naru_outcome){ .wait = true };
    ready = 0;
    for (unsigned i = 0; i < ep->watch_count && ready < max; i++) {
        uint32_t bits = report(p, &ep->watch[i], true);
        if (bits == 0)
            continue;
        ready++;
        if (want != NULL && want->kind == NARU_SCRIPT_STRUCT) {
            check_event(p, want, &ep->watch[i], bits);
            want = want->next;
        }
    }
    return (struct naru_outcome){ .value = ready };
}
