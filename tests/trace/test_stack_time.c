/*
 * A clock that jumps, a device that takes nothing or is gone for a while, and a flood of SYNs: what
 * an embedder's machine does to a stack.
 *
 * Usage: test-trace-stack-time [SYNS]; the flood has 100 000 of them otherwise, and a million in
 * the long tests.
 */
#include "lib/craft.h"
#include "lib/stack_lab.h"
#include "stack/check.h"
#include "stack/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define HOURS(n) NARU_SEC((naru_time)(n)*3600)

enum { MEGABYTE = 1 << 20 };

static uint32_t flood_syns = 100000;

static void begin(struct lab *lab)
{
    static const struct lab_options options = { .delay = NARU_MS(5) };
    *lab = (struct lab){ .now = 0 };
    assert_true(lab_pair(lab, &options));
    lab_run(lab, lab->now + NARU_SEC(5));
}

static void checked(struct lab *lab)
{
    for (unsigned n = 0; n < lab->stack_count; n++)
        naru_stack_check(lab->stack[n]);
}

static struct naru_stack_stats stats_of(const struct lab *lab, int n)
{
    struct naru_stack_stats stats;
    naru_stack_get_stats(lab->stack[n], &stats);
    return stats;
}

static uint32_t put(struct lab *lab, struct naru_sock *sock, size_t len)
{
    static const uint8_t zeros[65536];
    struct naru_slice slice = { zeros, len };
    int64_t sent = naru_sock_send(sock, &slice, 1, 0, NULL, lab->now);
    assert_true(sent > 0);
    return (uint32_t)sent;
}

static uint32_t get_all(struct lab *lab, struct naru_sock *sock)
{
    static uint8_t bytes[65536];
    struct naru_room room = { bytes, sizeof(bytes) };
    uint32_t total = 0;
    int64_t got;
    while ((got = naru_sock_recv(sock, &room, 1, 0, NULL, lab->now)) > 0)
        total += (uint32_t)got;
    assert_int_equal(got, NARU_ERR_AGAIN);
    return total;
}

/* ---- The clock ---- */

static bool swallow(struct lab *lab, int from, uint8_t *frame, size_t *len)
{
    (void)lab;
    (void)from;
    (void)frame;
    (void)len;
    return false;
}

/* A machine that slept: each timer fires once, and nobody gives up for that. */
static void clock_jumps_forward(void **state)
{
    (void)state;
    struct lab lab;
    struct naru_sock *client, *server;
    begin(&lab);
    assert_true(lab_established(&lab, NARU_IPV4, 80, &client, &server));
    assert_true(lab_transfer(&lab, client, server, MEGABYTE, lab.now + NARU_SEC(30)));
    for (int i = 1; i <= 5; i++) {
        lab.now += HOURS(i);
        checked(&lab);
        assert_true(lab_transfer(&lab, client, server, MEGABYTE, lab.now + NARU_SEC(30)));
        assert_true(lab_transfer(&lab, server, client, MEGABYTE, lab.now + NARU_SEC(30)));
    }

    /* With data in flight that nobody got: one retransmission for all that time. */
    uint64_t before = stats_of(&lab, 0).tcp_retransmits;
    lab.wire[0].filter = swallow;
    uint32_t sent = put(&lab, client, 5000);
    lab_run(&lab, lab.now + NARU_MS(10));
    lab.now += HOURS(7);
    naru_stack_tick(lab.stack[0], lab.now);
    lab_run(&lab, lab.now);
    assert_in_range(stats_of(&lab, 0).tcp_retransmits - before, 1, 4);
    assert_int_equal(lab_state(client), NARU_TCP_ESTABLISHED);
    lab.wire[0].filter = NULL;
    lab_run(&lab, lab.now + NARU_SEC(10));
    assert_int_equal(get_all(&lab, server), sent);
    checked(&lab);

    naru_sock_close(client, lab.now);
    lab_run(&lab, lab.now + NARU_SEC(1));
    naru_sock_close(server, lab.now);
    lab_run(&lab, lab.now + NARU_SEC(1));
    assert_int_equal(stats_of(&lab, 0).time_wait, 1);
    lab.now += HOURS(1);
    lab_run(&lab, lab.now + NARU_SEC(1));
    assert_int_equal(stats_of(&lab, 0).time_wait, 0);
    lab_end(&lab);
}

/* Machines that are not TCP are called when the first of them wants to be, and not because of what
 * none wants any more. */
static void machines_are_called_in_time(void **state)
{
    (void)state;
    struct lab lab;
    begin(&lab);
    struct naru_stack *stack = lab.stack[0];
    for (unsigned i = 0; i < 2; i++) {
        naru_time told = lab.now;
        (void)naru_pmtu_too_big(&stack->pmtu, &lab.v4[1], 1300, 1500, 1500, told);
        checked(&lab);
        if (i == 1) /* more passes, as it turns out */
            naru_pmtu_probed(&stack->pmtu, &lab.v4[1], 1500, 1500, told);
        checked(&lab);
        uint32_t generation = stack->pmtu.generation;
        lab_run(&lab, told + NARU_PMTU_AGE - NARU_SEC(1));
        assert_int_equal(naru_pmtu_find(&stack->pmtu, &lab.v4[1], lab.now), i == 0 ? 1300 : 0);
        assert_int_equal(stack->pmtu.generation, generation);
        assert_true(naru_stack_deadline(stack) <= told + NARU_PMTU_AGE);
        lab_run(&lab, told + NARU_PMTU_AGE + NARU_SEC(1));
        assert_int_equal(stack->pmtu.generation, generation + (i == 0));
        assert_true(stack->alarm.at == naru_machines_deadline(stack));
        assert_true(naru_stack_deadline(stack) > lab.now);
    }
    checked(&lab);
    lab_end(&lab);
}

