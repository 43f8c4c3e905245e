/*
 * ICMP and ICMPv6 in: echo, and errors to the flow whose packet they quote (RFC 1122 3.2.2 and
 * 4.2.3.9, RFC 4443, RFC 5927 for what may be believed).
 *
 * Not done: redirects for IPv4 (ignored, as hosts behind one gateway do), timestamps, source quench
 * (RFC 6633 says to ignore it).
 */
#include "stack/core.h"

#include "base/addr.h"
#include "wire/icmp.h"
#include "wire/icmpv6.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/quote.h"

/* ---- Errors ---- */

static struct naru_icmp_fact meaning4(const struct naru_icmp_hdr *h)
{
    struct naru_icmp_fact fact = { .err = NARU_ERR_HOSTUNREACH };
    if (h->type == NARU_ICMP_PARAM_PROBLEM)
        return (struct naru_icmp_fact){ .err = NARU_ERR_PROTO, .hard = true };
    if (h->type != NARU_ICMP_UNREACHABLE)
        return fact;
    switch (h->code) {
    case NARU_ICMP_NET:
    case NARU_ICMP_NET_UNKNOWN:
    case NARU_ICMP_NET_TOS:
        fact.err = NARU_ERR_NETUNREACH;
        break;
    case NARU_ICMP_NET_PROHIBITED:
        fact = (struct naru_icmp_fact){ .err = NARU_ERR_NETUNREACH, .hard = true };
        break;
    case NARU_ICMP_PROTOCOL:
        fact = (struct naru_icmp_fact){ .err = NARU_ERR_NOPROTOOPT, .hard = true };
        break;
    case NARU_ICMP_PORT:
        fact = (struct naru_icmp_fact){ .err = NARU_ERR_CONNREFUSED, .hard = true };
        break;
    case NARU_ICMP_FRAG_NEEDED:
        fact = (struct naru_icmp_fact){ .err = NARU_ERR_MSGSIZE, .too_big = true, .mtu = h->mtu };
        break;
    case NARU_ICMP_HOST_PROHIBITED:
    case NARU_ICMP_PROHIBITED:
    case NARU_ICMP_HOST_PRECEDENCE:
    case NARU_ICMP_PRECEDENCE_CUTOFF:
        fact.hard = true;
        break;
    default:
        break;
    }
    return fact;
}

static struct naru_icmp_fact meaning6(const struct naru_icmpv6_hdr *h)
{
    switch (h->type) {
    case NARU_ICMPV6_TOO_BIG:
        return (struct naru_icmp_fact){ .err = NARU_ERR_MSGSIZE, .too_big = true, .mtu = h->mtu };
    case NARU_ICMPV6_PARAM_PROBLEM:
        return (struct naru_icmp_fact){ .err = NARU_ERR_PROTO, .hard = true };
    case NARU_ICMPV6_UNREACHABLE:
        break;
    default:
        return (struct naru_icmp_fact){ .err = NARU_ERR_HOSTUNREACH };
    }
    switch (h->code) {
    case NARU_ICMPV6_NO_ROUTE:
    case NARU_ICMPV6_BEYOND_SCOPE:
        return (struct naru_icmp_fact){ .err = NARU_ERR_NETUNREACH };
    case NARU_ICMPV6_PORT:
        return (struct naru_icmp_fact){ .err = NARU_ERR_CONNREFUSED, .hard = true };
    case NARU_ICMPV6_PROHIBITED:
    case NARU_ICMPV6_POLICY:
    case NARU_ICMPV6_REJECT_ROUTE:
        return (struct naru_icmp_fact){ .err = NARU_ERR_ACCES, .hard = true };
    default:
        return (struct naru_icmp_fact){ .err = NARU_ERR_HOSTUNREACH };
    }
}

static struct naru_icmp_fact fact4(const struct naru_icmp_hdr *h)
{
    struct naru_icmp_fact fact = meaning4(h);
    fact.type = h->type;
    fact.code = h->code;
    return fact;
}

static struct naru_icmp_fact fact6(const struct naru_icmpv6_hdr *h)
{
    struct naru_icmp_fact fact = meaning6(h);
    fact.type = h->type;
    fact.code = h->code;
    return fact;
}

/*
 * Is there a socket that such a datagram or echo request may be of?  Replies that we made to echo
 * requests are not remembered, so nothing is believed about them.
 */
static bool may_have_sent(struct naru_stack *stack, const struct naru_ip_in *in,
                          const struct naru_tuple *tuple, struct naru_span quoted)
{
    if (!in->iface->accept_any && naru_ifaddr_find(stack, &tuple->local, 0) == NULL)
        return false;
    return naru_dgram_sender(stack, tuple, in->iface, quoted) != NULL;
}

