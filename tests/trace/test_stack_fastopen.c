/* Fast Open between two stacks: cookies travel, places are bounded, and memory may fail. */
#include "lib/stack_lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { PORT = 80, SWEEP_MAX = 2000, LEN = 500 };

static void both_sides(struct naru_config *config)
{
    config->tcp_fastopen = NARU_FASTOPEN_CLIENT | NARU_FASTOPEN_SERVER;
    config->tcp_ecn = NARU_ECN_MODE_ACCURATE;
}

static void few_places(struct naru_config *config)
{
    both_sides(config);
    config->syn_queue_max = 1;
}

static const uint8_t bytes[4000] = { 1, 2, 3 };

static struct naru_sock *ear(struct lab *lab, enum naru_family family, int64_t places)
{
    struct naru_sock *listener = lab_listen(lab, 1, family, PORT);
    if (listener != NULL)
        assert_int_equal(naru_sock_set(listener, NARU_OPT_FASTOPEN, places, lab->now), NARU_OK);
    return listener;
}

/* A connection with len bytes in its SYN, if they may be; *sent of them are. */
static struct naru_sock *dial(struct lab *lab, enum naru_family family, size_t len, int64_t *sent)
{
    struct naru_sock *sock;
    struct naru_slice slice = { bytes, len };
    struct naru_msg_info info = { .to = { .addr = family == NARU_IPV4 ? lab->v4[1] : lab->v6[1],
                                          .port = PORT } };
    if (naru_sock_new(lab->stack[0], family, NARU_SOCK_STREAM, &sock) != NARU_OK)
        return NULL;
    *sent = naru_sock_send(sock, &slice, 1, NARU_MSG_FASTOPEN, &info, lab->now);
    return sock;
}

static bool syn_data(struct naru_sock *sock, naru_time now)
{
    struct naru_tcp_info info = { 0 };
    return naru_sock_tcp_info(sock, &info, now) == NARU_OK && info.syn_data;
}

static int64_t receive(struct naru_sock *sock, naru_time now)
{
    uint8_t buf[sizeof(bytes)];
    struct naru_room room = { buf, sizeof(buf) };
    int64_t n = naru_sock_recv(sock, &room, 1, 0, NULL, now);
    if (n > 0)
        assert_memory_equal(buf, bytes, (size_t)n);
    return n;
}

static void pass(struct lab *lab, naru_time span) { lab_run(lab, lab->now + span); }

/* The first connection brings the cookie; false: it did not come to be. */
static bool first(struct lab *lab, struct naru_sock *listener, enum naru_family family)
{
    int64_t sent = 0;
    struct naru_sock *client = dial(lab, family, LEN, &sent), *server;
    if (client == NULL)
        return false;
    bool good = sent == NARU_ERR_INPROGRESS;
    pass(lab, NARU_SEC(5));
    good = good && lab_state(client) == NARU_TCP_ESTABLISHED;
    if (naru_sock_accept(listener, &server, lab->now) == NARU_OK) {
        assert_false(syn_data(server, lab->now));
        naru_sock_close(server, lab->now);
    }
    naru_sock_close(client, lab->now);
    pass(lab, NARU_SEC(300));
    return good;
}

static void second_connection(enum naru_family family)
{
    struct lab lab = { 0 };
    struct lab_options options = { .tune = both_sides, .delay = NARU_MS(50) };
    int64_t sent = 0;
    struct naru_sock *server;
    assert_true(lab_pair(&lab, &options));
    struct naru_sock *listener = ear(&lab, family, 1);
    assert_true(first(&lab, listener, family));
    struct naru_sock *client = dial(&lab, family, sizeof(bytes), &sent);
    assert_int_equal(sent, family == NARU_IPV4 ? 1420 : 1400); /* a segment less 40 */
    pass(&lab, NARU_MS(60));                                   /* SYN is there; its answer is not */
    assert_int_equal(lab_state(client), NARU_TCP_SYN_SENT);
    assert_int_equal(naru_sock_accept(listener, &server, lab.now), NARU_OK);
    assert_int_equal(lab_state(server), NARU_TCP_SYN_RECEIVED);
    assert_int_equal(receive(server, lab.now), sent);
    struct naru_slice answer = { bytes, 3000 };
    assert_int_equal(naru_sock_send(server, &answer, 1, 0, NULL, lab.now), 3000);
    pass(&lab, NARU_MS(50)); /* one round trip after the beginning */
    assert_int_equal(lab_state(client), NARU_TCP_ESTABLISHED);
    assert_true(syn_data(client, lab.now));
    assert_int_equal(receive(client, lab.now), 3000);
    pass(&lab, NARU_SEC(1));
    assert_int_equal(lab_state(server), NARU_TCP_ESTABLISHED);
    assert_true(syn_data(server, lab.now));
    struct naru_tcp_info info;
    assert_int_equal(naru_sock_tcp_info(server, &info, lab.now), NARU_OK);
    assert_true(info.ecn && info.rtt >= NARU_MS(100) && info.total_retrans_segments == 0);
    assert_true(lab_transfer(&lab, server, client, 200000, lab.now + NARU_SEC(60)));
    assert_true(lab_transfer(&lab, client, server, 200000, lab.now + NARU_SEC(60)));
    naru_sock_close(client, lab.now);
    naru_sock_close(server, lab.now);
    naru_sock_close(listener, lab.now);
    lab_end(&lab);
}

