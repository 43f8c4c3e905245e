/*
 * What users call (RFC 9293 3.9.1, 3.10.1 to 3.10.6) and facts that come from outside.
 *
 * Nothing is sent here: calls change buffers and state, and note what is due.
 */
#include "proto/tcp/internal.h"

#include <string.h>

enum { BSD_SOFT_MAX = 3 }; /* retransmissions of a SYN that a soft error does not end */

/* What a send says of a place in the stream, which has to be remembered. */
enum { MARKS = NARU_MSG_EOR | NARU_MSG_OOB };

/* ---- The end of it, as the user sees it ---- */

enum naru_err naru_tcp_take_error(struct naru_tcp *c)
{
    enum naru_err err = c->error;
    c->error = 0;
    return err;
}

/* Why nothing can be read or written now that the connection is not there. */
static NARU_NOINLINE int gone(struct naru_tcp *c, int after)
{
    if (c->error != 0)
        return naru_tcp_take_error(c);
    bool opened = c->delivered > 0 || !naru_seq_eq(c->snd.una, c->snd.nxt);
    return opened ? after : NARU_ERR_NOTCONN;
}

/* ---- SEND ---- */

/* The end of one record is remembered; a second has to wait until the first was sent. */
static bool record_waits(const struct naru_tcp *c)
{
    return (c->flags & NARU_TCP_F_EOR) && naru_seq_before(c->snd.nxt, c->more->snd_eor);
}

/* Bytes that may be written now, or why none. */
static int64_t send_room(struct naru_tcp *c, unsigned flags)
{
    if (c->state == NARU_TCP_CLOSED)
        return gone(c, NARU_ERR_PIPE);
    if (c->flags & NARU_TCP_F_FIN_WANTED)
        return NARU_ERR_PIPE;
    if (!naru_tcp_is_open(c)) {
        c->flags |= NARU_TCP_F_NO_SPACE;
        return NARU_ERR_AGAIN;
    }
    uint32_t room = naru_tcp_sndq_room(c);
    if (naru_tcp_unsent_new(c) >= naru_tcp_notsent_lowat(c))
        room = 0;
    if ((flags & NARU_MSG_EOR) && record_waits(c))
        room = 0;
    if ((flags & MARKS) && !naru_tcp_more_need(c))
        return NARU_ERR_NOMEM;
    if (room == 0) {
        c->flags |= NARU_TCP_F_NO_SPACE;
        return NARU_ERR_AGAIN;
    }
    return room;
}

static void written(struct naru_tcp *c, unsigned flags)
{
    if (flags != 0)
        naru_tcp_odd(c);
    if (flags & NARU_MSG_MORE)
        c->flags |= NARU_TCP_F_MORE;
    else
        c->flags &= ~(uint32_t)NARU_TCP_F_MORE;
    if (flags & NARU_MSG_OOB)
        c->more->snd_up = c->snd.end;
    if (flags & NARU_MSG_EOR) {
        c->more->snd_eor = c->snd.end;
        c->flags |= NARU_TCP_F_EOR;
    }
    c->due |= NARU_TCP_DUE_DATA;
}

int64_t naru_tcp_send(struct naru_tcp *c, const struct naru_slice *slice, unsigned slice_count,
                      unsigned flags, naru_time now)
{
    int64_t quick = flags == 0 && slice_count == 1 ? naru_tcp_quick_send(c, slice, now) : 0;
    if (NARU_LIKELY(quick != 0))
        return quick;
    int64_t room = send_room(c, flags);
    if (room < 0)
        return room;
    if (c->more->rare != NULL)
        naru_tcp_rate_written(c, now);
    int64_t n = naru_tcp_sndq_write(c, slice, slice_count, (uint32_t)room);
    if (n > 0) {
        uint64_t wanted = 0;
        for (unsigned i = 0; i < slice_count; i++)
            wanted += slice[i].len;
        bool all = (uint64_t)n == wanted;
        if (!all)
            c->flags |= NARU_TCP_F_NO_SPACE;
        written(c, all ? flags : flags & ~(unsigned)MARKS);
    }
    return n;
}

int naru_tcp_send_reserve(struct naru_tcp *c, struct naru_room *room, unsigned max, naru_time now)
{
    (void)now;
    int64_t space = send_room(c, 0);
    if (space < 0)
        return (int)space;
    return naru_tcp_sndq_reserve(c, room, max, (uint32_t)space);
}

