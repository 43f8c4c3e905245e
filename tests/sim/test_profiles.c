/*
 * Stacks of 256 KiB, 4 MiB and 64 MiB (naru_config_fit): many connections at once, each with data
 * in both directions, over a wire that loses, and every byte arrives; what both stacks ask of their
 * allocators stays within what they were given, and all of it comes back.  Also a small stack to
 * itself.
 */
#include "lib/stack_lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CONNS_MAX = 96, QUEUE = 2000, PIECE = 4096 };

struct profile {
    uint64_t memory;
    unsigned conns;
    uint32_t total; /* bytes of each connection, each way */
    void (*fit)(struct naru_config *config);
};

static void fit_256k(struct naru_config *config) { naru_config_fit(config, 256 << 10); }
static void fit_4m(struct naru_config *config) { naru_config_fit(config, 4 << 20); }
static void fit_64m(struct naru_config *config) { naru_config_fit(config, 64 << 20); }

static const struct profile small = { 256 << 10, 12, 150000, fit_256k };
static const struct profile alone = { 256 << 10, 5, 150000, fit_256k };
static const struct profile medium = { 4 << 20, 48, 300000, fit_4m };
static const struct profile large = { 64 << 20, 96, 400000, fit_64m };

/* One direction of one connection: byte n of it is pattern[start + n]. */
struct way {
    struct naru_sock *from, *to;
    uint32_t start, sent, received;
    bool shut, done;
};

struct load {
    struct naru_sock *listener;
    struct way way[2 * CONNS_MAX];
    unsigned conns, accepted, done, errors;
    uint32_t total;
};

static uint8_t pattern[1 << 19];

static void make_pattern(void)
{
    for (uint32_t n = 0; n < sizeof(pattern); n++)
        pattern[n] = (uint8_t)(n * 31 + (n >> 9));
}

static void send_some(struct lab *lab, struct load *l, struct way *w)
{
    while (w->sent < l->total) {
        uint32_t len = l->total - w->sent < PIECE ? l->total - w->sent : PIECE;
        struct naru_slice slice = { &pattern[w->start + w->sent], len };
        int64_t n = naru_sock_send(w->from, &slice, 1, 0, NULL, lab->now);
        l->errors += n < 0 && n != NARU_ERR_AGAIN && n != NARU_ERR_NOMEM;
        if (n <= 0)
            return;
        w->sent += (uint32_t)n;
    }
    if (!w->shut)
        w->shut = naru_sock_shutdown(w->from, NARU_SHUTDOWN_WRITE, lab->now) == NARU_OK;
}

static void receive_some(struct lab *lab, struct load *l, struct way *w)
{
    uint8_t buf[PIECE];
    struct naru_room room = { buf, sizeof(buf) };
    int64_t n;
    while ((n = naru_sock_recv(w->to, &room, 1, 0, NULL, lab->now)) > 0) {
        l->errors += w->received + n > l->total ||
                     memcmp(buf, &pattern[w->start + w->received], (size_t)n) != 0;
        w->received += (uint32_t)n;
    }
    l->errors += n < 0 && n != NARU_ERR_AGAIN;
    if (n == 0 && !w->done) {
        l->errors += w->received != l->total;
        w->done = true;
        l->done++;
    }
}

static void accept_all(struct lab *lab, struct load *l)
{
    struct naru_sock *sock;
    while (naru_sock_accept(l->listener, &sock, lab->now) == NARU_OK) {
        struct naru_endpoint peer, local;
        l->errors += naru_sock_remote(sock, &peer) != NARU_OK;
        for (unsigned i = 0; i < l->conns; i++) {
            naru_sock_local(l->way[2 * i].from, &local);
            if (local.port == peer.port)
                l->way[2 * i].to = l->way[2 * i + 1].from = sock;
        }
        l->accepted++;
    }
}

static bool all_done(struct lab *lab, void *arg)
{
    struct load *l = arg;
    if (l->accepted < l->conns)
        accept_all(lab, l);
    for (unsigned i = 0; i < 2 * l->conns; i++) {
        struct way *w = &l->way[i];
        if (w->from == NULL || w->to == NULL || w->done)
            continue;
        send_some(lab, l, w);
        receive_some(lab, l, w);
    }
    return l->done == 2 * l->conns || l->errors != 0;
}

/* A path with a queue that is not endless. */
static bool queue(struct lab *lab, int from, uint8_t *frame, size_t *len)
{
    (void)from;
    (void)frame;
    (void)len;
    return lab->flying_count < QUEUE;
}

