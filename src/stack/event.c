/*
 * What all kinds of sockets share, and what they have to tell: a list of those on which something
 * happened, each once.
 */
#include "stack/core.h"

enum { MEMORY_RETRY_MS = 20 };

void naru_sock_init(struct naru_sock *sock, struct naru_stack *stack, enum naru_sock_type type,
                    uint8_t proto)
{
    sock->stack = stack;
    sock->type = (uint8_t)type;
    sock->flow.kind = FLOW_SOCK;
    sock->flow.tuple.proto = proto;
    sock->mtu_discover = 1;
    sock->multicast_ttl = 1;
    sock->multicast_loop = true;
    naru_list_push_back(&stack->unbound, &sock->node);
    stack->sock_count++;
}

static void stop_wanting(struct naru_sock *sock)
{
    struct naru_sock **at = &sock->stack->memory_waiters;
    if (sock->tie != TIE_MEMORY)
        return;
    while (*at != sock)
        at = &(*at)->memory_next;
    *at = sock->memory_next;
    naru_sock_tie(sock, TIE_NONE);
}

/* Out of everything that both kinds of sockets can be in. */
void naru_sock_deinit(struct naru_sock *sock)
{
    stop_wanting(sock);
    naru_port_release(sock);
    naru_sock_set_tx_list(sock, NULL, TX_NONE);
    naru_flow_remove(sock->stack, &sock->flow);
    if (naru_list_linked(&sock->event_node))
        naru_list_remove(&sock->event_node);
    naru_list_remove(&sock->node);
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

/* ---- Senders that found no memory ---- */

/* sock is told WRITE a little later; until then it does not count as writable. */
NARU_NOINLINE void naru_sock_want_memory(struct naru_sock *sock)
{
    struct naru_stack *stack = sock->stack;
    if (sock->tie == TIE_MEMORY)
        return;
    naru_sock_tie(sock, TIE_MEMORY);
    sock->memory_next = stack->memory_waiters;
    stack->memory_waiters = sock;
    naru_wheel_arm_earlier(&stack->wheel, &stack->memory_timer,
                           stack->now + NARU_MS(MEMORY_RETRY_MS));
}

void naru_memory_waiters_wake(struct naru_stack *stack)
{
    struct naru_sock *sock = stack->memory_waiters, *next;
    stack->memory_waiters = NULL;
    for (; sock != NULL; sock = next) {
        next = sock->memory_next;
        naru_sock_tie(sock, TIE_NONE);
        naru_sock_note(sock, NARU_READY_WRITE);
    }
}

static unsigned kind_level(const struct naru_sock *sock)
{
    return sock->type == NARU_SOCK_STREAM ? naru_tcp_sock_level(naru_sock_tcp_of(sock))
                                          : naru_udp_level(naru_sock_udp_of(sock));
}

/* How it is at this moment, as poll would say. */
unsigned naru_sock_level(const struct naru_sock *sock)
{
    unsigned level = kind_level(sock);
    return sock->tie == TIE_MEMORY ? level & ~(unsigned)NARU_READY_WRITE : level;
}
