/*
 * The table of socket options, by level.
 *
 * An option of a program that is missing here answers ENOPROTOOPT; add a row.
 */
#include "run/option.h"

#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>

/* Newer than Debian 12's headers, or hidden by them. */
#ifndef TCP_FASTOPEN_KEY
#define TCP_FASTOPEN_KEY 33
#endif
#ifndef TCP_FASTOPEN_NO_COOKIE
#define TCP_FASTOPEN_NO_COOKIE 34
#endif
#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL 69
#endif
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif
#ifndef IPV6_RECVORIGDSTADDR
#define IPV6_RECVORIGDSTADDR 74
#endif
#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29
#endif
#ifndef IPV6_UNICAST_IF
#define IPV6_UNICAST_IF 76
#endif
#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62
#endif
#ifndef IPV6_FREEBIND
#define IPV6_FREEBIND 78
#endif
#ifndef UDP_NO_CHECK6_TX
#define UDP_NO_CHECK6_TX 101
#define UDP_NO_CHECK6_RX 102
#endif
#ifndef UDP_GRO
#define UDP_SEGMENT 103
#define UDP_GRO     104
#endif
#define SO_RCVTIMEO_2038 66 /* the same with 64-bit time, which it is already */
#define SO_SNDTIMEO_2038 67

#define F(opt)             naru_option_set_flag, naru_option_get_value, NARU_OPT_##opt, 1, 0
#define V(opt)             naru_option_set_value, naru_option_get_value, NARU_OPT_##opt, 1, 0
#define SEC(opt)           naru_option_set_value, naru_option_get_value, NARU_OPT_##opt, 1000, 0
#define GET(opt)           NULL, naru_option_get_value, NARU_OPT_##opt, 1, 0
#define MEMO(or)           naru_option_set_memo, naru_option_get_memo, -1, 1, or
#define CONST(is)          NULL, naru_option_get_constant, -1, 1, is
#define DENIED             naru_option_set_forbidden, naru_option_get_constant, -1, 1, 0
#define NOT_HERE           naru_option_set_unsupported, naru_option_get_constant, -1, 1, 0
#define OWN(set, get, opt) naru_option_set_##set, naru_option_get_##get, opt, 1, 0
#define ONLY_SET(set, opt) naru_option_set_##set, NULL, opt, 1, 0
#define ONLY_GET(get)      NULL, naru_option_get_##get, -1, 1, 0

