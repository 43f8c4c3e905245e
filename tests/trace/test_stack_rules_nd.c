/*
 * Requirements of RFC 4861, RFC 4862, RFC 1122 and their kin on neighbours, routers and addresses
 * of a host, each by itself: frames of stack 1 are looked at, frames of others made by hand.
 */
#include "lib/hand.h"

#include <string.h>

/* ---- Tools ---- */

enum { RS = 133, RA = 134, NS = 135, NA = 136, REDIRECT = 137 };

static const struct naru_addr all_nodes = { .b = { 0xff, 2, [15] = 1 } };

static bool is_icmpv6(const uint8_t *frame, unsigned type)
{
    return craft_get16(frame + 12) == 0x86dd && ip_of(frame)[6] == CRAFT_ICMPV6 &&
           up_of(frame)[0] == type;
}

static struct naru_addr solicited_node(const struct naru_addr *a)
{
    struct naru_addr group = { .b = { 0xff, 2, [11] = 1, [12] = 0xff } };
    memcpy(group.b + 13, a->b + 13, 3);
    return group;
}

/* A host of its own on stack 1's wire, with DAD and autoconfiguration; nothing has been said yet.
 */
static void begin_fresh(struct lab *lab)
{
    struct lab_options options = { .dad = true, .autoconf = true };
    *lab = (struct lab){ 0 };
    assert_true(lab_pair(lab, &options));
}

/* Goes on to that moment, and takes what stack 1 says on the way; -1: it said nothing like that.
 */
static int hear(struct lab *lab, naru_time until, unsigned type, uint8_t *frame)
{
    uint8_t out[CRAFT_MAX];
    int n = 0;
    for (; lab->now <= until; lab->now += NARU_MS(10)) {
        naru_stack_tick(lab->stack[1], lab->now);
        for (size_t len; (len = lab_take(lab, 1, out, sizeof(out))) != 0;) {
            assert_int_not_equal(is_icmpv6(out, RA), true); /* a host says neither */
            assert_int_not_equal(is_icmpv6(out, REDIRECT), true);
            assert_true(len <= CRAFT_ETH + 1280);
            if (!is_icmpv6(out, type))
                continue;
            memcpy(frame, out, len);
            n++;
        }
    }
    return n;
}

struct nd {
    uint8_t type, code, hop_limit;
    struct naru_addr src, dst;
    uint8_t body[64]; /* behind the first four bytes */
    size_t len;
    bool bad_checksum;
};

static void inject(struct lab *lab, const struct nd *m)
{
    uint8_t frame[CRAFT_MAX];
    struct craft_ends ends = from_hand(lab, NARU_IPV6);
    ends.src = m->src;
    ends.dst = m->dst;
    ends.hop_limit = m->hop_limit;
    if (m->dst.b[0] == 0xff)
        memcpy(ends.dst_mac, "\x33\x33\0\0\0\1", 6);
    size_t len =
        craft_icmp(frame, &ends, m->type, m->code, craft_get32(m->body), m->body + 4, m->len - 4);
    if (m->bad_checksum)
        frame[CRAFT_ETH + CRAFT_IPV6 + 2] ^= 1;
    lab_inject(lab, 1, frame, len);
}

/* A good message of that type about target: a solicitation of it, an advertisement of it, ... */
static struct nd good(const struct lab *lab, uint8_t type, const struct naru_addr *target)
{
    struct nd m = { .type = type, .hop_limit = 255, .dst = lab->v6[1], .len = 28 };
    m.src = (struct naru_addr){ .b = { 0xfd, [15] = 0x66 } };
    if (type == RA || type == RS) {
        m.src = (struct naru_addr){ .b = { 0xfe, 0x80, [15] = 0x66 } };
        m.len = 20;
        craft_put32(m.body, type == RA ? 0x40000708 : 0);
        if (type == RS)
            m.len = 12;
    } else {
        memcpy(m.body + 4, target, 16);
    }
    uint8_t *option = m.body + m.len - 8;
    option[0] = type == NA ? 2 : 1;
    option[1] = 1;
    memcpy(option + 2, hand_mac, 6);
    return m;
}