/* A FIN that comes again, as one whose answer was lost. */
static bool no_answer(struct lab *lab, int from, uint8_t *frame, size_t *len)
{
    (void)lab, (void)frame, (void)len;
    return from != 0;
}

static struct naru_sock *close_client(struct lab *lab, uint16_t port)
{
    struct naru_sock *client, *server;
    assert_true(lab_established(lab, NARU_IPV4, port, &client, &server));
    naru_sock_close(client, lab->now);
    lab_run(lab, lab->now + NARU_MS(10));
    return server;
}

/* Each name rests for its own time from when it was last heard of, whoever came first. */
static void time_wait_ends_in_its_time(void **state)
{
    (void)state;
    struct lab lab = { 0 };
    assert_true(lab_pair(&lab, &(struct lab_options){ .delay = NARU_MS(1) }));
    struct naru_sock *first = close_client(&lab, 80), *second = close_client(&lab, 81);
    lab.wire[0].filter = no_answer;
    naru_sock_close(first, lab.now);
    naru_time first_began = lab.now;
    lab_run(&lab, lab.now + NARU_MS(20));
    lab.wire[0].filter = NULL;
    naru_sock_close(second, lab.now);
    naru_time second_began = lab.now;
    lab_run(&lab, lab.now + NARU_MS(10));
    assert_int_equal(stats_of(&lab, 0).time_wait, 2);

    /* The first one's FIN comes once more: it has become the younger. */
    lab_run(&lab, lab.now + NARU_SEC(2));
    lab_run(&lab, first_began + NARU_SEC(60) + NARU_MS(10));
    assert_int_equal(stats_of(&lab, 0).time_wait, 2);
    lab_run(&lab, second_began + NARU_SEC(60) - NARU_MS(5));
    assert_int_equal(stats_of(&lab, 0).time_wait, 2);
    lab_run(&lab, second_began + NARU_SEC(60) + NARU_MS(5));
    assert_int_equal(stats_of(&lab, 0).time_wait, 1);
    lab_run(&lab, lab.now + NARU_SEC(2));
    assert_int_equal(stats_of(&lab, 0).time_wait, 0);
    assert_true(naru_stack_deadline(lab.stack[0]) > lab.now);
    lab_end(&lab);
}

/*
 * Against the contract (types.h): the stack's own time stands still until the clock is where it
 * was.  What needs no timer goes on, nothing breaks or spins, and then all is as before.
 */
static void clock_jumps_backward(void **state)
{
    (void)state;
    struct lab lab;
    struct naru_sock *client, *server;
    begin(&lab);
    assert_true(lab_established(&lab, NARU_IPV4, 80, &client, &server));
    lab.now += HOURS(5);
    assert_true(lab_transfer(&lab, client, server, MEGABYTE, lab.now + NARU_SEC(30)));
    lab_run(&lab, lab.now + NARU_SEC(5)); /* nothing is on the wire */
    naru_time top = lab.now;
    lab.now -= HOURS(3);
    for (int i = 0; i < 5; i++) {
        uint32_t sent = put(&lab, client, 2000);
        lab_run(&lab, lab.now + NARU_SEC(1));
        assert_int_equal(get_all(&lab, server), sent);
        checked(&lab);
    }
    for (unsigned n = 0; n < lab.stack_count; n++)
        assert_true(naru_stack_deadline(lab.stack[n]) > lab.now); /* a loop may sleep */
    lab.now = top;
    assert_true(lab_transfer(&lab, client, server, MEGABYTE, lab.now + NARU_SEC(30)));
    naru_sock_close(client, lab.now);
    naru_sock_close(server, lab.now);
    lab_run(&lab, lab.now + NARU_SEC(200));
    assert_int_equal(stats_of(&lab, 0).flows + stats_of(&lab, 1).flows, 0);
    lab_end(&lab);
}

/* ---- The device ---- */

/* Only timers: nobody asks stack 0 for frames.  How often a timer was due. */
static unsigned let_time_pass(struct lab *lab, naru_time until)
{
    unsigned ticks = 0;
    while (naru_stack_deadline(lab->stack[0]) <= until) {
        naru_time next = naru_stack_deadline(lab->stack[0]);
        lab->now = next > lab->now ? next : lab->now;
        naru_stack_tick(lab->stack[0], lab->now);
        if (++ticks > 10000)
            break;
    }
    lab->now = until;
    naru_stack_tick(lab->stack[0], until);
    return ticks;
}

