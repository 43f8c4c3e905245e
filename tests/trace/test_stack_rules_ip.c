/*
 * Requirements of RFC 1122, RFC 8200 and RFC 4443 on IP, ICMP and UDP of a host, each by itself:
 * what stack 1 answers to the third host, and what it does not.
 */
#include "lib/hand.h"

/* ---- Tools ---- */

/* The only frame that stack 1 has to say. */
static size_t answer(struct lab *lab, uint8_t *frame)
{
    size_t len = lab_take(lab, 1, frame, CRAFT_MAX);
    assert_int_not_equal(len, 0);
    assert_int_equal(answers(lab), 0);
    return len;
}

static struct naru_sock *any_udp(struct lab *lab, enum naru_family family, uint16_t port)
{
    struct naru_sock *sock;
    struct naru_endpoint any = { .port = port };
    if (family == NARU_IPV4)
        any.addr = naru_addr_v4(0);
    assert_int_equal(naru_sock_new(lab->stack[1], family, NARU_SOCK_DGRAM, &sock), NARU_OK);
    assert_int_equal(naru_sock_bind(sock, &any), NARU_OK);
    return sock;
}

static int64_t receive(struct lab *lab, struct naru_sock *sock, struct naru_msg_info *info)
{
    uint8_t buf[64];
    struct naru_room room = { buf, sizeof(buf) };
    return naru_sock_recv(sock, &room, 1, 0, info, lab->now);
}

static int64_t send_to(struct lab *lab, struct naru_sock *sock, const struct naru_msg_info *info)
{
    struct naru_slice slice = { "x", 1 };
    return naru_sock_send(sock, &slice, 1, 0, info, lab->now);
}

/* ---- ICMP errors ---- */

/* An error quotes what came, byte for byte, more than eight of its payload, and goes out with TOS
 * 0: port and protocol unreachable, parameter problem (H-3.2.2-2, H-3.2.2-3, H-3.2.2-5, H-3.3.8-1,
 * H-3.2.2.1-1, H-3.2.2.5-1, H-4.1.3.1-1, V6-8200-4-2, C-icmpv6-param-problem). */
static void errors_quote_what_came(void **state)
{
    (void)state;
    static const struct {
        unsigned proto;
        uint16_t type_code[2];
        uint32_t value[2];
    } rows[] = {
        { CRAFT_UDP, { 0x0303, 0x0104 }, { 0, 0 } },
        { 99, { 0x0302, 0x0401 }, { 0, 6 } },
    };
    for (int f = 0; f < 2; f++)
        for (size_t i = 0; i < 2; i++) {
            struct lab lab;
            uint8_t frame[CRAFT_MAX], out[CRAFT_MAX], data[200];
            hand_begin(&lab);
            struct craft_ends ends = from_hand(&lab, families[f]);
            ends.tos = 0xb8;
            memset(data, 0x5a, sizeof(data));
            size_t len = craft_ip(frame, &ends, rows[i].proto, data, sizeof(data));
            if (rows[i].proto == CRAFT_UDP)
                len = craft_udp(frame, &ends, 4000, 9, data, sizeof(data));
            lab_inject(&lab, 1, frame, len);
            size_t out_len = answer(&lab, out);
            assert_int_equal(craft_get16(up_of(out)), rows[i].type_code[f]);
            assert_int_equal(craft_get32(up_of(out) + 4), rows[i].value[f]);
            assert_int_equal(out_len - (size_t)(up_of(out) - out), 8 + len - CRAFT_ETH);
            assert_memory_equal(up_of(out) + 8, ip_of(frame), len - CRAFT_ETH);
            assert_int_equal(f == 0 ? ip_of(out)[1] : craft_get16(ip_of(out)) >> 4 & 0xff, 0);
            lab_end(&lab);
        }
}

/* An option of length 0 behind the header. */
static size_t with_wrong_option(uint8_t *frame, size_t len)
{
    uint8_t *ip = frame + CRAFT_ETH;
    memmove(ip + 24, ip + 20, len - CRAFT_ETH - 20);
    memcpy(ip + 20, "\x1\x44\x0\x0", 4);
    ip[0] = 0x46;
    craft_put16(ip + 2, craft_get16(ip + 2) + 4);
    craft_repair(frame, len + 4);
    return len + 4;
}

