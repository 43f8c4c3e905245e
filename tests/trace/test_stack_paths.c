/*
 * Paths that connections share: who has one in common with whom, and when it ends.
 *
 * Stack 1 answers for all the world, and is the way there from stack 0.
 */
#include "lib/hand.h"
#include "stack/check.h"

#include <string.h>

enum { HOSTS = 3 };

struct world {
    struct lab lab;
    enum naru_family family;
    struct naru_addr host[HOSTS];
    struct naru_sock *client[HOSTS], *server[HOSTS];
    struct naru_sock *listener;
};

static const char *const host_names[2][HOSTS] = {
    { "192.0.2.5", "198.51.100.7", "198.51.100.8" },
    { "2001:db8::5", "2001:db8:1::7", "2001:db8:1::8" },
};

static void world_begin(struct world *w, enum naru_family family)
{
    struct lab_options options = { .accept_any = true, .delay = NARU_MS(1) };
    struct naru_endpoint any = { 0 };
    bool v6 = family == NARU_IPV6;
    *w = (struct world){ .family = family };
    assert_true(lab_pair(&w->lab, &options));
    lab_run(&w->lab, w->lab.now + NARU_SEC(10));
    if (!v6)
        any.addr = naru_addr_v4(0);
    struct naru_route route = { .prefix = any.addr,
                                .has_gateway = true,
                                .gateway = v6 ? w->lab.v6[1] : w->lab.v4[1] };
    assert_int_equal(naru_route_add(w->lab.stack[0], &route), NARU_OK);
    assert_int_equal(naru_sock_new(w->lab.stack[1], family, NARU_SOCK_STREAM, &w->listener),
                     NARU_OK);
    assert_int_equal(naru_sock_set(w->listener, NARU_OPT_TRANSPARENT, 1, w->lab.now), NARU_OK);
    assert_int_equal(naru_sock_bind(w->listener, &any), NARU_OK);
    assert_int_equal(naru_sock_listen(w->listener, 10, w->lab.now), NARU_OK);
    for (unsigned i = 0; i < HOSTS; i++)
        assert_true(naru_addr_parse(host_names[v6][i], &w->host[i]));
}

static void world_end(struct world *w)
{
    for (unsigned i = 0; i < HOSTS; i++) {
        if (w->client[i] != NULL)
            naru_sock_abort(w->client[i], w->lab.now);
        if (w->server[i] != NULL)
            naru_sock_abort(w->server[i], w->lab.now);
    }
    naru_sock_close(w->listener, w->lab.now);
    lab_end(&w->lab);
}

/* A connection from stack 0 to that host of the world. */
static struct naru_sock_tcp *reach(struct world *w, unsigned i)
{
    struct naru_endpoint to = { .addr = w->host[i], .port = 443 };
    assert_int_equal(naru_sock_new(w->lab.stack[0], w->family, NARU_SOCK_STREAM, &w->client[i]),
                     NARU_OK);
    assert_int_equal(naru_sock_connect(w->client[i], &to, w->lab.now), NARU_ERR_INPROGRESS);
    w->server[i] = lab_accept(&w->lab, w->listener);
    assert_non_null(w->server[i]);
    return naru_sock_tcp_of(w->client[i]);
}

static void talk(struct world *w, unsigned i)
{
    assert_true(lab_transfer(&w->lab, w->client[i], w->server[i], 5000, w->lab.now + NARU_SEC(20)));
    naru_stack_check(w->lab.stack[0]);
    naru_stack_check(w->lab.stack[1]);
}

static uint32_t paths(const struct world *w)
{
    const struct naru_stack *stack = w->lab.stack[0];
    assert_int_equal(naru_table_count(&stack->paths), stack->path_pool.count);
    return stack->path_pool.count;
}

static uint32_t refs(const struct naru_sock_tcp *st)
{
    return NARU_CONTAINER_OF(st->path, struct naru_shared_path, path)->refs;
}

static void one_gateway_one_path(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct world w;
        world_begin(&w, families[f]);
        const struct naru_sock_tcp *a = reach(&w, 0), *b = reach(&w, 1);
        assert_ptr_equal(a->path, b->path);
        assert_int_equal(refs(a), 3); /* and the stack, for the next */
        assert_int_equal(paths(&w), 1);
        assert_true(naru_neigh_ref_good(&b->path->neigh));
        talk(&w, 0);
        talk(&w, 1);
        assert_ptr_equal(a->path, b->path);
        world_end(&w);
    }
}

