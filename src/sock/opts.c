/*
 * Sockets: options, groups, and the list of all sockets.
 */
#include "sock/sock.h"

#include "base/addr.h"

enum { RCVBUF_MIN = 2048, RCVBUF_MAX = 1 << 30 };

/* ---- Options of every socket ---- */

static bool in_range(int64_t value, int64_t min, int64_t max)
{
    return value >= min && value <= max;
}

static enum naru_err set_flag(bool fits, int64_t value, bool *out)
{
    if (!fits)
        return NARU_ERR_INVAL;
    *out = value != 0;
    return NARU_OK;
}

static bool iface_ok(const struct naru_sock *sock, int64_t value)
{
    return value == 0 ||
           (in_range(value, 1, IFACES_MAX) && naru_iface_of(sock->stack, (unsigned)value) != NULL);
}

/* *known: it is an option of every socket (MUST-48, MUST-49, SHLD-21). */
static enum naru_err set_common(struct naru_sock *sock, enum naru_opt opt, int64_t value,
                                bool *known)
{
    bool flag = value != 0, fits = true;
    *known = true;
    switch ((int)opt) {
    case NARU_OPT_REUSEADDR:
        sock->reuseaddr = flag;
        break;
    case NARU_OPT_REUSEPORT:
        sock->reuseport = flag;
        break;
    case NARU_OPT_BROADCAST:
        sock->broadcast = flag;
        break;
    case NARU_OPT_V6ONLY:
        fits = sock->v6 && !sock->bound && !sock->connected;
        if (fits)
            sock->v6only = flag;
        break;
    case NARU_OPT_TRANSPARENT:
        fits = !sock->bound && !sock->connected;
        if (fits)
            sock->transparent = flag;
        break;
    case NARU_OPT_TTL:
        fits = value == -1 || in_range(value, 1, 255);
        if (fits)
            sock->ttl = (uint8_t)(value == -1 ? 0 : value);
        break;
    case NARU_OPT_TOS:
        fits = in_range(value, 0, 255);
        if (fits) /* ECN's bits are TCP's own */
            sock->tos = (uint8_t)(sock->type == NARU_SOCK_STREAM ? value & ~3 : value);
        break;
    case NARU_OPT_MTU_DISCOVER:
        fits = in_range(value, 0, 2);
        if (fits)
            sock->mtu_discover = (uint8_t)value;
        break;
    case NARU_OPT_BIND_IFACE:
        fits = iface_ok(sock, value);
        if (fits)
            sock->bind_iface = (uint16_t)value;
        break;
    case NARU_OPT_MULTICAST_IF:
        fits = iface_ok(sock, value);
        if (fits)
            sock->multicast_if = (uint8_t)value;
        break;
    case NARU_OPT_MULTICAST_TTL:
        fits = in_range(value, 0, 255);
        if (fits)
            sock->multicast_ttl = (uint8_t)value;
        break;
    case NARU_OPT_MULTICAST_LOOP:
        sock->multicast_loop = flag;
        break;
    default:
        *known = false;
        break;
    }
    return fits ? NARU_OK : NARU_ERR_INVAL;
}

static enum naru_err set_dgram(struct naru_sock_udp *su, enum naru_opt opt, int64_t value)
{
    switch ((int)opt) {
    case NARU_OPT_RCVBUF:
        if (!in_range(value, 1, RCVBUF_MAX))
            return NARU_ERR_INVAL;
        su->rx_max = (uint32_t)NARU_MAX(value, (int64_t)RCVBUF_MIN);
        return NARU_OK;
    case NARU_OPT_SNDBUF: /* what is sent waits in the interface's queue */
        return in_range(value, 1, RCVBUF_MAX) ? NARU_OK : NARU_ERR_INVAL;
    case NARU_OPT_UDP_GSO:
        if (!in_range(value, 0, 65507) || su->s.type != NARU_SOCK_DGRAM)
            return NARU_ERR_INVAL;
        su->gso_size = (uint16_t)value;
        return NARU_OK;
    case NARU_OPT_UDP_GRO:
        return set_flag(su->s.type == NARU_SOCK_DGRAM, value, &su->gro);
    case NARU_OPT_RECVERR:
        while (value == 0 && naru_dgram_error_recv(su, NULL, 0, false, NULL) != NARU_ERR_AGAIN)
            ;
        return set_flag(true, value, &su->recverr);
    default:
        return NARU_ERR_NOPROTOOPT;
    }
}

