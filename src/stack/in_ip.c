/*
 * IPv4 and IPv6 in: RFC 791 and RFC 1122 3.2.1, RFC 8200 and RFC 4443; reassembly; then to the
 * transport.
 *
 * Not done: forwarding.
 */
#include "stack/core.h"

#include "base/addr.h"
#include "wire/icmp.h"
#include "wire/icmpv6.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"

/* ---- Is it for us? (RFC 1122 3.2.1.3) ---- */

/* A source that is no single host, or cannot be out there (MUST-63, H-3.2.1.3-4). */
static enum naru_drop check_source(const struct naru_ip_in *in)
{
    bool loopback = in->iface->index == LOOPBACK;
    if (naru_addr_is_multicast(&in->src) || naru_iface_is_broadcast(in->iface, &in->src))
        return NARU_DROP_SRC_MULTICAST;
    if (loopback)
        return NARU_DROP_NONE;
    if (naru_addr_is_loopback(&in->src))
        return NARU_DROP_SRC_LOOPBACK;
    return naru_addr_is_loopback(&in->dst) ? NARU_DROP_DST_LOOPBACK : NARU_DROP_NONE;
}

/* Sets in->group where the destination says so (H-3.2.1.3-3, H-3.3.6-4). */
static enum naru_drop check_destination(const struct naru_stack *stack, struct naru_ip_in *in)
{
    if (naru_addr_is_multicast(&in->dst)) {
        in->group = true;
        if (in->iface->index == LOOPBACK ||
            naru_group_member(&stack->group, in->iface->index, &in->dst))
            return NARU_DROP_NONE;
        return NARU_DROP_MULTICAST_NOT_JOINED;
    }
    if (naru_iface_is_broadcast(in->iface, &in->dst)) {
        in->group = true;
        return NARU_DROP_NONE;
    }
    if (in->iface->index == LOOPBACK || in->iface->accept_any ||
        naru_ifaddr_find(stack, &in->dst, 0) != NULL)
        return NARU_DROP_NONE;
    return NARU_DROP_NOT_FOR_US;
}

/* May a packet with these ends be taken in?  Sets in->group. */
enum naru_drop naru_ip_check_ends(const struct naru_stack *stack, struct naru_ip_in *in)
{
    struct naru_iface *iface = in->iface;
    bool same_dst =
        iface->seen.fib_gen == stack->fib.generation && naru_addr_eq(&iface->seen.dst, &in->dst);
    if (same_dst && naru_addr_eq(&iface->seen.src, &in->src))
        return NARU_DROP_NONE;
    enum naru_drop drop = check_source(in);
    if (drop == NARU_DROP_NONE && !same_dst)
        drop = check_destination(stack, in);
    if (drop == NARU_DROP_NONE && iface->index != LOOPBACK &&
        naru_ifaddr_find(stack, &in->src, 0) != NULL)
        drop = NARU_DROP_SRC_OURS;
    if (drop == NARU_DROP_NONE && !in->group) {
        iface->seen.fib_gen = stack->fib.generation;
        iface->seen.src = in->src;
        iface->seen.dst = in->dst;
    }
    return drop;
}

/* ---- To the transport ---- */

/* Unknown next header -> parameter problem code 1 (V6-8200-4-2). */
static NARU_NOINLINE enum naru_drop unknown_protocol(struct naru_stack *stack,
                                                     const struct naru_ip_in *in,
                                                     struct naru_pkt *pkt, uint16_t next_header_at)
{
    if (naru_addr_is_v4(&in->dst))
        naru_icmp_unreachable(stack, in, UNREACHABLE_PROTOCOL);
    else
        naru_icmp_param_problem(stack, in, NARU_ICMPV6_NEXT_HEADER, next_header_at);
    return naru_pkt_drop(pkt, NARU_DROP_PROTO_UNKNOWN);
}

static enum naru_drop deliver(struct naru_stack *stack, const struct naru_ip_in *in,
                              struct naru_pkt *pkt, uint16_t next_header_at)
{
    bool v4 = naru_addr_is_v4(&in->dst);
    switch (in->proto) {
    case NARU_PROTO_TCP:
        return naru_tcp_segment_in(stack, in, pkt);
    case NARU_PROTO_UDP:
        return naru_udp_input(stack, in, pkt);
    case NARU_PROTO_ICMP:
        if (v4)
            return naru_icmp_input(stack, in, pkt);
        break;
    case NARU_PROTO_IGMP:
        if (v4)
            return naru_igmp_input(stack, in, pkt);
        break;
    case NARU_PROTO_ICMPV6:
        if (!v4)
            return naru_icmpv6_input(stack, in, pkt);
        break;
    default:
        break;
    }
    return unknown_protocol(stack, in, pkt, next_header_at);
}

