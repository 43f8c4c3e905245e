/*
 * What each kind of object costs in memory: some thousand of them are made in a stack, and what it
 * then holds more is shared among them, so that tables, slabs and their unused rests are in it.
 *
 * No clock and no chance is in it: the figures are the same on each machine of 64 bits.  Packets
 * and blocks that the stack keeps for the next who needs one belong to no object and are not
 * counted.
 */
#include "bench.h"

#include "base/defs.h"
#include "stack/core.h"

#include <stdio.h>
#include <string.h>

enum { MANY = 4000, NEIGHBOURS = 1000, BUSY = 1000, BUSY_BYTES = 65536, SIDES = 2 };

struct world {
    struct bench_pair pair;
    bool v6;
    struct naru_sock *listener;
    struct naru_sock *client[MANY], *server[MANY];
    uint64_t before[SIDES];
};

static uint64_t held(const struct world *w, int side)
{
    struct naru_stack_stats stats;
    const struct naru_stack *stack = w->pair.stack[side];
    naru_stack_get_stats(stack, &stats);
    return stats.memory_used - stack->pkts.cached - stack->blocks.cached;
}

static void mark(struct world *w)
{
    for (int side = 0; side < SIDES; side++)
        w->before[side] = held(w, side);
}

static double each(const struct world *w, int side, unsigned count)
{
    return ((double)held(w, side) - (double)w->before[side]) / count;
}

/* Ten seconds in which nobody asks for anything. */
static void rest(struct world *w)
{
    for (unsigned i = 0; i < 100; i++) {
        while (bench_pair_turn(&w->pair) > 0)
            ;
        w->pair.now += NARU_MS(100);
    }
}

static void open_many(struct world *w, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        bench_connect(&w->pair, w->listener, &w->client[i], &w->server[i]);
}

static void stack_itself(struct world *w, double value[SIDES])
{
    value[0] = value[1] = (double)held(w, 0);
}

static void listeners(struct world *w, double value[SIDES])
{
    mark(w);
    for (unsigned i = 1; i <= MANY; i++)
        (void)bench_listen(&w->pair, (uint16_t)(BENCH_PORT + i), 16, 0);
    value[1] = each(w, 1, MANY);
}

static void half_open(struct world *w, double value[SIDES])
{
    struct naru_frame answer;
    struct naru_stack *to = w->pair.stack[1];
    bench_forge_route(&w->pair, w->v6);
    mark(w);
    for (unsigned i = 0; i < MANY; i++) {
        struct naru_pkt *pkt = naru_pkt_new(to, BENCH_FORGED_MAX);
        if (pkt == NULL)
            bench_die("memory: no packet");
        pkt->len = (uint32_t)bench_forge_syn(pkt->data, &w->pair.addr[1], w->v6, i);
        naru_stack_input(to, w->pair.ifindex[1], pkt, w->pair.now);
        while (naru_stack_output(to, w->pair.ifindex[1], &answer, w->pair.now))
            ;
    }
    struct naru_stack_stats stats;
    naru_stack_get_stats(to, &stats);
    if (stats.half_open != MANY)
        bench_die("memory: not all are half open");
    value[1] = each(w, 1, MANY);
}

static void idle(struct world *w, double value[SIDES])
{
    open_many(w, 1);
    mark(w);
    open_many(w, MANY);
    for (unsigned i = 0; i < MANY; i++)
        bench_round(&w->pair, w->client[i], w->server[i]);
    rest(w);
    for (int side = 0; side < SIDES; side++)
        value[side] = each(w, side, MANY);
}

/* Each client has written what no wire has taken yet; then it is with servers that do not read. */
static void busy(struct world *w, double value[SIDES])
{
    static const uint8_t bytes[BUSY_BYTES];
    struct naru_slice slice = { bytes, sizeof(bytes) };
    open_many(w, 1);
    rest(w);
    mark(w);
    open_many(w, BUSY);
    for (unsigned i = 0; i < BUSY; i++)
        if (naru_sock_send(w->client[i], &slice, 1, 0, NULL, w->pair.now) != BUSY_BYTES)
            bench_die("memory: the send buffer is small");
    value[0] = each(w, 0, BUSY);
    rest(w);
    value[1] = each(w, 1, BUSY);
    if (each(w, 0, BUSY) > value[0] / 2)
        bench_die("memory: not all has arrived");
}