/* Ten seconds without room: no heap of old segments comes then, only the newest truth. */
static void device_takes_nothing(void **state)
{
    (void)state;
    struct lab lab;
    struct naru_sock *client, *server;
    begin(&lab);
    assert_true(lab_established(&lab, NARU_IPV4, 80, &client, &server));
    assert_true(lab_transfer(&lab, client, server, MEGABYTE, lab.now + NARU_SEC(30)));
    lab_run(&lab, lab.now + NARU_SEC(1));
    for (int round = 0; round < 3; round++) {
        uint64_t before = stats_of(&lab, 0).tcp_segments_out;
        uint64_t memory = stats_of(&lab, 0).memory_used;
        uint32_t sent = put(&lab, client, 20000);
        assert_true(let_time_pass(&lab, lab.now + NARU_SEC(10)) < 200);
        checked(&lab);
        assert_int_equal(stats_of(&lab, 0).tcp_segments_out, before);
        assert_true(stats_of(&lab, 0).memory_used < memory + 100000);
        lab_run(&lab, lab.now + NARU_SEC(2));
        assert_int_equal(get_all(&lab, server), sent);
        assert_true(stats_of(&lab, 0).tcp_segments_out - before < 40);
    }
    assert_true(lab_transfer(&lab, client, server, MEGABYTE, lab.now + NARU_SEC(30)));
    naru_sock_close(client, lab.now);
    naru_sock_close(server, lab.now);
    lab_end(&lab);
}

/* The carrier goes and comes, with data on the way in both directions. */
static void device_fails(void **state)
{
    (void)state;
    struct lab lab;
    struct naru_sock *client, *server;
    begin(&lab);
    assert_true(lab_established(&lab, NARU_IPV4, 80, &client, &server));
    for (int round = 0; round < 4; round++) {
        uint32_t there = put(&lab, client, 10000), back = put(&lab, server, 10000);
        lab_run(&lab, lab.now + NARU_MS(2));
        assert_int_equal(naru_iface_set_up(lab.stack[0], lab.ifindex[0], false, lab.now), NARU_OK);
        lab_run(&lab, lab.now + NARU_SEC(1 + 10 * round));
        checked(&lab);
        assert_int_equal(naru_iface_set_up(lab.stack[0], lab.ifindex[0], true, lab.now), NARU_OK);
        lab_run(&lab, lab.now + NARU_SEC(60));
        assert_int_equal(get_all(&lab, server), there);
        assert_int_equal(get_all(&lab, client), back);
    }
    naru_sock_close(client, lab.now);
    naru_sock_close(server, lab.now);
    lab_end(&lab);
}

/* ---- SYNs ---- */

/* From so many forged hosts; in the middle of them somebody honest connects (B-syn-flood). */
static void forged_syns(void **state)
{
    (void)state;
    struct lab lab;
    uint8_t frame[CRAFT_MAX];
    struct naru_sock *client = NULL, *server = NULL;
    begin(&lab);
    struct naru_sock *listener = lab_listen(&lab, 1, NARU_IPV4, 80);
    uint64_t before = stats_of(&lab, 1).memory_used;
    for (uint32_t i = 0; i < flood_syns; i++) {
        struct craft_ends ends = { .src_mac = { 2, 0, 0, 0, 0, 0x66 },
                                   .dst_mac = { 2, 0, 0, 0, 0, 2 },
                                   .src = naru_addr_v4(0x0a000010 + i % 100),
                                   .dst = lab.v4[1] };
        struct craft_segment syn = { .sport = (uint16_t)(i * 7919),
                                     .dport = 80,
                                     .flags = CRAFT_SYN,
                                     .seq = i * 2654435761U,
                                     .window = 1000 };
        lab_inject(&lab, 1, frame, craft_tcp(frame, &ends, &syn));
        if (i == flood_syns / 2)
            client = lab_connect(&lab, 0, 1, NARU_IPV4, 80);
        if (i % 32 == 31)
            lab_run(&lab, lab.now + NARU_US(320));
        if (client != NULL && server == NULL)
            (void)naru_sock_accept(listener, &server, lab.now);
    }
    assert_non_null(server); /* while the flood went on */
    assert_true(stats_of(&lab, 1).half_open <= 4096);
    assert_true(stats_of(&lab, 1).memory_peak < before + 8 * MEGABYTE);
    assert_true(lab_transfer(&lab, client, server, MEGABYTE, lab.now + NARU_SEC(30)));
    naru_sock_close(listener, lab.now);
    naru_sock_close(client, lab.now);
    naru_sock_close(server, lab.now);
    lab_run(&lab, lab.now + NARU_SEC(300));
    assert_int_equal(stats_of(&lab, 1).half_open, 0);
    lab_end(&lab);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clock_jumps_forward),  cmocka_unit_test(machines_are_called_in_time),
        cmocka_unit_test(clock_jumps_backward), cmocka_unit_test(time_wait_ends_in_its_time),
        cmocka_unit_test(device_takes_nothing), cmocka_unit_test(device_fails),
        cmocka_unit_test(forged_syns),
    };
    if (argc > 1)
        flood_syns = (uint32_t)strtoul(argv[1], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