/* A wrong option of IPv4 is pointed at (H-3.2.2.5-1). */
static void a_wrong_option_is_pointed_at(void **state)
{
    (void)state;
    struct lab lab;
    uint8_t frame[CRAFT_MAX], out[CRAFT_MAX];
    hand_begin(&lab);
    struct craft_ends ends = from_hand(&lab, NARU_IPV4);
    size_t len = craft_udp(frame, &ends, 4000, 53, "x", 1);
    lab_inject(&lab, 1, frame, with_wrong_option(frame, len));
    answer(&lab, out);
    assert_int_equal(up_of(out)[0], 12);
    assert_int_equal(up_of(out)[4], 22);
    lab_end(&lab);
}

struct quiet {
    uint32_t src, dst;   /* 0: the usual ones */
    bool link_broadcast; /* the frame goes to everyone */
    uint16_t fragment;   /* flags and offset */
    uint8_t error;       /* the packet is an ICMP error of this type */
};

/* No error answers an error, a broadcast, a group, a frame to everyone, a later fragment, or who is
 * no single host (H-3.2.2-6, H-3.2.2-7, H-3.2.2-8, H-3.2.2-9, H-3.2.2-10); a link broadcast is told
 * apart for that (H-2.4-1). */
static void no_errors_about(void **state)
{
    (void)state;
    static const struct quiet rows[] = {
        { .error = 3 },
        { .error = 11 },
        { .error = 12 },
        { .error = 5 },
        { .dst = 0x0a0000ff, .link_broadcast = true },
        { .dst = 0xffffffff, .link_broadcast = true },
        { .dst = 0xe0000001 },
        { .link_broadcast = true },
        { .fragment = 0x0001 },
        { .src = 0xe0000001 },
        { .src = 0xffffffff },
        { .src = 0x0a0000ff },
        { .src = 0x7f000001 },
        { .src = 0xf0000001 },
        { .src = 1 }, /* stands for 0.0.0.0 */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct lab lab;
        uint8_t frame[CRAFT_MAX];
        hand_begin(&lab);
        struct craft_ends ends = from_hand(&lab, NARU_IPV4);
        struct naru_route back = { .prefix = naru_addr_v4(0),
                                   .has_gateway = true,
                                   .gateway = ends.src }; /* an answer would find its way */
        assert_int_equal(naru_route_add(lab.stack[1], &back), NARU_OK);
        if (rows[i].src != 0)
            ends.src = naru_addr_v4(rows[i].src == 1 ? 0 : rows[i].src);
        if (rows[i].dst != 0)
            ends.dst = naru_addr_v4(rows[i].dst);
        if (rows[i].link_broadcast)
            memset(ends.dst_mac, 0xff, 6);
        size_t len = craft_udp(frame, &ends, 4000, 9, "nobody listens", 14);
        if (rows[i].error != 0)
            len = craft_icmp(frame, &ends, rows[i].error, 0, 0, "?", 1);
        len = with_wrong_option(frame, len); /* which earns an error, if anything does */
        craft_put16(frame + CRAFT_ETH + 6, rows[i].fragment);
        craft_repair(frame, len);
        lab_inject(&lab, 1, frame, len);
        lab.now += NARU_SEC(70);
        (void)from_hand(&lab, NARU_IPV4);
        naru_stack_tick(lab.stack[1], lab.now);
        if (answers(&lab) != 0)
            fail_msg("row %zu was answered", i);
        lab_end(&lab);
    }
}

/* The same of ICMPv6: for an error, a redirect, a group, a frame to everyone, nobody's or many's
 * source, silence; and of what is answered no more than fits into 1280 bytes (V6-4443-2.4-1). */
static void icmpv6_errors_are_sparing(void **state)
{
    (void)state;
    for (int i = 0; i < 7; i++) {
        struct lab lab;
        uint8_t frame[CRAFT_MAX], out[CRAFT_MAX], data[1400] = { 0 };
        hand_begin(&lab);
        struct craft_ends ends = from_hand(&lab, NARU_IPV6);
        if (i == 1)
            ends.dst = (struct naru_addr){ .b = { 0xff, 2, [15] = 1 } };
        if (i == 2)
            memset(ends.dst_mac, 0xff, 6);
        if (i == 3)
            ends.src = (struct naru_addr){ .b = { 0 } };
        if (i == 4)
            ends.src = (struct naru_addr){ .b = { 0xff, 2, [15] = 1 } };
        size_t len = craft_udp(frame, &ends, 4000, 9, data, sizeof(data));
        if (i > 0)
            len = craft_ip(frame, &ends, 99, data, 64);
        if (i >= 5) { /* an error, a redirect, behind a header that asks for a parameter problem */
            uint8_t inner[64] = { CRAFT_ICMPV6, 0, 0xbe, 4, 0, 0, 0, 0, i == 5 ? 1 : 137 };
            len = craft_ip(frame, &ends, 60, inner, sizeof(inner));
        }
        lab_inject(&lab, 1, frame, len);
        if (i == 0) {
            len = answer(&lab, out);
            assert_int_equal(craft_get16(up_of(out)), 0x0104);
            assert_int_equal(len - CRAFT_ETH, 1280);
        } else if (answers(&lab) != 0) {
            fail_msg("row %d was answered", i);
        }
        lab_end(&lab);
    }
}

