/*
 * Ephemeral ports (proto/ports.h) and the limit of ICMP errors (proto/icmplimit.h).
 */
#include "proto_test.h"

#include "proto/icmplimit.h"
#include "proto/ports.h"

static struct naru_endpoint endpoint(const char *who, uint16_t port)
{
    return (struct naru_endpoint){ .addr = addr(who), .port = port };
}

static void every_port_comes_once(void **state)
{
    (void)state;
    static struct naru_ports ports;
    static bool seen[65536];
    struct world w;
    struct naru_ports_walk walk;
    struct naru_endpoint a = endpoint("10.0.0.1", 0), b = endpoint("10.0.0.2", 80);
    unsigned count = 0;
    uint16_t port;
    world_init(&w, 1);
    naru_ports_init(&ports, &w.rand, 32768, 60999);
    naru_ports_begin(&ports, &walk, &a, &b);
    while ((port = naru_ports_next(&walk)) != 0) {
        assert_true(port >= 32768 && port <= 60999);
        assert_false(seen[port]);
        seen[port] = true;
        count++;
    }
    assert_int_equal(count, 60999 - 32768 + 1);
    assert_int_equal(naru_ports_next(&walk), 0);

    naru_ports_init(&ports, &w.rand, 65535, 65535); /* a range of one, at the very end */
    naru_ports_begin(&ports, &walk, &a, &b);
    assert_int_equal(naru_ports_next(&walk), 65535);
    assert_int_equal(naru_ports_next(&walk), 0);
    naru_ports_init(&ports, &w.rand, 1, 65535);
    naru_ports_begin(&ports, &walk, &a, &b);
    for (count = 0; naru_ports_next(&walk) != 0; count++) {
    }
    assert_int_equal(count, 65535);
    world_deinit(&w);
}

/* The same destination gets the next port each time; all of the range before one comes again. */
static void ports_do_not_come_back_soon(void **state)
{
    (void)state;
    static struct naru_ports ports;
    static bool used[65536];
    struct world w;
    struct naru_ports_walk walk;
    struct naru_endpoint a = endpoint("fd00::1", 0), b = endpoint("fd00::2", 443);
    world_init(&w, 1);
    naru_ports_init(&ports, &w.rand, 1000, 1999);
    for (unsigned i = 0; i < 1000; i++) {
        naru_ports_begin(&ports, &walk, &a, &b);
        uint16_t port = naru_ports_next(&walk);
        assert_false(used[port]);
        used[port] = true;
        naru_ports_took(&ports, &walk);
    }
    world_deinit(&w);
}

/* Knowing the ports to one destination says nothing about those to another. */
static void ports_are_hard_to_guess(void **state)
{
    (void)state;
    static struct naru_ports ports;
    struct world w;
    struct naru_ports_walk walk;
    struct naru_endpoint a = endpoint("10.0.0.1", 0);
    unsigned bins[16] = { 0 };
    world_init(&w, 1);
    naru_ports_init(&ports, &w.rand, 32768, 60999);
    for (unsigned i = 0; i < 16000; i++) {
        struct naru_endpoint b = { .addr = naru_addr_v4(0x0a010000 + i), .port = 80 };
        naru_ports_begin(&ports, &walk, &a, &b);
        uint16_t port = naru_ports_next(&walk);
        naru_ports_took(&ports, &walk);
        bins[(port - 32768u) * 16 / (60999 - 32768 + 1)]++;
    }
    double chi = 0;
    for (unsigned i = 0; i < 16; i++)
        chi += (bins[i] - 1000.0) * (bins[i] - 1000.0) / 1000.0;
    assert_true(chi < 37.7); /* 15 degrees of freedom, one in a thousand */
    world_deinit(&w);
}

static unsigned allowed(struct naru_icmplimit *limit, const char *who, unsigned tries,
                        naru_time now)
{
    struct naru_addr a = addr(who);
    unsigned count = 0;
    for (unsigned i = 0; i < tries; i++)
        count += naru_icmplimit_allow(limit, &a, now);
    return count;
}

static void one_destination_is_limited(void **state)
{
    (void)state;
    static struct naru_icmplimit limit;
    struct world w;
    naru_time now = NARU_SEC(5);
    world_init(&w, 1);
    naru_icmplimit_init(&limit, &w.rand, 1000, 500, 10, 10);
    assert_int_equal(allowed(&limit, "10.0.0.1", 100, now), 10);
    assert_int_equal(allowed(&limit, "10.0.0.2", 100, now), 10); /* another is not concerned */
    assert_int_equal(allowed(&limit, "10.0.0.1", 100, now + NARU_MS(99)), 0);
    assert_int_equal(allowed(&limit, "10.0.0.1", 100, now + NARU_MS(100)), 1);
    assert_int_equal(allowed(&limit, "10.0.0.1", 100, now + NARU_SEC(100)), 10);
    world_deinit(&w);
}

static void all_together_are_limited(void **state)
{
    (void)state;
    static struct naru_icmplimit limit;
    struct world w;
    unsigned count = 0;
    world_init(&w, 1);
    naru_icmplimit_init(&limit, &w.rand, 1000, 50, 10, 10);
    for (unsigned i = 0; i < 1000; i++) {
        struct naru_addr a = naru_addr_v4(0x0a000000 + i);
        count += naru_icmplimit_allow(&limit, &a, 0);
    }
    assert_true(count <= 50 && count >= 35); /* some tokens go at random */
    naru_icmplimit_init(&limit, &w.rand, 0, 0, 0, 0);
    assert_int_equal(allowed(&limit, "10.0.0.1", 10, 0), 0);
    world_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_port_comes_once),    cmocka_unit_test(ports_do_not_come_back_soon),
        cmocka_unit_test(ports_are_hard_to_guess),  cmocka_unit_test(one_destination_is_limited),
        cmocka_unit_test(all_together_are_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
