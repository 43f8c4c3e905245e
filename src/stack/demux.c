/*
 * Who a segment or a datagram is for: flows by their four names, bound sockets by port.
 *
 * A connected socket (TCP or UDP) and a TIME-WAIT record are found in one look-up of stack->flows;
 * before that in stack->lately, if they were used lately: it says what the table would say, or
 * nothing (decision 0023).  Each flow has one place there, which others may take.  Names that are
 * made to share one, by whomever, miss it, and then cost what they would have cost without it.
 *
 * Everything else belongs to a port: the best match among the sockets bound to it, by RFC 9293
 * 3.10.7.2 and RFC 1122 4.1.3.5 (a specific address before any).
 */
#include "stack/core.h"

#include "base/addr.h"

/* ---- Flows ---- */

_Static_assert(sizeof(struct naru_tuple) == 40, "a tuple is its bytes, and five words");

static bool tuple_eq(const struct naru_tuple *a, const struct naru_tuple *b)
{
    uint64_t x[5], y[5], differ = 0;
    memcpy(x, a, sizeof(x));
    memcpy(y, b, sizeof(y));
    for (unsigned i = 0; i < 5; i++)
        differ |= x[i] ^ y[i];
    return differ == 0;
}

uint32_t naru_tuple_hash(const struct naru_stack *stack, const struct naru_tuple *tuple)
{
    struct naru_hash_tuple t = {
        .local = &tuple->local,
        .remote = &tuple->remote,
        .local_port = tuple->local_port,
        .remote_port = tuple->remote_port,
        .extra = (uint32_t)tuple->zone << 8 | tuple->proto,
    };
    return naru_hash_flow(&stack->flow_key, &t);
}

struct naru_flow *naru_flow_find(const struct naru_stack *stack, const struct naru_tuple *tuple,
                                 uint32_t hash)
{
    struct naru_table_iter it;
    for (struct naru_flow *f = naru_table_first(&stack->flows, hash, &it); f != NULL;
         f = naru_table_next(&it)) {
        naru_connection_prefetch(f);
        if (tuple_eq(&f->tuple, tuple))
            return f;
    }
    return NULL;
}

/*
 * What tells a flow from others without a look at its memory; the upper bits are its place in
 * stack->lately.  One multiplication, by the golden ratio: ports in a row go to places far apart.
 */
uint32_t naru_flow_tag(const struct naru_tuple *tuple)
{
    uint32_t ports, local, remote;
    memcpy(&ports, &tuple->local_port, sizeof(ports));
    memcpy(&local, tuple->local.b + 12, sizeof(local));
    memcpy(&remote, tuple->remote.b + 12, sizeof(remote));
    uint64_t name = (uint64_t)(local ^ remote) << 32 | ports;
    return (uint32_t)(name * 0x9e3779b97f4a7c15u >> 32);
}

NARU_NOINLINE void naru_flow_remember(struct naru_stack *stack, struct naru_flow *flow)
{
    NARU_ASSERT(flow->in_table);
    uint32_t tag = naru_flow_tag(&flow->tuple);
    stack->lately[naru_lately_place(tag)] = (struct naru_lately){ flow, tag };
    stack->last_flow = flow;
}

/* One that was used lately and has the same tag, without a look at it; or NULL. */
struct naru_flow *naru_flow_guess(const struct naru_stack *stack, const struct naru_tuple *tuple)
{
    uint32_t tag = naru_flow_tag(tuple);
    const struct naru_lately *at = &stack->lately[naru_lately_place(tag)];
    return at->tag == tag ? at->flow : NULL;
}

/* The flow of that name, if it was used lately; or NULL: ask the table. */
struct naru_flow *naru_flow_lately(struct naru_stack *stack, const struct naru_tuple *tuple)
{
    struct naru_flow *flow = stack->last_flow;
    if (flow != NULL && flow->tuple.remote_port == tuple->remote_port &&
        tuple_eq(&flow->tuple, tuple))
        return flow;
    flow = naru_flow_guess(stack, tuple);
    if (flow == NULL || !tuple_eq(&flow->tuple, tuple))
        return NULL;
    stack->last_flow = flow;
    return flow;
}

