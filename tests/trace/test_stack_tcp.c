/*
 * Two stacks on a wire: connections are made, carry bytes, and end, in every order.
 */
#include "lib/stack_lab.h"
#include "stack/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct naru_addr unspecified;
static const enum naru_family families[2] = { NARU_IPV4, NARU_IPV6 };

static void transfers(void **state)
{
    (void)state;
    static const struct lab_options options[] = {
        { 0 },
        { .mtu = 1280, .delay = NARU_MS(20) },
        { .mtu = 9000, .delay = NARU_MS(1) },
        { .offload = NARU_OFFLOAD_TX_CSUM | NARU_OFFLOAD_TX_TSO, .delay = NARU_MS(5) },
        { .loss_percent = 2, .delay = NARU_MS(5) },
        { .loss_percent = 10, .delay = NARU_MS(5) },
    };
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        for (int f = 0; f < 2; f++) {
            struct lab lab = { 0 };
            struct naru_sock *client, *server;
            assert_true(lab_pair(&lab, &options[i]));
            assert_true(lab_established(&lab, families[f], 80, &client, &server));
            assert_true(lab_transfer(&lab, client, server, 3000000, lab.now + NARU_SEC(600)));
            assert_true(lab_transfer(&lab, server, client, 300000, lab.now + NARU_SEC(600)));
            naru_sock_close(client, lab.now);
            naru_sock_close(server, lab.now);
            lab_run(&lab, lab.now + NARU_SEC(300));
            struct naru_stack_stats stats;
            naru_stack_get_stats(lab.stack[0], &stats);
            assert_int_equal(stats.flows, 0);
            assert_int_equal(stats.time_wait, 0);
            lab_end(&lab);
        }
    }
}

static unsigned ready(struct naru_sock *sock) { return naru_sock_ready(sock); }

static void refused(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct lab lab = { 0 };
        struct lab_options options = { 0 };
        assert_true(lab_pair(&lab, &options));
        struct naru_sock *client = lab_connect(&lab, 0, 1, families[f], 81);
        lab_run(&lab, lab.now + NARU_SEC(1));
        int64_t error;
        assert_true(ready(client) & NARU_READY_ERROR);
        assert_int_equal(naru_sock_get(client, NARU_OPT_ERROR, &error), NARU_OK);
        assert_int_equal(error, NARU_ERR_CONNREFUSED);
        naru_sock_close(client, lab.now);
        lab_end(&lab);
    }
}

static void unreachable_host(void **state)
{
    (void)state;
    struct lab lab = { 0 };
    struct lab_options options = { 0 };
    assert_true(lab_pair(&lab, &options));
    struct naru_sock *client;
    struct naru_endpoint nobody = { .addr = naru_addr_v4(0x0a000042), .port = 80 };
    assert_int_equal(naru_sock_new(lab.stack[0], NARU_IPV4, NARU_SOCK_STREAM, &client), NARU_OK);
    assert_int_equal(naru_sock_connect(client, &nobody, lab.now), NARU_ERR_INPROGRESS);
    assert_int_equal(naru_sock_connect(client, &nobody, lab.now), NARU_ERR_ALREADY);
    lab_run(&lab, lab.now + NARU_SEC(5));
    int64_t error;
    assert_int_equal(naru_sock_get(client, NARU_OPT_ERROR, &error), NARU_OK);
    assert_int_equal(error, NARU_ERR_HOSTUNREACH);
    naru_sock_close(client, lab.now);
    lab_end(&lab);
}

static int64_t read_some(struct lab *lab, struct naru_sock *sock, void *at, size_t size)
{
    struct naru_room room = { at, size };
    return naru_sock_recv(sock, &room, 1, 0, NULL, lab->now);
}

static int64_t write_some(struct lab *lab, struct naru_sock *sock, const void *at, size_t len)
{
    struct naru_slice slice = { at, len };
    return naru_sock_send(sock, &slice, 1, 0, NULL, lab->now);
}

