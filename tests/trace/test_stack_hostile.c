/*
 * Attacks on a stack by somebody on the link, or behind it: what is bounded stays bounded, what is
 * forged is not believed, and the others are still served.
 *
 * Stack 1 is the victim, stack 0 an honest host; the attacker's frames are made by hand.
 */
#include "lib/craft.h"
#include "lib/stack_lab.h"
#include "stack/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const enum naru_family families[2] = { NARU_IPV4, NARU_IPV6 };
static const uint8_t attacker_mac[6] = { 2, 0, 0, 0, 0, 0x66 };

/* ---- Tools ---- */

/* From some host of the link to the victim. */
static struct craft_ends from_host(const struct lab *lab, enum naru_family family, uint32_t host)
{
    struct craft_ends ends = { .dst_mac = { 2, 0, 0, 0, 0, 2 } };
    memcpy(ends.src_mac, attacker_mac, 6);
    ends.src = naru_addr_v4(0x0a000000 + host);
    ends.dst = lab->v4[1];
    if (family == NARU_IPV6) {
        ends.src = (struct naru_addr){
            .b = { 0xfd, [12] = (uint8_t)(host >> 24), [13] = (uint8_t)(host >> 16),
                   [14] = (uint8_t)(host >> 8), [15] = (uint8_t)host }
        };
        ends.dst = lab->v6[1];
    }
    return ends;
}

static uint64_t drops(const struct lab *lab, enum naru_drop reason)
{
    return naru_stack_drops(lab->stack[1], reason);
}

static struct naru_stack_stats stats_of(const struct lab *lab)
{
    struct naru_stack_stats stats;
    naru_stack_get_stats(lab->stack[1], &stats);
    return stats;
}

/* Counts what the victim says, by the IP protocol; 0 is ARP. */
struct ear {
    unsigned proto[256];
    unsigned resets;
};

static bool hear(struct lab *lab, int from, uint8_t *frame, size_t *len)
{
    struct ear *ear = lab->user;
    struct craft_heard heard;
    unsigned type = craft_get16(frame + 12);
    if (from != 1)
        return true;
    if (type == 0x0806)
        ear->proto[0]++;
    else
        ear->proto[frame[CRAFT_ETH + (type == 0x0800 ? 9 : 6)]]++;
    if (craft_heard(frame, *len, &heard) && (heard.flags & CRAFT_RST) != 0)
        ear->resets++;
    return true;
}

static void begin_tuned(struct lab *lab, struct ear *ear, void (*tune)(struct naru_config *config))
{
    struct lab_options options = { .tune = tune };
    *lab = (struct lab){ .user = ear };
    *ear = (struct ear){ { 0 }, 0 };
    assert_true(lab_pair(lab, &options));
    lab_run(lab, lab->now + NARU_SEC(20)); /* what hosts say when they wake is said */
    lab->wire[0].filter = hear;
}

static void begin(struct lab *lab, struct ear *ear) { begin_tuned(lab, ear, NULL); }

static void attacker_is_known(struct lab *lab)
{
    for (int f = 0; f < 2; f++) {
        struct craft_ends ends = from_host(lab, families[f], 0x66);
        assert_int_equal(
            naru_neigh_add(lab->stack[1], lab->ifindex[1], &ends.src, attacker_mac, lab->now),
            NARU_OK);
    }
}

static const struct naru_tcp *tcp_of(struct naru_sock *sock)
{
    return &naru_sock_tcp_of(sock)->tcp;
}

/* The honest host's connection still does its work, both ways. */
static void still_works(struct lab *lab, struct naru_sock *client, struct naru_sock *server)
{
    assert_true(lab_transfer(lab, client, server, 50000, lab->now + NARU_SEC(60)));
    assert_true(lab_transfer(lab, server, client, 50000, lab->now + NARU_SEC(60)));
    naru_sock_close(client, lab->now);
    naru_sock_close(server, lab->now);
    lab_run(lab, lab->now + NARU_SEC(120));
    assert_int_equal(stats_of(lab).flows, 0);
    lab_end(lab);
}

/* ---- Forged segments (RFC 5961) ---- */

struct victim {
    struct lab lab;
    struct ear ear;
    struct naru_sock *client, *server;
    struct craft_ends ends; /* as if from the honest client */
    struct craft_segment s;
};

