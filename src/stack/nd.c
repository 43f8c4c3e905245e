/*
 * ARP (RFC 826, RFC 5227 where it defends), Neighbor Discovery (RFC 4861) and autoconfiguration
 * (RFC 4862): messages to the machines, what the machines owe to messages.
 *
 * Not done: router advertisements of our own, proxies, address conflict probes for IPv4.
 */
#include "stack/core.h"

#include "base/addr.h"
#include "wire/arp.h"
#include "wire/eth.h"
#include "wire/icmp.h"
#include "wire/icmpv6.h"
#include "wire/nd.h"
#include "wire/quote.h"

enum { HOP_LIMIT = 255, MESSAGE_MAX = 64 };

/* ---- ARP ---- */

static void send_arp(struct naru_stack *stack, struct naru_iface *iface,
                     const struct naru_arp_hdr *arp, const uint8_t dst[6])
{
    struct naru_pkt *pkt = naru_pktpool_get(&stack->pkts, 0, NARU_ARP_LEN);
    if (pkt == NULL) {
        naru_drop_count(stack, NARU_DROP_NO_MEMORY, 1);
        return;
    }
    pkt->len = (uint32_t)naru_arp_emit(pkt->data, arp);
    memcpy(pkt->meta.link.mac, dst, 6);
    pkt->meta.link.ethertype = NARU_ETHERTYPE_ARP;
    pkt->meta.link.mtu = iface->mtu;
    (void)naru_iface_enqueue(stack, iface, pkt);
}

static void answer_arp(struct naru_stack *stack, struct naru_iface *iface,
                       const struct naru_arp_hdr *request)
{
    struct naru_arp_hdr reply = { .op = NARU_ARP_REPLY, .spa = request->tpa, .tpa = request->spa };
    memcpy(reply.sha, iface->mac, 6);
    memcpy(reply.tha, request->sha, 6);
    send_arp(stack, iface, &reply, request->sha);
}

NARU_NOINLINE enum naru_drop naru_arp_input(struct naru_stack *stack, struct naru_iface *iface,
                                            struct naru_pkt *pkt)
{
    struct naru_span span = naru_span(pkt->data, pkt->len);
    struct naru_arp_hdr arp;
    enum naru_drop drop = naru_arp_parse(&span, &arp);
    naru_pktpool_put(pkt);
    if (drop != NARU_DROP_NONE)
        return drop;
    if (arp.op != NARU_ARP_REQUEST && arp.op != NARU_ARP_REPLY)
        return NARU_DROP_PROTO_UNKNOWN;
    if (!naru_mac_is_unicast(arp.sha) || naru_addr_is_multicast(&arp.spa) ||
        naru_addr_is_loopback(&arp.spa))
        return NARU_DROP_SRC_MULTICAST;
    if (naru_ifaddr_find(stack, &arp.spa, 0) != NULL)
        return NARU_DROP_SRC_OURS;
    bool probe = naru_addr_is_unspecified(&arp.spa); /* RFC 5227: answered, not learnt from */
    bool for_us = naru_ifaddr_find(stack, &arp.tpa, iface->index) != NULL;
    stack->chores = true;
    if (arp.op == NARU_ARP_REQUEST && for_us) {
        if (!probe)
            (void)naru_neigh_learn(&stack->neigh, iface->index, &arp.spa, arp.sha,
                                   NARU_NEIGH_FROM_SOLICITATION, stack->now);
        answer_arp(stack, iface, &arp);
    } else if (arp.op == NARU_ARP_REPLY && for_us && naru_mac_eq(arp.tha, iface->mac)) {
        struct naru_neigh_advert advert = { .mac = arp.sha, .solicited = true, .override = true };
        if (!naru_neigh_advertised(&stack->neigh, iface->index, &arp.spa, &advert, stack->now))
            return NARU_DROP_NEIGH_UNWANTED;
    } else if (probe || !naru_neigh_learn(&stack->neigh, iface->index, &arp.spa, arp.sha,
                                          NARU_NEIGH_FROM_ARP, stack->now)) {
        return NARU_DROP_NEIGH_UNWANTED;
    }
    naru_neigh_settle(stack);
    return NARU_DROP_NONE;
}

/* ---- Neighbor Discovery in ---- */

