/*
 * naru-packetdrill.so as a driver sees it: loaded by name, its table filled, a handshake played by
 * hand, a transfer, a retransmission, a call that blocks in another thread, a cookie asked for and
 * used (MSG_FASTOPEN), what recvmsg gives beside data.  Twice, and both times the same bytes at the
 * same microseconds.
 */
#include "base/bytes.h"
#include "base/csum.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <time.h>

#include <linux/errqueue.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

/* The table: those of its 33 slots that are used here with their types. */
struct table {
    void *user;
    void (*free)(void *);
    int (*socket)(void *, int, int, int);
    int (*bind)(void *, int, const struct sockaddr *, socklen_t);
    int (*listen)(void *, int, int);
    int (*accept)(void *, int, struct sockaddr *, socklen_t *);
    void *connect;
    ssize_t (*read)(void *, int, void *, size_t);
    void *skipped_8[3];
    ssize_t (*recvmsg)(void *, int, struct msghdr *, int);
    void *skipped_12[2];
    ssize_t (*send)(void *, int, const void *, size_t, int);
    ssize_t (*sendto)(void *, int, const void *, size_t, int, const struct sockaddr *, socklen_t);
    void *skipped_16[3];
    int (*close)(void *, int);
    void *shutdown;
    int (*getsockopt)(void *, int, int, int, void *, socklen_t *);
    int (*setsockopt)(void *, int, int, int, const void *, socklen_t);
    void *poll;
    int (*netdev_send)(void *, const void *, size_t);
    int (*netdev_receive)(void *, void *, size_t *, long long *);
    int (*usleep)(void *, useconds_t);
    int (*gettimeofday)(void *, struct timeval *, struct timezone *);
    void *skipped_28[4];
    void *splice;
};

struct run {
    struct table t;
    uint16_t port; /* where packets to it go; 0: 8080 */
    size_t trace_len;
    uint8_t trace[8192]; /* of every packet: its time and its bytes */
};

static const uint32_t local = 0xc0a80001, remote = 0xc0000201; /* 192.168.0.1, 192.0.2.1 */

static long long now_us(struct run *r)
{
    struct timeval tv;
    r->t.gettimeofday(r->t.user, &tv, NULL);
    return tv.tv_sec * 1000000LL + tv.tv_usec;
}

static void inject(struct run *r, struct naru_tcp_hdr hdr, uint32_t payload)
{
    uint8_t packet[1600] = { 0 };
    hdr.sport = 4000;
    hdr.dport = r->port != 0 ? r->port : 8080;
    struct naru_ipv4_hdr ip = { .src = naru_addr_v4(remote),
                                .dst = naru_addr_v4(local),
                                .protocol = NARU_PROTO_TCP,
                                .ttl = 64 };
    size_t tcp_len = naru_tcp_emit(packet + NARU_IPV4_LEN, &hdr) + payload;
    ip.total_len = (uint16_t)(NARU_IPV4_LEN + tcp_len);
    naru_ipv4_emit(packet, &ip);
    uint32_t sum = naru_csum_pseudo(&ip.src, &ip.dst, NARU_PROTO_TCP, (uint32_t)tcp_len);
    sum = naru_csum_add(sum, packet + NARU_IPV4_LEN, tcp_len);
    naru_put16(packet + NARU_IPV4_LEN + 16, naru_csum_finish(sum));
    assert_int_equal(r->t.netdev_send(r->t.user, packet, ip.total_len), 0);
}

/* The next packet; how long its payload is. */
static uint32_t receive(struct run *r, struct naru_tcp_hdr *hdr, long long *at)
{
    uint8_t packet[4096];
    size_t len = sizeof(packet);
    struct naru_ipv4_hdr ip;
    int got = r->t.netdev_receive(r->t.user, packet, &len, at);
    assert_int_equal(got, 0);
    assert_true(len > 0 && r->trace_len + len + sizeof(*at) <= sizeof(r->trace));
    memcpy(r->trace + r->trace_len, at, sizeof(*at));
    memcpy(r->trace + r->trace_len + sizeof(*at), packet, len);
    r->trace_len += sizeof(*at) + len;
    struct naru_span in = naru_span(packet, len);
    assert_int_equal(naru_ipv4_parse(&in, &ip), NARU_DROP_NONE);
    assert_int_equal(naru_tcp_parse(&in, hdr), NARU_DROP_NONE);
    return (uint32_t)in.len;
}

