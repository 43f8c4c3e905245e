/*
 * Request and response: a byte there, a byte back, over one of many open connections; and what
 * those that are idle cost in memory.
 */
#include "bench.h"

#include "base/defs.h"

#include <stdlib.h>

enum {
    LISTENERS = 32, /* a million connections need more ports than one name has */
    FLIGHT = 16,    /* requests under way at a time, in the -flight rows */
};

struct conn {
    struct naru_sock *client, *server;
};

struct rr {
    struct bench_pair pair;
    struct naru_sock *listener[LISTENERS];
    struct conn *conns;
    unsigned count;
    uint32_t lcg;
    uint64_t before, after; /* memory of both stacks, before the connections and after */
};

static void say(struct bench_pair *pair, struct naru_sock *sock)
{
    uint8_t byte = 'x';
    struct naru_slice slice = { &byte, 1 };
    if (naru_sock_send(sock, &slice, 1, 0, NULL, pair->now) != 1)
        bench_die("rr: send");
}

static void hear(struct bench_pair *pair, struct naru_sock *sock)
{
    uint8_t byte;
    struct naru_room room = { &byte, 1 };
    if (naru_sock_recv(sock, &room, 1, 0, NULL, pair->now) != 1)
        bench_die("rr: lost");
}

void bench_round(struct bench_pair *pair, struct naru_sock *client, struct naru_sock *server)
{
    say(pair, client);
    bench_pair_pass(pair, 0);
    hear(pair, server);
    say(pair, server);
    bench_pair_pass(pair, 1);
    hear(pair, client);
}

static uint64_t memory_used(const struct rr *r)
{
    struct naru_stack_stats stats[2];
    naru_stack_get_stats(r->pair.stack[0], &stats[0]);
    naru_stack_get_stats(r->pair.stack[1], &stats[1]);
    return stats[0].memory_used + stats[1].memory_used;
}

/* All of them are open at once, and each can transfer. */
static void *open_rr(const struct bench_setup *setup, bool v6)
{
    struct rr *r = bench_calloc(1, sizeof(*r));
    bench_pair_init(&r->pair, &setup->link, v6);
    r->count = setup->count;
    r->lcg = 1;
    r->conns = bench_calloc(r->count, sizeof(*r->conns));
    for (unsigned i = 0; i < LISTENERS; i++)
        r->listener[i] = bench_listen(&r->pair, (uint16_t)(BENCH_PORT + i), 1024, 0);
    r->before = memory_used(r);
    for (unsigned i = 0; i < r->count; i++)
        bench_connect(&r->pair, r->listener[i % LISTENERS], &r->conns[i].client,
                      &r->conns[i].server);
    r->after = memory_used(r);
    for (unsigned i = 0; i < r->count; i++)
        bench_round(&r->pair, r->conns[i].client, r->conns[i].server);
    bench_rr_ns(r, 0.1);
    return r;
}

static void close_rr(void *state)
{
    struct rr *r = state;
    free(r->conns);
    bench_pair_deinit(&r->pair);
    free(r);
}

/* Of count, by chance; its place in the application's own table is asked for, as that is not what
 * is measured. */
static struct conn *draw(struct rr *r, struct conn *conns, unsigned count)
{
    r->lcg = r->lcg * 1664525u + 1013904223u;
    struct conn *c = &conns[(r->lcg >> 8) % count];
    NARU_PREFETCH(c);
    return c;
}

double bench_rr_ns(void *state, double seconds)
{
    struct rr *r = state;
    uint64_t rounds = 0;
    struct conn *next = r->conns;
    double start = bench_now(), end;
    do {
        for (unsigned i = 0; i < 256; i++) {
            struct conn *c = next;
            next = draw(r, r->conns, r->count);
            bench_round(&r->pair, c->client, c->server);
        }
        rounds += 256;
        end = bench_now();
    } while (end - start < seconds);
    return (end - start) * 1e9 / (double)rounds;
}

/* So many requests, then as many responses, as clients and a server do that have as many ready. */
static void rounds_in_flight(struct rr *r, struct conn *const c[FLIGHT])
{
    for (unsigned i = 0; i < FLIGHT; i++) {
        naru_sock_prefetch(c[NARU_MIN(i + 2, (unsigned)FLIGHT - 1)]->client);
        say(&r->pair, c[i]->client);
    }
    bench_pair_pass(&r->pair, 0);
    for (unsigned i = 0; i < FLIGHT; i++) {
        hear(&r->pair, c[i]->server);
        say(&r->pair, c[i]->server);
    }
    bench_pair_pass(&r->pair, 1);
    for (unsigned i = 0; i < FLIGHT; i++)
        hear(&r->pair, c[i]->client);
    r->pair.now += NARU_US(2 * (FLIGHT - 1)); /* as much time as for one after the other */
}

double bench_rr_flight_ns(void *state, double seconds)
{
    struct rr *r = state;
    uint64_t rounds = 0;
    struct conn *c[FLIGHT];
    unsigned part = r->count / FLIGHT;
    double start = bench_now(), end;
    do {
        for (unsigned i = 0; i < 16; i++) {
            for (unsigned k = 0; k < FLIGHT; k++) /* none twice */
                c[k] = draw(r, r->conns + k * part, part);
            rounds_in_flight(r, c);
        }
        rounds += 16 * FLIGHT;
        end = bench_now();
    } while (end - start < seconds);
    return (end - start) * 1e9 / (double)rounds;
}

double bench_rr_bytes(void *state, double seconds)
{
    const struct rr *r = state;
    (void)seconds;
    return (double)(r->after - r->before) / (2.0 * r->count);
}

double bench_rr_memory(void *state, double seconds)
{
    const struct rr *r = state;
    (void)seconds;
    return (double)r->after / 1e6;
}

#define RR(count_, memory_mib_)                                                         \
    {                                                                                   \
        .open = open_rr, .close = close_rr, .link = { .mtu = 1500 }, .count = (count_), \
        .memory_mib = (memory_mib_),                                                    \
    }

const struct bench_setup bench_rr_1 = RR(1, 0);
const struct bench_setup bench_rr_64 = RR(64, 0);
const struct bench_setup bench_rr_100 = RR(100, 0);
const struct bench_setup bench_rr_10k = RR(10000, 0);
const struct bench_setup bench_rr_100k = RR(100000, 1000);
const struct bench_setup bench_rr_1m = RR(1000000, 5000);