/* ---- Beginning ---- */

/* A host joins its groups, then asks whether its addresses are free, from :: and without its
 * link-layer address, and solicits routers (V6-4861-4.1-3, V6-4861-7.2.1-1, V6-4861-9-2,
 * V6-4862-5.3-1, V6-4862-5.4-1, V6-4862-5.4.2-1, V6-4862-5.4.2-3, V6-4862-5.4.2-4,
 * V6-4861-6.3.7-1, V6-8504-5.4-1), and sends no advertisement (V6-4861-6.2.4-1). */
static void what_a_host_says_first(void **state)
{
    (void)state;
    struct lab lab;
    uint8_t frame[CRAFT_MAX];
    begin_fresh(&lab);
    struct naru_stack *stack = lab.stack[1];
    struct naru_addr group = solicited_node(&lab.v6[1]);
    assert_true(naru_group_member(&stack->group, lab.ifindex[1], &all_nodes));
    assert_true(naru_group_member(&stack->group, lab.ifindex[1], &group));
    assert_int_equal(hear(&lab, lab.now + NARU_MS(500), NS, frame) > 0, true);

    static const struct naru_addr zero;
    assert_memory_equal(ip_of(frame) + 8, &zero, 16);
    assert_int_equal(ip_of(frame)[7], 255);
    struct naru_addr target;
    memcpy(&target, up_of(frame) + 8, 16);
    group = solicited_node(&target);
    assert_memory_equal(ip_of(frame) + 24, &group, 16);
    size_t len = craft_get16(ip_of(frame) + 4);
    for (size_t at = 24; at < len; at += up_of(frame)[at + 1] * 8U)
        assert_int_not_equal(up_of(frame)[at], 1);

    struct naru_ifaddr_info info;
    unsigned link_local = 0;
    assert_int_equal(hear(&lab, lab.now + NARU_SEC(20), RS, frame), 3);
    assert_int_equal(ip_of(frame)[7], 255);
    lab.now += NARU_SEC(40000000); /* a year and more */
    naru_stack_tick(stack, lab.now);
    for (unsigned i = 0; naru_ifaddr_get(stack, lab.ifindex[1], i, &info) == NARU_OK; i++)
        link_local += info.addr.b[0] == 0xfe && !info.tentative && !info.deprecated;
    assert_int_equal(link_local, 1);
    lab_end(&lab);
}

/* MLD of a host without an address yet: from ::, with router alert and hop limit 1 (V6-3810-4-1).
 */
static void reports_before_there_is_an_address(void **state)
{
    (void)state;
    struct lab lab;
    uint8_t out[CRAFT_MAX];
    unsigned reports = 0;
    begin_fresh(&lab);
    for (int i = 0; i < 80; i++, lab.now += NARU_MS(10)) {
        naru_stack_tick(lab.stack[1], lab.now);
        for (size_t len; (len = lab_take(&lab, 1, out, sizeof(out))) != 0;) {
            if (craft_get16(out + 12) != 0x86dd || ip_of(out)[6] != 0)
                continue;
            assert_int_equal(ip_of(out)[7], 1);                  /* hop limit */
            assert_memory_equal(ip_of(out) + 42, "\5\2\0\0", 4); /* router alert */
            assert_int_equal(ip_of(out)[48], 143);
            assert_int_equal(ip_of(out)[8], 0); /* from :: */
            reports++;
        }
    }
    assert_true(reports >= 1);
    lab_end(&lab);
}

