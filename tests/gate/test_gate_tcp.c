/*
 * TCP through the gateway: how connections begin and end (gate/tcp.h, gate/relay.h).
 */
#include "gate_lab.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

struct server {
    int family;
    int fd; /* listening */
    uint16_t port;
    size_t len;
    bool ok;
};

static struct server server_open(int family)
{
    struct server s = { .family = family };
    s.fd = host_bound(family, SOCK_STREAM, &s.port);
    return s;
}

/* Every test runs over both families. */
static void over_both(void (*run)(int family))
{
    run(4);
    run(6);
}

/* ---- Refused and closed ---- */

static void refused(int family)
{
    struct gate_lab lab;
    struct server s = server_open(family);
    lab_open(&lab, NULL);
    close(s.fd); /* nobody listens there now */
    struct naru_endpoint to = lab_gateway(family, s.port);
    struct naru_sock *sock = guest_socket(&lab, family, NARU_SOCK_STREAM);
    assert_int_equal(guest_connect(&lab, sock, &to), NARU_ERR_CONNREFUSED);
    guest_close(&lab, sock);
    assert_int_equal(lab_stats(&lab).tcp_refused, 1);
    assert_int_equal(lab_stats(&lab).tcp_flows, 0);
    lab_close(&lab);
}

static void a_refused_connection_is_refused_to_the_guest(void **state)
{
    (void)state;
    over_both(refused);
}

static void closed_without_host_loopback(int family)
{
    struct naru_gate_config config;
    struct gate_lab lab;
    struct server s = server_open(family);
    naru_gate_config_init(&config);
    lab_open(&lab, &config);
    struct naru_endpoint to = lab_gateway(family, s.port);
    struct naru_sock *sock = guest_socket(&lab, family, NARU_SOCK_STREAM);
    assert_int_equal(guest_connect(&lab, sock, &to), NARU_ERR_CONNREFUSED);
    guest_close(&lab, sock);
    assert_int_equal(lab_stats(&lab).tcp_opened, 0);
    close(s.fd);
    lab_close(&lab);
}

static void the_hosts_loopback_is_closed_unless_asked_for(void **state)
{
    (void)state;
    over_both(closed_without_host_loopback);
}

static void check_never(struct gate_lab *lab, const char *addr, enum naru_err want)
{
    struct naru_endpoint to = lab_endpoint(addr, 80);
    struct naru_sock *sock = guest_socket(lab, strchr(addr, ':') != NULL ? 6 : 4, NARU_SOCK_STREAM);
    enum naru_err err = guest_connect(lab, sock, &to);
    if (err != want)
        fail_msg("%s: %s", addr, naru_err_text(err));
    guest_close(lab, sock);
}

static void link_local_places_are_prohibited(void **state)
{
    struct gate_lab lab;
    (void)state;
    lab_open(&lab, NULL);
    check_never(&lab, "169.254.169.254", NARU_ERR_HOSTUNREACH);
    assert_int_equal(lab_stats(&lab).tcp_refused, 1);
    assert_int_equal(lab_stats(&lab).tcp_flows, 0);
    lab_close(&lab);
}

/* ---- Half-close ---- */

/* Reads all until the guest's end, then answers with len bytes and closes. */
static void *answer_after_end(void *arg)
{
    struct server *s = arg;
    int fd = host_accept(s->fd);
    uint8_t *data = malloc(s->len);
    size_t got = 0;
    ssize_t n;

    while ((n = recv(fd, data + got, s->len - got, 0)) > 0)
        got += (size_t)n;
    s->ok = n == 0 && got == s->len - 1 && pattern_check(data, got, 0) == got;
    pattern_fill(data, s->len, 77);
    host_write_all(fd, data, s->len);
    free(data);
    close(fd);
    return NULL;
}