/* Unknown and historic messages get silence: information, mask and timestamp requests, redirects,
 * what has no name; pings of everyone too (H-3.2.2-1, H-3.2.2.7-1, H-3.2.2.9-9, H-3.2.2.6-3,
 * H-3.2.2.6-4, V6-4443-2.4-2). */
static void some_messages_get_silence(void **state)
{
    (void)state;
    static const uint8_t types[2][6] = { { 13, 15, 17, 44, 200, 5 },
                                         { 139, 150, 200, 254, 133, 137 } };
    for (int f = 0; f < 2; f++)
        for (int i = 0; i < 8; i++) {
            struct lab lab;
            uint8_t frame[CRAFT_MAX];
            hand_begin(&lab);
            struct craft_ends ends = from_hand(&lab, families[f]);
            if (i >= 6 && f == 0)
                ends.dst = naru_addr_v4(i == 6 ? 0x0a0000ff : 0xe0000001);
            unsigned type = i < 6 ? types[f][i] : 8;
            if (i < 6 || f == 0)
                lab_inject(&lab, 1, frame,
                           craft_icmp(frame, &ends, (uint8_t)type, 0, 0, "12345678", 8));
            assert_int_equal(answers(&lab), 0);
            lab_end(&lab);
        }
}

/* ---- Echo ---- */

/* All data come back, from the address that was asked (H-3.2.2.6-1, H-3.2.2.6-5, H-3.2.2.6-6,
 * H-3.3.4.2-1); a group is answered in IPv6, from an address of one host (V6-4443-4.2-1). */
static void echo_comes_from_who_was_asked(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++)
        for (int i = 0; i < 3; i++) {
            struct lab lab;
            uint8_t frame[CRAFT_MAX], out[CRAFT_MAX], data[1000];
            size_t addr_len = f == 0 ? 4 : 16;
            hand_begin(&lab);
            struct craft_ends ends = from_hand(&lab, families[f]);
            struct naru_addr second = f == 0 ? naru_addr_v4(0x0a000077)
                                             : (struct naru_addr){ .b = { 0xfd, [15] = 0x77 } };
            assert_int_equal(
                naru_ifaddr_add(lab.stack[1], lab.ifindex[1], &second, f == 0 ? 24 : 64, lab.now),
                NARU_OK);
            answers(&lab);
            if (i == 1)
                ends.dst = second;
            if (i == 2 && f == 0)
                ends.hop_limit = 1;
            if (i == 2 && f == 1)
                ends.dst = (struct naru_addr){ .b = { 0xff, 2, [15] = 1 } };
            for (size_t k = 0; k < sizeof(data); k++)
                data[k] = (uint8_t)(k * 7);
            lab_inject(
                &lab, 1, frame,
                craft_icmp(frame, &ends, f == 0 ? 8 : 128, 0, 0x12345678, data, sizeof(data)));
            size_t len = lab_take(&lab, 1, out, sizeof(out));
            assert_int_equal(len, (size_t)(up_of(out) - out) + 8 + sizeof(data));
            assert_int_equal(up_of(out)[0], f == 0 ? 0 : 129);
            assert_int_equal(craft_get32(up_of(out) + 4), 0x12345678);
            assert_memory_equal(up_of(out) + 8, data, sizeof(data));
            const uint8_t *src = ip_of(out) + (f == 0 ? 12 : 8);
            const struct naru_addr *want = f == 1 && i == 2 ? &lab.v6[1] : &ends.dst;
            if (f == 1 && i == 2)
                assert_int_equal(src[0], 0xfd);
            else
                assert_memory_equal(src, want->b + 16 - addr_len, addr_len);
            lab_end(&lab);
        }
}

/* ---- IP ---- */

