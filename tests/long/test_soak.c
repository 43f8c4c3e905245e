/*
 * Hours of virtual time on one pair of stacks: connections come and go, by every kind of end, over
 * a wire that loses some, while datagrams are sent to hosts that are not there.  Speed and memory
 * stay level: what is slow to leak, or to slow down, shows in no short test.
 */
#include "lib/stack_lab.h"

#include "stack/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum {
    SLOTS = 8,
    STEP_MS = 20,
    BIN_S = 600, /* what is compared */
    BINS = 36,   /* six hours */
    WARM = 6,    /* the first of them make caches and TIME-WAIT what they will be */
    CHUNK = 16384,
    PORT = 80,
};

enum ending { CLOSE, HALF_CLOSE, ABORT, SERVER_ABORTS, CLOSE_UNREAD, ENDINGS };

struct slot {
    struct naru_sock *client, *server;
    enum ending ending;
    uint32_t left;       /* bytes to send */
    naru_time begins_at; /* the next one */
    bool client_said_all;
};

struct soak {
    struct lab lab;
    struct naru_sock *listener[2];
    struct naru_sock *probe; /* datagrams to nobody */
    struct slot slot[SLOTS];
    uint32_t random;
    uint64_t delivered, ended;
    struct {
        uint64_t delivered, ended;
        uint64_t most; /* memory of both stacks */
        uint64_t kept; /* of it, when caches had been given back */
    } bin[BINS];
};

static uint32_t draw(struct soak *k, uint32_t below)
{
    k->random = k->random * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(k->random >> 8) * below >> 24);
}

static const enum naru_family families[2] = { NARU_IPV4, NARU_IPV6 };

static void begin(struct soak *k, struct slot *s)
{
    s->client = lab_connect(&k->lab, 0, 1, families[draw(k, 2)], PORT);
    s->server = NULL;
    s->ending = (enum ending)draw(k, ENDINGS);
    s->left = 1 + draw(k, draw(k, 10) == 0 ? 1u << 20 : 1u << 17);
    if (s->ending == CLOSE_UNREAD)
        s->left = 1 + draw(k, 50000); /* as much as fits into the buffers */
    s->client_said_all = false;
    assert_non_null(s->client);
    naru_sock_set_user(s->client, s);
}

static void end(struct soak *k, struct slot *s, bool abortive)
{
    if (abortive)
        naru_sock_abort(s->client, k->lab.now);
    else
        naru_sock_close(s->client, k->lab.now);
    if (s->server != NULL)
        naru_sock_close(s->server, k->lab.now);
    s->client = s->server = NULL;
    s->begins_at = k->lab.now + NARU_MS(draw(k, 2000));
    k->ended++;
}

/* Whose client has that name. */
static struct slot *slot_of(struct soak *k, struct naru_sock *server)
{
    struct naru_endpoint remote, local;
    if (naru_sock_remote(server, &remote) != NARU_OK)
        return NULL; /* reset meanwhile */
    for (unsigned n = 0; n < SLOTS; n++) {
        if (k->slot[n].client == NULL)
            continue;
        naru_sock_local(k->slot[n].client, &local);
        if (local.port == remote.port && memcmp(&local.addr, &remote.addr, 16) == 0)
            return &k->slot[n];
    }
    return NULL;
}

static void accept_all(struct soak *k)
{
    for (unsigned f = 0; f < 2; f++) {
        struct naru_sock *server;
        while (naru_sock_accept(k->listener[f], &server, k->lab.now) == NARU_OK) {
            struct slot *s = slot_of(k, server);
            if (s == NULL || s->server != NULL)
                naru_sock_close(server, k->lab.now); /* its client is gone already */
            else
                s->server = server;
        }
    }
}

static void say(struct soak *k, struct slot *s)
{
    static const uint8_t data[CHUNK];
    while (s->left > 0) {
        struct naru_slice slice = { data, s->left < CHUNK ? s->left : CHUNK };
        int64_t n = naru_sock_send(s->client, &slice, 1, 0, NULL, k->lab.now);
        if (n <= 0)
            return;
        s->left -= (uint32_t)n;
    }
    if (!s->client_said_all && s->ending == HALF_CLOSE)
        (void)naru_sock_shutdown(s->client, NARU_SHUTDOWN_WRITE, k->lab.now);
    s->client_said_all = true;
}

/* What is there; true at the end, however it came. */
static bool hear(struct soak *k, struct naru_sock *sock)
{
    static uint8_t buf[CHUNK];
    struct naru_room room = { buf, CHUNK };
    int64_t n;
    while ((n = naru_sock_recv(sock, &room, 1, 0, NULL, k->lab.now)) > 0)
        k->delivered += (uint64_t)n;
    return n != NARU_ERR_AGAIN;
}

static void go_on(struct soak *k, struct slot *s)
{
    int64_t error = 0, unsent = 0;
    if (s->client == NULL) {
        if (k->lab.now >= s->begins_at)
            begin(k, s);
        return;
    }
    (void)naru_sock_get(s->client, NARU_OPT_ERROR, &error);
    say(k, s);
    bool server_done = s->server != NULL && s->ending != CLOSE_UNREAD && hear(k, s->server);
    (void)naru_sock_get(s->client, NARU_OPT_UNSENT, &unsent);
    if (error != NARU_OK || server_done) {
        end(k, s, false);
    } else if (s->ending == ABORT && s->left == 0) {
        end(k, s, true);
    } else if (s->ending == SERVER_ABORTS && s->server != NULL && s->left == 0) {
        naru_sock_abort(s->server, k->lab.now);
        s->server = NULL;
        end(k, s, false);
    } else if (s->ending != HALF_CLOSE && s->client_said_all && s->server != NULL &&
               (unsent == 0 || s->ending == CLOSE_UNREAD)) {
        end(k, s, false);
    }
}

