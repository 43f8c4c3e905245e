/*
 * The error queue of datagram sockets (NARU_OPT_RECVERR): what ICMP says about a datagram, with who
 * says it, what it says, and which datagram is meant (RFC 1122 3.2.2, 4.1.3.3, RFC 4443 2.4).
 */
#include "lib/hand.h"

enum { QUOTED = 8 + 12 };

/* A socket of stack 1 with a queue, unconnected, port 53 (an echo socket: identifier 53). */
static struct naru_sock *open_with_queue(struct lab *lab, enum naru_family family,
                                         enum naru_sock_type type)
{
    struct naru_sock *sock;
    struct naru_endpoint any = { .port = 53 };
    if (family == NARU_IPV4)
        any.addr = naru_addr_v4(0);
    assert_int_equal(naru_sock_new(lab->stack[1], family, type, &sock), NARU_OK);
    assert_int_equal(naru_sock_bind(sock, &any), NARU_OK);
    assert_int_equal(naru_sock_set(sock, NARU_OPT_RECVERR, 1, lab->now), NARU_OK);
    return sock;
}

static int64_t take(struct lab *lab, struct naru_sock *sock, unsigned flags, uint8_t *at,
                    size_t size, struct naru_msg_info *info)
{
    struct naru_room room = { at, size };
    *info = (struct naru_msg_info){ 0 };
    return naru_sock_recv(sock, &room, 1, NARU_MSG_ERRQUEUE | flags, info, lab->now);
}

/* A router at .102 says something about a datagram from port 53 to port 99 of another host. */
static void complain(struct lab *lab, enum naru_family family, unsigned type_code, uint32_t rest,
                     unsigned proto, const uint8_t *transport, size_t len)
{
    uint8_t frame[CRAFT_MAX];
    struct craft_ends ends = from_hand(lab, family), quoted = ends;
    quoted.src = ends.dst;
    quoted.dst = family == NARU_IPV4 ? naru_addr_v4(0x08080808)
                                     : (struct naru_addr){ .b = { 0x20, 1, [15] = 8 } };
    ends.hop_limit = 61;
    lab_inject(lab, 1, frame,
               craft_error(frame, &ends, &quoted, type_code, rest, proto, transport, len));
}

static const uint8_t udp_quote[QUOTED] = { 0,   53,  0,   99,  0,   20,  0,   0,   'w', 'h',
                                           'i', 'c', 'h', ' ', 'o', 'n', 'e', ' ', 'w', 'a' };

static int64_t pending(struct naru_sock *sock)
{
    int64_t error = 0;
    assert_int_equal(naru_sock_get(sock, NARU_OPT_ERROR, &error), NARU_OK);
    return error;
}

/* Time exceeded, and all else: with its words, on a socket that is not connected
 * (B-icmp-traceroute, H-4.1.3.3-1, H-3.2.2-4). */
static void all_of_it_is_told(void **state)
{
    (void)state;
    static const struct {
        unsigned type_code[2];
        uint32_t rest;
        int error;
    } rows[] = {
        { { 0x0b00, 0x0300 }, 0, NARU_ERR_HOSTUNREACH },
        { { 0x0303, 0x0104 }, 0, NARU_ERR_CONNREFUSED },
        { { 0x0301, 0x0103 }, 0, NARU_ERR_HOSTUNREACH },
        { { 0x0300, 0x0100 }, 0, NARU_ERR_NETUNREACH },
        { { 0x0304, 0x0200 }, 1300, NARU_ERR_MSGSIZE },
        { { 0x0c00, 0x0400 }, 0, NARU_ERR_PROTO },
    };
    for (int f = 0; f < 2; f++)
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            struct lab lab;
            uint8_t buf[64];
            struct naru_msg_info info;
            hand_begin(&lab);
            struct naru_sock *sock = open_with_queue(&lab, families[f], NARU_SOCK_DGRAM);
            struct craft_ends ends = from_hand(&lab, families[f]);
            assert_int_equal(take(&lab, sock, 0, buf, sizeof(buf), &info), NARU_ERR_AGAIN);
            complain(&lab, families[f], rows[i].type_code[f], rows[i].rest, CRAFT_UDP, udp_quote,
                     QUOTED);
            assert_int_equal(naru_sock_ready(sock) & (NARU_READY_ERROR | NARU_READY_READ),
                             NARU_READY_ERROR | NARU_READY_READ);
            assert_int_equal(take(&lab, sock, NARU_MSG_PEEK, buf, sizeof(buf), &info), 12);
            assert_int_equal(take(&lab, sock, 0, buf, sizeof(buf), &info), 12);
            assert_memory_equal(buf, "which one wa", 12);
            assert_int_equal(info.error, rows[i].error);
            assert_int_equal(info.icmp_type << 8 | info.icmp_code, rows[i].type_code[f]);
            assert_int_equal(info.mtu, rows[i].rest);
            assert_memory_equal(&info.from.addr, &ends.src, sizeof(ends.src));
            assert_int_equal(info.to.port, 99);
            assert_int_equal(info.to.addr.b[15], 8);
            assert_int_equal(info.hop_limit, 61);
            assert_int_equal(info.flags, NARU_MSG_ERRQUEUE);
            assert_int_equal(naru_sock_ready(sock) & NARU_READY_ERROR, 0);
            assert_int_equal(pending(sock), NARU_OK);
            naru_sock_close(sock, lab.now);
            lab_end(&lab);
        }
}

