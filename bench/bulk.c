/*
 * Bulk: one connection, one direction, as much as it takes.
 *
 * The figure is of both ends together, and of the application's writes and reads.
 */
#include "bench.h"

#include <stdlib.h>

struct bulk {
    struct bench_pair pair;
    struct naru_sock *client, *server;
    size_t mss;
};

static uint8_t chunk[BENCH_CHUNK];

uint64_t bench_drain(struct bench_pair *pair, struct naru_sock *server)
{
    static _Thread_local uint8_t sink[BENCH_CHUNK];
    struct naru_room room = { sink, sizeof(sink) };
    uint64_t total = 0;
    int64_t got;
    while ((got = naru_sock_recv(server, &room, 1, 0, NULL, pair->now)) > 0)
        total += (uint64_t)got;
    return total;
}

void bench_fill(struct bench_pair *pair, struct naru_sock *client)
{
    struct naru_slice slice = { chunk, sizeof(chunk) };
    while (naru_sock_send(client, &slice, 1, 0, NULL, pair->now) > 0)
        ;
}

static uint64_t turn(struct bulk *b)
{
    bench_fill(&b->pair, b->client);
    bench_pair_turn(&b->pair);
    return bench_drain(&b->pair, b->server);
}

static size_t mss_of(const struct bench_link *link, bool v6)
{
    return link->mtu - (v6 ? 72 : 52); /* timestamps on */
}

/* A window is what its row is called: so much of it is on the wire, or all that the wire takes. */
static void check_window(struct bulk *b, const struct bench_link *link)
{
    uint64_t bytes = 0, wanted = link->window;
    if (!link->flight && !link->offload && wanted > b->pair.burst * b->mss)
        wanted = b->pair.burst * b->mss;
    for (unsigned i = 0; i < 64; i++)
        bytes += turn(b);
    if (bytes < 64 * wanted / 10 * 9)
        bench_die("bulk: the window is smaller than it should be");
}

static void *open_bulk(const struct bench_setup *setup, bool v6)
{
    struct bulk *b = bench_calloc(1, sizeof(*b));
    const struct bench_link *link = &setup->link;
    bench_pair_init(&b->pair, link, v6);
    b->mss = mss_of(link, v6);
    struct naru_sock *listener = bench_listen(&b->pair, BENCH_PORT, 8, 2 * link->window);
    bench_connect(&b->pair, listener, &b->client, &b->server);
    if (naru_sock_set(b->client, NARU_OPT_SNDBUF, link->window, b->pair.now) != NARU_OK)
        bench_die("SNDBUF");
    uint64_t bytes = 0;
    for (unsigned i = 0; bytes < (uint64_t)256 << 20; i++) { /* past slow start, caches warm */
        bytes += turn(b);
        if (i == 1000000)
            bench_die("bulk: no progress");
    }
    check_window(b, link);
    return b;
}

static void close_bulk(void *state)
{
    struct bulk *b = state;
    bench_pair_deinit(&b->pair);
    free(b);
}

static double ns_per_byte(struct bulk *b, double seconds)
{
    uint64_t bytes = 0;
    double start = bench_now(), end;
    do {
        for (unsigned i = 0; i < 64; i++)
            bytes += turn(b);
        end = bench_now();
    } while (end - start < seconds);
    if (bytes == 0)
        bench_die("bulk: no progress");
    return (end - start) * 1e9 / (double)bytes;
}

double bench_bulk_ns(void *state, double seconds)
{
    struct bulk *b = state;
    return ns_per_byte(b, seconds) * (double)b->mss;
}

double bench_bulk_gb(void *state, double seconds) { return 1 / ns_per_byte(state, seconds); }

/* In the row's own unit. */
double bench_row_limit(const struct bench_row *row, bool v6, double seconds)
{
    const struct bench_link *link = &row->setup->link;
    struct bench_limit limit = { .segment = link->offload ? BENCH_CHUNK - 128 : mss_of(link, v6),
                                 .window = link->window,
                                 .sums = !link->offload };
    limit.flight = link->flight ? link->window : 64 * limit.segment;
    if (limit.flight > limit.window)
        limit.flight = limit.window;
    double ns = bench_limit(&limit, seconds);
    return row->more ? (double)limit.segment / ns : ns;
}

#define BULK(mtu_, window_, ...)                                     \
    {                                                                \
        .open = open_bulk, .close = close_bulk,                      \
        .link = { .mtu = (mtu_), .window = (window_), __VA_ARGS__ }, \
    }

const struct bench_setup bench_bulk_64k = BULK(1500, 65536, );
const struct bench_setup bench_bulk_64k_ack2 = BULK(1500, 65536, .every_second = true);
const struct bench_setup bench_bulk_1m = BULK(1500, 1 << 20, );
const struct bench_setup bench_bulk_4m = BULK(1500, 4 << 20, );
const struct bench_setup bench_bulk_4m_ack2 = BULK(1500, 4 << 20, .every_second = true);
const struct bench_setup bench_bulk_4m_flight = BULK(1500, 4 << 20, .flight = true);
const struct bench_setup bench_bulk_9000 = BULK(9000, 1 << 20, );
const struct bench_setup bench_bulk_offload = BULK(1500, 1 << 18, .offload = true);
