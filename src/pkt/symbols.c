/*
 * The words of scripts that stand for numbers, as Linux numbers them.
 *
 * TCP_ESTABLISHED and its like are Linux's states, TCPI_ESTABLISHED the same ones in the words of
 * the FreeBSD scripts.  Options that only FreeBSD has get numbers of their own.
 */
#include "pkt/symbols.h"
#include "base/defs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY 60
#endif

#include "pkt/option_rows.h"

struct symbol {
    const char *name;
    int64_t value;
};

#define S(name)     \
    {               \
#name, name \
    }

static const struct symbol sockets[] = {
    S(AF_INET),
    S(AF_INET6),
    S(AF_UNIX),
    S(PF_INET),
    S(PF_INET6),
    S(SOCK_STREAM),
    S(SOCK_DGRAM),
    S(SOCK_RAW),
    S(SOCK_NONBLOCK),
    S(SOCK_CLOEXEC),
    S(IPPROTO_IP),
    S(IPPROTO_IPV6),
    S(IPPROTO_TCP),
    S(IPPROTO_UDP),
    S(IPPROTO_ICMP),
    S(IPPROTO_ICMPV6),
    S(INADDR_ANY),
    S(SOL_SOCKET),
    S(SOL_TCP),
    S(SOL_IP),
    S(SOL_IPV6),
    { "SOL_UDP", IPPROTO_UDP },
    S(SO_ACCEPTCONN),
    S(SO_BROADCAST),
    S(SO_DEBUG),
    S(SO_DONTROUTE),
    S(SO_ERROR),
    S(SO_KEEPALIVE),
    S(SO_LINGER),
    S(SO_OOBINLINE),
    S(SO_RCVBUF),
    S(SO_RCVLOWAT),
    S(SO_RCVTIMEO),
    S(SO_REUSEADDR),
    S(SO_REUSEPORT),
    S(SO_SNDBUF),
    S(SO_SNDLOWAT),
    S(SO_SNDTIMEO),
    S(SO_TYPE),
    S(SO_PRIORITY),
    S(SO_MARK),
    S(SO_BINDTODEVICE),
    S(SO_TIMESTAMP),
    S(SO_TIMESTAMPNS),
    S(SO_TIMESTAMPING),
    S(SO_RCVBUFFORCE),
    S(SO_SNDBUFFORCE),
    S(SO_MAX_PACING_RATE),
    S(SO_ZEROCOPY),
    S(SO_PROTOCOL),
    S(SO_DOMAIN),
    S(SO_BUSY_POLL),
    S(SO_INCOMING_CPU),
    S(SCM_TIMESTAMPING),
    S(SCM_RIGHTS),
    S(SO_EE_ORIGIN_NONE),
    S(SO_EE_ORIGIN_LOCAL),
    S(SO_EE_ORIGIN_ICMP),
    S(SO_EE_ORIGIN_ICMP6),
    S(SO_EE_ORIGIN_TIMESTAMPING),
    S(SO_EE_ORIGIN_ZEROCOPY),
    S(SO_EE_CODE_ZEROCOPY_COPIED),
    S(SOF_TIMESTAMPING_TX_HARDWARE),
    S(SOF_TIMESTAMPING_TX_SOFTWARE),
    S(SOF_TIMESTAMPING_RX_HARDWARE),
    S(SOF_TIMESTAMPING_RX_SOFTWARE),
    S(SOF_TIMESTAMPING_SOFTWARE),
    S(SOF_TIMESTAMPING_RAW_HARDWARE),
    S(SOF_TIMESTAMPING_OPT_ID),
    S(SOF_TIMESTAMPING_TX_SCHED),
    S(SOF_TIMESTAMPING_TX_ACK),
    S(SOF_TIMESTAMPING_OPT_CMSG),
    S(SOF_TIMESTAMPING_OPT_TSONLY),
    S(SCM_TSTAMP_SND),
    S(SCM_TSTAMP_SCHED),
    S(SCM_TSTAMP_ACK),
    S(IP_TOS),
    S(IP_TTL),
    S(IP_MTU),
    S(IP_MTU_DISCOVER),
    S(IP_PMTUDISC_DO),
    S(IP_PMTUDISC_DONT),
    S(IP_PMTUDISC_WANT),
    S(IP_PMTUDISC_PROBE),
    S(IP_RECVERR),
    S(IP_RECVTOS),
    S(IP_RECVTTL),
    S(IP_BIND_ADDRESS_NO_PORT),
    S(IPV6_V6ONLY),
    S(IPV6_TCLASS),
    S(IPV6_RECVTCLASS),
    S(IPV6_UNICAST_HOPS),
    S(IPV6_MTU),
    S(IPV6_MTU_DISCOVER),
    S(IPV6_RECVERR),
    S(IPV6_HOPLIMIT),
    S(IPV6_RECVHOPLIMIT),
    S(MSG_OOB),
    S(MSG_PEEK),
    S(MSG_DONTROUTE),
    S(MSG_CTRUNC),
    S(MSG_TRUNC),
    S(MSG_DONTWAIT),
    S(MSG_EOR),
    S(MSG_WAITALL),
    S(MSG_ERRQUEUE),
    S(MSG_NOSIGNAL),
    S(MSG_MORE),
    S(MSG_FASTOPEN),
    S(MSG_ZEROCOPY),
    S(SHUT_RD),
    S(SHUT_WR),
    S(SHUT_RDWR),
    S(O_RDONLY),
    S(O_WRONLY),
    S(O_RDWR),
    S(O_NONBLOCK),
    S(F_GETFL),
    S(F_SETFL),
    S(F_GETFD),
    S(F_SETFD),
    S(FD_CLOEXEC),
    S(POLLIN),
    S(POLLPRI),
    S(POLLOUT),
    S(POLLRDNORM),
    S(POLLRDBAND),
    S(POLLWRNORM),
    S(POLLWRBAND),
    S(POLLMSG),
    S(POLLREMOVE),
    S(POLLRDHUP),
    S(POLLERR),
    S(POLLHUP),
    S(POLLNVAL),
    S(EPOLLIN),
    S(EPOLLPRI),
    S(EPOLLOUT),
    S(EPOLLRDNORM),
    S(EPOLLRDBAND),
    S(EPOLLWRNORM),
    S(EPOLLWRBAND),
    S(EPOLLMSG),
    S(EPOLLERR),
    S(EPOLLHUP),
    S(EPOLLRDHUP),
    S(EPOLLONESHOT),
    S(EPOLLEXCLUSIVE),
    { "EPOLLET", 1U << 31 },
    S(EPOLL_CTL_ADD),
    S(EPOLL_CTL_MOD),
    S(EPOLL_CTL_DEL),
    S(FIONREAD),
    S(SIOCINQ),
    S(SIOCOUTQ),
    S(SIOCOUTQNSD),
    { "SIOCATMARK", 0x8905 },
};

