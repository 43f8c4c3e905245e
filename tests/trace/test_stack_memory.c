/*
 * Memory that is short: a small stack under load, and peers who want to fill it, degrade and
 * recover; nothing crashes, nobody waits for ever, everything comes back.
 */
#include "lib/craft.h"
#include "lib/stack_lab.h"
#include "stack/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SMALL = 2 << 20, MANY = 100 };

static const enum naru_family families[2] = { NARU_IPV4, NARU_IPV6 };

static void small_stack(struct naru_config *config) { config->memory_max = SMALL; }

static struct naru_stack_stats stats_of(const struct lab *lab, int n)
{
    struct naru_stack_stats stats;
    naru_stack_get_stats(lab->stack[n], &stats);
    return stats;
}

/* ---- Many connections through little memory ---- */

struct load {
    struct naru_sock *listener, *client[MANY], *server[MANY];
    uint32_t sent[MANY], received[MANY], total;
    unsigned accepted, done, errors;
    bool shut[MANY];
    bool back;    /* the server sends, else the client */
    bool reading; /* the receivers take what came */
};

/* Connection i carries the bytes of it from its own place on. */
static uint8_t pattern[1 << 17];

static void make_pattern(void)
{
    for (uint32_t n = 0; n < sizeof(pattern); n++)
        pattern[n] = (uint8_t)(n * 31 + (n >> 9));
}

static void load_send(struct lab *lab, struct load *l, unsigned i, struct naru_sock *sock)
{
    while (l->sent[i] < l->total) {
        uint32_t len = l->total - l->sent[i] < 4096 ? l->total - l->sent[i] : 4096;
        struct naru_slice slice = { &pattern[i + l->sent[i]], len };
        int64_t n = naru_sock_send(sock, &slice, 1, 0, NULL, lab->now);
        l->errors += n < 0 && n != NARU_ERR_AGAIN && n != NARU_ERR_NOMEM && n != NARU_ERR_PIPE;
        if (n <= 0)
            return;
        l->sent[i] += (uint32_t)n;
    }
    if (!l->shut[i])
        l->shut[i] = naru_sock_shutdown(sock, NARU_SHUTDOWN_WRITE, lab->now) == NARU_OK;
}

static void load_receive(struct lab *lab, struct load *l, unsigned i, struct naru_sock *sock)
{
    uint8_t buf[4096];
    struct naru_room room = { buf, sizeof(buf) };
    int64_t n;
    while ((n = naru_sock_recv(sock, &room, 1, 0, NULL, lab->now)) > 0) {
        l->errors += memcmp(buf, &pattern[i + l->received[i]], (size_t)n) != 0;
        l->received[i] += (uint32_t)n;
    }
    l->done += n == 0 && l->received[i] == l->total;
    l->errors += n < 0 && n != NARU_ERR_AGAIN;
}

static bool loaded(struct lab *lab, void *arg)
{
    struct load *l = arg;
    struct naru_sock *sock;
    while (l->accepted < MANY && naru_sock_accept(l->listener, &sock, lab->now) == NARU_OK) {
        struct naru_endpoint peer;
        assert_int_equal(naru_sock_remote(sock, &peer), NARU_OK);
        for (unsigned i = 0; i < MANY; i++) {
            struct naru_endpoint local;
            naru_sock_local(l->client[i], &local);
            if (local.port == peer.port)
                l->server[i] = sock;
        }
        l->accepted++;
    }
    l->done = 0;
    for (unsigned i = 0; i < MANY; i++) {
        struct naru_sock *from = l->back ? l->server[i] : l->client[i];
        struct naru_sock *to = l->back ? l->client[i] : l->server[i];
        if (from != NULL && lab_state(from) != NARU_TCP_SYN_SENT)
            load_send(lab, l, i, from);
        if (to != NULL && l->reading)
            load_receive(lab, l, i, to);
    }
    return l->done == MANY;
}

static void load_begin(struct lab *lab, struct load *l, enum naru_family family)
{
    make_pattern();
    l->listener = lab_listen(lab, 1, family, 80);
    assert_non_null(l->listener);
    assert_int_equal(naru_sock_listen(l->listener, 2 * MANY, lab->now), NARU_OK);
    for (unsigned i = 0; i < MANY; i++) {
        l->client[i] = lab_connect(lab, 0, 1, family, 80);
        assert_non_null(l->client[i]);
    }
}

