/*
 * Trains (stack/train.c) are what would have gone out without them: the same walk by chance, with
 * and without the short way, gives the same frames at the same times, whatever is done between two
 * frames of a train.
 */
#include "lib/stack_lab.h"

#include "lab/digest.h"
#include "stack/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { WALKS = 60, STEPS = 400, CONNECTIONS = 2 };

struct walk {
    struct lab lab;
    struct naru_sock *client[CONNECTIONS], *server[CONNECTIONS], *udp;
    uint32_t random;
    uint64_t digest;
    unsigned frames, trains; /* trains: of stack 0, seen under way */
    bool v6;
};

static uint8_t bytes[1 << 17];

static uint32_t draw(struct walk *w, uint32_t below)
{
    w->random = w->random * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)w->random * below >> 32);
}

/* Up to max frames of one stack; some are lost. */
static void carry(struct walk *w, int from, unsigned max, bool lossy)
{
    uint8_t frame[2048];
    size_t len;
    while (max-- > 0 && (len = lab_take(&w->lab, from, frame, sizeof(frame))) > 0) {
        w->trains += from == 0 && w->lab.stack[0]->train != NULL;
        w->digest = naru_digest_frame(w->digest, w->lab.now, (unsigned)from, frame, len);
        w->frames++;
        if (!lossy || draw(w, 500) != 0)
            lab_inject(&w->lab, !from, frame, len);
    }
}

static void speak(struct walk *w, struct naru_sock *sock)
{
    struct naru_slice slice = { bytes, draw(w, 4) == 0 ? draw(w, 2000) : draw(w, sizeof(bytes)) };
    (void)naru_sock_send(sock, &slice, 1, draw(w, 8) == 0 ? NARU_MSG_MORE : 0, NULL, w->lab.now);
}

static void listen_to(struct walk *w, struct naru_sock *sock)
{
    static uint8_t sink[sizeof(bytes)];
    struct naru_room room = { sink, 1 + draw(w, sizeof(sink)) };
    (void)naru_sock_recv(sock, &room, 1, 0, NULL, w->lab.now);
}

static void set(struct walk *w, struct naru_sock *sock)
{
    static const enum naru_opt opts[] = { NARU_OPT_NODELAY, NARU_OPT_CORK, NARU_OPT_TOS,
                                          NARU_OPT_QUICKACK };
    enum naru_opt opt = opts[draw(w, 4)];
    int64_t value = draw(w, 2);
    assert_int_equal(naru_sock_set(sock, opt, opt == NARU_OPT_TOS ? 32 * value : value, w->lab.now),
                     NARU_OK);
}

/* A route that nobody takes, or another address of the peer's interface. */
static void shift(struct walk *w)
{
    struct naru_route route = { .prefix = w->lab.v4[1],
                                .prefix_len = 32,
                                .ifindex = (uint16_t)w->lab.ifindex[0] };
    uint8_t mac[6] = { 2, 0, 0, 0, 0, 2 };
    route.prefix.b[13] = 77;
    if (draw(w, 2) == 0) {
        if (naru_route_add(w->lab.stack[0], &route) != NARU_OK)
            (void)naru_route_remove(w->lab.stack[0], &route);
        return;
    }
    mac[3] = (uint8_t)draw(w, 2);
    (void)naru_neigh_add(w->lab.stack[0], w->lab.ifindex[0], w->v6 ? &w->lab.v6[1] : &w->lab.v4[1],
                         mac, w->lab.now);
}

static void datagram(struct walk *w)
{
    struct naru_slice slice = { bytes, 1 + draw(w, 3000) };
    struct naru_msg_info info = { .to = { .addr = w->v6 ? w->lab.v6[1] : w->lab.v4[1],
                                          .port = 53 } };
    (void)naru_sock_send(w->udp, &slice, 1, 0, &info, w->lab.now);
}

static void step(struct walk *w)
{
    unsigned n = draw(w, 4) == 0; /* mostly the first */
    switch (draw(w, 16)) {
    case 0:
    case 1:
    case 2:
        speak(w, w->client[n]);
        break;
    case 3:
        listen_to(w, w->server[n]);
        break;
    case 4:
        if (draw(w, 4) == 0)
            speak(w, w->server[n]);
        listen_to(w, w->client[n]);
        break;
    case 5:
        if (draw(w, 4) == 0)
            set(w, w->client[n]);
        break;
    case 6:
        if (draw(w, 8) == 0)
            datagram(w);
        break;
    case 7:
        if (draw(w, 8) == 0)
            shift(w);
        break;
    case 8:
    case 9:
        carry(w, 1, 1 + draw(w, 20), false);
        break;
    case 10:
        w->lab.now += draw(w, 4) == 0 ? NARU_MS(draw(w, 50)) : NARU_US(draw(w, 500));
        for (int i = 0; i < 2; i++)
            naru_stack_tick(w->lab.stack[i], w->lab.now);
        break;
    default:
        carry(w, 0, 1 + draw(w, 30), true);
    }
}

static void walk(struct walk *w, uint32_t seed, bool quick)
{
    struct lab_options options = { .seed = 1, .tune = quick ? NULL : lab_long_way };
    *w = (struct walk){ .random = seed, .digest = NARU_DIGEST_NONE, .v6 = seed % 2 != 0 };
    enum naru_family family = w->v6 ? NARU_IPV6 : NARU_IPV4;
    assert_true(lab_pair(&w->lab, &options));
    for (unsigned i = 0; i < CONNECTIONS; i++)
        assert_true(
            lab_established(&w->lab, family, (uint16_t)(80 + i), &w->client[i], &w->server[i]));
    w->udp = lab_udp(&w->lab, 0, family, 0);
    for (unsigned i = 0; i < STEPS; i++)
        step(w);
    for (unsigned i = 0; i < CONNECTIONS; i++) { /* also in the middle of one */
        naru_sock_close(w->client[i], w->lab.now);
        carry(w, 0, 5, false);
        naru_sock_close(w->server[i], w->lab.now);
        carry(w, 1, 5, false);
    }
    naru_sock_close(w->udp, w->lab.now);
    lab_run(&w->lab, w->lab.now + NARU_SEC(300));
    w->digest =
        naru_digest_bytes(w->digest, (const uint8_t *)&w->lab.digest, sizeof(w->lab.digest));
    lab_end(&w->lab);
}

static void same_frames(void **state)
{
    (void)state;
    static struct walk quick, all;
    unsigned trains = 0;
    for (uint32_t seed = 1; seed <= WALKS; seed++) {
        walk(&quick, seed, true);
        walk(&all, seed, false);
        if (quick.digest != all.digest || quick.frames != all.frames)
            fail_msg("walk %u: %u frames, %u the long way", seed, quick.frames, all.frames);
        assert_int_equal(all.trains, 0);
        trains += quick.trains;
    }
    assert_true(trains > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(same_frames) };
    return cmocka_run_group_tests_name("trains", tests, NULL, NULL);
}
