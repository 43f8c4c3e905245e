/*
 * Groups of sockcalls about datagrams, and the control messages that come with them.
 */
#include "programs/sockcalls.h"

#include <errno.h>
#include <netinet/ip.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static long send_to(int fd, const char *text, size_t len, const struct sockaddr_in *to)
{
    return sendto(fd, text, len, 0, (const struct sockaddr *)to, sizeof *to);
}

static void unconnected(void)
{
    struct sockaddr_in a_name, from, zero = loopback(0);
    socklen_t len = sizeof from;
    char buf[100] = "";
    int a = udp(), b = udp();
    a_name = name_of(a);
    say("port 0 %s", result(send_to(b, "x", 1, &zero)));
    say("short %s", result(sendto(b, "x", 1, 0, (struct sockaddr *)&a_name, 5)));
    say("send %s", result(send_to(b, "one", 3, &a_name)));
    say("empty %s", result(send_to(b, "", 0, &a_name)));
    say("send %s", result(send_to(b, "a longer one", 12, &a_name)));
    say("readable %s", poll_text(poll_for(a, POLLIN, 1000)));
    say("recv %s %d", result(recvfrom(a, buf, sizeof buf, 0, (struct sockaddr *)&from, &len)),
        from.sin_port == name_of(b).sin_port);
    say("name %u %x", len, ntohl(from.sin_addr.s_addr));
    say("recv empty %s", result(recvfrom(a, buf, sizeof buf, 0, (struct sockaddr *)&from, &len)));
    say("peek %s", result(recvfrom(a, buf, 4, MSG_PEEK, (struct sockaddr *)&from, &len)));
    say("peek trunc %s",
        result(recvfrom(a, buf, 4, MSG_PEEK | MSG_TRUNC, (struct sockaddr *)&from, &len)));
    say("cut %s %.4s", result(recvfrom(a, buf, 4, 0, (struct sockaddr *)&from, &len)), buf);
    say("the rest is gone %s",
        result(recvfrom(a, buf, 4, MSG_DONTWAIT, (struct sockaddr *)&from, &len)));
    say("idle %s", poll_text(poll_for(a, POLLIN | POLLOUT, 0)));
    close(a);
    close(b);
}

static void connected(void)
{
    struct sockaddr_in a_name, b_name, nobody = loopback(1), from;
    struct sockaddr unspec = { .sa_family = AF_UNSPEC };
    socklen_t len = sizeof from;
    char buf[100] = "";
    int a = udp(), b = udp(), c = udp();
    a_name = name_of(a);
    b_name = name_of(b);
    say("connect %s", result(connect_to(a, &b_name)));
    say("peer %s", result(getpeername(a, (struct sockaddr *)&from, &len)));
    say("stranger %s", result(send_to(c, "stranger", 8, &a_name)));
    say("not heard %s", poll_text(poll_for(a, POLLIN, 50)));
    say("peer %s", result(send_to(b, "peer", 4, &a_name)));
    say("heard %s", poll_text(poll_for(a, POLLIN, 1000)));
    say("recv %s %.4s", result(recv(a, buf, sizeof buf, 0)), buf);
    say("send %s", result(send(a, "native", 6, 0)));
    say("write %s", result(write(a, "bytes", 5)));
    say("got %s", result(recv(b, buf, sizeof buf, 0)));
    say("got %s", result(recv(b, buf, sizeof buf, 0)));
    a_name = name_of(c);
    say("elsewhere %s", result(send_to(a, "other", 5, &a_name)));
    say("got %s", result(recv(c, buf, sizeof buf, 0)));
    say("unconnect %s", result(connect(a, &unspec, sizeof unspec)));
    say("no peer %s", result(getpeername(a, (struct sockaddr *)&from, &len)));
    say("connect nobody %s", result(connect_to(a, &nobody)));
    say("send %s", result(send(a, "x", 1, 0)));
    poll_for(a, POLLIN, 300);
    say("refused %s", result(recvfrom(a, buf, 10, MSG_DONTWAIT, (struct sockaddr *)&from, &len)));
    say("then %s", result(recvfrom(a, buf, 10, MSG_DONTWAIT, (struct sockaddr *)&from, &len)));
    close(a);
    close(b);
    close(c);
}

