/*
 * Frames out: who speaks next on an interface.
 *
 * Nothing is built before the driver asks.  Packets that had to be made at once (ARP, ND, ICMP,
 * datagrams, answers without a connection) wait in a short queue; connections that have something
 * to say stand in the ready list and build their next segment at this moment.  The two take turns.
 * A packet longer than its path's MTU leaves as fragments cut from it one by one.
 */
#include "stack/core.h"

#include "base/addr.h"
#include "wire/eth.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"

/* ---- Lists ---- */

static struct naru_list *tx_list_of(struct naru_iface *iface, enum naru_tx_list list)
{
    switch (list) {
    case TX_READY:
        return &iface->ready;
    case TX_PARKED:
        return &iface->parked;
    case TX_WANT_WRITE:
        return &iface->want_write;
    case TX_NONE:
        break;
    }
    NARU_UNREACHABLE();
}

/* Moves sock to that list of iface, at its back; TX_NONE: out of any. */
void naru_sock_set_tx_list(struct naru_sock *sock, struct naru_iface *iface, enum naru_tx_list list)
{
    if (sock->tx_list != TX_NONE)
        naru_list_remove(&sock->tx_node);
    sock->tx_list = (uint8_t)list;
    if (list != TX_NONE)
        naru_list_push_back(tx_list_of(iface, list), &sock->tx_node);
}

/* Takes pkt; false, and it is gone and counted, when the queue is full. */
bool naru_iface_enqueue(struct naru_stack *stack, struct naru_iface *iface, struct naru_pkt *pkt)
{
    if (iface->txq_count >= TXQ_MAX || !iface->up) {
        naru_drop_count(stack, iface->up ? NARU_DROP_TX_QUEUE_FULL : NARU_DROP_IFACE_DOWN, 1);
        naru_pktpool_put(pkt);
        return false;
    }
    naru_pktq_push(&iface->txq, pkt);
    iface->txq_count++;
    return true;
}

/* Datagram senders that were told AGAIN may go on. */
static NARU_NOINLINE void wake_writers(struct naru_iface *iface)
{
    struct naru_list_node *node;
    while ((node = naru_list_first(&iface->want_write)) != NULL) {
        struct naru_sock *sock = NARU_CONTAINER_OF(node, struct naru_sock, tx_node);
        naru_sock_set_tx_list(sock, NULL, TX_NONE);
        naru_sock_note(sock, NARU_READY_WRITE);
    }
}

/* ---- Frames of packets ---- */

/* The link-layer header of a frame; returns its length. */
size_t naru_link_emit(const struct naru_iface *iface, const uint8_t mac[6], uint16_t ethertype,
                      uint8_t *at)
{
    if (!iface->link_layer)
        return 0;
    struct naru_eth_hdr eth = { .ethertype = ethertype };
    memcpy(eth.dst, mac, 6);
    memcpy(eth.src, iface->mac, 6);
    if (iface->kind == NARU_IFACE_VLAN) {
        eth.tag_count = 1;
        eth.tag[0] = (struct naru_eth_tag){ .tpid = NARU_ETHERTYPE_VLAN, .tci = iface->vlan };
    }
    return naru_eth_emit(at, &eth);
}

static void whole_frame(struct naru_iface *iface, struct naru_frame *frame)
{
    const struct naru_pkt *pkt = iface->sending;
    if (pkt->flags & NARU_PKT_FRAMED) {
        frame->slice[0] = (struct naru_slice){ pkt->data, pkt->len };
        frame->slice_count = 1;
        frame->len = pkt->len;
        frame->offload = pkt->offload;
        return;
    }
    size_t link = naru_link_emit(iface, pkt->meta.link.mac, pkt->meta.link.ethertype, frame->head);
    frame->slice[0] = (struct naru_slice){ frame->head, link };
    frame->slice[1] = (struct naru_slice){ pkt->data, pkt->len };
    frame->slice_count = 2;
    frame->len = link + pkt->len;
    frame->offload = pkt->offload;
    if (frame->offload.csum_partial)
        frame->offload.csum_start = (uint16_t)(frame->offload.csum_start + link);
    if (frame->offload.gso != NARU_GSO_NONE)
        frame->offload.header_len = (uint16_t)(frame->offload.header_len + link);
}

