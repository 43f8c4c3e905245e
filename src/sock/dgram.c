/*
 * Datagram sockets: UDP and echo, out and in.
 */
#include "sock/sock.h"

#include "base/addr.h"
#include "wire/icmp.h"
#include "wire/icmpv6.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/udp.h"

enum {
    UDP_CSUM_OFFSET = 6,
    ICMP_CSUM_OFFSET = 2,
    PAYLOAD_MAX = 65535,
    MTU_DISCOVER_NEVER = 0,
    MTU_DISCOVER_ALWAYS = 2
};

static enum naru_err take_error(struct naru_sock_udp *su)
{
    enum naru_err err = (enum naru_err)su->error;
    su->error = NARU_OK;
    return err;
}

/* ---- Out ---- */

/* Source address of a sent datagram is one of the host's own (H-3.2.1.3-2, H-4.1.3.5-2,
 * H-4.1.3.6-2). */
static enum naru_err choose_ends(struct naru_sock *sock, const struct naru_msg_info *info,
                                 struct naru_endpoint *from, struct naru_endpoint *to)
{
    naru_tuple_ends(&sock->flow.tuple, from, to);
    if (info != NULL && (info->to.port != 0 ||
                         (sock->type == NARU_SOCK_PING && !naru_addr_is_zero(&info->to.addr))))
        *to = info->to;
    else if (!sock->connected)
        return NARU_ERR_DESTADDRREQ;
    bool v4 = naru_addr_is_v4(&to->addr);
    if (sock->v6 ? v4 && sock->v6only : !v4)
        return NARU_ERR_AFNOSUPPORT;
    if (naru_addr_is_unspecified(&to->addr))
        to->addr = v4 ? naru_addr_v4(0x7f000001) : (struct naru_addr){ .b = { [15] = 1 } };
    if (naru_addr_is_limited_broadcast(&to->addr) && !sock->broadcast)
        return NARU_ERR_ACCES;
    /* A group or a broadcast address is good to receive, but nobody's source (H-3.2.1.3-5). */
    if (sock->addr_given ? naru_names_many(sock->stack, &from->addr) : !sock->connected)
        from->addr = (struct naru_addr){ 0 };
    if (info != NULL && !naru_addr_is_unspecified(&info->from.addr)) {
        if (!sock->transparent && naru_ifaddr_find(sock->stack, &info->from.addr, 0) == NULL &&
            !naru_addr_is_loopback(&info->from.addr))
            return NARU_ERR_INVAL;
        from->addr = info->from.addr;
    }
    if (info != NULL && sock->transparent && info->from.port != 0)
        from->port = info->from.port;
    return NARU_OK;
}

static void copy_in(struct naru_pkt *pkt, const struct naru_slice *slice, unsigned slice_count)
{
    for (unsigned i = 0; i < slice_count; i++)
        if (slice[i].len != 0)
            memcpy(naru_pkt_append(pkt, slice[i].len), slice[i].at, slice[i].len);
}

/* Where a datagram leaves, and with what in its IP header: its own word, or its socket's
 * (H-3.2.1.6-1, H-3.2.1.7-1, H-3.2.1.7-3). */
static struct naru_ip_out describe(const struct naru_sock *sock, const struct naru_endpoint *from,
                                   const struct naru_endpoint *to, const struct naru_msg_info *info)
{
    bool multicast = naru_addr_is_multicast(&to->addr);
    struct naru_ip_out out = {
        .src = from->addr,
        .dst = to->addr,
        .ifindex = sock->bind_iface,
        .proto = sock->flow.tuple.proto,
        .tos = info != NULL && info->tos != 0 ? info->tos : sock->tos,
        .flow_label = sock->flow.in_table ? naru_flow_label(sock->stack, sock->flow.hash) : 0,
        .dont_fragment = sock->mtu_discover == MTU_DISCOVER_ALWAYS,
        .ignore_pmtu = sock->mtu_discover == MTU_DISCOVER_NEVER,
        .no_multicast_loop = !sock->multicast_loop,
        .csum_offset = sock->type == NARU_SOCK_DGRAM ? UDP_CSUM_OFFSET : ICMP_CSUM_OFFSET,
    };
    if (to->ifindex != 0)
        out.ifindex = to->ifindex;
    else if (multicast || naru_addr_is_limited_broadcast(&to->addr))
        out.ifindex = (uint16_t)naru_path_group_iface(sock, &to->addr, &from->addr);
    if (multicast)
        out.hop_limit = sock->multicast_ttl;
    else
        out.hop_limit = sock->ttl;
    if (info != NULL && info->hop_limit != 0)
        out.hop_limit = info->hop_limit;
    out.host_only = multicast && out.hop_limit == 0;
    return out;
}

/* Directed broadcasts need the option too (RFC 1122 3.3.6). */
static bool broadcast_refused(const struct naru_sock *sock, const struct naru_endpoint *to)
{
    return !sock->broadcast && naru_addr_is_v4(&to->addr) && !naru_addr_is_multicast(&to->addr) &&
           naru_names_many(sock->stack, &to->addr);
}

