/*
 * The relay of a stream.
 *
 * Theory: two pumps, each moving bytes without an intermediate buffer: "out" receives from the pair
 * into rooms of the stack's send buffer, "in" sends slices of the stack's receive queue into the
 * pair.  Back-pressure is the pair's own: while the stack has no room we do not read, the program's
 * writes fill the pair and block; while the pair is full we do not consume, and the stack closes
 * its window.  The pair is watched by edges, so a pump that stops short notes why (pair_readable,
 * sock_full, pair_full) and is started again by the side that was slow.
 *
 * How the ends map:
 *   program shuts its sending side   recv gives 0 after all data       -> FIN
 *   program closes                   the same, and EPOLLHUP            -> FIN, then close
 *   program closes with unread data  recv fails with ECONNRESET        -> RST (RFC 2525 2.17)
 *   program closes with linger 0     EPOLLHUP                          -> RST
 *   peer's FIN                       shutdown(our end, SHUT_WR)        -> the program reads 0
 *   peer's RST, timeouts             our end closes with an unread byte in it
 *                                                                      -> ECONNRESET, POLLERR
 * EPOLLHUP without close also comes when both sides were shut one after the other: everything has
 * been said then too.
 *
 * Urgent data keeps its place in the stream on both sides: AF_UNIX marks MSG_OOB bytes as TCP does.
 * Our end and the naru socket have OOBINLINE on, and stop at the mark; what the program sees is
 * decided by the option on its own end.
 */
#include "run/stream.h"

#include "host/errno.h"
#include "run/runner.h"

#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOMS 16
/* Bytes that go into the stack before it has its turn: they are still in the cache then. */
#define SHARE ((size_t)128 << 10)

/*
 * The connection ended with an error.  The program gets what is in the pair, then ECONNRESET: for
 * that at least one byte must lie unread at our end when it closes.  If the program has not left
 * one there, we put it there through its own end.
 */
static void end_with_error(struct naru_object *object, int error, naru_time now)
{
    int unread = 0;
    object->so_error = error;
    if (ioctl(object->watch.fd, FIONREAD, &unread) == 0 && unread == 0 && !object->stream.hung_up) {
        int fd = naru_object_holder(object);
        if (fd >= 0) {
            (void)send(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
            close(fd);
        }
    }
    naru_object_end(object, now);
}

static bool at_urgent_byte(struct naru_object *object)
{
    int at_mark = 0;
    return object->stream.pair_urgent && ioctl(object->watch.fd, SIOCATMARK, &at_mark) == 0 &&
           at_mark != 0;
}

/* The first data go with SYN, as much as it takes (Fast Open). */
static ssize_t out_first(struct naru_object *object, naru_time now)
{
    uint8_t *bytes = object->runner->scratch;
    ssize_t n = recv(object->watch.fd, bytes, NARU_DATAGRAM_MAX, MSG_DONTWAIT | MSG_PEEK);
    if (n <= 0)
        return n < 0 ? -errno : 0;
    struct naru_slice slice = { bytes, (size_t)n };
    int64_t sent = naru_sock_send(object->sock, &slice, 1, 0, NULL, now);
    object->connect_waits = false;
    object->stream.sock_full = true; /* until the connection is there */
    return sent <= 0 ? -EAGAIN : recv(object->watch.fd, bytes, (size_t)sent, MSG_DONTWAIT);
}

/* Of one room or slice the kernel need not be told by a struct that it would have to copy. */
static ssize_t receive(int fd, struct iovec *iov, size_t count)
{
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = count };
    if (count == 1)
        return recv(fd, iov->iov_base, iov->iov_len, MSG_DONTWAIT);
    return recvmsg(fd, &msg, MSG_DONTWAIT);
}

static ssize_t transmit(int fd, struct iovec *iov, size_t count, int flags)
{
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = count };
    flags |= MSG_DONTWAIT | MSG_NOSIGNAL;
    if (count == 1)
        return send(fd, iov->iov_base, iov->iov_len, flags);
    return sendmsg(fd, &msg, flags);
}

