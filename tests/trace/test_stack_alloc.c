/*
 * Every single allocation fails once, and once with all later ones: nothing crashes, nothing leaks
 * (lab_end), and what was begun either completes or ends with an error that its caller sees.
 *
 * The allocations of a run are numbered; each scenario is repeated with number 1, 2, 3 ... failing,
 * until a run needs fewer.  A single failure must cost nothing but time, once connect was accepted:
 * TCP sends again.
 */
#include "lib/stack_lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SWEEP_MAX = 5000, NOMEM_MAX = 1000, PATIENCE = 60 };

static const struct naru_addr unspecified;
static const enum naru_family families[2] = { NARU_IPV4, NARU_IPV6 };

static void drain_events(struct lab *lab)
{
    struct naru_event event;
    for (unsigned i = 0; i < lab->stack_count; i++)
        while (lab->stack[i] != NULL && naru_stack_event(lab->stack[i], &event))
            assert_non_null(event.sock);
}

/* Everything that was closed has ended, and no connection is left. */
static void settle(struct lab *lab)
{
    lab_run(lab, lab->now + NARU_SEC(3600));
    for (unsigned i = 0; i < lab->stack_count; i++) {
        struct naru_stack_stats stats;
        naru_stack_get_stats(lab->stack[i], &stats);
        assert_int_equal(stats.flows, 0);
        assert_int_equal(stats.half_open, 0);
        assert_int_equal(stats.time_wait, 0);
        assert_int_equal(stats.sockets, 0);
    }
}

/* Runs scenario once for each allocation; `all`: those after the failing one fail too. */
static void sweep(void (*scenario)(struct lab *lab, enum naru_family family),
                  enum naru_family family, bool all)
{
    for (uint64_t n = 1;; n++) {
        struct lab lab = { .fail_at = n, .fail_after = all };
        assert_true(n < SWEEP_MAX);
        scenario(&lab, family);
        lab_end(&lab);
        if (lab.allocations < n)
            return;
    }
}

static void sweeps(void (*scenario)(struct lab *lab, enum naru_family family))
{
    for (int f = 0; f < 2; f++) {
        sweep(scenario, families[f], false);
        sweep(scenario, families[f], true);
    }
}

/* ---- Making ---- */

/* Everything that can be configured; each call succeeds or says NOMEM. */
static void configure(struct lab *lab, enum naru_family family)
{
    struct lab_options options = { .dad = true };
    (void)family;
    if (!lab_pair(lab, &options))
        return;
    struct naru_stack *stack = lab->stack[0];
    struct naru_iface_config vlan;
    struct naru_route route = { .prefix = naru_addr_v4(0x0a630000),
                                .prefix_len = 16,
                                .has_gateway = true,
                                .gateway = lab->v4[1] };
    static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 9 };
    unsigned ifindex = 0;
    naru_iface_config_init(&vlan);
    vlan.name = "vlan7";
    vlan.kind = NARU_IFACE_VLAN;
    vlan.parent = (uint16_t)lab->ifindex[0];
    vlan.vlan = 7;
    vlan.autoconf = true;
    enum naru_err err = naru_iface_add(stack, &vlan, lab->now, &ifindex);
    assert_true(err == NARU_OK || err == NARU_ERR_NOMEM);
    for (uint32_t i = 1; err == NARU_OK && i <= 20; i++) {
        struct naru_addr addr = naru_addr_v4(0x0a070000 + i);
        enum naru_err e = naru_ifaddr_add(stack, ifindex, &addr, 24, lab->now);
        assert_true(e == NARU_OK || e == NARU_ERR_NOMEM);
        if (e == NARU_OK && i % 3 == 0)
            assert_int_equal(naru_ifaddr_remove(stack, ifindex, &addr, lab->now), NARU_OK);
    }
    for (uint32_t i = 0; i < 100; i++) {
        struct naru_addr addr = naru_addr_v4(0x0a000100 + i);
        route.prefix = naru_addr_v4(0x0a630000 + (i << 16));
        enum naru_err e = naru_route_add(stack, &route);
        assert_true(e == NARU_OK || e == NARU_ERR_NOMEM);
        e = naru_neigh_add(stack, lab->ifindex[0], &addr, mac, lab->now);
        assert_true(e == NARU_OK || e == NARU_ERR_NOMEM || e == NARU_ERR_NOBUFS);
    }
    lab_run(lab, lab->now + NARU_SEC(30));
}