/* Everything is closed; nothing is left, and what the pools had grown to is given back. */
static void load_end(struct lab *lab, struct load *l)
{
    for (unsigned i = 0; i < MANY; i++) {
        naru_sock_close(l->client[i], lab->now);
        naru_sock_close(l->server[i], lab->now);
    }
    naru_sock_close(l->listener, lab->now);
    lab_run(lab, lab->now + NARU_SEC(3600));
    for (int n = 0; n < 2; n++) {
        assert_int_equal(stats_of(lab, n).flows, 0);
        assert_int_equal(stats_of(lab, n).sockets, 0);
        assert_int_equal(stats_of(lab, n).time_wait, 0);
        assert_int_equal(lab->stack[n]->pkts.outstanding, 0);
        assert_int_equal(lab->stack[n]->blocks.outstanding, 0);
        assert_int_equal(lab->stack[n]->tcp.ooo_bytes, 0);
        assert_true(stats_of(lab, n).memory_peak <= SMALL);
    }
    lab_end(lab);
}

static void transfers_in_little(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct lab lab = { 0 };
        struct lab_options options = { .tune = small_stack,
                                       .delay = NARU_MS(5),
                                       .loss_percent = 1 };
        static struct load l;
        l = (struct load){ .total = 80000, .reading = true, .back = f == 1 };
        assert_true(lab_pair(&lab, &options));
        load_begin(&lab, &l, families[f]);
        assert_true(lab_until(&lab, lab.now + NARU_SEC(3600), loaded, &l));
        assert_int_equal(l.errors, 0);
        load_end(&lab, &l);
    }
}

/* Nobody reads for two minutes; an idle connection is served all the same; then everyone reads. */
static void readers_that_sleep(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct lab lab = { 0 };
        struct lab_options options = { .tune = small_stack, .delay = NARU_MS(5) };
        static struct load l;
        struct naru_sock *a, *b;
        l = (struct load){ .total = 100000, .back = f == 1 };
        assert_true(lab_pair(&lab, &options));
        assert_true(lab_established(&lab, families[f], 81, &a, &b));
        load_begin(&lab, &l, families[f]);
        (void)lab_until(&lab, lab.now + NARU_SEC(30), loaded, &l);
        for (int quarter = 0; quarter < 6; quarter++) {
            assert_true(lab_transfer(&lab, a, b, 1000, lab.now + NARU_SEC(60)));
            assert_true(lab_transfer(&lab, b, a, 1000, lab.now + NARU_SEC(60)));
            (void)lab_until(&lab, lab.now + NARU_SEC(15), loaded, &l);
        }
        assert_int_equal(l.done, 0);
        l.reading = true;
        assert_true(lab_until(&lab, lab.now + NARU_SEC(3600), loaded, &l));
        assert_int_equal(l.errors, 0);
        naru_sock_close(a, lab.now);
        naru_sock_close(b, lab.now);
        load_end(&lab, &l);
    }
}

/* ---- A peer made by hand ---- */

struct hand {
    struct lab lab;
    struct craft_ends ends;
    struct craft_segment s; /* the next one; ports, numbers */
    struct naru_sock *listener;
};

static void hand_begin(struct hand *h, enum naru_family family,
                       void (*tune)(struct naru_config *config))
{
    struct lab_options options = { .tune = tune };
    static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 0x66 };
    *h = (struct hand){ .lab = { .now = 0 } };
    assert_true(lab_pair(&h->lab, &options));
    h->ends = (struct craft_ends){ .src = naru_addr_v4(0x0a000066),
                                   .dst = h->lab.v4[1],
                                   .dst_mac = { 2, 0, 0, 0, 0, 2 } };
    memcpy(h->ends.src_mac, mac, 6);
    if (family == NARU_IPV6) {
        h->ends.src = (struct naru_addr){ .b = { 0xfd, [15] = 0x66 } };
        h->ends.dst = h->lab.v6[1];
    }
    assert_int_equal(
        naru_neigh_add(h->lab.stack[1], h->lab.ifindex[1], &h->ends.src, mac, h->lab.now), NARU_OK);
    h->listener = lab_listen(&h->lab, 1, family, 80);
    assert_non_null(h->listener);
    lab_run(&h->lab, h->lab.now + NARU_SEC(20));
    h->lab.wire_count = 0; /* from here on the peer is ours alone */
}

