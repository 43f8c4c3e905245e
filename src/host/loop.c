/*
 * The event loop; see loop.h.
 *
 * Removal while dispatching: a watch that is ready in the present batch knows its place there, and
 * its removal empties the place.  Lists of attachments and devices are walked with a cursor kept in
 * the loop, which removal moves on.
 *
 * Time: the clock is read when epoll returns and once per round of settling.  Deadlines are passed
 * to epoll_pwait2 in nanoseconds; kernels without it (before 5.11) get milliseconds, rounded up.
 */
#include "host/loop.h"
#include "host/clock.h"
#include "host/spin.h"
#include "host/timers.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define BATCH             64
#define EVENTS_MAX        128 /* socket events of one stack told in one round */
#define IDLES_MAX         16  /* pieces of spare work done in one before looking again */
#define SETTLE_ROUNDS     64  /* at most */
#define SETTLE_ROUNDS_MIN 8   /* whatever time they take */
#define SETTLE_TIME       NARU_MS(1)
#define SPIN_GAP          NARU_US(20) /* between two looks: who else had the processor that long? */

struct naru_loop {
    int epoll_fd;
    bool stop, in_turn, firing, unsettled;
    bool no_pwait2;
    naru_time now;
    struct naru_spin spin;

    struct epoll_event batch[BATCH];
    unsigned batch_count;

    struct naru_loop_timer *timers;
    struct naru_loop_idle *idles;
    struct naru_attachment *attachments;
    struct naru_attachment *attachment_cursor; /* the next to be visited */
    struct naru_device *device_cursor;

    struct naru_loop_stats stats;
};

int naru_loop_new(struct naru_loop **out)
{
    struct naru_loop *loop = calloc(1, sizeof(*loop));

    if (loop == NULL)
        return -ENOMEM;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0) {
        int error = errno;
        free(loop);
        return -error;
    }
    loop->now = naru_clock_now();
    *out = loop;
    return 0;
}

void naru_loop_free(struct naru_loop *loop)
{
    if (loop == NULL)
        return;
    assert(!loop->in_turn);
    while (loop->attachments != NULL)
        naru_loop_detach(loop->attachments);
    while (loop->timers != NULL)
        naru_loop_timer_stop(loop->timers);
    while (loop->idles != NULL)
        naru_loop_idle_stop(loop->idles);
    close(loop->epoll_fd);
    free(loop);
}

naru_time naru_loop_now(const struct naru_loop *loop)
{
    return loop->in_turn ? loop->now : naru_clock_now();
}

void naru_loop_spin(struct naru_loop *loop, naru_time window)
{
    cpu_set_t cpus;

    if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && CPU_COUNT(&cpus) < 2)
        window = 0;
    naru_spin_init(&loop->spin, window);
}

void naru_loop_stop(struct naru_loop *loop) { loop->stop = true; }

bool naru_loop_stopped(const struct naru_loop *loop) { return loop->stop; }

void naru_loop_get_stats(const struct naru_loop *loop, struct naru_loop_stats *stats)
{
    *stats = loop->stats;
}

/* ---- File descriptors ---- */

int naru_watch_add(struct naru_loop *loop, struct naru_watch *watch)
{
    struct epoll_event event = { .events = watch->events, .data.ptr = watch };

    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) < 0)
        return -errno;
    watch->loop = loop;
    watch->batch_slot = 0;
    return 0;
}

int naru_watch_modify(struct naru_watch *watch, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = watch };

    assert(watch->loop != NULL);
    if (events == watch->events)
        return 0;
    if (epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) < 0)
        return -errno;
    watch->events = events;
    return 0;
}

/* Out of the present batch, and out of the loop. */
static void forget_watch(struct naru_watch *watch)
{
    if (watch->batch_slot != 0)
        watch->loop->batch[watch->batch_slot - 1].data.ptr = NULL;
    watch->batch_slot = 0;
    watch->loop = NULL;
}

void naru_watch_remove(struct naru_watch *watch)
{
    if (watch->loop == NULL)
        return;
    epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    forget_watch(watch);
}

