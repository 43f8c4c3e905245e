/*
 * The gateway when memory fails: each allocation of its making once, then every fifth one while
 * flows are opened, used and closed.  Nothing leaks, nothing crashes, and it works again
 * afterwards.
 */
#include "gate_lab.h"

#include <sys/socket.h>
#include <unistd.h>

/* malloc that can be told to fail. */
struct failing {
    unsigned count;   /* allocations so far */
    unsigned fail_at; /* that one fails; 0: none */
    unsigned every;   /* and every so many; 0: none */
    size_t bytes;     /* held */
};

static void *failing_alloc(void *user, size_t size)
{
    struct failing *f = user;

    f->count++;
    if (f->count == f->fail_at || (f->every != 0 && f->count % f->every == 0))
        return NULL;
    void *ptr = malloc(size);
    if (ptr != NULL)
        f->bytes += size;
    return ptr;
}

static void failing_free(void *user, void *ptr, size_t size)
{
    struct failing *f = user;

    if (ptr != NULL)
        f->bytes -= size;
    free(ptr);
}

static struct naru_gate_config config_with(struct failing *f)
{
    struct naru_gate_config config;

    naru_gate_config_init(&config);
    config.host_loopback = true;
    config.alloc = (struct naru_alloc){ .alloc = failing_alloc, .free = failing_free, .user = f };
    return config;
}

static void each_allocation_of_its_making_may_fail(void **state)
{
    struct naru_loop *loop;
    unsigned fail_at = 0;
    enum naru_err err;
    (void)state;
    assert_int_equal(naru_loop_new(&loop), 0);
    do {
        struct failing f = { .fail_at = ++fail_at };
        struct naru_gate_config config = config_with(&f);
        struct naru_gate *gate = NULL;
        config.loop = loop;
        err = naru_gate_new(&config, &gate);
        assert_true(err == NARU_OK || err == NARU_ERR_NOMEM);
        if (err == NARU_OK)
            naru_gate_free(gate);
        if (f.bytes != 0)
            fail_msg("%zu bytes lost when allocation %u failed", f.bytes, fail_at);
    } while (err != NARU_OK);
    assert_true(fail_at > 5);
    naru_loop_free(loop);
}

/* Opens a connection and sends a byte, if memory allows; whatever happens is right but a crash. */
static void try_flow(struct gate_lab *lab, uint16_t tcp_port, uint16_t udp_port)
{
    struct naru_endpoint tcp_to = lab_gateway(4, tcp_port), udp_to = lab_gateway(6, udp_port);
    struct naru_endpoint dns_to = lab_endpoint("10.0.2.3", 53);
    struct naru_sock *tcp = guest_socket(lab, 4, NARU_SOCK_STREAM);
    struct naru_sock *udp = guest_socket(lab, 6, NARU_SOCK_DGRAM);
    struct naru_sock *dns = guest_socket(lab, 4, NARU_SOCK_DGRAM);
    static const uint8_t question[17] = { 1, 2, 1, 0, 0, 1 };

    (void)naru_sock_connect(tcp, &tcp_to, naru_loop_now(lab->loop));
    guest_send_to(lab, udp, &udp_to, "x", 1);
    guest_send_to(lab, dns, &dns_to, question, sizeof(question));
    lab_run_for(lab, NARU_MS(2));
    struct naru_slice slice = { .at = "hello", .len = 5 };
    (void)naru_sock_send(tcp, &slice, 1, 0, NULL, naru_loop_now(lab->loop));
    lab_run_for(lab, NARU_MS(2));
    guest_close(lab, udp);
    guest_close(lab, dns);
    naru_sock_abort(tcp, naru_loop_now(lab->loop));
}

static void allocations_may_fail_while_it_works(void **state)
{
    struct failing f = { 0 };
    struct naru_gate_config config = config_with(&f);
    struct gate_lab lab;
    uint16_t tcp_port, udp_port, resolver_port;
    (void)state;
    int tcp = host_bound(4, SOCK_STREAM, &tcp_port);
    int udp = host_bound(6, SOCK_DGRAM, &udp_port);
    int resolver = host_bound(4, SOCK_DGRAM, &resolver_port);
    config.resolver_count = 1;
    config.resolver[0] = lab_endpoint("127.0.0.1", resolver_port);
    config.udp_flows_max = 4;
    lab_open(&lab, &config);
    for (unsigned every = 2; every < 8; every++) {
        f.every = every;
        for (unsigned i = 0; i < 8; i++)
            try_flow(&lab, tcp_port, udp_port);
    }
    f.every = 0;

    /* All is well again: a whole connection, answered. */
    lab_patience(&lab);
    while (lab_stats(&lab).tcp_flows > 0)
        lab_turn(&lab);
    struct naru_endpoint to = lab_gateway(4, tcp_port);
    guest_close(&lab, guest_connected(&lab, &to));
    lab_close(&lab);
    assert_int_equal(f.bytes, 0);
    close(tcp);
    close(udp);
    close(resolver);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_of_its_making_may_fail),
        cmocka_unit_test(allocations_may_fail_while_it_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
