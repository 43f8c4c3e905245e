/*
 * Where the gateway ends: descriptors, flows, places that the host cannot reach.
 *
 * The unreachable places are made with routes in a network namespace of the test's own.
 */
#include "gate_lab.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- Descriptors ---- */

/* Descriptors are used up to the limit; returns the limit as it was. */
static struct rlimit use_up_descriptors(void)
{
    struct rlimit old, low;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = (rlim_t)fd; /* the lowest that was free: none below it is */
    close(fd);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_true(open("/dev/null", O_RDONLY | O_CLOEXEC) < 0 && errno == EMFILE);
    return old;
}

static void without_descriptors_guests_wait(void **state)
{
    struct gate_lab lab;
    struct naru_loop_stats before, after;
    uint16_t port;
    int64_t tcp_state;
    (void)state;
    int fd = host_bound(4, SOCK_STREAM, &port);
    struct naru_endpoint to = lab_gateway(4, port);
    lab_open(&lab, NULL);
    struct rlimit old = use_up_descriptors();
    struct naru_sock *sock = guest_socket(&lab, 4, NARU_SOCK_STREAM);
    assert_int_equal(naru_sock_connect(sock, &to, naru_loop_now(lab.loop)), NARU_ERR_INPROGRESS);
    naru_loop_get_stats(lab.loop, &before);
    lab_run_for(&lab, NARU_MS(300));
    naru_loop_get_stats(lab.loop, &after);
    assert_true(after.turns - before.turns < 100); /* it does not spin */
    assert_true(lab_stats(&lab).tcp_ignored >= 1);
    assert_int_equal(lab_stats(&lab).tcp_flows, 0);
    assert_int_equal(naru_sock_get(sock, NARU_OPT_STATE, &tcp_state), NARU_OK);
    assert_int_equal(tcp_state, NARU_TCP_SYN_SENT); /* no answer of any kind */

    /* The guest's next SYN finds descriptors again. */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    lab_patience(&lab);
    while ((naru_sock_ready(sock) & NARU_READY_WRITE) == 0)
        lab_turn(&lab);
    assert_int_equal(lab_stats(&lab).tcp_opened, 1);
    guest_close(&lab, sock);
    close(fd);
    lab_close(&lab);
}

static void at_the_limit_of_flows_guests_wait(void **state)
{
    struct naru_gate_config config;
    struct gate_lab lab;
    struct naru_sock *sock[3];
    uint16_t port;
    (void)state;
    int fd = host_bound(4, SOCK_STREAM, &port);
    struct naru_endpoint to = lab_gateway(4, port);
    naru_gate_config_init(&config);
    config.host_loopback = true;
    config.tcp_flows_max = 2;
    lab_open(&lab, &config);
    sock[0] = guest_connected(&lab, &to);
    sock[1] = guest_connected(&lab, &to);
    sock[2] = guest_socket(&lab, 4, NARU_SOCK_STREAM);
    assert_int_equal(naru_sock_connect(sock[2], &to, naru_loop_now(lab.loop)), NARU_ERR_INPROGRESS);
    lab_run_for(&lab, NARU_MS(100));
    assert_int_equal(naru_sock_ready(sock[2]) & NARU_READY_WRITE, 0);
    assert_int_equal(lab_stats(&lab).tcp_flows, 2);
    naru_sock_abort(sock[0], naru_loop_now(lab.loop));
    lab_patience(&lab);
    while ((naru_sock_ready(sock[2]) & NARU_READY_WRITE) == 0)
        lab_turn(&lab);
    assert_int_equal(lab_stats(&lab).tcp_flows, 2);
    naru_sock_abort(sock[1], naru_loop_now(lab.loop));
    naru_sock_abort(sock[2], naru_loop_now(lab.loop));
    close(fd);
    lab_close(&lab);
}

/* ---- Unreachable ---- */

static void check_connect(struct gate_lab *lab, const char *addr, enum naru_err want)
{
    struct naru_endpoint to = lab_endpoint(addr, 80);
    struct naru_sock *sock = guest_socket(lab, strchr(addr, ':') != NULL ? 6 : 4, NARU_SOCK_STREAM);
    enum naru_err err = guest_connect(lab, sock, &to);

    if (err != want)
        fail_msg("%s: %s", addr, naru_err_text(err));
    guest_close(lab, sock);
}

static void no_route(void **state)
{
    struct gate_lab lab;
    (void)state;
    lab_open(&lab, NULL);
    check_connect(&lab, "192.0.2.1", NARU_ERR_NETUNREACH);
    check_connect(&lab, "2001:db8::1", NARU_ERR_NETUNREACH);
    assert_int_equal(lab_stats(&lab).tcp_unreachable, 2);
    lab_close(&lab);
}

static void a_host_without_routes_is_unreachable(void **state)
{
    (void)state;
    lab_in_namespace(":", no_route);
}

static const char two_kinds_of_no[] =
    "ip route add unreachable 192.0.2.1 && ip route add prohibit 192.0.2.2 &&"
    "ip -6 route add unreachable 2001:db8::1 && ip -6 route add prohibit 2001:db8::2";

static void routes_that_say_no(void **state)
{
    struct gate_lab lab;
    (void)state;
    lab_open(&lab, NULL);
    check_connect(&lab, "192.0.2.1", NARU_ERR_HOSTUNREACH);
    check_connect(&lab, "192.0.2.2", NARU_ERR_HOSTUNREACH);
    check_connect(&lab, "2001:db8::1", NARU_ERR_HOSTUNREACH);
    check_connect(&lab, "2001:db8::2", NARU_ERR_ACCES);
    assert_int_equal(lab_stats(&lab).tcp_unreachable, 2);
    assert_int_equal(lab_stats(&lab).tcp_refused, 2);
    lab_close(&lab);
}

static void what_the_hosts_routes_say_reaches_the_guest(void **state)
{
    (void)state;
    lab_in_namespace(two_kinds_of_no, routes_that_say_no);
}

/* A neighbour that is not there, and a time limit shorter than the kernel's own patience. */
static const char an_empty_link[] =
    "ip link add v0 type veth peer name v1 && ip addr add 192.0.2.254/24 dev v0 &&"
    "ip link set v0 up && ip link set v1 up";

static void nobody_answers(void **state)
{
    struct naru_gate_config config;
    struct gate_lab lab;
    (void)state;
    naru_gate_config_init(&config);
    config.connect_timeout_ms = 1500; /* the guest repeats its SYN meanwhile */
    lab_open(&lab, &config);
    check_connect(&lab, "192.0.2.1", NARU_ERR_HOSTUNREACH);
    assert_int_equal(lab_stats(&lab).tcp_unreachable, 1);
    assert_int_equal(lab_stats(&lab).tcp_flows, 0);
    lab_close(&lab);
}

static void a_silent_host_is_unreachable_in_the_end(void **state)
{
    (void)state;
    lab_in_namespace(an_empty_link, nobody_answers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_descriptors_guests_wait),
        cmocka_unit_test(at_the_limit_of_flows_guests_wait),
        cmocka_unit_test(a_host_without_routes_is_unreachable),
        cmocka_unit_test(what_the_hosts_routes_say_reaches_the_guest),
        cmocka_unit_test(a_silent_host_is_unreachable_in_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
