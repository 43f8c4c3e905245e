/*
 * Sockets: their lives and their names.  What each call promises stands in <naru/sock.h>.
 */
#include "sock/sock.h"

#include "base/addr.h"

enum { BACKLOG_MAX = 65535 };

/* ---- Lives ---- */

enum naru_err naru_sock_new(struct naru_stack *stack, enum naru_family family,
                            enum naru_sock_type type, struct naru_sock **out)
{
    struct naru_sock *sock = NULL;
    if ((family != NARU_IPV4 && family != NARU_IPV6) || type > NARU_SOCK_PING)
        return NARU_ERR_INVAL;
    if (stack->sock_count >= stack->config.sockets_max)
        return NARU_ERR_NOBUFS;
    if (type == NARU_SOCK_STREAM) {
        struct naru_sock_tcp *st = naru_tcp_sock_new(stack);
        sock = st == NULL ? NULL : &st->s;
    } else {
        struct naru_sock_udp *su = naru_udp_sock_new(stack, type, family);
        sock = su == NULL ? NULL : &su->s;
    }
    if (sock == NULL)
        return NARU_ERR_NOMEM;
    sock->held = true;
    sock->v6 = family == NARU_IPV6;
    if (!sock->v6)
        sock->flow.tuple.local = sock->flow.tuple.remote = naru_addr_v4(0);
    *out = sock;
    return NARU_OK;
}

/* The application lets go; nothing of this socket is told any more. */
static void let_go(struct naru_sock *sock)
{
    sock->held = false;
    sock->user = NULL;
    sock->changed = 0;
    if (naru_list_linked(&sock->event_node))
        naru_list_remove(&sock->event_node);
}

static void end_stream(struct naru_sock_tcp *st, bool abort, naru_time now)
{
    naru_stack_at(st->s.stack, now);
    let_go(&st->s);
    if (st->s.ended || naru_sock_listens(&st->s) || !st->s.connected) {
        naru_tcp_sock_release(st);
        return;
    }
    if (naru_sock_connect_waits(&st->s))
        naru_sock_tie(&st->s, TIE_NONE);
    naru_port_release(&st->s);
    if (abort)
        naru_tcp_abort(&st->tcp, now);
    else
        naru_tcp_close(&st->tcp, now);
    naru_tcp_settle(st);
}

void naru_sock_close(struct naru_sock *sock, naru_time now)
{
    if (sock == NULL)
        return;
    NARU_ASSERT(sock->held);
    if (sock->type == NARU_SOCK_STREAM) {
        end_stream(naru_sock_tcp_of(sock), false, now);
        return;
    }
    naru_stack_at(sock->stack, now);
    let_go(sock);
    naru_udp_sock_release(naru_sock_udp_of(sock));
}

void naru_sock_abort(struct naru_sock *sock, naru_time now)
{
    if (sock != NULL && sock->type == NARU_SOCK_STREAM) {
        NARU_ASSERT(sock->held);
        end_stream(naru_sock_tcp_of(sock), true, now);
        return;
    }
    naru_sock_close(sock, now);
}

void naru_sock_set_user(struct naru_sock *sock, void *user) { sock->user = user; }

void *naru_sock_user(const struct naru_sock *sock) { return sock->user; }

struct naru_stack *naru_sock_stack(const struct naru_sock *sock) { return sock->stack; }

unsigned naru_sock_ready(const struct naru_sock *sock) { return naru_sock_level(sock); }

/* ---- Names ---- */

static bool family_fits(const struct naru_sock *sock, const struct naru_addr *addr)
{
    bool v4 = naru_addr_is_v4(addr);
    return sock->v6 ? !(v4 && sock->v6only) : v4;
}

/* Source address of a sent datagram is one of the host's own (H-3.2.1.3-2). */
static bool may_bind(const struct naru_sock *sock, const struct naru_addr *addr)
{
    if (naru_addr_is_unspecified(addr) || sock->transparent || naru_addr_is_loopback(addr))
        return true;
    if (sock->type != NARU_SOCK_STREAM && naru_names_many(sock->stack, addr))
        return true;
    return naru_ifaddr_find(sock->stack, addr, 0) != NULL;
}

