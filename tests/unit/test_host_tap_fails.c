/*
 * A device whose writes fail: what a connection makes of it.  A real stack on a TAP, the kernel's
 * TCP at the other end, and a writev of this test's own that fails as it is told to, so often.
 *
 * Nothing here waits for a time, but retransmissions do (200 ms each, a few of them).
 */
#include "host/alloc.h"
#include "host/clock.h"
#include "host/link.h"
#include "host/tap.h"

#include "lib/namespace.h"

#include <naru/naru.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#define KERNEL_IP 0x0a090001u /* 10.9.0.1 */
#define OUR_IP    0x0a090002u
#define PORT      80
#define TOTAL     300000

/* ---- The device ---- */

static struct {
    int fd; /* whose writes fail; -1: nobody's */
    int error;
    unsigned times; /* that are left */
    unsigned failed;
} plan = { .fd = -1 };

ssize_t writev(int fd, const struct iovec *iov, int count)
{
    if (fd == plan.fd && plan.times > 0) {
        plan.times--;
        plan.failed++;
        errno = plan.error;
        return -1;
    }
    return syscall(SYS_writev, fd, iov, count);
}

/* ---- Two ends ---- */

static struct naru_loop *loop;
static struct naru_tap *tap;
static struct naru_stack *stack;
static struct naru_attachment attachment;
static struct naru_sock *ours;
static int listener, theirs;

static void no_event(struct naru_attachment *a, const struct naru_event *event)
{
    (void)a;
    (void)event;
}

/* Turns until the condition holds; 10 s are for a broken one. */
#define TURN_UNTIL(condition)                                                          \
    do {                                                                               \
        naru_time end_ = naru_clock_now() + NARU_SEC(10);                              \
        while (!(condition) && naru_clock_now() < end_)                                \
            assert_int_equal(naru_loop_turn(loop, naru_clock_now() + NARU_MS(20)), 0); \
        assert_true(condition);                                                        \
    } while (0)

static int open_stack(void)
{
    struct naru_addr addr = naru_addr_v4(OUR_IP);
    struct naru_iface_config iface;
    struct naru_config config;
    unsigned ifindex;
    naru_config_init(&config);
    config.alloc = naru_alloc_malloc();
    naru_iface_config_init(&iface);
    iface.name = "tap";
    memcpy(iface.mac, (const uint8_t[]){ 2, 0, 0, 0, 0, 2 }, 6);
    iface.offload = naru_tap_offload(tap);
    naru_time now = naru_clock_now();
    if (naru_stack_new(&config, now, &stack) != NARU_OK ||
        naru_iface_add(stack, &iface, now, &ifindex) != NARU_OK ||
        naru_ifaddr_add(stack, ifindex, &addr, 24, now) != NARU_OK)
        return -1;
    attachment = (struct naru_attachment){ .stack = stack, .event = no_event };
    return naru_loop_attach(loop, &attachment) == 0 ? naru_tap_attach(tap, &attachment, ifindex)
                                                    : -1;
}

static int open_kernel(void)
{
    struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(PORT) };
    name.sin_addr.s_addr = htonl(KERNEL_IP);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return bind(listener, (struct sockaddr *)&name, sizeof name) == 0 ? listen(listener, 1) : -1;
}

static bool accepted(void)
{
    if (theirs < 0)
        theirs = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return theirs >= 0;
}

static int setup(void **state)
{
    struct naru_addr addr = naru_addr_v4(KERNEL_IP);
    struct naru_endpoint to = { .addr = addr, .port = PORT };
    struct naru_tap_config config;
    (void)state;
    naru_tap_config_init(&config);
    config.name = "naru1";
    theirs = -1;
    if (naru_loop_new(&loop) != 0 || naru_tap_open(&config, &tap) != 0 ||
        naru_link_set_up("naru1", true) != 0 || naru_link_add_addr("naru1", &addr, 24) != 0 ||
        open_stack() != 0 || open_kernel() != 0)
        return -1;
    if (naru_sock_new(stack, NARU_IPV4, NARU_SOCK_STREAM, &ours) != NARU_OK ||
        naru_sock_connect(ours, &to, naru_clock_now()) != NARU_ERR_INPROGRESS)
        return -1;
    TURN_UNTIL(accepted());
    plan.fd = naru_tap_fd(tap);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    plan.fd = -1;
    naru_sock_close(ours, naru_clock_now());
    naru_tap_close(tap);
    naru_loop_detach(&attachment);
    naru_stack_free(stack);
    naru_loop_free(loop);
    close(theirs);
    close(listener);
    return 0;
}

