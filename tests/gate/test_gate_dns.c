/*
 * DNS through the gateway's DNS address (gate/dns.h), against a small resolver on loopback.
 */
#include "gate_lab.h"

#include "base/addr.h"
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* A question for example.org's address, with that id. */
static size_t make_question(uint8_t *at, uint16_t id)
{
    static const uint8_t rest[] = { 1,   0,   0,   1,   0, 0,   0,   0,   0, 0, 7, 'e', 'x', 'a',
                                    'm', 'p', 'l', 'e', 3, 'o', 'r', 'g', 0, 0, 1, 0,   1 };
    at[0] = (uint8_t)(id >> 8);
    at[1] = (uint8_t)id;
    memcpy(at + 2, rest, sizeof(rest));
    return 2 + sizeof(rest);
}

/* Turns the question into its answer: 192.0.2.7. */
static size_t make_answer(uint8_t *at, size_t len)
{
    static const uint8_t record[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7 };

    at[2] |= 0x80;
    at[7] = 1;
    memcpy(at + len, record, sizeof(record));
    return len + sizeof(record);
}

struct dns_lab {
    struct gate_lab lab;
    int fd[2];
    uint16_t port[2];
};

/* Two resolvers that the gateway asks in this order; each answers when the test lets it. */
static void dns_open(struct dns_lab *d, unsigned resolvers, uint32_t timeout_ms)
{
    struct naru_gate_config config;

    naru_gate_config_init(&config);
    config.dns_timeout_ms = timeout_ms;
    config.resolver_count = resolvers;
    for (unsigned i = 0; i < 2; i++) {
        d->fd[i] = host_bound(4, SOCK_DGRAM, &d->port[i]);
        config.resolver[i] = lab_endpoint("127.0.0.1", d->port[i]);
    }
    lab_open(&d->lab, &config);
}

static void dns_close(struct dns_lab *d)
{
    lab_close(&d->lab);
    for (unsigned i = 0; i < 2; i++) {
        if (d->fd[i] >= 0)
            close(d->fd[i]);
    }
}

/* Nobody listens there any more. */
static void dns_stop(struct dns_lab *d, unsigned i)
{
    close(d->fd[i]);
    d->fd[i] = -1;
}

/* Waits for a question at that resolver and answers it. */
static void dns_serve(struct dns_lab *d, unsigned i)
{
    struct sockaddr_storage sa;
    socklen_t sa_len = sizeof(sa);
    uint8_t data[512];
    ssize_t n;

    lab_patience(&d->lab);
    while ((n = recvfrom(d->fd[i], data, 256, MSG_DONTWAIT, (struct sockaddr *)&sa, &sa_len)) < 0)
        lab_turn(&d->lab);
    size_t len = make_answer(data, (size_t)n);
    assert_int_equal(sendto(d->fd[i], data, len, 0, (struct sockaddr *)&sa, sa_len), len);
}

static void ask(struct dns_lab *d, struct naru_sock *sock, int family, uint16_t id)
{
    struct naru_endpoint to = lab_endpoint(family == 4 ? "10.0.2.3" : "fd00::3", 53);
    uint8_t data[64];

    guest_send_to(&d->lab, sock, &to, data, make_question(data, id));
}

/* The guest has got the answer with that id and result code, from the DNS address. */
static void expect_answer(struct dns_lab *d, struct naru_sock *sock, int family, uint16_t id,
                          unsigned code)
{
    struct naru_endpoint from, want = lab_endpoint(family == 4 ? "10.0.2.3" : "fd00::3", 53);
    uint8_t data[512];
    int64_t len = guest_recv_from(&d->lab, sock, data, sizeof(data), &from);

    assert_true(len >= 12);
    assert_true(naru_addr_eq(&from.addr, &want.addr));
    assert_int_equal(from.port, 53);
    assert_int_equal(data[0] << 8 | data[1], id);
    assert_int_equal(data[2] & 0x80, 0x80);
    assert_int_equal(data[3] & 15, code);
    assert_int_equal(data[7], code == 0 ? 1 : 0);
}

static void answers_come_from_the_dns_address(void **state)
{
    struct dns_lab d;
    (void)state;
    dns_open(&d, 1, 10000);
    for (int family = 4; family <= 6; family += 2) {
        struct naru_sock *sock = guest_socket(&d.lab, family, NARU_SOCK_DGRAM);
        ask(&d, sock, family, 0x1234);
        ask(&d, sock, family, 0x5678); /* as libc asks for both kinds of addresses */
        dns_serve(&d, 0);
        dns_serve(&d, 0);
        expect_answer(&d, sock, family, 0x1234, 0);
        expect_answer(&d, sock, family, 0x5678, 0);
        guest_close(&d.lab, sock);
    }
    assert_int_equal(lab_stats(&d.lab).dns_queries, 4);
    assert_int_equal(lab_stats(&d.lab).dns_answers, 4);
    assert_int_equal(lab_stats(&d.lab).dns_errors, 0);
    assert_int_equal(lab_stats(&d.lab).udp_out, 0);
    dns_close(&d);
}

