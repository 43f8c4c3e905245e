/*
 * Groups of sockcalls about what few programs do, and each of them needs: listeners that pause
 * (HAProxy), questions over routing netlink (ngtcp2, avahi), groups with a source (ffmpeg).
 */
#include "programs/sockcalls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

/* ---- Listeners that pause ---- */

static void *accept_until_told(void *arg)
{
    int fd = accept(*(int *)arg, NULL, NULL);
    return (void *)(intptr_t)(fd >= 0 ? 0 : errno);
}

static void try_connect(const char *when, const struct sockaddr_in *name)
{
    int c = tcp();
    say("%s: connect %s", when, result(connect_to(c, name)));
    close(c);
}

static void pause_and_resume(int how, const char *text)
{
    struct sockaddr_in name;
    int on = 1, free = listener(&name), l = tcp(), waiting = tcp(), c, s;
    close(free); /* its port is free now: one that was not given would not stay */
    setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    must(bind_to(l, &name), "bind");
    must(listen(l, 5), "listen");
    must(connect_to(waiting, &name), "connect");
    struct sockaddr unspec = { .sa_family = AF_UNSPEC };
    say("%s %s", text, result(how < 0 ? connect(l, &unspec, sizeof unspec) : shutdown(l, how)));
    fcntl(l, F_SETFL, O_NONBLOCK);
    say("accept %s", result(accept(l, NULL, NULL)));
    try_connect("paused", &name);
    say("name kept %d", name_of(l).sin_port == name.sin_port);
    say("listen %s", result(listen(l, 5)));
    fcntl(l, F_SETFL, 0);
    c = tcp();
    say("resumed: connect %s", result(connect_to(c, &name)));
    s = accept(l, NULL, NULL);
    say("accept %s", s < 0 ? strerrorname_np(errno) : "well");
    close(s);
    close(c);
    close(waiting);
    close(l);
}

static void *receive_until_told(void *arg)
{
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    char buf[8];
    ssize_t n = recvfrom(*(int *)arg, buf, sizeof buf, 0, (struct sockaddr *)&from, &len);
    return (void *)(intptr_t)(n < 0 ? errno : n);
}

/* How threads are told to stop that receive datagrams. */
static void shut_datagrams(void)
{
    pthread_t thread;
    void *got = NULL;
    int fd = udp();
    pthread_create(&thread, NULL, receive_until_told, &fd);
    usleep(100000);
    (void)shutdown(fd, SHUT_RDWR);
    pthread_join(thread, &got);
    say("who receives is told %d", (int)(intptr_t)got);
    close(fd);
}

void group_pause(void)
{
    struct sockaddr_in name;
    pthread_t thread;
    void *got = NULL;
    int l = listener(&name);
    pause_and_resume(SHUT_RD, "shut reading");
    pause_and_resume(SHUT_RDWR, "shut both");
    pause_and_resume(-1, "disconnect");
    say("shut writing %s", result(shutdown(l, SHUT_WR)));
    try_connect("listens on", &name);
    close(must(accept(l, NULL, NULL), "accept"));
    pthread_create(&thread, NULL, accept_until_told, &l);
    usleep(100000);
    say("shut reading %s", result(shutdown(l, SHUT_RD)));
    pthread_join(thread, &got);
    say("who waited is told %s", strerrorname_np((int)(intptr_t)got));
    close(l);
    shut_datagrams();
}

/* ---- Routing netlink ---- */

static void say_route(const char *message, size_t len)
{
    struct rtmsg route;
    struct rtattr a;
    memcpy(&route, message + NLMSG_HDRLEN, sizeof route);
    say("route type %d, %d bits", route.rtm_type, route.rtm_dst_len);
    for (size_t at = NLMSG_SPACE(sizeof route); at + sizeof a <= len; at += RTA_ALIGN(a.rta_len)) {
        uint32_t value = 0;
        memcpy(&a, message + at, sizeof a);
        memcpy(&value, message + at + RTA_LENGTH(0), sizeof value);
        if (a.rta_type == RTA_DST || a.rta_type == RTA_PREFSRC || a.rta_type == RTA_OIF)
            say("attribute %d is %x", a.rta_type, value);
    }
}

/* One message from the kernel, and who it says it is from. */
static void say_answer(int fd)
{
    char bytes[4096];
    _Alignas(struct cmsghdr) char control[200];
    struct iovec iov = { bytes, sizeof bytes };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
    };
    struct nlmsghdr header;
    struct nlmsgerr error;
    if (must(poll_for(fd, POLLIN, 1000) & POLLIN, "poll") == 0) {
        say("no answer");
        return;
    }
    must((int)recvmsg(fd, &msg, 0), "recvmsg");
    memcpy(&header, bytes, sizeof header);
    memcpy(&error, bytes + NLMSG_HDRLEN, sizeof error);
    say("type %d, sequence %u", header.nlmsg_type, header.nlmsg_seq);
    if (header.nlmsg_type == NLMSG_ERROR)
        say("error %d", error.error);
    if (header.nlmsg_type == RTM_NEWROUTE)
        say_route(bytes, header.nlmsg_len);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c != NULL; c = CMSG_NXTHDR(&msg, c)) {
        struct ucred from;
        say("control %d %d length %zu", c->cmsg_level, c->cmsg_type, c->cmsg_len);
        memcpy(&from, CMSG_DATA(c), sizeof from);
        say("from process %d, user %u, group %u", from.pid, from.uid, from.gid);
    }
}

