/*
 * What opens connections, at one go: a SYN, or a SYN,ACK, without data from the link layer to whom
 * it is for; and an answer that no connection stands behind, in one piece from the link layer's
 * header on.
 *
 * The short way of in.c, in_ip.c and the first half of tcp.c, to the same effect: a flood of SYNs
 * costs what this costs.  Whatever is not as usual, a wrong checksum included, is left untouched to
 * the long way, which counts and says why.
 */
#include "stack/core.h"

#include "base/addr.h"
#include "wire/plain_syn.h"

/* ---- In ---- */

static bool parse_ip(const struct naru_iface *iface, const struct naru_pkt *pkt, size_t *link_len,
                     struct naru_plain_ip *ip)
{
    unsigned version = naru_quick_link(iface, pkt, link_len);
    const uint8_t *p = pkt->data + *link_len;
    size_t len = pkt->len - *link_len;
    if (NARU_LIKELY(version == 4))
        return naru_plain_ip4(p, len, NARU_PROTO_TCP, NARU_TCP_LEN, ip);
    return version == 6 && naru_plain_ip6(p, len, NARU_PROTO_TCP, NARU_TCP_LEN, ip);
}

/* A header alone, and a good one. */
static bool parse_tcp(const struct naru_pkt *pkt, const struct naru_plain_ip *ip, const uint8_t *at,
                      struct naru_tcp_hdr *h)
{
    struct naru_span span = naru_span(at, ip->len);
    if ((at[13] & NARU_TCP_SYN) == 0 || (size_t)(at[12] >> 4) * 4 != ip->len ||
        naru_tcp_parse(&span, h) != NARU_DROP_NONE)
        return false;
    h->ecn = (uint8_t)naru_tos_ecn(ip->tos);
    return pkt->offload.csum_valid || pkt->offload.csum_partial ||
           naru_csum_words_ok(ip->pseudo + NARU_PROTO_TCP + ip->len +
                              naru_csum_as_words(naru_csum_header(0, at, ip->len)));
}

/* True: pkt is taken, and *drop its fate.  Not for a stack that is traced. */
NARU_NOINLINE NARU_FLATTEN bool naru_quick_syn_in(struct naru_stack *stack,
                                                  struct naru_iface *iface, struct naru_pkt *pkt,
                                                  enum naru_drop *drop)
{
    struct naru_plain_ip ip;
    struct naru_tcp_hdr h;
    size_t link_len;
    if (!parse_ip(iface, pkt, &link_len, &ip) ||
        !parse_tcp(pkt, &ip, pkt->data + link_len + ip.header_len, &h))
        return false;
    struct naru_ip_in in = {
        .iface = iface,
        .src = ip.src,
        .dst = ip.dst,
        .proto = NARU_PROTO_TCP,
        .hop_limit = ip.hop_limit,
        .tos = ip.tos,
        .csum_valid = true,
        .packet = pkt->data + link_len,
        .packet_len = ip.header_len + ip.len,
    };
    if (naru_ip_check_ends(stack, &in) != NARU_DROP_NONE || in.group)
        return false;
    pkt->data += link_len + ip.header_len + ip.len;
    pkt->len = 0;
    *drop = naru_tcp_opening_in(stack, &in, &h, pkt);
    return true;
}

/* ---- Out ---- */

/* The interface that the answer to in leaves by, if it is one of the usual kind and the neighbour
 * is known; else NULL. */
static struct naru_iface *way_back(struct naru_stack *stack, const struct naru_ip_in *in,
                                   const uint8_t **mac)
{
    if (naru_addr_is_link_local(&in->src))
        return NULL;
    struct naru_path *path = naru_path_to(stack, &in->src, 0);
    if (path == NULL || path->link > PATH_LINK_NEIGH)
        return NULL;
    struct naru_iface *iface = stack->ifaces[path->ifindex];
    *mac = NULL;
    if (path->link == PATH_LINK_NEIGH) {
        if (!naru_neigh_ref_good(&path->neigh))
            return NULL;
        *mac = path->neigh.entry->mac;
    }
    return iface;
}

/* True: pkt is in the queue of its interface.  Else it is as it was. */
NARU_NOINLINE NARU_FLATTEN bool naru_quick_reply(struct naru_stack *stack,
                                                 const struct naru_ip_in *in, uint32_t hash,
                                                 const struct naru_tcp_hdr *h, struct naru_pkt *pkt)
{
    const uint8_t *mac;
    struct naru_iface *iface = naru_plain_syn_fits(h) ? way_back(stack, in, &mac) : NULL;
    if (iface == NULL || iface->kind == NARU_IFACE_VLAN ||
        (iface->offload & NARU_OFFLOAD_TX_CSUM) != 0)
        return false;
    naru_pktpool_clear(pkt, 0);
    pkt->flags = NARU_PKT_FRAMED;
    struct naru_plain plain = { .dst_mac = mac,
                                .src_mac = iface->mac,
                                .src = &in->dst,
                                .dst = &in->src,
                                .tcp = h,
                                .hop_limit = iface->hop_limit,
                                .flow_label = naru_flow_label(stack, hash) };
    pkt->len = naru_plain_syn_frame(pkt->data, &plain);
    (void)naru_iface_enqueue(stack, iface, pkt);
    return true;
}