static void guest_ends_first(int family)
{
    struct gate_lab lab;
    struct server s = server_open(family);
    s.len = 1 << 20;
    uint8_t *data = malloc(s.len);
    uint8_t more;
    lab_open(&lab, NULL);
    pthread_t thread = host_start(answer_after_end, &s);
    struct naru_endpoint to = lab_gateway(family, s.port);
    struct naru_sock *sock = guest_connected(&lab, &to);
    pattern_fill(data, s.len, 0);
    guest_send(&lab, sock, data, s.len - 1);
    guest_shutdown(&lab, sock);
    guest_recv_all(&lab, sock, data, s.len);
    assert_int_equal(pattern_check(data, s.len, 77), s.len);
    assert_int_equal(guest_recv(&lab, sock, &more, 1), 0);
    lab_join(&lab, thread);
    assert_true(s.ok);
    guest_close(&lab, sock);
    assert_int_equal(lab_stats(&lab).tcp_flows, 0);
    assert_int_equal(lab_stats(&lab).tcp_bytes_in, s.len);
    assert_int_equal(lab_stats(&lab).tcp_bytes_out, s.len - 1);
    free(data);
    close(s.fd);
    lab_close(&lab);
}

static void the_guest_may_end_first(void **state)
{
    (void)state;
    over_both(guest_ends_first);
}

/* Says its part and ends, then reads until the guest's end. */
static void *end_first(void *arg)
{
    struct server *s = arg;
    int fd = host_accept(s->fd);
    uint8_t *data = malloc(s->len);

    pattern_fill(data, s->len, 0);
    host_write_all(fd, data, s->len);
    shutdown(fd, SHUT_WR);
    host_read_all(fd, data, s->len);
    s->ok = pattern_check(data, s->len, 5) == s->len && recv(fd, data, 1, 0) == 0;
    free(data);
    close(fd);
    return NULL;
}

static void host_ends_first(int family)
{
    struct gate_lab lab;
    struct server s = server_open(family);
    s.len = 300000;
    uint8_t *data = malloc(s.len);
    lab_open(&lab, NULL);
    pthread_t thread = host_start(end_first, &s);
    struct naru_endpoint to = lab_gateway(family, s.port);
    struct naru_sock *sock = guest_connected(&lab, &to);
    guest_recv_all(&lab, sock, data, s.len);
    assert_int_equal(pattern_check(data, s.len, 0), s.len);
    assert_int_equal(guest_recv(&lab, sock, data, 1), 0);
    lab_run_for(&lab, NARU_MS(20));
    assert_int_equal(lab_stats(&lab).tcp_flows, 1);
    pattern_fill(data, s.len, 5);
    guest_send(&lab, sock, data, s.len);
    guest_shutdown(&lab, sock);
    lab_join(&lab, thread);
    assert_true(s.ok);
    guest_close(&lab, sock);
    lab_patience(&lab);
    while (lab_stats(&lab).tcp_flows > 0)
        lab_turn(&lab);
    free(data);
    close(s.fd);
    lab_close(&lab);
}

static void the_host_may_end_first(void **state)
{
    (void)state;
    over_both(host_ends_first);
}

/* ---- Resets ---- */

static void *wait_for_reset(void *arg)
{
    struct server *s = arg;
    int fd = host_accept(s->fd);
    uint8_t byte;

    host_read_all(fd, &byte, 1);
    s->ok = recv(fd, &byte, 1, 0) < 0 && errno == ECONNRESET;
    close(fd);
    return NULL;
}

static void guest_resets(int family)
{
    struct gate_lab lab;
    struct server s = server_open(family);
    lab_open(&lab, NULL);
    pthread_t thread = host_start(wait_for_reset, &s);
    struct naru_endpoint to = lab_gateway(family, s.port);
    struct naru_sock *sock = guest_connected(&lab, &to);
    guest_send(&lab, sock, "x", 1);
    lab_run_for(&lab, NARU_MS(20));
    naru_sock_abort(sock, naru_loop_now(lab.loop));
    lab_join(&lab, thread);
    assert_true(s.ok);
    assert_int_equal(lab_stats(&lab).tcp_flows, 0);
    close(s.fd);
    lab_close(&lab);
}

