/*
 * ICMP errors about datagrams: to the socket that sent what they quote (RFC 1122 3.2.2, 4.1.3.3,
 * RFC 4443 2.4), and to its error queue where it has asked for one (NARU_OPT_RECVERR, as Linux's
 * IP_RECVERR).
 *
 * Without a queue only a connected socket is told, and only what will not go away by itself: nobody
 * else could say which of his datagrams is meant.  With a queue everything is told, with the quoted
 * payload, which names the datagram.
 *
 * An entry is a packet: the payload is its data, and struct note lies in front of that.  Entries
 * count against the receive buffer, so a flood of errors costs no more than one of datagrams.
 *
 * Not done: the objects that RFC 4884 appends to a quote are part of the payload for who asks.
 */
#include "stack/core.h"

#include "base/addr.h"
#include "wire/icmp.h"
#include "wire/icmpv6.h"
#include "wire/udp.h"

/* What an entry knows beside its payload. */
struct note {
    struct naru_msg_info info;
};

_Static_assert(sizeof(struct note) <= NARU_PKT_ROOM_SUPER / 2, "a note fits in front of a payload");

/* Answers to echo requests are not remembered: nothing is believed about them. */
static bool is_request(const struct naru_tuple *tuple, struct naru_span quoted)
{
    uint8_t request =
        tuple->proto == NARU_PROTO_ICMP ? (uint8_t)NARU_ICMP_ECHO : (uint8_t)NARU_ICMPV6_ECHO;
    return quoted.len > 0 && quoted.at[0] == request;
}

/* Who may have sent such a datagram or echo request; NULL: nobody. */
struct naru_sock *naru_dgram_sender(struct naru_stack *stack, const struct naru_tuple *tuple,
                                    const struct naru_iface *iface, struct naru_span quoted)
{
    if (tuple->proto == NARU_PROTO_UDP) {
        struct naru_sock *sock = naru_udp_sock_of(stack, iface, tuple);
        return sock != NULL && sock->type == NARU_SOCK_DGRAM ? sock : NULL;
    }
    struct naru_tuple echo = *tuple;
    echo.remote_port = 0;
    if ((tuple->proto != NARU_PROTO_ICMP && tuple->proto != NARU_PROTO_ICMPV6) ||
        !is_request(tuple, quoted))
        return NULL;
    return naru_ping_sock_of(stack, iface, &echo);
}

/* Without room it is lost, as a datagram would be. */
void naru_dgram_error_queue(struct naru_sock_udp *su, const struct naru_msg_info *info,
                            struct naru_span payload)
{
    struct naru_stack *stack = su->s.stack;
    struct note note = { .info = *info };
    bool first = naru_pktq_empty(&su->rx) && naru_pktq_empty(&su->errors);
    struct naru_pkt *pkt = NULL;
    if (naru_mem_may_hold(&stack->mem, first))
        pkt = naru_pktpool_get(&stack->pkts, sizeof(note), payload.len);
    if (pkt == NULL || su->rx_bytes + naru_pkt_truesize(pkt) > su->rx_max) {
        naru_drop_count(stack, NARU_DROP_UDP_QUEUE_FULL, 1);
        naru_pktpool_put(pkt);
        return;
    }
    note.info.len = (uint32_t)payload.len;
    memcpy(naru_pkt_buffer(pkt), &note, sizeof(note));
    pkt->len = (uint32_t)payload.len;
    if (payload.len != 0)
        memcpy(pkt->data, payload.at, payload.len);
    naru_pktq_push(&su->errors, pkt);
    su->rx_bytes += (uint32_t)naru_pkt_truesize(pkt);
    naru_sock_note(&su->s, NARU_READY_ERROR | NARU_READY_READ);
}

static const struct naru_msg_info *note_of(struct naru_pkt *pkt)
{
    return &((const struct note *)(const void *)naru_pkt_buffer(pkt))->info;
}

/* UDP's header is not told; an echo's is: who sent it made it himself. */
static struct naru_span payload_of(const struct naru_tuple *tuple, struct naru_span quoted)
{
    size_t header = tuple->proto == NARU_PROTO_UDP ? NARU_UDP_LEN : 0;
    if (quoted.len < header)
        return naru_span(quoted.at, 0);
    return naru_span(quoted.at + header, quoted.len - header);
}

/* To the socket that may have sent it (H-4.1.3.3-1, H-3.2.2.1-3, B-icmp-traceroute). */
enum naru_drop naru_dgram_error_in(struct naru_stack *stack, const struct naru_tuple *tuple,
                                   const struct naru_ip_in *in, const struct naru_icmp_fact *fact,
                                   struct naru_span quoted)
{
    struct naru_sock *sock = naru_dgram_sender(stack, tuple, in->iface, quoted);
    if (sock == NULL)
        return NARU_DROP_ICMP_NO_FLOW;
    struct naru_sock_udp *su = naru_sock_udp_of(sock);
    if (!su->recverr ? !fact->hard || !sock->connected
                     : fact->too_big && sock->mtu_discover == 0) /* who never asks for the path */
        return NARU_DROP_NONE;
    su->error = (int8_t)fact->err;
    naru_sock_note(sock, NARU_READY_ERROR | NARU_READY_READ);
    if (!su->recverr)
        return NARU_DROP_NONE;
    struct naru_msg_info info = {
        .from = { .addr = in->src },
        .to = { .addr = tuple->remote, .port = tuple->remote_port, .ifindex = tuple->zone },
        .tos = in->tos,
        .hop_limit = in->hop_limit,
        .error = (int8_t)fact->err,
        .icmp_type = fact->type,
        .icmp_code = fact->code,
        .mtu = fact->mtu,
    };
    if (tuple->proto != NARU_PROTO_UDP)
        info.to.port = 0;
    if (naru_addr_is_link_local(&in->src))
        info.from.ifindex = in->iface->index;
    naru_dgram_error_queue(su, &info, payload_of(tuple, quoted));
    return NARU_DROP_NONE;
}

/* The oldest entry leaves; the error that is pending is then that of the next. */
int64_t naru_dgram_error_recv(struct naru_sock_udp *su, const struct naru_room *room,
                              unsigned room_count, bool peek, struct naru_msg_info *info)
{
    struct naru_pkt *pkt = naru_pktq_first(&su->errors);
    if (pkt == NULL)
        return NARU_ERR_AGAIN;
    size_t copied = naru_pkt_copy_out(pkt, room, room_count);
    if (info != NULL) {
        *info = *note_of(pkt);
        info->flags = NARU_MSG_ERRQUEUE;
        if (copied < pkt->len)
            info->flags |= NARU_MSG_TRUNC;
    }
    if (peek)
        return (int64_t)copied;
    (void)naru_pktq_pop(&su->errors);
    su->rx_bytes -= (uint32_t)naru_pkt_truesize(pkt);
    naru_pktpool_put(pkt);
    pkt = naru_pktq_first(&su->errors);
    su->error = pkt == NULL ? NARU_OK : note_of(pkt)->error;
    return (int64_t)copied;
}
