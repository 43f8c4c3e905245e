/*
 * Sockets: bytes in and out of streams, and what is common to all calls that move data.
 */
#include "sock/sock.h"

#include "base/addr.h"

/* A stream that never was one moves no data; neither does a listener, which is not connected. */
static enum naru_err check_stream(const struct naru_sock *sock)
{
    return sock->connected ? NARU_OK : NARU_ERR_NOTCONN;
}

/* Nothing can be read yet while connect waits for something to send (Fast Open). */
static enum naru_err check_reader(const struct naru_sock *sock)
{
    enum naru_err err = check_stream(sock);
    return err == NARU_OK && naru_sock_connect_waits(sock) ? NARU_ERR_AGAIN : err;
}

void naru_sock_prefetch(const struct naru_sock *sock) { naru_connection_prefetch(sock); }

/* Without memory a sender waits as if the buffer were full. */
static int64_t or_wait(struct naru_sock *sock, int64_t result)
{
    if (result != NARU_ERR_NOMEM)
        return result;
    naru_sock_want_memory(sock);
    return NARU_ERR_AGAIN;
}

static NARU_NOINLINE NARU_FLATTEN int64_t send_any(struct naru_sock *sock,
                                                   const struct naru_slice *slice,
                                                   unsigned slice_count, unsigned flags,
                                                   const struct naru_msg_info *info)
{
    if (sock->type != NARU_SOCK_STREAM)
        return or_wait(sock, naru_dgram_send(naru_sock_udp_of(sock), slice, slice_count, info));
    struct naru_sock_tcp *st = naru_sock_tcp_of(sock);
    if (NARU_UNLIKELY((flags & NARU_MSG_FASTOPEN) || naru_sock_connect_waits(sock)))
        return naru_stream_send_first(st, slice, slice_count, info);
    if (check_stream(sock) != NARU_OK)
        return NARU_ERR_PIPE; /* as Linux says of a socket that was never connected */
    int64_t sent = naru_tcp_send(&st->tcp, slice, slice_count, flags, sock->stack->now);
    naru_tcp_settle_user(st);
    return or_wait(sock, sent);
}

/* First the usual: one piece, for a connection about which nothing is special. */
NARU_FLATTEN int64_t naru_sock_send(struct naru_sock *sock, const struct naru_slice *slice,
                                    unsigned slice_count, unsigned flags,
                                    const struct naru_msg_info *info, naru_time now)
{
    naru_connection_prefetch(sock);
    naru_stack_at(sock->stack, now);
    if (NARU_LIKELY(sock->type == NARU_SOCK_STREAM && sock->connected && slice_count == 1 &&
                    flags == 0)) {
        struct naru_sock_tcp *st = naru_sock_tcp_of(sock);
        int64_t sent = naru_tcp_quick_send(&st->tcp, slice, sock->stack->now);
        if (NARU_LIKELY(sent != 0)) {
            naru_tcp_settle_user(st);
            return sent;
        }
    }
    return send_any(sock, slice, slice_count, flags, info);
}

/* Any call on a stream. */
static NARU_NOINLINE int64_t recv_any(struct naru_sock *sock, const struct naru_room *room,
                                      unsigned room_count, unsigned flags)
{
    if (NARU_UNLIKELY((flags & NARU_MSG_ERRQUEUE) != 0))
        return NARU_ERR_AGAIN;
    enum naru_err err = check_reader(sock);
    if (err != NARU_OK)
        return err;
    struct naru_sock_tcp *st = naru_sock_tcp_of(sock);
    int64_t got = naru_tcp_recv(&st->tcp, room, room_count, flags, sock->stack->now);
    naru_tcp_settle_user(st);
    return got;
}

