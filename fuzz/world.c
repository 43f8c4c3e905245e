/*
 * The world of the frame fuzzer; see world.h.
 *
 * Builds its own frames with its own checksums, on purpose: what checks the stack should not be
 * made of the stack.
 */
#include "world.h"

#include <stdlib.h>
#include <string.h>

enum {
    ETH = 14,
    IPV4 = 20,
    IPV6 = 40,
    TCP = 20,
    PROTO_ICMP = 1,
    PROTO_TCP = 6,
    PROTO_UDP = 17,
    PROTO_ICMPV6 = 58,
    TURNS_MAX = 256,
};

static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 }, peer_mac[6] = { 2, 0, 0, 0, 0, 2 };
static const uint8_t addr4[4] = { 10, 0, 0, 1 }, peer4[4] = { 10, 0, 0, 2 };
static const uint8_t addr6[16] = { 0xfd, [15] = 1 }, peer6[16] = { 0xfd, [15] = 2 };

/* ---- Memory ---- */

static void *world_alloc(void *user, size_t size)
{
    struct world *w = user;
    if (w->allocs_to_fail > 0) {
        w->allocs_to_fail--;
        return NULL;
    }
    void *ptr = malloc(size);
    if (ptr != NULL)
        w->allocated += size;
    return ptr;
}

static void world_free(void *user, void *ptr, size_t size)
{
    struct world *w = user;
    if (ptr == NULL)
        return;
    w->allocated -= size;
    free(ptr);
}

static void must(bool good)
{
    if (!good)
        abort();
}

/* ---- Frames ---- */

static void put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v & 0xffff);
}

static unsigned get16(const uint8_t *p) { return (unsigned)(p[0] << 8 | p[1]); }

static uint32_t get32(const uint8_t *p) { return (uint32_t)get16(p) << 16 | get16(p + 2); }

static uint32_t sum(uint32_t s, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        s += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
    return s;
}

static unsigned fold(uint32_t s)
{
    while (s >> 16 != 0)
        s = (s & 0xffff) + (s >> 16);
    return ~s & 0xffff;
}

/* Writes the transport checksum of len bytes at p between the addresses at addrs. */
static void repair_transport(uint8_t *p, size_t len, unsigned proto, const uint8_t *addrs,
                             size_t addrs_len)
{
    size_t at = proto == PROTO_TCP ? 16 : proto == PROTO_UDP ? 6 : 2;
    bool known = proto == PROTO_TCP || proto == PROTO_UDP || proto == PROTO_ICMPV6;
    if ((!known && proto != PROTO_ICMP) || len < at + 2)
        return;
    put16(p + at, 0);
    uint32_t s = known ? sum((uint32_t)len + proto, addrs, addrs_len) : 0;
    unsigned check = fold(sum(s, p, len));
    put16(p + at, check == 0 && proto == PROTO_UDP ? 0xffff : check);
}

static void repair(uint8_t *frame, size_t len)
{
    if (len < ETH + IPV4)
        return;
    uint8_t *ip = frame + ETH;
    len -= ETH;
    if (get16(frame + 12) == 0x0800) {
        size_t head = (size_t)(ip[0] & 15) * 4, total = get16(ip + 2);
        if (head < IPV4 || head > len || total < head || total > len)
            return;
        put16(ip + 10, 0);
        put16(ip + 10, fold(sum(0, ip, head)));
        if ((get16(ip + 6) & 0x3fff) == 0)
            repair_transport(ip + head, total - head, ip[9], ip + 12, 8);
    } else if (get16(frame + 12) == 0x86dd && len >= IPV6) {
        size_t payload = get16(ip + 4);
        if (payload <= len - IPV6)
            repair_transport(ip + IPV6, payload, ip[6], ip + 8, 32);
    }
}

void world_frame(struct world *w, const uint8_t *frame, size_t len)
{
    struct naru_pkt *pkt = naru_pkt_new(w->stack, len);
    if (pkt == NULL)
        return;
    memcpy(pkt->data, frame, len);
    pkt->len = (uint32_t)len;
    naru_stack_input(w->stack, w->ifindex, pkt, w->now);
}

void world_frame_repaired(struct world *w, const uint8_t *frame, size_t len)
{
    uint8_t copy[WORLD_FRAME_MAX];
    if (len > sizeof copy)
        len = sizeof copy;
    memcpy(copy, frame, len);
    repair(copy, len);
    world_frame(w, copy, len);
}

