/*
 * Datagrams in and out: UDP (RFC 768, RFC 1122 4.1, RFC 8200 8.1) and echo sockets.
 *
 * A received datagram stays in the packet it came in until the application reads it; the queue is
 * bounded by the memory those packets really hold.  What is sent becomes a packet at once and waits
 * for the device in the interface's queue.
 */
#include "stack/core.h"

#include "base/addr.h"
#include "wire/eth.h"
#include "wire/icmp.h"
#include "wire/icmpv6.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/udp.h"

/* ---- Making and ending ---- */

struct naru_sock_udp *naru_udp_sock_new(struct naru_stack *stack, enum naru_sock_type type,
                                        enum naru_family family)
{
    struct naru_sock_udp *su = naru_pool_get(&stack->udp_pool);
    if (su == NULL)
        return NULL;
    *su = (struct naru_sock_udp){ .rx_max = stack->config.udp_rcvbuf_default };
    uint8_t proto = NARU_PROTO_UDP;
    if (type == NARU_SOCK_PING)
        proto = family == NARU_IPV4 ? NARU_PROTO_ICMP : NARU_PROTO_ICMPV6;
    naru_sock_init(&su->s, stack, type, proto);
    naru_pktq_init(&su->rx);
    naru_pktq_init(&su->errors);
    return su;
}

void naru_udp_sock_release(struct naru_sock_udp *su)
{
    struct naru_stack *stack = su->s.stack;
    for (unsigned i = 0; i < su->join_count; i++)
        (void)naru_group_leave(&stack->group, su->joins[i].ifindex, &su->joins[i].group,
                               stack->now);
    if (su->join_count != 0)
        stack->chores = true;
    naru_mem_free(&stack->mem, su->joins, su->joins == NULL ? 0 : JOINS_MAX * sizeof(*su->joins));
    naru_pktpool_put_chain(naru_pktq_first(&su->rx));
    naru_pktpool_put_chain(naru_pktq_first(&su->errors));
    naru_sock_deinit(&su->s);
    naru_pool_put(&stack->udp_pool, su);
}

unsigned naru_udp_level(const struct naru_sock_udp *su)
{
    unsigned ready = 0;
    if (!naru_pktq_empty(&su->rx) || su->shut_read)
        ready |= NARU_READY_READ;
    if (su->s.tx_list != TX_WANT_WRITE)
        ready |= NARU_READY_WRITE;
    if (su->shut_read)
        ready |= NARU_READY_READ_END;
    if (su->shut_read && su->shut_write)
        ready |= NARU_READY_HANGUP;
    if (su->error != NARU_OK || !naru_pktq_empty(&su->errors))
        ready |= NARU_READY_ERROR | NARU_READY_READ;
    return ready;
}

/* ---- In ---- */

enum naru_drop naru_udp_queue(struct naru_sock_udp *su, const struct naru_ip_in *in,
                              const struct naru_tuple *tuple, struct naru_pkt *pkt)
{
    if (su->shut_read || su->rx_bytes + naru_pkt_truesize(pkt) > su->rx_max ||
        !naru_mem_may_hold(&su->s.stack->mem, naru_pktq_empty(&su->rx)))
        return naru_pkt_drop(pkt, NARU_DROP_UDP_QUEUE_FULL);
    pkt = naru_pktpool_fit(pkt);
    pkt->meta.endpoint[0] = (struct naru_endpoint){ .addr = tuple->remote,
                                                    .port = tuple->remote_port,
                                                    .ifindex = tuple->zone };
    pkt->meta.endpoint[1] = (struct naru_endpoint){ .addr = tuple->local,
                                                    .port = tuple->local_port,
                                                    .ifindex = in->iface->index };
    pkt->tos = in->tos;
    pkt->hop_limit = in->hop_limit;
    naru_pktq_push(&su->rx, pkt);
    su->rx_bytes += (uint32_t)naru_pkt_truesize(pkt);
    naru_sock_note(&su->s, NARU_READY_READ);
    return NARU_DROP_NONE;
}

/* Some membership covers the group, there, and who has sent this. */
static bool joined(const struct naru_sock_udp *su, const struct naru_tuple *tuple, unsigned ifindex)
{
    for (unsigned i = 0; i < su->join_count; i++) {
        const struct naru_join *join = &su->joins[i];
        if (naru_addr_eq(&join->group, &tuple->local) &&
            (join->ifindex == ifindex || ifindex == LOOPBACK) &&
            (naru_addr_is_zero(&join->source) || naru_addr_eq(&join->source, &tuple->remote)))
            return true;
    }
    return false;
}

