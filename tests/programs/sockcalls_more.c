/*
 * Groups of sockcalls about options, IPv6, signals, sharing, epoll and ioctl.
 */
#include "programs/sockcalls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static void int_option(int fd, const char *name, int level, int option, int value)
{
    int before = -1, after = -1;
    socklen_t len = sizeof before;
    const char *got = result(getsockopt(fd, level, option, &before, &len));
    const char *set = result(setsockopt(fd, level, option, &value, sizeof value));
    len = sizeof after;
    (void)getsockopt(fd, level, option, &after, &len);
    say("%s: %s %d, set %d %s, then %d length %u", name, got, before, value, set, after, len);
}

#define OPTION(fd, level, name, value) int_option(fd, #name, level, name, value)

static void plain_options(int t, int u)
{
    OPTION(t, SOL_SOCKET, SO_REUSEADDR, 7);
    OPTION(t, SOL_SOCKET, SO_REUSEPORT, 1);
    OPTION(t, SOL_SOCKET, SO_KEEPALIVE, 1);
    OPTION(t, SOL_SOCKET, SO_BROADCAST, 1);
    OPTION(u, SOL_SOCKET, SO_BROADCAST, 1);
    OPTION(t, SOL_SOCKET, SO_OOBINLINE, 1);
    OPTION(t, SOL_SOCKET, SO_RCVLOWAT, 5);
    OPTION(t, SOL_SOCKET, SO_SNDLOWAT, 5);
    OPTION(t, SOL_SOCKET, SO_TYPE, 1);
    OPTION(u, SOL_SOCKET, SO_TYPE, 1);
    OPTION(t, SOL_SOCKET, SO_PROTOCOL, 1);
    OPTION(u, SOL_SOCKET, SO_DOMAIN, 1);
    OPTION(t, SOL_SOCKET, SO_ACCEPTCONN, 1);
    OPTION(t, SOL_SOCKET, SO_PRIORITY, 3);
    OPTION(u, SOL_SOCKET, SO_TIMESTAMP, 1);
    OPTION(t, SOL_SOCKET, 4711, 1);
    OPTION(t, IPPROTO_TCP, TCP_NODELAY, 1);
    OPTION(t, IPPROTO_TCP, TCP_CORK, 1);
    OPTION(t, IPPROTO_TCP, TCP_KEEPIDLE, 33);
    OPTION(t, IPPROTO_TCP, TCP_KEEPINTVL, 12);
    OPTION(t, IPPROTO_TCP, TCP_KEEPCNT, 4);
    OPTION(t, IPPROTO_TCP, TCP_KEEPCNT, 200);
    OPTION(t, IPPROTO_TCP, TCP_SYNCNT, 3);
    OPTION(t, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000);
    OPTION(t, IPPROTO_TCP, TCP_LINGER2, 20);
    OPTION(t, IPPROTO_TCP, 4711, 1);
    OPTION(u, IPPROTO_TCP, TCP_NODELAY, 1);
    OPTION(t, IPPROTO_IP, IP_TOS, 0x10);
    OPTION(t, IPPROTO_IP, IP_TTL, 12);
    OPTION(t, IPPROTO_IP, IP_TTL, 0);
    OPTION(t, IPPROTO_IP, IP_TTL, 256);
    OPTION(u, IPPROTO_IP, IP_MULTICAST_TTL, 5);
    OPTION(u, IPPROTO_IP, IP_MULTICAST_LOOP, 0);
    OPTION(u, IPPROTO_IP, IP_PKTINFO, 1);
    OPTION(u, IPPROTO_IP, IP_RECVERR, 1);
    OPTION(u, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
    OPTION(u, IPPROTO_IP, IP_MTU_DISCOVER, 9);
    OPTION(u, IPPROTO_IP, IP_MTU, 1);
    OPTION(t, IPPROTO_IP, 4711, 1);
    OPTION(t, 4711, 1, 1);
}

static void odd_options(int t)
{
    struct linger linger = { 1, 5 };
    struct timeval tv = { 3, 500000 };
    char text[20] = "";
    int value = 1;
    socklen_t len = sizeof text;
    say("short %s", result(setsockopt(t, SOL_SOCKET, SO_KEEPALIVE, &value, 2)));
    say("NULL %s", result(setsockopt(t, SOL_SOCKET, SO_KEEPALIVE, NULL, 4)));
    say("linger %s", result(setsockopt(t, SOL_SOCKET, SO_LINGER, &linger, sizeof linger)));
    memset(&linger, 0, sizeof linger);
    len = sizeof linger;
    say("is %s", result(getsockopt(t, SOL_SOCKET, SO_LINGER, &linger, &len)));
    say("linger %d %d", linger.l_onoff, linger.l_linger);
    say("timeout %s", result(setsockopt(t, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv)));
    memset(&tv, 0, sizeof tv);
    len = sizeof tv;
    (void)getsockopt(t, SOL_SOCKET, SO_RCVTIMEO, &tv, &len);
    say("timeout %ld %ld length %u", (long)tv.tv_sec, (long)tv.tv_usec, len);
    say("reno %s", result(setsockopt(t, IPPROTO_TCP, TCP_CONGESTION, "reno", 4)));
    len = sizeof text;
    say("is %s", result(getsockopt(t, IPPROTO_TCP, TCP_CONGESTION, text, &len)));
    say("it is %s length %u", text, len);
    say("unknown %s", result(setsockopt(t, IPPROTO_TCP, TCP_CONGESTION, "moon", 4)));
    value = 20000;
    say("buffer %s", result(setsockopt(t, SOL_SOCKET, SO_SNDBUF, &value, sizeof value)));
    len = sizeof value;
    (void)getsockopt(t, SOL_SOCKET, SO_SNDBUF, &value, &len);
    say("doubled %d", value);
    value = 1;
    setsockopt(t, SOL_SOCKET, SO_RCVBUF, &value, sizeof value);
    (void)getsockopt(t, SOL_SOCKET, SO_RCVBUF, &value, &len);
    say("smallest %d", value);
}

static void tcp_info(void)
{
    struct connection c = connection();
    struct tcp_info info;
    char buf[100];
    socklen_t len = sizeof info;
    must((int)send(c.client, "some bytes", 10, 0), "send");
    must((int)recv(c.server, buf, sizeof buf, 0), "recv");
    memset(&info, 0, sizeof info);
    say("info %s", result(getsockopt(c.server, IPPROTO_TCP, TCP_INFO, &info, &len)));
    say("state %d, ca %d, options %d", info.tcpi_state, info.tcpi_ca_state,
        info.tcpi_options & (TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE));
    say("figures %d %d %d", info.tcpi_snd_mss > 500, info.tcpi_snd_cwnd >= 10,
        info.tcpi_rto >= 200000);
    len = 8;
    say("short %s %u", result(getsockopt(c.server, IPPROTO_TCP, TCP_INFO, &info, &len)), len);
    close_both(&c);
}

void group_options(void)
{
    int t = tcp(), u = udp();
    plain_options(t, u);
    odd_options(t);
    tcp_info();
    close(t);
    close(u);
}

void group_v6(void)
{
    struct sockaddr_in6 six = { .sin6_family = AF_INET6 }, peer;
    struct sockaddr_in four = loopback(0);
    socklen_t len = sizeof six;
    int on = 1, l = must(socket(AF_INET6, SOCK_STREAM, 0), "socket"), c = tcp(), s, d;
    int_option(l, "IPV6_V6ONLY", IPPROTO_IPV6, IPV6_V6ONLY, 0);
    int_option(l, "IPV6_UNICAST_HOPS", IPPROTO_IPV6, IPV6_UNICAST_HOPS, 9);
    int_option(l, "IPV6_TCLASS", IPPROTO_IPV6, IPV6_TCLASS, 16);
    int_option(c, "IPV6_V6ONLY", IPPROTO_IPV6, IPV6_V6ONLY, 1);
    say("bind %s", result(bind(l, (struct sockaddr *)&six, sizeof six)));
    say("too late %s", result(setsockopt(l, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on)));
    must(listen(l, 5), "listen");
    must(getsockname(l, (struct sockaddr *)&six, &len), "getsockname");
    say("name %u %d", len, IN6_IS_ADDR_UNSPECIFIED(&six.sin6_addr));
    four.sin_port = six.sin6_port;
    say("v4 connects %s", result(connect_to(c, &four)));
    len = sizeof peer;
    s = must(accept(l, (struct sockaddr *)&peer, &len), "accept");
    say("mapped %d %u", IN6_IS_ADDR_V4MAPPED(&peer.sin6_addr), len);
    d = must(socket(AF_INET6, SOCK_STREAM, 0), "socket");
    six.sin6_addr = in6addr_loopback;
    say("v6 connects %s", result(connect(d, (struct sockaddr *)&six, sizeof six)));
    len = sizeof peer;
    must(getsockname(d, (struct sockaddr *)&peer, &len), "getsockname");
    say("source %d", IN6_IS_ADDR_LOOPBACK(&peer.sin6_addr));
    close(s);
    close(c);
    close(d);
    c = must(socket(AF_INET6, SOCK_STREAM, 0), "socket");
    six.sin6_addr =
        (struct in6_addr){ { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 0, 0, 1 } } };
    say("to a mapped address %s", result(connect(c, (struct sockaddr *)&six, sizeof six)));
    len = sizeof peer;
    must(getsockname(c, (struct sockaddr *)&peer, &len), "getsockname");
    say("mapped source %d", IN6_IS_ADDR_V4MAPPED(&peer.sin6_addr));
    close(c);
    c = must(socket(AF_INET6, SOCK_STREAM, 0), "socket");
    must(setsockopt(c, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on), "V6ONLY");
    say("v6 only %s", result(connect(c, (struct sockaddr *)&six, sizeof six)));
    close(c);
    close(l);
}

