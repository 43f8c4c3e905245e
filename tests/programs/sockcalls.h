/*
 * What the groups of sockcalls share.
 */
#ifndef NARU_TESTS_SOCKCALLS_H
#define NARU_TESTS_SOCKCALLS_H

#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>

/* One line of output. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "5", or the name of errno for a negative value. */
const char *result(long value);
/* Ends the program if value is negative: for what is not the case's point. */
int must(int value, const char *what);

struct sockaddr_in loopback(int port);
struct sockaddr_in name_of(int fd);
int bind_to(int fd, const struct sockaddr_in *name);
int connect_to(int fd, const struct sockaddr_in *name);
int tcp(void);
int udp(void); /* bound to the loopback */
int listener(struct sockaddr_in *name);

struct connection {
    int client, server;
};
struct connection connection(void);
void close_both(struct connection *c);

short poll_for(int fd, short events, int ms);
const char *poll_text(short events);
int so_error(int fd);
const char *so_error_text(int fd);

void group_names(void); /* sockcalls_stream.c */
void group_listen(void);
void group_connect(void);
void group_stream(void);
void group_close(void);
void group_urgent(void);
void group_dgram(void); /* sockcalls_dgram.c */
void group_control(void);
void group_errors(void); /* sockcalls_errors.c */
void group_pause(void);  /* sockcalls_rare.c */
void group_netlink(void);
void group_groups(void);
void group_options(void); /* sockcalls_more.c */
void group_v6(void);
void group_signals(void);
void group_share(void);
void group_epoll(void);
void group_ioctl(void);

#endif
