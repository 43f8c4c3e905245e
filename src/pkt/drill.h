/*
 * naru-packetdrill.so: naru behind the interface by which packetdrill drives a stack.
 *
 * One stack with one bare-IP interface, in virtual time.  Time moves when the driver asks for it
 * (each question is a microsecond), sleeps, or waits for a packet; on the way the stack does all
 * that is due, and what it sends is kept with the time at which it came.  A call that blocks on the
 * thread that made the interface lets time pass; on any other thread it really sleeps, until the
 * first thread has done it on its behalf, so that the order of things does not depend on the
 * scheduler.
 *
 * File descriptors are the kernel's own numbers (an eventfd each), because the driver closes what a
 * script leaves open by close(2).  close and getsockopt are defined, so that the library can be
 * preloaded, too: they take naru's descriptors, and hand all others to the kernel.
 *
 * For tests alone; the one place of naru with global state.
 *
 * Not done: splice (ENOSYS), ancillary data but for the error queue of a stream and TCP_INQ, a
 * TCP_FASTOPEN_KEY of one socket.
 */
#ifndef NARU_PKT_DRILL_H
#define NARU_PKT_DRILL_H

#include "base/defs.h"
#include "pkt/notice.h"

#include <naru/naru.h>

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>

enum { DRILL_FDS = 64, DRILL_WATCHES = 16, DRILL_PACKET_MAX = 65535, DRILL_PATIENCE_S = 300 };

struct drill_packet {
    struct drill_packet *next;
    naru_time at;
    size_t len;
    uint8_t bytes[];
};

struct drill_watch {
    int fd;
    uint32_t events, edges;
    epoll_data_t data;
};

struct drill_fd {
    int number; /* the kernel's; -1: free */
    struct naru_sock *sock;
    bool epoll, nonblock, connecting, v6, dgram, listener;
    unsigned watch_count;
    struct drill_watch watch[DRILL_WATCHES];
    int64_t buffer_told[2];
    bool inq; /* TCP_INQ */
    struct naru_notices notices;
};

/* A call: what it returns, or -1 and errno; false: it would block. */
typedef bool (*drill_try)(void *call, int64_t *result);

struct drill_waiter {
    drill_try attempt;
    void *call;
    bool done;
    int64_t result;
    int error;
    naru_time at; /* when it was done */
};

struct drill {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t first; /* the thread that made the interface */
    bool ready;      /* init was called */
    bool freebsd;
    struct naru_config config;
    struct naru_addr local[2];
    bool has_local[2];
    uint32_t mtu;
    char sysctl[128];
    struct naru_stack *stack;
    unsigned ifindex;
    naru_time now;
    struct drill_packet *sent, **sent_end;
    struct drill_fd fd[DRILL_FDS];
    struct drill_waiter *waiter; /* of the other thread; NULL */
    bool told_later;             /* its next question for the time is answered by told_at */
    naru_time told_at;
};

extern struct drill drill;

/* ---- Time (drill_time.c); all with the lock held ---- */

void drill_lock(void);
void drill_unlock(void);
bool drill_need_stack(void);
/* The stack lives until then. */
void drill_run(naru_time until);
/* What it has to say now: packets, events, the call of the other thread. */
void drill_settle(void);
/* Tries until the call is done, as the thread may; result or -1 with errno. */
int64_t drill_call(drill_try attempt, void *call, bool may_block);

int drill_netdev_send(void *user, const void *bytes, size_t len);
int drill_netdev_receive(void *user, void *bytes, size_t *len, long long *time_us);
int drill_usleep(void *user, useconds_t us);
int drill_gettimeofday(void *user, struct timeval *tv, struct timezone *tz);

/* ---- Descriptors (drill_sock.c) ---- */

struct drill_fd *drill_find(int fd);
/* With a new number; NULL and errno. */
struct drill_fd *drill_fd_new(void);
/* NARU_OK and counts, or -1 and errno. */
int64_t drill_result(int64_t naru_result);
int drill_fail(int error);
void drill_addr_out(const struct naru_endpoint *from, bool v6, struct sockaddr *to, socklen_t *len);
bool drill_addr_in(const struct sockaddr *from, socklen_t len, struct naru_endpoint *to);
void drill_close_all(void);

int drill_socket(void *user, int domain, int type, int proto);
int drill_bind(void *user, int fd, const struct sockaddr *addr, socklen_t len);
int drill_listen(void *user, int fd, int backlog);
int drill_accept(void *user, int fd, struct sockaddr *addr, socklen_t *len);
int drill_connect(void *user, int fd, const struct sockaddr *addr, socklen_t len);
int drill_close(void *user, int fd);
int drill_shutdown(void *user, int fd, int how);
int drill_fcntl(void *user, int fd, int command, ...);
int drill_ioctl(void *user, int fd, unsigned long request, ...);
int drill_pipe(void *user, int ends[2]);
int drill_splice(void *user, int in, loff_t *in_at, int out, loff_t *out_at, size_t len,
                 unsigned flags);

/* ---- Beside data (drill_control.c) ---- */

/* Options of it; false: another one. */
bool drill_control_set(struct drill_fd *f, int level, int name, int value, int *result);
bool drill_control_get(const struct drill_fd *f, int level, int name, int *value);
/* recvmsg from the error queue; and what stands beside data that were received. */
ssize_t drill_control_errqueue(struct drill_fd *f, struct msghdr *msg);
void drill_control_recv(struct drill_fd *f, struct msghdr *msg);

/* ---- Data (drill_data.c) ---- */

ssize_t drill_read(void *user, int fd, void *buf, size_t len);
ssize_t drill_readv(void *user, int fd, const struct iovec *iov, int count);
ssize_t drill_recv(void *user, int fd, void *buf, size_t len, int flags);
ssize_t drill_recvfrom(void *user, int fd, void *buf, size_t len, int flags, struct sockaddr *addr,
                       socklen_t *addr_len);
ssize_t drill_recvmsg(void *user, int fd, struct msghdr *msg, int flags);
ssize_t drill_write(void *user, int fd, const void *buf, size_t len);
ssize_t drill_writev(void *user, int fd, const struct iovec *iov, int count);
ssize_t drill_send(void *user, int fd, const void *buf, size_t len, int flags);
ssize_t drill_sendto(void *user, int fd, const void *buf, size_t len, int flags,
                     const struct sockaddr *addr, socklen_t addr_len);
ssize_t drill_sendmsg(void *user, int fd, const struct msghdr *msg, int flags);

/* ---- Options (drill_option.c), readiness (drill_poll.c) ---- */

int drill_getsockopt(void *user, int fd, int level, int name, void *value, socklen_t *len);
int drill_setsockopt(void *user, int fd, int level, int name, const void *value, socklen_t len);
int drill_poll(void *user, struct pollfd *fds, nfds_t count, int timeout_ms);
int drill_epoll_create(void *user, int size);
int drill_epoll_ctl(void *user, int ep, int op, int fd, struct epoll_event *event);
int drill_epoll_wait(void *user, int ep, struct epoll_event *events, int max, int timeout_ms);
/* Something happened on that socket. */
void drill_edge(const struct naru_sock *sock, unsigned changed);

#endif
