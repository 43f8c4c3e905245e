/*
 * Where a packet leaves and to whom: routes, neighbours and path MTU put together.
 *
 * A struct naru_path is what a flow keeps of all this.  It stays good as long as the generations of
 * the machines it was made from stay the same, so the next packet of a flow costs three
 * comparisons.  Everything here is RFC 1122 3.3.1 and RFC 4861 5.2; source addresses are RFC 6724.
 *
 * Connections that leave in the same way have one path in common: a million of them know one router
 * and need one line of cache, not one each.  When something has changed each looks for its own way
 * again, since it may be another one from now on, and the last to go takes the old path with it.
 * Where there is no memory for a new one a connection goes without, and looks its way up with each
 * segment.
 */
#include "stack/core.h"

#include "base/addr.h"
#include "proto/addrsel.h"
#include "wire/eth.h"

enum { CANDIDATES_MAX = 2 * IFADDRS_MAX };

static void shared_leave(struct naru_stack *stack, struct naru_shared_path *shared)
{
    NARU_ASSERT(shared->refs > 0);
    if (--shared->refs == 0) {
        naru_table_remove(&stack->paths, shared->hash, shared);
        naru_pool_put(&stack->path_pool, shared);
    }
}

static void forget_shared(struct naru_stack *stack)
{
    if (stack->last_shared != NULL)
        shared_leave(stack, stack->last_shared);
    stack->last_shared = NULL;
}

static void path_set(struct naru_stack *stack, struct naru_path *path, const struct naru_addr *dst,
                     unsigned ifindex, uint8_t link, const struct naru_addr *next_hop)
{
    const struct naru_iface *iface = stack->ifaces[ifindex];
    uint32_t pmtu = naru_table_count(&stack->pmtu.table) == 0
                        ? 0
                        : naru_pmtu_find(&stack->pmtu, dst, stack->now);
    path->fib_gen = stack->fib.generation;
    path->pmtu_gen = stack->pmtu.generation;
    path->next_hop = iface->link_layer ? *next_hop : (struct naru_addr){ 0 };
    path->neigh = (struct naru_neigh_ref){ 0 };
    path->mtu = pmtu != 0 && pmtu < iface->mtu ? pmtu : iface->mtu;
    path->ifindex = (uint16_t)ifindex;
    stack->last_entry = NULL;
    forget_shared(stack);
    path->link = iface->link_layer ? link : PATH_LINK_NONE;
}

/* Beyond one router all are reached in the same way, as long as no path there has an MTU of its
 * own; path, the last, has led to one of them and knows the router. */
static bool same_way(struct naru_stack *stack, struct naru_path *path,
                     const struct naru_fib_entry *entry)
{
    if (!entry->has_gateway || stack->last_entry != entry || !naru_path_current(stack, path) ||
        naru_table_count(&stack->pmtu.table) != 0)
        return false;
    path->ifindex = entry->ifindex;
    if (naru_neigh_ref_good(&path->neigh))
        naru_neigh_touch(&stack->neigh, path->neigh.entry);
    return true;
}

/* The mask decides local or remote (H-3.3.1.1-1, H-3.3.1.2-3, H-3.3.1.1-2). */
static bool route_unicast(struct naru_stack *stack, struct naru_path *path,
                          const struct naru_addr *dst, unsigned ifindex)
{
    const struct naru_fib_entry *entry = naru_fib_lookup(&stack->fib, dst, ifindex);
    if (entry == NULL || stack->ifaces[entry->ifindex] == NULL ||
        !stack->ifaces[entry->ifindex]->up)
        return false;
    if (same_way(stack, path, entry))
        return true;
    bool broadcast =
        !entry->has_gateway && naru_iface_is_broadcast(stack->ifaces[entry->ifindex], dst);
    path_set(stack, path, dst, entry->ifindex, broadcast ? PATH_LINK_BROADCAST : PATH_LINK_NEIGH,
             entry->has_gateway ? &entry->gateway : dst);
    if (entry->mtu != 0 && entry->mtu < path->mtu)
        path->mtu = entry->mtu;
    stack->last_entry = entry;
    return true;
}