static const struct symbol tcp[] = {
    S(TCP_NODELAY),
    S(TCP_MAXSEG),
    S(TCP_CORK),
    S(TCP_KEEPIDLE),
    S(TCP_KEEPINTVL),
    S(TCP_KEEPCNT),
    S(TCP_SYNCNT),
    S(TCP_LINGER2),
    S(TCP_DEFER_ACCEPT),
    S(TCP_WINDOW_CLAMP),
    S(TCP_INFO),
    S(TCP_QUICKACK),
    S(TCP_CONGESTION),
    S(TCP_MD5SIG),
    S(TCP_THIN_LINEAR_TIMEOUTS),
    S(TCP_THIN_DUPACK),
    S(TCP_USER_TIMEOUT),
    S(TCP_REPAIR),
    S(TCP_FASTOPEN),
    S(TCP_TIMESTAMP),
    S(TCP_NOTSENT_LOWAT),
    S(TCP_SAVE_SYN),
    S(TCP_SAVED_SYN),
    S(TCP_FASTOPEN_CONNECT),
    S(TCP_FASTOPEN_KEY),
    S(TCP_FASTOPEN_NO_COOKIE),
    S(TCP_INQ),
    { "TCP_CM_INQ", TCP_INQ },
    S(TCP_TX_DELAY),
    S(TCP_ULP),
    S(TCP_CC_INFO),
    S(TCP_ZEROCOPY_RECEIVE),
    { "TCP_NOOPT", NARU_FREEBSD_NOOPT },
    { "TCP_KEEPINIT", NARU_FREEBSD_KEEPINIT },
    { "TCP_NOPUSH", TCP_CORK },
    { "TCP_MAXUNACKTIME", TCP_USER_TIMEOUT },
    { "TCP_ESTABLISHED", 1 },
    { "TCP_SYN_SENT", 2 },
    { "TCP_SYN_RECV", 3 },
    { "TCP_FIN_WAIT1", 4 },
    { "TCP_FIN_WAIT2", 5 },
    { "TCP_TIME_WAIT", 6 },
    { "TCP_CLOSE", 7 },
    { "TCP_CLOSE_WAIT", 8 },
    { "TCP_LAST_ACK", 9 },
    { "TCP_LISTEN", 10 },
    { "TCP_CLOSING", 11 },
    { "TCPI_ESTABLISHED", 1 },
    { "TCPI_SYN_SENT", 2 },
    { "TCPI_SYN_RECEIVED", 3 },
    { "TCPI_FIN_WAIT_1", 4 },
    { "TCPI_FIN_WAIT_2", 5 },
    { "TCPI_TIME_WAIT", 6 },
    { "TCPI_CLOSED", 7 },
    { "TCPI_CLOSE_WAIT", 8 },
    { "TCPI_LAST_ACK", 9 },
    { "TCPI_LISTEN", 10 },
    { "TCPI_CLOSING", 11 },
    { "TCP_CA_Open", 0 },
    { "TCP_CA_Disorder", 1 },
    { "TCP_CA_CWR", 2 },
    { "TCP_CA_Recovery", 3 },
    { "TCP_CA_Loss", 4 },
    { "TCPI_OPT_TIMESTAMPS", 1 },
    { "TCPI_OPT_SACK", 2 },
    { "TCPI_OPT_WSCALE", 4 },
    { "TCPI_OPT_ECN", 8 },
    { "TCPI_OPT_ECN_SEEN", 16 },
    { "TCPI_OPT_SYN_DATA", 32 },
};

