/*
 * TCP in the stack: the next segment of a connection as a frame.
 *
 * What stands in it is decided at this moment, by the machine; here are the way it goes, and the
 * headers around it: those that nearly all segments have at one go (wire/plain.h), any others layer
 * by layer.
 */
#include "stack/core.h"

#include "base/addr.h"
#include "wire/eth.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/plain_syn.h"

enum { SMALL_PAYLOAD = 48 }; /* bytes */

/* ---- IP headers ---- */

struct ip_ends {
    const struct naru_addr *src, *dst;
    uint8_t hop_limit, tos;
    uint32_t flow_label;
    bool df;
};

/* The IP header of a segment that carries transport_len bytes; returns its length (SHLD-22,
 * C-ipv4-id-uniqueness). */
static size_t emit_ip(struct naru_stack *stack, const struct ip_ends *ends, size_t transport_len,
                      uint8_t *at)
{
    if (naru_addr_is_v4(ends->dst)) {
        struct naru_ipv4_hdr ip = {
            .src = *ends->src,
            .dst = *ends->dst,
            .protocol = NARU_PROTO_TCP,
            .ttl = ends->hop_limit,
            .tos = ends->tos,
            .df = ends->df,
            .total_len = (uint16_t)(NARU_IPV4_LEN + transport_len),
        };
        if (!ip.df)
            ip.ident = (uint16_t)naru_frag_ident_next(&stack->ident, ends->src, ends->dst);
        return naru_ipv4_emit(at, &ip);
    }
    struct naru_ipv6_hdr ip = {
        .src = *ends->src,
        .dst = *ends->dst,
        .next_header = NARU_PROTO_TCP,
        .hop_limit = ends->hop_limit,
        .traffic_class = ends->tos,
        .flow_label = ends->flow_label,
        .payload_len = (uint16_t)transport_len,
    };
    return naru_ipv6_emit(at, &ip);
}

/* Answers the SYN of a deferred connection with ICMP, quoting it as far as it is remembered. */
void naru_tcp_unreachable(struct naru_sock_tcp *st, enum naru_unreachable why)
{
    const struct naru_tuple *t = &st->s.flow.tuple;
    const struct naru_path *path = naru_tcp_route(st);
    uint8_t packet[NARU_IPV6_LEN + NARU_TCP_LEN];
    struct naru_tcp_hdr syn = { .sport = t->remote_port,
                                .dport = t->local_port,
                                .seq = naru_tcp_irs(&st->tcp),
                                .flags = NARU_TCP_SYN };
    struct naru_ip_in in = {
        .iface = st->s.stack->ifaces[path != NULL ? path->ifindex : 0],
        .src = t->remote,
        .dst = t->local,
        .proto = NARU_PROTO_TCP,
        .packet = packet,
    };
    struct ip_ends ends = { .src = &in.src, .dst = &in.dst, .hop_limit = 1, .df = true };
    size_t len = emit_ip(st->s.stack, &ends, NARU_TCP_LEN, packet);
    in.packet_len = (uint32_t)(len + naru_tcp_emit(packet + len, &syn));
    if (in.iface != NULL) /* there is a way to whom it answers */
        naru_icmp_unreachable(st->s.stack, &in, why);
    naru_tcp_forget(st);
}

/* ---- Frames ---- */

/*
 * A small payload rides with its headers: one piece is cheaper to sum, to copy and to send than
 * two.  Returns its length, 0 if it stays where it is.
 */
static size_t rides_along(const struct naru_tcp_segment *segment, size_t room)
{
    bool may = segment->slice_count == 1 && segment->len <= SMALL_PAYLOAD && segment->len <= room;
    return may ? segment->len : 0;
}