/* Mostly there is one packet to be read, and nothing else about it. */
NARU_FLATTEN int64_t naru_sock_recv(struct naru_sock *sock, const struct naru_room *room,
                                    unsigned room_count, unsigned flags, struct naru_msg_info *info,
                                    naru_time now)
{
    naru_stack_at(sock->stack, now);
    if (sock->type != NARU_SOCK_STREAM)
        return naru_dgram_recv(naru_sock_udp_of(sock), room, room_count, flags, info);
    struct naru_sock_tcp *st = naru_sock_tcp_of(sock);
    int64_t got = 0;
    if (NARU_LIKELY(sock->connected && flags == 0 && room_count == 1))
        got = naru_tcp_quick_recv(&st->tcp, room, sock->stack->now);
    if (NARU_UNLIKELY(got == 0))
        return recv_any(sock, room, room_count, flags);
    naru_tcp_settle_user(st);
    return got;
}

int naru_sock_recv_view(struct naru_sock *sock, struct naru_slice *slice, unsigned max,
                        naru_time now)
{
    if (sock->type != NARU_SOCK_STREAM)
        return NARU_ERR_OPNOTSUPP;
    enum naru_err err = check_reader(sock);
    naru_stack_at(sock->stack, now);
    return err != NARU_OK ? (int)err
                          : naru_tcp_recv_view(&naru_sock_tcp_of(sock)->tcp, slice, max, now);
}

void naru_sock_recv_consume(struct naru_sock *sock, size_t len, naru_time now)
{
    NARU_ASSERT(sock->type == NARU_SOCK_STREAM);
    struct naru_sock_tcp *st = naru_sock_tcp_of(sock);
    naru_stack_at(sock->stack, now);
    naru_tcp_recv_consume(&st->tcp, len, sock->stack->now);
    naru_tcp_settle_user(st);
}

int naru_sock_send_reserve(struct naru_sock *sock, struct naru_room *room, unsigned max,
                           naru_time now)
{
    if (sock->type != NARU_SOCK_STREAM)
        return NARU_ERR_OPNOTSUPP;
    naru_stack_at(sock->stack, now);
    if (naru_sock_connect_waits(sock))
        (void)naru_stream_send_first(naru_sock_tcp_of(sock), NULL, 0, NULL);
    if (check_stream(sock) != NARU_OK)
        return NARU_ERR_PIPE;
    return (int)or_wait(sock, naru_tcp_send_reserve(&naru_sock_tcp_of(sock)->tcp, room, max, now));
}

void naru_sock_send_commit(struct naru_sock *sock, size_t len, unsigned flags, naru_time now)
{
    NARU_ASSERT(sock->type == NARU_SOCK_STREAM);
    struct naru_sock_tcp *st = naru_sock_tcp_of(sock);
    naru_stack_at(sock->stack, now);
    naru_tcp_send_commit(&st->tcp, len, flags, sock->stack->now);
    naru_tcp_settle_user(st);
}

/* A listener that does not receive any more is a bound socket again, as Linux has it. */
static enum naru_err shutdown_listener(struct naru_sock_tcp *st, unsigned how)
{
    if ((how & NARU_SHUTDOWN_READ) != 0)
        naru_listen_close(st);
    return NARU_OK;
}

enum naru_err naru_sock_shutdown(struct naru_sock *sock, unsigned how, naru_time now)
{
    if (how == 0 || (how & ~(unsigned)(NARU_SHUTDOWN_READ | NARU_SHUTDOWN_WRITE)) != 0)
        return NARU_ERR_INVAL;
    naru_stack_at(sock->stack, now);
    if (sock->type == NARU_SOCK_STREAM) {
        struct naru_sock_tcp *st = naru_sock_tcp_of(sock);
        if (naru_sock_listens(&st->s))
            return shutdown_listener(st, how);
        if (check_stream(sock) != NARU_OK)
            return NARU_ERR_NOTCONN;
        enum naru_err err = naru_tcp_shutdown(&st->tcp, how, sock->stack->now);
        naru_tcp_settle(st);
        return err;
    }
    if (!sock->connected)
        return NARU_ERR_NOTCONN;
    struct naru_sock_udp *su = naru_sock_udp_of(sock);
    su->shut_read |= (how & NARU_SHUTDOWN_READ) != 0;
    su->shut_write |= (how & NARU_SHUTDOWN_WRITE) != 0;
    naru_sock_note(sock, naru_sock_level(sock));
    return NARU_OK;
}
