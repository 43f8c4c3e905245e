/*
 * Two runs with one seed say the same bytes at the same instants, and two seeds do not: datagrams,
 * fragments, groups, neighbours, duplicate address detection and autoconfiguration.
 */
#include "lib/craft.h"
#include "lib/stack_lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A router says its prefix to everybody. */
static void advertise(struct lab *lab, int n)
{
    static const uint8_t options[] = { 3,    4, 64, 0xc0, 0, 0,    0x1c, 0x20, 0, 0, 0x0e,
                                       0x10, 0, 0,  0,    0, 0xfd, 0x77, 0,    0, 0, 0,
                                       0,    0, 0,  0,    0, 0,    0,    0,    0, 0 };
    uint8_t frame[CRAFT_MAX], ra[8 + sizeof(options)] = { 0 };
    memcpy(ra + 8, options, sizeof(options));
    lab_inject(lab, n, frame, craft_icmp(frame, &craft_router, 134, 0, 0x40000708, ra, sizeof(ra)));
}

static uint64_t run(uint8_t seed)
{
    struct lab lab = { 0 };
    struct lab_options options = { .seed = seed, .dad = true, .autoconf = true };
    uint8_t data[4000] = { 1 };
    assert_true(lab_pair(&lab, &options));
    lab_run(&lab, lab.now + NARU_SEC(3));
    advertise(&lab, 0);
    advertise(&lab, 1);
    lab_run(&lab, lab.now + NARU_SEC(5));
    for (int v6 = 0; v6 < 2; v6++) {
        enum naru_family family = v6 ? NARU_IPV6 : NARU_IPV4;
        struct naru_addr group =
            v6 ? (struct naru_addr){ .b = { 0xff, 2, [15] = 77 } } : naru_addr_v4(0xe000004d);
        struct naru_sock *a = lab_udp(&lab, 0, family, 0), *b = lab_udp(&lab, 1, family, 53);
        struct naru_msg_info info = { .to = { .addr = v6 ? lab.v6[1] : lab.v4[1], .port = 53 } };
        struct naru_slice slice = { data, sizeof(data) };
        struct naru_room room = { data, sizeof(data) };
        assert_int_equal(naru_sock_join(b, &group, lab.ifindex[1], lab.now), NARU_OK);
        for (int i = 0; i < 5; i++) {
            assert_int_equal(naru_sock_send(a, &slice, 1, 0, &info, lab.now), 4000);
            lab_run(&lab, lab.now + NARU_SEC(20)); /* neighbours grow stale in between */
            assert_int_equal(naru_sock_recv(b, &room, 1, 0, NULL, lab.now), 4000);
        }
        info.to.port = 54; /* and a port unreachable */
        assert_int_equal(naru_sock_send(a, &slice, 1, 0, &info, lab.now), 4000);
        lab_run(&lab, lab.now + NARU_SEC(100));
        naru_sock_close(a, lab.now);
        naru_sock_close(b, lab.now);
    }
    lab_run(&lab, lab.now + NARU_SEC(100));
    uint64_t digest = lab.digest ^ lab.frames;
    lab_end(&lab);
    return digest;
}

static void one_seed(void **state)
{
    (void)state;
    for (uint8_t seed = 0; seed < 5; seed++)
        assert_true(run(seed) == run(seed));
}

static void two_seeds(void **state)
{
    (void)state;
    assert_true(run(1) != run(2));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(one_seed), cmocka_unit_test(two_seeds) };
    return cmocka_run_group_tests_name("the same bytes again", tests, NULL, NULL);
}