static int listen_at(struct run *r)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(8080) };
    to.sin_addr.s_addr = htonl(local);
    int fd = r->t.socket(r->t.user, AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0 && fcntl(fd, F_GETFD) >= 0); /* the kernel knows the number */
    assert_int_equal(r->t.bind(r->t.user, fd, (const struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(r->t.listen(r->t.user, fd, 5), 0);
    return fd;
}

struct reader {
    struct run *r;
    int fd;
    atomic_int tid;
    ssize_t got;
    long long at;
};

static void *read_in_thread(void *arg)
{
    struct reader *reader = arg;
    char bytes[100];
    atomic_store(&reader->tid, (int)gettid());
    reader->got = reader->r->t.read(reader->r->t.user, reader->fd, bytes, sizeof(bytes));
    reader->at = now_us(reader->r);
    return NULL;
}

/* Until the thread sleeps in its call, as the kernel sees it. */
static void wait_until_it_sleeps(struct reader *reader)
{
    char name[64], stat[256] = "";
    const char *state;
    int tid;
    while ((tid = atomic_load(&reader->tid)) == 0)
        sched_yield();
    snprintf(name, sizeof(name), "/proc/self/task/%d/stat", tid);
    do {
        FILE *file = fopen(name, "r");
        assert_non_null(file);
        assert_non_null(fgets(stat, sizeof(stat), file));
        fclose(file);
        state = strrchr(stat, ')');
    } while (state == NULL || state[2] != 'S');
}

static void block_in_thread(struct run *r, int fd, struct naru_tcp_hdr ack)
{
    struct reader reader = { .r = r, .fd = fd };
    struct naru_tcp_hdr hdr;
    pthread_t thread;
    long long at;
    assert_int_equal(pthread_create(&thread, NULL, read_in_thread, &reader), 0);
    wait_until_it_sleeps(&reader);
    r->t.usleep(r->t.user, 100000);
    inject(r, ack, 10);
    pthread_join(thread, NULL);
    assert_int_equal(reader.got, 10);
    assert_int_equal(receive(r, &hdr, &at), 0);
    assert_int_equal(hdr.ack.v, ack.seq.v + 10);
    assert_int_equal(reader.at, at); /* the time at which it was woken */
}

static void story(struct run *r)
{
    struct naru_tcp_hdr hdr, ack = { .flags = NARU_TCP_ACK, .wnd = 1000 };
    struct sockaddr_in peer;
    socklen_t len = sizeof(peer);
    uint8_t info[400], zeros[3000] = { 0 };
    long long at, began = now_us(r);
    int listener = listen_at(r);
    assert_true(now_us(r) > began); /* a driver that only asks makes progress */

    inject(r,
           (struct naru_tcp_hdr){ .seq = naru_seq_of(7),
                                  .flags = NARU_TCP_SYN,
                                  .wnd = 32792,
                                  .opts = NARU_TCP_OPT_MSS,
                                  .mss = 1000 },
           0);
    assert_int_equal(receive(r, &hdr, &at), 0);
    assert_int_equal(hdr.flags, NARU_TCP_SYN | NARU_TCP_ACK);
    assert_int_equal(hdr.ack.v, 8);
    ack.seq = naru_seq_of(8);
    ack.ack = naru_seq_add(hdr.seq, 1);
    inject(r, ack, 0);
    int fd = r->t.accept(r->t.user, listener, (struct sockaddr *)&peer, &len);
    assert_true(fd >= 0);
    assert_int_equal(ntohs(peer.sin_port), 4000);
    assert_int_equal(ntohl(peer.sin_addr.s_addr), remote);

    /* One segment for a window of 1000, and again a retransmission timeout later. */
    ssize_t sent = r->t.send(r->t.user, fd, zeros, sizeof(zeros), MSG_DONTWAIT);
    assert_int_equal(sent, sizeof(zeros));
    assert_int_equal(receive(r, &hdr, &at), 1000);
    began = at;
    assert_int_equal(receive(r, &hdr, &at), 1000);
    assert_true(at - began >= 200000 && at - began <= 1100000);
    ack.ack = naru_seq_add(hdr.seq, 1000);
    inject(r, ack, 0);
    assert_int_equal(receive(r, &hdr, &at), 1000);
    ack.ack = naru_seq_add(hdr.seq, 1000);
    inject(r, ack, 0);
    assert_int_equal(receive(r, &hdr, &at), 1000);
    ack.ack = naru_seq_add(hdr.seq, 1000);
    inject(r, ack, 0);
    block_in_thread(r, fd, ack);

    memset(info, 0xff, sizeof(info));
    len = sizeof(info);
    assert_int_equal(r->t.getsockopt(r->t.user, fd, IPPROTO_TCP, TCP_INFO, info, &len), 0);
    assert_true(len == sizeof(info) && info[399] == 0 && info[0] == 1);
    assert_int_equal(r->t.close(r->t.user, fd), 0);
    assert_int_equal(receive(r, &hdr, &at), 0);
    assert_int_equal(hdr.flags, NARU_TCP_FIN | NARU_TCP_ACK);
    errno = 0;
    assert_int_equal(r->t.read(r->t.user, fd, zeros, 1), -1);
    assert_int_equal(errno, EBADF);
    assert_non_null(r->t.splice);
}

/* One send to port 4000 of the other side, with SYN where that may be. */
static ssize_t fast_send(struct run *r, int *fd)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(4000) };
    to.sin_addr.s_addr = htonl(remote);
    *fd = r->t.socket(r->t.user, AF_INET, SOCK_STREAM, 0);
    assert_true(*fd >= 0);
    return r->t.sendto(r->t.user, *fd, "hello", 5, MSG_FASTOPEN | MSG_DONTWAIT,
                       (const struct sockaddr *)&to, sizeof(to));
}