static const struct naru_option_row socket_rows[] = {
    { SOL_SOCKET, SO_ERROR, ONLY_GET(error) },
    { SOL_SOCKET, SO_REUSEADDR, F(REUSEADDR) },
    { SOL_SOCKET, SO_REUSEPORT, F(REUSEPORT) },
    { SOL_SOCKET, SO_KEEPALIVE, F(KEEPALIVE) },
    { SOL_SOCKET, SO_BROADCAST, F(BROADCAST) },
    { SOL_SOCKET, SO_LINGER, OWN(linger, linger, -1) },
    { SOL_SOCKET, SO_SNDBUF, OWN(buffer, buffer, NARU_OPT_SNDBUF) },
    { SOL_SOCKET, SO_RCVBUF, OWN(buffer, buffer, NARU_OPT_RCVBUF) },
    { SOL_SOCKET, SO_SNDBUFFORCE, ONLY_SET(buffer, NARU_OPT_SNDBUF) },
    { SOL_SOCKET, SO_RCVBUFFORCE, ONLY_SET(buffer, NARU_OPT_RCVBUF) },
    { SOL_SOCKET, SO_RCVTIMEO, OWN(timeout, timeout, -1) },
    { SOL_SOCKET, SO_SNDTIMEO, OWN(timeout, timeout, -1) },
    { SOL_SOCKET, SO_RCVTIMEO_2038, OWN(timeout, timeout, -1) },
    { SOL_SOCKET, SO_SNDTIMEO_2038, OWN(timeout, timeout, -1) },
    { SOL_SOCKET, SO_RCVLOWAT, naru_option_set_lowat, naru_option_get_memo, -1, 1, 1 },
    { SOL_SOCKET, SO_SNDLOWAT, CONST(1) },
    { SOL_SOCKET, SO_OOBINLINE, OWN(oobinline, memo, -1) },
    { SOL_SOCKET, SO_TYPE, ONLY_GET(kind) },
    { SOL_SOCKET, SO_PROTOCOL, ONLY_GET(kind) },
    { SOL_SOCKET, SO_DOMAIN, ONLY_GET(kind) },
    { SOL_SOCKET, SO_ACCEPTCONN, ONLY_GET(kind) },
    { SOL_SOCKET, SO_COOKIE, ONLY_GET(cookie) },
    { SOL_SOCKET, SO_BINDTODEVICE, OWN(device, device, -1) },
    { SOL_SOCKET, SO_BINDTOIFINDEX, V(BIND_IFACE) },
    { SOL_SOCKET, SO_TIMESTAMP, MEMO(0) },
    { SOL_SOCKET, SO_TIMESTAMPNS, MEMO(0) },
    { SOL_SOCKET, SO_PRIORITY, MEMO(0) },
    { SOL_SOCKET, SO_DEBUG, MEMO(0) },
    { SOL_SOCKET, SO_DONTROUTE, MEMO(0) },
    { SOL_SOCKET, SO_NO_CHECK, MEMO(0) },
    { SOL_SOCKET, SO_PASSCRED, MEMO(0) },
    { SOL_SOCKET, SO_RXQ_OVFL, MEMO(0) },
    { SOL_SOCKET, SO_BUSY_POLL, MEMO(0) },
    { SOL_SOCKET, SO_PREFER_BUSY_POLL, MEMO(0) },
    { SOL_SOCKET, SO_MAX_PACING_RATE, OWN(pacing_rate, pacing_rate, -1) },
    { SOL_SOCKET, SO_SELECT_ERR_QUEUE, MEMO(0) },
    { SOL_SOCKET, SO_INCOMING_CPU, MEMO(0) },
    { SOL_SOCKET, SO_INCOMING_NAPI_ID, CONST(0) },
    { SOL_SOCKET, SO_MARK, DENIED },
    { SOL_SOCKET, SO_ZEROCOPY, NOT_HERE },
};

static const struct naru_option_row tcp_rows[] = {
    { IPPROTO_TCP, TCP_NODELAY, F(NODELAY) },
    { IPPROTO_TCP, TCP_CORK, F(CORK) },
    { IPPROTO_TCP, TCP_QUICKACK, F(QUICKACK) },
    { IPPROTO_TCP, TCP_MAXSEG, V(MAXSEG) },
    { IPPROTO_TCP, TCP_KEEPIDLE, SEC(KEEPIDLE_MS) },
    { IPPROTO_TCP, TCP_KEEPINTVL, SEC(KEEPINTVL_MS) },
    { IPPROTO_TCP, TCP_KEEPCNT, V(KEEPCNT) },
    { IPPROTO_TCP, TCP_SYNCNT, naru_option_set_value, naru_option_get_value, NARU_OPT_SYNCNT, 1,
      6 },
    { IPPROTO_TCP, TCP_LINGER2, OWN(linger2, linger2, -1) },
    { IPPROTO_TCP, TCP_USER_TIMEOUT, naru_option_set_natural, naru_option_get_value,
      NARU_OPT_USER_TIMEOUT_MS, 1, 0 },
    { IPPROTO_TCP, TCP_WINDOW_CLAMP, V(WINDOW_CLAMP) },
    { IPPROTO_TCP, TCP_NOTSENT_LOWAT, V(NOTSENT_LOWAT) },
    { IPPROTO_TCP, TCP_CONGESTION, OWN(congestion, congestion, -1) },
    { IPPROTO_TCP, TCP_INFO, ONLY_GET(tcp_info) },
    { IPPROTO_TCP, TCP_ULP, ONLY_SET(ulp, -1) },
    { IPPROTO_TCP, TCP_DEFER_ACCEPT, MEMO(0) }, /* a hint: connections come at once */
    { IPPROTO_TCP, TCP_FASTOPEN, V(FASTOPEN) },
    { IPPROTO_TCP, TCP_FASTOPEN_CONNECT, F(FASTOPEN_CONNECT) },
    { IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, F(FASTOPEN_NO_COOKIE) },
    { IPPROTO_TCP, TCP_FASTOPEN_KEY, OWN(fastopen_key, fastopen_key, -1) },
    { IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, MEMO(0) },
    { IPPROTO_TCP, TCP_THIN_DUPACK, MEMO(0) },
    { IPPROTO_TCP, TCP_SAVE_SYN, MEMO(0) },
    { IPPROTO_TCP, TCP_REPAIR, DENIED },
};

