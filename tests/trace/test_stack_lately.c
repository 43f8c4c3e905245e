/*
 * Flows that were used lately (stack->lately, stack/demux.c) are found without the table, as long
 * as they are in it and no longer; and only by their whole name.
 *
 * With another key for its hash nothing is found in the table any more: what then still arrives was
 * found without it.
 */
#include "lib/craft.h"
#include "lib/stack_lab.h"
#include "stack/check.h"
#include "stack/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { CONNECTIONS = 3 };

struct hosts {
    struct lab lab;
    struct naru_sock *client[CONNECTIONS], *server[CONNECTIONS];
};

static struct naru_flow *lately(const struct lab *lab, int n, const struct naru_tuple *tuple)
{
    return naru_flow_lately(lab->stack[n], tuple);
}

static bool listed(const struct lab *lab, int n, const struct naru_flow *flow)
{
    const struct naru_stack *stack = lab->stack[n];
    for (unsigned i = 0; i < NARU_ARRAY_LEN(stack->lately); i++)
        if (stack->lately[i].flow == flow)
            return true;
    return stack->last_flow == flow;
}

/* As if others had been used since. */
static void forget_all(struct lab *lab, int n)
{
    memset(lab->stack[n]->lately, 0, sizeof(lab->stack[n]->lately));
    lab->stack[n]->last_flow = NULL;
    for (unsigned i = 1; i <= lab->stack[n]->iface_count; i++)
        lab->stack[n]->ifaces[i]->last.flow = NULL;
}

static void turn_key(struct lab *lab, int n) { lab->stack[n]->flow_key.k[0] ^= 1; }

static void check(const struct lab *lab)
{
    naru_stack_check(lab->stack[0]);
    naru_stack_check(lab->stack[1]);
}

static void rest(struct lab *lab) { lab_run(lab, lab->now + NARU_MS(300)); }

static void say(const struct lab *lab, struct naru_sock *sock, char what)
{
    struct naru_slice slice = { (uint8_t *)&what, 1 };
    assert_int_equal(naru_sock_send(sock, &slice, 1, 0, NULL, lab->now), 1);
}

/* What came, or 0: nothing. */
static char heard(const struct lab *lab, struct naru_sock *sock)
{
    char what;
    struct naru_room room = { (uint8_t *)&what, 1 };
    return naru_sock_recv(sock, &room, 1, 0, NULL, lab->now) == 1 ? what : 0;
}

static void begin(struct hosts *h, bool quick, bool v6)
{
    struct lab_options options = { .seed = 3, .tune = quick ? NULL : lab_long_way };
    memset(h, 0, sizeof(*h));
    assert_true(lab_pair(&h->lab, &options));
    for (unsigned i = 0; i < CONNECTIONS; i++)
        assert_true(lab_established(&h->lab, v6 ? NARU_IPV6 : NARU_IPV4, (uint16_t)(80 + i),
                                    &h->client[i], &h->server[i]));
    rest(&h->lab);
}

static void end(struct hosts *h)
{
    check(&h->lab);
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        if (h->client[i] != NULL)
            naru_sock_abort(h->client[i], h->lab.now);
        if (h->server[i] != NULL)
            naru_sock_abort(h->server[i], h->lab.now);
    }
    check(&h->lab);
    lab_end(&h->lab);
}

/* ---- There ---- */

/* The answers to what was said find their connections, in whatever order they come. */
static void answers_are_expected(void **state)
{
    (void)state;
    static struct hosts h;
    for (unsigned i = 0; i < 4; i++) {
        begin(&h, i % 2 == 0, i / 2 != 0);
        forget_all(&h.lab, 0);
        for (unsigned k = 0; k < CONNECTIONS; k++)
            say(&h.lab, h.client[k], 'q');
        rest(&h.lab);
        forget_all(&h.lab, 0);
        for (unsigned k = 0; k < CONNECTIONS; k++) {
            assert_null(lately(&h.lab, 0, &h.client[k]->flow.tuple));
            uint8_t frame[CRAFT_MAX];
            say(&h.lab, h.client[k], 'r');
            assert_true(lab_take(&h.lab, 0, frame, sizeof(frame)) > 0); /* and it is lost */
        }
        for (unsigned k = 0; k < CONNECTIONS; k++)
            assert_ptr_equal(lately(&h.lab, 0, &h.client[k]->flow.tuple), &h.client[k]->flow);
        check(&h.lab);
        turn_key(&h.lab, 0);
        for (unsigned k = CONNECTIONS; k-- > 0;) {
            assert_int_equal(heard(&h.lab, h.server[k]), 'q');
            say(&h.lab, h.server[k], (char)('a' + k));
        }
        rest(&h.lab);
        turn_key(&h.lab, 0);
        for (unsigned k = 0; k < CONNECTIONS; k++)
            assert_int_equal(heard(&h.lab, h.client[k]), 'a' + k);
        end(&h);
    }
}