void group_netlink(void)
{
    struct {
        struct nlmsghdr header;
        struct rtmsg route;
        struct rtattr attribute;
        uint32_t address;
    } question = {
        .header = { .nlmsg_len = sizeof question,
                    .nlmsg_type = RTM_GETROUTE,
                    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
                    .nlmsg_seq = 7 },
        .route = { .rtm_family = AF_INET, .rtm_dst_len = 32 },
        .attribute = { .rta_len = RTA_LENGTH(4), .rta_type = RTA_DST },
        .address = htonl(INADDR_LOOPBACK),
    };
    int on = 1, fd = must(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), "socket");
    say("ask %s", result(send(fd, &question, sizeof question, 0)));
    say_answer(fd);
    say_answer(fd);
    say("credentials %s", result(setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on)));
    question.header.nlmsg_flags = NLM_F_REQUEST;
    must((int)send(fd, &question, sizeof question, 0), "send");
    say_answer(fd);
    close(fd);
}

/* ---- Groups ---- */

static void heard(int fd, const char *what)
{
    char buf[20] = "";
    say("%s: %s", what, poll_text(poll_for(fd, POLLIN, 200)));
    say("%s %s", result(recv(fd, buf, sizeof buf, MSG_DONTWAIT)), buf);
}

static int receiver(uint16_t *port)
{
    struct sockaddr_in any = { .sin_family = AF_INET };
    int fd = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");
    must(bind_to(fd, &any), "bind");
    *port = ntohs(name_of(fd).sin_port);
    return fd;
}

static void one_source(void)
{
    uint16_t port;
    int fd = receiver(&port), s = udp(), other = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");
    struct sockaddr_in group = loopback(port);
    struct in_addr lo = { htonl(INADDR_LOOPBACK) };
    struct ip_mreq_source from = { .imr_interface = lo, .imr_sourceaddr = lo };
    struct sockaddr_in second = loopback(0);
    group.sin_addr.s_addr = from.imr_multiaddr.s_addr = htonl(0xe8010203);
    second.sin_addr.s_addr = htonl(0x7f000002);
    must(bind_to(other, &second), "bind");
    must(setsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &lo, sizeof lo), "IP_MULTICAST_IF");
    must(setsockopt(other, IPPROTO_IP, IP_MULTICAST_IF, &lo, sizeof lo), "IP_MULTICAST_IF");
    say("join %s",
        result(setsockopt(fd, IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, &from, sizeof from)));
    must((int)sendto(s, "wanted", 7, 0, (struct sockaddr *)&group, sizeof group), "sendto");
    heard(fd, "from the source");
    must((int)sendto(other, "stranger", 9, 0, (struct sockaddr *)&group, sizeof group), "sendto");
    heard(fd, "from another");
    say("leave %s",
        result(setsockopt(fd, IPPROTO_IP, IP_DROP_SOURCE_MEMBERSHIP, &from, sizeof from)));
    must((int)sendto(s, "late", 5, 0, (struct sockaddr *)&group, sizeof group), "sendto");
    heard(fd, "left");
    close(fd);
    close(s);
    close(other);
}

static void by_bound_address(void)
{
    uint16_t port;
    int fd = receiver(&port), s = udp(), on = 1;
    struct sockaddr_in to = loopback(port);
    struct in_addr lo = { htonl(INADDR_LOOPBACK) };
    struct ip_mreq join = { .imr_interface = lo };
    to.sin_addr.s_addr = join.imr_multiaddr.s_addr = htonl(0xe0010203);
    must(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof join), "IP_ADD_MEMBERSHIP");
    say("to a group %s", result(sendto(s, "group", 6, 0, (struct sockaddr *)&to, sizeof to)));
    heard(fd, "by the bound address");
    must(setsockopt(s, SOL_SOCKET, SO_BROADCAST, &on, sizeof on), "SO_BROADCAST");
    to.sin_addr.s_addr = htonl(0x7fffffff);
    say("to all %s", result(sendto(s, "all", 4, 0, (struct sockaddr *)&to, sizeof to)));
    heard(fd, "the loopback's broadcast address");
    close(s);
    s = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");
    must(setsockopt(s, SOL_SOCKET, SO_BROADCAST, &on, sizeof on), "SO_BROADCAST");
    say("unbound %s", result(sendto(s, "all", 4, 0, (struct sockaddr *)&to, sizeof to)));
    heard(fd, "the same");
    close(fd);
    close(s);
}

/* What some program sets, and would take a refusal badly. */
static void rare_options(void)
{
    static const struct {
        int level, name, value;
    } option[] = {
        { IPPROTO_IPV6, IPV6_TCLASS, 16 },
        { IPPROTO_IPV6, IPV6_TCLASS, -1 },
        { IPPROTO_IPV6, IPV6_TCLASS, 256 },
        { IPPROTO_IPV6, IPV6_RECVHOPOPTS, 1 },
        { IPPROTO_IPV6, IPV6_RECVRTHDR, 1 },
        { IPPROTO_IPV6, IPV6_RECVDSTOPTS, 1 },
        { IPPROTO_IPV6, 29, 0 },
        { SOL_SOCKET, 62, 1 }, /* by the interface's index */
        { SOL_SOCKET, 62, 0 },
    };
    int fd = must(socket(AF_INET6, SOCK_DGRAM, 0), "socket");
    for (size_t i = 0; i < sizeof option / sizeof option[0]; i++) {
        int value = option[i].value, level = option[i].level, name = option[i].name;
        socklen_t len = sizeof value;
        const char *set = result(setsockopt(fd, level, name, &value, sizeof value));
        value = -7;
        const char *got = result(getsockopt(fd, level, name, &value, &len));
        say("option %d %d: set %s, get %s, %d", level, name, set, got, value);
    }
    close(fd);
}

void group_groups(void)
{
    rare_options();
    by_bound_address();
    one_source();
}
