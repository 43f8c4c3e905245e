/*
 * Frames out, the usual ones: the next segment of an open connection whose way is known, when it is
 * the only one there is to send, in one straight line from the machine to the bytes of the frame.
 *
 * The short way of out.c, path.c and tcp_out.c, to the same effect; proto/tcp/quick.c is its first
 * part and wire/plain.h its last.  Numbers go from the connection to the frame in registers, so
 * nothing here may hand out the address of what holds them.  Whatever is not as usual is left
 * untouched to the long way.
 */
#include "stack/core.h"

#include "wire/plain.h"

enum { SMALL_PAYLOAD = 48 }; /* bytes: as in tcp_out.c */

_Static_assert(NARU_ETH_LEN + NARU_PLAIN_LEN6 + SMALL_PAYLOAD <= NARU_FRAME_HEAD,
               "a small payload has room behind the headers");

/* naru_tcp_route and naru_path_link would find what they found before: through iface, and at once.
 */
static bool way_known(const struct naru_stack *stack, const struct naru_iface *iface,
                      const struct naru_sock_tcp *st)
{
    const struct naru_path *path = st->path;
    return path->ifindex == iface->index && naru_path_current(stack, path) &&
           (path->link == PATH_LINK_NEIGH ? naru_neigh_ref_good(&path->neigh) : !iface->link_layer);
}

/* The sum of the payload, as far as anybody needs it; a small one is copied behind the headers. */
NARU_INLINE uint64_t put_payload(const struct naru_stack *stack, const struct naru_tcp_lone *lone,
                                 bool partial, struct naru_frame *frame, size_t header_len)
{
    frame->slice[0].at = frame->head;
    frame->len = header_len + lone->len;
    if (NARU_LIKELY(lone->len <= SMALL_PAYLOAD)) { /* one piece is cheaper to sum and to send */
        frame->slice[0].len = frame->len;
        frame->slice_count = 1;
        return naru_csum_few(frame->head + header_len, lone->payload, lone->len);
    }
    frame->slice[0].len = header_len;
    frame->slice[1] = (struct naru_slice){ lone->payload, lone->len };
    frame->slice_count = 2;
    return partial ? 0 : stack->csum->add(0, lone->payload, lone->len);
}

static void put_offload(struct naru_frame *frame, bool partial, size_t header_len)
{
    frame->offload = (struct naru_offload){ 0 };
    if (NARU_UNLIKELY(partial)) {
        frame->offload.csum_partial = 1;
        frame->offload.csum_start = (uint16_t)(header_len - NARU_PLAIN_TCP_LEN);
        frame->offload.csum_offset = NARU_TCP_CHECKSUM_AT;
    }
}

/* What decides which bytes there are: known where build is written out for one shape of them. */
struct shape {
    bool v4, link, partial; /* the device sums */
};

NARU_INLINE void build(struct naru_sock_tcp *st, const struct naru_iface *iface, struct shape shape,
                       const struct naru_tcp_lone *lone, struct naru_frame *frame)
{
    const struct naru_stack *stack = st->s.stack;
    const struct naru_tuple *t = &st->s.flow.tuple;
    bool v4 = shape.v4, partial = shape.partial;
    size_t header_len =
        (shape.link ? NARU_ETH_LEN : 0u) + (v4 ? (size_t)NARU_PLAIN_LEN4 : (size_t)NARU_PLAIN_LEN6);
    uint64_t sum = put_payload(stack, lone, partial, frame, header_len);
    struct naru_tcp_hdr hdr;
    put_offload(frame, partial, header_len);
    struct naru_plain plain = {
        .dst_mac = shape.link ? st->path->neigh.entry->mac : NULL,
        .src_mac = iface->mac,
        .src = &t->local,
        .dst = &t->remote,
        .tcp = &hdr,
        .tos = st->s.tos,
        .hop_limit = st->s.ttl != 0 ? st->s.ttl : iface->hop_limit,
        .csum_partial = partial,
        .payload_len = lone->len,
        .payload_sum = naru_csum_as_words(sum),
        .ends = st->s.flow.ends,
    };
    if (!v4)
        plain.flow_label = naru_flow_label(stack, st->s.flow.hash);
    uint8_t *tcp =
        v4 ? naru_plain_emit_ip4(frame->head, &plain) : naru_plain_emit_ip6(frame->head, &plain);
    naru_tcp_lone_header(&st->tcp, lone->len, &hdr, stack->now);
    hdr.sport = t->local_port;
    hdr.dport = t->remote_port;
    naru_plain_emit_tcp(tcp, &plain);
}

/* No link layer, or the device sums. */
static NARU_NOINLINE void build_other(struct naru_sock_tcp *st, const struct naru_iface *iface,
                                      bool v4, const struct naru_tcp_lone *lone,
                                      struct naru_frame *frame)
{
    struct shape shape = { .v4 = v4,
                           .link = iface->link_layer,
                           .partial = (iface->offload & NARU_OFFLOAD_TX_CSUM) != 0 };
    build(st, iface, shape, lone, frame);
}

/* The next segment of st, in iface's ready list, as a frame; false, and nothing has happened:
 * somebody has to look.  It was all that st had to say. */
NARU_INLINE bool lone_segment(struct naru_stack *stack, struct naru_iface *iface,
                              struct naru_sock_tcp *st, struct naru_frame *frame)
{
    struct naru_tcp_lone lone;
    if (!way_known(stack, iface, st) || st->s.mtu_discover == 0 || !st->s.flow.in_table ||
        !naru_tcp_lone_ready(&st->tcp, &lone))
        return false;
    bool v4 = naru_addr_is_v4(&st->s.flow.tuple.remote);
    if (NARU_UNLIKELY(!iface->link_layer || (iface->offload & NARU_OFFLOAD_TX_CSUM) != 0))
        build_other(st, iface, v4, &(struct naru_tcp_lone){ lone.payload, lone.len }, frame);
    else if (v4)
        build(st, iface, (struct shape){ .v4 = true, .link = true }, &lone, frame);
    else
        build(st, iface, (struct shape){ .v4 = false, .link = true }, &lone, frame);
    naru_tcp_lone_gone(&st->tcp, lone.len, stack->now);
    naru_flow_used(stack, &st->s.flow);
    naru_list_remove(&st->s.tx_node);
    st->s.tx_list = TX_NONE;
    /* Of the timers that of retransmission alone may be earlier now, and that of the ACK is off. */
    if (lone.len == 0 || NARU_UNLIKELY(st->tcp.timer[NARU_TCP_TIMER_RETRANSMIT] < st->timer.at))
        naru_tcp_settle_apart(st);
    return true;
}

/* The next frame of iface, about which nothing is special, when connections alone wait there. */
NARU_NOINLINE NARU_FLATTEN bool naru_quick_frame(struct naru_stack *stack, struct naru_iface *iface,
                                                 struct naru_frame *frame)
{
    struct naru_sock *sock = NARU_CONTAINER_OF(iface->ready.head.next, struct naru_sock, tx_node);
    if (NARU_UNLIKELY(!lone_segment(stack, iface, naru_sock_tcp_of(sock), frame)))
        return naru_iface_frame(stack, iface, frame);
    iface->turn = !iface->turn;
    iface->tx_packets++;
    iface->tx_bytes += frame->len;
    return true;
}
