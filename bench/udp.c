/*
 * UDP: a datagram of 64 bytes there, one back, between two connected sockets.
 */
#include "bench.h"

#include <stdlib.h>

enum { LEN = 64 };

struct udp {
    struct bench_pair pair;
    struct naru_sock *sock[2];
};

void bench_udp_pair(struct bench_pair *pair, uint16_t port, struct naru_sock *sock[2])
{
    bool v6 = pair->addr[0].b[0] == 0xfd;
    struct naru_endpoint end[2];
    for (int i = 0; i < 2; i++) {
        end[i] = (struct naru_endpoint){ .addr = pair->addr[i], .port = port };
        if (naru_sock_new(pair->stack[i], v6 ? NARU_IPV6 : NARU_IPV4, NARU_SOCK_DGRAM, &sock[i]) !=
                NARU_OK ||
            naru_sock_bind(sock[i], &end[i]) != NARU_OK)
            bench_die("udp: bind");
    }
    for (int i = 0; i < 2; i++)
        if (naru_sock_connect(sock[i], &end[!i], pair->now) != NARU_OK)
            bench_die("udp: connect");
}

void bench_datagram(struct bench_pair *pair, struct naru_sock *const sock[2], int from)
{
    uint8_t bytes[LEN] = { 0 };
    struct naru_slice slice = { bytes, sizeof(bytes) };
    struct naru_room room = { bytes, sizeof(bytes) };
    if (naru_sock_send(sock[from], &slice, 1, 0, NULL, pair->now) != LEN)
        bench_die("udp: send");
    (void)bench_pair_pass(pair, from);
    for (unsigned turns = 0; !(naru_sock_ready(sock[!from]) & NARU_READY_READ); turns++) {
        if (turns == 3) /* neighbours are asked for, and confirmed now and then */
            bench_die("udp: nothing comes");
        bench_pair_turn(pair);
    }
    if (naru_sock_recv(sock[!from], &room, 1, 0, NULL, pair->now) != LEN)
        bench_die("udp: lost");
}

static void *open_udp(const struct bench_setup *setup, bool v6)
{
    struct udp *u = bench_calloc(1, sizeof(*u));
    bench_pair_init(&u->pair, &setup->link, v6);
    bench_udp_pair(&u->pair, BENCH_PORT, u->sock);
    bench_udp_ns(u, 0.05);
    return u;
}

static void close_udp(void *state)
{
    struct udp *u = state;
    bench_pair_deinit(&u->pair);
    free(u);
}

double bench_udp_ns(void *state, double seconds)
{
    struct udp *u = state;
    uint64_t datagrams = 0;
    double start = bench_now(), end;
    do {
        for (unsigned i = 0; i < 1024; i++)
            bench_datagram(&u->pair, u->sock, (int)(i & 1));
        datagrams += 1024;
        end = bench_now();
    } while (end - start < seconds);
    return (end - start) * 1e9 / (double)datagrams;
}

const struct bench_setup bench_udp_1 = {
    .open = open_udp, .close = close_udp, .link = { .mtu = 1500 }, .count = 1
};