static void finish_slices(const struct naru_tcp_segment *segment, struct naru_frame *frame,
                          size_t header_len, size_t along)
{
    frame->slice[0] = (struct naru_slice){ frame->head, header_len + along };
    frame->slice_count = 1;
    for (unsigned i = 0; along == 0 && i < segment->slice_count; i++)
        frame->slice[frame->slice_count++] = segment->slice[i];
    frame->len = header_len + segment->len;
}

/* To the device. */
static void leave_checksum(struct naru_frame *frame, size_t tcp_at)
{
    frame->offload.csum_partial = 1;
    frame->offload.csum_start = (uint16_t)tcp_at;
    frame->offload.csum_offset = NARU_TCP_CHECKSUM_AT;
}

/*
 * Over the TCP header and the slices: every segment carries a checksum (there is no off switch;
 * MUST-2).
 */
static void finish_checksum(const struct naru_sock_tcp *st, const struct naru_iface *iface,
                            const struct naru_tcp_segment *segment, struct naru_frame *frame,
                            size_t tcp_at, size_t tcp_len)
{
    const struct naru_tuple *t = &st->s.flow.tuple;
    uint8_t *tcp = frame->head + tcp_at;
    uint32_t sum =
        naru_csum_pseudo(&t->local, &t->remote, NARU_PROTO_TCP, (uint32_t)tcp_len + segment->len);
    if (iface->offload & NARU_OFFLOAD_TX_CSUM) {
        naru_put16(tcp + NARU_TCP_CHECKSUM_AT, naru_csum_fold(sum));
        leave_checksum(frame, tcp_at);
        return;
    }
    naru_tcp_checksum_set(tcp, naru_tcp_checksum(st->s.stack->csum, sum, tcp, tcp_len,
                                                 segment->slice, segment->slice_count));
}

static uint8_t hop_limit_of(const struct naru_sock_tcp *st, const struct naru_iface *iface)
{
    return st->s.ttl != 0 ? st->s.ttl : iface->hop_limit;
}

/* A frame with any headers. */
static NARU_NOINLINE void build_any(struct naru_sock_tcp *st, struct naru_iface *iface,
                                    const uint8_t mac[6], struct naru_tcp_segment *segment,
                                    struct naru_frame *frame)
{
    const struct naru_tuple *t = &st->s.flow.tuple;
    uint16_t ethertype = naru_addr_is_v4(&t->remote) ? NARU_ETHERTYPE_IPV4 : NARU_ETHERTYPE_IPV6;
    size_t link_len = naru_link_emit(iface, mac, ethertype, frame->head);
    size_t tcp_at = link_len + naru_tcp_ip_len(t);
    size_t tcp_len = naru_tcp_emit(frame->head + tcp_at, &segment->hdr), end = tcp_at + tcp_len;
    struct ip_ends ends = {
        .src = &t->local,
        .dst = &t->remote,
        .hop_limit = hop_limit_of(st, iface),
        .tos = (uint8_t)(st->s.tos | segment->hdr.ecn),
        .flow_label = naru_flow_label(st->s.stack, st->s.flow.hash),
        .df = st->s.mtu_discover != 0,
    };
    (void)emit_ip(st->s.stack, &ends, tcp_len + segment->len, frame->head + link_len);
    finish_checksum(st, iface, segment, frame, tcp_at, tcp_len);

    size_t along = rides_along(segment, NARU_FRAME_HEAD - end);
    if (along != 0)
        memcpy(frame->head + end, segment->slice[0].at, along);
    finish_slices(segment, frame, end, along);
}

/* Its headers, where it has none but those of wire/plain.h or plain_syn.h. */
static struct naru_plain plain_of(const struct naru_sock_tcp *st, const struct naru_iface *iface,
                                  const uint8_t mac[6], const struct naru_tcp_segment *segment)
{
    const struct naru_tuple *t = &st->s.flow.tuple;
    return (struct naru_plain){
        .dst_mac = iface->link_layer ? mac : NULL,
        .src_mac = iface->mac,
        .src = &t->local,
        .dst = &t->remote,
        .tcp = &segment->hdr,
        .tos = (uint8_t)(st->s.tos | segment->hdr.ecn),
        .hop_limit = hop_limit_of(st, iface),
        .csum_partial = (iface->offload & NARU_OFFLOAD_TX_CSUM) != 0,
        .payload_len = segment->len,
    };
}