/* A datagram for this host is taken whatever is left of its TTL (H-3.2.1.7-2), and one of TTL 0 is
 * never made (H-3.2.1.7-1): to a group it stays on this host. */
static void ttl_low_and_zero(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct lab lab;
        uint8_t frame[CRAFT_MAX];
        hand_begin(&lab);
        struct craft_ends ends = from_hand(&lab, families[f]);
        struct naru_sock *sock = any_udp(&lab, families[f], 53);
        size_t len = craft_udp(frame, &ends, 4000, 53, "x", 1);
        for (uint8_t ttl = 0; ttl < 2; ttl++) {
            frame[CRAFT_ETH + (f == 0 ? 8 : 7)] = ttl;
            craft_repair(frame, len);
            lab_inject(&lab, 1, frame, len);
            assert_int_equal(receive(&lab, sock, NULL), 1);
        }
        assert_int_equal(naru_sock_set(sock, NARU_OPT_TTL, 0, lab.now), NARU_ERR_INVAL);
        struct naru_msg_info to = { .to = { .port = 53 } };
        to.to.addr = f == 0 ? naru_addr_v4(0xe0000123)
                            : (struct naru_addr){ .b = { 0xff, 2, [14] = 1, [15] = 0x23 } };
        assert_int_equal(naru_sock_join(sock, &to.to.addr, lab.ifindex[1], lab.now), NARU_OK);
        lab_run(&lab, lab.now + NARU_SEC(20));
        assert_int_equal(naru_sock_set(sock, NARU_OPT_MULTICAST_IF, lab.ifindex[1], lab.now),
                         NARU_OK);
        assert_int_equal(naru_sock_set(sock, NARU_OPT_MULTICAST_TTL, 0, lab.now), NARU_OK);
        assert_int_equal(send_to(&lab, sock, &to), 1);
        assert_int_equal(answers(&lab), 0);
        lab_run(&lab, lab.now + NARU_MS(1));
        assert_int_equal(receive(&lab, sock, NULL), 1);
        assert_int_equal(naru_sock_set(sock, NARU_OPT_MULTICAST_TTL, 1, lab.now), NARU_OK);
        assert_int_equal(send_to(&lab, sock, &to), 1);
        assert_int_equal(answers(&lab), 1);
        naru_sock_close(sock, lab.now);
        lab_end(&lab);
    }
}

static void hops_33(struct naru_config *config) { config->hop_limit = 33; }

/* The default TTL is the embedder's (H-3.2.1.7-4). */
static void default_ttl_is_configured(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct lab lab = { 0 };
        struct lab_options options = { .tune = hops_33 };
        uint8_t frame[CRAFT_MAX], out[CRAFT_MAX];
        assert_true(lab_pair(&lab, &options));
        lab_run(&lab, lab.now + NARU_SEC(30));
        struct craft_ends ends = from_hand(&lab, families[f]);
        lab_inject(&lab, 1, frame, craft_icmp(frame, &ends, f == 0 ? 8 : 128, 0, 1, "x", 1));
        answer(&lab, out);
        assert_int_equal(ip_of(out)[f == 0 ? 8 : 7], 33);
        lab_end(&lab);
    }
}

/* Nothing is forwarded and nobody redirected, though there are two interfaces: the switch is off
 * at first and cannot be put on (H-3.1-5, H-3.1-6, H-3.1-7, H-3.2.2.2-1, V6-4861-8.3-1,
 * V6-4861-6.2.4-1). */
