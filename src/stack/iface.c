/*
 * Interfaces and their addresses.
 *
 * Addresses of an interface that does duplicate address detection or autoconfiguration go through
 * proto/autoconf, whose changes come back here (naru_iface_autoconf); all others are usable at
 * once. The stack follows the weak model of RFC 1122 3.3.4.2: an address is ours on every
 * interface.
 *
 * Not done: removing an interface.
 */
#include "stack/core.h"

#include "base/addr.h"
#include "base/text.h"

enum { MTU_MIN = 68, MTU_MIN_IPV6 = 1280, MTU_MAX = 65535 };

void naru_iface_config_init(struct naru_iface_config *config)
{
    *config = (struct naru_iface_config){ .kind = NARU_IFACE_ETHERNET, .mtu = 1500 };
}

/* ---- Interfaces ---- */

static bool same_name(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b)
        a++, b++;
    return *a == *b;
}

static enum naru_err check_config(const struct naru_stack *stack,
                                  const struct naru_iface_config *config)
{
    size_t len = 0;
    while (config->name != NULL && len <= 15 && config->name[len] != '\0')
        len++;
    if (len == 0 || len > 15 || config->mtu < MTU_MIN || config->mtu > MTU_MAX ||
        config->gso_max > MTU_MAX)
        return NARU_ERR_INVAL;
    if ((config->offload & (NARU_OFFLOAD_TX_TSO | NARU_OFFLOAD_TX_USO)) != 0 &&
        (config->offload & NARU_OFFLOAD_TX_CSUM) == 0)
        return NARU_ERR_INVAL;
    for (unsigned i = 1; i <= stack->iface_count; i++)
        if (same_name(stack->ifaces[i]->name, config->name))
            return NARU_ERR_EXIST;
    if (config->kind == NARU_IFACE_VLAN) {
        const struct naru_iface *parent = naru_iface_of(stack, config->parent);
        if (parent == NULL || parent->kind != NARU_IFACE_ETHERNET || config->vlan < 1 ||
            config->vlan > 4094)
            return NARU_ERR_INVAL;
        for (unsigned i = 1; i <= stack->iface_count; i++)
            if (stack->ifaces[i]->kind == NARU_IFACE_VLAN &&
                stack->ifaces[i]->parent == config->parent &&
                stack->ifaces[i]->vlan == config->vlan)
                return NARU_ERR_EXIST;
    } else if (config->kind == NARU_IFACE_ETHERNET && (config->mac[0] & 1) != 0) {
        return NARU_ERR_INVAL;
    }
    return stack->iface_count < IFACES_MAX ? NARU_OK : NARU_ERR_NOBUFS;
}

static void set_up(struct naru_iface *iface, const struct naru_stack *stack,
                   const struct naru_iface_config *config, uint16_t index)
{
    const struct naru_iface *parent =
        config->kind == NARU_IFACE_VLAN ? stack->ifaces[config->parent] : NULL;
    *iface = (struct naru_iface){
        .index = index,
        .kind = (uint8_t)config->kind,
        .parent = config->parent,
        .vlan = config->vlan,
        .up = true,
        .link_layer = config->kind != NARU_IFACE_IP,
        .accept_any = config->accept_any,
        .mtu = config->mtu,
        .offload = parent != NULL ? parent->offload : config->offload,
        .gso_max = config->gso_max != 0 ? config->gso_max : MTU_MAX,
        .hop_limit = stack->config.hop_limit,
    };
    for (size_t i = 0; config->name[i] != '\0'; i++)
        iface->name[i] = config->name[i];
    memcpy(iface->mac, parent != NULL ? parent->mac : config->mac, 6);
    naru_list_init(&iface->ready);
    naru_list_init(&iface->parked);
    naru_list_init(&iface->want_write);
}

static enum naru_err begin_autoconf(struct naru_stack *stack, struct naru_iface *iface,
                                    const struct naru_iface_config *config)
{
    if (!iface->link_layer || iface->mtu < MTU_MIN_IPV6 ||
        !(config->dad || config->autoconf || config->link_local))
        return NARU_OK;
    struct naru_autoconf_iface_config ac = {
        .mtu = iface->mtu,
        .dad_transmits = config->dad,
        .link_local = config->link_local || config->autoconf,
        .solicit = config->autoconf,
        .slaac = config->autoconf,
        .opaque = stack->config.ipv6_secret_given,
        .temporary = config->autoconf && config->temporary,
    };
    memcpy(ac.mac, iface->mac, 6);
    enum naru_err err = naru_autoconf_iface_add(&stack->autoconf, iface->index, &ac, stack->now);
    iface->autoconf = err == NARU_OK;
    return err;
}

