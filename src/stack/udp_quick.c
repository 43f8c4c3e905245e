/*
 * Datagrams, the usual ones: out, from a connected socket to a peer whose way is known, and in,
 * between two addresses that were looked at before; each in one straight line.
 *
 * The short way of sock/dgram.c and out_ip.c, and of in.c, in_ip.c and udp.c, to the same effect
 * (decision 0020); the headers are those of wire/plain_udp.h.  Whatever is not as usual is left
 * untouched to the long way.  A datagram that goes out has its Ethernet header at once, since its
 * neighbour is chosen now in any case.
 */
#include "stack/core.h"

#include "wire/plain_udp.h"

enum { FEW = 64 }; /* bytes of payload: no call is made to sum them */

/* The sum of a few bytes, copied to `to` on the way unless it is NULL. */
static uint32_t few(uint8_t *to, const uint8_t *from, size_t len)
{
    uint64_t sum = 0, carries = 0;
    for (; len >= 16; from += 16, len -= 16) {
        uint64_t w[2];
        memcpy(w, from, 16);
        if (to != NULL) {
            memcpy(to, w, 16);
            to += 16;
        }
        sum += w[0];
        carries += sum < w[0];
        sum += w[1];
        carries += sum < w[1];
    }
    sum = (sum & 0xffffffffU) + (sum >> 32) + carries;
    return len == 0 ? naru_csum_fold64(sum)
                    : naru_csum_fold64(sum + naru_csum_small(to, from, len));
}

/* ---- Out ---- */

/* Is there a short way, as the socket's description stands? */
static bool is_usual(const struct naru_sock_udp *su)
{
    const struct naru_stack *stack = su->s.stack;
    const struct naru_ip_out *out = &su->out;
    return stack->config.tcp_quick && su->s.type == NARU_SOCK_DGRAM && su->gso_size == 0 &&
           out->ident != NULL && !out->host_only && !out->router_alert &&
           (su->path.link == PATH_LINK_NEIGH || su->path.link == PATH_LINK_NONE) &&
           !naru_addr_is_multicast(&out->dst) &&
           stack->ifaces[su->path.ifindex]->kind != NARU_IFACE_VLAN;
}

/* After su was described; su->usual says what came out. */
void naru_udp_quick_prepare(struct naru_sock_udp *su)
{
    const struct naru_iface *iface = su->s.stack->ifaces[su->path.ifindex];
    su->usual = is_usual(su);
    if (!su->usual)
        return;
    su->head_hops = iface->hop_limit;
    struct naru_plain_udp_ends ends = {
        .src_mac = su->path.link == PATH_LINK_NEIGH ? iface->mac : NULL,
        .src = &su->out.src,
        .dst = &su->out.dst,
        .sport = su->s.flow.tuple.local_port,
        .dport = su->s.flow.tuple.remote_port,
        .tos = su->out.tos,
        .hop_limit = su->out.hop_limit != 0 ? su->out.hop_limit : iface->hop_limit,
        .df = su->out.dont_fragment,
        .flow_label = su->out.flow_label,
    };
    naru_plain_udp_init(&su->head, &ends);
}

/* It is summed on its way, unless the device does. */
static uint16_t copy_payload(const struct naru_stack *stack, uint8_t *to,
                             const struct naru_slice *from, bool sum)
{
    if (from->len <= FEW)
        return naru_csum_fold(few(to, from->at, from->len));
    if (sum)
        return naru_csum_fold(stack->csum->copy(0, to, from->at, from->len));
    memcpy(to, from->at, from->len);
    return 0;
}

static void write(struct naru_sock_udp *su, const struct naru_iface *iface, struct naru_pkt *pkt,
                  const struct naru_slice *payload)
{
    struct naru_stack *stack = su->s.stack;
    const struct naru_plain_udp *head = &su->head;
    bool partial = NARU_UNLIKELY((iface->offload & NARU_OFFLOAD_TX_CSUM) != 0);
    naru_plain_udp_begin(pkt->data, head);
    struct naru_plain_udp_one one = {
        .dst_mac = head->link_len != 0 ? su->path.neigh.entry->mac : NULL,
        .payload_len = (uint32_t)payload->len,
        .payload_sum = copy_payload(stack, pkt->data + head->len, payload, !partial),
        .csum_partial = partial,
    };
    if (head->v4 && !su->out.dont_fragment)
        one.ident = (uint16_t)naru_frag_ident_take(&stack->ident, &su->ident);
    naru_plain_udp_finish(pkt->data, head, &one);
    pkt->len = (uint32_t)(head->len + payload->len);
    if (NARU_UNLIKELY(partial)) {
        pkt->offload.csum_partial = 1;
        pkt->offload.csum_start = (uint16_t)(head->len - NARU_UDP_LEN);
        pkt->offload.csum_offset = su->out.csum_offset;
    }
}