static void a_guests_reset_reaches_the_host(void **state)
{
    (void)state;
    over_both(guest_resets);
}

static void *reset_at_once(void *arg)
{
    struct server *s = arg;
    int fd = host_accept(s->fd);
    struct linger linger = { .l_onoff = 1 };
    uint8_t byte;

    host_read_all(fd, &byte, 1);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(fd);
    return NULL;
}

static void host_resets(int family)
{
    struct gate_lab lab;
    struct server s = server_open(family);
    uint8_t byte;
    lab_open(&lab, NULL);
    pthread_t thread = host_start(reset_at_once, &s);
    struct naru_endpoint to = lab_gateway(family, s.port);
    struct naru_sock *sock = guest_connected(&lab, &to);
    guest_send(&lab, sock, "x", 1);
    lab_join(&lab, thread);
    assert_int_equal(guest_recv(&lab, sock, &byte, 1), NARU_ERR_CONNRESET);
    guest_close(&lab, sock);
    assert_int_equal(lab_stats(&lab).tcp_flows, 0);
    close(s.fd);
    lab_close(&lab);
}

static void a_hosts_reset_reaches_the_guest(void **state)
{
    (void)state;
    over_both(host_resets);
}

/* After the host's FIN its reset would never be read from the socket: epoll has to tell. */
static void *end_then_reset(void *arg)
{
    struct server *s = arg;
    int fd = host_accept(s->fd);
    struct linger linger = { .l_onoff = 1 };
    uint8_t byte;

    shutdown(fd, SHUT_WR);
    host_read_all(fd, &byte, 1);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(fd);
    return NULL;
}

static void host_resets_after_its_end(int family)
{
    struct gate_lab lab;
    struct server s = server_open(family);
    uint8_t byte;
    lab_open(&lab, NULL);
    pthread_t thread = host_start(end_then_reset, &s);
    struct naru_endpoint to = lab_gateway(family, s.port);
    struct naru_sock *sock = guest_connected(&lab, &to);
    assert_int_equal(guest_recv(&lab, sock, &byte, 1), 0);
    guest_send(&lab, sock, "x", 1);
    lab_join(&lab, thread);
    lab_patience(&lab);
    while ((naru_sock_ready(sock) & NARU_READY_ERROR) == 0)
        lab_turn(&lab);
    int64_t error = 0;
    assert_int_equal(naru_sock_get(sock, NARU_OPT_ERROR, &error), NARU_OK);
    assert_int_equal(error, NARU_ERR_PIPE); /* what Linux says in CLOSE-WAIT */
    guest_close(&lab, sock);
    assert_int_equal(lab_stats(&lab).tcp_flows, 0);
    close(s.fd);
    lab_close(&lab);
}

static void a_hosts_reset_after_its_end_reaches_the_guest(void **state)
{
    (void)state;
    over_both(host_resets_after_its_end);
}

/* ---- The gateway's own end ---- */

static void *wait_for_end(void *arg)
{
    struct server *s = arg;
    uint8_t data[4096];
    ssize_t n;
    int fd = host_accept(s->fd);

    while ((n = recv(fd, data, sizeof(data), 0)) > 0)
        s->len += (size_t)n;
    s->ok = n == 0; /* and not a reset */
    close(fd);
    return NULL;
}

static void what_is_not_complete_does_not_look_so(void **state)
{
    struct gate_lab lab;
    struct server s[2] = { server_open(4), server_open(4) };
    struct naru_sock *sock[2];
    pthread_t thread[2];
    (void)state;
    lab_open(&lab, NULL);
    for (unsigned i = 0; i < 2; i++) {
        thread[i] = host_start(wait_for_end, &s[i]);
        struct naru_endpoint to = lab_gateway(4, s[i].port);
        sock[i] = guest_connected(&lab, &to);
        guest_send(&lab, sock[i], "begin", 5);
    }
    guest_shutdown(&lab, sock[0]); /* the other has not said that this is all */
    lab_run_for(&lab, NARU_MS(50));
    assert_int_equal(naru_gate_undelivered(lab.gate), 0);
    lab_close(&lab);
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(thread[i], NULL);
        assert_int_equal(s[i].len, 5);
        assert_int_equal(s[i].ok, i == 0);
        close(s[i].fd);
    }
}

