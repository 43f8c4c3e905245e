/*
 * A simulation; see sim.h.
 *
 * The switch knows where each host is, and plays the router where a path's MTU has shrunk: a packet
 * that is too long is answered as RFC 1191 and RFC 8201 ask.  Everything that happens is at one
 * instant of virtual time after another: frames arrive, timers fire, applications act, frames
 * leave; then every stack is checked.
 */
#include "lab/sim.h"

#include "base/csum.h"
#include "lab/digest.h"
#include "lab/link.h"
#include "lab/sim_app.h"
#include "stack/check.h"
#include "wire/eth.h"
#include "wire/icmp.h"
#include "wire/icmpv6.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"

#include <naru/naru.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FLOWS_MAX = 6, STEPS_MAX = 4000000, FRAME_MAX = 1514, PORT = 1000, CHECK_EVERY = 64 };

#define BEGIN    NARU_SEC(1)
#define TIME_MAX NARU_SEC(4 * 3600)

struct flow {
    struct naru_sock *listener;
    unsigned host[2]; /* client, server */
    enum naru_family family;
    naru_time start;
    bool started, accepted;
    struct naru_sim_end end[2];
};

struct host {
    struct naru_stack *stack;
    unsigned ifindex;
    struct naru_addr v4, v6;
    uint8_t mac[6];
    struct naru_link up, down; /* to the switch, from it */
};

struct sim {
    const struct naru_sim_options *options;
    struct naru_sim_result *result;
    struct naru_rand rand, more_rand;
    naru_time now;
    unsigned host_count, flow_count, steps;
    struct host host[NARU_SIM_HOSTS];
    struct flow flow[FLOWS_MAX];
    uint32_t mtu; /* of every path, from shrinks_at on */
    naru_time shrinks_at;
    bool silent; /* nobody says so: a black hole */
    bool fast;   /* data go with SYN */
    bool marks;  /* links mark CE, and hosts speak ECN, or do not */
    bool harsh;  /* memory is short: connections may fail */
    bool lossy;  /* three solicitations in a row may be lost: a neighbour is not found */
    size_t allocated;
};

/* Half of the worlds have links that mark, a third speak Fast Open, without cookies.  Drawn apart,
 * so that the others stay what they were. */
static void draw_more(struct sim *sim, struct naru_config *config, struct naru_link_config *link)
{
    struct naru_rand *r = &sim->more_rand;
    if (sim->fast)
        config->tcp_fastopen = NARU_FASTOPEN_CLIENT | NARU_FASTOPEN_SERVER |
                               NARU_FASTOPEN_CLIENT_NO_COOKIE | NARU_FASTOPEN_SERVER_NO_COOKIE |
                               NARU_FASTOPEN_SERVER_ALL;
    if (!sim->marks)
        return;
    config->tcp_ecn = (uint8_t)naru_rand_below(r, NARU_ECN_MODE_ACCEPT_ACCURATE + 1);
    if (naru_rand_below(r, 2) == 0)
        config->tcp_ecn = naru_rand_below(r, 2) == 0 ? NARU_ECN_MODE_ON : NARU_ECN_MODE_ACCURATE;
    for (unsigned i = 0; i < 2; i++) {
        link[i].mark_ppm = naru_rand_below(r, 2) == 0 ? naru_rand_below(r, 100000) : 0;
        link[i].marks_queue = naru_rand_below(r, 2) == 0;
    }
}

static bool one_in(struct sim *sim, uint32_t n) { return naru_rand_below(&sim->rand, n) == 0; }

static void wrong(struct sim *sim, const char *why)
{
    if (sim->result->why[0] == '\0')
        snprintf(sim->result->why, sizeof(sim->result->why), "%s, at %.6f s", why,
                 (double)sim->now * 1e-9);
}

/* ---- The world ---- */

static void *sim_alloc(void *user, size_t size)
{
    struct sim *sim = user;
    void *at = malloc(size);
    sim->allocated += at == NULL ? 0 : size;
    return at;
}

static void sim_free(void *user, void *at, size_t size)
{
    struct sim *sim = user;
    sim->allocated -= size;
    free(at);
}