/* Ethernet and IP headers from the peer for len bytes of payload; their length. */
static size_t begin(uint8_t *frame, enum naru_family family, unsigned proto, size_t len)
{
    memcpy(frame, mac, 6);
    memcpy(frame + 6, peer_mac, 6);
    uint8_t *ip = frame + ETH;
    if (family == NARU_IPV4) {
        put16(frame + 12, 0x0800);
        memset(ip, 0, IPV4);
        ip[0] = 0x45;
        put16(ip + 2, (unsigned)(IPV4 + len));
        ip[8] = 64;
        ip[9] = (uint8_t)proto;
        memcpy(ip + 12, peer4, 4);
        memcpy(ip + 16, addr4, 4);
        return ETH + IPV4;
    }
    put16(frame + 12, 0x86dd);
    memset(ip, 0, IPV6);
    ip[0] = 0x60;
    put16(ip + 4, (unsigned)len);
    ip[6] = (uint8_t)proto;
    ip[7] = 64;
    memcpy(ip + 8, peer6, 16);
    memcpy(ip + 24, addr6, 16);
    return ETH + IPV6;
}

void world_segment(struct world *w, const struct world_flow *flow, const struct world_segment *s)
{
    uint8_t frame[WORLD_FRAME_MAX];
    size_t option_len = s->option_len > 40 ? 40 : s->option_len;
    size_t head = TCP + (option_len + 3) / 4 * 4;
    size_t room = sizeof frame - ETH - IPV6 - head;
    size_t payload_len = s->payload_len > room ? room : s->payload_len;

    size_t at = begin(frame, flow->family, PROTO_TCP, head + payload_len);
    uint8_t *p = frame + at;
    memset(p, 0, head);
    put16(p, flow->peer_port);
    put16(p + 2, flow->port);
    put32(p + 4, s->seq);
    put32(p + 8, s->ack);
    p[12] = (uint8_t)(head / 4 << 4);
    p[13] = s->flags;
    put16(p + 14, s->window);
    put16(p + 18, s->urgent);
    if (option_len > 0)
        memcpy(p + TCP, s->option, option_len);
    if (payload_len > 0)
        memcpy(p + head, s->payload, payload_len);
    repair(frame, at + head + payload_len);
    world_frame(w, frame, at + head + payload_len);
}

/* ---- What comes back ---- */

/* Learns from a segment of the stack where its flow is. */
static void learn(struct world *w, const uint8_t *frame, size_t len)
{
    bool v4 = get16(frame + 12) == 0x0800;
    size_t head = ETH + (size_t)(v4 ? IPV4 : IPV6);
    if (len < head + TCP || frame[ETH + (v4 ? 9 : 6)] != PROTO_TCP)
        return;
    const uint8_t *p = frame + head;
    size_t data = (size_t)(p[12] >> 4) * 4;
    must(data >= TCP && head + data <= len);
    for (unsigned i = 0; i < WORLD_FLOWS; i++) {
        struct world_flow *f = &w->flow[i];
        if (f->peer_port != get16(p + 2) || (f->family == NARU_IPV4) != v4)
            continue;
        f->port = (uint16_t)get16(p);
        uint32_t count = (uint32_t)(len - head - data);
        f->ack = get32(p + 4) + count + ((p[13] & WORLD_SYN) != 0) + ((p[13] & WORLD_FIN) != 0);
        if ((p[13] & WORLD_ACK) != 0)
            f->seq = get32(p + 8);
    }
}

void world_settle(struct world *w)
{
    struct naru_event event;
    struct naru_frame frame;
    unsigned turns = 0;
    do {
        for (unsigned n = 0; naru_stack_event(w->stack, &event); n++)
            must(n < 100000);
        while (naru_stack_output(w->stack, w->ifindex, &frame, w->now)) {
            static uint8_t room[1 << 17];
            must(frame.len >= ETH && frame.len <= sizeof room);
            naru_frame_copy(&frame, room);
            learn(w, room, frame.len);
            if (++turns >= TURNS_MAX)
                return;
        }
    } while (naru_stack_event_pending(w->stack));
}

void world_wait(struct world *w, naru_time interval)
{
    w->now += interval;
    naru_stack_tick(w->stack, w->now);
    world_settle(w);
}

/* ---- The beginning and the end ---- */

struct naru_sock **world_free_sock(struct world *w)
{
    for (unsigned i = 0; i < WORLD_SOCKS; i++) {
        if (w->sock[i] == NULL)
            return &w->sock[i];
    }
    return NULL;
}

static struct naru_addr address(enum naru_family family, const uint8_t *v4, const uint8_t *v6)
{
    struct naru_addr a = { .b = { [10] = 0xff, [11] = 0xff } };
    if (family == NARU_IPV4)
        memcpy(a.b + 12, v4, 4);
    else
        memcpy(a.b, v6, 16);
    return a;
}

static void open_sock(struct world *w, enum naru_family family, enum naru_sock_type type,
                      uint16_t port)
{
    struct naru_sock **sock = world_free_sock(w);
    must(sock != NULL && naru_sock_new(w->stack, family, type, sock) == NARU_OK);
    struct naru_endpoint local = { .addr = address(family, addr4, addr6), .port = port };
    must(naru_sock_bind(*sock, &local) == NARU_OK);
    if (type == NARU_SOCK_STREAM)
        must(naru_sock_listen(*sock, 8, w->now) == NARU_OK);
}

