/*
 * Packets that we make: source, route, IP header, checksum, and on to the interface or to the
 * neighbour's queue.
 */
#include "stack/core.h"

#include "base/addr.h"
#include "wire/eth.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"

enum {
    NO_CSUM = 0xff,
    SMALL = 64, /* bytes: no call is made to sum them */
};

static const uint8_t router_alert_option[4] = { NARU_IPV4_OPT_ROUTER_ALERT, 4, 0, 0 };

/* Checksum can be made and checked; default is to send a checksum (H-4.1.3.4-1, H-4.1.3.4-4). */
static void set_checksum(const struct naru_stack *stack, const struct naru_iface *iface,
                         const struct naru_ip_out *out, const struct naru_addr *src,
                         struct naru_pkt *pkt, bool whole)
{
    uint8_t *field = pkt->data + out->csum_offset;
    bool with_pseudo = out->proto != NARU_PROTO_ICMP;
    naru_put16(field, 0);
    uint32_t sum = with_pseudo ? naru_csum_pseudo(src, &out->dst, out->proto, pkt->len) : 0;
    bool can_offload = out->proto == NARU_PROTO_TCP || out->proto == NARU_PROTO_UDP;
    if (can_offload && whole && (iface->offload & NARU_OFFLOAD_TX_CSUM) != 0) {
        naru_put16(field, naru_csum_fold(sum));
        pkt->offload.csum_partial = 1;
        pkt->offload.csum_offset = out->csum_offset;
        return;
    }
    bool small = pkt->len <= SMALL && pkt->len % 4 == 0;
    uint16_t checksum = naru_csum_finish(small ? naru_csum_header(sum, pkt->data, pkt->len)
                                               : stack->csum->add(sum, pkt->data, pkt->len));
    if (checksum == 0 && out->proto == NARU_PROTO_UDP)
        checksum = 0xffff;
    naru_put16(field, checksum);
}

static void push_ipv4(struct naru_stack *stack, const struct naru_ip_out *out,
                      const struct naru_addr *src, struct naru_pkt *pkt, uint8_t hop_limit)
{
    struct naru_ipv4_hdr ip = {
        .src = *src,
        .dst = out->dst,
        .tos = out->tos,
        .ttl = hop_limit,
        .protocol = out->proto,
        .df = out->dont_fragment,
    };
    if (!ip.df)
        ip.ident =
            (uint16_t)(out->ident != NULL ? naru_frag_ident_take(&stack->ident, out->ident)
                                          : naru_frag_ident_next(&stack->ident, src, &out->dst));
    size_t len = out->router_alert ? NARU_IPV4_LEN + sizeof(router_alert_option) : NARU_IPV4_LEN;
    uint8_t *at = naru_pkt_push(pkt, len);
    ip.total_len = (uint16_t)pkt->len;
    pkt->offload.csum_start = (uint16_t)len;
    if (NARU_LIKELY(!out->router_alert)) {
        naru_ipv4_emit_plain(at, &ip);
        return;
    }
    ip.options = naru_span(router_alert_option, sizeof(router_alert_option));
    (void)naru_ipv4_emit(at, &ip);
}

static void push_ipv6(const struct naru_ip_out *out, const struct naru_addr *src,
                      struct naru_pkt *pkt, uint8_t hop_limit)
{
    uint8_t next = out->proto;
    size_t extra = 0;
    if (out->router_alert) {
        extra = NARU_IPV6_ROUTER_ALERT_LEN;
        (void)naru_ipv6_router_alert_emit(naru_pkt_push(pkt, extra), next);
        next = NARU_PROTO_HOP_BY_HOP;
    }
    struct naru_ipv6_hdr ip = {
        .src = *src,
        .dst = out->dst,
        .payload_len = (uint16_t)pkt->len,
        .traffic_class = out->tos,
        .flow_label = out->flow_label,
        .next_header = next,
        .hop_limit = hop_limit,
    };
    (void)naru_ipv6_emit(naru_pkt_push(pkt, NARU_IPV6_LEN), &ip);
    pkt->offload.csum_start = (uint16_t)(NARU_IPV6_LEN + extra);
}

/* Members on this host hear what the host sends to their group (RFC 1112 6.1, RFC 3493 5.2); what
 * goes out by the loopback comes back without a copy. */