static volatile sig_atomic_t signals_seen;

static void on_signal(int signal)
{
    (void)signal;
    signals_seen++;
}

static void handle(int flags)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = flags };
    sigaction(SIGUSR1, &action, NULL);
    signals_seen = 0;
}

static pid_t send_signal_later(int ms)
{
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        usleep((useconds_t)ms * 1000);
        kill(parent, SIGUSR1);
        _exit(0);
    }
    return pid;
}

static pid_t connect_later(const struct sockaddr_in *name, int ms)
{
    pid_t pid = fork();
    if (pid == 0) {
        usleep((useconds_t)ms * 1000);
        connect_to(tcp(), name);
        _exit(0);
    }
    return pid;
}

void group_signals(void)
{
    struct sockaddr_in name, from;
    socklen_t len = sizeof from;
    struct timeval tv = { 0, 100000 };
    char buf[10];
    int l = listener(&name), u = udp();
    handle(0);
    send_signal_later(100);
    say("accept %s", result(accept(l, NULL, NULL)));
    say("seen %d", signals_seen);
    send_signal_later(100);
    say("recvfrom %s", result(recvfrom(u, buf, 10, 0, (struct sockaddr *)&from, &len)));
    handle(SA_RESTART);
    send_signal_later(100);
    connect_later(&name, 300);
    say("accept goes on %s", accept(l, NULL, NULL) >= 0 ? "well" : strerrorname_np(errno));
    say("seen %d", signals_seen);
    setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    say("accept times out %s", result(accept(l, NULL, NULL)));
    while (wait(NULL) > 0)
        ;
    close(l);
    close(u);
}

