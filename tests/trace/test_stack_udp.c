/*
 * Two stacks on a wire: neighbours are resolved, datagrams and echoes cross, fragments are cut and
 * joined, errors come back.
 */
#include "base/bytes.h"
#include "lib/stack_lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct naru_addr unspecified;
static const struct lab_options plain;

static int64_t send_to(struct lab *lab, struct naru_sock *sock, const struct naru_endpoint *to,
                       const void *at, size_t len)
{
    struct naru_slice slice = { at, len };
    struct naru_msg_info info = { .to = *to };
    return naru_sock_send(sock, &slice, 1, 0, &info, lab->now);
}

static int64_t receive(struct lab *lab, struct naru_sock *sock, void *at, size_t size,
                       struct naru_msg_info *info)
{
    struct naru_room room = { at, size };
    lab_run(lab, lab->now + NARU_MS(50));
    return naru_sock_recv(sock, &room, 1, 0, info, lab->now);
}

static void echo_of(enum naru_family family, size_t len, uint32_t mtu)
{
    struct lab lab = { 0 };
    struct lab_options options = { .mtu = mtu };
    assert_true(lab_pair(&lab, &options));
    struct naru_sock *a = lab_udp(&lab, 0, family, 0), *b = lab_udp(&lab, 1, family, 7);
    struct naru_endpoint to = { .addr = family == NARU_IPV4 ? lab.v4[1] : lab.v6[1], .port = 7 };
    uint8_t *out = malloc(len), *in = malloc(len + 1);
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(i * 31 + (i >> 8));

    assert_int_equal(send_to(&lab, a, &to, out, len), len);
    struct naru_msg_info info;
    assert_int_equal(receive(&lab, b, in, len + 1, &info), len);
    assert_memory_equal(in, out, len);
    assert_int_equal(info.len, len);
    assert_int_equal(send_to(&lab, b, &info.from, out, len), len);
    assert_int_equal(receive(&lab, a, in, len + 1, &info), len);
    assert_memory_equal(in, out, len);
    assert_memory_equal(&info.from.addr, &to.addr, sizeof(to.addr));
    assert_int_equal(info.from.port, 7);

    naru_sock_close(a, lab.now);
    naru_sock_close(b, lab.now);
    lab_end(&lab);
    free(out);
    free(in);
}

/* Both families, without any gateway (H-3.1-1, H-3.3.1.1-2). */
static void echoes(void **state)
{
    (void)state;
    echo_of(NARU_IPV4, 1, 1500);
    echo_of(NARU_IPV6, 1, 1500);
    echo_of(NARU_IPV4, 1472, 1500);
    echo_of(NARU_IPV6, 1452, 1500);
}

/* Reassembly is supported (H-3.2.1.4-1, H-3.3.2-1, H-3.3.3-2, C-datagram-sizes). */
static void fragments(void **state)
{
    (void)state;
    echo_of(NARU_IPV4, 1473, 1500);
    echo_of(NARU_IPV6, 1453, 1500);
    echo_of(NARU_IPV4, 65507, 1500);
    echo_of(NARU_IPV6, 65000, 1500);
    echo_of(NARU_IPV6, 20000, 1280);
    echo_of(NARU_IPV4, 8000, 576);
}

/* Received unreachables go up (H-3.2.2.1-2, H-3.4-4, H-3.4-5, H-4.1.3.3-1, C-udp-icmp-error). */
static void port_unreachable(void **state)
{
    (void)state;
    for (int v6 = 0; v6 < 2; v6++) {
        struct lab lab = { 0 };
        assert_true(lab_pair(&lab, &plain));
        enum naru_family family = v6 ? NARU_IPV6 : NARU_IPV4;
        struct naru_sock *a = lab_udp(&lab, 0, family, 0);
        struct naru_endpoint to = { .addr = v6 ? lab.v6[1] : lab.v4[1], .port = 9 };
        uint8_t byte = 1;
        struct naru_slice slice = { &byte, 1 };
        assert_int_equal(naru_sock_connect(a, &to, lab.now), NARU_OK);
        assert_int_equal(naru_sock_send(a, &slice, 1, 0, NULL, lab.now), 1);
        assert_int_equal(receive(&lab, a, &byte, 1, NULL), NARU_ERR_CONNREFUSED);
        assert_int_equal(receive(&lab, a, &byte, 1, NULL), NARU_ERR_AGAIN);
        assert_int_equal(naru_stack_drops(lab.stack[1], NARU_DROP_UDP_NO_PORT), 1);
        naru_sock_close(a, lab.now);
        lab_end(&lab);
    }
}