/* The interface's queue is full: its sender waits to be told. */
static bool must_wait(struct naru_sock *sock, const struct naru_path *path)
{
    struct naru_iface *iface = sock->stack->ifaces[path->ifindex];
    if (NARU_LIKELY(iface->txq_count < TXQ_MAX))
        return false;
    if (sock->tx_list == TX_NONE)
        naru_sock_set_tx_list(sock, iface, TX_WANT_WRITE);
    return true;
}

/* What send needs to know of a datagram. */
struct send {
    const struct naru_ip_out *out;
    struct naru_path *path;
    uint16_t from_port, to_port;
};

static size_t emit_header(const struct naru_sock *sock, const struct send *send,
                          struct naru_pkt *pkt, size_t len)
{
    struct naru_udp_hdr h = { .sport = send->from_port,
                              .dport = send->to_port,
                              .len = (uint16_t)(len + NARU_UDP_LEN) };
    return sock->type == NARU_SOCK_DGRAM ? naru_udp_emit(pkt->data, &h) : 0;
}

/* What fits goes into the error queue, for who looks for it (tracepath). */
static void too_long(struct naru_sock *sock, const struct send *send)
{
    struct naru_msg_info info = { .to = { .addr = send->out->dst, .port = send->to_port },
                                  .error = NARU_ERR_MSGSIZE };
    if (naru_path_route(sock->stack, send->path, &send->out->dst, send->out->ifindex))
        info.mtu = send->path->mtu;
    naru_dgram_error_queue(naru_sock_udp_of(sock), &info, naru_span(NULL, 0));
}

/* The local address may be left open (wildcard; H-4.1.3.5-3). */
static int64_t send_one(struct naru_sock *sock, const struct send *send,
                        const struct naru_slice *slice, unsigned slice_count, size_t len)
{
    if (must_wait(sock, send->path))
        return NARU_ERR_AGAIN;
    struct naru_pkt *pkt =
        naru_pktpool_get(&sock->stack->pkts, NARU_IP_HEADROOM, len + NARU_UDP_LEN);
    if (pkt == NULL)
        return NARU_ERR_NOMEM;
    pkt->len = (uint32_t)emit_header(sock, send, pkt, len);
    copy_in(pkt, slice, slice_count);
    if (sock->type == NARU_SOCK_PING)
        naru_put16(pkt->data + 4, send->from_port);
    enum naru_err err = naru_ip_output_by(sock->stack, send->out, send->path, pkt);
    if (err == NARU_ERR_MSGSIZE && naru_sock_udp_of(sock)->recverr)
        too_long(sock, send);
    return err != NARU_OK ? (int64_t)err : (int64_t)len;
}

/* Cuts one send into datagrams of size bytes (UDP_SEGMENT). */
static int64_t send_cut(struct naru_sock *sock, const struct send *send,
                        const struct naru_slice *slice, unsigned slice_count, size_t size)
{
    int64_t total = 0;
    struct naru_slice piece[NARU_FRAME_SLICES];
    unsigned i = 0;
    size_t skip = 0;
    while (i < slice_count) {
        unsigned n = 0;
        size_t len = 0;
        while (i < slice_count && len < size && n < NARU_FRAME_SLICES) {
            size_t take = NARU_MIN(size - len, slice[i].len - skip);
            piece[n++] = (struct naru_slice){ (const uint8_t *)slice[i].at + skip, take };
            len += take;
            skip += take;
            if (skip == slice[i].len) {
                i++;
                skip = 0;
            }
        }
        int64_t sent = send_one(sock, send, piece, n, len);
        if (sent < 0)
            return total > 0 ? total : sent;
        total += sent;
    }
    return total;
}

/* Requests, and replies from who relays them. */
static bool may_echo(const struct naru_sock *sock, const struct naru_slice *slice,
                     unsigned slice_count)
{
    bool v4 = sock->flow.tuple.proto == NARU_PROTO_ICMP;
    if (slice_count == 0 || slice[0].len < NARU_ICMP_LEN)
        return false;
    const uint8_t *p = slice[0].at;
    if (sock->transparent && p[0] == (v4 ? NARU_ICMP_ECHO_REPLY : NARU_ICMPV6_ECHO_REPLY))
        return p[1] == 0;
    return p[0] == (v4 ? NARU_ICMP_ECHO : NARU_ICMPV6_ECHO) && p[1] == 0;
}

/* Who a datagram is from and for, what its header says, and its way; *out is the caller's. */
static enum naru_err find_out(struct naru_sock *sock, const struct naru_msg_info *info,
                              struct naru_ip_out *out, struct send *send)
{
    struct naru_endpoint from, to;
    enum naru_err err = choose_ends(sock, info, &from, &to);
    if (err == NARU_OK && broadcast_refused(sock, &to))
        err = NARU_ERR_ACCES;
    if (err == NARU_OK && !sock->bound) {
        err = naru_port_bind(sock, 0);
        from.port = sock->flow.tuple.local_port;
    }
    if (err != NARU_OK)
        return err;
    *out = describe(sock, &from, &to, info);
    *send = (struct send){ .out = out,
                           .path = naru_path_to(sock->stack, &out->dst, out->ifindex),
                           .from_port = from.port,
                           .to_port = to.port };
    if (send->path != NULL)
        return NARU_OK;
    naru_drop_count(sock->stack, NARU_DROP_NO_ROUTE, 1);
    return NARU_ERR_NETUNREACH;
}

