/*
 * What must hold between two calls; see check.h.
 */
#include "stack/check.h"

#include "stack/core.h"

static void check_interface(const struct naru_iface *iface)
{
    unsigned waiting = 0;
    for (const struct naru_pkt *pkt = naru_pktq_first(&iface->txq); pkt != NULL; pkt = pkt->next)
        waiting++;
    NARU_ASSERT(waiting == iface->txq_count && waiting <= TXQ_MAX);
}

static void check_tie(const struct naru_sock_tcp *st)
{
    bool waits = st->s.half_open || st->s.queued;
    NARU_ASSERT(waits == (st->s.tie == TIE_LISTENER));
    NARU_ASSERT(!waits || (!st->s.held && naru_sock_listens(&st->s.listener->s)));
    NARU_ASSERT(st->s.tie != TIE_MEMORY || st->s.connected);
}

static void check_stream(struct naru_sock_tcp *st)
{
    struct naru_stack *stack = st->s.stack;
    naru_tcp_check(&st->tcp);
    check_tie(st);
    NARU_ASSERT(st->s.flow.in_table || st->s.held || st->s.queued || st->s.ended ||
                st->tcp.state == NARU_TCP_CLOSED);
    if (st->s.ended || naru_sock_listens(&st->s) || !st->s.connected)
        return;
    struct naru_tcp_setup setup = naru_tcp_setup_for(&st->s.flow.tuple, st->path->mtu);
    NARU_ASSERT(!naru_path_good(stack, st->path) || setup.mss == st->tcp.mss_path);
    /* What it has to say is on some list, and what it waits for in the wheel. */
    NARU_ASSERT(st->tcp.due == 0 || st->s.tx_list != TX_NONE);
    NARU_ASSERT(naru_tcp_deadline(&st->tcp) > st->timer.at - TIMER_TICK);
    NARU_ASSERT(naru_stack_deadline(stack) <= NARU_MAX(st->timer.at, stack->now));
}

/* Every reference to a shared path is a connection's, or the stack's. */
static void check_paths(const struct naru_stack *stack)
{
    struct naru_sock_walk walk = { 0 };
    struct naru_sock *sock;
    uint64_t cursor = 0, refs = 0, held = stack->last_shared != NULL;
    const struct naru_shared_path *shared;
    NARU_ASSERT(naru_table_check(&stack->paths));
    NARU_ASSERT(naru_table_count(&stack->paths) == stack->path_pool.count);
    while ((shared = naru_table_walk(&stack->paths, &cursor)) != NULL) {
        NARU_ASSERT(shared->refs > 0 && shared->path.ifindex != 0);
        refs += shared->refs;
    }
    while ((sock = naru_sock_next(stack, &walk)) != NULL)
        held += sock->type == NARU_SOCK_STREAM && naru_sock_tcp_of(sock)->path != &stack->no_path;
    NARU_ASSERT(refs == held);
}

/* Whoever was used lately is in the table, under its own name. */
static void check_lately(const struct naru_stack *stack)
{
    const struct naru_flow *last = stack->last_flow;
    NARU_ASSERT(last == NULL || naru_flow_guess(stack, &last->tuple) == last);
    for (unsigned i = 0; i < NARU_ARRAY_LEN(stack->lately); i++) {
        const struct naru_lately *at = &stack->lately[i];
        NARU_ASSERT(at->flow == NULL ||
                    (at->flow->in_table && at->tag == naru_flow_tag(&at->flow->tuple) &&
                     naru_lately_place(at->tag) == i &&
                     naru_flow_find(stack, &at->flow->tuple, at->flow->hash) == at->flow));
    }
}

void naru_stack_check(struct naru_stack *stack)
{
    struct naru_sock_walk walk = { 0 };
    struct naru_sock *sock;
    uint32_t count = 0, want_memory = 0;
    NARU_ASSERT(naru_wheel_check(&stack->wheel));
    NARU_ASSERT(naru_table_check(&stack->flows) && naru_table_check(&stack->ports));
    check_lately(stack);
    NARU_ASSERT(stack->alarm.at <= naru_machines_deadline(stack));
    NARU_ASSERT(stack->mem.used <= stack->mem.max);
    while ((sock = naru_sock_next(stack, &walk)) != NULL) {
        count++;
        want_memory += sock->tie == TIE_MEMORY;
        if (sock->type == NARU_SOCK_STREAM)
            check_stream(naru_sock_tcp_of(sock));
    }
    NARU_ASSERT(count == stack->sock_count);
    for (sock = stack->memory_waiters; sock != NULL; sock = sock->memory_next)
        want_memory--;
    NARU_ASSERT(want_memory == 0);
    check_paths(stack);
    for (unsigned i = 1; i <= stack->iface_count; i++)
        check_interface(stack->ifaces[i]);
}