static void large(void)
{
    static char big[70000], back[70000];
    struct sockaddr_in name, from;
    socklen_t len = sizeof from;
    int a = udp(), b = udp();
    name = name_of(a);
    memset(big, 'b', sizeof big);
    say("largest %s", result(send_to(b, big, 65507, &name)));
    say("too large %s", result(send_to(b, big, 65508, &name)));
    say("got %s", result(recvfrom(a, back, sizeof back, 0, (struct sockaddr *)&from, &len)));
    say("same %d", memcmp(big, back, 65507) == 0);
    close(a);
    close(b);
}

static void timeouts(void)
{
    struct timeval tv = { 0, 50000 };
    char buf[10];
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    int a = udp();
    say("timeout %s", result(setsockopt(a, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv)));
    say("recv %s", result(recv(a, buf, sizeof buf, 0)));
    say("recvfrom %s", result(recvfrom(a, buf, sizeof buf, 0, (struct sockaddr *)&from, &len)));
    close(a);
}

void group_dgram(void)
{
    unconnected();
    connected();
    large();
    timeouts();
}

static void packet_info(void)
{
    struct sockaddr_in name, from;
    char buf[20], control[200];
    int on = 1, a = udp(), b = udp();
    struct iovec iov = { buf, sizeof buf };
    struct msghdr msg = { .msg_name = &from,
                          .msg_namelen = sizeof from,
                          .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control,
                          .msg_controllen = sizeof control };
    name = name_of(a);
    setsockopt(a, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    setsockopt(a, IPPROTO_IP, IP_RECVTTL, &on, sizeof on);
    setsockopt(a, IPPROTO_IP, IP_RECVTOS, &on, sizeof on);
    must((int)send_to(b, "info", 4, &name), "sendto");
    say("recvmsg %s flags %x", result(recvmsg(a, &msg, 0)), (unsigned)msg.msg_flags);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c != NULL; c = CMSG_NXTHDR(&msg, c)) {
        struct in_pktinfo info;
        memcpy(&info, CMSG_DATA(c), c->cmsg_type == IP_PKTINFO ? sizeof info : 1);
        say("control %d %d length %zu", c->cmsg_level, c->cmsg_type, c->cmsg_len);
        if (c->cmsg_type == IP_PKTINFO)
            say("interface %d, %x, %x", info.ipi_ifindex, ntohl(info.ipi_spec_dst.s_addr),
                ntohl(info.ipi_addr.s_addr));
    }
    must((int)send_to(b, "a long datagram that is cut", 27, &name), "sendto");
    msg.msg_controllen = 8;
    msg.msg_namelen = 4;
    say("cut %s flags %x", result(recvmsg(a, &msg, 0)), (unsigned)msg.msg_flags);
    say("name %u", msg.msg_namelen);
    close(a);
    close(b);
}

static void many(void)
{
    struct sockaddr_in name;
    char text[4][8] = { "one", "two", "three", "four" }, buf[4][8];
    struct iovec out[4], in[4];
    struct mmsghdr send[4], recv[4];
    int a = udp(), b = udp();
    name = name_of(a);
    memset(send, 0, sizeof send);
    memset(recv, 0, sizeof recv);
    for (int i = 0; i < 4; i++) {
        out[i] = (struct iovec){ text[i], strlen(text[i]) };
        in[i] = (struct iovec){ buf[i], sizeof buf[i] };
        send[i].msg_hdr = (struct msghdr){
            .msg_name = &name, .msg_namelen = sizeof name, .msg_iov = &out[i], .msg_iovlen = 1
        };
        recv[i].msg_hdr = (struct msghdr){ .msg_iov = &in[i], .msg_iovlen = 1 };
    }
    say("sendmmsg %s", result(sendmmsg(b, send, 4, 0)));
    say("lengths %u %u %u %u", send[0].msg_len, send[1].msg_len, send[2].msg_len, send[3].msg_len);
    poll_for(a, POLLIN, 1000);
    usleep(20000);
    say("recvmmsg %s", result(recvmmsg(a, recv, 4, MSG_WAITFORONE, NULL)));
    say("lengths %u %u %u %u", recv[0].msg_len, recv[1].msg_len, recv[2].msg_len, recv[3].msg_len);
    say("again %s", result(recvmmsg(a, recv, 4, MSG_DONTWAIT, NULL)));
    close(a);
    close(b);
}

void group_control(void)
{
    packet_info();
    many();
}
