/*
 * ICMP, ICMPv6 with Neighbor Discovery, IGMP and MLD as text (see show.h).
 */
#include "wire/group.h"
#include "wire/icmp.h"
#include "wire/icmpv6.h"
#include "wire/nd.h"
#include "wire/quote.h"
#include "wire/show.h"

#include "base/addr.h"

static void word_addr(struct naru_text *t, const char *word, const struct naru_addr *a)
{
    naru_text_str(t, word);
    naru_text_addr(t, a);
}

static void word_uint(struct naru_text *t, const char *word, uint64_t n)
{
    naru_text_str(t, word);
    naru_text_uint(t, n);
}

/* "10.0.0.2 udp port 53": whom the quoted packet was for. */
static void quote_show(struct naru_text *t, const struct naru_quote *q, bool port)
{
    naru_text_addr(t, &q->dst);
    naru_text_char(t, ' ');
    naru_show_proto(t, q->proto);
    if (port)
        word_uint(t, " port ", q->dport);
}

/* ---- ICMP ---- */

static void icmp_unreachable_show(struct naru_text *t, const struct naru_icmp_hdr *h,
                                  struct naru_span in)
{
    struct naru_quote q;
    if (naru_quote_parse(in, NARU_IPV4, &q) != NARU_DROP_NONE) {
        word_uint(t, "unreachable - #", h->code);
        naru_text_str(t, " [bad quote]");
        return;
    }
    switch (h->code) {
    case NARU_ICMP_NET:
        word_addr(t, "net ", &q.dst);
        naru_text_str(t, " unreachable");
        break;
    case NARU_ICMP_HOST:
        word_addr(t, "host ", &q.dst);
        naru_text_str(t, " unreachable");
        break;
    case NARU_ICMP_PROTOCOL:
        naru_text_addr(t, &q.dst);
        word_uint(t, " protocol ", q.proto);
        naru_text_str(t, " unreachable");
        break;
    case NARU_ICMP_PORT:
        quote_show(t, &q, true);
        naru_text_str(t, " unreachable");
        break;
    case NARU_ICMP_FRAG_NEEDED:
        naru_text_addr(t, &q.dst);
        word_uint(t, " unreachable - need to frag (mtu ", h->mtu);
        naru_text_char(t, ')');
        break;
    case NARU_ICMP_NET_PROHIBITED:
    case NARU_ICMP_HOST_PROHIBITED:
        word_addr(t, h->code == NARU_ICMP_NET_PROHIBITED ? "net " : "host ", &q.dst);
        naru_text_str(t, " unreachable - admin prohibited");
        break;
    case NARU_ICMP_PROHIBITED:
        word_addr(t, "host ", &q.dst);
        naru_text_str(t, " unreachable - admin prohibited filter");
        break;
    default:
        naru_text_addr(t, &q.dst);
        word_uint(t, " unreachable - #", h->code);
        break;
    }
}

static void icmp_echo_show(struct naru_text *t, const struct naru_icmp_hdr *h)
{
    naru_text_str(t, h->type == NARU_ICMP_ECHO ? "echo request" : "echo reply");
    word_uint(t, ", id ", h->ident);
    word_uint(t, ", seq ", h->seq);
}

static void icmp_redirect_show(struct naru_text *t, const struct naru_icmp_hdr *h,
                               struct naru_span in)
{
    struct naru_quote q;
    naru_text_str(t, "redirect");
    if (naru_quote_parse(in, NARU_IPV4, &q) == NARU_DROP_NONE)
        word_addr(t, " ", &q.dst);
    else
        naru_text_str(t, " [bad quote]");
    word_addr(t, (h->code & 1) != 0 ? " to host " : " to net ", &h->gateway);
}