void naru_tcp_send_commit(struct naru_tcp *c, size_t len, unsigned flags, naru_time now)
{
    if (len > 0 && c->more->rare != NULL)
        naru_tcp_rate_written(c, now);
    if ((flags & MARKS) && !naru_tcp_more_need(c))
        flags &= ~(unsigned)MARKS; /* they are lost, the bytes are not */
    naru_tcp_sndq_commit(c, (uint32_t)len);
    if (len > 0)
        written(c, flags);
}

/* ---- RECEIVE ---- */

/* Bytes to the urgent mark, if it is not behind the reader. */
static bool mark_ahead(const struct naru_tcp *c, uint32_t *distance)
{
    naru_seq copied = naru_tcp_copied(c);
    if (c->more->urgent == NARU_TCP_URGENT_NONE || naru_seq_before(c->more->rcv_up, copied))
        return false;
    *distance = naru_seq_len(copied, c->more->rcv_up);
    return true;
}

static void pass_mark(struct naru_tcp *c)
{
    uint32_t distance;
    if (c->more->urgent != NARU_TCP_URGENT_NONE && !mark_ahead(c, &distance))
        c->more->urgent = c->more->urgent_byte = NARU_TCP_URGENT_NONE;
}

/* The urgent byte is not part of the stream unless OOBINLINE: skips it when it is next. */
static void skip_urgent(struct naru_tcp *c)
{
    uint32_t distance;
    if ((c->opt_flags & NARU_TCP_SET_OOBINLINE) || c->rcv.unread == 0 ||
        !mark_ahead(c, &distance) || distance > 0)
        return;
    naru_tcp_rcvq_consume(c, 1);
    pass_mark(c);
}

/* How much may be read in one go: up to the mark (RFC 9293 3.8.5; as SO_OOBINLINE's readers
 * expect). */
static uint32_t readable(const struct naru_tcp *c)
{
    uint32_t distance;
    if (mark_ahead(c, &distance) && distance > 0 && distance < c->rcv.unread)
        return distance;
    return c->rcv.unread;
}

/* Nothing is there: the end, or not yet? */
static int nothing(struct naru_tcp *c)
{
    if (c->flags & (NARU_TCP_F_FIN_RECEIVED | NARU_TCP_F_READ_SHUT))
        return 0;
    if (c->state == NARU_TCP_CLOSED)
        return gone(c, 0);
    return NARU_ERR_AGAIN;
}

static NARU_NOINLINE int recv_urgent(struct naru_tcp *c, const struct naru_room *room,
                                     unsigned count, unsigned flags)
{
    if ((c->opt_flags & NARU_TCP_SET_OOBINLINE) || c->more->urgent == NARU_TCP_URGENT_NONE ||
        c->more->urgent == NARU_TCP_URGENT_READ)
        return NARU_ERR_INVAL;
    if (c->more->urgent == NARU_TCP_URGENT_ANNOUNCED)
        return NARU_ERR_AGAIN;
    if (count == 0 || room[0].len == 0)
        return 0;
    *(uint8_t *)room[0].at = c->more->urgent_byte;
    if (!(flags & NARU_MSG_PEEK))
        c->more->urgent = NARU_TCP_URGENT_READ;
    return 1;
}

int64_t naru_tcp_recv(struct naru_tcp *c, const struct naru_room *room, unsigned room_count,
                      unsigned flags, naru_time now)
{
    int64_t quick = flags == 0 && room_count == 1 ? naru_tcp_quick_recv(c, room, now) : 0;
    if (NARU_LIKELY(quick != 0))
        return quick;
    if (flags & NARU_MSG_OOB)
        return recv_urgent(c, room, room_count, flags);
    skip_urgent(c);
    uint32_t max = readable(c), done = 0;
    if (max == 0)
        return nothing(c);
    bool peek = (flags & NARU_MSG_PEEK) != 0;
    for (unsigned i = 0; i < room_count && done < max; i++) {
        uint32_t n = (uint32_t)NARU_MIN(room[i].len, (size_t)(max - done));
        n = naru_tcp_rcvq_copy(c, peek ? done : 0, room[i].at, n);
        if (!peek)
            naru_tcp_rcvq_consume(c, n);
        done += n;
    }
    if (!peek && done > 0) {
        pass_mark(c);
        naru_tcp_rcvwnd_read(c, now);
    }
    return done;
}

int naru_tcp_recv_view(struct naru_tcp *c, struct naru_slice *slice, unsigned max, naru_time now)
{
    (void)now;
    skip_urgent(c);
    uint32_t left = readable(c);
    unsigned count = 0;
    if (left == 0)
        return nothing(c);
    for (const struct naru_pkt *p = naru_tcp_rcvq_first(c); p != NULL && left > 0 && count < max;
         p = naru_tcp_rcvq_next(c, p)) {
        uint32_t n = NARU_MIN(left, p->len);
        slice[count++] = (struct naru_slice){ .at = p->data, .len = n };
        left -= n;
    }
    return (int)count;
}