/* Before naru_flow_of, and some work before it: the hash. */
uint32_t naru_flow_prepare(struct naru_stack *stack, const struct naru_tuple *tuple)
{
    const struct naru_flow *flow = naru_flow_lately(stack, tuple);
    if (flow != NULL)
        return flow->hash;
    uint32_t hash = naru_tuple_hash(stack, tuple);
    naru_table_prefetch(&stack->flows, hash);
    return hash;
}

struct naru_flow *naru_flow_of(struct naru_stack *stack, const struct naru_tuple *tuple,
                               uint32_t hash)
{
    struct naru_flow *flow = stack->last_flow;
    if (flow != NULL && flow->hash == hash && tuple_eq(&flow->tuple, tuple))
        return flow;
    flow = naru_flow_find(stack, tuple, hash);
    if (flow != NULL)
        naru_flow_used(stack, flow);
    return flow;
}

/* flow leaves the table: whoever kept it for another time must not any more. */
static void forget(struct naru_stack *stack, const struct naru_flow *flow)
{
    struct naru_lately *at = &stack->lately[naru_lately_place(naru_flow_tag(&flow->tuple))];
    stack->flows_gone++;
    if (at->flow == flow)
        at->flow = NULL;
    if (stack->last_flow == flow)
        stack->last_flow = NULL;
}

static bool is_connection(const struct naru_flow *flow)
{
    return flow->kind == FLOW_SOCK && flow->tuple.proto == NARU_PROTO_TCP;
}

/* hash is that of the flow's tuple. */
bool naru_flow_add(struct naru_stack *stack, struct naru_flow *flow, uint32_t hash)
{
    NARU_ASSERT(!flow->in_table);
    flow->hash = hash;
    flow->ends = naru_plain_ends(&flow->tuple.local, &flow->tuple.remote);
    flow->in_table = naru_table_add(&stack->flows, flow->hash, flow);
    stack->flow_count += flow->in_table && is_connection(flow);
    return flow->in_table;
}

void naru_flow_remove(struct naru_stack *stack, struct naru_flow *flow)
{
    if (!flow->in_table)
        return;
    forget(stack, flow);
    naru_table_remove(&stack->flows, flow->hash, flow);
    flow->in_table = false;
    stack->flow_count -= is_connection(flow);
}

void naru_flow_replace(struct naru_stack *stack, struct naru_flow *from, struct naru_flow *to)
{
    NARU_ASSERT(from->in_table && !to->in_table);
    forget(stack, from);
    to->tuple = from->tuple;
    to->hash = from->hash;
    to->ends = from->ends;
    to->in_table = naru_table_replace(&stack->flows, from->hash, from, to);
    from->in_table = false;
    stack->flow_count -= is_connection(from);
}

/* ---- Ports ---- */

/* Of 24 bits that the host's own programs choose, a secret multiple spreads well enough. */
static uint32_t bucket_hash(const struct naru_stack *stack, uint8_t proto, uint16_t port)
{
    return (uint32_t)(((uint64_t)proto << 16 | port) * stack->port_key >> 32);
}

static struct port_bucket *bucket_find(const struct naru_stack *stack, uint8_t proto, uint16_t port)
{
    struct naru_table_iter it;
    for (struct port_bucket *b =
             naru_table_first(&stack->ports, bucket_hash(stack, proto, port), &it);
         b != NULL; b = naru_table_next(&it))
        if (b->proto == proto && b->port == port)
            return b;
    return NULL;
}

static struct port_bucket *bucket_make(struct naru_stack *stack, uint8_t proto, uint16_t port)
{
    struct port_bucket *b = bucket_find(stack, proto, port);
    if (b != NULL)
        return b;
    b = naru_pool_get(&stack->bucket_pool);
    if (b == NULL)
        return NULL;
    *b = (struct port_bucket){ .port = port,
                               .proto = proto,
                               .hash = bucket_hash(stack, proto, port) };
    naru_list_init(&b->socks);
    if (!naru_table_add(&stack->ports, b->hash, b)) {
        naru_pool_put(&stack->bucket_pool, b);
        return NULL;
    }
    return b;
}