/* Two addresses share their group; it is left with the second only (V6-4861-7.2.1-2). */
static void a_shared_group_is_left_last(void **state)
{
    (void)state;
    struct lab lab;
    hand_begin(&lab);
    struct naru_addr twin = lab.v6[1], group = solicited_node(&lab.v6[1]);
    twin.b[1] = 1;
    struct naru_stack *stack = lab.stack[1];
    unsigned ifindex = lab.ifindex[1];
    assert_int_equal(naru_ifaddr_add(stack, ifindex, &twin, 64, lab.now), NARU_OK);
    assert_int_equal(naru_ifaddr_remove(stack, ifindex, &lab.v6[1], lab.now), NARU_OK);
    assert_true(naru_group_member(&stack->group, ifindex, &group));
    assert_int_equal(naru_ifaddr_remove(stack, ifindex, &twin, lab.now), NARU_OK);
    assert_false(naru_group_member(&stack->group, ifindex, &group));
    lab_end(&lab);
}

/* ---- Solicitations and advertisements ---- */

/* An answer goes to who asked, solicited, overriding, of no router, with our link-layer address
 * (V6-4861-7.2.4-1, V6-4861-7.2.4-2, V6-4861-7.2.4-3, V6-4861-7.2.4-4); reserved bits, unknown
 * options and their order change nothing (V6-4861-4.1-1, V6-4861-4.1-2, V6-4861-9-1); who asks from
 * :: is answered to all and not remembered (V6-4861-7.2.3-4). */
static void solicitations_are_answered(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct lab lab;
        uint8_t frame[CRAFT_MAX];
        hand_begin(&lab);
        struct nd m = good(&lab, NS, &lab.v6[1]);
        m.dst = solicited_node(&lab.v6[1]);
        if (i == 1) {
            craft_put32(m.body, 0xffffffff);
            memcpy(m.body + 20, "\x63\1\1\2\3\4\5\6", 8); /* before the one that counts */
            memcpy(m.body + 28, "\1\1\2\0\0\0\0\x66", 8);
            m.len = 36;
        }
        if (i == 2) {
            m.src = (struct naru_addr){ .b = { 0 } };
            m.len = 20;
        }
        inject(&lab, &m);
        assert_int_equal(hear(&lab, lab.now, NA, frame), 1);
        assert_memory_equal(ip_of(frame) + 24, i == 2 ? &all_nodes : &m.src, 16);
        assert_memory_equal(ip_of(frame) + 8, &lab.v6[1], 16);
        assert_int_equal(craft_get32(up_of(frame) + 4), i == 2 ? 0x20000000 : 0x60000000);
        assert_memory_equal(up_of(frame) + 8, &lab.v6[1], 16);
        assert_memory_equal(up_of(frame) + 24, "\2\1\2\0\0\0\0\2", 8);
        struct naru_addr zero = { .b = { 0 } };
        assert_null(naru_neigh_find(&lab.stack[1]->neigh, lab.ifindex[1], &zero));
        lab_end(&lab);
    }
}

/* Each rule of validity by itself: what breaks it is dropped, for solicitations, advertisements,
 * and those of routers (V6-4861-7.1.1-1, V6-4861-7.1.2-1, V6-4861-6.1.2-1, V6-6980-2-1), for an
 * address that is being tested too (V6-4862-5.4.1-1). */
