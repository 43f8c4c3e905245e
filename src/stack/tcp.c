/*
 * TCP in the stack: segments to their connection, connections to their timers and their end.
 *
 * After anything that was done to a connection, naru_tcp_settle carries out what it recorded:
 * readiness to its holder, output to its interface, deadlines to the wheel, its end to the tables.
 */
#include "stack/core.h"

#include "base/addr.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"

enum { DISCARD_MAX = 64 }; /* segments that a connection without a route loses in one go */

/* ---- Paths ---- */

uint32_t naru_tcp_ip_len(const struct naru_tuple *t)
{
    return naru_addr_is_v4(&t->remote) ? NARU_IPV4_LEN : NARU_IPV6_LEN;
}

struct naru_tcp_secret naru_tcp_secret_of(const struct naru_stack *stack,
                                          const struct naru_tuple *t)
{
    struct naru_hash_tuple key = {
        .local = &t->local,
        .remote = &t->remote,
        .local_port = t->local_port,
        .remote_port = t->remote_port,
    };
    return naru_tcp_secret(&stack->tcp, &key);
}

/* What the link can carry, and what a peer has that names no MSS (MUST-15, MUST-67); without the
 * secret. */
struct naru_tcp_setup naru_tcp_setup_for(const struct naru_tuple *t, uint32_t mtu)
{
    bool v4 = naru_addr_is_v4(&t->remote);
    return (struct naru_tcp_setup){
        .mss = (uint16_t)(NARU_MIN(mtu, 65535u) - naru_tcp_ip_len(t) - NARU_TCP_LEN),
        .mss_default = v4 ? 536 : 1220,
    };
}

/* The path's MTU changed since the connection was last told. */
static NARU_NOINLINE void tell_mtu(struct naru_sock_tcp *st)
{
    st->mtu_told = st->path.mtu;
    uint32_t mss = st->path.mtu - naru_tcp_ip_len(&st->s.flow.tuple) - NARU_TCP_LEN;
    naru_tcp_set_pmtu(&st->tcp, (uint16_t)mss, st->s.stack->now);
}

static bool find_path(struct naru_sock_tcp *st)
{
    const struct naru_tuple *t = &st->s.flow.tuple;
    unsigned ifindex = st->s.bind_iface != 0 ? st->s.bind_iface : t->zone;
    return naru_path_route(st->s.stack, &st->path, &t->remote, ifindex);
}

bool naru_tcp_route(struct naru_sock_tcp *st)
{
    if (!find_path(st))
        return false;
    if (NARU_UNLIKELY(st->mtu_told != st->path.mtu))
        tell_mtu(st);
    return true;
}

/* ---- Making and ending ---- */

static void state_changed(void *user, struct naru_tcp *c, enum naru_tcp_state from,
                          enum naru_tcp_state to)
{
    struct naru_stack *stack = user;
    const struct naru_sock_tcp *st = NARU_CONTAINER_OF(c, struct naru_sock_tcp, tcp);
    struct naru_trace_event event = { .kind = NARU_TRACE_STATE, .time = stack->now };
    naru_tuple_ends(&st->s.flow.tuple, &event.local, &event.remote);
    naru_tcp_get_trace(c, &event.tcp);
    event.ifindex = st->path.ifindex;
    event.tcp.from = from;
    event.tcp.state = to;
    stack->config.trace(stack->config.trace_user, &event);
}

void naru_stack_tcp_init(struct naru_stack *stack)
{
    naru_tcp_env_init(&stack->tcp, &stack->config, &stack->mem, &stack->pkts, &stack->blocks,
                      &stack->rand);
    stack->tcp.user = stack;
    stack->tcp.state_changed = stack->config.trace != NULL ? state_changed : NULL;
}

/* All but the TCP of a connection object. */
static struct naru_sock_tcp *sock_get(struct naru_stack *stack)
{
    if (naru_mem_pressure(&stack->mem) == NARU_MEM_EXHAUSTED)
        return NULL;
    struct naru_sock_tcp *st = naru_pool_get(&stack->tcp_pool);
    if (st == NULL)
        return NULL;
    memset(st, 0, offsetof(struct naru_sock_tcp, tcp));
    st->s.stack = stack;
    naru_timer_init(&st->timer, TIMER_CONNECTION);
    return st;
}