static void a_resolver_that_refuses_is_passed_over(void **state)
{
    struct dns_lab d;
    (void)state;
    dns_open(&d, 2, 10000);
    dns_stop(&d, 0);
    struct naru_sock *sock = guest_socket(&d.lab, 4, NARU_SOCK_DGRAM);
    ask(&d, sock, 4, 1);
    dns_serve(&d, 1);
    expect_answer(&d, sock, 4, 1, 0);
    assert_int_equal(lab_stats(&d.lab).dns_errors, 1);
    guest_close(&d.lab, sock);

    /* The next guest is spared the detour. */
    sock = guest_socket(&d.lab, 4, NARU_SOCK_DGRAM);
    ask(&d, sock, 4, 2);
    dns_serve(&d, 1);
    expect_answer(&d, sock, 4, 2, 0);
    assert_int_equal(lab_stats(&d.lab).dns_errors, 1);
    guest_close(&d.lab, sock);
    dns_close(&d);
}

static void a_silent_resolver_is_left_when_the_guest_repeats(void **state)
{
    struct dns_lab d;
    (void)state;
    dns_open(&d, 2, 10000);
    struct naru_sock *sock = guest_socket(&d.lab, 4, NARU_SOCK_DGRAM);
    ask(&d, sock, 4, 7);
    lab_run_for(&d.lab, NARU_MS(20));
    ask(&d, sock, 4, 7);
    dns_serve(&d, 1);
    expect_answer(&d, sock, 4, 7, 0);
    guest_close(&d.lab, sock);
    dns_close(&d);
}

static void without_any_resolver_the_guest_is_told(void **state)
{
    struct dns_lab d;
    (void)state;
    dns_open(&d, 2, 10000);
    dns_stop(&d, 0);
    dns_stop(&d, 1);
    struct naru_sock *sock = guest_socket(&d.lab, 4, NARU_SOCK_DGRAM);
    ask(&d, sock, 4, 9);
    expect_answer(&d, sock, 4, 9, 2);
    assert_int_equal(lab_stats(&d.lab).udp_flows, 0);
    guest_close(&d.lab, sock);
    dns_close(&d);
}

static void questions_are_forgotten(void **state)
{
    struct dns_lab d;
    (void)state;
    dns_open(&d, 1, 50);
    struct naru_sock *sock = guest_socket(&d.lab, 4, NARU_SOCK_DGRAM);
    ask(&d, sock, 4, 1);
    lab_patience(&d.lab);
    while (lab_stats(&d.lab).udp_expired == 0)
        lab_turn(&d.lab);
    assert_int_equal(lab_stats(&d.lab).udp_expired, 1);
    assert_int_equal(lab_stats(&d.lab).udp_flows, 0);
    guest_close(&d.lab, sock);
    dns_close(&d);
}

static void nonsense_is_not_passed_on(void **state)
{
    struct dns_lab d;
    struct naru_endpoint to = lab_endpoint("10.0.2.3", 53);
    (void)state;
    dns_open(&d, 1, 10000);
    struct naru_sock *sock = guest_socket(&d.lab, 4, NARU_SOCK_DGRAM);
    guest_send_to(&d.lab, sock, &to, "short", 5);
    guest_send_to(&d.lab, sock, &to, "", 0);
    lab_run_for(&d.lab, NARU_MS(20));
    assert_int_equal(lab_stats(&d.lab).dns_queries, 0);
    assert_int_equal(lab_stats(&d.lab).dns_errors, 2);
    guest_close(&d.lab, sock);
    dns_close(&d);
}

/* ---- TCP ---- */

static void *serve_tcp(void *arg)
{
    int fd = host_accept(*(int *)arg);
    uint8_t data[512];

    host_read_all(fd, data, 2);
    size_t len = (size_t)(data[0] << 8 | data[1]);
    host_read_all(fd, data + 2, len);
    len = make_answer(data + 2, len);
    data[0] = (uint8_t)(len >> 8);
    data[1] = (uint8_t)len;
    host_write_all(fd, data, 2 + len);
    close(fd);
    return NULL;
}

static void tcp_reaches_the_resolver(void **state)
{
    struct naru_gate_config config;
    struct gate_lab lab;
    uint16_t port[2];
    uint8_t data[512];
    (void)state;
    int closed = host_bound(4, SOCK_STREAM, &port[0]);
    int fd = host_bound(4, SOCK_STREAM, &port[1]);
    naru_gate_config_init(&config);
    config.resolver_count = 2;
    for (unsigned i = 0; i < 2; i++)
        config.resolver[i] = lab_endpoint("127.0.0.1", port[i]);
    lab_open(&lab, &config);
    close(closed); /* the first refuses, the second is asked */
    pthread_t thread = host_start(serve_tcp, &fd);
    struct naru_endpoint to = lab_endpoint("10.0.2.3", 53);
    struct naru_sock *sock = guest_connected(&lab, &to);
    size_t len = make_question(data + 2, 0x4321);
    data[0] = 0;
    data[1] = (uint8_t)len;
    guest_send(&lab, sock, data, 2 + len);
    guest_recv_all(&lab, sock, data, 2 + len + 16);
    assert_int_equal(data[2] << 8 | data[3], 0x4321);
    assert_int_equal(data[2 + 7], 1);
    lab_join(&lab, thread);
    guest_close(&lab, sock);
    close(fd);
    lab_close(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_come_from_the_dns_address),
        cmocka_unit_test(a_resolver_that_refuses_is_passed_over),
        cmocka_unit_test(a_silent_resolver_is_left_when_the_guest_repeats),
        cmocka_unit_test(without_any_resolver_the_guest_is_told),
        cmocka_unit_test(questions_are_forgotten),
        cmocka_unit_test(nonsense_is_not_passed_on),
        cmocka_unit_test(tcp_reaches_the_resolver),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
