/*
 * Much data, slow readers and many flows through the gateway (gate/relay.h).
 */
#include "gate_lab.h"

#include <sys/socket.h>
#include <unistd.h>

#define BULK  (64U << 20)
#define CHUNK (256U << 10)

struct server {
    int fd;
    uint16_t port;
    size_t len;
    size_t flows;
    bool ok;
};

static void *echo(void *arg)
{
    struct server *s = arg;
    int fd = host_accept(s->fd);
    uint8_t *data = malloc(CHUNK);
    size_t total = 0;
    ssize_t n;

    s->ok = true;
    while ((n = recv(fd, data, CHUNK, 0)) > 0) {
        if (pattern_check(data, (size_t)n, total) != (size_t)n)
            s->ok = false;
        total += (size_t)n;
        host_write_all(fd, data, (size_t)n);
    }
    s->ok = s->ok && n == 0 && total == s->len;
    free(data);
    close(fd);
    return NULL;
}

/* Sends and receives at once, as much as goes without waiting. */
struct guest_side {
    struct naru_sock *sock;
    uint8_t *data;
    size_t sent, received, len;
};

static bool guest_step(struct gate_lab *lab, struct guest_side *g)
{
    naru_time now = naru_loop_now(lab->loop);
    bool moved = false;

    if (g->sent < g->len) {
        size_t part = g->len - g->sent < CHUNK ? g->len - g->sent : CHUNK;
        pattern_fill(g->data, part, g->sent);
        struct naru_slice slice = { .at = g->data, .len = part };
        int64_t n = naru_sock_send(g->sock, &slice, 1, 0, NULL, now);
        if (n > 0) {
            g->sent += (size_t)n;
            moved = true;
            if (g->sent == g->len)
                guest_shutdown(lab, g->sock);
        } else if (n != NARU_ERR_AGAIN) {
            fail_msg("send: %s", naru_err_text((int)n));
        }
    }
    struct naru_room room = { .at = g->data, .len = CHUNK };
    int64_t n = naru_sock_recv(g->sock, &room, 1, 0, NULL, now);
    if (n > 0) {
        size_t good = pattern_check(g->data, (size_t)n, g->received);
        if (good != (size_t)n)
            fail_msg("byte %zu is wrong", g->received + good);
        g->received += (size_t)n;
        moved = true;
    } else if (n < 0 && n != NARU_ERR_AGAIN) {
        fail_msg("recv: %s", naru_err_text((int)n));
    } else if (n == 0 && g->received != g->len) {
        fail_msg("the end came after %zu bytes", g->received);
    }
    return moved;
}

static void echo_bulk(int family)
{
    struct gate_lab lab;
    struct server s = { .len = BULK };
    s.fd = host_bound(family, SOCK_STREAM, &s.port);
    lab_open(&lab, NULL);
    pthread_t thread = host_start(echo, &s);
    struct naru_endpoint to = lab_gateway(family, s.port);
    struct guest_side g = { .sock = guest_connected(&lab, &to),
                            .data = malloc(CHUNK),
                            .len = BULK };
    while (g.received < g.len) {
        if (!guest_step(&lab, &g)) {
            lab_turn(&lab);
            continue;
        }
        lab_patience(&lab);
        lab_poll(&lab);
    }
    lab_join(&lab, thread);
    assert_true(s.ok);
    guest_close(&lab, g.sock);
    free(g.data);
    close(s.fd);
    assert_int_equal(lab_stats(&lab).tcp_bytes_out, BULK);
    assert_int_equal(lab_stats(&lab).tcp_bytes_in, BULK);
    lab_close(&lab);
}

static void echo_of_64_mb_v4(void **state)
{
    (void)state;
    echo_bulk(4);
}

static void echo_of_64_mb_v6(void **state)
{
    (void)state;
    echo_bulk(6);
}

/* ---- Back-pressure ---- */

static void *send_much(void *arg)
{
    struct server *s = arg;
    int fd = host_accept(s->fd);
    uint8_t *data = malloc(CHUNK);

    for (size_t sent = 0; sent < s->len; sent += CHUNK) {
        pattern_fill(data, CHUNK, sent);
        host_write_all(fd, data, CHUNK);
    }
    free(data);
    close(fd);
    return NULL;
}