static void sock_begin(struct naru_sock_tcp *st, const struct naru_tcp_setup *setup)
{
    struct naru_stack *stack = st->s.stack;
    naru_tcp_init(&st->tcp, &stack->tcp, setup, stack->now);
    naru_sock_init(&st->s, stack, NARU_SOCK_STREAM, NARU_PROTO_TCP);
    st->mtu_told = st->path.mtu;
}

/* A connection object without a name, CLOSED. */
struct naru_sock_tcp *naru_tcp_sock_new(struct naru_stack *stack)
{
    struct naru_sock_tcp *st = sock_get(stack);
    struct naru_tcp_setup setup = { .mss = 536, .mss_default = 536 };
    if (st != NULL)
        sock_begin(st, &setup);
    return st;
}

/* One of that name, with the options of its listener. */
struct naru_sock_tcp *naru_tcp_sock_child(struct naru_sock_tcp *listener,
                                          const struct naru_tuple *tuple,
                                          const struct naru_tcp_secret *secret)
{
    struct naru_sock_tcp *st = sock_get(listener->s.stack);
    if (st == NULL)
        return NULL;
    st->s.flow.tuple = *tuple;
    struct naru_tcp_setup setup = naru_tcp_setup_for(tuple, find_path(st) ? st->path.mtu : 1280);
    setup.like = &listener->tcp;
    setup.secret = *secret;
    sock_begin(st, &setup);
    return st;
}

/*
 * Out of every table and list, silently: for its peer as if it had never been.  What is left is the
 * application's view.
 */
void naru_tcp_forget(struct naru_sock_tcp *st)
{
    struct naru_stack *stack = st->s.stack;
    naru_wheel_cancel(&stack->wheel, &st->timer);
    naru_sock_set_tx_list(&st->s, NULL, TX_NONE);
    naru_flow_remove(stack, &st->s.flow);
    st->ended = true;
}

/* The object goes away. */
NARU_NOINLINE void naru_tcp_sock_release(struct naru_sock_tcp *st)
{
    struct naru_stack *stack = st->s.stack;
    naru_tcp_forget(st);
    naru_fastopen_over(st);
    naru_fastopen_own_drop(st);
    naru_listen_close(st);
    if (st->listener != NULL)
        naru_listen_forget(st);
    naru_tcp_deinit(&st->tcp);
    naru_sock_deinit(&st->s);
    naru_pool_put(&stack->tcp_pool, st);
}

/* ---- Carrying out what a connection recorded ---- */

/* Without a way to its peer a connection goes on as if everything were lost. */
static void discard_output(struct naru_sock_tcp *st)
{
    struct naru_tcp_room room = { 0 };
    struct naru_tcp_segment segment;
    for (unsigned i = 0; i < DISCARD_MAX; i++)
        if (!naru_tcp_output(&st->tcp, &room, &segment, st->s.stack->now))
            return;
}

/* What it has to say is lost, and will be said again. */
void naru_tcp_lose_output(struct naru_sock_tcp *st)
{
    discard_output(st);
    naru_sock_set_tx_list(&st->s, NULL, TX_NONE);
}

NARU_COLD void naru_tcp_no_way(struct naru_sock_tcp *st, enum naru_err err)
{
    (void)naru_tcp_icmp(&st->tcp, err, false, st->tcp.snd.una, st->s.stack->now);
    naru_tcp_lose_output(st);
}

/*
 * Far instants are rounded up to a whole tick, so that the acknowledgements and the probes of
 * many connections come together: they wake the driver once, leave in bursts, and their memory is
 * fetched at one time.
 */
static NARU_NOINLINE void arm_timer(struct naru_sock_tcp *st, naru_time deadline)
{
    struct naru_stack *stack = st->s.stack;
    naru_time over = deadline % TIMER_TICK;
    if (over != 0 && deadline - stack->now >= TIMER_FAR)
        deadline += TIMER_TICK - over;
    naru_wheel_arm_earlier(&stack->wheel, &st->timer, deadline);
}

