/*
 * Packets that the stack has sent: from bytes to what can be compared, checksums verified.
 */
#include "base/csum.h"
#include "pkt/play.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/udp.h"

static bool zeros(struct naru_span span)
{
    for (size_t i = 0; i < span.len; i++)
        if (span.at[i] != 0)
            return false;
    return true;
}

static bool sum_ok(const struct naru_seen *seen, struct naru_span segment)
{
    uint32_t sum = naru_csum_pseudo(&seen->src, &seen->dst, seen->proto, (uint32_t)segment.len);
    return naru_csum_ok(naru_csum_add(sum, segment.at, segment.len));
}

static void transport(struct naru_seen *seen, struct naru_span in)
{
    struct naru_span whole = in;
    struct naru_udp_hdr udp;
    if (seen->proto == NARU_PROTO_TCP) {
        if (naru_tcp_parse(&in, &seen->tcp) != NARU_DROP_NONE)
            seen->broken = "a TCP header that cannot be parsed";
        else if (!sum_ok(seen, whole))
            seen->broken = "a wrong TCP checksum";
        seen->sport = seen->tcp.sport;
        seen->dport = seen->tcp.dport;
        if (seen->broken == NULL)
            seen->options =
                naru_span(whole.at + NARU_TCP_LEN, seen->tcp.header_len - (size_t)NARU_TCP_LEN);
    } else if (seen->proto == NARU_PROTO_UDP) {
        if (naru_udp_parse(&in, &udp) != NARU_DROP_NONE)
            seen->broken = "a UDP header that cannot be parsed";
        else if (udp.checksum != 0 && !sum_ok(seen, whole))
            seen->broken = "a wrong UDP checksum";
        seen->sport = udp.sport;
        seen->dport = udp.dport;
    } else if (in.len >= NARU_ICMP_LEN) {
        seen->icmp_type = in.at[0];
        seen->icmp_code = in.at[1];
    }
    seen->payload_len = (uint32_t)in.len;
    seen->payload_zero = zeros(in);
}

static void ipv4(struct naru_seen *seen, struct naru_span in)
{
    struct naru_ipv4_hdr h;
    if (naru_ipv4_parse(&in, &h) != NARU_DROP_NONE) {
        seen->broken = "an IPv4 header that cannot be parsed";
        return;
    }
    if (!naru_ipv4_checksum_ok(seen->bytes, h.header_len))
        seen->broken = "a wrong IPv4 header checksum";
    seen->src = h.src;
    seen->dst = h.dst;
    seen->proto = h.protocol;
    seen->tos = h.tos;
    seen->ttl = h.ttl;
    transport(seen, in);
}

static void ipv6(struct naru_seen *seen, struct naru_span in)
{
    struct naru_ipv6_hdr h;
    if (naru_ipv6_parse(&in, &h) != NARU_DROP_NONE) {
        seen->broken = "an IPv6 header that cannot be parsed";
        return;
    }
    seen->src = h.src;
    seen->dst = h.dst;
    seen->proto = h.next_header;
    seen->tos = h.traffic_class;
    seen->ttl = h.hop_limit;
    seen->flow = h.flow_label;
    transport(seen, in);
}

void naru_seen_parse(struct naru_seen *seen)
{
    struct naru_span in = naru_span(seen->bytes, seen->len);
    seen->v6 = seen->len > 0 && seen->bytes[0] >> 4 == 6;
    if (seen->v6)
        ipv6(seen, in);
    else
        ipv4(seen, in);
}