/* The payload is in the interface's queue; or false, and nothing was done.  su's description is
 * good, and said to be usual. */
NARU_NOINLINE NARU_FLATTEN bool naru_udp_quick_send(struct naru_sock_udp *su,
                                                    const struct naru_slice *payload)
{
    struct naru_stack *stack = su->s.stack;
    struct naru_iface *iface = stack->ifaces[su->path.ifindex];
    const struct naru_plain_udp *head = &su->head;
    if (NARU_UNLIKELY(su->head_hops != iface->hop_limit))
        naru_udp_quick_prepare(su);
    size_t len = head->len + payload->len;
    uint32_t mtu = su->out.ignore_pmtu ? iface->mtu : su->path.mtu;
    if (len > mtu + head->link_len || !iface->up || iface->txq_count >= TXQ_MAX ||
        (head->link_len != 0 && !naru_neigh_ref_good(&su->path.neigh)))
        return false;
    struct naru_pkt *pkt = naru_pktpool_get(&stack->pkts, 0, NARU_MAX(len, sizeof(su->head.bytes)));
    if (NARU_UNLIKELY(pkt == NULL))
        return false;
    write(su, iface, pkt, payload);
    if (su->s.flow.in_table)
        naru_flow_used(stack, &su->s.flow);
    pkt->flags = NARU_PKT_FRAMED;
    naru_pktq_push(&iface->txq, pkt);
    iface->txq_count++;
    return true;
}

/* ---- In ---- */

static bool parse(const struct naru_iface *iface, const struct naru_pkt *pkt, size_t *link_len,
                  struct naru_plain_udp_in *in)
{
    switch (naru_quick_link(iface, pkt, link_len)) {
    case 4:
        return naru_plain_udp_parse4(pkt->data + *link_len, pkt->len - *link_len, in);
    case 6:
        return naru_plain_udp_parse6(pkt->data + *link_len, pkt->len - *link_len, in);
    default:
        return false;
    }
}

static bool checksum_ok(const struct naru_stack *stack, const struct naru_pkt *pkt,
                        const struct naru_plain_udp_in *in, const uint8_t *payload)
{
    if (pkt->offload.csum_valid || pkt->offload.csum_partial)
        return true;
    uint32_t sum = in->payload_len <= FEW ? few(NULL, payload, in->payload_len)
                                          : stack->csum->add(0, payload, in->payload_len);
    return naru_csum_words_ok(in->sum + naru_csum_as_words(sum));
}

/* The socket that a datagram is for, or NULL: it is not as usual.  It is, if it is from where
 * others came to us before, with the interface up and nobody watching. */
static struct naru_sock *sock_of(struct naru_stack *stack, const struct naru_iface *iface,
                                 const struct naru_pkt *pkt, const struct naru_plain_udp_in *in,
                                 size_t link_len, struct naru_tuple *tuple)
{
    if (!naru_ends_seen(iface, &in->src, &in->dst) || pkt->offload.gso != NARU_GSO_NONE ||
        !checksum_ok(stack, pkt, in, pkt->data + link_len + in->header_len))
        return NULL;
    *tuple = (struct naru_tuple){
        .local = in->dst,
        .remote = in->src,
        .local_port = in->dport,
        .remote_port = in->sport,
        .zone = naru_zone_on(iface, &in->src),
        .proto = NARU_PROTO_UDP,
    };
    return naru_udp_sock_of(stack, iface, tuple);
}

/* A frame that looks like UDP. */
NARU_NOINLINE NARU_FLATTEN void naru_udp_quick_input(struct naru_stack *stack,
                                                     struct naru_iface *iface, struct naru_pkt *pkt)
{
    struct naru_plain_udp_in in;
    struct naru_tuple tuple;
    size_t link_len;
    struct naru_sock *sock = NULL;
    if (naru_quick_open(stack, iface) && parse(iface, pkt, &link_len, &in))
        sock = sock_of(stack, iface, pkt, &in, link_len, &tuple);
    if (sock == NULL) {
        naru_input_any(stack, iface, pkt);
        return;
    }
    iface->rx_packets++;
    iface->rx_bytes += pkt->len;
    pkt->data += link_len + in.header_len;
    pkt->len = in.payload_len;
    pkt->offload = (struct naru_offload){ 0 };
    struct naru_ip_in ip = { .iface = iface, .tos = in.tos, .hop_limit = in.hop_limit };
    naru_frame_fate(stack, iface, naru_udp_queue(naru_sock_udp_of(sock), &ip, &tuple, pkt));
}