/* To a neighbour that is not there, another one each time, so that the caches turn over. */
static void lose_a_datagram(struct soak *k)
{
    struct naru_slice slice = { "?", 1 };
    struct naru_msg_info info = { .to = { .addr = k->lab.v4[1], .port = 9 } };
    info.to.addr.b[15] = (uint8_t)(10 + draw(k, 200));
    (void)naru_sock_send(k->probe, &slice, 1, 0, &info, k->lab.now);
}

static uint64_t memory_used(const struct soak *k)
{
    uint64_t used = 0;
    for (unsigned n = 0; n < 2; n++) {
        struct naru_stack_stats stats;
        naru_stack_get_stats(k->lab.stack[n], &stats);
        used += stats.memory_used;
    }
    return used;
}

static void measure(struct soak *k, unsigned bin, uint64_t *delivered, uint64_t *ended)
{
    k->bin[bin].most = NARU_MAX(k->bin[bin].most, memory_used(k));
    k->bin[bin].delivered += k->delivered - *delivered;
    k->bin[bin].ended += k->ended - *ended;
    *delivered = k->delivered;
    *ended = k->ended;
}

static void run(struct soak *k)
{
    uint64_t delivered = 0, ended = 0;
    for (unsigned bin = 0; bin < BINS; bin++) {
        for (unsigned step = 0; step < BIN_S * 1000 / STEP_MS; step++) {
            accept_all(k);
            for (unsigned n = 0; n < SLOTS; n++)
                go_on(k, &k->slot[n]);
            if (step % (1000 / STEP_MS) == 0) {
                lose_a_datagram(k);
                measure(k, bin, &delivered, &ended);
            }
            lab_run(&k->lab, k->lab.now + NARU_MS(STEP_MS));
        }
        for (unsigned n = 0; n < 2; n++)
            naru_stack_relieve(k->lab.stack[n]);
        k->bin[bin].kept = memory_used(k);
    }
}

static uint64_t least_kept(const struct soak *k, unsigned from, unsigned to)
{
    uint64_t least = UINT64_MAX;
    for (unsigned bin = from; bin < to; bin++)
        least = NARU_MIN(least, k->bin[bin].kept);
    return least;
}

/*
 * Each bin after the first ones is as fast as their middle, give or take a quarter.  What is kept
 * without caches, when little is under way, is in the last hour what it was in the second, and an
 * eighth; caches are as large as the largest burst was, so of them it is only asked that they are
 * no more than twice as much.
 */
static void level(const struct soak *k)
{
    uint64_t sum = 0, most = 0, kept = least_kept(k, WARM, 2 * WARM);
    for (unsigned bin = WARM; bin < BINS; bin++)
        sum += k->bin[bin].delivered;
    for (unsigned bin = WARM; bin < 2 * WARM; bin++)
        most = NARU_MAX(most, k->bin[bin].most);
    uint64_t middle = sum / (BINS - WARM);
    for (unsigned bin = 0; bin < BINS; bin++)
        print_message("# minute %3u: %4u MB, %5u connections, %u KB at most, %u kept\n",
                      bin * BIN_S / 60, (unsigned)(k->bin[bin].delivered >> 20),
                      (unsigned)k->bin[bin].ended, (unsigned)(k->bin[bin].most >> 10),
                      (unsigned)(k->bin[bin].kept >> 10));
    assert_true(middle > 10u << 20);
    for (unsigned bin = WARM; bin < BINS; bin++) {
        assert_in_range(k->bin[bin].delivered, middle * 3 / 4, middle * 5 / 4);
        assert_true(k->bin[bin].ended > 1000);
        assert_true(k->bin[bin].most <= 2 * most);
    }
    assert_true(least_kept(k, BINS - WARM, BINS) <= kept + kept / 8);
}

static void soak(const struct lab_options *options)
{
    static struct soak k;
    k = (struct soak){ .random = 7 };
    assert_true(lab_pair(&k.lab, options));
    for (unsigned f = 0; f < 2; f++)
        k.listener[f] = lab_listen(&k.lab, 1, families[f], PORT);
    k.probe = lab_udp(&k.lab, 0, NARU_IPV4, 0);
    run(&k);
    level(&k);
    for (unsigned n = 0; n < SLOTS; n++)
        if (k.slot[n].client != NULL)
            end(&k, &k.slot[n], true);
    naru_sock_close(k.listener[0], k.lab.now);
    naru_sock_close(k.listener[1], k.lab.now);
    naru_sock_close(k.probe, k.lab.now);
    lab_run(&k.lab, k.lab.now + NARU_SEC(200));
    for (unsigned n = 0; n < 2; n++) {
        struct naru_stack_stats stats;
        naru_stack_get_stats(k.lab.stack[n], &stats);
        assert_int_equal(stats.flows + stats.time_wait + stats.sockets, 0);
    }
    lab_end(&k.lab);
}

/* B-long-soak */
static void six_hours(void **state)
{
    (void)state;
    struct lab_options options = { .delay = NARU_MS(5), .loss_percent = 1 };
    soak(&options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(six_hours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