static void invalid_messages_are_dropped(void **state)
{
    (void)state;
    static const uint8_t types[] = { NS, NA, RA };
    for (int t = 0; t < 3; t++)
        for (int i = 0; i < 9; i++) {
            struct lab lab;
            uint8_t out[CRAFT_MAX];
            hand_begin(&lab);
            struct naru_addr other = { .b = { 0xfd, [15] = 0x55 } };
            const struct naru_addr *about = types[t] == NS ? &lab.v6[1] : &other;
            struct nd m = good(&lab, types[t], about);
            if (i == 0)
                m.hop_limit = 254;
            else if (i == 1)
                m.bad_checksum = true;
            else if (i == 2)
                m.code = 1;
            else if (i == 3)
                m.len = types[t] == RA ? 11 : 19;
            else if (i == 4)
                m.body[m.len - 7] = 0; /* an empty option */
            else if (i == 5 && types[t] == RA)
                m.src.b[0] = 0xfd;
            else if (i == 5)
                m.body[4] = 0xff;              /* of a group */
            else if (i == 6 && types[t] == NS) /* from ::, with a link-layer address */
                m.src = (struct naru_addr){ .b = { 0 } }, m.dst = solicited_node(about);
            else if (i == 7 && types[t] == NS) /* from ::, to no solicited-node group */
                m.src = (struct naru_addr){ .b = { 0 } }, m.dst = all_nodes, m.len = 20;
            else if (i == 6 && types[t] == NA) /* solicited, to a group */
                m.body[0] = 0x40, m.dst = all_nodes;
            else if (i > 5) {
                lab_end(&lab);
                continue;
            }
            uint64_t drops = 0, after = 0;
            for (unsigned d = 1; d < NARU_DROP_COUNT; d++)
                drops += naru_stack_drops(lab.stack[1], (enum naru_drop)d);
            inject(&lab, &m);
            for (unsigned d = 1; d < NARU_DROP_COUNT; d++)
                after += naru_stack_drops(lab.stack[1], (enum naru_drop)d);
            if (after != drops + 1 || hear(&lab, lab.now, NA, out) != 0 ||
                naru_stack_drops(lab.stack[1], NARU_DROP_NEIGH_UNWANTED) != 0 ||
                naru_stack_drops(lab.stack[1], NARU_DROP_ICMP_IGNORED) != 0)
                fail_msg("type %d, row %d", types[t], i);
            lab_end(&lab);
        }
}

/* An address that is being tested is taken back by a good advertisement, and by no bad one
 * (V6-4862-5.4.1-1, V6-4862-5.4.4-1). */
static void testing_hears_only_what_is_valid(void **state)
{
    (void)state;
    for (int bad = 0; bad < 2; bad++) {
        struct lab lab;
        struct naru_ifaddr_info info;
        unsigned duplicates = 0;
        begin_fresh(&lab);
        struct nd m = good(&lab, NA, &lab.v6[1]);
        m.dst = all_nodes;
        m.hop_limit = bad ? 64 : 255;
        inject(&lab, &m);
        for (unsigned i = 0; naru_ifaddr_get(lab.stack[1], lab.ifindex[1], i, &info) == NARU_OK;
             i++)
            duplicates += info.duplicate;
        assert_int_equal(duplicates, !bad);
        lab_end(&lab);
    }
}

/* ND in a fragment, even one that is whole, is not heard (V6-6980-2-1). */
static void fragmented_discovery_is_not_heard(void **state)
{
    (void)state;
    struct lab lab;
    uint8_t frame[CRAFT_MAX], packet[40] = { CRAFT_ICMPV6, 0, 0, 0, 0, 0, 0, 9, NS };
    hand_begin(&lab);
    struct craft_ends ends = from_hand(&lab, NARU_IPV6);
    ends.hop_limit = 255;
    memcpy(packet + 16, &lab.v6[1], 16);
    size_t len = craft_ip(frame, &ends, CRAFT_FRAGMENT, packet, 32);
    craft_repair(frame, len);
    lab_inject(&lab, 1, frame, len);
    assert_int_equal(answers(&lab), 0);
    assert_int_equal(naru_stack_drops(lab.stack[1], NARU_DROP_ND_INVALID), 1);
    lab_end(&lab);
}

/* Router solicitations are for routers (V6-4861-6.1.1-2). */
static void solicitations_of_routers_are_dropped(void **state)
{
    (void)state;
    struct lab lab;
    hand_begin(&lab);
    struct nd m = good(&lab, RS, NULL);
    inject(&lab, &m);
    assert_int_equal(answers(&lab), 0);
    assert_int_equal(naru_stack_drops(lab.stack[1], NARU_DROP_ICMP_IGNORED), 1);
    assert_null(naru_neigh_find(&lab.stack[1]->neigh, lab.ifindex[1], &m.src));
    lab_end(&lab);
}

/* ---- The first packet ---- */

/* Who is not known is asked for, by ARP or by a solicitation with our link-layer address, from the
 * address of the packet (H-2.3.3-6, V6-4861-7.2.2-1, V6-4861-7.2.2-2); the packet waits, without an
 * error (H-2.4-3, H-2.3.2.2-1, V6-4861-7.2.2-3), and follows the answer. */
