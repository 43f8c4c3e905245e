/*
 * Two stacks on an in-memory wire: each frame is copied once, into a packet of the receiver, as a
 * network card would do.
 *
 * The wire takes 64 frames of one side before it asks the other, as a network card with interrupts
 * does; every_second makes it ask after two, which is as often as a TCP acknowledges; and flight
 * lets all that the window allows be on the wire.
 */
#include "bench.h"

#include "base/defs.h"
#include "host/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TURNS_MAX = 10000000, BURST = 64, FLIGHT_MAX = 1 << 20, AT_ONCE = 16 };

_Noreturn void bench_die(const char *what)
{
    fprintf(stderr, "naru-bench: %s\n", what);
    exit(1);
}

void *bench_calloc(size_t count, size_t size)
{
    void *ptr = calloc(count, size);
    if (ptr == NULL)
        bench_die("no memory");
    return ptr;
}

static void add_stack(struct bench_pair *pair, int side, const struct bench_link *link, bool v6)
{
    struct naru_config config;
    naru_config_init(&config);
    config.alloc = naru_alloc_malloc();
    config.seed[0] = (uint8_t)(side + 1);
    config.memory_max = (uint64_t)16 << 30;
    config.sockets_max = 4000000;
    config.tcp_rcvbuf_max = NARU_MAX(config.tcp_rcvbuf_max, 2 * link->window);
    config.tcp_sndbuf_max = NARU_MAX(config.tcp_sndbuf_max, link->window);
    config.port_min = 1024;
    config.port_max = (uint16_t)(link->ports != 0 ? 1023 + link->ports : 65535);
    if (naru_stack_new(&config, pair->now, &pair->stack[side]) != NARU_OK)
        bench_die("no stack");

    struct naru_iface_config iface;
    naru_iface_config_init(&iface);
    iface.name = "wire";
    iface.mac[0] = 2;
    iface.mac[5] = (uint8_t)(side + 1);
    iface.mtu = link->mtu;
    if (link->offload)
        iface.offload = NARU_OFFLOAD_TX_CSUM | NARU_OFFLOAD_TX_TSO;
    if (naru_iface_add(pair->stack[side], &iface, pair->now, &pair->ifindex[side]) != NARU_OK)
        bench_die("no interface");
    if (!naru_addr_parse(v6 ? "fd00::1" : "10.0.0.1", &pair->addr[side]))
        bench_die("no address");
    pair->addr[side].b[15] = (uint8_t)(side + 1);
    if (naru_ifaddr_add(pair->stack[side], pair->ifindex[side], &pair->addr[side], v6 ? 64 : 24,
                        pair->now) != NARU_OK)
        bench_die("address refused");
}

void bench_pair_init(struct bench_pair *pair, const struct bench_link *link, bool v6)
{
    *pair = (struct bench_pair){ .now = NARU_SEC(1),
                                 .burst = link->flight ? FLIGHT_MAX : BURST,
                                 .every_second = link->every_second };
    add_stack(pair, 0, link, v6);
    add_stack(pair, 1, link, v6);
}

void bench_pair_deinit(struct bench_pair *pair)
{
    naru_stack_free(pair->stack[0]);
    naru_stack_free(pair->stack[1]);
}

/* The frame in a packet of the receiver. */
static struct naru_pkt *copy_in(struct naru_stack *to, const struct naru_frame *frame)
{
    struct naru_pkt *pkt = naru_pkt_new(to, frame->len);
    if (pkt == NULL)
        bench_die("receiver out of memory");
    naru_frame_copy(frame, pkt->data);
    pkt->len = (uint32_t)frame->len;
    pkt->offload = frame->offload;
    if (pkt->offload.csum_partial)
        pkt->offload.csum_valid = 1; /* the bytes never left this machine */
    return pkt;
}

/* As many as a driver takes out of its ring at a time; false: there are no more. */
static bool carry_some(struct bench_pair *pair, int from, unsigned max, unsigned *count)
{
    struct naru_frame frame;
    struct naru_pkt *pkt[AT_ONCE];
    unsigned held = 0;
    while (held < max &&
           naru_stack_output(pair->stack[from], pair->ifindex[from], &frame, pair->now))
        pkt[held++] = copy_in(pair->stack[!from], &frame);
    if (held != 0)
        naru_stack_input_burst(pair->stack[!from], pair->ifindex[!from], pkt, held, pair->now);
    *count += held;
    return held == max;
}