static void say(struct hand *h, uint8_t flags, uint32_t seq, const void *data, size_t len)
{
    uint8_t frame[CRAFT_MAX];
    struct craft_segment s = h->s;
    s.flags = flags;
    s.seq += seq;
    s.payload = data;
    s.payload_len = len;
    struct naru_pkt *pkt = naru_pkt_new(h->lab.stack[1], CRAFT_MAX);
    if (pkt == NULL)
        return; /* as a device that has no buffer */
    pkt->len = (uint32_t)craft_tcp(frame, &h->ends, &s);
    memcpy(pkt->data, frame, pkt->len);
    naru_stack_input(h->lab.stack[1], h->lab.ifindex[1], pkt, h->lab.now);
}

/* The last segment that the stack says now; false: none. */
static bool listen_to(struct hand *h, struct craft_heard *heard)
{
    uint8_t out[CRAFT_MAX];
    size_t len;
    bool any = false;
    while ((len = lab_take(&h->lab, 1, out, sizeof(out))) != 0)
        any = craft_heard(out, len, heard) || any;
    return any;
}

/* Opens a connection from that port; NULL if it did not come about. */
static struct naru_sock *hand_open(struct hand *h, uint16_t sport)
{
    struct craft_heard heard;
    struct naru_sock *sock;
    h->s = (struct craft_segment){ .sport = sport, .dport = 80, .seq = 1000, .window = 65535 };
    say(h, CRAFT_SYN, 0, NULL, 0);
    if (!listen_to(h, &heard))
        return NULL;
    h->s.seq++;
    h->s.ack = heard.next;
    say(h, CRAFT_ACK, 0, NULL, 0);
    return naru_sock_accept(h->listener, &sock, h->lab.now) == NARU_OK ? sock : NULL;
}

static void hand_wait(struct hand *h, naru_time interval)
{
    h->lab.now += interval;
    naru_stack_tick(h->lab.stack[1], h->lab.now);
}

static void hand_end(struct hand *h)
{
    naru_sock_close(h->listener, h->lab.now);
    lab_end(&h->lab);
}

/* Islands of one byte (CVE-2018-5390): few are kept, the hole can be filled, all memory returns
 * (B-out-of-order-bound). */
static void islands(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct hand h;
        struct craft_heard heard;
        uint8_t zeros[1400] = { 0 };
        hand_begin(&h, families[f], NULL);
        struct naru_sock *sock = hand_open(&h, 4000);
        assert_non_null(sock);
        for (uint32_t i = 30000; i > 0; i--)
            say(&h, CRAFT_ACK, i * 2, "x", 1);
        (void)listen_to(&h, &heard);
        assert_true(naru_stack_drops(h.lab.stack[1], NARU_DROP_TCP_OOO_LIMIT) > 29000);
        assert_true(h.lab.stack[1]->pkts.outstanding < 256 * 1024);
        for (uint32_t i = 0; i < 43; i++) {
            say(&h, CRAFT_ACK, i * 1400, zeros, sizeof(zeros));
            uint8_t in[1400];
            struct naru_room room = { in, sizeof(in) };
            (void)listen_to(&h, &heard);
            while (naru_sock_recv(sock, &room, 1, 0, NULL, h.lab.now) > 0)
                ;
        }
        assert_true(heard.ack - h.s.seq >= 43 * 1400);
        assert_int_equal(h.lab.stack[1]->tcp.ooo_bytes, 0);
        naru_sock_abort(sock, h.lab.now);
        (void)listen_to(&h, &heard);
        assert_int_equal(h.lab.stack[1]->pkts.outstanding, 0);
        hand_end(&h);
    }
}

static void little_out_of_order(struct naru_config *config) { config->ooo_memory_max = 256 * 1024; }