static void icmp_type_show(struct naru_text *t, const struct naru_icmp_hdr *h, struct naru_span in)
{
    switch (h->type) {
    case NARU_ICMP_ECHO:
    case NARU_ICMP_ECHO_REPLY:
        icmp_echo_show(t, h);
        break;
    case NARU_ICMP_UNREACHABLE:
        icmp_unreachable_show(t, h, in);
        break;
    case NARU_ICMP_TIME_EXCEEDED:
        naru_text_str(t, h->code == NARU_ICMP_TTL_EXCEEDED ? "time exceeded in-transit"
                                                           : "ip reassembly time exceeded");
        break;
    case NARU_ICMP_PARAM_PROBLEM:
        word_uint(t, "parameter problem - octet ", h->pointer);
        break;
    case NARU_ICMP_REDIRECT:
        icmp_redirect_show(t, h, in);
        break;
    case NARU_ICMP_SOURCE_QUENCH:
        naru_text_str(t, "source quench");
        break;
    default:
        word_uint(t, "type-#", h->type);
        break;
    }
}

void naru_show_icmp(struct naru_text *t, struct naru_span in, size_t len)
{
    struct naru_icmp_hdr h;
    naru_text_str(t, "ICMP ");
    if (naru_icmp_parse(&in, &h) != NARU_DROP_NONE) {
        naru_text_str(t, "[|icmp]");
        return;
    }
    icmp_type_show(t, &h, in);
    word_uint(t, ", length ", len);
}

/* ---- Groups ---- */

static void query_show(struct naru_text *t, const struct naru_group_msg *m)
{
    word_uint(t, "query v", m->version);
    word_uint(t, " [max resp ", m->max_response_ms);
    naru_text_str(t, " ms]");
    if (naru_addr_is_unspecified(&m->group))
        return;
    word_addr(t, " [gaddr ", &m->group);
    if (m->source_count > 0) {
        word_uint(t, ", ", m->source_count);
        naru_text_str(t, " source(s)");
    }
    naru_text_char(t, ']');
}

static void group_show(struct naru_text *t, const struct naru_group_msg *m, const char *name)
{
    naru_text_str(t, name);
    switch (m->kind) {
    case NARU_GROUP_KIND_QUERY:
        query_show(t, m);
        break;
    case NARU_GROUP_KIND_REPORT:
        word_uint(t, "v", m->version);
        word_addr(t, " report ", &m->group);
        break;
    case NARU_GROUP_KIND_LEAVE:
        word_addr(t, m->family == NARU_IPV4 ? "leave " : "done ", &m->group);
        break;
    case NARU_GROUP_KIND_RECORDS:
        word_uint(t, "v", m->version);
        word_uint(t, " report, ", m->record_count);
        naru_text_str(t, " group record(s)");
        break;
    }
}

static void records_show(struct naru_text *t, struct naru_group_msg *m)
{
    static const char *const names[] = {
        "?", "is_in", "is_ex", "to_in", "to_ex", "allow", "block"
    };
    struct naru_group_rec r;
    while (naru_group_rec_next(m, &r)) {
        word_addr(t, " [", &r.group);
        naru_text_char(t, ' ');
        naru_text_str(t, names[r.type < NARU_ARRAY_LEN(names) ? r.type : 0]);
        naru_text_str(t, " {");
        for (unsigned i = 0; i < r.source_count; i++) {
            struct naru_addr source = naru_group_source(r.sources, m->family, i);
            word_addr(t, i > 0 ? " " : "", &source);
        }
        naru_text_str(t, "}]");
    }
}

void naru_show_igmp(struct naru_text *t, struct naru_span in)
{
    struct naru_group_msg m;
    enum naru_drop drop = naru_igmp_parse(in, &m);
    if (drop != NARU_DROP_NONE) {
        naru_text_str(t, drop == NARU_DROP_GROUP_SHORT ? "[|igmp]" : "igmp [bad message]");
        return;
    }
    group_show(t, &m, "igmp ");
    records_show(t, &m);
}

/* ---- ICMPv6 ---- */