/* Sends an ICMPv6 message made in buf with checksum 0. */
static void send_nd(struct naru_stack *stack, struct naru_iface *iface, const struct naru_addr *src,
                    const struct naru_addr *dst, const uint8_t *message, size_t len)
{
    struct naru_pkt *pkt = naru_pktpool_get(&stack->pkts, NARU_IP_HEADROOM, len);
    if (pkt == NULL) {
        naru_drop_count(stack, NARU_DROP_NO_MEMORY, 1);
        return;
    }
    memcpy(pkt->data, message, len);
    pkt->len = (uint32_t)len;
    struct naru_ip_out out = {
        .src = *src,
        .dst = *dst,
        .ifindex = iface->index,
        .proto = NARU_PROTO_ICMPV6,
        .hop_limit = HOP_LIMIT,
        .csum_offset = 2,
        .no_multicast_loop = true,
        .from_unspecified = true,
    };
    (void)naru_ip_output(stack, &out, pkt);
}

/* RFC 4861 7.2.4: to the asker, or to all nodes if he has no address yet (V6-4861-7.2.4-1,
 * V6-4861-7.2.4-2, V6-4861-7.2.4-3, V6-4861-7.2.4-4). */
static void advertise(struct naru_stack *stack, struct naru_iface *iface,
                      const struct naru_addr *target, const struct naru_addr *asker)
{
    static const struct naru_addr all_nodes = { .b = { 0xff, 0x02, [15] = 1 } };
    uint8_t message[MESSAGE_MAX];
    bool solicited = !naru_addr_is_zero(asker);
    struct naru_nd_na na = { .solicited = solicited, .override = true, .target = *target };
    size_t len = naru_nd_na_emit(message, &na);
    len += naru_nd_lladdr_emit(message + len, NARU_ND_OPT_TLLA, iface->mac);
    send_nd(stack, iface, target, solicited ? asker : &all_nodes, message, len);
}

/* Valid or dropped; of an address of ours it is answered (V6-4861-7.1.1-1, V6-4861-7.2.3-1). */
static enum naru_drop ns_in(struct naru_stack *stack, const struct naru_ip_in *in,
                            struct naru_span message)
{
    struct naru_nd_ns ns;
    struct naru_nd_options options;
    struct naru_iface *iface = in->iface;
    enum naru_drop drop = naru_nd_ns_parse(&message, &ns);
    if (drop == NARU_DROP_NONE)
        drop = naru_nd_options_parse(message, &options);
    if (drop != NARU_DROP_NONE)
        return drop;
    bool unspecified = naru_addr_is_zero(&in->src);
    struct naru_addr group = naru_autoconf_solicited_node(&ns.target);
    if (unspecified && (options.slla != NULL || !naru_addr_eq(&in->dst, &group)))
        return NARU_DROP_ND_INVALID; /* RFC 4861 7.1.1 */
    if (iface->autoconf &&
        naru_autoconf_solicited(&stack->autoconf, iface->index, &ns.target, unspecified,
                                options.nonce) != NARU_AUTOCONF_ND_OTHER) {
        naru_nd_settle(stack);
        return NARU_DROP_NONE;
    }
    if (naru_ifaddr_find(stack, &ns.target, iface->index) == NULL)
        return NARU_DROP_NOT_FOR_US;
    if (!unspecified && options.slla != NULL && naru_mac_is_unicast(options.slla))
        (void)naru_neigh_learn(&stack->neigh, iface->index, &in->src, options.slla,
                               NARU_NEIGH_FROM_SOLICITATION, stack->now);
    advertise(stack, iface, &ns.target, &in->src);
    naru_neigh_settle(stack);
    return NARU_DROP_NONE;
}

/* Neighbor Advertisement validity: hop limit 255, checksum, code 0, length 24 or more, target not
 * multicast, S=0 if to multicast, options not empty (V6-4861-7.1.2-1). */
static enum naru_drop na_in(struct naru_stack *stack, const struct naru_ip_in *in,
                            struct naru_span message)
{
    struct naru_nd_na na;
    struct naru_nd_options options;
    unsigned ifindex = in->iface->index;
    enum naru_drop drop = naru_nd_na_parse(&message, &na);
    if (drop == NARU_DROP_NONE)
        drop = naru_nd_options_parse(message, &options);
    if (drop != NARU_DROP_NONE)
        return drop;
    if (na.solicited && naru_addr_is_multicast(&in->dst))
        return NARU_DROP_ND_INVALID; /* RFC 4861 7.1.2 */
    if (in->iface->autoconf &&
        naru_autoconf_advertised(&stack->autoconf, ifindex, &na.target) != NARU_AUTOCONF_ND_OTHER) {
        naru_nd_settle(stack);
        return NARU_DROP_NONE;
    }
    if (naru_ifaddr_find(stack, &na.target, ifindex) != NULL)
        return NARU_DROP_SRC_OURS;
    struct naru_neigh_advert advert = {
        .mac = options.tlla != NULL && naru_mac_is_unicast(options.tlla) ? options.tlla : NULL,
        .router = na.router,
        .solicited = na.solicited,
        .override = na.override,
    };
    bool wanted = naru_neigh_advertised(&stack->neigh, ifindex, &na.target, &advert, stack->now);
    naru_neigh_settle(stack);
    return wanted ? NARU_DROP_NONE : NARU_DROP_NEIGH_UNWANTED;
}

