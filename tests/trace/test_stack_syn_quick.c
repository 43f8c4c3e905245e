/*
 * What opens and closes connections takes short ways (stack/syn_quick.c, proto/tcp/quick_life.c)
 * that are the long one: whatever is done to sockets, routes, neighbours and frames, and whoever
 * floods the listener, every frame is the same byte for byte at the same time, and so is every
 * counter.
 */
#include "base/rand.h"
#include "lab/digest.h"
#include "lib/craft.h"
#include "lib/lab_way.h"
#include "lib/stack_lab.h"
#include "stack/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WORLDS = 80, STEPS = 300, SOCKS = 6, FLOOD_MAX = 30 };

struct world {
    struct lab lab;
    struct naru_rand rand; /* what is done */
    struct naru_rand wire; /* what happens on the way */
    bool v6, spoils;
    struct naru_sock *listener, *client[SOCKS], *server[SOCKS];
    uint64_t seen; /* of all that sockets said */
    unsigned accepted;
};

static void few_places(struct naru_config *config)
{
    config->syn_queue_max = 3;
    config->port_min = 40000;
    config->port_max = 40006;
}

static void few_places_long_way(struct naru_config *config)
{
    few_places(config);
    lab_long_way(config);
}

static uint32_t below(struct world *w, uint32_t n) { return naru_rand_below(&w->rand, n); }

static void note_number(struct world *w, int64_t n)
{
    uint8_t bytes[sizeof(n)];
    memcpy(bytes, &n, sizeof(n));
    w->seen = naru_digest_bytes(w->seen, bytes, sizeof(bytes));
}

/* Bits turn around, with checksums that are right all the same, or not; ends are lost. */
static bool spoil(struct lab *lab, int from, uint8_t *frame, size_t *len)
{
    struct world *w = lab->user;
    uint32_t what = naru_rand_below(&w->wire, w->spoils ? 20 : 60);
    (void)from;
    if (what < 2) {
        frame[naru_rand_below(&w->wire, (uint32_t)*len)] ^=
            (uint8_t)(1 << naru_rand_below(&w->wire, 8));
        if (what == 0)
            craft_repair(frame, *len);
    } else if (what == 2) {
        *len -= naru_rand_below(&w->wire, (uint32_t)*len);
    }
    return what != 3;
}

/* ---- What applications do ---- */

static void open_client(struct world *w, unsigned i)
{
    static const uint16_t ports[] = { 80, 80, 80, 81 }; /* nobody listens at the last */
    struct naru_endpoint to = { .addr = w->v6 ? w->lab.v6[1] : w->lab.v4[1],
                                .port = ports[below(w, 4)] };
    if (w->client[i] != NULL)
        return;
    assert_int_equal(naru_sock_new(w->lab.stack[0], w->v6 ? NARU_IPV6 : NARU_IPV4, NARU_SOCK_STREAM,
                                   &w->client[i]),
                     NARU_OK);
    note_number(w, naru_sock_connect(w->client[i], &to, w->lab.now));
}

static void accept_one(struct world *w, unsigned i)
{
    if (w->server[i] != NULL)
        return;
    int err = naru_sock_accept(w->listener, &w->server[i], w->lab.now);
    note_number(w, err);
    if (err != NARU_OK)
        w->server[i] = NULL;
    else
        w->accepted++;
}

static void talk(struct world *w, struct naru_sock *sock)
{
    uint8_t bytes[200] = { 1, 2, 3 };
    struct naru_slice slice = { bytes, 1 + below(w, sizeof(bytes)) };
    struct naru_room room = { bytes, sizeof(bytes) };
    if (sock == NULL)
        return;
    if (below(w, 2) == 0)
        note_number(w, naru_sock_send(sock, &slice, 1, 0, NULL, w->lab.now));
    else
        note_number(w, naru_sock_recv(sock, &room, 1, 0, NULL, w->lab.now));
    note_number(w, naru_sock_ready(sock));
}

static void end_one(struct world *w, struct naru_sock **sock)
{
    if (*sock == NULL)
        return;
    switch (below(w, 8)) {
    case 0:
        naru_sock_abort(*sock, w->lab.now);
        break;
    case 1:
        note_number(w, naru_sock_shutdown(*sock, 1 + below(w, 3), w->lab.now));
        return;
    default:
        naru_sock_close(*sock, w->lab.now);
    }
    *sock = NULL;
}

/* ---- What the world does ---- */

