/*
 * Redirects of IPv6 (RFC 4861 8.1 and 8.3): the first hop says that there is a better one.
 *
 * What was told stands in the routing table as a route to one host, so that flows follow as they
 * follow any other change.  There are few at a time, the oldest goes first, and each ends when its
 * target does not answer or is no router any more.
 *
 * Not done: redirects of IPv4; they are ignored (icmp_in.c).
 */
#include "stack/core.h"

#include "base/addr.h"
#include "wire/eth.h"
#include "wire/nd.h"

static void end(struct naru_stack *stack, struct naru_route *known)
{
    (void)naru_fib_remove(&stack->fib, known);
    *known = (struct naru_route){ 0 };
}

static const struct naru_addr *target_of(const struct naru_route *known)
{
    return known->has_gateway ? &known->gateway : &known->prefix;
}

/* The destination cache entry is made or changed; who is its own target is on-link
 * (V6-4861-8.3-2, V6-4861-8.3-4). */
static void remember(struct naru_stack *stack, unsigned ifindex, const struct naru_nd_redirect *m)
{
    struct naru_route *known = NULL;
    for (unsigned i = 0; i < REDIRECTS_MAX; i++) {
        struct naru_route *r = &stack->redirects[i];
        if (r->ifindex == ifindex && naru_addr_eq(&r->prefix, &m->destination))
            known = r;
    }
    if (known == NULL)
        known = &stack->redirects[stack->redirect_next++ % REDIRECTS_MAX];
    if (known->ifindex != 0)
        end(stack, known);
    *known = (struct naru_route){
        .prefix = m->destination,
        .prefix_len = 128,
        .has_gateway = !naru_addr_eq(&m->target, &m->destination),
        .ifindex = (uint16_t)ifindex,
    };
    if (known->has_gateway)
        known->gateway = m->target;
    if (naru_fib_add(&stack->fib, known) != NARU_OK)
        *known = (struct naru_route){ 0 };
}

/* Only the first hop of today may say so (V6-4861-8.1-1), and about any target, known or not
 * (V6-4861-8.1-2). */
static bool valid(const struct naru_stack *stack, const struct naru_ip_in *in,
                  const struct naru_nd_redirect *m)
{
    const struct naru_fib_entry *now =
        naru_fib_lookup(&stack->fib, &m->destination, in->iface->index);
    return naru_addr_is_link_local(&in->src) && now != NULL && now->has_gateway &&
           naru_addr_eq(&now->gateway, &in->src) &&
           (naru_addr_eq(&m->target, &m->destination) || naru_addr_is_link_local(&m->target)) &&
           naru_ifaddr_find(stack, &m->target, 0) == NULL &&
           naru_ifaddr_find(stack, &m->destination, 0) == NULL;
}

/* The target is a neighbour now, STALE if that is news (V6-4861-8.3-3), and a router unless it is
 * the destination itself (V6-4861-8.3-5). */
enum naru_drop naru_redirect_input(struct naru_stack *stack, const struct naru_ip_in *in,
                                   struct naru_span message)
{
    struct naru_nd_redirect m;
    struct naru_nd_options options;
    enum naru_drop drop = naru_nd_redirect_parse(&message, &m);
    if (drop == NARU_DROP_NONE)
        drop = naru_nd_options_parse(message, &options);
    if (drop != NARU_DROP_NONE)
        return drop;
    if (!valid(stack, in, &m))
        return NARU_DROP_ND_INVALID;
    const uint8_t *mac =
        options.tlla != NULL && naru_mac_is_unicast(options.tlla) ? options.tlla : NULL;
    bool router = !naru_addr_eq(&m.target, &m.destination);
    remember(stack, in->iface->index, &m);
    (void)naru_neigh_learn(&stack->neigh, in->iface->index, &m.target, mac,
                           router ? NARU_NEIGH_FROM_REDIRECT_ROUTER : NARU_NEIGH_FROM_REDIRECT,
                           stack->now);
    naru_neigh_settle(stack);
    return NARU_DROP_NONE;
}

/* That neighbour does not answer, or is no router: what led to it goes by the table again. */
void naru_redirect_end(struct naru_stack *stack, unsigned ifindex, const struct naru_addr *target)
{
    for (unsigned i = 0; i < REDIRECTS_MAX; i++) {
        struct naru_route *r = &stack->redirects[i];
        if (r->ifindex != 0 && r->ifindex == ifindex && naru_addr_eq(target_of(r), target))
            end(stack, r);
    }
}