enum naru_err naru_sock_bind(struct naru_sock *sock, const struct naru_endpoint *local)
{
    if (sock->bound || sock->connected)
        return NARU_ERR_INVAL;
    if (!family_fits(sock, &local->addr))
        return NARU_ERR_AFNOSUPPORT;
    if (!may_bind(sock, &local->addr))
        return NARU_ERR_ADDRNOTAVAIL;
    struct naru_addr before = sock->flow.tuple.local;
    uint16_t iface_before = sock->bind_iface;
    sock->flow.tuple.local = local->addr;
    if (local->ifindex != 0 && naru_addr_is_link_local(&local->addr))
        sock->bind_iface = local->ifindex;
    sock->addr_given = !naru_addr_is_unspecified(&local->addr);
    enum naru_err err = naru_port_bind(sock, local->port);
    if (err != NARU_OK) {
        sock->flow.tuple.local = before;
        sock->bind_iface = iface_before;
    }
    return err;
}

void naru_sock_local(const struct naru_sock *sock, struct naru_endpoint *local)
{
    struct naru_endpoint remote;
    naru_tuple_ends(&sock->flow.tuple, local, &remote);
    if (naru_addr_is_link_local(&local->addr))
        local->ifindex = sock->flow.tuple.zone != 0 ? sock->flow.tuple.zone : sock->bind_iface;
}

enum naru_err naru_sock_remote(const struct naru_sock *sock, struct naru_endpoint *remote)
{
    struct naru_endpoint local;
    if (!sock->connected)
        return NARU_ERR_NOTCONN;
    if (sock->type == NARU_SOCK_STREAM) {
        enum naru_tcp_state state = (enum naru_tcp_state)naru_sock_tcp_of(sock)->tcp.state;
        if (state == NARU_TCP_CLOSED || state == NARU_TCP_SYN_SENT)
            return NARU_ERR_NOTCONN;
    }
    naru_tuple_ends(&sock->flow.tuple, &local, remote);
    return NARU_OK;
}

/* ---- Listening ---- */

enum naru_err naru_sock_listen(struct naru_sock *sock, unsigned backlog, naru_time now)
{
    if (sock->type != NARU_SOCK_STREAM)
        return NARU_ERR_OPNOTSUPP;
    struct naru_sock_tcp *st = naru_sock_tcp_of(sock);
    naru_stack_at(sock->stack, now);
    backlog = NARU_MAX(NARU_MIN(backlog, (unsigned)BACKLOG_MAX), 1U);
    if (naru_sock_listens(&st->s)) {
        st->s.listen->backlog = backlog;
        return NARU_OK;
    }
    if (sock->connected)
        return NARU_ERR_INVAL;
    if (!sock->bound) {
        enum naru_err err = naru_port_bind(sock, 0);
        if (err != NARU_OK)
            return err;
    }
    enum naru_err err = naru_listen_open(st, backlog);
    if (err != NARU_OK)
        return err;
    if (!naru_port_may_listen(sock)) {
        naru_listen_close(st);
        return NARU_ERR_ADDRINUSE;
    }
    return NARU_OK;
}

enum naru_err naru_sock_accept(struct naru_sock *sock, struct naru_sock **out, naru_time now)
{
    if (sock->type != NARU_SOCK_STREAM)
        return NARU_ERR_OPNOTSUPP;
    struct naru_sock_tcp *listener = naru_sock_tcp_of(sock);
    if (!naru_sock_listens(sock))
        return NARU_ERR_INVAL;
    naru_stack_at(sock->stack, now);
    struct naru_sock_tcp *child = naru_listen_take(listener);
    if (child == NULL)
        return NARU_ERR_AGAIN;
    child->s.held = true;
    naru_sock_note(&child->s, naru_sock_level(&child->s));
    *out = &child->s;
    return NARU_OK;
}