/* IP and ICMP are implemented (H-3.1-1, H-3.2.2.6-1, H-3.2.2.6-2, H-3.2.2.6-7). */
static void ping(void **state)
{
    (void)state;
    for (int v6 = 0; v6 < 2; v6++) {
        struct lab lab = { 0 };
        assert_true(lab_pair(&lab, &plain));
        struct naru_sock *sock;
        struct naru_endpoint to = { .addr = v6 ? lab.v6[1] : lab.v4[1] };
        uint8_t request[64] = { v6 ? 128 : 8, 0, 0, 0, 0, 0, 0, 1, 'n', 'a', 'r', 'u' }, reply[128];
        assert_int_equal(
            naru_sock_new(lab.stack[0], v6 ? NARU_IPV6 : NARU_IPV4, NARU_SOCK_PING, &sock),
            NARU_OK);
        assert_int_equal(send_to(&lab, sock, &to, request, sizeof(request)), sizeof(request));
        assert_int_equal(receive(&lab, sock, reply, sizeof(reply), NULL), sizeof(request));
        assert_int_equal(reply[0], v6 ? 129 : 0);
        assert_memory_equal(reply + 6, request + 6, sizeof(request) - 6);
        naru_sock_close(sock, lab.now);
        lab_end(&lab);
    }
}

/* Silence for three seconds, then an error for the sender (H-2.4-3, H-2.3.2.1-2). */
static void no_neighbour(void **state)
{
    (void)state;
    struct lab lab = { 0 };
    assert_true(lab_pair(&lab, &plain));
    struct naru_sock *a = lab_udp(&lab, 0, NARU_IPV4, 0);
    struct naru_endpoint to = { .addr = naru_addr_v4(0x0a000063), .port = 9 };
    uint8_t byte = 1;
    assert_int_equal(send_to(&lab, a, &to, &byte, 1), 1);
    lab_run(&lab, lab.now + NARU_MS(3500));
    assert_int_equal(naru_stack_drops(lab.stack[0], NARU_DROP_NEIGH_UNREACHABLE), 1);
    assert_int_equal(send_to(&lab, a, &to, &byte, 1), NARU_ERR_HOSTUNREACH);
    lab_run(&lab, lab.now + NARU_SEC(2));
    assert_int_equal(naru_sock_connect(a, &to, lab.now), NARU_OK);
    struct naru_slice slice = { &byte, 1 };
    assert_int_equal(naru_sock_send(a, &slice, 1, 0, NULL, lab.now), 1);
    lab_run(&lab, lab.now + NARU_MS(3500));
    assert_int_equal(receive(&lab, a, &byte, 1, NULL), NARU_ERR_HOSTUNREACH);
    assert_int_equal(naru_sock_connect(a, NULL, lab.now), NARU_OK);
    struct naru_endpoint far = { .addr = naru_addr_v4(0x08080808), .port = 9 };
    assert_int_equal(send_to(&lab, a, &far, &byte, 1), NARU_ERR_NETUNREACH);
    naru_sock_close(a, lab.now);
    lab_end(&lab);
}

