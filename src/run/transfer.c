/*
 * sendto, recvfrom, sendmsg, recvmsg, sendmmsg and recvmmsg.
 *
 * On datagram sockets all of it is done here: the stack knows the addresses.  On streams these
 * calls are the same as send and recv, so the kernel does them on the pair (the only calls on
 * sockets of ours that CONTINUE: they mean the same there); but a stream with an address to send
 * to, which af_unix refuses and TCP ignores, is served through our duplicate of the program's end.
 *
 * MSG_ERRQUEUE asks the stack for its queue; that of a stream is always empty (EAGAIN).
 */
#include "run/connect.h"
#include "run/dgram.h"
#include "run/message.h"
#include "run/runner.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#define UDP_PAYLOAD_MAX 65507

/* ---- Streams ---- */

/* It opens the connection, and has data for SYN. */
static int64_t fast_open(struct naru_call *call, const struct iovec *iov, size_t count,
                         uint64_t address, uint64_t address_len)
{
    struct naru_endpoint to;
    uint8_t *bytes = call->runner->scratch;
    if (address == 0)
        return -EINVAL;
    int error = naru_call_get_name(call, address, address_len, &to);
    if (error < 0)
        return error;
    ssize_t len = naru_task_gather(call->notice->tid, iov, count, bytes, NARU_DATAGRAM_MAX);
    return len < 0 ? len : naru_connect_with_data(call, &to, bytes, (size_t)len);
}

/* A send with an address on a stream: as send, without waiting natively. */
static int64_t stream_send(struct naru_call *call, const struct iovec *iov, size_t count, int flags,
                           uint64_t address, uint64_t address_len)
{
    struct naru_object *object = call->object;
    uint8_t *bytes = call->runner->scratch;
    if ((flags & MSG_FASTOPEN) != 0 && object->phase == NARU_PHASE_FRESH)
        return fast_open(call, iov, count, address, address_len);
    if ((flags & MSG_FASTOPEN) != 0 && object->phase == NARU_PHASE_CONNECTING)
        return naru_connect_continue(call);
    if (object->phase == NARU_PHASE_FRESH || object->phase == NARU_PHASE_LISTENING)
        return -EPIPE;
    ssize_t len = naru_task_gather(call->notice->tid, iov, count, bytes, NARU_DATAGRAM_MAX);
    if (len < 0)
        return len;
    if (call->fd < 0)
        return -EBADF;
    ssize_t n = send(call->fd, bytes, (size_t)len, (flags & MSG_OOB) | MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN)
        return naru_call_block(call, flags, object->send_timeout, EAGAIN);
    return n < 0 ? -errno : n;
}

/* A receive on a stream goes on in the kernel where there is something that it could mean. */
static int64_t stream_recv(const struct naru_call *call, int flags)
{
    enum naru_phase phase = call->object->phase;
    if ((flags & MSG_ERRQUEUE) != 0)
        return -EAGAIN;
    return phase == NARU_PHASE_FRESH || phase == NARU_PHASE_LISTENING ? -ENOTCONN
                                                                      : NARU_CALL_CONTINUE;
}

/* ---- One datagram out ---- */

static int read_destination(const struct naru_call *call, uint64_t address, uint64_t len,
                            struct naru_msg_info *info)
{
    int error = naru_call_get_name(call, address, len, &info->to);
    if (error < 0)
        return error;
    if (info->to.port == 0 && call->object->type == NARU_SOCK_DGRAM)
        return -EINVAL;
    naru_connect_destination(&info->to);
    naru_resolver_map(&call->runner->resolver, call->runner->stack, &info->to,
                      &call->object->dgram.asked);
    return 0;
}

