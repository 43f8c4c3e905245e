/*
 * Packets of a script to the stack: from relative numbers to bytes with right checksums.
 */
#include "base/addr.h"
#include "base/csum.h"
#include "pkt/play.h"
#include "wire/icmp.h"
#include "wire/icmpv6.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/udp.h"

#include <stdlib.h>
#include <string.h>

enum { EOL = 0, NOP = 1, SACK = 5, TS = 8, TTL = 255, QUOTE_TCP = 20, QUOTE_UDP = 8 };

struct packet {
    struct naru_play *p;
    bool v6;
    struct naru_addr src, dst;
    uint8_t tos, ttl;
    uint32_t flow;
};

/* ---- TCP options ---- */

static uint32_t live_ecr(struct naru_play *p, uint32_t script)
{
    const struct naru_play_conn *c = p->conn;
    for (unsigned i = c->stamp_count; i-- > 0;)
        if (c->stamp[i].script == script)
            return c->stamp[i].live;
    if (script == 0)
        return 0;
    if (p->options.ts_ecr_scaled && c->stamp_count > 0)
        return c->stamp[0].live + (script - c->stamp[0].script);
    naru_play_fail(p, "ecr %u: the stack has sent no such TS val", script);
    return 0;
}

static size_t emit_option(struct naru_play *p, const struct naru_script_opt *opt, uint8_t *at)
{
    at[0] = opt->kind;
    if (opt->kind == EOL || opt->kind == NOP)
        return 1;
    at[1] = (uint8_t)(opt->len + 2);
    memcpy(at + 2, opt->data, opt->len);
    if (opt->kind == TS) {
        naru_put32(at + 6, live_ecr(p, naru_get32(opt->data + 4)));
    } else if (opt->kind == SACK) {
        for (unsigned i = 0; i + 4 <= opt->len; i += 4)
            naru_put32(at + 2 + i, naru_get32(opt->data + i) + p->conn->offset);
    }
    return 2U + opt->len;
}

/* ---- IP ---- */

static size_t ip_header_len(const struct packet *k)
{
    return k->v6 ? NARU_IPV6_LEN : NARU_IPV4_LEN;
}

static size_t emit_ip(const struct packet *k, uint8_t *at, uint8_t proto, size_t payload_len)
{
    if (k->v6) {
        struct naru_ipv6_hdr h = {
            .src = k->src,
            .dst = k->dst,
            .flow_label = k->flow,
            .payload_len = (uint16_t)payload_len,
            .traffic_class = k->tos,
            .next_header = proto,
            .hop_limit = k->ttl,
        };
        return naru_ipv6_emit(at, &h);
    }
    struct naru_ipv4_hdr h = {
        .src = k->src,
        .dst = k->dst,
        .total_len = (uint16_t)(NARU_IPV4_LEN + payload_len),
        .df = true,
        .tos = k->tos,
        .ttl = k->ttl,
        .protocol = proto,
    };
    return naru_ipv4_emit(at, &h);
}

static struct packet describe(struct naru_play *p, const struct naru_script_ip *ip)
{
    static const uint8_t bits[] = {
        [NARU_SCRIPT_ECN_UNSAID] = NARU_ECN_NOT_ECT, [NARU_SCRIPT_ECN_NONE] = NARU_ECN_NOT_ECT,
        [NARU_SCRIPT_ECT0] = NARU_ECN_ECT0,          [NARU_SCRIPT_ECT1] = NARU_ECN_ECT1,
        [NARU_SCRIPT_ECT01] = NARU_ECN_ECT0,         [NARU_SCRIPT_CE] = NARU_ECN_CE,
    };
    bool v6 = p->options.version == NARU_SCRIPT_V6;
    return (struct packet){
        .p = p,
        .v6 = v6,
        .src = p->options.remote[v6],
        .dst = p->options.local[v6],
        .tos = ip->has_tos ? ip->tos : bits[ip->ecn],
        .ttl = ip->has_ttl ? ip->ttl : TTL,
        .flow = ip->flow,
    };
}

static void hand_over(const struct packet *k, const uint8_t *bytes, size_t len, size_t header_len)
{
    struct naru_play *p = k->p;
    struct naru_pkt *pkt = naru_pkt_new(p->stack, len);
    if (pkt == NULL) {
        naru_play_fail(p, "no memory for a packet of %zu bytes", len);
        return;
    }
    memcpy(pkt->data, bytes, len);
    pkt->len = (uint32_t)len;
    if (p->options.gso_size != 0 && len - header_len > p->options.gso_size) {
        pkt->offload.gso = k->v6 ? NARU_GSO_TCP6 : NARU_GSO_TCP4;
        pkt->offload.gso_size = (uint16_t)p->options.gso_size;
        pkt->offload.header_len = (uint16_t)header_len;
    }
    naru_stack_input(p->stack, p->ifindex, pkt, p->now);
}

