/*
 * naru-packetdrill.so: calls that make, name and end sockets; see drill.h.
 */
#include "pkt/drill.h"

#include "base/addr.h"
#include "base/bytes.h"
#include "host/errno.h"
#include "pkt/option_rows.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

int drill_fail(int error)
{
    errno = error;
    return -1;
}

int64_t drill_result(int64_t naru_result)
{
    return naru_result >= 0 ? naru_result : drill_fail(naru_errno(naru_result));
}

/* ---- Descriptors ---- */

struct drill_fd *drill_find(int fd)
{
    for (unsigned i = 0; i < DRILL_FDS; i++)
        if (fd >= 0 && drill.fd[i].number == fd)
            return &drill.fd[i];
    return NULL;
}

struct drill_fd *drill_fd_new(void)
{
    for (unsigned i = 0; i < DRILL_FDS; i++) {
        if (drill.fd[i].number >= 0)
            continue;
        int number = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (number < 0)
            return NULL;
        drill.fd[i] = (struct drill_fd){ .number = number };
        return &drill.fd[i];
    }
    errno = EMFILE;
    return NULL;
}

static struct drill_fd *find_sock(int fd)
{
    struct drill_fd *f = drill_find(fd);
    if (f == NULL || f->sock == NULL)
        errno = EBADF;
    return f != NULL && f->sock != NULL ? f : NULL;
}

static void forget(struct drill_fd *f)
{
    for (unsigned i = 0; i < DRILL_FDS; i++)
        for (unsigned w = 0; w < drill.fd[i].watch_count; w++)
            if (drill.fd[i].watch[w].fd == f->number)
                drill.fd[i].watch[w].fd = -1;
    if (f->sock != NULL)
        naru_sock_close(f->sock, drill.now);
    syscall(SYS_close, f->number);
    *f = (struct drill_fd){ .number = -1 };
}

void drill_close_all(void)
{
    for (unsigned i = 0; i < DRILL_FDS; i++)
        if (drill.fd[i].number >= 0)
            forget(&drill.fd[i]);
}

/* ---- Addresses ---- */

void drill_addr_out(const struct naru_endpoint *from, bool v6, struct sockaddr *to, socklen_t *len)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(from->port) };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(from->port) };
    if (to == NULL || len == NULL)
        return;
    memcpy(&in6.sin6_addr, from->addr.b, 16); /* an IPv4 address is ::ffff:a.b.c.d already */
    memcpy(&in.sin_addr, from->addr.b + 12, 4);
    socklen_t whole = v6 ? sizeof(in6) : sizeof(in);
    memcpy(to, v6 ? (const void *)&in6 : (const void *)&in, NARU_MIN(*len, whole));
    *len = whole;
}

bool drill_addr_in(const struct sockaddr *from, socklen_t len, struct naru_endpoint *to)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    if (from == NULL || len < sizeof(in))
        return false;
    memcpy(&in, from, sizeof(in));
    to->port = ntohs(in.sin_port);
    if (in.sin_family == AF_INET) {
        to->addr = naru_addr_v4(ntohl(in.sin_addr.s_addr));
        return true;
    }
    if (in.sin_family != AF_INET6 || len < sizeof(in6))
        return false;
    memcpy(&in6, from, sizeof(in6));
    memcpy(to->addr.b, &in6.sin6_addr, 16);
    return true;
}

/* ---- Calls ---- */

