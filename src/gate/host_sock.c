/*
 * The host's sockets: see host_sock.h.
 */
#include "gate/host_sock.h"

#include "base/addr.h"
#include "host/sockaddr.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h> /* wants struct timespec to be known */

/* As large as the kernel allows without a question (net.core.rmem_max cuts it silently). */
#define DGRAM_BUFFER (1 << 20)

static int af_of(enum naru_family family) { return family == NARU_IPV4 ? AF_INET : AF_INET6; }

static int open_sock(enum naru_family family, int type, int protocol)
{
    int fd = socket(af_of(family), type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    return fd < 0 ? -errno : fd;
}

static void set_int(int fd, int level, int option, int value)
{
    /* What the host does not know it does without. */
    (void)setsockopt(fd, level, option, &value, sizeof(value));
}

/* What close means, also the kernel's when the process dies: a reset, or the end after all data. */
static void set_linger(int fd, bool reset)
{
    struct linger linger = { .l_onoff = reset, .l_linger = 0 };

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

/* 0 or an errno; EINPROGRESS counts as success. */
static int begin_connect(int fd, const struct naru_endpoint *to)
{
    struct sockaddr_storage sa;
    socklen_t len = naru_sockaddr_emit(to, naru_addr_family(&to->addr), &sa);

    if (connect(fd, (const struct sockaddr *)&sa, len) == 0 || errno == EINPROGRESS)
        return 0;
    return errno;
}

static int connected(int fd, const struct naru_endpoint *to)
{
    int error;

    if (fd < 0)
        return fd;
    error = begin_connect(fd, to);
    if (error == 0)
        return fd;
    close(fd);
    return -error;
}

int naru_host_sock_stream(enum naru_family family)
{
    int fd = open_sock(family, SOCK_STREAM, IPPROTO_TCP);

    if (fd < 0)
        return fd;
    /* The guest has decided already how its bytes are cut. */
    set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    /* The urgent byte stays in its place, so that the mark can be passed on. */
    set_int(fd, SOL_SOCKET, SO_OOBINLINE, 1);
    set_linger(fd, true);
    return fd;
}

int naru_host_sock_connect(int fd, const struct naru_endpoint *to)
{
    return -begin_connect(fd, to);
}

static int open_dgram(enum naru_family family)
{
    int fd = open_sock(family, SOCK_DGRAM, IPPROTO_UDP);

    if (fd < 0)
        return fd;
    set_int(fd, SOL_SOCKET, SO_RCVBUF, DGRAM_BUFFER);
    set_int(fd, SOL_SOCKET, SO_SNDBUF, DGRAM_BUFFER);
    if (family == NARU_IPV6)
        set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    return fd;
}

int naru_host_sock_dgram(enum naru_family family)
{
    int fd = open_dgram(family);

    if (fd >= 0 && family == NARU_IPV4)
        set_int(fd, IPPROTO_IP, IP_RECVERR, 1);
    else if (fd >= 0)
        set_int(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
    return fd;
}

int naru_host_sock_dgram_to(const struct naru_endpoint *to)
{
    return connected(open_dgram(naru_addr_family(&to->addr)), to);
}

/* The error that came with a message of the error queue; 0 if there was none. */
static int extended_error(struct msghdr *msg)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
        bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
        bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;
        struct sock_extended_err error;
        if (v4 || v6) {
            memcpy(&error, CMSG_DATA(c), sizeof(error));
            return (int)error.ee_errno;
        }
    }
    return 0;
}

bool naru_host_sock_next_report(int fd, struct naru_host_sock_report *report)
{
    struct sockaddr_storage sa;
    uint8_t data[64];
    union {
        struct cmsghdr align;
        uint8_t room[512];
    } control;
    struct iovec iov = { .iov_base = data, .iov_len = sizeof(data) };
    struct msghdr msg = {
        .msg_name = &sa,
        .msg_namelen = sizeof(sa),
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof(control),
    };
    ssize_t len = recvmsg(fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT);

    if (len < 0)
        return false;
    report->len = (size_t)len;
    report->error = extended_error(&msg);
    if (naru_sockaddr_parse_any(&sa, msg.msg_namelen, &report->to) != NARU_OK)
        report->error = 0;
    return true;
}

int naru_host_sock_ping(enum naru_family family)
{
    return open_sock(family, SOCK_DGRAM, family == NARU_IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

int naru_host_sock_error(int fd)
{
    int error = 0;
    socklen_t len = sizeof(error);

    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ? errno : error;
}

int naru_host_sock_end(int fd)
{
    set_linger(fd, false);
    return shutdown(fd, SHUT_WR) < 0 ? -errno : 0;
}

void naru_host_sock_end_by_close(int fd) { set_linger(fd, false); }

void naru_host_sock_reset(int fd)
{
    set_linger(fd, true);
    close(fd);
}

enum naru_answer naru_host_sock_answer(int error)
{
    switch (error) {
    case 0:
        return NARU_ANSWER_ACCEPT;
    case ECONNREFUSED:
    case ECONNRESET:
        return NARU_ANSWER_REFUSE;
    case ENETUNREACH:
    case ENETDOWN:
    case EAFNOSUPPORT:  /* a host without IPv6 ... */
    case EADDRNOTAVAIL: /* ... or without an address of that family */
        return NARU_ANSWER_NET_UNREACHABLE;
    case EACCES:
    case EPERM:
        return NARU_ANSWER_PROHIBITED;
    default:
        return naru_host_sock_is_shortage(error) ? NARU_ANSWER_IGNORE
                                                 : NARU_ANSWER_HOST_UNREACHABLE;
    }
}

bool naru_host_sock_is_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM ||
           error == EAGAIN;
}