static void the_first_packet_asks(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct lab lab;
        uint8_t out[CRAFT_MAX], frame[CRAFT_MAX];
        hand_begin(&lab);
        struct naru_addr second =
            f == 0 ? naru_addr_v4(0x0a000077) : (struct naru_addr){ .b = { 0xfd, [15] = 0x77 } };
        struct naru_addr who =
            f == 0 ? naru_addr_v4(0x0a000063) : (struct naru_addr){ .b = { 0xfd, [15] = 0x63 } };
        assert_int_equal(
            naru_ifaddr_add(lab.stack[1], lab.ifindex[1], &second, f == 0 ? 24 : 64, lab.now),
            NARU_OK);
        lab_run(&lab, lab.now + NARU_SEC(10));
        struct naru_sock *sock;
        struct naru_endpoint local = { .addr = second, .port = 53 };
        struct naru_msg_info to = { .to = { .addr = who, .port = 9 } };
        struct naru_slice slice = { "x", 1 };
        assert_int_equal(naru_sock_new(lab.stack[1], families[f], NARU_SOCK_DGRAM, &sock), NARU_OK);
        assert_int_equal(naru_sock_bind(sock, &local), NARU_OK);
        assert_int_equal(naru_sock_send(sock, &slice, 1, 0, &to, lab.now), 1);
        assert_int_not_equal(lab_take(&lab, 1, out, sizeof(out)), 0);
        assert_int_equal(answers(&lab), 0);
        assert_memory_equal(out + 6, "\2\0\0\0\0\2", 6);
        if (f == 0) {
            assert_int_equal(craft_get16(out + 12), 0x0806);
            assert_memory_equal(out, "\xff\xff\xff\xff\xff\xff", 6);
            assert_memory_equal(out + 14, "\0\1\x8\0\6\4\0\1\2\0\0\0\0\2\xa\0\0\x77", 18);
            assert_memory_equal(out + 38, "\xa\0\0\x63", 4);
        } else {
            struct naru_addr group = solicited_node(&who);
            assert_true(is_icmpv6(out, NS));
            assert_memory_equal(ip_of(out) + 8, &second, 16);
            assert_memory_equal(ip_of(out) + 24, &group, 16);
            assert_memory_equal(up_of(out) + 24, "\1\1\2\0\0\0\0\2", 8);
        }
        lab.now += NARU_MS(100);
        if (f == 0) {
            struct craft_ends ends = from_hand(&lab, NARU_IPV4);
            ends.src = who;
            ends.dst = second;
            lab_inject(&lab, 1, frame, craft_arp(frame, &ends, 2));
        } else {
            struct nd m = good(&lab, NA, &who);
            m.dst = second;
            m.body[0] = 0x60;
            inject(&lab, &m);
        }
        assert_int_not_equal(lab_take(&lab, 1, out, sizeof(out)), 0);
        assert_memory_equal(out, hand_mac, 6);
        assert_int_equal(craft_get16(up_of(out) + 2), 9);
        naru_sock_close(sock, lab.now);
        lab_end(&lab);
    }
}

static void believes_for_an_hour(struct naru_config *config)
{
    config->neigh_reachable_ms = 3600000;
}

/* How long the answer of a neighbour is believed is the embedder's (H-2.3.2.1-3). */
static void time_of_belief_is_configured(void **state)
{
    (void)state;
    for (int hour = 0; hour < 2; hour++) {
        struct lab lab = { 0 };
        struct lab_options options = { .tune = hour ? believes_for_an_hour : NULL };
        struct naru_sock *client, *server;
        assert_true(lab_pair(&lab, &options));
        assert_true(lab_established(&lab, NARU_IPV4, 80, &client, &server));
        lab_run(&lab, lab.now + NARU_SEC(1500));
        const struct naru_neigh *entry =
            naru_neigh_find(&lab.stack[0]->neigh, lab.ifindex[0], &lab.v4[1]);
        assert_non_null(entry);
        assert_int_equal(entry->state, hour ? NARU_NEIGH_REACHABLE : NARU_NEIGH_STALE);
        naru_sock_abort(client, lab.now);
        naru_sock_abort(server, lab.now);
        lab_end(&lab);
    }
}