static struct naru_link_config draw_link(struct sim *sim)
{
    struct naru_rand *r = &sim->rand;
    struct naru_link_config c = {
        .delay = NARU_US(naru_rand_between(r, 1, 1000)),
        .corrupt_from = NARU_ETH_LEN,
        .corrupt_shortest = NARU_ETH_LEN + NARU_IPV4_LEN + NARU_TCP_LEN,
    };
    if (one_in(sim, 2))
        c.delay = NARU_MS(naru_rand_between(r, 1, 300));
    if (one_in(sim, 3))
        c.jitter = NARU_US(naru_rand_between(r, 1, 50000));
    if (one_in(sim, 2)) {
        c.rate = 1000ULL * naru_rand_between(r, 20, 100000);
        c.queue = naru_rand_between(r, 3000, NARU_MIN((uint32_t)c.rate, 200000u)); /* a second */
    }
    if (one_in(sim, 2))
        c.loss_ppm = naru_rand_below(r, 50000);
    if (one_in(sim, 5)) {
        c.burst_ppm = naru_rand_below(r, 5000);
        c.burst = NARU_MS(naru_rand_between(r, 1, 300));
    }
    if (one_in(sim, 4))
        c.duplicate_ppm = naru_rand_below(r, 50000);
    if (one_in(sim, 3)) {
        c.reorder_ppm = naru_rand_below(r, 100000);
        c.reorder_delay = NARU_US(naru_rand_between(r, 1, 100000));
    }
    if (one_in(sim, 4))
        c.corrupt_ppm = naru_rand_below(r, 30000);
    if (one_in(sim, 6)) {
        c.up = NARU_MS(naru_rand_between(r, 4000, 20000));
        c.down = NARU_MS(naru_rand_between(r, 10, 1500));
    }
    sim->lossy = sim->lossy || c.loss_ppm + c.burst_ppm + c.corrupt_ppm > 0 || c.down > 0;
    return c;
}

static void draw_config(struct sim *sim, struct naru_config *config, unsigned n)
{
    naru_config_init(config);
    config->alloc = (struct naru_alloc){ .alloc = sim_alloc, .free = sim_free, .user = sim };
    naru_rand_fill(&sim->rand, config->seed, sizeof(config->seed));
    config->tcp_congestion = one_in(sim, 2) ? NARU_CONGESTION_CUBIC : NARU_CONGESTION_RENO;
    config->tcp_sack = !one_in(sim, 6);
    config->tcp_timestamps = !one_in(sim, 6);
    config->tcp_window_scale = !one_in(sim, 8);
    config->tcp_pacing = one_in(sim, 4);
    config->tcp_time_wait_ms = naru_rand_between(&sim->rand, 1000, 60000);
    if (one_in(sim, 3))
        config->tcp_rcvbuf_default = naru_rand_between(&sim->rand, 4096, 131072);
    if (one_in(sim, 3))
        config->tcp_sndbuf_default = naru_rand_between(&sim->rand, 4096, 131072);
    if (sim->harsh)
        config->memory_max = (uint64_t)naru_rand_between(&sim->rand, 512, 2048) * 1024;
    config->tcp_quick = !sim->options->long_way;
    config->trace = sim->options->trace;
    config->trace_user = sim->options->trace_user[n];
}

static bool add_host(struct sim *sim, unsigned n)
{
    struct host *h = &sim->host[n];
    struct naru_config config;
    struct naru_iface_config iface;
    draw_config(sim, &config, n);
    struct naru_link_config link[2];
    for (unsigned i = 0; i < 2; i++)
        link[i] = draw_link(sim);
    draw_more(sim, &config, link);
    naru_link_init(&h->up, &link[0], naru_rand_u64(&sim->rand), sim->now);
    naru_link_init(&h->down, &link[1], naru_rand_u64(&sim->rand), sim->now);
    if (naru_stack_new(&config, sim->now, &h->stack) != NARU_OK)
        return false;
    naru_iface_config_init(&iface);
    iface.name = "eth0";
    memcpy(iface.mac, (uint8_t[6]){ 2, 0, 0, 0, 0, (uint8_t)(n + 1) }, 6);
    memcpy(h->mac, iface.mac, 6);
    h->v4 = naru_addr_v4(0x0a000001u + n);
    h->v6 = (struct naru_addr){ .b = { 0xfd, [15] = (uint8_t)(n + 1) } };
    return naru_iface_add(h->stack, &iface, sim->now, &h->ifindex) == NARU_OK &&
           naru_ifaddr_add(h->stack, h->ifindex, &h->v4, 24, sim->now) == NARU_OK &&
           naru_ifaddr_add(h->stack, h->ifindex, &h->v6, 64, sim->now) == NARU_OK;
}