static enum naru_drop too_big(struct naru_stack *stack, const struct naru_ip_in *in,
                              const struct naru_tuple *tuple, const struct naru_quote *q,
                              const struct naru_icmp_fact *fact, size_t sent_len)
{
    if (q->proto == NARU_PROTO_TCP && !naru_tcp_in_flight(stack, tuple, naru_seq_of(q->seq)))
        return NARU_DROP_ICMP_STALE;
    if (q->proto != NARU_PROTO_TCP && !may_have_sent(stack, in, tuple, q->transport))
        return NARU_DROP_ICMP_NO_FLOW;
    (void)naru_pmtu_too_big(&stack->pmtu, &q->dst, fact->mtu, (uint32_t)sent_len, in->iface->mtu,
                            stack->now);
    if (q->proto != NARU_PROTO_TCP)
        return naru_dgram_error_in(stack, tuple, in, fact, q->transport);
    naru_tcp_path_changed(stack, tuple);
    return NARU_DROP_NONE;
}

static uint32_t quoted_len(struct naru_span quoted, enum naru_family family)
{
    if (family == NARU_IPV4)
        return quoted.len >= 4 ? naru_get16(quoted.at + 2) : 0;
    return quoted.len >= 6 ? naru_get16(quoted.at + 4) + (uint32_t)NARU_IPV6_LEN : 0;
}

/* An error about a packet that we sent: to whose it was (H-3.2.2-4, H-3.2.2.1-2, H-3.2.2.4-1,
 * H-3.2.2.5-2, H-3.4-5, H-3.4-6). */
static enum naru_drop error_in(struct naru_stack *stack, const struct naru_ip_in *in,
                               struct naru_span quoted, const struct naru_icmp_fact *fact)
{
    struct naru_quote q;
    enum naru_family family = naru_addr_family(&in->dst);
    enum naru_drop drop = naru_quote_parse(quoted, family, &q);
    if (drop != NARU_DROP_NONE)
        return drop;
    if (q.fragment)
        return NARU_DROP_ICMP_IGNORED;
    struct naru_tuple tuple = {
        .local = q.src,
        .remote = q.dst,
        .local_port = q.sport,
        .remote_port = q.dport,
        .zone = naru_zone_on(in->iface, &q.dst),
        .proto = q.proto,
    };
    if (fact->too_big)
        return too_big(stack, in, &tuple, &q, fact, quoted_len(quoted, family));
    if (q.proto == NARU_PROTO_TCP)
        return naru_tcp_icmp_in(stack, &tuple, fact->err, fact->hard, naru_seq_of(q.seq));
    return naru_dgram_error_in(stack, &tuple, in, fact, q.transport);
}

/* ---- Echo ---- */

/* Turns the request into its reply, in place, and sends it back (H-3.2.2.6-1, H-3.2.2.6-3,
 * H-3.2.2.6-4, H-3.2.2.6-5, H-3.2.2.6-6, H-3.3.4.2-1, V6-4443-4.2-1). */
static enum naru_drop echo(struct naru_stack *stack, const struct naru_ip_in *in,
                           struct naru_pkt *pkt, uint8_t reply)
{
    bool to_group = in->group;
    if (to_group && naru_addr_is_v4(&in->dst))
        return naru_pkt_drop(pkt, NARU_DROP_ICMP_IGNORED); /* RFC 1122 3.2.2.6: may be ignored */
    struct naru_ip_out out = {
        .dst = in->src,
        .ifindex = naru_zone_on(in->iface, &in->src),
        .proto = in->proto,
        .tos = in->tos,
        .csum_offset = 2,
    };
    if (!to_group)
        out.src = in->dst;
    pkt->data[0] = reply;
    pkt->offload = (struct naru_offload){ 0 };
    if (naru_pkt_headroom(pkt) < NARU_IP_HEADROOM) {
        struct naru_pkt *copy = naru_pktpool_get(&stack->pkts, NARU_IP_HEADROOM, pkt->len);
        if (copy == NULL)
            return naru_pkt_drop(pkt, NARU_DROP_NO_MEMORY);
        memcpy(copy->data, pkt->data, pkt->len);
        copy->len = pkt->len;
        naru_pktpool_put(pkt);
        pkt = copy;
    }
    (void)naru_ip_output(stack, &out, pkt);
    return NARU_DROP_NONE;
}

static enum naru_drop request_in(struct naru_stack *stack, const struct naru_ip_in *in,
                                 uint16_t ident, struct naru_pkt *pkt, uint8_t reply)
{
    struct naru_sock *relay = naru_ping_relay_of(stack, in);
    return relay != NULL ? naru_ping_relay(relay, in, ident, pkt) : echo(stack, in, pkt, reply);
}