/* So does what follows something that came. */
static void more_of_the_same_is_expected(void **state)
{
    (void)state;
    static struct hosts h;
    for (unsigned i = 0; i < 4; i++) {
        begin(&h, i % 2 == 0, i / 2 != 0);
        forget_all(&h.lab, 1);
        for (unsigned k = 0; k < CONNECTIONS; k++) {
            uint8_t frame[CRAFT_MAX];
            say(&h.lab, h.client[k], 'q');
            lab_inject(&h.lab, 1, frame, lab_take(&h.lab, 0, frame, sizeof(frame)));
            assert_ptr_equal(lately(&h.lab, 1, &h.server[k]->flow.tuple), &h.server[k]->flow);
        }
        check(&h.lab);
        turn_key(&h.lab, 1);
        for (unsigned k = CONNECTIONS; k-- > 0;)
            say(&h.lab, h.client[k], (char)('a' + k));
        rest(&h.lab);
        turn_key(&h.lab, 1);
        for (unsigned k = 0; k < CONNECTIONS; k++) {
            assert_int_equal(heard(&h.lab, h.server[k]), 'q');
            assert_int_equal(heard(&h.lab, h.server[k]), 'a' + k);
        }
        end(&h);
    }
}

/* That is what the two above rest on: who was not used lately is found in the table, or not. */
static void others_are_in_the_table(void **state)
{
    (void)state;
    static struct hosts h;
    for (unsigned i = 0; i < 2; i++) {
        begin(&h, true, false);
        forget_all(&h.lab, 1);
        if (i == 1)
            turn_key(&h.lab, 1);
        say(&h.lab, h.client[0], 'q');
        rest(&h.lab);
        assert_int_equal(heard(&h.lab, h.server[0]), i == 0 ? 'q' : 0);
        if (i == 1)
            turn_key(&h.lab, 1);
        end(&h);
    }
}

/* A connected socket of datagrams, as long as it is connected. */
static void datagrams_are_expected(void **state)
{
    (void)state;
    struct lab lab = { 0 };
    struct lab_options options = { .seed = 3 };
    assert_true(lab_pair(&lab, &options));
    struct naru_sock *a = lab_udp(&lab, 0, NARU_IPV4, 1000), *b = lab_udp(&lab, 1, NARU_IPV4, 2000);
    struct naru_endpoint to = { .addr = lab.v4[1], .port = 2000 };
    struct naru_endpoint back = { .addr = lab.v4[0], .port = 1000 };
    assert_int_equal(naru_sock_connect(a, &to, lab.now), NARU_OK);
    assert_int_equal(naru_sock_connect(b, &back, lab.now), NARU_OK);
    for (unsigned i = 0; i < 2; i++) { /* the first waits for a neighbour */
        say(&lab, a, 'q');
        rest(&lab);
    }
    forget_all(&lab, 0);
    forget_all(&lab, 1);
    say(&lab, a, 'r');
    assert_ptr_equal(lately(&lab, 0, &a->flow.tuple), &a->flow);
    rest(&lab);
    assert_ptr_equal(lately(&lab, 1, &b->flow.tuple), &b->flow);
    say(&lab, b, 'a');
    turn_key(&lab, 0);
    rest(&lab);
    turn_key(&lab, 0);
    assert_int_equal(heard(&lab, a), 'a');
    check(&lab);
    assert_int_equal(naru_sock_connect(a, NULL, lab.now), NARU_OK);
    assert_false(listed(&lab, 0, &a->flow));
    naru_sock_close(b, lab.now);
    assert_false(listed(&lab, 1, &b->flow));
    check(&lab);
    naru_sock_close(a, lab.now);
    lab_end(&lab);
}

/* ---- Gone ---- */

enum ending { ABORT, RESET_BY_PEER, CLOSED_BY_PEER, TIME_WAIT, ENDINGS };

