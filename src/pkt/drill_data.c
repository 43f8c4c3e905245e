/*
 * naru-packetdrill.so: calls that move bytes; see drill.h.
 */
#include "pkt/drill.h"

#include <errno.h>
#include <limits.h>

enum { VECTOR_MAX = 64 };

struct transfer {
    struct drill_fd *f;
    const struct iovec *iov;
    int count;
    int flags;
    bool has_to;
    bool opened; /* MSG_FASTOPEN has begun the connection */
    struct naru_msg_info info;
    size_t done, total;
};

static bool may_block(const struct transfer *t)
{
    return !t->f->nonblock && (t->flags & MSG_DONTWAIT) == 0;
}

static bool begin(struct transfer *t, int fd)
{
    t->f = drill_find(fd);
    if (t->f == NULL || t->f->sock == NULL || t->count < 0 || t->count > VECTOR_MAX) {
        errno = t->f == NULL || t->f->sock == NULL ? EBADF : EINVAL;
        return false;
    }
    for (int i = 0; i < t->count; i++) {
        if (t->iov[i].iov_base == NULL && t->iov[i].iov_len > 0) {
            errno = EFAULT;
            return false;
        }
        t->total += t->iov[i].iov_len;
    }
    return true;
}

/* ---- Out ---- */

static unsigned send_flags(int flags)
{
    return (flags & MSG_OOB ? (unsigned)NARU_MSG_OOB : 0) |
           (flags & MSG_MORE ? (unsigned)NARU_MSG_MORE : 0) |
           (flags & MSG_EOR ? (unsigned)NARU_MSG_EOR : 0);
}

/* What is left after done bytes. */
static unsigned slices(const struct transfer *t, struct naru_slice *slice)
{
    size_t skip = t->done;
    unsigned count = 0;
    for (int i = 0; i < t->count; i++) {
        size_t gone = NARU_MIN(skip, t->iov[i].iov_len);
        skip -= gone;
        if (t->iov[i].iov_len > gone)
            slice[count++] = (struct naru_slice){ (const uint8_t *)t->iov[i].iov_base + gone,
                                                  t->iov[i].iov_len - gone };
    }
    return count;
}

/* One that may block goes on until all of it is written; it returns what was, if then it fails. */
static bool try_send(void *call, int64_t *result)
{
    struct transfer *t = call;
    struct naru_slice slice[VECTOR_MAX];
    unsigned count = slices(t, slice);
    bool first = (t->flags & MSG_FASTOPEN) != 0 && !t->opened; /* else it goes on */
    unsigned how = send_flags(t->flags) | (first ? (unsigned)NARU_MSG_FASTOPEN : 0);
    int64_t sent = naru_sock_send(t->f->sock, slice, count, how,
                                  t->has_to && (t->f->dgram || first) ? &t->info : NULL, drill.now);
    t->done += sent > 0 ? (size_t)sent : 0;
    t->opened = t->opened || (first && (sent > 0 || sent == NARU_ERR_INPROGRESS));
    if (first && sent == NARU_ERR_INPROGRESS && may_block(t))
        return false;
    bool again = (sent > 0 || sent == NARU_ERR_AGAIN) && t->done < t->total;
    if (again && (may_block(t) || t->done == 0))
        return false;
    if (t->done > 0)
        naru_notices_sent(&t->f->notices, t->done, t->flags);
    *result = t->done > 0 ? (int64_t)t->done : drill_result(sent);
    return true;
}

static ssize_t do_send(struct transfer *t, int fd, const struct sockaddr *addr, socklen_t len)
{
    int64_t result = -1;
    drill_lock();
    if (addr != NULL)
        t->has_to = drill_addr_in(addr, len, &t->info.to);
    if (!begin(t, fd))
        result = -1;
    else if (addr != NULL && !t->has_to)
        result = drill_fail(EINVAL);
    else
        result = drill_call(try_send, t, may_block(t));
    drill_unlock();
    return (ssize_t)result;
}

/* An iovec has no const; nothing is written to it here. */
static struct iovec lent(const void *buf, size_t len)
{
    union {
        const void *in;
        void *out;
    } at = { buf };
    return (struct iovec){ at.out, len };
}

ssize_t drill_write(void *user, int fd, const void *buf, size_t len)
{
    return drill_sendto(user, fd, buf, len, 0, NULL, 0);
}

ssize_t drill_send(void *user, int fd, const void *buf, size_t len, int flags)
{
    return drill_sendto(user, fd, buf, len, flags, NULL, 0);
}

ssize_t drill_sendto(void *user, int fd, const void *buf, size_t len, int flags,
                     const struct sockaddr *addr, socklen_t addr_len)
{
    (void)user;
    struct iovec iov = lent(buf, len);
    struct transfer t = { .iov = &iov, .count = 1, .flags = flags };
    return do_send(&t, fd, addr, addr_len);
}

