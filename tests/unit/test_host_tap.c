/*
 * The TAP driver against the kernel, with a stack of this test's own: frames made by hand, so that
 * nothing but the driver is in question.  In a network namespace that the test makes for itself.
 */
#include "host/clock.h"
#include "host/link.h"
#include "host/tap.h"
#include "host_frames.h"
#include "lib/namespace.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define KERNEL_IP 0x0a090001u /* 10.9.0.1 */
#define OUR_IP    0x0a090002u
#define PORT      80
#define ISS       5000u

/* ---- A stack of four frames' worth of wits ---- */

struct queued {
    size_t len;
    struct naru_offload offload;
    uint8_t bytes[65600];
};

struct naru_stack {
    struct queued out[8];
    unsigned out_head, out_tail;
    bool up_told_down;

    unsigned echo_replies;
    uint32_t largest_len;
    struct naru_offload largest;
    bool content_wrong;
    /* The one connection: the kernel connects to us. */
    uint16_t peer_port;
    uint32_t rcv_nxt, snd_nxt;
    uint64_t received;
};

static struct naru_stack stack;
static uint8_t kernel_mac[6];
static const uint8_t our_mac[6] = { 2, 0, 0, 0, 0, 2 };

/* A packet and its buffer in one piece. */
struct naru_pkt *naru_pkt_new(struct naru_stack *s, size_t capacity)
{
    struct naru_pkt *pkt = calloc(1, sizeof(*pkt) + capacity);

    (void)s;
    assert_non_null(pkt);
    pkt->data = (uint8_t *)(pkt + 1);
    pkt->capacity = (uint32_t)capacity;
    return pkt;
}

void naru_pkt_free(struct naru_pkt *pkt) { free(pkt); }

static struct queued *queue(size_t len)
{
    struct queued *q = &stack.out[stack.out_tail++ % 8];

    assert_true(stack.out_tail - stack.out_head <= 8);
    memset(q, 0, offsetof(struct queued, bytes));
    q->len = len;
    memcpy(q->bytes, kernel_mac, 6);
    memcpy(q->bytes + 6, our_mac, 6);
    return q;
}

static void send_segment(uint8_t flags, size_t data, uint16_t gso_size)
{
    struct host_segment s = { .from = { .addr = naru_addr_v4(OUR_IP), .port = PORT },
                              .to = { .addr = naru_addr_v4(KERNEL_IP), .port = stack.peer_port },
                              .flags = flags,
                              .seq = stack.snd_nxt,
                              .ack = stack.rcv_nxt,
                              .data = data,
                              .csum_partial = true };
    uint8_t frame[65600];
    size_t len = host_frame_make(&s, frame);
    struct queued *q = queue(len);

    memcpy(q->bytes + 12, frame + 12, len - 12);
    q->offload.csum_partial = 1;
    q->offload.csum_start = 34;
    q->offload.csum_offset = 16;
    if (gso_size != 0) {
        q->offload.gso = NARU_GSO_TCP4;
        q->offload.gso_size = gso_size;
        q->offload.header_len = 54;
    }
    stack.snd_nxt += (uint32_t)data + ((flags & 2) != 0);
}

static void send_echo_request(void)
{
    struct queued *q = queue(14 + 20 + 8 + 56);
    uint8_t *ip = q->bytes + 14;

    memset(ip, 0, 84);
    naru_put16(q->bytes + 12, 0x0800);
    ip[0] = 0x45;
    naru_put16(ip + 2, 84);
    ip[8] = 64;
    ip[9] = 1;
    naru_put32(ip + 12, OUR_IP);
    naru_put32(ip + 16, KERNEL_IP);
    naru_put16(ip + 10, naru_csum_finish(naru_csum_add(0, ip, 20)));
    ip[20] = 8;
    naru_put16(ip + 22, naru_csum_finish(naru_csum_add(0, ip + 20, 64)));
}

static void on_arp(const uint8_t *frame)
{
    if (naru_get16(frame + 20) != 1 || naru_get32(frame + 38) != OUR_IP)
        return;
    struct queued *q = queue(42);
    naru_put16(q->bytes + 12, 0x0806);
    memcpy(q->bytes + 14, frame + 14, 6);
    naru_put16(q->bytes + 20, 2);
    memcpy(q->bytes + 22, our_mac, 6);
    naru_put32(q->bytes + 28, OUR_IP);
    memcpy(q->bytes + 32, frame + 22, 10);
}

