/*
 * Stacks in the loop and on a wire, with stacks of this test's own that do as they are told: who is
 * asked, when, how often, and what happens when memory is short or something is taken away.
 */
#include "host/clock.h"
#include "host/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct naru_stack {
    naru_time deadline;
    unsigned ticks, events, received, to_send;
    uint64_t received_bytes;
    bool reflects; /* each frame that comes in makes one go out */
    unsigned packets, packets_max;
    size_t frame_len;
    struct naru_offload last_offload;
};

/* ---- The stacks ---- */

struct naru_pkt *naru_pkt_new(struct naru_stack *s, size_t capacity)
{
    if (s->packets == s->packets_max)
        return NULL;
    struct naru_pkt *pkt = calloc(1, sizeof(*pkt) + capacity);
    assert_non_null(pkt);
    s->packets++;
    pkt->data = (uint8_t *)(pkt + 1);
    pkt->capacity = (uint32_t)capacity;
    return pkt;
}

void naru_pkt_free(struct naru_pkt *pkt) { free(pkt); }

void naru_stack_input(struct naru_stack *s, unsigned ifindex, struct naru_pkt *pkt, naru_time now)
{
    (void)now;
    assert_int_equal(ifindex, 2);
    for (uint32_t i = 0; i < pkt->len; i++)
        assert_int_equal(pkt->data[i], (uint8_t)(i * 7));
    s->received++;
    s->received_bytes += pkt->len;
    s->last_offload = pkt->offload;
    s->to_send += s->reflects;
    s->packets--;
    naru_pkt_free(pkt);
}

bool naru_stack_output(struct naru_stack *s, unsigned ifindex, struct naru_frame *frame,
                       naru_time now)
{
    static uint8_t bytes[65536];

    (void)ifindex;
    (void)now;
    if (s->to_send == 0)
        return false;
    s->to_send--;
    for (size_t i = 0; i < s->frame_len; i++)
        bytes[i] = (uint8_t)(i * 7);
    frame->slice_count = 2;
    frame->slice[0] = (struct naru_slice){ bytes, 40 };
    frame->slice[1] = (struct naru_slice){ bytes + 40, s->frame_len - 40 };
    frame->len = s->frame_len;
    frame->offload = (struct naru_offload){
        .gso = NARU_GSO_TCP6, .gso_size = 1440, .csum_partial = 1, .csum_start = 54
    };
    return true;
}

void naru_frame_copy(const struct naru_frame *frame, void *at)
{
    uint8_t *to = at;

    for (unsigned i = 0; i < frame->slice_count; i++) {
        memcpy(to, frame->slice[i].at, frame->slice[i].len);
        to += frame->slice[i].len;
    }
}

naru_time naru_stack_deadline(const struct naru_stack *s) { return s->deadline; }

void naru_stack_tick(struct naru_stack *s, naru_time now)
{
    assert_true(now >= s->deadline);
    s->ticks++;
    s->deadline = NARU_NEVER;
}

bool naru_stack_event(struct naru_stack *s, struct naru_event *event)
{
    if (s->events == 0)
        return false;
    s->events--;
    *event = (struct naru_event){ .ready = NARU_READY_READ };
    return true;
}

/* ---- The tests ---- */

struct fixture {
    struct naru_loop *loop;
    struct naru_stack stack[2];
    struct naru_attachment attachment[2];
    struct naru_wire wire;
    unsigned told;
};

static void count_event(struct naru_attachment *attachment, const struct naru_event *event)
{
    struct fixture *f = attachment->user;

    assert_int_equal(event->ready, NARU_READY_READ);
    f->told++;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    if (f == NULL || naru_loop_new(&f->loop) != 0)
        return -1;
    for (unsigned i = 0; i < 2; i++) {
        f->stack[i] =
            (struct naru_stack){ .deadline = NARU_NEVER, .packets_max = 100, .frame_len = 1500 };
        f->attachment[i] =
            (struct naru_attachment){ .stack = &f->stack[i], .event = count_event, .user = f };
        if (naru_loop_attach(f->loop, &f->attachment[i]) != 0)
            return -1;
    }
    naru_wire_attach(&f->wire, &f->attachment[0], 2, &f->attachment[1], 2);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    naru_wire_detach(&f->wire);
    naru_loop_free(f->loop);
    free(f);
    return 0;
}

/* What was asked for outside of a turn goes out before the loop sleeps, all of it in one turn. */
static void a_turn_settles(void **state)
{
    struct fixture *f = *state;

    f->stack[0].to_send = 200; /* more than one batch of the wire */
    f->stack[1].reflects = true;
    assert_int_equal(naru_loop_turn(f->loop, 0), 0);
    assert_int_equal(f->stack[1].received, 200);
    assert_int_equal(f->stack[0].received, 200);
    assert_int_equal(f->stack[0].received_bytes, 200 * 1500);
    assert_int_equal(f->wire.end[0].frames, 200);
    assert_int_equal(f->wire.end[1].bytes, 200 * 1500);
}