/* May frames leave it the short way?  Asked again when any of this has changed. */
static void look_usual(struct naru_iface *iface)
{
    iface->usual = iface->up && iface->index != LOOPBACK && iface->kind != NARU_IFACE_VLAN &&
                   iface->child_count == 0 && iface->stack->config.trace == NULL;
}

enum naru_err naru_iface_add(struct naru_stack *stack, const struct naru_iface_config *config,
                             naru_time now, unsigned *ifindex)
{
    naru_stack_at(stack, now);
    enum naru_err err = check_config(stack, config);
    if (err != NARU_OK)
        return err;
    struct naru_iface *iface = naru_mem_alloc(&stack->mem, sizeof(*iface));
    if (iface == NULL)
        return NARU_ERR_NOMEM;
    uint16_t index = (uint16_t)(stack->iface_count + 1);
    set_up(iface, stack, config, index);
    iface->stack = stack;
    stack->ifaces[index] = iface;
    stack->iface_count = index;
    err = begin_autoconf(stack, iface, config);
    if (err != NARU_OK) {
        stack->iface_count--;
        stack->ifaces[index] = NULL;
        naru_mem_free(&stack->mem, iface, sizeof(*iface));
        return err;
    }
    if (iface->kind == NARU_IFACE_VLAN) {
        stack->ifaces[iface->parent]->child_count++;
        look_usual(stack->ifaces[iface->parent]);
    }
    look_usual(iface);
    naru_nd_settle(stack);
    *ifindex = index;
    return NARU_OK;
}

unsigned naru_iface_first_up(const struct naru_stack *stack)
{
    for (unsigned i = LOOPBACK + 1; i <= stack->iface_count; i++)
        if (stack->ifaces[i]->up)
            return i;
    return 0;
}

enum naru_err naru_iface_set_up(struct naru_stack *stack, unsigned ifindex, bool up, naru_time now)
{
    struct naru_iface *iface = naru_iface_of(stack, ifindex);
    if (iface == NULL)
        return NARU_ERR_NOENT;
    naru_stack_at(stack, now);
    if (iface->up == up)
        return NARU_OK;
    iface->up = up;
    look_usual(iface);
    stack->fib.generation++;
    stack->chores = true;
    if (up) {
        naru_group_iface_up(&stack->group, ifindex, stack->now);
        if (iface->autoconf)
            naru_autoconf_iface_up(&stack->autoconf, ifindex, stack->now);
        naru_nd_settle(stack);
    }
    return NARU_OK;
}

enum naru_err naru_iface_get(const struct naru_stack *stack, unsigned ifindex,
                             struct naru_iface_info *info)
{
    const struct naru_iface *iface = naru_iface_of(stack, ifindex);
    if (iface == NULL)
        return NARU_ERR_NOENT;
    *info = (struct naru_iface_info){
        .kind = (enum naru_iface_kind)iface->kind,
        .loopback = iface->index == LOOPBACK,
        .up = iface->up,
        .mtu = iface->mtu,
        .rx_packets = iface->rx_packets,
        .rx_bytes = iface->rx_bytes,
        .rx_drops = iface->rx_drops,
        .tx_packets = iface->tx_packets,
        .tx_bytes = iface->tx_bytes,
    };
    memcpy(info->name, iface->name, sizeof(info->name));
    memcpy(info->mac, iface->mac, 6);
    return NARU_OK;
}

/* ---- Addresses ---- */

static struct naru_ifaddr *ifaddr_on(struct naru_iface *iface, const struct naru_addr *addr)
{
    for (unsigned i = 0; i < iface->addr_count; i++)
        if (naru_addr_eq(&iface->addrs[i].addr, addr))
            return &iface->addrs[i];
    return NULL;
}

/*
 * Every packet asks of its addresses whether they are ours, or a broadcast address, and of most the
 * answer is no: a bit for each that is, by a few bits of a hash, tells without a look at the rows.
 */
static void set_add(uint64_t *set, const struct naru_addr *addr)
{
    unsigned bit = naru_here_bit(addr);
    set[bit / 64] |= UINT64_C(1) << bit % 64;
}

static void here_add(struct naru_stack *stack, const struct naru_ifaddr *row)
{
    struct naru_addr broadcast = naru_addr_v4(row->broadcast);
    set_add(stack->here, &row->addr);
    set_add(stack->everyone, &broadcast);
}

static void here_anew(struct naru_stack *stack)
{
    struct naru_addr everybody = naru_addr_v4(UINT32_MAX);
    memset(stack->here, 0, sizeof(stack->here));
    memset(stack->everyone, 0, sizeof(stack->everyone));
    set_add(stack->everyone, &everybody);
    for (unsigned i = 1; i <= stack->iface_count; i++)
        for (unsigned n = 0; n < stack->ifaces[i]->addr_count; n++)
            here_add(stack, &stack->ifaces[i]->addrs[n]);
}