static const struct naru_option_row ip_rows[] = {
    { IPPROTO_IP, IP_TOS, OWN(byte, byte, NARU_OPT_TOS) },
    { IPPROTO_IP, IP_TTL, OWN(byte, byte, NARU_OPT_TTL) },
    { IPPROTO_IP, IP_MULTICAST_TTL, OWN(byte, byte, NARU_OPT_MULTICAST_TTL) },
    { IPPROTO_IP, IP_MULTICAST_LOOP, F(MULTICAST_LOOP) },
    { IPPROTO_IP, IP_MULTICAST_IF, OWN(multicast_if, multicast_if, -1) },
    { IPPROTO_IP, IP_MULTICAST_ALL, MEMO(1) },
    { IPPROTO_IP, IP_ADD_MEMBERSHIP, ONLY_SET(group, -1) },
    { IPPROTO_IP, IP_DROP_MEMBERSHIP, ONLY_SET(group, -1) },
    { IPPROTO_IP, MCAST_JOIN_GROUP, ONLY_SET(group_any, -1) },
    { IPPROTO_IP, MCAST_LEAVE_GROUP, ONLY_SET(group_any, -1) },
    { IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, ONLY_SET(group_source, -1) },
    { IPPROTO_IP, IP_DROP_SOURCE_MEMBERSHIP, ONLY_SET(group_source, -1) },
    { IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP, ONLY_SET(group_source_any, -1) },
    { IPPROTO_IP, MCAST_LEAVE_SOURCE_GROUP, ONLY_SET(group_source_any, -1) },
    { IPPROTO_IP, IP_MTU_DISCOVER, naru_option_set_mtu_discover, naru_option_get_memo, -1, 1, 1 },
    { IPPROTO_IP, IP_MTU, ONLY_GET(mtu) },
    { IPPROTO_IP, IP_OPTIONS, OWN(ip_options, empty, -1) },
    { IPPROTO_IP, IP_PKTINFO, MEMO(0) },
    { IPPROTO_IP, IP_RECVTTL, MEMO(0) },
    { IPPROTO_IP, IP_RECVTOS, MEMO(0) },
    { IPPROTO_IP, IP_RECVORIGDSTADDR, MEMO(0) },
    { IPPROTO_IP, IP_RECVOPTS, MEMO(0) },
    { IPPROTO_IP, IP_RETOPTS, MEMO(0) },
    { IPPROTO_IP, IP_RECVERR, F(RECVERR) },
    { IPPROTO_IP, IP_FREEBIND, MEMO(0) },
    { IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, MEMO(0) },
    { IPPROTO_IP, IP_LOCAL_PORT_RANGE, MEMO(0) },
    { IPPROTO_IP, IP_MINTTL, MEMO(0) },
    { IPPROTO_IP, IP_UNICAST_IF, MEMO(0) },
    { IPPROTO_IP, IP_TRANSPARENT, DENIED },
};

