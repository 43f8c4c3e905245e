/*
 * ICMP and ICMPv6 errors that we send (RFC 792, RFC 1122 3.2.2, RFC 1812 4.3.2, RFC 4443 2.4).
 *
 * Never about an ICMP error, a packet to a group, a fragment other than the first, or from an
 * address that names no single host; and only as often as proto/icmplimit allows.
 */
#include "stack/core.h"

#include "base/addr.h"
#include "wire/icmp.h"
#include "wire/icmpv6.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/quote.h"

enum {
    QUOTE4_MAX = 576 - NARU_IPV4_LEN - NARU_ICMP_LEN,
    QUOTE6_MAX = 1280 - NARU_IPV6_LEN - NARU_ICMPV6_LEN
};

static bool quotes_error4(const struct naru_ip_in *in)
{
    size_t header = (size_t)(in->packet[0] & 15) * 4;
    return in->proto == NARU_PROTO_ICMP &&
           (in->packet_len <= header || naru_icmp_is_error(in->packet[header]));
}

static bool quotes_error6(const struct naru_ip_in *in)
{
    struct naru_quote q; /* goes over all headers, whatever their options say */
    (void)naru_quote_parse(naru_span(in->packet, in->packet_len), NARU_IPV6, &q);
    return q.proto == NARU_PROTO_ICMPV6 &&
           (q.transport.len == 0 || naru_icmpv6_is_error(q.transport.at[0]) ||
            q.transport.at[0] == NARU_ICMPV6_REDIRECT);
}

/* What no error may answer, and how often (H-3.2.2-6, H-3.2.2-7, H-3.2.2-8, H-3.2.2-9, H-3.2.2-10,
 * V6-4443-2.4-1). */
static bool may_answer(struct naru_stack *stack, const struct naru_ip_in *in, bool also_to_group)
{
    if ((in->group && !also_to_group) || naru_addr_is_unspecified(&in->src) ||
        naru_addr_is_multicast(&in->src) || naru_iface_is_broadcast(in->iface, &in->src))
        return false;
    bool v4 = naru_addr_is_v4(&in->src);
    if (naru_addr_is_loopback(&in->src) ? in->iface->index != LOOPBACK : v4 && in->src.b[12] >= 240)
        return false;
    if (v4 && (naru_get16(in->packet + 6) & 0x1fff) != 0)
        return false;
    if (v4 ? quotes_error4(in) : quotes_error6(in))
        return false;
    if (naru_icmplimit_allow(&stack->icmp_limit, &in->src, stack->now))
        return true;
    naru_drop_count(stack, NARU_DROP_ICMP_RATE_LIMIT, 1);
    return false;
}

/* Sends header (emitted, at most 8 bytes, checksum open) and as much of the packet as may be quoted
 * (H-3.2.2-2, H-3.2.2-3, H-3.2.2-5). */
static void send_error(struct naru_stack *stack, const struct naru_ip_in *in, const uint8_t *header)
{
    bool v4 = naru_addr_is_v4(&in->src);
    size_t quote = NARU_MIN((size_t)in->packet_len, (size_t)(v4 ? QUOTE4_MAX : QUOTE6_MAX));
    struct naru_pkt *pkt = naru_pktpool_get(&stack->pkts, NARU_IP_HEADROOM, NARU_ICMP_LEN + quote);
    if (pkt == NULL) {
        naru_drop_count(stack, NARU_DROP_NO_MEMORY, 1);
        return;
    }
    memcpy(pkt->data, header, NARU_ICMP_LEN);
    memcpy(pkt->data + NARU_ICMP_LEN, in->packet, quote);
    pkt->len = (uint32_t)(NARU_ICMP_LEN + quote);
    struct naru_ip_out out = {
        .dst = in->src,
        .ifindex = naru_zone_on(in->iface, &in->src),
        .proto = v4 ? NARU_PROTO_ICMP : NARU_PROTO_ICMPV6,
        .csum_offset = 2,
    };
    if (!in->group && (in->iface->accept_any || naru_ifaddr_find(stack, &in->dst, 0) != NULL))
        out.src = in->dst;
    (void)naru_ip_output(stack, &out, pkt);
}

