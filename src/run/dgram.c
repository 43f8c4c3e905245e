/*
 * The relay of datagrams.
 *
 * Theory: what the program does without addresses (send, recv, read, write on a connected socket)
 * runs natively on the pair, one message a datagram.  What it does with addresses is a
 * notification. Both read from the one queue, which is the pair; but a message in the pair has no
 * room for an address that a native reader would not stumble over.  So the addresses are kept here,
 * and the pair only ever holds a "run" of datagrams that have the same ones: a datagram from
 * elsewhere waits in the stack until the pair is empty.  Whoever takes a message from the pair
 * through a duplicate of the program's end therefore knows where it came from.  On a connected
 * socket a run never ends; on others it is short, and costs one wake-up each.
 *
 * An error (ICMP port unreachable; with IP_RECVERR all that ICMP says) must wake a program that
 * polls: an empty datagram is put into an empty pair, and taken out with the error, or with the
 * last entry of the error queue.  poll says POLLIN of it, never POLLERR: the kernel has no way to
 * make that of a living pair.  Notified calls tell the errno and eat it; a native recv reads 0
 * bytes from it, where the kernel's UDP would fail with the errno.  Also different: native sends on
 * an unconnected socket vanish (EDESTADDRREQ), and the errno of a native send comes with the next
 * notified call.
 */
#include "run/dgram.h"

#include "host/errno.h"
#include "run/runner.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int naru_datagram_connect(struct naru_object *object, const struct naru_endpoint *remote,
                          naru_time now)
{
    struct naru_endpoint to;
    if (object->phase == NARU_PHASE_ENDED)
        return -EPIPE;
    object->dgram.asked = (struct naru_endpoint){ .port = 0 };
    if (remote != NULL) {
        to = *remote;
        naru_resolver_map(&object->runner->resolver, object->runner->stack, &to,
                          &object->dgram.asked);
    }
    enum naru_err err = naru_sock_connect(object->sock, remote == NULL ? NULL : &to, now);
    if (err == NARU_OK)
        object->dgram.connected = remote != NULL;
    return -naru_errno(err);
}

/* The program has taken everything that was put into the pair. */
static bool pair_is_empty(struct naru_object *object)
{
    int unread = 0;
    if (object->dgram.run_count == 0)
        return true;
    if (ioctl(object->watch.fd, SIOCOUTQ, &unread) < 0 || unread > 0)
        return false;
    object->dgram.run_count = 0;
    object->dgram.error_token = false;
    return true;
}

static bool same_endpoint(const struct naru_endpoint *a, const struct naru_endpoint *b)
{
    return a->port == b->port && a->ifindex == b->ifindex &&
           memcmp(&a->addr, &b->addr, sizeof a->addr) == 0;
}

static bool same_run(const struct naru_msg_info *a, const struct naru_msg_info *b)
{
    return same_endpoint(&a->from, &b->from) && same_endpoint(&a->to, &b->to) &&
           a->gso_size == b->gso_size && a->tos == b->tos && a->hop_limit == b->hop_limit;
}

static int64_t take_from_stack(struct naru_object *object, bool peek, struct naru_msg_info *info,
                               naru_time now)
{
    struct naru_room room = { .at = object->runner->scratch, .len = NARU_DATAGRAM_MAX };
    int64_t n = naru_sock_recv(object->sock, &room, 1, peek ? NARU_MSG_PEEK : 0, info, now);
    return n < 0 ? -naru_errno(n) : n;
}

static void set_error(struct naru_object *object, int error)
{
    object->so_error = error;
    if (error != 0 && pair_is_empty(object) &&
        send(object->watch.fd, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL) == 0) {
        object->dgram.run_count = 1;
        object->dgram.error_token = true;
    }
}