int drill_socket(void *user, int domain, int type, int proto)
{
    (void)user;
    (void)proto;
    int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC), result = -1;
    struct naru_sock *sock;
    if (domain != AF_INET && domain != AF_INET6)
        return drill_fail(EAFNOSUPPORT);
    if (kind != SOCK_STREAM && kind != SOCK_DGRAM)
        return drill_fail(ESOCKTNOSUPPORT);
    drill_lock();
    enum naru_err err = NARU_ERR_NOMEM;
    if (drill_need_stack())
        err = naru_sock_new(drill.stack, domain == AF_INET6 ? NARU_IPV6 : NARU_IPV4,
                            kind == SOCK_STREAM ? NARU_SOCK_STREAM : NARU_SOCK_DGRAM, &sock);
    struct drill_fd *f = err == NARU_OK ? drill_fd_new() : NULL;
    if (f != NULL) {
        f->sock = sock;
        f->v6 = domain == AF_INET6;
        f->dgram = kind == SOCK_DGRAM;
        f->nonblock = (type & SOCK_NONBLOCK) != 0;
        naru_sock_set_user(sock, f);
        result = f->number;
    } else if (err == NARU_OK) {
        naru_sock_close(sock, drill.now);
    } else {
        (void)drill_result(err);
    }
    drill_unlock();
    return result;
}

/* The address is the script's own, if nobody told it before. */
static void learn_local(const struct naru_endpoint *to)
{
    unsigned v6 = !naru_addr_is_v4(&to->addr);
    struct naru_route route = { .ifindex = (uint16_t)drill.ifindex };
    if (drill.has_local[v6] || naru_addr_is_unspecified(&to->addr))
        return;
    drill.local[v6] = to->addr;
    route.prefix = v6 ? (struct naru_addr){ 0 } : naru_addr_v4(0);
    drill.has_local[v6] = naru_ifaddr_add(drill.stack, drill.ifindex, &to->addr, v6 ? 64 : 16,
                                          drill.now) == NARU_OK &&
                          naru_route_add(drill.stack, &route) == NARU_OK;
}

int drill_bind(void *user, int fd, const struct sockaddr *addr, socklen_t len)
{
    (void)user;
    int result = -1;
    struct naru_endpoint to;
    drill_lock();
    struct drill_fd *f = find_sock(fd);
    if (f != NULL && !drill_addr_in(addr, len, &to)) {
        errno = EINVAL;
    } else if (f != NULL) {
        learn_local(&to);
        result = (int)drill_result(naru_sock_bind(f->sock, &to));
    }
    drill_unlock();
    return result;
}

int drill_listen(void *user, int fd, int backlog)
{
    (void)user;
    int result = -1;
    drill_lock();
    struct drill_fd *f = find_sock(fd);
    if (f != NULL) {
        unsigned count = (unsigned)NARU_MAX(NARU_MIN(backlog, 65535), 0);
        f->listener = true;
        result = (int)drill_result(naru_sock_listen(f->sock, count, drill.now));
    }
    drill_unlock();
    return result;
}

static bool try_accept(void *call, int64_t *result)
{
    struct drill_fd *f = call, *child;
    struct naru_sock *sock;
    enum naru_err err = naru_sock_accept(f->sock, &sock, drill.now);
    if (err == NARU_ERR_AGAIN)
        return false;
    *result = drill_result(err);
    if (err != NARU_OK)
        return true;
    child = drill_fd_new();
    if (child == NULL) {
        naru_sock_abort(sock, drill.now);
        *result = -1;
        return true;
    }
    child->sock = sock;
    child->v6 = f->v6;
    naru_sock_set_user(sock, child);
    *result = child->number;
    return true;
}

int drill_accept(void *user, int fd, struct sockaddr *addr, socklen_t *len)
{
    (void)user;
    int result = -1;
    struct naru_endpoint peer;
    drill_lock();
    struct drill_fd *f = find_sock(fd);
    if (f != NULL)
        result = (int)drill_call(try_accept, f, !f->nonblock);
    struct drill_fd *child = drill_find(result);
    if (child != NULL && naru_sock_remote(child->sock, &peer) == NARU_OK)
        drill_addr_out(&peer, child->v6, addr, len);
    drill_unlock();
    return result;
}

struct connecting {
    struct drill_fd *f;
    struct naru_endpoint to;
    bool began;
};