NARU_NOINLINE struct naru_iface *naru_ifaddr_search(const struct naru_stack *stack,
                                                    const struct naru_addr *addr, unsigned ifindex)
{
    for (unsigned i = 1; i <= stack->iface_count; i++) {
        if (ifindex != 0 && i != ifindex)
            continue;
        struct naru_ifaddr *a = ifaddr_on(stack->ifaces[i], addr);
        if (a != NULL && !a->tentative && !a->duplicate)
            return stack->ifaces[i];
    }
    return NULL;
}

static uint32_t broadcast_of(const struct naru_ifaddr *row)
{
    if (!naru_addr_is_v4(&row->addr) || row->prefix_len >= 31)
        return UINT32_MAX;
    struct naru_addr broadcast = naru_addr_broadcast(&row->addr, row->prefix_len);
    return naru_addr_v4_bits(&broadcast);
}

NARU_NOINLINE bool naru_iface_has_broadcast(const struct naru_iface *iface,
                                            const struct naru_addr *addr)
{
    uint32_t bits = naru_addr_v4_bits(addr);
    if (!naru_addr_is_v4(addr))
        return false;
    for (unsigned i = 0; i < iface->addr_count; i++)
        if (iface->addrs[i].broadcast == bits)
            return true;
    return bits == UINT32_MAX;
}

/* A group, or a broadcast address of any interface. */
bool naru_names_many(const struct naru_stack *stack, const struct naru_addr *addr)
{
    if (naru_addr_is_multicast(addr) || naru_addr_is_limited_broadcast(addr))
        return true;
    if (!naru_maybe_in(stack->everyone, addr))
        return false;
    for (unsigned i = 1; i <= stack->iface_count; i++)
        if (naru_iface_is_broadcast(stack->ifaces[i], addr))
            return true;
    return false;
}

static struct naru_route connected_route(unsigned ifindex, const struct naru_addr *addr,
                                         unsigned prefix_len)
{
    return (struct naru_route){
        .prefix = naru_addr_network(addr, prefix_len),
        .prefix_len = (uint8_t)prefix_len,
        .ifindex = (uint16_t)ifindex,
    };
}

/* Puts a row into the interface's list; a tentative one already listens to its group. */
enum naru_err naru_ifaddr_insert(struct naru_stack *stack, struct naru_iface *iface,
                                 const struct naru_ifaddr *row)
{
    if (ifaddr_on(iface, &row->addr) != NULL)
        return NARU_ERR_EXIST;
    if (iface->addr_count == IFADDRS_MAX)
        return NARU_ERR_NOBUFS;
    if (!naru_addr_is_v4(&row->addr) && iface->link_layer) {
        struct naru_addr group = naru_autoconf_solicited_node(&row->addr);
        enum naru_err err = naru_group_join(&stack->group, iface->index, &group, stack->now);
        if (err != NARU_OK)
            return err;
    }
    struct naru_ifaddr *kept = &iface->addrs[iface->addr_count++];
    *kept = *row;
    kept->broadcast = broadcast_of(row);
    here_add(stack, kept);
    stack->fib.generation++;
    stack->chores = true;
    return NARU_OK;
}

/* The interface's row of addr, to change, or NULL. */
struct naru_ifaddr *naru_ifaddr_row(struct naru_iface *iface, const struct naru_addr *addr)
{
    return ifaddr_on(iface, addr);
}

void naru_ifaddr_erase(struct naru_stack *stack, struct naru_iface *iface,
                       const struct naru_addr *addr)
{
    struct naru_ifaddr *row = ifaddr_on(iface, addr);
    if (row == NULL)
        return;
    if (!naru_addr_is_v4(addr) && iface->link_layer) {
        struct naru_addr group = naru_autoconf_solicited_node(addr);
        (void)naru_group_leave(&stack->group, iface->index, &group, stack->now);
    }
    size_t after = (size_t)(&iface->addrs[iface->addr_count] - (row + 1));
    memmove(row, row + 1, after * sizeof(*row));
    iface->addr_count--;
    here_anew(stack);
    stack->fib.generation++;
    stack->chores = true;
}

static enum naru_err add_row(struct naru_stack *stack, struct naru_iface *iface,
                             const struct naru_addr *addr, unsigned prefix_len)
{
    if (iface->autoconf && !naru_addr_is_v4(addr)) {
        enum naru_err err =
            naru_autoconf_addr_add(&stack->autoconf, iface->index, addr, prefix_len, stack->now);
        naru_nd_settle(stack);
        return err;
    }
    struct naru_ifaddr row = { .addr = *addr, .prefix_len = (uint8_t)prefix_len };
    return naru_ifaddr_insert(stack, iface, &row);
}