void naru_tcp_recv_consume(struct naru_tcp *c, size_t len, naru_time now)
{
    if (len == 0)
        return;
    naru_tcp_rcvq_consume(c, (uint32_t)len);
    pass_mark(c);
    naru_tcp_rcvwnd_read(c, now);
}

/* ---- CLOSE and ABORT ---- */

/* No more data from the user: FIN follows what is in the buffer. */
static void close_sending(struct naru_tcp *c, naru_time now)
{
    if (c->flags & NARU_TCP_F_FIN_WANTED)
        return;
    c->flags |= NARU_TCP_F_FIN_WANTED;
    if (c->state == NARU_TCP_ESTABLISHED)
        naru_tcp_enter(c, NARU_TCP_FIN_WAIT_1, now);
    else if (c->state == NARU_TCP_CLOSE_WAIT)
        naru_tcp_enter(c, NARU_TCP_LAST_ACK, now);
    c->due |= NARU_TCP_DUE_DATA;
    naru_tcp_event(c, NARU_READY_WRITE);
}

/* SYN has data, which are to arrive though the handshake is not complete (Linux forgets them). */
static bool has_sent(const struct naru_tcp *c)
{
    return (c->more->fastopen & NARU_TCP_FASTOPEN_DATA) != 0;
}

enum naru_err naru_tcp_shutdown(struct naru_tcp *c, unsigned how, naru_time now)
{
    if (c->state == NARU_TCP_CLOSED || (c->state == NARU_TCP_SYN_SENT && !has_sent(c)))
        return NARU_ERR_NOTCONN;
    if (how == 0 || (how & ~(unsigned)(NARU_SHUTDOWN_READ | NARU_SHUTDOWN_WRITE)) != 0)
        return NARU_ERR_INVAL;
    naru_tcp_odd(c);
    if (how & NARU_SHUTDOWN_READ) {
        c->flags |= NARU_TCP_F_READ_SHUT;
        naru_tcp_event(c, NARU_READY_READ | NARU_READY_READ_END);
    }
    if (how & NARU_SHUTDOWN_WRITE)
        close_sending(c, now);
    if (naru_tcp_ready(c) & NARU_READY_HANGUP)
        naru_tcp_event(c, NARU_READY_HANGUP);
    return NARU_OK;
}

/* RFC 9293 3.10.5: in which states the peer must hear of an abort. */
static bool peer_knows(const struct naru_tcp *c)
{
    switch ((enum naru_tcp_state)c->state) {
    case NARU_TCP_SYN_RECEIVED:
    case NARU_TCP_ESTABLISHED:
    case NARU_TCP_FIN_WAIT_1:
    case NARU_TCP_FIN_WAIT_2:
    case NARU_TCP_CLOSE_WAIT:
        return true;
    case NARU_TCP_CLOSED:
    case NARU_TCP_LISTEN:
    case NARU_TCP_SYN_SENT:
    case NARU_TCP_CLOSING:
    case NARU_TCP_LAST_ACK:
    case NARU_TCP_TIME_WAIT:
        break;
    }
    return false;
}

void naru_tcp_abort(struct naru_tcp *c, naru_time now)
{
    if (peer_knows(c))
        naru_tcp_die_reset(c, NARU_ERR_CONNABORTED, now);
    else
        naru_tcp_die(c, c->state == NARU_TCP_SYN_SENT ? NARU_ERR_CONNABORTED : NARU_OK, now);
}

/* Unread data make it a reset (not BSD's); reading ends too (SHLD-3, MAY-1). */
void naru_tcp_close(struct naru_tcp *c, naru_time now)
{
    naru_tcp_odd(c);
    c->flags |= NARU_TCP_F_ORPHAN;
    bool lost = c->rcv.unread > 0 && peer_knows(c) && !c->more->env->config->tcp_bsd;
    naru_tcp_rcvq_free(c);
    if (lost || naru_tcp_opts(c)->linger_ms == 0 || (c->flags & NARU_TCP_F_DEFERRED) ||
        (c->state == NARU_TCP_SYN_SENT && !has_sent(c))) {
        naru_tcp_abort(c, now);
        return;
    }
    if (c->state == NARU_TCP_CLOSED || c->state == NARU_TCP_TIME_WAIT)
        return;
    close_sending(c, now);
    if (c->state == NARU_TCP_FIN_WAIT_2) {
        if (naru_tcp_opts(c)->linger2_ms < 0)
            naru_tcp_die(c, NARU_OK, now);
        else
            naru_tcp_timer_entered(c, now);
    }
}