/* info NULL: to the peer, without anything special. */
static int64_t dgram_send(struct naru_call *call, const struct iovec *iov, size_t count,
                          ssize_t room, int flags, const struct naru_msg_info *info)
{
    struct naru_object *object = call->object;
    uint8_t *bytes = call->runner->scratch;
    if (object->phase == NARU_PHASE_ENDED)
        return -EPIPE;
    if (room > UDP_PAYLOAD_MAX)
        return -EMSGSIZE;
    if ((flags & MSG_OOB) != 0)
        return -EOPNOTSUPP;
    int error = naru_datagram_take_error(object, call->fd);
    if (error != 0)
        return -error;
    ssize_t len = naru_task_gather(call->notice->tid, iov, count, bytes, NARU_DATAGRAM_MAX);
    if (len < 0 || len < room)
        return len < 0 ? len : -EFAULT;
    int64_t n = naru_datagram_send(object, bytes, (size_t)len, info, call->now);
    return n == -EAGAIN ? naru_call_block(call, flags, object->send_timeout, EAGAIN) : n;
}

int64_t naru_call_sendto(struct naru_call *call)
{
    const uint64_t *arg = call->notice->arg;
    struct naru_msg_info info = { .gso_size = 0 };
    struct iovec iov = { .iov_base = (void *)(uintptr_t)arg[1], .iov_len = (size_t)arg[2] };
    if (call->object->type == NARU_SOCK_STREAM)
        return stream_send(call, &iov, 1, (int)arg[3], arg[4], (uint32_t)arg[5]);
    int error = read_destination(call, arg[4], (uint32_t)arg[5], &info);
    if (error < 0)
        return error;
    if (iov.iov_len > UDP_PAYLOAD_MAX)
        return -EMSGSIZE;
    return dgram_send(call, &iov, 1, (ssize_t)iov.iov_len, (int)arg[3], &info);
}

static int64_t send_message(struct naru_call *call, uint64_t address, int flags)
{
    struct naru_msg_info info = { .gso_size = 0 };
    struct naru_message message;
    int error = naru_message_load(call->notice->tid, address, &message);
    if (error < 0)
        return error;
    bool named = message.header.msg_name != NULL && message.header.msg_namelen > 0;
    if (call->object->type == NARU_SOCK_STREAM)
        return named ? stream_send(call, message.iov, message.iov_count, flags,
                                   (uintptr_t)message.header.msg_name, message.header.msg_namelen)
                     : NARU_CALL_CONTINUE;
    ssize_t room = naru_message_room(&message);
    if (room < 0)
        return room;
    error = naru_message_read_control(call->notice->tid, &message, &info);
    if (error == 0 && named)
        error = read_destination(call, (uintptr_t)message.header.msg_name,
                                 message.header.msg_namelen, &info);
    if (error < 0)
        return error;
    return dgram_send(call, message.iov, message.iov_count, room, flags, &info);
}

int64_t naru_call_sendmsg(struct naru_call *call)
{
    return send_message(call, call->notice->arg[1], (int)call->notice->arg[2]);
}

/* The messages until one fails; its error is told only if it is the first. */
int64_t naru_call_sendmmsg(struct naru_call *call)
{
    uint64_t at = call->notice->arg[1];
    uint32_t count = (uint32_t)call->notice->arg[2], done = 0;
    int flags = (int)call->notice->arg[3];
    int64_t n = 0;
    if (call->object->type == NARU_SOCK_STREAM)
        return NARU_CALL_CONTINUE;
    for (; done < count && done < NARU_MESSAGE_IOVS; done++, at += sizeof(struct mmsghdr)) {
        n = send_message(call, at, done == 0 ? flags : flags | MSG_DONTWAIT);
        if (n < 0)
            break;
        uint32_t len = (uint32_t)n;
        n = naru_task_write(call->notice->tid, at + offsetof(struct mmsghdr, msg_len), &len,
                            sizeof len);
        if (n < 0)
            break;
    }
    return done > 0 ? done : n;
}

/* ---- One datagram in ---- */

static int64_t dgram_take(struct naru_call *call, int flags, struct naru_msg_info *info)
{
    struct naru_object *object = call->object;
    bool peek = (flags & MSG_PEEK) != 0;
    if ((flags & MSG_ERRQUEUE) != 0) {
        ssize_t n = naru_datagram_take_queued(object, call->fd, peek, info, call->now);
        if (n >= 0)
            naru_resolver_unmap(&call->runner->resolver, &object->dgram.asked, &info->to);
        return n;
    }
    if ((flags & MSG_OOB) != 0)
        return -EOPNOTSUPP;
    if (object->phase == NARU_PHASE_ENDED)
        return 0;
    ssize_t len = naru_datagram_take(object, call->fd, peek, info, call->now);
    if (len == -EAGAIN)
        return naru_call_block(call, flags, object->recv_timeout, EAGAIN);
    if (len >= 0)
        naru_resolver_unmap(&call->runner->resolver, &object->dgram.asked, &info->from);
    return len;
}