/* ---- Routers ---- */

static const struct naru_addr far4 = { .b = { [10] = 0xff, 0xff, 8, 8, 8, 8 } };
static const struct naru_addr far6 = { .b = { 0x20, 1, [15] = 8 } };

/* The next hop that stack 1 asks its link about, or sends to, for a datagram to `to`: the last byte
 * of its address or of its link-layer address; 0: none. */
static unsigned next_hop(struct lab *lab, enum naru_family family, const struct naru_addr *to)
{
    struct naru_sock *sock = lab_udp(lab, 1, family, 53);
    struct naru_msg_info info = { .to = { .addr = *to, .port = 9 } };
    struct naru_slice slice = { "x", 1 };
    uint8_t out[CRAFT_MAX];
    unsigned hop = 0;
    (void)naru_sock_send(sock, &slice, 1, 0, &info, lab->now);
    while (lab_take(lab, 1, out, sizeof(out)) != 0) {
        if (craft_get16(out + 12) == 0x0806)
            hop = out[41];
        else if (is_icmpv6(out, NS))
            hop = up_of(out)[23];
        else
            hop = out[5];
    }
    naru_sock_close(sock, lab->now);
    return hop;
}

/* The prefix decides who is a neighbour (H-3.2.1.3-1, H-3.3.1.1-1, H-3.2.2.9-2); others go to the
 * gateway (H-3.3.1.2-3, H-3.3.1.6-1) or by a route of their own (H-3.3.1.2-5), at once when it is
 * made (H-3.3.1.2-1); without a gateway neighbours are reached all the same (H-3.3.1.1-2). */
static void routes_say_the_next_hop(void **state)
{
    (void)state;
    struct lab lab;
    hand_begin(&lab);
    struct naru_addr near4 = naru_addr_v4(0x0a000042), gateway = naru_addr_v4(0x0a000066);
    (void)from_hand(&lab, NARU_IPV4);
    assert_int_equal(next_hop(&lab, NARU_IPV4, &far4), 0);
    assert_int_equal(next_hop(&lab, NARU_IPV4, &near4), 0x42);
    struct naru_route route = { .prefix = naru_addr_v4(0),
                                .has_gateway = true,
                                .gateway = gateway };
    assert_int_equal(naru_route_add(lab.stack[1], &route), NARU_OK);
    assert_int_equal(next_hop(&lab, NARU_IPV4, &far4), 0x66);
    route = (struct naru_route){ .prefix = naru_addr_v4(0x08080000),
                                 .prefix_len = 16,
                                 .has_gateway = true,
                                 .gateway = naru_addr_v4(0x0a000043) };
    assert_int_equal(naru_route_add(lab.stack[1], &route), NARU_OK);
    assert_int_equal(next_hop(&lab, NARU_IPV4, &far4), 0x43);
    lab_end(&lab);
}

/* A gateway that does not answer is left for another one (H-3.3.1.5-1, H-3.3.1.2-4). */
static void a_dead_gateway_is_left(void **state)
{
    (void)state;
    struct lab lab;
    hand_begin(&lab);
    (void)from_hand(&lab, NARU_IPV4); /* .102 answers, .67 does not */
    for (uint32_t i = 0; i < 2; i++) {
        struct naru_route route = { .prefix = naru_addr_v4(0),
                                    .has_gateway = true,
                                    .gateway = naru_addr_v4(i == 0 ? 0x0a000043 : 0x0a000066) };
        assert_int_equal(naru_route_add(lab.stack[1], &route), NARU_OK);
    }
    assert_int_equal(next_hop(&lab, NARU_IPV4, &far4), 0x43);
    for (int s = 0; s < 50; s++, lab.now += NARU_MS(100)) {
        naru_stack_tick(lab.stack[1], lab.now);
        answers(&lab);
    }
    assert_int_equal(next_hop(&lab, NARU_IPV4, &far4), 0x66);
    lab_end(&lab);
}