static void connected(struct victim *v, enum naru_family family)
{
    begin(&v->lab, &v->ear);
    assert_true(lab_established(&v->lab, family, 80, &v->client, &v->server));
    assert_true(lab_transfer(&v->lab, v->client, v->server, 100, v->lab.now + NARU_SEC(1)));
    assert_true(lab_transfer(&v->lab, v->server, v->client, 3000, v->lab.now + NARU_SEC(1)));
    lab_run(&v->lab, v->lab.now + NARU_SEC(5));
    const struct naru_tuple *t = &v->server->flow.tuple;
    v->ends = from_host(&v->lab, family, 1);
    v->s = (struct craft_segment){ .sport = t->remote_port,
                                   .dport = t->local_port,
                                   .seq = tcp_of(v->server)->rcv.nxt.v,
                                   .ack = tcp_of(v->server)->snd.nxt.v,
                                   .window = 100 };
}

static void forge(struct victim *v, uint8_t flags, uint32_t seq, uint32_t ack)
{
    uint8_t frame[CRAFT_MAX];
    struct craft_segment s = v->s;
    s.flags = flags;
    s.seq += seq;
    s.ack += ack;
    lab_inject(&v->lab, 1, frame, craft_tcp(frame, &v->ends, &s));
}

/* RSTs are believed by RFC 5961, answered without loops, and have the right numbers
 * (B-rst-validity). */
static void blind_reset(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct victim v;
        connected(&v, families[f]);
        uint32_t window = tcp_of(v.server)->rcv.wnd;
        uint64_t told = v.lab.stack[1]->tcp.counters.challenge_acks;
        for (uint32_t i = 1; i <= 1000; i++)
            forge(&v, CRAFT_RST, i * (window / 1001), 0);
        assert_int_equal(drops(&v.lab, NARU_DROP_TCP_RST_INEXACT), 1000);
        assert_int_equal(v.lab.stack[1]->tcp.counters.challenge_acks, told + 1);
        for (uint32_t i = 1; i <= 1000; i++)
            forge(&v, CRAFT_RST | CRAFT_ACK, window + i * 4000000, 0);
        assert_int_equal(drops(&v.lab, NARU_DROP_TCP_RST_IGNORED), 1000);
        still_works(&v.lab, v.client, v.server);
    }
}

/* The one number that is believed: RCV.NXT itself. */
static void exact_reset(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct victim v;
        int64_t error;
        connected(&v, families[f]);
        forge(&v, CRAFT_RST, 0, 0);
        assert_int_equal(lab_state(v.server), NARU_TCP_CLOSED);
        assert_int_equal(naru_sock_get(v.server, NARU_OPT_ERROR, &error), NARU_OK);
        assert_int_equal(error, NARU_ERR_CONNRESET);
        naru_sock_close(v.client, v.lab.now);
        naru_sock_close(v.server, v.lab.now);
        lab_end(&v.lab);
    }
}

static void blind_syn(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct victim v;
        connected(&v, families[f]);
        uint64_t told = v.lab.stack[1]->tcp.counters.challenge_acks;
        for (uint32_t i = 0; i < 500; i++)
            forge(&v, CRAFT_SYN, i * 100, 0);
        assert_int_equal(drops(&v.lab, NARU_DROP_TCP_SYN_CHALLENGE), 500);
        assert_int_equal(v.lab.stack[1]->tcp.counters.challenge_acks, told + 1);
        for (uint32_t i = 1; i <= 500; i++)
            forge(&v, CRAFT_SYN, i * 0x700000, 0); /* all over the circle */
        assert_true(v.lab.stack[1]->tcp.counters.challenge_acks <= told + 1);
        assert_int_equal(lab_state(v.server), NARU_TCP_ESTABLISHED);
        still_works(&v.lab, v.client, v.server);
    }
}

/* RFC 5961 section 5 (blind data injection) ACK check may be included (MAY-12). */
static void blind_data(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct victim v;
        connected(&v, families[f]);
        uint64_t told = v.lab.stack[1]->tcp.counters.challenge_acks;
        v.s.payload = (const uint8_t *)"forged";
        v.s.payload_len = 6;
        for (uint32_t i = 1; i <= 300; i++)
            forge(&v, CRAFT_ACK, 0, i * 0x600000);
        for (uint32_t i = 1; i <= 300; i++)
            forge(&v, CRAFT_ACK | CRAFT_PSH, 0, 0U - (i + 20) * 0x600000);
        assert_true(drops(&v.lab, NARU_DROP_TCP_ACK_INVALID) >= 299);
        assert_int_equal(naru_tcp_unread(tcp_of(v.server)), 0);
        assert_true(v.lab.stack[1]->tcp.counters.challenge_acks <= told + 1);
        still_works(&v.lab, v.client, v.server);
    }
}