/* The same for the headers of wire/plain.h. */
static void build_plain(struct naru_sock_tcp *st, const struct naru_iface *iface,
                        const uint8_t mac[6], const struct naru_tcp_segment *segment,
                        struct naru_frame *frame)
{
    const struct naru_tuple *t = &st->s.flow.tuple;
    bool v4 = naru_addr_is_v4(&t->remote);
    size_t link_len = iface->link_layer ? NARU_ETH_LEN : 0;
    size_t end = link_len + (v4 ? NARU_PLAIN_LEN4 : NARU_PLAIN_LEN6);
    size_t along = rides_along(segment, NARU_FRAME_HEAD - NARU_ETH_LEN - NARU_PLAIN_LEN6);
    struct naru_plain plain = plain_of(st, iface, mac, segment);
    plain.ends = naru_plain_ends(&t->local, &t->remote);
    if (along != 0)
        plain.payload_sum =
            naru_csum_as_words(naru_csum_few(frame->head + end, segment->slice[0].at, along));
    else if (!plain.csum_partial && segment->len != 0)
        plain.payload_sum = naru_csum_as_words(
            naru_ip_slices_sum(st->s.stack->csum, 0, segment->slice, segment->slice_count));
    if (v4) {
        naru_plain_emit4(frame->head, &plain);
    } else {
        plain.flow_label = naru_flow_label(st->s.stack, st->s.flow.hash);
        naru_plain_emit6(frame->head, &plain);
    }
    if (plain.csum_partial)
        leave_checksum(frame, end - NARU_PLAIN_TCP_LEN);
    finish_slices(segment, frame, end, along);
}

/* The same for those of wire/plain_syn.h, without a payload. */
static NARU_NOINLINE void build_bare(struct naru_sock_tcp *st, const struct naru_iface *iface,
                                     const uint8_t mac[6], const struct naru_tcp_segment *segment,
                                     struct naru_frame *frame)
{
    size_t link_len = iface->link_layer ? NARU_ETH_LEN : 0;
    struct naru_plain plain = plain_of(st, iface, mac, segment);
    plain.flow_label = naru_flow_label(st->s.stack, st->s.flow.hash);
    if (plain.csum_partial)
        leave_checksum(frame, link_len + naru_tcp_ip_len(&st->s.flow.tuple));
    finish_slices(segment, frame, naru_plain_syn_frame(frame->head, &plain), 0);
}

static bool bare(const struct naru_sock_tcp *st, const struct naru_iface *iface,
                 const struct naru_tcp_segment *segment)
{
    return segment->len == 0 && naru_plain_syn_fits(&segment->hdr) &&
           iface->kind != NARU_IFACE_VLAN && st->s.mtu_discover != 0;
}

/* wire/plain.h has its headers. */
static bool plain(const struct naru_sock_tcp *st, const struct naru_iface *iface,
                  const struct naru_tcp_segment *segment)
{
    return segment->hdr.opts == NARU_TCP_OPT_TS && iface->kind != NARU_IFACE_VLAN &&
           st->s.mtu_discover != 0;
}