/* False: another option. */
static bool set_fastopen(struct naru_sock_tcp *st, enum naru_opt opt, int64_t value,
                         enum naru_err *err)
{
    bool may = opt == NARU_OPT_FASTOPEN ? !st->s.connected : st->tcp.state == NARU_TCP_CLOSED;
    if (opt != NARU_OPT_FASTOPEN && opt != NARU_OPT_FASTOPEN_CONNECT &&
        opt != NARU_OPT_FASTOPEN_NO_COOKIE)
        return false;
    may = may && in_range(value, 0, opt == NARU_OPT_FASTOPEN ? INT32_MAX : 1);
    *err = may ? NARU_OK : NARU_ERR_INVAL;
    if (!may)
        return true;
    if (opt == NARU_OPT_FASTOPEN)
        st->s.fast_max = (uint16_t)NARU_MIN(value, (int64_t)UINT16_MAX);
    else if (opt == NARU_OPT_FASTOPEN_CONNECT)
        st->s.fast_connect = value != 0;
    else
        st->s.fast_no_cookie = value != 0;
    return true;
}

enum naru_err naru_sock_set_fastopen_key(struct naru_sock *sock, const uint8_t *key, size_t len)
{
    struct naru_sock_tcp *st = naru_sock_tcp_of(sock);
    struct naru_fastopen_keys keys;
    if (sock->type != NARU_SOCK_STREAM)
        return NARU_ERR_OPNOTSUPP;
    if (!naru_fastopen_keys_set(&keys, key, len))
        return NARU_ERR_INVAL;
    return naru_fastopen_own_set(st, &keys);
}

size_t naru_sock_get_fastopen_key(const struct naru_sock *sock, uint8_t key[32])
{
    const struct naru_sock_tcp *st = naru_sock_tcp_of(sock);
    const struct naru_fastopen_keys *keys =
        sock->type == NARU_SOCK_STREAM ? naru_fastopen_own_keys(st) : NULL;
    return keys == NULL ? 0 : naru_fastopen_keys_get(keys, key);
}

enum naru_err naru_sock_set(struct naru_sock *sock, enum naru_opt opt, int64_t value, naru_time now)
{
    bool known, dgram = sock->type != NARU_SOCK_STREAM;
    naru_stack_at(sock->stack, now);
    if (dgram)
        naru_sock_udp_of(sock)->described = false;
    enum naru_err err = set_common(sock, opt, value, &known);
    if (known)
        return err;
    if (dgram)
        return set_dgram(naru_sock_udp_of(sock), opt, value);
    struct naru_sock_tcp *st = naru_sock_tcp_of(sock);
    if (set_fastopen(st, opt, value, &err))
        return err;
    if (opt == NARU_OPT_DEFER_ANSWER) {
        st->s.defer_answer = value != 0;
        return NARU_OK;
    }
    err = naru_tcp_set(&st->tcp, opt, value, sock->stack->now);
    if (sock->connected)
        naru_tcp_settle(st);
    return err;
}

static enum naru_err get_common(const struct naru_sock *sock, enum naru_opt opt, int64_t *value)
{
    switch ((int)opt) {
    case NARU_OPT_TYPE:
        *value = sock->type;
        return NARU_OK;
    case NARU_OPT_REUSEADDR:
        *value = sock->reuseaddr;
        return NARU_OK;
    case NARU_OPT_REUSEPORT:
        *value = sock->reuseport;
        return NARU_OK;
    case NARU_OPT_BROADCAST:
        *value = sock->broadcast;
        return NARU_OK;
    case NARU_OPT_V6ONLY:
        *value = sock->v6only;
        return NARU_OK;
    case NARU_OPT_TRANSPARENT:
        *value = sock->transparent;
        return NARU_OK;
    case NARU_OPT_TTL:
        *value = sock->ttl != 0 ? sock->ttl : sock->stack->config.hop_limit;
        return NARU_OK;
    case NARU_OPT_TOS:
        *value = sock->tos;
        return NARU_OK;
    case NARU_OPT_MTU_DISCOVER:
        *value = sock->mtu_discover;
        return NARU_OK;
    case NARU_OPT_BIND_IFACE:
        *value = sock->bind_iface;
        return NARU_OK;
    case NARU_OPT_MULTICAST_IF:
        *value = sock->multicast_if;
        return NARU_OK;
    case NARU_OPT_MULTICAST_TTL:
        *value = sock->multicast_ttl;
        return NARU_OK;
    case NARU_OPT_MULTICAST_LOOP:
        *value = sock->multicast_loop;
        return NARU_OK;
    default:
        return NARU_ERR_NOPROTOOPT;
    }
}