/* Each connection has its own budget of challenges: none tells about another (CVE-2016-5696). */
static void challenges_are_limited(void **state)
{
    (void)state;
    struct victim v;
    connected(&v, NARU_IPV4);
    uint64_t told = v.lab.stack[1]->tcp.counters.challenge_acks;
    for (uint32_t i = 0; i < 1000; i++) {
        forge(&v, CRAFT_SYN, 1 + i % 100, 0);
        lab_run(&v.lab, v.lab.now + NARU_MS(10));
    }
    uint64_t said = v.lab.stack[1]->tcp.counters.challenge_acks - told;
    assert_true(said >= 15 && said <= 21); /* ten seconds, one in half a second */
    still_works(&v.lab, v.client, v.server);
}

/* ---- ICMP about connections (RFC 5927) ---- */

static void report(struct victim *v, enum naru_family family, unsigned type4, unsigned type6,
                   uint32_t rest, uint32_t seq)
{
    uint8_t frame[CRAFT_MAX], tcp[8];
    struct craft_ends back = from_host(&v->lab, family, 0x66), quoted = v->ends;
    quoted.src = v->ends.dst;
    quoted.dst = v->ends.src;
    craft_put16(tcp, v->s.dport);
    craft_put16(tcp + 2, v->s.sport);
    craft_put32(tcp + 4, seq);
    lab_inject(&v->lab, 1, frame,
               craft_error(frame, &back, &quoted, family == NARU_IPV4 ? type4 : type6, rest,
                           CRAFT_TCP_PROTO, tcp, 8));
}

/* An error counts for the connection and the segment it quotes only (MUST-54, H-3.4-6,
 * V6-8201-4-1). */
static void forged_too_big(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct victim v;
        connected(&v, families[f]);
        uint32_t una = tcp_of(v.server)->snd.una.v, mss = tcp_of(v.server)->snd.mss;
        for (uint32_t i = 0; i < 1000; i++)
            report(&v, families[f], 0x0304, 0x0200, 1280, una + i * 0x400001);
        assert_int_equal(drops(&v.lab, NARU_DROP_ICMP_STALE), 1000);
        assert_int_equal(tcp_of(v.server)->snd.mss, mss);

        /* In flight, it is believed, within bounds: 8 bytes of MTU are nobody's. */
        struct naru_slice slice = { "hello", 5 };
        assert_int_equal(naru_sock_send(v.server, &slice, 1, 0, NULL, v.lab.now), 5);
        uint8_t out[CRAFT_MAX];
        while (lab_take(&v.lab, 1, out, sizeof(out)) != 0)
            ;
        report(&v, families[f], 0x0304, 0x0200, 8, una);
        assert_true(tcp_of(v.server)->snd.mss < mss);
        assert_true(tcp_of(v.server)->snd.mss >= (f == 0 ? 552 - 52 : 1280 - 72));
        lab_run(&v.lab, v.lab.now + NARU_SEC(5));
        uint8_t in[5];
        struct naru_room room = { in, 5 };
        assert_int_equal(naru_sock_recv(v.client, &room, 1, 0, NULL, v.lab.now), 5);
        still_works(&v.lab, v.client, v.server);
    }
}

/* Quoting what is no flow of ours moves nothing: not an echo we never sent, not another's packet
 * (B-pmtu-honoured). */
static void too_big_without_a_flow(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct victim v;
        connected(&v, families[f]);
        uint32_t mss = tcp_of(v.server)->snd.mss;
        uint8_t frame[CRAFT_MAX], echo[8] = { f == 0 ? 8 : 128, 0, 0, 0, 0, 7, 0, 1 };
        struct craft_ends back = from_host(&v.lab, families[f], 0x66), quoted = v.ends;
        quoted.src = v.ends.dst;
        quoted.dst = v.ends.src;
        unsigned type = f == 0 ? 0x0304 : 0x0200, icmp = f == 0 ? CRAFT_ICMP : CRAFT_ICMPV6;
        lab_inject(&v.lab, 1, frame, craft_error(frame, &back, &quoted, type, 1280, icmp, echo, 8));
        lab_inject(&v.lab, 1, frame, craft_error(frame, &back, &quoted, type, 1280, 99, echo, 8));
        quoted.src = back.src;
        lab_inject(&v.lab, 1, frame,
                   craft_error(frame, &back, &quoted, type, 1280, CRAFT_UDP, echo, 8));
        assert_int_equal(drops(&v.lab, NARU_DROP_ICMP_NO_FLOW), 3);
        assert_true(lab_transfer(&v.lab, v.server, v.client, 5000, v.lab.now + NARU_SEC(5)));
        assert_int_equal(tcp_of(v.server)->snd.mss, mss);
        still_works(&v.lab, v.client, v.server);
    }
}