static void pass(int channel, int fd)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof fd)];
    char byte = 0;
    struct iovec iov = { &byte, 1 };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
    };
    struct cmsghdr *c = (struct cmsghdr *)(void *)control;
    *c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof fd),
                           .cmsg_level = SOL_SOCKET,
                           .cmsg_type = SCM_RIGHTS };
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    must((int)sendmsg(channel, &msg, 0), "sendmsg");
}

static int take(int channel)
{
    int fd;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof fd)];
    char byte;
    struct iovec iov = { &byte, 1 };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
    };
    must((int)recvmsg(channel, &msg, 0), "recvmsg");
    memcpy(&fd, CMSG_DATA((struct cmsghdr *)(void *)control), sizeof fd);
    return fd;
}

static void *accept_one(void *arg)
{
    int fd = accept(*(int *)arg, NULL, NULL);
    close(fd);
    return (void *)(intptr_t)(fd >= 0);
}

static void threads(void)
{
    struct sockaddr_in name;
    pthread_t thread[3];
    int l = listener(&name), c[3];
    void *got;
    for (int i = 0; i < 3; i++)
        pthread_create(&thread[i], NULL, accept_one, &l);
    for (int i = 0; i < 3; i++)
        must(connect_to(c[i] = tcp(), &name), "connect");
    for (int i = 0; i < 3; i++) {
        pthread_join(thread[i], &got);
        say("thread %d", got != NULL);
        close(c[i]);
    }
    close(l);
}

void group_share(void)
{
    struct connection c = connection();
    struct sockaddr_in name, peer;
    socklen_t len = sizeof peer;
    char buf[20];
    int pair[2], status, d = dup(c.client), l = listener(&name);
    close(c.client);
    say("dup speaks %s", result(send(d, "dup", 3, 0)));
    say("heard %s", result(recv(c.server, buf, sizeof buf, 0)));
    say("dup named %s", result(getpeername(d, (struct sockaddr *)&peer, &len)));
    if (fork() == 0) {
        usleep(50000);
        (void)!send(d, "child", 5, 0);
        _exit(7);
    }
    close(d);
    say("child speaks %s", result(recv(c.server, buf, sizeof buf, 0)));
    say("and closes %s", result(recv(c.server, buf, sizeof buf, 0)));
    wait(&status);
    close(c.server);
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), "socketpair");
    if (fork() == 0) {
        int s = must(accept(l, NULL, NULL), "accept");
        pass(pair[1], s);
        _exit(0);
    }
    d = tcp();
    must(connect_to(d, &name), "connect");
    int s = take(pair[0]);
    wait(&status);
    say("passed on %s", result(send(s, "hello", 5, 0)));
    say("heard %s", result(recv(d, buf, sizeof buf, 0)));
    len = sizeof peer;
    say("named %s", result(getpeername(s, (struct sockaddr *)&peer, &len)));
    if (fork() == 0) {
        dup2(d, 1);
        execlp("echo", "echo", "exec", (char *)NULL);
        _exit(1);
    }
    wait(&status);
    say("exec speaks %s", result(recv(s, buf, sizeof buf, 0)));
    close(s);
    close(d);
    close(l);
    threads();
}