static void build_frame(struct naru_sock_tcp *st, struct naru_iface *iface, const uint8_t mac[6],
                        struct naru_tcp_segment *segment, struct naru_frame *frame)
{
    const struct naru_tuple *t = &st->s.flow.tuple;
    segment->hdr.sport = t->local_port;
    segment->hdr.dport = t->remote_port;
    frame->offload = (struct naru_offload){ 0 };
    if (NARU_LIKELY(plain(st, iface, segment)))
        build_plain(st, iface, mac, segment, frame);
    else if (bare(st, iface, segment))
        build_bare(st, iface, mac, segment, frame);
    else
        build_any(st, iface, mac, segment, frame);
    if (NARU_UNLIKELY(segment->gso_size != 0)) {
        frame->offload.gso = naru_addr_is_v4(&t->remote) ? NARU_GSO_TCP4 : NARU_GSO_TCP6;
        frame->offload.gso_size = segment->gso_size;
        frame->offload.header_len = (uint16_t)(frame->len - segment->len);
    }
}

/* Where st's next segment goes; false: not through iface, or not now (st has left the ready list).
 */
static bool frame_path(struct naru_sock_tcp *st, const struct naru_iface *iface, uint8_t mac[6])
{
    struct naru_stack *stack = st->s.stack;
    struct naru_path *path = naru_tcp_route(st);
    if (path == NULL) {
        naru_tcp_no_way(st, NARU_ERR_NETUNREACH);
        return false;
    }
    struct naru_iface *leaves = stack->ifaces[path->ifindex];
    if (leaves != iface) {
        naru_sock_set_tx_list(&st->s, NULL, TX_NONE);
        naru_sock_set_tx_list(&st->s, leaves, TX_READY);
        return false;
    }
    switch (naru_path_link(stack, path, &st->s.flow.tuple.local, mac)) {
    case PATH_READY:
        return true;
    case PATH_WAIT:
        naru_sock_set_tx_list(&st->s, NULL, TX_NONE);
        naru_sock_set_tx_list(&st->s, leaves, TX_PARKED);
        return false;
    case PATH_UNREACHABLE:
        naru_tcp_no_way(st, NARU_ERR_HOSTUNREACH);
        return false;
    case PATH_NO_ROOM: /* for the neighbour, at this moment */
        naru_tcp_lose_output(st);
        return false;
    }
    NARU_UNREACHABLE();
}

static struct naru_tcp_room room_for(const struct naru_sock_tcp *st, const struct naru_iface *iface)
{
    uint32_t headers = naru_tcp_ip_len(&st->s.flow.tuple) + NARU_TCP_LEN_MAX;
    if ((iface->offload & NARU_OFFLOAD_TX_TSO) == 0 || iface->gso_max <= headers)
        return (struct naru_tcp_room){ 0 };
    return (struct naru_tcp_room){ .payload_max = iface->gso_max - headers };
}

/* The next segment of st as a frame; false: none, and st is not ready any more. */
NARU_NOINLINE NARU_FLATTEN bool naru_tcp_frame(struct naru_stack *stack, struct naru_iface *iface,
                                               struct naru_sock_tcp *st, struct naru_frame *frame)
{
    struct naru_tcp_segment segment;
    uint8_t mac[6];
    bool built = false;
    if (frame_path(st, iface, mac)) {
        struct naru_tcp_room room = room_for(st, iface);
        built = naru_tcp_output(&st->tcp, &room, &segment, stack->now);
        if (built) {
            build_frame(st, iface, mac, &segment, frame);
            if (st->s.flow.in_table)
                naru_flow_used(stack, &st->s.flow);
        }
        if (!built || st->tcp.due == 0)
            naru_sock_set_tx_list(&st->s, NULL, TX_NONE);
        else if (!naru_list_at_most_one(&iface->ready))
            naru_sock_set_tx_list(&st->s, iface,
                                  TX_READY); /* to the back: others have their turn */
        else if (plain(st, iface, &segment))
            naru_train_begin(iface, st, &segment, frame);
    }
    if (built && NARU_UNLIKELY(stack->config.trace != NULL)) {
        naru_trace_frame(stack, iface, NARU_TRACE_FRAME_OUT, frame->slice, frame->slice_count,
                         &frame->offload);
        naru_tcp_trace_segment(st, segment.retransmit);
    }
    naru_tcp_settle(st);
    return built;
}