/* Half-close: the other direction goes on. */
static void half_close(void **state)
{
    (void)state;
    struct lab lab = { 0 };
    struct lab_options options = { .delay = NARU_MS(10) };
    struct naru_sock *client, *server;
    char buf[16];
    assert_true(lab_pair(&lab, &options));
    assert_true(lab_established(&lab, NARU_IPV4, 80, &client, &server));
    assert_int_equal(write_some(&lab, client, "question", 8), 8);
    assert_int_equal(naru_sock_shutdown(client, NARU_SHUTDOWN_WRITE, lab.now), NARU_OK);
    assert_int_equal(write_some(&lab, client, "x", 1), NARU_ERR_PIPE);
    lab_run(&lab, lab.now + NARU_MS(100));
    assert_int_equal(lab_state(client), NARU_TCP_FIN_WAIT_2);
    assert_int_equal(lab_state(server), NARU_TCP_CLOSE_WAIT);
    assert_int_equal(read_some(&lab, server, buf, sizeof(buf)), 8);
    assert_int_equal(read_some(&lab, server, buf, sizeof(buf)), 0);
    assert_true(lab_transfer(&lab, server, client, 100000, lab.now + NARU_SEC(10)));
    naru_sock_close(server, lab.now);
    lab_run(&lab, lab.now + NARU_MS(100));
    assert_int_equal(lab_state(client), NARU_TCP_TIME_WAIT);
    assert_int_equal(read_some(&lab, client, buf, sizeof(buf)), 0);
    naru_sock_close(client, lab.now);
    struct naru_stack_stats stats;
    naru_stack_get_stats(lab.stack[0], &stats);
    assert_int_equal(stats.time_wait, 1);
    assert_int_equal(stats.sockets, 0);
    lab_run(&lab, lab.now + NARU_SEC(61));
    naru_stack_get_stats(lab.stack[0], &stats);
    assert_int_equal(stats.time_wait, 0);
    lab_end(&lab);
}

static void simultaneous_close(void **state)
{
    (void)state;
    struct lab lab = { 0 };
    struct lab_options options = { .delay = NARU_MS(10) };
    struct naru_sock *client, *server;
    assert_true(lab_pair(&lab, &options));
    assert_true(lab_established(&lab, NARU_IPV6, 80, &client, &server));
    lab_run(&lab, lab.now + NARU_MS(100));
    assert_int_equal(naru_sock_shutdown(client, NARU_SHUTDOWN_WRITE, lab.now), NARU_OK);
    assert_int_equal(naru_sock_shutdown(server, NARU_SHUTDOWN_WRITE, lab.now), NARU_OK);
    lab_run(&lab, lab.now + NARU_MS(15));
    assert_int_equal(lab_state(client), NARU_TCP_CLOSING);
    assert_int_equal(lab_state(server), NARU_TCP_CLOSING);
    lab_run(&lab, lab.now + NARU_MS(100));
    assert_int_equal(lab_state(client), NARU_TCP_TIME_WAIT);
    assert_int_equal(lab_state(server), NARU_TCP_TIME_WAIT);
    naru_sock_close(client, lab.now);
    naru_sock_close(server, lab.now);
    lab_end(&lab);
}

static void abort_resets(void **state)
{
    (void)state;
    struct lab lab = { 0 };
    struct lab_options options = { .delay = NARU_MS(1) };
    struct naru_sock *client, *server;
    char buf[4];
    assert_true(lab_pair(&lab, &options));
    assert_true(lab_established(&lab, NARU_IPV4, 80, &client, &server));
    naru_sock_abort(client, lab.now);
    lab_run(&lab, lab.now + NARU_MS(100));
    assert_true(ready(server) & NARU_READY_ERROR);
    assert_int_equal(read_some(&lab, server, buf, sizeof(buf)), NARU_ERR_CONNRESET);
    assert_int_equal(write_some(&lab, server, "x", 1), NARU_ERR_PIPE);
    naru_sock_close(server, lab.now);
    struct naru_stack_stats stats;
    naru_stack_get_stats(lab.stack[0], &stats);
    assert_int_equal(stats.flows + stats.sockets, 0);
    lab_end(&lab);
}