static void nothing_is_forwarded(void **state)
{
    (void)state;
    struct naru_config config;
    struct naru_stack *stack;
    naru_config_init(&config);
    assert_false(config.forward);
    for (int f = 0; f < 2; f++) {
        struct lab lab;
        uint8_t frame[CRAFT_MAX];
        unsigned second;
        struct naru_iface_config iface;
        hand_begin(&lab);
        config.alloc = (struct naru_alloc){ .alloc = lab.stack[1]->config.alloc.alloc,
                                            .free = lab.stack[1]->config.alloc.free,
                                            .user = &lab };
        config.forward = true;
        assert_int_equal(naru_stack_new(&config, 0, &stack), NARU_ERR_INVAL);
        naru_iface_config_init(&iface);
        iface.name = "eth1";
        iface.mac[0] = 2;
        iface.mac[5] = 0x99;
        assert_int_equal(naru_iface_add(lab.stack[1], &iface, lab.now, &second), NARU_OK);
        struct naru_addr other =
            f == 0 ? naru_addr_v4(0x0a010001) : (struct naru_addr){ .b = { 0xfd, 1, [15] = 1 } };
        assert_int_equal(naru_ifaddr_add(lab.stack[1], second, &other, f == 0 ? 24 : 64, lab.now),
                         NARU_OK);
        lab_run(&lab, lab.now + NARU_SEC(30));
        struct craft_ends ends = from_hand(&lab, families[f]);
        for (int i = 0; i < 2; i++) { /* behind the other interface, behind the same one */
            ends.dst = i == 0 ? other : f == 0 ? lab.v4[0] : lab.v6[0];
            ends.dst.b[15] = (uint8_t)(ends.dst.b[15] + 6);
            lab_inject(&lab, 1, frame, craft_udp(frame, &ends, 4000, 53, "x", 1));
            assert_int_equal(answers(&lab), 0);
            struct naru_frame out;
            while (naru_stack_output(lab.stack[1], second, &out, lab.now))
                assert_memory_equal(out.head, "\x01\x00\x5e", out.head[0] == 1 ? 3 : 0);
        }
        assert_int_equal(naru_stack_drops(lab.stack[1], NARU_DROP_NOT_FOR_US), 2);
        lab_end(&lab);
    }
}

/* A datagram that is never completed: Time Exceeded, code 1, quoting its first fragment, and only
 * if that one came (H-3.3.2-5, V6-8200-4.5-3, C-fragment-icmp-error). */
static void reassembly_that_ends_is_told(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++)
        for (int first = 0; first < 2; first++) {
            struct lab lab;
            uint8_t frame[CRAFT_MAX], out[CRAFT_MAX], data[64] = { 0 };
            hand_begin(&lab);
            struct craft_ends ends = from_hand(&lab, families[f]);
            struct craft_piece piece = { .ident = 7, .offset = first ? 0 : 8, .more = true };
            lab_inject(&lab, 1, frame,
                       craft_fragment(frame, &ends, CRAFT_UDP, &piece, data, sizeof(data)));
            assert_int_equal(answers(&lab), 0);
            lab.now += NARU_SEC(f == 0 ? 31 : 61);
            from_hand(&lab, families[f]);
            naru_stack_tick(lab.stack[1], lab.now);
            unsigned told = 0;
            for (size_t len; (len = lab_take(&lab, 1, out, sizeof(out))) != 0;)
                if (up_of(out)[0] == (f == 0 ? 11 : 3)) {
                    assert_int_equal(up_of(out)[1], 1);
                    assert_memory_equal(up_of(out) + 8, ip_of(frame), 64);
                    told++;
                }
            assert_int_equal(told, first);
            lab_end(&lab);
        }
}

/* IPv6 fragments that are not of eights, or end beyond 65535, are answered with the place of the
 * wrong field (V6-8200-4.5-2, C-fragment-icmp-error). */
static void wrong_fragments_are_pointed_at(void **state)
{
    (void)state;
    static const struct {
        uint32_t offset, len, pointer;
        bool more;
    } rows[] = { { 0, 13, 4, true }, { 65528, 16, 42, false } };
    for (size_t i = 0; i < 2; i++) {
        struct lab lab;
        uint8_t frame[CRAFT_MAX], out[CRAFT_MAX], data[64] = { 0 };
        hand_begin(&lab);
        struct craft_ends ends = from_hand(&lab, NARU_IPV6);
        struct craft_piece piece = { .ident = 7, .offset = rows[i].offset, .more = rows[i].more };
        lab_inject(&lab, 1, frame,
                   craft_fragment(frame, &ends, CRAFT_UDP, &piece, data, rows[i].len));
        answer(&lab, out);
        assert_int_equal(craft_get16(up_of(out)), 0x0400);
        assert_int_equal(craft_get32(up_of(out) + 4), rows[i].pointer);
        lab_end(&lab);
    }
}

/* Unknown options do what their two highest bits say, in either header, to one host and to a group
 * (V6-8200-4.2-1, C-ipv6-unknown-options-action). */
