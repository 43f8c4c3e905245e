/*
 * The same bulk and the same request and response by lwIP, where its library is installed.
 *
 * One process holds one lwIP, so both ends are in it: two Ethernet interfaces, and a wire that
 * copies each frame once, into a pbuf that is given to the other.  A pcb is bound to its interface,
 * else lwIP would find that the address is its own and never leave.
 *
 * As Debian builds it: a window and a send buffer of 65 535 bytes, checksums made and verified in
 * software (while copying, where it sends) by the portable algorithm, memory from malloc; neither
 * timestamps nor SACK, so that a segment has 1460 bytes, and an ACK for every second one.
 */
#include "bench.h"

#include <lwip/etharp.h>
#include <lwip/init.h>
#include <lwip/tcp.h>
#include <lwip/timeouts.h>
#include <netif/ethernet.h>
#include <string.h>

enum { RING = 512, PASS = 64, MSS = 1460 };

struct wire {
    struct pbuf *frame[RING]; /* on their way to this end */
    unsigned first, count;
};

struct end {
    struct netif netif;
    struct wire in;
    struct tcp_pcb *pcb;
    uint64_t received;
};

/* One lwIP: it has its own globals, and so must this. */
static struct end ends[2];
static uint8_t chunk[BENCH_CHUNK];

static err_t put(struct netif *netif, struct pbuf *p)
{
    struct wire *wire = &ends[netif == &ends[0].netif].in;
    if (wire->count == RING)
        bench_die("lwip: the wire is full");
    struct pbuf *copy = pbuf_alloc(PBUF_RAW, p->tot_len, PBUF_RAM);
    if (copy == NULL || pbuf_copy_partial(p, copy->payload, p->tot_len, 0) != p->tot_len)
        bench_die("lwip: no memory");
    wire->frame[(wire->first + wire->count++) % RING] = copy;
    return ERR_OK;
}

static unsigned deliver(struct end *to)
{
    unsigned moved = 0;
    for (; moved < PASS && to->in.count > 0; moved++) {
        struct pbuf *p = to->in.frame[to->in.first];
        to->in.first = (to->in.first + 1) % RING;
        to->in.count--;
        if (to->netif.input(p, &to->netif) != ERR_OK)
            bench_die("lwip: input");
    }
    return moved;
}

static err_t start_netif(struct netif *netif)
{
    netif->name[0] = 'w';
    netif->name[1] = 'r';
    netif->mtu = 1500;
    netif->hwaddr_len = ETH_HWADDR_LEN;
    netif->hwaddr[0] = 2;
    netif->hwaddr[5] = (uint8_t)(1 + (netif == &ends[1].netif));
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET;
    netif->output = etharp_output;
    netif->linkoutput = put;
    return ERR_OK;
}

static void add_netif(struct end *end, unsigned host)
{
    ip4_addr_t addr, mask, gateway;
    IP4_ADDR(&addr, 10, 7, 0, (uint8_t)host);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    ip4_addr_set_zero(&gateway);
    if (netif_add(&end->netif, &addr, &mask, &gateway, NULL, start_netif, ethernet_input) == NULL)
        bench_die("lwip: no interface");
    netif_set_up(&end->netif);
    netif_set_link_up(&end->netif);
}

/* The application reads: one copy out. */
static err_t on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
    static uint8_t sink[BENCH_CHUNK];
    struct end *end = arg;
    (void)err;
    if (p == NULL)
        bench_die("lwip: the connection ends");
    end->received += pbuf_copy_partial(p, sink, p->tot_len, 0);
    tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    return ERR_OK;
}

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t err)
{
    struct end *end = arg;
    if (err == ERR_OK)
        end->pcb = pcb;
    return err;
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
    struct end *end = arg;
    if (err != ERR_OK || pcb == NULL)
        return ERR_VAL;
    end->pcb = pcb;
    tcp_nagle_disable(pcb);
    tcp_arg(pcb, end);
    tcp_recv(pcb, on_recv);
    return ERR_OK;
}