/* One receive from the pair into the stack: the count, 0 at the end, or a negative errno. */
static ssize_t out_some(struct naru_object *object, naru_time now)
{
    struct naru_stream_relay *relay = &object->stream;
    struct naru_room room[ROOMS];
    struct iovec iov[ROOMS];
    if (object->connect_waits)
        return out_first(object, now);
    int count = naru_sock_send_reserve(object->sock, room, relay->pair_much ? ROOMS : 1, now);
    if (count < 0) {
        relay->sock_full = count == NARU_ERR_AGAIN;
        return relay->sock_full ? -EAGAIN : -naru_errno(count);
    }
    assert(count > 0);
    size_t capacity = 0;
    for (int i = 0; i < count; i++) {
        iov[i] = (struct iovec){ .iov_base = room[i].at, .iov_len = room[i].len };
        capacity += room[i].len;
    }
    bool urgent = at_urgent_byte(object);
    if (urgent) {
        iov[0].iov_len = 1;
        count = 1;
        relay->pair_urgent = false;
    }
    ssize_t n = receive(object->watch.fd, iov, (size_t)count);
    int error = errno;
    naru_sock_send_commit(object->sock, n > 0 ? (size_t)n : 0, urgent ? NARU_MSG_OOB : 0, now);
    if (n < 0)
        return -error;
    relay->pair_much = (size_t)n == capacity;
    /* Fewer bytes than asked for: the pair is empty, and what comes next is an edge; but for the
     * end, whose edge may have come already, and bytes beyond the urgent one. */
    if (n > 0 && (size_t)n < capacity && !urgent && !relay->pair_urgent && !relay->pair_ended)
        relay->pair_readable = false;
    return n;
}

/* From the program to the network, a share at a time. */
static void pump_out(struct naru_object *object, naru_time now)
{
    struct naru_stream_relay *relay = &object->stream;
    size_t moved = 0;
    while (relay->pair_readable && !relay->sock_full && !relay->out_ended) {
        if (moved >= SHARE) {
            naru_loop_timer_set(object->runner->loop, &relay->more, now);
            return;
        }
        ssize_t n = out_some(object, now);
        if (n > 0) {
            moved += (size_t)n;
            continue;
        }
        if (n == 0) {
            relay->out_ended = true;
            (void)naru_sock_shutdown(object->sock, NARU_SHUTDOWN_WRITE, now);
        } else if (n == -EAGAIN) {
            if (!relay->sock_full)
                relay->pair_readable = false;
        } else if (n == -ECONNRESET) {
            naru_object_abort(object, now);
            return;
        } else {
            relay->pair_readable = false; /* the stack's error; its event tells the rest */
        }
    }
}

/* The slices that go in one send: up to the urgent byte, or that byte alone. */
static int in_slices(struct naru_object *object, struct naru_slice *slice, bool *urgent,
                     naru_time now)
{
    int64_t at_mark = 0;
    *urgent = false;
    int count = naru_sock_recv_view(object->sock, slice, ROOMS, now);
    if (count <= 0 || !object->stream.sock_urgent)
        return count;
    if (naru_sock_get(object->sock, NARU_OPT_AT_MARK, &at_mark) != NARU_OK || at_mark == 0)
        return count;
    *urgent = true;
    object->stream.sock_urgent = false;
    slice[0].len = 1;
    return 1;
}

/* The pair is full; if it is not any more by now, that is an event, too. */
static void await_room(struct naru_object *object)
{
    object->stream.pair_full = true;
    (void)naru_watch_modify(&object->watch, NARU_STREAM_EVENTS | EPOLLOUT);
}

/* One send into the pair: the count, 0 at the end, or a negative errno. */
static ssize_t in_some(struct naru_object *object, naru_time now)
{
    struct naru_slice slice[ROOMS];
    struct iovec iov[ROOMS];
    bool urgent;
    int count = in_slices(object, slice, &urgent, now);
    if (count == 0)
        return 0;
    if (count < 0)
        return -naru_errno(count);
    size_t total = 0;
    for (int i = 0; i < count; i++) {
        iov[i].iov_base = (void *)(uintptr_t)slice[i].at; /* send only reads it */
        iov[i].iov_len = slice[i].len;
        total += slice[i].len;
    }
    ssize_t n = (ssize_t)total;
    if (!object->stream.deaf) {
        n = transmit(object->watch.fd, iov, (size_t)count, urgent ? MSG_OOB : 0);
        if (n < 0 && errno == EPIPE) {
            object->stream.deaf = true;
            n = (ssize_t)total;
        } else if (n < 0) {
            int error = errno;
            if (error == EAGAIN)
                await_room(object);
            object->stream.sock_urgent = object->stream.sock_urgent || urgent;
            return -error;
        }
    }
    naru_sock_recv_consume(object->sock, (size_t)n, now);
    return n;
}

