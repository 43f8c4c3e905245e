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

static void *open_udp(const struct bench_setup *setup, bool v6)
{
    struct udp *u = bench_calloc(1, sizeof(*u));
    struct naru_endpoint end[2];
    bench_pair_init(&u->pair, &setup->link, v6);
    for (int i = 0; i < 2; i++) {
        end[i] = (struct naru_endpoint){ .addr = u->pair.addr[i], .port = BENCH_PORT };
        if (naru_sock_new(u->pair.stack[i], v6 ? NARU_IPV6 : NARU_IPV4, NARU_SOCK_DGRAM,
                          &u->sock[i]) != NARU_OK ||
            naru_sock_bind(u->sock[i], &end[i]) != NARU_OK)
            bench_die("udp: bind");
    }
    for (int i = 0; i < 2; i++)
        if (naru_sock_connect(u->sock[i], &end[!i], u->pair.now) != NARU_OK)
            bench_die("udp: connect");
    struct naru_slice slice = { "", 1 };
    uint8_t byte;
    struct naru_room room = { &byte, 1 };
    for (int i = 0; i < 2; i++) { /* the neighbour is asked for */
        if (naru_sock_send(u->sock[i], &slice, 1, 0, NULL, u->pair.now) != 1)
            bench_die("udp: send");
        while (bench_pair_turn(&u->pair) > 0)
            ;
        if (naru_sock_recv(u->sock[!i], &room, 1, 0, NULL, u->pair.now) != 1)
            bench_die("udp: the first is lost");
    }
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
    uint8_t bytes[LEN] = { 0 };
    struct naru_slice slice = { bytes, sizeof(bytes) };
    struct naru_room room = { bytes, sizeof(bytes) };
    uint64_t datagrams = 0;
    double start = bench_now(), end;
    do {
        for (unsigned i = 0; i < 1024; i++) {
            int from = (int)(i & 1);
            if (naru_sock_send(u->sock[from], &slice, 1, 0, NULL, u->pair.now) != LEN)
                bench_die("udp: send");
            if (bench_pair_pass(&u->pair, from) == 0) /* neighbours are confirmed now and then */
                bench_pair_turn(&u->pair);
            if (naru_sock_recv(u->sock[!from], &room, 1, 0, NULL, u->pair.now) != LEN)
                bench_die("udp: lost");
        }
        datagrams += 1024;
        end = bench_now();
    } while (end - start < seconds);
    return (end - start) * 1e9 / (double)datagrams;
}

const struct bench_setup bench_udp_1 = {
    .open = open_udp, .close = close_udp, .link = { .mtu = 1500 }, .count = 1
};
