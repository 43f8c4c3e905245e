/*
 * UDP through the gateway: mappings, sources, lives, limits (gate/udp.h).
 */
#include "gate_lab.h"

#include "base/addr.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* Waits for the next datagram while the loop turns; its sender's port. */
static uint16_t host_recv(struct gate_lab *lab, int fd, void *data, size_t size, size_t *len)
{
    struct sockaddr_in6 sa; /* the port is at the same place in both families */
    socklen_t sa_len = sizeof(sa);
    ssize_t n;

    lab_patience(lab);
    while ((n = recvfrom(fd, data, size, MSG_DONTWAIT, (struct sockaddr *)&sa, &sa_len)) < 0)
        lab_turn(lab);
    *len = (size_t)n;
    return ntohs(sa.sin6_port);
}

static void host_send(int fd, int family, uint16_t port, const void *data, size_t len)
{
    struct sockaddr_in6 six = { .sin6_family = AF_INET6,
                                .sin6_port = htons(port),
                                .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    struct sockaddr_in four = { .sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    ssize_t n = family == 4 ? sendto(fd, data, len, 0, (struct sockaddr *)&four, sizeof(four))
                            : sendto(fd, data, len, 0, (struct sockaddr *)&six, sizeof(six));
    assert_int_equal(n, len);
}

static void check_from(const struct naru_endpoint *from, const struct naru_endpoint *want)
{
    assert_true(naru_addr_eq(&from->addr, &want->addr));
    assert_int_equal(from->port, want->port);
}

/* ---- One port to everybody ---- */

static void one_mapping(int family)
{
    struct gate_lab lab;
    uint16_t port[2], seen[2];
    int fd[2];
    char data[64];
    size_t len;

    lab_open(&lab, NULL);
    struct naru_sock *sock = guest_socket(&lab, family, NARU_SOCK_DGRAM);
    for (unsigned i = 0; i < 2; i++) {
        fd[i] = host_bound(family, SOCK_DGRAM, &port[i]);
        struct naru_endpoint to = lab_gateway(family, port[i]);
        guest_send_to(&lab, sock, &to, "question", 8);
        seen[i] = host_recv(&lab, fd[i], data, sizeof(data), &len);
        assert_int_equal(len, 8);
        assert_memory_equal(data, "question", 8);
    }
    assert_int_equal(seen[0], seen[1]);
    assert_int_equal(lab_stats(&lab).udp_flows, 1);

    /* Each answer comes from whom it was asked, whatever the order. */
    for (unsigned i = 2; i-- > 0;) {
        struct naru_endpoint from, want = lab_gateway(family, port[i]);
        host_send(fd[i], family, seen[i], "answer", 6);
        assert_int_equal(guest_recv_from(&lab, sock, data, sizeof(data), &from), 6);
        check_from(&from, &want);
    }

    /* Somebody it never wrote to is heard too. */
    uint16_t other;
    int fd3 = host_bound(family, SOCK_DGRAM, &other);
    struct naru_endpoint from, want = lab_gateway(family, other);
    host_send(fd3, family, seen[0], "hello", 5);
    assert_int_equal(guest_recv_from(&lab, sock, data, sizeof(data), &from), 5);
    check_from(&from, &want);

    close(fd3);
    close(fd[0]);
    close(fd[1]);
    guest_close(&lab, sock);
    lab_close(&lab);
}

static void a_guests_port_is_one_port_to_everybody(void **state)
{
    (void)state;
    one_mapping(4);
    one_mapping(6);
}

static void sizes(int family)
{
    static const size_t size[] = { 0, 1, 1472, 1473, 9000, 65507 };
    struct gate_lab lab;
    uint16_t port;
    uint8_t *data = malloc(65536), *back = malloc(65536);
    int fd = host_bound(family, SOCK_DGRAM, &port);

    lab_open(&lab, NULL);
    struct naru_endpoint to = lab_gateway(family, port), from;
    struct naru_sock *sock = guest_socket(&lab, family, NARU_SOCK_DGRAM);
    for (size_t i = 0; i < sizeof(size) / sizeof(size[0]); i++) {
        size_t len;
        pattern_fill(data, size[i], i);
        guest_send_to(&lab, sock, &to, data, size[i]);
        uint16_t seen = host_recv(&lab, fd, back, 65536, &len);
        assert_int_equal(len, size[i]);
        assert_int_equal(pattern_check(back, len, i), len);
        host_send(fd, family, seen, back, len);
        assert_int_equal(guest_recv_from(&lab, sock, data, 65536, &from), size[i]);
        assert_int_equal(pattern_check(data, len, i), len);
    }
    free(data);
    free(back);
    close(fd);
    guest_close(&lab, sock);
    lab_close(&lab);
}

static void datagrams_of_all_sizes_pass(void **state)
{
    (void)state;
    sizes(4);
    sizes(6);
}

#define BURST 100

static void a_burst_keeps_its_order(void **state)
{
    struct gate_lab lab;
    uint16_t port, seen = 0;
    uint8_t data[1000];
    struct naru_endpoint from;
    size_t len;
    (void)state;
    int fd = host_bound(4, SOCK_DGRAM, &port);
    lab_open(&lab, NULL);
    struct naru_endpoint to = lab_gateway(4, port);
    struct naru_sock *sock = guest_socket(&lab, 4, NARU_SOCK_DGRAM);
    guest_send_to(&lab, sock, &to, "warm", 4); /* the neighbour is found before the burst */
    host_recv(&lab, fd, data, sizeof(data), &len);
    for (unsigned i = 0; i < BURST; i++) {
        pattern_fill(data, sizeof(data), i);
        guest_send_to(&lab, sock, &to, data, sizeof(data));
    }
    for (unsigned i = 0; i < BURST; i++) {
        seen = host_recv(&lab, fd, data, sizeof(data), &len);
        assert_int_equal(pattern_check(data, len, i), sizeof(data));
    }
    for (unsigned i = 0; i < BURST; i++) {
        pattern_fill(data, sizeof(data), i + 1000);
        host_send(fd, 4, seen, data, sizeof(data));
    }
    for (unsigned i = 0; i < BURST; i++) {
        assert_int_equal(guest_recv_from(&lab, sock, data, sizeof(data), &from), sizeof(data));
        assert_int_equal(pattern_check(data, sizeof(data), i + 1000), sizeof(data));
    }
    assert_int_equal(lab_stats(&lab).udp_out, BURST + 1);
    assert_int_equal(lab_stats(&lab).udp_in, BURST);
    close(fd);
    guest_close(&lab, sock);
    lab_close(&lab);
}

/* ---- Lives and limits ---- */

static void wait_for_flows(struct gate_lab *lab, unsigned count)
{
    lab_patience(lab);
    while (lab_stats(lab).udp_flows != count)
        lab_turn(lab);
}

static void silence_ends_a_flow(void **state)
{
    struct naru_gate_config config;
    struct gate_lab lab;
    uint16_t port;
    char data[8];
    size_t len;
    struct naru_endpoint from;
    (void)state;
    int fd = host_bound(4, SOCK_DGRAM, &port);
    naru_gate_config_init(&config);
    config.host_loopback = true;
    config.udp_timeout_ms = 50;
    config.udp_stream_timeout_ms = 400;
    lab_open(&lab, &config);
    struct naru_endpoint to = lab_gateway(4, port);
    struct naru_sock *sock = guest_socket(&lab, 4, NARU_SOCK_DGRAM);
    guest_send_to(&lab, sock, &to, "a", 1);
    host_recv(&lab, fd, data, sizeof(data), &len);
    wait_for_flows(&lab, 0);
    assert_int_equal(lab_stats(&lab).udp_expired, 1);

    /* Once there was an answer it lives longer. */
    guest_send_to(&lab, sock, &to, "b", 1);
    uint16_t seen = host_recv(&lab, fd, data, sizeof(data), &len);
    host_send(fd, 4, seen, "c", 1);
    guest_recv_from(&lab, sock, data, sizeof(data), &from);
    naru_time answered_at = naru_loop_now(lab.loop);
    wait_for_flows(&lab, 0);
    assert_true(naru_loop_now(lab.loop) - answered_at > NARU_MS(300));
    assert_int_equal(lab_stats(&lab).udp_opened, 2);
    close(fd);
    guest_close(&lab, sock);
    lab_close(&lab);
}

static void a_full_table_forgets_the_least_used(void **state)
{
    struct naru_gate_config config;
    struct gate_lab lab;
    struct naru_sock *sock[4];
    uint16_t port, seen[4];
    char data[8];
    size_t len;
    (void)state;
    int fd = host_bound(4, SOCK_DGRAM, &port);
    naru_gate_config_init(&config);
    config.host_loopback = true;
    config.udp_flows_max = 3;
    lab_open(&lab, &config);
    struct naru_endpoint to = lab_gateway(4, port);
    for (unsigned i = 0; i < 3; i++) {
        sock[i] = guest_socket(&lab, 4, NARU_SOCK_DGRAM);
        guest_send_to(&lab, sock[i], &to, "x", 1);
        seen[i] = host_recv(&lab, fd, data, sizeof(data), &len);
    }
    guest_send_to(&lab, sock[0], &to, "x", 1); /* the second is the oldest now */
    host_recv(&lab, fd, data, sizeof(data), &len);
    sock[3] = guest_socket(&lab, 4, NARU_SOCK_DGRAM);
    guest_send_to(&lab, sock[3], &to, "x", 1);
    host_recv(&lab, fd, data, sizeof(data), &len);
    assert_int_equal(lab_stats(&lab).udp_flows, 3);
    assert_int_equal(lab_stats(&lab).udp_evicted, 1);
    guest_send_to(&lab, sock[0], &to, "x", 1);
    assert_int_equal(host_recv(&lab, fd, data, sizeof(data), &len), seen[0]);
    guest_send_to(&lab, sock[1], &to, "x", 1);
    assert_int_not_equal(host_recv(&lab, fd, data, sizeof(data), &len), seen[1]);
    for (unsigned i = 0; i < 4; i++)
        guest_close(&lab, sock[i]);
    close(fd);
    lab_close(&lab);
}

/* ---- What cannot arrive ---- */

/* A connected socket of the guest hears of it: the error of its next call. */
static void expect_error(struct gate_lab *lab, const struct naru_endpoint *to, enum naru_err want)
{
    bool v4 = naru_addr_is_v4(&to->addr);
    struct naru_sock *sock = guest_socket(lab, v4 ? 4 : 6, NARU_SOCK_DGRAM);
    char data[8];

    assert_int_equal(guest_connect(lab, sock, to), NARU_OK);
    guest_send_to(lab, sock, to, "x", 1);
    assert_int_equal(guest_recv(lab, sock, data, sizeof(data)), want);
    guest_close(lab, sock);
}

static void nobody_listens(int family)
{
    struct gate_lab lab;
    uint16_t port, live_port, seen;
    char data[8];
    size_t len;
    int fd = host_bound(family, SOCK_DGRAM, &port);
    int live = host_bound(family, SOCK_DGRAM, &live_port);

    close(fd);
    lab_open(&lab, NULL);
    struct naru_endpoint to = lab_gateway(family, port), live_to = lab_gateway(family, live_port);
    expect_error(&lab, &to, NARU_ERR_CONNREFUSED);

    /* The news about one destination costs no datagram to another. */
    struct naru_sock *sock = guest_socket(&lab, family, NARU_SOCK_DGRAM);
    for (unsigned i = 0; i < 20; i++) {
        guest_send_to(&lab, sock, &to, "dead", 4);
        guest_send_to(&lab, sock, &live_to, "live", 4);
        seen = host_recv(&lab, live, data, sizeof(data), &len);
        assert_int_equal(len, 4);
        host_send(live, family, seen, "back", 4);
        assert_int_equal(guest_recv(&lab, sock, data, sizeof(data)), 4);
    }
    assert_int_equal(lab_stats(&lab).udp_in, 20);
    guest_close(&lab, sock);
    close(live);
    lab_close(&lab);
}

static void a_port_where_nobody_listens_is_unreachable(void **state)
{
    (void)state;
    nobody_listens(4);
    nobody_listens(6);
}

static void closed_places_are_unreachable(void **state)
{
    struct naru_gate_config config;
    struct gate_lab lab;
    (void)state;
    naru_gate_config_init(&config);
    lab_open(&lab, &config);
    struct naru_endpoint v4 = lab_gateway(4, 9), v6 = lab_gateway(6, 9);
    expect_error(&lab, &v4, NARU_ERR_CONNREFUSED);
    expect_error(&lab, &v6, NARU_ERR_CONNREFUSED);
    assert_int_equal(lab_stats(&lab).udp_filtered, 2);
    lab_close(&lab);
}

/* ---- What is not relayed ---- */

/* Multicast and broadcast to the gateway are not relayed, and break nothing (B-gateway-multicast).
 */
static void some_places_are_filtered(void **state)
{
    static const char *const addr[] = { "169.254.169.254", "10.0.2.77",   "10.0.2.2",
                                        "fd00::2",         "224.0.0.251", "239.1.2.3",
                                        "255.255.255.255", "10.0.2.255",  "ff02::fb" };
    struct naru_gate_config config;
    struct gate_lab lab;
    (void)state;
    naru_gate_config_init(&config);
    lab_open(&lab, &config);
    for (size_t i = 0; i < sizeof(addr) / sizeof(addr[0]); i++) {
        struct naru_endpoint to = lab_endpoint(addr[i], 9);
        struct naru_sock *sock =
            guest_socket(&lab, strchr(addr[i], ':') != NULL ? 6 : 4, NARU_SOCK_DGRAM);
        (void)naru_sock_set(sock, NARU_OPT_BROADCAST, 1, 0);
        guest_send_to(&lab, sock, &to, "x", 1);
        lab_run_for(&lab, NARU_MS(20));
        guest_close(&lab, sock);
    }
    assert_int_equal(lab_stats(&lab).udp_flows, 0);
    assert_int_equal(lab_stats(&lab).udp_out, 0);
    lab_close(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guests_port_is_one_port_to_everybody),
        cmocka_unit_test(datagrams_of_all_sizes_pass),
        cmocka_unit_test(a_burst_keeps_its_order),
        cmocka_unit_test(silence_ends_a_flow),
        cmocka_unit_test(a_full_table_forgets_the_least_used),
        cmocka_unit_test(a_port_where_nobody_listens_is_unreachable),
        cmocka_unit_test(closed_places_are_unreachable),
        cmocka_unit_test(some_places_are_filtered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
