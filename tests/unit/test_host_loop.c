/* The event loop: descriptors, timers and signals, and what happens when they remove each other. */
#include "host/clock.h"
#include "host/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct naru_loop *loop;
    struct naru_watch watch[8];
    unsigned called[8];
    struct naru_loop_timer timer[1000];
    unsigned fired;
    naru_time last_at;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    if (f == NULL || naru_loop_new(&f->loop) != 0)
        return -1;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 8; i++) {
        if (f->watch[i].loop != NULL) {
            naru_watch_remove(&f->watch[i]);
            close(f->watch[i].fd);
        }
    }
    naru_loop_free(f->loop);
    free(f);
    return 0;
}

static void count_ready(struct naru_watch *watch, uint32_t events)
{
    struct fixture *f = watch->user;

    assert_int_equal(events & EPOLLIN, EPOLLIN);
    f->called[watch - f->watch]++;
}

/* An eventfd that is ready from the beginning. */
static void add_ready(struct fixture *f, unsigned i, void (*ready)(struct naru_watch *, uint32_t))
{
    f->watch[i] = (struct naru_watch){
        .fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC), .events = EPOLLIN, .ready = ready, .user = f
    };
    assert_int_equal(naru_watch_add(f->loop, &f->watch[i]), 0);
}

static void remove_all_others(struct naru_watch *watch, uint32_t events)
{
    struct fixture *f = watch->user;

    count_ready(watch, events);
    for (unsigned i = 0; i < 8; i++) {
        if (&f->watch[i] != watch && f->watch[i].loop != NULL) {
            naru_watch_remove(&f->watch[i]);
            close(f->watch[i].fd);
        }
    }
}

static void readiness_is_told_until_read(void **state)
{
    struct fixture *f = *state;

    add_ready(f, 0, count_ready);
    assert_int_equal(naru_loop_turn(f->loop, NARU_NEVER), 0);
    assert_int_equal(naru_loop_turn(f->loop, NARU_NEVER), 0);
    assert_int_equal(f->called[0], 2);
    assert_int_equal(naru_watch_modify(&f->watch[0], 0), 0);
    assert_int_equal(naru_loop_turn(f->loop, 0), 0);
    assert_int_equal(f->called[0], 2);
    assert_int_equal(naru_watch_modify(&f->watch[0], EPOLLIN), 0);
    assert_int_equal(naru_loop_turn(f->loop, NARU_NEVER), 0);
    assert_int_equal(f->called[0], 3);
}

/* All eight are ready in one batch; the first that runs removes the rest, which then must not run.
 */
static void removal_of_another_in_the_same_batch(void **state)
{
    struct fixture *f = *state;
    unsigned sum = 0;

    for (unsigned i = 0; i < 8; i++)
        add_ready(f, i, remove_all_others);
    assert_int_equal(naru_loop_turn(f->loop, NARU_NEVER), 0);
    for (unsigned i = 0; i < 8; i++)
        sum += f->called[i];
    assert_int_equal(sum, 1);
}

static void remove_self(struct naru_watch *watch, uint32_t events)
{
    count_ready(watch, events);
    naru_watch_remove(watch);
    close(watch->fd);
    /* The memory is the caller's again at once. */
    watch->ready = NULL;
}

static void removal_of_itself(void **state)
{
    struct fixture *f = *state;

    add_ready(f, 0, remove_self);
    add_ready(f, 1, count_ready);
    assert_int_equal(naru_loop_turn(f->loop, NARU_NEVER), 0);
    assert_int_equal(naru_loop_turn(f->loop, NARU_NEVER), 0);
    assert_int_equal(f->called[0], 1);
    assert_int_equal(f->called[1], 2);
    naru_watch_remove(&f->watch[0]); /* again: harmless */
}

/* Closes the other and itself: neither is told again, not in this turn and not in the next. */
static void close_both(struct naru_watch *watch, uint32_t events)
{
    struct fixture *f = watch->user;

    count_ready(watch, events);
    for (unsigned i = 0; i < 2; i++) {
        int fd = f->watch[i].fd;
        naru_watch_close(&f->watch[i]);
        assert_int_equal(f->watch[i].fd, -1);
        assert_null(f->watch[i].loop);
        assert_int_equal(fcntl(fd, F_GETFD), -1);
    }
}

static void closing_is_removal(void **state)
{
    struct fixture *f = *state;

    add_ready(f, 0, close_both);
    add_ready(f, 1, close_both);
    add_ready(f, 2, count_ready);
    assert_int_equal(naru_loop_turn(f->loop, NARU_NEVER), 0);
    assert_int_equal(naru_loop_turn(f->loop, NARU_NEVER), 0);
    assert_int_equal(f->called[0] + f->called[1], 1);
    assert_int_equal(f->called[2], 2);
}

/* A watch removed and added anew in the batch is not told of what the old one had. */
static void replace_second(struct naru_watch *watch, uint32_t events)
{
    struct fixture *f = watch->user;
    unsigned other = watch == &f->watch[0] ? 1 : 0;

    count_ready(watch, events);
    naru_watch_remove(&f->watch[other]);
    close(f->watch[other].fd);
    f->watch[other].fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert_int_equal(naru_watch_add(f->loop, &f->watch[other]), 0);
}

