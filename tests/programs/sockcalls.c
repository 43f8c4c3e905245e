/*
 * Corner cases of the socket calls, one line per answer.
 *
 * The same binary runs on the kernel's own stack, in an empty network namespace, and under
 * `naru run --net none`; the two outputs must be equal line by line (sockcalls.py compares them).
 * So no case may print what is different from run to run: ports, times, sizes of buffers.
 *
 * Usage: sockcalls [GROUP...]
 */
#include "programs/sockcalls.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *group_name;

void say(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    printf("%s: ", group_name);
    vprintf(format, list);
    putchar('\n');
    va_end(list);
    fflush(stdout);
}

const char *result(long value)
{
    static char text[4][32];
    static unsigned turn;
    char *at = text[turn++ % 4];
    if (value < 0)
        return strerrorname_np(errno);
    snprintf(at, sizeof text[0], "%ld", value);
    return at;
}

int must(int value, const char *what)
{
    if (value < 0) {
        say("%s failed: %s", what, strerrorname_np(errno));
        exit(1);
    }
    return value;
}

struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

struct sockaddr_in name_of(int fd)
{
    struct sockaddr_in name;
    socklen_t len = sizeof name;
    must(getsockname(fd, (struct sockaddr *)&name, &len), "getsockname");
    return name;
}

int bind_to(int fd, const struct sockaddr_in *name)
{
    return bind(fd, (const struct sockaddr *)name, sizeof *name);
}

int connect_to(int fd, const struct sockaddr_in *name)
{
    return connect(fd, (const struct sockaddr *)name, sizeof *name);
}

int tcp(void) { return must(socket(AF_INET, SOCK_STREAM, 0), "socket"); }

int udp(void)
{
    struct sockaddr_in any = loopback(0);
    int fd = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");
    must(bind_to(fd, &any), "bind");
    return fd;
}

int listener(struct sockaddr_in *name)
{
    int fd = tcp();
    *name = loopback(0);
    must(bind_to(fd, name), "bind");
    must(listen(fd, 16), "listen");
    *name = name_of(fd);
    return fd;
}

struct connection connection(void)
{
    struct sockaddr_in name;
    struct connection c;
    int l = listener(&name);
    c.client = tcp();
    must(connect_to(c.client, &name), "connect");
    c.server = must(accept(l, NULL, NULL), "accept");
    close(l);
    return c;
}

void close_both(struct connection *c)
{
    close(c->client);
    close(c->server);
}

short poll_for(int fd, short events, int ms)
{
    struct pollfd p = { .fd = fd, .events = events };
    return poll(&p, 1, ms) > 0 ? p.revents : 0;
}

const char *poll_text(short events)
{
    static char text[80];
    static const struct {
        short bit;
        const char *name;
    } names[] = { { POLLIN, "IN" },       { POLLPRI, "PRI" }, { POLLOUT, "OUT" },
                  { POLLRDHUP, "RDHUP" }, { POLLERR, "ERR" }, { POLLHUP, "HUP" } };
    text[0] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if ((events & names[i].bit) != 0)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s ", names[i].name);
    return text;
}

int so_error(int fd)
{
    int error = -1;
    socklen_t len = sizeof error;
    must(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len), "SO_ERROR");
    return error;
}

const char *so_error_text(int fd)
{
    int error = so_error(fd);
    return error == 0 ? "0" : strerrorname_np(error);
}

static const struct {
    const char *name;
    void (*run)(void);
} groups[] = {
    { "names", group_names },   { "listen", group_listen },   { "connect", group_connect },
    { "stream", group_stream }, { "close", group_close },     { "urgent", group_urgent },
    { "dgram", group_dgram },   { "control", group_control }, { "options", group_options },
    { "v6", group_v6 },         { "signals", group_signals }, { "share", group_share },
    { "epoll", group_epoll },   { "ioctl", group_ioctl },     { "errors", group_errors },
    { "pause", group_pause },   { "netlink", group_netlink }, { "groups", group_groups },
};

int main(int argc, char **argv)
{
    alarm(60);
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        bool wanted = argc < 2;
        for (int n = 1; n < argc; n++)
            wanted = wanted || strcmp(argv[n], groups[i].name) == 0;
        group_name = groups[i].name;
        if (wanted)
            groups[i].run();
    }
    return 0;
}