enum naru_err naru_sock_answer_datagram(struct naru_sock *sock, const struct naru_msg_info *info,
                                        enum naru_answer answer, naru_time now)
{
    static const enum naru_unreachable why[] = {
        [NARU_ANSWER_REFUSE] = UNREACHABLE_PORT,
        [NARU_ANSWER_NET_UNREACHABLE] = UNREACHABLE_NET,
        [NARU_ANSWER_HOST_UNREACHABLE] = UNREACHABLE_HOST,
        [NARU_ANSWER_PROHIBITED] = UNREACHABLE_PROHIBITED,
    };
    if (sock->type != NARU_SOCK_DGRAM || !sock->transparent || answer > NARU_ANSWER_IGNORE)
        return NARU_ERR_INVAL;
    naru_stack_at(sock->stack, now);
    if (answer != NARU_ANSWER_ACCEPT && answer != NARU_ANSWER_IGNORE)
        naru_udp_unreachable(sock->stack, &info->from, &info->to, info->len, why[answer]);
    return NARU_OK;
}

enum naru_err naru_sock_answer(struct naru_sock *sock, enum naru_answer answer, naru_time now)
{
    struct naru_sock_tcp *st = naru_sock_tcp_of(sock);
    if (sock->type != NARU_SOCK_STREAM || !st->s.deferred || answer > NARU_ANSWER_IGNORE)
        return NARU_ERR_INVAL;
    naru_stack_at(sock->stack, now);
    st->s.deferred = false;
    switch (answer) {
    case NARU_ANSWER_ACCEPT:
        naru_tcp_answer(&st->tcp, now);
        break;
    case NARU_ANSWER_REFUSE:
        naru_tcp_abort(&st->tcp, now);
        break;
    case NARU_ANSWER_NET_UNREACHABLE:
        naru_tcp_unreachable(st, UNREACHABLE_NET);
        break;
    case NARU_ANSWER_HOST_UNREACHABLE:
        naru_tcp_unreachable(st, UNREACHABLE_HOST);
        break;
    case NARU_ANSWER_PROHIBITED:
        naru_tcp_unreachable(st, UNREACHABLE_PROHIBITED);
        break;
    case NARU_ANSWER_IGNORE:
        naru_tcp_forget(st);
        break;
    }
    naru_tcp_settle(st);
    return NARU_OK;
}

/* ---- Connecting ---- */

/* An address any of which is meant is this host's own (as Linux has it). */
static void here_if_unspecified(struct naru_addr *addr)
{
    if (!naru_addr_is_unspecified(addr))
        return;
    *addr =
        naru_addr_is_v4(addr) ? naru_addr_v4(0x7f000001) : (struct naru_addr){ .b = { [15] = 1 } };
}

/* Sets the remote half of the name, and the local address if it was not given (MUST-43, MUST-44,
 * MUST-45). */
static enum naru_err set_remote(struct naru_sock *sock, const struct naru_endpoint *remote,
                                struct naru_path *path)
{
    struct naru_tuple *t = &sock->flow.tuple;
    if (!family_fits(sock, &remote->addr))
        return NARU_ERR_AFNOSUPPORT;
    if (remote->port == 0 && sock->type != NARU_SOCK_PING)
        return sock->type == NARU_SOCK_STREAM ? NARU_ERR_ADDRNOTAVAIL : NARU_ERR_INVAL;
    struct naru_addr addr = remote->addr;
    here_if_unspecified(&addr);
    unsigned ifindex = sock->bind_iface;
    if (naru_addr_is_link_local(&addr) && remote->ifindex != 0)
        ifindex = remote->ifindex;
    if (ifindex == 0 && (naru_addr_is_multicast(&addr) || naru_addr_is_limited_broadcast(&addr)))
        ifindex = naru_path_group_iface(sock, &addr, &t->local);
    *path = (struct naru_path){ 0 };
    if (!naru_path_route(sock->stack, path, &addr, ifindex))
        return NARU_ERR_NETUNREACH;
    struct naru_addr local = t->local;
    if (!sock->addr_given && !naru_path_source(sock->stack, path, &addr, &local))
        return NARU_ERR_ADDRNOTAVAIL;
    t->local = local;
    t->remote = addr;
    t->remote_port = remote->port;
    t->zone = naru_addr_is_link_local(&addr) ? path->ifindex : 0;
    return NARU_OK;
}