/*
 * A deadline that moves later, as nearly all do, is left alone: the wheel fires too early once, and
 * the connection has nothing to do then but say when it will.
 */
static void settle_deadline(struct naru_sock_tcp *st, naru_time deadline)
{
    struct naru_stack *stack = st->s.stack;
    naru_time at = st->timer.at;
    if (deadline < at) {
        if (NARU_UNLIKELY(at - deadline >= TIMER_TICK || at - stack->now < TIMER_FAR))
            arm_timer(st, deadline);
    } else if (deadline == NARU_NEVER && naru_timer_armed(&st->timer)) {
        naru_wheel_park(&stack->wheel, &st->timer);
    }
}

static void settle_timer(struct naru_sock_tcp *st)
{
    settle_deadline(st, naru_tcp_deadline(&st->tcp));
}

/* What is lost for want of a way is said again when its timer fires. */
static NARU_NOINLINE void settle_anew(struct naru_sock_tcp *st)
{
    if (naru_tcp_route(st)) {
        naru_sock_set_tx_list(&st->s, st->s.stack->ifaces[st->path.ifindex], TX_READY);
        return;
    }
    naru_tcp_no_way(st, NARU_ERR_NETUNREACH);
    settle_timer(st);
}

/* To the ready list of where it leaves; it is in none. */
static void settle_output(struct naru_sock_tcp *st)
{
    struct naru_stack *stack = st->s.stack;
    if (NARU_UNLIKELY(st->path.ifindex == 0 || !naru_path_current(stack, &st->path) ||
                      st->path.mtu != st->mtu_told)) {
        settle_anew(st);
        return;
    }
    st->s.tx_list = TX_READY;
    naru_list_push_back(&stack->ifaces[st->path.ifindex]->ready, &st->s.tx_node);
}

static NARU_NOINLINE void settle_end(struct naru_sock_tcp *st)
{
    naru_metrics_end(st);
    if (st->tcp.state == NARU_TCP_TIME_WAIT)
        naru_time_wait_begin(st);
    else
        naru_tcp_forget(st);
    if (!st->s.held && !st->queued)
        naru_tcp_sock_release(st);
}

/* What seldom happens, and may end st. */
static NARU_NOINLINE void settle_life(struct naru_sock_tcp *st)
{
    struct naru_tcp *c = &st->tcp;
    bool over = c->state == NARU_TCP_TIME_WAIT || c->state == NARU_TCP_CLOSED;
    if (st->ended) {
        if (!st->s.held && !st->queued)
            naru_tcp_sock_release(st);
    } else if (!over || c->due != 0) {
        settle_timer(st);
    } else if (st->listen == NULL && !st->connect_waits && (st->s.connected || !st->s.held)) {
        settle_end(st);
    }
}

/* st may be gone afterwards, if nobody holds it. */
void naru_tcp_settle(struct naru_sock_tcp *st)
{
    struct naru_tcp *c = &st->tcp;
    struct naru_stack *stack = st->s.stack;
    if (NARU_UNLIKELY(st->ended)) {
        settle_life(st);
        return;
    }
    if (c->progress) {
        if (NARU_UNLIKELY(c->progress != NARU_TCP_PROGRESS_ANSWERED))
            naru_metrics_learn(st);
        c->progress = 0;
        naru_neigh_confirm(&stack->neigh, &st->path.neigh, stack->now);
    }
    if (NARU_UNLIKELY(st->half_open) && c->state != NARU_TCP_SYN_RECEIVED)
        naru_listen_promote(st);
    if (NARU_UNLIKELY(st->early) && c->state != NARU_TCP_SYN_RECEIVED)
        naru_fastopen_over(st);
    if (c->due != 0 && st->s.tx_list == TX_NONE)
        settle_output(st);
    if (c->events != 0) {
        unsigned events = c->events;
        c->events = 0;
        naru_sock_note(&st->s, events);
    }
    if (NARU_LIKELY(c->state == NARU_TCP_ESTABLISHED))
        settle_timer(st);
    else
        settle_life(st);
}

/* The same after a segment of the usual kind: the connection is in the middle of its life, was
 * settled before, and has told nobody of more than that its peer answers. */