/* Connection 0 of stack 0 ends so. */
static void finish(struct hosts *h, enum ending how)
{
    struct naru_sock **first = how == ABORT || how == TIME_WAIT ? h->client : h->server;
    struct naru_sock **second = first == h->client ? h->server : h->client;
    if (how == ABORT || how == RESET_BY_PEER)
        naru_sock_abort(*first, h->lab.now);
    else
        naru_sock_close(*first, h->lab.now);
    *first = NULL;
    rest(&h->lab);
    check(&h->lab);
    naru_sock_close(*second, h->lab.now);
    *second = NULL;
    rest(&h->lab);
}

static void whoever_ends_is_gone(void **state)
{
    (void)state;
    static struct hosts h;
    for (enum ending how = ABORT; how < ENDINGS; how++) {
        begin(&h, true, false);
        const struct naru_flow *flow = &h.client[0]->flow;
        struct naru_tuple tuple = flow->tuple;
        say(&h.lab, h.client[0], 'q');
        rest(&h.lab);
        (void)heard(&h.lab, h.server[0]);
        assert_true(listed(&h.lab, 0, flow));
        finish(&h, how);
        assert_false(listed(&h.lab, 0, flow));
        check(&h.lab);
        struct naru_flow *now = lately(&h.lab, 0, &tuple);
        assert_true(now == NULL || (how == TIME_WAIT && now->kind == FLOW_TIME_WAIT));
        lab_run(&h.lab, h.lab.now + NARU_SEC(300));
        assert_null(lately(&h.lab, 0, &tuple));
        assert_true(now == NULL || !listed(&h.lab, 0, now));
        end(&h);
    }
}

/* A record of TIME-WAIT that is spoken to stands there, too, and gives way to a new connection. */
static void a_name_that_rests(void **state)
{
    (void)state;
    static struct hosts h;
    uint8_t frame[CRAFT_MAX], answer[CRAFT_MAX];
    begin(&h, true, false);
    struct naru_tuple tuple = h.client[0]->flow.tuple;
    naru_sock_close(h.client[0], h.lab.now);
    h.client[0] = NULL;
    rest(&h.lab);
    naru_sock_close(h.server[0], h.lab.now);
    h.server[0] = NULL;
    size_t len = lab_take(&h.lab, 1, frame, sizeof(frame)); /* its FIN */
    for (unsigned i = 0; i < 2; i++) {
        assert_true(len > 0);
        lab_inject(&h.lab, 0, frame, len);
        assert_true(lab_take(&h.lab, 0, answer, sizeof(answer)) > 0);
        assert_int_equal(lately(&h.lab, 0, &tuple) != NULL, i == 1);
    }
    const struct naru_flow *record = lately(&h.lab, 0, &tuple);
    assert_non_null(record);
    assert_int_equal(record->kind, FLOW_TIME_WAIT);
    check(&h.lab);
    struct naru_tcp_tw old;
    naru_time_wait_take(h.lab.stack[0], naru_flow_lately(h.lab.stack[0], &tuple), &old);
    assert_false(listed(&h.lab, 0, record));
    assert_null(lately(&h.lab, 0, &tuple));
    end(&h);
}

/* Another connection in the memory of one that is gone: what comes for the dead is not for it. */
static void memory_is_used_again(void **state)
{
    (void)state;
    static struct hosts h;
    uint8_t frame[CRAFT_MAX], late[CRAFT_MAX];
    begin(&h, true, false);
    const struct naru_sock *before = h.client[0];
    struct naru_tuple tuple = before->flow.tuple;
    say(&h.lab, h.server[0], 'l');
    size_t late_len = lab_take(&h.lab, 1, late, sizeof(late));
    assert_true(late_len > 0);
    say(&h.lab, h.client[0], 'q');
    assert_true(lab_take(&h.lab, 0, frame, sizeof(frame)) > 0);
    naru_sock_abort(h.client[0], h.lab.now);
    naru_sock_abort(h.server[0], h.lab.now);
    rest(&h.lab);
    assert_true(lab_established(&h.lab, NARU_IPV4, 99, &h.client[0], &h.server[0]));
    assert_ptr_equal(h.client[0], before);
    say(&h.lab, h.client[0], 'q');
    rest(&h.lab);
    assert_null(lately(&h.lab, 0, &tuple));
    lab_inject(&h.lab, 0, late, late_len);
    assert_int_equal(heard(&h.lab, h.client[0]), 0);
    struct craft_heard answer;
    assert_true(craft_heard(frame, lab_take(&h.lab, 0, frame, sizeof(frame)), &answer));
    assert_int_equal(answer.flags & CRAFT_RST, CRAFT_RST);
    assert_int_equal(answer.sport, tuple.local_port);
    assert_int_equal(lab_state(h.client[0]), NARU_TCP_ESTABLISHED);
    end(&h);
}