static void on_tcp(const struct naru_pkt *pkt)
{
    const uint8_t *tcp = pkt->data + 34;
    size_t header = 34 + 4u * (tcp[12] >> 4);
    uint32_t seq = naru_get32(tcp + 4);
    uint32_t data = (uint32_t)(14 + naru_get16(pkt->data + 16) - header);

    if ((tcp[13] & 2) != 0) {
        stack.peer_port = naru_get16(tcp);
        stack.rcv_nxt = seq + 1;
        stack.snd_nxt = ISS;
        send_segment(18, 0, 0);
        return;
    }
    if (data == 0 || seq != stack.rcv_nxt)
        return;
    for (uint32_t i = 0; i < data; i++)
        stack.content_wrong |= pkt->data[header + i] != (uint8_t)((stack.received + i) % 251);
    if (pkt->len > stack.largest_len) {
        stack.largest_len = pkt->len;
        stack.largest = pkt->offload;
        assert_int_equal(pkt->offload.header_len, pkt->offload.gso != 0 ? header : 0);
    }
    stack.rcv_nxt += data;
    stack.received += data;
    send_segment(16, 0, 0);
}

void naru_stack_input(struct naru_stack *s, unsigned ifindex, struct naru_pkt *pkt, naru_time now)
{
    unsigned type = naru_get16(pkt->data + 12);

    (void)s;
    (void)now;
    assert_int_equal(ifindex, 2);
    if (type == 0x0806)
        on_arp(pkt->data);
    else if (type == 0x0800 && pkt->data[23] == 6)
        on_tcp(pkt);
    else if (type == 0x0800 && pkt->data[23] == 1 && pkt->data[34] == 0)
        stack.echo_replies++;
    naru_pkt_free(pkt);
}

void naru_stack_input_burst(struct naru_stack *s, unsigned ifindex, struct naru_pkt *const *pkt,
                            unsigned count, naru_time now)
{
    for (unsigned i = 0; i < count; i++)
        naru_stack_input(s, ifindex, pkt[i], now);
}

bool naru_stack_output(struct naru_stack *s, unsigned ifindex, struct naru_frame *frame,
                       naru_time now)
{
    (void)ifindex;
    (void)now;
    if (s->out_head == s->out_tail)
        return false;
    struct queued *q = &s->out[s->out_head++ % 8];
    frame->len = q->len;
    frame->offload = q->offload;
    frame->slice_count = 2;
    frame->slice[0] = (struct naru_slice){ q->bytes, 40 };
    frame->slice[1] = (struct naru_slice){ q->bytes + 40, q->len - 40 };
    return true;
}

naru_time naru_stack_deadline(const struct naru_stack *s)
{
    (void)s;
    return NARU_NEVER;
}

void naru_stack_tick(struct naru_stack *s, naru_time now)
{
    (void)s;
    (void)now;
}

bool naru_stack_event(struct naru_stack *s, struct naru_event *event)
{
    (void)s;
    (void)event;
    return false;
}

enum naru_err naru_iface_set_up(struct naru_stack *s, unsigned ifindex, bool up, naru_time now)
{
    (void)ifindex;
    (void)now;
    s->up_told_down = !up;
    return NARU_OK;
}

/* ---- The tests ---- */

static struct naru_loop *loop;
static struct naru_tap *tap;
static struct naru_attachment attachment;

static void no_event(struct naru_attachment *a, const struct naru_event *event)
{
    (void)a;
    (void)event;
}

static int setup(void **state)
{
    struct naru_addr addr = naru_addr_v4(KERNEL_IP);
    struct naru_tap_config config;

    (void)state;
    memset(&stack, 0, sizeof(stack));
    naru_tap_config_init(&config);
    config.name = "naru0";
    if (naru_loop_new(&loop) != 0 || naru_tap_open(&config, &tap) != 0)
        return -1;
    attachment = (struct naru_attachment){ .stack = &stack, .event = no_event };
    if (naru_loop_attach(loop, &attachment) != 0 || naru_tap_attach(tap, &attachment, 2) != 0)
        return -1;
    if (naru_link_set_up("naru0", true) != 0 || naru_link_add_addr("naru0", &addr, 24) != 0 ||
        naru_link_mac("naru0", kernel_mac) != 0)
        return -1;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    naru_tap_close(tap);
    naru_loop_detach(&attachment);
    naru_loop_free(loop);
    return 0;
}

/* Turns until the condition holds; the kernel answers at once, 5 s are for a broken one. */
#define TURN_UNTIL(condition)                                                          \
    do {                                                                               \
        naru_time end_ = naru_clock_now() + NARU_SEC(5);                               \
        while (!(condition) && naru_clock_now() < end_)                                \
            assert_int_equal(naru_loop_turn(loop, naru_clock_now() + NARU_MS(20)), 0); \
        assert_true(condition);                                                        \
    } while (0)

