/*
 * TIME-WAIT: the name of a connection that is over, in a small record of its own (RFC 9293 3.6.1),
 * and how long it rests (RFC 6191).  All rest equally long, so that the list by age is the list by
 * end, and one timer serves them all.  Under pressure the oldest goes first.
 */
#include "stack/core.h"

void naru_time_wait_end(struct naru_stack *stack, struct naru_time_wait *tw)
{
    naru_flow_remove(stack, &tw->flow);
    naru_list_remove(&tw->node);
    naru_pool_put(&stack->time_wait_pool, tw);
}

static struct naru_time_wait *oldest(const struct naru_stack *stack)
{
    struct naru_list_node *node = naru_list_first(&stack->time_waits);
    return node == NULL ? NULL : NARU_CONTAINER_OF(node, struct naru_time_wait, node);
}

/* What ends next is in no cache: its record is asked for one turn ahead, its place in the table
 * when the record is there. */
static void ask_ahead(const struct naru_stack *stack, const struct naru_time_wait *tw)
{
    struct naru_list_node *next = naru_list_next(&stack->time_waits, &tw->node);
    if (next == NULL)
        return;
    const struct naru_time_wait *then = NARU_CONTAINER_OF(next, struct naru_time_wait, node);
    naru_table_prefetch(&stack->flows, then->flow.hash);
    next = naru_list_next(&stack->time_waits, next);
    for (size_t i = 0; next != NULL && i < sizeof(*tw); i += NARU_CACHE_LINE)
        NARU_PREFETCH((const char *)NARU_CONTAINER_OF(next, struct naru_time_wait, node) + i);
}

/* Their timer has fired. */
void naru_time_wait_expire(struct naru_stack *stack)
{
    struct naru_time_wait *tw;
    while ((tw = oldest(stack)) != NULL && tw->tw.expires <= stack->now) {
        ask_ahead(stack, tw);
        naru_time_wait_end(stack, tw);
    }
    if (tw != NULL)
        naru_wheel_arm(&stack->wheel, &stack->time_wait_timer, tw->tw.expires);
}

static struct naru_time_wait *get(struct naru_stack *stack)
{
    struct naru_time_wait *tw = naru_pool_get(&stack->time_wait_pool);
    if (tw != NULL || oldest(stack) == NULL)
        return tw;
    naru_time_wait_end(stack, oldest(stack));
    return naru_pool_get(&stack->time_wait_pool);
}

/* Now it is the youngest. */
static void rest(struct naru_stack *stack, struct naru_time_wait *tw)
{
    naru_list_push_back(&stack->time_waits, &tw->node);
    if (NARU_UNLIKELY(!naru_timer_armed(&stack->time_wait_timer)))
        naru_wheel_arm(&stack->wheel, &stack->time_wait_timer, tw->tw.expires);
}

/* The connection's name lives on in a small record; without memory for one it just ends (MUST-13).
 */
void naru_time_wait_begin(struct naru_sock_tcp *st)
{
    struct naru_stack *stack = st->s.stack;
    struct naru_time_wait *tw = get(stack);
    if (tw != NULL && st->s.flow.in_table) {
        tw->flow.kind = FLOW_TIME_WAIT;
        tw->flow.in_table = false;
        naru_list_node_init(&tw->node);
        naru_tcp_tw_init(&tw->tw, &st->tcp, stack->now);
        naru_flow_replace(stack, &st->s.flow, &tw->flow);
        rest(stack, tw);
    } else if (tw != NULL) {
        naru_pool_put(&stack->time_wait_pool, tw);
    }
    naru_tcp_forget(st);
}

NARU_NOINLINE enum naru_drop naru_time_wait_in(struct naru_stack *stack, struct naru_time_wait *tw,
                                               const struct naru_ip_in *in,
                                               const struct naru_tcp_hdr *h, struct naru_pkt *pkt)
{
    struct naru_tcp_hdr reply;
    uint32_t seg_len = naru_tcp_seg_len(h, pkt->len);
    switch (naru_tcp_tw_input(&stack->tcp, &tw->tw, h, seg_len, stack->now, &reply)) {
    case NARU_TCP_TW_DROP:
        break;
    case NARU_TCP_TW_REPLY:
        naru_tcp_reply(stack, in, tw->flow.hash, &reply, NULL);
        break;
    case NARU_TCP_TW_RESTART:
        naru_tcp_reply(stack, in, tw->flow.hash, &reply, NULL);
        naru_list_remove(&tw->node);
        rest(stack, tw);
        break;
    case NARU_TCP_TW_ENDED:
        naru_time_wait_end(stack, tw);
        break;
    case NARU_TCP_TW_NEW_SYN: {
        struct naru_tcp_tw old = tw->tw;
        struct naru_tuple tuple = tw->flow.tuple;
        uint32_t hash = tw->flow.hash;
        struct naru_sock *listener = naru_port_lookup(stack, &tuple, in->iface, hash);
        if (listener == NULL)
            break;
        naru_time_wait_end(stack, tw);
        return naru_listen_input(naru_sock_tcp_of(listener), in, &tuple, hash, h, pkt, &old);
    }
    }
    return naru_pkt_drop(pkt, NARU_DROP_TCP_TIME_WAIT);
}

/* May an active open take over the name? */
bool naru_time_wait_over(const struct naru_stack *stack, struct naru_flow *flow)
{
    return flow->kind == FLOW_TIME_WAIT &&
           naru_tcp_tw_reusable(&NARU_CONTAINER_OF(flow, struct naru_time_wait, flow)->tw,
                                stack->now);
}

/* It does: the record is gone, and *old is what it was. */
void naru_time_wait_take(struct naru_stack *stack, struct naru_flow *flow, struct naru_tcp_tw *old)
{
    struct naru_time_wait *tw = NARU_CONTAINER_OF(flow, struct naru_time_wait, flow);
    *old = tw->tw;
    naru_time_wait_end(stack, tw);
}