ssize_t drill_writev(void *user, int fd, const struct iovec *iov, int count)
{
    (void)user;
    struct transfer t = { .iov = iov, .count = count };
    return do_send(&t, fd, NULL, 0);
}

ssize_t drill_sendmsg(void *user, int fd, const struct msghdr *msg, int flags)
{
    (void)user;
    int count = (int)NARU_MIN(msg->msg_iovlen, (size_t)INT_MAX);
    struct transfer t = { .iov = msg->msg_iov, .count = count, .flags = flags };
    return do_send(&t, fd, msg->msg_name, msg->msg_namelen);
}

/* ---- In ---- */

static bool try_recv(void *call, int64_t *result)
{
    struct transfer *t = call;
    struct naru_room room[VECTOR_MAX];
    size_t skip = t->done;
    unsigned count = 0, flags = (t->flags & MSG_OOB ? (unsigned)NARU_MSG_OOB : 0) |
                                (t->flags & MSG_PEEK ? (unsigned)NARU_MSG_PEEK : 0);
    for (int i = 0; i < t->count; i++) {
        size_t gone = NARU_MIN(skip, t->iov[i].iov_len);
        skip -= gone;
        if (t->iov[i].iov_len > gone)
            room[count++] = (struct naru_room){ (uint8_t *)t->iov[i].iov_base + gone,
                                                t->iov[i].iov_len - gone };
    }
    int64_t got = naru_sock_recv(t->f->sock, room, count, flags, &t->info, drill.now);
    if (got > 0)
        t->done += (size_t)got;
    bool whole = (t->flags & MSG_WAITALL) && !(t->flags & MSG_PEEK);
    if ((got == NARU_ERR_AGAIN && (t->done == 0 || whole)) ||
        (got > 0 && whole && t->done < t->total && may_block(t)))
        return false;
    *result = t->done > 0 ? (int64_t)t->done : drill_result(got);
    return true;
}

static ssize_t do_recv(struct transfer *t, int fd)
{
    int64_t result = -1;
    drill_lock();
    if (!begin(t, fd))
        result = -1;
    else if (t->flags & MSG_ERRQUEUE)
        result = drill_fail(EAGAIN);
    else
        result = drill_call(try_recv, t, may_block(t));
    drill_unlock();
    return (ssize_t)result;
}

ssize_t drill_read(void *user, int fd, void *buf, size_t len)
{
    return drill_recv(user, fd, buf, len, 0);
}

ssize_t drill_recv(void *user, int fd, void *buf, size_t len, int flags)
{
    return drill_recvfrom(user, fd, buf, len, flags, NULL, NULL);
}

ssize_t drill_recvfrom(void *user, int fd, void *buf, size_t len, int flags, struct sockaddr *addr,
                       socklen_t *addr_len)
{
    (void)user;
    struct iovec iov = { buf, len };
    struct transfer t = { .iov = &iov, .count = 1, .flags = flags };
    ssize_t result = do_recv(&t, fd);
    if (result >= 0 && t.f->dgram)
        drill_addr_out(&t.info.from, t.f->v6, addr, addr_len);
    else if (addr_len != NULL)
        *addr_len = 0;
    return result;
}

ssize_t drill_readv(void *user, int fd, const struct iovec *iov, int count)
{
    (void)user;
    struct transfer t = { .iov = iov, .count = count };
    return do_recv(&t, fd);
}

static ssize_t from_errqueue(int fd, struct msghdr *msg)
{
    drill_lock();
    struct drill_fd *f = drill_find(fd);
    ssize_t result =
        f == NULL || f->sock == NULL ? drill_fail(EBADF) : drill_control_errqueue(f, msg);
    drill_unlock();
    return result;
}

/* What stands beside data; of no data nothing. */
static void beside(struct drill_fd *f, struct msghdr *msg)
{
    drill_lock();
    if (f != NULL && f->sock != NULL) {
        drill_control_recv(f, msg);
    } else {
        msg->msg_controllen = 0;
        msg->msg_flags = 0;
    }
    drill_unlock();
}

ssize_t drill_recvmsg(void *user, int fd, struct msghdr *msg, int flags)
{
    (void)user;
    int count = (int)NARU_MIN(msg->msg_iovlen, (size_t)INT_MAX);
    struct transfer t = { .iov = msg->msg_iov, .count = count, .flags = flags };
    if (flags & MSG_ERRQUEUE)
        return from_errqueue(fd, msg);
    ssize_t result = do_recv(&t, fd);
    beside(result >= 0 ? t.f : NULL, msg);
    if (result >= 0 && t.f->dgram)
        drill_addr_out(&t.info.from, t.f->v6, msg->msg_name, &msg->msg_namelen);
    else
        msg->msg_namelen = 0;
    return result;
}