static NARU_NOINLINE void loop_back_copy(struct naru_stack *stack, const struct naru_ip_out *out,
                                         unsigned ifindex, const struct naru_pkt *pkt)
{
    if (out->no_multicast_loop || ifindex == LOOPBACK ||
        !naru_group_member(&stack->group, ifindex, &out->dst) || out->proto != NARU_PROTO_UDP)
        return;
    struct naru_pkt *copy = naru_pktpool_get(&stack->pkts, 0, pkt->len);
    if (copy == NULL) {
        naru_drop_count(stack, NARU_DROP_NO_MEMORY, 1);
        return;
    }
    memcpy(copy->data, pkt->data, pkt->len);
    copy->len = pkt->len;
    copy->offload = pkt->offload;
    copy->meta.link.mtu = LOOPBACK_MTU;
    copy->meta.link.ethertype = pkt->meta.link.ethertype;
    (void)naru_iface_enqueue(stack, stack->ifaces[LOOPBACK], copy);
}

/* A missing ARP entry is not reported as destination unreachable (H-2.4-3). */
static enum naru_err to_link(struct naru_stack *stack, const struct naru_addr *src,
                             struct naru_path *path, struct naru_pkt *pkt)
{
    struct naru_iface *iface = stack->ifaces[path->ifindex];
    switch (naru_path_link(stack, path, src, pkt->meta.link.mac)) {
    case PATH_READY:
        return naru_iface_enqueue(stack, iface, pkt) ? NARU_OK : NARU_ERR_AGAIN;
    case PATH_WAIT: {
        struct naru_pkt *pushed =
            naru_neigh_queue(&stack->neigh, path->ifindex, &path->next_hop, pkt);
        if (pushed != NULL) {
            naru_drop_count(stack, NARU_DROP_NEIGH_QUEUE_FULL, 1);
            naru_pktpool_put(pushed);
        }
        return NARU_OK;
    }
    case PATH_UNREACHABLE:
        naru_drop_count(stack, NARU_DROP_NEIGH_UNREACHABLE, 1);
        naru_pktpool_put(pkt);
        return NARU_ERR_HOSTUNREACH;
    case PATH_NO_ROOM:
        break;
    }
    naru_drop_count(stack, NARU_DROP_NEIGH_TABLE_FULL, 1);
    naru_pktpool_put(pkt);
    return NARU_ERR_NOBUFS;
}

static NARU_NOINLINE enum naru_err refuse(struct naru_stack *stack, struct naru_pkt *pkt,
                                          enum naru_drop why, enum naru_err err)
{
    naru_drop_count(stack, why, 1);
    naru_pktpool_put(pkt);
    return err;
}

/*
 * pkt is a transport header and payload, with NARU_IP_HEADROOM in front; it is taken in every case.
 * path is the way to out->dst.  Cut to the path's MTU where that is allowed (H-3.3.3-2, H-3.3.3-3).
 * HOSTUNREACH, ADDRNOTAVAIL (no source), MSGSIZE, AGAIN (queue full).
 */
NARU_FLATTEN enum naru_err naru_ip_output_by(struct naru_stack *stack,
                                             const struct naru_ip_out *out, struct naru_path *path,
                                             struct naru_pkt *pkt)
{
    struct naru_iface *iface = stack->ifaces[path->ifindex];
    struct naru_addr chosen;
    const struct naru_addr *src = &out->src;
    if (naru_addr_is_zero(src) && !out->from_unspecified) {
        if (!naru_path_source(stack, path, &out->dst, &chosen))
            return refuse(stack, pkt, NARU_DROP_TX_NO_SOURCE, NARU_ERR_ADDRNOTAVAIL);
        src = &chosen;
    }
    bool v4 = naru_addr_is_v4(&out->dst);
    uint32_t mtu = out->ignore_pmtu ? iface->mtu : path->mtu;
    uint32_t headers = v4 ? NARU_IPV4_LEN : NARU_IPV6_LEN;
    bool gso = pkt->offload.gso != NARU_GSO_NONE;
    bool whole = pkt->len + headers <= mtu || gso;
    if (pkt->len + (v4 ? headers : 0) > 65535 || (!whole && out->dont_fragment))
        return refuse(stack, pkt, NARU_DROP_TX_TOO_BIG, NARU_ERR_MSGSIZE);
    if (out->csum_offset != NO_CSUM)
        set_checksum(stack, iface, out, src, pkt, whole);
    uint8_t hop_limit = out->hop_limit != 0 ? out->hop_limit : iface->hop_limit;
    if (v4)
        push_ipv4(stack, out, src, pkt, hop_limit);
    else
        push_ipv6(out, src, pkt, hop_limit);
    if (gso)
        pkt->offload.header_len = (uint16_t)(pkt->offload.header_len + headers);
    pkt->meta.link.mtu = mtu;
    pkt->meta.link.ethertype = v4 ? NARU_ETHERTYPE_IPV4 : NARU_ETHERTYPE_IPV6;
    if (NARU_UNLIKELY(naru_addr_is_multicast(&out->dst)))
        loop_back_copy(stack, out, path->ifindex, pkt);
    if (out->host_only) {
        naru_pktpool_put(pkt);
        return NARU_OK;
    }
    return to_link(stack, src, path, pkt);
}