/* ---- Kinds ---- */

static void put_tcp(const struct packet *k, const struct naru_script_packet *s, uint8_t *at,
                    size_t header_len)
{
    struct naru_play_conn *c = k->p->conn;
    naru_put16(at, s->sport != 0 ? s->sport : c->remote_port);
    naru_put16(at + 2, s->dport != 0 ? s->dport : c->local_port);
    naru_put32(at + 4, s->seq);
    naru_put32(at + 8, s->has_ack && (s->flags & NARU_TCP_ACK) ? s->ack + c->offset : s->ack);
    naru_put16(at + 12, (unsigned)(header_len / 4) << 12 | s->flags);
    naru_put16(at + 14, s->win);
    naru_put16(at + 16, 0);
    naru_put16(at + 18, s->urg);
}

static void inject_tcp(const struct packet *k, const struct naru_script_packet *s)
{
    uint8_t options[256];
    size_t options_len = 0;
    for (unsigned i = 0; i < s->opt_count; i++)
        options_len += emit_option(k->p, &s->opt[i], options + options_len);
    size_t ip_len = ip_header_len(k), tcp_len = NARU_TCP_LEN + options_len;
    size_t total = ip_len + tcp_len + s->len;
    if (tcp_len + s->len + (k->v6 ? 0 : ip_len) > UINT16_MAX) {
        naru_play_fail(k->p, "a segment of %u bytes does not fit into a packet", s->len);
        return;
    }
    uint8_t *bytes = naru_arena_take(k->p->arena, total);
    uint8_t *tcp = bytes + emit_ip(k, bytes, NARU_PROTO_TCP, tcp_len + s->len);
    put_tcp(k, s, tcp, tcp_len);
    memcpy(tcp + NARU_TCP_LEN, options, options_len);
    uint32_t sum = naru_csum_pseudo(&k->src, &k->dst, NARU_PROTO_TCP, (uint32_t)(tcp_len + s->len));
    naru_put16(tcp + NARU_TCP_CHECKSUM_AT,
               naru_csum_finish(naru_csum_add(sum, tcp, tcp_len + s->len)));
    hand_over(k, bytes, total, ip_len + tcp_len);
}

static void inject_udp(const struct packet *k, const struct naru_script_packet *s)
{
    size_t len = NARU_UDP_LEN + (size_t)s->len, ip_len = ip_header_len(k);
    uint8_t *bytes = naru_arena_take(k->p->arena, ip_len + len);
    uint8_t *udp = bytes + emit_ip(k, bytes, NARU_PROTO_UDP, len);
    naru_put16(udp, k->p->conn->remote_port);
    naru_put16(udp + 2, k->p->conn->local_port);
    naru_put16(udp + 4, (unsigned)len);
    uint32_t sum = naru_csum_pseudo(&k->src, &k->dst, NARU_PROTO_UDP, (uint32_t)len);
    naru_put16(udp + 6, naru_csum_finish(naru_csum_add(sum, udp, len)));
    hand_over(k, bytes, ip_len + len, ip_len + NARU_UDP_LEN);
}

/* ---- ICMP ---- */

struct icmp_name {
    const char *type, *code; /* code NULL: the only one */
    uint8_t type4, code4;
    uint8_t type6, code6;
};

/* 255: not in that family. */
static const struct icmp_name icmp_names[] = {
    { "unreachable", "net_unreachable", 3, 0, 1, 0 },
    { "unreachable", "host_unreachable", 3, 1, 1, 3 },
    { "unreachable", "protocol_unreachable", 3, 2, 255, 0 },
    { "unreachable", "port_unreachable", 3, 3, 1, 4 },
    { "unreachable", "frag_needed", 3, 4, 2, 0 },
    { "unreachable", "source_route_failed", 3, 5, 255, 0 },
    { "unreachable", "net_unreachable_unknown", 3, 6, 255, 0 },
    { "unreachable", "host_unreachable_unknown", 3, 7, 255, 0 },
    { "unreachable", "host_unreachable_isolated", 3, 8, 255, 0 },
    { "unreachable", "net_prohibited", 3, 9, 255, 0 },
    { "unreachable", "host_prohibited", 3, 10, 255, 0 },
    { "unreachable", "packet_filtered", 3, 13, 1, 1 },
    { "unreachable", "no_route", 3, 0, 1, 0 },
    { "unreachable", "address_unreachable", 3, 1, 1, 3 },
    { "unreachable", "addr_unreachable", 3, 1, 1, 3 },
    { "unreachable", "admin_prohibited", 3, 13, 1, 1 },
    { "packet_too_big", NULL, 3, 4, 2, 0 },
    { "source_quench", NULL, 4, 0, 255, 0 },
    { "time_exceeded", "exceeded_in_transit", 11, 0, 3, 0 },
    { "time_exceeded", "exc_ttl", 11, 0, 3, 0 },
    { "time_exceeded", "exc_fragtime", 11, 1, 3, 1 },
    { "time_exceeded", NULL, 11, 0, 3, 0 },
    { "parameter_problem", NULL, 12, 0, 4, 0 },
    { "echo_request", NULL, 8, 0, 128, 0 },
    { "echo_reply", NULL, 0, 0, 129, 0 },
};