/* No byte moves any more. */
static void wait_for_standstill(struct gate_lab *lab)
{
    uint64_t before = UINT64_MAX;
    struct naru_gate_stats stats = lab_stats(lab);

    while (before != stats.tcp_bytes_in + stats.tcp_bytes_out) {
        before = stats.tcp_bytes_in + stats.tcp_bytes_out;
        lab_run_for(lab, NARU_MS(100));
        stats = lab_stats(lab);
    }
}

static void a_slow_guest_holds_the_host_back(void **state)
{
    struct gate_lab lab;
    struct server s = { .len = BULK };
    uint8_t *data = malloc(CHUNK);
    struct naru_stack_stats stats;
    (void)state;
    s.fd = host_bound(4, SOCK_STREAM, &s.port);
    lab_open(&lab, NULL);
    pthread_t thread = host_start(send_much, &s);
    struct naru_endpoint to = lab_gateway(4, s.port);
    struct naru_sock *sock = guest_connected(&lab, &to);
    wait_for_standstill(&lab);
    naru_stack_get_stats(naru_gate_stack(lab.gate), &stats);
    assert_true(lab_stats(&lab).tcp_bytes_in < 24U << 20);
    assert_true(stats.memory_used < 16U << 20);

    /* A blocked relay costs nothing: the loop sleeps. */
    struct naru_loop_stats before, after;
    naru_loop_get_stats(lab.loop, &before);
    lab_run_for(&lab, NARU_MS(300));
    naru_loop_get_stats(lab.loop, &after);
    assert_true(after.turns - before.turns < 100);

    for (size_t got = 0; got < s.len;) {
        int64_t n = guest_recv(&lab, sock, data, CHUNK);
        assert_true(n > 0);
        assert_int_equal(pattern_check(data, (size_t)n, got), n);
        got += (size_t)n;
    }
    assert_int_equal(guest_recv(&lab, sock, data, CHUNK), 0);
    lab_join(&lab, thread);
    guest_close(&lab, sock);
    free(data);
    close(s.fd);
    lab_close(&lab);
}

struct gated_reader {
    struct server s;
    pthread_mutex_t lock; /* held by the test while nothing may be read */
};

static void *read_much(void *arg)
{
    struct gated_reader *r = arg;
    int fd = host_accept(r->s.fd);
    uint8_t *data = malloc(CHUNK);
    size_t got = 0;
    ssize_t n;

    pthread_mutex_lock(&r->lock);
    pthread_mutex_unlock(&r->lock);
    r->s.ok = true;
    while ((n = recv(fd, data, CHUNK, 0)) > 0) {
        if (pattern_check(data, (size_t)n, got) != (size_t)n)
            r->s.ok = false;
        got += (size_t)n;
    }
    r->s.ok = r->s.ok && n == 0 && got == r->s.len;
    free(data);
    close(fd);
    return NULL;
}

/* Sends until nothing moves for a while; how much went. */
static size_t send_until_full(struct gate_lab *lab, struct naru_sock *sock, uint8_t *data)
{
    size_t sent = 0;
    unsigned idle = 0;

    while (idle < 20) {
        pattern_fill(data, CHUNK, sent);
        struct naru_slice slice = { .at = data, .len = CHUNK };
        int64_t n = naru_sock_send(sock, &slice, 1, 0, NULL, naru_loop_now(lab->loop));
        assert_true(n > 0 || n == NARU_ERR_AGAIN);
        if (n > 0)
            sent += (size_t)n;
        idle = n > 0 ? 0 : idle + 1;
        lab_run_for(lab, NARU_MS(10));
    }
    return sent;
}