static void unknown_options_are_answered_as_they_ask(void **state)
{
    (void)state;
    static const struct {
        uint8_t type;
        bool taken, answered_one, answered_group;
    } rows[] = { { 0x3e, true, false, false },
                 { 0x7e, false, false, false },
                 { 0xbe, false, true, true },
                 { 0xfe, false, true, false } };
    for (size_t i = 0; i < 4; i++)
        for (unsigned k = 0; k < 4; k++) {
            struct lab lab;
            uint8_t frame[CRAFT_MAX], out[CRAFT_MAX];
            uint8_t packet[24] = { CRAFT_ICMPV6, 0, rows[i].type, 4, 0, 0, 0, 0, 128 };
            bool group = k >= 2;
            hand_begin(&lab);
            struct craft_ends ends = from_hand(&lab, NARU_IPV6);
            if (group)
                ends.dst = (struct naru_addr){ .b = { 0xff, 2, [15] = 1 } };
            size_t len = craft_ip(frame, &ends, k % 2 == 0 ? 0 : 60, packet, sizeof(packet));
            craft_repair(frame, len);
            lab_inject(&lab, 1, frame, len);
            bool answered = group ? rows[i].answered_group : rows[i].answered_one;
            if (!rows[i].taken && !answered) {
                assert_int_equal(answers(&lab), 0);
            } else {
                answer(&lab, out);
                assert_int_equal(craft_get16(up_of(out)), rows[i].taken ? 0x8100 : 0x0402);
                if (!rows[i].taken)
                    assert_int_equal(craft_get32(up_of(out) + 4), 42);
            }
            lab_end(&lab);
        }
}

/* ---- UDP ---- */

/* With a datagram come its destination, the interface, TOS and TTL (H-4.1.3.5-1, H-3.4-2,
 * H-3.2.1.6-2, H-4.1.4-3); an answer says which of our addresses it leaves from, and which TOS and
 * TTL it has (H-4.1.3.5-2, H-4.1.3.5-3, B-udp-reply-source). */
static void a_datagram_brings_its_circumstances(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct lab lab;
        struct naru_msg_info info;
        uint8_t frame[CRAFT_MAX], out[CRAFT_MAX];
        hand_begin(&lab);
        struct craft_ends ends = from_hand(&lab, families[f]);
        struct naru_addr second =
            f == 0 ? naru_addr_v4(0x0a000077) : (struct naru_addr){ .b = { 0xfd, [15] = 0x77 } };
        assert_int_equal(
            naru_ifaddr_add(lab.stack[1], lab.ifindex[1], &second, f == 0 ? 24 : 64, lab.now),
            NARU_OK);
        answers(&lab);
        struct naru_sock *sock = any_udp(&lab, families[f], 53);
        ends.dst = second;
        ends.tos = 0x2e;
        ends.hop_limit = 9;
        lab_inject(&lab, 1, frame, craft_udp(frame, &ends, 4000, 53, "x", 1));
        assert_int_equal(receive(&lab, sock, &info), 1);
        assert_memory_equal(&info.to.addr, &second, sizeof(second));
        assert_int_equal(info.to.ifindex, lab.ifindex[1]);
        assert_int_equal(info.tos, 0x2e);
        assert_int_equal(info.hop_limit, 9);

        struct naru_msg_info back = { .to = info.from, .tos = 0x48, .hop_limit = 3 };
        back.from.addr = info.to.addr;
        assert_int_equal(send_to(&lab, sock, &back), 1);
        for (size_t len; (len = lab_take(&lab, 1, out, sizeof(out))) != 0;)
            ;
        assert_memory_equal(ip_of(out) + (f == 0 ? 12 : 8), second.b + (f == 0 ? 12 : 0),
                            f == 0 ? 4 : 16);
        assert_int_equal(f == 0 ? ip_of(out)[1] : craft_get16(ip_of(out)) >> 4 & 0xff, 0x48);
        assert_int_equal(ip_of(out)[f == 0 ? 8 : 7], 3);
        naru_sock_close(sock, lab.now);
        lab_end(&lab);
    }
}

/* Only addresses of this host are sources: another one is refused, one that names many is replaced
 * (H-3.2.1.3-2, H-3.2.1.3-5, H-4.1.3.6-2). */