static enum naru_err get_mtu(struct naru_sock *sock, int64_t *value)
{
    struct naru_path path = { 0 };
    if (!sock->connected)
        return NARU_ERR_NOTCONN;
    if (!naru_path_route(sock->stack, &path, &sock->flow.tuple.remote, sock->bind_iface))
        return NARU_ERR_NETUNREACH;
    *value = path.mtu;
    return NARU_OK;
}

static enum naru_err get_dgram(struct naru_sock_udp *su, enum naru_opt opt, int64_t *value)
{
    switch ((int)opt) {
    case NARU_OPT_ERROR:
        *value = su->error;
        su->error = NARU_OK;
        return NARU_OK;
    case NARU_OPT_UNREAD:
        *value = naru_pktq_empty(&su->rx) ? 0 : naru_pktq_first(&su->rx)->len;
        return NARU_OK;
    case NARU_OPT_UNSENT:
        *value = 0;
        return NARU_OK;
    case NARU_OPT_RCVBUF:
    case NARU_OPT_SNDBUF:
        *value = su->rx_max;
        return NARU_OK;
    case NARU_OPT_UDP_GSO:
        *value = su->gso_size;
        return NARU_OK;
    case NARU_OPT_RECVERR:
        *value = su->recverr;
        return NARU_OK;
    case NARU_OPT_UDP_GRO:
        *value = su->gro;
        return NARU_OK;
    case NARU_OPT_LISTENING:
        *value = 0;
        return NARU_OK;
    default:
        return NARU_ERR_NOPROTOOPT;
    }
}

enum naru_err naru_sock_get(struct naru_sock *sock, enum naru_opt opt, int64_t *value)
{
    if (get_common(sock, opt, value) == NARU_OK)
        return NARU_OK;
    if (opt == NARU_OPT_MTU)
        return get_mtu(sock, value);
    if (sock->type != NARU_SOCK_STREAM)
        return get_dgram(naru_sock_udp_of(sock), opt, value);
    struct naru_sock_tcp *st = naru_sock_tcp_of(sock);
    if (opt == NARU_OPT_LISTENING || (opt == NARU_OPT_STATE && naru_sock_listens(&st->s))) {
        *value = opt == NARU_OPT_LISTENING ? naru_sock_listens(&st->s) : NARU_TCP_LISTEN;
        return NARU_OK;
    }
    if (opt == NARU_OPT_DEFER_ANSWER)
        *value = st->s.defer_answer;
    else if (opt == NARU_OPT_FASTOPEN)
        *value = st->s.fast_max;
    else if (opt == NARU_OPT_FASTOPEN_CONNECT)
        *value = st->s.fast_connect;
    else if (opt == NARU_OPT_FASTOPEN_NO_COOKIE)
        *value = st->s.fast_no_cookie;
    else
        return naru_tcp_get(&st->tcp, opt, value);
    return NARU_OK;
}

enum naru_err naru_sock_tcp_info(const struct naru_sock *sock, struct naru_tcp_info *info,
                                 naru_time now)
{
    if (sock->type != NARU_SOCK_STREAM)
        return NARU_ERR_OPNOTSUPP;
    const struct naru_sock_tcp *st = naru_sock_tcp_of(sock);
    naru_tcp_get_info(&st->tcp, info, now);
    if (naru_sock_listens(&st->s))
        info->state = NARU_TCP_LISTEN;
    info->pmtu = st->path->mtu;
    return NARU_OK;
}

