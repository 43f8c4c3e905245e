/*
 * The short way of a segment out (stack/out_quick.c) is the long way: connections that say little
 * at a time, whatever is done to their sockets, routes, neighbours and interfaces, say the same
 * byte for byte at the same time, and are counted alike.
 */
#include "base/csum.h"
#include "base/rand.h"
#include "lab/digest.h"
#include "lib/lab_way.h"
#include "lib/stack_lab.h"
#include "wire/tcp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { WORLDS = 60, STEPS = 400, CONNECTIONS = 3, LEN_MAX = 4000 };

struct world {
    struct lab lab;
    struct naru_rand rand;
    bool v6;
    struct naru_sock *sock[2][CONNECTIONS];
    uint64_t seen; /* of all that sockets said */
    uint64_t received;
};

static uint32_t below(struct world *w, uint32_t n) { return naru_rand_below(&w->rand, n); }

static void note(struct world *w, int64_t n)
{
    w->seen = naru_digest_bytes(w->seen, (const uint8_t *)&n, sizeof(n));
}

static void speak(struct world *w, struct naru_sock *sock)
{
    static const uint32_t most[] = { 1, 8, 17, 48, 49, 1448, LEN_MAX };
    uint8_t bytes[LEN_MAX];
    struct naru_slice slice = { bytes, 1 + below(w, most[below(w, 7)]) };
    naru_rand_fill(&w->rand, bytes, slice.len);
    note(w, naru_sock_send(sock, &slice, 1, 0, NULL, w->lab.now));
}

static void listen_to(struct world *w, struct naru_sock *sock)
{
    uint8_t bytes[LEN_MAX];
    struct naru_room room = { bytes, sizeof(bytes) };
    int64_t got = naru_sock_recv(sock, &room, 1, 0, NULL, w->lab.now);
    note(w, got);
    if (got > 0) {
        w->received += (uint64_t)got;
        w->seen = naru_digest_bytes(w->seen, bytes, (size_t)got);
    }
}

static void set(struct world *w, struct naru_sock *sock)
{
    static const struct {
        enum naru_opt opt;
        uint32_t values;
    } opts[] = {
        { NARU_OPT_TTL, 255 },     { NARU_OPT_TOS, 256 }, { NARU_OPT_MTU_DISCOVER, 3 },
        { NARU_OPT_NODELAY, 2 },   { NARU_OPT_CORK, 2 },  { NARU_OPT_QUICKACK, 2 },
        { NARU_OPT_KEEPALIVE, 2 },
    };
    unsigned i = below(w, sizeof(opts) / sizeof(opts[0]));
    int64_t value = below(w, opts[i].values) + (opts[i].opt == NARU_OPT_TTL ? 1 : 0);
    note(w, naru_sock_set(sock, opts[i].opt, value, w->lab.now));
}

/* The way to the other one changes: a route with its own MTU, another MAC, no interface. */
static const struct lab_way_odds odds = {
    .route_added = 1, .route_removed = 1, .neighbour = 1, .interface = 1, .stranger = 4, .down = 4
};

static void step(struct world *w)
{
    int n = (int)below(w, 2);
    struct naru_sock *sock = w->sock[n][below(w, CONNECTIONS)];
    switch (below(w, 16)) {
    case 0:
        if (below(w, 4) == 0)
            set(w, sock);
        return;
    case 1:
        if (below(w, 16) == 0)
            note(w, lab_change_way(&w->lab, n, w->v6, &odds, &w->rand));
        return;
    case 2:
    case 3:
    case 4:
    case 5:
        listen_to(w, sock);
        return;
    case 6:
    case 7:
    case 8:
    case 9:
        lab_run(&w->lab, w->lab.now + NARU_MS(below(w, 5)));
        return;
    case 10:
        if (below(w, 6) == 0)
            lab_run(&w->lab, w->lab.now + NARU_SEC(below(w, 4)));
        return;
    default:
        speak(w, sock);
    }
}

struct outcome {
    uint64_t digest, frames, seen, received;
    uint64_t counted[2][4];
};