/* ---- Urgent data ---- */

static void *send_urgent(void *arg)
{
    struct server *s = arg;
    int fd = host_accept(s->fd);

    host_write_all(fd, "ab", 2);
    s->ok = send(fd, "!", 1, MSG_OOB) == 1;
    host_write_all(fd, "cd", 2);
    close(fd);
    return NULL;
}

static void the_hosts_urgent_byte_keeps_its_place(void **state)
{
    struct gate_lab lab;
    struct server s = server_open(4);
    char data[6] = { 0 };
    (void)state;
    lab_open(&lab, NULL);
    pthread_t thread = host_start(send_urgent, &s);
    struct naru_endpoint to = lab_gateway(4, s.port);
    struct naru_sock *sock = guest_connected(&lab, &to);
    naru_sock_set(sock, NARU_OPT_OOBINLINE, 1, naru_loop_now(lab.loop));
    lab_join(&lab, thread);
    guest_recv_all(&lab, sock, data, 5);
    assert_memory_equal(data, "ab!cd", 5);
    assert_int_equal(guest_recv(&lab, sock, data, 1), 0);
    assert_true(s.ok);
    guest_close(&lab, sock);
    close(s.fd);
    lab_close(&lab);
}

static void *take_urgent(void *arg)
{
    struct server *s = arg;
    int fd = host_accept(s->fd);
    char data[6] = { 0 }, byte = 0;

    host_read_all(fd, data, 2);
    s->ok = recv(fd, &byte, 1, MSG_OOB) == 1 && byte == '!';
    host_read_all(fd, data + 2, 2);
    s->ok = s->ok && memcmp(data, "abcd", 4) == 0 && recv(fd, data, 1, 0) == 0;
    close(fd);
    return NULL;
}

static void the_guests_urgent_byte_keeps_its_place(void **state)
{
    struct gate_lab lab;
    struct server s = server_open(4);
    (void)state;
    lab_open(&lab, NULL);
    struct naru_endpoint to = lab_gateway(4, s.port);
    struct naru_sock *sock = guest_connected(&lab, &to);
    struct naru_slice urgent = { .at = "!", .len = 1 };
    guest_send(&lab, sock, "ab", 2);
    assert_int_equal(naru_sock_send(sock, &urgent, 1, NARU_MSG_OOB, NULL, naru_loop_now(lab.loop)),
                     1);
    guest_send(&lab, sock, "cd", 2);
    guest_shutdown(&lab, sock);
    lab_run_for(&lab, NARU_MS(20)); /* all has arrived when the server begins to read */
    pthread_t thread = host_start(take_urgent, &s);
    lab_join(&lab, thread);
    assert_true(s.ok);
    guest_close(&lab, sock);
    close(s.fd);
    lab_close(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_connection_is_refused_to_the_guest),
        cmocka_unit_test(the_hosts_loopback_is_closed_unless_asked_for),
        cmocka_unit_test(link_local_places_are_prohibited),
        cmocka_unit_test(the_guest_may_end_first),
        cmocka_unit_test(the_host_may_end_first),
        cmocka_unit_test(a_guests_reset_reaches_the_host),
        cmocka_unit_test(a_hosts_reset_reaches_the_guest),
        cmocka_unit_test(a_hosts_reset_after_its_end_reaches_the_guest),
        cmocka_unit_test(what_is_not_complete_does_not_look_so),
        cmocka_unit_test(the_hosts_urgent_byte_keeps_its_place),
        cmocka_unit_test(the_guests_urgent_byte_keeps_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