static const struct naru_option_row ipv6_rows[] = {
    { IPPROTO_IPV6, IPV6_V6ONLY, F(V6ONLY) },
    { IPPROTO_IPV6, IPV6_UNICAST_HOPS, V(TTL) },
    { IPPROTO_IPV6, IPV6_TCLASS, naru_option_set_tclass, naru_option_get_value, NARU_OPT_TOS, 1,
      0 },
    { IPPROTO_IPV6, IPV6_MULTICAST_HOPS, V(MULTICAST_TTL) },
    { IPPROTO_IPV6, IPV6_MULTICAST_LOOP, F(MULTICAST_LOOP) },
    { IPPROTO_IPV6, IPV6_MULTICAST_IF, V(MULTICAST_IF) },
    { IPPROTO_IPV6, IPV6_JOIN_GROUP, ONLY_SET(group6, -1) },
    { IPPROTO_IPV6, IPV6_LEAVE_GROUP, ONLY_SET(group6, -1) },
    { IPPROTO_IPV6, MCAST_JOIN_GROUP, ONLY_SET(group_any, -1) },
    { IPPROTO_IPV6, MCAST_LEAVE_GROUP, ONLY_SET(group_any, -1) },
    { IPPROTO_IPV6, MCAST_JOIN_SOURCE_GROUP, ONLY_SET(group_source_any, -1) },
    { IPPROTO_IPV6, MCAST_LEAVE_SOURCE_GROUP, ONLY_SET(group_source_any, -1) },
    { IPPROTO_IPV6, IPV6_MTU_DISCOVER, naru_option_set_mtu_discover, naru_option_get_memo, -1, 1,
      1 },
    { IPPROTO_IPV6, IPV6_MTU, OWN(mtu6, mtu, -1) },
    { IPPROTO_IPV6, IPV6_RECVPKTINFO, MEMO(0) },
    { IPPROTO_IPV6, IPV6_RECVHOPLIMIT, MEMO(0) },
    { IPPROTO_IPV6, IPV6_RECVTCLASS, MEMO(0) },
    { IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, MEMO(0) },
    { IPPROTO_IPV6, IPV6_RECVERR, F(RECVERR) },
    { IPPROTO_IPV6, IPV6_RECVPATHMTU, MEMO(0) },
    { IPPROTO_IPV6, IPV6_DONTFRAG, MEMO(0) },
    { IPPROTO_IPV6, IPV6_RECVHOPOPTS,
      MEMO(0) }, /* packets with such headers tell nothing of them */
    { IPPROTO_IPV6, IPV6_RECVRTHDR, MEMO(0) },
    { IPPROTO_IPV6, IPV6_RECVDSTOPTS, MEMO(0) },
    { IPPROTO_IPV6, IPV6_MULTICAST_ALL, MEMO(1) },
    { IPPROTO_IPV6, IPV6_UNICAST_IF, MEMO(0) },
    { IPPROTO_IPV6, IPV6_FREEBIND, MEMO(0) },
    { IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, MEMO(1) },
    { IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, MEMO(0) },
    { IPPROTO_IPV6, IPV6_TRANSPARENT, DENIED },
};

static const struct naru_option_row udp_rows[] = {
    { IPPROTO_UDP, UDP_SEGMENT, V(UDP_GSO) },
    { IPPROTO_UDP, UDP_GRO, F(UDP_GRO) },
    { IPPROTO_UDP, UDP_NO_CHECK6_TX, MEMO(0) },
    { IPPROTO_UDP, UDP_NO_CHECK6_RX, MEMO(0) },
};

static const struct naru_option_row *find_in(const struct naru_option_row *row, size_t count,
                                             int name)
{
    for (size_t i = 0; i < count; i++)
        if (row[i].name == name)
            return &row[i];
    return NULL;
}

#define FIND_IN(rows, name) find_in(rows, sizeof(rows) / sizeof(rows)[0], name)

const struct naru_option_row *naru_option_find(int level, int name)
{
    switch (level) {
    case SOL_SOCKET:
        return FIND_IN(socket_rows, name);
    case IPPROTO_TCP:
        return FIND_IN(tcp_rows, name);
    case IPPROTO_IP:
        return FIND_IN(ip_rows, name);
    case IPPROTO_IPV6:
        return FIND_IN(ipv6_rows, name);
    case IPPROTO_UDP:
        return FIND_IN(udp_rows, name);
    default:
        return NULL;
    }
}