/* Multicast and limited broadcast leave where they are told, or where the table sends others
 * (H-3.3.6-5, H-3.3.7-1). */
static bool route_group(struct naru_stack *stack, struct naru_path *path,
                        const struct naru_addr *dst, unsigned ifindex)
{
    if (ifindex == 0) {
        const struct naru_fib_entry *entry = naru_fib_lookup(&stack->fib, dst, 0);
        ifindex = entry != NULL ? entry->ifindex : naru_iface_first_up(stack);
    }
    if (ifindex == 0 || ifindex > stack->iface_count || !stack->ifaces[ifindex]->up)
        return false;
    path_set(stack, path, dst, ifindex,
             naru_addr_is_multicast(dst) ? PATH_LINK_MULTICAST : PATH_LINK_BROADCAST, dst);
    return true;
}

static bool find_anew(struct naru_stack *stack, struct naru_path *path, const struct naru_addr *dst,
                      unsigned ifindex)
{
    if (NARU_UNLIKELY(naru_addr_is_loopback(dst)) || naru_ifaddr_find(stack, dst, 0) != NULL) {
        path_set(stack, path, dst, LOOPBACK, PATH_LINK_NONE, dst);
        return true;
    }
    if (NARU_UNLIKELY(naru_addr_is_multicast(dst) || naru_addr_is_limited_broadcast(dst)))
        return route_group(stack, path, dst, ifindex);
    return route_unicast(stack, path, dst, ifindex);
}

/*
 * The way to dst, good until the next one is asked for; ifindex 0: by any interface.  NULL: there
 * is no route (H-3.3.1.2-1).
 */
NARU_NOINLINE struct naru_path *naru_path_to(struct naru_stack *stack, const struct naru_addr *dst,
                                             unsigned ifindex)
{
    struct naru_path *path = &stack->last_path;
    if (naru_path_good(stack, path) && stack->last_ifindex == ifindex &&
        naru_addr_eq(&stack->last_dst, dst))
        return path;
    path->ifindex = 0;
    stack->last_dst = *dst;
    stack->last_ifindex = ifindex;
    return find_anew(stack, path, dst, ifindex) ? path : NULL;
}

/* Makes path that way. */
NARU_NOINLINE bool naru_path_find(struct naru_stack *stack, struct naru_path *path,
                                  const struct naru_addr *dst, unsigned ifindex)
{
    const struct naru_path *found = naru_path_to(stack, dst, ifindex);
    path->ifindex = 0;
    if (found == NULL)
        return false;
    *path = *found;
    return true;
}

/* ---- Paths that connections share ---- */

static bool path_eq(const struct naru_path *a, const struct naru_path *b)
{
    return a->fib_gen == b->fib_gen && a->pmtu_gen == b->pmtu_gen && a->mtu == b->mtu &&
           a->ifindex == b->ifindex && a->link == b->link &&
           naru_addr_eq(&a->next_hop, &b->next_hop);
}

static struct naru_shared_path *shared_make(struct naru_stack *stack, const struct naru_path *path)
{
    uint32_t hash = naru_hash_addr(&stack->flow_key, &path->next_hop,
                                   (uint64_t)path->mtu << 16 | path->ifindex);
    struct naru_table_iter it;
    for (struct naru_shared_path *old = naru_table_first(&stack->paths, hash, &it); old != NULL;
         old = naru_table_next(&it))
        if (path_eq(&old->path, path))
            return old;
    struct naru_shared_path *shared = naru_pool_get(&stack->path_pool);
    if (shared == NULL)
        return NULL;
    *shared = (struct naru_shared_path){ .path = *path, .hash = hash };
    if (!naru_table_add(&stack->paths, hash, shared)) {
        naru_pool_put(&stack->path_pool, shared);
        return NULL;
    }
    return shared;
}

