/*
 * Peers that do a handshake, or pretend to, and then do not play by the rules; and what an outsider
 * may guess of a connection.
 *
 * Stack 1 is the victim; the other side is made by hand.
 */
#include "lib/craft.h"
#include "lib/stack_lab.h"
#include "stack/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PEER = 0x66, SAMPLES = 512, BUCKETS = 16 };

static const uint8_t peer_mac[6] = { 2, 0, 0, 0, 0, PEER };

struct peer {
    struct lab lab;
    struct craft_ends ends; /* from the peer to the victim */
    struct craft_segment s;
    struct naru_sock *server;
};

static void begin(struct peer *p)
{
    struct lab_options options = { .seed = 7 };
    uint8_t frame[CRAFT_MAX];
    *p = (struct peer){ .ends = { .src_mac = { 2, 0, 0, 0, 0, PEER },
                                  .dst_mac = { 2, 0, 0, 0, 0, 2 } } };
    assert_true(lab_pair(&p->lab, &options));
    p->ends.src = naru_addr_v4(0x0a000000 + PEER);
    p->ends.dst = p->lab.v4[1];
    lab_run(&p->lab, p->lab.now + NARU_SEC(20)); /* what hosts say when they wake is said */
    assert_int_equal(
        naru_neigh_add(p->lab.stack[1], p->lab.ifindex[1], &p->ends.src, peer_mac, p->lab.now),
        NARU_OK);
    while (lab_take(&p->lab, 1, frame, sizeof(frame)) != 0)
        ;
}

static void say(struct peer *p, uint8_t flags, uint32_t seq, uint32_t ack)
{
    uint8_t frame[CRAFT_MAX];
    p->s.flags = flags;
    p->s.seq = seq;
    p->s.ack = ack;
    lab_inject(&p->lab, 1, frame, craft_tcp(frame, &p->ends, &p->s));
}

/* The next segment of the victim; false: it has nothing to say. */
static bool hear(struct peer *p, struct craft_heard *heard)
{
    uint8_t frame[CRAFT_MAX];
    size_t len = lab_take(&p->lab, 1, frame, sizeof(frame));
    return len != 0 && craft_heard(frame, len, heard);
}

static const struct naru_tcp *tcp_of(struct naru_sock *sock)
{
    return &naru_sock_tcp_of(sock)->tcp;
}

/* A connection to port 80 of the victim; the peer's next number is 1001. */
static uint32_t shake_hands(struct peer *p, uint16_t window)
{
    struct naru_sock *listener = lab_listen(&p->lab, 1, NARU_IPV4, 80);
    struct craft_heard heard;
    p->s = (struct craft_segment){ .sport = 4000, .dport = 80, .window = window };
    say(p, CRAFT_SYN, 1000, 0);
    assert_true(hear(p, &heard));
    assert_int_equal(heard.flags, CRAFT_SYN | CRAFT_ACK);
    say(p, CRAFT_ACK, 1001, heard.seq + 1);
    p->server = lab_accept(&p->lab, listener);
    assert_non_null(p->server);
    naru_sock_close(listener, p->lab.now);
    return heard.seq + 1;
}

static void finish(struct peer *p)
{
    if (p->server != NULL)
        naru_sock_abort(p->server, p->lab.now);
    lab_end(&p->lab);
}

/* LAND (CVE-1999-0016): a SYN that claims to come from where it goes. */
static void land(void **state)
{
    (void)state;
    struct peer p;
    struct craft_heard heard;
    struct naru_stack_stats stats;
    begin(&p);
    struct naru_sock *listener = lab_listen(&p.lab, 1, NARU_IPV4, 80);
    p.ends.src = p.ends.dst;
    p.s = (struct craft_segment){ .sport = 80, .dport = 80, .window = 1000 };
    say(&p, CRAFT_SYN, 1, 0);
    assert_int_equal(naru_stack_drops(p.lab.stack[1], NARU_DROP_SRC_OURS), 1);
    assert_false(hear(&p, &heard));
    naru_stack_get_stats(p.lab.stack[1], &stats);
    assert_int_equal(stats.half_open + stats.flows, 0);
    naru_sock_close(listener, p.lab.now);
    finish(&p);
}

/*
 * A server that answers a SYN with a SYN: a simultaneous open (RFC 9293 figure 8), after which the
 * client is as good a client as ever.
 */
static void split_handshake(void **state)
{
    (void)state;
    struct peer p;
    struct craft_heard heard;
    struct naru_endpoint remote = { .port = 80 };
    struct naru_sock *client;
    char text[8];
    struct naru_room room = { text, sizeof(text) };
    begin(&p);
    remote.addr = p.ends.src;
    assert_int_equal(naru_sock_new(p.lab.stack[1], NARU_IPV4, NARU_SOCK_STREAM, &client), NARU_OK);
    assert_int_equal(naru_sock_connect(client, &remote, p.lab.now), NARU_ERR_INPROGRESS);
    assert_true(hear(&p, &heard));
    uint32_t iss = heard.seq;
    p.s = (struct craft_segment){ .sport = 80, .dport = heard.sport, .window = 1000 };
    say(&p, CRAFT_SYN, 5000, 0);
    assert_true(hear(&p, &heard));
    assert_int_equal(heard.flags, CRAFT_SYN | CRAFT_ACK);
    assert_int_equal(heard.seq, iss);
    assert_int_equal(heard.ack, 5001);
    say(&p, CRAFT_ACK, 5001, iss + 1);
    assert_int_equal(lab_state(client), NARU_TCP_ESTABLISHED);
    p.s.payload = (const uint8_t *)"hello";
    p.s.payload_len = 5;
    say(&p, CRAFT_ACK | CRAFT_PSH, 5001, iss + 1);
    assert_int_equal(naru_sock_recv(client, &room, 1, 0, NULL, p.lab.now), 5);
    naru_sock_abort(client, p.lab.now);
    finish(&p);
}