/* What was found out of the socket's peer is still so. */
static bool peer_known(const struct naru_sock_udp *su)
{
    const struct naru_stack *stack = su->s.stack;
    return su->described && su->described_gen == stack->fib.generation &&
           su->path.pmtu_gen == stack->pmtu.generation;
}

/* To the peer that a socket is connected to nothing changes from one datagram to the next. */
static enum naru_err find_out_peer(struct naru_sock_udp *su, struct send *send)
{
    struct naru_stack *stack = su->s.stack;
    if (NARU_UNLIKELY(!peer_known(su))) {
        enum naru_err err = find_out(&su->s, NULL, &su->out, send);
        if (err != NARU_OK)
            return err;
        su->path = *send->path;
        if (!naru_addr_is_zero(&su->out.src)) {
            su->ident = naru_frag_ident_place(&stack->ident, &su->out.src, &su->out.dst);
            su->out.ident = &su->ident;
        }
        su->described_gen = stack->fib.generation;
        su->described = true;
        naru_udp_quick_prepare(su);
    }
    *send = (struct send){ .out = &su->out,
                           .path = &su->path,
                           .from_port = su->s.flow.tuple.local_port,
                           .to_port = su->s.flow.tuple.remote_port };
    return NARU_OK;
}

NARU_NOINLINE int64_t naru_dgram_send(struct naru_sock_udp *su, const struct naru_slice *slice,
                                      unsigned slice_count, const struct naru_msg_info *info)
{
    struct naru_sock *sock = &su->s;
    struct naru_ip_out out;
    struct send send;
    size_t len = 0;
    if (su->error != NARU_OK)
        return take_error(su);
    if (su->shut_write)
        return NARU_ERR_PIPE;
    if (NARU_LIKELY(info == NULL && slice_count == 1 && sock->connected && peer_known(su) &&
                    su->usual) &&
        naru_udp_quick_send(su, slice))
        return (int64_t)slice->len;
    for (unsigned i = 0; i < slice_count; i++)
        len += slice[i].len;
    enum naru_err err = info == NULL && sock->connected ? find_out_peer(su, &send)
                                                        : find_out(sock, info, &out, &send);
    if (err != NARU_OK)
        return err;
    if (sock->type == NARU_SOCK_PING && !may_echo(sock, slice, slice_count))
        return NARU_ERR_INVAL;
    size_t cut = info != NULL && info->gso_size != 0 ? info->gso_size : su->gso_size;
    if (cut != 0 && len > cut)
        return send_cut(sock, &send, slice, slice_count, cut);
    if (len > PAYLOAD_MAX - NARU_UDP_LEN - (naru_addr_is_v4(&send.out->dst) ? NARU_IPV4_LEN : 0u))
        return NARU_ERR_MSGSIZE;
    return send_one(sock, &send, slice, slice_count, len);
}

/* ---- In ---- */

/* One datagram, with all that is known of how it came (H-3.2.1.6-2, H-3.4-2, H-4.1.3.5-1,
 * H-4.1.4-3). */
NARU_NOINLINE int64_t naru_dgram_recv(struct naru_sock_udp *su, const struct naru_room *room,
                                      unsigned room_count, unsigned flags,
                                      struct naru_msg_info *info)
{
    struct naru_pkt *pkt = naru_pktq_first(&su->rx);
    if (NARU_UNLIKELY((flags & NARU_MSG_ERRQUEUE) != 0))
        return naru_dgram_error_recv(su, room, room_count, (flags & NARU_MSG_PEEK) != 0, info);
    if (su->error != NARU_OK)
        return take_error(su);
    if (flags & NARU_MSG_OOB)
        return NARU_ERR_OPNOTSUPP;
    if (pkt == NULL)
        return su->shut_read ? 0 : NARU_ERR_AGAIN;
    size_t copied = naru_pkt_copy_out(pkt, room, room_count);
    if (info != NULL) {
        *info = (struct naru_msg_info){
            .from = pkt->meta.endpoint[0],
            .to = pkt->meta.endpoint[1],
            .len = pkt->len,
            .gso_size = pkt->offload.gso == NARU_GSO_UDP ? pkt->offload.gso_size : 0,
            .flags = copied < pkt->len ? NARU_MSG_TRUNC : 0,
            .tos = pkt->tos,
            .hop_limit = pkt->hop_limit,
        };
    }
    if ((flags & NARU_MSG_PEEK) == 0) {
        (void)naru_pktq_pop(&su->rx);
        su->rx_bytes -= (uint32_t)naru_pkt_truesize(pkt);
        naru_pktpool_put(pkt);
    }
    return (int64_t)copied;
}