static const struct symbol errors[] = {
    S(EPERM),
    S(ENOENT),
    S(EINTR),
    S(EIO),
    S(EBADF),
    S(EAGAIN),
    { "EWOULDBLOCK", EAGAIN },
    S(ENOMEM),
    S(EACCES),
    S(EFAULT),
    S(EBUSY),
    S(EEXIST),
    S(ENOTDIR),
    S(EINVAL),
    S(EMFILE),
    S(ENOSPC),
    S(EPIPE),
    S(EDESTADDRREQ),
    S(EMSGSIZE),
    S(ENOMSG),
    S(EPROTOTYPE),
    S(ENOPROTOOPT),
    S(EPROTONOSUPPORT),
    S(ESOCKTNOSUPPORT),
    S(EOPNOTSUPP),
    { "ENOTSUP", EOPNOTSUPP },
    S(EPFNOSUPPORT),
    S(EAFNOSUPPORT),
    S(EADDRINUSE),
    S(EADDRNOTAVAIL),
    S(ENETDOWN),
    S(ENETUNREACH),
    S(ENETRESET),
    S(ECONNABORTED),
    S(ECONNRESET),
    S(ENOBUFS),
    S(EISCONN),
    S(ENOTCONN),
    S(ESHUTDOWN),
    S(ETIMEDOUT),
    S(ECONNREFUSED),
    S(EHOSTDOWN),
    S(EHOSTUNREACH),
    S(EALREADY),
    S(EINPROGRESS),
    S(EPROTO),
    S(ENOTSOCK),
    S(ENOTTY),
    S(EDOM),
    S(ERANGE),
    S(ENOSYS),
};

#undef S

static const struct symbol *find(const struct symbol *table, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

bool naru_symbol_find(const char *name, int64_t *value)
{
    const struct symbol *s = find(sockets, NARU_ARRAY_LEN(sockets), name);
    if (s == NULL)
        s = find(tcp, NARU_ARRAY_LEN(tcp), name);
    if (s == NULL)
        s = find(errors, NARU_ARRAY_LEN(errors), name);
    if (s != NULL)
        *value = s->value;
    return s != NULL;
}

const char *naru_symbol_errno(int error, char buf[16])
{
    for (size_t i = 0; i < NARU_ARRAY_LEN(errors); i++)
        if (errors[i].value == error)
            return errors[i].name;
    snprintf(buf, 16, "%d", error);
    return buf;
}