static unsigned turn(void) { return deliver(&ends[1]) + deliver(&ends[0]); }

static void connect_ends(void)
{
    ip_addr_t to = IPADDR4_INIT_BYTES(10, 7, 0, 2);
    struct tcp_pcb *listener = tcp_new(), *client = tcp_new();
    if (listener == NULL || client == NULL || tcp_bind(listener, &to, BENCH_PORT) != ERR_OK)
        bench_die("lwip: no pcb");
    tcp_bind_netif(listener, &ends[1].netif);
    listener = tcp_listen(listener);
    if (listener == NULL)
        bench_die("lwip: cannot listen");
    tcp_arg(listener, &ends[1]);
    tcp_accept(listener, on_accept);
    tcp_bind_netif(client, &ends[0].netif);
    tcp_nagle_disable(client);
    tcp_arg(client, &ends[0]);
    tcp_recv(client, on_recv);
    if (tcp_connect(client, &to, BENCH_PORT, on_connected) != ERR_OK)
        bench_die("lwip: cannot connect");
    for (unsigned i = 0; i < 100 && (ends[0].pcb == NULL || ends[1].pcb == NULL); i++)
        turn();
    if (ends[0].pcb == NULL || ends[1].pcb == NULL)
        bench_die("lwip: the handshake does not end");
}

static void *open_lwip(const struct bench_setup *setup, bool v6)
{
    (void)setup;
    (void)v6;
    if (ends[0].pcb == NULL) { /* it is never ended: lwIP has no such call */
        lwip_init();
        add_netif(&ends[0], 1);
        add_netif(&ends[1], 2);
        connect_ends();
    }
    return ends;
}

static void close_lwip(void *state) { (void)state; }

static void fill(void)
{
    uint16_t room;
    while ((room = tcp_sndbuf(ends[0].pcb)) > 0 &&
           tcp_write(ends[0].pcb, chunk, room, TCP_WRITE_FLAG_COPY) == ERR_OK)
        ;
    tcp_output(ends[0].pcb);
}

static void drain(void)
{
    while (turn() > 0)
        ;
    sys_check_timeouts();
}

static double bulk(void *state, double seconds)
{
    (void)state;
    uint64_t before = ends[1].received;
    double start = bench_now(), end;
    do {
        for (unsigned i = 0; i < 64; i++) {
            fill();
            turn();
        }
        sys_check_timeouts();
        end = bench_now();
    } while (end - start < seconds);
    uint64_t bytes = ends[1].received - before;
    drain();
    if (bytes == 0)
        bench_die("lwip: no progress");
    return (end - start) * 1e9 / ((double)bytes / MSS);
}

static void say(struct end *end)
{
    if (tcp_write(end->pcb, chunk, 1, TCP_WRITE_FLAG_COPY) != ERR_OK ||
        tcp_output(end->pcb) != ERR_OK)
        bench_die("lwip: send");
}

static double rr(void *state, double seconds)
{
    (void)state;
    uint64_t rounds = 0;
    drain();
    double start = bench_now(), end;
    do {
        for (unsigned i = 0; i < 256; i++) {
            uint64_t requests = ends[1].received, responses = ends[0].received;
            say(&ends[0]);
            deliver(&ends[1]);
            if (ends[1].received != requests + 1)
                bench_die("lwip: request lost");
            say(&ends[1]);
            deliver(&ends[0]);
            if (ends[0].received != responses + 1)
                bench_die("lwip: response lost");
        }
        rounds += 256;
        sys_check_timeouts();
        end = bench_now();
    } while (end - start < seconds);
    return (end - start) * 1e9 / (double)rounds;
}

static const struct bench_setup setup = { .open = open_lwip, .close = close_lwip };

const struct bench_beside bench_lwip_bulk = { "lwip-bulk-1500", &setup, bulk };
const struct bench_beside bench_lwip_rr = { "lwip-rr-1", &setup, rr };
