/*
 * IGMP and MLD: queries and reports to proto/group, its reports to messages (RFC 3376, RFC 3810).
 */
#include "stack/core.h"

#include "base/addr.h"
#include "wire/group.h"
#include "wire/icmpv6.h"

enum { REPORT_MAX = 512 };

static enum naru_drop message_in(struct naru_stack *stack, const struct naru_ip_in *in,
                                 const struct naru_group_msg *m)
{
    if (m->kind == NARU_GROUP_KIND_REPORT) {
        naru_group_reported(&stack->group, in->iface->index, &m->group, stack->now);
        return NARU_DROP_NONE;
    }
    if (m->kind != NARU_GROUP_KIND_QUERY)
        return NARU_DROP_ICMP_IGNORED;
    naru_group_query(&stack->group, in->iface->index, m, stack->now);
    stack->chores = true;
    return NARU_DROP_NONE;
}

NARU_NOINLINE enum naru_drop naru_igmp_input(struct naru_stack *stack, const struct naru_ip_in *in,
                                             struct naru_pkt *pkt)
{
    struct naru_group_msg m;
    enum naru_drop drop = naru_igmp_parse(naru_span(pkt->data, pkt->len), &m);
    if (drop == NARU_DROP_NONE)
        drop = message_in(stack, in, &m);
    return naru_pkt_drop(pkt, drop);
}

enum naru_drop naru_mld_input(struct naru_stack *stack, const struct naru_ip_in *in, uint8_t type,
                              struct naru_span message)
{
    struct naru_group_msg m;
    if (in->hop_limit != 1 || !naru_addr_is_link_local(&in->src))
        return NARU_DROP_GROUP_INVALID; /* RFC 3810 5.1.14, 5.2.13 */
    enum naru_drop drop = naru_mld_parse(message, type, &m);
    return drop == NARU_DROP_NONE ? message_in(stack, in, &m) : drop;
}

/* ---- Reports ---- */

static size_t emit_records(const struct naru_group_report *report, uint8_t *at)
{
    struct naru_group_writer w;
    if (!naru_group_records_begin(&w, at, REPORT_MAX, report->family))
        return 0;
    for (unsigned i = 0; i < report->record_count; i++) {
        const struct naru_group_record *r = &report->record[i];
        (void)naru_group_record_emit(&w, (uint8_t)r->type, &r->group, r->source, r->source_count);
    }
    return naru_group_records_end(&w);
}

static size_t emit_old(const struct naru_group_report *report, uint8_t *at)
{
    bool v4 = report->family == NARU_IPV4;
    struct naru_group_msg m = {
        .kind =
            report->message == NARU_GROUP_LEAVE ? NARU_GROUP_KIND_LEAVE : NARU_GROUP_KIND_REPORT,
        .family = report->family,
        .version = v4 && report->message != NARU_GROUP_REPORT_V1 ? 2 : 1,
        .group = report->record[0].group,
    };
    return naru_group_emit(at, &m);
}

/* MLDv2 listener with v1 fall-back; reports from :: allowed for DAD (RFC 3590); router alert, hop
 * limit 1 (V6-3810-4-1). */
static void send_report(struct naru_stack *stack, struct naru_iface *iface,
                        const struct naru_group_report *report)
{
    struct naru_pkt *pkt = naru_pktpool_get(&stack->pkts, NARU_IP_HEADROOM, REPORT_MAX);
    if (pkt == NULL) {
        naru_drop_count(stack, NARU_DROP_NO_MEMORY, 1);
        return;
    }
    pkt->len = (uint32_t)(report->message == NARU_GROUP_REPORT ? emit_records(report, pkt->data)
                                                               : emit_old(report, pkt->data));
    bool v4 = report->family == NARU_IPV4;
    struct naru_ip_out out = {
        .dst = report->to,
        .ifindex = iface->index,
        .proto = v4 ? NARU_PROTO_IGMP : NARU_PROTO_ICMPV6,
        .hop_limit = 1,
        .tos = v4 ? 0xc0 : 0,
        .router_alert = true,
        .no_multicast_loop = true,
        .csum_offset = v4 ? 0xff : 2,
    };
    struct naru_path path = { .ifindex = iface->index };
    if (!naru_path_source(stack, &path, &out.dst, &out.src)) {
        /* RFC 3810 5.2.13, RFC 3376 4.2.13: without an address yet, from the unspecified one. */
        out.src = v4 ? naru_addr_v4(0) : (struct naru_addr){ 0 };
        out.from_unspecified = true;
    }
    (void)naru_ip_output(stack, &out, pkt);
}

void naru_group_chores(struct naru_stack *stack, struct naru_iface *iface)
{
    struct naru_group_report report;
    if (!iface->link_layer)
        return;
    while (naru_group_next_report(&stack->group, iface->index, stack->now, &report))
        send_report(stack, iface, &report);
}
