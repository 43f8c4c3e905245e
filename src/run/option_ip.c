/*
 * Options of IP and IPv6 that are more than a number: TOS and TTL, path MTU, multicast.
 *
 * Source-specific multicast (RFC 4607) is not done: ENOPROTOOPT.
 */
#include "run/option.h"

#include "host/errno.h"
#include "host/sockaddr.h"
#include "run/memo.h"

#include <errno.h>
#include <netinet/ip.h>
#include <string.h>

/* -1 means the default, where there is one. */
int naru_option_set_byte(struct naru_option *option)
{
    int value;
    int error = naru_option_int(option, &value);
    if (error < 0)
        return error;
    if (option->name == IP_TOS)
        value &= 0xff;
    if (option->name == IP_MULTICAST_TTL && value == -1)
        value = 1;
    if (value < -1 || value > 255 || (option->name == IP_TTL && value == 0))
        return -EINVAL;
    return naru_option_stack_set(option, (enum naru_opt)option->row->opt, value);
}

/* -1 is the default again (RFC 3542 6.5). */
int naru_option_set_tclass(struct naru_option *option)
{
    int value;
    int error = naru_option_int(option, &value);
    if (error < 0 || value < -1 || value > 255)
        return -EINVAL;
    return naru_option_stack_set(option, NARU_OPT_TOS, value < 0 ? 0 : value);
}

int naru_option_get_byte(struct naru_option *option)
{
    int64_t value = naru_option_stack_get(option, (enum naru_opt)option->row->opt);
    if (option->name == IP_TTL && value <= 0)
        value = 64;
    return naru_option_put_int(option, (int)value);
}

/* IP_PMTUDISC_DONT, WANT, DO; PROBE sets DF without asking; INTERFACE and OMIT never set it. */
int naru_option_set_mtu_discover(struct naru_option *option)
{
    static const int ours[] = { 0, 1, 2, 2, 0, 0 };
    int value;
    int error = naru_option_int(option, &value);
    if (error < 0)
        return error;
    if (value < 0 || value >= (int)(sizeof ours / sizeof ours[0]))
        return -EINVAL;
    if (!naru_memo_set(option->object, option->level, option->name, value))
        return -ENOBUFS;
    error = naru_option_stack_set(option, NARU_OPT_MTU_DISCOVER, ours[value]);
    return error == -ENOPROTOOPT ? 0 : error;
}

int naru_option_get_mtu(struct naru_option *option)
{
    int64_t mtu;
    struct naru_sock *sock = option->object->sock;
    if (sock == NULL || naru_sock_get(sock, NARU_OPT_MTU, &mtu) != NARU_OK)
        return -ENOTCONN;
    return naru_option_put_int(option, (int)mtu);
}

/* A smaller MTU for this socket alone (DNS servers ask for 1280, which no path has to fragment):
 * the path's own is used instead. */
int naru_option_set_mtu6(struct naru_option *option)
{
    int value;
    int error = naru_option_int(option, &value);
    if (error < 0)
        return error;
    return value != 0 && value < 1280 ? -EINVAL : 0;
}

/* The interface that has this address; 0 for any. */
static int interface_of(struct naru_stack *stack, const struct naru_addr *addr, unsigned *ifindex)
{
    struct naru_iface_info info;
    struct naru_ifaddr_info has;
    struct naru_addr any = naru_addr_v4(0);
    *ifindex = 0;
    if (memcmp(addr, &any, sizeof any) == 0)
        return 0;
    for (unsigned i = 1; naru_iface_get(stack, i, &info) == NARU_OK; i++)
        for (unsigned n = 0; naru_ifaddr_get(stack, i, n, &has) == NARU_OK; n++)
            if (memcmp(&has.addr, addr, sizeof has.addr) == 0) {
                *ifindex = i;
                return 0;
            }
    return -ENODEV;
}

/* source NULL: the whole group. */
static int change_group(struct naru_option *option, bool join, const struct naru_addr *group,
                        const struct naru_addr *source, unsigned ifindex)
{
    struct naru_sock *sock = option->object->sock;
    enum naru_err err;
    if (sock == NULL)
        return -EINVAL;
    naru_time now = option->call->now;
    if (source == NULL)
        err = join ? naru_sock_join(sock, group, ifindex, now)
                   : naru_sock_leave(sock, group, ifindex, now);
    else
        err = join ? naru_sock_join_source(sock, group, source, ifindex, now)
                   : naru_sock_leave_source(sock, group, source, ifindex, now);
    if (err == NARU_ERR_EXIST)
        return source == NULL ? -EADDRINUSE : -EADDRNOTAVAIL;
    if (err == NARU_ERR_NOENT)
        return join ? -ENODEV : -EADDRNOTAVAIL;
    return -naru_errno(err);
}

