/*
 * The short way of datagrams (stack/udp_quick.c) is the long way: what two hosts say to one
 * another, whatever is done to their sockets, routes, neighbours and frames, is the same byte for
 * byte at the same time.
 */
#include "base/rand.h"
#include "lab/digest.h"
#include "lib/lab_way.h"
#include "lib/stack_lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WORLDS = 60, STEPS = 400, SOCKS = 3, LEN_MAX = 3000 };

struct world {
    struct lab lab;
    struct naru_rand rand; /* what is done */
    struct naru_rand wire; /* what happens on the way */
    bool v6;
    struct naru_sock *sock[2][SOCKS];
    uint64_t seen; /* of all that sockets said */
    unsigned received;
};

static uint32_t below(struct world *w, uint32_t n) { return naru_rand_below(&w->rand, n); }

static void note(struct world *w, const void *at, size_t len)
{
    w->seen = naru_digest_bytes(w->seen, at, len);
}

static void note_number(struct world *w, int64_t n) { note(w, &n, sizeof(n)); }

/* Bits turn around, ends are lost, zeros follow. */
static bool spoil(struct lab *lab, int from, uint8_t *frame, size_t *len)
{
    struct world *w = lab->user;
    (void)from;
    switch (naru_rand_below(&w->wire, 24)) {
    case 0:
        frame[naru_rand_below(&w->wire, (uint32_t)*len)] ^=
            (uint8_t)(1 << naru_rand_below(&w->wire, 8));
        return true;
    case 1:
        *len -= naru_rand_below(&w->wire, (uint32_t)*len);
        return true;
    case 2:
        return false;
    default:
        return true;
    }
}

static void open_socks(struct world *w)
{
    for (int n = 0; n < 2; n++) {
        for (unsigned i = 0; i < SOCKS; i++) {
            struct naru_endpoint peer = { .addr = w->v6 ? w->lab.v6[!n] : w->lab.v4[!n],
                                          .port = (uint16_t)(100 + i) };
            w->sock[n][i] = lab_udp(&w->lab, n, w->v6 ? NARU_IPV6 : NARU_IPV4, peer.port);
            if (i != 0) /* the first takes from anybody */
                assert_int_equal(naru_sock_connect(w->sock[n][i], &peer, w->lab.now), NARU_OK);
        }
    }
}

static void send_some(struct world *w, int n, unsigned i)
{
    static const uint32_t most[] = { 1, 70, 300, 1480, LEN_MAX };
    uint8_t bytes[LEN_MAX];
    struct naru_msg_info info = { .to = { .addr = w->v6 ? w->lab.v6[!n] : w->lab.v4[!n],
                                          .port = (uint16_t)(100 + below(w, SOCKS + 1)) } };
    uint32_t len = below(w, most[below(w, 5)] + 1), cut = below(w, len + 1);
    naru_rand_fill(&w->rand, bytes, len);
    struct naru_slice slice[2] = { { bytes, len }, { NULL, 0 } };
    unsigned slices = below(w, 4) == 0 ? 2 : 1;
    if (slices == 2) {
        slice[0].len = cut;
        slice[1] = (struct naru_slice){ bytes + cut, len - cut };
    }
    bool named = i == 0 || below(w, 8) == 0;
    note_number(w,
                naru_sock_send(w->sock[n][i], slice, slices, 0, named ? &info : NULL, w->lab.now));
}

static void receive_all(struct world *w, int n, unsigned i)
{
    uint8_t bytes[LEN_MAX];
    struct naru_room room = { bytes, sizeof(bytes) };
    struct naru_msg_info info;
    for (;;) {
        int64_t got = naru_sock_recv(w->sock[n][i], &room, 1, 0, &info, w->lab.now);
        note_number(w, got);
        if (got == NARU_ERR_AGAIN)
            return;
        if (got < 0)
            continue;
        w->received++;
        note(w, bytes, (size_t)got);
        note(w, &info.from.addr, sizeof(info.from.addr));
        note(w, &info.to.addr, sizeof(info.to.addr));
        note_number(w, (int64_t)info.from.port << 32 | info.to.port);
        note_number(w, (int64_t)info.tos << 32 | info.hop_limit << 16 | info.to.ifindex);
    }
}