/* ---- Groups ---- */

static unsigned iface_for_group(struct naru_sock *sock, const struct naru_addr *group,
                                unsigned ifindex)
{
    struct naru_path path = { 0 };
    if (ifindex == 0)
        ifindex = sock->multicast_if;
    if (ifindex != 0)
        return ifindex;
    return naru_path_route(sock->stack, &path, group, 0) ? path.ifindex : LOOPBACK;
}

/* Index of a membership, from there on; source NULL: of any source.  join_count: none. */
static unsigned find_join(const struct naru_sock_udp *su, const struct naru_addr *group,
                          const struct naru_addr *source, unsigned ifindex, unsigned from)
{
    while (from < su->join_count &&
           !(naru_addr_eq(&su->joins[from].group, group) && su->joins[from].ifindex == ifindex &&
             (source == NULL || naru_addr_eq(&su->joins[from].source, source))))
        from++;
    return from;
}

/* A group is joined as a whole or by its sources, not both. */
static enum naru_err may_join(const struct naru_sock_udp *su, const struct naru_addr *group,
                              const struct naru_addr *source, unsigned ifindex)
{
    unsigned i = find_join(su, group, NULL, ifindex, 0);
    if (i < su->join_count && naru_addr_is_zero(&su->joins[i].source) != naru_addr_is_zero(source))
        return naru_addr_is_zero(source) ? NARU_ERR_EXIST : NARU_ERR_INVAL;
    if (find_join(su, group, source, ifindex, 0) < su->join_count)
        return NARU_ERR_EXIST;
    return su->join_count == JOINS_MAX ? NARU_ERR_NOBUFS : NARU_OK;
}

enum naru_err naru_sock_join_source(struct naru_sock *sock, const struct naru_addr *group,
                                    const struct naru_addr *source, unsigned ifindex, naru_time now)
{
    struct naru_stack *stack = sock->stack;
    if (sock->type != NARU_SOCK_DGRAM)
        return NARU_ERR_OPNOTSUPP;
    struct naru_sock_udp *su = naru_sock_udp_of(sock);
    naru_stack_at(stack, now);
    ifindex = iface_for_group(sock, group, ifindex);
    if (naru_iface_of(stack, ifindex) == NULL || !naru_addr_is_multicast(group))
        return naru_addr_is_multicast(group) ? NARU_ERR_NOENT : NARU_ERR_INVAL;
    enum naru_err err = may_join(su, group, source, ifindex);
    if (err != NARU_OK)
        return err;
    if (su->joins == NULL)
        su->joins = naru_mem_alloc(&stack->mem, JOINS_MAX * sizeof(*su->joins));
    if (su->joins == NULL)
        return NARU_ERR_NOMEM;
    err = naru_group_join(&stack->group, ifindex, group, stack->now);
    if (err != NARU_OK)
        return err;
    su->joins[su->join_count++] =
        (struct naru_join){ .group = *group, .source = *source, .ifindex = (uint16_t)ifindex };
    stack->chores = true;
    return NARU_OK;
}

enum naru_err naru_sock_join(struct naru_sock *sock, const struct naru_addr *group,
                             unsigned ifindex, naru_time now)
{
    static const struct naru_addr any;
    return naru_sock_join_source(sock, group, &any, ifindex, now);
}

/* source NULL: all of them. */
static enum naru_err leave(struct naru_sock *sock, const struct naru_addr *group,
                           const struct naru_addr *source, unsigned ifindex, naru_time now)
{
    enum naru_err err = NARU_ERR_NOENT;
    if (sock->type != NARU_SOCK_DGRAM)
        return NARU_ERR_OPNOTSUPP;
    struct naru_sock_udp *su = naru_sock_udp_of(sock);
    naru_stack_at(sock->stack, now);
    ifindex = iface_for_group(sock, group, ifindex);
    for (unsigned i = 0; (i = find_join(su, group, source, ifindex, i)) < su->join_count;) {
        (void)naru_group_leave(&sock->stack->group, ifindex, group, sock->stack->now);
        su->joins[i] = su->joins[--su->join_count];
        sock->stack->chores = true;
        err = NARU_OK;
    }
    return err;
}

