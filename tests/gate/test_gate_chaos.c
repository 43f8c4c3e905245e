/*
 * Many connections whose two ends do anything: write and read in pieces of any size, pause, end
 * first or last, reset in the middle.
 *
 * What must hold: a connection whose ends both close properly carries every byte each way and ends
 * at both; whatever else happens, no byte is wrong, nobody waits for ever, and the gateway has no
 * flow left.  The choices come from a seed; the kernel's timing does not.
 */
#include "gate_lab.h"

#include "base/rand.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAIRS   48
#define LEN_MAX 400000
#define PIECE   60000

/* One end of a connection. */
struct side {
    bool resets;       /* somewhere on its way, instead of ending */
    uint64_t reset_at; /* bytes sent */
    uint64_t len;      /* to be sent */
    uint64_t sent, received;
    bool ended;  /* its end was sent */
    bool closed; /* it is gone */
    bool saw_end, saw_error;
};

struct pair {
    struct naru_sock *guest;
    int host; /* -1: not accepted yet */
    bool connected;
    struct side g, h;
};

struct chaos {
    struct gate_lab lab;
    struct naru_rand rand;
    int listener;
    struct naru_endpoint to;
    struct pair pair[PAIRS];
    uint8_t data[PIECE];
};

static void plan(struct chaos *c, struct side *s)
{
    static const uint32_t scale[] = { 1, 100, 20000, LEN_MAX };

    s->len = naru_rand_below(&c->rand, scale[naru_rand_below(&c->rand, 4)]);
    s->resets = naru_rand_below(&c->rand, 5) == 0;
    s->reset_at = s->len == 0 ? 0 : naru_rand_below(&c->rand, (uint32_t)s->len);
}

/* How much to move now; often nothing. */
static size_t some(struct chaos *c)
{
    if (naru_rand_below(&c->rand, 3) == 0)
        return 0;
    return 1 + naru_rand_below(&c->rand, naru_rand_below(&c->rand, 2) == 0 ? 100 : PIECE - 1);
}

static void check(struct chaos *c, struct side *s, int64_t len, uint64_t salt)
{
    if (pattern_check(c->data, (size_t)len, s->received + salt) != (size_t)len)
        fail_msg("a wrong byte after %llu", (unsigned long long)s->received);
    s->received += (uint64_t)len;
}

static size_t next_piece(struct chaos *c, const struct side *s, uint64_t salt)
{
    size_t len = some(c);

    if (len > s->len - s->sent)
        len = (size_t)(s->len - s->sent);
    pattern_fill(c->data, len, s->sent + salt);
    return len;
}

/* Both directions were ended properly, or one side is gone. */
static bool is_over(const struct side *s) { return s->saw_error || (s->ended && s->saw_end); }

/* ---- The guest's end ---- */

static void guest_write(struct chaos *c, struct pair *p)
{
    naru_time now = naru_loop_now(c->lab.loop);
    struct naru_slice slice = { .at = c->data, .len = next_piece(c, &p->g, 0) };

    if (slice.len > 0) {
        int64_t n = naru_sock_send(p->guest, &slice, 1, 0, NULL, now);
        if (n > 0)
            p->g.sent += (uint64_t)n;
        else if (n != NARU_ERR_AGAIN)
            p->g.saw_error = true;
    }
    if (p->g.sent == p->g.len && !p->g.ended && !p->g.saw_error) {
        p->g.saw_error = naru_sock_shutdown(p->guest, NARU_SHUTDOWN_WRITE, now) != NARU_OK;
        p->g.ended = true;
    }
}

static void guest_read(struct chaos *c, struct pair *p)
{
    struct naru_room room = { .at = c->data, .len = some(c) };
    int64_t n;

    if (room.len == 0 || p->g.saw_end)
        return;
    n = naru_sock_recv(p->guest, &room, 1, 0, NULL, naru_loop_now(c->lab.loop));
    if (n > 0)
        check(c, &p->g, n, 7777);
    else if (n == 0)
        p->g.saw_end = true;
    else if (n != NARU_ERR_AGAIN)
        p->g.saw_error = true;
}

static void guest_step_random(struct chaos *c, struct pair *p)
{
    naru_time now = naru_loop_now(c->lab.loop);

    if (p->g.closed)
        return;
    p->g.saw_error = p->g.saw_error || (naru_sock_ready(p->guest) & NARU_READY_ERROR) != 0;
    if (!p->connected && !p->g.saw_error) {
        p->connected = (naru_sock_ready(p->guest) & NARU_READY_WRITE) != 0;
        return;
    }
    if (p->g.resets && p->g.sent >= p->g.reset_at) {
        naru_sock_abort(p->guest, now);
        p->g.closed = true;
        return;
    }
    if (!p->g.saw_error)
        guest_write(c, p);
    if (!p->g.saw_error)
        guest_read(c, p);
    if (is_over(&p->g)) {
        naru_sock_close(p->guest, now);
        p->g.closed = true;
    }
}

/* ---- The host's end ---- */