static void a_slow_host_holds_the_guest_back(void **state)
{
    struct gate_lab lab;
    struct gated_reader r = { .lock = PTHREAD_MUTEX_INITIALIZER };
    uint8_t *data = malloc(CHUNK);
    struct naru_stack_stats stats;
    (void)state;
    r.s.fd = host_bound(4, SOCK_STREAM, &r.s.port);
    lab_open(&lab, NULL);
    pthread_mutex_lock(&r.lock);
    pthread_t thread = host_start(read_much, &r);
    struct naru_endpoint to = lab_gateway(4, r.s.port);
    struct naru_sock *sock = guest_connected(&lab, &to);
    r.s.len = send_until_full(&lab, sock, data);
    assert_true(r.s.len > 0 && r.s.len < 64U << 20);
    naru_stack_get_stats(naru_gate_stack(lab.gate), &stats);
    assert_true(stats.memory_used < 32U << 20);
    assert_true(naru_gate_undelivered(lab.gate) > 0);
    guest_shutdown(&lab, sock);
    pthread_mutex_unlock(&r.lock);
    lab_join(&lab, thread);
    assert_true(r.s.ok);
    assert_int_equal(naru_gate_undelivered(lab.gate), 0);
    guest_close(&lab, sock);
    free(data);
    close(r.s.fd);
    lab_close(&lab);
}

/* ---- Many at once ---- */

#define FLOWS    200
#define FLOW_LEN (64U << 10)

struct echo_one {
    int fd;
    pthread_t thread;
};

static void *echo_connection(void *arg)
{
    int fd = *(int *)arg;
    uint8_t data[8192];
    ssize_t n;

    while ((n = recv(fd, data, sizeof(data), 0)) > 0)
        host_write_all(fd, data, (size_t)n);
    close(fd);
    return NULL;
}

static void *echo_many(void *arg)
{
    struct server *s = arg;
    struct echo_one *one = calloc(s->flows, sizeof(*one));

    for (size_t i = 0; i < s->flows; i++) {
        one[i].fd = host_accept(s->fd);
        one[i].thread = host_start(echo_connection, &one[i].fd);
    }
    for (size_t i = 0; i < s->flows; i++)
        pthread_join(one[i].thread, NULL);
    free(one);
    return NULL;
}

static void two_hundred_flows_at_once(void **state)
{
    struct gate_lab lab;
    struct server s = { .flows = FLOWS };
    struct guest_side g[FLOWS] = { 0 };
    size_t done = 0;
    (void)state;
    s.fd = host_bound(4, SOCK_STREAM, &s.port);
    lab_open(&lab, NULL);
    pthread_t thread = host_start(echo_many, &s);
    struct naru_endpoint to = lab_gateway(4, s.port);
    uint8_t *data = malloc(CHUNK);
    for (size_t i = 0; i < FLOWS; i++) {
        g[i].sock = guest_socket(&lab, 4, NARU_SOCK_STREAM);
        g[i].data = data;
        g[i].len = FLOW_LEN;
        assert_int_equal(naru_sock_connect(g[i].sock, &to, naru_loop_now(lab.loop)),
                         NARU_ERR_INPROGRESS);
    }
    while (done < FLOWS) {
        done = 0;
        for (size_t i = 0; i < FLOWS; i++) {
            bool open = (naru_sock_ready(g[i].sock) & NARU_READY_WRITE) != 0 || g[i].sent > 0;
            if (open && g[i].received < g[i].len && guest_step(&lab, &g[i]))
                lab_patience(&lab);
            done += g[i].received == g[i].len;
        }
        lab_turn(&lab);
    }
    assert_int_equal(lab_stats(&lab).tcp_opened, FLOWS);
    for (size_t i = 0; i < FLOWS; i++)
        guest_close(&lab, g[i].sock);
    lab_join(&lab, thread);
    lab_patience(&lab);
    while (lab_stats(&lab).tcp_flows > 0)
        lab_turn(&lab);
    free(data);
    close(s.fd);
    lab_close(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echo_of_64_mb_v4),
        cmocka_unit_test(echo_of_64_mb_v6),
        cmocka_unit_test(a_slow_guest_holds_the_host_back),
        cmocka_unit_test(a_slow_host_holds_the_guest_back),
        cmocka_unit_test(two_hundred_flows_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