static unsigned carry(struct bench_pair *pair, int from, unsigned max)
{
    unsigned count = 0;
    while (count < max && carry_some(pair, from, NARU_MIN(max - count, (unsigned)AT_ONCE), &count))
        ;
    return count;
}

static unsigned carry_every_second(struct bench_pair *pair)
{
    unsigned sent = 0, answers = 0, count;
    do {
        count = carry(pair, 0, 2);
        sent += count;
        answers += carry(pair, 1, pair->burst);
    } while (count == 2 && sent < pair->burst);
    return sent + answers;
}

static void advance(struct bench_pair *pair)
{
    pair->now += NARU_US(1);
    for (int i = 0; i < 2; i++)
        if (naru_stack_deadline(pair->stack[i]) <= pair->now)
            naru_stack_tick(pair->stack[i], pair->now);
}

unsigned bench_pair_pass(struct bench_pair *pair, int from)
{
    unsigned moved = 0;
    while (carry_some(pair, from, AT_ONCE, &moved))
        ;
    advance(pair);
    pair->frames += moved;
    return moved;
}

unsigned bench_pair_turn(struct bench_pair *pair)
{
    unsigned moved = pair->every_second ? carry_every_second(pair)
                                        : carry(pair, 0, pair->burst) + carry(pair, 1, pair->burst);
    advance(pair);
    pair->frames += moved;
    return moved;
}

void bench_pair_until(struct bench_pair *pair, bool (*cond)(void *), void *arg, const char *what)
{
    for (unsigned i = 0; i < TURNS_MAX; i++) {
        if (cond(arg))
            return;
        if (bench_pair_turn(pair) == 0) {
            naru_time a = naru_stack_deadline(pair->stack[0]);
            naru_time b = naru_stack_deadline(pair->stack[1]);
            naru_time next = a < b ? a : b;
            if (next != NARU_NEVER && next > pair->now)
                pair->now = next;
        }
    }
    bench_die(what);
}

static enum naru_family family_of(const struct naru_addr *addr)
{
    return addr->b[0] == 0xfd ? NARU_IPV6 : NARU_IPV4;
}

struct naru_sock *bench_listen(struct bench_pair *pair, uint16_t port, unsigned backlog,
                               uint32_t rcvbuf)
{
    struct naru_sock *listener;
    struct naru_endpoint local = { .addr = pair->addr[1], .port = port };
    if (naru_sock_new(pair->stack[1], family_of(&local.addr), NARU_SOCK_STREAM, &listener) !=
            NARU_OK ||
        naru_sock_bind(listener, &local) != NARU_OK ||
        (rcvbuf != 0 && naru_sock_set(listener, NARU_OPT_RCVBUF, rcvbuf, pair->now) != NARU_OK) ||
        naru_sock_listen(listener, backlog, pair->now) != NARU_OK)
        bench_die("cannot listen");
    return listener;
}

struct handshake {
    struct naru_sock *listener, *client, *server;
    naru_time *now;
};

static bool established(void *arg)
{
    struct handshake *h = arg;
    if (h->server == NULL && naru_sock_accept(h->listener, &h->server, *h->now) != NARU_OK)
        return false;
    return (naru_sock_ready(h->client) & NARU_READY_WRITE) != 0;
}

struct naru_sock *bench_client(struct bench_pair *pair, struct naru_sock *listener)
{
    struct naru_sock *client;
    struct naru_endpoint remote;
    naru_sock_local(listener, &remote);
    if (naru_sock_new(pair->stack[0], family_of(&remote.addr), NARU_SOCK_STREAM, &client) !=
        NARU_OK)
        bench_die("no socket");
    int err = naru_sock_connect(client, &remote, pair->now);
    if (err != NARU_ERR_INPROGRESS)
        bench_die(naru_err_text(err));
    return client;
}

void bench_connect(struct bench_pair *pair, struct naru_sock *listener, struct naru_sock **client,
                   struct naru_sock **server)
{
    struct handshake h = { .listener = listener, .now = &pair->now };
    h.client = bench_client(pair, listener);
    bench_pair_until(pair, established, &h, "the handshake does not end");
    *client = h.client;
    *server = h.server;
}