static void sources_are_our_own(void **state)
{
    (void)state;
    static const uint32_t many[] = { 0xffffffff, 0x0a0000ff, 0xe0000123 };
    struct lab lab;
    uint8_t out[CRAFT_MAX];
    hand_begin(&lab);
    struct craft_ends ends = from_hand(&lab, NARU_IPV4);
    struct naru_sock *sock = any_udp(&lab, NARU_IPV4, 53);
    struct naru_msg_info to = { .to = { .addr = ends.src, .port = 9 } };
    to.from.addr = naru_addr_v4(0x0a000063);
    assert_int_equal(send_to(&lab, sock, &to), NARU_ERR_INVAL);
    naru_sock_close(sock, lab.now);
    to.from.addr = (struct naru_addr){ .b = { 0 } };
    for (int i = 0; i < 3; i++) {
        struct naru_endpoint local = { .addr = naru_addr_v4(many[i]), .port = 53 };
        assert_int_equal(naru_sock_new(lab.stack[1], NARU_IPV4, NARU_SOCK_DGRAM, &sock), NARU_OK);
        assert_int_equal(naru_sock_bind(sock, &local), NARU_OK);
        assert_int_equal(send_to(&lab, sock, &to), 1);
        answer(&lab, out);
        assert_memory_equal(ip_of(out) + 12, "\xa\0\0\2", 4);
        naru_sock_close(sock, lab.now);
    }
    struct naru_endpoint foreign = { .addr = naru_addr_v4(0x0a000063), .port = 53 };
    assert_int_equal(naru_sock_new(lab.stack[1], NARU_IPV4, NARU_SOCK_DGRAM, &sock), NARU_OK);
    assert_int_equal(naru_sock_bind(sock, &foreign), NARU_ERR_ADDRNOTAVAIL);
    naru_sock_close(sock, lab.now);
    lab_end(&lab);
}

/* Datagrams from groups and broadcast addresses are dropped (H-4.1.3.6-1, C-mcast-source-addr). */
static void datagrams_from_many_are_dropped(void **state)
{
    (void)state;
    static const uint32_t bad[] = { 0xe0000001, 0xffffffff, 0x0a0000ff, 0x7f000001, 0x0a000002 };
    for (int i = 0; i < 6; i++) {
        struct lab lab;
        uint8_t frame[CRAFT_MAX];
        enum naru_family family = i < 5 ? NARU_IPV4 : NARU_IPV6;
        hand_begin(&lab);
        struct craft_ends ends = from_hand(&lab, family);
        struct naru_sock *sock = any_udp(&lab, family, 53);
        ends.src = i < 5 ? naru_addr_v4(bad[i]) : (struct naru_addr){ .b = { 0xff, 2, [15] = 1 } };
        lab_inject(&lab, 1, frame, craft_udp(frame, &ends, 4000, 53, "x", 1));
        assert_int_equal(receive(&lab, sock, NULL), NARU_ERR_AGAIN);
        assert_int_equal(answers(&lab), 0);
        naru_sock_close(sock, lab.now);
        lab_end(&lab);
    }
}

/* All forms of broadcast are heard (H-3.3.6-4) and go out to everyone's link address (H-3.3.6-5,
 * H-3.3.6-3); who did not join a group hears nothing of it (C-any-addr-unicast). */
static void broadcasts_and_groups(void **state)
{
    (void)state;
    static const uint32_t dst[] = { 0xffffffff, 0x0a0000ff, 0xe0000001 };
    for (int i = 0; i < 3; i++) {
        struct lab lab;
        uint8_t frame[CRAFT_MAX], out[CRAFT_MAX];
        hand_begin(&lab);
        struct craft_ends ends = from_hand(&lab, NARU_IPV4);
        struct naru_sock *sock = any_udp(&lab, NARU_IPV4, 53);
        ends.dst = naru_addr_v4(dst[i]);
        memset(ends.dst_mac, 0xff, 6);
        lab_inject(&lab, 1, frame, craft_udp(frame, &ends, 4000, 53, "x", 1));
        assert_int_equal(receive(&lab, sock, NULL), i < 2 ? 1 : NARU_ERR_AGAIN);
        struct naru_msg_info to = { .to = { .addr = ends.dst, .port = 9 } };
        if (i < 2) {
            assert_int_equal(send_to(&lab, sock, &to), NARU_ERR_ACCES);
            assert_int_equal(naru_sock_set(sock, NARU_OPT_BROADCAST, 1, lab.now), NARU_OK);
            assert_int_equal(send_to(&lab, sock, &to), 1);
            answer(&lab, out);
            assert_memory_equal(out, "\xff\xff\xff\xff\xff\xff", 6);
            assert_int_equal(craft_get32(ip_of(out) + 16), dst[i]);
        }
        naru_sock_close(sock, lab.now);
        lab_end(&lab);
    }
}

/* What ICMP says of a datagram reaches the connected socket that sent it, each code as its error,
 * and the errors of types that nobody knows too (H-4.1.3.3-1, H-3.2.2-4, H-3.2.2.5-3,
 * C-udp-icmp-error); soft ones are no proof of anything (H-3.2.2.1-4). */