static void set_option(struct world *w, struct naru_sock *sock)
{
    switch (below(w, 4)) {
    case 0:
        note_number(w, naru_sock_set(sock, NARU_OPT_TTL, 1 + below(w, 255), w->lab.now));
        return;
    case 1:
        note_number(w, naru_sock_set(sock, NARU_OPT_TOS, below(w, 256), w->lab.now));
        return;
    case 2:
        note_number(w, naru_sock_set(sock, NARU_OPT_MTU_DISCOVER, below(w, 3), w->lab.now));
        return;
    default:
        note_number(w, naru_sock_set(sock, NARU_OPT_RCVBUF, 2000 + below(w, 100000), w->lab.now));
    }
}

/* The way to the other one changes: a route with its own MTU, another MAC, another hop limit. */
static const struct lab_way_odds odds = { .route_added = 1,
                                          .route_removed = 1,
                                          .neighbour = 1,
                                          .interface = 1,
                                          .router = 1,
                                          .stranger = 2,
                                          .down = 3 };

static void step(struct world *w)
{
    int n = (int)below(w, 2);
    unsigned i = below(w, SOCKS);
    switch (below(w, 16)) {
    case 0:
        set_option(w, w->sock[n][i]);
        return;
    case 1:
        if (below(w, 4) == 0)
            note_number(w, lab_change_way(&w->lab, n, w->v6, &odds, &w->rand));
        return;
    case 2:
    case 3:
    case 4:
        receive_all(w, n, i);
        return;
    case 5:
    case 6:
    case 7:
        lab_run(&w->lab, w->lab.now + NARU_MS(below(w, 20)));
        return;
    case 8:
        if (below(w, 6) == 0)
            lab_run(&w->lab, w->lab.now + NARU_SEC(below(w, 40)));
        return;
    default:
        send_some(w, n, i);
    }
}

struct outcome {
    uint64_t digest, frames, seen;
    uint64_t drops[2][NARU_DROP_COUNT];
    unsigned received;
};

static void run(uint8_t seed, bool quick, struct outcome *o)
{
    struct world w = { .v6 = seed % 2 != 0, .seen = NARU_DIGEST_NONE };
    struct lab_options options = { .seed = seed,
                                   .autoconf = true,
                                   .offload = seed % 3 == 0 ? NARU_OFFLOAD_TX_CSUM : 0,
                                   .delay = NARU_US(300),
                                   .tune = quick ? NULL : lab_long_way };
    naru_rand_init(&w.rand, (const uint8_t[32]){ seed }, 0);
    naru_rand_init(&w.wire, (const uint8_t[32]){ seed, 1 }, 0);
    assert_true(lab_pair(&w.lab, &options));
    w.lab.user = &w;
    w.lab.wire[0].filter = seed % 4 == 3 ? NULL : spoil;
    open_socks(&w);
    for (unsigned i = 0; i < STEPS; i++)
        step(&w);
    lab_run(&w.lab, w.lab.now + NARU_SEC(10));
    *o = (struct outcome){ .digest = w.lab.digest, .frames = w.lab.frames };
    for (int n = 0; n < 2; n++) {
        for (unsigned i = 0; i < SOCKS; i++) {
            receive_all(&w, n, i);
            naru_sock_close(w.sock[n][i], w.lab.now);
        }
        for (unsigned reason = 0; reason < NARU_DROP_COUNT; reason++)
            o->drops[n][reason] = naru_stack_drops(w.lab.stack[n], (enum naru_drop)reason);
    }
    o->seen = w.seen;
    o->received = w.received;
    lab_end(&w.lab);
}

static void short_way_is_long_way(void **state)
{
    (void)state;
    unsigned received = 0;
    for (uint8_t seed = 0; seed < WORLDS; seed++) {
        struct outcome quick, all;
        run(seed, true, &quick);
        run(seed, false, &all);
        if (memcmp(&quick, &all, sizeof(quick)) != 0)
            fail_msg("seed %u", seed);
        received += quick.received;
    }
    assert_true(received > WORLDS * STEPS / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_way_is_long_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
