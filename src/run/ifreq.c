/*
 * ioctl(2): SIOCGIF questions about interfaces, asked on one of our sockets.
 *
 * The answers tell of naru's interfaces, not of the host's.  FIONREAD, SIOCATMARK and SIOCOUTQ run
 * natively on the pair.  Changing anything (SIOCSIF...) is not permitted.
 *
 * What is asked over netlink (getifaddrs, ip) is answered in netlink.c.
 */
#include "run/runner.h"

#include "host/sockaddr.h"

#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>

static unsigned by_name(struct naru_stack *stack, const char *name, struct naru_iface_info *info)
{
    for (unsigned i = 1; naru_iface_get(stack, i, info) == NARU_OK; i++)
        if (strncmp(info->name, name, IFNAMSIZ) == 0)
            return i;
    return 0;
}

/* The first IPv4 address of an interface. */
static bool address_of(struct naru_stack *stack, unsigned ifindex, struct naru_ifaddr_info *has)
{
    for (unsigned n = 0; naru_ifaddr_get(stack, ifindex, n, has) == NARU_OK; n++)
        if (naru_sockaddr_family(&has->addr) == NARU_IPV4)
            return true;
    return false;
}

static void put_ipv4(struct sockaddr *to, uint32_t host_order)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(host_order) };
    memcpy(to, &in, sizeof in);
}

static uint32_t ipv4_of(const struct naru_addr *addr)
{
    return (uint32_t)addr->b[12] << 24 | (uint32_t)addr->b[13] << 16 | (uint32_t)addr->b[14] << 8 |
           addr->b[15];
}

static int ask_address(struct naru_stack *stack, unsigned ifindex, unsigned long request,
                       struct ifreq *ifr)
{
    struct naru_ifaddr_info has;
    if (!address_of(stack, ifindex, &has))
        return -EADDRNOTAVAIL;
    uint32_t address = ipv4_of(&has.addr);
    uint32_t mask = has.prefix_len == 0 ? 0 : UINT32_MAX << (32 - has.prefix_len);
    if (request == SIOCGIFADDR || request == SIOCGIFDSTADDR)
        put_ipv4(&ifr->ifr_addr, address);
    else if (request == SIOCGIFNETMASK)
        put_ipv4(&ifr->ifr_netmask, mask);
    else
        put_ipv4(&ifr->ifr_broadaddr, address | ~mask);
    return 0;
}

static int ask(struct naru_stack *stack, unsigned long request, struct ifreq *ifr)
{
    struct naru_iface_info info;
    unsigned ifindex;
    if (request == SIOCGIFNAME) {
        if (naru_iface_get(stack, (unsigned)ifr->ifr_ifindex, &info) != NARU_OK)
            return -ENODEV;
        memcpy(ifr->ifr_name, info.name, sizeof info.name);
        return 0;
    }
    ifr->ifr_name[IFNAMSIZ - 1] = '\0';
    ifindex = by_name(stack, ifr->ifr_name, &info);
    if (ifindex == 0)
        return -ENODEV;
    switch (request) {
    case SIOCGIFINDEX:
        ifr->ifr_ifindex = (int)ifindex;
        return 0;
    case SIOCGIFMTU:
        ifr->ifr_mtu = (int)info.mtu;
        return 0;
    case SIOCGIFFLAGS:
        ifr->ifr_flags = (short)((info.up ? IFF_UP | IFF_RUNNING : 0) |
                                 (info.loopback ? IFF_LOOPBACK : IFF_BROADCAST | IFF_MULTICAST));
        return 0;
    case SIOCGIFHWADDR:
        ifr->ifr_hwaddr.sa_family = info.loopback ? ARPHRD_LOOPBACK : ARPHRD_ETHER;
        memcpy(ifr->ifr_hwaddr.sa_data, info.mac, sizeof info.mac);
        return 0;
    case SIOCGIFMETRIC:
        ifr->ifr_metric = 0;
        return 0;
    case SIOCGIFADDR:
    case SIOCGIFDSTADDR:
    case SIOCGIFNETMASK:
    case SIOCGIFBRDADDR:
        return ask_address(stack, ifindex, request, ifr);
    default:
        return -EPERM;
    }
}

/* All interfaces with an IPv4 address; without a buffer, how long it would have to be. */
static int list(const struct naru_call *call, uint64_t address)
{
    struct naru_stack *stack = call->runner->stack;
    struct naru_iface_info info;
    struct naru_ifaddr_info has;
    struct ifconf conf;
    pid_t tid = call->notice->tid;
    int error = naru_task_read(tid, address, &conf, sizeof conf);
    uint64_t at = (uintptr_t)conf.ifc_buf, len = 0;
    for (unsigned i = 1; error == 0 && naru_iface_get(stack, i, &info) == NARU_OK; i++) {
        struct ifreq ifr;
        if (!address_of(stack, i, &has))
            continue;
        memset(&ifr, 0, sizeof ifr);
        memcpy(ifr.ifr_name, info.name, sizeof info.name);
        put_ipv4(&ifr.ifr_addr, ipv4_of(&has.addr));
        if (at != 0 && len + sizeof ifr > (uint64_t)conf.ifc_len)
            break;
        if (at != 0)
            error = naru_task_write(tid, at + len, &ifr, sizeof ifr);
        len += sizeof ifr;
    }
    conf.ifc_len = (int)len;
    return error < 0 ? error : naru_task_write(tid, address, &conf, sizeof conf);
}

int64_t naru_call_ioctl(struct naru_call *call)
{
    unsigned long request = (uint32_t)call->notice->arg[1];
    uint64_t address = call->notice->arg[2];
    struct ifreq ifr;
    if (request == SIOCGIFCONF)
        return list(call, address);
    int error = naru_task_read(call->notice->tid, address, &ifr, sizeof ifr);
    if (error == 0)
        error = ask(call->runner->stack, request, &ifr);
    return error < 0 ? error : naru_task_write(call->notice->tid, address, &ifr, sizeof ifr);
}