static void run(uint8_t seed, bool quick, struct outcome *o)
{
    static struct world w;
    struct lab_options options = { .seed = seed,
                                   .offload = seed % 3 == 0 ? NARU_OFFLOAD_TX_CSUM : 0,
                                   .delay = NARU_US(300),
                                   .loss_percent = seed % 4 == 3,
                                   .tune = quick ? NULL : lab_long_way };
    w = (struct world){ .v6 = seed % 2 != 0, .seen = NARU_DIGEST_NONE };
    naru_rand_init(&w.rand, (const uint8_t[32]){ seed }, 0);
    assert_true(lab_pair(&w.lab, &options));
    for (unsigned i = 0; i < CONNECTIONS; i++)
        assert_true(lab_established(&w.lab, w.v6 ? NARU_IPV6 : NARU_IPV4, (uint16_t)(80 + i),
                                    &w.sock[0][i], &w.sock[1][i]));
    for (unsigned i = 0; i < STEPS; i++)
        step(&w);
    *o = (struct outcome){ .digest = w.lab.digest, .frames = w.lab.frames };
    for (int n = 0; n < 2; n++) {
        struct naru_iface_info info;
        assert_int_equal(naru_iface_get(w.lab.stack[n], w.lab.ifindex[n], &info), NARU_OK);
        uint64_t counted[] = { info.tx_packets, info.tx_bytes, info.rx_packets, info.rx_drops };
        memcpy(o->counted[n], counted, sizeof(counted));
        for (unsigned i = 0; i < CONNECTIONS; i++)
            naru_sock_close(w.sock[n][i], w.lab.now);
    }
    o->seen = w.seen;
    o->received = w.received;
    lab_end(&w.lab);
}

static void short_way_is_long_way(void **state)
{
    (void)state;
    uint64_t received = 0;
    for (uint8_t seed = 0; seed < WORLDS; seed++) {
        struct outcome quick, all;
        run(seed, true, &quick);
        run(seed, false, &all);
        if (memcmp(&quick, &all, sizeof(quick)) != 0)
            fail_msg("seed %u", seed);
        received += quick.received;
    }
    assert_true(received > (uint64_t)WORLDS * STEPS * 50);
}

/* A device that finishes checksums finds in each frame what to do, and comes to the right one. */
static void device_sums(void **state)
{
    (void)state;
    static const uint32_t lens[] = { 5, 100 }; /* with the headers, and behind them */
    for (unsigned i = 0; i < 4; i++) {
        struct lab lab = { 0 };
        struct lab_options options = { .offload = NARU_OFFLOAD_TX_CSUM };
        bool v6 = i % 2 != 0;
        struct naru_sock *client, *server;
        uint8_t bytes[256] = "It is summed elsewhere.";
        struct naru_slice slice = { bytes, lens[i / 2] };
        struct naru_frame frame;
        assert_true(lab_pair(&lab, &options));
        assert_true(lab_established(&lab, v6 ? NARU_IPV6 : NARU_IPV4, 80, &client, &server));
        lab_run(&lab, lab.now + NARU_SEC(1));
        assert_int_equal(naru_sock_send(client, &slice, 1, 0, NULL, lab.now), slice.len);
        assert_true(naru_stack_output(lab.stack[0], lab.ifindex[0], &frame, lab.now));
        assert_true(frame.offload.csum_partial);
        assert_true(frame.len <= sizeof(bytes));
        naru_frame_copy(&frame, bytes);
        uint8_t *tcp = bytes + frame.offload.csum_start;
        size_t len = frame.len - frame.offload.csum_start;
        assert_int_equal(len, 32 + slice.len);
        naru_put16(tcp + frame.offload.csum_offset, naru_csum_finish(naru_csum_add(0, tcp, len)));
        const struct naru_addr *end = v6 ? lab.v6 : lab.v4;
        assert_true(naru_tcp_checksum_ok(naru_csum_ops_portable(), &end[0], &end[1], tcp, len));
        lab_end(&lab);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(short_way_is_long_way),
                                        cmocka_unit_test(device_sums) };
    return cmocka_run_group_tests_name("segments out", tests, NULL, NULL);
}