/* The same, and the servers have read it: what stays is what a transfer is remembered by. */
static void worked(struct world *w, double value[SIDES])
{
    static uint8_t bytes[BUSY_BYTES];
    busy(w, value);
    for (unsigned i = 0; i < BUSY; i++) {
        struct naru_room room = { bytes, sizeof(bytes) };
        size_t left = sizeof(bytes);
        while (left > 0) {
            int64_t n = naru_sock_recv(w->server[i], &room, 1, 0, NULL, w->pair.now);
            if (n <= 0)
                bench_die("memory: not all can be read");
            left -= (size_t)n;
        }
    }
    rest(w);
    for (int side = 0; side < SIDES; side++)
        value[side] = each(w, side, BUSY);
}

static void time_wait(struct world *w, double value[SIDES])
{
    bench_churn_one(&w->pair, w->listener);
    mark(w);
    for (unsigned i = 0; i < MANY; i++)
        bench_churn_one(&w->pair, w->listener);
    value[0] = each(w, 0, MANY);
}

static void udp(struct world *w, double value[SIDES])
{
    mark(w);
    for (unsigned i = 0; i < MANY; i++) {
        struct naru_endpoint local = { .addr = w->pair.addr[1],
                                       .port = (uint16_t)(BENCH_PORT + i) };
        if (naru_sock_new(w->pair.stack[1], w->v6 ? NARU_IPV6 : NARU_IPV4, NARU_SOCK_DGRAM,
                          &w->server[i]) != NARU_OK ||
            naru_sock_bind(w->server[i], &local) != NARU_OK)
            bench_die("memory: no socket");
    }
    value[1] = each(w, 1, MANY);
}

static void neighbours(struct world *w, double value[SIDES])
{
    mark(w);
    for (unsigned i = 0; i < NEIGHBOURS; i++) {
        struct naru_addr addr =
            w->v6 ? (struct naru_addr){ .b = { 0xfd } } : naru_addr_v4(0x0a000000);
        addr.b[14] = (uint8_t)(1 + i / 250);
        addr.b[15] = (uint8_t)(1 + i % 250);
        uint8_t mac[6] = { 2, 0, 0, 1, (uint8_t)(i >> 8), (uint8_t)i };
        if (naru_neigh_add(w->pair.stack[1], w->pair.ifindex[1], &addr, mac, w->pair.now) !=
            NARU_OK)
            bench_die("memory: no neighbour");
    }
    value[1] = each(w, 1, NEIGHBOURS);
}

static void routes(struct world *w, double value[SIDES])
{
    mark(w);
    for (unsigned i = 0; i < MANY; i++) {
        struct naru_route route = { .prefix = naru_addr_v4(0x0b000000 + (i << 8)),
                                    .prefix_len = 24,
                                    .has_gateway = true,
                                    .gateway = w->pair.addr[0] };
        if (w->v6) {
            route.prefix = (struct naru_addr){ .b = { 0xfd, 1, [6] = (uint8_t)(i >> 8) } };
            route.prefix.b[7] = (uint8_t)i;
            route.prefix_len = 64;
        }
        if (naru_route_add(w->pair.stack[1], &route) != NARU_OK)
            bench_die("memory: no route");
    }
    value[1] = each(w, 1, MANY);
}

static const struct {
    const char *name[SIDES]; /* of what side 0 has, and side 1; NULL: it has none */
    void (*make)(struct world *w, double value[SIDES]);
} kinds[] = {
    { { "a stack, with its loopback and an Ethernet interface", NULL }, stack_itself },
    { { NULL, "listener" }, listeners },
    { { NULL, "connection half open (SYN-RECEIVED)" }, half_open },
    { { "connection open and idle, its client", "connection open and idle, its server" }, idle },
    { { "the same after it has sent 65 536 bytes", "the same after it has received them" },
      worked },
    { { "connection with 65 536 bytes to send", "connection with 65 536 bytes unread" }, busy },
    { { "connection in TIME-WAIT", NULL }, time_wait },
    { { NULL, "UDP socket" }, udp },
    { { NULL, "neighbour" }, neighbours },
    { { NULL, "route" }, routes },
};