/* A listener with a short queue, many clients: all are served in the end (C-listen-backlog). */
static void many_connections(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    struct lab lab = { 0 };
    struct lab_options options = { .delay = NARU_MS(1) };
    struct naru_sock *client[COUNT], *server;
    assert_true(lab_pair(&lab, &options));
    struct naru_sock *listener = lab_listen(&lab, 1, NARU_IPV4, 80);
    assert_int_equal(naru_sock_listen(listener, 100, lab.now), NARU_OK);
    for (int i = 0; i < COUNT; i++) {
        client[i] = lab_connect(&lab, 0, 1, NARU_IPV4, 80);
        assert_non_null(client[i]);
    }
    lab_run(&lab, lab.now + NARU_MS(100));
    for (int i = 0; i < COUNT;
         i++) /* who was answered by a cookie must speak, or nobody knows of him */
        (void)write_some(&lab, client[i], "x", 1);
    for (int i = 0; i < COUNT; i++) {
        server = NULL;
        for (int tries = 0; server == NULL && tries < 20; tries++)
            server = lab_accept(&lab, listener);
        assert_non_null(server);
        naru_sock_close(server, lab.now);
    }
    for (int i = 0; i < COUNT; i++)
        naru_sock_close(client[i], lab.now);
    naru_sock_close(listener, lab.now);
    lab_run(&lab, lab.now + NARU_SEC(400));
    struct naru_stack_stats stats;
    naru_stack_get_stats(lab.stack[1], &stats);
    assert_int_equal(stats.flows + stats.sockets + stats.half_open + stats.time_wait, 0);
    lab_end(&lab);
}

static void no_syn_queue(struct naru_config *config) { config->syn_queue_max = 0; }

/* SYN-RECEIVED with SYN cookies and without (C-syn-cookie). */
static void syn_cookies(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct lab lab = { 0 };
        struct lab_options options = { .delay = NARU_MS(1), .tune = no_syn_queue };
        struct naru_sock *client, *server;
        assert_true(lab_pair(&lab, &options));
        assert_true(lab_established(&lab, families[f], 80, &client, &server));
        struct naru_stack_stats stats;
        naru_stack_get_stats(lab.stack[1], &stats);
        assert_int_equal(stats.tcp_syn_cookies_sent, 1);
        assert_int_equal(stats.tcp_syn_cookies_accepted, 1);
        assert_true(lab_transfer(&lab, client, server, 1000000, lab.now + NARU_SEC(60)));
        assert_true(lab_transfer(&lab, server, client, 1000000, lab.now + NARU_SEC(60)));
        naru_sock_close(client, lab.now);
        naru_sock_close(server, lab.now);
        lab_end(&lab);
    }
}