static void ra_options(struct naru_stack *stack, unsigned ifindex, struct naru_span options)
{
    struct naru_nd_option o;
    struct naru_nd_prefix p;
    struct naru_nd_rdnss dns;
    struct naru_nd_dnssl search;
    while (naru_nd_option_next(&options, &o)) {
        if (naru_nd_prefix_parse(&o, &p)) {
            struct naru_autoconf_prefix prefix = {
                .prefix = p.prefix,
                .prefix_len = p.prefix_len,
                .on_link = p.on_link,
                .autonomous = p.autonomous,
                .valid_s = p.valid_s,
                .preferred_s = p.preferred_s,
            };
            naru_autoconf_ra_prefix(&stack->autoconf, ifindex, &prefix, stack->now);
        } else if (naru_nd_rdnss_parse(&o, &dns)) {
            for (unsigned i = 0; i < dns.count; i++) {
                struct naru_addr server = naru_nd_rdnss_get(&dns, i);
                naru_autoconf_ra_dns(&stack->autoconf, ifindex, &server, dns.lifetime_s,
                                     stack->now);
            }
        } else if (naru_nd_dnssl_parse(&o, &search)) {
            char name[NARU_ND_DOMAIN_SIZE];
            while (naru_nd_dnssl_next(&search, name))
                naru_autoconf_ra_domain(&stack->autoconf, ifindex, name, search.lifetime_s,
                                        stack->now);
        }
    }
}

/* Router Advertisement validity: link-local source, hop limit 255, checksum, code 0, length 16 or
 * more, options not empty (V6-4861-6.1.2-1). */
static enum naru_drop ra_in(struct naru_stack *stack, const struct naru_ip_in *in,
                            struct naru_span message)
{
    struct naru_nd_ra m;
    struct naru_nd_options options;
    unsigned ifindex = in->iface->index;
    enum naru_drop drop = naru_nd_ra_parse(&message, &m);
    if (drop == NARU_DROP_NONE)
        drop = naru_nd_options_parse(message, &options);
    if (drop != NARU_DROP_NONE)
        return drop;
    if (naru_addr_is_v4(&in->src) || !naru_addr_is_link_local(&in->src))
        return NARU_DROP_ND_INVALID; /* RFC 4861 6.1.2 */
    if (!in->iface->autoconf)
        return NARU_DROP_ICMP_IGNORED;
    struct naru_autoconf_ra ra = {
        .router = in->src,
        .hop_limit = m.hop_limit,
        .lifetime_s = m.lifetime_s,
        .reachable_ms = m.reachable_ms,
        .retrans_ms = m.retrans_ms,
    };
    naru_autoconf_ra(&stack->autoconf, ifindex, &ra, stack->now);
    ra_options(stack, ifindex, message);
    if (options.mtu != 0)
        naru_autoconf_ra_mtu(&stack->autoconf, ifindex, options.mtu);
    (void)naru_neigh_learn(&stack->neigh, ifindex, &in->src, options.slla, NARU_NEIGH_FROM_ROUTER,
                           stack->now);
    naru_nd_settle(stack);
    naru_neigh_settle(stack);
    return NARU_DROP_NONE;
}

/* A host drops every Router Solicitation (V6-4861-6.1.1-2). */
enum naru_drop naru_nd_input(struct naru_stack *stack, const struct naru_ip_in *in, uint8_t type,
                             struct naru_span message)
{
    if (in->hop_limit != HOP_LIMIT)
        return NARU_DROP_ND_HOP_LIMIT;
    if (!in->iface->link_layer)
        return NARU_DROP_ICMP_IGNORED;
    stack->chores = true;
    switch (type) {
    case NARU_ICMPV6_NS:
        return ns_in(stack, in, message);
    case NARU_ICMPV6_NA:
        return na_in(stack, in, message);
    case NARU_ICMPV6_RA:
        return ra_in(stack, in, message);
    case NARU_ICMPV6_REDIRECT:
        return naru_redirect_input(stack, in, message);
    default:
        return NARU_DROP_ICMP_IGNORED; /* RS: we are no router */
    }
}