static void forged_unreachable(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct victim v;
        connected(&v, families[f]);
        uint32_t una = tcp_of(v.server)->snd.una.v;
        for (uint32_t i = 1; i <= 100; i++)
            report(&v, families[f], 0x0303, 0x0104, 0, una + i * 0x1000001);
        assert_int_equal(drops(&v.lab, NARU_DROP_ICMP_STALE), 100);
        struct naru_slice slice = { "hello", 5 };
        assert_int_equal(naru_sock_send(v.server, &slice, 1, 0, NULL, v.lab.now), 5);
        uint8_t out[CRAFT_MAX], in[5];
        while (lab_take(&v.lab, 1, out, sizeof(out)) != 0)
            ;
        report(&v, families[f], 0x0302, 0x0104, 0, una); /* in flight: not fatal either */
        assert_int_equal(lab_state(v.server), NARU_TCP_ESTABLISHED);
        lab_run(&v.lab, v.lab.now + NARU_SEC(5));
        struct naru_room room = { in, 5 };
        assert_int_equal(naru_sock_recv(v.client, &room, 1, 0, NULL, v.lab.now), 5);
        still_works(&v.lab, v.client, v.server);
    }
}

/* ---- Storms ---- */

/* Errors about nothing are few, from one host or from all together (V6-4443-2.4-1, H-3.3.8-1). */
static void no_icmp_storm(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct lab lab;
        struct ear ear;
        uint8_t frame[CRAFT_MAX];
        unsigned icmp = families[f] == NARU_IPV4 ? CRAFT_ICMP : CRAFT_ICMPV6;
        begin(&lab, &ear);
        attacker_is_known(&lab);
        struct craft_ends ends = from_host(&lab, families[f], 0x66);
        for (uint32_t i = 0; i < 10000; i++) {
            lab_inject(&lab, 1, frame, craft_udp(frame, &ends, 5000, (uint16_t)(i + 1), "x", 1));
            lab_run(&lab, lab.now + NARU_US(100));
        }
        assert_true(ear.proto[icmp] >= 10 && ear.proto[icmp] <= 25);
        assert_true(drops(&lab, NARU_DROP_ICMP_RATE_LIMIT) >= 9900);
        lab_end(&lab);
    }
}

/* Two confused ends, or one forger between two victims, do not answer each other for ever
 * (B-rst-validity). */
static void no_loops(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct victim v;
        connected(&v, families[f]);
        unsigned before = v.ear.proto[CRAFT_TCP_PROTO];
        forge(&v, CRAFT_ACK, 50000000, 0);
        forge(&v, CRAFT_ACK, 0, 50000000);
        forge(&v, CRAFT_FIN | CRAFT_ACK, 0U - 50000000, 0);
        lab_run(&v.lab, v.lab.now + NARU_MS(400));
        assert_true(v.ear.proto[CRAFT_TCP_PROTO] - before <= 4);
        still_works(&v.lab, v.client, v.server);
    }
}

/* ---- Floods ---- */

/* 100 000 forged SYNs; in the middle of them somebody honest connects (B-syn-flood). */
static void syn_flood(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct lab lab;
        struct ear ear;
        uint8_t frame[CRAFT_MAX];
        struct naru_sock *client = NULL, *server;
        begin(&lab, &ear);
        attacker_is_known(&lab);
        struct naru_sock *listener = lab_listen(&lab, 1, families[f], 80);
        uint64_t before = stats_of(&lab).memory_used;
        for (uint32_t i = 0; i < 50000; i++) {
            struct craft_ends ends = from_host(&lab, families[f], 0x66);
            struct craft_segment syn = { .sport = (uint16_t)(i * 7919),
                                         .dport = 80,
                                         .flags = CRAFT_SYN,
                                         .seq = i * 2654435761U,
                                         .window = 1000 };
            lab_inject(&lab, 1, frame, craft_tcp(frame, &ends, &syn));
            if (i == 25000)
                client = lab_connect(&lab, 0, 1, families[f], 80);
            if (i % 16 == 15)
                lab_run(&lab, lab.now + NARU_US(160));
        }
        assert_true(stats_of(&lab).half_open <= 17);
        assert_true(stats_of(&lab).memory_peak < before + (1 << 20));
        assert_true(stats_of(&lab).tcp_syn_cookies_sent > 40000);
        server = lab_accept(&lab, listener);
        assert_non_null(server);
        naru_sock_close(listener, lab.now);
        still_works(&lab, client, server);
    }
}