static void making(void **state)
{
    (void)state;
    sweep(configure, NARU_IPV4, false);
    sweep(configure, NARU_IPV4, true);
}

/* ---- One connection ---- */

struct app {
    struct naru_sock *listener, *client, *server;
    uint32_t total, sent, received;
    unsigned nomem, waits;
    int64_t failed; /* what a call said */
    bool shut, done;
};

static uint8_t byte_at(uint32_t n) { return (uint8_t)(n * 131 + (n >> 7)); }

static bool wait_only(struct app *a, int64_t n)
{
    a->nomem += n == NARU_ERR_NOMEM || n == NARU_ERR_NOBUFS;
    if (n >= 0 || (n == NARU_ERR_AGAIN || n == NARU_ERR_NOMEM || n == NARU_ERR_NOBUFS))
        return a->nomem < NOMEM_MAX;
    a->failed = n;
    return false;
}

static void write_some(struct lab *lab, struct app *a)
{
    uint8_t buf[3000];
    int64_t error = 0;
    if (naru_sock_ready(a->client) & NARU_READY_ERROR)
        assert_int_equal(naru_sock_get(a->client, NARU_OPT_ERROR, &error), NARU_OK);
    if (error != 0)
        a->failed = error;
    while (a->sent < a->total) {
        size_t len = a->total - a->sent < sizeof(buf) ? a->total - a->sent : sizeof(buf);
        for (size_t i = 0; i < len; i++)
            buf[i] = byte_at(a->sent + (uint32_t)i);
        struct naru_slice slice = { buf, len };
        int64_t n = naru_sock_send(a->client, &slice, 1, 0, NULL, lab->now);
        if (n == NARU_ERR_NOMEM && !lab->fail_after)
            n = naru_sock_send(a->client, &slice, 1, 0, NULL, lab->now);
        if (n == NARU_ERR_AGAIN && lab->fail_after && ++a->waits > PATIENCE)
            a->failed = n; /* memory will not come back */
        if (!wait_only(a, n) || n <= 0)
            return;
        a->waits = 0;
        a->sent += (uint32_t)n;
    }
    if (!a->shut && lab_state(a->client) == NARU_TCP_ESTABLISHED)
        a->shut = naru_sock_shutdown(a->client, NARU_SHUTDOWN_WRITE, lab->now) == NARU_OK;
}

static void read_some(struct lab *lab, struct app *a)
{
    uint8_t buf[5000];
    struct naru_room room = { buf, sizeof(buf) };
    int64_t n;
    while ((n = naru_sock_recv(a->server, &room, 1, 0, NULL, lab->now)) > 0) {
        for (int64_t i = 0; i < n; i++)
            assert_int_equal(buf[i], byte_at(a->received + (uint32_t)i));
        a->received += (uint32_t)n;
    }
    a->done = n == 0;
    if (n < 0)
        (void)wait_only(a, n);
}

static bool served(struct lab *lab, void *arg)
{
    struct app *a = arg;
    drain_events(lab);
    if (a->server == NULL)
        (void)wait_only(a, naru_sock_accept(a->listener, &a->server, lab->now));
    if (lab_state(a->client) != NARU_TCP_SYN_SENT)
        write_some(lab, a);
    if (a->server != NULL)
        read_some(lab, a);
    return a->done || a->failed != 0 || a->nomem >= NOMEM_MAX;
}

static void transfer(struct lab *lab, enum naru_family family)
{
    struct lab_options options = { .loss_percent = 8, .delay = NARU_MS(5) };
    struct app a = { .total = 60000 };
    if (!lab_pair(lab, &options))
        return;
    a.listener = lab_listen(lab, 1, family, 80);
    if (a.listener != NULL)
        a.client = lab_connect(lab, 0, 1, family, 80);
    if (a.client != NULL) {
        (void)lab_until(lab, lab->now + NARU_SEC(7200), served, &a);
        if (lab->fail_after && lab->allocations >= lab->fail_at)
            assert_true(a.done || a.failed != 0 || a.nomem > 0 || a.sent < a.total);
        else
            assert_true(a.done && a.received == a.total);
    }
    naru_sock_close(a.client, lab->now);
    naru_sock_close(a.server, lab->now);
    naru_sock_close(a.listener, lab->now);
    settle(lab);
}