static enum naru_err stream_name(struct naru_sock_tcp *st, const struct naru_tuple *before,
                                 struct naru_tcp_tw *old, bool *reuse)
{
    struct naru_sock *sock = &st->s;
    struct naru_stack *stack = sock->stack;
    struct naru_name name;
    enum naru_err err = naru_port_for_connection(sock, &name);
    *reuse = err == NARU_OK && name.rests != NULL;
    if (*reuse)
        naru_time_wait_take(stack, name.rests, old);
    if (err == NARU_OK && !naru_flow_add(stack, &sock->flow, name.hash))
        err = NARU_ERR_NOMEM;
    if (err != NARU_OK) {
        uint8_t proto = sock->flow.tuple.proto;
        sock->flow.tuple = *before;
        sock->flow.tuple.proto = proto;
    }
    return err;
}

/* May it connect at all? */
static enum naru_err may_connect(struct naru_sock_tcp *st)
{
    if (naru_sock_listens(&st->s) || naru_sock_connect_waits(&st->s))
        return NARU_ERR_ISCONN;
    if (!st->s.connected)
        return NARU_OK;
    if (st->tcp.state == NARU_TCP_SYN_SENT || st->tcp.state == NARU_TCP_SYN_RECEIVED)
        return NARU_ERR_ALREADY;
    if (st->tcp.state != NARU_TCP_CLOSED)
        return NARU_ERR_ISCONN;
    enum naru_err error = naru_tcp_take_error(&st->tcp);
    return error != NARU_OK ? error : NARU_ERR_CONNABORTED;
}

/* The connection has its name, and all but left.  OPEN towards an invalid remote address
 * (broadcast, multicast) fails (MUST-46). */
static enum naru_err connect_stream(struct naru_sock_tcp *st, const struct naru_endpoint *remote,
                                    naru_seq *iss)
{
    struct naru_sock *sock = &st->s;
    struct naru_stack *stack = sock->stack;
    struct naru_tuple before = sock->flow.tuple;
    struct naru_tcp_tw old;
    struct naru_path path;
    bool reuse;
    enum naru_err err = may_connect(st);
    if (err != NARU_OK)
        return err;
    if (naru_addr_is_multicast(&remote->addr) || naru_addr_is_limited_broadcast(&remote->addr))
        return NARU_ERR_NETUNREACH;
    err = set_remote(sock, remote, &path);
    if (err == NARU_OK)
        naru_path_share(stack, &st->path);
    if (err == NARU_OK &&
        naru_iface_is_broadcast(stack->ifaces[path.ifindex], &sock->flow.tuple.remote)) {
        sock->flow.tuple = before;
        err = NARU_ERR_NETUNREACH;
    }
    if (err == NARU_OK)
        err = stream_name(st, &before, &old, &reuse);
    if (err != NARU_OK)
        return err;
    struct naru_tcp_setup setup = naru_tcp_setup_for(&sock->flow.tuple, path.mtu);
    setup.secret = naru_tcp_secret_of(stack, &sock->flow.tuple);
    *iss = naru_tcp_isn(&setup.secret, stack->now);
    if (reuse)
        *iss = naru_tcp_tw_iss(&old, *iss);
    sock->connected = true;
    naru_tcp_set_path(&st->tcp, &setup);
    return NARU_OK;
}

/* SYN leaves, with what Fast Open has to say and as many data as it takes; the count. */
static int64_t open_fast(struct naru_sock_tcp *st, naru_seq iss, const struct naru_slice *slice,
                         unsigned slice_count)
{
    struct naru_tcp_fastopen how;
    (void)naru_fastopen_ask(st, &how);
    st->s.fast_asked = true;
    int64_t taken = naru_tcp_open_fast(&st->tcp, iss, &how, slice, slice_count, st->s.stack->now);
    naru_tcp_settle(st);
    return taken;
}