static bool add_flow(struct sim *sim, unsigned n)
{
    struct flow *f = &sim->flow[n];
    f->host[0] = naru_rand_below(&sim->rand, sim->host_count);
    f->host[1] =
        (f->host[0] + 1 + naru_rand_below(&sim->rand, sim->host_count - 1)) % sim->host_count;
    f->family = one_in(sim, 2) ? NARU_IPV4 : NARU_IPV6;
    f->start = sim->now + NARU_MS(naru_rand_below(&sim->rand, 5000));
    naru_sim_end_draw(&f->end[0], &sim->rand, n, 0);
    naru_sim_end_draw(&f->end[1], &sim->rand, n, 1);
    struct host *server = &sim->host[f->host[1]];
    struct naru_endpoint local = { .addr = f->family == NARU_IPV4 ? server->v4 : server->v6,
                                   .port = (uint16_t)(PORT + n) };
    return naru_sock_new(server->stack, f->family, NARU_SOCK_STREAM, &f->listener) == NARU_OK &&
           naru_sock_bind(f->listener, &local) == NARU_OK &&
           naru_sock_listen(f->listener, 4, sim->now) == NARU_OK;
}

static bool begin(struct sim *sim)
{
    naru_rand_init_u64(&sim->rand, sim->options->seed);
    naru_rand_init_u64(&sim->more_rand, ~sim->options->seed);
    sim->marks = naru_rand_below(&sim->more_rand, 2) == 0;
    sim->fast = naru_rand_below(&sim->more_rand, 3) == 0;
    sim->now = BEGIN;
    sim->harsh = one_in(sim, 8);
    sim->host_count = naru_rand_between(&sim->rand, 2, NARU_SIM_HOSTS);
    sim->flow_count = naru_rand_between(&sim->rand, 1, FLOWS_MAX);
    sim->mtu = one_in(sim, 4) ? naru_rand_between(&sim->rand, 1280, 1500) : 1500;
    sim->silent = sim->mtu < 1500 && one_in(sim, 3);
    sim->shrinks_at = sim->now + NARU_MS(naru_rand_below(&sim->rand, 10000));
    for (unsigned n = 0; n < sim->host_count; n++)
        if (!add_host(sim, n))
            return false;
    for (unsigned n = 0; n < sim->flow_count; n++)
        if (!add_flow(sim, n))
            return false;
    sim->result->flows = sim->flow_count;
    snprintf(sim->result->what, sizeof(sim->result->what), "%u hosts, %u connections%s%s%s%s",
             sim->host_count, sim->flow_count, sim->harsh ? ", little memory" : "",
             sim->mtu == 1500 ? ""
             : sim->silent    ? ", a black hole"
                              : ", a shrinking MTU",
             sim->marks ? ", marks" : "", sim->fast ? ", Fast Open" : "");
    return true;
}

/* ---- The switch ---- */

static void icmp_to(struct host *h, uint16_t ethertype, const uint8_t *packet, size_t len,
                    naru_time now)
{
    uint8_t frame[FRAME_MAX];
    struct naru_eth_hdr eth = { .src = { 2, 0, 0, 0, 0, 0xfe }, .ethertype = ethertype };
    memcpy(eth.dst, h->mac, 6);
    size_t at = naru_eth_emit(frame, &eth);
    memcpy(frame + at, packet, len);
    naru_link_push(&h->down, frame, at + len, now);
}

static void frag_needed(struct sim *sim, struct host *h, const struct naru_ipv4_hdr *too_long,
                        const uint8_t *packet)
{
    uint8_t out[NARU_IPV4_LEN + NARU_ICMP_LEN + 28];
    const size_t quoted = NARU_IPV4_LEN + 8;
    struct naru_icmp_hdr icmp = { .type = NARU_ICMP_UNREACHABLE,
                                  .code = NARU_ICMP_FRAG_NEEDED,
                                  .mtu = (uint16_t)sim->mtu };
    struct naru_ipv4_hdr ip = { .src = too_long->dst,
                                .dst = too_long->src,
                                .protocol = NARU_PROTO_ICMP,
                                .ttl = 64,
                                .total_len = (uint16_t)(NARU_IPV4_LEN + NARU_ICMP_LEN + quoted) };
    size_t at = naru_ipv4_emit(out, &ip);
    uint8_t *message = out + at;
    at += naru_icmp_emit(message, &icmp);
    memcpy(out + at, packet, quoted);
    naru_icmp_checksum_set(message, NARU_ICMP_LEN + quoted);
    icmp_to(h, NARU_ETHERTYPE_IPV4, out, at + quoted, sim->now);
}