/* The quote of an echo request begins with its header, which names it; one that quotes an answer,
 * or another's request, is not told. */
static void echo_sockets_have_one_too(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct lab lab;
        uint8_t buf[64], echo[16] = { f == 0 ? 8 : 128, 0, 0, 0, 0, 53, 0, 7, 'p', 'i', 'n', 'g' };
        struct naru_msg_info info;
        unsigned type_code = f == 0 ? 0x0b00 : 0x0300;
        unsigned proto = f == 0 ? CRAFT_ICMP : CRAFT_ICMPV6;
        hand_begin(&lab);
        struct naru_sock *sock = open_with_queue(&lab, families[f], NARU_SOCK_PING);
        complain(&lab, families[f], type_code, 0, proto, echo, sizeof(echo));
        assert_int_equal(take(&lab, sock, 0, buf, 10, &info), 10);
        craft_put16(buf + 2, 0); /* the checksum */
        assert_memory_equal(buf, echo, 10);
        assert_int_equal(info.flags, NARU_MSG_ERRQUEUE | NARU_MSG_TRUNC);
        assert_int_equal(info.len, 16);
        assert_int_equal(info.error, NARU_ERR_HOSTUNREACH);
        assert_int_equal(info.to.addr.b[15], 8);

        echo[0] = f == 0 ? 0 : 129;
        complain(&lab, families[f], type_code, 0, proto, echo, sizeof(echo));
        echo[0] = f == 0 ? 8 : 128;
        echo[5] = 54;
        complain(&lab, families[f], type_code, 0, proto, echo, sizeof(echo));
        assert_int_equal(take(&lab, sock, 0, buf, 10, &info), NARU_ERR_AGAIN);
        assert_int_equal(naru_stack_drops(lab.stack[1], NARU_DROP_ICMP_NO_FLOW), 2);
        naru_sock_close(sock, lab.now);
        lab_end(&lab);
    }
}

/* Many wait in their order, no more of them than the receive buffer holds; each makes the next
 * call fail until it is read or told (C-udp-icmp-error). */
static void the_queue_is_bounded(void **state)
{
    (void)state;
    struct lab lab;
    uint8_t buf[64], quote[QUOTED];
    struct naru_msg_info info;
    unsigned n = 0;
    hand_begin(&lab);
    struct naru_sock *sock = open_with_queue(&lab, NARU_IPV4, NARU_SOCK_DGRAM);
    assert_int_equal(naru_sock_set(sock, NARU_OPT_RCVBUF, 8192, lab.now), NARU_OK);
    memcpy(quote, udp_quote, QUOTED);
    for (uint8_t i = 0; i < 100; i++) {
        quote[8] = i;
        complain(&lab, NARU_IPV4, i == 1 ? 0x0303 : 0x0b00, 0, CRAFT_UDP, quote, QUOTED);
    }
    assert_true(naru_stack_drops(lab.stack[1], NARU_DROP_UDP_QUEUE_FULL) > 50);
    assert_int_equal(naru_sock_recv(sock, NULL, 0, 0, NULL, lab.now), NARU_ERR_HOSTUNREACH);
    assert_int_equal(naru_sock_recv(sock, NULL, 0, 0, NULL, lab.now), NARU_ERR_AGAIN);
    while (take(&lab, sock, 0, buf, sizeof(buf), &info) > 0) {
        assert_int_equal(buf[0], n++);
        if (n == 1)
            assert_int_equal(pending(sock), NARU_ERR_CONNREFUSED);
    }
    assert_true(n > 1 && n < 50);

    /* Off: what waits is gone, and soft errors are silent again. */
    complain(&lab, NARU_IPV4, 0x0b00, 0, CRAFT_UDP, quote, QUOTED);
    assert_int_equal(naru_sock_set(sock, NARU_OPT_RECVERR, 0, lab.now), NARU_OK);
    complain(&lab, NARU_IPV4, 0x0b00, 0, CRAFT_UDP, quote, QUOTED);
    assert_int_equal(take(&lab, sock, 0, buf, sizeof(buf), &info), NARU_ERR_AGAIN);
    assert_int_equal(pending(sock), NARU_OK);

    /* What is left in the queue goes with the socket. */
    assert_int_equal(naru_sock_set(sock, NARU_OPT_RECVERR, 1, lab.now), NARU_OK);
    complain(&lab, NARU_IPV4, 0x0b00, 0, CRAFT_UDP, quote, QUOTED);
    naru_sock_close(sock, lab.now);
    lab_end(&lab);
}