void naru_tcp_settle_quick(struct naru_sock_tcp *st)
{
    struct naru_tcp *c = &st->tcp;
    struct naru_stack *stack = st->s.stack;
    if (NARU_LIKELY(c->progress != 0)) {
        c->progress = 0;
        naru_neigh_confirm(&stack->neigh, &st->path.neigh, stack->now);
    }
    if (c->due != 0 && st->s.tx_list == TX_NONE)
        settle_output(st);
    unsigned events = c->events;
    c->events = 0;
    naru_sock_note(&st->s, events);
    settle_deadline(st, naru_tcp_quick_deadline(c));
}

/* The same, out of the way of who seldom needs it. */
NARU_NOINLINE void naru_tcp_settle_apart(struct naru_sock_tcp *st) { naru_tcp_settle(st); }

/* The same after a user's call, which moves no timer of a connection that goes on. */
void naru_tcp_settle_user(struct naru_sock_tcp *st)
{
    const struct naru_tcp *c = &st->tcp;
    if (NARU_UNLIKELY(c->state != NARU_TCP_ESTABLISHED || c->events != 0))
        naru_tcp_settle_apart(st);
    else if (c->due != 0 && st->s.tx_list == TX_NONE)
        settle_output(st);
}

static void prefetch_coming(const struct naru_wheel *wheel)
{
    struct naru_timer *coming = naru_wheel_coming(wheel);
    if (coming != NULL && coming->kind == TIMER_CONNECTION)
        naru_connection_prefetch(NARU_CONTAINER_OF(coming, struct naru_sock_tcp, timer));
}

void naru_stack_tcp_expire(struct naru_stack *stack)
{
    struct naru_timer *timer;
    while ((timer = naru_wheel_expire(&stack->wheel, stack->now)) != NULL) {
        if (timer->kind == TIMER_MEMORY) {
            naru_memory_waiters_wake(stack);
            continue;
        }
        if (timer->kind == TIMER_TIME_WAIT) {
            naru_time_wait_expire(stack);
            continue;
        }
        struct naru_sock_tcp *st = NARU_CONTAINER_OF(timer, struct naru_sock_tcp, timer);
        naru_connection_prefetch(st);
        prefetch_coming(&stack->wheel);
        if (naru_tcp_deadline(&st->tcp) > stack->now) { /* it moved later since */
            settle_timer(st);
            continue;
        }
        naru_tcp_tick(&st->tcp, stack->now);
        naru_tcp_settle(st);
    }
}

unsigned naru_tcp_sock_level(const struct naru_sock_tcp *st)
{
    if (st->listen != NULL)
        return naru_list_empty(&st->listen->accept_queue) ? 0 : NARU_READY_READ;
    if (st->connect_waits)
        return NARU_READY_WRITE;
    if (!st->s.connected && st->tcp.state == NARU_TCP_CLOSED && st->tcp.error == NARU_OK)
        return NARU_READY_WRITE | NARU_READY_HANGUP; /* as Linux says of a socket never used */
    return naru_tcp_ready(&st->tcp);
}

/* ---- Segments in ---- */

NARU_COLD void naru_tcp_trace_segment(const struct naru_sock_tcp *st, bool retransmit)
{
    struct naru_stack *stack = st->s.stack;
    struct naru_trace_event event = { .kind = NARU_TRACE_SEGMENT,
                                      .time = stack->now,
                                      .ifindex = st->path.ifindex };
    naru_tuple_ends(&st->s.flow.tuple, &event.local, &event.remote);
    naru_tcp_get_trace(&st->tcp, &event.tcp);
    event.tcp.retransmit = retransmit;
    stack->config.trace(stack->config.trace_user, &event);
}

/*
 * Sends a segment that no connection stands behind, back to where in came from; in the packet that
 * is answered, if the caller has no more use for it (else NULL).  hash: of the tuple.
 */
