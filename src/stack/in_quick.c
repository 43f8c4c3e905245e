/*
 * Frames in, the usual ones: the next segment of an open connection between two addresses that were
 * looked at before, in one straight line from the link layer to the machine.
 *
 * The short way of in.c, in_ip.c and tcp.c, to the same effect; proto/tcp/quick.c is its last part.
 * Whatever is not as usual, a wrong checksum included, is left untouched to the long way, which
 * counts and says why.
 */
#include "stack/core.h"

#include "wire/plain.h"

enum { SMALL_PAYLOAD = 64 };

static bool parse(const struct naru_iface *iface, const struct naru_pkt *pkt, size_t *link_len,
                  struct naru_plain_in *in)
{
    switch (naru_quick_link(iface, pkt, link_len)) {
    case 4:
        return naru_plain_parse4(pkt->data + *link_len, pkt->len - *link_len, in);
    case 6:
        return naru_plain_parse6(pkt->data + *link_len, pkt->len - *link_len, in);
    default:
        return false;
    }
}

static bool checksum_ok(const struct naru_stack *stack, const struct naru_plain_in *in,
                        const uint8_t *payload)
{
    uint32_t sum = in->payload_len <= SMALL_PAYLOAD
                       ? naru_csum_small(NULL, payload, in->payload_len)
                       : stack->csum->add(0, payload, in->payload_len);
    return naru_csum_words_ok(in->sum + naru_csum_as_words(sum));
}

/* The checksum, once is enough, whichever way it goes from here. */
static bool whole(const struct naru_stack *stack, struct naru_pkt *pkt,
                  const struct naru_plain_in *in, const uint8_t *payload)
{
    if (!pkt->offload.csum_valid && !pkt->offload.csum_partial) {
        if (!checksum_ok(stack, in, payload))
            return false;
        pkt->offload.csum_valid = 1;
    }
    return true;
}

/* Two in a row are alike: the next may be, too. */
static void learn(const struct naru_stack *stack, struct naru_iface *iface, struct naru_flow *flow,
                  const struct naru_pkt *pkt, size_t link_len, const struct naru_plain_in *in)
{
    if (flow->kind != FLOW_SOCK || in->tcp.ecn == NARU_ECN_CE)
        return;
    iface->last.flow = flow;
    iface->last.flows_gone = stack->flows_gone;
    iface->last.fib_gen = stack->fib.generation;
    iface->last.ends = flow->tuple;
    naru_plain_learn(&iface->last.like, pkt->data, link_len, in);
}

/* The flow that any other segment is for, if it is whole, or NULL. */
static struct naru_flow *flow_of(struct naru_stack *stack, struct naru_iface *iface,
                                 struct naru_pkt *pkt, size_t link_len,
                                 const struct naru_plain_in *in)
{
    struct naru_tuple tuple = {
        .local = in->dst,
        .remote = in->src,
        .local_port = in->tcp.dport,
        .remote_port = in->tcp.sport,
        .zone = naru_zone_on(iface, &in->src),
        .proto = NARU_PROTO_TCP,
    };
    struct naru_flow *flow = naru_flow_lately(stack, &tuple);
    uint32_t hash = 0;
    if (flow == NULL) {
        hash = naru_tuple_hash(stack, &tuple);
        naru_table_prefetch(&stack->flows, hash); /* it comes while the sum is made */
    }
    if (!whole(stack, pkt, in, pkt->data + link_len + in->header_len))
        return NULL;
    if (flow == NULL)
        flow = naru_flow_of(stack, &tuple, hash);
    if (flow != NULL && (flow == iface->last.whose || pkt->len == iface->last.len))
        learn(stack, iface, flow, pkt, link_len, in);
    iface->last.len = pkt->len;
    iface->last.whose = flow;
    return flow;
}

/* A segment with the usual headers for a connection that is not as usual: from here on the way is
 * the long one, but nothing needs to be read or looked for again. */
static NARU_NOINLINE enum naru_drop unusual(struct naru_sock_tcp *st, struct naru_iface *iface,
                                            const struct naru_tcp_hdr *h, struct naru_pkt *pkt)
{
    const struct naru_ip_in ip = { .iface = iface,
                                   .src = st->s.flow.tuple.remote,
                                   .dst = st->s.flow.tuple.local,
                                   .proto = NARU_PROTO_TCP };
    return naru_tcp_connection_in(st, &ip, h, pkt);
}

/* The connection that a segment is for, and the segment; or NULL: not even the headers are usual.
 */
static struct naru_sock_tcp *connection_of(struct naru_stack *stack, struct naru_iface *iface,
                                           struct naru_pkt *pkt, size_t *link_len,
                                           struct naru_plain_in *in)
{
    if (!naru_quick_open(stack, iface) || !parse(iface, pkt, link_len, in) ||
        !naru_ends_seen(iface, &in->src, &in->dst))
        return NULL;
    struct naru_flow *flow = flow_of(stack, iface, pkt, *link_len, in);
    if (flow == NULL || flow->kind != FLOW_SOCK)
        return NULL;
    return naru_sock_tcp_of(NARU_CONTAINER_OF(flow, struct naru_sock, flow));
}