/* Is a datagram to a group or to everyone also for this socket? */
bool naru_udp_wants_group(const struct naru_sock *s, const struct naru_tuple *tuple,
                          const struct naru_iface *iface)
{
    const struct naru_addr *local = &s->flow.tuple.local;
    if (s->bind_iface != 0 && s->bind_iface != iface->index && iface->index != LOOPBACK)
        return false;
    if (s->connected && (!naru_addr_eq(&s->flow.tuple.remote, &tuple->remote) ||
                         s->flow.tuple.remote_port != tuple->remote_port))
        return false;
    if (naru_addr_is_multicast(&tuple->local)) {
        if (!naru_addr_is_unspecified(local) && !naru_addr_eq(local, &tuple->local))
            return false;
        return joined(naru_sock_udp_of(s), tuple, iface->index);
    }
    if (naru_addr_eq(local, &tuple->local))
        return true;
    return naru_addr_is_unspecified(local) && (!s->v6 || !s->v6only);
}

/* RFC 1122 4.1.3.5: every socket of the port that wants it gets its own copy. */
static enum naru_drop to_group(struct naru_stack *stack, const struct naru_ip_in *in,
                               const struct naru_tuple *tuple, struct naru_pkt *pkt)
{
    struct naru_sock *sock = naru_port_next_group(stack, tuple, in->iface, NULL);
    if (sock == NULL)
        return naru_pkt_drop(pkt, NARU_DROP_UDP_NO_PORT);
    for (;;) {
        struct naru_sock *next = naru_port_next_group(stack, tuple, in->iface, sock);
        if (next == NULL)
            return naru_udp_queue(naru_sock_udp_of(sock), in, tuple, pkt);
        struct naru_pkt *copy = naru_pktpool_get(&stack->pkts, 0, pkt->len);
        if (copy == NULL) {
            naru_drop_count(stack, NARU_DROP_NO_MEMORY, 1);
        } else {
            memcpy(copy->data, pkt->data, pkt->len);
            copy->len = pkt->len;
            naru_drop_count(stack, naru_udp_queue(naru_sock_udp_of(sock), in, tuple, copy), 1);
        }
        sock = next;
    }
}

/* Who speaks under that name, or NULL. */
struct naru_sock *naru_udp_sock_of(struct naru_stack *stack, const struct naru_iface *iface,
                                   const struct naru_tuple *tuple)
{
    struct naru_flow *flow = naru_flow_lately(stack, tuple);
    uint32_t hash = 0;
    if (flow == NULL) {
        hash = naru_tuple_hash(stack, tuple);
        flow = naru_flow_of(stack, tuple, hash);
    }
    if (flow != NULL)
        return NARU_CONTAINER_OF(flow, struct naru_sock, flow);
    return naru_port_lookup(stack, tuple, iface, hash);
}

/* Wrong checksum -> silently dropped; UDP checksum is mandatory (exception RFC 6935 tunnels); zero
 * is sent as 0xFFFF (H-4.1.3.4-2, V6-8200-8.1-1). */
static enum naru_drop check(const struct naru_stack *stack, const struct naru_ip_in *in,
                            const struct naru_pkt *pkt, const struct naru_udp_hdr *h)
{
    if (h->checksum == 0)
        return naru_addr_is_v4(&in->dst) || pkt->offload.csum_partial ? NARU_DROP_NONE
                                                                      : NARU_DROP_UDP_ZERO_CHECKSUM;
    if (in->csum_valid || naru_udp_checksum_ok(stack->csum, &in->src, &in->dst, pkt->data, h->len))
        return NARU_DROP_NONE;
    return NARU_DROP_UDP_CHECKSUM;
}

/* Nobody there: the sender is told (H-4.1.3.1-1, H-3.4-4). */
NARU_NOINLINE enum naru_drop naru_udp_input(struct naru_stack *stack, const struct naru_ip_in *in,
                                            struct naru_pkt *pkt)
{
    struct naru_span span = naru_span(pkt->data, pkt->len);
    struct naru_udp_hdr h;
    bool merged = pkt->offload.gso == NARU_GSO_UDP;
    enum naru_drop drop = naru_udp_parse(&span, &h);
    if (drop == NARU_DROP_NONE)
        drop = check(stack, in, pkt, &h);
    if (drop != NARU_DROP_NONE)
        return naru_pkt_drop(pkt, drop);
    (void)naru_pkt_trim(pkt, h.len);
    (void)naru_pkt_pull(pkt, NARU_UDP_LEN);
    if (!merged)
        pkt->offload = (struct naru_offload){ 0 };

    struct naru_tuple tuple = {
        .local = in->dst,
        .remote = in->src,
        .local_port = h.dport,
        .remote_port = h.sport,
        .zone = naru_zone_on(in->iface, &in->src),
        .proto = NARU_PROTO_UDP,
    };
    if (in->group)
        return to_group(stack, in, &tuple, pkt);
    struct naru_sock *sock = naru_udp_sock_of(stack, in->iface, &tuple);
    if (sock == NULL) {
        naru_icmp_unreachable(stack, in, UNREACHABLE_PORT);
        return naru_pkt_drop(pkt, NARU_DROP_UDP_NO_PORT);
    }
    return naru_udp_queue(naru_sock_udp_of(sock), in, &tuple, pkt);
}