static void a_new_watch_inherits_nothing(void **state)
{
    struct fixture *f = *state;

    add_ready(f, 0, replace_second);
    add_ready(f, 1, replace_second);
    assert_int_equal(naru_loop_turn(f->loop, NARU_NEVER), 0);
    assert_int_equal(f->called[0] + f->called[1], 1);
}

static void bad_descriptor_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct naru_watch watch = { .fd = -1, .events = EPOLLIN, .ready = count_ready };

    assert_int_equal(naru_watch_add(f->loop, &watch), -EBADF);
    assert_null(watch.loop);
}

static void fire_in_order(struct naru_loop_timer *timer, naru_time now)
{
    struct fixture *f = timer->user;

    assert_true(now >= timer->at);
    assert_true(timer->at >= f->last_at);
    assert_null(timer->loop);
    f->last_at = timer->at;
    f->fired++;
}

/* Set, moved and stopped at random; what is left fires in order and once. */
static void timers_fire_in_order(void **state)
{
    struct fixture *f = *state;
    naru_time begin = naru_clock_now();
    unsigned stopped = 0;
    uint32_t x = 12345;

    for (unsigned i = 0; i < 1000; i++) {
        f->timer[i].fire = fire_in_order;
        f->timer[i].user = f;
        x = x * 1664525 + 1013904223;
        naru_loop_timer_set(f->loop, &f->timer[i], begin + x % 3000000);
    }
    for (unsigned i = 0; i < 1000; i += 3) {
        x = x * 1664525 + 1013904223;
        naru_loop_timer_set(f->loop, &f->timer[i], begin + x % 3000000);
    }
    for (unsigned i = 0; i < 1000; i += 7, stopped++)
        naru_loop_timer_stop(&f->timer[i]);
    while (f->fired + stopped < 1000)
        assert_int_equal(naru_loop_turn(f->loop, NARU_NEVER), 0);
    assert_int_equal(naru_loop_turn(f->loop, 0), 0);
    assert_int_equal(f->fired, 1000 - stopped);
    assert_true(naru_clock_now() - begin >= f->last_at - begin);
}

static void fire_again_now(struct naru_loop_timer *timer, naru_time now)
{
    struct fixture *f = timer->user;

    f->fired++;
    naru_loop_timer_set(f->loop, timer, now - 5);
    naru_loop_timer_stop(timer + 1);
}

/* A timer that sets itself into the past fires once a turn and starves nobody. */
static void timer_sets_itself(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 2; i++) {
        f->timer[i].fire = fire_again_now;
        f->timer[i].user = f;
    }
    naru_loop_timer_set(f->loop, &f->timer[0], 1);
    naru_loop_timer_set(f->loop, &f->timer[1], 2);
    add_ready(f, 0, count_ready);
    for (unsigned i = 1; i <= 5; i++) {
        assert_int_equal(naru_loop_turn(f->loop, NARU_NEVER), 0);
        assert_int_equal(f->fired, i);
        assert_int_equal(f->called[0], i);
    }
    assert_null(f->timer[1].loop);
    naru_loop_timer_stop(&f->timer[0]);
}

static void stop_loop(struct naru_loop_timer *timer, naru_time now)
{
    (void)now;
    naru_loop_stop(timer->user);
}

static void run_and_stop(void **state)
{
    struct fixture *f = *state;
    struct naru_loop_timer timer = { .fire = stop_loop, .user = f->loop };
    struct naru_loop_stats stats;

    naru_loop_timer_set(f->loop, &timer, naru_loop_now(f->loop) + NARU_MS(2));
    assert_int_equal(naru_loop_run(f->loop), 0);
    naru_loop_get_stats(f->loop, &stats);
    assert_int_equal(stats.timers, 1);
    assert_true(stats.turns <= 3); /* It slept; it did not spin. */

    naru_loop_stop(f->loop);
    assert_int_equal(naru_loop_run(f->loop), 0); /* asked to stop before it began */
}

static void read_expiry(struct naru_watch *watch, uint32_t events)
{
    uint64_t count;

    count_ready(watch, events);
    assert_int_equal(read(watch->fd, &count, sizeof(count)), sizeof(count));
}

/* Waits for a descriptor that becomes ready a little later, again and again. */
static void short_waits(struct fixture *f, unsigned count)
{
    struct itimerspec in_a_moment = { .it_value.tv_nsec = 100000 };

    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(timerfd_settime(f->watch[0].fd, 0, &in_a_moment, NULL), 0);
        assert_int_equal(naru_loop_turn(f->loop, NARU_NEVER), 0);
    }
    assert_int_equal(f->called[0], count);
}