/* The stack connects to the peer: SYN-SENT. */
static void dial(struct world *w, struct world_flow *f)
{
    struct naru_sock **sock = world_free_sock(w);
    must(sock != NULL && naru_sock_new(w->stack, f->family, NARU_SOCK_STREAM, sock) == NARU_OK);
    struct naru_endpoint to = { .addr = address(f->family, peer4, peer6), .port = f->peer_port };
    must(naru_sock_connect(*sock, &to, w->now) == NARU_ERR_INPROGRESS);
    world_settle(w);
}

/* The peer says SYN, and is answered: SYN-RECEIVED. */
static void greet(struct world *w, struct world_flow *f)
{
    static const uint8_t option[] = { 2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 3, 3, 7 };
    struct world_segment syn = {
        .flags = WORLD_SYN,
        .seq = f->seq,
        .window = 65535,
        .option = option,
        .option_len = sizeof option,
    };
    world_segment(w, f, &syn);
    world_settle(w);
}

/* The peer's third segment: ESTABLISHED; the socket is the newest. */
static void finish(struct world *w, struct world_flow *f, struct naru_sock *listener)
{
    uint8_t option[] = { 1, 1, 8, 10, 0, 0, 0, 2, 0, 0, 0, 0 };
    struct world_segment ack = {
        .flags = WORLD_ACK,
        .seq = f->seq,
        .ack = f->ack,
        .window = 512,
        .option = option,
        .option_len = sizeof option,
    };
    world_segment(w, f, &ack);
    world_settle(w);
    struct naru_sock **sock = world_free_sock(w);
    if (sock != NULL && naru_sock_accept(listener, sock, w->now) != NARU_OK)
        *sock = NULL;
}

static void open_flows(struct world *w)
{
    for (unsigned i = 0; i < WORLD_FLOWS; i++) {
        struct world_flow *f = &w->flow[i];
        f->family = i % 2 == 0 ? NARU_IPV4 : NARU_IPV6;
        f->peer_port = (uint16_t)(40000 + i);
        f->seq = 0xfffffff0U + i;
        f->port = 80;
        if (i < 2) {
            dial(w, f);
        } else {
            greet(w, f);
            if (i >= 4)
                finish(w, f, w->sock[f->family == NARU_IPV4 ? 0 : 1]);
        }
    }
}

void world_init(struct world *w)
{
    *w = (struct world){ .now = NARU_SEC(1000) };
    struct naru_config config;
    naru_config_init(&config);
    config.alloc = (struct naru_alloc){ world_alloc, world_free, w };
    memset(config.seed, 7, sizeof config.seed);
    config.memory_max = 4 << 20;
    config.sockets_max = 64;
    config.time_wait_max = 16;
    config.syn_queue_max = 4;
    config.neigh_max = 16;
    config.frag_memory_max = 64 << 10;
    config.ooo_memory_max = 256 << 10;
    must(naru_stack_new(&config, w->now, &w->stack) == NARU_OK);

    struct naru_iface_config iface;
    naru_iface_config_init(&iface);
    iface.name = "fuzz0";
    memcpy(iface.mac, mac, 6);
    must(naru_iface_add(w->stack, &iface, w->now, &w->ifindex) == NARU_OK);
    for (int v4 = 1; v4 >= 0; v4--) {
        enum naru_family family = v4 == 1 ? NARU_IPV4 : NARU_IPV6;
        struct naru_addr own = address(family, addr4, addr6), peer = address(family, peer4, peer6);
        must(naru_ifaddr_add(w->stack, w->ifindex, &own, v4 == 1 ? 24 : 64, w->now) == NARU_OK);
        must(naru_neigh_add(w->stack, w->ifindex, &peer, peer_mac, w->now) == NARU_OK);
    }
    open_sock(w, NARU_IPV4, NARU_SOCK_STREAM, 80);
    open_sock(w, NARU_IPV6, NARU_SOCK_STREAM, 80);
    open_sock(w, NARU_IPV4, NARU_SOCK_DGRAM, 53);
    open_sock(w, NARU_IPV6, NARU_SOCK_DGRAM, 53);
    open_sock(w, NARU_IPV4, NARU_SOCK_PING, 7);
    open_sock(w, NARU_IPV6, NARU_SOCK_PING, 7);
    open_flows(w);
}

void world_deinit(struct world *w)
{
    struct naru_stack_stats stats;
    naru_stack_get_stats(w->stack, &stats);
    must(stats.memory_used <= 4 << 20);
    for (unsigned i = 0; i < WORLD_SOCKS; i++) {
        if (w->sock[i] != NULL)
            naru_sock_close(w->sock[i], w->now);
    }
    world_settle(w);
    naru_stack_free(w->stack);
    must(w->allocated == 0);
}