/* struct ip_mreq or ip_mreqn: the group, then an address of the interface, then its index. */
static int parse_mreq(struct naru_option *option, struct naru_addr *group, unsigned *ifindex)
{
    struct ip_mreqn mreq;
    memset(&mreq, 0, sizeof mreq);
    if (option->len < sizeof(struct ip_mreq))
        return -EINVAL;
    memcpy(&mreq, option->value, option->len < sizeof mreq ? option->len : sizeof mreq);
    *group = naru_addr_v4(ntohl(mreq.imr_multiaddr.s_addr));
    struct naru_addr address = naru_addr_v4(ntohl(mreq.imr_address.s_addr));
    if (mreq.imr_ifindex != 0) {
        *ifindex = (unsigned)mreq.imr_ifindex;
        return 0;
    }
    return interface_of(option->call->runner->stack, &address, ifindex);
}

int naru_option_set_group(struct naru_option *option)
{
    struct naru_addr group;
    unsigned ifindex;
    int error = parse_mreq(option, &group, &ifindex);
    return error < 0
               ? error
               : change_group(option, option->name == IP_ADD_MEMBERSHIP, &group, NULL, ifindex);
}

int naru_option_set_group6(struct naru_option *option)
{
    struct ipv6_mreq mreq;
    struct naru_addr group;
    if (option->len < sizeof mreq)
        return -EINVAL;
    memcpy(&mreq, option->value, sizeof mreq);
    memcpy(group.b, &mreq.ipv6mr_multiaddr, sizeof group.b);
    return change_group(option, option->name == IPV6_JOIN_GROUP, &group, NULL,
                        mreq.ipv6mr_interface);
}

int naru_option_set_group_any(struct naru_option *option)
{
    struct group_req req;
    struct naru_endpoint group;
    if (option->len < sizeof req)
        return -EINVAL;
    memcpy(&req, option->value, sizeof req);
    if (naru_sockaddr_parse_any(&req.gr_group, sizeof req.gr_group, &group) != NARU_OK)
        return -EINVAL;
    return change_group(option, option->name == MCAST_JOIN_GROUP, &group.addr, NULL,
                        req.gr_interface);
}

int naru_option_set_group_source(struct naru_option *option)
{
    struct ip_mreq_source req;
    unsigned ifindex;
    if (option->len < sizeof req)
        return -EINVAL;
    memcpy(&req, option->value, sizeof req);
    struct naru_addr group = naru_addr_v4(ntohl(req.imr_multiaddr.s_addr));
    struct naru_addr source = naru_addr_v4(ntohl(req.imr_sourceaddr.s_addr));
    struct naru_addr address = naru_addr_v4(ntohl(req.imr_interface.s_addr));
    int error = interface_of(option->call->runner->stack, &address, &ifindex);
    return error < 0 ? error
                     : change_group(option, option->name == IP_ADD_SOURCE_MEMBERSHIP, &group,
                                    &source, ifindex);
}

int naru_option_set_group_source_any(struct naru_option *option)
{
    struct group_source_req req;
    struct naru_endpoint group, source;
    if (option->len < sizeof req)
        return -EINVAL;
    memcpy(&req, option->value, sizeof req);
    if (naru_sockaddr_parse_any(&req.gsr_group, sizeof req.gsr_group, &group) != NARU_OK ||
        naru_sockaddr_parse_any(&req.gsr_source, sizeof req.gsr_source, &source) != NARU_OK)
        return -EINVAL;
    return change_group(option, option->name == MCAST_JOIN_SOURCE_GROUP, &group.addr, &source.addr,
                        req.gsr_interface);
}

/* struct in_addr, ip_mreq or ip_mreqn; the last two begin with a group that does not count. */
int naru_option_set_multicast_if(struct naru_option *option)
{
    struct in_addr in;
    struct naru_addr group, address;
    unsigned ifindex;
    int error;
    if (option->len < sizeof in)
        return -EINVAL;
    if (option->len >= sizeof(struct ip_mreq)) {
        error = parse_mreq(option, &group, &ifindex);
    } else {
        memcpy(&in, option->value, sizeof in);
        address = naru_addr_v4(ntohl(in.s_addr));
        error = interface_of(option->call->runner->stack, &address, &ifindex);
    }
    if (error < 0)
        return error == -ENODEV ? -EADDRNOTAVAIL : error;
    return naru_option_stack_set(option, NARU_OPT_MULTICAST_IF, ifindex);
}

int naru_option_get_multicast_if(struct naru_option *option)
{
    struct naru_ifaddr_info has;
    struct in_addr in = { 0 };
    unsigned ifindex = (unsigned)naru_option_stack_get(option, NARU_OPT_MULTICAST_IF);
    struct naru_stack *stack = option->call->runner->stack;
    for (unsigned n = 0; ifindex != 0 && naru_ifaddr_get(stack, ifindex, n, &has) == NARU_OK; n++)
        if (naru_sockaddr_family(&has.addr) == NARU_IPV4) {
            memcpy(&in, has.addr.b + 12, sizeof in);
            break;
        }
    naru_option_put(option, &in, sizeof in);
    return 0;
}

/* None can be sent; sshd, for one, only wants to see that there are none. */
int naru_option_set_ip_options(struct naru_option *option)
{
    return option->len == 0 ? 0 : -EOPNOTSUPP;
}

int naru_option_get_empty(struct naru_option *option)
{
    option->len = 0;
    return 0;
}
