/*
 * What a socket has one pointer for: its listener, its own listening, waiting for memory, the SYN
 * that waits for data.  Each begins where none is, and ends with its cause or with the socket.
 */
#include "lib/hand.h"
#include "stack/check.h"

#include <string.h>

static void check(struct lab *lab)
{
    for (int n = 0; n < 2; n++)
        naru_stack_check(lab->stack[n]);
}

static int64_t fill(struct lab *lab, struct naru_sock *sock)
{
    static const uint8_t bytes[4096];
    const struct naru_slice slice = { bytes, sizeof(bytes) };
    int64_t sent;
    do
        sent = naru_sock_send(sock, &slice, 1, 0, NULL, lab->now);
    while (sent > 0);
    return sent;
}

enum end { WOKEN, CLOSED, ABORTED, ENDS };

/* Two senders that find no memory; it comes back, or they end first, the older one or the newer. */
static void senders_without_memory(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2 * ENDS; i++) {
        struct lab lab;
        struct naru_sock *a[2], *b[2];
        hand_begin(&lab);
        for (unsigned k = 0; k < 2; k++)
            assert_true(lab_established(&lab, NARU_IPV4, (uint16_t)(80 + k), &a[k], &b[k]));
        lab.fail_at = lab.allocations + 1;
        lab.fail_after = true;
        for (unsigned k = 0; k < 2; k++) {
            naru_pktpool_trim(&lab.stack[0]->pkts);
            naru_blockpool_trim(&lab.stack[0]->blocks);
            assert_int_equal(fill(&lab, a[k]), NARU_ERR_AGAIN);
            assert_int_equal(a[k]->tie, TIE_MEMORY);
            assert_int_equal(naru_sock_ready(a[k]) & NARU_READY_WRITE, 0);
        }
        check(&lab);
        struct naru_sock **first = &a[i % 2];
        if (i / 2 == CLOSED)
            naru_sock_close(*first, lab.now);
        else if (i / 2 == ABORTED)
            naru_sock_abort(*first, lab.now);
        check(&lab);
        lab.fail_at = 0;
        lab_run(&lab, lab.now + NARU_SEC(1));
        check(&lab);
        assert_null(lab.stack[0]->memory_waiters);
        for (unsigned k = 0; k < 2; k++) {
            if (i / 2 == WOKEN || k != i % 2) {
                assert_int_equal(a[k]->tie, TIE_NONE);
                naru_sock_abort(a[k], lab.now);
            }
            naru_sock_abort(b[k], lab.now);
        }
        lab_run(&lab, lab.now + NARU_SEC(1));
        lab_end(&lab);
    }
}

/* A listener ends with a connection in each of its lists. */
static void a_listener_lets_go(void **state)
{
    (void)state;
    for (unsigned shut = 0; shut < 2; shut++) {
        struct lab lab;
        uint8_t frame[CRAFT_MAX];
        hand_begin(&lab);
        struct naru_sock *listener = lab_listen(&lab, 1, NARU_IPV4, 80);
        struct naru_sock *client = lab_connect(&lab, 0, 1, NARU_IPV4, 80);
        lab_run(&lab, lab.now + NARU_SEC(1));
        struct craft_ends ends = from_hand(&lab, NARU_IPV4);
        struct craft_segment syn = {
            .sport = 1000, .dport = 80, .flags = CRAFT_SYN, .seq = 1, .window = 1000
        };
        lab_inject(&lab, 1, frame, craft_tcp(frame, &ends, &syn));
        assert_int_equal(listener->tie, TIE_LISTEN);
        assert_int_equal(listener->listen->accept_count, 1);
        assert_int_equal(listener->listen->half_open, 1);
        check(&lab);
        if (shut) {
            assert_int_equal(naru_sock_shutdown(listener, NARU_SHUTDOWN_READ, lab.now), NARU_OK);
            assert_int_equal(listener->tie, TIE_NONE);
            check(&lab);
            assert_int_equal(naru_sock_listen(listener, 1, lab.now), NARU_OK);
        }
        naru_sock_close(listener, lab.now);
        check(&lab);
        lab_run(&lab, lab.now + NARU_SEC(1));
        assert_int_equal(lab_state(client), NARU_TCP_CLOSED);
        struct naru_stack_stats stats;
        naru_stack_get_stats(lab.stack[1], &stats);
        assert_int_equal(stats.sockets + stats.flows + stats.half_open, 0);
        naru_sock_close(client, lab.now);
        lab_end(&lab);
    }
}

static void no_cookies(struct naru_config *config)
{
    config->tcp_fastopen =
        NARU_FASTOPEN_CLIENT | NARU_FASTOPEN_CLIENT_NO_COOKIE | NARU_FASTOPEN_SERVER;
}

/* Connected as far as its holder knows, it can neither connect nor listen; it sends, or ends. */
static void a_syn_that_waits(void **state)
{
    (void)state;
    for (unsigned sends = 0; sends < 2; sends++) {
        struct lab lab = { 0 };
        struct lab_options options = { .tune = no_cookies };
        assert_true(lab_pair(&lab, &options));
        struct naru_endpoint to = { .addr = lab.v4[1], .port = 80 };
        struct naru_sock *listener = lab_listen(&lab, 1, NARU_IPV4, 80), *sock;
        assert_int_equal(naru_sock_new(lab.stack[0], NARU_IPV4, NARU_SOCK_STREAM, &sock), NARU_OK);
        assert_int_equal(naru_sock_set(sock, NARU_OPT_FASTOPEN_CONNECT, 1, lab.now), NARU_OK);
        assert_int_equal(naru_sock_connect(sock, &to, lab.now), NARU_OK);
        assert_int_equal(sock->tie, TIE_CONNECT);
        check(&lab);
        assert_int_equal(naru_sock_connect(sock, &to, lab.now), NARU_ERR_ISCONN);
        assert_int_equal(naru_sock_listen(sock, 1, lab.now), NARU_ERR_INVAL);
        uint32_t iss = sock->iss.v;
        if (sends) {
            const struct naru_slice slice = { "x", 1 };
            assert_int_equal(naru_sock_send(sock, &slice, 1, 0, NULL, lab.now), 1);
            assert_int_equal(sock->tie, TIE_NONE);
            assert_int_equal(naru_sock_tcp_of(sock)->tcp.snd.una.v, iss);
            check(&lab);
            lab_run(&lab, lab.now + NARU_SEC(1));
            assert_int_equal(lab_state(sock), NARU_TCP_ESTABLISHED);
        }
        naru_sock_close(sock, lab.now);
        check(&lab);
        naru_sock_close(listener, lab.now);
        lab_run(&lab, lab.now + NARU_SEC(1));
        lab_end(&lab);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(senders_without_memory),
        cmocka_unit_test(a_listener_lets_go),
        cmocka_unit_test(a_syn_that_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
