/*
 * Goodput over a bottleneck; see goodput.h.
 */
#include "lab/goodput.h"

#include "lab/link.h"
#include "stack/check.h"

#include <naru/naru.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    PORT = 1000,
    MTU = 1500,
    SEGMENT = 1448, /* payload of a full segment: IPv4, TCP with timestamps */
    QUEUE_LEAST = 4 * MTU,
    CHECK_EVERY = 1 << 16,
    CHUNK = 1 << 16,
    TURN_MAX = 64,
};

#define BEGIN NARU_SEC(1)

enum { CLIENT, SERVER };

struct bench {
    const struct naru_goodput_cell *cell;
    struct naru_goodput *result;
    struct naru_stack *stack[2];
    unsigned ifindex[2];
    struct naru_sock *listener, *sock[2];
    struct naru_link link[2]; /* from each of them */
    naru_time now, last_progress, measure_from, end;
    uint64_t received, received_before;
    uint64_t steps;
    bool writable;
    uint8_t buffer[CHUNK];
};

/* ---- The bound ---- */

static double response(const struct naru_goodput_cell *cell)
{
    double rtt = cell->rtt_us * 1e-6, bits = SEGMENT * 8e-6;
    double p = cell->loss_ppm * 1e-6 / (cell->burst ? NARU_GOODPUT_BURST : 1);
    double reno = bits / rtt * sqrt(1.5 / p);
    double cubic = bits / rtt * 1.054 * pow(rtt / p, 0.75);
    return cell->congestion == NARU_CONGESTION_RENO ? reno : fmax(reno, cubic);
}

static void find_bound(const struct naru_goodput_cell *cell, struct naru_goodput *r)
{
    r->bound = cell->rate_mbit * (1 - cell->loss_ppm * 1e-6) * SEGMENT / MTU;
    r->link_bound = true;
    if (cell->loss_ppm > 0 && response(cell) < r->bound) {
        r->bound = response(cell);
        r->link_bound = false;
    }
}

/* ---- The path ---- */

static void *bench_alloc(void *user, size_t size)
{
    (void)user;
    return malloc(size);
}

static void bench_free(void *user, void *at, size_t size)
{
    (void)user;
    (void)size;
    free(at);
}

static bool add_host(struct bench *b, unsigned n)
{
    struct naru_config config;
    struct naru_iface_config iface;
    struct naru_route route = { .prefix = naru_addr_v4(0) };
    struct naru_addr addr = naru_addr_v4(0x0a000001u + n);
    naru_config_init(&config);
    config.alloc = (struct naru_alloc){ .alloc = bench_alloc, .free = bench_free };
    config.seed[0] = (uint8_t)(n + 1);
    config.memory_max = 4ULL << 30;
    config.ooo_memory_max = 1u << 30;
    config.tcp_congestion = (uint8_t)b->cell->congestion;
    config.tcp_rcvbuf_max = config.tcp_sndbuf_max = 256u << 20; /* never what limits */
    naru_iface_config_init(&iface);
    iface.name = "wan0";
    iface.kind = NARU_IFACE_IP;
    iface.mtu = MTU;
    if (naru_stack_new(&config, b->now, &b->stack[n]) != NARU_OK ||
        naru_iface_add(b->stack[n], &iface, b->now, &b->ifindex[n]) != NARU_OK)
        return false;
    route.ifindex = (uint16_t)b->ifindex[n];
    return naru_ifaddr_add(b->stack[n], b->ifindex[n], &addr, 32, b->now) == NARU_OK &&
           naru_route_add(b->stack[n], &route) == NARU_OK;
}

static void add_links(struct bench *b)
{
    const struct naru_goodput_cell *cell = b->cell;
    uint64_t rate = cell->rate_mbit * 125000ULL;
    struct naru_link_config out = { .delay = NARU_US(cell->rtt_us) / 2, .rate = rate };
    struct naru_link_config back = out;
    out.queue = NARU_MAX((uint32_t)(rate * cell->rtt_us / 1000000), (uint32_t)QUEUE_LEAST);
    if (cell->burst) {
        out.elliott_ppm = 1000000 / NARU_GOODPUT_BURST;
        out.bad_max = NARU_MS(NARU_GOODPUT_BURST_MS);
        out.gilbert_ppm =
            (uint32_t)((uint64_t)cell->loss_ppm * out.elliott_ppm / (1000000 - cell->loss_ppm));
    } else {
        out.loss_ppm = cell->loss_ppm;
    }
    naru_link_init(&b->link[CLIENT], &out, 1, b->now);
    naru_link_init(&b->link[SERVER], &back, 2, b->now);
}

/*
 * 200 round trips, 10 to 60 s; with losses until there are some 100, but not beyond 1000 s or a
 * million segments.
 */
static naru_time duration(const struct naru_goodput_cell *cell, double bound)
{
    naru_time time = NARU_US(200 * (naru_time)cell->rtt_us);
    double segments = bound * 1e6 / (SEGMENT * 8); /* a second */
    double events = segments * cell->loss_ppm * 1e-6 / (cell->burst ? NARU_GOODPUT_BURST : 1);
    time = NARU_MIN(NARU_MAX(time, NARU_SEC(10)), NARU_SEC(60));
    if (cell->loss_ppm > 0)
        time = NARU_MAX(time, (naru_time)(fmin(fmin(100 / events, 1000), 1e6 / segments) * 1e9));
    return time;
}