/* With a window that every wait is within; on one processor it is never done. */
static void looks_on_where_it_pays(void **state)
{
    struct fixture *f = *state;
    struct naru_loop_stats stats;
    naru_time until;
    cpu_set_t cpus;

    f->watch[0] = (struct naru_watch){ .fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC),
                                       .events = EPOLLIN,
                                       .ready = read_expiry,
                                       .user = f };
    assert_int_equal(naru_watch_add(f->loop, &f->watch[0]), 0);
    assert_int_equal(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
    naru_loop_spin(f->loop, NARU_SEC(1000));
    short_waits(f, 16);
    naru_loop_get_stats(f->loop, &stats);
    assert_int_equal(stats.spins > 0, CPU_COUNT(&cpus) > 1);

    /* It looks on no longer than it may take, and not less. */
    until = naru_clock_now() + NARU_MS(2);
    assert_int_equal(naru_loop_turn(f->loop, until), 0);
    assert_true(naru_loop_now(f->loop) >= until);
    assert_int_equal(f->called[0], 16);
}

static void sleeps_where_it_was_not_asked_to_look_on(void **state)
{
    struct fixture *f = *state;
    struct naru_loop_stats stats;

    f->watch[0] = (struct naru_watch){ .fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC),
                                       .events = EPOLLIN,
                                       .ready = read_expiry,
                                       .user = f };
    assert_int_equal(naru_watch_add(f->loop, &f->watch[0]), 0);
    short_waits(f, 16);
    naru_loop_get_stats(f->loop, &stats);
    assert_int_equal(stats.spins, 0);
}

static void let_the_others_go_first(struct naru_watch *watch, uint32_t events)
{
    struct fixture *f = watch->user;

    count_ready(watch, events);
    assert_int_equal(f->called[1], 0);
    naru_loop_catch_up(f->loop);
    assert_int_equal(f->called[1], 1);
    assert_int_equal(f->called[2], 1);
}

static void who_waits_for_the_others_is_last(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 3; i++)
        add_ready(f, i, i == 0 ? let_the_others_go_first : count_ready);
    assert_int_equal(naru_loop_turn(f->loop, NARU_NEVER), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(f->called[i], 1);
}

struct spare {
    struct naru_loop_idle idle;
    struct naru_loop *loop;
    unsigned done, again;
};

static void do_a_piece(struct naru_loop_idle *idle)
{
    struct spare *spare = idle->user;

    spare->done++;
    if (spare->again > 0) {
        spare->again--;
        naru_loop_idle_set(spare->loop, idle);
    }
}

static void spare_time_is_while_nothing_is_ready(void **state)
{
    struct fixture *f = *state;
    struct spare spare[2] = { { .loop = f->loop, .again = 3 }, { .loop = f->loop } };

    for (unsigned i = 0; i < 2; i++) {
        spare[i].idle = (struct naru_loop_idle){ .run = do_a_piece, .user = &spare[i] };
        naru_loop_idle_set(f->loop, &spare[i].idle);
        naru_loop_idle_set(f->loop, &spare[i].idle); /* is set already */
    }
    assert_int_equal(naru_loop_turn(f->loop, 0), 0); /* no time to spare */
    assert_int_equal(spare[0].done + spare[1].done, 0);

    assert_int_equal(naru_loop_turn(f->loop, naru_clock_now() + NARU_MS(1)), 0);
    assert_int_equal(spare[0].done, 4);
    assert_int_equal(spare[1].done, 1);
    assert_null(spare[0].idle.loop);

    /* One that always wants more keeps nobody from his turn, and not set it is not called. */
    add_ready(f, 0, count_ready);
    spare[0].again = 1000000;
    naru_loop_idle_set(f->loop, &spare[0].idle);
    assert_int_equal(naru_loop_turn(f->loop, NARU_NEVER), 0);
    assert_int_equal(f->called[0], 1);
    naru_loop_idle_stop(&spare[0].idle);
    unsigned done = spare[0].done;
    assert_int_equal(naru_loop_turn(f->loop, NARU_NEVER), 0);
    assert_int_equal(spare[0].done, done);
}

static void caught(struct naru_loop_signals *signals, const struct signalfd_siginfo *info)
{
    unsigned *seen = signals->user;

    *seen = info->ssi_signo;
}

static void signals_arrive(void **state)
{
    struct fixture *f = *state;
    unsigned seen = 0;
    struct naru_loop_signals signals = { .caught = caught, .user = &seen };

    assert_int_equal(naru_loop_signals_add(f->loop, &signals, UINT64_C(1) << (SIGUSR1 - 1)), 0);
    raise(SIGUSR1);
    assert_int_equal(naru_loop_turn(f->loop, NARU_NEVER), 0);
    assert_int_equal(seen, SIGUSR1);
    naru_loop_signals_remove(&signals);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(readiness_is_told_until_read),
        TEST(removal_of_another_in_the_same_batch),
        TEST(removal_of_itself),
        TEST(closing_is_removal),
        TEST(a_new_watch_inherits_nothing),
        TEST(bad_descriptor_is_an_error),
        TEST(timers_fire_in_order),
        TEST(timer_sets_itself),
        TEST(run_and_stop),
        TEST(looks_on_where_it_pays),
        TEST(sleeps_where_it_was_not_asked_to_look_on),
        TEST(who_waits_for_the_others_is_last),
        TEST(spare_time_is_while_nothing_is_ready),
        TEST(signals_arrive),
    };
    return cmocka_run_group_tests_name("host loop", tests, NULL, NULL);
}