static void host_write(struct chaos *c, struct pair *p)
{
    size_t len = next_piece(c, &p->h, 7777);

    if (len > 0) {
        ssize_t n = send(p->host, c->data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0)
            p->h.sent += (uint64_t)n;
        else if (errno != EAGAIN)
            p->h.saw_error = true;
    }
    if (p->h.sent == p->h.len && !p->h.ended && !p->h.saw_error) {
        p->h.saw_error = shutdown(p->host, SHUT_WR) < 0;
        p->h.ended = true;
    }
}

static void host_read(struct chaos *c, struct pair *p)
{
    size_t len = some(c);
    ssize_t n;

    if (len == 0 || p->h.saw_end)
        return;
    n = recv(p->host, c->data, len, MSG_DONTWAIT);
    if (n > 0)
        check(c, &p->h, n, 0);
    else if (n == 0)
        p->h.saw_end = true;
    else if (errno != EAGAIN)
        p->h.saw_error = true;
}

static void host_close(struct pair *p, bool reset)
{
    struct linger linger = { .l_onoff = reset };

    if (reset)
        setsockopt(p->host, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(p->host);
    p->h.closed = true;
}

static void host_step_random(struct chaos *c, struct pair *p)
{
    int error = 0;
    socklen_t error_len = sizeof(error);

    if (p->h.closed)
        return;
    if (p->host < 0) {
        p->host = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        return;
    }
    getsockopt(p->host, SOL_SOCKET, SO_ERROR, &error, &error_len);
    if (p->h.resets && p->h.sent >= p->h.reset_at) {
        host_close(p, true);
        return;
    }
    if (error != 0)
        p->h.saw_error = true;
    if (!p->h.saw_error)
        host_write(c, p);
    if (!p->h.saw_error)
        host_read(c, p);
    if (is_over(&p->h))
        host_close(p, false);
}

/* ---- All together ---- */

/* One connection at a time is opened, so that the two ends of a pair belong together. */
static void open_pair(struct chaos *c, struct pair *p)
{
    plan(c, &p->g);
    plan(c, &p->h);
    p->guest = guest_socket(&c->lab, c->to.addr.b[0] == 0 ? 4 : 6, NARU_SOCK_STREAM);
    assert_int_equal(naru_sock_connect(p->guest, &c->to, naru_loop_now(c->lab.loop)),
                     NARU_ERR_INPROGRESS);
    while (p->host < 0) {
        lab_turn(&c->lab);
        p->host = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    }
}

static void check_pair(const struct pair *p)
{
    if (p->g.resets || p->h.resets)
        return;
    assert_false(p->g.saw_error);
    assert_false(p->h.saw_error);
    assert_int_equal(p->h.received, p->g.len);
    assert_int_equal(p->g.received, p->h.len);
}

/* True when something is still open. */
static bool step_all(struct chaos *c)
{
    bool open = false;

    for (unsigned i = 0; i < PAIRS; i++) {
        struct pair *p = &c->pair[i];
        if (naru_rand_below(&c->rand, 4) != 0)
            guest_step_random(c, p);
        if (naru_rand_below(&c->rand, 4) != 0)
            host_step_random(c, p);
        open = open || !p->g.closed || !p->h.closed;
    }
    return open;
}

static void run_seed(uint64_t seed)
{
    struct chaos *c = calloc(1, sizeof(*c));
    uint16_t port;
    int family = seed % 2 == 0 ? 4 : 6;

    print_message("# seed %llu\n", (unsigned long long)seed);
    naru_rand_init_u64(&c->rand, seed);
    lab_open(&c->lab, NULL);
    c->listener = host_bound(family, SOCK_STREAM, &port);
    assert_int_equal(fcntl(c->listener, F_SETFL, O_NONBLOCK), 0);
    c->to = lab_gateway(family, port);
    for (unsigned i = 0; i < PAIRS; i++) {
        c->pair[i].host = -1;
        open_pair(c, &c->pair[i]);
    }
    lab_patience(&c->lab);
    while (step_all(c)) {
        lab_poll(&c->lab);
        if (naru_loop_now(c->lab.loop) > c->lab.give_up_at)
            fail_msg("a connection hangs, NARU_TEST_SEED=%llu", (unsigned long long)seed);
    }
    for (unsigned i = 0; i < PAIRS; i++)
        check_pair(&c->pair[i]);
    lab_patience(&c->lab);
    while (lab_stats(&c->lab).tcp_flows > 0)
        lab_turn(&c->lab);
    struct naru_gate_stats stats = lab_stats(&c->lab);
    assert_true(stats.tcp_bytes_out > 100000 && stats.tcp_bytes_in > 100000);
    close(c->listener);
    lab_close(&c->lab);
    free(c);
}

static void ends_that_do_anything(void **state)
{
    const char *one = getenv("NARU_TEST_SEED");
    (void)state;
    if (one != NULL) {
        run_seed(strtoull(one, NULL, 0));
        return;
    }
    for (uint64_t seed = 1; seed <= 6; seed++)
        run_seed(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(ends_that_do_anything) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