static const char *unreachable_name(uint8_t code)
{
    static const char *const names[] = {
        "unreachable route",   "unreachable prohibited", "beyond scope",
        "unreachable address", "unreachable port",       "policy",
        "reject route",
    };
    return code < NARU_ARRAY_LEN(names) ? names[code] : "unknown code";
}

static void icmpv6_error_show(struct naru_text *t, const struct naru_icmpv6_hdr *h,
                              struct naru_span in)
{
    struct naru_quote q;
    switch (h->type) {
    case NARU_ICMPV6_UNREACHABLE:
        naru_text_str(t, "destination unreachable, ");
        naru_text_str(t, unreachable_name(h->code));
        if (naru_quote_parse(in, NARU_IPV6, &q) != NARU_DROP_NONE) {
            naru_text_str(t, " [bad quote]");
        } else {
            naru_text_str(t, ", ");
            quote_show(t, &q, h->code == NARU_ICMPV6_PORT);
        }
        break;
    case NARU_ICMPV6_TOO_BIG:
        word_uint(t, "packet too big, mtu ", h->mtu);
        break;
    case NARU_ICMPV6_TIME_EXCEEDED:
        naru_text_str(t, h->code == NARU_ICMPV6_HOP_LIMIT_EXCEEDED ? "time exceeded in-transit"
                                                                   : "ip reassembly time exceeded");
        if (naru_quote_parse(in, NARU_IPV6, &q) == NARU_DROP_NONE)
            word_addr(t, " for ", &q.dst);
        break;
    case NARU_ICMPV6_PARAM_PROBLEM:
        naru_text_str(t, "parameter problem, ");
        naru_text_str(t, h->code == NARU_ICMPV6_FIELD         ? "erroneous header field"
                         : h->code == NARU_ICMPV6_NEXT_HEADER ? "next header"
                                                              : "option");
        word_uint(t, " - octet ", h->pointer);
        break;
    default:
        word_uint(t, "type-#", h->type);
        break;
    }
}

static bool neighbor_show(struct naru_text *t, uint8_t type, struct naru_span *in)
{
    struct naru_nd_ns ns;
    struct naru_nd_na na;
    if (type == NARU_ICMPV6_NS) {
        naru_text_str(t, "neighbor solicitation");
        if (naru_nd_ns_parse(in, &ns) != NARU_DROP_NONE)
            return false;
        word_addr(t, ", who has ", &ns.target);
        return true;
    }
    naru_text_str(t, "neighbor advertisement");
    if (naru_nd_na_parse(in, &na) != NARU_DROP_NONE)
        return false;
    word_addr(t, ", tgt is ", &na.target);
    if (na.router || na.solicited || na.override) {
        naru_text_str(t, ", flags");
        naru_text_str(t, na.router ? " router" : "");
        naru_text_str(t, na.solicited ? " solicited" : "");
        naru_text_str(t, na.override ? " override" : "");
    }
    return true;
}

static bool router_show(struct naru_text *t, uint8_t type, struct naru_span *in)
{
    struct naru_nd_ra ra;
    struct naru_nd_redirect redirect;
    if (type == NARU_ICMPV6_RS) {
        naru_text_str(t, "router solicitation");
        return naru_nd_rs_parse(in) == NARU_DROP_NONE;
    }
    if (type == NARU_ICMPV6_RA) {
        naru_text_str(t, "router advertisement");
        if (naru_nd_ra_parse(in, &ra) != NARU_DROP_NONE)
            return false;
        word_uint(t, ", hop limit ", ra.hop_limit);
        word_uint(t, ", lifetime ", ra.lifetime_s);
        naru_text_char(t, 's');
        return true;
    }
    naru_text_str(t, "redirect");
    if (naru_nd_redirect_parse(in, &redirect) != NARU_DROP_NONE)
        return false;
    word_addr(t, ", ", &redirect.destination);
    word_addr(t, " to ", &redirect.target);
    return true;
}