/* All connections together have a bound too (B-out-of-order-bound). */
static void out_of_order_everywhere(void **state)
{
    (void)state;
    struct hand h;
    struct craft_heard heard;
    struct naru_sock *sock[60];
    uint8_t zeros[1400] = { 0 };
    hand_begin(&h, NARU_IPV4, little_out_of_order);
    for (uint16_t c = 0; c < 60; c++) {
        sock[c] = hand_open(&h, (uint16_t)(5000 + c));
        assert_non_null(sock[c]);
        for (uint32_t i = 1; i < 40; i++)
            say(&h, CRAFT_ACK, i * 1400, zeros, sizeof(zeros));
        (void)listen_to(&h, &heard);
        assert_true(h.lab.stack[1]->tcp.ooo_bytes <= 256 * 1024);
    }
    assert_true(naru_stack_drops(h.lab.stack[1], NARU_DROP_TCP_OOO_LIMIT) > 1000);
    say(&h, CRAFT_ACK, 0, zeros, sizeof(zeros)); /* the next byte is never refused */
    assert_true(naru_tcp_unread(&naru_sock_tcp_of(sock[59])->tcp) >= 1400);
    for (unsigned c = 0; c < 60; c++)
        naru_sock_abort(sock[c], h.lab.now);
    (void)listen_to(&h, &heard);
    assert_int_equal(h.lab.stack[1]->tcp.ooo_bytes, 0);
    hand_end(&h);
}

/* Segments of one byte that nobody reads pin about what was promised, not a frame each. */
static void tiny_segments(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct hand h;
        struct craft_heard heard;
        hand_begin(&h, families[f], NULL);
        struct naru_sock *sock = hand_open(&h, 4000);
        assert_non_null(sock);
        uint32_t sent = 0, got = 0;
        while (sent < 60000 && naru_sock_tcp_of(sock)->tcp.rcv.wnd > 0)
            say(&h, CRAFT_ACK, sent++, "x", 1);
        assert_true(sent > 50000);
        assert_true(h.lab.stack[1]->pkts.outstanding < 256 * 1024);
        uint8_t in[4096];
        struct naru_room room = { in, sizeof(in) };
        int64_t n;
        while ((n = naru_sock_recv(sock, &room, 1, 0, NULL, h.lab.now)) > 0)
            got += (uint32_t)n;
        assert_int_equal(got, sent);
        naru_sock_abort(sock, h.lab.now);
        (void)listen_to(&h, &heard);
        hand_end(&h);
    }
}

/* The same for datagrams. */
static void tiny_datagrams(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct hand h;
        uint8_t frame[CRAFT_MAX];
        hand_begin(&h, families[f], NULL);
        struct naru_sock *sock = lab_udp(&h.lab, 1, families[f], 53);
        for (uint32_t i = 0; i < 20000; i++)
            lab_inject(&h.lab, 1, frame, craft_udp(frame, &h.ends, 5000, 53, "x", 1));
        assert_true(naru_stack_drops(h.lab.stack[1], NARU_DROP_UDP_QUEUE_FULL) > 10000);
        assert_true(h.lab.stack[1]->pkts.outstanding <= 212992 + 8192);
        naru_sock_close(sock, h.lab.now);
        assert_int_equal(h.lab.stack[1]->pkts.outstanding, 0);
        hand_end(&h);
    }
}

/*
 * Sockstress: the peer closes its window on data that wait, and keeps answering probes.  While
 * the application holds the socket that is its own decision; once it has closed, the stack's
 * time ends it (B-fin-closed-window).
 */
static void window_closed_for_ever(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct hand h;
        struct craft_heard heard;
        static const uint8_t zeros[60000];
        struct naru_slice slice = { zeros, sizeof(zeros) };
        hand_begin(&h, families[f], NULL);
        struct naru_sock *sock = hand_open(&h, 4000);
        h.s.window = 0;
        say(&h, CRAFT_ACK, 0, NULL, 0);
        assert_true(naru_sock_send(sock, &slice, 1, 0, NULL, h.lab.now) > 0);
        naru_sock_close(sock, h.lab.now);
        unsigned probes = 0;
        for (int s = 0; s < 3 * 3600 && stats_of(&h.lab, 1).flows > 0; s++) {
            hand_wait(&h, NARU_SEC(1));
            if (listen_to(&h, &heard)) {
                say(&h, CRAFT_ACK, 0, NULL, 0);
                probes++;
            }
        }
        assert_true(probes >= 5);
        assert_int_equal(stats_of(&h.lab, 1).flows, 0);
        assert_int_equal(h.lab.stack[1]->blocks.outstanding, 0);
        hand_end(&h);
    }
}