/* The gateway's way: any address, any port, and the SYN answered when the holder knows. */
static void deferred(void **state)
{
    (void)state;
    static const struct {
        enum naru_answer answer;
        int error;
    } rows[] = {
        { NARU_ANSWER_ACCEPT, NARU_OK },
        { NARU_ANSWER_REFUSE, NARU_ERR_CONNREFUSED },
        { NARU_ANSWER_NET_UNREACHABLE, NARU_ERR_NETUNREACH },
        { NARU_ANSWER_HOST_UNREACHABLE, NARU_ERR_HOSTUNREACH },
    };
    for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
        bool v6 = i % 2;
        struct lab lab = { 0 };
        struct lab_options options = { .accept_any = true, .delay = NARU_MS(1) };
        struct naru_sock *listener, *client, *server;
        struct naru_endpoint any = { .addr = v6 ? unspecified : naru_addr_v4(0) };
        struct naru_endpoint world = { .port = 443 }, local;
        assert_true(lab_pair(&lab, &options));
        assert_true(naru_addr_parse(v6 ? "2001:db8::5" : "192.0.2.5", &world.addr));
        struct naru_route route = { .prefix = any.addr,
                                    .has_gateway = true,
                                    .gateway = v6 ? lab.v6[1] : lab.v4[1] };
        assert_int_equal(naru_route_add(lab.stack[0], &route), NARU_OK);
        assert_int_equal(
            naru_sock_new(lab.stack[1], v6 ? NARU_IPV6 : NARU_IPV4, NARU_SOCK_STREAM, &listener),
            NARU_OK);
        assert_int_equal(naru_sock_set(listener, NARU_OPT_TRANSPARENT, 1, lab.now), NARU_OK);
        assert_int_equal(naru_sock_set(listener, NARU_OPT_DEFER_ANSWER, 1, lab.now), NARU_OK);
        assert_int_equal(naru_sock_bind(listener, &any), NARU_OK);
        assert_int_equal(naru_sock_listen(listener, 10, lab.now), NARU_OK);
        assert_int_equal(
            naru_sock_new(lab.stack[0], v6 ? NARU_IPV6 : NARU_IPV4, NARU_SOCK_STREAM, &client),
            NARU_OK);
        assert_int_equal(naru_sock_connect(client, &world, lab.now), NARU_ERR_INPROGRESS);
        server = lab_accept(&lab, listener);
        assert_non_null(server);
        naru_sock_local(server, &local);
        assert_memory_equal(&local.addr, &world.addr, sizeof(local.addr));
        assert_int_equal(local.port, 443);
        lab_run(&lab, lab.now + NARU_MS(500));
        assert_int_equal(lab_state(client), NARU_TCP_SYN_SENT);

        assert_int_equal(naru_sock_answer(server, rows[i / 2].answer, lab.now), NARU_OK);
        assert_int_equal(naru_sock_answer(server, rows[i / 2].answer, lab.now), NARU_ERR_INVAL);
        lab_run(&lab, lab.now + NARU_MS(500));
        int64_t error;
        assert_int_equal(naru_sock_get(client, NARU_OPT_ERROR, &error), NARU_OK);
        assert_int_equal(error, rows[i / 2].error);
        if (rows[i / 2].error == NARU_OK)
            assert_true(lab_transfer(&lab, client, server, 100000, lab.now + NARU_SEC(10)));
        naru_sock_close(server, lab.now);
        naru_sock_close(client, lab.now);
        naru_sock_close(listener, lab.now);
        lab_end(&lab);
    }
}

/* What is said while there is no way to the peer is as good as lost: it is said again. */
static void no_way_for_a_while(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct lab lab = { 0 };
        struct lab_options options = { .tune = i / 2 ? lab_long_way : NULL };
        struct naru_sock *client, *server;
        assert_true(lab_pair(&lab, &options));
        assert_true(lab_established(&lab, i % 2 ? NARU_IPV6 : NARU_IPV4, 80, &client, &server));
        lab_run(&lab, lab.now + NARU_SEC(1)); /* no timer of theirs is set any more */
        assert_int_equal(naru_iface_set_up(lab.stack[0], lab.ifindex[0], false, lab.now), NARU_OK);
        uint8_t byte = 'x';
        struct naru_slice slice = { &byte, 1 };
        struct naru_room room = { &byte, 1 };
        assert_int_equal(naru_sock_send(client, &slice, 1, 0, NULL, lab.now), 1);
        naru_stack_check(lab.stack[0]);
        lab_run(&lab, lab.now + NARU_SEC(2));
        assert_int_equal(naru_iface_set_up(lab.stack[0], lab.ifindex[0], true, lab.now), NARU_OK);
        lab_run(&lab, lab.now + NARU_SEC(5));
        assert_int_equal(naru_sock_recv(server, &room, 1, 0, NULL, lab.now), 1);
        naru_sock_close(client, lab.now);
        naru_sock_close(server, lab.now);
        lab_end(&lab);
    }
}

