/*
 * Group of sockcalls about the error queue (IP_RECVERR, IPV6_RECVERR, MSG_ERRQUEUE).
 */
#include "programs/sockcalls.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/ip.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Every control message, and what stands in that of the error. */
static void say_control(struct msghdr *msg)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
        struct sock_extended_err ee;
        struct sockaddr_storage who;
        memset(&who, 0, sizeof who);
        say("control %d %d length %zu", c->cmsg_level, c->cmsg_type, c->cmsg_len);
        if (c->cmsg_len < CMSG_LEN(sizeof ee))
            continue;
        memcpy(&ee, CMSG_DATA(c), sizeof ee);
        memcpy(&who, CMSG_DATA(c) + sizeof ee, c->cmsg_len - CMSG_LEN(sizeof ee));
        say("error %s origin %u type %u code %u info %u", strerrorname_np((int)ee.ee_errno),
            ee.ee_origin, ee.ee_type, ee.ee_code, ee.ee_info);
        if (who.ss_family == AF_INET)
            say("offender %x", ntohl(((struct sockaddr_in *)&who)->sin_addr.s_addr));
        else if (who.ss_family == AF_INET6)
            say("offender %d", ((struct sockaddr_in6 *)&who)->sin6_addr.s6_addr[15]);
        else
            say("no offender");
    }
}

static void say_queued(int fd, int flags)
{
    struct sockaddr_storage name;
    char buf[32], control[512];
    struct iovec iov = { buf, sizeof buf };
    struct msghdr msg = { .msg_name = &name,
                          .msg_namelen = sizeof name,
                          .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control,
                          .msg_controllen = sizeof control };
    memset(&name, 0, sizeof name);
    long n = recvmsg(fd, &msg, MSG_ERRQUEUE | flags);
    say("queued %s", result(n));
    if (n < 0)
        return;
    say("%.*s, flags %x, name %u %u", (int)n, buf, (unsigned)msg.msg_flags, msg.msg_namelen,
        ntohs(((struct sockaddr_in *)&name)->sin_port));
    say_control(&msg);
}

static void wait_for_error(int fd) { must(poll_for(fd, POLLIN, 2000) != 0 ? 0 : -1, "an error"); }

static void of_ipv4(void)
{
    struct sockaddr_in nobody = loopback(1), from;
    socklen_t len = sizeof from;
    char buf[8];
    int on = 1, off = 0, value = -1, fd = udp();
    socklen_t value_len = sizeof value;
    say("empty");
    say_queued(fd, 0);
    say("on %s", result(setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on)));
    must(getsockopt(fd, IPPROTO_IP, IP_RECVERR, &value, &value_len), "getsockopt");
    say("is %d", value);
    setsockopt(fd, IPPROTO_IP, IP_RECVTTL, &on, sizeof on);
    must((int)sendto(fd, "lost", 4, 0, (struct sockaddr *)&nobody, sizeof nobody), "sendto");
    wait_for_error(fd);
    say_queued(fd, 0);
    say("no more");
    say_queued(fd, 0);
    say("SO_ERROR %s", so_error_text(fd));
    say("idle %s", poll_text(poll_for(fd, POLLIN, 0)));

    must((int)sendto(fd, "again", 5, 0, (struct sockaddr *)&nobody, sizeof nobody), "sendto");
    wait_for_error(fd);
    say("next call %s",
        result(recvfrom(fd, buf, sizeof buf, MSG_DONTWAIT, (struct sockaddr *)&from, &len)));
    say("and then %s",
        result(recvfrom(fd, buf, sizeof buf, MSG_DONTWAIT, (struct sockaddr *)&from, &len)));
    say("by name %s %u",
        result(recvfrom(fd, buf, sizeof buf, MSG_ERRQUEUE, (struct sockaddr *)&from, &len)),
        ntohs(from.sin_port));
    say("off %s", result(setsockopt(fd, IPPROTO_IP, IP_RECVERR, &off, sizeof off)));
    must((int)sendto(fd, "quiet", 5, 0, (struct sockaddr *)&nobody, sizeof nobody), "sendto");
    say("silence %s", poll_text(poll_for(fd, POLLIN, 50)));
    close(fd);
}

static void too_long(void)
{
    static char data[65507];
    struct sockaddr_in to = loopback(1);
    int on = 1, always = IP_PMTUDISC_DO, fd = udp();
    setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on);
    setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &always, sizeof always);
    /* The loopback takes the longest datagram there is: all goes well, and nobody is there. */
    say("longest %s", result(sendto(fd, data, sizeof data, 0, (struct sockaddr *)&to, sizeof to)));
    close(fd);
}

static void of_ipv6(void)
{
    struct sockaddr_in6 nobody = { .sin6_family = AF_INET6,
                                   .sin6_port = htons(1),
                                   .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    int on = 1, fd = must(socket(AF_INET6, SOCK_DGRAM, 0), "socket");
    say("on %s", result(setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on)));
    setsockopt(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof on);
    must((int)sendto(fd, "lost", 4, 0, (struct sockaddr *)&nobody, sizeof nobody), "sendto");
    wait_for_error(fd);
    say_queued(fd, 0);
    say_queued(fd, 0);
    close(fd);
}

void group_errors(void)
{
    of_ipv4();
    too_long();
    of_ipv6();
}
