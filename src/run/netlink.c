/*
 * NETLINK_ROUTE sockets of the program.
 *
 * Theory: getifaddrs, getaddrinfo (AI_ADDRCONFIG, RFC 6724 sorting), ip and Go's net package ask
 * the kernel for interfaces over netlink; a program on naru must hear of naru's.  Such a socket is
 * a pair too; what is sent is answered at once, into the pair.  Receiving is done here, because the
 * answers must seem to come from the kernel (nl_pid 0, and with SO_PASSCRED its credentials, which
 * avahi wants to see).
 *
 * Other netlink families (audit, generic, ...) are not touched: they are the host's; there is no
 * sock_diag (filter.c).
 * Multicast groups can be joined and never speak.
 */
#include "run/netlink.h"

#include "run/memo.h"
#include "run/message.h"
#include "run/rtmsg.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int64_t naru_netlink_socket(struct naru_call *call)
{
    struct naru_runner *runner = call->runner;
    int flags = (int)call->notice->arg[1] & (SOCK_NONBLOCK | SOCK_CLOEXEC);
    int type = (int)call->notice->arg[1] & ~flags, program_end;
    struct naru_object *object;
    if (type != SOCK_RAW && type != SOCK_DGRAM)
        return -ESOCKTNOSUPPORT;
    int error =
        naru_object_new(runner, NULL, NARU_IPV4, NARU_SOCK_DGRAM, type, &object, &program_end);
    if (error < 0)
        return error;
    if ((flags & SOCK_NONBLOCK) != 0)
        fcntl(program_end, F_SETFL, O_RDWR | O_NONBLOCK);
    error = naru_notify_answer_fd(runner->listener, call->notice->id, program_end,
                                  (flags & SOCK_CLOEXEC) != 0);
    close(program_end);
    return error < 0 ? error : NARU_CALL_DONE;
}

static void flush(void *user, const uint8_t *at, size_t len)
{
    struct naru_object *object = user;
    if (len > 0)
        (void)send(object->watch.fd, at, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* The number the kernel would have given the socket: nobody else may have it. */
static uint32_t port_of(const struct naru_object *object) { return (uint32_t)object->inode; }

/* Every question in what the program has sent. */
static void ask(struct naru_object *object, const uint8_t *bytes, size_t len, naru_time now)
{
    _Alignas(struct nlmsghdr) uint8_t out_bytes[NARU_RTMSG_MAX], question[1024];
    struct naru_rtmsg out = {
        .at = out_bytes, .flush = flush, .user = object, .port = port_of(object)
    };
    while (len >= sizeof(struct nlmsghdr)) {
        struct nlmsghdr header;
        memcpy(&header, bytes, sizeof header);
        if (header.nlmsg_len < sizeof header || header.nlmsg_len > len ||
            header.nlmsg_len > sizeof question)
            return;
        memcpy(question, bytes, header.nlmsg_len);
        naru_rtmsg_answer(&out, object->runner->stack, (struct nlmsghdr *)(void *)question,
                          header.nlmsg_len, now);
        size_t step = NLMSG_ALIGN(header.nlmsg_len);
        bytes += step < len ? step : len;
        len -= step < len ? step : len;
    }
}

static int64_t send_from(struct naru_call *call, const struct iovec *iov, size_t count)
{
    uint8_t *bytes = call->runner->scratch;
    ssize_t len = naru_task_gather(call->notice->tid, iov, count, bytes, NARU_DATAGRAM_MAX);
    if (len > 0)
        ask(call->object, bytes, (size_t)len, call->now);
    return len;
}

static int64_t take(struct naru_call *call, int flags)
{
    ssize_t n = -1;
    errno = EAGAIN;
    if (call->fd >= 0)
        n = recv(call->fd, call->runner->scratch, NARU_DATAGRAM_MAX,
                 MSG_DONTWAIT | (flags & MSG_PEEK));
    if (n < 0 && errno == EAGAIN)
        return naru_call_block(call, flags, call->object->recv_timeout, EAGAIN);
    return n < 0 ? -errno : n;
}

/* A sockaddr_nl with its length, as getsockname and recvfrom return it. */
static int put_name(const struct naru_call *call, uint64_t address, uint64_t len_address,
                    uint32_t port)
{
    struct sockaddr_nl name = { .nl_family = AF_NETLINK, .nl_pid = port };
    socklen_t room, len = sizeof name;
    if (address == 0)
        return 0;
    int error = naru_task_read(call->notice->tid, len_address, &room, sizeof room);
    if (error == 0)
        error = naru_task_write(call->notice->tid, address, &name, room < len ? room : len);
    return error < 0 ? error : naru_task_write(call->notice->tid, len_address, &len, sizeof len);
}

/* The credentials of the kernel, for who has asked with SO_PASSCRED. */
static int put_credentials(const struct naru_call *call, struct msghdr *header)
{
    static const struct ucred kernel;
    _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof kernel)] = { 0 };
    struct cmsghdr cmsg = { .cmsg_len = CMSG_LEN(sizeof kernel),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_CREDENTIALS };
    size_t room = header->msg_control == NULL ? 0 : header->msg_controllen;
    header->msg_controllen = 0;
    if (naru_memo_get(call->object, SOL_SOCKET, SO_PASSCRED, 0) == 0)
        return 0;
    if (room < cmsg.cmsg_len) {
        header->msg_flags |= MSG_CTRUNC;
        return 0;
    }
    memcpy(control, &cmsg, sizeof cmsg);
    memcpy(control + CMSG_LEN(0), &kernel, sizeof kernel);
    header->msg_controllen = room < sizeof control ? room : sizeof control;
    return naru_task_write(call->notice->tid, (uintptr_t)header->msg_control, control,
                           header->msg_controllen);
}