/* ---- Messages ---- */

/* What is unknown or historic is dropped without a word, source quench too (MUST-55, H-3.2.2-1,
 * H-3.2.2.7-1, H-3.2.2.9-9). */
NARU_NOINLINE enum naru_drop naru_icmp_input(struct naru_stack *stack, const struct naru_ip_in *in,
                                             struct naru_pkt *pkt)
{
    struct naru_span span = naru_span(pkt->data, pkt->len);
    struct naru_icmp_hdr h;
    enum naru_drop drop = naru_icmp_parse(&span, &h);
    if (drop != NARU_DROP_NONE)
        return naru_pkt_drop(pkt, drop);
    if (!naru_icmp_checksum_ok(pkt->data, pkt->len))
        return naru_pkt_drop(pkt, NARU_DROP_ICMP_CHECKSUM);
    switch (h.type) {
    case NARU_ICMP_ECHO:
        return request_in(stack, in, h.ident, pkt, NARU_ICMP_ECHO_REPLY);
    case NARU_ICMP_ECHO_REPLY:
        return naru_ping_input(stack, in, h.ident, pkt);
    case NARU_ICMP_UNREACHABLE:
    case NARU_ICMP_TIME_EXCEEDED:
    case NARU_ICMP_PARAM_PROBLEM: {
        struct naru_icmp_fact fact = fact4(&h);
        return naru_pkt_drop(pkt, error_in(stack, in, span, &fact));
    }
    case NARU_ICMP_SOURCE_QUENCH:
    case NARU_ICMP_REDIRECT:
        return naru_pkt_drop(pkt, NARU_DROP_ICMP_IGNORED);
    default:
        return naru_pkt_drop(pkt, NARU_DROP_ICMP_UNKNOWN);
    }
}

/* An error of a type that nobody here knows is one all the same, and goes up (RFC 4443 2.4 a). */
static enum naru_drop unknown_in(struct naru_stack *stack, const struct naru_ip_in *in,
                                 const struct naru_icmpv6_hdr *h, struct naru_span span)
{
    struct naru_icmp_fact fact = fact6(h);
    return naru_icmpv6_is_error(h->type) ? error_in(stack, in, span, &fact)
                                         : NARU_DROP_ICMP_UNKNOWN;
}

/* Unknown error types go up, unknown informational types are dropped; fragmented ND messages are
 * ignored (V6-4443-2.4-2, V6-6980-2-1). */
NARU_NOINLINE enum naru_drop naru_icmpv6_input(struct naru_stack *stack,
                                               const struct naru_ip_in *in, struct naru_pkt *pkt)
{
    struct naru_span span = naru_span(pkt->data, pkt->len);
    struct naru_icmpv6_hdr h;
    enum naru_drop drop = naru_icmpv6_parse(&span, &h);
    if (drop != NARU_DROP_NONE)
        return naru_pkt_drop(pkt, drop);
    if (!naru_icmpv6_checksum_ok(&in->src, &in->dst, pkt->data, pkt->len))
        return naru_pkt_drop(pkt, NARU_DROP_ICMP_CHECKSUM);
    switch (h.type) {
    case NARU_ICMPV6_ECHO:
        return request_in(stack, in, h.ident, pkt, NARU_ICMPV6_ECHO_REPLY);
    case NARU_ICMPV6_ECHO_REPLY:
        return naru_ping_input(stack, in, h.ident, pkt);
    case NARU_ICMPV6_UNREACHABLE:
    case NARU_ICMPV6_TOO_BIG:
    case NARU_ICMPV6_TIME_EXCEEDED:
    case NARU_ICMPV6_PARAM_PROBLEM: {
        struct naru_icmp_fact fact = fact6(&h);
        return naru_pkt_drop(pkt, error_in(stack, in, span, &fact));
    }
    case NARU_ICMPV6_RS:
    case NARU_ICMPV6_RA:
    case NARU_ICMPV6_NS:
    case NARU_ICMPV6_NA:
    case NARU_ICMPV6_REDIRECT:
        drop = in->fragmented || h.code != 0 ? NARU_DROP_ND_INVALID
                                             : naru_nd_input(stack, in, h.type, span);
        return naru_pkt_drop(pkt, drop);
    case NARU_ICMPV6_MLD_QUERY:
    case NARU_ICMPV6_MLD_REPORT:
    case NARU_ICMPV6_MLD_DONE:
    case NARU_ICMPV6_MLDV2_REPORT:
        return naru_pkt_drop(pkt, naru_mld_input(stack, in, h.type, span));
    default:
        return naru_pkt_drop(pkt, unknown_in(stack, in, &h, span));
    }
}