/* *path, a connection's, becomes one like that which was found last; no_path: no memory. */
void naru_path_share(struct naru_stack *stack, struct naru_path **path)
{
    if (stack->last_shared == NULL) {
        stack->last_shared = shared_make(stack, &stack->last_path);
        if (stack->last_shared != NULL)
            stack->last_shared->refs++; /* for the next that goes there */
    }
    naru_path_leave(stack, path);
    if (stack->last_shared == NULL)
        return;
    stack->last_shared->refs++;
    *path = &stack->last_shared->path;
}

/* The connection has no path any more. */
void naru_path_leave(struct naru_stack *stack, struct naru_path **path)
{
    if (*path != &stack->no_path)
        shared_leave(stack, NARU_CONTAINER_OF(*path, struct naru_shared_path, path));
    *path = &stack->no_path;
}

/* ---- Neighbours ---- */

/* The neighbour of the path is that of the path before, as of all that lead through one router. */
static bool same_hop(struct naru_stack *stack, struct naru_path *path)
{
    const struct naru_iface *iface = stack->ifaces[path->ifindex];
    if (!naru_neigh_ref_good(&iface->hop_neigh) || !naru_addr_eq(&iface->hop, &path->next_hop))
        return false;
    path->neigh = iface->hop_neigh;
    naru_neigh_touch(&stack->neigh, path->neigh.entry);
    return true;
}

static enum naru_path_state look_up_neigh(struct naru_stack *stack, struct naru_path *path,
                                          const struct naru_addr *src)
{
    struct naru_iface *iface = stack->ifaces[path->ifindex];
    enum naru_neigh_verdict verdict = naru_neigh_lookup(
        &stack->neigh, path->ifindex, &path->next_hop, src, stack->now, &path->neigh);
    stack->chores |= verdict != NARU_NEIGH_READY; /* it may have to be asked for */
    switch (verdict) {
    case NARU_NEIGH_READY:
        iface->hop = path->next_hop;
        iface->hop_neigh = path->neigh;
        return PATH_READY;
    case NARU_NEIGH_WAIT:
        return PATH_WAIT;
    case NARU_NEIGH_NO:
        return PATH_UNREACHABLE;
    case NARU_NEIGH_NO_ROOM:
        return PATH_NO_ROOM;
    }
    NARU_UNREACHABLE();
}

/* The link-layer destination of the path; src is the packet's source, for the solicitation. */
enum naru_path_state naru_path_link(struct naru_stack *stack, struct naru_path *path,
                                    const struct naru_addr *src, uint8_t mac[6])
{
    switch ((enum naru_path_link)path->link) {
    case PATH_LINK_NONE:
        memset(mac, 0, 6);
        return PATH_READY;
    case PATH_LINK_MULTICAST:
        naru_eth_multicast_mac(&path->next_hop, mac);
        return PATH_READY;
    case PATH_LINK_BROADCAST:
        memset(mac, 0xff, 6);
        return PATH_READY;
    case PATH_LINK_NEIGH:
        break;
    }
    if (NARU_UNLIKELY(!naru_neigh_ref_good(&path->neigh)) && !same_hop(stack, path)) {
        enum naru_path_state state = look_up_neigh(stack, path, src);
        if (state != PATH_READY)
            return state;
    }
    memcpy(mac, path->neigh.entry->mac, 6);
    return PATH_READY;
}

/*
 * Where a socket's datagrams to a group or to everyone leave; 0: by the table.  What it was told
 * counts, and then, as on Linux, the interface of the IPv4 address it was bound to.
 */
NARU_NOINLINE unsigned naru_path_group_iface(const struct naru_sock *sock,
                                             const struct naru_addr *dst,
                                             const struct naru_addr *src)
{
    if (naru_addr_is_multicast(dst) && sock->multicast_if != 0)
        return sock->multicast_if;
    if (sock->bind_iface != 0)
        return sock->bind_iface;
    if (!naru_addr_is_v4(src))
        return 0;
    const struct naru_iface *has = naru_ifaddr_find(sock->stack, src, 0);
    return naru_addr_is_loopback(src) ? LOOPBACK : has != NULL ? has->index : 0;
}

/* ---- Source addresses ---- */