/* Of a group that is joined by its sources only they are heard. */
static void sources(struct lab *lab, struct naru_sock *a, struct naru_sock *b,
                    const struct naru_endpoint *to, const struct naru_addr *sender)
{
    unsigned ifindex = lab->ifindex[1];
    struct naru_addr stranger = *sender;
    uint8_t byte = 43;
    stranger.b[15] ^= 1;
    assert_int_equal(naru_sock_join_source(b, &to->addr, &stranger, ifindex, lab->now), NARU_OK);
    assert_int_equal(send_to(lab, a, to, &byte, 1), 1);
    assert_int_equal(receive(lab, b, &byte, 1, NULL), NARU_ERR_AGAIN);
    assert_int_equal(naru_sock_join_source(b, &to->addr, sender, ifindex, lab->now), NARU_OK);
    assert_int_equal(naru_sock_join_source(b, &to->addr, sender, ifindex, lab->now),
                     NARU_ERR_EXIST);
    assert_int_equal(naru_sock_join(b, &to->addr, ifindex, lab->now), NARU_ERR_EXIST);
    assert_int_equal(send_to(lab, a, to, &byte, 1), 1);
    assert_int_equal(receive(lab, b, &byte, 1, NULL), 1);
    assert_int_equal(naru_sock_leave_source(b, &to->addr, &stranger, ifindex, lab->now), NARU_OK);
    assert_int_equal(naru_sock_leave_source(b, &to->addr, &stranger, ifindex, lab->now),
                     NARU_ERR_NOENT);
    assert_int_equal(naru_sock_leave(b, &to->addr, ifindex, lab->now), NARU_OK);
    assert_int_equal(send_to(lab, a, to, &byte, 1), 1);
    assert_int_equal(receive(lab, b, &byte, 1, NULL), NARU_ERR_AGAIN);
    assert_int_equal(naru_sock_join(b, &to->addr, ifindex, lab->now), NARU_OK);
    assert_int_equal(naru_sock_join_source(b, &to->addr, sender, ifindex, lab->now),
                     NARU_ERR_INVAL);
    assert_int_equal(naru_sock_leave(b, &to->addr, ifindex, lab->now), NARU_OK);
}

/* Local IP multicast (RFC 1112); a socket bound to any address gets datagrams to the host, and no
 * group it did not join (H-3.3.7-1, C-any-addr-unicast). */
static void multicast(void **state)
{
    (void)state;
    for (int v6 = 0; v6 < 2; v6++) {
        struct lab lab = { 0 };
        assert_true(lab_pair(&lab, &plain));
        enum naru_family family = v6 ? NARU_IPV6 : NARU_IPV4;
        struct naru_addr group =
            v6 ? (struct naru_addr){ .b = { 0xff, 0x02, [14] = 1, [15] = 0x23 } }
               : naru_addr_v4(0xe0000123);
        struct naru_sock *a = lab_udp(&lab, 0, family, 0), *b;
        struct naru_endpoint any = { .addr = v6 ? unspecified : naru_addr_v4(0), .port = 5000 };
        assert_int_equal(naru_sock_new(lab.stack[1], family, NARU_SOCK_DGRAM, &b), NARU_OK);
        assert_int_equal(naru_sock_bind(b, &any), NARU_OK);
        struct naru_endpoint to = { .addr = group, .port = 5000 };
        uint8_t byte = 42;
        lab_run(&lab, lab.now + NARU_SEC(10)); /* reports of other groups are out */
        uint64_t before = naru_stack_drops(lab.stack[1], NARU_DROP_MULTICAST_NOT_JOINED);
        assert_int_equal(naru_sock_set(a, NARU_OPT_MULTICAST_IF, lab.ifindex[0], lab.now), NARU_OK);

        assert_int_equal(send_to(&lab, a, &to, &byte, 1), 1);
        assert_int_equal(receive(&lab, b, &byte, 1, NULL), NARU_ERR_AGAIN);
        assert_int_equal(naru_stack_drops(lab.stack[1], NARU_DROP_MULTICAST_NOT_JOINED),
                         before + 1);
        assert_int_equal(naru_sock_join(b, &group, lab.ifindex[1], lab.now), NARU_OK);
        assert_int_equal(naru_sock_join(b, &group, lab.ifindex[1], lab.now), NARU_ERR_EXIST);
        assert_int_equal(send_to(&lab, a, &to, &byte, 1), 1);
        struct naru_msg_info info;
        assert_int_equal(receive(&lab, b, &byte, 1, &info), 1);
        assert_int_equal(naru_sock_leave(b, &group, lab.ifindex[1], lab.now), NARU_OK);
        assert_int_equal(send_to(&lab, a, &to, &byte, 1), 1);
        assert_int_equal(receive(&lab, b, &byte, 1, NULL), NARU_ERR_AGAIN);
        sources(&lab, a, b, &to, &info.from.addr);
        naru_sock_close(a, lab.now);
        naru_sock_close(b, lab.now);
        lab_end(&lab);
    }
}