/* Without cookies the queue is the bound. */
static void no_cookies(struct naru_config *config)
{
    config->tcp_syn_cookies = false;
    config->syn_queue_max = 8;
}

/* Backlog, SYN flood, accept queue: nothing is leaked, the honest get in (B-syn-flood). */
static void syn_queue_is_bounded(void **state)
{
    (void)state;
    struct lab lab;
    struct ear ear;
    uint8_t frame[CRAFT_MAX];
    begin_tuned(&lab, &ear, no_cookies);
    attacker_is_known(&lab);
    struct naru_sock *listener = lab_listen(&lab, 1, NARU_IPV4, 80);
    struct craft_ends ends = from_host(&lab, NARU_IPV4, 0x66);
    for (uint32_t i = 0; i < 2000; i++) {
        struct craft_segment syn = { .sport = (uint16_t)i, .dport = 80, .flags = CRAFT_SYN };
        lab_inject(&lab, 1, frame, craft_tcp(frame, &ends, &syn));
    }
    assert_int_equal(stats_of(&lab).half_open, 8);
    assert_int_equal(drops(&lab, NARU_DROP_TCP_SYN_QUEUE_FULL), 1992);
    lab_run(&lab, lab.now + NARU_SEC(200)); /* nobody answers */
    assert_int_equal(stats_of(&lab).half_open, 0);
    assert_int_equal(stats_of(&lab).flows, 0);
    naru_sock_close(listener, lab.now);
    lab_end(&lab);
}

/* Reassembly: size, overlap, holes, memory (B-fragment-limits). */
static void fragment_flood(void **state)
{
    (void)state;
    static const uint8_t zeros[1024];
    for (int f = 0; f < 2; f++) {
        struct lab lab;
        struct ear ear;
        uint8_t frame[CRAFT_MAX], in[4000];
        begin(&lab, &ear);
        attacker_is_known(&lab);
        struct naru_sock *from = lab_udp(&lab, 0, families[f], 0);
        struct naru_sock *to = lab_udp(&lab, 1, families[f], 53);
        struct naru_msg_info info = { .to = { .addr = f == 0 ? lab.v4[1] : lab.v6[1],
                                              .port = 53 } };
        struct naru_slice slice = { in, sizeof(in) };
        struct naru_room room = { in, sizeof(in) };
        memset(in, 1, sizeof(in));
        for (uint32_t i = 0; i < 20000; i++) {
            struct craft_ends ends = from_host(&lab, families[f], 0x66 + i % 50);
            struct craft_piece piece = { .ident = i, .offset = i % 3 * 1024, .more = true };
            lab_inject(&lab, 1, frame,
                       craft_fragment(frame, &ends, CRAFT_UDP, &piece, zeros, sizeof(zeros)));
            if (i == 10000)
                assert_int_equal(naru_sock_send(from, &slice, 1, 0, &info, lab.now), 4000);
            if (i % 16 == 15)
                lab_run(&lab, lab.now + NARU_US(160));
            assert_true(lab.stack[1]->frag.memory <= (1 << 20));
        }
        assert_int_equal(naru_sock_recv(to, &room, 1, 0, NULL, lab.now), 4000);
        assert_true(drops(&lab, NARU_DROP_FRAG_LIMIT) > 10000);
        lab_run(&lab, lab.now + NARU_SEC(120));
        assert_int_equal(lab.stack[1]->frag.memory, 0);
        assert_int_equal(lab.stack[1]->pkts.outstanding, 0);
        naru_sock_close(from, lab.now);
        naru_sock_close(to, lab.now);
        lab_end(&lab);
    }
}

