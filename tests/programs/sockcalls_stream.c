/*
 * Groups of sockcalls about streams: names, listeners, connecting, data, closing, urgent data.
 */
#include "programs/sockcalls.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

void group_names(void)
{
    struct sockaddr_in name = loopback(0), other;
    struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    struct sockaddr *any = (struct sockaddr *)&name;
    socklen_t len = sizeof other;
    int a = tcp(), b = tcp();
    say("unbound %x:%d", ntohl(name_of(a).sin_addr.s_addr), ntohs(name_of(a).sin_port));
    say("no peer %s", result(getpeername(a, (struct sockaddr *)&other, &len)));
    say("nothing to read %s", result(recv(a, &len, 1, 0)));
    say("nor to look at %s", result(recv(a, &len, 1, MSG_PEEK | MSG_DONTWAIT)));
    len = sizeof other;
    say("short %s", result(bind(a, any, 3)));
    say("short by one %s", result(bind(a, any, sizeof name - 1)));
    say("other family %s", result(bind(a, (struct sockaddr *)&six, sizeof six)));
    say("NULL %s", result(bind(a, NULL, sizeof name)));
    name.sin_addr.s_addr = htonl(0x08080808);
    say("not ours %s", result(bind(a, any, sizeof name)));
    name = loopback(0);
    say("bind %s", result(bind(a, any, sizeof name)));
    say("bound %x %d", ntohl(name_of(a).sin_addr.s_addr), name_of(a).sin_port != 0);
    say("again %s", result(bind(a, any, sizeof name)));
    name = name_of(a);
    say("in use %s", result(bind(b, any, sizeof name)));
    len = 6;
    memset(&other, 0xee, sizeof other);
    say("cut %s", result(getsockname(a, (struct sockaddr *)&other, &len)));
    say("told %u, kept %x", len, ((unsigned char *)&other)[6]);
    len = (socklen_t)-1;
    say("negative %s", result(getsockname(a, (struct sockaddr *)&other, &len)));
    say("closed %s", result(bind(999, any, sizeof name)));
    say("not a socket %s", result(bind(0, any, sizeof name)));
    close(a);
    close(b);
    a = socket(AF_INET, SOCK_STREAM, IPPROTO_UDP);
    say("wrong protocol %s", result(a));
    say("wrong type %s", result(socket(AF_INET, 77, 0)));
    say("packet %s", result(socket(AF_INET, SOCK_SEQPACKET, 0)));
}

void group_listen(void)
{
    struct sockaddr_in name, peer;
    socklen_t len = sizeof peer;
    int l = tcp(), u = udp(), c, s;
    say("accept before listen %s", result(accept(l, NULL, NULL)));
    say("datagram listen %s", result(listen(u, 1)));
    say("datagram accept %s", result(accept(u, NULL, NULL)));
    say("listen unbound %s", result(listen(l, 1)));
    say("has a port %d", name_of(l).sin_port != 0);
    close(l);
    l = listener(&name);
    say("listen again %s", result(listen(l, 8)));
    fcntl(l, F_SETFL, O_NONBLOCK);
    say("nobody %s", result(accept(l, NULL, NULL)));
    say("idle %s", poll_text(poll_for(l, POLLIN, 0)));
    c = tcp();
    must(connect_to(c, &name), "connect");
    say("ready %s", poll_text(poll_for(l, POLLIN, 1000)));
    say("bad flags %s", result(accept4(l, NULL, NULL, 0x1234)));
    s = must(accept4(l, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC), "accept4");
    say("flags %d %d", (fcntl(s, F_GETFL) & O_NONBLOCK) != 0, fcntl(s, F_GETFD));
    say("peer %d %u", peer.sin_port == name_of(c).sin_port, len);
    say("local %d", name_of(s).sin_port == name.sin_port);
    say("eaten %s", poll_text(poll_for(l, POLLIN, 0)));
    close(c);
    close(s);
    c = tcp();
    must(connect_to(c, &name), "connect");
    poll_for(l, POLLIN, 1000);
    s = must(accept(l, NULL, NULL), "accept");
    say("not inherited %d %d", (fcntl(s, F_GETFL) & O_NONBLOCK) != 0, fcntl(s, F_GETFD));
    say("connect a listener %s", result(connect_to(l, &name)));
    close(c);
    close(s);
    close(l);
    say("refused after close %s", result(connect_to(c = tcp(), &name)));
    close(c);
    close(u);
}

