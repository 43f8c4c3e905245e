/*
 * What all kinds of sockets share, and what they have to tell: a list of those on which something
 * happened, each once.
 */
#include "stack/core.h"

void naru_sock_init(struct naru_sock *sock, struct naru_stack *stack, enum naru_sock_type type,
                    uint8_t proto)
{
    sock->stack = stack;
    sock->type = (uint8_t)type;
    sock->flow.kind = FLOW_SOCK;
    sock->flow.tuple.proto = proto;
    sock->ttl = -1;
    sock->mtu_discover = 1;
    sock->multicast_ttl = 1;
    sock->multicast_loop = true;
    naru_list_push_back(&stack->socks, &sock->all_node);
    stack->sock_count++;
}

/* Out of everything that both kinds of sockets can be in. */
void naru_sock_deinit(struct naru_sock *sock)
{
    naru_port_release(sock);
    naru_sock_set_tx_list(sock, NULL, TX_NONE);
    naru_flow_remove(sock->stack, &sock->flow);
    if (naru_list_linked(&sock->event_node))
        naru_list_remove(&sock->event_node);
    naru_list_remove(&sock->all_node);
    sock->stack->sock_count--;
}

void naru_tuple_ends(const struct naru_tuple *tuple, struct naru_endpoint *local,
                     struct naru_endpoint *remote)
{
    *local = (struct naru_endpoint){ .addr = tuple->local, .port = tuple->local_port };
    *remote = (struct naru_endpoint){ .addr = tuple->remote,
                                      .port = tuple->remote_port,
                                      .ifindex = tuple->zone };
}

/* Something happened on sock: it will be told, with how it is then. */
void naru_sock_note(struct naru_sock *sock, unsigned changed)
{
    if (changed == 0 || !sock->held)
        return;
    sock->changed |= (uint8_t)changed;
    if (!naru_list_linked(&sock->event_node))
        naru_list_push_back(&sock->stack->events, &sock->event_node);
}

bool naru_stack_event_pending(const struct naru_stack *stack)
{
    return !naru_list_empty(&stack->events);
}

bool naru_stack_event(struct naru_stack *stack, struct naru_event *event)
{
    struct naru_list_node *node = naru_list_pop(&stack->events);
    if (node == NULL)
        return false;
    struct naru_sock *sock = NARU_CONTAINER_OF(node, struct naru_sock, event_node);
    event->sock = sock;
    event->user = sock->user;
    event->changed = sock->changed;
    event->ready = naru_sock_level(sock);
    sock->changed = 0;
    return true;
}

/* How it is at this moment, as poll would say. */
unsigned naru_sock_level(const struct naru_sock *sock)
{
    return sock->type == NARU_SOCK_STREAM ? naru_tcp_sock_level(naru_sock_tcp_of(sock))
                                          : naru_udp_level(naru_sock_udp_of(sock));
}