static void own_loopback(void **state)
{
    (void)state;
    struct lab lab = { 0 };
    struct lab_options options = { 0 };
    assert_true(lab_pair(&lab, &options));
    struct naru_sock *listener, *client, *server;
    lab_run(&lab, lab.now + NARU_SEC(10)); /* group reports are out */
    uint64_t frames = lab.frames;
    struct naru_endpoint local = { .addr = naru_addr_v4(0x7f000001), .port = 80 };
    assert_int_equal(naru_sock_new(lab.stack[0], NARU_IPV4, NARU_SOCK_STREAM, &listener), NARU_OK);
    assert_int_equal(naru_sock_bind(listener, &local), NARU_OK);
    assert_int_equal(naru_sock_listen(listener, 10, lab.now), NARU_OK);
    assert_int_equal(naru_sock_new(lab.stack[0], NARU_IPV4, NARU_SOCK_STREAM, &client), NARU_OK);
    assert_int_equal(naru_sock_connect(client, &local, lab.now), NARU_ERR_INPROGRESS);
    server = lab_accept(&lab, listener);
    assert_non_null(server);
    assert_true(lab_transfer(&lab, client, server, 5000000, lab.now + NARU_SEC(10)));
    assert_int_equal(lab.frames, frames);
    naru_sock_close(server, lab.now);
    naru_sock_close(client, lab.now);
    naru_sock_close(listener, lab.now);
    lab_end(&lab);
}

/* ---- More connections to one place than there are ports ---- */

static void four_ports(struct naru_config *config)
{
    config->port_min = 50000;
    config->port_max = 50003;
}

/* A connection that the client closes first, so that its name rests in TIME-WAIT there. */
static void come_and_go(struct lab *lab, struct naru_sock *listener)
{
    struct naru_sock *client = lab_connect(lab, 0, 1, NARU_IPV4, 80);
    assert_non_null(client);
    struct naru_sock *server = lab_accept(lab, listener);
    assert_non_null(server);
    naru_sock_close(client, lab->now);
    lab_run(lab, lab->now + NARU_MS(10));
    naru_sock_close(server, lab->now);
    lab_run(lab, lab->now + NARU_MS(10));
}

/* RFC 6191: a name that rests since a second is better than none (B-time-wait-reuse). */
static void ports_run_out(void **state)
{
    (void)state;
    struct lab lab = { 0 };
    struct lab_options options = { .delay = NARU_MS(1), .tune = four_ports };
    struct naru_stack_stats stats;
    assert_true(lab_pair(&lab, &options));
    struct naru_sock *listener = lab_listen(&lab, 1, NARU_IPV4, 80);
    for (int i = 0; i < 4; i++)
        come_and_go(&lab, listener);
    assert_null(lab_connect(&lab, 0, 1, NARU_IPV4, 80));
    lab_run(&lab, lab.now + NARU_MS(1100));
    for (int i = 0; i < 4; i++)
        come_and_go(&lab, listener);
    assert_null(lab_connect(&lab, 0, 1, NARU_IPV4, 80));
    naru_stack_get_stats(lab.stack[0], &stats);
    assert_int_equal(stats.time_wait, 4);
    lab_end(&lab);
}

/* ---- The list of all sockets ---- */

/* How many of the walk are like that, and all of them. */
static unsigned seen(const struct naru_stack *stack, enum naru_sock_type type,
                     enum naru_tcp_state state, unsigned *all)
{
    struct naru_sock_entry entry;
    uint64_t cursor = 0;
    unsigned count = 0;
    for (*all = 0; naru_stack_walk(stack, &cursor, &entry); (*all)++)
        count += entry.type == type && (type != NARU_SOCK_STREAM || entry.state == state);
    return count;
}