static void too_big(struct sim *sim, struct host *h, const struct naru_ipv6_hdr *too_long,
                    const uint8_t *packet)
{
    uint8_t out[NARU_IPV6_LEN + NARU_ICMPV6_LEN + 256];
    const size_t quoted = 200;
    struct naru_icmpv6_hdr icmp = { .type = NARU_ICMPV6_TOO_BIG, .mtu = sim->mtu };
    struct naru_ipv6_hdr ip = { .src = too_long->dst,
                                .dst = too_long->src,
                                .next_header = NARU_PROTO_ICMPV6,
                                .hop_limit = 64,
                                .payload_len = (uint16_t)(NARU_ICMPV6_LEN + quoted) };
    size_t at = naru_ipv6_emit(out, &ip);
    uint8_t *message = out + at;
    at += naru_icmpv6_emit(message, &icmp);
    memcpy(out + at, packet, quoted);
    naru_icmpv6_checksum_set(&ip.src, &ip.dst, message, NARU_ICMPV6_LEN + quoted);
    icmp_to(h, NARU_ETHERTYPE_IPV6, out, at + quoted, sim->now);
}

/* Is the packet too long for where it goes?  Its sender is told, unless this is a black hole. */
static bool stops_at_mtu(struct sim *sim, struct host *from, const struct naru_link_frame *frame)
{
    struct naru_span span = naru_span(frame->bytes, frame->len);
    struct naru_eth_hdr eth;
    struct naru_ipv4_hdr ip4;
    struct naru_ipv6_hdr ip6;
    if (sim->now < sim->shrinks_at || frame->len - NARU_ETH_LEN <= sim->mtu ||
        naru_eth_parse(&span, &eth) != NARU_DROP_NONE)
        return false;
    if (sim->silent)
        return true;
    const uint8_t *packet = span.at;
    if (eth.ethertype == NARU_ETHERTYPE_IPV4 && naru_ipv4_parse(&span, &ip4) == NARU_DROP_NONE)
        frag_needed(sim, from, &ip4, packet);
    else if (eth.ethertype == NARU_ETHERTYPE_IPV6 && naru_ipv6_parse(&span, &ip6) == NARU_DROP_NONE)
        too_big(sim, from, &ip6, packet);
    return true;
}

static void switch_frame(struct sim *sim, unsigned from, const struct naru_link_frame *frame)
{
    bool group = (frame->bytes[0] & 1) != 0;
    if (stops_at_mtu(sim, &sim->host[from], frame))
        return;
    for (unsigned n = 0; n < sim->host_count; n++)
        if (n != from && (group || memcmp(frame->bytes, sim->host[n].mac, 6) == 0))
            naru_link_push(&sim->host[n].down, frame->bytes, frame->len, sim->now);
}

/* ---- One instant ---- */

static void digest(struct sim *sim, unsigned from, const uint8_t *bytes, size_t len)
{
    sim->result->digest = naru_digest_frame(sim->result->digest, sim->now, from, bytes, len);
    sim->result->frames++;
    sim->result->bytes += len;
}

static void land(struct sim *sim, struct host *h, const struct naru_link_frame *frame)
{
    struct naru_pkt *pkt = naru_pkt_new(h->stack, frame->len);
    if (pkt == NULL)
        return; /* as a device whose ring is full */
    memcpy(pkt->data, frame->bytes, frame->len);
    pkt->len = (uint32_t)frame->len;
    naru_stack_input(h->stack, h->ifindex, pkt, sim->now);
}

static void frames_travel(struct sim *sim)
{
    struct naru_link_frame *frame;
    for (unsigned n = 0; n < sim->host_count; n++) {
        while ((frame = naru_link_pop(&sim->host[n].up, sim->now)) != NULL) {
            switch_frame(sim, n, frame);
            free(frame);
        }
    }
    for (unsigned n = 0; n < sim->host_count; n++) {
        while ((frame = naru_link_pop(&sim->host[n].down, sim->now)) != NULL) {
            land(sim, &sim->host[n], frame);
            free(frame);
        }
    }
}

