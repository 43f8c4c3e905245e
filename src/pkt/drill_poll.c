/*
 * naru-packetdrill.so: poll, and epoll with levels and edges; see drill.h.
 */
#include "pkt/drill.h"
#include "pkt/ready.h"

#include <errno.h>

static uint32_t level_of(const struct drill_fd *f)
{
    uint32_t told = f->notices.count > 0 ? POLLERR : 0U;
    return f->sock != NULL ? naru_pkt_poll_bits(naru_sock_ready(f->sock)) | told : 0;
}

/* A wait that ends by itself. */
struct timed {
    drill_try attempt;
    void *call;
    naru_time end;
};

static bool try_timed(void *call, int64_t *result)
{
    const struct timed *t = call;
    return t->attempt(t->call, result) || drill.now >= t->end; /* *result is 0 then */
}

static int64_t wait_for(drill_try attempt, void *call, int timeout_ms)
{
    struct timed t = { attempt, call,
                       timeout_ms < 0 ? NARU_NEVER : drill.now + NARU_MS(timeout_ms) };
    int64_t result = 0;
    drill_settle();
    if (t.end == NARU_NEVER || !pthread_equal(drill.first, pthread_self()))
        return drill_call(try_timed, &t, true);
    while (!try_timed(&t, &result)) { /* time is the only thing that must pass */
        naru_time next = drill.stack != NULL ? naru_stack_deadline(drill.stack) : NARU_NEVER;
        drill_run(NARU_MIN(NARU_MAX(next, drill.now + 1), t.end));
    }
    return result;
}

/* ---- poll ---- */

struct polling {
    struct pollfd *fds;
    nfds_t count;
};

static bool try_poll(void *call, int64_t *result)
{
    const struct polling *p = call;
    *result = 0;
    for (nfds_t i = 0; i < p->count; i++) {
        const struct drill_fd *f = drill_find(p->fds[i].fd);
        uint32_t asked = (uint16_t)p->fds[i].events | POLLERR | POLLHUP;
        uint32_t bits = f == NULL ? (uint32_t)POLLNVAL : level_of(f) & asked;
        p->fds[i].revents = p->fds[i].fd < 0 ? 0 : (short)bits;
        *result += p->fds[i].revents != 0;
    }
    return *result > 0;
}

int drill_poll(void *user, struct pollfd *fds, nfds_t count, int timeout_ms)
{
    (void)user;
    struct polling p = { fds, count };
    drill_lock();
    int64_t result = wait_for(try_poll, &p, timeout_ms);
    drill_unlock();
    return (int)result;
}

/* ---- epoll ---- */

int drill_epoll_create(void *user, int size)
{
    (void)user;
    (void)size;
    drill_lock();
    struct drill_fd *f = drill_fd_new();
    if (f != NULL)
        f->epoll = true;
    int number = f != NULL ? f->number : -1;
    drill_unlock();
    return number;
}

static struct drill_watch *find_watch(struct drill_fd *ep, int fd)
{
    for (unsigned i = 0; i < ep->watch_count; i++)
        if (ep->watch[i].fd == fd)
            return &ep->watch[i];
    return NULL;
}

static int control(struct drill_fd *ep, int op, struct drill_fd *f, const struct epoll_event *event)
{
    if (ep == NULL || f == NULL)
        return drill_fail(EBADF);
    if (!ep->epoll)
        return drill_fail(EINVAL);
    struct drill_watch *w = find_watch(ep, f->number);
    if ((op == EPOLL_CTL_ADD) == (w != NULL))
        return drill_fail(w != NULL ? EEXIST : ENOENT);
    if (op == EPOLL_CTL_DEL) {
        *w = ep->watch[--ep->watch_count];
        return 0;
    }
    if (w == NULL && ep->watch_count == DRILL_WATCHES)
        return drill_fail(ENOSPC);
    if (w == NULL)
        w = &ep->watch[ep->watch_count++];
    *w = (struct drill_watch){ .fd = f->number,
                               .events = event->events | EPOLLERR | EPOLLHUP,
                               .edges = level_of(f),
                               .data = event->data };
    return 0;
}

int drill_epoll_ctl(void *user, int ep, int op, int fd, struct epoll_event *event)
{
    (void)user;
    drill_lock();
    int result = control(drill_find(ep), op, drill_find(fd), event);
    drill_unlock();
    return result;
}

void drill_edge(const struct naru_sock *sock, unsigned changed)
{
    const struct drill_fd *f = naru_sock_user(sock);
    if (f == NULL || f->number < 0)
        return;
    for (unsigned i = 0; i < DRILL_FDS; i++) {
        struct drill_watch *w =
            drill.fd[i].number >= 0 ? find_watch(&drill.fd[i], f->number) : NULL;
        if (w != NULL)
            w->edges |= naru_pkt_poll_bits(changed);
    }
}

struct waiting {
    struct drill_fd *ep;
    struct epoll_event *events;
    int max;
};

static bool try_epoll(void *call, int64_t *result)
{
    const struct waiting *k = call;
    *result = 0;
    for (unsigned i = 0; i < k->ep->watch_count && *result < k->max; i++) {
        struct drill_watch *w = &k->ep->watch[i];
        const struct drill_fd *f = drill_find(w->fd);
        uint32_t asked = w->events;
        uint32_t bits = f != NULL ? level_of(f) & asked : 0;
        if (bits == 0 || ((w->events & EPOLLET) != 0 && (w->edges & asked) == 0))
            continue;
        w->edges = 0;
        if (w->events & EPOLLONESHOT)
            w->events &= (uint32_t)EPOLLET | (uint32_t)EPOLLONESHOT;
        k->events[*result] = (struct epoll_event){ .events = bits, .data = w->data };
        ++*result;
    }
    return *result > 0;
}

int drill_epoll_wait(void *user, int ep, struct epoll_event *events, int max, int timeout_ms)
{
    (void)user;
    int64_t result = -1;
    drill_lock();
    struct waiting k = { drill_find(ep), events, max };
    if (k.ep == NULL || !k.ep->epoll)
        errno = k.ep == NULL ? EBADF : EINVAL;
    else
        result = wait_for(try_epoll, &k, timeout_ms);
    drill_unlock();
    return (int)result;
}
