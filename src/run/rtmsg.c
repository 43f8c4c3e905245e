/*
 * rtnetlink(7) answers.
 *
 * Told: links, addresses, routes (all of them, or one link by index or name, or the route to an
 * address), and empty lists of neighbours and rules.  Changing anything is EPERM.  Attributes are
 * those that getifaddrs, getaddrinfo, ip(8), Go and Java read.
 */
#include "run/rtmsg.h"

#include "base/addr.h"
#include "host/sockaddr.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <naru/sock.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/socket.h>

#define LOOPBACK_IFINDEX 1
#define IFF_LOWER_UP_BIT 0x10000 /* IFF_LOWER_UP, which <net/if.h> does not have */

static struct nlmsghdr *begin(struct naru_rtmsg *out, uint16_t type, uint16_t flags,
                              const void *body, size_t body_len)
{
    if (out->len + 1024 > NARU_RTMSG_MAX) { /* more than any message of ours needs */
        out->flush(out->user, out->at, out->len);
        out->len = 0;
    }
    struct nlmsghdr *header = (struct nlmsghdr *)(void *)(out->at + out->len);
    memset(header, 0, NLMSG_SPACE(body_len));
    header->nlmsg_type = type;
    header->nlmsg_flags = flags;
    header->nlmsg_seq = out->seq;
    header->nlmsg_pid = out->port;
    header->nlmsg_len = (uint32_t)NLMSG_LENGTH(body_len);
    memcpy((uint8_t *)header + NLMSG_HDRLEN, body, body_len);
    return header;
}

static void end(struct naru_rtmsg *out, struct nlmsghdr *header)
{
    out->len += NLMSG_ALIGN(header->nlmsg_len);
}

static void put(struct nlmsghdr *header, uint16_t type, const void *value, size_t len)
{
    uint8_t *at = (uint8_t *)header + NLMSG_ALIGN(header->nlmsg_len);
    struct rtattr attribute = { .rta_len = (uint16_t)RTA_LENGTH(len), .rta_type = type };
    memset(at, 0, RTA_SPACE(len));
    memcpy(at, &attribute, sizeof attribute);
    memcpy(at + RTA_LENGTH(0), value, len);
    header->nlmsg_len = NLMSG_ALIGN(header->nlmsg_len) + (uint32_t)RTA_SPACE(len);
}

static void put32(struct nlmsghdr *header, uint16_t type, uint32_t value)
{
    put(header, type, &value, sizeof value);
}

/* An address of its own family: 4 or 16 bytes. */
static void put_addr(struct nlmsghdr *header, uint16_t type, const struct naru_addr *addr)
{
    bool v4 = naru_sockaddr_family(addr) == NARU_IPV4;
    put(header, type, v4 ? addr->b + 12 : addr->b, v4 ? 4 : 16);
}

static void put_error(struct naru_rtmsg *out, const struct nlmsghdr *question, int error)
{
    struct nlmsgerr body = { .error = -error, .msg = *question };
    end(out, begin(out, NLMSG_ERROR, 0, &body, sizeof body));
}

static void put_done(struct naru_rtmsg *out)
{
    int32_t status = 0;
    end(out, begin(out, NLMSG_DONE, NLM_F_MULTI, &status, sizeof status));
}

/* ---- Links ---- */

static void put_link(struct naru_rtmsg *out, uint16_t flags, unsigned ifindex,
                     const struct naru_iface_info *info)
{
    static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 }, none[6];
    uint8_t operstate = info->loopback ? 0 : info->up ? 6 : 2; /* RFC 2863: unknown, up, down */
    struct rtnl_link_stats64 stats = { .rx_packets = info->rx_packets,
                                       .tx_packets = info->tx_packets,
                                       .rx_bytes = info->rx_bytes,
                                       .tx_bytes = info->tx_bytes,
                                       .rx_dropped = info->rx_drops };
    struct ifinfomsg body = {
        .ifi_family = AF_UNSPEC,
        .ifi_type = info->loopback ? ARPHRD_LOOPBACK : ARPHRD_ETHER,
        .ifi_index = (int)ifindex,
        .ifi_flags = (unsigned)((info->up ? IFF_UP | IFF_RUNNING | IFF_LOWER_UP_BIT : 0) |
                                (info->loopback ? IFF_LOOPBACK : IFF_BROADCAST | IFF_MULTICAST)),
    };
    struct nlmsghdr *header = begin(out, RTM_NEWLINK, flags, &body, sizeof body);
    put(header, IFLA_IFNAME, info->name, strlen(info->name) + 1);
    put32(header, IFLA_TXQLEN, 1000);
    put(header, IFLA_OPERSTATE, &operstate, 1);
    put32(header, IFLA_MTU, info->mtu);
    put(header, IFLA_QDISC, "noqueue", sizeof "noqueue");
    put(header, IFLA_ADDRESS, info->mac, sizeof info->mac);
    put(header, IFLA_BROADCAST, info->loopback ? none : broadcast, sizeof broadcast);
    put(header, IFLA_STATS64, &stats, sizeof stats);
    end(out, header);
}