static void super_segments_pass_whole(void **state)
{
    struct fixture *f = *state;

    f->stack[0].frame_len = 65535;
    f->stack[0].to_send = 3;
    assert_int_equal(naru_loop_turn(f->loop, 0), 0);
    assert_int_equal(f->stack[1].received_bytes, 3 * 65535);
    assert_int_equal(f->stack[1].last_offload.gso, NARU_GSO_TCP6);
    assert_int_equal(f->stack[1].last_offload.gso_size, 1440);
    assert_int_equal(f->stack[1].last_offload.csum_partial, 1);
    assert_int_equal(f->stack[1].last_offload.csum_start, 54);
}

/* Two stacks that never stop talking do not stop the loop. */
static void endless_talk_is_cut(void **state)
{
    struct fixture *f = *state;
    struct naru_loop_stats stats;

    f->stack[0].reflects = f->stack[1].reflects = true;
    f->stack[0].to_send = 1;
    for (unsigned i = 1; i <= 3; i++) {
        unsigned before = f->stack[0].received;
        assert_int_equal(naru_loop_turn(f->loop, NARU_NEVER), 0); /* and it does not sleep */
        assert_true(f->stack[0].received > before);
    }
    naru_loop_get_stats(f->loop, &stats);
    assert_true(stats.unsettled >= 3);
}

/* The receiver's memory is gone: the frames stay where they are. */
static void frames_wait_for_memory(void **state)
{
    struct fixture *f = *state;

    f->stack[1].packets_max = 0;
    f->stack[0].to_send = 5;
    assert_int_equal(naru_loop_turn(f->loop, 0), 0);
    assert_int_equal(f->stack[0].to_send, 5);
    assert_true(f->wire.end[0].starved > 0);
    f->stack[1].packets_max = 1; /* one packet is enough to make progress */
    assert_int_equal(naru_loop_turn(f->loop, 0), 0);
    assert_int_equal(f->stack[0].to_send, 0);
    assert_int_equal(f->stack[1].received, 5);
}

static void ticks_come_with_the_deadline(void **state)
{
    struct fixture *f = *state;
    naru_time begin = naru_clock_now();

    f->stack[1].deadline = begin + NARU_MS(3);
    assert_int_equal(naru_loop_turn(f->loop, NARU_NEVER), 0);
    assert_int_equal(f->stack[1].ticks, 1);
    assert_int_equal(f->stack[0].ticks, 0);
    assert_true(naru_clock_now() - begin >= NARU_MS(3));
    f->stack[0].deadline = 1; /* long ago */
    assert_int_equal(naru_loop_turn(f->loop, 0), 0);
    assert_int_equal(f->stack[0].ticks, 1);
}

static void every_event_is_told(void **state)
{
    struct fixture *f = *state;

    f->stack[0].events = 1000;
    f->stack[1].events = 3;
    assert_int_equal(naru_loop_turn(f->loop, 0), 0);
    assert_int_equal(f->told, 1003);
}

static void detach_everything(struct naru_attachment *attachment, const struct naru_event *event)
{
    struct fixture *f = attachment->user;

    (void)event;
    f->told++;
    naru_wire_detach(&f->wire);
    naru_loop_detach(&f->attachment[0]);
    naru_loop_detach(&f->attachment[1]);
}

/* From inside an event: neither stack is asked for anything afterwards. */
static void detached_while_telling(void **state)
{
    struct fixture *f = *state;

    f->attachment[0].event = f->attachment[1].event = detach_everything;
    f->stack[0].events = f->stack[1].events = 10;
    f->stack[0].to_send = f->stack[1].to_send = 10;
    assert_int_equal(naru_loop_turn(f->loop, 0), 0);
    assert_int_equal(f->told, 1);
    assert_int_equal(naru_loop_turn(f->loop, 0), 0);
    assert_int_equal(f->told, 1);
    /* Only the stack that was visited first may have sent something before. */
    assert_true(f->stack[0].to_send == 10 || f->stack[1].to_send == 10);
}

/* One end leaves; the other one's frames stay. */
static void half_a_wire(void **state)
{
    struct fixture *f = *state;

    naru_loop_detach(&f->attachment[1]);
    f->stack[0].to_send = 5;
    assert_int_equal(naru_loop_turn(f->loop, 0), 0);
    assert_int_equal(f->stack[0].to_send, 5);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_turn_settles),
        TEST(super_segments_pass_whole),
        TEST(endless_talk_is_cut),
        TEST(frames_wait_for_memory),
        TEST(ticks_come_with_the_deadline),
        TEST(every_event_is_told),
        TEST(detached_while_telling),
        TEST(half_a_wire),
    };
    return cmocka_run_group_tests_name("host settle", tests, NULL, NULL);
}
