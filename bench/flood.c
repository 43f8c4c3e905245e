/*
 * A flood of forged SYNs: each from an address where nobody answers, to a listener whose queue of
 * half-open connections is full, so that each is answered by a cookie (RFC 4987 3.6).
 *
 * The frames are made beforehand; the figure is of their copy into a packet of the stack, of the
 * stack's work, and of its answers, which nobody takes further.
 */
#include "bench.h"

#include "base/csum.h"
#include "wire/eth.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"

#include <stdlib.h>
#include <string.h>

enum { FRAMES = 16384, AT_ONCE = 64 };

struct flood {
    struct bench_pair pair;
    uint8_t *frames;
    size_t len; /* of each */
    unsigned next;
    uint64_t before, syns; /* memory when the queue was full, and SYNs since */
};

static struct naru_addr source(bool v6, unsigned n)
{
    struct naru_addr src = naru_addr_v4(0xc0000000 + n);
    if (v6) {
        src = (struct naru_addr){ .b = { 0xfc } };
        src.b[14] = (uint8_t)(n >> 8);
        src.b[15] = (uint8_t)n;
    }
    return src;
}

static size_t emit_ip(uint8_t *at, bool v6, const struct naru_addr *src,
                      const struct naru_addr *dst, size_t tcp_len)
{
    if (v6) {
        struct naru_ipv6_hdr ip = { .src = *src,
                                    .dst = *dst,
                                    .payload_len = (uint16_t)tcp_len,
                                    .next_header = NARU_PROTO_TCP,
                                    .hop_limit = 64 };
        return naru_ipv6_emit(at, &ip);
    }
    struct naru_ipv4_hdr ip = { .src = *src,
                                .dst = *dst,
                                .ttl = 64,
                                .protocol = NARU_PROTO_TCP,
                                .total_len = (uint16_t)(NARU_IPV4_LEN + tcp_len) };
    return naru_ipv4_emit(at, &ip);
}

size_t bench_forge_syn(uint8_t *frame, const struct naru_addr *dst, bool v6, unsigned n)
{
    struct naru_addr src = source(v6, n % 4096);
    struct naru_tcp_hdr syn = { .sport = (uint16_t)(1024 + n / 4096),
                                .dport = BENCH_PORT,
                                .seq = { n * 2654435761u },
                                .flags = NARU_TCP_SYN,
                                .wnd = 65535,
                                .opts = NARU_TCP_OPT_MSS,
                                .mss = 1440 };
    struct naru_eth_hdr eth = { .dst = { 2, 0, 0, 0, 0, 2 },
                                .src = { 2, 0, 0, 0, 0, 1 },
                                .ethertype = v6 ? NARU_ETHERTYPE_IPV6 : NARU_ETHERTYPE_IPV4 };
    uint8_t tcp[NARU_TCP_LEN_MAX];
    size_t tcp_len = naru_tcp_emit(tcp, &syn);
    uint32_t sum = naru_csum_pseudo(&src, dst, NARU_PROTO_TCP, (uint32_t)tcp_len);
    naru_tcp_checksum_set(tcp, naru_tcp_checksum(naru_csum_ops_best(), sum, tcp, tcp_len, NULL, 0));
    size_t len = naru_eth_emit(frame, &eth);
    len += emit_ip(frame + len, v6, &src, dst, tcp_len);
    memcpy(frame + len, tcp, tcp_len);
    return len + tcp_len;
}

void bench_forge_route(struct bench_pair *pair, bool v6)
{
    struct naru_route beyond = {
        .prefix = source(v6, 0), .prefix_len = 16, .has_gateway = true, .gateway = pair->addr[0]
    };
    static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
    if (naru_route_add(pair->stack[1], &beyond) != NARU_OK ||
        naru_neigh_add(pair->stack[1], pair->ifindex[1], &pair->addr[0], mac, pair->now) != NARU_OK)
        bench_die("no route to those who do not exist");
}

/* A turn of the flooded stack: it is given so many frames, and says what it has to say. */
static void flood(struct flood *f)
{
    struct naru_frame answer;
    struct naru_stack *stack = f->pair.stack[1];
    for (unsigned i = 0; i < AT_ONCE; i++) {
        struct naru_pkt *pkt = naru_pkt_new(stack, f->len);
        if (pkt == NULL)
            bench_die("syn-flood: no memory");
        memcpy(pkt->data, f->frames + (size_t)f->next * BENCH_FORGED_MAX, f->len);
        pkt->len = (uint32_t)f->len;
        naru_stack_input(stack, f->pair.ifindex[1], pkt, f->pair.now);
        f->next = (f->next + 1) % FRAMES;
    }
    while (naru_stack_output(stack, f->pair.ifindex[1], &answer, f->pair.now))
        ;
    f->pair.now += NARU_US(1);
    if (naru_stack_deadline(stack) <= f->pair.now)
        naru_stack_tick(stack, f->pair.now);
    f->syns += AT_ONCE;
}

static uint64_t memory_used(const struct flood *f)
{
    struct naru_stack_stats stats;
    naru_stack_get_stats(f->pair.stack[1], &stats);
    return stats.memory_used;
}

static void *open_flood(const struct bench_setup *setup, bool v6)
{
    struct flood *f = bench_calloc(1, sizeof(*f));
    bench_pair_init(&f->pair, &setup->link, v6);
    (void)bench_listen(&f->pair, BENCH_PORT, 4096, 0);
    bench_forge_route(&f->pair, v6);
    f->frames = bench_calloc(FRAMES, BENCH_FORGED_MAX);
    /* Other names than those that will wait in the queue: a SYN that comes again is another matter.
     */
    for (unsigned half = 2; half-- > 0;) {
        for (unsigned n = 0; n < FRAMES; n++)
            f->len = bench_forge_syn(f->frames + (size_t)n * BENCH_FORGED_MAX, &f->pair.addr[1], v6,
                                     half * FRAMES + n);
        for (unsigned n = 0; n < 2 * FRAMES; n += AT_ONCE)
            flood(f);
    }
    f->before = memory_used(f);
    f->syns = 0;
    return f;
}

static void close_flood(void *state)
{
    struct flood *f = state;
    bench_pair_deinit(&f->pair);
    free(f->frames);
    free(f);
}

double bench_syn_ns(void *state, double seconds)
{
    struct flood *f = state;
    uint64_t first = f->syns;
    double start = bench_now(), end;
    do {
        for (unsigned i = 0; i < 16; i++)
            flood(f);
        end = bench_now();
    } while (end - start < seconds);
    return (end - start) * 1e9 / (double)(f->syns - first);
}

double bench_syn_bytes(void *state, double seconds)
{
    struct flood *f = state;
    (void)seconds;
    while (f->syns < 100000)
        flood(f);
    return ((double)memory_used(f) - (double)f->before) / (double)f->syns;
}

const struct bench_setup bench_syn_flood = {
    .open = open_flood, .close = close_flood, .link = { .mtu = 1500 }, .count = AT_ONCE
};