/* ---- Fragments ---- */

static NARU_NOINLINE enum naru_drop reassemble(struct naru_stack *stack, struct naru_iface *iface,
                                               struct naru_pkt *pkt, const struct naru_ip_in *in,
                                               const struct naru_frag_info *info)
{
    struct naru_frag_result result;
    enum naru_drop drop = naru_frag_input(&stack->frag, pkt, info, stack->now, &result);
    naru_drop_count(stack, drop, result.discarded);
    naru_drop_count(stack, NARU_DROP_FRAG_LIMIT, result.evicted);
    if (result.problem != NARU_FRAG_FINE) {
        uint32_t pointer =
            result.problem == NARU_FRAG_NOT_EIGHTS ? 4 : (uint32_t)info->header_len - 6;
        naru_icmp_param_problem(stack, in, NARU_ICMPV6_FIELD, pointer);
        naru_pktpool_put(pkt);
    }
    if (drop != NARU_DROP_NONE || result.whole == NULL)
        return drop;
    result.whole->offload = (struct naru_offload){ 0 };
    return info->family == NARU_IPV4 ? naru_ipv4_input(stack, iface, result.whole, in->group)
                                     : naru_ipv6_input(stack, iface, result.whole, in->group);
}

/* Datagrams whose time is over; the sender is told if the first fragment came (RFC 792, 4443 3.3;
 * H-3.3.2-5, V6-8200-4.5-3). */
void naru_ip_frag_expire(struct naru_stack *stack)
{
    struct naru_frag_expired expired;
    while (naru_frag_next_expired(&stack->frag, stack->now, &expired)) {
        naru_drop_count(stack, NARU_DROP_FRAG_TIMEOUT, expired.fragments);
        struct naru_pkt *first = expired.first;
        if (first == NULL)
            continue;
        bool v4 = expired.family == NARU_IPV4;
        struct naru_ip_in in = {
            .iface = stack->ifaces[first->ifindex],
            .src = v4 ? naru_addr_from4(first->data + 12) : naru_addr_from16(first->data + 8),
            .dst = v4 ? naru_addr_from4(first->data + 16) : naru_addr_from16(first->data + 24),
            .proto = v4 ? first->data[9] : NARU_PROTO_FRAGMENT,
            .packet = first->data,
            .packet_len = first->len,
        };
        naru_icmp_frag_timeout(stack, &in);
        naru_pktpool_put(first);
    }
}

/* ---- IPv4 ---- */

static NARU_NOINLINE enum naru_drop ipv4_fragment(struct naru_stack *stack, struct naru_pkt *pkt,
                                                  const struct naru_ip_in *in,
                                                  const struct naru_ipv4_hdr *h)
{
    struct naru_frag_info info = {
        .family = NARU_IPV4,
        .src = h->src,
        .dst = h->dst,
        .ident = h->ident,
        .offset = h->frag_offset,
        .more = h->mf,
        .protocol = h->protocol,
        .header_len = h->header_len,
        .payload_len = (uint16_t)(h->total_len - h->header_len),
    };
    return reassemble(stack, in->iface, pkt, in, &info);
}

/* Header checksum verified; bad ones silently dropped (H-3.2.1.2-1). */
enum naru_drop naru_ipv4_input(struct naru_stack *stack, struct naru_iface *iface,
                               struct naru_pkt *pkt, bool group)
{
    struct naru_span span = naru_span(pkt->data, pkt->len);
    struct naru_ipv4_hdr h;
    enum naru_drop drop = naru_ipv4_parse(&span, &h);
    if (drop != NARU_DROP_NONE)
        return naru_pkt_drop(pkt, drop);
    if (iface->index != LOOPBACK && !naru_ipv4_checksum_ok(pkt->data, h.header_len))
        return naru_pkt_drop(pkt, NARU_DROP_IPV4_CHECKSUM);
    struct naru_ip_in in = {
        .iface = iface,
        .src = h.src,
        .dst = h.dst,
        .proto = h.protocol,
        .hop_limit = h.ttl,
        .tos = h.tos,
        .group = group,
        .csum_valid = pkt->offload.csum_valid || pkt->offload.csum_partial,
        .packet = pkt->data,
        .packet_len = h.total_len,
    };
    drop = naru_ip_check_ends(stack, &in);
    if (drop != NARU_DROP_NONE)
        return naru_pkt_drop(pkt, drop);
    if (NARU_UNLIKELY(h.options.len != 0)) {
        struct naru_ipv4_options options;
        drop = naru_ipv4_options_parse(&h, &options);
        if (drop == NARU_DROP_NONE && (options.lsrr.at != NULL || options.ssrr.at != NULL))
            drop = NARU_DROP_IPV4_SOURCE_ROUTE;
        else if (drop != NARU_DROP_NONE)
            naru_icmp_param_problem(stack, &in, 0, options.problem);
        if (drop != NARU_DROP_NONE)
            return naru_pkt_drop(pkt, drop);
    }
    if (NARU_UNLIKELY(naru_ipv4_is_fragment(&h)))
        return ipv4_fragment(stack, pkt, &in, &h);
    (void)naru_pkt_trim(pkt, h.total_len); /* Ethernet padding ends here. */
    (void)naru_pkt_pull(pkt, h.header_len);
    return deliver(stack, &in, pkt, 9);
}

