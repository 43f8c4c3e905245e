/*
 * Frames that are handed over several at once (stack/in_burst.c) are taken in as if they came one
 * by one: the same walk by chance both ways, over connections that open, speak, are spoilt and
 * vanish in the middle of a burst, gives the same frames and the same drops.
 */
#include "lib/stack_lab.h"

#include "lab/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { WALKS = 100, STEPS = 300, CONNECTIONS = 24, FRAMES_MAX = 40 };

struct walk {
    struct lab lab;
    struct naru_sock *listener, *client[CONNECTIONS], *server[CONNECTIONS];
    uint32_t random;
    uint64_t digest;
    unsigned frames;
    bool bursts, v6;
};

static uint32_t draw(struct walk *w, uint32_t below)
{
    w->random = w->random * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)w->random * below >> 32);
}

/* Now and then a bit is wrong, or the end is missing. */
static void spoil(struct walk *w, struct naru_pkt *pkt)
{
    if (draw(w, 20) == 0)
        pkt->data[draw(w, pkt->len)] ^= (uint8_t)(1u << draw(w, 8));
    if (draw(w, 40) == 0)
        pkt->len = draw(w, pkt->len);
}

static void carry(struct walk *w, int from)
{
    uint8_t frame[2048];
    struct naru_pkt *pkt[FRAMES_MAX];
    struct naru_stack *to = w->lab.stack[!from];
    unsigned count = 0, max = 1 + draw(w, FRAMES_MAX), ifindex = w->lab.ifindex[!from];
    size_t len;
    while (count < max && (len = lab_take(&w->lab, from, frame, sizeof(frame))) > 0) {
        w->digest = naru_digest_frame(w->digest, w->lab.now, (unsigned)from, frame, len);
        pkt[count] = naru_pkt_new(to, len);
        assert_non_null(pkt[count]);
        memcpy(pkt[count]->data, frame, len);
        pkt[count]->len = (uint32_t)len;
        spoil(w, pkt[count++]);
    }
    w->frames += count;
    if (w->bursts && count > 0) {
        naru_stack_input_burst(to, ifindex, pkt, count, w->lab.now);
        return;
    }
    for (unsigned i = 0; i < count; i++)
        naru_stack_input(to, ifindex, pkt[i], w->lab.now);
}

static void speak(struct walk *w, struct naru_sock *sock)
{
    static const uint8_t bytes[3000];
    struct naru_slice slice = { bytes, 1 + draw(w, draw(w, 4) == 0 ? sizeof(bytes) : 8) };
    if (sock != NULL)
        (void)naru_sock_send(sock, &slice, 1, 0, NULL, w->lab.now);
}

static void listen_to(struct walk *w, struct naru_sock *sock)
{
    uint8_t sink[4000];
    struct naru_room room = { sink, sizeof(sink) };
    if (sock != NULL)
        (void)naru_sock_recv(sock, &room, 1, 0, NULL, w->lab.now);
}

/* Anew, or to its end: in order, or at once. */
static void turn(struct walk *w, unsigned n)
{
    enum naru_family family = w->v6 ? NARU_IPV6 : NARU_IPV4;
    if (w->client[n] == NULL) {
        w->client[n] = lab_connect(&w->lab, 0, 1, family, 80);
        return;
    }
    if (draw(w, 2) == 0)
        (void)naru_sock_set(w->client[n], NARU_OPT_LINGER_MS, 0, w->lab.now);
    naru_sock_close(w->client[n], w->lab.now);
    w->client[n] = NULL;
}

static void take_in(struct walk *w)
{
    for (unsigned n = 0; n < CONNECTIONS; n++) {
        if (w->server[n] == NULL &&
            naru_sock_accept(w->listener, &w->server[n], w->lab.now) != NARU_OK)
            return;
        if (naru_sock_ready(w->server[n]) & NARU_READY_HANGUP) {
            naru_sock_close(w->server[n], w->lab.now);
            w->server[n] = NULL;
        }
    }
}

static void step(struct walk *w)
{
    unsigned n = draw(w, CONNECTIONS);
    switch (draw(w, 12)) {
    case 0:
        turn(w, n);
        break;
    case 1:
        take_in(w);
        break;
    case 2:
        w->lab.now += NARU_MS(draw(w, 60));
        for (int i = 0; i < 2; i++)
            naru_stack_tick(w->lab.stack[i], w->lab.now);
        break;
    case 3:
        for (unsigned i = 0; i < CONNECTIONS; i++)
            listen_to(w, draw(w, 2) == 0 ? w->client[i] : w->server[i]);
        break;
    case 4:
    case 5:
        carry(w, 1);
        break;
    case 6:
    case 7:
        carry(w, 0);
        break;
    default:
        for (unsigned i = 0; i < 6; i++)
            speak(w, draw(w, 2) == 0 ? w->client[draw(w, CONNECTIONS)] : w->server[n]);
    }
}

static void walk(struct walk *w, uint32_t seed, bool bursts)
{
    struct lab_options options = { .seed = 1 };
    *w = (struct walk){
        .random = seed, .digest = NARU_DIGEST_NONE, .bursts = bursts, .v6 = seed % 2 != 0
    };
    assert_true(lab_pair(&w->lab, &options));
    w->listener = lab_listen(&w->lab, 1, w->v6 ? NARU_IPV6 : NARU_IPV4, 80);
    for (unsigned i = 0; i < STEPS; i++)
        step(w);
    for (int n = 0; n < 2; n++)
        for (unsigned i = 0; i < NARU_DROP_COUNT; i++)
            w->digest = w->digest * 31 + naru_stack_drops(w->lab.stack[n], (enum naru_drop)i);
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        if (w->client[i] != NULL)
            naru_sock_close(w->client[i], w->lab.now);
        if (w->server[i] != NULL)
            naru_sock_close(w->server[i], w->lab.now);
    }
    naru_sock_close(w->listener, w->lab.now);
    lab_run(&w->lab, w->lab.now + NARU_SEC(600));
    lab_end(&w->lab);
}

static void as_one_by_one(void **state)
{
    (void)state;
    static struct walk burst, single;
    unsigned frames = 0;
    for (uint32_t seed = 1; seed <= WALKS; seed++) {
        walk(&burst, seed, true);
        walk(&single, seed, false);
        if (burst.digest != single.digest || burst.frames != single.frames)
            fail_msg("walk %u: %u frames, %u one by one", seed, burst.frames, single.frames);
        frames += burst.frames;
    }
    assert_true(frames > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(as_one_by_one) };
    return cmocka_run_group_tests_name("bursts", tests, NULL, NULL);
}
