/*
 * Rows of fixed work, the same in every run: what a checker counts the instructions of.  It counts
 * inside bench_fixed_work only, after each row has warmed up.
 */
#include "bench.h"

#include "base/csum.h"
#include "base/defs.h"
#include "wire/eth.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"

#include <stdio.h>
#include <string.h>

enum { PORT = 5001 };

struct fixed {
    struct bench_pair pair;
    struct naru_sock *listener, *client, *server;
    uint32_t forged; /* SYNs so far */
};

struct fixed_row {
    const char *name, *unit;
    unsigned warm_up, units;
    void (*work)(struct fixed *, unsigned units);
};

static void bulk(struct fixed *f, unsigned segments)
{
    uint64_t bytes = 0;
    while (bytes < (uint64_t)segments * 1448) {
        bench_fill(&f->pair, f->client);
        bench_pair_turn(&f->pair);
        bytes += bench_drain(&f->pair, f->server);
    }
}

static void rr(struct fixed *f, unsigned rounds)
{
    while (rounds-- > 0)
        bench_round(&f->pair, f->client, f->server);
}

static void churn(struct fixed *f, unsigned connections)
{
    while (connections-- > 0)
        bench_churn_one(&f->pair, f->listener);
}

/* From somewhere beyond the other end, where nobody answers. */
static void forge_syn(struct fixed *f)
{
    struct naru_stack *to = f->pair.stack[1];
    uint32_t n = f->forged++;
    struct naru_addr src = naru_addr_v4(0xc0000000 + n % 0x10000);
    struct naru_tcp_hdr syn = { .sport = (uint16_t)(1024 + n / 0x10000),
                                .dport = PORT,
                                .seq = { n * 2654435761u },
                                .flags = NARU_TCP_SYN,
                                .wnd = 65535,
                                .opts = NARU_TCP_OPT_MSS,
                                .mss = 1460 };
    struct naru_pkt *pkt = naru_pkt_new(to, NARU_ETH_LEN + NARU_IPV4_LEN + NARU_TCP_LEN_MAX);
    if (pkt == NULL)
        bench_die("syn-flood: no memory");
    struct naru_eth_hdr eth = { .dst = { 2, 0, 0, 0, 0, 2 },
                                .src = { 2, 0, 0, 0, 0, 1 },
                                .ethertype = NARU_ETHERTYPE_IPV4 };
    uint8_t *ip_at = pkt->data + naru_eth_emit(pkt->data, &eth), *tcp_at = ip_at + NARU_IPV4_LEN;
    size_t tcp_len = naru_tcp_emit(tcp_at, &syn);
    struct naru_ipv4_hdr ip = { .src = src,
                                .dst = f->pair.addr[1],
                                .ttl = 64,
                                .protocol = NARU_PROTO_TCP,
                                .total_len = (uint16_t)(NARU_IPV4_LEN + tcp_len) };
    (void)naru_ipv4_emit(ip_at, &ip);
    uint32_t sum = naru_csum_pseudo(&src, &f->pair.addr[1], NARU_PROTO_TCP, (uint32_t)tcp_len);
    naru_tcp_checksum_set(tcp_at,
                          naru_tcp_checksum(naru_csum_ops_best(), sum, tcp_at, tcp_len, NULL, 0));
    pkt->len = (uint32_t)((size_t)(tcp_at - pkt->data) + tcp_len);
    naru_stack_input(to, f->pair.ifindex[1], pkt, f->pair.now);
}

static void syn_flood(struct fixed *f, unsigned syns)
{
    struct naru_route beyond = { .prefix = naru_addr_v4(0xc0000000),
                                 .prefix_len = 16,
                                 .has_gateway = true,
                                 .gateway = f->pair.addr[0] };
    if (f->forged == 0 && naru_route_add(f->pair.stack[1], &beyond) != NARU_OK)
        bench_die("syn-flood: no route");
    while (syns-- > 0) {
        forge_syn(f);
        bench_pair_turn(&f->pair);
    }
}

static const struct fixed_row rows[] = {
    { "bulk", "segment", 20000, 20000, bulk },
    { "rr", "round", 1000, 5000, rr },
    { "churn", "connection", 500, 2000, churn },
    { "syn-flood", "SYN", 2000, 5000, syn_flood },
};

void bench_fixed_work(const struct fixed_row *row, struct fixed *f);

NARU_NOINLINE void bench_fixed_work(const struct fixed_row *row, struct fixed *f)
{
    row->work(f, row->units);
}

static void run(const struct fixed_row *row)
{
    struct fixed f;
    memset(&f, 0, sizeof(f));
    bench_pair_init(&f.pair, &(struct bench_link){ .mtu = 1500 }, false);
    f.listener = bench_listen(&f.pair, PORT, 64, 65536);
    bench_connect(&f.pair, f.listener, &f.client, &f.server);
    row->work(&f, row->warm_up);
    bench_fixed_work(row, &f);
    printf("%u %ss\n", row->units, row->unit);
    bench_pair_deinit(&f.pair);
}

bool bench_fixed(const char *name)
{
    for (unsigned i = 0; i < NARU_ARRAY_LEN(rows); i++) {
        if (strcmp(rows[i].name, name) == 0) {
            run(&rows[i]);
            return true;
        }
    }
    return false;
}