/* The work for one datagram is bounded too (FragmentSmack, CVE-2018-5391; B-fragment-limits). */
static void fragments_of_one(void **state)
{
    (void)state;
    static const uint8_t zeros[8];
    for (int f = 0; f < 2; f++) {
        struct lab lab;
        struct ear ear;
        uint8_t frame[CRAFT_MAX];
        begin(&lab, &ear);
        attacker_is_known(&lab);
        struct craft_ends ends = from_host(&lab, families[f], 0x66);
        for (uint32_t i = 8000; i > 0; i--) {
            struct craft_piece piece = { .ident = 1, .offset = i * 8, .more = true };
            lab_inject(&lab, 1, frame, craft_fragment(frame, &ends, CRAFT_UDP, &piece, zeros, 8));
            assert_true(lab.stack[1]->frag.memory <= 256 * 1024);
        }
        assert_true(drops(&lab, NARU_DROP_FRAG_LIMIT) >= 7000);
        lab_run(&lab, lab.now + NARU_SEC(120));
        assert_int_equal(lab.stack[1]->pkts.outstanding, 0);
        lab_end(&lab);
    }
}

/* Teardrop and its kin: a datagram whose fragments overlap is dropped whole, and forgotten. */
static void overlapping_fragments(void **state)
{
    (void)state;
    static const struct craft_piece second[] = {
        { 7, 24, false },
        { 7, 8, true },
        { 7, 16, false },
        { 7, 0, true },
    };
    static const uint8_t zeros[48];
    for (int f = 0; f < 2; f++) {
        for (size_t i = 0; i < sizeof(second) / sizeof(second[0]); i++) {
            struct lab lab;
            struct ear ear;
            uint8_t frame[CRAFT_MAX];
            struct craft_piece first = { 7, 0, true };
            begin(&lab, &ear);
            attacker_is_known(&lab);
            struct craft_ends ends = from_host(&lab, families[f], 0x66);
            lab_inject(&lab, 1, frame, craft_fragment(frame, &ends, CRAFT_UDP, &first, zeros, 40));
            lab_inject(&lab, 1, frame,
                       craft_fragment(frame, &ends, CRAFT_UDP, &second[i], zeros, 16));
            assert_int_equal(drops(&lab, NARU_DROP_FRAG_OVERLAP), 2);
            assert_int_equal(lab.stack[1]->pkts.outstanding, 0);
            lab_run(&lab, lab.now + NARU_SEC(120));
            lab_end(&lab);
        }
    }
}

/* Neighbours nobody needs: the table is bounded, those in use stay (RFC 6583). */
static void small_neighbours(struct naru_config *config) { config->neigh_max = 64; }

static void neighbour_exhaustion(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct victim v = { 0 };
        uint8_t frame[CRAFT_MAX];
        begin_tuned(&v.lab, &v.ear, small_neighbours);
        assert_true(lab_established(&v.lab, families[f], 80, &v.client, &v.server));
        uint64_t before = stats_of(&v.lab).memory_used;
        for (uint32_t i = 0; i < 20000; i++) {
            struct craft_ends ends =
                from_host(&v.lab, families[f], f == 0 ? 3 + i % 250 : 0x10000 + i);
            lab_inject(&v.lab, 1, frame,
                       craft_icmp(frame, &ends, f == 0 ? 8 : 128, 0, i, "ping", 4));
            if (i % 16 == 15)
                lab_run(&v.lab, v.lab.now + NARU_MS(2));
            if (i % 4000 == 3999)
                assert_true(
                    lab_transfer(&v.lab, v.client, v.server, 5000, v.lab.now + NARU_SEC(5)));
        }
        assert_true(stats_of(&v.lab).memory_peak < before + (1 << 20));
        still_works(&v.lab, v.client, v.server);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blind_reset),
        cmocka_unit_test(exact_reset),
        cmocka_unit_test(blind_syn),
        cmocka_unit_test(blind_data),
        cmocka_unit_test(challenges_are_limited),
        cmocka_unit_test(forged_too_big),
        cmocka_unit_test(too_big_without_a_flow),
        cmocka_unit_test(forged_unreachable),
        cmocka_unit_test(no_icmp_storm),
        cmocka_unit_test(no_loops),
        cmocka_unit_test(syn_flood),
        cmocka_unit_test(syn_queue_is_bounded),
        cmocka_unit_test(fragment_flood),
        cmocka_unit_test(fragments_of_one),
        cmocka_unit_test(overlapping_fragments),
        cmocka_unit_test(neighbour_exhaustion),
    };
    return cmocka_run_group_tests_name("attacks", tests, NULL, NULL);
}