static void answer(struct run *r, const struct naru_tcp_hdr *syn, uint32_t acked)
{
    static const uint8_t cookie[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    inject(r,
           (struct naru_tcp_hdr){ .seq = naru_seq_of(70),
                                  .ack = naru_seq_add(syn->seq, 1 + acked),
                                  .flags = NARU_TCP_SYN | NARU_TCP_ACK,
                                  .wnd = 32792,
                                  .opts = NARU_TCP_OPT_MSS | NARU_TCP_OPT_FASTOPEN,
                                  .mss = 1000,
                                  .cookie = cookie,
                                  .cookie_len = sizeof(cookie) },
           0);
}

static void set(struct run *r, int fd, int level, int name)
{
    int one = 1, got = 0;
    socklen_t len = sizeof(got);
    assert_int_equal(r->t.setsockopt(r->t.user, fd, level, name, &one, sizeof(one)), 0);
    assert_int_equal(r->t.getsockopt(r->t.user, fd, level, name, &got, &len), 0);
    assert_int_equal(got, 1);
}

/* One piece of ancillary data, of that kind and len bytes, which go to data. */
static void receive_beside(struct run *r, int fd, struct msghdr *msg, int flags, ssize_t wanted,
                           int level, int type, void *data, size_t len)
{
    union {
        struct cmsghdr first;
        char room[200];
    } control;
    msg->msg_control = &control;
    msg->msg_controllen = sizeof(control);
    assert_int_equal(r->t.recvmsg(r->t.user, fd, msg, flags), wanted);
    assert_true(msg->msg_controllen >= CMSG_LEN(len));
    assert_int_equal(control.first.cmsg_level, level);
    assert_int_equal(control.first.cmsg_type, type);
    memcpy(data, CMSG_DATA(&control.first), len);
}

/* MSG_ZEROCOPY is told done once, when it is acknowledged; TCP_INQ says what is left. */
static void told_beside(struct run *r, int fd, struct naru_tcp_hdr ack)
{
    char bytes[4];
    int left;
    struct naru_tcp_hdr hdr;
    struct sock_extended_err err;
    struct iovec iov = { bytes, sizeof(bytes) };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    long long at;
    set(r, fd, SOL_SOCKET, SO_ZEROCOPY);
    set(r, fd, IPPROTO_TCP, TCP_INQ);
    assert_int_equal(r->t.send(r->t.user, fd, "zero", 4, MSG_ZEROCOPY), 4);
    assert_int_equal(receive(r, &hdr, &at), 4);
    errno = 0;
    assert_int_equal(r->t.recvmsg(r->t.user, fd, &msg, MSG_ERRQUEUE), -1);
    assert_int_equal(errno, EAGAIN);
    ack.ack = naru_seq_add(hdr.seq, 4);
    inject(r, ack, 10);
    assert_int_equal(receive(r, &hdr, &at), 0);
    receive_beside(r, fd, &msg, MSG_ERRQUEUE, 0, IPPROTO_IP, IP_RECVERR, &err, sizeof(err));
    assert_int_equal(msg.msg_flags, MSG_ERRQUEUE);
    assert_int_equal(err.ee_origin, SO_EE_ORIGIN_ZEROCOPY);
    assert_int_equal(err.ee_code, SO_EE_CODE_ZEROCOPY_COPIED);
    assert_int_equal(err.ee_info | err.ee_data, 0);
    receive_beside(r, fd, &msg, 0, 4, IPPROTO_TCP, TCP_INQ, &left, sizeof(left));
    assert_int_equal(left, 6);
}

/* Without a cookie it is asked for and the data wait for another call; with it they go with SYN. */
static void fast_open_story(struct run *r)
{
    struct naru_tcp_hdr hdr;
    long long at;
    int fd;
    errno = 0;
    assert_int_equal(fast_send(r, &fd), -1);
    assert_int_equal(errno, EINPROGRESS);
    assert_int_equal(receive(r, &hdr, &at), 0);
    assert_int_equal(hdr.flags, NARU_TCP_SYN);
    assert_true((hdr.opts & NARU_TCP_OPT_FASTOPEN) != 0 && hdr.cookie_len == 0);
    r->port = hdr.sport;
    answer(r, &hdr, 0);
    assert_int_equal(receive(r, &hdr, &at), 0);
    assert_int_equal(r->t.send(r->t.user, fd, "again", 5, MSG_DONTWAIT), 5);
    assert_int_equal(receive(r, &hdr, &at), 5);
    struct naru_tcp_hdr ack = {
        .seq = naru_seq_of(71), .ack = naru_seq_add(hdr.seq, 5), .flags = NARU_TCP_ACK, .wnd = 32792
    };
    inject(r, ack, 0);
    told_beside(r, fd, ack);
    inject(r,
           (struct naru_tcp_hdr){ .seq = naru_seq_of(81),
                                  .ack = naru_seq_add(hdr.seq, 9),
                                  .flags = NARU_TCP_RST | NARU_TCP_ACK },
           0);
    assert_int_equal(r->t.close(r->t.user, fd), 0);

    assert_int_equal(fast_send(r, &fd), 5);
    assert_int_equal(receive(r, &hdr, &at), 5);
    assert_int_equal(hdr.flags & NARU_TCP_SYN, NARU_TCP_SYN);
    assert_int_equal(hdr.cookie_len, 8);
    r->port = hdr.sport;
    answer(r, &hdr, 5);
    assert_int_equal(receive(r, &hdr, &at), 0);
    assert_int_equal(hdr.flags, NARU_TCP_ACK);
    assert_int_equal(r->t.close(r->t.user, fd), 0);
    assert_int_equal(receive(r, &hdr, &at), 0);
    assert_int_equal(hdr.flags, NARU_TCP_FIN | NARU_TCP_ACK);
}

static void handshake_twice(void **state)
{
    (void)state;
    static struct run run[2];
    char name[512];
    const char *build = getenv("NARU_BUILD");
    if (build == NULL) {
        print_message("NARU_BUILD is not set\n");
        skip();
    }
    snprintf(name, sizeof(name), "%s/naru-packetdrill.so", build);
    void *so = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (so == NULL)
        fail_msg("%s", dlerror());
    union {
        void *at;
        void (*fn)(const char *, void *);
    } init = { dlsym(so, "packetdrill_interface_init") };
    assert_non_null(init.at);
    for (unsigned n = 0; n < 2; n++) {
        init.fn("local=192.168.0.1,mtu=1500,profile=linux", &run[n].t);
        story(&run[n]);
        fast_open_story(&run[n]);
        run[n].t.free(run[n].t.user);
    }
    assert_int_equal(run[0].trace_len, run[1].trace_len);
    assert_memory_equal(run[0].trace, run[1].trace, run[0].trace_len);
    dlclose(so);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(handshake_twice) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