static void all_links(struct naru_rtmsg *out, const struct naru_stack *stack)
{
    struct naru_iface_info info;
    for (unsigned i = 1; naru_iface_get(stack, i, &info) == NARU_OK; i++)
        put_link(out, NLM_F_MULTI, i, &info);
    put_done(out);
}

/* The value of an attribute of a question whose fixed part is fixed_len long, or NULL. */
static const uint8_t *find(const struct nlmsghdr *question, size_t fixed_len, uint16_t type,
                           size_t *len)
{
    const uint8_t *at = (const uint8_t *)question;
    size_t offset = NLMSG_SPACE(fixed_len);
    while (offset + sizeof(struct rtattr) <= question->nlmsg_len) {
        struct rtattr attribute;
        memcpy(&attribute, at + offset, sizeof attribute);
        if (attribute.rta_len < RTA_LENGTH(0) || attribute.rta_len > question->nlmsg_len - offset)
            return NULL;
        *len = attribute.rta_len - RTA_LENGTH(0);
        if ((attribute.rta_type & NLA_TYPE_MASK) == type)
            return at + offset + RTA_LENGTH(0);
        offset += RTA_ALIGN(attribute.rta_len);
    }
    return NULL;
}

static int one_link(struct naru_rtmsg *out, const struct naru_stack *stack,
                    const struct nlmsghdr *question)
{
    struct ifinfomsg body = { .ifi_index = 0 };
    struct naru_iface_info info;
    size_t len = 0;
    if (question->nlmsg_len >= NLMSG_LENGTH(sizeof body))
        memcpy(&body, (const uint8_t *)question + NLMSG_HDRLEN, sizeof body);
    const char *name = (const char *)find(question, sizeof body, IFLA_IFNAME, &len);
    for (unsigned i = 1; naru_iface_get(stack, i, &info) == NARU_OK; i++)
        if ((unsigned)body.ifi_index == i ||
            (body.ifi_index == 0 && name != NULL && strnlen(name, len) == strlen(info.name) &&
             memcmp(name, info.name, strlen(info.name)) == 0)) {
            put_link(out, 0, i, &info);
            return 0;
        }
    return ENODEV;
}

/* ---- Addresses ---- */

static uint8_t scope_of(const struct naru_addr *addr)
{
    bool v4 = naru_sockaddr_family(addr) == NARU_IPV4;
    static const struct naru_addr loopback6 = { .b = { [15] = 1 } };
    if (v4 ? addr->b[12] == 127 : memcmp(addr, &loopback6, sizeof loopback6) == 0)
        return RT_SCOPE_HOST;
    return naru_addr_is_link_local(addr) ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}