/* The same by the way that the routing table knows; NETUNREACH: there is none. */
enum naru_err naru_ip_output(struct naru_stack *stack, const struct naru_ip_out *out,
                             struct naru_pkt *pkt)
{
    struct naru_path *path = naru_path_to(stack, &out->dst, out->ifindex);
    if (path == NULL)
        return refuse(stack, pkt, NARU_DROP_NO_ROUTE, NARU_ERR_NETUNREACH);
    return naru_ip_output_by(stack, out, path, pkt);
}

/* ---- Answers ---- */

static NARU_NOINLINE void answer_slowly(struct naru_stack *stack, const struct naru_ip_in *in,
                                        uint32_t flow_label, uint8_t csum_offset,
                                        struct naru_pkt *pkt)
{
    struct naru_ip_out out = {
        .src = in->dst,
        .dst = in->src,
        .proto = in->proto,
        .ifindex = naru_zone_on(in->iface, &in->src),
        .flow_label = flow_label,
        .dont_fragment = true,
        .csum_offset = csum_offset,
    };
    (void)naru_ip_output(stack, &out, pkt);
}

static void answer_ipv4(const struct naru_ip_in *in, struct naru_pkt *pkt, uint8_t hop_limit)
{
    struct naru_ipv4_hdr ip = { .src = in->dst,
                                .dst = in->src,
                                .df = true,
                                .ttl = hop_limit,
                                .protocol = in->proto,
                                .total_len = (uint16_t)pkt->len };
    naru_ipv4_emit_plain(pkt->data, &ip);
}

static void answer_ipv6(const struct naru_ip_in *in, uint32_t flow_label, struct naru_pkt *pkt,
                        uint8_t hop_limit)
{
    struct naru_ipv6_hdr ip = { .src = in->dst,
                                .dst = in->src,
                                .payload_len = (uint16_t)(pkt->len - NARU_IPV6_LEN),
                                .flow_label = flow_label,
                                .next_header = in->proto,
                                .hop_limit = hop_limit };
    (void)naru_ipv6_emit(pkt->data, &ip);
}

/*
 * pkt, a transport header alone (a multiple of four bytes) with NARU_IP_HEADROOM in front, answers
 * the packet in where nothing else does: whoever sends many of those makes us send as many, so this
 * is naru_ip_output without all that these never need.
 */
NARU_FLATTEN void naru_ip_answer(struct naru_stack *stack, const struct naru_ip_in *in,
                                 uint32_t flow_label, uint8_t csum_offset, struct naru_pkt *pkt)
{
    bool v4 = naru_addr_is_v4(&in->src);
    size_t header_len = v4 ? NARU_IPV4_LEN : NARU_IPV6_LEN;
    struct naru_path *path =
        naru_addr_is_link_local(&in->src) ? NULL : naru_path_to(stack, &in->src, 0);
    if (NARU_UNLIKELY(path == NULL || pkt->len + header_len > path->mtu ||
                      (stack->ifaces[path->ifindex]->offload & NARU_OFFLOAD_TX_CSUM) != 0)) {
        answer_slowly(stack, in, flow_label, csum_offset, pkt);
        return;
    }
    uint8_t hop_limit = stack->ifaces[path->ifindex]->hop_limit;
    uint32_t pseudo = naru_csum_pseudo(&in->dst, &in->src, in->proto, pkt->len);
    naru_put16(pkt->data + csum_offset,
               naru_csum_finish(naru_csum_header(pseudo, pkt->data, pkt->len)));
    pkt->data -= header_len;
    pkt->len += (uint32_t)header_len;
    if (v4)
        answer_ipv4(in, pkt, hop_limit);
    else
        answer_ipv6(in, flow_label, pkt, hop_limit);
    pkt->meta.link.mtu = path->mtu;
    pkt->meta.link.ethertype = v4 ? NARU_ETHERTYPE_IPV4 : NARU_ETHERTYPE_IPV6;
    (void)to_link(stack, &in->dst, path, pkt);
}
