/*
 * connect(2).
 *
 * Theory: a blocking connect simply stays unanswered until the stack tells how it went.  A
 * non-blocking one answers EINPROGRESS, and the program then polls for writing; so its end of the
 * pair must not be writable before the connection is.  We fill it: bytes written at the program's
 * end and left unread at ours, more than a quarter of its send buffer, make it "not writable" to
 * poll (af_unix asks for wmem * 4 <= sndbuf).  When the connection is there the filler is read
 * away, which is one POLLOUT edge.  When it fails our end is closed with the filler unread, which
 * is POLLERR and POLLHUP at the program's.
 *
 * Difference from the kernel: the program may write before the connection is there (its bytes queue
 * behind the filler, and go out in order), where a TCP socket would answer EAGAIN.
 */
#include "run/connect.h"

#include "host/errno.h"
#include "run/accept.h"
#include "run/dgram.h"
#include "run/runner.h"
#include "run/stream.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FILLER_STEP 32768

void naru_connect_fill(struct naru_object *object, int fd)
{
    struct pollfd writable = { .fd = fd, .events = POLLOUT };
    const uint8_t *bytes = object->runner->scratch; /* any: nobody else will see them */
    if (object->filler > 0 || fd < 0)
        return;
    while (poll(&writable, 1, 0) > 0 && (writable.revents & POLLOUT) != 0) {
        ssize_t n = send(fd, bytes, FILLER_STEP, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n <= 0)
            break;
        object->filler += (size_t)n;
    }
}

static void drain_filler(struct naru_object *object)
{
    uint8_t *to = object->runner->scratch;
    while (object->filler > 0) {
        size_t want = object->filler < NARU_DATAGRAM_MAX ? object->filler : NARU_DATAGRAM_MAX;
        ssize_t n = recv(object->watch.fd, to, want, MSG_DONTWAIT);
        if (n <= 0)
            break;
        object->filler -= (size_t)n;
    }
}

static void established(struct naru_object *object, naru_time now)
{
    object->phase = NARU_PHASE_OPEN;
    drain_filler(object);
    naru_waiters_retry(object);
    naru_stream_open(object, now);
}

/*
 * After a failed blocking connect the program may try again on the same socket: it gets a new naru
 * socket with the options of the old.  If there is no memory for one, the object ends.
 */
static void begin_anew(struct naru_object *object, naru_time now)
{
    struct naru_sock *fresh;
    if (naru_sock_new(object->runner->stack, object->family, NARU_SOCK_STREAM, &fresh) != NARU_OK) {
        naru_object_end(object, now);
        return;
    }
    for (int opt = NARU_OPT_REUSEADDR; opt <= NARU_OPT_CONGESTION; opt++) {
        int64_t value, present;
        if (naru_sock_get(object->sock, (enum naru_opt)opt, &value) == NARU_OK &&
            naru_sock_get(fresh, (enum naru_opt)opt, &present) == NARU_OK && value != present)
            (void)naru_sock_set(fresh, (enum naru_opt)opt, value, now);
    }
    naru_sock_close(object->sock, now);
    object->sock = fresh;
    object->phase = NARU_PHASE_FRESH;
    naru_sock_set_user(fresh, object);
}

static void failed(struct naru_object *object, naru_time now)
{
    int error = naru_object_take_error(object);
    object->so_error = error != 0 ? error : ECONNABORTED;
    if (object->filler > 0) {
        naru_object_end(object, now); /* POLLERR; SO_ERROR tells why */
        return;
    }
    error = naru_object_take_error(object);
    naru_waiters_fail(object, error);
    begin_anew(object, now);
}

void naru_connect_sock_event(struct naru_object *object, const struct naru_event *event,
                             naru_time now)
{
    if ((event->ready & NARU_READY_ERROR) != 0)
        failed(object, now);
    else if ((event->ready & NARU_READY_WRITE) != 0)
        established(object, now);
}

void naru_connect_destination(struct naru_endpoint *to)
{
    struct naru_addr any4 = naru_addr_v4(0);
    static const struct naru_addr any6, loopback6 = { .b = { [15] = 1 } };
    if (memcmp(&to->addr, &any4, sizeof any4) == 0)
        to->addr = naru_addr_v4(0x7f000001);
    else if (memcmp(&to->addr, &any6, sizeof any6) == 0)
        to->addr = loopback6;
}

