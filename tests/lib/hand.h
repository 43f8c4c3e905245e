/*
 * A third host made by hand, 10.0.0.102 and fd00::66, beside the two of stack_lab.h; what it says
 * goes to stack 1, which knows its link-layer address.
 */
#ifndef NARU_TESTS_HAND_H
#define NARU_TESTS_HAND_H

#include "lib/craft.h"
#include "lib/stack_lab.h"
#include "stack/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const enum naru_family families[2] = { NARU_IPV4, NARU_IPV6 };
static const uint8_t hand_mac[6] = { 2, 0, 0, 0, 0, 0x66 };

static inline struct craft_ends from_hand(struct lab *lab, enum naru_family family)
{
    struct craft_ends ends = { .dst_mac = { 2, 0, 0, 0, 0, 2 } };
    memcpy(ends.src_mac, hand_mac, 6);
    ends.src = naru_addr_v4(0x0a000066);
    ends.dst = lab->v4[1];
    if (family == NARU_IPV6) {
        ends.src = (struct naru_addr){ .b = { 0xfd, [15] = 0x66 } };
        ends.dst = lab->v6[1];
    }
    (void)naru_neigh_add(lab->stack[1], lab->ifindex[1], &ends.src, hand_mac, lab->now);
    return ends;
}

/* The IP header of a frame without tag, and what stands behind it if that has no options. */
static inline const uint8_t *ip_of(const uint8_t *frame) { return frame + CRAFT_ETH; }
static inline const uint8_t *up_of(const uint8_t *frame)
{
    return frame + CRAFT_ETH + (craft_get16(frame + 12) == 0x0800 ? CRAFT_IPV4 : CRAFT_IPV6);
}

static inline void hand_begin(struct lab *lab)
{
    struct lab_options options = { 0 };
    *lab = (struct lab){ 0 };
    assert_true(lab_pair(lab, &options));
    lab_run(lab, lab->now + NARU_SEC(30)); /* what hosts say when they wake is said */
}

static inline unsigned answers(struct lab *lab)
{
    uint8_t out[CRAFT_MAX];
    unsigned n = 0;
    while (lab_take(lab, 1, out, sizeof(out)) != 0)
        n++;
    return n;
}

#endif