/* All broadcast forms are recognised (limited, directed, subnet; H-3.3.6-4). */
static void broadcast(void **state)
{
    (void)state;
    struct lab lab = { 0 };
    assert_true(lab_pair(&lab, &plain));
    struct naru_sock *a = lab_udp(&lab, 0, NARU_IPV4, 0), *b[2];
    struct naru_endpoint any = { .addr = naru_addr_v4(0), .port = 67 };
    for (int i = 0; i < 2; i++) {
        assert_int_equal(naru_sock_new(lab.stack[1], NARU_IPV4, NARU_SOCK_DGRAM, &b[i]), NARU_OK);
        assert_int_equal(naru_sock_set(b[i], NARU_OPT_REUSEADDR, 1, lab.now), NARU_OK);
        assert_int_equal(naru_sock_bind(b[i], &any), NARU_OK);
    }
    struct naru_endpoint to = { .addr = naru_addr_v4(0x0a0000ff), .port = 67 };
    uint8_t byte = 7;
    assert_int_equal(send_to(&lab, a, &to, &byte, 1), NARU_ERR_ACCES);
    assert_int_equal(naru_sock_set(a, NARU_OPT_BROADCAST, 1, lab.now), NARU_OK);
    assert_int_equal(send_to(&lab, a, &to, &byte, 1), 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(receive(&lab, b[i], &byte, 1, NULL), 1);
        naru_sock_close(b[i], lab.now);
    }
    naru_sock_close(a, lab.now);
    lab_end(&lab);
}

static void loopback(void **state)
{
    (void)state;
    struct lab lab = { 0 };
    assert_true(lab_pair(&lab, &plain));
    struct naru_sock *a, *b;
    lab_run(&lab, lab.now + NARU_SEC(10)); /* group reports are out */
    uint64_t frames = lab.frames;
    struct naru_endpoint local = { .addr = naru_addr_v4(0x7f000001), .port = 53 };
    uint8_t byte = 7;
    assert_int_equal(naru_sock_new(lab.stack[0], NARU_IPV4, NARU_SOCK_DGRAM, &a), NARU_OK);
    assert_int_equal(naru_sock_new(lab.stack[0], NARU_IPV4, NARU_SOCK_DGRAM, &b), NARU_OK);
    assert_int_equal(naru_sock_bind(b, &local), NARU_OK);
    assert_int_equal(naru_sock_connect(a, &local, lab.now), NARU_OK);
    struct naru_slice slice = { &byte, 1 };
    assert_int_equal(naru_sock_send(a, &slice, 1, 0, NULL, lab.now), 1);
    struct naru_msg_info info;
    assert_int_equal(receive(&lab, b, &byte, 1, &info), 1);
    assert_memory_equal(&info.from.addr, &local.addr, sizeof(local.addr));
    local.addr = lab.v4[0];
    local.port = 54;
    assert_int_equal(naru_sock_connect(a, &local, lab.now), NARU_OK);
    assert_int_equal(naru_sock_send(a, &slice, 1, 0, NULL, lab.now), 1);
    assert_int_equal(receive(&lab, a, &byte, 1, &info), NARU_ERR_CONNREFUSED);
    assert_int_equal(lab.frames, frames); /* nothing of it was seen outside */
    naru_sock_close(a, lab.now);
    naru_sock_close(b, lab.now);
    lab_end(&lab);
}