static bool begin(struct bench *b)
{
    struct naru_endpoint to = { .addr = naru_addr_v4(0x0a000001u + SERVER), .port = PORT };
    b->now = b->last_progress = BEGIN;
    b->end = b->now + duration(b->cell, b->result->bound);
    b->measure_from = b->now + (b->end - b->now) / 4;
    b->writable = true;
    add_links(b);
    return add_host(b, CLIENT) && add_host(b, SERVER) &&
           naru_sock_new(b->stack[SERVER], NARU_IPV4, NARU_SOCK_STREAM, &b->listener) == NARU_OK &&
           naru_sock_bind(b->listener, &to) == NARU_OK &&
           naru_sock_listen(b->listener, 1, b->now) == NARU_OK &&
           naru_sock_new(b->stack[CLIENT], NARU_IPV4, NARU_SOCK_STREAM, &b->sock[CLIENT]) ==
               NARU_OK &&
           naru_sock_connect(b->sock[CLIENT], &to, b->now) == NARU_ERR_INPROGRESS;
}

/* ---- One instant ---- */

static void arrive(struct bench *b, unsigned at)
{
    struct naru_link_frame *frame;
    while ((frame = naru_link_pop(&b->link[!at], b->now)) != NULL) {
        struct naru_pkt *pkt = naru_pkt_new(b->stack[at], frame->len);
        if (pkt != NULL) {
            memcpy(pkt->data, frame->bytes, frame->len);
            pkt->len = (uint32_t)frame->len;
            naru_stack_input(b->stack[at], b->ifindex[at], pkt, b->now);
        }
        free(frame);
    }
}

static void leave(struct bench *b, unsigned from)
{
    struct naru_frame frame;
    uint8_t bytes[MTU];
    for (unsigned i = 0;
         i < TURN_MAX && naru_stack_output(b->stack[from], b->ifindex[from], &frame, b->now); i++) {
        naru_frame_copy(&frame, bytes);
        naru_link_push(&b->link[from], bytes, frame.len, b->now);
    }
}

static void read_all(struct bench *b)
{
    struct naru_room room = { b->buffer, sizeof(b->buffer) };
    int64_t n;
    if (b->sock[SERVER] == NULL &&
        naru_sock_accept(b->listener, &b->sock[SERVER], b->now) != NARU_OK)
        return;
    while ((n = naru_sock_recv(b->sock[SERVER], &room, 1, 0, NULL, b->now)) > 0) {
        b->result->silence = NARU_MAX(b->result->silence, b->now - b->last_progress);
        b->last_progress = b->now;
        b->received += (uint64_t)n;
    }
}

static void write_all(struct bench *b)
{
    static const uint8_t zeros[CHUNK];
    struct naru_slice slice = { zeros, sizeof(zeros) };
    while (b->writable)
        b->writable = naru_sock_send(b->sock[CLIENT], &slice, 1, 0, NULL, b->now) > 0;
}

static naru_time instant(struct bench *b)
{
    struct naru_event event;
    naru_time next = b->end;
    for (unsigned n = 0; n < 2; n++) {
        arrive(b, n);
        if (naru_stack_deadline(b->stack[n]) <= b->now)
            naru_stack_tick(b->stack[n], b->now);
        while (naru_stack_event(b->stack[n], &event))
            b->writable = b->writable || n == CLIENT;
    }
    read_all(b);
    write_all(b);
    for (unsigned n = 0; n < 2; n++) {
        leave(b, n);
        next = NARU_MIN(next, naru_link_deadline(&b->link[n]));
        next = NARU_MIN(next, naru_stack_deadline(b->stack[n]));
        if (naru_stack_output_pending(b->stack[n], b->ifindex[n]))
            next = b->now;
        if (++b->steps % CHECK_EVERY == 0)
            naru_stack_check(b->stack[n]);
    }
    return NARU_MAX(next, b->now + 1);
}

/* ---- The end of it ---- */

static void conclude(struct bench *b)
{
    struct naru_goodput *r = b->result;
    struct naru_stack_stats stats;
    naru_stack_get_stats(b->stack[CLIENT], &stats);
    r->goodput =
        (double)(b->received - b->received_before) * 8e3 / (double)(b->end - b->measure_from);
    r->silence = NARU_MAX(r->silence, b->end - b->last_progress);
    r->stall = NARU_GOODPUT_STALL * (NARU_MS(200) + 2 * NARU_US(b->cell->rtt_us));
    r->stalled = r->silence > r->stall;
    r->segments = stats.tcp_segments_out;
    r->retransmits = stats.tcp_retransmits;
    r->timeouts = stats.tcp_rto_fires;
    r->lost = b->link[CLIENT].counters.lost;
    r->overflowed = b->link[CLIENT].counters.overflowed;
}

static void measure(struct bench *b)
{
    while (b->now < b->end) {
        bool before = b->now < b->measure_from;
        b->now = instant(b);
        if (before && b->now >= b->measure_from)
            b->received_before = b->received;
    }
    conclude(b);
}

double naru_goodput_cost(const struct naru_goodput_cell *cell)
{
    struct naru_goodput r;
    find_bound(cell, &r);
    return r.bound * 1e6 / (SEGMENT * 8) * (double)duration(cell, r.bound) * 1e-9;
}

void naru_goodput_run(const struct naru_goodput_cell *cell, struct naru_goodput *result)
{
    struct bench *b = calloc(1, sizeof(*b));
    *result = (struct naru_goodput){ .why = "no memory" };
    find_bound(cell, result);
    if (b == NULL)
        return;
    b->cell = cell;
    b->result = result;
    if (begin(b)) {
        result->why = NULL;
        measure(b);
    }
    for (unsigned n = 0; n < 2; n++) {
        naru_stack_free(b->stack[n]);
        naru_link_deinit(&b->link[n]);
    }
    free(b);
}
