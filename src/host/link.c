/* The host's own network interfaces; see link.h.  ioctl(2) of netdevice(7), rtnetlink for
 * addresses. */
#include "host/link.h"
#include "host/sockaddr.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int ask(const char *name, unsigned long request, struct ifreq *ifr)
{
    if (strlen(name) >= sizeof(ifr->ifr_name))
        return -EINVAL;
    memcpy(ifr->ifr_name, name, strlen(name) + 1);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int result = ioctl(fd, request, ifr) < 0 ? -errno : 0;
    close(fd);
    return result;
}

int naru_link_set_up(const char *name, bool up)
{
    struct ifreq ifr = { 0 };
    int error = ask(name, SIOCGIFFLAGS, &ifr);

    if (error < 0)
        return error;
    int flags = up ? ifr.ifr_flags | IFF_UP : ifr.ifr_flags & ~IFF_UP;
    ifr.ifr_flags = (short)flags;
    return ask(name, SIOCSIFFLAGS, &ifr);
}

int naru_link_set_mtu(const char *name, unsigned mtu)
{
    struct ifreq ifr = { .ifr_mtu = (int)mtu };

    return ask(name, SIOCSIFMTU, &ifr);
}

int naru_link_mtu(const char *name, unsigned *mtu)
{
    struct ifreq ifr = { 0 };
    int error = ask(name, SIOCGIFMTU, &ifr);

    if (error == 0)
        *mtu = (unsigned)ifr.ifr_mtu;
    return error;
}

int naru_link_mac(const char *name, uint8_t mac[6])
{
    struct ifreq ifr = { 0 };
    int error = ask(name, SIOCGIFHWADDR, &ifr);

    if (error == 0)
        memcpy(mac, ifr.ifr_hwaddr.sa_data, 6);
    return error;
}

/* RTM_NEWADDR as it goes over the socket. */
struct addr_request {
    struct nlmsghdr head;
    struct ifaddrmsg addr;
    struct rtattr local_attr;
    uint8_t local[16];
};

struct addr_reply {
    struct nlmsghdr head;
    struct nlmsgerr err;
    uint8_t more[256]; /* the request, quoted */
};

/* Sends the request and waits for the kernel's acknowledgement. */
static int netlink_ask(const struct addr_request *request)
{
    struct addr_reply reply = { 0 };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    int result = 0;

    if (fd < 0)
        return -errno;
    if (send(fd, request, request->head.nlmsg_len, 0) < 0 || recv(fd, &reply, sizeof(reply), 0) < 0)
        result = -errno;
    else if (reply.head.nlmsg_type == NLMSG_ERROR)
        result = reply.err.error;
    close(fd);
    return result;
}

int naru_link_add_addr(const char *name, const struct naru_addr *addr, unsigned prefix_len)
{
    bool v4 = naru_sockaddr_family(addr) == NARU_IPV4;
    unsigned addr_len = v4 ? 4 : 16;
    unsigned ifindex = if_nametoindex(name);

    if (ifindex == 0)
        return -errno;
    struct addr_request request = {
        .head = { .nlmsg_type = RTM_NEWADDR,
                  .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE },
        .addr = { .ifa_family = v4 ? AF_INET : AF_INET6,
                  .ifa_prefixlen = (uint8_t)prefix_len,
                  .ifa_flags = v4 ? 0 : IFA_F_NODAD,
                  .ifa_index = ifindex },
        .local_attr = { .rta_type = IFA_LOCAL },
    };
    request.local_attr.rta_len = (unsigned short)RTA_LENGTH(addr_len);
    memcpy(request.local, addr->b + 16 - addr_len, addr_len);
    request.head.nlmsg_len =
        (unsigned)(offsetof(struct addr_request, local_attr) + RTA_LENGTH(addr_len));
    return netlink_ask(&request);
}