/* DAD runs on every unicast address however it was obtained; a duplicate address is not assigned;
 * an error is logged (V6-4862-5.4-1, V6-4862-5.4.5-1). */
static void duplicate_address(void **state)
{
    (void)state;
    struct lab lab = { 0 };
    struct lab_options options = { .dad = true };
    struct naru_ifaddr_info info;
    assert_true(lab_pair(&lab, &options));
    assert_int_equal(naru_ifaddr_get(lab.stack[0], lab.ifindex[0], 1, &info), NARU_OK);
    assert_true(info.tentative);
    lab_run(&lab, lab.now + NARU_SEC(3));
    assert_int_equal(naru_ifaddr_get(lab.stack[0], lab.ifindex[0], 1, &info), NARU_OK);
    assert_false(info.tentative || info.duplicate);

    struct naru_addr taken = lab.v6[0];
    assert_int_equal(naru_ifaddr_add(lab.stack[1], lab.ifindex[1], &taken, 64, lab.now), NARU_OK);
    lab_run(&lab, lab.now + NARU_SEC(3));
    assert_int_equal(naru_ifaddr_get(lab.stack[1], lab.ifindex[1], 2, &info), NARU_OK);
    assert_true(info.duplicate);
    lab_end(&lab);
}

/* The host may itself have several interfaces/addresses (H-3.1-3). */
static void vlan(void **state)
{
    (void)state;
    struct lab lab = { 0 };
    struct naru_sock *sock[2];
    struct naru_endpoint end[2];
    assert_true(lab_pair(&lab, &plain));
    for (int i = 0; i < 2; i++) {
        struct naru_iface_config config;
        unsigned ifindex;
        naru_iface_config_init(&config);
        config.name = "eth0.7";
        config.kind = NARU_IFACE_VLAN;
        config.parent = (uint16_t)lab.ifindex[i];
        config.vlan = 7;
        end[i] =
            (struct naru_endpoint){ .addr = naru_addr_v4(0xc0a80701u + (uint32_t)i), .port = 1000 };
        assert_int_equal(naru_iface_add(lab.stack[i], &config, lab.now, &ifindex), NARU_OK);
        assert_int_equal(naru_ifaddr_add(lab.stack[i], ifindex, &end[i].addr, 24, lab.now),
                         NARU_OK);
        assert_int_equal(naru_sock_new(lab.stack[i], NARU_IPV4, NARU_SOCK_DGRAM, &sock[i]),
                         NARU_OK);
        assert_int_equal(naru_sock_bind(sock[i], &end[i]), NARU_OK);
    }
    uint8_t byte = 3;
    assert_int_equal(send_to(&lab, sock[0], &end[1], &byte, 1), 1);
    assert_int_equal(receive(&lab, sock[1], &byte, 1, NULL), 1);

    static const uint8_t other[] = {
        2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0, 0, 8, 8, 0, 0x45
    };
    lab_inject(&lab, 0, other, sizeof(other));
    assert_int_equal(naru_stack_drops(lab.stack[0], NARU_DROP_VLAN_UNKNOWN), 1);
    naru_sock_close(sock[0], lab.now);
    naru_sock_close(sock[1], lab.now);
    lab_end(&lab);
}

/* The IPv4 header of the datagram that sock, connected, sends now. */
static const uint8_t *sent_header(struct lab *lab, struct naru_sock *sock)
{
    static uint8_t frame[2048];
    struct naru_slice slice = { "x", 1 };
    assert_int_equal(naru_sock_send(sock, &slice, 1, 0, NULL, lab->now), 1);
    assert_int_equal(lab_take(lab, 0, frame, sizeof(frame)), 14 + 20 + 8 + 1);
    return frame + 14;
}