static void frames_leave(struct sim *sim)
{
    static const unsigned budget = 64;
    for (unsigned n = 0; n < sim->host_count; n++) {
        struct host *h = &sim->host[n];
        struct naru_frame frame;
        uint8_t bytes[FRAME_MAX];
        for (unsigned i = 0;
             i < budget && naru_stack_output(h->stack, h->ifindex, &frame, sim->now); i++) {
            if (frame.len > sizeof(bytes)) {
                wrong(sim, "a frame is longer than the device's MTU");
                return;
            }
            naru_frame_copy(&frame, bytes);
            digest(sim, n, bytes, frame.len);
            naru_link_push(&h->up, bytes, frame.len, sim->now);
        }
    }
}

static void start_flow(struct sim *sim, struct flow *f)
{
    const struct host *server = &sim->host[f->host[1]];
    struct naru_stack *stack = sim->host[f->host[0]].stack;
    struct naru_endpoint remote = { .addr = f->family == NARU_IPV4 ? server->v4 : server->v6,
                                    .port = (uint16_t)(PORT + (f - sim->flow)) };
    f->started = true;
    if (naru_sock_new(stack, f->family, NARU_SOCK_STREAM, &f->end[0].sock) == NARU_OK) {
        if (sim->fast && f->end[0].total > 0)
            (void)naru_sock_set(f->end[0].sock, NARU_OPT_FASTOPEN_CONNECT, 1, sim->now);
        enum naru_err err = naru_sock_connect(f->end[0].sock, &remote, sim->now);
        if (err == NARU_ERR_INPROGRESS || err == NARU_OK)
            return;
        naru_sock_close(f->end[0].sock, sim->now);
    }
    f->end[0].sock = NULL;
    f->end[0].done = f->end[0].gave_up = true;
    f->end[0].error = NARU_ERR_NOMEM;
}

static void act(struct sim *sim, struct flow *f)
{
    if (!f->started && sim->now >= f->start)
        start_flow(sim, f);
    if (f->started && !f->accepted && f->listener != NULL &&
        naru_sock_accept(f->listener, &f->end[1].sock, sim->now) == NARU_OK) {
        f->accepted = true;
        naru_sock_close(f->listener, sim->now);
        f->listener = NULL;
    }
    for (unsigned side = 0; side < 2; side++) {
        const char *why = naru_sim_end_step(&f->end[side], f->end[!side].total, sim->now);
        if (why != NULL)
            wrong(sim, why);
    }
    /* Nobody comes any more. */
    if (f->end[0].done && !f->accepted && f->end[0].gave_up && f->listener != NULL) {
        naru_sock_close(f->listener, sim->now);
        f->listener = NULL;
        f->end[1].done = f->end[1].gave_up = true;
    }
}

/* Everything that happens at this instant; when the next one is. */
static naru_time instant(struct sim *sim)
{
    struct naru_event event;
    naru_time next = NARU_NEVER;
    frames_travel(sim);
    for (unsigned n = 0; n < sim->host_count; n++)
        if (naru_stack_deadline(sim->host[n].stack) <= sim->now)
            naru_stack_tick(sim->host[n].stack, sim->now);
    for (unsigned n = 0; n < sim->flow_count; n++)
        act(sim, &sim->flow[n]);
    frames_leave(sim);
    for (unsigned n = 0; n < sim->host_count; n++) {
        struct host *h = &sim->host[n];
        while (naru_stack_event(h->stack, &event))
            next = sim->now + 1; /* somebody may go on */
        if (sim->steps % CHECK_EVERY == 0)
            naru_stack_check(h->stack);
        next = NARU_MIN(next, naru_stack_deadline(h->stack));
        if (naru_stack_output_pending(h->stack, h->ifindex))
            next = sim->now + 1;
        next = NARU_MIN(next, naru_link_deadline(&h->up));
        next = NARU_MIN(next, naru_link_deadline(&h->down));
    }
    for (unsigned n = 0; n < sim->flow_count; n++) {
        const struct flow *f = &sim->flow[n];
        if (!f->started)
            next = NARU_MIN(next, f->start);
        next = NARU_MIN(next, naru_sim_end_deadline(&f->end[0], sim->now));
        next = NARU_MIN(next, naru_sim_end_deadline(&f->end[1], sim->now));
    }
    return NARU_MAX(next, sim->now + 1);
}

/* ---- The end of it ---- */