static bool try_connect(void *call, int64_t *result)
{
    struct connecting *k = call;
    enum naru_err err = naru_sock_connect(k->f->sock, &k->to, drill.now);
    bool more = err == NARU_ERR_INPROGRESS || (err == NARU_ERR_ALREADY && k->began);
    if (more) {
        k->f->connecting = k->began = true;
        err = NARU_ERR_INPROGRESS;
        if (!k->f->nonblock)
            return false;
    } else if (err == NARU_ERR_ISCONN && k->f->connecting) {
        k->f->connecting = false; /* the first call after it came to be tells so */
        err = NARU_OK;
    }
    *result = drill_result(err);
    return true;
}

int drill_connect(void *user, int fd, const struct sockaddr *addr, socklen_t len)
{
    (void)user;
    int result = -1;
    struct connecting k = { 0 };
    drill_lock();
    k.f = find_sock(fd);
    if (k.f != NULL && !drill_addr_in(addr, len, &k.to))
        errno = EINVAL;
    else if (k.f != NULL)
        result = (int)drill_call(try_connect, &k, true);
    drill_unlock();
    return result;
}

int drill_close(void *user, int fd)
{
    (void)user;
    int result = -1;
    drill_lock();
    struct drill_fd *f = drill_find(fd);
    if (f != NULL) {
        forget(f);
        drill_settle();
        result = 0;
    } else {
        result = (int)syscall(SYS_close, fd); /* an end of a pipe */
    }
    drill_unlock();
    return result;
}

int drill_shutdown(void *user, int fd, int how)
{
    (void)user;
    int result = -1;
    drill_lock();
    struct drill_fd *f = find_sock(fd);
    if (f != NULL && (how < SHUT_RD || how > SHUT_RDWR)) {
        errno = EINVAL;
    } else if (f != NULL) {
        unsigned which = (how != SHUT_WR ? (unsigned)NARU_SHUTDOWN_READ : 0) |
                         (how != SHUT_RD ? (unsigned)NARU_SHUTDOWN_WRITE : 0);
        result = (int)drill_result(naru_sock_shutdown(f->sock, which, drill.now));
        drill_settle();
    }
    drill_unlock();
    return result;
}

int drill_fcntl(void *user, int fd, int command, ...)
{
    (void)user;
    va_list args;
    va_start(args, command);
    int value = command == F_SETFL || command == F_SETFD ? va_arg(args, int) : 0, result = 0;
    va_end(args);
    drill_lock();
    struct drill_fd *f = drill_find(fd);
    if (f == NULL)
        result = drill_fail(EBADF);
    else if (command == F_GETFL)
        result = O_RDWR | (f->nonblock ? O_NONBLOCK : 0);
    else if (command == F_SETFL)
        f->nonblock = (value & O_NONBLOCK) != 0;
    else if (command != F_GETFD && command != F_SETFD)
        result = drill_fail(EINVAL);
    drill_unlock();
    return result;
}

static int64_t ask(const struct drill_fd *f, unsigned long request, int *out)
{
    int64_t value = 0;
    enum naru_err err = NARU_OK;
    if (!naru_pkt_ioctl(f->sock, (int64_t)request, drill.now, &value, &err))
        return drill_fail(ENOTTY);
    *out = (int)value;
    return drill_result(err);
}

int drill_ioctl(void *user, int fd, unsigned long request, ...)
{
    (void)user;
    va_list args;
    va_start(args, request);
    int *out = va_arg(args, int *), result = -1;
    va_end(args);
    drill_lock();
    struct drill_fd *f = find_sock(fd);
    if (f != NULL)
        result = (int)ask(f, request, out);
    drill_unlock();
    return result;
}

int drill_pipe(void *user, int ends[2])
{
    (void)user;
    return pipe2(ends, O_CLOEXEC);
}

int drill_splice(void *user, int in, loff_t *in_at, int out, loff_t *out_at, size_t len,
                 unsigned flags)
{
    (void)user;
    (void)in;
    (void)in_at;
    (void)out;
    (void)out_at;
    (void)len;
    (void)flags;
    return drill_fail(ENOSYS);
}