/* From stack 0 to stack `server`, which may be stack 0 itself. */
static void begin(struct lab *lab, struct load *l, enum naru_family family, int server)
{
    lab->wire[0].filter = queue;
    l->listener = lab_listen(lab, server, family, 80);
    assert_non_null(l->listener);
    assert_int_equal(naru_sock_listen(l->listener, l->conns, lab->now), NARU_OK);
    for (unsigned i = 0; i < l->conns; i++) {
        struct naru_sock *client = lab_connect(lab, 0, server, family, 80);
        assert_non_null(client);
        l->way[2 * i] = (struct way){ .from = client, .start = i };
        l->way[2 * i + 1] = (struct way){ .to = client, .start = CONNS_MAX + i };
    }
}

static void end(struct lab *lab, struct load *l)
{
    for (unsigned i = 0; i < l->conns; i++) {
        naru_sock_close(l->way[2 * i].from, lab->now);
        naru_sock_close(l->way[2 * i].to, lab->now);
    }
    naru_sock_close(l->listener, lab->now);
    lab_run(lab, lab->now + NARU_SEC(3600));
    for (int n = 0; n < 2; n++) {
        struct naru_stack_stats stats;
        naru_stack_get_stats(lab->stack[n], &stats);
        assert_int_equal(stats.flows, 0);
        assert_int_equal(stats.sockets, 0);
        assert_int_equal(stats.time_wait, 0);
        assert_int_equal(stats.memory_used, lab->memory[n].allocated);
    }
}

static void transfer(const struct profile *profile, enum naru_family family, int server)
{
    struct lab lab = { 0 };
    struct lab_options options = {
        .tune = profile->fit, .delay = NARU_MS(5), .loss_percent = 1, .seed = (uint8_t)family
    };
    struct load *l = calloc(1, sizeof(*l));
    assert_non_null(l);
    l->conns = profile->conns;
    l->total = profile->total;
    assert_true(lab_pair(&lab, &options));
    begin(&lab, l, family, server);
    naru_time began = lab.now;
    assert_true(lab_until(&lab, lab.now + NARU_SEC(600), all_done, l));
    assert_int_equal(l->errors, 0);
    print_message("%u KiB: %u connections, %u bytes each way in %u ms; peaks %zu and %zu\n",
                  (unsigned)(profile->memory >> 10), l->conns, l->total,
                  (unsigned)((lab.now - began) / NARU_MS(1)), lab.memory[0].peak,
                  lab.memory[1].peak);
    end(&lab, l);
    for (int i = 0; i < 2; i++)
        assert_true(lab.memory[i].peak <= profile->memory);
    lab_end(&lab);
    free(l);
}

static void of_256_kib(void **state)
{
    (void)state;
    transfer(&small, NARU_IPV4, 1);
    transfer(&small, NARU_IPV6, 1);
}

static void of_4_mib(void **state)
{
    (void)state;
    transfer(&medium, NARU_IPV4, 1);
    transfer(&medium, NARU_IPV6, 1);
}

static void of_64_mib(void **state)
{
    (void)state;
    transfer(&large, NARU_IPV4, 1);
    transfer(&large, NARU_IPV6, 1);
}

/* Both ends in one small stack: its loopback's packets are no larger than it can afford. */
static void to_themselves(void **state)
{
    (void)state;
    transfer(&alone, NARU_IPV4, 0);
    transfer(&alone, NARU_IPV6, 0);
    transfer(&medium, NARU_IPV4, 0);
}

/* More memory never means less of anything, and no limit grows over what it was. */
static void limits_grow_with_memory(void **state)
{
    (void)state;
    struct naru_config before = { 0 }, all, now;
    naru_config_init(&all);
    for (uint64_t memory = 256 << 10; memory <= (uint64_t)1 << 40; memory *= 2) {
        naru_config_init(&now);
        naru_config_fit(&now, memory);
        assert_true(now.memory_max == memory);
        assert_true(now.sockets_max >= before.sockets_max && now.sockets_max <= all.sockets_max);
        assert_true(now.tcp_rcvbuf_max >= before.tcp_rcvbuf_max &&
                    now.tcp_rcvbuf_max <= all.tcp_rcvbuf_max);
        assert_true(now.tcp_sndbuf_max >= before.tcp_sndbuf_max &&
                    now.tcp_sndbuf_max <= all.tcp_sndbuf_max);
        assert_true(now.tcp_rcvbuf_default <= now.tcp_rcvbuf_max);
        assert_true(now.tcp_sndbuf_default <= now.tcp_sndbuf_max);
        assert_true(now.ooo_memory_max < memory / 2 && now.frag_memory_max < memory / 2);
        before = now;
    }
    assert_int_equal(now.sockets_max, all.sockets_max);
    assert_int_equal(now.tcp_rcvbuf_max, all.tcp_rcvbuf_max);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_256_kib),
        cmocka_unit_test(of_4_mib),
        cmocka_unit_test(of_64_mib),
        cmocka_unit_test(to_themselves),
        cmocka_unit_test(limits_grow_with_memory),
    };
    make_pattern();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