static const char *wait_one(int ep, int ms)
{
    struct epoll_event event;
    if (epoll_wait(ep, &event, 1, ms) != 1)
        return "nothing";
    return poll_text((short)(event.events & 0x3fff));
}

void group_epoll(void)
{
    struct sockaddr_in name;
    struct epoll_event event = { .events = EPOLLIN | EPOLLET };
    char buf[20];
    int ep = must(epoll_create1(0), "epoll"), l = listener(&name), c[2], s;
    fcntl(l, F_SETFL, O_NONBLOCK);
    must(epoll_ctl(ep, EPOLL_CTL_ADD, l, &event), "add");
    say("idle %s", wait_one(ep, 0));
    must(connect_to(c[0] = tcp(), &name), "connect");
    say("edge %s", wait_one(ep, 1000));
    say("no edge %s", wait_one(ep, 50));
    must(connect_to(c[1] = tcp(), &name), "connect");
    say("edge %s", wait_one(ep, 1000));
    s = must(accept(l, NULL, NULL), "accept");
    close(must(accept(l, NULL, NULL), "accept"));
    say("empty %s", result(accept(l, NULL, NULL)));
    event.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
    must(epoll_ctl(ep, EPOLL_CTL_ADD, s, &event), "add");
    must((int)send(c[0], "abc", 3, 0), "send");
    say("data %s", wait_one(ep, 1000));
    say("once %s", wait_one(ep, 50));
    must((int)send(c[0], "def", 3, 0), "send");
    say("more %s", wait_one(ep, 1000));
    shutdown(c[0], SHUT_WR);
    say("end %s", wait_one(ep, 1000));
    say("recv %s", result(recv(s, buf, sizeof buf, 0)));
    say("recv %s", result(recv(s, buf, sizeof buf, 0)));
    close(s);
    close(c[0]);
    close(c[1]);
    close(l);
    close(ep);
}

static void list_addresses(void)
{
    struct ifaddrs *all;
    char text[INET6_ADDRSTRLEN];
    say("getifaddrs %s", result(getifaddrs(&all)));
    for (struct ifaddrs *one = all; one != NULL; one = one->ifa_next) {
        unsigned flags = one->ifa_flags & (IFF_UP | IFF_LOOPBACK | IFF_RUNNING);
        int family = one->ifa_addr->sa_family;
        const void *at =
            family == AF_INET
                ? (const void *)&((struct sockaddr_in *)(void *)one->ifa_addr)->sin_addr
                : &((struct sockaddr_in6 *)(void *)one->ifa_addr)->sin6_addr;
        say("%s family %d flags %x netmask %d", one->ifa_name, family, flags,
            one->ifa_netmask != NULL);
        if (family == AF_INET || family == AF_INET6)
            say("address %s", inet_ntop(family, at, text, sizeof text));
    }
    freeifaddrs(all);
    say("lo is %u", if_nametoindex("lo"));
}

void group_ioctl(void)
{
    struct ifreq one[8], ifr;
    struct ifconf conf = { .ifc_len = sizeof one, .ifc_req = one };
    int fd = udp();
    say("interfaces %s", result(ioctl(fd, SIOCGIFCONF, &conf)));
    say("one %d: %.16s", conf.ifc_len == sizeof one[0], one[0].ifr_name);
    memset(&ifr, 0, sizeof ifr);
    memcpy(ifr.ifr_name, "lo", sizeof "lo");
    say("address %s", result(ioctl(fd, SIOCGIFADDR, &ifr)));
    say("is %x", ntohl(((struct sockaddr_in *)&ifr.ifr_addr)->sin_addr.s_addr));
    say("netmask %s", result(ioctl(fd, SIOCGIFNETMASK, &ifr)));
    say("is %x", ntohl(((struct sockaddr_in *)&ifr.ifr_addr)->sin_addr.s_addr));
    say("index %s", result(ioctl(fd, SIOCGIFINDEX, &ifr)));
    say("is %d", ifr.ifr_ifindex);
    say("flags %s", result(ioctl(fd, SIOCGIFFLAGS, &ifr)));
    say("are %x", (unsigned)ifr.ifr_flags & (IFF_UP | IFF_LOOPBACK | IFF_RUNNING));
    memcpy(ifr.ifr_name, "moon0", sizeof "moon0");
    say("unknown %s", result(ioctl(fd, SIOCGIFADDR, &ifr)));
    close(fd);
    list_addresses();
}