static void echo(void **state)
{
    struct naru_tap_stats stats;

    (void)state;
    assert_string_equal(naru_tap_name(tap), "naru0");
    assert_int_equal(naru_tap_offload(tap) & NARU_OFFLOAD_TX_CSUM, NARU_OFFLOAD_TX_CSUM);
    assert_int_equal(naru_tap_offload(tap) & NARU_OFFLOAD_TX_TSO, NARU_OFFLOAD_TX_TSO);
    send_echo_request();
    TURN_UNTIL(stack.echo_replies == 1);
    naru_tap_get_stats(tap, &stats);
    assert_int_equal(stats.rx_bad + stats.rx_nomem + stats.tx_failed, 0);
    assert_true(stats.rx_frames >= 2 && stats.tx_frames >= 2); /* ARP and echo, both ways */
}

/* What is to go while the device is down goes when it is up again. */
static void down_and_up(void **state)
{
    struct naru_tap_stats stats;

    (void)state;
    assert_int_equal(naru_link_set_up("naru0", false), 0);
    send_echo_request();
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(naru_loop_turn(loop, naru_clock_now() + NARU_MS(2)), 0);
    naru_tap_get_stats(tap, &stats);
    assert_int_equal(stats.tx_full, 1); /* It waited and did not spin. */
    assert_int_equal(stats.tx_failed, 0);
    assert_int_equal(stack.echo_replies, 0);
    assert_int_equal(naru_link_set_up("naru0", true), 0);
    TURN_UNTIL(stack.echo_replies == 1);
}

static int connect_kernel_socket(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(OUR_IP);
    assert_true(fd >= 0);
    /* Not the machine's default: a pacing algorithm sends small pieces. */
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4), 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)(const void *)&to, sizeof(to)), -1);
    assert_int_equal(errno, EINPROGRESS);
    return fd;
}

/* The kernel's super-segments arrive whole and say what they are. */
static void super_segments_in(void **state)
{
    static uint8_t data[251 * 256];
    const uint64_t total = 4u << 20;
    uint64_t sent = 0;
    int fd = connect_kernel_socket();

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i % 251);
    TURN_UNTIL(stack.snd_nxt == ISS + 1);
    while (stack.received < total) {
        size_t at = sent % 251;
        ssize_t n = sent < total ? send(fd, data + at, 250 * 251, MSG_NOSIGNAL) : 0;
        if (n > 0)
            sent += (uint64_t)n;
        uint64_t before = stack.received;
        TURN_UNTIL(stack.received > before || (n > 0 && sent < total));
        if (sent >= total && stack.received == sent)
            break;
    }
    assert_false(stack.content_wrong);
    /* Without window scaling 65 000 bytes are all that may be in flight. */
    assert_true(stack.largest_len > 20000);
    assert_int_equal(stack.largest.gso, NARU_GSO_TCP4);
    assert_int_equal(stack.largest.csum_partial, 1);
    assert_int_equal(stack.largest.csum_start, 34);
    assert_int_equal(stack.largest.csum_offset, 16);
    assert_in_range(stack.largest.gso_size, 500, 1460);
    close(fd);
}

/* A super-segment of ours reaches the kernel's socket as the bytes it is made of. */
static void super_segment_out(void **state)
{
    static uint8_t got[60000];
    size_t len = 0;
    int fd = connect_kernel_socket();

    (void)state;
    TURN_UNTIL(stack.snd_nxt == ISS + 1);
    naru_loop_turn(loop, 0);
    send_segment(24, 50000, 1400);
    naru_time end = naru_clock_now() + NARU_SEC(5);
    while (len < 50000 && naru_clock_now() < end) {
        naru_loop_turn(loop, naru_clock_now() + NARU_MS(10));
        ssize_t n = recv(fd, got + len, sizeof(got) - len, 0);
        if (n > 0)
            len += (size_t)n;
    }
    assert_int_equal(len, 50000);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(got[i], 'n');
    close(fd);
}

/* The interface is told that its carrier is gone. */
static void device_removed(void **state)
{
    (void)state;
    assert_false(stack.up_told_down);
    assert_int_equal(system("ip link delete naru0"), 0);
    TURN_UNTIL(stack.up_told_down);
    send_echo_request();
    assert_int_equal(naru_loop_turn(loop, 0), 0);
}

static void errors(void **state)
{
    struct naru_tap_config config;
    struct naru_tap *other;
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    (void)state;
    naru_tap_config_init(&config);
    config.name = "a-name-that-is-too-long-for-linux";
    assert_int_equal(naru_tap_open(&config, &other), -EINVAL);
    config.name = "naru0";
    assert_int_equal(naru_tap_open(&config, &other), -EBUSY);
    config.fd = fd;
    assert_true(naru_tap_open(&config, &other) < 0);
    assert_int_equal(close(fd), 0); /* still ours */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(echo),   TEST(down_and_up),    TEST(super_segments_in), TEST(super_segment_out),
        TEST(errors), TEST(device_removed),
    };

    if (!namespace_with_tap())
        return 77;
    return cmocka_run_group_tests_name("host tap", tests, NULL, NULL);
}