void naru_tcp_reply(struct naru_stack *stack, const struct naru_ip_in *in, uint32_t hash,
                    const struct naru_tcp_hdr *h, struct naru_pkt *pkt)
{
    if (pkt == NULL)
        pkt = naru_pktpool_get(&stack->pkts, NARU_IP_HEADROOM, NARU_TCP_LEN_MAX);
    if (pkt == NULL) {
        naru_drop_count(stack, NARU_DROP_NO_MEMORY, 1);
        return;
    }
    if (NARU_LIKELY(stack->config.tcp_quick) && naru_quick_reply(stack, in, hash, h, pkt))
        return;
    naru_pktpool_clear(pkt, NARU_IP_HEADROOM);
    pkt->len = (uint32_t)naru_tcp_emit(pkt->data, h);
    naru_ip_answer(stack, in, naru_flow_label(stack, hash), NARU_TCP_CHECKSUM_AT, pkt);
}

NARU_NOINLINE void naru_tcp_reset_segment(struct naru_stack *stack, const struct naru_ip_in *in,
                                          uint32_t hash, const struct naru_tcp_hdr *h,
                                          size_t payload_len)
{
    struct naru_tcp_hdr reply;
    if (naru_tcp_reset_reply(h, naru_tcp_seg_len(h, payload_len), &reply))
        naru_tcp_reply(stack, in, hash, &reply, NULL);
}

enum naru_drop naru_tcp_connection_in(struct naru_sock_tcp *st, const struct naru_ip_in *in,
                                      const struct naru_tcp_hdr *h, struct naru_pkt *pkt)
{
    struct naru_stack *stack = st->s.stack;
    size_t payload_len = pkt->len;
    if (NARU_UNLIKELY(st->half_open) && (h->flags & NARU_TCP_RST) == 0 && naru_listen_blocked(st))
        return naru_pkt_drop(pkt, NARU_DROP_TCP_BACKLOG_FULL);
    if (NARU_UNLIKELY(st->half_open) &&
        naru_tcp_defer_accept(&st->tcp, h, payload_len, stack->now)) {
        naru_tcp_settle(st);
        return naru_pkt_drop(pkt, NARU_DROP_TCP_DEFERRED);
    }
    struct naru_tcp_verdict verdict = NARU_UNLIKELY(st->fast_asked)
                                          ? naru_fastopen_input(st, h, pkt)
                                          : naru_tcp_input(&st->tcp, h, pkt, stack->now);
    if (NARU_UNLIKELY(verdict.reset))
        naru_tcp_reset_segment(stack, in, st->s.flow.hash, h, payload_len);
    if (NARU_UNLIKELY(stack->config.trace != NULL))
        naru_tcp_trace_segment(st, false);
    naru_tcp_settle(st);
    return verdict.drop;
}

/* From nobody there comes no connection (MUST-63). */
static enum naru_drop no_connection(struct naru_stack *stack, const struct naru_ip_in *in,
                                    const struct naru_tuple *tuple, uint32_t hash,
                                    const struct naru_tcp_hdr *h, struct naru_pkt *pkt)
{
    if (naru_addr_is_unspecified(&in->src))
        return naru_pkt_drop(pkt, NARU_DROP_TCP_NOT_UNICAST);
    struct naru_sock *listener = naru_port_lookup(stack, tuple, in->iface, hash);
    if (listener != NULL)
        return naru_listen_input(naru_sock_tcp_of(listener), in, tuple, hash, h, pkt, NULL);
    naru_tcp_reset_segment(stack, in, hash, h, pkt->len);
    return naru_pkt_drop(pkt, NARU_DROP_TCP_NO_LISTENER);
}

static enum naru_drop flow_in(struct naru_stack *stack, const struct naru_ip_in *in,
                              const struct naru_tuple *tuple, uint32_t hash,
                              const struct naru_tcp_hdr *h, struct naru_pkt *pkt)
{
    struct naru_flow *flow = naru_flow_of(stack, tuple, hash);
    if (flow == NULL)
        return no_connection(stack, in, tuple, hash, h, pkt);
    if (flow->kind == FLOW_TIME_WAIT)
        return naru_time_wait_in(stack, NARU_CONTAINER_OF(flow, struct naru_time_wait, flow), in, h,
                                 pkt);
    return naru_tcp_connection_in(naru_sock_tcp_of(NARU_CONTAINER_OF(flow, struct naru_sock, flow)),
                                  in, h, pkt);
}