/* ---- Alike ---- */

/*
 * Two names of stack 0's with the same tag.  The tag's multiplier is the golden ratio, and a
 * Fibonacci number times that is nearly a whole one: 2971215073 brings a name to about where it
 * was.
 */
static void find_alike(const struct lab *lab, struct naru_tuple pair[2])
{
    const uint16_t apart[2] = { 2971215073u & 0xffff, 2971215073u >> 16 };
    for (unsigned i = 0; i < 20000; i++) {
        unsigned big_endian = i % 2;
        pair[0] = pair[1] = (struct naru_tuple){ .local = lab->v4[0],
                                                 .remote = lab->v4[1],
                                                 .local_port = (uint16_t)(2000 + i / 2),
                                                 .remote_port = 500,
                                                 .proto = NARU_PROTO_TCP };
        pair[1].local_port = (uint16_t)(pair[1].local_port + apart[big_endian]);
        pair[1].remote_port = (uint16_t)(pair[1].remote_port + apart[!big_endian]);
        if (naru_flow_tag(&pair[0]) == naru_flow_tag(&pair[1]))
            return;
    }
    fail_msg("no two names are alike");
}

static void connect_by_name(struct lab *lab, const struct naru_tuple *t, struct naru_sock **client,
                            struct naru_sock **server)
{
    struct naru_sock *listener = lab_listen(lab, 1, NARU_IPV4, t->remote_port);
    struct naru_endpoint local = { .addr = t->local, .port = t->local_port };
    struct naru_endpoint remote = { .addr = t->remote, .port = t->remote_port };
    assert_int_equal(naru_sock_new(lab->stack[0], NARU_IPV4, NARU_SOCK_STREAM, client), NARU_OK);
    assert_int_equal(naru_sock_bind(*client, &local), NARU_OK);
    assert_int_equal(naru_sock_connect(*client, &remote, lab->now), NARU_ERR_INPROGRESS);
    *server = lab_accept(lab, listener);
    assert_non_null(*server);
    naru_sock_close(listener, lab->now);
    rest(lab);
}

/* Each takes the other's place, and each still gets its own. */
static void the_same_tag(void **state)
{
    (void)state;
    static struct hosts h;
    struct naru_tuple pair[2];
    begin(&h, true, false);
    find_alike(&h.lab, pair);
    for (unsigned i = 0; i < 2; i++) {
        naru_sock_abort(h.client[i], h.lab.now);
        naru_sock_abort(h.server[i], h.lab.now);
        connect_by_name(&h.lab, &pair[i], &h.client[i], &h.server[i]);
    }
    for (unsigned i = 0; i < 50; i++) {
        unsigned k = i % 3 == 0 ? 1 : 0;
        say(&h.lab, h.client[k], (char)('a' + k));
        say(&h.lab, h.client[!k], (char)('a' + !k));
        rest(&h.lab);
        assert_ptr_equal(naru_flow_guess(h.lab.stack[0], &pair[0]),
                         naru_flow_guess(h.lab.stack[0], &pair[1]));
        check(&h.lab);
        for (unsigned n = 0; n < 2; n++) {
            assert_int_equal(heard(&h.lab, h.server[n]), 'a' + n);
            say(&h.lab, h.server[n], (char)('A' + n));
        }
        rest(&h.lab);
        for (unsigned n = 0; n < 2; n++)
            assert_int_equal(heard(&h.lab, h.client[n]), 'A' + n);
        for (unsigned n = 0; n < 2; n++) {
            const struct naru_flow *flow = lately(&h.lab, 0, &pair[n]);
            assert_true(flow == NULL || flow == &h.client[n]->flow);
        }
    }
    /* When one goes, the other stays if it has the place. */
    say(&h.lab, h.client[1], 'x');
    rest(&h.lab);
    naru_sock_abort(h.client[0], h.lab.now);
    h.client[0] = NULL;
    assert_ptr_equal(lately(&h.lab, 0, &pair[1]), &h.client[1]->flow);
    end(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_expected),    cmocka_unit_test(more_of_the_same_is_expected),
        cmocka_unit_test(others_are_in_the_table), cmocka_unit_test(datagrams_are_expected),
        cmocka_unit_test(whoever_ends_is_gone),    cmocka_unit_test(a_name_that_rests),
        cmocka_unit_test(memory_is_used_again),    cmocka_unit_test(the_same_tag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