void naru_watch_close(struct naru_watch *watch)
{
    if (watch->loop != NULL)
        forget_watch(watch);
    close(watch->fd); /* epoll drops what is closed for good */
    watch->fd = -1;
}

/* ---- Timers ---- */

void naru_loop_timer_set(struct naru_loop *loop, struct naru_loop_timer *timer, naru_time at)
{
    naru_loop_timer_stop(timer);
    /* A timer that sets itself for now must let the descriptors have their turn first. */
    if (loop->firing && at <= loop->now)
        at = loop->now + 1;
    timer->at = at;
    timer->loop = loop;
    loop->timers = naru_timers_add(loop->timers, timer);
}

void naru_loop_timer_stop(struct naru_loop_timer *timer)
{
    if (timer->loop == NULL)
        return;
    timer->loop->timers = naru_timers_remove(timer->loop->timers, timer);
    timer->loop = NULL;
}

static void fire_timers(struct naru_loop *loop)
{
    loop->firing = true;
    while (loop->timers != NULL && loop->timers->at <= loop->now) {
        struct naru_loop_timer *timer = loop->timers;
        naru_loop_timer_stop(timer);
        loop->stats.timers++;
        timer->fire(timer, loop->now);
    }
    loop->firing = false;
}

/* ---- Spare time ---- */

void naru_loop_idle_set(struct naru_loop *loop, struct naru_loop_idle *idle)
{
    if (idle->loop != NULL)
        return;
    idle->loop = loop;
    idle->next = loop->idles;
    loop->idles = idle;
}

void naru_loop_idle_stop(struct naru_loop_idle *idle)
{
    if (idle->loop == NULL)
        return;
    struct naru_loop_idle **at = &idle->loop->idles;
    while (*at != idle)
        at = &(*at)->next;
    *at = idle->next;
    idle->loop = NULL;
}

/* One piece; false if there is none. */
static bool run_idle(struct naru_loop *loop)
{
    struct naru_loop_idle *idle = loop->idles;

    if (idle == NULL)
        return false;
    naru_loop_idle_stop(idle);
    idle->run(idle);
    return true;
}

/* ---- Signals ---- */

static void signals_ready(struct naru_watch *watch, uint32_t events)
{
    struct naru_loop_signals *signals = watch->user;
    struct signalfd_siginfo info;

    (void)events;
    while (watch->loop != NULL && read(watch->fd, &info, sizeof(info)) == sizeof(info))
        signals->caught(signals, &info);
}

int naru_loop_signals_add(struct naru_loop *loop, struct naru_loop_signals *signals, uint64_t mask)
{
    sigset_t set;

    sigemptyset(&set);
    for (int number = 1; number <= 64; number++) {
        if ((mask >> (number - 1) & 1) != 0)
            sigaddset(&set, number);
    }
    int error = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (error != 0)
        return -error;
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    signals->watch =
        (struct naru_watch){ .fd = fd, .events = EPOLLIN, .ready = signals_ready, .user = signals };
    error = naru_watch_add(loop, &signals->watch);
    if (error < 0)
        close(fd);
    return error;
}

void naru_loop_signals_remove(struct naru_loop_signals *signals)
{
    if (signals->watch.loop == NULL)
        return;
    naru_watch_remove(&signals->watch);
    close(signals->watch.fd);
}

/* ---- Stacks and devices ---- */

int naru_loop_attach(struct naru_loop *loop, struct naru_attachment *attachment)
{
    assert(attachment->stack != NULL && attachment->event != NULL);
    if (attachment->loop != NULL)
        return -EBUSY;
    attachment->loop = loop;
    attachment->devices = NULL;
    attachment->next = loop->attachments;
    loop->attachments = attachment;
    return 0;
}

void naru_loop_detach(struct naru_attachment *attachment)
{
    struct naru_loop *loop = attachment->loop;

    if (loop == NULL)
        return;
    while (attachment->devices != NULL)
        naru_device_remove(attachment->devices);
    if (loop->attachment_cursor == attachment)
        loop->attachment_cursor = attachment->next;
    for (struct naru_attachment **p = &loop->attachments; *p != NULL; p = &(*p)->next) {
        if (*p == attachment) {
            *p = attachment->next;
            break;
        }
    }
    attachment->loop = NULL;
}