/* From the network to the program. */
static void pump_in(struct naru_object *object, naru_time now)
{
    struct naru_stream_relay *relay = &object->stream;
    bool moved = false;
    while (!relay->pair_full && !relay->in_ended && !relay->hung_up) {
        ssize_t n = in_some(object, now);
        if (n > 0) {
            moved = true;
            continue;
        }
        if (n == 0) {
            relay->in_ended = true;
            shutdown(object->watch.fd, SHUT_WR);
        } else if (n != -EAGAIN) {
            end_with_error(object, (int)-n, now);
            return;
        } else if (!relay->pair_full) {
            break;
        }
    }
    if ((moved || relay->in_ended) && object->waiters.first != NULL)
        naru_waiters_retry(object);
}

static void finish_if_done(struct naru_object *object, naru_time now)
{
    if (object->phase == NARU_PHASE_OPEN && object->stream.hung_up && object->stream.out_ended)
        naru_object_end(object, now);
}

static void more(struct naru_loop_timer *timer, naru_time now)
{
    struct naru_object *object = timer->user;
    pump_out(object, now);
    finish_if_done(object, now);
}

static void note_pair(struct naru_stream_relay *relay, uint32_t events)
{
    if ((events & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
        relay->pair_readable = true;
    if ((events & EPOLLPRI) != 0)
        relay->pair_urgent = true;
    if ((events & (EPOLLRDHUP | EPOLLHUP)) != 0)
        relay->pair_ended = true;
}

void naru_stream_open(struct naru_object *object, naru_time now)
{
    (void)naru_sock_set(object->sock, NARU_OPT_OOBINLINE, 1, now);
    object->stream = (struct naru_stream_relay){ .more = { .fire = more, .user = object } };
    note_pair(&object->stream, object->early_events); /* what comes later is an edge */
    pump_in(object, now);
    if (object->phase == NARU_PHASE_OPEN)
        pump_out(object, now);
}

void naru_stream_pair_ready(struct naru_object *object, uint32_t events, naru_time now)
{
    struct naru_stream_relay *relay = &object->stream;
    note_pair(relay, events);
    if ((events & EPOLLHUP) != 0) {
        int64_t linger = -1;
        relay->hung_up = true;
        (void)naru_sock_get(object->sock, NARU_OPT_LINGER_MS, &linger);
        if (linger == 0) {
            naru_object_abort(object, now);
            return;
        }
    }
    pump_out(object, now);
    if (object->phase == NARU_PHASE_OPEN && (events & EPOLLOUT) != 0 && !relay->hung_up) {
        relay->pair_full = false;
        (void)naru_watch_modify(&object->watch, NARU_STREAM_EVENTS);
        pump_in(object, now);
    }
    if (object->phase == NARU_PHASE_OPEN && object->waiters.first != NULL)
        naru_waiters_retry(object);
    finish_if_done(object, now);
}

void naru_stream_sock_event(struct naru_object *object, const struct naru_event *event,
                            naru_time now)
{
    struct naru_stream_relay *relay = &object->stream;
    if ((event->changed & NARU_READY_URGENT) != 0)
        relay->sock_urgent = true;
    if (relay->hung_up && (event->ready & NARU_READY_ERROR) != 0) {
        naru_object_end(object, now); /* nobody is left to be told */
        return;
    }
    if (relay->in_ended && (event->ready & NARU_READY_ERROR) != 0) {
        end_with_error(object, naru_object_take_error(object), now);
        return;
    }
    if ((event->ready & (NARU_READY_READ | NARU_READY_ERROR | NARU_READY_READ_END)) != 0)
        pump_in(object, now);
    if (object->phase == NARU_PHASE_OPEN && (event->ready & NARU_READY_WRITE) != 0) {
        relay->sock_full = false;
        pump_out(object, now);
    }
    finish_if_done(object, now);
}