/* Gives what the buffer takes, and takes what the kernel has got. */
static bool moved(size_t *sent, size_t *got)
{
    static uint8_t data[16384];
    while (*sent < TOTAL) {
        struct naru_slice slice = { data,
                                    TOTAL - *sent < sizeof data ? TOTAL - *sent : sizeof data };
        int64_t n = naru_sock_send(ours, &slice, 1, 0, NULL, naru_clock_now());
        if (n <= 0)
            break;
        *sent += (size_t)n;
    }
    for (ssize_t n; (n = recv(theirs, data, sizeof data, 0)) > 0;)
        *got += (size_t)n;
    return *got == TOTAL;
}

/* A transfer over a device that fails so often, so. */
static struct naru_tap_stats transfer(int error, unsigned times)
{
    struct naru_tap_stats stats;
    size_t sent = 0, got = 0;
    plan.error = error;
    plan.times = times;
    plan.failed = 0;
    TURN_UNTIL(moved(&sent, &got));
    assert_int_equal(plan.failed, times);
    naru_tap_get_stats(tap, &stats);
    return stats;
}

/* No room, no memory, down: the frame waits, and nothing is lost; each time is counted. */
static void what_passes_is_waited_for(void **state)
{
    (void)state;
    static const int errors[] = { EAGAIN, ENOBUFS, ENOMEM, EIO };
    uint64_t full = 0;
    for (unsigned i = 0; i < 4; i++) {
        struct naru_tap_stats stats = transfer(errors[i], 40);
        assert_int_equal(stats.tx_failed, 0);
        assert_int_equal(stats.tx_full - full, 40);
        full = stats.tx_full;
    }
}

/* A frame that the device will not have is lost and counted, and sent again. */
static void what_is_refused_is_sent_again(void **state)
{
    (void)state;
    struct naru_stack_stats told;
    struct naru_tap_stats stats = transfer(EINVAL, 3);
    assert_int_equal(stats.tx_failed, 3);
    naru_stack_get_stats(stack, &told);
    assert_true(told.tcp_retransmits > 0);
}

/* The device is gone: connections end by their own time, with an error. */
static void a_device_that_is_gone(void **state)
{
    (void)state;
    struct naru_slice slice = { "x", 1 };
    int64_t error = 0;
    assert_int_equal(naru_sock_set(ours, NARU_OPT_USER_TIMEOUT_MS, 300, naru_clock_now()), NARU_OK);
    plan.error = EBADFD;
    plan.times = 1000000;
    plan.failed = 0;
    assert_int_equal(naru_sock_send(ours, &slice, 1, 0, NULL, naru_clock_now()), 1);
    TURN_UNTIL((naru_sock_ready(ours) & NARU_READY_ERROR) != 0);
    assert_int_equal(naru_sock_get(ours, NARU_OPT_ERROR, &error), NARU_OK);
    assert_true(error == NARU_ERR_TIMEDOUT || error == NARU_ERR_HOSTUNREACH ||
                error == NARU_ERR_NETUNREACH);
    assert_int_equal(plan.failed, 1); /* it is not asked again */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_passes_is_waited_for),
        cmocka_unit_test(what_is_refused_is_sent_again),
        cmocka_unit_test(a_device_that_is_gone),
    };
    if (!namespace_with_tap())
        return 77;
    return cmocka_run_group_tests_name("host tap fails", tests, setup, teardown);
}