static void mac_show(struct naru_text *t, const char *name, const uint8_t *mac)
{
    if (mac == NULL)
        return;
    naru_text_str(t, name);
    naru_text_mac(t, mac);
}

static void prefix_show(struct naru_text *t, const struct naru_nd_prefix *p)
{
    word_addr(t, ", prefix ", &p->prefix);
    word_uint(t, "/", p->prefix_len);
    naru_text_str(t, p->on_link ? " onlink" : "");
    naru_text_str(t, p->autonomous ? " auto" : "");
}

static void nd_options_show(struct naru_text *t, struct naru_span in)
{
    struct naru_nd_options o;
    struct naru_nd_option one;
    struct naru_nd_prefix prefix;
    struct naru_nd_rdnss rdnss;
    struct naru_nd_dnssl dnssl;
    char name[NARU_ND_DOMAIN_SIZE];
    if (naru_nd_options_parse(in, &o) != NARU_DROP_NONE) {
        naru_text_str(t, ", [bad options]");
        return;
    }
    mac_show(t, ", source link-address ", o.slla);
    mac_show(t, ", destination link-address ", o.tlla);
    if (o.mtu != 0)
        word_uint(t, ", mtu ", o.mtu);
    while (naru_nd_option_next(&in, &one)) {
        if (naru_nd_prefix_parse(&one, &prefix))
            prefix_show(t, &prefix);
        if (naru_nd_dnssl_parse(&one, &dnssl))
            while (naru_nd_dnssl_next(&dnssl, name)) {
                naru_text_str(t, ", dnssl ");
                naru_text_str(t, name);
            }
        if (!naru_nd_rdnss_parse(&one, &rdnss))
            continue;
        for (unsigned i = 0; i < rdnss.count; i++) {
            struct naru_addr server = naru_nd_rdnss_get(&rdnss, i);
            word_addr(t, ", rdnss ", &server);
        }
    }
}

static void nd_show(struct naru_text *t, uint8_t type, struct naru_span in)
{
    bool ok = type == NARU_ICMPV6_NS || type == NARU_ICMPV6_NA ? neighbor_show(t, type, &in)
                                                               : router_show(t, type, &in);
    if (ok)
        nd_options_show(t, in);
    else
        naru_text_str(t, " [bad message]");
}

static void mld_show(struct naru_text *t, uint8_t type, struct naru_span in)
{
    struct naru_group_msg m;
    if (naru_mld_parse(in, type, &m) != NARU_DROP_NONE) {
        naru_text_str(t, "multicast listener [bad message]");
        return;
    }
    group_show(t, &m, "multicast listener ");
    records_show(t, &m);
}

void naru_show_icmpv6(struct naru_text *t, struct naru_span in, size_t len)
{
    struct naru_icmpv6_hdr h;
    naru_text_str(t, "ICMP6, ");
    if (naru_icmpv6_parse(&in, &h) != NARU_DROP_NONE) {
        naru_text_str(t, "[|icmp6]");
        return;
    }
    switch (h.type) {
    case NARU_ICMPV6_ECHO:
    case NARU_ICMPV6_ECHO_REPLY:
        naru_text_str(t, h.type == NARU_ICMPV6_ECHO ? "echo request" : "echo reply");
        word_uint(t, ", id ", h.ident);
        word_uint(t, ", seq ", h.seq);
        break;
    case NARU_ICMPV6_RS:
    case NARU_ICMPV6_RA:
    case NARU_ICMPV6_NS:
    case NARU_ICMPV6_NA:
    case NARU_ICMPV6_REDIRECT:
        nd_show(t, h.type, in);
        break;
    case NARU_ICMPV6_MLD_QUERY:
    case NARU_ICMPV6_MLD_REPORT:
    case NARU_ICMPV6_MLD_DONE:
    case NARU_ICMPV6_MLDV2_REPORT:
        mld_show(t, h.type, in);
        break;
    default:
        icmpv6_error_show(t, &h, in);
        break;
    }
    word_uint(t, ", length ", len);
}
