/*
 * socket(2) for AF_INET and AF_INET6: a naru socket, a pair around it, one end for the program.
 *
 * Raw sockets answer EPERM, as they do to everyone without CAP_NET_RAW; protocols that naru does
 * not speak (SCTP, MPTCP, UDP-Lite) answer EPROTONOSUPPORT, upon which programs fall back.
 */
#include "run/runner.h"

#include "run/netlink.h"

#include "host/errno.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* The kind of socket for type and protocol; 0, or the errno that Linux answers. */
static int kind_of(int domain, int type, int protocol, enum naru_sock_type *kind, int *number)
{
    switch (type) {
    case SOCK_STREAM:
        *kind = NARU_SOCK_STREAM;
        *number = IPPROTO_TCP;
        return protocol == 0 || protocol == IPPROTO_TCP ? 0 : -EPROTONOSUPPORT;
    case SOCK_DGRAM:
        *number = protocol == 0 ? IPPROTO_UDP : protocol;
        *kind = *number == IPPROTO_UDP ? NARU_SOCK_DGRAM : NARU_SOCK_PING;
        if (*number == IPPROTO_UDP ||
            *number == (domain == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6))
            return 0;
        return -EPROTONOSUPPORT;
    case SOCK_RAW:
        return -EPERM;
    default:
        return -ESOCKTNOSUPPORT;
    }
}

int64_t naru_call_socket(struct naru_call *call)
{
    struct naru_runner *runner = call->runner;
    int domain = (int)call->notice->arg[0];
    int flags = (int)call->notice->arg[1] & (SOCK_NONBLOCK | SOCK_CLOEXEC);
    int type = (int)call->notice->arg[1] & ~flags;
    enum naru_family family = domain == AF_INET ? NARU_IPV4 : NARU_IPV6;
    enum naru_sock_type kind;
    struct naru_sock *sock;
    struct naru_object *object;
    int number, program_end;

    if (domain == AF_NETLINK)
        return naru_netlink_socket(call);
    if (type < 0 || type > SOCK_PACKET)
        return -EINVAL;
    int error = kind_of(domain, type, (int)call->notice->arg[2], &kind, &number);
    if (error < 0)
        return error;
    enum naru_err err = naru_sock_new(runner->stack, family, kind, &sock);
    if (err != NARU_OK)
        return -naru_errno(err);
    error = naru_object_new(runner, sock, family, kind, number, &object, &program_end);
    if (error < 0) {
        naru_sock_close(sock, call->now);
        return error;
    }
    if ((flags & SOCK_NONBLOCK) != 0)
        fcntl(program_end, F_SETFL, O_RDWR | O_NONBLOCK);
    error = naru_notify_answer_fd(runner->listener, call->notice->id, program_end,
                                  (flags & SOCK_CLOEXEC) != 0);
    close(program_end); /* if the program has not got it, this is its close */
    return error < 0 ? error : NARU_CALL_DONE;
}
