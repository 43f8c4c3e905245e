/*
 * naru-packetdrill.so: the table of functions, the flags, and what is preloaded; see drill.h.
 */
#include "pkt/drill.h"

#include "base/addr.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct drill drill = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/* packetdrill's table, slot by slot; every function gets userdata first. */
struct table {
    void *userdata;
    void (*free)(void *);
    int (*socket)(void *, int, int, int);
    int (*bind)(void *, int, const struct sockaddr *, socklen_t);
    int (*listen)(void *, int, int);
    int (*accept)(void *, int, struct sockaddr *, socklen_t *);
    int (*connect)(void *, int, const struct sockaddr *, socklen_t);
    ssize_t (*read)(void *, int, void *, size_t);
    ssize_t (*readv)(void *, int, const struct iovec *, int);
    ssize_t (*recv)(void *, int, void *, size_t, int);
    ssize_t (*recvfrom)(void *, int, void *, size_t, int, struct sockaddr *, socklen_t *);
    ssize_t (*recvmsg)(void *, int, struct msghdr *, int);
    ssize_t (*write)(void *, int, const void *, size_t);
    ssize_t (*writev)(void *, int, const struct iovec *, int);
    ssize_t (*send)(void *, int, const void *, size_t, int);
    ssize_t (*sendto)(void *, int, const void *, size_t, int, const struct sockaddr *, socklen_t);
    ssize_t (*sendmsg)(void *, int, const struct msghdr *, int);
    int (*fcntl)(void *, int, int, ...);
    int (*ioctl)(void *, int, unsigned long, ...);
    int (*close)(void *, int);
    int (*shutdown)(void *, int, int);
    int (*getsockopt)(void *, int, int, int, void *, socklen_t *);
    int (*setsockopt)(void *, int, int, int, const void *, socklen_t);
    int (*poll)(void *, struct pollfd *, nfds_t, int);
    int (*netdev_send)(void *, const void *, size_t);
    int (*netdev_receive)(void *, void *, size_t *, long long *);
    int (*usleep)(void *, useconds_t);
    int (*gettimeofday)(void *, struct timeval *, struct timezone *);
    int (*epoll_create)(void *, int);
    int (*epoll_ctl)(void *, int, int, int, struct epoll_event *);
    int (*epoll_wait)(void *, int, struct epoll_event *, int, int);
    int (*pipe)(void *, int[2]);
    int (*splice)(void *, int, loff_t *, int, loff_t *, size_t, unsigned);
};

static void drill_free(void *user)
{
    (void)user;
    drill_lock();
    drill_close_all();
    naru_stack_free(drill.stack);
    drill.stack = NULL;
    drill.ready = false;
    while (drill.sent != NULL) {
        struct drill_packet *packet = drill.sent;
        drill.sent = packet->next;
        free(packet);
    }
    drill_unlock();
}

/* ---- Flags: local=ADDR,local6=ADDR,mtu=N,profile=linux|freebsd,sysctl=DIR ---- */

static bool set_local(unsigned v6, const char *value)
{
    drill.has_local[v6] =
        naru_addr_parse(value, &drill.local[v6]) && naru_addr_is_v4(&drill.local[v6]) == (v6 == 0);
    return drill.has_local[v6];
}

static bool set_flag(const char *name, const char *value)
{
    if (strcmp(name, "local") == 0)
        return set_local(0, value);
    if (strcmp(name, "local6") == 0)
        return set_local(1, value);
    if (strcmp(name, "mtu") == 0) {
        unsigned long mtu = strtoul(value, NULL, 10);
        drill.mtu = (uint32_t)NARU_MIN(mtu, (unsigned long)DRILL_PACKET_MAX);
        return mtu >= 68 && mtu <= DRILL_PACKET_MAX;
    }
    if (strcmp(name, "profile") == 0) {
        drill.freebsd = strcmp(value, "freebsd") == 0;
        return drill.freebsd || strcmp(value, "linux") == 0;
    }
    if (strcmp(name, "sysctl") == 0)
        return (size_t)snprintf(drill.sysctl, sizeof(drill.sysctl), "%s", value) <
               sizeof(drill.sysctl);
    return false;
}

static bool set_flags(const char *flags)
{
    char copy[512], *rest = copy, *word;
    bool good = strlen(flags) < sizeof(copy);
    snprintf(copy, sizeof(copy), "%s", flags);
    while (good && (word = strsep(&rest, ",")) != NULL) {
        char *value = strchr(word, '=');
        if (*word == '\0')
            continue;
        if (value != NULL)
            *value++ = '\0';
        good = value != NULL && set_flag(word, value);
        if (!good)
            fprintf(stderr,
                    "naru-packetdrill.so: %s=%s: expected local=ADDR, local6=ADDR, mtu=N, "
                    "profile=linux|freebsd or sysctl=DIR\n",
                    word, value != NULL ? value : "");
    }
    return good;
}

void packetdrill_interface_init(const char *flags, struct table *table);

/* A fresh world each time; flags that are not understood end the process, as a test should. */
void packetdrill_interface_init(const char *flags, struct table *table)
{
    if (drill.ready)
        drill_free(NULL);
    drill.first = pthread_self();
    drill.now = NARU_SEC(1000);
    drill.sent_end = &drill.sent;
    drill.mtu = 1500;
    drill.freebsd = drill.told_later = false;
    drill.has_local[0] = drill.has_local[1] = false;
    drill.sysctl[0] = '\0';
    for (unsigned i = 0; i < DRILL_FDS; i++)
        drill.fd[i].number = -1;
    if (flags != NULL && !set_flags(flags))
        exit(2);
    drill.ready = true;
    *table = (struct table){
        .userdata = &drill,
        .free = drill_free,
        .socket = drill_socket,
        .bind = drill_bind,
        .listen = drill_listen,
        .accept = drill_accept,
        .connect = drill_connect,
        .read = drill_read,
        .readv = drill_readv,
        .recv = drill_recv,
        .recvfrom = drill_recvfrom,
        .recvmsg = drill_recvmsg,
        .write = drill_write,
        .writev = drill_writev,
        .send = drill_send,
        .sendto = drill_sendto,
        .sendmsg = drill_sendmsg,
        .fcntl = drill_fcntl,
        .ioctl = drill_ioctl,
        .close = drill_close,
        .shutdown = drill_shutdown,
        .getsockopt = drill_getsockopt,
        .setsockopt = drill_setsockopt,
        .poll = drill_poll,
        .netdev_send = drill_netdev_send,
        .netdev_receive = drill_netdev_receive,
        .usleep = drill_usleep,
        .gettimeofday = drill_gettimeofday,
        .epoll_create = drill_epoll_create,
        .epoll_ctl = drill_epoll_ctl,
        .epoll_wait = drill_epoll_wait,
        .pipe = drill_pipe,
        .splice = drill_splice,
    };
}

/* ---- Preloaded ---- */

static bool is_ours(int fd)
{
    bool ours = false;
    drill_lock();
    ours = drill.ready && drill_find(fd) != NULL;
    drill_unlock();
    return ours;
}

int close(int fd) { return is_ours(fd) ? drill_close(NULL, fd) : (int)syscall(SYS_close, fd); }

int getsockopt(int fd, int level, int name, void *restrict value, socklen_t *restrict len)
{
    if (is_ours(fd))
        return drill_getsockopt(NULL, fd, level, name, value, len);
    return (int)syscall(SYS_getsockopt, fd, level, name, value, len);
}
