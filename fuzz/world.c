/* The world of the frame fuzzer; see world.h. */
#include "world.h"

#include "stack/core.h"

#include <stdlib.h>
#include <string.h>

enum { TURNS_MAX = 256, VLAN = 7 };

static const uint8_t macs[WORLD_IFACES][6] = { { 2, 0, 0, 0, 0, 1 }, { 2, 0, 0, 0, 1, 1 } };
static const uint8_t peer_mac[6] = { 2, 0, 0, 0, 0, 2 };

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

/* ---- Names ---- */

static struct naru_addr v6(uint16_t first, uint8_t last)
{
    return (struct naru_addr){ .b = { (uint8_t)(first >> 8), (uint8_t)first, [15] = last } };
}

/* The link-local address that the interface makes of its MAC (RFC 4291, appendix A). */
static struct naru_addr own_link_local(unsigned n)
{
    struct naru_addr a = { .b = { 0xfe, 0x80 } };
    const uint8_t *mac = macs[n];
    const uint8_t id[8] = { mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5] };
    memcpy(a.b + 8, id, 8);
    return a;
}

static struct naru_addr name4(enum world_name name)
{
    static const uint32_t addr[WORLD_NAMES] = {
        [WORLD_PEER] = 0x0a000002,       [WORLD_STACK] = 0x0a000001,
        [WORLD_LINK_LOCAL] = 0xa9fe0002, [WORLD_NOBODY] = 0,
        [WORLD_ALL] = 0xffffffff,        [WORLD_GROUP] = 0xe0000123,
        [WORLD_STRANGER] = 0xc0000201,   [WORLD_OWN_LINK_LOCAL] = 0x0a0000ff,
    };
    return naru_addr_v4(addr[name]);
}

static struct naru_addr name6(unsigned n, enum world_name name)
{
    switch (name) {
    case WORLD_PEER:
        return v6(0xfd00, 2);
    case WORLD_STACK:
        return v6(0xfd00, 1);
    case WORLD_LINK_LOCAL:
        return v6(0xfe80, 2);
    case WORLD_ALL:
        return v6(0xff02, 1);
    case WORLD_GROUP:
        return v6(0xff02, 0x23);
    case WORLD_OWN_LINK_LOCAL:
        return own_link_local(n);
    case WORLD_STRANGER:
        return v6(0x2001, 9);
    case WORLD_NOBODY:
    case WORLD_NAMES:
        break;
    }
    return v6(0, 0);
}

struct craft_ends world_ends(unsigned n, enum naru_family family, enum world_name from,
                             enum world_name to)
{
    bool v4 = family == NARU_IPV4;
    struct craft_ends ends = {
        .src = v4 ? name4(from) : name6(n, from),
        .dst = v4 ? name4(to) : name6(n, to),
    };
    memcpy(ends.src_mac, peer_mac, 6);
    memcpy(ends.dst_mac, macs[n], 6);
    return ends;
}

/* ---- Frames ---- */

void world_frame(struct world *w, unsigned n, const uint8_t *frame, size_t len)
{
    struct naru_pkt *pkt = naru_pkt_new(w->stack, len);
    if (pkt == NULL)
        return;
    if (len > 0)
        memcpy(pkt->data, frame, len);
    pkt->len = (uint32_t)len;
    naru_stack_input(w->stack, w->ifindex[n], pkt, w->now);
}

void world_segment(struct world *w, const struct world_flow *flow, struct craft_segment *s)
{
    uint8_t frame[CRAFT_MAX];
    struct craft_ends ends = world_ends(0, flow->family, WORLD_PEER, WORLD_STACK);
    ends.tos = w->tos;
    s->sport = flow->peer_port;
    s->dport = flow->port;
    world_frame(w, 0, frame, craft_tcp(frame, &ends, s));
}

/* Learns from a segment of the stack where its flow is. */
static void learn(struct world *w, const uint8_t *frame, size_t len)
{
    struct craft_heard heard;
    if (!craft_heard(frame, len, &heard))
        return;
    for (unsigned i = 0; i < WORLD_FLOWS; i++) {
        struct world_flow *f = &w->flow[i];
        if (f->peer_port != heard.dport || (f->family == NARU_IPV4) != heard.v4)
            continue;
        f->port = heard.sport;
        f->ack = heard.next;
        if ((heard.flags & CRAFT_ACK) != 0)
            f->seq = heard.ack;
    }
}

/* False: enough for now. */
static bool take_frames(struct world *w, unsigned n, unsigned *turns)
{
    static uint8_t room[1 << 17];
    struct naru_frame frame;
    while (naru_stack_output(w->stack, w->ifindex[n], &frame, w->now)) {
        must(frame.len >= CRAFT_ETH && frame.len <= sizeof room);
        must(frame.slice_count <= NARU_FRAME_SLICES);
        naru_frame_copy(&frame, room);
        learn(w, room, frame.len);
        if (++*turns >= TURNS_MAX)
            return false;
    }
    return true;
}