/* The fixed headers that every fragment repeats. */
static NARU_NOINLINE size_t begin_cut(struct naru_stack *stack, struct naru_iface *iface,
                                      const struct naru_pkt *pkt)
{
    bool v4 = pkt->data[0] >> 4 == 4;
    size_t header = v4 ? (size_t)(pkt->data[0] & 15) * 4 : NARU_IPV6_LEN;
    size_t repeated = v4 ? header : header + NARU_IPV6_FRAGMENT_LEN;
    if (!naru_frag_cut_init(&iface->cut, (uint32_t)repeated, (uint32_t)(pkt->len - header),
                            pkt->meta.link.mtu) ||
        !naru_frag_cut_next(&iface->cut, &iface->piece))
        return 0;
    struct naru_addr src = v4 ? naru_addr_from4(pkt->data + 12) : naru_addr_from16(pkt->data + 8);
    struct naru_addr dst = v4 ? naru_addr_from4(pkt->data + 16) : naru_addr_from16(pkt->data + 24);
    iface->cut_ident = naru_frag_ident_next(&stack->ident, &src, &dst);
    return header;
}

static size_t piece_header4(const struct naru_iface *iface, uint8_t *at)
{
    struct naru_span span = naru_span(iface->sending->data, iface->sending->len);
    struct naru_ipv4_hdr ip;
    if (naru_ipv4_parse(&span, &ip) != NARU_DROP_NONE)
        NARU_UNREACHABLE();
    ip.total_len = (uint16_t)(ip.header_len + iface->piece.len);
    ip.frag_offset = (uint16_t)iface->piece.offset;
    ip.mf = iface->piece.more;
    ip.ident = (uint16_t)iface->cut_ident;
    return naru_ipv4_emit(at, &ip);
}

static size_t piece_header6(const struct naru_iface *iface, uint8_t *at)
{
    struct naru_span span = naru_span(iface->sending->data, iface->sending->len);
    struct naru_ipv6_hdr ip;
    if (naru_ipv6_parse(&span, &ip) != NARU_DROP_NONE)
        NARU_UNREACHABLE();
    struct naru_ipv6_fragment fragment = {
        .next_header = ip.next_header,
        .more = iface->piece.more,
        .offset = (uint16_t)iface->piece.offset,
        .ident = iface->cut_ident,
    };
    ip.next_header = NARU_PROTO_FRAGMENT;
    ip.payload_len = (uint16_t)(NARU_IPV6_FRAGMENT_LEN + iface->piece.len);
    size_t len = naru_ipv6_emit(at, &ip);
    return len + naru_ipv6_fragment_emit(at + len, &fragment);
}

/* The piece at hand as a frame; moves on to the next one. */
static NARU_NOINLINE void piece_frame(struct naru_iface *iface, struct naru_frame *frame)
{
    const struct naru_pkt *pkt = iface->sending;
    size_t len = naru_link_emit(iface, pkt->meta.link.mac, pkt->meta.link.ethertype, frame->head);
    bool v4 = pkt->data[0] >> 4 == 4;
    len += v4 ? piece_header4(iface, frame->head + len) : piece_header6(iface, frame->head + len);
    frame->slice[0] = (struct naru_slice){ frame->head, len };
    frame->slice[1] = (struct naru_slice){ pkt->data + iface->cut_header_len + iface->piece.offset,
                                           iface->piece.len };
    frame->slice_count = 2;
    frame->len = len + iface->piece.len;
    frame->offload = (struct naru_offload){ 0 };
    if (!naru_frag_cut_next(&iface->cut, &iface->piece))
        iface->cut_header_len = 0;
}

