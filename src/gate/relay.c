/*
 * Bytes between a guest's connection and the host's: see relay.h.
 */
#include "gate/relay.h"

#include "base/defs.h"
#include "gate/host_sock.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* Bytes a flow may move in one direction before the others have their turn. */
#define SHARE  (256U << 10)
#define SLICES 64

void naru_gate_relay_note(struct naru_gate_relay *relay, uint32_t events)
{
    bool over = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;

    if (over || (events & (EPOLLIN | EPOLLPRI)) != 0)
        relay->readable = true;
    if (over || (events & EPOLLOUT) != 0)
        relay->writable = true;
    if (over)
        relay->closing = true;
    if ((events & (EPOLLHUP | EPOLLERR)) != 0)
        relay->failing = true;
    if ((events & EPOLLPRI) != 0)
        relay->urgent = true;
}

/* ---- Guest to host ---- */

/* What the host took of the slices, 0 if nothing now, or a negative errno. */
static ssize_t write_slices(struct naru_gate_relay *relay, const struct naru_slice *slice,
                            int count)
{
    struct iovec iov[SLICES];
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = (size_t)count };
    size_t len = 0;
    ssize_t sent;

    for (int i = 0; i < count; i++) {
        union {
            const void *in;
            void *out;
        } at = { slice[i].at }; /* sendmsg does not write to it */
        iov[i] = (struct iovec){ .iov_base = at.out, .iov_len = slice[i].len };
        len += slice[i].len;
    }
    sent = sendmsg(relay->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN)
        return -errno;
    if (sent < 0 || (size_t)sent < len)
        relay->writable = false;
    return sent < 0 ? 0 : sent;
}

/* True if the next byte of the guest is the urgent one; views stop before it by themselves. */
static bool guest_at_mark(const struct naru_gate_relay *relay)
{
    int64_t mark = 0;

    return relay->guest_urgent && naru_sock_get(relay->guest, NARU_OPT_AT_MARK, &mark) == NARU_OK &&
           mark != 0;
}

/* One byte, said to be urgent; as write_slices. */
static ssize_t write_urgent(struct naru_gate_relay *relay, const void *byte)
{
    ssize_t sent = send(relay->fd, byte, 1, MSG_OOB | MSG_NOSIGNAL | MSG_DONTWAIT);

    if (sent < 0 && errno != EAGAIN)
        return -errno;
    relay->writable = sent == 1;
    relay->guest_urgent = sent != 1;
    return sent < 0 ? 0 : sent;
}

static enum naru_gate_verdict end_of_guest(struct naru_gate_relay *relay)
{
    relay->out_done = true;
    if (relay->in_done && !relay->failing) {
        naru_host_sock_end_by_close(relay->fd); /* since both have ended it is closed now */
        return NARU_GATE_WAIT;
    }
    return naru_host_sock_end(relay->fd) < 0 ? NARU_GATE_HOST_FAILED : NARU_GATE_WAIT;
}

static enum naru_gate_verdict run_out(struct naru_gate_relay *relay, naru_time now)
{
    struct naru_slice slice[SLICES];
    size_t moved = 0;

    while (!relay->out_done && relay->writable) {
        if (moved >= SHARE)
            return NARU_GATE_MORE;
        bool urgent = guest_at_mark(relay);
        int count = naru_sock_recv_view(relay->guest, slice, SLICES, now);
        if (count == NARU_ERR_AGAIN)
            return NARU_GATE_WAIT;
        if (count < 0)
            return NARU_GATE_GUEST_FAILED;
        if (count == 0)
            return end_of_guest(relay);
        ssize_t sent =
            urgent ? write_urgent(relay, slice[0].at) : write_slices(relay, slice, count);
        if (sent < 0)
            return NARU_GATE_HOST_FAILED;
        if (sent > 0)
            naru_sock_recv_consume(relay->guest, (size_t)sent, now);
        moved += (size_t)sent;
        relay->bytes_out += (uint64_t)sent;
    }
    return NARU_GATE_WAIT;
}

/* ---- Host to guest ---- */

