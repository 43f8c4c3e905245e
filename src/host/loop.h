/*
 * The event loop: one epoll, one thread, any number of stacks.
 *
 * A turn: sleep until a file descriptor is ready, a timer is due or a stack's deadline has come
 * (or, where it is asked for and pays, look on for a moment first); read the clock once; run what
 * is ready, the timers and the ticks; then settle: tell socket events and drain every stack's
 * output into its devices, again and again until nothing is left (bounded, so that two stacks on a
 * wire cannot starve the descriptors).  A device that is full is not asked; its driver waits for
 * EPOLLOUT.
 *
 * All calls from the loop's thread.  Every struct here is the caller's memory, used from add/set/
 * attach to remove/stop/detach; every callback may add, remove and free anything, itself included,
 * except where said.  Functions that can fail return 0 or a negative errno.
 */
#ifndef NARU_HOST_LOOP_H
#define NARU_HOST_LOOP_H

#include <naru/sock.h>
#include <naru/stack.h>
#include <sys/epoll.h>

struct naru_loop;
struct signalfd_siginfo;

int naru_loop_new(struct naru_loop **out);
/* Closes the epoll.  Watches, timers and attachments are forgotten, not freed; their fds stay open.
 */
void naru_loop_free(struct naru_loop *loop);

/* Turns until naru_loop_stop.  0, or a negative errno if epoll itself fails. */
int naru_loop_run(struct naru_loop *loop);
/* One turn that sleeps at most until that instant (NARU_NEVER: as long as it takes). */
int naru_loop_turn(struct naru_loop *loop, naru_time until);
/*
 * Before it sleeps the loop looks on for as long as that, where it lately paid (spin.h); never, as
 * at the beginning, if it is 0, or if we may run on one processor only.
 */
void naru_loop_spin(struct naru_loop *loop, naru_time window);
/* naru_loop_run returns after the present turn, or, called outside of one, at once when it is
 * called. */
void naru_loop_stop(struct naru_loop *loop);
bool naru_loop_stopped(const struct naru_loop *loop);

/* The time of this turn; outside of a turn, the clock. */
naru_time naru_loop_now(const struct naru_loop *loop);

/* ---- File descriptors ---- */

struct naru_watch {
    int fd;
    uint32_t events; /* EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLET ...; 0: only EPOLLERR and EPOLLHUP */
    void (*ready)(struct naru_watch *watch, uint32_t events);
    void *user;

    /* The loop's own. */
    struct naru_loop *loop; /* NULL: not added */
    unsigned batch_slot;
};

/* fd, events, ready and user are set by the caller before. */
int naru_watch_add(struct naru_loop *loop, struct naru_watch *watch);
/* Nothing happens, and no system call, if events is what it was. */
int naru_watch_modify(struct naru_watch *watch, uint32_t events);
/* Before the fd is closed.  Its ready is not called any more, not even in this turn.  Not added:
 * fine. */
void naru_watch_remove(struct naru_watch *watch);
/* The same, and closes the fd, with one system call less.  Only where no other descriptor, and no
 * other process, refers to the same open file: epoll would go on telling of it. */
void naru_watch_close(struct naru_watch *watch);

/* From within a ready: those that were found ready with this one, and are not called yet, are
 * called now.  Not by a watch that may be called so itself. */
void naru_loop_catch_up(struct naru_loop *loop);

/* ---- Timers ---- */

struct naru_loop_timer {
    void (*fire)(struct naru_loop_timer *timer, naru_time now);
    void *user;

    /* The loop's own; cleared to zero by the caller at first. */
    naru_time at;
    struct naru_loop *loop; /* NULL: not running */
    struct naru_loop_timer *child, *next, *prev;
};

/* Once, at that instant or as soon after as may be; set again it moves.  Cannot fail. */
void naru_loop_timer_set(struct naru_loop *loop, struct naru_loop_timer *timer, naru_time at);
void naru_loop_timer_stop(struct naru_loop_timer *timer);

/* ---- Spare time ---- */

/* What can be done before it is needed, or after: a few microseconds of it at a time. */
struct naru_loop_idle {
    void (*run)(struct naru_loop_idle *idle);
    void *user;

    /* The loop's own; cleared to zero by the caller at first. */
    struct naru_loop *loop; /* NULL: not set */
    struct naru_loop_idle *next;
};

/* Once, when nothing is ready and before the loop sleeps; set again, also by itself, for later.
 * Where something is always ready it is never called.  Set already: fine. */
void naru_loop_idle_set(struct naru_loop *loop, struct naru_loop_idle *idle);
void naru_loop_idle_stop(struct naru_loop_idle *idle);

/* ---- Signals ---- */

struct naru_loop_signals {
    struct naru_watch watch;
    void (*caught)(struct naru_loop_signals *signals, const struct signalfd_siginfo *info);
    void *user;
};

/*
 * Blocks the signals of that mask (1 << (number - 1), or-ed) in this thread and tells them through
 * caught.  A child inherits the blocked mask: reset it before exec.  remove does not unblock.
 */
int naru_loop_signals_add(struct naru_loop *loop, struct naru_loop_signals *signals, uint64_t mask);
void naru_loop_signals_remove(struct naru_loop_signals *signals);

/* ---- Stacks and their devices ---- */

/* A stack in the loop. */
struct naru_attachment {
    struct naru_stack *stack;
    /*
     * Told once per naru_event, bounded per turn, so that no stack or socket starves another.  May
     * close sockets and detach this or other stacks, but not free this stack or this struct.
     */
    void (*event)(struct naru_attachment *attachment, const struct naru_event *event);
    void *user;

    /* The loop's own. */
    struct naru_loop *loop; /* NULL: not attached */
    struct naru_attachment *next;
    struct naru_device *devices;
};

int naru_loop_attach(struct naru_loop *loop, struct naru_attachment *attachment);
/* Removes its devices from it too. */
void naru_loop_detach(struct naru_attachment *attachment);

/*
 * A driver's side of one interface.  Drivers (tap.h, wire.h, or the caller's own) embed it, fill
 * ifindex and output, and watch their descriptors themselves; they call naru_stack_input directly.
 */
struct naru_device {
    unsigned ifindex;
    /*
     * Takes frames of attachment->stack (naru_stack_output) while the device has room, bounded;
     * true if it took any.  A device without room returns false and wakes the loop by its own
     * watch.
     */
    bool (*output)(struct naru_device *device, naru_time now);

    /* The loop's own. */
    struct naru_attachment *attachment; /* NULL: not added */
    struct naru_device *next;
};

void naru_device_add(struct naru_attachment *attachment, struct naru_device *device);
void naru_device_remove(struct naru_device *device);

struct naru_loop_stats {
    uint64_t turns, sleeps, ready, timers, ticks, events;
    uint64_t spins;     /* sleeps that began with open eyes */
    uint64_t unsettled; /* turns whose settling was cut at the bound */
};

void naru_loop_get_stats(const struct naru_loop *loop, struct naru_loop_stats *stats);

#endif