/* From the stack into the pair, as long as the run goes on and there is room. */
static void feed(struct naru_object *object, naru_time now)
{
    struct naru_dgram_relay *relay = &object->dgram;
    struct naru_msg_info info;
    while (!relay->pair_full) {
        int64_t n = take_from_stack(object, true, &info, now);
        if (n < 0 && n != -EAGAIN)
            set_error(object, (int)-n);
        if (n < 0)
            break;
        if (!pair_is_empty(object) && (relay->error_token || !same_run(&relay->run, &info)))
            break;
        if (send(object->watch.fd, object->runner->scratch, (size_t)n,
                 MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
            relay->pair_full = errno == EAGAIN;
            if (relay->pair_full)
                break;
        }
        relay->run = info;
        relay->run_count++;
        (void)naru_sock_recv(object->sock, NULL, 0, 0, NULL, now); /* it is in the pair now */
    }
}

/* What made the program look for an error, or for a queue of them. */
static void eat_token(struct naru_object *object, int fd)
{
    uint8_t byte;
    if (fd < 0 || !object->dgram.error_token || pair_is_empty(object))
        return;
    (void)recv(fd, &byte, 1, MSG_DONTWAIT);
    object->dgram.error_token = false;
    object->dgram.run_count = 0;
}

int naru_datagram_take_error(struct naru_object *object, int fd)
{
    int error = naru_object_take_error(object);
    if (error != 0)
        eat_token(object, fd);
    return error;
}

ssize_t naru_datagram_take_queued(struct naru_object *object, int fd, bool peek,
                                  struct naru_msg_info *info, naru_time now)
{
    struct naru_room room = { .at = object->runner->scratch, .len = NARU_DATAGRAM_MAX };
    if (object->sock == NULL)
        return -EAGAIN;
    int64_t n = naru_sock_recv(object->sock, &room, 1,
                               NARU_MSG_ERRQUEUE | (peek ? (unsigned)NARU_MSG_PEEK : 0), info, now);
    if (n < 0)
        return -naru_errno(n);
    if (peek)
        return (ssize_t)n;
    object->so_error = 0; /* the next call fails with the next entry's, which the socket has */
    if ((naru_sock_ready(object->sock) & NARU_READY_ERROR) == 0)
        eat_token(object, fd);
    return (ssize_t)n;
}

ssize_t naru_datagram_take(struct naru_object *object, int fd, bool peek,
                           struct naru_msg_info *info, naru_time now)
{
    struct naru_dgram_relay *relay = &object->dgram;
    if (!peek) {
        int error = naru_datagram_take_error(object, fd);
        if (error != 0)
            return -error;
    }
    if (fd >= 0 && relay->run_count > 0 && !relay->error_token) {
        ssize_t n = recv(fd, object->runner->scratch, NARU_DATAGRAM_MAX,
                         MSG_DONTWAIT | (peek ? MSG_PEEK : 0));
        if (n >= 0) {
            *info = relay->run;
            return n;
        }
    }
    return (ssize_t)take_from_stack(object, peek, info, now);
}

int64_t naru_datagram_send(struct naru_object *object, const void *at, size_t len,
                           const struct naru_msg_info *info, naru_time now)
{
    struct naru_slice slice = { .at = at, .len = len };
    int64_t n = naru_sock_send(object->sock, &slice, 1, 0, info, now);
    if (n == NARU_ERR_AGAIN || n == NARU_ERR_NOBUFS) {
        object->dgram.sock_full = true;
        return -EAGAIN;
    }
    return n < 0 ? -naru_errno(n) : n;
}

/* A datagram that the program has sent natively. */
static void send_native(struct naru_object *object, const uint8_t *at, size_t len, naru_time now)
{
    struct naru_dgram_relay *relay = &object->dgram;
    if (!relay->connected)
        return;
    int64_t n = naru_datagram_send(object, at, len, NULL, now);
    if (n < 0 && n != -EAGAIN) {
        set_error(object, (int)-n); /* an earlier one's, most likely: this one has its own chance */
        n = naru_datagram_send(object, at, len, NULL, now);
    }
    if (n != -EAGAIN)
        return;
    relay->held = malloc(len + 1);
    if (relay->held == NULL) {
        relay->sock_full = false; /* lost, as datagrams are */
        return;
    }
    memcpy(relay->held, at, len);
    relay->held_len = len;
}

static void send_held(struct naru_object *object, naru_time now)
{
    uint8_t *held = object->dgram.held;
    object->dgram.held = NULL;
    if (held != NULL)
        send_native(object, held, object->dgram.held_len, now);
    free(held);
}

/* An empty message reads as the end does. */
static bool program_has_closed(const struct naru_object *object)
{
    struct pollfd end = { .fd = object->watch.fd, .events = POLLRDHUP };
    return poll(&end, 1, 0) > 0 && (end.revents & (POLLRDHUP | POLLHUP)) != 0;
}

/* From the pair into the stack. */
static void drain_pair(struct naru_object *object, naru_time now)
{
    uint8_t *at = object->runner->scratch;
    while (!object->dgram.sock_full) {
        ssize_t n = recv(object->watch.fd, at, NARU_DATAGRAM_MAX, MSG_DONTWAIT);
        if (n < 0 || (n == 0 && program_has_closed(object)))
            return;
        send_native(object, at, (size_t)n, now);
    }
}

void naru_datagram_pair_ready(struct naru_object *object, uint32_t events, naru_time now)
{
    if (object->phase == NARU_PHASE_ENDED)
        return;
    if ((events & EPOLLHUP) != 0)
        object->dgram.sock_full = false; /* what does not fit now is lost */
    drain_pair(object, now);
    if ((events & EPOLLHUP) != 0) {
        naru_waiters_fail(object, 0); /* shut, not closed: nothing more will come */
        naru_object_end(object, now);
        return;
    }
    if ((events & EPOLLOUT) != 0) {
        object->dgram.pair_full = false;
        feed(object, now);
    }
}

void naru_datagram_sock_event(struct naru_object *object, const struct naru_event *event,
                              naru_time now)
{
    if (object->phase == NARU_PHASE_ENDED)
        return;
    if ((event->ready & NARU_READY_ERROR) != 0)
        set_error(object, naru_object_take_error(object));
    if ((event->ready & NARU_READY_WRITE) != 0 && object->dgram.sock_full) {
        object->dgram.sock_full = false;
        send_held(object, now);
        drain_pair(object, now);
    }
    naru_waiters_retry(object);
    if (object->phase != NARU_PHASE_ENDED && (event->ready & NARU_READY_READ) != 0)
        feed(object, now);
}