void group_connect(void)
{
    struct sockaddr_in name, nobody = loopback(1), peer;
    struct sockaddr unspec = { .sa_family = AF_UNSPEC };
    struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    socklen_t len = sizeof peer;
    int l = listener(&name), c = tcp(), s;
    say("short %s", result(connect(c, (struct sockaddr *)&name, 1)));
    say("other family %s", result(connect(c, (struct sockaddr *)&six, sizeof six)));
    say("refused %s", result(connect_to(c, &nobody)));
    say("error told %s", so_error_text(c));
    say("again %s", result(connect_to(c, &name)));
    say("and again %s", result(connect_to(c, &name)));
    say("peer %s %d", result(getpeername(c, (struct sockaddr *)&peer, &len)),
        peer.sin_port == name.sin_port);
    s = must(accept(l, NULL, NULL), "accept");
    close(c);
    close(s);
    c = must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");
    say("non-blocking %s", result(connect_to(c, &name)));
    say("writable %s", poll_text(poll_for(c, POLLOUT, 1000)));
    say("error %s", so_error_text(c));
    say("told %s", result(connect_to(c, &name)));
    say("told twice %s", result(connect_to(c, &name)));
    s = must(accept(l, NULL, NULL), "accept");
    close(c);
    close(s);
    c = must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");
    say("non-blocking %s", result(connect_to(c, &nobody)));
    say("refused %s", poll_text(poll_for(c, POLLOUT | POLLIN, 1000) & ~POLLIN & ~POLLRDHUP));
    say("error %s", so_error_text(c));
    say("error once %s", so_error_text(c));
    say("no peer %s", result(getpeername(c, (struct sockaddr *)&peer, &len)));
    close(c);
    c = tcp();
    say("unspec %s", result(connect(c, &unspec, sizeof unspec)));
    name.sin_addr.s_addr = htonl(INADDR_ANY);
    say("to any %s", result(connect_to(c, &name)));
    len = sizeof peer;
    getpeername(c, (struct sockaddr *)&peer, &len);
    say("is the loopback %x", ntohl(peer.sin_addr.s_addr));
    close(c);
    close(l);
}

void group_stream(void)
{
    struct connection c = connection();
    char buf[100];
    int unread = -1;
    say("send %s", result(send(c.client, "hello world", 11, 0)));
    say("ready %s", poll_text(poll_for(c.server, POLLIN, 1000)));
    say("peek %s", result(recv(c.server, buf, 5, MSG_PEEK)));
    usleep(20000);
    ioctl(c.server, FIONREAD, &unread);
    say("unread %d", unread);
    say("recv %s %.5s", result(recv(c.server, buf, 5, 0)), buf);
    say("recv %s", result(recv(c.server, buf, sizeof buf, 0)));
    say("none %s", result(recv(c.server, buf, sizeof buf, MSG_DONTWAIT)));
    must((int)send(c.client, "abc", 3, 0), "send");
    must((int)send(c.client, "def", 3, 0), "send");
    say("all %s", result(recv(c.server, buf, 6, MSG_WAITALL)));
    say("to with address %s", result(sendto(c.client, "x", 1, 0, (struct sockaddr *)&c, 16)));
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    say("from %s", result(recvfrom(c.server, buf, 10, 0, (struct sockaddr *)&from, &len)));
    struct iovec iov[2] = { { buf, 2 }, { buf + 2, 20 } };
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
    must((int)send(c.server, "message", 7, 0), "send");
    say("recvmsg %s flags %x", result(recvmsg(c.client, &msg, 0)), (unsigned)msg.msg_flags);
    iov[1].iov_len = 5;
    say("sendmsg %s", result(sendmsg(c.client, &msg, 0)));
    say("readv %s", result(recv(c.server, buf, sizeof buf, 0)));
    say("shutdown %s", result(shutdown(c.client, SHUT_WR)));
    say("end %s", poll_text(poll_for(c.server, POLLIN | POLLRDHUP, 1000)));
    say("recv %s", result(recv(c.server, buf, sizeof buf, 0)));
    say("send after %s", result(send(c.client, "x", 1, MSG_NOSIGNAL)));
    say("other way %s", result(send(c.server, "back", 4, 0)));
    say("recv %s", result(recv(c.client, buf, sizeof buf, 0)));
    close_both(&c);
}