/* Does a socket bound to a (of a socket of family v6) take packets to b? */
static bool takes_address(const struct naru_sock *s, const struct naru_addr *dst)
{
    const struct naru_addr *local = &s->flow.tuple.local;
    if (!naru_addr_is_unspecified(local))
        return naru_addr_eq(local, dst);
    if (naru_addr_is_v4(dst))
        return !s->v6 || !s->v6only;
    return s->v6;
}

static bool addresses_overlap(const struct naru_sock *a, const struct naru_sock *b)
{
    const struct naru_addr *la = &a->flow.tuple.local, *lb = &b->flow.tuple.local;
    if (naru_addr_is_unspecified(la) && naru_addr_is_unspecified(lb)) {
        bool a4 = !a->v6 || !a->v6only, b4 = !b->v6 || !b->v6only;
        return (a4 && b4) || (a->v6 && b->v6);
    }
    return naru_addr_is_unspecified(la) ? takes_address(a, lb) : takes_address(b, la);
}

/* RFC 9293 leaves it open; these are the rules of Linux (MUST-41, MUST-42). */
static bool conflict(const struct naru_sock *a, const struct naru_sock *b)
{
    if (a == b || !addresses_overlap(a, b))
        return false;
    if (a->bind_iface != 0 && b->bind_iface != 0 && a->bind_iface != b->bind_iface)
        return false;
    if (a->reuseport && b->reuseport)
        return false;
    if (a->reuseaddr && b->reuseaddr)
        return naru_sock_listens(a) && naru_sock_listens(b);
    return true;
}

static bool bucket_conflict(const struct port_bucket *bucket, const struct naru_sock *sock)
{
    struct naru_sock *other;
    NARU_LIST_EACH(&bucket->socks, other, next, struct naru_sock, node)
    if (conflict(other, sock))
        return true;
    return false;
}

/* May sock, bound already, begin to listen beside the others of its port? */
bool naru_port_may_listen(struct naru_sock *sock)
{
    if (sock->flow.tuple.local_port == 0)
        return true;
    struct port_bucket *b =
        bucket_find(sock->stack, sock->flow.tuple.proto, sock->flow.tuple.local_port);
    return b == NULL || !bucket_conflict(b, sock);
}

static enum naru_err bind_to(struct naru_sock *sock, uint16_t port)
{
    struct naru_stack *stack = sock->stack;
    struct port_bucket *b = bucket_make(stack, sock->flow.tuple.proto, port);
    if (b == NULL)
        return NARU_ERR_NOMEM;
    if (bucket_conflict(b, sock))
        return NARU_ERR_ADDRINUSE;
    naru_list_remove(&sock->node);
    naru_list_push_back(&b->socks, &sock->node);
    sock->flow.tuple.local_port = port;
    sock->bound = true;
    return NARU_OK;
}

static void begin_walk(struct naru_stack *stack, const struct naru_tuple *t,
                       struct naru_ports_walk *walk)
{
    struct naru_endpoint local = { .addr = t->local };
    struct naru_endpoint remote = { .addr = t->remote, .port = t->remote_port };
    naru_ports_begin(&stack->ephemeral, walk, &local, &remote);
}

static enum naru_err bind_any(struct naru_sock *sock)
{
    struct naru_stack *stack = sock->stack;
    const struct naru_tuple *t = &sock->flow.tuple;
    struct naru_ports_walk walk;
    uint16_t port;
    begin_walk(stack, t, &walk);
    while ((port = naru_ports_next(&walk)) != 0) {
        struct port_bucket *b = bucket_find(stack, t->proto, port);
        if (b != NULL && !naru_list_empty(&b->socks))
            continue;
        enum naru_err err = bind_to(sock, port);
        if (err == NARU_OK)
            naru_ports_took(&stack->ephemeral, &walk);
        return err;
    }
    return NARU_ERR_ADDRINUSE;
}