static void the_second_connection_saves_a_round_trip(void **state)
{
    (void)state;
    second_connection(NARU_IPV4);
    second_connection(NARU_IPV6);
}

/* 5.1: beyond so many unconfirmed, connections open as ever; then data come after the handshake. */
static void places_are_bounded(void **state)
{
    (void)state;
    struct lab lab = { 0 };
    struct lab_options options = { .tune = both_sides, .delay = NARU_MS(50) };
    struct naru_sock *client[3], *server[3];
    int64_t sent = 0;
    assert_true(lab_pair(&lab, &options));
    struct naru_sock *listener = ear(&lab, NARU_IPV4, 2);
    assert_true(first(&lab, listener, NARU_IPV4));
    for (unsigned i = 0; i < 3; i++) {
        client[i] = dial(&lab, NARU_IPV4, LEN, &sent);
        assert_int_equal(sent, LEN);
    }
    pass(&lab, NARU_MS(60));
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(naru_sock_accept(listener, &server[i], lab.now), NARU_OK);
    assert_int_equal(naru_sock_accept(listener, &server[2], lab.now), NARU_ERR_AGAIN);
    pass(&lab, NARU_SEC(5));
    assert_int_equal(naru_sock_accept(listener, &server[2], lab.now), NARU_OK);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(receive(server[i], lab.now), LEN);
        assert_int_equal(syn_data(server[i], lab.now), i < 2);
        naru_sock_close(client[i], lab.now);
        naru_sock_close(server[i], lab.now);
    }
    naru_sock_close(listener, lab.now);
    lab_end(&lab);
}

/* A SYN that is answered with a SYN cookie has neither data nor cookie of this kind. */
static void syn_cookies_take_no_data(void **state)
{
    (void)state;
    struct lab lab = { 0 };
    struct lab_options options = { .tune = few_places, .delay = NARU_MS(50) };
    struct naru_sock *client[2], *server;
    int64_t sent = 0;
    assert_true(lab_pair(&lab, &options));
    struct naru_sock *listener = ear(&lab, NARU_IPV4, 5);
    assert_true(first(&lab, listener, NARU_IPV4));
    /* One that is half open for a while fills the queue. */
    struct naru_sock *slow = lab_connect(&lab, 0, 1, NARU_IPV4, PORT);
    pass(&lab, NARU_MS(1));
    client[0] = dial(&lab, NARU_IPV4, LEN, &sent);
    assert_int_equal(sent, LEN);
    pass(&lab, NARU_MS(60));
    assert_int_equal(naru_sock_accept(listener, &server, lab.now), NARU_ERR_AGAIN);
    pass(&lab, NARU_SEC(5));
    struct naru_stack_stats stats;
    naru_stack_get_stats(lab.stack[1], &stats);
    assert_int_equal(stats.tcp_syn_cookies_sent, 1);
    assert_int_equal(lab_state(client[0]), NARU_TCP_ESTABLISHED);
    assert_false(syn_data(client[0], lab.now));
    naru_sock_close(slow, lab.now);
    naru_sock_close(client[0], lab.now);
    naru_sock_close(listener, lab.now);
    (void)client[1];
    lab_end(&lab);
}

/* The listener goes while connections of that kind are unconfirmed, taken or not. */
static void the_listener_goes(void **state)
{
    (void)state;
    struct lab lab = { 0 };
    struct lab_options options = { .tune = both_sides, .delay = NARU_MS(50) };
    struct naru_sock *client[2], *server;
    int64_t sent = 0;
    assert_true(lab_pair(&lab, &options));
    struct naru_sock *listener = ear(&lab, NARU_IPV4, 5);
    assert_true(first(&lab, listener, NARU_IPV4));
    for (unsigned i = 0; i < 2; i++)
        client[i] = dial(&lab, NARU_IPV4, LEN, &sent);
    pass(&lab, NARU_MS(60));
    assert_int_equal(naru_sock_accept(listener, &server, lab.now), NARU_OK);
    naru_sock_close(listener, lab.now);
    pass(&lab, NARU_SEC(1));
    assert_int_equal(lab_state(server), NARU_TCP_ESTABLISHED);
    assert_int_equal(lab_state(client[0]), NARU_TCP_ESTABLISHED);
    assert_int_equal(lab_state(client[1]), NARU_TCP_CLOSED);
    for (unsigned i = 0; i < 2; i++)
        naru_sock_close(client[i], lab.now);
    naru_sock_abort(server, lab.now);
    lab_end(&lab);
}