static void write_much(struct peer *p)
{
    static uint8_t bytes[30000];
    struct naru_slice slice = { bytes, sizeof(bytes) };
    assert_int_equal(naru_sock_send(p->server, &slice, 1, 0, NULL, p->lab.now), sizeof(bytes));
}

/* Savage et al. 1999: many acknowledgements of parts of a segment.  Bytes count, not segments. */
static void ack_division(void **state)
{
    (void)state;
    struct peer p;
    struct craft_heard heard;
    begin(&p);
    uint32_t una = shake_hands(&p, 60000), sent = 0;
    write_much(&p);
    while (hear(&p, &heard))
        sent += heard.len;
    uint32_t cwnd = tcp_of(p.server)->cwnd;
    assert_true(sent >= cwnd - 536);
    for (uint32_t i = 1; i <= 500; i++)
        say(&p, CRAFT_ACK, 1001, una + i);
    assert_true(tcp_of(p.server)->cwnd <= cwnd + 500);
    finish(&p);
}

/* The same authors: acknowledgements of what was not received yet, or not even sent. */
static void optimistic_ack(void **state)
{
    (void)state;
    struct peer p;
    struct craft_heard heard;
    begin(&p);
    uint32_t una = shake_hands(&p, 60000), sent = 0;
    write_much(&p);
    while (hear(&p, &heard))
        sent += heard.len;
    uint32_t cwnd = tcp_of(p.server)->cwnd;
    for (uint32_t i = 1; i <= 100; i++)
        say(&p, CRAFT_ACK, 1001, una + sent + i * 100);
    assert_int_equal(naru_stack_drops(p.lab.stack[1], NARU_DROP_TCP_ACK_INVALID), 100);
    assert_int_equal(tcp_of(p.server)->cwnd, cwnd);
    assert_int_equal(tcp_of(p.server)->snd.una.v, una);
    finish(&p);
}

/* Chi-square of counts that should be equal; 15 degrees of freedom: 37.7 is one in a thousand. */
static double uneven(const unsigned count[BUCKETS])
{
    double expected = (double)SAMPLES / BUCKETS, sum = 0;
    for (unsigned i = 0; i < BUCKETS; i++)
        sum += ((double)count[i] - expected) * ((double)count[i] - expected) / expected;
    return sum;
}

/*
 * NUMBER:JACK, RFC 6528, RFC 6056: nobody can tell the next connection's sequence number or port
 * from those before.
 */
static void unpredictable(void **state)
{
    (void)state;
    struct peer p;
    struct craft_heard heard;
    unsigned low[BUCKETS] = { 0 }, high[BUCKETS] = { 0 }, step[BUCKETS] = { 0 }, successors = 0;
    uint32_t before = 0;
    uint16_t port_before = 0;
    begin(&p);
    for (unsigned i = 0; i < SAMPLES; i++) {
        struct naru_endpoint remote = { .addr = p.ends.src, .port = (uint16_t)(80 + i) };
        struct naru_sock *client;
        assert_int_equal(naru_sock_new(p.lab.stack[1], NARU_IPV4, NARU_SOCK_STREAM, &client),
                         NARU_OK);
        assert_int_equal(naru_sock_connect(client, &remote, p.lab.now), NARU_ERR_INPROGRESS);
        assert_true(hear(&p, &heard));
        low[heard.seq % BUCKETS]++;
        high[heard.seq >> 28]++;
        step[(heard.seq - before) >> 28]++;
        successors += (uint16_t)(heard.sport - port_before) <= 2;
        before = heard.seq;
        port_before = heard.sport;
        naru_sock_abort(client, p.lab.now);
        while (hear(&p, &heard))
            ;
    }
    assert_true(uneven(low) < 37.7);
    assert_true(uneven(high) < 37.7);
    assert_true(uneven(step) < 37.7);
    assert_true(successors < SAMPLES / 16);
    finish(&p);
}

/* The same names hash to other places in another stack: nobody can fill one bucket on purpose. */
static void places_are_secret(void **state)
{
    (void)state;
    struct peer p;
    unsigned together = 0;
    struct naru_tuple tuple = { .local_port = 80, .proto = NARU_PROTO_TCP };
    begin(&p);
    tuple.local = p.ends.dst;
    tuple.remote = p.ends.src;
    uint32_t mine = 0, other = 0;
    for (uint32_t port = 1; port <= 4096; port++) {
        tuple.remote_port = (uint16_t)port;
        uint32_t a = naru_tuple_hash(p.lab.stack[0], &tuple) % 256;
        uint32_t b = naru_tuple_hash(p.lab.stack[1], &tuple) % 256;
        if (port == 1) {
            mine = a;
            other = b;
        }
        together += a == mine && b == other;
    }
    assert_true(together <= 8); /* 4096 / 65536 are expected, and the first */
    finish(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(land),          cmocka_unit_test(split_handshake),
        cmocka_unit_test(ack_division),  cmocka_unit_test(optimistic_ack),
        cmocka_unit_test(unpredictable), cmocka_unit_test(places_are_secret),
    };
    return cmocka_run_group_tests_name("peers", tests, NULL, NULL);
}