/* The address is in sock->flow.tuple.local already; port 0 picks one. */
enum naru_err naru_port_bind(struct naru_sock *sock, uint16_t port)
{
    NARU_ASSERT(!sock->bound);
    if (port != 0)
        return bind_to(sock, port);
    if (sock->transparent) {
        naru_list_remove(&sock->node);
        naru_list_push_back(&sock->stack->any_port[sock->type], &sock->node);
        sock->bound = true;
        return NARU_OK;
    }
    return bind_any(sock);
}

void naru_port_release(struct naru_sock *sock)
{
    if (!sock->bound)
        return;
    sock->bound = false;
    naru_list_remove(&sock->node);
    naru_list_push_back(&sock->stack->unbound, &sock->node);
    struct port_bucket *b =
        bucket_find(sock->stack, sock->flow.tuple.proto, sock->flow.tuple.local_port);
    if (b != NULL && naru_list_empty(&b->socks)) {
        naru_table_remove(&sock->stack->ports, b->hash, b);
        naru_pool_put(&sock->stack->bucket_pool, b);
    }
}

/* Every list of sockets once: each socket is in one of them. */
static const struct naru_list *next_list(const struct naru_stack *stack, uint64_t *cursor)
{
    const uint64_t others = 1 + NARU_ARRAY_LEN(stack->any_port);
    if (*cursor < others) {
        uint64_t n = (*cursor)++;
        return n == 0 ? &stack->unbound : &stack->any_port[n - 1];
    }
    uint64_t at = *cursor - others;
    const struct port_bucket *b = naru_table_walk(&stack->ports, &at);
    *cursor = at + others;
    return b == NULL ? NULL : &b->socks;
}

/* Every socket once, while none comes or goes, in no particular order; NULL at the end. */
struct naru_sock *naru_sock_next(const struct naru_stack *stack, struct naru_sock_walk *walk)
{
    struct naru_list_node *node =
        walk->list == NULL ? NULL : naru_list_next(walk->list, walk->node);
    while (node == NULL) {
        walk->list = next_list(stack, &walk->cursor);
        if (walk->list == NULL)
            return NULL;
        node = naru_list_first(walk->list);
    }
    walk->node = node;
    return NARU_CONTAINER_OF(node, struct naru_sock, node);
}

/* The name of the tuple: false if a connection has it. */
static bool name_find(struct naru_stack *stack, const struct naru_tuple *t, struct naru_name *name)
{
    name->hash = naru_tuple_hash(stack, t);
    struct naru_flow *flow = naru_flow_find(stack, t, name->hash);
    bool over = flow != NULL && naru_time_wait_over(stack, flow);
    name->rests = over ? flow : NULL;
    return flow == NULL || over;
}

/*
 * The first port on the walk that no socket is bound to and with which the name is new, or rests.
 * Beside a name that rests there are mostly others, since the walk goes on where the last one
 * ended: to look for a new one among them would cost more than the connection.
 */
static bool walk_ports(struct naru_stack *stack, struct naru_tuple *t, struct naru_name *name)
{
    struct naru_ports_walk walk;
    begin_walk(stack, t, &walk);
    while ((t->local_port = naru_ports_next(&walk)) != 0) {
        if (bucket_find(stack, t->proto, t->local_port) == NULL && name_find(stack, t, name)) {
            naru_ports_took(&stack->ephemeral, &walk);
            return true;
        }
    }
    return false;
}

/*
 * The name of a connection from sock, which may be bound, to the remote end in its tuple: the four
 * together must be new (RFC 6056 3.3.3), or rest in TIME-WAIT for long enough (RFC 6191).  Sets the
 * tuple's local port.
 */