static void put_broadcast(struct nlmsghdr *header, const struct naru_ifaddr_info *has)
{
    uint8_t address[4];
    memcpy(address, has->addr.b + 12, sizeof address);
    for (unsigned bit = has->prefix_len; bit < 32; bit++)
        address[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    put(header, IFA_BROADCAST, address, sizeof address);
}

static void put_ifaddr(struct naru_rtmsg *out, unsigned ifindex, const char *name,
                       const struct naru_ifaddr_info *has)
{
    bool v4 = naru_sockaddr_family(&has->addr) == NARU_IPV4;
    uint32_t flags =
        (has->automatic ? 0 : IFA_F_PERMANENT) | (has->tentative ? IFA_F_TENTATIVE : 0) |
        (has->duplicate ? IFA_F_DADFAILED : 0) | (has->deprecated ? IFA_F_DEPRECATED : 0) |
        (has->temporary ? IFA_F_TEMPORARY : 0);
    struct ifa_cacheinfo forever = { .ifa_prefered = UINT32_MAX, .ifa_valid = UINT32_MAX };
    struct ifaddrmsg body = {
        .ifa_family = v4 ? AF_INET : AF_INET6,
        .ifa_prefixlen = (uint8_t)has->prefix_len,
        .ifa_flags = (uint8_t)flags,
        .ifa_scope = scope_of(&has->addr),
        .ifa_index = ifindex,
    };
    struct nlmsghdr *header = begin(out, RTM_NEWADDR, NLM_F_MULTI, &body, sizeof body);
    put_addr(header, IFA_ADDRESS, &has->addr);
    if (v4) {
        put_addr(header, IFA_LOCAL, &has->addr);
        if (has->prefix_len < 31 && body.ifa_scope != RT_SCOPE_HOST)
            put_broadcast(header, has);
        put(header, IFA_LABEL, name, strlen(name) + 1);
    }
    put32(header, IFA_FLAGS, flags);
    put(header, IFA_CACHEINFO, &forever, sizeof forever);
    end(out, header);
}

static void addresses_of(struct naru_rtmsg *out, const struct naru_stack *stack,
                         enum naru_family family)
{
    struct naru_iface_info info;
    struct naru_ifaddr_info has;
    for (unsigned i = 1; naru_iface_get(stack, i, &info) == NARU_OK; i++)
        for (unsigned n = 0; naru_ifaddr_get(stack, i, n, &has) == NARU_OK; n++)
            if (naru_sockaddr_family(&has.addr) == family)
                put_ifaddr(out, i, info.name, &has);
}

static void all_addresses(struct naru_rtmsg *out, const struct naru_stack *stack, uint8_t family)
{
    if (family == AF_UNSPEC || family == AF_INET)
        addresses_of(out, stack, NARU_IPV4);
    if (family == AF_UNSPEC || family == AF_INET6)
        addresses_of(out, stack, NARU_IPV6);
    put_done(out);
}

/* ---- Routes ---- */

/* One of the table, or, with to and its source address, the way to there. */
static void put_route(struct naru_rtmsg *out, uint16_t flags, const struct naru_route *route,
                      const struct naru_addr *to, const struct naru_addr *source)
{
    bool local = to != NULL && memcmp(to, source, sizeof *to) == 0;
    uint8_t table = local ? RT_TABLE_LOCAL : RT_TABLE_MAIN;
    bool v4 = naru_sockaddr_family(&route->prefix) == NARU_IPV4;
    struct rtmsg body = {
        .rtm_family = v4 ? AF_INET : AF_INET6,
        .rtm_dst_len = to != NULL ? (v4 ? 32 : 128) : route->prefix_len,
        .rtm_table = table,
        .rtm_protocol = route->has_gateway ? RTPROT_STATIC : RTPROT_KERNEL,
        .rtm_scope = to != NULL || route->has_gateway || !v4 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
        .rtm_type = local ? RTN_LOCAL : RTN_UNICAST,
    };
    struct nlmsghdr *header = begin(out, RTM_NEWROUTE, flags, &body, sizeof body);
    put32(header, RTA_TABLE, table);
    if (body.rtm_dst_len > 0)
        put_addr(header, RTA_DST, to != NULL ? to : &route->prefix);
    if (route->has_gateway && !local)
        put_addr(header, RTA_GATEWAY, &route->gateway);
    if (route->metric != 0)
        put32(header, RTA_PRIORITY, route->metric);
    put32(header, RTA_OIF, local ? LOOPBACK_IFINDEX : route->ifindex);
    if (to != NULL)
        put_addr(header, RTA_PREFSRC, source);
    end(out, header);
}

static void all_routes(struct naru_rtmsg *out, const struct naru_stack *stack, uint8_t family)
{
    struct naru_route route;
    for (unsigned n = 0; naru_route_get(stack, n, &route) == NARU_OK; n++) {
        bool v4 = naru_sockaddr_family(&route.prefix) == NARU_IPV4;
        if (family == AF_UNSPEC || family == (v4 ? AF_INET : AF_INET6))
            put_route(out, NLM_F_MULTI, &route, NULL, NULL);
    }
    put_done(out);
}

static bool covers(const struct naru_route *route, const struct naru_addr *to)
{
    bool v4 = naru_sockaddr_family(to) == NARU_IPV4;
    if (v4 != (naru_sockaddr_family(&route->prefix) == NARU_IPV4))
        return false;
    unsigned bits = v4 ? 96u + route->prefix_len : route->prefix_len;
    for (unsigned bit = 0; bit < bits; bit++)
        if (((route->prefix.b[bit / 8] ^ to->b[bit / 8]) & (0x80 >> bit % 8)) != 0)
            return false;
    return true;
}

/* The address of ours that speaks to there: what a socket gets that connects. */
static bool source_for(struct naru_stack *stack, const struct naru_addr *to,
                       struct naru_addr *source, naru_time now)
{
    struct naru_endpoint local, remote = { .addr = *to, .port = 1 };
    struct naru_sock *sock;
    if (naru_sock_new(stack, naru_sockaddr_family(to), NARU_SOCK_DGRAM, &sock) != NARU_OK)
        return false;
    (void)naru_sock_set(sock, NARU_OPT_BROADCAST, 1, now);
    bool found = naru_sock_connect(sock, &remote, now) == NARU_OK;
    naru_sock_local(sock, &local);
    *source = local.addr;
    naru_sock_close(sock, now);
    return found;
}

static int one_route(struct naru_rtmsg *out, struct naru_stack *stack,
                     const struct nlmsghdr *question, naru_time now)
{
    size_t len = 0;
    struct naru_route route, best = { .prefix_len = 0 };
    struct naru_addr source, to = naru_addr_v4(0);
    bool found = false;
    const uint8_t *address = find(question, sizeof(struct rtmsg), RTA_DST, &len);
    if (address == NULL || (len != 4 && len != 16))
        return EINVAL;
    memcpy(len == 4 ? to.b + 12 : to.b, address, len);
    for (unsigned n = 0; naru_route_get(stack, n, &route) == NARU_OK; n++)
        if (covers(&route, &to) && (!found || route.prefix_len > best.prefix_len)) {
            best = route;
            found = true;
        }
    if (!found || !source_for(stack, &to, &source, now))
        return ENETUNREACH;
    put_route(out, 0, &best, &to, &source);
    return 0;
}

/* A list of all: to the end of it. */
static void answer_all(struct naru_rtmsg *out, const struct naru_stack *stack, uint16_t type,
                       uint8_t family)
{
    if (type == RTM_GETLINK)
        all_links(out, stack);
    else if (type == RTM_GETADDR)
        all_addresses(out, stack, family);
    else if (type == RTM_GETROUTE)
        all_routes(out, stack, family);
    else
        put_done(out); /* neighbours, rules, ...: none */
}

static int answer_one(struct naru_rtmsg *out, struct naru_stack *stack,
                      const struct nlmsghdr *question, naru_time now)
{
    if (question->nlmsg_type == RTM_GETLINK)
        return one_link(out, stack, question);
    if (question->nlmsg_type == RTM_GETROUTE)
        return one_route(out, stack, question, now);
    /* Not one of the RTM_GET numbers: a change. */
    return (question->nlmsg_type & 3) != 2 ? EPERM : EOPNOTSUPP;
}

static void flush_all(struct naru_rtmsg *out)
{
    out->flush(out->user, out->at, out->len);
    out->len = 0;
}

void naru_rtmsg_answer(struct naru_rtmsg *out, struct naru_stack *stack,
                       const struct nlmsghdr *question, size_t len, naru_time now)
{
    bool all = (question->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
    uint8_t family = len > NLMSG_HDRLEN ? ((const uint8_t *)question)[NLMSG_HDRLEN] : AF_UNSPEC;
    int error = 0;
    out->len = 0;
    out->seq = question->nlmsg_seq;
    if (all)
        answer_all(out, stack, question->nlmsg_type, family);
    else
        error = answer_one(out, stack, question, now);
    flush_all(out);
    if (error != 0 || (!all && (question->nlmsg_flags & NLM_F_ACK) != 0)) {
        put_error(out, question, error); /* a message of its own, and 0 says that all went well */
        flush_all(out);
    }
}
