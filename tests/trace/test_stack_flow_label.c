/*
 * Flow labels of IPv6 (RFC 6437): one for all packets of a connection or of a connected socket, not
 * the same for two of them, not to be guessed from outside, and none where the stack is told so.
 */
#include "lib/stack_lab.h"

#include "base/bytes.h"
#include "wire/eth.h"
#include "wire/ipv6.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { PORT = 80, BYTES = 20000 };

/* What went over the wire from stack 0: segments, datagrams and fragments. */
struct seen {
    uint32_t label, packets;
    bool differ;
};

static bool look(struct lab *lab, int from, uint8_t *frame, size_t *len)
{
    struct seen *seen = lab->user;
    const uint8_t *ip = frame + NARU_ETH_LEN;
    if (from != 0 || *len < NARU_ETH_LEN + NARU_IPV6_LEN || *ip >> 4 != 6 ||
        (ip[6] != NARU_PROTO_TCP && ip[6] != NARU_PROTO_UDP && ip[6] != NARU_PROTO_FRAGMENT))
        return true;
    uint32_t label = naru_get32(ip) & 0xfffff;
    seen->differ = seen->differ || (seen->packets > 0 && seen->label != label);
    seen->label = label;
    seen->packets++;
    return true;
}

static void open_lab(struct lab *lab, struct seen *seen, const struct lab_options *options)
{
    memset(lab, 0, sizeof(*lab));
    assert_true(lab_pair(lab, options));
    lab->wire[0].filter = look;
    lab->user = seen;
}

/* The label of a whole connection, from SYN to the last ACK; the peer's bytes are lost at times. */
static uint32_t label_of_connection(struct lab *lab, struct seen *seen, uint16_t port)
{
    struct naru_sock *client, *server;
    *seen = (struct seen){ 0 };
    assert_true(lab_established(lab, NARU_IPV6, port, &client, &server));
    assert_true(lab_transfer(lab, client, server, BYTES, lab->now + NARU_SEC(60)));
    assert_true(lab_transfer(lab, server, client, BYTES, lab->now + NARU_SEC(60)));
    naru_sock_close(client, lab->now);
    naru_sock_close(server, lab->now);
    lab_run(lab, lab->now + NARU_SEC(1));
    assert_true(seen->packets > 10 && !seen->differ);
    return seen->label;
}

static void a_connection_has_one(void **state)
{
    (void)state;
    struct lab_options options = { .seed = 1, .loss_percent = 2 };
    struct seen seen;
    struct lab lab;
    open_lab(&lab, &seen, &options);
    uint32_t first = label_of_connection(&lab, &seen, PORT);
    uint32_t second = label_of_connection(&lab, &seen, PORT + 1);
    assert_true(first != 0 && second != 0 && first != second);
    lab_end(&lab);

    options.seed = 2; /* other secrets: nobody can know it */
    open_lab(&lab, &seen, &options);
    assert_int_not_equal(label_of_connection(&lab, &seen, PORT), first);
    lab_end(&lab);
}

static void send_some(struct lab *lab, struct naru_sock *sock, const struct naru_endpoint *to)
{
    static uint8_t bytes[3000]; /* the longer ones leave in fragments */
    struct naru_msg_info info = { 0 };
    for (size_t len = 1; len <= sizeof(bytes); len += 500) {
        struct naru_slice slice = { bytes, len };
        if (to != NULL)
            info.to = *to;
        assert_int_equal(naru_sock_send(sock, &slice, 1, 0, to != NULL ? &info : NULL, lab->now),
                         len);
        lab_run(lab, lab->now + NARU_SEC(1));
    }
}

static void so_has_a_connected_socket(void **state)
{
    (void)state;
    struct lab_options options = { .seed = 1 };
    struct seen seen = { 0 };
    struct lab lab;
    open_lab(&lab, &seen, &options);
    struct naru_sock *sock = lab_udp(&lab, 0, NARU_IPV6, PORT);
    struct naru_sock *peer = lab_udp(&lab, 1, NARU_IPV6, PORT);
    struct naru_endpoint to = { .addr = lab.v6[1], .port = PORT };
    send_some(&lab, sock, &to);
    assert_true(seen.packets > 6 && !seen.differ && seen.label == 0);

    seen = (struct seen){ 0 };
    assert_int_equal(naru_sock_connect(sock, &to, lab.now), NARU_OK);
    send_some(&lab, sock, NULL);
    assert_true(seen.packets > 6 && !seen.differ && seen.label != 0);
    naru_sock_close(sock, lab.now);
    naru_sock_close(peer, lab.now);
    lab_end(&lab);
}

static void without(struct naru_config *config) { config->ipv6_flow_label = false; }

static void none_where_none_is_wanted(void **state)
{
    (void)state;
    struct lab_options options = { .seed = 1, .tune = without };
    struct seen seen;
    struct lab lab;
    open_lab(&lab, &seen, &options);
    assert_int_equal(label_of_connection(&lab, &seen, PORT), 0);
    lab_end(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_has_one),
        cmocka_unit_test(so_has_a_connected_socket),
        cmocka_unit_test(none_where_none_is_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
