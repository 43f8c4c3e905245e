/*
 * Echo through the gateway (gate/icmp.h): its own addresses answer by themselves, others through
 * the host's ICMP sockets, and nobody does where the host does not allow them.
 */
#include "gate_lab.h"

#include "base/addr.h"
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static void send_echo(struct gate_lab *lab, struct naru_sock *sock, const char *addr, uint16_t seq)
{
    struct naru_endpoint to = lab_endpoint(addr, 0);
    uint8_t message[8 + 56] = { strchr(addr, ':') != NULL ? 128 : 8 };
    struct naru_slice slice = { .at = message, .len = sizeof(message) };
    struct naru_msg_info info = { .to = to };

    message[6] = (uint8_t)(seq >> 8);
    message[7] = (uint8_t)seq;
    pattern_fill(message + 8, 56, seq);
    assert_int_equal(naru_sock_send(sock, &slice, 1, 0, &info, naru_loop_now(lab->loop)),
                     sizeof(message));
}

/* The reply to that request came from that address. */
static void expect_reply(struct gate_lab *lab, struct naru_sock *sock, const char *addr,
                         uint16_t seq)
{
    struct naru_endpoint from, want = lab_endpoint(addr, 0);
    uint8_t message[256];

    int64_t len = guest_recv_from(lab, sock, message, sizeof(message), &from);
    assert_int_equal(len, 8 + 56);
    assert_int_equal(message[0], strchr(addr, ':') != NULL ? 129 : 0);
    assert_int_equal(message[6] << 8 | message[7], seq);
    assert_int_equal(pattern_check(message + 8, 56, seq), 56);
    assert_true(naru_addr_eq(&from.addr, &want.addr));
}

static void the_gateway_answers_for_itself(void **state)
{
    static const char *const addr[] = { "10.0.2.2", "10.0.2.3", "fd00::2", "fd00::3" };
    struct gate_lab lab;
    (void)state;
    lab_open(&lab, NULL);
    for (uint16_t i = 0; i < sizeof(addr) / sizeof(addr[0]); i++) {
        struct naru_sock *sock =
            guest_socket(&lab, strchr(addr[i], ':') != NULL ? 6 : 4, NARU_SOCK_PING);
        send_echo(&lab, sock, addr[i], i);
        expect_reply(&lab, sock, addr[i], i);
        guest_close(&lab, sock);
    }
    assert_int_equal(lab_stats(&lab).ping_out, 0);
    lab_close(&lab);
}

/* ---- Others, in a network namespace where the test says what is allowed ---- */

static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* The kernel makes the route to an IPv6 address of its own a moment after the address. */
static const char make_host[] =
    "ip addr add 192.0.2.1/32 dev lo && ip addr add 2001:db8::1/128 dev lo &&"
    "until ip -6 route get 2001:db8::1 2>&1 | grep -q ^local; do :; done";

static void echo_to_others(void **state)
{
    static const char *const addr[] = { "192.0.2.1", "2001:db8::1" };
    struct gate_lab lab;
    (void)state;
    assert_true(write_file("/proc/sys/net/ipv4/ping_group_range", "0 2147483647"));
    lab_open(&lab, NULL);
    for (uint16_t i = 0; i < 2; i++) {
        struct naru_sock *sock =
            guest_socket(&lab, strchr(addr[i], ':') != NULL ? 6 : 4, NARU_SOCK_PING);
        for (uint16_t seq = 1; seq <= 3; seq++) {
            send_echo(&lab, sock, addr[i], seq);
            expect_reply(&lab, sock, addr[i], seq);
        }
        guest_close(&lab, sock);
    }
    assert_int_equal(lab_stats(&lab).ping_out, 6);
    assert_int_equal(lab_stats(&lab).ping_in, 6);
    assert_int_equal(lab_stats(&lab).ping_flows, 2);
    lab_close(&lab);
}

static void others_answer_where_the_host_allows_it(void **state)
{
    (void)state;
    lab_in_namespace(make_host, echo_to_others);
}

static void echo_not_allowed(void **state)
{
    struct gate_lab lab;
    (void)state;
    assert_true(write_file("/proc/sys/net/ipv4/ping_group_range", "1 0"));
    lab_open(&lab, NULL);
    struct naru_sock *sock = guest_socket(&lab, 4, NARU_SOCK_PING);
    send_echo(&lab, sock, "192.0.2.1", 1);
    lab_patience(&lab);
    while (lab_stats(&lab).ping_ignored == 0)
        lab_turn(&lab);
    lab_run_for(&lab, NARU_MS(20));
    assert_int_equal(naru_sock_ready(sock) & NARU_READY_READ, 0);
    assert_int_equal(lab_stats(&lab).ping_flows, 0);
    guest_close(&lab, sock);
    lab_close(&lab);
}

static void nobody_answers_where_it_does_not(void **state)
{
    (void)state;
    lab_in_namespace(make_host, echo_not_allowed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_gateway_answers_for_itself),
        cmocka_unit_test(others_answer_where_the_host_allows_it),
        cmocka_unit_test(nobody_answers_where_it_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