/* A connected socket asks once what its datagrams need, and again when something changed. */
static void connected_and_changed(void **state)
{
    (void)state;
    struct lab lab = { 0 };
    assert_true(lab_pair(&lab, &plain));
    struct naru_sock *a = lab_udp(&lab, 0, NARU_IPV4, 0), *b = lab_udp(&lab, 1, NARU_IPV4, 7);
    struct naru_endpoint to = { .addr = lab.v4[1], .port = 7 };
    uint8_t byte = 1;
    struct naru_slice slice = { &byte, 1 };
    assert_int_equal(naru_sock_connect(a, &to, lab.now), NARU_OK);
    assert_int_equal(naru_sock_send(a, &slice, 1, 0, NULL, lab.now), 1);
    assert_int_equal(receive(&lab, b, &byte, 1, NULL), 1);
    assert_int_equal(sent_header(&lab, a)[8], 64);

    assert_int_equal(naru_sock_set(a, NARU_OPT_TTL, 9, lab.now), NARU_OK);
    assert_int_equal(naru_sock_set(a, NARU_OPT_TOS, 0x20, lab.now), NARU_OK);
    assert_int_equal(sent_header(&lab, a)[8], 9);
    assert_int_equal(sent_header(&lab, a)[1], 0x20);

    /* To another peer, whose port says so. */
    to.port = 8;
    assert_int_equal(naru_sock_connect(a, &to, lab.now), NARU_OK);
    assert_int_equal(naru_get16(sent_header(&lab, a) + 22), 8);

    /* Its peer's address has become our own: nothing leaves by the wire. */
    assert_int_equal(naru_ifaddr_add(lab.stack[0], lab.ifindex[0], &to.addr, 24, lab.now), NARU_OK);
    uint8_t frame[2048];
    assert_int_equal(naru_sock_send(a, &slice, 1, 0, NULL, lab.now), 1);
    assert_int_equal(lab_take(&lab, 0, frame, sizeof(frame)), 0);
    assert_int_equal(naru_ifaddr_remove(lab.stack[0], lab.ifindex[0], &to.addr, lab.now), NARU_OK);
    (void)sent_header(&lab, a);

    /* No route any more. */
    assert_int_equal(naru_iface_set_up(lab.stack[0], lab.ifindex[0], false, lab.now), NARU_OK);
    assert_int_equal(naru_sock_send(a, &slice, 1, 0, NULL, lab.now), NARU_ERR_NETUNREACH);
    assert_int_equal(naru_stack_drops(lab.stack[0], NARU_DROP_NO_ROUTE), 1);
    naru_sock_close(a, lab.now);
    naru_sock_close(b, lab.now);
    lab_end(&lab);
}

/* The addresses of a name, as this stack would best reach them (V6-6724-5-1). */
static void destinations_in_order(void **state)
{
    (void)state;
    struct lab lab = { 0 };
    assert_true(lab_pair(&lab, &plain));
    const struct naru_addr far = { .b = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } };
    const struct naru_addr wanted[] = {
        { .b = { [15] = 1 } }, naru_addr_v4(0x7f000001), lab.v4[1], lab.v6[1], far,
    };
    struct naru_addr addr[] = { far, wanted[3], wanted[2], wanted[1], wanted[0] };
    naru_addr_sort(lab.stack[0], addr, 5);
    assert_memory_equal(addr, wanted, sizeof(wanted));
    naru_addr_sort(lab.stack[0], addr, 0);
    lab_end(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echoes),
        cmocka_unit_test(fragments),
        cmocka_unit_test(port_unreachable),
        cmocka_unit_test(connected_and_changed),
        cmocka_unit_test(ping),
        cmocka_unit_test(no_neighbour),
        cmocka_unit_test(multicast),
        cmocka_unit_test(broadcast),
        cmocka_unit_test(loopback),
        cmocka_unit_test(duplicate_address),
        cmocka_unit_test(vlan),
        cmocka_unit_test(destinations_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