static bool flow_over(const struct flow *f)
{
    return f->started && f->end[0].done && (f->end[1].done || !f->accepted) && f->listener == NULL;
}

static bool over(const struct sim *sim)
{
    for (unsigned n = 0; n < sim->flow_count; n++)
        if (!flow_over(&sim->flow[n]))
            return false;
    for (unsigned n = 0; n < sim->host_count; n++) {
        struct naru_stack_stats stats;
        naru_stack_get_stats(sim->host[n].stack, &stats);
        if (stats.flows + stats.time_wait + stats.half_open != 0)
            return false;
    }
    return true;
}

static void judge_flow(struct sim *sim, const struct flow *f)
{
    const struct naru_sim_end *a = &f->end[0], *b = &f->end[1];
    bool aborted = a->gave_up || b->gave_up;
    char why[96];
    sim->result->aborted += aborted;
    if (aborted) {
        bool meant = a->abort_at != UINT32_MAX || b->abort_at != UINT32_MAX;
        bool unreachable = sim->lossy && a->error == NARU_ERR_HOSTUNREACH;
        if (!meant && !sim->harsh && !unreachable) {
            snprintf(why, sizeof(why), "connection %u ended: %s and %s", a->flow,
                     naru_err_text(a->error), naru_err_text(b->error));
            wrong(sim, why);
        }
    } else if (a->received != b->total || b->received != a->total) {
        snprintf(why, sizeof(why), "connection %u: %u of %u and %u of %u bytes came", a->flow,
                 b->received, a->total, a->received, b->total);
        wrong(sim, why);
    }
}

static void end(struct sim *sim)
{
    for (unsigned n = 0; n < sim->flow_count; n++)
        judge_flow(sim, &sim->flow[n]);
    for (unsigned n = 0; n < sim->host_count; n++) {
        struct host *h = &sim->host[n];
        struct naru_stack_stats stats;
        if (h->stack != NULL) {
            naru_stack_check(h->stack);
            naru_stack_get_stats(h->stack, &stats);
            sim->result->retransmits += stats.tcp_retransmits;
        }
        naru_stack_free(h->stack);
        sim->result->lost += h->up.counters.lost + h->down.counters.lost;
        naru_link_deinit(&h->up);
        naru_link_deinit(&h->down);
    }
    if (sim->allocated != 0)
        wrong(sim, "memory did not come back");
    sim->result->time = sim->now - BEGIN;
}

/* Which connection it is that goes on for ever, and how its ends stand. */
static void tell_stuck(struct sim *sim)
{
    char why[180] = "";
    for (unsigned n = 0; n < sim->host_count; n++) {
        struct naru_sock_entry entry;
        uint64_t cursor = 0;
        while (naru_stack_walk(sim->host[n].stack, &cursor, &entry))
            snprintf(why, sizeof(why), "host %u: a connection stays in %s", n,
                     naru_tcp_state_text(entry.state));
    }
    for (unsigned n = 0; n < sim->flow_count; n++) {
        const struct flow *f = &sim->flow[n];
        const struct naru_sim_end *a = &f->end[0], *b = &f->end[1];
        if (flow_over(f))
            continue;
        snprintf(why, sizeof(why),
                 "connection %u does not end: %s%s; client sent %u of %u, has %u%s; server sent %u "
                 "of %u, has %u%s",
                 n, f->accepted ? "accepted" : "not accepted",
                 f->listener != NULL ? ", listening" : "", a->sent, a->total, a->received,
                 a->done ? ", done" : "", b->sent, b->total, b->received, b->done ? ", done" : "");
    }
    wrong(sim, why);
}

void naru_sim_run(const struct naru_sim_options *options, struct naru_sim_result *result)
{
    static const struct naru_sim_result nothing;
    struct sim *sim = calloc(1, sizeof(*sim));
    *result = nothing;
    result->digest = NARU_DIGEST_NONE;
    if (sim == NULL) {
        snprintf(result->why, sizeof(result->why), "no memory for the simulation");
        return;
    }
    sim->options = options;
    sim->result = result;
    if (!begin(sim))
        wrong(sim, "the world could not be made");
    while (result->why[0] == '\0' && !over(sim)) {
        naru_time next = instant(sim);
        if (++sim->steps > STEPS_MAX || (next > TIME_MAX && !over(sim))) {
            tell_stuck(sim);
            break;
        }
        if (next <= TIME_MAX)
            sim->now = next;
    }
    end(sim);
    free(sim);
}