/* A connect that waits for data ends without a word, and its name is free again. */
static void a_connect_that_waits_can_be_given_up(void **state)
{
    (void)state;
    struct lab lab = { 0 };
    struct lab_options options = { .tune = both_sides };
    struct naru_endpoint to = { .port = PORT };
    struct naru_sock *sock;
    assert_true(lab_pair(&lab, &options));
    to.addr = lab.v4[1];
    struct naru_sock *listener = ear(&lab, NARU_IPV4, 5);
    assert_true(first(&lab, listener, NARU_IPV4));
    assert_int_equal(naru_sock_new(lab.stack[0], NARU_IPV4, NARU_SOCK_STREAM, &sock), NARU_OK);
    assert_int_equal(naru_sock_set(sock, NARU_OPT_FASTOPEN_CONNECT, 1, lab.now), NARU_OK);
    assert_int_equal(naru_sock_connect(sock, &to, lab.now), NARU_OK);
    assert_int_equal(naru_sock_connect(sock, &to, lab.now), NARU_ERR_ISCONN);
    assert_int_equal(naru_sock_ready(sock), NARU_READY_WRITE);
    assert_int_equal(receive(sock, lab.now), NARU_ERR_AGAIN);
    assert_int_equal(naru_sock_set(sock, NARU_OPT_NODELAY, 1, lab.now), NARU_OK);
    struct naru_room room[2];
    uint64_t frames = lab.frames;
    pass(&lab, NARU_SEC(1));
    assert_int_equal(lab.frames, frames);
    assert_int_equal(naru_sock_send_reserve(sock, room, 2, lab.now), NARU_ERR_AGAIN);
    pass(&lab, NARU_SEC(1)); /* whoever fills the buffer itself sends SYN without data */
    assert_int_equal(lab_state(sock), NARU_TCP_ESTABLISHED);
    naru_sock_close(sock, lab.now);
    assert_int_equal(naru_sock_new(lab.stack[0], NARU_IPV4, NARU_SOCK_STREAM, &sock), NARU_OK);
    assert_int_equal(naru_sock_set(sock, NARU_OPT_FASTOPEN_CONNECT, 1, lab.now), NARU_OK);
    assert_int_equal(naru_sock_connect(sock, &to, lab.now), NARU_OK);
    naru_sock_close(sock, lab.now);
    naru_sock_close(listener, lab.now);
    pass(&lab, NARU_SEC(300));
    lab_end(&lab);
}

/* Any allocation may fail: data come once and in order, or somebody is told. */
static void scenario(struct lab *lab)
{
    struct lab_options options = { .tune = both_sides, .delay = NARU_MS(5) };
    int64_t sent = 0, got = 0;
    struct naru_sock *server = NULL;
    if (!lab_pair(lab, &options))
        return;
    struct naru_sock *listener = ear(lab, NARU_IPV4, 5);
    if (listener == NULL)
        return;
    (void)first(lab, listener, NARU_IPV4);
    struct naru_sock *client = dial(lab, NARU_IPV4, LEN, &sent);
    for (unsigned i = 0; i < 20 && client != NULL && got < LEN; i++) {
        pass(lab, NARU_SEC(1));
        if (server == NULL)
            (void)naru_sock_accept(listener, &server, lab->now);
        int64_t n = server == NULL ? 0 : receive(server, lab->now);
        got += n > 0 ? n : 0;
    }
    if (sent > 0 && !lab->fail_after && server != NULL)
        assert_int_equal(got, sent);
    naru_sock_close(client, lab->now);
    naru_sock_close(server, lab->now);
    naru_sock_close(listener, lab->now);
    pass(lab, NARU_SEC(600));
}

static void memory_may_fail(void **state)
{
    (void)state;
    for (unsigned all = 0; all < 2; all++) {
        for (uint64_t n = 1;; n++) {
            struct lab lab = { .fail_at = n, .fail_after = all != 0 };
            assert_true(n < SWEEP_MAX);
            scenario(&lab);
            lab_end(&lab);
            if (lab.allocations < n)
                break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_second_connection_saves_a_round_trip),
        cmocka_unit_test(places_are_bounded),
        cmocka_unit_test(syn_cookies_take_no_data),
        cmocka_unit_test(the_listener_goes),
        cmocka_unit_test(a_connect_that_waits_can_be_given_up),
        cmocka_unit_test(memory_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
