/*
 * Churn: connect, a byte each way, close by FIN, with 100 000 in TIME-WAIT.
 *
 * One after the other, or so many at a time.
 */
#include "bench.h"

#include <stdlib.h>

enum { LISTENERS = 2, AT_ONCE_MAX = 64 }; /* 64 000 ports: two names hold 100 000 in TIME-WAIT */

struct churn {
    struct bench_pair pair;
    struct naru_sock *listener[LISTENERS];
    unsigned at_once, turn;
};

static bool server_sees_end(void *arg) { return (naru_sock_ready(arg) & NARU_READY_READ_END) != 0; }

void bench_churn_one(struct bench_pair *pair, struct naru_sock *listener)
{
    struct naru_sock *client, *server;
    bench_connect(pair, listener, &client, &server);
    bench_round(pair, client, server);
    naru_sock_close(client, pair->now);
    bench_pair_until(pair, server_sees_end, server, "churn: no FIN");
    naru_sock_close(server, pair->now);
    bench_pair_turn(pair);
    bench_pair_turn(pair);
    pair->now += NARU_US(20); /* a name rests for a second, and there are 129 000 (RFC 6191) */
}

static void send_byte(struct bench_pair *pair, struct naru_sock *sock)
{
    uint8_t byte = 'x';
    struct naru_slice slice = { &byte, 1 };
    if (naru_sock_send(sock, &slice, 1, 0, NULL, pair->now) != 1)
        bench_die("churn: send");
}

static void recv_byte(struct bench_pair *pair, struct naru_sock *sock)
{
    uint8_t byte;
    struct naru_room room = { &byte, 1 };
    if (naru_sock_recv(sock, &room, 1, 0, NULL, pair->now) != 1)
        bench_die("churn: lost");
}

/* The same as bench_churn_one, of so many at once: what the wire takes at a time is of them all. */
static void churn_together(struct bench_pair *pair, struct naru_sock *listener, unsigned count)
{
    struct naru_sock *client[AT_ONCE_MAX], *server[AT_ONCE_MAX];
    for (unsigned i = 0; i < count; i++)
        client[i] = bench_client(pair, listener);
    while (bench_pair_turn(pair) > 0)
        ;
    for (unsigned i = 0; i < count; i++) {
        if (naru_sock_accept(listener, &server[i], pair->now) != NARU_OK)
            bench_die("churn: the handshake does not end");
        send_byte(pair, client[i]);
    }
    bench_pair_pass(pair, 0);
    for (unsigned i = 0; i < count; i++) {
        recv_byte(pair, server[i]);
        send_byte(pair, server[i]);
    }
    bench_pair_pass(pair, 1);
    for (unsigned i = 0; i < count; i++) {
        recv_byte(pair, client[i]);
        naru_sock_close(client[i], pair->now);
    }
    bench_pair_pass(pair, 0);
    for (unsigned i = 0; i < count; i++) {
        if (!server_sees_end(server[i]))
            bench_die("churn: no FIN");
        naru_sock_close(server[i], pair->now);
    }
    while (bench_pair_turn(pair) > 0)
        ;
    pair->now += NARU_US(20) * count;
}

static void churn(struct churn *c)
{
    struct naru_sock *listener = c->listener[c->turn++ % LISTENERS];
    if (c->at_once == 1)
        bench_churn_one(&c->pair, listener);
    else
        churn_together(&c->pair, listener, c->at_once);
}

static void *open_churn(const struct bench_setup *setup, bool v6)
{
    struct churn *c = bench_calloc(1, sizeof(*c));
    bench_pair_init(&c->pair, &setup->link, v6);
    c->at_once = setup->count;
    for (unsigned i = 0; i < LISTENERS; i++)
        c->listener[i] = bench_listen(&c->pair, (uint16_t)(BENCH_PORT + i), 1024, 0);
    bench_churn_one(&c->pair, c->listener[0]); /* asks for the neighbour */
    for (unsigned i = 0; i < 100000; i += c->at_once)
        churn(c);
    struct naru_stack_stats stats;
    naru_stack_get_stats(c->pair.stack[0], &stats);
    if (stats.time_wait < 90000)
        bench_die("churn: TIME-WAIT is not filled");
    return c;
}

static void close_churn(void *state)
{
    struct churn *c = state;
    bench_pair_deinit(&c->pair);
    free(c);
}

double bench_churn_rate(void *state, double seconds)
{
    struct churn *c = state;
    uint64_t count = 0;
    double start = bench_now(), end;
    do {
        for (unsigned i = 0; i < 64; i += c->at_once)
            churn(c);
        count += 64;
        end = bench_now();
    } while (end - start < seconds);
    return (double)count / (end - start);
}

const struct bench_setup bench_churn_1 = {
    .open = open_churn, .close = close_churn, .link = { .mtu = 1500 }, .count = 1
};
const struct bench_setup bench_churn_64 = {
    .open = open_churn, .close = close_churn, .link = { .mtu = 1500 }, .count = AT_ONCE_MAX
};