/* ---- What autoconfiguration has changed ---- */

static void apply_addr(struct naru_stack *stack, struct naru_iface *iface,
                       const struct naru_autoconf_change *change)
{
    struct naru_ifaddr *row = naru_ifaddr_row(iface, &change->addr);
    if (change->kind == NARU_AUTOCONF_ADDR_REMOVED) {
        naru_ifaddr_erase(stack, iface, &change->addr);
        return;
    }
    if (row == NULL) {
        struct naru_ifaddr fresh = {
            .addr = change->addr,
            .prefix_len = change->prefix_len,
            .automatic = change->automatic,
            .temporary = change->temporary,
        };
        if (naru_ifaddr_insert(stack, iface, &fresh) != NARU_OK)
            return;
        row = naru_ifaddr_row(iface, &change->addr);
        if (naru_addr_is_link_local(&change->addr)) {
            struct naru_route route = { .prefix = change->addr,
                                        .prefix_len = 64,
                                        .ifindex = iface->index };
            (void)naru_fib_add(&stack->fib, &route);
        }
    }
    row->tentative = change->kind == NARU_AUTOCONF_ADDR_TENTATIVE;
    row->deprecated = change->kind == NARU_AUTOCONF_ADDR_DEPRECATED;
    row->duplicate = change->kind == NARU_AUTOCONF_ADDR_DUPLICATE;
    stack->fib.generation++;
}

/* Removing a default router redoes the next hop of all destinations that used it (V6-4861-6.3.5-1).
 */
static void apply_route(struct naru_stack *stack, const struct naru_autoconf_change *change)
{
    struct naru_route route = { .ifindex = change->ifindex };
    bool router =
        change->kind == NARU_AUTOCONF_ROUTER_ADDED || change->kind == NARU_AUTOCONF_ROUTER_REMOVED;
    if (router) {
        route.has_gateway = true;
        route.gateway = change->addr;
        route.metric = 1024;
    } else {
        route.prefix = change->addr;
        route.prefix_len = change->prefix_len;
    }
    if (change->kind == NARU_AUTOCONF_ROUTER_ADDED || change->kind == NARU_AUTOCONF_PREFIX_ADDED)
        (void)naru_fib_add(&stack->fib, &route);
    else
        (void)naru_fib_remove(&stack->fib, &route);
}

static void apply(struct naru_stack *stack, const struct naru_autoconf_change *change)
{
    struct naru_iface *iface = stack->ifaces[change->ifindex];
    switch (change->kind) {
    case NARU_AUTOCONF_ADDR_TENTATIVE:
    case NARU_AUTOCONF_ADDR_PREFERRED:
    case NARU_AUTOCONF_ADDR_DEPRECATED:
    case NARU_AUTOCONF_ADDR_DUPLICATE:
    case NARU_AUTOCONF_ADDR_REMOVED:
        apply_addr(stack, iface, change);
        break;
    case NARU_AUTOCONF_PREFIX_ADDED:
    case NARU_AUTOCONF_PREFIX_REMOVED:
    case NARU_AUTOCONF_ROUTER_ADDED:
    case NARU_AUTOCONF_ROUTER_REMOVED:
        apply_route(stack, change);
        break;
    case NARU_AUTOCONF_MTU:
        if (change->value < iface->mtu) {
            iface->mtu = change->value;
            stack->fib.generation++;
        }
        break;
    case NARU_AUTOCONF_HOP_LIMIT:
        iface->hop_limit = (uint8_t)change->value;
        break;
    case NARU_AUTOCONF_NEIGH_TIMERS:
        (void)naru_neigh_set_timers(&stack->neigh, change->ifindex, change->reachable,
                                    change->retrans, stack->now);
        break;
    case NARU_AUTOCONF_DNS_ADDED:
    case NARU_AUTOCONF_DNS_REMOVED:
    case NARU_AUTOCONF_DOMAINS_CHANGED:
        stack->dns_generation++; /* the embedder's business */
        break;
    case NARU_AUTOCONF_DISABLED:
        break; /* a duplicate address is marked already */
    }
}