/* ---- Readiness ---- */

static bool may_write(const struct naru_tcp *c)
{
    if (c->state == NARU_TCP_CLOSED || (c->flags & NARU_TCP_F_FIN_WANTED))
        return true; /* an error can be had at once */
    if (!naru_tcp_is_open(c) || naru_tcp_unsent_new(c) >= naru_tcp_notsent_lowat(c))
        return false;
    return naru_tcp_sndq_room(c) >= c->sndbuf / 3;
}

static bool may_read(const struct naru_tcp *c)
{
    uint32_t distance, skip = 0;
    if (!(c->opt_flags & NARU_TCP_SET_OOBINLINE) && mark_ahead(c, &distance) && distance == 0)
        skip = NARU_MIN(c->rcv.unread, 1u);
    if (c->state == NARU_TCP_CLOSED ||
        (c->flags & (NARU_TCP_F_FIN_RECEIVED | NARU_TCP_F_READ_SHUT)) || c->error != 0)
        return true;
    return c->rcv.unread - skip >= NARU_MAX(naru_tcp_opts(c)->rcvlowat, 1u);
}

unsigned naru_tcp_ready(const struct naru_tcp *c)
{
    bool closed = c->state == NARU_TCP_CLOSED;
    bool read_end = closed || (c->flags & (NARU_TCP_F_FIN_RECEIVED | NARU_TCP_F_READ_SHUT)) != 0;
    unsigned ready = 0;
    if (may_read(c))
        ready |= NARU_READY_READ;
    if (may_write(c))
        ready |= NARU_READY_WRITE;
    if (c->more->urgent == NARU_TCP_URGENT_HERE)
        ready |= NARU_READY_URGENT;
    if (read_end)
        ready |= NARU_READY_READ_END;
    if (closed || (read_end && (c->flags & NARU_TCP_F_FIN_WANTED)))
        ready |= NARU_READY_HANGUP;
    if (c->error != 0)
        ready |= NARU_READY_ERROR;
    return ready;
}

uint32_t naru_tcp_unread(const struct naru_tcp *c)
{
    uint32_t distance;
    if (c->rcv.unread > 0 && !(c->opt_flags & NARU_TCP_SET_OOBINLINE) && mark_ahead(c, &distance) &&
        distance < c->rcv.unread)
        return distance > 0 ? distance : c->rcv.unread - 1;
    return c->rcv.unread;
}

uint32_t naru_tcp_unsent(const struct naru_tcp *c) { return naru_tcp_buffered(c); }

/* ---- Facts from outside ---- */

void naru_tcp_set_pmtu(struct naru_tcp *c, uint16_t mss, naru_time now)
{
    uint16_t before = c->snd.mss;
    naru_tcp_odd(c);
    c->mss_path = mss;
    if (c->more->rare != NULL && c->more->rare->mtu_search)
        naru_tcp_mtu_told(c, mss, now);
    naru_tcp_update_mss(c);
    if (c->snd.mss < before && naru_tcp_synchronized(c))
        naru_tcp_recover_pmtu(c);
}

/* Believed if it quotes what is in flight; it ends an opening, and else is kept for the user
 * (MUST-47, MUST-54, MUST-56, SHLD-25). */
bool naru_tcp_icmp(struct naru_tcp *c, enum naru_err err, bool hard, naru_seq quoted, naru_time now)
{
    if (c->state == NARU_TCP_CLOSED || c->state == NARU_TCP_TIME_WAIT ||
        !naru_seq_in(quoted, c->snd.una, naru_tcp_flight(c) + 1))
        return false; /* RFC 5927 4.1 */
    bool bsd = c->more->env->config->tcp_bsd;
    bool opening = c->state == NARU_TCP_SYN_SENT ||
                   (c->state == NARU_TCP_SYN_RECEIVED && !(c->flags & NARU_TCP_F_PASSIVE));
    naru_tcp_odd(c);
    if (opening && bsd && hard && err != NARU_ERR_PROTO)
        naru_tcp_die(c, NARU_ERR_CONNREFUSED, now);
    else if (opening && (!bsd || c->more->retransmits > BSD_SOFT_MAX))
        naru_tcp_die(c, err, now);
    else if (naru_tcp_more_need(c))
        c->more->soft_error = (int8_t)err; /* RFC 5927 5.2: also hard ones do not abort */
    return true;
}