static void measure_kind(unsigned kind, bool v6, double value[SIDES])
{
    static struct world w;
    w = (struct world){ .v6 = v6 };
    bench_pair_init(&w.pair, &(struct bench_link){ .mtu = 1500 }, v6);
    if (kind > 0)
        w.listener = bench_listen(&w.pair, BENCH_PORT, MANY, 0);
    kinds[kind].make(&w, value);
    bench_pair_deinit(&w.pair);
}

static void print_objects(void)
{
    printf("| bytes of each | IPv4 | IPv6 |\n|---|---|---|\n");
    for (unsigned kind = 0; kind < NARU_ARRAY_LEN(kinds); kind++) {
        double v4[SIDES] = { 0 }, v6[SIDES] = { 0 };
        measure_kind(kind, false, v4);
        measure_kind(kind, true, v6);
        for (int side = 0; side < SIDES; side++)
            if (kinds[kind].name[side] != NULL)
                printf("| %s | %.0f | %.0f |\n", kinds[kind].name[side], v4[side], v6[side]);
    }
}

#define LIMIT(field_)                                 \
    {                                                 \
#field_, offsetof(struct naru_config, field_) \
    }

static void print_profiles(void)
{
    static const struct {
        const char *name;
        size_t at; /* a uint32_t of struct naru_config */
    } limits[] = {
        LIMIT(sockets_max),        LIMIT(time_wait_max),      LIMIT(syn_queue_max),
        LIMIT(neigh_max),          LIMIT(metrics_max),        LIMIT(frag_memory_max),
        LIMIT(ooo_memory_max),     LIMIT(tcp_rcvbuf_max),     LIMIT(tcp_sndbuf_max),
        LIMIT(tcp_rcvbuf_default), LIMIT(tcp_sndbuf_default), LIMIT(udp_rcvbuf_default),
    };
    struct naru_config config[4];
    for (unsigned i = 0; i < NARU_ARRAY_LEN(config); i++) {
        naru_config_init(&config[i]);
        if (i < 3)
            naru_config_fit(&config[i], (uint64_t)(256 << 10) << 4 * i);
    }
    printf(
        "| limit | 256 KiB | 4 MiB | 64 MiB | not fitted |\n|---|---|---|---|---|\n| memory_max |");
    for (unsigned i = 0; i < NARU_ARRAY_LEN(config); i++)
        printf(" %llu |", (unsigned long long)config[i].memory_max);
    for (unsigned n = 0; n < NARU_ARRAY_LEN(limits); n++) {
        printf("\n| %s |", limits[n].name);
        for (unsigned i = 0; i < NARU_ARRAY_LEN(config); i++) {
            uint32_t value;
            memcpy(&value, (const uint8_t *)&config[i] + limits[n].at, sizeof(value));
            printf(" %u |", value);
        }
    }
    printf("\n");
}

static const char head[] =
    "# Memory\n"
    "\n"
    "`naru-bench --memory` writes this file; a test says when it is not current.\n"
    "\n"
    "## What things cost\n"
    "\n"
    "Some thousand of each are made in one stack, and what it then holds more is shared among\n"
    "them: with their places in tables, and with what slabs have left over.  Everything a stack\n"
    "has is counted; packets and blocks that it keeps for the next who needs one are nobody's\n"
    "and are left out.  The allocator's own overhead is not in it: a stack asks for large pieces.\n"
    "\n";

static const char middle[] =
    "\n"
    "## Stacks of any size\n"
    "\n"
    "`naru_config_fit(&config, bytes)` makes the limits of a stack fit into so much memory,\n"
    "256 KiB at least.  Tests run many connections at once through stacks of three sizes, with\n"
    "data both ways over a wire that loses, and count what the stacks ask of their allocator.\n"
    "\n";

void bench_memory(void)
{
    fputs(head, stdout);
    print_objects();
    fputs(middle, stdout);
    print_profiles();
}
