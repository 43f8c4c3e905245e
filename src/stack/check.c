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

static void check_stream(struct naru_sock_tcp *st)
{
    struct naru_stack *stack = st->s.stack;
    naru_tcp_check(&st->tcp);
    NARU_ASSERT(st->s.flow.in_table || st->s.held || st->queued || st->ended ||
                st->tcp.state == NARU_TCP_CLOSED);
    if (st->ended || st->listen != NULL || !st->s.connected)
        return;
    /* What it has to say is on some list, and what it waits for in the wheel. */
    NARU_ASSERT(st->tcp.due == 0 || st->s.tx_list != TX_NONE);
    NARU_ASSERT(naru_tcp_deadline(&st->tcp) > st->timer.at - TIMER_TICK);
    NARU_ASSERT(naru_stack_deadline(stack) <= NARU_MAX(st->timer.at, stack->now));
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
                     at->tag >> (32 - LATELY_BITS) == i &&
                     naru_flow_find(stack, &at->flow->tuple, at->flow->hash) == at->flow));
    }
}

void naru_stack_check(struct naru_stack *stack)
{
    struct naru_sock *sock;
    uint32_t count = 0;
    NARU_ASSERT(naru_wheel_check(&stack->wheel));
    NARU_ASSERT(naru_table_check(&stack->flows) && naru_table_check(&stack->ports));
    check_lately(stack);
    NARU_ASSERT(stack->alarm.at <= naru_machines_deadline(stack));
    NARU_ASSERT(stack->mem.used <= stack->mem.max);
    NARU_LIST_EACH(&stack->socks, sock, next, struct naru_sock, all_node)
    {
        count++;
        if (sock->type == NARU_SOCK_STREAM)
            check_stream(naru_sock_tcp_of(sock));
    }
    NARU_ASSERT(count == stack->sock_count);
    for (unsigned i = 1; i <= stack->iface_count; i++)
        check_interface(stack->ifaces[i]);
}