/* Interfaces too small for IPv6 get no address of it (V6-8200-5-1), and a mask that cannot be is
 * refused (H-3.2.2.9-8). */
static void addresses_that_cannot_be(void **state)
{
    (void)state;
    struct lab lab = { 0 };
    struct lab_options options = { .mtu = 1279 };
    assert_true(lab_pair(&lab, &options));
    struct naru_addr six = { .b = { 0xfd, [15] = 9 } }, four = naru_addr_v4(0x0a000009);
    assert_int_equal(naru_ifaddr_add(lab.stack[1], lab.ifindex[1], &six, 64, lab.now),
                     NARU_ERR_INVAL);
    assert_int_equal(naru_ifaddr_add(lab.stack[1], lab.ifindex[1], &four, 33, lab.now),
                     NARU_ERR_INVAL);
    lab_end(&lab);
}

/* A router's advertisement makes it the default, a router that may be there (STALE), and its end
 * takes the way back (V6-4861-6.3.4-6, V6-4861-6.3.4-7, V6-4861-7.3.1-2, V6-4861-6.3.5-1); another
 * one's says nothing about it (V6-4861-6.3.4-1). */
static void routers_come_and_go(void **state)
{
    (void)state;
    struct lab lab;
    uint8_t frame[CRAFT_MAX];
    begin_fresh(&lab);
    (void)hear(&lab, lab.now + NARU_SEC(20), NS, frame);
    struct nd m = good(&lab, RA, NULL), other = m;
    m.dst = other.dst = all_nodes;
    assert_int_equal(next_hop(&lab, NARU_IPV6, &far6), 0);
    inject(&lab, &m);
    const struct naru_neigh *entry = naru_neigh_find(&lab.stack[1]->neigh, lab.ifindex[1], &m.src);
    assert_non_null(entry);
    assert_true(entry->router);
    assert_int_equal(entry->state, NARU_NEIGH_STALE);
    other.src.b[15] = 0x67;
    craft_put32(other.body, 0x40000000); /* not a default router */
    inject(&lab, &other);
    assert_int_equal(next_hop(&lab, NARU_IPV6, &far6), 0x66);
    craft_put32(m.body, 0x40000000);
    inject(&lab, &m);
    assert_int_equal(next_hop(&lab, NARU_IPV6, &far6), 0);
    lab_end(&lab);
}

/* ---- Redirects ---- */

/* The router .66 says: `to` is better reached by target, whose link-layer address ends in mac. */
static struct nd redirect_of(const struct lab *lab, const struct naru_addr *target,
                             const struct naru_addr *to, uint8_t mac)
{
    struct nd m = { .type = REDIRECT, .hop_limit = 255, .dst = lab->v6[1], .len = 44 };
    m.src = (struct naru_addr){ .b = { 0xfe, 0x80, [15] = 0x66 } };
    memcpy(m.body + 4, target, 16);
    memcpy(m.body + 20, to, 16);
    memcpy(m.body + 36, "\2\1\2\0\0\0\0", 7);
    m.body[43] = mac;
    return m;
}

/* Stack 1 has the router fe80::66, and no other. */
static void begin_routed(struct lab *lab)
{
    uint8_t frame[CRAFT_MAX];
    begin_fresh(lab);
    (void)hear(lab, lab->now + NARU_SEC(20), NS, frame);
    struct nd m = good(lab, RA, NULL);
    m.dst = all_nodes;
    inject(lab, &m);
    assert_int_equal(next_hop(lab, NARU_IPV6, &far6), 0x66);
}

/* A valid redirect is followed at once, to a better router that is known by no prefix
 * (V6-4861-8.1-2, V6-4861-8.3-2, V6-4861-8.3-3, V6-4861-8.3-5) or to the destination itself
 * (V6-4861-8.3-4, V6-8504-5.4-1); when its target does not answer, the old way is taken again. */