/* SYNs, and other beginnings, from hosts beyond the other one, and from where none can be. */
static void flood(struct world *w)
{
    static const uint8_t offers[] = { 2, 4, 0x05, 0xb4, 4, 2, 8, 10, 1, 2,
                                      3, 4, 0,    0,    0, 0, 1, 3,  3, 7 };
    static const uint8_t flags[] = { 2, 2, 2, 2, 0x12, 0x10, 0x11, 0x04, 0x03, 0xc2 };
    static const size_t lens[] = { 0, 4, 12, 16, 20, 20 };
    uint8_t frame[CRAFT_MAX];
    for (unsigned n = below(w, FLOOD_MAX); n > 0; n--) {
        struct craft_ends ends = { .src_mac = { 2, 0, 0, 0, 0, 1 },
                                   .dst_mac = { 2, 0, 0, 0, 0, 2 },
                                   .src = naru_addr_v4(0xc0000200 + below(w, 64)),
                                   .dst = w->lab.v4[1],
                                   .tos = (uint8_t)below(w, 4) };
        if (w->v6) {
            ends.src = (struct naru_addr){ .b = { 0xfc, [15] = (uint8_t)below(w, 64) } };
            ends.dst = w->lab.v6[1];
        }
        if (below(w, 30) == 0)
            ends.src = w->v6 ? (struct naru_addr){ .b = { 0xff, 2, [15] = 1 } }
                             : naru_addr_v4(below(w, 2) ? 0x0a0000ff : 0x7f000001);
        if (below(w, 60) == 0)
            ends.src = ends.dst;
        struct craft_segment s = { .sport = (uint16_t)(1000 + below(w, 4)),
                                   .dport = (uint16_t)(80 + (below(w, 8) == 0)),
                                   .flags = flags[below(w, sizeof(flags))],
                                   .seq = naru_rand_u32(&w->rand),
                                   .ack = naru_rand_u32(&w->rand),
                                   .window = (uint16_t)below(w, 65536),
                                   .option = offers,
                                   .option_len = lens[below(w, 6)] };
        size_t len = craft_tcp(frame, &ends, &s);
        if (below(w, 10) == 0)
            frame[below(w, (uint32_t)len)] ^= (uint8_t)(1 << below(w, 8));
        lab_inject(&w->lab, 1, frame, len);
    }
}

/* A route beyond the other one, with its own MTU or not; another MAC; another hop limit. */
static const struct lab_way_odds odds = { .route_added = 2,
                                          .route_removed = 1,
                                          .neighbour = 1,
                                          .interface = 1,
                                          .router = 1,
                                          .stranger = 4,
                                          .down = 4,
                                          .beyond = true };

static void step(struct world *w)
{
    unsigned i = below(w, SOCKS);
    switch (below(w, 16)) {
    case 0:
    case 1:
    case 2:
        open_client(w, i);
        return;
    case 3:
    case 4:
        accept_one(w, i);
        return;
    case 5:
    case 6:
        talk(w, w->client[i]);
        return;
    case 7:
        talk(w, w->server[i]);
        return;
    case 8:
        end_one(w, &w->client[i]);
        return;
    case 9:
        end_one(w, &w->server[i]);
        return;
    case 10:
        if (below(w, 4) == 0)
            flood(w);
        return;
    case 11:
        if (below(w, 6) == 0)
            note_number(w, lab_change_way(&w->lab, (int)below(w, 2), w->v6, &odds, &w->rand));
        return;
    case 12:
        if (below(w, 4) == 0)
            lab_run(&w->lab, w->lab.now + NARU_SEC(below(w, 20)));
        return;
    default:
        lab_run(&w->lab, w->lab.now + NARU_US(below(w, 5000)));
    }
}

struct outcome {
    uint64_t digest, frames, seen;
    struct naru_stack_stats stats[2];
    uint64_t drops[2][NARU_DROP_COUNT];
    unsigned accepted;
};

static void run(uint8_t seed, bool quick, struct outcome *o)
{
    struct world w = { .v6 = seed % 2 != 0, .spoils = seed % 4 < 2, .seen = NARU_DIGEST_NONE };
    struct lab_options options = { .seed = seed,
                                   .autoconf = true,
                                   .offload = seed % 5 == 0 ? NARU_OFFLOAD_TX_CSUM : 0,
                                   .delay = NARU_US(300),
                                   .tune = quick ? few_places : few_places_long_way };
    memset(o, 0, sizeof(*o));
    naru_rand_init(&w.rand, (const uint8_t[32]){ seed }, 0);
    naru_rand_init(&w.wire, (const uint8_t[32]){ seed, 1 }, 0);
    assert_true(lab_pair(&w.lab, &options));
    w.lab.user = &w;
    w.lab.wire[0].filter = seed % 8 == 7 ? NULL : spoil;
    w.listener = lab_listen(&w.lab, 1, w.v6 ? NARU_IPV6 : NARU_IPV4, 80);
    assert_non_null(w.listener);
    for (unsigned i = 0; i < STEPS; i++) {
        step(&w);
        naru_stack_check(w.lab.stack[i % 2]);
    }
    lab_run(&w.lab, w.lab.now + NARU_SEC(10));
    for (int n = 0; n < 2; n++) {
        naru_stack_get_stats(w.lab.stack[n], &o->stats[n]);
        o->stats[n].memory_used = o->stats[n].memory_peak = 0;
        for (unsigned reason = 0; reason < NARU_DROP_COUNT; reason++)
            o->drops[n][reason] = naru_stack_drops(w.lab.stack[n], (enum naru_drop)reason);
    }
    o->digest = w.lab.digest;
    o->frames = w.lab.frames;
    o->seen = w.seen;
    o->accepted = w.accepted;
    for (unsigned i = 0; i < SOCKS; i++) {
        naru_sock_abort(w.client[i], w.lab.now);
        naru_sock_abort(w.server[i], w.lab.now);
    }
    naru_sock_close(w.listener, w.lab.now);
    lab_end(&w.lab);
}

static void short_way_is_long_way(void **state)
{
    (void)state;
    uint64_t accepted = 0, cookies = 0;
    for (uint8_t seed = 0; seed < WORLDS; seed++) {
        struct outcome quick, all;
        run(seed, true, &quick);
        run(seed, false, &all);
        if (memcmp(&quick, &all, sizeof(quick)) != 0)
            fail_msg("seed %u", seed);
        accepted += quick.accepted;
        cookies += quick.stats[1].tcp_syn_cookies_sent;
    }
    assert_true(accepted > 2 * WORLDS && cookies > 10 * WORLDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_way_is_long_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