/* An address with its mask, and the network it makes; what cannot be is refused (H-3.2.2.9-2,
 * H-3.2.2.9-8, H-3.3.1.6-1, V6-8200-5-1). */
enum naru_err naru_ifaddr_add(struct naru_stack *stack, unsigned ifindex,
                              const struct naru_addr *addr, unsigned prefix_len, naru_time now)
{
    struct naru_iface *iface = naru_iface_of(stack, ifindex);
    if (iface == NULL)
        return NARU_ERR_NOENT;
    naru_stack_at(stack, now);
    if (prefix_len > naru_addr_bits(addr) || naru_addr_is_unspecified(addr) ||
        naru_addr_is_multicast(addr) || naru_addr_is_limited_broadcast(addr) ||
        (!naru_addr_is_v4(addr) && iface->mtu < MTU_MIN_IPV6))
        return NARU_ERR_INVAL;
    enum naru_err err = add_row(stack, iface, addr, prefix_len);
    if (err != NARU_OK)
        return err;
    struct naru_route route = connected_route(ifindex, addr, prefix_len);
    err = naru_fib_add(&stack->fib, &route);
    if (err != NARU_OK && err != NARU_ERR_EXIST) {
        (void)naru_ifaddr_remove(stack, ifindex, addr, now);
        return err;
    }
    return NARU_OK;
}

enum naru_err naru_ifaddr_remove(struct naru_stack *stack, unsigned ifindex,
                                 const struct naru_addr *addr, naru_time now)
{
    struct naru_iface *iface = naru_iface_of(stack, ifindex);
    naru_stack_at(stack, now);
    struct naru_ifaddr *row = iface == NULL ? NULL : ifaddr_on(iface, addr);
    if (row == NULL)
        return NARU_ERR_NOENT;
    struct naru_route route = connected_route(ifindex, addr, row->prefix_len);
    if (iface->autoconf && !naru_addr_is_v4(addr))
        (void)naru_autoconf_addr_remove(&stack->autoconf, ifindex, addr);
    naru_ifaddr_erase(stack, iface, addr);
    for (unsigned i = 0; i < iface->addr_count; i++)
        if (iface->addrs[i].prefix_len == route.prefix_len &&
            naru_addr_in_prefix(&iface->addrs[i].addr, &route.prefix, route.prefix_len))
            return NARU_OK; /* the prefix is another's too */
    (void)naru_fib_remove(&stack->fib, &route);
    return NARU_OK;
}

enum naru_err naru_ifaddr_get(const struct naru_stack *stack, unsigned ifindex, unsigned n,
                              struct naru_ifaddr_info *info)
{
    const struct naru_iface *iface = naru_iface_of(stack, ifindex);
    if (iface == NULL || n >= iface->addr_count)
        return NARU_ERR_NOENT;
    const struct naru_ifaddr *row = &iface->addrs[n];
    *info = (struct naru_ifaddr_info){
        .addr = row->addr,
        .prefix_len = row->prefix_len,
        .tentative = row->tentative,
        .duplicate = row->duplicate,
        .deprecated = row->deprecated,
        .automatic = row->automatic,
        .temporary = row->temporary,
    };
    return NARU_OK;
}

/* ---- Routes and neighbours of the administrator ---- */

enum naru_err naru_route_add(struct naru_stack *stack, const struct naru_route *route)
{
    if (route->ifindex != 0 && naru_iface_of(stack, route->ifindex) == NULL)
        return NARU_ERR_NOENT;
    naru_stack_touch(stack);
    return naru_fib_add(&stack->fib, route);
}

enum naru_err naru_route_remove(struct naru_stack *stack, const struct naru_route *route)
{
    naru_stack_touch(stack);
    return naru_fib_remove(&stack->fib, route);
}

enum naru_err naru_route_get(const struct naru_stack *stack, unsigned n, struct naru_route *route)
{
    return naru_fib_get(&stack->fib, n, route);
}

enum naru_err naru_neigh_add(struct naru_stack *stack, unsigned ifindex,
                             const struct naru_addr *addr, const uint8_t mac[6], naru_time now)
{
    if (naru_iface_of(stack, ifindex) == NULL)
        return NARU_ERR_NOENT;
    naru_stack_at(stack, now);
    enum naru_err err = naru_neigh_set_permanent(&stack->neigh, ifindex, addr, mac, stack->now);
    naru_neigh_settle(stack);
    return err;
}