void naru_device_add(struct naru_attachment *attachment, struct naru_device *device)
{
    assert(attachment->loop != NULL && device->output != NULL);
    device->attachment = attachment;
    device->next = attachment->devices;
    attachment->devices = device;
}

void naru_device_remove(struct naru_device *device)
{
    struct naru_attachment *attachment = device->attachment;

    if (attachment == NULL)
        return;
    if (attachment->loop->device_cursor == device)
        attachment->loop->device_cursor = device->next;
    for (struct naru_device **p = &attachment->devices; *p != NULL; p = &(*p)->next) {
        if (*p == device) {
            *p = device->next;
            break;
        }
    }
    device->attachment = NULL;
}

/* ---- The turn ---- */

/* The instant at which there is something to do without any descriptor; NARU_NEVER. */
static naru_time next_due(const struct naru_loop *loop)
{
    naru_time due = loop->timers != NULL ? loop->timers->at : NARU_NEVER;

    for (const struct naru_attachment *a = loop->attachments; a != NULL; a = a->next) {
        naru_time deadline = naru_stack_deadline(a->stack);
        if (deadline < due)
            due = deadline;
    }
    return due;
}

/*
 * Looks whether something is ready until it is, the window is over or that instant has come; 0:
 * nothing.  In between it yields, and if somebody took the processor, he needs it more than we.
 */
static int look_on(struct naru_loop *loop, naru_time begin, naru_time due)
{
    naru_time end = due - begin < loop->spin.window ? due : begin + loop->spin.window;

    loop->stats.spins++;
    for (naru_time before, now = begin; now < end;) {
        int n = epoll_wait(loop->epoll_fd, loop->batch, BATCH, 0);
        if (n != 0)
            return n;
        sched_yield();
        before = now;
        now = naru_clock_now();
        if (now - before > SPIN_GAP) {
            naru_spin_crowded(&loop->spin);
            break;
        }
        if (run_idle(loop))
            now = naru_clock_now();
    }
    return 0; /* who sleeps looks first */
}

static int sleep_events(struct naru_loop *loop, naru_time due)
{
    naru_time left = 0;

    if (due != NARU_NEVER && due > loop->now) {
        left = due - naru_clock_now();
        if (left < 0)
            left = 0;
    }
    if (!loop->no_pwait2) {
        struct timespec ts = { .tv_sec = (time_t)(left / 1000000000),
                               .tv_nsec = (long)(left % 1000000000) };
        int n =
            epoll_pwait2(loop->epoll_fd, loop->batch, BATCH, due == NARU_NEVER ? NULL : &ts, NULL);
        if (n >= 0 || (errno != ENOSYS && errno != EPERM))
            return n;
        loop->no_pwait2 = true;
    }
    int64_t ms = (left + 999999) / 1000000;
    if (ms > 86400000)
        ms = 86400000;
    return epoll_wait(loop->epoll_fd, loop->batch, BATCH, due == NARU_NEVER ? -1 : (int)ms);
}

/* Sleeps, after what can be done instead. */
static int rest(struct naru_loop *loop, naru_time due)
{
    for (unsigned i = 0; i < IDLES_MAX && run_idle(loop); i++)
        ;
    return sleep_events(loop, loop->idles != NULL ? loop->now : due);
}

static int wait_events(struct naru_loop *loop, naru_time due)
{
    int count = 0;

    if (due <= loop->now)
        return sleep_events(loop, due);
    if (loop->spin.window == 0)
        return rest(loop, due);
    naru_time begin = naru_clock_now();
    if (naru_spin_pays(&loop->spin))
        count = look_on(loop, begin, due);
    if (count == 0)
        count = rest(loop, due);
    naru_spin_waited(&loop->spin, count > 0 ? naru_clock_now() - begin : NARU_NEVER);
    return count;
}