/* The neighbour itself is reached in the same way as what is behind it; another one is not. */
static void neighbours_have_their_own(void **state)
{
    (void)state;
    struct world w;
    struct naru_endpoint near = { .port = 443 };
    struct naru_sock *sock;
    world_begin(&w, NARU_IPV4);
    const struct naru_sock_tcp *a = reach(&w, 0);
    near.addr = w.lab.v4[1];
    assert_int_equal(naru_sock_new(w.lab.stack[0], NARU_IPV4, NARU_SOCK_STREAM, &sock), NARU_OK);
    assert_int_equal(naru_sock_connect(sock, &near, w.lab.now), NARU_ERR_INPROGRESS);
    assert_ptr_equal(naru_sock_tcp_of(sock)->path, a->path);
    naru_sock_abort(sock, w.lab.now);
    near.addr = naru_addr_v4(0x0a000063);
    assert_int_equal(naru_sock_new(w.lab.stack[0], NARU_IPV4, NARU_SOCK_STREAM, &sock), NARU_OK);
    assert_int_equal(naru_sock_connect(sock, &near, w.lab.now), NARU_ERR_INPROGRESS);
    assert_ptr_not_equal(naru_sock_tcp_of(sock)->path, a->path);
    assert_int_equal(paths(&w), 2);
    naru_sock_abort(sock, w.lab.now);
    world_end(&w);
}

/* All look again; the new path is that of those whom the new route concerns, the old one goes. */
static void a_route_moves_whom_it_concerns(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct world w;
        world_begin(&w, families[f]);
        bool v6 = f == 1;
        struct naru_addr other = v6 ? w.lab.v6[1] : w.lab.v4[1];
        static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 2 }; /* of stack 1, under another name */
        other.b[15] = 0x77;
        const struct naru_sock_tcp *st[HOSTS] = { reach(&w, 0), reach(&w, 1), reach(&w, 2) };
        const struct naru_path *old = st[0]->path;
        assert_int_equal(refs(st[0]), 4);
        struct naru_route route = {
            .prefix = w.host[1], .prefix_len = v6 ? 48 : 24, .has_gateway = true, .gateway = other
        };
        assert_int_equal(naru_neigh_add(w.lab.stack[0], w.lab.ifindex[0], &other, mac, w.lab.now),
                         NARU_OK);
        assert_int_equal(naru_route_add(w.lab.stack[0], &route), NARU_OK);
        for (unsigned i = 1; i < HOSTS; i++)
            talk(&w, i);
        assert_ptr_equal(st[0]->path, old); /* it has not spoken yet */
        assert_int_equal(refs(st[0]), 1);
        assert_int_equal(paths(&w), 2);
        talk(&w, 0);
        assert_int_equal(paths(&w), 2);
        assert_ptr_equal(st[1]->path, st[2]->path);
        assert_ptr_not_equal(st[0]->path, st[1]->path);
        assert_memory_equal(&st[0]->path->next_hop, v6 ? &w.lab.v6[1] : &w.lab.v4[1], 16);
        assert_memory_equal(&st[1]->path->next_hop, &other, 16);
        world_end(&w);
    }
}

static uint32_t pmtu_of(const struct naru_sock *sock, naru_time now)
{
    struct naru_tcp_info info;
    assert_int_equal(naru_sock_tcp_info(sock, &info, now), NARU_OK);
    return info.pmtu;
}

static void one_small_mtu_is_one_connections(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct world w;
        world_begin(&w, families[f]);
        struct naru_stack *stack = w.lab.stack[0];
        const struct naru_sock_tcp *st[HOSTS] = { reach(&w, 0), reach(&w, 1), reach(&w, 2) };
        assert_true(naru_pmtu_too_big(&stack->pmtu, &w.host[1], 1300, 1500, 1500, w.lab.now));
        for (unsigned i = 0; i < HOSTS; i++)
            talk(&w, i);
        assert_int_equal(pmtu_of(w.client[0], w.lab.now), 1500);
        assert_int_equal(pmtu_of(w.client[1], w.lab.now), 1300);
        assert_int_equal(pmtu_of(w.client[2], w.lab.now), 1500);
        assert_ptr_equal(st[0]->path, st[2]->path);
        assert_memory_equal(&st[0]->path->next_hop, &st[1]->path->next_hop, 16);
        assert_int_equal(paths(&w), 2);
        world_end(&w);
    }
}