static bool packet_frame(struct naru_stack *stack, struct naru_iface *iface,
                         struct naru_frame *frame)
{
    if (iface->sending != NULL && iface->cut_header_len != 0) {
        piece_frame(iface, frame);
        return true;
    }
    struct naru_pkt *pkt = naru_pktq_pop(&iface->txq);
    if (pkt == NULL)
        return false;
    if (--iface->txq_count < TXQ_LOW && !naru_list_empty(&iface->want_write))
        wake_writers(iface);
    naru_pktpool_put(iface->sending);
    iface->sending = pkt;
    iface->cut_header_len = 0;
    if ((pkt->flags & NARU_PKT_FRAMED) != 0 || pkt->len <= pkt->meta.link.mtu ||
        pkt->offload.gso != NARU_GSO_NONE) {
        whole_frame(iface, frame);
        return true;
    }
    iface->cut_header_len = (uint16_t)begin_cut(stack, iface, pkt);
    if (iface->cut_header_len == 0) {
        naru_drop_count(stack, NARU_DROP_TX_TOO_BIG, 1);
        return packet_frame(stack, iface, frame);
    }
    piece_frame(iface, frame);
    return true;
}

/* ---- Whose turn it is ---- */

static bool iface_pending(const struct naru_iface *iface)
{
    return iface->up && naru_iface_waiting(iface);
}

static bool ready_frame(struct naru_stack *stack, struct naru_iface *iface,
                        struct naru_frame *frame)
{
    struct naru_list_node *node;
    while ((node = naru_list_first(&iface->ready)) != NULL) {
        struct naru_sock *sock = NARU_CONTAINER_OF(node, struct naru_sock, tx_node);
        if (naru_tcp_frame(stack, iface, naru_sock_tcp_of(sock), frame))
            return true;
    }
    return false;
}

static bool traced_packet_frame(struct naru_stack *stack, struct naru_iface *iface,
                                struct naru_frame *frame)
{
    if (!packet_frame(stack, iface, frame))
        return false;
    if (NARU_UNLIKELY(stack->config.trace != NULL))
        naru_trace_frame(stack, iface, NARU_TRACE_FRAME_OUT, frame->slice, frame->slice_count,
                         &frame->offload);
    return true;
}

/* The driver is done with it. */
static void give_back(struct naru_iface *iface)
{
    naru_pktpool_put(iface->sending);
    iface->sending = NULL;
}

/* The next frame of iface, which has something to say. */
NARU_NOINLINE NARU_FLATTEN bool naru_iface_frame(struct naru_stack *stack, struct naru_iface *iface,
                                                 struct naru_frame *frame)
{
    if (iface->sending != NULL && iface->cut_header_len == 0)
        give_back(iface);
    iface->turn = !iface->turn;
    bool built = iface->turn
                     ? traced_packet_frame(stack, iface, frame) || ready_frame(stack, iface, frame)
                     : ready_frame(stack, iface, frame) || traced_packet_frame(stack, iface, frame);
    if (built) {
        iface->tx_packets++;
        iface->tx_bytes += frame->len;
    }
    return built;
}

static NARU_NOINLINE void do_chores(struct naru_stack *stack)
{
    stack->chores = false;
    naru_neigh_settle(stack); /* a look-up may have evicted an entry with what waited there */
    for (unsigned i = 1; i <= stack->iface_count; i++) {
        if (!stack->ifaces[i]->up)
            continue;
        naru_nd_chores(stack, stack->ifaces[i]);
        naru_group_chores(stack, stack->ifaces[i]);
    }
}

/* A frame of the VLAN interfaces upon iface, each in its turn. */
static NARU_NOINLINE bool child_frame(struct naru_stack *stack, const struct naru_iface *iface,
                                      struct naru_frame *frame)
{
    for (unsigned i = LOOPBACK + 1; i <= stack->iface_count; i++) {
        struct naru_iface *child = stack->ifaces[i];
        if (child->kind == NARU_IFACE_VLAN && child->parent == iface->index && child->up &&
            naru_iface_frame(stack, child, frame))
            return true;
    }
    return false;
}

/* The same where something about iface is special, or a machine may have something to send. */
static NARU_NOINLINE bool odd_frame(struct naru_stack *stack, struct naru_iface *iface,
                                    struct naru_frame *frame)
{
    if (iface->sending != NULL && iface->cut_header_len == 0)
        give_back(iface);
    if (!naru_iface_waiting(iface) && iface->child_count == 0 && !stack->chores)
        return false;
    if (NARU_UNLIKELY(stack->chores))
        do_chores(stack);
    if (NARU_UNLIKELY(!iface->up))
        return false;
    return naru_iface_frame(stack, iface, frame) ||
           (iface->child_count != 0 && child_frame(stack, iface, frame));
}