enum naru_err naru_port_for_connection(struct naru_sock *sock, struct naru_name *name)
{
    struct naru_tuple *t = &sock->flow.tuple;
    bool found = sock->bound ? name_find(sock->stack, t, name) : walk_ports(sock->stack, t, name);
    return found ? NARU_OK : NARU_ERR_ADDRNOTAVAIL;
}

/* How well a bound socket fits; 0: not at all. */
static unsigned score(const struct naru_sock *s, const struct naru_tuple *t, unsigned ifindex)
{
    if (s->flow.in_table || (s->type == NARU_SOCK_STREAM && !naru_sock_listens(s)))
        return 0;
    bool specific = naru_addr_eq(&s->flow.tuple.local, &t->local);
    if (!(specific || takes_address(s, &t->local)) ||
        (s->bind_iface != 0 && s->bind_iface != ifindex))
        return 0;
    return 1 + 4 * (unsigned)specific + 2 * (unsigned)(s->bind_iface != 0) +
           (unsigned)(s->v6 == !naru_addr_is_v4(&t->local));
}

static struct naru_sock *best_of(const struct naru_stack *stack, const struct naru_list *socks,
                                 const struct naru_tuple *t, unsigned ifindex, uint32_t hash)
{
    if (NARU_LIKELY(naru_list_at_most_one(socks))) {
        struct naru_list_node *node = naru_list_first(socks);
        struct naru_sock *only =
            node == NULL ? NULL : NARU_CONTAINER_OF(node, struct naru_sock, node);
        return only != NULL && score(only, t, ifindex) > 0 ? only : NULL;
    }
    struct naru_sock *s, *best = NULL;
    unsigned best_score = 0, equals = 0;
    NARU_LIST_EACH(socks, s, next, struct naru_sock, node)
    {
        unsigned fit = score(s, t, ifindex);
        if (fit == 0 || fit < best_score)
            continue;
        equals = fit > best_score ? 1 : equals + 1;
        best_score = fit;
        /* The k-th of equals takes over with chance 1/k: each gets its share of the flows. */
        if (equals == 1 ||
            (s->reuseport &&
             naru_hash_u64(&stack->flow_key, (uint64_t)hash << 8 | equals) % equals == 0))
            best = s;
    }
    return best;
}

static enum naru_sock_type sock_type_of(uint8_t proto)
{
    if (proto == NARU_PROTO_TCP)
        return NARU_SOCK_STREAM;
    return proto == NARU_PROTO_UDP ? NARU_SOCK_DGRAM : NARU_SOCK_PING;
}

/* The socket that is bound for packets of that tuple, or NULL. */
NARU_NOINLINE NARU_FLATTEN struct naru_sock *naru_port_lookup(const struct naru_stack *stack,
                                                              const struct naru_tuple *tuple,
                                                              const struct naru_iface *iface,
                                                              uint32_t hash)
{
    const struct port_bucket *b = bucket_find(stack, tuple->proto, tuple->local_port);
    struct naru_sock *s = b == NULL ? NULL : best_of(stack, &b->socks, tuple, iface->index, hash);
    if (s == NULL && iface->accept_any)
        s = best_of(stack, &stack->any_port[sock_type_of(tuple->proto)], tuple, iface->index, hash);
    return s;
}

/* Every UDP socket that wants a copy of a multicast or broadcast datagram: after prev, or the
 * first. */
struct naru_sock *naru_port_next_group(const struct naru_stack *stack,
                                       const struct naru_tuple *tuple,
                                       const struct naru_iface *iface, const struct naru_sock *prev)
{
    const struct port_bucket *b = bucket_find(stack, tuple->proto, tuple->local_port);
    if (b == NULL)
        return NULL;
    struct naru_list_node *node =
        prev == NULL ? naru_list_first(&b->socks) : naru_list_next(&b->socks, &prev->node);
    for (; node != NULL; node = naru_list_next(&b->socks, node)) {
        struct naru_sock *s = NARU_CONTAINER_OF(node, struct naru_sock, node);
        if (naru_udp_wants_group(s, tuple, iface))
            return s;
    }
    return NULL;
}