static void send4(struct naru_stack *stack, const struct naru_ip_in *in,
                  const struct naru_icmp_hdr *h)
{
    uint8_t header[NARU_ICMP_LEN];
    (void)naru_icmp_emit(header, h);
    send_error(stack, in, header);
}

static void send6(struct naru_stack *stack, const struct naru_ip_in *in,
                  const struct naru_icmpv6_hdr *h)
{
    uint8_t header[NARU_ICMPV6_LEN];
    (void)naru_icmpv6_emit(header, h);
    send_error(stack, in, header);
}

/* Port, protocol and the other codes, where an answer is allowed (H-3.2.2.1-1, H-3.3.8-1). */
NARU_NOINLINE void naru_icmp_unreachable(struct naru_stack *stack, const struct naru_ip_in *in,
                                         enum naru_unreachable why)
{
    static const uint8_t code4[] = {
        [UNREACHABLE_NET] = NARU_ICMP_NET,
        [UNREACHABLE_HOST] = NARU_ICMP_HOST,
        [UNREACHABLE_PROTOCOL] = NARU_ICMP_PROTOCOL,
        [UNREACHABLE_PORT] = NARU_ICMP_PORT,
        [UNREACHABLE_PROHIBITED] = NARU_ICMP_PROHIBITED,
    };
    static const uint8_t code6[] = {
        [UNREACHABLE_NET] = NARU_ICMPV6_NO_ROUTE,          [UNREACHABLE_HOST] = NARU_ICMPV6_ADDRESS,
        [UNREACHABLE_PROTOCOL] = NARU_ICMPV6_ADDRESS,      [UNREACHABLE_PORT] = NARU_ICMPV6_PORT,
        [UNREACHABLE_PROHIBITED] = NARU_ICMPV6_PROHIBITED,
    };
    if (!may_answer(stack, in, false))
        return;
    if (naru_addr_is_v4(&in->src))
        send4(stack, in,
              &(struct naru_icmp_hdr){ .type = NARU_ICMP_UNREACHABLE, .code = code4[why] });
    else
        send6(stack, in,
              &(struct naru_icmpv6_hdr){ .type = NARU_ICMPV6_UNREACHABLE, .code = code6[why] });
}

void naru_icmp_frag_timeout(struct naru_stack *stack, const struct naru_ip_in *in)
{
    if (!may_answer(stack, in, false))
        return;
    if (naru_addr_is_v4(&in->src))
        send4(stack, in,
              &(struct naru_icmp_hdr){ .type = NARU_ICMP_TIME_EXCEEDED,
                                       .code = NARU_ICMP_REASSEMBLY_EXCEEDED });
    else
        send6(stack, in,
              &(struct naru_icmpv6_hdr){ .type = NARU_ICMPV6_TIME_EXCEEDED,
                                         .code = NARU_ICMPV6_REASSEMBLY_EXCEEDED });
}

/* code is ICMPv6's; whether a group may be answered was decided by the caller (RFC 4443 2.4 e.3;
 * H-3.2.2.5-1). */
NARU_NOINLINE void naru_icmp_param_problem(struct naru_stack *stack, const struct naru_ip_in *in,
                                           uint8_t code, uint32_t pointer)
{
    if (!may_answer(stack, in, code == NARU_ICMPV6_OPTION))
        return;
    if (naru_addr_is_v4(&in->src))
        send4(stack, in,
              &(struct naru_icmp_hdr){ .type = NARU_ICMP_PARAM_PROBLEM,
                                       .pointer = (uint8_t)pointer });
    else
        send6(stack, in,
              &(struct naru_icmpv6_hdr){
                  .type = NARU_ICMPV6_PARAM_PROBLEM, .code = code, .pointer = pointer });
}