/* Tells what happened to sockets; true if there was something. */
static bool tell_events(struct naru_loop *loop, struct naru_attachment *attachment)
{
    struct naru_event event;
    bool any = false;

    for (unsigned i = 0; i < EVENTS_MAX; i++) {
        if (attachment->loop == NULL || !naru_stack_event(attachment->stack, &event))
            break;
        any = true;
        loop->stats.events++;
        attachment->event(attachment, &event);
    }
    return any;
}

static bool drain_devices(struct naru_loop *loop, struct naru_attachment *attachment)
{
    bool any = false;

    for (struct naru_device *d = attachment->devices; d != NULL; d = loop->device_cursor) {
        loop->device_cursor = d->next;
        if (d->output(d, loop->now))
            any = true;
    }
    loop->device_cursor = NULL;
    return any;
}

/* One round over all stacks; true if anything moved. */
static bool settle_round(struct naru_loop *loop)
{
    bool any = false;

    for (struct naru_attachment *a = loop->attachments; a != NULL; a = loop->attachment_cursor) {
        loop->attachment_cursor = a->next;
        if (naru_stack_deadline(a->stack) <= loop->now) {
            loop->stats.ticks++;
            naru_stack_tick(a->stack, loop->now);
        }
        if (tell_events(loop, a))
            any = true;
        if (a->loop != NULL && drain_devices(loop, a))
            any = true;
    }
    loop->attachment_cursor = NULL;
    return any;
}

static void settle(struct naru_loop *loop)
{
    naru_time since = loop->now;

    loop->unsettled = false;
    for (unsigned round = 0; settle_round(loop); round++) {
        loop->now = naru_clock_now();
        if (round == SETTLE_ROUNDS ||
            (round >= SETTLE_ROUNDS_MIN && loop->now - since >= SETTLE_TIME)) {
            loop->unsettled = true;
            loop->stats.unsettled++;
            return;
        }
    }
}

void naru_loop_catch_up(struct naru_loop *loop)
{
    for (unsigned i = 0; i < loop->batch_count; i++) {
        struct naru_watch *watch = loop->batch[i].data.ptr;
        if (watch == NULL)
            continue; /* removed by an earlier one of this batch, or called */
        loop->batch[i].data.ptr = NULL;
        watch->batch_slot = 0;
        loop->stats.ready++;
        watch->ready(watch, loop->batch[i].events);
    }
}

static void dispatch(struct naru_loop *loop, unsigned count)
{
    loop->batch_count = count;
    for (unsigned i = 0; i < count; i++) {
        struct naru_watch *watch = loop->batch[i].data.ptr;
        watch->batch_slot = i + 1;
    }
    naru_loop_catch_up(loop);
    loop->batch_count = 0;
}

/* Sleeps, then does what there is to do. */
static int turn(struct naru_loop *loop, naru_time until)
{
    naru_time due = next_due(loop);

    loop->stats.turns++;
    if (until < due)
        due = until;
    if (loop->unsettled || loop->stop)
        due = loop->now;
    if (due > loop->now)
        loop->stats.sleeps++;

    int count = wait_events(loop, due);
    int error = count < 0 && errno != EINTR ? errno : 0;
    loop->now = naru_clock_now();
    if (count > 0)
        dispatch(loop, (unsigned)count);
    fire_timers(loop);
    settle(loop);
    return -error;
}

/* What was asked of the stacks outside of a turn is still to be sent: settle before sleeping. */
static void begin(struct naru_loop *loop)
{
    assert(!loop->in_turn);
    loop->in_turn = true;
    loop->now = naru_clock_now();
    settle(loop);
}

int naru_loop_turn(struct naru_loop *loop, naru_time until)
{
    begin(loop);
    int error = turn(loop, until);
    loop->in_turn = false;
    return error;
}

int naru_loop_run(struct naru_loop *loop)
{
    int error = 0;

    begin(loop);
    while (!loop->stop && error == 0)
        error = turn(loop, NARU_NEVER);
    loop->stop = false;
    loop->in_turn = false;
    return error;
}