/* What never left is told with what would fit: the stack itself complains. */
static void too_long_to_leave(void **state)
{
    (void)state;
    static const uint8_t data[2000];
    for (int f = 0; f < 2; f++) {
        struct lab lab;
        uint8_t buf[64];
        struct naru_msg_info info;
        static const struct naru_addr nobody;
        hand_begin(&lab);
        struct craft_ends ends = from_hand(&lab, families[f]);
        struct naru_sock *sock = open_with_queue(&lab, families[f], NARU_SOCK_DGRAM);
        struct naru_msg_info to = { .to = { .addr = ends.src, .port = 99 } };
        struct naru_slice slice = { data, sizeof(data) };
        assert_int_equal(naru_sock_set(sock, NARU_OPT_MTU_DISCOVER, 2, lab.now), NARU_OK);
        assert_int_equal(naru_sock_send(sock, &slice, 1, 0, &to, lab.now), NARU_ERR_MSGSIZE);
        assert_int_equal(take(&lab, sock, 0, buf, sizeof(buf), &info), 0);
        assert_int_equal(info.error, NARU_ERR_MSGSIZE);
        assert_int_equal(info.mtu, 1500);
        assert_memory_equal(&info.from.addr, &nobody, sizeof(nobody));
        assert_int_equal(info.to.port, 99);
        naru_sock_close(sock, lab.now);
        lab_end(&lab);
    }
}

/* A neighbour that does not answer is said as a router would say it. */
static void nobody_answers(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct lab lab;
        uint8_t buf[64];
        struct naru_msg_info info;
        hand_begin(&lab);
        struct naru_sock *sock = open_with_queue(&lab, families[f], NARU_SOCK_DGRAM);
        struct naru_msg_info to = { .to = { .addr = f == 0 ? lab.v4[1] : lab.v6[1], .port = 99 } };
        struct naru_slice slice = { "lost", 4 };
        to.to.addr.b[15] = 0x77;
        assert_int_equal(naru_sock_send(sock, &slice, 1, 0, &to, lab.now), 4);
        lab_run(&lab, lab.now + NARU_SEC(20));
        assert_int_equal(take(&lab, sock, 0, buf, sizeof(buf), &info), 4);
        assert_memory_equal(buf, "lost", 4);
        assert_int_equal(info.error, NARU_ERR_HOSTUNREACH);
        assert_int_equal(info.icmp_type << 8 | info.icmp_code, f == 0 ? 0x0301 : 0x0103);
        naru_sock_close(sock, lab.now);
        lab_end(&lab);
    }
}

/* A stream has none. */
static void streams_have_none(void **state)
{
    (void)state;
    struct lab lab;
    struct naru_sock *sock;
    struct naru_msg_info info;
    hand_begin(&lab);
    assert_int_equal(naru_sock_new(lab.stack[1], NARU_IPV4, NARU_SOCK_STREAM, &sock), NARU_OK);
    assert_int_equal(naru_sock_set(sock, NARU_OPT_RECVERR, 1, lab.now), NARU_ERR_NOPROTOOPT);
    assert_int_equal(take(&lab, sock, 0, NULL, 0, &info), NARU_ERR_AGAIN);
    naru_sock_close(sock, lab.now);
    lab_end(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_it_is_told),    cmocka_unit_test(echo_sockets_have_one_too),
        cmocka_unit_test(the_queue_is_bounded), cmocka_unit_test(too_long_to_leave),
        cmocka_unit_test(nobody_answers),       cmocka_unit_test(streams_have_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