static void redirects_are_followed(void **state)
{
    (void)state;
    static const struct naru_addr better = { .b = { 0xfe, 0x80, [15] = 0x77 } };
    for (int on_link = 0; on_link < 2; on_link++) {
        struct lab lab;
        begin_routed(&lab);
        const struct naru_addr *target = on_link ? &far6 : &better;
        struct nd m = redirect_of(&lab, target, &far6, 0x77);
        inject(&lab, &m);
        const struct naru_neigh *entry =
            naru_neigh_find(&lab.stack[1]->neigh, lab.ifindex[1], target);
        assert_non_null(entry);
        assert_int_equal(entry->state, NARU_NEIGH_STALE);
        assert_int_equal(entry->router, !on_link);
        assert_int_equal(next_hop(&lab, NARU_IPV6, &far6), 0x77);
        struct naru_addr other = far6;
        other.b[15] = 9;
        assert_int_equal(next_hop(&lab, NARU_IPV6, &other), 0x66);
        for (int i = 0; i < 100; i++, lab.now += NARU_MS(100)) { /* DELAY, then three probes */
            naru_stack_tick(lab.stack[1], lab.now);
            answers(&lab);
        }
        assert_int_equal(next_hop(&lab, NARU_IPV6, &far6), 0x66);
        lab_end(&lab);
    }
}

/* Each rule of validity by itself; and a flood of good ones is bounded (V6-4861-8.1-1). */
static void invalid_redirects_are_dropped(void **state)
{
    (void)state;
    static const struct naru_addr better = { .b = { 0xfe, 0x80, [15] = 0x77 } };
    for (int i = 0; i < 9; i++) {
        struct lab lab;
        begin_routed(&lab);
        struct nd m = redirect_of(&lab, &better, &far6, 0x77);
        if (i == 0)
            m.hop_limit = 64;
        else if (i == 1)
            m.bad_checksum = true;
        else if (i == 2)
            m.code = 1;
        else if (i == 3)
            m.len = 35;
        else if (i == 4)
            m.body[37] = 0; /* an empty option */
        else if (i == 5)
            m.src.b[0] = 0xfd; /* not link-local */
        else if (i == 6)
            m.src.b[15] = 0x67; /* not the first hop */
        else if (i == 7)
            m.body[20] = 0xff; /* of a group */
        else
            m.body[4] = 0x20; /* the target is neither */
        inject(&lab, &m);
        if (next_hop(&lab, NARU_IPV6, &far6) != 0x66)
            fail_msg("row %d was believed", i);
        lab_end(&lab);
    }
    struct lab lab;
    begin_routed(&lab);
    uint32_t before = lab.stack[1]->fib.count;
    for (unsigned i = 0; i < 1000; i++) {
        struct naru_addr to = far6;
        craft_put16(to.b + 8, i);
        struct nd m = redirect_of(&lab, &better, &to, 0x77);
        inject(&lab, &m);
    }
    assert_int_equal(lab.stack[1]->fib.count, before + REDIRECTS_MAX);
    lab_end(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_host_says_first),
        cmocka_unit_test(reports_before_there_is_an_address),
        cmocka_unit_test(a_shared_group_is_left_last),
        cmocka_unit_test(solicitations_are_answered),
        cmocka_unit_test(invalid_messages_are_dropped),
        cmocka_unit_test(testing_hears_only_what_is_valid),
        cmocka_unit_test(fragmented_discovery_is_not_heard),
        cmocka_unit_test(solicitations_of_routers_are_dropped),
        cmocka_unit_test(the_first_packet_asks),
        cmocka_unit_test(time_of_belief_is_configured),
        cmocka_unit_test(routes_say_the_next_hop),
        cmocka_unit_test(a_dead_gateway_is_left),
        cmocka_unit_test(addresses_that_cannot_be),
        cmocka_unit_test(routers_come_and_go),
        cmocka_unit_test(redirects_are_followed),
        cmocka_unit_test(invalid_redirects_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