static bool icmp_find(const struct packet *k, const struct naru_script_packet *s, uint8_t *type,
                      uint8_t *code)
{
    for (size_t i = 0; i < NARU_ARRAY_LEN(icmp_names); i++) {
        const struct icmp_name *n = &icmp_names[i];
        if (strcmp(n->type, s->icmp_type) != 0)
            continue;
        if (n->code != NULL && (s->icmp_code == NULL || strcmp(n->code, s->icmp_code) != 0))
            continue;
        *type = k->v6 ? n->type6 : n->type4;
        *code = k->v6 ? n->code6 : n->code4;
        return *type != 255;
    }
    return false;
}

/* Our own packet, as the one who complains saw it. */
static size_t put_quote(const struct packet *k, const struct naru_script_packet *s, uint8_t *at)
{
    struct naru_play_conn *c = k->p->conn;
    struct packet ours = *k;
    size_t transport = s->quotes_udp ? QUOTE_UDP : QUOTE_TCP;
    ours.src = k->dst;
    ours.dst = k->src;
    ours.ttl = 64;
    size_t len =
        emit_ip(&ours, at, s->quotes_udp ? NARU_PROTO_UDP : NARU_PROTO_TCP, transport + s->len);
    memset(at + len, 0, transport);
    naru_put16(at + len, c->local_port);
    naru_put16(at + len + 2, c->remote_port);
    if (s->quotes_udp) {
        naru_put16(at + len + 4, NARU_UDP_LEN + s->len);
    } else {
        naru_put32(at + len + 4, s->seq + c->offset);
        naru_put16(at + len + 12, 5U << 12 | NARU_TCP_ACK);
    }
    return len + transport;
}

static void inject_icmp(const struct packet *k, const struct naru_script_packet *s)
{
    uint8_t bytes[256] = { 0 };
    uint8_t type, code;
    if (!icmp_find(k, s, &type, &code)) {
        naru_play_skip(k->p, "ICMP %s %s", s->icmp_type, s->icmp_code ? s->icmp_code : "");
        return;
    }
    size_t ip_len = ip_header_len(k), len = NARU_ICMP_LEN;
    uint8_t *icmp = bytes + ip_len;
    icmp[0] = type;
    icmp[1] = code;
    if (k->v6)
        naru_put32(icmp + 4, s->icmp_mtu);
    else
        naru_put16(icmp + 6, s->icmp_mtu);
    if (s->icmp_id != 0)
        naru_put16(icmp + 4, s->icmp_id);
    if (s->quotes_tcp || s->quotes_udp)
        len += put_quote(k, s, icmp + len);
    uint8_t proto = k->v6 ? NARU_PROTO_ICMPV6 : NARU_PROTO_ICMP;
    uint32_t sum = k->v6 ? naru_csum_pseudo(&k->src, &k->dst, proto, (uint32_t)len) : 0;
    naru_put16(icmp + 2, naru_csum_finish(naru_csum_add(sum, icmp, len)));
    (void)emit_ip(k, bytes, proto, len);
    hand_over(k, bytes, ip_len + len, ip_len + NARU_ICMP_LEN);
}

/* The connection that a packet without ports is of; a SYN of a peer not seen before begins one. */
static void choose_conn(struct naru_play *p, const struct naru_script_packet *s)
{
    if (s->dport != 0 && (s->dport != p->conn->local_port || s->sport != p->conn->remote_port))
        naru_play_new_conn(p, s->dport, s->sport);
    if (p->conn->local_port == 0)
        p->conn->local_port = p->options.bind_port;
    if (p->conn->remote_port == 0)
        p->conn->remote_port =
            s->proto == NARU_SCRIPT_UDP ? p->options.connect_port : p->next_port++;
}

void naru_inject(struct naru_play *p, const struct naru_script_packet *s)
{
    struct packet k = describe(p, &s->ip);
    naru_play_need_stack(p);
    if (naru_play_ended(p))
        return;
    choose_conn(p, s);
    if (p->drop_synfin && (s->flags & NARU_TCP_SYN) && (s->flags & NARU_TCP_FIN))
        return;
    switch (s->proto) {
    case NARU_SCRIPT_TCP:
        inject_tcp(&k, s);
        break;
    case NARU_SCRIPT_UDP:
        inject_udp(&k, s);
        break;
    case NARU_SCRIPT_ICMP:
        inject_icmp(&k, s);
        break;
    }
}