static void unread_data_resets(void)
{
    struct connection c = connection();
    char buf[10];
    must((int)send(c.client, "unread", 6, 0), "send");
    poll_for(c.server, POLLIN, 1000);
    close(c.server);
    say("unread data: %s", poll_text(poll_for(c.client, POLLIN, 1000) & (POLLERR | POLLHUP)));
    say("recv %s", result(recv(c.client, buf, sizeof buf, 0)));
    say("then %s", result(recv(c.client, buf, sizeof buf, 0)));
    say("send %s", result(send(c.client, "x", 1, MSG_NOSIGNAL)));
    close(c.client);
}

static void linger_resets(void)
{
    struct linger linger = { 1, 0 };
    struct connection c = connection();
    char buf[10];
    must((int)send(c.client, "first", 5, 0), "send");
    poll_for(c.server, POLLIN, 1000);
    setsockopt(c.client, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(c.client);
    usleep(50000);
    say("linger 0: SO_ERROR %s", so_error_text(c.server));
    (void)!recv(c.server, buf, sizeof buf, 0);
    close(c.server);
}

/* What is closed is closed before the next call, so that its port is free. */
static void port_is_free_again(int type)
{
    struct sockaddr_in name = loopback(0);
    int taken = 0, fd = must(socket(AF_INET, type, 0), "socket");
    must(bind_to(fd, &name), "bind");
    name = name_of(fd);
    for (int i = 0; i < 100; i++) {
        if (type == SOCK_STREAM)
            must(listen(fd, 1), "listen");
        int next = must(socket(AF_INET, type, 0), "socket");
        close(fd);
        taken += bind_to(next, &name) < 0;
        fd = next;
    }
    close(fd);
    say("port taken after close: %d times", taken);
}

void group_close(void)
{
    struct sockaddr_in peer;
    socklen_t len = sizeof peer;
    struct connection c = connection();
    char buf[10];
    signal(SIGPIPE, SIG_IGN);
    close(c.server);
    say("closed %s", poll_text(poll_for(c.client, POLLIN | POLLRDHUP, 1000)));
    say("recv %s", result(recv(c.client, buf, sizeof buf, 0)));
    say("send once %s", result(send(c.client, "x", 1, 0)));
    usleep(50000);
    say("send twice %s", result(send(c.client, "x", 1, 0)));
    close(c.client);
    unread_data_resets();
    linger_resets();
    port_is_free_again(SOCK_STREAM);
    port_is_free_again(SOCK_DGRAM);
    c = connection();
    say("shutdown both %s", result(shutdown(c.client, SHUT_RDWR)));
    say("server sees %s", poll_text(poll_for(c.server, POLLIN | POLLRDHUP, 1000)));
    say("own end %s", result(recv(c.client, buf, sizeof buf, 0)));
    say("still named %s", result(getpeername(c.client, (struct sockaddr *)&peer, &len)));
    close_both(&c);
    int fd = tcp();
    say("shutdown unknown how %s", result(shutdown(fd, 9)));
    close(fd);
}

void group_urgent(void)
{
    struct connection c = connection();
    char buf[20] = "";
    int mark = -1, on = 1;
    must((int)send(c.client, "abc", 3, 0), "send");
    must((int)send(c.client, "!", 1, MSG_OOB), "send");
    must((int)send(c.client, "def", 3, 0), "send");
    say("urgent %s", poll_text(poll_for(c.server, POLLPRI, 1000)));
    usleep(50000);
    ioctl(c.server, SIOCATMARK, &mark);
    say("mark %d", mark);
    say("to the mark %s", result(recv(c.server, buf, sizeof buf, 0)));
    ioctl(c.server, SIOCATMARK, &mark);
    say("mark %d", mark);
    say("the byte %s %.1s", result(recv(c.server, buf, 1, MSG_OOB)), buf);
    say("the byte twice %s", result(recv(c.server, buf, 1, MSG_OOB)));
    say("beyond %s %.3s", result(recv(c.server, buf, sizeof buf, 0)), buf);
    setsockopt(c.server, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);
    must((int)send(c.client, "gh", 2, 0), "send");
    must((int)send(c.client, "?", 1, MSG_OOB), "send");
    poll_for(c.server, POLLPRI, 1000);
    usleep(50000);
    say("inline %s", result(recv(c.server, buf, sizeof buf, 0)));
    say("inline %s %.1s", result(recv(c.server, buf, sizeof buf, 0)), buf);
    close_both(&c);
}