/* ---- IPv6 ---- */

static NARU_NOINLINE enum naru_drop ipv6_fragment(struct naru_stack *stack, struct naru_pkt *pkt,
                                                  const struct naru_ip_in *in,
                                                  const struct naru_ipv6_walk *w, size_t data_len)
{
    struct naru_frag_info info = {
        .family = NARU_IPV6,
        .src = in->src,
        .dst = in->dst,
        .ident = w->frag.ident,
        .offset = w->frag.offset,
        .more = w->frag.more,
        .protocol = w->frag.next_header,
        .header_len = w->header_len,
        .payload_len = (uint16_t)data_len,
        .next_header_at = w->frag_named_at,
    };
    return reassemble(stack, in->iface, pkt, in, &info);
}

static NARU_NOINLINE enum naru_drop ipv6_problem(struct naru_stack *stack, struct naru_pkt *pkt,
                                                 const struct naru_ip_in *in,
                                                 const struct naru_ipv6_walk *w,
                                                 enum naru_drop drop)
{
    bool multicast = naru_addr_is_multicast(&in->dst);
    if (w->answer == NARU_IPV6_ANSWER || (w->answer == NARU_IPV6_ANSWER_UNICAST && !multicast))
        naru_icmp_param_problem(stack, in, w->problem_code, w->problem_at);
    return naru_pkt_drop(pkt, drop);
}

NARU_NOINLINE NARU_FLATTEN enum naru_drop naru_ipv6_input(struct naru_stack *stack,
                                                          struct naru_iface *iface,
                                                          struct naru_pkt *pkt, bool group)
{
    struct naru_span span = naru_span(pkt->data, pkt->len);
    struct naru_ipv6_hdr h;
    enum naru_drop drop = naru_ipv6_parse(&span, &h);
    if (drop != NARU_DROP_NONE)
        return naru_pkt_drop(pkt, drop);
    struct naru_ip_in in = {
        .iface = iface,
        .src = h.src,
        .dst = h.dst,
        .proto = h.next_header,
        .hop_limit = h.hop_limit,
        .tos = h.traffic_class,
        .group = group,
        .csum_valid = pkt->offload.csum_valid || pkt->offload.csum_partial,
        .packet = pkt->data,
        .packet_len = (uint32_t)h.payload_len + NARU_IPV6_LEN,
    };
    drop = naru_ip_check_ends(stack, &in);
    if (drop != NARU_DROP_NONE)
        return naru_pkt_drop(pkt, drop);
    struct naru_ipv6_walk w = { .next_header = h.next_header,
                                .next_header_at = 6,
                                .header_len = NARU_IPV6_LEN };
    if (NARU_UNLIKELY(h.next_header != NARU_PROTO_TCP && h.next_header != NARU_PROTO_UDP)) {
        drop = naru_ipv6_walk(&span, &h, &w);
        if (drop != NARU_DROP_NONE)
            return ipv6_problem(stack, pkt, &in, &w, drop);
        in.proto = w.next_header;
        in.fragmented = w.atomic || (pkt->flags & NARU_PKT_REASSEMBLED) != 0;
        if (w.fragment && (pkt->flags & NARU_PKT_REASSEMBLED) != 0)
            return naru_pkt_drop(pkt, NARU_DROP_IPV6_EXT_LIMIT); /* fragments of fragments */
        if (w.fragment)
            return ipv6_fragment(stack, pkt, &in, &w, span.len);
    }
    (void)naru_pkt_trim(pkt, in.packet_len);
    (void)naru_pkt_pull(pkt, w.header_len);
    return deliver(stack, &in, pkt, w.next_header_at);
}