static struct naru_addrsel_candidate candidate_of(const struct naru_iface *iface,
                                                  const struct naru_ifaddr *a)
{
    return (struct naru_addrsel_candidate){
        .addr = a->addr,
        .ifindex = iface->index,
        .prefix_len = a->prefix_len,
        .deprecated = a->deprecated,
        .temporary = a->temporary,
        .tentative = a->tentative || a->duplicate,
    };
}

static unsigned candidates_of(const struct naru_iface *iface, struct naru_addrsel_candidate *out,
                              unsigned count, unsigned max)
{
    for (unsigned i = 0; i < iface->addr_count && count < max; i++)
        out[count++] = candidate_of(iface, &iface->addrs[i]);
    return count;
}

/* The only IPv4 address that the interface has for use; NULL: there are none, or several. */
static const struct naru_ifaddr *only_v4(const struct naru_iface *iface)
{
    const struct naru_ifaddr *only = NULL;
    for (unsigned i = 0; i < iface->addr_count; i++) {
        const struct naru_ifaddr *a = &iface->addrs[i];
        if (!naru_addr_is_v4(&a->addr))
            continue;
        if (only != NULL || a->tentative || a->duplicate)
            return NULL;
        only = a;
    }
    return only;
}

/* Which address of ours speaks to dst over that path; false: none of the family. */
static bool choose_source(const struct naru_stack *stack, const struct naru_path *path,
                          const struct naru_addr *dst, struct naru_addrsel_candidate *source)
{
    struct naru_addrsel_candidate candidate[CANDIDATES_MAX];
    const struct naru_iface *iface = stack->ifaces[path->ifindex];
    if (path->ifindex == LOOPBACK && !naru_addr_is_multicast(dst) &&
        !naru_iface_is_broadcast(iface, dst)) {
        /* To ourselves, as who is spoken to. */
        *source = (struct naru_addrsel_candidate){ .addr = *dst, .ifindex = LOOPBACK };
        source->prefix_len = (uint8_t)naru_addr_bits(dst);
        return true;
    }
    const struct naru_ifaddr *only = naru_addr_is_v4(dst) ? only_v4(iface) : NULL;
    if (only != NULL) {
        *source = candidate_of(iface, only);
        return true;
    }
    unsigned count = candidates_of(iface, candidate, 0, CANDIDATES_MAX);
    int best = naru_addrsel_source(candidate, count, dst, path->ifindex);
    if (best < 0) {
        count = 0;
        for (unsigned i = LOOPBACK + 1; i <= stack->iface_count; i++)
            if (stack->ifaces[i]->up)
                count = candidates_of(stack->ifaces[i], candidate, count, CANDIDATES_MAX);
        best = naru_addrsel_source(candidate, count, dst, path->ifindex);
    }
    if (best >= 0)
        *source = candidate[best];
    return best >= 0;
}

/*
 * The address of ours that speaks to dst over that path (RFC 6724 section 5; RFC 1122 3.3.4.3): one
 * of the interface it leaves by, or, where that has none, of any other.  False: none of the family.
 */
NARU_NOINLINE bool naru_path_source(const struct naru_stack *stack, const struct naru_path *path,
                                    const struct naru_addr *dst, struct naru_addr *source)
{
    struct naru_addrsel_candidate chosen;
    if (!choose_source(stack, path, dst, &chosen))
        return false;
    *source = chosen.addr;
    return true;
}

void naru_addr_sort(struct naru_stack *stack, struct naru_addr *addr, unsigned count)
{
    struct naru_addrsel_dest dest[NARU_ADDR_SORT_MAX];
    count = NARU_MIN(count, (unsigned)NARU_ADDR_SORT_MAX);
    for (unsigned i = 0; i < count; i++) {
        struct naru_path path = { 0 };
        dest[i] = (struct naru_addrsel_dest){ .addr = addr[i] };
        dest[i].usable = naru_path_route(stack, &path, &addr[i], 0) &&
                         choose_source(stack, &path, &addr[i], &dest[i].source);
    }
    naru_addrsel_sort(dest, count);
    for (unsigned i = 0; i < count; i++)
        addr[i] = dest[i].addr;
}