/* The call waits for the end of the handshake, or is told that it goes on. */
static int64_t in_progress(struct naru_call *call)
{
    struct naru_object *object = call->object;
    int64_t result = naru_call_block(call, 0, object->send_timeout, EINPROGRESS);
    if (result != -EAGAIN)
        return result;
    naru_connect_fill(object, call->fd);
    return -EINPROGRESS;
}

static int64_t begin(struct naru_call *call, struct naru_endpoint *to)
{
    struct naru_object *object = call->object;
    naru_connect_destination(to);
    naru_resolver_map(&call->runner->resolver, call->runner->stack, to, &object->dgram.asked);
    enum naru_err err = naru_sock_connect(object->sock, to, call->now);
    object->connect_told = false;
    if (err == NARU_ERR_INPROGRESS) {
        object->phase = NARU_PHASE_CONNECTING;
        return in_progress(call);
    }
    if (err == NARU_ERR_AFNOSUPPORT && object->family == NARU_IPV6)
        return -ENETUNREACH; /* a v4-mapped address, and IPV6_V6ONLY */
    if (err != NARU_OK)
        return -naru_errno(err);
    object->connect_told = true;
    object->connect_waits = true;
    established(object, call->now);
    return 0;
}

/* sendto with MSG_FASTOPEN; -EAGAIN: the call blocks and is tried again. */
int64_t naru_connect_with_data(struct naru_call *call, struct naru_endpoint *to,
                               const uint8_t *bytes, size_t len)
{
    struct naru_object *object = call->object;
    struct naru_msg_info info = { .to = *to };
    struct naru_slice slice = { bytes, len };
    naru_connect_destination(&info.to);
    naru_resolver_map(&call->runner->resolver, call->runner->stack, &info.to, &object->dgram.asked);
    int64_t n = naru_sock_send(object->sock, &slice, 1, NARU_MSG_FASTOPEN, &info, call->now);
    object->connect_told = false;
    if (n <= 0 && n != NARU_ERR_INPROGRESS)
        return -naru_errno(n);
    object->phase = NARU_PHASE_CONNECTING;
    if (n == NARU_ERR_INPROGRESS)
        return in_progress(call);
    naru_connect_fill(object, call->fd);
    return n;
}

int64_t naru_connect_continue(struct naru_call *call)
{
    return naru_call_nonblocking(call, 0) ? -EALREADY : in_progress(call);
}

static int64_t stream_connect(struct naru_call *call, struct naru_endpoint *to)
{
    struct naru_object *object = call->object;
    int error;
    switch (object->phase) {
    case NARU_PHASE_FRESH:
        return begin(call, to);
    case NARU_PHASE_CONNECTING:
        return naru_connect_continue(call);
    case NARU_PHASE_OPEN:
        if (object->connect_told)
            return -EISCONN;
        object->connect_told = true; /* the first to ask after EINPROGRESS is told of success */
        return 0;
    case NARU_PHASE_LISTENING:
        return -EISCONN;
    case NARU_PHASE_ENDED:
        break;
    }
    error = naru_object_take_error(object);
    return error != 0 ? -error : -ECONNABORTED;
}

/* AF_UNSPEC takes the peer back.  A connected stream is reset by it, a listener listens no more. */
static int64_t disconnect(struct naru_call *call)
{
    struct naru_object *object = call->object;
    if (object->type != NARU_SOCK_STREAM)
        return naru_datagram_connect(object, NULL, call->now);
    if (object->phase == NARU_PHASE_OPEN || object->phase == NARU_PHASE_CONNECTING)
        naru_object_abort(object, call->now);
    else if (object->phase == NARU_PHASE_LISTENING)
        naru_listen_end(call);
    return 0;
}

int64_t naru_call_connect(struct naru_call *call)
{
    uint64_t address = call->notice->arg[1], len = (uint32_t)call->notice->arg[2];
    struct naru_endpoint to;
    struct sockaddr_storage name;
    bool goes_on = call->again && call->object->type == NARU_SOCK_STREAM;
    if (goes_on && call->object->phase != NARU_PHASE_FRESH)
        return stream_connect(call, NULL); /* the name was read the first time */
    if (len < sizeof name.ss_family)
        return -EINVAL;
    int error = naru_call_read_name(call, address, len, &name);
    if (error < 0)
        return error;
    if (name.ss_family == AF_UNSPEC)
        return disconnect(call);

    error = naru_call_parse_name(call, &name, len, &to);
    if (error < 0)
        return error;
    if (call->object->type == NARU_SOCK_STREAM)
        return stream_connect(call, &to);
    naru_connect_destination(&to);
    return naru_datagram_connect(call->object, &to, call->now);
}