static int64_t recv_message(struct naru_call *call, int flags)
{
    struct naru_message message;
    struct sockaddr_nl name = { .nl_family = AF_NETLINK };
    pid_t tid = call->notice->tid;
    int error = naru_message_load(tid, call->notice->arg[1], &message);
    if (error < 0)
        return error;
    int64_t len = take(call, flags);
    if (len < 0)
        return len;
    ssize_t n =
        naru_task_scatter(tid, message.iov, message.iov_count, call->runner->scratch, (size_t)len);
    if (n < 0)
        return n;
    if (message.header.msg_name != NULL) {
        socklen_t room = message.header.msg_namelen;
        error = naru_task_write(tid, (uintptr_t)message.header.msg_name, &name,
                                room < sizeof name ? room : sizeof name);
        message.header.msg_namelen = sizeof name;
    }
    message.header.msg_flags = n < len ? MSG_TRUNC : 0;
    if (error == 0)
        error = put_credentials(call, &message.header);
    if (error == 0)
        error = naru_task_write(tid, message.address, &message.header, sizeof message.header);
    return error < 0 ? error : (flags & MSG_TRUNC) != 0 ? len : n;
}

static int64_t send_message(struct naru_call *call)
{
    struct naru_message message;
    int error = naru_message_load(call->notice->tid, call->notice->arg[1], &message);
    return error < 0 ? error : send_from(call, message.iov, message.iov_count);
}

static int64_t recv_from(struct naru_call *call)
{
    const uint64_t *arg = call->notice->arg;
    struct iovec iov = { .iov_base = (void *)(uintptr_t)arg[1], .iov_len = (size_t)arg[2] };
    int64_t len = take(call, (int)arg[3]);
    if (len < 0)
        return len;
    ssize_t n = naru_task_scatter(call->notice->tid, &iov, 1, call->runner->scratch, (size_t)len);
    int error = put_name(call, arg[4], arg[5], 0);
    if (n < 0 || error < 0)
        return n < 0 ? n : error;
    return ((int)arg[3] & MSG_TRUNC) != 0 ? len : n;
}

/* Only what changes the answers is kept. */
static int64_t set_option(const struct naru_call *call)
{
    const uint64_t *arg = call->notice->arg;
    int value = 0;
    if ((int)arg[1] != SOL_SOCKET || (int)arg[2] != SO_PASSCRED || arg[4] < sizeof value)
        return 0;
    int error = naru_task_read(call->notice->tid, arg[3], &value, sizeof value);
    if (error == 0)
        (void)naru_memo_set(call->object, SOL_SOCKET, SO_PASSCRED, value != 0);
    return error;
}

static int64_t get_option(const struct naru_call *call)
{
    const uint64_t *arg = call->notice->arg;
    int value = 0;
    uint32_t len = sizeof value;
    if ((int)arg[1] == SOL_SOCKET && (int)arg[2] == SO_TYPE)
        value = call->object->protocol; /* SOCK_RAW or SOCK_DGRAM */
    else if ((int)arg[1] == SOL_SOCKET && (int)arg[2] == SO_DOMAIN)
        value = AF_NETLINK;
    else if ((int)arg[1] == SOL_SOCKET && ((int)arg[2] == SO_RCVBUF || (int)arg[2] == SO_SNDBUF))
        value = 212992;
    int error = naru_task_write(call->notice->tid, arg[3], &value, sizeof value);
    return error < 0 ? error : naru_task_write(call->notice->tid, arg[4], &len, sizeof len);
}

int64_t naru_netlink_call(struct naru_call *call)
{
    const uint64_t *arg = call->notice->arg;
    struct iovec iov = { .iov_base = (void *)(uintptr_t)arg[1], .iov_len = (size_t)arg[2] };
    switch (call->notice->nr) {
    case SYS_bind:
    case SYS_connect:
        return 0;
    case SYS_setsockopt:
        return set_option(call);
    case SYS_getsockname:
        return put_name(call, arg[1], arg[2], port_of(call->object));
    case SYS_getpeername:
        return put_name(call, arg[1], arg[2], 0);
    case SYS_getsockopt:
        return get_option(call);
    case SYS_sendto:
        return send_from(call, &iov, 1);
    case SYS_sendmsg:
        return send_message(call);
    case SYS_recvfrom:
        return recv_from(call);
    case SYS_recvmsg:
        return recv_message(call, (int)arg[2]);
    case SYS_ioctl:
        return naru_call_ioctl(call);
    default:
        return -EOPNOTSUPP;
    }
}

void naru_netlink_pair_ready(struct naru_object *object, uint32_t events, naru_time now)
{
    uint8_t *bytes = object->runner->scratch;
    ssize_t n;
    while ((n = recv(object->watch.fd, bytes, NARU_DATAGRAM_MAX, MSG_DONTWAIT)) > 0)
        ask(object, bytes, (size_t)n, now);
    naru_waiters_retry(object);
    if ((events & EPOLLHUP) != 0)
        naru_object_end(object, now);
}