enum naru_err naru_sock_leave_source(struct naru_sock *sock, const struct naru_addr *group,
                                     const struct naru_addr *source, unsigned ifindex,
                                     naru_time now)
{
    return leave(sock, group, source, ifindex, now);
}

enum naru_err naru_sock_leave(struct naru_sock *sock, const struct naru_addr *group,
                              unsigned ifindex, naru_time now)
{
    return leave(sock, group, NULL, ifindex, now);
}

/* ---- All sockets ---- */

static void describe_tcp(const struct naru_sock_tcp *st, struct naru_sock_entry *entry)
{
    entry->state = (enum naru_tcp_state)st->tcp.state;
    entry->recv_queue = naru_tcp_unread(&st->tcp);
    entry->send_queue = naru_tcp_unsent(&st->tcp);
    if (naru_sock_listens(&st->s)) {
        entry->state = NARU_TCP_LISTEN;
        entry->recv_queue = st->s.listen->accept_count;
        entry->send_queue = st->s.listen->backlog;
    }
}

static void describe(struct naru_sock *sock, struct naru_sock_entry *entry)
{
    *entry =
        (struct naru_sock_entry){ .type = (enum naru_sock_type)sock->type, .user = sock->user };
    naru_tuple_ends(&sock->flow.tuple, &entry->local, &entry->remote);
    entry->sock = sock->held ? sock : NULL;
    if (sock->type == NARU_SOCK_STREAM)
        describe_tcp(naru_sock_tcp_of(sock), entry);
    else
        entry->recv_queue = naru_sock_udp_of(sock)->rx_bytes;
}

static void describe_time_wait(const struct naru_flow *flow, struct naru_sock_entry *entry)
{
    *entry = (struct naru_sock_entry){ .type = NARU_SOCK_STREAM, .state = NARU_TCP_TIME_WAIT };
    naru_tuple_ends(&flow->tuple, &entry->local, &entry->remote);
}

/* The n-th socket of that port; there are few, but where many share it with REUSEPORT. */
static struct naru_sock *nth_of_port(const struct port_bucket *bucket, uint64_t n)
{
    struct naru_list_node *node = naru_list_first(&bucket->socks);
    for (; node != NULL && n > 0; n--)
        node = naru_list_next(&bucket->socks, node);
    return node == NULL ? NULL : NARU_CONTAINER_OF(node, struct naru_sock, node);
}

/* All that have both ends of their name. */
static bool walk_flows(const struct naru_stack *stack, uint64_t *cursor,
                       struct naru_sock_entry *entry)
{
    struct naru_flow *flow = naru_table_walk(&stack->flows, cursor);
    if (flow == NULL)
        return false;
    if (flow->kind == FLOW_TIME_WAIT)
        describe_time_wait(flow, entry);
    else
        describe(NARU_CONTAINER_OF(flow, struct naru_sock, flow), entry);
    return true;
}

/* All that have only a port.  The cursor: of the table, and the next of the same port above it. */
static bool walk_ports(const struct naru_stack *stack, uint64_t *cursor,
                       struct naru_sock_entry *entry)
{
    const unsigned shift = 40;
    for (;;) {
        uint64_t at = *cursor & (((uint64_t)1 << shift) - 1), n = *cursor >> shift, next = at;
        const struct port_bucket *bucket = naru_table_walk(&stack->ports, &next);
        if (bucket == NULL)
            return false;
        struct naru_sock *sock = nth_of_port(bucket, n);
        *cursor = sock == NULL ? next : (next - 1) | (n + 1) << shift;
        if (sock != NULL && !sock->flow.in_table) {
            describe(sock, entry);
            return true;
        }
    }
}

bool naru_stack_walk(const struct naru_stack *stack, uint64_t *cursor,
                     struct naru_sock_entry *entry)
{
    const uint64_t in_ports = (uint64_t)1 << 63;
    uint64_t at = *cursor & ~in_ports;
    bool found = false;
    if ((*cursor & in_ports) == 0) {
        found = walk_flows(stack, &at, entry);
        *cursor = at;
        if (found)
            return true;
        at = 0;
    }
    found = walk_ports(stack, &at, entry);
    *cursor = at | in_ports;
    return found;
}