void world_settle(struct world *w)
{
    struct naru_event event;
    unsigned turns = 0;
    do {
        for (unsigned n = 0; naru_stack_event(w->stack, &event); n++)
            must(n < 100000);
        for (unsigned n = 0; n < WORLD_IFACES; n++)
            if (!take_frames(w, n, &turns))
                return;
    } while (naru_stack_event_pending(w->stack));
}

void world_wait(struct world *w, naru_time interval)
{
    w->now += interval;
    naru_stack_tick(w->stack, w->now);
    world_settle(w);
}

void world_check(struct world *w)
{
    struct naru_stack_stats stats;
    struct naru_sock_walk walk = { 0 };
    struct naru_sock *sock;
    uint64_t half_open = 0;
    naru_stack_get_stats(w->stack, &stats);
    must(stats.memory_used <= WORLD_MEMORY && stats.memory_used == w->allocated);
    while ((sock = naru_sock_next(w->stack, &walk)) != NULL) {
        if (sock->type != NARU_SOCK_STREAM)
            continue;
        struct naru_sock_tcp *st = naru_sock_tcp_of(sock);
        half_open += st->s.half_open;
        if (!naru_sock_listens(sock) && sock->connected)
            naru_tcp_check(&st->tcp);
        must(sock->held || sock->tie == TIE_LISTENER || !st->s.ended);
    }
    must(half_open == stats.half_open);
    must(w->stack->tcp.ooo_bytes <= w->stack->tcp.ooo_max);
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

static struct naru_sock *open_sock(struct world *w, enum naru_family family,
                                   enum naru_sock_type type, uint16_t port)
{
    struct naru_sock **sock = world_free_sock(w);
    must(sock != NULL && naru_sock_new(w->stack, family, type, sock) == NARU_OK);
    struct naru_endpoint any = { .addr = family == NARU_IPV4 ? naru_addr_v4(0) : v6(0, 0),
                                 .port = port };
    if (family == NARU_IPV6)
        must(naru_sock_set(*sock, NARU_OPT_V6ONLY, 1, w->now) == NARU_OK);
    must(naru_sock_bind(*sock, &any) == NARU_OK);
    if (type == NARU_SOCK_STREAM)
        must(naru_sock_listen(*sock, 8, w->now) == NARU_OK);
    return *sock;
}

/* The stack connects to the peer: SYN-SENT. */
static void dial(struct world *w, const struct world_flow *f)
{
    struct naru_sock **sock = world_free_sock(w);
    must(sock != NULL && naru_sock_new(w->stack, f->family, NARU_SOCK_STREAM, sock) == NARU_OK);
    struct naru_endpoint to = { .addr = f->family == NARU_IPV4 ? name4(WORLD_PEER)
                                                               : name6(0, WORLD_PEER),
                                .port = f->peer_port };
    must(naru_sock_connect(*sock, &to, w->now) == NARU_ERR_INPROGRESS);
    world_settle(w);
}

/* The peer says SYN, and is answered: SYN-RECEIVED. */
static void greet(struct world *w, const struct world_flow *f)
{
    static const uint8_t option[] = { 2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 3, 3, 7 };
    struct craft_segment syn = {
        .flags = CRAFT_SYN,
        .seq = f->seq,
        .window = 65535,
        .option = option,
        .option_len = sizeof option,
    };
    world_segment(w, f, &syn);
    world_settle(w);
}

/* The peer's third segment: ESTABLISHED; returns its socket. */
static struct naru_sock *finish(struct world *w, const struct world_flow *f,
                                struct naru_sock *listener)
{
    static const uint8_t option[] = { 1, 1, 8, 10, 0, 0, 0, 2, 0, 0, 0, 0 };
    struct craft_segment ack = {
        .flags = CRAFT_ACK,
        .seq = f->seq,
        .ack = f->ack,
        .window = 512,
        .option = option,
        .option_len = sizeof option,
    };
    world_segment(w, f, &ack);
    world_settle(w);
    struct naru_sock **sock = world_free_sock(w);
    must(sock != NULL && naru_sock_accept(listener, sock, w->now) == NARU_OK);
    return *sock;
}

/* Two in SYN-SENT, two in SYN-RECEIVED, two in ESTABLISHED, one in FIN-WAIT-1, one with data out.
 */
static void open_flows(struct world *w)
{
    static const uint8_t data[5000];
    struct naru_slice slice = { data, sizeof data };
    for (unsigned i = 0; i < WORLD_FLOWS; i++) {
        struct world_flow *f = &w->flow[i];
        f->family = i % 2 == 0 ? NARU_IPV4 : NARU_IPV6;
        f->peer_port = (uint16_t)(40000 + i);
        f->seq = 0xfffffff0U + i;
        f->port = 80;
        if (i < 2) {
            dial(w, f);
            continue;
        }
        greet(w, f);
        if (i < 4)
            continue;
        struct naru_sock *sock = finish(w, f, w->sock[f->family == NARU_IPV4 ? 0 : 1]);
        if (i == 6)
            must(naru_sock_shutdown(sock, NARU_SHUTDOWN_WRITE, w->now) == NARU_OK);
        if (i == 7)
            must(naru_sock_send(sock, &slice, 1, 0, NULL, w->now) > 0);
        world_settle(w);
    }
}

static void add_ifaces(struct world *w)
{
    struct naru_iface_config iface;
    for (unsigned n = 0; n < WORLD_IFACES; n++) {
        naru_iface_config_init(&iface);
        iface.name = n == 0 ? "fuzz0" : "fuzz1";
        memcpy(iface.mac, macs[n], 6);
        iface.dad = iface.autoconf = iface.link_local = iface.temporary = n == 1;
        must(naru_iface_add(w->stack, &iface, w->now, &w->ifindex[n]) == NARU_OK);
    }
    naru_iface_config_init(&iface);
    iface.name = "fuzz0.7";
    iface.kind = NARU_IFACE_VLAN;
    iface.parent = (uint16_t)w->ifindex[0];
    iface.vlan = VLAN;
    must(naru_iface_add(w->stack, &iface, w->now, &w->vlan) == NARU_OK);
    struct naru_addr own4 = naru_addr_v4(0x0a070001), own6 = v6(0xfd07, 1);
    must(naru_ifaddr_add(w->stack, w->vlan, &own4, 24, w->now) == NARU_OK);
    must(naru_ifaddr_add(w->stack, w->vlan, &own6, 64, w->now) == NARU_OK);
    for (int v4 = 1; v4 >= 0; v4--) {
        struct naru_addr own = v4 ? name4(WORLD_STACK) : name6(0, WORLD_STACK);
        struct naru_addr peer = v4 ? name4(WORLD_PEER) : name6(0, WORLD_PEER);
        must(naru_ifaddr_add(w->stack, w->ifindex[0], &own, v4 ? 24 : 64, w->now) == NARU_OK);
        must(naru_neigh_add(w->stack, w->ifindex[0], &peer, peer_mac, w->now) == NARU_OK);
    }
}

void world_init(struct world *w)
{
    *w = (struct world){ .now = NARU_SEC(1000) };
    struct naru_config config;
    naru_config_init(&config);
    config.alloc = (struct naru_alloc){ world_alloc, world_free, w };
    memset(config.seed, 7, sizeof config.seed);
    config.memory_max = WORLD_MEMORY;
    config.sockets_max = 64;
    config.time_wait_max = 16;
    config.syn_queue_max = 4;
    config.neigh_max = 16;
    config.frag_memory_max = 64 << 10;
    config.ooo_memory_max = 256 << 10;
    config.tcp_ecn = NARU_ECN_MODE_ACCURATE;
    config.tcp_fastopen = NARU_FASTOPEN_CLIENT | NARU_FASTOPEN_SERVER | NARU_FASTOPEN_SERVER_ALL;
    must(naru_stack_new(&config, w->now, &w->stack) == NARU_OK);
    add_ifaces(w);
    open_sock(w, NARU_IPV4, NARU_SOCK_STREAM, 80);
    open_sock(w, NARU_IPV6, NARU_SOCK_STREAM, 80);
    for (int v4 = 1; v4 >= 0; v4--) {
        enum naru_family family = v4 ? NARU_IPV4 : NARU_IPV6;
        struct naru_addr group = v4 ? name4(WORLD_GROUP) : name6(0, WORLD_GROUP);
        struct naru_sock *udp = open_sock(w, family, NARU_SOCK_DGRAM, 53);
        must(naru_sock_join(udp, &group, w->ifindex[0], w->now) == NARU_OK);
        must(naru_sock_join(udp, &group, w->ifindex[1], w->now) == NARU_OK);
        must(naru_sock_set(udp, NARU_OPT_RECVERR, 1, w->now) == NARU_OK);
        struct naru_sock *ping = open_sock(w, family, NARU_SOCK_PING, 7);
        must(naru_sock_set(ping, NARU_OPT_RECVERR, 1, w->now) == NARU_OK);
    }
    open_flows(w);
}

void world_deinit(struct world *w)
{
    for (unsigned i = 0; i < WORLD_SOCKS; i++) {
        if (w->sock[i] != NULL)
            naru_sock_close(w->sock[i], w->now);
    }
    world_settle(w);
    world_check(w);
    naru_stack_free(w->stack);
    must(w->allocated == 0);
}
