/*
 * The rows over the in-memory wire: bulk, request/response, churn, idle, UDP.
 *
 * All figures are the cost of both ends together, in one thread.
 */
#include "bench.h"

#include "base/defs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PORT = 5001, CHUNK = 65536 };

static uint8_t chunk[CHUNK];

/* ---- bulk ---- */

uint64_t bench_drain(struct bench_pair *pair, struct naru_sock *server)
{
    static uint8_t sink[CHUNK];
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

static double bulk_once(const struct bench_options *options, const struct bench_link *link)
{
    struct bench_pair pair;
    bench_pair_init(&pair, link, options->v6);
    struct naru_sock *listener = bench_listen(&pair, PORT, 8, link->window), *client, *server;
    bench_connect(&pair, listener, &client, &server);
    if (naru_sock_set(client, NARU_OPT_SNDBUF, link->window, pair.now) != NARU_OK)
        bench_die("SNDBUF");

    uint64_t bytes = 0;
    double start = 0, end;
    for (unsigned turn = 0;; turn++) {
        bench_fill(&pair, client);
        bench_pair_turn(&pair);
        bytes += bench_drain(&pair, server);
        if (turn == 2000) { /* past slow start, caches warm */
            bytes = 0;
            start = bench_now();
        }
        if (turn > 2000 && turn % 256 == 0 && (end = bench_now()) - start > options->seconds)
            break;
        if (turn == 2000000 && bytes == 0)
            bench_die("bulk: no progress");
    }
    bench_pair_deinit(&pair);
    return (end - start) * 1e9 / (double)bytes;
}

static void bulk_row(const struct bench_options *options, const char *row,
                     const struct bench_link *link)
{
    char name[64];
    snprintf(name, sizeof(name), "%s%s", row, options->v6 ? "-v6" : "");
    if (!bench_wanted(options, name))
        return;
    double ns_per_byte[32];
    for (unsigned i = 0; i < options->repeats; i++)
        ns_per_byte[i] = bulk_once(options, link);
    double median = bench_median(ns_per_byte, options->repeats);
    size_t mss = link->mtu - (options->v6 ? 72 : 52);
    if (link->offload || link->mtu > 1500)
        bench_print(options, name, 1.0 / median, 1.0 / ns_per_byte[0], "GB/s", 0);
    else
        bench_print(options, name, median * (double)mss, ns_per_byte[0] * (double)mss, "ns/segment",
                    bench_limit(mss, link->window));
}

void bench_bulk(const struct bench_options *options)
{
    bulk_row(options, "bulk-1500-64k", &(struct bench_link){ .mtu = 1500, .window = 65536 });
    bulk_row(options, "bulk-1500-1m", &(struct bench_link){ .mtu = 1500, .window = 1 << 20 });
    bulk_row(options, "bulk-1500-4m", &(struct bench_link){ .mtu = 1500, .window = 4 << 20 });
    bulk_row(options, "bulk-9000", &(struct bench_link){ .mtu = 9000, .window = 1 << 20 });
    bulk_row(options, "bulk-offload",
             &(struct bench_link){ .mtu = 1500, .window = 1 << 20, .offload = true });
}

/* ---- request/response ---- */

struct conn {
    struct naru_sock *client, *server;
};

void bench_round(struct bench_pair *pair, struct naru_sock *client, struct naru_sock *server)
{
    uint8_t byte = 'x';
    struct naru_slice slice = { &byte, 1 };
    struct naru_room room = { &byte, 1 };
    if (naru_sock_send(client, &slice, 1, 0, NULL, pair->now) != 1)
        bench_die("rr: send");
    bench_pair_turn(pair);
    if (naru_sock_recv(server, &room, 1, 0, NULL, pair->now) != 1)
        bench_die("rr: request lost");
    if (naru_sock_send(server, &slice, 1, 0, NULL, pair->now) != 1)
        bench_die("rr: send back");
    bench_pair_turn(pair);
    if (naru_sock_recv(client, &room, 1, 0, NULL, pair->now) != 1)
        bench_die("rr: response lost");
}

static struct conn *open_many(struct bench_pair *pair, struct naru_sock *listener, unsigned count)
{
    struct conn *conns = calloc(count, sizeof(*conns));
    if (conns == NULL)
        bench_die("no memory");
    for (unsigned i = 0; i < count; i++)
        bench_connect(pair, listener, &conns[i].client, &conns[i].server);
    return conns;
}

static double rr_rounds(struct bench_pair *pair, struct conn *conns, unsigned count, bool random,
                        double seconds)
{
    uint32_t lcg = 1;
    uint64_t rounds = 0;
    struct conn *next = conns;
    double start = bench_now(), end;
    do {
        for (unsigned i = 0; i < 256; i++) {
            struct conn *c = next;
            lcg = lcg * 1664525u + 1013904223u;
            next = &conns[random ? (lcg >> 8) % count : i % count];
            NARU_PREFETCH(next); /* the table of the application is not what is measured */
            bench_round(pair, c->client, c->server);
        }
        rounds += 256;
        end = bench_now();
    } while (end - start < seconds);
    return (end - start) * 1e9 / (double)rounds;
}

static void rr_row(const struct bench_options *options, const char *row, unsigned count,
                   bool random)
{
    char name[64];
    snprintf(name, sizeof(name), "%s%s", row, options->v6 ? "-v6" : "");
    if (!bench_wanted(options, name))
        return;
    struct bench_pair pair;
    bench_pair_init(&pair, &(struct bench_link){ .mtu = 1500 }, options->v6);
    struct naru_sock *listener = bench_listen(&pair, PORT, 1024, 0);
    struct conn *conns = open_many(&pair, listener, count);
    rr_rounds(&pair, conns, count, random, 0.1);
    double ns[32];
    for (unsigned i = 0; i < options->repeats; i++)
        ns[i] = rr_rounds(&pair, conns, count, random, options->seconds);
    double median = bench_median(ns, options->repeats);
    bench_print(options, name, median, ns[0], "ns/round", 0);
    free(conns);
    bench_pair_deinit(&pair);
}

void bench_rr(const struct bench_options *options)
{
    rr_row(options, "rr-1", 1, false);
    rr_row(options, "rr-64", 64, false);
    rr_row(options, "rr-random-10k", 10000, true);
}

/* ---- churn ---- */

static bool server_sees_end(void *arg) { return (naru_sock_ready(arg) & NARU_READY_READ_END) != 0; }

void bench_churn_one(struct bench_pair *pair, struct naru_sock *listener)
{
    struct conn c;
    bench_connect(pair, listener, &c.client, &c.server);
    bench_round(pair, c.client, c.server);
    naru_sock_close(c.client, pair->now);
    bench_pair_until(pair, server_sees_end, c.server, "churn: no FIN");
    naru_sock_close(c.server, pair->now);
    bench_pair_turn(pair);
    bench_pair_turn(pair);
    pair->now += NARU_US(20); /* a name rests for a second, and there are 129 000 (RFC 6191) */
}

/* ns a connection. */
static double churn_round(struct bench_pair *pair, struct naru_sock *const listeners[2],
                          double seconds)
{
    uint64_t count = 0;
    double start = bench_now(), end;
    do {
        for (unsigned i = 0; i < 64; i++)
            bench_churn_one(pair, listeners[i & 1]);
        count += 64;
        end = bench_now();
    } while (end - start < seconds && count < 20000);
    return (end - start) * 1e9 / (double)count;
}

void bench_churn(const struct bench_options *options)
{
    char name[64];
    snprintf(name, sizeof(name), "churn-tw100k%s", options->v6 ? "-v6" : "");
    if (!bench_wanted(options, name))
        return;
    struct bench_pair pair;
    bench_pair_init(&pair, &(struct bench_link){ .mtu = 1500 }, options->v6);
    struct naru_sock *listeners[2] = {
        bench_listen(&pair, PORT, 1024, 0),
        bench_listen(&pair, PORT + 1, 1024, 0),
    };
    for (unsigned i = 0; i < 100000;
         i++) /* 64 000 ports: two listeners hold 100 000 in TIME-WAIT */
        bench_churn_one(&pair, listeners[i & 1]);
    struct naru_stack_stats stats;
    naru_stack_get_stats(pair.stack[0], &stats);
    if (stats.time_wait < 90000)
        bench_die("churn: TIME-WAIT is not filled");
    double ns[32];
    for (unsigned i = 0; i < options->repeats; i++)
        ns[i] = churn_round(&pair, listeners, options->seconds / options->repeats);
    double median = bench_median(ns, options->repeats);
    bench_print(options, name, 1e9 / median, 1e9 / ns[0], "connections/s", 0);
    bench_pair_deinit(&pair);
}

/* ---- idle ---- */

static void idle_rows(const struct bench_options *options, const char *bytes_row,
                      const char *rr_row_name, unsigned count)
{
    if (!bench_wanted(options, bytes_row) && !bench_wanted(options, rr_row_name))
        return;
    struct bench_pair pair;
    bench_pair_init(&pair, &(struct bench_link){ .mtu = 1500 }, options->v6);
    struct naru_sock *listeners[32];
    for (unsigned i = 0; i < 32; i++)
        listeners[i] = bench_listen(&pair, (uint16_t)(PORT + i), 1024, 0);
    struct naru_stack_stats before[2], after[2];
    naru_stack_get_stats(pair.stack[0], &before[0]);
    naru_stack_get_stats(pair.stack[1], &before[1]);
    struct conn *conns = calloc(count, sizeof(*conns));
    if (conns == NULL)
        bench_die("no memory");
    for (unsigned i = 0; i < count; i++)
        bench_connect(&pair, listeners[i % 32], &conns[i].client, &conns[i].server);
    naru_stack_get_stats(pair.stack[0], &after[0]);
    naru_stack_get_stats(pair.stack[1], &after[1]);
    uint64_t used =
        after[0].memory_used - before[0].memory_used + after[1].memory_used - before[1].memory_used;
    double bytes = (double)used / (2.0 * count);
    bench_print(options, bytes_row, bytes, bytes, "bytes/endpoint", 0);
    rr_rounds(&pair, conns, count, true, 0.2);
    double ns[32];
    for (unsigned i = 0; i < options->repeats; i++)
        ns[i] = rr_rounds(&pair, conns, count, true, options->seconds);
    double median = bench_median(ns, options->repeats);
    bench_print(options, rr_row_name, median, ns[0], "ns/round", 0);
    free(conns);
    bench_pair_deinit(&pair);
}

void bench_idle(const struct bench_options *options)
{
    if (options->v6)
        idle_rows(options, "idle-bytes-v6", "rr-random-100k-v6", 100000);
    else
        idle_rows(options, "idle-bytes", "rr-random-100k", 100000);
}

/* ---- UDP ---- */

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
    uint8_t bytes[64] = { 0 };
    struct naru_slice slice = { bytes, sizeof(bytes) };
    struct naru_room room = { bytes, sizeof(bytes) };
    if (naru_sock_send(sock[from], &slice, 1, 0, NULL, pair->now) != 64)
        bench_die("udp: send");
    for (unsigned turns = 0; !(naru_sock_ready(sock[!from]) & NARU_READY_READ); turns++) {
        if (turns == 3) /* the first may resolve the neighbour */
            bench_die("udp: lost");
        bench_pair_turn(pair);
    }
    if (naru_sock_recv(sock[!from], &room, 1, 0, NULL, pair->now) != 64)
        bench_die("udp: cut");
}

static double udp_round(struct bench_pair *pair, struct naru_sock *const sock[2], double seconds)
{
    uint64_t datagrams = 0;
    double start = bench_now(), end;
    do {
        for (unsigned i = 0; i < 1024; i++)
            bench_datagram(pair, sock, (int)(i & 1));
        datagrams += 1024;
        end = bench_now();
    } while (end - start < seconds);
    return (end - start) * 1e9 / (double)datagrams;
}

void bench_udp(const struct bench_options *options)
{
    char name[64];
    snprintf(name, sizeof(name), "udp-64%s", options->v6 ? "-v6" : "");
    if (!bench_wanted(options, name))
        return;
    struct bench_pair pair;
    bench_pair_init(&pair, &(struct bench_link){ .mtu = 1500 }, options->v6);
    struct naru_sock *sock[2];
    bench_udp_pair(&pair, PORT, sock);
    double ns[32];
    for (unsigned i = 0; i < options->repeats; i++)
        ns[i] = udp_round(&pair, sock, options->seconds);
    double median = bench_median(ns, options->repeats);
    bench_print(options, name, median, ns[0], "ns/datagram", 0);
    bench_pair_deinit(&pair);
}