static NARU_NOINLINE bool no_frame(struct naru_iface *iface)
{
    give_back(iface);
    return false;
}

/* A driver asks until it hears "nothing more": that, and one segment alone, cost the least. */
NARU_INLINE bool any_frame(struct naru_stack *stack, unsigned ifindex, struct naru_frame *frame,
                           naru_time now)
{
    struct naru_iface *iface = naru_iface_of(stack, ifindex);
    naru_stack_at(stack, now);
    if (NARU_UNLIKELY(iface == NULL))
        return false;
    if (NARU_UNLIKELY(!iface->usual || stack->chores))
        return ifindex != LOOPBACK && iface->kind != NARU_IFACE_VLAN &&
               odd_frame(stack, iface, frame);
    if (NARU_LIKELY(iface->sending == NULL && naru_pktq_empty(&iface->txq)))
        return !naru_list_empty(&iface->ready) && naru_quick_frame(stack, iface, frame);
    return naru_iface_waiting(iface) ? naru_iface_frame(stack, iface, frame) : no_frame(iface);
}

static NARU_NOINLINE bool train_frame(struct naru_stack *stack, unsigned ifindex,
                                      struct naru_frame *frame, naru_time now)
{
    if (now <= stack->now && stack->train == naru_iface_of(stack, ifindex) &&
        naru_train_frame(stack, stack->train, frame))
        return true;
    return any_frame(stack, ifindex, frame, now);
}

bool naru_stack_output(struct naru_stack *stack, unsigned ifindex, struct naru_frame *frame,
                       naru_time now)
{
    return NARU_LIKELY(stack->train == NULL) ? any_frame(stack, ifindex, frame, now)
                                             : train_frame(stack, ifindex, frame, now);
}

bool naru_stack_output_pending(const struct naru_stack *stack, unsigned ifindex)
{
    const struct naru_iface *iface = naru_iface_of(stack, ifindex);
    if (iface == NULL || !iface->up)
        return false;
    if (stack->chores || iface_pending(iface))
        return true;
    for (unsigned i = LOOPBACK + 1; iface->child_count != 0 && i <= stack->iface_count; i++)
        if (stack->ifaces[i]->kind == NARU_IFACE_VLAN && stack->ifaces[i]->parent == ifindex &&
            iface_pending(stack->ifaces[i]))
            return true;
    return false;
}

void naru_frame_copy(const struct naru_frame *frame, void *at)
{
    uint8_t *to = at;
    if (NARU_LIKELY(frame->slice_count == 1)) {
        memcpy(to, frame->slice[0].at, frame->slice[0].len);
        return;
    }
    for (unsigned i = 0; i < frame->slice_count; i++) {
        memcpy(to, frame->slice[i].at, frame->slice[i].len);
        to += frame->slice[i].len;
    }
}

/* ---- The loopback ---- */

/* Turns a bounded number of frames around; the deadline says when there are more. */
void naru_loopback_turn(struct naru_stack *stack)
{
    struct naru_frame frame;
    struct naru_iface *lo = stack->ifaces[LOOPBACK];
    if (stack->chores) /* nobody else does them where there is no device */
        do_chores(stack);
    for (unsigned i = 0; i < LOOPBACK_BUDGET; i++) {
        if (!iface_pending(lo))
            return;
        if (!odd_frame(stack, lo, &frame))
            return;
        struct naru_pkt *pkt = naru_pktpool_get(&stack->pkts, 0, frame.len);
        if (pkt == NULL) {
            naru_drop_count(stack, NARU_DROP_NO_MEMORY, 1);
            continue;
        }
        naru_frame_copy(&frame, pkt->data);
        pkt->len = (uint32_t)frame.len;
        pkt->offload = frame.offload;
        pkt->offload.csum_valid = 1;
        pkt->offload.csum_partial = 0;
        naru_stack_input(stack, LOOPBACK, pkt, stack->now);
    }
}