static void errors_reach_connected_datagrams(void **state)
{
    (void)state;
    static const struct {
        unsigned type_code[2];
        int error;
    } rows[] = {
        { { 0x0303, 0x0104 }, NARU_ERR_CONNREFUSED },
        { { 0x0c00, 0x0400 }, NARU_ERR_PROTO },
        { { 0x030d, 0 }, NARU_ERR_HOSTUNREACH },
        { { 0, 0x0101 }, NARU_ERR_ACCES },
        { { 0x0301, 0x0103 }, NARU_OK },
        { { 0x0b00, 0x0300 }, NARU_OK },
        { { 0, 0x6500 }, NARU_OK },
    };
    for (int f = 0; f < 2; f++)
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            struct lab lab;
            uint8_t frame[CRAFT_MAX], udp[8] = { 0, 53, 0, 99 };
            int64_t error;
            hand_begin(&lab);
            struct craft_ends ends = from_hand(&lab, families[f]), quoted = ends;
            struct naru_sock *sock = any_udp(&lab, families[f], 53);
            struct naru_endpoint to = { .addr = ends.src, .port = 99 };
            if (rows[i].type_code[f] == 0) {
                naru_sock_close(sock, lab.now);
                lab_end(&lab);
                continue;
            }
            assert_int_equal(naru_sock_connect(sock, &to, lab.now), NARU_OK);
            quoted.src = ends.dst;
            quoted.dst = ends.src;
            lab_inject(
                &lab, 1, frame,
                craft_error(frame, &ends, &quoted, rows[i].type_code[f], 0, CRAFT_UDP, udp, 8));
            assert_int_equal(naru_stack_drops(lab.stack[1], NARU_DROP_ICMP_UNKNOWN), 0);
            assert_int_equal(naru_sock_get(sock, NARU_OPT_ERROR, &error), NARU_OK);
            assert_int_equal(error, rows[i].error);
            naru_sock_close(sock, lab.now);
            lab_end(&lab);
        }
}

/* With IP_MTU_DISCOVER "always" nothing larger than the path carries is sent (H-3.3.3-3,
 * B-pmtu-honoured). */
static void nothing_larger_than_the_path(void **state)
{
    (void)state;
    static const uint8_t data[2000];
    for (int f = 0; f < 2; f++) {
        struct lab lab;
        hand_begin(&lab);
        struct craft_ends ends = from_hand(&lab, families[f]);
        struct naru_sock *sock = any_udp(&lab, families[f], 53);
        struct naru_msg_info to = { .to = { .addr = ends.src, .port = 99 } };
        assert_int_equal(naru_sock_set(sock, NARU_OPT_MTU_DISCOVER, 2, lab.now), NARU_OK);
        size_t most = 1500 - (f == 0 ? 28 : 48);
        struct naru_slice slice = { data, most + 1 };
        assert_int_equal(naru_sock_send(sock, &slice, 1, 0, &to, lab.now), NARU_ERR_MSGSIZE);
        assert_int_equal(answers(&lab), 0);
        slice.len = most;
        assert_int_equal(naru_sock_send(sock, &slice, 1, 0, &to, lab.now), most);
        assert_int_equal(answers(&lab), 1);
        naru_sock_close(sock, lab.now);
        lab_end(&lab);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_quote_what_came),
        cmocka_unit_test(a_wrong_option_is_pointed_at),
        cmocka_unit_test(no_errors_about),
        cmocka_unit_test(icmpv6_errors_are_sparing),
        cmocka_unit_test(some_messages_get_silence),
        cmocka_unit_test(echo_comes_from_who_was_asked),
        cmocka_unit_test(ttl_low_and_zero),
        cmocka_unit_test(default_ttl_is_configured),
        cmocka_unit_test(nothing_is_forwarded),
        cmocka_unit_test(reassembly_that_ends_is_told),
        cmocka_unit_test(wrong_fragments_are_pointed_at),
        cmocka_unit_test(unknown_options_are_answered_as_they_ask),
        cmocka_unit_test(a_datagram_brings_its_circumstances),
        cmocka_unit_test(sources_are_our_own),
        cmocka_unit_test(datagrams_from_many_are_dropped),
        cmocka_unit_test(broadcasts_and_groups),
        cmocka_unit_test(errors_reach_connected_datagrams),
        cmocka_unit_test(nothing_larger_than_the_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