static void connection(void **state)
{
    (void)state;
    sweeps(transfer);
}

/* ---- Datagrams, fragments, groups ---- */

struct datagrams {
    struct naru_sock *from, *to;
    struct naru_endpoint dst;
    size_t len;
    uint32_t tries;
    bool done;
};

static bool delivered(struct lab *lab, void *arg)
{
    struct datagrams *d = arg;
    uint8_t buf[8192];
    struct naru_room room = { buf, sizeof(buf) };
    drain_events(lab);
    int64_t n = naru_sock_recv(d->to, &room, 1, 0, NULL, lab->now);
    if (n < 0)
        return false;
    assert_int_equal(n, d->len);
    for (size_t i = 0; i < d->len; i++)
        assert_int_equal(buf[i], byte_at((uint32_t)i));
    d->done = true;
    return true;
}

/* A few tries, as everyone who uses datagrams makes. */
static bool deliver(struct lab *lab, struct datagrams *d)
{
    uint8_t buf[8192];
    struct naru_slice slice = { buf, d->len };
    struct naru_msg_info info = { .to = d->dst };
    for (size_t i = 0; i < d->len; i++)
        buf[i] = byte_at((uint32_t)i);
    for (d->done = false; !d->done && d->tries < 5; d->tries++) {
        int64_t n = naru_sock_send(d->from, &slice, 1, 0, &info, lab->now);
        assert_true(n == (int64_t)d->len || n == NARU_ERR_NOMEM || n == NARU_ERR_NOBUFS ||
                    n == NARU_ERR_HOSTUNREACH || n == NARU_ERR_AGAIN);
        (void)lab_until(lab, lab->now + NARU_SEC(5), delivered, d);
    }
    return d->done;
}

static void group_and_fragments(struct lab *lab, enum naru_family family)
{
    bool v6 = family == NARU_IPV6;
    struct lab_options options = { .delay = NARU_MS(1) };
    if (!lab_pair(lab, &options))
        return;
    struct naru_sock *from = lab_udp(lab, 0, family, 5000), *to = NULL;
    struct naru_endpoint any = { .addr = v6 ? unspecified : naru_addr_v4(0), .port = 5001 };
    struct naru_addr group =
        v6 ? (struct naru_addr){ .b = { 0xff, 2, [15] = 77 } } : naru_addr_v4(0xe000004d);
    bool single = !lab->fail_after, joined = false;
    if (naru_sock_new(lab->stack[1], family, NARU_SOCK_DGRAM, &to) != NARU_OK)
        to = NULL;
    if (from != NULL && to != NULL && naru_sock_bind(to, &any) == NARU_OK) {
        struct datagrams d = { .from = from, .to = to, .len = 6000 };
        d.dst = (struct naru_endpoint){ .addr = v6 ? lab->v6[1] : lab->v4[1], .port = 5001 };
        bool good = deliver(lab, &d);
        assert_true(good || !single);
        joined = naru_sock_join(to, &group, lab->ifindex[1], lab->now) == NARU_OK;
        (void)naru_sock_set(from, NARU_OPT_MULTICAST_IF, (int64_t)lab->ifindex[0], lab->now);
        d = (struct datagrams){ .from = from, .to = to, .len = 3000 };
        d.dst = (struct naru_endpoint){ .addr = group, .port = 5001 };
        if (joined)
            good = deliver(lab, &d);
        assert_true(good || !single);
        if (joined)
            assert_int_equal(naru_sock_leave(to, &group, lab->ifindex[1], lab->now), NARU_OK);
    }
    naru_sock_close(from, lab->now);
    naru_sock_close(to, lab->now);
    settle(lab);
}

static void datagrams(void **state)
{
    (void)state;
    sweeps(group_and_fragments);
}