/* The echo socket that speaks under that name, or NULL. */
struct naru_sock *naru_ping_sock_of(struct naru_stack *stack, const struct naru_iface *iface,
                                    const struct naru_tuple *tuple)
{
    struct naru_sock *sock = naru_udp_sock_of(stack, iface, tuple);
    return sock != NULL && sock->type == NARU_SOCK_PING ? sock : NULL;
}

/* An echo reply: to the socket that has its identifier as port (H-3.2.2.6-2, H-3.2.2.6-7). */
enum naru_drop naru_ping_input(struct naru_stack *stack, const struct naru_ip_in *in,
                               uint16_t ident, struct naru_pkt *pkt)
{
    struct naru_tuple tuple = {
        .local = in->dst,
        .remote = in->src,
        .local_port = ident,
        .zone = naru_zone_on(in->iface, &in->src),
        .proto = in->proto,
    };
    struct naru_sock *sock = naru_ping_sock_of(stack, in->iface, &tuple);
    if (sock == NULL)
        return naru_pkt_drop(pkt, NARU_DROP_ICMP_NO_FLOW);
    return naru_udp_queue(naru_sock_udp_of(sock), in, &tuple, pkt);
}

/* Who relays echo requests to an address that is not ours (NARU_OPT_TRANSPARENT), or NULL. */
struct naru_sock *naru_ping_relay_of(struct naru_stack *stack, const struct naru_ip_in *in)
{
    struct naru_tuple tuple = { .local = in->dst, .remote = in->src, .proto = in->proto };
    if (in->group || naru_ifaddr_find(stack, &in->dst, 0) != NULL)
        return NULL;
    return naru_port_lookup(stack, &tuple, in->iface, 0);
}

/* The request goes to him, its identifier as the sender's port. */
enum naru_drop naru_ping_relay(struct naru_sock *relay, const struct naru_ip_in *in, uint16_t ident,
                               struct naru_pkt *pkt)
{
    struct naru_tuple tuple = {
        .local = in->dst,
        .remote = in->src,
        .remote_port = ident,
        .zone = naru_zone_on(in->iface, &in->src),
        .proto = in->proto,
    };
    return naru_udp_queue(naru_sock_udp_of(relay), in, &tuple, pkt);
}

/* ---- For others ---- */

/* As much of the packet as fits. */
size_t naru_pkt_copy_out(const struct naru_pkt *pkt, const struct naru_room *room,
                         unsigned room_count)
{
    size_t done = 0;
    for (unsigned i = 0; i < room_count && done < pkt->len; i++) {
        size_t take = NARU_MIN(room[i].len, pkt->len - done);
        memcpy(room[i].at, pkt->data + done, take);
        done += take;
    }
    return done;
}

/*
 * A datagram from there to here, taken for another, that cannot arrive: its sender is told.  The
 * packet is gone; what an error must quote of it (RFC 792: 64 bits of its data) is made again.
 */
void naru_udp_unreachable(struct naru_stack *stack, const struct naru_endpoint *from,
                          const struct naru_endpoint *to, size_t len, enum naru_unreachable why)
{
    uint8_t packet[NARU_IPV6_LEN + NARU_UDP_LEN];
    struct naru_path path = { 0 };
    struct naru_udp_hdr udp = { .sport = from->port,
                                .dport = to->port,
                                .len = (uint16_t)(len + NARU_UDP_LEN) };
    if (!naru_path_route(stack, &path, &from->addr, to->ifindex))
        return;
    struct naru_ip_in in = {
        .iface = stack->ifaces[path.ifindex],
        .src = from->addr,
        .dst = to->addr,
        .proto = NARU_PROTO_UDP,
        .packet = packet,
    };
    size_t header;
    if (naru_addr_is_v4(&to->addr)) {
        struct naru_ipv4_hdr ip = { .src = in.src,
                                    .dst = in.dst,
                                    .protocol = NARU_PROTO_UDP,
                                    .ttl = 1,
                                    .total_len = (uint16_t)(NARU_IPV4_LEN + udp.len) };
        header = naru_ipv4_emit(packet, &ip);
    } else {
        struct naru_ipv6_hdr ip = { .src = in.src,
                                    .dst = in.dst,
                                    .next_header = NARU_PROTO_UDP,
                                    .hop_limit = 1,
                                    .payload_len = udp.len };
        header = naru_ipv6_emit(packet, &ip);
    }
    in.packet_len = (uint32_t)(header + naru_udp_emit(packet + header, &udp));
    naru_icmp_unreachable(stack, &in, why);
}
