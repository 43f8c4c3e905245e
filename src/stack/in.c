/*
 * Frames in: the link layer, and what a frame's fate is called.
 */
#include "stack/core.h"

#include "wire/eth.h"
#include "wire/plain_udp.h"

NARU_COLD void naru_trace_frame(struct naru_stack *stack, const struct naru_iface *iface,
                                enum naru_trace_kind kind, const struct naru_slice *slice,
                                unsigned slice_count, const struct naru_offload *offload)
{
    struct naru_trace_event event = {
        .kind = kind,
        .time = stack->now,
        .ifindex = iface->index,
        .ethernet = iface->link_layer,
        .slice = slice,
        .slice_count = slice_count,
        .offload = *offload,
    };
    for (unsigned i = 0; i < slice_count; i++)
        event.len += slice[i].len;
    stack->config.trace(stack->config.trace_user, &event);
}

/* The VLAN interface for a tagged frame, or NULL. */
static NARU_NOINLINE struct naru_iface *vlan_of(const struct naru_stack *stack,
                                                const struct naru_iface *parent, uint16_t vid)
{
    for (unsigned i = LOOPBACK + 1; i <= stack->iface_count; i++) {
        struct naru_iface *iface = stack->ifaces[i];
        if (iface->kind == NARU_IFACE_VLAN && iface->parent == parent->index &&
            iface->vlan == vid && iface->up)
            return iface;
    }
    return NULL;
}

/* The link layer tells IP that a frame was a link-layer broadcast; ARP is used on Ethernet and IEEE
 * 802 nets (H-2.4-1, H-2.3.3-6). */
static enum naru_drop ethernet_input(struct naru_stack *stack, struct naru_iface *iface,
                                     struct naru_pkt *pkt)
{
    struct naru_span span = naru_span(pkt->data, pkt->len);
    struct naru_eth_hdr eth;
    enum naru_drop drop = naru_eth_parse(&span, &eth);
    if (drop != NARU_DROP_NONE)
        return naru_pkt_drop(pkt, drop);
    (void)naru_pkt_pull(pkt, (size_t)(span.at - pkt->data));
    if (eth.tag_count != 0 && naru_eth_tag_vid(&eth.tag[0]) != 0) { /* 0: a priority, no VLAN */
        iface = eth.tag_count == 1 ? vlan_of(stack, iface, naru_eth_tag_vid(&eth.tag[0])) : NULL;
        if (iface == NULL)
            return naru_pkt_drop(pkt, NARU_DROP_VLAN_UNKNOWN);
        iface->rx_packets++;
        iface->rx_bytes += pkt->len;
    }
    bool group = naru_mac_is_multicast(eth.dst);
    if (!group && !naru_mac_eq(eth.dst, iface->mac))
        return naru_pkt_drop(pkt, NARU_DROP_NOT_FOR_US_MAC);
    if (!naru_mac_is_unicast(eth.src))
        return naru_pkt_drop(pkt, NARU_DROP_SRC_MULTICAST);
    switch (eth.ethertype) {
    case NARU_ETHERTYPE_IPV4:
        return naru_ipv4_input(stack, iface, pkt, group);
    case NARU_ETHERTYPE_IPV6:
        return naru_ipv6_input(stack, iface, pkt, group);
    case NARU_ETHERTYPE_ARP:
        return naru_arp_input(stack, iface, pkt);
    default:
        return naru_pkt_drop(pkt, NARU_DROP_ETHERTYPE_UNKNOWN);
    }
}

static enum naru_drop bare_ip_input(struct naru_stack *stack, struct naru_iface *iface,
                                    struct naru_pkt *pkt)
{
    if (pkt->len == 0)
        return naru_pkt_drop(pkt, NARU_DROP_IPV4_SHORT);
    return pkt->data[0] >> 4 == 6 ? naru_ipv6_input(stack, iface, pkt, false)
                                  : naru_ipv4_input(stack, iface, pkt, false);
}

/* What a driver says about its frame must fit the frame. */
static bool offload_sane(const struct naru_pkt *pkt)
{
    const struct naru_offload *o = &pkt->offload;
    if (NARU_LIKELY(o->gso == NARU_GSO_NONE && !o->csum_partial))
        return true;
    if (o->gso > NARU_GSO_UDP || (o->gso != NARU_GSO_NONE && o->gso_size == 0))
        return false;
    return !o->csum_partial || (size_t)o->csum_start + o->csum_offset + 2 <= pkt->len;
}

/* Any frame, of any interface or (NULL) none: the long way. */
NARU_NOINLINE NARU_FLATTEN void naru_input_any(struct naru_stack *stack, struct naru_iface *iface,
                                               struct naru_pkt *pkt)
{
    if (iface == NULL || iface->kind == NARU_IFACE_VLAN) {
        naru_drop_count(stack, NARU_DROP_IFACE_DOWN, 1);
        naru_pktpool_put(pkt);
        return;
    }
    if (NARU_UNLIKELY(naru_stack_pressed(stack)))
        naru_stack_relieve(stack);
    iface->rx_packets++;
    iface->rx_bytes += pkt->len;
    if (NARU_UNLIKELY(stack->config.trace != NULL)) {
        struct naru_slice slice = { pkt->data, pkt->len };
        naru_trace_frame(stack, iface, NARU_TRACE_FRAME_IN, &slice, 1, &pkt->offload);
    }
    enum naru_drop drop;
    pkt->ifindex = stack->in_ifindex = iface->index;
    if (NARU_UNLIKELY(!iface->up))
        drop = naru_pkt_drop(pkt, NARU_DROP_IFACE_DOWN);
    else if (NARU_UNLIKELY(!offload_sane(pkt)))
        drop = naru_pkt_drop(pkt, NARU_DROP_OFFLOAD_BAD);
    else if (naru_quick_open(stack, iface) && naru_quick_syn_in(stack, iface, pkt, &drop))
        ;
    else if (iface->link_layer)
        drop = ethernet_input(stack, iface, pkt);
    else
        drop = bare_ip_input(stack, iface, pkt);
    naru_frame_fate(stack, iface, drop);
    stack->in_ifindex = 0;
}

/* Most frames are of the connection that the last one was for, or datagrams.  (All of these calls
 * are jumps: this needs no room of its own.  Each short way leaves to the long one what is not for
 * it.) */
NARU_FLATTEN void naru_stack_input(struct naru_stack *stack, unsigned ifindex, struct naru_pkt *pkt,
                                   naru_time now)
{
    struct naru_iface *iface = naru_iface_of(stack, ifindex);
    naru_stack_at(stack, now);
    if (NARU_UNLIKELY(iface == NULL || naru_stack_pressed(stack) || !offload_sane(pkt)))
        naru_input_any(stack, iface, pkt);
    else if (NARU_LIKELY(naru_is_next_segment(stack, iface, pkt)))
        naru_next_segment_in(stack, iface, pkt);
    else if (naru_plain_may_be_udp(pkt->data, pkt->len, iface->link_layer))
        naru_udp_quick_input(stack, iface, pkt);
    else
        naru_quick_segment_in(stack, iface, pkt);
}