int64_t naru_call_recvfrom(struct naru_call *call)
{
    const uint64_t *arg = call->notice->arg;
    struct naru_msg_info info;
    struct iovec iov = { .iov_base = (void *)(uintptr_t)arg[1], .iov_len = (size_t)arg[2] };
    int flags = (int)arg[3];
    if (call->object->type == NARU_SOCK_STREAM)
        return stream_recv(call, flags);
    int64_t len = dgram_take(call, flags, &info);
    if (len < 0)
        return len;
    ssize_t n = naru_task_scatter(call->notice->tid, &iov, 1, call->runner->scratch, (size_t)len);
    int error = naru_call_put_name(call, arg[4], arg[5], naru_message_name(&info));
    if (n < 0 || error < 0)
        return n < 0 ? n : error;
    return (flags & MSG_TRUNC) != 0 ? len : n;
}

static int64_t recv_message(struct naru_call *call, uint64_t address, int flags)
{
    struct naru_msg_info info;
    struct naru_message message;
    pid_t tid = call->notice->tid;
    int error = naru_message_load(tid, address, &message);
    if (error < 0)
        return error;
    int64_t len = dgram_take(call, flags, &info);
    if (len < 0)
        return len;
    ssize_t n =
        naru_task_scatter(tid, message.iov, message.iov_count, call->runner->scratch, (size_t)len);
    if (n < 0)
        return n;
    error = naru_message_write_back(call, &message, &info, n < len ? MSG_TRUNC : 0);
    if (error < 0)
        return error;
    return (flags & MSG_TRUNC) != 0 ? len : n;
}

int64_t naru_call_recvmsg(struct naru_call *call)
{
    int flags = (int)call->notice->arg[2];
    if (call->object->type == NARU_SOCK_STREAM)
        return stream_recv(call, flags);
    return recv_message(call, call->notice->arg[1], flags);
}

/* How long recvmmsg may wait for its first message; the kernel looks at it only between two. */
static int recvmmsg_timeout(struct naru_call *call, naru_time *timeout)
{
    struct timespec spec;
    *timeout = call->object->recv_timeout;
    if (call->notice->arg[4] == 0)
        return 0;
    int error = naru_task_read(call->notice->tid, call->notice->arg[4], &spec, sizeof spec);
    if (error < 0)
        return error;
    return spec.tv_sec < 0 || spec.tv_nsec < 0 || spec.tv_nsec >= 1000000000 ? -EINVAL : 0;
}

/*
 * As many as are there.  A blocking recvmmsg without MSG_WAITFORONE would wait for all of them; it
 * gets what came by the time of the first, which the interface allows (a signal does the same).
 */
int64_t naru_call_recvmmsg(struct naru_call *call)
{
    uint64_t at = call->notice->arg[1];
    uint32_t count = (uint32_t)call->notice->arg[2], done = 0;
    int flags = (int)call->notice->arg[3] & ~MSG_WAITFORONE;
    naru_time timeout;
    int64_t n = recvmmsg_timeout(call, &timeout);
    if (n < 0)
        return n;
    if (call->object->type == NARU_SOCK_STREAM)
        return stream_recv(call, flags);
    for (; done < count && done < NARU_MESSAGE_IOVS; done++, at += sizeof(struct mmsghdr)) {
        if (done > 0)
            flags |= MSG_DONTWAIT;
        n = recv_message(call, at, flags);
        if (n < 0)
            break;
        uint32_t len = (uint32_t)n;
        n = naru_task_write(call->notice->tid, at + offsetof(struct mmsghdr, msg_len), &len,
                            sizeof len);
        if (n < 0)
            break;
    }
    return done > 0 ? done : n;
}