/* A stack that ends with sockets open and groups joined gives everything back too. */
static void sudden_end(struct lab *lab, enum naru_family family)
{
    struct lab_options options = { .delay = NARU_MS(1) };
    struct naru_sock *client, *server, *udp;
    bool v6 = family == NARU_IPV6;
    struct naru_addr group =
        v6 ? (struct naru_addr){ .b = { 0xff, 2, [15] = 77 } } : naru_addr_v4(0xe000004d);
    if (!lab_pair(lab, &options))
        return;
    if (lab_established(lab, family, 80, &client, &server))
        (void)lab_transfer(lab, client, server, 300000, lab->now + NARU_MS(3));
    udp = lab_udp(lab, 1, family, 53);
    if (udp != NULL)
        (void)naru_sock_join(udp, &group, lab->ifindex[1], lab->now);
    (void)lab_connect(lab, 1, 0, family, 99);
}

static void ends(void **state)
{
    (void)state;
    sweeps(sudden_end);
}

/* ---- A listener with many connections ---- */

enum { CLIENTS = 40 };

struct crowd {
    struct naru_sock *listener, *client[CLIENTS], *server[CLIENTS];
    unsigned connecting, accepted, answered, failed, waits;
    bool heard[CLIENTS];
};

static void serve_crowd(struct lab *lab, struct crowd *c)
{
    uint8_t buf[100];
    struct naru_room room = { buf, sizeof(buf) };
    while (c->accepted < CLIENTS &&
           naru_sock_accept(c->listener, &c->server[c->accepted], lab->now) == NARU_OK)
        c->accepted++;
    for (unsigned i = 0; i < c->accepted; i++) {
        if (c->server[i] == NULL)
            continue;
        int64_t n = naru_sock_recv(c->server[i], &room, 1, NARU_MSG_PEEK, NULL, lab->now);
        struct naru_slice slice = { buf, n > 0 ? (size_t)n : 0 };
        if (n == NARU_ERR_AGAIN ||
            (n > 0 && naru_sock_send(c->server[i], &slice, 1, 0, NULL, lab->now) < 0))
            continue; /* later */
        (void)naru_sock_recv(c->server[i], &room, 1, 0, NULL, lab->now);
        naru_sock_close(c->server[i], lab->now);
        c->server[i] = NULL;
    }
}

static bool crowd_done(struct lab *lab, void *arg)
{
    struct crowd *c = arg;
    uint8_t buf[100];
    struct naru_room room = { buf, sizeof(buf) };
    drain_events(lab);
    serve_crowd(lab, c);
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (c->client[i] == NULL || lab_state(c->client[i]) == NARU_TCP_SYN_SENT)
            continue;
        uint8_t hello = (uint8_t)i;
        struct naru_slice slice = { &hello, 1 };
        if (!c->heard[i] && naru_sock_send(c->client[i], &slice, 1, 0, NULL, lab->now) == 1)
            c->heard[i] = true;
        int64_t n = naru_sock_recv(c->client[i], &room, 1, 0, NULL, lab->now);
        if (n == NARU_ERR_AGAIN)
            continue;
        if (n == 1 && buf[0] == hello)
            c->answered++;
        else
            c->failed++;
        naru_sock_close(c->client[i], lab->now);
        c->client[i] = NULL;
    }
    if (lab->fail_after && ++c->waits > 10 * PATIENCE)
        return true; /* memory will not come back */
    return c->answered + c->failed == c->connecting;
}

static void crowd(struct lab *lab, enum naru_family family)
{
    struct lab_options options = { .delay = NARU_MS(1) };
    struct crowd c = { 0 };
    if (!lab_pair(lab, &options))
        return;
    c.listener = lab_listen(lab, 1, family, 80);
    if (c.listener != NULL) {
        assert_int_equal(naru_sock_listen(c.listener, 8, lab->now), NARU_OK);
        for (unsigned i = 0; i < CLIENTS; i++) {
            c.client[i] = lab_connect(lab, 0, 1, family, 80);
            c.connecting += c.client[i] != NULL;
        }
        (void)lab_until(lab, lab->now + NARU_SEC(3600), crowd_done, &c);
        if (!lab->fail_after)
            assert_int_equal(c.answered, c.connecting);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        naru_sock_close(c.client[i], lab->now);
        naru_sock_close(c.server[i], lab->now);
    }
    naru_sock_close(c.listener, lab->now);
    settle(lab);
}

static void listener(void **state)
{
    (void)state;
    sweeps(crowd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(making), cmocka_unit_test(connection), cmocka_unit_test(datagrams),
        cmocka_unit_test(ends),   cmocka_unit_test(listener),
    };
    return cmocka_run_group_tests_name("allocations that fail", tests, NULL, NULL);
}