void naru_nd_settle(struct naru_stack *stack)
{
    struct naru_autoconf_change change;
    while (naru_autoconf_next_change(&stack->autoconf, &change)) {
        stack->chores = true;
        apply(stack, &change);
    }
}

/* ---- Resolvers, for the embedder ---- */

uint32_t naru_dns_generation(const struct naru_stack *stack) { return stack->dns_generation; }

enum naru_err naru_dns_server_get(const struct naru_stack *stack, unsigned ifindex, unsigned n,
                                  struct naru_endpoint *server)
{
    *server = (struct naru_endpoint){ .port = 53 };
    if (!naru_autoconf_dns_get(&stack->autoconf, ifindex, n, &server->addr))
        return NARU_ERR_NOENT;
    if (naru_addr_is_link_local(&server->addr))
        server->ifindex = (uint16_t)ifindex;
    return NARU_OK;
}

enum naru_err naru_dns_search_get(const struct naru_stack *stack, unsigned ifindex, unsigned n,
                                  char name[NARU_DNS_SEARCH_SIZE])
{
    const char *text = naru_autoconf_domain_get(&stack->autoconf, ifindex, n);
    if (text == NULL)
        return NARU_ERR_NOENT;
    memcpy(name, text, NARU_DNS_SEARCH_SIZE);
    return NARU_OK;
}

/* ---- What neighbours have answered ---- */

static void wake_parked(struct naru_iface *iface)
{
    struct naru_list_node *node;
    while ((node = naru_list_first(&iface->parked)) != NULL)
        naru_sock_set_tx_list(NARU_CONTAINER_OF(node, struct naru_sock, tx_node), iface, TX_READY);
}

/* A packet that waited in vain is news for its sender, as ICMP would have been (RFC 1122 2.3.2.2).
 */
static void give_up(struct naru_stack *stack, struct naru_iface *iface, struct naru_pkt *pkt)
{
    struct naru_quote q;
    enum naru_family family = pkt->data[0] >> 4 == 4 ? NARU_IPV4 : NARU_IPV6;
    naru_drop_count(stack, NARU_DROP_NEIGH_UNREACHABLE, 1);
    if (naru_quote_parse(naru_span(pkt->data, pkt->len), family, &q) == NARU_DROP_NONE &&
        q.proto != NARU_PROTO_TCP && !q.fragment) {
        struct naru_tuple tuple = {
            .local = q.src,
            .remote = q.dst,
            .local_port = q.sport,
            .remote_port = q.dport,
            .zone = naru_zone_on(iface, &q.dst),
            .proto = q.proto,
        };
        struct naru_ip_in in = { .iface = iface, .src = q.src };
        struct naru_icmp_fact fact = { .err = NARU_ERR_HOSTUNREACH, .hard = true };
        fact.type = family == NARU_IPV4 ? NARU_ICMP_UNREACHABLE : NARU_ICMPV6_UNREACHABLE;
        fact.code = family == NARU_IPV4 ? NARU_ICMP_HOST : NARU_ICMPV6_ADDRESS;
        (void)naru_dgram_error_in(stack, &tuple, &in, &fact, q.transport);
    }
    naru_pktpool_put(pkt);
}

static void release_packets(struct naru_stack *stack, const struct naru_neigh_event *event)
{
    struct naru_iface *iface = stack->ifaces[event->ifindex];
    struct naru_pkt *pkt = event->pkt, *next;
    for (; pkt != NULL; pkt = next) {
        next = pkt->next;
        switch (event->kind) {
        case NARU_NEIGH_RESOLVED:
            memcpy(pkt->meta.link.mac, event->mac, 6);
            (void)naru_iface_enqueue(stack, iface, pkt);
            break;
        case NARU_NEIGH_EVICTED:
            naru_drop_count(stack, NARU_DROP_NEIGH_TABLE_FULL, 1);
            naru_pktpool_put(pkt);
            break;
        case NARU_NEIGH_UNREACHABLE:
        case NARU_NEIGH_NOT_ROUTER:
            give_up(stack, iface, pkt);
            break;
        }
    }
}

