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

enum { PORT = 5001, CONNECTIONS = 64 };

struct fixed {
    struct bench_pair pair;
    struct naru_sock *listener, *client, *server;
    struct naru_sock *udp[2];
    struct naru_sock *many[CONNECTIONS][2]; /* rr-64: clients and servers */
    uint32_t forged, answers;               /* SYNs so far */
};

struct fixed_row {
    const char *name, *unit;
    unsigned warm_up, units;
    uint16_t ports; /* of bench_link */
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

/* Each segment is for another connection than the last. */
static void rr_64(struct fixed *f, unsigned rounds)
{
    for (unsigned i = 0; f->many[0][0] == NULL && i < CONNECTIONS; i++)
        bench_connect(&f->pair, f->listener, &f->many[CONNECTIONS - 1 - i][0],
                      &f->many[CONNECTIONS - 1 - i][1]);
    while (rounds-- > 0)
        bench_round(&f->pair, f->many[rounds % CONNECTIONS][0], f->many[rounds % CONNECTIONS][1]);
}

static void churn(struct fixed *f, unsigned connections)
{
    while (connections-- > 0)
        bench_churn_one(&f->pair, f->listener);
}

/* With every name in TIME-WAIT, and for more than a second (RFC 6191). */
static void churn_again(struct fixed *f, unsigned connections)
{
    while (connections-- > 0) {
        bench_churn_one(&f->pair, f->listener);
        f->pair.now += NARU_MS(2);
    }
}

/* ---- A flood of forged SYNs ---- */

enum { IP_AT = NARU_ETH_LEN, TCP_AT = IP_AT + NARU_IPV4_LEN, SYN_LEN = TCP_AT + NARU_TCP_LEN + 4 };

/* The first SYN, which all others are made of. */
static void first_syn(const struct bench_pair *pair, uint8_t at[SYN_LEN])
{
    struct naru_addr src = naru_addr_v4(0xc0000000);
    uint16_t against = 0xffff;
    struct naru_eth_hdr eth = { .dst = { 2, 0, 0, 0, 0, 2 },
                                .src = { 2, 0, 0, 0, 0, 1 },
                                .ethertype = NARU_ETHERTYPE_IPV4 };
    struct naru_ipv4_hdr ip = { .src = src,
                                .dst = pair->addr[1],
                                .ident = against,
                                .ttl = 64,
                                .protocol = NARU_PROTO_TCP,
                                .total_len = SYN_LEN - IP_AT };
    struct naru_tcp_hdr syn = { .sport = 1024,
                                .dport = PORT,
                                .seq = { against },
                                .flags = NARU_TCP_SYN,
                                .wnd = 65535,
                                .opts = NARU_TCP_OPT_MSS,
                                .mss = 1460 };
    uint32_t sum = naru_csum_pseudo(&src, &pair->addr[1], NARU_PROTO_TCP, SYN_LEN - TCP_AT);
    (void)naru_eth_emit(at, &eth);
    (void)naru_ipv4_emit(at + IP_AT, &ip);
    (void)naru_tcp_emit(at + TCP_AT, &syn);
    naru_tcp_checksum_set(at + TCP_AT, naru_tcp_checksum(naru_csum_ops_portable(), sum, at + TCP_AT,
                                                         SYN_LEN - TCP_AT, NULL, 0));
}

/* From another host each, somewhere beyond the router.  What the source adds to the sums of both
 * headers, identification and sequence number take away, so that no checksum changes. */
static void forge_syn(uint8_t at[SYN_LEN], uint32_t n)
{
    uint16_t host = (uint16_t)n, against = (uint16_t)~host;
    naru_put16(at + IP_AT + 4, against);
    naru_put16(at + IP_AT + 14, host);
    naru_put16(at + TCP_AT + 6, against);
}

/* The flooded end alone: nobody hears the answers. */
static void syn_flood(struct fixed *f, unsigned syns)
{
    struct naru_stack *to = f->pair.stack[1];
    unsigned ifindex = f->pair.ifindex[1];
    struct naru_frame frame;
    uint8_t syn[SYN_LEN];
    struct naru_route beyond = { .prefix = naru_addr_v4(0xc0000000),
                                 .prefix_len = 16,
                                 .has_gateway = true,
                                 .gateway = f->pair.addr[0] };
    if (f->forged == 0 && naru_route_add(to, &beyond) != NARU_OK)
        bench_die("syn-flood: no route");
    first_syn(&f->pair, syn);
    while (syns-- > 0) {
        struct naru_pkt *pkt = naru_pkt_new(to, SYN_LEN);
        if (pkt == NULL)
            bench_die("syn-flood: no memory");
        forge_syn(syn, f->forged++);
        memcpy(pkt->data, syn, SYN_LEN);
        pkt->len = SYN_LEN;
        naru_stack_input(to, ifindex, pkt, f->pair.now);
        f->answers += naru_stack_output(to, ifindex, &frame, f->pair.now);
    }
}

/* ---- UDP ---- */

static void udp(struct fixed *f, unsigned datagrams)
{
    while (datagrams-- > 0)
        bench_datagram(&f->pair, f->udp, (int)(datagrams & 1));
}

static const struct fixed_row rows[] = {
    { "bulk", "segment", 20000, 20000, 0, bulk },
    { "rr", "round", 1000, 5000, 0, rr },
    { "rr-64", "round", 1000, 5000, 0, rr_64 },
    { "churn", "connection", 500, 2000, 0, churn },
    { "churn-again", "connection", 1200, 1000, 1000, churn_again },
    { "syn-flood", "SYN", 2000, 5000, 0, syn_flood },
    { "udp", "datagram", 1000, 5000, 0, udp },
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
    bench_pair_init(&f.pair, &(struct bench_link){ .mtu = 1500, .ports = row->ports }, false);
    f.listener = bench_listen(&f.pair, PORT, 64, 65536);
    bench_connect(&f.pair, f.listener, &f.client, &f.server);
    bench_udp_pair(&f.pair, PORT, f.udp);
    row->work(&f, row->warm_up);
    bench_fixed_work(row, &f);
    if (f.answers < f.forged)
        bench_die("syn-flood: a SYN without an answer");
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