static void the_last_takes_it_along(void **state)
{
    (void)state;
    struct world w;
    struct naru_addr near = naru_addr_v4(0x0a000063);
    world_begin(&w, NARU_IPV4);
    const struct naru_sock_tcp *last = reach(&w, 0);
    for (unsigned i = 1; i < HOSTS; i++) {
        (void)reach(&w, i);
        naru_sock_abort(w.client[i], w.lab.now);
        w.client[i] = NULL;
    }
    lab_run(&w.lab, w.lab.now + NARU_SEC(1)); /* the resets are out */
    assert_int_equal(refs(last), 2);
    (void)naru_path_to(w.lab.stack[0], &near, 0); /* the stack goes elsewhere */
    assert_int_equal(refs(last), 1);
    naru_sock_abort(w.client[0], w.lab.now);
    w.client[0] = NULL;
    lab_run(&w.lab, w.lab.now + NARU_SEC(1));
    (void)naru_path_to(w.lab.stack[0], &near, 0);
    assert_int_equal(paths(&w), 0);
    world_end(&w);
}

/* A route that goes away takes the path along, and one that comes gives a new one. */
static void no_route_no_path(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w, NARU_IPV4);
    struct naru_stack *stack = w.lab.stack[0];
    const struct naru_sock_tcp *a = reach(&w, 0);
    struct naru_route route = { .prefix = naru_addr_v4(0),
                                .has_gateway = true,
                                .gateway = w.lab.v4[1] };
    assert_int_equal(naru_route_remove(stack, &route), NARU_OK);
    const struct naru_slice slice = { "x", 1 };
    assert_int_equal(naru_sock_send(w.client[0], &slice, 1, 0, NULL, w.lab.now), 1);
    lab_run(&w.lab, w.lab.now + NARU_SEC(1));
    assert_ptr_equal(a->path, &stack->no_path);
    assert_int_equal(naru_route_add(stack, &route), NARU_OK);
    lab_run(&w.lab, w.lab.now + NARU_SEC(10));
    assert_ptr_not_equal(a->path, &stack->no_path);
    assert_int_equal(naru_tcp_unread(&naru_sock_tcp_of(w.server[0])->tcp), 1);
    world_end(&w);
}

/* Without memory for a path connections look their way up each time, and lose nothing. */
static void without_memory_it_goes_on(void **state)
{
    (void)state;
    for (int f = 0; f < 2; f++) {
        struct world w;
        world_begin(&w, families[f]);
        struct naru_stack *stack = w.lab.stack[0];
        uint32_t max = stack->path_pool.count_max;
        stack->path_pool.count_max = 0;
        const struct naru_sock_tcp *a = reach(&w, 0), *b = reach(&w, 1);
        for (unsigned i = 0; i < 2; i++)
            talk(&w, i);
        assert_ptr_equal(a->path, &stack->no_path);
        assert_int_equal(paths(&w), 0);
        assert_int_equal(w.lab.stack[0]->tcp.counters.retransmits, 0);
        stack->path_pool.count_max = max;
        for (unsigned i = 0; i < 2; i++)
            talk(&w, i);
        assert_ptr_not_equal(a->path, &stack->no_path);
        assert_ptr_equal(a->path, b->path);
        world_end(&w);
    }
}

/* A SYN from where no route leads is answered with an error: there is none to send it by. */
static void an_error_without_a_way_back(void **state)
{
    (void)state;
    struct world w;
    uint8_t frame[CRAFT_MAX];
    world_begin(&w, NARU_IPV4);
    assert_int_equal(naru_sock_set(w.listener, NARU_OPT_DEFER_ANSWER, 1, w.lab.now), NARU_OK);
    struct craft_ends ends = from_hand(&w.lab, NARU_IPV4);
    ends.src = naru_addr_v4(0xcb007109);
    ends.dst = w.host[0];
    struct craft_segment syn = {
        .sport = 1000, .dport = 443, .flags = CRAFT_SYN, .seq = 1, .window = 1000
    };
    lab_inject(&w.lab, 1, frame, craft_tcp(frame, &ends, &syn));
    struct naru_sock *server = lab_accept(&w.lab, w.listener);
    assert_non_null(server);
    assert_int_equal(naru_sock_answer(server, NARU_ANSWER_NET_UNREACHABLE, w.lab.now), NARU_OK);
    assert_int_equal(answers(&w.lab), 0);
    naru_sock_close(server, w.lab.now);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_gateway_one_path),
        cmocka_unit_test(neighbours_have_their_own),
        cmocka_unit_test(a_route_moves_whom_it_concerns),
        cmocka_unit_test(one_small_mtu_is_one_connections),
        cmocka_unit_test(the_last_takes_it_along),
        cmocka_unit_test(no_route_no_path),
        cmocka_unit_test(without_memory_it_goes_on),
        cmocka_unit_test(an_error_without_a_way_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