/* IsRouter from true to false drops it as default router (V6-4861-7.2.5-4). */
void naru_neigh_settle(struct naru_stack *stack)
{
    struct naru_neigh_event event;
    while (naru_neigh_next_event(&stack->neigh, &event)) {
        stack->chores = true;
        release_packets(stack, &event);
        if (event.kind == NARU_NEIGH_NOT_ROUTER) {
            naru_autoconf_not_router(&stack->autoconf, event.ifindex, &event.addr);
            naru_nd_settle(stack);
        }
        if (event.kind == NARU_NEIGH_NOT_ROUTER || event.kind == NARU_NEIGH_UNREACHABLE)
            naru_redirect_end(stack, event.ifindex, &event.addr);
        if (event.kind == NARU_NEIGH_RESOLVED || event.kind == NARU_NEIGH_UNREACHABLE)
            (void)naru_fib_set_gateway_dead(&stack->fib, event.ifindex, &event.addr,
                                            event.kind == NARU_NEIGH_UNREACHABLE);
        if (event.waited_for)
            wake_parked(stack->ifaces[event.ifindex]);
        for (unsigned i = 1; event.kind == NARU_NEIGH_EVICTED && i <= stack->iface_count; i++)
            wake_parked(stack->ifaces[i]); /* whoever waited for that entry asks again */
    }
}

/* ---- Messages that are due ---- */

static bool own_address(const struct naru_stack *stack, const struct naru_iface *iface,
                        const struct naru_addr *wanted, const struct naru_addr *peer,
                        struct naru_addr *out)
{
    struct naru_path path = { .ifindex = iface->index };
    if (!naru_addr_is_zero(wanted) && naru_ifaddr_find(stack, wanted, iface->index) != NULL) {
        *out = *wanted;
        return true;
    }
    return naru_path_source(stack, &path, peer, out);
}

static void send_arp_probe(struct naru_stack *stack, struct naru_iface *iface,
                           const struct naru_neigh_probe *probe)
{
    static const uint8_t everyone[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    struct naru_arp_hdr arp = { .op = NARU_ARP_REQUEST, .tpa = probe->target };
    if (!own_address(stack, iface, &probe->source, &probe->target, &arp.spa))
        return;
    memcpy(arp.sha, iface->mac, 6);
    send_arp(stack, iface, &arp, probe->unicast ? probe->mac : everyone);
}

/* NS source = source of the packet that caused it, if it is ours; a multicast NS has SLLA
 * (V6-4861-7.2.2-1, V6-4861-7.2.2-2). */
static void send_ns_probe(struct naru_stack *stack, struct naru_iface *iface,
                          const struct naru_neigh_probe *probe)
{
    uint8_t message[MESSAGE_MAX];
    struct naru_addr src, group = naru_autoconf_solicited_node(&probe->target);
    struct naru_nd_ns ns = { .target = probe->target };
    if (!own_address(stack, iface, &probe->source, &probe->target, &src))
        return;
    size_t len = naru_nd_ns_emit(message, &ns);
    len += naru_nd_lladdr_emit(message + len, NARU_ND_OPT_SLLA, iface->mac);
    send_nd(stack, iface, &src, probe->unicast ? &probe->target : &group, message, len);
}

/* From :: without a link-layer address; a nonce tells our own (V6-4861-4.1-3, V6-4861-9-2,
 * V6-4862-5.4.2-4). */
static void send_autoconf(struct naru_stack *stack, struct naru_iface *iface,
                          const struct naru_autoconf_send *send)
{
    static const struct naru_addr all_routers = { .b = { 0xff, 0x02, [15] = 2 } };
    static const struct naru_addr unspecified;
    uint8_t message[MESSAGE_MAX];
    size_t len;
    if (send->solicitation) {
        struct naru_addr group = naru_autoconf_solicited_node(&send->target);
        struct naru_nd_ns ns = { .target = send->target };
        len = naru_nd_ns_emit(message, &ns);
        len += naru_nd_nonce_emit(message + len, send->nonce);
        send_nd(stack, iface, &unspecified, &group, message, len);
        return;
    }
    len = naru_nd_rs_emit(message);
    if (!naru_addr_is_zero(&send->source))
        len += naru_nd_lladdr_emit(message + len, NARU_ND_OPT_SLLA, iface->mac);
    send_nd(stack, iface, &send->source, &all_routers, message, len);
}

void naru_nd_chores(struct naru_stack *stack, struct naru_iface *iface)
{
    struct naru_neigh_probe probe;
    struct naru_autoconf_send send;
    while (naru_neigh_next_probe(&stack->neigh, iface->index, &probe)) {
        if (naru_addr_is_v4(&probe.target))
            send_arp_probe(stack, iface, &probe);
        else
            send_ns_probe(stack, iface, &probe);
    }
    while (iface->autoconf &&
           naru_autoconf_next_send(&stack->autoconf, iface->index, stack->now, &send))
        send_autoconf(stack, iface, &send);
}