/* FIN-WAIT-2 that nobody holds, and a peer that never closes its half. */
static void half_closed_for_ever(void **state)
{
    (void)state;
    struct hand h;
    struct craft_heard heard;
    hand_begin(&h, NARU_IPV4, NULL);
    for (uint16_t i = 0; i < 200; i++) {
        struct naru_sock *sock = hand_open(&h, (uint16_t)(6000 + i));
        assert_non_null(sock);
        naru_sock_close(sock, h.lab.now);
        assert_true(listen_to(&h, &heard));
        h.s.ack = heard.next;
        say(&h, CRAFT_ACK, 0, NULL, 0);
    }
    assert_int_equal(stats_of(&h.lab, 1).flows, 200);
    hand_wait(&h, NARU_SEC(61));
    assert_int_equal(stats_of(&h.lab, 1).flows, 0);
    hand_end(&h);
}

/* Connections until memory ends: refused with a reason, and again possible when some have gone. */
static void connections_until_full(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct hand h;
        struct craft_heard heard;
        static struct naru_sock *sock[20000];
        unsigned count = 0;
        hand_begin(&h, families[f], small_stack);
        for (uint32_t port = 1; port < 20000; port++) {
            struct naru_sock *s = hand_open(&h, (uint16_t)port);
            if (s != NULL)
                sock[count++] = s;
        }
        assert_true(count > 500 && count < 10000);
        assert_true(naru_stack_drops(h.lab.stack[1], NARU_DROP_NO_MEMORY) > 0);
        assert_true(stats_of(&h.lab, 1).memory_used <= SMALL);
        for (unsigned i = 0; i < count; i++)
            naru_sock_abort(sock[i], h.lab.now);
        while (listen_to(&h, &heard))
            ;
        hand_wait(&h, NARU_SEC(1));
        assert_int_equal(stats_of(&h.lab, 1).flows, 0);
        struct naru_sock *s = hand_open(&h, 30000);
        assert_non_null(s);
        naru_sock_abort(s, h.lab.now);
        (void)listen_to(&h, &heard);
        hand_wait(&h, NARU_SEC(1));
        assert_true(stats_of(&h.lab, 1).memory_used < SMALL / 4); /* the pools were trimmed */
        hand_end(&h);
    }
}

/* A send buffer of 4 KiB never has a block of 32 KiB, by whichever way the data come into it. */
static void small_buffers_have_small_blocks(void **state)
{
    (void)state;
    static const uint8_t bytes[4096];
    for (unsigned count = 1; count <= 2; count++) {
        struct lab lab = { 0 };
        struct naru_sock *client, *server;
        struct naru_slice byte = { bytes, 1 };
        struct naru_slice slice[2] = { { bytes, sizeof(bytes) / count },
                                       { bytes, sizeof(bytes) / count } };
        assert_true(lab_pair(&lab, &(struct lab_options){ 0 }));
        assert_true(lab_established(&lab, NARU_IPV4, 80, &client, &server));
        assert_int_equal(naru_sock_set(client, NARU_OPT_SNDBUF, 4096, lab.now), NARU_OK);
        assert_int_equal(naru_sock_send(client, &byte, 1, 0, NULL, lab.now), 1);
        lab_run(&lab, lab.now + NARU_SEC(1));
        uint64_t before = stats_of(&lab, 0).memory_used;
        assert_int_equal(naru_sock_send(client, slice, count, 0, NULL, lab.now), 4096);
        assert_in_range(stats_of(&lab, 0).memory_used - before, 1, 3 * 4096);
        naru_sock_abort(client, lab.now);
        naru_sock_abort(server, lab.now);
        lab_end(&lab);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transfers_in_little),
        cmocka_unit_test(readers_that_sleep),
        cmocka_unit_test(islands),
        cmocka_unit_test(out_of_order_everywhere),
        cmocka_unit_test(tiny_segments),
        cmocka_unit_test(tiny_datagrams),
        cmocka_unit_test(window_closed_for_ever),
        cmocka_unit_test(half_closed_for_ever),
        cmocka_unit_test(connections_until_full),
        cmocka_unit_test(small_buffers_have_small_blocks),
    };
    return cmocka_run_group_tests_name("memory that is short", tests, NULL, NULL);
}