int64_t naru_stream_send_first(struct naru_sock_tcp *st, const struct naru_slice *slice,
                               unsigned slice_count, const struct naru_msg_info *info)
{
    naru_seq iss;
    if (naru_sock_connect_waits(&st->s)) {
        iss = st->s.iss;
        naru_sock_tie(&st->s, TIE_NONE);
        int64_t taken = open_fast(st, iss, slice, slice_count);
        return taken > 0 ? taken : (int64_t)NARU_ERR_AGAIN;
    }
    if (!(st->s.stack->config.tcp_fastopen & NARU_FASTOPEN_CLIENT))
        return NARU_ERR_OPNOTSUPP;
    if (info == NULL)
        return NARU_ERR_INVAL;
    enum naru_err err = connect_stream(st, &info->to, &iss);
    if (err != NARU_OK)
        return err;
    int64_t taken = open_fast(st, iss, slice, slice_count);
    return taken > 0 ? taken : (int64_t)NARU_ERR_INPROGRESS;
}

/* With FASTOPEN_CONNECT, where a cookie is known, nothing leaves before there are data. */
static enum naru_err connect_now(struct naru_sock_tcp *st, const struct naru_endpoint *remote)
{
    struct naru_tcp_fastopen how;
    naru_seq iss;
    enum naru_err err = connect_stream(st, remote, &iss);
    if (err != NARU_OK)
        return err;
    if (!st->s.fast_connect || !(st->s.stack->config.tcp_fastopen & NARU_FASTOPEN_CLIENT)) {
        naru_tcp_open(&st->tcp, iss, st->s.stack->now);
        naru_tcp_settle(st);
        return NARU_ERR_INPROGRESS;
    }
    if (naru_fastopen_ask(st, &how)) {
        naru_sock_tie(&st->s, TIE_CONNECT);
        st->s.iss = iss;
        naru_sock_note(&st->s, NARU_READY_WRITE);
        return NARU_OK;
    }
    (void)open_fast(st, iss, NULL, 0);
    return NARU_ERR_INPROGRESS;
}

/* Takes the peer back: any sender again, and the local address chosen anew next time. */
static void disconnect(struct naru_sock *sock)
{
    struct naru_tuple *t = &sock->flow.tuple;
    naru_flow_remove(sock->stack, &sock->flow);
    t->remote = sock->v6 ? (struct naru_addr){ 0 } : naru_addr_v4(0);
    t->remote_port = 0;
    t->zone = 0;
    if (!sock->addr_given)
        t->local = t->remote;
    sock->connected = false;
}

static enum naru_err connect_dgram(struct naru_sock_udp *su, const struct naru_endpoint *remote)
{
    struct naru_sock *sock = &su->s;
    disconnect(sock);
    su->described = false;
    if (remote == NULL)
        return NARU_OK;
    if (naru_addr_is_limited_broadcast(&remote->addr) && !sock->broadcast)
        return NARU_ERR_ACCES;
    struct naru_tuple before = sock->flow.tuple;
    struct naru_path path;
    enum naru_err err = set_remote(sock, remote, &path);
    if (err != NARU_OK)
        return err;
    if (!sock->bound)
        err = naru_port_bind(sock, 0);
    if (err != NARU_OK) {
        sock->flow.tuple = before;
        return err;
    }
    sock->connected = true;
    uint32_t hash = naru_tuple_hash(sock->stack, &sock->flow.tuple);
    if (!naru_addr_is_multicast(&remote->addr) &&
        naru_flow_find(sock->stack, &sock->flow.tuple, hash) == NULL &&
        !naru_flow_add(sock->stack, &sock->flow, hash)) {
        disconnect(sock);
        return NARU_ERR_NOMEM;
    }
    return NARU_OK;
}

enum naru_err naru_sock_connect(struct naru_sock *sock, const struct naru_endpoint *remote,
                                naru_time now)
{
    naru_stack_at(sock->stack, now);
    if (sock->type == NARU_SOCK_STREAM)
        return remote == NULL ? NARU_ERR_INVAL : connect_now(naru_sock_tcp_of(sock), remote);
    return connect_dgram(naru_sock_udp_of(sock), remote);
}