static void walk_meets_each_once(void **state)
{
    (void)state;
    struct lab lab = { 0 };
    struct lab_options options = { .delay = NARU_MS(1) };
    struct naru_sock *shared[5], *datagram, *nameless;
    unsigned all;
    assert_true(lab_pair(&lab, &options));
    struct naru_sock *listener = lab_listen(&lab, 1, NARU_IPV4, 80);
    come_and_go(&lab, listener);
    for (int i = 0; i < 40; i++) {
        assert_non_null(lab_connect(&lab, 0, 1, NARU_IPV4, 80));
        assert_non_null(lab_accept(&lab, listener));
    }
    assert_int_equal(naru_sock_new(lab.stack[0], NARU_IPV4, NARU_SOCK_DGRAM, &nameless), NARU_OK);
    assert_non_null(datagram = lab_udp(&lab, 0, NARU_IPV4, 53));
    for (unsigned i = 0; i < sizeof(shared) / sizeof(shared[0]); i++) {
        struct naru_endpoint local = { .addr = naru_addr_v4(0), .port = 5353 };
        assert_int_equal(naru_sock_new(lab.stack[0], NARU_IPV4, NARU_SOCK_DGRAM, &shared[i]),
                         NARU_OK);
        assert_int_equal(naru_sock_set(shared[i], NARU_OPT_REUSEPORT, 1, lab.now), NARU_OK);
        assert_int_equal(naru_sock_bind(shared[i], &local), NARU_OK);
    }
    struct naru_endpoint remote = { .addr = lab.v4[1], .port = 9 };
    assert_int_equal(naru_sock_connect(shared[2], &remote, lab.now), NARU_OK);

    assert_int_equal(seen(lab.stack[0], NARU_SOCK_STREAM, NARU_TCP_ESTABLISHED, &all), 40);
    assert_int_equal(seen(lab.stack[0], NARU_SOCK_STREAM, NARU_TCP_TIME_WAIT, &all), 1);
    assert_int_equal(seen(lab.stack[0], NARU_SOCK_DGRAM, NARU_TCP_CLOSED, &all), 6);
    assert_int_equal(all, 47);
    assert_int_equal(seen(lab.stack[1], NARU_SOCK_STREAM, NARU_TCP_LISTEN, &all), 1);
    assert_int_equal(all, 41);
    lab_end(&lab);
}

/* ---- Same seed, same bytes ---- */

static uint64_t digest_of(uint8_t seed)
{
    struct lab lab = { 0 };
    struct lab_options options = { .seed = seed, .delay = NARU_MS(3), .loss_percent = 3 };
    struct naru_sock *client, *server;
    assert_true(lab_pair(&lab, &options));
    assert_true(lab_established(&lab, NARU_IPV4, 80, &client, &server));
    assert_true(lab_transfer(&lab, client, server, 500000, lab.now + NARU_SEC(600)));
    naru_sock_close(client, lab.now);
    naru_sock_close(server, lab.now);
    lab_run(&lab, lab.now + NARU_SEC(200));
    uint64_t digest = lab.digest;
    lab_end(&lab);
    return digest;
}

static void deterministic(void **state)
{
    (void)state;
    assert_int_equal(digest_of(1), digest_of(1));
    assert_int_equal(digest_of(2), digest_of(2));
    assert_int_not_equal(digest_of(1), digest_of(2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transfers),
        cmocka_unit_test(refused),
        cmocka_unit_test(unreachable_host),
        cmocka_unit_test(half_close),
        cmocka_unit_test(simultaneous_close),
        cmocka_unit_test(abort_resets),
        cmocka_unit_test(many_connections),
        cmocka_unit_test(syn_cookies),
        cmocka_unit_test(deferred),
        cmocka_unit_test(own_loopback),
        cmocka_unit_test(no_way_for_a_while),
        cmocka_unit_test(ports_run_out),
        cmocka_unit_test(walk_meets_each_once),
        cmocka_unit_test(deterministic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