/* A segment of any connection.  What the driver says of it is sane, and memory is not short. */
NARU_NOINLINE NARU_FLATTEN void naru_quick_segment_in(struct naru_stack *stack,
                                                      struct naru_iface *iface,
                                                      struct naru_pkt *pkt)
{
    struct naru_plain_in in;
    size_t link_len;
    struct naru_sock_tcp *st = connection_of(stack, iface, pkt, &link_len, &in);
    if (st == NULL) {
        naru_input_any(stack, iface, pkt);
        return;
    }
    iface->rx_packets++;
    iface->rx_bytes += pkt->len;
    pkt->data += link_len + in.header_len;
    pkt->len = in.payload_len;
    if (NARU_LIKELY(naru_tcp_quick_input(&st->tcp, &in.tcp, pkt, stack->now))) {
        naru_tcp_settle_quick(st);
    } else {
        struct naru_tcp_hdr copy = in.tcp; /* what has no address is in no memory */
        naru_frame_fate(stack, iface, unusual(st, iface, &copy, pkt));
    }
}

/* ---- The next from one end to another ---- */

/* A frame between the same ends as one before, and as long.  Where one was learned, the short way
 * was open; it is as long as the interface is up. */
bool naru_is_next_segment(const struct naru_stack *stack, const struct naru_iface *iface,
                          const struct naru_pkt *pkt)
{
    return iface->last.flow != NULL && iface->last.fib_gen == stack->fib.generation &&
           naru_plain_is_like(&iface->last.like, pkt->data, pkt->len);
}

/* The one that it is for, where that is not the one before; NULL: none. */
static NARU_NOINLINE struct naru_flow *other_flow(struct naru_stack *stack,
                                                  const struct naru_iface *iface,
                                                  const uint8_t *tcp)
{
    struct naru_tuple tuple = iface->last.ends;
    tuple.remote_port = naru_get16(tcp);
    tuple.local_port = naru_get16(tcp + 2);
    struct naru_flow *flow = naru_flow_lately(stack, &tuple);
    if (flow == NULL)
        flow = naru_flow_find(stack, &tuple, naru_tuple_hash(stack, &tuple));
    return flow != NULL && flow->kind == FLOW_SOCK ? flow : NULL;
}

static struct naru_flow *next_flow(struct naru_stack *stack, const struct naru_iface *iface,
                                   const uint8_t *tcp)
{
    if (NARU_LIKELY(naru_plain_ports_like(&iface->last.like, tcp) &&
                    iface->last.flows_gone == stack->flows_gone))
        return iface->last.flow;
    return other_flow(stack, iface, tcp);
}

/* The checksum of such a one. */
static bool whole_like(const struct naru_stack *stack, const struct naru_plain_like *like,
                       const struct naru_pkt *pkt, const uint8_t *tcp)
{
    const uint8_t *payload = tcp + NARU_PLAIN_TCP_LEN;
    if (pkt->offload.csum_valid || pkt->offload.csum_partial)
        return true;
    uint64_t sum = naru_plain_tcp_sum(like, tcp);
    if (like->payload_len <= SMALL_PAYLOAD)
        sum = naru_csum_behind(sum, payload, like->payload_len);
    else
        sum = naru_csum_add64(sum, stack->csum->add(0, payload, like->payload_len));
    return naru_csum_words_ok(sum);
}

static void take(struct naru_iface *iface, struct naru_pkt *pkt)
{
    const struct naru_plain_like *like = &iface->last.like;
    iface->rx_packets++;
    iface->rx_bytes += pkt->len;
    pkt->data += like->tcp_at + NARU_PLAIN_TCP_LEN;
    pkt->len = like->payload_len;
}

/* One of them that needs more than a look. */
static NARU_NOINLINE void unusual_next(struct naru_stack *stack, struct naru_iface *iface,
                                       struct naru_sock_tcp *st, struct naru_pkt *pkt)
{
    const struct naru_plain_like *like = &iface->last.like;
    struct naru_plain_in in;
    if (!naru_plain_parse_like(like, pkt->data, &in) ||
        !whole(stack, pkt, &in, pkt->data + like->tcp_at + NARU_PLAIN_TCP_LEN)) {
        naru_input_any(stack, iface, pkt);
        return;
    }
    take(iface, pkt);
    naru_frame_fate(stack, iface, unusual(st, iface, &in.tcp, pkt));
}

/* What the driver says of the frame is sane, and memory is not short. */
NARU_NOINLINE NARU_FLATTEN void naru_next_segment_in(struct naru_stack *stack,
                                                     struct naru_iface *iface, struct naru_pkt *pkt)
{
    const struct naru_plain_like *like = &iface->last.like;
    const uint8_t *tcp = pkt->data + like->tcp_at;
    struct naru_flow *flow = next_flow(stack, iface, tcp);
    if (NARU_UNLIKELY(flow == NULL)) {
        naru_quick_segment_in(stack, iface, pkt);
        return;
    }
    naru_flow_used(stack, flow);
    struct naru_sock_tcp *st = naru_sock_tcp_of(NARU_CONTAINER_OF(flow, struct naru_sock, flow));
    struct naru_tcp_news news;
    if (NARU_UNLIKELY(!naru_plain_news(tcp, &news) || !whole_like(stack, like, pkt, tcp) ||
                      !naru_tcp_quick_fits(&st->tcp, &news, like->payload_len))) {
        unusual_next(stack, iface, st, pkt);
        return;
    }
    take(iface, pkt);
    naru_tcp_quick_take(&st->tcp, &news, pkt, stack->now);
    naru_tcp_settle_quick(st);
}