static struct naru_tuple tuple_of(const struct naru_ip_in *in, const struct naru_tcp_hdr *h)
{
    return (struct naru_tuple){
        .local = in->dst,
        .remote = in->src,
        .local_port = h->dport,
        .remote_port = h->sport,
        .zone = naru_zone_on(in->iface, &in->src),
        .proto = NARU_PROTO_TCP,
    };
}

/* A whole segment that opens a connection; in->group is false, pkt has its payload. */
enum naru_drop naru_tcp_opening_in(struct naru_stack *stack, const struct naru_ip_in *in,
                                   const struct naru_tcp_hdr *h, struct naru_pkt *pkt)
{
    struct naru_tuple tuple = tuple_of(in, h);
    bool answer = (h->flags & NARU_TCP_ACK) != 0; /* of whom spoke last, mostly */
    uint32_t hash = answer ? naru_flow_prepare(stack, &tuple) : naru_tuple_hash(stack, &tuple);
    return flow_in(stack, in, &tuple, hash, h, pkt);
}

/* To one host, with a good checksum, or dropped (MUST-3, MUST-57). */
NARU_NOINLINE NARU_FLATTEN enum naru_drop naru_tcp_segment_in(struct naru_stack *stack,
                                                              const struct naru_ip_in *in,
                                                              struct naru_pkt *pkt)
{
    struct naru_span span = naru_span(pkt->data, pkt->len);
    struct naru_tcp_hdr h;
    enum naru_drop drop = naru_tcp_parse(&span, &h);
    if (drop != NARU_DROP_NONE)
        return naru_pkt_drop(pkt, drop);
    if (in->group)
        return naru_pkt_drop(pkt, NARU_DROP_TCP_NOT_UNICAST);
    struct naru_tuple tuple = tuple_of(in, &h);
    uint32_t hash = naru_flow_prepare(stack, &tuple); /* its memory comes while the sum is made */
    if (!in->csum_valid &&
        !naru_tcp_checksum_ok(stack->csum, &in->src, &in->dst, pkt->data, pkt->len))
        return naru_pkt_drop(pkt, NARU_DROP_TCP_CHECKSUM);
    (void)naru_pkt_pull(pkt, pkt->len - span.len);
    h.ecn = (uint8_t)naru_tos_ecn(in->tos);
    return flow_in(stack, in, &tuple, hash, &h, pkt);
}

/* ---- ICMP about a connection ---- */

static struct naru_sock_tcp *connection_of(struct naru_stack *stack, const struct naru_tuple *tuple)
{
    struct naru_flow *flow = naru_flow_find(stack, tuple, naru_tuple_hash(stack, tuple));
    if (flow == NULL || flow->kind != FLOW_SOCK)
        return NULL;
    return naru_sock_tcp_of(NARU_CONTAINER_OF(flow, struct naru_sock, flow));
}

NARU_NOINLINE enum naru_drop naru_tcp_icmp_in(struct naru_stack *stack,
                                              const struct naru_tuple *tuple, enum naru_err err,
                                              bool hard, naru_seq seq)
{
    struct naru_sock_tcp *st = connection_of(stack, tuple);
    if (st == NULL)
        return NARU_DROP_ICMP_NO_FLOW;
    if (!naru_tcp_icmp(&st->tcp, err, hard, seq, stack->now))
        return NARU_DROP_ICMP_STALE;
    naru_tcp_settle(st);
    return NARU_DROP_NONE;
}

/* Is the quoted segment one of those in flight?  Then the path MTU may be believed (RFC 5927 7). */
bool naru_tcp_in_flight(struct naru_stack *stack, const struct naru_tuple *tuple, naru_seq seq)
{
    const struct naru_sock_tcp *st = connection_of(stack, tuple);
    return st != NULL && st->s.mtu_discover != 0 && naru_seq_before_eq(st->tcp.snd.una, seq) &&
           naru_seq_before(seq, st->tcp.snd.nxt);
}

/* The path MTU of the connection's destination is smaller now. */
void naru_tcp_path_changed(struct naru_stack *stack, const struct naru_tuple *tuple)
{
    struct naru_sock_tcp *st = connection_of(stack, tuple);
    if (st != NULL && naru_tcp_route(st))
        naru_tcp_settle(st);
}