/* True if the next byte of the host is the urgent one; reads stop before it by themselves. */
static bool at_mark(struct naru_gate_relay *relay)
{
    int mark = 0;

    return relay->urgent && ioctl(relay->fd, SIOCATMARK, &mark) == 0 && mark != 0;
}

/* One byte, said to be urgent.  The count moved, 0 if nothing now, or a negative errno. */
static ssize_t move_urgent(struct naru_gate_relay *relay, naru_time now)
{
    uint8_t byte;
    struct naru_slice slice = { .at = &byte, .len = 1 };
    ssize_t got = recv(relay->fd, &byte, 1, MSG_DONTWAIT);

    if (got < 0 && errno != EAGAIN)
        return -errno;
    if (got <= 0) {
        relay->readable = false; /* announced, but still on its way */
        return 0;
    }
    relay->urgent = false;
    return naru_sock_send(relay->guest, &slice, 1, NARU_MSG_OOB, NULL, now) == 1 ? 1 : -ENOBUFS;
}

/*
 * Fills the rooms from the host.  The count read; 0 if nothing now; a negative errno.  At the
 * host's end *ended is set.
 */
static ssize_t read_rooms(struct naru_gate_relay *relay, const struct naru_room *room, int count,
                          bool *ended)
{
    struct iovec iov[SLICES];
    size_t len = 0;
    ssize_t got;

    for (int i = 0; i < count; i++) {
        iov[i] = (struct iovec){ .iov_base = room[i].at, .iov_len = room[i].len };
        len += room[i].len;
    }
    got = readv(relay->fd, iov, count);
    if (got < 0 && errno != EAGAIN)
        return -errno;
    *ended = got == 0;
    relay->much = got > 0 && (size_t)got == len;
    /* Less than there was room for: there is no more, and epoll will tell when there is. */
    if (got < 0 || ((size_t)got < len && !relay->closing && !relay->urgent))
        relay->readable = false;
    return got < 0 ? 0 : got;
}

static enum naru_gate_verdict end_of_host(struct naru_gate_relay *relay, naru_time now)
{
    relay->in_done = true;
    return naru_sock_shutdown(relay->guest, NARU_SHUTDOWN_WRITE, now) < 0 ? NARU_GATE_GUEST_FAILED
                                                                          : NARU_GATE_WAIT;
}

static enum naru_gate_verdict run_in(struct naru_gate_relay *relay, naru_time now)
{
    struct naru_room room[SLICES];
    size_t moved = 0;

    while (!relay->in_done && relay->readable) {
        bool ended = false;
        if (moved >= SHARE)
            return NARU_GATE_MORE;
        bool urgent = at_mark(relay);
        int count = naru_sock_send_reserve(relay->guest, room, relay->much ? SLICES : 1, now);
        if (count == NARU_ERR_AGAIN)
            return NARU_GATE_WAIT;
        if (count < 0)
            return NARU_GATE_GUEST_FAILED;
        ssize_t got = urgent ? 0 : read_rooms(relay, room, count, &ended);
        naru_sock_send_commit(relay->guest, got > 0 ? (size_t)got : 0, 0, now);
        if (urgent)
            got = move_urgent(relay, now);
        if (got < 0)
            return NARU_GATE_HOST_FAILED;
        if (ended)
            return end_of_host(relay, now);
        moved += (size_t)got;
        relay->bytes_in += (uint64_t)got;
    }
    return NARU_GATE_WAIT;
}

/* ---- Both ---- */

enum naru_gate_verdict naru_gate_relay_run(struct naru_gate_relay *relay, naru_time now)
{
    enum naru_gate_verdict out = run_out(relay, now);
    enum naru_gate_verdict in;

    if (out > NARU_GATE_MORE)
        return out;
    in = run_in(relay, now);
    if (in > NARU_GATE_MORE)
        return in;
    if (relay->out_done && relay->in_done)
        return NARU_GATE_DONE;
    /* The host's connection is dead, and no read will say so any more. */
    if (relay->in_done && relay->failing && naru_host_sock_error(relay->fd) != 0)
        return NARU_GATE_HOST_FAILED;
    return out == NARU_GATE_MORE || in == NARU_GATE_MORE ? NARU_GATE_MORE : NARU_GATE_WAIT;
}
